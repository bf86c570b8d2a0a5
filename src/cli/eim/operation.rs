//! `simyard eim operation`: a laboratory's hand on the eIM.

use std::path::PathBuf;

use anyhow::bail;
use clap::{ArgGroup, Args, Subcommand};
use simyard_asn1::Tag;
use zeroize::Zeroizing;

use crate::cli::hand::HandArgs;
use crate::cli::operation::{Common, Desk, asked};
use crate::cli::output::line;
use crate::cli::profile::read_limited;
use crate::domain::Actor;
use crate::eim::association::{COUNTER_MAX, parse_token};
use crate::eim::laboratory::{Believed, Content, LaboratoryPackage, PACKAGE_MAX, believe, hand};
use crate::eim::package::Signing;
use crate::ident::{Eid, TransactionId};

/// Prepare situations for a laboratory: counters, tokens and packages as no eIM makes them by itself.
///
/// The settings must permit it ([eim] laboratory = true), which is never right where real devices are. What is done is
/// written down in the audit, and an operation of kind 'laboratory' in the history of the eUICC; it is done when anything
/// came back, which 'simyard operation show' tells.
#[derive(Args)]
pub(super) struct OperationArgs {
    #[command(subcommand)]
    command: OperationCommand,
}

#[derive(Subcommand)]
enum OperationCommand {
    /// Have the eIM believe another counter or token of an eUICC: one that is set back is a replay.
    Set(SetArgs),
    /// Have a package handed over at the next poll, with exactly this content.
    Send(Box<SendArgs>),
}

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["counter", "token", "no_token"]))]
struct SetArgs {
    /// The eUICC.
    eid: Eid,
    /// counterValue of the next package, up to 8388607, which is the last one.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(0..=COUNTER_MAX))]
    counter: Option<i64>,
    /// associationToken behind signatures.
    #[arg(long, value_name = "NUMBER", value_parser = parse_token, conflicts_with = "no_token")]
    token: Option<i64>,
    /// No associationToken.
    #[arg(long)]
    no_token: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

/// Octets are given as hexadecimal digits, or as @FILE with the octets themselves.
#[derive(Args)]
#[command(group = ArgGroup::new("content").required(true)
    .args(["psmo_list", "eco_list", "signed", "data_tags", "package", "repeat"]))]
struct SendArgs {
    /// The eUICC.
    eid: Eid,
    /// The operations of psmoList, one after the other, without the A0 around them.
    #[arg(long, value_name = "HEX|@FILE", value_parser = parse_octets)]
    psmo_list: Option<Given>,
    /// The operations of ecoList, one after the other, without the A1 around them.
    #[arg(long, value_name = "HEX|@FILE", value_parser = parse_octets)]
    eco_list: Option<Given>,
    /// A whole EuiccPackageSigned, 30, which is signed as it is.
    #[arg(long, value_name = "HEX|@FILE", value_parser = parse_octets)]
    signed: Option<Given>,
    /// An IpaEuiccDataRequest for these tags, such as BF20,BF22,A5.
    #[arg(long, value_name = "TAGS", value_delimiter = ',', value_parser = parse_tag)]
    data_tags: Vec<Tag>,
    /// A whole package: EuiccPackageRequest (BF51), IpaEuiccDataRequest (BF52) or ProfileDownloadTriggerRequest (BF54).
    #[arg(long, value_name = "HEX|@FILE", value_parser = parse_octets)]
    package: Option<Given>,
    /// The eUICC package with this eimTransactionId once more, octet for octet.
    #[arg(long, value_name = "HEX", value_parser = parse_transaction_id)]
    repeat: Option<TransactionId>,
    /// Another eimId than ours; goes with --psmo-list and --eco-list.
    #[arg(long, value_name = "TEXT")]
    eim_id: Option<String>,
    /// Another eidValue than the eUICC's; goes with --psmo-list and --eco-list.
    #[arg(long, value_name = "DIGITS")]
    eid_value: Option<Eid>,
    /// Another counterValue than the next one; goes with --psmo-list and --eco-list.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    counter: Option<i64>,
    /// Another eimTransactionId than a new one; goes with --psmo-list, --eco-list and --data-tags.
    #[arg(long, value_name = "HEX", value_parser = parse_transaction_id)]
    transaction_id: Option<TransactionId>,
    /// Another associationToken behind the signature than the one that is known; 0 stands for none.
    #[arg(long, value_name = "NUMBER")]
    token: Option<i64>,
    /// Change an octet of the signature.
    #[arg(long)]
    break_signature: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

/// Octets of an argument. No `Debug` of them: a trigger has an activation code.
#[derive(Clone)]
pub(super) enum Given {
    Octets(Zeroizing<Vec<u8>>),
    File(PathBuf),
}

impl Given {
    pub(super) fn octets(&self) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Octets(octets) => Ok(octets.clone()),
            Self::File(path) => read_limited(path, PACKAGE_MAX),
        }
    }
}

pub(super) fn parse_octets(text: &str) -> Result<Given, String> {
    match text.strip_prefix('@') {
        Some(path) => Ok(Given::File(PathBuf::from(path))),
        None => hex::decode(text)
            .map(|octets| Given::Octets(Zeroizing::new(octets)))
            .map_err(|_| "expected hexadecimal digits, or @FILE".to_owned()),
    }
}

fn parse_tag(text: &str) -> Result<Tag, String> {
    let octets = hex::decode(text)
        .map_err(|_| ())
        .and_then(|octets| if (1..=3).contains(&octets.len()) { Ok(octets) } else { Err(()) });
    let octets = octets.map_err(|()| "expected the one to three octets of a tag, such as BF20".to_owned())?;
    Ok(Tag(octets.iter().fold(0, |tag, octet| tag << 8 | u32::from(*octet))))
}

fn parse_transaction_id(text: &str) -> Result<TransactionId, String> {
    TransactionId::parse(text).map_err(|error| error.to_string())
}

/// Runs `simyard eim operation`.
pub(super) async fn run(args: &OperationArgs) -> anyhow::Result<()> {
    let common = match &args.command {
        OperationCommand::Set(args) => &args.common,
        OperationCommand::Send(args) => &args.common,
    };
    let desk = Desk::open(&common.config).await?;
    let outcome = match &args.command {
        OperationCommand::Set(args) => set(&desk, args).await,
        OperationCommand::Send(args) => send(&desk, args).await,
    };
    desk.closed(outcome).await
}

async fn set(desk: &Desk, args: &SetArgs) -> anyhow::Result<()> {
    let token = if args.no_token { Some(None) } else { args.token.map(Some) };
    let believed = Believed { next_counter: args.counter, token };
    believe(&desk.eim, &args.eid, &believed, &Actor::Person(args.hand.person())).await?;
    if args.common.json {
        return super::associate::show_json(&desk.eim.store, &args.eid).await;
    }
    line(&format!("the eIM believes it: simyard eim show {}", args.eid));
    Ok(())
}

async fn send(desk: &Desk, args: &SendArgs) -> anyhow::Result<()> {
    let package = LaboratoryPackage {
        content: content(args)?,
        eim_id: args.eim_id.clone(),
        eid_value: args.eid_value.clone(),
        counter: args.counter,
        transaction_id: args.transaction_id.clone(),
        token: args.token,
        signing: if args.break_signature { Signing::Broken } else { Signing::Right },
    };
    let id = hand(&desk.eim, &args.eid, &package, &Actor::Person(args.hand.person())).await?;
    asked(desk, &id, &args.common).await
}

/// The content that is given; what else is given must go with it.
fn content(args: &SendArgs) -> anyhow::Result<Content> {
    let has_list = args.psmo_list.is_some() || args.eco_list.is_some();
    let has_data = !args.data_tags.is_empty();
    let about_list = args.eim_id.is_some() || args.eid_value.is_some() || args.counter.is_some();
    let about_signature = args.token.is_some() || args.break_signature;
    if about_list && !has_list {
        bail!("--eim-id, --eid-value and --counter go with --psmo-list and --eco-list");
    }
    if args.transaction_id.is_some() && !has_list && !has_data {
        bail!("--transaction-id goes with --psmo-list, --eco-list and --data-tags");
    }
    if about_signature && !has_list && args.signed.is_none() {
        bail!("--token and --break-signature go with --psmo-list, --eco-list and --signed");
    }
    let list = |tag, given: &Given| {
        let mut writer = simyard_asn1::Writer::new();
        writer.tlv(tag, &given.octets()?);
        anyhow::Ok(Content::Commands(writer.finish()))
    };
    match (&args.psmo_list, &args.eco_list, &args.signed, &args.package, &args.repeat) {
        (Some(given), ..) => list(Tag(0xA0), given),
        (_, Some(given), ..) => list(Tag(0xA1), given),
        (_, _, Some(given), ..) => Ok(Content::Signed(given.octets()?.to_vec())),
        (_, _, _, Some(given), _) => Ok(Content::Whole(given.octets()?)),
        (_, _, _, _, Some(id)) => Ok(Content::Repeated(id.clone())),
        _ => Ok(Content::DataRequest(args.data_tags.clone())),
    }
}
