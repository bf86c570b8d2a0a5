//! `simyard bench`: how fast the server is on this machine, against what its cryptography costs at least; and how fast
//! profile packages are read and made.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::folder::{Folder, Keep};
use crate::cli::output::{self, line};
mod profile;

use crate::app::config::Config;
use crate::app::{Stock, anchors_of, template_of};
use crate::bench::bound::Bound;
use crate::bench::download::{Devices, Latency, Outcome};
use crate::bench::stock::{Job, issue_euiccs, release_batch};
use crate::bench::{MAX_DOWNLOADS, medium, process};
use crate::client::ConnectTo;
use crate::env::{Clock, Rng};
use crate::ident::{MatchingId, ServerAddress};
use crate::inventory::{Delivery, Inventory};
use crate::pki::test_pki::{Existing, TestPki, TestPkiOptions};
use crate::pki::tls::{ServerVerifier, client_config};
use crate::profile::shipped;
use crate::smdp::orders::{OrderSettings, Orders};

const HOST: &str = "localhost";
const EID: &str = "89049032000000000000279973200019";
/// What the server prints before its address.
const ES9PLUS: &str = "ES9+ on ";

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
    /// a virtual eUICC of its own over TLS connections that are kept. The bound is the time of the public-key operations
    /// of one download alone, measured in the same run; the ratio is the server's CPU time to it.
    Download(DownloadArgs),
    /// Profile packages in memory, on one core: how fast they are read, written and personalised.
    ///
    /// Copying as many octets is measured beside it.
    Profile(profile::ProfileArgs),
}

#[derive(Args)]
struct DownloadArgs {
    /// Downloads that are measured; a tenth as many come before, to warm up.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = number(MAX_DOWNLOADS / 2))]
    downloads: usize,
    /// Downloads at a time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = number(1024))]
    concurrency: usize,
    /// Make the profiles from this unprotected profile package instead of our template.
    #[arg(long, value_name = "FILE.der")]
    profile: Option<PathBuf>,
    /// The store: sqlite:PATH (relative to the folder) or postgres://USER@HOST/DATABASE. It must survive a power cut.
    #[arg(long, value_name = "URL", default_value = "sqlite:simyard.db")]
    store: String,
    /// Keep everything in this folder, which must be empty or absent; otherwise a temporary one is used.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// A number from 1 to `most`.
fn number(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("a number from 1 to {most} is expected")),
    }
}

/// Runs a benchmark and prints its figures.
///
/// # Errors
/// What kept it from its end; a store that does not survive a power cut among it.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.command {
        BenchCommand::Download(args) => download(args).await,
        BenchCommand::Profile(args) => profile::run(&args),
    }
}

/// All figures of a run.
#[derive(Serialize)]
struct Figures {
    downloads: usize,
    concurrency: usize,
    package_octets: usize,
    seconds: f64,
    downloads_per_second: f64,
    functions: Vec<Latency>,
    /// Where the system tells CPU times.
    server_cpu_ms: Option<f64>,
    client_cpu_ms: Option<f64>,
    bound: Bound,
    bound_ms: f64,
    /// Server CPU time to bound.
    ratio: Option<f64>,
    store: String,
    file_system: Option<String>,
    /// By the server's own count, over all downloads of the run.
    commits_per_download: f64,
}

async fn download(args: DownloadArgs) -> anyhow::Result<()> {
    let (clock, rng) = (Clock::system(), Rng::system());
    let folder = Folder::new("bench", args.dir.as_deref(), Keep::IfNamed)?;
    let options = TestPkiOptions { host_names: vec![HOST.to_owned()], eid: EID.parse()? };
    let pki = TestPki::generate(&rng, clock.now(), &options)?;
    pki.write_to(&folder.path().join("pki"), Existing::Refuse)?;
    let file = folder.path().join("simyard.toml");
    std::fs::write(&file, settings(&args)?)?;

    let warm_up = (args.downloads / 10).max(args.concurrency);
    let (released, medium) =
        fill(&Config::load(&file)?, args.downloads + warm_up, clock.clone(), rng.clone()).await?;
    let jobs = issue_euiccs(&pki, released, &clock, &rng)?;
    let bound = Bound::measure(&clock, &rng)?;

    let server = Server::start(&file)?;
    let verifier = Arc::new(ServerVerifier::new(
        Arc::new(anchors_of(&folder.path().join("pki/ci.pem"))?),
        clock.clone(),
    ));
    let connect_to = [ConnectTo { host: HOST.to_owned(), address: server.address }];
    let (tls, address) = (client_config(verifier, None)?, ServerAddress::parse(HOST)?);
    let measure = move || {
        let devices = Devices::new(args.concurrency, address, &connect_to, &tls, clock, rng)?;
        Measured::of(server, devices, &jobs, warm_up)
    };
    // Blocks a thread that may: the devices bring their own runtimes.
    let measured = tokio::task::spawn_blocking(measure).await??;
    let figures = measured.figures(args.concurrency, bound, medium);
    if args.json {
        output::json(&serde_json::to_value(&figures)?)
    } else {
        figures.print()
    }
    Ok(())
}

/// The server's settings. The address has no port: the devices are told where it is.
fn settings(args: &DownloadArgs) -> anyhow::Result<String> {
    let template = match &args.profile {
        Some(path) => path.canonicalize().with_context(|| path.display().to_string())?,
        None => PathBuf::from(shipped::DEFAULT),
    };
    let (store, template) = (toml::Value::from(args.store.as_str()), template.display().to_string());
    let template = toml::Value::from(template);
    Ok(format!(
        "store = {store}\naddresses = [\"{HOST}\"]\n\n[es9plus]\nlisten = \"127.0.0.1:0\"\n\n\
         [es2plus]\nlisten = \"127.0.0.1:0\"\n\n[[operator]]\nname = \"acme\"\n\
         oid = \"2.999.20\"\n\n[[profile_type]]\nname = \"iot\"\nowner = \"acme\"\n\
         template = {template}\nservice_provider_name = \"Acme\"\nprofile_name = \"Acme IoT\"\n"
    ))
}

/// Where the store lies and how it is flushed.
struct Medium {
    durability: String,
    file_system: Option<String>,
}

/// Fills the store with released orders, after a look at what it lies on.
async fn fill(
    config: &Config,
    count: usize,
    clock: Clock,
    rng: Rng,
) -> anyhow::Result<(Vec<MatchingId>, Medium)> {
    let Stock { store, sealer } = Stock::open(config, &rng).await?;
    let durability = store.durability().await?;
    let file_system = medium::file_system(&durability.place);
    if let Some(kind) = file_system.as_deref().filter(|kind| medium::is_volatile(kind)) {
        bail!(
            "{} lies on {kind}, in memory: no commit there is durable. Name a folder on a disk with --dir",
            durability.place.display()
        );
    }
    if !durability.full {
        bail!("{durability}: a commit there is not durable. Set what is reduced to full durability");
    }
    let setting = config.profile_types.first().context("no profile type")?;
    let delivery = Delivery {
        owner: setting.owner.clone(),
        profile_type: setting.name.clone(),
        template: template_of(setting)?,
    };
    let orders = Orders {
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        settings: OrderSettings::default(),
    };
    let inventory = Inventory { store: store.clone(), sealer, clock, rng };
    let released = release_batch(&inventory, &orders, &delivery, count).await?;
    store.close().await;
    Ok((released, Medium { durability: durability.to_string(), file_system }))
}

/// `simyard serve` in a process of its own; it ends when it is dropped.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: std::net::SocketAddr,
}

impl Server {
    fn start(settings: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--end-with-stdin", "--config"])
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server does not start")?;
        let mut stdout = BufReader::new(process.stdout.take().context("the server has no stdout")?);
        let mut first = String::new();
        stdout.read_line(&mut first)?;
        let address = first.strip_prefix(ES9PLUS).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let Some(address) = address else {
            let _ = process.kill();
            let _ = process.wait();
            bail!("the server did not start: see above");
        };
        Ok(Self { process, stdout, address })
    }

    fn cpu_time(&self) -> Option<Duration> {
        process::cpu_time(self.process.id())
    }

    /// Ends the server and reads how many commits it made.
    fn end(mut self) -> anyhow::Result<u64> {
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

impl Drop for Server {
    fn drop(&mut self) {
        // Without stdin it ends by itself; here it must not outlive a run that failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a run showed.
struct Measured {
    outcome: Outcome,
    server_cpu: Option<Duration>,
    client_cpu: Option<Duration>,
    commits_per_download: f64,
}

impl Measured {
    /// Warms up with the first `warm_up` jobs and measures the others.
    fn of(server: Server, mut devices: Devices, jobs: &[Job], warm_up: usize) -> anyhow::Result<Self> {
        let (first, others) = jobs.split_at_checked(warm_up).context("too few jobs")?;
        devices.run(first)?;
        let cpu_times = || (server.cpu_time(), process::cpu_time(std::process::id()));
        let before = cpu_times();
        let outcome = devices.run(others)?;
        let after = cpu_times();
        let used = |before: Option<Duration>, after: Option<Duration>| after?.checked_sub(before?);
        let (server_cpu, client_cpu) = (used(before.0, after.0), used(before.1, after.1));
        drop(devices);
        let commits_per_download = ratio(server.end()?, jobs.len());
        Ok(Self { outcome, server_cpu, client_cpu, commits_per_download })
    }

    fn figures(&self, concurrency: usize, bound: Bound, medium: Medium) -> Figures {
        let outcome = &self.outcome;
        let each_ms = |cpu: Duration| {
            ratio(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), outcome.downloads) / 1000.0
        };
        let server_cpu_ms = self.server_cpu.map(each_ms);
        Figures {
            downloads: outcome.downloads,
            concurrency,
            package_octets: outcome.package_octets,
            seconds: outcome.took.as_secs_f64(),
            downloads_per_second: outcome.per_second(),
            functions: outcome.latencies(),
            server_cpu_ms,
            client_cpu_ms: self.client_cpu.map(each_ms),
            bound,
            bound_ms: bound.total_ms(),
            ratio: server_cpu_ms.map(|cpu| cpu / bound.total_ms()),
            store: medium.durability,
            file_system: medium.file_system,
            commits_per_download: self.commits_per_download,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people; no count of a run is that large")]
fn ratio(count: u64, of: usize) -> f64 {
    count as f64 / of as f64
}

impl Figures {
    fn print(&self) {
        let Self { downloads, concurrency, package_octets, seconds, .. } = self;
        let row = |name: &str, value: String| line(&format!("{name:<30}{value}"));
        row(
            "downloads",
            format!("{downloads} in {seconds:.2} s, {concurrency} at a time, {package_octets} octets each"),
        );
        row("downloads per second", format!("{:.0}", self.downloads_per_second));
        for Latency { function, p50_ms, p99_ms } in &self.functions {
            row(function, format!("p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms"));
        }
        let told = |cpu: Option<f64>| {
            cpu.map_or_else(|| "not told by this system".to_owned(), |ms| format!("{ms:.3} ms a download"))
        };
        row("CPU time of the devices", told(self.client_cpu_ms));
        row("CPU time of the server", told(self.server_cpu_ms));
        let Bound { sign_us, verify_us, generate_us, agree_us } = self.bound;
        row(
            "bound",
            format!(
                "{:.3} ms: 3 signatures of {sign_us:.1} µs, 5 verifications of {verify_us:.1} µs, \
                 1 key generation of {generate_us:.1} µs, 1 agreement of {agree_us:.1} µs",
                self.bound_ms
            ),
        );
        if let Some(ratio) = self.ratio {
            row("server to bound", format!("{ratio:.2}"));
        }
        row("store", self.store.clone());
        row("file system", self.file_system.clone().unwrap_or_else(|| "not told by this system".to_owned()));
        row(
            "commits",
            format!(
                "{:.2} a download, as the server counted; each flushes the log once, checkpoints come on top",
                self.commits_per_download
            ),
        );
    }
}
