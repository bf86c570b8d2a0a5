//! The ingestion API of a server: who delivers, and what profile types say of deliveries.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::config::{Config, IngestSetting, ManufacturerSetting};
use super::credentials::tls;
use super::{AppError, delivery_of, several_cas};
use crate::domain::ProfileType;
use crate::env::Clock;
use crate::http::caller::{KnownManufacturer, Manufacturers};
use crate::http::ingest::{DeliveryTypes, Ingest, router};
use crate::http::listener::{Listener, ListenerLimits};
use crate::http::meter::Meter;
use crate::inventory::prepare::MAX_FILE_OCTETS;
use crate::inventory::{Delivery, Inventory};
use crate::pki::Anchors;
use crate::pki::tls::{ClientVerifier, PeerIdentity};

/// Its listener.
pub(super) fn listener(
    config: &Config,
    setting: &IngestSetting,
    socket: TcpListener,
    inventory: Inventory,
    (client_anchors, trust): (Arc<Anchors>, Arc<Anchors>),
    meter: Arc<Meter>,
    clock: Clock,
) -> Result<Listener, AppError> {
    let keys = config.manufacturers.iter().map(|manufacturer| &manufacturer.key);
    several_cas("ingest.client_ca", &client_anchors, keys)?;
    let mut types = HashMap::new();
    for setting in &config.profile_types {
        let delivery = delivery_of(config, setting, Some(Arc::clone(&trust)))?;
        types.insert(setting.name.clone(), delivery);
    }
    let ingest = Ingest {
        inventory,
        types: Arc::new(Types(types)),
        manufacturers: Arc::new(KnownManufacturers(config.manufacturers.clone())),
        places: Arc::new(Semaphore::new(setting.deliveries)),
    };
    let verifier = Arc::new(ClientVerifier::new(client_anchors, clock));
    Ok(Listener {
        name: "ingest",
        socket,
        tls: Some(tls(&setting.listener.tls, Some(verifier))?),
        router: router(ingest),
        limits: ListenerLimits {
            body_octets: usize::try_from(MAX_FILE_OCTETS).unwrap_or(usize::MAX),
            ..ListenerLimits::of_deliveries(setting.listener.max_connections)
        },
        meter,
    })
}

struct Types(HashMap<ProfileType, Delivery>);

impl DeliveryTypes for Types {
    fn delivery(&self, profile_type: &ProfileType) -> Option<Delivery> {
        self.0.get(profile_type).cloned()
    }
}

/// Manufacturers by their certificates, as the settings list them.
struct KnownManufacturers(Vec<ManufacturerSetting>);

impl Manufacturers for KnownManufacturers {
    fn manufacturer(&self, identity: &PeerIdentity) -> Option<KnownManufacturer> {
        let known = self.0.iter().find(|setting| setting.key.recognises(identity))?;
        Some(KnownManufacturer { name: known.name.clone(), profile_types: known.profile_types.clone() })
    }
}
