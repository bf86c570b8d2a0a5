//! The rows of a batch, some hundred at a time.
//!
//! A chunk goes into the commit of whatever else waits, so it is kept small: nobody waits long for it. It goes in whole or not
//! at all; if a number of it is held already, the constraint refuses it, and whoever wants to know which one it is asks for
//! all that are held ([`Store::held_numbers`]).

use std::sync::Arc;
use std::time::Duration;

use super::batches::{Batch, Begun, HOLD_BATCH, Lease, Totals};
use super::engine::{Statement, set_statement};
use super::msisdns::{HELD_MSISDNS, INSERT_MSISDNS, REMOVE_FURTHER_MSISDNS, REMOVE_HOME_MSISDNS, digits};
use super::packages::{INSERT_PACKAGES, PACKAGE_COLUMNS, Package, package_values};
use super::set::Set;
use super::writer::{Change, ChunkParts, ChunkRow, Done, Found};
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
pub(super) const REMOVE_PROFILES: &[&Statement] = &[
    &REMOVE_HOME_MSISDNS,
    &REMOVE_FURTHER_MSISDNS,
    &REMOVE_HOME_IMSIS,
    &REMOVE_FURTHER_IMSIS,
    &REMOVE_PACKAGES,
    &REMOVE_PROFILE_ROWS,
];

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
    /// Its telephone number, kept as delivered; unique in the store but for other subscriptions of the same profile.
    pub msisdn: Option<String>,
}

impl NewImsi {
    /// The digits of its telephone number.
    fn number(&self) -> Option<&str> {
        self.msisdn.as_deref().map(digits)
    }
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
    /// The telephone number of the subscription at this place, 0 for the home one.
    Msisdn(usize),
    /// The EID.
    Eid,
    /// The ICCID of the profile at this place of those that are on an eUICC.
    Preloaded(usize),
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

/// Profiles that go into a batch.
struct Added {
    batch: Batch,
    profiles: Arc<Vec<NewProfile>>,
}

impl ChunkParts for Added {
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)> {
        let profiles = Set::rows_of(
            ["iccid", "imsi", "msisdn", "owner", "profile_type", "sub_class", "batch_id", "created_at"],
            self.profiles.iter().map(|profile| {
                let home = profile.imsis.first();
                [
                    profile.iccid.as_str().into(),
                    home.map(|home| home.imsi.as_str()).into(),
                    home.and_then(|home| home.msisdn.as_deref()).into(),
                    self.batch.owner.as_str().into(),
                    self.batch.profile_type.as_str().into(),
                    self.batch.sub_class.as_ref().map(SubClassName::as_str).into(),
                    self.batch.batch_id.as_str().into(),
                    self.batch.received_at.as_millis().into(),
                ]
            }),
        );
        let packages = Set::rows_of(
            PACKAGE_COLUMNS,
            self.profiles.iter().map(|profile| package_values(&profile.iccid, &profile.package)),
        );
        // The MSISDN of a home subscription stands with its profile.
        let imsis = Set::rows_of(
            ["imsi", "iccid", "place", "role", "msisdn"],
            subscriptions(&self.profiles).map(|(profile, place, subscription)| {
                [
                    subscription.imsi.as_str().into(),
                    profile.iccid.as_str().into(),
                    i64::try_from(place).unwrap_or(i64::MAX).into(),
                    subscription.role.as_str().into(),
                    subscription.msisdn.as_deref().filter(|_| place > 0).into(),
                ]
            }),
        );
        let mut sets =
            vec![(&INSERT_PROFILES, profiles), (&INSERT_PACKAGES, packages), (&INSERT_IMSIS, imsis)];
        let numbers = || self.profiles.iter().flat_map(msisdns);
        if numbers().next().is_some() {
            let rows = numbers().map(|(profile, number)| [number.into(), profile.iccid.as_str().into()]);
            sets.push((&INSERT_MSISDNS, Set::rows_of(["number", "iccid"], rows)));
        }
        sets
    }
}

/// All subscriptions with their profiles and their places in them.
fn subscriptions(profiles: &[NewProfile]) -> impl Iterator<Item = (&NewProfile, usize, &NewImsi)> {
    profiles.iter().flat_map(|profile| {
        profile.imsis.iter().enumerate().map(move |(place, subscription)| (profile, place, subscription))
    })
}

/// The telephone numbers of a profile as digits, each once: its subscriptions may share one.
fn msisdns(profile: &NewProfile) -> impl Iterator<Item = (&NewProfile, &str)> {
    let numbers = profile.imsis.iter().enumerate().filter_map(|(place, one)| Some((place, one.number()?)));
    numbers.filter_map(move |(place, number)| {
        let is_first = profile.imsis.iter().take(place).all(|other| other.number() != Some(number));
        is_first.then_some((profile, number))
    })
}

/// Profiles whose numbers are looked for.
struct Looked(Arc<Vec<NewProfile>>);

impl ChunkParts for Looked {
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)> {
        let iccids = self.0.iter().map(|profile| profile.iccid.as_str());
        let imsis = subscriptions(&self.0).map(|(_, _, subscription)| subscription.imsi.as_str());
        let numbers = self.0.iter().flat_map(msisdns).map(|(_, number)| number);
        vec![
            (&HELD_ICCIDS, Set::column("iccid", iccids)),
            (&HELD_IMSIS, Set::column("imsi", imsis)),
            (&HELD_MSISDNS, Set::column("number", numbers)),
        ]
    }
}

/// Nothing but a sign of life.
struct Renewed;

impl ChunkParts for Renewed {
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)> {
        Vec::new()
    }
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
        profiles: &Arc<Vec<NewProfile>>,
    ) -> Result<(), StoreError> {
        let added = Added { batch: batch.clone(), profiles: Arc::clone(profiles) };
        self.chunk(batch, lease, Box::new(added)).await.map(drop)
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
        profiles: &Arc<Vec<NewProfile>>,
    ) -> Result<Vec<Held>, StoreError> {
        let found = self.chunk(batch, lease, Box::new(Looked(Arc::clone(profiles)))).await?;
        let mut found = found.into_iter();
        let (iccids, imsis) = (found.next().unwrap_or_default(), found.next().unwrap_or_default());
        let msisdns = found.next().unwrap_or_default();
        let mut held = Vec::new();
        for (place, profile) in profiles.iter().enumerate() {
            let before = held.len();
            if let Some(by) = iccids.get(profile.iccid.as_str()) {
                held.push(Held { place, number: HeldNumber::Iccid, by: Holder::new(by) });
            }
            for (of, subscription) in profile.imsis.iter().enumerate() {
                if let Some(by) = imsis.get(subscription.imsi.as_str()) {
                    held.push(Held { place, number: HeldNumber::Imsi(of), by: Holder::new(by) });
                }
            }
            // Of a subscription that is there already, the telephone number says nothing new.
            let number = profile
                .imsis
                .iter()
                .enumerate()
                .find_map(|(of, one)| Some((of, msisdns.get(one.number()?)?)));
            if let (true, Some((of, by))) = (held.len() == before, number) {
                held.push(Held { place, number: HeldNumber::Msisdn(of), by: Holder::new(by) });
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
            if let Err(error) = self.add_to_batch(batch, &lease, &Arc::new(chunk.to_vec())).await {
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
        self.publish_batch(batch, &lease, &totals, None, None).await
    }

    /// Renews the lease of a batch.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the lease ran out and the batch was given up; others if the engine fails.
    pub async fn renew_lease(&self, batch: &Batch, lease: &Lease) -> Result<(), StoreError> {
        self.chunk(batch, lease, Box::new(Renewed)).await.map(drop)
    }

    /// Runs statements about a batch that the lease holds.
    pub(super) async fn chunk(
        &self,
        batch: &Batch,
        lease: &Lease,
        parts: Box<dyn ChunkParts>,
    ) -> Result<Vec<Found>, StoreError> {
        let row = ChunkRow {
            hold: &HOLD_BATCH,
            batch_id: batch.batch_id.clone(),
            receiver: lease.receiver.clone(),
            lease_until: lease.until.as_millis(),
            parts,
        };
        match self.writer.change(Change::Chunk(Box::new(row))).await? {
            Done::Found(found) => Ok(found),
            Done::Number(_) | Done::Taken(_) | Done::NoneLeft | Done::Allotted(_) => {
                Err(StoreError::Conflict)
            }
        }
    }
}
