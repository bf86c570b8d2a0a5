//! The server of `simyard bench inventory`, which devices download from while a manufacturer delivers to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tokio::runtime::Handle;

use super::download::release;
use super::server::{ES9PLUS, INGEST, Server};
use crate::app::config::Config;
use crate::app::{Stock, anchors_of, template_of};
use crate::bench::beside::{self, Beside, DEVICES, Deliveries, downloads_of};
use crate::bench::download::{Connections, Devices};
use crate::bench::stock::{Job, issue_euiccs};
use crate::client::ConnectTo;
use crate::client::ingest::IngestClient;
use crate::crypto::seal::SealingKey;
use crate::env::{Clock, Rng};
use crate::ident::{Eid, ServerAddress};
use crate::pki::test_pki::{Existing, TestPki, TestPkiOptions};
use crate::pki::tls::{ServerVerifier, TlsIdentity, client_config};

const HOST: &str = "localhost";
const EID: &str = "89049032000000000000279973200019";

/// A server that can be started, and what its users need to reach it.
pub(super) struct Site {
    settings_file: PathBuf,
    config: Config,
    pki: TestPki,
    clock: Clock,
    rng: Rng,
}

/// What was measured.
#[derive(Serialize)]
pub(super) struct Measured {
    #[serde(flatten)]
    pub(super) beside: Beside,
    /// The most memory that the server held, in octets; `None` where the system does not tell.
    pub(super) server_peak_octets: Option<u64>,
}

impl Site {
    /// Writes settings, a test PKI and a sealing key of its own into a folder.
    pub(super) fn new(folder: &Path, store: &str, clock: Clock, rng: Rng) -> anyhow::Result<Self> {
        let options = TestPkiOptions { host_names: vec![HOST.to_owned()], eid: EID.parse::<Eid>()? };
        let pki = TestPki::generate(&rng, clock.now(), &options)?;
        pki.write_to(&folder.join("pki"), Existing::Refuse)?;
        let settings_file = folder.join("simyard.toml");
        std::fs::write(&settings_file, settings(store))?;
        let config = Config::load(&settings_file)?;
        // What other runs left in the store was sealed under theirs, and nobody opens it here.
        SealingKey::generate(&rng).save(&config.sealing_key.path)?;
        Ok(Self { settings_file, config, pki, clock, rng })
    }

    /// The server's store, and what it seals with.
    pub(super) async fn stock(&self) -> anyhow::Result<Stock> {
        Ok(Stock::open(&self.config, &self.rng).await?)
    }

    /// Starts the server on the store, which nobody else has open, and measures its downloads alone and beside a delivery of
    /// so many rows.
    pub(super) async fn measure(self, rows: usize) -> anyhow::Result<Measured> {
        let needed = downloads_of(rows).into_iter().sum();
        let stock = self.stock().await?;
        let released = release(&self.config, &stock, needed, &self.clock, &self.rng).await;
        stock.store.close().await;
        let jobs = issue_euiccs(&self.pki, released?, needed, &self.clock, &self.rng)?;
        let runtime = Handle::current();
        // Blocks a thread that may: the devices bring their own runtimes.
        tokio::task::spawn_blocking(move || self.run(rows, &jobs, &runtime)).await?
    }

    fn run(&self, rows: usize, jobs: &[Job], runtime: &Handle) -> anyhow::Result<Measured> {
        let mut server = Server::start(&self.settings_file, ES9PLUS)?;
        let to = |address| [ConnectTo { host: HOST.to_owned(), address }];
        let verifier = Arc::new(ServerVerifier::new(
            Arc::new(anchors_of(&self.settings_file.with_file_name("pki/ci.pem"))?),
            self.clock.clone(),
        ));
        let (host, clock, rng) = (ServerAddress::parse(HOST)?, self.clock.clone(), self.rng.clone());
        let tls = client_config(Arc::clone(&verifier) as _, None)?;
        let connections = Connections::Kept;
        let mut devices =
            Devices::new(DEVICES, host.clone(), &to(server.address()), &tls, connections, clock, rng)?;
        let manufacturer = &self.pki.manufacturer;
        let certificates = vec![manufacturer.certificate.der().to_vec()];
        let identity = TlsIdentity::new(certificates, Arc::new(manufacturer.key.signing_key()?))?;
        let tls = client_config(verifier, Some(&identity))?;
        let setting = self.config.profile_types.last().context("no profile type")?;
        let deliveries = Deliveries {
            client: IngestClient::new(tls, host, &to(server.further(INGEST)?))?,
            profile_type: setting.name.clone(),
            template: template_of(setting)?.context("no template")?,
            rows,
            clock: self.clock.clone(),
            rng: self.rng.clone(),
        };
        let beside = beside::run(&mut devices, jobs, deliveries, runtime)?;
        let server_peak_octets = server.peak_memory();
        drop(devices);
        server.end()?;
        Ok(Measured { beside, server_peak_octets })
    }
}

/// The server's settings: devices download profiles of the first type, those of the second are delivered meanwhile. Their
/// keys were drawn here and travel within this machine: in the clear they are as safe as enciphered.
fn settings(store: &str) -> String {
    let store = toml::Value::from(store);
    let profile_type = |name: &str| {
        format!(
            "[[profile_type]]\nname = \"{name}\"\nowner = \"acme\"\nservice_provider_name = \"Acme\"\n\
             profile_name = \"Acme IoT\"\n\n"
        )
    };
    format!(
        "mode = \"test\"\nstore = {store}\naddresses = [\"{HOST}\"]\n\n[es9plus]\nlisten = \"127.0.0.1:0\"\n\n\
         [es2plus]\nlisten = \"127.0.0.1:0\"\n\n[ingest]\nlisten = \"127.0.0.1:0\"\n\n\
         [[operator]]\nname = \"acme\"\noid = \"2.999.20\"\n\n{}{}\
         [[manufacturer]]\nname = \"cards\"\noid = \"2.999.30\"\nprofile_types = [\"rows\"]\n",
        profile_type("iot"),
        profile_type("rows"),
    )
}
