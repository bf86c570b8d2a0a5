//! Targets of a campaign that are asked once more, in the same campaign.
//!
//! Whoever failed, rolled back, expired, was cancelled or refused goes into one more wave of the campaign, behind all others: it
//! is asked at the campaign's pace, and its new outcome counts against the failure budget of that wave. Where it failed it
//! counts no more. The operations before stay, and stand in the report: each of them is evidence.
//!
//! What is asked is what the campaign asks. A switch whose profile is on the eUICC already, since an attempt before installed
//! it, is a switch to that profile: nothing is ordered or downloaded twice. An activation code was used by the attempt before:
//! a target of a campaign without a profile type brings another one.
//!
//! All of it is one change under the campaign's version. A repetition finds nobody to ask.

use std::collections::HashMap;

use simyard_asn1::Decode as _;
use simyard_asn1::rsp::notification::ProfileInstallationResult;
use zeroize::Zeroizing;

use super::Eim;
use super::campaign_targets::TargetRow;
use super::campaigns::{CampaignError, RACES, activation_code_place, confirmation_code_place, entry, event};
use crate::domain::campaign::WAVES_MAX;
use crate::domain::{
    Action, Actor, Campaign, CampaignId, CampaignState, EventKind, OperationKind, TargetState,
};
use crate::ident::{Eid, Iccid};
use crate::store::{KeptTarget, NewTarget, PackageCommand, RetriedTarget, StoreError};

/// Targets of one look.
const PAGE: u32 = 1000;

/// Who is asked once more.
#[derive(Debug)]
pub struct Retry {
    /// Those that stand so, of the states of [`TargetState::may_be_retried`].
    pub states: Vec<TargetState>,
    /// Of them these alone, with what each gets this time; without it, all of them.
    pub targets: Option<Vec<TargetRow>>,
}

impl Retry {
    /// All that did not come to what was wanted by themselves: failed, rolled back, expired.
    #[must_use]
    pub fn failed() -> Self {
        Self {
            states: vec![TargetState::Failed, TargetState::RolledBack, TargetState::Expired],
            targets: None,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// How many are asked once more.
    pub targets: usize,
    /// In which wave.
    pub wave: u32,
    /// Where the campaign stands: one that is paused or stopped goes on when a person resumes it.
    pub state: CampaignState,
}

/// Has targets that ended asked once more.
///
/// # Errors
/// [`CampaignError`]; nothing was changed then.
pub async fn retry(
    eim: &Eim,
    campaign_id: &CampaignId,
    wanted: &Retry,
    actor: &Actor,
) -> Result<Retried, CampaignError> {
    for _ in 0..RACES {
        let found = eim.store.campaign(campaign_id).await?;
        let found = found.ok_or(CampaignError::Unknown(*campaign_id))?.campaign;
        let (changed, kind) = with_one_more_wave(Campaign { changed_at: eim.clock.now(), ..found })?;
        let targets = asked_once_more(eim, &changed, wanted).await?;
        let event = kind.map(|kind| event(&changed, kind));
        let detail = format!("{}: {} targets, as wave {}", changed.name, targets.len(), changed.waves);
        let entry = entry(eim, &changed, Action::CAMPAIGN_RETRY, actor).detail(detail);
        match eim.store.retry_targets(&changed, &targets, event.as_ref(), entry).await {
            Ok(()) => {
                return Ok(Retried { targets: targets.len(), wave: changed.waves, state: changed.state });
            }
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CampaignError::Race)
}

/// The campaign with one more wave; one that is done goes on with it.
fn with_one_more_wave(campaign: Campaign) -> Result<(Campaign, Option<EventKind>), CampaignError> {
    let waves = campaign.waves.saturating_add(1);
    if usize::try_from(waves).is_ok_and(|waves| waves > WAVES_MAX) {
        return Err(CampaignError::TooManyWaves);
    }
    let with = Campaign { waves, ..campaign };
    match with.state {
        CampaignState::Running | CampaignState::Paused | CampaignState::Stopped => Ok((with, None)),
        CampaignState::Done => {
            let again = Campaign { state: CampaignState::Running, wave: waves, settled_at: None, ..with };
            Ok((again, Some(EventKind::CampaignRunning)))
        }
        state @ (CampaignState::Cancelling | CampaignState::Cancelled) => {
            Err(CampaignError::State { state, wanted: "nobody is asked once more by one that was ended" })
        }
    }
}

async fn asked_once_more(
    eim: &Eim,
    campaign: &Campaign,
    wanted: &Retry,
) -> Result<Vec<RetriedTarget>, CampaignError> {
    let named = wanted.targets.as_deref().map(by_eid).transpose()?;
    let mut unseen = named.clone().unwrap_or_default();
    let (mut asked, mut after) = (Vec::new(), 0);
    loop {
        let page = eim.store.campaign_targets(&campaign.campaign_id, None, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.place;
        for target in &page {
            unseen.remove(target.target.eid.as_str());
            let row = named.as_ref().map(|named| named.get(target.target.eid.as_str()).copied());
            let is_meant = !matches!(row, Some(None)) && wanted.states.contains(&target.state);
            if is_meant && target.state.may_be_retried() {
                asked.push(this_time(eim, campaign, target, row.flatten()).await?);
            }
        }
    }
    if let Some(row) = unseen.into_values().next() {
        return Err(CampaignError::NoTarget(row.eid.clone()));
    }
    if asked.is_empty() { Err(CampaignError::NothingToRetry) } else { Ok(asked) }
}

fn by_eid(rows: &[TargetRow]) -> Result<HashMap<&str, &TargetRow>, CampaignError> {
    let mut named = HashMap::with_capacity(rows.len());
    for row in rows {
        if named.insert(row.eid.as_str(), row).is_some() {
            return Err(CampaignError::TargetTwice(row.eid.clone()));
        }
    }
    Ok(named)
}

/// What a target is asked this time; `row` is what a list says of it.
async fn this_time(
    eim: &Eim,
    campaign: &Campaign,
    target: &KeptTarget,
    row: Option<&TargetRow>,
) -> Result<RetriedTarget, CampaignError> {
    let place = usize::try_from(target.place).unwrap_or(usize::MAX);
    let refused = |why| CampaignError::Target { place, eid: target.target.eid.clone(), why };
    let nothing = TargetRow::of(target.target.eid.clone());
    let row = row.unwrap_or(&nothing);
    let iccid = profile(eim, campaign, target, row).await?;
    let task = campaign.task.of_target(iccid.as_ref()).map_err(refused)?;
    match (task.downloads(), campaign.task.profile_type.is_some(), row.activation_code.is_some()) {
        (true, true, false) | (true, false, true) | (false, _, false) => {}
        (true, false, false) => {
            return Err(refused(
                "its activation_code was used by the attempt before: name another one in a list",
            ));
        }
        (true, true, true) => return Err(refused("it has an activation_code beside a profile type")),
        (false, _, true) => return Err(refused("nothing is downloaded to it: name no code")),
    }
    let seal = |at: String, text: &str| eim.sealer.seal(&at, text.as_bytes());
    let code = row.activation_code.as_ref().map(|code| Zeroizing::new(code.to_string()));
    let confirmation = row.confirmation_code.as_ref();
    let id = &campaign.campaign_id;
    Ok(RetriedTarget {
        place: target.place,
        target: NewTarget {
            eid: target.target.eid.clone(),
            iccid,
            sealed_activation_code: code
                .map(|code| seal(activation_code_place(id, place), &code))
                .transpose()?,
            sealed_confirmation_code: confirmation
                .map(|text| seal(confirmation_code_place(id, place), text))
                .transpose()?,
            wave: campaign.waves,
        },
    })
}

/// The profile that a target names this time. Of a switch, it is the one that is on the eUICC already, if there is one.
async fn profile(
    eim: &Eim,
    campaign: &Campaign,
    target: &KeptTarget,
    row: &TargetRow,
) -> Result<Option<Iccid>, StoreError> {
    if row.iccid.is_some() || campaign.task.kind != OperationKind::Switch {
        return Ok(row.iccid.clone().or_else(|| target.target.iccid.clone()));
    }
    if row.activation_code.is_some() {
        return Ok(None);
    }
    let known = match &target.target.iccid {
        Some(iccid) => Some(iccid.clone()),
        None => installed_before(eim, target).await?,
    };
    let Some(known) = known else { return Ok(None) };
    let is_there = is_on(eim, &target.target.eid, &known).await?;
    // What is not there any more can be ordered again, where the campaign orders; a profile that was named from the first stays.
    Ok(if is_there || (campaign.task.profile_type.is_none() && target.target.iccid.is_some()) {
        Some(known)
    } else {
        None
    })
}

/// The profile of the attempt before: what its eUICC signed of the download was verified before it was kept.
async fn installed_before(eim: &Eim, target: &KeptTarget) -> Result<Option<Iccid>, StoreError> {
    let Some(operation_id) = &target.operation_id else { return Ok(None) };
    let found = eim.store.operation(operation_id).await?;
    if let Some(to) = found.and_then(|kept| kept.operation.state.to().cloned()) {
        return Ok(Some(to));
    }
    let packages = eim.store.packages_of_operation(operation_id).await?;
    let triggers = packages.iter().filter(|sent| sent.package.command == PackageCommand::Trigger);
    Ok(triggers.filter_map(|trigger| told_of(trigger.result.as_deref()?)).next_back())
}

fn told_of(installation: &[u8]) -> Option<Iccid> {
    let result = ProfileInstallationResult::from_der(installation).ok()?;
    result.data.value.notification_metadata.iccid.and_then(|iccid| Iccid::from_bcd(iccid).ok())
}

async fn is_on(eim: &Eim, eid: &Eid, iccid: &Iccid) -> Result<bool, StoreError> {
    let listed = eim.store.profiles_of_euicc(eid).await?;
    Ok(listed.iter().any(|profile| profile.iccid == *iccid))
}
