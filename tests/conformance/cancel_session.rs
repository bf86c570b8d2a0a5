//! SGP.23 4.3.16: ES9+.CancelSession, after AuthenticateClient and after GetBoundProfilePackage.

use super::{refused, sequence};
use crate::es9plus::cancel_session::{After, session};
use crate::server::euicc::{SMDP_OID, flipped, octets};
use crate::server::{Euicc, TestServer};

crate::tests!(each_reason_ends_the_session, what_was_not_signed_for_the_session_is_refused,);

fn each_reason_ends_the_session() {
    use After::{AuthenticateClient, GetBoundProfilePackage};
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    server.ingest("acme", "iot", 10);
    for (id, after, reason, state) in [
        ("4.3.16.2.1 #01", AuthenticateClient, 0, "Error Cancelled(0)"),
        ("4.3.16.2.1 #02", AuthenticateClient, 1, "Released"),
        ("4.3.16.2.1 #03", AuthenticateClient, 2, "Released"),
        ("4.3.16.2.1 #04", AuthenticateClient, 3, "Error Cancelled(3)"),
        ("4.3.16.2.1 #05", AuthenticateClient, 127, "Error Cancelled(127)"),
        ("4.3.16.2.2 #01", GetBoundProfilePackage, 0, "Error Cancelled(0)"),
        ("4.3.16.2.2 #02", GetBoundProfilePackage, 1, "Downloaded"),
        ("4.3.16.2.2 #03", GetBoundProfilePackage, 2, "Downloaded"),
        ("4.3.16.2.2 #04", GetBoundProfilePackage, 3, "Error Cancelled(3)"),
        ("4.3.16.2.2 #05", GetBoundProfilePackage, 4, "Error Cancelled(4)"),
        ("4.3.16.2.2 #06", GetBoundProfilePackage, 5, "Error Cancelled(5)"),
        ("4.3.16.2.2 #07", GetBoundProfilePackage, 127, "Error Cancelled(127)"),
    ] {
        sequence(id, || {
            let (order, offer) = session(&server, &euicc, after);
            let answer = server.cancel(&euicc, &offer.transaction_id, reason).unwrap();
            assert_eq!(answer.as_object().unwrap().len(), 1, "the header alone");
            assert_eq!(server.state(&order.iccid), state);
            let again = server.cancel(&euicc, &offer.transaction_id, reason);
            refused(&server, again, "8.10.1/3.9", &order.iccid, state);
        });
    }
}

fn what_was_not_signed_for_the_session_is_refused() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    for (ids, after, state) in [
        (
            ["4.3.16.2.1 #06", "4.3.16.2.1 #07", "4.3.16.2.1 #08", "4.3.16.2.1 #09"],
            After::AuthenticateClient,
            "Released",
        ),
        (
            ["4.3.16.2.2 #08", "4.3.16.2.2 #09", "4.3.16.2.2 #10", "4.3.16.2.2 #11"],
            After::GetBoundProfilePackage,
            "Downloaded",
        ),
    ] {
        let (order, offer) = session(&server, &euicc, after);
        let id = octets(&offer.transaction_id);
        let honest = euicc.cancellation(&id, SMDP_OID, 0);
        let call = |id: &str, response: &[u8], pair: &str| {
            refused(&server, server.cancel_with(id, response), pair, &order.iccid, state);
        };
        let [json, asn1, signature, oid] = ids;
        sequence(json, || call(&hex::encode_upper(flipped(&id, 2)), &honest, "8.10.1/3.9"));
        sequence(asn1, || {
            call(&offer.transaction_id, &euicc.cancellation(&flipped(&id, 1), SMDP_OID, 0), "8.10.1/3.9");
        });
        sequence(signature, || {
            call(&offer.transaction_id, &flipped(&honest, honest.len() - 1), "8.1/6.1");
        });
        sequence(oid, || {
            call(&offer.transaction_id, &euicc.cancellation(&id, "2.999.11", 0), "8.8/3.10");
        });
        // The session is where it was.
        server.cancel_with(&offer.transaction_id, &honest).unwrap();
        assert_eq!(server.state(&order.iccid), "Error Cancelled(0)");
    }
}
