//! ES9+.GetBoundProfilePackage (SGP.22 5.6.2; SGP.23 4.3.13): the package, codes, and what a retry gets.

use std::time::Duration;

use serde_json::json;
use simyard::crypto::ecdsa::{Curve, PublicKey};
use simyard::domain::{EligibilityRule, ErrorReason, KeyMode, Person};
use simyard::ident::TransactionId;
use simyard::profile::metadata::{NotificationEvent, PolicyRule, ProfileMetadata, ProfileOwner, Recipient};
use simyard::smdp::manual_order::{Hand, NewOrder, reset};
use simyard::store::NewBinding;
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::rsp::package::{BoundProfilePackage, InitialiseSecureChannelRequest};
use simyard_asn1::{Decode as _, Tag};

use super::{by_hand, icon, new_order};
use crate::conformance::get_bound_profile_package::open;
use crate::server::euicc::{base64, flipped, from_base64, hash_cc, nested, octets, otpk, tlv};
use crate::server::{Euicc, Interface, OPERATOR, Offer, OrderOptions, PKI, PROFILE_TYPE, TestServer};

crate::tests!(
    random_keys_are_those_of_one_binding,
    metadata_may_be_longer_than_a_segment,
    a_retry_without_an_offered_key_gets_another_binding,
    a_package_is_signed_for_its_session_and_installed_by_a_card,
    what_the_euicc_signed_must_fit_the_session,
    a_wrong_code_may_be_corrected_in_the_same_session,
    wrong_codes_are_counted_over_sessions_and_end_the_order,
    a_repetition_gets_the_same_package,
    the_same_one_time_key_gets_the_same_segments_under_a_fresh_request,
    another_one_time_key_gets_another_binding,
    other_content_gets_other_keys,
    a_card_that_kept_its_one_time_key_installs_the_retried_package,
    an_order_that_is_over_hands_out_nothing,
    an_order_that_is_reset_by_hand_stays_with_its_euicc,
);

/// smdpOtpk, BF23 and everything behind it.
fn halves(package: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let bound = BoundProfilePackage::from_der(package).unwrap();
    let request = InitialiseSecureChannelRequest::from_der(bound.initialise_secure_channel).unwrap();
    let second = bound.second_sequence_of_87.unwrap_or_default();
    let rest = [bound.first_sequence_of_87, bound.sequence_of_88, second, bound.sequence_of_86].concat();
    (request.smdp_otpk.to_vec(), bound.initialise_secure_channel.to_vec(), rest)
}

/// A server with a second profile type, whose packages are under random keys.
fn with_random_keys() -> TestServer {
    let random =
        format!("[[profile_type]]\nname = \"{RANDOM}\"\nowner = \"acme\"\nkey_mode = \"random-keys\"\n");
    let server = TestServer::with(&random, None);
    server.ingest(OPERATOR, RANDOM, 10);
    server.deaths.committed();
    server
}

/// The profile type with random keys.
const RANDOM: &str = "random";

/// Both key modes, each with and without a confirmation code.
const KEYS_AND_CODES: [(&str, Option<&str>); 4] =
    [(PROFILE_TYPE, None), (PROFILE_TYPE, Some("1234")), (RANDOM, None), (RANDOM, Some("1234"))];

fn order_of<'a>(profile_type: &'a str, code: Option<&'a str>) -> OrderOptions<'a> {
    OrderOptions { profile_type: Some(profile_type), code, ..OrderOptions::default() }
}

/// bppEuiccOtpk of smdpSigned2.
fn offered(offer: &Offer) -> Option<Vec<u8>> {
    SmdpSigned2::from_der(&offer.smdp_signed2).unwrap().bpp_euicc_otpk.map(<[u8]>::to_vec)
}

/// Random keys are drawn for each binding: those of no two are the same, and none are the session's.
fn random_keys_are_those_of_one_binding() {
    let server = with_random_keys();
    let euicc = Euicc::new(0);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let order = server.order(order_of(RANDOM, None));
        for number in [1, 2, 2] {
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            let package = server.package(&euicc, &offer, &otpk(number), None).unwrap();
            let opened = open(&package, &euicc, number);
            assert_eq!(opened.metadata, from_base64(&offer.answer["profileMetadata"]));
            simyard_asn1::saip::Package::from_der(&opened.profile).unwrap();
            seen.insert(opened.replace_session_keys.unwrap());
        }
    }
    assert_eq!(seen.len(), 4, "one for each one-time key of each order");
    // An order may ask for the other mode than its type.
    for (profile_type, key_mode) in [(PROFILE_TYPE, KeyMode::RandomKeys), (RANDOM, KeyMode::SessionKeys)] {
        let order = by_hand(&server, profile_type, NewOrder { key_mode: Some(key_mode), ..new_order() });
        let offer = server.authenticate(&euicc, Some(order.matching_id().unwrap().as_str())).unwrap();
        let package = server.package(&euicc, &offer, &otpk(1), None).unwrap();
        let random = open(&package, &euicc, 1).replace_session_keys;
        assert_eq!(random.is_some(), key_mode == KeyMode::RandomKeys, "{profile_type}");
    }
}

/// A1 with two 88 segments.
fn metadata_may_be_longer_than_a_segment() {
    let server = with_random_keys();
    let euicc = Euicc::new(0);
    for profile_type in [PROFILE_TYPE, RANDOM] {
        let metadata = ProfileMetadata {
            service_provider_name: "Simyard of its own".into(),
            profile_name: "two segments".into(),
            icon: Some(icon(1024)),
            profile_owner: Some(ProfileOwner {
                mcc_mnc: [0x62, 0xF2, 0x10],
                gid1: Some(vec![7]),
                gid2: None,
            }),
            profile_policy_rules: PolicyRule::Ppr2.bit(),
            recipients: vec![Recipient {
                address: "other.example.com".parse().unwrap(),
                events: vec![NotificationEvent::Install, NotificationEvent::Delete],
            }],
            ..ProfileMetadata::default()
        };
        let new = NewOrder { metadata: Some(metadata.clone()), ..new_order() };
        let order = by_hand(&server, profile_type, new.clone());
        let offer = server.authenticate(&euicc, Some(order.matching_id().unwrap().as_str())).unwrap();
        let announced = from_base64(&offer.answer["profileMetadata"]);
        assert_eq!(announced, metadata.to_store_metadata(&order.iccid));
        let package = server.package(&euicc, &offer, &otpk(1), None).unwrap();
        let bound = BoundProfilePackage::from_der(&package).unwrap();
        let segments = BoundProfilePackage::segments(bound.sequence_of_88, Tag(0x88)).unwrap();
        assert_eq!((segments.len(), segments[0].len()), (2, 1020));
        let opened = open(&package, &euicc, 1);
        assert_eq!(
            (opened.metadata, opened.replace_session_keys.is_some()),
            (announced, profile_type == RANDOM)
        );

        let order = by_hand(&server, profile_type, new);
        let mut request = crate::server::download_request(order.matching_id().unwrap().as_str(), None);
        request.accept_policy_rules = true;
        let mut lpa = server.lpa(server.card(&euicc));
        let report = server.callers.block_on(lpa.download(&request, &mut |_, _| {}));
        assert_eq!(report.unwrap().iccid, order.iccid);
        assert_eq!(server.state(&order.iccid), "Installed");
    }
}

/// What the card verifies is verified by a card; the signature of BF23 here.
fn a_package_is_signed_for_its_session_and_installed_by_a_card() {
    let server = with_random_keys();
    let euicc = Euicc::new(0);
    for (profile_type, code) in KEYS_AND_CODES {
        let order = server.order(order_of(profile_type, code));
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let package = server.package(&euicc, &offer, &otpk(1), code).unwrap();
        let bound = BoundProfilePackage::from_der(&package).unwrap();
        let request = InitialiseSecureChannelRequest::from_der(bound.initialise_secure_channel).unwrap();
        assert_eq!(request.transaction_id, octets(&offer.transaction_id));
        let key = PKI.dp_pb.key.signing_key().unwrap();
        key.public_key().verify(&request.signed_octets(&otpk(1)), request.smdp_sign).unwrap();
        PublicKey::from_point(Curve::P256, request.smdp_otpk).unwrap();
        assert_eq!(bound.second_sequence_of_87.is_some(), profile_type == RANDOM);
        assert_eq!(server.state(&order.iccid), "Downloaded");
        assert_eq!(server.stored(&order.iccid).eid(), Some(&euicc.eid));

        let order = server.order(order_of(profile_type, code));
        let (_, outcome) = server.download(server.card(&euicc), &order.matching_id, code);
        assert_eq!(outcome.unwrap().iccid, order.iccid);
        assert_eq!(server.state(&order.iccid), "Installed");
    }
    // A code that nobody asked for is passed over.
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), Some("1234")).unwrap();
}

fn what_the_euicc_signed_must_fit_the_session() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let id = octets(&offer.transaction_id);
    let honest = euicc.preparation(&offer, &id, &otpk(1), None);
    let mut other_signature2 = offer.clone();
    other_signature2.smdp_signature2 = flipped(&offer.smdp_signature2, 20);
    let length = honest.len();
    let mut compressed = otpk(1)[..33].to_vec();
    compressed[0] = 2;
    let cases = [
        ("the last octet of the signature", flipped(&honest, length - 1), "8.1/6.1"),
        ("the first octet of the signature", flipped(&honest, length - 64), "8.1/6.1"),
        ("an octet of the one-time key", flipped(&honest, length - 80), "8.1/6.1"),
        ("an octet of the id, unsigned", flipped(&honest, 13), "8.1/6.1"),
        ("another transactionId", euicc.preparation(&offer, &flipped(&id, 0), &otpk(1), None), "8.10.1/3.9"),
        ("another smdpSignature2", euicc.preparation(&other_signature2, &id, &otpk(1), None), "8.1/6.1"),
        ("another eUICC", Euicc::new(1).preparation(&offer, &id, &otpk(1), None), "8.1/6.1"),
        ("a key off the curve", euicc.preparation(&offer, &id, &flipped(&otpk(1), 64), None), "8.1/6.1"),
        ("a compressed key", euicc.preparation(&offer, &id, &compressed, None), "8.1/6.1"),
        ("the point at infinity", euicc.preparation(&offer, &id, &[0], None), "8.1/6.1"),
        ("another message", nested(Tag(0xBF38), &[]), "8.1/6.1"),
        ("nothing", Vec::new(), "8.1/6.1"),
    ];
    for (what, response, code) in cases {
        assert_eq!(server.package_with(&offer.transaction_id, &response).unwrap_err(), code, "{what}");
    }
    for length in (1..length).step_by(29) {
        let cut = server.package_with(&offer.transaction_id, &honest[..length]);
        assert_eq!(cut.unwrap_err(), "8.1/6.1", "cut to {length} octets");
    }
    // Sessions that are none, or not there yet.
    let unknown = hex::encode_upper(flipped(&id, 7));
    assert_eq!(server.package_with(&unknown, &honest).unwrap_err(), "8.10.1/3.9");
    let initiated = server.initiate(&euicc);
    assert_eq!(server.package_with(&initiated.transaction_id, &honest).unwrap_err(), "8.10.1/3.9");
    // None of it changed anything: the session goes on.
    assert_eq!(server.state(&order.iccid), "Released");
    server.package_with(&offer.transaction_id, &honest).unwrap();

    // The eUICC refuses: the session is over, the order lives.
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let error =
        nested(Tag(0xA1), &[&tlv(Tag(0x80), &octets(&offer.transaction_id)), &tlv(Tag::INTEGER, &[2])]);
    let error = nested(Tag(0xBF21), &[&error]);
    assert_eq!(server.package_with(&offer.transaction_id, &error).unwrap_err(), "8.1/6.1");
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.10.1/3.9");
    assert_eq!(server.state(&order.iccid), "Released");
}

fn a_wrong_code_may_be_corrected_in_the_same_session() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let id = octets(&offer.transaction_id);
    let package = |hash: Option<&[u8]>| {
        let response = euicc.preparation(&offer, &id, &otpk(1), hash);
        server.package_with(&offer.transaction_id, &response)
    };
    let confirmations = || server.stored(&order.iccid).attempts().confirmation;
    assert_eq!(package(None).unwrap_err(), "8.2.7/2.2");
    assert_eq!(confirmations(), 0, "a missing code is no guess");
    let right = hash_cc("1234", &offer.transaction_id);
    assert_eq!(package(Some(&flipped(&right, 31))).unwrap_err(), "8.2.7/3.8");
    assert_eq!(package(Some(&right[..31])).unwrap_err(), "8.2.7/3.8", "a hash cut short");
    assert_eq!(package(Some(&hash_cc("1234", "00FF"))).unwrap_err(), "8.2.7/3.8", "of another session");
    assert_eq!(confirmations(), 3);
    package(Some(&right)).unwrap();
    assert_eq!(server.state(&order.iccid), "Downloaded");
}

fn wrong_codes_are_counted_over_sessions_and_end_the_order() {
    let server = TestServer::with("[limits]\nconfirmation_attempts = 3\n", None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    for _ in 0..2 {
        let refused = server.package(&euicc, &offer, &otpk(1), Some("0000"));
        assert_eq!(refused.unwrap_err(), "8.2.7/3.8");
    }
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let refused = server.package(&euicc, &offer, &otpk(1), Some("0000"));
    assert_eq!(refused.unwrap_err(), "8.2.7/6.4");
    assert_eq!(server.state(&order.iccid), "Error ConfirmationAttempts");
    let over = server.package(&euicc, &offer, &otpk(1), Some("1234"));
    assert_eq!(over.unwrap_err(), "8.10.1/3.9", "the session is over");
    assert_eq!(server.authenticate(&euicc, Some(&order.matching_id)).unwrap_err(), "8.8.5/6.4");
    assert_eq!(server.state(&order.iccid), "Error ConfirmationAttempts");
}

fn a_repetition_gets_the_same_package() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("1"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let hash = hash_cc("1", &offer.transaction_id);
    let response = euicc.preparation(&offer, &octets(&offer.transaction_id), &otpk(1), Some(&hash));
    let body = json!({ "transactionId": offer.transaction_id, "prepareDownloadResponse": base64(&response) });
    let call = || server.post(Interface::Es9Plus, "getBoundProfilePackage", body.to_string()).body;
    let first = call();
    server.deaths.committed();
    assert_eq!(call(), first);
    assert_eq!(server.deaths.committed(), [], "nothing is bound again");
}

fn the_same_one_time_key_gets_the_same_segments_under_a_fresh_request() {
    let server = with_random_keys();
    let euicc = Euicc::new(0);
    for (profile_type, code) in KEYS_AND_CODES {
        let order = server.order(order_of(profile_type, code));
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        assert_eq!(offered(&offer), None);
        let first = halves(&server.package(&euicc, &offer, &otpk(1), code).unwrap());
        server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
        server.restart();
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        assert_eq!(offered(&offer).as_deref(), Some(&otpk(1)[..]));
        let package = server.package(&euicc, &offer, &otpk(1), code).unwrap();
        let second = halves(&package);
        let request = InitialiseSecureChannelRequest::from_der(&second.1).unwrap();
        assert_eq!(request.transaction_id, octets(&offer.transaction_id));
        assert_eq!(second.0, first.0, "smdpOtpk");
        assert_ne!(second.1, first.1, "BF23 is signed for the new session");
        assert_eq!(second.2, first.2, "the 87, 88 and 86 segments");
    }
}

/// As if the template or the metadata had been changed in the settings between two sessions.
fn other_content_gets_other_keys() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let package = || {
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        halves(&server.package(&euicc, &offer, &otpk(1), None).unwrap()).0
    };
    let first = package();
    assert_eq!(package(), first);
    let store = server.smdp().store.clone();
    server.wait(async {
        let (order, kept) = store.latest_download(&order.iccid).await.unwrap().unwrap();
        let binding = NewBinding {
            transaction_id: TransactionId::from_octets(&[9; 16]).unwrap(),
            eid: kept.eid,
            euicc_public_key: kept.euicc_public_key.try_into().unwrap(),
            euicc_otpk: kept.euicc_otpk.try_into().unwrap(),
            smdp_otpk: kept.smdp_otpk.try_into().unwrap(),
            content_digest: [9; 32],
            sealed_session_keys: kept.sealed_session_keys.unwrap(),
            at: kept.at,
            callback: None,
        };
        store.bind(&order, &binding).await.unwrap();
    });
    let second = package();
    assert_ne!(second, first);
    assert_eq!(package(), second);
}

/// RetryCases_DifferentOTPK #01 to #04: nothing is offered, since the keys of the first binding are gone.
fn a_retry_without_an_offered_key_gets_another_binding() {
    let server = with_random_keys();
    let euicc = Euicc::new(0);
    for (profile_type, code) in KEYS_AND_CODES {
        let order = server.order(order_of(profile_type, code));
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let first = halves(&server.package(&euicc, &offer, &otpk(1), code).unwrap());
        server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
        let store = server.smdp().store.clone();
        let failed = server
            .stored(&order.iccid)
            .fail(ErrorReason::NotEligible(EligibilityRule::PolicyRule), server.clock.now())
            .unwrap();
        let failed = server.wait(store.save(failed)).unwrap();
        let hand = Hand { person: Person::unknown(), at: server.clock.now() };
        server.wait(reset(&store, &hand, &failed, None)).unwrap();
        for number in [1, 2] {
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            if number == 1 {
                assert_eq!(offered(&offer), None);
            }
            let other = halves(&server.package(&euicc, &offer, &otpk(number), code).unwrap());
            assert!(other.0 != first.0 && other.2 != first.2, "even for the same key of the eUICC");
        }
    }
}

fn another_one_time_key_gets_another_binding() {
    let server = with_random_keys();
    let euicc = Euicc::new(0);
    for (profile_type, code) in KEYS_AND_CODES {
        let order = server.order(order_of(profile_type, code));
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for number in 1..=3 {
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            let (otpk_of_server, _, segments) =
                halves(&server.package(&euicc, &offer, &otpk(number), code).unwrap());
            assert!(!seen.contains(&otpk_of_server) && !seen.contains(&segments));
            seen.extend([otpk_of_server, segments]);
        }
        // In one session: another key is another binding too.
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let same = halves(&server.package(&euicc, &offer, &otpk(3), code).unwrap());
        assert!(seen.contains(&same.0));
        let other = halves(&server.package(&euicc, &offer, &otpk(4), code).unwrap());
        assert!(!seen.contains(&other.0));
        // The result of any of the sessions finishes the order.
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None);
        assert_eq!(server.notify(&result), 204);
        assert_eq!(server.state(&order.iccid), "Installed");
    }
}

fn a_card_that_kept_its_one_time_key_installs_the_retried_package() {
    use simyard::device::lpa::LpaError;
    use simyard::store::watch::{ChangeKind, CommitPhase};

    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    // The package is bound, but the answer never comes.
    server.deaths.arm(CommitPhase::After, ChangeKind::Bind);
    let mut lpa = server.lpa(server.card(&euicc));
    let request = crate::server::download_request(&order.matching_id, None);
    let download = server.callers.spawn(async move {
        let outcome = lpa.download(&request, &mut |_, _| {}).await;
        (lpa.into_card().close().unwrap(), outcome)
    });
    server.callers.block_on(server.deaths.died());
    server.kill();
    let (card, outcome) = server.callers.block_on(download).unwrap();
    assert!(matches!(outcome, Err(LpaError::Server { function: "ES9+.GetBoundProfilePackage", .. })));
    server.restart();
    let binding = |server: &TestServer| {
        let store = server.smdp().store.clone();
        let material = server.wait(store.material(&order.iccid)).unwrap().unwrap();
        material.binding.map(|binding| (binding.euicc_otpk, binding.smdp_otpk))
    };
    let before = binding(&server);
    assert!(before.is_some());
    let (_, outcome) = server.download(card, &order.matching_id, None);
    outcome.unwrap();
    assert_eq!(binding(&server), before, "the card used the key that it was offered");
    assert_eq!(server.state(&order.iccid), "Installed");
}

fn an_order_that_is_over_hands_out_nothing() {
    let server = TestServer::with("[limits]\norder_lifetime_days = 1\n", None);
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    // Taken back by the operator.
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let body = json!({
        "iccid": order.iccid.as_str(),
        "matchingId": order.matching_id,
        "finalProfileStatusIndicator": "Available",
    });
    server.es2plus("cancelOrder", body).unwrap();
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.10.1/3.9");
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.10.1/3.9");
    // Ordered anew: the session of the old order does not reach the new one.
    let order = server.order(OrderOptions { iccid: Some(&order.iccid), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    // Taken by another eUICC.
    let faster = server.authenticate(&stranger, Some(&order.matching_id)).unwrap();
    server.package(&stranger, &faster, &otpk(2), None).unwrap();
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.10.1/3.9");
    assert_eq!(server.stored(&order.iccid).eid(), Some(&stranger.eid));
    // Installed meanwhile.
    let again = server.authenticate(&stranger, Some(&order.matching_id)).unwrap();
    let result = stranger.result(&octets(&faster.transaction_id), &order.iccid, 1, None);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(server.package(&stranger, &again, &otpk(2), None).unwrap_err(), "8.10.1/3.9");
    // Expired meanwhile.
    let order = server.order(OrderOptions::default());
    server.clock.advance(Duration::from_secs(24 * 3600 - 60));
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.8.5/4.10");
    assert_eq!(server.state(&order.iccid), "Error Expired");
    // A user who thinks for longer than an hour.
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.10.1/3.9");
    server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
}

/// Its keys have been outside: no other eUICC gets them, and the same one gets them under new session keys.
fn an_order_that_is_reset_by_hand_stays_with_its_euicc() {
    let server = TestServer::start();
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let first = server.package(&euicc, &offer, &otpk(1), None).unwrap();
    let failed = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, Some(12));
    assert_eq!(server.notify(&failed), 204);
    assert_eq!(server.state(&order.iccid), "Error Installation(12)");
    let refused = server.authenticate(&euicc, Some(&order.matching_id));
    assert_eq!(refused.unwrap_err(), "8.2.6/3.8");

    let stuck = server.stored(&order.iccid);
    let hand = Hand { person: Person::unknown(), at: server.clock.now() };
    server.wait(reset(&server.smdp().store, &hand, &stuck, None)).unwrap();
    assert_eq!(server.state(&order.iccid), "Downloaded");
    assert_eq!(server.notify(&failed), 204, "the error is told again");
    assert_eq!(server.state(&order.iccid), "Downloaded");
    let refused = server.authenticate(&stranger, Some(&order.matching_id));
    assert_eq!(refused.unwrap_err(), "8.1.1/3.8");
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    assert_eq!(server.stored(&order.iccid).attempts().download, 1, "counted from nothing");
    let again = server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_ne!(halves(&again).0, halves(&first).0, "the keys of the first binding were wiped");
    let done = euicc.result(&octets(&offer.transaction_id), &order.iccid, 2, None);
    assert_eq!(server.notify(&done), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
}
