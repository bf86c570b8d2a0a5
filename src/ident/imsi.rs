//! IMSI: the number of a subscription (ITU-T E.212).

use std::fmt;

use super::{InvalidIdentifier, from_swapped_bcd, text_form, to_swapped_bcd};

const EXPECTED: &str = "6 to 15 decimal digits";

/// 6 to 15 decimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imsi(String);

impl Imsi {
    /// Reads decimal digits.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything but 6 to 15 digits.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        if (6..=15).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdentifier::new("IMSI", EXPECTED, text))
        }
    }

    /// Reads what manufacturers write: digits, or the 18 hexadecimal digits of EF.IMSI. No number has so many.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything else.
    pub fn parse_notation(text: &str) -> Result<Self, InvalidIdentifier> {
        let mut octets = [0; 9];
        if hex::decode_to_slice(text, &mut octets).is_ok() {
            return Self::from_ef(&octets);
        }
        Self::parse(text)
    }

    /// Reads the nine octets of EF.IMSI (TS 31.102 4.2.2): length, then parity nibble 9 or 1 and swapped digits.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for octets of another form.
    pub fn from_ef(octets: &[u8; 9]) -> Result<Self, InvalidIdentifier> {
        let invalid = || InvalidIdentifier::new("IMSI", EXPECTED, &hex::encode_upper(octets));
        let [length, content @ ..] = octets;
        let used = content.get(..usize::from(*length)).ok_or_else(invalid)?;
        let odd = match used.first().map(|lead| lead & 0x0F) {
            Some(0x9) => true,
            Some(0x1) => false,
            _ => return Err(invalid()),
        };
        let digits = from_swapped_bcd(used).ok_or_else(invalid)?.split_off(1);
        if (digits.len() % 2 == 1) != odd {
            return Err(invalid());
        }
        Self::parse(&digits)
    }

    /// The nine octets of EF.IMSI.
    #[must_use]
    pub fn to_ef(&self) -> [u8; 9] {
        let parity = if self.0.len() % 2 == 1 { b'9' } else { b'1' };
        let mut octets = [0xFF; 9];
        // Parity and digits: at most sixteen nibbles.
        let mut coded = [0; 16];
        let digits = std::iter::once(parity).chain(self.0.bytes());
        coded.iter_mut().zip(digits).for_each(|(to, from)| *to = from);
        let used = coded.get(..=self.0.len()).unwrap_or_default();
        let [length, content @ ..] = &mut octets;
        *length = u8::try_from(used.len().div_ceil(2)).unwrap_or(8);
        to_swapped_bcd(used, content);
        octets
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last digit, which gives the access class (TS 22.011).
    #[must_use]
    pub fn last_digit(&self) -> u8 {
        self.0.bytes().last().map_or(0, |digit| digit - b'0')
    }
}

impl fmt::Display for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(Imsi);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_form_goes_both_ways() {
        for (digits, ef) in [
            ("001010123456789", "080910101032547698"),
            ("26202123456789", "0821262021436587F9"),
            ("901405100000001", "089910041500000010"),
        ] {
            let imsi = Imsi::parse(digits).unwrap();
            assert_eq!(hex::encode_upper(imsi.to_ef()), ef);
            assert_eq!(Imsi::from_ef(&imsi.to_ef()).unwrap(), imsi);
            assert_eq!(Imsi::parse_notation(ef).unwrap(), imsi);
            assert_eq!(Imsi::parse_notation(digits).unwrap(), imsi);
        }
    }

    #[test]
    fn parity_and_length_are_checked() {
        for ef in ["080110101032547698", "090910101032547698", "FFFFFFFFFFFFFFFFFF", "000910101032547698"] {
            let octets: [u8; 9] = hex::decode(ef).unwrap().try_into().unwrap();
            assert!(Imsi::from_ef(&octets).is_err(), "{ef}");
        }
        assert!(Imsi::parse("12345").is_err());
        assert!(Imsi::parse("0010101234567890").is_err());
    }
}
