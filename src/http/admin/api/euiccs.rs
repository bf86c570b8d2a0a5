//! `/v1/euiccs`: the register of eUICCs, and Freedom to Switch of each.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look, Provision, Services};
use super::labels;
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json, parse};
use crate::domain::LabelSelection;
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::{Eid, Iccid};
use crate::inventory::euiccs::{Euicc, Freedom, FreedomError};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EuiccParameters {
    /// Those behind this EID.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
    /// Those that have all these labels: `NAME=VALUE`, with commas between, four at most.
    label: Option<String>,
}

/// An eUICC, as its manufacturer delivered it.
#[derive(Serialize, ToSchema)]
#[schema(as = Euicc)]
struct EuiccView {
    eid: String,
    /// `sgp02`, `sgp22` or `sgp32`.
    architecture: &'static str,
    manufacturer: String,
    batch_id: String,
    owner: String,
    /// The kind of SIM.
    sub_class: Option<String>,
    /// The manufacturer's name of the product.
    euicc_type: Option<String>,
    form_factor: Option<String>,
    /// The highest version of profile packages that it takes: major, dot, minor.
    package_version: Option<String>,
    /// Free non-volatile memory, in octets.
    non_volatile_octets: Option<i64>,
    /// Subject key identifiers of the CIs that it trusts, in hexadecimal digits.
    ci_keys: Vec<String>,
    /// The eIM that it belongs to (SGP.32).
    eim_id: Option<String>,
    /// `absent`, `inactive` or `active`.
    freedom_to_switch: &'static str,
    /// The profile that is enabled on it, as far as it is known.
    enabled_iccid: Option<String>,
    #[schema(format = DateTime)]
    registered_at: String,
    /// To about a minute.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
}

/// An eUICC, with what was on it.
#[derive(Serialize, ToSchema)]
#[schema(as = EuiccWithProfiles)]
struct LoadedView {
    #[serde(flatten)]
    euicc: EuiccView,
    /// Profiles that were on it when it came.
    preloaded: Vec<String>,
    /// What the owner of a fleet calls it by: value by name.
    labels: BTreeMap<String, String>,
}

/// A page of eUICCs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct EuiccPage {
    items: Vec<EuiccView>,
    /// The EID that the next page begins behind; null on the last one.
    next: Option<String>,
}

/// Freedom to Switch of an eUICC, as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FreedomToSwitch {
    /// Whether other operators' profiles can be switched to.
    active: bool,
}

fn view(euicc: &Euicc) -> EuiccView {
    let facts = &euicc.facts;
    EuiccView {
        eid: facts.eid.to_string(),
        architecture: facts.architecture.name(),
        manufacturer: euicc.manufacturer.clone(),
        batch_id: euicc.batch_id.clone(),
        owner: euicc.owner.to_string(),
        sub_class: euicc.sub_class.as_ref().map(ToString::to_string),
        euicc_type: facts.euicc_type.clone(),
        form_factor: facts.form_factor.clone(),
        package_version: facts.package_version.map(|(major, minor)| format!("{major}.{minor}")),
        non_volatile_octets: facts.non_volatile_octets,
        ci_keys: facts.ci_keys.split_whitespace().map(str::to_owned).collect(),
        eim_id: facts.eim.as_ref().map(|eim| eim.eim_id.clone()),
        freedom_to_switch: facts.freedom_to_switch.name(),
        enabled_iccid: facts.enabled.as_ref().map(Iccid::to_string),
        registered_at: euicc.created_at.to_string(),
        last_seen_at: euicc.last_seen_at.map(|at| at.to_string()),
    }
}

fn eid(field: &str, text: &str) -> Result<Eid, Problem> {
    Eid::parse(text).map_err(|error| invalid(format!("{field}: {error}")))
}

/// eUICCs by EID.
#[utoipa::path(
    get, path = "/v1/euiccs", operation_id = "list_euiccs", tag = "euiccs", params(EuiccParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = EuiccPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let EuiccParameters { after, limit: asked, label } = query(&uri)?;
    let limit = limit(asked)?;
    let after = after.map(|after| eid("after", &after)).transpose()?;
    let (inventory, most) = (&caller.services().inventory, limit.saturating_add(1));
    let found = match label {
        Some(label) => {
            let selection = LabelSelection::parse(&label);
            let selection = selection.map_err(|error| invalid(format!("label: {error}")))?;
            inventory.euiccs_labelled(&selection, after.as_ref(), most).await
        }
        None => inventory.euiccs(after.as_ref(), most).await,
    };
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |euicc| euicc.facts.eid.to_string(), view))
}

/// An eUICC.
#[utoipa::path(
    get, path = "/v1/euiccs/{eid}", operation_id = "show_euicc", tag = "euiccs",
    params(("eid" = String, Path, description = "32 digits")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The eUICC", body = LoadedView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    shown(caller.services(), &eid("eid", &named)?).await
}

/// Activate or deactivate Freedom to Switch of an eUICC that was delivered with it.
#[utoipa::path(
    put, path = "/v1/euiccs/{eid}/freedom_to_switch", operation_id = "set_freedom_to_switch", tag = "euiccs",
    params(("eid" = String, Path, description = "32 digits")), request_body = FreedomToSwitch,
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "The eUICC", body = LoadedView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn set_freedom_to_switch(
    caller: Caller<Provision>,
    Path(named): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let FreedomToSwitch { active } = parse(&body)?;
    let (eid, changer) = (eid("eid", &named)?, caller.changer());
    let freedom = if active { Freedom::Active } else { Freedom::Inactive };
    let inventory = &caller.services().inventory;
    inventory.set_freedom_to_switch(&eid, freedom, &changer.actor, changer.peer).await.map_err(refused)?;
    shown(caller.services(), &eid).await
}

fn refused(error: FreedomError) -> Problem {
    let detail = error.to_string();
    match error {
        FreedomError::Unknown(_) => Problem::new(ProblemKind::NotFound).detail(detail),
        FreedomError::Absent(_) => Problem::new(ProblemKind::NotPossible).detail(detail),
        FreedomError::Store(cause) => Problem::internal(&cause),
    }
}

async fn shown(services: &Services, eid: &Eid) -> Result<Response, Problem> {
    let found = services.inventory.euicc(eid).await.map_err(|error| Problem::internal(&error))?;
    let (euicc, preloaded) = found.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let preloaded = preloaded.iter().map(Iccid::to_string).collect();
    let labelled = services.inventory.labels(eid).await.map_err(|error| Problem::internal(&error))?;
    let labels = labels::view(&labelled.unwrap_or_default());
    Ok(json(StatusCode::OK, &LoadedView { euicc: view(&euicc), preloaded, labels }))
}
