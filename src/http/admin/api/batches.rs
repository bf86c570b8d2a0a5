//! `/v1/batches`: what manufacturers delivered.

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Look};
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json};
use crate::domain::Manufacturer;
use crate::http::problem::{Problem, ProblemKind};
use crate::inventory::Receipt;

/// The longest identifier of a batch.
const BATCH_ID_MAX: usize = 64;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BatchParameters {
    /// Those of this manufacturer.
    manufacturer: Option<String>,
    /// Those behind this batch.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// A batch in the stock: the receipt that its manufacturer got.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
struct BatchView {
    batch_id: String,
    /// What the manufacturer calls it.
    delivery_id: Option<String>,
    manufacturer: String,
    owner: String,
    profile_type: String,
    sub_class: Option<String>,
    /// Rows of the file.
    rows: u64,
    /// Rows that came into the stock.
    profiles: u64,
    refused: u64,
    first_iccid: Option<String>,
    last_iccid: Option<String>,
    /// Of the file, in hexadecimal digits.
    sha256: String,
    #[schema(format = DateTime)]
    received_at: String,
    /// What was refused, by line; empty in listings.
    refusals: Vec<RefusalView>,
    /// How many more there are.
    more_refusals: u64,
}

/// A refused row.
#[derive(Serialize, ToSchema)]
#[schema(as = Refusal)]
struct RefusalView {
    line: usize,
    field: Option<String>,
    /// Masked.
    value: Option<String>,
    reason: String,
}

/// A page of batches.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct BatchPage {
    items: Vec<BatchView>,
    /// The batch that the next page begins behind; null on the last one.
    next: Option<String>,
}

fn view(receipt: &Receipt) -> BatchView {
    let refusals = receipt.refusals.iter().map(|refusal| RefusalView {
        line: refusal.line,
        field: refusal.field.as_deref().map(str::to_owned),
        value: refusal.value.clone(),
        reason: refusal.reason.clone(),
    });
    BatchView {
        batch_id: receipt.batch_id.clone().unwrap_or_default(),
        delivery_id: receipt.delivery_id.clone(),
        manufacturer: receipt.manufacturer.clone(),
        owner: receipt.owner.clone(),
        profile_type: receipt.profile_type.clone(),
        sub_class: receipt.sub_class.clone(),
        rows: receipt.rows,
        profiles: receipt.profiles,
        refused: receipt.refused,
        first_iccid: receipt.first_iccid.as_ref().map(ToString::to_string),
        last_iccid: receipt.last_iccid.as_ref().map(ToString::to_string),
        sha256: receipt.sha256.clone(),
        received_at: receipt.received_at.clone(),
        refusals: refusals.collect(),
        more_refusals: receipt.more_refusals,
    }
}

fn batch_id(text: &str) -> Result<&str, Problem> {
    let fits = text.len() <= BATCH_ID_MAX && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
    if fits { Ok(text) } else { Err(invalid("expected the identifier of a batch")) }
}

/// Batches in the order of time.
#[utoipa::path(
    get, path = "/v1/batches", operation_id = "list_batches", tag = "batches", params(BatchParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = BatchPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    let BatchParameters { manufacturer, after, limit: asked } = query(&uri)?;
    let limit = limit(asked)?;
    let manufacturer = manufacturer
        .map(|name| Manufacturer::parse(&name).ok_or_else(|| invalid("manufacturer: expected a name")))
        .transpose()?;
    let after = after.unwrap_or_default();
    let inventory = &caller.services().inventory;
    let found = inventory.published(manufacturer.as_ref(), batch_id(&after)?, limit.saturating_add(1)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |receipt| receipt.batch_id.clone().unwrap_or_default(), view))
}

/// A batch, with what was refused of it.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}", operation_id = "show_batch", tag = "batches",
    params(("batch_id" = String, Path, description = "Its identifier")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The batch", body = BatchView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let found = caller.services().inventory.published_batch(batch_id(&named)?).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let receipt = found.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(json(StatusCode::OK, &view(&receipt)))
}
