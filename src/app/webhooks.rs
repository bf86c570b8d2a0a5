//! Webhooks: how they are called, and the job that does it.

use std::sync::Arc;

use super::AppError;
use super::config::Config;
use super::credentials::chain;
use crate::client::webhook::WebhookClient;
use crate::env::Clock;
use crate::jobs::deliver_webhooks::DeliverWebhooks;
use crate::pki::tls::client_config;
use crate::pki::web::WebVerifier;
use crate::smdp::Smdp;

/// What calls webhooks, as the settings have it.
///
/// # Errors
/// [`AppError`] for a file of certificates that cannot be used.
pub fn webhook_client(config: &Config, clock: &Clock) -> Result<WebhookClient, AppError> {
    let setting = &config.webhooks;
    let mut authorities = Vec::new();
    for file in &setting.ca {
        authorities.extend(chain(file)?);
    }
    let refused = |error: &dyn std::fmt::Display| match setting.ca.first() {
        Some(file) => file.error(error),
        None => config.es2plus.tls.certificate.error(error),
    };
    let verifier = WebVerifier::new(&authorities, clock.clone()).map_err(|error| refused(&error))?;
    let tls = client_config(Arc::new(verifier), None).map_err(|error| refused(&error))?;
    Ok(WebhookClient::new(setting.reach, tls, &[]).map_err(|error| refused(&error))?)
}

/// The job that brings messages.
pub(super) fn deliver_webhooks(config: &Config, smdp: &Smdp) -> Result<DeliverWebhooks, AppError> {
    Ok(DeliverWebhooks {
        store: smdp.store.clone(),
        sealer: smdp.sealer.clone(),
        clock: smdp.clock.clone(),
        rng: smdp.rng.clone(),
        limits: config.webhooks.limits,
        client: webhook_client(config, &smdp.clock)?,
    })
}
