//! `simyard bench download`: the runs of one benchmark, each against a server of its own over the same store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::figures::{self, Figures, Handshakes, Run};
use super::server::{ES9PLUS, Server, Usage};
use crate::app::config::Config;
use crate::app::{Stock, anchors_of, template_of};
use crate::bench::bound::Bound;
use crate::bench::download::{Connections, Devices};
use crate::bench::stock::{Job, issue_euiccs, release_batch};
use crate::bench::{MAX_ORDERS, handshake, medium};
use crate::cli::folder::{Folder, Keep};
use crate::cli::output;
use crate::client::ConnectTo;
use crate::domain::Mode;
use crate::env::{Clock, Rng};
use crate::ident::{MatchingId, ServerAddress};
use crate::inventory::{Delivery, Inventory};
use crate::pki::test_pki::{Existing, TestPki, TestPkiOptions};
use crate::pki::tls::{ServerVerifier, client_config};
use crate::profile::shipped;
use crate::smdp::orders::{OrderSettings, Orders};

const HOST: &str = "localhost";
const EID: &str = "89049032000000000000279973200019";
/// Share of the throughput just measured at which downloads begin on a schedule.
const SCHEDULE_PERCENT: u32 = 70;

#[derive(Args)]
pub(super) struct DownloadArgs {
    /// Downloads that are measured in each run; a tenth as many come before, to warm up.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = super::number(MAX_ORDERS / 10))]
    downloads: usize,
    /// Downloads at a time: a run for each of these numbers.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 8, 64], value_parser = super::number(1024))]
    concurrency: Vec<usize>,
    /// Released orders that the store holds at the start, if that is more than the runs need.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = super::number(MAX_ORDERS))]
    orders: usize,
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

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// What kept it from its end; a store that does not survive a power cut among it.
pub(super) async fn run(args: DownloadArgs) -> anyhow::Result<()> {
    let needed = args.downloads_in_all();
    if needed > MAX_ORDERS {
        bail!("that is {needed} downloads; {MAX_ORDERS} are the most: lower --downloads or --concurrency");
    }
    let (clock, rng) = (Clock::system(), Rng::system());
    let folder = Folder::new("bench", args.dir.as_deref(), Keep::IfNamed)?;
    let options = TestPkiOptions { host_names: vec![HOST.to_owned()], eid: EID.parse()? };
    let pki = TestPki::generate(&rng, clock.now(), &options)?;
    pki.write_to(&folder.path().join("pki"), Existing::Refuse)?;
    let settings_file = folder.path().join("simyard.toml");
    std::fs::write(&settings_file, settings(&args)?)?;

    let orders = args.orders.max(needed);
    let (released, medium) = fill(&Config::load(&settings_file)?, orders, clock.clone(), rng.clone()).await?;
    let jobs = issue_euiccs(&pki, released, needed, &clock, &rng)?;
    let bound = Bound::measure(&clock, &rng)?;
    let verifier = Arc::new(ServerVerifier::new(
        Arc::new(anchors_of(&folder.path().join("pki/ci.pem"))?),
        clock.clone(),
    ));
    let json = args.json;
    let yard = Yard {
        settings_file,
        tls: client_config(verifier, None)?,
        host: ServerAddress::parse(HOST)?,
        clock,
        rng,
        downloads: args.downloads,
        bound_ms: bound.total_ms(),
    };
    // Blocks a thread that may: the devices bring their own runtimes.
    let measured = move || yard.measure(&args.concurrency, &jobs);
    let Measured { runs, on_schedule, new_connections, handshakes } =
        tokio::task::spawn_blocking(measured).await??;
    let figures = Figures {
        orders,
        bound,
        bound_ms: bound.total_ms(),
        runs,
        on_schedule,
        new_connections,
        handshakes,
        store: medium.durability,
        file_system: medium.file_system,
    };
    if json {
        output::json(&serde_json::to_value(&figures)?)
    } else {
        figures.print()
    }
    Ok(())
}

impl DownloadArgs {
    /// How many downloads all runs make, those that warm up included.
    fn downloads_in_all(&self) -> usize {
        let run = |at_a_time: usize| self.downloads + warm_up(self.downloads, at_a_time);
        let further = 2 * run(most(&self.concurrency));
        self.concurrency.iter().map(|at_a_time| run(*at_a_time)).sum::<usize>() + further
    }
}

fn most(concurrency: &[usize]) -> usize {
    concurrency.iter().copied().max().unwrap_or(1)
}

/// Downloads before those that are measured.
fn warm_up(downloads: usize, at_a_time: usize) -> usize {
    (downloads / 10).max(at_a_time)
}

/// The server's settings. The address has no port: the devices are told where it is.
fn settings(args: &DownloadArgs) -> anyhow::Result<String> {
    let template = match &args.profile {
        Some(path) => path.canonicalize().with_context(|| path.display().to_string())?,
        None => PathBuf::from(shipped::DEFAULT),
    };
    let (store, template) = (toml::Value::from(args.store.as_str()), template.display().to_string());
    let template = toml::Value::from(template);
    // A package of one's own may be a test profile; ours is measured with all that production asks.
    let mode = if args.profile.is_some() { Mode::Test } else { Mode::Production };
    Ok(format!(
        "mode = \"{mode}\"\nstore = {store}\naddresses = [\"{HOST}\"]\n\n[es9plus]\nlisten = \"127.0.0.1:0\"\n\n\
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
    let stock = Stock { store, sealer };
    let released = release(config, &stock, count, &clock, &rng).await?;
    stock.store.close().await;
    Ok((released, Medium { durability: durability.to_string(), file_system }))
}

/// Delivers so many profiles of the first type, and orders and releases each.
pub(super) async fn release(
    config: &Config,
    stock: &Stock,
    count: usize,
    clock: &Clock,
    rng: &Rng,
) -> anyhow::Result<Vec<MatchingId>> {
    let setting = config.profile_types.first().context("no profile type")?;
    let delivery = Delivery::local(setting.owner.clone(), setting.name.clone(), template_of(setting)?);
    let orders = Orders {
        store: stock.store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        settings: OrderSettings::default(),
    };
    // Its keys were drawn here, and travel nowhere: in the clear they are as safe as enciphered.
    let inventory = Inventory {
        store: stock.store.clone(),
        sealer: stock.sealer.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        mode: Mode::Test,
    };
    Ok(release_batch(&inventory, &orders, &delivery, count).await?)
}

/// What the runs showed.
struct Measured {
    runs: Vec<Run>,
    on_schedule: Run,
    new_connections: Run,
    handshakes: Handshakes,
}

/// How the downloads of a run follow each other.
#[derive(Clone, Copy)]
enum Pace {
    /// Whoever is done begins the next one.
    ClosedLoop,
    /// One begins every so often.
    Every(Duration),
}

/// What all runs of a benchmark have in common.
struct Yard {
    settings_file: PathBuf,
    tls: rustls::ClientConfig,
    host: ServerAddress,
    clock: Clock,
    rng: Rng,
    /// In each run.
    downloads: usize,
    bound_ms: f64,
}

impl Yard {
    /// All runs, each with jobs of its own.
    fn measure(&self, concurrency: &[usize], mut jobs: &[Job]) -> anyhow::Result<Measured> {
        let mut run = |at_a_time: usize, connections: Connections, pace: Pace| {
            let count = self.downloads + warm_up(self.downloads, at_a_time);
            let (these, others) = jobs.split_at_checked(count).context("too few jobs")?;
            jobs = others;
            self.run(at_a_time, connections, pace, these)
        };
        let mut runs = Vec::with_capacity(concurrency.len());
        for at_a_time in concurrency {
            runs.push(run(*at_a_time, Connections::Kept, Pace::ClosedLoop)?);
        }
        let at_a_time = most(concurrency);
        let fullest = runs.iter().find(|run| run.concurrency == at_a_time).context("no run")?;
        let per_second = fullest.downloads_per_second * f64::from(SCHEDULE_PERCENT) / 100.0;
        let pace = Pace::Every(Duration::try_from_secs_f64(per_second.recip())?);
        let on_schedule = run(at_a_time, Connections::Kept, pace)?;
        let new_connections = run(at_a_time, Connections::NewForEachCall, Pace::ClosedLoop)?;
        Ok(Measured { runs, on_schedule, new_connections, handshakes: self.handshakes(at_a_time)? })
    }

    /// One run against a fresh server: the first jobs warm it up, the others are measured.
    fn run(
        &self,
        at_a_time: usize,
        connections: Connections,
        pace: Pace,
        jobs: &[Job],
    ) -> anyhow::Result<Run> {
        let server = Server::start(&self.settings_file, ES9PLUS)?;
        let connect_to = [ConnectTo { host: HOST.to_owned(), address: server.address() }];
        let (host, clock, rng) = (self.host.clone(), self.clock.clone(), self.rng.clone());
        let mut devices = Devices::new(at_a_time, host, &connect_to, &self.tls, connections, clock, rng)?;
        let warm_up = warm_up(self.downloads, at_a_time);
        let (first, others) = jobs.split_at_checked(warm_up).context("too few jobs")?;
        devices.run(first)?;
        let usages = || (server.usage(), Usage::of(std::process::id()));
        let before = usages();
        let outcome = match pace {
            Pace::ClosedLoop => devices.run(others)?,
            Pace::Every(interval) => devices.run_on_schedule(others, interval)?,
        };
        let after = usages();
        drop(devices);
        let commits = server.end()?;
        let usages = (after.0.since(before.0), after.1.since(before.1));
        let mut run = Run::of(at_a_time, &outcome, usages, self.bound_ms);
        run.commits_per_download = figures::ratio(commits, jobs.len());
        Ok(run)
    }

    /// As many handshakes as a run has downloads.
    fn handshakes(&self, at_a_time: usize) -> anyhow::Result<Handshakes> {
        let server = Server::start(&self.settings_file, ES9PLUS)?;
        let shake_hands = |count| handshake::run(count, at_a_time, HOST, server.address(), self.tls.clone());
        shake_hands(warm_up(self.downloads, at_a_time))?;
        let before = server.usage();
        shake_hands(self.downloads)?;
        let used = server.usage().since(before);
        server.end()?;
        Ok(Handshakes::of(self.downloads, used))
    }
}
