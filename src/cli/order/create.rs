//! `simyard order create`: an order in any situation.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgGroup, Args};
use serde_json::Value;
use simyard_asn1::tlv::NamedBits;

use super::view::View;
use super::{Common, Desk, ExpiryArgs, HandArgs, bulk, default_expiry};
use crate::app::config::order_metadata;
use crate::cli::output::{self, line};
use crate::crypto::hash::code_hash;
use crate::domain::{Attempts, CodeHash, KeyMode, Operator, ProfileType};
use crate::env::Rng;
use crate::ident::{Eid, Iccid, MatchingId};
use crate::profile::metadata::{PolicyRule, ProfileMetadata};
use crate::smdp::manual_order::{Goal, NewOrder, Wanted, owner_of_type, place_order};

/// Order a profile, or many, in any situation, and print the activation code.
///
/// The order is Released unless an option says otherwise, and all of it is written in one change. With --csv as many
/// orders as --count or --eids says are made: a run that was killed goes on where it was, and one that is repeated
/// under its --run-id makes none twice.
#[derive(Args)]
#[command(
    group = ArgGroup::new("profile").args(["iccid", "profile_type"]).required(true),
    group = ArgGroup::new("many").args(["count", "eids"]).multiple(true).requires("csv")
)]
pub(super) struct CreateArgs {
    /// The profile.
    #[arg(long, value_name = "DIGITS")]
    iccid: Option<Iccid>,
    /// The next available profile of this type.
    #[arg(long, value_name = "NAME", value_parser = parse_profile_type)]
    pub(super) profile_type: Option<ProfileType>,
    /// Whose profiles of the type, where several operators own some.
    #[arg(long, value_name = "NAME", value_parser = parse_operator, requires = "profile_type")]
    owner: Option<Operator>,
    /// The eUICC that is to get it.
    #[arg(long, value_name = "DIGITS")]
    eid: Option<Eid>,
    /// The matching identifier; without it one is drawn that nobody can guess.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["default_order", "csv"])]
    matching_id: Option<MatchingId>,
    /// No matching identifier: the order is found by its EID, as with a default SM-DP+ address.
    #[arg(long)]
    default_order: bool,
    /// The code that the user will be asked for; its hash is stored.
    #[arg(long, value_name = "TEXT")]
    confirmation_code: Option<String>,
    /// Leave it Confirmed; 'simyard order release' follows.
    #[arg(long, conflicts_with = "reserve_only")]
    hold: bool,
    /// Leave it Allocated, or Linked with --eid: without a matching identifier, for ConfirmOrder to follow.
    #[arg(
        long,
        conflicts_with_all = ["matching_id", "default_order", "confirmation_code", "expiry", "qr"]
    )]
    reserve_only: bool,
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// How many downloads may still be tried, up to the settings' limit; 0 for none.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["hold", "reserve_only"])]
    download_attempts_left: Option<u32>,
    /// How many confirmation codes may still be tried, up to the settings' limit; 0 for none.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["hold", "reserve_only"])]
    confirmation_attempts_left: Option<u32>,
    /// Draw the activation code as a QR code too.
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    qr: bool,
    /// Make so many orders.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["iccid", "eid"])]
    pub(super) count: Option<u64>,
    /// Make an order for each EID of this file, one in a line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["iccid", "eid"])]
    pub(super) eids: Option<PathBuf>,
    /// Where the orders go: one line for each, with its activation code. The file is its owner's alone.
    #[arg(long, value_name = "FILE", requires = "many")]
    pub(super) csv: Option<PathBuf>,
    /// The name of the run; drawn and printed if absent.
    #[arg(long, value_name = "TEXT", requires = "csv")]
    pub(super) run_id: Option<String>,
    /// The keys of the profile's segments: session-keys, or random-keys, which ReplaceSessionKeys hands over. Without
    /// it as the profile type says.
    #[arg(long, value_name = "MODE", value_parser = parse_key_mode)]
    key_mode: Option<KeyMode>,
    /// What is told of the profile, instead of what its type says: a TOML file with the members of [[profile_type]]
    /// that differ (service_provider_name, profile_name, icon, class, mcc_mnc, gid1, gid2, policy_rules,
    /// notification_addresses, notification, service_specific_data). The order keeps all of it as it is now.
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// The profile policy rules: ppr-update-control, ppr1, ppr2, separated by commas, or none. They need an owner
    /// (mcc_mnc).
    #[arg(long, value_name = "RULES", value_parser = parse_rules)]
    policy_rules: Option<NamedBits>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn run(desk: &Desk, args: &CreateArgs) -> anyhow::Result<()> {
    let wanted = match (&args.iccid, &args.profile_type) {
        (Some(iccid), _) => Wanted::Iccid(iccid.clone()),
        (None, Some(profile_type)) => {
            let owner = owner_of_type(&desk.store, profile_type, args.owner.clone()).await?;
            Wanted::Type(owner, profile_type.clone())
        }
        (None, None) => bail!("name an ICCID or a profile type"),
    };
    let new = new_order(desk, args, metadata(desk, args, &wanted).await?)?;
    let hand = desk.hand(&args.hand);
    if let (Some(csv), Wanted::Type(owner, profile_type)) = (&args.csv, &wanted) {
        return bulk::run(desk, args, csv, owner.clone(), profile_type.clone(), new, hand.person).await;
    }
    let order = place_order(&desk.store, &Rng::system(), &hand, &wanted, &new).await?;
    let view = View::new(desk, &order);
    if args.common.json {
        output::json(&Value::Object(view.json()));
        return Ok(());
    }
    line(&view.summary());
    if let Some(code) = view.activation_code() {
        let code = code.to_string();
        if let Some(drawn) = output::qr(&code).filter(|_| args.qr) {
            line(&drawn);
        }
        line(&code);
    }
    Ok(())
}

/// What is told of the profile, where options say otherwise than its type.
async fn metadata(
    desk: &Desk,
    args: &CreateArgs,
    wanted: &Wanted,
) -> anyhow::Result<Option<ProfileMetadata>> {
    if args.metadata.is_none() && args.policy_rules.is_none() {
        return Ok(None);
    }
    let profile_type = match wanted {
        Wanted::Type(_, profile_type) => profile_type.clone(),
        Wanted::Iccid(iccid) => {
            let order = desk.store.order(iccid).await?;
            order.ok_or_else(|| anyhow!("profile {iccid} is not in the stock"))?.profile_type
        }
    };
    let setting = desk.profile_type(&profile_type).ok_or_else(|| {
        anyhow!("profile type {profile_type} is not in the settings, which say what metadata begins with")
    })?;
    let mut metadata = setting.metadata.clone();
    if let Some(file) = &args.metadata {
        metadata = order_metadata(file, metadata)?;
    }
    if let Some(rules) = args.policy_rules {
        metadata.profile_policy_rules = rules;
    }
    metadata.check().context("--policy-rules")?;
    Ok(Some(metadata))
}

fn new_order(desk: &Desk, args: &CreateArgs, metadata: Option<ProfileMetadata>) -> anyhow::Result<NewOrder> {
    let limits = &desk.config.limits;
    let used = |name: &str, left: Option<u32>, limit: u32| match left {
        None => Ok(0),
        Some(left) => limit
            .checked_sub(left)
            .ok_or_else(|| anyhow!("--{name} {left}: the settings allow {limit} in all; raise limits there")),
    };
    let code = args.confirmation_code.as_ref().filter(|code| !code.is_empty());
    Ok(NewOrder {
        eid: args.eid.clone(),
        matching_id: if args.default_order { Some(MatchingId::parse("")?) } else { args.matching_id.clone() },
        code_hash: code.map(|code| CodeHash::from_octets(code_hash(code))),
        goal: match (args.reserve_only, args.hold) {
            (true, _) => Goal::Reserved,
            (false, true) => Goal::Confirmed,
            (false, false) => Goal::Released,
        },
        expiry: args.expiry.given().unwrap_or_else(|| default_expiry(&desk.config)),
        attempts: Attempts {
            download: used("download-attempts-left", args.download_attempts_left, limits.download_attempts)?,
            confirmation: used(
                "confirmation-attempts-left",
                args.confirmation_attempts_left,
                limits.confirmation_attempts,
            )?,
        },
        key_mode: args.key_mode,
        metadata,
    })
}

pub(super) fn parse_profile_type(text: &str) -> Result<ProfileType, String> {
    ProfileType::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}

pub(super) fn parse_operator(text: &str) -> Result<Operator, String> {
    Operator::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}

fn parse_key_mode(text: &str) -> Result<KeyMode, String> {
    match text {
        "session-keys" => Ok(KeyMode::SessionKeys),
        "random-keys" => Ok(KeyMode::RandomKeys),
        _ => Err("expected session-keys or random-keys".to_owned()),
    }
}

fn parse_rules(text: &str) -> Result<NamedBits, String> {
    let rule = |name: &str| match name {
        "ppr-update-control" => Ok(PolicyRule::PprUpdateControl.bit().0),
        "ppr1" => Ok(PolicyRule::Ppr1.bit().0),
        "ppr2" => Ok(PolicyRule::Ppr2.bit().0),
        _ => Err("expected ppr-update-control, ppr1, ppr2, separated by commas, or none".to_owned()),
    };
    if text == "none" {
        return Ok(NamedBits::default());
    }
    text.split(',').try_fold(0, |bits, name| Ok(bits | rule(name)?)).map(NamedBits)
}
