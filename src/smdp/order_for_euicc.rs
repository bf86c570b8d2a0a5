//! Orders for eUICCs of our eIM: a profile of our own stock is ordered for one eUICC, and what comes out is the activation
//! code that its eIM hands to the device.
//!
//! An order that waits for this eUICC, released and never tried, is taken before another one is made: whoever asks once more
//! after a failure does not use up the stock.

use std::collections::HashMap;

use super::RACES;
use super::manual_order::{
    Expiry, Goal, Hand, ManualOrderError, NewOrder, Wanted, cancel, owner_of_type, place_order,
};
use crate::domain::{Attempts, Delivered, FinalStatus, Order, Person, ProfileType, StateName};
use crate::env::{Clock, Rng};
use crate::ident::{ActivationCode, Eid, EidPrefix, Iccid, ServerAddress};
use crate::store::{Package, PackageKind, Selection, Store, StoreError};

/// What becomes of an order that waits for the eUICC already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It is taken.
    Take,
    /// It is left: somebody else may be using it.
    Leave,
}

/// Orders of one eUICC that are looked at.
const LOOKED_AT: u32 = 100;

/// What orders for eUICCs are made with.
pub struct OrdersForEuiccs {
    /// The stock and its orders.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Draws matching identifiers.
    pub rng: Rng,
    /// Our address, as devices know it.
    pub address: ServerAddress,
    /// How long an order lasts.
    pub expiry: Expiry,
    /// The systems that must have what belongs to profiles of a type before they are released; of the others, none.
    pub needed: HashMap<ProfileType, Delivered>,
    /// The memory of an eUICC that profiles of a type take at least, in octets; of types whose profiles are made from a
    /// template.
    pub memory: HashMap<ProfileType, u64>,
}

/// A profile that was ordered for an eUICC. No `Debug`: the code is a secret.
pub struct Ordered {
    /// The profile.
    pub iccid: Iccid,
    /// Where and under which matching identifier it is.
    pub code: ActivationCode,
    /// The memory of an eUICC that it takes at least, in octets, if that is known.
    pub needed_memory: Option<u64>,
    /// Whether this call made the order.
    is_new: bool,
}

impl OrdersForEuiccs {
    /// Orders a profile of this type for this eUICC alone, or takes the order that waits for it, where that is said.
    ///
    /// # Errors
    /// [`ManualOrderError`]; nothing is reserved then.
    pub async fn order(
        &self,
        person: &Person,
        profile_type: &ProfileType,
        eid: &Eid,
        waiting: Waiting,
    ) -> Result<Ordered, ManualOrderError> {
        let found = match waiting {
            Waiting::Take => self.waiting(profile_type, eid).await.map_err(ManualOrderError::Store)?,
            Waiting::Leave => None,
        };
        if let Some(order) = found {
            return self.ordered(order, false).await;
        }
        let owner = owner_of_type(&self.store, profile_type, None).await?;
        let new = NewOrder {
            eid: Some(eid.clone()),
            matching_id: None,
            code_hash: None,
            goal: Goal::Released,
            expiry: self.expiry,
            attempts: Attempts::default(),
            key_mode: None,
            metadata: None,
            needed: self.needed.get(profile_type).copied().unwrap_or_default(),
        };
        let wanted = Wanted::Type(owner, profile_type.clone());
        let order = place_order(&self.store, &self.rng, &self.hand(person), &wanted, &new).await?;
        self.ordered(order, true).await
    }

    /// The memory of an eUICC that profiles of this type take at least, in octets; `None` where each is another, or nobody
    /// knows.
    #[must_use]
    pub fn memory_of_type(&self, profile_type: &ProfileType) -> Option<u64> {
        self.memory.get(profile_type).copied()
    }

    /// Takes an order back that this call made and that nobody can use: the profile is available again. One that was there
    /// before stays.
    ///
    /// # Errors
    /// [`ManualOrderError`]; the order stays then.
    pub async fn give_back(&self, person: &Person, ordered: &Ordered) -> Result<(), ManualOrderError> {
        if !ordered.is_new {
            return Ok(());
        }
        for _ in 0..RACES {
            let order = self.store.order(&ordered.iccid).await.map_err(ManualOrderError::Store)?;
            let Some(order) = order else { return Ok(()) };
            match cancel(&self.store, &self.hand(person), order, FinalStatus::Available).await {
                Err(ManualOrderError::Race) => {}
                outcome => return outcome.map(drop),
            }
        }
        Err(ManualOrderError::Race)
    }

    /// An order of the type that waits for this eUICC: a device can use it, and none tried.
    async fn waiting(&self, profile_type: &ProfileType, eid: &Eid) -> Result<Option<Order>, StoreError> {
        let selection = Selection {
            state: Some(StateName::Released),
            profile_type: Some(profile_type.clone()),
            eid: EidPrefix::parse(eid.as_str()).ok(),
            ..Selection::default()
        };
        let now = self.clock.now();
        let orders = self.store.selected_orders(&selection, None, LOOKED_AT).await?;
        Ok(orders.into_iter().find(|order| {
            order.attempts() == Attempts::default()
                && order.expires_at().is_none_or(|at| at > now)
                && order.code_hash().is_none()
                && order.matching_id().is_some_and(|id| !id.is_empty())
        }))
    }

    async fn ordered(&self, order: Order, is_new: bool) -> Result<Ordered, ManualOrderError> {
        let needed_memory = self.memory_of(&order).await.map_err(ManualOrderError::Store)?;
        let matching_id = order.matching_id().cloned().ok_or(ManualOrderError::EidMissing)?;
        let code = ActivationCode {
            address: self.address.clone(),
            matching_id,
            smdp_oid: None,
            confirmation_code_required: false,
        };
        Ok(Ordered { iccid: order.iccid, code, needed_memory, is_new })
    }

    /// A package that came ready-made has needs of its own.
    async fn memory_of(&self, order: &Order) -> Result<Option<u64>, StoreError> {
        let content = self.store.package(&order.iccid).await?;
        Ok(match content {
            Some(Package { kind: PackageKind::ReadyMade, needs, .. }) => {
                needs.map(|needs| needs.non_volatile_octets)
            }
            Some(Package { kind: PackageKind::PersonalData, .. }) => self.memory_of_type(&order.profile_type),
            None => None,
        })
    }

    fn hand(&self, person: &Person) -> Hand {
        Hand { person: person.clone(), at: self.clock.now() }
    }
}
