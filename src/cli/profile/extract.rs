//! `simyard profile extract`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use simyard_asn1::saip::Package;

use crate::cli::folder::replace_private;
use crate::cli::output::line;
use crate::profile::description;

/// Describe a package.
#[derive(Args)]
pub(super) struct ExtractArgs {
    /// The package, in DER, or the name of a template; - for standard input.
    file: PathBuf,
    /// Where the description goes; standard output without it. It holds the keys of the package in clear.
    #[arg(short, long, value_name = "SPEC.toml")]
    output: Option<PathBuf>,
}

/// Writes the description.
///
/// # Errors
/// A file that cannot be read or written, or is no package.
pub(super) fn run(args: &ExtractArgs) -> anyhow::Result<ExitCode> {
    let octets = super::read_package(&args.file)?;
    let name = || args.file.display().to_string();
    let package = Package::from_ber(&octets).with_context(name)?;
    let description = description::extract(&package);
    match &args.output {
        Some(path) => replace_private(path, description.as_bytes())?,
        None => line(description.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
