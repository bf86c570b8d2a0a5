//! The sequences of SGP.23 for brainpoolP256r1: as those for P-256, with a server that has both sets of certificates and
//! an eUICC whose CIs are on brainpoolP256r1.

use serde_json::json;
use simyard_asn1::rsp::authentication::ServerSigned1;
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::{Decode as _, Tag};

use super::get_bound_profile_package::open_under;
use super::{refused, sequence};
use crate::es9plus::curves::{BOTH, brainpool_otpk, brp, card, euicc};
use crate::server::euicc::{SMDP_OID, flipped, from_base64, octets, tlv};
use crate::server::{BRAINPOOL, Euicc, OrderOptions, TestServer};

crate::tests!(each_function_is_served_on_brainpool, each_cancellation_is_verified_on_brainpool,);

fn world() -> (TestServer, Euicc) {
    (TestServer::with(BOTH, None), euicc(&[brp()]))
}

fn each_function_is_served_on_brainpool() {
    let (server, euicc) = world();
    sequence("4.3.12.2.3 #01", || {
        let answer = server.es9plus("initiateAuthentication", &euicc.initiation()).unwrap();
        assert_eq!(from_base64(&answer["serverCertificate"]), BRAINPOOL.dp_auth.certificate.der());
        assert_eq!(from_base64(&answer["euiccCiPKIdToBeUsed"]), tlv(Tag::OCTET_STRING, brp()));
        let signed1 = from_base64(&answer["serverSigned1"]);
        assert_eq!(ServerSigned1::from_der(&signed1).unwrap().euicc_challenge, &[7; 16]);
        let signature = from_base64(&answer["serverSignature1"]);
        let key = BRAINPOOL.dp_auth.key.signing_key().unwrap();
        key.public_key().verify(&signed1, signature[3..].try_into().unwrap()).unwrap();
    });
    sequence("4.3.14.2.5 #01", || {
        let eid = Some(euicc.eid.as_str());
        let order = server.order(OrderOptions { eid, matching_id: Some(""), ..OrderOptions::default() });
        let initiated = server.initiate(&euicc);
        let response = euicc.authentication(&euicc.signed1(&initiated, Some("")));
        let offer = server.authenticate_with(&initiated.transaction_id, &response.to_der()).unwrap();
        assert!(!SmdpSigned2::from_der(&offer.smdp_signed2).unwrap().cc_required_flag);
        assert_eq!(from_base64(&offer.answer["smdpCertificate"]), BRAINPOOL.dp_pb.certificate.der());
        let signed = [&offer.smdp_signed2[..], &tlv(Tag(0x5F37), &response.signature1)].concat();
        let key = BRAINPOOL.dp_pb.key.signing_key().unwrap();
        key.public_key().verify(&signed, offer.smdp_signature2[3..].try_into().unwrap()).unwrap();
        assert_eq!(server.state(&order.iccid), "Released");
        let body = json!({
            "iccid": order.iccid.as_str(), "eid": eid, "matchingId": "",
            "finalProfileStatusIndicator": "Available",
        });
        server.es2plus("cancelOrder", body).unwrap();
    });
    sequence("4.3.13.2.3", || {
        for code in [None, Some("12345678")] {
            let order = server.order(OrderOptions { code, ..OrderOptions::default() });
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            let package = server.package(&euicc, &offer, &brainpool_otpk(1), code).unwrap();
            let opened = open_under(&BRAINPOOL, &package, &euicc, 1);
            assert_eq!(opened.metadata, from_base64(&offer.answer["profileMetadata"]));
            simyard_asn1::saip::Package::from_der(&opened.profile).unwrap();
            assert_eq!(server.state(&order.iccid), "Downloaded");
        }
    });
    sequence("4.3.15.2.3", || {
        for (error, state) in
            [(None, "Installed"), (Some(1), "Error Installation(1)"), (Some(10), "Downloaded")]
        {
            let order = server.order(OrderOptions::default());
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            server.package(&euicc, &offer, &brainpool_otpk(1), None).unwrap();
            let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, error);
            assert_eq!(server.notify(&result), 204);
            assert_eq!(server.state(&order.iccid), state);
            assert_eq!(server.notify(&euicc.notification(&order.iccid, 2, 1)), 204);
            assert_eq!(server.notifications(&order.iccid), 2);
        }
    });
    sequence("rsp_complete_flow_BRP", || {
        let order = server.order(OrderOptions::default());
        let card = card(&server, &[&BRAINPOOL], &[&BRAINPOOL]);
        let (_, report) = server.download(card, &order.matching_id, None);
        assert_eq!(report.unwrap().iccid, order.iccid);
        assert_eq!(server.state(&order.iccid), "Installed");
    });
}

fn each_cancellation_is_verified_on_brainpool() {
    let (server, euicc) = world();
    server.ingest("acme", "iot", 10);
    for (id, delivered, state, reasons) in [
        ("4.3.16.2.5", false, "Released", &[0, 1, 2, 3, 127][..]),
        ("4.3.16.2.6", true, "Downloaded", &[0, 1, 2, 3, 4, 5, 127]),
    ] {
        sequence(id, || {
            for reason in reasons {
                let order = server.order(OrderOptions::default());
                let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
                if delivered {
                    server.package(&euicc, &offer, &brainpool_otpk(1), None).unwrap();
                }
                let id = octets(&offer.transaction_id);
                let honest = euicc.cancellation(&id, SMDP_OID, *reason);
                let other = euicc.cancellation(&flipped(&id, 1), SMDP_OID, *reason);
                let oid = euicc.cancellation(&id, "2.999.11", *reason);
                let forged = flipped(&honest, honest.len() - 1);
                for (response, pair) in [(&other, "8.10.1/3.9"), (&forged, "8.1/6.1"), (&oid, "8.8/3.10")] {
                    let answer = server.cancel_with(&offer.transaction_id, response);
                    refused(&server, answer, pair, &order.iccid, state);
                }
                let unknown = server.cancel_with(&hex::encode_upper(flipped(&id, 2)), &honest);
                refused(&server, unknown, "8.10.1/3.9", &order.iccid, state);
                server.cancel_with(&offer.transaction_id, &honest).unwrap();
                let ended = format!("Error Cancelled({reason})");
                assert_eq!(server.state(&order.iccid), if [1, 2].contains(reason) { state } else { &ended });
            }
        });
    }
}
