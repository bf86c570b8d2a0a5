//! Reading and making values of TOML: members by name, numbers in their limits, octets in hexadecimal digits, flags by
//! name.

use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::error::Refusal;

/// What a codec makes of a value.
pub(super) type Encoded = Result<Vec<u8>, Refusal>;

/// Octets in upper-case hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> Value {
    Value::String(hex::encode_upper(octets))
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// A table of the members that are there, in this order.
pub(super) fn table<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Table(present.collect())
}

/// The octets of hexadecimal digits.
pub(super) fn from_hex(value: &Value, length: Option<usize>) -> Encoded {
    let expected = || match length {
        Some(length) => format!("{length} octets in hexadecimal digits"),
        None => "octets in hexadecimal digits".to_owned(),
    };
    let refuse = || Refusal::value(expected(), value);
    let octets = hex::decode(value.as_str().ok_or_else(refuse)?).map_err(|_| refuse())?;
    if length.is_none_or(|length| length == octets.len()) { Ok(octets) } else { Err(refuse()) }
}

/// A number within limits.
pub(super) fn number(value: &Value, limits: RangeInclusive<i64>) -> Result<i64, Refusal> {
    value.as_integer().filter(|number| limits.contains(number)).ok_or_else(|| {
        Refusal::value(format_args!("a number from {} to {}", limits.start(), limits.end()), value)
    })
}

/// One octet as a number.
pub(super) fn octet(value: &Value) -> Result<u8, Refusal> {
    let limits = 0..=i64::from(u8::MAX);
    u8::try_from(number(value, limits)?).map_err(|_| Refusal::value("a number from 0 to 255", value))
}

/// A text.
pub(super) fn string(value: &Value) -> Result<&str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::value("a text", value))
}

/// The entries of a list.
pub(super) fn list<'a>(value: &'a Value, expected: &str) -> Result<&'a [Value], Refusal> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Refusal::value(expected, value))
}

/// Encodes each entry of a list and joins the octets.
pub(super) fn each(value: &Value, expected: &str, encode: impl Fn(&Value) -> Encoded) -> Encoded {
    let mut octets = Vec::new();
    for (index, entry) in list(value, expected)?.iter().enumerate() {
        octets.extend(encode(entry).map_err(|refusal| refusal.entry(index))?);
    }
    Ok(octets)
}

/// The members of a table, all of them known.
pub(super) struct Members<'a>(&'a Table);

impl<'a> Members<'a> {
    /// The members of `value`, which must be a table with none but `known` members.
    pub(super) fn of(value: &'a Value, expected: &str, known: &[&str]) -> Result<Self, Refusal> {
        let table = value.as_table().ok_or_else(|| Refusal::value(expected, value))?;
        match table.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(Self(table)),
            Some((name, _)) => Err(Refusal::text(format_args!("the members {}", known.join(", ")), name)),
        }
    }

    /// A member, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// A member that must be there.
    pub(super) fn required(&self, name: &str, expected: &str) -> Result<&'a Value, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name, expected))
    }

    /// A text, if the member is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.read(name, string)
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<&'a str, Refusal> {
        string(self.required(name, "a text")?).map_err(|refusal| refusal.within(name))
    }

    /// A number within limits, if the member is there.
    pub(super) fn integer(&self, name: &str, limits: RangeInclusive<i64>) -> Result<Option<i64>, Refusal> {
        self.read(name, |value| number(value, limits.clone()))
    }

    /// One octet as a number, if the member is there.
    pub(super) fn octet(&self, name: &str) -> Result<Option<u8>, Refusal> {
        self.read(name, octet)
    }

    /// Octets, if the member is there; `length` of them where that is given.
    pub(super) fn hex(&self, name: &str, length: Option<usize>) -> Result<Option<Vec<u8>>, Refusal> {
        self.read(name, |value| from_hex(value, length))
    }

    /// What `read` makes of a member, if it is there; a refusal names the member.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        self.get(name).map(|value| read(value).map_err(|refusal| refusal.within(name))).transpose()
    }
}

/// Bits with names, and how many octets hold them. A bit without a name is written as the octets that hold it alone, in
/// hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags {
    /// Octets.
    pub(super) length: usize,
    /// Masks and their names.
    pub(super) names: &'static [(u32, &'static str)],
}

impl Flags {
    /// The names of the bits that are set, in the order of the table, then those without a name.
    pub(super) fn decode(self, octets: &[u8]) -> Value {
        let bits = octets.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet));
        let named = self.names.iter().filter(|(mask, _)| bits & mask != 0);
        let mut list: Vec<Value> = named.map(|(_, name)| text(*name)).collect();
        let known = self.names.iter().fold(0, |known, (mask, _)| known | mask);
        let unnamed = (0..u32::BITS).map(|bit| 1_u32 << bit).filter(|mask| bits & !known & mask != 0);
        list.extend(unnamed.map(|mask| text(self.digits(mask))));
        Value::Array(list)
    }

    fn digits(self, mask: u32) -> String {
        format!("{mask:0width$X}", width = self.length * 2)
    }

    /// The octets of a list of names.
    pub(super) fn encode(self, value: &Value) -> Encoded {
        let mut bits = 0_u32;
        for (index, entry) in list(value, "a list of names")?.iter().enumerate() {
            bits |= self.mask(entry).map_err(|refusal| refusal.entry(index))?;
        }
        let octets = bits.to_be_bytes();
        Ok(octets.into_iter().skip(octets.len().saturating_sub(self.length)).collect())
    }

    fn mask(self, value: &Value) -> Result<u32, Refusal> {
        let refuse = || {
            let names: Vec<&str> = self.names.iter().map(|(_, name)| *name).collect();
            let expected =
                format!("one of {}, or a bit as {} hexadecimal digits", names.join(", "), self.length * 2);
            Refusal::value(expected, value)
        };
        let word = value.as_str().ok_or_else(refuse)?;
        if let Some((mask, _)) = self.names.iter().find(|(_, name)| *name == word) {
            return Ok(*mask);
        }
        let mask = u32::from_str_radix(word, 16).ok().filter(|_| word.len() == self.length * 2);
        mask.ok_or_else(refuse)
    }
}
