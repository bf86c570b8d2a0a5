//! The stock: what manufacturers deliver, sealed and put on the shelf.
//!
//! | file | what |
//! |---|---|
//! | [`csv`] | a manufacturer's file: columns, rows, what is wrong with them |
//! | [`ingest`] | a delivery into the store, whole or not at all |
//!
//! A delivery is one transaction: on SQLite no other change is written until all of it is in, some seconds for the
//! largest file. Deliver in smaller files, or use PostgreSQL, where orders must not wait.
//!
//! Other formats, transport keys and pools are not there yet: keys come in the clear, for laboratories.

pub mod csv;
pub mod ingest;

pub use csv::{FileError, MAX_FILE_OCTETS, RowError, RowFault, Subscription};
pub use ingest::{Delivery, IngestError, Inventory, Receipt};
