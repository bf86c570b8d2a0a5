//! Object identifiers by their content octets.
//!
//! `const-oid` ends at 2.39 and other libraries print arcs below 2.999 wrongly, so an identifier is kept as it stands
//! on the wire, compared by octets, and turned into dotted decimals only for people.

use core::fmt;

use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

/// The longest identifier that is accepted, in content octets.
const MAX_OCTETS: usize = 64;

/// An OBJECT IDENTIFIER by its content octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u8>);

impl Oid {
    /// Checks content octets: complete, minimal arcs, at most 64 octets.
    #[must_use]
    pub fn from_content(octets: &[u8]) -> Option<Self> {
        let last_ends = octets.last().is_some_and(|last| last & 0x80 == 0);
        let padded = octets.iter().enumerate().any(|(at, octet)| {
            *octet == 0x80 && (at == 0 || octets.get(at - 1).is_some_and(|o| o & 0x80 == 0))
        });
        (last_ends && !padded && octets.len() <= MAX_OCTETS).then(|| Self(octets.to_vec()))
    }

    /// Reads dotted decimals such as `2.999.10`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let arcs: Vec<u64> = text.split('.').map(|arc| arc.parse().ok()).collect::<Option<_>>()?;
        let (first, second, rest) = match arcs.as_slice() {
            [first, second, rest @ ..] => (*first, *second, rest),
            _ => return None,
        };
        if first > 2 || (first < 2 && second > 39) {
            return None;
        }
        let mut octets = Vec::new();
        push_arc(&mut octets, second.checked_add(first * 40)?);
        for arc in rest {
            push_arc(&mut octets, *arc);
        }
        Self::from_content(&octets)
    }

    /// The content octets, without tag and length.
    #[must_use]
    pub fn as_content(&self) -> &[u8] {
        &self.0
    }
}

fn push_arc(octets: &mut Vec<u8>, arc: u64) {
    let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = (arc >> (7 * group) & 0x7F).to_le_bytes()[0];
        octets.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, octets) in self.0.split_inclusive(|octet| octet & 0x80 == 0).enumerate() {
            // 18 groups of seven bits fit 128; no registered arc is longer, but what comes from outside may be.
            if octets.len() > 18 {
                let dot = if place == 0 { "" } else { "." };
                write!(f, "{dot}0x")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"))?;
                continue;
            }
            let arc = octets.iter().fold(0_u128, |arc, octet| (arc << 7) | u128::from(octet & 0x7F));
            if place == 0 {
                let root = (arc / 40).min(2);
                write!(f, "{root}.{}", arc - root * 40)?;
            } else {
                write!(f, ".{arc}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<'a> Decode<'a> for Oid {
    const NAME: &'static str = "OBJECT IDENTIFIER";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let tlv = reader.expect(Tag::OID)?;
        Self::from_content(tlv.value).ok_or(tlv.error(ErrorKind::Value, reader.what()))
    }
}

impl Encode for Oid {
    fn encode(&self, writer: &mut Writer) {
        writer.tlv(Tag::OID, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_octets_agree() {
        for (text, octets) in [
            ("2.999.10", &[0x88, 0x37, 0x0A][..]),
            ("2.23.146.1.2.1.4", &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0x04]),
            ("1.2.840.10045.4.3.2", &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02]),
            ("0.39", &[0x27]),
            ("1.3.6.1.4.1.31746", &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xF8, 0x02]),
        ] {
            let oid = Oid::parse(text).unwrap();
            assert_eq!(oid.as_content(), octets);
            assert_eq!(oid.to_string(), text);
        }
    }

    #[test]
    fn different_identifiers_print_differently() {
        // An arc of 19 groups, whose first bits no number of 128 bits has: in its octets.
        let long = |lead: u8| [&[0x67, lead][..], &[0x80; 17], &[0x01]].concat();
        let one = Oid::from_content(&long(0x81)).unwrap().to_string();
        let other = Oid::from_content(&long(0x84)).unwrap().to_string();
        assert_eq!(one, format!("2.23.0x81{}01", "80".repeat(17)));
        assert_ne!(one, other);
        let whole = [&[0x67, 0xFF][..], &[0xFF; 16], &[0x7F]].concat();
        assert_eq!(Oid::from_content(&whole).unwrap().to_string(), format!("2.23.{}", (1_u128 << 126) - 1));
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for text in ["", "1", "3.1", "1.40", "1.2.", "1.x", "1.-2"] {
            assert_eq!(Oid::parse(text), None, "{text}");
        }
        for octets in [&[][..], &[0x88], &[0x80, 0x01], &[0x2A, 0x80, 0x01]] {
            assert_eq!(Oid::from_content(octets), None, "{octets:?}");
        }
    }
}
