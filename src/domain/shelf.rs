//! The shelf: where a profile stands in the stock while no order holds it, and what becomes of one that comes back.
//!
//! Orders say what an SM-DP+ does with a profile; the shelf says what the stock does. A profile is taken by type and count,
//! reserved for a time or for good; given back, it waits in quarantine; retired, its keys are gone.

use std::time::Duration;

use super::order::Order;
use super::state::{RunTimeState, State, StateName};
use crate::env::Timestamp;

/// Where a profile stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Anybody may order it.
    Stock,
    /// Somebody has it; until a time, if there is one.
    Reserved {
        /// From then on it is given back.
        until: Option<Timestamp>,
    },
    /// It was given back, and is in stock again behind this time.
    Quarantined {
        /// When.
        until: Timestamp,
    },
    /// It is nobody's for ever; its keys are gone.
    Retired,
}

/// What may happen on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShelfEvent {
    /// [`Shelf::reserve`].
    Reserve,
    /// [`Shelf::give_back`].
    GiveBack,
    /// [`Shelf::retire`].
    Retire,
}

/// A profile stands where an event is not possible; it stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a profile that is {} takes no {event:?}", .from.name())]
pub struct InvalidShelf {
    /// Where it stands.
    pub from: Shelf,
    /// The event.
    pub event: ShelfEvent,
}

impl Shelf {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stock => "in stock",
            Self::Reserved { .. } => "reserved",
            Self::Quarantined { .. } => "quarantined",
            Self::Retired => "retired",
        }
    }

    /// Where it stands at `now`: a reservation that ran out is quarantine from that moment on, a quarantine that ended is
    /// the stock, whether a job has come round or not.
    #[must_use]
    pub fn at(self, now: Timestamp, quarantine: Duration) -> Self {
        let ended = match self {
            Self::Reserved { until: Some(until) } if until <= now => {
                Self::Quarantined { until: until.plus(quarantine) }
            }
            other => other,
        };
        match ended {
            Self::Quarantined { until } if until <= now => Self::Stock,
            other => other,
        }
    }

    /// Out of the stock.
    ///
    /// # Errors
    /// [`InvalidShelf`] where somebody has it, or nobody may.
    pub const fn reserve(self, until: Option<Timestamp>) -> Result<Self, InvalidShelf> {
        match self {
            Self::Stock => Ok(Self::Reserved { until }),
            Self::Reserved { .. } | Self::Quarantined { .. } | Self::Retired => {
                Err(InvalidShelf { from: self, event: ShelfEvent::Reserve })
            }
        }
    }

    /// Into quarantine.
    ///
    /// # Errors
    /// [`InvalidShelf`] unless somebody has it.
    pub const fn give_back(self, until: Timestamp) -> Result<Self, InvalidShelf> {
        match self {
            Self::Reserved { .. } => Ok(Self::Quarantined { until }),
            Self::Stock | Self::Quarantined { .. } | Self::Retired => {
                Err(InvalidShelf { from: self, event: ShelfEvent::GiveBack })
            }
        }
    }

    /// Out of everything.
    ///
    /// # Errors
    /// [`InvalidShelf`] if it is retired already.
    pub const fn retire(self) -> Result<Self, InvalidShelf> {
        match self {
            Self::Stock | Self::Reserved { .. } | Self::Quarantined { .. } => Ok(Self::Retired),
            Self::Retired => Err(InvalidShelf { from: self, event: ShelfEvent::Retire }),
        }
    }
}

/// Whether the eUICC that has a profile is known to be out of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Euicc {
    /// Nobody says so.
    InUse,
    /// An operator declared it lost.
    Lost,
}

/// What becomes of a profile that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Into quarantine, with its keys.
    Quarantine,
    /// Retired: its keys have been outside, and nobody knows that they are nowhere else.
    Retired,
}

/// Why a profile cannot come back now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBack {
    /// There is an order for it.
    #[error("there is an order for it, {0}: cancel that first")]
    Ordered(StateName),
    /// It is on an eUICC.
    #[error(
        "it is {0} on an eUICC, and no deletion was notified: declare the eUICC lost, or retire the profile"
    )]
    OnEuicc(StateName),
    /// It left the stock.
    #[error("it left the stock for good")]
    Gone,
}

/// What becomes of the profile of this order when it is given back: one that never left comes back with its keys; one that
/// was on an eUICC comes back if its type is `reusable` and its deletion was notified, or the eUICC declared lost.
///
/// # Errors
/// [`NotBack`] where it is not to be decided yet.
pub fn fate(order: &Order, reusable: bool, euicc: Euicc) -> Result<Fate, NotBack> {
    let name = order.state_name();
    let is_free = match &order.state {
        State::Available => return Ok(Fate::Quarantine),
        State::Allocated(_) | State::Linked { .. } | State::Confirmed(_) | State::Released(_) => {
            return Err(NotBack::Ordered(name));
        }
        State::Unavailable => return Err(NotBack::Gone),
        State::Error(failure) if failure.bound.is_none() => return Err(NotBack::Ordered(name)),
        State::Error(_) => euicc == Euicc::Lost,
        State::Installed(installation) if installation.run_time == Some(RunTimeState::Deleted) => true,
        State::Downloaded(_) | State::Installed(_) if euicc == Euicc::InUse => {
            return Err(NotBack::OnEuicc(name));
        }
        State::Downloaded(_) | State::Installed(_) => true,
    };
    Ok(if is_free && reusable { Fate::Quarantine } else { Fate::Retired })
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{at, in_every_state};
    use super::super::state::Installation;
    use super::*;

    const QUARANTINE: Duration = Duration::from_secs(100);

    fn everywhere() -> [Shelf; 5] {
        [
            Shelf::Stock,
            Shelf::Reserved { until: None },
            Shelf::Reserved { until: Some(at(10)) },
            Shelf::Quarantined { until: at(20) },
            Shelf::Retired,
        ]
    }

    #[test]
    fn every_place_meets_every_event() {
        let mut table = String::new();
        for from in everywhere() {
            for (name, to) in [
                ("reserve", from.reserve(Some(at(50)))),
                ("give back", from.give_back(at(60))),
                ("retire", from.retire()),
            ] {
                match to {
                    Ok(to) => table += &format!("{}: {name} -> {}\n", from.name(), to.name()),
                    Err(refused) => assert_eq!(refused.from, from),
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        in stock: reserve -> reserved
        in stock: retire -> retired
        reserved: give back -> quarantined
        reserved: retire -> retired
        reserved: give back -> quarantined
        reserved: retire -> retired
        quarantined: retire -> retired
        ");
    }

    #[test]
    fn time_alone_brings_a_reservation_back() {
        let reserved = Shelf::Reserved { until: Some(at(10)) };
        assert_eq!(reserved.at(at(9), QUARANTINE), reserved);
        assert_eq!(reserved.at(at(10), QUARANTINE), Shelf::Quarantined { until: at(110) });
        assert_eq!(reserved.at(at(109), QUARANTINE), Shelf::Quarantined { until: at(110) });
        assert_eq!(reserved.at(at(110), QUARANTINE), Shelf::Stock);
        let for_good = Shelf::Reserved { until: None };
        assert_eq!(for_good.at(at(i64::MAX / 2000), QUARANTINE), for_good);
        assert_eq!(Shelf::Retired.at(at(1000), QUARANTINE), Shelf::Retired);
    }

    #[test]
    fn what_becomes_of_a_profile_follows_from_where_it_was() {
        let mut orders = in_every_state();
        let deleted = orders.iter().find(|(name, _)| *name == "Installed").map(|(_, order)| order.clone());
        let mut deleted = deleted.unwrap();
        if let State::Installed(installation) = deleted.state {
            deleted.state =
                State::Installed(Installation { run_time: Some(RunTimeState::Deleted), ..installation });
        }
        orders.push(("Installed, deleted", deleted));
        let mut table = String::new();
        for (state, order) in orders {
            let told = |reusable, euicc| match fate(&order, reusable, euicc) {
                Ok(fate) => format!("{fate:?}"),
                Err(NotBack::Ordered(_)) => "ordered".to_owned(),
                Err(NotBack::OnEuicc(_)) => "on eUICC".to_owned(),
                Err(NotBack::Gone) => "gone".to_owned(),
            };
            table += &format!(
                "{state}: {}, reusable {}; lost {}, reusable {}\n",
                told(false, Euicc::InUse),
                told(true, Euicc::InUse),
                told(false, Euicc::Lost),
                told(true, Euicc::Lost)
            );
        }
        insta::assert_snapshot!(table, @r"
        Available: Quarantine, reusable Quarantine; lost Quarantine, reusable Quarantine
        Allocated: ordered, reusable ordered; lost ordered, reusable ordered
        Linked: ordered, reusable ordered; lost ordered, reusable ordered
        Confirmed: ordered, reusable ordered; lost ordered, reusable ordered
        Released: ordered, reusable ordered; lost ordered, reusable ordered
        Downloaded: on eUICC, reusable on eUICC; lost Retired, reusable Quarantine
        Installed: on eUICC, reusable on eUICC; lost Retired, reusable Quarantine
        Error, never bound: ordered, reusable ordered; lost ordered, reusable ordered
        Error, bound: Retired, reusable Retired; lost Retired, reusable Quarantine
        Unavailable: gone, reusable gone; lost gone, reusable gone
        Installed, deleted: Retired, reusable Quarantine; lost Retired, reusable Quarantine
        ");
    }
}
