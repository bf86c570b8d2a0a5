//! `simyard notifications`: what LPAs delivered to ES9+.HandleNotification and nobody could believe. Those that were
//! believed stand with their orders: `simyard order show`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{self, error_line, line};
use super::serve::ConfigArgs;
use crate::app::open_store;
use crate::store::{RefusedNotification, Store};

/// Look at notifications that were refused.
///
/// A notification is answered with HTTP 204 whatever it says, and then the LPA has no copy. One that could not be read, or
/// that no eUICC bound to the profile had signed, is kept with the reason: the newest 100 of a peer and 10,000 in all.
/// Those that were taken are shown with their orders (`simyard order show`).
#[derive(Args)]
pub struct NotificationsArgs {
    #[command(subcommand)]
    command: NotificationsCommand,
}

#[derive(Subcommand)]
enum NotificationsCommand {
    /// List those that were refused, the newest first, a page at a time.
    Refused(RefusedArgs),
}

#[derive(Args)]
struct RefusedArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Go on below this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    before: i64,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
    /// Print the result as JSON, with their octets.
    #[arg(long)]
    json: bool,
}

/// Runs `simyard notifications`.
///
/// # Errors
/// Settings or a store that cannot be used.
pub async fn run(args: NotificationsArgs) -> anyhow::Result<()> {
    let NotificationsCommand::Refused(args) = args.command;
    let store = open_store(&args.config.load()?).await?;
    let outcome = refused(&store, &args).await;
    store.close().await;
    outcome
}

async fn refused(store: &Store, args: &RefusedArgs) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let mut refused = store.refused_notifications(args.before, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = refused.len() > limit;
    refused.truncate(limit);
    let next = refused.last().filter(|_| is_more).map(|refused| refused.number);
    if args.json {
        let refused: Vec<Value> = refused.iter().map(value).collect();
        output::json(&json!({ "refused": refused, "next": next }));
        return Ok(());
    }
    for RefusedNotification { number, peer, reason, octets, received_at, repetitions, .. } in &refused {
        let again = if *repetitions > 0 { format!(", {repetitions} times again") } else { String::new() };
        line(&format!("{number:>6}  {received_at}  {peer}  {octets} octets{again}: {reason}"));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --before {next}"));
    }
    Ok(())
}

fn value(refused: &RefusedNotification) -> Value {
    json!({
        "number": refused.number,
        "peer": refused.peer,
        "reason": refused.reason,
        "octets": refused.octets,
        "notification": hex::encode_upper(&refused.raw),
        "receivedAt": refused.received_at.to_string(),
        "repeatedAt": refused.repeated_at.map(|at| at.to_string()),
        "repetitions": refused.repetitions,
    })
}
