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
            ErrorReason::NotEligible | ErrorReason::Cancelled(_) | ErrorReason::Installation(_) => false,
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
