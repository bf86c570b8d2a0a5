//! What the contents of files say, in words, both directions: the octets of EF.IMSI are `"262021234567890"`, those of
//! EF.SPN `{ display = ["network name at home"], name = "Simyard" }`.
//!
//! [`decode`] gives values of TOML, [`encode`] takes them. A value that [`decode`] gives encodes to the same octets
//! again, always: what a codec cannot say without loss it does not say, and the octets remain octets.
//!
//! | file | what |
//! |---|---|
//! | `registry` | which file is coded how |
//! | `codec` | the shapes that contents have |
//! | `identity`, `names`, `network`, `services` | the subscriber, the operator, and what both may use |
//! | `dialling`, `phonebook`, `settings` | numbers, names, messages, charging |
//! | `location`, `five_g`, `ims` | what the networks leave behind, and what they ask for |
//! | `access`, `card` | access rules, applications, languages |
//! | `text`, `tlv`, `value` | alphabets, data objects, values of TOML |
//!
//! What all files have in common:
//! - The octets are a whole transparent file or one record. Shorter octets decode too, where the codec tells their
//!   members from the front (not dialling numbers, whose name takes the room that is left).
//! - A codec writes as many octets as the standard gives the file, or as its members need. Where the content is longer
//!   and the rest is FF, or shorter and what is missing would be FF, the member `length` says how many octets there are.
//!   A value that is no table becomes `{ value = …, length = 24 }` then. So a name can be edited without changing the size
//!   of the file.
//! - Members of a table that are left out are FF.
//! - Contents of FF alone are `{ empty = 24 }`, in every file, also in those without a codec. Contents of another octet
//!   alone are `{ empty = 24, filler = "00" }` where the codec of the file says nothing better.
//!
//! Whether a content makes sense (a record that another file names exists, a number is allocated) is the matter of
//! [`super::image`] and of lint.

mod access;
mod card;
mod codec;
mod dialling;
mod error;
mod five_g;
mod identity;
mod ims;
mod location;
mod names;
mod network;
mod phonebook;
mod registry;
mod services;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod tlv;
mod value;

pub(in crate::profile) use access::key_reference;
pub use dialling::{
    DIALLING_NUMBER_LEN, MAX_DIGITS, SHORT_MESSAGE_PARAMETERS_LEN, msisdn_record, smsp_record,
};
pub use error::ContentError;
pub use names::{Display, NAME_LEN, spn, to_ef_spn};
pub use network::{PLMN_LEN, plmn};
pub(in crate::profile) use network::{plmn_of, plmn_text};
pub use phonebook::phonebook_files;
pub use text::encode_alpha;

use simyard_asn1::saip::ElementKind;
use toml::{Table, Value};

use error::Refusal;
use registry::Entry;
use value::Members;

/// Octets of the largest content that has a form in words.
pub const MAX_CONTENT: usize = 0xFFFF;

/// The same as the limit of a member.
const MAX_LENGTH: i64 = 0xFFFF;

/// The members that all values may have.
const LENGTH: &str = "length";
const VALUE: &str = "value";
const EMPTY: &str = "empty";
const FILLER: &str = "filler";

/// What `octets`, a transparent file or one record, say in the file `name` of an element of this kind. Names are those
/// of the templates, as `EF.IMSI`; a file that GenericFileManagement creates has the kind of the application or
/// directory that it lies in.
///
/// `None` where the file has no codec, or the codec has no words for these octets.
#[must_use]
pub fn decode(kind: ElementKind, name: &str, octets: &[u8]) -> Option<Value> {
    if octets.is_empty() || octets.len() > MAX_CONTENT {
        return None;
    }
    let entry = registry::find(kind, name);
    let says = |value: &Value| encode_entry(entry, value).is_ok_and(|again| again == octets);
    let filler = || filler_value(octets).filter(says);
    let words = || {
        let value = entry?.codec.decode(octets)?;
        if says(&value) { Some(value) } else { Some(with_length(value, octets.len())).filter(says) }
    };
    let all_ones = octets.iter().all(|octet| *octet == 0xFF);
    if all_ones && !entry.is_some_and(|entry| entry.ones_are_a_value) {
        filler()
    } else {
        words().or_else(filler)
    }
}

/// The octets that `value` stands for in the file `name` of an element of this kind.
///
/// # Errors
/// [`ContentError::NoForm`] where the file has no codec and the value is not the common one of filler,
/// [`ContentError::Value`] where the value is none of this file's, [`ContentError::TooLong`] where it does not fit into
/// the `length` that it gives itself.
pub fn encode(kind: ElementKind, name: &str, value: &Value) -> Result<Vec<u8>, ContentError> {
    let entry = registry::find(kind, name);
    encode_entry(entry, value).map_err(|refusal| match refusal {
        Some(refusal) => refusal.about(name, entry.is_some_and(|entry| entry.secret)),
        None => ContentError::NoForm { file: name.to_owned() },
    })
}

/// As [`decode`], for octets of a record, whole or not, of a file whose records have `length` octets: [`encode_record`]
/// gives them again.
#[must_use]
pub fn decode_record(kind: ElementKind, name: &str, octets: &[u8], length: usize) -> Option<Value> {
    let says = |value: &Value| encode_record(kind, name, value, length).is_ok_and(|again| again == octets);
    let value = decode(kind, name, octets)?;
    if says(&value) { Some(value) } else { Some(with_length(value, octets.len())).filter(says) }
}

/// As [`encode`], for a file whose records have `length` octets: a value that does not say its own length fills the
/// record where that says where its members stand, as in dialling numbers, whose name takes the room that is left.
///
/// # Errors
/// As [`encode`].
pub fn encode_record(
    kind: ElementKind,
    name: &str,
    value: &Value,
    length: usize,
) -> Result<Vec<u8>, ContentError> {
    let says_length = [LENGTH, EMPTY].iter().any(|member| value.get(member).is_some());
    let takes_room = registry::find(kind, name).is_some_and(|entry| entry.codec.takes_room());
    if takes_room && !says_length && (1..=MAX_CONTENT).contains(&length) {
        return encode(kind, name, &with_length(value.clone(), length));
    }
    encode(kind, name, value)
}

/// As [`decode`], for a content whose size the file gives: FF at its end needs no `length`, and the value encodes to
/// the same octets by [`encode_sized`] with their number. A name or a list of rules then reads without the size of the
/// record that it stands in.
#[must_use]
pub fn decode_sized(kind: ElementKind, name: &str, octets: &[u8]) -> Option<Value> {
    let entry = registry::find(kind, name);
    let all_ones = octets.iter().all(|octet| *octet == 0xFF);
    let words = entry
        .filter(|entry| octets.len() <= MAX_CONTENT && (!all_ones || entry.ones_are_a_value))
        .and_then(|entry| entry.codec.decode(octets))
        .filter(|value| encode_sized(kind, name, value, octets.len()).is_ok_and(|again| again == octets));
    words.or_else(|| decode(kind, name, octets))
}

/// As [`encode`], filled up with FF to `size` octets, and with the size told to codecs that use it. A `length` or
/// `empty` in the value still holds for what stands before the filler.
///
/// # Errors
/// As [`encode`]; [`ContentError::TooLong`] where the content does not fit into `size` octets.
pub fn encode_sized(
    kind: ElementKind,
    name: &str,
    value: &Value,
    size: usize,
) -> Result<Vec<u8>, ContentError> {
    let sized = |member: &str| value.as_table().is_some_and(|table| table.contains_key(member));
    let octets = if sized(LENGTH) || sized(EMPTY) || size > MAX_CONTENT || size == 0 {
        encode(kind, name, value)?
    } else {
        encode(kind, name, &with_length(value.clone(), size))?
    };
    fit(octets, size).map_err(|refusal| refusal.about(name, false))
}

/// Encodes a value; the error is `None` where there is no codec.
fn encode_entry(entry: Option<&Entry>, value: &Value) -> Result<Vec<u8>, Option<Refusal>> {
    if value.as_table().is_some_and(|table| table.contains_key(EMPTY)) {
        return encode_filler(value).map_err(Some);
    }
    let codec = entry.ok_or(None)?.codec;
    let Some((value, length)) = value.as_table().and_then(|table| Some((table, table.get(LENGTH)?))) else {
        return codec.encode(value, None).map_err(Some);
    };
    let length = value::number(length, 1..=MAX_LENGTH).map_err(|refusal| refusal.within(LENGTH))?;
    let length = usize::try_from(length).ok();
    let octets = codec.encode(&without_length(value), length)?;
    Ok(fit(octets, length.unwrap_or_default())?)
}

/// Fills up with FF, or cuts FF off.
fn fit(mut octets: Vec<u8>, length: usize) -> Result<Vec<u8>, Refusal> {
    let needed = codec::without_filler(&octets).len();
    if needed > length {
        return Err(Refusal::TooLong { needed, room: length });
    }
    octets.resize(length, 0xFF);
    Ok(octets)
}

fn with_length(value: Value, length: usize) -> Value {
    let mut table = match value {
        Value::Table(table) => table,
        other => std::iter::once((VALUE.to_owned(), other)).collect(),
    };
    table.insert(LENGTH.to_owned(), Value::Integer(i64::try_from(length).unwrap_or_default()));
    Value::Table(table)
}

fn without_length(table: &Table) -> Value {
    match table.get(VALUE) {
        Some(value) if table.len() == 2 => value.clone(),
        _ => {
            let rest = table.iter().filter(|(name, _)| *name != LENGTH);
            Value::Table(rest.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
    }
}

/// The common form of contents of one octet; a single octet other than FF is no filler.
fn filler_value(octets: &[u8]) -> Option<Value> {
    let (first, rest) = octets.split_first()?;
    let plain = *first == 0xFF;
    if rest.iter().any(|octet| octet != first) || (rest.is_empty() && !plain) {
        return None;
    }
    Some(value::table([
        (EMPTY, Some(Value::Integer(i64::try_from(octets.len()).ok()?))),
        (FILLER, (!plain).then(|| value::hex(&[*first]))),
    ]))
}

fn encode_filler(value: &Value) -> Result<Vec<u8>, Refusal> {
    let members = Members::of(value, "a table", &[EMPTY, FILLER])?;
    let filler = members.hex(FILLER, Some(1))?.unwrap_or_else(|| vec![0xFF]);
    let length = members.integer(EMPTY, 1..=MAX_LENGTH)?.and_then(|length| usize::try_from(length).ok());
    Ok(filler.repeat(length.unwrap_or_default()))
}
