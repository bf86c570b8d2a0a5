//! Writing certificates of the shapes of SGP.22 4.5.2: for test PKIs, and for tests that need a certain fault.
//!
//! The DER is written here, in the order of RFC 5280 4.1, because the libraries at hand cannot write a registeredID
//! under 2.999. [`Content`] lists the extensions of a shape, so that a test can take one away or replace it. Nothing
//! here decides whether what is issued makes sense.

use p256::pkcs8::EncodePrivateKey as _;
use sha2::{Digest as _, Sha256};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Oid, Tag, Writer};
use zeroize::Zeroizing;

use super::certificate::{Certificate, CertificateError, ECDSA_WITH_SHA256};
use super::public_key::to_subject_public_key_info;
use super::role::Role;
use crate::crypto::ecdsa::{Curve, EcdsaError, PublicKey, Signature, SigningKey};
use crate::env::{Rng, Timestamp};

/// The longest organizationName, commonName and serialNumber (RFC 5280 appendix A), in characters.
pub(super) const MAX_ATTRIBUTE_CHARS: usize = 64;

const PRINTABLE_STRING: Tag = Tag(0x13);
const UTC_TIME: Tag = Tag(0x17);
const GENERALIZED_TIME: Tag = Tag(0x18);
const SET: Tag = Tag(0x31);

/// Why a certificate cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Part of a name is too long or empty.
    #[error(
        "{0:?} does not fit into the name of a certificate: 1 to {MAX_ATTRIBUTE_CHARS} characters are expected"
    )]
    Name(String),
    /// No host name.
    #[error("{0:?} is no host name: letters, digits, hyphens and dots are expected, without port")]
    HostName(String),
    /// A date beyond the year 9999.
    #[error("the date {0} does not fit into a certificate: the year 9999 is the last")]
    Date(Timestamp),
    /// The key is not the one of the issuer's certificate.
    #[error("the private key does not belong to the issuer's certificate")]
    OtherKey,
    /// The issuer's certificate has no key identifier that others could name.
    #[error("the issuer's certificate has no subjectKeyIdentifier")]
    KeyIdentifierMissing,
    /// Signing failed.
    #[error(transparent)]
    Signing(#[from] EcdsaError),
    /// What was written cannot be read back.
    #[error("the certificate that was issued cannot be read: {0}")]
    ReadBack(#[from] CertificateError),
    /// The description of the test PKI is not as the program expects it.
    #[error("certs/test-pki.toml: {0}")]
    Description(String),
}

/// The extensions that are written, by their identifiers' content octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionId {
    /// subjectKeyIdentifier.
    SubjectKeyIdentifier,
    /// keyUsage.
    KeyUsage,
    /// subjectAltName.
    SubjectAltName,
    /// basicConstraints.
    BasicConstraints,
    /// nameConstraints.
    NameConstraints,
    /// cRLDistributionPoints.
    CrlDistributionPoints,
    /// certificatePolicies.
    CertificatePolicies,
    /// authorityKeyIdentifier.
    AuthorityKeyIdentifier,
    /// extKeyUsage.
    ExtendedKeyUsage,
    /// permittedEins of version 3.
    PermittedEins,
    /// An extension that nobody knows: 2.999.99.
    Unknown,
}

impl ExtensionId {
    const fn content(self) -> &'static [u8] {
        match self {
            Self::SubjectKeyIdentifier => &[0x55, 0x1D, 0x0E],
            Self::KeyUsage => &[0x55, 0x1D, 0x0F],
            Self::SubjectAltName => &[0x55, 0x1D, 0x11],
            Self::BasicConstraints => &[0x55, 0x1D, 0x13],
            Self::NameConstraints => &[0x55, 0x1D, 0x1E],
            Self::CrlDistributionPoints => &[0x55, 0x1D, 0x1F],
            Self::CertificatePolicies => &[0x55, 0x1D, 0x20],
            Self::AuthorityKeyIdentifier => &[0x55, 0x1D, 0x23],
            Self::ExtendedKeyUsage => &[0x55, 0x1D, 0x25],
            Self::PermittedEins => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x02, 0x00],
            Self::Unknown => &[0x88, 0x37, 0x63],
        }
    }
}

/// Whether a receiver that does not understand an extension must refuse the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criticality {
    /// It must.
    Critical,
    /// It need not.
    NonCritical,
}

/// One extension: its value is DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    id: ExtensionId,
    criticality: Criticality,
    value: Vec<u8>,
}

/// The attributes of a subject, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// countryName, two letters.
    pub country: Option<String>,
    /// organizationName.
    pub organization: Option<String>,
    /// serialNumber: the EID of an eUICC.
    pub serial_number: Option<String>,
    /// commonName.
    pub common_name: Option<String>,
}

impl Subject {
    fn to_der(&self) -> Result<Vec<u8>, IssueError> {
        let attributes = [
            ([0x55, 0x04, 0x06], PRINTABLE_STRING, &self.country),
            ([0x55, 0x04, 0x0A], Tag::UTF8_STRING, &self.organization),
            ([0x55, 0x04, 0x05], PRINTABLE_STRING, &self.serial_number),
            ([0x55, 0x04, 0x03], Tag::UTF8_STRING, &self.common_name),
        ];
        let mut name = Writer::new();
        for (id, string, text) in attributes {
            let Some(text) = text else { continue };
            if !(1..=MAX_ATTRIBUTE_CHARS).contains(&text.chars().count()) {
                return Err(IssueError::Name(text.clone()));
            }
            name.nested(SET, |set| {
                set.nested(Tag::SEQUENCE, |attribute| {
                    attribute.tlv(Tag::OID, &id).tlv(string, text.as_bytes());
                });
            });
        }
        Ok(sequence(&name.finish()))
    }
}

/// Both ends belong to the validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// What a certificate is to say, but for keys, key identifiers, issuer and serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The subject.
    pub subject: Subject,
    /// When it is valid.
    pub validity: Validity,
    /// The extensions, but for the key identifiers.
    extensions: Vec<Extension>,
    names_issuer: bool,
}

impl Content {
    /// A certificate without extensions.
    #[must_use]
    pub const fn new(subject: Subject, validity: Validity) -> Self {
        Self { subject, validity, extensions: Vec::new(), names_issuer: true }
    }

    /// Adds an extension, or replaces the one with this identifier; `value` is its DER.
    #[must_use]
    pub fn with(mut self, id: ExtensionId, criticality: Criticality, value: Vec<u8>) -> Self {
        let extension = Extension { id, criticality, value };
        match self.extensions.iter_mut().find(|other| other.id == id) {
            Some(place) => *place = extension,
            None => self.extensions.push(extension),
        }
        self
    }

    /// Takes an extension away. Without authorityKeyIdentifier the certificate names no issuer.
    #[must_use]
    pub fn without(mut self, id: ExtensionId) -> Self {
        self.names_issuer &= id != ExtensionId::AuthorityKeyIdentifier;
        self.extensions.retain(|extension| extension.id != id);
        self
    }

    /// keyUsage of a CI: keyCertSign and cRLSign.
    #[must_use]
    pub fn signs_certificates_and_lists(self) -> Self {
        self.key_usage(NamedBits(1 << 5 | 1 << 6))
    }

    /// keyUsage of an EUM: keyCertSign.
    #[must_use]
    pub fn signs_certificates(self) -> Self {
        self.key_usage(NamedBits::bit(5))
    }

    /// keyUsage of everybody else: digitalSignature.
    #[must_use]
    pub fn signs_messages(self) -> Self {
        self.key_usage(NamedBits::bit(0))
    }

    fn key_usage(self, bits: NamedBits) -> Self {
        let mut writer = Writer::new();
        writer.named_bits(Tag::BIT_STRING, bits);
        self.with(ExtensionId::KeyUsage, Criticality::Critical, writer.finish())
    }

    /// certificatePolicies with the identifier that variant O gives the role.
    #[must_use]
    pub fn role(self, role: Role, criticality: Criticality) -> Self {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |policies| {
            policies.nested(Tag::SEQUENCE, |policy| {
                policy.tlv(Tag::OID, role.policy());
            });
        });
        self.with(ExtensionId::CertificatePolicies, criticality, writer.finish())
    }

    /// basicConstraints of a CA, with its path length if there is one.
    #[must_use]
    pub fn authority(self, path_len: Option<u8>) -> Self {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |constraints| {
            constraints.boolean(Tag::BOOLEAN, true);
            if let Some(path_len) = path_len {
                constraints.integer(Tag::INTEGER, i64::from(path_len));
            }
        });
        self.with(ExtensionId::BasicConstraints, Criticality::Critical, writer.finish())
    }

    /// extKeyUsage: clientAuth, serverAuth, or both.
    #[must_use]
    pub fn tls(self, side: TlsSide) -> Self {
        const SERVER_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
        const CLIENT_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |purposes| {
            if side != TlsSide::Client {
                purposes.tlv(Tag::OID, SERVER_AUTH);
            }
            if side != TlsSide::Server {
                purposes.tlv(Tag::OID, CLIENT_AUTH);
            }
        });
        self.with(ExtensionId::ExtendedKeyUsage, Criticality::Critical, writer.finish())
    }

    /// subjectAltName: dNSNames, then the registeredID.
    #[must_use]
    pub fn names(self, host_names: &[String], oid: Option<&Oid>) -> Self {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |names| {
            for host in host_names {
                names.tlv(Tag::context(2), host.as_bytes());
            }
            names.optional(Tag::context(8), oid.map(Oid::as_content));
        });
        if host_names.is_empty() && oid.is_none() {
            return self;
        }
        self.with(ExtensionId::SubjectAltName, Criticality::NonCritical, writer.finish())
    }

    /// nameConstraints of an EUM: one permitted subtree for each pair of organisation and first digits of the EID.
    ///
    /// # Errors
    /// [`IssueError::Name`] for texts that do not fit.
    pub fn range(self, permitted: &[(&str, &str)]) -> Result<Self, IssueError> {
        let mut subtrees = Writer::new();
        for (organization, eid_prefix) in permitted {
            let name = Subject {
                organization: Some((*organization).to_owned()),
                serial_number: Some((*eid_prefix).to_owned()),
                ..Subject::default()
            };
            let name = name.to_der()?;
            subtrees.nested(Tag::SEQUENCE, |subtree| {
                subtree.tlv(Tag::context_constructed(4), &name);
            });
        }
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |constraints| {
            constraints.tlv(Tag::context_constructed(0), &subtrees.finish());
        });
        Ok(self.with(ExtensionId::NameConstraints, Criticality::Critical, writer.finish()))
    }

    /// cRLDistributionPoints with these addresses.
    #[must_use]
    pub fn revocation_lists(self, addresses: &[String]) -> Self {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |points| {
            for address in addresses {
                points.nested(Tag::SEQUENCE, |point| {
                    point.nested(Tag::context_constructed(0), |name| {
                        name.nested(Tag::context_constructed(0), |full| {
                            full.tlv(Tag::context(6), address.as_bytes());
                        });
                    });
                });
            }
        });
        self.with(ExtensionId::CrlDistributionPoints, Criticality::NonCritical, writer.finish())
    }
}

/// What a TLS certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsSide {
    /// serverAuth and clientAuth: a server that also calls others.
    ServerAndClient,
    /// clientAuth alone: an operator, a device.
    Client,
    /// serverAuth alone: a server that calls nobody.
    Server,
}

/// A private key that was drawn, kept as its scalar and wiped after use.
#[derive(Clone)]
pub struct PrivateKey {
    curve: Curve,
    scalar: Zeroizing<[u8; 32]>,
}

impl PrivateKey {
    /// Draws a key on `curve`.
    #[must_use]
    pub fn draw(rng: &Rng, curve: Curve) -> Self {
        loop {
            let scalar = Zeroizing::new(rng.array::<32>());
            // Refused are zero and what lies beyond the order of the curve: one in 2³² draws, or one in three.
            let is_key = match curve {
                Curve::P256 => p256::SecretKey::from_slice(scalar.as_slice()).is_ok(),
                Curve::BrainpoolP256r1 => bp256::r1::SecretKey::from_slice(scalar.as_slice()).is_ok(),
            };
            if is_key {
                return Self { curve, scalar };
            }
        }
    }

    /// The curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The key, ready to sign.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] if the library refuses the scalar.
    pub fn signing_key(&self) -> Result<SigningKey, EcdsaError> {
        SigningKey::from_scalar(self.curve, &self.scalar)
    }

    /// PKCS#8 in DER.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] if the library refuses the scalar.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, EcdsaError> {
        let document = self.document()?;
        Ok(Zeroizing::new(document.as_bytes().to_vec()))
    }

    /// PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] if the library refuses the scalar.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, EcdsaError> {
        let pem = self.document()?.to_pem("PRIVATE KEY", der::pem::LineEnding::LF);
        pem.map_err(|_| EcdsaError::PrivateKey)
    }

    fn document(&self) -> Result<der::SecretDocument, EcdsaError> {
        let scalar = self.scalar.as_slice();
        let refused = |_| EcdsaError::PrivateKey;
        match self.curve {
            Curve::P256 => p256::SecretKey::from_slice(scalar).map_err(refused)?.to_pkcs8_der(),
            Curve::BrainpoolP256r1 => {
                bp256::r1::SecretKey::from_slice(scalar).map_err(refused)?.to_pkcs8_der()
            }
        }
        .map_err(|_| EcdsaError::PrivateKey)
    }
}

/// A certificate that issues others, with its key.
#[derive(Debug)]
pub struct Issuer {
    certificate: Certificate,
    key: SigningKey,
}

impl Issuer {
    /// Takes a CI or EUM certificate and its private key.
    ///
    /// # Errors
    /// [`IssueError::OtherKey`] and [`IssueError::KeyIdentifierMissing`].
    pub fn new(certificate: Certificate, key: SigningKey) -> Result<Self, IssueError> {
        if !certificate.is_of(&key) {
            return Err(IssueError::OtherKey);
        }
        if certificate.subject_key_identifier().is_none() {
            return Err(IssueError::KeyIdentifierMissing);
        }
        Ok(Self { certificate, key })
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Issues a certificate for `subject_key`, with a serial number from `rng`.
    ///
    /// # Errors
    /// [`IssueError`] for names and dates that do not fit.
    pub fn issue(
        &self,
        content: &Content,
        subject_key: &PublicKey,
        rng: &Rng,
    ) -> Result<Certificate, IssueError> {
        let identifier = self.certificate.subject_key_identifier().unwrap_or_default();
        let authority = content.names_issuer.then_some(identifier);
        sign(content, self.certificate.subject_name(), authority, subject_key, &self.key, rng)
    }
}

/// What a revocation list is to say (RFC 5280 5.1), but for its issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListContent {
    /// When it is made.
    pub this_update: Timestamp,
    /// By when the next one is due.
    pub next_update: Option<Timestamp>,
    /// Serial numbers of certificates, big-endian; revoked since `this_update`.
    pub revoked: Vec<Vec<u8>>,
    /// Further extensions as DER, for tests.
    pub extensions: Vec<Vec<u8>>,
}

impl Issuer {
    /// Issues a revocation list as DER.
    ///
    /// # Errors
    /// [`IssueError::Date`] for dates that do not fit.
    pub fn issue_list(&self, content: &ListContent) -> Result<Vec<u8>, IssueError> {
        let mut tbs = Writer::new();
        tbs.integer(Tag::INTEGER, 1).raw(ECDSA_WITH_SHA256).raw(self.certificate.subject_name());
        write_time(&mut tbs, content.this_update)?;
        if let Some(next_update) = content.next_update {
            write_time(&mut tbs, next_update)?;
        }
        let mut entries = Writer::new();
        for serial in &content.revoked {
            let mut entry = Writer::new();
            // The sign takes an octet of its own.
            let octets = if serial.first().is_none_or(|lead| lead & 0x80 != 0) {
                &[&[0], &serial[..]].concat()
            } else {
                serial
            };
            entry.tlv(Tag::INTEGER, octets);
            write_time(&mut entry, content.this_update)?;
            entries.raw(&sequence(&entry.finish()));
        }
        if !content.revoked.is_empty() {
            tbs.raw(&sequence(&entries.finish()));
        }
        tbs.nested(Tag::context_constructed(0), |extensions| {
            extensions.nested(Tag::SEQUENCE, |list| {
                write_authority(list, self.certificate.subject_key_identifier().unwrap_or_default());
                for extension in &content.extensions {
                    list.raw(extension);
                }
            });
        });
        let tbs = sequence(&tbs.finish());
        let signature = signature_to_der(&self.key.sign(&tbs)?);
        let mut list = Writer::new();
        list.raw(&tbs).raw(ECDSA_WITH_SHA256).tlv(Tag::BIT_STRING, &bit_string(&signature));
        Ok(sequence(&list.finish()))
    }
}

/// Issues a root certificate, which names no issuer.
///
/// # Errors
/// As [`Issuer::issue`].
pub fn issue_root(content: &Content, key: &SigningKey, rng: &Rng) -> Result<Certificate, IssueError> {
    sign(content, &content.subject.to_der()?, None, key.public_key(), key, rng)
}

/// Issues a certificate by its own key that names itself as its issuer.
///
/// # Errors
/// As [`Issuer::issue`].
pub fn issue_self_signed(content: &Content, key: &SigningKey, rng: &Rng) -> Result<Certificate, IssueError> {
    let identifier = key_identifier(key.public_key());
    sign(content, &content.subject.to_der()?, Some(&identifier), key.public_key(), key, rng)
}

/// The certificate with the last octet of its signature changed.
///
/// # Errors
/// [`IssueError::ReadBack`] never in practice: the signature is not read.
pub fn with_bad_signature(certificate: &Certificate) -> Result<Certificate, IssueError> {
    let mut der = certificate.der().to_vec();
    if let Some(last) = der.last_mut() {
        *last ^= 1;
    }
    Ok(Certificate::from_der(&der)?)
}

/// The key identifier of RFC 7093 2 (1): the first 160 bits of SHA-256 over the point.
fn key_identifier(key: &PublicKey) -> Vec<u8> {
    Sha256::digest(key.as_point()).iter().take(20).copied().collect()
}

fn sign(
    content: &Content,
    issuer_name: &[u8],
    authority: Option<&[u8]>,
    subject_key: &PublicKey,
    key: &SigningKey,
    rng: &Rng,
) -> Result<Certificate, IssueError> {
    let mut serial = rng.array::<8>();
    // Positive, and always of eight octets.
    serial[0] = serial[0] & 0x7F | 0x40;
    let mut tbs = Writer::new();
    tbs.nested(Tag::context_constructed(0), |version| {
        version.integer(Tag::INTEGER, 2);
    });
    tbs.tlv(Tag::INTEGER, &serial).raw(ECDSA_WITH_SHA256).raw(issuer_name);
    let mut validity = Writer::new();
    write_time(&mut validity, content.validity.not_before)?;
    write_time(&mut validity, content.validity.not_after)?;
    tbs.raw(&sequence(&validity.finish())).raw(&content.subject.to_der()?);
    tbs.raw(&to_subject_public_key_info(subject_key));
    tbs.nested(Tag::context_constructed(3), |extensions| {
        extensions.nested(Tag::SEQUENCE, |list| write_extensions(list, content, authority, subject_key));
    });
    let tbs = sequence(&tbs.finish());
    let signature = signature_to_der(&key.sign(&tbs)?);
    let mut certificate = Writer::new();
    certificate.raw(&tbs).raw(ECDSA_WITH_SHA256).tlv(Tag::BIT_STRING, &bit_string(&signature));
    Ok(Certificate::from_der(&sequence(&certificate.finish()))?)
}

fn write_extensions(list: &mut Writer, content: &Content, authority: Option<&[u8]>, subject_key: &PublicKey) {
    if let Some(identifier) = authority {
        write_authority(list, identifier);
    }
    let mut value = Writer::new();
    value.tlv(Tag::OCTET_STRING, &key_identifier(subject_key));
    write_extension(list, ExtensionId::SubjectKeyIdentifier, Criticality::NonCritical, &value.finish());
    for extension in &content.extensions {
        write_extension(list, extension.id, extension.criticality, &extension.value);
    }
}

fn write_authority(list: &mut Writer, identifier: &[u8]) {
    let mut value = Writer::new();
    value.nested(Tag::SEQUENCE, |members| {
        members.tlv(Tag::context(0), identifier);
    });
    write_extension(list, ExtensionId::AuthorityKeyIdentifier, Criticality::NonCritical, &value.finish());
}

fn write_extension(list: &mut Writer, id: ExtensionId, criticality: Criticality, value: &[u8]) {
    list.nested(Tag::SEQUENCE, |extension| {
        extension.tlv(Tag::OID, id.content());
        match criticality {
            Criticality::Critical => {
                extension.boolean(Tag::BOOLEAN, true);
            }
            Criticality::NonCritical => {}
        }
        extension.tlv(Tag::OCTET_STRING, value);
    });
}

/// UTCTime up to 2049, GeneralizedTime from 2050 on and before 1950 (RFC 5280 4.1.2.5).
fn write_time(writer: &mut Writer, at: Timestamp) -> Result<(), IssueError> {
    let date = time::OffsetDateTime::from_unix_timestamp(at.as_secs()).map_err(|_| IssueError::Date(at))?;
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    );
    match date.year() {
        year @ 1950..=2049 => writer.tlv(UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes()),
        year @ 0..=9999 => writer.tlv(GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes()),
        _ => return Err(IssueError::Date(at)),
    };
    Ok(())
}

/// ECDSA-Sig-Value (RFC 3279 2.2.3) of a plain signature.
pub(super) fn signature_to_der(signature: &Signature) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(Tag::SEQUENCE, |members| {
        for number in signature.chunks_exact(signature.len() / 2) {
            let mut octets: Vec<u8> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
            // Positive, never empty.
            if octets.first().is_none_or(|lead| lead & 0x80 != 0) {
                octets.insert(0, 0);
            }
            members.tlv(Tag::INTEGER, &octets);
        }
    });
    writer.finish()
}

fn sequence(members: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(Tag::SEQUENCE, members);
    writer.finish()
}

/// The content octets of a BIT STRING of whole octets.
fn bit_string(octets: &[u8]) -> Vec<u8> {
    let mut content = vec![0];
    content.extend_from_slice(octets);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_turned_into_minimal_positive_integers() {
        let mut signature = [0; 64];
        signature[31] = 0x80;
        signature[62] = 0x01;
        assert_eq!(
            signature_to_der(&signature),
            hex::decode("3008020200800202 0100".replace(' ', "")).unwrap()
        );
        assert_eq!(signature_to_der(&[0; 64]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        let full = signature_to_der(&[0xFF; 64]);
        assert_eq!((full.len(), &full[..5]), (72, &[0x30, 0x46, 0x02, 0x21, 0x00][..]));
    }

    #[test]
    fn dates_change_their_form_in_2050() {
        for (secs, tag, text) in [
            (0, 0x17, "700101000000Z"),
            (2_524_607_999, 0x17, "491231235959Z"),
            (2_524_608_000, 0x18, "20500101000000Z"),
            (174_385_734_538, 0x18, "74960124094858Z"),
            (-631_152_001, 0x18, "19491231235959Z"),
        ] {
            let mut writer = Writer::new();
            write_time(&mut writer, Timestamp::from_secs(secs)).unwrap();
            let der = writer.finish();
            assert_eq!((der[0], std::str::from_utf8(&der[2..]).unwrap()), (tag, text));
        }
        let far = Timestamp::from_secs(300_000_000_000);
        assert_eq!(write_time(&mut Writer::new(), far), Err(IssueError::Date(far)));
    }

    #[test]
    fn a_root_is_read_back_with_what_was_asked_for() {
        for curve in Curve::ALL {
            a_root_on(curve);
        }
    }

    fn a_root_on(curve: Curve) {
        let rng = Rng::seeded(1);
        let drawn = PrivateKey::draw(&rng, curve);
        let key = SigningKey::from_der(&drawn.to_pkcs8_der().unwrap()).unwrap();
        let validity = Validity {
            not_before: Timestamp::from_secs(-86_400),
            not_after: Timestamp::from_secs(9_000_000_000),
        };
        let subject = Subject { common_name: Some("Root".into()), ..Subject::default() };
        let oid = Oid::parse("2.999.1").unwrap();
        let content = Content::new(subject, validity)
            .signs_certificates_and_lists()
            .authority(None)
            .role(Role::Ci, Criticality::Critical)
            .names(&["a.example".to_owned()], Some(&oid));
        let root = issue_root(&content, &key, &rng).unwrap();
        assert!(root.is_of(&key) && root.has_role(Role::Ci));
        assert_eq!(root.public_key().unwrap().curve(), curve);
        root.public_key().unwrap().verify_der(root.signed_part(), root.signature()).unwrap();
        assert_eq!(root.common_name(), Some("Root"));
        assert_eq!((root.not_before(), root.not_after()), (validity.not_before, validity.not_after));
        assert_eq!((root.registered_id(), root.dns_names()), (Some(&oid), &["a.example".to_owned()][..]));
        assert_eq!(root.authority_key_identifier(), None);
        let other = PrivateKey::draw(&rng, curve).signing_key().unwrap();
        assert_eq!(Issuer::new(root, other).unwrap_err(), IssueError::OtherKey);
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        for text in [String::new(), "x".repeat(65)] {
            let subject = Subject { organization: Some(text.clone()), ..Subject::default() };
            assert_eq!(subject.to_der(), Err(IssueError::Name(text)));
        }
    }
}
