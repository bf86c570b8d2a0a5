//! Many orders at once, made by hand: a run that is killed goes on where it was, and one that is repeated makes none
//! twice.
//!
//! Each order takes three steps, each safe to be done again: its profile is reserved under a call identifier of its
//! own, its place in the run is written down, and it is confirmed. Some hundred orders go together, so that they
//! share commits.

use tokio::task::JoinSet;

use super::RACES;
use super::manual_order::{Expiry, Goal, Hand, ManualOrderError, NewOrder, REQUESTER};
use crate::crypto::hash::sha256;
use crate::domain::{
    CallIdentity, DownloadOrderParameters, FinalStatus, ManualCommand, NamedBy, Operator, Order, Person,
    ProfileType, Standing, State, StateName,
};
use crate::env::{Clock, Rng, Timestamp};
use crate::ident::{Eid, Iccid};
use crate::store::{Constraint, OrderRun, RunPlace, Store, StoreError};

/// Orders of a run at most.
pub const RUN_MAX: u64 = 100_000;
/// The longest name of a run, in octets.
pub const RUN_ID_MAX: usize = 64;
/// Orders that go together.
const CHUNK: u64 = 256;
/// A place that was reserved is recognised however long ago that was.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(u64::MAX / 1000);

/// Why a run did not end; what it made stays, and the same run again goes on.
#[derive(Debug, thiserror::Error)]
pub enum OrderRunError {
    /// The name cannot stand in the store.
    #[error("a run is named by 1 to {RUN_ID_MAX} letters, digits, '-', '_', '.' or ':'")]
    RunId,
    /// Nothing, or too much at once.
    #[error("a run makes 1 to {RUN_MAX} orders")]
    Count,
    /// A run of this name made other orders.
    #[error("run {0} was made with other options: repeat those, or name another run")]
    OtherRun(String),
    /// The stock does not reach.
    #[error(
        "{wanted} more profiles of type {profile_type} are needed, and {available} are available; nothing was ordered now"
    )]
    Stock {
        /// The type.
        profile_type: ProfileType,
        /// How many orders are missing.
        wanted: u64,
        /// How many profiles are available.
        available: u64,
    },
    /// One order could not be made.
    #[error("order {place} of the run: {cause}")]
    Order {
        /// Its place, from 1.
        place: u64,
        /// Why.
        cause: ManualOrderError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a run is to make.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its name.
    pub run_id: String,
    /// Who makes it.
    pub person: Person,
    /// Whose profiles.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// How many orders.
    pub count: u64,
    /// The eUICC of each, or none at all.
    pub eids: Vec<Eid>,
    /// What each order is to be; its EID and matching identifier are the run's matter.
    pub order: NewOrder,
}

/// An order of a run.
#[derive(Clone, Debug)]
pub struct RunOrder {
    /// The profile.
    pub iccid: Iccid,
    /// The order as it is now; `None` if it was cancelled since.
    pub order: Option<Order>,
}

impl NewRun {
    fn check(&self) -> Result<(), OrderRunError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
        if !(1..=RUN_ID_MAX).contains(&self.run_id.len()) || !self.run_id.bytes().all(allowed) {
            return Err(OrderRunError::RunId);
        }
        let eids = u64::try_from(self.eids.len()).unwrap_or(u64::MAX);
        if !(1..=RUN_MAX).contains(&self.count) || ![0, self.count].contains(&eids) {
            return Err(OrderRunError::Count);
        }
        let first = self.order_at(0);
        first.check().map_err(|cause| OrderRunError::Order { place: 1, cause })
    }

    fn eid(&self, place: u64) -> Option<&Eid> {
        self.eids.get(usize::try_from(place).ok()?)
    }

    fn order_at(&self, place: u64) -> NewOrder {
        NewOrder { eid: self.eid(place).cloned(), ..self.order.clone() }
    }

    /// How the store recognises the reservation of a place.
    fn parameters(&self, place: u64) -> DownloadOrderParameters {
        DownloadOrderParameters {
            call: CallIdentity::new(REQUESTER, &format!("{}/{place}", self.run_id)),
            named_by: NamedBy::Type,
            eid: self.eid(place).cloned(),
        }
    }

    /// Of all that was asked for.
    fn digest(&self) -> [u8; 32] {
        let code = self.order.code_hash.as_ref().map(|hash| hex::encode(hash.as_octets()));
        let NewOrder { matching_id, goal, expiry, attempts, .. } = &self.order;
        let mut text = format!(
            "{}\n{}\n{}\n{matching_id:?}\n{code:?}\n{goal:?}\n{expiry:?}\n{attempts:?}\n",
            self.owner, self.profile_type, self.count
        );
        // A run that says nothing of them has the digest that it had before there was anything to say.
        let NewOrder { key_mode, metadata, .. } = &self.order;
        if key_mode.is_some() || metadata.is_some() {
            text += &format!("{key_mode:?}\n{metadata:?}\n");
        }
        for eid in &self.eids {
            text += eid.as_str();
            text.push('\n');
        }
        sha256(text.as_bytes())
    }
}

/// Makes the orders of a run that are not made yet, and returns all of them by their places. `progress` hears how
/// many are done.
///
/// # Errors
/// [`OrderRunError`]. What was made stays; the same run again goes on.
pub async fn run_orders(
    store: &Store,
    clock: &Clock,
    rng: &Rng,
    new: &NewRun,
    mut progress: impl FnMut(u64),
) -> Result<Vec<RunOrder>, OrderRunError> {
    new.check()?;
    let run = begin(store, clock.now(), new).await?;
    // All orders of a run expire together, whenever they are made.
    let expiry = new.order.expiry.from(run.created_at).map_or(Expiry::Never, Expiry::At);
    let mut orders = Vec::new();
    let mut first = 0;
    while first < new.count {
        let most = CHUNK.min(new.count - first);
        let mut places = store.order_run_places(&run.run_id, first, most).await?;
        let missing: Vec<u64> = (first..first + most).filter(|place| !places.contains_key(place)).collect();
        let reserved = reserve(store, clock.now(), new, missing).await?;
        if !reserved.is_empty() {
            store.keep_order_run_places(&run.run_id, &reserved).await?;
            places = store.order_run_places(&run.run_id, first, most).await?;
            // Where the same run goes on twice at once, the one that writes a place down first has it.
            for late in reserved.iter().filter(|late| places.get(&late.place) != Some(*late)) {
                give_back(store, late).await?;
            }
        }
        let mut tasks = JoinSet::new();
        for place in places.into_values() {
            let (store, rng) = (store.clone(), rng.clone());
            let hand = Hand { person: new.person.clone(), at: clock.now() };
            let new = NewOrder { expiry, ..new.order_at(place.place) };
            tasks.spawn(async move {
                let number = place.place;
                let order = confirm(&store, &rng, &hand, &new, place).await;
                (number, order)
            });
        }
        let mut done = Vec::new();
        for (place, outcome) in tasks.join_all().await {
            let order = outcome.map_err(|cause| OrderRunError::Order { place: place + 1, cause })?;
            done.push((place, order));
        }
        done.sort_by_key(|(place, _)| *place);
        orders.extend(done.into_iter().map(|(_, order)| order));
        first += most;
        progress(first);
    }
    Ok(orders)
}

/// Writes the run down, unless it is there; where it is not, the stock must reach.
async fn begin(store: &Store, now: Timestamp, new: &NewRun) -> Result<OrderRun, OrderRunError> {
    let run =
        OrderRun { run_id: new.run_id.clone(), digest: new.digest(), profiles: new.count, created_at: now };
    let known = match store.order_run(&new.run_id).await? {
        Some(known) => known,
        None => {
            let counts = store.counts().await?;
            let of_type = counts.iter().filter(|count| {
                count.standing == Standing::Available
                    && count.owner == new.owner.as_str()
                    && count.profile_type == new.profile_type.as_str()
            });
            let available = of_type.map(|count| count.profiles).sum();
            if available < new.count {
                let (profile_type, wanted) = (new.profile_type.clone(), new.count);
                return Err(OrderRunError::Stock { profile_type, wanted, available });
            }
            store.begin_order_run(&run).await?
        }
    };
    if known.digest == run.digest { Ok(known) } else { Err(OrderRunError::OtherRun(new.run_id.clone())) }
}

/// Reserves a profile for each place. What an earlier run reserved and did not write down is found again.
async fn reserve(
    store: &Store,
    now: Timestamp,
    new: &NewRun,
    missing: Vec<u64>,
) -> Result<Vec<RunPlace>, OrderRunError> {
    let mut tasks = JoinSet::new();
    for place in missing {
        let (store, parameters) = (store.clone(), new.parameters(place));
        let (owner, profile_type) = (new.owner.clone(), new.profile_type.clone());
        tasks.spawn(async move {
            let taken = take(&store, &owner, &profile_type, &parameters, now).await;
            (place, taken)
        });
    }
    let mut reserved = Vec::new();
    for (place, taken) in tasks.join_all().await {
        let order = taken.map_err(|cause| OrderRunError::Order { place: place + 1, cause })?;
        reserved.push(RunPlace { place, iccid: order.iccid, number: order.number });
    }
    Ok(reserved)
}

async fn take(
    store: &Store,
    owner: &Operator,
    profile_type: &ProfileType,
    parameters: &DownloadOrderParameters,
    now: Timestamp,
) -> Result<Order, ManualOrderError> {
    for _ in 0..RACES {
        match store.take_by_type(owner, profile_type, parameters, now, FOR_EVER, None).await {
            Ok(Some(iccid)) => {
                let order = store.order(&iccid).await.map_err(ManualOrderError::Store)?;
                return order.ok_or(ManualOrderError::UnknownIccid(iccid));
            }
            // PostgreSQL passes over those that another node is just taking.
            Ok(None) | Err(StoreError::Conflict) => {}
            Err(cause) => return Err(ManualOrderError::Store(cause)),
        }
    }
    Err(ManualOrderError::NoneLeft(profile_type.clone()))
}

/// Returns a profile to the stock that was reserved for nothing.
async fn give_back(store: &Store, place: &RunPlace) -> Result<(), StoreError> {
    let order = store.order(&place.iccid).await?.filter(|order| place.holds(order));
    let reserved = order.filter(|order| matches!(order.state, State::Allocated(_) | State::Linked { .. }));
    let Some(Ok(back)) = reserved.map(|order| order.cancel(FinalStatus::Available)) else { return Ok(()) };
    match store.save(back).await {
        Ok(_) | Err(StoreError::Conflict) => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Confirms the order of a place, unless that is done.
async fn confirm(
    store: &Store,
    rng: &Rng,
    hand: &Hand,
    new: &NewOrder,
    place: RunPlace,
) -> Result<RunOrder, ManualOrderError> {
    for _ in 0..RACES {
        let order = store.order(&place.iccid).await.map_err(ManualOrderError::Store)?;
        let Some(order) = order.filter(|order| place.holds(order)) else {
            return Ok(RunOrder { iccid: place.iccid, order: None });
        };
        let reserved = matches!(order.state, State::Allocated(_) | State::Linked { .. });
        let is_done = match new.goal {
            // Nothing but the list of changes tells an order that is to stay reserved from one that was just taken.
            Goal::Reserved if reserved => is_written_down(store, &order).await?,
            Goal::Reserved | Goal::Confirmed | Goal::Released | Goal::Failed(_) => !reserved,
        };
        if is_done {
            return Ok(RunOrder { iccid: place.iccid, order: Some(order) });
        }
        new.check_delivered(store, &order.iccid).await?;
        let finished = new.finish(order, hand.at, rng).map_err(|_| ManualOrderError::Race)?;
        let change = hand.change(ManualCommand::Create, StateName::Available, new.detail());
        match store.save_by_hand(finished, &change).await {
            Ok(order) => return Ok(RunOrder { iccid: place.iccid, order: Some(order) }),
            // A drawn identifier that is in use is drawn again.
            Err(StoreError::Conflict | StoreError::InUse(Constraint::MatchingId)) => {}
            Err(cause) => return Err(ManualOrderError::Store(cause)),
        }
    }
    Err(ManualOrderError::Race)
}

async fn is_written_down(store: &Store, order: &Order) -> Result<bool, ManualOrderError> {
    let changes = store.manual_changes(&order.iccid).await.map_err(ManualOrderError::Store)?;
    Ok(changes.iter().any(|change| change.number == order.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Delivered;
    use crate::store::{Batch, NewProfile, Package, PackageKind, StoreUrl};

    #[tokio::test]
    async fn what_was_reserved_for_nothing_goes_back_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let (owner, profile_type) = (Operator::parse("o").unwrap(), ProfileType::parse("P1").unwrap());
        let now = Timestamp::from_secs(1);
        let batch = Batch::local("b", owner.clone(), profile_type.clone(), now);
        let profile = NewProfile {
            iccid: Iccid::parse("8988211000000000001").unwrap(),
            imsis: Vec::new(),
            package: Package { kind: PackageKind::PersonalData, sealed: vec![1], needs: None },
        };
        store.insert_batch(&batch, &[profile], [0; 32]).await.unwrap();
        let call = CallIdentity::new(REQUESTER, "run/0");
        let parameters = DownloadOrderParameters { call, named_by: NamedBy::Type, eid: None };
        let order = take(&store, &owner, &profile_type, &parameters, now).await.unwrap();
        let iccid = order.iccid.clone();
        let state = async || store.order(&iccid).await.unwrap().unwrap().state_name();

        let other = RunPlace { place: 0, iccid: iccid.clone(), number: order.number + 1 };
        give_back(&store, &other).await.unwrap();
        assert_eq!(state().await, StateName::Allocated, "another order of the profile");
        let place = RunPlace { number: order.number, ..other };
        give_back(&store, &place).await.unwrap();
        assert_eq!(state().await, StateName::Available);
        give_back(&store, &place).await.unwrap();

        let order = take(&store, &owner, &profile_type, &parameters, now).await.unwrap();
        let place = RunPlace { number: order.number, ..place };
        let new = NewOrder {
            eid: None,
            matching_id: None,
            code_hash: None,
            goal: Goal::Confirmed,
            expiry: Expiry::Never,
            attempts: crate::domain::Attempts::default(),
            key_mode: None,
            metadata: None,
            needed: Delivered::default(),
        };
        let hand = Hand { person: Person::parse("tester").unwrap(), at: now };
        confirm(&store, &Rng::seeded(1), &hand, &new, place.clone()).await.unwrap();
        give_back(&store, &place).await.unwrap();
        assert_eq!(state().await, StateName::Confirmed, "somebody has it");
    }
}
