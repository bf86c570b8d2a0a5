//! EID: the number of an eUICC (SGP.02 2.2.2, SGP.29).

use std::fmt;

use super::{InvalidIdentifier, from_plain_bcd, text_form};

const EXPECTED: &str = "32 decimal digits";

/// 32 decimal digits. The check digits are not enforced: published test certificates carry wrong ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Eid(String);

impl Eid {
    /// Reads 32 decimal digits.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        if text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdentifier::new("EID", EXPECTED, text))
        }
    }

    /// Reads the sixteen octets of tag 5A: digits in reading order.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] if a nibble is no digit.
    pub fn from_bcd(octets: &[u8; 16]) -> Result<Self, InvalidIdentifier> {
        let digits = from_plain_bcd(octets).unwrap_or_default();
        Self::parse(&digits).map_err(|_| InvalidIdentifier::new("EID", EXPECTED, &hex::encode_upper(octets)))
    }

    /// The sixteen octets of tag 5A and of the key derivation.
    #[must_use]
    pub fn to_bcd(&self) -> [u8; 16] {
        let mut octets = [0; 16];
        let digits = self.0.as_bytes().chunks_exact(2);
        for (octet, pair) in octets.iter_mut().zip(digits) {
            *octet = pair.iter().fold(0, |value, digit| value << 4 | (digit - b'0'));
        }
        octets
    }

    /// Whether the last two digits are the check digits of ISO 7064 MOD 97-10.
    #[must_use]
    pub fn has_valid_check_digits(&self) -> bool {
        self.0.bytes().fold(0_u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97) == 1
    }

    /// The number whose first thirty digits are given, with its check digits.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] unless `body` is thirty decimal digits.
    pub fn with_check_digits(body: &str) -> Result<Self, InvalidIdentifier> {
        let invalid = || InvalidIdentifier::new("EID without check digits", "30 decimal digits", body);
        if body.len() != 30 {
            return Err(invalid());
        }
        let base = Self::parse(&format!("{body}00")).map_err(|_| invalid())?;
        let rest = base.0.bytes().fold(0_u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
        Self::parse(&format!("{body}{:02}", 98 - rest))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Eid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(Eid);

/// The first digits of EIDs, as of those of one manufacturer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EidPrefix(String);

impl EidPrefix {
    /// Reads 1 to 32 decimal digits.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        if (1..=32).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdentifier::new("beginning of an EID", "1 to 32 decimal digits", text))
        }
    }

    /// The 32 digits of the first number that begins so.
    #[must_use]
    pub fn first(&self) -> String {
        format!("{:0<32}", self.0)
    }

    /// The 32 digits of the last number that begins so.
    #[must_use]
    pub fn last(&self) -> String {
        format!("{:9<32}", self.0)
    }
}

impl std::str::FromStr for EidPrefix {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_check_digits() {
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        assert!(eid.has_valid_check_digits());
        assert_eq!(Eid::from_bcd(&eid.to_bcd()).unwrap(), eid);
        assert_eq!(Eid::with_check_digits("890490320000000000002799732000").unwrap(), eid);
        assert!(!Eid::parse("89049032123451234512345678901236").unwrap().has_valid_check_digits());
        assert!(Eid::parse("8904903212345123451234567890123F").is_err());
        assert!(Eid::from_bcd(&[0xFF; 16]).is_err());
    }

    #[test]
    fn a_beginning_has_a_first_and_a_last_number() {
        let prefix = EidPrefix::parse("8904").unwrap();
        assert_eq!(prefix.first(), "89040000000000000000000000000000");
        assert_eq!(prefix.last(), "89049999999999999999999999999999");
        let whole = EidPrefix::parse("89049032000000000000279973200019").unwrap();
        assert_eq!(whole.first(), whole.last());
        for text in ["", "8904x", "890490320000000000002799732000199"] {
            assert!(EidPrefix::parse(text).is_err(), "{text}");
        }
    }
}
