//! Whether an ES2+ call repeats an earlier one (SGP.22 5.2, 5.3).
//!
//! Call identifiers are neither unique nor new in practice, so a repetition is recognised by what the order
//! remembers: the same parameters, and a state that is still the one the first call left. A call that names an ICCID
//! repeats under any call identifier. A DownloadOrder by type repeats only under the same identifier within a short
//! time: the store finds that order, [`DownloadOrderParameters`] has what it compares.

use super::{CallIdentity, CodeHash, Confirmation, MatchingIdOrigin, NamedBy, Order, ReleaseTime, State};
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

#[cfg(test)]
mod tests {
    use super::super::Reservation;
    use super::super::order::tests::{
        EID, OTHER_EID, at, available, confirmation, eid, in_every_state, reservation,
    };
    use super::*;

    fn download(
        requester: &str,
        call: &str,
        named_by: NamedBy,
        own: Option<&str>,
    ) -> DownloadOrderParameters {
        DownloadOrderParameters { call: CallIdentity::new(requester, call), named_by, eid: own.map(eid) }
    }

    #[test]
    fn a_download_order_repeats_only_with_the_same_parameters() {
        let allocated = available().reserve(reservation(), None).unwrap();
        let linked = available().reserve(reservation(), Some(eid(EID))).unwrap();
        for (order, parameters, expected) in [
            (&allocated, download("1.2.3", "call", NamedBy::Iccid, None), true),
            (&allocated, download("1.2.3", "another", NamedBy::Iccid, None), true),
            (&allocated, download("1.2.4", "call", NamedBy::Iccid, None), false),
            (&allocated, download("1.2.3", "call", NamedBy::IccidAndType, None), false),
            (&allocated, download("1.2.3", "call", NamedBy::Iccid, Some(EID)), false),
            (&linked, download("1.2.3", "call", NamedBy::Iccid, Some(EID)), true),
            (&linked, download("1.2.3", "call", NamedBy::Iccid, None), false),
            (&linked, download("1.2.3", "call", NamedBy::Iccid, Some(OTHER_EID)), false),
        ] {
            assert_eq!(order.is_repeated_download_order(&parameters), expected, "{parameters:?}");
        }
        let parameters = download("1.2.3", "call", NamedBy::Iccid, None);
        let repeats: Vec<_> = in_every_state()
            .into_iter()
            .filter(|(_, order)| order.is_repeated_download_order(&parameters))
            .map(|(state, _)| state)
            .collect();
        assert_eq!(repeats, ["Allocated"]);
    }

    fn confirm(
        matching_id: Option<&str>,
        own: Option<&str>,
        code: Option<u8>,
        release_time: ReleaseTime,
    ) -> ConfirmOrderParameters {
        ConfirmOrderParameters {
            eid: own.map(eid),
            matching_id: matching_id.map(|id| MatchingId::parse(id).unwrap()),
            code_hash: code.map(|code| CodeHash::from_octets([code; 32])),
            release_time,
        }
    }

    #[test]
    fn a_confirm_order_repeats_only_with_the_same_parameters() {
        use ReleaseTime::{AtOnce, Later};
        let order = |origin, code: Option<u8>, own: Option<&str>| {
            let order = available().reserve(reservation(), None).unwrap();
            let confirm = |reservation: Reservation, ordered_eid| Confirmation {
                matching_id_origin: origin,
                code_hash: code.map(|code| CodeHash::from_octets([code; 32])),
                confirmed_eid: own.map(eid),
                ..confirmation(reservation, ordered_eid)
            };
            order.confirm(confirm).unwrap()
        };
        let given = order(MatchingIdOrigin::Operator, Some(1), Some(EID));
        let drawn = order(MatchingIdOrigin::Generated, None, None);
        for (order, parameters, expected) in [
            (&given, confirm(Some("M-1"), Some(EID), Some(1), AtOnce), true),
            (&given, confirm(Some("M-2"), Some(EID), Some(1), AtOnce), false),
            (&given, confirm(None, Some(EID), Some(1), AtOnce), false),
            (&given, confirm(Some("M-1"), None, Some(1), AtOnce), false),
            (&given, confirm(Some("M-1"), Some(EID), Some(2), AtOnce), false),
            (&given, confirm(Some("M-1"), Some(EID), None, AtOnce), false),
            (&given, confirm(Some("M-1"), Some(EID), Some(1), Later), false),
            (&drawn, confirm(None, None, None, AtOnce), true),
            (&drawn, confirm(Some("M-1"), None, None, AtOnce), false),
        ] {
            assert_eq!(order.is_repeated_confirm_order(&parameters), expected, "{parameters:?}");
        }
        for (state, order) in in_every_state() {
            let at_once = order.is_repeated_confirm_order(&confirm(Some("M-1"), None, None, AtOnce));
            let later = order.is_repeated_confirm_order(&confirm(Some("M-1"), None, None, Later));
            assert_eq!((at_once, later), (state == "Released", state == "Confirmed"), "{state}");
        }
    }

    #[test]
    fn only_an_order_that_release_profile_released_is_released_again() {
        for (state, order) in in_every_state() {
            assert!(!order.is_repeated_release_profile(), "{state}");
            if let Ok(released) = order.release(at(60)) {
                assert!(released.is_repeated_release_profile(), "{state}");
            }
        }
    }
}
