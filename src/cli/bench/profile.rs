//! `simyard bench profile`: packages in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::bench::profile::{Figures, measure};
use crate::cli::output::{self, line};
use crate::cli::profile::read_package;
use crate::env::{Clock, Rng};
use crate::profile::shipped;

#[derive(Args)]
pub(super) struct ProfileArgs {
    /// The package: in DER, a description, or the name of a template that Simyard brings. Our own template without it.
    package: Option<PathBuf>,
    /// Seconds for each operation.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Measures and prints the figures.
///
/// # Errors
/// A package that cannot be read, or is no template.
pub(super) fn run(args: &ProfileArgs) -> anyhow::Result<()> {
    let octets = read_package(args.package.as_deref().unwrap_or(Path::new(shipped::DEFAULT)))?;
    let time = Duration::from_secs(args.seconds);
    let figures = measure(&octets, &Clock::system(), &Rng::system(), time)?;
    if args.json {
        output::json(&serde_json::to_value(&figures)?);
    } else {
        print(&figures);
    }
    Ok(())
}

fn print(figures: &Figures) {
    let Figures { package_octets, elements, personalised_octets, operations } = figures;
    line(&format!(
        "package of {package_octets} octets, {elements} elements; {personalised_octets} octets personalised"
    ));
    for measured in operations {
        line(&format!(
            "{:<12}{:>10.3} µs{:>14.0} packages/s{:>12.1} MB/s",
            measured.operation, measured.each_us, measured.per_second, measured.mb_per_second
        ));
    }
}
