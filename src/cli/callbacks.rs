//! `simyard callbacks`: what operators are to be told and have not got yet (ES2+.HandleDownloadProgressInfo).

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::output::{self, error_line, line};
use super::serve::ConfigArgs;
use crate::app::open_store;
use crate::domain::Operator;
use crate::env::{Clock, Timestamp};
use crate::ident::Iccid;
use crate::store::{Callback, CallbackCount, CallbackSelection, Store};

/// Look at the calls back to operators that wait, try them at once, or drop them.
///
/// A server tells operators of downloads over ES2+.HandleDownloadProgressInfo, if `[[operator]]` has an
/// `es2plus_address`. Here is what it has not brought yet. These commands work on the store that the settings name; a
/// server may run on it.
#[derive(Args)]
pub struct CallbacksArgs {
    #[command(subcommand)]
    command: CallbacksCommand,
}

#[derive(Subcommand)]
enum CallbacksCommand {
    /// List those that wait and those that were given up, as they happened, a page at a time.
    List(ListArgs),
    /// Try them at once, those that were given up once more too.
    #[command(group = ArgGroup::new("which").args(["operator", "iccid", "all"]).required(true).multiple(true))]
    Retry(RetryArgs),
    /// Forget them: the operator will not be told.
    #[command(group = ArgGroup::new("which").args(["operator", "iccid"]).required(true).multiple(true))]
    Drop(DropArgs),
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    config: ConfigArgs,
    /// Those of this operator.
    #[arg(long, value_name = "NAME", value_parser = parse_operator)]
    operator: Option<Operator>,
    /// Those of this profile.
    #[arg(long, value_name = "DIGITS")]
    iccid: Option<Iccid>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
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
    #[arg(long, conflicts_with_all = ["operator", "iccid"])]
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

/// Runs `simyard callbacks`.
///
/// # Errors
/// Settings or a store that cannot be used.
pub async fn run(args: CallbacksArgs) -> anyhow::Result<()> {
    let config = match &args.command {
        CallbacksCommand::List(args) => &args.common.config,
        CallbacksCommand::Retry(args) => &args.common.config,
        CallbacksCommand::Drop(args) => &args.common.config,
    };
    let store = open_store(&config.load()?).await?;
    let now = Clock::system().now();
    let outcome = match &args.command {
        CallbacksCommand::List(args) => list(&store, args, now).await,
        CallbacksCommand::Retry(args) => retry(&store, args, now).await,
        CallbacksCommand::Drop(args) => drop_them(&store, args).await,
    };
    store.close().await;
    outcome
}

impl Common {
    fn selection(&self) -> CallbackSelection {
        CallbackSelection { operator: self.operator.clone(), iccid: self.iccid.clone() }
    }

    fn tell(&self, name: &str, callbacks: usize, text: &str) {
        if self.json {
            output::json(&json!({ name: callbacks }));
        } else {
            line(text);
        }
    }
}

async fn list(store: &Store, args: &ListArgs, now: Timestamp) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let selection = args.common.selection();
    let mut callbacks = store.callbacks(&selection, args.after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = callbacks.len() > limit;
    callbacks.truncate(limit);
    let next = callbacks.last().filter(|_| is_more).map(|callback| callback.callback_id);
    let mut counts = store.callback_counts().await?;
    counts.retain(|count| args.common.operator.as_ref().is_none_or(|own| own.as_str() == count.operator));
    if args.common.json {
        let callbacks: Vec<Value> = callbacks.iter().map(|callback| value(callback, now)).collect();
        let counts: Vec<Value> = counts.iter().map(|count| count_value(count, now)).collect();
        output::json(&json!({ "callbacks": callbacks, "counts": counts, "next": next }));
        return Ok(());
    }
    for callback in &callbacks {
        line(&row(callback, now));
    }
    for CallbackCount { operator, given_up, callbacks, oldest } in &counts {
        let state = if *given_up { "given up" } else { "waiting" };
        error_line(&format!("{operator}: {callbacks} {state}, the oldest for {}", age(*oldest, now)));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn retry(store: &Store, args: &RetryArgs, now: Timestamp) -> anyhow::Result<()> {
    let retried = store.retry_callbacks(&args.common.selection(), now).await?;
    args.common.tell("retried", retried, &format!("{retried} callbacks are due at once"));
    Ok(())
}

async fn drop_them(store: &Store, args: &DropArgs) -> anyhow::Result<()> {
    let selection = args.common.selection();
    if args.yes {
        let dropped = store.drop_callbacks(&selection).await?;
        args.common.tell("dropped", dropped, &format!("{dropped} callbacks are dropped"));
        return Ok(());
    }
    let found = store.callbacks(&selection, 0, u32::MAX).await?.len();
    let more = if found >= 1000 { " or more" } else { "" };
    args.common.tell(
        "wouldDrop",
        found,
        &format!("{found}{more} callbacks would be dropped, and the operator not told; --yes does it"),
    );
    Ok(())
}

const fn state(callback: &Callback, now: Timestamp) -> &'static str {
    match (callback.given_up_at, callback.leased_until) {
        (Some(_), _) => "given up",
        (None, Some(until)) if until.as_millis() > now.as_millis() => "on its way",
        (None, _) => "waiting",
    }
}

fn row(callback: &Callback, now: Timestamp) -> String {
    let Callback { callback_id, operator, iccid, told, attempts, .. } = callback;
    let outcome = match &told.outcome {
        Ok(()) => "passed".to_owned(),
        Err(failure) => format!("{}/{}", failure.subject_code, failure.reason_code),
    };
    let state = state(callback, now);
    let mut text = format!(
        "{callback_id:>6}  {iccid:<20}  {operator}  point {} {outcome}  {state}, {} old, tried {attempts} times",
        told.point.id(),
        age(told.at, now),
    );
    if let Some(answer) = &callback.last_answer {
        text += &format!(": {answer}");
    }
    text
}

fn value(callback: &Callback, now: Timestamp) -> Value {
    let told = &callback.told;
    let failure = told.outcome.as_ref().err();
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": callback.callback_id,
        "operator": callback.operator.as_str(),
        "iccid": callback.iccid,
        "eid": told.eid,
        "profileType": callback.profile_type,
        "notificationPointId": told.point.id(),
        "subjectCode": failure.map(|failure| failure.subject_code.as_str()),
        "reasonCode": failure.map(|failure| failure.reason_code.as_str()),
        "message": failure.map(|failure| failure.message.as_str()),
        "resultData": told.result_data.as_ref().map(hex::encode_upper),
        "functionCallIdentifier": told.call_identifier,
        "state": state(callback, now),
        "happenedAt": told.at.to_string(),
        "ageSeconds": seconds(told.at, now),
        "attempts": callback.attempts,
        "dueAt": callback.due_at.to_string(),
        "givenUpAt": time(callback.given_up_at),
        "lastAnswer": callback.last_answer,
    })
}

fn count_value(count: &CallbackCount, now: Timestamp) -> Value {
    json!({
        "operator": count.operator,
        "state": if count.given_up { "given up" } else { "waiting" },
        "callbacks": count.callbacks,
        "oldestAgeSeconds": seconds(count.oldest, now),
    })
}

fn seconds(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.as_millis().saturating_sub(since.as_millis()) / 1000).unwrap_or(0)
}

/// An age in its largest unit.
fn age(since: Timestamp, now: Timestamp) -> String {
    let age = Duration::from_secs(seconds(since, now)).as_secs();
    match age {
        0..120 => format!("{age} s"),
        120..7200 => format!("{} min", age / 60),
        7200..172_800 => format!("{} h", age / 3600),
        _ => format!("{} days", age / 86_400),
    }
}

fn parse_operator(text: &str) -> Result<Operator, String> {
    Operator::parse(text).ok_or_else(|| "expected the name of an operator".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let now = Timestamp::from_secs(1_000_000);
        for (since, expected) in [
            (1_000_001, "0 s"),
            (999_990, "10 s"),
            (999_000, "16 min"),
            (990_000, "2 h"),
            (500_000, "5 days"),
        ] {
            assert_eq!(age(Timestamp::from_secs(since), now), expected);
        }
    }
}
