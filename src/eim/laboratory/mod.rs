//! A laboratory's hand on the eIM: situations that an eIM does not get into by itself, for conformance suites of eUICCs and
//! IPAs. A counter that is set back is a replay, one at its end is used up; a package may be for another EID, from another
//! eIM, under a broken signature, or an earlier one octet for octet.
//!
//! Nothing of it is there unless the settings say so (`[eim] laboratory`). What is done is an operation of kind
//! `laboratory`, written down in the audit, and never evidence in a report. It is done when anything came back: what that
//! means is the laboratory's. The rules that keep the store true hold all the same: an answer counts if the eUICC signed it,
//! or if a device that proved who it is brought it, and profiles that it tells to have changed are listed again.
//!
//! What is not there: more than one package in one answer, and answers that leave a protocol unfinished.

use simyard_asn1::iot::data::IpaEuiccDataRequest;
use simyard_asn1::iot::package::{EuiccPackageRequest, EuiccPackageSigned};
use simyard_asn1::iot::trigger::ProfileDownloadTriggerRequest;
use simyard_asn1::{Decode as _, Encode as _, Reader, Tag};
use zeroize::Zeroizing;

use super::Eim;
use super::engine::{Contact, Turn, TurnError, change};
use super::operations::{COMMANDS_MAX, WAITING_MAX, associated};
use super::package::{
    Address, COUNTER_MAX, Signing, eim_transaction_id, euicc_package_request, signature, with_commands,
};
use crate::crypto::ecdsa::EcdsaError;
use crate::crypto::seal::SealError;
use crate::domain::{
    Action, Actor, AuditSubject, NewAuditEntry, Operation, OperationId, OperationKind, Task,
};
use crate::ident::{Eid, TransactionId};
use crate::store::{CodeScope, EimPackage, NewOperation, StoreError, Urgency};

pub(super) mod answer;
pub(super) mod unverified;

/// The most octets of a package: what an eUICC takes, and what stands around it.
pub const PACKAGE_MAX: usize = COMMANDS_MAX + 1024;

/// Whether a laboratory may lay hands on the eIM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Laboratory {
    /// It may not.
    #[default]
    Closed,
    /// It may: never where real devices are.
    Open,
}

/// What stands in a package.
pub enum Content {
    /// `A0` psmoList or `A1` ecoList, in DER, whatever is in it.
    Commands(Vec<u8>),
    /// euiccPackageSigned, `30`, whatever is in it.
    Signed(Vec<u8>),
    /// IpaEuiccDataRequest with this tagList.
    DataRequest(Vec<Tag>),
    /// A whole eIM package: `BF51`, `BF52` or `BF54`. No `Debug`: a trigger has an activation code.
    Whole(Zeroizing<Vec<u8>>),
    /// The package with this eimTransactionId, which left before, octet for octet.
    Repeated(TransactionId),
}

/// A package that a laboratory wants handed over.
pub struct LaboratoryPackage {
    /// What stands in it.
    pub content: Content,
    /// eimId, if it is not to be ours.
    pub eim_id: Option<String>,
    /// eidValue, if it is not to be the eUICC's.
    pub eid_value: Option<Eid>,
    /// counterValue, if it is not to be the next one.
    pub counter: Option<i64>,
    /// eimTransactionId, if it is not to be a new one.
    pub transaction_id: Option<TransactionId>,
    /// The associationToken behind the signature, if it is not to be the one that is known.
    pub token: Option<i64>,
    /// Whether the signature is right.
    pub signing: Signing,
}

impl LaboratoryPackage {
    /// A package that is right but for its content.
    #[must_use]
    pub const fn of(content: Content) -> Self {
        Self {
            content,
            eim_id: None,
            eid_value: None,
            counter: None,
            transaction_id: None,
            token: None,
            signing: Signing::Right,
        }
    }
}

/// What the eIM is to believe of an association from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Believed {
    /// counterValue of the next package.
    pub next_counter: Option<i64>,
    /// associationToken; `Some(None)`: none.
    pub token: Option<Option<i64>>,
}

/// Why a laboratory's wish is not granted.
#[derive(Debug, thiserror::Error)]
pub enum LaboratoryError {
    /// The settings do not permit it.
    #[error("this eIM is no laboratory's: set [eim] laboratory = true, where no real device is")]
    Closed,
    /// The eUICC is not associated with our eIM.
    #[error("eUICC {0} is not associated with this eIM: 'simyard eim associate' does it")]
    NotAssociated(Eid),
    /// An operation that is not the laboratory's is under way.
    #[error("operation {0} of this eUICC is under way: end it, or wait until it ended")]
    UnderWay(OperationId),
    /// The content is no such thing.
    #[error("the content is no {expected}: {found}")]
    Content {
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// Longer than [`PACKAGE_MAX`].
    #[error("the package has {0} octets, more than {PACKAGE_MAX}")]
    TooLong(usize),
    /// Nothing with this eimTransactionId ever left for this eUICC.
    #[error("no eUICC package with eimTransactionId {0} has left for this eUICC")]
    NothingToRepeat(TransactionId),
    /// Too many operations wait.
    #[error("{WAITING_MAX} operations of this eUICC wait already")]
    TooMany,
    /// The settings do not have the key that the eUICC knows.
    #[error("the settings do not have the key that the eUICC knows: add it as [[eim.keys]]")]
    KeyMissing,
    /// The package could not be signed.
    #[error("the package could not be signed: {0}")]
    Signing(#[from] EcdsaError),
    /// The trigger could not be sealed.
    #[error("the trigger could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use: try again")]
    Race,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

impl From<TurnError> for LaboratoryError {
    fn from(error: TurnError) -> Self {
        match error {
            // It was looked for before: nobody ends an association.
            TurnError::NotAssociated | TurnError::Race => Self::Race,
            TurnError::Store(error) => Self::Store(error),
        }
    }
}

fn open(eim: &Eim) -> Result<(), LaboratoryError> {
    match eim.laboratory {
        Laboratory::Open => Ok(()),
        Laboratory::Closed => Err(LaboratoryError::Closed),
    }
}

/// The place for which a trigger is sealed: it has an activation code.
fn trigger_place(operation_id: &OperationId) -> String {
    format!("operation.laboratory/{operation_id}")
}

/// Has the eIM believe another counter or token of an association. Counters may begin anew behind it.
///
/// # Errors
/// [`LaboratoryError`]; then all is as it was.
pub async fn believe(
    eim: &Eim,
    eid: &Eid,
    believed: &Believed,
    actor: &Actor,
) -> Result<(), LaboratoryError> {
    open(eim)?;
    let now = eim.clock.now();
    let euicc = associated(eim, eid).await?.ok_or_else(|| LaboratoryError::NotAssociated(eid.clone()))?;
    let mut association = euicc.association;
    if let Some(next) = believed.next_counter {
        association.counter = next.saturating_sub(1);
    }
    if let Some(token) = believed.token {
        association.association_token = token;
    }
    let token = association.association_token.map_or_else(|| "none".to_owned(), |token| token.to_string());
    let detail = format!("next counter {}, token {token}", association.counter.saturating_add(1));
    let subject = AuditSubject::new("eid", eid.as_str());
    let entry = NewAuditEntry::new(now, actor.clone(), Action::EIM_LABORATORY, subject).detail(detail);
    Ok(eim.store.associate_and_tell(&[association], &[entry], now).await?)
}

/// Has a package handed over when the device polls next, behind those that wait. Its counterValue is taken now.
///
/// # Errors
/// [`LaboratoryError`]; nothing was made then.
pub async fn hand(
    eim: &Eim,
    eid: &Eid,
    package: &LaboratoryPackage,
    actor: &Actor,
) -> Result<OperationId, LaboratoryError> {
    open(eim)?;
    let now = eim.clock.now();
    if associated(eim, eid).await?.is_none() {
        return Err(LaboratoryError::NotAssociated(eid.clone()));
    }
    let repeated = match &package.content {
        Content::Repeated(id) => Some(repeated(eim, eid, id).await?),
        _ => None,
    };
    let operation_id = OperationId::generate(&eim.rng);
    change(eim, eid, Contact::Absent, |turn: &mut Turn<'_>| {
        let others = |task: &Task| task.kind() != OperationKind::Laboratory;
        if let Some(other) = turn.under_way().find(|kept| others(&kept.operation.task)) {
            return Err(LaboratoryError::UnderWay(other.operation.operation_id));
        }
        if turn.under_way().count() > WAITING_MAX {
            return Err(LaboratoryError::TooMany);
        }
        let made = match &repeated {
            Some(octets) => Zeroizing::new(octets.clone()),
            None => made(turn, eim, package)?,
        };
        if made.len() > PACKAGE_MAX {
            return Err(LaboratoryError::TooLong(made.len()));
        }
        let tag = tag_of(&made)?;
        // A trigger lies sealed, as the codes of downloads do.
        let (package, sealed) = if tag == ProfileDownloadTriggerRequest::TAG {
            (Vec::new(), Some(eim.sealer.seal(&trigger_place(&operation_id), &made)?))
        } else {
            (made.to_vec(), None)
        };
        let subject = AuditSubject::new("eid", eid.as_str());
        let detail = format!("{operation_id}, a package {:X} of {} octets", tag.0, made.len());
        turn.beside()
            .audit
            .push(NewAuditEntry::new(now, actor.clone(), Action::EIM_LABORATORY, subject).detail(detail));
        turn.create(NewOperation {
            operation: Operation::new(operation_id, eid.clone(), Task::Laboratory { package }, now, None),
            creator: format!("{}:{}", actor.kind(), actor.name()),
            call_key: None,
            digest: String::new(),
            campaign_id: None,
            urgency: Urgency::Usual,
            code_scope: CodeScope::AnyEuicc,
            sealed_activation_code: sealed,
            sealed_confirmation_code: None,
        });
        Ok(operation_id)
    })
    .await
}

/// The octets of a package that left before.
async fn repeated(eim: &Eim, eid: &Eid, id: &TransactionId) -> Result<Vec<u8>, LaboratoryError> {
    let nothing = || LaboratoryError::NothingToRepeat(id.clone());
    let package = eim.store.eim_package(id).await?.filter(|package| package.eid == *eid);
    let EimPackage { package, signed, handed_over_at: Some(_), .. } = package.ok_or_else(nothing)? else {
        return Err(nothing());
    };
    match (package.content, signed) {
        (Some(content), Some(signed)) => Ok(euicc_package_request(&content, &signed.signature)),
        _ => Err(nothing()),
    }
}

/// The tag of a package, if it is one that the bindings carry.
fn tag_of(octets: &[u8]) -> Result<Tag, LaboratoryError> {
    let expected = "eIM package (BF51, BF52 or BF54)";
    let refused = |found: String| LaboratoryError::Content { expected, found };
    let mut reader = Reader::new(octets, "EimPackage");
    let tlv = reader.read().map_err(|error| refused(error.to_string()))?;
    reader.finish().map_err(|error| refused(error.to_string()))?;
    let known = [EuiccPackageRequest::TAG, IpaEuiccDataRequest::TAG, ProfileDownloadTriggerRequest::TAG];
    if known.contains(&tlv.tag) { Ok(tlv.tag) } else { Err(refused(format!("tag {:X}", tlv.tag.0))) }
}

/// The octets of a package that is made here.
fn made(
    turn: &mut Turn<'_>,
    eim: &Eim,
    package: &LaboratoryPackage,
) -> Result<Zeroizing<Vec<u8>>, LaboratoryError> {
    let transaction_id =
        package.transaction_id.clone().unwrap_or_else(|| TransactionId::generate(&eim.rng, turn.now()));
    let content = match &package.content {
        Content::Whole(octets) => return Ok(octets.clone()),
        Content::DataRequest(tag_list) => {
            let request = IpaEuiccDataRequest {
                tag_list: tag_list.clone(),
                ci_pk_id_to_be_used: None,
                notification_criteria: None,
                euicc_package_result_seq_number: None,
                eim_transaction_id: eim_transaction_id(&transaction_id),
            };
            return Ok(Zeroizing::new(request.to_der()));
        }
        // It was read before.
        Content::Repeated(_) => return Ok(Zeroizing::new(Vec::new())),
        Content::Signed(octets) => {
            one_tlv(octets, &[Tag::SEQUENCE], "EuiccPackageSigned (30)")?;
            octets.clone()
        }
        Content::Commands(commands) => {
            one_tlv(commands, &[Tag(0xA0), Tag(0xA1)], "psmoList (A0) or ecoList (A1)")?;
            let own = turn.eid().clone();
            let next = turn.euicc.association.counter.saturating_add(1);
            let address = Address {
                eim_id: package.eim_id.as_deref().unwrap_or(&eim.eim_id),
                eid: package.eid_value.as_ref().unwrap_or(&own),
                counter: package.counter.unwrap_or(next),
                transaction_id: &transaction_id,
            };
            with_commands(&address, commands)
        }
    };
    // Whatever counter it has that is ours to use is used from now on.
    if let Ok(signed) = EuiccPackageSigned::from_der(&content)
        && (turn.euicc.association.counter.saturating_add(1)..=COUNTER_MAX).contains(&signed.counter_value)
    {
        turn.beside().counter = Some(signed.counter_value);
    }
    let token = package.token.or(turn.euicc.association.association_token);
    let known = turn.euicc.signing_key.as_deref();
    let key = eim.keys.known(known).ok_or(LaboratoryError::KeyMissing)?;
    let signature = signature(key, &content, token, package.signing)?;
    Ok(Zeroizing::new(euicc_package_request(&content, &signature)))
}

/// What a laboratory brings is damaged inside as it likes; around it stands one TLV, or no package could be made.
fn one_tlv(octets: &[u8], tags: &[Tag], expected: &'static str) -> Result<(), LaboratoryError> {
    let refused = |found: String| LaboratoryError::Content { expected, found };
    let mut reader = Reader::new(octets, "content");
    let tlv = reader.read().map_err(|error| refused(error.to_string()))?;
    reader.finish().map_err(|error| refused(error.to_string()))?;
    if tags.contains(&tlv.tag) { Ok(()) } else { Err(refused(format!("tag {:X}", tlv.tag.0))) }
}
