//! Why a certificate is refused: one variant per rule of SGP.22 4.5.2.2.
//!
//! The functions of SGP.22 5.6 answer with one of three reasons, whatever rule failed: [`Refusal`].

use std::fmt::Display;

use simyard_asn1::Oid;

use super::certificate::UnusableKey;
use super::role::Role;
use crate::env::Timestamp;

/// Octets of a key identifier that are printed: others than SHA-1 has are unusual, and a peer chooses them.
const PRINTED_OCTETS: usize = 40;
/// Characters of a text from a certificate that are printed.
const PRINTED_CHARS: usize = 64;
/// Members of a list from a certificate that are printed.
const PRINTED_MEMBERS: usize = 8;

fn key(identifier: &[u8]) -> String {
    match identifier.get(..PRINTED_OCTETS) {
        Some(start) if identifier.len() > PRINTED_OCTETS => hex::encode_upper(start) + "…",
        Some(_) | None => hex::encode_upper(identifier),
    }
}

/// The beginning of a text that a peer chose.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(PRINTED_CHARS) {
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

fn list<T: Display>(members: &[T]) -> String {
    let mut texts: Vec<String> =
        members.iter().take(PRINTED_MEMBERS).map(|member| cut(&member.to_string())).collect();
    if members.len() > PRINTED_MEMBERS {
        texts.push("…".to_owned());
    }
    format!("[{}]", texts.join(", "))
}

/// What the answer to the peer tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No trusted CI has the key identifier that the certificate names: 8.11.1/3.9.
    UnknownCi,
    /// The certificate is not valid now, or revoked: 6.3 of its subject code.
    Expired,
    /// Any other rule: 6.1 of its subject code.
    Verification,
}

/// Rules for every certificate below its issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No authorityKeyIdentifier with a key identifier.
    #[error("the certificate names no issuer: authorityKeyIdentifier is missing")]
    AuthorityKeyIdentifierMissing,
    /// authorityKeyIdentifier names no issuer that is trusted here.
    #[error("the certificate's issuer {} is not trusted", key(.0))]
    UnknownIssuer(Vec<u8>),
    /// Signed with another algorithm than ecdsa-with-SHA256 (2.6.7.2).
    #[error("the certificate is not signed with ecdsa-with-SHA256")]
    SignatureAlgorithm,
    /// The issuer's key cannot verify.
    #[error("the issuer's certificate cannot verify: {0}")]
    IssuerKey(UnusableKey),
    /// The signature does not verify under the issuer's key.
    #[error("the certificate's signature does not verify under its issuer's key")]
    Signature,
    /// Before notBefore.
    #[error("the certificate is valid from {not_before}, now is {now}")]
    NotYetValid {
        /// When validity begins.
        not_before: Timestamp,
        /// When it was asked.
        now: Timestamp,
    },
    /// After notAfter.
    #[error("the certificate was valid until {not_after}, now is {now}")]
    Expired {
        /// When validity ended.
        not_after: Timestamp,
        /// When it was asked.
        now: Timestamp,
    },
    /// A revocation list of the issuer names it (4.6).
    #[error("the certificate is revoked by its issuer")]
    Revoked,
    /// keyUsage is missing, not critical where it must be, or has other bits.
    #[error("keyUsage of the certificate does not fit: {expected} is expected")]
    KeyUsage {
        /// What the role asks for.
        expected: &'static str,
    },
    /// certificatePolicies lacks the identifier of the role.
    #[error("the certificate is none for the role {expected}, its policies are {}", list(.found))]
    Role {
        /// The role asked for.
        expected: Role,
        /// What the certificate names.
        found: Vec<Oid>,
    },
    /// basicConstraints does not fit the role.
    #[error("basicConstraints of the certificate do not fit: {expected}")]
    BasicConstraints {
        /// What the role asks for.
        expected: &'static str,
    },
    /// The subject's own key cannot be used.
    #[error(transparent)]
    Key(#[from] UnusableKey),
    /// A critical extension that is not understood (RFC 5280 4.2).
    #[error("the certificate has the critical extension {0}, which is not understood")]
    UnknownCriticalExtension(Oid),
}

impl PathError {
    /// What the answer tells apart.
    #[must_use]
    pub const fn kind(&self) -> Refusal {
        match self {
            Self::UnknownIssuer(_) => Refusal::UnknownCi,
            Self::NotYetValid { .. } | Self::Expired { .. } | Self::Revoked => Refusal::Expired,
            Self::AuthorityKeyIdentifierMissing
            | Self::SignatureAlgorithm
            | Self::IssuerKey(_)
            | Self::Signature
            | Self::KeyUsage { .. }
            | Self::Role { .. }
            | Self::BasicConstraints { .. }
            | Self::Key(_)
            | Self::UnknownCriticalExtension(_) => Refusal::Verification,
        }
    }

    /// Whether the cause is a curve that is not supported.
    #[must_use]
    pub const fn is_unsupported_curve(&self) -> bool {
        matches!(
            self,
            Self::IssuerKey(UnusableKey::UnsupportedCurve(_)) | Self::Key(UnusableKey::UnsupportedCurve(_))
        )
    }
}

/// Why certificates cannot be trust anchors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Nothing names an anchor but its key identifier.
    #[error("the CI certificate {:?} has no subjectKeyIdentifier", cut(.0))]
    KeyIdentifierMissing(String),
    /// Not a certificate that may issue others.
    #[error(
        "the certificate {:?} may not issue others: CA and keyCertSign are expected of a CI certificate",
        cut(.0)
    )]
    NoAuthority(String),
    /// Not the certificate of a CI, where one is asked for (4.5.2.1).
    #[error(
        "the certificate {:?} is no CI certificate: the policy 2.23.146.1.2.1.0 is expected, it names {}",
        cut(name),
        list(found)
    )]
    Role {
        /// commonName.
        name: String,
        /// The policies that the certificate names.
        found: Vec<Oid>,
    },
    /// A CI of remote SIM provisioning as CA of devices.
    #[error(
        "the certificate {:?} is a GSMA CI, or of another role of remote SIM provisioning: whoever has a certificate \
         under it could speak for any device; name the CA that issues the devices' own certificates",
        cut(.0)
    )]
    GsmaCi(String),
    /// Two anchors with one key identifier.
    #[error("two CI certificates have the key identifier {}", key(.0))]
    KeyIdentifierTwice(Vec<u8>),
}

/// Why an EUM certificate is refused: subject code 8.1.2, or 8.11.1 for an unknown CI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EumError {
    /// A rule for every certificate.
    #[error("EUM certificate: {0}")]
    Path(#[from] PathError),
    /// nameConstraints say more than permitted organisation and EID prefix.
    #[error("EUM certificate: nameConstraints may hold permitted organizationName with serialNumber alone")]
    NameConstraints,
}

impl EumError {
    /// What the answer tells apart.
    #[must_use]
    pub const fn kind(&self) -> Refusal {
        match self {
            Self::Path(error) => error.kind(),
            Self::NameConstraints => Refusal::Verification,
        }
    }
}

/// Why an eUICC certificate is refused: subject code 8.1.3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EuiccError {
    /// A rule for every certificate.
    #[error("eUICC certificate: {0}")]
    Path(#[from] PathError),
    /// The subject has not exactly one organizationName.
    #[error("eUICC certificate: the subject has not exactly one organizationName")]
    Organization,
    /// serialNumber of the subject is no EID.
    #[error("eUICC certificate: serialNumber of the subject is no EID of 32 digits")]
    Eid,
    /// The EUM may not issue for this organisation and EID.
    #[error(
        "eUICC certificate: the EUM's range does not permit EID {} of {:?}",
        cut(.eid),
        cut(.organization)
    )]
    OutsideRange {
        /// The EID of the certificate.
        eid: String,
        /// The organisation of the certificate.
        organization: String,
    },
}

impl EuiccError {
    /// What the answer tells apart. An issuer that is not the EUM is no unknown CI.
    #[must_use]
    pub const fn kind(&self) -> Refusal {
        match self {
            Self::Path(PathError::UnknownIssuer(_)) => Refusal::Verification,
            Self::Path(error) => error.kind(),
            Self::Organization | Self::Eid | Self::OutsideRange { .. } => Refusal::Verification,
        }
    }
}

/// Why a server's or an operator's certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerCertificateError {
    /// A rule for every certificate.
    #[error(transparent)]
    Path(#[from] PathError),
    /// subjectAltName has not exactly one registeredID.
    #[error("subjectAltName has not exactly one registeredID")]
    ObjectIdentifierMissing,
    /// DPpb lies under another CI than DPauth (5.7.5).
    #[error("the DPpb certificate lies under another CI than the DPauth certificate")]
    OtherCi,
    /// DPpb names another SM-DP+ than DPauth (5.7.5).
    #[error("the DPpb certificate is for {found}, the DPauth certificate for {expected}")]
    OtherObjectIdentifier {
        /// Of DPauth.
        expected: Oid,
        /// Of DPpb.
        found: Oid,
    },
    /// extKeyUsage lacks the purpose.
    #[error("extKeyUsage of the certificate lacks {0}")]
    Purpose(&'static str),
    /// No dNSName is the host that was called.
    #[error("the certificate is for {}, not for {:?}", list(.names), cut(.host))]
    HostName {
        /// The host that was called.
        host: String,
        /// The dNSNames of the certificate.
        names: Vec<String>,
    },
    /// The peer is known by another key.
    #[error("the certificate has another key than the one by which the peer is known")]
    OtherKey,
}

impl ServerCertificateError {
    /// What the answer tells apart.
    #[must_use]
    pub const fn kind(&self) -> Refusal {
        match self {
            Self::Path(error) => error.kind(),
            Self::ObjectIdentifierMissing
            | Self::OtherCi
            | Self::OtherObjectIdentifier { .. }
            | Self::Purpose(_)
            | Self::HostName { .. }
            | Self::OtherKey => Refusal::Verification,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_chose_is_printed_in_part() {
        let long = "x".repeat(5000);
        let oid = Oid::parse("2.999.10").unwrap();
        let texts = [
            PathError::UnknownIssuer(vec![0xAB; 5000]).to_string(),
            PathError::Role { expected: Role::Euicc, found: vec![oid; 5000] }.to_string(),
            AnchorError::KeyIdentifierMissing(long.clone()).to_string(),
            AnchorError::NoAuthority(long.clone()).to_string(),
            AnchorError::KeyIdentifierTwice(vec![0xAB; 5000]).to_string(),
            EuiccError::OutsideRange { eid: long.clone(), organization: long.clone() }.to_string(),
            ServerCertificateError::HostName { host: long.clone(), names: vec![long; 5000] }.to_string(),
        ];
        for text in texts {
            assert!(text.contains('…') && text.chars().count() < 800, "{text}");
        }
        let whole = PathError::UnknownIssuer(vec![0xAB; 20]).to_string();
        assert!(whole.contains(&"AB".repeat(20)) && !whole.contains('…'), "{whole}");
    }
}
