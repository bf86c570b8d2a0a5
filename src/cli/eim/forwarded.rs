//! `simyard eim forwarded`: notifications that devices gave to the eIM, and that their receivers have not got yet.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::app::open_store;
use crate::cli::output::{self, error_line, line};
use crate::cli::serve::ConfigArgs;
use crate::domain::ProfileEvent;
use crate::env::{Clock, Timestamp};
use crate::ident::{Eid, ServerAddress, counted};
use crate::store::{Forwarded, ForwardedCount, ForwardedSelection, Store};

/// Look at the notifications that wait for their receivers, try them at once, or drop them.
///
/// Devices may give notifications of their eUICCs to the eIM, which brings each to the SM-DP+ that it names. Here is what
/// was not brought yet. These commands work on the store that the settings name; a server may run on it.
#[derive(Args)]
pub(super) struct ForwardedArgs {
    #[command(subcommand)]
    command: ForwardedCommand,
}

#[derive(Subcommand)]
enum ForwardedCommand {
    /// List those that wait and those that were given up, as they came, a page at a time.
    List(ListArgs),
    /// Try them at once, those that were given up once more too.
    #[command(group = ArgGroup::new("which").args(["eid", "address", "all"]).required(true).multiple(true))]
    Retry(RetryArgs),
    /// Forget them: the receiver will not be told.
    #[command(group = ArgGroup::new("which").args(["eid", "address"]).required(true).multiple(true))]
    Drop(DropArgs),
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    config: ConfigArgs,
    /// Those of this eUICC.
    #[arg(long, value_name = "DIGITS")]
    eid: Option<Eid>,
    /// Those for this receiver.
    #[arg(long, value_name = "HOST[:PORT]")]
    address: Option<ServerAddress>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
    /// Those too that were brought lately.
    #[arg(long)]
    brought: bool,
    /// Go on behind this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: i64,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
}

#[derive(Args)]
struct RetryArgs {
    #[command(flatten)]
    common: Common,
    /// All of them.
    #[arg(long, conflicts_with_all = ["eid", "address"])]
    all: bool,
}

#[derive(Args)]
struct DropArgs {
    #[command(flatten)]
    common: Common,
    /// Do it; without, it is told what would be done.
    #[arg(long)]
    yes: bool,
}

/// Runs `simyard eim forwarded`.
///
/// # Errors
/// Settings or a store that cannot be used.
pub(super) async fn run(args: ForwardedArgs) -> anyhow::Result<()> {
    let config = match &args.command {
        ForwardedCommand::List(args) => &args.common.config,
        ForwardedCommand::Retry(args) => &args.common.config,
        ForwardedCommand::Drop(args) => &args.common.config,
    };
    let store = open_store(&config.load()?).await?;
    let now = Clock::system().now();
    let outcome = match &args.command {
        ForwardedCommand::List(args) => list(&store, args, now).await,
        ForwardedCommand::Retry(args) => retry(&store, args, now).await,
        ForwardedCommand::Drop(args) => drop_them(&store, args).await,
    };
    store.close().await;
    outcome
}

impl Common {
    fn selection(&self) -> ForwardedSelection {
        ForwardedSelection { eid: self.eid.clone(), address: self.address.clone() }
    }

    fn tell(&self, name: &str, notifications: usize, text: &str) {
        if self.json {
            output::json(&json!({ name: notifications }));
        } else {
            line(text);
        }
    }
}

async fn list(store: &Store, args: &ListArgs, now: Timestamp) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let selection = args.common.selection();
    let limit = args.limit.saturating_add(1);
    let mut found = store.forwarded_notifications(&selection, args.after, limit, args.brought).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|notification| notification.number);
    let counts = store.forwarded_counts().await?;
    if args.common.json {
        let found: Vec<Value> = found.iter().map(|notification| value(notification, now)).collect();
        let counts: Vec<Value> = counts.iter().map(count_value).collect();
        output::json(&json!({ "notifications": found, "counts": counts, "next": next }));
        return Ok(());
    }
    for notification in &found {
        line(&row(notification, now));
    }
    for ForwardedCount { address, given_up, notifications, oldest } in &counts {
        let state = if *given_up { "given up" } else { "waiting" };
        error_line(&format!("{address}: {notifications} {state}, the oldest since {oldest}"));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn retry(store: &Store, args: &RetryArgs, now: Timestamp) -> anyhow::Result<()> {
    let retried = store.retry_forwarded(&args.common.selection(), now).await?;
    args.common.tell("retried", retried, &format!("{} due at once", counted(retried, "notification")));
    Ok(())
}

async fn drop_them(store: &Store, args: &DropArgs) -> anyhow::Result<()> {
    let selection = args.common.selection();
    if args.yes {
        let dropped = store.drop_forwarded(&selection).await?;
        args.common.tell("dropped", dropped, &format!("{} dropped", counted(dropped, "notification")));
        return Ok(());
    }
    let found = store.forwarded_notifications(&selection, 0, u32::MAX, false).await?.len();
    let more = if found >= 1000 { " or more" } else { "" };
    let text =
        format!("{found}{more} notifications would be dropped, and the receiver not told; --yes does it");
    args.common.tell("would_drop", found, &text);
    Ok(())
}

const fn state(notification: &Forwarded, now: Timestamp) -> &'static str {
    match (notification.forwarded_at, notification.given_up_at, notification.leased_until) {
        (Some(_), _, _) if notification.last_answer.is_some() => "void",
        (Some(_), _, _) => "brought",
        (None, Some(_), _) => "given up",
        (None, None, Some(until)) if until.as_millis() > now.as_millis() => "on its way",
        (None, None, _) => "waiting",
    }
}

fn event(event: ProfileEvent) -> String {
    match event {
        ProfileEvent::Install => "install".to_owned(),
        ProfileEvent::Enable => "enable".to_owned(),
        ProfileEvent::Disable => "disable".to_owned(),
        ProfileEvent::Delete => "delete".to_owned(),
        ProfileEvent::Other(bit) => format!("event {bit}"),
    }
}

fn row(notification: &Forwarded, now: Timestamp) -> String {
    let Forwarded { number, eid, seq_number, address, attempts, received_at, .. } = notification;
    let (event, state) = (event(notification.event), state(notification, now));
    let profile = notification.iccid.as_ref().map_or("-", |iccid| iccid.as_str());
    let mut text = format!(
        "{number:>6}  {eid}  {seq_number:>5} {event} {profile}  {address}  {state}, came {received_at}, tried {attempts} times"
    );
    if let Some(answer) = &notification.last_answer {
        text += &format!(": {answer}");
    }
    text
}

fn value(notification: &Forwarded, now: Timestamp) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "number": notification.number,
        "eid": notification.eid,
        "seq_number": notification.seq_number,
        "event": event(notification.event),
        "iccid": notification.iccid,
        "address": notification.address,
        "state": state(notification, now),
        "notification": hex::encode_upper(&notification.raw),
        "received_at": notification.received_at.to_string(),
        "repetitions": notification.repetitions,
        "attempts": notification.attempts,
        "due_at": notification.due_at.to_string(),
        "given_up_at": time(notification.given_up_at),
        "forwarded_at": time(notification.forwarded_at),
        "last_answer": notification.last_answer,
    })
}

fn count_value(count: &ForwardedCount) -> Value {
    json!({
        "address": count.address,
        "state": if count.given_up { "given up" } else { "waiting" },
        "notifications": count.notifications,
        "oldest": count.oldest.to_string(),
    })
}
