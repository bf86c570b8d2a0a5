//! `simyard sub-class`: the kinds of SIMs that the settings know.

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::domain::Architecture;
use crate::inventory::sub_class::{ImsiSlot, SubClass, architecture_name};

/// Look at the SIM sub-classes: form factors, eUICC, IMSIs.
#[derive(Args)]
pub struct SubClassArgs {
    #[command(subcommand)]
    command: SubClassCommand,
}

#[derive(Subcommand)]
enum SubClassCommand {
    /// List them, those that Simyard brings and those of the settings.
    List(ListArgs),
    /// Show one: form factors, eUICC, Freedom to Switch, the slots of its IMSIs, what its applet does.
    Show(ShowArgs),
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ShowArgs {
    /// Its name, as in "Card Industrial".
    name: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `simyard sub-class`.
///
/// # Errors
/// Settings that cannot be used, and a name that they do not know.
pub fn run(args: &SubClassArgs) -> anyhow::Result<()> {
    match &args.command {
        SubClassCommand::List(args) => {
            let sub_classes = args.config.load()?.sub_classes;
            if args.json {
                output::json(&serde_json::to_value(&sub_classes)?);
            } else {
                sub_classes.iter().for_each(|sub_class| line(&row(sub_class)));
            }
        }
        SubClassCommand::Show(args) => {
            let sub_classes = args.config.load()?.sub_classes;
            let found = sub_classes.iter().find(|sub_class| sub_class.name.as_str() == args.name);
            let found = found.with_context(|| format!("no sub-class is named {:?}", args.name))?;
            if args.json {
                output::json(&serde_json::to_value(found)?);
            } else {
                lines(found).iter().for_each(|text| line(text));
            }
        }
    }
    Ok(())
}

fn form_factors(sub_class: &SubClass) -> String {
    let names: Vec<&str> = sub_class.form_factors.iter().map(|form_factor| form_factor.name()).collect();
    names.join(", ")
}

fn row(sub_class: &SubClass) -> String {
    let architecture = sub_class.architecture.map_or("no eUICC", Architecture::name);
    let imsis = sub_class.imsis();
    let plural = if imsis == 1 { "" } else { "s" };
    format!("{:<24} {:<14} {architecture:<9} {imsis} IMSI{plural}", sub_class.name, form_factors(sub_class))
}

fn lines(sub_class: &SubClass) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {}", sub_class.name, form_factors(sub_class)),
        if sub_class.ruggedised { "ruggedised".to_owned() } else { "not ruggedised".to_owned() },
    ];
    if sub_class.euicc {
        lines.push(format!("eUICC of {}", architecture_name(sub_class.architecture)));
        for range in &sub_class.eid_ranges {
            lines.push(format!(
                "  {} for EIDs {} to {}",
                architecture_name(range.architecture),
                range.first,
                range.last
            ));
        }
    } else {
        lines.push("no eUICC".to_owned());
    }
    let switchable = if sub_class.switchable { "switchable" } else { "not switchable" };
    lines.push(format!("{switchable}, Freedom to Switch {}", sub_class.freedom_to_switch.name()));
    lines.extend((1..).zip(&sub_class.imsi_slots).map(|(number, slot)| slot_line(number, slot)));
    let applet = &sub_class.applet;
    if applet.leaves_without_service {
        lines.push("applet: without service it goes on to the next slot".to_owned());
    }
    if let Some(hours) = applet.return_hours {
        lines.push(format!("applet: back at slot 1 after {hours} h"));
    }
    if !applet.first_slot_in_mcc.is_empty() {
        lines.push(format!("applet: always slot 1 in MCC {}", applet.first_slot_in_mcc.join(", ")));
    }
    lines
}

fn slot_line(number: usize, slot: &ImsiSlot) -> String {
    let mut text = format!("slot {number}, {}: ", slot.role);
    match &slot.pool {
        Some(pool) => text += &format!("{} from pool {pool}", slot.count),
        None => text += "empty",
    }
    if let Some(days) = slot.rotation_days {
        text += &format!(", the next one every {days} days");
    }
    text
}
