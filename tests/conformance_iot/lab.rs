//! The laboratory: a whole server with an eIM, and somebody who calls ESipa in one of the bindings with messages made by hand.
//! The JSON binding is written and read here anew (SGP.32 6.4, digest 5.5): none of it is the product's own code for it.

use std::cell::RefCell;

use serde_json::{Map, Value, json};
use simyard::binding::MessageBinding;
use simyard::binding::esipa::EsipaCode;
use simyard::domain::{FreedomToSwitch, ListedProfile, OperationId, Task};
use simyard::eim::operations::OperationRequest;
use simyard::ident::Iccid;
use simyard::pki::test_pki::Issued;
use simyard_asn1::iot::esipa::{
    AuthenticateClientOkDp, AuthenticateClientResponse, CancelSessionResponse, EimAcknowledgements,
    EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, Function, GetBoundProfilePackageOk,
    GetBoundProfilePackageResponse, GetEimPackageRequest, GetEimPackageResponse, HandleNotification,
    InitiateAuthenticationOk, InitiateAuthenticationResponse, ProvideEimPackageResultRequest,
    ProvideEimPackageResultResponse,
};
use simyard_asn1::iot::result::EuiccResultData;
use simyard_asn1::{Decode as _, Encode as _};

use crate::eim::world::{Card, Delivered, deliver, eid};
use crate::server::euicc::{base64, from_base64};
use crate::server::{ADDRESS, PKI, Reply, TestServer};

/// `[eim]` of the laboratory, open for more of its members; the listener for callers without a certificate stands before.
pub const SETTINGS: &str = "[[eim_listener]]\nlisten = \"127.0.0.1:0\"\nclient_auth = \"optional\"\n\
                            [eim]\nid = \"eim.example.com\"\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n\
                            polls_of_euicc_per_hour = 3\n";

/// Where nobody listens.
const NOWHERE: &str = "smdp.example.com=127.0.0.1:9";

/// The settings of a laboratory whose SM-DP+ is not there.
pub fn settings() -> String {
    settings_with_way(NOWHERE)
}

/// The settings of a laboratory whose eIM reaches an SM-DP+ so.
pub fn settings_with_way(way: &str) -> String {
    format!("{SETTINGS}smdp_connect_to = [\"{way}\"]\n")
}

/// The listener that asks for certificates, and the one that takes callers without.
pub const REQUIRED: usize = 0;
pub const OPTIONAL: usize = 1;

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The function was executed.
    Done(Box<EsipaResponse>),
    /// It answered with an error.
    Refused(EsipaCode),
    /// HTTP 204: a notification was taken.
    Taken,
    /// No function was called.
    Http(u16),
    /// There is no connection.
    NoConnection,
}

impl Answer {
    /// An answer that is none, in words.
    #[track_caller]
    pub fn refusal(self) -> String {
        match self {
            Self::Refused(code) => code.to_string(),
            Self::Http(status) => format!("HTTP {status}"),
            Self::NoConnection => "no connection".to_owned(),
            Self::Taken | Self::Done(_) => panic!("no refusal: {self:?}"),
        }
    }

    #[track_caller]
    pub fn package(self) -> EimPackage {
        match self {
            Self::Done(response) => match *response {
                EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(package)) => package,
                other => panic!("{other:?}"),
            },
            other => panic!("no package: {other:?}"),
        }
    }

    /// The numbers that were acknowledged.
    #[track_caller]
    pub fn acknowledged(self) -> Vec<u32> {
        match self {
            Self::Done(response) => match *response {
                EsipaResponse::ProvideEimPackageResult(ProvideEimPackageResultResponse::Empty) => Vec::new(),
                EsipaResponse::ProvideEimPackageResult(
                    ProvideEimPackageResultResponse::Acknowledgements(numbers),
                ) => numbers.0,
                other => panic!("{other:?}"),
            },
            other => panic!("not taken: {other:?}"),
        }
    }
}

/// The server, who calls it, and how.
pub struct Lab {
    pub server: TestServer,
    pub binding: MessageBinding,
    /// The eUICC, made from its messages.
    pub card: RefCell<Card>,
}

impl Lab {
    /// With an eUICC that was delivered with its certificates.
    pub fn new(binding: MessageBinding) -> Self {
        Self::with(binding, Delivered::WithCertificates)
    }

    pub fn with(binding: MessageBinding, delivered: Delivered) -> Self {
        Self::seeded(binding, delivered, 1060)
    }

    /// The eIM has never heard of the eUICC.
    pub fn without_euicc(binding: MessageBinding) -> Self {
        Self::of(binding, NOWHERE, 1060)
    }

    /// With this randomness.
    pub fn seeded(binding: MessageBinding, delivered: Delivered, seed: u64) -> Self {
        Self::of(binding, NOWHERE, seed).delivered(delivered)
    }

    /// Whose eIM reaches an SM-DP+ so.
    pub fn with_way(binding: MessageBinding, way: &str, seed: u64) -> Self {
        Self::of(binding, way, seed).delivered(Delivered::WithCertificates)
    }

    fn of(binding: MessageBinding, way: &str, seed: u64) -> Self {
        let server = TestServer::seeded(&settings_with_way(way), seed);
        Self { server, binding, card: RefCell::new(Card::new()) }
    }

    fn delivered(self, delivered: Delivered) -> Self {
        let store = self.server.smdp().store.clone();
        self.server.wait(deliver(&store, delivered, FreedomToSwitch::Active));
        self
    }

    /// Runs the steps of a row in this binding.
    pub fn row(&self, id: &str, steps: impl FnOnce()) {
        super::row(self.binding, id, steps);
    }

    /// Somebody asks the eIM for something.
    pub fn ask(&self, task: Task) -> OperationId {
        self.request(&OperationRequest::new(task))
    }

    pub fn request(&self, request: &OperationRequest) -> OperationId {
        self.server.operate(request)
    }

    /// Where an operation stands, and why it ended otherwise than it was meant to.
    pub fn state(&self, id: &OperationId) -> String {
        self.server.operation_state(id)
    }

    /// The profiles that the eIM believes to be on the eUICC, and whether each is enabled.
    pub fn profiles(&self) -> Vec<(Iccid, bool)> {
        let store = self.server.smdp().store.clone();
        let profiles = self.server.wait(store.profiles_of_euicc(&eid())).unwrap();
        profiles.into_iter().map(|ListedProfile { iccid, enabled, .. }| (iccid, enabled)).collect()
    }

    /// The device, with its certificate.
    pub fn call(&self, request: &EsipaRequest) -> Answer {
        self.call_as(Some(&PKI.device), REQUIRED, request)
    }

    /// Somebody without a certificate, where that is taken.
    pub fn call_as_anybody(&self, request: &EsipaRequest) -> Answer {
        self.call_as(None, OPTIONAL, request)
    }

    pub fn call_as(&self, identity: Option<&Issued>, listener: usize, request: &EsipaRequest) -> Answer {
        let (path, body) = written(self.binding, request);
        match self.send(identity, listener, path, body, "gsma/rsp/v2.1.0") {
            Some(reply) => self.read(request.function(), &reply),
            None => Answer::NoConnection,
        }
    }

    /// A body as it is, for a function.
    pub fn call_with_body(&self, function: Function, body: Vec<u8>) -> Answer {
        let reply =
            self.send(Some(&PKI.device), REQUIRED, path(self.binding, function), body, "gsma/rsp/v2.1.0");
        self.read(function, &reply.unwrap())
    }

    /// Of a device that speaks another version of the protocol.
    pub fn call_in_version(&self, request: &EsipaRequest, version: &str) -> Answer {
        let (path, body) = written(self.binding, request);
        let reply = self.send(Some(&PKI.device), REQUIRED, path, body, version);
        self.read(request.function(), &reply.unwrap())
    }

    fn send(
        &self,
        identity: Option<&Issued>,
        listener: usize,
        path: String,
        body: Vec<u8>,
        version: &str,
    ) -> Option<Reply> {
        let content_type = match self.binding {
            MessageBinding::Asn1 => "application/x-gsma-rsp-asn1",
            MessageBinding::Json => "application/json;charset=UTF-8",
        };
        let client = self.server.device_http(identity, listener);
        let request = client
            .post(format!("https://{ADDRESS}/gsma/rsp2/{path}"))
            .header("Content-Type", content_type)
            .header("X-Admin-Protocol", version)
            .header("User-Agent", "gsma-rsp-ipad");
        self.server.try_exchange(request, body)
    }

    /// What a reply says; what is an error of the function is written down.
    fn read(&self, function: Function, reply: &Reply) -> Answer {
        let answer = match reply.status {
            200 => {
                let expected = match self.binding {
                    MessageBinding::Asn1 => "application/x-gsma-rsp-asn1",
                    MessageBinding::Json => "application/json;charset=UTF-8",
                };
                assert_eq!(reply.content_type.as_deref(), Some(expected));
                match self.binding {
                    MessageBinding::Asn1 => read_asn1(&reply.body),
                    MessageBinding::Json => read_json(function, &reply.body),
                }
            }
            204 => {
                assert!(reply.body.is_empty() && reply.content_type.is_none(), "204 says nothing");
                Answer::Taken
            }
            other => Answer::Http(other),
        };
        if let Answer::Refused(code) = &answer {
            super::answered(self.binding, *code);
        }
        answer
    }

    pub fn poll(&self) -> Answer {
        self.poll_with(|_| {})
    }

    pub fn poll_with(&self, change: impl FnOnce(&mut GetEimPackageRequest)) -> Answer {
        let mut request = GetEimPackageRequest::new(eid().to_bcd());
        change(&mut request);
        self.call(&EsipaRequest::GetEimPackage(request))
    }

    /// That nothing waits.
    #[track_caller]
    pub fn is_idle(&self) {
        assert_eq!(self.poll().refusal(), "noEimPackageAvailable (1)");
    }

    /// The eUICC package that is outstanding.
    #[track_caller]
    pub fn package(&self) -> Vec<u8> {
        match self.poll().package() {
            EimPackage::EuiccPackageRequest(octets) => octets,
            other => panic!("{other:02X?}"),
        }
    }

    pub fn answer(&self, result: EimPackageResult) -> Answer {
        self.call(&provide(result))
    }

    pub fn answer_euicc(&self, result: Vec<u8>) -> Answer {
        self.answer(EimPackageResult::EuiccPackageResult(result))
    }

    pub fn notify(&self, notification: &[u8]) -> Answer {
        let notification = HandleNotification::PendingNotification(notification.to_vec());
        self.call(&EsipaRequest::HandleNotification(notification))
    }

    /// The device polls, its eUICC does what the package says, and the answer is brought.
    #[track_caller]
    pub fn turn(&self) -> Vec<u32> {
        let package = self.package();
        let result = self.card.borrow_mut().execute(&package);
        self.answer_euicc(result).acknowledged()
    }

    /// As [`Lab::turn`], and the eUICC says this, whatever the package is.
    #[track_caller]
    pub fn turn_saying(&self, results: &[EuiccResultData<'_>]) -> Vec<u32> {
        let package = self.package();
        let result = self.card.borrow_mut().say(&package, results);
        self.answer_euicc(result).acknowledged()
    }

    /// Why things were refused on ESipa since the server began, once for each; ends the server.
    pub fn refusals(&self) -> Vec<String> {
        self.server.end();
        let store = self.server.left_store();
        let refused = self.server.callers.block_on(store.esipa_refusals(None, 0, 100)).unwrap();
        refused.into_iter().map(|record| record.refusal.reason).collect()
    }
}

/// The result of a package, of the usual eUICC.
pub fn provide(result: EimPackageResult) -> EsipaRequest {
    EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResultRequest {
        eid_value: Some(eid().to_bcd()),
        eim_package_result: result,
    })
}

/// Where a function is called.
fn path(binding: MessageBinding, function: Function) -> String {
    match binding {
        MessageBinding::Asn1 => "asn1".to_owned(),
        MessageBinding::Json => format!("esipa/{}", function.name()),
    }
}

/// A request in a binding: where it goes, and its body.
pub fn written(binding: MessageBinding, request: &EsipaRequest) -> (String, Vec<u8>) {
    let body = match binding {
        MessageBinding::Asn1 => request.to_der(),
        MessageBinding::Json => json_of(request).to_string().into_bytes(),
    };
    (path(binding, request.function()), body)
}

fn digits(octets: &[u8]) -> Value {
    hex::encode_upper(octets).into()
}

/// The members that are there.
fn members<const N: usize>(all: [(&str, Option<Value>); N]) -> Value {
    let there = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

/// A request in the JSON binding.
fn json_of(request: &EsipaRequest) -> Value {
    match request {
        EsipaRequest::InitiateAuthentication(request) => members([
            ("euiccChallenge", Some(base64(&request.euicc_challenge))),
            ("smdpAddress", request.smdp_address.clone().map(Value::from)),
            ("euiccInfo1", request.euicc_info1.as_deref().map(base64)),
            ("eimTransactionId", request.eim_transaction_id.as_ref().map(|id| digits(id.as_octets()))),
        ]),
        EsipaRequest::AuthenticateClient(request) => json!({
            "transactionId": digits(&request.transaction_id),
            "authenticateServerResponse": base64(&request.authenticate_server_response),
        }),
        EsipaRequest::GetBoundProfilePackage(request) => json!({
            "transactionId": digits(&request.transaction_id),
            "prepareDownloadResponse": base64(&request.prepare_download_response),
        }),
        EsipaRequest::CancelSession(request) => json!({
            "transactionId": digits(&request.transaction_id),
            "cancelSessionResponse": base64(&request.cancel_session_response),
        }),
        EsipaRequest::HandleNotification(HandleNotification::PendingNotification(notification)) => {
            json!({ "pendingNotification": base64(notification) })
        }
        EsipaRequest::HandleNotification(HandleNotification::ProvideEimPackageResult(result)) => {
            json!({ "provideEimPackageResult": base64(&result.to_der()) })
        }
        EsipaRequest::GetEimPackage(request) => members([
            ("eidValue", Some(digits(&request.eid_value))),
            ("notifyStateChange", request.notify_state_change.then_some(Value::Bool(true))),
            ("stateChangeCause", request.state_change_cause.map(|cause| cause.code().into())),
            ("rPlmn", request.r_plmn.map(|plmn| base64(&plmn))),
        ]),
        EsipaRequest::ProvideEimPackageResult(request) => members([
            ("eidValue", request.eid_value.map(|eid| digits(&eid))),
            ("eimPackageResult", Some(base64(&request.eim_package_result.to_der()))),
        ]),
    }
}

fn read_asn1(body: &[u8]) -> Answer {
    let response = EsipaResponse::from_der(body).unwrap_or_else(|error| panic!("{error}: {body:02X?}"));
    match EsipaCode::of_response(&response) {
        Some(code) => Answer::Refused(code),
        None => Answer::Done(Box::new(response)),
    }
}

/// A response in the JSON binding.
fn read_json(function: Function, body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap();
    let status = &body["header"]["functionExecutionStatus"];
    if status["status"] == "Failed" {
        return Answer::Refused(read_failure(function, &body));
    }
    assert_eq!(status["status"], "Executed-Success", "{body}");
    let octets = |name: &str| body.get(name).map(from_base64);
    let object = |name: &str| octets(name).unwrap_or_else(|| panic!("{name} is missing: {body}"));
    let text = |name: &str| body.get(name).map(|value| value.as_str().unwrap().to_owned());
    let transaction_id = || text("transactionId").map(|id| hex::decode(id).unwrap());
    Answer::Done(Box::new(match function {
        Function::InitiateAuthentication => EsipaResponse::InitiateAuthentication(
            InitiateAuthenticationResponse::Ok(Box::new(InitiateAuthenticationOk {
                transaction_id: transaction_id(),
                server_signed1: object("serverSigned1"),
                server_signature1: object("serverSignature1"),
                euicc_ci_pk_identifier_to_be_used: object("euiccCiPKIdentifierToBeUsed"),
                server_certificate: object("serverCertificate"),
                matching_id: text("matchingId"),
                ctx_params1: octets("ctxParams1"),
            })),
        ),
        Function::AuthenticateClient => EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDp(
            Box::new(AuthenticateClientOkDp {
                transaction_id: transaction_id(),
                profile_metadata: octets("profileMetadata"),
                smdp_signed2: object("smdpSigned2"),
                smdp_signature2: object("smdpSignature2"),
                smdp_certificate: object("smdpCertificate"),
                hash_cc: octets("hashCc"),
            }),
        )),
        Function::GetBoundProfilePackage => EsipaResponse::GetBoundProfilePackage(
            GetBoundProfilePackageResponse::Ok(GetBoundProfilePackageOk {
                transaction_id: transaction_id(),
                bound_profile_package: object("boundProfilePackage"),
            }),
        ),
        Function::CancelSession => EsipaResponse::CancelSession(CancelSessionResponse::Ok),
        Function::GetEimPackage => {
            let package = octets("euiccPackageRequest")
                .map(EimPackage::EuiccPackageRequest)
                .or_else(|| octets("ipaEuiccDataRequest").map(EimPackage::IpaEuiccDataRequest))
                .or_else(|| {
                    octets("profileDownloadTriggerRequest").map(EimPackage::ProfileDownloadTriggerRequest)
                });
            assert_eq!(body.as_object().unwrap().len(), 2, "the header, and one package");
            EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(package.unwrap()))
        }
        Function::ProvideEimPackageResult => {
            EsipaResponse::ProvideEimPackageResult(match octets("eimAcknowledgements") {
                Some(der) => ProvideEimPackageResultResponse::Acknowledgements(
                    EimAcknowledgements::from_der(&der).unwrap(),
                ),
                None => ProvideEimPackageResultResponse::Empty,
            })
        }
        Function::HandleNotification | Function::TransferEimPackage => panic!("no response: {body}"),
    }))
}

/// The error that a header tells; GetEimPackage tells it by its integer too.
fn read_failure(function: Function, body: &Value) -> EsipaCode {
    let data = &body["header"]["functionExecutionStatus"]["statusCodeData"];
    let pair = |name: &str| data[name].as_str().unwrap();
    let is_it = |code: &EsipaCode| {
        let (subject, reason) = code.status();
        (subject.code(), reason.code()) == (pair("subjectCode"), pair("reasonCode"))
    };
    // What is wrong with the request itself has pairs of its own; its integer is undefinedError.
    let code = EsipaCode::all(function).into_iter().find(is_it).or_else(|| EsipaCode::undefined(function));
    let code = code.unwrap();
    if function == Function::GetEimPackage {
        assert_eq!(body["eimPackageError"], code.code(), "{body}");
    }
    code
}
