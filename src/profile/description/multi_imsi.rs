//! The data of a multi-IMSI applet in words ([`crate::profile::multi_imsi`]).
//!
//! ```toml
//! [multi_imsi]
//! first = 1
//! retry_seconds = 240
//! return_hours = 24
//! entries = [
//!   { index = 1, imsi = "724680000000001", key = 0, networks = ["724"], role = "brazil" },
//!   { index = 2, imsi = "901405100000001", key = 0, rotation_days = 60, role = "global" },
//! ]
//! ```
//!
//! In processData, `{ multi_imsi = … }` and `{ multi_imsi_keys = [{ reference = 1, algorithm = "milenage", key = "…",
//! opc = "…" }] }` stand for one STORE DATA command each; as content of a file, `{ multi_imsi = … }` is the table.

use toml::{Table as Words, Value};

use super::error::Problem;
use super::grammar::ALGORITHMS;
use super::leaf::{array_of, digits, integer_of, octet_of, octets_of, text, text_of};
use super::structure::table_of;
use crate::ident::Imsi;
use crate::profile::content::{plmn_of, plmn_text};
use crate::profile::multi_imsi::{
    Entry, KeySet, Table, key_sets, key_sets_to_octets, store_data, stored_data,
};

/// The member that holds a table.
pub(in crate::profile) const TABLE: &str = "multi_imsi";
const KEYS: &str = "multi_imsi_keys";
/// The length of the file, where FF fills it behind the table.
const LENGTH: &str = "length";

const TABLE_MEMBERS: [&str; 4] = ["first", "retry_seconds", "return_hours", "entries"];
const ENTRY_MEMBERS: [&str; 6] = ["index", "imsi", "key", "networks", "rotation_days", "role"];
const KEY_MEMBERS: [&str; 4] = ["reference", "algorithm", "key", "opc"];

/// The content of a file in words, if it is a table.
pub(in crate::profile) fn read_content(octets: &[u8]) -> Option<Value> {
    let table = Table::from_octets(octets).ok()?;
    let mut words = Words::from_iter([(TABLE.to_owned(), read_table(&table)?)]);
    if table.to_octets().len() < octets.len() {
        words.insert(LENGTH.to_owned(), Value::Integer(i64::try_from(octets.len()).ok()?));
    }
    Some(Value::Table(words))
        .filter(|words| write_content(words).is_some_and(|back| back.is_ok_and(|back| back == octets)))
}

/// The content of a file from words; `None` if they are no table of this kind.
pub(super) fn write_content(value: &Value) -> Option<Result<Vec<u8>, Problem>> {
    let table = value.as_table()?.get(TABLE)?;
    let length = value.as_table()?.get(LENGTH);
    Some(write_table(table).map_err(|problem| problem.under(TABLE)).and_then(|mut octets| {
        let length = length.map(integer_of).transpose()?.and_then(|length| usize::try_from(length).ok());
        let length = length.unwrap_or(octets.len());
        if length < octets.len() || length > usize::from(u16::MAX) {
            return Err(Problem::Value(format!("the table has {} octets", octets.len())).under(LENGTH));
        }
        octets.resize(length, 0xFF);
        Ok(octets)
    }))
}

/// A command to the applet in words, if it stores a table or keys.
pub(in crate::profile) fn read_command(octets: &[u8]) -> Option<Value> {
    let data = stored_data(octets)?;
    let (name, words) = match Table::from_octets(data) {
        Ok(table) => (TABLE, read_table(&table)?),
        Err(_) => (KEYS, read_keys(&key_sets(data).ok()?)),
    };
    let words = Value::Table(Words::from_iter([(name.to_owned(), words)]));
    Some(words).filter(|words| write_command(words).is_some_and(|back| back.is_ok_and(|back| back == octets)))
}

/// A command from words; `None` if they are neither table nor keys.
pub(super) fn write_command(value: &Value) -> Option<Result<Vec<u8>, Problem>> {
    let words = value.as_table()?;
    let data = match (words.get(TABLE), words.get(KEYS)) {
        (Some(table), None) => write_table(table).map_err(|problem| problem.under(TABLE)),
        (None, Some(keys)) => write_keys(keys).map_err(|problem| problem.under(KEYS)),
        _ => return None,
    };
    Some(data.and_then(|data| {
        let too_long = || Problem::Value(format!("{} octets; a command takes 255, so divide it", data.len()));
        store_data(&data).ok_or_else(too_long)
    }))
}

fn read_table(table: &Table) -> Option<Value> {
    let mut words = Words::new();
    words.insert("first".to_owned(), Value::Integer(table.first.into()));
    words.insert("retry_seconds".to_owned(), Value::Integer(table.retry_seconds.into()));
    if let Some(hours) = table.return_hours {
        words.insert("return_hours".to_owned(), Value::Integer(hours.into()));
    }
    let entries = table.entries.iter().map(read_entry).collect::<Option<_>>()?;
    words.insert("entries".to_owned(), Value::Array(entries));
    Some(Value::Table(words))
}

fn read_entry(entry: &Entry) -> Option<Value> {
    let mut words = Words::new();
    words.insert("index".to_owned(), Value::Integer(entry.index.into()));
    words.insert("imsi".to_owned(), text(entry.imsi.as_str()));
    words.insert("key".to_owned(), Value::Integer(entry.key.into()));
    if !entry.networks.is_empty() {
        let networks =
            entry.networks.iter().map(|octets| network(*octets).map(text)).collect::<Option<_>>()?;
        words.insert("networks".to_owned(), Value::Array(networks));
    }
    if let Some(days) = entry.rotation_days {
        words.insert("rotation_days".to_owned(), Value::Integer(days.into()));
    }
    words.insert("role".to_owned(), text(entry.role.as_str()));
    Some(Value::Table(words))
}

fn write_table(value: &Value) -> Result<Vec<u8>, Problem> {
    let words = members(value, &TABLE_MEMBERS)?;
    let number = |name: &'static str| -> Result<Option<u16>, Problem> {
        let number = words.get(name).map(integer_of).transpose().map_err(|problem| problem.under(name))?;
        number
            .map(|number| {
                u16::try_from(number).map_err(|_| Problem::Spelling("a number up to 65535").under(name))
            })
            .transpose()
    };
    let entries = array_of(required(words, "entries")?).map_err(|problem| problem.under("entries"))?;
    let entries = (1..).zip(entries).map(|(number, entry)| {
        write_entry(entry).map_err(|problem| problem.under(format!("entries: number {number}")))
    });
    let table = Table {
        first: octet_of(required(words, "first")?).map_err(|problem| problem.under("first"))?,
        retry_seconds: number("retry_seconds")?.ok_or(Problem::Missing("retry_seconds"))?,
        return_hours: number("return_hours")?,
        entries: entries.collect::<Result<_, _>>()?,
    };
    let octets = table.to_octets();
    Table::from_octets(&octets).map_err(|error| Problem::Value(error.to_string()))?;
    Ok(octets)
}

fn write_entry(value: &Value) -> Result<Entry, Problem> {
    let words = members(value, &ENTRY_MEMBERS)?;
    let imsi = text_of(required(words, "imsi")?).map_err(|problem| problem.under("imsi"))?;
    let networks = words.get("networks").map_or(Ok(&[][..]), array_of);
    let networks =
        networks.and_then(|networks| networks.iter().map(|one| network_octets(text_of(one)?)).collect());
    Ok(Entry {
        index: octet_of(required(words, "index")?).map_err(|problem| problem.under("index"))?,
        imsi: Imsi::parse(imsi).map_err(|error| Problem::Value(error.to_string()).under("imsi"))?,
        imsi_offset: 0,
        key: words.get("key").map_or(Ok(0), octet_of).map_err(|problem| problem.under("key"))?,
        networks: networks.map_err(|problem: Problem| problem.under("networks"))?,
        rotation_days: words
            .get("rotation_days")
            .map(octet_of)
            .transpose()
            .map_err(|problem| problem.under("rotation_days"))?,
        role: text_of(required(words, "role")?).map_err(|problem| problem.under("role"))?.to_owned(),
    })
}

/// A network: `262-01`, or `724` for a whole country. The table has no digits that match all.
fn network(octets: [u8; 3]) -> Option<String> {
    plmn_text(octets).filter(|text| !text.contains('D'))
}

fn network_octets(text: &str) -> Result<[u8; 3], Problem> {
    const SPELLING: Problem = Problem::Spelling("a network such as 262-01, or a country such as 724");
    plmn_of(text).filter(|_| !text.contains('D')).ok_or(SPELLING)
}

fn read_keys(sets: &[KeySet<'_>]) -> Value {
    let words = |set: &KeySet<'_>| {
        let name = ALGORITHMS.iter().find(|(number, _)| *number == i64::from(set.algorithm));
        let algorithm = name.map_or(Value::Integer(set.algorithm.into()), |(_, name)| text(*name));
        Value::Table(Words::from_iter([
            ("reference".to_owned(), Value::Integer(set.reference.into())),
            ("algorithm".to_owned(), algorithm),
            ("key".to_owned(), digits(set.key)),
            ("opc".to_owned(), digits(set.opc)),
        ]))
    };
    Value::Array(sets.iter().map(words).collect())
}

fn write_keys(value: &Value) -> Result<Vec<u8>, Problem> {
    let mut secrets = Vec::new();
    for (number, set) in (1..).zip(array_of(value)?) {
        let here = |problem: Problem| problem.under(format!("number {number}"));
        let words = members(set, &KEY_MEMBERS).map_err(here)?;
        let octets = |name| octets_of(required(words, name)?).map(zeroize::Zeroizing::new);
        let algorithm = match required(words, "algorithm").map_err(here)? {
            Value::String(name) => {
                let known = ALGORITHMS.iter().find(|(_, known)| known == name).map(|(number, _)| *number);
                u8::try_from(known.unwrap_or(-1)).map_err(|_| here(Problem::Spelling("milenage or tuak")))?
            }
            number => octet_of(number).map_err(here)?,
        };
        let reference = required(words, "reference").and_then(octet_of).map_err(here)?;
        secrets.push((reference, algorithm, octets("key").map_err(here)?, octets("opc").map_err(here)?));
    }
    let sets: Vec<KeySet<'_>> = secrets
        .iter()
        .map(|(reference, algorithm, key, opc)| KeySet {
            reference: *reference,
            algorithm: *algorithm,
            key,
            key_offset: 0,
            opc,
            opc_offset: 0,
        })
        .collect();
    let octets = key_sets_to_octets(&sets);
    key_sets(&octets).map_err(|error| Problem::Value(error.to_string()))?;
    Ok(octets.to_vec())
}

fn members<'v>(value: &'v Value, known: &[&str]) -> Result<&'v Words, Problem> {
    let words = table_of(value)?;
    match words.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(Problem::unknown(unknown, known)),
        None => Ok(words),
    }
}

fn required<'v>(words: &'v Words, name: &'static str) -> Result<&'v Value, Problem> {
    words.get(name).ok_or(Problem::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_go_both_ways() {
        for (text, octets) in
            [("262-01", [0x62, 0xF2, 0x10]), ("310-410", [0x13, 0x00, 0x14]), ("724", [0x27, 0xF4, 0xFF])]
        {
            assert_eq!(network_octets(text).unwrap(), octets, "{text}");
            assert_eq!(network(octets).as_deref(), Some(text));
        }
        for wrong in [
            "", "26", "262-", "262-1", "262-0123", "2622", "262-AB", "262-01-1", "262-01A", "262-D1",
            "262-FFF", "724-",
        ] {
            assert!(network_octets(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_stands_in_a_file_and_in_a_command() {
        let text = r#"
            [multi_imsi]
            first = 1
            retry_seconds = 240
            return_hours = 24
            entries = [
              { index = 1, imsi = "724680000000001", key = 0, networks = ["724"], role = "brazil" },
              { index = 2, imsi = "901405100000001", key = 1, rotation_days = 60, role = "global" },
            ]
        "#;
        let mut words: Words = toml::from_str(text).unwrap();
        let command = write_command(&Value::Table(words.clone())).unwrap().unwrap();
        assert_eq!(read_command(&command), Some(Value::Table(words.clone())));
        words.insert(LENGTH.to_owned(), Value::Integer(200));
        let octets = write_content(&Value::Table(words.clone())).unwrap().unwrap();
        assert_eq!(octets.len(), 200);
        assert_eq!(read_content(&octets), Some(Value::Table(words.clone())));
        words.insert(LENGTH.to_owned(), Value::Integer(20));
        let error = write_content(&Value::Table(words)).unwrap().unwrap_err();
        assert!(error.to_string().starts_with("length: the table has"), "{error}");
    }

    #[test]
    fn keys_go_to_the_applet() {
        let text = "multi_imsi_keys = [{ reference = 1, algorithm = \"milenage\", key = \"00112233445566778899AABBCCDDEEFF\", opc = \"FFEEDDCCBBAA99887766554433221100\" }]";
        let words = Value::Table(toml::from_str(text).unwrap());
        let command = write_command(&words).unwrap().unwrap();
        assert_eq!(read_command(&command), Some(words));
        let short = Value::Table(
            toml::from_str(
                "multi_imsi_keys = [{ reference = 1, algorithm = 1, key = \"00\", opc = \"00\" }]",
            )
            .unwrap(),
        );
        assert!(write_command(&short).unwrap().is_err());
    }
}
