//! Data objects inside files: one octet of tag, definite length, filler FF behind the last one (TS 101 220 7.1).

use super::error::Refusal;
use super::value::Encoded;

/// More objects than any file of the standards holds.
const MAX_OBJECTS: usize = 1024;

/// A data object.
pub(super) fn object(tag: u8, value: &[u8]) -> Encoded {
    let too_long = |_| Refusal::TooLong { needed: value.len(), room: usize::from(u16::MAX) };
    let length = u16::try_from(value.len()).map_err(too_long)?;
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..=0x7F => vec![tag, low],
        0x80..=0xFF => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    Ok([head, value.to_vec()].concat())
}

/// The objects before the filler; `None` if there are none or they are broken.
pub(super) fn read(octets: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut objects = Vec::new();
    let mut rest = octets;
    while let Some((tag, after)) = rest.split_first().filter(|(tag, _)| **tag != 0xFF) {
        let (length, after) = match after {
            [length @ 0..=0x7F, after @ ..] => (usize::from(*length), after),
            [0x81, length, after @ ..] => (usize::from(*length), after),
            [0x82, high, low, after @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), after),
            _ => return None,
        };
        let (value, after) = after.split_at_checked(length)?;
        objects.push((*tag, value));
        if objects.len() > MAX_OBJECTS {
            return None;
        }
        rest = after;
    }
    let filled = rest.iter().all(|octet| *octet == 0xFF);
    (filled && !objects.is_empty()).then_some(objects)
}
