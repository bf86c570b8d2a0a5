//! `simyard campaign create`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::eim::read_text;
use crate::cli::hand::HandArgs;
use crate::cli::operation::{Common, Desk};
use crate::cli::order::parse_duration;
use crate::cli::output::{self, error_line, line};
use crate::domain::campaign::{self, TARGETS_MAX};
use crate::domain::{
    Actor, CampaignName, CampaignTask, Label, LabelSelection, OldProfile, OperationKind, Pace, ProfileType,
    Rollback,
};
use crate::eim::campaign_targets::{MAX_FILE_OCTETS, TargetRow, labelled_targets, read_list};
use crate::eim::campaigns::{NewCampaign, create_campaign, plan_campaign};
use crate::ident::counted;

/// Refused targets that a plan names.
const NAMED_MAX: usize = 20;

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Switch to another operator's profile.
    Switch,
    /// Download a profile; it stays disabled.
    Download,
    /// Enable a profile that is on each eUICC.
    Enable,
    /// Disable the enabled profile.
    Disable,
    /// Delete a disabled profile.
    Delete,
    /// List the profiles.
    Audit,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["eids", "label"]))]
pub(super) struct CreateArgs {
    /// What is asked of each eUICC.
    #[arg(value_enum)]
    kind: Kind,
    /// What people call it.
    #[arg(long, value_name = "TEXT", value_parser = parse_name)]
    name: CampaignName,
    /// The eUICCs, in this order: CSV with the columns eid and, as far as they are wanted, iccid, activation_code and
    /// confirmation_code; - for standard input.
    #[arg(long, value_name = "FILE")]
    eids: Option<PathBuf>,
    /// The eUICCs that have this label: NAME=VALUE; several times for those that have all of them.
    #[arg(long, value_name = "LABEL", value_parser = parse_label)]
    label: Vec<Label>,
    /// Order a profile of this type from our own SM-DP+ for each eUICC when its turn comes.
    #[arg(long, value_name = "NAME", value_parser = parse_profile_type)]
    profile_type: Option<ProfileType>,
    /// Of switch: the device must not go back to the profile before by itself.
    #[arg(long)]
    no_rollback: bool,
    /// Of enable: the device may go back to the profile before by itself.
    #[arg(long)]
    rollback: bool,
    /// Of switch: delete the profile before so long after it was confirmed: a number with s, m, h, d or w.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    delete_old_after: Option<Duration>,
    /// How much of the fleet the waves up to each comprise.
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',', default_value = "1%,10%,100%", value_parser = parse_share)]
    waves: Vec<u16>,
    /// So many begin in a time: a number, a slash, and s, m, h or d.
    #[arg(long, value_name = "NUMBER/UNIT", default_value = "600/h", value_parser = parse_rate)]
    rate: u32,
    /// So many are under way at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    at_most: u32,
    /// So much of a wave may fail, roll back or expire before the campaign stops by itself.
    #[arg(long, value_name = "PERCENT", default_value = "2%", value_parser = parse_share)]
    failure_budget: u16,
    /// A wave of which nearly all ended is watched so long before the next one begins.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    soak: Duration,
    /// An operation begins within this time or never: so a silent device does not hold up the end.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    validity: Duration,
    /// Say what it would do, and change nothing.
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Runs `simyard campaign create`.
pub(super) async fn run(desk: &Desk, args: &CreateArgs) -> anyhow::Result<()> {
    let new = NewCampaign {
        name: args.name.clone(),
        task: task(args)?,
        pace: Pace {
            shares: args.waves.clone(),
            per_hour: args.rate,
            at_most: args.at_most,
            failure_budget: args.failure_budget,
            soak: args.soak,
            validity: Some(args.validity),
        },
        targets: targets(desk, args).await?,
    };
    if args.plan {
        return plan(desk, args, &new).await;
    }
    let id = create_campaign(&desk.eim, &new, &Actor::Person(args.hand.person())).await?;
    if args.common.json {
        output::json(&json!({ "campaign_id": id.to_string(), "targets": new.targets.len() }));
    } else {
        error_line("a server takes it forward; 'simyard campaign show' says how it goes:");
        line(&id.to_string());
    }
    Ok(())
}

fn task(args: &CreateArgs) -> anyhow::Result<CampaignTask> {
    let kind = match args.kind {
        Kind::Switch => OperationKind::Switch,
        Kind::Download => OperationKind::Download,
        Kind::Enable => OperationKind::Enable,
        Kind::Disable => OperationKind::Disable,
        Kind::Delete => OperationKind::Delete,
        Kind::Audit => OperationKind::Audit,
    };
    if kind != OperationKind::Switch && (args.no_rollback || args.delete_old_after.is_some()) {
        bail!("--no-rollback and --delete-old-after go with switch");
    }
    if kind != OperationKind::Enable && args.rollback {
        bail!("--rollback goes with enable");
    }
    let is_granted = args.rollback || (kind == OperationKind::Switch && !args.no_rollback);
    Ok(CampaignTask {
        kind,
        rollback: if is_granted { Rollback::Granted } else { Rollback::NotGranted },
        old: args.delete_old_after.map_or(OldProfile::Keep, OldProfile::DeleteAfter),
        profile_type: args.profile_type.clone(),
    })
}

async fn targets(desk: &Desk, args: &CreateArgs) -> anyhow::Result<Vec<TargetRow>> {
    if let Some(file) = &args.eids {
        return read_targets(file);
    }
    let selection = LabelSelection::of(args.label.clone())?;
    let targets = labelled_targets(&desk.eim, &selection).await?;
    if targets.len() > TARGETS_MAX {
        bail!("more than {TARGETS_MAX} eUICCs have {selection}");
    }
    if targets.is_empty() {
        bail!("no eUICC has {selection}");
    }
    Ok(targets)
}

/// Reads a list of targets; - is standard input.
pub(super) fn read_targets(file: &Path) -> anyhow::Result<Vec<TargetRow>> {
    let text = read_text(file, MAX_FILE_OCTETS).with_context(|| file.display().to_string())?;
    read_list(&text).with_context(|| file.display().to_string())
}

async fn plan(desk: &Desk, args: &CreateArgs, new: &NewCampaign) -> anyhow::Result<()> {
    let planned = plan_campaign(&desk.eim, new).await?;
    if args.common.json {
        let refused: Vec<Value> =
            planned.refused.iter().map(|(eid, why)| json!({ "eid": eid, "reason": why })).collect();
        output::json(&json!({ "targets": new.targets.len(), "waves": planned.waves, "refused": refused }));
        return Ok(());
    }
    let sizes: Vec<String> = planned.waves.iter().map(ToString::to_string).collect();
    line(&format!(
        "{} of {}, in waves of {}",
        new.task.kind,
        counted(new.targets.len(), "eUICC"),
        sizes.join(", ")
    ));
    line(&format!("{} an hour, {} under way at most", new.pace.per_hour, new.pace.at_most));
    line(&format!("{} of them would be refused at this moment", planned.refused.len()));
    for (eid, why) in planned.refused.iter().take(NAMED_MAX) {
        line(&format!("    {eid}: {why}"));
    }
    if planned.refused.len() > NAMED_MAX {
        line(&format!("    and {} more: --json names all", planned.refused.len().saturating_sub(NAMED_MAX)));
    }
    Ok(())
}

fn parse_name(text: &str) -> Result<CampaignName, String> {
    CampaignName::parse(text).ok_or_else(|| "expected 1 to 64 octets without control characters".to_owned())
}

fn parse_label(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|error| error.to_string())
}

fn parse_profile_type(text: &str) -> Result<ProfileType, String> {
    ProfileType::parse(text).ok_or_else(|| "expected the name of a profile type".to_owned())
}

/// Reads a percentage, with one digit behind the point at most, as per mille.
pub(in crate::cli) fn parse_share(text: &str) -> Result<u16, String> {
    campaign::parse_share(text)
        .ok_or_else(|| "expected 0% to 100%, with one digit behind the point at most, as in 2.5%".to_owned())
}

/// Reads a rate, as so many an hour.
pub(in crate::cli) fn parse_rate(text: &str) -> Result<u32, String> {
    let expected =
        || "expected a number, a slash, and s, m, h or d, as in 600/h; one an hour at least".to_owned();
    let (number, unit) = text.split_once('/').ok_or_else(expected)?;
    let number: u32 = number.parse().map_err(|_| expected())?;
    let an_hour = match unit {
        "s" => number.checked_mul(3600),
        "m" => number.checked_mul(60),
        "h" => Some(number),
        "d" => number.checked_div(24),
        _ => None,
    };
    an_hour.filter(|rate| *rate > 0).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units() {
        for (text, rate) in [("600/h", 600), ("1/s", 3600), ("10/m", 600), ("48/d", 2)] {
            assert_eq!(parse_rate(text), Ok(rate));
        }
        for text in ["", "600", "600/w", "0/h", "23/d", "x/h", "4294967295/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
