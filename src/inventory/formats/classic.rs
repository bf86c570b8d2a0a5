//! The classic file of SIM vendors: a header in sections, then rows.
//!
//! ```text
//! *HEADER DESCRIPTION
//! Customer : Acme
//! Quantity : 2
//! Batch No : 00233
//! Transport_key : 2
//! *INPUT VARIABLES
//! var_In:
//! ICCID: 8988280100000000001F
//! *OUTPUT VARIABLES
//! var_Out: ICCID/IMSI/PIN1/PUK1/PIN2/PUK2/ADM1/KI/OPC
//! 8988280100000000001F 901405100000001 1234 …
//! ```
//!
//! Keywords vary from vendor to vendor in case, blanks and underscores, and lines that nobody knows are passed over. The
//! header is not public either: it is read from files that were seen.

use std::io::Read;

use super::divided::DividedRows;
use super::{FormatError, Options, RowSource};
use crate::domain::DeliveryId;
use crate::inventory::rows::Heading;
use crate::profile::personal_row::{Layout, Lines, RowReader};

/// The longest header.
pub const MAX_HEADER_LINES: usize = 200;
/// The longest value of a header that is kept, in characters.
const MAX_VALUE: usize = 64;

/// Columns that vendors list beside those of the card, and that nothing here needs.
const PASSED_OVER: &[&str] = &["Code Retailer", "Code ADM"];

/// Reads the header.
pub(super) fn open<'a, R: Read + 'a>(
    input: R,
    options: &'a Options,
) -> Result<(Heading, Box<dyn RowSource + 'a>), FormatError> {
    let mut lines = Lines::new(input);
    let mut heading = Heading::default();
    let mut passed_over = options.passed_over.clone();
    passed_over.extend(PASSED_OVER.iter().map(|name| (*name).to_owned()));
    let mut is_output = false;
    let layout = loop {
        let line = lines.next_line()?.ok_or(FormatError::NoOutputVariables)?;
        let number = line.number;
        if number > MAX_HEADER_LINES {
            return Err(FormatError::NoOutputVariables);
        }
        // Vendors write in the character set of their country.
        let text = String::from_utf8_lossy(line.octets.unwrap_or_default());
        let (key, value) = text.split_once(':').unwrap_or((&text, ""));
        let (key, value) = (keyword(key), value.trim());
        let names = match (key.as_str(), is_output) {
            ("varout", _) if value.is_empty() => {
                is_output = true;
                continue;
            }
            ("varout", _) => value,
            // The names may stand in the line behind.
            (_, true) if !text.trim().is_empty() => text.trim(),
            _ => {
                heading.take(number, &key, value)?;
                continue;
            }
        };
        let names: Vec<&str> = names.trim_end_matches('/').split('/').map(str::trim).collect();
        let layout = Layout::new(names.iter().copied(), &passed_over)?;
        let is_read = layout.names();
        heading.passed_over = names
            .iter()
            .zip(is_read)
            .filter(|(_, read)| read.is_none())
            .map(|(name, _)| shortened(name))
            .collect();
        break layout;
    };
    let rows = RowReader::new(layout, options.settings(&heading)?)?;
    Ok((heading, Box::new(DividedRows { lines, rows })))
}

/// Whether a line names the columns.
pub(super) fn is_output(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line.get(..32).unwrap_or(line));
    text.split_once(':').is_some_and(|(key, _)| keyword(key) == "varout")
}

impl Heading {
    /// Takes what a line says; one that is not known says nothing.
    fn take(&mut self, line: usize, key: &str, value: &str) -> Result<(), FormatError> {
        let wrong = |expected| FormatError::Header { line, expected };
        let text = || (!value.is_empty()).then(|| shortened(value));
        let index = |expected| value.parse::<u32>().map(Some).map_err(|_| wrong(expected));
        match key {
            "customer" => self.customer = text(),
            "profiletype" | "profile" | "type" => self.profile_type = text(),
            "orderdate" | "date" => self.time = text(),
            "batchno" | "batch" | "batchnumber" | "batchid" => {
                self.delivery_id = DeliveryId::parse(&shortened(value))
            }
            "quantity" | "qty" => {
                let quantity = value.parse().map_err(|_| wrong("Quantity: expected a number of rows"))?;
                self.quantity = Some(quantity);
            }
            "transportkey" | "transportkeyindex" | "transportkeyid" | "auctransportkeyindex" => {
                self.subscription_key = index("expected the index of a transport key, or 0")?;
            }
            "otatransportkey" | "otatransportkeyindex" => {
                self.ota_key = index("expected the index of a transport key, or 0")?;
            }
            _ => {}
        }
        // One key for all, unless the file names another.
        if key.starts_with("transportkey") {
            self.ota_key = self.ota_key.or(self.subscription_key);
        }
        Ok(())
    }
}

/// A keyword as it is compared.
fn keyword(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).take(MAX_VALUE).map(|c| c.to_ascii_lowercase()).collect()
}

/// A text of a header, without control characters and not longer than anybody needs.
fn shortened(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(MAX_VALUE).collect()
}
