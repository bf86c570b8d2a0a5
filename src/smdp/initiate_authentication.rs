//! ES9+.InitiateAuthentication (SGP.22 5.6.1): opens a session and signs the server's side of it.
//!
//! Repeated, it opens another session with another transactionId and another challenge.

use std::sync::Arc;

use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::authentication::ServerSigned1;
use simyard_asn1::rsp::es9plus::error;
use simyard_asn1::rsp::info::EuiccInfo1;
use simyard_asn1::{Decode as _, Encode as _, Tag, Writer};

use super::Smdp;
use super::identity::OfferedCis;
use super::sessions::{Initiated, Session, TooManySessions};
use super::status::{Es9PlusError, FunctionError, Reason, Subject};
use crate::binding::es9plus::{InitiateAuthenticationRequest, InitiateAuthenticationResponse};
use crate::crypto::ecdsa::EcdsaError;
use crate::ident::{Peer, ServerAddress, TransactionId};

/// The major version of SGP.22 that is served.
const SERVED_MAJOR: u8 = 2;

/// What becomes of an eUICC of version 3 that can work with a server of version 2: it states 2.x as its lowest version
/// and 3.x as its highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version3Euiccs {
    /// It is served, as version 2 has it.
    #[default]
    Serve,
    /// It is refused with 8.8.3/3.1, as by a server that knows version 2 alone.
    Refuse,
}

/// Why no session is opened.
#[derive(Debug, thiserror::Error)]
pub enum InitiateAuthenticationError {
    /// euiccInfo1 is no EUICCInfo1 (6.5).
    #[error("euiccInfo1 cannot be read: {0}")]
    EuiccInfo1(#[from] simyard_asn1::Error),
    /// smdpAddress is no address of this server (5.6.1).
    #[error("{0:?} is no address of this server")]
    Address(String),
    /// The eUICC supports a version that is not served (5.6.1).
    #[error("version {0} of the eUICC is not served; 2.x.y is")]
    Version(Version),
    /// No CI under which the eUICC signs is trusted (5.6.1).
    #[error("no CI under which the eUICC has a certificate is trusted")]
    CiForSigning,
    /// The eUICC can verify no certificate of this server (5.6.1).
    #[error("the eUICC can verify no certificate of this server")]
    CiForVerification,
    /// No room for one more session.
    #[error(transparent)]
    Busy(#[from] TooManySessions),
    /// The answer could not be signed.
    #[error("the answer could not be signed")]
    Signing(#[from] EcdsaError),
}

impl FunctionError for InitiateAuthenticationError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::EuiccInfo1(_) => (Subject::Function, Reason::Invalid),
            Self::Address(_) => (Subject::SmdpAddress, Reason::Refused),
            Self::Version(_) => (Subject::SpecificationVersion, Reason::Unsupported),
            Self::CiForSigning => (Subject::SecurityConfiguration, Reason::Unsupported),
            Self::CiForVerification => (Subject::SmdpCertificate, Reason::Unavailable),
            Self::Busy(_) => (Subject::FunctionProvider, Reason::Unavailable),
            Self::Signing(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn subject_identifier(&self) -> Option<String> {
        match self {
            Self::Address(address) => Some(address.clone()),
            _ => None,
        }
    }
}

impl Es9PlusError for InitiateAuthenticationError {
    fn error_code(&self) -> u32 {
        match self {
            Self::Address(_) => error::initiate_authentication::INVALID_DP_ADDRESS,
            Self::Version(_) => error::initiate_authentication::EUICC_VERSION_NOT_SUPPORTED_BY_DP,
            // No value of its own says that our certificates are the ones that do not fit.
            Self::CiForSigning | Self::CiForVerification => {
                error::initiate_authentication::CI_PK_NOT_SUPPORTED
            }
            Self::EuiccInfo1(_) | Self::Busy(_) | Self::Signing(_) => error::UNDEFINED,
        }
    }
}

/// Opens a session, under the CIs that the interface offers on which it was called.
///
/// # Errors
/// [`InitiateAuthenticationError`]; nothing is kept then.
pub fn initiate_authentication(
    smdp: &Smdp,
    peer: Peer,
    offered: &OfferedCis,
    request: &InitiateAuthenticationRequest,
) -> Result<InitiateAuthenticationResponse, InitiateAuthenticationError> {
    let info = EuiccInfo1::from_der(&request.euicc_info1)?;

    // The address that the LPA contacted is one of ours; the answer keeps our spelling.
    let contacted = ServerAddress::parse(&request.smdp_address);
    let address =
        smdp.addresses.iter().find(|address| contacted.as_ref() == Ok(address)).ok_or_else(|| {
            InitiateAuthenticationError::Address(request.smdp_address.chars().take(64).collect())
        })?;

    check_version(&info, smdp.version3_euiccs)?;

    // The lists are in the eUICC's order of preference and independent of each other: the CI under which it signs may
    // be another than the one under which it verifies, and on another curve.
    let ci_to_be_used = info
        .ci_pk_ids_for_signing
        .iter()
        .filter(|id| offered.contains(id))
        .find(|id| smdp.anchors.ci(id).is_some_and(|ci| ci.public_key().is_ok()))
        .ok_or(InitiateAuthenticationError::CiForSigning)?;
    let identity = info
        .ci_pk_ids_for_verification
        .iter()
        .filter(|id| offered.contains(id))
        .find_map(|id| smdp.identities.iter().find(|identity| identity.ci_key_identifier() == *id))
        .ok_or(InitiateAuthenticationError::CiForVerification)?;

    let transaction_id = TransactionId::generate(&smdp.rng, smdp.clock.now());
    let server_challenge: [u8; 16] = smdp.rng.array();
    let server_signed1 = ServerSigned1 {
        transaction_id: transaction_id.as_octets(),
        euicc_challenge: &request.euicc_challenge,
        server_address: address.as_str(),
        server_challenge: &server_challenge,
    }
    .to_der();
    // Nothing is signed for a session that finds no room.
    let session = Initiated { server_challenge, identity: Arc::clone(identity) };
    smdp.sessions.open(transaction_id.clone(), peer, Session::Initiated(session))?;
    let signature = identity.dp_auth().key.sign(&server_signed1)?;

    Ok(InitiateAuthenticationResponse {
        transaction_id,
        server_signed1,
        server_signature1: tlv(SIGNATURE, &signature),
        euicc_ci_pk_id_to_be_used: tlv(Tag::OCTET_STRING, ci_to_be_used),
        server_certificate: identity.dp_auth().certificate.der().to_vec(),
    })
}

fn check_version(
    info: &EuiccInfo1<'_>,
    version3_euiccs: Version3Euiccs,
) -> Result<(), InitiateAuthenticationError> {
    let highest = match version3_euiccs {
        Version3Euiccs::Serve => None,
        Version3Euiccs::Refuse => info.highest_svn(),
    };
    let unserved = |version: &Version| version.0.first() != Some(&SERVED_MAJOR);
    match [Some(info.svn), highest].into_iter().flatten().find(unserved) {
        Some(version) => Err(InitiateAuthenticationError::Version(version)),
        None => Ok(()),
    }
}

/// One TLV.
pub(super) fn tlv(tag: Tag, value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(tag, value);
    writer.finish()
}
