//! `simyard profile template`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use crate::cli::folder::replace_private;
use crate::cli::output::line;
use crate::profile::shipped;

/// List the templates that Simyard brings, or write the description of one.
#[derive(Args)]
pub(super) struct TemplateArgs {
    /// The template; all are listed without it.
    name: Option<String>,
    /// Where its description goes; standard output without it.
    #[arg(short, long, value_name = "SPEC.toml", requires = "name")]
    output: Option<PathBuf>,
}

/// Prints the list, or a description.
///
/// # Errors
/// A template that is not known, or a file that cannot be written.
pub(super) fn run(args: &TemplateArgs) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.name else {
        shipped::ALL.iter().for_each(|shipped| line(&format!("{:<15} {}", shipped.name, shipped.title)));
        return Ok(ExitCode::SUCCESS);
    };
    let Some(shipped) = shipped::find(name) else {
        let names: Vec<&str> = shipped::ALL.iter().map(|shipped| shipped.name).collect();
        bail!("there is no template {name}; there are {}", names.join(", "));
    };
    match &args.output {
        Some(path) => replace_private(path, shipped.description.as_bytes())?,
        None => line(shipped.description.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
