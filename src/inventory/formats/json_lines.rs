//! Subscriptions as JSON lines: each line one object, whose members are named as the columns of a CSV. Values are texts,
//! since a number would lose the zeros before it; `null` and `""` say nothing.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::{FormatError, Options, Row, RowSource};
use crate::inventory::rows::{Delivered, Heading};
use crate::profile::personal_row::{Layout, LayoutError, Lines, RowData, RowError, RowFault, RowReader};

/// The most members of an object.
const MAX_MEMBERS: usize = 256;

/// A value of an object.
pub(super) enum Value<'a> {
    /// A text as it stands.
    Text(&'a str),
    /// A text that had escapes.
    Unescaped(Zeroizing<String>),
    /// A whole number.
    Number(u64),
    /// Nothing.
    Null,
    /// Anything else.
    Other,
}

impl<'a> Value<'a> {
    /// The text; empty for nothing, `None` for what is no text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            Self::Unescaped(text) => Some(text.trim()),
            Self::Null => Some(""),
            Self::Number(_) | Self::Other => None,
        }
    }
}

/// One object, its members in their order.
pub(super) struct Object<'a> {
    pub(super) members: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Object<'a> {
    /// Reads one object; `None` for anything else.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(serde::de::Error::custom("too many members"));
                    }
                    members.push((name.0, map.next_value()?));
                }
                Ok(Object { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Unescaped(text) => Cow::Owned(text.as_str().to_owned()),
            Value::Number(_) | Value::Null | Value::Other => Cow::Borrowed(""),
        }))
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Text(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
                Ok(Value::Unescaped(Zeroizing::new(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
                Ok(Value::Number(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
                Ok(Value::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
                Ok(Value::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
                Ok(Value::Other)
            }

            fn visit_unit<E>(self) -> Result<Value<'de>, E> {
                Ok(Value::Null)
            }

            /// Several texts are one with blanks between, as in a CSV.
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
                let mut joined = Zeroizing::new(String::new());
                while let Some(value) = list.next_element::<Value<'de>>()? {
                    let Some(text) = value.text() else {
                        while list.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Value::Other);
                    };
                    if !joined.is_empty() {
                        joined.push(' ');
                    }
                    joined.push_str(text);
                }
                Ok(Value::Unescaped(joined))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Makes ready to read the lines.
pub(super) fn open<'a, R: Read + 'a>(
    input: R,
    options: &'a Options,
) -> Result<(Heading, Box<dyn RowSource + 'a>), FormatError> {
    let heading = Heading::default();
    let rows = RowReader::of_named_values(options.settings(&heading)?);
    let lines = Lines::new(input);
    let objects = Objects { lines, rows, names: Vec::new(), layout: None, passed_over: &options.passed_over };
    Ok((heading, Box::new(objects)))
}

struct Objects<'a, R> {
    lines: Lines<R>,
    rows: RowReader<'a>,
    /// The names of the last row: most rows have the same ones.
    names: Vec<String>,
    /// Their layout.
    layout: Option<Layout>,
    passed_over: &'a [String],
}

impl<R: Read> RowSource for Objects<'_, R> {
    fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        let longest = self.lines.longest();
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            if line.is_blank() {
                continue;
            }
            let number = line.number;
            let Self { rows, names, layout, passed_over, .. } = self;
            let outcome = line.text(longest).map_err(|error| vec![error]);
            let outcome = outcome.and_then(|text| read(rows, names, layout, passed_over, number, text));
            let outcome = outcome.map(|row| Delivered::Subscription(Box::new(row)));
            return Ok(Some(Row { line: number, outcome }));
        }
    }
}

fn read(
    rows: &mut RowReader<'_>,
    names: &mut Vec<String>,
    known: &mut Option<Layout>,
    passed_over: &[String],
    line: usize,
    text: &str,
) -> Result<RowData, Vec<RowError>> {
    let refused = |fault| vec![RowError::new(line, None, fault)];
    let object = Object::read(text).ok_or_else(|| refused(RowFault::NotObject))?;
    let is_same = |(name, (other, _)): (&String, &(Cow<'_, str>, Value<'_>))| name == other;
    let is_known = names.len() == object.members.len() && names.iter().zip(&object.members).all(is_same);
    if !is_known || known.is_none() {
        let layout = Layout::new(object.members.iter().map(|(name, _)| name.as_ref()), passed_over);
        *known = Some(layout.map_err(|error| match error {
            LayoutError::Unknown { position } => refused(RowFault::UnknownMember(position)),
            LayoutError::Repeated(column) => {
                vec![RowError::new(line, Some(column), RowFault::RepeatedMember)]
            }
            LayoutError::Missing(_) => refused(RowFault::Empty),
        })?);
        *names = object.members.iter().map(|(name, _)| name.as_ref().to_owned()).collect();
    }
    let Some(layout) = known else { return Err(refused(RowFault::NotObject)) };
    let values: Option<Vec<&str>> = object.members.iter().map(|(_, value)| value.text()).collect();
    let values = values.ok_or_else(|| refused(RowFault::NotObject))?;
    rows.read_as(layout, line, &values)
}
