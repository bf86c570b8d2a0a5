//! Where a profile has been, as the stock knows it: how it came, what callers did to it, which systems were told of it. The
//! life of its order, and what people did to that by hand, the SM-DP+ tells ([`crate::smdp::order_history`]).
//!
//! Of an order that was cancelled over ES2+ the audit is left. Files for other systems and callbacks are bounded here.

use serde::Serialize;

use super::receipt::counted;
use crate::domain::{AuditEntry, AuditOutcome, LastFailure};
use crate::env::Timestamp;
use crate::ident::Iccid;
use crate::store::{
    AuditSelection, BatchKind, Callback, CallbackSelection, Delivery, StockBatch, StockSelection, Store,
    StoreError,
};

/// Callbacks of one profile that are told at most.
const CALLBACKS_MAX: u32 = 100;
/// Entries of the audit about one profile that are told at most, the earliest.
const AUDIT_MAX: u32 = 500;
/// The kinds of actors whose changes the order's own history tells ([`crate::domain::Actor::kind`]).
const BY_HAND: [&str; 2] = ["person", "identity"];

/// Something that happened to a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, as ISO 8601.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// What: one word, or few.
    #[serde(rename = "event")]
    pub what: String,
    /// What else there is to say.
    pub detail: String,
    /// Who did it by hand.
    pub person: Option<String>,
    /// The state that a change by hand found.
    pub from: Option<String>,
    /// The state that it left.
    pub to: Option<String>,
    /// [`Order::number`] of the order that it left.
    pub number: Option<i64>,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl Event {
    fn new(at: Timestamp, what: &str, detail: String) -> Self {
        Self { at, what: what.to_owned(), detail, person: None, from: None, to: None, number: None }
    }

    fn of_batch(batch: &StockBatch) -> Self {
        let delivery = batch.delivery_id.as_ref().map(|id| format!(", delivery {id}")).unwrap_or_default();
        let detail = format!(
            "batch {} of {} of type {} from {}{delivery}",
            batch.batch_id,
            counted(BatchKind::Subscriptions, batch.profiles),
            batch.profile_type,
            batch.manufacturer
        );
        Self::new(batch.received_at, "stocked", detail)
    }

    fn of_failure(failure: &LastFailure) -> Self {
        Self::new(failure.at, "refused", failure_words(failure))
    }

    fn of_callback(callback: &Callback) -> Self {
        let what = if callback.given_up_at.is_some() { "callback given up" } else { "callback waits" };
        let answer = callback.last_answer.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        let detail = format!(
            "{} is to be told of point {}, tried {} times{answer}",
            callback.operator,
            callback.told.point.id(),
            callback.attempts
        );
        Self::new(callback.told.at, what, detail)
    }

    fn of_delivery(delivery: &Delivery) -> Self {
        let key =
            delivery.key_name.as_ref().map(|name| format!(" under transport key {name}")).unwrap_or_default();
        let detail = format!(
            "for the {} by {}: {}, layout {}{key}, SHA-256 {}",
            delivery.system, delivery.person, delivery.file, delivery.layout, delivery.digest
        );
        Self::new(delivery.at, "exported", detail)
    }

    /// Of the audit, which keeps what ES2+ changed after the order has forgotten it.
    fn of_audit(entry: &AuditEntry) -> Self {
        let outcome = if entry.outcome == AuditOutcome::Done.as_str() {
            String::new()
        } else {
            format!(", {}", entry.outcome)
        };
        let detail = format!("by {} {}{outcome}: {}", entry.actor_kind, entry.actor, entry.detail);
        Self::new(entry.at, &entry.action, detail)
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let hand = match (&self.person, &self.from, &self.to) {
            (Some(person), Some(from), Some(to)) => Some(format!("by {person}, {from} to {to}")),
            _ => None,
        };
        let told: Vec<&str> = hand.as_deref().into_iter().chain([self.detail.as_str()]).collect();
        let line = format!("{}  {:<13}{}", self.at, self.what, told.join(": "));
        line.trim_end_matches([':', ' ']).to_owned()
    }
}

/// What the stock tells of a profile, in the order it happened: its batch, why a download of its latest order failed last,
/// callbacks that wait, what callers changed, files for other systems. `None` if it is not in the stock.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn of_profile(store: &Store, iccid: &Iccid) -> Result<Option<Vec<Event>>, StoreError> {
    let Some(item) = store.stock_item(iccid).await? else { return Ok(None) };
    let batch = store.stock_batches(&StockSelection::Batch(item.batch_id), "", 1).await?;
    let mut events: Vec<Event> = batch.iter().map(Event::of_batch).collect();
    let failures = store.failures(iccid, iccid).await?;
    events.extend(failures.iter().map(Event::of_failure));
    let selection = CallbackSelection { iccid: Some(iccid.clone()), ..CallbackSelection::default() };
    let callbacks = store.callbacks(&selection, 0, CALLBACKS_MAX).await?;
    events.extend(callbacks.iter().map(Event::of_callback));
    // What people and identities did by hand the order's own history tells.
    let selection = AuditSelection { subject: Some(iccid.to_string()), actor: None };
    let audit = store.audit_entries(&selection, 0, AUDIT_MAX).await?;
    let audit = audit.iter().filter(|entry| !BY_HAND.contains(&entry.actor_kind.as_str()));
    events.extend(audit.map(Event::of_audit));
    events.extend(store.deliveries(iccid).await?.iter().map(Event::of_delivery));
    events.sort_by_key(|event| event.at);
    Ok(Some(events))
}

fn failure_words(failure: &LastFailure) -> String {
    let LastFailure { function, status, detail, .. } = failure;
    match status {
        Some(status) => format!("{function} {status}: {detail}"),
        None => format!("{function}: {detail}"),
    }
}
