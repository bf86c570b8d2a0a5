//! Both curves, and several CIs in one server (SGP.22 2.6.7, 5.6.1). The sequences of SGP.23 stand in
//! `tests/conformance/brainpool.rs`.

use serde_json::Value;
use simyard::crypto::ecdsa::{Curve, PublicKey};
use simyard::crypto::ecka::EphemeralKey;
use simyard::device::card::Card;
use simyard::device::state::{CredentialMaterial, Material};
use simyard::ident::Iccid;
use simyard::pki::test_pki::{CurveSet, Fault, Kind};
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::rsp::package::{BoundProfilePackage, InitialiseSecureChannelRequest};
use simyard_asn1::{Decode as _, Tag};

use crate::server::euicc::{from_base64, octets, otpk, tlv};
use crate::server::{BRAINPOOL, Euicc, Offer, OrderOptions, PKI, TestServer};

crate::tests!(
    the_euicc_chooses_both_cis_by_the_order_of_its_lists,
    a_profile_is_downloaded_on_each_curve,
    notifications_are_verified_on_each_curve,
    a_binding_on_another_curve_is_none_that_is_kept,
    every_wrong_twin_on_brainpool_gets_its_code,
    a_listener_offers_its_cis_alone,
);

pub const BOTH: &str = r#"
ci = ["pki/ci.pem", "pki/ci-brp.pem"]
[[identity]]
[[identity]]
dp_auth_certificate = "pki/dp-auth-brp.pem"
dp_auth_key = "pki/dp-auth-brp.key.pem"
dp_pb_certificate = "pki/dp-pb-brp.pem"
dp_pb_key = "pki/dp-pb-brp.key.pem"
"#;

const BRAINPOOL_LISTENER: &str = r#"
[[es9plus_listener]]
listen = "127.0.0.1:0"
ci = ["pki/ci-brp.pem"]
"#;

fn nist() -> &'static [u8] {
    PKI.ci.certificate.subject_key_identifier().unwrap()
}

pub fn brp() -> &'static [u8] {
    BRAINPOOL.ci.certificate.subject_key_identifier().unwrap()
}

/// An eUICC of the brainpool set that verifies servers under these CIs.
pub fn euicc(verifies: &[&[u8]]) -> Euicc {
    let mut euicc = Euicc::of(&BRAINPOOL.euicc, &BRAINPOOL.eum);
    euicc.signs = vec![brp().to_vec()];
    euicc.verifies = verifies.iter().map(|ci| ci.to_vec()).collect();
    euicc
}

pub fn brainpool_otpk(number: u8) -> [u8; 65] {
    let key = EphemeralKey::from_scalar(Curve::BrainpoolP256r1, &[number; 32]).unwrap();
    *key.public_key().as_point()
}

fn initiation(verifies: &[&[u8]], signs: &[&[u8]]) -> Value {
    let mut euicc = euicc(verifies);
    euicc.signs = signs.iter().map(|ci| ci.to_vec()).collect();
    euicc.initiation()
}

/// With two CIs in the server.
fn the_euicc_chooses_both_cis_by_the_order_of_its_lists() {
    let server = TestServer::with(BOTH, None);
    let stranger = PKI.other_ci.certificate.subject_key_identifier().unwrap();
    let (n, b) = (nist(), brp());
    for (verifies, signs, dp_auth, ci) in [
        (vec![n], vec![n], &PKI.dp_auth, n),
        (vec![b], vec![b], &BRAINPOOL.dp_auth, b),
        (vec![n, b], vec![b, n], &PKI.dp_auth, b),
        (vec![b, n], vec![n, b], &BRAINPOOL.dp_auth, n),
        (vec![stranger, b, n], vec![stranger, n, b], &BRAINPOOL.dp_auth, n),
        (vec![b], vec![n], &BRAINPOOL.dp_auth, n),
    ] {
        let answer = server.es9plus("initiateAuthentication", &initiation(&verifies, &signs)).unwrap();
        assert_eq!(from_base64(&answer["serverCertificate"]), dp_auth.certificate.der());
        assert_eq!(from_base64(&answer["euiccCiPKIdToBeUsed"]), tlv(Tag::OCTET_STRING, ci));
        let signature = from_base64(&answer["serverSignature1"]);
        let key = dp_auth.key.signing_key().unwrap();
        let signed1 = from_base64(&answer["serverSigned1"]);
        key.public_key().verify(&signed1, signature[3..].try_into().unwrap()).unwrap();
    }
    for (verifies, signs, code) in [
        (vec![stranger], vec![b], "8.8.4/3.7"),
        (vec![b], vec![stranger], "8.8.2/3.1"),
        (vec![stranger], vec![stranger], "8.8.2/3.1"),
    ] {
        let refused = server.es9plus("initiateAuthentication", &initiation(&verifies, &signs));
        assert_eq!(refused.unwrap_err(), code);
    }
    // A server of one curve knows nothing of the other.
    let server = TestServer::start();
    let refused = server.es9plus("initiateAuthentication", &initiation(&[b], &[n]));
    assert_eq!(refused.unwrap_err(), "8.8.4/3.7");
}

fn credential(set: &CurveSet) -> CredentialMaterial {
    CredentialMaterial {
        euicc_key: set.euicc.key.to_pkcs8_der().unwrap(),
        euicc_certificate: set.euicc.certificate.der().to_vec(),
        eum_certificate: set.eum.certificate.der().to_vec(),
    }
}

pub fn card(server: &TestServer, signs: &[&CurveSet], verifies: &[&CurveSet]) -> Card {
    let material = Material {
        credentials: signs.iter().map(|set| credential(set)).collect(),
        ci_certificates: verifies.iter().map(|set| set.ci.certificate.der().to_vec()).collect(),
    };
    Card::in_memory(&material, server.clock.clone(), server.rng.clone()).unwrap()
}

/// The curves of the eUICC's key and of both one-time keys of the binding that the store keeps.
fn curves_of_binding(server: &TestServer, iccid: &Iccid) -> [Curve; 3] {
    let store = server.smdp().store.clone();
    let (_, binding) = server.wait(store.latest_download(iccid)).unwrap().unwrap();
    [binding.euicc_public_key, binding.euicc_otpk, binding.smdp_otpk]
        .map(|point| PublicKey::from_point_of_any_curve(&point).unwrap().curve())
}

/// With and without a confirmation code; the two CIs are independent.
fn a_profile_is_downloaded_on_each_curve() {
    let server = TestServer::with(BOTH, None);
    let (p256, brainpool) = (Curve::P256, Curve::BrainpoolP256r1);
    let (n, b): (&CurveSet, &CurveSet) = (&PKI, &BRAINPOOL);
    for (signs, verifies, key, one_time, code) in [
        (vec![b], vec![b], brainpool, brainpool, None),
        (vec![b, n], vec![b, n], brainpool, brainpool, Some("0815")),
        (vec![n, b], vec![n, b], p256, p256, None),
        (vec![n], vec![b], p256, brainpool, None),
        (vec![b, n], vec![n, b], brainpool, p256, Some("0815")),
    ] {
        let order = server.order(OrderOptions { code, ..OrderOptions::default() });
        let card = card(&server, &signs, &verifies);
        let (card, report) = server.download(card, &order.matching_id, code);
        assert_eq!(report.unwrap().iccid, order.iccid);
        assert_eq!(server.state(&order.iccid), "Installed");
        assert_eq!(curves_of_binding(&server, &order.iccid), [key, one_time, one_time]);
        assert_eq!(card.overview().profiles.len(), 1);
        let signing: Vec<&[u8]> =
            signs.iter().map(|set| set.ci.certificate.subject_key_identifier().unwrap()).collect();
        assert_eq!(card.overview().signing_ci_keys, signing);
    }
}

/// In the session, after it, and about a profile that is installed.
fn notifications_are_verified_on_each_curve() {
    let server = TestServer::with(BOTH, None);
    for euicc in [euicc(&[brp()]), Euicc::new(0)] {
        let point = if euicc.signs[0] == brp() { brainpool_otpk(1) } else { otpk(1) };
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        server.package(&euicc, &offer, &point, None).unwrap();
        // No session knows of it any more.
        server.restart();
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None);
        assert_eq!(server.notify(&result), 204);
        assert_eq!(server.state(&order.iccid), "Installed");
        assert_eq!(server.notify(&euicc.notification(&order.iccid, 2, 1)), 204);
        assert_eq!(server.notifications(&order.iccid), 2);
    }
    // The same eUICC under its other CI: certificates come along.
    let (sender, other) = (euicc(&[brp()]), Euicc::new(0));
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&sender, Some(&order.matching_id)).unwrap();
    server.package(&sender, &offer, &brainpool_otpk(1), None).unwrap();
    let result = sender.result(&octets(&offer.transaction_id), &order.iccid, 3, None);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(server.notify(&other.notification(&order.iccid, 4, 1)), 204);
    assert_eq!(server.notifications(&order.iccid), 2);
}

fn offered(offer: &Offer) -> Option<Vec<u8>> {
    SmdpSigned2::from_der(&offer.smdp_signed2).unwrap().bpp_euicc_otpk.map(<[u8]>::to_vec)
}

fn smdp_otpk(package: &[u8]) -> Vec<u8> {
    let channel = BoundProfilePackage::from_der(package).unwrap().initialise_secure_channel;
    InitialiseSecureChannelRequest::from_der(channel).unwrap().smdp_otpk.to_vec()
}

/// SGP.22 3.1.3.1 on two curves.
fn a_binding_on_another_curve_is_none_that_is_kept() {
    let server = TestServer::with(BOTH, None);
    let order = server.order(OrderOptions::default());
    let (on_brainpool, on_p256) = (euicc(&[brp()]), euicc(&[nist()]));
    let session = |euicc: &Euicc| server.authenticate(euicc, Some(&order.matching_id)).unwrap();

    let first = session(&on_brainpool);
    assert_eq!(offered(&first), None);
    // A point of the other curve is none here.
    assert_eq!(server.package(&on_brainpool, &first, &otpk(1), None).unwrap_err(), "8.1/6.1");
    let package = server.package(&on_brainpool, &first, &brainpool_otpk(1), None).unwrap();
    let kept = smdp_otpk(&package);

    let again = session(&on_brainpool);
    assert_eq!(offered(&again), Some(brainpool_otpk(1).to_vec()));
    let package = server.package(&on_brainpool, &again, &brainpool_otpk(1), None).unwrap();
    assert_eq!(smdp_otpk(&package), kept);

    let other = session(&on_p256);
    assert_eq!(offered(&other), None, "a key on brainpoolP256r1 is offered under a CERT.DPpb on P-256");
    assert_eq!(server.package(&on_p256, &other, &brainpool_otpk(1), None).unwrap_err(), "8.1/6.1");
    let package = server.package(&on_p256, &other, &otpk(1), None).unwrap();
    assert!(PublicKey::from_point(Curve::P256, &smdp_otpk(&package)).is_ok());
    assert_eq!(offered(&session(&on_p256)), Some(otpk(1).to_vec()));
    assert_eq!(offered(&session(&on_brainpool)), None);
}

/// SGP.22 4.5.2.2, as for P-256.
fn every_wrong_twin_on_brainpool_gets_its_code() {
    let server = TestServer::with(BOTH, None);
    let order = server.order(OrderOptions::default());
    let mut tried = 0;
    for twin in &BRAINPOOL.twins {
        let code = match (twin.kind, twin.fault.unwrap()) {
            (Kind::Eum, Fault::Expired) => "8.1.2/6.3",
            (Kind::Eum, Fault::UnknownCi | Fault::SelfSigned) => "8.11.1/3.9",
            (Kind::Eum, _) => "8.1.2/6.1",
            (Kind::Euicc, Fault::Expired) => "8.1.3/6.3",
            (Kind::Euicc, _) => "8.1.3/6.1",
            _ => continue,
        };
        let (card, eum) = match twin.kind {
            Kind::Eum => (&BRAINPOOL.euicc, twin),
            _ => (twin, &BRAINPOOL.eum),
        };
        let mut forged = Euicc::of(card, eum);
        (forged.signs, forged.verifies) = (vec![brp().to_vec()], vec![brp().to_vec()]);
        let found = server.authenticate(&forged, Some(&order.matching_id)).unwrap_err();
        assert_eq!(found, code, "{}", twin.name());
        tried += 1;
    }
    assert_eq!(tried, 12, "all twins of EUM and eUICC");
    // Certificates of two sets do not make a chain, though names and EID are the same.
    let mixed = Euicc::of(&BRAINPOOL.euicc, &PKI.eum);
    assert_eq!(server.authenticate(&mixed, Some(&order.matching_id)).unwrap_err(), "8.1.3/6.1");
    server.authenticate(&euicc(&[brp()]), Some(&order.matching_id)).unwrap();
}

fn a_listener_offers_its_cis_alone() {
    let server = TestServer::with(&format!("{BOTH}{BRAINPOOL_LISTENER}"), None);
    let (n, b) = (nist(), brp());
    let at_listener = |verifies: &[&[u8]], signs: &[&[u8]]| {
        server.es9plus_at(0, "initiateAuthentication", &initiation(verifies, signs))
    };
    assert_eq!(at_listener(&[n], &[n]).unwrap_err(), "8.8.2/3.1");
    assert_eq!(at_listener(&[n], &[b]).unwrap_err(), "8.8.4/3.7");
    assert_eq!(at_listener(&[b], &[n]).unwrap_err(), "8.8.2/3.1");
    let answer = at_listener(&[n, b], &[n, b]).unwrap();
    assert_eq!(from_base64(&answer["serverCertificate"]), BRAINPOOL.dp_auth.certificate.der());
    assert_eq!(from_base64(&answer["euiccCiPKIdToBeUsed"]), tlv(Tag::OCTET_STRING, b));
    // The session is the server's: it goes on at the other listener.
    let order = server.order(OrderOptions::default());
    let euicc = euicc(&[b]);
    let initiated = crate::server::Initiated {
        transaction_id: answer["transactionId"].as_str().unwrap().to_owned(),
        server_signed1: from_base64(&answer["serverSigned1"]),
    };
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let offer = server.authenticate_with(&initiated.transaction_id, &response).unwrap();
    server.package(&euicc, &offer, &brainpool_otpk(1), None).unwrap();
    // The first listener offers all.
    let answer = server.es9plus("initiateAuthentication", &initiation(&[n, b], &[n, b])).unwrap();
    assert_eq!(from_base64(&answer["serverCertificate"]), PKI.dp_auth.certificate.der());
}
