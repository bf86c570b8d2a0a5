//! A TLS server that is known by its key, as an IPA knows its eIM (SGP.32 2.11.1.1, trustedPublicKeyDataTls).
//!
//! What the eUICC was told may be a key, the eIM's own certificate, or that of the authority above it. The key of the first two is
//! all that is trusted: the name and the lifetime of the certificate that shows it are not looked at, as the key stands for
//! the eIM until the eUICC is told another one. Keys are those of TLS here, on P-256.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::certificate::Certificate;
use super::public_key::from_subject_public_key_info;
use super::tls::{SCHEME, TlsError, verify_handshake};
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
    if certificate.basic_constraints.as_ref().is_some_and(|constraints| constraints.authority) {
        return Ok(Arc::new(WebVerifier::new(&[der.to_vec()], clock)?));
    }
    Ok(Arc::new(PinnedKey(*certificate.public_key()?)))
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

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SCHEME]
    }
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
}
