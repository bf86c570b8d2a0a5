//! Examples of ES2+.

use serde_json::{Value, json};
use simyard::ident::Iccid;

use super::{Example, Recorder};
use crate::es2plus::{NO_ICCID, OTHER_EID, reserve};
use crate::server::{Euicc, OTHERS_TYPE, OrderOptions, PROFILE_TYPE, TestServer, iccid};

/// A type whose profiles are not released before the AuC has their keys.
const WAITING_TYPE: &str =
    "[[profile_type]]\nname = \"waiting\"\nowner = \"acme\"\nrequires_delivery = [\"auc\"]\n";

/// A reserved profile of that type.
fn waiting(server: &TestServer) -> Iccid {
    let iccid = server.ingest("acme", "waiting", 1).remove(0);
    server.es2plus("downloadOrder", json!({ "iccid": iccid.as_str() })).unwrap();
    iccid
}

/// All of them.
pub fn examples() -> Vec<Example> {
    [download_order, confirm_order, cancel_order, release_profile]
        .into_iter()
        .flat_map(|scenario| scenario())
        .collect()
}

fn download_order() -> Vec<Example> {
    let server = TestServer::seeded("", 11);
    let examples = Recorder::new(&server, "downloadOrder");
    let others = server.ingest("beta", OTHERS_TYPE, 1).remove(0);
    let call = |body: Value| server.es2plus("downloadOrder", body);
    server.ingest("acme", "test", 1);
    call(json!({ "profileType": "test" })).unwrap();
    let one = iccid(3);
    let eid = Euicc::new(0).eid;
    examples.success(call(json!({ "iccid": one.as_str() })));
    examples
        .named("by profile type and EID", call(json!({ "profileType": PROFILE_TYPE, "eid": eid.as_str() })));
    for (name, body) in [
        ("NothingNamed", json!({})),
        ("UnknownIccid", json!({ "iccid": NO_ICCID })),
        ("NotAllowed", json!({ "iccid": others.as_str() })),
        ("NotAvailable", json!({ "iccid": one.as_str(), "eid": OTHER_EID })),
        ("OtherType", json!({ "iccid": iccid(5).as_str(), "profileType": "test" })),
        ("UnknownType", json!({ "profileType": "P-9" })),
        ("TypeNotAllowed", json!({ "profileType": OTHERS_TYPE })),
        ("NoneLeft", json!({ "profileType": "test" })),
    ] {
        examples.error(name, call(body));
    }
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", call(json!({ "iccid": iccid(5).as_str() })));
    server.errors();
    examples.finish()
}

fn confirm_order() -> Vec<Example> {
    let server = TestServer::seeded(WAITING_TYPE, 12);
    let examples = Recorder::new(&server, "confirmOrder");
    let others = server.ingest("beta", OTHERS_TYPE, 1).remove(0);
    let call = |iccid: &Iccid, members: Value| {
        let mut body = json!({ "iccid": iccid.as_str(), "releaseFlag": true });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.es2plus("confirmOrder", body)
    };
    let used = reserve(&server);
    let members = json!({ "matchingId": "IN-USE", "confirmationCode": "12345678" });
    examples.success(call(&used, members));
    let body = json!({ "iccid": iccid(4).as_str(), "eid": Euicc::new(0).eid.as_str() });
    server.es2plus("downloadOrder", body).unwrap();
    let one = reserve(&server);
    for (name, iccid, members) in [
        ("UnknownIccid", &Iccid::parse(NO_ICCID).unwrap(), json!({})),
        ("NotAllowed", &others, json!({})),
        ("NotReserved", &iccid(5), json!({})),
        ("OtherEid", &iccid(4), json!({ "eid": OTHER_EID })),
        ("EidMissing", &one, json!({ "matchingId": "" })),
        ("MatchingIdInUse", &one, json!({ "matchingId": "IN-USE" })),
        ("SmdsInaccessible", &one, json!({ "smdsAddress": "ds.example.com", "eid": OTHER_EID })),
    ] {
        examples.error(name, call(iccid, members));
    }
    let waiting = waiting(&server);
    examples.error("NotDelivered", call(&waiting, json!({})));
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", call(&one, json!({})));
    server.errors();
    examples.finish()
}

fn cancel_order() -> Vec<Example> {
    let server = TestServer::seeded("", 13);
    let examples = Recorder::new(&server, "cancelOrder");
    let others = server.ingest("beta", OTHERS_TYPE, 1).remove(0);
    let eid = Euicc::new(0).eid;
    let call = |iccid: &Iccid, members: Value| {
        let mut body = json!({ "iccid": iccid.as_str(), "finalProfileStatusIndicator": "Available" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.es2plus("cancelOrder", body)
    };
    let options =
        OrderOptions { eid: Some(eid.as_str()), matching_id: Some("MINE"), ..OrderOptions::default() };
    let one = server.order(options).iccid;
    for (name, iccid, members) in [
        ("StatusMissing", &one, json!({ "finalProfileStatusIndicator": null })),
        ("UnknownIccid", &Iccid::parse(NO_ICCID).unwrap(), json!({})),
        ("NotAllowed", &others, json!({})),
        ("NotCancellable", &iccid(5), json!({})),
        ("OtherMatchingId", &one, json!({ "eid": eid.as_str(), "matchingId": "YOURS" })),
        ("OtherEid", &one, json!({ "eid": OTHER_EID, "matchingId": "MINE" })),
    ] {
        examples.error(name, call(iccid, members));
    }
    let honest = json!({ "eid": eid.as_str(), "matchingId": "MINE" });
    examples.success(call(&one, honest.clone()));
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", call(&one, honest));
    server.errors();
    examples.finish()
}

fn release_profile() -> Vec<Example> {
    let server = TestServer::seeded(WAITING_TYPE, 14);
    let examples = Recorder::new(&server, "releaseProfile");
    let others = server.ingest("beta", OTHERS_TYPE, 1).remove(0);
    let call = |iccid: &Iccid| server.es2plus("releaseProfile", json!({ "iccid": iccid.as_str() }));
    let held = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
    examples.success(call(&held.iccid));
    examples.error("UnknownIccid", call(&Iccid::parse(NO_ICCID).unwrap()));
    examples.error("NotAllowed", call(&others));
    examples.error("NotConfirmed", call(&iccid(5)));
    let waiting = waiting(&server);
    let held_back = json!({ "iccid": waiting.as_str(), "releaseFlag": false });
    server.es2plus("confirmOrder", held_back).unwrap();
    examples.error("NotDelivered", call(&waiting));
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", call(&held.iccid));
    server.errors();
    examples.finish()
}
