//! `simyard bench inventory`: a large delivery, and allocation by many callers at a time.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::beside::{Measured as MeasuredBeside, Site};
use crate::app::Stock;
use crate::bench::allocation::{self, Allocations, MAX_ALLOCATIONS, Measured};
use crate::bench::beside::{Beside, Downloads};
use crate::bench::download;
use crate::bench::ingestion::{self, Calls, Ingestion, Latency, MAX_ROWS};
use crate::bench::medium;
use crate::cli::folder::{Folder, Keep};
use crate::cli::output::{self, line};
use crate::domain::Mode;
use crate::env::{Clock, Rng};
use crate::inventory::Inventory;

#[derive(Args)]
pub(super) struct InventoryArgs {
    /// Rows of the delivery.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = super::number(MAX_ROWS))]
    rows: usize,
    /// Calls for one number, as many for one subscription, and as many rows inserted in bulk.
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
    let (clock, rng) = (Clock::system(), Rng::system());
    let site = Site::new(folder.path(), &args.store, clock.clone(), rng.clone())?;
    let stock = site.stock().await?;
    let store = stock.store.clone();
    let durability = store.durability().await?;
    let file_system = medium::file_system(&durability.place);
    if !durability.full {
        bail!("{durability}: commits of this store do not survive a power cut");
    }
    if file_system.as_deref().is_some_and(medium::is_volatile) {
        bail!("{} lies in memory: name a folder on a disk with --dir", durability.place.display());
    }
    let measured = measure(&args, stock, clock, rng).await;
    store.close().await;
    let (ingestion, measured) = measured?;
    let downloads = site.measure(args.rows).await?;
    let rows_by_bulk = ingestion.per_second / measured.bulk_per_second;
    let duplicates = measured.numbers.duplicates + measured.subscriptions.duplicates;
    if args.json {
        let store = json!({ "engine": durability.engine, "settings": durability.settings });
        output::json(&json!({
            "store": store, "file_system": file_system, "ingestion": ingestion, "ingestion_by_bulk": rows_by_bulk,
            "allocation": measured, "downloads": downloads,
        }));
    } else {
        line(&format!("{durability}, file system {}", file_system.as_deref().unwrap_or("unknown")));
        print_ingestion(&ingestion, rows_by_bulk);
        print_allocations(&measured);
        print_downloads(&downloads);
    }
    if duplicates > 0 {
        bail!("{duplicates} were given twice");
    }
    Ok(())
}

/// The delivery comes first: the peak of the memory is to be its own.
async fn measure(
    args: &InventoryArgs,
    Stock { store, sealer }: Stock,
    clock: Clock,
    rng: Rng,
) -> anyhow::Result<(Ingestion, Allocations)> {
    let inventory =
        Inventory { store: store.clone(), sealer, clock: clock.clone(), rng: rng.clone(), mode: Mode::Test };
    let ingestion = ingestion::Bench { inventory, rows: args.rows }.run().await?;
    let (callers, calls) = (args.callers, args.allocations);
    let allocations = allocation::Bench { store, clock, rng, callers, calls }.run().await?;
    Ok((ingestion, allocations))
}

fn print_ingestion(measured: &Ingestion, by_bulk: f64) {
    let Ingestion { rows, seconds, per_second, longest_chunk_ms, made_per_second, .. } = measured;
    line(&format!(
        "delivery: {rows} rows in {seconds:.2} s, {per_second:.0} a second, the longest chunk {longest_chunk_ms:.2} ms, \
         {by_bulk:.3} of the bulk insert; made alone, {made_per_second:.0} rows a second"
    ));
    line(&format!(
        "peak of memory: {}; {} before the delivery",
        mebibytes(measured.peak_octets),
        mebibytes(measured.peak_before_octets)
    ));
    for (when, Calls { look_ups, orders }) in
        [("alone", &measured.alone), ("beside the delivery", &measured.beside)]
    {
        for (name, Latency { calls, p50_ms, p99_ms }) in [("look-ups", look_ups), ("orders", orders)] {
            line(&format!("{name} {when}: {calls}, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms"));
        }
    }
}

fn mebibytes(octets: Option<u64>) -> String {
    octets.map_or_else(|| "not told by this system".to_owned(), |octets| format!("{} MiB", octets >> 20))
}

fn print_downloads(MeasuredBeside { beside: measured, server_peak_octets }: &MeasuredBeside) {
    let Beside { rows, seconds, per_second, alone, beside } = measured;
    line(&format!(
        "ingestion API: {rows} rows in {seconds:.2} s, {per_second:.0} a second, downloads beside them; \
         peak of the server's memory: {}",
        mebibytes(*server_peak_octets)
    ));
    for (when, Downloads { downloads, together, functions }) in
        [("alone", alone), ("beside the delivery", beside)]
    {
        line(&format!(
            "downloads {when}: {downloads}, p50 {:.2} ms, p99 {:.2} ms",
            together.p50_ms, together.p99_ms
        ));
        for download::Latency { function, p50_ms, p99_ms } in functions {
            line(&format!("  {function}: p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms"));
        }
    }
}

fn print_allocations(measured: &Allocations) {
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
