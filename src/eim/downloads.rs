//! What became of a download, whoever tells it: the IPA in its result (SGP.32 3.2.3.1), a notification, or a relayed session
//! (3.2.3.2). The operation goes on with what the eUICC signed; its list of profiles decides.

use std::fmt;

use simyard_asn1::Decode as _;
use simyard_asn1::rsp::notification::{
    FinalResult, ProfileInstallationResult, ProfileInstallationResultData, error_reason,
};
use zeroize::Zeroizing;

use super::Eim;
use super::engine::{Contact, Turn, TurnError, change};
use super::verify::{Unbelieved, verify_certificates};
use crate::crypto::seal::SealError;
use crate::domain::{Fetch, Occurrence, OperationId, OperationState};
use crate::ident::{ActivationCode, Eid, Iccid, TransactionId};
use crate::store::{KeptOperation, PackageAnswer, PackageCommand, Staleness, StoreError};

/// The codes of a download. No `Debug`: both are secrets.
pub struct Codes {
    /// Where the profile is.
    pub activation_code: ActivationCode,
    /// The confirmation code, if the eIM holds one.
    pub confirmation_code: Option<Zeroizing<String>>,
}

/// Why the codes of an operation cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CodesError {
    /// It has none, or it ended.
    #[error("the operation has no activation code")]
    Absent,
    /// They do not open.
    #[error("the codes do not open: {0}")]
    Seal(#[from] SealError),
    /// What was sealed is no code.
    #[error("what was sealed is no activation code")]
    Content,
}

/// The place for which the activation code of an operation is sealed.
pub(super) fn activation_code_place(operation_id: &OperationId) -> String {
    format!("operation.activation_code/{operation_id}")
}

/// The place for which the confirmation code of an operation is sealed.
pub(super) fn confirmation_code_place(operation_id: &OperationId) -> String {
    format!("operation.confirmation_code/{operation_id}")
}

/// Opens the codes of an operation.
///
/// # Errors
/// [`CodesError`].
pub fn open_codes(eim: &Eim, kept: &KeptOperation) -> Result<Codes, CodesError> {
    let id = &kept.operation.operation_id;
    let sealed = kept.sealed_activation_code.as_ref().ok_or(CodesError::Absent)?;
    let plain = eim.sealer.open(&activation_code_place(id), sealed)?;
    let text = std::str::from_utf8(&plain).map_err(|_| CodesError::Content)?;
    let activation_code = ActivationCode::parse(text).map_err(|_| CodesError::Content)?;
    let confirmation_code = match &kept.sealed_confirmation_code {
        None => None,
        Some(sealed) => {
            let plain = eim.sealer.open(&confirmation_code_place(id), sealed)?;
            let text = std::str::from_utf8(&plain).map_err(|_| CodesError::Content)?;
            Some(Zeroizing::new(text.to_owned()))
        }
    };
    Ok(Codes { activation_code, confirmation_code })
}

/// A download that waits for its device. No `Debug`: it has the codes.
pub struct OpenDownload {
    /// The eUICC.
    pub eid: Eid,
    /// The operation.
    pub operation_id: OperationId,
    /// eimTransactionId of its trigger.
    pub transaction_id: TransactionId,
    /// Its codes.
    pub codes: Codes,
}

/// Why an open download cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenDownloadError {
    /// Its codes do not open.
    #[error(transparent)]
    Codes(#[from] CodesError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// The download whose trigger the device of this eUICC has, if one does.
///
/// # Errors
/// [`OpenDownloadError`].
pub async fn open_download_of(eim: &Eim, eid: &Eid) -> Result<Option<OpenDownload>, OpenDownloadError> {
    let Some(kept) = eim.store.active_operation(eid).await? else { return Ok(None) };
    if !matches!(kept.operation.state, OperationState::Downloading { .. }) {
        return Ok(None);
    }
    let package = eim.store.outstanding_package(eid).await?.filter(|package| {
        package.package.command == PackageCommand::Trigger && package.handed_over_at.is_some()
    });
    let Some(package) = package else { return Ok(None) };
    Ok(Some(OpenDownload {
        eid: eid.clone(),
        operation_id: kept.operation.operation_id,
        transaction_id: package.package.transaction_id,
        codes: open_codes(eim, &kept)?,
    }))
}

/// The download whose trigger has this eimTransactionId, while it waits for its device.
///
/// # Errors
/// [`OpenDownloadError`].
pub async fn open_download(eim: &Eim, id: &TransactionId) -> Result<Option<OpenDownload>, OpenDownloadError> {
    let Some(package) = eim.store.eim_package(id).await? else { return Ok(None) };
    let open = open_download_of(eim, &package.eid).await?;
    Ok(open.filter(|open| open.transaction_id == *id))
}

/// Why a ProfileInstallationResult is not heard.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// It is not believed.
    #[error(transparent)]
    Unbelieved(#[from] Unbelieved),
    /// It could not be written down.
    #[error(transparent)]
    Turn(#[from] TurnError),
}

/// Takes a ProfileInstallationResult of an eUICC, `BF37`, and verifies it with the eUICC's certificate. One that comes again,
/// or that is about no download of ours, changes nothing.
///
/// # Errors
/// [`InstallationError`].
pub async fn installation_result(eim: &Eim, eid: &Eid, pir: &[u8]) -> Result<(), InstallationError> {
    let result = ProfileInstallationResult::from_der(pir).map_err(Unbelieved::from)?;
    let euicc = eim.store.eim_euicc(eid).await.map_err(TurnError::from)?.ok_or(TurnError::NotAssociated)?;
    let certificates = euicc.certificates.ok_or(Unbelieved::NoCertificate)?;
    let euicc = verify_certificates(&eim.anchors, eid, &certificates, eim.clock.now())?;
    euicc.public_key().verify(result.data.bytes, result.signature).map_err(|_| Unbelieved::Signature)?;
    Ok(believed(eim, eid, pir, &result.data.value).await?)
}

/// Takes a ProfileInstallationResult that was verified: the operation goes on, if it waits for this. Of a profile that nobody waits
/// for and that is not on the list, the eUICC is asked.
///
/// # Errors
/// [`TurnError`].
pub(super) async fn believed(
    eim: &Eim,
    eid: &Eid,
    pir: &[u8],
    data: &ProfileInstallationResultData<'_>,
) -> Result<(), TurnError> {
    let iccid = data.notification_metadata.iccid.and_then(|iccid| Iccid::from_bcd(iccid).ok());
    change(eim, eid, Contact::Present, |turn: &mut Turn<'_>| {
        let is_listed = turn.profiles.iter().any(|profile| Some(&profile.iccid) == iccid.as_ref());
        let occurrence = match &data.final_result {
            // Of an earlier download of a profile that was there before.
            FinalResult::Success { .. } if is_listed => return Ok(()),
            FinalResult::Success { .. } => Occurrence::Installed { iccid: iccid.clone() },
            // It is there and was not before: an earlier session of this download installed it, and its result is still to come.
            FinalResult::Error { error_reason: error_reason::ICCID_ALREADY_EXISTS, .. }
                if iccid.is_some() && !is_listed =>
            {
                Occurrence::Installed { iccid: iccid.clone() }
            }
            FinalResult::Error { bpp_command_id, error_reason, .. } => Occurrence::DownloadFailed {
                why: Failed { command: *bpp_command_id, reason: *error_reason }.to_string(),
                again: matches!(*error_reason, error_reason::INTERRUPTION),
            },
        };
        let awaits_result = awaits_result(turn);
        let is_news = matches!(occurrence, Occurrence::Installed { .. })
            && (awaits_result || !is_confirming(turn, iccid.as_ref()));
        if is_news {
            // The list lacks it until the next one, and the operation may end before that comes.
            let now = turn.now();
            turn.beside().staleness = Staleness::Since(now);
        }
        if awaits_result {
            keep(turn, pir);
            turn.answered();
            turn.occur_quietly(occurrence);
        } else if is_news {
            turn.begin_next();
        }
        Ok(())
    })
    .await
}

/// A ProfileInstallationResult is kept with the trigger that it answers: it is the eUICC's evidence of the download.
fn keep(turn: &mut Turn<'_>, pir: &[u8]) {
    let Some(transaction_id) = turn.outstanding().map(|package| package.package.transaction_id.clone())
    else {
        return;
    };
    let answer = PackageAnswer {
        transaction_id,
        result: Some(pir.to_vec()),
        rollback_result: None,
        unverified: false,
    };
    turn.beside().result = Some(answer);
}

/// Whether a download is under way whose result can come: its trigger has left, or one before it of the same operation, since the
/// next one may be queued already.
fn awaits_result(turn: &Turn<'_>) -> bool {
    turn.active().is_some_and(|operation| {
        matches!(operation.state, OperationState::Downloading { .. })
            && (operation.attempts > 1 || turn.fetch() == Fetch::Fetched)
    })
}

/// Whether the list is on its way that will show this profile.
fn is_confirming(turn: &Turn<'_>, iccid: Option<&Iccid>) -> bool {
    turn.active().is_some_and(|operation| {
        matches!(&operation.state, OperationState::Downloaded { iccid: new, .. } if new.as_ref() == iccid)
    })
}

/// A relayed download came to its end before anything was installed: an SM-DP+ said so, nobody signed it. If an earlier session
/// had installed the profile, that would have come through the eIM as well.
///
/// # Errors
/// [`TurnError`].
pub async fn failed(
    eim: &Eim,
    eid: &Eid,
    id: &TransactionId,
    why: &str,
    again: bool,
) -> Result<(), TurnError> {
    let occurrence = Occurrence::DownloadFailed { why: why.to_owned(), again };
    change(eim, eid, Contact::Present, |turn: &mut Turn<'_>| {
        if turn.outstanding().is_some_and(|package| package.package.transaction_id == *id) {
            turn.occur_quietly(occurrence.clone());
        }
        Ok(())
    })
    .await
}

/// An errorResult, for people.
struct Failed {
    command: u32,
    reason: u32,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = error_reason::name(self.reason).unwrap_or("a reason of a later version");
        write!(
            f,
            "the eUICC did not install the profile: {name} ({}) at command {}",
            self.reason, self.command
        )
    }
}
