//! `simyard profile show`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use simyard_asn1::saip::{Package, Reading};

use crate::cli::output::{error_line, line};
use crate::profile::overview::{Overview, Reveal, text};
use crate::profile::tree::Tree;

/// The width of pages where COLUMNS says no other.
const WIDTH: usize = 110;

/// What to show, and how.
#[derive(Args)]
pub(super) struct ShowArgs {
    /// The package, in DER; its description, the name of a template, or - for standard input.
    file: PathBuf,
    /// Show secrets in clear: keys, PINs, PUKs.
    #[arg(long)]
    reveal: bool,
    /// Show what one element says, by its number in the list of elements.
    #[arg(long, value_name = "NUMBER", conflicts_with = "path")]
    element: Option<usize>,
    /// Show one file with all octets: a path as it is shown, such as ADF.USIM/EF.IMSI, a name or an identifier.
    #[arg(long = "file", value_name = "PATH")]
    path: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the package.
///
/// # Errors
/// A file that cannot be read or holds no element of a package; an element or a file that is not there.
pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let octets = super::read_package(&args.file)?;
    let reveal = if args.reveal { Reveal::Secrets } else { Reveal::Nothing };
    let mut overview = overview(&octets, &args.file.display().to_string(), reveal)?;
    if let Some(element) = args.element {
        overview.only_element(element)?;
    }
    if let Some(path) = &args.path {
        overview.only_files(path)?;
    }
    if args.reveal {
        error_line("secrets are shown in clear");
    }
    if args.json {
        line(&serde_json::to_string_pretty(&overview)?);
    } else {
        line(text::render(&overview, width()).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The model of as much of a package as can be read.
///
/// # Errors
/// No element can be read.
pub(super) fn overview(octets: &[u8], name: &str, reveal: Reveal) -> anyhow::Result<Overview> {
    let Reading { package, problems } = Package::read_what_can_be(octets);
    if package.elements().is_empty() {
        let why = problems.first().filter(|_| !octets.is_empty());
        let why = why.map_or("it is empty".to_owned(), ToString::to_string);
        bail!("{name} is no profile package: {why}");
    }
    let mut overview = Overview::of(&Tree::of(&package), reveal);
    overview.add_unreadable(&problems);
    Ok(overview)
}

/// The width of a page: what the shell says of its terminal, if it tells its children.
pub(super) fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH)
}
