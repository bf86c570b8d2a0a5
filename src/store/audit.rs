//! The audit: entries that are only ever appended, each covering the digest of the one before.
//!
//! An entry is written in the commit of the change that it tells of, or not at all. Where the chain ends stands in one row,
//! which every commit that appends locks as the last thing it does: so several servers on one store make one chain, and
//! none waits for another that holds what it waits for.
//!
//! | who changes | how the entry goes along |
//! |---|---|
//! | a change of the writer | its row has the entry, and `Change::audit_entries` knows it |
//! | a transaction of its own | [`append`], right before the commit |
//! | nothing in the store | [`Store::record`] |

use super::engine::{Argument, Row, Statement, Writing, set_statement};
use super::set::{Set, set_row};
use super::writer::Change;
use super::{Store, StoreError};
use crate::crypto::hash::sha256;
use crate::domain::{AuditEntry, Commitment, NewAuditEntry, Personal, SALT_OCTETS};
use crate::env::Timestamp;

/// Entries of one page at most.
pub const AUDIT_PAGE_MAX: u32 = 1000;
/// Values that are erased in one commit at most.
pub const ERASED_MAX: u32 = 1000;

/// Where other servers write too, they wait here.
const LOCK_HEAD: Statement = Statement {
    sqlite: "SELECT number, digest FROM audit_head WHERE chain = 0",
    postgres: "SELECT number, digest FROM audit_head WHERE chain = 0 FOR UPDATE",
};

const HEAD: Statement = Statement::common("SELECT number, digest FROM audit_head WHERE chain = 0");

const MOVE_HEAD: Statement =
    Statement::common("UPDATE audit_head SET number = $1, digest = $2 WHERE chain = 0");

const APPEND: Statement = set_statement!(
    [number bigint, happened_at bigint, actor_kind text, actor text, action text, subject_kind text, subject text,
     outcome text, detail text, commitments text, digest text]
    "INSERT INTO audit (number, happened_at, actor_kind, actor, action, subject_kind, subject, outcome, detail, \
     commitments, digest) SELECT number, happened_at, actor_kind, actor, action, subject_kind, subject, outcome, \
     detail, commitments, digest FROM change WHERE true"
);

const KEEP_PERSONAL: Statement = set_statement!(
    [number bigint, kind text, value text, salt text, happened_at bigint]
    "INSERT INTO audit_personal (number, kind, value, salt, happened_at) \
     SELECT number, kind, value, salt, happened_at FROM change WHERE true"
);

/// A page of entries with the values beside them: a row for each value, and one for an entry without.
macro_rules! page {
    ($condition:literal) => {
        concat!(
            "SELECT page.number, page.happened_at, page.actor_kind, page.actor, page.action, page.subject_kind, \
             page.subject, page.outcome, page.detail, page.commitments, page.digest, \
             audit_personal.kind, audit_personal.value, audit_personal.salt \
             FROM (SELECT * FROM audit WHERE ",
            $condition,
            " AND audit.number > $1 ORDER BY audit.number LIMIT $2) page \
             LEFT JOIN audit_personal ON audit_personal.number = page.number ORDER BY page.number"
        )
    };
}

const ENTRIES: Statement = Statement::common(page!("true"));
const ENTRIES_OF_SUBJECT: Statement = Statement::common(page!("audit.subject = $3"));
const ENTRIES_OF_ACTOR: Statement = Statement::common(page!("audit.actor = $3"));
const ENTRIES_OF_SUBJECT_AND_ACTOR: Statement =
    Statement::common(page!("audit.subject = $3 AND audit.actor = $4"));

const FIRST_SINCE: Statement = Statement::common(
    "SELECT number FROM audit WHERE happened_at >= $1 ORDER BY happened_at, number LIMIT 1",
);

const ERASE_BEFORE: Statement = Statement::common(
    "DELETE FROM audit_personal WHERE (number, kind) IN (SELECT number, kind FROM audit_personal \
     WHERE happened_at < $1 ORDER BY happened_at LIMIT $2) RETURNING number",
);

const ERASE_VALUE: Statement = Statement::common(
    "DELETE FROM audit_personal WHERE (number, kind) IN (SELECT number, kind FROM audit_personal \
     WHERE value = $1 LIMIT $2) RETURNING number",
);

const ERASE_ENTRY: Statement =
    Statement::common("DELETE FROM audit_personal WHERE number = $1 RETURNING number");

pub(super) const STATEMENTS: &[Statement] = &[
    LOCK_HEAD,
    HEAD,
    MOVE_HEAD,
    APPEND,
    KEEP_PERSONAL,
    ENTRIES,
    ENTRIES_OF_SUBJECT,
    ENTRIES_OF_ACTOR,
    ENTRIES_OF_SUBJECT_AND_ACTOR,
    FIRST_SINCE,
    ERASE_BEFORE,
    ERASE_VALUE,
    ERASE_ENTRY,
];

/// Where the chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// How many entries there are: the number of the last one.
    pub number: i64,
    /// The digest of the last one; zeros without any.
    pub digest: [u8; 32],
}

/// Which entries a listing holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSelection {
    /// Those about this identifier.
    pub subject: Option<String>,
    /// What this person, operator, identity or manufacturer did.
    pub actor: Option<String>,
}

/// Which values of persons are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Those of entries from before.
    Before(Timestamp),
    /// This one, wherever it stands.
    Value(String),
    /// Those of this entry.
    Entry(i64),
}

set_row! {
    struct EntryRow<'a> {
        number: i64,
        happened_at: i64,
        actor_kind: &'a str,
        actor: &'a str,
        action: &'a str,
        subject_kind: &'a str,
        subject: &'a str,
        outcome: &'a str,
        detail: &'a str,
        commitments: String,
        digest: String,
    }
}

set_row! {
    struct PersonalRow<'a> {
        number: i64,
        kind: &'a str,
        value: &'a str,
        salt: String,
        happened_at: i64,
    }
}

fn corrupt(column: &'static str, key: impl ToString) -> StoreError {
    StoreError::Corrupt { column, key: key.to_string() }
}

fn head(rows: &[Row]) -> Result<AuditHead, StoreError> {
    let row = rows.first().ok_or_else(|| corrupt("audit_head.chain", 0))?;
    let number = row.integer("number")?;
    let mut digest = [0; 32];
    hex::decode_to_slice(row.text("digest")?, &mut digest)
        .map_err(|_| corrupt("audit_head.digest", number))?;
    Ok(AuditHead { number, digest })
}

fn to_text(commitments: &[Commitment]) -> String {
    let texts: Vec<String> =
        commitments.iter().map(|one| format!("{}={}", one.kind, hex::encode(one.digest))).collect();
    texts.join(",")
}

fn from_text(text: &str) -> Option<Vec<Commitment>> {
    let commitment = |text: &str| {
        let (kind, digits) = text.split_once('=')?;
        let mut digest = [0; 32];
        hex::decode_to_slice(digits, &mut digest).ok()?;
        Some(Commitment { kind: kind.to_owned(), digest, opened: None })
    };
    text.split(',').filter(|text| !text.is_empty()).map(commitment).collect()
}

/// The entry that `new` becomes behind `before`.
fn chained(new: &NewAuditEntry, before: &AuditHead) -> AuditEntry {
    let commitment = |personal: &Personal| Commitment {
        kind: personal.kind.clone(),
        digest: sha256(&personal.sealed_octets()),
        opened: Some(personal.clone()),
    };
    let mut entry = AuditEntry {
        number: before.number.saturating_add(1),
        at: new.at,
        actor_kind: new.actor.kind().to_owned(),
        actor: new.actor.name().to_owned(),
        action: new.action.as_str().to_owned(),
        subject_kind: new.subject.kind().to_owned(),
        subject: new.subject.identifier().to_owned(),
        outcome: new.outcome.as_str().to_owned(),
        detail: new.detail.clone(),
        personal: new.personal.iter().map(commitment).collect(),
        digest: [0; 32],
    };
    entry.digest = sha256(&entry.sealed_octets(&before.digest));
    entry
}

/// Appends entries to the chain, as the last thing before a commit.
///
/// # Errors
/// [`StoreError`] if the engine fails; then the transaction must not be committed.
pub(super) async fn append(writing: &mut Writing, new: &[NewAuditEntry]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let mut end = head(&writing.fetch(&LOCK_HEAD, []).await?)?;
    let mut entries = Vec::with_capacity(new.len());
    for new in new {
        let entry = chained(new, &end);
        end = AuditHead { number: entry.number, digest: entry.digest };
        entries.push(entry);
    }
    let rows: Vec<EntryRow<'_>> = entries.iter().map(entry_row).collect();
    writing.fetch_set(&APPEND, &Set::of(&rows)).await?;
    let personal: Vec<PersonalRow<'_>> = entries.iter().flat_map(personal_rows).collect();
    if !personal.is_empty() {
        writing.fetch_set(&KEEP_PERSONAL, &Set::of(&personal)).await?;
    }
    writing.fetch(&MOVE_HEAD, [end.number.into(), Argument::Text(hex::encode(end.digest))]).await?;
    Ok(())
}

fn entry_row(entry: &AuditEntry) -> EntryRow<'_> {
    EntryRow {
        number: entry.number,
        happened_at: entry.at.as_millis(),
        actor_kind: &entry.actor_kind,
        actor: &entry.actor,
        action: &entry.action,
        subject_kind: &entry.subject_kind,
        subject: &entry.subject,
        outcome: &entry.outcome,
        detail: &entry.detail,
        commitments: to_text(&entry.personal),
        digest: hex::encode(entry.digest),
    }
}

fn personal_rows(entry: &AuditEntry) -> impl Iterator<Item = PersonalRow<'_>> {
    entry.personal.iter().filter_map(|commitment| commitment.opened.as_ref()).map(|personal| PersonalRow {
        number: entry.number,
        kind: &personal.kind,
        value: &personal.value,
        salt: hex::encode(personal.salt),
        happened_at: entry.at.as_millis(),
    })
}

/// The entries of a page, whose rows come by rising number.
fn entries(rows: &[Row]) -> Result<Vec<AuditEntry>, StoreError> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    for row in rows {
        let number = row.integer("number")?;
        if entries.last().is_none_or(|entry| entry.number != number) {
            entries.push(entry(row, number)?);
        }
        let Some(kind) = row.text_or_null("kind")? else { continue };
        let mut salt = [0; SALT_OCTETS];
        let digits = row.text("salt")?;
        hex::decode_to_slice(digits, &mut salt).map_err(|_| corrupt("audit_personal.salt", number))?;
        let opened = Personal { kind, value: row.text("value")?, salt };
        let commitments = entries.last_mut().into_iter().flat_map(|entry| &mut entry.personal);
        for commitment in commitments.filter(|commitment| commitment.kind == opened.kind) {
            commitment.opened = Some(opened.clone());
        }
    }
    Ok(entries)
}

fn entry(row: &Row, number: i64) -> Result<AuditEntry, StoreError> {
    let mut digest = [0; 32];
    hex::decode_to_slice(row.text("digest")?, &mut digest).map_err(|_| corrupt("audit.digest", number))?;
    Ok(AuditEntry {
        number,
        at: Timestamp::from_millis(row.integer("happened_at")?),
        actor_kind: row.text("actor_kind")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        subject_kind: row.text("subject_kind")?,
        subject: row.text("subject")?,
        outcome: row.text("outcome")?,
        detail: row.text("detail")?,
        personal: from_text(&row.text("commitments")?).ok_or_else(|| corrupt("commitments", number))?,
        digest,
    })
}

impl Store {
    /// Appends entries about what changes nothing in the store; they are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn record(&self, entries: Vec<NewAuditEntry>) -> Result<(), StoreError> {
        self.writer.change(Change::Audit(entries)).await.map(drop)
    }

    /// Where the chain ends.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        head(&self.pools.fetch(&HEAD, []).await?)
    }

    /// A page of entries of a selection, beginning behind the number `after`, at most `limit` (and
    /// [`AUDIT_PAGE_MAX`] and one, which says that another page follows).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn audit_entries(
        &self,
        selection: &AuditSelection,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let (after, limit) = (after.into(), i64::from(limit.min(AUDIT_PAGE_MAX + 1)).into());
        let rows = match (&selection.subject, &selection.actor) {
            (None, None) => self.pools.fetch(&ENTRIES, [after, limit]).await?,
            (Some(subject), None) => {
                self.pools.fetch(&ENTRIES_OF_SUBJECT, [after, limit, subject.as_str().into()]).await?
            }
            (None, Some(actor)) => {
                self.pools.fetch(&ENTRIES_OF_ACTOR, [after, limit, actor.as_str().into()]).await?
            }
            (Some(subject), Some(actor)) => {
                let arguments = [after, limit, subject.as_str().into(), actor.as_str().into()];
                self.pools.fetch(&ENTRIES_OF_SUBJECT_AND_ACTOR, arguments).await?
            }
        };
        entries(&rows)
    }

    /// The number of the first entry from `at` on; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn audit_since(&self, at: Timestamp) -> Result<Option<i64>, StoreError> {
        let rows = self.pools.fetch(&FIRST_SINCE, [at.as_millis().into()]).await?;
        rows.first().map(|row| row.integer("number")).transpose()
    }

    /// Erases values of persons, at most [`ERASED_MAX`] and those that were written first before the others, and appends
    /// `entry` if there were any. Returns how many were erased.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails; nothing is erased then.
    pub async fn erase_personal(&self, erasure: &Erasure, entry: NewAuditEntry) -> Result<usize, StoreError> {
        let limit = i64::from(ERASED_MAX).into();
        let mut writing = self.pools.begin().await?;
        let erased = match erasure {
            Erasure::Before(at) => writing.fetch(&ERASE_BEFORE, [at.as_millis().into(), limit]).await?,
            Erasure::Value(value) => writing.fetch(&ERASE_VALUE, [value.as_str().into(), limit]).await?,
            Erasure::Entry(number) => writing.fetch(&ERASE_ENTRY, [(*number).into()]).await?,
        };
        if !erased.is_empty() {
            let detail = format!("{}; values erased: {}", entry.detail, erased.len());
            append(&mut writing, &[entry.detail(detail)]).await?;
        }
        writing.commit().await?;
        Ok(erased.len())
    }
}
