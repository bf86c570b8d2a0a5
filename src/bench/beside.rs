//! What devices notice of a delivery: downloads at a steady pace from a server in another process, alone, and while a
//! manufacturer delivers to the same server over the ingestion API.
//!
//! The rows come as deliveries of some ten thousand each, one behind the other, the next one made while the server takes
//! the one before: so the server has always one to take in, and no file is large in the memory of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;

use super::batch::{BLOCKS, Made};
use super::download::{Devices, Latency, Outcome};
use super::ingestion::per_second;
use super::stock::Job;
use super::{BenchError, MAX_ORDERS};
use crate::client::ingest::IngestClient;
use crate::domain::ProfileType;
use crate::env::{Clock, Rng};
use crate::profile::plan::Template;

/// Devices at a time: more than the pace needs as long as a download takes less than a third of a second.
pub const DEVICES: usize = 16;
/// How far apart downloads begin.
const PACE: Duration = Duration::from_millis(20);
/// Rows of one delivery: some ten megabytes.
const ROWS_OF_DELIVERY: usize = 20_000;
/// So many rows for each download beside: a server that takes them in more slowly than 10,000 a second outlasts the
/// downloads.
const ROWS_PER_DOWNLOAD: usize = 200;
/// The fewest downloads alone and beside.
const DOWNLOADS_MIN: usize = 10;
/// The most that are made alone: twenty seconds.
const ALONE_MAX: usize = 1_000;

/// How long downloads took.
#[derive(Clone, Debug, Serialize)]
pub struct Downloads {
    /// How many there were.
    pub downloads: usize,
    /// The functions of each together.
    pub together: Latency,
    /// Each function.
    pub functions: Vec<Latency>,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Beside {
    /// Rows that the server took.
    pub rows: u64,
    /// In how many seconds, from the first octet of the first delivery to the receipt of the last.
    pub seconds: f64,
    /// Rows a second.
    pub per_second: f64,
    /// Downloads while nothing is delivered.
    pub alone: Downloads,
    /// Downloads during the deliveries.
    pub beside: Downloads,
}

/// How many downloads are made: to warm up, alone, and beside the delivery of so many rows at most.
#[must_use]
pub fn downloads_of(rows: usize) -> [usize; 3] {
    let alone = (rows / ROWS_PER_DOWNLOAD).clamp(DOWNLOADS_MIN, ALONE_MAX);
    let beside = (rows / ROWS_PER_DOWNLOAD).clamp(DOWNLOADS_MIN, MAX_ORDERS / 2);
    [2 * DEVICES, alone, beside]
}

/// Who delivers.
#[derive(Clone)]
pub struct Deliveries {
    /// To the server, as its manufacturer.
    pub client: IngestClient,
    /// What it delivers.
    pub profile_type: ProfileType,
    /// What the type makes packages from.
    pub template: Template,
    /// Rows in all.
    pub rows: usize,
    /// The time.
    pub clock: Clock,
    /// What the rows are made of.
    pub rng: Rng,
}

impl Deliveries {
    /// The files one behind the other; how many rows were taken, in how long.
    async fn deliver(self) -> Result<(u64, Duration), BenchError> {
        let block = u32::from_be_bytes(self.rng.array()) % BLOCKS;
        let mut taken = 0_u64;
        let mut next = self.file(block, 0);
        let begun = self.clock.monotonic();
        for first in (0..self.rows).step_by(ROWS_OF_DELIVERY) {
            let file = next.await.map_err(|_| BenchError::Thread)??;
            next = self.file(block, first + ROWS_OF_DELIVERY);
            let name = format!("bench-{block:04}-{first:07}");
            taken += self.client.deliver(&name, &self.profile_type, file).await?.profiles;
        }
        Ok((taken, self.clock.monotonic().saturating_sub(begun)))
    }

    /// Makes the file whose first row has this number, on a thread of its own; an empty one behind the last.
    fn file(&self, block: u32, first: usize) -> tokio::task::JoinHandle<Result<Vec<u8>, BenchError>> {
        let numbers = first.min(self.rows)..self.rows.min(first + ROWS_OF_DELIVERY);
        let mut made = Made::new(self.template.clone(), block, numbers, self.rng.clone());
        tokio::task::spawn_blocking(move || {
            let mut file = Vec::new();
            std::io::copy(&mut made, &mut file).map_err(|_| BenchError::Thread)?;
            Ok(file)
        })
    }
}

/// Makes as many of the downloads as [`downloads_of`] says, and delivers beside the last of them. Blocks the calling
/// thread, which must not drive a runtime; `runtime` carries the deliveries.
///
/// # Errors
/// [`BenchError`] of a download that failed, and of a delivery that was not taken.
pub fn run(
    devices: &mut Devices,
    jobs: &[Job],
    deliveries: Deliveries,
    runtime: &Handle,
) -> Result<Beside, BenchError> {
    let [warm_up, alone, beside] = downloads_of(deliveries.rows);
    let (first, jobs) = jobs.split_at_checked(warm_up).ok_or(BenchError::Thread)?;
    let (alone, jobs) = jobs.split_at_checked(alone).ok_or(BenchError::Thread)?;
    let jobs = jobs.get(..beside).ok_or(BenchError::Thread)?;
    devices.run(first)?;
    let alone = devices.run_on_schedule(alone, PACE)?;
    let ended = Arc::new(AtomicBool::new(false));
    let delivered = {
        let ended = Arc::clone(&ended);
        runtime.spawn(async move {
            let delivered = deliveries.deliver().await;
            ended.store(true, Ordering::Relaxed);
            delivered
        })
    };
    let beside = devices.run_until(&ended, jobs, PACE);
    let (rows, took) = runtime.block_on(delivered).map_err(|_| BenchError::Thread)??;
    let seconds = took.as_secs_f64();
    let per_second = per_second(rows, seconds);
    Ok(Beside { rows, seconds, per_second, alone: Downloads::of(&alone), beside: Downloads::of(&beside?) })
}

impl Downloads {
    fn of(outcome: &Outcome) -> Self {
        Self { downloads: outcome.downloads, together: outcome.together(), functions: outcome.latencies() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_rows_the_more_downloads_within_what_can_be_ordered() {
        assert_eq!(downloads_of(1), [32, 10, 10]);
        assert_eq!(downloads_of(1_000_000), [32, 1_000, 5_000]);
        assert!(downloads_of(usize::MAX).into_iter().sum::<usize>() <= MAX_ORDERS);
    }
}
