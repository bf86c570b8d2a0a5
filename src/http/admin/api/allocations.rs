//! `/v1/allocations`: subscriptions and numbers that are taken, and given back.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look, Provision, Services};
use super::once::once;
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json, parse};
use crate::domain::{AllocationId, Person};
use crate::env::Timestamp;
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::Iccid;
use crate::inventory::allocation::{Allocation, AllocationError, Subject, TypeRules};
use crate::inventory::pools::{Fate, NumberError, PoolError};

/// The longest reservation.
const RESERVE_S_MAX: u64 = 366 * 24 * 3600;

/// What is wanted: subscriptions of a `profile_type`, or numbers of a `pool`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAllocation {
    profile_type: Option<String>,
    pool: Option<String>,
    /// So many, 1 to 1000: all or none.
    count: u32,
    /// Repeated with the same identifier, the call gets the same. 1 to 128 visible ASCII characters without blanks; one is
    /// drawn where none is given.
    allocation_id: Option<String>,
    /// Reserve for so many seconds, 366 days at most, and not for good.
    reserve_s: Option<u64>,
}

/// What was taken.
#[derive(Serialize, ToSchema)]
struct MadeAllocation {
    allocation_id: String,
    /// The ICCIDs of the subscriptions, or the numbers, that it holds.
    held: Vec<String>,
    #[schema(format = DateTime)]
    held_until: Option<String>,
    /// Whether an earlier call took them.
    repeated: bool,
}

/// What was asked for under an identifier.
#[derive(Serialize, ToSchema)]
#[schema(as = Allocation)]
struct AllocationView {
    #[serde(flatten)]
    allocation: ListedAllocation,
    /// The ICCIDs of the subscriptions, or the numbers, that it still holds.
    held: Vec<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AllocationParameters {
    /// Those behind the page that named this as `next`.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// What was asked for under an identifier, without what it still holds.
#[derive(Serialize, ToSchema)]
struct ListedAllocation {
    allocation_id: String,
    owner: String,
    /// Of subscriptions.
    profile_type: Option<String>,
    /// Of numbers.
    pool: Option<String>,
    /// How many were asked for.
    count: u32,
    #[schema(format = DateTime)]
    held_until: Option<String>,
    /// Who asked: a person, or an identity behind `identity:`.
    made_by: String,
    #[schema(format = DateTime)]
    made_at: String,
}

/// A page of allocations.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct AllocationPage {
    items: Vec<ListedAllocation>,
    /// What the next page begins behind; null on the last one.
    next: Option<String>,
}

fn id(text: &str) -> Result<AllocationId, Problem> {
    let expected = "allocation_id: expected 1 to 128 visible ASCII characters without blanks";
    AllocationId::parse(text).ok_or_else(|| invalid(expected))
}

fn listed(allocation: &Allocation) -> ListedAllocation {
    let source = |subject| (allocation.subject == subject).then(|| allocation.source.clone());
    ListedAllocation {
        allocation_id: allocation.allocation_id.to_string(),
        owner: allocation.owner.to_string(),
        profile_type: source(Subject::Subscriptions),
        pool: source(Subject::Numbers),
        count: allocation.count,
        held_until: allocation.held_until.map(|until| until.to_string()),
        made_by: allocation.person.to_string(),
        made_at: allocation.made_at.to_string(),
    }
}

fn view(allocation: &Allocation, held: Vec<String>) -> AllocationView {
    AllocationView { allocation: listed(allocation), held }
}

/// The identifier behind a cursor, which is written in hexadecimal digits: identifiers may have characters of URLs.
fn behind(cursor: &str) -> Result<AllocationId, Problem> {
    let text = hex::decode(cursor).ok().and_then(|octets| String::from_utf8(octets).ok());
    let id = text.and_then(|text| AllocationId::parse(&text));
    id.ok_or_else(|| invalid("after: expected what an earlier page named as next"))
}

/// Allocations, by their identifiers.
#[utoipa::path(
    get, path = "/v1/allocations", operation_id = "list_allocations", tag = "allocations", params(AllocationParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = AllocationPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let parameters: AllocationParameters = query(&uri)?;
    let limit = limit(parameters.limit)?;
    let after = parameters.after.as_deref().map(behind).transpose()?;
    let store = &caller.services().allocator.store;
    let found = store.allocations_after(after.as_ref(), limit.saturating_add(1)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |one| hex::encode(one.allocation_id.as_str()), listed))
}

fn made(
    id: &AllocationId,
    held: Vec<String>,
    until: Option<Timestamp>,
    repeated: bool,
) -> (StatusCode, Value) {
    let made = MadeAllocation {
        allocation_id: id.to_string(),
        held,
        held_until: until.map(|until| until.to_string()),
        repeated,
    };
    let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
    (status, serde_json::to_value(made).unwrap_or_default())
}

pub(super) fn rules<'a>(services: &'a Services, profile_type: &str) -> Result<&'a TypeRules, Problem> {
    let rules = services.types.iter().find(|rules| rules.profile_type.as_str() == profile_type);
    rules.ok_or_else(|| invalid("profile_type: the settings have none of this name"))
}

async fn take(
    services: &Services,
    new: NewAllocation,
    person: &Person,
) -> Result<(StatusCode, Value), Problem> {
    let allocation_id = new.allocation_id.as_deref().map(id).transpose()?;
    let hold = match new.reserve_s {
        None => None,
        Some(seconds @ 1..=RESERVE_S_MAX) => Some(Duration::from_secs(seconds)),
        Some(_) => return Err(invalid(format!("reserve_s: expected 1 to {RESERVE_S_MAX}"))),
    };
    match (&new.profile_type, &new.pool) {
        (Some(profile_type), None) => {
            let rules = rules(services, profile_type)?;
            let taken = services.allocator.set_aside(rules, new.count, allocation_id, hold, person).await;
            let taken = taken.map_err(of_stock)?;
            let iccids = taken.iccids.iter().map(Iccid::to_string).collect();
            Ok(made(&taken.allocation_id, iccids, taken.held_until, taken.repeated))
        }
        (None, Some(pool)) => {
            let pool = services.pools.find(pool).map_err(of_pool)?;
            let drawn = services.pools.draw(pool, new.count, allocation_id, hold, person).await;
            let drawn = drawn.map_err(of_pool)?;
            Ok(made(&drawn.allocation_id, drawn.numbers, drawn.held_until, drawn.repeated))
        }
        (Some(_), Some(_)) | (None, None) => Err(invalid("expected profile_type or pool, one of them")),
    }
}

/// Take subscriptions of a profile type, or numbers of a pool: all or none, for good or for a time.
#[utoipa::path(
    post, path = "/v1/allocations", operation_id = "allocate", tag = "allocations", request_body = NewAllocation,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 201, description = "They are taken", body = MadeAllocation),
        (status = 200, description = "They were taken by an earlier call", body = MadeAllocation),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn make(caller: Caller<Provision>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let new: NewAllocation = match parse(&body) {
        Ok(new) => new,
        Err(problem) => return problem.into_response(),
    };
    let (services, person) = (caller.services().clone(), caller.person());
    let call = async move { take(&services, new, &person).await };
    once(&caller, &uri, &headers, &body, call).await
}

async fn find(services: &Services, named: &str) -> Result<(Allocation, Vec<String>), Problem> {
    let found = services.allocator.held(&id(named)?).await;
    found.map_err(|error| Problem::internal(&error))?.ok_or_else(|| Problem::new(ProblemKind::NotFound))
}

/// An allocation, and what it still holds.
#[utoipa::path(
    get, path = "/v1/allocations/{allocation_id}", operation_id = "show_allocation", tag = "allocations",
    params(("allocation_id" = String, Path, description = "Its identifier")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The allocation", body = AllocationView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let (allocation, held) = find(caller.services(), &named).await?;
    Ok(json(StatusCode::OK, &view(&allocation, held)))
}

/// Give back what an allocation holds, into quarantine. Repeated, it changes nothing. Of subscriptions each is given back that
/// can be; those that cannot be are told in `refused` of the problem, and stay. Numbers are given back together.
#[utoipa::path(
    delete, path = "/v1/allocations/{allocation_id}", operation_id = "release_allocation", tag = "allocations",
    params(("allocation_id" = String, Path, description = "Its identifier")),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 204, description = "Nothing is held any more"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn release(
    caller: Caller<Provision>,
    Path(named): Path<String>,
) -> Result<StatusCode, Problem> {
    let (services, person) = (caller.services(), caller.person());
    let (allocation, held) = find(services, &named).await?;
    if held.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    match allocation.subject {
        Subject::Numbers => {
            let pool = services.pools.find(&allocation.source).map_err(of_pool)?;
            services.pools.change(pool, &held, Fate::GiveBack, &person).await.map_err(of_pool)?;
        }
        Subject::Subscriptions => {
            let rules = rules(services, &allocation.source)?;
            let mut refused = Vec::new();
            for held in &held {
                let iccid = Iccid::parse(held).map_err(|error| Problem::internal(&error))?;
                match services.allocator.release(&iccid, rules, &person).await {
                    Ok(_) => {}
                    Err(AllocationError::Store(error)) => return Err(Problem::internal(&error)),
                    Err(error) => refused.push(value!({ "iccid": held, "reason": error.to_string() })),
                }
            }
            if !refused.is_empty() {
                let detail =
                    format!("{} of {} subscriptions cannot be given back", refused.len(), held.len());
                let problem = Problem::new(ProblemKind::NotPossible).detail(detail);
                return Err(problem.member("refused", Value::Array(refused)));
            }
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn of_stock(error: AllocationError) -> Problem {
    let detail = error.to_string();
    let kind = match error {
        AllocationError::Count(_) => ProblemKind::InvalidParameter,
        AllocationError::Exhausted { .. } => ProblemKind::Exhausted,
        AllocationError::OtherRequest(_) => ProblemKind::InUse,
        AllocationError::Unknown(_) => ProblemKind::NotFound,
        AllocationError::NotBack(_)
        | AllocationError::Shelf(_)
        | AllocationError::Order(_)
        | AllocationError::NotOnEuicc => ProblemKind::NotPossible,
        AllocationError::Store(error) => return Problem::internal(&error),
    };
    Problem::new(kind).detail(detail)
}

fn of_pool(error: PoolError) -> Problem {
    let detail = error.to_string();
    let kind = match error {
        PoolError::Unknown(_) | PoolError::Count(_) => ProblemKind::InvalidParameter,
        PoolError::Exhausted { .. } | PoolError::Scattered(_) => ProblemKind::Exhausted,
        PoolError::OtherRequest(_) => ProblemKind::InUse,
        PoolError::NotOfPool { .. } | PoolError::Number(NumberError::InStock(_) | NumberError::State(_)) => {
            ProblemKind::NotPossible
        }
        PoolError::Number(NumberError::Store(error)) | PoolError::Store(error) => {
            return Problem::internal(&error);
        }
    };
    Problem::new(kind).detail(detail)
}
