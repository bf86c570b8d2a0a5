//! `/v1/subscriptions/ICCID/release`, `/retire` and `/lost`: a subscription comes back, or is nobody's for ever.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::allocations::{of_stock, rules};
use super::caller::{Caller, Provision, Services};
use super::once::once;
use super::orders::iccid;
use super::{ProblemDocument, parse};
use crate::domain::Person;
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::Iccid;
use crate::inventory::allocation::{AllocationError, Outcome, TypeRules};

/// Nothing is to be said of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubscriptionChange {}

/// What became of a subscription.
#[derive(Serialize, ToSchema)]
struct ChangedSubscription {
    iccid: String,
    /// `quarantined` or `retired`.
    standing: &'static str,
    /// When it is in stock again; null for one that never is.
    #[schema(format = DateTime)]
    in_stock_at: Option<String>,
}

/// What is done.
#[derive(Clone, Copy)]
enum Wish {
    Release,
    Retire,
    Lost,
}

/// What the settings say of the type of a profile.
async fn rules_of<'a>(services: &'a Services, iccid: &Iccid) -> Result<&'a TypeRules, Problem> {
    let order = services.smdp.store.order(iccid).await.map_err(|error| Problem::internal(&error))?;
    let order = order.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    rules(services, order.profile_type.as_str())
}

async fn change(services: &Services, iccid: &Iccid, wish: Wish, person: &Person) -> Result<Outcome, Problem> {
    let allocator = &services.allocator;
    let changed = match wish {
        Wish::Release => allocator.release(iccid, rules_of(services, iccid).await?, person).await,
        Wish::Lost => allocator.declare_lost(iccid, rules_of(services, iccid).await?, person).await,
        Wish::Retire => allocator.retire(iccid, person).await,
    };
    changed.map_err(|error| match error {
        AllocationError::Unknown(_) => Problem::new(ProblemKind::NotFound),
        error => of_stock(error),
    })
}

async fn answer(
    caller: Caller<Provision>,
    named: &str,
    wish: Wish,
    (uri, headers, body): (Uri, HeaderMap, Bytes),
) -> Response {
    let iccid = match iccid(named).and_then(|iccid| Ok((iccid, parse::<SubscriptionChange>(&body)?))) {
        Ok((iccid, SubscriptionChange {})) => iccid,
        Err(problem) => return problem.into_response(),
    };
    let (services, person) = (caller.services().clone(), caller.person());
    let call = async move {
        let (standing, in_stock_at) = match change(&services, &iccid, wish, &person).await? {
            Outcome::Quarantined { until } => ("quarantined", Some(until.to_string())),
            Outcome::Retired => ("retired", None),
        };
        let changed = ChangedSubscription { iccid: iccid.to_string(), standing, in_stock_at };
        Ok((StatusCode::OK, serde_json::to_value(changed).unwrap_or_default()))
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// Give a subscription back that was set aside, or that was on an eUICC and is deleted there: into quarantine where its type
/// is reusable, retired otherwise.
#[utoipa::path(
    post, path = "/v1/subscriptions/{iccid}/release", operation_id = "release_subscription", tag = "subscriptions",
    request_body = SubscriptionChange,
    params(
        ("iccid" = String, Path, description = "18 to 20 digits, as the stock has it"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "What became of it", body = ChangedSubscription),
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
    answer(caller, &named, Wish::Release, (uri, headers, body)).await
}

/// Retire a subscription: its keys are wiped, its numbers are never given again.
#[utoipa::path(
    post, path = "/v1/subscriptions/{iccid}/retire", operation_id = "retire_subscription", tag = "subscriptions",
    request_body = SubscriptionChange,
    params(
        ("iccid" = String, Path, description = "18 to 20 digits, as the stock has it"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "What became of it", body = ChangedSubscription),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn retire(
    caller: Caller<Provision>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(caller, &named, Wish::Retire, (uri, headers, body)).await
}

/// Declare the eUICC of a subscription lost: the subscription comes back where its type is reusable, and is retired otherwise.
#[utoipa::path(
    post, path = "/v1/subscriptions/{iccid}/lost", operation_id = "declare_euicc_lost", tag = "subscriptions",
    request_body = SubscriptionChange,
    params(
        ("iccid" = String, Path, description = "18 to 20 digits, as the stock has it"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["provision"]), ("certificate" = ["provision"])),
    responses(
        (status = 200, description = "What became of it", body = ChangedSubscription),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn lost(
    caller: Caller<Provision>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(caller, &named, Wish::Lost, (uri, headers, body)).await
}
