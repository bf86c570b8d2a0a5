//! Which order a pair of matching identifier and EID may download (SGP.22 5.6.3, the combinations of SGP.23 4.3.14).

use super::{ErrorReason, Order, State};
use crate::env::Timestamp;
use crate::ident::{Eid, MatchingId};

/// How often an order may be tried (3.1.5); settings of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// AuthenticateClient calls that reach the order, at least 1.
    pub download_attempts: u32,
    /// Wrong confirmation codes, at least 1.
    pub confirmation_attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { download_attempts: 10, confirmation_attempts: 5 }
    }
}

/// The order that is to be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The order.
    pub order: Order,
    /// First download or retry.
    pub accepted_as: AcceptedAs,
}

/// Whether a package was bound before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptedAs {
    /// The order is Released: no package was bound.
    First,
    /// The order is Downloaded by the same eUICC: `bppEuiccOtpk` of the kept binding is offered (3.1.3.1).
    Retry,
}

/// Why no order is downloaded; one variant for each answer of 5.6.3. Where the order is known, it comes along: the
/// operator is told, and an order that ended is put into state Error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 8.2.6/3.8: no order has this matching identifier, or the one that has it is used up.
    #[error("no order can be downloaded with this matching identifier")]
    MatchingIdRefused,
    /// 8.1.1/3.8: the order is for another eUICC, or none is for this one.
    #[error("no order with this matching identifier is for this EID")]
    EidMismatch,
    /// 8.2/1.2: the order is Confirmed, not Released.
    #[error("profile {} is not released yet", .0.iccid)]
    NotReleased(Box<Order>),
    /// 8.8.5/4.10: the order expired.
    #[error("the order of profile {} expired", .0.iccid)]
    Expired(Box<Order>),
    /// 8.8.5/6.4: the attempts are used up.
    #[error("the attempts of profile {} are used up", .0.iccid)]
    AttemptsExceeded(Box<Order>),
}

/// Chooses among `candidates`: all orders with this matching identifier if it is given and not empty, otherwise all
/// orders of this EID.
///
/// A matching identifier that is used up (Installed, Unavailable, Error for another reason than attempts or expiry) is
/// refused before the EID is looked at; an order for another EID is refused before its state is told. Without an
/// identifier, a retry goes before the oldest released order, and a refusal tells the state that is nearest to a
/// download.
///
/// # Errors
/// [`Refusal`].
pub fn select_order(
    candidates: Vec<Order>,
    matching_id: Option<&MatchingId>,
    eid: &Eid,
    now: Timestamp,
    limits: &Limits,
) -> Result<Accepted, Refusal> {
    match matching_id.filter(|id| !id.is_empty()) {
        Some(id) => {
            let order = candidates.into_iter().find(|order| order.matching_id() == Some(id));
            let order = order.filter(is_alive).ok_or(Refusal::MatchingIdRefused)?;
            if order.eid().is_some_and(|own| own != eid) {
                return Err(Refusal::EidMismatch);
            }
            assess(order, now, limits)
        }
        None => candidates
            .into_iter()
            .filter(|order| order.eid() == Some(eid) && is_alive(order))
            .map(|order| (ordered_at(&order), assess(order, now, limits)))
            .min_by_key(|(at, assessed)| (rank(assessed), *at))
            .map_or(Err(Refusal::EidMismatch), |(_, assessed)| assessed),
    }
}

/// Whether its matching identifier still means something to an LPA.
fn is_alive(order: &Order) -> bool {
    match &order.state {
        State::Confirmed(_) | State::Released(_) | State::Downloaded(_) => true,
        State::Error(failure) => match failure.reason {
            ErrorReason::DownloadAttempts | ErrorReason::ConfirmationAttempts | ErrorReason::Expired => true,
            ErrorReason::NotEligible(_) | ErrorReason::Cancelled(_) | ErrorReason::Installation(_) => false,
        },
        State::Available
        | State::Allocated(_)
        | State::Linked { .. }
        | State::Installed(_)
        | State::Unavailable => false,
    }
}

/// The order is the caller's: is it ready?
fn assess(order: Order, now: Timestamp, limits: &Limits) -> Result<Accepted, Refusal> {
    let accepted_as = match &order.state {
        State::Released(_) => AcceptedAs::First,
        State::Downloaded(_) => AcceptedAs::Retry,
        State::Confirmed(_) => return Err(Refusal::NotReleased(Box::new(order))),
        State::Error(failure) if failure.reason == ErrorReason::Expired => {
            return Err(Refusal::Expired(Box::new(order)));
        }
        State::Error(_) => return Err(Refusal::AttemptsExceeded(Box::new(order))),
        State::Available
        | State::Allocated(_)
        | State::Linked { .. }
        | State::Installed(_)
        | State::Unavailable => return Err(Refusal::MatchingIdRefused),
    };
    if order.expires_at().is_some_and(|at| at <= now) {
        return Err(Refusal::Expired(Box::new(order)));
    }
    let attempts = order.attempts();
    if attempts.download >= limits.download_attempts || attempts.confirmation >= limits.confirmation_attempts
    {
        return Err(Refusal::AttemptsExceeded(Box::new(order)));
    }
    Ok(Accepted { order, accepted_as })
}

/// Lower is nearer to a download.
fn rank(assessed: &Result<Accepted, Refusal>) -> u8 {
    match assessed {
        Ok(Accepted { accepted_as: AcceptedAs::Retry, .. }) => 0,
        Ok(Accepted { accepted_as: AcceptedAs::First, .. }) => 1,
        Err(Refusal::NotReleased(_)) => 2,
        Err(Refusal::Expired(_)) => 3,
        Err(Refusal::AttemptsExceeded(_)) => 4,
        Err(Refusal::EidMismatch | Refusal::MatchingIdRefused) => 5,
    }
}

fn ordered_at(order: &Order) -> Option<Timestamp> {
    order.reservation().map(|reservation| reservation.at)
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{
        EID, OTHER_EID, at, available, eid, in_every_state, released, reservation,
    };
    use super::super::{Attempts, Release};
    use super::*;

    const LIMITS: Limits = Limits { download_attempts: 3, confirmation_attempts: 2 };

    fn with_attempts(download: u32, confirmation: u32) -> Order {
        let order = released(None);
        let State::Released(release) = order.state else { panic!("released") };
        let attempts = Attempts { download, confirmation };
        Order { state: State::Released(Release { attempts, ..release }), ..order }
    }

    fn select(candidates: Vec<Order>, matching_id: Option<&str>, own: &str, now: i64) -> String {
        let matching_id = matching_id.map(|id| MatchingId::parse(id).unwrap());
        match select_order(candidates, matching_id.as_ref(), &eid(own), at(now), &LIMITS) {
            Ok(accepted) => format!("{:?}", accepted.accepted_as),
            Err(refusal) => format!("{refusal:?}").chars().take_while(|c| c.is_alphabetic()).collect(),
        }
    }

    #[test]
    fn every_state_answers_a_matching_identifier() {
        let mut table = String::new();
        for (state, order) in in_every_state() {
            for (whose, own) in [("its", EID), ("another", OTHER_EID)] {
                let answer = select(vec![order.clone()], Some("M-1"), own, 100);
                table += &format!("{state}, {whose} EID: {answer}\n");
            }
        }
        insta::assert_snapshot!(table, @r"
        Available, its EID: MatchingIdRefused
        Available, another EID: MatchingIdRefused
        Allocated, its EID: MatchingIdRefused
        Allocated, another EID: MatchingIdRefused
        Linked, its EID: MatchingIdRefused
        Linked, another EID: MatchingIdRefused
        Confirmed, its EID: NotReleased
        Confirmed, another EID: NotReleased
        Released, its EID: First
        Released, another EID: First
        Downloaded, its EID: Retry
        Downloaded, another EID: EidMismatch
        Installed, its EID: MatchingIdRefused
        Installed, another EID: MatchingIdRefused
        Error, never bound, its EID: MatchingIdRefused
        Error, never bound, another EID: MatchingIdRefused
        Error, bound, its EID: MatchingIdRefused
        Error, bound, another EID: MatchingIdRefused
        Unavailable, its EID: MatchingIdRefused
        Unavailable, another EID: MatchingIdRefused
        ");
    }

    #[test]
    fn the_combinations_of_matching_identifier_and_eid() {
        let linked = || released(Some(EID));
        for (what, candidates, matching_id, own, expected) in [
            ("no order for the EID", vec![], None, EID, "EidMismatch"),
            ("empty is absent", vec![], Some(""), EID, "EidMismatch"),
            ("by EID", vec![linked()], None, EID, "First"),
            ("by EID, empty identifier", vec![linked()], Some(""), EID, "First"),
            ("by another EID", vec![linked()], None, OTHER_EID, "EidMismatch"),
            ("an order without EID is not found by one", vec![released(None)], None, EID, "EidMismatch"),
            ("unknown identifier", vec![], Some("M-1"), EID, "MatchingIdRefused"),
            ("unknown identifier, order for the EID", vec![linked()], Some("M-2"), EID, "MatchingIdRefused"),
            ("letter case counts", vec![linked()], Some("m-1"), EID, "MatchingIdRefused"),
            ("identifier, no EID in the order", vec![released(None)], Some("M-1"), EID, "First"),
            ("identifier and EID", vec![linked()], Some("M-1"), EID, "First"),
            ("identifier and another EID", vec![linked()], Some("M-1"), OTHER_EID, "EidMismatch"),
            (
                "reserved only",
                vec![available().reserve(reservation(), Some(eid(EID))).unwrap()],
                None,
                EID,
                "EidMismatch",
            ),
        ] {
            assert_eq!(select(candidates, matching_id, own, 100), expected, "{what}");
        }
    }

    #[test]
    fn expiry_and_attempts_end_an_order() {
        for (order, now, expected) in [
            (with_attempts(2, 1), 999, "First"),
            (with_attempts(0, 0), 1000, "Expired"),
            (with_attempts(3, 0), 999, "AttemptsExceeded"),
            (with_attempts(0, 2), 999, "AttemptsExceeded"),
            (released(None).bind(eid(EID), at(30)).unwrap(), 999, "Retry"),
            (released(None).bind(eid(EID), at(30)).unwrap(), 1000, "Expired"),
            (released(None).fail(ErrorReason::Expired, at(1)).unwrap(), 1, "Expired"),
            (released(None).fail(ErrorReason::DownloadAttempts, at(1)).unwrap(), 1, "AttemptsExceeded"),
            (released(None).fail(ErrorReason::ConfirmationAttempts, at(1)).unwrap(), 1, "AttemptsExceeded"),
            (released(None).fail(ErrorReason::Cancelled(0), at(1)).unwrap(), 1, "MatchingIdRefused"),
            (released(None).fail(ErrorReason::Installation(12), at(1)).unwrap(), 1, "MatchingIdRefused"),
        ] {
            assert_eq!(select(vec![order.clone()], Some("M-1"), EID, now), expected, "{order:?} at {now}");
        }
    }

    #[test]
    fn without_identifier_the_retry_goes_first_then_the_oldest() {
        let ordered_at = |secs| {
            let reservation = super::super::Reservation { at: at(secs), ..reservation() };
            let order = available().reserve(reservation, Some(eid(EID))).unwrap();
            order.confirm(super::super::order::tests::confirmation).unwrap()
        };
        let (younger, older) = (ordered_at(20), ordered_at(10));
        let retry = ordered_at(30).bind(eid(EID), at(31)).unwrap();
        let over = older.clone().fail(ErrorReason::Expired, at(40)).unwrap();
        let choose = |candidates| {
            let accepted = select_order(candidates, None, &eid(EID), at(100), &LIMITS).unwrap();
            ordered_at_of(&accepted.order)
        };
        assert_eq!(choose(vec![younger.clone(), over.clone(), older.clone()]), 10);
        assert_eq!(choose(vec![younger.clone(), older, retry]), 30);
        assert_eq!(choose(vec![over.clone(), younger]), 20);
        assert_eq!(select(vec![over], None, EID, 100), "Expired");
    }

    fn ordered_at_of(order: &Order) -> i64 {
        ordered_at(order).unwrap().as_secs()
    }
}
