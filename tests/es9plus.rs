//! ES9+ over the wire: bodies, headers, and what each function does beyond the sequences of SGP.23, which stand in
//! `tests/conformance`.

use serde_json::{Value, json};
use simyard::domain::{Attempts, Delivered, Operator, Order, Person, ProfileType};
use simyard::profile::icon::Icon;
use simyard::smdp::manual_order::{Expiry, Goal, Hand, NewOrder, Wanted, place_order};

use crate::server::euicc::{base64, octets, otpk};
use crate::server::{Euicc, Interface, OPERATOR, OrderOptions, TestServer};

pub mod asn1;
pub mod authenticate_client;
pub mod cancel_session;
pub mod curves;
pub mod eligibility;
pub mod failures;
pub mod get_bound_profile_package;
pub mod handle_notification;
pub mod initiate_authentication;
pub mod matching;

crate::tests!(
    a_malformed_body_is_refused_and_changes_nothing,
    what_clients_do_otherwise_is_tolerated,
    headers_say_which_protocol,
    what_is_no_function_is_not_found,
    a_body_that_never_ends_is_cut_off,
);

/// An order that asks for nothing special.
pub fn new_order() -> NewOrder {
    NewOrder {
        eid: None,
        matching_id: None,
        code_hash: None,
        goal: Goal::Released,
        expiry: Expiry::Never,
        attempts: Attempts::default(),
        key_mode: None,
        metadata: None,
        needed: Delivered::default(),
    }
}

/// An order that ES2+ has no words for.
pub fn by_hand(server: &TestServer, profile_type: &str, new: NewOrder) -> Order {
    let owner = Operator::parse(OPERATOR).unwrap();
    let wanted = Wanted::Type(owner, ProfileType::parse(profile_type).unwrap());
    let hand = Hand { person: Person::unknown(), at: server.clock.now() };
    server.wait(place_order(&server.smdp().store, &server.rng, &hand, &wanted, &new)).unwrap()
}

/// An image of so many octets that passes for an icon.
pub fn icon(octets: usize) -> Icon {
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40".to_vec();
    image.resize(octets - 12, 7);
    image.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    Icon::new(image).unwrap()
}

/// The five functions with a body that would succeed once.
fn honest(server: &TestServer) -> Vec<(&'static str, Value)> {
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let authenticate =
        json!({ "transactionId": initiated.transaction_id, "authenticateServerResponse": base64(&response) });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let id = octets(&offer.transaction_id);
    let prepared = euicc.preparation(&offer, &id, &otpk(1), None);
    let package =
        json!({ "transactionId": offer.transaction_id, "prepareDownloadResponse": base64(&prepared) });
    let cancelled = euicc.cancellation(&id, "2.999.10", 1);
    let cancel =
        json!({ "transactionId": offer.transaction_id, "cancelSessionResponse": base64(&cancelled) });
    let result = euicc.result(&id, &order.iccid, 1, None);
    vec![
        ("initiateAuthentication", euicc.initiation()),
        ("authenticateClient", authenticate),
        ("getBoundProfilePackage", package),
        ("handleNotification", json!({ "pendingNotification": base64(&result) })),
        ("cancelSession", cancel),
    ]
}

fn a_malformed_body_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let functions = honest(&server);
    let store = server.smdp().store.clone();
    let everything = || server.wait(store.orders_after(None, 1000)).unwrap();
    let before = (everything(), server.smdp().sessions.len());
    let unchanged = |what: &str| {
        assert_eq!((everything(), server.smdp().sessions.len()), before, "{what}");
    };
    for (function, body) in &functions {
        let notification = *function == "handleNotification";
        let post = |body: Vec<u8>| server.post(Interface::Es9Plus, function, body);
        let text = body.to_string();
        let half = text.as_bytes()[..text.len() / 2].to_vec();
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        for (what, octets) in [
            ("nothing", Vec::new()),
            ("half a body", half),
            ("an array", b"[]".to_vec()),
            ("a number", b"1".to_vec()),
            ("no UTF-8", b"{\"transactionId\":\"\xFF\"}".to_vec()),
            ("two bodies", [text.as_bytes(), text.as_bytes()].concat()),
            ("very deep", deep),
        ] {
            assert_eq!(post(octets).status, 400, "{function}: {what}");
            unchanged(what);
        }
        for member in body.as_object().unwrap().keys() {
            let changed = |value: Option<Value>| {
                let mut body = body.clone();
                match value {
                    Some(value) => body[member] = value,
                    None => drop(body.as_object_mut().unwrap().remove(member)),
                }
                let reply = post(body.to_string().into_bytes());
                unchanged(member);
                if notification {
                    // The LPA would send it for ever.
                    assert_eq!(reply.status, 204, "{member}");
                    return None;
                }
                Some(reply.outcome().unwrap_err())
            };
            for (value, code) in [
                (None, "1.6/2.2"),
                (Some(Value::Null), "1.6/2.2"),
                (Some(json!(7)), "1.6/2.1"),
                (Some(json!(["AA=="])), "1.6/2.1"),
                (Some(json!("§")), if member == "smdpAddress" { "8.8.1/3.8" } else { "1.6/2.1" }),
            ] {
                let what = format!("{function} {member} {value:?}");
                assert!(changed(value).is_none_or(|found| found == code), "{what}");
            }
        }
        // Larger than any message.
        let large = json!({ "transactionId": "A".repeat(300_000) }).to_string();
        assert_eq!(post(large.into_bytes()).status, 413, "{function}");
        unchanged("a large body");
    }
    // Nothing of it spoilt a session.
    for (function, body) in &functions {
        let reply = server.post(Interface::Es9Plus, function, body.to_string());
        assert!(reply.status == 204 || reply.outcome().is_ok() || *function == "cancelSession", "{function}");
    }
}

fn what_clients_do_otherwise_is_tolerated() {
    let server = TestServer::start();
    type Change = fn(&mut Value);
    let change: [(&str, Change); 4] = [
        ("a lower-case transactionId", |body| {
            if let Some(id) = body.get("transactionId") {
                body["transactionId"] = id.as_str().unwrap().to_lowercase().into();
            }
        }),
        ("a header object", |body| {
            let header = json!({ "functionRequesterIdentifier": "", "functionCallIdentifier": "x" });
            body["header"] = header;
        }),
        ("members nobody knows", |body| body["lpaRspCapability"] = json!({ "x": [1, 2] })),
        ("base64 in lines and without padding", |body| {
            for value in body.as_object_mut().unwrap().values_mut() {
                let text = value.as_str().unwrap_or_default();
                if text.len() > 40 && !text.contains('.') {
                    let lines = text.trim_end_matches('=').as_bytes().chunks(19);
                    let lines: Vec<&str> = lines.map(|line| std::str::from_utf8(line).unwrap()).collect();
                    *value = lines.join("\r\n").into();
                }
            }
        }),
    ];
    for (what, change) in change {
        for (function, mut body) in honest(&server) {
            // The result ended the session that this would cancel.
            if function == "cancelSession" {
                continue;
            }
            change(&mut body);
            let reply = server.post(Interface::Es9Plus, function, body.to_string());
            assert!(reply.status == 204 || reply.outcome().is_ok(), "{function}: {what}: {reply:?}");
        }
    }
}

fn headers_say_which_protocol() {
    let server = TestServer::start();
    let body = Euicc::new(0).initiation().to_string();
    let call = |protocol: Option<&str>| {
        let request = server.request(Interface::Es9Plus, "initiateAuthentication").body(body.clone());
        let request = match protocol {
            Some(protocol) => request.header("X-Admin-Protocol", protocol),
            None => request,
        };
        server.try_send(request).unwrap()
    };
    for good in [
        None,
        Some("gsma/rsp/v2.0.0"),
        Some("gsma/rsp/v2.2.0"),
        Some("gsma/rsp/v2.99.1"),
        Some("gsma/rsp/v3.1.0"),
    ] {
        let reply = call(good);
        assert!(reply.outcome().is_ok(), "{good:?}");
        assert_eq!(reply.admin_protocol.as_deref(), Some("gsma/rsp/v2.5.0"));
        assert_eq!(reply.content_type.as_deref(), Some("application/json;charset=UTF-8"));
    }
    for bad in ["gsma/rsp/v1.0.0", "gsma/rsp/v", "gsma/rsp/v300.0.0", "v2.2.0", "", "gsma/rsp/v2x"] {
        assert_eq!(call(Some(bad)).outcome().unwrap_err(), "1.3.2/3.1", "{bad:?}");
    }
    // Notifications are answered without a body, whatever the outcome.
    let request = server.request(Interface::Es9Plus, "handleNotification");
    let reply = server.try_send(request.header("X-Admin-Protocol", "gsma/rsp/v1.0.0").body("{}")).unwrap();
    assert_eq!((reply.status, reply.body.len()), (204, 0));
}

fn what_is_no_function_is_not_found() {
    let server = TestServer::start();
    for function in ["downloadOrder", "../es2plus/downloadOrder", "InitiateAuthentication", "", "x/y"] {
        assert_eq!(server.post(Interface::Es9Plus, function, "{}").status, 404, "{function:?}");
    }
    assert_eq!(server.post(Interface::Es2Plus, "initiateAuthentication", "{}").status, 404);
}

/// The sender declares more than it may: it hears so, or is cut off, before it has sent all of it.
fn a_body_that_never_ends_is_cut_off() {
    let server = TestServer::start();
    let large = vec![b' '; 8 * 1024 * 1024];
    let request = server.request(Interface::Es9Plus, "authenticateClient").body(large);
    if let Ok(reply) = server.try_send(request) {
        assert_eq!(reply.status, 413);
    }
    server.initiate(&Euicc::new(0));
}
