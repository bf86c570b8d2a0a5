//! `/v1/campaigns`: one thing asked of many eUICCs, in waves and at a pace.
//!
//! Reports with the evidence of every operation are written by `simyard campaign report`: they may be as long as a fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::caller::{Caller, Look, Operate, Services};
use super::once::{once, once_at};
use super::operations::eim;
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json, parse};
use crate::admin::identities::Changer;
use crate::domain::campaign::{parse_share, share_text};
use crate::domain::{
    Campaign, CampaignId, CampaignName, CampaignTask, Label, LabelName, LabelSelection, LabelValue,
    OldProfile, OperationKind, Pace, ProfileType, Rollback, TargetState, WaveCounts,
};
use crate::eim::Eim;
use crate::eim::campaign_retry::{Retry, retry as ask_again};
use crate::eim::campaign_targets::{CONFIRMATION_CODE_MAX, TargetRow, labelled_targets};
use crate::eim::campaigns::{
    CampaignError, KeptCampaign, KeptTarget, NewCampaign, campaign, cancel as end, create_campaign,
    pause as halt, plan_campaign, resume as go_on,
};
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::{ActivationCode, Eid, Iccid};

/// A campaign that is asked for. Its targets are named one by one, or by the labels that they have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CampaignRequest {
    /// What people call it.
    name: String,
    /// `download`, `enable`, `disable`, `delete`, `audit` or `switch`.
    kind: String,
    /// The eUICCs, in this order.
    targets: Option<Vec<TargetRequest>>,
    /// In place of them: the eUICCs that have all these labels.
    labels: Option<BTreeMap<String, String>>,
    /// Each target gets a profile of this type, ordered from our own SM-DP+ when its turn comes.
    profile_type: Option<String>,
    /// Of `enable` and `switch`: whether devices may go back to the profile before by themselves; by default of a switch
    /// they may, of enable they may not.
    rollback: Option<bool>,
    /// Of `switch`: delete the profile before so many seconds after the switch was confirmed; by default it is kept.
    delete_old_after_s: Option<u64>,
    /// How much of the targets the waves up to each comprise; by default 1%, 10% and 100%.
    waves: Option<Vec<String>>,
    /// Targets begun in an hour at most; by default 600.
    per_hour: Option<u32>,
    /// Targets under way at a time at most; by default 500.
    at_most: Option<u32>,
    /// So much of a wave may fail, roll back or expire before the campaign stops by itself; by default 2%.
    failure_budget: Option<String>,
    /// How long a wave that nearly ended is watched before the next one begins; by default an hour.
    soak_s: Option<u64>,
    /// An operation begins within this time or never; by default seven days.
    validity_s: Option<u64>,
}

/// An eUICC, with what it gets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetRequest {
    eid: String,
    /// The profile that is meant, which is on the eUICC.
    iccid: Option<String>,
    /// Where the profile is that it downloads.
    activation_code: Option<String>,
    /// The confirmation code that goes with it.
    confirmation_code: Option<String>,
}

/// What may be different from now on.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResumeRequest {
    /// So much of a wave may fail: a percentage.
    failure_budget: Option<String>,
}

/// Who is asked once more.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetryRequest {
    /// Those that stand so: `failed`, `rolled_back`, `expired`, `cancelled`, `refused`; by default the first three.
    states: Option<Vec<String>>,
    /// Of them these alone. Who downloads with a code of its own needs another one.
    targets: Option<Vec<TargetRequest>>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParameters {
    /// Those before this number.
    after: Option<i64>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TargetParameters {
    /// Those that stand so, such as `pending` or `failed`.
    state: Option<String>,
    /// Those behind this place.
    after: Option<u32>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// A campaign.
#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
struct CampaignView {
    campaign_id: String,
    name: String,
    kind: String,
    profile_type: Option<String>,
    /// `running`, `paused`, `stopped`, `cancelling`; and the ends: `done`, `cancelled`.
    state: String,
    /// Why it stopped.
    reason: Option<String>,
    targets: u32,
    /// The wave that is under way, from 1.
    wave: u32,
    waves: u32,
    per_hour: u32,
    at_most: u32,
    failure_budget: String,
    soak_s: u64,
    validity_s: Option<u64>,
    created_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    changed_at: String,
}

/// A campaign with how it goes.
#[derive(Serialize, ToSchema)]
struct ShownCampaign {
    #[serde(flatten)]
    campaign: CampaignView,
    /// How many targets of each wave stand where.
    wave_counts: Vec<BTreeMap<&'static str, u32>>,
    /// Why targets are not done, the most frequent reason first.
    reasons: Vec<ReasonCount>,
    /// How many operations take longer than they should; their outcome is not known.
    overdue: u32,
}

/// Why targets are not done.
#[derive(Serialize, ToSchema)]
struct ReasonCount {
    reason: String,
    targets: u32,
}

/// What a campaign would do.
#[derive(Serialize, ToSchema)]
struct CampaignPlan {
    /// How many targets each wave has.
    waves: Vec<usize>,
    /// Who would be refused at this moment.
    refused: Vec<RefusedTarget>,
}

/// A target that would be refused.
#[derive(Serialize, ToSchema)]
struct RefusedTarget {
    eid: String,
    reason: String,
}

/// A target of a campaign.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignTarget)]
struct TargetView {
    /// Its place in the order, from 1.
    place: u32,
    eid: String,
    iccid: Option<String>,
    wave: u32,
    /// How often it was asked, this time included.
    attempt: u32,
    /// `pending`, `under_way`, `done`, `rolled_back`, `failed`, `expired`, `cancelled`, `refused`, `left_out`.
    state: &'static str,
    reason: Option<String>,
    operation_id: Option<String>,
}

/// A page of campaigns.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct CampaignPage {
    items: Vec<CampaignView>,
    /// The number that the next page begins before; null on the last one.
    next: Option<String>,
}

/// A page of targets.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct CampaignTargetPage {
    items: Vec<TargetView>,
    /// The place that the next page begins behind; null on the last one.
    next: Option<String>,
}

fn view(campaign: &Campaign) -> CampaignView {
    let Campaign { task, pace, .. } = campaign;
    CampaignView {
        campaign_id: campaign.campaign_id.to_string(),
        name: campaign.name.to_string(),
        kind: task.kind.name().to_owned(),
        profile_type: task.profile_type.as_ref().map(ToString::to_string),
        state: campaign.state.to_string(),
        reason: campaign.reason.clone(),
        targets: campaign.targets,
        wave: campaign.wave,
        waves: campaign.waves,
        per_hour: pace.per_hour,
        at_most: pace.at_most,
        failure_budget: share_text(pace.failure_budget),
        soak_s: pace.soak.as_secs(),
        validity_s: pace.validity.map(|validity| validity.as_secs()),
        created_by: campaign.creator.clone(),
        created_at: campaign.created_at.to_string(),
        changed_at: campaign.changed_at.to_string(),
    }
}

fn target_view(kept: &KeptTarget) -> TargetView {
    TargetView {
        place: kept.place,
        eid: kept.target.eid.to_string(),
        iccid: kept.target.iccid.as_ref().map(ToString::to_string),
        wave: kept.target.wave,
        attempt: kept.attempt,
        state: kept.state.as_str(),
        reason: kept.reason.clone(),
        operation_id: kept.operation_id.map(|id| id.to_string()),
    }
}

/// Make a campaign; it runs from now on.
#[utoipa::path(
    post, path = "/v1/campaigns", operation_id = "create_campaign", tag = "campaigns", request_body = CampaignRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")),
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 201, description = "The campaign, at Location", body = ShownCampaign),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn create(caller: Caller<Operate>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let asked: CampaignRequest = match parse(&body) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let (services, changer) = (caller.services().clone(), caller.changer());
    let call = async move {
        let eim = eim(&services)?;
        let new = new_campaign(eim, asked).await?;
        let id = create_campaign(eim, &new, &changer.actor).await.map_err(refused)?;
        Ok((StatusCode::CREATED, serde_json::to_value(shown(eim, &id).await?).unwrap_or_default()))
    };
    once_at(&caller, &uri, &headers, &body, location, call).await
}

/// Where a campaign is watched.
fn location(answer: &Value) -> Option<String> {
    Some(format!("/v1/campaigns/{}", answer.get("campaign_id")?.as_str()?))
}

/// Say what a campaign would do: its waves, and who would be refused. Nothing is made.
#[utoipa::path(
    post, path = "/v1/campaigns/plan", operation_id = "plan_campaign", tag = "campaigns", request_body = CampaignRequest,
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The plan", body = CampaignPlan),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn plan(caller: Caller<Look>, body: Bytes) -> Result<Response, Problem> {
    let eim = eim(caller.services())?;
    let new = new_campaign(eim, parse(&body)?).await?;
    let planned = plan_campaign(eim, &new).await.map_err(refused)?;
    let named = planned.refused.into_iter();
    let named = named.map(|(eid, reason)| RefusedTarget { eid: eid.to_string(), reason });
    Ok(json(StatusCode::OK, &CampaignPlan { waves: planned.waves, refused: named.collect() }))
}

/// Campaigns, the newest first.
#[utoipa::path(
    get, path = "/v1/campaigns", operation_id = "list_campaigns", tag = "campaigns", params(ListParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = CampaignPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let ListParameters { after, limit: asked } = query(&uri)?;
    let limit = limit(asked)?;
    let found = eim(caller.services())?.store.campaigns(after, limit.saturating_add(1)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |kept| kept.number.to_string(), |kept: &KeptCampaign| view(&kept.campaign)))
}

/// A campaign: its waves, what failed and why.
#[utoipa::path(
    get, path = "/v1/campaigns/{campaign_id}", operation_id = "show_campaign", tag = "campaigns",
    params(("campaign_id" = String, Path, description = "32 hexadecimal digits")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The campaign", body = ShownCampaign),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    answer(caller.services(), &campaign_id(&named)?).await
}

/// The targets of a campaign, in their order. Activation codes are not in them.
#[utoipa::path(
    get, path = "/v1/campaigns/{campaign_id}/targets", operation_id = "list_campaign_targets", tag = "campaigns",
    params(("campaign_id" = String, Path, description = "32 hexadecimal digits"), TargetParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = CampaignTargetPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn targets(
    caller: Caller<Look>,
    Path(named): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (eim, id) = (eim(caller.services())?, campaign_id(&named)?);
    let TargetParameters { state, after, limit: asked } = query(&uri)?;
    let (limit, state) = (limit(asked)?, state.as_deref().map(target_state).transpose()?);
    let internal = |error| Problem::internal(&error);
    eim.store.campaign(&id).await.map_err(internal)?.ok_or_else(|| unknown(&id))?;
    let after = after.unwrap_or_default();
    let found = eim.store.campaign_targets(&id, state, after, limit.saturating_add(1)).await;
    Ok(page(&uri, limit, found.map_err(internal)?, |kept| kept.place.to_string(), target_view))
}

/// Stop a campaign for a while: what is under way goes on, nothing begins.
#[utoipa::path(
    post, path = "/v1/campaigns/{campaign_id}/pause", operation_id = "pause_campaign", tag = "campaigns",
    params(("campaign_id" = String, Path, description = "32 hexadecimal digits")),
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "The campaign", body = ShownCampaign),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn pause(caller: Caller<Operate>, Path(named): Path<String>) -> Result<Response, Problem> {
    let (eim, id, Changer { actor, .. }) = called(&caller, &named)?;
    halt(eim, &id, &actor).await.map_err(refused)?;
    answer(caller.services(), &id).await
}

/// Let a campaign go on that was paused, or that stopped by itself.
#[utoipa::path(
    post, path = "/v1/campaigns/{campaign_id}/resume", operation_id = "resume_campaign", tag = "campaigns",
    params(("campaign_id" = String, Path, description = "32 hexadecimal digits")), request_body = ResumeRequest,
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "The campaign", body = ShownCampaign),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn resume(
    caller: Caller<Operate>,
    Path(named): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let (eim, id, Changer { actor, .. }) = called(&caller, &named)?;
    let ResumeRequest { failure_budget } = parse_or_default(&body)?;
    let budget = failure_budget.as_deref().map(|text| share("failure_budget", text)).transpose()?;
    go_on(eim, &id, budget, &actor).await.map_err(refused)?;
    answer(caller.services(), &id).await
}

/// Ask targets that ended otherwise than it was meant once more, in one more wave of the campaign. One that is paused or
/// stopped goes on when it is resumed.
#[utoipa::path(
    post, path = "/v1/campaigns/{campaign_id}/retry", operation_id = "retry_campaign", tag = "campaigns",
    params(
        ("campaign_id" = String, Path, description = "32 hexadecimal digits"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    request_body = RetryRequest,
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "The campaign", body = ShownCampaign),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn retry(
    caller: Caller<Operate>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked: RetryRequest = match parse_or_default(&body) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let (services, Changer { actor, .. }) = (caller.services().clone(), caller.changer());
    let call = async move {
        let (eim, id) = (eim(&services)?, campaign_id(&named)?);
        ask_again(eim, &id, &retry_of(asked)?, &actor).await.map_err(refused)?;
        Ok((StatusCode::OK, serde_json::to_value(shown(eim, &id).await?).unwrap_or_default()))
    };
    once(&caller, &uri, &headers, &body, call).await
}

fn retry_of(asked: RetryRequest) -> Result<Retry, Problem> {
    let RetryRequest { states, targets } = asked;
    let mut wanted = Retry::failed();
    if let Some(states) = states {
        wanted.states = states.iter().map(|text| ended_state(text)).collect::<Result<_, _>>()?;
    }
    wanted.targets = targets.map(|rows| rows.into_iter().map(row).collect()).transpose()?;
    Ok(wanted)
}

/// End a campaign: what has not left yet is cancelled, what is under way ends by itself.
#[utoipa::path(
    post, path = "/v1/campaigns/{campaign_id}/cancel", operation_id = "cancel_campaign", tag = "campaigns",
    params(("campaign_id" = String, Path, description = "32 hexadecimal digits")),
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "The campaign", body = ShownCampaign),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn cancel(caller: Caller<Operate>, Path(named): Path<String>) -> Result<Response, Problem> {
    let (eim, id, Changer { actor, .. }) = called(&caller, &named)?;
    end(eim, &id, &actor).await.map_err(refused)?;
    answer(caller.services(), &id).await
}

fn called<'a>(caller: &'a Caller<Operate>, named: &str) -> Result<(&'a Eim, CampaignId, Changer), Problem> {
    Ok((eim(caller.services())?, campaign_id(named)?, caller.changer()))
}

async fn answer(services: &Services, id: &CampaignId) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &shown(eim(services)?, id).await?))
}

async fn shown(eim: &Eim, id: &CampaignId) -> Result<ShownCampaign, Problem> {
    let found = campaign(eim, id).await.map_err(|error| Problem::internal(&error))?;
    let found = found.ok_or_else(|| unknown(id))?;
    let counts = |counts: &WaveCounts| {
        TargetState::ALL.iter().map(|state| (state.as_str(), counts.of(*state))).collect()
    };
    let none = WaveCounts::default();
    let of =
        |wave| found.waves.iter().find(|(number, _)| *number == wave).map_or(&none, |(_, counts)| counts);
    let reasons = found.reasons.iter();
    Ok(ShownCampaign {
        campaign: view(&found.kept.campaign),
        wave_counts: (1..=found.kept.campaign.waves).map(|wave| counts(of(wave))).collect(),
        reasons: reasons
            .map(|(reason, targets)| ReasonCount { reason: reason.clone(), targets: *targets })
            .collect(),
        overdue: found.overdue,
    })
}

async fn new_campaign(eim: &Eim, asked: CampaignRequest) -> Result<NewCampaign, Problem> {
    let name = CampaignName::parse(&asked.name)
        .ok_or_else(|| invalid("name: expected 1 to 64 octets without control characters"))?;
    let (task, pace) = (task(&asked)?, pace(&asked)?);
    let targets = match (asked.targets, asked.labels) {
        (Some(targets), None) => targets.into_iter().map(row).collect::<Result<_, _>>()?,
        (None, Some(labels)) => {
            let found = labelled_targets(eim, &selection(&labels)?).await;
            found.map_err(|error| Problem::internal(&error))?
        }
        _ => return Err(invalid("give either targets or labels")),
    };
    Ok(NewCampaign { name, task, pace, targets })
}

fn task(asked: &CampaignRequest) -> Result<CampaignTask, Problem> {
    let kind = OperationKind::parse(&asked.kind).ok_or_else(|| {
        invalid("kind: expected one of download, enable, disable, delete, audit and switch")
    })?;
    if !matches!(kind, OperationKind::Enable | OperationKind::Switch) && asked.rollback.is_some() {
        return Err(invalid(format!("rollback: {kind} takes none")));
    }
    if kind != OperationKind::Switch && asked.delete_old_after_s.is_some() {
        return Err(invalid("delete_old_after_s: only a switch takes it"));
    }
    let profile_type = asked.profile_type.as_deref().map(|name| {
        ProfileType::parse(name).ok_or_else(|| invalid("profile_type: expected the name of a profile type"))
    });
    Ok(CampaignTask {
        kind,
        rollback: match asked.rollback.unwrap_or(kind == OperationKind::Switch) {
            true => Rollback::Granted,
            false => Rollback::NotGranted,
        },
        old: asked
            .delete_old_after_s
            .map_or(OldProfile::Keep, |hold| OldProfile::DeleteAfter(Duration::from_secs(hold))),
        profile_type: profile_type.transpose()?,
    })
}

fn pace(asked: &CampaignRequest) -> Result<Pace, Problem> {
    let pace = Pace::default();
    let shares = asked.waves.as_ref().map(|waves| waves.iter().map(|text| share("waves", text)).collect());
    let budget = asked.failure_budget.as_deref().map(|text| share("failure_budget", text));
    Ok(Pace {
        shares: shares.transpose()?.unwrap_or(pace.shares),
        per_hour: asked.per_hour.unwrap_or(pace.per_hour),
        at_most: asked.at_most.unwrap_or(pace.at_most),
        failure_budget: budget.transpose()?.unwrap_or(pace.failure_budget),
        soak: asked.soak_s.map_or(pace.soak, Duration::from_secs),
        validity: asked.validity_s.map(Duration::from_secs).or(pace.validity),
    })
}

fn share(member: &str, text: &str) -> Result<u16, Problem> {
    parse_share(text).ok_or_else(|| invalid(format!("{member}: expected 0% to 100%, such as \"2.5%\"")))
}

fn selection(labels: &BTreeMap<String, String>) -> Result<LabelSelection, Problem> {
    let label = |(name, value): (&String, &String)| {
        let wrong = |what: &str| invalid(format!("labels, {name:?}: no {what} of a label"));
        Ok(Label {
            name: LabelName::parse(name).ok_or_else(|| wrong("name"))?,
            value: LabelValue::parse(value).ok_or_else(|| wrong("value"))?,
        })
    };
    let labels = labels.iter().map(label).collect::<Result<Vec<Label>, Problem>>()?;
    LabelSelection::of(labels).map_err(|error| invalid(format!("labels: {error}")))
}

/// Codes are secrets: no answer repeats them.
fn row(asked: TargetRequest) -> Result<TargetRow, Problem> {
    let eid = Eid::parse(&asked.eid).map_err(|error| invalid(format!("eid: {error}")))?;
    let iccid = asked.iccid.map(|text| Iccid::parse(&text)).transpose();
    let iccid = iccid.map_err(|error| invalid(format!("eUICC {eid}: iccid: {error}")))?;
    let expected = "expected LPA:1$<SM-DP+ address>$<token>[$<SM-DP+ OID>[$1]]";
    let code = asked.activation_code.map(|text| ActivationCode::parse(&text)).transpose();
    let activation_code = code.map_err(|_| invalid(format!("eUICC {eid}: activation_code: {expected}")))?;
    let confirmation_code = asked.confirmation_code.map(Zeroizing::new);
    let fits = |code: &Zeroizing<String>| {
        activation_code.is_some() && (1..=CONFIRMATION_CODE_MAX).contains(&code.len())
    };
    if !confirmation_code.as_ref().is_none_or(fits) {
        let expected = "expected 1 to 255 octets, beside an activation_code";
        return Err(invalid(format!("eUICC {eid}: confirmation_code: {expected}")));
    }
    Ok(TargetRow { eid, iccid, activation_code, confirmation_code })
}

fn campaign_id(text: &str) -> Result<CampaignId, Problem> {
    CampaignId::parse(text).ok_or_else(|| invalid("campaign_id: expected 32 hexadecimal digits"))
}

fn target_state(text: &str) -> Result<TargetState, Problem> {
    TargetState::parse(text).ok_or_else(|| {
        let names: Vec<&str> = TargetState::ALL.iter().map(|state| state.as_str()).collect();
        invalid(format!("state: expected one of {}", names.join(", ")))
    })
}

fn ended_state(text: &str) -> Result<TargetState, Problem> {
    let expected = "states: expected of failed, rolled_back, expired, cancelled and refused";
    TargetState::parse(text).filter(|state| state.may_be_retried()).ok_or_else(|| invalid(expected))
}

/// What may be left out altogether.
fn parse_or_default<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { parse(body) }
}

fn unknown(id: &CampaignId) -> Problem {
    Problem::new(ProblemKind::NotFound).detail(format!("there is no campaign {id}"))
}

fn refused(error: CampaignError) -> Problem {
    let detail = error.to_string();
    match error {
        CampaignError::NoTargets
        | CampaignError::TooMany(_)
        | CampaignError::Pace(_)
        | CampaignError::Target { .. }
        | CampaignError::TargetTwice(_)
        | CampaignError::TypeNotAsked
        | CampaignError::NoTarget(_) => invalid(detail),
        CampaignError::Unknown(id) => unknown(&id),
        CampaignError::State { .. }
        | CampaignError::StopsAgain(_)
        | CampaignError::NothingToRetry
        | CampaignError::TooManyWaves => Problem::new(ProblemKind::NotPossible).detail(detail),
        CampaignError::Race => Problem::new(ProblemKind::Busy).detail(detail).retry_after_s(1),
        CampaignError::Seal(_) | CampaignError::Store(_) => Problem::internal(&error),
    }
}
