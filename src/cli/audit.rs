//! `simyard audit`: who did what to which identifier, and whether that is still what was written.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::common::Common;
use super::hand::HandArgs;
use super::order::parse_time;
use super::output::{self, error_line, line};
use super::serve::ConfigArgs;
use crate::admin::audit::{self, Checkpoint};
use crate::app::config::Config;
use crate::app::{open_store, signing_key};
use crate::domain::{Actor, AuditEntry};
use crate::env::{Clock, Rng, Timestamp};
use crate::store::{AuditSelection, Erasure, Store};

/// The largest file of a checkpoint that is read, in octets.
const CHECKPOINT_MAX: u64 = 16 * 1024;

/// Look at the audit: who did what to which identifier, when and from where.
///
/// Every change by hand, every call of an operator that changes an order, and every change of an identity leaves an entry, in
/// the commit that made the change. Each entry covers the hash of the one before. Addresses and telephone numbers stand
/// beside the entries, which hold salted hashes of them: they can be erased, and the chain still verifies.
#[derive(Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// List entries as they happened, a page at a time.
    List(ListArgs),
    /// Show one entry, with its hashes.
    Show(ShowArgs),
    /// Look whether every entry is what was written, and none is missing.
    Verify(VerifyArgs),
    /// Write down, signed, how far the audit is now: kept elsewhere, it shows later if the audit was cut.
    Checkpoint(CheckpointArgs),
    /// Erase addresses and telephone numbers; the entries stay.
    #[command(group = ArgGroup::new("what").args(["before", "value", "entry"]).required(true))]
    Erase(EraseArgs),
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
    /// Those about this identifier: an ICCID, a batch, a pool, an identity …
    #[arg(long, value_name = "IDENTIFIER")]
    subject: Option<String>,
    /// Those of this person, operator, identity or manufacturer.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Those from this time on, as in 2026-11-22T06:43:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with_all = ["after", "last"])]
    since: Option<Timestamp>,
    /// Go on behind this number.
    #[arg(long, value_name = "NUMBER", conflicts_with = "last")]
    after: Option<i64>,
    /// The last so many entries of the audit, of which those are listed that are asked for.
    #[arg(long, value_name = "NUMBER")]
    last: Option<u32>,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
}

#[derive(Args)]
struct ShowArgs {
    #[command(flatten)]
    common: Common,
    /// Its number.
    number: i64,
}

#[derive(Args)]
struct VerifyArgs {
    #[command(flatten)]
    common: Common,
    /// Hold it against this checkpoint too; may be given several times.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

#[derive(Args)]
struct CheckpointArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where it is written; stdout if absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
struct EraseArgs {
    #[command(flatten)]
    common: Common,
    /// Those of entries from before, as in 2026-11-22T06:43:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Option<Timestamp>,
    /// This address or telephone number, wherever it stands.
    #[arg(long, value_name = "TEXT")]
    value: Option<String>,
    /// Those of this entry.
    #[arg(long, value_name = "NUMBER")]
    entry: Option<i64>,
    #[command(flatten)]
    hand: HandArgs,
}

/// Runs `simyard audit`.
///
/// # Errors
/// Settings or a store that cannot be used; for `verify`, what is wrong with the audit.
pub async fn run(args: AuditArgs) -> anyhow::Result<()> {
    let config = match &args.command {
        AuditCommand::List(args) => &args.common.config,
        AuditCommand::Show(args) => &args.common.config,
        AuditCommand::Verify(args) => &args.common.config,
        AuditCommand::Checkpoint(args) => &args.config,
        AuditCommand::Erase(args) => &args.common.config,
    };
    let config = config.load()?;
    let store = open_store(&config).await?;
    let outcome = match &args.command {
        AuditCommand::List(args) => list(&store, args).await,
        AuditCommand::Show(args) => show(&store, args).await,
        AuditCommand::Verify(args) => verify(&store, &config, args).await,
        AuditCommand::Checkpoint(args) => checkpoint(&store, &config, args).await,
        AuditCommand::Erase(args) => erase(&store, args).await,
    };
    store.close().await;
    outcome
}

async fn list(store: &Store, args: &ListArgs) -> anyhow::Result<()> {
    let after = match (args.since, args.after, args.last) {
        (Some(since), _, _) => match store.audit_since(since).await? {
            Some(first) => first.saturating_sub(1),
            None => store.audit_head().await?.number,
        },
        (None, Some(after), _) => after,
        (None, None, Some(last)) => store.audit_head().await?.number.saturating_sub(i64::from(last)),
        (None, None, None) => 0,
    };
    // One more than is told says whether there are more.
    let selection = AuditSelection { subject: args.subject.clone(), actor: args.by.clone() };
    let mut entries = store.audit_entries(&selection, after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_more).map(|entry| entry.number);
    if args.common.json {
        let entries: Vec<Value> = entries.iter().map(value).collect();
        output::json(&json!({ "entries": entries, "next": next }));
        return Ok(());
    }
    for entry in &entries {
        line(&row(entry));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn show(store: &Store, args: &ShowArgs) -> anyhow::Result<()> {
    let before = args.number.saturating_sub(1);
    let entries = store.audit_entries(&AuditSelection::default(), before, 1).await?;
    let Some(entry) = entries.first().filter(|entry| entry.number == args.number) else {
        bail!("the audit has no entry {}; it has {}", args.number, store.audit_head().await?.number)
    };
    if args.common.json {
        output::json(&value(entry));
        return Ok(());
    }
    let actor = format!("{} {}", entry.actor_kind, entry.actor);
    let subject = format!("{} {}", entry.subject_kind, entry.subject);
    let (number, at) = (entry.number.to_string(), entry.at.to_string());
    for (name, text) in [
        ("number", number.as_str()),
        ("at", &at),
        ("who", actor.trim_end()),
        ("what", &entry.action),
        ("to what", subject.trim_end()),
        ("outcome", &entry.outcome),
        ("detail", &entry.detail),
    ] {
        line(format!("{name:<10}{text}").trim_end());
    }
    for one in &entry.personal {
        let text = one.opened.as_ref().map_or("erased", |personal| personal.value.as_str());
        line(&format!("{:<10}{text} (SHA-256 {})", one.kind, hex::encode(one.digest)));
    }
    line(&format!("{:<10}{}", "SHA-256", hex::encode(entry.digest)));
    Ok(())
}

async fn verify(store: &Store, config: &Config, args: &VerifyArgs) -> anyhow::Result<()> {
    let mut checkpoints = Vec::new();
    if !args.checkpoint.is_empty() {
        let key = signing_key(config, &Rng::system())?;
        for path in &args.checkpoint {
            let read = read_checkpoint(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let checkpoint = Checkpoint::from_text(&read, key.public_key());
            checkpoints.push(checkpoint.with_context(|| path.display().to_string())?);
        }
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} entries") {
        bar.set_style(style);
    }
    let verdict = audit::verify(store, &checkpoints, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
    })
    .await?;
    bar.finish_and_clear();
    if args.common.json {
        let head = store.audit_head().await?;
        output::json(&json!({
            "whole": verdict.is_whole(),
            "verdict": verdict.to_string(),
            "checkpoints": checkpoints.len(),
            "entries": head.number,
            "digest": hex::encode(head.digest),
        }));
    }
    if !verdict.is_whole() {
        bail!("{verdict}");
    }
    if !args.common.json {
        line(&verdict.to_string());
        for Checkpoint { head, at } in &checkpoints {
            line(&format!("the checkpoint of {at} holds: {} entries", head.number));
        }
    }
    Ok(())
}

fn read_checkpoint(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > CHECKPOINT_MAX {
        return Err(std::io::Error::other("the file is larger than 16 KiB"));
    }
    std::fs::read_to_string(path)
}

async fn checkpoint(store: &Store, config: &Config, args: &CheckpointArgs) -> anyhow::Result<()> {
    let key = signing_key(config, &Rng::system())?;
    let checkpoint = Checkpoint::now(store, &Clock::system()).await?;
    let text = checkpoint.to_text(&key)?;
    match &args.output {
        None => line(&text),
        Some(path) => {
            let written = std::fs::write(path, format!("{text}\n"));
            written.with_context(|| format!("{} cannot be written", path.display()))?;
            line(&format!("{}: {} entries", path.display(), checkpoint.head.number));
        }
    }
    Ok(())
}

async fn erase(store: &Store, args: &EraseArgs) -> anyhow::Result<()> {
    let erasure = match (args.before, &args.value, args.entry) {
        (Some(before), _, _) => Erasure::Before(before),
        (None, Some(value), _) => Erasure::Value(value.clone()),
        (None, None, Some(entry)) => Erasure::Entry(entry),
        (None, None, None) => bail!("say what: --before, --value or --entry"),
    };
    let actor = Actor::Person(args.hand.person());
    let erased = audit::erase(store, &actor, &erasure, Clock::system().now()).await?;
    if args.common.json {
        output::json(&json!({ "erased": erased }));
    } else {
        line(&format!("{erased} values were erased; the entries stay, and the audit verifies as before"));
    }
    Ok(())
}

fn row(entry: &AuditEntry) -> String {
    let AuditEntry { number, at, actor_kind, actor, action, subject_kind, subject, outcome, detail, .. } =
        entry;
    let values = entry.personal.iter().filter_map(|one| one.opened.as_ref());
    let values: Vec<String> = values.map(|one| format!("{} {}", one.kind, one.value)).collect();
    let values = values.join(", ");
    let told: Vec<&str> = [detail.as_str(), &values].into_iter().filter(|text| !text.is_empty()).collect();
    let outcome = if outcome == "done" { "" } else { outcome };
    let words = format!("{actor_kind} {actor}  {action}  {subject_kind} {subject}  {outcome}");
    let text = format!("{number:>6}  {at}  {}", words.trim_end());
    if told.is_empty() { text } else { format!("{text}: {}", told.join("; ")) }
}

fn value(entry: &AuditEntry) -> Value {
    let personal: Vec<Value> = entry
        .personal
        .iter()
        .map(|one| {
            let opened = one.opened.as_ref();
            json!({
                "kind": one.kind,
                "value": opened.map(|personal| personal.value.as_str()),
                "salt": opened.map(|personal| hex::encode(personal.salt)),
                "sha256": hex::encode(one.digest),
            })
        })
        .collect();
    json!({
        "number": entry.number,
        "at": entry.at.to_string(),
        "at_ms": entry.at.as_millis(),
        "actor_kind": entry.actor_kind,
        "actor": entry.actor,
        "action": entry.action,
        "subject_kind": entry.subject_kind,
        "subject": entry.subject,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "personal": personal,
        "sha256": hex::encode(entry.digest),
    })
}
