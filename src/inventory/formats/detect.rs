//! Which form a file has, by its beginning.

use std::fmt;
use std::io::{Cursor, Read};

use zeroize::Zeroizing;

use super::FormatError;
use super::euiccs::is_euicc_layout;
use super::json_lines::Object;
use crate::profile::personal_csv::{delimiter, values};
use crate::profile::personal_row::Layout;

/// Octets at the beginning of a file that are looked at.
const BEGINNING: usize = 32 * 1024;
/// The first octet of a profile package: its profile header. No text begins with it.
const PACKAGE_BEGINS: u8 = 0xA0;
/// What some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A vendor's sections and rows.
    Classic,
    /// A header line and rows.
    HeaderLine,
    /// Subscriptions as CSV with named columns.
    Csv,
    /// Subscriptions as JSON objects, one on a line.
    JsonLines,
    /// Ready-made profile packages.
    Packages,
    /// eUICCs, as CSV with named columns or as JSON lines.
    Euiccs,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Classic, Self::HeaderLine, Self::Csv, Self::JsonLines, Self::Packages, Self::Euiccs];

    /// Its name in commands and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::HeaderLine => "header-line",
            Self::Csv => "csv",
            Self::JsonLines => "json-lines",
            Self::Packages => "packages",
            Self::Euiccs => "euiccs",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text)
    }

    /// All names, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A file of which the beginning was looked at.
pub(super) struct Peeked<R> {
    beginning: Cursor<Zeroizing<Vec<u8>>>,
    rest: R,
}

impl<R: Read> Peeked<R> {
    /// Reads the beginning.
    pub(super) fn new(mut input: R) -> std::io::Result<Self> {
        // Room for all of it: a buffer that grows would leave copies of keys behind.
        let mut beginning = Zeroizing::new(vec![0; BEGINNING]);
        let mut filled = 0;
        while let Some(room) = beginning.get_mut(filled..).filter(|room| !room.is_empty()) {
            match input.read(room) {
                Ok(0) => break,
                Ok(octets) => filled += octets.min(room.len()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        beginning.truncate(filled);
        Ok(Self { beginning: Cursor::new(beginning), rest: input })
    }

    /// The first octets.
    pub(super) fn beginning(&self) -> &[u8] {
        self.beginning.get_ref()
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.beginning.read(out)? {
            0 => self.rest.read(out),
            octets => Ok(octets),
        }
    }
}

/// The form of a file that begins so.
pub(super) fn format(beginning: &[u8]) -> Result<Format, FormatError> {
    if beginning.first() == Some(&PACKAGE_BEGINS) {
        return Ok(Format::Packages);
    }
    let beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
    let mut lines = beginning.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.clone().find(|line| !line.is_empty()).ok_or(FormatError::Empty)?;
    let first = std::str::from_utf8(first).map_err(|_| FormatError::Unsure)?;
    if first.starts_with('{') {
        let object = Object::read(first).ok_or(FormatError::Unsure)?;
        let is_euicc = is_euicc_layout(object.members.iter().map(|(name, _)| name.as_ref()));
        return Ok(if is_euicc { Format::Euiccs } else { Format::JsonLines });
    }
    if first.starts_with('*') || lines.any(super::classic::is_output) {
        return Ok(Format::Classic);
    }
    let is_number = |word: &str| word.bytes().all(|digit| digit.is_ascii_digit());
    let words = first.split_whitespace();
    if (5..=9).contains(&words.clone().count()) && words.skip(1).all(is_number) {
        return Ok(Format::HeaderLine);
    }
    let delimiter = delimiter(first);
    if is_euicc_layout(values(first, delimiter)) {
        return Ok(Format::Euiccs);
    }
    // One name that is known is enough: which others are not, the reader says.
    let is_known = |name: &str| Layout::new([name], &[]).is_ok();
    if values(first, delimiter).any(is_known) { Ok(Format::Csv) } else { Err(FormatError::Unsure) }
}
