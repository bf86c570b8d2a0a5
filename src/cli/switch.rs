//! `simyard switch`: a device in the field changes to another operator's profile (SGP.32; Freedom to Switch).

use std::time::Duration;

use anyhow::bail;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::hand::HandArgs;
use super::operation::{AskedArgs, CancelArgs, Common, Desk, SourceArgs, asked, parse_id, request, rows};
use super::order::parse_duration;
use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::app::Stock;
use crate::domain::{FreedomToSwitch, OldProfile, OperationId, OperationKind, Rollback, SwitchTarget, Task};
use crate::eim::operations::{OperationSelection, operations, plan};
use crate::env::{Clock, Rng};
use crate::ident::{Eid, Iccid};
use crate::inventory::Inventory;
use crate::inventory::euiccs::Freedom;

mod report;

/// Operations of an eUICC that are looked through for switches.
const LOOKED_AT: u32 = 1000;

/// Switch the device of an eUICC to another operator's profile, and watch how it goes.
///
/// A switch downloads the profile unless it is there, enables it with leave to roll back, and is done when the device reports
/// on the new profile. The profile before is kept, disabled, as the way back, unless it is to be deleted after a time.
#[derive(Args)]
pub struct SwitchArgs {
    #[command(subcommand)]
    command: SwitchCommand,
}

#[derive(Subcommand)]
enum SwitchCommand {
    /// Say whether a switch would be possible, and everything that stands in its way; exit code 1 if it is not.
    Plan(PlanArgs),
    /// Start a switch, and print the number of its operation.
    Start(Box<StartArgs>),
    /// Show a switch by the number of its operation, or the switches of an eUICC by its EID.
    Status(StatusArgs),
    /// End a switch, as long as nothing that changes the eUICC has left.
    Cancel(CancelArgs),
    /// Print what was done, with all that eUICC and eIM signed, as JSON that anybody can check.
    Report(report::ReportArgs),
    /// Check a report under the CIs that you trust: without store and settings; exit code 1 if it claims what is not proven.
    Verify(report::VerifyArgs),
    /// Activate Freedom to Switch of eUICCs that were delivered with it.
    Activate(FreedomArgs),
    /// Deactivate Freedom to Switch of eUICCs: no switch begins from now on.
    Deactivate(FreedomArgs),
}

#[derive(Args)]
struct FreedomArgs {
    /// The eUICCs.
    #[arg(value_name = "EID", required = true)]
    eids: Vec<Eid>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The device, and the profile to switch to.
#[derive(Args)]
#[command(group = ArgGroup::new("target").args(["iccid", "activation_code", "profile_type"]).required(true))]
struct TargetArgs {
    /// The eUICC.
    eid: Eid,
    /// Switch to this profile, which is on the eUICC.
    #[arg(long, value_name = "DIGITS")]
    iccid: Option<Iccid>,
    #[command(flatten)]
    source: SourceArgs,
    /// The device must not go back to the profile before by itself.
    #[arg(long)]
    no_rollback: bool,
}

#[derive(Args)]
struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct StartArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Delete the profile before so long after the switch was confirmed: a number with s, m, h, d or w. It ends the way back.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    delete_old_after: Option<Duration>,
    #[command(flatten)]
    asked: AskedArgs,
}

#[derive(Args)]
struct StatusArgs {
    /// The number of the operation, or an EID.
    #[arg(value_name = "OPERATION|EID", value_parser = parse_which)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone)]
enum Which {
    Operation(OperationId),
    Euicc(Eid),
}

impl TargetArgs {
    fn task(&self, old: OldProfile) -> Task {
        let rollback = if self.no_rollback { Rollback::NotGranted } else { Rollback::Granted };
        let to = self.iccid.clone().map_or(SwitchTarget::Downloaded, SwitchTarget::Installed);
        Task::Switch { to, rollback, old }
    }
}

/// Runs `simyard switch`.
///
/// # Errors
/// Settings or a store that cannot be used, and what stands in the way; nothing was changed then.
pub async fn run(args: SwitchArgs) -> anyhow::Result<()> {
    match args.command {
        SwitchCommand::Plan(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = show_plan(&desk, &args).await;
            desk.closed(outcome).await
        }
        SwitchCommand::Start(args) => {
            let desk = Desk::open(&args.asked.common.config).await?;
            let outcome = start(&desk, &args).await;
            desk.closed(outcome).await
        }
        SwitchCommand::Status(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = status(&desk, &args).await;
            desk.closed(outcome).await
        }
        SwitchCommand::Cancel(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = desk.cancel(&args).await;
            desk.closed(outcome).await
        }
        SwitchCommand::Report(args) => {
            let desk = Desk::open(&args.config).await?;
            let outcome = report::make(&desk, &args).await;
            desk.closed(outcome).await
        }
        SwitchCommand::Verify(args) => report::check(&args),
        SwitchCommand::Activate(args) => set_freedom(&args, Freedom::Active).await,
        SwitchCommand::Deactivate(args) => set_freedom(&args, Freedom::Inactive).await,
    }
}

/// An eUICC of an eIM that is not ours has it, too.
async fn set_freedom(args: &FreedomArgs, freedom: Freedom) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let (clock, rng) = (Clock::system(), Rng::system());
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    let inventory = Inventory { store: store.clone(), sealer, clock, rng, mode: config.mode };
    let changer = args.hand.changer();
    let mut outcome = Ok(());
    for eid in &args.eids {
        outcome = inventory.set_freedom_to_switch(eid, freedom, &changer.actor, None).await;
        if outcome.is_err() {
            break;
        }
        line(&format!("Freedom to Switch of {eid} is {}", FreedomToSwitch::from(freedom).name()));
    }
    store.close().await;
    Ok(outcome?)
}

async fn show_plan(desk: &Desk, args: &PlanArgs) -> anyhow::Result<()> {
    let target = &args.target;
    let mut asked = request(target.task(OldProfile::Keep), &target.source);
    if let Some(profile_type) = &target.source.profile_type {
        asked.needed_memory = desk.orders()?.memory_of_type(profile_type);
    }
    let obstacles = plan(&desk.eim, &target.eid, &asked).await?;
    if args.common.json {
        let all: Vec<Value> =
            obstacles.iter().map(|one| json!({ "name": one.name(), "detail": one.to_string() })).collect();
        output::json(&json!({ "possible": obstacles.is_empty(), "obstacles": all }));
    } else if obstacles.is_empty() {
        line(&format!("a switch of {} is possible", target.eid));
    } else {
        for obstacle in &obstacles {
            line(&obstacle.to_string());
        }
    }
    if obstacles.is_empty() { Ok(()) } else { bail!("a switch of {} is not possible", target.eid) }
}

async fn start(desk: &Desk, args: &StartArgs) -> anyhow::Result<()> {
    let old = args.delete_old_after.map_or(OldProfile::Keep, OldProfile::DeleteAfter);
    let task = args.target.task(old);
    let id = desk.ask(&args.target.eid, task, &args.target.source, &args.asked).await?;
    asked(desk, &id, &args.asked.common).await
}

async fn status(desk: &Desk, args: &StatusArgs) -> anyhow::Result<()> {
    let eid = match &args.which {
        Which::Operation(id) => return desk.show(id, &args.common).await,
        Which::Euicc(eid) => eid,
    };
    let selection = OperationSelection { eid: Some(eid.clone()), state: None };
    let mut found = operations(&desk.eim, &selection, None, LOOKED_AT).await?;
    found.retain(|kept| kept.operation.task.kind() == OperationKind::Switch);
    if args.common.json {
        let all: Vec<Value> = found.iter().map(super::operation::value).collect();
        output::json(&json!({ "switches": all }));
        return Ok(());
    }
    for text in rows(&found) {
        line(&text);
    }
    Ok(())
}

/// The two are told apart by their form: one has letters, or is no EID.
fn parse_which(text: &str) -> Result<Which, String> {
    if let Ok(eid) = Eid::parse(text) {
        return Ok(Which::Euicc(eid));
    }
    parse_id(text)
        .map(Which::Operation)
        .map_err(|_| "expected the number of an operation, or an EID".to_owned())
}
