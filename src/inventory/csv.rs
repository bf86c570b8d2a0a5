//! A manufacturer's file for the stock: whole or not at all. What a file is and what each column means,
//! [`crate::profile::personal_csv`] says; PINs, PUKs and ADM1 are needed, keys for remote management are drawn where a
//! file has none.
//!
//! Every fault is told with line and column, never with the value of a secret.

use std::borrow::Cow;

use crate::env::Rng;
use crate::profile::personal_csv::{HeaderError, Rows, Settings};
use crate::profile::personal_data::PersonalData;
use crate::profile::plan::{Personaliser, Template};

pub use crate::profile::personal_csv::{MAX_LINE_OCTETS, RowError, RowFault};

/// The largest file.
pub const MAX_FILE_OCTETS: usize = 64 * 1024 * 1024;
/// The most subscriptions in one file.
pub const MAX_ROWS: usize = 200_000;
/// The most faults that are told; the rest is counted.
pub const MAX_FAULTS: usize = 100;

/// A profile as delivered. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Subscription {
    /// The line it stands in, from 1.
    pub line: usize,
    /// What goes into the profile.
    pub data: PersonalData,
}

/// Why a file is refused whole.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Too large.
    #[error("the file has more than {MAX_FILE_OCTETS} octets: divide it")]
    TooLarge,
    /// Too many rows.
    #[error("the file has more than {MAX_ROWS} rows: divide it")]
    TooManyRows,
    /// The first line, or none.
    #[error(transparent)]
    Header(#[from] HeaderError),
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
    pub(super) fn add(&mut self, line: usize, column: &'static str, fault: RowFault) {
        self.push(RowError { line, column: Some(Cow::Borrowed(column)), fault });
    }

    fn push(&mut self, error: RowError) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(error);
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

/// Reads a file whole, for a template if it is known. `rng` draws the keys for remote management of rows that have
/// none.
///
/// # Errors
/// [`FileError`]: every fault of every row that can be told.
pub fn read(file: &[u8], template: Option<&Template>, rng: &Rng) -> Result<Vec<Subscription>, FileError> {
    if file.len() > MAX_FILE_OCTETS {
        return Err(FileError::TooLarge);
    }
    let mut rows = Rows::new(file, Settings::for_stock(template.map(Template::requirements), rng))?;
    let mut personaliser = template.map(Personaliser::new);
    let mut faults = Faults::default();
    let mut subscriptions = Vec::new();
    let mut count = 0;
    while let Some(row) = rows.next_row().map_err(HeaderError::Read)? {
        count += 1;
        if count > MAX_ROWS {
            return Err(FileError::TooManyRows);
        }
        match row.outcome {
            Ok(data) => {
                // What does not fit is told now, not when a device waits for the package.
                let fits = personaliser.as_mut().map_or(Ok(()), |personaliser| personaliser.check(&data));
                if let Err(error) = fits {
                    let column = error.column().map(Cow::Owned);
                    faults.push(RowError { line: row.line, column, fault: RowFault::Template(error) });
                }
                subscriptions.push(Subscription { line: row.line, data });
            }
            Err(errors) => errors.into_iter().for_each(|error| faults.push(error)),
        }
    }
    faults.into_result()?;
    if subscriptions.is_empty() { Err(HeaderError::NoRows.into()) } else { Ok(subscriptions) }
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
            let Err(error) = read(file.as_bytes(), None, &Rng::seeded(1)) else { panic!("it was read") };
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) || text.contains("NotI"), "{text}");
            assert!(!text.contains(KI), "{text}");
        }
    }
}
