//! Who the subscriber is and what the card is for: EF.ICCID (TS 102 221 13.2), EF.IMSI (TS 31.102 4.2.2), EF.ACC
//! (4.2.15), EF.AD (4.2.18; TS 31.103 4.2.5).

use toml::Value;

use super::codec::{Codec, Field, Form, fields_and};
use super::error::Refusal;
use super::value;
use crate::ident::{Iccid, Imsi};

/// EF.ICCID: its digits.
pub(super) const ICCID: Codec = Codec::Words(
    |octets| Some(value::text(Iccid::from_bcd(octets.try_into().ok()?).ok()?.as_str())),
    |value, _| {
        let iccid = Iccid::parse(value::string(value)?);
        iccid.map(|iccid| iccid.to_bcd().to_vec()).map_err(|error| Refusal::value(error.expected, value))
    },
);

/// EF.IMSI: its digits.
pub(super) const IMSI: Codec = Codec::Words(
    |octets| Some(value::text(Imsi::from_ef(octets.try_into().ok()?).ok()?.as_str())),
    |value, _| {
        let imsi = Imsi::parse(value::string(value)?);
        imsi.map(|imsi| imsi.to_ef().to_vec()).map_err(|error| Refusal::value(error.expected, value))
    },
);

/// EF.ACC: the numbers of the access classes, 0 to 15.
pub(super) const ACCESS_CLASSES: Codec = Codec::Words(
    |octets| {
        let bits = u16::from_be_bytes(octets.try_into().ok()?);
        let classes = (0..16).filter(|class| bits >> class & 1 == 1);
        Some(Value::Array(classes.map(Value::Integer).collect()))
    },
    |value, _| {
        let mut bits = 0_u16;
        for (index, entry) in value::list(value, "a list of access classes")?.iter().enumerate() {
            let class = value::number(entry, 0..=15).map_err(|refusal| refusal.entry(index))?;
            bits |= 1 << class;
        }
        Ok(bits.to_be_bytes().to_vec())
    },
);

/// The operation modes of the terminal.
const MODE: Field = Field(
    "mode",
    1,
    Form::Word(&[
        (0x00, "normal"),
        (0x80, "type approval"),
        (0x01, "normal with specific facilities"),
        (0x81, "type approval with specific facilities"),
        (0x02, "maintenance"),
        (0x04, "cell test"),
    ]),
);
const INFORMATION: Field = Field("information", 2, Form::Hex);

/// EF.AD of a USIM: the last octet is the number of digits of the network's part of the IMSI.
pub(super) const ADMINISTRATIVE_DATA: Codec =
    fields_and(&[MODE, INFORMATION, Field("mnc_length", 1, Form::Number)], "more");
/// EF.AD of an ISIM.
pub(super) const ADMINISTRATIVE_DATA_OF_ISIM: Codec = fields_and(&[MODE, INFORMATION], "more");

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn identities_and_administrative_data() {
        for (kind, name, octets, text) in [
            // TS.48, and a number of 19 digits.
            (ElementKind::Mf, "EF.ICCID", "98001032547698103214", r#""89000123456789012341""#),
            (ElementKind::Mf, "EF.ICCID", "989444999999990929F4", r#""8949449999999990924""#),
            // Fifteen, fourteen and six digits.
            (ElementKind::Usim, "EF.IMSI", "080910101032547698", r#""001010123456789""#),
            (ElementKind::Usim, "EF.IMSI", "0821262021436587F9", r#""26202123456789""#),
            (ElementKind::Iot, "EF.IMSI", "04212620F1FFFFFFFF", r#""262021""#),
            (ElementKind::Usim, "EF.ACC", "0001", "[0]"),
            (ElementKind::Usim, "EF.ACC", "8208", "[3, 9, 15]"),
            (ElementKind::Usim, "EF.ACC", "0000", "[]"),
            (
                ElementKind::Usim,
                "EF.AD",
                "80000002",
                r#"{ mode = "type approval", information = "0000", mnc_length = 2 }"#,
            ),
            (ElementKind::Isim, "EF.AD", "000000", r#"{ mode = "normal", information = "0000" }"#),
            (
                ElementKind::Usim,
                "EF.AD",
                "33000103AB",
                r#"{ mode = 51, information = "0001", mnc_length = 3, more = "AB" }"#,
            ),
        ] {
            agree(kind, name, octets, text);
        }
        // A length that is not that of the digits: octets remain octets.
        let octets = hex::decode("0821262021436587FF").unwrap();
        assert_eq!(crate::profile::content::decode(ElementKind::Usim, "EF.IMSI", &octets), None);
        assert!(refused(ElementKind::Mf, "EF.ICCID", r#""8900""#).contains("18 to 20 decimal digits"));
        assert!(refused(ElementKind::Usim, "EF.IMSI", r#""12345""#).contains("6 to 15 decimal digits"));
    }
}
