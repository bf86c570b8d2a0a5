//! `simyard bench look-up`: single profiles in a small stock and in a large one.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::bench::lookup::{self, Measured, PROFILES_MAX};
use crate::cli::folder::{Folder, Keep};
use crate::cli::output::{self, line};
use crate::env::{Clock, Rng};
use crate::store::{Store, StoreUrl};

#[derive(Args)]
pub(super) struct LookUpArgs {
    /// Profiles of the large stock.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(2..=PROFILES_MAX))]
    profiles: u64,
    /// Profiles of the small stock, which the large one begins with.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=PROFILES_MAX))]
    small: u64,
    /// Look-ups by each kind of number.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    look_ups: u64,
    /// The store, empty: by default a SQLite file that goes when the benchmark ends.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Where that file lies; a folder that is empty or absent, and stays.
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    dir: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Measures and prints the figures.
///
/// # Errors
/// A store that cannot be used.
pub(super) async fn run(args: &LookUpArgs) -> anyhow::Result<()> {
    let folder = Folder::new("bench", args.dir.as_deref(), Keep::IfNamed)?;
    let url = match &args.store {
        Some(url) => StoreUrl::parse(url)?,
        None => StoreUrl::Sqlite(folder.path().join("simyard.db")),
    };
    let store = Store::open(&url).await?;
    let outcome = look_up(&store, args).await;
    let durability = store.durability().await;
    store.close().await;
    let (small, large) = outcome?;
    let store = durability?.to_string();
    if args.json {
        output::json(
            &json!({ "store": store, "small": small, "large": large, "ratios": ratios(&small, &large) }),
        );
        return Ok(());
    }
    line(&store);
    for measured in [&small, &large] {
        line(&format!("{} profiles, counted in {:.0} µs", measured.profiles, measured.counts_us));
        for of in &measured.look_ups {
            line(&format!("  {:<8}{:>10.1} µs median{:>12.1} µs p99", of.by, of.median_us, of.p99_us));
        }
    }
    for (by, ratio) in ratios(&small, &large) {
        line(&format!("{by}: {ratio:.2} times"));
    }
    Ok(())
}

async fn look_up(store: &Store, args: &LookUpArgs) -> anyhow::Result<(Measured, Measured)> {
    if !store.stock_batches(&crate::store::StockSelection::All, "", 1).await?.is_empty() {
        anyhow::bail!("the store is not empty: the benchmark fills one of its own");
    }
    let (clock, rng) = (Clock::system(), Rng::system());
    let small = args.small.min(args.profiles);
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(args.profiles) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} profiles, {per_sec}") {
        bar.set_style(style);
    }
    let mut measured = Vec::new();
    for (from, to) in [(0, small), (small, args.profiles)] {
        if from < to {
            lookup::fill(store, (from, to), &clock, &rng, |done| bar.set_position(done)).await?;
        }
        measured.push(lookup::measure(store, to, args.look_ups, &clock, &rng).await?);
    }
    bar.finish_and_clear();
    let mut measured = measured.into_iter();
    measured.next().zip(measured.next()).ok_or_else(|| anyhow::anyhow!("nothing was measured"))
}

/// The medians of the large stock to those of the small one.
fn ratios(small: &Measured, large: &Measured) -> std::collections::BTreeMap<&'static str, f64> {
    let pairs = small.look_ups.iter().zip(&large.look_ups);
    pairs.map(|(small, large)| (large.by, large.median_us / small.median_us.max(f64::MIN_POSITIVE))).collect()
}
