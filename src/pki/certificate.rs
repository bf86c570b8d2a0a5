//! One certificate: its DER and the facts that the chain rules of SGP.22 4.5.2.2 ask for, read once.
//!
//! Nothing is verified here. Extensions that are not read and marked critical are listed, so that a check can refuse
//! them (RFC 5280 4.2). Identifiers are compared by octets: the test identifiers under 2.999 are misprinted or
//! refused by common libraries.

use std::fmt;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use simyard_asn1::{Oid, Reader, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::public_key;
use super::role::{ROLE_ARCS, Role};
use crate::crypto::ecdsa::{PublicKey, SigningKey};
use crate::env::Timestamp;

/// The largest certificate that is read, in octets. Those of the standard have some 500 to 700.
pub const MAX_CERTIFICATE_LEN: usize = 16 * 1024;

/// AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 3.2).
pub(super) const ECDSA_WITH_SHA256: &[u8] =
    &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// Attribute types of names (X.520): serialNumber, organizationName, commonName.
const SERIAL_NUMBER: &[u8] = &[0x55, 0x04, 0x05];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0A];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// permittedEins of version 3: 2.23.146.1.2.2.0.
const PERMITTED_EINS: &[u8] = &[0x67, 0x81, 0x12, 0x01, 0x02, 0x02, 0x00];

/// Why octets are no certificate that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Longer than [`MAX_CERTIFICATE_LEN`].
    #[error("the certificate has {0} octets, more than the {MAX_CERTIFICATE_LEN} that are read")]
    TooLong(usize),
    /// Not the outer structure of a certificate.
    #[error("no X.509 certificate: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The signed part cannot be read.
    #[error("no X.509 certificate: the part that is signed cannot be read")]
    Content,
    /// The signature algorithms inside and outside of the signed part differ (RFC 5280 4.1.1.2).
    #[error("the certificate names two different signature algorithms")]
    SignatureAlgorithms,
    /// An extension that the rules ask for cannot be read.
    #[error("the extension {0} of the certificate cannot be read")]
    Extension(Oid),
    /// An extension occurs twice (RFC 5280 4.2).
    #[error("the extension {0} occurs twice in the certificate")]
    ExtensionTwice(Oid),
}

/// Why the key of a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// A curve that is not supported; FRP256v1 is one.
    #[error("curve {} is not supported: use certificates on P-256 or brainpoolP256r1", curve_name(.0))]
    UnsupportedCurve(Oid),
    /// No elliptic curve key, or one without a named curve.
    #[error("the key is no elliptic curve key with a named curve")]
    Algorithm,
    /// The point is not uncompressed or not on the curve.
    #[error("the key is no uncompressed point on its curve")]
    Point,
}

fn curve_name(oid: &Oid) -> String {
    match oid.to_string().as_str() {
        "1.2.250.1.223.101.256.1" => "FRP256v1".to_owned(),
        other => other.to_owned(),
    }
}

/// keyUsage (RFC 5280 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyUsage {
    pub(super) critical: bool,
    pub(super) digital_signature: bool,
    pub(super) key_cert_sign: bool,
    pub(super) crl_sign: bool,
}

/// extKeyUsage (RFC 5280 4.2.1.12): the purposes that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExtendedKeyUsage {
    pub(super) server_auth: bool,
    pub(super) client_auth: bool,
}

/// basicConstraints (RFC 5280 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) authority: bool,
    pub(super) path_len: Option<u32>,
}

/// The range of an EUM (SGP.22 4.5.2.1): who may be the organisation, and how the EID must start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PermittedSubtree {
    pub(super) organization: String,
    pub(super) eid_prefix: String,
}

/// A certificate that was read, not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Range<usize>,
    serial: Range<usize>,
    subject: Range<usize>,
    signature: Range<usize>,
    pub(super) ecdsa_with_sha256: bool,
    key: Result<PublicKey, UnusableKey>,
    not_before: Timestamp,
    not_after: Timestamp,
    organization: Option<String>,
    common_name: Option<String>,
    serial_number: Option<String>,
    subject_key_identifier: Option<Vec<u8>>,
    authority_key_identifier: Option<Vec<u8>>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    policies: Vec<Oid>,
    registered_ids: Vec<Oid>,
    dns_names: Vec<String>,
    /// `Some(Err)` stands for constraints that go beyond permitted organisation and EID prefix.
    pub(super) name_constraints: Option<Result<Vec<PermittedSubtree>, ()>>,
    pub(super) permitted_eins: Option<Vec<String>>,
    pub(super) unknown_critical: Vec<Oid>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identifier = self.subject_key_identifier.as_deref().unwrap_or_default();
        write!(f, "Certificate({:?}, {})", self.common_name, hex::encode_upper(identifier))
    }
}

impl Certificate {
    /// Reads one certificate that fills `der`.
    ///
    /// # Errors
    /// [`CertificateError`]; a key on another curve is none: it is refused where it would be used.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_LEN {
            return Err(CertificateError::TooLong(der.len()));
        }
        let frame = Frame::read(der)?;
        let (_, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Content)?;
        let subject = parsed.subject();
        let timestamp = |time: &x509_parser::time::ASN1Time| Timestamp::from_secs(time.timestamp());
        let mut certificate = Self {
            der: der.to_vec(),
            tbs: frame.tbs,
            serial: frame.serial,
            subject: frame.subject,
            signature: frame.signature,
            ecdsa_with_sha256: frame.ecdsa_with_sha256,
            key: public_key::point(parsed.public_key()),
            not_before: timestamp(&parsed.validity().not_before),
            not_after: timestamp(&parsed.validity().not_after),
            organization: attribute(subject, ORGANIZATION),
            common_name: attribute(subject, COMMON_NAME),
            serial_number: attribute(subject, SERIAL_NUMBER),
            subject_key_identifier: None,
            authority_key_identifier: None,
            key_usage: None,
            extended_key_usage: None,
            basic_constraints: None,
            policies: Vec::new(),
            registered_ids: Vec::new(),
            dns_names: Vec::new(),
            name_constraints: None,
            permitted_eins: None,
            unknown_critical: Vec::new(),
        };
        let mut seen: Vec<&[u8]> = Vec::new();
        for extension in parsed.extensions() {
            let id = extension.oid.as_bytes();
            if seen.contains(&id) {
                return Err(CertificateError::ExtensionTwice(oid(id)?));
            }
            seen.push(id);
            certificate.take(extension)?;
        }
        Ok(certificate)
    }

    fn take(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        let id = extension.oid.as_bytes();
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(value) => {
                self.subject_key_identifier = Some(value.0.to_vec());
            }
            ParsedExtension::AuthorityKeyIdentifier(value) => {
                self.authority_key_identifier = value.key_identifier.as_ref().map(|value| value.0.to_vec());
            }
            ParsedExtension::KeyUsage(value) => {
                self.key_usage = Some(KeyUsage {
                    critical: extension.critical,
                    digital_signature: value.digital_signature(),
                    key_cert_sign: value.key_cert_sign(),
                    crl_sign: value.crl_sign(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(value) => {
                self.extended_key_usage =
                    Some(ExtendedKeyUsage { server_auth: value.server_auth, client_auth: value.client_auth });
            }
            ParsedExtension::BasicConstraints(value) => {
                self.basic_constraints =
                    Some(BasicConstraints { authority: value.ca, path_len: value.path_len_constraint });
            }
            ParsedExtension::CertificatePolicies(value) => {
                for policy in value {
                    self.policies.push(oid(policy.policy_id.as_bytes())?);
                }
            }
            ParsedExtension::SubjectAlternativeName(value) => {
                for name in &value.general_names {
                    match name {
                        GeneralName::RegisteredID(value) => self.registered_ids.push(oid(value.as_bytes())?),
                        GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                        GeneralName::Invalid(..) => return Err(CertificateError::Extension(oid(id)?)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::NameConstraints(value) => {
                let permitted = value.permitted_subtrees.as_deref().unwrap_or_default();
                let subtrees: Option<Vec<_>> = permitted.iter().map(|tree| subtree(&tree.base)).collect();
                self.name_constraints = Some(match subtrees {
                    Some(subtrees) if value.excluded_subtrees.is_none() => Ok(subtrees),
                    _ => Err(()),
                });
            }
            ParsedExtension::ParseError { .. } => return Err(CertificateError::Extension(oid(id)?)),
            _ if id == PERMITTED_EINS => self.permitted_eins = Some(permitted_eins(extension.value)?),
            _ if extension.critical => self.unknown_critical.push(oid(id)?),
            _ => {}
        }
        Ok(())
    }

    /// The octets that were read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 over the octets.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// The part that is signed, as received.
    #[must_use]
    pub fn signed_part(&self) -> &[u8] {
        self.der.get(self.tbs.clone()).unwrap_or_default()
    }

    /// The serial number that the issuer gave it, as octets without leading zeros.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        serial_number(self.der.get(self.serial.clone()).unwrap_or_default())
    }

    /// The subject's Name as received.
    #[must_use]
    pub fn subject_name(&self) -> &[u8] {
        self.der.get(self.subject.clone()).unwrap_or_default()
    }

    /// The signature in DER.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.der.get(self.signature.clone()).unwrap_or_default()
    }

    /// The subject's public key.
    ///
    /// # Errors
    /// [`UnusableKey`] for a key on a curve that is not supported.
    pub fn public_key(&self) -> Result<&PublicKey, UnusableKey> {
        self.key.as_ref().map_err(Clone::clone)
    }

    /// Whether the private key belongs to this certificate.
    #[must_use]
    pub fn is_of(&self, key: &SigningKey) -> bool {
        self.key.as_ref() == Ok(key.public_key())
    }

    /// subjectKeyIdentifier.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.subject_key_identifier.as_deref()
    }

    /// The key identifier of authorityKeyIdentifier.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.authority_key_identifier.as_deref()
    }

    /// The first instant of validity.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second of validity.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// organizationName of the subject, if there is exactly one.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// commonName of the subject, if there is exactly one.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// serialNumber of the subject, if there is exactly one: the EID of an eUICC.
    #[must_use]
    pub fn serial_number(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }

    /// The registeredID of subjectAltName, if there is exactly one: the OID of an SM-DP+.
    #[must_use]
    pub fn registered_id(&self) -> Option<&Oid> {
        match self.registered_ids.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether it is for clients of TLS (extKeyUsage clientAuth).
    #[must_use]
    pub fn is_for_clients(&self) -> bool {
        self.extended_key_usage.is_some_and(|usage| usage.client_auth)
    }

    /// The dNSNames of subjectAltName.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The identifiers of certificatePolicies.
    #[must_use]
    pub fn policies(&self) -> &[Oid] {
        &self.policies
    }

    /// Whether certificatePolicies names `role`, by the identifier of variant O or by that of version 3.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.policies.iter().any(|policy| [role.policy(), role.policy_v3()].contains(&policy.as_content()))
    }

    /// Whether certificatePolicies names any role of remote SIM provisioning.
    pub(super) fn has_any_role(&self) -> bool {
        self.policies.iter().any(|policy| policy.as_content().starts_with(ROLE_ARCS))
    }
}

/// The outer structure, read strictly.
struct Frame {
    tbs: Range<usize>,
    serial: Range<usize>,
    subject: Range<usize>,
    signature: Range<usize>,
    ecdsa_with_sha256: bool,
}

impl Frame {
    fn read(der: &[u8]) -> Result<Self, CertificateError> {
        const NAME: &str = "Certificate";
        let mut outer = Reader::new(der, NAME);
        let mut members = outer.expect(Tag::SEQUENCE)?.members(NAME);
        outer.finish()?;
        let tbs = members.expect(Tag::SEQUENCE)?;
        let algorithm = members.expect(Tag::SEQUENCE)?.raw;
        let signature = members.expect(Tag::BIT_STRING)?;
        members.finish()?;
        let mut signed = tbs.members("TBSCertificate");
        signed.optional(Tag::context_constructed(0))?;
        let serial = signed.expect(Tag::INTEGER)?;
        if signed.expect(Tag::SEQUENCE)?.raw != algorithm {
            return Err(CertificateError::SignatureAlgorithms);
        }
        let _issuer = signed.expect(Tag::SEQUENCE)?;
        let _validity = signed.expect(Tag::SEQUENCE)?;
        let subject = signed.expect(Tag::SEQUENCE)?;
        if signature.value.first() != Some(&0) {
            return Err(signature.error(simyard_asn1::ErrorKind::Value, "signatureValue").into());
        }
        let end = signature.offset + signature.raw.len();
        Ok(Self {
            tbs: tbs.offset..tbs.offset + tbs.raw.len(),
            serial: serial.offset + serial.raw.len() - serial.value.len()..serial.offset + serial.raw.len(),
            subject: subject.offset..subject.offset + subject.raw.len(),
            signature: end - signature.value.len() + 1..end,
            ecdsa_with_sha256: algorithm == ECDSA_WITH_SHA256,
        })
    }
}

/// A serial number as its significant octets.
pub(super) fn serial_number(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

fn oid(content: &[u8]) -> Result<Oid, CertificateError> {
    Oid::from_content(content).ok_or(CertificateError::Content)
}

/// The text of the one attribute of this type; none if there are several.
fn attribute(name: &X509Name<'_>, attribute_type: &[u8]) -> Option<String> {
    let mut found = name.iter_attributes().filter(|entry| entry.attr_type().as_bytes() == attribute_type);
    match (found.next(), found.next()) {
        (Some(one), None) => one.as_str().ok().map(str::to_owned),
        _ => None,
    }
}

/// A permitted subtree of exactly organizationName and serialNumber; anything else is not understood and must not
/// widen the range.
fn subtree(base: &GeneralName<'_>) -> Option<PermittedSubtree> {
    let GeneralName::DirectoryName(name) = base else {
        return None;
    };
    let eid_prefix = attribute(name, SERIAL_NUMBER)?;
    (name.iter_attributes().count() == 2 && is_eid_prefix(&eid_prefix))
        .then_some(PermittedSubtree { organization: attribute(name, ORGANIZATION)?, eid_prefix })
}

fn is_eid_prefix(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// `SEQUENCE OF PrintableString` with the first digits of EIDs.
fn permitted_eins(value: &[u8]) -> Result<Vec<String>, CertificateError> {
    const NAME: &str = "permittedEins";
    const PRINTABLE_STRING: Tag = Tag(0x13);
    let mut outer = Reader::new(value, NAME);
    let mut members = outer.expect(Tag::SEQUENCE)?.members(NAME);
    outer.finish()?;
    let mut eins = Vec::new();
    while !members.is_empty() {
        let text = members.expect(PRINTABLE_STRING)?.text(32, NAME)?;
        if !is_eid_prefix(text) {
            return Err(CertificateError::Extension(oid(PERMITTED_EINS)?));
        }
        eins.push(text.to_owned());
    }
    Ok(eins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::env::Rng;
    use crate::pki::issue::{Content, PrivateKey, Subject, TlsSide, Validity, issue_root};

    fn issued() -> Certificate {
        let rng = Rng::seeded(9);
        let key = PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
        let validity = Validity { not_before: Timestamp::from_secs(0), not_after: Timestamp::from_secs(10) };
        let content = Content::new(Subject::default(), validity)
            .signs_messages()
            .tls(TlsSide::ServerAndClient)
            .names(&["a.example".to_owned(), "b.example".to_owned()], Oid::parse("2.999.10").as_ref());
        issue_root(&content, &key, &rng).unwrap()
    }

    /// The certificate with the one occurrence of some octets replaced by as many others.
    fn replaced(from: &[u8], to: &[u8]) -> Result<Certificate, CertificateError> {
        let mut der = issued().der().to_vec();
        let places: Vec<usize> = (0..der.len()).filter(|at| der[*at..].starts_with(from)).collect();
        der[places[0]..places[0] + to.len()].copy_from_slice(to);
        Certificate::from_der(&der)
    }

    #[test]
    fn facts_are_read_as_they_were_written() {
        let certificate = issued();
        assert_eq!(certificate.dns_names(), ["a.example", "b.example"]);
        assert_eq!(certificate.registered_id().unwrap().to_string(), "2.999.10");
        assert_eq!(
            certificate.extended_key_usage,
            Some(ExtendedKeyUsage { server_auth: true, client_auth: true })
        );
        assert_eq!(certificate.common_name(), None);
        assert!(certificate.unknown_critical.is_empty() && certificate.ecdsa_with_sha256);
        assert!(certificate.der().ends_with(certificate.signature()));
        assert_eq!(&certificate.der()[4..][..certificate.signed_part().len()], certificate.signed_part());
    }

    #[test]
    fn an_extension_may_not_occur_twice() {
        let twice = replaced(&[0x55, 0x1D, 0x11], &[0x55, 0x1D, 0x0F]);
        assert_eq!(twice, Err(CertificateError::ExtensionTwice(Oid::parse("2.5.29.15").unwrap())));
    }

    #[test]
    fn an_extension_that_cannot_be_read_is_refused() {
        // keyUsage as a policy list.
        assert_eq!(
            replaced(&[0x55, 0x1D, 0x0F], &[0x55, 0x1D, 0x20]),
            Err(CertificateError::Extension(Oid::parse("2.5.29.32").unwrap()))
        );
    }

    #[test]
    fn a_critical_extension_that_is_not_read_is_listed() {
        // keyUsage under an identifier that nobody knows.
        let certificate = replaced(&[0x55, 0x1D, 0x0F], &[0x55, 0x1D, 0x40]).unwrap();
        assert_eq!(certificate.unknown_critical, [Oid::parse("2.5.29.64").unwrap()]);
        assert_eq!(certificate.key_usage, None);
    }

    #[test]
    fn two_signature_algorithms_are_refused() {
        // The first occurrence is the one inside: ecdsa-with-SHA384.
        assert_eq!(
            replaced(&[0xCE, 0x3D, 0x04, 0x03, 0x02], &[0xCE, 0x3D, 0x04, 0x03, 0x03]),
            Err(CertificateError::SignatureAlgorithms)
        );
    }

    #[test]
    fn keys_that_cannot_be_used_are_named() {
        let other_curve = replaced(
            &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
            &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x06],
        );
        assert_eq!(
            other_curve.unwrap().public_key().unwrap_err().to_string(),
            "curve 1.2.840.10045.3.1.6 is not supported: use certificates on P-256 or brainpoolP256r1"
        );
        let other_algorithm = replaced(&[0xCE, 0x3D, 0x02, 0x01], &[0xCE, 0x3D, 0x02, 0x02]).unwrap();
        assert_eq!(other_algorithm.public_key(), Err(UnusableKey::Algorithm));
        let compressed = replaced(&[0x03, 0x42, 0x00, 0x04], &[0x03, 0x42, 0x00, 0x02]).unwrap();
        assert_eq!(compressed.public_key(), Err(UnusableKey::Point));
    }
}
