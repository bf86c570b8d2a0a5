//! Names of those we deal with, and of what they agree on.

use std::fmt;

use super::identity::IdentityName;

/// The longest name, in octets; also of a caller's identifier.
pub const NAME_MAX: usize = 128;
/// Begins where an identity of the admin API stands among persons: no name of an identity has a colon.
const IDENTITY: &str = "identity:";

/// Texts agreed with the operator: compared by exact text, 1 to [`NAME_MAX`] octets without control characters.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Takes the text; `None` if it is empty, longer than [`NAME_MAX`] octets or has control characters.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let fits = (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
                fits.then(|| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// An operator: the owner of profiles, known on ES2+ by its certificate.
    Operator
);
name!(
    /// A kind of profile agreed with the operator, such as `P9054-2` (`profileType` of ES2+).
    ProfileType
);

name!(
    /// A SIM manufacturer, known on the ingestion API by its certificate.
    Manufacturer
);
name!(
    /// A system of an operator that gets keys: its authentication centre, its platform for remote management.
    Platform
);
name!(
    /// What a manufacturer calls one of its deliveries: a batch number, for most.
    DeliveryId
);
name!(
    /// A kind of SIM, such as `Card Industrial`.
    SubClassName
);

name!(
    /// Who changes orders by hand, as the system or the person says: nobody proves it. An identity of the admin API, which
    /// proves it, stands as [`Person::of_identity`].
    Person
);

impl Person {
    /// Where nobody says who it was.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }

    /// An identity of the admin API, where persons stand.
    #[must_use]
    pub fn of_identity(name: &IdentityName) -> Self {
        Self(format!("{IDENTITY}{name}"))
    }

    /// The identity that it is, if it is one.
    #[must_use]
    pub fn identity(&self) -> Option<IdentityName> {
        IdentityName::parse(self.0.strip_prefix(IDENTITY)?)
    }
}

impl SubClassName {
    /// One that Simyard brings.
    #[must_use]
    pub(crate) fn shipped(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl Manufacturer {
    /// Who delivers at the server itself, without saying for whom.
    #[must_use]
    pub fn local() -> Self {
        Self("local".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        assert!(ProfileType::parse("").is_none());
        assert!(ProfileType::parse(&"x".repeat(129)).is_none());
        assert!(Operator::parse("a\nb").is_none());
        assert_eq!(Manufacturer::parse("local"), Some(Manufacturer::local()));
    }

    #[test]
    fn an_identity_is_known_among_persons() {
        let name = IdentityName::parse(&"x".repeat(64)).unwrap();
        let person = Person::parse(Person::of_identity(&name).as_str()).unwrap();
        assert_eq!(person.identity(), Some(name));
        for text in ["erp", "identity", "identity:", "identity:a b", "Identity:erp"] {
            assert_eq!(Person::parse(text).unwrap().identity(), None, "{text}");
        }
    }
}
