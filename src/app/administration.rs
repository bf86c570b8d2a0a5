//! The admin API of a server.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::AppError;
use super::config::{AdminApiSetting, Config};
use super::credentials::tls;
use super::eim_services::orders_for_euiccs;
use crate::admin::Administration;
use crate::admin::calls::Calls;
use crate::admin::identities::Identities;
use crate::admin::webhooks::Webhooks;
use crate::eim::Eim;
use crate::http::admin::api::caller::Services;
use crate::http::admin::api::router;
use crate::http::listener::{Listener, ListenerLimits};
use crate::http::meter::Meter;
use crate::inventory::Inventory;
use crate::inventory::allocation::Allocator;
use crate::inventory::pools::Pools;
use crate::pki::Anchors;
use crate::pki::tls::ClientVerifier;
use crate::smdp::Smdp;

/// The pools of the settings, over the store of a server.
pub(super) fn pools(config: &Config, smdp: &Smdp) -> Pools {
    Pools {
        store: smdp.store.clone(),
        pools: config.pools.iter().cloned().map(Arc::new).collect(),
        clock: smdp.clock.clone(),
        rng: smdp.rng.clone(),
    }
}

/// What it serves.
pub(super) struct Served<'a> {
    pub(super) smdp: &'a Arc<Smdp>,
    pub(super) inventory: Inventory,
    pub(super) eim: Option<Arc<Eim>>,
}

/// Its listener. Callers may show a certificate under `client_anchors`, if there are any.
pub(super) fn listener(
    config: &Config,
    setting: &AdminApiSetting,
    socket: TcpListener,
    client_anchors: Option<Arc<Anchors>>,
    Served { smdp, inventory, eim }: Served<'_>,
    meter: Arc<Meter>,
) -> Result<Listener, AppError> {
    let (store, clock) = (smdp.store.clone(), smdp.clock.clone());
    let identities = Identities::new(store.clone(), clock.clone(), smdp.rng.clone());
    let calls = Calls::new(store.clone(), smdp.sealer.clone(), clock.clone());
    let administration = Administration::new(store.clone(), identities, calls);
    let services = Services {
        administration,
        webhooks: Webhooks {
            store: store.clone(),
            sealer: smdp.sealer.clone(),
            clock: clock.clone(),
            rng: smdp.rng.clone(),
        },
        smdp: Arc::clone(smdp),
        eim,
        orders_for_euiccs: orders_for_euiccs(config, &store, &clock, &smdp.rng)?,
        inventory,
        pools: pools(config, smdp),
        allocator: Allocator { store, clock: clock.clone(), rng: smdp.rng.clone() },
        types: config.type_rules(),
        needed: config.needed_deliveries(),
        marks: config.low_water_marks(),
    };
    let verifier = client_anchors.map(|anchors| Arc::new(ClientVerifier::new(anchors, clock).optional()));
    Ok(Listener {
        name: "admin_api",
        socket,
        tls: Some(tls(&setting.listener.tls, verifier)?),
        router: router(services),
        limits: ListenerLimits::new(setting.listener.max_connections),
        meter,
    })
}
