//! Personal data as manufacturers deliver them: rows of values, and what each column of them means. How rows are written
//! down is a matter of files: [`super::personal_csv`] is the one with a line of names; vendors have others.
//!
//! Needed are `iccid`, `imsi`, `ki`, `opc` or `op` (a row that has both is refused unless they agree) and the codes that
//! [`Settings`] ask for. The others:
//!
//! | column | what |
//! |---|---|
//! | `eid` | the eUICC that has the profile; the stock refuses such rows |
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
//! ICCIDs and IMSIs are read as digits and as their files on a card have them (nibbles swapped). K, OPc and keys for remote
//! management may be enciphered ([`KeyForm`]): all of them, or, where some columns have an `e` before their names (`eki`,
//! `eopc`, `ekic`), these alone.
//!
//! Every fault is told with line and column, never with the value of a secret, and not with that of another column unless
//! it has the form of a number: a secret may stand in the wrong column.
//!
//! | file | what |
//! |---|---|
//! | `columns` | how columns are named, and what each gives |
//! | [`layout`] | the columns of a file in their order |
//! | `row` | values into personal data |
//! | [`fault`] | what may be wrong with a row |
//! | [`lines`] | lines in a buffer that is wiped |
//! | `seen` | numbers that stand twice |

mod columns;
pub mod fault;
pub mod layout;
pub mod lines;
mod row;
mod seen;

pub use fault::{RowError, RowFault};
pub use layout::{Layout, LayoutError};
pub use lines::{Line, Lines, MAX_LINE_OCTETS};
pub use seen::Seen;

use super::personal_data::{Algorithm, CodeName, PersonalData};
use super::plan::Requirements;
use crate::crypto::transport::TransportCipher;
use crate::env::Rng;
use crate::ident::Eid;

/// What a file must have, what stands for what a row does not say, and how its keys are enciphered.
pub struct Settings<'a> {
    /// The algorithm of each subscription where the row does not name it; Milenage for those beyond.
    pub algorithms: Vec<Algorithm>,
    /// The codes that every row must have.
    pub codes: Vec<CodeName>,
    /// Where keys for remote management come from.
    pub ota: OtaSource<'a>,
    /// How K, OPc, OP and their kin are written.
    pub subscription_keys: KeyForm<'a>,
    /// How keys for remote management are written.
    pub ota_keys: KeyForm<'a>,
}

/// Where keys for remote management come from.
pub enum OtaSource<'a> {
    /// From the row: these versions and identifiers.
    Row(Vec<(u8, u8)>),
    /// From the row, and drawn where it has none: for these versions and identifiers, or, where they are not known, one
    /// set without version.
    Drawn(&'a Rng, Vec<(u8, u8)>),
}

/// How keys are written.
#[derive(Clone, Copy, Debug)]
pub enum KeyForm<'a> {
    /// As they are: for laboratories.
    Clear,
    /// Enciphered, but the key for them is not there; keys as they are, are refused.
    Refused,
    /// Enciphered under this key. Where only some columns are marked as enciphered, the others are as they are: refused
    /// unless `clear`.
    Enciphered {
        /// The transport key.
        cipher: &'a TransportCipher,
        /// Whether keys as they are may stand beside.
        clear: bool,
    },
}

impl<'a> Settings<'a> {
    /// For the stock: what the template needs, if it is known; otherwise what every classic file has. Keys for remote
    /// management are drawn.
    #[must_use]
    pub fn for_stock(requirements: Option<Requirements>, rng: &'a Rng) -> Self {
        if let Some(Requirements { algorithms, codes, ota }) = requirements {
            return Self::new(algorithms, codes, OtaSource::Drawn(rng, ota));
        }
        let codes = vec![CodeName::PIN1, CodeName::PUK1, CodeName::PIN2, CodeName::PUK2, CodeName::ADM1];
        Self::new(Vec::new(), codes, OtaSource::Drawn(rng, Vec::new()))
    }

    /// For a template: what it has no place for may be absent, what it has must be there.
    #[must_use]
    pub fn for_template(requirements: Requirements) -> Self {
        let Requirements { algorithms, codes, ota } = requirements;
        Self::new(algorithms, codes, OtaSource::Row(ota))
    }

    /// With keys as they are.
    #[must_use]
    pub const fn new(algorithms: Vec<Algorithm>, codes: Vec<CodeName>, ota: OtaSource<'a>) -> Self {
        Self { algorithms, codes, ota, subscription_keys: KeyForm::Clear, ota_keys: KeyForm::Clear }
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

/// What one row gives.
#[derive(Clone)]
pub struct RowData {
    /// What goes into the profile.
    pub data: PersonalData,
    /// The eUICC that the row names.
    pub eid: Option<Eid>,
}

/// Reads rows of one layout, and refuses numbers that stand twice in them.
pub struct RowReader<'a> {
    layout: Layout,
    settings: Settings<'a>,
    seen: Seen,
}

impl<'a> RowReader<'a> {
    /// Reads rows with these columns.
    ///
    /// # Errors
    /// [`LayoutError::Missing`]: a column that the settings ask for is not there.
    pub fn new(layout: Layout, settings: Settings<'a>) -> Result<Self, LayoutError> {
        layout.check(&settings)?;
        Ok(Self { layout, settings, seen: Seen::default() })
    }

    /// Reads rows that name each value for themselves ([`RowReader::read_as`]): what one leaves out, it is refused for.
    #[must_use]
    pub fn of_named_values(settings: Settings<'a>) -> Self {
        Self { layout: Layout::default(), settings, seen: Seen::default() }
    }

    /// The columns.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads the values of a row, in the order of the columns.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&mut self, line: usize, values: &[&str]) -> Result<RowData, Vec<RowError>> {
        let row = self.layout.read(line, values, &self.settings)?;
        self.seen.check(line, &row.data)?;
        Ok(row)
    }

    /// Reads a row whose columns are other ones: rows that name each value for themselves.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read_as(
        &mut self,
        layout: &Layout,
        line: usize,
        values: &[&str],
    ) -> Result<RowData, Vec<RowError>> {
        let row = layout.read(line, values, &self.settings)?;
        self.seen.check(line, &row.data)?;
        Ok(row)
    }
}
