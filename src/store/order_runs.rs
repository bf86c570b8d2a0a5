//! Runs of `simyard order create`: which orders each one made, so that a run that is repeated makes none twice.
//!
//! A run is written down before its first order, a place of it when its profile is reserved and before the order is
//! confirmed. What was reserved and not written down is found by its call identifier, as a repeated DownloadOrder is.

use std::collections::HashMap;

use super::engine::{Argument, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError};
use crate::domain::Order;
use crate::env::Timestamp;
use crate::ident::Iccid;

const RUN: Statement =
    Statement::common("SELECT digest, profiles, created_at FROM order_run WHERE run_id = $1");

/// The first of two that begin a run at the same time wins.
const BEGIN_RUN: Statement = Statement::common(
    "INSERT INTO order_run (run_id, digest, profiles, created_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (run_id) DO NOTHING",
);

const PLACES: Statement = Statement::common(
    "SELECT place, iccid, number FROM order_run_place WHERE run_id = $1 AND place >= $2 AND place < $3 \
     ORDER BY place",
);

/// A place keeps what it has.
const KEEP_PLACES: Statement = set_statement!(
    [run_id text, place bigint, iccid text, number bigint]
    "INSERT INTO order_run_place (run_id, place, iccid, number) \
     SELECT run_id, place, iccid, number FROM change WHERE true \
     ON CONFLICT (run_id, place) DO NOTHING"
);

pub(super) const STATEMENTS: &[Statement] = &[RUN, BEGIN_RUN, PLACES, KEEP_PLACES];

/// A run of `simyard order create`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRun {
    /// Its name, unique in the store.
    pub run_id: String,
    /// The SHA-256 of what was asked for.
    pub digest: [u8; 32],
    /// How many orders it makes.
    pub profiles: u64,
    /// When it began.
    pub created_at: Timestamp,
}

/// One order of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlace {
    /// Its place in the run, from 0.
    pub place: u64,
    /// The profile.
    pub iccid: Iccid,
    /// [`Order::number`] of this order.
    pub number: i64,
}

impl RunPlace {
    /// Whether `order` is still the one that the run made: it was not cancelled.
    #[must_use]
    pub fn holds(&self, order: &Order) -> bool {
        self.iccid == order.iccid && self.number == order.number && order.reservation().is_some()
    }
}

set_row! {
    struct PlaceRow<'a> {
        run_id: &'a str,
        place: i64,
        iccid: &'a str,
        number: i64,
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// A run; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn order_run(&self, run_id: &str) -> Result<Option<OrderRun>, StoreError> {
        let rows = self.pools.fetch(&RUN, [run_id.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let corrupt = |column| StoreError::Corrupt { column, key: run_id.to_owned() };
        let mut digest = [0; 32];
        hex::decode_to_slice(row.text("digest")?, &mut digest).map_err(|_| corrupt("digest"))?;
        Ok(Some(OrderRun {
            run_id: run_id.to_owned(),
            digest,
            profiles: u64::try_from(row.integer("profiles")?).map_err(|_| corrupt("profiles"))?,
            created_at: Timestamp::from_millis(row.integer("created_at")?),
        }))
    }

    /// Writes a run down, unless there is one of this name; returns the one that is there then.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn begin_order_run(&self, run: &OrderRun) -> Result<OrderRun, StoreError> {
        let mut writing = self.pools.begin().await?;
        let arguments = [
            run.run_id.as_str().into(),
            Argument::Text(hex::encode(run.digest)),
            count(run.profiles).into(),
            run.created_at.as_millis().into(),
        ];
        writing.fetch(&BEGIN_RUN, arguments).await?;
        writing.commit().await?;
        self.order_run(&run.run_id).await?.ok_or(StoreError::Conflict)
    }

    /// The orders of a run from the place `first` on, at most `most`, by their places.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn order_run_places(
        &self,
        run_id: &str,
        first: u64,
        most: u64,
    ) -> Result<HashMap<u64, RunPlace>, StoreError> {
        let end = count(first.saturating_add(most));
        let rows = self.pools.fetch(&PLACES, [run_id.into(), count(first).into(), end.into()]).await?;
        let mut places = HashMap::with_capacity(rows.len());
        for row in &rows {
            let corrupt = |column| StoreError::Corrupt { column, key: run_id.to_owned() };
            let place = u64::try_from(row.integer("place")?).map_err(|_| corrupt("place"))?;
            let iccid = Iccid::parse(&row.text("iccid")?).map_err(|_| corrupt("iccid"))?;
            places.insert(place, RunPlace { place, iccid, number: row.integer("number")? });
        }
        Ok(places)
    }

    /// Writes orders of a run down, all in one commit; a place that is taken keeps what it has.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn keep_order_run_places(&self, run_id: &str, places: &[RunPlace]) -> Result<(), StoreError> {
        let rows: Vec<PlaceRow<'_>> = places
            .iter()
            .map(|place| PlaceRow {
                run_id,
                place: count(place.place),
                iccid: place.iccid.as_str(),
                number: place.number,
            })
            .collect();
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&KEEP_PLACES, &Set::of(&rows)).await?;
        writing.commit().await
    }
}
