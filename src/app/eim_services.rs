//! The eIM's services, for the server and for commands on its store: its signing key, and what it knows of eUICCs.

use std::sync::Arc;

use super::config::Config;
use super::credentials::{cis, credential};
use super::relay::relay;
use super::{AppError, Stock};
use crate::domain::Switching;
use crate::eim::introductions::Introductions;
use crate::eim::Eim;
use crate::env::{Clock, Rng};
use crate::smdp::manual_order::Expiry;
use crate::smdp::order_for_euicc::OrdersForEuiccs;
use crate::store::{Seen, SeenBy, Store};

/// The eIM of the settings; `None` if they have no `[eim]`.
///
/// # Errors
/// [`AppError`] for a key or certificates that cannot be used.
pub fn open_eim(config: &Config, stock: &Stock, clock: &Clock, rng: &Rng) -> Result<Option<Eim>, AppError> {
    let Some(setting) = &config.eim else { return Ok(None) };
    let anchors = Arc::new(cis(&config.ci)?);
    let switching = |switchable| if switchable { Switching::Possible } else { Switching::Impossible };
    Ok(Some(Eim {
        store: stock.store.clone(),
        sealer: stock.sealer.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        eim_id: setting.id.clone(),
        key: Arc::new(credential(&setting.signing)?.key),
        relay: relay(setting, &anchors, clock)?,
        anchors,
        download: setting.download,
        deadlines: setting.waits.deadlines,
        poll_wanted_after: setting.waits.poll_wanted_after,
        sub_classes: config
            .sub_classes
            .iter()
            .map(|sub_class| (sub_class.name.clone(), switching(sub_class.switchable)))
            .collect(),
        contacts: Seen::new(SeenBy::Eim),
        introductions: Introductions::default(),
    }))
}

/// What orders profiles of our own stock for eUICCs of the eIM; `None` if the settings name no address of ours.
#[must_use]
pub fn orders_for_euiccs(
    config: &Config,
    store: &Store,
    clock: &Clock,
    rng: &Rng,
) -> Option<OrdersForEuiccs> {
    let expiry = config
        .order_lifetime_s
        .map_or(Expiry::Never, |seconds| Expiry::After(std::time::Duration::from_secs(seconds)));
    let needed = config.profile_types.iter().map(|setting| (setting.name.clone(), setting.requires_delivery));
    Some(OrdersForEuiccs {
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        address: config.addresses.first()?.clone(),
        expiry,
        needed: needed.collect(),
    })
}
