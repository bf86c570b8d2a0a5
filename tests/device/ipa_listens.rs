//! An eIM that brings packages by itself (SGP.32 3.1.1.2, 5.14.4): what the IPA answers, what waits, and who is let in.

use std::net::SocketAddr;
use std::sync::Arc;

use simyard::binding::MessageBinding;
use simyard::client::ClientError;
use simyard::client::ipa::IpaClient;
use simyard::client::reachable::Reach;
use simyard::device::card::Card;
use simyard::device::ipa::{DownloadWay, Executed, Injection, Ipa, IpaError, Then, Transferred};
use simyard::env::Clock;
use simyard::http::ipa::{Transfer, router};
use simyard::http::listener::{Listener, ListenerLimits};
use simyard::http::meter::Meter;
use simyard::ident::ServerAddress;
use simyard::pki::pinned::{admit_certificate, admit_key, trust_certificate};
use simyard::pki::public_key::to_subject_public_key_info;
use simyard::pki::test_pki::Issued;
use simyard::pki::tls::{client_config, server_config};
use simyard_asn1::iot::data::{IpaEuiccDataRequest, IpaEuiccDataResponse, ipa_protocol, requested};
use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackage, EimPackageResult, Function, TransferEimPackageError,
    TransferEimPackageRequest, TransferEimPackageResponse,
};
use simyard_asn1::iot::package::Psmo;
use simyard_asn1::iot::result::{EuiccPackageResult, EuiccResultData, RollbackProfileResult};
use simyard_asn1::iot::trigger::ProfileDownloadData;
use simyard_asn1::{Decode as _, Encode as _};
use tokio::sync::{mpsc, watch};

use super::ipa::{BINDINGS, Yard, enabled, failed_trigger_with, id, results_in, trigger, waiting};
use super::server;
use super::world::{ADDRESS, NOW, PKI};
use crate::harness::block_on;
use crate::server::tls_identity;

crate::tests!(
    a_package_that_is_brought_is_answered_and_waits_for_its_acknowledgement,
    a_package_that_comes_again_is_not_run_again,
    a_device_whose_answer_cannot_leave_goes_back,
    a_result_that_nobody_acknowledged_is_delivered,
    data_are_answered_at_once,
    a_download_follows_its_answer_and_is_run_once,
    what_cannot_be_read_is_told_so,
    the_eim_alone_brings_packages_in_either_binding,
    a_device_that_has_no_room_or_no_answer_says_so,
);

fn take(ipa: &mut Ipa<Card>, package: &EimPackage) -> Result<Transferred, IpaError> {
    ipa.take(&TransferEimPackageRequest::Package(package.clone()), &mut |_, _| {})
}

/// Acknowledges a result with all that came beside it.
fn acknowledge(ipa: &mut Ipa<Card>, numbers: Vec<u32>) {
    let request = TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(numbers));
    let taken = ipa.take(&request, &mut |_, _| {}).unwrap();
    assert_eq!((taken.answer, taken.executed), (TransferEimPackageResponse::Received, None));
}

/// The octets of the eUICC's result, and the seqNumber of it.
fn result_of(answer: &TransferEimPackageResponse) -> (Vec<u8>, u32) {
    let der = match answer {
        TransferEimPackageResponse::EuiccPackageResult(der)
        | TransferEimPackageResponse::EprAndNotifications { euicc_package_result: der, .. } => der,
        other => panic!("{other:?}"),
    };
    let EuiccPackageResult::Signed { data, .. } = EuiccPackageResult::from_der(der).unwrap() else {
        panic!("{}", hex::encode(der))
    };
    (der.clone(), data.value.seq_number)
}

fn a_package_that_is_brought_is_answered_and_waits_for_its_acknowledgement() {
    let (mut yard, card) = Yard::new();
    let two = yard.two.to_bcd();
    let package = yard.psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    let taken = take(&mut ipa, &package).unwrap();
    assert_eq!((taken.executed, taken.then), (Some(Executed::EuiccPackage), Then::Rest));
    let TransferEimPackageResponse::EprAndNotifications { notifications, .. } = &taken.answer else {
        panic!("{:?}", taken.answer)
    };
    assert_eq!(notifications.len(), 2, "of both profiles");
    assert_eq!(enabled(&mut ipa), [yard.two.clone()]);
    assert!(ipa.awaits_acknowledgement().unwrap());
    assert_eq!(waiting(&mut ipa), (2, 1));
    let (_, number) = result_of(&taken.answer);
    acknowledge(&mut ipa, vec![number]);
    assert!(!ipa.awaits_acknowledgement().unwrap());
    assert_eq!(waiting(&mut ipa), (2, 0), "what was not acknowledged waits on");
    assert_eq!(yard.said().functions(), [], "nothing is provided besides");
}

fn a_package_that_comes_again_is_not_run_again() {
    let (mut yard, card) = Yard::new();
    let two = yard.two.to_bcd();
    let package = yard.psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    let (first, number) = result_of(&take(&mut ipa, &package).unwrap().answer);
    let (again, _) = result_of(&take(&mut ipa, &package).unwrap().answer);
    assert_eq!(hex::encode(again), hex::encode(first));
    // Another package is another matter.
    let one = yard.one.to_bcd();
    let other = yard.psmo(&[Psmo::Enable { iccid: &one, rollback: true }]);
    let (_, other) = result_of(&take(&mut ipa, &other).unwrap().answer);
    assert_ne!(other, number);
    acknowledge(&mut ipa, vec![number, other]);
    // Now the eUICC alone can say what it is: a replay.
    let TransferEimPackageResponse::EprAndNotifications { euicc_package_result, .. } =
        take(&mut ipa, &package).unwrap().answer
    else {
        panic!("no result")
    };
    let result = EuiccPackageResult::from_der(&euicc_package_result).unwrap();
    assert!(matches!(result, EuiccPackageResult::ErrorSigned { .. }), "{result:?}");
    assert_eq!(enabled(&mut ipa), [yard.one.clone()]);
}

fn a_device_whose_answer_cannot_leave_goes_back() {
    let (mut yard, card) = Yard::new();
    let two = yard.two.to_bcd();
    let package = yard.psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
    yard.lost_on = vec![yard.two.clone()];
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    let error = take(&mut ipa, &package).unwrap_err();
    assert!(matches!(error, IpaError::NoNetwork { .. }), "{error}");
    block_on(ipa.deliver(&mut |_, _| {})).unwrap();
    assert_eq!(enabled(&mut ipa), [yard.one.clone()]);
    assert_eq!(waiting(&mut ipa), (0, 0));
    let said = yard.said();
    let [result] = said.results()[..] else { panic!("{:?}", said.results()) };
    results_in(result, |results| {
        assert_eq!(results, [EuiccResultData::Rollback(RollbackProfileResult::Ok)]);
    });
}

fn a_result_that_nobody_acknowledged_is_delivered() {
    for binding in BINDINGS {
        let (mut yard, card) = Yard::new();
        let two = yard.two.to_bcd();
        let package = yard.psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
        let mut ipa = yard.ipa(card, binding);
        let (answered, _) = result_of(&take(&mut ipa, &package).unwrap().answer);
        block_on(ipa.deliver(&mut |_, _| {})).unwrap();
        assert_eq!(enabled(&mut ipa), [yard.two.clone()]);
        assert!(!ipa.awaits_acknowledgement().unwrap());
        let said = yard.said();
        assert_eq!(said.functions(), [Function::ProvideEimPackageResult]);
        let [EimPackageResult::EprAndNotifications { euicc_package_result, .. }] = said.results()[..] else {
            panic!("{:?}", said.results())
        };
        assert_eq!(euicc_package_result, &answered, "the same octets");
    }
}

fn data_request(tag: simyard_asn1::Tag) -> EimPackage {
    let request = IpaEuiccDataRequest {
        tag_list: vec![tag],
        ci_pk_id_to_be_used: None,
        notification_criteria: None,
        euicc_package_result_seq_number: None,
        eim_transaction_id: id(),
    };
    EimPackage::IpaEuiccDataRequest(request.to_der())
}

fn data_are_answered_at_once() {
    for injection in [Injection::None, Injection::Https] {
        let (mut yard, card) = Yard::new();
        yard.settings.injection = injection;
        let mut ipa = yard.ipa(card, MessageBinding::Asn1);
        let taken = take(&mut ipa, &data_request(requested::IPA_CAPABILITIES)).unwrap();
        let TransferEimPackageResponse::IpaEuiccDataResponse(der) = &taken.answer else {
            panic!("{taken:?}")
        };
        let IpaEuiccDataResponse::Data(data) = IpaEuiccDataResponse::from_der(der).unwrap() else {
            panic!("no data")
        };
        let protocols = data.ipa_capabilities.unwrap().ipa_supported_protocols.unwrap();
        assert!(protocols.has(ipa_protocol::RETRIEVE_HTTPS));
        assert_eq!(protocols.has(ipa_protocol::INJECT_HTTPS), injection == Injection::Https);
        assert_eq!(yard.said().functions(), []);
    }
}

fn a_download_follows_its_answer_and_is_run_once() {
    let (mut yard, card) = Yard::new();
    yard.settings.download = DownloadWay::Indirect;
    yard.said().server = Some(server(7).1);
    let code = format!("LPA:1${ADDRESS}$M");
    let package = trigger(Some(ProfileDownloadData::ActivationCode(&code)));
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    let taken = take(&mut ipa, &package).unwrap();
    assert_eq!((taken.answer, taken.executed), (TransferEimPackageResponse::Received, None));
    let Then::Download(trigger) = taken.then else { panic!("{:?}", taken.then) };
    assert_eq!(yard.said().functions(), [], "the answer comes first");
    let downloaded = block_on(ipa.download_brought(&trigger, &mut |_, _| {})).unwrap();
    assert_eq!(downloaded, Executed::Installed);
    let called = yard.said().functions().len();
    // The eIM did not hear the answer, or has forgotten it.
    let again = take(&mut ipa, &package).unwrap();
    assert_eq!((again.answer, again.then), (TransferEimPackageResponse::Received, Then::Rest));
    assert_eq!(yard.said().functions().len(), called);
}

fn what_cannot_be_read_is_told_so() {
    let (yard, card) = Yard::new();
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    let invalid = TransferEimPackageResponse::Error(TransferEimPackageError::InvalidPackageFormat);
    for package in [
        EimPackage::IpaEuiccDataRequest(vec![0xBF, 0x52, 2, 0x5A, 0]),
        EimPackage::ProfileDownloadTriggerRequest(vec![0xBF, 0x54, 5, 0]),
    ] {
        let taken = take(&mut ipa, &package).unwrap();
        assert_eq!((&taken.answer, &taken.then), (&invalid, &Then::Rest), "{package:?}");
        assert!(matches!(taken.executed, Some(Executed::Failed(_))));
    }
    // A trigger that can be read and leads nowhere is received: the result says why.
    let taken = take(&mut ipa, &trigger(Some(ProfileDownloadData::ContactDefaultSmdp))).unwrap();
    let Then::Download(trigger) = taken.then else { panic!("{:?}", taken.then) };
    let downloaded = block_on(ipa.download_brought(&trigger, &mut |_, _| {})).unwrap();
    assert!(matches!(downloaded, Executed::Failed(_)));
    failed_trigger_with(yard.said().results()[0], 127);
}

/// A door on the loopback, and the calls that come through it.
struct Door {
    address: SocketAddr,
    calls: mpsc::Receiver<Transfer>,
    _end: watch::Sender<bool>,
}

impl Door {
    async fn open(admitted: Arc<dyn rustls::server::danger::ClientCertVerifier>, room: usize) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, calls) = mpsc::channel(room);
        let listener = Listener {
            name: "ipa",
            socket,
            tls: Some(Arc::new(server_config(&tls_identity(&PKI.device), Some(admitted)).unwrap())),
            router: router(sender),
            limits: ListenerLimits::new(4),
            meter: Arc::new(Meter::new(Clock::fixed(NOW))),
        };
        let (end, ends) = watch::channel(false);
        tokio::spawn(listener.serve(ends));
        Self { address, calls, _end: end }
    }

    fn client(&self, shows: &Issued, binding: MessageBinding) -> IpaClient {
        let trusted = trust_certificate(PKI.device.certificate.der(), Clock::fixed(NOW)).unwrap();
        let tls = client_config(trusted, Some(&tls_identity(shows))).unwrap();
        let address = ServerAddress::parse(&self.address.to_string()).unwrap();
        IpaClient::new(Reach::Anywhere, tls, address).unwrap().with_binding(binding)
    }
}

fn the_eim_alone_brings_packages_in_either_binding() {
    let eim = &PKI.eim_tls;
    let name = eim.certificate.dns_names()[0].clone();
    let clock = || Clock::fixed(NOW);
    let ca = PKI.eim_ca.certificate.der();
    let key = to_subject_public_key_info(eim.certificate.public_key().unwrap());
    block_on(async {
        for (admitted, heard) in [
            (admit_certificate(ca, &name, clock()).unwrap(), true),
            (admit_certificate(ca, "other.example.com", clock()).unwrap(), false),
            (admit_certificate(eim.certificate.der(), "not looked at", clock()).unwrap(), true),
            (admit_key(&key).unwrap(), true),
            (admit_certificate(PKI.device_ca.certificate.der(), &name, clock()).unwrap(), false),
        ] {
            let mut door = Door::open(admitted, 1).await;
            for binding in BINDINGS {
                for request in [
                    TransferEimPackageRequest::Package(data_request(requested::EUICC_INFO1)),
                    TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(vec![7])),
                ] {
                    let client = door.client(eim, binding);
                    let called = tokio::spawn({
                        let request = request.clone();
                        async move { client.transfer_eim_package(&request).await }
                    });
                    if heard {
                        let call = door.calls.recv().await.unwrap();
                        assert_eq!(call.request, request);
                        call.answer.send(TransferEimPackageResponse::Received).unwrap();
                        assert_eq!(called.await.unwrap().unwrap(), TransferEimPackageResponse::Received);
                    } else {
                        let error = called.await.unwrap().unwrap_err();
                        assert!(matches!(error, ClientError::Transport { .. }), "{error}");
                    }
                    // Whoever has another certificate of the same PKI is nobody.
                    let other = door.client(&PKI.device, binding).transfer_eim_package(&request).await;
                    assert!(matches!(other, Err(ClientError::Transport { .. })), "{other:?}");
                }
            }
        }
    });
}

fn a_device_that_has_no_room_or_no_answer_says_so() {
    let ca = PKI.eim_ca.certificate.der();
    let name = PKI.eim_tls.certificate.dns_names()[0].clone();
    block_on(async {
        let mut door = Door::open(admit_certificate(ca, &name, Clock::fixed(NOW)).unwrap(), 1).await;
        let request = TransferEimPackageRequest::Package(data_request(requested::EUICC_INFO1));
        for binding in BINDINGS {
            let client = door.client(&PKI.eim_tls, binding);
            let waits = tokio::spawn({
                let (client, request) = (client.clone(), request.clone());
                async move { client.transfer_eim_package(&request).await }
            });
            // The one that waits takes all the room there is.
            while door.calls.is_empty() {
                tokio::task::yield_now().await;
            }
            let busy = client.transfer_eim_package(&request).await;
            assert!(matches!(busy, Err(ClientError::Http { status: 503, .. })), "{busy:?}");
            drop(door.calls.recv().await.unwrap());
            let unanswered = waits.await.unwrap();
            assert!(matches!(unanswered, Err(ClientError::Http { status: 503, .. })), "{unanswered:?}");
            // A package of a kind that nobody knows.
            let unknown = client
                .transfer_eim_package(&TransferEimPackageRequest::Package(EimPackage::EuiccPackageRequest(
                    vec![0xBF, 0x5F, 0],
                )))
                .await
                .unwrap();
            let TransferEimPackageResponse::Error(code) = unknown else { panic!("{unknown:?}") };
            assert_ne!(code, TransferEimPackageError::UndefinedError);
        }
    });
}
