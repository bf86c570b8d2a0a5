//! The columns of a file in their order.

use std::borrow::Cow;

use super::columns::{self, Column, KNOWN, KeyKind, Member};
use super::fault::RowError;
use super::{OtaSource, RowData, Settings, row};
use crate::profile::personal_data::Algorithm;

/// Why names are no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A column that is not known.
    #[error("column {position} is none of {KNOWN}")]
    Unknown {
        /// Its position, from 1. The name is not repeated: a file without a line of names has values there.
        position: usize,
    },
    /// A column that stands twice.
    #[error("column {0} stands twice")]
    Repeated(Cow<'static, str>),
    /// Columns that are absent.
    #[error("no column {}", .0.join(", "))]
    Missing(Vec<Cow<'static, str>>),
}

/// What stands at one place of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What it gives; nothing where it is passed over.
    pub(super) column: Option<Column>,
    /// Whether its name says that it is enciphered.
    pub(super) enciphered: bool,
}

/// The columns of a file in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub(super) places: Vec<Place>,
    /// How many subscriptions the columns can give.
    pub(super) subscriptions: usize,
}

impl Layout {
    /// Reads names, without regard to case, blanks, hyphens and underscores. Columns with a name among `passed_over` are
    /// not read.
    ///
    /// # Errors
    /// [`LayoutError::Unknown`], [`LayoutError::Repeated`].
    pub fn new<'n>(
        names: impl IntoIterator<Item = &'n str>,
        passed_over: &[String],
    ) -> Result<Self, LayoutError> {
        let mut places: Vec<Place> = Vec::new();
        for (at, name) in names.into_iter().enumerate() {
            let plain = columns::plain(name);
            if passed_over.iter().any(|other| columns::plain(other) == plain) {
                places.push(Place { column: None, enciphered: false });
                continue;
            }
            let (column, enciphered) =
                Column::parse_marked(name).ok_or(LayoutError::Unknown { position: at + 1 })?;
            if places.iter().any(|place| place.column == Some(column)) {
                return Err(LayoutError::Repeated(column.name()));
            }
            places.push(Place { column: Some(column), enciphered });
        }
        let used = places.iter().map(|place| match place.column {
            Some(Column::Of(place, _)) => place + 1,
            _ => 1,
        });
        Ok(Self { subscriptions: used.max().unwrap_or(1), places })
    }

    /// How many values a row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The names that messages use; none for a column that is passed over.
    pub fn names(&self) -> impl Iterator<Item = Option<Cow<'static, str>>> {
        self.places.iter().map(|place| place.column.map(Column::name))
    }

    /// Refuses a layout without the columns that no row can do without.
    ///
    /// # Errors
    /// [`LayoutError::Missing`].
    pub fn check(&self, settings: &Settings<'_>) -> Result<(), LayoutError> {
        let missing = self.missing(settings);
        if missing.is_empty() { Ok(()) } else { Err(LayoutError::Missing(missing)) }
    }

    /// Reads the values of a row, as many as there are columns.
    pub(super) fn read(
        &self,
        line: usize,
        values: &[&str],
        settings: &Settings<'_>,
    ) -> Result<RowData, Vec<RowError>> {
        let (expected, found) = (self.places.len(), values.len());
        if found != expected {
            let fault = super::RowFault::Values { expected, found };
            return Err(vec![RowError::new(line, None, fault)]);
        }
        row::read(self, line, values, settings)
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = Column> {
        self.places.iter().filter_map(|place| place.column)
    }

    /// Where a column stands.
    pub(super) fn place(&self, column: Column) -> Option<usize> {
        self.places.iter().position(|place| place.column == Some(column))
    }

    fn has(&self, column: Column) -> bool {
        self.place(column).is_some()
    }

    /// Whether some columns with keys of this kind are marked as enciphered; then the others are not.
    pub(super) fn marks(&self, kind: KeyKind) -> bool {
        let mut marked = self.places.iter().filter(|place| place.enciphered);
        marked.any(|place| place.column.and_then(Column::key_kind) == Some(kind))
    }

    /// The columns that no row can do without.
    fn missing(&self, settings: &Settings<'_>) -> Vec<Cow<'static, str>> {
        let of_home = [Member::Imsi, Member::Ki].map(|member| Column::Of(0, member));
        let codes = settings.codes.iter().map(|name| Column::Code(*name));
        // Keys that are shared need no column; a subscription does.
        let further = (1..settings.algorithms.len()).map(|place| Column::Of(place, Member::Imsi));
        let needed = std::iter::once(Column::Iccid).chain(of_home).chain(codes).chain(further);
        let mut missing: Vec<Cow<'static, str>> =
            needed.filter(|column| !self.has(*column)).map(Column::name).collect();
        let has = |member| self.has(Column::Of(0, member));
        if !has(Member::Algorithm) {
            let needed = match settings.algorithm(0) {
                Algorithm::Milenage => Some(("opc or op", [Member::Opc, Member::Op])),
                Algorithm::Tuak128 | Algorithm::Tuak256 => Some(("topc", [Member::Topc, Member::Opc])),
                Algorithm::XorTest => None,
            };
            missing.extend(
                needed
                    .filter(|(_, any)| !any.iter().any(|one| has(*one)))
                    .map(|(name, _)| Cow::Borrowed(name)),
            );
        }
        if let OtaSource::Row(keys) = &settings.ota {
            for (version, identifier) in keys {
                if self.ota_column(settings, *version, *identifier).is_none() {
                    missing.push(Column::OtaKey(Some(*version), *identifier).name());
                }
            }
        }
        missing
    }

    /// The column of a needed key.
    pub(super) fn ota_column(&self, settings: &Settings<'_>, version: u8, identifier: u8) -> Option<Column> {
        let named = Column::OtaKey(Some(version), identifier);
        let unnamed = Column::OtaKey(None, identifier);
        if self.has(named) {
            return Some(named);
        }
        (settings.is_only_version(version) && self.has(unnamed)).then_some(unnamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_passed_over_take_their_place() {
        let passed_over = ["Code Retailer".to_owned()];
        let layout = Layout::new(["ICCID", "code_retailer", "eKi"], &passed_over).unwrap();
        let names: Vec<_> = layout.names().collect();
        assert_eq!(names, [Some("iccid".into()), None, Some("ki".into())]);
        assert!(layout.marks(KeyKind::Subscription) && !layout.marks(KeyKind::Ota));
        assert_eq!((layout.len(), layout.is_empty(), layout.subscriptions), (3, false, 1));
        let unknown = Layout::new(["iccid", "code retailer"], &[]);
        assert_eq!(unknown, Err(LayoutError::Unknown { position: 2 }));
        // One column, marked or not.
        assert_eq!(Layout::new(["ki", "eki"], &[]), Err(LayoutError::Repeated("ki".into())));
    }
}
