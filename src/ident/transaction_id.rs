//! Transaction identifier of an RSP session (SGP.22 3.0.1).

use std::fmt;

use super::{InvalidIdentifier, text_form};
use crate::env::{Rng, Timestamp};

const EXPECTED: &str = "1 to 16 octets as hexadecimal digits";

/// 1 to 16 octets. Compared as octets: clients send the text in both cases.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(Vec<u8>);

impl TransactionId {
    /// Reads hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything but 1 to 16 octets.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        hex::decode(text)
            .ok()
            .and_then(|octets| Self::from_octets(&octets))
            .ok_or_else(|| InvalidIdentifier::new("transaction identifier", EXPECTED, text))
    }

    /// Takes the octets of tag 80; `None` unless there are 1 to 16.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        (1..=16).contains(&octets.len()).then(|| Self(octets.to_vec()))
    }

    /// The time in six octets, then ten random ones: what is written about transactions of one time lies together in the
    /// store, and nobody guesses one.
    #[must_use]
    pub fn generate(rng: &Rng, now: Timestamp) -> Self {
        let [_, _, time @ ..] = now.as_millis().to_be_bytes();
        Self([time.as_slice(), &rng.array::<10>()].concat())
    }

    /// The octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    /// Upper-case hexadecimal, the form of ES9+.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(&self.0))
    }
}

text_form!(TransactionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_are_one_identifier() {
        assert_eq!(TransactionId::parse("0aFF").unwrap(), TransactionId::parse("0AfF").unwrap());
        assert_eq!(TransactionId::parse("0aff").unwrap().to_string(), "0AFF");
        for text in ["", "0", "0G", &"00".repeat(17)] {
            assert!(TransactionId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn generated_ones_are_distinct_and_rise_with_time() {
        let rng = Rng::seeded(1);
        let generate = |millis| TransactionId::generate(&rng, Timestamp::from_millis(millis));
        let (first, second, later) =
            (generate(1_760_000_000_000), generate(1_760_000_000_000), generate(1_760_000_000_001));
        assert_ne!(first, second);
        assert!(first < later && second < later);
        assert_eq!(first.to_string().get(..12), Some("0199C82CC000"));
        assert_eq!(first.as_octets().len(), 16);
    }
}
