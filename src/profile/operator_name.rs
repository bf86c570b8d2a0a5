//! The operator's name as a phone shows it: EF.SPN. The rules stand in [`super::content`].

pub use super::content::{NAME_LEN, to_ef_spn};
