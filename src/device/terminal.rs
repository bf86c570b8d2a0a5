//! What a modem does with the enabled profile: selects, reads, verifies a PIN, authenticates (TS 31.101, TS 31.102).
//!
//! It shows whether the card behaves as the profile says; the LPA does not need it.

use std::io;

use super::apdu::{ApduError, Command, StatusWord, ins};
use super::transport::{ApduTransport, ExchangeError, exchange};

/// The key reference of PIN1 (TS 31.101 9.5.1).
pub const PIN1: u8 = 0x01;
/// P2 of AUTHENTICATE: application specific reference, 3G context (TS 31.102 7.1.2).
const CONTEXT_3G: u8 = 0x81;

/// Why the card did not do it.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// The card cannot be reached.
    #[error("the card cannot be reached: {0}")]
    Transport(#[from] io::Error),
    /// The card answers no APDU.
    #[error("the card's answer cannot be read: {0}")]
    Apdu(#[from] ApduError),
    /// The card refuses.
    #[error("{command} was refused with {status}")]
    Status {
        /// What was asked.
        command: &'static str,
        /// The status word.
        status: StatusWord,
    },
    /// The card announces more response data without end.
    #[error("the card's answer does not end")]
    Endless,
    /// The answer to AUTHENTICATE has another form than that of TS 31.102.
    #[error("the answer to AUTHENTICATE cannot be read")]
    Authentication,
}

impl From<ExchangeError> for TerminalError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Transport(error) => Self::Transport(error),
            ExchangeError::Apdu(error) => Self::Apdu(error),
            ExchangeError::Endless => Self::Endless,
        }
    }
}

/// The answer to AUTHENTICATE in the 3G context.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// The network is authentic.
    Success {
        /// RES.
        res: Vec<u8>,
        /// CK.
        ck: Vec<u8>,
        /// IK.
        ik: Vec<u8>,
    },
    /// The sequence number is not accepted.
    SynchronisationFailure {
        /// AUTS.
        auts: Vec<u8>,
    },
}

/// A card as a modem sees it, on the basic channel.
pub struct Terminal<T>(T);

impl<T: ApduTransport> Terminal<T> {
    /// A modem over this card.
    #[must_use]
    pub const fn new(transport: T) -> Self {
        Self(transport)
    }

    fn command(&mut self, name: &'static str, command: &Command<'_>) -> Result<Vec<u8>, TerminalError> {
        let response = exchange(&mut self.0, command)?;
        if response.status.is_ok() {
            Ok(response.data)
        } else {
            Err(TerminalError::Status { command: name, status: response.status })
        }
    }

    /// SELECT by path from the MF: file identifiers one after the other, 3F00 left out.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn select_path(&mut self, path: &[u8]) -> Result<(), TerminalError> {
        let select = Command { cla: 0, ins: ins::SELECT, p1: 0x08, p2: 0x04, data: path, le: Some(256) };
        self.command("SELECT", &select).map(drop)
    }

    /// SELECT by file identifier in the current directory.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn select_file(&mut self, fid: u16) -> Result<(), TerminalError> {
        let fid = fid.to_be_bytes();
        let select = Command { cla: 0, ins: ins::SELECT, p1: 0x00, p2: 0x04, data: &fid, le: Some(256) };
        self.command("SELECT", &select).map(drop)
    }

    /// SELECT of an application by its AID.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn select_application(&mut self, aid: &[u8]) -> Result<(), TerminalError> {
        let select = Command { cla: 0, ins: ins::SELECT, p1: 0x04, p2: 0x04, data: aid, le: Some(256) };
        self.command("SELECT", &select).map(drop)
    }

    /// READ BINARY of the selected transparent file.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn read_binary<const N: usize>(&mut self) -> Result<[u8; N], TerminalError> {
        let read = Command { cla: 0, ins: ins::READ_BINARY, p1: 0, p2: 0, data: &[], le: Some(N) };
        let data = self.command("READ BINARY", &read)?;
        data.try_into()
            .map_err(|_| TerminalError::Status { command: "READ BINARY", status: StatusWord::WRONG_LENGTH })
    }

    /// READ RECORD of the selected record file: record `number` from 1.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn read_record(&mut self, number: u8) -> Result<Vec<u8>, TerminalError> {
        let read = Command { cla: 0, ins: ins::READ_RECORD, p1: number, p2: 0x04, data: &[], le: Some(256) };
        self.command("READ RECORD", &read)
    }

    /// VERIFY PIN: eight octets, filled up with FF.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn verify_pin(&mut self, reference: u8, pin: &[u8; 8]) -> Result<(), TerminalError> {
        let verify = Command { cla: 0, ins: ins::VERIFY_PIN, p1: 0, p2: reference, data: pin, le: None };
        self.command("VERIFY PIN", &verify).map(drop)
    }

    /// AUTHENTICATE on the selected USIM in the 3G context (TS 31.102 7.1).
    ///
    /// # Errors
    /// [`TerminalError`]; a network that is not authentic is refused with 9862.
    pub fn authenticate(
        &mut self,
        rand: &[u8; 16],
        autn: &[u8; 16],
    ) -> Result<Authentication, TerminalError> {
        let data = [&[16], &rand[..], &[16], &autn[..]].concat();
        let authenticate =
            Command { cla: 0, ins: ins::AUTHENTICATE, p1: 0, p2: CONTEXT_3G, data: &data, le: Some(256) };
        let answer = self.command("AUTHENTICATE", &authenticate)?;
        read_authentication(&answer).ok_or(TerminalError::Authentication)
    }
}

fn read_authentication(answer: &[u8]) -> Option<Authentication> {
    let (tag, mut rest) = answer.split_first()?;
    let mut value = || {
        let (length, after) = rest.split_first()?;
        let (value, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        Some(value.to_vec())
    };
    match tag {
        0xDB => Some(Authentication::Success { res: value()?, ck: value()?, ik: value()? }),
        0xDC => Some(Authentication::SynchronisationFailure { auts: value()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_to_authenticate_are_read() {
        let success = [&[0xDB, 2, 1, 2, 1][..], &[3], &[1, 4, 0]].concat();
        match read_authentication(&success) {
            Some(Authentication::Success { res, ck, ik }) => {
                assert_eq!((res, ck, ik), (vec![1, 2], vec![3], vec![4]));
            }
            _ => panic!("no success"),
        }
        assert!(matches!(
            read_authentication(&[0xDC, 1, 7]),
            Some(Authentication::SynchronisationFailure { auts }) if auts == [7]
        ));
        for cut in 0..success.len() - 2 {
            assert!(read_authentication(&success[..cut]).is_none());
        }
    }
}
