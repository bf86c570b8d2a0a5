//! `/v1/euiccs/EID/labels`: what the owner of a fleet calls eUICCs by.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{Caller, Look, Operate, Services};
use super::page::invalid;
use super::{ProblemDocument, json, parse};
use crate::domain::{LABELS_MAX, Label, LabelName, LabelValue};
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::Eid;
use crate::inventory::labels::{LabelChange, LabelsError};

/// The labels of an eUICC.
#[derive(Serialize, ToSchema)]
#[schema(as = Labels)]
struct LabelsView {
    eid: String,
    /// Value by name.
    labels: BTreeMap<String, String>,
}

/// Labels as they are to be: a value by a name sets it, null removes it, what is not named stays (RFC 7396).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the body has")]
struct LabelChanges(BTreeMap<String, Option<String>>);

/// Value by name.
pub(super) fn view(labels: &[Label]) -> BTreeMap<String, String> {
    labels.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect()
}

/// The labels of an eUICC.
#[utoipa::path(
    get, path = "/v1/euiccs/{eid}/labels", operation_id = "show_labels", tag = "euiccs",
    params(("eid" = String, Path, description = "32 digits")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The labels", body = LabelsView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    shown(caller.services(), &eid(&named)?).await
}

/// Change labels of an eUICC.
#[utoipa::path(
    patch, path = "/v1/euiccs/{eid}/labels", operation_id = "change_labels", tag = "euiccs",
    params(("eid" = String, Path, description = "32 digits")), request_body = LabelChanges,
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "The labels as they are now", body = LabelsView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn change(
    caller: Caller<Operate>,
    Path(named): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let (eid, changer) = (eid(&named)?, caller.changer());
    let asked: BTreeMap<String, Option<String>> = parse(&body)?;
    if asked.len() > 2 * LABELS_MAX {
        return Err(invalid(format!("the body: expected {} labels at most", 2 * LABELS_MAX)));
    }
    let changes: Result<Vec<LabelChange>, Problem> =
        asked.iter().map(|(name, value)| wanted(&eid, name, value.as_deref())).collect();
    let inventory = &caller.services().inventory;
    inventory.change_labels(&changes?, &changer.actor, changer.peer).await.map_err(refused)?;
    shown(caller.services(), &eid).await
}

fn wanted(eid: &Eid, name: &str, value: Option<&str>) -> Result<LabelChange, Problem> {
    let wrong = |what: &str| invalid(format!("{name:?}: no {what} of a label"));
    let name = LabelName::parse(name).ok_or_else(|| wrong("name"))?;
    let value = match value {
        Some(value) => Some(LabelValue::parse(value).ok_or_else(|| wrong("value"))?),
        None => None,
    };
    Ok(LabelChange { eid: eid.clone(), name, value })
}

fn eid(text: &str) -> Result<Eid, Problem> {
    Eid::parse(text).map_err(|error| invalid(format!("eid: {error}")))
}

async fn shown(services: &Services, eid: &Eid) -> Result<Response, Problem> {
    let found = services.inventory.labels(eid).await.map_err(|error| Problem::internal(&error))?;
    let labels = found.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(json(StatusCode::OK, &LabelsView { eid: eid.to_string(), labels: view(&labels) }))
}

fn refused(error: LabelsError) -> Problem {
    let detail = error.to_string();
    match error {
        LabelsError::Unknown(_) => Problem::new(ProblemKind::NotFound).detail(detail),
        LabelsError::TooMany(_) => Problem::new(ProblemKind::NotPossible).detail(detail),
        LabelsError::Header(..)
        | LabelsError::Row { .. }
        | LabelsError::TooLong
        | LabelsError::Twice { .. } => invalid(detail),
        LabelsError::Store(cause) => Problem::internal(&cause),
    }
}
