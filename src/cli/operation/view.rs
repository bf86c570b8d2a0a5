//! Operations for people and as JSON. Activation codes are not in them.

use serde_json::{Value, json};

use crate::domain::{SwitchTarget, Task};
use crate::eim::answers::told;
use crate::eim::operations::{KeptOperation, OperationView};
use crate::env::Timestamp;
use crate::ident::Iccid;

/// The profile that a task names.
const fn named(task: &Task) -> Option<&Iccid> {
    match task {
        Task::Enable { iccid, .. }
        | Task::Disable { iccid }
        | Task::Delete { iccid }
        | Task::Switch { to: SwitchTarget::Installed(iccid), .. } => Some(iccid),
        Task::Download
        | Task::Audit
        | Task::Switch { to: SwitchTarget::Downloaded, .. }
        | Task::Configure { .. }
        | Task::Laboratory { .. }
        | Task::Move { .. }
        | Task::RotateKey { .. } => None,
    }
}

/// Why it ended otherwise than it was meant to.
fn reason(kept: &KeptOperation) -> Option<String> {
    kept.operation.state.reason().map(|reason| match reason.detail.as_str() {
        "" => reason.code.name().to_owned(),
        detail => format!("{}: {detail}", reason.code.name()),
    })
}

/// One line for each.
pub(in crate::cli) fn rows(found: &[KeptOperation]) -> Vec<String> {
    let row = |kept: &KeptOperation| {
        let operation = &kept.operation;
        let mut text = format!(
            "{}  {}  {:<9}  {:<15}  {}",
            operation.operation_id,
            operation.eid,
            operation.task.kind().name(),
            operation.state.name().as_str(),
            operation.changed_at,
        );
        if let Some(since) = operation.overdue_since {
            text += &format!("  overdue since {since}");
        }
        if let Some(reason) = reason(kept) {
            text += &format!("  {reason}");
        }
        text
    };
    found.iter().map(row).collect()
}

/// A page about one.
pub(in crate::cli) fn show(found: &OperationView, now: Timestamp) -> Vec<String> {
    let kept = &found.kept;
    let operation = &kept.operation;
    let state = &operation.state;
    let mut lines = vec![
        format!("operation    {}", operation.operation_id),
        format!("eUICC        {}", operation.eid),
        format!("kind         {}", operation.task.kind()),
        format!("state        {}", state.name().as_str()),
    ];
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{name:<13}{value}"));
        }
    };
    put("reason", reason(kept));
    put("to", state.to().or_else(|| named(&operation.task)).map(ToString::to_string));
    put("from", state.from().map(ToString::to_string));
    put("overdue", operation.overdue_since.map(|since| format!("since {since}: its outcome is not known")));
    put("created", Some(format!("{} by {}", operation.created_at, kept.creator)));
    put("campaign", kept.campaign_id.clone());
    put(
        "valid until",
        operation
            .valid_until
            .map(|at| if at <= now { format!("{at}, which is past") } else { at.to_string() }),
    );
    for event in &found.events {
        let kind = event.kind.map_or("an event of a later version", |kind| kind.name());
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(|text| format!("  {text}"));
        let more: Vec<String> = ["state", "reason", "detail"].into_iter().filter_map(text).collect();
        lines.push(format!("{}  {kind}{}", event.at, more.concat()));
    }
    for one in &found.packages {
        let left = one.handed_over_at.map_or_else(|| "has not left".to_owned(), |at| format!("left {at}"));
        let came = one.result_at.map_or_else(|| "no answer".to_owned(), |at| format!("answered {at}"));
        let came = if one.unverified { format!("{came}, result unverified") } else { came };
        let counter = one.package.counter.map(|counter| format!(", counter {counter}")).unwrap_or_default();
        lines.push(format!("package {}{counter}: {left}, {came}", one.package.transaction_id));
        for answer in [&one.result, &one.rollback_result].into_iter().flatten() {
            lines.extend(told(answer).iter().map(|line| format!("  {line}")));
        }
    }
    lines
}

/// One as JSON.
pub(in crate::cli) fn value(kept: &KeptOperation) -> Value {
    let operation = &kept.operation;
    let state = &operation.state;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "operation_id": operation.operation_id.to_string(),
        "eid": operation.eid,
        "kind": operation.task.kind().name(),
        "state": state.name().as_str(),
        "ended": state.is_end(),
        "reason": state.reason().map(|reason| reason.code.name()),
        "reason_detail": state.reason().map(|reason| reason.detail.as_str()),
        "to_iccid": state.to().or_else(|| named(&operation.task)),
        "from_iccid": state.from(),
        "attempts": operation.attempts,
        "created_by": kept.creator,
        "campaign_id": kept.campaign_id,
        "created_at": operation.created_at.to_string(),
        "changed_at": operation.changed_at.to_string(),
        "valid_until": time(operation.valid_until),
        "overdue_since": time(operation.overdue_since),
    })
}

/// One with what happened and what left and came; packages and results as hexadecimal digits.
pub(super) fn value_of(found: &OperationView) -> Value {
    let digits = |octets: &Vec<u8>| hex::encode_upper(octets);
    let events: Vec<Value> = found
        .events
        .iter()
        .map(|event| {
            json!({
                "type": event.kind.map(|kind| kind.name()),
                "at": event.at.to_string(),
                "data": serde_json::from_str::<Value>(&event.data).unwrap_or_default(),
            })
        })
        .collect();
    let packages: Vec<Value> = found
        .packages
        .iter()
        .map(|one| {
            json!({
                "eim_transaction_id": one.package.transaction_id.to_string(),
                "counter_value": one.package.counter,
                "handed_over_at": one.handed_over_at.map(|at| at.to_string()),
                "euicc_package_signed": one.package.content.as_ref().map(digits),
                "result": one.result.as_ref().map(digits),
                "told": one.result.as_deref().map(told),
                "unverified": one.unverified,
                "rollback_result": one.rollback_result.as_ref().map(digits),
                "result_at": one.result_at.map(|at| at.to_string()),
            })
        })
        .collect();
    let mut shown = value(&found.kept);
    if let Some(members) = shown.as_object_mut() {
        members.insert("events".to_owned(), Value::Array(events));
        members.insert("packages".to_owned(), Value::Array(packages));
    }
    shown
}
