//! What a delivery is made of, whatever its form: a heading, then row after row.
//!
//! A [`Source`] reads a form and hands on what it finds; it holds no more than a row. What the rows become, [`super::ingest`]
//! says.

use std::io::Read;
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use super::formats::{DeliveredEuicc, Format, FormatError};
use super::receipt::Refusal;
use crate::domain::DeliveryId;
use crate::profile::personal_row::RowData;
use crate::store::BatchKind;

/// What stands in front of the rows, as far as the file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// The form of the file.
    pub format: Option<Format>,
    /// What the manufacturer calls the delivery.
    pub delivery_id: Option<DeliveryId>,
    /// How many rows there are to be.
    pub quantity: Option<u64>,
    /// When it was ordered or made, as it stands there.
    pub time: Option<String>,
    /// For whom.
    pub customer: Option<String>,
    /// The profile type or the product, in the manufacturer's words.
    pub profile_type: Option<String>,
    /// How many IMSIs each ICCID has.
    pub imsis_per_iccid: Option<usize>,
    /// The index of the transport key of K and OPc; 0 is for none.
    pub subscription_key: Option<u32>,
    /// The index of the transport key of keys for remote management; 0 is for none.
    pub ota_key: Option<u32>,
    /// The kind of SIM, in the manufacturer's numbers.
    pub sim_type: Option<u32>,
    /// The step of an order that has several.
    pub step: Option<u32>,
    /// Columns whose values are not read.
    pub passed_over: Vec<String>,
}

impl Heading {
    /// What the rows are.
    #[must_use]
    pub fn kind(&self) -> BatchKind {
        if self.format == Some(Format::Euiccs) { BatchKind::Euiccs } else { BatchKind::Subscriptions }
    }
}

/// What one row delivers. No `Debug`: it holds secrets.
pub enum Delivered {
    /// A profile's own data, for the template of its type, and the eUICC that has it, if the row names one: then it is no profile
    /// for the stock.
    Subscription(Box<RowData>),
    /// A ready-made, unprotected profile package in DER.
    Package(Zeroizing<Vec<u8>>),
    /// An eUICC.
    Euicc(Box<DeliveredEuicc>),
}

/// One row.
pub struct DeliveredRow {
    /// The line it stands in, or its number where there are no lines, from 1.
    pub line: usize,
    /// What it delivers, or everything that is wrong with it.
    pub outcome: Result<Delivered, Vec<Refusal>>,
}

/// Why a delivery cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What stands in front of the rows is wrong.
    #[error(transparent)]
    Heading(#[from] FormatError),
    /// The file ends too early, is too large, or cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Too many rows.
    #[error("more than {0} rows: divide it")]
    TooManyRows(u64),
    /// The number of rows is not the one that the file announces.
    #[error("the file announces {announced} rows and has {found}")]
    Quantity {
        /// In the heading.
        announced: u64,
        /// In the file.
        found: u64,
    },
}

/// Whoever takes rows; `Break` says that no more are wanted.
pub trait Sink {
    /// What stands in front, once, before the first row.
    fn heading(&mut self, heading: &Heading) -> ControlFlow<()>;

    /// The next row.
    fn row(&mut self, row: DeliveredRow) -> ControlFlow<()>;
}

/// A form of deliveries.
pub trait Source: Send {
    /// Reads a delivery to its end, or to where `sink` wants no more.
    ///
    /// # Errors
    /// [`ReadError`] if it is no such delivery; rows that were handed on before are of no use then.
    fn read(self: Box<Self>, input: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), ReadError>;
}
