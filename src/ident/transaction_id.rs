//! Transaction identifier of an RSP session (SGP.22 3.0.1).

use std::fmt;

use super::{InvalidIdentifier, text_form};
use crate::env::Rng;

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

    /// Sixteen random octets.
    #[must_use]
    pub fn generate(rng: &Rng) -> Self {
        Self(rng.array::<16>().to_vec())
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
}
