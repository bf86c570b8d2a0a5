//! `simyard order create`: an order in any situation.

use std::path::PathBuf;

use anyhow::bail;
use clap::{ArgGroup, Args};
use serde_json::Value;

use super::view::View;
use super::{Common, Desk, ExpiryArgs, bulk, default_expiry};
use crate::cli::output::{self, line};
use crate::crypto::hash::code_hash;
use crate::domain::{Attempts, CodeHash, Operator, ProfileType};
use crate::env::Rng;
use crate::ident::{Eid, Iccid, MatchingId};
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
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn run(desk: &Desk, args: &CreateArgs) -> anyhow::Result<()> {
    let new = new_order(desk, args)?;
    let wanted = match (&args.iccid, &args.profile_type) {
        (Some(iccid), _) => Wanted::Iccid(iccid.clone()),
        (None, Some(profile_type)) => {
            let owner = owner_of_type(&desk.store, profile_type, args.owner.clone()).await?;
            Wanted::Type(owner, profile_type.clone())
        }
        (None, None) => bail!("name an ICCID or a profile type"),
    };
    if let (Some(csv), Wanted::Type(owner, profile_type)) = (&args.csv, &wanted) {
        return bulk::run(desk, args, csv, owner.clone(), profile_type.clone(), new).await;
    }
    let order = place_order(&desk.store, &Rng::system(), desk.clock.now(), &wanted, &new).await?;
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

fn new_order(desk: &Desk, args: &CreateArgs) -> anyhow::Result<NewOrder> {
    let limits = &desk.config.limits;
    let used = |name: &str, left: Option<u32>, limit: u32| match left {
        None => Ok(0),
        Some(left) => limit.checked_sub(left).ok_or_else(|| {
            anyhow::anyhow!("--{name} {left}: the settings allow {limit} in all; raise limits there")
        }),
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
    })
}

pub(super) fn parse_profile_type(text: &str) -> Result<ProfileType, String> {
    ProfileType::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}

fn parse_operator(text: &str) -> Result<Operator, String> {
    Operator::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}
