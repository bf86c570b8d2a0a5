//! The ASN.1 binding of ES9+ (SGP.22 6.6): the same functions behind one path. Its errors, which are integers (annex H),
//! are those of `tests/examples`.

use serde_json::json;
use simyard::binding::MessageBinding;
use simyard::client::ClientError;
use simyard::device::lpa::{Decision, LpaError};
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::{Decode as _, Reader, Tag};

use crate::conformance::sequence;
use crate::server::asn1::{self, CONTENT_TYPE};
use crate::server::euicc::{base64, from_base64, nested, octets, otpk, tlv};
use crate::server::{ADDRESS, Euicc, Interface, OrderOptions, PKI, TestServer, download_request};

crate::tests!(
    a_card_downloads_over_it,
    a_session_may_change_the_binding_at_every_call,
    both_taggings_of_a_cancellation_are_taken,
    what_cannot_be_read_is_refused_and_changes_nothing,
    headers_are_those_of_the_binding,
    a_user_reads_the_name_of_the_error,
);

fn server() -> TestServer {
    let server = TestServer::start();
    server.binding.set(MessageBinding::Asn1);
    server
}

/// Download, its report, and a cancellation, by our LPA.
fn a_card_downloads_over_it() {
    let server = server();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("0815"), ..OrderOptions::default() });
    let (card, outcome) = server.download(server.card(&euicc), &order.matching_id, Some("0815"));
    assert_eq!(outcome.unwrap().iccid, order.iccid);
    assert_eq!(server.state(&order.iccid), "Installed", "the report came through too");
    assert_eq!(server.notifications(&order.iccid), 1);

    let order = server.order(OrderOptions::default());
    let mut lpa = server.lpa(card);
    let mut request = download_request(&order.matching_id, None);
    request.decision = Decision::Reject;
    let outcome = server.callers.block_on(lpa.download(&request, &mut |_, _| {}));
    assert!(matches!(outcome, Err(LpaError::Declined(_))), "{outcome:?}");
    assert_eq!(server.state(&order.iccid), "Error Cancelled(0)");
    // As the hand-made eUICC of these tests speaks it.
    sequence("ASN1_01_Nominal", || {
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        server.package(&euicc, &offer, &otpk(1), None).unwrap();
        assert_eq!(server.state(&order.iccid), "Downloaded");
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None);
        assert_eq!(server.notify(&result), 204);
        assert_eq!(server.state(&order.iccid), "Installed");
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
        assert_eq!(server.state(&order.iccid), "Released");
    });
}

/// Sessions belong to the functions, not to the way they are called.
fn a_session_may_change_the_binding_at_every_call() {
    sequence("ES9_Mode_Comparison", change_the_binding_at_every_call);
}

fn change_the_binding_at_every_call() {
    let server = server();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let body =
        json!({ "transactionId": initiated.transaction_id, "authenticateServerResponse": base64(&response) });
    let by_asn1 = server.es9plus("authenticateClient", &body).unwrap();
    server.binding.set(MessageBinding::Json);
    let by_json = server.es9plus("authenticateClient", &body).unwrap();
    for member in ["transactionId", "profileMetadata", "smdpSigned2", "smdpSignature2", "smdpCertificate"] {
        assert_eq!(by_json[member], by_asn1[member], "a repetition: {member}");
    }
    assert_eq!(server.stored(&order.iccid).attempts().download, 1);
    assert_eq!(from_base64(&by_json["smdpCertificate"]), PKI.dp_pb.certificate.der());
    let signed2 = from_base64(&by_json["smdpSigned2"]);
    assert_eq!(
        hex::encode_upper(SmdpSigned2::from_der(&signed2).unwrap().transaction_id),
        initiated.transaction_id
    );

    let offer = server.authenticate_with(&initiated.transaction_id, &response).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    server.binding.set(MessageBinding::Asn1);
    server.cancel(&euicc, &initiated.transaction_id, 1).unwrap();
    assert_eq!(server.state(&order.iccid), "Downloaded");
}

fn both_taggings_of_a_cancellation_are_taken() {
    let server = server();
    let euicc = Euicc::new(0);
    for doubled in [false, true] {
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let id = octets(&offer.transaction_id);
        let response = euicc.cancellation(&id, "2.999.10", 0);
        let inner = Reader::new(&response, "response").read().unwrap();
        let inner = if doubled { inner.raw } else { inner.value };
        let body = asn1::envelope("cancelSession", &[&tlv(Tag(0x80), &id), &tlv(Tag(0xA1), inner)]);
        let reply = server.post_asn1(body);
        assert_eq!(hex::encode_upper(reply.body), "A205BF4102A000");
        assert_eq!(server.state(&order.iccid), "Error Cancelled(0)");
    }
}

fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let server = server();
    let functions = super::honest(&server);
    let store = server.smdp().store.clone();
    let everything = || server.wait(store.orders_after(None, 1000)).unwrap();
    let before = (everything(), server.smdp().sessions.len());
    for (function, body) in &functions {
        let notification = *function == "handleNotification";
        let honest = asn1::request(function, body);
        let unread = |what: &str, octets: Vec<u8>, no_envelope: bool| {
            let reply = server.post_asn1(octets);
            if no_envelope {
                assert_eq!((reply.status, reply.body.len()), (400, 0), "{function} {what}");
            } else if notification {
                assert_eq!((reply.status, reply.body.len()), (204, 0), "{function} {what}");
            } else {
                let code = asn1::answer(function, &reply.body).unwrap_err();
                assert_eq!((reply.status, code.as_str()), (200, "127"), "{function} {what}");
            }
            assert_eq!((everything(), server.smdp().sessions.len()), before, "{function} {what}");
        };
        for length in (0..honest.len()).step_by(honest.len() / 40) {
            unread("cut short", honest[..length].to_vec(), true);
        }
        let message = Reader::new(&honest, "envelope").read().unwrap().value.to_vec();
        unread("no envelope", message.clone(), true);
        unread("two bodies", [&honest[..], &honest[..]].concat(), true);
        unread("two messages", nested(Tag(0xA2), &[&message, &message]), true);
        unread("nothing in it", nested(Tag(0xA2), &[]), true);
        unread("a function of the SM-DS", nested(Tag(0xA2), &[&tlv(Tag(0xBF40), &[])]), true);
        unread("JSON", body.to_string().into_bytes(), true);
        // The function is known, what it is to do is not.
        unread("no members", asn1::envelope(function, &[]), false);
        let members = Reader::new(&message, "message").read().unwrap();
        let mut reader = members.members("message");
        let mut parts = Vec::new();
        while !reader.is_empty() {
            parts.push(reader.read().unwrap().raw);
        }
        for at in 0..parts.len() {
            let mut fewer = parts.clone();
            fewer.remove(at);
            unread("a member is missing", asn1::envelope(function, &fewer), false);
            let mut other = parts.clone();
            other[at] = &[0x9F, 0x7D, 0x00];
            unread("another member", asn1::envelope(function, &other), false);
        }
        if parts.len() > 1 {
            parts.reverse();
            unread("members in another order", asn1::envelope(function, &parts), false);
        }
        unread("no members but octets", asn1::envelope(function, &[&[0x80]]), false);
        // Larger than any message.
        let large = asn1::envelope(function, &[&tlv(Tag(0x80), &vec![0; 300_000])]);
        assert_eq!(server.post_asn1(large).status, 413, "{function}");
    }
    // Nothing of it spoilt a session.
    for (function, body) in &functions {
        let reply = server.post_asn1(asn1::request(function, body));
        let over = *function == "cancelSession";
        assert!(reply.status == 204 || over || asn1::answer(function, &reply.body).is_ok(), "{function}");
    }
}

fn headers_are_those_of_the_binding() {
    let server = server();
    let honest = asn1::request("initiateAuthentication", &Euicc::new(0).initiation());
    let call = |content_type: Option<&str>, protocol: Option<&str>, body: &[u8]| {
        let client = server.client(Interface::Es9Plus);
        let mut request = client.post(format!("https://{ADDRESS}/gsma/rsp2/asn1")).body(body.to_vec());
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        if let Some(protocol) = protocol {
            request = request.header("X-Admin-Protocol", protocol);
        }
        server.try_send(request).unwrap()
    };
    for (content_type, protocol) in [
        (Some(CONTENT_TYPE), Some("gsma/rsp/v2.2.0")),
        (None, None),
        (Some("text/plain"), Some("gsma/rsp/v3.0.0")),
    ] {
        let reply = call(content_type, protocol, &honest);
        asn1::answer("initiateAuthentication", &reply.body).unwrap();
        assert_eq!(reply.admin_protocol.as_deref(), Some("gsma/rsp/v2.5.0"));
        assert_eq!(reply.content_type.as_deref(), Some(CONTENT_TYPE));
    }
    let reply = call(Some(CONTENT_TYPE), Some("gsma/rsp/v1.0.0"), &honest);
    assert_eq!(asn1::answer("initiateAuthentication", &reply.body).unwrap_err(), "127");
    let notification = json!({ "pendingNotification": base64(&tlv(Tag(0xBF37), &[])) });
    let notification = asn1::request("handleNotification", &notification);
    let reply = call(Some(CONTENT_TYPE), Some("gsma/rsp/v1.0.0"), &notification);
    assert_eq!((reply.status, reply.admin_protocol.as_deref()), (204, Some("gsma/rsp/v2.5.0")));
    // Only what is posted is a call.
    let get = server.client(Interface::Es9Plus).get(format!("https://{ADDRESS}/gsma/rsp2/asn1"));
    assert_eq!(server.try_send(get).unwrap().status, 405);
}

fn a_user_reads_the_name_of_the_error() {
    let server = server();
    let (_, outcome) = server.download(server.card(&Euicc::new(0)), "NOBODYS", None);
    let error = outcome.unwrap_err();
    let LpaError::Server { error: ClientError::FunctionCode(failure), .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(failure.code, 6);
    assert_eq!(error.to_string(), "ES9+.AuthenticateClient: the server answered matchingIdRefused (6)");
}
