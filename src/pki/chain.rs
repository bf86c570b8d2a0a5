//! Trust anchors and the checks per role (SGP.22 4.5.2.2). A check returns a proof that nothing else can make.
//!
//! A certificate can break several rules at once, and the answer depends on the first. The order is: the issuer that
//! authorityKeyIdentifier names, the signature, the validity, and only then what the certificate may be used for.
//! Names of issuers are not compared: SGP.22 chains by key identifier, and published certificates differ in the
//! name. An anchor is trusted because it is configured; its own validity is not looked at.
//!
//! Chains have the shape of variant O: CI, EUM, eUICC, and CI, server. Not here: revocation lists, sub-CAs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use simyard_asn1::Oid;

use super::certificate::{BasicConstraints, Certificate};
use super::error::{AnchorError, EuiccError, EumError, PathError, ServerCertificateError};
use super::role::Role;
use crate::crypto::ecdsa::PublicKey;
use crate::env::Timestamp;
use crate::ident::Eid;

/// How many verified EUM certificates are remembered. There are some dozens of manufacturers in the world.
pub const MAX_REMEMBERED_EUMS: usize = 1024;

/// The certificates of the CIs that are trusted, in the order given, and the EUM certificates verified under them.
#[derive(Debug)]
pub struct Anchors {
    certificates: Vec<Certificate>,
    eums: Mutex<Eums>,
}

/// Verified EUM certificates by their fingerprints; the oldest leaves first. One manufacturer stands behind millions
/// of eUICCs, and its certificate costs as much to verify as theirs.
#[derive(Debug, Default)]
struct Eums {
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

    /// subjectKeyIdentifier of the CI it lies under.
    #[must_use]
    pub fn ci_key_identifier(&self) -> &[u8] {
        &self.0.ci_key_identifier
    }
}

/// Proof that an eUICC certificate lies under a verified EUM, within its range.
#[derive(Clone, Debug)]
pub struct VerifiedEuicc {
    certificate: Certificate,
    key: PublicKey,
    eid: Eid,
    eum: VerifiedEum,
}

impl VerifiedEuicc {
    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The key that signs what the eUICC says.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Who the eUICC is.
    #[must_use]
    pub const fn eid(&self) -> &Eid {
        &self.eid
    }

    /// The manufacturer that vouches for it.
    #[must_use]
    pub const fn eum(&self) -> &VerifiedEum {
        &self.eum
    }
}

/// A server's certificate whose proof carries its key, its OID and its CI.
#[derive(Clone, Debug)]
struct Server {
    certificate: Certificate,
    key: PublicKey,
    oid: Oid,
    ci_key_identifier: Vec<u8>,
}

macro_rules! server_proof {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Server);

        impl $name {
            /// The certificate.
            #[must_use]
            pub const fn certificate(&self) -> &Certificate {
                &self.0.certificate
            }

            /// The key of the certificate.
            #[must_use]
            pub const fn public_key(&self) -> &PublicKey {
                &self.0.key
            }

            /// The OID of the SM-DP+: registeredID of subjectAltName.
            #[must_use]
            pub const fn oid(&self) -> &Oid {
                &self.0.oid
            }

            /// subjectKeyIdentifier of the CI it lies under.
            #[must_use]
            pub fn ci_key_identifier(&self) -> &[u8] {
                &self.0.ci_key_identifier
            }
        }
    };
}

server_proof!(
    /// Proof that a DPauth certificate lies under a trusted CI.
    VerifiedDpAuth
);
server_proof!(
    /// Proof that a DPpb certificate lies under the CI of a DPauth certificate and names the same SM-DP+.
    VerifiedDpPb
);

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
        Ok(Self { certificates, eums: Mutex::default() })
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

    /// Steps (a) to (c) of the order: issuer, signature, validity. Gives the CI.
    fn below_ci(&self, certificate: &Certificate, now: Timestamp) -> Result<&Certificate, PathError> {
        let named = certificate.authority_key_identifier().ok_or(PathError::AuthorityKeyIdentifierMissing)?;
        let ci = self.ci(named).ok_or_else(|| PathError::UnknownIssuer(named.to_vec()))?;
        check_signature(certificate, ci.public_key().map_err(PathError::IssuerKey)?)?;
        check_validity(certificate, now)?;
        Ok(ci)
    }

    /// Verifies an EUM certificate. One that was verified before costs a digest; its validity is checked each time.
    ///
    /// # Errors
    /// [`EumError`] with the first rule in the order of this module.
    pub fn verify_eum(&self, certificate: &Certificate, now: Timestamp) -> Result<VerifiedEum, EumError> {
        let fingerprint = certificate.fingerprint();
        let known = self.eums().verified.get(&fingerprint).cloned();
        if let Some(eum) = known {
            check_validity(certificate, now)?;
            return Ok(eum);
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
        self.eums().remember(fingerprint, eum.clone());
        Ok(eum)
    }

    fn eums(&self) -> std::sync::MutexGuard<'_, Eums> {
        self.eums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify_server(
        &self,
        certificate: &Certificate,
        role: Role,
        now: Timestamp,
    ) -> Result<Server, ServerCertificateError> {
        let ci = self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        check_role(certificate, role)?;
        check_extensions(certificate)?;
        Ok(Server {
            certificate: certificate.clone(),
            key: *certificate.public_key().map_err(PathError::Key)?,
            oid: certificate.registered_id().ok_or(ServerCertificateError::ObjectIdentifierMissing)?.clone(),
            ci_key_identifier: ci.subject_key_identifier().unwrap_or_default().to_vec(),
        })
    }

    /// Verifies the certificate that signs serverSigned1 (5.7.13).
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_dp_auth(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<VerifiedDpAuth, ServerCertificateError> {
        self.verify_server(certificate, Role::DpAuth, now).map(VerifiedDpAuth)
    }

    /// Verifies the certificate that signs smdpSigned2 (5.7.5): the CI and the OID are those of DPauth.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_dp_pb(
        &self,
        dp_auth: &VerifiedDpAuth,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<VerifiedDpPb, ServerCertificateError> {
        let server = self.verify_server(certificate, Role::DpPb, now)?;
        if server.ci_key_identifier != dp_auth.ci_key_identifier() {
            return Err(ServerCertificateError::OtherCi);
        }
        if &server.oid != dp_auth.oid() {
            return Err(ServerCertificateError::OtherObjectIdentifier {
                expected: dp_auth.oid().clone(),
                found: server.oid,
            });
        }
        Ok(VerifiedDpPb(server))
    }

    /// Verifies the TLS certificate of an SM-DP+ that was called as `host` (2.6.6). Names are compared without
    /// letter case; there are no wildcards.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_dp_tls(
        &self,
        certificate: &Certificate,
        host: &str,
        now: Timestamp,
    ) -> Result<(), ServerCertificateError> {
        self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        check_role(certificate, Role::DpTls)?;
        if !certificate.extended_key_usage.is_some_and(|usage| usage.server_auth) {
            return Err(ServerCertificateError::Purpose("serverAuth"));
        }
        check_extensions(certificate)?;
        certificate.public_key().map_err(PathError::Key)?;
        if !certificate.dns_names().iter().any(|name| name.eq_ignore_ascii_case(host)) {
            return Err(ServerCertificateError::HostName {
                host: host.to_owned(),
                names: certificate.dns_names().to_vec(),
            });
        }
        Ok(())
    }

    /// Verifies the client certificate of an operator or of a device, issued by an anchor directly. It need not name
    /// a role; one that names roles must be for TLS of an SM-DP+, so that no eUICC or DPauth key opens a connection.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_client(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(), ServerCertificateError> {
        self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        if certificate.has_any_role() {
            check_role(certificate, Role::DpTls)?;
        }
        if !certificate.extended_key_usage.is_some_and(|usage| usage.client_auth) {
            return Err(ServerCertificateError::Purpose("clientAuth"));
        }
        check_extensions(certificate)?;
        certificate.public_key().map_err(PathError::Key)?;
        Ok(())
    }
}

/// Verifies an eUICC certificate under its manufacturer's.
///
/// The check digits of the EID are not looked at: published test certificates carry wrong ones.
///
/// # Errors
/// [`EuiccError`] with the first rule in the order of this module.
pub fn verify_euicc(
    eum: &VerifiedEum,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<VerifiedEuicc, EuiccError> {
    let issuer = &eum.0.certificate;
    let named = certificate.authority_key_identifier().ok_or(PathError::AuthorityKeyIdentifierMissing)?;
    if issuer.subject_key_identifier() != Some(named) {
        return Err(PathError::UnknownIssuer(named.to_vec()).into());
    }
    check_signature(certificate, &eum.0.key)?;
    // The manufacturer's own validity was checked when its proof was made for this call.
    check_validity(certificate, now)?;
    check_leaf(certificate)?;
    check_role(certificate, Role::Euicc)?;
    let organization = certificate.organization().ok_or(EuiccError::Organization)?;
    let eid = certificate.serial_number().and_then(|number| Eid::parse(number).ok());
    let eid = eid.ok_or(EuiccError::Eid)?;
    if !permits(issuer, organization, &eid) {
        return Err(EuiccError::OutsideRange { eid: eid.to_string(), organization: organization.to_owned() });
    }
    check_extensions(certificate)?;
    let key = *certificate.public_key().map_err(PathError::Key)?;
    Ok(VerifiedEuicc { certificate: certificate.clone(), key, eid, eum: eum.clone() })
}

/// Whether the manufacturer may issue for this organisation and EID. The rule of RFC 5280 would want equal attributes
/// where SGP.22 4.5.2.1 means the first digits; organisation and digits must stand in the same subtree. Version 3
/// lists the digits in permittedEins. A manufacturer without a range may not issue at all; with both, both hold.
fn permits(eum: &Certificate, organization: &str, eid: &Eid) -> bool {
    let by_subtrees = eum.name_constraints.as_ref().map(|constraints| {
        constraints.as_ref().is_ok_and(|subtrees| {
            subtrees.iter().any(|subtree| {
                subtree.organization == organization && eid.as_str().starts_with(&subtree.eid_prefix)
            })
        })
    });
    let by_eins = eum.permitted_eins.as_ref().map(|eins| {
        eum.organization() == Some(organization) && eins.iter().any(|ein| eid.as_str().starts_with(ein))
    });
    match (by_subtrees, by_eins) {
        (None, None) => false,
        (by_subtrees, by_eins) => by_subtrees.unwrap_or(true) && by_eins.unwrap_or(true),
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
    use std::time::Duration;

    use super::*;
    use crate::crypto::ecdsa::SigningKey;
    use crate::env::Rng;
    use crate::pki::issue::{
        Content, Criticality, ExtensionId, Issuer, PrivateKey, Subject, TlsSide, Validity, issue_root,
        with_bad_signature,
    };
    use crate::pki::{Refusal, Role};

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
    const EID: &str = "89049032123451234512345678901235";

    fn validity() -> Validity {
        Validity {
            not_before: Timestamp::from_secs(NOW.as_secs() - 10),
            not_after: NOW.plus(Duration::from_secs(10)),
        }
    }

    fn key(rng: &Rng) -> SigningKey {
        PrivateKey::draw(rng).signing_key().unwrap()
    }

    fn subject(organization: &str) -> Subject {
        Subject { organization: Some(organization.to_owned()), ..Subject::default() }
    }

    struct Fixture {
        rng: Rng,
        ci: Issuer,
        anchors: Anchors,
    }

    impl Fixture {
        fn new() -> Self {
            let rng = Rng::seeded(5);
            let ci_key = key(&rng);
            let content =
                Content::new(subject("CI"), validity()).signs_certificates_and_lists().authority(None);
            let ci = issue_root(&content, &ci_key, &rng).unwrap();
            let anchors = Anchors::new(vec![ci.clone()]).unwrap();
            Self { anchors, ci: Issuer::new(ci, ci_key).unwrap(), rng }
        }

        fn eum_content() -> Content {
            Content::new(subject("EUM"), validity())
                .signs_certificates()
                .role(Role::Eum, Criticality::Critical)
                .authority(Some(0))
                .range(&[("EUM", "89049032")])
                .unwrap()
        }

        fn below_ci(&self, content: &Content) -> Certificate {
            self.ci.issue(content, key(&self.rng).public_key(), &self.rng).unwrap()
        }

        fn eum(&self, content: &Content) -> (VerifiedEum, Issuer) {
            let key = key(&self.rng);
            let eum = self.ci.issue(content, key.public_key(), &self.rng).unwrap();
            (self.anchors.verify_eum(&eum, NOW).unwrap(), Issuer::new(eum, key).unwrap())
        }

        fn euicc(&self, issuer: &Issuer, content: &Content) -> Certificate {
            issuer.issue(content, key(&self.rng).public_key(), &self.rng).unwrap()
        }
    }

    fn euicc_content(organization: &str, eid: &str) -> Content {
        let subject = Subject { serial_number: Some(eid.to_owned()), ..subject(organization) };
        Content::new(subject, validity()).signs_messages().role(Role::Euicc, Criticality::Critical)
    }

    fn dp_content(role: Role) -> Content {
        Content::new(subject("DP"), validity())
            .signs_messages()
            .role(role, Criticality::Critical)
            .names(&[], Oid::parse("2.999.10").as_ref())
    }

    fn early(mut content: Content) -> Content {
        content.validity.not_before = NOW.plus(Duration::from_secs(1));
        content
    }

    fn late(mut content: Content) -> Content {
        content.validity.not_after = Timestamp::from_secs(NOW.as_secs() - 1);
        content
    }

    fn unknown_extension(content: Content) -> Content {
        content.with(ExtensionId::Unknown, Criticality::Critical, vec![0x05, 0x00])
    }

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
    fn an_euicc_certificate_breaks_one_rule_at_a_time() {
        let fixture = Fixture::new();
        let (eum, issuer) = fixture.eum(&Fixture::eum_content());
        let right = || euicc_content("EUM", EID);
        let verified = verify_euicc(&eum, &fixture.euicc(&issuer, &right()), NOW).unwrap();
        assert_eq!(verified.eid().as_str(), EID);
        let key_usage = PathError::KeyUsage { expected: "digitalSignature without keyCertSign" };
        let outside = |organization: &str, eid: &str| EuiccError::OutsideRange {
            eid: eid.to_owned(),
            organization: organization.to_owned(),
        };
        let named = |subject: Subject| {
            let mut content = right();
            content.subject = subject;
            content
        };
        let other_eid = "89049033123451234512345678901235";
        let both_usages = right().with(ExtensionId::KeyUsage, Criticality::Critical, vec![3, 2, 2, 0x84]);
        let table: Vec<(Content, EuiccError)> = vec![
            (
                right().without(ExtensionId::AuthorityKeyIdentifier),
                PathError::AuthorityKeyIdentifierMissing.into(),
            ),
            (
                late(right()),
                PathError::Expired { not_after: late(right()).validity.not_after, now: NOW }.into(),
            ),
            (right().without(ExtensionId::KeyUsage), key_usage.clone().into()),
            (right().signs_certificates(), key_usage.clone().into()),
            (both_usages, key_usage.into()),
            (right().authority(None), PathError::BasicConstraints { expected: "no CA is expected" }.into()),
            (
                right().role(Role::Eum, Criticality::Critical),
                PathError::Role {
                    expected: Role::Euicc,
                    found: vec![Oid::parse("2.23.146.1.2.1.2").unwrap()],
                }
                .into(),
            ),
            (named(Subject { organization: None, ..right().subject }), EuiccError::Organization),
            (named(Subject { serial_number: None, ..right().subject }), EuiccError::Eid),
            (euicc_content("EUM", &EID[..31]), EuiccError::Eid),
            (euicc_content("EUM", other_eid), outside("EUM", other_eid)),
            (euicc_content("eum", EID), outside("eum", EID)),
            (
                unknown_extension(right()),
                PathError::UnknownCriticalExtension(Oid::parse("2.999.99").unwrap()).into(),
            ),
        ];
        for (content, expected) in table {
            let certificate = fixture.euicc(&issuer, &content);
            assert_eq!(verify_euicc(&eum, &certificate, NOW).unwrap_err(), expected);
        }
        let (_, stranger) = fixture.eum(&Fixture::eum_content());
        let error = verify_euicc(&eum, &fixture.euicc(&stranger, &right()), NOW).unwrap_err();
        assert!(matches!(error, EuiccError::Path(PathError::UnknownIssuer(_))));
        assert_eq!(error.kind(), Refusal::Verification);
        let changed = with_bad_signature(&fixture.euicc(&issuer, &right())).unwrap();
        assert_eq!(verify_euicc(&eum, &changed, NOW).unwrap_err(), PathError::Signature.into());
    }

    #[test]
    fn organisation_and_digits_must_stand_in_the_same_subtree() {
        let fixture = Fixture::new();
        let two = [("A", "89049032"), ("B", "8904")];
        let (eum, issuer) = fixture.eum(&Fixture::eum_content().range(&two).unwrap());
        let passes = |organization: &str, eid: &str| {
            verify_euicc(&eum, &fixture.euicc(&issuer, &euicc_content(organization, eid)), NOW).is_ok()
        };
        let elsewhere = "89041111123451234512345678901235";
        assert!(passes("A", EID) && passes("B", EID) && passes("B", elsewhere));
        assert!(!passes("A", elsewhere) && !passes("EUM", EID));
    }

    #[test]
    fn permitted_eins_are_a_range_of_the_eums_own_organisation() {
        let fixture = Fixture::new();
        let eins = |eins: &[&str]| {
            let list: Vec<u8> = eins
                .iter()
                .flat_map(|ein| [&[0x13, u8::try_from(ein.len()).unwrap()][..], ein.as_bytes()].concat())
                .collect();
            [&[0x30, u8::try_from(list.len()).unwrap()][..], &list].concat()
        };
        let with_eins = |value: Vec<u8>| {
            Fixture::eum_content().without(ExtensionId::NameConstraints).with(
                ExtensionId::PermittedEins,
                Criticality::Critical,
                value,
            )
        };
        let (eum, issuer) = fixture.eum(&with_eins(eins(&["1", "890490321"])));
        let passes = |organization: &str, eid: &str| {
            verify_euicc(&eum, &fixture.euicc(&issuer, &euicc_content(organization, eid)), NOW).is_ok()
        };
        assert!(passes("EUM", EID));
        assert!(!passes("Other", EID) && !passes("EUM", "89049032223451234512345678901235"));
        let (eum, issuer) = fixture.eum(&Fixture::eum_content().without(ExtensionId::NameConstraints));
        let nobody = fixture.euicc(&issuer, &euicc_content("EUM", EID));
        assert!(matches!(verify_euicc(&eum, &nobody, NOW), Err(EuiccError::OutsideRange { .. })));
        let empty = with_eins(eins(&[""]));
        assert!(fixture.ci.issue(&empty, key(&fixture.rng).public_key(), &fixture.rng).is_err());
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

    #[test]
    fn dp_certificates_hang_together() {
        let fixture = Fixture::new();
        let auth = fixture.below_ci(&dp_content(Role::DpAuth));
        let auth = fixture.anchors.verify_dp_auth(&auth, NOW).unwrap();
        let pb = fixture.below_ci(&dp_content(Role::DpPb));
        assert_eq!(fixture.anchors.verify_dp_pb(&auth, &pb, NOW).unwrap().oid(), auth.oid());
        let other = dp_content(Role::DpPb).names(&[], Oid::parse("2.999.11").as_ref());
        assert_eq!(
            fixture.anchors.verify_dp_pb(&auth, &fixture.below_ci(&other), NOW).unwrap_err(),
            ServerCertificateError::OtherObjectIdentifier {
                expected: Oid::parse("2.999.10").unwrap(),
                found: Oid::parse("2.999.11").unwrap()
            }
        );
        let nameless = dp_content(Role::DpAuth).without(ExtensionId::SubjectAltName);
        assert_eq!(
            fixture.anchors.verify_dp_auth(&fixture.below_ci(&nameless), NOW).unwrap_err(),
            ServerCertificateError::ObjectIdentifierMissing
        );
        let ci_key = key(&fixture.rng);
        let content =
            Content::new(subject("CI 2"), validity()).signs_certificates_and_lists().authority(None);
        let second = issue_root(&content, &ci_key, &fixture.rng).unwrap();
        let both = Anchors::new(vec![fixture.ci.certificate().clone(), second.clone()]).unwrap();
        let second = Issuer::new(second, ci_key).unwrap();
        let pb = fixture.euicc(&second, &dp_content(Role::DpPb));
        assert_eq!(both.verify_dp_pb(&auth, &pb, NOW).unwrap_err(), ServerCertificateError::OtherCi);
    }

    #[test]
    fn tls_certificates_need_purpose_and_host() {
        let fixture = Fixture::new();
        let hosts = ["smdp.example".to_owned()];
        let right = || dp_content(Role::DpTls).tls(TlsSide::ServerAndClient).names(&hosts, None);
        let verify = |content: Content, host: &str| {
            fixture.anchors.verify_dp_tls(&fixture.below_ci(&content), host, NOW)
        };
        assert_eq!(verify(right(), "SMDP.example"), Ok(()));
        assert!(matches!(verify(right(), "xsmdp.example"), Err(ServerCertificateError::HostName { .. })));
        let client_only = right().tls(TlsSide::Client);
        assert_eq!(
            verify(client_only.clone(), "smdp.example"),
            Err(ServerCertificateError::Purpose("serverAuth"))
        );
        assert_eq!(fixture.anchors.verify_client(&fixture.below_ci(&client_only), NOW), Ok(()));
        let without = right().without(ExtensionId::ExtendedKeyUsage);
        assert_eq!(
            fixture.anchors.verify_client(&fixture.below_ci(&without), NOW),
            Err(ServerCertificateError::Purpose("clientAuth"))
        );
        let role = client_only.role(Role::DpAuth, Criticality::Critical);
        assert!(matches!(
            fixture.anchors.verify_client(&fixture.below_ci(&role), NOW),
            Err(ServerCertificateError::Path(PathError::Role { .. }))
        ));
    }

    #[test]
    fn anchors_must_be_issuers_with_key_identifiers_of_their_own() {
        let fixture = Fixture::new();
        let ci = fixture.ci.certificate().clone();
        let leaf = fixture.below_ci(&dp_content(Role::DpAuth));
        assert!(matches!(Anchors::new(vec![leaf]), Err(AnchorError::NoAuthority(_))));
        assert!(matches!(Anchors::new(vec![ci.clone(), ci]), Err(AnchorError::KeyIdentifierTwice(_))));
    }
}
