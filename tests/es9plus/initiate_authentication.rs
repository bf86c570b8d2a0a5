//! ES9+.InitiateAuthentication (SGP.22 5.6.1; SGP.23 4.3.12).

use serde_json::Value;
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::authentication::ServerSigned1;

use crate::server::euicc::{base64, ci_key, from_base64, info1, tlv};
use crate::server::{Euicc, OrderOptions, PKI, TestServer};

crate::tests!(
    the_answer_is_signed_by_dp_auth_over_what_the_euicc_sent,
    what_cannot_be_served_is_refused_with_its_code,
    versions_and_lists_are_read_as_the_standard_says,
    an_euicc_of_version_3_is_served_as_one_of_version_2_or_refused,
    there_is_room_for_so_many_sessions_and_no_more,
);

fn with(member: &str, value: Value) -> Value {
    let mut body = Euicc::new(0).initiation();
    body[member] = value;
    body
}

fn the_answer_is_signed_by_dp_auth_over_what_the_euicc_sent() {
    let server = TestServer::start();
    for (sent, own) in [
        ("smdp.example.com", "smdp.example.com"),
        ("SMDP.Example.COM", "smdp.example.com"),
        ("SECOND.example.com:8443", "second.example.com:8443"),
    ] {
        let answer = server.es9plus("initiateAuthentication", &with("smdpAddress", sent.into())).unwrap();
        let signed1 = from_base64(&answer["serverSigned1"]);
        let signed = ServerSigned1::from_der(&signed1).unwrap();
        assert_eq!(hex::encode_upper(signed.transaction_id), answer["transactionId"].as_str().unwrap());
        assert_eq!(signed.euicc_challenge, &[7; 16]);
        assert!(signed.server_address.eq_ignore_ascii_case(own), "{}", signed.server_address);
        assert_eq!(from_base64(&answer["serverCertificate"]), PKI.dp_auth.certificate.der());
        assert_eq!(
            from_base64(&answer["euiccCiPKIdToBeUsed"]),
            tlv(simyard_asn1::Tag::OCTET_STRING, ci_key())
        );
        let signature = from_base64(&answer["serverSignature1"]);
        assert_eq!(signature[..3], [0x5F, 0x37, 64]);
        let key = PKI.dp_auth.key.signing_key().unwrap();
        key.public_key().verify(&signed1, signature[3..].try_into().unwrap()).unwrap();
    }
}

/// Where several rules are broken, the signing list comes before the verification list.
fn what_cannot_be_served_is_refused_with_its_code() {
    let server = TestServer::start();
    let ci: &[u8] = ci_key();
    let other: &[u8] = PKI.other_ci.certificate.subject_key_identifier().unwrap();
    let info = |svn, verification: &[&[u8]], signing: &[&[u8]]| {
        with("euiccInfo1", base64(&info1(svn, verification, signing)))
    };
    for (what, body, code) in [
        ("another port", with("smdpAddress", "smdp.example.com:8443".into()), "8.8.1/3.8"),
        ("signing list empty", info([2, 2, 2], &[ci], &[]), "8.8.2/3.1"),
        ("verification list empty", info([2, 2, 2], &[], &[ci]), "8.8.4/3.7"),
        ("both lists unknown", info([2, 2, 2], &[other], &[other]), "8.8.2/3.1"),
        ("EUICCInfo1 cut", with("euiccInfo1", base64(&[0xBF, 0x20, 0x05, 0x82])), "1.6/2.1"),
        ("EUICCInfo1 empty", with("euiccInfo1", "".into()), "1.6/2.1"),
        ("challenge of 15 octets", with("euiccChallenge", base64(&[7; 15])), "1.6/2.1"),
        ("challenge of 17 octets", with("euiccChallenge", base64(&[7; 17])), "1.6/2.1"),
        ("address with a path", with("smdpAddress", "smdp.example.com/x".into()), "8.8.1/3.8"),
    ] {
        assert_eq!(server.es9plus("initiateAuthentication", &body).unwrap_err(), code, "{what}");
    }
    assert!(server.smdp().sessions.is_empty(), "a refusal keeps nothing");
}

fn versions_and_lists_are_read_as_the_standard_says() {
    let server = TestServer::start();
    let ci: &[u8] = ci_key();
    let short: &[u8] = &[1, 2, 3];
    let long: &[u8] = &[9; 64];
    for (svn, verification, signing) in [
        ([2, 2, 1], vec![ci], vec![ci]),
        ([2, 2, 2], vec![ci], vec![ci]),
        ([2, 3, 0], vec![ci], vec![ci]),
        ([2, 5, 0], vec![short, ci], vec![long, ci, short]),
    ] {
        let body = with("euiccInfo1", base64(&info1(svn, &verification, &signing)));
        let answer = server.es9plus("initiateAuthentication", &body).unwrap();
        assert!(from_base64(&answer["euiccCiPKIdToBeUsed"]).ends_with(ci));
    }
    // Members of later versions are passed over.
    let mut info = info1([2, 2, 2], &[ci], &[ci]);
    info[2] += 3;
    info.extend([0x8F, 0x01, 0x00]);
    server.es9plus("initiateAuthentication", &with("euiccInfo1", base64(&info))).unwrap();
}

/// Its lowest version counts, unless the settings say that nothing of version 3 is served.
fn an_euicc_of_version_3_is_served_as_one_of_version_2_or_refused() {
    let ci: &[u8] = ci_key();
    let info = |lowest, highest: [u8; 3]| {
        let mut info = info1(lowest, &[ci], &[ci]);
        info[2] += 8;
        info.extend([0x90, 0x01, 0x00, 0x93, 0x03]);
        info.extend(highest);
        with("euiccInfo1", base64(&info))
    };
    let open = TestServer::start();
    let strict = TestServer::with("version3_euiccs = \"refuse\"\n", None);
    for (what, body, served, strictly_served) in [
        ("version 3 that knows 2", info([2, 2, 2], [3, 1, 0]), true, false),
        ("version 3 alone", info([3, 0, 0], [3, 1, 0]), false, false),
        ("version 2 that says so", info([2, 2, 2], [2, 6, 0]), true, true),
        ("version 2", with("euiccInfo1", base64(&info1([2, 6, 0], &[ci], &[ci]))), true, true),
    ] {
        for (server, served) in [(&open, served), (&strict, strictly_served)] {
            match server.es9plus("initiateAuthentication", &body) {
                Ok(_) => assert!(served, "{what}"),
                Err(code) => assert!(!served && code == "8.8.3/3.1", "{what}: {code}"),
            }
        }
    }
}

/// A stranger's sessions give way to later ones, those of authenticated eUICCs to none.
fn there_is_room_for_so_many_sessions_and_no_more() {
    let server = TestServer::with("[limits]\nsessions = 2\n", None);
    let euicc = Euicc::new(0);
    let oldest = server.initiate(&euicc);
    for _ in 0..2 {
        server.clock.advance(std::time::Duration::from_secs(1));
        server.initiate(&euicc);
    }
    assert_eq!(server.smdp().sessions.len(), 2);
    let response = euicc.authentication(&euicc.signed1(&oldest, None)).to_der();
    assert_eq!(server.authenticate_with(&oldest.transaction_id, &response).unwrap_err(), "8.10.1/3.9");

    for _ in 0..2 {
        let order = server.order(OrderOptions::default());
        server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    }
    assert_eq!(server.es9plus("initiateAuthentication", &euicc.initiation()).unwrap_err(), "1.2/3.7");
    // A session that nobody goes on with makes room after its time.
    server.clock.advance(std::time::Duration::from_secs(3601));
    server.initiate(&euicc);
}
