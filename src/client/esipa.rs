//! ESipa from the IPA's side (SGP.32 5.14, 6.3, 6.4), in either binding, over TLS with a client certificate.
//!
//! What an eIM answers is returned as it is, also where it is an error of the function: the IPA has a procedure for each.
//! Connections are kept: an IPA on a narrow network polls, reports and polls again over one TLS session.

use std::sync::Arc;

use simyard_asn1::iot::esipa::{
    AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest, CancelSessionResponse,
    EsipaRequest, EsipaResponse, Function, GetBoundProfilePackageRequest, GetBoundProfilePackageResponse,
    GetEimPackageRequest, GetEimPackageResponse, HandleNotification, InitiateAuthenticationRequest,
    InitiateAuthenticationResponse, ProvideEimPackageResultRequest, ProvideEimPackageResultResponse,
};
use simyard_asn1::{Decode as _, Encode as _, ErrorKind};

use super::exchange::Exchange;
use super::{ClientError, ConnectTo, Http};
use crate::binding::{self, MessageBinding, asn1, esipa};
use crate::ident::ServerAddress;

/// The user agent of an IPA in the device (6.1).
const USER_AGENT: &str = "gsma-rsp-ipad";

/// Calls one eIM; clones share their connections.
#[derive(Clone, Debug)]
pub struct EsipaClient {
    http: Http,
    eim: ServerAddress,
    binding: MessageBinding,
}

impl EsipaClient {
    /// A client of this eIM that trusts what `tls` trusts and shows its certificate, and speaks ASN.1.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(
        tls: rustls::ClientConfig,
        eim: ServerAddress,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        let http = Http::new(tls, USER_AGENT, connect_to)?;
        Ok(Self { http, eim, binding: MessageBinding::Asn1 })
    }

    /// A client over a way out that is there; it speaks ASN.1.
    #[must_use]
    pub fn over(exchange: Arc<dyn Exchange>, eim: ServerAddress) -> Self {
        Self { http: Http::over(exchange), eim, binding: MessageBinding::Asn1 }
    }

    /// The same client, speaking this binding.
    #[must_use]
    pub const fn with_binding(mut self, binding: MessageBinding) -> Self {
        self.binding = binding;
        self
    }

    /// Whom it calls.
    #[must_use]
    pub const fn eim(&self) -> &ServerAddress {
        &self.eim
    }

    /// ESipa.GetEimPackage (5.14.5).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_eim_package(
        &self,
        request: GetEimPackageRequest,
    ) -> Result<GetEimPackageResponse, ClientError> {
        match self.call(EsipaRequest::GetEimPackage(request)).await? {
            EsipaResponse::GetEimPackage(response) => Ok(response),
            _ => Err(self.other_function(Function::GetEimPackage)),
        }
    }

    /// ESipa.ProvideEimPackageResult (5.14.6).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn provide_eim_package_result(
        &self,
        request: ProvideEimPackageResultRequest,
    ) -> Result<ProvideEimPackageResultResponse, ClientError> {
        match self.call(EsipaRequest::ProvideEimPackageResult(request)).await? {
            EsipaResponse::ProvideEimPackageResult(response) => Ok(response),
            _ => Err(self.other_function(Function::ProvideEimPackageResult)),
        }
    }

    /// ESipa.InitiateAuthentication (5.14.1).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn initiate_authentication(
        &self,
        request: InitiateAuthenticationRequest,
    ) -> Result<InitiateAuthenticationResponse, ClientError> {
        match self.call(EsipaRequest::InitiateAuthentication(request)).await? {
            EsipaResponse::InitiateAuthentication(response) => Ok(response),
            _ => Err(self.other_function(Function::InitiateAuthentication)),
        }
    }

    /// ESipa.AuthenticateClient (5.14.3).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn authenticate_client(
        &self,
        request: AuthenticateClientRequest,
    ) -> Result<AuthenticateClientResponse, ClientError> {
        match self.call(EsipaRequest::AuthenticateClient(request)).await? {
            EsipaResponse::AuthenticateClient(response) => Ok(response),
            _ => Err(self.other_function(Function::AuthenticateClient)),
        }
    }

    /// ESipa.GetBoundProfilePackage (5.14.2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_bound_profile_package(
        &self,
        request: GetBoundProfilePackageRequest,
    ) -> Result<GetBoundProfilePackageResponse, ClientError> {
        match self.call(EsipaRequest::GetBoundProfilePackage(request)).await? {
            EsipaResponse::GetBoundProfilePackage(response) => Ok(response),
            _ => Err(self.other_function(Function::GetBoundProfilePackage)),
        }
    }

    /// ESipa.CancelSession (5.14.8).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_session(
        &self,
        request: CancelSessionRequest,
    ) -> Result<CancelSessionResponse, ClientError> {
        match self.call(EsipaRequest::CancelSession(request)).await? {
            EsipaResponse::CancelSession(response) => Ok(response),
            _ => Err(self.other_function(Function::CancelSession)),
        }
    }

    /// ESipa.HandleNotification (5.14.7).
    ///
    /// # Errors
    /// [`ClientError`]; anything but HTTP 204 means that what was sent must be kept.
    pub async fn handle_notification(&self, request: HandleNotification) -> Result<(), ClientError> {
        match self.post(&EsipaRequest::HandleNotification(request)).await? {
            (204, _) => Ok(()),
            (status, _) => Err(self.http_status(status)),
        }
    }

    /// Calls a function that answers with a body.
    async fn call(&self, request: EsipaRequest) -> Result<EsipaResponse, ClientError> {
        let answer = match self.post(&request).await? {
            (200, answer) => answer,
            (status, _) => return Err(self.http_status(status)),
        };
        match self.binding {
            MessageBinding::Json => esipa::read_response(request.function(), &answer)
                .map_err(|cause| ClientError::Answer { address: self.eim.to_string(), cause }),
            MessageBinding::Asn1 => EsipaResponse::from_der(&answer)
                .map_err(|cause| ClientError::Message { address: self.eim.to_string(), cause }),
        }
    }

    /// Sends a request and returns HTTP status and answer body.
    async fn post(&self, request: &EsipaRequest) -> Result<(u16, Vec<u8>), ClientError> {
        let (path, content_type, body) = match self.binding {
            MessageBinding::Json => {
                (esipa::path(request.function()), binding::CONTENT_TYPE, esipa::request(request))
            }
            MessageBinding::Asn1 => (asn1::PATH, asn1::CONTENT_TYPE, request.to_der()),
        };
        self.http.post(&self.eim, path, content_type, body).await
    }

    fn http_status(&self, status: u16) -> ClientError {
        ClientError::Http { address: self.eim.to_string(), status }
    }

    /// The answer of another function than the one that was called.
    fn other_function(&self, function: Function) -> ClientError {
        let kind = ErrorKind::Missing { expected: function.tag() };
        let cause = simyard_asn1::Error { kind, what: "EsipaMessageFromEimToIpa", offset: 0 };
        ClientError::Message { address: self.eim.to_string(), cause }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http::{Request, Response};
    use simyard_asn1::iot::esipa::{EimPackageError, EimPackageResult};

    use super::*;
    use crate::client::exchange::{Exchanging, Limits};

    /// Answers every request alike, and keeps it.
    #[derive(Debug)]
    struct Answering {
        status: u16,
        answer: Vec<u8>,
        asked: Mutex<Vec<Request<Vec<u8>>>>,
    }

    impl Exchange for Answering {
        fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
            self.asked.lock().unwrap().push(request);
            let answer = Response::builder().status(self.status).body(self.answer.clone());
            Box::pin(async move { Ok(answer.unwrap()) })
        }
    }

    fn answering(status: u16, answer: &[u8]) -> (Arc<Answering>, EsipaClient) {
        let exchange = Arc::new(Answering { status, answer: answer.to_vec(), asked: Mutex::default() });
        let eim = ServerAddress::parse("eim.example.com:8443").unwrap();
        let client = EsipaClient::over(Arc::clone(&exchange) as Arc<dyn Exchange>, eim);
        (exchange, client)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_poll_is_sent_in_either_binding() {
        let poll = || GetEimPackageRequest::new([0x89; 16]);
        let none = GetEimPackageResponse::Error(EimPackageError::NoEimPackageAvailable);
        let (exchange, client) = answering(200, &none.to_der());
        assert_eq!(run(client.get_eim_package(poll())).unwrap(), none);
        let json = esipa::response(&EsipaResponse::GetEimPackage(none.clone()), None);
        let (json_exchange, client) = answering(200, &json);
        let client = client.with_binding(MessageBinding::Json);
        assert_eq!(run(client.get_eim_package(poll())).unwrap(), none);
        for (exchange, path, content_type, body) in [
            (exchange, "asn1", "application/x-gsma-rsp-asn1", poll().to_der()),
            (
                json_exchange,
                "esipa/getEimPackage",
                "application/json;charset=UTF-8",
                br#"{"eidValue":"89898989898989898989898989898989"}"#.to_vec(),
            ),
        ] {
            let asked = exchange.asked.lock().unwrap();
            let [request] = asked.as_slice() else { panic!("{asked:?}") };
            assert_eq!(request.uri(), format!("https://eim.example.com:8443/gsma/rsp2/{path}").as_str());
            assert_eq!(request.headers()["content-type"], content_type);
            assert_eq!(request.headers()["x-admin-protocol"], binding::ADMIN_PROTOCOL);
            assert_eq!(request.body(), &body);
        }
    }

    #[test]
    fn an_answer_of_another_function_or_of_none_is_refused() {
        let result = || ProvideEimPackageResultRequest {
            eid_value: None,
            eim_package_result: EimPackageResult::EuiccPackageResult(vec![0xBF, 0x51, 0]),
        };
        let (_, client) = answering(200, &[0xBF, 0x41, 2, 0xA0, 0]);
        let error = run(client.provide_eim_package_result(result())).unwrap_err();
        assert!(matches!(error, ClientError::Message { .. }), "{error}");
        let (_, client) = answering(200, b"{}");
        let error = run(client.provide_eim_package_result(result())).unwrap_err();
        assert!(matches!(error, ClientError::Message { .. }), "{error}");
        let error = run(client.with_binding(MessageBinding::Json).provide_eim_package_result(result()));
        assert!(matches!(error, Err(ClientError::Answer { .. })));
        let (_, client) = answering(503, &[]);
        let error = run(client.provide_eim_package_result(result())).unwrap_err();
        assert!(matches!(error, ClientError::Http { status: 503, .. }), "{error}");
    }

    #[test]
    fn a_notification_is_taken_with_204_alone() {
        let notification = || HandleNotification::PendingNotification(vec![0xBF, 0x37, 0]);
        assert!(run(answering(204, &[]).1.handle_notification(notification())).is_ok());
        let error = run(answering(200, &[]).1.handle_notification(notification())).unwrap_err();
        assert!(matches!(error, ClientError::Http { status: 200, .. }), "{error}");
    }
}
