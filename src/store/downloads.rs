//! What a download leaves behind: attempts, the binding, results and notifications (SGP.22 3.1.3, 3.1.5, 3.5).

use sha2::{Digest as _, Sha256};

use super::callbacks::{CallbackRow, NewCallback, keep_callback};
use super::engine::{Row, Statement, change_statement, set_statement};
use super::order_row::{order, order_columns, reason_text, run_time_code, state_code};
use super::packages::{Package, package, package_columns};
use super::set::set_row;
use super::writer::{Change, Done};
use super::{Store, StoreError};
use crate::domain::{Order, ProfileEvent};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, MatchingId, TransactionId};

macro_rules! binding_columns {
    () => {
        "binding.eid AS binding_eid, binding.euicc_public_key, binding.euicc_otpk, binding.smdp_otpk, \
         binding.content_digest, binding.session_keys, binding.bound_at AS binding_at"
    };
}

macro_rules! select_material {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            ", ",
            binding_columns!(),
            ", ",
            package_columns!(),
            " FROM profile JOIN package ON package.iccid = profile.iccid \
             LEFT JOIN binding ON binding.iccid = profile.iccid WHERE ",
            $condition
        )
    };
}

const MATERIAL: Statement = Statement::common(select_material!("profile.iccid = $1"));

const MATERIAL_BY_MATCHING_ID: Statement =
    Statement::common(select_material!("profile.matching_id = $1 AND profile.matching_id <> ''"));

const DOWNLOAD_BY_TRANSACTION: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    ", ",
    binding_columns!(),
    " FROM binding_transaction JOIN binding ON binding.iccid = binding_transaction.iccid \
     JOIN profile ON profile.iccid = binding.iccid WHERE binding_transaction.transaction_id = $1"
));

const LATEST_DOWNLOAD: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    ", ",
    binding_columns!(),
    " FROM binding JOIN profile ON profile.iccid = binding.iccid WHERE binding.iccid = $1"
));

const NOTIFICATIONS: Statement = Statement::common(
    "SELECT eid, seq_number, event, raw, received_at FROM notification \
     WHERE iccid = $1 ORDER BY received_at, seq_number LIMIT 1000",
);

const NOTIFICATION_KNOWN: Statement = Statement::common(
    "SELECT seq_number FROM notification WHERE iccid = $1 AND eid = $2 AND seq_number = $3 AND digest = $4",
);

/// What [`COUNT_DOWNLOAD`] and [`COUNT_CONFIRMATION`] demand of an order whose count is in the column named.
macro_rules! may_be_counted {
    ($count:literal) => {
        concat!(
            "profile.iccid = change.iccid AND profile.version = change.version AND profile.state IN (4, 5) AND profile.",
            $count,
            " < change.attempts_max"
        )
    };
}

pub(super) const COUNT_DOWNLOAD: Statement = change_statement!(
    [iccid text, version bigint, attempts_max bigint]
    "UPDATE profile SET download_attempts = profile.download_attempts + 1 FROM change WHERE ",
    may_be_counted!("download_attempts"); returning "profile.iccid"
);

/// Before [`COUNT_DOWNLOAD`].
pub(super) const TELL_OF_DOWNLOAD: Statement = keep_callback!(
    [iccid text, version bigint, attempts_max bigint] may_be_counted!("download_attempts")
);

pub(super) const COUNT_CONFIRMATION: Statement = set_statement!(
    [iccid text, version bigint, attempts_max bigint]
    "UPDATE profile SET confirmation_attempts = profile.confirmation_attempts + 1 FROM change \
     WHERE ", may_be_counted!("confirmation_attempts"), " RETURNING profile.iccid, profile.confirmation_attempts"
);

/// Before [`COUNT_CONFIRMATION`].
pub(super) const TELL_OF_CONFIRMATION: Statement = keep_callback!(
    [iccid text, version bigint, attempts_max bigint] may_be_counted!("confirmation_attempts")
);

/// What [`BIND`] demands of an order. The statements that go with it stand before it, while the row still says so.
macro_rules! may_be_bound {
    () => {
        "profile.iccid = change.iccid AND profile.version = change.version AND profile.state IN (4, 5) \
         AND (profile.eid IS NULL OR profile.eid = change.eid)"
    };
}

/// Released to Downloaded, or Downloaded again by the same eUICC.
pub(super) const BIND: Statement = change_statement!(
    [iccid text, version bigint, eid text, bound_at bigint]
    "UPDATE profile SET state = 5, version = profile.version + 1, eid = change.eid, bound_at = change.bound_at \
     FROM change WHERE ", may_be_bound!(); returning "profile.iccid"
);

/// Before [`BIND`].
pub(super) const KEEP_BINDING: Statement = change_statement!(
    [iccid text, version bigint, eid text, euicc_public_key octets, euicc_otpk octets, smdp_otpk octets,
     content_digest octets, session_keys octets, bound_at bigint]
    "INSERT INTO binding (iccid, eid, euicc_public_key, euicc_otpk, smdp_otpk, content_digest, session_keys, bound_at) \
     SELECT change.iccid, change.eid, change.euicc_public_key, change.euicc_otpk, change.smdp_otpk, \
     change.content_digest, change.session_keys, change.bound_at FROM change, profile WHERE ", may_be_bound!(), " \
     ON CONFLICT (iccid) DO UPDATE SET eid = excluded.eid, euicc_public_key = excluded.euicc_public_key, \
     euicc_otpk = excluded.euicc_otpk, smdp_otpk = excluded.smdp_otpk, \
     content_digest = excluded.content_digest, session_keys = excluded.session_keys, \
     bound_at = excluded.bound_at"; returning "iccid"
);

/// Before [`BIND`].
pub(super) const KEEP_TRANSACTION: Statement = change_statement!(
    [transaction_id octets, iccid text, version bigint, eid text]
    "INSERT INTO binding_transaction (transaction_id, iccid) SELECT change.transaction_id, change.iccid \
     FROM change, profile WHERE ", may_be_bound!(), " ON CONFLICT (transaction_id) DO NOTHING"; returning "iccid"
);

/// Before [`BIND`].
pub(super) const TELL_OF_BINDING: Statement =
    keep_callback!([iccid text, version bigint, eid text] may_be_bound!());

pub(super) const RECORD_RESULT: Statement = change_statement!(
    [iccid text, version bigint, state bigint, ended_at bigint, error_reason text]
    "UPDATE profile SET state = change.state, version = profile.version + 1, ended_at = change.ended_at, \
     error_reason = change.error_reason FROM change \
     WHERE profile.iccid = change.iccid AND profile.version = change.version AND change.state IS NOT NULL";
    returning "profile.iccid"
);

/// Keys of a binding are wiped in the change that ends the order. Before [`RECORD_RESULT`].
pub(super) const WIPE_ENDED: Statement = change_statement!(
    [iccid text, version bigint, state bigint, ended_at bigint]
    "UPDATE binding SET session_keys = NULL FROM change WHERE binding.iccid = change.iccid \
     AND change.state IS NOT NULL AND change.ended_at IS NOT NULL AND binding.session_keys IS NOT NULL \
     AND EXISTS (SELECT 1 FROM profile WHERE profile.iccid = change.iccid AND profile.version = change.version)";
    returning "binding.iccid"
);

/// One that changes its order is kept only if the order is still what it was. Before [`RECORD_RESULT`].
pub(super) const INSERT_NOTIFICATION: Statement = change_statement!(
    [iccid text, eid text, seq_number bigint, digest octets, event bigint, received_at bigint, raw octets,
     version bigint, state bigint]
    "INSERT INTO notification (iccid, eid, seq_number, digest, event, received_at, raw) \
     SELECT change.iccid, change.eid, change.seq_number, change.digest, change.event, change.received_at, change.raw \
     FROM change WHERE (change.state IS NULL OR EXISTS (SELECT 1 FROM profile WHERE profile.iccid = change.iccid \
     AND profile.version = change.version)) ON CONFLICT (iccid, eid, seq_number, digest) DO NOTHING";
    returning "iccid"
);

/// An eUICC may send what it likes about its profile: the newest 500 stay. Behind [`INSERT_NOTIFICATION`].
pub(super) const TRIM_NOTIFICATIONS: Statement = set_statement!(
    [iccid text]
    "DELETE FROM notification WHERE (iccid, eid, seq_number, digest) IN (\
     SELECT old.iccid, old.eid, old.seq_number, old.digest FROM (SELECT DISTINCT change.iccid FROM change) own \
     JOIN notification old ON old.iccid = own.iccid AND (old.received_at, old.seq_number, old.digest) <= (\
     SELECT newer.received_at, newer.seq_number, newer.digest FROM notification newer \
     WHERE newer.iccid = own.iccid \
     ORDER BY newer.received_at DESC, newer.seq_number DESC, newer.digest DESC LIMIT 1 OFFSET 500)) \
     RETURNING iccid, seq_number"
);

/// Of a notification that is kept and was not kept before. Before [`INSERT_NOTIFICATION`].
pub(super) const TELL_OF_NOTIFICATION: Statement = keep_callback!(
    [iccid text, eid text, seq_number bigint, digest octets, version bigint, state bigint]
    "profile.iccid = change.iccid AND (change.state IS NULL OR profile.version = change.version) \
     AND NOT EXISTS (SELECT 1 FROM notification WHERE notification.iccid = change.iccid \
     AND notification.eid = change.eid AND notification.seq_number = change.seq_number AND notification.digest = change.digest)"
);

/// Notifications may overtake each other: the highest number says how things stand. One that overtakes the
/// installation result waits in the row until that comes. Before [`RECORD_RESULT`].
pub(super) const RECORD_RUN_TIME: Statement = set_statement!(
    [iccid text, eid text, seq_number bigint, run_time_state bigint, version bigint, state bigint]
    "UPDATE profile SET run_time_state = change.run_time_state, run_time_number = change.seq_number FROM change \
     WHERE profile.iccid = change.iccid AND profile.eid = change.eid AND profile.bound_at IS NOT NULL \
     AND change.run_time_state IS NOT NULL AND (change.state IS NULL OR profile.version = change.version) \
     AND (profile.run_time_number IS NULL OR profile.run_time_number < change.seq_number) \
     RETURNING profile.iccid, profile.run_time_number"
);

pub(super) const STATEMENTS: &[Statement] = &[
    MATERIAL,
    MATERIAL_BY_MATCHING_ID,
    DOWNLOAD_BY_TRANSACTION,
    LATEST_DOWNLOAD,
    NOTIFICATIONS,
    NOTIFICATION_KNOWN,
    COUNT_DOWNLOAD,
    TELL_OF_DOWNLOAD,
    COUNT_CONFIRMATION,
    TELL_OF_CONFIRMATION,
    BIND,
    KEEP_BINDING,
    KEEP_TRANSACTION,
    TELL_OF_BINDING,
    RECORD_RESULT,
    WIPE_ENDED,
    INSERT_NOTIFICATION,
    TRIM_NOTIFICATIONS,
    TELL_OF_NOTIFICATION,
    RECORD_RUN_TIME,
];

/// What GetBoundProfilePackage writes down before it answers.
#[derive(Clone)]
pub struct NewBinding {
    /// The transaction of this session.
    pub transaction_id: TransactionId,
    /// The eUICC.
    pub eid: Eid,
    /// PK.EUICC.ECDSA, uncompressed: late results are verified with it.
    pub euicc_public_key: [u8; 65],
    /// otPK.EUICC.ECKA, uncompressed.
    pub euicc_otpk: [u8; 65],
    /// otPK.DP.ECKA, uncompressed.
    pub smdp_otpk: [u8; 65],
    /// SHA-256 of metadata and package: these keys never protect any other content.
    pub content_digest: [u8; 32],
    /// The session keys of this binding, sealed.
    pub sealed_session_keys: Vec<u8>,
    /// Now.
    pub at: Timestamp,
    /// What the operator is to be told.
    pub callback: Option<NewCallback>,
}

/// The latest binding of a profile.
#[derive(Clone)]
pub struct Binding {
    /// The profile.
    pub iccid: Iccid,
    /// The eUICC.
    pub eid: Eid,
    /// PK.EUICC.ECDSA, uncompressed.
    pub euicc_public_key: Vec<u8>,
    /// otPK.EUICC.ECKA, uncompressed.
    pub euicc_otpk: Vec<u8>,
    /// otPK.DP.ECKA, uncompressed.
    pub smdp_otpk: Vec<u8>,
    /// SHA-256 of metadata and package, as they were bound.
    pub content_digest: Vec<u8>,
    /// The session keys, sealed; `None` once the order ended.
    pub sealed_session_keys: Option<Vec<u8>>,
    /// When.
    pub at: Timestamp,
}

/// All that GetBoundProfilePackage reads about a profile.
#[derive(Clone)]
pub struct Material {
    /// The order.
    pub order: Order,
    /// Its latest binding.
    pub binding: Option<Binding>,
    /// Its content.
    pub package: Package,
}

/// A notification whose signature verified: no other is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotification {
    /// Who sent it.
    pub eid: Eid,
    /// `seqNumber` of the eUICC.
    pub seq_number: i64,
    /// The profile, which is bound to that eUICC.
    pub iccid: Iccid,
    /// The event.
    pub event: ProfileEvent,
    /// The octets that the eUICC signed. With EID and number, they say whether it came before: what is around them
    /// anybody can change.
    pub signed: Vec<u8>,
    /// `pendingNotification` with nothing in it that the standard does not know.
    pub raw: Vec<u8>,
    /// Now.
    pub at: Timestamp,
    /// What the operator is to be told.
    pub callback: Option<NewCallback>,
}

impl NewNotification {
    /// SHA-256 of what was signed.
    fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.signed).into()
    }
}

/// What a verified installation result makes of its order.
#[derive(Clone, Debug)]
pub enum ResultChange {
    /// Nothing: a temporary error, a result that came before, or an order that is over.
    None,
    /// This transition of the order as it was read.
    Order(Box<Order>),
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was new.
    New,
    /// It came before: nothing changed.
    Repeated,
}

/// A notification in the history of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Who sent it.
    pub eid: Eid,
    /// `seqNumber` of the eUICC.
    pub seq_number: i64,
    /// The event.
    pub event: ProfileEvent,
    /// `pendingNotification`.
    pub raw: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
}

set_row! {
    pub(super) struct CountRow {
        pub(super) iccid: String,
        version: i64,
        attempts_max: i64,
        pub(super) callback: Option<CallbackRow>,
    }
}

set_row! {
    pub(super) struct BindRow {
        pub(super) iccid: String,
        pub(super) version: i64,
        eid: String,
        transaction_id: Vec<u8>,
        euicc_public_key: [u8; 65],
        euicc_otpk: [u8; 65],
        smdp_otpk: [u8; 65],
        content_digest: [u8; 32],
        session_keys: Vec<u8>,
        bound_at: i64,
        pub(super) callback: Option<CallbackRow>,
    }
}

set_row! {
    pub(super) struct RecordRow {
        pub(super) iccid: String,
        digest: [u8; 32],
        eid: String,
        seq_number: i64,
        event: i64,
        raw: Vec<u8>,
        received_at: i64,
        version: i64,
        pub(super) state: Option<i64>,
        pub(super) ended_at: Option<i64>,
        error_reason: Option<String>,
        pub(super) run_time_state: Option<i64>,
        pub(super) callback: Option<CallbackRow>,
    }
}

fn binding(row: &Row) -> Result<Binding, StoreError> {
    let key = row.text("iccid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    Ok(Binding {
        iccid: Iccid::parse(&key).map_err(|_| corrupt("iccid"))?,
        eid: Eid::parse(&row.text("binding_eid")?).map_err(|_| corrupt("eid"))?,
        euicc_public_key: row.octets("euicc_public_key")?,
        euicc_otpk: row.octets("euicc_otpk")?,
        smdp_otpk: row.octets("smdp_otpk")?,
        content_digest: row.octets("content_digest")?,
        sealed_session_keys: row.octets_or_null("session_keys")?,
        at: Timestamp::from_millis(row.integer("binding_at")?),
    })
}

fn material(row: &Row) -> Result<Material, StoreError> {
    let bound = row.text_or_null("binding_eid")?.is_some();
    let binding = if bound { Some(binding(row)?) } else { None };
    Ok(Material { order: order(row)?, binding, package: package(row)? })
}

impl Store {
    /// The order, its latest binding and its content, in one read; `None` if the ICCID is not in the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn material(&self, iccid: &Iccid) -> Result<Option<Material>, StoreError> {
        let rows = self.pools.fetch(&MATERIAL, [iccid.as_str().into()]).await?;
        rows.first().map(material).transpose()
    }

    /// As [`Store::material`], of the order with this matching identifier; an empty one is nobody's.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn material_for(&self, matching_id: &MatchingId) -> Result<Option<Material>, StoreError> {
        let rows = self.pools.fetch(&MATERIAL_BY_MATCHING_ID, [matching_id.as_str().into()]).await?;
        rows.first().map(material).transpose()
    }

    /// The order and the latest binding of the profile for which a package was bound in this transaction, however long
    /// ago; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn download_by_transaction(
        &self,
        transaction_id: &TransactionId,
    ) -> Result<Option<(Order, Binding)>, StoreError> {
        let rows = self.pools.fetch(&DOWNLOAD_BY_TRANSACTION, [transaction_id.as_octets().into()]).await?;
        rows.first().map(|row| Ok((order(row)?, binding(row)?))).transpose()
    }

    /// The order and the latest binding of a profile; `None` if the ICCID is not in the stock or nothing was ever bound
    /// for it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn latest_download(&self, iccid: &Iccid) -> Result<Option<(Order, Binding)>, StoreError> {
        let rows = self.pools.fetch(&LATEST_DOWNLOAD, [iccid.as_str().into()]).await?;
        rows.first().map(|row| Ok((order(row)?, binding(row)?))).transpose()
    }

    /// AuthenticateClient reached this order (3.1.5): counts the attempt before it is answered, and keeps what the operator
    /// is to be told of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the order changed since it was read, is neither Released nor Downloaded, or has no
    /// attempt left: read it again and select again.
    pub async fn count_download_attempt(
        &self,
        order: &Order,
        attempts_max: u32,
        callback: Option<NewCallback>,
    ) -> Result<(), StoreError> {
        let change = Change::CountDownload(Box::new(count_row(order, attempts_max, callback)));
        self.count(change).await.map(drop)
    }

    /// A wrong confirmation code came: counts it before it is answered, keeps what the operator is to be told of it, and
    /// returns the new count.
    ///
    /// # Errors
    /// As [`Store::count_download_attempt`].
    pub async fn count_confirmation_attempt(
        &self,
        order: &Order,
        attempts_max: u32,
        callback: Option<NewCallback>,
    ) -> Result<u32, StoreError> {
        self.count(Change::CountConfirmation(Box::new(count_row(order, attempts_max, callback)))).await
    }

    async fn count(&self, change: Change) -> Result<u32, StoreError> {
        match self.writer.change(change).await? {
            Done::Number(count) => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// GetBoundProfilePackage is about to hand over a package: the order becomes Downloaded by this eUICC, and the
    /// binding replaces an earlier one. Results will be accepted for this transaction and all earlier ones of the
    /// profile. The same call serves the retry that keeps the binding: with the kept values and the new transaction. What the
    /// operator is to be told is kept with it.
    /// Returns the new version of the order.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the order changed since it was read, is neither Released nor Downloaded, or is for
    /// another eUICC.
    pub async fn bind(&self, order: &Order, new: &NewBinding) -> Result<i64, StoreError> {
        let row = BindRow {
            iccid: order.iccid.as_str().to_owned(),
            version: order.version,
            eid: new.eid.as_str().to_owned(),
            transaction_id: new.transaction_id.as_octets().to_vec(),
            euicc_public_key: new.euicc_public_key,
            euicc_otpk: new.euicc_otpk,
            smdp_otpk: new.smdp_otpk,
            content_digest: new.content_digest,
            session_keys: new.sealed_session_keys.clone(),
            bound_at: new.at.as_millis(),
            callback: new.callback.clone().map(CallbackRow::new),
        };
        match self.writer.change(Change::Bind(Box::new(row))).await? {
            Done::Number(version) => Ok(version),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// Keeps a notification, and in the same change what it says: a result's transition of its order (with the keys
    /// of the binding wiped if the order ended), or the run-time state of the profile if no later notification told
    /// another. A notification with the same EID, number and signed octets was kept before and is not kept again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if `change` is a transition of an order that changed since it was read: nothing was
    /// written; read the order and decide again.
    pub async fn record_notification(
        &self,
        notification: &NewNotification,
        change: ResultChange,
    ) -> Result<Recorded, StoreError> {
        let order = match &change {
            ResultChange::None => None,
            ResultChange::Order(order) => Some(order),
        };
        let row = RecordRow {
            iccid: notification.iccid.as_str().to_owned(),
            digest: notification.digest(),
            eid: notification.eid.as_str().to_owned(),
            seq_number: notification.seq_number,
            event: i64::from(notification.event.bit()),
            raw: notification.raw.clone(),
            received_at: notification.at.as_millis(),
            version: order.map_or(0, |order| order.version),
            state: order.map(|order| state_code(order.state_name())),
            ended_at: order.and_then(|order| order.ended_at()).map(Timestamp::as_millis),
            error_reason: order.and_then(|order| order.failure()).map(|failure| reason_text(failure.reason)),
            run_time_state: notification.event.run_time_state().map(run_time_code),
            callback: notification.callback.clone().map(CallbackRow::new),
        };
        match self.writer.change(Change::Record(Box::new(row))).await? {
            Done::Number(0) => Ok(Recorded::Repeated),
            Done::Number(_) => Ok(Recorded::New),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// Whether a notification came before.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn has_notification(&self, notification: &NewNotification) -> Result<bool, StoreError> {
        let key = [
            notification.iccid.as_str().into(),
            notification.eid.as_str().into(),
            notification.seq_number.into(),
            notification.digest().as_slice().into(),
        ];
        Ok(!self.pools.fetch(&NOTIFICATION_KNOWN, key).await?.is_empty())
    }

    /// The notifications about a profile in the order they came, at most 1000.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn notifications(&self, iccid: &Iccid) -> Result<Vec<Notification>, StoreError> {
        let rows = self.pools.fetch(&NOTIFICATIONS, [iccid.as_str().into()]).await?;
        let notification = |row: &Row| {
            let corrupt = |_| StoreError::Corrupt { column: "eid", key: iccid.as_str().to_owned() };
            Ok(Notification {
                eid: Eid::parse(&row.text("eid")?).map_err(corrupt)?,
                seq_number: row.integer("seq_number")?,
                event: ProfileEvent::from_bit(u8::try_from(row.integer("event")?).unwrap_or(u8::MAX)),
                raw: row.octets("raw")?,
                received_at: Timestamp::from_millis(row.integer("received_at")?),
            })
        };
        rows.iter().map(notification).collect()
    }
}

fn count_row(order: &Order, attempts_max: u32, callback: Option<NewCallback>) -> CountRow {
    CountRow {
        iccid: order.iccid.as_str().to_owned(),
        version: order.version,
        attempts_max: i64::from(attempts_max),
        callback: callback.map(CallbackRow::new),
    }
}
