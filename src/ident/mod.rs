//! Identifiers that are parsed once and then trusted; and how many of something there are, in words.
//!
//! Each type has one canonical form inside, accepts the notations its users write, and prints the canonical one.

mod activation_code;
mod counted;
mod eid;
mod iccid;
mod imsi;
mod issuer_range;
mod luhn;
mod masked;
mod matching_id;
mod peer;
mod server_address;
mod transaction_id;

pub use activation_code::ActivationCode;
pub use counted::counted;
pub use eid::{Eid, EidPrefix};
pub use iccid::Iccid;
pub use imsi::Imsi;
pub use issuer_range::{IssuerFault, IssuerRange, IssuerRanges};
pub use luhn::{has_luhn_digit, luhn_digit};
pub use masked::masked;
pub use matching_id::MatchingId;
pub use peer::Peer;
pub use server_address::ServerAddress;
pub use transaction_id::TransactionId;

/// What a text is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: {expected}")]
pub struct InvalidIdentifier {
    /// The kind of identifier.
    pub what: &'static str,
    /// What was expected.
    pub expected: &'static str,
    /// What came, cut to 64 characters.
    pub text: String,
}

impl InvalidIdentifier {
    fn new(what: &'static str, expected: &'static str, text: &str) -> Self {
        Self { what, expected, text: text.chars().take(64).collect() }
    }
}

/// Formatting and parsing through text, and serde through both.
macro_rules! text_form {
    ($type:ty) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}")
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::ident::InvalidIdentifier;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
use text_form;

/// Decimal digits two in an octet, the first in the low nibble, padded with F (the coding of TS 102 221 and 24.008).
fn to_swapped_bcd(digits: &[u8], out: &mut [u8]) {
    for (at, octet) in out.iter_mut().enumerate() {
        let nibble = |index: usize| digits.get(index).map_or(0x0F, |digit| digit.wrapping_sub(b'0') & 0x0F);
        *octet = nibble(2 * at + 1) << 4 | nibble(2 * at);
    }
}

/// The digits of swapped BCD up to the first filler; `None` if a digit follows a filler or a nibble is no digit.
fn from_swapped_bcd(octets: &[u8]) -> Option<String> {
    let nibbles = octets.iter().flat_map(|octet| [octet & 0x0F, octet >> 4]);
    digits_until_filler(nibbles)
}

/// The digits of BCD in reading order up to the first filler.
fn from_plain_bcd(octets: &[u8]) -> Option<String> {
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]);
    digits_until_filler(nibbles)
}

fn digits_until_filler(nibbles: impl Iterator<Item = u8>) -> Option<String> {
    let mut digits = String::new();
    let mut ended = false;
    for nibble in nibbles {
        match nibble {
            0x0F => ended = true,
            0..=9 if !ended => digits.push(char::from(b'0' + nibble)),
            _ => return None,
        }
    }
    Some(digits)
}
