//! `/v1/orders`: the orders for profiles, and what happened to them.

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look};
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json};
use crate::domain::{LastFailure, Operator, Order, ProfileType, State, StateName};
use crate::env::Timestamp;
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::{EidPrefix, Iccid, MatchingId};
use crate::smdp::OrderSelection;
use crate::smdp::order_history::{Event, reason_words};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrderParameters {
    /// Those in this state; without, all but Available ones, which nobody ordered.
    state: Option<String>,
    /// Those of this profile type.
    profile_type: Option<String>,
    /// Those of this operator.
    owner: Option<String>,
    /// Those of eUICCs whose EID begins so.
    eid: Option<String>,
    /// The one with this matching identifier.
    matching_id: Option<String>,
    /// Those behind this ICCID.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// A profile and the order for it.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderView {
    iccid: String,
    imsi: Option<String>,
    owner: String,
    profile_type: String,
    /// Which order for this profile it is, from 1; 0 before the first.
    number: i64,
    /// As SGP.22 3.1.6 names it.
    state: String,
    eid: Option<String>,
    matching_id: Option<String>,
    confirmation_code_required: bool,
    requester: Option<String>,
    call_identifier: Option<String>,
    #[schema(format = DateTime)]
    stocked_at: String,
    #[schema(format = DateTime)]
    ordered_at: Option<String>,
    #[schema(format = DateTime)]
    confirmed_at: Option<String>,
    #[schema(format = DateTime)]
    released_at: Option<String>,
    #[schema(format = DateTime)]
    downloaded_at: Option<String>,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    download_attempts: u32,
    confirmation_attempts: u32,
    /// Why it is in Error, for people.
    error: Option<String>,
    /// What the eUICC said last of an installed profile.
    run_time_state: Option<String>,
    last_failure: Option<FailureView>,
}

/// What went wrong with an order last.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
struct FailureView {
    /// The function of ES9+.
    function: String,
    /// The pair of codes that was answered; null where the eUICC or the LPA told it.
    status: Option<String>,
    detail: String,
    #[schema(format = DateTime)]
    at: String,
}

/// Something that happened to a profile.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView {
    #[schema(format = DateTime)]
    pub(super) at: String,
    pub(super) event: String,
    pub(super) detail: String,
    /// Who did it by hand.
    pub(super) person: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
}

/// What happened to a profile, as it happened.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    pub(super) iccid: String,
    pub(super) state: String,
    pub(super) events: Vec<EventView>,
}

/// A page of orders.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct OrderPage {
    items: Vec<OrderView>,
    /// The ICCID that the next page begins behind; null on the last one.
    next: Option<String>,
}

pub(super) fn view(order: &Order, failure: Option<&LastFailure>) -> OrderView {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let reservation = order.reservation();
    let attempts = order.attempts();
    let run_time_state = match &order.state {
        State::Installed(installation) => installation.run_time.map(|state| format!("{state:?}")),
        _ => None,
    };
    OrderView {
        iccid: order.iccid.to_string(),
        imsi: order.imsi.as_ref().map(ToString::to_string),
        owner: order.owner.to_string(),
        profile_type: order.profile_type.to_string(),
        number: order.number,
        state: order.state_name().to_string(),
        eid: order.eid().map(ToString::to_string),
        matching_id: order.matching_id().map(ToString::to_string),
        confirmation_code_required: order.code_hash().is_some(),
        requester: reservation.map(|reservation| reservation.call.requester.clone()),
        call_identifier: reservation.map(|reservation| reservation.call.call_identifier.clone()),
        stocked_at: order.created_at.to_string(),
        ordered_at: time(reservation.map(|reservation| reservation.at)),
        confirmed_at: time(order.confirmation().map(|confirmation| confirmation.at)),
        released_at: time(order.released().map(|release| release.at)),
        downloaded_at: time(order.bound().map(|bound| bound.at)),
        ended_at: time(order.ended_at()),
        expires_at: time(order.expires_at()),
        download_attempts: attempts.download,
        confirmation_attempts: attempts.confirmation,
        error: order.failure().map(|failure| reason_words(failure.reason)),
        run_time_state,
        last_failure: failure.map(|failure| FailureView {
            function: failure.function.clone(),
            status: failure.status.clone(),
            detail: failure.detail.clone(),
            at: failure.at.to_string(),
        }),
    }
}

pub(super) fn event(event: &Event) -> EventView {
    let hand = event.hand.as_ref();
    EventView {
        at: event.at.to_string(),
        event: event.what.clone(),
        detail: event.detail.clone(),
        person: hand.map(|hand| hand.person.clone()),
        from: hand.map(|hand| hand.from.to_string()),
        to: hand.map(|hand| hand.to.to_string()),
    }
}

fn selection(parameters: &OrderParameters) -> Result<OrderSelection, Problem> {
    let state = |text: &String| {
        let state = StateName::ALL.into_iter().find(|state| state.to_string() == *text);
        state.ok_or_else(|| {
            let states: Vec<String> = StateName::ALL.iter().map(ToString::to_string).collect();
            invalid(format!("state: expected one of {}", states.join(", ")))
        })
    };
    let named = |name: &'static str, expected: &'static str| move || invalid(format!("{name}: {expected}"));
    let text = "expected 1 to 128 octets of text";
    Ok(OrderSelection {
        state: parameters.state.as_ref().map(state).transpose()?,
        profile_type: parameters
            .profile_type
            .as_ref()
            .map(|name| ProfileType::parse(name).ok_or_else(named("profile_type", text)))
            .transpose()?,
        owner: parameters
            .owner
            .as_ref()
            .map(|name| Operator::parse(name).ok_or_else(named("owner", text)))
            .transpose()?,
        eid: parameters
            .eid
            .as_ref()
            .map(|digits| EidPrefix::parse(digits).map_err(|error| invalid(format!("eid: {error}"))))
            .transpose()?,
        matching_id: parameters
            .matching_id
            .as_ref()
            .map(|id| MatchingId::parse(id).map_err(|error| invalid(format!("matching_id: {error}"))))
            .transpose()?,
    })
}

/// Reads an ICCID.
pub(super) fn iccid(text: &str) -> Result<Iccid, Problem> {
    Iccid::parse(text).map_err(|error| invalid(format!("iccid: {error}")))
}

/// Orders by ICCID.
#[utoipa::path(
    get, path = "/v1/orders", operation_id = "list_orders", tag = "orders", params(OrderParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = OrderPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let parameters: OrderParameters = query(&uri)?;
    let limit = limit(parameters.limit)?;
    let after = parameters.after.as_deref().map(iccid).transpose()?;
    let selection = selection(&parameters)?;
    let smdp = &caller.services().smdp;
    let found = smdp.selected_orders(&selection, after.as_ref(), limit.saturating_add(1)).await;
    let (orders, failures) = found.map_err(|error| Problem::internal(&error))?;
    let failure = |order: &Order| {
        failures.iter().find(|failure| (&failure.iccid, failure.number) == (&order.iccid, order.number))
    };
    Ok(page(&uri, limit, orders, |order| order.iccid.to_string(), |order| view(order, failure(order))))
}

/// An order.
#[utoipa::path(
    get, path = "/v1/orders/{iccid}", operation_id = "show_order", tag = "orders",
    params(("iccid" = String, Path, description = "18 to 20 digits, as the stock has it")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The order", body = OrderView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let found = caller.services().smdp.order(&iccid(&named)?).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let (order, failure) = found.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(json(StatusCode::OK, &view(&order, failure.as_ref())))
}

/// What happened to a profile.
#[utoipa::path(
    get, path = "/v1/orders/{iccid}/history", operation_id = "order_history", tag = "orders",
    params(("iccid" = String, Path, description = "18 to 20 digits, as the stock has it")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "Its history", body = History),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn history(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let smdp = &caller.services().smdp;
    let found = smdp.order(&iccid(&named)?).await.map_err(|error| Problem::internal(&error))?;
    let (order, _) = found.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let events = smdp.history_of(&order).await.map_err(|error| Problem::internal(&error))?;
    let history = History {
        iccid: order.iccid.to_string(),
        state: order.state_name().to_string(),
        events: events.iter().map(event).collect(),
    };
    Ok(json(StatusCode::OK, &history))
}
