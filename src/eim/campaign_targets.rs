//! Lists of targets: the eUICCs of a campaign, with what each of them is to get.
//!
//! A list is CSV with a line that names its columns, in any order: `eid`, and as far as they are wanted `iccid`,
//! `activation_code` and `confirmation_code`. It is taken whole or not at all. An empty cell is none.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use super::Eim;
use crate::domain::LabelSelection;
use crate::domain::campaign::TARGETS_MAX;
use crate::ident::{ActivationCode, Eid, Iccid};
use crate::store::StoreError;

/// Octets of a list at most.
pub const MAX_FILE_OCTETS: u64 = 64 * 1024 * 1024;
/// EIDs of one look.
const PAGE: u32 = 1000;
/// The longest confirmation code, in octets.
pub const CONFIRMATION_CODE_MAX: usize = 255;

/// A line of a list.
#[derive(Clone)]
pub struct TargetRow {
    /// The eUICC.
    pub eid: Eid,
    /// The profile that is meant, which is on the eUICC.
    pub iccid: Option<Iccid>,
    /// Where the profile is that it downloads.
    pub activation_code: Option<ActivationCode>,
    /// The confirmation code that goes with it.
    pub confirmation_code: Option<Zeroizing<String>>,
}

impl TargetRow {
    /// An eUICC without anything of its own.
    #[must_use]
    pub const fn of(eid: Eid) -> Self {
        Self { eid, iccid: None, activation_code: None, confirmation_code: None }
    }
}

/// Codes are not shown.
impl fmt::Debug for TargetRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetRow")
            .field("eid", &self.eid)
            .field("iccid", &self.iccid)
            .finish_non_exhaustive()
    }
}

/// Why a list is not taken. Codes do not stand in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetsError {
    /// The first line does not name the columns.
    #[error(
        "line 1: expected the columns eid and, as far as they are wanted, iccid, activation_code and confirmation_code; \
         found {0:?}"
    )]
    Header(String),
    /// A line has another form.
    #[error("line {line}: {message}")]
    Row {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// No target stands in it.
    #[error("the list has no eUICC")]
    Empty,
    /// Longer than [`TARGETS_MAX`].
    #[error("more than {TARGETS_MAX} eUICCs: divide the list")]
    TooLong,
}

/// The eUICCs that have these labels, in the order of their EIDs: one more than [`TARGETS_MAX`] at most.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn labelled_targets(eim: &Eim, selection: &LabelSelection) -> Result<Vec<TargetRow>, StoreError> {
    let mut targets: Vec<TargetRow> = Vec::new();
    loop {
        let after = targets.last().map(|row| row.eid.to_string()).unwrap_or_default();
        let page = eim.store.labelled(selection, &after, PAGE).await?;
        if page.is_empty() || targets.len() > TARGETS_MAX {
            targets.truncate(TARGETS_MAX.saturating_add(1));
            return Ok(targets);
        }
        targets.extend(page.into_iter().map(TargetRow::of));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Eid,
    Iccid,
    ActivationCode,
    ConfirmationCode,
}

/// Reads a list.
///
/// # Errors
/// [`TargetsError`] at the first line that cannot be used.
pub fn read_list(text: &str) -> Result<Vec<TargetRow>, TargetsError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut lines = text.lines();
    let columns = columns(lines.next().unwrap_or_default())?;
    let mut rows = Vec::new();
    let mut seen: HashMap<Eid, usize> = HashMap::new();
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        if rows.len() >= TARGETS_MAX {
            return Err(TargetsError::TooLong);
        }
        let refused = |message: String| TargetsError::Row { line, message };
        let row = row(&columns, text).map_err(refused)?;
        if let Some(before) = seen.insert(row.eid.clone(), line) {
            return Err(refused(format!("eUICC {} stands in line {before} too", row.eid)));
        }
        rows.push(row);
    }
    if rows.is_empty() { Err(TargetsError::Empty) } else { Ok(rows) }
}

fn columns(header: &str) -> Result<Vec<Column>, TargetsError> {
    let refused = || TargetsError::Header(header.chars().take(80).collect());
    let mut columns = Vec::new();
    for name in header.split(',').map(str::trim) {
        let column = match name {
            "eid" => Column::Eid,
            "iccid" => Column::Iccid,
            "activation_code" => Column::ActivationCode,
            "confirmation_code" => Column::ConfirmationCode,
            _ => return Err(refused()),
        };
        if columns.contains(&column) {
            return Err(refused());
        }
        columns.push(column);
    }
    if columns.contains(&Column::Eid) { Ok(columns) } else { Err(refused()) }
}

fn row(columns: &[Column], text: &str) -> Result<TargetRow, String> {
    let cells: Vec<&str> = text.split(',').map(str::trim).collect();
    if cells.len() != columns.len() {
        return Err(format!("expected {} columns, found {}", columns.len(), cells.len()));
    }
    let cell = |wanted: Column| {
        let found = cells.iter().zip(columns).find(|(_, column)| **column == wanted);
        found.map(|(cell, _)| *cell).filter(|cell| !cell.is_empty())
    };
    let eid = Eid::parse(cell(Column::Eid).unwrap_or_default()).map_err(|error| error.to_string())?;
    let iccid = cell(Column::Iccid).map(Iccid::parse).transpose().map_err(|error| error.to_string())?;
    let activation_code = cell(Column::ActivationCode).map(ActivationCode::parse).transpose();
    let expected = "activation_code: expected LPA:1$<SM-DP+ address>$<token>[$<SM-DP+ OID>[$1]]";
    let activation_code = activation_code.map_err(|_| expected.to_owned())?;
    let confirmation_code = cell(Column::ConfirmationCode);
    if confirmation_code.is_some_and(|code| code.len() > CONFIRMATION_CODE_MAX) {
        return Err(format!("confirmation_code: expected {CONFIRMATION_CODE_MAX} octets at most"));
    }
    if confirmation_code.is_some() && activation_code.is_none() {
        return Err("confirmation_code: it goes with an activation_code".to_owned());
    }
    let confirmation_code = confirmation_code.map(|code| Zeroizing::new(code.to_owned()));
    Ok(TargetRow { eid, iccid, activation_code, confirmation_code })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "89049032000000000000279973200019";
    const OTHER: &str = "89049032000000000000000000000051";

    #[test]
    fn a_list_is_read_in_any_order_of_its_columns() {
        let text = format!("\u{FEFF}iccid, eid\r\n89882807000000000414,{ONE}\r\n\r\n,{OTHER}\r\n");
        let rows = read_list(&text).unwrap();
        let eids: Vec<&str> = rows.iter().map(|row| row.eid.as_str()).collect();
        assert_eq!(eids, [ONE, OTHER]);
        assert!(rows[0].iccid.is_some() && rows[1].iccid.is_none());
        let codes = format!("eid,activation_code,confirmation_code\n{ONE},LPA:1$smdp.example.com$M-1,1234\n");
        let rows = read_list(&codes).unwrap();
        assert_eq!(rows[0].confirmation_code.as_ref().unwrap().as_str(), "1234");
        let shown = format!("{rows:?}");
        assert!(!shown.contains("M-1") && !shown.contains("1234"), "{shown}");
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        for (text, says) in [
            (String::new(), "line 1: expected the columns"),
            ("iccid\n".to_owned(), "line 1: expected the columns"),
            ("eid,eid\n".to_owned(), "line 1: expected the columns"),
            ("eid,site\n".to_owned(), "line 1: expected the columns"),
            ("eid\n".to_owned(), "the list has no eUICC"),
            (format!("eid,iccid\n{ONE}\n"), "line 2: expected 2 columns, found 1"),
            ("eid\n890\n".to_owned(), "line 2: "),
            (format!("eid,iccid\n{ONE},12\n"), "line 2: "),
            (format!("eid,activation_code\n{ONE},LPA:2$x$secret\n"), "line 2: activation_code: "),
            (format!("eid,confirmation_code\n{ONE},1\n"), "line 2: confirmation_code: it goes with"),
            (format!("eid\n{ONE}\n\n{ONE}\n"), "line 4: eUICC"),
        ] {
            let refused = read_list(&text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text:?}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
