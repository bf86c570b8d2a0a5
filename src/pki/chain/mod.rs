//! Trust anchors and the checks per role (SGP.22 4.5.2.2). A check returns a proof that nothing else can make.
//!
//! | module | certificates |
//! |---|---|
//! | [`eum`] | manufacturers, which are remembered |
//! | [`euicc`] | eUICCs within the range of their manufacturer |
//! | [`server`] | DPauth, DPpb, and both sides of TLS |
//!
//! A certificate can break several rules at once, and the answer depends on the first. The order is: the issuer that
//! authorityKeyIdentifier names, the signature, the validity and the revocation lists, and only then what the certificate may be used for.
//! Names of issuers are not compared: SGP.22 chains by key identifier, and published certificates differ in the
//! name. An anchor is trusted because it is configured; its own validity is not looked at.
//!
//! Chains have the shape of variant O: CI, EUM, eUICC, and CI, server. Not here: sub-CAs.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::certificate::Certificate;
use super::error::{AnchorError, PathError};
use super::revocation::{RevocationList, RevocationListError};
use super::role::Role;
use super::test_ci::is_test_ci;
use crate::crypto::ecdsa::PublicKey;
use crate::env::Timestamp;

pub mod euicc;
pub mod eum;
#[cfg(test)]
pub(super) mod fixture;
pub mod server;

pub use euicc::{VerifiedEuicc, verify_euicc};
pub use eum::{MAX_REMEMBERED_EUMS, VerifiedEum};
pub use server::{VerifiedDpAuth, VerifiedDpPb};

use eum::Eums;

/// The certificates of the CIs that are trusted, in the order given, and the EUM certificates verified under them.
#[derive(Debug)]
pub struct Anchors {
    certificates: Vec<Certificate>,
    /// Verified ones alone.
    revocation_lists: RwLock<Arc<[RevocationList]>>,
    eums: Mutex<Eums>,
}

impl Anchors {
    /// Takes the certificates of trusted issuers. Those on curves that are not supported may be among them; what
    /// lies under them is refused with that reason.
    ///
    /// # Errors
    /// [`AnchorError`] for certificates that cannot issue others or have no key identifier of their own.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, AnchorError> {
        for (at, certificate) in certificates.iter().enumerate() {
            let name = || certificate.common_name().unwrap_or_default().to_owned();
            let Some(identifier) = certificate.subject_key_identifier() else {
                return Err(AnchorError::KeyIdentifierMissing(name()));
            };
            let signs = certificate.key_usage.is_some_and(|usage| usage.key_cert_sign);
            if !signs || !certificate.basic_constraints.is_some_and(|constraints| constraints.authority) {
                return Err(AnchorError::NoAuthority(name()));
            }
            if certificates.iter().take(at).any(|other| other.subject_key_identifier() == Some(identifier)) {
                return Err(AnchorError::KeyIdentifierTwice(identifier.to_vec()));
            }
        }
        Ok(Self { certificates, revocation_lists: RwLock::default(), eums: Mutex::default() })
    }

    /// Takes these revocation lists in place of those before, all or none.
    ///
    /// # Errors
    /// [`RevocationListError`] of the first that is not of a trusted CI, or does not verify; nothing is changed then.
    pub fn replace_revocation_lists(&self, lists: Vec<RevocationList>) -> Result<(), RevocationListError> {
        for list in &lists {
            self.verify_revocation_list(list)?;
        }
        *self.revocation_lists.write().unwrap_or_else(PoisonError::into_inner) = lists.into();
        Ok(())
    }

    /// Verifies a revocation list under its CI.
    ///
    /// # Errors
    /// [`RevocationListError`].
    pub fn verify_revocation_list(&self, list: &RevocationList) -> Result<(), RevocationListError> {
        let ci = self.ci(list.issuer());
        list.verify(ci.ok_or_else(|| RevocationListError::UnknownIssuer(list.issuer().to_vec()))?)
    }

    /// Whether a revocation list of its issuer names the certificate.
    #[must_use]
    pub fn is_revoked(&self, certificate: &Certificate) -> bool {
        let lists = Arc::clone(&self.revocation_lists.read().unwrap_or_else(PoisonError::into_inner));
        lists.iter().any(|list| list.names(certificate))
    }

    fn check_revocation(&self, certificate: &Certificate) -> Result<(), PathError> {
        if self.is_revoked(certificate) { Err(PathError::Revoked) } else { Ok(()) }
    }

    /// Takes the certificates of GSMA CIs: as [`Anchors::new`], and each names the role (4.5.2.1).
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn of_cis(certificates: Vec<Certificate>) -> Result<Self, AnchorError> {
        if let Some(other) = certificates.iter().find(|certificate| !certificate.has_role(Role::Ci)) {
            let name = other.common_name().unwrap_or_default().to_owned();
            return Err(AnchorError::Role { name, found: other.policies().to_vec() });
        }
        Self::new(certificates)
    }

    /// Takes the certificates of CAs of devices: as [`Anchors::new`], and none of them is a CI, neither one of `cis`, by
    /// key or key identifier, nor any other by its role or as one of those for tests.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn of_device_cas(certificates: Vec<Certificate>, cis: &Self) -> Result<Self, AnchorError> {
        let is_one_of = |certificate: &Certificate| {
            cis.certificates.iter().any(|ci| {
                ci.subject_key_identifier() == certificate.subject_key_identifier()
                    || (ci.public_key().is_ok() && ci.public_key() == certificate.public_key())
            })
        };
        let is_ci = |certificate: &&Certificate| {
            certificate.has_any_role() || is_test_ci(certificate) || is_one_of(certificate)
        };
        if let Some(ci) = certificates.iter().find(is_ci) {
            return Err(AnchorError::GsmaCi(ci.common_name().unwrap_or_default().to_owned()));
        }
        Self::new(certificates)
    }

    /// The certificates, in the order given.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The key identifiers of the CIs, in the order given.
    pub fn key_identifiers(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().filter_map(Certificate::subject_key_identifier)
    }

    /// The certificate of the CI with this key identifier.
    #[must_use]
    pub fn ci(&self, key_identifier: &[u8]) -> Option<&Certificate> {
        self.certificates.iter().find(|ci| ci.subject_key_identifier() == Some(key_identifier))
    }

    /// Steps (a) to (c) of the order: issuer, signature, validity and revocation. Gives the CI.
    fn below_ci(&self, certificate: &Certificate, now: Timestamp) -> Result<&Certificate, PathError> {
        let named = certificate.authority_key_identifier().ok_or(PathError::AuthorityKeyIdentifierMissing)?;
        let ci = self.ci(named).ok_or_else(|| PathError::UnknownIssuer(named.to_vec()))?;
        check_signature(certificate, ci.public_key().map_err(PathError::IssuerKey)?)?;
        check_validity(certificate, now)?;
        self.check_revocation(certificate)?;
        Ok(ci)
    }
}

fn check_signature(certificate: &Certificate, issuer: &PublicKey) -> Result<(), PathError> {
    if !certificate.ecdsa_with_sha256 {
        return Err(PathError::SignatureAlgorithm);
    }
    issuer.verify_der(certificate.signed_part(), certificate.signature()).map_err(|_| PathError::Signature)
}

/// Both ends belong to the validity, to the second (RFC 5280 4.1.2.5).
fn check_validity(certificate: &Certificate, now: Timestamp) -> Result<(), PathError> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now.as_secs() < not_before.as_secs() {
        return Err(PathError::NotYetValid { not_before, now });
    }
    if now.as_secs() > not_after.as_secs() {
        return Err(PathError::Expired { not_after, now });
    }
    Ok(())
}

/// A certificate that signs messages, not other certificates.
fn check_leaf(certificate: &Certificate) -> Result<(), PathError> {
    if !certificate.key_usage.is_some_and(|usage| usage.digital_signature && !usage.key_cert_sign) {
        return Err(PathError::KeyUsage { expected: "digitalSignature without keyCertSign" });
    }
    if certificate.basic_constraints.is_some_and(|constraints| constraints.authority) {
        return Err(PathError::BasicConstraints { expected: "no CA is expected" });
    }
    Ok(())
}

fn check_role(certificate: &Certificate, expected: Role) -> Result<(), PathError> {
    if certificate.has_role(expected) {
        Ok(())
    } else {
        Err(PathError::Role { expected, found: certificate.policies().to_vec() })
    }
}

fn check_extensions(certificate: &Certificate) -> Result<(), PathError> {
    match certificate.unknown_critical.first() {
        Some(unknown) => Err(PathError::UnknownCriticalExtension(unknown.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{Fixture, dp_content};
    use super::*;

    #[test]
    fn anchors_must_be_issuers_with_key_identifiers_of_their_own() {
        let fixture = Fixture::new();
        let ci = fixture.ci.certificate().clone();
        let leaf = fixture.below_ci(&dp_content(Role::DpAuth));
        assert!(matches!(Anchors::new(vec![leaf]), Err(AnchorError::NoAuthority(_))));
        assert!(matches!(Anchors::new(vec![ci.clone(), ci]), Err(AnchorError::KeyIdentifierTwice(_))));
    }
}
