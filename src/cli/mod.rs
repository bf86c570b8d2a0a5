//! To come.

pub mod pki;
