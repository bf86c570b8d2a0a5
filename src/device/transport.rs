//! How an LPA reaches a card: APDUs in this process, or over TCP with two octets of length (big-endian) in front of
//! each command and each response, the framing of the virtual reader of PC/SC (vpcd).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::card::Card;

/// How long a card may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

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
