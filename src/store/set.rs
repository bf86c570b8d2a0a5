//! The rows that set statements take: what a change writes, as values that either engine binds.
//!
//! [`set_row!`] defines the type of such rows. Its fields are columns of the same names: integers, text and octets, each
//! of them or none. A field that is such a row itself stands for all columns of that row.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};

use super::StoreError;

/// The value of a column; it borrows what a row holds.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Octets(&'a [u8]),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Octets(octets)
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// For PostgreSQL, which decodes the octets again.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Octets(octets) => serializer.serialize_str(&hex::encode(octets)),
        }
    }
}

/// What fills columns of a row: one value, or a row of several.
pub(super) trait Columns {
    /// How many columns.
    const WIDTH: usize;

    /// The names of the columns; `field` is the name of the field itself.
    fn names(field: &'static str, names: &mut Vec<&'static str>);

    /// The values, in the order of the names.
    fn values<'a>(&'a self, values: &mut Vec<Value<'a>>);
}

macro_rules! one_column {
    ($type:ty, $value:ident => $made:expr $(, $length:ident)?) => {
        impl $(<const $length: usize>)? Columns for $type {
            const WIDTH: usize = 1;

            fn names(field: &'static str, names: &mut Vec<&'static str>) {
                names.push(field);
            }

            fn values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
                let $value = self;
                values.push($made);
            }
        }
    };
}

one_column!(i64, value => Value::Integer(*value));
one_column!(String, text => Value::Text(text));
one_column!(&str, text => Value::Text(text));
one_column!(Vec<u8>, octets => Value::Octets(octets));
one_column!(&[u8], octets => Value::Octets(octets));
one_column!([u8; N], octets => Value::Octets(octets), N);

impl<T: Columns> Columns for Option<T> {
    const WIDTH: usize = T::WIDTH;

    fn names(field: &'static str, names: &mut Vec<&'static str>) {
        T::names(field, names);
    }

    fn values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        match self {
            Some(some) => some.values(values),
            None => values.extend(std::iter::repeat_n(Value::Null, T::WIDTH)),
        }
    }
}

/// What goes with a row and fills no column of it.
pub(super) struct Beside<T>(pub(super) T);

impl<T> Columns for Beside<T> {
    const WIDTH: usize = 0;

    fn names(_: &'static str, _: &mut Vec<&'static str>) {}

    fn values<'a>(&'a self, _: &mut Vec<Value<'a>>) {}
}

/// The type of the rows of a set: a `struct` whose fields are columns.
macro_rules! set_row {
    (
        $(#[$about:meta])*
        $visibility:vis struct $name:ident $(<$lifetime:lifetime>)? {
            $($(#[$field_about:meta])* $field_visibility:vis $field:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$about])*
        $visibility struct $name $(<$lifetime>)? {
            $($(#[$field_about])* $field_visibility $field: $type),+
        }

        impl $(<$lifetime>)? $crate::store::set::Columns for $name $(<$lifetime>)? {
            const WIDTH: usize = 0 $(+ <$type as $crate::store::set::Columns>::WIDTH)+;

            fn names(_: &'static str, names: &mut Vec<&'static str>) {
                $(<$type as $crate::store::set::Columns>::names(stringify!($field), names);)+
            }

            fn values<'values>(&'values self, values: &mut Vec<$crate::store::set::Value<'values>>) {
                $($crate::store::set::Columns::values(&self.$field, values);)+
            }
        }
    };
}

pub(super) use set_row;

/// The rows of a set statement; it may have columns that the statement does not ask for.
pub(super) struct Set<'a> {
    names: Vec<&'static str>,
    /// Row by row.
    values: Vec<Value<'a>>,
}

impl<'a> Set<'a> {
    /// Rows of one type.
    pub(super) fn of<R: Columns + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Self {
        let rows = rows.into_iter();
        let mut names = Vec::with_capacity(R::WIDTH);
        let mut values = Vec::with_capacity(R::WIDTH * rows.size_hint().0);
        R::names("", &mut names);
        for row in rows {
            row.values(&mut values);
        }
        Self { names, values }
    }

    /// Rows whose values stand elsewhere, in the order of `names`.
    pub(super) fn rows_of<const N: usize>(
        names: [&'static str; N],
        rows: impl Iterator<Item = [Value<'a>; N]>,
    ) -> Self {
        Self { names: names.to_vec(), values: rows.flatten().collect() }
    }

    /// Rows of one column.
    pub(super) fn column<V: Into<Value<'a>>>(name: &'static str, values: impl Iterator<Item = V>) -> Self {
        Self { names: vec![name], values: values.map(Into::into).collect() }
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The rows, each with a value for every name.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[Value<'a>]> {
        self.values.chunks_exact(self.names.len().max(1))
    }

    /// The value of the first column in each row, if it is text.
    pub(super) fn keys(&self) -> impl Iterator<Item = Option<&'a str>> {
        self.rows().map(|row| match row.first() {
            Some(Value::Text(text)) => Some(*text),
            Some(Value::Null | Value::Integer(_) | Value::Octets(_)) | None => None,
        })
    }

    /// The rows as objects of one JSON array.
    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self)
            .map_err(|cause| StoreError::Database(Arc::new(sqlx::Error::Encode(cause.into()))))
    }
}

impl Serialize for Set<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(None)?;
        for values in self.rows() {
            rows.serialize_element(&NamedRow { names: &self.names, values })?;
        }
        rows.end()
    }
}

struct NamedRow<'a> {
    names: &'a [&'static str],
    values: &'a [Value<'a>],
}

impl Serialize for NamedRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.names.len()))?;
        for (name, value) in self.names.iter().zip(self.values) {
            row.serialize_entry(name, value)?;
        }
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    set_row! {
        struct Inner<'a> {
            x: i64,
            y: Option<&'a str>,
        }
    }

    set_row! {
        /// With another one in it.
        struct Outer<'a> {
            key: String,
            octets: [u8; 2],
            inner: Option<Inner<'a>>,
            beside: Beside<u8>,
            last: Option<Vec<u8>>,
        }
    }

    #[test]
    fn a_row_inside_a_row_has_its_columns_there_or_nulls() {
        let inner = Inner { x: 7, y: Some("why") };
        let rows = [
            Outer {
                key: "a".to_owned(),
                octets: [1, 255],
                inner: Some(inner),
                beside: Beside(3),
                last: None,
            },
            Outer {
                key: "b".to_owned(),
                octets: [2, 0],
                inner: None,
                beside: Beside(4),
                last: Some(vec![9]),
            },
        ];
        let set = Set::of(&rows);
        assert_eq!(set.names(), ["key", "octets", "x", "y", "last"]);
        assert_eq!(set.rows().count(), 2);
        assert_eq!(
            set.to_json().unwrap(),
            r#"[{"key":"a","octets":"01ff","x":7,"y":"why","last":null},{"key":"b","octets":"0200","x":null,"y":null,"last":"09"}]"#
        );
        assert_eq!(rows[0].beside.0 + rows[1].beside.0, 7);
    }

    #[test]
    fn a_set_of_one_column_and_a_set_of_nothing() {
        assert_eq!(
            Set::column("iccid", ["1", "2"].into_iter()).to_json().unwrap(),
            r#"[{"iccid":"1"},{"iccid":"2"}]"#
        );
        let none: [Inner<'_>; 0] = [];
        assert_eq!(Set::of(&none).to_json().unwrap(), "[]");
    }
}
