//! What other systems were given: each file once, and each subscription that stands in it.
//!
//! A subscription is marked in the commit that says which file it stands in. A file is there before anything is marked:
//! whoever is interrupted between marks the rest when the file is made again.

use super::audit::append;
use super::engine::{Argument, Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError};
use crate::domain::{Delivered, NewAuditEntry, Person, System};
use crate::env::Timestamp;
use crate::ident::Iccid;

/// Subscriptions that are marked in one commit: others that write wait some milliseconds.
const CHUNK: usize = 500;

const INSERT_DELIVERY: Statement = Statement::common(
    "INSERT INTO delivery (delivery_id, system, layout, file, digest, key_name, subscriptions, lines, person, made_at) \
     VALUES ($1, $2, $3, $4, $5, NULLIF($6, ''), $7, $8, $9, $10)",
);

const MARK: Statement = set_statement!(
    [iccid text, delivery_id text, bit bigint]
    "UPDATE profile SET delivered = profile.delivered | change.bit FROM change \
     WHERE profile.iccid = change.iccid RETURNING profile.iccid, profile.delivered"
);

const KEEP_DELIVERED: Statement = set_statement!(
    [iccid text, delivery_id text, bit bigint]
    "INSERT INTO delivered_profile (iccid, delivery_id) SELECT iccid, delivery_id FROM change WHERE true \
     ON CONFLICT (iccid, delivery_id) DO NOTHING"
);

const DELIVERED: Statement = Statement::common("SELECT delivered FROM profile WHERE iccid = $1");

const DELIVERIES: Statement = Statement::common(
    "SELECT delivery.delivery_id, system, layout, file, digest, key_name, subscriptions, lines, person, made_at \
     FROM delivered_profile JOIN delivery ON delivery.delivery_id = delivered_profile.delivery_id \
     WHERE delivered_profile.iccid = $1 ORDER BY made_at DESC LIMIT 100",
);

pub(super) const STATEMENTS: &[Statement] = &[INSERT_DELIVERY, MARK, KEEP_DELIVERED, DELIVERED, DELIVERIES];

/// A file for another system that is there and is now to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its identifier, new to the store.
    pub delivery_id: String,
    /// For whom it is.
    pub system: System,
    /// The name of its layout.
    pub layout: String,
    /// The file's name, without its folder.
    pub file: String,
    /// Its SHA-256.
    pub digest: [u8; 32],
    /// The transport key that its keys are enciphered under; `None` where it has no keys.
    pub key_name: Option<String>,
    /// How many subscriptions stand in it.
    pub subscriptions: u64,
    /// How many lines it has.
    pub lines: u64,
    /// Who made it.
    pub person: Person,
    /// When.
    pub at: Timestamp,
}

/// A file in the history of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its identifier.
    pub delivery_id: String,
    /// For whom it is.
    pub system: System,
    /// The name of its layout.
    pub layout: String,
    /// The file's name.
    pub file: String,
    /// Its SHA-256, in hexadecimal digits.
    pub digest: String,
    /// The transport key that its keys are enciphered under.
    pub key_name: Option<String>,
    /// Who made it.
    pub person: String,
    /// When.
    pub at: Timestamp,
}

set_row! {
    struct MarkRow {
        iccid: String,
        delivery_id: String,
        bit: i64,
    }
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Store {
    /// Writes a file down, before its subscriptions are marked, and `entry` with it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn begin_delivery(
        &self,
        delivery: &NewDelivery,
        entry: NewAuditEntry,
    ) -> Result<(), StoreError> {
        let arguments = [
            delivery.delivery_id.as_str().into(),
            delivery.system.bit().into(),
            delivery.layout.as_str().into(),
            delivery.file.as_str().into(),
            Argument::Text(hex::encode(delivery.digest)),
            delivery.key_name.as_deref().unwrap_or_default().into(),
            integer(delivery.subscriptions).into(),
            integer(delivery.lines).into(),
            delivery.person.as_str().into(),
            delivery.at.as_millis().into(),
        ];
        let mut writing = self.pools.begin().await?;
        writing.fetch(&INSERT_DELIVERY, arguments).await?;
        append(&mut writing, &[entry]).await?;
        writing.commit().await
    }

    /// Marks subscriptions of a file that was written down, some hundred in a commit. Done again, it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails; some may be marked then.
    pub async fn mark_delivered(&self, delivery: &NewDelivery, iccids: &[Iccid]) -> Result<(), StoreError> {
        for chunk in iccids.chunks(CHUNK) {
            let row = |iccid: &Iccid| MarkRow {
                iccid: iccid.to_string(),
                delivery_id: delivery.delivery_id.clone(),
                bit: delivery.system.bit(),
            };
            let rows: Vec<MarkRow> = chunk.iter().map(row).collect();
            let set = Set::of(&rows);
            let mut writing = self.pools.begin().await?;
            writing.fetch_set(&MARK, &set).await?;
            writing.fetch_set(&KEEP_DELIVERED, &set).await?;
            writing.commit().await?;
        }
        Ok(())
    }

    /// The systems that have what belongs to a profile; none for one that is not in the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn delivered(&self, iccid: &Iccid) -> Result<Delivered, StoreError> {
        let rows = self.pools.fetch(&DELIVERED, [iccid.as_str().into()]).await?;
        let bits = rows.first().map(|row| row.integer("delivered")).transpose()?;
        Ok(Delivered::of_bits(bits.unwrap_or_default()))
    }

    /// The latest hundred files that a profile stands in, the latest first.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn deliveries(&self, iccid: &Iccid) -> Result<Vec<Delivery>, StoreError> {
        let rows = self.pools.fetch(&DELIVERIES, [iccid.as_str().into()]).await?;
        let delivery = |row: &Row| {
            let delivery_id = row.text("delivery_id")?;
            let bit = row.integer("system")?;
            let system = System::ALL.into_iter().find(|system| system.bit() == bit);
            Ok(Delivery {
                system: system
                    .ok_or_else(|| StoreError::Corrupt { column: "system", key: delivery_id.clone() })?,
                layout: row.text("layout")?,
                file: row.text("file")?,
                digest: row.text("digest")?,
                key_name: row.text_or_null("key_name")?,
                person: row.text("person")?,
                at: Timestamp::from_millis(row.integer("made_at")?),
                delivery_id,
            })
        };
        rows.iter().map(delivery).collect()
    }
}
