//! SGP.23 4.3.13: ES9+.GetBoundProfilePackage. The package is opened with the eUICC's one-time key, which is known here.

use simyard::crypto::bsp;
use simyard::crypto::ecdsa::PublicKey;
use simyard::crypto::ecka::EphemeralKey;
use simyard::crypto::hash::code_hash;
use simyard::domain::CodeHash;
use simyard::domain::KeyMode::{self, RandomKeys, SessionKeys};
use simyard::pki::test_pki::CurveSet;
use simyard::profile::metadata::ProfileMetadata;
use simyard::smdp::manual_order::NewOrder;
use simyard_asn1::rsp::package::{
    BoundProfilePackage, InitialiseSecureChannelRequest, ReplaceSessionKeysRequest,
};
use simyard_asn1::saip::Package;
use simyard_asn1::{Decode as _, Tag};

use super::{refused, sequence};
use crate::es9plus::{by_hand, icon, new_order};
use crate::server::euicc::{flipped, from_base64, hash_cc, octets, otpk};
use crate::server::{Euicc, Offer, OrderOptions, Ordered, PKI, PROFILE_TYPE, TestServer};

crate::tests!(
    a_package_holds_what_was_ordered,
    a_retry_with_the_same_key_gets_the_same_keys,
    a_retry_with_another_key_gets_other_keys,
    a_wrong_code_is_corrected_in_the_same_session,
    what_does_not_fit_the_session_is_refused,
);

const CODE: Option<&str> = Some("12345678");

/// A package with everything in it laid open.
pub struct Opened {
    pub transaction_id: Vec<u8>,
    pub smdp_otpk: Vec<u8>,
    /// ConfigureISDP.
    pub configure_isdp: Vec<u8>,
    /// StoreMetadata, and over how many segments it goes.
    pub metadata: Vec<u8>,
    pub metadata_segments: usize,
    /// ReplaceSessionKeys, where there is one.
    pub replace_session_keys: Option<Vec<u8>>,
    /// The profile package.
    pub profile: Vec<u8>,
    /// Octets of each 86.
    pub profile_segments: Vec<usize>,
}

/// Opens a package with the eUICC's one-time key of this number; every MAC on the way holds, and so does the signature.
pub fn open(package: &[u8], euicc: &Euicc, number: u8) -> Opened {
    open_under(&PKI, package, euicc, number)
}

/// As [`open`], under these certificates and on their curve.
pub fn open_under(set: &CurveSet, package: &[u8], euicc: &Euicc, number: u8) -> Opened {
    let bound = BoundProfilePackage::from_der(package).unwrap();
    let request = InitialiseSecureChannelRequest::from_der(bound.initialise_secure_channel).unwrap();
    let key = *set.dp_pb.key.signing_key().unwrap().public_key();
    let secret = EphemeralKey::from_scalar(key.curve(), &[number; 32]).unwrap();
    let smdp_otpk = PublicKey::from_point(key.curve(), request.smdp_otpk).unwrap();
    key.verify(&request.signed_octets(secret.public_key().as_point()), request.smdp_sign).unwrap();
    let keys = bsp::SessionKeys::derive(
        &secret.agree(&smdp_otpk).unwrap(),
        request.control_ref_template.host_id,
        &euicc.eid,
    );
    let mut bsp = bsp::Bsp::new(&keys.unwrap());
    let segments = |sequence, tag| BoundProfilePackage::segments(sequence, tag).unwrap();
    let one_of = |bsp: &mut bsp::Bsp, sequence| {
        let segments = segments(sequence, Tag(0x87));
        assert_eq!(segments.len(), 1);
        bsp.open_encrypted(segments[0]).unwrap().to_vec()
    };
    let configure_isdp = one_of(&mut bsp, bound.first_sequence_of_87);
    let metadata_segments = segments(bound.sequence_of_88, Tag(0x88));
    let metadata: Vec<u8> = metadata_segments
        .iter()
        .flat_map(|segment| bsp.open_authenticated(segment).unwrap().to_vec())
        .collect();
    let replace_session_keys = bound.second_sequence_of_87.map(|sequence| one_of(&mut bsp, sequence));
    if let Some(command) = &replace_session_keys {
        let random = ReplaceSessionKeysRequest::from_der(command).unwrap();
        let octets = [&random.initial_mac_chaining_value[..], random.ppk_enc, random.ppk_cmac].concat();
        bsp.replace_keys(&bsp::SessionKeys::from_octets(&octets.try_into().unwrap()));
    }
    let profile_segments = segments(bound.sequence_of_86, Tag(0x86));
    let profile: Vec<u8> =
        profile_segments.iter().flat_map(|segment| bsp.open_encrypted(segment).unwrap().to_vec()).collect();
    Opened {
        transaction_id: request.transaction_id.to_vec(),
        smdp_otpk: request.smdp_otpk.to_vec(),
        configure_isdp,
        metadata,
        metadata_segments: metadata_segments.len(),
        replace_session_keys,
        profile,
        profile_segments: profile_segments.iter().map(|segment| segment.len()).collect(),
    }
}

/// The package is the order's, for this session.
fn holds(opened: &Opened, offer: &Offer, order: &Ordered) {
    assert_eq!(opened.transaction_id, octets(&offer.transaction_id));
    assert_eq!(opened.metadata, from_base64(&offer.answer["profileMetadata"]));
    let package = Package::from_der(&opened.profile).unwrap();
    let header = package.elements()[0].profile_header().unwrap();
    assert_eq!(hex::encode(header.iccid).trim_end_matches('f'), order.iccid.as_str());
}

/// An order with this key mode and this code, and perhaps metadata that one segment cannot hold.
pub fn ordered(server: &TestServer, key_mode: KeyMode, code: Option<&str>, long: Option<()>) -> Ordered {
    let metadata = long.map(|()| ProfileMetadata { icon: Some(icon(1024)), ..ProfileMetadata::default() });
    let code_hash = code.map(|code| CodeHash::from_octets(code_hash(code)));
    let new = NewOrder { key_mode: Some(key_mode), code_hash, metadata, ..new_order() };
    let order = by_hand(server, PROFILE_TYPE, new);
    let matching_id = order.matching_id().unwrap().to_string();
    Ordered { iccid: order.iccid, matching_id }
}

fn a_package_holds_what_was_ordered() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    for (id, key_mode, code, long) in [
        ("4.3.13.2.1 #01", SessionKeys, None, None),
        ("4.3.13.2.1 #02", SessionKeys, CODE, None),
        ("4.3.13.2.1 #03", RandomKeys, None, None),
        ("4.3.13.2.1 #04", RandomKeys, CODE, None),
        ("4.3.13.2.1 #05", SessionKeys, None, Some(())),
        ("4.3.13.2.1 #06", RandomKeys, None, Some(())),
    ] {
        sequence(id, || {
            let order = ordered(&server, key_mode, code, long);
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            let package = server.package(&euicc, &offer, &otpk(1), code).unwrap();
            let opened = open(&package, &euicc, 1);
            holds(&opened, &offer, &order);
            assert_eq!(opened.replace_session_keys.is_some(), key_mode == RandomKeys);
            assert_eq!(opened.metadata_segments, if long.is_some() { 2 } else { 1 });
            assert_eq!(server.state(&order.iccid), "Downloaded");
        });
    }
}

/// A session up to its package, and a second one after CancelSession(postponed), each with a one-time key.
fn retried(key_mode: KeyMode, code: Option<&str>, numbers: [u8; 2]) -> [Opened; 2] {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    let order = ordered(&server, key_mode, code, None);
    numbers.map(|number| {
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let package = server.package(&euicc, &offer, &otpk(number), code).unwrap();
        let opened = open(&package, &euicc, number);
        holds(&opened, &offer, &order);
        assert_eq!(opened.replace_session_keys.is_some(), key_mode == RandomKeys);
        server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
        assert_eq!(server.state(&order.iccid), "Downloaded");
        opened
    })
}

fn a_retry_with_the_same_key_gets_the_same_keys() {
    for (id, key_mode, code) in [
        ("4.3.13.2.4 #01", SessionKeys, None),
        ("4.3.13.2.4 #02", SessionKeys, CODE),
        ("4.3.13.2.4 #03", RandomKeys, None),
        ("4.3.13.2.4 #04", RandomKeys, CODE),
    ] {
        sequence(id, || {
            let [first, second] = retried(key_mode, code, [5, 5]);
            assert_eq!(second.smdp_otpk, first.smdp_otpk);
            assert_ne!(second.transaction_id, first.transaction_id);
            assert_eq!(second.profile, first.profile);
            assert_eq!(second.replace_session_keys, first.replace_session_keys);
        });
    }
}

/// The eUICC has another key, whether it rejected the one that was offered or heard of none.
fn a_retry_with_another_key_gets_other_keys() {
    for (id, key_mode, code) in [
        ("4.3.13.2.4 #05", SessionKeys, None),
        ("4.3.13.2.4 #06", SessionKeys, CODE),
        ("4.3.13.2.4 #07", RandomKeys, None),
        ("4.3.13.2.4 #08", RandomKeys, CODE),
        ("4.3.13.2.7 #01", SessionKeys, None),
        ("4.3.13.2.7 #02", SessionKeys, CODE),
        ("4.3.13.2.7 #03", RandomKeys, None),
        ("4.3.13.2.7 #04", RandomKeys, CODE),
    ] {
        sequence(id, || {
            let [first, second] = retried(key_mode, code, [5, 6]);
            assert_ne!(second.smdp_otpk, first.smdp_otpk);
            assert_eq!(second.profile, first.profile);
            if key_mode == RandomKeys {
                assert_ne!(second.replace_session_keys, first.replace_session_keys);
            }
        });
    }
}

fn a_wrong_code_is_corrected_in_the_same_session() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    sequence("4.3.13.2.4 #09", || {
        let order = server.order(OrderOptions { code: CODE, ..OrderOptions::default() });
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let wrong = server.package(&euicc, &offer, &otpk(1), Some("00000000"));
        refused(&server, wrong, "8.2.7/3.8", &order.iccid, "Released");
        let package = server.package(&euicc, &offer, &otpk(1), CODE).unwrap();
        holds(&open(&package, &euicc, 1), &offer, &order);
        assert_eq!(server.state(&order.iccid), "Downloaded");
    });
}

fn what_does_not_fit_the_session_is_refused() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    let session = |code| {
        let order = server.order(OrderOptions { code, ..OrderOptions::default() });
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let id = octets(&offer.transaction_id);
        (order.iccid, offer, id)
    };
    sequence("4.3.13.2.10 #01", || {
        let (iccid, offer, id) = session(None);
        let honest = euicc.preparation(&offer, &id, &otpk(1), None);
        let forged = server.package_with(&offer.transaction_id, &flipped(&honest, honest.len() - 1));
        refused(&server, forged, "8.1/6.1", &iccid, "Released");
    });
    sequence("4.3.13.2.10 #02", || {
        let (iccid, offer, id) = session(None);
        let honest = euicc.preparation(&offer, &id, &otpk(1), None);
        let other = server.package_with(&hex::encode_upper(flipped(&id, 7)), &honest);
        refused(&server, other, "8.10.1/3.9", &iccid, "Released");
    });
    sequence("4.3.13.2.10 #03", || {
        let (iccid, offer, id) = session(None);
        let other = euicc.preparation(&offer, &flipped(&id, 7), &otpk(1), None);
        let other = server.package_with(&offer.transaction_id, &other);
        refused(&server, other, "8.10.1/3.9", &iccid, "Released");
    });
    sequence("4.3.13.2.10 #04", || {
        let (iccid, offer, _) = session(CODE);
        let missing = server.package(&euicc, &offer, &otpk(1), None);
        refused(&server, missing, "8.2.7/2.2", &iccid, "Released");
    });
    sequence("4.3.13.2.10 #05", || {
        let (iccid, offer, id) = session(CODE);
        let wrong = flipped(&hash_cc("12345678", &offer.transaction_id), 31);
        let wrong = euicc.preparation(&offer, &id, &otpk(1), Some(&wrong));
        let wrong = server.package_with(&offer.transaction_id, &wrong);
        refused(&server, wrong, "8.2.7/3.8", &iccid, "Released");
    });
}
