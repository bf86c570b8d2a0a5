//! Which other systems have what belongs to a subscription: without the AuC no SIM attaches.

use std::fmt;

use serde::Deserialize;

/// A system that is given files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// The authentication centre: K and OPc of every IMSI.
    Auc,
    /// The platform for remote management: the keys of the security domain.
    Ota,
    /// Customer care: numbers, PINs and PUKs.
    Crm,
}

impl System {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auc, Self::Ota, Self::Crm];

    /// Its name in commands and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::Ota => "ota",
            Self::Crm => "crm",
        }
    }

    /// Reads [`System::name`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|system| system.name() == text)
    }

    /// Its bit in [`Delivered`]: never changed once written.
    #[must_use]
    pub const fn bit(self) -> i64 {
        match self {
            Self::Auc => 1,
            Self::Ota => 2,
            Self::Crm => 4,
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auc => "AuC",
            Self::Ota => "OTA",
            Self::Crm => "CRM",
        })
    }
}

/// The systems that have what belongs to a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered(i64);

impl Delivered {
    /// From [`System::bit`]s; others are left aside.
    #[must_use]
    pub fn of_bits(bits: i64) -> Self {
        System::ALL.into_iter().filter(|system| bits & system.bit() != 0).collect()
    }

    /// The sum of [`System::bit`]s.
    #[must_use]
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// Whether a system is among them.
    #[must_use]
    pub const fn has(self, system: System) -> bool {
        self.0 & system.bit() != 0
    }

    /// The first of `needed` that is not among them.
    #[must_use]
    pub fn missing(self, needed: Self) -> Option<System> {
        System::ALL.into_iter().find(|system| needed.has(*system) && !self.has(*system))
    }

    /// Those that are among them.
    pub fn iter(self) -> impl Iterator<Item = System> {
        System::ALL.into_iter().filter(move |system| self.has(*system))
    }
}

impl FromIterator<System> for Delivered {
    fn from_iter<I: IntoIterator<Item = System>>(systems: I) -> Self {
        Self(systems.into_iter().fold(0, |bits, system| bits | system.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_first_to_last() {
        let of = |systems: &[System]| systems.iter().copied().collect::<Delivered>();
        let all = of(&System::ALL);
        assert_eq!((all.bits(), Delivered::of_bits(0xFF)), (7, all));
        assert_eq!(of(&[System::Ota]).missing(all), Some(System::Auc));
        assert_eq!(of(&[System::Auc]).missing(of(&[System::Auc])), None);
        assert_eq!(Delivered::default().missing(Delivered::default()), None);
        assert_eq!(of(&[System::Crm, System::Auc]).iter().collect::<Vec<_>>(), [System::Auc, System::Crm]);
        for system in System::ALL {
            assert_eq!(System::parse(system.name()), Some(system));
        }
        assert_eq!(System::parse("AuC"), None);
    }
}
