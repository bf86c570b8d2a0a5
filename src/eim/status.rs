//! What the errors of the functions answer: a code, which both bindings know how to write.
//!
//! The codes, and the pairs of the JSON binding, stand in [`crate::binding::esipa`]; which error has which code stands
//! beside the error. The whole table is `testvectors/sgp32/errors.md`.

use std::fmt;

pub use crate::binding::esipa::EsipaCode;

/// An error of a function of ESipa that has answers.
pub trait EsipaError: fmt::Display {
    /// The code that the standard gives to this error.
    fn code(&self) -> EsipaCode;

    /// What the server alone is to know: the cause of an internal error, for the log.
    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}
