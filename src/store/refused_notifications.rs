//! Notifications that were refused (SGP.22 3.5): answered with 204, after which the LPA has no copy, and kept here with the
//! reason for people who look for a fault.
//!
//! Anybody may send them, so they are few and short: so many of one peer and in all, the oldest go, and of each only its
//! first octets. One that comes again is counted.

use sha2::{Digest as _, Sha256};

use super::engine::{Row, Statement, set_statement};
use super::set::set_row;
use super::writer::{Change, Done};
use super::{Store, StoreError};
use crate::env::Timestamp;
use crate::ident::Peer;

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;
/// Octets of a refused notification that are kept.
pub const REFUSED_OCTETS_MAX: usize = 2048;
/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 512;

pub(super) const KEEP_REFUSED: Statement = set_statement!(
    [digest text, peer text, reason text, raw octets, octets bigint, received_at bigint]
    "INSERT INTO refused_notification (digest, peer, reason, raw, octets, received_at, repetitions) \
     SELECT digest, peer, reason, raw, octets, received_at, 0 FROM change WHERE true \
     ON CONFLICT (digest) DO UPDATE SET repeated_at = excluded.received_at, \
     repetitions = refused_notification.repetitions + 1 RETURNING digest, number"
);

/// The newest 100 of a peer and 10,000 of all stay; numbers rise, and may leave some out. Behind [`KEEP_REFUSED`].
pub(super) const TRIM_REFUSED: Statement = set_statement!(
    [peer text]
    "DELETE FROM refused_notification WHERE number IN (\
     SELECT old.number FROM (SELECT DISTINCT change.peer FROM change) own \
     JOIN refused_notification old ON old.peer = own.peer AND old.number <= (\
     SELECT newer.number FROM refused_notification newer WHERE newer.peer = own.peer \
     ORDER BY newer.number DESC LIMIT 1 OFFSET 100)) \
     OR number <= (SELECT MAX(newest.number) - 10000 FROM refused_notification newest) RETURNING digest, number"
);

const REFUSED: Statement = Statement::common(
    "SELECT number, peer, reason, raw, octets, received_at, repeated_at, repetitions FROM refused_notification \
     WHERE number < $1 OR $1 = 0 ORDER BY number DESC LIMIT $2",
);

pub(super) const STATEMENTS: &[Statement] = &[KEEP_REFUSED, TRIM_REFUSED, REFUSED];

/// A notification that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNotification {
    /// Its number: rises with time.
    pub number: i64,
    /// Where it came from, when it came first.
    pub peer: String,
    /// Why it was refused, when it came first.
    pub reason: String,
    /// Its octets, at most [`REFUSED_OCTETS_MAX`].
    pub raw: Vec<u8>,
    /// How many octets it had.
    pub octets: u64,
    /// When it came first.
    pub received_at: Timestamp,
    /// When it came last, if it came again.
    pub repeated_at: Option<Timestamp>,
    /// How often it came again.
    pub repetitions: u64,
}

set_row! {
    pub(super) struct RefusedRow {
        pub(super) digest: String,
        peer: String,
        reason: String,
        raw: Vec<u8>,
        octets: i64,
        received_at: i64,
    }
}

impl Store {
    /// Keeps a notification that was refused, and drops older ones where there are too many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn keep_refused_notification(
        &self,
        peer: Peer,
        notification: &[u8],
        reason: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = RefusedRow {
            digest: hex::encode(Sha256::digest(notification)),
            peer: peer.to_string(),
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
            raw: notification.get(..REFUSED_OCTETS_MAX).unwrap_or(notification).to_vec(),
            octets: i64::try_from(notification.len()).unwrap_or(i64::MAX),
            received_at: at.as_millis(),
        };
        match self.writer.change(Change::Refuse(Box::new(row))).await? {
            Done::Number(_) => Ok(()),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// A page of refused notifications, the newest first, beginning below the number `before` (0: with the newest), at
    /// most `limit` (and 1000).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn refused_notifications(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<RefusedNotification>, StoreError> {
        let limit = i64::from(limit.min(PAGE_MAX));
        let rows = self.pools.fetch(&REFUSED, [before.into(), limit.into()]).await?;
        let refused = |row: &Row| {
            Ok(RefusedNotification {
                number: row.integer("number")?,
                peer: row.text("peer")?,
                reason: row.text("reason")?,
                raw: row.octets("raw")?,
                octets: u64::try_from(row.integer("octets")?).unwrap_or(0),
                received_at: Timestamp::from_millis(row.integer("received_at")?),
                repeated_at: row.integer_or_null("repeated_at")?.map(Timestamp::from_millis),
                repetitions: u64::try_from(row.integer("repetitions")?).unwrap_or(0),
            })
        };
        rows.iter().map(refused).collect()
    }
}
