//! Packages that the eIM handed from an SM-DP+ to a device (SGP.32 3.2.3.2): what belongs to the result that comes back,
//! whenever it comes. A compact result leaves out what is known here.

use simyard_asn1::Oid;

use super::engine::{Row, Statement, set_statement};
use super::set::set_row;
use super::writer::{Change, Done};
use super::{Store, StoreError};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, ServerAddress, TransactionId};

/// Rows that are forgotten in one commit at most.
const FORGOTTEN_MAX: i64 = 1000;

/// Relayed again, the same download has another package; one of another eUICC is none.
pub(super) const KEEP_RELAYED: Statement = set_statement!(
    [transaction_id text, eid text, eim_transaction_id text, address text, smdp_oid text, iccid text,
     euicc_public_key octets, relayed_at bigint]
    "INSERT INTO relayed_download (transaction_id, eid, eim_transaction_id, address, smdp_oid, iccid, \
     euicc_public_key, relayed_at) \
     SELECT change.transaction_id, change.eid, change.eim_transaction_id, change.address, change.smdp_oid, \
     change.iccid, change.euicc_public_key, change.relayed_at FROM change WHERE true \
     ON CONFLICT (transaction_id) DO UPDATE SET relayed_at = excluded.relayed_at, iccid = excluded.iccid \
     WHERE relayed_download.eid = excluded.eid AND relayed_download.address = excluded.address \
     RETURNING transaction_id, relayed_at"
);

const RELAYED: Statement = Statement::common(
    "SELECT transaction_id, eid, eim_transaction_id, address, smdp_oid, iccid, euicc_public_key, relayed_at \
     FROM relayed_download WHERE transaction_id = $1",
);

const FORGET: Statement = Statement::common(
    "DELETE FROM relayed_download WHERE transaction_id IN (SELECT past.transaction_id FROM relayed_download past \
     WHERE past.relayed_at < $1 ORDER BY past.relayed_at LIMIT $2) RETURNING transaction_id",
);

pub(super) const STATEMENTS: &[Statement] = &[KEEP_RELAYED, RELAYED, FORGET];

/// A package that was handed to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedDownload {
    /// transactionId, which the SM-DP+ chose.
    pub transaction_id: TransactionId,
    /// Whose package it is.
    pub eid: Eid,
    /// eimTransactionId of the trigger.
    pub eim_transaction_id: TransactionId,
    /// The SM-DP+, as it called itself in serverSigned1.
    pub address: ServerAddress,
    /// Its OID.
    pub smdp_oid: Oid,
    /// The profile, by its metadata.
    pub iccid: Iccid,
    /// The key of the eUICC as a point, whose certificate the SM-DP+ took; `None` if it is on a curve that is not known here.
    pub euicc_public_key: Option<Vec<u8>>,
    /// When the device got it last.
    pub relayed_at: Timestamp,
}

set_row! {
    pub(super) struct RelayedRow {
        pub(super) transaction_id: String,
        eid: String,
        eim_transaction_id: String,
        address: String,
        smdp_oid: String,
        iccid: String,
        euicc_public_key: Option<Vec<u8>>,
        relayed_at: i64,
    }
}

impl RelayedRow {
    fn new(relayed: &RelayedDownload) -> Self {
        Self {
            transaction_id: relayed.transaction_id.to_string(),
            eid: relayed.eid.as_str().to_owned(),
            eim_transaction_id: relayed.eim_transaction_id.to_string(),
            address: relayed.address.as_str().to_owned(),
            smdp_oid: relayed.smdp_oid.to_string(),
            iccid: relayed.iccid.as_str().to_owned(),
            euicc_public_key: relayed.euicc_public_key.clone(),
            relayed_at: relayed.relayed_at.as_millis(),
        }
    }
}

fn relayed(row: &Row) -> Result<RelayedDownload, StoreError> {
    let key = row.text("transaction_id")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let eim_transaction_id = TransactionId::parse(&row.text("eim_transaction_id")?);
    Ok(RelayedDownload {
        transaction_id: TransactionId::parse(&key).map_err(|_| corrupt("transaction_id"))?,
        eid: Eid::parse(&row.text("eid")?).map_err(|_| corrupt("eid"))?,
        eim_transaction_id: eim_transaction_id.map_err(|_| corrupt("eim_transaction_id"))?,
        address: ServerAddress::parse(&row.text("address")?).map_err(|_| corrupt("address"))?,
        smdp_oid: Oid::parse(&row.text("smdp_oid")?).ok_or_else(|| corrupt("smdp_oid"))?,
        iccid: Iccid::parse(&row.text("iccid")?).map_err(|_| corrupt("iccid"))?,
        euicc_public_key: row.octets_or_null("euicc_public_key")?,
        relayed_at: Timestamp::from_millis(row.integer("relayed_at")?),
    })
}

impl Store {
    /// Keeps what belongs to a package, before the device gets it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the transaction is one of another eUICC or another SM-DP+; others if the engine fails.
    pub async fn keep_relayed_download(&self, relayed: &RelayedDownload) -> Result<(), StoreError> {
        match self.writer.change(Change::Relay(Box::new(RelayedRow::new(relayed)))).await? {
            Done::Number(_) => Ok(()),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// What belongs to a transaction; `None` if no package was relayed in it, or long ago.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn relayed_download(
        &self,
        transaction_id: &TransactionId,
    ) -> Result<Option<RelayedDownload>, StoreError> {
        let rows = self.pools.fetch(&RELAYED, [transaction_id.to_string().as_str().into()]).await?;
        rows.first().map(relayed).transpose()
    }

    /// Forgets what was relayed before `before`, at most 1000; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forget_relayed_downloads(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&FORGET, [before.as_millis().into(), FORGOTTEN_MAX.into()]).await?;
        writing.commit().await?;
        Ok(rows.len())
    }
}
