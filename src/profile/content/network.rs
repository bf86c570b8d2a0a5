//! Networks (TS 24.008 10.5.1.3: PLMN) and the lists of them.

use super::error::{ContentError, Refusal};

/// Octets of a PLMN.
pub const PLMN_LEN: usize = 3;

const EXPECTED_PLMN: &str = "a network as \"262-01\": three digits of country, two or three of network";

/// A PLMN in three octets.
///
/// # Errors
/// [`ContentError`] if `mcc` is not three digits or `mnc` not two or three.
pub fn plmn(mcc: &str, mnc: &str) -> Result<[u8; PLMN_LEN], ContentError> {
    from_digits(mcc, mnc)
        .ok_or_else(|| Refusal::text(EXPECTED_PLMN, &format!("{mcc}-{mnc}")).about("PLMN", false))
}

/// The octets of digits; `D` is the wild digit of EF.OPL.
fn from_digits(mcc: &str, mnc: &str) -> Option<[u8; PLMN_LEN]> {
    let nibbles = |text: &str| -> Option<Vec<u8>> {
        let nibble = |octet: u8| match octet {
            b'0'..=b'9' => Some(octet - b'0'),
            b'D' => Some(0x0D),
            _ => None,
        };
        text.bytes().map(nibble).collect()
    };
    match (nibbles(mcc)?.as_slice(), nibbles(mnc)?.as_slice()) {
        ([a, b, c], [d, e, rest @ ..]) => {
            let third = match rest {
                [] => 0x0F,
                [third] => *third,
                _ => return None,
            };
            Some([b << 4 | a, third << 4 | c, e << 4 | d])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_swapped_digits() {
        // TS 24.008 10.5.1.3.
        for (mcc, mnc, octets) in [
            ("262", "01", [0x62, 0xF2, 0x10]),
            ("001", "01", [0x00, 0xF1, 0x10]),
            ("246", "81", [0x42, 0xF6, 0x18]),
            ("310", "410", [0x13, 0x00, 0x14]),
        ] {
            assert_eq!(plmn(mcc, mnc), Ok(octets));
        }
        for (mcc, mnc) in [("26", "01"), ("262", "1"), ("262", "0123"), ("2F2", "01"), ("262", "")] {
            assert!(plmn(mcc, mnc).is_err(), "{mcc}-{mnc}");
        }
    }
}
