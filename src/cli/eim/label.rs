//! `simyard eim label`: what the owner of a fleet calls eUICCs by.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::devices::read;
use crate::app::Stock;
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, error_line, line};
use crate::cli::serve::ConfigArgs;
use crate::domain::{Label, LabelName, LabelSelection};
use crate::env::{Clock, Rng};
use crate::ident::{Eid, counted};
use crate::inventory::Inventory;
use crate::inventory::labels::{LabelChange, MAX_FILE_OCTETS, read_list};
use crate::store::Store;

/// Look after labels of eUICCs, such as region=north: a fleet is divided by them.
///
/// An eUICC has one value for each name, and 32 labels at most. They mean nothing to the eIM; what belongs together is found
/// by them. Each change is written down in the audit.
#[derive(Args)]
pub(super) struct LabelArgs {
    #[command(subcommand)]
    command: LabelCommand,
}

#[derive(Subcommand)]
enum LabelCommand {
    /// Set labels of eUICCs: those that are named, or those of a list.
    Set(SetArgs),
    /// Remove labels of eUICCs.
    Remove(RemoveArgs),
    /// List the labels of an eUICC, or the eUICCs that have all labels that are named, a page at a time.
    List(ListArgs),
}

/// What stands on the command line of set and remove, in any order.
#[derive(Clone)]
enum SetWord {
    Eid(Eid),
    Label(Label),
}

#[derive(Clone)]
enum RemoveWord {
    Eid(Eid),
    Name(LabelName),
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["words", "file"]))]
struct SetArgs {
    /// eUICCs, and labels that all of them have from now on: NAME=VALUE.
    #[arg(value_name = "EID|LABEL", value_parser = parse_set_word)]
    words: Vec<SetWord>,
    /// Take a list: CSV with the column eid and a column for each label; an empty cell leaves the label as it is; - for
    /// standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args)]
struct RemoveArgs {
    /// eUICCs, and names of labels that none of them has from now on.
    #[arg(value_name = "EID|NAME", required = true, value_parser = parse_remove_word)]
    words: Vec<RemoveWord>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["eid", "label"]))]
struct ListArgs {
    /// The eUICC.
    eid: Option<Eid>,
    /// Those that have this label: NAME=VALUE; several times for those that have all of them.
    #[arg(long, value_name = "LABEL", value_parser = parse_label)]
    label: Vec<Label>,
    /// Go on behind this EID.
    #[arg(long, value_name = "EID", requires = "label")]
    after: Option<Eid>,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `simyard eim label`.
pub(super) async fn run(args: LabelArgs) -> anyhow::Result<()> {
    match args.command {
        LabelCommand::Set(args) => {
            let changes = match &args.file {
                Some(file) => {
                    let text = read(file, MAX_FILE_OCTETS).with_context(|| file.display().to_string())?;
                    read_list(&text).with_context(|| file.display().to_string())?
                }
                None => set_changes(&args.words)?,
            };
            change(&changes, &args.hand, &args.config).await
        }
        LabelCommand::Remove(args) => change(&remove_changes(&args.words)?, &args.hand, &args.config).await,
        LabelCommand::List(args) => list(&args).await,
    }
}

async fn change(changes: &[LabelChange], hand: &HandArgs, config: &ConfigArgs) -> anyhow::Result<()> {
    let inventory = inventory(config).await?;
    let changed = inventory.change_labels(changes, &hand.changer().actor, None).await;
    inventory.store.close().await;
    let changed = changed?;
    let same = changes.len().saturating_sub(changed);
    line(&format!("{} changed, {same} so already", counted(changed, "label")));
    Ok(())
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let selection = match args.label.as_slice() {
        [] => None,
        labels => Some(LabelSelection::of(labels.to_vec())?),
    };
    let inventory = inventory(&args.config).await?;
    let listed = match (&args.eid, &selection) {
        (Some(eid), _) => of_euicc(&inventory, eid, args.json).await,
        (None, Some(selection)) => selected(&inventory.store, selection, args).await,
        (None, None) => Err(anyhow::anyhow!("name an EID, or --label NAME=VALUE")),
    };
    inventory.store.close().await;
    listed
}

async fn of_euicc(inventory: &Inventory, eid: &Eid, is_json: bool) -> anyhow::Result<()> {
    let Some(labels) = inventory.labels(eid).await? else {
        bail!("eUICC {eid} is neither in the register nor associated with the eIM")
    };
    if is_json {
        output::json(&json!({ "eid": eid.as_str(), "labels": value(&labels) }));
        return Ok(());
    }
    for label in &labels {
        line(&label.to_string());
    }
    Ok(())
}

async fn selected(store: &Store, selection: &LabelSelection, args: &ListArgs) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let after = args.after.as_ref().map(Eid::as_str).unwrap_or_default();
    let mut found = store.labelled(selection, after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more);
    if args.json {
        output::json(&json!({ "eids": found, "next": next }));
        return Ok(());
    }
    for eid in &found {
        line(eid.as_str());
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn inventory(config: &ConfigArgs) -> anyhow::Result<Inventory> {
    let config = config.load()?;
    let (clock, rng) = (Clock::system(), Rng::system());
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    Ok(Inventory { store, sealer, clock, rng, mode: config.mode })
}

/// Labels as an object.
pub(super) fn value(labels: &[Label]) -> Value {
    let member = |label: &Label| (label.name.as_str().to_owned(), label.value.as_str().into());
    Value::Object(labels.iter().map(member).collect::<Map<String, Value>>())
}

fn set_changes(words: &[SetWord]) -> anyhow::Result<Vec<LabelChange>> {
    let labels = || {
        words.iter().filter_map(|word| match word {
            SetWord::Label(label) => Some((label.name.clone(), Some(label.value.clone()))),
            SetWord::Eid(_) => None,
        })
    };
    let changes = words.iter().flat_map(|word| match word {
        SetWord::Eid(eid) => {
            labels().map(|(name, value)| LabelChange { eid: eid.clone(), name, value }).collect()
        }
        SetWord::Label(_) => Vec::new(),
    });
    some(changes.collect(), "name eUICCs by their EIDs, and labels as NAME=VALUE")
}

fn remove_changes(words: &[RemoveWord]) -> anyhow::Result<Vec<LabelChange>> {
    let names = || {
        words.iter().filter_map(|word| match word {
            RemoveWord::Name(name) => Some(name.clone()),
            RemoveWord::Eid(_) => None,
        })
    };
    let changes = words.iter().flat_map(|word| match word {
        RemoveWord::Eid(eid) => {
            names().map(|name| LabelChange { eid: eid.clone(), name, value: None }).collect()
        }
        RemoveWord::Name(_) => Vec::new(),
    });
    some(changes.collect(), "name eUICCs by their EIDs, and labels by their names")
}

fn some(changes: Vec<LabelChange>, expected: &str) -> anyhow::Result<Vec<LabelChange>> {
    if changes.is_empty() {
        bail!("{expected}");
    }
    Ok(changes)
}

/// No name of a label begins with a digit, and no EID has a sign of equality.
fn parse_set_word(text: &str) -> Result<SetWord, String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Eid::parse(text).map(SetWord::Eid).map_err(|error| error.to_string());
    }
    parse_label(text).map(SetWord::Label)
}

fn parse_remove_word(text: &str) -> Result<RemoveWord, String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Eid::parse(text).map(RemoveWord::Eid).map_err(|error| error.to_string());
    }
    let expected = "expected an EID, or the name of a label, such as region";
    LabelName::parse(text).map(RemoveWord::Name).ok_or_else(|| expected.to_owned())
}

fn parse_label(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|error| error.to_string())
}
