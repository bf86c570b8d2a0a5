//! Where a profile stands, as those see it who keep the stock: its shelf and the state of its order in one word.

use std::fmt;

use super::state::StateName;

/// Where a profile stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It can be ordered.
    Available,
    /// It was set aside for somebody.
    Reserved,
    /// It was given back, and waits until it may be used again.
    Quarantined,
    /// Somebody ordered it, and no package was handed over.
    Ordered,
    /// A package was handed over.
    Downloaded,
    /// An eUICC says that it has it.
    Installed,
    /// Its order failed.
    Failed,
    /// It cannot be used any more.
    Retired,
}

impl Standing {
    /// All of them, in the order of a profile's life.
    pub const ALL: [Self; 8] = [
        Self::Available,
        Self::Reserved,
        Self::Quarantined,
        Self::Ordered,
        Self::Downloaded,
        Self::Installed,
        Self::Failed,
        Self::Retired,
    ];

    /// Of a profile in stock whose order is in this state.
    #[must_use]
    pub const fn of_state(state: StateName) -> Self {
        match state {
            StateName::Available => Self::Available,
            StateName::Allocated | StateName::Linked | StateName::Confirmed | StateName::Released => {
                Self::Ordered
            }
            StateName::Downloaded => Self::Downloaded,
            StateName::Installed => Self::Installed,
            StateName::Error => Self::Failed,
            StateName::Unavailable => Self::Retired,
        }
    }

    /// The word in listings, JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Quarantined => "quarantined",
            Self::Ordered => "ordered",
            Self::Downloaded => "downloaded",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
