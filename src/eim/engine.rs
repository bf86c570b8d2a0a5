//! The engine: what occurred to an eUICC becomes the next state of its operation, and one change in the store with all that
//! follows: the next package, the next operation, what is told.
//!
//! A [`Turn`] is one such change in the making. It begins with the eUICC as it was read and ends with [`change`], which
//! writes it if nothing else was written about the eUICC since, and begins anew otherwise. The rules are in
//! [`crate::domain::operation`]; here stand those that are about the eUICC as a whole:
//!
//! - one operation has its turn, and one package of it is outstanding at most: a new package withdraws the one before;
//! - a package gets its counter in the change that queues it, before anything is signed;
//! - an operation that ends makes room for the next; if the device told that its profiles changed, that is an audit.

use std::collections::VecDeque;
use std::time::Duration;

use super::Eim;
use super::ecos::delete_eim;
use super::package::{
    Address, COUNTER_MAX, euicc_package_signed, is_euicc_package, package_command, stored_results_request,
};
use crate::domain::{
    Command, Effect, Event, EventKind, Fetch, InvalidOccurrence, ListedProfile, Occurrence, Operation,
    OperationId, OperationPart, OperationState, Task,
};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, TransactionId};
use crate::store::{
    CodeScope, EimChange, EimEuicc, EimPackage, HeldNotifications, KeptOperation, NewOperation, NewPackage,
    PackageOutcome, PackageSignature, Staleness, StoreError, Urgency,
};

/// How often an eUICC that changed since it was read is read again.
const RACES: usize = 8;
/// How long an eUICC with an emergency call is left alone.
pub const ECALL_PAUSE: Duration = Duration::from_secs(600);
/// Who asks for the audits that a device made necessary.
pub const BY_DEVICE: &str = "device";

/// Who makes the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The device is here, and asks again at once.
    Present,
    /// It is not: it may want to be woken.
    Absent,
}

/// Why a turn came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The eUICC is not associated with our eIM.
    #[error("the eUICC is not associated with this eIM")]
    NotAssociated,
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use")]
    Race,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// An operation that has no end yet.
struct UnderWay {
    kept: KeptOperation,
    /// Whether it is new in this turn, and where it stands is not written by itself.
    new: Option<NewOperation>,
}

/// One change of an eUICC in the making.
pub struct Turn<'a> {
    eim: &'a Eim,
    contact: Contact,
    now: Timestamp,
    /// The eUICC as it was read.
    pub euicc: EimEuicc,
    /// Its profiles as they were read.
    pub profiles: Vec<ListedProfile>,
    active: Option<UnderWay>,
    waiting: VecDeque<KeptOperation>,
    outstanding: Option<EimPackage>,
    /// Whether an audit failed in this turn.
    audit_failed: bool,
    change: EimChange,
    untouched: EimChange,
}

/// Reads the eUICC, lets `decide` make its turn, and writes what came of it; anew, if the eUICC changed in between.
///
/// # Errors
/// [`TurnError`], and what `decide` refuses.
pub async fn change<T, E: From<TurnError>>(
    eim: &Eim,
    eid: &Eid,
    contact: Contact,
    decide: impl Fn(&mut Turn<'_>) -> Result<T, E>,
) -> Result<T, E> {
    for _ in 0..RACES {
        let mut turn = Turn::read(eim, eid, contact).await?;
        let decided = decide(&mut turn)?;
        if turn.change == turn.untouched {
            return Ok(decided);
        }
        match eim.store.change_eim_euicc(turn.change, &eim.deadlines).await {
            Ok(_) => return Ok(decided),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(TurnError::from(error).into()),
        }
    }
    Err(TurnError::Race.into())
}

impl<'a> Turn<'a> {
    async fn read(eim: &'a Eim, eid: &Eid, contact: Contact) -> Result<Self, TurnError> {
        // First the row whose version guards the others: what changes while they are read makes the change a conflict.
        let euicc = eim.store.eim_euicc(eid).await?.ok_or(TurnError::NotAssociated)?;
        let profiles = eim.store.profiles_of_euicc(eid).await?;
        let outstanding = eim.store.outstanding_package(eid).await?;
        let mut waiting = VecDeque::new();
        let mut active = None;
        for kept in eim.store.operations_under_way(eid).await? {
            if kept.operation.state == OperationState::Waiting {
                waiting.push_back(kept);
            } else {
                active = Some(UnderWay { kept, new: None });
            }
        }
        waiting.make_contiguous().sort_by_key(|kept| (kept.urgency != Urgency::First, kept.number));
        let now = eim.clock.now();
        let change = EimChange::new(eid.clone(), euicc.version, now);
        let untouched = change.clone();
        Ok(Self {
            eim,
            contact,
            now,
            euicc,
            profiles,
            active,
            waiting,
            outstanding,
            audit_failed: false,
            change,
            untouched,
        })
    }

    /// Now.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The eUICC.
    #[must_use]
    pub const fn eid(&self) -> &Eid {
        &self.euicc.association.eid
    }

    /// The operation whose turn it is.
    #[must_use]
    pub fn active(&self) -> Option<&Operation> {
        self.active.as_ref().map(|under_way| &under_way.kept.operation)
    }

    /// The operations that have no end yet, the one whose turn it is first.
    pub fn under_way(&self) -> impl Iterator<Item = &KeptOperation> {
        self.active.iter().map(|under_way| &under_way.kept).chain(&self.waiting)
    }

    /// The package that is outstanding.
    #[must_use]
    pub const fn outstanding(&self) -> Option<&EimPackage> {
        self.outstanding.as_ref()
    }

    /// What is written beside operations and packages.
    pub const fn beside(&mut self) -> &mut EimChange {
        &mut self.change
    }

    /// Takes what occurred to the operation whose turn it is, with all that follows.
    ///
    /// # Errors
    /// [`InvalidOccurrence`] where it does not go with the operation's state; then nothing changed. Without an operation
    /// nothing occurs.
    pub fn occur(&mut self, occurrence: Occurrence) -> Result<(), InvalidOccurrence> {
        let Some(UnderWay { kept, new }) = self.active.take() else { return Ok(()) };
        let stepped = kept.operation.clone().transition(occurrence, self.now);
        let (operation, effects) = match stepped {
            Ok(stepped) => stepped,
            Err(invalid) => {
                self.active = Some(UnderWay { kept, new });
                return Err(invalid);
            }
        };
        if kept.operation.state.may_roll_back() && !operation.state.may_roll_back() {
            self.end_holding(&operation.state);
        }
        let kept = KeptOperation { operation, ..kept };
        let told = effects.iter().filter_map(|effect| match effect {
            Effect::Tell(kind) => Some(event_of(&kept, *kind, self.now)),
            Effect::Queue(_) | Effect::QueueLater(_) | Effect::Leave => None,
        });
        self.change.events.extend(told);
        self.active = Some(UnderWay { kept, new });
        let mut queued = Ok(());
        for effect in &effects {
            queued = queued.and(match effect {
                Effect::Queue(command) => self.queue(command, self.now),
                Effect::QueueLater(command) => self.queue(command, self.now.plus(ECALL_PAUSE)),
                Effect::Tell(_) | Effect::Leave => Ok(()),
            });
        }
        match queued {
            Ok(()) => {
                let leaves = effects.contains(&Effect::Leave);
                let mover = self.active.as_ref().map(|one| one.kept.clone()).filter(|_| leaves);
                self.settle();
                if let Some(mover) = mover {
                    self.leave(&mover);
                }
                Ok(())
            }
            // Queues nothing: so it does not come here again.
            Err(CounterUsedUp) => self.occur(Occurrence::CounterUsedUp),
        }
    }

    /// Notifications of a switch were held until now. If the list alone shows the old profile, the eUICC may still report that it
    /// rolled back: they stay until then, or until their time is over.
    fn end_holding(&mut self, state: &OperationState) {
        if !matches!(state, OperationState::RolledBack { .. }) {
            self.change.held = HeldNotifications::Due;
        }
    }

    /// Writes down where the operation stands; the next one begins if it ended.
    fn settle(&mut self) {
        let Some(UnderWay { kept, new }) = self.active.take() else { return };
        let operation = kept.operation.clone();
        let ended = operation.state.is_end();
        // Another audit would come to the same.
        self.audit_failed |=
            operation.task == Task::Audit && matches!(operation.state, OperationState::Failed(_));
        match new {
            // Its row is written when it is as it stays.
            Some(new) => {
                self.change
                    .new_operations
                    .retain(|other| other.operation.operation_id != operation.operation_id);
                self.change.new_operations.push(NewOperation { operation, ..new.clone() });
                if !ended {
                    self.active = Some(UnderWay { kept, new: Some(new) });
                }
            }
            None => {
                self.change.operations.retain(|other| other.operation_id != operation.operation_id);
                self.change.operations.push(operation);
                if !ended {
                    self.active = Some(UnderWay { kept, new: None });
                }
            }
        }
        if ended {
            self.withdraw();
            self.begin_next();
        }
    }

    /// Begins what comes next, if nothing is under way.
    pub fn begin_next(&mut self) {
        if self.active.is_some() {
            return;
        }
        let is_stale = match self.change.staleness {
            Staleness::AsItWas => self.euicc.stale_since.is_some(),
            Staleness::Since(_) => true,
            Staleness::Listed => false,
        };
        if is_stale && !self.audit_failed && self.waiting.iter().all(|kept| kept.urgency != Urgency::First) {
            let operation_id = OperationId::generate(&self.eim.rng);
            let eid = self.eid().clone();
            let operation = Operation::new(operation_id, eid, Task::Audit, self.now, None);
            self.create(NewOperation {
                operation,
                creator: BY_DEVICE.to_owned(),
                call_key: None,
                digest: String::new(),
                campaign_id: None,
                urgency: Urgency::First,
                code_scope: CodeScope::AnyEuicc,
                sealed_activation_code: None,
                sealed_confirmation_code: None,
            });
            return;
        }
        if let Some(kept) = self.waiting.pop_front() {
            self.active = Some(UnderWay { kept, new: None });
            self.occur_quietly(Occurrence::Begun);
        }
    }

    /// The eUICC signed that it has another eIM: an operation of its own has it delete ours, behind those that wait.
    fn leave(&mut self, mover: &KeptOperation) {
        let operation_id = OperationId::generate(&self.eim.rng);
        let task = Task::Configure { commands: delete_eim(&self.eim.eim_id) };
        let eid = self.eid().clone();
        self.create(NewOperation {
            operation: Operation::new(operation_id, eid, task, self.now, None),
            creator: format!("move:{}", mover.operation.operation_id),
            call_key: None,
            digest: String::new(),
            campaign_id: mover.campaign_id.clone(),
            urgency: Urgency::Usual,
            code_scope: CodeScope::AnyEuicc,
            sealed_activation_code: None,
            sealed_confirmation_code: None,
        });
    }

    /// The eUICC signed that it deleted our eIM: what waits for it can never be done.
    pub fn left(&mut self) {
        self.change.left = true;
        let waiting: Vec<OperationId> = self.waiting.iter().map(|kept| kept.operation.operation_id).collect();
        for operation_id in waiting {
            if let Err(invalid) = self.occur_to_waiting(&operation_id, Occurrence::Cancel(Fetch::NotFetched))
            {
                tracing::debug!(%invalid, "nothing to do");
            }
        }
    }

    /// A new operation; it begins at once if nothing else is under way.
    pub fn create(&mut self, new: NewOperation) {
        let kept = KeptOperation {
            number: i64::MAX,
            operation: new.operation.clone(),
            creator: new.creator.clone(),
            digest: new.digest.clone(),
            campaign_id: new.campaign_id.clone(),
            urgency: new.urgency,
            code_scope: new.code_scope,
            sealed_activation_code: new.sealed_activation_code.clone(),
            sealed_confirmation_code: new.sealed_confirmation_code.clone(),
        };
        self.change.events.push(event_of(&kept, EventKind::OperationCreated, self.now));
        if self.active.is_some() {
            self.change.new_operations.push(new);
        } else {
            self.active = Some(UnderWay { kept, new: Some(new) });
            self.occur_quietly(Occurrence::Begun);
        }
    }

    /// Takes what occurred to an operation that waits: somebody ends it, or its validity does.
    ///
    /// # Errors
    /// [`InvalidOccurrence`] where it does not go with its state; then nothing changed.
    pub fn occur_to_waiting(
        &mut self,
        operation_id: &OperationId,
        occurrence: Occurrence,
    ) -> Result<(), InvalidOccurrence> {
        let place = self.waiting.iter().position(|kept| kept.operation.operation_id == *operation_id);
        let Some(kept) = place.and_then(|place| self.waiting.remove(place)) else { return Ok(()) };
        let (operation, effects) = kept.operation.clone().transition(occurrence, self.now)?;
        let kept = KeptOperation { operation: operation.clone(), ..kept };
        for effect in effects {
            if let Effect::Tell(kind) = effect {
                self.change.events.push(event_of(&kept, kind, self.now));
            }
        }
        self.change.operations.push(operation);
        Ok(())
    }

    /// The time that an operation had is over: its validity, its deadline or its hold time.
    pub fn let_pass(&mut self, operation_id: &OperationId) {
        let fetch = self.fetch();
        match self.active() {
            Some(active) if active.operation_id == *operation_id => {
                match active.occurrence_due(self.now, fetch) {
                    Some(occurrence) => self.occur_quietly(occurrence),
                    // Written again, it is due when the next of its times is.
                    None => self.settle(),
                }
            }
            _ => {
                let expired = self.occur_to_waiting(operation_id, Occurrence::Expire(Fetch::NotFetched));
                if let Err(invalid) = expired {
                    tracing::debug!(%invalid, "nothing to do");
                }
            }
        }
    }

    /// How far the outstanding package is.
    #[must_use]
    pub fn fetch(&self) -> Fetch {
        match &self.outstanding {
            Some(package) if package.handed_over_at.is_some() => Fetch::Fetched,
            _ => Fetch::NotFetched,
        }
    }

    /// The outstanding package was answered.
    pub fn answered(&mut self) {
        self.end_outstanding(PackageOutcome::Answered);
    }

    /// Takes what occurred if it goes with the state; a late or repeated report changes nothing.
    pub fn occur_quietly(&mut self, occurrence: Occurrence) {
        if let Err(invalid) = self.occur(occurrence) {
            tracing::debug!(%invalid, "nothing to do");
        }
    }

    /// A download failed, says the device, and nobody signed it: an attempt whose report is still to come, or went to the SM-DP+
    /// alone, may have installed the profile. If the operation ends with it, the eUICC is asked for its list.
    pub fn download_failed(&mut self, why: String, again: bool) {
        let Some(operation_id) = self.active().map(|operation| operation.operation_id) else { return };
        let staleness = self.change.staleness;
        self.change.staleness = Staleness::Since(self.now);
        self.occur_quietly(Occurrence::DownloadFailed { why, again });
        if self.active().is_some_and(|operation| operation.operation_id == operation_id) {
            self.change.staleness = staleness;
        }
    }

    /// The outstanding package leaves for the first time.
    pub fn hand_over(&mut self, transaction_id: &TransactionId, signed: Option<PackageSignature>) {
        self.change.handed_over = Some((transaction_id.clone(), signed));
    }

    /// A package that was put off for an emergency call need not wait any longer.
    pub fn end_pause(&mut self) {
        let waits = self.outstanding.as_ref().is_some_and(|package| package.package.due_at > self.now);
        let command = self.active().and_then(Operation::command);
        if let (true, Some(command)) = (waits, command)
            && self.queue(&command, self.now).is_err()
        {
            self.occur_quietly(Occurrence::CounterUsedUp);
        }
    }

    fn withdraw(&mut self) {
        self.end_outstanding(PackageOutcome::Withdrawn);
    }

    fn end_outstanding(&mut self, outcome: PackageOutcome) {
        if let Some(package) = self.outstanding.take() {
            self.change.ended = Some((package.package.transaction_id, outcome));
        }
        // One that was made in this turn is not written at all.
        self.change.package = None;
    }

    fn queue(&mut self, command: &Command, due_at: Timestamp) -> Result<(), CounterUsedUp> {
        let Some(operation) = self.active().cloned() else { return Ok(()) };
        self.withdraw();
        let transaction_id = TransactionId::generate(&self.eim.rng, self.now);
        let kind = package_command(command);
        let mut package = NewPackage {
            operation_id: operation.operation_id,
            command: kind,
            transaction_id,
            counter: None,
            content: None,
            created_at: self.now,
            due_at,
        };
        if is_euicc_package(kind) {
            let last = self.change.counter.unwrap_or(self.euicc.association.counter);
            let counter = last.saturating_add(1);
            if counter > COUNTER_MAX {
                return Err(CounterUsedUp);
            }
            let address = Address {
                eim_id: &self.eim.eim_id,
                eid: self.eid(),
                counter,
                transaction_id: &package.transaction_id,
            };
            package.content = Some(euicc_package_signed(&address, command, &operation.task));
            package.counter = Some(counter);
            self.change.counter = Some(counter);
        } else if *command == Command::StoredResults {
            package.content = Some(stored_results_request(&package.transaction_id));
        } else if let Task::Laboratory { package: octets } = &operation.task {
            package.content = Some(octets.clone());
        }
        self.change.package = Some(package);
        self.want_poll(&operation);
        Ok(())
    }

    /// Tells that the device may be woken, if it is not here and not expected soon.
    fn want_poll(&mut self, operation: &Operation) {
        let expected_at = self.euicc.expected_at();
        let soon = self.now.plus(self.eim.poll_wanted_after);
        let comes = expected_at.is_some_and(|at| at >= self.now && at <= soon);
        if self.contact == Contact::Present || comes {
            return;
        }
        let part = OperationPart {
            operation_id: operation.operation_id,
            kind: operation.task.kind(),
            state: operation.state.name(),
            reason: None,
        };
        let expected_at = expected_at.filter(|at| *at > soon);
        self.change.events.push(Event {
            operation: Some(part),
            expected_at,
            ..Event::of_device(EventKind::DevicePollWanted, self.eid().clone(), self.now)
        });
    }

    /// The device told that its profiles changed.
    pub fn state_changed(&mut self, cause: Option<i64>) {
        self.change.staleness = Staleness::Since(self.now);
        self.change.events.push(Event {
            cause,
            ..Event::of_device(EventKind::DeviceStateChanged, self.eid().clone(), self.now)
        });
        if self.active.is_some() {
            self.occur_quietly(Occurrence::StateChanged);
        } else {
            self.begin_next();
        }
    }

    /// The eUICC listed its profiles.
    pub fn listed(&mut self, profiles: &[ListedProfile]) {
        self.change.profiles = Some(profiles.to_vec());
        self.change.staleness = Staleness::Listed;
    }

    /// The eUICC signed that one profile is enabled, and so none other.
    pub fn enabled(&mut self, iccid: &Iccid) {
        self.change_profiles(|profile| profile.enabled = profile.iccid == *iccid);
    }

    /// The eUICC signed that a profile is disabled.
    pub fn disabled(&mut self, iccid: &Iccid) {
        self.change_profiles(|profile| profile.enabled &= profile.iccid != *iccid);
    }

    /// The eUICC signed that a profile is gone.
    pub fn deleted(&mut self, iccid: &Iccid) {
        let profiles = self.change.profiles.take().unwrap_or_else(|| self.profiles.clone());
        self.change.profiles = Some(profiles.into_iter().filter(|profile| profile.iccid != *iccid).collect());
    }

    fn change_profiles(&mut self, change: impl FnMut(&mut ListedProfile)) {
        let mut profiles = self.change.profiles.take().unwrap_or_else(|| self.profiles.clone());
        profiles.iter_mut().for_each(change);
        self.change.profiles = Some(profiles);
    }
}

/// The eUICC takes no higher counter.
struct CounterUsedUp;

fn event_of(kept: &KeptOperation, kind: EventKind, at: Timestamp) -> Event {
    let operation = &kept.operation;
    Event {
        operation: Some(OperationPart {
            operation_id: operation.operation_id,
            kind: operation.task.kind(),
            state: operation.state.name(),
            reason: operation.state.reason().cloned(),
        }),
        campaign_id: kept.campaign_id.clone(),
        ..Event::of_device(kind, operation.eid.clone(), at)
    }
}
