//! `/v1/eim-keys` and `/v1/euiccs/EID/eim-key`: the keys that sign eUICC packages, and eUICCs that are told of the next one.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Caller, Look, Operate};
use super::operations::{eid, eim, not_created};
use super::page::invalid;
use super::{ProblemDocument, json, parse};
use crate::eim::keys::{KeyCount, RotateError, Rotated, known_keys, rotate};
use crate::http::problem::{Problem, ProblemKind};

/// The keys, and how many eUICCs know which.
#[derive(Serialize, ToSchema)]
struct EimKeyList {
    items: Vec<EimKeyView>,
}

/// A key that signs eUICC packages.
#[derive(Serialize, ToSchema)]
#[schema(as = EimKey)]
struct EimKeyView {
    /// SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits.
    key_sha256: String,
    /// How many eUICCs know it.
    euiccs: i64,
    /// `first`: eUICCs are given it; `further`; or `missing`: the settings do not have it, and eUICCs that know it take nothing.
    place: &'static str,
}

/// The key that an eUICC is to know.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedEimKey {
    /// SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits; the settings have it.
    key_sha256: String,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
struct ToldEimKey {
    eid: String,
    /// `asked`: an operation tells the eUICC of the key; `under_way`: one tells it of a key already; `known`: it knows it.
    outcome: &'static str,
    /// The operation; null if it knows the key.
    operation_id: Option<String>,
}

/// The keys of the settings, the first one first, those that eUICCs know beside them, and how many eUICCs know each.
#[utoipa::path(
    get, path = "/v1/eim-keys", operation_id = "list_eim_keys", tag = "operations",
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "All of them", body = EimKeyList),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>) -> Result<Response, Problem> {
    let eim = eim(caller.services())?;
    let counts = eim.store.count_signing_keys().await.map_err(|error| Problem::internal(&error))?;
    let view =
        |KeyCount { digest, euiccs, place }| EimKeyView { key_sha256: digest, euiccs, place: place.name() };
    let items = known_keys(&eim.keys, &counts).into_iter().map(view).collect();
    Ok(json(StatusCode::OK, &EimKeyList { items }))
}

/// Tell an eUICC of another key, under the one that it knows; once more changes nothing.
#[utoipa::path(
    put, path = "/v1/euiccs/{eid}/eim-key", operation_id = "set_eim_key", tag = "operations",
    params(("eid" = String, Path, description = "32 digits")), request_body = WantedEimKey,
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "The eUICC knows it", body = ToldEimKey),
        (status = 202, description = "It is told when it polls: the operation is at Location", body = ToldEimKey),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn set(
    caller: Caller<Operate>,
    Path(named): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let eim = eim(caller.services())?;
    let (eid, WantedEimKey { key_sha256 }) = (eid(&named)?, parse(&body)?);
    let wanted = digest(&key_sha256)?;
    let rotated = rotate(eim, &eid, &wanted, &caller.changer().actor).await.map_err(refused)?;
    let (outcome, operation) = match rotated {
        Rotated::Asked(id) => ("asked", Some(id)),
        Rotated::UnderWay(id) => ("under_way", Some(id)),
        Rotated::Known => ("known", None),
    };
    let operation_id = operation.as_ref().map(ToString::to_string);
    let status = if operation.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let location = operation_id.as_ref().map(|id| format!("/v1/operations/{id}"));
    let mut response = json(status, &ToldEimKey { eid: eid.to_string(), outcome, operation_id });
    if let Some(Ok(location)) = location.map(HeaderValue::try_from) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// A digest as the store has it.
fn digest(text: &str) -> Result<String, Problem> {
    let mut octets = [0; 32];
    hex::decode_to_slice(text, &mut octets)
        .map_err(|_| invalid("key_sha256: expected 64 hexadecimal digits, as GET /v1/eim-keys tells them"))?;
    Ok(hex::encode(octets))
}

fn refused(error: RotateError) -> Problem {
    match error {
        RotateError::UnknownKey => Problem::new(ProblemKind::NotPossible).detail(error.to_string()),
        RotateError::Operation(cause) => not_created(cause),
        RotateError::Form(_) | RotateError::Store(_) => Problem::internal(&error),
    }
}
