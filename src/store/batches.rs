//! What manufacturers deliver: batches that come in piece by piece and are published whole.
//!
//! A batch begins with a row of its own, gets its rows in chunks ([`super::chunks`]), and is published in one short change. Until
//! then nobody sees a row of it, but its numbers are taken already. Whoever takes a batch in holds it by a lease, which
//! every chunk renews: if the process dies, the lease runs out and the batch is removed, by chunks as well.
//!
//! Identifiers of batches are in the order of time ([`Batch::new_id`]), so that the stock of an older one is used first.

use std::time::Duration;

use super::audit;
use super::chunks::{REMOVE_EUICCS, REMOVE_PROFILES, ROWS_MAX};
use super::engine::{Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::writer::{Change, ChunkParts, ChunkRow, Done};
use super::{Constraint, Store, StoreError};
use crate::domain::{DeliveryId, Manufacturer, NewAuditEntry, Operator, ProfileType, SubClassName};
use crate::env::{Rng, Timestamp};
use crate::ident::Iccid;

/// Batches of one page at most.
pub const BATCHES_MAX: u32 = 1000;

const BEGIN_BATCH: Statement = set_statement!(
    [batch_id text, manufacturer text, delivery_id text, kind bigint, owner text, profile_type text, sub_class text,
     receiver text, lease_until bigint, received_at bigint]
    "INSERT INTO batch (batch_id, manufacturer, delivery_id, kind, owner, profile_type, sub_class, receiver, \
     lease_until, received_at, state, profiles, digest) \
     SELECT batch_id, manufacturer, delivery_id, kind, owner, profile_type, sub_class, receiver, lease_until, \
     received_at, 0, 0, '' FROM change WHERE true"
);

/// Nobody else may have it by now.
pub(super) const HOLD_BATCH: Statement = set_statement!(
    [batch_id text, receiver text, lease_until bigint]
    "UPDATE batch SET lease_until = change.lease_until FROM change WHERE batch.batch_id = change.batch_id \
     AND batch.receiver = change.receiver AND batch.state = 0 RETURNING batch.batch_id, 0"
);

const PUBLISH_BATCH: Statement = set_statement!(
    [batch_id text, receiver text, profiles bigint, rows_read bigint, refused bigint, digest text, first_iccid text,
     last_iccid text, refusals octets, received_at bigint]
    "UPDATE batch SET state = 1, receiver = NULL, lease_until = NULL, profiles = change.profiles, \
     rows_read = change.rows_read, refused = change.refused, digest = change.digest, \
     first_iccid = change.first_iccid, last_iccid = change.last_iccid, refusals = change.refusals, \
     received_at = change.received_at FROM change WHERE batch.batch_id = change.batch_id \
     AND batch.receiver = change.receiver AND batch.state = 0 RETURNING batch.batch_id, 0"
);

/// From here on no chunk goes in any more.
const CLAIM_BATCH: Statement = Statement::common(
    "UPDATE batch SET state = 2 WHERE batch_id = $1 AND state <> 1 AND (receiver = $2 OR lease_until <= $3) \
     RETURNING batch_id",
);

/// The rows of a batch that was given up hang on it until they are gone.
const HOLD_GIVEN_UP: Statement = set_statement!(
    [batch_id text, receiver text, lease_until bigint]
    "UPDATE batch SET state = 2 FROM change WHERE batch.batch_id = change.batch_id AND batch.state = 2 \
     RETURNING batch.batch_id, 0"
);

const PROFILES_OF_GIVEN_UP: Statement = Statement::common(
    "SELECT profile.iccid FROM profile JOIN batch ON batch.batch_id = $1 AND batch.state = 2 \
     WHERE profile.state = 0 AND profile.shelf = 0 AND profile.owner = batch.owner \
     AND profile.profile_type = batch.profile_type AND profile.batch_id = $1 ORDER BY profile.iccid LIMIT $2",
);

const EUICCS_OF_GIVEN_UP: Statement =
    Statement::common("SELECT eid FROM euicc WHERE batch_id = $1 ORDER BY eid LIMIT $2");

const REMOVE_BATCH: Statement = set_statement!(
    [number text]
    "DELETE FROM batch WHERE batch_id IN (SELECT number FROM change) AND state = 2 RETURNING batch_id, ''"
);

const GIVEN_UP: Statement = Statement::common(
    "SELECT batch_id FROM batch WHERE state <> 1 AND (lease_until <= $1 OR state = 2) ORDER BY batch_id LIMIT 100",
);

/// The columns that [`record`] reads.
macro_rules! batch_columns {
    () => {
        "batch_id, manufacturer, delivery_id, kind, owner, profile_type, sub_class, state, lease_until, profiles, \
         rows_read, refused, digest, first_iccid, last_iccid, received_at"
    };
}

const BATCH_OF_DELIVERY: Statement = Statement::common(concat!(
    "SELECT ",
    batch_columns!(),
    " FROM batch WHERE manufacturer = $1 AND delivery_id = $2"
));

const BATCH: Statement =
    Statement::common(concat!("SELECT ", batch_columns!(), " FROM batch WHERE batch_id = $1"));

const REFUSALS: Statement = Statement::common("SELECT refusals FROM batch WHERE batch_id = $1 AND state = 1");

const BATCHES: Statement = Statement::common(concat!(
    "SELECT ",
    batch_columns!(),
    " FROM batch WHERE batch_id > $1 AND state = 1 ORDER BY batch_id LIMIT $2"
));

const BATCHES_OF_MANUFACTURER: Statement = Statement::common(concat!(
    "SELECT ",
    batch_columns!(),
    " FROM batch WHERE manufacturer = $3 AND batch_id > $1 AND state = 1 ORDER BY batch_id LIMIT $2"
));

const LATEST_BATCH: Statement =
    Statement::common("SELECT MAX(received_at) AS received_at FROM batch WHERE state = 1");

pub(super) const STATEMENTS: &[Statement] = &[
    BEGIN_BATCH,
    HOLD_BATCH,
    PUBLISH_BATCH,
    CLAIM_BATCH,
    HOLD_GIVEN_UP,
    PROFILES_OF_GIVEN_UP,
    EUICCS_OF_GIVEN_UP,
    REMOVE_BATCH,
    GIVEN_UP,
    BATCH_OF_DELIVERY,
    BATCH,
    REFUSALS,
    BATCHES,
    BATCHES_OF_MANUFACTURER,
    LATEST_BATCH,
];

/// What a batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// Subscriptions, or packages that hold them.
    Subscriptions,
    /// eUICCs.
    Euiccs,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its identifier, new to the store.
    pub batch_id: String,
    /// Who delivers it.
    pub manufacturer: Manufacturer,
    /// What the manufacturer calls it: no two deliveries of one manufacturer have the same name.
    pub delivery_id: Option<DeliveryId>,
    /// What it holds.
    pub kind: BatchKind,
    /// Whose profiles or eUICCs they are.
    pub owner: Operator,
    /// The type of the profiles.
    pub profile_type: ProfileType,
    /// The kind of SIM that they are for.
    pub sub_class: Option<SubClassName>,
    /// When it came.
    pub received_at: Timestamp,
}

impl Batch {
    /// A delivery at the server itself, for SIMs of no special kind, of no name.
    #[must_use]
    pub fn local(batch_id: &str, owner: Operator, profile_type: ProfileType, received_at: Timestamp) -> Self {
        Self {
            batch_id: batch_id.to_owned(),
            manufacturer: Manufacturer::local(),
            delivery_id: None,
            kind: BatchKind::Subscriptions,
            owner,
            profile_type,
            sub_class: None,
            received_at,
        }
    }

    /// An identifier: 16 hexadecimal digits, greater for a later time.
    #[must_use]
    pub fn new_id(now: Timestamp, rng: &Rng) -> String {
        let millis = now.as_millis().max(0).unsigned_abs();
        let [first, second, third] = rng.array::<3>();
        let drawn = u32::from_be_bytes([0, first, second, third]) & 0xF_FFFF;
        format!("{:011X}{drawn:05X}", millis & 0xFFF_FFFF_FFFF)
    }
}

/// Who takes a batch in, and until when nobody else may remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// A name that no other receiver has.
    pub receiver: String,
    /// When it runs out unless it is renewed.
    pub until: Timestamp,
}

impl Lease {
    /// A receiver of its own, until `duration` from now.
    #[must_use]
    pub fn new(rng: &Rng, now: Timestamp, duration: Duration) -> Self {
        Self { receiver: hex::encode_upper(rng.array::<16>()), until: now.plus(duration) }
    }
}

/// What a batch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that are in the stock.
    pub taken: u64,
    /// Rows that are not.
    pub refused: u64,
    /// The SHA-256 of the file.
    pub digest: [u8; 32],
    /// The first number that was taken.
    pub first_iccid: Option<Iccid>,
    /// The last number that was taken.
    pub last_iccid: Option<Iccid>,
}

/// How far a batch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// It comes in; if nobody renews the lease, it may be removed then.
    ComingIn(Timestamp),
    /// It is in the stock.
    Published(Totals),
    /// It was given up, and what came in of it is being removed.
    GivenUp,
}

/// A batch as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// The delivery.
    pub batch: Batch,
    /// How far it is.
    pub state: BatchState,
}

/// What became of the wish to begin a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is ours.
    New,
    /// The manufacturer has a delivery of this name already.
    There(Box<BatchRecord>),
}

set_row! {
    struct BatchRow<'a> {
        batch_id: &'a str,
        manufacturer: &'a str,
        delivery_id: Option<&'a str>,
        kind: i64,
        owner: &'a str,
        profile_type: &'a str,
        sub_class: Option<&'a str>,
        receiver: &'a str,
        lease_until: i64,
        received_at: i64,
    }
}

set_row! {
    struct PublishRow<'a> {
        batch_id: &'a str,
        receiver: &'a str,
        profiles: i64,
        rows_read: i64,
        refused: i64,
        digest: &'a str,
        first_iccid: Option<&'a str>,
        last_iccid: Option<&'a str>,
        refusals: Option<&'a [u8]>,
        received_at: i64,
    }
}

/// Rows of a batch that is removed, by ICCID or EID.
struct Removed {
    statements: &'static [&'static Statement],
    numbers: Vec<String>,
}

impl ChunkParts for Removed {
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)> {
        let numbers = || Set::column("number", self.numbers.iter().map(String::as_str));
        self.statements.iter().map(|statement| (*statement, numbers())).collect()
    }
}

const fn kind_code(kind: BatchKind) -> i64 {
    match kind {
        BatchKind::Subscriptions => 0,
        BatchKind::Euiccs => 1,
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn record(row: &Row) -> Result<BatchRecord, StoreError> {
    let batch_id = row.text("batch_id")?;
    let corrupt = |column| StoreError::Corrupt { column, key: batch_id.clone() };
    let delivery_id = row.text_or_null("delivery_id")?;
    let sub_class = row.text_or_null("sub_class")?;
    let at = |column| -> Result<Timestamp, StoreError> { Ok(Timestamp::from_millis(row.integer(column)?)) };
    let batch = Batch {
        manufacturer: Manufacturer::parse(&row.text("manufacturer")?)
            .ok_or_else(|| corrupt("manufacturer"))?,
        delivery_id: delivery_id
            .map(|id| DeliveryId::parse(&id).ok_or_else(|| corrupt("delivery_id")))
            .transpose()?,
        kind: match row.integer("kind")? {
            0 => BatchKind::Subscriptions,
            1 => BatchKind::Euiccs,
            _ => return Err(corrupt("kind")),
        },
        owner: Operator::parse(&row.text("owner")?).ok_or_else(|| corrupt("owner"))?,
        profile_type: ProfileType::parse(&row.text("profile_type")?)
            .ok_or_else(|| corrupt("profile_type"))?,
        sub_class: sub_class
            .map(|name| SubClassName::parse(&name).ok_or_else(|| corrupt("sub_class")))
            .transpose()?,
        received_at: at("received_at")?,
        batch_id: batch_id.clone(),
    };
    let state = match row.integer("state")? {
        0 => BatchState::ComingIn(at("lease_until")?),
        1 => BatchState::Published(totals(row, &batch_id)?),
        2 => BatchState::GivenUp,
        _ => return Err(corrupt("state")),
    };
    Ok(BatchRecord { batch, state })
}

fn totals(row: &Row, batch_id: &str) -> Result<Totals, StoreError> {
    let corrupt = |column| StoreError::Corrupt { column, key: batch_id.to_owned() };
    let number = |column| u64::try_from(row.integer(column)?).map_err(|_| corrupt(column));
    let iccid = |column| -> Result<_, StoreError> {
        row.text_or_null(column)?.map(|text| Iccid::parse(&text).map_err(|_| corrupt(column))).transpose()
    };
    let mut digest = [0; 32];
    hex::decode_to_slice(row.text("digest")?, &mut digest).map_err(|_| corrupt("digest"))?;
    let taken = number("profiles")?;
    Ok(Totals {
        // Batches of earlier versions have no refused rows, and their rows were not counted.
        rows: number("rows_read")?.max(taken),
        taken,
        refused: number("refused")?,
        digest,
        first_iccid: iccid("first_iccid")?,
        last_iccid: iccid("last_iccid")?,
    })
}

impl Store {
    /// When the latest batch came in; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn latest_batch_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.pools.fetch(&LATEST_BATCH, []).await?;
        let at = rows.first().map(|row| row.integer_or_null("received_at")).transpose()?.flatten();
        Ok(at.map(Timestamp::from_millis))
    }

    /// Begins a batch. Of two that begin under the same manufacturer and delivery identifier, one is first.
    ///
    /// # Errors
    /// [`StoreError::InUse`] for a batch identifier that is; others if the engine fails.
    pub async fn begin_batch(&self, batch: &Batch, lease: &Lease) -> Result<Begun, StoreError> {
        let row = BatchRow {
            batch_id: &batch.batch_id,
            manufacturer: batch.manufacturer.as_str(),
            delivery_id: batch.delivery_id.as_ref().map(DeliveryId::as_str),
            kind: kind_code(batch.kind),
            owner: batch.owner.as_str(),
            profile_type: batch.profile_type.as_str(),
            sub_class: batch.sub_class.as_ref().map(SubClassName::as_str),
            receiver: &lease.receiver,
            lease_until: lease.until.as_millis(),
            received_at: batch.received_at.as_millis(),
        };
        let set = Set::of([&row]);
        let mut tries = 0;
        loop {
            let mut writing = self.pools.begin().await?;
            let inserted = match writing.fetch_set(&BEGIN_BATCH, &set).await {
                Ok(_) => writing.commit().await,
                Err(error) => Err(error),
            };
            match (inserted, &batch.delivery_id) {
                (Ok(()), _) => return Ok(Begun::New),
                (Err(StoreError::InUse(Constraint::Delivery)), Some(id)) if tries < 3 => {
                    if let Some(there) = self.batch_of_delivery(&batch.manufacturer, id).await? {
                        return Ok(Begun::There(Box::new(there)));
                    }
                    // It was removed in between.
                    tries += 1;
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    /// Publishes a batch: from now on everybody sees its rows. `refusals` is kept as it is, and `entry` is appended
    /// to the audit.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the lease ran out and the batch was given up; others if the engine fails.
    pub async fn publish_batch(
        &self,
        batch: &Batch,
        lease: &Lease,
        totals: &Totals,
        refusals: Option<&[u8]>,
        entry: Option<NewAuditEntry>,
    ) -> Result<(), StoreError> {
        let digest = hex::encode(totals.digest);
        let row = PublishRow {
            batch_id: &batch.batch_id,
            receiver: &lease.receiver,
            profiles: count(totals.taken),
            rows_read: count(totals.rows),
            refused: count(totals.refused),
            digest: &digest,
            first_iccid: totals.first_iccid.as_ref().map(Iccid::as_str),
            last_iccid: totals.last_iccid.as_ref().map(Iccid::as_str),
            refusals,
            received_at: batch.received_at.as_millis(),
        };
        let mut writing = self.pools.begin().await?;
        if writing.fetch_set(&PUBLISH_BATCH, &Set::of([&row])).await?.is_empty() {
            return Err(StoreError::Conflict);
        }
        audit::append(&mut writing, entry.as_slice()).await?;
        writing.commit().await
    }

    /// Gives up a batch that is not published, held by `receiver` or with a lease that ran out at `now`, and removes what
    /// came in of it. What stands in the way of that (somebody holds it, or it is gone) is no error.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn remove_batch(
        &self,
        batch_id: &str,
        receiver: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        let arguments = [batch_id.into(), receiver.into(), now.as_millis().into()];
        let claimed = writing.fetch(&CLAIM_BATCH, arguments).await?;
        writing.commit().await?;
        if claimed.is_empty() {
            return Ok(());
        }
        self.remove_rows(batch_id, &PROFILES_OF_GIVEN_UP, REMOVE_PROFILES).await?;
        self.remove_rows(batch_id, &EUICCS_OF_GIVEN_UP, REMOVE_EUICCS).await?;
        let gone = Removed { statements: &[&REMOVE_BATCH], numbers: vec![batch_id.to_owned()] };
        self.given_up(batch_id, gone).await.map(drop)
    }

    async fn remove_rows(
        &self,
        batch_id: &str,
        find: &Statement,
        statements: &'static [&'static Statement],
    ) -> Result<(), StoreError> {
        let limit = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
        loop {
            let rows = self.pools.fetch(find, [batch_id.into(), limit.into()]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let numbers = rows.iter().map(Row::key).collect::<Result<_, _>>()?;
            if !self.given_up(batch_id, Removed { statements, numbers }).await? {
                // Somebody else removed the rest.
                return Ok(());
            }
        }
    }

    /// Changes rows of a batch that was given up; whether it was still there.
    async fn given_up(&self, batch_id: &str, removed: Removed) -> Result<bool, StoreError> {
        let row = ChunkRow {
            hold: &HOLD_GIVEN_UP,
            batch_id: batch_id.to_owned(),
            receiver: String::new(),
            lease_until: 0,
            parts: Box::new(removed),
        };
        match self.writer.change(Change::Chunk(Box::new(row))).await {
            Ok(Done::Number(_) | Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_)) => {
                Ok(true)
            }
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Batches whose receivers died, or were interrupted while they removed one; at most 100.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn given_up_batches(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let rows = self.pools.fetch(&GIVEN_UP, [now.as_millis().into()]).await?;
        rows.iter().map(|row| row.text("batch_id")).collect()
    }

    /// The delivery of this manufacturer and name, however far it is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn batch_of_delivery(
        &self,
        manufacturer: &Manufacturer,
        delivery_id: &DeliveryId,
    ) -> Result<Option<BatchRecord>, StoreError> {
        let arguments = [manufacturer.as_str().into(), delivery_id.as_str().into()];
        let rows = self.pools.fetch(&BATCH_OF_DELIVERY, arguments).await?;
        rows.first().map(record).transpose()
    }

    /// The batch of this identifier, however far it is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn batch(&self, batch_id: &str) -> Result<Option<BatchRecord>, StoreError> {
        let rows = self.pools.fetch(&BATCH, [batch_id.into()]).await?;
        rows.first().map(record).transpose()
    }

    /// What was kept of the refused rows of a published batch.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn refusals(&self, batch_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.pools.fetch(&REFUSALS, [batch_id.into()]).await?;
        Ok(rows.first().map(|row| row.octets_or_null("refusals")).transpose()?.flatten())
    }

    /// Published batches behind `after`, in the order of time, of one manufacturer or of all, at most `limit` (and
    /// [`BATCHES_MAX`] and one, which says that another page follows).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn batches(
        &self,
        after: &str,
        manufacturer: Option<&Manufacturer>,
        limit: u32,
    ) -> Result<Vec<BatchRecord>, StoreError> {
        let limit = i64::from(limit.min(BATCHES_MAX + 1));
        let rows = match manufacturer {
            None => self.pools.fetch(&BATCHES, [after.into(), limit.into()]).await?,
            Some(name) => {
                let arguments = [after.into(), limit.into(), name.as_str().into()];
                self.pools.fetch(&BATCHES_OF_MANUFACTURER, arguments).await?
            }
        };
        rows.iter().map(record).collect()
    }
}
