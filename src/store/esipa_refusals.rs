//! What was refused on ESipa: who called, for whom, and why.
//!
//! Anybody may cause it, so it is bounded: so many rows of one peer and in all, the oldest go. One that comes again is
//! counted. Rows come many at a time ([`crate::eim::refusals`]).

use sha2::{Digest as _, Sha256};

use super::engine::{Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError};
use crate::env::Timestamp;
use crate::ident::Eid;

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;
/// Characters of a detail that are kept.
const DETAIL_CHARS_MAX: usize = 512;

const KEEP: Statement = set_statement!(
    [digest text, reason text, eid text, caller_eid text, certificate text, peer text, detail text, first_at bigint,
     last_at bigint, times bigint]
    "INSERT INTO esipa_refusal (digest, reason, eid, caller_eid, certificate, peer, detail, first_at, last_at, times) \
     SELECT digest, reason, eid, caller_eid, certificate, peer, detail, first_at, last_at, times FROM change WHERE true \
     ON CONFLICT (digest) DO UPDATE SET detail = excluded.detail, last_at = excluded.last_at, \
     times = esipa_refusal.times + excluded.times RETURNING digest, number"
);

/// The newest 100 of a peer and 10,000 of all stay; numbers rise, and may leave some out. Behind [`KEEP`].
const TRIM: Statement = set_statement!(
    [peer text]
    "DELETE FROM esipa_refusal WHERE number IN (\
     SELECT old.number FROM change JOIN esipa_refusal old ON old.peer = change.peer AND old.number <= (\
     SELECT newer.number FROM esipa_refusal newer WHERE newer.peer = change.peer \
     ORDER BY newer.number DESC LIMIT 1 OFFSET 100)) \
     OR number <= (SELECT MAX(newest.number) - 10000 FROM esipa_refusal newest) RETURNING digest, number"
);

const LIST: Statement = Statement::common(
    "SELECT number, reason, eid, caller_eid, certificate, peer, detail, first_at, last_at, times FROM esipa_refusal \
     WHERE (number < $1 OR $1 = 0) AND ($2 = '' OR eid = $2 OR caller_eid = $2) ORDER BY number DESC LIMIT $3",
);

pub(super) const STATEMENTS: &[Statement] = &[KEEP, TRIM, LIST];

/// Refusals that are the same but for their times and details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsipaRefusal {
    /// One word.
    pub reason: String,
    /// The EID that was claimed, if one was.
    pub eid: Option<Eid>,
    /// The EID that the caller's certificate stands for, if it stands for one.
    pub caller_eid: Option<Eid>,
    /// SHA-256 of the caller's certificate in hexadecimal digits, if it showed one.
    pub certificate: Option<String>,
    /// Where it called from.
    pub peer: String,
    /// What was the matter, at the last of them; its beginning is kept.
    pub detail: String,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
    /// How many.
    pub times: u64,
}

impl EsipaRefusal {
    /// What makes two of them the same.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let eid = |eid: &Option<Eid>| eid.as_ref().map(|eid| eid.as_str().to_owned()).unwrap_or_default();
        let certificate = self.certificate.clone().unwrap_or_default();
        for part in
            [self.reason.clone(), eid(&self.eid), eid(&self.caller_eid), certificate, self.peer.clone()]
        {
            hash.update(part.as_bytes());
            // No part has it.
            hash.update([0]);
        }
        hex::encode(hash.finalize())
    }
}

/// What the store has of refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsipaRefusalRecord {
    /// Its number: rises with the time of the first.
    pub number: i64,
    /// What was refused.
    pub refusal: EsipaRefusal,
}

set_row! {
    struct RefusalRow {
        digest: String,
        reason: String,
        eid: Option<String>,
        caller_eid: Option<String>,
        certificate: Option<String>,
        peer: String,
        detail: String,
        first_at: i64,
        last_at: i64,
        times: i64,
    }
}

impl From<&EsipaRefusal> for RefusalRow {
    fn from(refusal: &EsipaRefusal) -> Self {
        Self {
            digest: refusal.digest(),
            reason: refusal.reason.clone(),
            eid: refusal.eid.as_ref().map(Eid::to_string),
            caller_eid: refusal.caller_eid.as_ref().map(Eid::to_string),
            certificate: refusal.certificate.clone(),
            peer: refusal.peer.clone(),
            detail: refusal.detail.chars().take(DETAIL_CHARS_MAX).collect(),
            first_at: refusal.first_at.as_millis(),
            last_at: refusal.last_at.as_millis(),
            times: i64::try_from(refusal.times).unwrap_or(i64::MAX),
        }
    }
}

fn record(row: &Row) -> Result<EsipaRefusalRecord, StoreError> {
    let number = row.integer("number")?;
    let eid = |column: &'static str| {
        let corrupt = |_| StoreError::Corrupt { column, key: number.to_string() };
        row.text_or_null(column)?.map(|text| Eid::parse(&text).map_err(corrupt)).transpose()
    };
    Ok(EsipaRefusalRecord {
        number,
        refusal: EsipaRefusal {
            reason: row.text("reason")?,
            eid: eid("eid")?,
            caller_eid: eid("caller_eid")?,
            certificate: row.text_or_null("certificate")?,
            peer: row.text("peer")?,
            detail: row.text("detail")?,
            first_at: Timestamp::from_millis(row.integer("first_at")?),
            last_at: Timestamp::from_millis(row.integer("last_at")?),
            times: u64::try_from(row.integer("times")?).unwrap_or(0),
        },
    })
}

impl Store {
    /// Keeps refusals, no two of them the same, in one commit, and drops older ones where there are too many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn keep_esipa_refusals(&self, refusals: &[EsipaRefusal]) -> Result<(), StoreError> {
        let rows: Vec<RefusalRow> = refusals.iter().map(RefusalRow::from).collect();
        let mut peers: Vec<&str> = rows.iter().map(|row| row.peer.as_str()).collect();
        peers.sort_unstable();
        peers.dedup();
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&KEEP, &Set::of(&rows)).await?;
        writing.fetch_set(&TRIM, &Set::column("peer", peers.into_iter())).await?;
        writing.commit().await
    }

    /// A page of refusals, the newest first, beginning below the number `before` (0: with the newest), of all EIDs or of
    /// one that was claimed or called, at most `limit` (and 1001: the last one says that another page follows).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn esipa_refusals(
        &self,
        eid: Option<&Eid>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<EsipaRefusalRecord>, StoreError> {
        let arguments =
            [before.into(), eid.map_or("", Eid::as_str).into(), i64::from(limit.min(PAGE_MAX + 1)).into()];
        let rows = self.pools.fetch(&LIST, arguments).await?;
        rows.iter().map(record).collect()
    }
}
