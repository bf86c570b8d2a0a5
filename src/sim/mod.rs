//! The simulation behind `simyard simulate`: the real server, real messages, and a world of which nothing is real.
//!
//! One seed is one story. It decides when devices call, which messages are lost, doubled, late or overtaken by others, where
//! the server is killed and which devices lose power or fall silent for good. The same seed decides the same again; the octets of
//! signatures differ, since they belong to the library, and decide nothing.
//!
//! | file | what |
//! |---|---|
//! | [`ground`] | what all seeds have in common: certificates, cards, the profile type |
//! | [`faults`] | what goes wrong and how often; the dice |
//! | `network` | how a task asks for a message to be carried, or for time to pass |
//! | `world` | the server in this process, which can be killed between any two writes |
//! | `operator` | orders profiles over ES2+ |
//! | `iot` | a device without a user: its IPA polls the eIM |
//! | `device` | a device with its card: what it does with the codes that it gets |
//! | `driver` | one event after the other, in the order of simulated time |
//! | `driver::harm` | what cards do wrong, and whoever speaks in the name of a device |
//! | [`checkers`] | what must hold when all has come to rest |
//! | [`report`] | what a run came to |
//!
//! # Time
//!
//! The injected clock is the time, and the driver alone moves it. It takes the earliest event, lets the server or a task go on until
//! it waits for the world again, and takes the next. The server's store has threads of its own, which live in real time: an
//! event that needs them is waited for before the next one begins. Procedures of devices wait for answers and pauses alone,
//! so the driver polls them by hand.
//!
//! # Two acts
//!
//! First the storm, with all faults. Then calm: nothing is lost, what lost power comes back, every device but those that are silent
//! for good ends what it began. Then the [`checkers`] look at every card and every row.

use crate::crypto::ecdsa::EcdsaError;
use crate::crypto::seal::SealError;
use crate::device::card::CardError;
use crate::device::es10_client::Es10Error;
use crate::eim::campaigns::CampaignError;
use crate::eim::engine::TurnError;
use crate::eim::operations::CreateOperationError;
use crate::ident::InvalidIdentifier;
use crate::inventory::IngestError;
use crate::pki::AnchorError;
use crate::pki::issue::IssueError;
use crate::profile::description::DescriptionError;
use crate::profile::plan::TemplateError;
use crate::smdp::identity::IdentityError;
use crate::store::StoreError;

pub mod checkers;
mod device;
mod driver;
pub mod faults;
pub mod ground;
mod iot;
mod network;
mod operator;
pub mod report;
mod world;

pub use driver::{Fleet, Options, simulate};

/// The most devices of one run.
pub const DEVICES_MAX: usize = 100_000;

/// Why a run could not be made, or did not come to its end. What the simulated world does wrong is a
/// [`checkers::Violation`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A certificate could not be issued.
    #[error("a certificate could not be issued: {0}")]
    Issue(#[from] IssueError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] EcdsaError),
    /// The CIs contradict each other.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// The server's certificates are none.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// An identifier is none.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
    /// The profile type's package cannot be described.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The profile type's package cannot be read.
    #[error("the template cannot be read: {0}")]
    Package(#[from] simyard_asn1::Error),
    /// The profile type's package is no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A card cannot be made.
    #[error(transparent)]
    Card(#[from] CardError),
    /// Nothing can be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The stock was refused.
    #[error("the stock was refused: {0}")]
    Ingest(#[from] IngestError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step of an operation could not be made.
    #[error("an operation: {0}")]
    Turn(#[from] TurnError),
    /// An operation could not be made, for a reason that has nothing to do with the eUICC.
    #[error("an operation could not be made: {0}")]
    Operation(#[from] CreateOperationError),
    /// A campaign could not be made or taken forward.
    #[error("a campaign: {0}")]
    Campaign(#[from] CampaignError),
    /// A card does not answer.
    #[error("a card does not answer: {0}")]
    Es10(#[from] Es10Error),
    /// What is built in is missing or wrong.
    #[error("a fault of the simulation itself: {0}")]
    BuiltIn(&'static str),
    /// Something goes on for ever.
    #[error("the world did not come to rest within {0} events")]
    Restless(u64),
}
