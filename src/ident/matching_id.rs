//! Matching identifier: the token of an activation code, or an event identifier (SGP.22 4.1.1).

use std::fmt;

use super::{InvalidIdentifier, text_form};
use crate::env::Rng;

/// The longest identifier accepted: an activation code has at most 255 characters.
const MAX_CHARS: usize = 128;
const EXPECTED: &str = "at most 128 of the characters 0-9, A-Z, a-z, - and _";

/// A matching identifier; empty in the default SM-DP+ address use case. The standard's alphabet is `0-9 A-Z -`;
/// test suites send `_` and lower case too, so both are accepted. Comparison is by exact text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchingId(String);

impl MatchingId {
    /// Reads an identifier.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for other characters or more than 128 of them.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if text.len() <= MAX_CHARS && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdentifier::new("matching identifier", EXPECTED, text))
        }
    }

    /// A new identifier nobody can guess: 125 random bits in five groups of five characters of a 32 letter alphabet.
    #[must_use]
    pub fn generate(rng: &Rng) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
        let random: [u8; 25] = rng.array();
        let mut text = String::new();
        for (at, octet) in random.iter().enumerate() {
            if at > 0 && at % 5 == 0 {
                text.push('-');
            }
            text.push(ALPHABET.get(usize::from(octet & 0x1F)).map_or('0', |letter| char::from(*letter)));
        }
        Self(text)
    }

    /// Whether it is the empty identifier of the default SM-DP+ address use case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MatchingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(MatchingId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ones_are_distinct_and_fit_the_alphabet() {
        let rng = Rng::seeded(1);
        let (one, two) = (MatchingId::generate(&rng), MatchingId::generate(&rng));
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 29);
        assert!(one.as_str().bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-'));
    }

    #[test]
    fn nothing_that_could_be_a_path_or_a_delimiter() {
        for text in ["../x", "a$b", "a b", "ä", "a.b", &"A".repeat(129)] {
            assert!(MatchingId::parse(text).is_err(), "{text}");
        }
        assert!(MatchingId::parse("").unwrap().is_empty());
        assert!(MatchingId::parse("AC_NO_CC").is_ok());
    }
}
