//! A profile at the SM-DP+ and the order for it (SGP.22 3.1.6).
//!
//! One [`Order`] stands for one ICCID from the day it enters the stock: the profile is the order's subject, and a
//! profile nobody ordered is an order in state Available. A transition takes the order and returns the next one, or
//! says which state refused which event. The store writes what comes out; it decides nothing.

use super::name::{Operator, ProfileType};
use super::state::{
    Attempts, Bound, CodeHash, Confirmation, Download, ErrorReason, Failure, FinalStatus, Installation,
    Release, ReleaseTime, Reservation, State, StateName, Terms,
};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, Imsi, MatchingId};

/// What may happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// [`Order::reserve`].
    Reserve,
    /// [`Order::confirm`].
    Confirm,
    /// [`Order::release`].
    Release,
    /// [`Order::cancel`].
    Cancel(FinalStatus),
    /// [`Order::bind`].
    Bind,
    /// [`Order::install`].
    Install,
    /// [`Order::fail`].
    Fail,
    /// [`Order::recount`].
    Recount,
    /// [`Order::reset`].
    Reset,
    /// [`Order::furnish`].
    Furnish,
    /// [`Order::come_back`].
    ComeBack,
    /// [`Order::withdraw`].
    Withdraw,
}

/// A state refused an event; the order stays what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a profile in state {from} takes no {transition:?}")]
pub struct InvalidTransition {
    /// The state.
    pub from: StateName,
    /// The event.
    pub transition: Transition,
}

/// A profile at the SM-DP+ and the order for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The profile's number.
    pub iccid: Iccid,
    /// The subscription's number; a ready-made package may have none.
    pub imsi: Option<Imsi>,
    /// Whose profile it is.
    pub owner: Operator,
    /// Its kind.
    pub profile_type: ProfileType,
    /// When it entered the stock.
    pub created_at: Timestamp,
    /// How many orders this profile has seen: a session that outlives a cancelled order recognises it by this number.
    pub number: i64,
    /// The row's version as read; a change is made only while it holds. Attempts are counted without changing it.
    pub version: i64,
    /// Where it stands.
    pub state: State,
}

impl Order {
    /// The name of the state.
    #[must_use]
    pub const fn state_name(&self) -> StateName {
        match &self.state {
            State::Available => StateName::Available,
            State::Allocated(_) => StateName::Allocated,
            State::Linked { .. } => StateName::Linked,
            State::Confirmed(_) => StateName::Confirmed,
            State::Released(_) => StateName::Released,
            State::Downloaded(_) => StateName::Downloaded,
            State::Installed(_) => StateName::Installed,
            State::Error(_) => StateName::Error,
            State::Unavailable => StateName::Unavailable,
        }
    }

    /// What DownloadOrder left, in every state that follows it.
    #[must_use]
    pub fn reservation(&self) -> Option<&Reservation> {
        match &self.state {
            State::Allocated(reservation) | State::Linked { reservation, .. } => Some(reservation),
            State::Available
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => self.confirmation().map(|confirmation| &confirmation.reservation),
        }
    }

    /// What ConfirmOrder left, in every state that follows it.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        match &self.state {
            State::Confirmed(confirmation) => Some(confirmation),
            State::Available | State::Allocated(_) | State::Linked { .. } | State::Unavailable => None,
            State::Released(_) | State::Downloaded(_) | State::Installed(_) | State::Error(_) => {
                self.released().map(|release| &release.confirmation)
            }
        }
    }

    /// The release, in every state that follows it.
    #[must_use]
    pub const fn released(&self) -> Option<&Release> {
        match &self.state {
            State::Released(release) => Some(release),
            State::Downloaded(download) => Some(&download.release),
            State::Installed(installation) => Some(&installation.download.release),
            State::Error(failure) => Some(&failure.release),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Unavailable => None,
        }
    }

    /// The eUICC that the order is bound or linked to.
    #[must_use]
    pub fn eid(&self) -> Option<&Eid> {
        let own = match &self.state {
            State::Linked { eid, .. } => Some(eid),
            State::Downloaded(download) => Some(&download.bound.eid),
            State::Installed(installation) => Some(&installation.download.bound.eid),
            State::Error(failure) => failure.bound.as_ref().map(|bound| &bound.eid),
            State::Available
            | State::Allocated(_)
            | State::Confirmed(_)
            | State::Released(_)
            | State::Unavailable => None,
        };
        own.or_else(|| self.confirmation().and_then(Confirmation::linked_eid))
    }

    /// The eUICC that the operator linked the order to, whichever eUICC it is bound to.
    #[must_use]
    pub fn linked_eid(&self) -> Option<&Eid> {
        match &self.state {
            State::Linked { eid, .. } => Some(eid),
            State::Available
            | State::Allocated(_)
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => self.confirmation().and_then(Confirmation::linked_eid),
        }
    }

    /// What the order asks of its package; `None` where there is no order.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.reservation().map(|reservation| &reservation.terms)
    }

    /// The matching identifier, once assigned.
    #[must_use]
    pub fn matching_id(&self) -> Option<&MatchingId> {
        self.confirmation().map(|confirmation| &confirmation.matching_id)
    }

    /// The hash of the confirmation code, if one is asked for: then `ccRequiredFlag` is true.
    #[must_use]
    pub fn code_hash(&self) -> Option<&CodeHash> {
        self.confirmation().and_then(|confirmation| confirmation.code_hash.as_ref())
    }

    /// From when on the order is refused.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.confirmation().and_then(|confirmation| confirmation.expires_at)
    }

    /// What was counted since the release.
    #[must_use]
    pub fn attempts(&self) -> Attempts {
        self.released().map(|release| release.attempts).unwrap_or_default()
    }

    /// The eUICC that got the package, while the order remembers it.
    #[must_use]
    pub const fn bound(&self) -> Option<&Bound> {
        match &self.state {
            State::Downloaded(download) => Some(&download.bound),
            State::Installed(installation) => Some(&installation.download.bound),
            State::Error(failure) => failure.bound.as_ref(),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Released(_)
            | State::Unavailable => None,
        }
    }

    /// Why and when the order failed, in Error.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        if let State::Error(failure) = &self.state { Some(failure) } else { None }
    }

    /// When the order was installed or failed.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Installed(installation) => Some(installation.at),
            State::Error(failure) => Some(failure.at),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Unavailable => None,
        }
    }

    /// DownloadOrder: Available to Allocated, or to Linked if an EID is given.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn reserve(self, reservation: Reservation, eid: Option<Eid>) -> Result<Self, InvalidTransition> {
        let State::Available = self.state else { return Err(self.refuses(Transition::Reserve)) };
        let number = self.number.saturating_add(1);
        let state = match eid {
            Some(eid) => State::Linked { reservation, eid },
            None => State::Allocated(reservation),
        };
        Ok(Self { number, state, ..self })
    }

    /// ConfirmOrder: Allocated or Linked to Confirmed or Released, as the release flag says. `confirmation` makes the
    /// new state's data of the reservation and the EID that came with it.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn confirm(
        self,
        confirmation: impl FnOnce(Reservation, Option<Eid>) -> Confirmation,
    ) -> Result<Self, InvalidTransition> {
        let confirmation = match self.state {
            State::Allocated(reservation) => confirmation(reservation, None),
            State::Linked { reservation, eid } => confirmation(reservation, Some(eid)),
            State::Available
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Confirm)),
        };
        let state = match confirmation.release_time {
            ReleaseTime::AtOnce => {
                let at = confirmation.at;
                State::Released(Release { confirmation, at, attempts: Attempts::default() })
            }
            ReleaseTime::Later => State::Confirmed(confirmation),
        };
        Ok(Self { state, ..self })
    }

    /// ReleaseProfile: Confirmed to Released.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn release(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        let State::Confirmed(confirmation) = self.state else {
            return Err(self.refuses(Transition::Release));
        };
        let state = State::Released(Release { confirmation, at, attempts: Attempts::default() });
        Ok(Self { state, ..self })
    }

    /// CancelOrder: an order that reached no eUICC goes back to the stock or out of it, and its data is erased. A
    /// profile whose package was handed over before it failed can only leave the stock: its keys have been outside.
    ///
    /// # Errors
    /// [`InvalidTransition`] where there is no order, or the profile is downloaded or installed.
    pub fn cancel(self, status: FinalStatus) -> Result<Self, InvalidTransition> {
        let allowed = match &self.state {
            State::Allocated(_) | State::Linked { .. } | State::Confirmed(_) | State::Released(_) => true,
            State::Error(failure) => failure.bound.is_none() || status == FinalStatus::Unavailable,
            State::Available | State::Downloaded(_) | State::Installed(_) | State::Unavailable => false,
        };
        if !allowed {
            return Err(self.refuses(Transition::Cancel(status)));
        }
        let state = match status {
            FinalStatus::Available => State::Available,
            FinalStatus::Unavailable => State::Unavailable,
        };
        Ok(Self { state, ..self })
    }

    /// GetBoundProfilePackage: Released to Downloaded, or Downloaded again for the same eUICC (3.1.3.1).
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state, or for another eUICC than the one linked or bound.
    pub fn bind(self, eid: Eid, at: Timestamp) -> Result<Self, InvalidTransition> {
        if self.eid().is_some_and(|own| *own != eid) {
            return Err(self.refuses(Transition::Bind));
        }
        let release = match self.state {
            State::Released(release) => release,
            State::Downloaded(download) => download.release,
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Bind)),
        };
        Ok(Self { state: State::Downloaded(Download { release, bound: Bound { eid, at } }), ..self })
    }

    /// A verified result reports success: Downloaded to Installed. From Error too, if the profile was bound before it
    /// failed: the eUICC says that it holds it, whatever was decided here while its report was on the way.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn install(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        let download = match self.state {
            State::Downloaded(download) => download,
            State::Error(Failure { release, bound: Some(bound), .. }) => Download { release, bound },
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Released(_)
            | State::Installed(_)
            | State::Error(Failure { bound: None, .. })
            | State::Unavailable => return Err(self.refuses(Transition::Install)),
        };
        Ok(Self { state: State::Installed(Installation { download, at, run_time: None }), ..self })
    }

    /// Released or Downloaded to Error: attempts used up, expired, not eligible, cancelled by the user, permanent
    /// installation error.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn fail(self, reason: ErrorReason, at: Timestamp) -> Result<Self, InvalidTransition> {
        let (release, bound) = match self.state {
            State::Released(release) => (release, None),
            State::Downloaded(download) => (download.release, Some(download.bound)),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Fail)),
        };
        Ok(Self { state: State::Error(Failure { release, bound, reason, at }), ..self })
    }

    /// A hand on the counters: Released or Downloaded stays what it is, with these attempts counted. The standard has no
    /// such function; laboratories prepare orders with it.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state: nothing is counted there.
    pub fn recount(self, attempts: Attempts) -> Result<Self, InvalidTransition> {
        let state = match self.state {
            State::Released(release) => State::Released(Release { attempts, ..release }),
            State::Downloaded(download) => {
                State::Downloaded(Download { release: Release { attempts, ..download.release }, ..download })
            }
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Recount)),
        };
        Ok(Self { state, ..self })
    }

    /// An operator puts an order back that is in Error, out of attempts or expired: no attempts are counted, and it
    /// lasts until `expires_at`. It is Released again; one whose package was handed over is Downloaded again, since its
    /// keys have been outside and no other eUICC may get them. The standard has no such function.
    ///
    /// # Errors
    /// [`InvalidTransition`] where the order was never released, is installed, or is over for good.
    pub fn reset(self, expires_at: Option<Timestamp>) -> Result<Self, InvalidTransition> {
        let (release, bound) = match self.state {
            State::Released(release) => (release, None),
            State::Downloaded(download) => (download.release, Some(download.bound)),
            State::Error(failure) => (failure.release, failure.bound),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Installed(_)
            | State::Unavailable => return Err(self.refuses(Transition::Reset)),
        };
        let confirmation = Confirmation { expires_at, ..release.confirmation };
        let release = Release { confirmation, at: release.at, attempts: Attempts::default() };
        let state = match bound {
            None => State::Released(release),
            Some(bound) => State::Downloaded(Download { release, bound }),
        };
        Ok(Self { state, ..self })
    }

    /// Says what the order asks of its package, before a matching identifier leads to it. The standard has no such
    /// function.
    ///
    /// # Errors
    /// [`InvalidTransition`] unless it is Allocated or Linked.
    pub fn furnish(self, terms: Terms) -> Result<Self, InvalidTransition> {
        let state = match self.state {
            State::Allocated(reservation) => State::Allocated(Reservation { terms, ..reservation }),
            State::Linked { reservation, eid } => {
                State::Linked { reservation: Reservation { terms, ..reservation }, eid }
            }
            State::Available
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Furnish)),
        };
        Ok(Self { state, ..self })
    }

    /// A profile comes back to the stock, Available, whether it was on an eUICC or not; [`super::shelf::fate`] says whether
    /// it may. What the order held is erased. The standard has no such function.
    ///
    /// # Errors
    /// [`InvalidTransition`] where an order is under way, or the profile left the stock.
    pub fn come_back(self) -> Result<Self, InvalidTransition> {
        match self.state {
            State::Available
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(Failure { bound: Some(_), .. }) => Ok(Self { state: State::Available, ..self }),
            State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Released(_)
            | State::Error(Failure { bound: None, .. })
            | State::Unavailable => Err(self.refuses(Transition::ComeBack)),
        }
    }

    /// A profile leaves the stock for good, Unavailable; what the order held is erased. The standard has no such function.
    ///
    /// # Errors
    /// [`InvalidTransition`] where an order is under way.
    pub fn withdraw(self) -> Result<Self, InvalidTransition> {
        match self.state {
            State::Available
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => Ok(Self { state: State::Unavailable, ..self }),
            State::Allocated(_) | State::Linked { .. } | State::Confirmed(_) | State::Released(_) => {
                Err(self.refuses(Transition::Withdraw))
            }
        }
    }

    fn refuses(&self, transition: Transition) -> InvalidTransition {
        InvalidTransition { from: self.state_name(), transition }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::EligibilityRule;
    use super::super::state::{CallIdentity, MatchingIdOrigin, NamedBy};
    use super::*;

    pub(crate) const EID: &str = "89049032000000000000279973200019";
    pub(crate) const OTHER_EID: &str = "89049032000000000000279973200020";

    pub(crate) fn eid(text: &str) -> Eid {
        Eid::parse(text).unwrap()
    }

    pub(crate) fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    pub(crate) fn available() -> Order {
        Order {
            iccid: Iccid::parse("8988211000000000001").unwrap(),
            imsi: None,
            owner: Operator::parse("operator").unwrap(),
            profile_type: ProfileType::parse("P1").unwrap(),
            created_at: at(0),
            number: 0,
            version: 0,
            state: State::Available,
        }
    }

    pub(crate) fn reservation() -> Reservation {
        let call = CallIdentity::new("1.2.3", "call");
        Reservation { call, named_by: NamedBy::Iccid, at: at(10), terms: Terms::default() }
    }

    pub(crate) fn confirmation(reservation: Reservation, ordered_eid: Option<Eid>) -> Confirmation {
        Confirmation {
            reservation,
            ordered_eid,
            confirmed_eid: None,
            matching_id: MatchingId::parse("M-1").unwrap(),
            matching_id_origin: MatchingIdOrigin::Operator,
            code_hash: None,
            release_time: ReleaseTime::AtOnce,
            at: at(20),
            expires_at: Some(at(1000)),
        }
    }

    pub(crate) fn released(linked: Option<&str>) -> Order {
        available().reserve(reservation(), linked.map(eid)).unwrap().confirm(confirmation).unwrap()
    }

    /// One order in each state; Error twice, since a profile whose package was handed over is another matter.
    pub(crate) fn in_every_state() -> Vec<(&'static str, Order)> {
        let later = |reservation, eid| Confirmation {
            release_time: ReleaseTime::Later,
            ..confirmation(reservation, eid)
        };
        let downloaded = || released(None).bind(eid(EID), at(30)).unwrap();
        let reserved = |linked| available().reserve(reservation(), linked).unwrap();
        vec![
            ("Available", available()),
            ("Allocated", reserved(None)),
            ("Linked", reserved(Some(eid(EID)))),
            ("Confirmed", reserved(None).confirm(later).unwrap()),
            ("Released", released(None)),
            ("Downloaded", downloaded()),
            ("Installed", downloaded().install(at(40)).unwrap()),
            (
                "Error, never bound",
                released(None).fail(ErrorReason::NotEligible(EligibilityRule::Memory), at(40)).unwrap(),
            ),
            ("Error, bound", downloaded().fail(ErrorReason::Installation(12), at(40)).unwrap()),
            ("Unavailable", reserved(None).cancel(FinalStatus::Unavailable).unwrap()),
        ]
    }

    #[test]
    fn every_state_meets_every_event() {
        type Event = (&'static str, fn(Order) -> Result<Order, InvalidTransition>);
        let events: [Event; 15] = [
            ("reserve", |order| order.reserve(reservation(), None)),
            ("reserve for an EID", |order| order.reserve(reservation(), Some(eid(EID)))),
            ("confirm", |order| order.confirm(confirmation)),
            ("release", |order| order.release(at(50))),
            ("cancel to Available", |order| order.cancel(FinalStatus::Available)),
            ("cancel to Unavailable", |order| order.cancel(FinalStatus::Unavailable)),
            ("bind", |order| order.bind(eid(EID), at(50))),
            ("bind by another eUICC", |order| order.bind(eid(OTHER_EID), at(50))),
            ("install", |order| order.install(at(50))),
            ("fail", |order| order.fail(ErrorReason::Expired, at(50))),
            ("recount", |order| order.recount(Attempts { download: 3, confirmation: 2 })),
            ("reset", |order| order.reset(None)),
            ("furnish", |order| order.furnish(Terms::default())),
            ("come back", Order::come_back),
            ("withdraw", Order::withdraw),
        ];
        let mut table = String::new();
        for (state, order) in in_every_state() {
            for (name, event) in events {
                let outcome = match event(order.clone()) {
                    Ok(next) => next.state_name().to_string(),
                    Err(InvalidTransition { from, .. }) => {
                        assert_eq!(from, order.state_name());
                        continue;
                    }
                };
                table += &format!("{state}: {name} -> {outcome}\n");
            }
        }
        insta::assert_snapshot!(table, @r"
        Available: reserve -> Allocated
        Available: reserve for an EID -> Linked
        Available: come back -> Available
        Available: withdraw -> Unavailable
        Allocated: confirm -> Released
        Allocated: cancel to Available -> Available
        Allocated: cancel to Unavailable -> Unavailable
        Allocated: furnish -> Allocated
        Linked: confirm -> Released
        Linked: cancel to Available -> Available
        Linked: cancel to Unavailable -> Unavailable
        Linked: furnish -> Linked
        Confirmed: release -> Released
        Confirmed: cancel to Available -> Available
        Confirmed: cancel to Unavailable -> Unavailable
        Released: cancel to Available -> Available
        Released: cancel to Unavailable -> Unavailable
        Released: bind -> Downloaded
        Released: bind by another eUICC -> Downloaded
        Released: fail -> Error
        Released: recount -> Released
        Released: reset -> Released
        Downloaded: bind -> Downloaded
        Downloaded: install -> Installed
        Downloaded: fail -> Error
        Downloaded: recount -> Downloaded
        Downloaded: reset -> Downloaded
        Downloaded: come back -> Available
        Downloaded: withdraw -> Unavailable
        Installed: come back -> Available
        Installed: withdraw -> Unavailable
        Error, never bound: cancel to Available -> Available
        Error, never bound: cancel to Unavailable -> Unavailable
        Error, never bound: reset -> Released
        Error, never bound: withdraw -> Unavailable
        Error, bound: cancel to Unavailable -> Unavailable
        Error, bound: install -> Installed
        Error, bound: reset -> Downloaded
        Error, bound: come back -> Available
        Error, bound: withdraw -> Unavailable
        Unavailable: withdraw -> Unavailable
        ");
    }

    #[test]
    fn what_an_order_is_linked_and_bound_to() {
        let open = released(None).bind(eid(EID), at(30)).unwrap();
        assert_eq!((open.eid(), open.linked_eid()), (Some(&eid(EID)), None));
        let linked = released(Some(EID));
        assert_eq!((linked.eid(), linked.linked_eid()), (Some(&eid(EID)), Some(&eid(EID))));
        assert!(linked.clone().bind(eid(OTHER_EID), at(30)).is_err(), "linked to another eUICC");
        let bound = linked.bind(eid(EID), at(30)).unwrap();
        assert!(bound.clone().bind(eid(OTHER_EID), at(31)).is_err(), "bound to another eUICC");
        assert_eq!(bound.bind(eid(EID), at(31)).unwrap().state_name(), StateName::Downloaded);
    }

    #[test]
    fn a_reset_forgets_what_was_counted_and_nothing_else() {
        let used_up = Attempts { download: 3, confirmation: 2 };
        let untouched = released(Some(EID)).reset(Some(at(2000))).unwrap();
        let failed =
            released(Some(EID)).recount(used_up).unwrap().fail(ErrorReason::Expired, at(40)).unwrap();
        assert_eq!(failed.attempts(), used_up);
        let reset = failed.reset(Some(at(2000))).unwrap();
        assert_eq!((reset.attempts(), reset.expires_at()), (Attempts::default(), Some(at(2000))));
        assert_eq!(reset, untouched);
        // One whose package was handed over stays with the eUICC that got it.
        let bound = released(None).bind(eid(EID), at(30)).unwrap();
        let failed = bound.clone().fail(ErrorReason::Installation(12), at(40)).unwrap();
        let reset = failed.reset(Some(at(1000))).unwrap();
        assert_eq!(reset, bound);
        assert!(reset.bind(eid(OTHER_EID), at(50)).is_err(), "another eUICC");
    }

    #[test]
    fn cancelling_erases_the_order() {
        let cancelled = released(Some(EID)).cancel(FinalStatus::Available).unwrap();
        assert_eq!(cancelled, Order { number: 1, ..available() });
    }
}
