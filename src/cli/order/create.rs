//! `simyard order create`: an order in any situation.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgGroup, Args};
use serde_json::Value;
use simyard_asn1::tlv::NamedBits;

use super::look::parse_state;
use super::view::View;
use super::{CodeArgs, Common, Desk, ExpiryArgs, bulk, default_expiry};
use crate::app::config::order_metadata;
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, line};
use crate::cli::qr;
use crate::crypto::hash::code_hash;
use crate::domain::{
    Attempts, CodeHash, Delivered, EligibilityRule, ErrorReason, KeyMode, Operator, ProfileType, StateName,
};
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
    /// The state it is brought to: Allocated, Linked (with --eid), Confirmed, Released or Error. Downloaded and Installed
    /// cannot be made by hand: there, an eUICC has got a package under keys that nobody else has, or signed that it
    /// holds the profile; 'simyard lpa download' makes them. Available and Unavailable are no orders.
    #[arg(long, value_name = "STATE", value_parser = parse_goal, conflicts_with_all = ["hold", "reserve_only"])]
    state: Option<StateName>,
    /// Why it is in Error, and no package was ever handed over: download-attempts, confirmation-attempts, expired,
    /// not-eligible=RULE (memory, policy_rule, …), cancelled=N (N of CancelSessionReason) or installation=N (N of
    /// errorReason).
    #[arg(long, value_name = "REASON", value_parser = parse_reason, requires = "state")]
    error: Option<ErrorReason>,
    /// Leave it Confirmed, as --state Confirmed; 'simyard order release' follows.
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
    /// Draw the activation code as a QR code too: on the terminal, or into the folder DIR as ICCID.png and ICCID.svg.
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, without a folder, with one")]
    pub(super) qr: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub(super) code: CodeArgs,
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
    /// notification_addresses, notification, service_specific_data, ecall_indication, fallback_allowed). The order keeps
    /// all of it as it is now.
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
    if args.qr == Some(None) && (args.common.json || args.csv.is_some()) {
        bail!("--qr without a folder draws on the terminal, where --json or --csv says something else");
    }
    let oid = args.code.oid(desk)?;
    let wanted = match (&args.iccid, &args.profile_type) {
        (Some(iccid), _) => Wanted::Iccid(iccid.clone()),
        (None, Some(profile_type)) => {
            let owner = owner_of_type(&desk.store, profile_type, args.owner.clone()).await?;
            Wanted::Type(owner, profile_type.clone())
        }
        (None, None) => bail!("name an ICCID or a profile type"),
    };
    let needed = needed(desk, &wanted).await?;
    let new = new_order(desk, args, metadata(desk, args, &wanted).await?, needed)?;
    let hand = desk.hand(&args.hand);
    if let (Some(csv), Wanted::Type(owner, profile_type)) = (&args.csv, &wanted) {
        let many = bulk::Many {
            csv,
            owner: owner.clone(),
            profile_type: profile_type.clone(),
            order: new,
            person: hand.person,
            oid,
        };
        return bulk::run(desk, args, many).await;
    }
    let order = place_order(&desk.store, &Rng::system(), &hand, &wanted, &new).await?;
    let view = View::new(desk, &order).with_oid(oid.as_ref());
    let code = view.activation_code().map(|code| code.to_string());
    if let (Some(Some(folder)), Some(code)) = (&args.qr, &code) {
        qr::write(folder, &order.iccid, code)?;
    }
    if args.common.json {
        output::json(&Value::Object(view.json()));
        return Ok(());
    }
    line(&view.summary());
    if let Some(code) = code {
        if let Some(drawn) = qr::terminal(&code).filter(|_| args.qr == Some(None)) {
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

/// The systems that must have what belongs to the profile before it is released.
async fn needed(desk: &Desk, wanted: &Wanted) -> anyhow::Result<Delivered> {
    Ok(match wanted {
        Wanted::Type(_, profile_type) => desk.needed(profile_type),
        Wanted::Iccid(iccid) => {
            let order = desk.store.order(iccid).await?;
            order.map(|order| desk.needed(&order.profile_type)).unwrap_or_default()
        }
    })
}

fn new_order(
    desk: &Desk,
    args: &CreateArgs,
    metadata: Option<ProfileMetadata>,
    needed: Delivered,
) -> anyhow::Result<NewOrder> {
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
        goal: goal(args)?,
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
        needed,
    })
}

/// How far the order is brought; what no order in that state has is refused.
fn goal(args: &CreateArgs) -> anyhow::Result<Goal> {
    let state = match (args.state, args.reserve_only, args.hold) {
        (Some(state), _, _) => state,
        (None, true, _) if args.eid.is_some() || args.eids.is_some() => StateName::Linked,
        (None, true, _) => StateName::Allocated,
        (None, false, true) => StateName::Confirmed,
        (None, false, false) => StateName::Released,
    };
    if state != StateName::Error && args.error.is_some() {
        bail!("--error says why an order is in Error: --state {state} is another state");
    }
    let is_linked = args.eid.is_some() || args.eids.is_some();
    let is_bare = args.matching_id.is_none()
        && !args.default_order
        && args.confirmation_code.is_none()
        && args.expiry.given().is_none();
    Ok(match state {
        StateName::Allocated | StateName::Linked if !is_bare => {
            bail!(
                "an order that is {state} has no matching identifier, code or expiry yet: ConfirmOrder gives them"
            )
        }
        StateName::Allocated if is_linked => bail!("an order with an EID is Linked, not Allocated"),
        StateName::Linked if !is_linked => bail!("an order that is Linked has an EID: --eid"),
        StateName::Allocated | StateName::Linked => Goal::Reserved,
        StateName::Confirmed => Goal::Confirmed,
        StateName::Released => Goal::Released,
        StateName::Error => Goal::Failed(args.error.context("--state Error needs a reason: --error")?),
        StateName::Available | StateName::Downloaded | StateName::Installed | StateName::Unavailable => {
            bail!("--state {state} cannot be made by hand")
        }
    })
}

/// A state that an order may be made in.
fn parse_goal(text: &str) -> Result<StateName, String> {
    let state = parse_state(text)?;
    match state {
        StateName::Allocated
        | StateName::Linked
        | StateName::Confirmed
        | StateName::Released
        | StateName::Error => Ok(state),
        StateName::Downloaded | StateName::Installed => {
            Err(format!("{state} takes an eUICC, which no hand replaces: order it Released and download it"))
        }
        StateName::Available | StateName::Unavailable => {
            Err(format!("{state} is no order: 'simyard order cancel' makes it of one"))
        }
    }
}

fn parse_reason(text: &str) -> Result<ErrorReason, String> {
    let expected = || {
        let rules: Vec<&str> = EligibilityRule::ALL.iter().map(|rule| rule.name()).collect();
        format!(
            "expected download-attempts, confirmation-attempts, expired, cancelled=N, installation=N or \
             not-eligible=RULE, where RULE is one of {}",
            rules.join(", ")
        )
    };
    let number = |number: &str| number.parse::<u8>().map(i64::from).map_err(|_| expected());
    match text.split_once('=') {
        None => match text {
            "download-attempts" => Ok(ErrorReason::DownloadAttempts),
            "confirmation-attempts" => Ok(ErrorReason::ConfirmationAttempts),
            "expired" => Ok(ErrorReason::Expired),
            _ => Err(expected()),
        },
        Some(("not-eligible", name)) => {
            let rule = EligibilityRule::ALL.into_iter().find(|rule| rule.name() == name);
            rule.map(ErrorReason::NotEligible).ok_or_else(expected)
        }
        Some(("cancelled", reason)) => number(reason).map(ErrorReason::Cancelled),
        Some(("installation", reason)) => number(reason).map(ErrorReason::Installation),
        Some(_) => Err(expected()),
    }
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
