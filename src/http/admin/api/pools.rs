//! `/v1/pools`: ranges of numbers, and what is left of them.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look};
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json};
use crate::domain::{Pool, PoolName};
use crate::http::problem::{Problem, ProblemKind};
use crate::inventory::pools::{PoolLevel, is_low};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PoolParameters {
    /// Those behind this name.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// A pool of the settings, and how full it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Pool)]
struct PoolView {
    name: String,
    /// `iccid`, `imsi` or `msisdn`.
    kind: &'static str,
    owner: String,
    /// The operator's code of IMSIs.
    mcc_mnc: Option<String>,
    purpose: Option<String>,
    first: Option<String>,
    last: Option<String>,
    /// Whether the last digit is one.
    check_digit: bool,
    /// With fewer left, the pool runs low.
    low_water: u64,
    /// How many can be drawn.
    left: u64,
    is_low: bool,
    /// Of those left, how many were given back earlier.
    free_again: u64,
    /// These are counted up to 100001.
    reserved: u64,
    allocated: u64,
    quarantined: u64,
    retired: u64,
}

/// A page of pools.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct PoolPage {
    items: Vec<PoolView>,
    /// The name that the next page begins behind; null on the last one.
    next: Option<String>,
}

fn view(pool: &Pool, level: &PoolLevel) -> PoolView {
    PoolView {
        name: pool.name.to_string(),
        kind: pool.kind.name(),
        owner: pool.operator.to_string(),
        mcc_mnc: pool.mcc_mnc.clone(),
        purpose: pool.purpose.clone(),
        first: pool.range.number(0),
        last: pool.range.size().checked_sub(1).and_then(|place| pool.range.number(place)),
        check_digit: pool.range.has_check_digit(),
        low_water: pool.low_water,
        left: level.left(),
        is_low: is_low(pool, level),
        free_again: level.free_again,
        reserved: level.reserved,
        allocated: level.allocated,
        quarantined: level.quarantined,
        retired: level.retired,
    }
}

/// Reads the name of a pool.
fn name(field: &str, text: &str) -> Result<PoolName, Problem> {
    let expected = || invalid(format!("{field}: expected 1 to 64 small letters, digits, hyphens and dots"));
    PoolName::parse(text).ok_or_else(expected)
}

/// Pools by name.
#[utoipa::path(
    get, path = "/v1/pools", operation_id = "list_pools", tag = "pools", params(PoolParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = PoolPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let PoolParameters { after, limit: asked } = query(&uri)?;
    let limit = limit(asked)?;
    let after = after.map(|after| name("after", &after)).transpose()?;
    let after = after.as_ref().map(PoolName::as_str).unwrap_or_default();
    let most = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX);
    let found = caller.services().pools.levels_after(after, most).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let cursor = |(pool, _): &(Arc<Pool>, PoolLevel)| pool.name.to_string();
    Ok(page(&uri, limit, found, cursor, |(pool, level)| view(pool, level)))
}

/// A pool.
#[utoipa::path(
    get, path = "/v1/pools/{name}", operation_id = "show_pool", tag = "pools",
    params(("name" = String, Path, description = "Its name")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The pool", body = PoolView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let (name, pools) = (name("name", &named)?, &caller.services().pools);
    let pool = pools.find(name.as_str());
    let pool = pool.map_err(|error| Problem::new(ProblemKind::NotFound).detail(error.to_string()))?;
    let level = pools.level(pool).await.map_err(|error| Problem::internal(&error))?;
    Ok(json(StatusCode::OK, &view(pool, &level)))
}
