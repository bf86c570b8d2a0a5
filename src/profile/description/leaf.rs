//! The spelling of single values, both ways. What [`decode`] gives is checked by whoever calls it: it is taken only if
//! [`encode`] turns it into the same octets again.

use simyard_asn1::saip::Service;
use simyard_asn1::{Oid, Tag, Writer};
use toml::Value;

use super::error::Problem;
use super::grammar::{Form, KEY_REFERENCES};
use super::toolkit;
use crate::ident::Iccid;
use crate::profile::templates::Template;

/// The kinds of file that a descriptor byte gives (5.2), shareable; the byte of the others is lower by 40.
const DESCRIPTORS: &[(u8, &str)] = &[
    (0x41, "transparent"),
    (0x42, "linear-fixed"),
    (0x46, "cyclic"),
    (0x79, "ber-tlv"),
    (0x78, "directory"),
];
/// What makes a shareable file not shareable.
const SHAREABLE: u8 = 0x40;
/// The data coding byte of all descriptors (TS 102 221 11.1.1.4.3).
const DATA_CODING: u8 = 0x21;

/// Bits of the special file information (TS 102 221 11.1.1.4.9).
const SPECIAL: &[(u8, &str)] = &[(0x80, "high-update-activity"), (0x40, "usable-when-deactivated")];

/// The value that `octets` spell; `None` if they cannot be one of this form.
pub(super) fn decode(form: Form, octets: &[u8]) -> Option<Value> {
    Some(match form {
        Form::Null => Value::Boolean(octets.is_empty()),
        Form::Integer => Value::Integer(integer(octets)?),
        Form::Named(names) => {
            let number = integer(octets)?;
            let name = names.iter().find(|(value, _)| *value == number);
            name.map_or(Value::Integer(number), |(_, name)| text(*name))
        }
        Form::Octets | Form::LoadFile | Form::Command | Form::Pattern => digits(octets),
        Form::Text => text(core::str::from_utf8(octets).ok()?),
        Form::Oid => text(Oid::from_content(octets)?.to_string()),
        Form::Template => text(template_name(&Oid::from_content(octets)?)),
        Form::Iccid => text(Iccid::from_header(octets.try_into().ok()?).ok()?.to_string()),
        Form::Code => text(code(octets)?),
        Form::Attempts => {
            let attempts = u8::try_from(integer(octets)?).ok()?;
            text(format!("{}/{}", attempts >> 4, attempts & 0x0F))
        }
        Form::Path => {
            let (fids, []) = octets.as_chunks::<2>() else { return None };
            text(fids.iter().map(hex::encode_upper).collect::<Vec<_>>().join("/"))
        }
        Form::Descriptor => text(descriptor(octets)?),
        Form::Access => match octets {
            [record] => Value::Integer(i64::from(*record)),
            [high, low, record] => text(format!("{high:02X}{low:02X}/{record}")),
            _ => return None,
        },
        Form::Size => {
            let octets: [u8; 4] = match octets {
                [a] => [0, 0, 0, *a],
                [a, b] => [0, 0, *a, *b],
                [a, b, c] => [0, *a, *b, *c],
                _ => octets.try_into().ok()?,
            };
            Value::Integer(i64::from(u32::from_be_bytes(octets)))
        }
        Form::ShortFileId => match octets {
            [] => text("none"),
            [octet] => Value::Integer(i64::from(octet >> 3)),
            _ => return None,
        },
        Form::Special => {
            let [octet] = octets else { return None };
            let names = SPECIAL.iter().filter(|(bit, _)| octet & bit != 0);
            Value::Array(names.map(|(_, name)| text(*name)).collect())
        }
        Form::PinStatus => Value::Array(octets.iter().map(|octet| key_reference(*octet)).collect()),
        Form::Toolkit => toolkit::decode(octets)?,
        Form::Services => return services(octets),
        Form::Record(_) | Form::List(_) | Form::Choice(_) | Form::Files | Form::Commands => return None,
    })
}

/// The octets of a value.
pub(super) fn encode(form: Form, value: &Value) -> Result<Vec<u8>, Problem> {
    match form {
        Form::Null => match value {
            Value::Boolean(true) => Ok(Vec::new()),
            _ => Err(Problem::expected("true; leave the member out for false", value)),
        },
        Form::Integer => integer_of(value).map(integer_octets),
        Form::Named(names) => match value {
            Value::String(name) => {
                let known = names.iter().find(|(_, known)| known == name);
                let all = || names.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
                known.map(|(number, _)| integer_octets(*number)).ok_or_else(|| Problem::one_of(all()))
            }
            _ => integer_of(value).map(integer_octets),
        },
        Form::Octets | Form::LoadFile | Form::Command | Form::Pattern => octets_of(value),
        Form::Text => Ok(text_of(value)?.as_bytes().to_vec()),
        Form::Oid => oid_octets(text_of(value)?),
        Form::Template => template_octets(text_of(value)?),
        Form::Iccid => {
            let iccid = Iccid::parse(text_of(value)?).map_err(|error| Problem::Value(error.to_string()))?;
            Ok(iccid.to_header().to_vec())
        }
        Form::Code => code_octets(text_of(value)?),
        Form::Attempts => attempts(text_of(value)?).map(integer_octets),
        Form::Path => path_octets(text_of(value)?),
        Form::Descriptor => descriptor_octets(text_of(value)?),
        Form::Access => match value {
            Value::String(text) => {
                let (file, record) =
                    text.split_once('/').ok_or(Problem::Spelling("a record number, or FID/record"))?;
                let mut octets = path_octets(file)?;
                octets.push(record.parse().map_err(|_| Problem::Spelling("a record number up to 255"))?);
                Ok(octets)
            }
            _ => octet_of(value).map(|octet| vec![octet]),
        },
        Form::Size => {
            let size =
                u32::try_from(integer_of(value)?).map_err(|_| Problem::Spelling("a size in octets"))?;
            let octets = size.to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(3);
            Ok(octets.iter().skip(zeros).copied().collect())
        }
        Form::ShortFileId => match value {
            Value::String(text) if text == "none" => Ok(Vec::new()),
            _ => match octet_of(value)? {
                number @ 0..=31 => Ok(vec![number << 3]),
                _ => Err(Problem::Spelling("a short file identifier from 1 to 30, or \"none\"")),
            },
        },
        Form::Special => {
            let mut octet = 0;
            for name in array_of(value)? {
                let name = text_of(name)?;
                let known = SPECIAL.iter().find(|(_, known)| *known == name);
                octet |= known.ok_or_else(|| Problem::one_of(names_of(SPECIAL)))?.0;
            }
            Ok(vec![octet])
        }
        Form::PinStatus => array_of(value)?.iter().map(key_reference_octet).collect(),
        Form::Toolkit => toolkit::encode(value),
        Form::Services => services_octets(value),
        Form::Record(_) | Form::List(_) | Form::Choice(_) | Form::Files | Form::Commands => {
            Err(Problem::expected("another form", value))
        }
    }
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// Octets as hexadecimal digits.
pub(super) fn digits(octets: &[u8]) -> Value {
    text(hex::encode_upper(octets))
}

fn names_of(table: &[(u8, &str)]) -> String {
    table.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn integer(octets: &[u8]) -> Option<i64> {
    let mut writer = Writer::new();
    writer.tlv(Tag::INTEGER, octets);
    let encoded = writer.finish();
    let tlv = simyard_asn1::Reader::new(&encoded, "INTEGER").read().ok()?;
    tlv.integer("INTEGER").ok()
}

fn integer_octets(number: i64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.integer(Tag::INTEGER, number);
    writer.finish().split_off(2)
}

pub(super) fn integer_of(value: &Value) -> Result<i64, Problem> {
    value.as_integer().ok_or_else(|| Problem::expected("a number", value))
}

pub(super) fn octet_of(value: &Value) -> Result<u8, Problem> {
    u8::try_from(integer_of(value)?).map_err(|_| Problem::Spelling("a number from 0 to 255"))
}

pub(super) fn text_of(value: &Value) -> Result<&str, Problem> {
    value.as_str().ok_or_else(|| Problem::expected("text in quotes", value))
}

pub(super) fn array_of(value: &Value) -> Result<&[Value], Problem> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Problem::expected("a list in brackets", value))
}

/// Hexadecimal digits; blanks between them are for the eye.
pub(super) fn octets_of(value: &Value) -> Result<Vec<u8>, Problem> {
    let digits: String = text_of(value)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    hex::decode(digits).map_err(|_| Problem::Spelling("an even number of hexadecimal digits"))
}

fn oid_octets(text: &str) -> Result<Vec<u8>, Problem> {
    let oid = Oid::parse(text).ok_or(Problem::Spelling("an object identifier in dotted decimals"))?;
    Ok(oid.as_content().to_vec())
}

/// A template by the name of its element, with its version from 2.
fn template_name(oid: &Oid) -> String {
    match Template::find(oid) {
        Some(Template { kind, version: 1, .. }) => kind.name().to_owned(),
        Some(Template { kind, version, .. }) => format!("{}/{version}", kind.name()),
        None => oid.to_string(),
    }
}

fn template_octets(text: &str) -> Result<Vec<u8>, Problem> {
    const SPELLING: Problem =
        Problem::Spelling("the name of a template such as usim or usim/2, or its object identifier");
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return oid_octets(text);
    }
    let (name, version) = match text.split_once('/') {
        Some((name, version)) => (name, version.parse().map_err(|_| SPELLING)?),
        None => (text, 1),
    };
    let kind = simyard_asn1::saip::ElementKind::KNOWN.iter().find(|kind| kind.name() == name);
    let identifier = kind.and_then(|kind| Template::identifier(*kind, version));
    oid_octets(&identifier.ok_or(SPELLING)?)
}

/// Digits filled up with FF, or any other octets.
fn code(octets: &[u8]) -> Option<String> {
    let digits = octets.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = octets.split_at_checked(digits)?;
    if octets.len() == 8 && !digits.is_empty() && rest.iter().all(|octet| *octet == 0xFF) {
        return core::str::from_utf8(digits).ok().map(str::to_owned);
    }
    Some(format!("0x{}", hex::encode_upper(octets)))
}

fn code_octets(text: &str) -> Result<Vec<u8>, Problem> {
    if let Some(digits) = text.strip_prefix("0x") {
        return hex::decode(digits).map_err(|_| Problem::Spelling("hexadecimal digits after 0x"));
    }
    if !(1..=8).contains(&text.len()) || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Problem::Spelling("up to 8 decimal digits, or 0x and hexadecimal digits"));
    }
    let mut octets = text.as_bytes().to_vec();
    octets.resize(8, 0xFF);
    Ok(octets)
}

fn attempts(text: &str) -> Result<i64, Problem> {
    let attempts = text.split_once('/').and_then(|(all, left)| Some((all.parse().ok()?, left.parse().ok()?)));
    match attempts {
        Some((all @ 0..=15, left @ 0..=15)) => Ok(all << 4 | left),
        _ => Err(Problem::Spelling("attempts in all and left, such as 3/3, each up to 15")),
    }
}

fn path_octets(text: &str) -> Result<Vec<u8>, Problem> {
    const SPELLING: Problem = Problem::Spelling("file identifiers of four hexadecimal digits, divided by /");
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut octets = Vec::new();
    for fid in text.split('/') {
        let fid = hex::decode(fid).ok().filter(|fid| fid.len() == 2).ok_or(SPELLING)?;
        octets.extend(fid);
    }
    Ok(octets)
}

fn descriptor(octets: &[u8]) -> Option<String> {
    let (byte, record) = match octets {
        [byte, DATA_CODING] => (*byte, None),
        [byte, DATA_CODING, high, low] => (*byte, Some(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    // Bit 7 says shareable; a directory that is not shareable is 38.
    let (_, name) = DESCRIPTORS.iter().find(|(known, _)| known & !SHAREABLE == byte & !SHAREABLE)?;
    let record = record.map_or_else(String::new, |record| format!("/{record}"));
    let shareable = if byte & SHAREABLE == 0 { "/not-shareable" } else { "" };
    Some(format!("{name}{record}{shareable}"))
}

fn descriptor_octets(text: &str) -> Result<Vec<u8>, Problem> {
    let mut parts = text.split('/');
    let name = parts.next().unwrap_or_default();
    let known = DESCRIPTORS.iter().find(|(_, known)| *known == name);
    let mut octets = vec![known.ok_or_else(|| Problem::one_of(names_of(DESCRIPTORS)))?.0, DATA_CODING];
    for part in parts {
        if part == "not-shareable" {
            octets.first_mut().iter_mut().for_each(|byte| **byte &= !SHAREABLE);
        } else {
            let record: u16 =
                part.parse().map_err(|_| Problem::Spelling("the record length after the kind of file"))?;
            octets.extend(record.to_be_bytes());
        }
    }
    Ok(octets)
}

fn key_reference(octet: u8) -> Value {
    let name = KEY_REFERENCES.iter().find(|(number, _)| *number == i64::from(octet));
    name.map_or(Value::Integer(i64::from(octet)), |(_, name)| text(*name))
}

fn key_reference_octet(value: &Value) -> Result<u8, Problem> {
    let Value::String(name) = value else { return octet_of(value) };
    let known = KEY_REFERENCES.iter().find(|(_, known)| known == name);
    let number = known.and_then(|(number, _)| u8::try_from(*number).ok());
    number.ok_or_else(|| {
        Problem::one_of(KEY_REFERENCES.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", "))
    })
}

/// Services by name; one that is not known by its number.
fn services(octets: &[u8]) -> Option<Value> {
    let mut reader = simyard_asn1::Reader::new(octets, "services");
    let mut names = Vec::new();
    while !reader.is_empty() {
        let number = reader.read().ok()?.tag.number();
        names.push(match Service::from_number(number) {
            Service::Unknown(number) => Value::Integer(i64::from(number)),
            known => text(known.name()),
        });
    }
    Some(Value::Array(names))
}

fn services_octets(value: &Value) -> Result<Vec<u8>, Problem> {
    let mut writer = Writer::new();
    for service in array_of(value)? {
        let number = match service {
            Value::String(name) => {
                let all =
                    || Service::KNOWN.iter().map(|service| service.name()).collect::<Vec<_>>().join(", ");
                let known = Service::KNOWN.iter().find(|service| service.name() == name);
                known.ok_or_else(|| Problem::one_of(all()))?.number()
            }
            _ => u32::from(octet_of(service)?),
        };
        writer.tlv(Tag::context(number), &[]);
    }
    Ok(writer.finish())
}
