//! HandleNotification in front of strangers: what is kept, and what is not (SGP.22 3.5, 5.6.4).

use simyard::ident::Iccid;
use simyard_asn1::tlv::Tag;

use crate::server::euicc::{nested, octets, otpk, tlv};
use crate::server::{Euicc, OrderOptions, TestServer};

crate::tests!(
    a_notification_is_kept_once_however_it_is_wrapped,
    a_notification_about_a_profile_of_another_euicc_is_dropped,
    the_key_of_the_binding_vouches_without_certificates,
);

/// The order of P-256: with (r, s), (r, n - s) is a signature too.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn other_signature(signature: &[u8]) -> Vec<u8> {
    let n = hex::decode(N).unwrap();
    let (r, s) = signature.split_at(32);
    let mut borrow = 0;
    let mut other = [0; 32];
    for at in (0..32).rev() {
        let difference = i16::from(n[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(difference < 0);
        other[at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    [r, &other].concat()
}

/// A profile that was handed over to this eUICC.
fn downloaded(server: &TestServer, euicc: &Euicc) -> Iccid {
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(euicc, Some(&order.matching_id)).unwrap();
    server.package(euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None)), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
    order.iccid
}

fn kept(server: &TestServer, iccid: &Iccid) -> Vec<Vec<u8>> {
    let store = server.smdp().store.clone();
    server.wait(store.notifications(iccid)).unwrap().into_iter().map(|kept| kept.raw).collect()
}

fn a_notification_is_kept_once_however_it_is_wrapped() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let iccid = downloaded(&server, &euicc);
    let genuine = euicc.notification(&iccid, 2, 1);
    assert_eq!(server.notify(&genuine), 204);
    let before = kept(&server, &iccid);
    assert_eq!((before.len(), &before[1]), (2, &genuine));

    let mut members = simyard_asn1::tlv::Reader::new(&genuine, "notification");
    let mut members = members.read().unwrap().members("notification");
    let (tbs, signature) = (members.read().unwrap().raw, members.read().unwrap());
    let signatures = [signature.value.to_vec(), other_signature(signature.value)];
    for signature in signatures.iter().map(|signature| tlv(Tag(0x5F37), signature)) {
        for trailing in [vec![], tlv(Tag(0x85), &[1; 9])] {
            let parts = [tbs, &signature, &euicc.certificate, &euicc.eum, &trailing];
            assert_eq!(server.notify(&nested(Tag::SEQUENCE, &parts)), 204);
            assert_eq!(kept(&server, &iccid), before);
        }
    }
    // One that is new is kept without what nobody signed.
    let next = euicc.notification(&iccid, 3, 2);
    let content = simyard_asn1::tlv::Reader::new(&next, "notification").read().unwrap().value.to_vec();
    assert_eq!(server.notify(&nested(Tag::SEQUENCE, &[&content, &tlv(Tag(0x85), &[1; 9])])), 204);
    assert_eq!(kept(&server, &iccid).last(), Some(&next));
}

fn a_notification_about_a_profile_of_another_euicc_is_dropped() {
    let server = TestServer::start();
    let (euicc, other) = (Euicc::new(0), Euicc::new(1));
    let iccid = downloaded(&server, &euicc);
    let never_bound = server.any_available();
    for notification in [
        other.notification(&iccid, 9, 3),
        euicc.notification(&never_bound, 9, 3),
        euicc.notification(&crate::server::iccid(999_999), 9, 3),
    ] {
        assert_eq!(server.notify(&notification), 204);
    }
    assert_eq!(kept(&server, &iccid).len(), 1);
    assert_eq!(kept(&server, &never_bound).len(), 0);
    assert_eq!(kept(&server, &crate::server::iccid(999_999)).len(), 0);
    assert_eq!(server.notify(&euicc.notification(&iccid, 9, 3)), 204);
    assert_eq!(kept(&server, &iccid).len(), 2);
}

fn the_key_of_the_binding_vouches_without_certificates() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let iccid = downloaded(&server, &euicc);
    let mut unfit = Euicc::new(0);
    unfit.certificate.clone_from(&euicc.eum);
    assert_eq!(server.notify(&unfit.notification(&iccid, 2, 1)), 204);
    assert_eq!(kept(&server, &iccid).len(), 2, "its chain does not verify, its signature does");
    let mut stranger = Euicc::new(1);
    stranger.certificate.clone_from(&euicc.certificate);
    assert_eq!(server.notify(&stranger.notification(&iccid, 3, 1)), 204);
    assert_eq!(kept(&server, &iccid).len(), 2);
}
