//! `/v1/orders/ICCID/release`, `/cancel` and `/reset`: what a person can do to an order, done by a program.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::{Caller, Provision, Services};
use super::once::once;
use super::orders::{OrderView, iccid, view};
use super::page::invalid;
use super::{ProblemDocument, parse};
use crate::domain::{FinalStatus, Order, Person};
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::Iccid;
use crate::smdp::manual_order::{self, Hand, ManualOrderError};

/// The longest time that an order is made to last.
const VALID_S_MAX: u64 = 10 * 366 * 24 * 3600;

/// What becomes of the profile.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum FinalProfileStatus {
    /// It returns to the stock.
    #[default]
    Available,
    /// It leaves the stock for good.
    Unavailable,
}

/// How an order is cancelled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelledOrder {
    /// What becomes of the profile: without, it returns to the stock.
    #[serde(default)]
    final_status: FinalProfileStatus,
}

/// How an order is put back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetOrder {
    /// For how many seconds from now it can be downloaded; without, it expires when it did. 1 to 316224000.
    valid_s: Option<u64>,
}

/// Nothing is to be said of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleasedOrder {}

/// Whose hand it is, and the order that it changes.
async fn found(services: &Services, iccid: &Iccid, person: Person) -> Result<(Hand, Order), Problem> {
    let hand = Hand { person, at: services.smdp.clock.now() };
    let order = services.smdp.store.order(iccid).await.map_err(|error| Problem::internal(&error))?;
    Ok((hand, order.ok_or_else(|| Problem::new(ProblemKind::NotFound))?))
}

fn changed(outcome: Result<Order, ManualOrderError>) -> Result<(StatusCode, Value), Problem> {
    let order = outcome.map_err(refused)?;
    // What went wrong before is of no account for the order as it is now.
    Ok((StatusCode::OK, serde_json::to_value(view(&order, None)).unwrap_or_default()))
}

fn refused(error: ManualOrderError) -> Problem {
    let detail = error.to_string();
    let kind = match error {
        ManualOrderError::UnknownIccid(_) => ProblemKind::NotFound,
        ManualOrderError::MatchingIdInUse(_) => ProblemKind::InUse,
        ManualOrderError::NoneLeft(_) => ProblemKind::Exhausted,
        ManualOrderError::UnknownType(_)
        | ManualOrderError::SeveralOwners { .. }
        | ManualOrderError::EidMissing => ProblemKind::InvalidParameter,
        ManualOrderError::AttemptsBeforeRelease
        | ManualOrderError::State { .. }
        | ManualOrderError::NotDelivered { .. }
        | ManualOrderError::Race => ProblemKind::NotPossible,
        ManualOrderError::Store(cause) => return Problem::internal(&cause),
    };
    Problem::new(kind).detail(detail)
}

/// Release an order that is Confirmed, as ES2+.ReleaseProfile does.
#[utoipa::path(
    post, path = "/v1/orders/{iccid}/release", operation_id = "release_order", tag = "orders", request_body = ReleasedOrder,
    params(
        ("iccid" = String, Path, description = "18 to 20 digits, as the stock has it"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "The order, Released", body = OrderView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn release(
    caller: Caller<Provision>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = iccid(&named).and_then(|iccid| Ok((iccid, parse::<ReleasedOrder>(&body)?)));
    let (iccid, ReleasedOrder {}) = match read {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let (services, person) = (caller.services().clone(), caller.person());
    let call = async move {
        let (hand, order) = found(&services, &iccid, person).await?;
        let needed = services.needed.get(&order.profile_type).copied().unwrap_or_default();
        changed(manual_order::release(&services.smdp.store, &hand, order, needed).await)
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// Take an order back, as ES2+.CancelOrder does: what it held is erased. A profile whose package was handed over can only leave
/// the stock.
#[utoipa::path(
    post, path = "/v1/orders/{iccid}/cancel", operation_id = "cancel_order", tag = "orders", request_body = CancelledOrder,
    params(
        ("iccid" = String, Path, description = "18 to 20 digits, as the stock has it"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "The profile, without an order", body = OrderView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn cancel(
    caller: Caller<Provision>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = iccid(&named).and_then(|iccid| Ok((iccid, parse::<CancelledOrder>(&body)?)));
    let (iccid, CancelledOrder { final_status }) = match read {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let status = match final_status {
        FinalProfileStatus::Available => FinalStatus::Available,
        FinalProfileStatus::Unavailable => FinalStatus::Unavailable,
    };
    let (services, person) = (caller.services().clone(), caller.person());
    let call = async move {
        let (hand, order) = found(&services, &iccid, person).await?;
        changed(manual_order::cancel(&services.smdp.store, &hand, order, status).await)
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// Put an order back that is in Error, out of attempts or expired: Released again, or Downloaded where its package was handed
/// over, with no attempt counted.
#[utoipa::path(
    post, path = "/v1/orders/{iccid}/reset", operation_id = "reset_order", tag = "orders", request_body = ResetOrder,
    params(
        ("iccid" = String, Path, description = "18 to 20 digits, as the stock has it"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "The order as it is now", body = OrderView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn reset(
    caller: Caller<Provision>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = iccid(&named).and_then(|iccid| Ok((iccid, parse::<ResetOrder>(&body)?)));
    let (iccid, ResetOrder { valid_s }) = match read {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    if valid_s.is_some_and(|valid_s| !(1..=VALID_S_MAX).contains(&valid_s)) {
        return invalid(format!("valid_s: expected 1 to {VALID_S_MAX}")).into_response();
    }
    let (services, person) = (caller.services().clone(), caller.person());
    let call = async move {
        let (hand, order) = found(&services, &iccid, person).await?;
        let expires_at = match valid_s {
            Some(valid_s) => Some(hand.at.plus(Duration::from_secs(valid_s))),
            None => order.expires_at(),
        };
        if expires_at.is_some_and(|at| at <= hand.at) {
            return Err(invalid(
                "valid_s: the order has expired, so it must say for how many seconds it lasts now",
            ));
        }
        changed(manual_order::reset(&services.smdp.store, &hand, &order, expires_at).await)
    };
    once(&caller, &uri, &headers, &body, call).await
}
