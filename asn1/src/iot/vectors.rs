//! What the tests of published octets have in common.

use crate::tlv::{Decode, Encode};

/// Octets from hexadecimal digits.
pub(super) fn der(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Reads a message, writes it, and compares the octets; and no truncation of it is read.
pub(super) fn both_ways<'a, T: Decode<'a> + Encode>(octets: &'a [u8]) -> T {
    let value = T::from_der(octets).unwrap();
    assert_eq!(value.to_der(), octets);
    for length in 0..octets.len() {
        assert!(T::from_der(&octets[..length]).is_err(), "cut to {length} octets");
    }
    value
}

/// Each of these is refused as the type.
macro_rules! refused {
    ($message:ty, [$($text:expr),* $(,)?]) => {
        for text in [$($text),*] {
            let octets = $crate::iot::vectors::der(text);
            assert!(<$message as $crate::tlv::Decode>::from_der(&octets).is_err(), "{text}");
        }
    };
}
pub(super) use refused;
