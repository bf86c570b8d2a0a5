//! ES9+.AuthenticateClient (SGP.22 5.6.3; SGP.23 4.3.14): who may have which profile.

use std::time::Duration;

use serde_json::json;
use simyard::pki::issue::ListContent;
use simyard::pki::{Certificate, RevocationList};
use simyard::profile::metadata::{
    PolicyRule, ProfileMetadata, ProfileOwner, ServiceSpecificItem, Understands,
};
use simyard::smdp::manual_order::NewOrder;
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::rsp::info::{EuiccInfo2, IotSpecificInfo, rsp_capability};
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::{Decode as _, Encode as _, Oid, Tag};

use super::{by_hand, new_order};
use crate::server::euicc::{
    Authentication, Signed1, base64, ci_key, flipped, from_base64, info2_with, nested, octets, otpk, tlv,
};
use crate::server::{
    Euicc, Initiated, Interface, NOW, Offer, OrderOptions, PKI, PROFILE_TYPE, TestServer, reply,
};

crate::tests!(
    the_offer_is_signed_by_dp_pb_over_what_the_euicc_signed,
    each_wrong_way_to_an_order_is_refused_with_its_code,
    an_order_is_found_by_the_states_it_is_in,
    what_a_v3_euicc_appends_to_its_certificates_is_passed_over,
    certificates_of_other_roles_get_the_code_of_their_place,
    every_changed_octet_of_a_certificate_gets_its_code,
    a_revoked_manufacturer_gets_its_code,
    what_the_euicc_signed_must_be_what_it_was_asked,
    an_euicc_that_refuses_the_server_ends_the_session,
    metadata_of_the_order_is_what_the_euicc_must_allow_and_gets,
    orders_expire_and_attempts_are_used_up,
    a_repetition_gets_the_same_answer_and_costs_no_attempt,
    repetitions_that_overtake_the_first_call_wait_for_its_answer,
);

/// One session up to the refusal; the session must be over then.
pub fn refusal(
    server: &TestServer,
    euicc: &Euicc,
    matching_id: Option<&str>,
    change: impl FnOnce(&mut Signed1),
    forge: impl FnOnce(&mut Authentication),
) -> String {
    let initiated = server.initiate(euicc);
    let mut signed1 = euicc.signed1(&initiated, matching_id);
    change(&mut signed1);
    let mut authentication = euicc.authentication(&signed1);
    forge(&mut authentication);
    let code = server.authenticate_with(&initiated.transaction_id, &authentication.to_der()).unwrap_err();
    let honest = euicc.authentication(&euicc.signed1(&initiated, matching_id)).to_der();
    let again = server.authenticate_with(&initiated.transaction_id, &honest);
    assert_eq!(again.unwrap_err(), "8.10.1/3.9", "a refusal ends the session");
    code
}

fn signed2(offer: &Offer) -> (bool, Option<Vec<u8>>) {
    let signed2 = SmdpSigned2::from_der(&offer.smdp_signed2).unwrap();
    assert_eq!(signed2.transaction_id, octets(&offer.transaction_id));
    (signed2.cc_required_flag, signed2.bpp_euicc_otpk.map(<[u8]>::to_vec))
}

fn the_offer_is_signed_by_dp_pb_over_what_the_euicc_signed() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let authentication = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id)));
    let offer = server.authenticate_with(&initiated.transaction_id, &authentication.to_der()).unwrap();
    let signed = [&offer.smdp_signed2[..], &tlv(Tag(0x5F37), &authentication.signature1)].concat();
    assert_eq!(offer.smdp_signature2[..3], [0x5F, 0x37, 64]);
    let key = PKI.dp_pb.key.signing_key().unwrap();
    key.public_key().verify(&signed, offer.smdp_signature2[3..].try_into().unwrap()).unwrap();
    assert_eq!(from_base64(&offer.answer["smdpCertificate"]), PKI.dp_pb.certificate.der());
    assert_eq!(signed2(&offer), (false, None));
    let metadata = from_base64(&offer.answer["profileMetadata"]);
    let metadata = StoreMetadataRequest::from_der(&metadata).unwrap();
    assert_eq!(metadata.iccid, &order.iccid.to_bcd());
    assert_eq!((metadata.service_provider_name, metadata.profile_name), ("Acme", "Acme IoT"));
}

/// Beyond the sequences of SGP.23: other spellings, other characters, and orders that an EID leads to.
fn each_wrong_way_to_an_order_is_refused_with_its_code() {
    let server = TestServer::start();
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let eid = Some(euicc.eid.as_str());
    let linked = server.order(OrderOptions { eid, matching_id: Some("LINKED"), ..OrderOptions::default() });
    let held_by_eid = server.order(OrderOptions {
        eid: Some(Euicc::new(2).eid.as_str()),
        matching_id: Some(""),
        hold: true,
        ..OrderOptions::default()
    });
    for (what, euicc, sent, code) in [
        ("another spelling", &euicc, Some("linked"), "8.2.6/3.8"),
        ("characters of no identifier", &euicc, Some("LINKED$1"), "8.2.6/3.8"),
        ("no order for the EID, no identifier", &stranger, None, "8.1.1/3.8"),
        ("not released, by its EID", &Euicc::new(2), None, "8.2/1.2"),
    ] {
        assert_eq!(refusal(&server, euicc, sent, |_| {}, |_| {}), code, "{what}");
    }
    for (iccid, state) in [(&linked.iccid, "Released"), (&held_by_eid.iccid, "Confirmed")] {
        assert_eq!(server.state(iccid), state);
        assert_eq!(server.stored(iccid).attempts().download, 0, "a refusal is no attempt");
    }
    server.authenticate(&euicc, Some("LINKED")).unwrap();
    server.authenticate(&euicc, None).unwrap();
    assert_eq!(server.stored(&linked.iccid).attempts().download, 2);
    // Not of the standard's alphabet, and used by test suites.
    let other =
        server.order(OrderOptions { matching_id: Some("with_underscore"), ..OrderOptions::default() });
    server.authenticate(&euicc, Some("with_underscore")).unwrap();
    assert_eq!(server.stored(&other.iccid).attempts().download, 1);
}

fn an_order_is_found_by_the_states_it_is_in() {
    let server = TestServer::start();
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let order = server.order(OrderOptions { matching_id: Some("ONE"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some("ONE")).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(server.state(&order.iccid), "Downloaded");
    // Downloaded: a retry for its own eUICC, by the identifier and by the EID; nobody else's.
    server.authenticate(&euicc, Some("ONE")).unwrap();
    server.authenticate(&euicc, None).unwrap();
    assert_eq!(refusal(&server, &stranger, Some("ONE"), |_| {}, |_| {}), "8.1.1/3.8");
    // A released order beside it: the retry goes first.
    let eid = Some(euicc.eid.as_str());
    let next = server.order(OrderOptions { eid, matching_id: Some("TWO"), ..OrderOptions::default() });
    let retried = server.authenticate(&euicc, Some("")).unwrap();
    assert_eq!(signed2(&retried).1.as_deref(), Some(&otpk(1)[..]));
    // Installed: the identifier means nothing any more, and the EID leads to the next order.
    assert_eq!(server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None)), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
    assert_eq!(refusal(&server, &euicc, Some("ONE"), |_| {}, |_| {}), "8.2.6/3.8");
    let offer = server.authenticate(&euicc, None).unwrap();
    assert_eq!(signed2(&offer), (false, None));
    // Error by the user's word, and Unavailable.
    server.cancel(&euicc, &offer.transaction_id, 0).unwrap();
    assert_eq!(server.state(&next.iccid), "Error Cancelled(0)");
    assert_eq!(refusal(&server, &euicc, Some("TWO"), |_| {}, |_| {}), "8.2.6/3.8");
    assert_eq!(refusal(&server, &euicc, None, |_| {}, |_| {}), "8.1.1/3.8");
}

fn what_a_v3_euicc_appends_to_its_certificates_is_passed_over() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let parts = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id)));
    let signature = tlv(Tag(0x5F37), &parts.signature1);
    let chain = nested(Tag(0xA0), &[]);
    let ok = nested(Tag(0xA0), &[&parts.signed1, &signature, &parts.euicc, &parts.eum, &chain]);
    server.authenticate_with(&initiated.transaction_id, &nested(Tag(0xBF38), &[&ok])).unwrap();
}

fn certificates_of_other_roles_get_the_code_of_their_place() {
    let server = TestServer::start();
    let order = server.order(OrderOptions::default());
    let euicc = Euicc::new(0);
    let swap = |parts: &mut Authentication| std::mem::swap(&mut parts.euicc, &mut parts.eum);
    assert_eq!(refusal(&server, &euicc, Some(&order.matching_id), |_| {}, swap), "8.11.1/3.9");
    let ci = |parts: &mut Authentication| parts.eum = PKI.ci.certificate.der().to_vec();
    assert_eq!(refusal(&server, &euicc, Some(&order.matching_id), |_| {}, ci), "8.1.2/6.1");
    let dp = |parts: &mut Authentication| parts.euicc = PKI.dp_auth.certificate.der().to_vec();
    assert_eq!(refusal(&server, &euicc, Some(&order.matching_id), |_| {}, dp), "8.1.3/6.1");
    let none = |parts: &mut Authentication| parts.euicc = vec![0x30, 0x00];
    assert_eq!(refusal(&server, &euicc, Some(&order.matching_id), |_| {}, none), "8.1.3/6.1");
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
}

/// SGP.22 4.6: as an expired certificate. The list comes while the server runs, and the manufacturer is known there.
fn a_revoked_manufacturer_gets_its_code() {
    let server = TestServer::start();
    let order = server.order(OrderOptions::default());
    let euicc = Euicc::new(0);
    server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let revoke = |certificates: &[&Certificate]| {
        let content = ListContent {
            this_update: NOW,
            next_update: None,
            revoked: certificates.iter().map(|certificate| certificate.serial().to_vec()).collect(),
            extensions: Vec::new(),
        };
        let list = PKI.ci_issuer().unwrap().issue_list(&content).unwrap();
        let list = RevocationList::from_der(&list).unwrap();
        server.smdp().anchors.replace_revocation_lists(vec![list]).unwrap();
    };
    revoke(&[&PKI.eum.certificate]);
    let code = refusal(&server, &euicc, Some(&order.matching_id), |_| {}, |_| {});
    assert_eq!(code, "8.1.2/6.3");
    // No list of a CI speaks of eUICCs: the number of one means nothing there.
    revoke(&[&PKI.euicc.certificate]);
    server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
}

fn every_changed_octet_of_a_certificate_gets_its_code() {
    /// Every so many octets: all of them would take a minute.
    const STEP: usize = 5;
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let place = |der: &[u8], part: &[u8]| der.windows(part.len()).position(|window| window == part).unwrap();
    let issuer_key = place(&euicc.eum, ci_key());
    for at in (4..euicc.certificate.len()).step_by(STEP) {
        let forge = |parts: &mut Authentication| parts.euicc = flipped(&parts.euicc, at);
        let code = refusal(&server, &euicc, Some(&order.matching_id), |_| {}, forge);
        assert_eq!(code, "8.1.3/6.1", "octet {at} of the eUICC certificate");
    }
    for at in (4..euicc.eum.len()).step_by(STEP) {
        let forge = |parts: &mut Authentication| parts.eum = flipped(&parts.eum, at);
        let code = refusal(&server, &euicc, Some(&order.matching_id), |_| {}, forge);
        let expected = if (issuer_key..issuer_key + 20).contains(&at) { "8.11.1/3.9" } else { "8.1.2/6.1" };
        assert_eq!(code, expected, "octet {at} of the EUM certificate");
    }
    server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
}

/// Every octet that the eUICC signs, and who signs it.
fn what_the_euicc_signed_must_be_what_it_was_asked() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let sent = Some(order.matching_id.as_str());
    for at in [0, 1, 31, 32, 63] {
        let forge = |parts: &mut Authentication| parts.signature1 = flipped(&parts.signature1, at);
        assert_eq!(refusal(&server, &euicc, sent, |_| {}, forge), "8.1/6.1", "octet {at} of the signature");
    }
    let zero = |parts: &mut Authentication| parts.signature1 = vec![0; 64];
    assert_eq!(refusal(&server, &euicc, sent, |_| {}, zero), "8.1/6.1");
    let short = |parts: &mut Authentication| parts.signature1 = vec![1; 63];
    assert_eq!(refusal(&server, &euicc, sent, |_| {}, short), "8.1/6.1");
    for at in [0, 15] {
        let change = |signed1: &mut Signed1| signed1.challenge = flipped(&signed1.challenge, at);
        assert_eq!(refusal(&server, &euicc, sent, change, |_| {}), "8.1/6.1", "octet {at} of the challenge");
        let change = |signed1: &mut Signed1| signed1.transaction_id = flipped(&signed1.transaction_id, at);
        assert_eq!(refusal(&server, &euicc, sent, change, |_| {}), "8.10.1/3.9", "octet {at} of the id");
    }
    // Every part of what is signed is covered: one octet anywhere, signed by nobody.
    let initiated = server.initiate(&euicc);
    let length = euicc.signed1(&initiated, sent).to_der().len();
    for at in (2..length).step_by(7) {
        let forge = |parts: &mut Authentication| parts.signed1 = flipped(&parts.signed1, at);
        let code = refusal(&server, &euicc, sent, |_| {}, forge);
        assert!(["8.1/6.1", "8.10.1/3.9"].contains(&code.as_str()), "octet {at}: {code}");
    }
    // Another eUICC's signature, and the transactionId of another session in the body.
    let forge = |parts: &mut Authentication| {
        parts.signature1 = Euicc::new(1).key.sign(&parts.signed1).unwrap().to_vec();
    };
    assert_eq!(refusal(&server, &euicc, sent, |_| {}, forge), "8.1/6.1");
    let (one, other) = (server.initiate(&euicc), server.initiate(&euicc));
    let response = euicc.authentication(&euicc.signed1(&one, sent)).to_der();
    assert_eq!(server.authenticate_with(&other.transaction_id, &response).unwrap_err(), "8.10.1/3.9");
    let unknown = hex::encode_upper(flipped(&octets(&one.transaction_id), 3));
    assert_eq!(server.authenticate_with(&unknown, &response).unwrap_err(), "8.10.1/3.9");
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
    server.authenticate_with(&one.transaction_id, &response).unwrap();
}

fn an_euicc_that_refuses_the_server_ends_the_session() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let error = |initiated: &Initiated, code: u8| {
        let id = tlv(Tag(0x80), &octets(&initiated.transaction_id));
        nested(Tag(0xBF38), &[&nested(Tag(0xA1), &[&id, &tlv(Tag::INTEGER, &[code])])])
    };
    for code in [1, 2, 3, 4, 5, 6, 7, 127] {
        let initiated = server.initiate(&euicc);
        let refused = server.authenticate_with(&initiated.transaction_id, &error(&initiated, code));
        assert_eq!(refused.unwrap_err(), "8.1/6.1", "AuthenticateErrorCode {code}");
        let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
        let over = server.authenticate_with(&initiated.transaction_id, &response);
        assert_eq!(over.unwrap_err(), "8.10.1/3.9");
    }
    let initiated = server.initiate(&euicc);
    for (what, response) in [
        ("another choice", nested(Tag(0xBF38), &[&nested(Tag(0xA2), &[])])),
        ("nothing", Vec::new()),
        ("another message", nested(Tag(0xBF21), &[&nested(Tag(0xA0), &[])])),
    ] {
        let initiated = server.initiate(&euicc);
        let refused = server.authenticate_with(&initiated.transaction_id, &response);
        assert_eq!(refused.unwrap_err(), "8.1/6.1", "{what}");
    }
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    for length in (1..response.len()).step_by(97) {
        let initiated = server.initiate(&euicc);
        let refused = server.authenticate_with(&initiated.transaction_id, &response[..length]);
        assert_eq!(refused.unwrap_err(), "8.1/6.1", "cut to {length} octets");
    }
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
}

/// The rules of the order, not of its type, are those that the eUICC forbids.
fn metadata_of_the_order_is_what_the_euicc_must_allow_and_gets() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let item = |stored| ServiceSpecificItem {
        vendor: Oid::parse("2.999.7").unwrap(),
        data: vec![0x80, 0x00],
        stored,
    };
    let metadata = ProfileMetadata {
        profile_owner: Some(ProfileOwner { mcc_mnc: [0x62, 0xF2, 0x10], gid1: None, gid2: None }),
        profile_policy_rules: PolicyRule::Ppr1.bit(),
        service_specific_data: vec![item(true), item(false)],
        fallback_allowed: true,
        ..ProfileMetadata::default()
    };
    let new = NewOrder { metadata: Some(metadata.clone()), ..new_order() };
    let order = by_hand(&server, PROFILE_TYPE, new.clone());
    let id = order.matching_id().unwrap().as_str();
    let forbids = |signed1: &mut Signed1| {
        let mut info = EuiccInfo2::from_der(&signed1.info2).unwrap();
        info.forbidden_profile_policy_rules = PolicyRule::Ppr1.bit();
        let der = info.to_der();
        signed1.info2 = der;
    };
    let announced = |change: &dyn Fn(&mut EuiccInfo2<'_>)| {
        let initiated = server.initiate(&euicc);
        let mut signed1 = euicc.signed1(&initiated, Some(id));
        signed1.info2 = info2_with(|info| change(info));
        let response = euicc.authentication(&signed1).to_der();
        let offer = server.authenticate_with(&initiated.transaction_id, &response).unwrap();
        from_base64(&offer.answer["profileMetadata"])
    };
    let service_specific = |info: &mut EuiccInfo2<'_>| {
        info.rsp_capability.0 |= 1 << rsp_capability::SERVICE_SPECIFIC_DATA;
    };
    let of_sgp32 = |info: &mut EuiccInfo2<'_>| info.iot_specific_info = Some(IotSpecificInfo::default());
    let for_euicc = |service_specific_data, iot| {
        metadata.to_store_metadata_for(&order.iccid, Understands { service_specific_data, iot })
    };
    // What the eUICC does not know, it is not told.
    assert_eq!(announced(&|_| {}), for_euicc(false, false));
    assert_eq!(announced(&service_specific), for_euicc(true, false));
    assert_eq!(announced(&of_sgp32), for_euicc(false, true));
    let both = announced(&|info| {
        service_specific(info);
        of_sgp32(info);
    });
    assert_eq!(both, metadata.to_store_metadata(&order.iccid));
    assert_ne!(both, for_euicc(true, false));
    assert_ne!(both, for_euicc(false, true));
    let refused = by_hand(&server, PROFILE_TYPE, new);
    let id = refused.matching_id().unwrap().as_str();
    assert_eq!(refusal(&server, &euicc, Some(id), forbids, |_| {}), "8.2.5/4.3");
    assert_eq!(server.state(&refused.iccid), "Error NotEligible(PolicyRule)");
}

fn orders_expire_and_attempts_are_used_up() {
    let server = TestServer::with("[limits]\ndownload_attempts = 2\norder_lifetime_days = 1\n", None);
    let euicc = Euicc::new(0);
    let eid = Some(euicc.eid.as_str());
    let tried = server.order(OrderOptions { matching_id: Some("TRIED"), ..OrderOptions::default() });
    let linked = server.order(OrderOptions { eid, matching_id: Some("LINKED"), ..OrderOptions::default() });
    for _ in 0..2 {
        server.authenticate(&euicc, Some("TRIED")).unwrap();
        server.authenticate(&euicc, None).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(refusal(&server, &euicc, Some("TRIED"), |_| {}, |_| {}), "8.8.5/6.4");
        assert_eq!(refusal(&server, &euicc, None, |_| {}, |_| {}), "8.8.5/6.4");
        assert_eq!(server.state(&tried.iccid), "Error DownloadAttempts");
        assert_eq!(server.state(&linked.iccid), "Error DownloadAttempts");
    }
    let late = server.order(OrderOptions { matching_id: Some("LATE"), ..OrderOptions::default() });
    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    server.authenticate(&euicc, Some("LATE")).unwrap();
    server.clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(refusal(&server, &euicc, Some("LATE"), |_| {}, |_| {}), "8.8.5/4.10");
        assert_eq!(server.state(&late.iccid), "Error Expired");
    }
}

fn a_repetition_gets_the_same_answer_and_costs_no_attempt() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let signed1 = euicc.signed1(&initiated, Some(&order.matching_id));
    let response = euicc.authentication(&signed1).to_der();
    let id = &initiated.transaction_id;
    let body = json!({ "transactionId": id, "authenticateServerResponse": base64(&response) }).to_string();
    let call = || server.post(Interface::Es9Plus, "authenticateClient", body.clone());
    let first = call();
    assert_eq!(call().body, first.body, "the same octets");
    assert_eq!(server.stored(&order.iccid).attempts().download, 1);
    // Other octets in the same session, and the same ones once a package was handed over.
    let other = euicc.authentication(&signed1).to_der();
    assert_ne!(other, response, "another signature");
    assert_eq!(server.authenticate_with(id, &other).unwrap_err(), "8.10.1/3.9");
    let offer = server.authenticate_with(id, &response).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(server.authenticate_with(id, &response).unwrap_err(), "8.10.1/3.9");
}

/// An LPA whose connection was cut calls again, while the server still works at its first call.
fn repetitions_that_overtake_the_first_call_wait_for_its_answer() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let id = &initiated.transaction_id;
    let body = json!({ "transactionId": id, "authenticateServerResponse": base64(&response) }).to_string();
    let calls: Vec<_> = (0..8)
        .map(|_| server.request(Interface::Es9Plus, "authenticateClient").body(body.clone()))
        .map(|request| server.callers.spawn(reply(request)))
        .collect();
    let answers: Vec<_> =
        calls.into_iter().map(|call| server.callers.block_on(call).unwrap().unwrap()).collect();
    answers[0].outcome().unwrap();
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "one answer for all");
    assert_eq!(server.stored(&order.iccid).attempts().download, 1);
}
