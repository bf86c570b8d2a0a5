//! Alphabets: the basic GSM alphabet, one octet each or packed (TS 23.038 6.2.1), and UCS2 in the codings of alpha
//! identifiers (TS 102 221 annex A).
//!
//! National language tables and the extension table of the alphabet are not used: octets with the escape 1B are no
//! text here.
//!
//! In words, a text is a string where [`encode_alpha`] would choose the same octets for it. Otherwise it is a table:
//! `{ text = "…", coding = "80" }` for UCS2 where the GSM alphabet would do, `{ text = "…", coding = "81", base = n }`
//! and `"82"` for the codings of half pages, or `{ hex = "…" }` where the octets are no text.

use toml::{Table, Value};

use super::error::Refusal;
use super::value::{self, Encoded, Members};

/// The basic character set in the order of its codes; 1B is the escape to the extension table.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                   ¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The first octet of an alpha identifier in UCS2.
pub(super) const UCS2: u8 = 0x80;
/// The same with a base of one octet: eight bits of the character above the lowest seven.
const HALF_PAGE: u8 = 0x81;
/// The same with a base of two octets.
const ANY_PAGE: u8 = 0x82;
/// Characters beyond the basic plane, which UCS2 does not have.
const REPLACEMENT: u16 = 0xFFFD;

/// The code of a character in the basic GSM alphabet; the controls of the alphabet are no part of names.
pub(super) fn gsm_code(character: char) -> Option<u8> {
    let code = GSM.chars().position(|other| other == character).filter(|_| !character.is_control())?;
    u8::try_from(code).ok()
}

/// The character of a code.
fn gsm_character(code: u8) -> Option<char> {
    GSM.chars().nth(usize::from(code)).filter(|character| !character.is_control())
}

/// One octet for each character, if all of them are in the basic GSM alphabet.
pub(super) fn to_gsm(text: &str) -> Option<Vec<u8>> {
    text.chars().map(gsm_code).collect()
}

/// The text of octets of the basic GSM alphabet.
pub(super) fn from_gsm(octets: &[u8]) -> Option<String> {
    octets.iter().map(|code| gsm_character(*code)).collect()
}

/// UCS2, high octet first; characters beyond the basic plane become a replacement character.
pub(super) fn to_ucs2(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u16::try_from(u32::from(c)).unwrap_or(REPLACEMENT))
        .flat_map(u16::to_be_bytes)
        .collect()
}

/// The text of UCS2 octets.
pub(super) fn from_ucs2(octets: &[u8]) -> Option<String> {
    let (units, rest) = octets.as_chunks::<2>();
    let text = units.iter().map(|unit| char::from_u32(u32::from(u16::from_be_bytes(*unit))));
    if rest.is_empty() { text.collect() } else { None }
}

/// An alpha identifier without filler: the basic GSM alphabet, else UCS2 behind `80`.
#[must_use]
pub fn encode_alpha(text: &str) -> Vec<u8> {
    to_gsm(text).unwrap_or_else(|| [&[UCS2][..], &to_ucs2(text)].concat())
}

/// An alpha identifier of exactly `length` octets, filled up with FF; what does not fit is refused.
pub(super) fn alpha_field(octets: &[u8], length: usize) -> Encoded {
    if octets.len() > length {
        return Err(Refusal::TooLong { needed: octets.len(), room: length });
    }
    let mut field = octets.to_vec();
    field.resize(length, 0xFF);
    Ok(field)
}

/// Septets packed into octets, the first in the lowest bits (TS 23.038 6.1.2.1.1), and the bits left over at the end.
pub(super) fn pack(septets: &[u8]) -> (Vec<u8>, u8) {
    let mut octets = Vec::with_capacity(septets.len());
    let (mut held, mut bits) = (0_u16, 0_u8);
    for septet in septets {
        held |= u16::from(septet & 0x7F) << bits;
        bits += 7;
        if bits >= 8 {
            octets.push(held.to_le_bytes()[0]);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits == 0 {
        return (octets, 0);
    }
    octets.push(held.to_le_bytes()[0]);
    (octets, 8 - bits)
}

/// The septets of packed octets; the last `spare` bits are none of them.
pub(super) fn unpack(octets: &[u8], spare: u8) -> Vec<u8> {
    let count = (octets.len() * 8).saturating_sub(usize::from(spare)) / 7;
    let septet = |index: usize| {
        let (at, shift) = (index * 7 / 8, index * 7 % 8);
        let octet = |at: usize| u16::from(octets.get(at).copied().unwrap_or_default());
        ((octet(at) | octet(at + 1) << 8) >> shift).to_le_bytes()[0] & 0x7F
    };
    (0..count).map(septet).collect()
}

/// What the octets of an alpha identifier without filler say.
pub(super) fn decode_alpha(octets: &[u8]) -> Value {
    let candidate = match octets {
        [UCS2, units @ ..] => from_ucs2(units).map(|text| coded(text, UCS2, None)),
        [HALF_PAGE, count, base, rest @ ..] if usize::from(*count) == rest.len() => {
            from_page(rest, u32::from(*base) << 7).map(|text| coded(text, HALF_PAGE, Some(i64::from(*base))))
        }
        [ANY_PAGE, count, high, low, rest @ ..] if usize::from(*count) == rest.len() => {
            let base = u16::from_be_bytes([*high, *low]);
            from_page(rest, u32::from(base)).map(|text| coded(text, ANY_PAGE, Some(i64::from(base))))
        }
        _ => from_gsm(octets).map(Value::String),
    };
    let short = match &candidate {
        Some(Value::Table(table)) => table.get("text").cloned(),
        _ => None,
    };
    [short, candidate]
        .into_iter()
        .flatten()
        .find(|value| encode_alpha_value(value).is_ok_and(|again| again == octets))
        .unwrap_or_else(|| hex_text(octets))
}

fn coded(text: String, coding: u8, base: Option<i64>) -> Value {
    let mut table = Table::new();
    table.insert("text".to_owned(), Value::String(text));
    table.insert("coding".to_owned(), Value::String(format!("{coding:02X}")));
    if let Some(base) = base {
        table.insert("base".to_owned(), Value::Integer(base));
    }
    Value::Table(table)
}

/// Octets that are no text.
pub(super) fn hex_text(octets: &[u8]) -> Value {
    let mut table = Table::new();
    table.insert("hex".to_owned(), value::hex(octets));
    Value::Table(table)
}

fn from_page(octets: &[u8], base: u32) -> Option<String> {
    let character = |octet: &u8| match octet {
        0..=0x7F => gsm_character(*octet),
        _ => char::from_u32(base + u32::from(octet & 0x7F)),
    };
    octets.iter().map(character).collect()
}

/// The octets of an alpha identifier, without filler, from its form in words.
pub(super) fn encode_alpha_value(value: &Value) -> Encoded {
    const EXPECTED: &str = "a text";
    if let Value::String(text) = value {
        return Ok(encode_alpha(text));
    }
    let members = Members::of(value, EXPECTED, &["text", "coding", "base", "hex"])?;
    if let Some(octets) = members.hex("hex", None)? {
        return Ok(octets);
    }
    let text = members.required_text("text")?;
    let refuse = |expected: &str| Refusal::text(expected, text).within("text");
    let page = |base: u32, head: &[u8]| {
        let codes: Option<Vec<u8>> = text
            .chars()
            .map(|character| {
                let above = || u32::from(character).checked_sub(base).filter(|offset| *offset < 0x80);
                gsm_code(character).or_else(|| above().and_then(|offset| u8::try_from(0x80 | offset).ok()))
            })
            .collect();
        let codes =
            codes.ok_or_else(|| refuse("characters of the GSM alphabet or up to 127 above the base"))?;
        let count = u8::try_from(codes.len()).map_err(|_| refuse("at most 255 characters"))?;
        let (coding, base) = head.split_first().unwrap_or((&0, &[]));
        Ok([&[*coding, count][..], base, &codes].concat())
    };
    let base = |max| members.integer("base", 0..=max).map(Option::unwrap_or_default);
    match members.text("coding")? {
        None => Ok(encode_alpha(text)),
        Some("80") => Ok([&[UCS2][..], &to_ucs2(text)].concat()),
        Some("81") => {
            let base = u8::try_from(base(0xFF)?).unwrap_or_default();
            page(u32::from(base) << 7, &[HALF_PAGE, base])
        }
        Some("82") => {
            let base = u16::try_from(base(0xFFFF)?).unwrap_or_default();
            let [high, low] = base.to_be_bytes();
            page(u32::from(base), &[ANY_PAGE, high, low])
        }
        Some(other) => Err(Refusal::text("\"80\", \"81\" or \"82\"", other).within("coding")),
    }
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
            assert_eq!((gsm_code(character), gsm_character(code)), (Some(code), Some(character)));
        }
        for character in ['\u{1b}', '\n', '\r', '€', '{', 'ğ', '`'] {
            assert_eq!(gsm_code(character), None, "{character:?}");
        }
    }

    #[test]
    fn septets_are_packed_from_the_lowest_bit() {
        // TS 23.038 6.1.2.1.1; eight septets fill seven octets.
        for (septets, octets, spare) in [
            (&b"hello"[..], &[0xE8, 0x32, 0x9B, 0xFD, 0x06][..], 5),
            (b"", &[], 0),
            (b"AAAAAAAA", &[0xC1, 0x60, 0x30, 0x18, 0x0C, 0x06, 0x83], 0),
        ] {
            assert_eq!(pack(septets), (octets.to_vec(), spare));
            assert_eq!(unpack(octets, spare), septets);
        }
    }

    #[test]
    fn alpha_identifiers_in_all_codings() {
        let toml = crate::profile::content::tests::toml;
        for (octets, text) in [
            ("41", r#""A""#),
            // TS 102 221 annex A: UCS2, half pages with a base of one octet and of two.
            ("800411", r#""Б""#),
            ("81041353 95A6A6", r#"{ text = "Sকদদ", coding = "81", base = 19 }"#),
            ("82050530 2D82D32D31", r#"{ text = "-Բփ-1", coding = "82", base = 1328 }"#),
            // UCS2 without need, a count that is wrong, half a character, the escape.
            ("800041", r#"{ text = "A", coding = "80" }"#),
            ("81021341", r#"{ hex = "81021341" }"#),
            ("800041 00", r#"{ hex = "80004100" }"#),
            ("1B65", r#"{ hex = "1B65" }"#),
        ] {
            let octets = hex::decode(octets.replace(' ', "")).unwrap();
            assert_eq!(decode_alpha(&octets), toml(text));
            assert_eq!(encode_alpha_value(&toml(text)), Ok(octets));
        }
        for wrong in [
            r#"{ text = "ж", coding = "81", base = 0 }"#,
            r#"{ text = "A", coding = "83" }"#,
            r#"{ coding = "80" }"#,
            "1",
        ] {
            assert!(encode_alpha_value(&toml(wrong)).is_err(), "{wrong}");
        }
    }
}
