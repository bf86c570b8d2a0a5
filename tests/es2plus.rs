//! ES2+ over mutual TLS: who may call, and every code of SGP.22 5.3.1 to 5.3.4. The sequences of SGP.23 stand in
//! `tests/conformance`.

use serde_json::{Value, json};
use simyard::ident::Iccid;
use simyard::pki::test_pki::{Issued, Kind};
use simyard_asn1::Oid;

use crate::server::euicc::{octets, otpk};
use crate::server::{
    ADDRESS, BETA, Euicc, Interface, OPERATOR, OTHERS_TYPE, OrderOptions, PKI, PROFILE_TYPE, Reply,
    TestServer, iccid,
};

pub mod client;

crate::tests!(
    nobody_without_a_known_certificate_gets_in,
    an_operator_acts_on_its_own_profiles_alone,
    download_order_reserves_or_says_why_not,
    download_order_repeated_gets_the_same_answer,
    confirm_order_finishes_the_order_or_says_why_not,
    confirm_order_repeated_gets_the_same_answer,
    cancel_order_erases_the_order_or_says_why_not,
    release_profile_releases_or_says_why_not,
    an_iccid_is_taken_in_every_form_that_operators_send,
    a_malformed_body_is_refused_and_changes_nothing,
);

pub const NO_ICCID: &str = "89882809999999999990";

/// A member that fits nowhere else: an EID that nobody holds.
pub const OTHER_EID: &str = "89049032000000000000279973209999";

pub fn reserve(server: &TestServer) -> Iccid {
    let answer = server.es2plus("downloadOrder", json!({ "profileType": PROFILE_TYPE })).unwrap();
    Iccid::parse(answer["iccid"].as_str().unwrap()).unwrap()
}

/// One call with any client certificate.
pub fn call_as(
    server: &TestServer,
    identity: Option<&Issued>,
    function: &str,
    body: Value,
) -> Result<Reply, String> {
    let client = server.http(identity, server.socket(Interface::Es2Plus));
    let request = client
        .post(format!("https://{ADDRESS}/gsma/rsp2/es2plus/{function}"))
        .header("Content-Type", "application/json")
        .body(server.with_header(body).to_string());
    server.try_send(request).map_err(|error| error.to_string())
}

/// TC_ES2Plus_Wrong_Client_Cert: refused in TLS, or by 403 before the body is read.
fn nobody_without_a_known_certificate_gets_in() {
    let server = TestServer::start();
    let body = || json!({ "profileType": PROFILE_TYPE });
    let unknown_operator = {
        let oid = Oid::parse("2.999.99").unwrap();
        PKI.ci_issuer().unwrap().issue_operator("nobody", &oid, &server.rng, crate::server::NOW).unwrap()
    };
    let in_tls = |what: &str, identity: Option<&Issued>| {
        let outcome = call_as(&server, identity, "downloadOrder", body());
        assert!(outcome.is_err(), "{what}: {outcome:?}");
    };
    in_tls("no certificate", None);
    let mut twins = 0;
    for twin in PKI.twins.iter().filter(|twin| twin.kind == Kind::Operator) {
        in_tls(&twin.name(), Some(twin));
        twins += 1;
    }
    assert_eq!(twins, 5);
    for function in ["downloadOrder", "confirmOrder", "cancelOrder", "releaseProfile"] {
        let reply = call_as(&server, Some(&unknown_operator), function, body()).unwrap();
        assert_eq!(reply.status, 403, "{function}");
        assert!(!String::from_utf8_lossy(&reply.body).contains("iccid"));
        let reply = call_as(&server, Some(&PKI.manufacturer), function, body()).unwrap();
        assert_eq!(reply.status, 403, "a manufacturer's certificate on {function}");
    }
    assert_eq!(server.available(), 10);
    let reply = call_as(&server, Some(&PKI.operator), "downloadOrder", body()).unwrap();
    assert!(reply.outcome().is_ok());
}

fn an_operator_acts_on_its_own_profiles_alone() {
    let server = TestServer::start();
    let others = server.ingest("beta", OTHERS_TYPE, 1).remove(0);
    let as_beta =
        |function: &str, body: Value| call_as(&server, Some(&BETA), function, body).unwrap().outcome();
    let own = reserve(&server);
    let own = own.as_str();
    for (function, body, code) in [
        ("downloadOrder", json!({ "iccid": own }), "8.2.1/1.2"),
        ("downloadOrder", json!({ "profileType": PROFILE_TYPE }), "8.2.5/1.2"),
        ("confirmOrder", json!({ "iccid": own, "releaseFlag": true }), "8.2.1/1.2"),
        ("releaseProfile", json!({ "iccid": own }), "8.2.1/1.2"),
        ("cancelOrder", json!({ "iccid": own, "finalProfileStatusIndicator": "Available" }), "8.2.1/1.2"),
    ] {
        assert_eq!(as_beta(function, body).unwrap_err(), code, "{function}");
        assert_eq!(server.state(&Iccid::parse(own).unwrap()), "Allocated");
    }
    // What the header claims counts for nothing.
    let claimed = json!({
        "header": { "functionRequesterIdentifier": "2.999.20", "functionCallIdentifier": "1" },
        "iccid": own,
        "releaseFlag": true,
    });
    assert_eq!(as_beta("confirmOrder", claimed).unwrap_err(), "8.2.1/1.2");
    // The other way round, and each with its own.
    let refused = server.es2plus("downloadOrder", json!({ "iccid": others.as_str() }));
    assert_eq!(refused.unwrap_err(), "8.2.1/1.2");
    let refused = server.es2plus("downloadOrder", json!({ "profileType": OTHERS_TYPE }));
    assert_eq!(refused.unwrap_err(), "8.2.5/1.2");
    let answer = as_beta("downloadOrder", json!({ "profileType": OTHERS_TYPE })).unwrap();
    assert_eq!(answer["iccid"], others.to_es2plus());
    // An identifier that another operator uses is in use; that tells no more than its existence.
    let body = json!({ "iccid": own, "releaseFlag": true, "matchingId": "SHARED" });
    server.es2plus("confirmOrder", body).unwrap();
    let body = json!({ "iccid": others.as_str(), "releaseFlag": true, "matchingId": "SHARED" });
    assert_eq!(as_beta("confirmOrder", body).unwrap_err(), "8.2.6/3.3");
}

/// 4.3.1.
fn download_order_reserves_or_says_why_not() {
    let server = TestServer::start();
    let eid = Euicc::new(0).eid;
    let one = iccid(3);
    let order = |body| server.es2plus("downloadOrder", body).map(|answer| answer["iccid"].clone());
    assert_eq!(order(json!({ "iccid": one.as_str() })).unwrap(), one.to_es2plus());
    assert_eq!(server.state(&one), "Allocated");
    let linked = iccid(4);
    order(json!({ "iccid": linked.as_str(), "eid": eid.as_str(), "profileType": PROFILE_TYPE })).unwrap();
    assert_eq!(server.state(&linked), "Linked");
    let typed = order(json!({ "profileType": PROFILE_TYPE, "eid": eid.as_str() })).unwrap();
    assert_eq!(server.state(&Iccid::parse(typed.as_str().unwrap()).unwrap()), "Linked");
    server.ingest("acme", "test", 1);
    order(json!({ "profileType": "test" })).unwrap();
    for (what, body, code) in [
        ("neither ICCID nor type", json!({}), "1.6/2.3"),
        ("unknown ICCID", json!({ "iccid": NO_ICCID }), "8.2.1/3.9"),
        ("in use, with an EID", json!({ "iccid": one.as_str(), "eid": eid.as_str() }), "8.2.1/3.3"),
        ("in use, without its EID", json!({ "iccid": linked.as_str() }), "8.2.1/3.3"),
        ("another type", json!({ "iccid": iccid(5).as_str(), "profileType": "test" }), "8.2.5/3.8"),
        ("unknown type", json!({ "profileType": "P-9" }), "8.2.5/3.9"),
        ("another spelling of the type", json!({ "profileType": "IOT" }), "8.2.5/3.9"),
        ("none left", json!({ "profileType": "test" }), "8.2.5/3.7"),
        (
            "an EID of 31 digits",
            json!({ "iccid": iccid(5).as_str(), "eid": "8904903200000000000027997320001" }),
            "1.6/2.1",
        ),
    ] {
        assert_eq!(order(body).unwrap_err(), code, "{what}");
    }
    assert_eq!(server.state(&iccid(5)), "Available");
}

fn download_order_repeated_gets_the_same_answer() {
    let server = TestServer::start();
    let eid = Euicc::new(0).eid;
    let order =
        |body: &Value| server.es2plus("downloadOrder", body.clone()).map(|answer| answer["iccid"].clone());
    // By ICCID: under any call identifier.
    let body = json!({ "iccid": iccid(9).as_str(), "eid": eid.as_str() });
    assert_eq!(order(&body).unwrap(), order(&body).unwrap());
    assert_eq!(server.available(), 9);
    // By type: under the same one, for a while; under another one it is a new order.
    let named = server.with_header(json!({ "profileType": PROFILE_TYPE }));
    let first = order(&named).unwrap();
    assert_eq!(order(&named).unwrap(), first);
    let other = order(&json!({ "profileType": PROFILE_TYPE })).unwrap();
    assert_ne!(other, first);
    let mut linked = named.clone();
    linked["eid"] = eid.as_str().into();
    assert_ne!(order(&linked).unwrap(), first, "other parameters are another order");
    server.clock.advance(std::time::Duration::from_secs(61));
    assert_ne!(order(&named).unwrap(), first, "call identifiers come again one day");
    // Once it is confirmed it is no repetition any more.
    let body = json!({ "iccid": first, "releaseFlag": true });
    server.es2plus("confirmOrder", body).unwrap();
    assert_eq!(order(&json!({ "iccid": first })).unwrap_err(), "8.2.1/3.3");
}

/// 4.3.2.
fn confirm_order_finishes_the_order_or_says_why_not() {
    let server = TestServer::start();
    let eid = Euicc::new(0).eid;
    let confirm = |iccid: &Iccid, members: Value| {
        let mut body = json!({ "iccid": iccid.as_str(), "releaseFlag": true });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.es2plus("confirmOrder", body)
    };
    let used = reserve(&server);
    let answer = confirm(&used, json!({ "matchingId": "IN-USE" })).unwrap();
    assert_eq!((&answer["matchingId"], &answer["smdpAddress"]), (&json!("IN-USE"), &json!(ADDRESS)));
    assert_eq!(answer.get("eid"), None);
    assert_eq!(server.state(&used), "Released");

    let one = reserve(&server);
    let available = iccid(10);
    for (what, iccid, members, code) in [
        ("unknown ICCID", &Iccid::parse(NO_ICCID).unwrap(), json!({}), "8.2.1/3.9"),
        ("not ordered", &available, json!({}), "8.2.1/3.3"),
        ("confirmed otherwise", &used, json!({ "matchingId": "OTHER" }), "8.2.1/3.3"),
        ("identifier in use", &one, json!({ "matchingId": "IN-USE" }), "8.2.6/3.3"),
        ("SM-DS", &one, json!({ "smdsAddress": "ds.example.com", "eid": eid.as_str() }), "8.9/5.1"),
        ("SM-DS without EID", &one, json!({ "smdsAddress": "ds.example.com" }), "8.1.1/2.2"),
        ("empty identifier without EID", &one, json!({ "matchingId": "" }), "8.1.1/2.2"),
        ("characters of no identifier", &one, json!({ "matchingId": "A$B" }), "1.6/2.1"),
        ("an address that is none", &one, json!({ "smdsAddress": "a b" }), "1.6/2.1"),
        ("a code as a number", &one, json!({ "confirmationCode": 1234 }), "1.6/2.1"),
    ] {
        assert_eq!(confirm(iccid, members).unwrap_err(), code, "{what}");
    }
    assert_eq!(server.state(&one), "Allocated", "a refusal leaves the order as it was");
    let answer = confirm(&one, json!({ "matchingId": "", "eid": eid.as_str() })).unwrap();
    assert_eq!((&answer["matchingId"], &answer["eid"]), (&json!(""), &json!(eid.as_str())));

    let body = json!({ "profileType": PROFILE_TYPE, "eid": eid.as_str() });
    let linked = server.es2plus("downloadOrder", body).unwrap();
    let linked = Iccid::parse(linked["iccid"].as_str().unwrap()).unwrap();
    assert_eq!(confirm(&linked, json!({ "eid": OTHER_EID })).unwrap_err(), "8.1.1/3.10");
    let answer = confirm(&linked, json!({})).unwrap();
    assert_eq!(answer["eid"], eid.as_str());
    let drawn = answer["matchingId"].as_str().unwrap();
    assert!(
        drawn.len() > 16 && drawn.bytes().all(|c| c == b'-' || c.is_ascii_uppercase() || c.is_ascii_digit())
    );
}

fn confirm_order_repeated_gets_the_same_answer() {
    let server = TestServer::start();
    let eid = Euicc::new(0).eid;
    for members in [
        json!({ "releaseFlag": true }),
        json!({ "releaseFlag": false }),
        json!({ "releaseFlag": true, "matchingId": "GIVEN", "confirmationCode": "0000" }),
        json!({ "releaseFlag": true, "matchingId": "", "eid": eid.as_str() }),
    ] {
        let iccid = reserve(&server);
        let mut body = members.clone();
        body["iccid"] = iccid.as_str().into();
        let first = server.es2plus("confirmOrder", body.clone()).unwrap();
        let again = server.es2plus("confirmOrder", body.clone()).unwrap();
        assert_eq!(first, again, "{members}");
        for (name, value) in [
            ("releaseFlag", json!(members["releaseFlag"] == false)),
            ("confirmationCode", json!("1111")),
            ("matchingId", json!("ANOTHER")),
        ] {
            let mut body = body.clone();
            body[name] = value;
            assert_eq!(server.es2plus("confirmOrder", body).unwrap_err(), "8.2.1/3.3", "{members} {name}");
        }
    }
}

/// 4.3.3.
fn cancel_order_erases_the_order_or_says_why_not() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let eid = euicc.eid.as_str();
    let cancel = |iccid: &Iccid, members: Value| {
        let mut body = json!({ "iccid": iccid.as_str(), "finalProfileStatusIndicator": "Available" });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.es2plus("cancelOrder", body).map(|answer| answer.as_object().unwrap().len())
    };
    let options = OrderOptions { eid: Some(eid), matching_id: Some("MINE"), ..OrderOptions::default() };
    let order = server.order(options);
    for (what, iccid, members, code) in [
        ("unknown ICCID", &Iccid::parse(NO_ICCID).unwrap(), json!({}), "8.2.1/3.9"),
        ("no order", &iccid(10), json!({}), "8.2.1/3.3"),
        ("no final status", &order.iccid, json!({ "finalProfileStatusIndicator": null }), "8.2.1/2.2"),
        ("no such status", &order.iccid, json!({ "finalProfileStatusIndicator": "Gone" }), "1.6/2.1"),
        ("no identifier", &order.iccid, json!({ "eid": eid }), "8.2.6/3.10"),
        ("another identifier", &order.iccid, json!({ "eid": eid, "matchingId": "YOURS" }), "8.2.6/3.10"),
        ("no EID", &order.iccid, json!({ "matchingId": "MINE" }), "8.1.1/3.10"),
        ("another EID", &order.iccid, json!({ "matchingId": "MINE", "eid": OTHER_EID }), "8.1.1/3.10"),
    ] {
        assert_eq!(cancel(iccid, members).unwrap_err(), code, "{what}");
    }
    assert_eq!(server.state(&order.iccid), "Released");
    let members = json!({ "eid": eid, "matchingId": "MINE" });
    assert_eq!(cancel(&order.iccid, members.clone()).unwrap(), 1, "the header alone");
    assert_eq!(server.state(&order.iccid), "Available");
    assert_eq!(cancel(&order.iccid, members.clone()).unwrap_err(), "8.2.1/3.3");
    assert_eq!(server.authenticate(&euicc, Some("MINE")).unwrap_err(), "8.2.6/3.8");
    // The identifier is free again, and the counters begin anew.
    let order = server.order(options);
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
    let offer = server.authenticate(&euicc, Some("MINE")).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(cancel(&order.iccid, members.clone()).unwrap_err(), "8.2.1/3.3", "an eUICC has it");
    let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(cancel(&order.iccid, members).unwrap_err(), "8.2.1/3.3", "installed");
    // Reserved only: nothing to name. For good: never to be ordered again.
    let reserved = reserve(&server);
    cancel(&reserved, json!({ "finalProfileStatusIndicator": "Unavailable" })).unwrap();
    assert_eq!(server.state(&reserved), "Unavailable");
    let refused = server.es2plus("downloadOrder", json!({ "iccid": reserved.as_str() }));
    assert_eq!(refused.unwrap_err(), "8.2.1/3.3");
}

/// 4.3.4.
fn release_profile_releases_or_says_why_not() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let release = |iccid: &Iccid| {
        server
            .es2plus("releaseProfile", json!({ "iccid": iccid.as_str() }))
            .map(|answer| answer.as_object().unwrap().len())
    };
    assert_eq!(release(&Iccid::parse(NO_ICCID).unwrap()).unwrap_err(), "8.2.1/3.9");
    assert_eq!(release(&iccid(10)).unwrap_err(), "8.2.1/3.5", "Available");
    assert_eq!(release(&reserve(&server)).unwrap_err(), "8.2.1/3.5", "Allocated");
    let held = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
    assert_eq!(server.authenticate(&euicc, Some(&held.matching_id)).unwrap_err(), "8.2/1.2");
    assert_eq!(release(&held.iccid).unwrap(), 1, "the header alone");
    assert_eq!(release(&held.iccid).unwrap(), 1, "repeated");
    assert_eq!(server.state(&held.iccid), "Released");
    let at_once = server.order(OrderOptions::default());
    assert_eq!(release(&at_once.iccid).unwrap_err(), "8.2.1/3.5", "ConfirmOrder released it");
    let offer = server.authenticate(&euicc, Some(&held.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(release(&held.iccid).unwrap_err(), "8.2.1/3.5", "Downloaded");
}

fn an_iccid_is_taken_in_every_form_that_operators_send() {
    let server = TestServer::start();
    let stock: Vec<(&str, &str)> = vec![
        ("898828099900000001", "901405109000001"),
        ("8988280999000000002", "901405109000002"),
        ("89882809990000000030", "901405109000003"),
    ];
    let rows: String = stock
        .iter()
        .map(|(iccid, imsi)| {
            let key = "00112233445566778899aabbccddeeff";
            format!("{iccid},{imsi},{key},{key},1234,12345678,5678,87654321,11223344\n")
        })
        .collect();
    let file = format!("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n{rows}");
    server.ingest_file(file.as_bytes(), OPERATOR, PROFILE_TYPE).unwrap();
    for (sent, answered) in [
        ("898828099900000001", "898828099900000001"),
        ("8988280999000000002", "8988280999000000002F"),
        ("8988280999000000002F", "8988280999000000002F"),
        ("8988280999000000002f", "8988280999000000002F"),
        ("89882809990000000030", "89882809990000000030"),
    ] {
        let answer = server.es2plus("downloadOrder", json!({ "iccid": sent })).unwrap();
        assert_eq!(answer["iccid"], answered, "{sent}");
    }
    for none in
        ["", "89882809990000001", "898828099900000000301", "8988280999000000003A", "F8988280999000000002"]
    {
        let refused = server.es2plus("downloadOrder", json!({ "iccid": none }));
        assert_eq!(refused.unwrap_err(), "1.6/2.1", "{none:?}");
    }
}

fn a_malformed_body_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let store = server.smdp().store.clone();
    let everything = || server.wait(store.orders_after(None, 1000)).unwrap();
    let held = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
    let reserved = reserve(&server);
    let before = everything();
    let functions = [
        ("downloadOrder", json!({ "iccid": iccid(10).as_str() }), vec![]),
        (
            "confirmOrder",
            json!({ "iccid": reserved.as_str(), "releaseFlag": true }),
            vec!["iccid", "releaseFlag"],
        ),
        ("releaseProfile", json!({ "iccid": held.iccid.as_str() }), vec!["iccid"]),
        (
            "cancelOrder",
            json!({ "iccid": reserved.as_str(), "finalProfileStatusIndicator": "Available" }),
            vec!["iccid"],
        ),
    ];
    for (function, body, mandatory) in functions {
        let body = server.with_header(body);
        let post = |body: Vec<u8>| server.post(Interface::Es2Plus, function, body);
        let text = body.to_string();
        for octets in
            [vec![], text.as_bytes()[1..].to_vec(), b"null".to_vec(), b"\"x\"".to_vec(), vec![0xFF; 9]]
        {
            assert_eq!(post(octets).status, 400, "{function}");
        }
        assert_eq!(post(vec![b' '; 300_000]).status, 413, "{function}");
        for member in mandatory.into_iter().chain(["header"]) {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(member);
            assert_eq!(
                post(without.to_string().into_bytes()).outcome().unwrap_err(),
                "1.6/2.2",
                "{function} {member}"
            );
            let mut wrong = body.clone();
            wrong[member] = json!([1]);
            assert_eq!(
                post(wrong.to_string().into_bytes()).outcome().unwrap_err(),
                "1.6/2.1",
                "{function} {member}"
            );
        }
        for member in ["functionRequesterIdentifier", "functionCallIdentifier"] {
            let mut without = body.clone();
            without["header"].as_object_mut().unwrap().remove(member);
            assert_eq!(
                post(without.to_string().into_bytes()).outcome().unwrap_err(),
                "1.6/2.2",
                "{function} {member}"
            );
            let mut long = body.clone();
            long["header"][member] = "x".repeat(257).into();
            assert_eq!(
                post(long.to_string().into_bytes()).outcome().unwrap_err(),
                "1.6/2.1",
                "{function} {member}"
            );
        }
        let request = server.request(Interface::Es2Plus, function);
        let request = request.header("X-Admin-Protocol", "gsma/rsp/v1.0.0").body(text);
        assert_eq!(server.try_send(request).unwrap().outcome().unwrap_err(), "1.3.2/3.1", "{function}");
        assert_eq!(everything(), before, "{function}");
    }
}
