//! Campaigns and their targets: made whole, changed under their version with what is told of it, and read.

use std::time::Duration;

use super::engine::{Row, Statement, Writing, set_statement};
use super::operation_events::{EventRow, INSERT_EVENTS};
use super::operations::state_of_code;
use super::set::{Set, set_row};
use super::webhooks::{TELL, TellRow};
use super::{Store, StoreError, audit};
use crate::domain::{
    Campaign, CampaignId, CampaignName, CampaignState, CampaignTask, Event, NewAuditEntry, OldProfile,
    OperationId, OperationKind, Pace, ProfileType, Rollback, TargetState, WaveCounts,
};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};

/// Campaigns or targets of one look at most: a page, and one more that says that another page follows.
pub const CAMPAIGNS_MAX: u32 = 1001;
/// Rows of one statement.
const CHUNK: usize = 500;

macro_rules! select_campaign {
    ($rest:literal) => {
        concat!(
            "SELECT number, campaign_id, name, kind, rollback, delete_old_ms, profile_type, creator, created_at, shares, \
             per_hour, at_most, failure_budget, soak_ms, validity_ms, targets, version, state, reason, changed_at, wave, \
             waves, settled_at, next_at, held_until FROM campaign ",
            $rest
        )
    };
}

const INSERT: Statement = set_statement!(
    [campaign_id text, name text, kind text, rollback bigint, delete_old_ms bigint, profile_type text, creator text,
     created_at bigint, shares text, per_hour bigint, at_most bigint, failure_budget bigint, soak_ms bigint,
     validity_ms bigint, targets bigint, version bigint, state bigint, reason text, changed_at bigint, wave bigint,
     waves bigint, settled_at bigint, next_at bigint, held_until bigint]
    "INSERT INTO campaign (campaign_id, name, kind, rollback, delete_old_ms, profile_type, creator, created_at, shares, \
     per_hour, at_most, failure_budget, soak_ms, validity_ms, targets, version, state, reason, changed_at, wave, waves, \
     settled_at, next_at, held_until) SELECT campaign_id, name, kind, rollback, delete_old_ms, profile_type, creator, \
     created_at, shares, per_hour, at_most, failure_budget, soak_ms, validity_ms, targets, version, state, reason, \
     changed_at, wave, waves, settled_at, next_at, held_until FROM change WHERE true RETURNING campaign_id"
);

const INSERT_TARGETS: Statement = set_statement!(
    [campaign_id text, place bigint, eid text, iccid text, activation_code octets, confirmation_code octets,
     wave bigint]
    "INSERT INTO campaign_target (campaign_id, place, eid, iccid, activation_code, confirmation_code, wave, state) \
     SELECT campaign_id, place, eid, iccid, activation_code, confirmation_code, wave, 0 FROM change WHERE true \
     RETURNING campaign_id"
);

const UPDATE: Statement = set_statement!(
    [campaign_id text, version bigint, failure_budget bigint, state bigint, reason text, changed_at bigint,
     wave bigint, waves bigint, settled_at bigint, next_at bigint, held_until bigint]
    "UPDATE campaign SET version = campaign.version + 1, failure_budget = change.failure_budget, state = change.state, \
     reason = change.reason, changed_at = change.changed_at, wave = change.wave, waves = change.waves, \
     settled_at = change.settled_at, next_at = change.next_at, held_until = change.held_until FROM change \
     WHERE campaign.campaign_id = change.campaign_id AND campaign.version = change.version \
     RETURNING campaign.campaign_id"
);

/// Codes are of no more use once an operation has them sealed for itself, or none will be made.
const UPDATE_TARGETS: Statement = set_statement!(
    [campaign_id text, place bigint, state bigint, operation_id text, reason text]
    "UPDATE campaign_target SET state = change.state, \
     operation_id = COALESCE(change.operation_id, campaign_target.operation_id), reason = change.reason, \
     activation_code = NULL, confirmation_code = NULL FROM change \
     WHERE campaign_target.campaign_id = change.campaign_id AND campaign_target.place = change.place \
     RETURNING campaign_target.campaign_id"
);

/// Targets that ended are asked once more. The operation before stays noted until there is another one.
const RETRY: Statement = set_statement!(
    [campaign_id text, place bigint, iccid text, activation_code octets, confirmation_code octets, wave bigint]
    "UPDATE campaign_target SET state = 0, attempt = campaign_target.attempt + 1, wave = change.wave, \
     iccid = change.iccid, activation_code = change.activation_code, \
     confirmation_code = change.confirmation_code, reason = NULL FROM change \
     WHERE campaign_target.campaign_id = change.campaign_id AND campaign_target.place = change.place \
     AND campaign_target.state > 1 RETURNING campaign_target.campaign_id"
);

const LEAVE_OUT: Statement = Statement::common(
    "UPDATE campaign_target SET state = 8, activation_code = NULL, confirmation_code = NULL \
     WHERE campaign_id = $1 AND state = 0",
);

const CAMPAIGN: Statement = Statement::common(select_campaign!("WHERE campaign_id = $1"));

const CAMPAIGNS: Statement =
    Statement::common(select_campaign!("WHERE number < $1 ORDER BY number DESC LIMIT $2"));

const ACTIVE: Statement = Statement::common(select_campaign!(
    "WHERE state IN (0, 1, 2, 3) AND number > $1 ORDER BY number LIMIT $2"
));

macro_rules! select_target {
    ($rest:literal) => {
        concat!(
            "SELECT place, eid, iccid, activation_code, confirmation_code, wave, state, operation_id, reason, attempt \
             FROM campaign_target ",
            $rest
        )
    };
}

const PENDING: Statement = Statement::common(select_target!(
    "WHERE campaign_id = $1 AND state = 0 AND wave = $2 ORDER BY place LIMIT $3"
));

const TARGETS: Statement =
    Statement::common(select_target!("WHERE campaign_id = $1 AND place > $2 ORDER BY place LIMIT $3"));

const TARGETS_OF_STATE: Statement = Statement::common(select_target!(
    "WHERE campaign_id = $1 AND state = $2 AND place > $3 ORDER BY place LIMIT $4"
));

/// Targets under way whose operations ended.
const ENDED: Statement = Statement::common(
    "SELECT campaign_target.place, operation.state, operation.reason FROM campaign_target \
     JOIN operation ON operation.operation_id = campaign_target.operation_id \
     WHERE campaign_target.campaign_id = $1 AND campaign_target.state = 1 AND operation.state > 9 LIMIT 1000",
);

const COUNTS: Statement = Statement::common(
    "SELECT wave, state, COUNT(*) AS targets FROM campaign_target WHERE campaign_id = $1 GROUP BY wave, state \
     ORDER BY wave, state",
);

const REASONS: Statement = Statement::common(
    "SELECT reason, COUNT(*) AS targets FROM campaign_target WHERE campaign_id = $1 AND state > 2 \
     AND reason IS NOT NULL GROUP BY reason ORDER BY targets DESC, reason LIMIT 20",
);

const OVERDUE: Statement = Statement::common(
    "SELECT COUNT(*) AS overdue FROM operation WHERE campaign_id = $1 AND campaign_id IS NOT NULL AND state < 10 \
     AND overdue_since IS NOT NULL",
);

pub(super) const STATEMENTS: &[Statement] = &[
    INSERT,
    INSERT_TARGETS,
    UPDATE,
    UPDATE_TARGETS,
    RETRY,
    LEAVE_OUT,
    CAMPAIGN,
    CAMPAIGNS,
    ACTIVE,
    PENDING,
    TARGETS,
    TARGETS_OF_STATE,
    ENDED,
    COUNTS,
    REASONS,
    OVERDUE,
];

/// A campaign as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCampaign {
    /// The order of creation.
    pub number: i64,
    /// Itself.
    pub campaign: Campaign,
}

/// A target that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTarget {
    /// The eUICC.
    pub eid: Eid,
    /// The profile that it names.
    pub iccid: Option<Iccid>,
    /// Its activation code, sealed.
    pub sealed_activation_code: Option<Vec<u8>>,
    /// Its confirmation code, sealed.
    pub sealed_confirmation_code: Option<Vec<u8>>,
    /// Its wave, from 1.
    pub wave: u32,
}

/// A target as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptTarget {
    /// Its place in the order, from 1.
    pub place: u32,
    /// What it is.
    pub target: NewTarget,
    /// Where it stands.
    pub state: TargetState,
    /// Its operation.
    pub operation_id: Option<OperationId>,
    /// Why it stands there, if it is not done.
    pub reason: Option<String>,
    /// How often it was asked, this time included; 1 before the first.
    pub attempt: u32,
}

/// A target that is asked once more: what it gets this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetriedTarget {
    /// Its place.
    pub place: u32,
    /// What it is now; the wave is the new one.
    pub target: NewTarget,
}

/// Where a target stands from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetChange {
    /// Its place.
    pub place: u32,
    /// Where it stands.
    pub state: TargetState,
    /// Its operation, if it has one now.
    pub operation_id: Option<OperationId>,
    /// Why it stands there, if it is not done.
    pub reason: Option<String>,
}

/// A change of a campaign.
pub struct CampaignChange<'a> {
    /// The campaign as it is to be; its version is the one that was read.
    pub campaign: &'a Campaign,
    /// Whether nothing will be asked of targets that nothing was asked of yet.
    pub leave_out: bool,
    /// Targets that change with it.
    pub targets: &'a [TargetChange],
    /// What is told of it.
    pub event: Option<&'a Event>,
    /// What the audit tells of it.
    pub entry: Option<NewAuditEntry>,
}

set_row! {
    struct StandingRow<'a> {
        campaign_id: String,
        version: i64,
        failure_budget: i64,
        state: i64,
        reason: Option<&'a str>,
        changed_at: i64,
        wave: i64,
        waves: i64,
        settled_at: Option<i64>,
        next_at: i64,
        held_until: Option<i64>,
    }
}

set_row! {
    struct CampaignRow<'a> {
        name: &'a str,
        kind: &'a str,
        rollback: i64,
        delete_old_ms: Option<i64>,
        profile_type: Option<&'a str>,
        creator: &'a str,
        created_at: i64,
        shares: String,
        per_hour: i64,
        at_most: i64,
        soak_ms: i64,
        validity_ms: Option<i64>,
        targets: i64,
        standing: StandingRow<'a>,
    }
}

impl<'a> StandingRow<'a> {
    fn new(campaign: &'a Campaign) -> Self {
        Self {
            campaign_id: campaign.campaign_id.to_string(),
            version: campaign.version,
            failure_budget: i64::from(campaign.pace.failure_budget),
            state: campaign.state.code(),
            reason: campaign.reason.as_deref(),
            changed_at: campaign.changed_at.as_millis(),
            wave: i64::from(campaign.wave),
            waves: i64::from(campaign.waves),
            settled_at: campaign.settled_at.map(Timestamp::as_millis),
            next_at: campaign.next_at.as_millis(),
            held_until: campaign.held_until.map(Timestamp::as_millis),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl<'a> CampaignRow<'a> {
    fn new(campaign: &'a Campaign) -> Self {
        let Campaign { task, pace, .. } = campaign;
        let shares: Vec<String> = pace.shares.iter().map(ToString::to_string).collect();
        Self {
            name: campaign.name.as_str(),
            kind: task.kind.name(),
            rollback: i64::from(task.rollback == Rollback::Granted),
            delete_old_ms: match task.old {
                OldProfile::Keep => None,
                OldProfile::DeleteAfter(hold) => Some(millis(hold)),
            },
            profile_type: task.profile_type.as_ref().map(ProfileType::as_str),
            creator: &campaign.creator,
            created_at: campaign.created_at.as_millis(),
            shares: shares.join(" "),
            per_hour: i64::from(pace.per_hour),
            at_most: i64::from(pace.at_most),
            soak_ms: millis(pace.soak),
            validity_ms: pace.validity.map(millis),
            targets: i64::from(campaign.targets),
            standing: StandingRow::new(campaign),
        }
    }
}

fn campaign(row: &Row) -> Result<KeptCampaign, StoreError> {
    let key = row.text("campaign_id")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let count = |column| row.integer(column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let span = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or_default());
    let time = |column| Ok::<_, StoreError>(row.integer_or_null(column)?.map(Timestamp::from_millis));
    let shares = row.text("shares")?;
    let shares: Result<Vec<u16>, _> = shares.split_whitespace().map(str::parse).collect();
    let named = row.text_or_null("profile_type")?;
    let campaign = Campaign {
        campaign_id: CampaignId::parse(&key).ok_or_else(|| corrupt("campaign_id"))?,
        name: CampaignName::parse(&row.text("name")?).ok_or_else(|| corrupt("campaign.name"))?,
        task: CampaignTask {
            kind: OperationKind::parse(&row.text("kind")?).ok_or_else(|| corrupt("campaign.kind"))?,
            rollback: if row.integer("rollback")? == 1 { Rollback::Granted } else { Rollback::NotGranted },
            old: row
                .integer_or_null("delete_old_ms")?
                .map_or(OldProfile::Keep, |hold| OldProfile::DeleteAfter(span(hold))),
            profile_type: named
                .map(|name| ProfileType::parse(&name).ok_or_else(|| corrupt("campaign.profile_type")))
                .transpose()?,
        },
        pace: Pace {
            shares: shares.map_err(|_| corrupt("campaign.shares"))?,
            per_hour: count("per_hour")?,
            at_most: count("at_most")?,
            failure_budget: u16::try_from(row.integer("failure_budget")?).unwrap_or(u16::MAX),
            soak: span(row.integer("soak_ms")?),
            validity: row.integer_or_null("validity_ms")?.map(span),
        },
        creator: row.text("creator")?,
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        version: row.integer("version")?,
        state: CampaignState::of_code(row.integer("state")?).ok_or_else(|| corrupt("campaign.state"))?,
        reason: row.text_or_null("reason")?,
        changed_at: Timestamp::from_millis(row.integer("changed_at")?),
        wave: count("wave")?,
        waves: count("waves")?,
        targets: count("targets")?,
        settled_at: time("settled_at")?,
        next_at: Timestamp::from_millis(row.integer("next_at")?),
        held_until: time("held_until")?,
    };
    Ok(KeptCampaign { number: row.integer("number")?, campaign })
}

fn target(row: &Row) -> Result<KeptTarget, StoreError> {
    let key = row.text("eid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let iccid = row.text_or_null("iccid")?;
    let operation_id = row.text_or_null("operation_id")?;
    Ok(KeptTarget {
        place: u32::try_from(row.integer("place")?).map_err(|_| corrupt("campaign_target.place"))?,
        target: NewTarget {
            eid: Eid::parse(&key).map_err(|_| corrupt("campaign_target.eid"))?,
            iccid: iccid
                .map(|text| Iccid::parse(&text).map_err(|_| corrupt("campaign_target.iccid")))
                .transpose()?,
            sealed_activation_code: row.octets_or_null("activation_code")?,
            sealed_confirmation_code: row.octets_or_null("confirmation_code")?,
            wave: u32::try_from(row.integer("wave")?).map_err(|_| corrupt("campaign_target.wave"))?,
        },
        state: TargetState::of_code(row.integer("state")?).ok_or_else(|| corrupt("campaign_target.state"))?,
        operation_id: operation_id
            .map(|text| OperationId::parse(&text).ok_or_else(|| corrupt("campaign_target.operation_id")))
            .transpose()?,
        reason: row.text_or_null("reason")?,
        attempt: u32::try_from(row.integer("attempt")?).map_err(|_| corrupt("campaign_target.attempt"))?,
    })
}

async fn tell(writing: &mut Writing, event: &Event, campaign: &Campaign) -> Result<(), StoreError> {
    let origin = format!("campaign/{}/{}", campaign.campaign_id, campaign.version);
    writing.fetch_set(&INSERT_EVENTS, &Set::of(&[EventRow::new(event)])).await?;
    writing.fetch_set(&TELL, &Set::of(&[TellRow::of(event, &origin)])).await?;
    Ok(())
}

fn limited(limit: u32) -> i64 {
    i64::from(limit.min(CAMPAIGNS_MAX))
}

impl Store {
    /// Makes a campaign with its targets, all of it or nothing; no eUICC is a target twice.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn add_campaign(
        &self,
        campaign: &Campaign,
        targets: &[NewTarget],
        event: &Event,
        entry: NewAuditEntry,
    ) -> Result<(), StoreError> {
        let campaign_id = campaign.campaign_id.to_string();
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&INSERT, &Set::of(&[CampaignRow::new(campaign)])).await?;
        let mut place = 0_i64;
        for chunk in targets.chunks(CHUNK) {
            let rows = chunk.iter().map(|target| {
                place = place.saturating_add(1);
                [
                    campaign_id.as_str().into(),
                    place.into(),
                    target.eid.as_str().into(),
                    target.iccid.as_ref().map(Iccid::as_str).into(),
                    target.sealed_activation_code.as_deref().into(),
                    target.sealed_confirmation_code.as_deref().into(),
                    i64::from(target.wave).into(),
                ]
            });
            let names =
                ["campaign_id", "place", "eid", "iccid", "activation_code", "confirmation_code", "wave"];
            let set = Set::rows_of(names, rows);
            writing.fetch_set(&INSERT_TARGETS, &set).await?;
        }
        tell(&mut writing, event, campaign).await?;
        audit::append(&mut writing, &[entry]).await?;
        writing.commit().await
    }

    /// Changes a campaign under its version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has another version; nothing was written then.
    pub async fn change_campaign(&self, change: CampaignChange<'_>) -> Result<(), StoreError> {
        let CampaignChange { campaign, leave_out, targets, event, entry } = change;
        let campaign_id = campaign.campaign_id.to_string();
        let mut writing = self.begin_campaign_change(campaign).await?;
        for chunk in targets.chunks(CHUNK) {
            let numbers: Vec<Option<String>> =
                chunk.iter().map(|one| one.operation_id.map(|id| id.to_string())).collect();
            let rows = chunk.iter().zip(&numbers).map(|(one, operation_id)| {
                [
                    campaign_id.as_str().into(),
                    i64::from(one.place).into(),
                    one.state.code().into(),
                    operation_id.as_deref().into(),
                    one.reason.as_deref().into(),
                ]
            });
            let names = ["campaign_id", "place", "state", "operation_id", "reason"];
            writing.fetch_set(&UPDATE_TARGETS, &Set::rows_of(names, rows)).await?;
        }
        if leave_out {
            writing.fetch(&LEAVE_OUT, [campaign_id.as_str().into()]).await?;
        }
        if let Some(event) = event {
            tell(&mut writing, event, campaign).await?;
        }
        audit::append(&mut writing, entry.as_slice()).await?;
        writing.commit().await
    }

    /// Has targets that ended asked once more, in one change with the campaign; what changed meanwhile stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the campaign has another version; nothing was written then.
    pub async fn retry_targets(
        &self,
        campaign: &Campaign,
        targets: &[RetriedTarget],
        event: Option<&Event>,
        entry: NewAuditEntry,
    ) -> Result<(), StoreError> {
        let campaign_id = campaign.campaign_id.to_string();
        let mut writing = self.begin_campaign_change(campaign).await?;
        for chunk in targets.chunks(CHUNK) {
            let rows = chunk.iter().map(|RetriedTarget { place, target }| {
                [
                    campaign_id.as_str().into(),
                    i64::from(*place).into(),
                    target.iccid.as_ref().map(Iccid::as_str).into(),
                    target.sealed_activation_code.as_deref().into(),
                    target.sealed_confirmation_code.as_deref().into(),
                    i64::from(target.wave).into(),
                ]
            });
            let names = ["campaign_id", "place", "iccid", "activation_code", "confirmation_code", "wave"];
            writing.fetch_set(&RETRY, &Set::rows_of(names, rows)).await?;
        }
        if let Some(event) = event {
            tell(&mut writing, event, campaign).await?;
        }
        audit::append(&mut writing, &[entry]).await?;
        writing.commit().await
    }

    /// A change that begins with the campaign itself, under the version that was read.
    async fn begin_campaign_change(&self, campaign: &Campaign) -> Result<Writing, StoreError> {
        let mut writing = self.pools.begin().await?;
        if writing.fetch_set(&UPDATE, &Set::of(&[StandingRow::new(campaign)])).await?.is_empty() {
            return Err(StoreError::Conflict);
        }
        Ok(writing)
    }

    /// The campaign of this number; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn campaign(&self, campaign_id: &CampaignId) -> Result<Option<KeptCampaign>, StoreError> {
        let rows = self.pools.fetch(&CAMPAIGN, [campaign_id.to_string().as_str().into()]).await?;
        rows.first().map(campaign).transpose()
    }

    /// Campaigns, the newest first, below the number `before`, at most `limit` (and [`CAMPAIGNS_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn campaigns(&self, before: Option<i64>, limit: u32) -> Result<Vec<KeptCampaign>, StoreError> {
        let arguments = [before.unwrap_or(i64::MAX).into(), limited(limit).into()];
        self.pools.fetch(&CAMPAIGNS, arguments).await?.iter().map(campaign).collect()
    }

    /// Campaigns that have no end, behind the number `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn active_campaigns(&self, after: i64, limit: u32) -> Result<Vec<KeptCampaign>, StoreError> {
        let rows = self.pools.fetch(&ACTIVE, [after.into(), limited(limit).into()]).await?;
        rows.iter().map(campaign).collect()
    }

    /// Targets of a wave that nothing was asked of yet.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn pending_targets(
        &self,
        campaign_id: &CampaignId,
        wave: u32,
        limit: u32,
    ) -> Result<Vec<KeptTarget>, StoreError> {
        let key = campaign_id.to_string();
        let arguments = [key.as_str().into(), i64::from(wave).into(), limited(limit).into()];
        self.pools.fetch(&PENDING, arguments).await?.iter().map(target).collect()
    }

    /// Targets behind the place `after`, of all states or of one.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn campaign_targets(
        &self,
        campaign_id: &CampaignId,
        state: Option<TargetState>,
        after: u32,
        limit: u32,
    ) -> Result<Vec<KeptTarget>, StoreError> {
        let key = campaign_id.to_string();
        let (key, after, limit) = (key.as_str().into(), i64::from(after).into(), limited(limit).into());
        let rows = match state {
            None => self.pools.fetch(&TARGETS, [key, after, limit]).await?,
            Some(state) => {
                self.pools.fetch(&TARGETS_OF_STATE, [key, state.code().into(), after, limit]).await?
            }
        };
        rows.iter().map(target).collect()
    }

    /// What became of targets whose operations ended since they were begun, a thousand at most.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn ended_targets(&self, campaign_id: &CampaignId) -> Result<Vec<TargetChange>, StoreError> {
        let key = campaign_id.to_string();
        let change = |row: &Row| {
            let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
            let state = state_of_code(row.integer("state")?).ok_or_else(|| corrupt("operation.state"))?;
            Ok(TargetChange {
                place: u32::try_from(row.integer("place")?).map_err(|_| corrupt("campaign_target.place"))?,
                state: TargetState::of(state),
                operation_id: None,
                reason: row.text_or_null("reason")?,
            })
        };
        self.pools.fetch(&ENDED, [key.as_str().into()]).await?.iter().map(change).collect()
    }

    /// How the targets of each wave stand, by rising wave.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn wave_counts(&self, campaign_id: &CampaignId) -> Result<Vec<(u32, WaveCounts)>, StoreError> {
        let key = campaign_id.to_string();
        let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
        let mut waves: Vec<(u32, WaveCounts)> = Vec::new();
        for row in &self.pools.fetch(&COUNTS, [key.as_str().into()]).await? {
            let wave = u32::try_from(row.integer("wave")?).map_err(|_| corrupt("campaign_target.wave"))?;
            let state = TargetState::of_code(row.integer("state")?);
            let state = state.ok_or_else(|| corrupt("campaign_target.state"))?;
            let count = u32::try_from(row.integer("targets")?).unwrap_or(u32::MAX);
            if waves.last().is_none_or(|(last, _)| *last != wave) {
                waves.push((wave, WaveCounts::default()));
            }
            if let Some((_, counts)) = waves.last_mut() {
                counts.add(state, count);
            }
        }
        Ok(waves)
    }

    /// Why targets are not done, the most frequent reason first, and how many operations are overdue.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn campaign_troubles(
        &self,
        campaign_id: &CampaignId,
    ) -> Result<(Vec<(String, u32)>, u32), StoreError> {
        let key = campaign_id.to_string();
        let count = |row: &Row, column| row.integer(column).map(|one| u32::try_from(one).unwrap_or(u32::MAX));
        let reasons = self.pools.fetch(&REASONS, [key.as_str().into()]).await?;
        let reasons = reasons.iter().map(|row| Ok((row.text("reason")?, count(row, "targets")?)));
        let overdue = self.pools.fetch(&OVERDUE, [key.as_str().into()]).await?;
        let overdue = overdue.first().map_or(Ok(0), |row| count(row, "overdue"))?;
        Ok((reasons.collect::<Result<_, StoreError>>()?, overdue))
    }
}
