//! `simyard card eim`: the eIMs of a card of SGP.32, and the first one, which comes unsigned.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use simyard_asn1::iot::configuration::{AddInitialEimRequest, EimConfigurationData};
use simyard_asn1::{Decode as _, Encode as _};

use super::super::output::{self, line};
use crate::device::card::Card;
use crate::device::es10_client::Es10Client;
use crate::device::iot_state::EimRecord;
use crate::env::{Clock, Rng};

/// More than the configuration data of any eIMs need.
const MAX_FILE: u64 = 64 << 10;

#[derive(Subcommand)]
pub(super) enum EimCommand {
    /// List the eIMs that a card knows, with counter and token.
    List(ListArgs),
    /// Associate a card that has no eIM with its first: ES10b.AddInitialEim.
    Add(AddArgs),
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// The folder of the card.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct AddArgs {
    /// The folder of the card.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// EimConfigurationData (30) or AddInitialEimRequest (BF57) as an eIM gives them: DER, or its hexadecimal digits.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(command: &EimCommand) -> anyhow::Result<()> {
    match command {
        EimCommand::List(args) => list(args),
        EimCommand::Add(args) => {
            let configuration = read(&args.file)?;
            add(Card::open(&args.folder, Clock::system(), Rng::system())?, &configuration)
        }
    }
}

/// Reads a file with configuration data, and checks that it is some.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let length = fs::metadata(path).with_context(|| shown.to_string())?.len();
    anyhow::ensure!(length <= MAX_FILE, "{shown} has {length} octets; configuration data have few hundred");
    let content = fs::read(path).with_context(|| shown.to_string())?;
    let digits: Vec<u8> = content.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let der = hex::decode(digits).unwrap_or(content);
    let request = requested(&der).with_context(|| {
        format!("{shown} holds neither EimConfigurationData (30) nor AddInitialEimRequest (BF57)")
    })?;
    anyhow::ensure!(!request.is_empty(), "{shown} names no eIM");
    Ok(der)
}

fn requested(der: &[u8]) -> Result<Vec<EimConfigurationData<'_>>, simyard_asn1::Error> {
    match der.first() {
        Some(0x30) => Ok(vec![EimConfigurationData::from_der(der)?]),
        _ => Ok(AddInitialEimRequest::from_der(der)?.eims),
    }
}

/// Associates the card, and tells the tokens.
pub(super) fn add(card: Card, configuration: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(
        card.state().iot.is_some(),
        "card {} knows no eIMs: it is not of SGP.32; 'simyard card new --sgp32' makes one that is",
        card.eid()
    );
    let eims = requested(configuration)?;
    let request = AddInitialEimRequest { eims };
    let tokens = Es10Client::open(card)?.add_initial_eim(&request.to_der())?;
    for (eim, token) in request.eims.iter().zip(tokens) {
        match token {
            Some(token) => line(&format!("eIM {} with association token {token}", eim.eim_id)),
            None => line(&format!("eIM {}", eim.eim_id)),
        }
    }
    Ok(())
}

fn list(args: &ListArgs) -> anyhow::Result<()> {
    let card = Card::open(&args.folder, Clock::system(), Rng::system())?;
    let eims = card.state().iot.as_ref().map(|iot| iot.eims.as_slice()).unwrap_or_default();
    if args.json {
        output::json(&Value::Array(eims.iter().map(to_json).collect()));
        return Ok(());
    }
    for eim in eims {
        line(&to_line(eim));
    }
    Ok(())
}

/// An eIM in one line.
pub(super) fn to_line(eim: &EimRecord) -> String {
    let token = eim.association_token.map(|token| format!(", token {token}")).unwrap_or_default();
    let address = eim.configuration().eim_fqdn.map(|fqdn| format!(" at {fqdn}")).unwrap_or_default();
    format!("{}{address}, counter {}{token}", eim.eim_id, eim.counter_value)
}

pub(super) fn to_json(eim: &EimRecord) -> Value {
    let configuration = eim.configuration();
    json!({
        "eimId": eim.eim_id,
        "eimFqdn": configuration.eim_fqdn,
        "counterValue": eim.counter_value,
        "associationToken": eim.association_token,
        "indirectProfileDownload": configuration.indirect_profile_download,
        "euiccCiPKId": configuration.euicc_ci_pk_id.map(hex::encode_upper),
    })
}
