//! Revocation lists of CIs (SGP.22 4.6, RFC 5280 5): reading one, and verifying it under its CI.
//!
//! A list is found to be of a CI by authorityKeyIdentifier, as certificates are. What any verified list of a CI names is
//! revoked: a CI may split its list into parts (4.6.2), and a part that was left out by the next list is kept out by
//! whoever names the files. A list past its nextUpdate still counts: that it is late is told, and no reason to serve what
//! it revokes. Not here: delta lists, lists of other issuers (indirect ones), which are refused; fetching lists.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use simyard_asn1::{Oid, Reader, Tag};
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::{Certificate, ECDSA_WITH_SHA256, serial_number};
use crate::crypto::keyfile::MAX_FILE;
use crate::env::Timestamp;

/// issuingDistributionPoint (RFC 5280 5.2.5): which certificates a part of a list is about. What it names is revoked all
/// the same.
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1D, 0x1C];
/// The arc of the extensions that number the parts of a list: 2.23.146.1.2.0 (SGP.22 4.6.2).
const PARTS: &[u8] = &[0x67, 0x81, 0x12, 0x01, 0x02, 0x00];

/// Why octets are no revocation list, or none that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationListError {
    /// Longer than any list that is read.
    #[error("the revocation list has {0} octets, more than the {MAX_FILE} that are read")]
    TooLong(usize),
    /// Not the outer structure of a list.
    #[error("no revocation list: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The signed part cannot be read.
    #[error("no revocation list: the part that is signed cannot be read")]
    Content,
    /// No authorityKeyIdentifier (RFC 5280 5.2.1).
    #[error("the revocation list names no issuer: authorityKeyIdentifier is missing")]
    AuthorityKeyIdentifierMissing,
    /// A critical extension that is not understood: a delta list, an indirect list, or something newer.
    #[error("the revocation list has the critical extension {0}, which is not understood")]
    UnknownCriticalExtension(Oid),
    /// Its issuer is no CI that is trusted.
    #[error("the revocation list is of issuer {}, which is not among the trusted CIs", hex::encode_upper(.0.get(..20).unwrap_or(.0)))]
    UnknownIssuer(Vec<u8>),
    /// The CI's certificate does not let it sign lists (RFC 5280 4.2.1.3).
    #[error("keyUsage of the CI certificate lacks cRLSign")]
    KeyUsage,
    /// The signature does not verify under the CI's key, or is of another kind than ecdsa-with-SHA256.
    #[error("the signature of the revocation list does not verify under its CI's key")]
    Signature,
}

/// A revocation list that was read, not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationList {
    der: Vec<u8>,
    tbs: Range<usize>,
    signature: Range<usize>,
    ecdsa_with_sha256: bool,
    issuer: Vec<u8>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    serial_numbers: HashSet<Vec<u8>>,
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = hex::encode_upper(&self.issuer);
        write!(f, "RevocationList({issuer}, {}, {} revoked)", self.this_update, self.serial_numbers.len())
    }
}

impl RevocationList {
    /// Reads one list that fills `der`.
    ///
    /// # Errors
    /// [`RevocationListError`].
    pub fn from_der(der: &[u8]) -> Result<Self, RevocationListError> {
        const NAME: &str = "CertificateList";
        if der.len() as u64 > MAX_FILE {
            return Err(RevocationListError::TooLong(der.len()));
        }
        let mut outer = Reader::new(der, NAME);
        let mut members = outer.expect(Tag::SEQUENCE)?.members(NAME);
        outer.finish()?;
        let tbs = members.expect(Tag::SEQUENCE)?;
        let algorithm = members.expect(Tag::SEQUENCE)?.raw;
        let signature = members.expect(Tag::BIT_STRING)?;
        members.finish()?;
        let mut signed = tbs.members("TBSCertList");
        signed.optional(Tag::INTEGER)?;
        let same_algorithm = signed.expect(Tag::SEQUENCE)?.raw == algorithm;
        if signature.value.first() != Some(&0) {
            return Err(signature.error(simyard_asn1::ErrorKind::Value, "signatureValue").into());
        }
        let (_, parsed) =
            CertificateRevocationList::from_der(der).map_err(|_| RevocationListError::Content)?;
        let mut issuer = None;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(value) => {
                    issuer = value.key_identifier.as_ref().map(|identifier| identifier.0.to_vec());
                }
                _ => check_understood(extension, &[ISSUING_DISTRIBUTION_POINT])?,
            }
        }
        let mut serial_numbers = HashSet::new();
        for revoked in parsed.iter_revoked_certificates() {
            for extension in revoked.extensions() {
                check_understood(extension, &[])?;
            }
            serial_numbers.insert(serial_number(revoked.raw_serial()).to_vec());
        }
        let end = signature.offset + signature.raw.len();
        Ok(Self {
            der: der.to_vec(),
            tbs: tbs.offset..tbs.offset + tbs.raw.len(),
            signature: end - signature.value.len() + 1..end,
            ecdsa_with_sha256: same_algorithm && algorithm == ECDSA_WITH_SHA256,
            issuer: issuer.ok_or(RevocationListError::AuthorityKeyIdentifierMissing)?,
            this_update: Timestamp::from_secs(parsed.last_update().timestamp()),
            next_update: parsed.next_update().map(|time| Timestamp::from_secs(time.timestamp())),
            serial_numbers,
        })
    }

    /// The key identifier of the issuer.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// When the list was made.
    #[must_use]
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// By when the next one is due, if the list says so.
    #[must_use]
    pub const fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// Whether the list that follows this one is due.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.next_update.is_some_and(|next| next.as_secs() < now.as_secs())
    }

    /// How many certificates are revoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.serial_numbers.len()
    }

    /// Whether no certificate is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.serial_numbers.is_empty()
    }

    /// Whether the certificate is named. Only a certificate of the same issuer can be meant.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        certificate.authority_key_identifier() == Some(self.issuer.as_slice())
            && self.serial_numbers.contains(certificate.serial())
    }

    /// Verifies the list under the certificate of its CI.
    ///
    /// # Errors
    /// [`RevocationListError::KeyUsage`] and [`RevocationListError::Signature`].
    pub(super) fn verify(&self, ci: &Certificate) -> Result<(), RevocationListError> {
        if !ci.key_usage.is_some_and(|usage| usage.crl_sign) {
            return Err(RevocationListError::KeyUsage);
        }
        let octets = |range: &Range<usize>| self.der.get(range.clone()).unwrap_or_default();
        let key = ci.public_key().map_err(|_| RevocationListError::Signature)?;
        let verified = key.verify_der(octets(&self.tbs), octets(&self.signature));
        match (self.ecdsa_with_sha256, verified) {
            (true, Ok(())) => Ok(()),
            (true, Err(_)) | (false, _) => Err(RevocationListError::Signature),
        }
    }
}

fn check_understood(extension: &X509Extension<'_>, understood: &[&[u8]]) -> Result<(), RevocationListError> {
    let id = extension.oid.as_bytes();
    if !extension.critical || understood.contains(&id) || id.starts_with(PARTS) {
        return Ok(());
    }
    let oid = Oid::from_content(id).ok_or(RevocationListError::Content)?;
    Err(RevocationListError::UnknownCriticalExtension(oid))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::chain::fixture::{Fixture, NOW, key, subject, validity};
    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::env::Rng;
    use crate::pki::issue::{Content, Issuer, ListContent, PrivateKey, issue_root};
    use crate::pki::{Anchors, EumError, PathError, Refusal};

    const CRITICAL: &[u8] = &[0x01, 0x01, 0xFF];

    fn list_of(certificates: &[&Certificate]) -> ListContent {
        ListContent {
            this_update: NOW,
            next_update: Some(NOW.plus(Duration::from_secs(100))),
            revoked: certificates.iter().map(|certificate| certificate.serial().to_vec()).collect(),
            extensions: Vec::new(),
        }
    }

    #[test]
    fn a_revoked_eum_is_refused_remembered_or_not() {
        let fixture = Fixture::new();
        let [revoked, other] = [(); 2].map(|()| fixture.below_ci(&Fixture::eum_content()));
        assert!(fixture.anchors.verify_eum(&revoked, NOW).is_ok());
        let list = RevocationList::from_der(&fixture.ci.issue_list(&list_of(&[&revoked])).unwrap()).unwrap();
        assert_eq!((list.len(), list.is_late(NOW)), (1, false));
        fixture.anchors.replace_revocation_lists(vec![list]).unwrap();
        let error = fixture.anchors.verify_eum(&revoked, NOW).unwrap_err();
        assert_eq!(error, EumError::Path(PathError::Revoked));
        assert_eq!(error.kind(), Refusal::Expired);
        assert!(fixture.anchors.verify_eum(&other, NOW).is_ok());
        let elsewhere = Anchors::new(fixture.anchors.certificates().to_vec()).unwrap();
        assert!(elsewhere.verify_eum(&revoked, NOW).is_ok(), "lists belong to their anchors");
        // A later set of lists takes the place of the former.
        fixture.anchors.replace_revocation_lists(Vec::new()).unwrap();
        assert!(fixture.anchors.verify_eum(&revoked, NOW).is_ok());
    }

    #[test]
    fn a_list_counts_under_its_own_ci_alone() {
        let fixture = Fixture::new();
        let eum = fixture.below_ci(&Fixture::eum_content());
        let rng = Rng::seeded(77);
        let other = PrivateKey::draw(&rng, Curve::BrainpoolP256r1).signing_key().unwrap();
        let content =
            Content::new(subject("CI 2"), validity()).signs_certificates_and_lists().authority(None);
        let certificate = issue_root(&content, &other, &rng).unwrap();
        let other = Issuer::new(certificate.clone(), other).unwrap();
        let both = Anchors::new(vec![fixture.ci.certificate().clone(), certificate]).unwrap();
        let own = RevocationList::from_der(&other.issue_list(&list_of(&[&eum])).unwrap()).unwrap();
        assert!(matches!(
            fixture.anchors.replace_revocation_lists(vec![own.clone()]),
            Err(RevocationListError::UnknownIssuer(_))
        ));
        both.replace_revocation_lists(vec![own]).unwrap();
        assert!(
            both.verify_eum(&eum, NOW).is_ok(),
            "the same number of another issuer is another certificate"
        );
        let silent = key(&rng);
        let content = Content::new(subject("CI 3"), validity()).signs_certificates().authority(None);
        let certificate = issue_root(&content, &silent, &rng).unwrap();
        let anchors = Anchors::new(vec![certificate.clone()]).unwrap();
        let list = Issuer::new(certificate, silent).unwrap().issue_list(&list_of(&[])).unwrap();
        let list = RevocationList::from_der(&list).unwrap();
        assert_eq!(anchors.replace_revocation_lists(vec![list]), Err(RevocationListError::KeyUsage));
    }

    #[test]
    fn no_octet_of_a_list_may_change() {
        let fixture = Fixture::new();
        let eum = fixture.below_ci(&Fixture::eum_content());
        let mut der = fixture.ci.issue_list(&list_of(&[&eum])).unwrap();
        for at in 0..der.len() {
            der[at] ^= 1;
            let passes = RevocationList::from_der(&der)
                .is_ok_and(|list| fixture.anchors.replace_revocation_lists(vec![list]).is_ok());
            assert!(!passes, "octet {at}");
            der[at] ^= 1;
            assert!(RevocationList::from_der(&der[..at]).is_err());
        }
        assert!(fixture.anchors.verify_eum(&eum, NOW).is_ok(), "a list that is refused changes nothing");
        assert!(RevocationList::from_der(&[&der[..], &[0]].concat()).is_err());
        let large = vec![0x30; usize::try_from(MAX_FILE).unwrap() + 1];
        assert_eq!(RevocationList::from_der(&large), Err(RevocationListError::TooLong(large.len())));
    }

    #[test]
    fn lists_that_say_more_than_is_understood_are_refused() {
        let fixture = Fixture::new();
        let with = |id: &[u8], critical: &[u8]| {
            let mut content = list_of(&[]);
            let value =
                [&[0x06, u8::try_from(id.len()).unwrap()], id, critical, &[0x04, 0x02, 0x30, 0x00]].concat();
            content.extensions.push([&[0x30, u8::try_from(value.len()).unwrap()], &value[..]].concat());
            RevocationList::from_der(&fixture.ci.issue_list(&content).unwrap())
        };
        let delta: &[u8] = &[0x55, 0x1D, 0x1B];
        let refused = with(delta, CRITICAL).unwrap_err();
        assert_eq!(refused, RevocationListError::UnknownCriticalExtension(Oid::parse("2.5.29.27").unwrap()));
        assert!(with(&[0x88, 0x37, 0x63], &[]).is_ok());
        assert!(with(&[0x88, 0x37, 0x63], CRITICAL).is_err());
        assert!(with(ISSUING_DISTRIBUTION_POINT, CRITICAL).is_ok());
        assert!(with(&[0x67, 0x81, 0x12, 0x01, 0x02, 0x00, 0x02], CRITICAL).is_ok(), "the number of parts");
        let mut late = list_of(&[]);
        late.next_update = Some(Timestamp::from_secs(NOW.as_secs() - 1));
        let late = RevocationList::from_der(&fixture.ci.issue_list(&late).unwrap()).unwrap();
        assert!(late.is_late(NOW));
    }
}
