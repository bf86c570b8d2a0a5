//! ES9+ in the ASN.1 binding (SGP.22 6.6): one path, the envelope says which function is called.
//!
//! A body that is no envelope of a known function gets HTTP 400: no function could answer it. A message that cannot be
//! read, and a protocol version that is not served, get the function's undefinedError. The content type of the request
//! is not looked at.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::es9plus::{Envelope, Function, error};

use super::Served;
use crate::binding::asn1::{Asn1Answer, Asn1Request, CONTENT_TYPE, Failure, body, failed};
use crate::binding::es9plus::CancelSessionResponse;
use crate::http::caller::Lpa;
use crate::http::function::{answered, check_headers, execute, keep, with_body, without_body};
use crate::smdp::authenticate_client::authenticate_client;
use crate::smdp::cancel_session::cancel_session;
use crate::smdp::get_bound_profile_package::get_bound_profile_package;
use crate::smdp::handle_notification::handle_notification;
use crate::smdp::initiate_authentication::initiate_authentication;
use crate::smdp::status::{Es9PlusError, Reason, Subject};

/// One call, whichever function it is of.
pub(super) async fn call(
    caller: Lpa,
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    octets: Bytes,
) -> Response {
    let Served { smdp, offered } = &*served;
    let Envelope { function, message } = match Envelope::from_der(&octets) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::info!(%error, "no function of the ASN.1 binding");
            return without_body(StatusCode::BAD_REQUEST);
        }
    };
    match function {
        Function::InitiateAuthentication => {
            let run = async |request| initiate_authentication(smdp, caller.peer(), offered, &request);
            answer("initiateAuthentication", &headers, message, run).await
        }
        Function::AuthenticateClient => {
            let run = async |request| authenticate_client(smdp, caller.peer(), &request).await;
            answer("authenticateClient", &headers, message, run).await
        }
        Function::GetBoundProfilePackage => {
            let run = async |request| get_bound_profile_package(smdp, caller.peer(), &request).await;
            answer("getBoundProfilePackage", &headers, message, run).await
        }
        Function::CancelSession => {
            let run = async |request| cancel_session(smdp, &request).await.map(|()| CancelSessionResponse);
            answer("cancelSession", &headers, message, run).await
        }
        Function::HandleNotification => match read("handleNotification", &headers, message) {
            Ok(request) => {
                keep("handleNotification", handle_notification(smdp, caller.peer(), &request)).await
            }
            Err(Unreadable) => answered(without_body(StatusCode::NO_CONTENT), "handleNotification", None),
        },
    }
}

/// Runs a function that answers with a message.
async fn answer<Q, A, E, F>(name: &'static str, headers: &HeaderMap, message: &[u8], run: F) -> Response
where
    Q: Asn1Request,
    A: Asn1Answer,
    E: Es9PlusError,
    F: AsyncFnOnce(Q) -> Result<A, E>,
{
    let outcome = match read(name, headers, message) {
        Ok(request) => {
            let outcome = execute(name, run(request)).await;
            outcome.map_err(|error| (error.error_code(), error.status()))
        }
        Err(Unreadable) => Err((error::UNDEFINED, (Subject::Function, Reason::Invalid))),
    };
    let (octets, pair) = match outcome {
        Ok(answer) => (body(A::FUNCTION, &answer.to_message()), None),
        Err((code, pair)) => (failed(Failure { function: A::FUNCTION, code }), Some(pair)),
    };
    answered(with_body(StatusCode::OK, CONTENT_TYPE, octets), name, pair)
}

/// A request that no function can be run with; why stands in the log.
struct Unreadable;

fn read<Q: Asn1Request>(name: &'static str, headers: &HeaderMap, message: &[u8]) -> Result<Q, Unreadable> {
    if let Err(failure) = check_headers(headers) {
        tracing::info!(function = name, error = failure.message, "request cannot be read");
        return Err(Unreadable);
    }
    Q::from_message(message).map_err(|error| {
        tracing::info!(function = name, %error, "request cannot be read");
        Unreadable
    })
}
