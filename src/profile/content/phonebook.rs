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
        name => Some(decode_alpha(name)).filter(|value| value.get("hex").is_none()),
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

/// The files that a record of EF.PBR names: identifier and name. TS.48 gives them other identifiers than the templates
/// do, so this is what tells which is which. Empty for a record without such a list.
#[must_use]
pub fn phonebook_files(record: &[u8]) -> Vec<(u16, &'static str)> {
    let Form::Word(kinds) = KINDS else { return Vec::new() };
    let groups = tlv::read(record).unwrap_or_default().into_iter();
    let files = groups.filter_map(|(_, files)| tlv::read(files)).flatten();
    let named = files.filter_map(|(tag, octets)| {
        let (_, name) = kinds.iter().find(|(kind, _)| *kind == tag)?;
        octets.first_chunk().map(|fid| (u16::from_be_bytes(*fid), *name))
    });
    named.collect()
}

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

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use super::*;
    use crate::profile::content::decode;
    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn files_of_the_phonebook() {
        for (name, octets, text) in [
            // TS 31.102 4.4.2.2; the beginning of what TS.48 has.
            (
                "EF.PBR",
                "A809C0034F3A0AC1024F15AA04C2024F12",
                r#"[{ relation = "one record each", files = [{ file = "EF.ADN", fid = "4F3A", sfi = 10 }, { file = "EF.IAP", fid = "4F15" }] }, { relation = "by identifier", files = [{ file = "EF.EXT1", fid = "4F12" }] }]"#,
            ),
            ("EF.AAS", "486F6D65FFFF", r#"{ value = "Home", length = 6 }"#),
            ("EF.PSC", "00000000", "0"),
            ("EF.CC", "0102", "258"),
            ("EF.PUID", "0002", "2"),
            ("EF.UID", "0000", "0"),
            ("EF.PBC", "0100", r#"{ control = ["changed"], hidden = 0 }"#),
            ("EF.IAP", "01FF02FF", "{ value = [1, 255, 2], length = 4 }"),
            ("EF.GRP", "000000", "[0, 0, 0]"),
            // TS.48: the pattern of EF.SUME and of EF.IMG.
            ("EF.SUME", "8500FF", r#"{ title = "", length = 3 }"#),
            ("EF.IMG", "00FF", "{ instances = 0, length = 2 }"),
        ] {
            agree(ElementKind::Telecom, name, octets, text);
        }
        let zeros = decode(ElementKind::Telecom, "EF.GAS", &[0; 10]).unwrap();
        assert!(zeros.as_table().unwrap().contains_key("empty"), "{zeros}");
        let error = refused(ElementKind::Telecom, "EF.PBR", r#"[{ relation = "none", files = [] }]"#);
        assert!(
            error.contains("[1].relation: expected one of one record each, by index, by identifier"),
            "{error}"
        );
    }

    #[test]
    fn a_phonebook_tells_the_names_of_its_files() {
        let record = hex::decode("A809C0034F3A0AC1024F15AA04C2024F12FFFF").unwrap();
        assert_eq!(phonebook_files(&record), [(0x4F3A, "EF.ADN"), (0x4F15, "EF.IAP"), (0x4F12, "EF.EXT1")]);
        assert_eq!(phonebook_files(&[0xFF; 10]), []);
        assert_eq!(phonebook_files(&record[..8]), []);
    }
}
