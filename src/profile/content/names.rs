//! Names that a phone shows: EF.SPN (TS 31.102 4.2.12), EF.PNN (4.2.58).
//!
//! A name of EF.PNN is a string where it would be coded in the same octets again: packed letters of the basic GSM
//! alphabet, or UCS2 where that does not do, without the initials of the country. Otherwise it is a table with `text`,
//! `coding = "UCS2"` and `country_initials = true`, or `{ hex = "…" }`.

use toml::Value;

use super::codec::{Codec, without_filler};
use super::error::{ContentError, Refusal};
use super::text::{
    UCS2, decode_alpha, encode_alpha, encode_alpha_value, from_gsm, from_ucs2, hex_text, pack, to_gsm,
    to_ucs2, unpack,
};
use super::tlv;
use super::value::{self, Encoded, Flags, Members};

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

/// The display condition: each bit by what it says where it is set.
const DISPLAY: Flags =
    Flags { length: 1, names: &[(0x01, "network name at home"), (0x02, "not when roaming")] };

/// EF.SPN: display condition and name, filled up to its 17 octets.
pub(super) const SERVICE_PROVIDER: Codec = Codec::Words(
    |octets| {
        let (display, name) = octets.split_first()?;
        let name = decode_alpha(without_filler(name));
        Some(value::table([("display", Some(DISPLAY.decode(&[*display]))), ("name", Some(name))]))
    },
    |value, length| {
        let members = Members::of(value, "a table", &["display", "name"])?;
        let mut octets = members.read("display", |value| DISPLAY.encode(value))?.unwrap_or_else(|| vec![0]);
        octets.extend(members.read("name", encode_alpha_value)?.unwrap_or_default());
        let usual = length.unwrap_or(1 + NAME_LEN);
        if octets.len() > usual {
            return Err(Refusal::TooLong { needed: octets.len(), room: usual });
        }
        octets.resize(usual, 0xFF);
        Ok(octets)
    },
);

/// EF.PNN: the names of a network, full and short, and additional information.
pub(super) const NETWORK_NAMES: Codec = Codec::Words(
    |octets| {
        let mut table = toml::Table::new();
        for (tag, octets) in tlv::read(octets)? {
            let (member, value) = match tag {
                FULL => ("full", decode_network_name(octets)),
                SHORT => ("short", decode_network_name(octets)),
                INFORMATION => ("information", value::hex(octets)),
                _ => return None,
            };
            table.insert(member.to_owned(), value);
        }
        Some(Value::Table(table))
    },
    |value, _| {
        let members = Members::of(value, "a table", &["full", "short", "information"])?;
        let mut octets = Vec::new();
        for (tag, member) in [(FULL, "full"), (SHORT, "short")] {
            if let Some(name) = members.read(member, encode_network_name)? {
                octets.extend(tlv::object(tag, &name)?);
            }
        }
        if let Some(information) = members.hex("information", None)? {
            octets.extend(tlv::object(INFORMATION, &information)?);
        }
        Ok(octets)
    },
);

/// The tags of EF.PNN.
const FULL: u8 = 0x43;
const SHORT: u8 = 0x45;
const INFORMATION: u8 = 0x80;

/// The first octet of a network name (TS 24.008 10.5.3.5a): no extension, coding, initials of the country, spare bits.
const NAME: u8 = 0x80;
const NAME_IN_UCS2: u8 = 0x90;
const COUNTRY_INITIALS: u8 = 0x08;

fn decode_network_name(octets: &[u8]) -> Value {
    let read = || {
        let (head, coded) = octets.split_first()?;
        match head & !(COUNTRY_INITIALS | 0x07) {
            NAME => from_gsm(&unpack(coded, head & 0x07)),
            NAME_IN_UCS2 => from_ucs2(coded),
            _ => None,
        }
    };
    let head = octets.first().copied().unwrap_or_default();
    let initials = (head & COUNTRY_INITIALS != 0).then_some(Value::Boolean(true));
    let forms = read().map(|text| {
        let long = |coding: Option<&str>| {
            let coding = coding.map(value::text);
            let text = Some(value::text(text.clone()));
            value::table([("text", text), ("coding", coding), ("country_initials", initials.clone())])
        };
        [value::text(text.clone()), long(None), long(Some("UCS2"))]
    });
    let fits = |value: &Value| encode_network_name(value).is_ok_and(|again| again == octets);
    forms.into_iter().flatten().find(fits).unwrap_or_else(|| hex_text(octets))
}

fn encode_network_name(value: &Value) -> Encoded {
    if let Some(text) = value.as_str() {
        return Ok(network_name(text, 0, false));
    }
    let members = Members::of(value, "a text", &["text", "coding", "country_initials", "hex"])?;
    if let Some(octets) = members.hex("hex", None)? {
        return Ok(octets);
    }
    let text = members.required_text("text")?;
    let boolean = |value: &Value| value.as_bool().ok_or_else(|| Refusal::value("true or false", value));
    let initials = members.read("country_initials", boolean)?.unwrap_or_default();
    let initials = if initials { COUNTRY_INITIALS } else { 0 };
    match members.text("coding")? {
        None => Ok(network_name(text, initials, false)),
        Some("UCS2") => Ok(network_name(text, initials, true)),
        Some(other) => Err(Refusal::text("\"UCS2\"", other).within("coding")),
    }
}

fn network_name(text: &str, initials: u8, wide: bool) -> Vec<u8> {
    match to_gsm(text).filter(|_| !wide) {
        Some(septets) => {
            let (octets, spare) = pack(&septets);
            [&[NAME | initials | spare][..], &octets].concat()
        }
        None => [&[NAME_IN_UCS2 | initials][..], &to_ucs2(text)].concat(),
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use super::*;
    use crate::profile::content::tests::{agree, refused};

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

    #[test]
    fn names_of_networks() {
        let kind = ElementKind::OptUsim;
        for (name, octets, text) in [
            // TS 24.008 10.5.3.5a: packed letters and their spare bits; UCS2; initials of the country.
            ("EF.PNN", "43058441E1980C", r#"{ full = "ABcd" }"#),
            ("EF.PNN", "4303904E2D4503906587", r#"{ full = "中", short = "文" }"#),
            ("EF.PNN", "43038AC120", r#"{ full = { text = "AA", country_initials = true } }"#),
            ("EF.PNN", "4303900041FFFF", r#"{ full = { text = "A", coding = "UCS2" }, length = 7 }"#),
            ("EF.PNN", "4302A0418001AA", r#"{ full = { hex = "A041" }, information = "AA" }"#),
            (
                "EF.SPN",
                "0341FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
                r#"{ display = ["network name at home", "not when roaming"], name = "A" }"#,
            ),
            (
                "EF.SPN",
                "8080004100420043FFFFFFFFFFFFFFFFFF",
                r#"{ display = ["80"], name = { text = "ABC", coding = "80" } }"#,
            ),
        ] {
            agree(kind, name, octets, text);
        }
        assert!(
            refused(kind, "EF.PNN", r#"{ full = { text = "A", coding = "UTF-8" } }"#)
                .contains("full.coding: expected")
        );
        assert!(
            refused(kind, "EF.PNN", r#"{ full = { text = "A", country_initials = 1 } }"#)
                .contains("true or false")
        );
    }
}
