//! What is in stock: how many profiles stand where, which of them run low, and which one a number means.
//!
//! Counts are those that [`Store::counts`] keeps, exact and cheap. A reservation or quarantine that has run out counts as one
//! until it is taken back.
//!
//! A search tries every number that a text can be: people copy what stands on a card, in a file or on a screen. An ICCID
//! comes with 18, 19 or 20 digits, with its check digit or without, filled up with F, or with its nibbles swapped; an IMSI
//! as digits or as in EF.IMSI. What is found stands in the store exactly as one of them: keys are never guessed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Operator, ProfileType, Standing};
use crate::ident::{Eid, Iccid, Imsi, MatchingId};
use crate::store::{Identifier, Shelved, Store, StoreError};

pub use crate::store::StockItem;

/// The longest text that is looked for.
pub const TEXT_MAX: usize = 128;

/// When a profile type runs low.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowWater {
    /// Whose profiles.
    pub owner: Operator,
    /// Of which type.
    pub profile_type: ProfileType,
    /// With fewer of them available, somebody is to be told.
    pub low_water: u64,
}

/// The profiles of one owner, type and sub-class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StockLine {
    /// The owner.
    pub owner: String,
    /// The profile type.
    pub profile_type: String,
    /// The kind of SIM.
    pub sub_class: Option<String>,
    /// All of them.
    pub profiles: u64,
    /// How many stand where, by [`Standing::name`]; what is absent is none.
    pub standing: BTreeMap<&'static str, u64>,
}

impl StockLine {
    /// How many stand there.
    #[must_use]
    pub fn of(&self, standing: Standing) -> u64 {
        self.standing.get(standing.name()).copied().unwrap_or_default()
    }
}

/// A profile type of which fewer are available than its mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LowStock {
    /// The owner.
    pub owner: String,
    /// The profile type.
    pub profile_type: String,
    /// How many are available, of all sub-classes.
    pub available: u64,
    /// The mark.
    pub low_water: u64,
}

/// The whole stock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StockOverview {
    /// By owner, type and sub-class.
    pub stock: Vec<StockLine>,
    /// What runs low; a type that was never delivered too.
    pub low: Vec<LowStock>,
}

/// Counts the stock and holds it against the marks.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn overview(store: &Store, marks: &[LowWater]) -> Result<StockOverview, StoreError> {
    let mut stock: Vec<StockLine> = Vec::new();
    // They come by owner, type and sub-class.
    for count in store.counts().await? {
        let is_its = |line: &StockLine| {
            (&line.owner, &line.profile_type, &line.sub_class)
                == (&count.owner, &count.profile_type, &count.sub_class)
        };
        if !stock.last().is_some_and(is_its) {
            let (owner, profile_type, sub_class) =
                (count.owner.clone(), count.profile_type.clone(), count.sub_class.clone());
            let standing = BTreeMap::new();
            stock.push(StockLine { owner, profile_type, sub_class, profiles: 0, standing });
        }
        if let Some(line) = stock.last_mut() {
            line.profiles += count.profiles;
            *line.standing.entry(count.standing.name()).or_default() += count.profiles;
        }
    }
    let low = marks.iter().filter_map(|mark| low(&stock, mark)).collect();
    Ok(StockOverview { stock, low })
}

fn low(stock: &[StockLine], mark: &LowWater) -> Option<LowStock> {
    let (owner, profile_type) = (mark.owner.as_str(), mark.profile_type.as_str());
    let lines = stock
        .iter()
        .filter(|line| (line.owner.as_str(), line.profile_type.as_str()) == (owner, profile_type));
    let available = lines.map(|line| line.of(Standing::Available)).sum();
    (available < mark.low_water).then(|| LowStock {
        owner: owner.to_owned(),
        profile_type: profile_type.to_owned(),
        available,
        low_water: mark.low_water,
    })
}

/// A profile, and where it stands on the shelf as it was written; `None` if it is not in the stock.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn one(store: &Store, iccid: &Iccid) -> Result<Option<(StockItem, Shelved)>, StoreError> {
    let Some(item) = store.stock_item(iccid).await? else { return Ok(None) };
    Ok(store.shelved(iccid).await?.map(|shelved| (item, shelved)))
}

/// A profile that was found, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it was found by: `iccid`, `imsi`, `msisdn`, `eid` or `matching_id`.
    pub by: &'static str,
    /// The number that stands in the store.
    pub number: String,
    /// The profile.
    pub item: StockItem,
}

/// The profiles that a text can mean; each once, by the first reading that leads to it. None for what can be no number.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn search(store: &Store, text: &str) -> Result<Vec<Found>, StoreError> {
    let mut found: Vec<Found> = Vec::new();
    for identifier in readings(text) {
        let (by, number) = named(&identifier);
        for item in store.stock_items_of(&identifier).await? {
            if found.iter().all(|other| other.item.iccid != item.iccid) {
                found.push(Found { by, number: number.clone(), item });
            }
        }
    }
    Ok(found)
}

fn named(identifier: &Identifier) -> (&'static str, String) {
    match identifier {
        Identifier::Iccid(iccid) => ("iccid", iccid.to_string()),
        Identifier::Imsi(imsi) => ("imsi", imsi.to_string()),
        Identifier::Msisdn(number) => ("msisdn", number.clone()),
        Identifier::Eid(eid) => ("eid", eid.to_string()),
        Identifier::MatchingId(id) => ("matching_id", id.to_string()),
    }
}

/// Every identifier that a text can be, the likeliest first.
#[must_use]
pub fn readings(text: &str) -> Vec<Identifier> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_MAX {
        return Vec::new();
    }
    // Numbers are written in groups; matching identifiers have hyphens of their own.
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.')).collect();
    let mut readings: Vec<Identifier> = iccids(&digits).into_iter().map(Identifier::Iccid).collect();
    readings.extend(Eid::parse(&digits).ok().map(Identifier::Eid));
    readings.extend(Imsi::parse(&digits).ok().map(Identifier::Imsi));
    readings.extend(imsi_of_file(&digits).map(Identifier::Imsi));
    readings.extend(phone_numbers(&digits).into_iter().map(Identifier::Msisdn));
    let matching_id = MatchingId::parse(text).ok().filter(|id| !id.is_empty());
    readings.extend(matching_id.map(Identifier::MatchingId));
    readings
}

/// A number as it stands, as octets of EF.ICCID, and each with its check digit or without.
fn iccids(text: &str) -> Vec<Iccid> {
    let plain = Iccid::parse(text).ok();
    let swapped = hex::decode(text).ok().and_then(|octets| <[u8; 10]>::try_from(octets).ok());
    let swapped = swapped.and_then(|octets| Iccid::from_bcd(&octets).ok());
    let mut iccids: Vec<Iccid> = Vec::new();
    for iccid in plain.into_iter().chain(swapped) {
        let digits = iccid.as_str();
        let longer = luhn_digit(digits).and_then(|digit| Iccid::parse(&format!("{digits}{digit}")).ok());
        let shorter = digits.split_at_checked(digits.len() - 1).and_then(|(number, last)| {
            let is_check = luhn_digit(number).is_some_and(|digit| last == digit.to_string());
            Iccid::parse(number).ok().filter(|_| is_check)
        });
        for reading in [Some(iccid), longer, shorter].into_iter().flatten() {
            if !iccids.contains(&reading) {
                iccids.push(reading);
            }
        }
    }
    iccids
}

/// The digit that follows a number by ISO/IEC 7812-1 annex B (ITU-T E.118).
fn luhn_digit(number: &str) -> Option<char> {
    let mut sum = 0;
    for (place, digit) in number.chars().rev().enumerate() {
        let digit = digit.to_digit(10)?;
        // From the right, the first, the third and so on count twice; of two digits the sum of them.
        let weighed = if place % 2 == 0 { digit * 2 } else { digit };
        sum += weighed / 10 + weighed % 10;
    }
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// Nine octets as in EF.IMSI.
fn imsi_of_file(text: &str) -> Option<Imsi> {
    let octets: [u8; 9] = hex::decode(text).ok()?.try_into().ok()?;
    Imsi::from_ef(&octets).ok()
}

/// With a plus sign and without, whichever was delivered.
fn phone_numbers(text: &str) -> Vec<String> {
    let number = text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(text);
    let is_number = (3..=20).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number {
        return Vec::new();
    }
    let mut numbers = vec![format!("+{number}"), number.to_owned()];
    if text != number && !text.starts_with('+') {
        numbers.push(text.to_owned());
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        readings(text)
            .iter()
            .map(|identifier| format!("{} {}", named(identifier).0, named(identifier).1))
            .collect()
    }

    #[test]
    fn an_iccid_is_known_in_every_notation() {
        // 19 digits; the twentieth is their check digit.
        let (number, with_check) = ("8988280100000000001", "89882801000000000014");
        for text in
            [number, with_check, "8988280100000000001F", "89 88280 1000000 000014", "98888210000000000041"]
        {
            let read = read(text);
            for iccid in [number, with_check] {
                assert!(read.contains(&format!("iccid {iccid}")), "{text}: {read:?}");
            }
        }
        let swapped = hex::encode(Iccid::parse("898828010000000000").unwrap().to_bcd());
        assert!(read(&swapped).contains(&"iccid 898828010000000000".to_owned()), "{swapped}");
        // A last digit that is no check digit belongs to the number.
        let other = read("89882801000000000015");
        assert!(!other.contains(&format!("iccid {number}")), "{other:?}");
        assert!(!other.contains(&format!("iccid {with_check}")), "{other:?}");
    }

    #[test]
    fn other_numbers_are_known_too() {
        for (text, expected) in [
            ("901405100000001", "imsi 901405100000001"),
            ("089910041500000010", "imsi 901405100000001"),
            ("+88 123 456", "msisdn 88123456"),
            ("0088123456", "msisdn +88123456"),
            ("0088123456", "msisdn 0088123456"),
            ("88123456", "msisdn +88123456"),
            ("89049032 00000000 00002799 73200019", "eid 89049032000000000000279973200019"),
            ("AB-CD", "matching_id AB-CD"),
        ] {
            assert!(read(text).contains(&expected.to_owned()), "{text}: {:?}", read(text));
        }
        for text in ["", " ", "?", &"1".repeat(TEXT_MAX + 1)] {
            assert_eq!(read(text), Vec::<String>::new(), "{text}");
        }
    }
}
