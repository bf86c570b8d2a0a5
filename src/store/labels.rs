//! Labels of eUICCs: set and removed with an audit entry for each that changed, and eUICCs by the labels that they have.

use std::collections::BTreeSet;

use super::engine::{Argument, Row, Statement, Writing, set_statement};
use super::set::Set;
use super::{Store, StoreError, audit};
use crate::domain::{LABELS_MAX, Label, LabelName, LabelSelection, LabelValue, NewAuditEntry};
use crate::ident::Eid;

/// EIDs of one look at most: a page, and one more that says that another page follows.
pub const LABELLED_MAX: u32 = 1001;
/// Rows of one statement.
const CHUNK: usize = 500;

/// The condition that an eUICC has four labels.
macro_rules! labelled {
    () => {
        "SELECT one.eid FROM euicc_label one \
         JOIN euicc_label two ON two.eid = one.eid AND two.name = $3 AND two.value = $4 \
         JOIN euicc_label three ON three.eid = one.eid AND three.name = $5 AND three.value = $6 \
         JOIN euicc_label four ON four.eid = one.eid AND four.name = $7 AND four.value = $8 \
         WHERE one.name = $1 AND one.value = $2 AND one.eid > $9 ORDER BY one.eid LIMIT $10"
    };
}

pub(super) use labelled;

const SET: Statement = set_statement!(
    [eid text, name text, value text]
    "INSERT INTO euicc_label (eid, name, value) SELECT eid, name, value FROM change WHERE true \
     ON CONFLICT (eid, name) DO UPDATE SET value = excluded.value WHERE euicc_label.value <> excluded.value \
     RETURNING eid, name"
);

const REMOVE: Statement = set_statement!(
    [eid text, name text]
    "DELETE FROM euicc_label WHERE (eid, name) IN (SELECT change.eid, change.name FROM change) RETURNING eid, name"
);

const NOBODY: Statement = set_statement!(
    [eid text]
    "SELECT change.eid FROM change WHERE NOT EXISTS (SELECT 1 FROM eim_euicc WHERE eim_euicc.eid = change.eid) \
     AND NOT EXISTS (SELECT 1 FROM euicc JOIN batch ON batch.batch_id = euicc.batch_id AND batch.state = 1 \
     WHERE euicc.eid = change.eid)"
);

const COUNT: Statement = set_statement!(
    [eid text]
    "SELECT change.eid, (SELECT COUNT(*) FROM euicc_label WHERE euicc_label.eid = change.eid) AS labels FROM change"
);

const LABELS: Statement =
    Statement::common("SELECT name, value FROM euicc_label WHERE eid = $1 ORDER BY name LIMIT 1000");

const LABELLED: Statement = Statement::common(labelled!());

pub(super) const STATEMENTS: &[Statement] = &[SET, REMOVE, NOBODY, COUNT, LABELS, LABELLED];

/// What becomes of one label of one eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelChange {
    /// The eUICC.
    pub eid: Eid,
    /// The label.
    pub name: LabelName,
    /// Its value from now on; `None` if the eUICC has it no more.
    pub value: Option<LabelValue>,
}

/// What a change of labels came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labelled {
    /// So many labels are others now; the rest were so already.
    Done(usize),
    /// Nothing was changed: nobody knows these eUICCs.
    Unknown(Vec<Eid>),
    /// Nothing was changed: this eUICC would have more than [`LABELS_MAX`].
    TooMany(Eid),
}

fn eid_of(row: &Row) -> Result<Eid, StoreError> {
    let key = row.text("eid")?;
    Eid::parse(&key).map_err(|_| StoreError::Corrupt { column: "euicc_label.eid", key })
}

/// What a statement asks of a selection: names and values, then where it begins and how many it wants.
pub(super) fn selected(
    selection: &LabelSelection,
    after: &str,
    limit: u32,
) -> Result<[Argument; 10], StoreError> {
    let none = || StoreError::Corrupt { column: "euicc_label.name", key: selection.to_string() };
    let name = |place| selection.padded(place).map(|label| Argument::from(label.name.as_str()));
    let value = |place| selection.padded(place).map(|label| Argument::from(label.value.as_str()));
    let pair = |place| Ok::<_, StoreError>((name(place).ok_or_else(none)?, value(place).ok_or_else(none)?));
    let ((a, b), (c, d), (e, f), (g, h)) = (pair(0)?, pair(1)?, pair(2)?, pair(3)?);
    Ok([a, b, c, d, e, f, g, h, after.into(), i64::from(limit).into()])
}

/// Writes one chunk of changes; the audit tells of those that changed something. Returns how many did.
async fn write(
    writing: &mut Writing,
    changes: &[LabelChange],
    entry: &(dyn Fn(&LabelChange) -> NewAuditEntry + Sync),
) -> Result<usize, StoreError> {
    let set = changes.iter().filter_map(|change| {
        let value = change.value.as_ref()?;
        Some([change.eid.as_str().into(), change.name.as_str().into(), value.as_str().into()])
    });
    let removed = changes.iter().filter(|change| change.value.is_none());
    let removed = removed.map(|change| [change.eid.as_str().into(), change.name.as_str().into()]);
    let mut rows = writing.fetch_set(&SET, &Set::rows_of(["eid", "name", "value"], set)).await?;
    rows.extend(writing.fetch_set(&REMOVE, &Set::rows_of(["eid", "name"], removed)).await?);
    let changed = rows.iter().map(Row::key_and_text).collect::<Result<BTreeSet<_>, _>>()?;
    let is_changed = |change: &&LabelChange| {
        changed.contains(&(change.eid.as_str().to_owned(), change.name.as_str().to_owned()))
    };
    let entries: Vec<NewAuditEntry> = changes.iter().filter(is_changed).map(entry).collect();
    audit::append(writing, &entries).await?;
    Ok(entries.len())
}

impl Store {
    /// Changes labels, all of them or none; no label of an eUICC stands in it twice. `entry` says what the audit tells of one
    /// that changed.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn change_labels(
        &self,
        changes: &[LabelChange],
        entry: &(dyn Fn(&LabelChange) -> NewAuditEntry + Sync),
    ) -> Result<Labelled, StoreError> {
        let eids: Vec<&str> = {
            let eids: BTreeSet<&str> = changes.iter().map(|change| change.eid.as_str()).collect();
            eids.into_iter().collect()
        };
        let mut writing = self.pools.begin().await?;
        let mut unknown = Vec::new();
        for eids in eids.chunks(CHUNK) {
            let asked = Set::column("eid", eids.iter().copied());
            for row in &writing.fetch_set(&NOBODY, &asked).await? {
                unknown.push(eid_of(row)?);
            }
        }
        if !unknown.is_empty() {
            return Ok(Labelled::Unknown(unknown));
        }
        let mut changed = 0_usize;
        for changes in changes.chunks(CHUNK) {
            changed = changed.saturating_add(write(&mut writing, changes, entry).await?);
        }
        for eids in eids.chunks(CHUNK) {
            let asked = Set::column("eid", eids.iter().copied());
            for row in &writing.fetch_set(&COUNT, &asked).await? {
                if usize::try_from(row.integer("labels")?).unwrap_or(usize::MAX) > LABELS_MAX {
                    return Ok(Labelled::TooMany(eid_of(row)?));
                }
            }
        }
        writing.commit().await?;
        Ok(Labelled::Done(changed))
    }

    /// The labels of an eUICC, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn labels(&self, eid: &Eid) -> Result<Vec<Label>, StoreError> {
        let rows = self.pools.fetch(&LABELS, [eid.as_str().into()]).await?;
        let label = |row: &Row| {
            let (name, value) = row.key_and_text()?;
            let corrupt = |column| StoreError::Corrupt { column, key: eid.to_string() };
            Ok(Label {
                name: LabelName::parse(&name).ok_or_else(|| corrupt("euicc_label.name"))?,
                value: LabelValue::parse(&value).ok_or_else(|| corrupt("euicc_label.value"))?,
            })
        };
        rows.iter().map(label).collect()
    }

    /// The eUICCs that have all these labels, behind `after` in the order of EIDs, at most `limit` (and [`LABELLED_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn labelled(
        &self,
        selection: &LabelSelection,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Eid>, StoreError> {
        let arguments = selected(selection, after, limit.min(LABELLED_MAX))?;
        self.pools.fetch(&LABELLED, arguments).await?.iter().map(eid_of).collect()
    }
}
