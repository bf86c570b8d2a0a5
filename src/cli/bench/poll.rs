//! `simyard bench poll`: idle polls against a server of its own, and its figures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::figures::{milliseconds_each, ratio, row, told};
use super::server::{ESIPA, Server};
use crate::app::config::Config;
use crate::app::open_store;
use crate::bench::download::Connections;
use crate::bench::poll::{Device, Pollers};
use crate::bench::{handshake, medium};
use crate::cli::folder::{Folder, Keep};
use crate::cli::output::{self, line};
use crate::env::{Clock, Rng};
use crate::ident::Eid;
use crate::pki::test_pki::{Existing, Issued, TestPki, TestPkiOptions};
use crate::pki::tls::{TlsIdentity, client_config};
use crate::pki::web::WebVerifier;
use crate::store::{Association, DownloadWay};

const HOST: &str = "localhost";
/// The first digits of the EIDs; a number and check digits follow.
const EID: &str = "89049032000000000000";
/// Polls with a handshake each are so many times fewer: they take longer.
const HANDSHAKE_SHARE: usize = 10;
/// Devices at most: each is a thread.
const MAX_DEVICES: usize = 1024;
const MAX_POLLS: usize = 10_000_000;

#[derive(Args)]
pub(super) struct PollArgs {
    /// Polls that are measured over connections that are kept; a tenth as many with a handshake each.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = super::number(MAX_POLLS))]
    polls: usize,
    /// Devices that poll at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = super::number(MAX_DEVICES))]
    devices: usize,
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
pub(super) async fn run(args: PollArgs) -> anyhow::Result<()> {
    let (clock, rng) = (Clock::system(), Rng::system());
    let folder = Folder::new("bench", args.dir.as_deref(), Keep::IfNamed)?;
    let eids = (0..args.devices).map(eid).collect::<Result<Vec<Eid>, _>>()?;
    let Some(first) = eids.first() else { bail!("no device") };
    let options = TestPkiOptions { host_names: vec![HOST.to_owned()], eid: first.clone() };
    let pki = TestPki::generate(&rng, clock.now(), &options)?;
    pki.write_to(&folder.path().join("pki"), Existing::Refuse)?;
    let settings_file = folder.path().join("simyard.toml");
    std::fs::write(&settings_file, settings(&args.store))?;
    let store = associate(&settings_file, &eids, &clock).await?;
    let devices = devices(&pki, &eids, &clock, &rng)?;
    let (polls, json) = (args.polls, args.json);
    // Blocks a thread that may: the devices bring their own runtimes.
    let measured = move || measure(&settings_file, devices, polls, clock);
    let (kept, with_handshakes, handshakes) = tokio::task::spawn_blocking(measured).await??;
    let ratio = with_handshakes.server_cpu_ms.zip(handshakes.server_cpu_ms).map(|(poll, bare)| poll / bare);
    let figures = Figures { devices: eids.len(), store, kept, with_handshakes, handshakes, ratio };
    if json {
        output::json(&serde_json::to_value(&figures)?);
    } else {
        figures.print();
    }
    Ok(())
}

/// The EID of a device.
fn eid(number: usize) -> anyhow::Result<Eid> {
    Ok(Eid::with_check_digits(&format!("{EID}{number:010}"))?)
}

fn settings(store: &str) -> String {
    format!(
        "mode = \"test\"\nstore = {store:?}\naddresses = [\"{HOST}\"]\n[es9plus]\nlisten = \"127.0.0.1:0\"\n\
         [es2plus]\nlisten = \"127.0.0.1:0\"\n[eim]\nfqdn = \"{HOST}\"\nlisten = \"127.0.0.1:0\"\n"
    )
}

/// Makes the store, in which the eUICCs are associated; returns how it is flushed.
async fn associate(settings_file: &Path, eids: &[Eid], clock: &Clock) -> anyhow::Result<String> {
    let store = open_store(&Config::load(settings_file)?).await?;
    let durability = store.durability().await?;
    let file_system = medium::file_system(&durability.place);
    if let Some(kind) = file_system.as_deref().filter(|kind| medium::is_volatile(kind)) {
        bail!("{} lies on {kind}, in memory: name a folder on a disk with --dir", durability.place.display());
    }
    let association = |eid: &Eid| Association {
        eid: eid.clone(),
        counter: 0,
        association_token: None,
        download: DownloadWay::Direct,
    };
    let associations: Vec<Association> = eids.iter().map(association).collect();
    store.associate(&associations, clock.now()).await?;
    store.close().await;
    Ok(durability.to_string())
}

fn devices(pki: &TestPki, eids: &[Eid], clock: &Clock, rng: &Rng) -> anyhow::Result<Vec<Device>> {
    let issuer = pki.device_issuer()?;
    let authority = pki.eim_ca.certificate.der().to_vec();
    let verifier = Arc::new(WebVerifier::new(&[authority], clock.clone())?);
    let device = |eid: &Eid| {
        let Issued { certificate, key, .. } = issuer.issue_device(eid, None, rng, clock.now())?;
        let identity = TlsIdentity::new(vec![certificate.der().to_vec()], Arc::new(key.signing_key()?))?;
        let tls = client_config(Arc::clone(&verifier) as _, Some(&identity))?;
        Ok(Device { eid: eid.clone(), tls })
    };
    eids.iter().map(device).collect()
}

/// The three runs, one after the other against one server.
fn measure(
    settings_file: &Path,
    devices: Vec<Device>,
    polls: usize,
    clock: Clock,
) -> anyhow::Result<(Run, Run, Run)> {
    let at_a_time = devices.len();
    let Some(tls) = devices.first().map(|device| device.tls.clone()) else { bail!("no device") };
    let server = Server::start(settings_file, ESIPA)?;
    let pollers = Pollers::new(devices, HOST, server.address(), clock.clone())?;
    pollers.introduce()?;
    let with_handshakes = (polls / HANDSHAKE_SHARE).max(at_a_time);
    let measured = |count: usize, work: &dyn Fn(usize) -> anyhow::Result<Duration>| {
        work((count / 10).max(at_a_time))?;
        let before = server.usage();
        let took = work(count)?;
        let used = server.usage().since(before);
        Ok::<_, anyhow::Error>(Run::of(count, took, used.cpu, used.written_octets))
    };
    let kept = measured(polls, &|count| Ok(pollers.run(count, Connections::Kept)?))?;
    let new = measured(with_handshakes, &|count| Ok(pollers.run(count, Connections::NewForEachCall)?))?;
    let bare = measured(with_handshakes, &|count| {
        let started = clock.monotonic();
        handshake::run(count, at_a_time, HOST, server.address(), tls.clone())?;
        Ok(clock.monotonic().saturating_sub(started))
    })?;
    server.end()?;
    Ok((kept, new, bare))
}

/// All figures. What only the system can tell is `None` where it does not.
#[derive(Serialize)]
struct Figures {
    devices: usize,
    store: String,
    /// Polls over connections that are kept.
    kept: Run,
    /// Polls with a new handshake each.
    with_handshakes: Run,
    /// Handshakes with nothing asked.
    handshakes: Run,
    /// CPU time of the server for a poll with its handshake to that for a handshake.
    ratio: Option<f64>,
}

/// The figures of one run.
#[derive(Serialize)]
struct Run {
    count: usize,
    seconds: f64,
    per_second: f64,
    /// Of the server, for each.
    server_cpu_ms: Option<f64>,
    /// How many a core of the server's could do in a second.
    per_second_of_core: Option<f64>,
    /// What the server sent on its way to the disk, in all.
    written_octets: Option<u64>,
}

impl Run {
    fn of(count: usize, took: Duration, cpu: Option<Duration>, written_octets: Option<u64>) -> Self {
        let server_cpu_ms = cpu.map(|cpu| milliseconds_each(cpu, count));
        Self {
            count,
            seconds: took.as_secs_f64(),
            per_second: ratio(u64::try_from(count).unwrap_or(u64::MAX), 1) / took.as_secs_f64(),
            server_cpu_ms,
            per_second_of_core: server_cpu_ms.map(|each| 1000.0 / each),
            written_octets,
        }
    }

    fn print(&self, title: &str) {
        let Self { count, seconds, per_second, .. } = self;
        line("");
        line(&format!("{title}: {count} in {seconds:.2} s, {per_second:.0} a second"));
        let core =
            self.per_second_of_core.map_or_else(String::new, |core| format!(", {core:.0} a second and core"));
        row("CPU time of the server", format!("{}{core}", told(self.server_cpu_ms, "each")));
        let written = self.written_octets.map_or_else(
            || "what is written is not told by this system".to_owned(),
            |octets| format!("{octets} octets in all"),
        );
        row("to the disk", written);
    }
}

impl Figures {
    fn print(&self) {
        row("devices", format!("{} at the same time, each with a certificate", self.devices));
        row("store", self.store.clone());
        self.kept.print("idle polls, connections kept");
        self.with_handshakes.print("idle polls, a handshake each");
        self.handshakes.print("handshakes alone");
        if let Some(ratio) = self.ratio {
            line("");
            row("poll with handshake", format!("{ratio:.2} times a handshake's own CPU time"));
        }
    }
}
