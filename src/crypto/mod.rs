//! Cryptography: what the standards ask for, wrapped once.
//!
//! | module | what | source |
//! |---|---|---|
//! | [`ecdsa`] | signatures in plain r‖s | SGP.22 2.6.7.2, BSI TR-03111 |
//! | [`ecka`] | one-time key agreement | SGP.22 Annex G, BSI TR-03111 |
//! | [`kdf`] | X9.63 with SHA-256 | SGP.22 Annex G, ANSI X9.63 |
//! | [`bsp`] | session keys and segments of a bound profile package (SCP03t) | SGP.22 2.5.3, 5.5; SGP.02 4.1.3.3 |
//! | [`hash`] | SHA-256, proof of a confirmation code | SGP.22 4.7 |
//! | [`hmac`] | HMAC-SHA-256 | RFC 2104 |
//! | [`aka`] | the functions of AKA, whatever the algorithm | TS 33.102 6.3 |
//! | [`milenage`] | Milenage | TS 35.206 |
//! | [`xor_test`] | the algorithm of test USIMs | TS 34.108 8.1.2 |
//! | [`seal`] | secrets at rest | NIST SP 800-38D |
//! | [`private_file`] | files of their owner's alone, whole or not at all | |
//! | [`transport`] | keys that travel to and from manufacturers and operators | NIST SP 800-38A, GlobalPlatform B.6 |
//! | [`keyfile`] | keys and certificates from files | RFC 7468, RFC 5208, RFC 5915 |
//!
//! `aws-lc-rs` signs, verifies and agrees on the hot path: four times as fast as the pure Rust implementation. `p256`
//! imports keys, and signs deterministically (RFC 6979) where a test compares octets: `aws-lc-rs` draws its nonces
//! itself and cannot be seeded. `bp256` signs and agrees on brainpoolP256r1, which the fast library does not have, at a
//! tenth of its speed.

pub mod aka;
pub mod bsp;
pub mod ecdsa;
pub mod ecka;
pub mod hash;
pub mod hmac;
pub mod kdf;
pub mod keyfile;
pub mod milenage;
pub mod private_file;
pub mod seal;
pub mod transport;
pub mod xor_test;
