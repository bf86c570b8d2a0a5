//! Campaigns: what people do to them, and the job that takes them forward.

use std::sync::Arc;

use super::{Death, World};
use crate::domain::{Actor, Campaign, CampaignId, Person};
use crate::eim::campaigns::{CampaignError, NewCampaign, cancel, create_campaign, resume};
use crate::jobs::run_campaigns::RunCampaigns;
use crate::sim::SimulationError;
use crate::sim::network::lock;

/// Campaigns that a person looks through.
const LOOKED_THROUGH: u32 = 100;

/// What a person does to a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Hand {
    /// Lets it go on, with this failure budget in per mille.
    Resume(u16),
    /// Ends it.
    Cancel,
}

fn person() -> Actor {
    Actor::Person(Person::parse("operator").unwrap_or_else(Person::unknown))
}

impl World<'_> {
    /// A person makes a campaign, unless there is one of this name: an answer may have been lost. `None` if there is no
    /// server, or it died over it.
    pub(in crate::sim) async fn make_campaign(
        &mut self,
        new: &NewCampaign,
        death: Option<Death>,
    ) -> Option<Result<CampaignId, CampaignError>> {
        let eim = Arc::clone(&self.alive.as_ref()?.eim);
        *lock(&self.fate.sentence) = death;
        let made = async {
            let known = eim.store.campaigns(None, LOOKED_THROUGH).await?;
            match known.into_iter().find(|kept| kept.campaign.name == new.name) {
                Some(kept) => Ok(kept.campaign.campaign_id),
                None => create_campaign(&eim, new, &person()).await,
            }
        };
        self.unless_dead(made).await
    }

    /// A person changes a campaign; `None` if there is no server, or it died over it.
    pub(in crate::sim) async fn by_hand(
        &mut self,
        campaign_id: &CampaignId,
        hand: Hand,
        death: Option<Death>,
    ) -> Option<Result<(), CampaignError>> {
        let eim = Arc::clone(&self.alive.as_ref()?.eim);
        *lock(&self.fate.sentence) = death;
        let changed = async {
            match hand {
                Hand::Resume(budget) => resume(&eim, campaign_id, Some(budget), &person()).await,
                Hand::Cancel => cancel(&eim, campaign_id, &person()).await,
            }
        };
        self.unless_dead(changed).await
    }

    /// One turn of the job that takes campaigns forward, unless the server dies over it.
    pub(in crate::sim) async fn run_campaigns(
        &mut self,
        death: Option<Death>,
    ) -> Result<(), SimulationError> {
        let Some(alive) = &self.alive else { return Ok(()) };
        let jobs = RunCampaigns { eim: Arc::clone(&alive.eim), orders: None };
        *lock(&self.fate.sentence) = death;
        self.unless_dead(jobs.run_once_in_order()).await.transpose()?;
        Ok(())
    }

    /// A campaign as it stands; `None` while no server runs.
    pub(in crate::sim) async fn campaign(
        &self,
        campaign_id: &CampaignId,
    ) -> Result<Option<Campaign>, SimulationError> {
        let Some(store) = self.store() else { return Ok(None) };
        Ok(store.campaign(campaign_id).await?.map(|kept| kept.campaign))
    }
}
