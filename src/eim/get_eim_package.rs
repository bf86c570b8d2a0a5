//! ESipa.GetEimPackage (SGP.32 5.14.5, 3.1.1.1): a device polls, and gets the package that is outstanding for its eUICC.
//!
//! A poll that brings nothing new costs one look into the store and no write. A package is signed when it leaves for the first
//! time: the signature is written, and with it that it left, before the answer goes out. Repeated, the poll gets the same
//! octets, until the answer came or the package was withdrawn. A poll that tells of something (notifyStateChange, a cause,
//! another network than before) is written down before it is answered, and the eUICC is to list its profiles before
//! anything else is decided. Nothing of that is unsigned word of somebody unknown: without a certificate it is not heard.

use simyard_asn1::iot::esipa::{EimPackage, EimPackageError, GetEimPackageRequest};

use super::Eim;
use super::caller::{DeviceCaller, Refusal};
use super::downloads::{CodesError, open_codes};
use super::engine::{Contact, Turn, TurnError, change};
use super::introductions::INTRODUCTIONS_MAX;
use super::laboratory::answer as laboratory;
use super::package::{euicc_package_request, introduction_request, is_euicc_package, sign, trigger};
use super::status::{EsipaCode, EsipaError};
use crate::crypto::ecdsa::EcdsaError;
use crate::crypto::seal::SealError;
use crate::domain::Occurrence;
use crate::ident::{Eid, TransactionId};
use crate::store::{
    CodeScope, EimPackage as StoredPackage, Heard, NewPackage, PackageCommand, PackageSignature, Poll,
    StoreError,
};

/// Why a device gets no package.
#[derive(Debug, thiserror::Error)]
pub enum GetEimPackageError {
    /// Nothing waits for the eUICC.
    #[error("no eIM package is available")]
    NoEimPackageAvailable,
    /// The eUICC is not associated with this eIM.
    #[error("the eUICC is not associated with this eIM")]
    EidNotFound,
    /// The octets of eidValue are no EID.
    #[error("eidValue is no EID")]
    InvalidEid,
    /// The caller may not speak for this eUICC.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use")]
    Race,
    /// The settings do not have the key that the eUICC knows.
    #[error("the settings do not have the key that the eUICC knows: add it as [[eim.keys]]")]
    KeyMissing,
    /// The package could not be signed.
    #[error("the package could not be signed")]
    Signing(#[source] EcdsaError),
    /// The activation code could not be opened.
    #[error("the activation code could not be opened")]
    Codes(#[source] CodesError),
    /// The trigger of a laboratory could not be opened.
    #[error("the trigger of a laboratory could not be opened")]
    Seal(#[source] SealError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<TurnError> for GetEimPackageError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::NotAssociated => Self::EidNotFound,
            TurnError::Race => Self::Race,
            TurnError::Store(error) => Self::Store(error),
        }
    }
}

impl EsipaError for GetEimPackageError {
    fn code(&self) -> EsipaCode {
        EsipaCode::GetEimPackage(match self {
            Self::NoEimPackageAvailable => EimPackageError::NoEimPackageAvailable,
            // Who may not speak for an eUICC learns nothing of it.
            Self::EidNotFound | Self::Refused(_) => EimPackageError::EidNotFound,
            Self::InvalidEid => EimPackageError::InvalidEid,
            Self::Race
            | Self::KeyMissing
            | Self::Signing(_)
            | Self::Codes(_)
            | Self::Seal(_)
            | Self::Store(_) => EimPackageError::UndefinedError,
        })
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Race | Self::KeyMissing => Some(self),
            Self::Signing(cause) => Some(cause),
            Self::Codes(cause) => Some(cause),
            Self::Seal(cause) => Some(cause),
            Self::Store(cause) => Some(cause),
            Self::NoEimPackageAvailable | Self::EidNotFound | Self::InvalidEid | Self::Refused(_) => None,
        }
    }
}

/// How often a poll looks again because the eUICC changed in between.
const LOOKS: usize = 4;

/// Answers a poll.
///
/// # Errors
/// [`GetEimPackageError`].
pub async fn get_eim_package(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &GetEimPackageRequest,
) -> Result<EimPackage, GetEimPackageError> {
    // 1. Whose poll is it, and may the caller ask?
    let eid = Eid::from_bcd(&request.eid_value).map_err(|_| GetEimPackageError::InvalidEid)?;
    caller.may_poll_for(&eid)?;
    let mut poll = look(eim, &eid).await?;
    if caller.proven().is_some() {
        let first = if poll.has_polled { Heard::Again } else { Heard::First };
        eim.contacts.hear_of(&eid, eim.clock.now(), first);
        // 2. What the device tells is written down first.
        if hear(eim, &eid, request, &poll).await? {
            poll = look(eim, &eid).await?;
        }
    }
    next_package(eim, caller, &eid, poll).await
}

/// What leaves for an eUICC now, whether its device polls or is gone to; `poll` is what there is for it.
pub(super) async fn next_package(
    eim: &Eim,
    caller: &DeviceCaller,
    eid: &Eid,
    mut poll: Poll,
) -> Result<EimPackage, GetEimPackageError> {
    // 3. An eUICC that cannot be believed yet is asked who it is.
    if !poll.has_certificates && poll.introductions < INTRODUCTIONS_MAX && eim.introductions.ask(eid) {
        return Ok(EimPackage::IpaEuiccDataRequest(introduction_request()));
    }
    // 4. The outstanding package, signed if it leaves for the first time.
    for _ in 0..LOOKS {
        let package = poll.package.filter(|package| is_due(eim, package));
        let package = package.ok_or(GetEimPackageError::NoEimPackageAvailable)?;
        if let Some(octets) = octets(eim, caller, &package).await? {
            return Ok(octets);
        }
        leave(eim, &package, poll.association_token, poll.signing_key.as_deref()).await?;
        poll = look(eim, eid).await?;
    }
    Err(GetEimPackageError::Race)
}

fn is_due(eim: &Eim, package: &StoredPackage) -> bool {
    package.package.due_at <= eim.clock.now()
}

/// Whether a package waits for an eUICC.
pub(super) fn waits(eim: &Eim, poll: &Poll) -> bool {
    poll.package.as_ref().is_some_and(|package| is_due(eim, package))
}

/// What there is for an eUICC; one that was delivered for this eIM is associated when it is heard of first.
pub(super) async fn look(eim: &Eim, eid: &Eid) -> Result<Poll, GetEimPackageError> {
    if let Some(poll) = eim.store.poll(eid).await? {
        return Ok(poll);
    }
    let delivered = eim.store.euicc(eid).await?.and_then(|(euicc, _)| euicc.facts.eim);
    if delivered.is_none_or(|delivered| delivered.eim_id != eim.eim_id) {
        return Err(GetEimPackageError::EidNotFound);
    }
    eim.store.associate_delivered(eid, &eim.eim_id, eim.download, eim.clock.now()).await?;
    eim.store.poll(eid).await?.ok_or(GetEimPackageError::EidNotFound)
}

/// Writes down what a poll tells; `false` if it tells nothing new.
async fn hear(
    eim: &Eim,
    eid: &Eid,
    request: &GetEimPackageRequest,
    poll: &Poll,
) -> Result<bool, GetEimPackageError> {
    let rplmn = request.r_plmn.map(hex::encode).filter(|rplmn| poll.rplmn.as_ref() != Some(rplmn));
    // The first network that is told is no other one.
    let moved = rplmn.is_some() && poll.rplmn.is_some();
    let changed = request.notify_state_change || request.state_change_cause.is_some();
    if rplmn.is_none() && !changed {
        return Ok(false);
    }
    change(eim, eid, Contact::Present, |turn: &mut Turn<'_>| {
        turn.beside().rplmn.clone_from(&rplmn);
        if changed {
            turn.end_pause();
        }
        if changed || moved {
            turn.state_changed(request.state_change_cause.map(|cause| cause.code()));
        }
        Ok::<_, GetEimPackageError>(true)
    })
    .await
}

/// The octets of a package that left before; `None` for one that is still to leave.
async fn octets(
    eim: &Eim,
    caller: &DeviceCaller,
    package: &StoredPackage,
) -> Result<Option<EimPackage>, GetEimPackageError> {
    if package.handed_over_at.is_none() {
        return match package.package.command {
            // Nobody signs a trigger, and its code may be anybody's.
            PackageCommand::Trigger => codes(eim, caller, &package.package).await.map(|_| None),
            PackageCommand::Laboratory => laboratory::octets(eim, caller, package).await.map(|_| None),
            _ => Ok(None),
        };
    }
    if package.package.command == PackageCommand::Laboratory {
        return laboratory::octets(eim, caller, package).await.map(Some);
    }
    let NewPackage { command, content, transaction_id, .. } = &package.package;
    Ok(match (command, content, &package.signed) {
        (PackageCommand::Trigger, ..) => {
            let code = codes(eim, caller, &package.package).await?;
            Some(EimPackage::ProfileDownloadTriggerRequest(trigger(&code, transaction_id)))
        }
        (PackageCommand::StoredResults, Some(content), _) => {
            Some(EimPackage::IpaEuiccDataRequest(content.clone()))
        }
        (_, Some(content), Some(signed)) => {
            Some(EimPackage::EuiccPackageRequest(euicc_package_request(content, &signed.signature)))
        }
        _ => None,
    })
}

/// The activation code of a trigger, if the caller may have it.
async fn codes(
    eim: &Eim,
    caller: &DeviceCaller,
    package: &NewPackage,
) -> Result<crate::ident::ActivationCode, GetEimPackageError> {
    let kept = eim.store.operation(&package.operation_id).await?;
    let kept = kept.ok_or(GetEimPackageError::NoEimPackageAvailable)?;
    if caller.proven().is_none() && kept.code_scope == CodeScope::AnyEuicc {
        tracing::info!(
            operation = %package.operation_id,
            "a trigger is not handed to a device without a certificate: its order is not linked to the EID"
        );
        return Err(GetEimPackageError::NoEimPackageAvailable);
    }
    let codes = open_codes(eim, &kept).map_err(GetEimPackageError::Codes)?;
    Ok(codes.activation_code)
}

/// Signs a package, and writes down signature and hand-over. Nothing is written if another poll was faster.
async fn leave(
    eim: &Eim,
    package: &StoredPackage,
    association_token: Option<i64>,
    signing_key: Option<&str>,
) -> Result<(), GetEimPackageError> {
    let id: &TransactionId = &package.package.transaction_id;
    let key = eim.keys.known(signing_key).ok_or(GetEimPackageError::KeyMissing)?;
    let signed = match &package.package.content {
        Some(content) if is_euicc_package(package.package.command) => Some(PackageSignature {
            association_token,
            signature: sign(key, content, association_token).map_err(GetEimPackageError::Signing)?,
        }),
        _ => None,
    };
    change(eim, &package.eid, Contact::Present, |turn: &mut Turn<'_>| {
        let token = turn.euicc.association.association_token;
        let waits = turn.outstanding().is_some_and(|outstanding| {
            outstanding.package.transaction_id == *id && outstanding.handed_over_at.is_none()
        });
        // A new association since, or another key: the next look signs with them.
        if waits && token == association_token && turn.euicc.signing_key.as_deref() == signing_key {
            turn.hand_over(id, signed.clone());
            turn.occur_quietly(Occurrence::HandedOver);
        }
        Ok::<_, GetEimPackageError>(())
    })
    .await
}
