//! Look-ups of one profile in a large stock: whether they take longer the more there is.
//!
//! The stock is made of rows that hold no secrets, written as a delivery is written, chunk by chunk. Numbers are looked for in random
//! order, so that no page of the database is the one of the look-up before.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::BenchError;
use crate::domain::{Operator, ProfileType};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, Imsi};
use crate::inventory::stock;
use crate::store::{
    Batch, Identifier, Lease, NewImsi, NewProfile, Package, PackageKind, ROWS_MAX, Store, StoreError, Totals,
};

/// The most profiles of a run: what their numbers have digits for.
pub const PROFILES_MAX: u64 = 100_000_000;
/// Octets in the place of sealed data: as many as those of a subscription with one IMSI.
const SEALED: usize = 300;
/// How long a chunk may take.
const LEASE: Duration = Duration::from_secs(3600);

/// How long look-ups take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookUps {
    /// What was looked for: `iccid`, `imsi`, `msisdn`, or `search`, which tries every reading of an IMSI.
    pub by: &'static str,
    /// How many.
    pub look_ups: u64,
    /// Half of them took no longer.
    pub median_us: f64,
    /// One in a hundred took longer.
    pub p99_us: f64,
}

/// What a stock of some size came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Profiles in stock.
    pub profiles: u64,
    /// Counting all of them.
    pub counts_us: f64,
    /// Look-ups by each kind of number.
    pub look_ups: Vec<LookUps>,
}

fn iccid(number: u64) -> Result<Iccid, BenchError> {
    Ok(Iccid::parse(&format!("8988211{number:012}"))?)
}

fn imsi(number: u64) -> Result<Imsi, BenchError> {
    Ok(Imsi::parse(&format!("90140{number:010}"))?)
}

fn msisdn(number: u64) -> String {
    format!("+88300{number:09}")
}

/// Adds the profiles `from` to `to` as one batch. `progress` hears how many there are.
///
/// # Errors
/// What the store refuses.
pub async fn fill(
    store: &Store,
    (from, to): (u64, u64),
    clock: &Clock,
    rng: &Rng,
    mut progress: impl FnMut(u64),
) -> Result<(), BenchError> {
    let names = Operator::parse("bench").zip(ProfileType::parse("bench"));
    let (owner, profile_type) = names.ok_or(BenchError::NoTemplate)?;
    let now = clock.now();
    let batch = Batch::local(&Batch::new_id(now, rng), owner, profile_type, now);
    let lease = Lease::new(rng, now, LEASE);
    store.begin_batch(&batch, &lease).await?;
    let mut next = from;
    while next < to {
        let end = to.min(next.saturating_add(u64::try_from(ROWS_MAX).unwrap_or(u64::MAX)));
        let profile = |number| {
            let imsi = NewImsi { imsi: imsi(number)?, role: "home".to_owned(), msisdn: Some(msisdn(number)) };
            let package = Package { kind: PackageKind::PersonalData, sealed: vec![0; SEALED], needs: None };
            Ok(NewProfile { iccid: iccid(number)?, imsis: vec![imsi], package })
        };
        let profiles = (next..end).map(profile).collect::<Result<Vec<_>, BenchError>>()?;
        store.add_to_batch(&batch, &lease, &Arc::new(profiles)).await?;
        next = end;
        progress(next);
    }
    let rows = to.saturating_sub(from);
    let (first, last) = (iccid(from)?, iccid(to.saturating_sub(1))?);
    let totals = Totals {
        rows,
        taken: rows,
        refused: 0,
        digest: [0; 32],
        first_iccid: Some(first),
        last_iccid: Some(last),
    };
    Ok(store.publish_batch(&batch, &lease, &totals, None, None).await?)
}

/// Looks for random ones of so many profiles, after as many look-ups that are not counted.
///
/// # Errors
/// What the store refuses, and [`BenchError::NotFound`] for one that is there and was not found.
pub async fn measure(
    store: &Store,
    profiles: u64,
    look_ups: u64,
    clock: &Clock,
    rng: &Rng,
) -> Result<Measured, BenchError> {
    let started = clock.monotonic();
    store.counts().await?;
    let counts_us = micros(clock.monotonic().saturating_sub(started));
    let mut measured = Vec::new();
    for by in ["iccid", "imsi", "msisdn", "search"] {
        let numbers: Vec<u64> =
            (0..look_ups).map(|_| u64::from_be_bytes(rng.array()) % profiles.max(1)).collect();
        // The first round brings what it touches into memory.
        let mut times = Vec::new();
        for (round, &number) in (0..2).flat_map(|round| numbers.iter().map(move |number| (round, number))) {
            let expected = iccid(number)?;
            let started = clock.monotonic();
            let found = look_up(store, by, number).await?;
            let took = clock.monotonic().saturating_sub(started);
            if found.as_ref() != Some(&expected) {
                return Err(BenchError::NotFound(expected));
            }
            if round == 1 {
                times.push(micros(took));
            }
        }
        times.sort_unstable_by(f64::total_cmp);
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        measured.push(LookUps { by, look_ups, median_us: at(50), p99_us: at(99) });
    }
    Ok(Measured { profiles, counts_us, look_ups: measured })
}

async fn look_up(store: &Store, by: &str, number: u64) -> Result<Option<Iccid>, BenchError> {
    let identifier = match by {
        "iccid" => Identifier::Iccid(iccid(number)?),
        "imsi" => Identifier::Imsi(imsi(number)?),
        "msisdn" => Identifier::Msisdn(msisdn(number)),
        _ => {
            let found = stock::search(store, imsi(number)?.as_str()).await?;
            return Ok(found.first().map(|found| found.item.iccid.clone()));
        }
    };
    let found: Result<_, StoreError> = store.stock_items_of(&identifier).await;
    Ok(found?.first().map(|item| item.iccid.clone()))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
