//! Names of an ISIM (TS 31.103 4.2.2 to 4.2.4, 4.2.8): data objects `80` with text.

use super::error::{ContentError, Refusal};
use super::value::Encoded;

/// The tag of the data object.
const TEXT: u8 = 0x80;
/// Octets of a private or public identity that are accepted (RFC 4282: a network access identifier has at most 253).
pub const MAX_IDENTITY: usize = 253;

/// A TLV with a length of one or two octets (TS 101 220 7.1.1).
pub(super) fn object(tag: u8, value: &[u8]) -> Encoded {
    let too_long = |_| Refusal::TooLong { needed: value.len(), room: usize::from(u8::MAX) };
    let length = u8::try_from(value.len()).map_err(too_long)?;
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    Ok([head, value.to_vec()].concat())
}

fn identity(file: &str, text: &str, room: Option<usize>) -> Result<Vec<u8>, ContentError> {
    let encode = || {
        let printable = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if text.is_empty() || text.len() > MAX_IDENTITY || !printable {
            return Err(Refusal::text("a name of 1 to 253 octets without blanks", text));
        }
        let mut octets = object(TEXT, text.as_bytes())?;
        let room = room.unwrap_or(octets.len());
        if octets.len() > room {
            return Err(Refusal::TooLong { needed: octets.len(), room });
        }
        octets.resize(room, 0xFF);
        Ok(octets)
    };
    encode().map_err(|refusal| refusal.about(file, false))
}

/// EF.IMPI without filler: the private identity, as `262021234567890@ims.mnc002.mcc262.3gppnetwork.org`.
///
/// # Errors
/// [`ContentError`] for a text that is empty, longer than [`MAX_IDENTITY`] octets, or has blanks.
pub fn impi(text: &str) -> Result<Vec<u8>, ContentError> {
    identity("EF.IMPI", text, None)
}

/// A record of EF.IMPU: a public identity, as `sip:+491711234567@example.com`, filled up with FF.
///
/// # Errors
/// [`ContentError`] as [`impi`], and if the record is too short.
pub fn impu(text: &str, record_length: usize) -> Result<Vec<u8>, ContentError> {
    identity("EF.IMPU", text, Some(record_length))
}

/// EF.Domain without filler: the home network's domain, as `ims.mnc002.mcc262.3gppnetwork.org`.
///
/// # Errors
/// [`ContentError`] as [`impi`].
pub fn domain(text: &str) -> Result<Vec<u8>, ContentError> {
    identity("EF.Domain", text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_data_objects() {
        // TS.48: EF.IMPI of all packages.
        let expected = [&[0x80, 0x1D][..], b"001010123456789@test.3gpp.com"].concat();
        assert_eq!(impi("001010123456789@test.3gpp.com"), Ok(expected));
        let record = impu("sip:a@b", 12).unwrap();
        assert_eq!(record, b"\x80\x07sip:a@b\xFF\xFF\xFF");
        let long = "a".repeat(200);
        assert_eq!(domain(&long).unwrap()[..3], [0x80, 0x81, 200]);
    }

    #[test]
    fn what_is_no_identity_or_does_not_fit_is_refused() {
        for text in ["", "a b", "a\n", &"a".repeat(254)] {
            assert!(matches!(impi(text), Err(ContentError::Value { .. })), "{text:?}");
        }
        let error = impu("sip:a@b", 8).unwrap_err();
        assert_eq!(error, ContentError::TooLong { file: "EF.IMPU".to_owned(), needed: 9, room: 8 });
    }
}
