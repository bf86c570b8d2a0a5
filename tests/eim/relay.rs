//! Indirect downloads through the eIM (SGP.32 3.2.3.2): towards a real SM-DP+, which lies, is silent or refuses where a test
//! wants it to.

use serde_json::{Value, json};
use simyard::eim::authenticate_client::{AuthenticateClientError, authenticate_client};
use simyard::eim::initiate_authentication::{InitiateAuthenticationError, initiate_authentication};
use simyard::eim::status::EsipaError;
use simyard::ident::TransactionId;
use simyard_asn1::iot::esipa::{AuthenticateClientRequest, InitiateAuthenticationRequest};
use simyard_asn1::rsp::authentication::CtxParams1;
use simyard_asn1::rsp::download::cancel_session_reason;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::{Decode as _, Tag};

use super::relayed::{
    LAZY, Met, World, code, compact_authentication, device, member, other_eid, transaction,
};
use crate::server::euicc::{SMDP_OID, base64, flipped, from_base64, hash_cc, info2_with, nested, tlv};
use crate::server::{ADDRESS, Euicc, OrderOptions};

crate::tests!(
    a_download_is_relayed_and_what_the_euicc_signs_goes_on_untouched,
    what_an_ipa_leaves_out_the_eim_fills_in,
    a_trigger_is_its_devices_alone,
    a_device_that_asks_for_another_server_gets_none,
    a_server_that_lies_opens_no_session,
    a_session_is_its_devices_alone_and_goes_its_way_once,
    a_repeated_call_gets_the_same_answer_without_another_call,
    compact_forms_are_made_whole_octet_for_octet,
    what_does_not_verify_goes_no_further,
    a_silent_server_leaves_the_session_and_a_refusal_ends_the_operation,
    what_the_server_answers_for_another_session_is_not_taken,
    a_policy_rule_that_the_euicc_forbids_is_refused_and_the_device_cancels,
    a_package_with_other_metadata_is_not_handed_over,
    a_confirmation_code_that_the_eim_holds_is_proved,
    a_cancelled_session_is_over_on_both_sides,
);

/// What a server makes of an answer.
type Lie = fn(Value) -> Met;

/// The integer of an error.
fn integer(error: &impl EsipaError) -> i64 {
    error.code().code()
}

fn a_download_is_relayed_and_what_the_euicc_signs_goes_on_untouched() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    assert_eq!(initiated.matching_id.as_deref(), Some(order.matching_id.as_str()));
    assert_eq!(initiated.ctx_params1, None, "this IPA makes them itself");
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    let offer = world.authenticate(&id, response.clone()).unwrap();
    assert_eq!((offer.transaction_id.as_ref(), offer.hash_cc.as_ref()), (Some(&id), None));
    let metadata = offer.profile_metadata.clone().unwrap();
    let metadata = StoreMetadataRequest::from_der(&metadata).unwrap();
    assert_eq!(metadata.iccid, &order.iccid.to_bcd());
    let preparation = world.preparation(&offer, None);
    let package = world.package(&id, preparation.clone()).unwrap();
    assert_eq!(package.transaction_id.as_ref(), Some(&id));
    assert!(package.bound_profile_package.starts_with(&[0xBF, 0x36]));
    assert_eq!(world.smdp.state(&order.iccid), "Downloaded");

    let calls = world.network.calls();
    let functions: Vec<&str> = calls.iter().map(|(function, _)| function.as_str()).collect();
    assert_eq!(functions, ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage"]);
    assert_eq!(calls[0].1["smdpAddress"], ADDRESS);
    assert_eq!(from_base64(&calls[1].1["authenticateServerResponse"]), response);
    assert_eq!(from_base64(&calls[2].1["prepareDownloadResponse"]), preparation);

    // What belongs to the result is known, whenever that comes.
    let relayed = TransactionId::from_octets(&id).unwrap();
    let relayed = world.run(world.eim.store.relayed_download(&relayed)).unwrap().unwrap();
    assert_eq!((&relayed.eid, &relayed.iccid), (&world.euicc.eid, &order.iccid));
    assert_eq!((relayed.eim_transaction_id, relayed.address.as_str()), (transaction(1), ADDRESS));
    assert_eq!(relayed.smdp_oid.to_string(), SMDP_OID);
    assert_eq!(relayed.euicc_public_key, Some(world.euicc.key.public_key().as_point().to_vec()));
    assert_eq!(world.state(1), "downloading", "the eUICC has not said anything yet");
}

fn what_an_ipa_leaves_out_the_eim_fills_in() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let short = InitiateAuthenticationRequest {
        euicc_info1: None,
        smdp_address: None,
        eim_transaction_id: None,
        ..World::request(1)
    };
    let error = world.initiate(&short).unwrap_err();
    assert!(matches!(error, InitiateAuthenticationError::EuiccInfo1Unknown), "{error}");
    assert_eq!((integer(&error), world.network.called().len()), (127, 0));
    world.introduce(&LAZY);
    let initiated = world.initiate(&short).unwrap();
    let given = initiated.ctx_params1.clone().unwrap();
    let params = CtxParams1::from_der(&given).unwrap();
    assert_eq!(params.matching_id, Some(order.matching_id.as_str()));
    assert_eq!(params.device_info.tac, [0x35, 0x29, 0x06, 0x11]);
    // One that names the server rightly, in another spelling.
    let spelt = InitiateAuthenticationRequest {
        smdp_address: Some(format!("{}:443", ADDRESS.to_uppercase())),
        ..World::request(1)
    };
    world.initiate(&spelt).unwrap();
    assert_eq!(world.eim.relay.sessions.len(), 1, "an eUICC has one session");
}

fn a_trigger_is_its_devices_alone() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    let refused = |caller, request| {
        let error = world.run(initiate_authentication(&world.eim, &caller, &request)).unwrap_err();
        assert_eq!(integer(&error), 52, "{error}");
    };
    refused(world.device(), World::request(1));
    let unnamed = InitiateAuthenticationRequest { eim_transaction_id: None, ..World::request(1) };
    refused(world.device(), unnamed.clone());
    world.trigger(1, &code(&order), None);
    refused(device(&world.eim, Some(&other_eid())), World::request(1));
    refused(device(&world.eim, Some(&other_eid())), unnamed.clone());
    refused(world.device(), World::request(2));
    // Who proved nothing needs the identifier that came with the trigger.
    let anonymous = device(&world.eim, None);
    refused(anonymous.clone(), unnamed);
    assert_eq!(world.network.called(), Vec::<String>::new());
    world.run(initiate_authentication(&world.eim, &anonymous, &World::request(1))).unwrap();
}

fn a_device_that_asks_for_another_server_gets_none() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    for asked in ["other.example.com", "smdp.example.com:8443", "127.0.0.1", "", "https://smdp.example.com"] {
        let request =
            InitiateAuthenticationRequest { smdp_address: Some(asked.to_owned()), ..World::request(1) };
        let error = world.initiate(&request).unwrap_err();
        assert_eq!(integer(&error), 50, "{asked}: {error}");
    }
    assert_eq!(world.network.called(), Vec::<String>::new(), "nobody was called");
}

/// serverSigned1 of an answer with a part that reads otherwise.
fn resigned(answer: &Value, part: Tag, value: &[u8]) -> Value {
    let signed = from_base64(&answer["serverSigned1"]);
    let parts: Vec<Vec<u8>> = [Tag(0x80), Tag(0x81), Tag(0x83), Tag(0x84)]
        .into_iter()
        .map(|tag| if tag == part { tlv(tag, value) } else { member(&signed, tag) })
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    base64(&nested(Tag::SEQUENCE, &parts))
}

fn a_server_that_lies_opens_no_session() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &format!("{}${SMDP_OID}", code(&order)), None);
    let function = "initiateAuthentication";
    let lies: [(Lie, i64); 8] = [
        // Another transactionId than it signed.
        (|answer| Met::with(answer, "transactionId", json!("00112233445566778899AABBCCDDEEFF")), 127),
        // Another challenge than it was given.
        (
            |answer| {
                let signed = resigned(&answer, Tag(0x81), &[8; 16]);
                Met::with(answer, "serverSigned1", signed)
            },
            127,
        ),
        // Another name than it was called by.
        (
            |answer| {
                let signed = resigned(&answer, Tag(0x83), b"other.example.com");
                Met::with(answer, "serverSigned1", signed)
            },
            50,
        ),
        (|answer| Met::with(answer, "serverSigned1", base64(&[0x30, 0x00])), 127),
        (|answer| Met::with(answer, "serverCertificate", base64(&[0x30, 0x00])), 127),
        (|_| Met::Body(b"{}".to_vec()), 127),
        (|_| Met::Status(302), 127),
        (|_| Met::Lost, 127),
    ];
    for (place, (lie, expected)) in lies.into_iter().enumerate() {
        world.network.meddle(function, lie);
        let error = world.initiate(&World::request(1)).unwrap_err();
        assert_eq!(integer(&error), expected, "{place}: {error}");
        assert!(world.eim.relay.sessions.is_empty());
    }
    // The certificate of another server, where the activation code names one.
    let operator = crate::server::PKI.operator.certificate.der().to_vec();
    world.network.meddle(function, move |answer| Met::with(answer, "serverCertificate", base64(&operator)));
    let error = world.initiate(&World::request(1)).unwrap_err();
    assert_eq!(integer(&error), 51, "{error}");
    assert_eq!(world.state(1), "downloading", "any of it may go well another time");
    world.initiate(&World::request(1)).unwrap();
}

fn a_session_is_its_devices_alone_and_goes_its_way_once() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    let request = AuthenticateClientRequest {
        transaction_id: id.clone(),
        authenticate_server_response: response.clone(),
    };
    let stranger = device(&world.eim, Some(&other_eid()));
    let error = world.run(authenticate_client(&world.eim, &stranger, &request)).unwrap_err();
    assert_eq!(integer(&error), 10, "{error}");
    assert_eq!(integer(&world.authenticate(&[9; 16], response.clone()).unwrap_err()), 10);
    assert_eq!(integer(&world.authenticate(&[], response.clone()).unwrap_err()), 10);
    // Not before AuthenticateClient.
    assert_eq!(integer(&world.package(&id, nested(Tag(0xBF21), &[])).unwrap_err()), 95);
    let offer = world.authenticate(&id, response).unwrap();
    // AuthenticateClient with other octets has no session any more.
    let again = world.authentication(&initiated).to_der();
    assert_eq!(integer(&world.authenticate(&id, again).unwrap_err()), 10);
    let preparation = world.preparation(&offer, None);
    assert_eq!(integer(&world.package(&[9; 16], preparation.clone()).unwrap_err()), 95);
    world.package(&id, preparation).unwrap();
    // Sessions end with time.
    world.clock.advance(std::time::Duration::from_secs(3600));
    assert!(world.eim.relay.sessions.is_empty());
}

fn a_repeated_call_gets_the_same_answer_without_another_call() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    let offer = world.authenticate(&id, response.clone()).unwrap();
    world.network.called();
    assert_eq!(world.authenticate(&id, response).unwrap(), offer);
    let preparation = world.preparation(&offer, None);
    // An answer that was lost between server and eIM is fetched again.
    world.network.meddle("getBoundProfilePackage", |_| Met::Lost);
    assert_eq!(integer(&world.package(&id, preparation.clone()).unwrap_err()), 127);
    let package = world.package(&id, preparation.clone()).unwrap();
    assert_eq!(world.network.called(), ["getBoundProfilePackage", "getBoundProfilePackage"]);
    assert_eq!(world.package(&id, preparation).unwrap(), package);
    assert_eq!(world.network.called(), Vec::<String>::new());
}

fn compact_forms_are_made_whole_octet_for_octet() {
    let world = World::new();
    world.introduce(&LAZY);
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    // The eUICC has other free memory than it once told, and signs that.
    let info2 = info2_with(|info| info.ext_card_resource = &[0x81, 1, 0, 0x82, 3, 9, 0, 0, 0x83, 2, 0x40, 0]);
    let from_eim = crate::server::Initiated {
        transaction_id: hex::encode_upper(&id),
        server_signed1: initiated.server_signed1.clone(),
    };
    let mut signed1 = world.euicc.signed1(&from_eim, Some(&order.matching_id));
    signed1.info2.clone_from(&info2);
    let whole = world.euicc.authentication(&signed1);
    let offer = world.authenticate(&id, compact_authentication(&whole, &info2)).unwrap();
    let preparation = world.preparation(&offer, None);
    let ok = member(&preparation, Tag(0xA0));
    let signed = member(&ok, Tag::SEQUENCE);
    let compact = nested(
        Tag(0xBF21),
        &[&nested(
            Tag(0xA2),
            &[&nested(Tag::SEQUENCE, &[&member(&signed, Tag(0x5F49))]), &member(&ok, Tag(0x5F37))],
        )],
    );
    assert!(compact.len() < preparation.len());
    world.package(&id, compact).unwrap();
    let calls = world.network.calls();
    assert_eq!(from_base64(&calls[1].1["authenticateServerResponse"]), whole.to_der());
    assert_eq!(from_base64(&calls[2].1["prepareDownloadResponse"]), preparation);
    assert_eq!(world.smdp.state(&order.iccid), "Downloaded");

    // What is not known cannot be made whole.
    let stranger = World::new();
    let order = stranger.smdp.order(OrderOptions::default());
    stranger.trigger(1, &code(&order), None);
    let initiated = stranger.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let whole = stranger.authentication(&initiated);
    let compact = compact_authentication(&whole, &info2_with(|_| {}));
    let error = stranger.authenticate(&id, compact).unwrap_err();
    assert!(matches!(error, AuthenticateClientError::Incomplete(_)), "{error}");
    assert_eq!(integer(&error), 127);
    stranger.authenticate(&id, whole.to_der()).unwrap();
}

fn what_does_not_verify_goes_no_further() {
    let world = World::new();
    world.introduce(&LAZY);
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let whole = world.authentication(&initiated);
    let other = Euicc::new(1);
    let of_other = {
        let from_eim = crate::server::Initiated {
            transaction_id: hex::encode_upper(&id),
            server_signed1: initiated.server_signed1.clone(),
        };
        other.authentication(&other.signed1(&from_eim, Some(&order.matching_id)))
    };
    let mut forged = whole.clone();
    forged.signature1 = flipped(&forged.signature1, 40);
    let mut elsewhere = whole.clone();
    elsewhere.signed1 = {
        let from_eim = crate::server::Initiated {
            transaction_id: hex::encode_upper(&id),
            server_signed1: initiated.server_signed1.clone(),
        };
        let mut signed1 = world.euicc.signed1(&from_eim, None);
        signed1.transaction_id = vec![1; 16];
        signed1.to_der()
    };
    let mut unreadable = whole.clone();
    unreadable.euicc = tlv(Tag::SEQUENCE, &[]);
    // Compact, with another memory than was signed.
    let guessed = compact_authentication(&whole, &info2_with(|info| info.ext_card_resource = &[0x81, 1, 7]));
    world.network.called();
    for (response, expected) in [
        (of_other.to_der(), 7),
        (forged.to_der(), 5),
        (elsewhere.to_der(), 10),
        (unreadable.to_der(), 3),
        (guessed, 5),
        (nested(Tag(0xBF38), &[]), 5),
        (nested(Tag(0xBF38), &[&nested(Tag(0xA1), &[&tlv(Tag(0x80), &[1; 16]), &tlv(Tag(0x02), &[7])])]), 10),
    ] {
        let error = world.authenticate(&id, response).unwrap_err();
        assert_eq!(integer(&error), expected, "{error}");
    }
    assert_eq!(world.network.called(), Vec::<String>::new(), "the SM-DP+ never heard of it");
    let offer = world.authenticate(&id, whole.to_der()).unwrap();
    world.network.called();
    let preparation = world.preparation(&offer, None);
    let ok = member(&preparation, Tag(0xA0));
    let (signed, signature) = (member(&ok, Tag::SEQUENCE), member(&ok, Tag(0x5F37)));
    let bent = nested(Tag(0xBF21), &[&nested(Tag(0xA0), &[&signed, &flipped(&signature, 40)])]);
    let refused = |response| integer(&world.package(&id, response).unwrap_err());
    assert_eq!(refused(bent), 1);
    assert_eq!(refused(nested(Tag(0xBF21), &[])), 1);
    let of_another =
        nested(Tag(0xBF21), &[&nested(Tag(0xA1), &[&tlv(Tag(0x80), &[1; 16]), &tlv(Tag(0x02), &[7])])]);
    assert_eq!(refused(of_another), 95);
    assert_eq!(world.network.called(), Vec::<String>::new());
    // What the eUICC says against the server, the server hears.
    let code = nested(Tag(0xA1), &[&tlv(Tag(0x80), &id), &tlv(Tag(0x02), &[2])]);
    assert_eq!(refused(nested(Tag(0xBF21), &[&code])), 1);
    assert_eq!(world.network.called(), ["getBoundProfilePackage"]);
}

fn a_silent_server_leaves_the_session_and_a_refusal_ends_the_operation() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    for met in [|_| Met::Lost, |_| Met::Status(503), |_| Met::Body(b"[]".to_vec())] {
        world.network.meddle("authenticateClient", met);
        let error = world.authenticate(&id, response.clone()).unwrap_err();
        assert_eq!(integer(&error), 127, "{error}");
        assert_eq!(world.state(1), "downloading");
    }
    // The order is cancelled meanwhile.
    let status = json!({ "header": { "functionExecutionStatus": { "status": "Failed", "statusCodeData": {
        "subjectCode": "8.2.6", "reasonCode": "3.8", "message": "gone" } } } });
    world.network.meddle("authenticateClient", move |_| Met::Body(status.to_string().into_bytes()));
    let error = world.authenticate(&id, response.clone()).unwrap_err();
    assert_eq!(integer(&error), 6);
    assert!(world.state(1).starts_with("failed: "), "{}", world.state(1));
    assert!(world.state(1).contains("8.2.6/3.8"), "{}", world.state(1));
    assert_eq!(integer(&world.authenticate(&id, response).unwrap_err()), 10, "the session is over");

    // The same from a caller who proved nothing changes no operation: the code may be a thief's.
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(2, &code(&order), None);
    let anonymous = device(&world.eim, None);
    let request = World::request(2);
    let initiated = world.run(initiate_authentication(&world.eim, &anonymous, &request)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let code = nested(Tag(0xA1), &[&tlv(Tag(0x80), &id), &tlv(Tag(0x02), &[2])]);
    let request = AuthenticateClientRequest {
        transaction_id: id,
        authenticate_server_response: nested(Tag(0xBF38), &[&code]),
    };
    let error = world.run(authenticate_client(&world.eim, &anonymous, &request)).unwrap_err();
    assert_eq!((integer(&error), world.state(2).as_str()), (5, "downloading"), "{error}");
}

fn what_the_server_answers_for_another_session_is_not_taken() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    let strange = json!("00112233445566778899AABBCCDDEEFF");
    let lies: [fn(Value, Value) -> Met; 4] = [
        |answer, strange| Met::with(answer, "transactionId", strange),
        |answer, _| {
            let signed = nested(Tag::SEQUENCE, &[&tlv(Tag(0x80), &[1; 16]), &tlv(Tag(0x01), &[0])]);
            Met::with(answer, "smdpSigned2", base64(&signed))
        },
        |answer, _| Met::with(answer, "smdpSigned2", base64(&[0x30, 0x00])),
        |answer, _| Met::with(answer, "profileMetadata", base64(&[0xBF, 0x25, 0x00])),
    ];
    for lie in lies {
        let strange = strange.clone();
        world.network.meddle("authenticateClient", move |answer| lie(answer, strange.clone()));
        let error = world.authenticate(&id, response.clone()).unwrap_err();
        assert_eq!(integer(&error), 127, "{error}");
    }
    let offer = world.authenticate(&id, response).unwrap();
    let preparation = world.preparation(&offer, None);
    world
        .network
        .meddle("getBoundProfilePackage", move |answer| Met::with(answer, "transactionId", strange.clone()));
    assert_eq!(integer(&world.package(&id, preparation.clone()).unwrap_err()), 127);
    world.network.meddle("getBoundProfilePackage", |answer| {
        Met::with(answer, "boundProfilePackage", base64(&[0xBF, 0x36, 0x00]))
    });
    assert_eq!(integer(&world.package(&id, preparation.clone()).unwrap_err()), 127);
    assert_eq!(world.state(1), "downloading");
    world.package(&id, preparation).unwrap();
}

fn a_policy_rule_that_the_euicc_forbids_is_refused_and_the_device_cancels() {
    let world = World::new();
    world.introduce(&LAZY);
    // A table without rules allows no profile to forbid anything.
    world.rules(vec![0xA6, 0x00]);
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    // The SM-DP+ offers a profile that may not be deleted.
    world.network.meddle("authenticateClient", |answer| {
        let metadata = from_base64(&answer["profileMetadata"]);
        let ruled = StoreMetadataRequest {
            profile_policy_rules: simyard_asn1::tlv::NamedBits::bit(2),
            ..StoreMetadataRequest::from_der(&metadata).unwrap()
        };
        let ruled = simyard_asn1::Encode::to_der(&ruled);
        Met::with(answer, "profileMetadata", base64(&ruled))
    });
    for _ in 0..2 {
        let error = world.authenticate(&id, response.clone()).unwrap_err();
        assert_eq!(integer(&error), 50, "{error}");
    }
    assert_eq!(world.network.called(), ["initiateAuthentication", "authenticateClient"]);
    assert!(world.state(1).contains("PPR2"), "{}", world.state(1));
    let preparation = nested(Tag(0xBF21), &[]);
    assert_eq!(integer(&world.package(&id, preparation).unwrap_err()), 95);
    // Compact, without the reason: the eIM knows it.
    let reason = cancel_session_reason::PPR_NOT_ALLOWED;
    let whole = world.euicc.cancellation(&id, SMDP_OID, reason);
    let signature = member(&member(&whole, Tag(0xA0)), Tag(0x5F37));
    let compact = nested(Tag(0xBF41), &[&nested(Tag(0xA2), &[&tlv(Tag::SEQUENCE, &[]), &signature])]);
    world.cancel(&id, compact).unwrap();
    let calls = world.network.calls();
    assert_eq!(from_base64(&calls[0].1["cancelSessionResponse"]), whole);
    assert!(world.smdp.state(&order.iccid).starts_with("Error"), "{}", world.smdp.state(&order.iccid));
}

fn a_package_with_other_metadata_is_not_handed_over() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = world.authentication(&initiated).to_der();
    world.network.meddle("authenticateClient", |answer| {
        let metadata = from_base64(&answer["profileMetadata"]);
        let other = StoreMetadataRequest {
            profile_name: "Another",
            ..StoreMetadataRequest::from_der(&metadata).unwrap()
        };
        let other = simyard_asn1::Encode::to_der(&other);
        Met::with(answer, "profileMetadata", base64(&other))
    });
    let offer = world.authenticate(&id, response).unwrap();
    let error = world.package(&id, world.preparation(&offer, None)).unwrap_err();
    assert_eq!(integer(&error), 50, "{error}");
    let relayed = TransactionId::from_octets(&id).unwrap();
    assert_eq!(world.run(world.eim.store.relayed_download(&relayed)).unwrap(), None);
    assert!(world.state(1).starts_with("failed: "), "{}", world.state(1));
}

fn a_confirmation_code_that_the_eim_holds_is_proved() {
    let world = World::new();
    let order = world.smdp.order(OrderOptions { code: Some("4711"), ..OrderOptions::default() });
    world.trigger(1, &code(&order), Some("4711"));
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let offer = world.authenticate(&id, world.authentication(&initiated).to_der()).unwrap();
    let expected = hash_cc("4711", &hex::encode_upper(&id));
    assert_eq!(offer.hash_cc, Some(tlv(Tag::OCTET_STRING, &expected)));
    world.package(&id, world.preparation(&offer, Some(&expected))).unwrap();
    assert_eq!(world.smdp.state(&order.iccid), "Downloaded");

    // Without one the device has to know it.
    let world = World::new();
    let order = world.smdp.order(OrderOptions { code: Some("4711"), ..OrderOptions::default() });
    world.trigger(1, &code(&order), None);
    let initiated = world.initiate(&World::request(1)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let offer = world.authenticate(&id, world.authentication(&initiated).to_der()).unwrap();
    assert_eq!(offer.hash_cc, None);
    let wrong = hash_cc("1", &hex::encode_upper(&id));
    let error = world.package(&id, world.preparation(&offer, Some(&wrong))).unwrap_err();
    assert_eq!((integer(&error), world.state(1).as_str()), (3, "downloading"), "another try may go well");
    let right = hash_cc("4711", &hex::encode_upper(&id));
    world.package(&id, world.preparation(&offer, Some(&right))).unwrap();
}

fn a_cancelled_session_is_over_on_both_sides() {
    let world = World::new();
    let (order, offer) = world.offered(1);
    let id = offer.transaction_id.unwrap();
    world.network.called();
    let postponed = world.euicc.cancellation(&id, SMDP_OID, cancel_session_reason::POSTPONED);
    for (response, expected) in [
        (world.euicc.cancellation(&[1; 16], SMDP_OID, 1), 1),
        (nested(Tag(0xBF41), &[]), 2),
        (Euicc::new(1).cancellation(&id, SMDP_OID, 1), 2),
    ] {
        assert_eq!(integer(&world.cancel(&id, response).unwrap_err()), expected);
    }
    assert_eq!(integer(&world.cancel(&[9; 16], postponed.clone()).unwrap_err()), 1);
    assert_eq!(world.network.called(), Vec::<String>::new());
    world.network.meddle("cancelSession", |_| Met::Lost);
    // The SM-DP+ got it, and the eIM does not know: the session stays for a repetition.
    assert_eq!(integer(&world.cancel(&id, postponed.clone()).unwrap_err()), 127);
    assert_eq!(integer(&world.cancel(&id, postponed.clone()).unwrap_err()), 1, "the SM-DP+ has it no more");
    assert!(world.eim.relay.sessions.is_empty());
    assert_eq!(world.smdp.state(&order.iccid), "Released", "it may be downloaded another time");

    let world = World::new();
    let (order, offer) = world.offered(1);
    let id = offer.transaction_id.unwrap();
    let rejected = world.euicc.cancellation(&id, SMDP_OID, cancel_session_reason::END_USER_REJECTION);
    world.cancel(&id, rejected.clone()).unwrap();
    assert!(world.smdp.state(&order.iccid).starts_with("Error"), "{}", world.smdp.state(&order.iccid));
    assert_eq!(world.state(1), "failed: the device cancelled the download: endUserRejection (0)");
    assert_eq!(integer(&world.cancel(&id, rejected).unwrap_err()), 1);
}
