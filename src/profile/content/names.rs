//! Names that a phone shows: EF.SPN (TS 31.102 4.2.12), EF.PNN (4.2.58).

use super::error::{ContentError, Refusal};
use super::text::{UCS2, encode_alpha, to_gsm, to_ucs2};

/// Octets of the name in EF.SPN.
pub const NAME_LEN: usize = 16;

/// When a phone shows names (TS 31.102 4.2.12, first octet of EF.SPN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// In the home network, the name of the network is shown too.
    pub network_at_home: bool,
    /// Neither in the home network nor in one of EF.SPDI, the service provider's name is not shown.
    pub not_when_roaming: bool,
}

impl Display {
    const fn octet(self) -> u8 {
        self.network_at_home as u8 | (self.not_when_roaming as u8) << 1
    }
}

/// EF.SPN with a name, filled up with FF to `size` octets.
///
/// # Errors
/// [`ContentError`] if the name does not fit into the file, which has one octet more than [`NAME_LEN`].
pub fn spn(display: Display, name: &str, size: usize) -> Result<Vec<u8>, ContentError> {
    let mut octets = [&[display.octet()][..], &encode_alpha(name)].concat();
    if octets.len() > size {
        let refusal = Refusal::TooLong { needed: octets.len(), room: size };
        return Err(refusal.about("EF.SPN", false));
    }
    octets.resize(size, 0xFF);
    Ok(octets)
}

/// A name as EF.SPN holds it, filled up with FF; what does not fit is cut off.
#[must_use]
pub fn to_ef_spn(name: &str) -> [u8; NAME_LEN] {
    let coded = to_gsm(name).unwrap_or_else(|| {
        let whole = to_ucs2(name);
        let room = (NAME_LEN - 1) / 2 * 2;
        std::iter::once(UCS2).chain(whole.into_iter().take(room)).collect()
    });
    let mut content = [0xFF; NAME_LEN];
    content.iter_mut().zip(coded).for_each(|(to, from)| *to = from);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_behind_the_display_condition() {
        // TS.48: EF.SPN is 01, then the name in the basic GSM alphabet.
        let home = Display { network_at_home: true, not_when_roaming: false };
        assert_eq!(spn(home, "GSMA_TEST", 11).unwrap(), b"\x01GSMA\x11TEST\xFF");
        let never = Display { network_at_home: false, not_when_roaming: true };
        assert_eq!(spn(never, "Işık", 10).unwrap(), [0x02, 0x80, 0, 0x49, 1, 0x5F, 1, 0x31, 0, 0x6B]);
        let error = spn(home, "A name of 17 let.", 17).unwrap_err();
        assert_eq!(error, ContentError::TooLong { file: "EF.SPN".to_owned(), needed: 18, room: 17 });
    }

    #[test]
    fn names_are_filled_cut_and_coded_as_their_characters_need() {
        for (name, start) in [
            ("", &[0xFF; 16][..]),
            ("Acme", &[0x41, 0x63, 0x6D, 0x65, 0xFF]),
            ("Télécom", &[0x54, 0x05, 0x6C, 0x05, 0x63, 0x6F, 0x6D, 0xFF]),
            ("A name of 16 let", b"A name of 16 let"),
            ("A name of 16 letters", b"A name of 16 let"),
            ("Işık", &[0x80, 0, 0x49, 1, 0x5F, 1, 0x31, 0, 0x6B, 0xFF, 0xFF]),
            ("😀", &[0x80, 0xFF, 0xFD, 0xFF]),
        ] {
            assert_eq!(to_ef_spn(name)[..start.len()], *start, "{name}");
        }
        assert_eq!(
            to_ef_spn("ğğğğğğğğğ")[13..],
            [0x01, 0x1F, 0xFF],
            "seven characters, and one octet is left"
        );
    }
}
