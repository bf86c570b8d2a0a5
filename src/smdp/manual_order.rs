//! Orders placed and mended by hand, at the server and without ES2+.
//!
//! Laboratories prepare situations with it, and operators put stuck orders back. The states and their transitions are
//! those of ES2+ (SGP.22 3.1.6, 5.3), and so is what an order needs; beyond them attempts and expiry are set as wanted.
//! An order that is placed is one change: nobody sees half of it. Each change is written down with who made it.
//!
//! Downloaded and Installed cannot be made by hand: they say that an eUICC got a package under keys that only it and
//! this server could agree on, or signed that it holds the profile. A download makes them.

use std::time::Duration;

use super::RACES;
use crate::domain::{
    Attempts, CallIdentity, CodeHash, Confirmation, Delivered, ErrorReason, FinalStatus, InvalidTransition,
    KeyMode, ManualCommand, MatchingIdOrigin, NamedBy, Operator, Order, Person, ProfileType, ReleaseTime,
    Reservation, StateName, System, Terms,
};
use crate::env::{Rng, Timestamp};
use crate::ident::{Eid, Iccid, MatchingId};
use crate::profile::metadata::ProfileMetadata;
use crate::store::{Constraint, NewManualChange, Store, StoreError};

/// What stands for functionRequesterIdentifier in orders of this kind.
pub const REQUESTER: &str = "simyard order create";

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ManualOrderError {
    /// No such profile.
    #[error("profile {0} is not in the stock")]
    UnknownIccid(Iccid),
    /// Nobody owns profiles of this type.
    #[error("no profile of type {0} is in the stock")]
    UnknownType(ProfileType),
    /// The type does not say whose profile is meant.
    #[error("profiles of type {profile_type} belong to {owners}: say whose with --owner")]
    SeveralOwners {
        /// The type.
        profile_type: ProfileType,
        /// Their names.
        owners: String,
    },
    /// The stock of this type is used up.
    #[error("no profile of type {0} is available: ingest more, or cancel orders")]
    NoneLeft(ProfileType),
    /// The empty matching identifier leads to an order by its EID alone.
    #[error("an order without a matching identifier is found by its EID: give one")]
    EidMissing,
    /// Another order has the matching identifier.
    #[error("another order has matching identifier {0}")]
    MatchingIdInUse(MatchingId),
    /// Attempts are counted from the release on.
    #[error("attempts are counted once an order is released: they cannot be set for one that is not")]
    AttemptsBeforeRelease,
    /// The order's state does not allow it.
    #[error("profile {iccid} is {state}; expected {expected}")]
    State {
        /// The profile.
        iccid: Iccid,
        /// Its state.
        state: StateName,
        /// The states that allow it.
        expected: &'static str,
    },
    /// A system without which the SIM does not work has nothing of the profile, and the type demands that it has.
    #[error(
        "profile {iccid} was not delivered to the {system} yet, and is not released before: simyard export --for {}",
        .system.name()
    )]
    NotDelivered {
        /// The profile.
        iccid: Iccid,
        /// The system.
        system: System,
    },
    /// Others change the order all the time.
    #[error("the order changed meanwhile: look at it, and try again")]
    Race,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Whose hand it is, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hand {
    /// Who.
    pub person: Person,
    /// Now.
    pub at: Timestamp,
}

impl Hand {
    /// What is written down of a change of an order that was `from`.
    pub(super) fn change(&self, command: ManualCommand, from: StateName, detail: String) -> NewManualChange {
        NewManualChange { person: self.person.clone(), command, detail, from, at: self.at }
    }
}

/// How far an order is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// As DownloadOrder leaves it: Allocated, or Linked where it has an EID.
    Reserved,
    /// As ConfirmOrder leaves it without the release flag.
    Confirmed,
    /// Ready for download.
    Released,
    /// Failed, as if after its release and before any package was handed over.
    Failed(ErrorReason),
}

/// From when on an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// From then on, past or future.
    At(Timestamp),
    /// So long after the order is made.
    After(Duration),
}

impl Expiry {
    /// The moment, for an order made at `start`.
    #[must_use]
    pub fn from(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(at),
            Self::After(duration) => Some(start.plus(duration)),
        }
    }
}

/// What an order is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The eUICC that is to get it.
    pub eid: Option<Eid>,
    /// The matching identifier: `None` draws one, the empty one is that of the default SM-DP+ address use case.
    pub matching_id: Option<MatchingId>,
    /// The hash of the confirmation code, if one is asked for.
    pub code_hash: Option<CodeHash>,
    /// How far it is brought.
    pub goal: Goal,
    /// How long it lasts.
    pub expiry: Expiry,
    /// What counts as tried already.
    pub attempts: Attempts,
    /// The keys of the profile's segments; `None`: as its type says.
    pub key_mode: Option<KeyMode>,
    /// What is told of the profile; `None`: as its type says.
    pub metadata: Option<ProfileMetadata>,
    /// The systems that must have what belongs to the profile before it is released.
    pub needed: Delivered,
}

impl NewOrder {
    /// Whether it says what an order needs, as ConfirmOrder demands it (5.3.2).
    ///
    /// # Errors
    /// [`ManualOrderError::EidMissing`] or [`ManualOrderError::AttemptsBeforeRelease`].
    pub fn check(&self) -> Result<(), ManualOrderError> {
        if self.eid.is_none() && self.matching_id.as_ref().is_some_and(MatchingId::is_empty) {
            return Err(ManualOrderError::EidMissing);
        }
        if matches!(self.goal, Goal::Reserved | Goal::Confirmed) && self.attempts != Attempts::default() {
            return Err(ManualOrderError::AttemptsBeforeRelease);
        }
        Ok(())
    }

    /// Whether the systems have what belongs to the profile, where the order is released.
    pub(super) async fn check_delivered(&self, store: &Store, iccid: &Iccid) -> Result<(), ManualOrderError> {
        match self.goal {
            Goal::Released | Goal::Failed(_) => check_delivered(store, iccid, self.needed).await,
            Goal::Reserved | Goal::Confirmed => Ok(()),
        }
    }

    fn terms(&self, iccid: &Iccid) -> Terms {
        let metadata = self.metadata.as_ref().map(|metadata| metadata.to_store_metadata(iccid));
        Terms { key_mode: self.key_mode, metadata }
    }

    /// What is written down of it beside the states.
    pub(super) fn detail(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.eid.as_ref().map(|eid| format!("EID {eid}")));
        parts.extend(self.matching_id.as_ref().map(|id| format!("matching identifier {:?}", id.as_str())));
        parts.extend(self.code_hash.as_ref().map(|_| "a confirmation code".to_owned()));
        parts.extend(match self.expiry {
            Expiry::Never => None,
            Expiry::At(at) => Some(format!("expires {at}")),
            Expiry::After(duration) => Some(format!("expires after {} s", duration.as_secs())),
        });
        if self.attempts != Attempts::default() {
            let Attempts { download, confirmation } = self.attempts;
            parts.push(format!("{download} downloads and {confirmation} confirmation codes tried"));
        }
        parts.extend(self.key_mode.map(|mode| match mode {
            KeyMode::SessionKeys => "session keys".to_owned(),
            KeyMode::RandomKeys => "random keys".to_owned(),
        }));
        parts.extend(self.metadata.as_ref().map(|_| "metadata of its own".to_owned()));
        parts.join(", ")
    }

    /// The reserved order as it is to be.
    pub(super) fn finish(
        &self,
        reserved: Order,
        now: Timestamp,
        rng: &Rng,
    ) -> Result<Order, InvalidTransition> {
        let terms = self.terms(&reserved.iccid);
        let reserved = reserved.furnish(terms)?;
        if self.goal == Goal::Reserved {
            return Ok(reserved);
        }
        let confirmed = reserved.confirm(|reservation, ordered_eid| Confirmation {
            reservation,
            ordered_eid,
            confirmed_eid: None,
            matching_id: self.matching_id.clone().unwrap_or_else(|| MatchingId::generate(rng)),
            matching_id_origin: match self.matching_id {
                Some(_) => MatchingIdOrigin::Operator,
                None => MatchingIdOrigin::Generated,
            },
            code_hash: self.code_hash.clone(),
            release_time: match self.goal {
                Goal::Released | Goal::Failed(_) => ReleaseTime::AtOnce,
                Goal::Reserved | Goal::Confirmed => ReleaseTime::Later,
            },
            at: now,
            expires_at: self.expiry.from(now),
        })?;
        match self.goal {
            Goal::Released => confirmed.recount(self.attempts),
            Goal::Failed(reason) => confirmed.recount(self.attempts)?.fail(reason, now),
            Goal::Reserved | Goal::Confirmed => Ok(confirmed),
        }
    }
}

/// Which profile is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Iccid(Iccid),
    /// The next available one of this type.
    Type(Operator, ProfileType),
}

/// Whose profiles of a type are meant: the only owner's, or those of the one that is named.
///
/// # Errors
/// [`ManualOrderError`] for an unknown type, and where several own profiles of it.
pub async fn owner_of_type(
    store: &Store,
    profile_type: &ProfileType,
    named: Option<Operator>,
) -> Result<Operator, ManualOrderError> {
    let owners = store.owners_of_type(profile_type).await.map_err(ManualOrderError::Store)?;
    match (named, owners.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (Some(named), owners) if owners.contains(&named) => Ok(named),
        (_, []) => Err(ManualOrderError::UnknownType(profile_type.clone())),
        (_, owners) => {
            let names: Vec<&str> = owners.iter().map(Operator::as_str).collect();
            let (profile_type, owners) = (profile_type.clone(), names.join(", "));
            Err(ManualOrderError::SeveralOwners { profile_type, owners })
        }
    }
}

/// Orders a profile in one change: what DownloadOrder, ConfirmOrder and ReleaseProfile would do, as far as wanted.
///
/// # Errors
/// [`ManualOrderError`]; nothing is reserved then.
pub async fn place_order(
    store: &Store,
    rng: &Rng,
    hand: &Hand,
    wanted: &Wanted,
    new: &NewOrder,
) -> Result<Order, ManualOrderError> {
    new.check()?;
    for _ in 0..RACES {
        let (order, named_by) = match wanted {
            Wanted::Iccid(iccid) => {
                let order = store.order(iccid).await.map_err(ManualOrderError::Store)?;
                let order = order.ok_or_else(|| ManualOrderError::UnknownIccid(iccid.clone()))?;
                (order, NamedBy::Iccid)
            }
            Wanted::Type(owner, profile_type) => {
                let order = store.next_available(owner, profile_type).await;
                let order = order.map_err(ManualOrderError::Store)?;
                let order = order.ok_or_else(|| ManualOrderError::NoneLeft(profile_type.clone()))?;
                (order, NamedBy::Type)
            }
        };
        let iccid = order.iccid.clone();
        new.check_delivered(store, &iccid).await?;
        let call = CallIdentity::new(REQUESTER, &hex::encode(rng.array::<8>()));
        let order = order
            .reserve(Reservation { call, named_by, at: hand.at, terms: Terms::default() }, new.eid.clone())
            .and_then(|reserved| new.finish(reserved, hand.at, rng))
            .map_err(|refused| unfit(iccid, refused, "Available"))?;
        let change = hand.change(ManualCommand::Create, StateName::Available, new.detail());
        match store.save_by_hand(order, &change).await {
            Ok(order) => return Ok(order),
            Err(StoreError::InUse(Constraint::MatchingId)) => {
                // A drawn identifier that is in use is drawn again.
                if let Some(given) = &new.matching_id {
                    return Err(ManualOrderError::MatchingIdInUse(given.clone()));
                }
            }
            Err(StoreError::Conflict) => {}
            Err(cause) => return Err(ManualOrderError::Store(cause)),
        }
    }
    Err(ManualOrderError::Race)
}

/// Whether the systems that are needed have what belongs to a profile.
async fn check_delivered(store: &Store, iccid: &Iccid, needed: Delivered) -> Result<(), ManualOrderError> {
    if needed == Delivered::default() {
        return Ok(());
    }
    let delivered = store.delivered(iccid).await.map_err(ManualOrderError::Store)?;
    match delivered.missing(needed) {
        Some(system) => Err(ManualOrderError::NotDelivered { iccid: iccid.clone(), system }),
        None => Ok(()),
    }
}

/// Releases a confirmed order, as ReleaseProfile does, once the systems that are `needed` have what belongs to the
/// profile.
///
/// # Errors
/// [`ManualOrderError`]; the order stays as it was then.
pub async fn release(
    store: &Store,
    hand: &Hand,
    order: Order,
    needed: Delivered,
) -> Result<Order, ManualOrderError> {
    let iccid = order.iccid.clone();
    let change = hand.change(ManualCommand::Release, order.state_name(), String::new());
    let released = order.release(hand.at).map_err(|refused| unfit(iccid, refused, "Confirmed"))?;
    check_delivered(store, &released.iccid, needed).await?;
    saved(store.save_by_hand(released, &change).await)
}

/// Cancels an order, as CancelOrder does. A profile whose package was handed over never returns to the stock.
///
/// # Errors
/// [`ManualOrderError`]; the order stays as it was then.
pub async fn cancel(
    store: &Store,
    hand: &Hand,
    order: Order,
    status: FinalStatus,
) -> Result<Order, ManualOrderError> {
    let erased = order.matching_id().filter(|id| !id.is_empty());
    let detail = erased.map(|id| format!("its matching identifier was {id}")).unwrap_or_default();
    let change = hand.change(ManualCommand::Cancel, order.state_name(), detail);
    let iccid = order.iccid.clone();
    let expected = match status {
        FinalStatus::Available => {
            "Allocated, Linked, Confirmed, Released, or Error before a package was handed over"
        }
        FinalStatus::Unavailable => "Allocated, Linked, Confirmed, Released or Error",
    };
    let cancelled = order.cancel(status).map_err(|refused| unfit(iccid, refused, expected))?;
    saved(store.save_by_hand(cancelled, &change).await)
}

/// What [`reset`] will make of an order.
///
/// # Errors
/// [`ManualOrderError::State`].
pub fn reset_order(order: &Order, expires_at: Option<Timestamp>) -> Result<Order, ManualOrderError> {
    let refused = |refused| unfit(order.iccid.clone(), refused, "Error, Released or Downloaded");
    order.clone().reset(expires_at).map_err(refused)
}

/// Puts an order back that is stuck ([`Order::reset`]): exactly the one that was read, or none.
///
/// # Errors
/// [`ManualOrderError`]; the order stays as it was then.
pub async fn reset(
    store: &Store,
    hand: &Hand,
    order: &Order,
    expires_at: Option<Timestamp>,
) -> Result<Order, ManualOrderError> {
    let reset = reset_order(order, expires_at)?;
    let Attempts { download, confirmation } = order.attempts();
    let expiry = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let mut detail = format!(
        "{download} downloads and {confirmation} confirmation codes forgotten, expiry {} instead of {}",
        expiry(expires_at),
        expiry(order.expires_at()),
    );
    if let Some(failure) = order.failure() {
        detail += &format!(", failed {}: {:?}", failure.at, failure.reason);
    }
    let change = hand.change(ManualCommand::Reset, order.state_name(), detail);
    saved(store.save_by_hand(reset, &change).await)
}

fn unfit(iccid: Iccid, refused: InvalidTransition, expected: &'static str) -> ManualOrderError {
    ManualOrderError::State { iccid, state: refused.from, expected }
}

fn saved(outcome: Result<Order, StoreError>) -> Result<Order, ManualOrderError> {
    outcome.map_err(|error| match error {
        StoreError::Conflict => ManualOrderError::Race,
        cause => ManualOrderError::Store(cause),
    })
}
