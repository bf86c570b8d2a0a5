//! SGP.23 4.3.14: ES9+.AuthenticateClient. Orders of the SM-DS are made by hand: the matching identifier is the event's,
//! and the order is the EID's.

use std::time::Duration;

use simyard::crypto::hash::code_hash;
use simyard::domain::CodeHash;
use simyard::ident::MatchingId;
use simyard::pki::test_pki::{Fault, Kind};
use simyard::profile::metadata::{PolicyRule, ProfileMetadata, ProfileOwner};
use simyard::smdp::manual_order::NewOrder;
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::rsp::info::EuiccInfo2;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode as _, Encode as _, Tag};

use super::{refused, sequence};
use crate::es9plus::authenticate_client::refusal;
use crate::es9plus::{by_hand, new_order};
use crate::server::euicc::{Authentication, Signed1, flipped, from_base64, info2, octets, otpk, tlv};
use crate::server::{Euicc, Offer, OrderOptions, Ordered, PKI, PROFILE_TYPE, TestServer};

crate::tests!(
    each_way_leads_to_its_order,
    members_of_later_versions_are_signed_and_passed_over,
    certificates_are_refused_for_what_is_wrong_with_them,
    what_the_euicc_signed_belongs_to_the_session,
    identifiers_and_eids_that_do_not_match_are_refused,
    orders_that_are_not_ready_are_refused,
    a_retry_is_offered_the_one_time_key_of_its_binding,
);

/// How the LPA came to its order.
#[derive(Clone, Copy, Debug)]
enum Way {
    DefaultAddress,
    SmDs,
    ActivationCode,
    /// An activation code that no EID was named for.
    Unlinked,
}

/// An event that an SM-DS would tell the eUICC of.
fn event(server: &TestServer, euicc: &Euicc, code: Option<&str>) -> Ordered {
    let new = NewOrder {
        eid: Some(euicc.eid.clone()),
        matching_id: Some(MatchingId::parse("EVENT_001").unwrap()),
        code_hash: code.map(|code| CodeHash::from_octets(code_hash(code))),
        ..new_order()
    };
    let order = by_hand(server, PROFILE_TYPE, new);
    Ordered { iccid: order.iccid, matching_id: "EVENT_001".to_owned() }
}

fn order(server: &TestServer, euicc: &Euicc, way: Way, code: Option<&str>) -> Ordered {
    let eid = Some(euicc.eid.as_str());
    let options = OrderOptions { code, ..OrderOptions::default() };
    match way {
        Way::DefaultAddress => server.order(OrderOptions { eid, matching_id: Some(""), ..options }),
        Way::SmDs => event(server, euicc, code),
        Way::ActivationCode => server.order(OrderOptions { eid, ..options }),
        Way::Unlinked => server.order(options),
    }
}

/// The offer is the order's, signed by CERT.DPpb; the order stays released and an attempt is counted.
fn offered(server: &TestServer, offer: &Offer, order: &Ordered, code: Option<&str>) -> Option<Vec<u8>> {
    let metadata = from_base64(&offer.answer["profileMetadata"]);
    let metadata = StoreMetadataRequest::from_der(&metadata).unwrap();
    assert_eq!(metadata.iccid, &order.iccid.to_bcd());
    let signed2 = SmdpSigned2::from_der(&offer.smdp_signed2).unwrap();
    assert_eq!(signed2.transaction_id, octets(&offer.transaction_id));
    assert_eq!(signed2.cc_required_flag, code.is_some());
    assert_eq!(from_base64(&offer.answer["smdpCertificate"]), PKI.dp_pb.certificate.der());
    assert_eq!(offer.answer.as_object().unwrap().len(), 6, "the members of the standard and the header");
    assert!(server.stored(&order.iccid).attempts().download > 0);
    signed2.bpp_euicc_otpk.map(<[u8]>::to_vec)
}

fn each_way_leads_to_its_order() {
    use Way::{ActivationCode, DefaultAddress, SmDs, Unlinked};
    const CODE: Option<&str> = Some("12345678");
    /// What the LPA sends as matchingId.
    #[derive(Clone, Copy)]
    enum Sent {
        Own,
        Empty,
        Nothing,
    }
    for (id, way, code, sent) in [
        ("4.3.14.2.1 #01", DefaultAddress, None, Sent::Empty),
        ("4.3.14.2.1 #02", DefaultAddress, CODE, Sent::Empty),
        ("4.3.14.2.1 #05", SmDs, None, Sent::Own),
        ("4.3.14.2.1 #06", SmDs, CODE, Sent::Own),
        ("4.3.14.2.1 #08", ActivationCode, None, Sent::Own),
        ("4.3.14.2.1 #09", ActivationCode, CODE, Sent::Own),
        ("4.3.14.2.1 #11", Unlinked, None, Sent::Own),
        ("4.3.14.2.1 #12", Unlinked, CODE, Sent::Own),
        ("4.3.14.2.1 #14", DefaultAddress, None, Sent::Nothing),
        ("4.3.14.2.1 #15", SmDs, None, Sent::Nothing),
        ("4.3.14.2.1 #16", SmDs, None, Sent::Empty),
        ("4.3.14.2.1 #17", ActivationCode, None, Sent::Nothing),
        ("4.3.14.2.1 #18", ActivationCode, None, Sent::Empty),
    ] {
        sequence(id, || {
            let (server, euicc) = (TestServer::start(), Euicc::new(0));
            let order = order(&server, &euicc, way, code);
            let sent = match sent {
                Sent::Own => Some(order.matching_id.as_str()),
                Sent::Empty => Some(""),
                Sent::Nothing => None,
            };
            let initiated = server.initiate(&euicc);
            let response = euicc.authentication(&euicc.signed1(&initiated, sent));
            let offer = server.authenticate_with(&initiated.transaction_id, &response.to_der()).unwrap();
            assert_eq!(offered(&server, &offer, &order, code), None);
            let signed = [&offer.smdp_signed2[..], &tlv(Tag(0x5F37), &response.signature1)].concat();
            let key = PKI.dp_pb.key.signing_key().unwrap();
            key.public_key().verify(&signed, offer.smdp_signature2[3..].try_into().unwrap()).unwrap();
            assert_eq!(server.state(&order.iccid), "Released");
        });
    }
    sequence("4.3.14.2.1 #03", || {
        let (server, euicc) = (TestServer::start(), Euicc::new(0));
        let order = order(&server, &euicc, DefaultAddress, None);
        let wrong = server.authenticate(&euicc, Some("NOBODYS"));
        refused(&server, wrong, "8.2.6/3.8", &order.iccid, "Released");
        let offer = server.authenticate(&euicc, Some("")).unwrap();
        assert_eq!(offered(&server, &offer, &order, None), None);
        assert_eq!(server.state(&order.iccid), "Released");
    });
}

fn members_of_later_versions_are_signed_and_passed_over() {
    let extension = tlv(Tag(0x9E), &[1, 2, 3]);
    type Change<'a> = &'a dyn Fn(&mut Signed1);
    let changes: [(&str, Change<'_>); 3] = [
        ("4.3.14.2.1 #19", &|signed1| signed1.info2 = info2(NamedBits(0x8000_0008), &[])),
        ("4.3.14.2.1 #20", &|signed1| signed1.device_info_extensions.clone_from(&extension)),
        ("4.3.14.2.1 #21", &|signed1| signed1.info2 = info2(NamedBits(1 << 3), &extension)),
    ];
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    for (id, change) in changes {
        sequence(id, || {
            let order = server.order(OrderOptions::default());
            let initiated = server.initiate(&euicc);
            let mut signed1 = euicc.signed1(&initiated, Some(&order.matching_id));
            change(&mut signed1);
            let response = euicc.authentication(&signed1).to_der();
            let offer = server.authenticate_with(&initiated.transaction_id, &response).unwrap();
            assert_eq!(offered(&server, &offer, &order, None), None);
            assert_eq!(server.state(&order.iccid), "Released");
        });
    }
}

/// Every wrong twin of the test PKI, in the place of the honest certificate.
fn certificates_are_refused_for_what_is_wrong_with_them() {
    let server = TestServer::start();
    let order = server.order(OrderOptions::default());
    let refused_for = |kind: Kind, faults: &dyn Fn(Fault) -> bool, pair: &str| {
        let mut tried = 0;
        for twin in PKI.twins.iter().filter(|twin| twin.kind == kind && faults(twin.fault.unwrap())) {
            let euicc = match kind {
                Kind::Eum => Euicc::of(&PKI.euicc, twin),
                _ => Euicc::of(twin, &PKI.eum),
            };
            let found = refusal(&server, &euicc, Some(&order.matching_id), |_| {}, |_| {});
            assert_eq!(found, pair, "{}", twin.name());
            tried += 1;
        }
        assert_eq!(server.state(&order.iccid), "Released");
        assert_eq!(server.stored(&order.iccid).attempts().download, 0);
        tried
    };
    let unknown = |fault| matches!(fault, Fault::UnknownCi | Fault::SelfSigned);
    let expired = |fault| fault == Fault::Expired;
    let honest = Euicc::new(0);
    sequence("4.3.14.2.2 #1", || {
        assert!(refused_for(Kind::Eum, &|fault| !unknown(fault) && !expired(fault), "8.1.2/6.1") > 2);
        // Its last octet belongs to the signature.
        let forge = |parts: &mut Authentication| parts.eum = flipped(&parts.eum, parts.eum.len() - 1);
        assert_eq!(refusal(&server, &honest, Some(&order.matching_id), |_| {}, forge), "8.1.2/6.1");
    });
    sequence("4.3.14.2.2 #2", || assert_eq!(refused_for(Kind::Eum, &expired, "8.1.2/6.3"), 1));
    sequence("4.3.14.2.2 #3", || {
        assert!(refused_for(Kind::Euicc, &|fault| !expired(fault), "8.1.3/6.1") > 2);
        let forge = |parts: &mut Authentication| parts.euicc = flipped(&parts.euicc, parts.euicc.len() - 1);
        assert_eq!(refusal(&server, &honest, Some(&order.matching_id), |_| {}, forge), "8.1.3/6.1");
    });
    sequence("4.3.14.2.2 #4", || assert_eq!(refused_for(Kind::Euicc, &expired, "8.1.3/6.3"), 1));
    sequence("4.3.14.2.2 #7", || {
        assert_eq!(refused_for(Kind::Eum, &unknown, "8.11.1/3.9"), 2);
        // A whole chain under a CI that nobody trusts.
        let twin = |kind| PKI.twin(kind, Fault::UnknownCi).unwrap();
        let chain = Euicc::of(twin(Kind::Euicc), twin(Kind::Eum));
        assert_eq!(refusal(&server, &chain, Some(&order.matching_id), |_| {}, |_| {}), "8.11.1/3.9");
    });
    assert_eq!(server.state(&order.iccid), "Released");
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
}

fn what_the_euicc_signed_belongs_to_the_session() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    let order = server.order(OrderOptions::default());
    let sent = Some(order.matching_id.as_str());
    let untouched = || {
        assert_eq!(server.state(&order.iccid), "Released");
        assert_eq!(server.stored(&order.iccid).attempts().download, 0);
    };
    sequence("4.3.14.2.2 #5", || {
        let forge = |parts: &mut Authentication| parts.signature1 = flipped(&parts.signature1, 63);
        assert_eq!(refusal(&server, &euicc, sent, |_| {}, forge), "8.1/6.1");
        untouched();
    });
    sequence("4.3.14.2.2 #6", || {
        let change = |signed1: &mut Signed1| signed1.challenge = flipped(&signed1.challenge, 0);
        assert_eq!(refusal(&server, &euicc, sent, change, |_| {}), "8.1/6.1");
        untouched();
    });
    sequence("4.3.14.2.2 #9", || {
        let initiated = server.initiate(&euicc);
        let response = euicc.authentication(&euicc.signed1(&initiated, sent)).to_der();
        let unknown = hex::encode_upper(flipped(&octets(&initiated.transaction_id), 3));
        assert_eq!(server.authenticate_with(&unknown, &response).unwrap_err(), "8.10.1/3.9");
        untouched();
    });
    sequence("4.3.14.2.2 #10", || {
        let change = |signed1: &mut Signed1| signed1.transaction_id = flipped(&signed1.transaction_id, 3);
        assert_eq!(refusal(&server, &euicc, sent, change, |_| {}), "8.10.1/3.9");
        untouched();
    });
}

fn identifiers_and_eids_that_do_not_match_are_refused() {
    use Way::{ActivationCode, DefaultAddress, SmDs, Unlinked};
    let stranger = Euicc::new(1);
    for (id, way) in [
        ("4.3.14.2.2 #11", DefaultAddress),
        ("4.3.14.2.2 #12", ActivationCode),
        ("4.3.14.2.2 #13", SmDs),
        ("4.3.14.2.2 #21", Unlinked),
    ] {
        sequence(id, || {
            let (server, euicc) = (TestServer::start(), Euicc::new(0));
            let order = order(&server, &euicc, way, None);
            let wrong = server.authenticate(&euicc, Some("NOBODYS"));
            refused(&server, wrong, "8.2.6/3.8", &order.iccid, "Released");
            assert_eq!(server.stored(&order.iccid).attempts().download, 0);
        });
    }
    for (id, way) in
        [("4.3.14.2.2 #14", DefaultAddress), ("4.3.14.2.2 #19", SmDs), ("4.3.14.2.2 #20", ActivationCode)]
    {
        sequence(id, || {
            let (server, euicc) = (TestServer::start(), Euicc::new(0));
            let order = order(&server, &euicc, way, None);
            let wrong = server.authenticate(&stranger, Some(&order.matching_id));
            refused(&server, wrong, "8.1.1/3.8", &order.iccid, "Released");
            assert_eq!(server.stored(&order.iccid).attempts().download, 0);
        });
    }
}

fn orders_that_are_not_ready_are_refused() {
    let euicc = Euicc::new(0);
    sequence("4.3.14.2.2 #8", || {
        let server = TestServer::start();
        let order = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
        let early = server.authenticate(&euicc, Some(&order.matching_id));
        refused(&server, early, "8.2/1.2", &order.iccid, "Confirmed");
    });
    sequence("4.3.14.2.2 #15", || {
        let server = TestServer::start();
        let metadata = ProfileMetadata {
            profile_owner: Some(ProfileOwner { mcc_mnc: [0x62, 0xF2, 0x10], gid1: None, gid2: None }),
            profile_policy_rules: PolicyRule::Ppr1.bit(),
            ..ProfileMetadata::default()
        };
        let order = by_hand(&server, PROFILE_TYPE, NewOrder { metadata: Some(metadata), ..new_order() });
        let forbids = |signed1: &mut Signed1| {
            let mut info = EuiccInfo2::from_der(&signed1.info2).unwrap();
            info.forbidden_profile_policy_rules = PolicyRule::Ppr1.bit();
            let der = info.to_der();
            signed1.info2 = der;
        };
        let sent = order.matching_id().map(MatchingId::as_str);
        assert_eq!(refusal(&server, &euicc, sent, forbids, |_| {}), "8.2.5/4.3");
        assert!(server.state(&order.iccid).starts_with("Error NotEligible"));
    });
    sequence("4.3.14.2.2 #16", || {
        let server = TestServer::with("[limits]\norder_lifetime_days = 1\n", None);
        let order = server.order(OrderOptions::default());
        server.clock.advance(Duration::from_secs(24 * 3600));
        let late = server.authenticate(&euicc, Some(&order.matching_id));
        refused(&server, late, "8.8.5/4.10", &order.iccid, "Error Expired");
    });
    sequence("4.3.14.2.2 #17", || {
        let server = TestServer::with("[limits]\ndownload_attempts = 2\n", None);
        let order = server.order(OrderOptions::default());
        for _ in 0..2 {
            server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            assert_eq!(server.state(&order.iccid), "Released");
        }
        let third = server.authenticate(&euicc, Some(&order.matching_id));
        refused(&server, third, "8.8.5/6.4", &order.iccid, "Error DownloadAttempts");
    });
}

fn a_retry_is_offered_the_one_time_key_of_its_binding() {
    for (id, way) in [
        ("4.3.14.2.6 #01", Way::DefaultAddress),
        ("4.3.14.2.6 #02", Way::SmDs),
        ("4.3.14.2.6 #03", Way::ActivationCode),
        ("4.3.14.2.6 #04", Way::Unlinked),
    ] {
        sequence(id, || {
            for code in [None, Some("12345678")] {
                let (server, euicc) = (TestServer::start(), Euicc::new(0));
                let order = order(&server, &euicc, way, code);
                let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
                assert_eq!(offered(&server, &offer, &order, code), None);
                server.package(&euicc, &offer, &otpk(5), code).unwrap();
                server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
                let retried = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
                assert_eq!(offered(&server, &retried, &order, code).as_deref(), Some(&otpk(5)[..]));
                assert_eq!(server.state(&order.iccid), "Downloaded");
                assert_eq!(server.stored(&order.iccid).eid(), Some(&euicc.eid));
            }
        });
    }
}
