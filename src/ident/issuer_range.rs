//! Ranges of issuers of ICCIDs: how the numbers of each are formed. The range says whether the last digit is a check
//! digit; Luhn verifies it then, and never guesses.

use super::luhn::has_luhn_digit;
use super::{Iccid, InvalidIdentifier};

const EXPECTED: &str = "1 to 20 decimal digits that begin with 89";

/// Numbers of one issuer: those with these first digits (E.118 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRange {
    prefix: String,
    length: Option<u8>,
    has_check_digit: bool,
}

impl IssuerRange {
    /// The numbers that begin with `prefix`, all with `length` digits if it is given, and with a check digit of Luhn at the
    /// end or without.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for a prefix that no ICCID has, and a length that is not 18, 19 or 20.
    pub fn new(prefix: &str, length: Option<u8>, has_check_digit: bool) -> Result<Self, InvalidIdentifier> {
        let invalid = || InvalidIdentifier::new("beginning of ICCIDs", EXPECTED, prefix);
        let is_begin = prefix.starts_with("89") || "89".starts_with(prefix);
        let fits = (1..=20).contains(&prefix.len()) && prefix.bytes().all(|digit| digit.is_ascii_digit());
        if !fits || !is_begin {
            return Err(invalid());
        }
        if let Some(length) = length.filter(|length| !(18..=20).contains(length)) {
            let text = length.to_string();
            return Err(InvalidIdentifier::new("length of ICCIDs", "18, 19 or 20", &text));
        }
        Ok(Self { prefix: prefix.to_owned(), length, has_check_digit })
    }

    /// The first digits.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many digits its numbers have, if it says so.
    #[must_use]
    pub const fn length(&self) -> Option<u8> {
        self.length
    }

    /// Whether the last digit is a check digit.
    #[must_use]
    pub const fn has_check_digit(&self) -> bool {
        self.has_check_digit
    }
}

/// Why a number is none that an issuer gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// Ranges are known, and it lies in none of them.
    #[error("lies in the range of no issuer that the settings name")]
    NoRange,
    /// Another number of digits than the issuer's numbers have.
    #[error("{found} digits, and the issuer's numbers have {expected}")]
    Length {
        /// As the range says.
        expected: u8,
        /// In the number.
        found: usize,
    },
    /// The issuer's numbers end in a check digit of Luhn, and this one in another digit.
    #[error("the last digit is not the check digit of Luhn that the issuer's numbers have")]
    CheckDigit,
}

/// All ranges that are known. Without any, every number is as good as another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerRanges(Vec<IssuerRange>);

impl IssuerRanges {
    /// Takes ranges in any order; the longest prefix of a number decides.
    #[must_use]
    pub fn new(mut ranges: Vec<IssuerRange>) -> Self {
        ranges.sort_by_key(|range| std::cmp::Reverse(range.prefix.len()));
        Self(ranges)
    }

    /// The range of a number.
    #[must_use]
    pub fn of(&self, iccid: &Iccid) -> Option<&IssuerRange> {
        self.0.iter().find(|range| iccid.as_str().starts_with(&range.prefix))
    }

    /// Whether a number is one that its issuer gives out.
    ///
    /// # Errors
    /// [`IssuerFault`].
    pub fn check(&self, iccid: &Iccid) -> Result<(), IssuerFault> {
        if self.0.is_empty() {
            return Ok(());
        }
        let range = self.of(iccid).ok_or(IssuerFault::NoRange)?;
        let found = iccid.as_str().len();
        if let Some(expected) = range.length.filter(|length| usize::from(*length) != found) {
            return Err(IssuerFault::Length { expected, found });
        }
        if range.has_check_digit && !has_luhn_digit(iccid.as_str()) {
            return Err(IssuerFault::CheckDigit);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_says_what_a_number_must_be() {
        let ranges = IssuerRanges::new(vec![
            IssuerRange::new("8988", None, false).unwrap(),
            IssuerRange::new("8988280", Some(20), true).unwrap(),
        ]);
        let check = |text: &str| ranges.check(&Iccid::parse(text).unwrap());
        assert_eq!(check("89882801000000000014"), Ok(()));
        assert_eq!(check("89882801000000000015"), Err(IssuerFault::CheckDigit));
        assert_eq!(check("8988280100000000001"), Err(IssuerFault::Length { expected: 20, found: 19 }));
        // Nothing is guessed of a range that says nothing.
        assert_eq!(check("89883030000000000000"), Ok(()));
        assert_eq!(check("894900000000000000"), Err(IssuerFault::NoRange));
        let iccid = Iccid::parse("894900000000000000").unwrap();
        assert_eq!(IssuerRanges::default().check(&iccid), Ok(()));
        assert_eq!(ranges.of(&Iccid::parse("89882801000000000014").unwrap()).unwrap().prefix(), "8988280");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (prefix, length) in
            [("", None), ("88", None), ("89x", None), ("8988", Some(17)), ("8988", Some(21))]
        {
            assert!(IssuerRange::new(prefix, length, true).is_err(), "{prefix} {length:?}");
        }
        let range = IssuerRange::new("89", Some(19), true).unwrap();
        assert_eq!((range.prefix(), range.length(), range.has_check_digit()), ("89", Some(19), true));
    }
}
