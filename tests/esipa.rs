//! ESipa over real mutual TLS: a card and its IPA with an eIM that asks, in both bindings; and what is no call, or none of
//! this device.

use serde_json::{Value, json};
use simyard::binding::MessageBinding;
use simyard::device::card::Card;
use simyard::device::ipa::{Everywhere, Executed, Ipa, Polled};
use simyard::domain::Task;
use simyard::eim::operations::OperationRequest;
use simyard_asn1::Encode as _;
use simyard_asn1::iot::esipa::GetEimPackageRequest;

use crate::server::{ADDRESS, PKI, Reply, TestServer, euicc, reply};

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

fn poll(server: &TestServer, ipa: &mut Ipa<Card>) -> Polled {
    server.callers.block_on(ipa.poll_once(&mut |_, _| {})).unwrap()
}

fn a_card_introduces_itself_and_lists_its_profiles() {
    for binding in [MessageBinding::Asn1, MessageBinding::Json] {
        let server = TestServer::with(SETTINGS, None);
        let mut ipa = server.ipa(server.associated_card(), binding, Everywhere);
        // Nobody delivered the eUICC's certificates: it is asked who it is.
        assert_eq!(poll(&server, &mut ipa), Polled::Executed(Executed::Data));
        assert_eq!(poll(&server, &mut ipa), Polled::Nothing);
        let id = server.operate(&OperationRequest::new(Task::Audit));
        assert_eq!(poll(&server, &mut ipa), Polled::Executed(Executed::EuiccPackage));
        assert_eq!(server.operation_state(&id), "done");
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
    drop(server.associated_card());
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
