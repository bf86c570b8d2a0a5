//! Calls back to operators: who is told, how, and the job that does it.

use std::sync::Arc;

use super::AppError;
use super::config::Config;
use super::credentials::{chain, tls_identity};
use crate::client::es2plus::Es2PlusClient;
use crate::jobs::deliver_callbacks::DeliverCallbacks;
use crate::pki::tls::client_config;
use crate::pki::web::WebVerifier;
use crate::smdp::Smdp;
use crate::smdp::handle_download_progress_info::Callbacks;

/// The operators that are told of downloads.
pub(super) fn callbacks(config: &Config) -> Callbacks {
    let mut callbacks = Callbacks::default();
    for operator in &config.operators {
        if let Some(callback) = &operator.callback {
            callbacks.add(operator.name.clone(), callback.points);
        }
    }
    callbacks
}

/// The job that tells them. The client certificate is the TLS certificate of ES2+.
pub(super) fn deliver_callbacks(config: &Config, smdp: &Smdp) -> Result<DeliverCallbacks, AppError> {
    let mut operators = Vec::new();
    for operator in &config.operators {
        let Some(callback) = &operator.callback else { continue };
        let mut authorities = Vec::new();
        for file in &callback.ca {
            authorities.extend(chain(file)?);
        }
        let refused = |error: &dyn std::fmt::Display| match callback.ca.first() {
            Some(file) => file.error(error),
            None => config.es2plus.tls.certificate.error(error),
        };
        let verifier = WebVerifier::new(&authorities, smdp.clock.clone()).map_err(|error| refused(&error))?;
        let identity = tls_identity(&config.es2plus.tls)?;
        let tls = client_config(Arc::new(verifier), Some(&identity)).map_err(|error| refused(&error))?;
        let client =
            Es2PlusClient::new(tls, callback.address.clone(), &[]).map_err(|error| refused(&error))?;
        operators.push((operator.name.clone(), client));
    }
    Ok(DeliverCallbacks {
        store: smdp.store.clone(),
        clock: smdp.clock.clone(),
        rng: smdp.rng.clone(),
        requester: smdp.identities.first().map(|identity| identity.oid().to_string()).unwrap_or_default(),
        limits: config.callbacks,
        operators,
    })
}
