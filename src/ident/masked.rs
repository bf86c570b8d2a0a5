//! Identifiers in ordinary logs: enough of them to find one's way, not enough to have them.

use std::borrow::Cow;

/// The shortest run of digits that is masked: an IMSI may have 14, a telephone number fewer, which is why none is logged.
const DIGITS_MIN: usize = 14;
/// What stays at the beginning: MCC and MNC of an IMSI, the issuer of an ICCID.
const FIRST: usize = 5;
/// What stays at the end.
const LAST: usize = 4;

/// The text with all but the first five and the last four digits of every ICCID, IMSI and EID replaced by `…`. What
/// stands in a word of other characters, as in a hash, is left alone.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let (mut copied, mut start) = (0, None);
    let mut before = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_ascii_digit(), start) {
            (true, None) if !before.is_some_and(char::is_alphanumeric) => start = Some(at),
            (false, Some(first)) => {
                // An ICCID may be filled up.
                let is_word = c.is_alphanumeric() && !matches!(c, 'F' | 'f');
                if at - first >= DIGITS_MIN && !is_word {
                    masked.push_str(text.get(copied..first + FIRST).unwrap_or_default());
                    masked.push('…');
                    copied = at - LAST;
                }
                start = None;
            }
            _ => {}
        }
        before = Some(c);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_masked_wherever_they_stand_and_nothing_else_is() {
        for (text, expected) in [
            ("profile 89882801000000000014 is unknown", "profile 89882…0014 is unknown"),
            ("iccid=8949449999999990924F imsi=\"901405100000001\"", "iccid=89494…0924F imsi=\"90140…0001\""),
            ("EID 89049032000000000000279973200019", "EID 89049…0019"),
            ("89049032000000000000279973200019,90140510000001", "89049…0019,90140…0001"),
            ("ä89882801000000000014", "ä89882801000000000014"),
            (
                "2026-11-22T06:43:00.123456Z 1234567890123 octets",
                "2026-11-22T06:43:00.123456Z 1234567890123 octets",
            ),
            (
                "digest a12345678901234567890 and 12345678901234567890ab",
                "digest a12345678901234567890 and 12345678901234567890ab",
            ),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
    }
}
