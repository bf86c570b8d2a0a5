//! SGP.23 4.3.12: ES9+.InitiateAuthentication.

use serde_json::{Value, json};
use simyard_asn1::rsp::authentication::ServerSigned1;
use simyard_asn1::{Decode as _, Tag};

use super::sequence;
use crate::server::euicc::{base64, ci_key, from_base64, info1, tlv};
use crate::server::{ADDRESS, PKI, TestServer};

crate::tests!(a_session_is_opened_or_refused,);

const FUNCTION: &str = "initiateAuthentication";

fn body(svn: [u8; 3], verification: &[u8], signing: &[u8], address: &str) -> Value {
    json!({
        "euiccChallenge": base64(&[7; 16]),
        "euiccInfo1": base64(&info1(svn, &[verification], &[signing])),
        "smdpAddress": address,
    })
}

/// What the answer must say, and its signature; the identifier and the challenge that it drew.
fn verified(answer: &Value) -> (Vec<u8>, [u8; 16]) {
    let names: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    let members = [
        "euiccCiPKIdToBeUsed",
        "header",
        "serverCertificate",
        "serverSignature1",
        "serverSigned1",
        "transactionId",
    ];
    assert_eq!(names, members, "the members of the standard, and no others");
    let signed1 = from_base64(&answer["serverSigned1"]);
    let signed = ServerSigned1::from_der(&signed1).unwrap();
    assert_eq!(hex::encode_upper(signed.transaction_id), answer["transactionId"].as_str().unwrap());
    assert_eq!((signed.euicc_challenge, signed.server_address), (&[7; 16], ADDRESS));
    assert_eq!(from_base64(&answer["serverCertificate"]), PKI.dp_auth.certificate.der());
    assert_eq!(from_base64(&answer["euiccCiPKIdToBeUsed"]), tlv(Tag::OCTET_STRING, ci_key()));
    let signature = from_base64(&answer["serverSignature1"]);
    assert_eq!(signature[..3], [0x5F, 0x37, 64]);
    let key = PKI.dp_auth.key.signing_key().unwrap();
    key.public_key().verify(&signed1, signature[3..].try_into().unwrap()).unwrap();
    (signed.transaction_id.to_vec(), *signed.server_challenge)
}

fn a_session_is_opened_or_refused() {
    let server = TestServer::start();
    let ci: &[u8] = ci_key();
    let other: &[u8] = PKI.other_ci.certificate.subject_key_identifier().unwrap();
    let opened = |svn| verified(&server.es9plus(FUNCTION, &body(svn, ci, ci, ADDRESS)).unwrap());
    sequence("4.3.12.2.1 #01", || drop(opened([2, 5, 0])));
    sequence("4.3.12.2.1 #02", || {
        let (one, other) = (opened([2, 5, 0]), opened([2, 5, 0]));
        assert!(one.0 != other.0 && one.1 != other.1);
    });
    sequence("4.3.12.2.1 #07", || drop(opened([2, 2, 1])));
    sequence("4.3.12.2.1 #08", || drop(opened([2, 2, 2])));
    sequence("4.3.12.2.1 #09", || drop(opened([2, 3, 0])));

    let refused = |body: Value, pair: &str| {
        let sessions = server.smdp().sessions.len();
        assert_eq!(server.es9plus(FUNCTION, &body).unwrap_err(), pair);
        assert_eq!(server.smdp().sessions.len(), sessions, "no session is opened");
    };
    sequence("4.3.12.2.1 #03", || refused(body([2, 5, 0], ci, ci, "other.example.com"), "8.8.1/3.8"));
    sequence("4.3.12.2.1 #04", || refused(body([2, 5, 0], ci, other, ADDRESS), "8.8.2/3.1"));
    sequence("4.3.12.2.1 #05", || {
        refused(body([1, 0, 0], ci, ci, ADDRESS), "8.8.3/3.1");
        refused(body([3, 0, 0], ci, ci, ADDRESS), "8.8.3/3.1");
    });
    sequence("4.3.12.2.1 #06", || refused(body([2, 5, 0], other, ci, ADDRESS), "8.8.4/3.7"));
}
