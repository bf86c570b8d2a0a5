//! So many of something, for people.

use std::fmt::Display;

/// A number with its noun: `1 profile`, `2 profiles`.
#[must_use]
pub fn counted<N: Display + PartialEq + From<bool>>(number: N, noun: &str) -> String {
    let ending = if number == N::from(true) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_from_several() {
        assert_eq!([0_u64, 1, 2].map(|number| counted(number, "label")), ["0 labels", "1 label", "2 labels"]);
        assert_eq!(counted(1_usize, "eUICC"), "1 eUICC");
    }
}
