//! What every function has in common when it fails (SGP.22 5.2.6.3, 6.2, 6.3, 6.5.1.4): paths, methods, protocol
//! versions, members of the answer, and messages that cannot be decoded. Missing and wrong members are tried at each
//! function in [`crate::es9plus`] and [`crate::es2plus`].

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use simyard_asn1::rsp::es9plus::Envelope;
use simyard_asn1::rsp::info::EuiccInfo1;
use simyard_asn1::saip::Package;
use simyard_asn1::tlv::MAX_DEPTH;
use simyard_asn1::{Decode as _, ErrorKind, Tag};

use crate::server::euicc::{base64, ci_key, info1, nested, tlv};
use crate::server::{ADDRESS, Euicc, Interface, OrderOptions, TestServer, iccid};

crate::tests!(
    a_failure_has_exactly_the_members_of_the_standard,
    the_value_concerned_is_told_where_it_says_more_than_the_request,
    another_method_or_path_is_no_function,
    a_protocol_version_that_is_not_served_is_refused_by_every_function,
    every_kind_of_decoding_error_is_made_by_a_message,
    a_message_that_cannot_be_decoded_is_refused_by_its_function,
);

const ES9PLUS: [&str; 4] =
    ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage", "cancelSession"];
const ES2PLUS: [&str; 4] = ["downloadOrder", "confirmOrder", "cancelOrder", "releaseProfile"];

/// The functions that answer with a body.
fn functions() -> impl Iterator<Item = (Interface, &'static str)> {
    let es9plus = ES9PLUS.map(|function| (Interface::Es9Plus, function));
    es9plus.into_iter().chain(ES2PLUS.map(|function| (Interface::Es2Plus, function)))
}

/// statusCodeData of a failure, whose form is checked.
fn failure(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let names = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&body), ["header"]);
    assert_eq!(names(&body["header"]), ["functionExecutionStatus"]);
    let status = &body["header"]["functionExecutionStatus"];
    assert_eq!(names(status), ["status", "statusCodeData"]);
    assert_eq!(status["status"], "Failed");
    let data = status["statusCodeData"].clone();
    for name in names(&data) {
        assert!(
            ["subjectCode", "reasonCode", "subjectIdentifier", "message"].contains(&name.as_str()),
            "{name}"
        );
        assert!(data[&name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    assert!(data.get("message").is_some(), "a message for people");
    data
}

/// Whether it cannot be read, is refused, or the caller has no session.
fn a_failure_has_exactly_the_members_of_the_standard() {
    let server = TestServer::start();
    let session = |member: &str| json!({ "transactionId": "00FF", member: "AAAA" });
    for (interface, function, body, pair) in [
        (Interface::Es9Plus, "initiateAuthentication", json!({}), "1.6/2.2"),
        (Interface::Es9Plus, "authenticateClient", session("authenticateServerResponse"), "8.10.1/3.9"),
        (Interface::Es9Plus, "getBoundProfilePackage", session("prepareDownloadResponse"), "8.10.1/3.9"),
        (Interface::Es9Plus, "cancelSession", session("cancelSessionResponse"), "8.10.1/3.9"),
        (Interface::Es2Plus, "downloadOrder", json!({}), "1.6/2.3"),
        (Interface::Es2Plus, "confirmOrder", json!({ "iccid": 7, "releaseFlag": true }), "1.6/2.1"),
        (Interface::Es2Plus, "releaseProfile", json!({ "iccid": iccid(1).as_str() }), "8.2.1/3.5"),
        (Interface::Es2Plus, "cancelOrder", json!({ "iccid": iccid(1).as_str() }), "8.2.1/2.2"),
    ] {
        let body = match interface {
            Interface::Es9Plus => body,
            Interface::Es2Plus => server.with_header(body),
        };
        let reply = server.post(interface, function, body.to_string());
        assert_eq!((reply.status, reply.outcome().unwrap_err().as_str()), (200, pair), "{function}");
        failure(&reply.body);
        assert_eq!(reply.admin_protocol.as_deref(), Some("gsma/rsp/v2.5.0"));
        assert_eq!(reply.content_type.as_deref(), Some("application/json;charset=UTF-8"));
    }
    for (interface, function) in functions() {
        let reply = server.post(interface, function, "{");
        assert_eq!(reply.status, 400, "{function}");
        let data = failure(&reply.body);
        assert_eq!((&data["subjectCode"], &data["reasonCode"]), (&json!("1.3.1"), &json!("2.1")));
    }
}

/// The address that a client contacted: it may not know what it sends.
fn the_value_concerned_is_told_where_it_says_more_than_the_request() {
    let server = TestServer::start();
    let mut body = Euicc::new(0).initiation();
    body["smdpAddress"] = "other.example.com".into();
    let reply = server.post(Interface::Es9Plus, "initiateAuthentication", body.to_string());
    let data = failure(&reply.body);
    assert_eq!((&data["subjectCode"], &data["reasonCode"]), (&json!("8.8.1"), &json!("3.8")));
    assert_eq!(data["subjectIdentifier"], "other.example.com");
    // It is cut, as the message is.
    body["smdpAddress"] = "x".repeat(5000).into();
    let reply = server.post(Interface::Es9Plus, "initiateAuthentication", body.to_string());
    assert_eq!(failure(&reply.body)["subjectIdentifier"], "x".repeat(64));
}

fn another_method_or_path_is_no_function() {
    let server = TestServer::start();
    for (interface, function) in functions().chain([(Interface::Es9Plus, "handleNotification")]) {
        let name = match interface {
            Interface::Es9Plus => "es9plus",
            Interface::Es2Plus => "es2plus",
        };
        let client = server.client(interface);
        let url = format!("https://{ADDRESS}/gsma/rsp2/{name}/{function}");
        for request in [client.get(&url), client.put(&url).body("{}"), client.delete(&url)] {
            assert_eq!(server.try_send(request).unwrap().status, 405, "{function}");
        }
        for path in [format!("{url}/"), format!("{url}x"), url.replace("rsp2", "rsp3"), url.to_uppercase()] {
            let path = path.replace("HTTPS://SMDP.EXAMPLE.COM", "https://smdp.example.com");
            assert_eq!(server.try_send(client.post(&path).body("{}")).unwrap().status, 404, "{path}");
        }
        assert_eq!(server.try_send(client.post(format!("{url}?a=b")).body("[]")).unwrap().status, 400);
    }
}

/// Before anything of the body is looked at.
fn a_protocol_version_that_is_not_served_is_refused_by_every_function() {
    let server = TestServer::start();
    for (interface, function) in functions() {
        for body in ["{}", "no JSON"] {
            let request = server.request(interface, function).header("X-Admin-Protocol", "gsma/rsp/v1.1.0");
            let reply = server.try_send(request.body(body)).unwrap();
            assert_eq!(reply.outcome().unwrap_err(), "1.3.2/3.1", "{function}");
            failure(&reply.body);
        }
    }
}

/// EUICCInfo1 with one thing wrong, and what that is.
fn broken_messages() -> Vec<(&'static str, Vec<u8>)> {
    let ci: &[u8] = ci_key();
    let good = info1([2, 2, 2], &[ci], &[ci]);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = good.clone();
        change(&mut octets);
        octets
    };
    let mut deep = Vec::new();
    for _ in 0..MAX_DEPTH + 2 {
        deep = tlv(Tag::SEQUENCE, &deep);
    }
    vec![
        ("Depth", nested(Tag(0xBF20), &[&good[3..], &deep])),
        ("Form", good[..good.len() - 1].to_vec()),
        ("Missing", Vec::new()),
        ("Form", vec![0xBF]),
        ("Form", vec![0xBF, 0x20, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("Form", with(&|octets| octets.splice(2..3, [0x81, good[2]]).for_each(drop))),
        ("Form", [&[0xBF, 0x20, 0x80], &good[3..], &[0, 0]].concat()),
        ("Tag", with(&|octets| octets[1] = 0x21)),
        ("Missing", vec![0xBF, 0x20, 0x05, 0x82, 0x03, 2, 2, 2]),
        (
            "Value",
            with(&|octets| {
                octets[2] += 1;
                octets.splice(3..8, [0x82, 4, 2, 2, 2, 2]).for_each(drop);
            }),
        ),
        ("Trailing", [&good[..], &[0x05, 0x00]].concat()),
    ]
}

/// The name of a kind: exhaustive, so that a new one asks for a message here.
const fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Form => "Form",
        ErrorKind::IndefiniteLength => "IndefiniteLength",
        ErrorKind::Tag { .. } => "Tag",
        ErrorKind::Missing { .. } => "Missing",
        ErrorKind::Choice { .. } => "Choice",
        ErrorKind::Value => "Value",
        ErrorKind::Trailing => "Trailing",
        ErrorKind::Depth => "Depth",
    }
}

fn every_kind_of_decoding_error_is_made_by_a_message() {
    let mut made = BTreeSet::new();
    for (kind, octets) in broken_messages() {
        let error = EuiccInfo1::from_der(&octets).map(drop).unwrap_err();
        assert_eq!(name(error.kind), kind, "{octets:02X?}: {error}");
        assert!(error.offset <= octets.len(), "{error}");
        assert!(error.to_string().contains(error.what), "{error}");
        made.insert(kind.to_owned());
    }
    // EUICCInfo1 has no CHOICE, and is read as DER, where the indefinite form is no length.
    let choice = Envelope::from_der(&[0xA2, 0x03, 0xBF, 0x40, 0x00]).map(drop).unwrap_err();
    made.insert(name(choice.kind).to_owned());

    let indefinite = Package::from_ber(&[0xAA, 0x80, 0x00, 0x00]).map(drop).unwrap_err();
    made.insert(name(indefinite.kind).to_owned());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("asn1/src/tlv.rs");
    let source = fs::read_to_string(source).unwrap();
    let body = source.split_once("pub enum ErrorKind {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let written: BTreeSet<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned())
        .collect();
    assert_eq!(made, written);
}

/// An input parameter: 1.6/2.1. What an eUICC signed and cannot be read does not verify: 8.1/6.1.
fn a_message_that_cannot_be_decoded_is_refused_by_its_function() {
    let server = TestServer::start();
    server.ingest("acme", "iot", 10);
    let euicc = Euicc::new(0);
    for (kind, octets) in broken_messages() {
        let mut body = euicc.initiation();
        body["euiccInfo1"] = base64(&octets);
        let refused = server.es9plus("initiateAuthentication", &body);
        assert_eq!(refused.unwrap_err(), "1.6/2.1", "{kind}");
        let initiated = server.initiate(&euicc);
        let refused = server.authenticate_with(&initiated.transaction_id, &octets);
        assert_eq!(refused.unwrap_err(), "8.1/6.1", "{kind}");
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let refused = server.package_with(&offer.transaction_id, &octets);
        assert_eq!(refused.unwrap_err(), "8.1/6.1", "{kind}");
        let refused = server.cancel_with(&offer.transaction_id, &octets);
        assert_eq!(refused.unwrap_err(), "8.1/6.1", "{kind}");
        // The session is where it was.
        server.cancel(&euicc, &offer.transaction_id, 0).unwrap();
    }
}
