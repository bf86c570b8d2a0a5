//! PINs, PUKs and administrative codes, each under its name.

use std::fmt;

use zeroize::Zeroizing;

use super::Secret;

/// The most codes of one profile: all key references of TS 102 221 9.5.1.
pub const MAX_CODES: usize = 42;

/// Why a text is no code. It does not repeat the text, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A PIN is something else.
    #[error("a PIN has 4 to 8 decimal digits")]
    Pin,
    /// A PUK is something else.
    #[error("a PUK has 8 decimal digits")]
    Puk,
    /// An administrative code is something else.
    #[error("an ADM code has 4 to 8 decimal digits or 16 hexadecimal digits")]
    Adm,
}

/// A code as the card compares it: eight octets (TS 102 221 9.5.1).
#[derive(Clone)]
pub struct Code(Secret<8>);

impl Code {
    /// A PIN: 4 to 8 digits, filled up with FF.
    ///
    /// # Errors
    /// [`CodeError::Pin`].
    pub fn pin(digits: &str) -> Result<Self, CodeError> {
        Self::digits(digits, 4).ok_or(CodeError::Pin)
    }

    /// A PUK: 8 digits.
    ///
    /// # Errors
    /// [`CodeError::Puk`].
    pub fn puk(digits: &str) -> Result<Self, CodeError> {
        Self::digits(digits, 8).ok_or(CodeError::Puk)
    }

    /// An administrative code: 4 to 8 digits, or eight octets as 16 hexadecimal digits.
    ///
    /// # Errors
    /// [`CodeError::Adm`].
    pub fn adm(text: &str) -> Result<Self, CodeError> {
        let mut octets = Zeroizing::new([0; 8]);
        if text.len() == 16 && hex::decode_to_slice(text, &mut *octets).is_ok() {
            return Ok(Self(Secret::new(*octets)));
        }
        Self::digits(text, 4).ok_or(CodeError::Adm)
    }

    /// Eight octets as they stand in a package.
    #[must_use]
    pub fn from_octets(octets: [u8; 8]) -> Self {
        Self(Secret::new(octets))
    }

    fn digits(digits: &str, least: usize) -> Option<Self> {
        let fits = (least..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        let mut octets = Zeroizing::new([0xFF; 8]);
        octets.iter_mut().zip(digits.bytes()).for_each(|(to, from)| *to = from);
        fits.then(|| Self(Secret::new(*octets)))
    }

    /// The eight octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8; 8] {
        self.0.as_octets()
    }
}

/// Which code it is: its kind and its key reference (TS 102 221 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeName {
    /// A PIN or an administrative code: 01 to 08, 0A to 0E, 81 to 88, 8A to 8E.
    Pin(u8),
    /// A PUK: 01 to 08, 81 to 88.
    Puk(u8),
}

impl CodeName {
    /// PIN1, global.
    pub const PIN1: Self = Self::Pin(0x01);
    /// PIN2, local to each application.
    pub const PIN2: Self = Self::Pin(0x81);
    /// Unblocks PIN1.
    pub const PUK1: Self = Self::Puk(0x01);
    /// Unblocks PIN2.
    pub const PUK2: Self = Self::Puk(0x81);
    /// The first administrative code.
    pub const ADM1: Self = Self::Pin(0x0A);

    /// ADM1 to ADM10.
    #[must_use]
    pub const fn adm(number: u8) -> Option<Self> {
        match number {
            1..=5 => Some(Self::Pin(0x09 + number)),
            6..=10 => Some(Self::Pin(0x84 + number)),
            _ => None,
        }
    }

    /// The number of an administrative code.
    const fn adm_number(self) -> Option<u8> {
        match self {
            Self::Pin(reference @ 0x0A..=0x0E) => Some(reference - 0x09),
            Self::Pin(reference @ 0x8A..=0x8E) => Some(reference - 0x84),
            Self::Pin(_) | Self::Puk(_) => None,
        }
    }

    /// Reads a value of this kind.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn read(self, text: &str) -> Result<Code, CodeError> {
        match self {
            Self::Puk(_) => Code::puk(text),
            Self::Pin(_) if self.adm_number().is_some() => Code::adm(text),
            Self::Pin(_) => Code::pin(text),
        }
    }
}

impl fmt::Display for CodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.adm_number()) {
            (_, Some(number)) => write!(f, "ADM{number}"),
            (Self::PIN1, _) => f.write_str("PIN1"),
            (Self::PIN2, _) => f.write_str("PIN2"),
            (Self::PUK1, _) => f.write_str("PUK1"),
            (Self::PUK2, _) => f.write_str("PUK2"),
            (Self::Pin(reference), _) => write!(f, "the PIN with key reference {reference:02X}"),
            (Self::Puk(reference), _) => write!(f, "the PUK with key reference {reference:02X}"),
        }
    }
}

/// The codes of one profile, each under its name.
#[derive(Clone, Default)]
pub struct Codes(Vec<(CodeName, Code)>);

impl Codes {
    /// The codes that every classic file has.
    #[must_use]
    pub fn of(pin1: Code, puk1: Code, pin2: Code, puk2: Code, adm1: Code) -> Self {
        let mut codes = Self::default();
        for (name, code) in [
            (CodeName::PIN1, pin1),
            (CodeName::PUK1, puk1),
            (CodeName::PIN2, pin2),
            (CodeName::PUK2, puk2),
            (CodeName::ADM1, adm1),
        ] {
            codes.set(name, code);
        }
        codes
    }

    /// A code.
    #[must_use]
    pub fn get(&self, name: CodeName) -> Option<&Code> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, code)| code)
    }

    /// Puts a code in, or another in its place.
    pub fn set(&mut self, name: CodeName, code: Code) {
        match self.0.binary_search_by_key(&name, |(other, _)| *other) {
            Ok(at) => {
                if let Some(place) = self.0.get_mut(at) {
                    place.1 = code;
                }
            }
            Err(at) => self.0.insert(at, (name, code)),
        }
    }

    /// All codes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (CodeName, &Code)> {
        self.0.iter().map(|(name, code)| (*name, code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_form_of_their_kind() {
        assert_eq!(Code::pin("1234").unwrap().as_octets(), b"1234\xFF\xFF\xFF\xFF");
        assert_eq!(Code::puk("12345678").unwrap().as_octets(), b"12345678");
        assert_eq!(Code::adm("0123456789ABCDEF").unwrap().as_octets()[7], 0xEF);
        assert_eq!(Code::adm("55555555").unwrap().as_octets(), b"55555555");
        for text in ["", "123", "123456789", "12a4", "١٢٣٤"] {
            assert_eq!(Code::pin(text).err(), Some(CodeError::Pin), "{text}");
            assert_eq!(Code::puk(text).err(), Some(CodeError::Puk), "{text}");
            assert_eq!(Code::adm(text).err(), Some(CodeError::Adm), "{text}");
        }
        assert_eq!(Code::puk("1234567").err(), Some(CodeError::Puk));
    }

    #[test]
    fn a_name_is_a_key_reference_and_says_which_form_its_code_has() {
        for (number, reference) in [(1, 0x0A), (2, 0x0B), (5, 0x0E), (6, 0x8A), (10, 0x8E)] {
            let name = CodeName::adm(number).unwrap();
            assert_eq!((name, name.to_string()), (CodeName::Pin(reference), format!("ADM{number}")));
            assert_eq!(name.read("12").err(), Some(CodeError::Adm));
        }
        assert!(CodeName::adm(0).is_none() && CodeName::adm(11).is_none());
        assert_eq!(CodeName::PIN2.read("0123456789ABCDEF").err(), Some(CodeError::Pin));
        assert_eq!(CodeName::PUK1.read("1234").err(), Some(CodeError::Puk));
        assert_eq!(CodeName::Pin(2).to_string(), "the PIN with key reference 02");
    }

    #[test]
    fn a_code_that_is_set_again_replaces_the_first() {
        let mut codes = Codes::default();
        codes.set(CodeName::PUK1, Code::puk("11111111").unwrap());
        codes.set(CodeName::PIN1, Code::pin("1111").unwrap());
        codes.set(CodeName::PUK1, Code::puk("22222222").unwrap());
        let found: Vec<_> = codes.iter().map(|(name, code)| (name, code.as_octets()[0])).collect();
        assert_eq!(found, [(CodeName::PIN1, b'1'), (CodeName::PUK1, b'2')]);
        assert!(codes.get(CodeName::ADM1).is_none());
    }
}
