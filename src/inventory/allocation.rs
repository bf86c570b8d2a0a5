//! Subscriptions set aside by type and count, and profiles that come back.
//!
//! | call | repeated | late |
//! |---|---|---|
//! | [`Allocator::set_aside`] | the same profiles, as far as they were not given back | as at the first time |
//! | [`Allocator::release`] | refused: it is in quarantine | as at the first time; once the reservation ran out, refused |
//! | [`Allocator::retire`] | refused: it is retired | as at the first time |
//!
//! An order under way comes first: whoever wants the profile back cancels it. A profile that never left comes back with its
//! keys. One that was on an eUICC comes back only if its type is reusable and its deletion was notified, or the eUICC was
//! declared lost; otherwise it is retired, and its keys are wiped ([`crate::domain::shelf`]).

use std::time::Duration;

use super::pools::new_allocation_id;
use crate::domain::pool::NUMBERS_MAX;
use crate::domain::shelf::fate;
use crate::domain::{
    AllocationId, Euicc, Fate, InvalidShelf, InvalidTransition, ManualCommand, NotBack, NumberState,
    Operator, Order, Person, ProfileType, Shelf,
};
use crate::env::{Clock, Rng, Timestamp};
use crate::ident::Iccid;
use crate::store::{Aside, Content, NewManualChange, SetAside, Shelved, Store, StoreError};

pub use crate::store::{Allocation, Subject};

/// How often a profile is read again if it changed while it was looked at.
const ATTEMPTS: usize = 5;

/// What is said of a profile type.
#[derive(Clone, Debug)]
pub struct TypeRules {
    /// Whose profiles they are.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// Whether one may be offered again after it was on an eUICC.
    pub reusable: bool,
    /// How long one that was given back is not offered.
    pub quarantine: Duration,
}

/// Sets subscriptions aside and takes them back.
#[derive(Clone)]
pub struct Allocator {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Identifiers of calls that bring none.
    pub rng: Rng,
}

/// Subscriptions that are set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAsideProfiles {
    /// Under which identifier.
    pub allocation_id: AllocationId,
    /// Their numbers.
    pub iccids: Vec<Iccid>,
    /// Until when.
    pub held_until: Option<Timestamp>,
    /// Whether an earlier call set them aside.
    pub repeated: bool,
}

/// What became of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In quarantine, with its keys; in stock again behind this time.
    Quarantined {
        /// When.
        until: Timestamp,
    },
    /// Retired: keys and numbers are nobody's for ever.
    Retired,
}

/// What is to become of a profile.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Release(&'a TypeRules),
    Lost(&'a TypeRules),
    Retire,
}

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum AllocationError {
    /// Too few or too many at a time.
    #[error("{0} profiles at a time: 1 to {NUMBERS_MAX} are possible")]
    Count(u32),
    /// Not so many are in stock.
    #[error("{owner} has not {count} profiles of type {profile_type} in stock")]
    Exhausted {
        /// The owner.
        owner: Operator,
        /// The type.
        profile_type: ProfileType,
        /// How many were asked for.
        count: u32,
    },
    /// The identifier was used for something else.
    #[error("allocation {0} stands for another request: choose another identifier")]
    OtherRequest(AllocationId),
    /// No such profile.
    #[error("profile {0} is not in the stock")]
    Unknown(Iccid),
    /// It cannot come back now.
    #[error(transparent)]
    NotBack(#[from] NotBack),
    /// It stands elsewhere on the shelf.
    #[error(transparent)]
    Shelf(#[from] InvalidShelf),
    /// Its order is under way.
    #[error("{0}: cancel the order first")]
    Order(#[from] InvalidTransition),
    /// It is not on an eUICC, so that no eUICC can be lost.
    #[error("the profile is not on an eUICC: release or retire it")]
    NotOnEuicc,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Allocator {
    /// Sets profiles of a type aside, all that are asked for or none, for good or for a time. Without an identifier the call
    /// cannot be repeated, and gets one that nobody else has.
    ///
    /// # Errors
    /// [`AllocationError`]; nothing was set aside then.
    pub async fn set_aside(
        &self,
        rules: &TypeRules,
        count: u32,
        allocation_id: Option<AllocationId>,
        hold: Option<Duration>,
        person: &Person,
    ) -> Result<SetAsideProfiles, AllocationError> {
        if !(1..=NUMBERS_MAX).contains(&count) {
            return Err(AllocationError::Count(count));
        }
        let now = self.clock.now();
        let wanted = SetAside {
            allocation_id: allocation_id.unwrap_or_else(|| new_allocation_id(&self.rng)),
            owner: rules.owner.clone(),
            profile_type: rules.profile_type.clone(),
            count,
            held_until: hold.map(|hold| now.plus(hold)),
            quarantine: rules.quarantine,
            person: person.clone(),
            at: now,
        };
        match self.store.set_aside(&wanted).await? {
            Aside::Profiles { iccids, repeated } => {
                let held_until = if repeated {
                    let earlier = self.store.allocation(&wanted.allocation_id).await?;
                    earlier.and_then(|earlier| earlier.held_until)
                } else {
                    wanted.held_until
                };
                Ok(SetAsideProfiles { allocation_id: wanted.allocation_id, iccids, held_until, repeated })
            }
            Aside::Exhausted => Err(AllocationError::Exhausted {
                owner: wanted.owner,
                profile_type: wanted.profile_type,
                count,
            }),
            Aside::OtherRequest => Err(AllocationError::OtherRequest(wanted.allocation_id)),
        }
    }

    /// What was asked for under an identifier, and the profiles or numbers that it still holds; `None` if nothing was.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn held(&self, id: &AllocationId) -> Result<Option<(Allocation, Vec<String>)>, StoreError> {
        let Some(allocation) = self.store.allocation(id).await? else { return Ok(None) };
        let held = match allocation.subject {
            Subject::Subscriptions => {
                let iccids = self.store.profiles_of_allocation(id).await?;
                iccids.iter().map(Iccid::to_string).collect()
            }
            Subject::Numbers => {
                let numbers = self.store.numbers_of_allocation(id).await?.into_iter();
                let held = [NumberState::Reserved, NumberState::Allocated];
                numbers.filter(|number| held.contains(&number.state)).map(|number| number.number).collect()
            }
        };
        Ok(Some((allocation, held)))
    }

    /// A profile comes back: one that was set aside, or one that was on an eUICC and is deleted there.
    ///
    /// # Errors
    /// [`AllocationError`]; nothing was changed then.
    pub async fn release(
        &self,
        iccid: &Iccid,
        rules: &TypeRules,
        person: &Person,
    ) -> Result<Outcome, AllocationError> {
        self.again(iccid, Wish::Release(rules), person).await
    }

    /// An operator declares the eUICC of a profile lost: the profile comes back if its type is reusable, and is retired
    /// otherwise.
    ///
    /// # Errors
    /// [`AllocationError`]; nothing was changed then.
    pub async fn declare_lost(
        &self,
        iccid: &Iccid,
        rules: &TypeRules,
        person: &Person,
    ) -> Result<Outcome, AllocationError> {
        self.again(iccid, Wish::Lost(rules), person).await
    }

    /// A profile is nobody's for ever: its keys are wiped, its numbers are never given again.
    ///
    /// # Errors
    /// [`AllocationError`]; nothing was changed then.
    pub async fn retire(&self, iccid: &Iccid, person: &Person) -> Result<Outcome, AllocationError> {
        self.again(iccid, Wish::Retire, person).await
    }

    async fn bring_back(
        &self,
        order: Order,
        shelved: Shelved,
        decided: Fate,
        command: ManualCommand,
        rules: &TypeRules,
        person: &Person,
    ) -> Result<Outcome, AllocationError> {
        if decided == Fate::Retired {
            return self.retire_one(order, &shelved, command, person).await;
        }
        let now = self.clock.now();
        let until = now.plus(rules.quarantine);
        let shelf = if order.bound().is_none() {
            shelved.shelf.at(now, rules.quarantine).give_back(until)?
        } else {
            Shelf::Quarantined { until }
        };
        let change = change(&order, command, person, now, &shelved);
        self.store.shelve(order.come_back()?, shelf, Content::Kept, &change).await?;
        Ok(Outcome::Quarantined { until })
    }

    async fn retire_one(
        &self,
        order: Order,
        shelved: &Shelved,
        command: ManualCommand,
        person: &Person,
    ) -> Result<Outcome, AllocationError> {
        let shelf = shelved.shelf.retire()?;
        let change = change(&order, command, person, self.clock.now(), shelved);
        self.store.shelve(order.withdraw()?, shelf, Content::Wiped, &change).await?;
        Ok(Outcome::Retired)
    }

    /// Reads a profile and decides, and again if it changed meanwhile.
    async fn again(
        &self,
        iccid: &Iccid,
        wish: Wish<'_>,
        person: &Person,
    ) -> Result<Outcome, AllocationError> {
        for _ in 1..ATTEMPTS {
            match self.once(iccid, wish, person).await {
                Err(AllocationError::Store(StoreError::Conflict)) => {}
                outcome => return outcome,
            }
        }
        self.once(iccid, wish, person).await
    }

    async fn once(&self, iccid: &Iccid, wish: Wish<'_>, person: &Person) -> Result<Outcome, AllocationError> {
        let unknown = || AllocationError::Unknown(iccid.clone());
        // The order is read first: its version says whether the shelf is still as it is read behind it.
        let order = self.store.order(iccid).await?.ok_or_else(unknown)?;
        let shelved = self.store.shelved(iccid).await?.ok_or_else(unknown)?;
        match wish {
            Wish::Release(rules) => {
                let decided = fate(&order, rules.reusable, Euicc::InUse)?;
                self.bring_back(order, shelved, decided, ManualCommand::GiveBack, rules, person).await
            }
            Wish::Lost(_) if order.bound().is_none() => Err(AllocationError::NotOnEuicc),
            Wish::Lost(rules) => {
                let decided = fate(&order, rules.reusable, Euicc::Lost)?;
                self.bring_back(order, shelved, decided, ManualCommand::Lost, rules, person).await
            }
            Wish::Retire => self.retire_one(order, &shelved, ManualCommand::Retire, person).await,
        }
    }
}

fn change(
    order: &Order,
    command: ManualCommand,
    person: &Person,
    at: Timestamp,
    shelved: &Shelved,
) -> NewManualChange {
    let detail = match &shelved.allocation_id {
        Some(id) => format!("{}, allocation {id}", shelved.shelf.name()),
        None => shelved.shelf.name().to_owned(),
    };
    NewManualChange { person: person.clone(), command, detail, from: order.state_name(), at }
}
