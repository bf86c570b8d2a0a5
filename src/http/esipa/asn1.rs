//! ESipa in the ASN.1 binding (SGP.32 6.3): one path, the first tag says which function is called.
//!
//! A body that starts like no function gets HTTP 400: none could answer it. A message that cannot be read, and a protocol
//! version that is not served, get the function's undefinedError, or what it has to say of an EID. The content type of the
//! request is not looked at.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use simyard_asn1::iot::esipa::{EsipaRequest, Function};
use simyard_asn1::rsp::NUMBER;
use simyard_asn1::{Decode as _, Encode as _, Error, ErrorKind, Reader};

use super::{Device, Failure, Outcome, Serving, invalid_eid, missing_eid, not_now, run, unreadable};
use crate::binding::asn1::CONTENT_TYPE;
use crate::binding::esipa::EsipaCode;
use crate::http::function::{answered, check_headers, echo_protocol, with_body, without_body};

/// One call, whichever function it is of.
pub(super) async fn call(
    caller: Device,
    State(served): Serving,
    headers: HeaderMap,
    octets: Bytes,
) -> Response {
    let first = Reader::new(&octets, "EsipaMessageFromIpaToEim").peek();
    let function =
        first.and_then(Function::of_tag).filter(|function| *function != Function::TransferEimPackage);
    let Some(function) = function else {
        tracing::info!(?first, "no function of the ASN.1 binding");
        return echo_protocol(&headers, without_body(StatusCode::BAD_REQUEST));
    };
    let outcome = match check_headers(&headers) {
        Err(failure) => Failure::protocol(function, failure.message),
        Ok(()) => match EsipaRequest::from_der(&octets) {
            Ok(request) => run(&served.eim, caller.caller(), request).await,
            Err(error) => message(function, &error),
        },
    };
    let response = match outcome {
        Outcome::Response(response) => {
            answered(with_body(StatusCode::OK, CONTENT_TYPE, response.to_der()), function.name(), None)
        }
        Outcome::Failed(failure) => {
            let body = failure.code.to_response().to_der();
            answered(with_body(StatusCode::OK, CONTENT_TYPE, body), function.name(), Some(failure.pair))
        }
        Outcome::Unreadable => unreadable(function, StatusCode::OK),
        Outcome::Notified(response) => response,
        Outcome::NotNow(wait) => not_now(wait),
    };
    echo_protocol(&headers, response)
}

/// A message that is no request of the function.
fn message(function: Function, error: &Error) -> Outcome {
    let code = match error.kind {
        ErrorKind::Missing { expected: NUMBER } | ErrorKind::Tag { expected: NUMBER, .. } => {
            missing_eid(function)
        }
        ErrorKind::Value if error.what == "eidValue" => invalid_eid(function),
        _ => None,
    };
    Failure::outcome(function, code.or_else(|| EsipaCode::undefined(function)), None, error.to_string())
}
