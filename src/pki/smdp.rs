//! TLS servers of SM-DP+ as an eIM calls them (SGP.32 ES9+'): anybody's SM-DP+, not only those that a device knows.
//!
//! One under a trusted CI is judged by the rules of SGP.22 2.6.6. Any other needs an authority that the operator of the eIM
//! names: then it is judged as a server of the web ([`super::web`]). An authority that is named does not weaken the rules for
//! servers under the CIs. Not here: revocation of certificates of other authorities.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::chain::Anchors;
use super::tls::{ServerVerifier, TlsError};
use super::web::{WebVerifier, is_strange};
use crate::env::Clock;

/// Verifies the certificates of SM-DP+ servers for an eIM.
#[derive(Debug)]
pub struct SmdpVerifier {
    under_ci: ServerVerifier,
    /// `None` if no other authority is named.
    others: Option<WebVerifier>,
    clock: Clock,
}

impl SmdpVerifier {
    /// Trusts what lies under `anchors`, and under these authorities in DER, at the time of `clock`.
    ///
    /// # Errors
    /// [`TlsError`] if one of the authorities is none.
    pub fn new(anchors: Arc<Anchors>, authorities: &[Vec<u8>], clock: Clock) -> Result<Self, TlsError> {
        let others = match authorities {
            [] => None,
            authorities => Some(WebVerifier::new(authorities, clock.clone())?),
        };
        Ok(Self { under_ci: ServerVerifier::new(anchors, clock.clone()), others, clock })
    }
}

impl ServerCertVerifier for SmdpVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.under_ci.check(end_entity, &server_name.to_str(), self.clock.now());
        match (judged, &self.others) {
            (Err(error), Some(others)) if is_strange(&error) => {
                others.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
        match &self.others {
            Some(others) => others.verify_tls12_signature(message, cert, dss),
            None => self.under_ci.verify_tls12_signature(message, cert, dss),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.others {
            Some(others) => others.verify_tls13_signature(message, cert, dss),
            None => self.under_ci.verify_tls13_signature(message, cert, dss),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match &self.others {
            Some(others) => others.supported_verify_schemes(),
            None => self.under_ci.supported_verify_schemes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::env::{Rng, Timestamp};
    use crate::pki::issue::{
        Content, Criticality, Issuer, PrivateKey, Subject, TlsSide, Validity, issue_root,
    };
    use crate::pki::role::Role;

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
    const HOST: &str = "smdp.other.example";

    fn content(name: &str) -> Content {
        let subject = Subject { common_name: Some(name.to_owned()), ..Subject::default() };
        let not_before = Timestamp::from_secs(NOW.as_secs() - 10);
        Content::new(subject, Validity { not_before, not_after: NOW.plus(Duration::from_secs(10)) })
    }

    fn authority(name: &str, rng: &Rng) -> Issuer {
        let key = PrivateKey::draw(rng, Curve::P256).signing_key().unwrap();
        let content = content(name).signs_certificates_and_lists().authority(None);
        Issuer::new(issue_root(&content, &key, rng).unwrap(), key).unwrap()
    }

    fn server() -> Content {
        content("server").signs_messages().tls(TlsSide::ServerAndClient).names(&[HOST.to_owned()], None)
    }

    #[test]
    fn a_server_lies_under_a_ci_with_its_role_or_under_an_authority_that_is_named() {
        let rng = Rng::seeded(41);
        let (ci, web, stranger) =
            (authority("CI", &rng), authority("web", &rng), authority("stranger", &rng));
        let anchors = Arc::new(Anchors::new(vec![ci.certificate().clone()]).unwrap());
        let clock = Clock::fixed(NOW);
        let named = [web.certificate().der().to_vec()];
        let alone = SmdpVerifier::new(Arc::clone(&anchors), &[], clock.clone()).unwrap();
        let both = SmdpVerifier::new(anchors, &named, clock.clone()).unwrap();
        let key = PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
        let judge = |verifier: &SmdpVerifier, issuer: &Issuer, content: &Content, host: &'static str| {
            let leaf = issuer.issue(content, key.public_key(), &rng).unwrap();
            let leaf = CertificateDer::from(leaf.der().to_vec());
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1));
            let judged = verifier.verify_server_cert(&leaf, &[], &host.try_into().unwrap(), &[], now);
            judged.map(drop).map_err(|error| error.to_string())
        };
        let of_gsma = server().role(Role::DpTls, Criticality::Critical);
        for verifier in [&alone, &both] {
            assert_eq!(judge(verifier, &ci, &of_gsma, HOST), Ok(()));
            // Under the CI the role is demanded, whatever other authority is named.
            assert!(judge(verifier, &ci, &server(), HOST).unwrap_err().contains("role"));
            assert!(judge(verifier, &ci, &of_gsma, "other.example").unwrap_err().contains("not for"));
            assert!(judge(verifier, &stranger, &of_gsma, HOST).is_err());
        }
        assert_eq!(judge(&both, &web, &server(), HOST), Ok(()));
        assert!(judge(&both, &web, &server(), "other.example").is_err());
        assert!(judge(&alone, &web, &server(), HOST).is_err());
        clock.advance(Duration::from_secs(11));
        for (issuer, content) in [(&ci, &of_gsma), (&web, &server())] {
            assert!(judge(&both, issuer, content, HOST).unwrap_err().contains("was valid until"));
        }
        assert!(SmdpVerifier::new(Arc::new(Anchors::new(Vec::new()).unwrap()), &[vec![1]], clock).is_err());
    }
}
