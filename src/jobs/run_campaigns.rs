//! Takes campaigns forward: begins targets at their pace, notes what ended, goes to the next wave, and stops.
//!
//! Safe to run twice, and on several servers: a campaign changes under its version, who begins targets holds it, and
//! operations are made under keys of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::domain::{Campaign, CampaignId, Person, ProfileType};
use crate::eim::Eim;
use crate::eim::campaigns::{
    CampaignError, KeptTarget, OrderedProfile, TargetChange, Turn, begin, begun_before, note, refusal, turn,
};
use crate::smdp::manual_order::ManualOrderError;
use crate::smdp::order_for_euicc::{OrdersForEuiccs, Waiting};

/// How often campaigns are looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Campaigns of one look.
const PAGE: u32 = 100;
/// Steps of one campaign before the others have their turn.
const STEPS_MAX: usize = 64;

/// What campaigns are run with.
pub struct RunCampaigns {
    /// The eIM.
    pub eim: Arc<Eim>,
    /// Profiles of our own; `None` where we have no address.
    pub orders: Option<Arc<OrdersForEuiccs>>,
}

/// How the targets of a step are begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// At the same time, so that they share commits.
    Together,
    /// One behind the other.
    InOrder,
}

/// What beginning a target came to.
enum Begun {
    /// It stands so now.
    Noted(TargetChange),
    /// It is to be tried again.
    Later,
    /// The campaign cannot go on: no target could be begun.
    Stop(String),
}

/// What beginning the targets of a step came to.
#[derive(Default)]
struct Begins {
    noted: Vec<TargetChange>,
    stop: Option<String>,
    failed: Option<CampaignError>,
    later: bool,
}

impl Begins {
    fn take(&mut self, begun: Result<Begun, CampaignError>) {
        match begun {
            Ok(Begun::Noted(change)) => self.noted.push(change),
            Ok(Begun::Later) => self.later = true,
            Ok(Begun::Stop(reason)) => self.stop = Some(reason),
            Err(error) => self.failed = Some(error),
        }
    }
}

impl RunCampaigns {
    /// Takes every campaign as far as it goes at this moment.
    ///
    /// # Errors
    /// [`CampaignError`] if the store fails; what was done before stays so.
    pub async fn run_once(&self) -> Result<(), CampaignError> {
        self.run_all(Beginning::Together).await
    }

    /// As [`RunCampaigns::run_once`], with the targets of a step one behind the other: on the same store, the same happens in the
    /// same order.
    ///
    /// # Errors
    /// As [`RunCampaigns::run_once`].
    pub async fn run_once_in_order(&self) -> Result<(), CampaignError> {
        self.run_all(Beginning::InOrder).await
    }

    async fn run_all(&self, beginning: Beginning) -> Result<(), CampaignError> {
        let mut after = 0;
        loop {
            let page = self.eim.store.active_campaigns(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            for kept in &page {
                self.advance(&kept.campaign.campaign_id, beginning).await?;
            }
        }
    }

    /// Does so until `end` turns true.
    pub async fn run(self, mut end: watch::Receiver<bool>) {
        while !*end.borrow() {
            if let Err(error) = self.run_once().await {
                tracing::warn!(%error, "campaigns wait");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = end.changed() => if changed.is_err() { break },
            }
        }
    }

    async fn advance(&self, campaign_id: &CampaignId, beginning: Beginning) -> Result<(), CampaignError> {
        for _ in 0..STEPS_MAX {
            match turn(&self.eim, campaign_id).await? {
                Turn::Wait => return Ok(()),
                Turn::Changed => {}
                Turn::Begin(campaign, targets) => {
                    if !self.begin_all(Arc::from(campaign), targets, beginning).await? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins targets, and notes them. Returns whether there may be more to do at once.
    async fn begin_all(
        &self,
        campaign: Arc<Campaign>,
        targets: Vec<KeptTarget>,
        beginning: Beginning,
    ) -> Result<bool, CampaignError> {
        let mut begins = Begins::default();
        if beginning == Beginning::InOrder {
            for target in &targets {
                begins.take(begin_one(&self.eim, self.orders.as_deref(), &campaign, target).await);
            }
        } else {
            self.begin_together(&campaign, targets, &mut begins).await;
        }
        // What was begun is noted in any case.
        let Begins { noted, stop, failed, later } = begins;
        note(&self.eim, &campaign.campaign_id, &noted, stop.as_deref()).await?;
        match failed {
            Some(error) => Err(error),
            None => Ok(!later),
        }
    }

    async fn begin_together(&self, campaign: &Arc<Campaign>, targets: Vec<KeptTarget>, begins: &mut Begins) {
        let mut under_way = JoinSet::new();
        for target in targets {
            let (eim, orders) = (Arc::clone(&self.eim), self.orders.clone());
            let campaign = Arc::clone(campaign);
            under_way.spawn(async move { begin_one(&eim, orders.as_deref(), &campaign, &target).await });
        }
        while let Some(ended) = under_way.join_next().await {
            match ended {
                Ok(begun) => begins.take(begun),
                Err(error) => {
                    tracing::error!(%error, "the beginning of a target broke off");
                    begins.later = true;
                }
            }
        }
    }
}

async fn begin_one(
    eim: &Eim,
    orders: Option<&OrdersForEuiccs>,
    campaign: &Campaign,
    target: &KeptTarget,
) -> Result<Begun, CampaignError> {
    let noted = |change: Option<TargetChange>| change.map_or(Begun::Later, Begun::Noted);
    let wanted = campaign.task.profile_type.as_ref().filter(|_| target.target.iccid.is_none());
    let Some(profile_type) = wanted else {
        return Ok(noted(begin(eim, campaign, target, None).await?));
    };
    if begun_before(eim, campaign, target).await?.is_some() {
        return Ok(noted(begin(eim, campaign, target, None).await?));
    }
    if let Some(refused) = refusal(eim, campaign, target).await? {
        return Ok(Begun::Noted(refused));
    }
    let Some(orders) = orders else {
        return Ok(Begun::Stop("the settings name no address of ours: no profile can be ordered".to_owned()));
    };
    begin_with_order(eim, orders, campaign, target, profile_type).await
}

async fn begin_with_order(
    eim: &Eim,
    orders: &OrdersForEuiccs,
    campaign: &Campaign,
    target: &KeptTarget,
    profile_type: &ProfileType,
) -> Result<Begun, CampaignError> {
    let person = Person::parse(&format!("campaign {}", campaign.campaign_id)).unwrap_or_else(Person::unknown);
    let ordered = match orders.order(&person, profile_type, &target.target.eid, Waiting::Take).await {
        Ok(ordered) => ordered,
        Err(ManualOrderError::Race) => return Ok(Begun::Later),
        Err(ManualOrderError::Store(error)) => return Err(error.into()),
        Err(error) => return Ok(Begun::Stop(format!("no profile {profile_type} can be ordered: {error}"))),
    };
    let profile = OrderedProfile { code: ordered.code.clone(), needed_memory: ordered.needed_memory };
    let change = begin(eim, campaign, target, Some(&profile)).await?;
    if change.as_ref().is_none_or(|change| change.operation_id.is_none())
        && let Err(error) = orders.give_back(&person, &ordered).await
    {
        tracing::warn!(iccid = %ordered.iccid, %error, "an order that nobody uses could not be taken back");
    }
    Ok(change.map_or(Begun::Later, Begun::Noted))
}
