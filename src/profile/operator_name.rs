//! The operator's name as a phone shows it: EF.SPN (TS 31.102 4.2.12).
//!
//! Names whose characters are all in the basic GSM alphabet (TS 23.038 6.2.1) are coded in it, one octet each; all
//! others in UCS2 behind `80` (TS 102 221 annex A), which has room for seven characters. What does not fit is cut
//! off. National language tables and the extension table of the alphabet are not used.

/// Octets of the name in EF.SPN.
pub const NAME_LEN: usize = 16;

/// The basic character set in the order of its codes; 1B is the escape to the extension table.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                   ¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The code of a character; the controls of the alphabet are no part of names.
fn gsm(character: char) -> Option<u8> {
    let code = GSM.chars().position(|other| other == character).filter(|_| !character.is_control())?;
    u8::try_from(code).ok()
}

/// A name as EF.SPN holds it, filled up with FF.
#[must_use]
pub fn to_ef_spn(name: &str) -> [u8; NAME_LEN] {
    const UCS2: u8 = 0x80;
    let coded: Option<Vec<u8>> = name.chars().map(gsm).collect();
    let coded = coded.unwrap_or_else(|| {
        // UCS2 has no surrogates: what lies beyond the basic plane is a replacement character.
        let units = name.chars().map(|c| u16::try_from(u32::from(c)).unwrap_or(0xFFFD));
        let room = (NAME_LEN - 1) / 2;
        std::iter::once(UCS2).chain(units.take(room).flat_map(u16::to_be_bytes)).collect()
    });
    let mut content = [0xFF; NAME_LEN];
    content.iter_mut().zip(coded).for_each(|(to, from)| *to = from);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_its_characters_at_their_codes() {
        assert_eq!(GSM.chars().count(), 128);
        for (character, code) in [
            ('@', 0x00),
            ('_', 0x11),
            ('Δ', 0x10),
            ('É', 0x1F),
            (' ', 0x20),
            ('0', 0x30),
            ('¡', 0x40),
            ('A', 0x41),
            ('Z', 0x5A),
            ('§', 0x5F),
            ('¿', 0x60),
            ('z', 0x7A),
            ('à', 0x7F),
        ] {
            assert_eq!(gsm(character), Some(code), "{character}");
        }
        for character in ['\u{1b}', '\n', '\r', '€', '{', 'ğ', '`'] {
            assert_eq!(gsm(character), None, "{character:?}");
        }
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
