//! What every caller may ask: who it is, and what the API is.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{Caller, Look};
use super::{ProblemDocument, json};

/// The caller.
#[derive(Serialize, ToSchema)]
struct OwnIdentity {
    /// Its name.
    name: String,
    /// `admin`, `provisioning` or `auditor`.
    right: String,
}

/// Who am I?
#[utoipa::path(
    get, path = "/v1/identity", operation_id = "own_identity", tag = "identities",
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "Name and right", body = OwnIdentity),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn identity(caller: Caller<Look>) -> Response {
    let identity = caller.identity();
    let own = OwnIdentity { name: identity.name.to_string(), right: identity.right.to_string() };
    json(StatusCode::OK, &own)
}

/// What is this API?
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi", tag = "identities",
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The OpenAPI document", body = Object),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn document(_: Caller<Look>) -> Response {
    json(StatusCode::OK, &super::openapi())
}
