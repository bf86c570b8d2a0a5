//! Calls that change something: done to their end even if the caller goes away, and under an `Idempotency-Key` done once.

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::caller::Caller;
use super::json;
use crate::admin::calls::{Call, CallError, OpenCall};
use crate::http::problem::{Problem, ProblemKind};

/// The header.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Does a call and answers; a repetition under the same key gets the answer of the first. What is refused did nothing: its key
/// is free again.
pub(super) async fn once<P>(
    caller: &Caller<P>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    call: impl Future<Output = Result<(StatusCode, Value), Problem>> + Send + 'static,
) -> Response {
    once_at(caller, uri, headers, body, |_| None, call).await
}

/// As [`once`], where the answer says what the header Location names.
pub(super) async fn once_at<P>(
    caller: &Caller<P>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    location: fn(&Value) -> Option<String>,
    call: impl Future<Output = Result<(StatusCode, Value), Problem>> + Send + 'static,
) -> Response {
    let open = match headers.get(IDEMPOTENCY_KEY) {
        None => None,
        Some(key) => {
            let key = key.to_str().unwrap_or_default();
            let request = [Method::POST.as_str(), " ", &uri.to_string(), "\n"].concat();
            let request = [request.as_bytes(), body].concat();
            let calls = &caller.services().administration.calls;
            match calls.begin(&caller.identity().name, key, &request).await {
                Ok(Call::New(open)) => Some(open),
                Ok(Call::Answered(status, answer)) => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                    let mut response =
                        (status, [(CONTENT_TYPE, "application/json")], answer.to_vec()).into_response();
                    name_location(
                        &mut response,
                        serde_json::from_slice(&answer).ok().and_then(|answer| location(&answer)),
                    );
                    return response;
                }
                Err(error) => return refused(error).into_response(),
            }
        }
    };
    match tokio::spawn(done(open, location, call)).await {
        Ok(response) => response,
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn name_location(response: &mut Response, location: Option<String>) {
    if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
}

async fn done(
    open: Option<OpenCall>,
    location: fn(&Value) -> Option<String>,
    call: impl Future<Output = Result<(StatusCode, Value), Problem>>,
) -> Response {
    match (call.await, open) {
        (Ok((status, answer)), open) => {
            if let Some(open) = open {
                open.answer(status.as_u16(), answer.to_string().as_bytes()).await;
            }
            let mut response = json(status, &answer);
            name_location(&mut response, location(&answer));
            response
        }
        (Err(problem), open) => {
            // Of a server that failed nobody knows what it did.
            if let Some(open) = open.filter(|_| !problem.kind().status().is_server_error()) {
                open.give_up().await;
            }
            problem.into_response()
        }
    }
}

fn refused(error: CallError) -> Problem {
    let detail = error.to_string();
    match error {
        CallError::Key => Problem::new(ProblemKind::InvalidParameter).detail(detail),
        CallError::OtherCall => Problem::new(ProblemKind::KeyReused).detail(detail),
        CallError::Unanswered => Problem::new(ProblemKind::CallUnanswered).detail(detail),
        CallError::Sealed | CallError::Store(_) => Problem::internal(&error),
    }
}
