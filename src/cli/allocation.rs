//! `simyard stock allocate`, `reserve`, `release`, `retire` and `lost`: who takes profiles out of the stock, and what becomes
//! of those that come back.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::hand::HandArgs;
use super::order::parse_duration;
use super::output::{self, error_line, line};
use super::pool::parse_id;
use super::serve::ConfigArgs;
use crate::app::config::Config;
use crate::app::open_store;
use crate::domain::{AllocationId, ProfileType};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, counted};
use crate::inventory::allocation::{Allocator, Outcome, TypeRules};

/// What is done with profiles of the stock.
#[derive(Subcommand)]
pub enum AllocationCommand {
    /// Set profiles of a type aside for good, all that are asked for or none.
    Allocate(TakeArgs),
    /// Set profiles of a type aside for a time; then they come back by themselves.
    Reserve(ReserveArgs),
    /// Take profiles back: they are in stock again behind the quarantine of their type.
    ///
    /// One that was on an eUICC comes back only if its type is reusable and its deletion was notified; if its type is not
    /// reusable, it is retired.
    Release(BackArgs),
    /// Make profiles unusable for ever: their keys are wiped, their numbers are never given again.
    Retire(BackArgs),
    /// Declare the eUICC of profiles lost: they come back if their type is reusable, and are retired otherwise.
    Lost(BackArgs),
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    hand: HandArgs,
}

/// Which profiles are taken.
#[derive(Args)]
pub struct TakeArgs {
    /// Their type.
    #[arg(long, value_name = "NAME")]
    profile_type: String,
    /// So many, 1000 at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    count: u32,
    /// An identifier of the call: repeated, it gets the same profiles.
    #[arg(long, value_name = "TEXT", value_parser = parse_id)]
    id: Option<AllocationId>,
    #[command(flatten)]
    common: Common,
}

/// Which profiles are taken, and for how long.
#[derive(Args)]
pub struct ReserveArgs {
    /// How long: a number with s, m, h, d or w.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    hold: Duration,
    #[command(flatten)]
    take: TakeArgs,
}

/// Which profiles come back.
#[derive(Args)]
#[command(group = ArgGroup::new("which").args(["iccid", "id"]).required(true))]
pub struct BackArgs {
    /// A profile; several may be named.
    #[arg(value_name = "ICCID")]
    iccid: Vec<Iccid>,
    /// All that an allocation holds.
    #[arg(long, value_name = "TEXT", value_parser = parse_id)]
    id: Option<AllocationId>,
    /// Do it; without, it is told what would be done.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

impl AllocationCommand {
    const fn common(&self) -> &Common {
        match self {
            Self::Allocate(args) => &args.common,
            Self::Reserve(args) => &args.take.common,
            Self::Release(args) | Self::Retire(args) | Self::Lost(args) => &args.common,
        }
    }
}

/// What is done with a profile that comes back.
#[derive(Clone, Copy)]
enum Back {
    Release,
    Retire,
    Lost,
}

/// Runs one of them.
///
/// # Errors
/// Settings or a store that cannot be used, and what the stock refuses.
pub async fn run(command: AllocationCommand) -> anyhow::Result<()> {
    let config = command.common().config.load()?;
    let allocator =
        Allocator { store: open_store(&config).await?, clock: Clock::system(), rng: Rng::system() };
    let outcome = match &command {
        AllocationCommand::Allocate(args) => take(&allocator, &config, args, None).await,
        AllocationCommand::Reserve(args) => take(&allocator, &config, &args.take, Some(args.hold)).await,
        AllocationCommand::Release(args) => bring_back(&allocator, &config, args, Back::Release).await,
        AllocationCommand::Retire(args) => bring_back(&allocator, &config, args, Back::Retire).await,
        AllocationCommand::Lost(args) => bring_back(&allocator, &config, args, Back::Lost).await,
    };
    allocator.store.close().await;
    outcome
}

fn rules(config: &Config, profile_type: &str) -> anyhow::Result<TypeRules> {
    let mut all = config.type_rules().into_iter();
    let rules = all.find(|rules| rules.profile_type.as_str() == profile_type);
    rules.with_context(|| format!("the settings have no [[profile_type]] {profile_type}"))
}

async fn take(
    allocator: &Allocator,
    config: &Config,
    args: &TakeArgs,
    hold: Option<Duration>,
) -> anyhow::Result<()> {
    let rules = rules(config, &args.profile_type)?;
    let person = args.common.hand.person();
    let taken = allocator.set_aside(&rules, args.count, args.id.clone(), hold, &person).await?;
    let until = taken.held_until.map(|until| until.to_string());
    if args.common.json {
        output::json(&json!({
            "allocation_id": taken.allocation_id.as_str(),
            "profile_type": rules.profile_type.as_str(),
            "iccids": taken.iccids,
            "until": until,
            "repeated": taken.repeated,
        }));
        return Ok(());
    }
    taken.iccids.iter().for_each(|iccid| line(iccid.as_str()));
    let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
    let repeated = if taken.repeated { ", taken before" } else { "" };
    error_line(&format!("allocation {}{until}{repeated}", taken.allocation_id));
    Ok(())
}

/// One after the other: what is refused does not undo what was done before, and a repeated command goes on behind it.
async fn bring_back(
    allocator: &Allocator,
    config: &Config,
    args: &BackArgs,
    back: Back,
) -> anyhow::Result<()> {
    let iccids = match &args.id {
        Some(id) => allocator.store.profiles_of_allocation(id).await?,
        None => args.iccid.clone(),
    };
    if !args.yes {
        let what = match back {
            Back::Release => "taken back",
            Back::Retire => "retired, and their keys wiped",
            Back::Lost => "declared lost with their eUICCs",
        };
        bail!("{} would be {what}: --yes does it", counted(iccids.len(), "profile"));
    }
    let person = args.common.hand.person();
    let mut done = Vec::with_capacity(iccids.len());
    for iccid in &iccids {
        let outcome = match back {
            Back::Retire => allocator.retire(iccid, &person).await,
            Back::Release | Back::Lost => {
                let order = allocator.store.order(iccid).await?;
                let profile_type = order.map(|order| order.profile_type);
                let profile_type =
                    profile_type.with_context(|| format!("profile {iccid} is not in the stock"))?;
                let rules = rules(config, ProfileType::as_str(&profile_type))?;
                match back {
                    Back::Lost => allocator.declare_lost(iccid, &rules, &person).await,
                    Back::Release | Back::Retire => allocator.release(iccid, &rules, &person).await,
                }
            }
        };
        let outcome = outcome.with_context(|| format!("profile {iccid}; {} were done before", done.len()))?;
        let (state, until) = match outcome {
            Outcome::Quarantined { until } => ("quarantined", Some(until.to_string())),
            Outcome::Retired => ("retired", None),
        };
        if !args.common.json {
            let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            line(&format!("{iccid} {state}{until}"));
        }
        done.push(json!({ "iccid": iccid, "state": state, "until": until }));
    }
    if args.common.json {
        output::json(&json!(done));
    }
    Ok(())
}
