//! ESipa.CancelSession (SGP.32 5.14.8, 3.2.3.3): the device gives up a relayed session, and the SM-DP+ hears of it.
//!
//! When the SM-DP+ took it the session is over; repeated, it is unknown. While the SM-DP+ is silent, the session stays.

use simyard_asn1::Decode as _;
use simyard_asn1::iot::compact::{CompactCancelSessionResponse, Incomplete};
use simyard_asn1::iot::esipa::{CancelSessionErrorEsipa as Code, CancelSessionRequest};
use simyard_asn1::rsp::download::{
    CancelSessionRequest as EuiccRequest, CancelSessionResponse, cancel_session_reason,
};

use super::Eim;
use super::caller::DeviceCaller;
use super::relay::alternative;
use super::relay::refusal::SmdpRefusal;
use super::relay::sessions::RelaySession;
use super::status::{EsipaCode, EsipaError};
use crate::binding::es9plus::CancelSessionRequest as Es9PlusRequest;
use crate::ident::TransactionId;

/// What is answered where nothing says more.
const UNDEFINED: EsipaCode = EsipaCode::CancelSession(Code::UndefinedError);

/// Why a session is not cancelled; one variant for each rule of 5.14.8.
#[derive(Debug, thiserror::Error)]
pub enum CancelSessionError {
    /// No such session of this device.
    #[error("no such session is open")]
    UnknownTransaction,
    /// cancelSessionResponse is none.
    #[error("cancelSessionResponse cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// A compact form leaves out what is not known.
    #[error("cancelSessionResponse cannot be made whole: {0}")]
    Incomplete(#[from] Incomplete),
    /// The eUICC signed another transactionId.
    #[error("the eUICC signed another transactionId")]
    OtherTransaction,
    /// euiccCancelSessionSignature does not verify.
    #[error("euiccCancelSessionSignature does not verify")]
    Signature,
    /// The SM-DP+ refused, or did not answer.
    #[error(transparent)]
    Smdp(#[from] SmdpRefusal),
}

impl EsipaError for CancelSessionError {
    fn code(&self) -> EsipaCode {
        let code = match self {
            Self::UnknownTransaction | Self::OtherTransaction => Code::InvalidTransactionId,
            Self::Form(_) | Self::Signature => Code::EuiccSignatureInvalid,
            Self::Smdp(refusal) => return refusal.code(UNDEFINED),
            Self::Incomplete(_) => Code::UndefinedError,
        };
        EsipaCode::CancelSession(code)
    }
}

/// Why the device gave up.
#[derive(Debug, thiserror::Error)]
#[error("the device cancelled the download: {} ({reason})", cancel_session_reason::name(*reason).unwrap_or("a reason of a later version"))]
struct Cancelled {
    reason: u32,
}

/// Ends a session on both sides.
///
/// # Errors
/// [`CancelSessionError`].
pub async fn cancel_session(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &CancelSessionRequest,
) -> Result<(), CancelSessionError> {
    // 1. An open session of this device.
    let unknown = || CancelSessionError::UnknownTransaction;
    let (id, mut guard) = eim.session_of(caller, &request.transaction_id).await.ok_or_else(unknown)?;
    let session = guard.session().ok_or_else(unknown)?;

    // 2. The whole of what the eUICC signed, and that it did, as far as its key is known.
    let response = whole(&id, session, &request.cancel_session_response)?;
    let reason = check_euicc(&id, session, &response)?;

    // 3. ES9+'.CancelSession. A session that the SM-DP+ has not is over too.
    let message = Es9PlusRequest { transaction_id: id.clone(), cancel_session_response: response };
    let answer = eim.relay.servers.cancel_session(&session.address, &message).await;
    let refusal = answer.map_err(SmdpRefusal::from).err();
    if refusal.as_ref().is_none_or(is_unknown) {
        if let Some(reason) = reason {
            // What was postponed, or took too long, may go well another time.
            let again = matches!(reason, cancel_session_reason::POSTPONED | cancel_session_reason::TIMEOUT);
            eim.download_failed(caller, guard.session(), &Cancelled { reason }, again).await;
        }
        guard.end();
    }
    refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// The SM-DP+ has no such session.
fn is_unknown(refusal: &SmdpRefusal) -> bool {
    refusal.code(UNDEFINED) == EsipaCode::CancelSession(Code::InvalidTransactionId)
}

/// Step 2. A whole response stays as it is.
fn whole(id: &TransactionId, session: &RelaySession, response: &[u8]) -> Result<Vec<u8>, CancelSessionError> {
    let given = alternative(response, EuiccRequest::TAG)?;
    if given.tag != CompactCancelSessionResponse::TAG {
        return Ok(response.to_vec());
    }
    let compact = CompactCancelSessionResponse::from_der(given.raw)?;
    // What the eIM refused itself, the device cancels for that reason.
    let forbidden = session.authenticated.as_ref().is_some_and(|done| done.forbidden_rule.is_some());
    let reason = forbidden.then_some(cancel_session_reason::PPR_NOT_ALLOWED);
    Ok(compact.whole(id.as_octets(), &session.smdp_oid, reason)?)
}

/// Step 2. The reason that the eUICC signed; none where it could not sign.
fn check_euicc(
    id: &TransactionId,
    session: &RelaySession,
    response: &[u8],
) -> Result<Option<u32>, CancelSessionError> {
    match CancelSessionResponse::from_der(response)? {
        CancelSessionResponse::Error(_) => Ok(None),
        CancelSessionResponse::Ok { signed, signature } => {
            if signed.value.transaction_id != id.as_octets() {
                return Err(CancelSessionError::OtherTransaction);
            }
            if let Some(key) = session.authenticated.as_ref().and_then(|done| done.euicc_key) {
                key.verify(signed.bytes, signature).map_err(|_| CancelSessionError::Signature)?;
            }
            Ok(Some(signed.value.reason))
        }
    }
}
