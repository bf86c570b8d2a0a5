//! Labels of eUICCs: by hand, by program, or by a list.
//!
//! A list is CSV with a line that names the columns: `eid`, and one column for each label. It is taken whole or not at all; an
//! empty cell leaves the label as it is, and a label that is so already changes nothing, so that a list may be brought again.

use std::collections::HashSet;

use super::Inventory;
use crate::domain::{
    Action, Actor, AuditSubject, LABELS_MAX, Label, LabelName, LabelSelection, LabelValue, NewAuditEntry,
};
use crate::ident::{Eid, Peer};
pub use crate::store::LabelChange;
use crate::store::{Euicc, Labelled, StoreError};

/// eUICCs of a list at most.
pub const ROWS_MAX: usize = 100_000;
/// Octets of a list at most.
pub const MAX_FILE_OCTETS: u64 = 32 * 1024 * 1024;

const EID: &str = "eid";

/// Why labels were not changed; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The first line does not name the columns.
    #[error(
        "line 1: expected the column {EID} and 1 to {LABELS_MAX} columns with names of labels, found {0:?}: {1}"
    )]
    Header(String, &'static str),
    /// A line has another form.
    #[error("line {line}: {message}")]
    Row {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// Longer than [`ROWS_MAX`].
    #[error("more than {ROWS_MAX} lines: divide the list")]
    TooLong,
    /// Nobody knows these eUICCs.
    #[error(
        "{} of these eUICCs are neither in the register nor associated with the eIM, such as {}; no label was changed",
        .0.len(), .0.first().map_or("", Eid::as_str)
    )]
    Unknown(Vec<Eid>),
    /// An eUICC would have too many.
    #[error("eUICC {0} would have more than {LABELS_MAX} labels; no label was changed")]
    TooMany(Eid),
    /// The same label of an eUICC is named twice.
    #[error("label {name} of eUICC {eid} is named twice; no label was changed")]
    Twice {
        /// The eUICC.
        eid: Eid,
        /// The label.
        name: LabelName,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a list.
///
/// # Errors
/// [`LabelsError`] at the first line that cannot be used.
pub fn read_list(text: &str) -> Result<Vec<LabelChange>, LabelsError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut lines = text.lines();
    let columns = columns(lines.next().unwrap_or_default())?;
    let mut changes = Vec::new();
    let mut seen = HashSet::new();
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        if seen.len() >= ROWS_MAX {
            return Err(LabelsError::TooLong);
        }
        let refused = |message: String| LabelsError::Row { line, message };
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        if cells.len() != columns.len() {
            return Err(refused(format!("expected {} columns, found {}", columns.len(), cells.len())));
        }
        let eid = cells.iter().zip(&columns).find(|(_, column)| column.is_none()).map(|(cell, _)| *cell);
        let eid = Eid::parse(eid.unwrap_or_default()).map_err(|error| refused(error.to_string()))?;
        for (cell, name) in cells.iter().zip(&columns).filter(|(cell, _)| !cell.is_empty()) {
            let Some(name) = name else { continue };
            let value = LabelValue::parse(cell)
                .ok_or_else(|| refused(format!("{name}: {cell:?} is no value of a label")))?;
            changes.push(LabelChange { eid: eid.clone(), name: name.clone(), value: Some(value) });
        }
        if !seen.insert(eid.clone()) {
            return Err(refused(format!("eUICC {eid} stands in the list before")));
        }
    }
    Ok(changes)
}

/// The names of labels in the order of the columns; `None` is the column of the EID.
fn columns(header: &str) -> Result<Vec<Option<LabelName>>, LabelsError> {
    let refused = |why| LabelsError::Header(header.chars().take(80).collect(), why);
    let mut columns: Vec<Option<LabelName>> = Vec::new();
    for name in header.split(',').map(str::trim) {
        let column = match name {
            EID => None,
            name => Some(LabelName::parse(name).ok_or_else(|| refused("a column is no name of a label"))?),
        };
        if columns.contains(&column) {
            return Err(refused("a column is named twice"));
        }
        columns.push(column);
    }
    match columns.len() {
        _ if !columns.contains(&None) => Err(refused("no column has the EIDs")),
        2.. if columns.len() <= LABELS_MAX + 1 => Ok(columns),
        _ => Err(refused("another number of labels")),
    }
}

impl Inventory {
    /// Changes labels of eUICCs, all of them or none, for whoever asks and from where. Returns how many are others now.
    ///
    /// # Errors
    /// [`LabelsError`]; nothing was changed then.
    pub async fn change_labels(
        &self,
        changes: &[LabelChange],
        actor: &Actor,
        peer: Option<Peer>,
    ) -> Result<usize, LabelsError> {
        let mut seen = HashSet::new();
        if let Some(twice) = changes.iter().find(|change| !seen.insert((&change.eid, &change.name))) {
            return Err(LabelsError::Twice { eid: twice.eid.clone(), name: twice.name.clone() });
        }
        let now = self.clock.now();
        let entry = |change: &LabelChange| {
            let (action, detail) = match &change.value {
                Some(value) => (Action::LABEL_SET, format!("{}={value}", change.name)),
                None => (Action::LABEL_REMOVE, change.name.to_string()),
            };
            let subject = AuditSubject::new("eid", change.eid.as_str());
            let entry = NewAuditEntry::new(now, actor.clone(), action, subject).detail(detail);
            match peer {
                Some(peer) => entry.from_peer(peer, &self.rng),
                None => entry,
            }
        };
        match self.store.change_labels(changes, &entry).await? {
            Labelled::Done(changed) => Ok(changed),
            Labelled::Unknown(eids) => Err(LabelsError::Unknown(eids)),
            Labelled::TooMany(eid) => Err(LabelsError::TooMany(eid)),
        }
    }

    /// The labels of an eUICC, by name; `None` if nobody knows it: neither the register nor the eIM.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn labels(&self, eid: &Eid) -> Result<Option<Vec<Label>>, StoreError> {
        let is_known = self.store.euicc(eid).await?.is_some() || self.store.eim_euicc(eid).await?.is_some();
        if is_known { self.store.labels(eid).await.map(Some) } else { Ok(None) }
    }

    /// eUICCs of the register that have all these labels, behind `after` in the order of EIDs, at most `limit` (and a
    /// thousand and one).
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn euiccs_labelled(
        &self,
        selection: &LabelSelection,
        after: Option<&Eid>,
        limit: u32,
    ) -> Result<Vec<Euicc>, StoreError> {
        self.store.euiccs_labelled(selection, after.map(Eid::as_str).unwrap_or_default(), limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "89049032000000000000279973200019";
    const OTHER: &str = "89049032000000000000000000000051";

    #[test]
    fn a_list_has_a_column_for_each_label() {
        let text = format!("\u{FEFF}region, eid ,site\r\nnorth,{ONE},7\r\n\r\n,{OTHER},8\n");
        let told: Vec<String> = read_list(&text)
            .unwrap()
            .iter()
            .map(|change| format!("{} {}={}", change.eid, change.name, change.value.as_ref().unwrap()))
            .collect();
        let expected = [format!("{ONE} region=north"), format!("{ONE} site=7"), format!("{OTHER} site=8")];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        for (text, says) in [
            (String::new(), "line 1: expected the column eid"),
            ("eid\n".to_owned(), "another number of labels"),
            ("region,site\n".to_owned(), "no column has the EIDs"),
            ("eid,Region\n".to_owned(), "a column is no name of a label"),
            ("eid,region,region\n".to_owned(), "a column is named twice"),
            (format!("eid,region\n{ONE}\n"), "line 2: expected 2 columns, found 1"),
            ("eid,region\n890,north\n".to_owned(), "line 2: "),
            (format!("eid,region\n{ONE},no\"rth\n"), "line 2: region: "),
            (format!("eid,region\n{ONE},a\n\n{ONE},b\n"), "line 4: eUICC"),
        ] {
            let refused = read_list(&text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text:?}: {refused}");
        }
    }
}
