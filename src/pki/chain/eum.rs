//! EUM certificates: verified under a CI, and remembered (SGP.22 4.5.2.2).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};

use super::{Anchors, check_extensions, check_role, check_validity};
use crate::crypto::ecdsa::PublicKey;
use crate::crypto::hash::sha256;
use crate::env::Timestamp;
use crate::pki::certificate::{BasicConstraints, Certificate};
use crate::pki::error::{EumError, PathError};
use crate::pki::role::Role;

/// How many verified EUM certificates are remembered. There are some dozens of manufacturers in the world.
pub const MAX_REMEMBERED_EUMS: usize = 1024;

/// Verified EUM certificates by their fingerprints; the oldest leaves first. One manufacturer stands behind millions
/// of eUICCs, and its certificate costs as much to verify as theirs.
#[derive(Debug, Default)]
pub(super) struct Eums {
    verified: HashMap<[u8; 32], VerifiedEum>,
    order: VecDeque<[u8; 32]>,
}

impl Eums {
    fn remember(&mut self, fingerprint: [u8; 32], eum: VerifiedEum) {
        if self.verified.insert(fingerprint, eum).is_none() {
            self.order.push_back(fingerprint);
        }
        if self.order.len() > MAX_REMEMBERED_EUMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.verified.remove(&oldest);
        }
    }
}

/// Proof that an EUM certificate lies under a trusted CI.
#[derive(Clone, Debug)]
pub struct VerifiedEum(Arc<Eum>);

#[derive(Debug)]
struct Eum {
    certificate: Certificate,
    key: PublicKey,
    ci_key_identifier: Vec<u8>,
}

impl VerifiedEum {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// The key that signs eUICC certificates.
    pub(super) fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// subjectKeyIdentifier of the CI it lies under.
    #[must_use]
    pub fn ci_key_identifier(&self) -> &[u8] {
        &self.0.ci_key_identifier
    }
}

impl Anchors {
    /// Verifies an EUM certificate. One that was verified before costs a digest; its validity and the
    /// revocation lists are looked at each time.
    ///
    /// # Errors
    /// [`EumError`] with the first rule in the order of this module.
    pub fn verify_eum(&self, certificate: &Certificate, now: Timestamp) -> Result<VerifiedEum, EumError> {
        if let Some(known) = self.remembered_eum(certificate.der(), now) {
            return known;
        }
        let ci = self.below_ci(certificate, now)?;
        if !certificate.key_usage.is_some_and(|usage| usage.critical && usage.key_cert_sign) {
            return Err(PathError::KeyUsage { expected: "critical, with keyCertSign" }.into());
        }
        check_role(certificate, Role::Eum)?;
        let BasicConstraints { authority: true, path_len: Some(0) } =
            certificate.basic_constraints.unwrap_or(BasicConstraints { authority: false, path_len: None })
        else {
            return Err(
                PathError::BasicConstraints { expected: "a CA with path length 0 is expected" }.into()
            );
        };
        if certificate.name_constraints == Some(Err(())) {
            return Err(EumError::NameConstraints);
        }
        check_extensions(certificate)?;
        let eum = VerifiedEum(Arc::new(Eum {
            certificate: certificate.clone(),
            key: *certificate.public_key().map_err(PathError::Key)?,
            ci_key_identifier: ci.subject_key_identifier().unwrap_or_default().to_vec(),
        }));
        self.eums().remember(certificate.fingerprint(), eum.clone());
        Ok(eum)
    }

    /// An EUM certificate that was verified before, by its DER, which need not be parsed again; `None` if it is not remembered.
    /// Its validity and the revocation lists are looked at as by [`Anchors::verify_eum`].
    pub fn remembered_eum(&self, der: &[u8], now: Timestamp) -> Option<Result<VerifiedEum, EumError>> {
        let eum = self.eums().verified.get(&sha256(der)).cloned()?;
        let checked = check_validity(eum.certificate(), now).map_err(EumError::from);
        let checked = checked.and_then(|()| Ok(self.check_revocation(eum.certificate())?));
        Some(checked.map(|()| eum))
    }

    fn eums(&self) -> std::sync::MutexGuard<'_, Eums> {
        self.eums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simyard_asn1::Oid;

    use super::super::fixture::{Fixture, NOW, early, key, late, subject, unknown_extension, validity};
    use super::*;
    use crate::env::Rng;
    use crate::pki::Refusal;
    use crate::pki::issue::{Content, Criticality, ExtensionId, Issuer, issue_root, with_bad_signature};

    #[test]
    fn an_eum_certificate_breaks_one_rule_at_a_time() {
        let fixture = Fixture::new();
        let right = Fixture::eum_content;
        assert!(fixture.anchors.verify_eum(&fixture.below_ci(&right()), NOW).is_ok());
        let key_usage = PathError::KeyUsage { expected: "critical, with keyCertSign" };
        let constraints = PathError::BasicConstraints { expected: "a CA with path length 0 is expected" };
        let role = |found: &[&str]| PathError::Role {
            expected: Role::Eum,
            found: found.iter().map(|text| Oid::parse(text).unwrap()).collect(),
        };
        let uncritical = right().with(ExtensionId::KeyUsage, Criticality::NonCritical, vec![3, 2, 2, 4]);
        let excluded = vec![0x30, 0x08, 0xA1, 0x06, 0x30, 0x04, 0x82, 0x02, b'a', b'b'];
        let hosts = vec![0x30, 0x08, 0xA0, 0x06, 0x30, 0x04, 0x82, 0x02, b'a', b'b'];
        let table: Vec<(Content, EumError)> = vec![
            (
                right().without(ExtensionId::AuthorityKeyIdentifier),
                PathError::AuthorityKeyIdentifierMissing.into(),
            ),
            (
                late(right()),
                PathError::Expired { not_after: late(right()).validity.not_after, now: NOW }.into(),
            ),
            (
                early(right()),
                PathError::NotYetValid { not_before: early(right()).validity.not_before, now: NOW }.into(),
            ),
            (right().without(ExtensionId::KeyUsage), key_usage.clone().into()),
            (right().signs_messages(), key_usage.clone().into()),
            (uncritical, key_usage.into()),
            (right().without(ExtensionId::CertificatePolicies), role(&[]).into()),
            (right().role(Role::Euicc, Criticality::Critical), role(&["2.23.146.1.2.1.1"]).into()),
            (right().without(ExtensionId::BasicConstraints), constraints.clone().into()),
            (right().authority(None), constraints.clone().into()),
            (right().authority(Some(1)), constraints.into()),
            (
                right().with(ExtensionId::NameConstraints, Criticality::Critical, excluded),
                EumError::NameConstraints,
            ),
            (
                right().with(ExtensionId::NameConstraints, Criticality::Critical, hosts),
                EumError::NameConstraints,
            ),
            (right().range(&[("EUM", "8904903X")]).unwrap(), EumError::NameConstraints),
            (
                unknown_extension(right()),
                PathError::UnknownCriticalExtension(Oid::parse("2.999.99").unwrap()).into(),
            ),
        ];
        for (content, expected) in table {
            let certificate = fixture.below_ci(&content);
            assert_eq!(fixture.anchors.verify_eum(&certificate, NOW).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_first_broken_rule_in_the_order_of_the_standard_decides() {
        let fixture = Fixture::new();
        let other = Fixture { rng: Rng::seeded(6), ..Fixture::new() };
        let foreign = {
            let ci_key = key(&other.rng);
            let content =
                Content::new(subject("Other"), validity()).signs_certificates_and_lists().authority(None);
            Issuer::new(issue_root(&content, &ci_key, &other.rng).unwrap(), ci_key).unwrap()
        };
        let everything_wrong = || late(Fixture::eum_content()).signs_messages();
        let verify = |certificate: &Certificate| fixture.anchors.verify_eum(certificate, NOW).unwrap_err();
        let subject_key = key(&fixture.rng);
        let unknown = foreign.issue(&everything_wrong(), subject_key.public_key(), &fixture.rng).unwrap();
        let unknown = with_bad_signature(&unknown).unwrap();
        assert_eq!(verify(&unknown).kind(), Refusal::UnknownCi);
        let broken = with_bad_signature(&fixture.below_ci(&everything_wrong())).unwrap();
        assert_eq!(verify(&broken), PathError::Signature.into());
        let nameless = everything_wrong().without(ExtensionId::AuthorityKeyIdentifier);
        let nameless = with_bad_signature(&fixture.below_ci(&nameless)).unwrap();
        assert_eq!(verify(&nameless), PathError::AuthorityKeyIdentifierMissing.into());
        assert_eq!(verify(&nameless).kind(), Refusal::Verification);
        assert_eq!(verify(&fixture.below_ci(&everything_wrong())).kind(), Refusal::Expired);
    }

    #[test]
    fn a_remembered_eum_still_expires() {
        let fixture = Fixture::new();
        let certificate = fixture.below_ci(&Fixture::eum_content());
        assert!(fixture.anchors.verify_eum(&certificate, NOW).is_ok());
        assert!(fixture.anchors.verify_eum(&certificate, NOW.plus(Duration::from_secs(10))).is_ok());
        let late = NOW.plus(Duration::from_secs(11));
        assert_eq!(fixture.anchors.verify_eum(&certificate, late).unwrap_err().kind(), Refusal::Expired);
        let elsewhere = Anchors::new(Vec::new()).unwrap();
        assert_eq!(elsewhere.verify_eum(&certificate, NOW).unwrap_err().kind(), Refusal::UnknownCi);
    }

    #[test]
    fn the_memory_of_eums_is_bounded() {
        let fixture = Fixture::new();
        let (eum, _) = fixture.eum(&Fixture::eum_content());
        let mut eums = Eums::default();
        for number in 0..2 * MAX_REMEMBERED_EUMS {
            let mut fingerprint = [0; 32];
            fingerprint[..8].copy_from_slice(&number.to_be_bytes());
            eums.remember(fingerprint, eum.clone());
            eums.remember(fingerprint, eum.clone());
        }
        assert_eq!((eums.verified.len(), eums.order.len()), (MAX_REMEMBERED_EUMS, MAX_REMEMBERED_EUMS));
    }
}
