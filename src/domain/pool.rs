//! Pools: ranges of numbers that are handed out, and what may become of a number.
//!
//! A number has no state as long as nobody got it. It is reserved for a time or allocated for good; given back, it waits in
//! quarantine and is free again behind it; retired, it is nobody's for ever.

use std::fmt;
use std::time::Duration;

use super::name::Operator;
use crate::ident::{IssuerRange, luhn_digit};

/// The most numbers that one call takes or gives back: as many as the store writes without keeping others waiting.
pub const NUMBERS_MAX: u32 = 1000;
/// The longest name of a pool, in octets.
pub const POOL_NAME_MAX: usize = 64;
/// The longest identifier of an allocation, in octets.
pub const ALLOCATION_ID_MAX: usize = 128;

/// The name of a pool: 1 to [`POOL_NAME_MAX`] small letters, digits, hyphens and dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(String);

impl PoolName {
    /// Takes the text; `None` if it is of another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_fit = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        let fits = (1..=POOL_NAME_MAX).contains(&text.len()) && text.bytes().all(is_fit);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes an allocation repeatable: who asks again under the same identifier gets the same answer. Visible ASCII
/// without blanks, 1 to [`ALLOCATION_ID_MAX`] octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(String);

impl AllocationId {
    /// Takes the text; `None` if it is of another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=ALLOCATION_ID_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// Of hexadecimal digits of random octets.
    #[must_use]
    pub fn of_octets<const N: usize>(octets: &[u8; N]) -> Self {
        const { assert!(N > 0 && 2 * N <= ALLOCATION_ID_MAX) };
        Self(hex::encode_upper(octets))
    }

    /// Of a part of something larger whose name is known: the same part has the same identifier.
    #[must_use]
    pub fn of_part(name: &str, part: u64, of_part: usize) -> Self {
        let name: String = name.chars().filter(char::is_ascii_graphic).take(80).collect();
        Self(format!("{name}/{part}/{of_part}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AllocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the numbers of a pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberKind {
    /// ICCIDs.
    Iccid,
    /// IMSIs.
    Imsi,
    /// Telephone numbers, in digits without a sign.
    Msisdn,
}

impl NumberKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Iccid, Self::Imsi, Self::Msisdn];

    /// Its name in settings and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iccid => "iccid",
            Self::Imsi => "imsi",
            Self::Msisdn => "msisdn",
        }
    }

    /// Digits that a number of a pool may have.
    #[must_use]
    pub const fn digits(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Iccid => 18..=20,
            Self::Imsi => 6..=15,
            Self::Msisdn => 3..=15,
        }
    }
}

/// What may become of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NumberState {
    /// Taken until a time; behind it the number goes into quarantine.
    Reserved,
    /// Taken.
    Allocated,
    /// Given back; free again behind a time.
    Quarantined,
    /// Never to be used again.
    Retired,
}

impl NumberState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reserved, Self::Allocated, Self::Quarantined, Self::Retired];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Allocated => "allocated",
            Self::Quarantined => "quarantined",
            Self::Retired => "retired",
        }
    }
}

/// Why a pair of numbers is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A number is of another form.
    #[error("expected {0}")]
    Form(&'static str),
    /// The ends have not the same number of digits.
    #[error("first and last have not the same number of digits")]
    Lengths,
    /// The ends are the wrong way round.
    #[error("last is before first")]
    Order,
    /// More numbers than are counted.
    #[error("the range has more than 10^15 numbers: give the part that is the pool's")]
    Size,
    /// A check digit is wrong.
    #[error("{0} does not end in its check digit")]
    CheckDigit(&'static str),
}

/// The most numbers of one range.
const SIZE_MAX: u128 = 1_000_000_000_000_000;

/// Numbers from one to another, both counted. With a check digit, it is the numbers in front of it that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRange {
    first: u128,
    last: u128,
    /// Digits that follow each other.
    body: usize,
    /// Whether a check digit stands behind them.
    luhn: bool,
}

impl NumberRange {
    /// From the first number to the last, written as the numbers themselves are: with `luhn`, the last digit of each is a
    /// check digit.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn new(kind: NumberKind, first: &str, last: &str, luhn: bool) -> Result<Self, RangeError> {
        let expected = match kind {
            NumberKind::Iccid => "18 to 20 decimal digits",
            NumberKind::Imsi => "6 to 15 decimal digits",
            NumberKind::Msisdn => "3 to 15 decimal digits, without +",
        };
        for (name, text) in [("first", first), ("last", last)] {
            if !kind.digits().contains(&text.len()) || !text.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(RangeError::Form(expected));
            }
            if luhn && !crate::ident::has_luhn_digit(text) {
                return Err(RangeError::CheckDigit(name));
            }
        }
        if first.len() != last.len() {
            return Err(RangeError::Lengths);
        }
        let body = first.len() - usize::from(luhn);
        let number = |text: &str| text.get(..body).and_then(|digits| digits.parse::<u128>().ok());
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(RangeError::Form(expected));
        };
        match last.checked_sub(first) {
            None => Err(RangeError::Order),
            Some(more) if more >= SIZE_MAX => Err(RangeError::Size),
            Some(_) => Ok(Self { first, last, body, luhn }),
        }
    }

    /// The number at a place, from 0; `None` behind the last.
    #[must_use]
    pub fn number(&self, place: u64) -> Option<String> {
        let number = self.first.checked_add(u128::from(place)).filter(|number| *number <= self.last)?;
        let mut digits = format!("{number:0width$}", width = self.body);
        if self.luhn {
            digits.push(luhn_digit(&digits)?);
        }
        Some(digits)
    }

    /// How many numbers there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.last - self.first).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The place of a number, if it lies in the range. Its check digit is not looked at.
    #[must_use]
    pub fn place(&self, digits: &str) -> Option<u64> {
        if digits.len() != self.digits() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let number: u128 = digits.get(..self.body)?.parse().ok()?;
        number
            .checked_sub(self.first)
            .filter(|_| number <= self.last)
            .and_then(|place| u64::try_from(place).ok())
    }

    /// Whether two ranges have a number in common: then one of both pools would have to look what the other one gave.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        (self.body, self.luhn) == (other.body, other.luhn)
            && self.first <= other.last
            && other.first <= self.last
    }

    /// Digits of each number.
    #[must_use]
    pub fn digits(&self) -> usize {
        self.body + usize::from(self.luhn)
    }

    /// The first digits, which all numbers have in common.
    #[must_use]
    pub fn prefix(&self) -> String {
        let [first, last] =
            [self.first, self.last].map(|number| format!("{number:0width$}", width = self.body));
        let same = first.chars().zip(last.chars()).take_while(|(first, last)| first == last);
        same.map(|(digit, _)| digit).collect()
    }

    /// Whether the last digit is a check digit.
    #[must_use]
    pub const fn has_check_digit(&self) -> bool {
        self.luhn
    }
}

/// A pool: a range of numbers for a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// What its numbers are.
    pub kind: NumberKind,
    /// Whose numbers they are.
    pub operator: Operator,
    /// The operator's code of IMSIs: MCC and MNC, five or six digits.
    pub mcc_mnc: Option<String>,
    /// What it is for, in words.
    pub purpose: Option<String>,
    /// Its numbers.
    pub range: NumberRange,
    /// A warning is given when fewer are left.
    pub low_water: u64,
    /// How long a number that was given back is not used.
    pub quarantine: Duration,
}

impl Pool {
    /// How ICCIDs are formed that begin as those of this pool do; `None` for a pool of other numbers.
    #[must_use]
    pub fn issuer_range(&self) -> Option<IssuerRange> {
        let length = u8::try_from(self.range.digits()).ok();
        let range = IssuerRange::new(&self.range.prefix(), length, self.range.has_check_digit());
        range.ok().filter(|_| self.kind == NumberKind::Iccid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(kind: NumberKind, first: &str, last: &str, luhn: bool) -> Result<NumberRange, RangeError> {
        NumberRange::new(kind, first, last, luhn)
    }

    #[test]
    fn a_check_digit_stands_behind_the_numbers_that_follow_each_other() {
        let range = range(NumberKind::Iccid, "89882801000000000014", "89882801000000000113", true).unwrap();
        assert_eq!((range.size(), range.digits()), (11, 20));
        let numbers: Vec<String> = (0..12).map_while(|place| range.number(place)).collect();
        assert_eq!(numbers.len(), 11);
        assert_eq!(
            (numbers[0].as_str(), numbers[10].as_str()),
            ("89882801000000000014", "89882801000000000113")
        );
        for (place, number) in (0..).zip(&numbers) {
            assert!(crate::ident::has_luhn_digit(number), "{number}");
            assert_eq!(range.place(number), Some(place));
        }
        assert_eq!(range.place("8988280100000000001"), None, "another form");
        assert_eq!(range.place("89882801000000000121"), None, "behind the last");
    }

    #[test]
    fn leading_zeros_stay() {
        let range = range(NumberKind::Imsi, "001010000000098", "001010000000101", false).unwrap();
        let numbers: Vec<String> = (0..9).map_while(|place| range.number(place)).collect();
        assert_eq!(numbers, ["001010000000098", "001010000000099", "001010000000100", "001010000000101"]);
        assert_eq!(range.number(u64::MAX), None);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let iccid = |first, last, luhn| range(NumberKind::Iccid, first, last, luhn).unwrap_err();
        assert_eq!(
            iccid("89882801000000000", "89882801000000001", false),
            RangeError::Form("18 to 20 decimal digits")
        );
        assert_eq!(iccid("8988280100000000001", "89882801000000000014", false), RangeError::Lengths);
        assert_eq!(iccid("8988280100000000002", "8988280100000000001", false), RangeError::Order);
        assert_eq!(
            iccid("89882801000000000015", "89882801000000000113", true),
            RangeError::CheckDigit("first")
        );
        assert_eq!(
            iccid("89882801000000000014", "89882801000000000114", true),
            RangeError::CheckDigit("last")
        );
        assert_eq!(iccid("8900000000000000000", "8999999999999999999", false), RangeError::Size);
        assert!(range(NumberKind::Imsi, "9014０", "90149", false).is_err());
        assert!(range(NumberKind::Msisdn, "+882285000000", "+882285000001", false).is_err());
    }

    #[test]
    fn ranges_of_one_form_overlap_where_they_share_a_number() {
        let of = |first: &str, last: &str| range(NumberKind::Imsi, first, last, false).unwrap();
        let pool = of("901405100000100", "901405100000199");
        for (first, last, overlaps) in [
            ("901405100000199", "901405100000300", true),
            ("901405100000150", "901405100000160", true),
            ("901405100000200", "901405100000300", false),
            ("901405100000000", "901405100000099", false),
        ] {
            assert_eq!(pool.overlaps(&of(first, last)), overlaps, "{first}");
        }
    }

    #[test]
    fn names_have_a_form() {
        for (text, fits) in [("imsi-global", true), ("a.1", true), ("", false), ("A", false), ("a b", false)]
        {
            assert_eq!(PoolName::parse(text).is_some(), fits, "{text}");
        }
        for (text, fits) in [("order-17/3", true), ("", false), ("a b", false), ("ä", false)] {
            assert_eq!(AllocationId::parse(text).is_some(), fits, "{text}");
        }
        assert!(AllocationId::parse(&"x".repeat(129)).is_none());
    }
}
