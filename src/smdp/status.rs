//! What the errors of the functions answer: a subject and a reason, and over ES9+ an integer.

use std::fmt;

pub use crate::binding::status::{Reason, Subject};

/// An error of a function that answers with a status.
pub trait FunctionError: fmt::Display {
    /// The pair that the standard gives to this error.
    fn status(&self) -> (Subject, Reason);

    /// subjectIdentifier: the value that the pair is about, where it says more than the request.
    fn subject_identifier(&self) -> Option<String> {
        None
    }

    /// What the server alone is to know: the cause of an internal error, for the log.
    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

/// An error of a function of ES9+, which the ASN.1 binding tells by an integer (6.6, annex H).
pub trait Es9PlusError: FunctionError {
    /// The integer of this error: undefinedError where the standard has none for its pair.
    fn error_code(&self) -> u32;
}
