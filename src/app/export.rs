//! The key that exports are signed with: a file of its own, made when the first export is.

use crate::crypto::ecdsa::{Curve, SigningKey};
use crate::crypto::keyfile::load_signing_key;
use crate::env::Rng;
use crate::inventory::export::file::PrivateFile;
use crate::pki::issue::PrivateKey;

use super::config::{Config, ConfigError};

/// The key that signs exports. It is made, on P-256 and its owner's alone, if its file is absent.
///
/// # Errors
/// [`ConfigError`] if the file is no such key, or cannot be made.
pub fn export_key(config: &Config, rng: &Rng) -> Result<SigningKey, ConfigError> {
    let setting = &config.export_key;
    if !setting.path.exists() {
        let pem = PrivateKey::draw(rng, Curve::P256).to_pkcs8_pem().map_err(|error| setting.error(&error))?;
        let mut file = PrivateFile::create(&setting.path).map_err(|error| setting.error(&error))?;
        file.write(pem.as_bytes()).map_err(|error| setting.error(&error))?;
        file.finish().map_err(|error| setting.error(&error))?;
        tracing::info!(path = %setting.path.display(), "a new key for signing exports was made");
    }
    let key = load_signing_key(&setting.path).map_err(|error| setting.error(&error))?;
    if key.public_key().curve() == Curve::P256 {
        Ok(key)
    } else {
        Err(setting.error(&"exports are signed with a key on P-256"))
    }
}
