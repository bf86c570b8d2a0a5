//! The shapes that contents have: a codec for each, so that most files need no more than a line in a table.
//!
//! A codec decodes whole contents and ignores filler at their end. What it encodes is as long as the content needs;
//! [`super::encode`] fills up and cuts FF off, and [`super::decode`] compares.

use toml::{Table, Value};

use super::error::Refusal;
use super::text::{alpha_field, decode_alpha, encode_alpha_value, from_gsm, to_gsm};
use super::value::{self, Encoded, Flags, Members};
use super::{dialling, network, tlv};

/// How one kind of content is turned into words and back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Codec {
    /// Members at fixed places, with a name of any length among them.
    Layout(Layout),
    /// One value of a fixed length: the content is the value itself.
    Single(usize, Form),
    /// Entries of one length, as many as there are before the filler.
    List(usize, Form),
    /// Entries of the same members at fixed places, as many as there are before the filler.
    Entries(&'static [Field]),
    /// A bit for each service, the first in the lowest bit of the first octet. Services are named by this list,
    /// others are given by their number. What the list does not fill is 00.
    Services(&'static [&'static str]),
    /// Data objects with one octet of tag, each at most once and in this order.
    Objects(&'static [Object]),
    /// Functions.
    Words(fn(&[u8]) -> Option<Value>, fn(&Value, Option<usize>) -> Encoded),
    /// The same, for a name before members at fixed places: it takes the room that they leave.
    Named(fn(&[u8]) -> Option<Value>, fn(&Value, Option<usize>) -> Encoded),
}

/// Members at fixed places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Members before the name, or all of them.
    pub(super) before: &'static [Field],
    /// Whether an alpha identifier follows, as long as the rest of the content leaves it room.
    pub(super) named: bool,
    /// Members after the name.
    pub(super) after: &'static [Field],
    /// The member with the octets that follow, without filler.
    pub(super) rest: Option<&'static str>,
}

/// A member at a fixed place. It is left out where all its octets are FF.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(pub(super) &'static str, pub(super) usize, pub(super) Form);

/// How octets of a known length are written in words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Hexadecimal digits.
    Hex,
    /// A number of at most four octets, high octet first.
    Number,
    /// One octet with meanings: a word, or a number where there is none.
    Word(&'static [(u8, &'static str)]),
    /// Bits with names.
    Flags(&'static [(u32, &'static str)]),
    /// A network as `262-01`, or six hexadecimal digits where it is none.
    Plmn,
    /// Swapped decimal digits.
    Digits,
    /// Length, type and ten octets of digits; the length counts octets.
    Address,
    /// Characters of the basic GSM alphabet that fill the octets, or hexadecimal digits.
    Letters,
}

/// A data object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object(pub(super) u8, pub(super) &'static str, pub(super) ObjectForm);

/// How the value of a data object is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum ObjectForm {
    /// Text in UTF-8.
    Text,
    /// An alpha identifier.
    Alpha,
    /// Octets.
    Hex,
    /// A value of a fixed length.
    Fixed(usize, Form),
}

/// A layout of fixed members alone.
pub(super) const fn fields(before: &'static [Field]) -> Codec {
    Codec::Layout(Layout { before, named: false, after: &[], rest: None })
}

/// Fixed members, then octets.
pub(super) const fn fields_and(before: &'static [Field], rest: &'static str) -> Codec {
    Codec::Layout(Layout { before, named: false, after: &[], rest: Some(rest) })
}

/// A name, then fixed members.
pub(super) const fn named(after: &'static [Field]) -> Codec {
    Codec::Layout(Layout { before: &[], named: true, after, rest: None })
}

impl Codec {
    /// What octets say, as far as the codec can tell.
    pub(super) fn decode(&self, octets: &[u8]) -> Option<Value> {
        match self {
            Self::Layout(layout) => layout.decode(octets),
            Self::Single(length, form) => form.decode(&filled(octets, *length)),
            Self::List(length, form) => decode_list(octets, *length, *form),
            Self::Entries(fields) => decode_entries(octets, fields),
            Self::Services(names) => decode_services(octets, names),
            Self::Objects(objects) => decode_objects(octets, objects),
            Self::Words(decode, _) | Self::Named(decode, _) => decode(octets),
        }
    }

    /// The octets of a value; `length` is what the content shall have, where it is given.
    pub(super) fn encode(&self, value: &Value, length: Option<usize>) -> Encoded {
        match self {
            Self::Layout(layout) => layout.encode(value, length),
            Self::Single(size, form) => form.encode(value, *size),
            Self::List(size, form) => value::each(value, "a list", |entry| form.encode(entry, *size)),
            Self::Entries(fields) => value::each(value, "a list of tables", |entry| {
                let known: Vec<&str> = fields.iter().map(|field| field.0).collect();
                encode_fields(fields, &Members::of(entry, "a table", &known)?)
            }),
            Self::Services(names) => encode_services(value, names, length),
            Self::Objects(objects) => encode_objects(value, objects),
            Self::Words(_, encode) | Self::Named(_, encode) => encode(value, length),
        }
    }

    /// Whether a name takes the room that other members leave, so that the length says where they stand.
    pub(super) const fn takes_room(&self) -> bool {
        match self {
            Self::Layout(layout) => layout.named && !layout.after.is_empty(),
            Self::Named(..) => true,
            _ => false,
        }
    }

    /// The names of all members of its tables; [`super`] has names of its own, which these must not be.
    #[cfg(test)]
    pub(super) fn members(&self) -> Vec<&'static str> {
        match self {
            Self::Layout(layout) => {
                let fields = layout.before.iter().chain(layout.after).map(|field| field.0);
                fields.chain(layout.rest).chain(["name"]).collect()
            }
            Self::Objects(objects) => objects.iter().map(|object| object.1).collect(),
            Self::Entries(fields) => fields.iter().map(|field| field.0).collect(),
            _ => Vec::new(),
        }
    }
}

/// The first `length` octets, filled up with FF.
fn filled(octets: &[u8], length: usize) -> Vec<u8> {
    let filler = std::iter::repeat(&0xFF);
    octets.iter().chain(filler).take(length).copied().collect()
}

/// Octets without the FF at their end.
pub(super) fn without_filler(octets: &[u8]) -> &[u8] {
    let end = octets.iter().rposition(|octet| *octet != 0xFF).map_or(0, |last| last + 1);
    octets.get(..end).unwrap_or_default()
}

fn is_filler(octets: &[u8]) -> bool {
    octets.iter().all(|octet| *octet == 0xFF)
}

impl Layout {
    fn decode(&self, octets: &[u8]) -> Option<Value> {
        let (before, after) = (size_of_all(self.before), size_of_all(self.after));
        let mut table = Table::new();
        if !self.named {
            decode_fields(self.before, &filled(octets, before), &mut table)?;
            let rest = without_filler(octets.get(before..).unwrap_or_default());
            if let Some(name) = self.rest.filter(|_| !rest.is_empty()) {
                table.insert(name.to_owned(), value::hex(rest));
            }
            return Some(Value::Table(table));
        }
        let (head, tail) = octets.split_at_checked(before)?;
        let (name, tail) = tail.split_at_checked(tail.len().checked_sub(after)?)?;
        decode_fields(self.before, head, &mut table)?;
        let name = without_filler(name);
        if !name.is_empty() {
            table.insert("name".to_owned(), decode_alpha(name));
        }
        decode_fields(self.after, tail, &mut table)?;
        Some(Value::Table(table))
    }

    fn encode(&self, value: &Value, length: Option<usize>) -> Encoded {
        let name = self.named.then_some("name");
        let members = |fields: &'static [Field]| fields.iter().map(|field| field.0);
        let known: Vec<&str> =
            members(self.before).chain(name).chain(members(self.after)).chain(self.rest).collect();
        let members = Members::of(value, "a table", &known)?;
        let mut octets = encode_fields(self.before, &members)?;
        let tail = encode_fields(self.after, &members)?;
        if let Some(name) = name {
            let alpha = members.read(name, encode_alpha_value)?.unwrap_or_default();
            let fixed = octets.len() + tail.len();
            let room = length.map_or(alpha.len(), |length| length.saturating_sub(fixed));
            octets.extend(alpha_field(&alpha, room).map_err(|refusal| refusal.within(name))?);
        }
        octets.extend(tail);
        if let Some(rest) = self.rest {
            octets.extend(members.hex(rest, None)?.unwrap_or_default());
        }
        Ok(octets)
    }
}

fn decode_fields(fields: &[Field], mut octets: &[u8], table: &mut Table) -> Option<()> {
    for Field(name, length, form) in fields {
        let (own, rest) = octets.split_at_checked(*length)?;
        if !is_filler(own) {
            table.insert((*name).to_owned(), form.decode(own)?);
        }
        octets = rest;
    }
    Some(())
}

fn encode_fields(fields: &[Field], members: &Members<'_>) -> Encoded {
    let mut octets = Vec::new();
    for Field(name, length, form) in fields {
        let own = members.read(name, |value| form.encode(value, *length))?;
        octets.extend(own.unwrap_or_else(|| vec![0xFF; *length]));
    }
    Ok(octets)
}

fn decode_list(octets: &[u8], length: usize, form: Form) -> Option<Value> {
    let entries = filled(octets, used_entries(octets, length));
    entries.chunks(length).map(|entry| form.decode(entry)).collect::<Option<_>>().map(Value::Array)
}

fn decode_entries(octets: &[u8], fields: &[Field]) -> Option<Value> {
    let length = size_of_all(fields).max(1);
    let entries = filled(octets, used_entries(octets, length));
    let entry = |octets: &[u8]| {
        let mut table = Table::new();
        decode_fields(fields, octets, &mut table)?;
        Some(Value::Table(table))
    };
    entries.chunks(length).map(entry).collect::<Option<_>>().map(Value::Array)
}

/// Octets of the entries before the filler, whole ones.
fn used_entries(octets: &[u8], length: usize) -> usize {
    without_filler(octets).len().div_ceil(length) * length
}

fn size_of_all(fields: &[Field]) -> usize {
    fields.iter().map(|field| field.1).sum()
}

/// More than any service table has.
const MAX_SERVICE: i64 = 2040;

fn decode_services(octets: &[u8], names: &[&str]) -> Option<Value> {
    if octets.len().saturating_mul(8) > usize::try_from(MAX_SERVICE).unwrap_or_default() {
        return None;
    }
    let bits = octets.iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
    let available = bits.enumerate().filter(|(_, set)| *set).map(|(index, _)| index);
    let service = |index: usize| match names.get(index).filter(|name| !name.is_empty()) {
        Some(name) => value::text(*name),
        None => Value::Integer(i64::try_from(index).unwrap_or_default() + 1),
    };
    Some(Value::Array(available.map(service).collect()))
}

fn encode_services(value: &Value, names: &[&str], length: Option<usize>) -> Encoded {
    let mut octets = vec![0_u8; length.unwrap_or_default()];
    for (at, entry) in value::list(value, "a list of services")?.iter().enumerate() {
        let index = match entry {
            Value::String(name) if !name.is_empty() => {
                let found = names.iter().position(|known| known == name);
                found.ok_or_else(|| Refusal::text("the name of a service, or its number", name).entry(at))?
            }
            _ => {
                let number = value::number(entry, 1..=MAX_SERVICE).map_err(|refusal| refusal.entry(at))?;
                usize::try_from(number - 1).unwrap_or_default()
            }
        };
        if octets.len() <= index / 8 {
            octets.resize(index / 8 + 1, 0);
        }
        if let Some(octet) = octets.get_mut(index / 8) {
            *octet |= 1 << (index % 8);
        }
    }
    Ok(octets)
}

fn decode_objects(octets: &[u8], objects: &[Object]) -> Option<Value> {
    let mut table = Table::new();
    for (tag, octets) in tlv::read(octets)? {
        let Object(_, name, form) = objects.iter().find(|object| object.0 == tag)?;
        table.insert((*name).to_owned(), form.decode(octets)?);
    }
    Some(Value::Table(table))
}

fn encode_objects(value: &Value, objects: &[Object]) -> Encoded {
    let known: Vec<&str> = objects.iter().map(|object| object.1).collect();
    let members = Members::of(value, "a table", &known)?;
    let mut octets = Vec::new();
    for Object(tag, name, form) in objects {
        if let Some(own) = members.read(name, |value| form.encode(value))? {
            octets.extend(tlv::object(*tag, &own)?);
        }
    }
    Ok(octets)
}

impl ObjectForm {
    fn decode(self, octets: &[u8]) -> Option<Value> {
        match self {
            Self::Text => std::str::from_utf8(octets).ok().map(value::text),
            Self::Alpha => Some(decode_alpha(octets)),
            Self::Hex => Some(value::hex(octets)),
            Self::Fixed(length, form) => (octets.len() == length).then(|| form.decode(octets))?,
        }
    }

    fn encode(self, value: &Value) -> Encoded {
        match self {
            Self::Text => Ok(value::string(value)?.as_bytes().to_vec()),
            Self::Alpha => encode_alpha_value(value),
            Self::Hex => value::from_hex(value, None),
            Self::Fixed(length, form) => form.encode(value, length),
        }
    }
}

impl Form {
    /// What octets say.
    pub(super) fn decode(self, octets: &[u8]) -> Option<Value> {
        let number = || octets.iter().fold(0_i64, |number, octet| number << 8 | i64::from(*octet));
        Some(match self {
            Self::Hex => value::hex(octets),
            Self::Number => Value::Integer(number()),
            Self::Word(words) => {
                let word = words.iter().find(|(code, _)| octets == [*code]);
                word.map_or_else(|| Value::Integer(number()), |(_, word)| value::text(*word))
            }
            Self::Flags(names) => Flags { length: octets.len(), names }.decode(octets),
            Self::Plmn => network::decode_plmn(octets),
            Self::Digits => value::text(dialling::from_bcd(octets)?),
            Self::Address => dialling::decode_address(octets, dialling::Counts::Octets)?,
            Self::Letters => from_gsm(octets).map_or_else(|| value::hex(octets), Value::String),
        })
    }

    /// The octets of a value.
    pub(super) fn encode(self, value: &Value, length: usize) -> Encoded {
        match self {
            Self::Hex => value::from_hex(value, Some(length)),
            Self::Number => encode_number(value, length),
            Self::Word(words) => match value.as_str() {
                None => encode_number(value, length),
                Some(text) => {
                    let names: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
                    let found = words.iter().find(|(_, word)| *word == text);
                    let refuse =
                        || Refusal::value(format_args!("one of {}, or a number", names.join(", ")), value);
                    found.map(|(code, _)| vec![*code]).ok_or_else(refuse)
                }
            },
            Self::Flags(names) => Flags { length, names }.encode(value),
            Self::Plmn => network::encode_plmn(value),
            Self::Digits => {
                let refuse = || Refusal::value(format_args!("at most {} digits", 2 * length), value);
                dialling::to_bcd(value::string(value)?, length).ok_or_else(refuse)
            }
            Self::Address => dialling::encode_address(value, dialling::Counts::Octets),
            Self::Letters => {
                let text = value::string(value)?;
                match to_gsm(text).filter(|octets| octets.len() == length) {
                    Some(octets) => Ok(octets),
                    None => value::from_hex(value, Some(length)).map_err(|_| {
                        Refusal::value(
                            format_args!("{length} letters, or octets in hexadecimal digits"),
                            value,
                        )
                    }),
                }
            }
        }
    }
}

fn encode_number(value: &Value, length: usize) -> Encoded {
    let largest = (1_i64 << (8 * length.min(4))) - 1;
    let octets = value::number(value, 0..=largest)?.to_be_bytes();
    Ok(octets.into_iter().skip(octets.len().saturating_sub(length)).collect())
}
