//! `/v1/identities`: who may call, and with what right.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::caller::{Administer, Caller};
use super::once::once;
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json, parse};
use crate::admin::identities::{
    CredentialKind, CredentialRecord, IdentityError, IdentityRecord, NewCredential,
};
use crate::admin::token::Token;
use crate::domain::{Identity, IdentityName, Right};
use crate::http::problem::{Problem, ProblemKind};

/// The longest time for which an earlier credential is taken beside a new one.
const KEEP_OLD_S_MAX: u64 = 90 * 24 * 3600;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParameters {
    /// Those behind this name.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// An identity that is to be made: with `certificate_sha256` it is known by a client certificate, without by a token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewIdentity {
    /// 1 to 64 letters, digits, `.`, `_`, `-` and `@`.
    name: String,
    /// `admin`, `provisioning`, `auditor` or `fleet`.
    right: String,
    /// SHA-256 of the certificate, in hexadecimal digits.
    certificate_sha256: Option<String>,
}

/// What an identity is to be known by from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// SHA-256 of a certificate, in hexadecimal digits; without it, a token is drawn.
    certificate_sha256: Option<String>,
    /// For how long the earlier ones are taken beside it, in seconds: 90 days at most.
    #[serde(default)]
    keep_old_s: u64,
}

/// An identity with its token, which is not shown again.
#[derive(Serialize, ToSchema)]
struct MadeIdentity {
    name: String,
    /// Null for a certificate.
    token: Option<String>,
}

/// An identity.
#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
struct IdentityView {
    name: String,
    right: String,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: String,
    credentials: Vec<CredentialView>,
}

/// What an identity is known by.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
struct CredentialView {
    /// `token` or `certificate`.
    kind: &'static str,
    /// Of a certificate; of a token the first eight digits alone.
    sha256: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Where another one replaced it.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// To about a minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// A page of identities.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct IdentityPage {
    items: Vec<IdentityView>,
    /// The name that the next page begins behind; null on the last one.
    next: Option<String>,
}

fn credential(record: &CredentialRecord) -> CredentialView {
    let digits = hex::encode(record.credential.digest);
    let (kind, sha256) = match record.credential.kind {
        CredentialKind::Token => ("token", digits.chars().take(8).collect()),
        CredentialKind::Certificate => ("certificate", digits),
    };
    CredentialView {
        kind,
        sha256,
        created_at: record.created_at.to_string(),
        ends_at: record.ends_at.map(|at| at.to_string()),
        last_used_at: record.last_used_at.map(|at| at.to_string()),
    }
}

fn view(record: &IdentityRecord) -> IdentityView {
    IdentityView {
        name: record.identity.name.to_string(),
        right: record.identity.right.to_string(),
        created_at: record.created_at.to_string(),
        created_by: record.created_by.clone(),
        credentials: record.credentials.iter().map(credential).collect(),
    }
}

/// Identities by name.
#[utoipa::path(
    get, path = "/v1/identities", operation_id = "list_identities", tag = "identities", params(ListParameters),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 200, description = "A page", body = IdentityPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Administer>, uri: Uri) -> Result<Response, Problem> {
    let ListParameters { after, limit: asked } = query(&uri)?;
    let limit = limit(asked)?;
    let identities = &caller.services().administration.identities;
    let found = identities.list(&after.unwrap_or_default(), limit.saturating_add(1)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |record| record.identity.name.to_string(), view))
}

/// Make an identity.
#[utoipa::path(
    post, path = "/v1/identities", operation_id = "add_identity", tag = "identities", request_body = NewIdentity,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 201, description = "It is made", body = MadeIdentity),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn add(caller: Caller<Administer>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let new: NewIdentity = match parse(&body) {
        Ok(new) => new,
        Err(problem) => return problem.into_response(),
    };
    let (services, changer) = (caller.services().clone(), caller.changer());
    let call = async move {
        let name = name(&new.name)?;
        let right: Right = new.right.parse().map_err(|expected| invalid(format!("right: {expected}")))?;
        let credential = new_credential(new.certificate_sha256.as_deref())?;
        let identity = Identity { name: name.clone(), right };
        let token = services.administration.identities.add(&changer, &identity, credential).await;
        Ok((StatusCode::CREATED, made(&name, token.map_err(problem)?.as_ref())))
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// Give an identity another token or certificate.
#[utoipa::path(
    post, path = "/v1/identities/{name}/rotate", operation_id = "rotate_identity", tag = "identities",
    request_body = Rotation,
    params(
        ("name" = String, Path, description = "Its name"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 200, description = "It is rotated", body = MadeIdentity),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn rotate(
    caller: Caller<Administer>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let rotation: Rotation = match parse(&body) {
        Ok(rotation) => rotation,
        Err(problem) => return problem.into_response(),
    };
    let (services, changer) = (caller.services().clone(), caller.changer());
    let call = async move {
        let name = name(&named)?;
        if rotation.keep_old_s > KEEP_OLD_S_MAX {
            return Err(invalid(format!("keep_old_s: expected {KEEP_OLD_S_MAX} at most")));
        }
        let credential = new_credential(rotation.certificate_sha256.as_deref())?;
        let keep_old = Duration::from_secs(rotation.keep_old_s);
        let token = services.administration.identities.rotate(&changer, &name, credential, keep_old).await;
        Ok((StatusCode::OK, made(&name, token.map_err(problem)?.as_ref())))
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// An identity.
#[utoipa::path(
    get, path = "/v1/identities/{name}", operation_id = "show_identity", tag = "identities",
    params(("name" = String, Path, description = "Its name")),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 200, description = "The identity", body = IdentityView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Administer>, Path(named): Path<String>) -> Result<Response, Problem> {
    let record = caller.services().administration.identities.one(&name(&named)?).await.map_err(problem)?;
    Ok(json(StatusCode::OK, &view(&record)))
}

/// Remove an identity.
#[utoipa::path(
    delete, path = "/v1/identities/{name}", operation_id = "remove_identity", tag = "identities",
    params(("name" = String, Path, description = "Its name")),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 204, description = "It is removed"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn remove(
    caller: Caller<Administer>,
    Path(named): Path<String>,
) -> Result<StatusCode, Problem> {
    let identities = &caller.services().administration.identities;
    identities.remove(&caller.changer(), &name(&named)?).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

fn name(text: &str) -> Result<IdentityName, Problem> {
    let expected = "name: expected 1 to 64 letters, digits, '.', '_', '-' and '@', a letter or digit first";
    IdentityName::parse(text).ok_or_else(|| invalid(expected))
}

fn new_credential(certificate_sha256: Option<&str>) -> Result<NewCredential, Problem> {
    let Some(digits) = certificate_sha256 else { return Ok(NewCredential::Token) };
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest)
        .map_err(|_| invalid("certificate_sha256: expected 64 hexadecimal digits"))?;
    Ok(NewCredential::Certificate(digest))
}

fn made(name: &IdentityName, token: Option<&Token>) -> Value {
    let made = MadeIdentity { name: name.to_string(), token: token.map(|token| token.as_str().to_owned()) };
    serde_json::to_value(made).unwrap_or_default()
}

fn problem(error: IdentityError) -> Problem {
    let detail = error.to_string();
    match error {
        IdentityError::NameInUse(_) | IdentityError::CredentialInUse => {
            Problem::new(ProblemKind::InUse).detail(detail)
        }
        IdentityError::Unknown(_) => Problem::new(ProblemKind::NotFound).detail(detail),
        IdentityError::Store(cause) => Problem::internal(&cause),
    }
}
