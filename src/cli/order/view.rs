//! An order for people and as JSON. The matching identifier is shown; the hash of a confirmation code and keys are not.

use serde_json::{Map, Value, json};
use simyard_asn1::Oid;

use super::Desk;
use super::terms::TermsView;
use crate::domain::{LastFailure, Limits, Order, State};
use crate::env::Timestamp;
use crate::ident::{ActivationCode, ServerAddress};
use crate::smdp::order_history::reason_words;

/// An order, with what the settings and the clock say of it.
pub(super) struct View<'a> {
    order: &'a Order,
    address: Option<&'a ServerAddress>,
    limits: Limits,
    now: Timestamp,
    terms: TermsView,
    /// Of the SM-DP+, where the activation code is to name it.
    oid: Option<&'a Oid>,
    failure: Option<&'a LastFailure>,
}

impl<'a> View<'a> {
    pub(super) fn new(desk: &'a Desk, order: &'a Order) -> Self {
        Self {
            order,
            address: desk.config.addresses.first(),
            limits: desk.config.limits,
            now: desk.clock.now(),
            terms: TermsView::new(desk, order),
            oid: None,
            failure: None,
        }
    }

    /// With the OID of the SM-DP+ in the activation code.
    pub(super) fn with_oid(self, oid: Option<&'a Oid>) -> Self {
        Self { oid, ..self }
    }

    /// With what went wrong last, if that is about this order and not about an earlier one for the profile.
    pub(super) fn with_failure(self, failures: &'a [LastFailure]) -> Self {
        let is_its = |failure: &&LastFailure| {
            (&failure.iccid, failure.number) == (&self.order.iccid, self.order.number)
        };
        Self { failure: failures.iter().find(is_its), ..self }
    }

    /// What a user types or scans; `None` without a matching identifier assigned, even an empty one.
    pub(super) fn activation_code(&self) -> Option<ActivationCode> {
        Some(ActivationCode {
            address: self.address?.clone(),
            matching_id: self.order.matching_id()?.clone(),
            smdp_oid: self.oid.cloned(),
            confirmation_code_required: self.order.code_hash().is_some(),
        })
    }

    /// One sentence.
    pub(super) fn summary(&self) -> String {
        let Order { iccid, profile_type, .. } = self.order;
        let mut text = format!("profile {iccid} of type {profile_type}: {}", self.order.state_name());
        if let Some(eid) = self.order.eid() {
            text += &format!(", EID {eid}");
        }
        if let Some(at) = self.order.expires_at() {
            text += &format!(", {} {at}", if at <= self.now { "expired" } else { "expires" });
        }
        text
    }

    /// One line of a listing: ICCID, state, type, EID, matching identifier, each `-` if there is none.
    pub(super) fn row(&self) -> String {
        let eid = self.order.eid().map_or_else(|| "-".to_owned(), ToString::to_string);
        let id = self.order.matching_id().filter(|id| !id.is_empty());
        let id = id.map_or_else(|| "-".to_owned(), ToString::to_string);
        let Order { iccid, profile_type, .. } = self.order;
        let state = self.order.state_name().to_string();
        let mut text = format!("{iccid:<20}  {state:<11}  {profile_type}  {eid}  {id}");
        if self.is_expired() {
            text += "  expired";
        }
        match (self.failure, self.error()) {
            (Some(failure), _) => text += &format!("  {}", failure_words(failure)),
            (None, Some(reason)) => text += &format!("  {reason}"),
            (None, None) => {}
        }
        text
    }

    /// What was counted, against the limits.
    pub(super) fn attempts(&self) -> String {
        let attempts = self.order.attempts();
        format!(
            "{} of {} downloads and {} of {} confirmation codes tried",
            attempts.download,
            self.limits.download_attempts,
            attempts.confirmation,
            self.limits.confirmation_attempts
        )
    }

    /// Why the order is in Error.
    pub(super) fn error(&self) -> Option<String> {
        self.order.failure().map(|failure| reason_words(failure.reason))
    }

    fn is_expired(&self) -> bool {
        self.order.expires_at().is_some_and(|at| at <= self.now)
    }

    fn run_time(&self) -> Option<String> {
        let State::Installed(installation) = &self.order.state else { return None };
        installation.run_time.map(|state| format!("{state:?}"))
    }

    /// Names and values, for a page.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let order = self.order;
        let confirmation = order.confirmation();
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let released = order.released().is_some();
        let expiry = order
            .expires_at()
            .map(|at| if self.is_expired() { format!("{at}, which is past") } else { at.to_string() });
        let matching_id = order
            .matching_id()
            .map(|id| if id.is_empty() { "none: found by its EID".to_owned() } else { id.to_string() });
        let code = confirmation
            .map(|confirmation| if confirmation.code_hash.is_some() { "asked for" } else { "none" });
        let reserved = order.reservation().map(|reservation| {
            let call = &reservation.call;
            format!("{} by {:?}, call {:?}", reservation.at, call.requester, call.call_identifier)
        });
        [
            ("ICCID", Some(order.iccid.to_string())),
            ("IMSI", order.imsi.as_ref().map(ToString::to_string)),
            ("type", Some(order.profile_type.to_string())),
            ("owner", Some(order.owner.to_string())),
            ("state", Some(order.state_name().to_string())),
            ("error", self.error()),
            (
                "last failure",
                self.failure.map(|failure| format!("{}, {}", failure.at, failure_words(failure))),
            ),
            ("EID", order.linked_eid().map(ToString::to_string)),
            ("bound to EID", self.order.bound().map(|bound| format!("{}, {}", bound.eid, bound.at))),
            ("matching identifier", matching_id),
            ("activation code", self.activation_code().map(|code| code.to_string())),
            ("confirmation code", code.map(str::to_owned)),
            ("expiry", expiry.or_else(|| confirmation.map(|_| "never".to_owned()))),
            ("attempts", released.then(|| self.attempts())),
            ("in stock since", Some(order.created_at.to_string())),
            ("reserved", reserved),
            ("confirmed", time(confirmation.map(|confirmation| confirmation.at))),
            ("released", time(order.released().map(|release| release.at))),
            ("ended", time(self.order.ended_at())),
            ("on the eUICC", self.run_time()),
            ("orders so far", Some(order.number.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .chain(self.terms.lines())
        .collect()
    }

    /// The same as JSON; what the state does not have is null.
    pub(super) fn json(&self) -> Map<String, Value> {
        let order = self.order;
        let confirmation = order.confirmation();
        let reservation = order.reservation();
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let attempts = order.released().map(|release| {
            let (attempts, limits) = (release.attempts, &self.limits);
            json!({
                "download": attempts.download,
                "downloadLeft": limits.download_attempts.saturating_sub(attempts.download),
                "confirmation": attempts.confirmation,
                "confirmationLeft": limits.confirmation_attempts.saturating_sub(attempts.confirmation),
            })
        });
        let value = json!({
            "iccid": order.iccid,
            "imsi": order.imsi,
            "profileType": order.profile_type.as_str(),
            "owner": order.owner.as_str(),
            "state": order.state_name().to_string(),
            "error": self.error(),
            "lastFailure": self.failure.map(|failure| {
                json!({
                    "function": failure.function,
                    "status": failure.status,
                    "detail": failure.detail,
                    "at": failure.at.to_string(),
                })
            }),
            "eid": order.eid(),
            "linkedEid": order.linked_eid(),
            "boundAt": time(self.order.bound().map(|bound| bound.at)),
            "matchingId": order.matching_id(),
            "activationCode": self.activation_code(),
            "confirmationCodeRequired": confirmation.map(|confirmation| confirmation.code_hash.is_some()),
            "expiresAt": time(order.expires_at()),
            "expired": self.is_expired(),
            "attempts": attempts,
            "createdAt": order.created_at.to_string(),
            "requester": reservation.map(|reservation| reservation.call.requester.as_str()),
            "callIdentifier": reservation.map(|reservation| reservation.call.call_identifier.as_str()),
            "reservedAt": time(reservation.map(|reservation| reservation.at)),
            "confirmedAt": time(confirmation.map(|confirmation| confirmation.at)),
            "releasedAt": time(order.released().map(|release| release.at)),
            "endedAt": time(self.order.ended_at()),
            "runTimeState": self.run_time(),
            "number": order.number,
        });
        let mut members = if let Value::Object(members) = value { members } else { Map::new() };
        members.extend(self.terms.json().map(|(name, value)| (name.to_owned(), value)));
        members
    }
}

/// Function, pair and text.
fn failure_words(failure: &LastFailure) -> String {
    let LastFailure { function, status, detail, .. } = failure;
    match status {
        Some(status) => format!("{function} {status}: {detail}"),
        None => format!("{function}: {detail}"),
    }
}
