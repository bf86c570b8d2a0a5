//! ESipa.GetBoundProfilePackage (SGP.32 5.14.2): the package that the SM-DP+ bound for the eUICC.
//!
//! What belongs to it is written down before the device gets it, so that its result is understood whenever it comes.
//! Repeated with the same octets, it gives the same package, from memory as long as there is room, and from the SM-DP+
//! otherwise.

use std::sync::Arc;

use simyard_asn1::Decode as _;
use simyard_asn1::iot::compact::{CompactPrepareDownloadResponse, Incomplete};
use simyard_asn1::iot::esipa::{
    GetBoundProfilePackageErrorEsipa as Code, GetBoundProfilePackageOk, GetBoundProfilePackageRequest,
};
use simyard_asn1::rsp::download::{PrepareDownloadRequest, PrepareDownloadResponse, SmdpSigned2};
use simyard_asn1::rsp::package::BoundProfilePackage;

use super::Eim;
use super::caller::DeviceCaller;
use super::relay::alternative;
use super::relay::refusal::SmdpRefusal;
use super::relay::sessions::{Authenticated, RelaySession};
use super::status::{EsipaCode, EsipaError};
use crate::binding::es9plus::GetBoundProfilePackageRequest as Es9PlusRequest;
use crate::crypto::hash::sha256;
use crate::ident::TransactionId;
use crate::store::{RelayedDownload, StoreError};

/// What is answered where nothing says more.
const UNDEFINED: EsipaCode = EsipaCode::GetBoundProfilePackage(Code::UndefinedError);

/// Why no package is handed over; one variant for each rule of 5.14.2.
#[derive(Debug, thiserror::Error)]
pub enum GetBoundProfilePackageError {
    /// No session of this device waits for this call.
    #[error("no session waits for GetBoundProfilePackage")]
    UnknownTransaction,
    /// prepareDownloadResponse is none.
    #[error("prepareDownloadResponse cannot be read: {0}")]
    Form(#[source] simyard_asn1::Error),
    /// A compact form leaves out what is not known.
    #[error("prepareDownloadResponse cannot be made whole: {0}")]
    Incomplete(#[from] Incomplete),
    /// The eUICC signed another transactionId.
    #[error("the eUICC signed another transactionId")]
    OtherTransaction,
    /// euiccSignature2 does not verify.
    #[error("euiccSignature2 does not verify")]
    Signature,
    /// The SM-DP+ refused, or did not answer.
    #[error(transparent)]
    Smdp(#[from] SmdpRefusal),
    /// The answer of the SM-DP+ is none.
    #[error("the answer of the SM-DP+ cannot be read: {0}")]
    Answer(#[source] simyard_asn1::Error),
    /// The SM-DP+ answered for another session.
    #[error("the SM-DP+ answered for another session")]
    OtherSession,
    /// The package stores other metadata than the SM-DP+ announced.
    #[error("the package stores other metadata than the SM-DP+ announced")]
    MetadataMismatch,
    /// The store failed.
    #[error("what belongs to the package could not be written down")]
    Store(#[from] StoreError),
}

impl EsipaError for GetBoundProfilePackageError {
    fn code(&self) -> EsipaCode {
        let code = match self {
            Self::UnknownTransaction | Self::OtherTransaction => Code::InvalidTransactionId,
            Self::Form(_) | Self::Signature => Code::EuiccSignatureInvalid,
            Self::Smdp(refusal) => return refusal.code(UNDEFINED),
            Self::MetadataMismatch => Code::MetadataMismatch,
            Self::Incomplete(_) | Self::Answer(_) | Self::OtherSession | Self::Store(_) => {
                Code::UndefinedError
            }
        };
        EsipaCode::GetBoundProfilePackage(code)
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(cause) => Some(cause),
            _ => None,
        }
    }
}

impl GetBoundProfilePackageError {
    /// Whether nothing more can come of the download. With a wrong confirmation code another try may go well.
    fn ends_download(&self) -> bool {
        match self {
            Self::Smdp(refusal) => {
                !refusal.is_passing()
                    && refusal.code(UNDEFINED)
                        != EsipaCode::GetBoundProfilePackage(Code::ConfirmationCodeRefused)
            }
            Self::MetadataMismatch => true,
            Self::UnknownTransaction
            | Self::Form(_)
            | Self::Incomplete(_)
            | Self::OtherTransaction
            | Self::Signature
            | Self::Answer(_)
            | Self::OtherSession
            | Self::Store(_) => false,
        }
    }
}

/// Fetches the package from the SM-DP+ and hands it over.
///
/// # Errors
/// [`GetBoundProfilePackageError`]; the session stays, so that the device can cancel it.
pub async fn get_bound_profile_package(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &GetBoundProfilePackageRequest,
) -> Result<GetBoundProfilePackageOk, GetBoundProfilePackageError> {
    // 1. An open session of this device, for which AuthenticateClient is done.
    let unknown = || GetBoundProfilePackageError::UnknownTransaction;
    let (id, mut guard) = eim.session_of(caller, &request.transaction_id).await.ok_or_else(unknown)?;
    let kept = guard.kept_package();
    let session = guard.session().ok_or_else(unknown)?;
    let authenticated = session.authenticated.as_deref().filter(|done| done.forbidden_rule.is_none());
    let authenticated = authenticated.ok_or_else(unknown)?;
    let answer = |package: Vec<u8>| GetBoundProfilePackageOk {
        transaction_id: Some(id.as_octets().to_vec()),
        bound_profile_package: package,
    };
    let request_hash = sha256(&request.prepare_download_response);
    if authenticated.delivered == Some(request_hash)
        && let Some(package) = kept
    {
        return Ok(answer(package.as_ref().clone()));
    }
    match fetch(eim, &id, session, authenticated, &request.prepare_download_response).await {
        Ok(package) => {
            if let Some(authenticated) = session.authenticated.as_mut() {
                authenticated.delivered = Some(request_hash);
            }
            guard.keep_package(Arc::new(package.clone()));
            guard.renew();
            Ok(answer(package))
        }
        Err(error) => {
            if error.ends_download() {
                eim.download_failed(caller, guard.session(), &error, false).await;
            }
            Err(error)
        }
    }
}

async fn fetch(
    eim: &Eim,
    id: &TransactionId,
    session: &RelaySession,
    authenticated: &Authenticated,
    response: &[u8],
) -> Result<Vec<u8>, GetBoundProfilePackageError> {
    // 2. The whole of what the eUICC signed, and that it did.
    let response = whole(id, authenticated, response)?;
    check_euicc(id, authenticated, &response)?;

    // 3. ES9+'.GetBoundProfilePackage.
    let message = Es9PlusRequest { transaction_id: id.clone(), prepare_download_response: response };
    let answer = eim.relay.servers.get_bound_profile_package(&session.address, &message).await;
    let answer = answer.map_err(SmdpRefusal::from)?;
    if answer.transaction_id != *id {
        return Err(GetBoundProfilePackageError::OtherSession);
    }

    // 4. The package stores what was announced.
    let package = answer.bound_profile_package;
    let metadata = BoundProfilePackage::from_der(&package).and_then(|bound| bound.metadata());
    if metadata.map_err(GetBoundProfilePackageError::Answer)? != authenticated.profile_metadata {
        return Err(GetBoundProfilePackageError::MetadataMismatch);
    }

    // 5. What belongs to it, before the device gets it.
    let relayed = RelayedDownload {
        transaction_id: id.clone(),
        eid: session.eid.clone(),
        eim_transaction_id: session.eim_transaction_id.clone(),
        address: session.notification_address.clone(),
        smdp_oid: session.smdp_oid.clone(),
        iccid: authenticated.iccid.clone(),
        euicc_public_key: authenticated.euicc_key.map(|key| key.as_point().to_vec()),
        relayed_at: eim.clock.now(),
    };
    eim.store.keep_relayed_download(&relayed).await?;
    Ok(package)
}

/// Step 2. A whole response stays as it is.
fn whole(
    id: &TransactionId,
    authenticated: &Authenticated,
    response: &[u8],
) -> Result<Vec<u8>, GetBoundProfilePackageError> {
    let given =
        alternative(response, PrepareDownloadRequest::TAG).map_err(GetBoundProfilePackageError::Form)?;
    if given.tag != CompactPrepareDownloadResponse::TAG {
        return Ok(response.to_vec());
    }
    let compact = CompactPrepareDownloadResponse::from_der(given.raw);
    let compact = compact.map_err(GetBoundProfilePackageError::Form)?;
    let offered = SmdpSigned2::from_der(&authenticated.answer.smdp_signed2);
    let offered = offered.map_err(GetBoundProfilePackageError::Answer)?.bpp_euicc_otpk;
    Ok(compact.whole(id.as_octets(), offered)?)
}

/// Step 2. An eUICC that refused the download signs nothing: that is for the SM-DP+ to hear.
fn check_euicc(
    id: &TransactionId,
    authenticated: &Authenticated,
    response: &[u8],
) -> Result<(), GetBoundProfilePackageError> {
    let response = PrepareDownloadResponse::from_der(response).map_err(GetBoundProfilePackageError::Form)?;
    let (named, signed) = match &response {
        PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 } => {
            (euicc_signed2.value.transaction_id, Some((euicc_signed2.bytes, *euicc_signature2)))
        }
        PrepareDownloadResponse::Error { transaction_id, .. } => (*transaction_id, None),
    };
    if named != id.as_octets() {
        return Err(GetBoundProfilePackageError::OtherTransaction);
    }
    if let (Some((signed, signature)), Some(key)) = (signed, &authenticated.euicc_key) {
        let signed = [signed, &authenticated.answer.smdp_signature2].concat();
        key.verify(&signed, signature).map_err(|_| GetBoundProfilePackageError::Signature)?;
    }
    Ok(())
}
