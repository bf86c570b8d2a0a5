//! ESipa: IPAs poll, report and download through the eIM (SGP.32 5.14), in the JSON binding (6.4), each function at a path of
//! its own, and in the ASN.1 binding ([`asn1`], 6.3) at the one path of all. TLS, as a rule with a client certificate.
//!
//! Both bindings end in the same messages, and every function is called in one place ([`run`]). Functional errors are HTTP
//! 200. A protocol version that a device states is stated back to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::post;
use simyard_asn1::iot::esipa::{
    AuthenticateClientResponse, CancelSessionResponse, EimPackageError, EsipaRequest, EsipaResponse,
    Function, GetBoundProfilePackageResponse, GetEimPackageResponse, InitiateAuthenticationResponse,
    ProvideEimPackageResultError, ProvideEimPackageResultResponse,
};

use super::caller::{Device, KnowsDevices};
use super::function::{answered, check_headers, echo_protocol, keep, with_body, without_body};
use crate::binding::esipa::{self, EID_VALUE, EsipaCode};
use crate::binding::status::{Reason, Subject};
use crate::binding::{CONTENT_TYPE, MemberError};
use crate::eim::Eim;
use crate::eim::authenticate_client::authenticate_client;
use crate::eim::caller::{ClientAuth, DeviceCaller, Devices, Refusal};
use crate::eim::cancel_session::cancel_session;
use crate::eim::get_bound_profile_package::get_bound_profile_package;
use crate::eim::get_eim_package::{GetEimPackageError, get_eim_package};
use crate::eim::handle_notification::{HandleNotificationError, handle_notification};
use crate::eim::initiate_authentication::initiate_authentication;
use crate::eim::provide_eim_package_result::provide_eim_package_result;
use crate::eim::status::EsipaError;

mod asn1;

/// What the handlers of a listener have in common.
struct Served {
    eim: Arc<Eim>,
    devices: Arc<Devices>,
    client_auth: ClientAuth,
}

impl KnowsDevices for Arc<Served> {
    fn devices(&self) -> &Devices {
        &self.devices
    }

    fn client_auth(&self) -> ClientAuth {
        self.client_auth
    }
}

/// The seven functions that IPAs call, at their paths, and all of them at the one of the ASN.1 binding, for a listener that
/// asks for certificates as `client_auth` says. Elsewhere is nothing, which is told to devices alone.
pub fn router(eim: Arc<Eim>, devices: Arc<Devices>, client_auth: ClientAuth) -> Router {
    Router::new()
        .route("/gsma/rsp2/esipa/getEimPackage", post(get_package))
        .route("/gsma/rsp2/esipa/provideEimPackageResult", post(provide_result))
        .route("/gsma/rsp2/esipa/handleNotification", post(notify))
        .route("/gsma/rsp2/esipa/initiateAuthentication", post(initiate))
        .route("/gsma/rsp2/esipa/authenticateClient", post(authenticate))
        .route("/gsma/rsp2/esipa/getBoundProfilePackage", post(get_bound_package))
        .route("/gsma/rsp2/esipa/cancelSession", post(cancel))
        .route("/gsma/rsp2/asn1", post(asn1::call))
        .fallback(not_there)
        .with_state(Arc::new(Served { eim, devices, client_auth }))
}

async fn not_there(_: Device) -> StatusCode {
    StatusCode::NOT_FOUND
}

/// The state of every handler.
type Serving = State<Arc<Served>>;

async fn get_package(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::GetEimPackage, &caller, state, &headers, &body).await
}

async fn provide_result(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::ProvideEimPackageResult, &caller, state, &headers, &body).await
}

async fn notify(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::HandleNotification, &caller, state, &headers, &body).await
}

async fn initiate(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::InitiateAuthentication, &caller, state, &headers, &body).await
}

async fn authenticate(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::AuthenticateClient, &caller, state, &headers, &body).await
}

async fn get_bound_package(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::GetBoundProfilePackage, &caller, state, &headers, &body).await
}

async fn cancel(caller: Device, state: Serving, headers: HeaderMap, body: Bytes) -> Response {
    json(Function::CancelSession, &caller, state, &headers, &body).await
}

/// One call in the JSON binding.
async fn json(
    function: Function,
    caller: &Device,
    State(served): Serving,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let (outcome, status) = match check_headers(headers) {
        Err(failure) => (Failure::protocol(function, failure.message), StatusCode::OK),
        Ok(()) => match esipa::read_request(function, body) {
            Ok(request) => (run(&served.eim, caller.caller(), request).await, StatusCode::OK),
            Err(error) => {
                let no_object = error == MemberError::NoObject;
                let status = if no_object { StatusCode::BAD_REQUEST } else { StatusCode::OK };
                (Failure::member(function, &error), status)
            }
        },
    };
    let response = match outcome {
        Outcome::Response(response) => {
            let body = esipa::response(&response, None);
            answered(with_body(StatusCode::OK, CONTENT_TYPE, body), function.name(), None)
        }
        Outcome::Failed(failure) => {
            let body = esipa::failure(failure.code, failure.pair, Some(&failure.message));
            answered(with_body(status, CONTENT_TYPE, body), function.name(), Some(failure.pair))
        }
        Outcome::Unreadable => unreadable(function, status),
        Outcome::Notified(response) => response,
        Outcome::NotNow(wait) => not_now(wait),
    };
    echo_protocol(headers, response)
}

/// The answer to a notification that cannot be read: taken, or the IPA would bring it for ever; a body that is nothing at
/// all is refused.
fn unreadable(function: Function, status: StatusCode) -> Response {
    let status = if status == StatusCode::OK { StatusCode::NO_CONTENT } else { status };
    answered(without_body(status), function.name(), None)
}

/// How a call ended.
enum Outcome {
    /// The function was executed.
    Response(EsipaResponse),
    /// The function failed, or could not be called.
    Failed(Failure),
    /// A function without answers could not be called.
    Unreadable,
    /// A function without answers was called.
    Notified(Response),
    /// The caller has to wait so long: no function was called.
    NotNow(Duration),
}

/// HTTP 429, and the whole seconds to wait: no code of the function says so.
fn not_now(wait: Duration) -> Response {
    let mut response = without_body(StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)));
    response
}

/// Why a function failed.
struct Failure {
    code: EsipaCode,
    /// The pair of the JSON binding; it says more than the code where the request itself is at fault.
    pair: (Subject, Reason),
    /// For people.
    message: String,
}

impl Failure {
    fn outcome(
        function: Function,
        code: Option<EsipaCode>,
        pair: Option<(Subject, Reason)>,
        message: String,
    ) -> Outcome {
        tracing::info!(function = function.name(), error = message, "request cannot be read");
        match code {
            Some(code) => Outcome::Failed(Self { code, pair: pair.unwrap_or(code.status()), message }),
            None => Outcome::Unreadable,
        }
    }

    /// A version of the protocol that is not served.
    fn protocol(function: Function, message: String) -> Outcome {
        let pair = (Subject::ProtocolVersion, Reason::Unsupported);
        Self::outcome(function, EsipaCode::undefined(function), Some(pair), message)
    }

    /// A body that is no request of the function.
    fn member(function: Function, error: &MemberError) -> Outcome {
        let code = match error {
            MemberError::Missing(EID_VALUE) => missing_eid(function),
            MemberError::Invalid { member: EID_VALUE, .. } => invalid_eid(function),
            _ => None,
        };
        let pair = match error {
            MemberError::NoObject => (Subject::ProtocolFormat, Reason::Invalid),
            MemberError::Missing(_) => (Subject::Function, Reason::MandatoryElementMissing),
            MemberError::Invalid { .. } => (Subject::Function, Reason::Invalid),
        };
        let pair = if code.is_some() { None } else { Some(pair) };
        Self::outcome(function, code.or_else(|| EsipaCode::undefined(function)), pair, error.to_string())
    }
}

/// missingEid, of the functions that have it.
const fn missing_eid(function: Function) -> Option<EsipaCode> {
    match function {
        Function::GetEimPackage => Some(EsipaCode::GetEimPackage(EimPackageError::MissingEid)),
        Function::ProvideEimPackageResult => {
            Some(EsipaCode::ProvideEimPackageResult(ProvideEimPackageResultError::MissingEid))
        }
        _ => None,
    }
}

/// invalidEid, of the functions that have it.
const fn invalid_eid(function: Function) -> Option<EsipaCode> {
    match function {
        Function::GetEimPackage => Some(EsipaCode::GetEimPackage(EimPackageError::InvalidEid)),
        Function::ProvideEimPackageResult => {
            Some(EsipaCode::ProvideEimPackageResult(ProvideEimPackageResultError::InvalidEid))
        }
        _ => None,
    }
}

/// Calls the function.
async fn run(eim: &Eim, caller: &DeviceCaller, request: EsipaRequest) -> Outcome {
    let name = request.function().name();
    match request {
        EsipaRequest::GetEimPackage(request) => match get_eim_package(eim, caller, &request).await {
            Err(GetEimPackageError::Refused(Refusal::TooManyPolls(wait))) => Outcome::NotNow(wait),
            polled => ended(name, polled, |package| {
                EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(package))
            }),
        },
        EsipaRequest::ProvideEimPackageResult(request) => {
            ended(name, provide_eim_package_result(eim, caller, &request).await, |acknowledged| {
                EsipaResponse::ProvideEimPackageResult(if acknowledged.0.is_empty() {
                    ProvideEimPackageResultResponse::Empty
                } else {
                    ProvideEimPackageResultResponse::Acknowledgements(acknowledged)
                })
            })
        }
        EsipaRequest::InitiateAuthentication(request) => {
            ended(name, initiate_authentication(eim, caller, &request).await, |ok| {
                EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Ok(Box::new(ok)))
            })
        }
        EsipaRequest::AuthenticateClient(request) => {
            ended(name, authenticate_client(eim, caller, &request).await, |ok| {
                EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDp(Box::new(ok)))
            })
        }
        EsipaRequest::GetBoundProfilePackage(request) => {
            ended(name, get_bound_profile_package(eim, caller, &request).await, |ok| {
                EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Ok(ok))
            })
        }
        EsipaRequest::CancelSession(request) => {
            ended(name, cancel_session(eim, caller, &request).await, |()| {
                EsipaResponse::CancelSession(CancelSessionResponse::Ok)
            })
        }
        EsipaRequest::HandleNotification(request) => {
            let kept = handle_notification(eim, caller, &request);
            Outcome::Notified(keep::<HandleNotificationError>(name, kept).await)
        }
    }
}

/// Logs how a function ended, and makes an answer of it.
fn ended<T, E: EsipaError>(
    name: &'static str,
    result: Result<T, E>,
    response: impl FnOnce(T) -> EsipaResponse,
) -> Outcome {
    let error = match result {
        Ok(value) => {
            tracing::debug!(function = name, "executed");
            return Outcome::Response(response(value));
        }
        Err(error) => error,
    };
    let code = error.code();
    match error.internal_cause() {
        Some(cause) => tracing::error!(function = name, %code, %error, cause, "failed inside"),
        // The answer to nearly every poll.
        None if code == EsipaCode::GetEimPackage(EimPackageError::NoEimPackageAvailable) => {
            tracing::debug!(function = name, "nothing waits");
        }
        None => tracing::info!(function = name, %code, %error, "refused"),
    }
    Outcome::Failed(Failure { code, pair: code.status(), message: error.to_string() })
}
