//! `/v1/webhooks`: who is told of what happens.

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
use super::{ProblemDocument, parse};
use crate::admin::webhooks::{Webhook, WebhookError};
use crate::client::webhook::Secret;
use crate::domain::webhook::{Selected, WebhookName, WebhookUrl};
use crate::http::problem::{Problem, ProblemKind};

/// The longest time for which an earlier secret signs beside a new one.
const KEEP_OLD_S_MAX: u64 = 30 * 24 * 3600;
/// Selections of one webhook at most.
const EVENTS_MAX: usize = 100;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParameters {
    /// Those behind this name.
    after: Option<String>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// A webhook that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    /// 1 to 64 letters, digits, `.`, `_` and `-`.
    name: String,
    /// `https://HOST/PATH`.
    url: String,
    /// What it is told of: types of events (`operation.done`), families (`operation.*`), or `*`, which it is by default.
    #[serde(default)]
    events: Vec<String>,
}

/// Another secret for a webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretRotation {
    /// For how long the earlier one signs beside it, in seconds: 30 days at most.
    #[serde(default)]
    keep_old_s: u64,
}

/// A webhook with its secret, which is not shown again.
#[derive(Serialize, ToSchema)]
struct MadeWebhook {
    name: String,
    /// `whsec_` and base64, as Standard Webhooks has it.
    secret: String,
}

/// What is tried once more.
#[derive(Serialize, ToSchema)]
struct RetriedWebhook {
    /// Messages that are due at once.
    retried: usize,
}

/// What waits for a webhook.
#[derive(Serialize, ToSchema)]
struct ToldWebhook {
    /// The number of the message: its header `webhook-id`.
    message_id: String,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
struct WebhookView {
    name: String,
    url: String,
    events: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: String,
    /// When it took a message last.
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    /// Since when it takes none.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// Until when it is left alone.
    #[schema(format = DateTime)]
    resume_at: Option<String>,
    /// Since when it is neither called nor told.
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    /// What came instead of success, if that was the latest.
    last_answer: Option<String>,
    /// Messages that wait.
    waiting: u64,
    /// Messages that are not tried any more.
    given_up: u64,
}

/// A page of webhooks.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct WebhookPage {
    items: Vec<WebhookView>,
    /// The name that the next page begins behind; null on the last one.
    next: Option<String>,
}

fn view(webhook: &Webhook) -> WebhookView {
    let time = |at: Option<crate::env::Timestamp>| at.map(|at| at.to_string());
    WebhookView {
        name: webhook.name.to_string(),
        url: webhook.url.as_str().to_owned(),
        events: webhook.selected.iter().map(ToString::to_string).collect(),
        created_at: webhook.created_at.to_string(),
        created_by: webhook.created_by.clone(),
        delivered_at: time(webhook.delivered_at),
        failing_since: time(webhook.failing_since),
        resume_at: time(webhook.resume_at),
        disabled_at: time(webhook.disabled_at),
        last_answer: webhook.last_answer.clone(),
        waiting: webhook.waiting,
        given_up: webhook.given_up,
    }
}

/// Webhooks by name.
#[utoipa::path(
    get, path = "/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks", params(ListParameters),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 200, description = "A page", body = WebhookPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Administer>, uri: Uri) -> Result<Response, Problem> {
    let ListParameters { after, limit: asked } = query(&uri)?;
    let limit = limit(asked)?;
    let found = caller.services().webhooks.list(&after.unwrap_or_default(), limit.saturating_add(1)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |webhook| webhook.name.to_string(), view))
}

/// Make a webhook.
#[utoipa::path(
    post, path = "/v1/webhooks", operation_id = "add_webhook", tag = "webhooks", request_body = NewWebhook,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 201, description = "It is made", body = MadeWebhook),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn add(caller: Caller<Administer>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let new: NewWebhook = match parse(&body) {
        Ok(new) => new,
        Err(problem) => return problem.into_response(),
    };
    let (services, changer) = (caller.services().clone(), caller.changer());
    let call = async move {
        let name = name(&new.name)?;
        let url = WebhookUrl::parse(&new.url).map_err(|error| invalid(format!("url: {error}")))?;
        let secret = services.webhooks.add(&changer, &name, &url, &selected(&new.events)?).await;
        Ok((StatusCode::CREATED, made(&name, &secret.map_err(problem)?)))
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// Give a webhook another secret.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/rotate", operation_id = "rotate_webhook", tag = "webhooks",
    request_body = SecretRotation,
    params(
        ("name" = String, Path, description = "Its name"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 200, description = "It is rotated", body = MadeWebhook),
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
    let rotation: SecretRotation = match parse(&body) {
        Ok(rotation) => rotation,
        Err(problem) => return problem.into_response(),
    };
    let (services, changer) = (caller.services().clone(), caller.changer());
    let call = async move {
        let name = name(&named)?;
        if rotation.keep_old_s > KEEP_OLD_S_MAX {
            return Err(invalid(format!("keep_old_s: expected {KEEP_OLD_S_MAX} at most")));
        }
        let keep_old = Duration::from_secs(rotation.keep_old_s);
        let secret = services.webhooks.rotate(&changer, &name, keep_old).await;
        Ok((StatusCode::OK, made(&name, &secret.map_err(problem)?)))
    };
    once(&caller, &uri, &headers, &body, call).await
}

/// Enable a webhook, and try all that waits for it.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/retry", operation_id = "retry_webhook", tag = "webhooks",
    params(
        ("name" = String, Path, description = "Its name"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 200, description = "It is enabled", body = RetriedWebhook),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn retry(
    caller: Caller<Administer>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (services, changer) = (caller.services().clone(), caller.changer());
    let call = async move {
        let retried = services.webhooks.retry(&changer, &name(&named)?).await.map_err(problem)?;
        Ok((StatusCode::OK, serde_json::to_value(RetriedWebhook { retried }).unwrap_or_default()))
    };
    once(&caller, &uri, &headers, &Bytes::new(), call).await
}

/// Tell a webhook something of the type `webhook.test`, which is brought as everything else is.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/test", operation_id = "test_webhook", tag = "webhooks",
    params(
        ("name" = String, Path, description = "Its name"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["administer"]), ("certificate" = ["administer"])),
    responses(
        (status = 202, description = "The message waits for it", body = ToldWebhook),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn test(
    caller: Caller<Administer>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let services = caller.services().clone();
    let call = async move {
        let message_id = services.webhooks.tell_test(&name(&named)?).await.map_err(problem)?;
        Ok((StatusCode::ACCEPTED, serde_json::to_value(ToldWebhook { message_id }).unwrap_or_default()))
    };
    once(&caller, &uri, &headers, &Bytes::new(), call).await
}

/// Remove a webhook, and what waits for it.
#[utoipa::path(
    delete, path = "/v1/webhooks/{name}", operation_id = "remove_webhook", tag = "webhooks",
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
    caller.services().webhooks.remove(&caller.changer(), &name(&named)?).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

fn name(text: &str) -> Result<WebhookName, Problem> {
    let expected = "name: expected 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first";
    WebhookName::parse(text).ok_or_else(|| invalid(expected))
}

fn selected(events: &[String]) -> Result<Vec<Selected>, Problem> {
    if events.len() > EVENTS_MAX {
        return Err(invalid(format!("events: expected {EVENTS_MAX} at most")));
    }
    let one = |text: &String| {
        Selected::parse(text).ok_or_else(|| invalid(format!("events: {text:?} selects nothing that happens")))
    };
    events.iter().map(one).collect()
}

fn made(name: &WebhookName, secret: &Secret) -> Value {
    let made = MadeWebhook { name: name.to_string(), secret: secret.text().as_str().to_owned() };
    serde_json::to_value(made).unwrap_or_default()
}

fn problem(error: WebhookError) -> Problem {
    let detail = error.to_string();
    match error {
        WebhookError::NameInUse(_) => Problem::new(ProblemKind::InUse).detail(detail),
        WebhookError::TooMany | WebhookError::Disabled(_) => {
            Problem::new(ProblemKind::NotPossible).detail(detail)
        }
        WebhookError::Unknown(_) => Problem::new(ProblemKind::NotFound).detail(detail),
        WebhookError::Seal(_) | WebhookError::NotTaken(_) => Problem::internal(&error),
        WebhookError::Store(cause) => Problem::internal(&cause),
    }
}
