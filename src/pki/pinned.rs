//! A peer in TLS that is known by its key, as an IPA knows its eIM (SGP.32 2.11.1.1, trustedPublicKeyDataTls): as a server
//! that it calls, and as a client that brings it packages.
//!
//! What the eUICC was told may be a key, the eIM's own certificate, or that of the authority above it. The key of the first two is
//! all that is trusted: the name and the lifetime of the certificate that shows it are not looked at, as the key stands for
//! the eIM until the eUICC is told another one. Below an authority, it is the name that counts: that of the host that is
//! called, or eimFqdn of the client that calls. Keys are those of TLS here, on P-256.

use std::fmt;
use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};

use super::certificate::Certificate;
use super::chain::Anchors;
use super::error::{PathError, ServerCertificateError, cut};
use super::public_key::from_subject_public_key_info;
use super::tls::{PeerIdentity, TlsError, handshake_signatures, peer_identity};
use super::web::WebVerifier;
use crate::crypto::ecdsa::PublicKey;
use crate::env::Clock;

/// Verifies that a server has this key.
#[derive(Debug)]
struct PinnedKey(PublicKey);

/// Trusts the server whose key this SubjectPublicKeyInfo has, in DER.
///
/// # Errors
/// [`TlsError`] for a key that cannot be used.
pub fn trust_key(der: &[u8]) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    Ok(Arc::new(PinnedKey(from_subject_public_key_info(der)?)))
}

/// Trusts the servers below the authority of this certificate, or, if it is none of an authority, the server whose it is.
///
/// # Errors
/// [`TlsError`] for a certificate that cannot be read or used.
pub fn trust_certificate(der: &[u8], clock: Clock) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let certificate = Certificate::from_der(der)?;
    if is_authority(&certificate) {
        return Ok(Arc::new(WebVerifier::new(&[der.to_vec()], clock)?));
    }
    Ok(Arc::new(PinnedKey(*certificate.public_key()?)))
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate.basic_constraints.as_ref().is_some_and(|constraints| constraints.authority)
}

/// Verifies that a client is the one that is known.
#[derive(Debug)]
struct KnownClient(KnownBy);

#[derive(Debug)]
enum KnownBy {
    Key(PublicKey),
    Name { anchors: Anchors, name: String, clock: Clock },
}

/// Lets in the client whose key this SubjectPublicKeyInfo has, in DER, and nobody else.
///
/// # Errors
/// [`TlsError`] for a key that cannot be used.
pub fn admit_key(der: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    Ok(Arc::new(KnownClient(KnownBy::Key(from_subject_public_key_info(der)?))))
}

/// Lets in the client of this name directly below the authority of this certificate, or, if it is none of an authority, the client
/// whose it is.
///
/// # Errors
/// [`TlsError`] for a certificate that cannot be read or used.
pub fn admit_certificate(
    der: &[u8],
    name: &str,
    clock: Clock,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let certificate = Certificate::from_der(der)?;
    if is_authority(&certificate) {
        return admit_below(vec![certificate], name, clock);
    }
    Ok(Arc::new(KnownClient(KnownBy::Key(*certificate.public_key()?))))
}

/// Lets in the client of this name directly below one of these authorities.
///
/// # Errors
/// [`TlsError`] for a certificate that is none of an authority.
pub fn admit_below(
    authorities: Vec<Certificate>,
    name: &str,
    clock: Clock,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let anchors = Anchors::new(authorities).map_err(|error| TlsError::Library(error.to_string()))?;
    Ok(Arc::new(KnownClient(KnownBy::Name { anchors, name: name.to_owned(), clock })))
}

impl KnownClient {
    fn check(&self, leaf: &Certificate) -> Result<(), ServerCertificateError> {
        match &self.0 {
            KnownBy::Key(key) => {
                let shown = leaf.public_key().map_err(PathError::Key)?;
                if shown == key { Ok(()) } else { Err(ServerCertificateError::OtherKey) }
            }
            KnownBy::Name { anchors, name, clock } => {
                anchors.verify_client(leaf, clock.now())?;
                let names = leaf.dns_names();
                if names.iter().any(|one| one.eq_ignore_ascii_case(name)) {
                    return Ok(());
                }
                Err(ServerCertificateError::HostName { host: name.clone(), names: names.to_vec() })
            }
        }
    }
}

impl ClientCertVerifier for KnownClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let leaf = Certificate::from_der(end_entity).map_err(TlsError::from)?;
        self.check(&leaf).map_err(|cause| TlsError::Client {
            fingerprint: leaf.fingerprint(),
            name: cut(leaf.common_name().unwrap_or_default()),
            cause,
        })?;
        Ok(ClientCertVerified::assertion())
    }

    handshake_signatures!();
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = Certificate::from_der(end_entity).map_err(TlsError::from)?;
        if *certificate.public_key().map_err(TlsError::from)? == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::ApplicationVerificationFailure.into())
        }
    }

    handshake_signatures!();
}

/// Verifies that a server is the device that is called, by the certificate that it shows as a client elsewhere.
struct DeviceServer<F> {
    anchors: Arc<Anchors>,
    clock: Clock,
    is_called: F,
}

impl<F> fmt::Debug for DeviceServer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceServer").finish_non_exhaustive()
    }
}

/// Trusts the device that listens with its client certificate, directly below one of these CAs of devices, if it is the one
/// that is called. Where it is reached is no part of its certificate.
pub fn trust_device(
    anchors: Arc<Anchors>,
    clock: Clock,
    is_called: impl Fn(&PeerIdentity) -> bool + Send + Sync + 'static,
) -> Arc<dyn ServerCertVerifier> {
    Arc::new(DeviceServer { anchors, clock, is_called })
}

impl<F: Fn(&PeerIdentity) -> bool + Send + Sync> ServerCertVerifier for DeviceServer<F> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let leaf = Certificate::from_der(end_entity).map_err(TlsError::from)?;
        self.anchors.verify_client(&leaf, self.clock.now()).map_err(TlsError::from)?;
        let shown = peer_identity(end_entity).map_err(TlsError::from)?;
        if (self.is_called)(&shown) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(TlsError::OtherDevice(cut(leaf.serial_number().or(leaf.common_name()).unwrap_or_default()))
                .into())
        }
    }

    handshake_signatures!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Rng, Timestamp};
    use crate::ident::Eid;
    use crate::pki::public_key::to_subject_public_key_info;
    use crate::pki::test_pki::{TestPki, TestPkiOptions};

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

    #[test]
    fn the_key_the_certificate_and_the_authority_of_an_eim_are_trusted_and_nobody_else() {
        let options = TestPkiOptions {
            host_names: vec!["eim.example.com".to_owned()],
            eid: Eid::parse("89049032000000000000279973200019").unwrap(),
        };
        let pki = TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap();
        let (eim, other) = (&pki.eim_tls.certificate, &pki.eim_sign.certificate);
        let clock = Clock::fixed(NOW);
        let accepts = |verifier: &Arc<dyn ServerCertVerifier>, shown: &Certificate| {
            let shown = CertificateDer::from(shown.der().to_vec());
            let name = ServerName::try_from("eim.example.com").unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
            verifier.verify_server_cert(&shown, &[], &name, &[], now).is_ok()
        };
        let key = to_subject_public_key_info(eim.public_key().unwrap());
        for trusted in [
            trust_key(&key).unwrap(),
            trust_certificate(eim.der(), clock.clone()).unwrap(),
            trust_certificate(pki.eim_ca.certificate.der(), clock.clone()).unwrap(),
        ] {
            assert!(accepts(&trusted, eim), "{trusted:?}");
            assert!(!accepts(&trusted, other), "{trusted:?}");
        }
        assert!(trust_key(&key[1..]).is_err() && trust_certificate(&key, clock).is_err());
    }

    #[test]
    fn a_device_is_trusted_below_its_ca_if_it_is_the_one_that_is_called() {
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        let options = TestPkiOptions { host_names: vec!["eim.example.com".to_owned()], eid: eid.clone() };
        let pki = TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap();
        let anchors = Arc::new(Anchors::new(vec![pki.device_ca.certificate.clone()]).unwrap());
        let accepts = |called: &str, shown: &Certificate| {
            let called = called.to_owned();
            let is_called =
                move |shown: &PeerIdentity| shown.serial_number.as_deref() == Some(called.as_str());
            let verifier = trust_device(Arc::clone(&anchors), Clock::fixed(NOW), is_called);
            let shown = CertificateDer::from(shown.der().to_vec());
            let name = ServerName::try_from("192.0.2.7").unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
            verifier.verify_server_cert(&shown, &[], &name, &[], now).is_ok()
        };
        assert!(accepts(eid.as_str(), &pki.device.certificate));
        assert!(!accepts("89049032000000000000700000004105", &pki.device.certificate));
        assert!(!accepts(eid.as_str(), &pki.eim_tls.certificate));
        assert!(!accepts(eid.as_str(), &pki.euicc.certificate), "the same number, under another CA");
    }
}
