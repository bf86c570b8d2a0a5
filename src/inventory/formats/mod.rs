//! What manufacturers deliver, read row by row in any of the forms they use: a million rows take no more memory than a
//! thousand, but for the numbers that may not stand twice.
//!
//! | file | form | sets of columns |
//! |---|---|---|
//! | [`classic`] | sections `*HEADER DESCRIPTION`, `*INPUT VARIABLES`, `*OUTPUT VARIABLES` | `var_Out:` names them |
//! | [`header_line`] | first line: batch, time, quantity, product, IMSIs for each ICCID, transport keys | by agreement ([`header_line::columns`]) |
//! | [`crate::profile::personal_csv`] | CSV | the first line names them |
//! | [`json_lines`] | one JSON object for each row | each row names its own |
//! | [`packages`] | ready-made profile packages in DER, one after the other | |
//! | [`euiccs`] | eUICCs of an EUM, as CSV or JSON lines | named |
//! | [`detect`] | which of them a file is | |
//! | `checks` | what a row must be beyond its form | |
//!
//! What the columns of subscriptions mean stands once, in [`crate::profile::personal_row`]. What is in the stock already is
//! not known here.

mod checks;
pub mod classic;
pub mod detect;
mod divided;
pub mod euiccs;
pub mod header_line;
pub mod json_lines;
pub mod packages;

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use self::checks::Checks;
use self::detect::Peeked;
use super::receipt::Refusal;
use super::rows::{Delivered, DeliveredRow, Heading, ReadError, Sink, Source};
use super::transport_keys::{KeyRefusal, KeyRing, KeyUse};
use crate::domain::Mode;
use crate::env::{Rng, Timestamp};
use crate::ident::IssuerRanges;
use crate::pki::Anchors;
use crate::profile::personal_csv::{HeaderError, Rows};
use crate::profile::personal_row::{KeyForm, LayoutError, RowError, Settings};
use crate::profile::plan::Requirements;

pub use detect::Format;
pub use euiccs::{DeliveredEuicc, EimData};

/// How a file is to be read.
pub struct Options {
    /// The form; found out where it is not given.
    pub format: Option<Format>,
    /// What the template needs, if it is known.
    pub requirements: Option<Requirements>,
    /// Draws keys for remote management for rows that have none.
    pub rng: Rng,
    /// The columns of a file with a header line, in their order; [`header_line::columns`] where there are none.
    pub columns: Vec<String>,
    /// Names of columns that are not read.
    pub passed_over: Vec<String>,
    /// The manufacturer's transport keys.
    pub keys: Arc<KeyRing>,
    /// The index of the transport key of K and OPc, where the file names none.
    pub subscription_key: Option<u32>,
    /// The index of the transport key of keys for remote management, where the file names none.
    pub ota_key: Option<u32>,
    /// In test mode keys may be in the clear, published and made from patterns.
    pub mode: Mode,
    /// How ICCIDs are formed.
    pub ranges: Arc<IssuerRanges>,
    /// How many IMSIs each subscription must have, if the sub-class says so.
    pub imsis: Option<usize>,
    /// Whom certificates of eUICCs are verified under, and when.
    pub trust: Option<(Arc<Anchors>, Timestamp)>,
}

impl Options {
    /// With nothing said beyond what must be.
    #[must_use]
    pub fn new(requirements: Option<Requirements>, rng: Rng, mode: Mode) -> Self {
        Self {
            format: None,
            requirements,
            rng,
            columns: Vec::new(),
            passed_over: Vec::new(),
            keys: Arc::default(),
            subscription_key: None,
            ota_key: None,
            mode,
            ranges: Arc::default(),
            imsis: None,
            trust: None,
        }
    }

    /// How keys of a kind are written, from the index that the file names.
    fn key_form(&self, use_: KeyUse, in_file: Option<u32>) -> Result<KeyForm<'_>, FormatError> {
        let given = match use_ {
            KeyUse::Subscription => self.subscription_key,
            KeyUse::Ota => self.ota_key,
        };
        let index = match (in_file, given) {
            (Some(in_file), Some(given)) if in_file != given => {
                return Err(FormatError::OtherTransportKey { in_file, given });
            }
            (in_file, given) => in_file.or(given),
        };
        let clear = self.mode == Mode::Test;
        match index.filter(|index| *index != 0) {
            Some(index) => Ok(KeyForm::Enciphered { cipher: self.keys.find(index, use_)?, clear }),
            None if clear => Ok(KeyForm::Clear),
            None => Ok(KeyForm::Refused),
        }
    }

    /// What rows must have, and how their keys are written.
    fn settings(&self, heading: &Heading) -> Result<Settings<'_>, FormatError> {
        let subscription_keys = self.key_form(KeyUse::Subscription, heading.subscription_key)?;
        let ota_keys = self.key_form(KeyUse::Ota, heading.ota_key)?;
        let settings = Settings::for_stock(self.requirements.clone(), &self.rng);
        Ok(Settings { subscription_keys, ota_keys, ..settings })
    }
}

/// Why no row of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read at all.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is none of the forms, or may be several.
    #[error(
        "what the file is cannot be told from its beginning: expected a vendor's sections (*HEADER DESCRIPTION …), a \
         header line of 5 to 9 numbers, a line of column names with iccid or eid among them, JSON objects, or profile \
         packages in DER (octet A0); --format names one of {names}", names = Format::names()
    )]
    Unsure,
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// The columns of a CSV.
    #[error(transparent)]
    Csv(#[from] HeaderError),
    /// The columns of another file.
    #[error("the columns: {0}")]
    Columns(#[from] LayoutError),
    /// A line of the header.
    #[error("line {line}: {expected}")]
    Header {
        /// Which, from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// The header has no end.
    #[error(
        "no line var_Out: with the names of the columns among the first {} lines",
        classic::MAX_HEADER_LINES
    )]
    NoOutputVariables,
    /// The transport key of the header.
    #[error(transparent)]
    TransportKey(#[from] KeyRefusal),
    /// File and command name different keys.
    #[error("the file names transport key {in_file}, and the command {given}")]
    OtherTransportKey {
        /// In the file.
        in_file: u32,
        /// In the command.
        given: u32,
    },
    /// The columns of a file of eUICCs.
    #[error("line 1: {0}")]
    EuiccColumns(&'static str),
    /// The accompanying CSV has no column for ICCIDs.
    #[error("the file that goes with the packages: expected a line of column names, with iccid among them")]
    Accompanying,
}

/// Where rows come from.
trait RowSource {
    /// The next row; `None` at the end.
    fn next_row(&mut self) -> std::io::Result<Option<Row>>;
}

/// One row, or one package.
pub struct Row {
    /// Its line, from 1; for packages, which one it is.
    pub line: usize,
    /// What it delivers, or everything that is wrong with it.
    pub outcome: Result<Delivered, Vec<RowError>>,
}

/// A file that is read row by row.
pub struct Deliveries<'a> {
    heading: Heading,
    source: Box<dyn RowSource + 'a>,
    checks: Checks<'a>,
}

impl<'a> Deliveries<'a> {
    /// Reads what stands before the rows. `accompanying` says what the header of each ready-made package must say: a CSV
    /// with a row for each, in their order.
    ///
    /// # Errors
    /// [`FormatError`]: no row of the file can be read.
    pub fn open(
        input: impl Read + 'a,
        options: &'a Options,
        accompanying: Option<&'a mut dyn Read>,
    ) -> Result<Self, FormatError> {
        let input = Peeked::new(input)?;
        let format = match options.format {
            Some(format) => format,
            None => detect::format(input.beginning())?,
        };
        let (heading, source): (Heading, Box<dyn RowSource + 'a>) = match format {
            Format::Classic => classic::open(input, options)?,
            Format::HeaderLine => header_line::open(input, options)?,
            Format::Csv => {
                let heading = Heading::default();
                let settings = options.settings(&heading)?;
                (heading, Box::new(Rows::passing_over(input, settings, &options.passed_over)?))
            }
            Format::JsonLines => json_lines::open(input, options)?,
            Format::Packages => packages::open(input, accompanying)?,
            Format::Euiccs => euiccs::open(input, options)?,
        };
        let checks = Checks {
            ranges: &options.ranges,
            mode: options.mode,
            imsis: [heading.imsis_per_iccid, options.imsis],
        };
        Ok(Self { heading: Heading { format: Some(format), ..heading }, source, checks })
    }

    /// What stands before the rows.
    #[must_use]
    pub const fn heading(&self) -> &Heading {
        &self.heading
    }

    /// The next row; `None` at the end. That there are as many as the heading says is left to whoever counts them.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        let Some(mut row) = self.source.next_row()? else { return Ok(None) };
        if let Ok(delivered) = &row.outcome {
            let errors = self.checks.check(row.line, delivered);
            if !errors.is_empty() {
                row.outcome = Err(errors);
            }
        }
        Ok(Some(row))
    }
}

/// Reads a delivery of any form.
pub struct AnyForm {
    /// How.
    pub options: Options,
    /// What the headers of ready-made packages must say, if somebody says it: a CSV.
    pub accompanying: Option<Box<dyn Read + Send>>,
}

impl Source for AnyForm {
    fn read(mut self: Box<Self>, input: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let Self { options, accompanying } = &mut *self;
        let accompanying = accompanying.as_mut().map(|csv| csv as &mut dyn Read);
        let mut deliveries = Deliveries::open(input, options, accompanying)?;
        if sink.heading(deliveries.heading()).is_break() {
            return Ok(());
        }
        let mut has_rows = false;
        while let Some(Row { line, outcome }) = deliveries.next_row()? {
            has_rows = true;
            let outcome = outcome.map_err(|errors| errors.into_iter().map(Refusal::from).collect());
            if sink.row(DeliveredRow { line, outcome }) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        if has_rows { Ok(()) } else { Err(FormatError::from(HeaderError::NoRows).into()) }
    }
}

impl<R: Read> RowSource for Rows<'_, R> {
    fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        Ok(Self::next_row(self)?.map(|row| Row {
            line: row.line,
            outcome: row.outcome.map(|data| Delivered::Subscription(Box::new(data))),
        }))
    }
}
