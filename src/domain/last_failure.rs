//! The latest failure of an order, kept for people: "why did this fail?"

use crate::env::Timestamp;
use crate::ident::Iccid;

/// The longest text of a failure, in octets.
pub const DETAIL_MAX: usize = 300;

/// What went wrong with an order last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// The profile.
    pub iccid: Iccid,
    /// Which order for it ([`super::Order::number`]).
    pub number: i64,
    /// The function of ES9+ that failed, or that told it: `AuthenticateClient`.
    pub function: String,
    /// The pair of codes that was answered, `8.2.5/4.3`; `None` where the eUICC or the LPA told it.
    pub status: Option<String>,
    /// What was the matter: bounded, on one line, without secrets.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

impl LastFailure {
    /// A text as it may be kept: control characters become blanks, and what is behind [`DETAIL_MAX`] octets is cut.
    #[must_use]
    pub fn bounded(text: &str) -> String {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if text.len() <= DETAIL_MAX {
            return text;
        }
        let most = text.floor_char_boundary(DETAIL_MAX.saturating_sub('…'.len_utf8()));
        format!("{}…", text.get(..most).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_on_one_line() {
        assert_eq!(LastFailure::bounded("one\ntwo\u{7}"), "one two ");
        for text in ["x".repeat(1000), "ä".repeat(1000), "€".repeat(1000)] {
            let bounded = LastFailure::bounded(&text);
            assert!((DETAIL_MAX - 4..=DETAIL_MAX).contains(&bounded.len()), "{}", bounded.len());
            assert!(bounded.ends_with('…'));
        }
        let fits = "x".repeat(DETAIL_MAX);
        assert_eq!(LastFailure::bounded(&fits), fits);
    }
}
