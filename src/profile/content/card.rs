//! Files of the card itself: EF.DIR (TS 102 221 13.1), EF.PL (13.3), EF.UMPC (13.5).

use super::codec::{Codec, Field, Form, Object, ObjectForm, fields};
use super::tlv;

/// The application template of EF.DIR.
const APPLICATION: u8 = 0x61;

/// What an entry of EF.DIR says about an application.
const ENTRY: Codec = Codec::Objects(&[
    Object(0x4F, "aid", ObjectForm::Hex),
    Object(0x50, "label", ObjectForm::Alpha),
    Object(0x51, "path", ObjectForm::Hex),
    Object(0x52, "command", ObjectForm::Hex),
    Object(0x53, "data", ObjectForm::Hex),
    Object(0x73, "more", ObjectForm::Hex),
]);

/// A record of EF.DIR.
pub(super) const DIRECTORY: Codec = Codec::Words(
    |octets| match tlv::read(octets)?.as_slice() {
        [(APPLICATION, entry)] => ENTRY.decode(entry),
        _ => None,
    },
    |value, _| tlv::object(APPLICATION, &ENTRY.encode(value, None)?),
);

/// Languages in the order of preference: two letters each (ISO 639).
pub(super) const LANGUAGES: Codec = Codec::List(2, Form::Letters);

/// EF.UMPC: the most power in milliamperes and the longest time in seconds that applications of the operator need.
pub(super) const POWER: Codec = fields(&[
    Field("milliamperes", 1, Form::Number),
    Field("seconds", 1, Form::Number),
    Field("information", 1, Form::Flags(&[(0x01, "increased idle current"), (0x02, "suspension")])),
    Field("unused", 2, Form::Hex),
]);

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn files_of_the_card() {
        for (name, octets, text) in [
            // TS.48.
            (
                "EF.DIR",
                "61144F0CA0000000871002FF49FF058950045553494D",
                r#"{ aid = "A0000000871002FF49FF0589", label = "USIM" }"#,
            ),
            ("EF.DIR", "61074F05A000000087FF", r#"{ aid = "A000000087", length = 10 }"#),
            ("EF.PL", "656E", r#"["en"]"#),
            ("EF.LI", "6465656EFFFF", r#"{ value = ["de", "en"], length = 6 }"#),
            ("EF.LI", "656E1B41", r#"["en", "1B41"]"#),
            (
                "EF.UMPC",
                "3C3C000000",
                r#"{ milliamperes = 60, seconds = 60, information = [], unused = "0000" }"#,
            ),
            (
                "EF.UMPC",
                "3C00820000",
                r#"{ milliamperes = 60, seconds = 0, information = ["suspension", "80"], unused = "0000" }"#,
            ),
        ] {
            agree(ElementKind::Mf, name, octets, text);
        }
        assert!(refused(ElementKind::Mf, "EF.PL", r#"["english"]"#).contains("[1]: expected 2 letters"));
        assert!(refused(ElementKind::Mf, "EF.DIR", r#"{ aid = "A0Z" }"#).contains("aid: expected octets"));
    }
}
