//! `simyard profile build`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use simyard_asn1::saip::MAX_PACKAGE;
use zeroize::Zeroizing;

use crate::cli::folder::replace_private;
use crate::cli::output::error_line;
use crate::profile::description;

/// Make a package from its description.
#[derive(Args)]
pub(super) struct BuildArgs {
    /// The description, or the name of a template that Simyard brings; - for standard input.
    spec: PathBuf,
    /// Where the package goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes the package, all of it or nothing.
///
/// # Errors
/// A file that cannot be read or written, or a description that makes no package.
pub(super) fn run(args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let name = || args.spec.display().to_string();
    let text = match super::shipped_template(&args.spec) {
        Some(shipped) => Zeroizing::new(shipped.description.as_bytes().to_vec()),
        None => super::read_limited(&args.spec, description::MAX_TEXT)?,
    };
    let text = core::str::from_utf8(&text).context("the description is no UTF-8").with_context(name)?;
    let package = build(text, &args.spec).map(Zeroizing::new).with_context(name)?;
    replace_private(&args.output, &package)?;
    error_line(&format!("{}: {} octets", args.output.display(), package.len()));
    Ok(ExitCode::SUCCESS)
}

/// The package of a description in a file. What it names lies beside it.
pub(super) fn build(text: &str, spec: &Path) -> anyhow::Result<Vec<u8>> {
    let folder = spec.parent().unwrap_or(Path::new(""));
    let load = |name: &str| -> Result<Vec<u8>, String> {
        let octets =
            super::read_limited(&folder.join(name), MAX_PACKAGE).map_err(|error| format!("{error:#}"))?;
        Ok(octets.to_vec())
    };
    Ok(description::build(text, &load)?)
}
