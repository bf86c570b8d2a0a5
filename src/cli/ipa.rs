//! `simyard ipa`: what an IoT profile assistant does, on a card in a folder or behind TCP.

mod listen;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use rustls::client::danger::ServerCertVerifier;
use serde_json::json;
use simyard_asn1::iot::esipa::StateChangeCause;

use super::output::{Style, error_line, line};
use crate::binding::MessageBinding;
use crate::client::ConnectTo;
use crate::client::es9plus::Es9PlusClient;
use crate::client::esipa::EsipaClient;
use crate::crypto::keyfile::{load_certificates, load_signing_key};
use crate::device::card::Card;
use crate::device::es10_client::Es10Client;
use crate::device::ipa::{
    DownloadWay, Everywhere, Executed, Injection, Ipa, IpaError, LostOn, Network, Pause, Pausing, Polled,
    Settings, Surroundings, TlsTrust, tls_trust,
};
use crate::device::transport::{ApduTransport, TcpTransport};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, ServerAddress};
use crate::pki::pinned::{trust_certificate, trust_key};
use crate::pki::tls::{ServerVerifier, TlsIdentity, client_config};
use crate::pki::web::WebVerifier;
use crate::pki::{Anchors, Certificate};

/// The authority of the eIM that 'simyard pki init' makes.
const USUAL_ANCHOR: &str = "pki/eim-ca.pem";

/// The card of the command: through APDUs, wherever it is.
type Transport = Box<dyn ApduTransport + Send>;

/// Poll an eIM, or listen to it, and do what it asks, as the IoT profile assistant of a device does.
#[derive(Args)]
pub struct IpaArgs {
    #[command(subcommand)]
    command: IpaCommand,
}

#[derive(Subcommand)]
enum IpaCommand {
    /// Poll, execute what the eIM has for the card, report; until stopped, or once.
    Run(Box<RunArgs>),
    /// Listen for packages that the eIM brings by itself (TransferEimPackage), execute and answer them; until stopped.
    Listen(Box<listen::ListenArgs>),
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// Poll until the eIM has nothing more, and end.
    #[arg(long)]
    once: bool,
    /// Seconds between two rounds of polls.
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    interval: u64,
    /// Up to so many seconds more, drawn for each round: devices that were started together part.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    jitter: u64,
}

/// The device: its card, its eIM, and what it decides for itself.
#[derive(Args)]
#[command(group = ArgGroup::new("where").args(["card", "tcp"]).required(true))]
struct DeviceArgs {
    /// The folder of a card made by 'simyard card new --sgp32'.
    #[arg(long, value_name = "DIR")]
    card: Option<PathBuf>,
    /// A card served by 'simyard card serve --tcp'.
    #[arg(long, value_name = "HOST:PORT")]
    tcp: Option<String>,
    /// Where the eIM is: HOST, HOST:PORT, or https://HOST:PORT.
    #[arg(long, value_name = "URL", value_parser = parse_eim)]
    eim: ServerAddress,
    /// How the eIM is spoken to: asn1 or json.
    #[arg(long, value_name = "BINDING", default_value = "asn1")]
    binding: MessageBinding,
    /// An authority under which the eIM's TLS certificate lies; may be given several times. By default, what the eUICC was told
    /// of the eIM (trustedPublicKeyDataTls), or pki/eim-ca.pem if that is nothing.
    #[arg(long, value_name = "FILE")]
    anchors: Vec<PathBuf>,
    /// The device's client certificate.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// A CI certificate under which the TLS certificates of SM-DP+ servers lie; may be given several times.
    #[arg(long, value_name = "FILE", default_value = "pki/ci.pem")]
    ca: Vec<PathBuf>,
    /// Where to find a host that DNS does not know.
    #[arg(long, value_name = "HOST=ADDR:PORT")]
    connect_to: Vec<ConnectTo>,
    /// Whether profiles come from the SM-DP+ itself or through the eIM; by default, as the card is configured for the eIM.
    #[arg(long, value_enum, value_name = "WAY", default_value_t)]
    download: Way,
    /// Install profiles that forbid to be disabled or deleted.
    #[arg(long)]
    accept_policy_rules: bool,
    /// The network that the device is registered in: MCC-MNC, such as 262-01.
    #[arg(long, value_name = "PLMN", value_parser = parse_plmn)]
    registered_in: Option<[u8; 3]>,
    /// How often the delivery of a result is tried before the device goes back to the profile of before.
    #[arg(long, value_name = "NUMBER", default_value = "3")]
    delivery_attempts: NonZeroU32,
    /// How many seconds these attempts take in all.
    #[arg(long, value_name = "SECONDS", default_value = "300")]
    rollback_after: u64,
    /// A fault: nothing can be reached while this profile is enabled; may be given several times.
    #[arg(long, value_name = "ICCID")]
    lose_coverage_on: Vec<Iccid>,
    /// Print one JSON object for each poll, and for each package that the eIM brought.
    #[arg(long)]
    json: bool,
}

/// Which way profiles come.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Way {
    /// As the card is configured for the eIM.
    #[default]
    Configured,
    /// From the SM-DP+ itself.
    Direct,
    /// Through the eIM.
    Indirect,
}

fn parse_eim(text: &str) -> Result<ServerAddress, String> {
    let address = text.strip_prefix("https://").unwrap_or(text);
    ServerAddress::parse(address.trim_end_matches('/')).map_err(|error| error.to_string())
}

/// Three octets as in SGP.32 5.14.5: digits in swapped nibbles, the third of the MNC with the third of the MCC.
fn parse_plmn(text: &str) -> Result<[u8; 3], String> {
    let expected = || "expected three digits of MCC and two or three of MNC, such as 262-01".to_owned();
    let (mcc, mnc) = text.split_once('-').ok_or_else(expected)?;
    let digits = |text: &str| -> Option<Vec<u8>> {
        text.bytes().map(|digit| digit.is_ascii_digit().then(|| digit - b'0')).collect()
    };
    match (digits(mcc).as_deref(), digits(mnc).as_deref()) {
        (Some([a, b, c]), Some([x, y])) => Ok([b << 4 | a, 0xF0 | c, y << 4 | x]),
        (Some([a, b, c]), Some([x, y, z])) => Ok([b << 4 | a, z << 4 | c, y << 4 | x]),
        _ => Err(expected()),
    }
}

/// Real time.
#[derive(Debug)]
struct Sleeping;

impl Pause for Sleeping {
    fn pause(&self, time: Duration) -> Pausing<'_> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// Runs `simyard ipa`.
///
/// # Errors
/// What the card, the eIM or the IPA refused; the text is for people.
pub async fn run(args: IpaArgs) -> anyhow::Result<()> {
    match args.command {
        IpaCommand::Run(args) => poll(&args).await,
        IpaCommand::Listen(args) => listen::run(&args).await,
    }
}

async fn poll(args: &RunArgs) -> anyhow::Result<()> {
    let device = &args.device;
    let mut ipa = device.ipa(Injection::None)?;
    let memory = Memory::of(device);
    ipa.set_state_change(memory.read());
    if args.once {
        round(&mut ipa, &memory, device.json).await?;
        ipa.into_card().close()?;
        return Ok(());
    }
    let rng = Rng::system();
    loop {
        if let Err(error) = round(&mut ipa, &memory, device.json).await {
            error_line(&format!("{error}"));
        }
        let millis = args.jitter.saturating_mul(1000).saturating_add(1);
        let more = u64::from_be_bytes(rng.array()) % millis;
        let pause = Duration::from_secs(args.interval) + Duration::from_millis(more);
        tokio::time::sleep(pause).await;
    }
}

/// Polls until the eIM has nothing more.
async fn round(ipa: &mut Ipa<Transport>, memory: &Memory, as_json: bool) -> Result<(), IpaError> {
    loop {
        let mut steps = Vec::new();
        let polled = ipa.poll_once(&mut |step, took| steps.push((step, took))).await;
        memory.keep(ipa.state_change());
        print(&steps, polled.as_ref().map(words).map_err(ToString::to_string), as_json);
        if polled? == Polled::Nothing {
            return Ok(());
        }
    }
}

/// A step, and what it took.
type Step = (&'static str, Duration);

/// Prints the steps, and what came of them; errors alone go elsewhere, unless a program reads.
fn print(steps: &[Step], outcome: Result<(&str, Option<String>), String>, as_json: bool) {
    if as_json {
        let steps: Vec<&str> = steps.iter().map(|(step, _)| *step).collect();
        let (outcome, why) = outcome.unwrap_or_else(|error| ("error", Some(error)));
        // One line each: a reader follows a device for days.
        line(&json!({ "outcome": outcome, "why": why, "steps": steps }).to_string());
        return;
    }
    let style = Style::of_stdout();
    for (step, took) in steps {
        line(&format!("{step:32} {}", style.dim(&format!("{:9.3} ms", took.as_secs_f64() * 1000.0))));
    }
    if let Ok((outcome, why)) = outcome {
        line(&why.map_or_else(|| outcome.to_owned(), |why| format!("{outcome}: {why}")));
    }
}

/// What became of a poll, as it is printed.
fn words(polled: &Polled) -> (&'static str, Option<String>) {
    match polled {
        Polled::Nothing => ("nothing", None),
        Polled::Executed(executed) => words_of(executed),
    }
}

/// What became of a package, as it is printed.
fn words_of(executed: &Executed) -> (&'static str, Option<String>) {
    match executed {
        Executed::EuiccPackage => ("executed", None),
        Executed::RolledBack => ("rolled back", None),
        Executed::Data => ("data", None),
        Executed::Installed => ("installed", None),
        Executed::Failed(why) => ("failed", Some(why.clone())),
    }
}

impl DeviceArgs {
    fn ipa(&self, injection: Injection) -> anyhow::Result<Ipa<Transport>> {
        let mut card = Es10Client::open(self.open()?)?;
        let eim = self.eim(&mut card)?;
        let network: Box<dyn Network> = if self.lose_coverage_on.is_empty() {
            Box::new(Everywhere)
        } else {
            Box::new(LostOn(self.lose_coverage_on.clone()))
        };
        let settings = Settings {
            delivery_attempts: self.delivery_attempts,
            rollback_after: Duration::from_secs(self.rollback_after),
            download: match self.download {
                Way::Configured => DownloadWay::AsConfigured,
                Way::Direct => DownloadWay::Direct,
                Way::Indirect => DownloadWay::Indirect,
            },
            accept_policy_rules: self.accept_policy_rules,
            r_plmn: self.registered_in,
            injection,
            ..Settings::default()
        };
        let around = Surroundings { network, pauses: Box::new(Sleeping), clock: Clock::system() };
        Ok(Ipa::new(card, eim, self.servers()?, around, settings)?)
    }

    fn open(&self) -> anyhow::Result<Transport> {
        match (&self.card, &self.tcp) {
            (Some(folder), _) => Ok(Box::new(Card::open(folder, Clock::system(), Rng::system())?)),
            (None, address) => {
                let address =
                    address.as_deref().context("which card? Give --card DIR, or --tcp HOST:PORT")?;
                let transport = TcpTransport::connect(address).with_context(|| {
                    format!("no card answers at {address}; 'simyard card serve DIR --tcp PORT'")
                })?;
                Ok(Box::new(transport))
            }
        }
    }

    /// The device's certificate, with its key.
    fn identity(&self) -> anyhow::Result<Option<TlsIdentity>> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        Ok(Some(TlsIdentity::new(load_certificates(certificate)?, Arc::new(load_signing_key(key)?))?))
    }

    fn eim(&self, card: &mut Es10Client<Transport>) -> anyhow::Result<EsipaClient> {
        let verifier = self.eim_verifier(card)?;
        let tls = client_config(verifier, self.identity()?.as_ref())?;
        Ok(EsipaClient::new(tls, self.eim.clone(), &self.connect_to)?.with_binding(self.binding))
    }

    /// The eIM has a certificate of any authority, not of a GSMA CI. Whoever names none leaves it to the eUICC.
    fn eim_verifier(&self, card: &mut Es10Client<Transport>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
        let clock = Clock::system();
        match self.trust(card)? {
            Trust::Told(TlsTrust::Key(der)) => trust_key(&der).context(OF_EIM),
            Trust::Told(TlsTrust::Certificate(der)) => trust_certificate(&der, clock).context(OF_EIM),
            Trust::Below(authorities) => Ok(Arc::new(WebVerifier::new(&authorities, clock)?)),
        }
    }

    /// By what the eIM's TLS is known.
    fn trust(&self, card: &mut Es10Client<Transport>) -> anyhow::Result<Trust> {
        if self.anchors.is_empty()
            && let Some(told) = tls_trust(card, &self.eim)?
        {
            return Ok(Trust::Told(told));
        }
        let usual = [PathBuf::from(USUAL_ANCHOR)];
        let named = if self.anchors.is_empty() { &usual[..] } else { &self.anchors };
        let mut authorities = Vec::new();
        for path in named {
            authorities.extend(load_certificates(path)?);
        }
        Ok(Trust::Below(authorities))
    }

    fn servers(&self) -> anyhow::Result<Es9PlusClient> {
        let mut anchors = Vec::new();
        for path in &self.ca {
            for der in load_certificates(path)? {
                anchors.push(Certificate::from_der(&der).with_context(|| path.display().to_string())?);
            }
        }
        let verifier = Arc::new(ServerVerifier::new(Arc::new(Anchors::new(anchors)?), Clock::system()));
        Ok(Es9PlusClient::new(client_config(verifier, None)?, &self.connect_to)?)
    }
}

/// What is said of what the eUICC was told and what cannot be used.
const OF_EIM: &str = "what the eUICC was told of the eIM's TLS (trustedPublicKeyDataTls) cannot be used; --anchors names another";

/// By what the eIM's TLS is known.
enum Trust {
    /// By what the eUICC was told.
    Told(TlsTrust),
    /// By one of these authorities, in DER.
    Below(Vec<Vec<u8>>),
}

/// What the next poll has to tell, where the command ends before it: a number in a file of the card's folder.
struct Memory(Option<PathBuf>);

impl Memory {
    fn of(device: &DeviceArgs) -> Self {
        Self(device.card.as_deref().map(|folder| folder.join("ipa-state-change")))
    }

    fn read(&self) -> Option<StateChangeCause> {
        let text = std::fs::read_to_string(self.0.as_ref()?).ok()?;
        text.trim().parse().ok().map(StateChangeCause::from_code)
    }

    fn keep(&self, cause: Option<StateChangeCause>) {
        let Some(path) = &self.0 else { return };
        let kept = match cause {
            Some(cause) => std::fs::write(path, cause.code().to_string()),
            None => forget(path),
        };
        if let Err(error) = kept {
            tracing::warn!(path = %path.display(), %error, "what the next poll tells could not be kept");
        }
    }
}

fn forget(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
