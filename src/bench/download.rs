//! Complete downloads, many at a time: LPA and card in this process, the server in another, TLS between them.
//!
//! A download starts with GetEUICCChallenge and ends with the answer to HandleNotification (SGP.22 3.1.3). Each worker
//! is a thread with one connection at a time and one card at a time, made before the download starts.
//!
//! [`Devices::run`] is a closed loop: whoever is done starts the next download, so that a slow server is asked less
//! often. [`Devices::run_on_schedule`] is an open one: downloads begin at fixed moments whatever the server does, and
//! one that has to wait for a free worker has waited for the server, which its first function is charged with.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Runtime;

use super::BenchError;
use super::stock::Job;
use crate::client::ConnectTo;
use crate::client::es9plus::Es9PlusClient;
use crate::device::card::Card;
use crate::device::es10_client::Es10Client;
use crate::device::lpa::{DownloadRequest, Lpa};
use crate::env::{Clock, Rng};
use crate::ident::ServerAddress;

/// The functions of a download, in their order.
pub const FUNCTIONS: [&str; 4] = [
    "ES9+.InitiateAuthentication",
    "ES9+.AuthenticateClient",
    "ES9+.GetBoundProfilePackage",
    "ES9+.HandleNotification",
];

/// What becomes of a connection after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// It is kept for the next one.
    Kept,
    /// Each call has one of its own, with a whole handshake, as some LPAs work.
    NewForEachCall,
}

/// How long before the first download of a schedule its workers begin to make their cards.
const SCHEDULE_LEAD: Duration = Duration::from_millis(200);

/// The devices of a benchmark.
pub struct Devices {
    workers: Vec<Worker>,
    server: ServerAddress,
    clock: Clock,
    rng: Rng,
}

struct Worker {
    runtime: Runtime,
    client: Es9PlusClient,
}

/// How long each function took, from the first octet sent to the last one received; by its name.
type Times = BTreeMap<&'static str, Vec<Duration>>;

/// What a run of downloads came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Downloads that came to their end: all of them.
    pub downloads: usize,
    /// From the start of the first to the end of the last.
    pub took: Duration,
    /// Octets of the last bound profile package.
    pub package_octets: usize,
    times: Times,
}

/// How long one function took.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Its name in the standard.
    pub function: &'static str,
    /// Half of the calls were faster.
    pub p50_ms: f64,
    /// One of a hundred was slower.
    pub p99_ms: f64,
}

impl Devices {
    /// So many devices at a time, which reach `server` as `connect_to` says and trust what `tls` trusts.
    ///
    /// # Errors
    /// [`BenchError`] if the way to the server cannot be set up.
    pub fn new(
        count: usize,
        server: ServerAddress,
        connect_to: &[ConnectTo],
        tls: &rustls::ClientConfig,
        connections: Connections,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, BenchError> {
        let client = || match connections {
            Connections::Kept => Es9PlusClient::new(tls.clone(), connect_to),
            Connections::NewForEachCall => Es9PlusClient::without_kept_connections(tls.clone(), connect_to),
        };
        let worker = |_| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            Ok(Worker { runtime: runtime.map_err(|_| BenchError::Thread)?, client: client()? })
        };
        let workers = (0..count).map(worker).collect::<Result<_, BenchError>>()?;
        Ok(Self { workers, server, clock, rng })
    }

    /// Makes all downloads, each worker one after the other; the first that fails ends the run. Connections stay open
    /// for the next run. Blocks the calling thread, which must not drive a runtime.
    ///
    /// # Errors
    /// [`BenchError`] of a download that failed.
    pub fn run(&mut self, jobs: &[Job]) -> Result<Outcome, BenchError> {
        self.run_from(jobs, None)
    }

    /// As [`Devices::run`], but one download begins every `interval`, while a worker is free. How long the first function
    /// took counts from that moment.
    ///
    /// # Errors
    /// As [`Devices::run`].
    pub fn run_on_schedule(&mut self, jobs: &[Job], interval: Duration) -> Result<Outcome, BenchError> {
        self.run_from(jobs, Some(interval))
    }

    fn run_from(&mut self, jobs: &[Job], interval: Option<Duration>) -> Result<Outcome, BenchError> {
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let outcome = Mutex::new(Outcome::default());
        let (server, clock, rng) = (&self.server, &self.clock, &self.rng);
        let start = clock.monotonic();
        // Everybody has a card in hand when the first download is due.
        let first = start + SCHEDULE_LEAD;
        let run = |worker: &Worker| {
            let mut own = Outcome::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(number).filter(|_| !failed.load(Ordering::Relaxed)) else { break };
                let due = interval.map(|interval| {
                    first.saturating_add(interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)))
                });
                if let Err(error) = worker.download(job, due, server, clock, rng, &mut own) {
                    failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            outcome.lock().map_err(|_| BenchError::Thread)?.add(own);
            Ok(())
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = self.workers.iter_mut().map(|worker| scope.spawn(|| run(worker))).collect();
            running.into_iter().try_for_each(|thread| thread.join().map_err(|_| BenchError::Thread)?)
        })?;
        let mut outcome = outcome.into_inner().map_err(|_| BenchError::Thread)?;
        let lead = if interval.is_some() { SCHEDULE_LEAD } else { Duration::ZERO };
        outcome.took = clock.monotonic().saturating_sub(start).saturating_sub(lead);
        for times in outcome.times.values_mut() {
            times.sort_unstable();
        }
        Ok(outcome)
    }
}

impl Worker {
    fn download(
        &self,
        job: &Job,
        due: Option<Duration>,
        server: &ServerAddress,
        clock: &Clock,
        rng: &Rng,
        outcome: &mut Outcome,
    ) -> Result<(), BenchError> {
        let card = Es10Client::open(Card::in_memory(&job.euicc, clock.clone(), rng.clone())?)?;
        let mut lpa = Lpa::new(card, self.client.clone(), clock.clone());
        let request = DownloadRequest::new(server.clone(), job.matching_id.clone());
        let times = &mut outcome.times;
        let mut late = due.map_or(Duration::ZERO, |due| wait_until(due, clock));
        let mut observer = |name: &'static str, took: Duration| {
            if FUNCTIONS.contains(&name) {
                times.entry(name).or_default().push(took + std::mem::take(&mut late));
            }
        };
        let report = self.runtime.block_on(lpa.download(&request, &mut observer))?;
        if let Some((_, reason)) = report.delivery.kept.into_iter().next() {
            return Err(BenchError::NotDelivered(reason));
        }
        outcome.downloads += 1;
        outcome.package_octets = report.package_octets;
        Ok(())
    }
}

/// Waits for a moment of the clock; returns by how much it was missed.
fn wait_until(due: Duration, clock: &Clock) -> Duration {
    loop {
        let now = clock.monotonic();
        match due.checked_sub(now) {
            Some(early) if !early.is_zero() => std::thread::park_timeout(early),
            Some(_) | None => return now.saturating_sub(due),
        }
    }
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.downloads += other.downloads;
        self.package_octets = self.package_octets.max(other.package_octets);
        for (name, times) in other.times {
            self.times.entry(name).or_default().extend(times);
        }
    }

    /// How long each function took.
    #[must_use]
    pub fn latencies(&self) -> Vec<Latency> {
        let latency = |function| {
            let times = self.times.get(function).map(Vec::as_slice).unwrap_or_default();
            Latency { function, p50_ms: percentile_ms(times, 50), p99_ms: percentile_ms(times, 99) }
        };
        FUNCTIONS.into_iter().map(latency).collect()
    }

    /// Downloads in a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no run has so many downloads")]
    pub fn per_second(&self) -> f64 {
        self.downloads as f64 / self.took.as_secs_f64()
    }
}

/// The smallest of the sorted `times` that is not below `percent` of them, in milliseconds.
pub(super) fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_waited_for_and_one_that_passed_is_told() {
        let clock = Clock::system();
        let due = clock.monotonic() + Duration::from_millis(2);
        let late = wait_until(due, &clock);
        assert!(clock.monotonic() >= due + late);
        let passed = clock.monotonic();
        while clock.monotonic() == passed {}
        assert!(!wait_until(passed, &clock).is_zero());
    }

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile_ms(&times, 50) - 100.0).abs() < 1e-9);
        assert!((percentile_ms(&times, 99) - 198.0).abs() < 1e-9);
        assert!((percentile_ms(&times[..1], 99) - 1.0).abs() < 1e-9);
        assert!(percentile_ms(&[], 50).abs() < 1e-9);
    }
}
