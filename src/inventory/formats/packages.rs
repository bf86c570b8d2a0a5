//! Ready-made profile packages in DER, one after the other: each begins with its header (A0) and ends with its End element
//! (AA). One is held at a time.
//!
//! A CSV may go with them that says in each row what the header of the package at its place must say: `iccid`, and `imsi`
//! where it has that column.

use std::io::Read;

use simyard_asn1::saip::{MAX_PACKAGE, Package};
use zeroize::Zeroizing;

use super::{FormatError, Row, RowSource};
use crate::ident::{Iccid, Imsi};
use crate::inventory::rows::{Delivered, Heading};
use crate::profile::identity::PackageIdentity;
use crate::profile::personal_csv::{delimiter, values};
use crate::profile::personal_row::{Lines, RowError, RowFault};

/// The tag of the profile header, which begins a package.
const HEADER: u8 = 0xA0;
/// The tag of the End element.
const END: u8 = 0xAA;
/// The longest tag and length that are read: elements have tags of at most three octets.
const MAX_TAG: usize = 3;

/// Makes ready to read packages.
pub(super) fn open<'a, R: Read + 'a>(
    input: R,
    accompanying: Option<&'a mut dyn Read>,
) -> Result<(Heading, Box<dyn RowSource + 'a>), FormatError> {
    let accompanying = accompanying.map(Accompanying::open).transpose()?;
    Ok((Heading::default(), Box::new(Packages { input, accompanying, number: 0, is_lost: false })))
}

struct Packages<'a, R> {
    input: R,
    accompanying: Option<Accompanying<'a>>,
    number: usize,
    /// Whether nobody knows any more where the next package begins.
    is_lost: bool,
}

impl<R: Read> RowSource for Packages<'_, R> {
    fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        if self.is_lost {
            return Ok(None);
        }
        let line = self.number + 1;
        let der = match next_package(&mut self.input)? {
            Next::Nothing => {
                self.is_lost = true;
                let left = self.accompanying.as_mut().map(Accompanying::next).transpose()?.flatten();
                let fault = RowFault::Other("the file that goes with the packages has more rows".to_owned());
                return Ok(left.map(|_| Row { line, outcome: Err(vec![RowError::new(line, None, fault)]) }));
            }
            Next::Lost(reason) => {
                self.is_lost = true;
                let fault = RowFault::Other(reason);
                return Ok(Some(Row { line, outcome: Err(vec![RowError::new(line, None, fault)]) }));
            }
            Next::Package(der) => der,
        };
        self.number = line;
        let errors = match &mut self.accompanying {
            Some(accompanying) => {
                let expected = accompanying.next()?;
                expected.map_or_else(|| vec![no_row(line)], |expected| expected.compare(line, &der))
            }
            None => Vec::new(),
        };
        let outcome = if errors.is_empty() { Ok(Delivered::Package(der)) } else { Err(errors) };
        Ok(Some(Row { line, outcome }))
    }
}

fn no_row(line: usize) -> RowError {
    let reason = "the file that goes with the packages has no row for this one".to_owned();
    RowError::new(line, None, RowFault::Other(reason))
}

enum Next {
    Package(Zeroizing<Vec<u8>>),
    Nothing,
    Lost(String),
}

/// Reads element after element up to End.
fn next_package(input: &mut impl Read) -> std::io::Result<Next> {
    // Room for all of it: a buffer that grows would leave copies of keys behind.
    let mut package = Zeroizing::new(Vec::with_capacity(MAX_PACKAGE));
    loop {
        let begins = package.len();
        let Some(first) = octet(input)? else {
            return Ok(if begins == 0 {
                Next::Nothing
            } else {
                Next::Lost("the file ends within the package: no End element (AA)".to_owned())
            });
        };
        if begins == 0 && first != HEADER {
            let reason = format!("a package begins with its header (A0), and {first:02X} was found");
            return Ok(Next::Lost(reason));
        }
        package.push(first);
        let Some(length) = rest_of_header(input, first, &mut package)? else {
            return Ok(Next::Lost("an element has no length of DER, or the file ends there".to_owned()));
        };
        if package.len().saturating_add(length) > MAX_PACKAGE {
            return Ok(Next::Lost(format!("the package has more than {MAX_PACKAGE} octets")));
        }
        let value = package.len();
        package.resize(value + length, 0);
        let read = package.get_mut(value..).map_or(Ok(()), |value| input.read_exact(value));
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Ok(Next::Lost("the file ends within an element".to_owned()));
            }
            read => read?,
        }
        if first == END {
            // Of its own size: the large buffer is the next one's.
            return Ok(Next::Package(Zeroizing::new(package.as_slice().to_vec())));
        }
    }
}

/// Reads what follows the first octet of a tag, and the length; `None` for what DER does not have.
fn rest_of_header(input: &mut impl Read, first: u8, to: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    if first & 0x1F == 0x1F {
        let mut more = MAX_TAG - 1;
        loop {
            let Some(next) = octet(input)?.filter(|_| more > 0) else { return Ok(None) };
            to.push(next);
            more -= 1;
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    let Some(length) = octet(input)? else { return Ok(None) };
    to.push(length);
    if length < 0x80 {
        return Ok(Some(usize::from(length)));
    }
    let count = length & 0x7F;
    if !(1..=4).contains(&count) {
        return Ok(None);
    }
    let mut value = 0_usize;
    for _ in 0..count {
        let Some(next) = octet(input)? else { return Ok(None) };
        to.push(next);
        value = value << 8 | usize::from(next);
    }
    Ok(Some(value))
}

fn octet(input: &mut impl Read) -> std::io::Result<Option<u8>> {
    let mut octet = [0];
    loop {
        match input.read(&mut octet) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(octet[0])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The CSV that goes with packages.
struct Accompanying<'a> {
    lines: Lines<&'a mut dyn Read>,
    delimiter: char,
    iccid: usize,
    imsi: Option<usize>,
}

/// What it says of one package; `None` of a number that cannot be read.
struct Expected {
    line: usize,
    iccid: Option<Iccid>,
    imsi: Option<Option<Imsi>>,
}

impl<'a> Accompanying<'a> {
    fn open(csv: &'a mut dyn Read) -> Result<Self, FormatError> {
        let mut lines = Lines::new(csv);
        let first = lines.next_line()?.and_then(|line| line.octets).ok_or(FormatError::Accompanying)?;
        let first = std::str::from_utf8(first).map_err(|_| FormatError::Accompanying)?;
        let delimiter = delimiter(first);
        let place =
            |column: &str| values(first, delimiter).position(|name| name.eq_ignore_ascii_case(column));
        let (iccid, imsi) = (place("iccid"), place("imsi"));
        Ok(Self { iccid: iccid.ok_or(FormatError::Accompanying)?, imsi, delimiter, lines })
    }

    fn next(&mut self) -> std::io::Result<Option<Expected>> {
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            if line.is_blank() {
                continue;
            }
            let text = line.octets.and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or_default();
            let value = |at: usize| values(text, self.delimiter).nth(at).unwrap_or_default();
            let imsi = self.imsi.map(value).filter(|text| !text.is_empty());
            return Ok(Some(Expected {
                line: line.number,
                iccid: Iccid::parse_notation(value(self.iccid)).ok(),
                imsi: imsi.map(|text| Imsi::parse_notation(text).ok()),
            }));
        }
    }
}

impl Expected {
    /// Holds a package against the row.
    fn compare(&self, line: usize, der: &[u8]) -> Vec<RowError> {
        let row = self.line;
        let refused = |column: &'static str, reason: String| {
            vec![RowError::new(line, Some(column.into()), RowFault::Other(reason))]
        };
        let Some(iccid) = &self.iccid else {
            return refused("iccid", format!("line {row} of the file that goes with the packages has none"));
        };
        let package = Package::from_der(der).map_err(|error| error.to_string());
        let identity =
            package.and_then(|package| PackageIdentity::read(&package).map_err(|error| error.to_string()));
        match identity {
            Err(reason) => vec![RowError::new(line, None, RowFault::Other(reason))],
            Ok(identity) if identity.iccid != *iccid => refused(
                "iccid",
                format!("not the number that line {row} of the file that goes with the packages has"),
            ),
            Ok(identity) if self.imsi.as_ref().is_some_and(|imsi| *imsi != identity.imsi) => refused(
                "imsi",
                format!("not the number that line {row} of the file that goes with the packages has"),
            ),
            Ok(_) => Vec::new(),
        }
    }
}
