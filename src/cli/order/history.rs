//! `simyard order history`: the life of a profile's order, and what people did to it at the server.

use clap::Args;
use serde_json::{Value, json};

use super::{Common, Desk, Which};
use crate::cli::output::{self, line};
use crate::smdp::order_history::{Event, EventHand, order_history};

/// Show what happened to a profile: the life of its order, and who changed orders by hand.
///
/// The changes by hand are the latest hundred; of an order that is cancelled nothing else is kept.
#[derive(Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn history(desk: &Desk, args: &HistoryArgs) -> anyhow::Result<()> {
    let order = desk.find(&args.which).await?;
    let events = order_history(&desk.store, &order).await?;
    if args.common.json {
        let events: Vec<Value> = events.iter().map(event_json).collect();
        let state = order.state_name().to_string();
        output::json(&json!({ "iccid": order.iccid, "state": state, "events": events }));
        return Ok(());
    }
    for Event { at, what, detail, hand } in &events {
        let by = hand.as_ref().map(words);
        let told: Vec<&str> = by.as_deref().into_iter().chain([detail.as_str()]).collect();
        line(format!("{at}  {what:<13}{}", told.join(": ")).trim_end_matches([':', ' ']));
    }
    Ok(())
}

fn words(hand: &EventHand) -> String {
    format!("by {}, {} to {}", hand.person, hand.from, hand.to)
}

fn event_json(event: &Event) -> Value {
    let hand = event.hand.as_ref();
    json!({
        "at": event.at.to_string(),
        "event": event.what,
        "detail": event.detail,
        "person": hand.map(|hand| hand.person.as_str()),
        "from": hand.map(|hand| hand.from.to_string()),
        "to": hand.map(|hand| hand.to.to_string()),
        "number": hand.map(|hand| hand.number),
    })
}
