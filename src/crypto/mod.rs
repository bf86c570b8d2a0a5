//! Cryptography: what the standards ask for, wrapped once.
//!
//! | module | what | source |
//! |---|---|---|
//! | [`ecdsa`] | signatures in plain r‖s | SGP.22 2.6.7.2, BSI TR-03111 |
//!
//! `aws-lc-rs` signs, verifies and agrees on the hot path: four times as fast as the pure Rust implementation. `p256`
//! imports keys, and signs deterministically (RFC 6979) where a test compares octets: `aws-lc-rs` draws its nonces
//! itself and cannot be seeded.

pub mod ecdsa;
