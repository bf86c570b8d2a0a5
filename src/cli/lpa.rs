//! `simyard lpa`: what a local profile assistant does, on a card in a folder or behind TCP.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::info::EuiccInfo2;

use super::output::{self, Style, line};
use crate::binding::MessageBinding;
use crate::client::ConnectTo;
use crate::client::es9plus::Es9PlusClient;
use crate::crypto::keyfile::load_certificates;
use crate::device::card::Card;
use crate::device::es10_client::{Es10Client, ProfileAction};
use crate::device::lpa::{Delivery, DownloadRequest, Lpa};
use crate::device::transport::{ApduTransport, TcpTransport};
use crate::env::{Clock, Rng};
use crate::ident::{ActivationCode, Iccid, MatchingId, ServerAddress};
use crate::pki::tls::{ServerVerifier, client_config};
use crate::pki::{Anchors, Certificate};

/// The card of the command: through APDUs, wherever it is.
type Transport = Box<dyn ApduTransport + Send>;

/// Download and manage profiles on a card, as the local profile assistant of a device does.
#[derive(Args)]
pub struct LpaArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: LpaCommand,
}

#[derive(Args)]
#[command(group = ArgGroup::new("where").args(["card", "tcp"]))]
struct Connection {
    /// The folder of a card made by 'simyard card new'.
    #[arg(long, value_name = "DIR", global = true)]
    card: Option<PathBuf>,
    /// A card served by 'simyard card serve --tcp'.
    #[arg(long, value_name = "HOST:PORT", global = true)]
    tcp: Option<String>,
    /// A CI certificate under which the servers' TLS certificates lie; may be given several times.
    #[arg(long, value_name = "FILE", default_value = "pki/ci.pem", global = true)]
    ca: Vec<PathBuf>,
    /// Where to find a host that DNS does not know.
    #[arg(long, value_name = "HOST=ADDR:PORT", global = true)]
    connect_to: Vec<ConnectTo>,
    /// How servers are spoken to: json or asn1.
    #[arg(long, value_name = "BINDING", default_value = "json", global = true)]
    binding: MessageBinding,
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum LpaCommand {
    /// Show the card's identity, addresses and abilities.
    Info,
    /// Download and install a profile, and deliver the card's report.
    Download(DownloadArgs),
    /// List the profiles on the card.
    List,
    /// Enable a profile; another one that is enabled is disabled.
    Enable(ProfileArgs),
    /// Disable a profile.
    Disable(ProfileArgs),
    /// Delete a profile that is not enabled.
    Delete(ProfileArgs),
    /// Notifications that wait on the card.
    Notifications {
        #[command(subcommand)]
        command: Option<NotificationsCommand>,
    },
}

#[derive(Subcommand)]
enum NotificationsCommand {
    /// List them; the default.
    List,
    /// Send all of them, in order for each server, and remove what was taken.
    Send,
}

#[derive(Args)]
struct ProfileArgs {
    /// The profile's ICCID.
    #[arg(value_name = "ICCID")]
    iccid: Iccid,
}

#[derive(Args)]
#[command(group = ArgGroup::new("order").args(["activation_code", "address"]))]
struct DownloadArgs {
    /// The activation code: LPA:1$HOST$TOKEN. Without it and --address, the card's default SM-DP+ is asked.
    #[arg(value_name = "ACTIVATION CODE")]
    activation_code: Option<ActivationCode>,
    /// The SM-DP+ instead of an activation code.
    #[arg(long, value_name = "HOST[:PORT]")]
    address: Option<ServerAddress>,
    /// The matching identifier at that SM-DP+; without it, the order is found by the EID.
    #[arg(long, value_name = "TOKEN", requires = "address")]
    matching_id: Option<MatchingId>,
    /// The confirmation code that the operator gave.
    #[arg(long, value_name = "CODE")]
    confirmation_code: Option<String>,
    /// The device's IMEI: 15 or 16 digits.
    #[arg(long, value_name = "DIGITS", value_parser = parse_imei)]
    imei: Option<[u8; 8]>,
    /// Agree to a profile that forbids to be disabled or deleted.
    #[arg(long)]
    accept_policy_rules: bool,
}

/// IMEI as DeviceInfo carries it: digits two in an octet, the first in the high nibble, F after fifteen.
fn parse_imei(text: &str) -> Result<[u8; 8], String> {
    let padded = if text.len() == 15 { format!("{text}F") } else { text.to_owned() };
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    hex::decode(&padded)
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .filter(|_| digits)
        .ok_or_else(|| format!("{text:?} is no IMEI of 15 or 16 digits"))
}

/// Runs `simyard lpa`.
///
/// # Errors
/// What the card, the server or the LPA refused; the text is for people.
pub async fn run(args: LpaArgs) -> anyhow::Result<()> {
    let connection = &args.connection;
    let mut card = Es10Client::open(open(connection)?)?;
    match &args.command {
        LpaCommand::Info => info(&mut card, connection.json)?,
        LpaCommand::List => list(&mut card, connection.json)?,
        LpaCommand::Enable(profile) => manage(&mut card, ProfileAction::Enable, profile, connection.json)?,
        LpaCommand::Disable(profile) => manage(&mut card, ProfileAction::Disable, profile, connection.json)?,
        LpaCommand::Delete(profile) => manage(&mut card, ProfileAction::Delete, profile, connection.json)?,
        LpaCommand::Notifications { command: None | Some(NotificationsCommand::List) } => {
            notifications(&mut card, connection.json)?;
        }
        LpaCommand::Notifications { command: Some(NotificationsCommand::Send) } => {
            let mut lpa = Lpa::new(card, servers(connection)?, Clock::system());
            let delivery = lpa.deliver(None, &mut |_, _| {}).await?;
            report_delivery(&delivery, connection.json);
            anyhow::ensure!(delivery.kept.is_empty(), "{} notifications wait on", delivery.kept.len());
            card = lpa.into_card();
        }
        LpaCommand::Download(download_args) => {
            let request = download_request(download_args, &mut card)?;
            let mut lpa = Lpa::new(card, servers(connection)?, Clock::system());
            download(&mut lpa, &request, connection.json).await?;
            card = lpa.into_card();
        }
    }
    card.close()?;
    Ok(())
}

fn open(connection: &Connection) -> anyhow::Result<Transport> {
    match (&connection.card, &connection.tcp) {
        (Some(folder), _) => Ok(Box::new(Card::open(folder, Clock::system(), Rng::system())?)),
        (None, Some(address)) => {
            let transport = TcpTransport::connect(address).with_context(|| {
                format!("no card answers at {address}; 'simyard card serve DIR --tcp PORT'")
            })?;
            Ok(Box::new(transport))
        }
        // Not the parser's affair: it asks for required arguments before it has seen those of the subcommand.
        (None, None) => {
            let usage = "which card? Give --card DIR, or --tcp HOST:PORT\n";
            clap::Error::raw(clap::error::ErrorKind::MissingRequiredArgument, usage).exit()
        }
    }
}

fn servers(connection: &Connection) -> anyhow::Result<Es9PlusClient> {
    let mut anchors = Vec::new();
    for path in &connection.ca {
        for der in load_certificates(path)? {
            anchors.push(Certificate::from_der(&der).with_context(|| path.display().to_string())?);
        }
    }
    let verifier = Arc::new(ServerVerifier::new(Arc::new(Anchors::new(anchors)?), Clock::system()));
    let client = Es9PlusClient::new(client_config(verifier, None)?, &connection.connect_to)?;
    Ok(client.with_binding(connection.binding))
}

fn download_request(
    args: &DownloadArgs,
    card: &mut Es10Client<Transport>,
) -> anyhow::Result<DownloadRequest> {
    let no_matching_id = || MatchingId::parse("");
    let mut request = match (&args.activation_code, &args.address) {
        (Some(code), _) => {
            anyhow::ensure!(
                !code.confirmation_code_required || args.confirmation_code.is_some(),
                "the activation code asks for a confirmation code; give it with --confirmation-code"
            );
            DownloadRequest::from(code.clone())
        }
        (None, Some(address)) => {
            let matching_id = args.matching_id.clone().map_or_else(no_matching_id, Ok)?;
            DownloadRequest::new(address.clone(), matching_id)
        }
        (None, None) => {
            let (address, _) = card.get_configured_addresses()?;
            let address = address
                .context("the card has no default SM-DP+ address: give an activation code, or --address")?;
            DownloadRequest::new(ServerAddress::parse(&address)?, no_matching_id()?)
        }
    };
    request.confirmation_code = args.confirmation_code.clone();
    request.imei = args.imei;
    request.accept_policy_rules = args.accept_policy_rules;
    Ok(request)
}

async fn download(lpa: &mut Lpa<Transport>, request: &DownloadRequest, as_json: bool) -> anyhow::Result<()> {
    let style = Style::of_stdout();
    let mut steps: Vec<Value> = Vec::new();
    let mut observer = |step: &'static str, took: Duration| {
        let millis = took.as_secs_f64() * 1000.0;
        steps.push(json!({ "step": step, "milliseconds": millis }));
        if !as_json {
            line(&format!("{step:32} {}", style.dim(&format!("{millis:9.3} ms"))));
        }
    };
    let report = lpa.download(request, &mut observer).await?;
    if as_json {
        output::json(&json!({
            "iccid": report.iccid.to_string(),
            "serviceProviderName": report.service_provider_name,
            "profileName": report.profile_name,
            "transactionId": report.transaction_id.to_string(),
            "isdpAid": hex::encode_upper(&report.isdp_aid),
            "packageOctets": report.package_octets,
            "notifications": delivery_json(&report.delivery),
            "steps": steps,
        }));
        return Ok(());
    }
    line(&format!(
        "installed {} ({} · {}), {} octets",
        style.good(report.iccid.as_str()),
        report.service_provider_name,
        report.profile_name,
        report.package_octets
    ));
    report_delivery(&report.delivery, false);
    Ok(())
}

fn delivery_json(delivery: &Delivery) -> Value {
    let kept: Vec<Value> = delivery
        .kept
        .iter()
        .map(|(number, reason)| json!({ "seqNumber": number, "reason": reason }))
        .collect();
    json!({ "sent": delivery.sent, "kept": kept })
}

fn report_delivery(delivery: &Delivery, as_json: bool) {
    if as_json {
        return output::json(&delivery_json(delivery));
    }
    for number in &delivery.sent {
        line(&format!("notification {number} delivered"));
    }
    for (number, reason) in &delivery.kept {
        line(&format!("notification {number} waits on: {reason}"));
    }
}

fn info(card: &mut Es10Client<Transport>, as_json: bool) -> anyhow::Result<()> {
    let eid = card.get_eid()?;
    let (default_address, root_address) = card.get_configured_addresses()?;
    let octets = card.get_euicc_info2()?;
    let info = EuiccInfo2::from_der(&octets)?;
    let version = |version: Option<simyard_asn1::rsp::Version>| version.map(|version| version.to_string());
    let keys = |keys: &[&[u8]]| keys.iter().map(hex::encode_upper).collect::<Vec<_>>();
    if as_json {
        output::json(&json!({
            "eid": eid.to_string(),
            "defaultDpAddress": default_address,
            "rootDsAddress": root_address,
            "svn": version(info.svn),
            "profileVersion": version(info.profile_version),
            "firmwareVersion": version(info.firmware_version),
            "freeNonVolatileMemory": info.free_non_volatile_memory(),
            "ciKeysForVerification": keys(&info.ci_pk_ids_for_verification),
            "ciKeysForSigning": keys(&info.ci_pk_ids_for_signing),
        }));
        return Ok(());
    }
    line(&format!("EID               {eid}"));
    line(&format!("default SM-DP+    {}", default_address.as_deref().unwrap_or("none")));
    line(&format!("root SM-DS        {root_address}"));
    line(&format!("SGP.22            {}", version(info.svn).unwrap_or_default()));
    line(&format!("profile packages  {}", version(info.profile_version).unwrap_or_default()));
    line(&format!("free memory       {} octets", info.free_non_volatile_memory().unwrap_or_default()));
    for key in keys(&info.ci_pk_ids_for_verification) {
        line(&format!("verifies under    {key}"));
    }
    for key in keys(&info.ci_pk_ids_for_signing) {
        line(&format!("signs under       {key}"));
    }
    Ok(())
}

fn list(card: &mut Es10Client<Transport>, as_json: bool) -> anyhow::Result<()> {
    let profiles = card.get_profiles_info()?;
    if as_json {
        let entries: Vec<Value> = profiles
            .iter()
            .map(|profile| {
                json!({
                    "iccid": profile.iccid.to_string(),
                    "isdpAid": hex::encode_upper(&profile.isdp_aid),
                    "state": if profile.enabled { "enabled" } else { "disabled" },
                    "nickname": profile.nickname,
                    "serviceProviderName": profile.service_provider_name,
                    "profileName": profile.profile_name,
                    "profileClass": profile.profile_class,
                })
            })
            .collect();
        output::json(&Value::Array(entries));
        return Ok(());
    }
    if profiles.is_empty() {
        line("no profiles");
    }
    for profile in &profiles {
        let state = if profile.enabled { "enabled" } else { "disabled" };
        let nickname = profile.nickname.as_deref().map(|name| format!(" “{name}”")).unwrap_or_default();
        line(&format!(
            "{} {state:8} {} · {}{nickname}",
            profile.iccid, profile.service_provider_name, profile.profile_name
        ));
    }
    Ok(())
}

fn manage(
    card: &mut Es10Client<Transport>,
    action: ProfileAction,
    profile: &ProfileArgs,
    as_json: bool,
) -> anyhow::Result<()> {
    card.manage_profile(action, &profile.iccid)?;
    let done = match action {
        ProfileAction::Enable => "enabled",
        ProfileAction::Disable => "disabled",
        ProfileAction::Delete => "deleted",
    };
    if as_json {
        output::json(&json!({ "iccid": profile.iccid.to_string(), "result": done }));
    } else {
        line(&format!("{} {done}", profile.iccid));
    }
    Ok(())
}

fn notifications(card: &mut Es10Client<Transport>, as_json: bool) -> anyhow::Result<()> {
    let pending = card.list_notifications()?;
    let event = |event: u32| {
        ["install", "enable", "disable", "delete"].get(event as usize).copied().unwrap_or("unknown")
    };
    let number = |octets: [u8; 10]| Iccid::from_bcd(&octets).map(|iccid| iccid.to_string()).ok();
    if as_json {
        let entries: Vec<Value> = pending
            .iter()
            .map(|entry| {
                json!({
                    "seqNumber": entry.seq_number,
                    "event": event(entry.event),
                    "address": entry.address,
                    "iccid": entry.iccid.and_then(number),
                })
            })
            .collect();
        output::json(&Value::Array(entries));
        return Ok(());
    }
    if pending.is_empty() {
        line("no notifications");
    }
    for entry in &pending {
        let iccid = entry.iccid.and_then(number).unwrap_or_default();
        line(&format!("{:4} {:8} {iccid} to {}", entry.seq_number, event(entry.event), entry.address));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imei_is_fifteen_or_sixteen_digits() {
        assert_eq!(hex::encode(parse_imei("352906110000001").unwrap()), "352906110000001f");
        assert!(parse_imei("3529061100000016").is_ok());
        for text in ["", "35290611", "35290611000000x", "352906110000001F", "35290611000000167"] {
            assert!(parse_imei(text).is_err(), "{text}");
        }
    }
}
