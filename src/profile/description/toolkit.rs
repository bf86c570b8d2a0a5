//! Toolkit parameters of an application instance (TS 102 226 8.2.1.3.2.2): what it may use, and where messages reach
//! it.

use toml::{Table, Value};

use super::error::Problem;
use super::leaf::{array_of, digits, octet_of, octets_of};

/// The members in order; the lengths of lists are counted.
const PRIORITY: &str = "priority";
const TIMERS: &str = "timers";
const TEXT_LENGTH: &str = "maximum_text_length";
const MENU: &str = "menu_entries";
const CHANNELS: &str = "channels";
const SECURITY_LEVEL: &str = "minimum_security_level";
const TARS: &str = "tars";
const SERVICES: &str = "services";

/// The parameters as a table; `None` if they are coded in another way.
pub(super) fn decode(octets: &[u8]) -> Option<Value> {
    let mut cursor = octets;
    let mut next = || {
        let (first, rest) = cursor.split_first()?;
        cursor = rest;
        Some(*first)
    };
    let mut table = Table::new();
    let number = |octet: u8| Value::Integer(i64::from(octet));
    for name in [PRIORITY, TIMERS, TEXT_LENGTH] {
        table.insert(name.to_owned(), number(next()?));
    }
    let mut menu = Vec::new();
    for _ in 0..next()? {
        menu.push(digits(&[next()?, next()?]));
    }
    table.insert(MENU.to_owned(), Value::Array(menu));
    table.insert(CHANNELS.to_owned(), number(next()?));
    let level: Vec<u8> = (0..next()?).map(|_| next()).collect::<Option<_>>()?;
    table.insert(SECURITY_LEVEL.to_owned(), digits(&level));
    let tars = next()?;
    let mut list = Vec::new();
    for _ in 0..tars / 3 {
        list.push(digits(&[next()?, next()?, next()?]));
    }
    table.insert(TARS.to_owned(), Value::Array(list));
    if !cursor.is_empty() {
        let (services, rest) = cursor.split_first()?;
        table.insert(SERVICES.to_owned(), number(*services));
        if !rest.is_empty() {
            return None;
        }
    }
    Some(Value::Table(table))
}

/// The octets of the parameters.
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, Problem> {
    let table = value.as_table().ok_or_else(|| Problem::expected("a table of toolkit parameters", value))?;
    let all = [PRIORITY, TIMERS, TEXT_LENGTH, MENU, CHANNELS, SECURITY_LEVEL, TARS, SERVICES];
    if let Some(unknown) = table.keys().find(|name| !all.contains(&name.as_str())) {
        return Err(Problem::unknown(unknown, &all));
    }
    let octet =
        |name: &'static str| table.get(name).map_or(Ok(0), octet_of).map_err(|problem| problem.under(name));
    let list = |name: &'static str, size: usize| -> Result<Vec<u8>, Problem> {
        let mut octets = Vec::new();
        for item in table.get(name).map_or(Ok(&[][..]), array_of).map_err(|problem| problem.under(name))? {
            let item = octets_of(item).map_err(|problem| problem.under(name))?;
            if item.len() != size {
                return Err(
                    Problem::Value(format!("{size} octets expected, {} given", item.len())).under(name)
                );
            }
            octets.extend(item);
        }
        Ok(octets)
    };
    let counted = |octets: Vec<u8>, unit: usize, name: &'static str| -> Result<Vec<u8>, Problem> {
        let count = u8::try_from(octets.len() / unit)
            .map_err(|_| Problem::Spelling("at most 255 octets").under(name))?;
        Ok([vec![count], octets].concat())
    };
    let mut octets = vec![octet(PRIORITY)?, octet(TIMERS)?, octet(TEXT_LENGTH)?];
    octets.extend(counted(list(MENU, 2)?, 2, MENU)?);
    octets.push(octet(CHANNELS)?);
    let level = table.get(SECURITY_LEVEL).map_or(Ok(Vec::new()), octets_of);
    octets.extend(counted(level.map_err(|problem| problem.under(SECURITY_LEVEL))?, 1, SECURITY_LEVEL)?);
    octets.extend(counted(list(TARS, 3)?, 1, TARS)?);
    if table.contains_key(SERVICES) {
        octets.push(octet(SERVICES)?);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_the_reference_are_read_and_written() {
        // TS.48: application references B20100 and 000000, minimum security level 2.
        let octets = hex::decode("010000000002010206B2010000000000").unwrap();
        let value = decode(&octets).unwrap();
        let table = value.as_table().unwrap();
        assert_eq!(table[TARS], Value::Array(vec![digits(&[0xB2, 1, 0]), digits(&[0, 0, 0])]));
        assert_eq!(table[SECURITY_LEVEL], digits(&[1, 2]));
        assert_eq!(encode(&value).unwrap(), octets);
        for end in 0..octets.len() - 1 {
            assert!(decode(&octets[..end]).is_none(), "{end}");
        }
    }
}
