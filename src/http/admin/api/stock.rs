//! `/v1/stock`: how many profiles stand where, and what runs low.

use std::collections::BTreeMap;

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look};
use super::page::query;
use super::{ProblemDocument, json};
use crate::http::problem::Problem;
use crate::inventory::stock::{self, LowStock, LowWater, StockLine};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StockParameters {
    /// Profiles of this operator.
    owner: Option<String>,
    /// Profiles of this type.
    profile_type: Option<String>,
}

/// The stock, counted.
#[derive(Serialize, ToSchema)]
struct Stock {
    /// By owner, profile type and sub-class.
    stock: Vec<LineView>,
    /// When a profile type runs low, as the settings say.
    marks: Vec<MarkView>,
    /// The types that do.
    low: Vec<LowView>,
}

/// Profiles of one owner, type and sub-class.
#[derive(Serialize, ToSchema)]
#[schema(as = StockLine)]
struct LineView {
    owner: String,
    profile_type: String,
    /// The kind of SIM.
    sub_class: Option<String>,
    /// All of them.
    profiles: u64,
    /// How many are `available`, `reserved`, `quarantined`, `ordered`, `downloaded`, `installed`, `failed` and `retired`; what
    /// is absent is none.
    standing: BTreeMap<&'static str, u64>,
}

/// A mark.
#[derive(Serialize, ToSchema)]
#[schema(as = LowWaterMark)]
struct MarkView {
    owner: String,
    profile_type: String,
    /// With fewer available, of all sub-classes, the type runs low.
    low_water: u64,
}

/// A profile type that runs low.
#[derive(Serialize, ToSchema)]
#[schema(as = LowStock)]
struct LowView {
    owner: String,
    profile_type: String,
    /// How many are available, of all sub-classes.
    available: u64,
    low_water: u64,
}

fn line(line: &StockLine) -> LineView {
    LineView {
        owner: line.owner.clone(),
        profile_type: line.profile_type.clone(),
        sub_class: line.sub_class.clone(),
        profiles: line.profiles,
        standing: line.standing.clone(),
    }
}

fn mark(mark: &LowWater) -> MarkView {
    MarkView {
        owner: mark.owner.to_string(),
        profile_type: mark.profile_type.to_string(),
        low_water: mark.low_water,
    }
}

fn low(low: &LowStock) -> LowView {
    LowView {
        owner: low.owner.clone(),
        profile_type: low.profile_type.clone(),
        available: low.available,
        low_water: low.low_water,
    }
}

/// How many profiles stand where: one line for each owner, profile type and kind of SIM, not by pages.
#[utoipa::path(
    get, path = "/v1/stock", operation_id = "show_stock", tag = "stock", params(StockParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The stock", body = Stock),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let StockParameters { owner, profile_type } = query(&uri)?;
    let is_asked = |of: &str, named: &str| {
        owner.as_ref().is_none_or(|owner| owner == of)
            && profile_type.as_ref().is_none_or(|profile_type| profile_type == named)
    };
    let services = caller.services();
    let overview = stock::overview(&services.inventory.store, &services.marks).await;
    let overview = overview.map_err(|error| Problem::internal(&error))?;
    let lines = overview.stock.iter().filter(|line| is_asked(&line.owner, &line.profile_type));
    let marks =
        services.marks.iter().filter(|mark| is_asked(mark.owner.as_str(), mark.profile_type.as_str()));
    let lows = overview.low.iter().filter(|low| is_asked(&low.owner, &low.profile_type));
    let stock = Stock {
        stock: lines.map(line).collect(),
        marks: marks.map(mark).collect(),
        low: lows.map(low).collect(),
    };
    Ok(json(StatusCode::OK, &stock))
}
