//! `simyard order history`: the life of a profile's order, and what people did to it at the server.
//!
//! The order tells its own life since it was placed, notifications tell what eUICCs said, and the list of changes by hand
//! who did what. Of orders that were cancelled over ES2+ nothing is left but their notifications.

use clap::Args;
use serde_json::{Value, json};

use super::view::reason_words;
use super::{Common, Desk, Which};
use crate::cli::output::{self, line};
use crate::domain::{Order, StateName};
use crate::env::Timestamp;
use crate::store::{ManualChange, Notification};

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
    let changes = desk.store.manual_changes(&order.iccid).await?;
    let notifications = desk.store.notifications(&order.iccid).await?;
    let mut events = vec![Event::of_order(order.created_at, "stocked", order.profile_type.to_string())];
    // What was done by hand at the same time comes before what it led to.
    events.extend(changes.iter().map(Event::of_change));
    events.extend(life(&order));
    events.extend(notifications.iter().map(Event::of_notification));
    events.sort_by_key(|event| event.at);
    if args.common.json {
        let events: Vec<Value> = events.iter().map(Event::json).collect();
        let state = order.state_name().to_string();
        output::json(&json!({ "iccid": order.iccid, "state": state, "events": events }));
        return Ok(());
    }
    for Event { at, what, detail, hand } in &events {
        let by = hand.as_ref().map(Hand::words);
        let told: Vec<&str> = by.as_deref().into_iter().chain([detail.as_str()]).collect();
        line(format!("{at}  {what:<13}{}", told.join(": ")).trim_end_matches([':', ' ']));
    }
    Ok(())
}

/// Something that happened.
struct Event {
    at: Timestamp,
    what: String,
    detail: String,
    hand: Option<Hand>,
}

/// Whose hand it was, and what it changed.
struct Hand {
    person: String,
    from: StateName,
    to: StateName,
    number: i64,
}

impl Hand {
    fn words(&self) -> String {
        format!("by {}, {} to {}", self.person, self.from, self.to)
    }
}

impl Event {
    fn of_order(at: Timestamp, what: &str, detail: String) -> Self {
        Self { at, what: what.to_owned(), detail, hand: None }
    }

    fn of_change(change: &ManualChange) -> Self {
        let ManualChange { number, person, command, detail, from, to, at } = change;
        let hand = Hand { person: person.to_string(), from: *from, to: *to, number: *number };
        Self { at: *at, what: command.to_string(), detail: detail.clone(), hand: Some(hand) }
    }

    fn of_notification(notification: &Notification) -> Self {
        let Notification { eid, seq_number, event, received_at, .. } = notification;
        let detail = format!("{event:?}, number {seq_number} of EID {eid}");
        Self::of_order(*received_at, "notification", detail)
    }

    fn json(&self) -> Value {
        let hand = self.hand.as_ref();
        json!({
            "at": self.at.to_string(),
            "event": self.what,
            "detail": self.detail,
            "person": hand.map(|hand| hand.person.as_str()),
            "from": hand.map(|hand| hand.from.to_string()),
            "to": hand.map(|hand| hand.to.to_string()),
            "number": hand.map(|hand| hand.number),
        })
    }
}

/// What the order says of itself.
fn life(order: &Order) -> Vec<Event> {
    let ordered = order.reservation().map(|reservation| {
        let call = &reservation.call;
        let detail = format!("by {:?}, call {:?}", call.requester, call.call_identifier);
        Event::of_order(reservation.at, "ordered", detail)
    });
    let confirmed = order.confirmation().map(|confirmation| {
        let detail = match confirmation.matching_id.as_str() {
            "" => "found by its EID".to_owned(),
            id => format!("matching identifier {id}"),
        };
        Event::of_order(confirmation.at, "confirmed", detail)
    });
    let released = order.released().map(|release| Event::of_order(release.at, "released", String::new()));
    let bound = order.bound().map(|bound| {
        Event::of_order(bound.at, "downloaded", format!("the latest package went to EID {}", bound.eid))
    });
    let ended = order.ended_at().map(|at| match order.failure() {
        Some(failure) => Event::of_order(at, "failed", reason_words(failure.reason)),
        None => Event::of_order(at, "installed", String::new()),
    });
    [ordered, confirmed, released, bound, ended].into_iter().flatten().collect()
}
