//! What people and programs ask of eUICCs: an operation is made once for each key of its creator, watched, and ended as long as
//! nothing that changes the eUICC has left.

use std::fmt;

use sha2::{Digest as _, Sha256};
use simyard_asn1::Decode as _;
use simyard_asn1::iot::package::{EuiccPackage, EuiccPackageSigned};
use zeroize::Zeroizing;

use super::Eim;
use super::downloads::{activation_code_place, confirmation_code_place};
use super::ecos::{OwnEim, check_own};
use super::engine::{Contact, Turn, TurnError, change};
use super::package::{Address, euicc_package_signed};
use crate::crypto::seal::SealError;
use crate::domain::{
    Action, Actor, AuditSubject, Command, Fetch, ListedProfile, NewAuditEntry, Occurrence, Operation,
    OperationId, OperationStateName, Registered, Rollback, SwitchFacts, SwitchObstacle, SwitchTarget,
    Switching, Task, WayBack, switch_obstacles,
};
use crate::env::Timestamp;
use crate::ident::{ActivationCode, Eid, TransactionId};
pub use crate::store::{CodeScope, KeptOperation, OperationSelection};
use crate::store::{Constraint, EimEuicc, EimPackage, Euicc, NewOperation, StoreError, ToldEvent, Urgency};

/// Operations of one eUICC that may wait.
pub const WAITING_MAX: usize = 100;
/// The longest key of a caller, in octets.
pub const KEY_MAX: usize = 128;
/// The most octets of other PSMOs or eCOs: an eUICC takes few kilobytes in all.
pub const COMMANDS_MAX: usize = 8 * 1024;

/// What is asked for.
pub struct OperationRequest {
    /// What.
    pub task: Task,
    /// Where the profile is that is to be downloaded.
    pub activation_code: Option<ActivationCode>,
    /// Who can use that code.
    pub code_scope: CodeScope,
    /// The confirmation code, if the order asks for one.
    pub confirmation_code: Option<Zeroizing<String>>,
    /// Until when it may begin to change the eUICC.
    pub valid_until: Option<Timestamp>,
    /// The caller's own name of it: the same again is the same operation.
    pub key: Option<String>,
    /// The campaign that it belongs to.
    pub campaign_id: Option<String>,
    /// What the new profile needs of the eUICC's memory, in octets, if that is known.
    pub needed_memory: Option<u64>,
}

impl OperationRequest {
    /// A request without codes, key and campaign.
    #[must_use]
    pub const fn new(task: Task) -> Self {
        Self {
            task,
            activation_code: None,
            code_scope: CodeScope::AnyEuicc,
            confirmation_code: None,
            valid_until: None,
            key: None,
            campaign_id: None,
            needed_memory: None,
        }
    }

    /// What a repetition is recognised by; the confirmation code is too short to stand in a hash.
    fn digest(&self, eid: &Eid) -> String {
        let mut digest = Sha256::new();
        let mut put = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        };
        put(eid.as_str());
        put(&format!("{:?}", self.task));
        put(&self.activation_code.as_ref().map(ToString::to_string).unwrap_or_default());
        put(if self.confirmation_code.is_some() { "with a confirmation code" } else { "" });
        put(&self.valid_until.map(|at| at.as_millis().to_string()).unwrap_or_default());
        hex::encode(digest.finalize())
    }
}

/// Why an operation is not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateOperationError {
    /// The eUICC is not associated with our eIM.
    #[error("eUICC {0} is not associated with this eIM: deliver it with its eIM data, or associate it")]
    NotAssociated(Eid),
    /// A switch is not possible, or a profile cannot be enabled as it is asked.
    #[error("it is not possible: {}", Obstacles(.0))]
    NotEligible(Vec<SwitchObstacle>),
    /// The key stands for another operation.
    #[error("the key stands for another operation: {0}")]
    OtherOperation(OperationId),
    /// The key is too long, or empty.
    #[error("a key has 1 to {KEY_MAX} octets")]
    Key,
    /// A download without an activation code.
    #[error("a download needs an activation code")]
    CodeMissing,
    /// An activation code without a download.
    #[error("only a download, or a switch to a profile that is downloaded, takes an activation code")]
    CodeNotAsked,
    /// Its validity ended before it began.
    #[error("its validity ended at {0}, before it began")]
    Expired(Timestamp),
    /// The commands cannot be read.
    #[error("the commands are no list of PSMOs or eCOs that this version knows: {0}")]
    Commands(String),
    /// The commands are about our own eIM.
    #[error("the commands are not asked of the eUICC: {0}")]
    OwnEim(#[from] OwnEim),
    /// The eUICC is another eIM's.
    #[error("eUICC {0} deleted this eIM at {1}: another eIM has it")]
    Left(Eid, Timestamp),
    /// Too many operations wait.
    #[error("{WAITING_MAX} operations of this eUICC wait already")]
    TooMany,
    /// The codes could not be sealed.
    #[error("the activation code could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use: try again")]
    Race,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

struct Obstacles<'a>(&'a [SwitchObstacle]);

impl fmt::Display for Obstacles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("; "))
    }
}

/// Why an operation is not ended.
#[derive(Debug, thiserror::Error)]
pub enum CancelOperationError {
    /// There is none of this number.
    #[error("there is no operation {0}")]
    Unknown(OperationId),
    /// It ended already.
    #[error("the operation ended already: it is {0}")]
    Ended(OperationStateName),
    /// The device has its package, and may be executing it.
    #[error("it is too late: the device has the package, and the operation is {0}")]
    TooLate(OperationStateName),
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use: try again")]
    Race,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// An operation, and whether this call made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its number.
    pub operation_id: OperationId,
    /// `false` for one that an earlier call under the same key made.
    pub is_new: bool,
}

impl From<TurnError> for CancelOperationError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::NotAssociated | TurnError::Race => Self::Race,
            TurnError::Store(error) => Self::Store(error),
        }
    }
}

/// Makes an operation of `actor`, who is known to others as `creator`.
///
/// # Errors
/// [`CreateOperationError`]; nothing was made then.
pub async fn create_operation(
    eim: &Eim,
    eid: &Eid,
    request: &OperationRequest,
    actor: &Actor,
) -> Result<Created, CreateOperationError> {
    let now = eim.clock.now();
    check(&eim.eim_id, eid, request, now)?;
    let creator = format!("{}:{}", actor.kind(), actor.name());
    let digest = request.digest(eid);
    // 1. The same key stands for the same operation.
    if let Some(known) = known(eim, &creator, request, &digest).await? {
        return Ok(known);
    }
    // 2. The eUICC, as it was delivered or associated.
    let euicc = associated(eim, eid).await?;
    if let Some(at) = euicc.as_ref().and_then(|euicc| euicc.left_at) {
        return Err(CreateOperationError::Left(eid.clone(), at));
    }
    // 3. A switch has conditions, and so has a rollback.
    if matches!(request.task, Task::Switch { .. }) {
        let obstacles = plan(eim, eid, request).await?;
        if !obstacles.is_empty() {
            return Err(CreateOperationError::NotEligible(obstacles));
        }
    }
    let euicc = euicc.ok_or_else(|| CreateOperationError::NotAssociated(eid.clone()))?;
    if matches!(request.task, Task::Enable { .. }) {
        let under_way = eim.store.operations_under_way(eid).await?;
        if way_back(eim, &request.task, &euicc, &under_way).await? == WayBack::Missing {
            return Err(CreateOperationError::NotEligible(vec![SwitchObstacle::NothingToRollBackTo]));
        }
    }
    // 4. It is made, and begins if nothing else is under way.
    let operation_id = OperationId::generate(&eim.rng);
    let new = NewOperation {
        operation: Operation::new(operation_id, eid.clone(), request.task.clone(), now, request.valid_until),
        creator: creator.clone(),
        call_key: request.key.clone(),
        digest: digest.clone(),
        campaign_id: request.campaign_id.clone(),
        urgency: Urgency::Usual,
        code_scope: request.code_scope,
        sealed_activation_code: seal_activation_code(eim, &operation_id, request)?,
        sealed_confirmation_code: match &request.confirmation_code {
            Some(code) => Some(eim.sealer.seal(&confirmation_code_place(&operation_id), code.as_bytes())?),
            None => None,
        },
    };
    let detail = format!("{} {operation_id}", request.task.kind());
    let audit = NewAuditEntry::new(
        now,
        actor.clone(),
        Action::OPERATION_CREATE,
        AuditSubject::new("eid", eid.as_str()),
    )
    .detail(detail);
    let made = change(eim, eid, Contact::Absent, |turn: &mut Turn<'_>| {
        if turn.under_way().count() > WAITING_MAX {
            return Err(CreateOperationError::TooMany);
        }
        let is_switch = |kept: &&KeptOperation| matches!(kept.operation.task, Task::Switch { .. });
        if matches!(request.task, Task::Switch { .. })
            && let Some(other) = turn.under_way().find(is_switch)
        {
            let other = other.operation.operation_id.to_string();
            return Err(CreateOperationError::NotEligible(vec![SwitchObstacle::OtherSwitch(other)]));
        }
        turn.beside().audit.push(audit.clone());
        turn.create(new.clone());
        Ok(Created { operation_id, is_new: true })
    })
    .await;
    match made {
        // Another call under the same key was faster.
        Err(CreateOperationError::Store(StoreError::InUse(Constraint::OperationCall))) => {
            let known = known(eim, &creator, request, &digest).await?;
            known.ok_or(CreateOperationError::Race)
        }
        other => other,
    }
}

impl From<TurnError> for CreateOperationError {
    fn from(error: TurnError) -> Self {
        match error {
            // It was looked for before: nobody ends an association.
            TurnError::NotAssociated | TurnError::Race => Self::Race,
            TurnError::Store(error) => Self::Store(error),
        }
    }
}

/// The eUICC, if it is associated; one that was delivered for our eIM is from now on.
pub(super) async fn associated(eim: &Eim, eid: &Eid) -> Result<Option<EimEuicc>, StoreError> {
    if let Some(euicc) = eim.store.eim_euicc(eid).await? {
        return Ok(Some(euicc));
    }
    eim.store.associate_delivered(eid, &eim.eim_id, eim.download, eim.clock.now()).await?;
    eim.store.eim_euicc(eid).await
}

/// What the request itself is refused for.
fn check(
    eim_id: &str,
    eid: &Eid,
    request: &OperationRequest,
    now: Timestamp,
) -> Result<(), CreateOperationError> {
    if request.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_MAX) {
        return Err(CreateOperationError::Key);
    }
    match (request.task.downloads(), &request.activation_code) {
        (true, None) => return Err(CreateOperationError::CodeMissing),
        (false, Some(_)) => return Err(CreateOperationError::CodeNotAsked),
        _ => {}
    }
    if let Some(until) = request.valid_until.filter(|until| *until <= now) {
        return Err(CreateOperationError::Expired(until));
    }
    if let Some(commands) = request.task.commands() {
        check_commands(eim_id, eid, &request.task, commands)?;
    }
    Ok(())
}

/// Commands are read as the eUICC will read them: in a package.
fn check_commands(eim_id: &str, eid: &Eid, task: &Task, commands: &[u8]) -> Result<(), CreateOperationError> {
    use simyard_asn1::iot::package::{Eco, Psmo};
    let refused = |why: &str| CreateOperationError::Commands(why.to_owned());
    if commands.len() > COMMANDS_MAX {
        return Err(refused(&format!("{} octets, more than {COMMANDS_MAX}", commands.len())));
    }
    let transaction_id = TransactionId::from_octets(&[0; 16]).ok_or_else(|| refused("no identifier"))?;
    let address = Address { eim_id: "x", eid, counter: 1, transaction_id: &transaction_id };
    let content = euicc_package_signed(&address, &Command::Configure, task);
    let signed = EuiccPackageSigned::from_der(&content).map_err(|error| refused(&error.to_string()))?;
    let (count, unknown) = match &signed.operations {
        EuiccPackage::Psmo(all) => (all.len(), all.iter().any(|one| matches!(one, Psmo::Unknown(_)))),
        EuiccPackage::Eco(all) => (all.len(), all.iter().any(|one| matches!(one, Eco::Unknown(_)))),
    };
    match (count, unknown) {
        (0, _) => Err(refused("there is none")),
        (_, true) => Err(refused("one of them is unknown or damaged")),
        _ => Ok(check_own(task, eim_id, &signed.operations)?),
    }
}

fn seal_activation_code(
    eim: &Eim,
    operation_id: &OperationId,
    request: &OperationRequest,
) -> Result<Option<Vec<u8>>, SealError> {
    let Some(code) = &request.activation_code else { return Ok(None) };
    let text = Zeroizing::new(code.to_string());
    eim.sealer.seal(&activation_code_place(operation_id), text.as_bytes()).map(Some)
}

async fn known(
    eim: &Eim,
    creator: &str,
    request: &OperationRequest,
    digest: &str,
) -> Result<Option<Created>, CreateOperationError> {
    let Some(key) = &request.key else { return Ok(None) };
    let Some(kept) = eim.store.operation_of_call(creator, key).await? else { return Ok(None) };
    let operation_id = kept.operation.operation_id;
    if kept.digest == digest {
        Ok(Some(Created { operation_id, is_new: false }))
    } else {
        Err(CreateOperationError::OtherOperation(operation_id))
    }
}

/// Everything that stands in the way of a switch of this eUICC.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn plan(
    eim: &Eim,
    eid: &Eid,
    request: &OperationRequest,
) -> Result<Vec<SwitchObstacle>, StoreError> {
    let registered = eim.store.euicc(eid).await?;
    let known = eim.store.eim_euicc(eid).await?;
    let delivered =
        registered.as_ref().and_then(|(euicc, _)| euicc.facts.eim.as_ref()).map(|eim| eim.eim_id.as_str());
    let info = known.as_ref().and_then(|known| known.introduction.euicc_info2.as_deref());
    let info = info.and_then(|info| simyard_asn1::rsp::info::EuiccInfo2::from_der(info).ok());
    let under_way = eim.store.operations_under_way(eid).await?;
    let other = under_way.iter().find(|kept| matches!(kept.operation.task, Task::Switch { .. }));
    let not_installed = match (&request.task, &known) {
        (Task::Switch { to: SwitchTarget::Installed(iccid), .. }, Some(known))
            if known.listed_at.is_some() =>
        {
            let profiles = eim.store.profiles_of_euicc(eid).await?;
            profiles.iter().all(|profile| profile.iccid != *iccid).then(|| iccid.clone())
        }
        _ => None,
    };
    let way_back = match &known {
        Some(known) => way_back(eim, &request.task, known, &under_way).await?,
        None => WayBack::NotMissing,
    };
    Ok(switch_obstacles(&SwitchFacts {
        registered: registered.as_ref().map(|(euicc, _)| of_register(eim, euicc)),
        associated: known.is_some() || delivered == Some(eim.eim_id.as_str()),
        iot_specific_info: info.as_ref().map(|info| info.iot_specific_info.is_some()),
        free_memory: info.as_ref().and_then(|info| info.free_non_volatile_memory()),
        needed_memory: request.needed_memory,
        not_to_disable: None,
        other_switch: other.map(|kept| kept.operation.operation_id.to_string()),
        not_installed,
        way_back,
    }))
}

/// Whether a rollback is granted for which there is no profile. Nobody can tell where the last list may be another by now:
/// the device told of changes, or operations are under way.
async fn way_back(
    eim: &Eim,
    task: &Task,
    euicc: &EimEuicc,
    under_way: &[KeptOperation],
) -> Result<WayBack, StoreError> {
    let is_current = euicc.listed_at.is_some() && euicc.stale_since.is_none() && under_way.is_empty();
    if task.rollback() == Rollback::NotGranted || !is_current {
        return Ok(WayBack::NotMissing);
    }
    let profiles = eim.store.profiles_of_euicc(&euicc.association.eid).await?;
    Ok(if profiles.iter().any(|profile| profile.enabled) { WayBack::NotMissing } else { WayBack::Missing })
}

fn of_register(eim: &Eim, euicc: &Euicc) -> Registered {
    let switching = |name| eim.sub_classes.get(name).copied().unwrap_or(Switching::Impossible);
    Registered {
        architecture: euicc.facts.architecture,
        sub_class: euicc.sub_class.as_ref().map(|name| (name.clone(), switching(name))),
        freedom_to_switch: euicc.facts.freedom_to_switch,
    }
}

/// Whether an operation of this eUICC that has no end yet downloads a profile.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn download_is_under_way(eim: &Eim, eid: &Eid) -> Result<bool, StoreError> {
    let under_way = eim.store.operations_under_way(eid).await?;
    Ok(under_way.iter().any(|kept| kept.operation.task.downloads()))
}

/// Ends an operation for `actor`, before anything that changes the eUICC has left.
///
/// # Errors
/// [`CancelOperationError`]; the operation goes on then.
pub async fn cancel_operation(
    eim: &Eim,
    operation_id: &OperationId,
    actor: &Actor,
) -> Result<(), CancelOperationError> {
    let kept = eim.store.operation(operation_id).await?;
    let kept = kept.ok_or(CancelOperationError::Unknown(*operation_id))?;
    if kept.operation.state.is_end() {
        return Err(CancelOperationError::Ended(kept.operation.state.name()));
    }
    let eid = &kept.operation.eid;
    let now = eim.clock.now();
    let audit = NewAuditEntry::new(
        now,
        actor.clone(),
        Action::OPERATION_CANCEL,
        AuditSubject::new("eid", eid.as_str()),
    )
    .detail(format!("{} {operation_id}", kept.operation.task.kind()));
    change(eim, eid, Contact::Absent, |turn: &mut Turn<'_>| {
        let Some(state) = turn
            .under_way()
            .find(|kept| kept.operation.operation_id == *operation_id)
            .map(|kept| kept.operation.state.name())
        else {
            return Err(CancelOperationError::Ended(kept.operation.state.name()));
        };
        turn.beside().audit.push(audit.clone());
        let cancelled = if turn.active().is_some_and(|active| active.operation_id == *operation_id) {
            let fetch = turn.fetch();
            turn.occur(Occurrence::Cancel(fetch))
        } else {
            turn.occur_to_waiting(operation_id, Occurrence::Cancel(Fetch::NotFetched))
        };
        cancelled.map_err(|_| CancelOperationError::TooLate(state))
    })
    .await
}

/// What occurs by itself to operations whose validity, deadline or hold time is over; returns whether there may be more.
///
/// # Errors
/// [`TurnError`] if the store fails.
pub async fn end_what_is_due(eim: &Eim, limit: u32) -> Result<bool, TurnError> {
    let due = eim.store.operations_due(eim.clock.now(), limit).await?;
    for (operation_id, eid) in &due {
        let done = change(eim, eid, Contact::Absent, |turn: &mut Turn<'_>| {
            turn.let_pass(operation_id);
            Ok::<_, TurnError>(())
        })
        .await;
        match done {
            // A device that is here at this moment: the next turn looks again.
            Ok(()) | Err(TurnError::Race) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(due.len() >= usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What there is to know of an operation: itself, what was told of it, and its packages with the answers as evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationView {
    /// Itself.
    pub kept: KeptOperation,
    /// What was told of it, in order.
    pub events: Vec<ToldEvent>,
    /// Its packages, in order.
    pub packages: Vec<EimPackage>,
}

/// An operation with its history; `None` if there is none of this number.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn operation(eim: &Eim, operation_id: &OperationId) -> Result<Option<OperationView>, StoreError> {
    let Some(kept) = eim.store.operation(operation_id).await? else { return Ok(None) };
    let events = eim.store.events_of_operation(operation_id, 0, 1000).await?;
    let packages = eim.store.packages_of_operation(operation_id).await?;
    Ok(Some(OperationView { kept, events, packages }))
}

/// A page of operations, the newest first, below the number `before`.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn operations(
    eim: &Eim,
    selection: &OperationSelection,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<KeptOperation>, StoreError> {
    eim.store.operations(selection, before, limit).await
}

/// An eUICC of our eIM, with its profiles as far as its last list and signed results say; `None` if it is not associated.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn euicc(eim: &Eim, eid: &Eid) -> Result<Option<(EimEuicc, Vec<ListedProfile>)>, StoreError> {
    let Some(euicc) = eim.store.eim_euicc(eid).await? else { return Ok(None) };
    let profiles = eim.store.profiles_of_euicc(eid).await?;
    Ok(Some((euicc, profiles)))
}
