//! Campaigns: all devices are switched to their next profiles by one campaign, and then by another to those behind them.
//!
//! The operator orders the profiles of a round; a person makes a campaign of all that were ordered, and the server's job takes it
//! forward. The person looks after it: one that stopped by itself goes on with all of its failure budget, one that stands
//! still for long is ended, since its devices are silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::procedures::TaskId;
use super::switches::HOLD;
use super::{Act, Driver, Event};
use crate::domain::{
    Campaign, CampaignId, CampaignName, CampaignState, CampaignTask, OldProfile, OperationKind, Pace,
    Rollback, TargetState,
};
use crate::eim::campaign_targets::TargetRow;
use crate::eim::campaigns::{CampaignError, NewCampaign};
use crate::ident::{ActivationCode, Eid};
use crate::sim::SimulationError;
use crate::sim::checkers::campaigns::{Made, targets_of};
use crate::sim::device::Outcome;
use crate::sim::ground::iccid;
use crate::sim::world::Hand;
use crate::store::KeptTarget;

/// How often the job of campaigns has its turn.
const TURNS: Duration = Duration::from_secs(10);
/// How long a campaign that stopped waits for a person.
const NOTICED_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long a campaign may stand still before a person ends it: no device that speaks takes as long.
const STILL: Duration = Duration::from_secs(2 * 3600);
/// How long one that was ended is waited for.
const WAITED_FOR: Duration = Duration::from_secs(24 * 3600);

/// The campaigns of a story.
pub(super) struct Campaigns {
    pace: Pace,
    /// Which profile of each device it is about, from 1.
    round: usize,
    /// Orders of the round that nobody answered yet.
    ordering: usize,
    /// Whether the campaign of the round was made.
    is_made: bool,
    /// What was made so far.
    pub(super) made: Vec<Made>,
    /// All of them are over.
    pub(super) are_over: bool,
}

impl Campaigns {
    pub(super) const fn new(pace: Pace) -> Self {
        Self { pace, round: 0, ordering: 0, is_made: false, made: Vec::new(), are_over: false }
    }

    fn last(&mut self) -> Option<&mut Made> {
        self.made.last_mut()
    }
}

impl Driver<'_> {
    /// Whether campaigns are on their way, or will be.
    pub(super) fn awaits_campaigns(&self) -> bool {
        self.campaigns.as_ref().is_some_and(|campaigns| !campaigns.are_over)
    }

    /// The next round begins: the operator orders a profile for each device.
    pub(super) fn next_round(&mut self) {
        let devices = self.devices.len();
        let Some(campaigns) = &mut self.campaigns else { return };
        (campaigns.round, campaigns.is_made) = (campaigns.round + 1, false);
        let round = campaigns.round;
        if round >= self.options.profiles {
            campaigns.are_over = true;
            self.resting.store(self.act == Act::Calm, Ordering::Relaxed);
            return;
        }
        campaigns.ordering = devices;
        for device in 0..devices {
            let begin = self.dice.time(Duration::ZERO, self.ground.beginning());
            let profile = round.saturating_mul(devices).saturating_add(device);
            self.plan(begin, Event::Begin(TaskId::Order(profile)));
        }
    }

    /// One order of the round was answered.
    pub(super) fn ordered_for_campaign(&mut self) {
        let Some(campaigns) = &mut self.campaigns else { return };
        campaigns.ordering = campaigns.ordering.saturating_sub(1);
        if campaigns.ordering == 0 {
            self.plan(Duration::ZERO, Event::Campaign);
        }
    }

    /// The round's campaign is made, or its job has its turn and a person looks at it.
    pub(super) async fn see_to_campaign(&mut self) -> Result<(), SimulationError> {
        let Some(campaigns) = &self.campaigns else { return Ok(()) };
        let is_over = if campaigns.is_made {
            let (death, was_alive) = (self.death_of_turn(), self.world.is_alive());
            self.world.run_campaigns(death).await?;
            self.mourn_if(was_alive);
            self.look_at_campaign().await?
        } else {
            self.make_campaign().await?
        };
        if !is_over {
            self.plan(TURNS, Event::Campaign);
        }
        Ok(())
    }

    /// A person makes a campaign of everything that was ordered in the round. Returns whether there is nothing to make, and the
    /// next round has begun.
    async fn make_campaign(&mut self) -> Result<bool, SimulationError> {
        let Some(campaigns) = &self.campaigns else { return Ok(true) };
        let (round, pace) = (campaigns.round, campaigns.pace.clone());
        let targets = self.targets(round)?;
        if targets.is_empty() {
            // Nothing could be ordered for anybody: nothing is made either.
            self.next_round();
            return Ok(true);
        }
        let name = CampaignName::parse(&format!("round {round}"));
        let new = NewCampaign {
            name: name.ok_or(SimulationError::BuiltIn("the name of a campaign"))?,
            task: CampaignTask {
                kind: OperationKind::Switch,
                rollback: Rollback::Granted,
                old: if self.deletes_old(round) { OldProfile::DeleteAfter(HOLD) } else { OldProfile::Keep },
                profile_type: None,
            },
            pace,
            targets,
        };
        let (death, was_alive) = (self.death(), self.world.is_alive());
        match self.world.make_campaign(&new, death).await {
            None => self.mourn_if(was_alive),
            Some(made) => {
                let made = Made::new(made?, self.clock.now(), new.pace.failure_budget);
                if let Some(campaigns) = &mut self.campaigns {
                    campaigns.is_made = true;
                    campaigns.made.push(made);
                }
            }
        }
        Ok(false)
    }

    /// Whether the round's campaign deletes old profiles: as one of its devices would that is switched alone.
    fn deletes_old(&self, round: usize) -> bool {
        self.deleting.contains(&round.saturating_mul(self.devices.len()))
    }

    /// The devices for which a profile was ordered.
    fn targets(&self, round: usize) -> Result<Vec<TargetRow>, SimulationError> {
        let mut targets = Vec::with_capacity(self.devices.len());
        for (number, device) in self.devices.iter().enumerate() {
            let iccid = iccid(round.saturating_mul(self.devices.len()).saturating_add(number))?;
            let ordered = device.notebook.errand(&iccid).and_then(|errand| errand.matching_id);
            targets.extend(ordered.map(|matching_id| TargetRow {
                activation_code: Some(ActivationCode {
                    address: self.ground.address.clone(),
                    matching_id,
                    smdp_oid: None,
                    confirmation_code_required: false,
                }),
                ..TargetRow::of(device.eid.clone())
            }));
        }
        Ok(targets)
    }

    /// A person looks at the round's campaign. Returns whether it is over, and the next round has begun.
    async fn look_at_campaign(&mut self) -> Result<bool, SimulationError> {
        let made = self.campaigns.as_ref().and_then(|campaigns| campaigns.made.last());
        let Some(campaign_id) = made.map(|made| made.campaign_id) else { return Ok(false) };
        let Some(campaign) = self.world.campaign(&campaign_id).await? else { return Ok(false) };
        let since = self.since(&campaign);
        let hand = match campaign.state {
            CampaignState::Done | CampaignState::Cancelled => {
                self.close(&campaign).await?;
                return Ok(true);
            }
            CampaignState::Cancelling if since > WAITED_FOR || self.only_silent(&campaign_id).await? => {
                self.close(&campaign).await?;
                return Ok(true);
            }
            CampaignState::Stopped if since < NOTICED_AFTER => None,
            CampaignState::Stopped if campaign.pace.failure_budget < 1000 => Some(Hand::Resume(1000)),
            CampaignState::Stopped => Some(Hand::Cancel),
            CampaignState::Running if since > STILL => Some(Hand::Cancel),
            CampaignState::Running | CampaignState::Paused | CampaignState::Cancelling => None,
        };
        if let Some(hand) = hand {
            self.lend_a_hand(&campaign_id, hand).await?;
        }
        Ok(false)
    }

    fn since(&self, campaign: &Campaign) -> Duration {
        let since = self.clock.now().as_millis().saturating_sub(campaign.changed_at.as_millis());
        Duration::from_millis(u64::try_from(since).unwrap_or_default())
    }

    async fn lend_a_hand(&mut self, campaign_id: &CampaignId, hand: Hand) -> Result<(), SimulationError> {
        let (death, was_alive) = (self.death(), self.world.is_alive());
        let done = self.world.by_hand(campaign_id, hand, death).await;
        self.mourn_if(was_alive);
        match done {
            Some(Err(error @ (CampaignError::Store(_) | CampaignError::Seal(_)))) => return Err(error.into()),
            // It moved on meanwhile: the next look sees it.
            Some(Err(error)) => tracing::debug!(%error, "a campaign is not changed"),
            // A server that died may have written it down.
            Some(Ok(())) | None => {
                let (now, made) = (self.clock.now(), self.campaigns.as_mut().and_then(Campaigns::last));
                if let (Hand::Resume(budget), Some(made)) = (hand, made) {
                    made.permit(now, budget);
                }
            }
        }
        Ok(())
    }

    /// All targets of a campaign, those that stand there, or all.
    async fn targets_of(
        &self,
        campaign_id: &CampaignId,
        state: Option<TargetState>,
    ) -> Result<Vec<KeptTarget>, SimulationError> {
        match self.world.store() {
            Some(store) => Ok(targets_of(store, campaign_id, state).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Whether all that is under way is with devices that are silent for good.
    async fn only_silent(&self, campaign_id: &CampaignId) -> Result<bool, SimulationError> {
        let under_way = self.targets_of(campaign_id, Some(TargetState::UnderWay)).await?;
        let silent: BTreeSet<&Eid> =
            self.devices.iter().filter(|device| device.silent).map(|device| &device.eid).collect();
        Ok(under_way.iter().all(|target| silent.contains(&target.target.eid)))
    }

    /// A campaign is over: what was asked of each device is written down, and the next round begins.
    async fn close(&mut self, campaign: &Campaign) -> Result<(), SimulationError> {
        tracing::debug!(at = %self.clock.now(), state = %campaign.state, "a campaign is over");
        let took = self.clock.now().as_secs().saturating_sub(campaign.created_at.as_secs());
        self.figures.campaign_times.note(u64::try_from(took).unwrap_or_default());
        let round = self.campaigns.as_ref().map_or(0, |campaigns| campaigns.round);
        let first = round.saturating_mul(self.devices.len());
        let places: BTreeMap<&Eid, usize> =
            (first..).zip(&self.devices).map(|(at, one)| (&one.eid, at)).collect();
        for target in self.targets_of(&campaign.campaign_id, None).await? {
            let Some(profile) = places.get(&target.target.eid) else { continue };
            let Some(device) = self.devices.get(profile.saturating_sub(first)) else { continue };
            let outcome = match target.operation_id {
                Some(_) => None,
                None => {
                    let why = target.reason.map_or_else(String::new, |reason| format!(": {reason}"));
                    Some(Outcome::NotOrdered(format!("{} by the campaign{why}", target.state)))
                }
            };
            device.notebook.change(&iccid(*profile)?, |errand| {
                (errand.operation_id, errand.outcome) = (target.operation_id, outcome);
            });
        }
        self.next_round();
        Ok(())
    }

    /// The job has its last turn, and it is counted how campaigns and their targets stand.
    pub(super) async fn settle_campaigns(&mut self) -> Result<(), SimulationError> {
        let made = self.campaigns.as_ref().map(|campaigns| campaigns.made.clone()).unwrap_or_default();
        for made in made {
            self.world.run_campaigns(None).await?;
            let Some(campaign) = self.world.campaign(&made.campaign_id).await? else { continue };
            *self.figures.campaigns.entry(campaign.state.to_string()).or_default() += 1;
            self.figures.resumed += u64::try_from(made.resumed()).unwrap_or(u64::MAX);
            for target in self.targets_of(&made.campaign_id, None).await? {
                *self.figures.targets.entry(target.state.to_string()).or_default() += 1;
            }
        }
        Ok(())
    }
}
