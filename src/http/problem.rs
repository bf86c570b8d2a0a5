//! What went wrong, for programs: problem documents (RFC 9457).
//!
//! The type of a problem is stable, `urn:simyard:problem:NAME`, and stands in one list; the detail is for people and may
//! change. Members of its own stand beside them.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The kinds of problems: the name of the type, the HTTP status, the title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind),+
        }

        impl ProblemKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The name of its type.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }

            /// The HTTP status that it is told with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status),+
                }
            }

            /// The same for every problem of the kind.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title),+
                }
            }
        }
    };
}

kinds! {
    /// A parameter is missing, or is not what it must be.
    InvalidParameter = "invalid-parameter", BAD_REQUEST, "A parameter is wrong";
    /// What was delivered cannot be read.
    InvalidDelivery = "invalid-delivery", UNPROCESSABLE_ENTITY, "The delivery cannot be read";
    /// Rows of a delivery were refused, and nothing was taken.
    RowsRefused = "rows-refused", UNPROCESSABLE_ENTITY, "Rows of the delivery are refused";
    /// Another file was delivered under this name.
    DeliveryDiffers = "delivery-differs", CONFLICT, "Another file was taken under this name";
    /// The same delivery is being taken in.
    DeliveryComesIn = "delivery-comes-in", CONFLICT, "A delivery of this name is being taken in";
    /// There is no such thing, or not for this caller.
    NotFound = "not-found", NOT_FOUND, "There is nothing of this name";
    /// This caller may not do this.
    Forbidden = "forbidden", FORBIDDEN, "Not yours to do";
    /// Nobody known calls.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Say who you are";
    /// Too many wrong credentials came from there.
    TooManyFailures = "too-many-failures", TOO_MANY_REQUESTS, "Too many wrong credentials";
    /// There is such a path, but not for this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Not this way";
    /// There is such a thing already.
    InUse = "in-use", CONFLICT, "There is one already";
    /// Not so many are left.
    Exhausted = "exhausted", CONFLICT, "Not so many are left";
    /// It stands where this cannot be done.
    NotPossible = "not-possible", CONFLICT, "Not in this state";
    /// Another request was made under this idempotency key.
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY, "Another request was made under this key";
    /// A request under this idempotency key has no answer yet, or never gets one.
    CallUnanswered = "call-unanswered", CONFLICT, "A request under this key has no answer";
    /// Too much at a time.
    Busy = "busy", SERVICE_UNAVAILABLE, "Too much at a time";
    /// The body did not come, or not in time.
    BodyStalled = "body-stalled", REQUEST_TIMEOUT, "The body did not come";
    /// The server failed.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
}

/// A problem.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Option<String>,
    retry_after_s: Option<u32>,
    members: Map<String, Value>,
}

impl Problem {
    /// Of this kind.
    #[must_use]
    pub fn new(kind: ProblemKind) -> Self {
        Self { kind, detail: None, retry_after_s: None, members: Map::new() }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// With a text for people.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the time after which it may be tried again.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// With a member of its own.
    #[must_use]
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// The server failed; why, stands in the log alone.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(ProblemKind::Internal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { kind, detail, retry_after_s, members } = self;
        let mut document = json!({
            "type": format!("urn:simyard:problem:{}", kind.name()),
            "title": kind.title(),
            "status": kind.status().as_u16(),
        });
        if let Value::Object(document) = &mut document {
            if let Some(detail) = detail {
                document.insert("detail".to_owned(), Value::String(detail));
            }
            document.extend(members);
        }
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = kind.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_says_its_kind_and_what_to_do() {
        let problem = Problem::new(ProblemKind::Busy).detail("four at a time").retry_after_s(5);
        let response = problem.member("limit", json!(4)).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            document,
            json!({
                "type": "urn:simyard:problem:busy", "title": "Too much at a time", "status": 503,
                "detail": "four at a time", "limit": 4
            })
        );
    }

    #[test]
    fn names_of_types_are_unique() {
        let names: std::collections::BTreeSet<_> = ProblemKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ProblemKind::ALL.len());
    }
}
