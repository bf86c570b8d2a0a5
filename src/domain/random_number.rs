//! Numbers that are drawn at random, 128 bits each: of operations and of campaigns, which are told apart by their types.

/// A type of such numbers, with its doc comment.
macro_rules! random_number {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; 16]);

        impl $type {
            /// Draws one.
            #[must_use]
            pub fn generate(rng: &$crate::env::Rng) -> Self {
                Self(rng.array())
            }

            /// Reads 32 hexadecimal digits of either case; `None` for any other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let mut octets = [0; 16];
                hex::decode_to_slice(text, &mut octets).ok()?;
                Some(Self(octets))
            }
        }

        impl std::fmt::Display for $type {
            /// 32 hexadecimal digits of lower case.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(super) use random_number;
