//! A card in the virtual reader of PC/SC: `vpcd` of the project vsmartcard, a driver of `pcscd`.
//!
//! The card calls the reader over TCP. Each message stands behind two octets of length ([`super::transport`]). Messages
//! of one octet are control: power off, power on, reset, and the question for the answer to reset, which alone is
//! answered; all others are commands. The reader asks for the answer to reset twice a second as long as it lives.
//!
//! Nothing here waits: what happens on the way to the reader is told, and who is told decides whether and when to call
//! again.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

use super::card::Card;
use super::transport::{read_frame, write_frame};

/// Where the reader "Virtual PCD" of Debian's package listens.
pub const READER: &str = "127.0.0.1:35963";
/// How long a reader may be silent: it asks twice a second.
pub const READER_SILENCE: Duration = Duration::from_secs(60);
/// How long a reader may take to accept a card.
const CONNECT: Duration = Duration::from_secs(10);

/// Control octets of the reader.
mod control {
    pub(super) const POWER_OFF: u8 = 0x00;
    pub(super) const POWER_ON: u8 = 0x01;
    pub(super) const RESET: u8 = 0x02;
    pub(super) const ANSWER_TO_RESET: u8 = 0x04;
}

/// Octets of an answer to reset at most (ISO 7816-3 8.2).
const MAX_ATR: usize = 33;

/// Why octets are no answer to reset (ISO 7816-3 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAtr {
    /// No octets at all.
    #[error("an ATR is written in hexadecimal digits, two for each octet")]
    Digits,
    /// Too many of them.
    #[error("an ATR has at most 33 octets, this one has {0}")]
    TooLong(usize),
    /// Not the first octet of one.
    #[error("an ATR begins with 3B or 3F")]
    InitialCharacter,
    /// T0 and the TDi announce another length.
    #[error("the ATR announces {announced} octets and has {found}")]
    Length {
        /// By T0 and the TDi.
        announced: usize,
        /// What is there.
        found: usize,
    },
    /// TCK is not what makes the exclusive-or of all octets from T0 on zero.
    #[error("the check octet TCK, the last, must be {expected:02X}")]
    Check {
        /// What it must be.
        expected: u8,
    },
}

/// An answer to reset: what a reader sees of a card first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atr(Vec<u8>);

impl Atr {
    /// That of the virtual eUICC: T=0, direct convention, the eUICC-related functions of TS 102 221 6.3.3, four logical
    /// channels, and `Simyard` as the card issuer's data.
    #[must_use]
    pub fn virtual_euicc() -> Self {
        let mut octets = vec![
            0x3B, 0x9F, // TA1 and TD1 follow, 15 historical octets
            0x96, // TA1: Fi 512, Di 32
            0x80, // TD1: T=0, TD2 follows
            0x3F, // TD2: T=15, TA3 and TB3 follow
            0xC7, // TA3: clock stop in either state, classes A, B and C
            0x82, // TB3: eUICC-related functions
            0x80, // the historical octets are COMPACT-TLV
            0x31, 0xA0, // card service data: applications are selected by full name, EF.DIR
            0x73, 0xBE, 0x21,
            0x13, // card capabilities; the last: the card assigns one of four channels
            0x57, // the card issuer's data
        ];
        octets.extend(b"Simyard");
        octets.push(check(&octets));
        Self(octets)
    }

    /// The octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(&self.0))
    }
}

impl FromStr for Atr {
    type Err = InvalidAtr;

    fn from_str(digits: &str) -> Result<Self, InvalidAtr> {
        let octets = hex::decode(digits).map_err(|_| InvalidAtr::Digits)?;
        if octets.len() > MAX_ATR {
            return Err(InvalidAtr::TooLong(octets.len()));
        }
        let (initial, rest) = octets.split_first().ok_or(InvalidAtr::Digits)?;
        if !matches!(initial, 0x3B | 0x3F) {
            return Err(InvalidAtr::InitialCharacter);
        }
        let (announced, has_check) = announced(rest);
        if octets.len() != announced {
            return Err(InvalidAtr::Length { announced, found: octets.len() });
        }
        match octets.split_last() {
            Some((last, before)) if has_check && *last != check(before) => {
                Err(InvalidAtr::Check { expected: check(before) })
            }
            _ => Ok(Self(octets)),
        }
    }
}

/// The octets that an ATR has by T0 and its TDi, and whether TCK is among them: it is absent where T=0 alone is indicated.
fn announced(from_t0: &[u8]) -> (usize, bool) {
    let mut octets = from_t0.iter();
    let mut announces = octets.next().copied().unwrap_or_default();
    let historical = usize::from(announces & 0x0F);
    let (mut length, mut has_check) = (2, false);
    loop {
        let interface = (announces >> 4).count_ones() as usize;
        length += interface;
        if announces & 0x80 == 0 {
            break;
        }
        // TDi is the last of its group; one that is cut off announces nothing, and the length does not fit then.
        announces = octets.nth(interface - 1).copied().unwrap_or_default();
        has_check |= announces & 0x0F != 0;
    }
    (length + historical + usize::from(has_check), has_check)
}

/// TCK: the exclusive-or of all octets from T0 on.
fn check(before: &[u8]) -> u8 {
    before.iter().skip(1).fold(0, |sum, octet| sum ^ octet)
}

/// What happens on the way to the reader.
#[derive(Debug)]
pub enum Way {
    /// No reader took the card.
    Absent(io::Error),
    /// The card is in the reader.
    Inserted,
    /// The reader ended, or the connection broke.
    Removed(io::Result<()>),
}

/// Puts a card into the reader at `HOST:PORT`, and again whenever it was removed or no reader was there, until `told`
/// says that it is enough. A reader that says nothing for `silence` counts as gone.
pub fn serve_reader(
    card: &mut Card,
    reader: &str,
    atr: &Atr,
    silence: Duration,
    mut told: impl FnMut(&Way) -> ControlFlow<()>,
) {
    loop {
        let way = match connect(reader, silence) {
            Err(error) => Way::Absent(error),
            Ok(mut stream) => {
                if told(&Way::Inserted).is_break() {
                    return;
                }
                Way::Removed(serve_inserted(card, &mut stream, atr))
            }
        };
        if told(&way).is_break() {
            return;
        }
    }
}

/// Answers a reader until it ends. The card is as after power-up, now and after each of the reader's resets.
///
/// # Errors
/// What the system says of the connection.
pub fn serve_inserted(card: &mut Card, stream: &mut (impl Read + Write), atr: &Atr) -> io::Result<()> {
    card.reset();
    while let Some(message) = read_frame(stream)? {
        match message.as_slice() {
            [control::POWER_OFF | control::POWER_ON | control::RESET] => card.reset(),
            [control::ANSWER_TO_RESET] => write_frame(stream, atr.as_octets())?,
            [other] => tracing::warn!(octet = other, "the reader sent a control octet that is unknown"),
            command => write_frame(stream, &card.process(command))?,
        }
    }
    Ok(())
}

fn connect(reader: &str, silence: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in reader.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(silence))?;
                stream.set_write_timeout(Some(silence))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_answer_to_reset_is_one() {
        let ours = Atr::virtual_euicc();
        assert_eq!(ours.to_string(), "3B9F96803FC7828031A073BE21135753696D7961726413");
        assert_eq!(ours.to_string().parse(), Ok(ours));
    }

    #[test]
    fn answers_to_reset_are_read_by_their_structure() {
        // T=0 alone has no check octet; T=1 and T=15 have one.
        for fine in
            ["3B00", "3F00", "3B021450", "3B6500002063CB6800", "3B9F96801FC78031A073BE21136743200718000001A5"]
        {
            assert_eq!(fine.parse::<Atr>().map(|atr| atr.to_string()), Ok(fine.to_owned()));
        }
        let long = format!("3B{}", "00".repeat(33));
        for (wrong, error) in [
            ("", InvalidAtr::Digits),
            ("3B0", InvalidAtr::Digits),
            ("3Bxx", InvalidAtr::Digits),
            (&*long, InvalidAtr::TooLong(34)),
            ("9000", InvalidAtr::InitialCharacter),
            ("3B", InvalidAtr::Length { announced: 2, found: 1 }),
            ("3B0214", InvalidAtr::Length { announced: 4, found: 3 }),
            ("3B80", InvalidAtr::Length { announced: 3, found: 2 }),
            ("3B8001", InvalidAtr::Length { announced: 4, found: 3 }),
            ("3B800100", InvalidAtr::Check { expected: 0x81 }),
            ("3B9F96801FC78031A073BE21136743200718000001A4", InvalidAtr::Check { expected: 0xA5 }),
        ] {
            assert_eq!(wrong.parse::<Atr>(), Err(error), "{wrong}");
        }
        assert!("3B800181".parse::<Atr>().is_ok());
    }
}
