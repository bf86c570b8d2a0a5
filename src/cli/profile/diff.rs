//! `simyard profile diff`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::show;
use crate::cli::output::{error_line, line};
use crate::profile::comparison::{self, Comparison, text};
use crate::profile::overview::{Overview, Reveal};

/// The packages mean different things.
const DIFFERENT: u8 = 1;
/// The packages could not be compared.
const TROUBLE: u8 = 2;

/// What to compare, and how to tell it.
#[derive(Args)]
pub(super) struct DiffArgs {
    /// The first package, in DER; its description, the name of a template, or - for standard input.
    first: PathBuf,
    /// The second package.
    second: PathBuf,
    /// Show secrets that differ in clear: keys, PINs, PUKs.
    #[arg(long)]
    reveal: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the differences.
pub(super) fn run(args: &DiffArgs) -> ExitCode {
    match compare(args) {
        Ok(comparison) if comparison.differences.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(DIFFERENT),
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            error_line(&format!("error: {}", causes.join(": ")));
            ExitCode::from(TROUBLE)
        }
    }
}

fn compare(args: &DiffArgs) -> anyhow::Result<Comparison> {
    let standard_input = Path::new("-");
    if args.first == standard_input && args.second == standard_input {
        anyhow::bail!("only one of the packages can come from standard input");
    }
    let reveal = if args.reveal { Reveal::Secrets } else { Reveal::Nothing };
    let [first, second] = [&args.first, &args.second].map(|path| read(path, reveal));
    let comparison = comparison::compare(&first?, &second?);
    if args.reveal {
        error_line("secrets are shown in clear");
    }
    if args.json {
        line(&serde_json::to_string_pretty(&comparison)?);
    } else if !comparison.differences.is_empty() {
        line(text::render(&comparison, show::width()).trim_end());
    }
    Ok(comparison)
}

/// The model of a package, with a word on what could not be read of it.
fn read(path: &Path, reveal: Reveal) -> anyhow::Result<Overview> {
    let name = path.display().to_string();
    let octets = super::read_package(path).with_context(|| "nothing was compared")?;
    let overview = show::overview(&octets, &name, reveal)?;
    if !overview.problems.is_empty() {
        let places = match overview.problems.len() {
            1 => "1 place".to_owned(),
            count => format!("{count} places"),
        };
        error_line(&format!("{name}: {places} could not be read; see 'simyard profile show'"));
    }
    Ok(overview)
}
