//! `simyard pool`: ranges of numbers, drawn from, given back and retired.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::common::Common;
use super::hand::HandArgs;
use super::order::parse_duration;
use super::output::{self, error_line, line};
use crate::app::open_store;
use crate::domain::{AllocationId, Pool};
use crate::env::{Clock, Rng};
use crate::ident::counted;
use crate::inventory::pools::{Fate, Pools, is_low};
use crate::store::{COUNTED_MAX, PoolLevel, PoolNumber};

/// Look at the pools of numbers, draw from them, give back and retire.
///
/// Pools are ranges of ICCIDs, IMSIs and telephone numbers: `[[pool]]` of the settings. A number is written down before it is
/// told, and never given twice; given back, it waits in quarantine. These commands work on the store that the settings name;
/// a server may run on it.
#[derive(Args)]
pub struct PoolArgs {
    #[command(subcommand)]
    command: PoolCommand,
}

#[derive(Subcommand)]
enum PoolCommand {
    /// List them, with what is left of each.
    List(ListArgs),
    /// Show one, or what became of a number of it.
    Show(ShowArgs),
    /// Draw numbers, all that are asked for or none.
    Allocate(AllocateArgs),
    /// Give numbers back: they are free again behind the quarantine of their pool.
    Release(ChangeArgs),
    /// Put numbers into quarantine, whether somebody had them or not.
    Quarantine(ChangeArgs),
    /// Make numbers unusable for ever.
    Retire(ChangeArgs),
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ShowArgs {
    /// The pool.
    name: String,
    /// A number of it.
    #[arg(long, value_name = "DIGITS")]
    number: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct AllocateArgs {
    /// The pool.
    name: String,
    /// So many, 1000 at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    count: u32,
    /// An identifier of the call: repeated, it gets the same numbers.
    #[arg(long, value_name = "TEXT", value_parser = parse_id)]
    id: Option<AllocationId>,
    /// Reserve them for a time only: a number with s, m, h, d or w.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    hold: Option<Duration>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").args(["number", "id"]).required(true))]
struct ChangeArgs {
    /// The pool.
    name: String,
    /// A number; several may be named.
    #[arg(long, value_name = "DIGITS")]
    number: Vec<String>,
    /// All that were drawn under this identifier.
    #[arg(long, value_name = "TEXT", value_parser = parse_id)]
    id: Option<AllocationId>,
    /// Do it; without, it is told what would be done.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

/// Reads the identifier of an allocation.
pub(super) fn parse_id(text: &str) -> Result<AllocationId, String> {
    AllocationId::parse(text)
        .ok_or_else(|| "expected 1 to 128 visible ASCII characters without blanks".to_owned())
}

/// Runs `simyard pool`.
///
/// # Errors
/// Settings or a store that cannot be used, and what a pool refuses; nothing was changed then.
pub async fn run(args: PoolArgs) -> anyhow::Result<()> {
    let common = match &args.command {
        PoolCommand::List(args) => &args.common,
        PoolCommand::Show(args) => &args.common,
        PoolCommand::Allocate(args) => &args.common,
        PoolCommand::Release(args) | PoolCommand::Quarantine(args) | PoolCommand::Retire(args) => {
            &args.common
        }
    };
    let config = common.config.load()?;
    let desk = Pools {
        store: open_store(&config).await?,
        pools: config.pools.iter().cloned().map(Arc::new).collect(),
        clock: Clock::system(),
        rng: Rng::system(),
    };
    let outcome = match &args.command {
        PoolCommand::List(args) => list(&desk, args).await,
        PoolCommand::Show(args) => show(&desk, args).await,
        PoolCommand::Allocate(args) => allocate(&desk, args).await,
        PoolCommand::Release(args) => change(&desk, args, Fate::GiveBack, "released").await,
        PoolCommand::Quarantine(args) => change(&desk, args, Fate::Quarantine, "quarantined").await,
        PoolCommand::Retire(args) => change(&desk, args, Fate::Retire, "retired").await,
    };
    desk.store.close().await;
    outcome
}

async fn list(desk: &Pools, args: &ListArgs) -> anyhow::Result<()> {
    let levels = desk.levels().await?;
    if args.common.json {
        let all: Vec<Value> = levels.iter().map(|(pool, level)| value(pool, level)).collect();
        output::json(&Value::Array(all));
        return Ok(());
    }
    for (pool, level) in &levels {
        let Pool { name, kind, operator, .. } = pool.as_ref();
        line(&format!("{name:<20} {:<6} {operator:<12} {} left", kind.name(), level.left()));
        if is_low(pool, level) {
            error_line(&format!(
                "pool {name} has {} left, fewer than {}",
                counted(level.left(), "number"),
                pool.low_water
            ));
        }
    }
    Ok(())
}

async fn show(desk: &Pools, args: &ShowArgs) -> anyhow::Result<()> {
    let pool = desk.find(&args.name)?;
    if let Some(number) = &args.number {
        let found = desk.store.pool_number(pool.kind, number).await?;
        let found = found.filter(|found| found.pool == pool.name);
        if args.common.json {
            output::json(&found.as_ref().map_or(Value::Null, number_value));
        } else {
            line(&found.as_ref().map_or_else(|| format!("{number}: nobody ever had it"), number_line));
        }
        return Ok(());
    }
    let level = desk.store.pool_level(pool, desk.clock.now()).await?;
    if args.common.json {
        output::json(&value(pool, &level));
        return Ok(());
    }
    let range = &pool.range;
    line(&format!("{}: {} of {}", pool.name, pool.kind.name(), pool.operator));
    if let Some(purpose) = &pool.purpose {
        line(purpose);
    }
    let ends = [range.number(0), range.number(range.size() - 1)].map(Option::unwrap_or_default);
    let digit = if range.has_check_digit() { ", with check digit" } else { "" };
    line(&format!("{} to {}, {}{digit}", ends[0], ends[1], counted(range.size(), "number")));
    line(&format!("{} left, {} of them given back earlier", level.left(), level.free_again));
    for (name, numbers) in [
        ("reserved", level.reserved),
        ("allocated", level.allocated),
        ("quarantined", level.quarantined),
        ("retired", level.retired),
    ] {
        let more = if numbers > COUNTED_MAX { " or more" } else { "" };
        line(&format!("{numbers}{more} {name}"));
    }
    if is_low(pool, &level) {
        error_line(&format!("fewer than {} are left", pool.low_water));
    }
    Ok(())
}

fn value(pool: &Pool, level: &PoolLevel) -> Value {
    json!({
        "name": pool.name.as_str(),
        "kind": pool.kind.name(),
        "operator": pool.operator.as_str(),
        "mcc_mnc": pool.mcc_mnc,
        "purpose": pool.purpose,
        "first": pool.range.number(0),
        "last": pool.range.number(pool.range.size() - 1),
        "check_digit": pool.range.has_check_digit(),
        "low_water": pool.low_water,
        "left": level.left(),
        "is_low": is_low(pool, level),
        "level": level,
    })
}

fn number_value(number: &PoolNumber) -> Value {
    json!({
        "number": number.number,
        "pool": number.pool.as_str(),
        "state": number.state.name(),
        "until": number.held_until.map(|until| until.to_string()),
        "allocation_id": number.allocation_id.as_ref().map(AllocationId::as_str),
        "by": number.person.as_str(),
        "changed_at": number.changed_at.to_string(),
    })
}

fn number_line(number: &PoolNumber) -> String {
    let mut text = format!("{}: {}", number.number, number.state.name());
    if let Some(until) = number.held_until {
        text += &format!(" until {until}");
    }
    if let Some(id) = &number.allocation_id {
        text += &format!(", allocation {id}");
    }
    text + &format!(", by {} at {}", number.person, number.changed_at)
}

async fn allocate(desk: &Pools, args: &AllocateArgs) -> anyhow::Result<()> {
    let pool = desk.find(&args.name)?;
    let drawn = desk.draw(pool, args.count, args.id.clone(), args.hold, &args.hand.person()).await?;
    if args.common.json {
        output::json(&json!({
            "allocation_id": drawn.allocation_id.as_str(),
            "pool": pool.name.as_str(),
            "numbers": drawn.numbers,
            "until": drawn.held_until.map(|until| until.to_string()),
            "repeated": drawn.repeated,
        }));
        return Ok(());
    }
    drawn.numbers.iter().for_each(|number| line(number));
    let until = drawn.held_until.map(|until| format!(", until {until}")).unwrap_or_default();
    let repeated = if drawn.repeated { ", drawn before" } else { "" };
    error_line(&format!("allocation {}{until}{repeated}", drawn.allocation_id));
    Ok(())
}

async fn change(desk: &Pools, args: &ChangeArgs, fate: Fate, done: &str) -> anyhow::Result<()> {
    let pool = desk.find(&args.name)?;
    let numbers = match &args.id {
        Some(id) => {
            let drawn = desk.store.numbers_of_allocation(id).await?;
            drawn.into_iter().filter(|number| number.pool == pool.name).map(|number| number.number).collect()
        }
        None => args.number.clone(),
    };
    if !args.yes {
        bail!("{} of pool {} would be {done}: --yes does it", counted(numbers.len(), "number"), pool.name);
    }
    desk.change(pool, &numbers, fate, &args.hand.person()).await?;
    if args.common.json {
        output::json(&json!({ "pool": pool.name.as_str(), "numbers": numbers, "done": done }));
    } else {
        line(&format!("{} of pool {} {done}", counted(numbers.len(), "number"), pool.name));
    }
    Ok(())
}
