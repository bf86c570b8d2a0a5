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
