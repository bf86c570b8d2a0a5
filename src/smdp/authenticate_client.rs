//! ES9+.AuthenticateClient (SGP.22 5.6.3): who is the eUICC, and which profile may it have?
//!
//! Repeated with the same octets before a package was handed over, it gives the same answer again. Any other second
//! call finds no session. A refusal ends the session; an internal error leaves it for a repetition.

use std::borrow::Cow;
use std::sync::Arc;

use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::authentication::{AuthenticateResponseOk, AuthenticateServerResponse};
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::rsp::es9plus::error::{UNDEFINED, authenticate_client as code};
use simyard_asn1::rsp::info::rsp_capability;
use simyard_asn1::{Decode as _, Encode as _};

use super::eligibility::{abilities, asked};
use super::failures;
use super::guesses::TooManyGuesses;
use super::handle_download_progress_info::Progress;
use super::initiate_authentication::tlv;
use super::sessions::{ClientAuthenticated, Initiated, Session};
use super::status::{Es9PlusError, FunctionError, Reason, Subject};
use super::{RACES, Smdp};
use crate::binding::es9plus::{AuthenticateClientRequest, AuthenticateClientResponse};
use crate::crypto::ecdsa::{EcdsaError, PublicKey};
use crate::crypto::hash::sha256;
use crate::domain::{
    Abilities, Accepted, AcceptedAs, Attempts, ErrorReason, Ineligible, Limits, NotEligible,
    NotificationPoint, Order, Refusal, eligibility, select_order,
};
use crate::ident::{Eid, MatchingId, Peer, TransactionId};
use crate::pki::{
    Certificate, CertificateError, EuiccError, EumError, Refusal as CertificateRefusal, VerifiedEuicc,
    verify_euicc,
};
use crate::profile::metadata::{InvalidMetadata, ProfileMetadata, Understands};
use crate::store::{Material, StoreError};

/// The name of this function where failures are kept.
const NAME: &str = "AuthenticateClient";
/// Octets of a sealed package up to which a session remembers it.
const REMEMBERED_OCTETS_MAX: usize = 1024;

/// Why the eUICC gets no profile; one variant for each rule of 5.6.3.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateClientError {
    /// No session of this identifier waits for this call.
    #[error("no session {0} waits for AuthenticateClient")]
    UnknownTransaction(TransactionId),
    /// authenticateServerResponse is none (6.5).
    #[error("authenticateServerResponse cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The eUICC refused the server: the integer of AuthenticateErrorCode.
    #[error("the eUICC refused the server with AuthenticateErrorCode {0}")]
    RefusedByEuicc(u32),
    /// The eUICC signed another transactionId.
    #[error("the eUICC signed another transactionId than {0}")]
    OtherTransaction(TransactionId),
    /// The EUM certificate cannot be read.
    #[error("EUM certificate: {0}")]
    EumForm(#[source] CertificateError),
    /// The EUM certificate is refused (4.5.2.2).
    #[error(transparent)]
    Eum(#[from] EumError),
    /// The eUICC certificate cannot be read.
    #[error("eUICC certificate: {0}")]
    EuiccForm(#[source] CertificateError),
    /// The eUICC certificate is refused (4.5.2.2).
    #[error(transparent)]
    Euicc(#[from] EuiccError),
    /// euiccSignature1 does not verify.
    #[error("euiccSignature1 does not verify")]
    Signature,
    /// The eUICC signed another challenge.
    #[error("the eUICC signed another server challenge")]
    Challenge,
    /// This caller guessed wrong too often: no matching identifier is looked up now.
    #[error(transparent)]
    TooManyGuesses(#[from] TooManyGuesses),
    /// No order, or none that is ready (5.6.3, 3.1.5).
    #[error(transparent)]
    Order(#[from] Refusal),
    /// The profile does not fit the eUICC (3.1.3, annex F).
    #[error("the profile does not fit the eUICC: {0}")]
    NotEligible(#[from] Ineligible),
    /// The order's profile type is not in the catalogue.
    #[error("profile type {0} is not configured")]
    ProfileType(String),
    /// The order's own metadata is none that this version makes.
    #[error("the metadata of the order cannot be used")]
    Metadata(#[source] InvalidMetadata),
    /// The order changed again and again while it was read.
    #[error("the order is in use")]
    Race,
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[source] StoreError),
    /// The answer could not be signed.
    #[error("the answer could not be signed")]
    Signing(#[source] EcdsaError),
}

impl FunctionError for AuthenticateClientError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::UnknownTransaction(_) | Self::OtherTransaction(_) => {
                (Subject::TransactionId, Reason::Unknown)
            }
            Self::Form(_) | Self::RefusedByEuicc(_) | Self::Signature | Self::Challenge => {
                (Subject::Euicc, Reason::VerificationFailed)
            }
            Self::EumForm(_) => (Subject::EumCertificate, Reason::VerificationFailed),
            Self::Eum(error) => match error.kind() {
                CertificateRefusal::UnknownCi => (Subject::CiPublicKey, Reason::Unknown),
                CertificateRefusal::Expired => (Subject::EumCertificate, Reason::Expired),
                CertificateRefusal::Verification => (Subject::EumCertificate, Reason::VerificationFailed),
            },
            Self::EuiccForm(_) => (Subject::EuiccCertificate, Reason::VerificationFailed),
            Self::Euicc(error) => match error.kind() {
                CertificateRefusal::Expired => (Subject::EuiccCertificate, Reason::Expired),
                CertificateRefusal::UnknownCi | CertificateRefusal::Verification => {
                    (Subject::EuiccCertificate, Reason::VerificationFailed)
                }
            },
            Self::Order(refusal) => match refusal {
                Refusal::MatchingIdRefused => (Subject::MatchingId, Reason::Refused),
                Refusal::EidMismatch => (Subject::Eid, Reason::Refused),
                Refusal::NotReleased(_) => (Subject::Profile, Reason::NotAllowed),
                Refusal::Expired(_) => (Subject::DownloadOrder, Reason::TimeToLiveExpired),
                Refusal::AttemptsExceeded(_) => (Subject::DownloadOrder, Reason::MaximumAttemptsExceeded),
            },
            Self::TooManyGuesses(_) => (Subject::FunctionProvider, Reason::Unavailable),
            Self::NotEligible(reason) if reason.rule().is_memory() => {
                (Subject::Euicc, Reason::InsufficientMemory)
            }
            Self::NotEligible(_) => (Subject::ProfileType, Reason::StoppedOnWarning),
            Self::ProfileType(_) | Self::Metadata(_) | Self::Race | Self::Store(_) | Self::Signing(_) => {
                (Subject::Function, Reason::ExecutionError)
            }
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(cause) => Some(cause),
            Self::Metadata(cause) => Some(cause),
            Self::Signing(cause) => Some(cause),
            _ => None,
        }
    }
}

impl Es9PlusError for AuthenticateClientError {
    fn error_code(&self) -> u32 {
        match self {
            Self::UnknownTransaction(_) | Self::OtherTransaction(_) => code::INVALID_TRANSACTION_ID,
            Self::Form(_) | Self::RefusedByEuicc(_) | Self::Signature | Self::Challenge => {
                code::EUICC_SIGNATURE_INVALID
            }
            Self::EumForm(_) => code::EUM_CERTIFICATE_INVALID,
            Self::Eum(error) => match error.kind() {
                CertificateRefusal::UnknownCi => code::CI_PK_UNKNOWN,
                CertificateRefusal::Expired => code::EUM_CERTIFICATE_EXPIRED,
                CertificateRefusal::Verification => code::EUM_CERTIFICATE_INVALID,
            },
            Self::EuiccForm(_) => code::EUICC_CERTIFICATE_INVALID,
            Self::Euicc(error) => match error.kind() {
                CertificateRefusal::Expired => code::EUICC_CERTIFICATE_EXPIRED,
                CertificateRefusal::UnknownCi | CertificateRefusal::Verification => {
                    code::EUICC_CERTIFICATE_INVALID
                }
            },
            Self::Order(refusal) => match refusal {
                Refusal::MatchingIdRefused => code::MATCHING_ID_REFUSED,
                Refusal::EidMismatch => code::EID_MISMATCH,
                Refusal::NotReleased(_) | Refusal::Expired(_) | Refusal::AttemptsExceeded(_) => UNDEFINED,
            },
            Self::NotEligible(reason) if reason.rule().is_memory() => code::INSUFFICIENT_MEMORY,
            Self::NotEligible(_) => code::NO_ELIGIBLE_PROFILE,
            Self::TooManyGuesses(_)
            | Self::ProfileType(_)
            | Self::Metadata(_)
            | Self::Race
            | Self::Store(_)
            | Self::Signing(_) => UNDEFINED,
        }
    }
}

impl AuthenticateClientError {
    /// Whether the fault is the server's: the session is kept, so that the LPA may try again.
    fn is_internal(&self) -> bool {
        self.status() == (Subject::Function, Reason::ExecutionError)
    }
}

/// Authenticates the eUICC and announces the profile.
///
/// # Errors
/// [`AuthenticateClientError`].
pub async fn authenticate_client(
    smdp: &Smdp,
    peer: Peer,
    request: &AuthenticateClientRequest,
) -> Result<AuthenticateClientResponse, AuthenticateClientError> {
    let id = &request.transaction_id;
    let unknown = || AuthenticateClientError::UnknownTransaction(id.clone());
    let request_hash = sha256(&request.authenticate_server_response);

    // 1. An open session for which InitiateAuthentication is done, or a repetition.
    let guard = smdp.sessions.take(id).await.ok_or_else(unknown)?;
    let initiated = match guard.session() {
        Some(Session::Initiated(initiated)) => initiated,
        Some(Session::ClientAuthenticated(done))
            if done.request_hash == request_hash && done.delivered.is_none() =>
        {
            return Ok(answer(id, done));
        }
        Some(Session::ClientAuthenticated(_)) | None => return Err(unknown()),
    };
    match authenticate(smdp, peer, id, initiated, &request.authenticate_server_response, request_hash).await {
        Ok(session) => {
            let response = answer(id, &session);
            guard.advance(Session::ClientAuthenticated(Box::new(session)));
            Ok(response)
        }
        Err(error) => {
            if !error.is_internal() {
                guard.end();
            }
            Err(error)
        }
    }
}

fn answer(id: &TransactionId, session: &ClientAuthenticated) -> AuthenticateClientResponse {
    AuthenticateClientResponse {
        transaction_id: id.clone(),
        profile_metadata: session.profile_metadata.clone(),
        smdp_signed2: session.smdp_signed2.clone(),
        smdp_signature2: session.smdp_signature2.clone(),
        smdp_certificate: session.identity.dp_pb().certificate.der().to_vec(),
    }
}

async fn authenticate(
    smdp: &Smdp,
    peer: Peer,
    id: &TransactionId,
    initiated: &Initiated,
    response: &[u8],
    request_hash: [u8; 32],
) -> Result<ClientAuthenticated, AuthenticateClientError> {
    // 2. What the eUICC says, or why it refused.
    let ok = match AuthenticateServerResponse::from_der(response)? {
        AuthenticateServerResponse::Ok(ok) => ok,
        AuthenticateServerResponse::Error(error) => {
            return Err(AuthenticateClientError::RefusedByEuicc(error.code));
        }
    };

    // 3. to 10. Certificates, signature, challenge.
    let euicc = verify(smdp, id, initiated, &ok)?;
    smdp.seen.hear(euicc.eid(), smdp.clock.now());

    // 12. to 16. The order, whether it fits, and its attempt is counted before anything is answered.
    let params = &ok.euicc_signed1.value.ctx_params1.value;
    let matching_id = match params.matching_id {
        None => None,
        Some(text) => Some(MatchingId::parse(text).map_err(|_| Refusal::MatchingIdRefused)?),
    };
    let signed1 = &ok.euicc_signed1.value;
    let abilities = abilities(signed1);
    let Found { accepted, metadata, material } =
        find_order(smdp, peer, matching_id.as_ref(), euicc.eid(), &abilities).await?;
    let order = accepted.order;
    let info = &signed1.euicc_info2.value;
    let understands = Understands {
        service_specific_data: info.rsp_capability.has(rsp_capability::SERVICE_SPECIFIC_DATA),
        iot: info.iot_specific_info.is_some(),
    };
    let profile_metadata = metadata.to_store_metadata_for(&order.iccid, understands);

    // 17. The one-time key of an earlier binding is offered again; the order says whether a code is asked for.
    let kept = match accepted.accepted_as {
        AcceptedAs::First => None,
        AcceptedAs::Retry => {
            let curve = initiated.identity.dp_pb().key.public_key().curve();
            material
                .binding
                .as_ref()
                .filter(|binding| binding.eid == *euicc.eid() && binding.sealed_session_keys.is_some())
                // A key on another curve than that of the CERT.DPpb of this session agrees with none of it.
                .filter(|binding| PublicKey::from_point(curve, &binding.euicc_otpk).is_ok())
        }
    };
    let smdp_signed2 = SmdpSigned2 {
        transaction_id: id.as_octets(),
        cc_required_flag: order.code_hash().is_some(),
        bpp_euicc_otpk: kept.map(|binding| binding.euicc_otpk.as_slice()),
    }
    .to_der();
    let signed = [&smdp_signed2[..], &tlv(SIGNATURE, ok.euicc_signature1)].concat();
    let identity = Arc::clone(&initiated.identity);
    let signature = identity.dp_pb().key.sign(&signed).map_err(AuthenticateClientError::Signing)?;

    let is_small = material.package.sealed.len() <= REMEMBERED_OCTETS_MAX;
    Ok(ClientAuthenticated {
        identity,
        euicc,
        profile_metadata,
        order,
        material: is_small.then(|| Arc::new(material)),
        request_hash,
        smdp_signed2,
        smdp_signature2: tlv(SIGNATURE, &signature),
        refused_code: None,
        delivered: None,
    })
}

/// Steps 3 to 10: that this eUICC, and no other, answered this session.
fn verify(
    smdp: &Smdp,
    id: &TransactionId,
    initiated: &Initiated,
    ok: &AuthenticateResponseOk<'_>,
) -> Result<VerifiedEuicc, AuthenticateClientError> {
    let now = smdp.clock.now();
    let signed = &ok.euicc_signed1;
    // The cheap comparison comes first: nothing is verified for an answer to another session.
    if signed.value.transaction_id != id.as_octets() {
        return Err(AuthenticateClientError::OtherTransaction(id.clone()));
    }
    let eum = match smdp.anchors.remembered_eum(ok.eum_certificate, now) {
        Some(remembered) => remembered?,
        None => {
            let eum = Certificate::from_der(ok.eum_certificate).map_err(AuthenticateClientError::EumForm)?;
            smdp.anchors.verify_eum(&eum, now)?
        }
    };
    let euicc = Certificate::from_der(ok.euicc_certificate).map_err(AuthenticateClientError::EuiccForm)?;
    let euicc = verify_euicc(&eum, &euicc, now)?;
    euicc
        .public_key()
        .verify(signed.bytes, ok.euicc_signature1)
        .map_err(|_| AuthenticateClientError::Signature)?;
    if signed.value.server_challenge != &initiated.server_challenge {
        return Err(AuthenticateClientError::Challenge);
    }
    Ok(euicc)
}

/// An order that may be downloaded.
struct Found<'s> {
    accepted: Accepted,
    metadata: Cow<'s, ProfileMetadata>,
    /// What was read with the order.
    material: Material,
}

/// Steps 12 to 16 for a caller that may still guess. A matching identifier that is refused was a guess; without one
/// there is nothing to guess.
async fn find_order<'s>(
    smdp: &'s Smdp,
    peer: Peer,
    matching_id: Option<&MatchingId>,
    eid: &Eid,
    abilities: &Abilities,
) -> Result<Found<'s>, AuthenticateClientError> {
    if matching_id.is_none_or(MatchingId::is_empty) {
        return accept_order(smdp, matching_id, eid, abilities).await;
    }
    smdp.guesses.check(peer, eid)?;
    let found = accept_order(smdp, matching_id, eid, abilities).await;
    if matches!(found, Err(AuthenticateClientError::Order(Refusal::MatchingIdRefused))) {
        smdp.guesses.count(peer, eid);
    }
    found
}

/// Steps 12 to 16. An order that ended by its limits is put into state Error. A fault of ours costs the order no attempt:
/// its profile type and metadata are looked up before the count. Eligibility is judged before the count too, so that both
/// are one change where the refusal ends the order, and the operator is told of both in one.
async fn accept_order<'s>(
    smdp: &'s Smdp,
    matching_id: Option<&MatchingId>,
    eid: &Eid,
    abilities: &Abilities,
) -> Result<Found<'s>, AuthenticateClientError> {
    for _ in 0..RACES {
        let (candidates, material) = match matching_id.filter(|id| !id.is_empty()) {
            Some(id) => {
                let material = smdp.store.material_for(id).await.map_err(AuthenticateClientError::Store)?;
                (material.iter().map(|material| material.order.clone()).collect(), material)
            }
            None => {
                let orders = smdp.store.orders_for(None, eid).await;
                (orders.map_err(AuthenticateClientError::Store)?, None)
            }
        };
        let now = smdp.clock.now();
        let accepted = match select_order(candidates, matching_id, eid, now, &smdp.limits) {
            Ok(accepted) => accepted,
            Err(refusal) => return Err(refuse(smdp, refusal, eid, material.as_ref()).await),
        };
        let profile_type = &accepted.order.profile_type;
        let product = smdp
            .catalogue
            .product(profile_type)
            .ok_or_else(|| AuthenticateClientError::ProfileType(profile_type.to_string()))?;
        let metadata = product.metadata_of(&accepted.order).map_err(AuthenticateClientError::Metadata)?;
        let material = match material {
            Some(material) => Some(material),
            None => {
                let material = smdp.store.material(&accepted.order.iccid).await;
                material.map_err(AuthenticateClientError::Store)?
            }
        };
        let Some(material) = material.filter(|found| found.order.version == accepted.order.version) else {
            continue;
        };
        let fits = eligibility::check(
            product.needs_of(&material.package).as_ref(),
            asked(&metadata),
            &product.demands,
            abilities,
        );
        let changed = match &fits {
            Ok(()) => count(smdp, &accepted.order, eid, Progress::Eligible).await,
            Err(reason) => end_ineligible(smdp, &accepted.order, eid, reason, product.not_eligible).await,
        };
        match (changed, fits) {
            (Ok(()), Ok(())) => return Ok(Found { accepted, metadata, material }),
            (Ok(()), Err(reason)) => {
                let error = AuthenticateClientError::NotEligible(reason);
                failures::keep(smdp, &accepted.order, NAME, &error).await;
                return Err(error);
            }
            (Err(StoreError::Conflict), _) => {}
            (Err(error), _) => return Err(AuthenticateClientError::Store(error)),
        }
    }
    Err(AuthenticateClientError::Race)
}

async fn count(smdp: &Smdp, order: &Order, eid: &Eid, progress: Progress<'_>) -> Result<(), StoreError> {
    let callback = smdp.callback(order, Some(eid), progress);
    smdp.store.count_download_attempt(order, smdp.limits.download_attempts, callback).await
}

/// Step 16 refuses: the attempt counts, and the order ends unless its profile type says that it is kept for an eUICC
/// that fits.
async fn end_ineligible(
    smdp: &Smdp,
    order: &Order,
    eid: &Eid,
    reason: &Ineligible,
    not_eligible: NotEligible,
) -> Result<(), StoreError> {
    match not_eligible {
        NotEligible::KeepReleased => count(smdp, order, eid, Progress::NotEligible(reason)).await,
        NotEligible::Error => {
            let Attempts { download, confirmation } = order.attempts();
            let attempts = Attempts { download: download.saturating_add(1), confirmation };
            let now = smdp.clock.now();
            let ended = order.clone().recount(attempts);
            match ended.and_then(|order| order.fail(ErrorReason::NotEligible(reason.rule()), now)) {
                Ok(ended) => {
                    let callback = smdp.callback(&ended, Some(eid), Progress::NotEligible(reason));
                    smdp.store.save_with_attempts_and_tell(ended, callback).await.map(drop)
                }
                Err(_) => Err(StoreError::Conflict),
            }
        }
    }
}

/// No order is downloaded: one that ended by its limits goes to state Error, and the one that was asked for keeps why.
async fn refuse(
    smdp: &Smdp,
    refusal: Refusal,
    eid: &Eid,
    asked_for: Option<&Material>,
) -> AuthenticateClientError {
    let ended = ended_by(&refusal, &smdp.limits);
    if let Some((order, reason)) = &ended
        && let Err(error) = end_order(smdp, order, Some(eid), point_of(*reason), *reason).await
    {
        // The next call finds the same limit and ends the order then.
        tracing::warn!(iccid = %order.iccid, %error, "the order could not be ended");
    }
    let error = AuthenticateClientError::Order(refusal);
    let order = match &error {
        AuthenticateClientError::Order(
            Refusal::NotReleased(order) | Refusal::Expired(order) | Refusal::AttemptsExceeded(order),
        ) => Some(order.as_ref()),
        _ => asked_for.map(|material| &material.order),
    };
    if let Some(order) = order {
        failures::keep(smdp, order, NAME, &error).await;
    }
    error
}

fn ended_by(refusal: &Refusal, limits: &Limits) -> Option<(Order, ErrorReason)> {
    match refusal {
        Refusal::Expired(order) => Some((order.as_ref().clone(), ErrorReason::Expired)),
        Refusal::AttemptsExceeded(order) => {
            let by_codes = order.attempts().confirmation >= limits.confirmation_attempts;
            let reason =
                if by_codes { ErrorReason::ConfirmationAttempts } else { ErrorReason::DownloadAttempts };
            Some((order.as_ref().clone(), reason))
        }
        Refusal::MatchingIdRefused | Refusal::EidMismatch | Refusal::NotReleased(_) => None,
    }
}

/// Where the operator is told that an order has come to its limits: what ended it is of the code, or of all else.
const fn point_of(reason: ErrorReason) -> NotificationPoint {
    match reason {
        ErrorReason::ConfirmationAttempts => NotificationPoint::ConfirmationFailure,
        ErrorReason::DownloadAttempts
        | ErrorReason::Expired
        | ErrorReason::NotEligible(_)
        | ErrorReason::Cancelled(_)
        | ErrorReason::Installation(_) => NotificationPoint::EligibilityAndRetryLimitCheck,
    }
}

/// Puts an order into state Error, and tells the operator that it failed at `point` with this eUICC; nothing to do where
/// its state does not allow it.
///
/// # Errors
/// [`StoreError::Conflict`] if the order changed since it was read; others if the store fails.
pub(super) async fn end_order(
    smdp: &Smdp,
    order: &Order,
    eid: Option<&Eid>,
    point: NotificationPoint,
    reason: ErrorReason,
) -> Result<(), StoreError> {
    match order.clone().fail(reason, smdp.clock.now()) {
        Ok(failed) => {
            let callback = smdp.callback(&failed, eid, Progress::Failed(point, reason));
            smdp.store.save_and_tell(failed, callback).await.map(drop)
        }
        Err(_) => Ok(()),
    }
}
