//! The figures of `simyard bench download`, for people and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::server::Usage;
use crate::bench::bound::Bound;
use crate::bench::download::{FUNCTIONS, Latency, Outcome};
use crate::cli::output::line;

/// All figures of a benchmark. What only the system can tell is `None` where it does not.
#[derive(Serialize)]
pub(super) struct Figures {
    /// In the store at the start.
    pub(super) orders: usize,
    pub(super) bound: Bound,
    pub(super) bound_ms: f64,
    pub(super) store: String,
    pub(super) file_system: Option<String>,
    /// Connections that are kept; one run for each number of downloads at a time.
    pub(super) runs: Vec<Run>,
    /// Begun at fixed moments, at a share of what the fullest run reached.
    pub(super) on_schedule: Run,
    /// A connection for each call.
    pub(super) new_connections: Run,
    /// What the handshakes of `new_connections` cost alone.
    pub(super) handshakes: Handshakes,
}

/// The figures of one run.
#[derive(Serialize)]
pub(super) struct Run {
    pub(super) concurrency: usize,
    pub(super) downloads: usize,
    pub(super) package_octets: usize,
    pub(super) seconds: f64,
    pub(super) downloads_per_second: f64,
    pub(super) functions: Vec<Latency>,
    /// Of the server, for one download.
    pub(super) server_cpu_ms: Option<f64>,
    pub(super) client_cpu_ms: Option<f64>,
    /// Server CPU time to bound.
    pub(super) ratio: Option<f64>,
    /// What the server sent on its way to the disk, for one download.
    pub(super) written_octets: Option<f64>,
    /// By the server's own count, over all downloads of the run and those that warmed it up.
    pub(super) commits_per_download: f64,
}

/// Handshakes with nothing asked.
#[derive(Serialize)]
pub(super) struct Handshakes {
    handshakes: usize,
    /// Of the server, for one handshake.
    server_cpu_ms: Option<f64>,
    /// Of the server, for the handshakes of one download: one for each function.
    server_cpu_ms_per_download: Option<f64>,
}

impl Run {
    /// The figures of an outcome; `usages` are those of server and devices, and commits are not counted yet.
    pub(super) fn of(
        concurrency: usize,
        outcome: &Outcome,
        (server, devices): (Usage, Usage),
        bound_ms: f64,
    ) -> Self {
        let each = |cpu: Option<Duration>| cpu.map(|cpu| milliseconds_each(cpu, outcome.downloads));
        let server_cpu_ms = each(server.cpu);
        Self {
            concurrency,
            downloads: outcome.downloads,
            package_octets: outcome.package_octets,
            seconds: outcome.took.as_secs_f64(),
            downloads_per_second: outcome.per_second(),
            functions: outcome.latencies(),
            server_cpu_ms,
            client_cpu_ms: each(devices.cpu),
            ratio: server_cpu_ms.map(|cpu| cpu / bound_ms),
            written_octets: server.written_octets.map(|octets| ratio(octets, outcome.downloads)),
            commits_per_download: 0.0,
        }
    }

    fn print(&self, title: &str) {
        let Self { downloads, seconds, downloads_per_second, commits_per_download, .. } = self;
        line("");
        line(&format!("{title}: {downloads} in {seconds:.2} s, {downloads_per_second:.0} a second"));
        let ratio = self.ratio.map_or_else(String::new, |ratio| format!(", {ratio:.2} of the bound"));
        row("CPU time of the server", format!("{}{ratio}", told(self.server_cpu_ms, "a download")));
        row("CPU time of the devices", told(self.client_cpu_ms, "a download"));
        let octets = self.written_octets.map_or_else(
            || "what is written is not told by this system".to_owned(),
            |octets| format!("{:.1} KiB to the disk", octets / 1024.0),
        );
        row("commits", format!("{commits_per_download:.2} a download; {octets}"));
        for Latency { function, p50_ms, p99_ms } in &self.functions {
            row(
                function,
                format!("p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {:.1} times p50", p99_ms / p50_ms),
            );
        }
    }
}

impl Handshakes {
    /// The figures of so many handshakes.
    pub(super) fn of(handshakes: usize, server: Usage) -> Self {
        let server_cpu_ms = server.cpu.map(|cpu| milliseconds_each(cpu, handshakes));
        let functions = f64::from(u32::try_from(FUNCTIONS.len()).unwrap_or(u32::MAX));
        let server_cpu_ms_per_download = server_cpu_ms.map(|each| each * functions);
        Self { handshakes, server_cpu_ms, server_cpu_ms_per_download }
    }
}

impl Figures {
    /// Prints them for people.
    pub(super) fn print(&self) {
        let octets = self.runs.iter().map(|run| run.package_octets).max().unwrap_or_default();
        row("orders", format!("{} in the store; packages of {octets} octets", self.orders));
        row("store", self.store.clone());
        row("file system", self.file_system.clone().unwrap_or_else(not_told));
        let Bound { sign_us, verify_us, generate_us, agree_us } = self.bound;
        row(
            "bound",
            format!(
                "{:.3} ms: 3 signatures of {sign_us:.1} µs, 5 verifications of {verify_us:.1} µs, \
                 1 key generation of {generate_us:.1} µs, 1 agreement of {agree_us:.1} µs",
                self.bound_ms
            ),
        );
        for run in &self.runs {
            run.print(&format!("{} at a time", run.concurrency));
        }
        self.on_schedule.print("on a schedule");
        self.new_connections.print("a connection for each call");
        row(
            "handshakes alone",
            format!(
                "{} ({} handshakes were made)",
                told(self.handshakes.server_cpu_ms_per_download, "a download"),
                self.handshakes.handshakes
            ),
        );
    }
}

/// A line of a table.
pub(super) fn row(name: &str, value: impl std::fmt::Display) {
    line(&format!("{name:<30}{value}"));
}

fn not_told() -> String {
    "not told by this system".to_owned()
}

/// CPU time for each of something, if the system tells it.
pub(super) fn told(cpu_ms: Option<f64>, of: &str) -> String {
    cpu_ms.map_or_else(not_told, |ms| format!("{ms:.3} ms {of}"))
}

/// Milliseconds for each of so many.
pub(super) fn milliseconds_each(cpu: Duration, of: usize) -> f64 {
    ratio(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), of) / 1000.0
}

/// How many for each.
#[expect(clippy::cast_precision_loss, reason = "figures for people; no count of a run is that large")]
pub(super) fn ratio(count: u64, of: usize) -> f64 {
    count as f64 / of as f64
}
