//! Complete downloads, many at a time: LPA and card in this process, the server in another, TLS between them.
//!
//! A download starts with GetEUICCChallenge and ends with the answer to HandleNotification (SGP.22 3.1.3). Each worker
//! is a thread with one connection at a time and one card at a time, made before the download starts.
//!
//! [`Devices::run`] is a closed loop: whoever is done starts the next download, so that a slow server is asked less
//! often. [`Devices::run_on_schedule`] is an open one: downloads begin at fixed moments whatever the server does, and
//! one that has to wait for a free worker has waited for the server, which its first function is charged with.
//! [`Devices::run_until`] is such a one that ends with something else.

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
    /// How long the functions of each download took together.
    together: Vec<Duration>,
}

/// How long one function took.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Its name in the standard, or `download` for all of one together.
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
        self.run_from(jobs, Pace::ClosedLoop)
    }

    /// As [`Devices::run`], but one download begins every `interval`, while a worker is free. How long the first function
    /// took counts from that moment.
    ///
    /// # Errors
    /// As [`Devices::run`].
    pub fn run_on_schedule(&mut self, jobs: &[Job], interval: Duration) -> Result<Outcome, BenchError> {
        self.run_from(jobs, Pace::Every(interval, None))
    }

    /// As [`Devices::run_on_schedule`], but no download begins once `ended`, except the first.
    ///
    /// # Errors
    /// As [`Devices::run`].
    pub fn run_until(
        &mut self,
        ended: &AtomicBool,
        jobs: &[Job],
        interval: Duration,
    ) -> Result<Outcome, BenchError> {
        self.run_from(jobs, Pace::Every(interval, Some(ended)))
    }

    fn run_from(&mut self, jobs: &[Job], pace: Pace<'_>) -> Result<Outcome, BenchError> {
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
                let due = pace.due(number, first);
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
        let lead = match pace {
            Pace::ClosedLoop => Duration::ZERO,
            Pace::Every(..) => SCHEDULE_LEAD,
        };
        outcome.took = clock.monotonic().saturating_sub(start).saturating_sub(lead);
        for times in outcome.times.values_mut() {
            times.sort_unstable();
        }
        outcome.together.sort_unstable();
        Ok(outcome)
    }
}

/// How downloads follow each other.
#[derive(Clone, Copy)]
enum Pace<'a> {
    /// Whoever is done begins the next one.
    ClosedLoop,
    /// One begins every so often, until that has ended.
    Every(Duration, Option<&'a AtomicBool>),
}

/// When a download begins.
struct Due<'a> {
    /// The moment of the clock.
    at: Duration,
    /// What may end before.
    unless: Option<&'a AtomicBool>,
}

impl<'a> Pace<'a> {
    /// When the download of this number begins, if not at once; `first` is when the first one does.
    fn due(self, number: usize, first: Duration) -> Option<Due<'a>> {
        let Self::Every(interval, ended) = self else { return None };
        let later = interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        Some(Due { at: first.saturating_add(later), unless: ended.filter(|_| number > 0) })
    }
}

impl Worker {
    /// Makes one download, or none if what it is due beside has ended.
    fn download(
        &self,
        job: &Job,
        due: Option<Due<'_>>,
        server: &ServerAddress,
        clock: &Clock,
        rng: &Rng,
        outcome: &mut Outcome,
    ) -> Result<(), BenchError> {
        let card = Es10Client::open(Card::in_memory(&job.euicc, clock.clone(), rng.clone())?)?;
        let mut lpa = Lpa::new(card, self.client.clone(), clock.clone());
        let request = DownloadRequest::new(server.clone(), job.matching_id.clone());
        let times = &mut outcome.times;
        let mut late = due.as_ref().map_or(Duration::ZERO, |due| wait_until(due.at, clock));
        if due.and_then(|due| due.unless).is_some_and(|ended| ended.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let mut together = Duration::ZERO;
        let mut observer = |name: &'static str, took: Duration| {
            if FUNCTIONS.contains(&name) {
                let took = took + std::mem::take(&mut late);
                together += took;
                times.entry(name).or_default().push(took);
            }
        };
        let report = self.runtime.block_on(lpa.download(&request, &mut observer))?;
        if let Some((_, reason)) = report.delivery.kept.into_iter().next() {
            return Err(BenchError::NotDelivered(reason));
        }
        outcome.together.push(together);
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
        self.together.extend(other.together);
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

    /// How long the functions of one download took together.
    #[must_use]
    pub fn together(&self) -> Latency {
        let (p50_ms, p99_ms) = (percentile_ms(&self.together, 50), percentile_ms(&self.together, 99));
        Latency { function: "download", p50_ms, p99_ms }
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
    fn a_schedule_goes_on_until_what_it_is_beside_has_ended() {
        let (ended, ms) = (AtomicBool::new(false), Duration::from_millis);
        assert!(Pace::ClosedLoop.due(7, ms(5)).is_none());
        let pace = Pace::Every(ms(20), Some(&ended));
        let due = |number| pace.due(number, ms(5)).map(|due| (due.at, due.unless.is_some()));
        // One is made in any case: a figure of none would be no figure.
        assert_eq!([due(0), due(3)], [Some((ms(5), false)), Some((ms(65), true))]);
        assert!(Pace::Every(ms(20), None).due(3, ms(5)).is_some_and(|due| due.unless.is_none()));
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
