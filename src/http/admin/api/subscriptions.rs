//! `/v1/subscriptions`: what is in the stock, found by any number, and where it has been.

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look};
use super::orders::{EventView, History, event, iccid};
use super::page::{invalid, query};
use super::{ProblemDocument, json};
use crate::domain::{AllocationId, Shelf};
use crate::http::problem::{Problem, ProblemKind};
use crate::inventory::history;
use crate::inventory::stock::{self, Found, StockItem};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchParameters {
    /// An ICCID, IMSI, MSISDN, EID or matching identifier, in any notation.
    number: String,
}

/// A subscription in the stock; nothing of it is secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
struct SubscriptionView {
    iccid: String,
    /// Of its home subscription.
    imsi: Option<String>,
    /// Of its home subscription.
    msisdn: Option<String>,
    owner: String,
    profile_type: String,
    /// The kind of SIM.
    sub_class: Option<String>,
    batch_id: String,
    #[schema(format = DateTime)]
    stocked_at: String,
    /// The state of its order, as SGP.22 3.1.6 names it.
    state: String,
    /// `available`, `reserved`, `quarantined`, `ordered`, `downloaded`, `installed`, `failed` or `retired`.
    standing: &'static str,
    eid: Option<String>,
    matching_id: Option<String>,
    /// The systems that have what belongs to it: `auc`, `ota`, `crm`.
    delivered: Vec<&'static str>,
}

/// A subscription that was found, and by what.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundSubscription)]
struct FoundView {
    /// `iccid`, `imsi`, `msisdn`, `eid` or `matching_id`.
    by: &'static str,
    /// The number as it stands in the stock.
    number: String,
    #[serde(flatten)]
    subscription: SubscriptionView,
}

/// What a number can mean.
#[derive(Serialize, ToSchema)]
struct FoundSubscriptions {
    /// Of each reading of the number a hundred at most.
    items: Vec<FoundView>,
}

/// A subscription, and who has it set aside.
#[derive(Serialize, ToSchema)]
#[schema(as = ShelvedSubscription)]
struct ShelvedView {
    #[serde(flatten)]
    subscription: SubscriptionView,
    /// Until when it is reserved or in quarantine.
    #[schema(format = DateTime)]
    held_until: Option<String>,
    /// The allocation that took it last.
    allocation_id: Option<String>,
}

fn view(item: &StockItem) -> SubscriptionView {
    SubscriptionView {
        iccid: item.iccid.to_string(),
        imsi: item.imsi.as_ref().map(ToString::to_string),
        msisdn: item.msisdn.clone(),
        owner: item.owner.clone(),
        profile_type: item.profile_type.clone(),
        sub_class: item.sub_class.clone(),
        batch_id: item.batch_id.clone(),
        stocked_at: item.created_at.to_string(),
        state: item.state.to_string(),
        standing: item.standing.name(),
        eid: item.eid.clone(),
        matching_id: item.matching_id.clone(),
        delivered: item.delivered.iter().map(|system| system.name()).collect(),
    }
}

fn found(found: &Found) -> FoundView {
    FoundView { by: found.by, number: found.number.clone(), subscription: view(&found.item) }
}

fn of_stock(event: &history::Event) -> EventView {
    EventView {
        at: event.at.to_string(),
        event: event.what.clone(),
        detail: event.detail.clone(),
        person: event.person.clone(),
        from: event.from.clone(),
        to: event.to.clone(),
    }
}

/// Subscriptions that a number can mean: none, one, or several where it stands for several.
#[utoipa::path(
    get, path = "/v1/subscriptions", operation_id = "find_subscriptions", tag = "subscriptions",
    params(SearchParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "What was found, not by pages", body = FoundSubscriptions),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn search(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let SearchParameters { number } = query(&uri)?;
    if stock::readings(&number).is_empty() {
        return Err(invalid("number: it can be no ICCID, IMSI, MSISDN, EID or matching identifier"));
    }
    let items = stock::search(&caller.services().inventory.store, &number).await;
    let items = items.map_err(|error| Problem::internal(&error))?;
    Ok(json(StatusCode::OK, &FoundSubscriptions { items: items.iter().map(found).collect() }))
}

/// A subscription.
#[utoipa::path(
    get, path = "/v1/subscriptions/{iccid}", operation_id = "show_subscription", tag = "subscriptions",
    params(("iccid" = String, Path, description = "18 to 20 digits, as the stock has it")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The subscription", body = ShelvedView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let one = stock::one(&caller.services().inventory.store, &iccid(&named)?).await;
    let one = one.map_err(|error| Problem::internal(&error))?;
    let (item, shelved) = one.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let held_until = match shelved.shelf {
        Shelf::Reserved { until } => until,
        Shelf::Quarantined { until } => Some(until),
        Shelf::Stock | Shelf::Retired => None,
    };
    let shelved = ShelvedView {
        subscription: view(&item),
        held_until: held_until.map(|until| until.to_string()),
        allocation_id: shelved.allocation_id.as_ref().map(AllocationId::to_string),
    };
    Ok(json(StatusCode::OK, &shelved))
}

/// Where a subscription has been: its batch, orders and changes by hand, callbacks, files for other systems.
#[utoipa::path(
    get, path = "/v1/subscriptions/{iccid}/history", operation_id = "subscription_history", tag = "subscriptions",
    params(("iccid" = String, Path, description = "18 to 20 digits, as the stock has it")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "Its history", body = History),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn history(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let (iccid, services) = (iccid(&named)?, caller.services());
    let told = history::of_profile(&services.inventory.store, &iccid).await;
    let order = services.smdp.order(&iccid).await.map_err(|error| Problem::internal(&error))?;
    let (Some(stock), Some((order, _))) = (told.map_err(|error| Problem::internal(&error))?, order) else {
        return Err(Problem::new(ProblemKind::NotFound));
    };
    let of_order = services.smdp.history_of(&order).await.map_err(|error| Problem::internal(&error))?;
    // How it came the batch tells.
    let of_order = of_order.iter().filter(|event| event.what != "stocked");
    let mut events: Vec<_> = stock.iter().map(|event| (event.at, of_stock(event))).collect();
    events.extend(of_order.map(|one| (one.at, event(one))));
    events.sort_by_key(|(at, _)| *at);
    let history = History {
        iccid: order.iccid.to_string(),
        state: order.state_name().to_string(),
        events: events.into_iter().map(|(_, event)| event).collect(),
    };
    Ok(json(StatusCode::OK, &history))
}
