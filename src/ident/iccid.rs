//! ICCID: the number of a profile (ITU-T E.118).

use std::fmt;

use super::{InvalidIdentifier, from_plain_bcd, from_swapped_bcd, text_form, to_swapped_bcd};

const EXPECTED: &str = "18 to 20 decimal digits, 19 may be followed by F";

/// 18, 19 or 20 decimal digits, without filler. Whether the last one is a check digit is a matter of the issuer's
/// range, never guessed here: 19 digits and the 20 digits that start with them are two numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iccid(String);

impl Iccid {
    /// Reads digits as files and ES2+ callers write them: 18, 19 or 20, filled up with `F` or `f` to 20 or not.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let digits = text.trim_end_matches(['F', 'f']);
        let filler = text.len() - digits.len();
        let fits = (18..=20).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && (filler == 0 || digits.len() + filler == 20);
        if fits { Ok(Self(digits.to_owned())) } else { Err(InvalidIdentifier::new("ICCID", EXPECTED, text)) }
    }

    /// Reads what manufacturers write: digits as [`Iccid::parse`] does, or the 20 hexadecimal digits of EF.ICCID, nibbles
    /// swapped. The two cannot be confused: each ICCID begins with 89, the major industry identifier of
    /// telecommunications (E.118 3.1), and each swapped one with 98.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything else.
    pub fn parse_notation(text: &str) -> Result<Self, InvalidIdentifier> {
        let mut octets = [0; 10];
        if text.starts_with("98") && hex::decode_to_slice(text, &mut octets).is_ok() {
            return Self::from_bcd(&octets);
        }
        Self::parse(text)
    }

    /// Reads the ten octets of EF.ICCID and of tag 5A: nibbles swapped.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] if the octets hold no such number.
    pub fn from_bcd(octets: &[u8; 10]) -> Result<Self, InvalidIdentifier> {
        Self::from_digits(from_swapped_bcd(octets), octets)
    }

    /// Reads the ten octets of a profile header: digits in reading order.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] if the octets hold no such number.
    pub fn from_header(octets: &[u8; 10]) -> Result<Self, InvalidIdentifier> {
        Self::from_digits(from_plain_bcd(octets), octets)
    }

    fn from_digits(digits: Option<String>, octets: &[u8; 10]) -> Result<Self, InvalidIdentifier> {
        digits
            .filter(|digits| digits.len() >= 18)
            .map(Self)
            .ok_or_else(|| InvalidIdentifier::new("ICCID", EXPECTED, &hex::encode_upper(octets)))
    }

    /// The ten octets of EF.ICCID and of tag 5A.
    #[must_use]
    pub fn to_bcd(&self) -> [u8; 10] {
        let mut octets = [0; 10];
        to_swapped_bcd(self.0.as_bytes(), &mut octets);
        octets
    }

    /// The ten octets of a profile header.
    #[must_use]
    pub fn to_header(&self) -> [u8; 10] {
        self.to_bcd().map(|octet| octet.rotate_left(4))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form of ES2+: 19 digits are sent with an F, which every peer understands.
    #[must_use]
    pub fn to_es2plus(&self) -> String {
        if self.0.len() == 19 { format!("{}F", self.0) } else { self.0.clone() }
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(Iccid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lengths_and_notations() {
        for (text, digits, bcd) in [
            ("89000123456789012341", "89000123456789012341", "98001032547698103214"),
            ("8949449999999990924", "8949449999999990924", "989444999999990929F4"),
            ("8949449999999990924F", "8949449999999990924", "989444999999990929F4"),
            ("894944999999999092", "894944999999999092", "989444999999990929FF"),
            ("894944999999999092ff", "894944999999999092", "989444999999990929FF"),
        ] {
            let iccid = Iccid::parse(text).unwrap();
            assert_eq!(iccid.as_str(), digits);
            assert_eq!(hex::encode_upper(iccid.to_bcd()), bcd);
            assert_eq!(Iccid::from_bcd(&iccid.to_bcd()).unwrap(), iccid);
            assert_eq!(Iccid::parse_notation(bcd).unwrap(), iccid);
            assert_eq!(Iccid::parse_notation(text).unwrap(), iccid);
            assert_eq!(Iccid::from_header(&iccid.to_header()).unwrap(), iccid);
        }
        assert_eq!(Iccid::parse("8949449999999990924").unwrap().to_es2plus(), "8949449999999990924F");
    }

    #[test]
    fn what_is_no_iccid_is_refused() {
        for text in [
            "",
            "89",
            "89000123456789012341F",
            "8900012345678901234X",
            "894944999999999092F",
            "890001234567890123412",
        ] {
            assert!(Iccid::parse(text).is_err(), "{text}");
            assert!(Iccid::parse_notation(text).is_err(), "{text}");
        }
        assert!(Iccid::from_bcd(&[0xFF; 10]).is_err());
        assert!(Iccid::from_bcd(&[0x98, 0xF0, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x14]).is_err());
    }
}
