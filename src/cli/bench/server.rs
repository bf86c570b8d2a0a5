//! The server that is measured: `simyard serve` in a process of its own.

use std::io::{BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::bench::process;

/// What the server prints before the address of ES9+.
pub(super) const ES9PLUS: &str = "ES9+ on ";
/// What it prints before the address of ESipa.
pub(super) const ESIPA: &str = "ESipa on ";
/// What it prints before the address of the ingestion API, behind that of ES9+.
pub(super) const INGEST: &str = "ingestion API on ";
/// As a server logs by default, but for what it says of its settings at the start: they are for tests on purpose.
const LOG_FILTER: &str = "simyard=info,simyard::app=error,error";

/// `simyard serve` in a process of its own; it ends when it is dropped.
pub(super) struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it says where the interface `named` is.
    pub(super) fn start(settings: &Path, named: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", LOG_FILTER);
        }
        let mut process = command
            .args(["serve", "--end-with-stdin", "--config"])
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server does not start")?;
        let mut stdout = BufReader::new(process.stdout.take().context("the server has no stdout")?);
        let Some(address) = next_address(&mut stdout, named)? else {
            let _ = process.kill();
            let _ = process.wait();
            bail!("the server did not start: see above");
        };
        Ok(Self { process, stdout, address })
    }

    /// Where another interface is, which it names behind those that were asked for.
    pub(super) fn further(&mut self, named: &str) -> anyhow::Result<SocketAddr> {
        next_address(&mut self.stdout, named)?.context("the server ended before it was asked anything")
    }

    /// Where the interface is.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The most memory that it held so far, in octets, where the system tells.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        process::peak_memory(self.process.id())
    }

    /// What it has used so far, where the system tells.
    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// Ends the server and reads how many commits it made.
    pub(super) fn end(mut self) -> anyhow::Result<u64> {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest)?;
        let status = self.process.wait()?;
        let commits = rest
            .lines()
            .find_map(|line| line.strip_prefix("ended after ")?.strip_suffix(" commits")?.parse().ok());
        commits.with_context(|| format!("the server ended with {status} and told no number of commits"))
    }
}

/// Reads on to the address behind `named`; `None` if the server ends before.
fn next_address(told: &mut impl BufRead, named: &str) -> anyhow::Result<Option<SocketAddr>> {
    loop {
        let mut line = String::new();
        if told.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let address = line.strip_prefix(named).and_then(|rest| rest.split([' ', ',']).next());
        if let Some(address) = address.and_then(|address| address.trim().parse().ok()) {
            return Ok(Some(address));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without stdin it ends by itself; here it must not outlive a run that failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process has used.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu: Option<Duration>,
    pub(super) written_octets: Option<u64>,
}

impl Usage {
    /// Of the process `pid`.
    pub(super) fn of(pid: u32) -> Self {
        Self { cpu: process::cpu_time(pid), written_octets: process::octets_written(pid) }
    }

    /// What was used since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.zip(before.cpu).and_then(|(now, before)| now.checked_sub(before)),
            written_octets: self
                .written_octets
                .zip(before.written_octets)
                .and_then(|(now, before)| now.checked_sub(before)),
        }
    }
}
