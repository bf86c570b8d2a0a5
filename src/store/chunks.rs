//! The rows of a batch, some hundred at a time.
//!
//! A chunk goes into the commit of whatever else waits, so it is kept small: nobody waits long for it. It goes in whole or not
//! at all; if a number of it is held already, the constraint refuses it, and whoever wants to know which one it is asks for
//! all that are held ([`Store::held_numbers`]).

use std::time::Duration;

use serde::Serialize;

use super::batches::{Batch, Begun, HOLD_BATCH, Lease, Totals};
use super::engine::{Set, Statement, set_statement};
use super::packages::{INSERT_PACKAGES, Package, PackageRow};
use super::writer::{Change, ChunkRow, Done};
use super::{Constraint, Store, StoreError};
use crate::domain::SubClassName;
use crate::ident::{Iccid, Imsi};

/// Rows of one chunk at most: some ten milliseconds of the one who writes.
pub const ROWS_MAX: usize = 500;

const INSERT_PROFILES: Statement = set_statement!(
    [iccid text, imsi text, msisdn text, owner text, profile_type text, sub_class text, batch_id text, created_at bigint]
    "INSERT INTO profile (iccid, imsi, msisdn, owner, profile_type, sub_class, batch_id, created_at, number, version, \
     state, download_attempts, confirmation_attempts) \
     SELECT iccid, imsi, msisdn, owner, profile_type, sub_class, batch_id, created_at, 0, 0, 0, 0, 0 \
     FROM change WHERE true"
);

const INSERT_IMSIS: Statement = set_statement!(
    [imsi text, iccid text, place bigint, role text, msisdn text]
    "INSERT INTO subscription_imsi (imsi, iccid, place, role, msisdn) \
     SELECT imsi, iccid, place, role, msisdn FROM change WHERE true"
);

/// Behind each number the batch that holds it, if that is not published yet.
const HELD_ICCIDS: Statement = set_statement!(
    [iccid text]
    "SELECT profile.iccid, CASE WHEN batch.state = 1 THEN '' ELSE batch.batch_id END AS holder FROM change \
     JOIN profile ON profile.iccid = change.iccid JOIN batch ON batch.batch_id = profile.batch_id"
);

const HELD_IMSIS: Statement = set_statement!(
    [imsi text]
    "SELECT subscription_imsi.imsi, CASE WHEN batch.state = 1 THEN '' ELSE batch.batch_id END AS holder FROM change \
     JOIN subscription_imsi ON subscription_imsi.imsi = change.imsi \
     JOIN profile ON profile.iccid = subscription_imsi.iccid JOIN batch ON batch.batch_id = profile.batch_id"
);

const REMOVE_HOME_IMSIS: Statement = set_statement!(
    [number text]
    "DELETE FROM subscription_imsi WHERE imsi IN (SELECT profile.imsi FROM change \
     JOIN profile ON profile.iccid = change.number) RETURNING imsi, ''"
);

const REMOVE_FURTHER_IMSIS: Statement = set_statement!(
    [number text]
    "DELETE FROM subscription_imsi WHERE iccid IN (SELECT number FROM change) AND place > 0 RETURNING imsi, ''"
);

const REMOVE_PACKAGES: Statement = set_statement!(
    [number text]
    "DELETE FROM package WHERE iccid IN (SELECT number FROM change) RETURNING iccid, ''"
);

const REMOVE_PROFILE_ROWS: Statement = set_statement!(
    [number text]
    "DELETE FROM profile WHERE iccid IN (SELECT number FROM change) RETURNING iccid, ''"
);

const REMOVE_EUICC_PROFILES: Statement = set_statement!(
    [number text]
    "DELETE FROM euicc_profile WHERE eid IN (SELECT number FROM change) RETURNING iccid, ''"
);

const REMOVE_EUICC_ROWS: Statement = set_statement!(
    [number text]
    "DELETE FROM euicc WHERE eid IN (SELECT number FROM change) RETURNING eid, ''"
);

/// What goes with the profiles of a batch that is given up, by ICCID.
pub(super) const REMOVE_PROFILES: &[&Statement] =
    &[&REMOVE_HOME_IMSIS, &REMOVE_FURTHER_IMSIS, &REMOVE_PACKAGES, &REMOVE_PROFILE_ROWS];

/// What goes with its eUICCs, by EID.
pub(super) const REMOVE_EUICCS: &[&Statement] = &[&REMOVE_EUICC_PROFILES, &REMOVE_EUICC_ROWS];

pub(super) const STATEMENTS: &[Statement] = &[
    INSERT_PROFILES,
    INSERT_IMSIS,
    HELD_ICCIDS,
    HELD_IMSIS,
    REMOVE_HOME_IMSIS,
    REMOVE_FURTHER_IMSIS,
    REMOVE_PACKAGES,
    REMOVE_PROFILE_ROWS,
    REMOVE_EUICC_PROFILES,
    REMOVE_EUICC_ROWS,
];

/// A subscription of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImsi {
    /// Its number, unique in the store.
    pub imsi: Imsi,
    /// What it is for.
    pub role: String,
    /// Its telephone number, kept as delivered.
    pub msisdn: Option<String>,
}

/// A profile of a batch.
#[derive(Clone)]
pub struct NewProfile {
    /// Its number.
    pub iccid: Iccid,
    /// Its subscriptions, the home one first; none if nobody knows them.
    pub imsis: Vec<NewImsi>,
    /// Its content.
    pub package: Package,
}

/// A number of a chunk that is held already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose place in the chunk it is, from 0.
    pub place: usize,
    /// Which number.
    pub number: HeldNumber,
    /// By whom.
    pub by: Holder,
}

/// A number that must be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldNumber {
    /// The ICCID.
    Iccid,
    /// The IMSI of the subscription at this place, 0 for the home one.
    Imsi(usize),
}

/// Who holds a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The stock.
    Stock,
    /// A batch that is not published: its identifier.
    Unpublished(String),
}

impl Holder {
    pub(super) fn new(batch_id: &str) -> Self {
        if batch_id.is_empty() { Self::Stock } else { Self::Unpublished(batch_id.to_owned()) }
    }
}

#[derive(Serialize)]
struct ProfileRow<'a> {
    iccid: &'a str,
    imsi: Option<&'a str>,
    msisdn: Option<&'a str>,
    owner: &'a str,
    profile_type: &'a str,
    sub_class: Option<&'a str>,
    batch_id: &'a str,
    created_at: i64,
}

#[derive(Serialize)]
struct ImsiRow<'a> {
    imsi: &'a str,
    iccid: &'a str,
    place: usize,
    role: &'a str,
    msisdn: Option<&'a str>,
}

#[derive(Serialize)]
struct IccidRow<'a> {
    iccid: &'a str,
}

#[derive(Serialize)]
struct ImsiKeyRow<'a> {
    imsi: &'a str,
}

fn profile_row<'a>(batch: &'a Batch, profile: &'a NewProfile) -> ProfileRow<'a> {
    let home = profile.imsis.first();
    ProfileRow {
        iccid: profile.iccid.as_str(),
        imsi: home.map(|home| home.imsi.as_str()),
        msisdn: home.and_then(|home| home.msisdn.as_deref()),
        owner: batch.owner.as_str(),
        profile_type: batch.profile_type.as_str(),
        sub_class: batch.sub_class.as_ref().map(SubClassName::as_str),
        batch_id: &batch.batch_id,
        created_at: batch.received_at.as_millis(),
    }
}

/// All subscriptions of all profiles; the MSISDN of a home one stands with its profile.
fn imsi_rows(profiles: &[NewProfile]) -> Vec<ImsiRow<'_>> {
    let mut rows = Vec::with_capacity(profiles.len());
    for profile in profiles {
        rows.extend(profile.imsis.iter().enumerate().map(|(place, subscription)| ImsiRow {
            imsi: subscription.imsi.as_str(),
            iccid: profile.iccid.as_str(),
            place,
            role: &subscription.role,
            msisdn: subscription.msisdn.as_deref().filter(|_| place > 0),
        }));
    }
    rows
}

impl Store {
    /// Puts profiles into a batch that comes in, all or none of them, and renews its lease.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a number is held already; [`StoreError::Conflict`] if the lease ran out and the batch was
    /// given up; others if the engine fails.
    pub async fn add_to_batch(
        &self,
        batch: &Batch,
        lease: &Lease,
        profiles: &[NewProfile],
    ) -> Result<(), StoreError> {
        let rows: Vec<ProfileRow<'_>> = profiles.iter().map(|profile| profile_row(batch, profile)).collect();
        let packages: Vec<PackageRow<'_>> =
            profiles.iter().map(|profile| PackageRow::new(&profile.iccid, &profile.package)).collect();
        let parts = vec![
            (&INSERT_PROFILES, Set::of(&rows)?),
            (&INSERT_PACKAGES, Set::of(&packages)?),
            (&INSERT_IMSIS, Set::of(&imsi_rows(profiles))?),
        ];
        self.chunk(batch, lease, parts).await.map(drop)
    }

    /// The numbers of these profiles that are held already, by place; renews the lease of the batch. Numbers that a chunk
    /// of the same batch holds are among them.
    ///
    /// # Errors
    /// As [`Store::add_to_batch`].
    pub async fn held_numbers(
        &self,
        batch: &Batch,
        lease: &Lease,
        profiles: &[NewProfile],
    ) -> Result<Vec<Held>, StoreError> {
        let iccids: Vec<IccidRow<'_>> =
            profiles.iter().map(|profile| IccidRow { iccid: profile.iccid.as_str() }).collect();
        let imsis = profiles.iter().flat_map(|profile| &profile.imsis);
        let imsis: Vec<ImsiKeyRow<'_>> =
            imsis.map(|subscription| ImsiKeyRow { imsi: subscription.imsi.as_str() }).collect();
        let parts = vec![(&HELD_ICCIDS, Set::of(&iccids)?), (&HELD_IMSIS, Set::of(&imsis)?)];
        let found = self.chunk(batch, lease, parts).await?;
        let mut found = found.into_iter();
        let (iccids, imsis) = (found.next().unwrap_or_default(), found.next().unwrap_or_default());
        let mut held = Vec::new();
        for (place, profile) in profiles.iter().enumerate() {
            if let Some(by) = iccids.get(profile.iccid.as_str()) {
                held.push(Held { place, number: HeldNumber::Iccid, by: Holder::new(by) });
            }
            for (of, subscription) in profile.imsis.iter().enumerate() {
                if let Some(by) = imsis.get(subscription.imsi.as_str()) {
                    held.push(Held { place, number: HeldNumber::Imsi(of), by: Holder::new(by) });
                }
            }
        }
        Ok(held)
    }

    /// A small batch at once: begun, filled and published. If the process dies in between, it is removed as any other.
    ///
    /// # Errors
    /// As [`Store::begin_batch`] and [`Store::add_to_batch`]; nothing was taken then.
    pub async fn insert_batch(
        &self,
        batch: &Batch,
        profiles: &[NewProfile],
        digest: [u8; 32],
    ) -> Result<(), StoreError> {
        let until = batch.received_at.plus(Duration::from_secs(60));
        let lease = Lease { receiver: batch.batch_id.clone(), until };
        if let Begun::There(_) = self.begin_batch(batch, &lease).await? {
            return Err(StoreError::InUse(Constraint::Delivery));
        }
        for chunk in profiles.chunks(ROWS_MAX) {
            if let Err(error) = self.add_to_batch(batch, &lease, chunk).await {
                self.remove_batch(&batch.batch_id, &lease.receiver, batch.received_at).await?;
                return Err(error);
            }
        }
        let taken = u64::try_from(profiles.len()).unwrap_or(u64::MAX);
        let totals = Totals {
            rows: taken,
            taken,
            refused: 0,
            digest,
            first_iccid: profiles.first().map(|profile| profile.iccid.clone()),
            last_iccid: profiles.last().map(|profile| profile.iccid.clone()),
        };
        self.publish_batch(batch, &lease, &totals, None).await
    }

    /// Renews the lease of a batch.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the lease ran out and the batch was given up; others if the engine fails.
    pub async fn renew_lease(&self, batch: &Batch, lease: &Lease) -> Result<(), StoreError> {
        self.chunk(batch, lease, Vec::new()).await.map(drop)
    }

    /// Runs statements about a batch that the lease holds.
    pub(super) async fn chunk(
        &self,
        batch: &Batch,
        lease: &Lease,
        parts: Vec<(&'static Statement, Set)>,
    ) -> Result<Vec<super::writer::Found>, StoreError> {
        let row = ChunkRow {
            hold: &HOLD_BATCH,
            batch_id: batch.batch_id.clone(),
            receiver: lease.receiver.clone(),
            lease_until: lease.until.as_millis(),
            parts,
        };
        match self.writer.change(Change::Chunk(Box::new(row))).await? {
            Done::Found(found) => Ok(found),
            Done::Number(_) | Done::Taken(_) | Done::NoneLeft => Err(StoreError::Conflict),
        }
    }
}
