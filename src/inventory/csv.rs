//! A manufacturer's file: one line that names the columns, in any order, then one line for each subscription.
//!
//! Columns are divided by comma, semicolon or tab, whichever the first line uses; a value may stand in double quotes.
//! Needed are `iccid`, `imsi`, `ki`, `opc` or `op` (`opc` wins where a row has both), `pin1`, `puk1`, `pin2`, `puk2` and
//! `adm1`; `acc` follows from the IMSI and `msisdn` stays empty where they are absent. Every fault is told with line
//! and column, never with the value of a secret. The file is read from memory without copies of its secrets.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::milenage::opc_from_op;
use crate::env::Rng;
use crate::ident::{Iccid, Imsi};
use crate::profile::personal_data::{Code, CodeError, OtaKeys, PersonalData, Secret, access_class};

/// The largest file.
pub const MAX_FILE_OCTETS: usize = 64 * 1024 * 1024;
/// The most subscriptions in one file.
pub const MAX_ROWS: usize = 200_000;
/// The longest line.
pub const MAX_LINE_OCTETS: usize = 4096;
/// The most faults that are told; the rest is counted.
pub const MAX_FAULTS: usize = 100;

/// A column of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
enum Column {
    Iccid,
    Imsi,
    Ki,
    Opc,
    Op,
    Pin1,
    Puk1,
    Pin2,
    Puk2,
    Adm1,
    Acc,
    Msisdn,
}

const COLUMNS: &[(Column, &str)] = &[
    (Column::Iccid, "iccid"),
    (Column::Imsi, "imsi"),
    (Column::Ki, "ki"),
    (Column::Opc, "opc"),
    (Column::Op, "op"),
    (Column::Pin1, "pin1"),
    (Column::Puk1, "puk1"),
    (Column::Pin2, "pin2"),
    (Column::Puk2, "puk2"),
    (Column::Adm1, "adm1"),
    (Column::Acc, "acc"),
    (Column::Msisdn, "msisdn"),
];

const NEEDED: &[Column] = &[
    Column::Iccid,
    Column::Imsi,
    Column::Ki,
    Column::Pin1,
    Column::Puk1,
    Column::Pin2,
    Column::Puk2,
    Column::Adm1,
];

impl Column {
    fn name(self) -> &'static str {
        COLUMNS.iter().find(|(column, _)| *column == self).map_or("", |(_, name)| name)
    }
}

/// A subscription as delivered. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Subscription {
    /// The line it stands in, from 1.
    pub line: usize,
    /// What goes into the profile. Keys for remote management are drawn: the file has none.
    pub data: PersonalData,
    /// The telephone number, digits with or without a leading `+`.
    pub msisdn: Option<String>,
}

/// What is wrong with one value or one line. The texts of secrets do not stand here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The line is longer than any row.
    #[error("longer than {MAX_LINE_OCTETS} octets")]
    LineTooLong,
    /// The line is no UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// Another number of values than the first line has columns.
    #[error("{found} values, expected {expected} as in the first line")]
    Values {
        /// Columns of the first line.
        expected: usize,
        /// Values of this line.
        found: usize,
    },
    /// A needed value is empty.
    #[error("empty")]
    Empty,
    /// An ICCID of another form. The value is not told, in case the columns were mixed up and it is a key.
    #[error("expected 18 to 20 decimal digits, 19 may be followed by F")]
    NotIccid,
    /// An IMSI of another form; the value is not told either.
    #[error("expected 6 to 15 decimal digits")]
    NotImsi,
    /// A key of another form.
    #[error("expected {0} hexadecimal digits")]
    NotHex(usize),
    /// A PIN, PUK or ADM of another form.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// An MSISDN of another form.
    #[error("expected 5 to 15 decimal digits, with or without a leading +")]
    NotMsisdn,
    /// The number stands in an earlier line too.
    #[error("stands in line {0} already")]
    Repeated(usize),
    /// The number is in the stock already.
    #[error("is in the stock already")]
    InStock,
}

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The line, from 1.
    pub line: usize,
    /// The column, if one value is at fault.
    pub column: Option<&'static str>,
    /// What is wrong.
    pub fault: RowFault,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, {column}: {}", self.line, self.fault),
            None => write!(f, "line {}: {}", self.line, self.fault),
        }
    }
}

/// Why a file is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Too large.
    #[error("the file has more than {MAX_FILE_OCTETS} octets: divide it")]
    TooLarge,
    /// Too many rows.
    #[error("the file has more than {MAX_ROWS} rows: divide it")]
    TooManyRows,
    /// No first line, or no row after it.
    #[error("the file has no rows: expected a line of column names, then one line for each subscription")]
    NoRows,
    /// The first line is no list of names.
    #[error("line 1 is no list of column names")]
    NoHeader,
    /// A column that is not known.
    #[error(
        "line 1: column {position} is none of iccid, imsi, ki, opc, op, pin1, puk1, pin2, puk2, adm1, acc, msisdn"
    )]
    UnknownColumn {
        /// Its position, from 1. The name is not repeated: a file without a first line has values there.
        position: usize,
    },
    /// A column that stands twice.
    #[error("line 1: column {0} stands twice")]
    RepeatedColumn(&'static str),
    /// Columns that are absent.
    #[error("line 1: no column {}", .0.join(", "))]
    MissingColumns(Vec<&'static str>),
    /// Faults of rows.
    #[error("{} rows or values are wrong", .faults.len() + .more)]
    Rows {
        /// The first [`MAX_FAULTS`] faults, by line.
        faults: Vec<RowError>,
        /// How many more there are.
        more: usize,
    },
}

/// Gathers faults up to the bound.
#[derive(Default)]
pub(super) struct Faults {
    faults: Vec<RowError>,
    more: usize,
}

impl Faults {
    pub(super) fn add(&mut self, line: usize, column: Option<&'static str>, fault: RowFault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(RowError { line, column, fault });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn into_result(self) -> Result<(), FileError> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(FileError::Rows { faults: self.faults, more: self.more })
        }
    }
}

/// Reads a file whole. Lines that are empty are passed over. `rng` draws the keys for remote management.
///
/// # Errors
/// [`FileError`]: every fault of every row that can be told.
pub fn read(file: &[u8], rng: &Rng) -> Result<Vec<Subscription>, FileError> {
    if file.len() > MAX_FILE_OCTETS {
        return Err(FileError::TooLarge);
    }
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut lines =
        file.split(|octet| *octet == b'\n').enumerate().map(|(at, line)| (at + 1, line.trim_ascii()));
    let (_, first) = lines.next().filter(|(_, line)| !line.is_empty()).ok_or(FileError::NoRows)?;
    let header = Header::read(first)?;
    let mut faults = Faults::default();
    let mut subscriptions = Vec::new();
    let (mut iccids, mut imsis) = (HashMap::new(), HashMap::new());
    let mut rows = 0;
    for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
        rows += 1;
        if rows > MAX_ROWS {
            return Err(FileError::TooManyRows);
        }
        let Some(subscription) = header.row(line, text, rng, &mut faults) else { continue };
        if let Some(earlier) = iccids.insert(subscription.data.iccid.clone(), line) {
            faults.add(line, Some("iccid"), RowFault::Repeated(earlier));
        }
        if let Some(earlier) = imsis.insert(subscription.data.imsi.clone(), line) {
            faults.add(line, Some("imsi"), RowFault::Repeated(earlier));
        }
        subscriptions.push(subscription);
    }
    faults.into_result()?;
    if subscriptions.is_empty() { Err(FileError::NoRows) } else { Ok(subscriptions) }
}

struct Header {
    delimiter: char,
    columns: Vec<Column>,
}

impl Header {
    fn read(line: &[u8]) -> Result<Self, FileError> {
        let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= MAX_LINE_OCTETS);
        let text = text.ok_or(FileError::NoHeader)?;
        let delimiter = [',', ';', '\t'].into_iter().max_by_key(|delimiter| text.matches(*delimiter).count());
        let delimiter = delimiter.unwrap_or(',');
        let mut columns = Vec::new();
        for (at, name) in text.split(delimiter).map(value).enumerate() {
            let known = COLUMNS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
            let (column, name) = known.ok_or(FileError::UnknownColumn { position: at + 1 })?;
            if columns.contains(column) {
                return Err(FileError::RepeatedColumn(name));
            }
            columns.push(*column);
        }
        let absent = |column: &&Column| !columns.contains(column);
        let mut missing: Vec<&'static str> =
            NEEDED.iter().filter(absent).map(|column| column.name()).collect();
        if !columns.contains(&Column::Opc) && !columns.contains(&Column::Op) {
            missing.push("opc or op");
        }
        if missing.is_empty() {
            Ok(Self { delimiter, columns })
        } else {
            Err(FileError::MissingColumns(missing))
        }
    }

    /// One row; `None` if anything in it is wrong, which `faults` then says.
    fn row(&self, line: usize, text: &[u8], rng: &Rng, faults: &mut Faults) -> Option<Subscription> {
        let text = if text.len() > MAX_LINE_OCTETS {
            Err(RowFault::LineTooLong)
        } else {
            std::str::from_utf8(text).map_err(|_| RowFault::NotText)
        };
        let text = text.map_err(|fault| faults.add(line, None, fault)).ok()?;
        let found = text.split(self.delimiter).count();
        if found != self.columns.len() {
            faults.add(line, None, RowFault::Values { expected: self.columns.len(), found });
            return None;
        }
        let mut values = [""; COLUMNS.len()];
        for (column, text) in self.columns.iter().zip(text.split(self.delimiter)) {
            if let Some(place) = values.get_mut(*column as usize) {
                *place = value(text);
            }
        }
        Row { line, values, faults }.read(rng)
    }
}

/// A value without the blanks and the quotes around it.
fn value(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

struct Row<'a> {
    line: usize,
    values: [&'a str; COLUMNS.len()],
    faults: &'a mut Faults,
}

impl<'a> Row<'a> {
    fn text(&self, column: Column) -> &'a str {
        self.values.get(column as usize).copied().unwrap_or_default()
    }

    fn optional<T>(
        &mut self,
        column: Column,
        read: impl FnOnce(&str) -> Result<T, RowFault>,
    ) -> Option<Option<T>> {
        let text = self.text(column);
        if text.is_empty() {
            return Some(None);
        }
        match read(text) {
            Ok(value) => Some(Some(value)),
            Err(fault) => {
                self.faults.add(self.line, Some(column.name()), fault);
                None
            }
        }
    }

    fn needed<T>(&mut self, column: Column, read: impl FnOnce(&str) -> Result<T, RowFault>) -> Option<T> {
        match self.optional(column, read)? {
            Some(value) => Some(value),
            None => {
                self.faults.add(self.line, Some(column.name()), RowFault::Empty);
                None
            }
        }
    }

    /// All values are read before one is missed, so that every fault of the row is told.
    fn read(mut self, rng: &Rng) -> Option<Subscription> {
        let iccid = self.needed(Column::Iccid, |text| Iccid::parse(text).map_err(|_| RowFault::NotIccid));
        let imsi = self.needed(Column::Imsi, |text| Imsi::parse(text).map_err(|_| RowFault::NotImsi));
        let ki = self.needed(Column::Ki, key);
        let opc = self.optional(Column::Opc, key);
        let op = self.optional(Column::Op, key);
        let pin1 = self.needed(Column::Pin1, |text| Ok(Code::pin(text)?));
        let puk1 = self.needed(Column::Puk1, |text| Ok(Code::puk(text)?));
        let pin2 = self.needed(Column::Pin2, |text| Ok(Code::pin(text)?));
        let puk2 = self.needed(Column::Puk2, |text| Ok(Code::puk(text)?));
        let adm1 = self.needed(Column::Adm1, |text| Ok(Code::adm(text)?));
        let acc = self.optional(Column::Acc, octets::<2>);
        let msisdn = self.optional(Column::Msisdn, msisdn);
        let (ki, imsi) = (ki?, imsi?);
        let opc = match (opc?, op?) {
            (Some(opc), _) => opc,
            (None, Some(op)) => opc_from_op(&ki, &op),
            (None, None) => {
                self.faults.add(self.line, Some(Column::Opc.name()), RowFault::Empty);
                return None;
            }
        };
        let acc = acc?.map_or_else(|| access_class(&imsi), |acc| *acc);
        let data = PersonalData {
            iccid: iccid?,
            imsi,
            ki: Secret::new(*ki),
            opc: Secret::new(*opc),
            pin1: pin1?,
            pin2: pin2?,
            puk1: puk1?,
            puk2: puk2?,
            adm1: adm1?,
            acc,
            ota: OtaKeys::random(rng),
        };
        Some(Subscription { line: self.line, data, msisdn: msisdn? })
    }
}

fn octets<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, RowFault> {
    let mut octets = Zeroizing::new([0; N]);
    hex::decode_to_slice(text, octets.as_mut_slice()).map_err(|_| RowFault::NotHex(2 * N))?;
    Ok(octets)
}

fn key(text: &str) -> Result<Zeroizing<[u8; 16]>, RowFault> {
    octets(text)
}

fn msisdn(text: &str) -> Result<String, RowFault> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let fits = (5..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err(RowFault::NotMsisdn) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_wrong_column_is_not_repeated() {
        const KI: &str = "00112233445566778899aabbccddeeff";
        const HEAD: &str = "imsi,opc,pin1,puk1,pin2,puk2,adm1";
        const TAIL: &str = "00000000000000000000000000000000,1234,12345678,1234,12345678,12345678";
        for (file, expected) in [
            (
                format!("iccid,ki,{HEAD}\n{KI},898821100000000000,901401234567890,{TAIL}\n"),
                "18 to 20 decimal",
            ),
            (format!("iccid,ki,{HEAD}\n898821100000000000,901401234567890,{KI},{TAIL}\n"), "6 to 15 decimal"),
        ] {
            let Err(error) = read(file.as_bytes(), &Rng::seeded(1)) else { panic!("it was read") };
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) || text.contains("NotI"), "{text}");
            assert!(!text.contains(KI), "{text}");
        }
    }
}
