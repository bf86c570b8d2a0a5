//! TLS servers of operators, as an SM-DP+ calls them back (SGP.22 2.6.6, 5.3.5).
//!
//! Such a server has a certificate of any authority that the operator names. One that lies under the authority directly is
//! judged by our own rules, since those of SGP.22 have a critical certificatePolicies extension, which the path check of
//! rustls refuses; any other path, with intermediate certificates and other algorithms, goes through that check.
//! Not here: revocation.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::certificate::Certificate;
use super::chain::Anchors;
use super::error::{PathError, ServerCertificateError};
use super::tls::{SCHEME, TlsError, provider, verify_handshake};
use crate::env::Clock;

/// Verifies the certificates of operators' servers.
#[derive(Debug)]
pub struct WebVerifier {
    anchors: Anchors,
    /// `None` if that check takes none of the authorities.
    paths: Option<Arc<WebPkiServerVerifier>>,
    clock: Clock,
}

impl WebVerifier {
    /// Trusts these authorities, in DER, at the time of `clock`.
    ///
    /// # Errors
    /// [`TlsError`] if there is none, or one that is neither an authority of ours nor one of the web.
    pub fn new(authorities: &[Vec<u8>], clock: Clock) -> Result<Self, TlsError> {
        if authorities.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let (mut anchors, mut roots) = (Vec::new(), RootCertStore::empty());
        for der in authorities {
            let is_root = roots.add(CertificateDer::from(der.clone())).is_ok();
            match Certificate::from_der(der) {
                Ok(certificate) => match Anchors::new(vec![certificate.clone()]) {
                    Ok(_) => anchors.push(certificate),
                    Err(_) if is_root => {}
                    Err(error) => return Err(TlsError::Library(error.to_string())),
                },
                Err(_) if is_root => {}
                Err(error) => return Err(error.into()),
            }
        }
        let library = |error: &dyn std::fmt::Display| TlsError::Library(error.to_string());
        let paths = if roots.is_empty() {
            None
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            Some(verifier.map_err(|error| library(&error))?)
        };
        let anchors = Anchors::new(anchors).map_err(|error| library(&error))?;
        Ok(Self { anchors, paths, clock })
    }

    fn check(&self, leaf: &[u8], host: &str) -> Result<(), TlsError> {
        Ok(self.anchors.verify_web_server(&Certificate::from_der(leaf)?, host, self.clock.now())?)
    }
}

/// Whether our own rules had nothing to judge: another authority issued the certificate, or it is of an algorithm that
/// SGP.22 has not.
pub(super) const fn is_strange(error: &TlsError) -> bool {
    matches!(
        error,
        TlsError::Certificate(_)
            | TlsError::Peer(ServerCertificateError::Path(
                PathError::UnknownIssuer(_)
                    | PathError::AuthorityKeyIdentifierMissing
                    | PathError::SignatureAlgorithm
                    | PathError::IssuerKey(_)
                    | PathError::Key(_)
            ))
    )
}

impl ServerCertVerifier for WebVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match (self.check(end_entity, &server_name.to_str()), &self.paths) {
            (Err(error), Some(paths)) if is_strange(&error) => {
                let seconds = u64::try_from(self.clock.now().as_secs()).unwrap_or(0);
                let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
                paths.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            (judged, _) => Ok(judged.map(|()| ServerCertVerified::assertion())?),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match (verify_handshake(message, cert, dss), &self.paths) {
            (Err(_), Some(paths)) => paths.verify_tls12_signature(message, cert, dss),
            (verified, _) => verified,
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match (verify_handshake(message, cert, dss), &self.paths) {
            (Err(_), Some(paths)) => paths.verify_tls13_signature(message, cert, dss),
            (verified, _) => verified,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.paths.as_ref().map_or_else(|| vec![SCHEME], |paths| paths.supported_verify_schemes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::env::{Rng, Timestamp};
    use crate::pki::issue::{
        Content, Criticality, Issuer, PrivateKey, Subject, TlsSide, Validity, issue_root,
    };
    use crate::pki::role::Role;

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
    const HOST: &str = "es2.example.com";

    fn content(name: &str) -> Content {
        let subject = Subject { common_name: Some(name.to_owned()), ..Subject::default() };
        let not_before = Timestamp::from_secs(NOW.as_secs() - 10);
        Content::new(subject, Validity { not_before, not_after: NOW.plus(Duration::from_secs(10)) })
    }

    struct Authorities {
        rng: Rng,
        root: Issuer,
        below: Issuer,
        ders: [Vec<u8>; 2],
    }

    impl Authorities {
        fn new() -> Self {
            let rng = Rng::seeded(8);
            let draw = || PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
            let (root_key, below_key) = (draw(), draw());
            let authority = |name| content(name).signs_certificates_and_lists().authority(None);
            let root = issue_root(&authority("root"), &root_key, &rng).unwrap();
            let ders = root.der().to_vec();
            let root = Issuer::new(root, root_key).unwrap();
            let below = root.issue(&authority("below"), below_key.public_key(), &rng).unwrap();
            let ders = [ders, below.der().to_vec()];
            Self { below: Issuer::new(below, below_key).unwrap(), root, rng, ders }
        }

        fn leaf(&self, issuer: &Issuer, content: Content) -> Vec<u8> {
            let key = PrivateKey::draw(&self.rng, Curve::P256).signing_key().unwrap();
            issuer.issue(&content, key.public_key(), &self.rng).unwrap().der().to_vec()
        }

        fn judge(
            &self,
            leaf: &[u8],
            between: &[&[u8]],
            host: &'static str,
            at: Timestamp,
        ) -> Result<(), String> {
            let verifier = WebVerifier::new(&self.ders[..1], Clock::fixed(at)).unwrap();
            let leaf = CertificateDer::from(leaf);
            let between: Vec<_> = between.iter().map(|der| CertificateDer::from(*der)).collect();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1));
            let judged = verifier.verify_server_cert(&leaf, &between, &host.try_into().unwrap(), &[], now);
            judged.map(drop).map_err(|error| error.to_string())
        }
    }

    fn server() -> Content {
        content("server").signs_messages().tls(TlsSide::ServerAndClient).names(&[HOST.to_owned()], None)
    }

    #[test]
    fn a_server_lies_under_its_authority_directly_or_behind_others() {
        let all = Authorities::new();
        let direct = all.leaf(&all.root, server());
        let of_gsma = all.leaf(&all.root, server().role(Role::DpTls, Criticality::Critical));
        let behind = all.leaf(&all.below, server());
        assert_eq!(all.judge(&direct, &[], HOST, NOW), Ok(()));
        assert_eq!(all.judge(&of_gsma, &[], HOST, NOW), Ok(()));
        assert_eq!(all.judge(&behind, &[&all.ders[1]], HOST, NOW), Ok(()));
        let refused = |judged: Result<(), String>, says: &str| {
            let error = judged.unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        };
        refused(all.judge(&direct, &[], "other.example.com", NOW), "not for \"other.example.com\"");
        refused(all.judge(&behind, &[&all.ders[1]], "other.example.com", NOW), "not valid for name");
        refused(all.judge(&behind, &[], HOST, NOW), "UnknownIssuer");
        let late = NOW.plus(Duration::from_secs(11));
        refused(all.judge(&direct, &[], HOST, late), "was valid until");
        refused(all.judge(&behind, &[&all.ders[1]], HOST, late), "expired");
        let client = content("client").signs_messages().names(&[HOST.to_owned()], None);
        refused(all.judge(&all.leaf(&all.root, client.tls(TlsSide::Client)), &[], HOST, NOW), "serverAuth");
        let euicc = all.leaf(&all.root, server().role(Role::Euicc, Criticality::Critical));
        refused(all.judge(&euicc, &[], HOST, NOW), "role");
        refused(all.judge(&[1, 2, 3], &[], HOST, NOW), "certificate");
    }

    #[test]
    fn what_is_no_authority_is_not_trusted() {
        let all = Authorities::new();
        let trust = |ders: &[Vec<u8>]| WebVerifier::new(ders, Clock::fixed(NOW)).map(drop);
        assert_eq!(trust(&[]), Err(TlsError::NoCertificate));
        assert!(trust(&[vec![1, 2, 3]]).is_err());
        assert!(trust(&all.ders).is_ok());
        let both = WebVerifier::new(&all.ders, Clock::fixed(NOW)).unwrap();
        assert!(both.supported_verify_schemes().contains(&SCHEME));
    }
}
