//! Tag and length of one TLV, by the rules of DER or BER. The value is not looked at.

use der::Reader as _;

use super::ErrorKind;

/// Lengths of tag, header and value of the TLV at the start of `input`, by the rules of DER.
pub(super) fn header(input: &[u8]) -> Option<(usize, usize, usize)> {
    common_header(input).or_else(|| any_header(input))
}

/// As [`header`] for the forms that nearly all TLVs have: they are read in a fraction of the time. `None` for all
/// others, well formed or not.
fn common_header(input: &[u8]) -> Option<(usize, usize, usize)> {
    let (tag_len, rest) = match input {
        // Of the universal tags some have one form only; the others are left to the library.
        [0x02 | 0x04 | 0x05 | 0x06 | 0x0C | 0x30, rest @ ..] => (1, rest),
        [0x00..=0x3F, ..] => return None,
        [lead, 0x1F..=0x7F, rest @ ..] if lead & 0x1F == 0x1F => (2, rest),
        [lead, rest @ ..] if lead & 0x1F != 0x1F => (1, rest),
        _ => return None,
    };
    match *rest {
        [length @ 0x00..=0x7F, ..] => Some((tag_len, tag_len + 1, usize::from(length))),
        [0x81, length @ 0x80..=0xFF, ..] => Some((tag_len, tag_len + 2, usize::from(length))),
        [0x82, high @ 0x01..=0xFF, low, ..] => {
            Some((tag_len, tag_len + 3, usize::from(u16::from_be_bytes([high, low]))))
        }
        _ => None,
    }
}

/// As [`header`], for every form.
fn any_header(input: &[u8]) -> Option<(usize, usize, usize)> {
    let mut reader = der::SliceReader::new(input).ok()?;
    <der::Tag as der::Decode>::decode(&mut reader).ok()?;
    let tag_len = usize::try_from(u32::from(reader.position())).ok()?;
    if tag_len > 4 {
        return None;
    }
    let length = <der::Length as der::Decode>::decode(&mut reader).ok()?;
    let header_len = usize::try_from(u32::from(reader.position())).ok()?;
    Some((tag_len, header_len, usize::try_from(u32::from(length)).ok()?))
}

/// The same by the rules of BER (X.690 8.1.2 and 8.1.3), for definite lengths.
pub(super) fn ber_header(input: &[u8]) -> Result<(usize, usize, usize), ErrorKind> {
    // Tag numbers above 30 follow in octets of seven bits, without leading zeros, the last one without its high bit.
    let (lead, rest) = input.split_first().ok_or(ErrorKind::Form)?;
    let number_len = match (lead & 0x1F, rest) {
        (0x1F, [0x00..=0x1E | 0x80, ..]) => return Err(ErrorKind::Form),
        (0x1F, rest) => rest.iter().position(|octet| octet & 0x80 == 0).ok_or(ErrorKind::Form)? + 1,
        // 00 is the end of an indefinite length, and no tag.
        (0x00, _) if *lead == 0 => return Err(ErrorKind::Form),
        _ => 0,
    };
    if number_len > 3 {
        return Err(ErrorKind::Form);
    }
    let (length, rest) = rest.get(number_len..).and_then(<[u8]>::split_first).ok_or(ErrorKind::Form)?;
    let (length_len, value_len) = match length {
        0x00..=0x7F => (0, usize::from(*length)),
        0x80 => return Err(ErrorKind::IndefiniteLength),
        0xFF => return Err(ErrorKind::Form),
        long => {
            let count = usize::from(long & 0x7F);
            let octets = rest.get(..count).ok_or(ErrorKind::Form)?;
            let significant = octets.iter().skip_while(|octet| **octet == 0);
            if significant.clone().count() > 4 {
                return Err(ErrorKind::Form);
            }
            let length = significant.fold(0_u32, |length, octet| length << 8 | u32::from(*octet));
            (count, usize::try_from(length).map_err(|_| ErrorKind::Form)?)
        }
    };
    Ok((1 + number_len, 2 + number_len + length_len, value_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_forms_are_read_as_the_library_reads_them() {
        let mut common = 0;
        for first in 0..=0xFF_u8 {
            for second in 0..=0xFF {
                for rest in [[0x00, 0x00, 0x00], [0x7F, 0x80, 0x01], [0x81, 0x7F, 0x00], [0x81, 0x80, 0x00]]
                    .into_iter()
                    .chain([[0x82, 0x00, 0x80], [0x82, 0x01, 0x00], [0xFF, 0xFF, 0xFF]])
                {
                    let input = [&[first, second][..], &rest].concat();
                    for end in 0..=input.len() {
                        let Some(found) = common_header(&input[..end]) else { continue };
                        common += 1;
                        assert_eq!(any_header(&input[..end]), Some(found), "{input:02X?} {end}");
                    }
                }
            }
        }
        assert!(common > 100_000, "{common}");
    }
}
