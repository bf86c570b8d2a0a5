//! `simyard profile`: profile packages without a server.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use simyard_asn1::saip::MAX_PACKAGE;
use zeroize::Zeroizing;

mod build;
mod diff;
mod extract;
mod lint;
mod personalise;
mod show;
mod template;

use crate::profile::description;
use crate::profile::shipped::{self, Shipped};

/// Read, build, check, compare and personalise profile packages.
#[derive(Args)]
pub struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileCommand,
}

#[derive(Subcommand)]
enum ProfileCommand {
    /// Make a package from its description.
    Build(build::BuildArgs),
    /// List the templates that Simyard brings, or write the description of one.
    Template(template::TemplateArgs),
    /// Tell what two packages mean differently: header, files with attributes and contents, PINs, keys, applications.
    ///
    /// The order of elements, their numbers and the way in which contents are written make no difference. Secrets are
    /// compared and not shown. Exit codes as of diff: 0 the same, 1 different, 2 trouble.
    Diff(diff::DiffArgs),
    /// Show what a package means: header, elements, applications, codes, files with their contents in words.
    ///
    /// Keys, PINs and PUKs are masked, and so are contents of files that hold keys. A package that is broken is shown
    /// as far as it can be read, with what could not be read at the end; 'simyard profile lint' judges it. Ends with 0
    /// where an element could be read, with 1 otherwise.
    Show(show::ShowArgs),
    /// Check packages against the rules of the format and of good practice.
    ///
    /// Ends with 0 where no finding is as bad as --deny says, with 1 where one is or a file cannot be read, with 2 for
    /// wrong usage.
    Lint(lint::LintArgs),
    /// Describe a package, so that it can be changed and built again.
    Extract(extract::ExtractArgs),
    /// Make a package for each row of a manufacturer's file.
    Personalise(personalise::PersonaliseArgs),
}

/// Runs a command.
///
/// # Errors
/// What the command could not do; the text is for people.
pub fn run(args: ProfileArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ProfileCommand::Build(args) => build::run(&args),
        ProfileCommand::Template(args) => template::run(&args),
        ProfileCommand::Diff(args) => Ok(diff::run(&args)),
        ProfileCommand::Show(args) => show::run(&args),
        ProfileCommand::Lint(args) => lint::run(&args),
        ProfileCommand::Extract(args) => extract::run(&args),
        ProfileCommand::Personalise(args) => personalise::run(&args),
    }
}

/// The package of an argument: a file in DER, a description, the name of a template that Simyard brings, or `-` for
/// standard input. The largest package and one octet are read.
pub(in crate::cli) fn read_package(argument: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let name = || argument.display().to_string();
    if let Some(shipped) = shipped_template(argument) {
        return Ok(Zeroizing::new(shipped.build()?));
    }
    let content = read_limited(argument, description::MAX_TEXT)?;
    if let Some(text) = description::text_of(&content) {
        return build::build(text, argument).map(Zeroizing::new).with_context(name);
    }
    if content.len() > MAX_PACKAGE {
        bail!("{}: more than {MAX_PACKAGE} octets", argument.display());
    }
    Ok(content)
}

/// The template that an argument names, unless there is a file of this name.
fn shipped_template(argument: &Path) -> Option<&'static Shipped> {
    argument.to_str().and_then(shipped::find).filter(|_| !argument.exists())
}

/// At most `limit` octets of a file, or of standard input for `-`.
pub(in crate::cli) fn read_limited(path: &Path, limit: usize) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut content = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit.saturating_add(1)).read_to_end(&mut content)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut content))
    };
    let octets = read.with_context(|| path.display().to_string())?;
    if u64::try_from(octets).unwrap_or(u64::MAX) > limit {
        bail!("{}: more than {limit} octets", path.display());
    }
    Ok(content)
}
