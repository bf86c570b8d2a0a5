//! ES9+.CancelSession (SGP.22 5.6.5; SGP.23 4.3.16).

use simyard_asn1::Tag;

use crate::server::euicc::{SMDP_OID, flipped, nested, octets, otpk, tlv};
use crate::server::{Euicc, Offer, OrderOptions, Ordered, TestServer};

crate::tests!(
    each_reason_ends_the_session_and_the_terminal_ones_the_order,
    what_the_euicc_did_not_sign_for_this_session_cancels_nothing,
    a_postponed_download_keeps_its_binding,
    an_error_of_the_euicc_ends_the_session_alone,
);

/// How far a session is when it is cancelled.
#[derive(Clone, Copy, Debug)]
pub enum After {
    AuthenticateClient,
    GetBoundProfilePackage,
}

pub fn session(server: &TestServer, euicc: &Euicc, after: After) -> (Ordered, Offer) {
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(euicc, Some(&order.matching_id)).unwrap();
    match after {
        After::AuthenticateClient => {}
        After::GetBoundProfilePackage => drop(server.package(euicc, &offer, &otpk(1), None).unwrap()),
    }
    (order, offer)
}

/// The reasons of version 3 too; those of the sequences, in the order's next session.
fn each_reason_ends_the_session_and_the_terminal_ones_the_order() {
    let server = TestServer::start();
    server.ingest("acme", "iot", 40);
    let euicc = Euicc::new(0);
    for (after, state) in
        [(After::AuthenticateClient, "Released"), (After::GetBoundProfilePackage, "Downloaded")]
    {
        for reason in (0..=5).chain(16..=25).chain([27, 30, 127]) {
            let (order, offer) = session(&server, &euicc, after);
            let answer = server.cancel(&euicc, &offer.transaction_id, reason).unwrap();
            assert_eq!(answer.as_object().unwrap().len(), 1, "the header alone");
            let again = server.cancel(&euicc, &offer.transaction_id, reason);
            assert_eq!(again.unwrap_err(), "8.10.1/3.9", "{after:?} {reason}");
            let next = server.authenticate(&euicc, Some(&order.matching_id));
            if [1, 2, 16].contains(&reason) {
                assert_eq!(server.state(&order.iccid), state, "{after:?} {reason}");
                assert!(next.is_ok(), "{after:?} {reason}");
            } else {
                assert_eq!(server.state(&order.iccid), format!("Error Cancelled({reason})"), "{after:?}");
                assert_eq!(next.unwrap_err(), "8.2.6/3.8", "{after:?} {reason}");
            }
        }
    }
}

fn what_the_euicc_did_not_sign_for_this_session_cancels_nothing() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    for after in [After::AuthenticateClient, After::GetBoundProfilePackage] {
        let (order, offer) = session(&server, &euicc, after);
        let before = server.stored(&order.iccid);
        let id = octets(&offer.transaction_id);
        let honest = euicc.cancellation(&id, SMDP_OID, 0);
        let length = honest.len();
        for (what, response, code) in [
            ("another transactionId", euicc.cancellation(&flipped(&id, 1), SMDP_OID, 0), "8.10.1/3.9"),
            ("the last octet of the signature", flipped(&honest, length - 1), "8.1/6.1"),
            ("the first octet of the signature", flipped(&honest, length - 64), "8.1/6.1"),
            ("the reason, unsigned", flipped(&honest, length - 68), "8.1/6.1"),
            ("another eUICC", Euicc::new(1).cancellation(&id, SMDP_OID, 0), "8.1/6.1"),
            ("another SM-DP+", euicc.cancellation(&id, "2.999.11", 0), "8.8/3.10"),
            ("another message", nested(Tag(0xBF21), &[]), "8.1/6.1"),
            ("another choice", nested(Tag(0xBF41), &[&nested(Tag(0xA2), &[])]), "8.1/6.1"),
            ("nothing", Vec::new(), "8.1/6.1"),
        ] {
            let refused = server.cancel_with(&offer.transaction_id, &response);
            assert_eq!(refused.unwrap_err(), code, "{what} {after:?}");
            assert_eq!(server.stored(&order.iccid), before, "{what}");
        }
        for cut in (1..length).step_by(7) {
            let refused = server.cancel_with(&offer.transaction_id, &honest[..cut]);
            assert_eq!(refused.unwrap_err(), "8.1/6.1", "cut to {cut} octets");
        }
        let unknown = hex::encode_upper(flipped(&id, 2));
        assert_eq!(server.cancel_with(&unknown, &honest).unwrap_err(), "8.10.1/3.9");
        // The session is where it was.
        server.cancel_with(&offer.transaction_id, &honest).unwrap();
        assert_eq!(server.state(&order.iccid), "Error Cancelled(0)");
    }
    // A session whose eUICC nobody knows yet.
    let initiated = server.initiate(&euicc);
    let refused = server.cancel(&euicc, &initiated.transaction_id, 1);
    assert_eq!(refused.unwrap_err(), "8.10.1/3.9");
    let order = server.order(OrderOptions::default());
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    server.authenticate_with(&initiated.transaction_id, &response).unwrap();
}

fn a_postponed_download_keeps_its_binding() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let (order, offer) = session(&server, &euicc, After::GetBoundProfilePackage);
    let store = server.smdp().store.clone();
    let keys = || {
        let material = server.wait(store.material(&order.iccid)).unwrap().unwrap();
        material.binding.unwrap().sealed_session_keys.is_some()
    };
    server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
    assert!(keys());
    // A terminal reason wipes its keys.
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.cancel(&euicc, &offer.transaction_id, 4).unwrap();
    assert!(!keys());
}

fn an_error_of_the_euicc_ends_the_session_alone() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    for code in [5, 127] {
        let (order, offer) = session(&server, &euicc, After::AuthenticateClient);
        let error = nested(Tag(0xBF41), &[&tlv(Tag(0x81), &[code])]);
        server.cancel_with(&offer.transaction_id, &error).unwrap();
        assert_eq!(server.cancel_with(&offer.transaction_id, &error).unwrap_err(), "8.10.1/3.9");
        assert_eq!(server.state(&order.iccid), "Released");
    }
}
