//! One function of the standard over HTTP (SGP.22 6.2, 6.3), in the JSON binding (6.5); what it shares with the ASN.1
//! binding of ES9+ ([`super::es9plus`]) is how a function is run.
//!
//! Functional errors are HTTP 200 with status `Failed`; only a body that is no JSON object gets 400. What goes out and
//! what goes to the log are two texts: an internal error answers generically.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::meter::Answered;
use crate::binding::{self, Body, MemberError, Members, Object, StatusCodeData};
use crate::smdp::status::{FunctionError, Reason, Subject};

/// The largest request: a device's answer with its certificates in base64, and room.
pub const MAX_REQUEST_OCTETS: usize = 256 * 1024;

const ADMIN_PROTOCOL: &str = "x-admin-protocol";

/// Runs a function that answers with a body.
pub async fn answer<Q, A, E, F>(name: &'static str, headers: &HeaderMap, body: &Bytes, run: F) -> Response
where
    Q: Body,
    A: Body,
    E: FunctionError,
    F: AsyncFnOnce(Q) -> Result<A, E>,
{
    let run = async |request| run(request).await.map(|answer| binding::success(answer.to_members()));
    run_function(name, headers, body, run).await
}

/// Runs a function whose answer is the header alone.
pub async fn acknowledge<Q, E, F>(name: &'static str, headers: &HeaderMap, body: &Bytes, run: F) -> Response
where
    Q: Body,
    E: FunctionError,
    F: AsyncFnOnce(Q) -> Result<(), E>,
{
    let run = async |request| run(request).await.map(|()| binding::success(Object::default()));
    run_function(name, headers, body, run).await
}

/// Takes a notification (6.3): HTTP 204 without a body, also for a body that holds none that can be read, since the LPA
/// would send it for ever. 400 for a body that is no JSON object, 503 if a notification could not be kept, so that the
/// LPA sends it again.
pub async fn notify<Q, E, F>(name: &'static str, headers: &HeaderMap, body: &Bytes, run: F) -> Response
where
    Q: Body,
    E: std::fmt::Display,
    F: AsyncFnOnce(Q) -> Result<(), E>,
{
    let request = match check_headers(headers) {
        Ok(()) => read::<Q>(body).map_err(|error| {
            let no_object = error == MemberError::NoObject;
            (error.to_string(), if no_object { StatusCode::BAD_REQUEST } else { StatusCode::NO_CONTENT })
        }),
        Err(failure) => Err((failure.message, StatusCode::NO_CONTENT)),
    };
    match request {
        Ok(request) => keep(name, run(request)).await,
        Err((cause, status)) => {
            tracing::info!(function = name, cause, "notification cannot be read");
            answered(without_body(status), name, None)
        }
    }
}

/// Takes a notification that can be read: 204 if it was kept, else 503.
pub(super) async fn keep<E: std::fmt::Display>(
    name: &'static str,
    kept: impl Future<Output = Result<(), E>>,
) -> Response {
    let status = match kept.await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(cause) => {
            tracing::error!(function = name, %cause, "notification could not be kept");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    answered(without_body(status), name, None)
}

async fn run_function<Q, E, F>(name: &'static str, headers: &HeaderMap, body: &Bytes, run: F) -> Response
where
    Q: Body,
    E: FunctionError,
    F: AsyncFnOnce(Q) -> Result<Vec<u8>, E>,
{
    if let Err(failure) = check_headers(headers) {
        return refused(name, StatusCode::OK, failure);
    }
    let request = match read::<Q>(body) {
        Ok(request) => request,
        Err(error) => {
            tracing::info!(function = name, %error, "request cannot be read");
            let status =
                if error == MemberError::NoObject { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            return refused(name, status, unreadable(&error));
        }
    };
    match execute(name, run(request)).await {
        Ok(body) => answered(json(StatusCode::OK, body), name, None),
        Err(error) => {
            let (subject, reason) = error.status();
            let identifier = error.subject_identifier();
            refused(name, StatusCode::OK, Failure { subject, reason, identifier, message: error.to_string() })
        }
    }
}

/// Runs a function and logs how it ended.
pub(super) async fn execute<A, E: FunctionError>(
    name: &'static str,
    answer: impl Future<Output = Result<A, E>>,
) -> Result<A, E> {
    let answer = answer.await;
    match &answer {
        Ok(_) => tracing::debug!(function = name, "executed"),
        Err(error) => {
            let (subject, reason) = error.status();
            let status = format!("{}/{}", subject.code(), reason.code());
            if reason == Reason::ExecutionError {
                tracing::error!(function = name, status, %error, cause = error.internal_cause(), "failed inside");
            } else {
                tracing::info!(function = name, status, %error, "refused");
            }
        }
    }
    answer
}

fn read<Q: Body>(body: &[u8]) -> Result<Q, MemberError> {
    Members::read(body).and_then(|members| Q::from_members(&members))
}

/// A protocol header of version 2 or later, or none at all: the sender states the highest version that it knows, one of
/// version 3 speaks version 2 too, and some clients send none.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(protocol) = headers.get(ADMIN_PROTOCOL) else { return Ok(()) };
    let major = protocol
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix(binding::ADMIN_PROTOCOL_PREFIX))
        .and_then(|version| version.split('.').next()?.parse::<u8>().ok());
    if major.is_some_and(|major| major >= 2) {
        return Ok(());
    }
    let message = format!("X-Admin-Protocol must be {}2.y.z or later", binding::ADMIN_PROTOCOL_PREFIX);
    Err(Failure { subject: Subject::ProtocolVersion, reason: Reason::Unsupported, identifier: None, message })
}

fn unreadable(error: &MemberError) -> Failure {
    let (subject, reason) = match error {
        MemberError::NoObject => (Subject::ProtocolFormat, Reason::Invalid),
        MemberError::Missing(_) => (Subject::Function, Reason::MandatoryElementMissing),
        MemberError::Invalid { .. } => (Subject::Function, Reason::Invalid),
    };
    Failure { subject, reason, identifier: None, message: error.to_string() }
}

/// Why a function failed, before it becomes text.
pub(super) struct Failure {
    subject: Subject,
    reason: Reason,
    identifier: Option<String>,
    /// For people.
    pub(super) message: String,
}

fn refused(name: &'static str, status: StatusCode, failure: Failure) -> Response {
    let Failure { subject, reason, identifier, message } = failure;
    let data = StatusCodeData {
        subject_code: subject.code().to_owned(),
        reason_code: reason.code().to_owned(),
        subject_identifier: identifier,
        message: Some(message),
    };
    answered(json(status, binding::failed(&data)), name, Some((subject, reason)))
}

/// Says in the response, for the meter alone, which function gave it and with which pair.
pub(super) fn answered(
    mut response: Response,
    function: &'static str,
    failed: Option<(Subject, Reason)>,
) -> Response {
    response.extensions_mut().insert(Answered { function, failed });
    response
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    with_body(status, binding::CONTENT_TYPE, body)
}

/// An answer with a body.
pub(super) fn with_body(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ADMIN_PROTOCOL, HeaderValue::from_static(binding::ADMIN_PROTOCOL));
    response
}

/// An answer without a body.
pub(super) fn without_body(status: StatusCode) -> Response {
    let mut response = status.into_response();
    response.headers_mut().insert(ADMIN_PROTOCOL, HeaderValue::from_static(binding::ADMIN_PROTOCOL));
    response
}

/// The answer with the version of the protocol that the request stated, where it is one.
pub(super) fn echo_protocol(request: &HeaderMap, mut response: Response) -> Response {
    let stated = request
        .get(ADMIN_PROTOCOL)
        .filter(|stated| stated.to_str().is_ok_and(|text| text.starts_with(binding::ADMIN_PROTOCOL_PREFIX)));
    if let Some(stated) = stated {
        response.headers_mut().insert(ADMIN_PROTOCOL, stated.clone());
    }
    response
}
