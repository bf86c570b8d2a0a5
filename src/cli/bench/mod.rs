//! `simyard bench`: how fast the server is on this machine, against what its cryptography costs at least; and how fast
//! profile packages are read and made.

use clap::{Args, Subcommand};

mod beside;
mod download;
mod figures;
mod inventory;
mod look_up;
mod poll;
mod profile;
mod server;

/// Measure the server, and the making of profile packages, on this machine.
#[derive(Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Complete downloads, many at a time: how many a second, and the server's CPU time for one.
    ///
    /// Starts `simyard serve` as a process of its own with a test PKI and a fresh batch, and downloads each profile into
    /// a virtual eUICC of its own: with connections that are kept, so many at a time; then on a schedule, at 70 % of the
    /// throughput that the most of them reached; then with a new connection for each call, beside handshakes with
    /// nothing asked. The bound is the time of the public-key operations of one download alone, measured in the same
    /// run; the ratio is the server's CPU time to it.
    Download(download::DownloadArgs),
    /// A large delivery, and allocation by many callers at a time: rows, numbers of a pool and subscriptions a second.
    ///
    /// The delivery goes the way of every other, its rows made while they are read; look-ups and orders come at a steady
    /// pace, beside it and alone. Then each caller asks for one, and again as soon as it is answered. What was given is
    /// looked through for duplicates: one is a failure. The engine's own bulk insert is measured beside it. At last it
    /// starts `simyard serve` on the same store as a process of its own, and devices download at a steady pace, alone and
    /// while a manufacturer delivers as many rows over the ingestion API.
    Inventory(inventory::InventoryArgs),
    /// Idle polls of devices over mutual TLS: how many a second, and the server's CPU time for one beside a bare handshake's.
    ///
    /// Starts `simyard serve` with an eIM as a process of its own, and devices with certificates that poll it where nothing
    /// waits: over connections that are kept, and with a new handshake each. Handshakes with nothing asked are made beside
    /// them; the ratio is the CPU time of a poll with its handshake to that of a handshake.
    Poll(poll::PollArgs),
    /// Profile packages in memory, on one core: how fast they are read, written and personalised.
    ///
    /// Copying as many octets is measured beside it.
    Profile(profile::ProfileArgs),
    /// Look for single profiles in a small stock and in a large one.
    ///
    /// The ratio is that of the medians. Each profile is looked for twice and the second time counts, so that the way through
    /// the indexes is measured and not the disk.
    LookUp(look_up::LookUpArgs),
}

/// Runs a benchmark and prints its figures.
///
/// # Errors
/// What kept it from its end; a store that does not survive a power cut among it.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.command {
        BenchCommand::Download(args) => download::run(args).await,
        BenchCommand::Inventory(args) => inventory::run(args).await,
        BenchCommand::Poll(args) => poll::run(args).await,
        BenchCommand::Profile(args) => profile::run(&args),
        BenchCommand::LookUp(args) => look_up::run(&args).await,
    }
}

/// A number from 1 to `most`.
fn number(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("a number from 1 to {most} is expected")),
    }
}
