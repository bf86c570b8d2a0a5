//! The stock: how many profiles stand where, and where each one is.
//!
//! Profiles are counted by the changes themselves, in triggers: a change of state or shelf takes one from a row of
//! `stock_count` and adds one to another, a batch that is published adds all of its own. So a count costs a few rows,
//! however many profiles there are. On an engine with several writers each connection counts in rows of its own, and
//! nobody waits; what was left by connections is added up now and then.
//!
//! What belongs to a batch that is not published is not seen here.

use super::engine::{Row, Statement};
use super::order_row::state_name;
use super::packages::{Package, package, package_columns};
use super::{Store, StoreError};
use crate::domain::{Delivered, ProfileType, Standing, StateName};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, Imsi, MatchingId};

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;
/// Profiles that one identifier leads to at most.
pub const FOUND_MAX: u32 = 100;
/// With more rows than these, counts are added up.
const PARTS_MAX: i64 = 2000;

const COUNTS: Statement = Statement::common(
    "SELECT owner, profile_type, sub_class, shelf, state, CAST(SUM(profiles) AS BIGINT) AS profiles, \
     COUNT(*) AS parts FROM stock_count GROUP BY owner, profile_type, sub_class, shelf, state \
     ORDER BY owner, profile_type, sub_class, shelf, state",
);

/// SQLite has one writer, and nothing to add up but rows that came to nothing.
const ADD_UP: Statement = Statement {
    sqlite: "DELETE FROM stock_count WHERE profiles = 0",
    postgres: "WITH gone AS (DELETE FROM stock_count WHERE writer <> 0 \
               RETURNING owner, profile_type, sub_class, shelf, state, profiles) \
               INSERT INTO stock_count AS kept (owner, profile_type, sub_class, shelf, state, writer, profiles) \
               SELECT owner, profile_type, sub_class, shelf, state, 0, CAST(SUM(profiles) AS BIGINT) FROM gone \
               GROUP BY owner, profile_type, sub_class, shelf, state \
               ORDER BY owner, profile_type, sub_class, shelf, state \
               ON CONFLICT ON CONSTRAINT stock_count_key DO UPDATE SET profiles = kept.profiles + excluded.profiles",
};

/// What [`item`] reads, of profiles that everybody may see.
macro_rules! items {
    ($($condition:literal),+ $(,)?) => {
        concat!(
            "SELECT profile.iccid, profile.imsi, profile.msisdn, profile.owner, profile.profile_type, \
             profile.sub_class, profile.batch_id, profile.created_at, profile.state, profile.shelf, profile.eid, \
             profile.matching_id, profile.delivered FROM profile \
             JOIN batch ON batch.batch_id = profile.batch_id AND batch.state = 1 ",
            $($condition),+
        )
    };
}

const ITEM: Statement = Statement::common(items!("WHERE profile.iccid = $1"));

const ITEMS_OF_IMSI: Statement = Statement::common(items!(
    "JOIN subscription_imsi ON subscription_imsi.iccid = profile.iccid WHERE subscription_imsi.imsi = $1"
));

/// The home subscription's number stands in the profile, those of further ones beside their IMSIs.
const ITEMS_OF_MSISDN: Statement = Statement::common(items!(
    "WHERE profile.iccid IN (SELECT iccid FROM profile WHERE msisdn = $1 \
     UNION SELECT iccid FROM subscription_imsi WHERE msisdn = $1) ORDER BY profile.iccid LIMIT $2"
));

/// Ordered for it or bound to it, or on it when it came from its manufacturer.
const ITEMS_OF_EID: Statement = Statement::common(items!(
    "WHERE profile.iccid IN (SELECT iccid FROM profile WHERE eid = $1 \
     UNION SELECT iccid FROM euicc_profile WHERE eid = $1) ORDER BY profile.iccid LIMIT $2"
));

const ITEMS_OF_MATCHING_ID: Statement =
    Statement::common(items!("WHERE profile.matching_id = $1 AND profile.matching_id <> ''"));

const BATCHES: Statement = Statement::common(
    "SELECT batch_id, owner, profile_type, sub_class, manufacturer, delivery_id, profiles, digest, received_at \
     FROM batch WHERE batch_id > $1 AND state = 1 AND kind = 0 AND (profile_type = $2 OR $2 = '') \
     AND (batch_id = $3 OR $3 = '') ORDER BY batch_id LIMIT $4",
);

const CONTENTS: Statement = Statement::common(concat!(
    "SELECT profile.iccid, profile.imsi, profile.msisdn, profile.owner, profile.profile_type, profile.sub_class, \
     profile.batch_id, profile.created_at, profile.state, profile.shelf, profile.eid, profile.matching_id, \
     profile.delivered, ",
    package_columns!(),
    " FROM profile LEFT JOIN package ON package.iccid = profile.iccid \
     WHERE profile.batch_id = $1 AND profile.iccid > $2 ORDER BY profile.iccid LIMIT $3"
));

pub(super) const STATEMENTS: &[Statement] = &[
    COUNTS,
    ADD_UP,
    ITEM,
    ITEMS_OF_IMSI,
    ITEMS_OF_MSISDN,
    ITEMS_OF_EID,
    ITEMS_OF_MATCHING_ID,
    BATCHES,
    CONTENTS,
];

/// How many profiles of one owner, type and sub-class stand in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The owner.
    pub owner: String,
    /// The profile type.
    pub profile_type: String,
    /// The kind of SIM, if the batch said one.
    pub sub_class: Option<String>,
    /// The state of their orders.
    pub state: StateName,
    /// Shelf and state in one word.
    pub standing: Standing,
    /// The number of profiles.
    pub profiles: u64,
}

/// By what a profile may be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// Its number.
    Iccid(Iccid),
    /// The IMSI of any of its subscriptions.
    Imsi(Imsi),
    /// The telephone number of any of its subscriptions, as it was delivered.
    Msisdn(String),
    /// The eUICC that it was ordered for, is bound to, or came on.
    Eid(Eid),
    /// The matching identifier of its order.
    MatchingId(MatchingId),
}

/// A profile in the stock, without anything that is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockItem {
    /// Its number.
    pub iccid: Iccid,
    /// The IMSI of its home subscription.
    pub imsi: Option<Imsi>,
    /// The telephone number of its home subscription.
    pub msisdn: Option<String>,
    /// Whose it is.
    pub owner: String,
    /// Its type.
    pub profile_type: String,
    /// The kind of SIM.
    pub sub_class: Option<String>,
    /// The batch that it came with.
    pub batch_id: String,
    /// When it came.
    pub created_at: Timestamp,
    /// The state of its order.
    pub state: StateName,
    /// Shelf and state in one word.
    pub standing: Standing,
    /// The eUICC that it was ordered for or is bound to.
    pub eid: Option<String>,
    /// The matching identifier of its order.
    pub matching_id: Option<String>,
    /// The systems that have what belongs to it.
    pub delivered: Delivered,
}

/// A published batch of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockBatch {
    /// Its identifier.
    pub batch_id: String,
    /// Whose profiles they are.
    pub owner: String,
    /// Their type.
    pub profile_type: String,
    /// The kind of SIM.
    pub sub_class: Option<String>,
    /// Who delivered it.
    pub manufacturer: String,
    /// What the manufacturer calls it.
    pub delivery_id: Option<String>,
    /// How many profiles it has.
    pub profiles: u64,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// Which batches are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StockSelection {
    /// All.
    #[default]
    All,
    /// Those of one type.
    ProfileType(ProfileType),
    /// The one with this identifier.
    Batch(String),
}

fn standing(state: StateName, shelf: i64) -> Option<Standing> {
    Some(match (Standing::of_state(state), shelf) {
        (standing, 0) => standing,
        (Standing::Available, 1) => Standing::Reserved,
        (Standing::Available, 2) => Standing::Quarantined,
        (standing, 1 | 2) => standing,
        (_, 3) => Standing::Retired,
        _ => return None,
    })
}

/// State and standing of a row.
fn place(row: &Row, key: &str) -> Result<(StateName, Standing), StoreError> {
    let corrupt = |column| StoreError::Corrupt { column, key: key.to_owned() };
    let state = state_name(row.integer("state")?).ok_or_else(|| corrupt("state"))?;
    let standing = standing(state, row.integer("shelf")?).ok_or_else(|| corrupt("shelf"))?;
    Ok((state, standing))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn item(row: &Row) -> Result<StockItem, StoreError> {
    let key = row.text("iccid")?;
    let (state, standing) = place(row, &key)?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let imsi = row.text_or_null("imsi")?.map(|text| Imsi::parse(&text)).transpose();
    Ok(StockItem {
        iccid: Iccid::parse(&key).map_err(|_| corrupt("iccid"))?,
        imsi: imsi.map_err(|_| corrupt("imsi"))?,
        msisdn: row.text_or_null("msisdn")?,
        owner: row.text("owner")?,
        profile_type: row.text("profile_type")?,
        sub_class: row.text_or_null("sub_class")?,
        batch_id: row.text("batch_id")?,
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        state,
        standing,
        eid: row.text_or_null("eid")?,
        matching_id: row.text_or_null("matching_id")?.filter(|id| !id.is_empty()),
        delivered: Delivered::of_bits(row.integer("delivered")?),
    })
}

fn batch(row: &Row) -> Result<StockBatch, StoreError> {
    Ok(StockBatch {
        batch_id: row.text("batch_id")?,
        owner: row.text("owner")?,
        profile_type: row.text("profile_type")?,
        sub_class: row.text_or_null("sub_class")?,
        manufacturer: row.text("manufacturer")?,
        delivery_id: row.text_or_null("delivery_id")?,
        profiles: count(row.integer("profiles")?),
        digest: row.text("digest")?,
        received_at: Timestamp::from_millis(row.integer("received_at")?),
    })
}

impl Store {
    /// The number of profiles by owner, type, sub-class, shelf and state; none of them is zero.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let rows = self.pools.fetch(&COUNTS, []).await?;
        let (mut counts, mut parts) = (Vec::with_capacity(rows.len()), 0_i64);
        for row in &rows {
            parts = parts.saturating_add(row.integer("parts")?);
            let profiles = count(row.integer("profiles")?);
            if profiles == 0 {
                continue;
            }
            let owner = row.text("owner")?;
            let (state, standing) = place(row, &owner)?;
            let sub_class = Some(row.text("sub_class")?).filter(|name| !name.is_empty());
            let profile_type = row.text("profile_type")?;
            counts.push(Count { owner, profile_type, sub_class, state, standing, profiles });
        }
        if parts > PARTS_MAX {
            self.add_up_counts().await?;
        }
        Ok(counts)
    }

    /// Adds up what connections counted apart. [`Store::counts`] does it where it has become much; the counts are the same
    /// before and after, whoever changes them meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn add_up_counts(&self) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        writing.fetch(&ADD_UP, []).await?;
        writing.commit().await
    }

    /// A profile of a published batch; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn stock_item(&self, iccid: &Iccid) -> Result<Option<StockItem>, StoreError> {
        let rows = self.pools.fetch(&ITEM, [iccid.as_str().into()]).await?;
        rows.first().map(item).transpose()
    }

    /// The profiles that an identifier leads to, at most [`FOUND_MAX`]. It is compared as it stands.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn stock_items_of(&self, identifier: &Identifier) -> Result<Vec<StockItem>, StoreError> {
        let limit = i64::from(FOUND_MAX);
        let rows = match identifier {
            Identifier::Iccid(iccid) => self.pools.fetch(&ITEM, [iccid.as_str().into()]).await?,
            Identifier::Imsi(imsi) => self.pools.fetch(&ITEMS_OF_IMSI, [imsi.as_str().into()]).await?,
            Identifier::Msisdn(number) => {
                self.pools.fetch(&ITEMS_OF_MSISDN, [number.as_str().into(), limit.into()]).await?
            }
            Identifier::Eid(eid) => {
                self.pools.fetch(&ITEMS_OF_EID, [eid.as_str().into(), limit.into()]).await?
            }
            Identifier::MatchingId(id) => {
                self.pools.fetch(&ITEMS_OF_MATCHING_ID, [id.as_str().into()]).await?
            }
        };
        rows.iter().map(item).collect()
    }

    /// A page of the published batches of a selection by rising identifier, beginning after `after` (empty for the first
    /// page), at most `limit` (and 1000).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn stock_batches(
        &self,
        selection: &StockSelection,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StockBatch>, StoreError> {
        let (profile_type, batch_id) = match selection {
            StockSelection::All => ("", ""),
            StockSelection::ProfileType(profile_type) => (profile_type.as_str(), ""),
            StockSelection::Batch(batch_id) => ("", batch_id.as_str()),
        };
        let limit = i64::from(limit.min(PAGE_MAX));
        let arguments = [after.into(), profile_type.into(), batch_id.into(), limit.into()];
        self.pools.fetch(&BATCHES, arguments).await?.iter().map(batch).collect()
    }

    /// A page of the profiles of a published batch with their sealed content, by rising ICCID, beginning after `after`,
    /// at most `limit` (and 1000). One that is retired has no content any more.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn stock_contents(
        &self,
        batch: &StockBatch,
        after: Option<&Iccid>,
        limit: u32,
    ) -> Result<Vec<(StockItem, Option<Package>)>, StoreError> {
        let after = after.map(Iccid::as_str).unwrap_or_default();
        let limit = i64::from(limit.min(PAGE_MAX));
        let arguments = [batch.batch_id.as_str().into(), after.into(), limit.into()];
        let rows = self.pools.fetch(&CONTENTS, arguments).await?;
        let content = |row: &Row| {
            let there = row.integer_or_null("kind")?.is_some();
            Ok((item(row)?, if there { Some(package(row)?) } else { None }))
        };
        rows.iter().map(content).collect()
    }
}
