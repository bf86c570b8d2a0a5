//! `simyard card`: virtual eUICCs, each in a folder of its own.

mod eim;

use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use self::eim::EimCommand;
use super::output::{self, line};
use crate::crypto::keyfile::{load_certificates, load_private_key_der, load_signing_key};
use crate::device::card::Card;
use crate::device::iot_state::{COUNTER_LIMIT, IotSettings, IotState};
use crate::device::serve::{CLIENT_SILENCE, serve_stdio, serve_tcp};
use crate::device::state::{CredentialMaterial, Material};
use crate::device::vpcd::{Atr, READER, READER_SILENCE, Way, serve_reader};
use crate::env::{Clock, Rng};
use crate::ident::{Eid, Iccid};
use crate::pki::Certificate;
use crate::pki::issue::Issuer;

/// How long a card waits before it looks for its reader again.
const CALL_AGAIN: Duration = Duration::from_secs(1);

/// Virtual eUICCs: make one, look into it, let other programs use it.
#[derive(Args)]
pub struct CardArgs {
    #[command(subcommand)]
    command: CardCommand,
}

#[derive(Subcommand)]
enum CardCommand {
    /// Make a card in a new folder.
    ///
    /// With --pki it takes the eUICC of a test PKI made by 'simyard pki init', and with --eid another one that is issued
    /// on the spot. With --euicc-cert and its companions it takes certificates that you have.
    New(NewArgs),
    /// Show what a card holds: identity, profiles, notifications.
    Show(ShowArgs),
    /// Let other programs send APDUs to the card.
    Serve(ServeArgs),
    /// The eIMs of a card of SGP.32.
    #[command(subcommand)]
    Eim(EimCommand),
}

#[derive(Args)]
#[command(group = ArgGroup::new("source").required(true).args(["pki", "euicc_cert"]))]
struct NewArgs {
    /// The folder of the card; it is created.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The folder of a test PKI.
    #[arg(long, value_name = "DIR")]
    pki: Option<PathBuf>,
    /// The card's EID: 32 digits. Another than the test PKI's needs the key of its EUM.
    #[arg(long, value_name = "DIGITS", requires = "pki")]
    eid: Option<Eid>,
    /// Take the CI of the test PKI on this curve; may be given several times, preferred first. By default all that the
    /// folder has, P-256 first.
    #[arg(long, value_name = "CURVE", requires = "pki")]
    curve: Vec<CurveName>,
    /// The eUICC certificate, PEM or DER.
    #[arg(long, value_name = "FILE", conflicts_with = "pki", requires_all = ["euicc_key", "eum_cert", "ci"])]
    euicc_cert: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "euicc_cert")]
    euicc_key: Option<PathBuf>,
    /// The certificate of the eUICC's manufacturer.
    #[arg(long, value_name = "FILE", requires = "euicc_cert")]
    eum_cert: Option<PathBuf>,
    /// A CI certificate that the card trusts; may be given several times, preferred first.
    #[arg(long, value_name = "FILE", requires = "euicc_cert")]
    ci: Vec<PathBuf>,
    /// Make a card of SGP.32, whose profiles an eIM manages.
    #[arg(long)]
    sgp32: bool,
    /// Associate it with this eIM, as 'simyard card eim add' does.
    #[arg(long, value_name = "FILE", requires = "sgp32")]
    eim: Option<PathBuf>,
    /// The highest counter value that it takes of an eIM.
    #[arg(long, value_name = "NUMBER", requires = "sgp32", default_value_t = COUNTER_LIMIT,
        value_parser = clap::value_parser!(i64).range(1..))]
    counter_limit: i64,
}

/// A curve of the test PKI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CurveName {
    /// NIST P-256.
    P256,
    /// brainpoolP256r1.
    Brainpool,
}

impl CurveName {
    /// What the names of its files end in.
    const fn suffix(self) -> &'static str {
        match self {
            Self::P256 => "",
            Self::Brainpool => "-brp",
        }
    }
}

#[derive(Args)]
struct ShowArgs {
    /// The folder of the card.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(group = ArgGroup::new("transport").required(true).args(["tcp", "stdio", "vpcd"]))]
struct ServeArgs {
    /// The folder of the card.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Listen on this port of 127.0.0.1: APDUs both ways, each behind two octets of length. 0 takes a free port and
    /// prints it.
    #[arg(long, value_name = "PORT")]
    tcp: Option<u16>,
    /// Speak the JSON lines of lpac's stdio driver on stdin and stdout.
    #[arg(long)]
    stdio: bool,
    /// Put the card into the virtual reader of PC/SC (Debian's vsmartcard-vpcd with pcscd), so that any PC/SC program can use
    /// it. Where no reader listens, or its daemon ends, the card waits for it.
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = READER, value_parser = host_and_port)]
    vpcd: Option<String>,
    /// The answer to reset that the reader gets, in hexadecimal digits; by default that of an eUICC.
    #[arg(long, value_name = "DIGITS", conflicts_with_all = ["tcp", "stdio"])]
    atr: Option<Atr>,
}

/// Takes `HOST:PORT`.
fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) => {
            Ok(text.to_owned())
        }
        _ => Err("a reader is at HOST:PORT; the folder of the card stands in front of --vpcd".to_owned()),
    }
}

/// Runs `simyard card`.
///
/// # Errors
/// What could not be done; the text is for people.
pub async fn run(args: CardArgs) -> anyhow::Result<()> {
    match args.command {
        CardCommand::New(args) => new(&args),
        CardCommand::Show(args) => show(&args),
        CardCommand::Eim(command) => eim::run(&command),
        // The card is a machine without waiting of its own: it gets a thread.
        CardCommand::Serve(args) => tokio::task::spawn_blocking(move || serve(&args)).await?,
    }
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let rng = Rng::system();
    let material = match (&args.pki, &args.euicc_cert, &args.euicc_key, &args.eum_cert) {
        (Some(pki), ..) => from_test_pki(pki, args, &clock, &rng)?,
        (None, Some(certificate), Some(key), Some(eum)) => Material {
            credentials: vec![CredentialMaterial {
                euicc_key: load_private_key_der(key)?,
                euicc_certificate: first_certificate(certificate)?,
                eum_certificate: first_certificate(eum)?,
            }],
            ci_certificates: args.ci.iter().map(|ci| first_certificate(ci)).collect::<Result<_, _>>()?,
        },
        _ => anyhow::bail!("give --pki, or --euicc-cert with --euicc-key, --eum-cert and --ci"),
    };
    let configuration = args.eim.as_deref().map(eim::read).transpose()?;
    let card = if args.sgp32 {
        let settings = IotSettings { counter_limit: args.counter_limit };
        Card::create_iot(&args.folder, &material, settings, clock, rng)?
    } else {
        Card::create(&args.folder, &material, clock, rng)?
    };
    line(&format!("card {} in {}", card.eid(), args.folder.display()));
    match configuration {
        Some(configuration) => eim::add(card, &configuration).context("the card is made, but has no eIM"),
        None => Ok(()),
    }
}

/// The eUICC of a test PKI, under each of its CIs or those that were asked for.
fn from_test_pki(folder: &Path, args: &NewArgs, clock: &Clock, rng: &Rng) -> anyhow::Result<Material> {
    let mut curves = args.curve.clone();
    if curves.is_empty() {
        curves.push(CurveName::P256);
        // Folders that older versions made have no second set.
        if folder.join("ci-brp.pem").exists() {
            curves.push(CurveName::Brainpool);
        }
    }
    let mut material = Material { credentials: Vec::new(), ci_certificates: Vec::new() };
    for curve in curves {
        let suffix = curve.suffix();
        material.credentials.push(credential(folder, suffix, args.eid.as_ref(), clock, rng)?);
        material.ci_certificates.push(first_certificate(&folder.join(format!("ci{suffix}.pem")))?);
    }
    Ok(material)
}

/// Keys and certificates of the eUICC of a test PKI, or of one with another EID issued by its EUM.
fn credential(
    folder: &Path,
    suffix: &str,
    eid: Option<&Eid>,
    clock: &Clock,
    rng: &Rng,
) -> anyhow::Result<CredentialMaterial> {
    let file = |name: &str, extension: &str| folder.join(format!("{name}{suffix}.{extension}"));
    let eum_certificate = first_certificate(&file("eum", "pem"))?;
    let mut euicc_certificate = first_certificate(&file("euicc", "pem"))?;
    let mut euicc_key: Zeroizing<Vec<u8>> = load_private_key_der(&file("euicc", "key.pem"))?;
    let own = Certificate::from_der(&euicc_certificate).context("euicc.pem")?;
    if let Some(eid) = eid.filter(|eid| own.serial_number() != Some(eid.as_str())) {
        let certificate = Certificate::from_der(&eum_certificate).context("eum.pem")?;
        let issuer = Issuer::new(certificate, load_signing_key(&file("eum", "key.pem"))?)?;
        let issued = issuer.issue_euicc(eid, rng, clock.now())?;
        euicc_certificate = issued.certificate.der().to_vec();
        euicc_key = issued.key.to_pkcs8_der()?;
    }
    Ok(CredentialMaterial { euicc_key, euicc_certificate, eum_certificate })
}

fn first_certificate(path: &Path) -> anyhow::Result<Vec<u8>> {
    let certificates = load_certificates(path)?;
    certificates.into_iter().next().with_context(|| format!("{} holds no certificate", path.display()))
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let card = Card::open(&args.folder, Clock::system(), Rng::system())?;
    let overview = card.overview();
    if args.json {
        let profiles: Vec<_> = overview
            .profiles
            .iter()
            .map(|profile| {
                json!({
                    "iccid": profile.iccid.to_string(),
                    "state": if profile.enabled { "enabled" } else { "disabled" },
                    "serviceProviderName": profile.service_provider_name,
                    "profileName": profile.profile_name,
                    "nickname": profile.nickname,
                    "isdpAid": hex::encode_upper(&profile.isdp_aid),
                })
            })
            .collect();
        output::json(&json!({
            "eid": overview.eid.to_string(),
            "defaultDpAddress": overview.default_dp_address,
            "trustedCiKeys": overview.trusted_ci_keys.iter().map(hex::encode_upper).collect::<Vec<_>>(),
            "signingCiKeys": overview.signing_ci_keys.iter().map(hex::encode_upper).collect::<Vec<_>>(),
            "freeMemory": overview.free_memory,
            "profiles": profiles,
            "notifications": overview.notifications,
            "nextSeqNumber": overview.next_seq_number,
            "sgp32": card.state().iot.as_ref().map(iot_to_json),
        }));
        return Ok(());
    }
    line(&format!("EID            {}", overview.eid));
    for key in &overview.trusted_ci_keys {
        line(&format!("trusted CI     {}", hex::encode_upper(key)));
    }
    for key in &overview.signing_ci_keys {
        line(&format!("signs under    {}", hex::encode_upper(key)));
    }
    line(&format!("free memory    {} octets", overview.free_memory));
    line(&format!("notifications  {} waiting", overview.notifications.len()));
    for text in card.state().iot.iter().flat_map(iot_lines) {
        line(&text);
    }
    line(&format!("profiles       {}", overview.profiles.len()));
    for profile in &overview.profiles {
        let state = if profile.enabled { "enabled" } else { "disabled" };
        line(&format!(
            "  {} {state:8} {} · {}",
            profile.iccid, profile.service_provider_name, profile.profile_name
        ));
    }
    Ok(())
}

/// The digits of an ICCID as the card keeps it; empty is none.
fn iccid(octets: &[u8]) -> Option<String> {
    Iccid::from_bcd(octets.try_into().ok()?).ok().map(|iccid| iccid.to_string())
}

fn iot_to_json(iot: &IotState) -> serde_json::Value {
    json!({
        "eims": iot.eims.iter().map(eim::to_json).collect::<Vec<_>>(),
        "counterLimit": iot.counter_limit,
        "euiccPackageResults": iot.results.iter().map(|result| result.seq_number).collect::<Vec<_>>(),
        "rollbackTo": iot.rollback.as_ref().and_then(|grant| iccid(&grant.before.iccid)),
        "fallbackProfile": iccid(&iot.fallback_profile),
        "returnFromFallbackTo": iot.fallen_back_from.as_ref().and_then(|before| iccid(&before.iccid)),
        "emergency": iot.emergency_since.is_some(),
        "immediateEnable": iot.immediate_enable.is_some(),
    })
}

/// What people see of a card of SGP.32, what is not there left out.
fn iot_lines(iot: &IotState) -> Vec<String> {
    let mut lines = vec![format!("SGP.32         {} results waiting", iot.results.len())];
    lines.extend(iot.eims.iter().map(|record| format!("eIM            {}", eim::to_line(record))));
    for (name, profile) in [
        ("fallback", iccid(&iot.fallback_profile)),
        ("rollback to", iot.rollback.as_ref().and_then(|grant| iccid(&grant.before.iccid))),
        ("returns to", iot.fallen_back_from.as_ref().and_then(|before| iccid(&before.iccid))),
    ] {
        lines.extend(profile.map(|iccid| format!("{name:14} {iccid}")));
    }
    if iot.emergency_since.is_some() {
        lines.push("emergency      the emergency profile is enabled".to_owned());
    }
    lines
}

fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let mut card = Card::open(&args.folder, Clock::system(), Rng::system())?;
    if let Some(reader) = &args.vpcd {
        let atr = args.atr.clone().unwrap_or_else(Atr::virtual_euicc);
        serve_reader(&mut card, reader, &atr, READER_SILENCE, waiting_for(reader));
        return Ok(());
    }
    let Some(port) = args.tcp else {
        let mut input = BufReader::new(std::io::stdin());
        return Ok(serve_stdio(&mut card, &mut input, &mut std::io::stdout())?);
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
    line(&format!("card {} on {}", card.eid(), listener.local_addr()?));
    std::io::stdout().flush()?;
    Ok(serve_tcp(&mut card, &listener, CLIENT_SILENCE)?)
}

/// Tells a person what happens between card and reader, each thing once, and waits before the reader is called again.
fn waiting_for(reader: &str) -> impl FnMut(&Way) -> ControlFlow<()> {
    let reader = reader.to_owned();
    let mut is_waiting = false;
    move |way| {
        match way {
            Way::Inserted => line(&format!("card in the reader at {reader}")),
            Way::Removed(Ok(())) => line(&format!("the reader at {reader} ended; the card waits for it")),
            Way::Removed(Err(error)) => {
                line(&format!("the reader at {reader} is gone ({error}); the card waits for it"))
            }
            Way::Absent(error) if !is_waiting => {
                line(&format!(
                    "no reader at {reader} ({error}); the card waits for pcscd with vsmartcard-vpcd"
                ));
            }
            Way::Absent(_) => {}
        }
        // Whoever reads the output would not learn it before much of it is there.
        let _ = std::io::stdout().flush();
        is_waiting = !matches!(way, Way::Inserted);
        if is_waiting {
            std::thread::park_timeout(CALL_AGAIN);
        }
        ControlFlow::Continue(())
    }
}
