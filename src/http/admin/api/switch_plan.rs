//! `/v1/euiccs/EID/switch-plan`: whether a switch would be possible, and everything that stands in its way.

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look};
use super::operations::eim;
use super::page::{invalid, query};
use super::{ProblemDocument, json};
use crate::domain::{OldProfile, ProfileType, Rollback, SwitchTarget, Task};
use crate::eim::operations::{OperationRequest, plan};
use crate::http::problem::Problem;
use crate::ident::{Eid, Iccid};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PlanParameters {
    /// Switch to this profile, which is on the eUICC; without it, to one that is downloaded.
    iccid: Option<String>,
    /// Of a profile that is downloaded: of this type of ours, so that its memory is known.
    profile_type: Option<String>,
}

/// Whether a switch would be possible.
#[derive(Serialize, ToSchema)]
struct SwitchPlan {
    eid: String,
    /// Whether nothing stands in its way.
    possible: bool,
    /// Everything that stands in its way.
    obstacles: Vec<Obstacle>,
}

/// What stands in the way of a switch.
#[derive(Serialize, ToSchema)]
struct Obstacle {
    /// A name that does not change.
    name: &'static str,
    /// For people.
    detail: String,
}

/// Say whether a switch would be possible; nothing is asked of the eUICC.
#[utoipa::path(
    get, path = "/v1/euiccs/{eid}/switch-plan", operation_id = "plan_switch", tag = "operations",
    params(("eid" = String, Path, description = "32 digits"), PlanParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The plan", body = SwitchPlan),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(
    caller: Caller<Look>,
    Path(named): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let eid = Eid::parse(&named).map_err(|error| invalid(format!("eid: {error}")))?;
    let PlanParameters { iccid, profile_type } = query(&uri)?;
    if iccid.is_some() && profile_type.is_some() {
        return Err(invalid("give either iccid or profile_type"));
    }
    let iccid = iccid.map(|text| Iccid::parse(&text)).transpose();
    let iccid = iccid.map_err(|error| invalid(format!("iccid: {error}")))?;
    let to = iccid.map_or(SwitchTarget::Downloaded, SwitchTarget::Installed);
    let task = Task::Switch { to, rollback: Rollback::Granted, old: OldProfile::Keep };
    let mut request = OperationRequest::new(task);
    if let Some(name) = profile_type {
        let expected = "profile_type: expected the name of a profile type";
        let profile_type = ProfileType::parse(&name).ok_or_else(|| invalid(expected))?;
        let orders = caller.services().orders_for_euiccs.as_ref();
        request.needed_memory = orders.and_then(|orders| orders.memory_of_type(&profile_type));
    }
    let found = plan(eim(caller.services())?, &eid, &request).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let obstacles: Vec<Obstacle> =
        found.iter().map(|one| Obstacle { name: one.name(), detail: one.to_string() }).collect();
    let plan = SwitchPlan { eid: eid.to_string(), possible: obstacles.is_empty(), obstacles };
    Ok(json(StatusCode::OK, &plan))
}
