//! What the eIM reaches SM-DP+ servers with, for downloads that it relays and for notifications that it brings.

use std::sync::Arc;

use super::AppError;
use super::config::EimSetting;
use super::credentials::chain;
use crate::client::es9plus::Es9PlusClient;
use crate::eim::Eim;
use crate::eim::relay::Relay;
use crate::eim::relay::sessions::{RelayLimits, RelaySessions};
use crate::env::Clock;
use crate::jobs::forward_notifications::ForwardNotifications;
use crate::pki::Anchors;
use crate::pki::smdp::SmdpVerifier;
use crate::pki::tls::client_config;

/// What downloads are relayed with; servers under these CIs are trusted, and under the authorities of the setting.
pub(super) fn relay(setting: &EimSetting, cis: &Arc<Anchors>, clock: &Clock) -> Result<Relay, AppError> {
    let mut authorities = Vec::new();
    for file in &setting.relay.smdp_ca {
        authorities.extend(chain(file)?);
    }
    let refused = |error: &dyn std::fmt::Display| match setting.relay.smdp_ca.first() {
        Some(file) => file.error(error),
        None => setting.signing.certificate.error(error),
    };
    let verifier = SmdpVerifier::new(Arc::clone(cis), &authorities, clock.clone());
    let verifier = verifier.map_err(|error| refused(&error))?;
    let tls = client_config(Arc::new(verifier), None).map_err(|error| refused(&error))?;
    let servers = Es9PlusClient::within(setting.relay.reach, tls, &setting.relay.connect_to);
    Ok(Relay {
        servers: servers.map_err(|error| refused(&error))?,
        sessions: RelaySessions::new(clock.clone(), RelayLimits::default()),
    })
}

/// The job that brings notifications to their receivers.
pub(super) fn forward_notifications(setting: &EimSetting, eim: &Eim) -> ForwardNotifications {
    ForwardNotifications {
        store: eim.store.clone(),
        clock: eim.clock.clone(),
        rng: eim.rng.clone(),
        servers: eim.relay.servers.clone(),
        limits: setting.relay.forward,
    }
}
