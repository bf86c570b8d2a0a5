//! How an LPA reaches a card: APDUs in this process, or over TCP with two octets of length (big-endian) in front of
//! each command and each response, the framing of the virtual reader of PC/SC (vpcd).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::apdu::{ApduError, Command, Response, ins};
use super::card::Card;

/// How long a card may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of one response at most, GET RESPONSE included.
const MAX_RESPONSE: usize = 1 << 20;

/// A way to a card.
pub trait ApduTransport {
    /// Sends a command APDU and waits for the response APDU.
    ///
    /// # Errors
    /// What the system says if the card cannot be reached.
    fn transmit(&mut self, apdu: &[u8]) -> io::Result<Vec<u8>>;
}

impl ApduTransport for Card {
    fn transmit(&mut self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        Ok(self.process(apdu))
    }
}

impl<T: ApduTransport + ?Sized> ApduTransport for &mut T {
    fn transmit(&mut self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        (**self).transmit(apdu)
    }
}

impl<T: ApduTransport + ?Sized> ApduTransport for Box<T> {
    fn transmit(&mut self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        (**self).transmit(apdu)
    }
}

/// A card behind a TCP connection, as `simyard card serve --tcp` serves it.
#[derive(Debug)]
pub struct TcpTransport(TcpStream);

impl TcpTransport {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self(stream))
    }
}

impl ApduTransport for TcpTransport {
    fn transmit(&mut self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        write_frame(&mut self.0, apdu)?;
        read_frame(&mut self.0)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

/// Why a command got no whole response.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The card cannot be reached.
    Transport(io::Error),
    /// The card's answer is no response APDU.
    Apdu(ApduError),
    /// The card announces more without giving it, or gives more than any function does.
    Endless,
}

/// Sends one command and fetches all of its response: `61xx` announces what GET RESPONSE brings (ISO 7816-4 5.3.4).
/// Each round must bring something, so a card that announces for ever is left.
pub(super) fn exchange(
    transport: &mut impl ApduTransport,
    command: &Command<'_>,
) -> Result<Response, ExchangeError> {
    let mut send = |command: &Command<'_>| {
        let answer = transport.transmit(&command.to_octets()).map_err(ExchangeError::Transport)?;
        Response::parse(&answer).map_err(ExchangeError::Apdu)
    };
    let mut response = send(command)?;
    while response.status.sw1() == 0x61 {
        let [_, waiting] = response.status.0.to_be_bytes();
        let le = Some(if waiting == 0 { 256 } else { usize::from(waiting) });
        let fetch = Command { cla: command.cla, ins: ins::GET_RESPONSE, p1: 0, p2: 0, data: &[], le };
        let more = send(&fetch)?;
        let is_announcement = more.data.is_empty() && more.status.sw1() == 0x61;
        response.data.extend_from_slice(&more.data);
        response.status = more.status;
        if is_announcement || response.data.len() > MAX_RESPONSE {
            return Err(ExchangeError::Endless);
        }
    }
    Ok(response)
}

/// Writes one message behind its length.
///
/// # Errors
/// What the system says; a message of more than 65535 octets is invalid input.
pub fn write_frame(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(message);
    to.write_all(&frame)?;
    to.flush()
}

/// Reads one message; `None` where the other side has ended between two messages.
///
/// # Errors
/// What the system says; an end inside a message is unexpected.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    let first = loop {
        match from.read(&mut length) {
            Ok(octets) => break octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    match first {
        0 => return Ok(None),
        1 => from.read_exact(length.split_at_mut(1).1)?,
        _ => {}
    }
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that answers with what is left in the list, the last again and again.
    struct Scripted(Vec<Vec<u8>>, usize);

    impl ApduTransport for Scripted {
        fn transmit(&mut self, _: &[u8]) -> io::Result<Vec<u8>> {
            self.1 += 1;
            Ok(self.0[(self.1 - 1).min(self.0.len() - 1)].clone())
        }
    }

    #[test]
    fn a_card_that_announces_more_without_end_is_left() {
        let select = Command { cla: 0, ins: ins::SELECT, p1: 0, p2: 0, data: &[], le: None };
        let mut whole = Scripted(vec![vec![0x61, 2], vec![1, 0x61, 1], vec![2, 0x90, 0]], 0);
        assert_eq!(exchange(&mut whole, &select).unwrap().data, [1, 2]);
        assert_eq!(whole.1, 3);
        let mut announces = Scripted(vec![vec![0x61, 0]], 0);
        assert!(matches!(exchange(&mut announces, &select), Err(ExchangeError::Endless)));
        assert_eq!(announces.1, 2, "the first round that brings nothing is the last");
        let mut gives = Scripted(vec![[&[7; 256][..], &[0x61, 0]].concat()], 0);
        assert!(matches!(exchange(&mut gives, &select), Err(ExchangeError::Endless)));
        assert_eq!(gives.1, MAX_RESPONSE / 256 + 1);
        let mut refuses = Scripted(vec![vec![0x61, 2], vec![0x6F, 0]], 0);
        assert_eq!(exchange(&mut refuses, &select).unwrap().status.0, 0x6F00);
    }

    #[test]
    fn frames_are_two_octets_of_length_and_the_message() {
        let mut wire = Vec::new();
        write_frame(&mut wire, &[0x00, 0xA4]).unwrap();
        write_frame(&mut wire, &[]).unwrap();
        assert_eq!(wire, [0, 2, 0x00, 0xA4, 0, 0]);
        let mut reader = wire.as_slice();
        assert_eq!(read_frame(&mut reader).unwrap().unwrap(), [0x00, 0xA4]);
        assert!(read_frame(&mut reader).unwrap().unwrap().is_empty());
        assert_eq!(read_frame(&mut reader).unwrap(), None);
        assert!(read_frame(&mut &[0][..]).is_err() && read_frame(&mut &[0, 2, 1][..]).is_err());
        assert!(write_frame(&mut wire, &[0; 65536]).is_err());
    }
}
