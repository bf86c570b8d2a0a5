//! Names of those we deal with, and of what they agree on.

use std::fmt;

/// The longest name, in octets; also of a caller's identifier.
pub const NAME_MAX: usize = 128;

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
                f.write_str(&self.0)
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
    /// Who changes orders by hand, as the system or the person says: nobody proves it.
    Person
);

impl Person {
    /// Where nobody says who it was.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
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
}
