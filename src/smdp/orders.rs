//! What the functions of ES2+ work with, and what they have in common (SGP.22 5.3).
//!
//! The caller is an operator whose certificate was checked; it acts on its own profiles alone. Each function reads the
//! order, judges it, and saves one transition of it; where the order changed meanwhile, it starts again.

use std::time::Duration;

use crate::binding::RequestHeader;
use crate::domain::{CallIdentity, Operator, Order};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, ServerAddress};
use crate::store::{Store, StoreError};

/// What the functions of ES2+ work with.
#[derive(Clone)]
pub struct Orders {
    /// The orders.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Matching identifiers.
    pub rng: Rng,
    /// The settings.
    pub settings: OrderSettings,
}

/// Settings of ES2+.
#[derive(Clone, Debug)]
pub struct OrderSettings {
    /// The address that ConfirmOrder answers for the activation code; `None` where the operator knows it.
    pub smdp_address: Option<ServerAddress>,
    /// How long an order may be downloaded after ConfirmOrder; `None` for ever.
    pub validity: Option<Duration>,
    /// How long a DownloadOrder by type is recognised when it is repeated.
    pub repetition_window: Duration,
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self { smdp_address: None, validity: None, repetition_window: Duration::from_secs(60) }
    }
}

/// Why an order is not the caller's to act on: the first two steps of each function.
pub(super) enum NotYours {
    Unknown,
    OtherOwner,
    Store(StoreError),
}

impl Orders {
    /// The caller's order of this profile.
    pub(super) async fn order_of(&self, caller: &Operator, iccid: &Iccid) -> Result<Order, NotYours> {
        let order = self.store.order(iccid).await.map_err(NotYours::Store)?.ok_or(NotYours::Unknown)?;
        if order.owner == *caller { Ok(order) } else { Err(NotYours::OtherOwner) }
    }
}

pub(super) fn call_identity(header: &RequestHeader) -> CallIdentity {
    CallIdentity::new(&header.function_requester_identifier, &header.function_call_identifier)
}
