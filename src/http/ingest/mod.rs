//! The ingestion API: SIM manufacturers deliver, and see what became of their deliveries. Mutual TLS; the certificate says which
//! manufacturer calls, and it sees its own deliveries alone.
//!
//! | request | what |
//! |---|---|
//! | `PUT /v1/deliveries/ID?profile_type=T` | takes the body as the delivery that the manufacturer calls ID; `partial=true`, `dry_run=true`, `format`, `columns`, `pass_over`, `transport_key`, `ota_transport_key` as `simyard ingest` has them |
//! | `GET /v1/deliveries/ID` | its receipt |
//! | `GET /v1/deliveries/ID/refusals.csv` | what was refused of it |
//! | `GET /v1/deliveries?after=ID&limit=N` | receipts without refusals, in the order of time |
//!
//! A body is read while it comes and never held whole. Whatever is refused, is refused whole with a problem document,
//! which has the receipt.

mod body;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::caller::{KnowsManufacturers, ManufacturerCaller, Manufacturers};
use super::problem::{Problem, ProblemKind};
use crate::domain::{Actor, DeliveryId, KeyPartner, ProfileType};
use crate::inventory::formats::{AnyForm, Format, Options};
use crate::inventory::{BATCHES_MAX, Delivery, IngestError, Intent, Inventory, Receipt};

/// When a caller that found no place may ask again, in seconds.
const BUSY_RETRY_S: u32 = 10;
/// When a caller whose delivery is coming in already may ask again, in seconds.
const COMES_IN_RETRY_S: u32 = 30;
/// Receipts of one page where nobody says how many.
const PAGE: u32 = 100;

/// What a profile type says of deliveries.
pub trait DeliveryTypes: Send + Sync {
    /// A delivery of profiles of this type, by nobody in particular; `None` if there is no such type.
    fn delivery(&self, profile_type: &ProfileType) -> Option<Delivery>;
}

/// What the API serves.
#[derive(Clone)]
pub struct Ingest {
    /// Where deliveries go.
    pub inventory: Inventory,
    /// The profile types.
    pub types: Arc<dyn DeliveryTypes>,
    /// Who may deliver.
    pub manufacturers: Arc<dyn Manufacturers>,
    /// A place for each delivery at a time.
    pub places: Arc<Semaphore>,
}

impl KnowsManufacturers for Ingest {
    fn manufacturers(&self) -> &Arc<dyn Manufacturers> {
        &self.manufacturers
    }
}

/// The API at its paths.
pub fn router(ingest: Ingest) -> Router {
    Router::new()
        .route("/v1/deliveries", get(list))
        .route("/v1/deliveries/{delivery_id}", get(show).put(take))
        .route("/v1/deliveries/{delivery_id}/refusals.csv", get(refusals))
        .with_state(ingest)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeParameters {
    profile_type: Option<String>,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    dry_run: bool,
    /// The form; found out if absent.
    format: Option<String>,
    /// The columns of a file with a header line, and those that are not read, with commas between.
    columns: Option<String>,
    pass_over: Option<String>,
    /// The indexes of transport keys, where the file names none.
    transport_key: Option<u32>,
    ota_transport_key: Option<u32>,
}

async fn take(
    caller: ManufacturerCaller,
    State(ingest): State<Ingest>,
    delivery_id: Result<Path<String>, PathRejection>,
    parameters: Result<Query<TakeParameters>, QueryRejection>,
    body: Body,
) -> Result<Response, Problem> {
    let delivery_id = self::delivery_id(delivery_id)?;
    let Query(parameters) = parameters.map_err(|error| invalid(error.body_text()))?;
    let intent = match (parameters.dry_run, parameters.partial) {
        (true, false) => Intent::Try,
        (false, true) => Intent::TakeGood,
        (false, false) => Intent::TakeWhole,
        (true, true) => return Err(invalid("either partial or dry_run")),
    };
    let delivery = match delivery(&ingest, &caller, delivery_id.clone(), parameters.profile_type.as_deref()) {
        Ok(delivery) => delivery,
        Err(problem) => {
            if problem.kind() == ProblemKind::Forbidden {
                let actor = Actor::Manufacturer(caller.manufacturer().name.to_string());
                let why = "a profile type that is not this manufacturer's to deliver";
                ingest.inventory.tell_refused(&actor, caller.peer(), delivery_id.as_str(), why).await;
            }
            return Err(problem);
        }
    };
    let Ok(place) = Arc::clone(&ingest.places).try_acquire_owned() else {
        let problem = Problem::new(ProblemKind::Busy).retry_after_s(BUSY_RETRY_S);
        return Err(problem.detail("other deliveries are being taken in: ask again"));
    };
    let source = source(&ingest, &delivery, parameters).await?;
    let (reader, feeder) = body::reader(body);
    // A task of its own: if the caller goes away, the delivery ends in order.
    let taken = tokio::spawn(async move {
        let taken = ingest.inventory.ingest(reader, Box::new(source), &delivery, intent, |_| {}).await;
        drop(place);
        taken
    });
    let stalled = feeder.feed().await;
    match taken.await {
        Ok(Ok(receipt)) => {
            let status =
                if receipt.repeated || receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
            Ok(answer(status, &receipt_json(&receipt)))
        }
        Ok(Err(error)) => Err(problem(error, stalled)),
        Err(error) => Err(Problem::internal(&error)),
    }
}

async fn show(
    caller: ManufacturerCaller,
    State(ingest): State<Ingest>,
    delivery_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let receipt = receipt(&ingest, &caller, delivery_id).await?;
    Ok(answer(StatusCode::OK, &receipt_json(&receipt)))
}

async fn refusals(
    caller: ManufacturerCaller,
    State(ingest): State<Ingest>,
    delivery_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let receipt = receipt(&ingest, &caller, delivery_id).await?;
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], receipt.refusals_csv()).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    #[serde(default)]
    after: String,
    limit: Option<u32>,
}

async fn list(
    caller: ManufacturerCaller,
    State(ingest): State<Ingest>,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(ListParameters { after, limit }) = parameters.map_err(|error| invalid(error.body_text()))?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=BATCHES_MAX).contains(&limit) {
        return Err(invalid(format!("limit must be 1 to {BATCHES_MAX}")));
    }
    if after.len() > 32 || !after.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        return Err(invalid("after must be the batch_id of a receipt"));
    }
    let manufacturer = &caller.manufacturer().name;
    let receipts = ingest.inventory.receipts(manufacturer, &after, limit).await;
    let receipts = receipts.map_err(|error| Problem::internal(&error))?;
    let full = u32::try_from(receipts.len()).is_ok_and(|count| count == limit);
    let last = receipts.last().and_then(|receipt| receipt.batch_id.clone()).filter(|_| full);
    let mut response = answer(
        StatusCode::OK,
        &json!({ "deliveries": receipts.iter().map(receipt_json).collect::<Vec<_>>() }),
    );
    if let Some(last) = last {
        let link = format!("</v1/deliveries?after={last}&limit={limit}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidParameter).detail(detail)
}

fn delivery_id(path: Result<Path<String>, PathRejection>) -> Result<DeliveryId, Problem> {
    let Path(text) = path.map_err(|error| invalid(error.body_text()))?;
    DeliveryId::parse(&text)
        .ok_or_else(|| invalid("the name of a delivery has 1 to 128 octets and no control characters"))
}

/// What is delivered, if this caller may deliver it.
fn delivery(
    ingest: &Ingest,
    caller: &ManufacturerCaller,
    delivery_id: DeliveryId,
    profile_type: Option<&str>,
) -> Result<Delivery, Problem> {
    let manufacturer = caller.manufacturer();
    let named = match (profile_type, manufacturer.profile_types.as_slice()) {
        (Some(name), allowed) => allowed.iter().find(|allowed| allowed.as_str() == name),
        (None, [only]) => Some(only),
        (None, _) => return Err(invalid("profile_type is missing")),
    };
    let delivery = named.and_then(|name| ingest.types.delivery(name)).ok_or_else(|| {
        let allowed: Vec<&str> = manufacturer.profile_types.iter().map(ProfileType::as_str).collect();
        Problem::new(ProblemKind::Forbidden)
            .detail("this profile type is not yours to deliver")
            .member("profile_types", json!(allowed))
    })?;
    Ok(Delivery {
        manufacturer: manufacturer.name.clone(),
        actor: Actor::Manufacturer(manufacturer.name.to_string()),
        peer: caller.peer(),
        delivery_id: Some(delivery_id),
        ..delivery
    })
}

/// How the body is read.
async fn source(
    ingest: &Ingest,
    delivery: &Delivery,
    parameters: TakeParameters,
) -> Result<AnyForm, Problem> {
    let format = match parameters.format.as_deref() {
        None => None,
        Some(name) => Some(Format::parse(name).ok_or_else(|| invalid("no such format"))?),
    };
    let partner = KeyPartner::Manufacturer(delivery.manufacturer.clone());
    let keys = ingest.inventory.key_ring(&partner).await.map_err(|error| Problem::internal(&error))?;
    let names = |list: Option<String>| -> Vec<String> {
        list.map(|list| list.split(',').map(|name| name.trim().to_owned()).collect()).unwrap_or_default()
    };
    let options = Options {
        format,
        columns: names(parameters.columns),
        passed_over: names(parameters.pass_over),
        keys: Arc::new(keys),
        subscription_key: parameters.transport_key,
        ota_key: parameters.ota_transport_key,
        ..ingest.inventory.options(delivery)
    };
    Ok(AnyForm { options, accompanying: None })
}

async fn receipt(
    ingest: &Ingest,
    caller: &ManufacturerCaller,
    delivery_id: Result<Path<String>, PathRejection>,
) -> Result<Receipt, Problem> {
    let delivery_id = self::delivery_id(delivery_id)?;
    let receipt = ingest.inventory.receipt(&caller.manufacturer().name, &delivery_id).await;
    receipt.map_err(|error| Problem::internal(&error))?.ok_or_else(|| Problem::new(ProblemKind::NotFound))
}

fn answer(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// A receipt has nothing that JSON could not say.
fn receipt_json(receipt: &Receipt) -> Value {
    serde_json::to_value(receipt).unwrap_or_default()
}

fn problem(error: IngestError, stalled: bool) -> Problem {
    let detail = error.to_string();
    match error {
        _ if stalled => Problem::new(ProblemKind::BodyStalled).detail("the body did not come to its end"),
        IngestError::Prepare(_) | IngestError::OtherDelivery { .. } => {
            Problem::new(ProblemKind::InvalidDelivery).detail(detail)
        }
        IngestError::Refused(receipt) => {
            Problem::new(ProblemKind::RowsRefused).detail(detail).member("receipt", receipt_json(&receipt))
        }
        IngestError::OtherFile(_) => Problem::new(ProblemKind::DeliveryDiffers).detail(detail),
        IngestError::ComingIn(_) => {
            Problem::new(ProblemKind::DeliveryComesIn).detail(detail).retry_after_s(COMES_IN_RETRY_S)
        }
        IngestError::Thread | IngestError::Store(_) => Problem::internal(&detail),
    }
}
