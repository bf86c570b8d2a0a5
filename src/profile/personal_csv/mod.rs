//! Personal data as manufacturers deliver them: one line that names the columns, in any order, then one line for each
//! profile. Rows are read one by one, however many there are.
//!
//! Columns are divided by comma, semicolon or tab, whichever the first line uses; a value may stand in double quotes, and
//! the delimiter in it.
//! Needed are `iccid`, `imsi`, `ki`, `opc` or `op` (`opc` wins where a row has both) and the codes that [`Settings`]
//! ask for. The others:
//!
//! | column | what |
//! |---|---|
//! | `algorithm` | `milenage`, `tuak`, `xor`; `topc` is the OPc of TUAK |
//! | `acc` | follows from the IMSI where it is absent |
//! | `mnclength` | digits of the MNC: 2 or 3 |
//! | `msisdn`, `smsp` | telephone numbers: of the subscription, of its service centre |
//! | `spn` | the name of the provider |
//! | `impi`, `impu` | identities of IMS, several with blanks between |
//! | `adm1` to `adm10`, `kic`, `kid`, `kik` | codes; keys for remote management, with the version of their set: `kic2` |
//! | `otatype` | `AES` or `DES`, with the version of the set: `otatype2` |
//! | `imsi2`, `ki2`, `opc2` … | further subscriptions; one without `ki` is used with the keys of the first |
//! | `role2` | what a further subscription is for |
//!
//! Every fault is told with line and column, never with the value: a secret may stand in the wrong column. To find
//! numbers that stand twice, ICCIDs and IMSIs are kept while a file is read: 40 to 70 octets for each row.

mod columns;
mod lines;
mod row;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use self::columns::{Column, KNOWN, Member};
use self::lines::Lines;
use super::personal_data::{Algorithm, CodeError, CodeName, PersonalData};
use super::plan::{PersonaliseError, Requirements};
use super::test_profile::TestProfile;
use crate::env::Rng;

pub use lines::MAX_LINE_OCTETS;

/// What a file must have, and what stands for what a row does not say.
pub struct Settings<'a> {
    /// The algorithm of each subscription where the row does not name it; Milenage for those beyond.
    pub algorithms: Vec<Algorithm>,
    /// The codes that every row must have.
    pub codes: Vec<CodeName>,
    /// Where keys for remote management come from.
    pub ota: OtaSource<'a>,
}

/// Where keys for remote management come from.
pub enum OtaSource<'a> {
    /// From the row: these versions and identifiers.
    Row(Vec<(u8, u8)>),
    /// From the row, and drawn where it has none: for these versions and identifiers, or, where they are not known, one
    /// set without version.
    Drawn(&'a Rng, Vec<(u8, u8)>),
}

impl<'a> Settings<'a> {
    /// For the stock: what the template needs, if it is known; otherwise what every classic file has. Keys for remote
    /// management are drawn.
    #[must_use]
    pub fn for_stock(requirements: Option<Requirements>, rng: &'a Rng) -> Self {
        if let Some(Requirements { algorithms, codes, ota }) = requirements {
            return Self { algorithms, codes, ota: OtaSource::Drawn(rng, ota) };
        }
        let codes = vec![CodeName::PIN1, CodeName::PUK1, CodeName::PIN2, CodeName::PUK2, CodeName::ADM1];
        Self { algorithms: Vec::new(), codes, ota: OtaSource::Drawn(rng, Vec::new()) }
    }

    /// For a template: what it has no place for may be absent, what it has must be there.
    #[must_use]
    pub fn for_template(requirements: Requirements) -> Self {
        let Requirements { algorithms, codes, ota } = requirements;
        Self { algorithms, codes, ota: OtaSource::Row(ota) }
    }

    fn algorithm(&self, place: usize) -> Algorithm {
        self.algorithms.get(place).copied().unwrap_or(Algorithm::Milenage)
    }

    /// The version in the names of columns that give a needed key: none will do where there is one set.
    fn is_only_version(&self, version: u8) -> bool {
        match &self.ota {
            OtaSource::Row(keys) => keys.iter().all(|(other, _)| *other == version),
            OtaSource::Drawn(..) => false,
        }
    }
}

/// What is wrong with one value or one line. Values do not stand here.
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
    /// A key for remote management of another form.
    #[error("expected 32, 48 or 64 hexadecimal digits")]
    NotOtaKey,
    /// A PIN, PUK or ADM of another form.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// An MSISDN of another form.
    #[error("expected 5 to 15 decimal digits, with or without a leading +")]
    NotMsisdn,
    /// The number of a service centre of another form.
    #[error("expected 3 to 20 decimal digits, with or without a leading +")]
    NotNumber,
    /// A name that EF.SPN has no room for.
    #[error("expected at most 16 letters of the GSM alphabet, or 7 of any other")]
    NotSpn,
    /// An identity of IMS of another form.
    #[error("expected 1 to 252 printable ASCII characters without blanks")]
    NotIdentity,
    /// A length of the MNC that there is not.
    #[error("expected 2 or 3")]
    NotMncLength,
    /// A role of another form.
    #[error("expected 1 to 32 small letters, digits and hyphens, and not home")]
    NotRole,
    /// A test profile, outside test mode (SGP.22 2.4.5.3).
    #[error("a test profile: {0}; only a server with mode = \"test\" takes it")]
    TestProfile(TestProfile),
    /// An algorithm that is not known.
    #[error("expected milenage, tuak or xor")]
    NotAlgorithm,
    /// A type of keys that is not known.
    #[error("expected AES or DES")]
    NotOtaType,
    /// OPc for an algorithm that has none.
    #[error("the test algorithm (xor) has no OPc: leave it empty, or name another algorithm")]
    OpcOfTestAlgorithm,
    /// OP or TOP for an algorithm whose TOPc is not made here.
    #[error("TOPc is not made from TOP here, and no other algorithm than Milenage has OP: give topc")]
    Top,
    /// The number stands in an earlier line too.
    #[error("stands in line {0} already")]
    Repeated(usize),
    /// The number is in the stock already.
    #[error("is in the stock already")]
    InStock,
    /// The row is in order, but does not fit the template.
    #[error(transparent)]
    Template(#[from] PersonaliseError),
    /// A package with this number is there already.
    #[error("{0} is there already")]
    FileThere(String),
}

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The line, from 1.
    pub line: usize,
    /// The column, if one value is at fault.
    pub column: Option<Cow<'static, str>>,
    /// What is wrong.
    pub fault: RowFault,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "line {}, {column}: {}", self.line, self.fault),
            None => write!(f, "line {}: {}", self.line, self.fault),
        }
    }
}

/// Why no row of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It cannot be read at all.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// No first line.
    #[error("the file has no rows: expected a line of column names, then one line for each subscription")]
    NoRows,
    /// The first line is no list of names.
    #[error("line 1 is no list of column names in UTF-8")]
    NoHeader,
    /// A column that is not known.
    #[error("line 1: column {position} is none of {KNOWN}")]
    UnknownColumn {
        /// Its position, from 1. The name is not repeated: a file without a first line has values there.
        position: usize,
    },
    /// A column that stands twice.
    #[error("line 1: column {0} stands twice")]
    RepeatedColumn(Cow<'static, str>),
    /// Columns that are absent.
    #[error("line 1: no column {}", .0.join(", "))]
    MissingColumns(Vec<Cow<'static, str>>),
}

/// One row of a file.
pub struct Row {
    /// The line it stands in, from 1.
    pub line: usize,
    /// Its data, or everything that is wrong with it.
    pub outcome: Result<PersonalData, Vec<RowError>>,
}

/// What a line without any value is made of: spreadsheets write them behind the last row.
const BLANK: &[u8] = b" ,;\t";

/// The rows of a file, one after the other. Lines without any value are passed over.
pub struct Rows<'a, R> {
    lines: Lines<R>,
    header: Header,
    settings: Settings<'a>,
    seen: Seen,
}

impl<'a, R: Read> Rows<'a, R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`HeaderError`]: columns that are not known, stand twice or are missing.
    pub fn new(input: R, settings: Settings<'a>) -> Result<Self, HeaderError> {
        let mut lines = Lines::new(input);
        let line = lines.next()?.ok_or(HeaderError::NoRows)?;
        let header = match line.octets {
            Some([]) => return Err(HeaderError::NoRows),
            Some(octets) => Header::read(octets, &settings)?,
            None => return Err(HeaderError::NoHeader),
        };
        Ok(Self { lines, header, settings, seen: Seen::default() })
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        loop {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if line.octets.is_some_and(|octets| octets.iter().all(|octet| BLANK.contains(octet))) {
                continue;
            }
            let number = line.number;
            let text = line.octets.ok_or(RowFault::LineTooLong);
            let text = text.and_then(|octets| std::str::from_utf8(octets).map_err(|_| RowFault::NotText));
            let outcome = match text {
                Err(fault) => Err(vec![RowError { line: number, column: None, fault }]),
                Ok(text) => self.header.row(number, text, &self.settings),
            };
            let outcome = outcome.and_then(|data| self.seen.check(number, &data).map(|()| data));
            return Ok(Some(Row { line: number, outcome }));
        }
    }
}

/// Numbers of the rows so far, with their lines.
#[derive(Default)]
struct Seen {
    iccids: HashMap<[u8; 10], u32>,
    imsis: HashMap<[u8; 9], u32>,
}

impl Seen {
    /// Refuses a number that was there before; of a row that is refused, none is kept.
    fn check(&mut self, line: usize, data: &PersonalData) -> Result<(), Vec<RowError>> {
        let earlier = |line: Option<&u32>| line.map(|line| usize::try_from(*line).unwrap_or(usize::MAX));
        let iccid = data.iccid.to_bcd();
        let imsis = (0..data.subscriptions()).filter_map(|place| data.subscription(place));
        let imsis: Vec<[u8; 9]> = imsis.map(|(subscription, _)| subscription.imsi.to_ef()).collect();
        let mut errors = Vec::new();
        let mut refuse = |column: Column, earlier: usize| {
            let fault = RowFault::Repeated(earlier);
            errors.push(RowError { line, column: Some(column.name()), fault });
        };
        if let Some(earlier) = earlier(self.iccids.get(&iccid)) {
            refuse(Column::Iccid, earlier);
        }
        for (place, imsi) in imsis.iter().enumerate() {
            let in_row = imsis.iter().take(place).any(|other| other == imsi).then_some(line);
            if let Some(earlier) = in_row.or(earlier(self.imsis.get(imsi))) {
                refuse(Column::Of(place, Member::Imsi), earlier);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.iccids.insert(iccid, line);
        self.imsis.extend(imsis.into_iter().map(|imsi| (imsi, line)));
        Ok(())
    }
}

/// The first line.
struct Header {
    delimiter: char,
    columns: Vec<Column>,
    /// How many subscriptions the columns can give.
    subscriptions: usize,
}

impl Header {
    fn read(line: &[u8], settings: &Settings<'_>) -> Result<Self, HeaderError> {
        let text = std::str::from_utf8(line).map_err(|_| HeaderError::NoHeader)?;
        let delimiter = [',', ';', '\t'].into_iter().max_by_key(|delimiter| text.matches(*delimiter).count());
        let delimiter = delimiter.unwrap_or(',');
        let mut columns = Vec::new();
        for (at, name) in values(text, delimiter).enumerate() {
            let column = Column::parse(name).ok_or(HeaderError::UnknownColumn { position: at + 1 })?;
            if columns.contains(&column) {
                return Err(HeaderError::RepeatedColumn(column.name()));
            }
            columns.push(column);
        }
        let places = columns.iter().map(|column| match column {
            Column::Of(place, _) => place + 1,
            _ => 1,
        });
        let header = Self { delimiter, subscriptions: places.max().unwrap_or(1), columns };
        let missing = header.missing(settings);
        if missing.is_empty() { Ok(header) } else { Err(HeaderError::MissingColumns(missing)) }
    }

    fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }

    /// The columns that no row can do without.
    fn missing(&self, settings: &Settings<'_>) -> Vec<Cow<'static, str>> {
        let of_home = [Member::Imsi, Member::Ki].map(|member| Column::Of(0, member));
        let codes = settings.codes.iter().map(|name| Column::Code(*name));
        // Keys that are shared need no column; a subscription does.
        let further = (1..settings.algorithms.len()).map(|place| Column::Of(place, Member::Imsi));
        let needed = std::iter::once(Column::Iccid).chain(of_home).chain(codes).chain(further);
        let mut missing: Vec<Cow<'static, str>> =
            needed.filter(|column| !self.has(*column)).map(Column::name).collect();
        let has = |member| self.has(Column::Of(0, member));
        if !has(Member::Algorithm) {
            let needed = match settings.algorithm(0) {
                Algorithm::Milenage => Some(("opc or op", [Member::Opc, Member::Op])),
                Algorithm::Tuak128 | Algorithm::Tuak256 => Some(("topc", [Member::Topc, Member::Opc])),
                Algorithm::XorTest => None,
            };
            missing.extend(
                needed
                    .filter(|(_, any)| !any.iter().any(|one| has(*one)))
                    .map(|(name, _)| Cow::Borrowed(name)),
            );
        }
        if let OtaSource::Row(keys) = &settings.ota {
            for (version, identifier) in keys {
                if self.ota_column(settings, *version, *identifier).is_none() {
                    missing.push(Column::OtaKey(Some(*version), *identifier).name());
                }
            }
        }
        missing
    }

    /// The column of a needed key.
    fn ota_column(&self, settings: &Settings<'_>, version: u8, identifier: u8) -> Option<Column> {
        let named = Column::OtaKey(Some(version), identifier);
        let unnamed = Column::OtaKey(None, identifier);
        if self.has(named) {
            return Some(named);
        }
        (settings.is_only_version(version) && self.has(unnamed)).then_some(unnamed)
    }

    /// One row.
    fn row(&self, line: usize, text: &str, settings: &Settings<'_>) -> Result<PersonalData, Vec<RowError>> {
        let values: Vec<&str> = values(text, self.delimiter).collect();
        let (expected, found) = (self.columns.len(), values.len());
        if found != expected {
            let fault = RowFault::Values { expected, found };
            return Err(vec![RowError { line, column: None, fault }]);
        }
        row::read(self, line, &values, settings)
    }
}

/// The values of a line. One in double quotes may hold the delimiter; a quote without its twin is a letter as any other.
fn values(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let has_quotes = text.contains('"') && text.matches('"').count().is_multiple_of(2);
    let mut is_quoted = false;
    let divides = move |c| {
        is_quoted ^= has_quotes && c == '"';
        c == delimiter && !is_quoted
    };
    text.split(divides).map(value)
}

/// A value without the blanks and the quotes around it.
fn value(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_divided_outside_of_quotes() {
        for (text, delimiter, expected) in [
            ("a,b", ',', &["a", "b"][..]),
            (" \"a\" , b,", ',', &["a", "b", ""]),
            ("\"Acme, Inc.\",\"b\"", ',', &["Acme, Inc.", "b"]),
            ("a\tb\t\t", '\t', &["a", "b", "", ""]),
            ("6\" screen,b", ',', &["6\" screen", "b"]),
            ("\"a,b", ',', &["\"a", "b"]),
            ("\"\";\"\"", ';', &["", ""]),
            ("", ',', &[""]),
        ] {
            assert_eq!(values(text, delimiter).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    const HOME: &str = "8988280000000000001,262021234567890,00112233445566778899AABBCCDDEEFF,00112233445566778899AABBCCDDEEFF";

    fn settings() -> Settings<'static> {
        Settings { algorithms: Vec::new(), codes: Vec::new(), ota: OtaSource::Row(Vec::new()) }
    }

    /// The rows of a file: the name of the provider, or what is wrong.
    fn names(file: &[u8]) -> Result<Vec<String>, String> {
        let mut rows = Rows::new(file, settings()).map_err(|error| error.to_string())?;
        let mut names = Vec::new();
        while let Some(row) = rows.next_row().map_err(|error| error.to_string())? {
            names.push(match row.outcome {
                Ok(data) => data.home.service_provider_name.unwrap_or_default(),
                Err(errors) => errors.iter().map(RowError::to_string).collect::<Vec<_>>().join("; "),
            });
        }
        Ok(names)
    }

    #[test]
    fn files_come_in_many_forms() {
        let header = "iccid,imsi,ki,opc,spn";
        let next = HOME.replace("0001,", "0002,").replace("7890,", "7891,");
        let file = format!("{header}\n{HOME},Acme\n{next},Bcme\n");
        let expected = Ok(vec!["Acme".to_owned(), "Bcme".to_owned()]);
        let tabs = file.replace(',', "\t");
        for file in [
            file.clone(),
            format!("\u{FEFF}{file}"),
            file.replace('\n', "\r\n"),
            file.replace('\n', "\n\r\n \n"),
            file.replace('\n', "\n,,,,\n"),
            tabs.replace('\n', "\n\t\t\t\t\r\n"),
            file.trim_end().to_owned(),
            file.replace(',', " ; "),
            tabs.clone(),
            file.replace("Acme", "\"Acme\"").replace("iccid", "\"ICCID\""),
        ] {
            assert_eq!(names(file.as_bytes()), expected, "{file:?}");
        }
        // The last value of a line may be empty, whatever divides it.
        for file in [&file, &tabs] {
            let expected = Ok(vec![String::new(), "Bcme".to_owned()]);
            assert_eq!(names(file.replace("Acme", "").as_bytes()), expected, "{file:?}");
        }
        let quoted = file.replace("Acme", "\"Acme, Inc.\"");
        assert_eq!(names(quoted.as_bytes()), Ok(vec!["Acme, Inc.".to_owned(), "Bcme".to_owned()]));
    }

    #[test]
    fn what_is_no_row_is_told_by_its_line() {
        let file = |header: &str, row: &str| format!("{header}\n{row}\n");
        let (header, twice) = ("iccid,imsi,ki,opc,spn", "iccid,imsi,ki,opc,k");
        let told = |file: &[u8]| match names(file) {
            Ok(names) => names.join("|"),
            Err(error) => error,
        };
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            format!("\u{FEFF}{header}\n").encode_utf16().flat_map(bytes).collect()
        };
        for (file, expected) in [
            (file(header, &format!("{HOME},A\0B")).into_bytes(), "line 2, spn: expected at most 16 letters"),
            (
                file(header, &format!("{},A", HOME.replace("0011", "00\x0011"))).into_bytes(),
                "line 2, ki: expected 32",
            ),
            (file(header, &"x".repeat(10 << 20)).into_bytes(), "line 2: longer than 4096 octets"),
            (file(header, HOME).into_bytes(), "line 2: 4 values, expected 5"),
            ([file(header, "").as_bytes(), b"\xFF\xFE\n"].concat(), "line 3: not UTF-8"),
            (file(twice, HOME).into_bytes(), "line 1: column ki stands twice"),
            (file("iccid,imsi,ki,opc,", HOME).into_bytes(), "line 1: column 5 is none of"),
            (utf16(u16::to_le_bytes), "line 1 is no list of column names in UTF-8"),
            (utf16(u16::to_be_bytes), "line 1 is no list of column names in UTF-8"),
            (file(header, "").replace('\n', "\r").into_bytes(), ""),
            (Vec::new(), "the file has no rows"),
            (b"\xEF\xBB\xBF".to_vec(), "the file has no rows"),
        ] {
            let told = told(&file);
            assert!(told.contains(expected), "{expected}: {told}");
            assert!(!told.contains("0011"), "{told}");
        }
    }
}
