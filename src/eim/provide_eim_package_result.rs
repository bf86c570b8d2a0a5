//! ESipa.ProvideEimPackageResult (SGP.32 5.14.6, 3.3.1): what became of an eIM package.
//!
//! What the eUICC signed counts, whoever brings it; what nobody signed counts only from a device that proved who it is, and
//! changes nothing that the eUICC will say itself. An answer is acknowledged when it is written down, with the seqNumbers
//! that stand in it and no others: a made-up number would make the IPA remove something else.
//!
//! | what comes | what is done |
//! |---|---|
//! | an answer for the first time | believed or not; with all that follows, one change |
//! | the same again | acknowledged again, nothing changed |
//! | a rollbackResult in place of an answer | kept beside the first one; the operation is rolled back |
//! | an answer to a package that was withdrawn, or whose operation ended | kept, acknowledged, the operation stays |
//! | an answer that nobody can believe | refused and recorded; the IPA keeps it |

use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::data::{IpaCapabilities, IpaEuiccData, IpaEuiccDataErrorCode, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackageResult, EimPackageResultErrorCode, ProvideEimPackageResultError as Code,
    ProvideEimPackageResultRequest,
};
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::iot::trigger::{
    ProfileDownloadErrorReason, ProfileDownloadTriggerOutcome, ProfileDownloadTriggerResult,
};
use simyard_asn1::rsp::authentication::DeviceInfo;
use simyard_asn1::{Decode as _, Encode as _, Reader};

use super::Eim;
use super::caller::{DeviceCaller, Refusal};
use super::downloads::{self, InstallationError};
use super::ecos;
use super::engine::{Contact, Turn, TurnError, change};
use super::forward::{self, Bringer};
use super::laboratory::{answer as laboratory, unverified};
use super::package::package_command;
use super::refusals::RefusalReason;
use super::status::{EsipaCode, EsipaError};
use super::verify::{Unbelieved, VerifiedResult, verify_certificates, verify_result};
use crate::domain::{Occurrence, OperationState, Task};
use crate::ident::{Eid, Iccid, TransactionId};
use crate::pki::Certificate;
use crate::store::{
    EimPackage, EuiccCertificates, HeldNotifications, Introduction, PackageAnswer, PackageCommand, Staleness,
    StoreError,
};

/// Why a result is not taken: the IPA keeps it.
#[derive(Debug, thiserror::Error)]
pub enum ProvideEimPackageResultError {
    /// The eUICC is not associated with this eIM.
    #[error("the eUICC is not associated with this eIM")]
    EidNotFound,
    /// The octets of eidValue are no EID.
    #[error("eidValue is no EID")]
    InvalidEid,
    /// Nothing says whose result it is.
    #[error("nothing says whose result this is: send eidValue")]
    MissingEid,
    /// The caller may not speak for this eUICC.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not believed.
    #[error("the result is not believed: {0}")]
    Unbelieved(#[from] Unbelieved),
    /// Nobody signed it, and the caller proved nothing.
    #[error("what nobody signed is not taken from a device without a certificate")]
    Unproven,
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use")]
    Race,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<TurnError> for ProvideEimPackageResultError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::NotAssociated => Self::EidNotFound,
            TurnError::Race => Self::Race,
            TurnError::Store(error) => Self::Store(error),
        }
    }
}

impl From<InstallationError> for ProvideEimPackageResultError {
    fn from(error: InstallationError) -> Self {
        match error {
            InstallationError::Unbelieved(error) => Self::Unbelieved(error),
            InstallationError::Turn(error) => error.into(),
        }
    }
}

impl EsipaError for ProvideEimPackageResultError {
    fn code(&self) -> EsipaCode {
        EsipaCode::ProvideEimPackageResult(match self {
            // Who may not speak for an eUICC learns nothing of it.
            Self::EidNotFound | Self::Refused(_) => Code::EidNotFound,
            Self::InvalidEid => Code::InvalidEid,
            Self::MissingEid => Code::MissingEid,
            Self::Unbelieved(_) | Self::Unproven | Self::Race | Self::Store(_) => Code::UndefinedError,
        })
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Race => Some(self),
            Self::Store(cause) => Some(cause),
            Self::EidNotFound
            | Self::InvalidEid
            | Self::MissingEid
            | Self::Refused(_)
            | Self::Unbelieved(_)
            | Self::Unproven => None,
        }
    }
}

/// Takes what became of a package.
///
/// # Errors
/// [`ProvideEimPackageResultError`]; what is not believed is recorded.
pub async fn provide_eim_package_result(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &ProvideEimPackageResultRequest,
) -> Result<EimAcknowledgements, ProvideEimPackageResultError> {
    // 1. Whose result is it, and may the caller bring it?
    let eid = whose(eim, caller, request).await?;
    caller.may_speak_for(&eid)?;
    if caller.proven().is_some() {
        eim.contacts.hear(&eid, eim.clock.now());
    }
    // 2. What it says, by its kind.
    let reporter = Reporter { eim, caller, eid: &eid };
    let taken = match laboratory::take(eim, caller, &eid, &request.eim_package_result).await {
        Ok(Some(taken)) => Ok(taken),
        Ok(None) => reporter.take(&request.eim_package_result).await,
        Err(error) => Err(error),
    };
    // 3. The notifications beside it, once it is taken itself.
    let taken = match (&request.eim_package_result, taken) {
        (EimPackageResult::EprAndNotifications { notifications, .. }, Ok(taken)) => {
            reporter.notifications(notifications, taken).await
        }
        (_, taken) => taken,
    };
    if let Err(
        error @ (ProvideEimPackageResultError::Unbelieved(_) | ProvideEimPackageResultError::Unproven),
    ) = &taken
    {
        caller.refused(RefusalReason::Unbelieved, Some(&eid), error);
    }
    taken.map(EimAcknowledgements)
}

/// The eUICC of a result: as eidValue says, or the caller's certificate, or the eUICC's own in it, or the package that it
/// answers. Some IPAs leave eidValue out.
async fn whose(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &ProvideEimPackageResultRequest,
) -> Result<Eid, ProvideEimPackageResultError> {
    if let Some(octets) = &request.eid_value {
        return Eid::from_bcd(octets).map_err(|_| ProvideEimPackageResultError::InvalidEid);
    }
    if let Some(proven) = caller.proven() {
        return Ok(proven.clone());
    }
    let transaction = match &request.eim_package_result {
        EimPackageResult::EuiccPackageResult(octets)
        | EimPackageResult::EprAndNotifications { euicc_package_result: octets, .. } => {
            EuiccPackageResult::from_der(octets).ok().and_then(|result| result.eim_transaction_id())
        }
        EimPackageResult::IpaEuiccDataResponse(octets) => match IpaEuiccDataResponse::from_der(octets) {
            Ok(IpaEuiccDataResponse::Data(data)) => {
                if let Some(eid) = eid_of_certificate(&data) {
                    return Ok(eid);
                }
                data.eim_transaction_id
            }
            Ok(IpaEuiccDataResponse::Error { eim_transaction_id, .. }) => eim_transaction_id,
            Err(_) => None,
        },
        EimPackageResult::ProfileDownloadTriggerResult(octets) => {
            ProfileDownloadTriggerResult::from_der(octets).ok().and_then(|result| result.eim_transaction_id)
        }
        EimPackageResult::ResponseError { eim_transaction_id, .. } => *eim_transaction_id,
    };
    let id = transaction.and_then(|id| TransactionId::from_octets(id.as_octets()));
    let package = match id {
        Some(id) => eim.store.eim_package(&id).await?,
        None => None,
    };
    package.map(|package| package.eid).ok_or(ProvideEimPackageResultError::MissingEid)
}

/// The members of DeviceInfo, as they stand under whatever tag.
fn device_info_members(info: &DeviceInfo<'_>) -> Vec<u8> {
    let der = info.to_der();
    Reader::new(&der, "DeviceInfo").read().map(|tlv| tlv.value.to_vec()).unwrap_or_default()
}

fn eid_of_certificate(data: &IpaEuiccData<'_>) -> Option<Eid> {
    let certificate = Certificate::from_der(&data.euicc_certificate?.to_der()).ok()?;
    Eid::parse(certificate.serial_number()?).ok()
}

/// Who reports, and about which eUICC.
struct Reporter<'a> {
    eim: &'a Eim,
    caller: &'a DeviceCaller,
    eid: &'a Eid,
}

/// The seqNumbers that the IPA may remove.
type Taken = Result<Vec<u32>, ProvideEimPackageResultError>;

impl Reporter<'_> {
    /// What a result says, by its kind.
    async fn take(&self, result: &EimPackageResult) -> Taken {
        match result {
            EimPackageResult::EuiccPackageResult(octets)
            | EimPackageResult::EprAndNotifications { euicc_package_result: octets, .. } => {
                self.euicc_package_result(octets).await
            }
            EimPackageResult::IpaEuiccDataResponse(octets) => self.data(octets).await,
            EimPackageResult::ProfileDownloadTriggerResult(octets) => self.trigger_result(octets).await,
            EimPackageResult::ResponseError { eim_transaction_id, code } => {
                self.response_error(eim_transaction_id.as_ref(), *code).await
            }
        }
    }

    /// Nothing unsigned of somebody unknown changes anything.
    fn proven(&self) -> Result<(), ProvideEimPackageResultError> {
        self.caller.proven().map(|_| ()).ok_or(ProvideEimPackageResultError::Unproven)
    }

    /// The package with this eimTransactionId, if it is one of this eUICC.
    async fn package(
        &self,
        id: Option<&EimTransactionId>,
    ) -> Result<Option<EimPackage>, ProvideEimPackageResultError> {
        let Some(id) = id.and_then(|id| TransactionId::from_octets(id.as_octets())) else { return Ok(None) };
        let package = self.eim.store.eim_package(&id).await?;
        Ok(package.filter(|package| package.eid == *self.eid))
    }

    /// The package that a result answers: by its eimTransactionId, or its counter if it has none.
    async fn answered(
        &self,
        result: &EuiccPackageResult<'_>,
    ) -> Result<EimPackage, ProvideEimPackageResultError> {
        let counter = match result {
            EuiccPackageResult::Signed { data, .. } => Some(data.value.counter_value),
            EuiccPackageResult::ErrorSigned { data, .. } => Some(data.value.counter_value),
            EuiccPackageResult::ErrorUnsigned(_) => None,
        };
        let found = match (result.eim_transaction_id(), counter) {
            (Some(id), _) => self.package(Some(&id)).await?,
            (None, Some(counter)) => self.eim.store.eim_package_of_counter(self.eid, counter).await?,
            (None, None) => None,
        };
        match found {
            Some(package) => Ok(package),
            None => Err(self.unknown_package().await),
        }
    }

    /// There is no such package: none of this eUICC, or the eUICC itself is not known (5.14.6, eidNotFound).
    async fn unknown_package(&self) -> ProvideEimPackageResultError {
        match self.eim.store.eim_euicc(self.eid).await {
            Ok(Some(_)) => Unbelieved::UnknownPackage.into(),
            Ok(None) => ProvideEimPackageResultError::EidNotFound,
            Err(error) => error.into(),
        }
    }

    async fn euicc_package_result(&self, octets: &[u8]) -> Taken {
        let result = EuiccPackageResult::from_der(octets).map_err(Unbelieved::from)?;
        let package = self.answered(&result).await?;
        if matches!(result, EuiccPackageResult::ErrorUnsigned(_)) {
            return self.unsigned_error(&package, octets).await;
        }
        // Repeated: it was believed before.
        let known = [&package.result, &package.rollback_result];
        if known.into_iter().flatten().any(|known| known == octets) {
            return Ok(seq_number(&result).into_iter().collect());
        }
        let euicc = self.eim.store.eim_euicc(self.eid).await?;
        let euicc = euicc.ok_or(ProvideEimPackageResultError::EidNotFound)?;
        let eim_id = &self.eim.eim_id;
        let verified = match &euicc.certificates {
            None => Err(Unbelieved::NoCertificate),
            Some(certificates) => {
                verify_certificates(&self.eim.anchors, self.eid, certificates, self.eim.clock.now())
                    .and_then(|euicc| verify_result(&result, eim_id, &package, euicc.public_key()))
            }
        };
        let verified =
            verified.or_else(|refused| unverified::in_place(self.eim, &result, eim_id, &package, refused))?;
        change(self.eim, self.eid, Contact::Present, |turn: &mut Turn<'_>| {
            take(turn, &self.eim.eim_id, &package, &verified, octets);
            Ok::<_, ProvideEimPackageResultError>(())
        })
        .await?;
        Ok(verified.seq_number().into_iter().collect())
    }

    /// euiccPackageErrorUnsigned: it stops the operation whose package it answers.
    async fn unsigned_error(&self, package: &EimPackage, octets: &[u8]) -> Taken {
        self.proven()?;
        let id = &package.package.transaction_id;
        change(self.eim, self.eid, Contact::Present, |turn: &mut Turn<'_>| {
            if is_outstanding(turn, id) {
                // Of a new key, what the eUICC signed and kept may still come, and takes the place of this.
                let rotates =
                    turn.active().is_some_and(|operation| matches!(operation.task, Task::RotateKey { .. }));
                turn.beside().result = (!rotates).then(|| PackageAnswer {
                    transaction_id: id.clone(),
                    result: Some(octets.to_vec()),
                    rollback_result: None,
                    unverified: false,
                });
                turn.answered();
                turn.occur_quietly(Occurrence::NotUnderstood);
            }
            Ok::<_, ProvideEimPackageResultError>(())
        })
        .await?;
        Ok(Vec::new())
    }

    /// Notifications that come with a result: those that are kept for their receivers may be removed too. The result says
    /// whose they are, if the eUICC signed it.
    async fn notifications(&self, notifications: &[Vec<u8>], mut taken: Vec<u32>) -> Taken {
        let signed_for = (!taken.is_empty()).then_some(self.eid);
        let bringer = Bringer { caller: self.caller, signed_for };
        for kept in forward::take(self.eim, &bringer, notifications).await? {
            if let forward::Taken::Kept { seq_number } = kept {
                taken.push(seq_number);
            }
        }
        Ok(taken)
    }

    async fn data(&self, octets: &[u8]) -> Taken {
        match IpaEuiccDataResponse::from_der(octets).map_err(Unbelieved::from)? {
            IpaEuiccDataResponse::Error { eim_transaction_id, code } => {
                self.proven()?;
                self.data_error(eim_transaction_id.as_ref(), code).await
            }
            IpaEuiccDataResponse::Data(data) => {
                self.introduction(&data).await?;
                self.stored_results(&data).await
            }
        }
    }

    async fn data_error(&self, id: Option<&EimTransactionId>, code: IpaEuiccDataErrorCode) -> Taken {
        let package = self.package(id).await?;
        change(self.eim, self.eid, Contact::Present, |turn: &mut Turn<'_>| {
            match &package {
                // It will say who it is when its emergency call is over.
                None if code == IpaEuiccDataErrorCode::EcallActive => {}
                // An introduction has no identifier.
                None => turn.beside().not_introduced = turn.euicc.certificates.is_none(),
                Some(package) if is_outstanding(turn, &package.package.transaction_id) => {
                    turn.answered();
                    turn.occur_quietly(match code {
                        IpaEuiccDataErrorCode::EcallActive => Occurrence::EcallActive,
                        _ => Occurrence::ResultLost,
                    });
                }
                Some(_) => {}
            }
            Ok::<_, ProvideEimPackageResultError>(())
        })
        .await?;
        Ok(Vec::new())
    }

    /// Who the eUICC is. Its certificates prove themselves; what else is said of it counts from a proven device alone.
    async fn introduction(&self, data: &IpaEuiccData<'_>) -> Result<(), ProvideEimPackageResultError> {
        let certificates = match (data.eum_certificate, data.euicc_certificate) {
            (Some(eum), Some(own)) => Some(EuiccCertificates { eum: eum.to_der(), own: own.to_der() }),
            _ => None,
        };
        if let Some(certificates) = &certificates {
            verify_certificates(&self.eim.anchors, self.eid, certificates, self.eim.clock.now())?;
            self.eim.introductions.answered(self.eid);
        }
        let introduction = match self.caller.proven() {
            None => Introduction::default(),
            Some(_) => Introduction {
                euicc_info1: data.euicc_info1.map(<[u8]>::to_vec),
                euicc_info2: data.euicc_info2.map(<[u8]>::to_vec),
                ipa_capabilities: data.ipa_capabilities.as_ref().map(IpaCapabilities::to_members),
                device_info: data.device_info.as_ref().map(device_info_members),
                rules_authorisation_table: None,
            },
        };
        if certificates.is_none() && introduction == Introduction::default() {
            return Ok(());
        }
        change(self.eim, self.eid, Contact::Present, |turn: &mut Turn<'_>| {
            // What is known already need not be written again.
            let known = &turn.euicc.introduction;
            let says_more = introduction.euicc_info1.is_some()
                && introduction.euicc_info1 != known.euicc_info1
                || introduction.euicc_info2.is_some() && introduction.euicc_info2 != known.euicc_info2
                || introduction.ipa_capabilities.is_some()
                    && introduction.ipa_capabilities != known.ipa_capabilities
                || introduction.device_info.is_some() && introduction.device_info != known.device_info;
            if certificates.is_some() && turn.euicc.certificates != certificates {
                turn.beside().certificates.clone_from(&certificates);
            }
            if says_more {
                turn.beside().introduction = introduction.clone();
            }
            Ok(())
        })
        .await
    }

    /// Results that the eUICC still kept: each is taken as if it had come by itself. The one that was asked for is lost if it
    /// is not among them.
    async fn stored_results(&self, data: &IpaEuiccData<'_>) -> Taken {
        let mut seq_numbers = Vec::new();
        for result in data.euicc_package_results.iter().flatten() {
            match self.euicc_package_result(result).await {
                Ok(taken) => seq_numbers.extend(taken),
                // Results of other eIMs may be among them.
                Err(ProvideEimPackageResultError::Unbelieved(error)) => {
                    tracing::info!(eid = %self.eid, %error, "a stored result is not ours, or not believed");
                }
                Err(error) => return Err(error),
            }
        }
        let package = self.package(data.eim_transaction_id.as_ref()).await?;
        if let Some(package) = package
            && package.package.command == PackageCommand::StoredResults
            && self.caller.proven().is_some()
        {
            let id = &package.package.transaction_id;
            change(self.eim, self.eid, Contact::Present, |turn: &mut Turn<'_>| {
                if is_outstanding(turn, id) {
                    turn.answered();
                    turn.occur_quietly(Occurrence::ResultLost);
                }
                Ok::<_, ProvideEimPackageResultError>(())
            })
            .await?;
        }
        Ok(seq_numbers)
    }

    async fn trigger_result(&self, octets: &[u8]) -> Taken {
        let result = ProfileDownloadTriggerResult::from_der(octets).map_err(Unbelieved::from)?;
        match result.outcome {
            ProfileDownloadTriggerOutcome::InstallationResult(pir) => {
                downloads::installation_result(self.eim, self.eid, pir).await?;
            }
            ProfileDownloadTriggerOutcome::Error { reason, .. } => {
                self.proven()?;
                let Some(package) = self.package(result.eim_transaction_id.as_ref()).await? else {
                    return Err(self.unknown_package().await);
                };
                let occurrence = match reason {
                    ProfileDownloadErrorReason::EcallActive => Occurrence::EcallActive,
                    _ => Occurrence::DownloadFailed {
                        why: format!("the device did not download the profile: {reason}"),
                        again: true,
                    },
                };
                self.report(&package, &occurrence).await?;
            }
        }
        Ok(Vec::new())
    }

    /// eimPackageResultResponseError: the IPA could not execute a package.
    async fn response_error(&self, id: Option<&EimTransactionId>, code: EimPackageResultErrorCode) -> Taken {
        self.proven()?;
        let Some(package) = self.package(id).await? else { return Err(self.unknown_package().await) };
        let why = format!("the device could not execute the package: {code}");
        self.report(
            &package,
            &match package.package.command {
                PackageCommand::Trigger => Occurrence::DownloadFailed {
                    why,
                    again: code == EimPackageResultErrorCode::UndefinedError,
                },
                PackageCommand::StoredResults => Occurrence::ResultLost,
                _ => Occurrence::NotAccepted { why },
            },
        )
        .await?;
        Ok(Vec::new())
    }

    /// What a proven device says of the outstanding package.
    async fn report(
        &self,
        package: &EimPackage,
        occurrence: &Occurrence,
    ) -> Result<(), ProvideEimPackageResultError> {
        let id = &package.package.transaction_id;
        change(self.eim, self.eid, Contact::Present, |turn: &mut Turn<'_>| {
            if is_outstanding(turn, id) {
                turn.answered();
                match occurrence {
                    Occurrence::DownloadFailed { why, again } => turn.download_failed(why.clone(), *again),
                    _ => turn.occur_quietly(occurrence.clone()),
                }
            }
            Ok(())
        })
        .await
    }
}

fn is_outstanding(turn: &Turn<'_>, id: &TransactionId) -> bool {
    turn.outstanding()
        .is_some_and(|package| package.package.transaction_id == *id && package.handed_over_at.is_some())
}

const fn seq_number(result: &EuiccPackageResult<'_>) -> Option<u32> {
    match result {
        EuiccPackageResult::Signed { data, .. } => Some(data.value.seq_number),
        EuiccPackageResult::ErrorSigned { .. } | EuiccPackageResult::ErrorUnsigned(_) => None,
    }
}

/// Takes a verified answer.
fn take(
    turn: &mut Turn<'_>,
    eim_id: &str,
    package: &EimPackage,
    verified: &VerifiedResult<'_>,
    octets: &[u8],
) {
    let command = package.package.command;
    let known = turn.euicc.listed_at.map(|_| turn.profiles.clone());
    let mut occurrence = verified.occurrence(command, known.as_deref());
    let moves = turn.active().is_some_and(|operation| matches!(operation.task, Task::Move { .. }));
    if moves && occurrence == Occurrence::Executed && verified.is_left_alone_with(eim_id) {
        let why = "listEim: the eUICC has no other eIM".to_owned();
        occurrence = Occurrence::Refused { why };
    }
    // A replay error answers a package that was executed before: its result is still to come, or came.
    let replayed = occurrence == Occurrence::Replayed;
    let rolled_back = occurrence == Occurrence::RolledBack;
    if replayed && package.result.is_some() {
        return;
    }
    if !replayed {
        let answer = |is_rollback: bool| {
            (rolled_back == is_rollback && (is_rollback || package.result.is_none())).then(|| octets.to_vec())
        };
        turn.beside().result = Some(PackageAnswer {
            transaction_id: package.package.transaction_id.clone(),
            result: answer(false),
            rollback_result: answer(true),
            unverified: verified.is_unverified(),
        });
    }
    if let Some(table) = verified.rules_authorisation_table() {
        turn.beside().introduction.rules_authorisation_table = Some(table);
    }
    let first = package.result.is_none();
    // A rollback comes behind the result that it takes back, if that was heard.
    if first || rolled_back {
        tell_profiles(turn, package, &occurrence);
        ecos::take(turn, eim_id, package, verified.results());
    }
    let operation = turn.active();
    let is_of_active =
        operation.is_some_and(|operation| operation.operation_id == package.package.operation_id);
    let same_step = operation.is_some_and(|operation| {
        let expected = operation.command().map(|command| package_command(&command));
        // Lists are asked for beside the package of a step, too.
        expected == Some(command) || command == PackageCommand::ListProfileInfo
    });
    if is_outstanding(turn, &package.package.transaction_id) && !replayed {
        turn.answered();
    }
    if rolled_back && !is_of_active {
        // The operation is over, and the device is back on the profile before.
        let now = turn.now();
        turn.beside().staleness = Staleness::Since(now);
        turn.begin_next();
    } else if is_of_active && (rolled_back || (first && same_step)) {
        turn.occur_quietly(occurrence);
    }
    if rolled_back && let Some(since) = package.handed_over_at {
        turn.beside().held = HeldNotifications::Void { since };
    }
}

/// What a signed answer says of the profiles, whatever becomes of the operation.
fn tell_profiles(turn: &mut Turn<'_>, package: &EimPackage, occurrence: &Occurrence) {
    if let Occurrence::Listed(listing) = occurrence {
        // One that was asked for before the latest list says what was before.
        let is_latest = turn.outstanding().is_none_or(|outstanding| outstanding.number <= package.number);
        if is_latest {
            turn.listed(&listing.profiles);
        }
    } else if *occurrence == Occurrence::Executed
        && let Some(iccid) = iccid_of(package)
    {
        match package.package.command {
            PackageCommand::Enable => turn.enabled(&iccid),
            PackageCommand::Disable => turn.disabled(&iccid),
            PackageCommand::Delete => turn.deleted(&iccid),
            PackageCommand::ListProfileInfo
            | PackageCommand::Trigger
            | PackageCommand::Configure
            | PackageCommand::StoredResults
            | PackageCommand::Laboratory => {}
        }
    } else if *occurrence == Occurrence::RolledBack
        && let Some(from) = turn.active().and_then(|operation| match &operation.state {
            OperationState::Waiting => None,
            state => state.from().cloned(),
        })
    {
        turn.enabled(&from);
    }
}

/// The profile that a package of one command is about.
fn iccid_of(package: &EimPackage) -> Option<Iccid> {
    use simyard_asn1::iot::package::{EuiccPackage, EuiccPackageSigned, Psmo};
    let signed = EuiccPackageSigned::from_der(package.package.content.as_deref()?).ok()?;
    let EuiccPackage::Psmo(operations) = signed.operations else { return None };
    operations.first().and_then(|operation| match operation {
        Psmo::Enable { iccid, .. } | Psmo::Disable { iccid } | Psmo::Delete { iccid } => {
            Iccid::from_bcd(iccid).ok()
        }
        _ => None,
    })
}
