//! What a manufacturer gets back: what was taken, and of what was not, line, field, value and reason.
//!
//! A value is told for numbers alone, and masked; where a number is expected and something else stands, it is not told at all:
//! columns may be mixed up, and a key stand there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ident::Iccid;
use crate::profile::personal_row::RowError;
use crate::profile::personal_row::fault::masked_number;
use crate::store::BatchKind;

/// The most refusals that are told; the rest is counted.
pub const REFUSALS_MAX: usize = 10_000;

/// Why a row was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The line it stands in, or its number where there are no lines, from 1.
    pub line: usize,
    /// The column, if one value is at fault.
    pub field: Option<Cow<'static, str>>,
    /// The value, masked.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl Refusal {
    /// A number that is wrong although it is one: `8988280…014`.
    #[must_use]
    pub fn of_number(
        line: usize,
        field: impl Into<Cow<'static, str>>,
        number: &str,
        reason: impl Into<String>,
    ) -> Self {
        Self { line, field: Some(field.into()), value: Some(masked_number(number)), reason: reason.into() }
    }

    /// A whole row.
    #[must_use]
    pub fn of_row(line: usize, reason: impl Into<String>) -> Self {
        Self { line, field: None, value: None, reason: reason.into() }
    }
}

impl From<RowError> for Refusal {
    fn from(error: RowError) -> Self {
        let RowError { line, column, value, fault } = error;
        Self { line, field: column, value, reason: fault.to_string() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(field) = &self.field {
            write!(f, ", {field}")?;
        }
        if let Some(value) = &self.value {
            write!(f, " {value}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Refusals up to the bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// The first [`REFUSALS_MAX`].
    pub told: Vec<Refusal>,
    /// How many more there are.
    pub more: u64,
}

impl Refusals {
    /// Adds one.
    pub fn add(&mut self, refusal: Refusal) {
        if self.told.len() < REFUSALS_MAX {
            self.told.push(refusal);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

/// What the manufacturer gets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The batch, by which the delivery is known from now on; nothing if none of it was taken.
    pub batch_id: Option<String>,
    /// What the manufacturer calls it.
    pub delivery_id: Option<String>,
    /// Who delivered it.
    pub manufacturer: String,
    /// What it holds.
    #[serde(serialize_with = "kind_name")]
    pub kind: BatchKind,
    /// The operator that owns the profiles or eUICCs.
    pub owner: String,
    /// The type of the profiles, or that the eUICCs were delivered for.
    pub profile_type: String,
    /// The kind of SIM that they are for.
    pub sub_class: Option<String>,
    /// Rows of the file.
    pub rows: u64,
    /// Rows that are in the stock now; in a trial those that would be.
    pub profiles: u64,
    /// Rows that were refused, or have a number that somebody else has.
    pub refused: u64,
    /// The ICCID of the first row that was taken.
    pub first_iccid: Option<Iccid>,
    /// The ICCID of the last one.
    pub last_iccid: Option<Iccid>,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// When, as ISO 8601.
    pub received_at: String,
    /// Whether the same delivery had been taken before: nothing was changed.
    pub repeated: bool,
    /// Whether it was a trial: nothing was changed.
    pub dry_run: bool,
    /// What was refused, by line.
    pub refusals: Vec<Refusal>,
    /// How many refusals there are beyond those.
    pub more_refusals: u64,
}

/// So many of what a batch holds: `1 profile`, `2 eUICCs`.
#[must_use]
pub fn counted(kind: BatchKind, count: u64) -> String {
    crate::ident::counted(
        count,
        match kind {
            BatchKind::Subscriptions => "profile",
            BatchKind::Euiccs => "eUICC",
        },
    )
}

impl Receipt {
    /// The refusals as a table: `line,field,value,reason`, in the quotes of RFC 4180.
    #[must_use]
    pub fn refusals_csv(&self) -> String {
        let mut table = String::from("line,field,value,reason\r\n");
        for Refusal { line, field, value, reason } in &self.refusals {
            let [field, value] = [field.as_deref(), value.as_deref()].map(|text| text.unwrap_or_default());
            let [field, value, reason] = [field, value, reason].map(quoted);
            table.push_str(&format!("{line},{field},{value},{reason}\r\n"));
        }
        table
    }
}

/// `subscriptions` or `euiccs`.
fn kind_name<S: serde::Serializer>(kind: &BatchKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        BatchKind::Subscriptions => "subscriptions",
        BatchKind::Euiccs => "euiccs",
    })
}

/// A value of a table. What a spreadsheet would take for a formula gets a quote in front.
fn quoted(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_bounded_and_counted() {
        let mut refusals = Refusals::default();
        for line in 0..REFUSALS_MAX + 3 {
            refusals.add(Refusal::of_row(line, "x"));
        }
        assert_eq!((refusals.told.len(), refusals.more), (REFUSALS_MAX, 3));
    }

    #[test]
    fn one_is_told_from_several() {
        let told = |kind| [0, 1, 2].map(|count| counted(kind, count));
        assert_eq!(told(BatchKind::Subscriptions), ["0 profiles", "1 profile", "2 profiles"]);
        assert_eq!(told(BatchKind::Euiccs), ["0 eUICCs", "1 eUICC", "2 eUICCs"]);
    }

    #[test]
    fn a_table_holds_what_its_signs_would_break() {
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("=1"), "'=1");
        assert_eq!(quoted("plain"), "plain");
    }
}
