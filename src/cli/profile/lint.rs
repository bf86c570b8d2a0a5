//! `simyard profile lint`.
//!
//! Exit codes: 0 where no finding is as bad as `--deny` says, 1 where one is or a package could not be read, 2 for wrong
//! usage. `--json` is described in [`crate::profile::lint::sarif`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::read_package;
use crate::cli::output::{self, Style, line};
use crate::profile::lint::{Finding, Report, Rule, Severity, lint, lint_together, sarif};

/// Check packages against the rules of the format and of good practice.
#[derive(Args)]
pub(super) struct LintArgs {
    /// Packages in DER, descriptions, names of templates that Simyard brings; - for standard input.
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    files: Vec<PathBuf>,
    /// List the rules: id, severity, clause, what is wrong.
    #[arg(long, conflicts_with_all = ["files", "together", "allow", "deny"])]
    rules: bool,
    /// The packages are for one eUICC: compare their numbers and keys.
    #[arg(long)]
    together: bool,
    /// Leave a rule out, by its id; may be given several times.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    allow: Vec<Rule>,
    /// The mildest finding that fails the command.
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    deny: Deny,
    /// The form of the findings.
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Format,
    /// Print JSON: the same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The mildest finding that fails the command.
#[derive(Clone, Copy, ValueEnum)]
enum Deny {
    /// Only what an eUICC refuses or what does not work.
    Error,
    /// What somebody will regret, too.
    Warning,
    /// Every finding.
    Info,
}

/// The form of the findings.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// Our own JSON.
    Json,
    /// SARIF 2.1.0, for code scanners.
    Sarif,
}

impl Deny {
    const fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
        }
    }
}

/// The rule of an argument.
fn rule(id: &str) -> Result<Rule, String> {
    Rule::find(id).ok_or_else(|| {
        let area = id.split('/').next().unwrap_or_default();
        let near: Vec<&str> = Rule::ALL
            .iter()
            .map(|rule| rule.id())
            .filter(|known| known.split('/').next() == Some(area))
            .collect();
        if near.is_empty() {
            "no such rule; 'simyard profile lint --rules' lists them".to_owned()
        } else {
            format!("no such rule; of this area there are {}", near.join(", "))
        }
    })
}

/// Prints the findings, or the rules.
///
/// # Errors
/// A package that cannot be read at all.
pub(super) fn run(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let format = if args.json { Format::Json } else { args.format };
    if args.rules {
        list_rules(format);
        return Ok(ExitCode::SUCCESS);
    }
    let packages: Vec<Zeroizing<Vec<u8>>> =
        args.files.iter().map(|file| read_package(file)).collect::<anyhow::Result<_>>()?;
    let octets: Vec<&[u8]> = packages.iter().map(|package| package.as_slice()).collect();
    let mut reports: Vec<Report> = if args.together {
        lint_together(&octets)
    } else {
        octets.iter().map(|octets| lint(octets)).collect()
    };
    for report in &mut reports {
        report.allow(&args.allow);
    }
    let names: Vec<String> = args.files.iter().map(|file| name(file)).collect();
    let linted: Vec<(&str, &Report)> = names.iter().map(String::as_str).zip(&reports).collect();
    match format {
        Format::Text => print(&linted),
        Format::Json => output::json(&sarif::to_json(&linted)),
        Format::Sarif => output::json(&sarif::to_sarif(&linted)),
    }
    let denied = reports.iter().filter_map(Report::worst).any(|worst| worst >= args.deny.severity());
    Ok(if denied { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What a file is called in findings.
fn name(file: &Path) -> String {
    if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() }
}

fn list_rules(format: Format) {
    if format != Format::Text {
        output::json(&sarif::rules_to_json());
        return;
    }
    let style = Style::of_stdout();
    for rule in Rule::ALL {
        let severity = rule.severity();
        line(&format!(
            "{:<32} {:<8} {} {}",
            rule.id(),
            severity.name(),
            rule.title(),
            style.dim(&format!("[{}]", rule.clause()))
        ));
    }
}

/// The findings as compilers print them: where, how bad, which rule, what; then the place by name and what to do.
fn print(files: &[(&str, &Report)]) {
    let style = Style::of_stdout();
    for (name, report) in files {
        for finding in &report.findings {
            print_one(style, name, finding);
        }
        if report.left_out > 0 {
            line(&format!("{name}: {} more findings of the same rules are left out", report.left_out));
        }
    }
    let count = |severity| files.iter().map(|(_, report)| report.count(severity)).sum::<usize>();
    let [info, warning, error] = Severity::ALL.map(count);
    let packages = files.len();
    line(&format!(
        "{packages} {}: {error} {}, {warning} {}, {info} for information",
        if packages == 1 { "package" } else { "packages" },
        if error == 1 { "error" } else { "errors" },
        if warning == 1 { "warning" } else { "warnings" },
    ));
}

fn print_one(style: Style, name: &str, finding: &Finding) {
    let rule = finding.rule;
    let severity = match rule.severity() {
        Severity::Error => style.bad(&format!("error[{}]", rule.id())),
        other => format!("{other}[{}]", rule.id()),
    };
    line(&format!("{name}:{}: {severity}: {}: {}", finding.offset, rule.title(), finding.message));
    let element = finding.element.map(|element| element.to_string());
    let place: Vec<String> = element.into_iter().chain(finding.file.clone()).collect();
    if !place.is_empty() {
        line(&style.dim(&format!("    in   {}", place.join(", "))));
    }
    line(&style.dim(&format!("    help {} [{}]", rule.help(), rule.clause())));
}
