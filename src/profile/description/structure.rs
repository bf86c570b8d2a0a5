//! Types into tables and back, by the [`super::grammar`].
//!
//! Reading is honest: a value is taken into words only if those words are written as the same octets again. What is
//! not stays as `{ hex = "…" }`, its value octets, or `{ der = "…" }`, the whole TLV, and nothing around it suffers.

use simyard_asn1::saip::{ElementKind, MAX_PACKAGE};
use simyard_asn1::{Reader, Tag, Tlv, Writer};
use toml::{Table, Value};

use super::error::Problem;
use super::grammar::{self, Form, Member};
use super::leaf::{self, array_of, digits, octets_of};
use super::{Context, file};

/// The members that stand for octets.
const HEX: &str = "hex";
const DER: &str = "der";
/// What begins the name of a member that the grammar does not know; its tag follows.
const UNKNOWN: &str = "tag-";
/// The deepest nesting of a description. The types of the module nest less.
const MAX_DEPTH: usize = 24;

/// A value in words.
pub(super) fn read(member: &Member, tlv: &Tlv<'_>, context: &Context<'_>) -> Value {
    if let Some(value) = in_words(member.form, tlv, context) {
        let mut writer = Writer::new();
        if write(member, &value, context, &mut writer).is_ok() && writer.finish() == tlv.raw {
            return value;
        }
    }
    let mut writer = Writer::new();
    writer.tlv(Tag(member.tag), tlv.value);
    if writer.finish() == tlv.raw && !tlv.tag.is_constructed() {
        return octets_as(HEX, tlv.value);
    }
    octets_as(DER, tlv.raw)
}

/// Octets as the table that stands for them.
pub(super) fn hexadecimal(octets: &[u8]) -> Value {
    octets_as(HEX, octets)
}

fn octets_as(key: &str, octets: &[u8]) -> Value {
    let mut table = Table::new();
    table.insert(key.to_owned(), digits(octets));
    Value::Table(table)
}

/// The octets of a table that stands for them; `None` for any other value.
pub(super) fn from_hexadecimal(value: &Value) -> Option<Result<Vec<u8>, Problem>> {
    only(value, HEX).map(octets_of)
}

fn only<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let table = value.as_table().filter(|table| table.len() == 1)?;
    table.get(key)
}

fn in_words(form: Form, tlv: &Tlv<'_>, context: &Context<'_>) -> Option<Value> {
    match form {
        Form::Record(members) => record(members, tlv.members(""), context).map(Value::Table),
        Form::List(item) => {
            let mut reader = tlv.members("");
            let mut items = Vec::new();
            while !reader.is_empty() {
                let one = reader.read().ok()?;
                items.push(read(item, &one, context));
            }
            Some(Value::Array(items))
        }
        Form::Choice(members) => {
            let mut reader = tlv.members("");
            let chosen = reader.read().ok()?;
            let member = members.iter().find(|member| member.tag == chosen.tag.0)?;
            reader.finish().ok()?;
            let mut table = Table::new();
            table.insert(member.name.to_owned(), read(member, &chosen, context));
            Some(Value::Table(table))
        }
        Form::Commands => file::read_commands(tlv, context),
        Form::Pattern => Some(file::read_pattern(tlv.value, context)),
        Form::Command => Some(file::read_command(tlv.value)),
        Form::Files => None,
        _ => leaf::decode(form, tlv.value),
    }
}

/// The members of a SEQUENCE in words; `None` where they are out of order or doubled.
pub(super) fn record(members: &[Member], mut reader: Reader<'_>, context: &Context<'_>) -> Option<Table> {
    let mut table = Table::new();
    let mut rest = members;
    while !reader.is_empty() {
        if let [Member { name, form: Form::Files, .. }] = rest {
            table.insert((*name).to_owned(), file::read_files(reader, context)?);
            return Some(table);
        }
        let tlv = reader.read().ok()?;
        let place = rest.iter().position(|member| member.tag == tlv.tag.0);
        match place.and_then(|place| Some((rest.get(place)?, rest.get(place + 1..)?))) {
            Some((member, behind)) => {
                table.insert(member.name.to_owned(), read(member, &tlv, context));
                rest = behind;
            }
            None => {
                let name = format!("{UNKNOWN}{}", tlv.tag);
                if table.insert(name, digits(tlv.value)).is_some() {
                    return None;
                }
            }
        }
    }
    Some(table)
}

/// Refuses what has grown longer than any package: a few words can stand for many octets.
pub(super) fn within_package(writer: &Writer) -> Result<(), Problem> {
    if writer.len() <= MAX_PACKAGE {
        return Ok(());
    }
    Err(Problem::Value(format!("a package has at most {MAX_PACKAGE} octets")))
}

/// Writes a member from words.
pub(super) fn write(
    member: &Member,
    value: &Value,
    context: &Context<'_>,
    writer: &mut Writer,
) -> Result<(), Problem> {
    if let Some(der) = only(value, DER) {
        writer.raw(&octets_of(der)?);
        return Ok(());
    }
    let octets = match from_hexadecimal(value) {
        Some(octets) => octets?,
        None => value_octets(member.form, value, context)?,
    };
    writer.tlv(Tag(member.tag), &octets);
    Ok(())
}

fn value_octets(form: Form, value: &Value, context: &Context<'_>) -> Result<Vec<u8>, Problem> {
    match form {
        Form::Record(members) => {
            let mut writer = Writer::new();
            write_record(members, table_of(value)?, context, &mut writer)?;
            Ok(writer.finish())
        }
        Form::List(item) => {
            let mut writer = Writer::new();
            for (number, one) in (1..).zip(array_of(value)?) {
                write(item, one, context, &mut writer)
                    .and_then(|()| within_package(&writer))
                    .map_err(|problem: Problem| problem.under(format!("number {number}")))?;
            }
            Ok(writer.finish())
        }
        Form::Choice(members) => {
            let names: Vec<&str> = members.iter().map(|member| member.name).collect();
            let table = table_of(value)?;
            let mut entries = table.iter();
            let (Some((name, chosen)), None) = (entries.next(), entries.next()) else {
                return Err(Problem::Value(format!("exactly one of {} expected", names.join(", "))));
            };
            let member = members.iter().find(|member| member.name == name);
            let member = member.ok_or_else(|| Problem::unknown(name, &names))?;
            let mut writer = Writer::new();
            write(member, chosen, context, &mut writer).map_err(|problem| problem.under(name))?;
            Ok(writer.finish())
        }
        Form::Commands => file::write_commands(value, context),
        Form::Pattern => file::write_pattern(value, context),
        Form::LoadFile => file::write_load_file(value, context),
        Form::Command => file::write_command(value),
        _ => leaf::encode(form, value),
    }
}

pub(super) fn table_of(value: &Value) -> Result<&Table, Problem> {
    value.as_table().ok_or_else(|| Problem::expected("a table", value))
}

/// Writes the members of a SEQUENCE in the order of the module, those that are not known behind them.
pub(super) fn write_record(
    members: &[Member],
    table: &Table,
    context: &Context<'_>,
    writer: &mut Writer,
) -> Result<(), Problem> {
    for member in members {
        let Some(value) = table.get(member.name) else { continue };
        let written = match member.form {
            Form::Files => file::write_files(value, context, writer),
            _ => write(member, value, context, writer),
        };
        written.map_err(|problem| problem.under(member.name))?;
    }
    for (name, value) in table {
        if members.iter().any(|member| member.name == name) {
            continue;
        }
        let tag = name.strip_prefix(UNKNOWN).and_then(|tag| u32::from_str_radix(tag, 16).ok());
        let Some(tag) = tag else {
            let known: Vec<&str> = members.iter().map(|member| member.name).collect();
            return Err(Problem::unknown(name, &known));
        };
        writer.tlv(Tag(tag), &octets_of(value).map_err(|problem| problem.under(name))?);
    }
    Ok(())
}

/// How deep a value of a description is nested.
pub(super) fn is_too_deep(value: &Value, depth: usize) -> bool {
    depth > MAX_DEPTH
        || match value {
            Value::Array(items) => items.iter().any(|item| is_too_deep(item, depth + 1)),
            Value::Table(table) => table.values().any(|item| is_too_deep(item, depth + 1)),
            _ => false,
        }
}

/// An element in words, without its kind.
pub(super) fn read_element(kind: ElementKind, tlv: &Tlv<'_>, context: &Context<'_>) -> Option<Table> {
    let members = grammar::members(kind)?;
    let table = record(members, tlv.members(kind.name()), context)?;
    let mut writer = Writer::new();
    write_element(kind, &table, context, &mut writer).ok()?;
    (writer.finish() == tlv.raw).then_some(table)
}

/// An element from words, without its kind.
pub(super) fn write_element(
    kind: ElementKind,
    table: &Table,
    context: &Context<'_>,
    writer: &mut Writer,
) -> Result<(), Problem> {
    let members = grammar::members(kind).ok_or(Problem::Missing(DER))?;
    let mut value = Writer::new();
    write_record(members, table, context, &mut value)?;
    writer.tlv(kind.tag(), &value.finish());
    Ok(())
}
