//! Campaigns: one thing asked of many eUICCs ([`crate::domain::campaign`]); made, watched, paused, resumed and ended here, and
//! taken forward turn by turn ([`turn`]) by a job.
//!
//! Beginning targets takes three changes that a death may part: the campaign is held and its pace moved on ([`turn`]), the
//! operations are made under keys that name campaign and place ([`begin`]), and the targets are noted ([`note`]). Whoever
//! goes on after a death finds the operations by their keys: no target is begun twice. Nobody else begins targets while the
//! campaign is held; what people do to it meanwhile counts all the same, and the note is written behind it.

use std::collections::HashSet;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Eim;
use super::campaign_targets::TargetRow;
use super::operations::{
    CodeScope, CreateOperationError, OperationRequest, cancel_operation, create_operation, plan,
};
use crate::crypto::seal::SealError;
use crate::domain::campaign::{TARGETS_MAX, WAVES_MAX};
use crate::domain::{
    Action, Actor, AuditSubject, Campaign, CampaignId, CampaignName, CampaignState, CampaignTask, Event,
    EventKind, NewAuditEntry, OperationId, OperationKind, Pace, PaceError, Step, SwitchObstacle, TargetState,
    Task, WaveCounts,
};
use crate::ident::{ActivationCode, Eid, counted};
use crate::store::{CampaignChange, NewTarget, StoreError};
pub use crate::store::{KeptCampaign, KeptTarget, TargetChange};

/// How long whoever begins targets holds a campaign: longer than a step takes.
const HELD: Duration = Duration::from_secs(60);
/// How often a change that lost a race is tried.
pub(super) const RACES: usize = 16;
/// Targets of one look.
const PAGE: u32 = 1000;

/// A campaign that is asked for. The codes of its targets are secrets.
pub struct NewCampaign {
    /// What people call it.
    pub name: CampaignName,
    /// What is asked of each target.
    pub task: CampaignTask,
    /// How fast it goes.
    pub pace: Pace,
    /// The targets, in their order.
    pub targets: Vec<TargetRow>,
}

/// Why a campaign is not made, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// No target at all.
    #[error("the campaign has no targets")]
    NoTargets,
    /// More than [`TARGETS_MAX`].
    #[error("the campaign has {0} targets, more than {TARGETS_MAX}")]
    TooMany(usize),
    /// An eUICC that is named twice.
    #[error("eUICC {0} is a target twice")]
    TargetTwice(Eid),
    /// A pace that cannot be.
    #[error(transparent)]
    Pace(#[from] PaceError),
    /// What is asked does not fit a target.
    #[error("target {place}, eUICC {eid}: {why}")]
    Target {
        /// Its place in the order, from 1.
        place: usize,
        /// The eUICC.
        eid: Eid,
        /// What is missing, or too much.
        why: &'static str,
    },
    /// A profile type where nothing is downloaded.
    #[error("a profile type goes with a download, or with a switch to a profile that is downloaded")]
    TypeNotAsked,
    /// There is none of this number.
    #[error("there is no campaign {0}")]
    Unknown(CampaignId),
    /// It stands where this cannot be done.
    #[error("the campaign is {state}: {wanted}")]
    State {
        /// Where it stands.
        state: CampaignState,
        /// What is expected.
        wanted: &'static str,
    },
    /// It would stop at once again.
    #[error("it would stop at once again: {0}; a higher failure budget lets it go on")]
    StopsAgain(String),
    /// Nobody is asked once more.
    #[error("no target of the campaign stands so: nobody is asked once more")]
    NothingToRetry,
    /// An eUICC that is no target.
    #[error("eUICC {0} is no target of the campaign")]
    NoTarget(Eid),
    /// More than [`WAVES_MAX`] waves.
    #[error("the campaign has {WAVES_MAX} waves already: make another one for those that are left")]
    TooManyWaves,
    /// Somebody else changed it again and again.
    #[error("the campaign is in use: try again")]
    Race,
    /// The codes could not be sealed.
    #[error("an activation code could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// The waves and targets of a campaign that is asked for, and those that could not be begun now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignPlan {
    /// How many targets each wave has.
    pub waves: Vec<usize>,
    /// The targets in whose way something stands at this moment, and what.
    pub refused: Vec<(Eid, String)>,
}

/// A campaign, with how it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignView {
    /// Itself.
    pub kept: KeptCampaign,
    /// How the targets of each wave stand, by rising wave.
    pub waves: Vec<(u32, WaveCounts)>,
    /// Why targets are not done, the most frequent reason first.
    pub reasons: Vec<(String, u32)>,
    /// How many operations take longer than they should.
    pub overdue: u32,
}

pub(super) fn activation_code_place(campaign_id: &CampaignId, place: usize) -> String {
    format!("campaign.activation_code/{campaign_id}/{place}")
}

pub(super) fn confirmation_code_place(campaign_id: &CampaignId, place: usize) -> String {
    format!("campaign.confirmation_code/{campaign_id}/{place}")
}

/// What a campaign is refused for, whatever the store says. Returns what is asked of each target.
fn check(new: &NewCampaign) -> Result<Vec<Task>, CampaignError> {
    new.pace.check()?;
    match new.targets.len() {
        0 => return Err(CampaignError::NoTargets),
        count if count > TARGETS_MAX => return Err(CampaignError::TooMany(count)),
        _ => {}
    }
    let mut seen = HashSet::with_capacity(new.targets.len());
    if let Some(twice) = new.targets.iter().find(|row| !seen.insert(row.eid.as_str())) {
        return Err(CampaignError::TargetTwice(twice.eid.clone()));
    }
    if new.task.profile_type.is_some()
        && !matches!(new.task.kind, OperationKind::Download | OperationKind::Switch)
    {
        return Err(CampaignError::TypeNotAsked);
    }
    let task = |(place, row): (usize, &TargetRow)| {
        let refused =
            |why| CampaignError::Target { place: place.saturating_add(1), eid: row.eid.clone(), why };
        let task = new.task.of_target(row.iccid.as_ref()).map_err(refused)?;
        match (task.downloads(), new.task.profile_type.is_some(), row.activation_code.is_some()) {
            (true, true, false) | (true, false, true) | (false, false, false) => Ok(task),
            (true, false, false) => Err(refused("it has no activation_code, and no profile type is named")),
            (true, true, true) => Err(refused("it has an activation_code beside a profile type")),
            (false, _, _) => Err(refused("nothing is downloaded to it: name no code and no profile type")),
        }
    };
    new.targets.iter().enumerate().map(task).collect()
}

/// What a campaign would do, without doing it.
///
/// # Errors
/// [`CampaignError`] for what [`create_campaign`] would refuse.
pub async fn plan_campaign(eim: &Eim, new: &NewCampaign) -> Result<CampaignPlan, CampaignError> {
    let tasks = check(new)?;
    let mut refused = Vec::new();
    for (row, task) in new.targets.iter().zip(tasks) {
        if let Some(why) = obstacle(eim, &row.eid, &task).await? {
            refused.push((row.eid.clone(), why));
        }
    }
    Ok(CampaignPlan { waves: new.pace.waves(new.targets.len()), refused })
}

/// The names of what stands in the way at this moment.
async fn obstacle(eim: &Eim, eid: &Eid, task: &Task) -> Result<Option<String>, StoreError> {
    if matches!(task, Task::Switch { .. }) {
        let obstacles = plan(eim, eid, &OperationRequest::new(task.clone())).await?;
        return Ok((!obstacles.is_empty()).then(|| names(&obstacles)));
    }
    if eim.store.eim_euicc(eid).await?.is_some() {
        return Ok(None);
    }
    let delivered = eim.store.euicc(eid).await?.and_then(|(euicc, _)| euicc.facts.eim);
    let is_ours = delivered.is_some_and(|delivered| delivered.eim_id == eim.eim_id);
    Ok((!is_ours).then(|| NOT_ASSOCIATED.to_owned()))
}

const NOT_ASSOCIATED: &str = "not_associated";

fn names(obstacles: &[SwitchObstacle]) -> String {
    obstacles.iter().map(SwitchObstacle::name).collect::<Vec<_>>().join(",")
}

/// Makes a campaign; it runs from now on.
///
/// # Errors
/// [`CampaignError`]; nothing was made then.
pub async fn create_campaign(
    eim: &Eim,
    new: &NewCampaign,
    actor: &Actor,
) -> Result<CampaignId, CampaignError> {
    check(new)?;
    let now = eim.clock.now();
    let campaign_id = CampaignId::generate(&eim.rng);
    let sizes = new.pace.waves(new.targets.len());
    let mut waves = (1_u32..).zip(&sizes).flat_map(|(wave, size)| std::iter::repeat_n(wave, *size));
    let mut targets = Vec::with_capacity(new.targets.len());
    for (place, row) in (1_usize..).zip(&new.targets) {
        let code = row.activation_code.as_ref().map(|code| Zeroizing::new(code.to_string()));
        let seal = |at: String, text: &Zeroizing<String>| eim.sealer.seal(&at, text.as_bytes());
        targets.push(NewTarget {
            eid: row.eid.clone(),
            iccid: row.iccid.clone(),
            sealed_activation_code: code
                .map(|text| seal(activation_code_place(&campaign_id, place), &text))
                .transpose()?,
            sealed_confirmation_code: row
                .confirmation_code
                .as_ref()
                .map(|text| seal(confirmation_code_place(&campaign_id, place), text))
                .transpose()?,
            wave: waves.next().unwrap_or(1),
        });
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let campaign = Campaign {
        campaign_id,
        name: new.name.clone(),
        task: new.task.clone(),
        pace: new.pace.clone(),
        creator: format!("{}:{}", actor.kind(), actor.name()),
        created_at: now,
        version: 1,
        state: CampaignState::Running,
        reason: None,
        changed_at: now,
        wave: 1,
        waves: count(sizes.len().min(WAVES_MAX)),
        targets: count(targets.len()),
        settled_at: None,
        next_at: now,
        held_until: None,
    };
    let detail = format!("{} {} of {}", campaign.name, new.task.kind, counted(targets.len(), "eUICC"));
    let entry = entry(eim, &campaign, Action::CAMPAIGN_CREATE, actor).detail(detail);
    let event = event(&campaign, EventKind::CampaignRunning);
    eim.store.add_campaign(&campaign, &targets, &event, entry).await?;
    Ok(campaign_id)
}

pub(super) fn entry(eim: &Eim, campaign: &Campaign, action: Action, actor: &Actor) -> NewAuditEntry {
    let subject = AuditSubject::new("campaign", &campaign.campaign_id.to_string());
    NewAuditEntry::new(eim.clock.now(), actor.clone(), action, subject)
}

pub(super) fn event(campaign: &Campaign, kind: EventKind) -> Event {
    Event {
        kind,
        at: campaign.changed_at,
        eid: None,
        operation: None,
        campaign_id: Some(campaign.campaign_id.to_string()),
        cause: None,
        expected_at: None,
        detail: match kind {
            EventKind::CampaignWave => Some(format!("wave {} of {}", campaign.wave, campaign.waves)),
            EventKind::CampaignStopped => campaign.reason.clone(),
            _ => Some(campaign.name.to_string()),
        },
    }
}

/// A campaign with how it goes; `None` if there is none of this number.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn campaign(eim: &Eim, campaign_id: &CampaignId) -> Result<Option<CampaignView>, StoreError> {
    let Some(kept) = eim.store.campaign(campaign_id).await? else { return Ok(None) };
    let waves = eim.store.wave_counts(campaign_id).await?;
    let (reasons, overdue) = eim.store.campaign_troubles(campaign_id).await?;
    Ok(Some(CampaignView { kept, waves, reasons, overdue }))
}

/// Stops a campaign for a while: what is under way goes on, nothing begins.
///
/// # Errors
/// [`CampaignError`]; nothing was changed then.
pub async fn pause(eim: &Eim, campaign_id: &CampaignId, actor: &Actor) -> Result<(), CampaignError> {
    let (action, kind) = (Action::CAMPAIGN_PAUSE, EventKind::CampaignPaused);
    by_hand(eim, campaign_id, actor, action, kind, |campaign, _| match campaign.state {
        CampaignState::Running => Ok(Campaign { state: CampaignState::Paused, ..campaign }),
        state => Err(CampaignError::State { state, wanted: "only a running one is paused" }),
    })
    .await
}

/// Lets a campaign go on that was paused, or that stopped; with another failure budget, in per mille, if it is given.
///
/// # Errors
/// [`CampaignError`]; nothing was changed then.
pub async fn resume(
    eim: &Eim,
    campaign_id: &CampaignId,
    failure_budget: Option<u16>,
    actor: &Actor,
) -> Result<(), CampaignError> {
    let (action, kind) = (Action::CAMPAIGN_RESUME, EventKind::CampaignRunning);
    by_hand(eim, campaign_id, actor, action, kind, |mut campaign, wave| {
        if !matches!(campaign.state, CampaignState::Paused | CampaignState::Stopped) {
            let state = campaign.state;
            return Err(CampaignError::State { state, wanted: "only one that is paused or stopped goes on" });
        }
        campaign.pace.failure_budget = failure_budget.unwrap_or(campaign.pace.failure_budget);
        campaign.pace.check()?;
        (campaign.state, campaign.reason) = (CampaignState::Running, None);
        match campaign.step(wave, 0, campaign.changed_at) {
            Step::Stop(reason) => Err(CampaignError::StopsAgain(reason)),
            _ => Ok(campaign),
        }
    })
    .await
}

/// Ends a campaign: nothing begins any more, operations of which nothing left yet are cancelled, and what is under way ends by
/// itself.
///
/// # Errors
/// [`CampaignError`]; nothing was changed then.
pub async fn cancel(eim: &Eim, campaign_id: &CampaignId, actor: &Actor) -> Result<(), CampaignError> {
    let (action, kind) = (Action::CAMPAIGN_CANCEL, EventKind::CampaignCancelled);
    by_hand(eim, campaign_id, actor, action, kind, |campaign, _| match campaign.state {
        CampaignState::Running | CampaignState::Paused | CampaignState::Stopped => {
            Ok(Campaign { state: CampaignState::Cancelling, settled_at: None, ..campaign })
        }
        state => Err(CampaignError::State { state, wanted: "it has its end already" }),
    })
    .await
}

/// What a person does to a campaign.
async fn by_hand(
    eim: &Eim,
    campaign_id: &CampaignId,
    actor: &Actor,
    action: Action,
    kind: EventKind,
    change: impl Fn(Campaign, &WaveCounts) -> Result<Campaign, CampaignError>,
) -> Result<(), CampaignError> {
    for _ in 0..RACES {
        let found = eim.store.campaign(campaign_id).await?;
        let found = found.ok_or(CampaignError::Unknown(*campaign_id))?.campaign;
        let wave = wave_of(&eim.store.wave_counts(campaign_id).await?, found.wave);
        let changed = change(Campaign { changed_at: eim.clock.now(), ..found }, &wave)?;
        let (event, entry) = (event(&changed, kind), entry(eim, &changed, action, actor));
        let entry = Some(entry.detail(changed.name.as_str()));
        let change =
            CampaignChange { campaign: &changed, leave_out: false, targets: &[], event: Some(&event), entry };
        match eim.store.change_campaign(change).await {
            Err(StoreError::Conflict) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(CampaignError::Race)
}

fn wave_of(waves: &[(u32, WaveCounts)], wave: u32) -> WaveCounts {
    waves.iter().find(|(number, _)| *number == wave).map(|(_, counts)| counts.clone()).unwrap_or_default()
}

/// What a turn came to.
#[derive(Debug)]
pub enum Turn {
    /// Nothing is to be done for now.
    Wait,
    /// Something was done; there may be more.
    Changed,
    /// These targets are to be begun, by whoever got this: the campaign is held.
    Begin(Box<Campaign>, Vec<KeptTarget>),
}

/// Takes a campaign one step forward.
///
/// # Errors
/// [`StoreError`] if the store fails; nothing was changed then.
pub async fn turn(eim: &Eim, campaign_id: &CampaignId) -> Result<Turn, StoreError> {
    let now = eim.clock.now();
    let Some(KeptCampaign { campaign, .. }) = eim.store.campaign(campaign_id).await? else {
        return Ok(Turn::Wait);
    };
    if campaign.held_until.is_some_and(|until| until > now) {
        return Ok(Turn::Wait);
    }
    let ended = eim.store.ended_targets(campaign_id).await?;
    if !ended.is_empty() {
        return changed(eim, &campaign, &ended, None).await;
    }
    if campaign.state == CampaignState::Cancelling && campaign.settled_at.is_none() {
        return wind_down(eim, campaign).await;
    }
    let waves = eim.store.wave_counts(campaign_id).await?;
    let under_way: u32 = waves.iter().map(|(_, counts)| counts.of(TargetState::UnderWay)).sum();
    let step = campaign.step(&wave_of(&waves, campaign.wave), under_way, now);
    let at_now = Campaign { changed_at: now, ..campaign };
    let (next, kind) = match step {
        Step::Wait => return Ok(Turn::Wait),
        Step::Begin(count) => return hold(eim, at_now, count).await,
        Step::Settle => (Campaign { settled_at: Some(now), ..at_now }, None),
        Step::NextWave => {
            let wave = at_now.wave.saturating_add(1);
            (Campaign { wave, settled_at: None, ..at_now }, Some(EventKind::CampaignWave))
        }
        Step::Stop(reason) => {
            let reason = Some(reason);
            (Campaign { state: CampaignState::Stopped, reason, ..at_now }, Some(EventKind::CampaignStopped))
        }
        Step::End => (Campaign { state: CampaignState::Done, ..at_now }, Some(EventKind::CampaignDone)),
        Step::EndCancelled => (Campaign { state: CampaignState::Cancelled, ..at_now }, None),
    };
    changed(eim, &next, &[], kind).await
}

/// Whoever loses a race looks again at the next turn.
async fn changed(
    eim: &Eim,
    campaign: &Campaign,
    targets: &[TargetChange],
    kind: Option<EventKind>,
) -> Result<Turn, StoreError> {
    let event = kind.map(|kind| event(campaign, kind));
    let change = CampaignChange { campaign, leave_out: false, targets, event: event.as_ref(), entry: None };
    match eim.store.change_campaign(change).await {
        Ok(()) => Ok(Turn::Changed),
        Err(StoreError::Conflict) => Ok(Turn::Wait),
        Err(error) => Err(error),
    }
}

async fn hold(eim: &Eim, campaign: Campaign, count: u32) -> Result<Turn, StoreError> {
    let now = campaign.changed_at;
    let targets = eim.store.pending_targets(&campaign.campaign_id, campaign.wave, count).await?;
    let next_at = campaign.next_at_after(u32::try_from(targets.len()).unwrap_or(count), now);
    let held = Campaign { next_at, held_until: Some(now.plus(HELD)), ..campaign };
    match changed(eim, &held, &[], None).await? {
        Turn::Changed => Ok(Turn::Begin(Box::new(held), targets)),
        other => Ok(other),
    }
}

/// The end of a campaign that a person ended: what was begun and not noted is noted, nothing is asked of the others, and what
/// has not left yet is cancelled.
async fn wind_down(eim: &Eim, campaign: Campaign) -> Result<Turn, StoreError> {
    let mut begun = Vec::new();
    let limit = crate::domain::campaign::BATCH_MAX;
    for target in eim.store.pending_targets(&campaign.campaign_id, campaign.wave, limit).await? {
        if let Some(operation_id) = begun_before(eim, &campaign, &target).await? {
            begun.push(under_way(&target, operation_id));
        }
    }
    let mut after = 0;
    loop {
        let state = Some(TargetState::UnderWay);
        let page = eim.store.campaign_targets(&campaign.campaign_id, state, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.place;
        let noted = page.iter().filter_map(|target| target.operation_id);
        for operation_id in noted {
            cancel_one(eim, &operation_id).await;
        }
    }
    for one in begun.iter().filter_map(|change| change.operation_id) {
        cancel_one(eim, &one).await;
    }
    let now = eim.clock.now();
    let wound = Campaign { changed_at: now, settled_at: Some(now), ..campaign };
    let change =
        CampaignChange { campaign: &wound, leave_out: true, targets: &begun, event: None, entry: None };
    match eim.store.change_campaign(change).await {
        Ok(()) => Ok(Turn::Changed),
        Err(StoreError::Conflict) => Ok(Turn::Wait),
        Err(error) => Err(error),
    }
}

/// What left already, or has its end, goes on as it does.
async fn cancel_one(eim: &Eim, operation_id: &OperationId) {
    if let Err(error) = cancel_operation(eim, operation_id, &Actor::Server).await {
        tracing::debug!(%operation_id, %error, "an operation of a cancelled campaign goes on");
    }
}

fn under_way(target: &KeptTarget, operation_id: OperationId) -> TargetChange {
    let operation_id = Some(operation_id);
    TargetChange { place: target.place, state: TargetState::UnderWay, operation_id, reason: None }
}

fn refused(target: &KeptTarget, why: &str) -> TargetChange {
    let reason = Some(why.to_owned());
    TargetChange { place: target.place, state: TargetState::Refused, operation_id: None, reason }
}

/// The key under which the operation of a target's attempt is made.
fn key(campaign_id: &CampaignId, place: u32, attempt: u32) -> String {
    match attempt {
        0 | 1 => format!("campaign/{campaign_id}/{place}"),
        attempt => format!("campaign/{campaign_id}/{place}/{attempt}"),
    }
}

/// The operations that were made for a target, those of its attempts before among them, in their order.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn operations_of_target(
    eim: &Eim,
    campaign_id: &CampaignId,
    target: &KeptTarget,
) -> Result<Vec<OperationId>, StoreError> {
    if target.attempt <= 1 {
        return Ok(target.operation_id.into_iter().collect());
    }
    let mut made = Vec::new();
    for attempt in 1..=target.attempt {
        let key = key(campaign_id, target.place, attempt);
        let found = eim.store.operation_of_call(&creator(), &key).await?;
        made.extend(found.map(|kept| kept.operation.operation_id));
    }
    Ok(made)
}

/// Who makes the operations of campaigns: the server, for the campaign.
fn creator() -> String {
    format!("{}:{}", Actor::Server.kind(), Actor::Server.name())
}

fn of_target(campaign: &Campaign, target: &KeptTarget) -> String {
    key(&campaign.campaign_id, target.place, target.attempt)
}

/// The operation of a target that was begun by somebody who did not come to note it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn begun_before(
    eim: &Eim,
    campaign: &Campaign,
    target: &KeptTarget,
) -> Result<Option<OperationId>, StoreError> {
    let found = eim.store.operation_of_call(&creator(), &of_target(campaign, target)).await?;
    Ok(found.map(|kept| kept.operation.operation_id))
}

/// What stands in the way of a target, as it is noted then: asked before anything is ordered for it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn refusal(
    eim: &Eim,
    campaign: &Campaign,
    target: &KeptTarget,
) -> Result<Option<TargetChange>, StoreError> {
    let task = match campaign.task.of_target(target.target.iccid.as_ref()) {
        Ok(task) => task,
        Err(_) => return Ok(Some(refused(target, "invalid"))),
    };
    let why = obstacle(eim, &target.target.eid, &task).await?;
    Ok(why.map(|why| refused(target, &why)))
}

/// A profile of our own that was ordered for a target.
pub struct OrderedProfile {
    /// Where it is.
    pub code: ActivationCode,
    /// The memory that it needs, if that is known.
    pub needed_memory: Option<u64>,
}

/// Begins a target. Returns how it stands now; `None` if it is to be tried again later.
///
/// # Errors
/// [`CampaignError::Seal`] if its code does not open, [`CampaignError::Store`].
pub async fn begin(
    eim: &Eim,
    campaign: &Campaign,
    target: &KeptTarget,
    ordered: Option<&OrderedProfile>,
) -> Result<Option<TargetChange>, CampaignError> {
    if let Some(operation_id) = begun_before(eim, campaign, target).await? {
        return Ok(Some(under_way(target, operation_id)));
    }
    let KeptTarget { place, target: asked, .. } = target;
    let Ok(task) = campaign.task.of_target(asked.iccid.as_ref()) else {
        return Ok(Some(refused(target, "invalid")));
    };
    let mut request = OperationRequest::new(task);
    request.key = Some(of_target(campaign, target));
    request.campaign_id = Some(campaign.campaign_id.to_string());
    request.valid_until = campaign.pace.validity.map(|validity| eim.clock.now().plus(validity));
    let place = usize::try_from(*place).unwrap_or(usize::MAX);
    let open = |at: String, sealed: &Vec<u8>| -> Result<Zeroizing<String>, SealError> {
        let plain = eim.sealer.open(&at, sealed)?;
        Ok(Zeroizing::new(String::from_utf8_lossy(&plain).into_owned()))
    };
    if let Some(sealed) = &asked.sealed_activation_code {
        let text = open(activation_code_place(&campaign.campaign_id, place), sealed)?;
        request.activation_code = ActivationCode::parse(&text).ok();
    }
    if let Some(sealed) = &asked.sealed_confirmation_code {
        request.confirmation_code =
            Some(open(confirmation_code_place(&campaign.campaign_id, place), sealed)?);
    }
    if let Some(OrderedProfile { code, needed_memory }) = ordered {
        request.activation_code = Some(code.clone());
        request.code_scope = CodeScope::ThisEuicc;
        request.needed_memory = *needed_memory;
    }
    Ok(match create_operation(eim, &asked.eid, &request, &Actor::Server).await {
        Ok(created) => Some(under_way(target, created.operation_id)),
        // The key is ours alone: another validity does not make it another operation.
        Err(CreateOperationError::OtherOperation(operation_id)) => Some(under_way(target, operation_id)),
        Err(CreateOperationError::NotEligible(obstacles)) => Some(refused(target, &names(&obstacles))),
        Err(CreateOperationError::NotAssociated(_)) => Some(refused(target, NOT_ASSOCIATED)),
        Err(CreateOperationError::TooMany) => Some(refused(target, "too_many_operations")),
        Err(CreateOperationError::Race) => None,
        Err(CreateOperationError::Seal(error)) => return Err(error.into()),
        Err(CreateOperationError::Store(error)) => return Err(error.into()),
        Err(_) => Some(refused(target, "invalid")),
    })
}

/// Notes how targets stand that were begun, whatever people did to the campaign meanwhile, and lets go of it; with a reason, it
/// stops.
///
/// # Errors
/// [`CampaignError`]; whoever goes on later finds what was begun.
pub async fn note(
    eim: &Eim,
    campaign_id: &CampaignId,
    targets: &[TargetChange],
    stop: Option<&str>,
) -> Result<(), CampaignError> {
    for _ in 0..RACES {
        let found = eim.store.campaign(campaign_id).await?;
        let found = found.ok_or(CampaignError::Unknown(*campaign_id))?.campaign;
        let mut noted = Campaign { held_until: None, changed_at: eim.clock.now(), ..found };
        let stops = stop.filter(|_| noted.state == CampaignState::Running);
        if let Some(reason) = stops {
            (noted.state, noted.reason) = (CampaignState::Stopped, Some(reason.to_owned()));
        }
        let event = stops.map(|_| event(&noted, EventKind::CampaignStopped));
        let change = CampaignChange {
            campaign: &noted,
            leave_out: false,
            targets,
            event: event.as_ref(),
            entry: None,
        };
        match eim.store.change_campaign(change).await {
            Err(StoreError::Conflict) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(CampaignError::Race)
}
