//! The server's doors: one TLS listener for each interface, who calls, limits, and the way from HTTP to a function.
//!
//! | module | what |
//! |---|---|
//! | [`listener`] | accepts connections: TLS, limits in count and time, orderly end |
//! | [`caller`] | who calls; a handler without a caller does not compile |
//! | [`meter`] | counts what happens, for metrics |
//! | [`function`] | one function of the standard over HTTP: body in, status out |
//! | [`es9plus`] | the five functions of ES9+ |
//! | [`es2plus`] | the four functions of ES2+ |
//! | [`esipa`] | the functions of ESipa |
//! | [`ipa`] | TransferEimPackage, which eIMs call at devices |
//! | [`ingest`] | manufacturers deliver |
//! | [`problem`] | what went wrong, for programs
//! | [`admin`] | metrics and health, for the machine's own; the admin API |

pub mod admin;
pub mod caller;
pub mod es2plus;
pub mod es9plus;
pub mod esipa;
pub mod function;
pub mod ingest;
pub mod ipa;
pub mod listener;
pub mod meter;
pub mod problem;
