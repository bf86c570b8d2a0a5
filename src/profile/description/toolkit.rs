//! Toolkit parameters of an application instance (TS 102 226 8.2.1.3.2.2): what it may use, and where messages reach
//! it.

use toml::Value;

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

/// The parameters as they stand.
pub(in crate::profile) struct ToolkitParameters<'a> {
    priority: u8,
    timers: u8,
    text_length: u8,
    /// Position and identifier of each.
    menu: &'a [[u8; 2]],
    channels: u8,
    /// Minimum security level (TS 102 226 8.2.1.3.2.4.1).
    pub(in crate::profile) security_level: &'a [u8],
    /// Toolkit application references.
    pub(in crate::profile) tars: &'a [[u8; 3]],
    /// The highest number of services, which older versions do not have; anything behind it is not known.
    rest: &'a [u8],
}

impl<'a> ToolkitParameters<'a> {
    /// Reads parameters; `None` if they are coded in another way.
    pub(in crate::profile) fn read(octets: &'a [u8]) -> Option<Self> {
        let (head, rest) = octets.split_first_chunk::<4>()?;
        let [priority, timers, text_length, entries] = *head;
        let (menu, rest) = rest.split_at_checked(2 * usize::from(entries))?;
        let (channels, rest) = rest.split_first()?;
        let (security_level, rest) = counted(rest)?;
        let (tars, rest) = counted(rest)?;
        let (tars, []) = tars.as_chunks() else { return None };
        let menu = menu.as_chunks().0;
        Some(Self { priority, timers, text_length, menu, channels: *channels, security_level, tars, rest })
    }
}

/// The octets that a length in front of them counts, and what follows.
fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// The parameters as a table; `None` if they are coded in another way.
pub(super) fn decode(octets: &[u8]) -> Option<Value> {
    let read = ToolkitParameters::read(octets)?;
    let number = |octet: u8| Value::Integer(i64::from(octet));
    let mut members = vec![
        (PRIORITY, number(read.priority)),
        (TIMERS, number(read.timers)),
        (TEXT_LENGTH, number(read.text_length)),
        (MENU, Value::Array(read.menu.iter().map(|entry| digits(entry)).collect())),
        (CHANNELS, number(read.channels)),
        (SECURITY_LEVEL, digits(read.security_level)),
        (TARS, Value::Array(read.tars.iter().map(|tar| digits(tar)).collect())),
    ];
    match read.rest {
        [] => {}
        [services] => members.push((SERVICES, number(*services))),
        _ => return None,
    }
    Some(Value::Table(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
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
