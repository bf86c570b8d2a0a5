//! The procedures of the IPA against an eIM that can be made to say anything, in both bindings: polls, packages, rollback,
//! fallback, requests for data, downloads through the eIM.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use simyard::binding::MessageBinding;
use simyard::binding::esipa::{self, EsipaCode};
use simyard::client::es9plus::Es9PlusClient;
use simyard::client::esipa::EsipaClient;
use simyard::client::exchange::{Exchange, Exchanging, Limits};
use simyard::device::card::Card;
use simyard::device::es10_client::Es10Client;
use simyard::device::ipa::{
    DownloadWay, Executed, Ipa, IpaError, LostOn, Pause, Pausing, Polled, Settings, Surroundings,
};
use simyard::env::Clock;
use simyard::ident::{Iccid, ServerAddress};
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::configuration::REQUEST_TOKEN;
use simyard_asn1::iot::data::{IpaEuiccDataRequest, IpaEuiccDataResponse, requested};
use simyard_asn1::iot::esipa::{
    AuthenticateClientOkDp, AuthenticateClientResponse, CancelSessionResponse, EimAcknowledgements,
    EimPackage, EimPackageError, EimPackageResult, EimPackageResultErrorCode, EsipaRequest, EsipaResponse,
    Function, GetBoundProfilePackageOk, GetBoundProfilePackageResponse, GetEimPackageResponse,
    HandleNotification, InitiateAuthenticationErrorEsipa, InitiateAuthenticationOk,
    InitiateAuthenticationResponse, ProvideEimPackageResultError, ProvideEimPackageResultResponse,
    StateChangeCause,
};
use simyard_asn1::iot::package::{EuiccPackage, Psmo};
use simyard_asn1::iot::result::{
    EnableProfileResult, EuiccPackageErrorCode, EuiccPackageResult, EuiccResultData, RollbackProfileResult,
};
use simyard_asn1::iot::trigger::{
    ProfileDownloadData, ProfileDownloadTriggerOutcome, ProfileDownloadTriggerRequest,
    ProfileDownloadTriggerResult,
};
use simyard_asn1::rsp::authentication::AuthenticateServerRequest;
use simyard_asn1::rsp::download::PrepareDownloadRequest;
use simyard_asn1::rsp::notification::PendingNotification;
use simyard_asn1::{Decode, Encode, Tag, Writer};

use super::eim::Eim;
use super::iot_packages::{ECALL, FALLBACK_ALLOWED, install};
use super::world::{ADDRESS, Device, NOW, PKI, Server, signature_tlv};
use super::{server, subscription};
use crate::harness::block_on;

crate::tests!(
    a_poll_without_a_package_is_one_call,
    a_package_is_run_reported_and_forgotten,
    a_device_without_network_on_the_new_profile_goes_back,
    a_result_that_the_eim_refuses_leads_back_too,
    without_permission_to_go_back_the_result_waits,
    a_device_without_network_goes_to_its_fallback_profile,
    a_package_that_the_card_refuses_is_reported,
    what_an_earlier_poll_left_is_delivered_first,
    data_are_told_and_what_is_none_is_refused,
    a_profile_comes_through_the_eim,
    triggers_that_lead_nowhere_are_reported,
    a_download_that_the_eim_refuses_is_reported,
);

pub const BINDINGS: [MessageBinding; 2] = [MessageBinding::Asn1, MessageBinding::Json];

pub fn id() -> Option<EimTransactionId> {
    EimTransactionId::from_octets(&[0x5A, 1])
}

/// What an eIM has for the device, what it says to it, and what it heard.
#[derive(Default)]
pub struct Said {
    packages: VecDeque<EimPackage>,
    pub heard: Vec<EsipaRequest>,
    /// Results that it answers with an error.
    refuses: usize,
    /// Notifications that it does not take.
    takes_no_notification: bool,
    initiate_error: Option<InitiateAuthenticationErrorEsipa>,
    pub server: Option<Server>,
    prepare: Vec<u8>,
}

impl Said {
    fn answer(&mut self, request: EsipaRequest) -> Option<EsipaResponse> {
        self.heard.push(request.clone());
        Some(match request {
            EsipaRequest::GetEimPackage(_) => EsipaResponse::GetEimPackage(match self.packages.pop_front() {
                Some(package) => GetEimPackageResponse::Package(package),
                None => GetEimPackageResponse::Error(EimPackageError::NoEimPackageAvailable),
            }),
            EsipaRequest::ProvideEimPackageResult(request) => {
                EsipaResponse::ProvideEimPackageResult(self.take(&request.eim_package_result))
            }
            EsipaRequest::HandleNotification(_) => return None,
            EsipaRequest::InitiateAuthentication(request) => {
                if let Some(code) = self.initiate_error {
                    return Some(EsipaCode::InitiateAuthentication(code).to_response());
                }
                assert_eq!(request.eim_transaction_id, id());
                assert_eq!(request.smdp_address.as_deref(), Some(ADDRESS));
                let server = self.server.as_ref().unwrap();
                let command = server.authenticate(&request.euicc_challenge);
                let parsed = AuthenticateServerRequest::from_der(&command).unwrap();
                let mut key = Writer::new();
                key.tlv(Tag::OCTET_STRING, parsed.ci_pk_id_to_be_used);
                let ok = InitiateAuthenticationOk {
                    // It is in serverSigned1.
                    transaction_id: None,
                    server_signed1: parsed.server_signed1.bytes.to_vec(),
                    server_signature1: signature_tlv(parsed.server_signature1),
                    euicc_ci_pk_identifier_to_be_used: key.finish(),
                    server_certificate: parsed.server_certificate.to_vec(),
                    matching_id: None,
                    ctx_params1: None,
                };
                EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Ok(Box::new(ok)))
            }
            EsipaRequest::AuthenticateClient(request) => {
                let server = self.server.as_ref().unwrap();
                assert_eq!(request.transaction_id, server.transaction_id);
                self.prepare = server.prepare(&request.authenticate_server_response);
                let parsed = PrepareDownloadRequest::from_der(&self.prepare).unwrap();
                let ok = AuthenticateClientOkDp {
                    transaction_id: None,
                    // The eIM has looked at them.
                    profile_metadata: None,
                    smdp_signed2: parsed.smdp_signed2.bytes.to_vec(),
                    smdp_signature2: signature_tlv(parsed.smdp_signature2),
                    smdp_certificate: parsed.smdp_certificate.to_vec(),
                    hash_cc: None,
                };
                EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDp(Box::new(ok)))
            }
            EsipaRequest::GetBoundProfilePackage(request) => {
                let key = Server::euicc_one_time_key(&self.prepare, &request.prepare_download_response);
                let bound_profile_package = self.server.as_ref().unwrap().bind(&key);
                let ok = GetBoundProfilePackageOk { transaction_id: None, bound_profile_package };
                EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Ok(ok))
            }
            EsipaRequest::CancelSession(_) => EsipaResponse::CancelSession(CancelSessionResponse::Ok),
        })
    }

    /// Takes a result and acknowledges it with all that came beside it.
    fn take(&mut self, result: &EimPackageResult) -> ProvideEimPackageResultResponse {
        if self.refuses > 0 {
            self.refuses -= 1;
            return ProvideEimPackageResultResponse::Error(ProvideEimPackageResultError::UndefinedError);
        }
        let (result, notifications) = match result {
            EimPackageResult::EuiccPackageResult(result) => (result, &[][..]),
            EimPackageResult::EprAndNotifications { euicc_package_result, notifications } => {
                (euicc_package_result, notifications.as_slice())
            }
            _ => return ProvideEimPackageResultResponse::Empty,
        };
        let EuiccPackageResult::Signed { data, .. } = EuiccPackageResult::from_der(result).unwrap() else {
            return ProvideEimPackageResultResponse::Empty;
        };
        let beside =
            notifications.iter().map(|der| PendingNotification::from_der(der).unwrap().metadata().seq_number);
        let numbers = std::iter::once(data.value.seq_number).chain(beside).collect();
        ProvideEimPackageResultResponse::Acknowledgements(EimAcknowledgements(numbers))
    }

    /// The functions that were called, in their order.
    pub fn functions(&self) -> Vec<Function> {
        self.heard.iter().map(EsipaRequest::function).collect()
    }

    /// The results that came, errors included.
    pub fn results(&self) -> Vec<&EimPackageResult> {
        let results = self.heard.iter().filter_map(|request| match request {
            EsipaRequest::ProvideEimPackageResult(request) => Some(&request.eim_package_result),
            _ => None,
        });
        results.collect()
    }
}

/// The way to the eIM.
#[derive(Clone)]
struct Way(Arc<Mutex<Said>>);

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Way")
    }
}

impl Exchange for Way {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        let mut said = self.0.lock().unwrap();
        let path = request.uri().path().to_owned();
        let function = Function::ALL.into_iter().find(|function| path.ends_with(function.name()));
        let asked = match function {
            Some(function) => esipa::read_request(function, request.body()).unwrap(),
            None => EsipaRequest::from_der(request.body()).unwrap(),
        };
        let takes_none = said.takes_no_notification;
        let (status, body) = match said.answer(asked) {
            Some(response) if function.is_some() => (200, esipa::response(&response, None)),
            Some(response) => (200, response.to_der()),
            None => (if takes_none { 503 } else { 204 }, Vec::new()),
        };
        Box::pin(async move { Ok(Response::builder().status(status).body(body).unwrap()) })
    }
}

/// No SM-DP+ is called by itself here.
#[derive(Debug)]
struct NoServer;

impl Exchange for NoServer {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        panic!("{} is called", request.uri());
    }
}

/// Pauses that take no time and are counted.
#[derive(Clone, Debug, Default)]
struct Counted(Arc<Mutex<Vec<Duration>>>);

impl Pause for Counted {
    fn pause(&self, time: Duration) -> Pausing<'_> {
        self.0.lock().unwrap().push(time);
        Box::pin(std::future::ready(()))
    }
}

/// A device with two profiles, of which the first is enabled, and one for emergency calls; and its eIM.
pub struct Yard {
    eim: Eim,
    said: Arc<Mutex<Said>>,
    pauses: Counted,
    pub one: Iccid,
    pub two: Iccid,
    pub settings: Settings,
    pub lost_on: Vec<Iccid>,
}

impl Yard {
    pub fn new() -> (Self, Card) {
        let mut device = Device::iot();
        let one = install(&mut device, 1, FALLBACK_ALLOWED);
        let two = install(&mut device, 2, &[]);
        install(&mut device, 4, ECALL);
        let mut eim = Eim::new("eim1");
        eim.associate(&mut device, Some(REQUEST_TOKEN));
        eim.psmo(&mut device, &[Psmo::Enable { iccid: &one.to_bcd(), rollback: false }]);
        // The notifications of the installations; the result and the notification of that.
        for number in 1..=5 {
            device.call(&format!("BF300380010{number}"));
        }
        let settings = Settings {
            delivery_attempts: NonZeroU32::new(3).unwrap(),
            rollback_after: Duration::from_secs(300),
            ..Settings::default()
        };
        let yard = Self {
            eim,
            said: Arc::default(),
            pauses: Counted::default(),
            one,
            two,
            settings,
            lost_on: Vec::new(),
        };
        (yard, device.card)
    }

    pub fn ipa(&self, card: Card, binding: MessageBinding) -> Ipa<Card> {
        let address = ServerAddress::parse("eim.example.com").unwrap();
        let eim = EsipaClient::over(Arc::new(Way(Arc::clone(&self.said))), address).with_binding(binding);
        let servers = Es9PlusClient::over(Arc::new(NoServer));
        let around = Surroundings {
            network: Box::new(LostOn(self.lost_on.clone())),
            pauses: Box::new(self.pauses.clone()),
            clock: Clock::fixed(NOW),
        };
        Ipa::new(Es10Client::open(card).unwrap(), eim, servers, around, self.settings.clone()).unwrap()
    }

    pub fn queue(&self, package: EimPackage) {
        self.said.lock().unwrap().packages.push_back(package);
    }

    /// The eIM has a package of these operations.
    pub fn queue_psmo(&mut self, operations: &[Psmo<'_>]) {
        let package = self.psmo(operations);
        self.queue(package);
    }

    /// The next package of the eIM.
    pub fn psmo(&mut self, operations: &[Psmo<'_>]) -> EimPackage {
        let package = self.eim.package(&self.eim.signed(EuiccPackage::Psmo(operations.to_vec())));
        self.eim.counter += 1;
        EimPackage::EuiccPackageRequest(package)
    }

    pub fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }

    fn paused(&self) -> Vec<u64> {
        self.pauses.0.lock().unwrap().iter().map(Duration::as_secs).collect()
    }
}

pub fn poll(ipa: &mut Ipa<Card>) -> Result<Polled, IpaError> {
    block_on(ipa.poll_once(&mut |_, _| {}))
}

pub fn enabled(ipa: &mut Ipa<Card>) -> Vec<Iccid> {
    let profiles = ipa.card().get_profiles_info().unwrap();
    profiles.into_iter().filter(|profile| profile.enabled).map(|profile| profile.iccid).collect()
}

/// How many notifications and results wait on the card.
pub fn waiting(ipa: &mut Ipa<Card>) -> (usize, usize) {
    let notifications = ipa.card().retrieve_notifications().unwrap().len();
    (notifications, ipa.card().retrieve_euicc_package_results().unwrap().len())
}

/// The eUICC's results in a message, whose signature the eIM could verify.
pub fn results_in(result: &EimPackageResult, with: impl Fn(&[EuiccResultData<'_>])) {
    let der = match result {
        EimPackageResult::EuiccPackageResult(der)
        | EimPackageResult::EprAndNotifications { euicc_package_result: der, .. } => der,
        other => panic!("{other:?}"),
    };
    let EuiccPackageResult::Signed { data, .. } = EuiccPackageResult::from_der(der).unwrap() else {
        panic!("{}", hex::encode(der))
    };
    with(&data.value.results);
}

fn a_poll_without_a_package_is_one_call() {
    for binding in BINDINGS {
        let (yard, card) = Yard::new();
        let mut ipa = yard.ipa(card, binding);
        ipa.set_state_change(Some(StateChangeCause::Local));
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
        let said = yard.said();
        let [EsipaRequest::GetEimPackage(first), EsipaRequest::GetEimPackage(second)] = said.heard.as_slice()
        else {
            panic!("{:?}", said.functions())
        };
        assert_eq!(first.eid_value, ipa.eid().to_bcd());
        assert_eq!(
            (first.notify_state_change, first.state_change_cause),
            (true, Some(StateChangeCause::Local))
        );
        assert_eq!((second.notify_state_change, second.state_change_cause), (false, None), "told once");
    }
}

fn a_package_is_run_reported_and_forgotten() {
    for binding in BINDINGS {
        let (mut yard, card) = Yard::new();
        let two = yard.two.to_bcd();
        yard.queue_psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
        let mut ipa = yard.ipa(card, binding);
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::EuiccPackage));
        assert_eq!(enabled(&mut ipa), [yard.two.clone()]);
        assert_eq!(waiting(&mut ipa), (0, 0), "all of it was acknowledged");
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
        let said = yard.said();
        let expected = [Function::GetEimPackage, Function::ProvideEimPackageResult, Function::GetEimPackage];
        assert_eq!(said.functions(), expected);
        let [result @ EimPackageResult::EprAndNotifications { notifications, .. }] = said.results()[..]
        else {
            panic!("{:?}", said.results())
        };
        assert_eq!(notifications.len(), 2, "of both profiles");
        results_in(result, |results| {
            assert_eq!(results, [EuiccResultData::Enable(EnableProfileResult::Ok)]);
        });
        assert_eq!(yard.paused(), [] as [u64; 0]);
    }
}

fn a_device_without_network_on_the_new_profile_goes_back() {
    for binding in BINDINGS {
        let (mut yard, card) = Yard::new();
        let two = yard.two.to_bcd();
        yard.queue_psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
        yard.lost_on = vec![yard.two.clone()];
        let mut ipa = yard.ipa(card, binding);
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::RolledBack));
        assert_eq!(enabled(&mut ipa), [yard.one.clone()]);
        assert_eq!(waiting(&mut ipa), (0, 0));
        assert_eq!(yard.paused(), [100, 100], "between three attempts");
        let said = yard.said();
        let [result] = said.results()[..] else { panic!("{:?}", said.results()) };
        results_in(result, |results| {
            assert_eq!(results, [EuiccResultData::Rollback(RollbackProfileResult::Ok)]);
        });
    }
}

fn a_result_that_the_eim_refuses_leads_back_too() {
    let (mut yard, card) = Yard::new();
    let two = yard.two.to_bcd();
    yard.queue_psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
    yard.said().refuses = 3;
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::RolledBack));
    assert_eq!(enabled(&mut ipa), [yard.one.clone()]);
    // The one of the package three times, and the one of the way back.
    assert_eq!(yard.said().results().len(), 4);
}

fn without_permission_to_go_back_the_result_waits() {
    let (mut yard, card) = Yard::new();
    let two = yard.two.to_bcd();
    yard.queue_psmo(&[Psmo::Enable { iccid: &two, rollback: false }]);
    yard.lost_on = vec![yard.two.clone()];
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    let error = poll(&mut ipa).unwrap_err();
    assert!(matches!(&error, IpaError::NoNetwork { enabled: Some(iccid) } if *iccid == yard.two), "{error}");
    assert_eq!(enabled(&mut ipa), [yard.two.clone()]);
    assert_eq!(waiting(&mut ipa).1, 1);
    // The network comes back, with another process even.
    let card = ipa.into_card().close().unwrap();
    yard.lost_on = Vec::new();
    let mut ipa = yard.ipa(card, MessageBinding::Json);
    assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
    assert_eq!(waiting(&mut ipa), (0, 0));
    let said = yard.said();
    let [result] = said.results()[..] else { panic!("{:?}", said.results()) };
    results_in(result, |results| {
        assert_eq!(results, [EuiccResultData::Enable(EnableProfileResult::Ok)]);
    });
}

fn a_device_without_network_goes_to_its_fallback_profile() {
    let (mut yard, card) = Yard::new();
    let (one, two) = (yard.one.to_bcd(), yard.two.to_bcd());
    yard.queue_psmo(&[Psmo::Enable { iccid: &two, rollback: false }]);
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::EuiccPackage));
    yard.queue_psmo(&[Psmo::SetFallbackAttribute { iccid: &one }]);
    assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::EuiccPackage));
    // Now the network of the second profile is gone.
    yard.lost_on = vec![yard.two.clone()];
    let mut ipa = yard.ipa(ipa.into_card().close().unwrap(), MessageBinding::Asn1);
    assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
    assert_eq!(enabled(&mut ipa), [yard.one.clone()]);
    assert_eq!(yard.paused(), [100, 100]);
    let said = yard.said();
    let polls: Vec<_> =
        said.heard.iter().filter(|request| request.function() == Function::GetEimPackage).collect();
    let Some(EsipaRequest::GetEimPackage(last)) = polls.last() else { panic!("{polls:?}") };
    assert_eq!(last.state_change_cause, Some(StateChangeCause::Fallback));
}

fn a_package_that_the_card_refuses_is_reported() {
    let (mut yard, card) = Yard::new();
    yard.eim.counter = 0;
    yard.queue_psmo(&[Psmo::GetRat]);
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::EuiccPackage));
    let said = yard.said();
    let [EimPackageResult::EuiccPackageResult(der)] = said.results()[..] else {
        panic!("{:?}", said.results())
    };
    let EuiccPackageResult::ErrorSigned { data, .. } = EuiccPackageResult::from_der(der).unwrap() else {
        panic!("{}", hex::encode(der))
    };
    assert_eq!(data.value.code, EuiccPackageErrorCode::ReplayError);
}

fn what_an_earlier_poll_left_is_delivered_first() {
    for binding in BINDINGS {
        let (yard, card) = Yard::new();
        let two = yard.two.to_bcd();
        let mut client = Es10Client::open(card).unwrap();
        let package = {
            let operations = vec![Psmo::Enable { iccid: &two, rollback: false }];
            yard.eim.package(&yard.eim.signed(EuiccPackage::Psmo(operations)))
        };
        client.load_euicc_package(&package).unwrap();
        let result = client.retrieve_euicc_package_results().unwrap();
        // Somebody acknowledged the result without its notifications.
        client.remove_notification(result[0].seq_number).unwrap();
        let card = client.close().unwrap();
        yard.said().takes_no_notification = true;
        let mut ipa = yard.ipa(card, binding);
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing, "polls go on");
        assert_eq!(waiting(&mut ipa), (2, 0));
        yard.said().takes_no_notification = false;
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
        assert_eq!(waiting(&mut ipa), (0, 0));
        use Function::{GetEimPackage, HandleNotification as Notify};
        let expected = [Notify, GetEimPackage, Notify, Notify, GetEimPackage];
        assert_eq!(yard.said().functions(), expected, "those behind one that is not taken wait");
    }
}

fn data_are_told_and_what_is_none_is_refused() {
    for binding in BINDINGS {
        let (yard, card) = Yard::new();
        let mut ipa = yard.ipa(card, binding);
        let ask = |tag_list: Vec<Tag>, ci: Option<&[u8]>| {
            let request = IpaEuiccDataRequest {
                tag_list,
                ci_pk_id_to_be_used: ci,
                notification_criteria: None,
                euicc_package_result_seq_number: None,
                eim_transaction_id: id(),
            };
            yard.queue(EimPackage::IpaEuiccDataRequest(request.to_der()));
        };
        ask(requested::ALL.to_vec(), None);
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::Data));
        ask(vec![requested::EUICC_INFO1, Tag(0x5A)], None);
        let Polled::Executed(Executed::Failed(why)) = poll(&mut ipa).unwrap() else { panic!("data") };
        assert!(why.contains("incorrectTagList (1)"), "{why}");
        ask(vec![requested::EUICC_CERTIFICATE], Some(&[1; 20]));
        let Polled::Executed(Executed::Failed(why)) = poll(&mut ipa).unwrap() else { panic!("data") };
        assert!(why.contains("euiccCiPKIdNotFound (5)"), "{why}");
        yard.queue(EimPackage::IpaEuiccDataRequest(vec![0xBF, 0x52, 0x00]));
        assert!(matches!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::Failed(_))));
        let said = yard.said();
        let [
            EimPackageResult::IpaEuiccDataResponse(all),
            EimPackageResult::IpaEuiccDataResponse(wrong),
            EimPackageResult::IpaEuiccDataResponse(unknown),
            EimPackageResult::ResponseError { code, .. },
        ] = said.results()[..]
        else {
            panic!("{:?}", said.results())
        };
        let IpaEuiccDataResponse::Data(data) = IpaEuiccDataResponse::from_der(all).unwrap() else { panic!() };
        assert_eq!(data.eim_transaction_id, id());
        assert_eq!(data.association_token, Some(1));
        let certificate = data.euicc_certificate.unwrap().to_der();
        assert_eq!(certificate, PKI.euicc.certificate.der());
        assert_eq!(data.eum_certificate.unwrap().to_der(), PKI.eum.certificate.der());
        assert!(data.euicc_info1.is_some() && data.euicc_info2.is_some());
        assert!(data.ipa_capabilities.is_some() && data.device_info.is_some());
        assert_eq!((data.notifications, data.euicc_package_results), (Some(vec![]), Some(vec![])));
        for (der, expected) in [(wrong, 1), (unknown, 5)] {
            let response = IpaEuiccDataResponse::from_der(der).unwrap();
            let IpaEuiccDataResponse::Error { eim_transaction_id, code } = response else { panic!() };
            assert_eq!((eim_transaction_id, code.code()), (id(), expected));
        }
        assert_eq!(*code, EimPackageResultErrorCode::InvalidPackageFormat);
    }
}

pub fn trigger(data: Option<ProfileDownloadData<'_>>) -> EimPackage {
    let request = ProfileDownloadTriggerRequest { profile_download_data: data, eim_transaction_id: id() };
    EimPackage::ProfileDownloadTriggerRequest(request.to_der())
}

fn a_profile_comes_through_the_eim() {
    for binding in BINDINGS {
        let (mut yard, card) = Yard::new();
        yard.settings.download = DownloadWay::Indirect;
        let (iccid, _) = subscription(3);
        yard.said().server = Some(server(3).1);
        let code = format!("1${ADDRESS}$M");
        yard.queue(trigger(Some(ProfileDownloadData::ActivationCode(&code))));
        let mut ipa = yard.ipa(card, binding);
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::Installed));
        let profiles = ipa.card().get_profiles_info().unwrap();
        assert!(profiles.iter().any(|profile| profile.iccid == iccid && !profile.enabled));
        assert_eq!(waiting(&mut ipa), (0, 0));
        let said = yard.said();
        let expected = [
            Function::GetEimPackage,
            Function::InitiateAuthentication,
            Function::AuthenticateClient,
            Function::GetBoundProfilePackage,
            Function::HandleNotification,
        ];
        assert_eq!(said.functions(), expected);
        let Some(EsipaRequest::HandleNotification(HandleNotification::PendingNotification(report))) =
            said.heard.last()
        else {
            panic!("{:?}", said.heard.last())
        };
        assert_eq!(report[..2], [0xBF, 0x37]);
    }
}

fn triggers_that_lead_nowhere_are_reported() {
    let (yard, card) = Yard::new();
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    for data in [None, Some(ProfileDownloadData::ActivationCode("2$a$b"))] {
        yard.queue(trigger(data));
        assert!(matches!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::Failed(_))));
    }
    for data in [ProfileDownloadData::ContactSmds(None), ProfileDownloadData::ContactDefaultSmdp] {
        yard.queue(trigger(Some(data)));
        assert!(matches!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::Failed(_))));
    }
    let said = yard.said();
    let [format1, format2, error1, error2] = said.results()[..] else { panic!("{:?}", said.results()) };
    let expected = EimPackageResult::ResponseError {
        eim_transaction_id: id(),
        code: EimPackageResultErrorCode::InvalidPackageFormat,
    };
    assert_eq!((format1, format2), (&expected, &expected));
    for result in [error1, error2] {
        failed_trigger(result);
    }
}

fn failed_trigger(result: &EimPackageResult) {
    failed_trigger_with(result, 127);
}

pub fn failed_trigger_with(result: &EimPackageResult, code: i64) {
    let EimPackageResult::ProfileDownloadTriggerResult(der) = result else { panic!("{result:?}") };
    let result = ProfileDownloadTriggerResult::from_der(der).unwrap();
    assert_eq!(result.eim_transaction_id, id());
    let ProfileDownloadTriggerOutcome::Error { reason, .. } = result.outcome else { panic!("{result:?}") };
    assert_eq!(reason.code(), code);
}

fn a_download_that_the_eim_refuses_is_reported() {
    let (mut yard, card) = Yard::new();
    yard.settings.download = DownloadWay::Indirect;
    yard.said().initiate_error = Some(InitiateAuthenticationErrorEsipa::InvalidEimTransactionId);
    let code = format!("LPA:1${ADDRESS}$M");
    yard.queue(trigger(Some(ProfileDownloadData::ActivationCode(&code))));
    let mut ipa = yard.ipa(card, MessageBinding::Json);
    let Polled::Executed(Executed::Failed(why)) = poll(&mut ipa).unwrap() else { panic!("no failure") };
    assert!(
        why.contains("ESipa.InitiateAuthentication") && why.contains("invalidEimTransactionId (52)"),
        "{why}"
    );
    failed_trigger(yard.said().results()[0]);
}
