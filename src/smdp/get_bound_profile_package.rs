//! ES9+.GetBoundProfilePackage (SGP.22 5.6.2): binds the profile to the eUICC and hands it over.
//!
//! Repeated with the same octets, it gives the same answer again: the package, or that the confirmation code is wrong,
//! which counts once. After a wrong code the session stays open for another try. The binding is durable before the
//! package leaves: the session keys, sealed, are what a retry in a later session rebuilds the same segments from
//! (3.1.3.1), and a repetition whose package was too large to keep.

use std::sync::Arc;

use simyard_asn1::Decode as _;
use simyard_asn1::rsp::download::{EuiccSigned2, PrepareDownloadResponse};
use simyard_asn1::rsp::es9plus::error::{UNDEFINED, get_bound_profile_package as code};
use zeroize::Zeroizing;

use super::authenticate_client::end_order;
use super::catalogue::PackageError;
use super::downloads::DownloadResult;
use super::failures;
use super::guesses::TooManyGuesses;
use super::handle_download_progress_info::Progress;
use super::sessions::{ClientAuthenticated, Delivered};
use super::status::{Es9PlusError, FunctionError, Reason, Subject};
use super::{RACES, Smdp, session_keys_place};
use crate::binding::es9plus::{GetBoundProfilePackageRequest, GetBoundProfilePackageResponse};
use crate::crypto::bsp::{BspError, SessionKeys};
use crate::crypto::ecdsa::{Curve, PublicKey};
use crate::crypto::ecka::{EckaError, EphemeralKey};
use crate::crypto::hash::{proves_code, sha256};
use crate::crypto::seal::SealError;
use crate::domain::{ErrorReason, KeyMode, NotificationPoint, Order};
use crate::ident::{Peer, TransactionId};
use crate::profile::bind::{BindError, Binding, BindingKeys, HOST_ID, bind};
use crate::store::{Binding as KeptBinding, Material, NewBinding, StoreError};

/// Why no package is handed over; one variant for each rule of 5.6.2.
#[derive(Debug, thiserror::Error)]
pub enum GetBoundProfilePackageError {
    /// No session of this identifier waits for this call.
    #[error("no session {0} waits for GetBoundProfilePackage")]
    UnknownTransaction(TransactionId),
    /// The order of this session is over: cancelled, installed, or taken by another eUICC.
    #[error("the order of session {0} is over")]
    OrderOver(TransactionId),
    /// prepareDownloadResponse is none (6.5).
    #[error("prepareDownloadResponse cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The eUICC refused the server's answer: the integer of DownloadErrorCode.
    #[error("the eUICC refused the download with DownloadErrorCode {0}")]
    RefusedByEuicc(u32),
    /// The eUICC signed another transactionId.
    #[error("the eUICC signed another transactionId than {0}")]
    OtherTransaction(TransactionId),
    /// euiccSignature2 does not verify.
    #[error("euiccSignature2 does not verify")]
    Signature,
    /// euiccOtpk is no point of the curve.
    #[error("euiccOtpk is no point of the curve")]
    OneTimeKey,
    /// The order expired (3.1.5).
    #[error("the order expired")]
    Expired,
    /// A confirmation code is asked for and none came.
    #[error("a confirmation code is needed")]
    ConfirmationCodeMissing,
    /// The confirmation code is wrong.
    #[error("the confirmation code is wrong")]
    ConfirmationCodeRefused,
    /// The confirmation code was wrong too often (3.1.5).
    #[error("the confirmation code was wrong too often")]
    ConfirmationCodeRetriesExceeded,
    /// This caller guessed wrong too often: no code is compared now.
    #[error(transparent)]
    TooManyGuesses(#[from] TooManyGuesses),
    /// The order changed again and again while it was read.
    #[error("the order is in use")]
    Race,
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[source] StoreError),
    /// The profile's content could not be opened or built.
    #[error("the profile package could not be made")]
    Package(#[source] PackageError),
    /// Keys could not be sealed or opened.
    #[error("the session keys could not be sealed or opened")]
    Seal(#[from] SealError),
    /// The key agreement failed.
    #[error("the key agreement failed")]
    Agreement(#[from] EckaError),
    /// The key derivation failed.
    #[error("the key derivation failed")]
    Derivation(#[source] BspError),
    /// The package could not be bound.
    #[error("the profile package could not be bound")]
    Bind(#[from] BindError),
}

impl FunctionError for GetBoundProfilePackageError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::UnknownTransaction(_) | Self::OrderOver(_) | Self::OtherTransaction(_) => {
                (Subject::TransactionId, Reason::Unknown)
            }
            Self::Form(_) | Self::RefusedByEuicc(_) | Self::Signature | Self::OneTimeKey => {
                (Subject::Euicc, Reason::VerificationFailed)
            }
            Self::Expired => (Subject::DownloadOrder, Reason::TimeToLiveExpired),
            Self::ConfirmationCodeMissing => (Subject::ConfirmationCode, Reason::MandatoryElementMissing),
            Self::ConfirmationCodeRefused => (Subject::ConfirmationCode, Reason::Refused),
            Self::ConfirmationCodeRetriesExceeded => {
                (Subject::ConfirmationCode, Reason::MaximumAttemptsExceeded)
            }
            Self::TooManyGuesses(_) => (Subject::FunctionProvider, Reason::Unavailable),
            Self::Race
            | Self::Store(_)
            | Self::Package(_)
            | Self::Seal(_)
            | Self::Agreement(_)
            | Self::Derivation(_)
            | Self::Bind(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(cause) => Some(cause),
            Self::Package(cause) => Some(cause),
            Self::Seal(cause) => Some(cause),
            Self::Agreement(cause) => Some(cause),
            Self::Derivation(cause) => Some(cause),
            Self::Bind(cause) => Some(cause),
            _ => None,
        }
    }
}

impl Es9PlusError for GetBoundProfilePackageError {
    fn error_code(&self) -> u32 {
        match self {
            Self::UnknownTransaction(_) | Self::OrderOver(_) | Self::OtherTransaction(_) => {
                code::INVALID_TRANSACTION_ID
            }
            Self::Form(_) | Self::RefusedByEuicc(_) | Self::Signature | Self::OneTimeKey => {
                code::EUICC_SIGNATURE_INVALID
            }
            Self::Expired => code::DOWNLOAD_ORDER_EXPIRED,
            Self::ConfirmationCodeMissing => code::CONFIRMATION_CODE_MISSING,
            Self::ConfirmationCodeRefused => code::CONFIRMATION_CODE_REFUSED,
            Self::ConfirmationCodeRetriesExceeded => code::CONFIRMATION_CODE_RETRIES_EXCEEDED,
            Self::TooManyGuesses(_)
            | Self::Race
            | Self::Store(_)
            | Self::Package(_)
            | Self::Seal(_)
            | Self::Agreement(_)
            | Self::Derivation(_)
            | Self::Bind(_) => UNDEFINED,
        }
    }
}

impl GetBoundProfilePackageError {
    /// Whether nothing more can come of the session.
    const fn ends_session(&self) -> bool {
        matches!(
            self,
            Self::OrderOver(_)
                | Self::RefusedByEuicc(_)
                | Self::Expired
                | Self::ConfirmationCodeRetriesExceeded
        )
    }
}

/// Binds the profile and hands it over.
///
/// # Errors
/// [`GetBoundProfilePackageError`].
pub async fn get_bound_profile_package(
    smdp: &Smdp,
    peer: Peer,
    request: &GetBoundProfilePackageRequest,
) -> Result<GetBoundProfilePackageResponse, GetBoundProfilePackageError> {
    let id = &request.transaction_id;
    let unknown = || GetBoundProfilePackageError::UnknownTransaction(id.clone());
    let request_hash = sha256(&request.prepare_download_response);

    // 1. An open session for which AuthenticateClient is done.
    let mut guard = smdp.sessions.take(id).await.ok_or_else(unknown)?;
    let kept = guard.kept_package();
    let session = guard.client_authenticated().ok_or_else(unknown)?;
    let answer = |bound_profile_package| GetBoundProfilePackageResponse {
        transaction_id: id.clone(),
        bound_profile_package,
    };
    let is_repeated =
        session.delivered.as_ref().is_some_and(|delivered| delivered.request_hash == request_hash);
    if let Some(package) = kept.filter(|_| is_repeated) {
        return Ok(answer(package.as_ref().clone()));
    }
    let delivered = if session.refused_code == Some(request_hash) {
        Err(GetBoundProfilePackageError::ConfirmationCodeRefused)
    } else {
        deliver(smdp, peer, id, session, &request.prepare_download_response).await
    };
    match delivered {
        Ok((package, order)) => {
            session.delivered = Some(Delivered { request_hash, order });
            smdp.downloads.add(DownloadResult::Bound);
            guard.keep_package(Arc::new(package.clone()));
            Ok(answer(package))
        }
        Err(error) => {
            let is_told_again = session.refused_code == Some(request_hash);
            if matches!(error, GetBoundProfilePackageError::ConfirmationCodeRefused) {
                session.refused_code = Some(request_hash);
            }
            let is_kept = !matches!(
                error,
                GetBoundProfilePackageError::Store(_) | GetBoundProfilePackageError::TooManyGuesses(_)
            );
            if is_kept && !is_told_again {
                failures::keep(smdp, &session.order, "GetBoundProfilePackage", &error).await;
            }
            if error.ends_session() {
                guard.end();
            }
            Err(error)
        }
    }
}

async fn deliver(
    smdp: &Smdp,
    peer: Peer,
    id: &TransactionId,
    session: &ClientAuthenticated,
    response: &[u8],
) -> Result<(Vec<u8>, Order), GetBoundProfilePackageError> {
    // 2. to 4. What the eUICC signed.
    let (euicc_signed2, euicc_signature2) = match PrepareDownloadResponse::from_der(response)? {
        PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 } => (euicc_signed2, euicc_signature2),
        PrepareDownloadResponse::Error { code, .. } => {
            return Err(GetBoundProfilePackageError::RefusedByEuicc(code));
        }
    };
    let signed = [euicc_signed2.bytes, &session.smdp_signature2].concat();
    session
        .euicc
        .public_key()
        .verify(&signed, euicc_signature2)
        .map_err(|_| GetBoundProfilePackageError::Signature)?;
    if euicc_signed2.value.transaction_id != id.as_octets() {
        return Err(GetBoundProfilePackageError::OtherTransaction(id.clone()));
    }
    // Both one-time keys lie on the curve of CERT.DPpb (annex G).
    let curve = session.identity.dp_pb().key.public_key().curve();
    let euicc_otpk = PublicKey::from_point(curve, euicc_signed2.value.euicc_otpk)
        .map_err(|_| GetBoundProfilePackageError::OneTimeKey)?;

    // What AuthenticateClient read; a change since then shows when the binding is recorded. A confirmation code is
    // compared with the order as it is now.
    let mut remembered = session.material.clone().filter(|material| material.order.code_hash().is_none());
    for _ in 0..RACES {
        let material = match remembered.take() {
            Some(material) => Some(material),
            None => {
                let material = smdp.store.material(&session.order.iccid).await;
                material.map_err(GetBoundProfilePackageError::Store)?.map(Arc::new)
            }
        };
        let material = material
            .filter(|material| material.order.number == session.order.number)
            .ok_or_else(|| GetBoundProfilePackageError::OrderOver(id.clone()))?;
        let result = match check_order(smdp, peer, id, session, &material.order, &euicc_signed2.value).await {
            Ok(()) => bind_and_record(smdp, id, session, &material, &euicc_otpk).await,
            Err(error) => Err(error),
        };
        match result {
            Err(GetBoundProfilePackageError::Store(StoreError::Conflict)) => {}
            result => return result,
        }
    }
    Err(GetBoundProfilePackageError::Race)
}

/// Steps 5 and 6: the order is still for this eUICC, and the confirmation code is right.
async fn check_order(
    smdp: &Smdp,
    peer: Peer,
    id: &TransactionId,
    session: &ClientAuthenticated,
    order: &Order,
    signed: &EuiccSigned2<'_>,
) -> Result<(), GetBoundProfilePackageError> {
    let now = smdp.clock.now();
    if order.expires_at().is_some_and(|at| at <= now) {
        let ended = end_order(
            smdp,
            order,
            Some(session.euicc.eid()),
            NotificationPoint::BppDownload,
            ErrorReason::Expired,
        )
        .await;
        ended.map_err(GetBoundProfilePackageError::Store)?;
        return Err(GetBoundProfilePackageError::Expired);
    }
    // The transition itself is made in the store; here it only shows whether the state allows it.
    if order.clone().bind(session.euicc.eid().clone(), now).is_err() {
        return Err(GetBoundProfilePackageError::OrderOver(id.clone()));
    }
    let Some(expected) = order.code_hash() else { return Ok(()) };
    let Some(hash_cc) = signed.hash_cc else {
        return Err(GetBoundProfilePackageError::ConfirmationCodeMissing);
    };
    let most = smdp.limits.confirmation_attempts;
    if order.attempts().confirmation < most {
        smdp.guesses.check(peer, session.euicc.eid())?;
        if proves_code(hash_cc, expected.as_octets(), id) {
            return Ok(());
        }
        // The count is durable before the answer: guessing is not undone by a cut connection.
        // Of the last one the operator is told in the change that ends the order.
        let is_last = order.attempts().confirmation.saturating_add(1) >= most;
        let callback = if is_last {
            None
        } else {
            smdp.callback(order, Some(session.euicc.eid()), Progress::CodeRefused)
        };
        let counted = smdp.store.count_confirmation_attempt(order, most, callback).await;
        smdp.guesses.count(peer, session.euicc.eid());
        if counted.map_err(GetBoundProfilePackageError::Store)? < most {
            return Err(GetBoundProfilePackageError::ConfirmationCodeRefused);
        }
    }
    // Without attempts left the right code is not looked at any more.
    let (point, reason) = (NotificationPoint::ConfirmationFailure, ErrorReason::ConfirmationAttempts);
    end_order(smdp, order, Some(session.euicc.eid()), point, reason)
        .await
        .map_err(GetBoundProfilePackageError::Store)?;
    Err(GetBoundProfilePackageError::ConfirmationCodeRetriesExceeded)
}

/// Steps 7 to 10: the keys of this binding, the package under them, and the record of both before it leaves. Returns
/// the package and the order as it stands now.
async fn bind_and_record(
    smdp: &Smdp,
    id: &TransactionId,
    session: &ClientAuthenticated,
    material: &Material,
    euicc_otpk: &PublicKey,
) -> Result<(Vec<u8>, Order), GetBoundProfilePackageError> {
    let order = &material.order;
    let place = session_keys_place(&order.iccid);
    let eid = session.euicc.eid();

    let package = smdp
        .catalogue
        .package(&smdp.sealer, order, &material.package)
        .map_err(GetBoundProfilePackageError::Package)?;
    let content_digest = sha256(&Zeroizing::new([session.profile_metadata.as_slice(), &package].concat()));

    // 7., 8. The eUICC used the key that was offered: the binding is kept. Any other key makes a new one, and so does
    // other content: one key stream over two contents would show what they differ in.
    let kept = material
        .binding
        .as_ref()
        .filter(|kept| kept.eid == *eid && kept.euicc_otpk == euicc_otpk.as_point())
        .filter(|kept| kept.content_digest == content_digest)
        .map(|kept| reopen(smdp, kept, euicc_otpk.curve(), &place))
        .transpose()?
        .flatten();
    let (smdp_otpk, keys) = match kept {
        Some(kept) => kept,
        None => {
            let one_time = EphemeralKey::generate(&smdp.rng, euicc_otpk.curve())?;
            let smdp_otpk = *one_time.public_key();
            let secret = one_time.agree(euicc_otpk)?;
            let session = SessionKeys::derive(&secret, HOST_ID, eid)
                .map_err(GetBoundProfilePackageError::Derivation)?;
            let random = match smdp.catalogue.key_mode(order) {
                KeyMode::SessionKeys => None,
                KeyMode::RandomKeys => Some(SessionKeys::generate(&smdp.rng)),
            };
            (smdp_otpk, BindingKeys { session, random })
        }
    };
    let binding =
        Binding { transaction_id: id, host_id: HOST_ID, smdp_otpk: &smdp_otpk, euicc_otpk, keys: &keys };
    let bound = bind(&session.identity.dp_pb().key, &binding, &session.profile_metadata, &package)?;

    // 10. Durable before it is answered.
    let record = NewBinding {
        transaction_id: id.clone(),
        eid: eid.clone(),
        euicc_public_key: *session.euicc.public_key().as_point(),
        euicc_otpk: *euicc_otpk.as_point(),
        smdp_otpk: *smdp_otpk.as_point(),
        content_digest,
        sealed_session_keys: smdp.sealer.seal(&place, &keys.to_octets())?,
        at: smdp.clock.now(),
        callback: smdp.callback(order, Some(eid), Progress::Bound),
    };
    let version = smdp.store.bind(order, &record).await.map_err(GetBoundProfilePackageError::Store)?;
    let order = order
        .clone()
        .bind(eid.clone(), record.at)
        .map_err(|_| GetBoundProfilePackageError::OrderOver(id.clone()))?;
    Ok((bound, Order { version, ..order }))
}

/// The keys of an earlier binding, unless they were wiped.
fn reopen(
    smdp: &Smdp,
    kept: &KeptBinding,
    curve: Curve,
    place: &str,
) -> Result<Option<(PublicKey, BindingKeys)>, GetBoundProfilePackageError> {
    let Some(sealed) = &kept.sealed_session_keys else { return Ok(None) };
    let opened: Zeroizing<Vec<u8>> = smdp.sealer.open(place, sealed)?;
    let Some(keys) = BindingKeys::from_octets(&opened) else { return Ok(None) };
    let smdp_otpk =
        PublicKey::from_point(curve, &kept.smdp_otpk).map_err(|_| GetBoundProfilePackageError::OneTimeKey)?;
    Ok(Some((smdp_otpk, keys)))
}
