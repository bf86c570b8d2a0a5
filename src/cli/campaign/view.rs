//! Campaigns for people and as JSON. Activation codes are not in them.

use serde_json::{Map, Value, json};

use crate::domain::campaign::share_text;
use crate::domain::{Campaign, TargetState, WaveCounts};
use crate::eim::campaigns::{CampaignView, KeptTarget};
use crate::ident::counted;

/// One line for a campaign.
pub(super) fn row(campaign: &Campaign) -> String {
    let Campaign { campaign_id, state, task, wave, waves, targets, name, .. } = campaign;
    let kind = task.kind.name();
    format!("{campaign_id}  {state:<10}  {kind:<9}  wave {wave} of {waves}, {targets} targets  {name}")
}

/// How many stand where, those that are none left out.
fn told(counts: &WaveCounts) -> String {
    let all = TargetState::ALL.iter().filter(|state| counts.of(**state) > 0);
    let all: Vec<String> = all.map(|state| format!("{} {state}", counts.of(*state))).collect();
    all.join(", ")
}

/// A page about one.
pub(super) fn show(view: &CampaignView) -> Vec<String> {
    let campaign = &view.kept.campaign;
    let pace = &campaign.pace;
    let mut all = WaveCounts::default();
    for (_, counts) in &view.waves {
        for state in TargetState::ALL {
            all.add(*state, counts.of(*state));
        }
    }
    let mut lines = vec![
        format!("campaign     {} ({})", campaign.campaign_id, campaign.name),
        format!("asks         {} of {}", campaign.task.kind, counted(campaign.targets, "eUICC")),
        match &campaign.reason {
            Some(reason) => format!("state        {}: {reason}", campaign.state),
            None => format!("state        {}", campaign.state),
        },
        format!("targets      {}", told(&all)),
    ];
    if view.overdue > 0 {
        lines.push(format!("overdue      {} of those under way: their outcome is not known", view.overdue));
    }
    for (wave, counts) in &view.waves {
        let here = if *wave == campaign.wave { " <" } else { "" };
        lines.push(format!("wave {wave:<8}{}: {}{here}", counted(counts.all(), "target"), told(counts)));
    }
    for (reason, count) in &view.reasons {
        lines.push(format!("why          {count} {reason}"));
    }
    let budget = share_text(pace.failure_budget);
    lines.push(format!(
        "pace         {} an hour, {} under way at most; stops beyond {budget} failed of a wave",
        pace.per_hour, pace.at_most
    ));
    if let Some(settled) = campaign.settled_at.filter(|_| campaign.wave < campaign.waves) {
        let next = settled.plus(pace.soak);
        lines.push(format!("next wave    not before {next}"));
    }
    lines.push(format!("created      {} by {}", campaign.created_at, campaign.creator));
    lines.push(format!("changed      {}", campaign.changed_at));
    lines
}

/// A campaign as JSON.
pub(super) fn value(campaign: &Campaign) -> Value {
    let pace = &campaign.pace;
    json!({
        "campaign_id": campaign.campaign_id.to_string(),
        "name": campaign.name.as_str(),
        "kind": campaign.task.kind.name(),
        "profile_type": campaign.task.profile_type.as_ref().map(ToString::to_string),
        "state": campaign.state.as_str(),
        "reason": campaign.reason,
        "targets": campaign.targets,
        "wave": campaign.wave,
        "waves": campaign.waves,
        "per_hour": pace.per_hour,
        "at_most": pace.at_most,
        "failure_budget": share_text(pace.failure_budget),
        "soak_s": pace.soak.as_secs(),
        "validity_s": pace.validity.map(|validity| validity.as_secs()),
        "created_by": campaign.creator,
        "created_at": campaign.created_at.to_string(),
        "changed_at": campaign.changed_at.to_string(),
    })
}

fn counts_value(counts: &WaveCounts) -> Value {
    let member = |state: &TargetState| (state.as_str().to_owned(), counts.of(*state).into());
    Value::Object(TargetState::ALL.iter().map(member).collect::<Map<String, Value>>())
}

/// One with how it goes.
pub(super) fn value_of(view: &CampaignView) -> Value {
    let mut shown = value(&view.kept.campaign);
    let none = WaveCounts::default();
    let of = |wave| view.waves.iter().find(|(number, _)| *number == wave).map_or(&none, |(_, counts)| counts);
    let waves: Vec<Value> = (1..=view.kept.campaign.waves).map(|wave| counts_value(of(wave))).collect();
    let reasons: Vec<Value> =
        view.reasons.iter().map(|(reason, count)| json!({ "reason": reason, "targets": count })).collect();
    if let Some(members) = shown.as_object_mut() {
        members.insert("wave_counts".to_owned(), waves.into());
        members.insert("reasons".to_owned(), reasons.into());
        members.insert("overdue".to_owned(), view.overdue.into());
    }
    shown
}

/// One line for a target.
pub(super) fn target_row(target: &KeptTarget) -> String {
    let KeptTarget { place, target: asked, state, operation_id, reason, attempt } = target;
    let mut text = format!("{place:>6}  {}  wave {}  {state:<11}", asked.eid, asked.wave);
    if *attempt > 1 {
        text += &format!("  attempt {attempt}");
    }
    if let Some(operation_id) = operation_id {
        text += &format!("  {operation_id}");
    }
    if let Some(reason) = reason {
        text += &format!("  {reason}");
    }
    text
}

/// A target as JSON.
pub(super) fn target_value(target: &KeptTarget) -> Value {
    json!({
        "place": target.place,
        "eid": target.target.eid,
        "iccid": target.target.iccid,
        "wave": target.target.wave,
        "attempt": target.attempt,
        "state": target.state.as_str(),
        "reason": target.reason,
        "operation_id": target.operation_id.map(|id| id.to_string()),
    })
}
