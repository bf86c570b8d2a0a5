//! The stock: what manufacturers deliver, sealed and put on the shelf.
//!
//! | file | what |
//! |---|---|
//! | [`rows`] | what a delivery is made of, whatever its form |
//! | [`formats`] | the forms that manufacturers use |
//! | [`request`] | what a manufacturer is asked for |
//! | [`transport_keys`] | the keys under which keys travel |
//! | [`prepare`] | from rows to profiles that can be stored |
//! | [`goods`] | profiles or eUICCs, ready to be stored |
//! | [`ingest`] | a delivery into the store, published whole or of no effect |
//! | [`receipt`] | what the manufacturer gets back |
//! | [`export`] | files for other systems, and all of it for whoever moves |
//! | [`stock`] | how many profiles stand where, and which one a number means |
//! | [`euiccs`] | the register of eUICCs |
//! | [`labels`] | what the owner of a fleet calls eUICCs by |
//! | [`history`] | where a profile has been |
//! | [`generate`] | subscriptions made here, from pools and the generator |
//! | [`operator_keys`] | OP of operators, sealed |
//! | [`pools`] | ranges of numbers: drawn, given back, retired |
//! | [`allocation`] | subscriptions set aside by type and count, given back, retired |
//! | [`sub_class`] | kinds of cards and chips: what each can do, and its IMSIs |

pub mod allocation;
pub mod euiccs;
pub mod export;
pub mod formats;
pub mod generate;
pub mod goods;
pub mod history;
pub mod ingest;
pub mod labels;
pub mod operator_keys;
pub mod pools;
pub mod prepare;
pub mod receipt;
pub mod request;
pub mod rows;
pub mod stock;
pub mod sub_class;
pub mod transport_keys;

pub use crate::store::BATCHES_MAX;
pub use ingest::{Delivery, IngestError, Intent, Inventory};
pub use receipt::{Receipt, Refusal, Refusals};
