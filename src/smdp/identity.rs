//! The SM-DP+'s own certificates and keys: one pair of CERT.DPauth and CERT.DPpb for each CI (SGP.22 4.5.2).
//!
//! They are checked when the server starts, by the rules that eUICCs apply: a wrong pair is refused here, not by the
//! first card.

use std::sync::Arc;

use simyard_asn1::Oid;

use crate::crypto::ecdsa::SigningKey;
use crate::env::Timestamp;
use crate::pki::{Anchors, Certificate, ServerCertificateError};

/// The CIs that an interface offers: those of the server, or some of them. What it does not offer is as unknown there.
/// A session belongs to the server: opened on one interface, it may go on at another.
#[derive(Clone, Debug)]
pub struct OfferedCis(Option<Arc<[Vec<u8>]>>);

impl OfferedCis {
    /// All that the server has.
    #[must_use]
    pub const fn all() -> Self {
        Self(None)
    }

    /// Those with these key identifiers alone.
    #[must_use]
    pub fn only(key_identifiers: Vec<Vec<u8>>) -> Self {
        Self(Some(key_identifiers.into()))
    }

    /// Whether the CI with this key identifier is among them.
    #[must_use]
    pub fn contains(&self, key_identifier: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|some| some.iter().any(|offered| offered == key_identifier))
    }
}

/// A certificate with its key, as loaded.
#[derive(Debug)]
pub struct Credential {
    /// The certificate.
    pub certificate: Certificate,
    /// Its private key.
    pub key: SigningKey,
}

/// CERT.DPauth and CERT.DPpb under one CI.
#[derive(Debug)]
pub struct Identity {
    dp_auth: Credential,
    dp_pb: Credential,
    oid: Oid,
    ci_key_identifier: Vec<u8>,
}

/// Why certificates and keys are no identity of an SM-DP+.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// CERT.DPauth is refused.
    #[error("CERT.DPauth cannot be used: {0}")]
    DpAuth(ServerCertificateError),
    /// CERT.DPpb is refused.
    #[error("CERT.DPpb cannot be used: {0}")]
    DpPb(ServerCertificateError),
    /// The key does not belong to CERT.DPauth.
    #[error("the private key given for CERT.DPauth does not belong to the certificate")]
    DpAuthKey,
    /// The key does not belong to CERT.DPpb.
    #[error("the private key given for CERT.DPpb does not belong to the certificate")]
    DpPbKey,
}

impl Identity {
    /// Checks both certificates under `anchors`, that they belong together, and that the keys belong to them.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new(
        dp_auth: Credential,
        dp_pb: Credential,
        anchors: &Anchors,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        let auth = anchors.verify_dp_auth(&dp_auth.certificate, now).map_err(IdentityError::DpAuth)?;
        anchors.verify_dp_pb(&auth, &dp_pb.certificate, now).map_err(IdentityError::DpPb)?;
        if !dp_auth.certificate.is_of(&dp_auth.key) {
            return Err(IdentityError::DpAuthKey);
        }
        if !dp_pb.certificate.is_of(&dp_pb.key) {
            return Err(IdentityError::DpPbKey);
        }
        let (oid, ci_key_identifier) = (auth.oid().clone(), auth.ci_key_identifier().to_vec());
        Ok(Self { dp_auth, dp_pb, oid, ci_key_identifier })
    }

    /// CERT.DPauth and its key: signs serverSigned1.
    #[must_use]
    pub const fn dp_auth(&self) -> &Credential {
        &self.dp_auth
    }

    /// CERT.DPpb and its key: signs smdpSigned2 and the secure channel request.
    #[must_use]
    pub const fn dp_pb(&self) -> &Credential {
        &self.dp_pb
    }

    /// The OID of the SM-DP+, which both certificates carry.
    #[must_use]
    pub const fn oid(&self) -> &Oid {
        &self.oid
    }

    /// subjectKeyIdentifier of the CI.
    #[must_use]
    pub fn ci_key_identifier(&self) -> &[u8] {
        &self.ci_key_identifier
    }
}
