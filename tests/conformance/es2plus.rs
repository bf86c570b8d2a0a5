//! SGP.23 4.3.1 to 4.3.4: ES2+, over mutual TLS, by the names of the public suite.

use serde_json::{Value, json};
use simyard::ident::Iccid;
use simyard::pki::test_pki::Kind;

use super::{refused, sequence};
use crate::es2plus::{NO_ICCID, OTHER_EID, call_as, reserve};
use crate::server::{Euicc, OrderOptions, PKI, PROFILE_TYPE, TestServer, iccid};

crate::tests!(
    an_order_is_placed_or_refused,
    an_order_is_confirmed_or_refused,
    an_order_is_cancelled_or_refused,
    a_profile_is_released_or_refused,
    strangers_are_kept_out,
);

fn an_order_is_placed_or_refused() {
    let server = TestServer::start();
    let call = |body: Value| server.es2plus("downloadOrder", body).map(|answer| answer["iccid"].clone());
    let one = iccid(3);
    sequence("DownloadOrder_01_Nominal_ICCID", || {
        assert_eq!(call(json!({ "iccid": one.as_str() })).unwrap(), one.to_es2plus());
        assert_eq!(server.state(&one), "Allocated");
    });
    sequence("DownloadOrder_02_Nominal_ProfileType", || {
        let answer = call(json!({ "profileType": PROFILE_TYPE })).unwrap();
        assert_eq!(server.state(&Iccid::parse(answer.as_str().unwrap()).unwrap()), "Allocated");
    });
    sequence("DownloadOrder_Error_01_ICCID_AlreadyInUse", || {
        let body = json!({ "iccid": one.as_str(), "eid": Euicc::new(0).eid.as_str() });
        refused(&server, call(body), "8.2.1/3.3", &one, "Allocated");
    });
    sequence("DownloadOrder_Error_02_Unknown_ICCID", || {
        let available = server.available();
        assert_eq!(call(json!({ "iccid": NO_ICCID })).unwrap_err(), "8.2.1/3.9");
        assert_eq!(server.available(), available);
    });
    sequence("DownloadOrder_Retry", || {
        let body = server.with_header(json!({ "profileType": PROFILE_TYPE }));
        let first = call(body.clone()).unwrap();
        let available = server.available();
        assert_eq!(call(body).unwrap(), first);
        assert_eq!(server.available(), available);
        assert_eq!(
            call(json!({ "iccid": one.as_str() })).unwrap(),
            one.to_es2plus(),
            "another call identifier"
        );
    });
}

fn an_order_is_confirmed_or_refused() {
    let server = TestServer::start();
    let call = |iccid: &Iccid, members: Value| {
        let mut body = json!({ "iccid": iccid.as_str(), "releaseFlag": true });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.es2plus("confirmOrder", body)
    };
    let used = reserve(&server);
    sequence("ConfirmOrder_01_Nominal", || {
        let answer = call(&used, json!({ "matchingId": "IN-USE" })).unwrap();
        assert_eq!(answer["matchingId"], "IN-USE");
        assert_eq!(server.state(&used), "Released");
        let drawn = reserve(&server);
        let answer = call(&drawn, json!({ "releaseFlag": false })).unwrap();
        assert!(answer["matchingId"].as_str().unwrap().len() > 16);
        assert_eq!(server.state(&drawn), "Confirmed");
    });
    sequence("ConfirmOrder_Retry", || {
        let again = call(&used, json!({ "matchingId": "IN-USE" })).unwrap();
        assert_eq!((&again["matchingId"], server.state(&used).as_str()), (&json!("IN-USE"), "Released"));
    });
    sequence("ConfirmOrder_Error_01_Unknown_Profile", || {
        let unknown = call(&Iccid::parse(NO_ICCID).unwrap(), json!({}));
        assert_eq!(unknown.unwrap_err(), "8.2.1/3.9");
    });
    sequence("ConfirmOrder_Error_02_Profile_Available", || {
        let available = iccid(10);
        refused(&server, call(&available, json!({})), "8.2.1/3.3", &available, "Available");
    });
    let reserved = reserve(&server);
    for (id, members, pair) in [
        ("ConfirmOrder_Error_03_Conflicting_MatchingID", json!({ "matchingId": "IN-USE" }), "8.2.6/3.3"),
        (
            "ConfirmOrder_Error_04_Incorrect_SmdsAddress",
            json!({ "smdsAddress": "ds.example.com", "eid": OTHER_EID }),
            "8.9/5.1",
        ),
        ("ConfirmOrder_Error_05_Missing_EID_Empty_MatchingID", json!({ "matchingId": "" }), "8.1.1/2.2"),
    ] {
        sequence(id, || refused(&server, call(&reserved, members), pair, &reserved, "Allocated"));
    }
    sequence("ConfirmOrder_Error_06_Different_EID", || {
        let body = json!({ "iccid": iccid(4).as_str(), "eid": Euicc::new(0).eid.as_str() });
        server.es2plus("downloadOrder", body).unwrap();
        refused(&server, call(&iccid(4), json!({ "eid": OTHER_EID })), "8.1.1/3.10", &iccid(4), "Linked");
    });
}

fn an_order_is_cancelled_or_refused() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let eid = euicc.eid.as_str();
    let options = OrderOptions { eid: Some(eid), matching_id: Some("MINE"), ..OrderOptions::default() };
    let call = |iccid: &Iccid, members: Value| {
        let mut body = json!({ "iccid": iccid.as_str(), "finalProfileStatusIndicator": "Available" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.es2plus("cancelOrder", body).map(|answer| answer.as_object().unwrap().len())
    };
    sequence("CancelOrder_Error_01_Unknown_ICCID", || {
        assert_eq!(call(&Iccid::parse(NO_ICCID).unwrap(), json!({})).unwrap_err(), "8.2.1/3.9");
    });
    let order = server.order(options);
    sequence("CancelOrder_Error_02_Missing_EID", || {
        let missing = call(&order.iccid, json!({ "matchingId": "MINE" }));
        refused(&server, missing, "8.1.1/3.10", &order.iccid, "Released");
    });
    sequence("CancelOrder_Error_03_Incorrect_MatchingID", || {
        let other = call(&order.iccid, json!({ "matchingId": "YOURS", "eid": eid }));
        refused(&server, other, "8.2.6/3.10", &order.iccid, "Released");
    });
    sequence("CancelOrder_Error_04_Profile_Available", || {
        let available = iccid(10);
        refused(&server, call(&available, json!({})), "8.2.1/3.3", &available, "Available");
    });
    sequence("CancelOrder_01_Nominal", || {
        assert_eq!(call(&order.iccid, json!({ "matchingId": "MINE", "eid": eid })).unwrap(), 1);
        assert_eq!(server.state(&order.iccid), "Available");
        let order = server.order(options);
        let members = json!({
            "matchingId": "MINE", "eid": eid, "finalProfileStatusIndicator": "Unavailable",
        });
        assert_eq!(call(&order.iccid, members).unwrap(), 1);
        assert_eq!(server.state(&order.iccid), "Unavailable");
    });
}

fn a_profile_is_released_or_refused() {
    let server = TestServer::start();
    let call = |iccid: &Iccid| {
        let answer = server.es2plus("releaseProfile", json!({ "iccid": iccid.as_str() }));
        answer.map(|answer| answer.as_object().unwrap().len())
    };
    sequence("ReleaseProfile_Error_Unknown_ICCID", || {
        assert_eq!(call(&Iccid::parse(NO_ICCID).unwrap()).unwrap_err(), "8.2.1/3.9");
    });
    sequence("ReleaseProfile_Error_Invalid_Transition", || {
        let reserved = reserve(&server);
        refused(&server, call(&reserved), "8.2.1/3.5", &reserved, "Allocated");
        let released = server.order(OrderOptions::default());
        refused(&server, call(&released.iccid), "8.2.1/3.5", &released.iccid, "Released");
    });
    sequence("ReleaseProfile_Nominal", || {
        let held = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
        assert_eq!(server.state(&held.iccid), "Confirmed");
        assert_eq!(call(&held.iccid).unwrap(), 1, "the header alone");
        assert_eq!(server.state(&held.iccid), "Released");
    });
}

fn strangers_are_kept_out() {
    let server = TestServer::start();
    sequence("ES2Plus_Wrong_Client_Cert", || {
        let body = || json!({ "profileType": PROFILE_TYPE });
        let outcome = call_as(&server, None, "downloadOrder", body());
        assert!(outcome.is_err(), "no certificate: {outcome:?}");
        for twin in PKI.twins.iter().filter(|twin| twin.kind == Kind::Operator) {
            let outcome = call_as(&server, Some(twin), "downloadOrder", body());
            assert!(outcome.is_err(), "{}: {outcome:?}", twin.name());
        }
        let manufacturer = call_as(&server, Some(&PKI.manufacturer), "downloadOrder", body()).unwrap();
        assert_eq!(manufacturer.status, 403);
        assert_eq!(server.available(), 10);
    });
}
