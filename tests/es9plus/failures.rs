//! What is kept of a failure for people, and orders that end by themselves (SGP.22 3.1.5).

use std::time::Duration;

use simyard::domain::LastFailure;
use simyard::ident::Iccid;
use simyard::smdp::expiry;
use simyard::store::watch::{ChangeKind, CommitPhase};

use crate::server::euicc::{Signed1, info2_with, octets, otpk};
use crate::server::{Euicc, OrderOptions, TestServer};

crate::tests!(
    the_latest_failure_of_an_order_is_kept_with_its_reason,
    a_download_that_goes_well_keeps_no_failure,
    a_failure_belongs_to_its_order_alone,
    orders_that_expired_end_by_themselves,
);

fn failure(server: &TestServer, iccid: &Iccid) -> Option<LastFailure> {
    let store = server.smdp().store.clone();
    let mut found = server.wait(store.failures(iccid, iccid)).unwrap();
    assert!(found.len() <= 1);
    found.pop()
}

fn words(server: &TestServer, iccid: &Iccid) -> String {
    let failure = failure(server, iccid).unwrap();
    assert_eq!(failure.at, server.clock.now());
    format!("{} {}: {}", failure.function, failure.status.as_deref().unwrap_or("-"), failure.detail)
}

fn the_latest_failure_of_an_order_is_kept_with_its_reason() {
    let server = TestServer::start();
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let eid = Some(euicc.eid.as_str());
    let order = server.order(OrderOptions {
        eid,
        matching_id: Some("ONE"),
        code: Some("0815"),
        hold: true,
        ..OrderOptions::default()
    });
    let iccid = &order.iccid;
    let mut told = Vec::new();
    server.authenticate(&euicc, Some("ONE")).unwrap_err();
    told.push(words(&server, iccid));
    server.es2plus("releaseProfile", serde_json::json!({ "iccid": iccid.as_str() })).unwrap();
    server.authenticate(&stranger, Some("ONE")).unwrap_err();
    told.push(words(&server, iccid));
    let offer = server.authenticate(&euicc, Some("ONE")).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap_err();
    told.push(words(&server, iccid));
    server.package(&euicc, &offer, &otpk(1), Some("0816")).unwrap_err();
    told.push(words(&server, iccid));
    server.cancel(&euicc, &offer.transaction_id, 1).unwrap();
    told.push(words(&server, iccid));
    let offer = server.authenticate(&euicc, Some("ONE")).unwrap();
    server.package(&euicc, &offer, &otpk(1), Some("0815")).unwrap();
    let result = euicc.result(&octets(&offer.transaction_id), iccid, 1, Some(10));
    assert_eq!(server.notify(&result), 204);
    told.push(words(&server, iccid));
    let initiated = server.initiate(&euicc);
    let mut signed1: Signed1 = euicc.signed1(&initiated, Some("ONE"));
    signed1.info2 = info2_with(|info| info.ext_card_resource = &[0x82, 1, 9]);
    let response = euicc.authentication(&signed1).to_der();
    server.authenticate_with(&initiated.transaction_id, &response).unwrap_err();
    let last = words(&server, iccid);
    let (start, end) = last.split_once("takes ").unwrap();
    assert_eq!(end.trim_start_matches(|c: char| c.is_ascii_digit()), " at least");
    told.push(start.to_owned());
    assert!(told.iter().all(|text| !text.contains("0815") && !text.contains("0816")), "{told:#?}");
    insta::assert_snapshot!(told.join("\n").replace(iccid.as_str(), "ICCID"), @r"
    AuthenticateClient 8.2/1.2: profile ICCID is not released yet
    AuthenticateClient 8.1.1/3.8: no order with this matching identifier is for this EID
    GetBoundProfilePackage 8.2.7/2.2: a confirmation code is needed
    GetBoundProfilePackage 8.2.7/3.8: the confirmation code is wrong
    CancelSession -: the session was cancelled: postponed (1)
    HandleNotification -: the eUICC did not install the profile: installFailedDueToInsufficientMemoryForProfile (10) at command 5
    AuthenticateClient 8.1/4.8: the profile does not fit the eUICC: it has 9 octets of free memory; the profile
    ");
    // A repetition of the result does not bring it back.
    let kept = failure(&server, iccid);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(failure(&server, iccid), kept);
}

fn a_download_that_goes_well_keeps_no_failure() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    server.deaths.committed();
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None)), 204);
    let changes = server.deaths.committed();
    assert_eq!(changes, [ChangeKind::CountDownload, ChangeKind::Bind, ChangeKind::Record]);
    assert_eq!(failure(&server, &order.iccid), None);
}

fn a_failure_belongs_to_its_order_alone() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let iccid = server.any_available();
    let options = OrderOptions { iccid: Some(&iccid), matching_id: Some("ONE"), ..OrderOptions::default() };
    server.order(options);
    let offer = server.authenticate(&euicc, Some("ONE")).unwrap();
    let body = serde_json::json!({
        "iccid": iccid.as_str(), "matchingId": "ONE", "finalProfileStatusIndicator": "Available",
    });
    server.es2plus("cancelOrder", body).unwrap();
    server.order(OrderOptions { matching_id: Some("TWO"), ..options });
    // The session outlives its order: what it comes to is not told of the next one.
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.10.1/3.9");
    assert_eq!(failure(&server, &iccid), None);
    assert_eq!(server.state(&iccid), "Released");
}

fn orders_that_expired_end_by_themselves() {
    let server = TestServer::with("[limits]\norder_lifetime_days = 1\n", None);
    let euicc = Euicc::new(0);
    let released = server.order(OrderOptions::default());
    let downloaded = server.order(OrderOptions::default());
    let installed = server.order(OrderOptions::default());
    for order in [&downloaded, &installed] {
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        server.package(&euicc, &offer, &otpk(1), None).unwrap();
        if order.iccid == installed.iccid {
            let id = octets(&offer.transaction_id);
            assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 1, None)), 204);
        }
    }
    let end = || server.wait(expiry::end_expired(&server.smdp())).unwrap();
    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(end(), 0);
    let later = server.order(OrderOptions::default());
    server.clock.advance(Duration::from_secs(1));
    // A server that dies with it leaves the orders for the next turn.
    server.deaths.arm(CommitPhase::Before, ChangeKind::Save);
    let smdp = server.smdp();
    server.wait(async {
        tokio::select! {
            _ = expiry::end_expired(&smdp) => panic!("it went on"),
            () = server.deaths.died() => {}
        }
    });
    drop(smdp);
    server.restart();
    assert_eq!(server.state(&released.iccid), "Released");
    assert_eq!(server.wait(expiry::end_expired(&server.smdp())).unwrap(), 2);
    for (order, state) in [
        (&released, "Error Expired"),
        (&downloaded, "Error Expired"),
        (&installed, "Installed"),
        (&later, "Released"),
    ] {
        assert_eq!(server.state(&order.iccid), state);
    }
    let store = server.smdp().store.clone();
    let (_, binding) = server.wait(store.latest_download(&downloaded.iccid)).unwrap().unwrap();
    assert!(binding.sealed_session_keys.is_none(), "its keys are wiped");
    assert_eq!(server.wait(expiry::end_expired(&server.smdp())).unwrap(), 0, "repeated");
    // Two servers at the same time: each order ends once.
    server.clock.advance(Duration::from_secs(24 * 3600));
    let smdp = server.smdp();
    let ended = server.wait(async { tokio::join!(expiry::end_expired(&smdp), expiry::end_expired(&smdp)) });
    assert_eq!((ended.0.unwrap() + ended.1.unwrap()), 1);
    assert_eq!(server.authenticate(&euicc, Some(&later.matching_id)).unwrap_err(), "8.8.5/4.10");
}
