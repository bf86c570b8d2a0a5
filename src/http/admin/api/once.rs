//! Calls that change something: done to their end even if the caller goes away, and under an `Idempotency-Key` done once.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
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
                    return (status, [(CONTENT_TYPE, "application/json")], answer.to_vec()).into_response();
                }
                Err(error) => return refused(error).into_response(),
            }
        }
    };
    match tokio::spawn(done(open, call)).await {
        Ok(response) => response,
        Err(error) => Problem::internal(&error).into_response(),
    }
}

async fn done(
    open: Option<OpenCall>,
    call: impl Future<Output = Result<(StatusCode, Value), Problem>>,
) -> Response {
    match (call.await, open) {
        (Ok((status, answer)), Some(open)) => {
            open.answer(status.as_u16(), answer.to_string().as_bytes()).await;
            json(status, &answer)
        }
        (Ok((status, answer)), None) => json(status, &answer),
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
