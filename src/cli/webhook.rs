//! `simyard webhook`: who is told of what happens to operations, devices and campaigns.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::common::Common;
use super::hand::HandArgs;
use super::order::parse_duration;
use super::output::{self, error_line, line};
use crate::admin::webhooks::{Webhook, Webhooks};
use crate::app::{Stock, webhook_client};
use crate::client::webhook::Secret;
use crate::domain::webhook::{Selected, WebhookName, WebhookUrl};
use crate::env::{Clock, Rng};

/// Tell other systems of what happens, over HTTPS: make, list, try, rotate, retry and remove webhooks.
///
/// Messages are signed as Standard Webhooks has it, with a secret that is shown once, when it is made. A server that runs on
/// the same store brings them, at least once each.
#[derive(Args)]
pub struct WebhookArgs {
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(Subcommand)]
enum WebhookCommand {
    /// Make a webhook, and print its secret.
    Add(AddArgs),
    /// List webhooks: where they are, what they are told of, and how they fare.
    List(ListArgs),
    /// Bring a message of the type 'webhook.test' at once, and say whether it was taken.
    Test(OneArgs),
    /// Give a webhook another secret, and print it.
    Rotate(RotateArgs),
    /// Enable a webhook that was disabled, and try all that waits for it, what was given up too.
    Retry(ChangeArgs),
    /// Remove a webhook, and what waits for it.
    Remove(ChangeArgs),
}

#[derive(Args)]
struct AddArgs {
    /// Letters, digits, `.`, `_` and `-`.
    #[arg(value_parser = parse_name)]
    name: WebhookName,
    /// Where it is: `https://HOST/PATH`.
    #[arg(value_parser = WebhookUrl::parse)]
    url: WebhookUrl,
    /// Tell it of this: `operation.done`, `operation.*`, `device.poll_wanted` …; may be given several times. By default
    /// it is told of everything.
    #[arg(long, value_name = "TYPE", value_parser = parse_selected)]
    event: Vec<Selected>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct OneArgs {
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: WebhookName,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct RotateArgs {
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: WebhookName,
    /// Sign with the earlier one too for so long: a number with s, m, h, d or w.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "24h")]
    keep_old: Duration,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ChangeArgs {
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: WebhookName,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

/// Runs `simyard webhook`.
///
/// # Errors
/// Settings or a store that cannot be used, a name that is taken or unknown, a webhook that takes no message.
pub async fn run(args: WebhookArgs) -> anyhow::Result<()> {
    let common = match &args.command {
        WebhookCommand::Add(args) => &args.common,
        WebhookCommand::List(args) => &args.common,
        WebhookCommand::Test(args) => &args.common,
        WebhookCommand::Rotate(args) => &args.common,
        WebhookCommand::Retry(args) | WebhookCommand::Remove(args) => &args.common,
    };
    let config = common.config.load()?;
    let (clock, rng) = (Clock::system(), Rng::system());
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    let webhooks = Webhooks { store: store.clone(), sealer, clock: clock.clone(), rng };
    let outcome = match &args.command {
        WebhookCommand::Add(args) => add(&webhooks, args).await,
        WebhookCommand::List(args) => list(&webhooks, &args.common).await,
        WebhookCommand::Test(args) => match webhook_client(&config, &clock) {
            Ok(client) => test(&webhooks, args, &client).await,
            Err(error) => Err(error.into()),
        },
        WebhookCommand::Rotate(args) => rotate(&webhooks, args).await,
        WebhookCommand::Retry(args) => retry(&webhooks, args).await,
        WebhookCommand::Remove(args) => remove(&webhooks, args).await,
    };
    store.close().await;
    outcome
}

async fn add(webhooks: &Webhooks, args: &AddArgs) -> anyhow::Result<()> {
    let secret = webhooks.add(&args.hand.changer(), &args.name, &args.url, &args.event).await?;
    tell(&args.common, &args.name, &secret, &format!("{} is made", args.name));
    Ok(())
}

async fn rotate(webhooks: &Webhooks, args: &RotateArgs) -> anyhow::Result<()> {
    let secret = webhooks.rotate(&args.hand.changer(), &args.name, args.keep_old).await?;
    let seconds = args.keep_old.as_secs();
    tell(
        &args.common,
        &args.name,
        &secret,
        &format!("{} is rotated; its earlier secret signs too for {seconds} s more", args.name),
    );
    Ok(())
}

/// The secret alone goes to stdout, where a program takes it from.
fn tell(common: &Common, name: &WebhookName, secret: &Secret, done: &str) {
    let secret = secret.text();
    if common.json {
        output::json(&json!({ "name": name.as_str(), "secret": secret.as_str() }));
        return;
    }
    error_line(done);
    error_line("its secret, which is not shown again:");
    line(&secret);
}

async fn test(
    webhooks: &Webhooks,
    args: &OneArgs,
    client: &crate::client::webhook::WebhookClient,
) -> anyhow::Result<()> {
    let message_id = webhooks.test(client, &args.name).await?;
    if args.common.json {
        output::json(&json!({ "taken": message_id }));
    } else {
        line(&format!("{} took {message_id}", args.name));
    }
    Ok(())
}

async fn retry(webhooks: &Webhooks, args: &ChangeArgs) -> anyhow::Result<()> {
    let retried = webhooks.retry(&args.hand.changer(), &args.name).await?;
    if args.common.json {
        output::json(&json!({ "retried": retried }));
    } else {
        line(&format!("{} is enabled; {retried} messages are due at once", args.name));
    }
    Ok(())
}

async fn remove(webhooks: &Webhooks, args: &ChangeArgs) -> anyhow::Result<()> {
    webhooks.remove(&args.hand.changer(), &args.name).await?;
    if args.common.json {
        output::json(&json!({ "removed": args.name.as_str() }));
    } else {
        line(&format!("{} is removed", args.name));
    }
    Ok(())
}

async fn list(webhooks: &Webhooks, common: &Common) -> anyhow::Result<()> {
    let found = webhooks.list("", u32::MAX).await?;
    if common.json {
        let webhooks: Vec<Value> = found.iter().map(value).collect();
        output::json(&json!({ "webhooks": webhooks }));
        return Ok(());
    }
    for webhook in &found {
        line(&row(webhook));
    }
    Ok(())
}

fn row(webhook: &Webhook) -> String {
    let selected: Vec<&str> = webhook.selected.iter().map(Selected::as_str).collect();
    let Webhook { name, waiting, given_up, .. } = webhook;
    let delivered =
        webhook.delivered_at.map_or_else(|| "took nothing yet".to_owned(), |at| format!("took one {at}"));
    let mut text = format!(
        "{name:<24}  {}  {}  {delivered}, {waiting} wait, {given_up} given up",
        webhook.url.as_str(),
        selected.join(" "),
    );
    match (webhook.disabled_at, webhook.failing_since) {
        (Some(at), _) => text += &format!(", disabled {at}"),
        (None, Some(since)) => text += &format!(", failing since {since}"),
        (None, None) => {}
    }
    if let Some(answer) = &webhook.last_answer {
        text += &format!(": {answer}");
    }
    text
}

fn value(webhook: &Webhook) -> Value {
    let time = |at: Option<crate::env::Timestamp>| at.map(|at| at.to_string());
    json!({
        "name": webhook.name.as_str(),
        "url": webhook.url.as_str(),
        "events": webhook.selected.iter().map(Selected::as_str).collect::<Vec<_>>(),
        "created_at": webhook.created_at.to_string(),
        "created_by": webhook.created_by,
        "delivered_at": time(webhook.delivered_at),
        "failing_since": time(webhook.failing_since),
        "resume_at": time(webhook.resume_at),
        "disabled_at": time(webhook.disabled_at),
        "last_answer": webhook.last_answer,
        "waiting": webhook.waiting,
        "given_up": webhook.given_up,
    })
}

fn parse_name(text: &str) -> Result<WebhookName, String> {
    WebhookName::parse(text).ok_or_else(|| {
        "expected 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first".to_owned()
    })
}

fn parse_selected(text: &str) -> Result<Selected, String> {
    Selected::parse(text).ok_or_else(|| {
        "expected the type of an event, such as operation.done, a family, such as operation.*, or *"
            .to_owned()
    })
}
