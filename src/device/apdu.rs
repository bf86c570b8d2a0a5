//! Command and response APDUs (ISO 7816-4, TS 102 221 chapter 10): parsing, building, status words.
//!
//! Short lengths only. Extended lengths are refused: no command of SGP.22 or TS 102 221 needs them, since ES10 commands
//! are chained. LPAs differ in whether they send Le, so a command is read with and without it.

use std::fmt;

/// Data octets of a short command at most.
pub const MAX_COMMAND_DATA: usize = 255;
/// Data octets of a short response at most.
pub const MAX_RESPONSE_DATA: usize = 256;

/// Instruction octets.
pub mod ins {
    /// TERMINAL PROFILE.
    pub const TERMINAL_PROFILE: u8 = 0x10;
    /// VERIFY PIN.
    pub const VERIFY_PIN: u8 = 0x20;
    /// CHANGE PIN.
    pub const CHANGE_PIN: u8 = 0x24;
    /// DISABLE PIN.
    pub const DISABLE_PIN: u8 = 0x26;
    /// ENABLE PIN.
    pub const ENABLE_PIN: u8 = 0x28;
    /// UNBLOCK PIN.
    pub const UNBLOCK_PIN: u8 = 0x2C;
    /// MANAGE CHANNEL.
    pub const MANAGE_CHANNEL: u8 = 0x70;
    /// AUTHENTICATE, even instruction.
    pub const AUTHENTICATE: u8 = 0x88;
    /// SELECT.
    pub const SELECT: u8 = 0xA4;
    /// TERMINAL CAPABILITY.
    pub const TERMINAL_CAPABILITY: u8 = 0xAA;
    /// READ BINARY.
    pub const READ_BINARY: u8 = 0xB0;
    /// READ RECORD.
    pub const READ_RECORD: u8 = 0xB2;
    /// GET RESPONSE.
    pub const GET_RESPONSE: u8 = 0xC0;
    /// UPDATE BINARY.
    pub const UPDATE_BINARY: u8 = 0xD6;
    /// UPDATE RECORD.
    pub const UPDATE_RECORD: u8 = 0xDC;
    /// STORE DATA.
    pub const STORE_DATA: u8 = 0xE2;
    /// STATUS.
    pub const STATUS: u8 = 0xF2;
}

/// A status word: SW1 and SW2.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Normal ending.
    pub const OK: Self = Self(0x9000);
    /// Memory problem: the state could not be written.
    pub const MEMORY_PROBLEM: Self = Self(0x6581);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Logical channel not supported, or not open.
    pub const CHANNEL_NOT_SUPPORTED: Self = Self(0x6881);
    /// Secure messaging not supported.
    pub const SECURE_MESSAGING_NOT_SUPPORTED: Self = Self(0x6882);
    /// Command incompatible with the structure of the file.
    pub const INCOMPATIBLE_FILE: Self = Self(0x6981);
    /// Security status not satisfied.
    pub const SECURITY_NOT_SATISFIED: Self = Self(0x6982);
    /// Authentication method (the PIN) blocked.
    pub const BLOCKED: Self = Self(0x6983);
    /// Referenced data invalidated.
    pub const INVALIDATED: Self = Self(0x6984);
    /// Conditions of use not satisfied.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// No EF selected.
    pub const NO_EF: Self = Self(0x6986);
    /// Incorrect parameters in the data field.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// Function not supported.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6A81);
    /// File or application not found.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// Record not found.
    pub const RECORD_NOT_FOUND: Self = Self(0x6A83);
    /// Not enough memory in the file, or for the chain.
    pub const NOT_ENOUGH_MEMORY: Self = Self(0x6A84);
    /// Incorrect parameters P1, P2.
    pub const WRONG_PARAMETERS: Self = Self(0x6A86);
    /// Referenced data (the PIN) not found.
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6A88);
    /// Wrong parameters P1, P2: an offset outside the file.
    pub const WRONG_OFFSET: Self = Self(0x6B00);
    /// Instruction not supported or invalid.
    pub const UNKNOWN_INSTRUCTION: Self = Self(0x6D00);
    /// Class not supported.
    pub const UNKNOWN_CLASS: Self = Self(0x6E00);
    /// No precise diagnosis.
    pub const TECHNICAL_PROBLEM: Self = Self(0x6F00);
    /// Authentication error, incorrect MAC (TS 31.102).
    pub const INCORRECT_MAC: Self = Self(0x9862);

    /// Wrong PIN: 63Cx with the retries that are left.
    #[must_use]
    pub fn retries(left: u8) -> Self {
        Self(0x63C0 | u16::from(left.min(0x0F)))
    }

    /// More response data: 61xx, where 00 stands for 256 and more.
    #[must_use]
    pub fn more(octets: usize) -> Self {
        Self(0x6100 | u8::try_from(octets).map_or(0, u16::from))
    }

    /// SW1.
    #[must_use]
    pub const fn sw1(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// Whether the command succeeded: 9xxx but the 98xx of authentication. 91xx announces a proactive command.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self.sw1(), 0x90 | 0x91)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why octets are no APDU that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApduError {
    /// Less than a header.
    #[error("a command APDU has at least the four octets CLA INS P1 P2")]
    TooShort,
    /// Lc of three octets.
    #[error("extended lengths are not supported: chain STORE DATA blocks of at most 255 octets")]
    Extended,
    /// Lc and what follows do not agree.
    #[error("Lc says {expected} octets of data, {found} follow")]
    Length {
        /// By Lc.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// Less than a status word.
    #[error("a response APDU has at least the two octets of its status word")]
    NoStatus,
}

/// A command APDU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Class: type, secure messaging and logical channel.
    pub cla: u8,
    /// Instruction: one of [`ins`].
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Command data, 0 to 255 octets.
    pub data: &'a [u8],
    /// Response octets expected, 1 to 256; `None` without Le.
    pub le: Option<usize>,
}

impl fmt::Debug for Command<'_> {
    /// Header and length: data may be a PIN.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}{:02X}{:02X}{:02X}[{}]", self.cla, self.ins, self.p1, self.p2, self.data.len())
    }
}

impl<'a> Command<'a> {
    /// Reads a command in any of the four short cases of ISO 7816-3.
    ///
    /// # Errors
    /// [`ApduError`] for anything else.
    pub fn parse(apdu: &'a [u8]) -> Result<Self, ApduError> {
        let (header, body) = apdu.split_at_checked(4).ok_or(ApduError::TooShort)?;
        let [cla, ins, p1, p2] = *header else { return Err(ApduError::TooShort) };
        let (data, le): (&[u8], _) = match body {
            [] => (&[], None),
            [le] => (&[], Some(*le)),
            [0, ..] => return Err(ApduError::Extended),
            [lc, rest @ ..] => {
                let expected = usize::from(*lc);
                let (data, tail) = rest
                    .split_at_checked(expected)
                    .ok_or(ApduError::Length { expected, found: rest.len() })?;
                match tail {
                    [] => (data, None),
                    [le] => (data, Some(*le)),
                    _ => return Err(ApduError::Length { expected, found: rest.len() }),
                }
            }
        };
        let le = le.map(|le| if le == 0 { MAX_RESPONSE_DATA } else { usize::from(le) });
        Ok(Self { cla, ins, p1, p2, data, le })
    }

    /// The command's octets; data beyond 255 octets are cut, which no caller in this room does.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut apdu = vec![self.cla, self.ins, self.p1, self.p2];
        if !self.data.is_empty() {
            let length = u8::try_from(self.data.len()).unwrap_or(u8::MAX);
            apdu.push(length);
            apdu.extend(self.data.iter().take(usize::from(length)));
        }
        if let Some(le) = self.le {
            apdu.push(u8::try_from(le).unwrap_or(0));
        }
        apdu
    }
}

/// A response APDU.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Response data.
    pub data: Vec<u8>,
    /// How the command ended.
    pub status: StatusWord,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]{}", self.data.len(), self.status)
    }
}

impl From<StatusWord> for Response {
    fn from(status: StatusWord) -> Self {
        Self { data: Vec::new(), status }
    }
}

impl From<Result<Vec<u8>, StatusWord>> for Response {
    fn from(result: Result<Vec<u8>, StatusWord>) -> Self {
        match result {
            Ok(data) => Self { data, status: StatusWord::OK },
            Err(status) => status.into(),
        }
    }
}

impl Response {
    /// Reads a response.
    ///
    /// # Errors
    /// [`ApduError::NoStatus`] for less than two octets.
    pub fn parse(octets: &[u8]) -> Result<Self, ApduError> {
        let (data, status) = octets.split_last_chunk::<2>().ok_or(ApduError::NoStatus)?;
        Ok(Self { data: data.to_vec(), status: StatusWord(u16::from_be_bytes(*status)) })
    }

    /// The response's octets.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        let mut octets = self.data;
        octets.extend(self.status.0.to_be_bytes());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_cases_are_read_and_written() {
        for (apdu, data, le) in [
            (&[0x00, 0x70, 0x80, 0x01][..], &[][..], None),
            (&[0x00, 0xB0, 0x00, 0x00, 0x0A], &[], Some(10)),
            (&[0x00, 0xB0, 0x00, 0x00, 0x00], &[], Some(256)),
            (&[0x80, 0xE2, 0x91, 0x00, 0x02, 0xBF, 0x2E], &[0xBF, 0x2E], None),
            (&[0x80, 0xE2, 0x91, 0x00, 0x02, 0xBF, 0x2E, 0x00], &[0xBF, 0x2E], Some(256)),
        ] {
            let command = Command::parse(apdu).unwrap();
            assert_eq!((command.data, command.le), (data, le));
            assert_eq!(command.to_octets(), apdu);
        }
    }

    #[test]
    fn what_is_no_short_apdu_is_refused() {
        for (apdu, error) in [
            (&[][..], ApduError::TooShort),
            (&[0x00, 0xA4, 0x04], ApduError::TooShort),
            (&[0x00, 0xA4, 0x04, 0x00, 0x00, 0x01, 0x00, 0x3F], ApduError::Extended),
            (&[0x00, 0xA4, 0x04, 0x00, 0x03, 0x3F], ApduError::Length { expected: 3, found: 1 }),
            (&[0x00, 0xA4, 0x04, 0x00, 0x01, 0x3F, 0x00, 0x00], ApduError::Length { expected: 1, found: 3 }),
        ] {
            assert_eq!(Command::parse(apdu), Err(error));
        }
        assert_eq!(Response::parse(&[0x90]), Err(ApduError::NoStatus));
    }

    #[test]
    fn status_words_carry_their_number() {
        assert_eq!(StatusWord::more(255), StatusWord(0x61FF));
        assert_eq!(StatusWord::more(256), StatusWord(0x6100));
        assert_eq!(StatusWord::more(5000), StatusWord(0x6100));
        assert_eq!(StatusWord::retries(2), StatusWord(0x63C2));
        assert!(StatusWord(0x910B).is_ok() && !StatusWord::INCORRECT_MAC.is_ok());
    }
}
