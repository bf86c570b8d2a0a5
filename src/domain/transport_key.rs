//! Transport keys: who may use which, and who vouches for it. A key that one person brought in is not used before another
//! one approved it.

use std::fmt;

use super::{Manufacturer, Person, Platform};
use crate::env::Timestamp;

/// With whom a key is shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPartner {
    /// Who delivers under it.
    Manufacturer(Manufacturer),
    /// Which system of an operator gets keys under it.
    Platform(Platform),
}

impl fmt::Display for KeyPartner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manufacturer(name) => write!(f, "manufacturer {name}"),
            Self::Platform(name) => write!(f, "platform {name}"),
        }
    }
}

/// Which keys travel under a transport key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// K, OPc and their kin.
    Subscription,
    /// Keys for remote management.
    Ota,
    /// All of them.
    Both,
}

impl KeyPurpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Subscription, Self::Ota, Self::Both];

    /// Its name in commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscription => "ki",
            Self::Ota => "ota",
            Self::Both => "both",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == text)
    }

    /// Whether a key of this purpose does for another one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who did it, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Who, as the system or the person says.
    pub by: Person,
    /// When.
    pub at: Timestamp,
}

/// The life of a transport key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It waits for another person's approval, and is not used.
    Waiting,
    /// It is used.
    Approved(Deed),
    /// It is not used any more.
    Retired {
        /// Who approved it, if anybody did.
        approved: Option<Deed>,
        /// Who retired it.
        retired: Deed,
    },
}

impl KeyState {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved(_) => "approved",
            Self::Retired { .. } => "retired",
        }
    }

    /// Another person than the one who imported the key vouches for it.
    ///
    /// # Errors
    /// [`KeyRefused`].
    pub fn approve(self, imported: &Deed, deed: Deed) -> Result<Self, KeyRefused> {
        match self {
            // Names are what people say; those that differ in case alone are one person.
            Self::Waiting if imported.by.as_str().eq_ignore_ascii_case(deed.by.as_str()) => {
                Err(KeyRefused::SamePerson(deed.by))
            }
            Self::Waiting if deed.by == Person::unknown() => Err(KeyRefused::Nobody),
            Self::Waiting => Ok(Self::Approved(deed)),
            other => Err(KeyRefused::State(other.name())),
        }
    }

    /// Takes the key out of use.
    ///
    /// # Errors
    /// [`KeyRefused::State`] if it is out of use already.
    pub fn retire(self, deed: Deed) -> Result<Self, KeyRefused> {
        match self {
            Self::Waiting => Ok(Self::Retired { approved: None, retired: deed }),
            Self::Approved(approved) => Ok(Self::Retired { approved: Some(approved), retired: deed }),
            other @ Self::Retired { .. } => Err(KeyRefused::State(other.name())),
        }
    }
}

/// Why a transport key stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Four eyes are wanted.
    #[error("{0} imported the key: another person must approve it")]
    SamePerson(Person),
    /// Nobody knows who it is.
    #[error("nobody knows who approves: name the person")]
    Nobody,
    /// It is in another state.
    #[error("the key is {0} already")]
    State(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(by: &str) -> Deed {
        Deed { by: Person::parse(by).unwrap(), at: Timestamp::from_secs(1) }
    }

    #[test]
    fn all_states_and_all_events() {
        let imported = deed("alice");
        let approved = KeyState::Approved(deed("bob"));
        let retired = KeyState::Retired { approved: Some(deed("bob")), retired: deed("carol") };
        let never = KeyState::Retired { approved: None, retired: deed("carol") };
        assert_eq!(KeyState::Waiting.approve(&imported, deed("bob")), Ok(approved.clone()));
        for same in ["alice", "Alice"] {
            let refused = KeyState::Waiting.approve(&imported, deed(same));
            assert_eq!(refused, Err(KeyRefused::SamePerson(Person::parse(same).unwrap())));
        }
        let unknown = Deed { by: Person::unknown(), ..deed("x") };
        assert_eq!(KeyState::Waiting.approve(&imported, unknown), Err(KeyRefused::Nobody));
        assert_eq!(approved.clone().approve(&imported, deed("bob")), Err(KeyRefused::State("approved")));
        assert_eq!(retired.clone().approve(&imported, deed("bob")), Err(KeyRefused::State("retired")));
        assert_eq!(KeyState::Waiting.retire(deed("carol")), Ok(never));
        assert_eq!(approved.retire(deed("carol")), Ok(retired.clone()));
        assert_eq!(retired.retire(deed("carol")), Err(KeyRefused::State("retired")));
    }

    #[test]
    fn a_key_for_both_does_for_each() {
        for purpose in KeyPurpose::ALL {
            assert_eq!(KeyPurpose::parse(purpose.name()), Some(purpose));
            assert!(KeyPurpose::Both.covers(purpose) && purpose.covers(purpose));
        }
        assert!(!KeyPurpose::Ota.covers(KeyPurpose::Subscription));
    }
}
