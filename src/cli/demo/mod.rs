//! `simyard demo`: one subscription from a manufacturer's batch becomes an enabled profile on a virtual eUICC, over the
//! real interfaces, in one process: the manufacturer delivers and the operator orders over mutual TLS, the LPA speaks ES9+
//! over TLS, and reaches the card through APDUs alone. A second round is Freedom to Switch ([`switch`]).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::sync::watch;
use zeroize::Zeroizing;

mod readback;
mod steps;
mod subscription;
mod switch;

use steps::Steps;
use subscription::Subscription;

use super::folder::{Folder, Keep, write_private};
use super::output::line;
use super::qr;
use crate::app::config::Config;
use crate::app::{App, Sockets, anchors_of};
use crate::binding::RequestHeader;
use crate::binding::es2plus::{ConfirmOrderRequest, DownloadOrderRequest};
use crate::client::ConnectTo;
use crate::client::es2plus::Es2PlusClient;
use crate::client::es9plus::Es9PlusClient;
use crate::client::ingest::IngestClient;
use crate::device::card::Card;
use crate::device::es10_client::{Es10Client, ProfileAction};
use crate::device::lpa::{DownloadRequest, Lpa};
use crate::device::state::{CredentialMaterial, Material};
use crate::domain::{RunTimeState, State};
use crate::env::{Clock, Rng};
use crate::ident::{ActivationCode, Eid, Iccid, ServerAddress, counted};
use crate::pki::Anchors;
use crate::pki::test_pki::{Existing, Issued, TestPki, TestPkiOptions};
use crate::pki::tls::{ServerVerifier, TlsIdentity, client_config};
use crate::smdp::Smdp;

const OPERATOR: &str = "acme";
const OPERATOR_NAME: &str = "Acme";
const PROFILE_TYPE: &str = "iot";
/// To whom a device in the field switches.
const OTHER_OPERATOR: &str = "bravo";
const OTHER_OPERATOR_NAME: &str = "Bravo";
const OTHER_PROFILE_TYPE: &str = "bravo-iot";
/// As what their eUICCs are delivered.
const FIELD_DEVICES: &str = "field-devices";
const EID: &str = "89049032000000000000279973200019";

/// Show a whole download on this machine: server, operator, LPA and eUICC over the real interfaces.
///
/// Makes a fresh folder with a test PKI and a SQLite file, starts the server on free ports of the loopback, ingests a
/// batch, orders a profile, downloads it, enables it, and reads it back. Then a device without a user polls the eIM over mutual
/// TLS, switches from one operator's profile to another's, and goes back from one that leaves it without a network. The exit code
/// is 0 only if every check held.
#[derive(Args)]
pub struct DemoArgs {
    /// Take this unprotected profile package instead of our template.
    #[arg(long, value_name = "FILE.der")]
    profile: Option<PathBuf>,
    /// Leave the server running, and print the commands to try next.
    #[arg(long)]
    keep: bool,
    /// Keep everything in this folder, which must be empty or absent; otherwise a temporary one is used.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the demonstration.
///
/// # Errors
/// The step that failed.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let keep = if args.keep { Keep::Always } else { Keep::IfNamed };
    let folder = Folder::new("demo", args.dir.as_deref(), keep)?;
    let mut steps = Steps::new(Clock::system());
    let outcome = demonstrate(&args, folder.path(), &mut steps).await;
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            Steps::failed(&error);
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn demonstrate(args: &DemoArgs, folder: &Path, steps: &mut Steps) -> anyhow::Result<()> {
    let world = World::start(args, folder, steps).await?;
    let subscription = world.ingest(args, steps).await?;
    let code = world.order(&subscription, steps).await?;
    world.download(&subscription, &code, steps).await?;
    if args.profile.is_none() {
        world.switch(steps).await?;
    }
    steps.summary(&subscription.iccid);
    if args.keep { world.keep(folder, args.profile.is_some()).await } else { world.end().await }
}

/// The server, and what its users need to reach it.
struct World {
    smdp: Arc<Smdp>,
    config: Config,
    pki: TestPki,
    anchors: Arc<Anchors>,
    es9plus: ServerAddress,
    es2plus: ServerAddress,
    ingest: ServerAddress,
    esipa: ServerAddress,
    connect_to: Vec<ConnectTo>,
    end: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    clock: Clock,
    rng: Rng,
    folder: PathBuf,
}

impl World {
    async fn start(args: &DemoArgs, folder: &Path, steps: &mut Steps) -> anyhow::Result<Self> {
        let (clock, rng) = (Clock::system(), Rng::system());
        let options = TestPkiOptions { host_names: vec!["localhost".to_owned()], eid: EID.parse()? };
        let pki = steps.step("test PKI: CI, EUM, eUICC, SM-DP+, operator", || {
            let pki = TestPki::generate(&rng, clock.now(), &options)?;
            pki.write_to(&folder.join("pki"), Existing::Refuse)?;
            Ok((pki, "pki".to_owned()))
        })?;
        let file = folder.join("simyard.toml");
        let free_ports = Config::parse(
            "addresses = [\"localhost\"]\n[es9plus]\nlisten = \"127.0.0.1:0\"\n[es2plus]\nlisten = \"127.0.0.1:0\"\n\
             [ingest]\nlisten = \"127.0.0.1:0\"\n[eim]\nid = \"2.999.40\"\nfqdn = \"localhost\"\nlisten = \"127.0.0.1:0\"\n",
            &file,
        )?;
        let (app, config, ports) = steps
            .step_async("server: ES9+, ES2+, ingestion, ESipa; SQLite", async {
                let sockets = Sockets::bind(&free_ports).await?;
                let ingest = sockets.ingest.as_ref().context("no socket for deliveries")?.local_addr()?;
                let esipa = sockets.eim.first().context("no socket for devices")?.local_addr()?;
                let ports = [sockets.es9plus.local_addr()?, sockets.es2plus.local_addr()?, ingest, esipa];
                std::fs::write(&file, settings(args.profile.is_some(), ports.map(|address| address.port())))?;
                let config = Config::load(&file)?;
                let app = App::open(&config, sockets, clock.clone(), rng.clone()).await?;
                let detail = ports.map(|address| address.to_string()).join(", ");
                Ok(((app, config, ports), detail))
            })
            .await?;
        let [es9plus, es2plus, ingest, esipa] = ports;
        let address = |port| ServerAddress::parse(&format!("localhost:{port}"));
        let (end, ended) = watch::channel(false);
        Ok(Self {
            smdp: Arc::clone(&app.smdp),
            server: tokio::spawn(app.run(ended)),
            end,
            anchors: Arc::new(anchors_of(&folder.join("pki/ci.pem"))?),
            es9plus: address(es9plus.port())?,
            es2plus: address(es2plus.port())?,
            ingest: address(ingest.port())?,
            esipa: address(esipa.port())?,
            connect_to: vec![ConnectTo { host: "localhost".to_owned(), address: es9plus }],
            config,
            pki,
            clock,
            rng,
            folder: folder.to_owned(),
        })
    }

    /// A manufacturer's batch of three, or a ready-made package, goes into the stock over the ingestion API.
    async fn ingest(&self, args: &DemoArgs, steps: &mut Steps) -> anyhow::Result<Subscription> {
        let setting = self.config.profile_types.first().context("no profile type")?;
        let client =
            IngestClient::new(self.tls(&self.pki.manufacturer)?, self.ingest.clone(), &self.connect_to)?;
        let deliver = async |file: Vec<u8>| -> anyhow::Result<String> {
            let octets = file.len();
            let receipt = client.deliver("demo-1", &setting.name, file).await?;
            Ok(format!(
                "batch {}, {}, {octets} octets",
                receipt.batch_id,
                counted(receipt.profiles, "profile")
            ))
        };
        match &args.profile {
            Some(path) => {
                steps
                    .step_async("ingest: a ready-made profile package, over mutual TLS", async {
                        let der = std::fs::read(path).with_context(|| path.display().to_string())?;
                        Ok((Subscription::of_package(&der)?, deliver(der).await?))
                    })
                    .await
            }
            None => {
                let batch = subscription::batch(&self.rng)?;
                let csv = Zeroizing::new(subscription::to_csv(&batch));
                write_private(&self.folder.join("batch.csv"), csv.as_bytes())?;
                steps
                    .step_async("ingest: a manufacturer's batch, over mutual TLS", async {
                        let detail = deliver(std::fs::read(self.folder.join("batch.csv"))?).await?;
                        Ok((batch.into_iter().next().context("an empty batch")?, detail))
                    })
                    .await
            }
        }
    }

    /// How the holder of a client certificate speaks TLS.
    fn tls(&self, client: &Issued) -> anyhow::Result<rustls::ClientConfig> {
        let certificates = vec![client.certificate.der().to_vec()];
        let identity = TlsIdentity::new(certificates, Arc::new(client.key.signing_key()?))?;
        let verifier = Arc::new(ServerVerifier::new(Arc::clone(&self.anchors), self.clock.clone()));
        Ok(client_config(verifier, Some(&identity))?)
    }

    /// The operator orders and releases the profile.
    async fn order(&self, subscription: &Subscription, steps: &mut Steps) -> anyhow::Result<ActivationCode> {
        let client =
            Es2PlusClient::new(self.tls(&self.pki.operator)?, self.es2plus.clone(), &self.connect_to)?;
        let header = |call: &str| RequestHeader {
            function_requester_identifier: OPERATOR.to_owned(),
            function_call_identifier: call.to_owned(),
        };
        let iccid = steps
            .step_async("ES2+.DownloadOrder", async {
                let request = DownloadOrderRequest {
                    header: header("demo-1"),
                    eid: None,
                    iccid: None,
                    profile_type: Some(PROFILE_TYPE.to_owned()),
                };
                let iccid = client.download_order(&request).await?.iccid;
                ensure!(
                    iccid == subscription.iccid,
                    "{iccid} was reserved, {} comes first",
                    subscription.iccid
                );
                Ok((iccid.clone(), iccid.to_string()))
            })
            .await?;
        let code = steps
            .step_async("ES2+.ConfirmOrder with release", async {
                let request = ConfirmOrderRequest {
                    header: header("demo-2"),
                    iccid,
                    eid: None,
                    matching_id: None,
                    confirmation_code: None,
                    smds_address: None,
                    release_flag: true,
                };
                let answer = client.confirm_order(&request).await?;
                let code = ActivationCode {
                    address: answer.smdp_address.unwrap_or_else(|| self.es9plus.clone()),
                    matching_id: answer.matching_id,
                    smdp_oid: None,
                    confirmation_code_required: false,
                };
                Ok((code, "released".to_owned()))
            })
            .await?;
        line("");
        line(&qr::terminal(&code.to_string()).unwrap_or_default());
        line(&format!("  {code}\n"));
        Ok(code)
    }

    /// The LPA downloads, enables and reports; the server's view and the profile itself are checked.
    async fn download(
        &self,
        subscription: &Subscription,
        code: &ActivationCode,
        steps: &mut Steps,
    ) -> anyhow::Result<()> {
        let card = steps.step("virtual eUICC: a new card", || {
            let card = Card::create(
                &self.folder.join("card"),
                &card_material(&self.pki.euicc, &self.pki)?,
                self.clock.clone(),
                self.rng.clone(),
            )?;
            let detail = format!("EID {}", card.eid());
            Ok((card, detail))
        })?;
        let verifier = Arc::new(ServerVerifier::new(Arc::clone(&self.anchors), self.clock.clone()));
        let servers = Es9PlusClient::new(client_config(verifier, None)?, &self.connect_to)?;
        let mut lpa = Lpa::new(Es10Client::open(card)?, servers, self.clock.clone());

        let request = DownloadRequest::from(code.clone());
        let report = {
            let mut observer = |name: &'static str, took| steps.passed(name, took);
            lpa.download(&request, &mut observer).await?
        };
        steps.check("installed", report.iccid == subscription.iccid, || {
            format!("{} {:?}, {} octets bound", report.iccid, report.profile_name, report.package_octets)
        })?;
        ensure!(report.delivery.kept.is_empty(), "the result was not delivered: {:?}", report.delivery.kept);

        steps.step("ES10c.EnableProfile", || {
            lpa.manage_profile(ProfileAction::Enable, &subscription.iccid)?;
            Ok(((), String::new()))
        })?;
        let delivery = {
            let mut observer = |name: &'static str, took| steps.passed(name, took);
            lpa.deliver(None, &mut observer).await?
        };
        ensure!(delivery.kept.is_empty(), "notifications wait on the card: {:?}", delivery.kept);

        let eid = EID.parse()?;
        self.check_servers_view(&subscription.iccid, &eid, steps).await?;
        let mut card = lpa.into_card().close()?;
        readback::check(&mut card, subscription, &self.rng, steps)
    }

    /// Order installed, profile enabled, on which EID.
    async fn check_servers_view(&self, iccid: &Iccid, eid: &Eid, steps: &mut Steps) -> anyhow::Result<()> {
        let order = self.smdp.store.order(iccid).await?.context("the order is gone")?;
        let run_time = match &order.state {
            State::Installed(installation) => installation.run_time,
            _ => None,
        };
        let held = run_time == Some(RunTimeState::Enabled) && order.eid() == Some(eid);
        steps.check("server's view", held, || {
            let told = run_time.map_or_else(|| "not reported".to_owned(), |state| format!("{state:?}"));
            let eid = order.eid().map_or_else(|| "none".to_owned(), ToString::to_string);
            format!("order {}, profile {told} on EID {eid}", order.state_name())
        })
    }

    /// Tells what to try next and waits for the end. A ready-made package is the only one of its type, and it is
    /// installed: there is nothing more to order.
    async fn keep(self, folder: &Path, ready_made: bool) -> anyhow::Result<()> {
        let (dir, es2plus) = (folder.display(), &self.es2plus);
        line(&format!("\nThe server runs on: ES9+ {}, ES2+ {es2plus}. Try in {dir}:", self.es9plus));
        let orders = [
            format!("simyard es2plus --server {es2plus} download-order --profile-type {PROFILE_TYPE}"),
            format!("simyard es2plus --server {es2plus} confirm-order --iccid ICCID"),
            "simyard lpa --card card download 'LPA:1$...'".to_owned(),
        ];
        let orders = orders.into_iter().filter(|_| !ready_made);
        for command in orders.chain(["simyard lpa --card card list".to_owned()]) {
            line(&format!("  cd {dir} && {command}"));
        }
        // Told once the signals are listened for: the first future is polled first.
        let told = async { line("Ctrl-C ends it; the folder stays.") };
        let (interrupted, ()) = tokio::join!(super::serve::interrupted(), told);
        interrupted?;
        self.end().await
    }

    async fn end(self) -> anyhow::Result<()> {
        self.end.send(true)?;
        Ok(self.server.await?)
    }
}

/// What a card gets in its factory, whose eUICC this is.
fn card_material(euicc: &Issued, pki: &TestPki) -> anyhow::Result<Material> {
    Ok(Material {
        credentials: vec![CredentialMaterial {
            euicc_key: euicc.key.to_pkcs8_der()?,
            euicc_certificate: euicc.certificate.der().to_vec(),
            eum_certificate: pki.eum.certificate.der().to_vec(),
        }],
        ci_certificates: vec![pki.ci.certificate.der().to_vec()],
    })
}

/// The server's settings: everything else is a default.
fn settings(ready_made: bool, [es9plus, es2plus, ingest, esipa]: [u16; 4]) -> String {
    let kind = if ready_made { "template = \"none\"\nclass = \"test\"\n" } else { "" };
    format!(
        r#"mode = "test"
addresses = ["localhost:{es9plus}"]

[es9plus]
listen = "127.0.0.1:{es9plus}"

[es2plus]
listen = "127.0.0.1:{es2plus}"

[[operator]]
name = "{OPERATOR}"
oid = "2.999.20"

[[operator]]
name = "{OTHER_OPERATOR}"
oid = "2.999.21"

[[sub_class]]
name = "Chip Industrial"
architecture = "sgp32"

[[profile_type]]
name = "{PROFILE_TYPE}"
owner = "{OPERATOR}"
service_provider_name = "{OPERATOR_NAME}"
profile_name = "Acme IoT"
{kind}
[[profile_type]]
name = "{OTHER_PROFILE_TYPE}"
owner = "{OTHER_OPERATOR}"
service_provider_name = "{OTHER_OPERATOR_NAME}"
profile_name = "Bravo IoT"

[[profile_type]]
name = "{FIELD_DEVICES}"
owner = "{OPERATOR}"
service_provider_name = "{OPERATOR_NAME}"
profile_name = "Devices in the field"
sub_class = "Chip Industrial"

[ingest]
listen = "127.0.0.1:{ingest}"

[[manufacturer]]
name = "cards"
oid = "2.999.30"
profile_types = ["{PROFILE_TYPE}", "{OTHER_PROFILE_TYPE}", "{FIELD_DEVICES}"]

[eim]
id = "2.999.40"
fqdn = "localhost"
listen = "127.0.0.1:{esipa}"
"#
    )
}
