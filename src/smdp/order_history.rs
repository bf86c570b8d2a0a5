//! What happened to a profile: the life of its order, and what people did to it at the server.
//!
//! The order tells its own life since it was placed, notifications tell what eUICCs said, and the list of changes by hand
//! who did what: the latest hundred. Of orders that were cancelled over ES2+ nothing is left here but their notifications; the
//! audit has them.

use simyard_asn1::rsp::download::cancel_session_reason;

use crate::domain::{EligibilityRule, ErrorReason, Order, StateName};
use crate::env::Timestamp;
use crate::store::{ManualChange, Notification, Store, StoreError};

/// Everything that is known to have happened to a profile, as it happened.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn order_history(store: &Store, order: &Order) -> Result<Vec<Event>, StoreError> {
    let changes = store.manual_changes(&order.iccid).await?;
    let notifications = store.notifications(&order.iccid).await?;
    let mut events = vec![Event::of_order(order.created_at, "stocked", order.profile_type.to_string())];
    // What was done by hand at the same time comes before what it led to.
    events.extend(changes.iter().map(Event::of_change));
    events.extend(life(order));
    events.extend(notifications.iter().map(Event::of_notification));
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What, in a word.
    pub what: String,
    /// More of it.
    pub detail: String,
    /// Who did it, where it was done by hand.
    pub hand: Option<EventHand>,
}

/// Whose hand it was, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHand {
    /// Who.
    pub person: String,
    /// The state that it found.
    pub from: StateName,
    /// The state that it left.
    pub to: StateName,
    /// [`Order::number`] of the order that it left.
    pub number: i64,
}

impl Event {
    fn of_order(at: Timestamp, what: &str, detail: String) -> Self {
        Self { at, what: what.to_owned(), detail, hand: None }
    }

    fn of_change(change: &ManualChange) -> Self {
        let ManualChange { number, person, command, detail, from, to, at } = change;
        let hand = EventHand { person: person.to_string(), from: *from, to: *to, number: *number };
        Self { at: *at, what: command.to_string(), detail: detail.clone(), hand: Some(hand) }
    }

    fn of_notification(notification: &Notification) -> Self {
        let Notification { eid, seq_number, event, received_at, .. } = notification;
        let detail = format!("{event:?}, number {seq_number} of EID {eid}");
        Self::of_order(*received_at, "notification", detail)
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

/// Why an order is in Error, in words.
#[must_use]
pub fn reason_words(reason: ErrorReason) -> String {
    match reason {
        ErrorReason::DownloadAttempts => "the download attempts are used up".to_owned(),
        ErrorReason::ConfirmationAttempts => "the confirmation code attempts are used up".to_owned(),
        ErrorReason::Expired => "it expired".to_owned(),
        ErrorReason::NotEligible(rule) => {
            format!("the eUICC or the device is not eligible: {}", rule_words(rule))
        }
        ErrorReason::Cancelled(reason) => {
            let name = u32::try_from(reason).ok().and_then(cancel_session_reason::name).unwrap_or("reason");
            format!("the session was cancelled: {name} ({reason})")
        }
        ErrorReason::Installation(reason) => {
            format!("the eUICC did not install it: errorReason {reason} of its result")
        }
    }
}

/// What an eligibility rule found missing.
const fn rule_words(rule: EligibilityRule) -> &'static str {
    match rule {
        EligibilityRule::Svn => "its version of SGP.22",
        EligibilityRule::PackageVersion => "the version of the profile package",
        EligibilityRule::UiccCapability => "a UICC capability",
        EligibilityRule::PolicyRule => "a policy rule that it forbids",
        EligibilityRule::TestProfile => "no support of test profiles",
        EligibilityRule::Radio => "the device's radio access",
        EligibilityRule::Device => "the device's TAC",
        EligibilityRule::PpVersion => "its ppVersion",
        EligibilityRule::AdditionalProfile => "no room for one more profile",
        EligibilityRule::Memory => "its free memory",
    }
}
