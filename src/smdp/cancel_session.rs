//! ES9+.CancelSession (SGP.22 5.6.5, 3.0.2): the user, the LPA or the eUICC gives up.
//!
//! A terminal reason ends the order; any other leaves it, and its binding, for a later session. Repeated, the session is
//! unknown. A session before AuthenticateClient has no eUICC that could sign, so it is unknown too.

use simyard_asn1::Decode as _;
use simyard_asn1::rsp::download::{CancelSessionResponse, cancel_session_reason};
use simyard_asn1::rsp::es9plus::error::{UNDEFINED, cancel_session as code};

use super::authenticate_client::end_order;
use super::downloads::DownloadResult;
use super::failures;
use super::status::{Es9PlusError, FunctionError, Reason, Subject};
use super::{RACES, Smdp};
use crate::binding::es9plus::CancelSessionRequest;
use crate::domain::{ErrorReason, NotificationPoint, Order};
use crate::ident::{Eid, TransactionId};
use crate::store::StoreError;

/// sessionAborted of version 3: not terminal.
const SESSION_ABORTED: u32 = 16;

/// Why a session is not cancelled; one variant for each rule of 5.6.5.
#[derive(Debug, thiserror::Error)]
pub enum CancelSessionError {
    /// No session of this identifier, or none that an eUICC could cancel.
    #[error("no session {0} can be cancelled")]
    UnknownTransaction(TransactionId),
    /// The eUICC signed another transactionId.
    #[error("the eUICC signed another transactionId than {0}")]
    OtherTransaction(TransactionId),
    /// cancelSessionResponse is none (6.5).
    #[error("cancelSessionResponse cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// euiccCancelSessionSignature does not verify.
    #[error("euiccCancelSessionSignature does not verify")]
    Signature,
    /// smdpOid is not the one of CERT.DPauth.
    #[error("smdpOid {0} is not this server's")]
    SmdpOid(simyard_asn1::Oid),
    /// The order changed again and again while it was read.
    #[error("the order is in use")]
    Race,
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[source] StoreError),
}

impl FunctionError for CancelSessionError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::UnknownTransaction(_) | Self::OtherTransaction(_) => {
                (Subject::TransactionId, Reason::Unknown)
            }
            Self::Form(_) | Self::Signature => (Subject::Euicc, Reason::VerificationFailed),
            Self::SmdpOid(_) => (Subject::SmdpPlus, Reason::InvalidAssociation),
            Self::Race | Self::Store(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(cause) => Some(cause),
            _ => None,
        }
    }
}

impl Es9PlusError for CancelSessionError {
    fn error_code(&self) -> u32 {
        match self {
            Self::UnknownTransaction(_) | Self::OtherTransaction(_) => code::INVALID_TRANSACTION_ID,
            Self::Form(_) | Self::Signature => code::EUICC_SIGNATURE_INVALID,
            Self::SmdpOid(_) | Self::Race | Self::Store(_) => UNDEFINED,
        }
    }
}

/// Ends a session, and its order if the reason is terminal.
///
/// # Errors
/// [`CancelSessionError`]; the session stays then.
pub async fn cancel_session(smdp: &Smdp, request: &CancelSessionRequest) -> Result<(), CancelSessionError> {
    let id = &request.transaction_id;
    let unknown = || CancelSessionError::UnknownTransaction(id.clone());

    // 1. An open session whose eUICC is known.
    let mut guard = smdp.sessions.take(id).await.ok_or_else(unknown)?;
    let session = guard.client_authenticated().ok_or_else(unknown)?;

    // 2. to 5. What the eUICC signed. An error of the eUICC ends the session alone.
    let reason = match CancelSessionResponse::from_der(&request.cancel_session_response)? {
        CancelSessionResponse::Error(code) => {
            tracing::info!(transaction_id = %id, code, "the eUICC could not sign the cancellation");
            None
        }
        CancelSessionResponse::Ok { signed, signature } => {
            if signed.value.transaction_id != id.as_octets() {
                return Err(CancelSessionError::OtherTransaction(id.clone()));
            }
            let key = session.euicc.public_key();
            key.verify(signed.bytes, signature).map_err(|_| CancelSessionError::Signature)?;
            if &signed.value.smdp_oid != session.identity.oid() {
                return Err(CancelSessionError::SmdpOid(signed.value.smdp_oid));
            }
            Some(signed.value.reason)
        }
    };

    // 6. The order as it stands now ends with a terminal reason, if it is still the one of this session.
    if let Some(reason) = reason {
        let name = cancel_session_reason::name(reason).unwrap_or("a reason of a later version");
        let detail = format!("the session was cancelled: {name} ({reason})");
        failures::keep_told(smdp, &session.order, "CancelSession", None, &detail).await;
    }
    let terminal = reason.filter(|reason| is_terminal(*reason));
    if let Some(reason) = terminal {
        let reason = ErrorReason::Cancelled(i64::from(reason));
        cancel_order(smdp, &session.order, session.euicc.eid(), reason).await?;
    }
    smdp.downloads.add(terminal.map_or(DownloadResult::Postponed, |_| DownloadResult::Rejected));
    guard.end();
    Ok(())
}

/// What the user rejected is not offered again: the order is over before the answer, whatever else changed it.
async fn cancel_order(
    smdp: &Smdp,
    known: &Order,
    eid: &Eid,
    reason: ErrorReason,
) -> Result<(), CancelSessionError> {
    for _ in 0..RACES {
        let order = smdp.store.order(&known.iccid).await.map_err(CancelSessionError::Store)?;
        let Some(order) = order.filter(|order| order.number == known.number) else { return Ok(()) };
        match end_order(smdp, &order, Some(eid), NotificationPoint::BppInstallation, reason).await {
            Err(StoreError::Conflict) => {}
            ended => return ended.map_err(CancelSessionError::Store),
        }
    }
    Err(CancelSessionError::Race)
}

const fn is_terminal(reason: u32) -> bool {
    !matches!(reason, cancel_session_reason::POSTPONED | cancel_session_reason::TIMEOUT | SESSION_ABORTED)
}
