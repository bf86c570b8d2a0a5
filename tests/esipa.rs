//! ESipa over real mutual TLS: a card and its IPA with an eIM that asks, in both bindings; and what is no call, or none of
//! this device.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use simyard::binding::MessageBinding;
use simyard::client::ConnectTo;
use simyard::client::esipa::EsipaClient;
use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::device::card::Card;
use simyard::device::es10_client::Es10Client;
use simyard::device::iot_state::IotSettings;
use simyard::device::ipa::{Everywhere, Executed, Ipa, Pause, Pausing, Polled, Settings, Surroundings};
use simyard::domain::{Actor, Deadlines, OperationId, Person, Task};
use simyard::eim::introductions::Introductions;
use simyard::eim::keys::EimKeys;
use simyard::eim::laboratory::Laboratory;
use simyard::eim::operations::{OperationRequest, create_operation};
use simyard::eim::{Eim, POLL_WANTED_AFTER};
use simyard::env::Rng;
use simyard::ident::ServerAddress;
use simyard::pki::Anchors;
use simyard::pki::public_key::to_subject_public_key_info;
use simyard::store::{Association, DownloadWay, Seen, SeenBy};
use simyard_asn1::Encode as _;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{
    AddInitialEimRequest, EimConfigurationData, EimPublicKey, REQUEST_TOKEN,
};
use simyard_asn1::iot::esipa::GetEimPackageRequest;

use crate::eim::relayed::{NoServer, relay};
use crate::server::{ADDRESS, Euicc, NOW, PKI, Reply, TestServer, euicc, reply};

crate::tests!(
    a_card_introduces_itself_and_lists_its_profiles,
    a_device_speaks_for_its_own_eid_alone,
    what_is_no_call_is_refused,
    every_member_of_a_wrong_kind_is_named,
    the_version_of_a_device_is_stated_back,
);

const SETTINGS: &str = "[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n";
const ASN1: &str = "asn1";
const JSON: &str = "esipa/getEimPackage";

#[derive(Debug)]
struct NoPause;

impl Pause for NoPause {
    fn pause(&self, _: std::time::Duration) -> Pausing<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// The eIM that the server runs, for operations.
fn eim(server: &TestServer) -> Eim {
    let rng = Rng::seeded(7);
    Eim {
        store: server.smdp().store.clone(),
        sealer: Sealer::new(&SealingKey::generate(&rng), rng.clone()).unwrap(),
        clock: server.clock.clone(),
        rng,
        eim_id: ADDRESS.to_owned(),
        keys: EimKeys::new(Arc::new(PKI.eim_sign.key.signing_key().unwrap()), []),
        anchors: Arc::new(Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap()),
        download: DownloadWay::Direct,
        deadlines: Deadlines::default(),
        poll_wanted_after: POLL_WANTED_AFTER,
        laboratory: Laboratory::Closed,
        sub_classes: HashMap::new(),
        contacts: Seen::new(SeenBy::Eim),
        introductions: Introductions::default(),
        relay: relay(Arc::new(NoServer), &server.clock),
    }
}

/// A card that knows the eIM, which knows it.
fn associated(server: &TestServer) -> Card {
    let euicc = Euicc::new(0);
    let settings = IotSettings::default();
    let card =
        Card::in_memory_iot(&euicc.material(), settings, server.clock.clone(), Rng::seeded(3)).unwrap();
    let mut client = Es10Client::open(card).unwrap();
    let key = to_subject_public_key_info(PKI.eim_sign.key.signing_key().unwrap().public_key());
    let eim = EimConfigurationData {
        eim_id: ADDRESS,
        eim_fqdn: Some(ADDRESS),
        counter_value: Some(0),
        association_token: Some(REQUEST_TOKEN),
        eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&key).unwrap())),
        ..EimConfigurationData::default()
    };
    let tokens = client.add_initial_eim(&AddInitialEimRequest { eims: vec![eim] }.to_der()).unwrap();
    let association = Association {
        eid: euicc.eid,
        counter: 0,
        association_token: tokens[0],
        download: DownloadWay::Direct,
    };
    server.wait(server.smdp().store.associate(&[association], NOW)).unwrap();
    client.close().unwrap()
}

fn ipa(server: &TestServer, card: Card, binding: MessageBinding) -> Ipa<Card> {
    let address = ServerAddress::parse(ADDRESS).unwrap();
    let connect_to = ConnectTo { host: ADDRESS.to_owned(), address: server.eim_socket(0) };
    let client = EsipaClient::new(server.device_tls(Some(&PKI.device)), address, &[connect_to]).unwrap();
    let around = Surroundings {
        network: Box::new(Everywhere),
        pauses: Box::new(NoPause),
        clock: server.clock.clone(),
    };
    let card = Es10Client::open(card).unwrap();
    let settings = Settings::default();
    Ipa::new(card, client.with_binding(binding), server.es9plus_client(), around, settings).unwrap()
}

fn poll(server: &TestServer, ipa: &mut Ipa<Card>) -> Polled {
    server.callers.block_on(ipa.poll_once(&mut |_, _| {})).unwrap()
}

fn state(server: &TestServer, id: &OperationId) -> &'static str {
    let kept = server.wait(server.smdp().store.operation(id)).unwrap().unwrap();
    kept.operation.state.name().as_str()
}

fn a_card_introduces_itself_and_lists_its_profiles() {
    for binding in [MessageBinding::Asn1, MessageBinding::Json] {
        let server = TestServer::with(SETTINGS, None);
        let mut ipa = ipa(&server, associated(&server), binding);
        // Nobody delivered the eUICC's certificates: it is asked who it is.
        assert_eq!(poll(&server, &mut ipa), Polled::Executed(Executed::Data));
        assert_eq!(poll(&server, &mut ipa), Polled::Nothing);
        let eim = eim(&server);
        let request = OperationRequest::new(Task::Audit);
        let person = Actor::Person(Person::parse("tester").unwrap());
        let created = server.wait(create_operation(&eim, &euicc::eid(0), &request, &person)).unwrap();
        assert_eq!(poll(&server, &mut ipa), Polled::Executed(Executed::EuiccPackage));
        assert_eq!(state(&server, &created.operation_id), "done");
        assert_eq!(ipa.card().retrieve_euicc_package_results().unwrap(), []);
        assert_eq!(poll(&server, &mut ipa), Polled::Nothing);
    }
}

/// A call with a body as it is, by the test PKI's device.
fn call(server: &TestServer, path: &str, body: Vec<u8>) -> Reply {
    call_with(server, path, body, &[])
}

fn call_with(server: &TestServer, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
    let client = server.device_http(Some(&PKI.device), 0);
    let mut request = client.post(format!("https://{ADDRESS}/gsma/rsp2/{path}")).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.callers.block_on(reply(request)).unwrap()
}

fn json_of(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn pair(reply: &Reply) -> String {
    let status = &json_of(reply)["header"]["functionExecutionStatus"];
    assert_eq!(status["status"], "Failed");
    let data = &status["statusCodeData"];
    format!("{}/{}", data["subjectCode"].as_str().unwrap(), data["reasonCode"].as_str().unwrap())
}

fn a_device_speaks_for_its_own_eid_alone() {
    let server = TestServer::with(SETTINGS, None);
    drop(associated(&server));
    let other = GetEimPackageRequest::new(euicc::eid(1).to_bcd());
    let answer = call(&server, ASN1, other.to_der());
    assert_eq!((answer.status, hex::encode_upper(&answer.body).as_str()), (200, "BF4F03020102"));
    let answer = call(&server, JSON, json!({ "eidValue": euicc::eid(1).as_str() }).to_string().into_bytes());
    assert_eq!((pair(&answer).as_str(), &json_of(&answer)["eimPackageError"]), ("8.1.1/3.9", &2.into()));
    server.end();
    let store = server.left_store();
    let refused = server.callers.block_on(store.esipa_refusals(None, 0, 10)).unwrap();
    assert!(refused.iter().all(|record| record.refusal.reason.as_str() == "other_eid"), "{refused:?}");
    assert!(!refused.is_empty());
}

fn what_is_no_call_is_refused() {
    let server = TestServer::with(SETTINGS, None);
    // No function of an eIM begins so.
    for body in
        [&b""[..], b"{}", &[0xA2, 0x02, 0xBF, 0x39], &[0xBF, 0x4E, 0x02, 0x05, 0x00], &[0xBF, 0x51, 0x00]]
    {
        assert_eq!(call(&server, ASN1, body.to_vec()).status, 400, "{}", hex::encode_upper(body));
    }
    for (body, answer) in [
        ("BF4F00", "BF4F03020104"),
        ("BF4F028000", "BF4F03020104"),
        ("BF4F035A0189", "BF4F03020103"),
        ("BF4F125A10FF049032000000000000279973200019", "BF4F03020103"),
        ("BF4F155A1089049032000000000000279973200019820101", "BF4F0302017F"),
        ("BF5000", "BF500302017F"),
        ("BF50065A0189BF5100", "BF5003020103"),
        ("BF5003BF5100", "BF500302017F"),
    ] {
        let reply = call(&server, ASN1, hex::decode(body).unwrap());
        assert_eq!((reply.status, hex::encode_upper(&reply.body).as_str()), (200, answer), "{body}");
        assert_eq!(reply.content_type.as_deref(), Some("application/x-gsma-rsp-asn1"));
    }
    for (body, status, expected) in [
        (&b"[]"[..], 400, "1.3.1/2.1"),
        (b"", 400, "1.3.1/2.1"),
        (b"{}", 200, "8.1.1/2.2"),
        (br#"{"eidValue":"1"}"#, 200, "8.1.1/2.1"),
    ] {
        let reply = call(&server, JSON, body.to_vec());
        assert_eq!(reply.content_type.as_deref(), Some("application/json;charset=UTF-8"));
        assert_eq!((reply.status, pair(&reply).as_str()), (status, expected), "{body:?}");
    }
    assert_eq!(call(&server, "esipa/nothing", b"{}".to_vec()).status, 404);
    assert_eq!(call(&server, ASN1, vec![0xBF; 256 * 1024 + 1]).status, 413);
    assert_eq!(call(&server, JSON, vec![b' '; 256 * 1024 + 1]).status, 413);
    // What the content type says is not looked at.
    let poll = GetEimPackageRequest::new(euicc::eid(0).to_bcd()).to_der();
    let reply = call_with(&server, ASN1, poll, &[("content-type", "text/plain")]);
    assert_eq!((reply.status, hex::encode_upper(&reply.body).as_str()), (200, "BF4F03020102"));
}

fn every_member_of_a_wrong_kind_is_named() {
    let server = TestServer::with(SETTINGS, None);
    let eid = euicc::eid(0);
    for (path, member, wrong, expected) in [
        (JSON, "eidValue", json!(1), "8.1.1/2.1"),
        (JSON, "eidValue", json!("8904"), "8.1.1/2.1"),
        (JSON, "notifyStateChange", json!("yes"), "1.6/2.1"),
        (JSON, "stateChangeCause", json!(-1), "1.6/2.1"),
        (JSON, "stateChangeCause", json!([]), "1.6/2.1"),
        (JSON, "rPlmn", json!("YvI="), "1.6/2.1"),
        ("esipa/provideEimPackageResult", "eimPackageResult", json!({}), "1.6/2.1"),
        ("esipa/provideEimPackageResult", "eimPackageResult", json!("BQA="), "1.6/2.1"),
        ("esipa/provideEimPackageResult", "eimPackageResult", Value::Null, "1.6/2.2"),
        ("esipa/provideEimPackageResult", "eidValue", json!(true), "8.1.1/2.1"),
    ] {
        let mut body = json!({ "eidValue": eid.as_str() });
        body[member] = wrong;
        let reply = call(&server, path, body.to_string().into_bytes());
        assert_eq!((reply.status, pair(&reply).as_str()), (200, expected), "{body}");
        if expected != "1.6/2.2" {
            let text = String::from_utf8(reply.body).unwrap();
            assert!(text.contains(member), "{text}");
        }
    }
}

fn the_version_of_a_device_is_stated_back() {
    let server = TestServer::with(SETTINGS, None);
    let poll = || GetEimPackageRequest::new(euicc::eid(0).to_bcd()).to_der();
    for (stated, answered, expected) in [
        (None, "gsma/rsp/v2.5.0", "BF4F03020102"),
        (Some("gsma/rsp/v2.1.0"), "gsma/rsp/v2.1.0", "BF4F03020102"),
        (Some("gsma/rsp/v3.0.0"), "gsma/rsp/v3.0.0", "BF4F03020102"),
        (Some("gsma/rsp/v1.0.0"), "gsma/rsp/v1.0.0", "BF4F0302017F"),
        (Some("something"), "gsma/rsp/v2.5.0", "BF4F0302017F"),
    ] {
        let headers: Vec<_> = stated.map(|stated| ("x-admin-protocol", stated)).into_iter().collect();
        let reply = call_with(&server, ASN1, poll(), &headers);
        assert_eq!(reply.admin_protocol.as_deref(), Some(answered), "{stated:?}");
        assert_eq!(hex::encode_upper(&reply.body), expected, "{stated:?}");
    }
    let headers = [("x-admin-protocol", "gsma/rsp/v1.0.0")];
    let body = json!({ "eidValue": euicc::eid(0).as_str() }).to_string().into_bytes();
    assert_eq!(pair(&call_with(&server, JSON, body, &headers)), "1.3.2/3.1");
}
