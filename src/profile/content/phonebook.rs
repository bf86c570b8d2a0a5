//! The phonebook (TS 31.102 4.4.2) and other files with names.

use toml::Value;

use super::codec::{Codec, Field, Form, Object, ObjectForm, fields, fields_and, without_filler};
use super::error::Refusal;
use super::text::{decode_alpha, encode_alpha_value};
use super::tlv;
use super::value::{self, Encoded, Members};

/// A name that fills the whole record: EF.AAS, EF.GAS.
pub(super) const NAME: Codec = Codec::Words(
    |octets| match without_filler(octets) {
        // Zeros are what templates fill with, not a name of @.
        name if name.iter().all(|octet| *octet == 0) => None,
        name => Some(decode_alpha(name)),
    },
    |value, _| encode_alpha_value(value),
);

/// EF.PSC (4.4.2.12.2): the counter of synchronisation.
pub(super) const SYNCHRONISATION: Codec = Codec::Single(4, Form::Number);
/// EF.CC, EF.PUID and EF.UID (4.4.2.12): the counter of changes, the last identifier, the identifier of an entry.
pub(super) const IDENTIFIER: Codec = Codec::Single(2, Form::Number);
/// EF.PBC (4.4.2.5): whether the entry was changed, and for which application it is hidden.
pub(super) const CONTROL: Codec =
    fields(&[Field("control", 1, Form::Flags(&[(0x01, "changed")])), Field("hidden", 1, Form::Number)]);
/// EF.IAP and EF.GRP (4.4.2.6, 4.4.2.7): records of other files, counted from 1; 0 is none.
pub(super) const RECORDS: Codec = Codec::List(1, Form::Number);
/// EF.IMG (4.6.1.1): how many instances of an image there are; the instances are left in hexadecimal digits.
pub(super) const IMAGES: Codec = fields_and(&[Field("instances", 1, Form::Number)], "more");

/// EF.SUME (TS 51.011 10.5.11): the title of the toolkit's menu.
pub(super) const MENU_TITLE: Codec =
    Codec::Objects(&[Object(0x85, "title", ObjectForm::Alpha), Object(0x9E, "icon", ObjectForm::Hex)]);

/// A record of EF.PBR (4.4.2.2): which files make up the phonebook, in three groups.
pub(super) const STRUCTURE: Codec = Codec::Words(decode_structure, encode_structure);

/// The groups by the relation of their records to the records of EF.ADN.
const GROUPS: &[(u8, &str)] = &[(0xA8, "one record each"), (0xA9, "by index"), (0xAA, "by identifier")];
/// The kinds of file.
const KINDS: Form = Form::Word(&[
    (0xC0, "EF.ADN"),
    (0xC1, "EF.IAP"),
    (0xC2, "EF.EXT1"),
    (0xC3, "EF.SNE"),
    (0xC4, "EF.ANR"),
    (0xC5, "EF.PBC"),
    (0xC6, "EF.GRP"),
    (0xC7, "EF.AAS"),
    (0xC8, "EF.GAS"),
    (0xC9, "EF.UID"),
    (0xCA, "EF.EMAIL"),
    (0xCB, "EF.CCP1"),
    (0xCC, "EF.PURI"),
]);

fn decode_structure(octets: &[u8]) -> Option<Value> {
    let file = |(tag, octets): (u8, &[u8])| {
        let (fid, sfi) = match octets {
            [high, low] => ([*high, *low], None),
            [high, low, sfi] => ([*high, *low], Some(Value::Integer(i64::from(*sfi)))),
            _ => return None,
        };
        let kind = Some(KINDS.decode(&[tag])?);
        Some(value::table([("file", kind), ("fid", Some(value::hex(&fid))), ("sfi", sfi)]))
    };
    let group = |(tag, octets): (u8, &[u8])| {
        let (_, relation) = GROUPS.iter().find(|(group, _)| *group == tag)?;
        let files = tlv::read(octets)?.into_iter().map(file).collect::<Option<_>>()?;
        Some(value::table([("relation", Some(value::text(*relation))), ("files", Some(Value::Array(files)))]))
    };
    tlv::read(octets)?.into_iter().map(group).collect::<Option<_>>().map(Value::Array)
}

fn encode_structure(value: &Value, _: Option<usize>) -> Encoded {
    let file = |value: &Value| {
        let members = Members::of(value, "a table with file, fid and sfi", &["file", "fid", "sfi"])?;
        let kind = KINDS.encode(members.required("file", "a file of the phonebook")?, 1);
        let kind = kind.map_err(|refusal| refusal.within("file"))?;
        let mut octets = members.hex("fid", Some(2))?.ok_or_else(|| Refusal::missing("fid", "two octets"))?;
        octets.extend(members.octet("sfi")?);
        tlv::object(kind.first().copied().unwrap_or_default(), &octets)
    };
    let group = |value: &Value| {
        let members = Members::of(value, "a table with relation and files", &["relation", "files"])?;
        let relation = members.required("relation", "a relation")?;
        let tag = Form::Word(GROUPS).encode(relation, 1).map_err(|refusal| refusal.within("relation"))?;
        let files = members.read("files", |value| value::each(value, "a list of files", file))?;
        tlv::object(tag.first().copied().unwrap_or_default(), &files.unwrap_or_default())
    };
    value::each(value, "a list of groups", group)
}
