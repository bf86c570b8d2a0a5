//! The door of a device that listens (SGP.32 5.14.4): its eIM calls TransferEimPackage, in either binding.
//!
//! | what comes | what is answered |
//! |---|---|
//! | a package that can be read | what the device says of it |
//! | a message that cannot be read | eimPackageError invalidPackageFormat (1) |
//! | a package of a kind that SGP.32 does not have | eimPackageError unknownPackage (2) |
//! | a version of the protocol that is not served | eimPackageError undefinedError (127) |
//! | another function, or none | HTTP 400 |
//! | a package while others wait, or that the device could not answer | HTTP 503: bring it again |
//!
//! What executes packages is elsewhere: calls leave here through a channel, and their answers come back.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use simyard_asn1::iot::esipa::{
    Function, TransferEimPackageError, TransferEimPackageRequest, TransferEimPackageResponse,
};
use simyard_asn1::{Decode as _, Encode as _, ErrorKind, Reader};
use tokio::sync::{mpsc, oneshot};

use super::caller::EimCaller;
use super::function::{answered, check_headers, echo_protocol, with_body, without_body};
use crate::binding::esipa::{read_transfer_request, transfer_response};
use crate::binding::{CONTENT_TYPE, MemberError, asn1};

const FUNCTION: Function = Function::TransferEimPackage;

/// A call that waits for the device. One whose answer nobody waits for any more need not be executed.
#[derive(Debug)]
pub struct Transfer {
    /// What the eIM brings.
    pub request: TransferEimPackageRequest,
    /// Where the answer goes; dropped, it says that there is none.
    pub answer: oneshot::Sender<TransferEimPackageResponse>,
}

/// Where calls go.
type Calls = mpsc::Sender<Transfer>;

/// TransferEimPackage at its path, and at the one of the ASN.1 binding.
pub fn router(calls: Calls) -> Router {
    Router::new()
        .route("/gsma/rsp2/esipa/transferEimPackage", post(json_call))
        .route("/gsma/rsp2/asn1", post(asn1_call))
        .fallback(not_there)
        .with_state(calls)
}

async fn not_there(_: EimCaller) -> StatusCode {
    StatusCode::NOT_FOUND
}

/// A call in the JSON binding.
async fn json_call(_: EimCaller, State(calls): State<Calls>, headers: HeaderMap, body: Bytes) -> Response {
    let request = read_transfer_request(&body).map_err(|error| {
        tracing::info!(%error, "a package cannot be read");
        match error {
            MemberError::NoObject => Unreadable::NoFunction,
            MemberError::Missing(_) => Unreadable::Message(TransferEimPackageError::UnknownPackage),
            MemberError::Invalid { .. } => Unreadable::Message(TransferEimPackageError::InvalidPackageFormat),
        }
    });
    let response = match answer(&calls, &headers, request).await {
        Ok(response) => with_body(StatusCode::OK, CONTENT_TYPE, transfer_response(&response)),
        Err(status) => without_body(status),
    };
    echo_protocol(&headers, answered(response, FUNCTION.name(), None))
}

/// A call in the ASN.1 binding.
async fn asn1_call(_: EimCaller, State(calls): State<Calls>, headers: HeaderMap, body: Bytes) -> Response {
    let first = Reader::new(&body, "EsipaMessageFromEimToIpa").peek();
    let request = if first == Some(FUNCTION.tag()) {
        TransferEimPackageRequest::from_der(&body).map_err(|error| {
            tracing::info!(%error, "a package cannot be read");
            Unreadable::Message(match error.kind {
                ErrorKind::Choice { .. } => TransferEimPackageError::UnknownPackage,
                _ => TransferEimPackageError::InvalidPackageFormat,
            })
        })
    } else {
        Err(Unreadable::NoFunction)
    };
    let response = match answer(&calls, &headers, request).await {
        Ok(response) => with_body(StatusCode::OK, asn1::CONTENT_TYPE, response.to_der()),
        Err(status) => without_body(status),
    };
    echo_protocol(&headers, answered(response, FUNCTION.name(), None))
}

/// Why there is no package.
enum Unreadable {
    /// Nothing that the function could answer.
    NoFunction,
    /// The function answers that.
    Message(TransferEimPackageError),
}

/// What the device says.
async fn answer(
    calls: &Calls,
    headers: &HeaderMap,
    request: Result<TransferEimPackageRequest, Unreadable>,
) -> Result<TransferEimPackageResponse, StatusCode> {
    let request = match request {
        Ok(request) => request,
        Err(Unreadable::NoFunction) => return Err(StatusCode::BAD_REQUEST),
        Err(Unreadable::Message(code)) => return Ok(TransferEimPackageResponse::Error(code)),
    };
    if let Err(failure) = check_headers(headers) {
        tracing::info!(error = failure.message, "a package is not taken");
        return Ok(TransferEimPackageResponse::Error(TransferEimPackageError::UndefinedError));
    }
    let (answer, answered) = oneshot::channel();
    calls.try_send(Transfer { request, answer }).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    answered.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
