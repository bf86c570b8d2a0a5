//! Benchmarks behind `simyard bench`.
//!
//! | module | what |
//! |---|---|
//! | [`download`] | complete downloads by many devices at a time against a server in another process |
//! | [`stock`] | what they download: a batch, ordered and released, and an eUICC for each |
//! | [`batch`] | random data for a template, as a manufacturer delivers them |
//! | [`beside`] | downloads from a server that takes deliveries in, and what they notice of them |
//! | [`ingestion`] | a large delivery taken in, and what orders and look-ups notice of it |
//! | [`allocation`] | numbers and subscriptions allocated by many callers at a time |
//! | [`bound`] | the time that the cryptography of one download takes at least |
//! | [`poll`] | idle polls of devices, over connections that are kept and with a handshake each |
//! | [`handshake`] | TLS handshakes with nothing asked |
//! | [`process`] | CPU time of a process, its memory, and what it has written |
//! | [`profile`] | profile packages in memory: read, written, personalised |
//! | [`lookup`] | single profiles in a large stock |
//! | [`medium`] | what kind of file system the store lies on |
//!
//! Nothing here judges a figure: tests assert no times.

use crate::client::ClientError;
use crate::crypto::ecdsa::EcdsaError;
use crate::crypto::ecka::EckaError;
use crate::device::card::CardError;
use crate::device::es10_client::Es10Error;
use crate::device::lpa::LpaError;
use crate::ident::{Iccid, InvalidIdentifier};
use crate::inventory::IngestError;
use crate::pki::issue::IssueError;
use crate::profile::description::DescriptionError;
use crate::profile::personal_csv::HeaderError;
use crate::profile::plan::{PersonaliseError, TemplateError};
use crate::smdp::confirm_order::ConfirmOrderError;
use crate::smdp::download_order::DownloadOrderError;
use crate::store::StoreError;

pub mod allocation;
pub mod batch;
pub mod beside;
pub mod bound;
pub mod download;
pub mod handshake;
pub mod ingestion;
pub mod lookup;
pub mod medium;
pub mod poll;
pub mod process;
pub mod profile;
pub mod stock;

/// The most orders of one run: what the numbers of one batch have digits for.
pub const MAX_ORDERS: usize = 100_000;

/// Why a benchmark did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The batch was refused.
    #[error("the batch was refused: {0}")]
    Ingest(#[from] IngestError),
    /// A profile could not be ordered.
    #[error("a profile could not be ordered: {0}")]
    Download(#[from] DownloadOrderError),
    /// A profile could not be released.
    #[error("a profile could not be released: {0}")]
    Confirm(#[from] ConfirmOrderError),
    /// No template to make packages from.
    #[error("the profile type has no template")]
    NoTemplate,
    /// An identifier of the batch is none.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
    /// An eUICC could not be issued.
    #[error("an eUICC could not be issued: {0}")]
    Issue(#[from] IssueError),
    /// A card could not be made.
    #[error("a card could not be made: {0}")]
    Card(#[from] CardError),
    /// A card does not answer.
    #[error("a card does not answer: {0}")]
    Es10(#[from] Es10Error),
    /// The library does not sign or verify.
    #[error(transparent)]
    Signature(#[from] EcdsaError),
    /// The library does not agree on keys.
    #[error(transparent)]
    Agreement(#[from] EckaError),
    /// The way to the server could not be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A download failed.
    #[error("a download failed: {0}")]
    Lpa(#[from] LpaError),
    /// A poll failed, or was none that is measured.
    #[error("a poll was not as it should be: {0}")]
    Poll(String),
    /// A handshake failed.
    #[error("a TLS handshake failed: {0}")]
    Handshake(String),
    /// The server did not take the report of an installation.
    #[error("the server did not take a notification: {0}")]
    NotDelivered(String),
    /// The description of the package cannot be built.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The profile package cannot be read.
    #[error("the package cannot be read: {0}")]
    Package(#[from] simyard_asn1::Error),
    /// The profile package is no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The data do not fit the template.
    #[error(transparent)]
    Personalise(#[from] PersonaliseError),
    /// The rows of the file cannot be read.
    #[error(transparent)]
    Rows(#[from] HeaderError),
    /// Nothing was allocated.
    #[error("nothing was allocated: {0}")]
    Allocation(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A profile that is in the stock was not found.
    #[error("profile {0} is in the stock and was not found")]
    NotFound(Iccid),
    /// A thread or runtime could not be started, or ended before its time.
    #[error("a thread of the benchmark could not do its work")]
    Thread,
}
