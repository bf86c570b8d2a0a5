//! Certificates and keys that the settings name: loaded, and checked to belong together.

use std::path::Path;
use std::sync::Arc;

use simyard_asn1::Oid;

use super::AppError;
use super::config::{Config, ConfigError, CredentialSetting, FileSetting, ListenSetting};
use crate::crypto::ecdsa::SigningKey;
use crate::crypto::keyfile::{load_certificates, load_signing_key};
use crate::env::{Clock, Timestamp};
use crate::ident::ServerAddress;
use crate::pki::tls::{ClientVerifier, TlsIdentity, server_config};
use crate::pki::{Anchors, Certificate, is_test_ci};
use crate::smdp::identity::{Credential, Identity, IdentityError, OfferedCis};

/// The certificates of the CIs that are trusted, from the files of the setting `ci`.
///
/// # Errors
/// [`AppError`] if one cannot be read or is no CI certificate.
pub fn cis(files: &[FileSetting]) -> Result<Anchors, AppError> {
    let mut all = Vec::new();
    for file in files {
        let certificates = certificates(std::slice::from_ref(file))?;
        // By itself first: the error names the file.
        Anchors::of_cis(certificates.clone()).map_err(|error| file.error(&error))?;
        all.extend(certificates);
    }
    Ok(Anchors::of_cis(all)?)
}

/// The certificates of any CAs, from files.
///
/// # Errors
/// [`AppError`] if one cannot be read or issues no others.
pub fn client_cas(files: &[FileSetting]) -> Result<Anchors, AppError> {
    Ok(Anchors::new(certificates(files)?)?)
}

/// The certificates of the CAs of devices, from files; `cis` are the CIs that are trusted, none of which is one.
///
/// # Errors
/// [`AppError`] if one cannot be read, issues no others, or is a CI.
pub fn device_cas(files: &[FileSetting], cis: &Anchors) -> Result<Anchors, AppError> {
    let mut all = Vec::new();
    for file in files {
        let certificates = certificates(std::slice::from_ref(file))?;
        // By itself first: the error names the file.
        Anchors::of_device_cas(certificates.clone(), cis).map_err(|error| file.error(&error))?;
        all.extend(certificates);
    }
    Ok(Anchors::of_device_cas(all, cis)?)
}

fn certificates(files: &[FileSetting]) -> Result<Vec<Certificate>, ConfigError> {
    let mut certificates = Vec::new();
    for file in files {
        for der in load_certificates(&file.path).map_err(|error| file.error(&error))? {
            certificates.push(Certificate::from_der(&der).map_err(|error| file.error(&error))?);
        }
    }
    Ok(certificates)
}

/// The CA certificates of one file that a command line names.
///
/// # Errors
/// [`AppError`] if one cannot be read or issues no others.
pub fn anchors_of(path: &Path) -> Result<Anchors, AppError> {
    client_cas(&[FileSetting::of_command_line(path)])
}

/// Says of each CI for tests that it is one: whoever holds the keys of it can be any eUICC and any server.
pub(super) fn warn_of_test_cis(anchors: &Anchors) {
    for ci in anchors.certificates().iter().filter(|ci| is_test_ci(ci)) {
        tracing::warn!(
            ci = ci.common_name().unwrap_or_default(),
            key_identifier = hex::encode_upper(ci.subject_key_identifier().unwrap_or_default()),
            "a TEST CI is trusted: its private key is no secret, anybody can make eUICCs that get profiles here"
        );
    }
}

/// The OID of the SM-DP+: registeredID of CERT.DPauth, the same in all identities of one server; `None` without any.
///
/// # Errors
/// [`AppError`] if the first certificate cannot be read or names none.
pub fn smdp_oid(config: &Config) -> Result<Option<Oid>, AppError> {
    let Some((dp_auth, _)) = config.identities.first() else { return Ok(None) };
    let file = &dp_auth.certificate;
    let der = chain(file)?.into_iter().next().unwrap_or_default();
    let certificate = Certificate::from_der(&der).map_err(|error| file.error(&error))?;
    let oid = certificate.registered_id();
    Ok(Some(oid.ok_or_else(|| file.error(&"the certificate names no OID (registeredID)"))?.clone()))
}

pub(super) fn chain(file: &FileSetting) -> Result<Vec<Vec<u8>>, ConfigError> {
    load_certificates(&file.path).map_err(|error| file.error(&error))
}

fn key(file: &FileSetting) -> Result<SigningKey, ConfigError> {
    load_signing_key(&file.path).map_err(|error| file.error(&error))
}

/// A certificate and its key, as the settings name them; whether they belong together is not asked.
///
/// # Errors
/// [`ConfigError`] if one cannot be read.
pub fn credential(setting: &CredentialSetting) -> Result<Credential, ConfigError> {
    let file = &setting.certificate;
    let der = chain(file)?.into_iter().next().ok_or_else(|| file.error(&"the file holds no certificate"))?;
    let certificate = Certificate::from_der(&der).map_err(|error| file.error(&error))?;
    Ok(Credential { certificate, key: key(&setting.key)? })
}

/// CERT.DPauth and CERT.DPpb with their keys, checked as eUICCs will check them.
///
/// # Errors
/// [`ConfigError`] at the setting that is at fault.
pub fn identity(
    dp_auth: &CredentialSetting,
    dp_pb: &CredentialSetting,
    anchors: &Anchors,
    now: Timestamp,
) -> Result<Identity, ConfigError> {
    Identity::new(credential(dp_auth)?, credential(dp_pb)?, anchors, now).map_err(|error| {
        let file = match &error {
            IdentityError::DpAuth(_) => &dp_auth.certificate,
            IdentityError::DpPb(_) => &dp_pb.certificate,
            IdentityError::DpAuthKey => &dp_auth.key,
            IdentityError::DpPbKey => &dp_pb.key,
        };
        file.error(&error)
    })
}

/// The CIs that a listener of ES9+ offers.
///
/// # Errors
/// [`AppError`] unless all of them are trusted, and one of our pairs lies under one of them.
pub(super) fn offered(
    setting: &ListenSetting,
    anchors: &Anchors,
    identities: &[Arc<Identity>],
) -> Result<OfferedCis, AppError> {
    let Some(files) = &setting.ci else { return Ok(OfferedCis::all()) };
    let mut offered = Vec::new();
    for file in files {
        for ci in certificates(std::slice::from_ref(file))? {
            let identifier = ci.subject_key_identifier().unwrap_or_default();
            if anchors.ci(identifier).is_none() {
                let message =
                    "a listener offers CIs that the setting ci of the whole file trusts: add it there";
                return Err(file.error(&message).into());
            }
            offered.push(identifier.to_vec());
        }
    }
    let offered = OfferedCis::only(offered);
    let serves = |identity: &Arc<Identity>| offered.contains(identity.ci_key_identifier());
    if !identities.iter().any(serves) {
        let message = "no [[identity]] lies under a CI of this listener: it could serve nobody";
        return Err(files
            .first()
            .map_or_else(|| setting.tls.certificate.error(&message), |file| file.error(&message))
            .into());
    }
    Ok(offered)
}

/// Our pairs of certificates, each under a CI of its own.
///
/// # Errors
/// [`ConfigError`] at the setting that is wrong.
pub(super) fn identities(
    settings: &[(CredentialSetting, CredentialSetting)],
    anchors: &Anchors,
    clock: &Clock,
) -> Result<Vec<Arc<Identity>>, ConfigError> {
    let mut identities: Vec<Arc<Identity>> = Vec::new();
    for (dp_auth, dp_pb) in settings {
        let identity = identity(dp_auth, dp_pb, anchors, clock.now())?;
        let same_ci = |other: &Arc<Identity>| other.ci_key_identifier() == identity.ci_key_identifier();
        if identities.iter().any(same_ci) {
            let message = "another [[identity]] lies under the same CI: this one would never be used";
            return Err(dp_auth.certificate.error(&message));
        }
        identities.push(Arc::new(identity));
    }
    Ok(identities)
}

/// The end of a server's own certificate.
pub(super) fn not_after(setting: &CredentialSetting) -> Result<Timestamp, ConfigError> {
    let file = &setting.certificate;
    let der = chain(file)?.into_iter().next().ok_or_else(|| file.error(&"the file holds no certificate"))?;
    Certificate::from_der(&der).map(|certificate| certificate.not_after()).map_err(|error| file.error(&error))
}

/// The addresses whose host is no dNSName of the certificate.
///
/// # Errors
/// [`ConfigError`] if the certificate cannot be read.
pub fn uncovered<'a>(
    setting: &CredentialSetting,
    addresses: &'a [ServerAddress],
) -> Result<Vec<&'a ServerAddress>, ConfigError> {
    let file = &setting.certificate;
    let Some(der) = chain(file)?.into_iter().next() else { return Ok(Vec::new()) };
    let certificate = Certificate::from_der(&der).map_err(|error| file.error(&error))?;
    let covers = |address: &ServerAddress| {
        certificate.dns_names().iter().any(|name| name.eq_ignore_ascii_case(address.host()))
    };
    Ok(addresses.iter().filter(|address| !covers(address)).collect())
}

pub(super) fn tls(
    setting: &CredentialSetting,
    client: Option<Arc<ClientVerifier>>,
) -> Result<Arc<rustls::ServerConfig>, ConfigError> {
    server_config(&tls_identity(setting)?, client.map(|verifier| verifier as _))
        .map(Arc::new)
        .map_err(|error| setting.certificate.error(&error))
}

pub(super) fn tls_identity(setting: &CredentialSetting) -> Result<TlsIdentity, ConfigError> {
    let file = &setting.certificate;
    TlsIdentity::new(chain(file)?, Arc::new(key(&setting.key)?)).map_err(|error| file.error(&error))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refusal, with_pki};
    use super::*;

    #[tokio::test]
    async fn a_listener_offers_what_is_trusted_and_can_be_served() {
        let listener = "[[es9plus_listener]]\nlisten = \"127.0.0.1:0\"\nci = [\"pki/wrong/other-ci.pem\"]";
        let two = "ci = [\"pki/ci.pem\", \"pki/wrong/other-ci.pem\"]\n";
        for (settings, expected) in [
            (
                listener.to_owned(),
                "simyard.toml:4: ci: a listener offers CIs that the setting ci of the whole file",
            ),
            (
                format!("{two}{listener}"),
                "simyard.toml:5: ci: no [[identity]] lies under a CI of this listener",
            ),
            (format!("{two}{}", listener.replace("wrong/other-ci", "ci")), "none"),
            ("[[identity]]\n[[identity]]".to_owned(), "another [[identity]] lies under the same CI"),
            ("ci = [\"pki/eum.pem\"]".to_owned(), "is no CI certificate"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let settings = format!("addresses = [\"smdp.example.com\"]\n{settings}");
            let refused = refusal(&with_pki(folder.path(), &settings)).await;
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn addresses_are_held_against_the_tls_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let addresses = "addresses = [\"SMDP.example.com:8443\", \"other.example.com\"]";
        let config = with_pki(folder.path(), addresses);
        let uncovered = uncovered(&config.es9plus.tls, &config.addresses).unwrap();
        assert_eq!(uncovered, [&config.addresses[1]]);
    }
}
