//! `simyard bench inventory`: allocation by many callers at a time.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::bench::allocation::{Allocations, Bench, MAX_ALLOCATIONS, Measured};
use crate::bench::medium;
use crate::cli::folder::{Folder, Keep};
use crate::cli::output::{self, line};
use crate::env::{Clock, Rng};
use crate::store::{Durability, Store, StoreUrl};

#[derive(Args)]
pub(super) struct InventoryArgs {
    /// Calls for one number, and as many for one subscription.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = super::number(MAX_ALLOCATIONS))]
    allocations: usize,
    /// Callers at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = super::number(1024))]
    callers: usize,
    /// The store: sqlite:PATH (relative to the folder) or postgres://USER@HOST/DATABASE. It must survive a power cut, and
    /// keeps what is written.
    #[arg(long, value_name = "URL", default_value = "sqlite:simyard.db")]
    store: String,
    /// Keep everything in this folder, which must be empty or absent; otherwise a temporary one is used.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// What kept it from its end: a store that does not survive a power cut, and a number that was given twice.
pub(super) async fn run(args: InventoryArgs) -> anyhow::Result<()> {
    let folder = Folder::new("bench", args.dir.as_deref(), Keep::IfNamed)?;
    let url = match StoreUrl::parse(&args.store)? {
        StoreUrl::Sqlite(path) => StoreUrl::Sqlite(folder.path().join(path)),
        postgres @ StoreUrl::Postgres(_) => postgres,
    };
    let store = Store::open(&url).await?;
    let durability = store.durability().await?;
    let file_system = medium::file_system(&durability.place);
    if !durability.full {
        bail!("{durability}: commits of this store do not survive a power cut");
    }
    if file_system.as_deref().is_some_and(medium::is_volatile) {
        bail!("{} lies in memory: name a folder on a disk with --dir", durability.place.display());
    }
    let (clock, rng) = (Clock::system(), Rng::system());
    let bench = Bench { store: store.clone(), clock, rng, callers: args.callers, calls: args.allocations };
    let measured = bench.run().await;
    store.close().await;
    let measured = measured?;
    let duplicates = measured.numbers.duplicates + measured.subscriptions.duplicates;
    if args.json {
        let store = json!({ "engine": durability.engine, "settings": durability.settings });
        output::json(&json!({ "store": store, "file_system": file_system, "allocation": measured }));
    } else {
        print(&measured, &durability, file_system.as_deref());
    }
    if duplicates > 0 {
        bail!("{duplicates} were given twice");
    }
    Ok(())
}

fn print(measured: &Allocations, durability: &Durability, file_system: Option<&str>) {
    line(&format!("{durability}, file system {}", file_system.unwrap_or("unknown")));
    let ratios = [measured.numbers_by_bulk, measured.subscriptions_by_bulk];
    for (name, of, ratio) in
        [("numbers", &measured.numbers, ratios[0]), ("subscriptions", &measured.subscriptions, ratios[1])]
    {
        let Measured { calls, seconds, per_second, commits, p50_ms, p99_ms, duplicates } = of;
        line(&format!(
            "{name}, {} callers: {calls} in {seconds:.2} s, {per_second:.0} a second, {commits} commits, \
             p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {duplicates} duplicates, {ratio:.3} of the bulk insert",
            measured.callers
        ));
    }
    line(&format!("bulk insert: {:.0} rows a second", measured.bulk_per_second));
}
