//! The check digit of Luhn (ITU-T E.118 4.1, ISO/IEC 7812-1 annex B).

/// The digit that follows `body`; `None` unless `body` has decimal digits alone, and one at least.
#[must_use]
pub fn luhn_digit(body: &str) -> Option<char> {
    if body.is_empty() || !body.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = digit * 2;
            match (place % 2, doubled) {
                (0, 10..) => doubled - 9,
                (0, _) => doubled,
                _ => digit,
            }
        })
        .sum();
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// Whether the last digit is the check digit of those before.
#[must_use]
pub fn has_luhn_digit(digits: &str) -> bool {
    let mut body = digits.chars();
    let last = body.next_back();
    last.is_some() && luhn_digit(body.as_str()) == last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digit_is_that_of_published_examples() {
        for (body, digit) in
            [("7992739871", '3'), ("1789372997", '4'), ("899000000000000000", '4'), ("0", '0')]
        {
            assert_eq!(luhn_digit(body), Some(digit), "{body}");
            assert!(has_luhn_digit(&format!("{body}{digit}")));
            let other = char::from_digit((digit.to_digit(10).unwrap() + 1) % 10, 10).unwrap();
            assert!(!has_luhn_digit(&format!("{body}{other}")));
        }
        for text in ["", "12a", "１２"] {
            assert_eq!(luhn_digit(text), None);
        }
        assert!(!has_luhn_digit("") && !has_luhn_digit("5"));
    }
}
