//! The server's own key that signs what is taken out of it: checkpoints of the audit.

use std::path::Path;

use super::AppError;
use super::config::Config;
use crate::crypto::ecdsa::{Curve, SigningKey};
use crate::crypto::keyfile::load_signing_key;
use crate::crypto::private_file::write_once;
use crate::env::Rng;
use crate::pki::issue::PrivateKey;

/// The key of the setting `signing_key`. It is made if its file is absent, readable by its owner alone.
///
/// # Errors
/// [`AppError::Config`] if the file can be neither read nor made, or holds no key on P-256.
pub fn signing_key(config: &Config, rng: &Rng) -> Result<SigningKey, AppError> {
    let setting = &config.signing_key;
    if !setting.path.exists() {
        make(&setting.path, rng).map_err(|error| setting.error(&error))?;
        tracing::info!(path = %setting.path.display(), "a new signing key was made");
    }
    let key = load_signing_key(&setting.path).map_err(|error| setting.error(&error))?;
    if key.public_key().curve() != Curve::P256 {
        return Err(setting.error(&"expected a key on P-256").into());
    }
    Ok(key)
}

fn make(path: &Path, rng: &Rng) -> std::io::Result<()> {
    let pem = PrivateKey::draw(rng, Curve::P256).to_pkcs8_pem().map_err(std::io::Error::other)?;
    match write_once(path, pem.as_bytes()) {
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        written => written,
    }
}
