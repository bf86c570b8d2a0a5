//! The operator's name as a phone shows it: EF.SPN. The rules stand in [`super::content`].

use super::content::encode_alpha;
pub use super::content::{NAME_LEN, to_ef_spn};

/// Whether a name is shown whole.
#[must_use]
pub fn fits(name: &str) -> bool {
    encode_alpha(name).len() <= NAME_LEN && name.chars().all(|c| u16::try_from(u32::from(c)).is_ok())
}
