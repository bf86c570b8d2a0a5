//! Whether an ES2+ call repeats an earlier one (SGP.22 5.2, 5.3).
//!
//! Call identifiers are neither unique nor new in practice, so a repetition is recognised by what the order
//! remembers: the same parameters, and a state that is still the one the first call left. A call that names an ICCID
//! repeats under any call identifier. A DownloadOrder by type repeats only under the same identifier within a short
//! time: the store finds that order, [`DownloadOrderParameters`] has what it compares.

use std::time::Duration;

use super::{
    CallIdentity, CodeHash, Confirmation, MatchingIdOrigin, NamedBy, Order, ProfileType, ReleaseTime, State,
};
use crate::env::Timestamp;
use crate::ident::{Eid, MatchingId};

/// The parameters of a DownloadOrder, as far as they tell one call from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadOrderParameters {
    /// Who called.
    pub call: CallIdentity,
    /// How the profile was named.
    pub named_by: NamedBy,
    /// The EID, if given.
    pub eid: Option<Eid>,
}

impl Order {
    /// Whether a DownloadOrder for this very ICCID repeats the one that reserved it.
    #[must_use]
    pub fn is_repeated_download_order(&self, parameters: &DownloadOrderParameters) -> bool {
        let (reservation, eid) = match &self.state {
            State::Allocated(reservation) => (reservation, None),
            State::Linked { reservation, eid } => (reservation, Some(eid)),
            State::Available
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return false,
        };
        reservation.call.requester == parameters.call.requester
            && reservation.named_by == parameters.named_by
            && eid == parameters.eid.as_ref()
    }

    /// Whether a DownloadOrder by type, at `now`, repeats the one that took this number at most `window` ago. A call
    /// without identifier repeats nothing.
    #[must_use]
    pub fn is_repeated_download_order_by_type(
        &self,
        profile_type: &ProfileType,
        parameters: &DownloadOrderParameters,
        now: Timestamp,
        window: Duration,
    ) -> bool {
        self.profile_type == *profile_type
            && !parameters.call.call_identifier.is_empty()
            && self.is_repeated_download_order(parameters)
            && self.reservation().is_some_and(|reservation| {
                reservation.call == parameters.call && now < reservation.at.plus(window)
            })
    }
}

/// The parameters of a ConfirmOrder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmOrderParameters {
    /// The EID, if given.
    pub eid: Option<Eid>,
    /// The matching identifier; `None` asks the server to draw one.
    pub matching_id: Option<MatchingId>,
    /// The hash of the confirmation code, if one is given.
    pub code_hash: Option<CodeHash>,
    /// The release flag.
    pub release_time: ReleaseTime,
}

impl Order {
    /// Whether this ConfirmOrder repeats the one that confirmed the order.
    #[must_use]
    pub fn is_repeated_confirm_order(&self, parameters: &ConfirmOrderParameters) -> bool {
        let (confirmation, left) = match &self.state {
            State::Confirmed(confirmation) => (confirmation, ReleaseTime::Later),
            State::Released(release) => (&release.confirmation, ReleaseTime::AtOnce),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return false,
        };
        left == parameters.release_time && same_parameters(confirmation, parameters)
    }

    /// Whether a ReleaseProfile repeats the one that released the order: ConfirmOrder did not release it itself.
    #[must_use]
    pub fn is_repeated_release_profile(&self) -> bool {
        match &self.state {
            State::Released(release) => release.confirmation.release_time == ReleaseTime::Later,
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => false,
        }
    }
}

fn same_parameters(confirmation: &Confirmation, parameters: &ConfirmOrderParameters) -> bool {
    let same_matching_id = match (&parameters.matching_id, confirmation.matching_id_origin) {
        (None, MatchingIdOrigin::Generated) => true,
        (Some(given), MatchingIdOrigin::Operator) => *given == confirmation.matching_id,
        (None, MatchingIdOrigin::Operator) | (Some(_), MatchingIdOrigin::Generated) => false,
    };
    same_matching_id
        && confirmation.confirmed_eid == parameters.eid
        && confirmation.code_hash == parameters.code_hash
        && confirmation.release_time == parameters.release_time
}
