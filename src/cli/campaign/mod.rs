//! `simyard campaign`: one thing asked of a fleet, in waves, at a pace, and with an end by itself when too much fails.
//!
//! | file | what |
//! |---|---|
//! | `create` | a campaign made or planned |
//! | `view` | campaigns for people and as JSON |

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::hand::HandArgs;
use super::operation::{Common, Desk};
use super::output::{self, error_line, line};
use super::serve::ConfigArgs;
use crate::domain::{Actor, CampaignId, CampaignState, TargetState};
use crate::eim::campaign_report::report_campaign;
use crate::eim::campaign_retry::{Retry, retry};
use crate::eim::campaigns::{campaign, cancel, pause, resume};
use crate::eim::report::write_report;

mod create;
mod view;

pub(super) use create::{parse_rate, parse_share};

/// Ask one thing of many eUICCs: a switch, a download, or any other operation.
///
/// A campaign goes in waves: a small one first, and the next one when nearly all of it has ended and nothing more went wrong
/// than its failure budget permits; otherwise it stops by itself. What is made here is taken forward by a server on the same
/// store.
#[derive(Args)]
pub struct CampaignArgs {
    #[command(subcommand)]
    command: CampaignCommand,
}

#[derive(Subcommand)]
enum CampaignCommand {
    /// Make a campaign, which runs from now on, and print its number; or say what it would do.
    Create(Box<create::CreateArgs>),
    /// List campaigns, the newest first.
    List(ListArgs),
    /// Show how a campaign goes: its waves, what failed and why.
    Show(WhichArgs),
    /// List the targets of a campaign, in their order.
    Targets(TargetsArgs),
    /// Stop a campaign for a while: what is under way goes on, nothing begins.
    Pause(ChangeArgs),
    /// Let a campaign go on that was paused, or that stopped by itself.
    Resume(ResumeArgs),
    /// Ask targets that ended otherwise than it was meant once more, in one more wave of the campaign.
    Retry(RetryArgs),
    /// End a campaign: what has not left yet is cancelled, what is under way ends by itself.
    Cancel(ChangeArgs),
    /// Write what became of every target, with all that eUICCs and eIM signed: 'switch verify' checks it.
    Report(ReportArgs),
}

#[derive(Args)]
struct ListArgs {
    /// Go on before this number.
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct WhichArgs {
    /// The number of the campaign.
    #[arg(value_name = "CAMPAIGN", value_parser = parse_id)]
    campaign_id: CampaignId,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct TargetsArgs {
    /// The number of the campaign.
    #[arg(value_name = "CAMPAIGN", value_parser = parse_id)]
    campaign_id: CampaignId,
    /// Those that stand so: pending, under_way, done, failed, refused …
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<TargetState>,
    /// Go on behind this place.
    #[arg(long, value_name = "PLACE", default_value_t = 0)]
    after: u32,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ChangeArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    hand: HandArgs,
}

#[derive(Args)]
struct ResumeArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// From now on, so much of a wave may fail: a percentage, such as 2.5%.
    #[arg(long, value_name = "PERCENT", value_parser = create::parse_share)]
    failure_budget: Option<u16>,
    #[command(flatten)]
    hand: HandArgs,
}

#[derive(Args)]
struct RetryArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Those that stand so: failed, rolled_back, expired, cancelled, refused.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', default_value = "failed,rolled_back,expired", value_parser = parse_ended)]
    state: Vec<TargetState>,
    /// Of them these alone: CSV as for create; - for standard input. Who downloads with a code of its own needs another one.
    #[arg(long, value_name = "FILE")]
    eids: Option<PathBuf>,
    #[command(flatten)]
    hand: HandArgs,
}

#[derive(Args)]
struct ReportArgs {
    /// The number of the campaign.
    #[arg(value_name = "CAMPAIGN", value_parser = parse_id)]
    campaign_id: CampaignId,
    /// Where it is written.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs `simyard campaign`.
///
/// # Errors
/// Settings, a store or a list that cannot be used, and what the campaign does not allow; nothing was changed then.
pub async fn run(args: CampaignArgs) -> anyhow::Result<()> {
    let config = match &args.command {
        CampaignCommand::Create(args) => &args.common.config,
        CampaignCommand::List(args) => &args.common.config,
        CampaignCommand::Show(args) => &args.common.config,
        CampaignCommand::Targets(args) => &args.common.config,
        CampaignCommand::Pause(args) | CampaignCommand::Cancel(args) => &args.which.common.config,
        CampaignCommand::Resume(args) => &args.which.common.config,
        CampaignCommand::Retry(args) => &args.which.common.config,
        CampaignCommand::Report(args) => &args.config,
    };
    let desk = Desk::open(config).await?;
    let outcome = match &args.command {
        CampaignCommand::Create(args) => create::run(&desk, args).await,
        CampaignCommand::List(args) => list(&desk, args).await,
        CampaignCommand::Show(args) => show(&desk, args).await,
        CampaignCommand::Targets(args) => targets(&desk, args).await,
        CampaignCommand::Pause(args) => {
            let done = pause(&desk.eim, &args.which.campaign_id, &actor(&args.hand)).await;
            changed(&desk, &args.which, done.map_err(Into::into)).await
        }
        CampaignCommand::Cancel(args) => {
            let done = cancel(&desk.eim, &args.which.campaign_id, &actor(&args.hand)).await;
            changed(&desk, &args.which, done.map_err(Into::into)).await
        }
        CampaignCommand::Resume(args) => {
            let (id, actor) = (&args.which.campaign_id, actor(&args.hand));
            let done = resume(&desk.eim, id, args.failure_budget, &actor).await;
            changed(&desk, &args.which, done.map_err(Into::into)).await
        }
        CampaignCommand::Retry(args) => ask_again(&desk, args).await,
        CampaignCommand::Report(args) => report(&desk, args).await,
    };
    desk.closed(outcome).await
}

fn actor(hand: &HandArgs) -> Actor {
    Actor::Person(hand.person())
}

async fn changed(desk: &Desk, which: &WhichArgs, done: anyhow::Result<()>) -> anyhow::Result<()> {
    done?;
    show(desk, which).await
}

async fn ask_again(desk: &Desk, args: &RetryArgs) -> anyhow::Result<()> {
    let targets = args.eids.as_deref().map(create::read_targets).transpose()?;
    let wanted = Retry { states: args.state.clone(), targets };
    let retried = retry(&desk.eim, &args.which.campaign_id, &wanted, &actor(&args.hand)).await?;
    error_line(&format!("targets asked once more, as wave {}: {}", retried.wave, retried.targets));
    if matches!(retried.state, CampaignState::Paused | CampaignState::Stopped) {
        error_line(&format!("the campaign is {}: 'simyard campaign resume' lets it go on", retried.state));
    }
    show(desk, &args.which).await
}

async fn list(desk: &Desk, args: &ListArgs) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let mut found = desk.eim.store.campaigns(args.after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|kept| kept.number);
    if args.common.json {
        let all: Vec<Value> = found.iter().map(|kept| view::value(&kept.campaign)).collect();
        output::json(&json!({ "campaigns": all, "next": next }));
        return Ok(());
    }
    for kept in &found {
        line(&view::row(&kept.campaign));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn show(desk: &Desk, args: &WhichArgs) -> anyhow::Result<()> {
    let id = &args.campaign_id;
    let found = campaign(&desk.eim, id).await?.with_context(|| format!("there is no campaign {id}"))?;
    if args.common.json {
        output::json(&view::value_of(&found));
        return Ok(());
    }
    for text in view::show(&found) {
        line(&text);
    }
    Ok(())
}

async fn targets(desk: &Desk, args: &TargetsArgs) -> anyhow::Result<()> {
    let (id, store) = (&args.campaign_id, &desk.eim.store);
    store.campaign(id).await?.with_context(|| format!("there is no campaign {id}"))?;
    let mut found = store.campaign_targets(id, args.state, args.after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|target| target.place);
    if args.common.json {
        let all: Vec<Value> = found.iter().map(view::target_value).collect();
        output::json(&json!({ "targets": all, "next": next }));
        return Ok(());
    }
    for target in &found {
        line(&view::target_row(target));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn report(desk: &Desk, args: &ReportArgs) -> anyhow::Result<()> {
    let id = &args.campaign_id;
    let claimed = report_campaign(&desk.eim, id).await?;
    let claimed = claimed.with_context(|| format!("there is no campaign {id}"))?;
    let place = || args.out.display().to_string();
    let mut file = BufWriter::new(File::create_new(&args.out).with_context(place)?);
    let written = write_report(&desk.eim, &claimed, &mut file).await.with_context(place)?;
    line(&format!("{}: {} targets, {written} operations", place(), claimed.targets.len()));
    Ok(())
}

fn parse_id(text: &str) -> Result<CampaignId, String> {
    CampaignId::parse(text).ok_or_else(|| "expected the 32 hexadecimal digits of a campaign".to_owned())
}

fn parse_ended(text: &str) -> Result<TargetState, String> {
    TargetState::parse(text).filter(|state| state.may_be_retried()).ok_or_else(|| {
        let all = TargetState::ALL.iter().filter(|state| state.may_be_retried());
        let names: Vec<&str> = all.map(|state| state.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn parse_state(text: &str) -> Result<TargetState, String> {
    TargetState::parse(text).ok_or_else(|| {
        let names: Vec<&str> = TargetState::ALL.iter().map(|state| state.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
