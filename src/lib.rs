//! Simyard: a yard for SIMs.
//!
//! Subscriptions come in from SIM manufacturers, profiles are built and kept, and they leave for the eUICC of a phone
//! or an IoT device, where they are enabled, switched and removed, remotely and provably.
//!
//! # The house
//!
//! Arrows point down only; `tests/arrows.rs` reads the imports and says so.
//!
//! | module | room |
//! |---|---|
//! | [`cli`] | one file per subcommand |
//! | [`app`] | composition root: the only file that names every concrete type |
//! | [`mod@bench`] | the benchmarks behind `simyard bench`, composed like `app` |
//! | [`sim`] | the seeded simulation behind `simyard simulate`, composed like `app` |
//! | [`http`] | listeners, TLS, caller identity, limits; one folder per interface |
//! | [`jobs`] | follow-up work taken from the store, one file per job, each safe to run twice |
//! | [`device`] | virtual eUICC, LPA and IPA: knows the standards, never the server's services |
//! | [`smdp`] | the SM-DP+: one file per function of the standard |
//! | [`eim`] | the eIM (SGP.32): devices without a user, from afar |
//! | [`admin`] | who may administer, and the audit looked after |
//! | [`inventory`] | stock: batches in, numbers out |
//! | [`store`] | all SQL, two engines |
//! | [`client`] | outgoing HTTPS |
//! | [`profile`] | packages: read, check, build, compare, personalise, protect, bind |
//! | [`pki`] | anchors, chain checks per role, issuing the test PKI |
//! | [`binding`] | messages of ES2+ and ES9+, JSON and DER, both directions |
//! | [`crypto`] | signatures, key agreement, secure channel, sealing |
//! | [`domain`] | rules without I/O: states and their transitions |
//! | [`ident`] | types that parse once |
//! | [`mod@env`] | clock and randomness |

#[cfg(all(feature = "laboratory", not(debug_assertions)))]
compile_error!(
    "the feature `laboratory` records results that nobody signed: it is for test builds, never for a release"
);

pub mod admin;
pub mod app;
pub mod bench;
pub mod binding;
pub mod cli;
pub mod client;
pub mod crypto;
pub mod device;
pub mod domain;
pub mod eim;
pub mod env;
pub mod http;
pub mod ident;
pub mod inventory;
pub mod jobs;
pub mod pki;
pub mod profile;
pub mod sim;
pub mod smdp;
pub mod store;
