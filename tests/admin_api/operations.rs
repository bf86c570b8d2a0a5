//! Operations of eUICCs over the admin API: asked for, watched, cancelled; no device polls here.

use serde_json::{Value, json};
use simyard::domain::{Actor, FreedomToSwitch, Right};
use simyard::ident::Eid;
use simyard::inventory::euiccs::Freedom;
use simyard::store::{Association, DownloadWay};

use super::stock::ingest_euiccs_of;
use super::{Api, problem};

crate::tests!(
    an_operation_is_asked_for_watched_and_cancelled,
    a_switch_orders_its_profile_and_says_what_stands_in_its_way,
    freedom_to_switch_is_activated_where_it_is_part_of_the_sim,
    what_cannot_be_asked_is_told_as_a_problem,
    an_euicc_is_configured_and_moved,
    an_euicc_is_told_of_another_key,
    without_an_eim_there_are_no_operations,
);

const SETTINGS: &str = r#"
[admin_api]
listen = "127.0.0.1:0"
[eim]
id = "eim.test"
fqdn = "smdp.example.com"
listen = "127.0.0.1:0"
[[sub_class]]
name = "Card Industrial"
architecture = "sgp32"
"#;
const EID: &str = "89049032000000000000700000004105";
const CONSUMER: &str = "89049032000000000000700000004396";
const CODE: &str = "LPA:1$smdp.example.com$A-1";

fn eid() -> Eid {
    Eid::parse(EID).unwrap()
}

/// With two eUICCs of a switchable kind, one of which follows SGP.22.
fn api() -> Api {
    api_with("")
}

fn api_with(more: &str) -> Api {
    let api = Api::with(&format!("{SETTINGS}{more}"));
    let file = format!("eid,architecture,eim_id,counter\n{EID},SGP.32,eim.test,0\n{CONSUMER},sgp22,,\n");
    ingest_euiccs_of(&api, file, Some("Card Industrial"));
    api
}

fn an_euicc_is_configured_and_moved() {
    let api = api();
    let fleet = api.token("fleet", Right::Fleet);
    // addEim of an eIM "x" with counter 1 and a key; listEim; deleteEim of this eIM.
    let list = json!({ "kind": "configure", "commands": "oQKrAA==" });
    let made = api.post(&fleet, &path(EID), &list, None).ok();
    assert_eq!((&made["kind"], &made["state"]), (&json!("configure"), &json!("acting")));
    let shown = api.get(&fleet, &format!("/v1/operations/{}", made["operation_id"].as_str().unwrap())).ok();
    assert_eq!(
        (&shown["packages"][0]["told"], &shown["packages"][0]["unverified"]),
        (&json!([]), &json!(false))
    );
    let moved = api.post(&fleet, &path(EID), &json!({ "kind": "move" }), None).ok();
    assert_eq!((&moved["kind"], &moved["state"]), (&json!("move"), &json!("waiting")));
    for (wanted, says) in [
        (json!({ "kind": "configure" }), "commands: configure needs them"),
        (json!({ "kind": "configure", "commands": "?" }), "commands: expected base64"),
        (json!({ "kind": "configure", "commands": "oQA=" }), "there is none"),
        (json!({ "kind": "move", "configuration": "MAA=" }), "configuration: "),
        (json!({ "kind": "laboratory" }), "kind: expected one of"),
        (json!({ "kind": "rotate_key" }), "kind: expected one of"),
    ] {
        let refused = api.post(&fleet, &path(EID), &wanted, None);
        assert!(refused.status == 400 && refused.text.contains(says), "{says}: {}", refused.text);
    }
    // deleteEim of "eim.test".
    let own = json!({ "kind": "configure", "commands": "oQypCoAIZWltLnRlc3Q=" });
    let refused = api.post(&fleet, &path(EID), &own, None);
    assert!(refused.text.contains("they delete this eIM itself"), "{}", refused.text);
}

fn an_euicc_is_told_of_another_key() {
    let next = "pki/wrong/eim-sign-expired";
    let api = api_with(&format!("[[eim.keys]]\ncertificate = \"{next}.pem\"\nkey = \"{next}.key.pem\"\n"));
    let fleet = api.token("fleet", Right::Fleet);
    let keys = api.get(&fleet, "/v1/eim-keys").ok()["items"].clone();
    let told = |number: usize| {
        let key = &keys[number];
        (key["place"].as_str().unwrap().to_owned(), key["key_sha256"].as_str().unwrap().to_owned())
    };
    let ((first, old), (further, new)) = (told(0), told(1));
    assert_eq!((first.as_str(), further.as_str(), keys.as_array().unwrap().len()), ("first", "further", 2));
    let set = |eid: &str, digest: &str| {
        let body = json!({ "key_sha256": digest });
        api.call(&fleet, "PUT", &format!("/v1/euiccs/{eid}/eim-key"), Some(&body), None)
    };
    let asked = set(EID, &new.to_uppercase());
    assert_eq!((asked.status, &asked.ok()["outcome"]), (202, &json!("asked")));
    let id = asked.ok()["operation_id"].as_str().unwrap().to_owned();
    let location = format!("/v1/operations/{id}");
    assert_eq!(asked.headers["location"], location.as_str());
    let operation = api.get(&fleet, &location).ok();
    assert_eq!(
        (&operation["kind"], &operation["created_by"]),
        (&json!("rotate_key"), &json!("identity:fleet"))
    );
    let again = set(EID, &new);
    assert_eq!((again.status, &again.ok()["outcome"]), (202, &json!("under_way")));
    assert_eq!(again.ok()["operation_id"], id.as_str());
    // Nothing is told to those who know it.
    let known = set(EID, &old);
    assert_eq!(
        (known.status, known.ok()),
        (200, json!({ "eid": EID, "outcome": "known", "operation_id": null }))
    );
    let keys = api.get(&fleet, "/v1/eim-keys").ok();
    assert_eq!((&keys["items"][0]["euiccs"], &keys["items"][1]["euiccs"]), (&json!(1), &json!(0)));
    for (eid, digest, expected) in [
        (EID, "00", problem(400, "invalid-parameter")),
        ("1", new.as_str(), problem(400, "invalid-parameter")),
        (EID, &"0".repeat(64), problem(409, "not-possible")),
        (CONSUMER, &new, problem(409, "not-possible")),
    ] {
        assert_eq!(set(eid, digest).problem(), expected, "{eid} {digest}");
    }
}

fn path(eid: &str) -> String {
    format!("/v1/euiccs/{eid}/operations")
}

fn an_operation_is_asked_for_watched_and_cancelled() {
    let api = api();
    let (fleet, auditor) = (api.token("fleet", Right::Fleet), api.token("carl", Right::Auditor));
    let wanted = json!({ "kind": "download", "activation_code": CODE, "confirmation_code": "1234", "valid_for_s": 3600 });
    let made = api.post(&fleet, &path(EID), &wanted, Some("k1"));
    assert_eq!(made.status, 202, "{}", made.text);
    let id = made.ok()["operation_id"].as_str().unwrap().to_owned();
    let location = format!("/v1/operations/{id}");
    assert_eq!(made.headers["location"], location.as_str());
    let again = api.post(&fleet, &path(EID), &wanted, Some("k1"));
    assert_eq!((again.status, &again.headers["location"]), (202, &made.headers["location"]));
    assert_eq!(again.ok(), made.ok());
    let other = json!({ "kind": "audit" });
    assert_eq!(api.post(&fleet, &path(EID), &other, Some("k1")).problem(), problem(422, "key-reused"));
    let second = api.post(&fleet, &path(EID), &other, None).ok();
    assert_eq!((&second["state"], &second["created_by"]), (&json!("waiting"), &json!("identity:fleet")));

    let shown = api.get(&auditor, &location).ok();
    assert_eq!(
        (&shown["kind"], &shown["ended"], &shown["eid"]),
        (&json!("download"), &json!(false), &json!(EID))
    );
    assert_eq!(shown["events"][0]["type"], "operation.created");
    assert!(!shown.to_string().contains("LPA:") && !shown.to_string().contains("1234\""), "{shown}");
    let page = api.get(&auditor, &format!("{}?limit=1", path(EID)));
    assert_eq!(page.ok()["items"][0]["operation_id"], second["operation_id"], "the newest first");
    let next = page.ok()["next"].as_str().unwrap().to_owned();
    let rest = api.get(&auditor, &format!("/v1/operations?after={next}")).ok();
    assert_eq!((&rest["items"][0]["operation_id"], &rest["next"]), (&json!(id), &Value::Null));
    assert_eq!(api.get(&auditor, "/v1/operations?state=failed").ok()["items"], json!([]));
    assert_eq!(api.get(&auditor, &path(CONSUMER)).ok()["items"], json!([]));

    let waiting = second["operation_id"].as_str().unwrap();
    let cancelled = api.call(&fleet, "POST", &format!("/v1/operations/{waiting}/cancel"), None, None).ok();
    assert_eq!((&cancelled["state"], &cancelled["ended"]), (&json!("cancelled"), &json!(true)));
    let twice = api.call(&fleet, "POST", &format!("/v1/operations/{waiting}/cancel"), None, None);
    assert_eq!(twice.problem(), problem(409, "not-possible"));
}

fn a_switch_orders_its_profile_and_says_what_stands_in_its_way() {
    let api = api();
    let fleet = api.token("fleet", Right::Fleet);
    let wanted =
        json!({ "kind": "switch", "profile_type": "iot", "delete_old_after_s": 86400, "rollback": true });
    let refused = api.post(&fleet, &path(EID), &wanted, None);
    assert_eq!(refused.problem(), problem(409, "not-possible"));
    let document: Value = serde_json::from_str(&refused.text).unwrap();
    assert_eq!(document["obstacles"][0]["name"], "freedom_to_switch_inactive", "{document}");
    assert_eq!(document["obstacles"].as_array().unwrap().len(), 1, "{document}");
    let orders = "/v1/orders?state=Released";
    assert_eq!(api.get(&fleet, orders).ok()["items"], json!([]), "nothing is ordered for nothing");
    let plan = |query: &str| api.get(&fleet, &format!("/v1/euiccs/{EID}/switch-plan{query}"));
    let planned = plan("").ok();
    assert_eq!((&planned["possible"], &planned["obstacles"]), (&json!(false), &document["obstacles"]));
    assert_eq!(plan("?profile_type=iot").ok(), planned);
    for query in ["?iccid=89882807000000000414&profile_type=iot", "?profile_type="] {
        assert_eq!(plan(query).problem(), problem(400, "invalid-parameter"), "{query}");
    }
    assert_eq!(plan("?iccid=1").problem(), problem(400, "invalid-parameter"));
    let inventory = api.server.inventory();
    api.server.wait(inventory.set_freedom_to_switch(&eid(), Freedom::Active, &Actor::Server, None)).unwrap();
    let possible = json!({ "eid": EID, "possible": true, "obstacles": [] });
    assert_eq!(plan("?iccid=89882807000000000414").ok(), possible);
    let made = api.post(&fleet, &path(EID), &wanted, None);
    assert_eq!(made.status, 202, "{}", made.text);
    let order = api.get(&fleet, orders).ok()["items"][0].clone();
    assert_eq!((&order["eid"], &order["profile_type"]), (&json!(EID), &json!("iot")));
    // One at a time; and the order that waits is kept for the one that is under way.
    let second = api.post(&fleet, &path(EID), &wanted, None);
    let document: Value = serde_json::from_str(&second.text).unwrap();
    assert_eq!(document["obstacles"][0]["name"], "other_switch", "{document}");
    assert_eq!(api.get(&fleet, orders).ok()["items"].as_array().unwrap().len(), 1);
    let exhausted = json!({ "kind": "download", "profile_type": "test" });
    let answer = api.post(&fleet, &path(EID), &exhausted, None);
    assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "nobody owns one: {}", answer.text);
}

fn freedom_to_switch_is_activated_where_it_is_part_of_the_sim() {
    let api = api();
    let plain = "89049032000000000000700000004202";
    ingest_euiccs_of(&api, format!("eid,architecture\n{plain},sgp22\n"), None);
    let token = api.token("erp", Right::Provisioning);
    let put = |eid: &str, active: bool| {
        let body = json!({ "active": active });
        api.call(&token, "PUT", &format!("/v1/euiccs/{eid}/freedom_to_switch"), Some(&body), None)
    };
    assert_eq!(put(EID, true).ok()["freedom_to_switch"], FreedomToSwitch::Active.name());
    assert_eq!(put(EID, true).ok()["freedom_to_switch"], "active", "once more changes nothing");
    assert_eq!(put(EID, false).ok()["freedom_to_switch"], "inactive");
    assert_eq!(put(plain, true).problem(), problem(409, "not-possible"));
    assert_eq!(put("89049032999999999999999999999999", true).problem(), problem(404, "not-found"));
    let admin = api.token("anna", Right::Admin);
    let audit = api.get(&admin, "/v1/audit?actor=erp").ok();
    let details: Vec<&Value> =
        audit["items"].as_array().unwrap().iter().map(|entry| &entry["detail"]).collect();
    assert_eq!(details, ["active", "active", "inactive"], "{audit}");
}

fn what_cannot_be_asked_is_told_as_a_problem() {
    let api = api();
    let fleet = api.token("fleet", Right::Fleet);
    let iccid = "89882807000000000414";
    for wanted in [
        json!({ "kind": "configure" }),
        json!({ "kind": "fly" }),
        json!({ "kind": "enable" }),
        json!({ "kind": "enable", "iccid": "1" }),
        json!({ "kind": "audit", "iccid": iccid }),
        json!({ "kind": "audit", "rollback": true }),
        json!({ "kind": "delete", "iccid": iccid, "delete_old_after_s": 1 }),
        json!({ "kind": "download" }),
        json!({ "kind": "download", "activation_code": "LPA:2$x$y" }),
        json!({ "kind": "download", "activation_code": CODE, "profile_type": "iot" }),
        json!({ "kind": "download", "profile_type": "iot", "confirmation_code": "1" }),
        json!({ "kind": "download", "profile_type": "none" }),
        json!({ "kind": "disable", "iccid": iccid, "activation_code": CODE }),
        json!({ "kind": "audit", "valid_for_s": 0 }),
        json!({ "kind": "switch", "iccid": iccid, "delete_old_after_s": 0 }),
        json!({ "kind": "audit", "urgent": true }),
    ] {
        let answer = api.post(&fleet, &path(EID), &wanted, None);
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{wanted}: {}", answer.text);
        assert!(!answer.text.contains("LPA:2"), "codes are not repeated: {}", answer.text);
    }
    let audit = json!({ "kind": "audit" });
    assert_eq!(api.post(&fleet, &path(CONSUMER), &audit, None).problem(), problem(409, "not-possible"));
    assert_eq!(api.post(&fleet, &path("1"), &audit, None).problem(), problem(400, "invalid-parameter"));
    let none = "0".repeat(32);
    assert_eq!(api.get(&fleet, &format!("/v1/operations/{none}")).problem(), problem(404, "not-found"));
    assert_eq!(api.get(&fleet, "/v1/operations/1").problem(), problem(400, "invalid-parameter"));
    let cancel = api.call(&fleet, "POST", &format!("/v1/operations/{none}/cancel"), None, None);
    assert_eq!(cancel.problem(), problem(404, "not-found"));
    for query in ["state=flying", "limit=0", "after=x"] {
        let answer = api.get(&fleet, &format!("/v1/operations?{query}"));
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{query}");
    }
    // So many of one eUICC, and no more.
    let association =
        Association { eid: eid(), counter: 0, association_token: None, download: DownloadWay::Direct };
    let store = api.server.smdp().store.clone();
    api.server.wait(store.associate(&[association], api.server.clock.now())).unwrap();
    drop(store);
    for _ in 0..=simyard::eim::operations::WAITING_MAX {
        assert_eq!(api.post(&fleet, &path(EID), &audit, None).status, 202);
    }
    assert_eq!(api.post(&fleet, &path(EID), &audit, None).problem(), problem(409, "not-possible"));
}

fn without_an_eim_there_are_no_operations() {
    let api = Api::start();
    let fleet = api.token("fleet", Right::Fleet);
    for (method, path) in [
        ("GET", "/v1/operations".to_owned()),
        ("GET", path(EID)),
        ("GET", format!("/v1/euiccs/{EID}/switch-plan")),
        ("GET", "/v1/eim-keys".to_owned()),
        ("PUT", format!("/v1/euiccs/{EID}/eim-key")),
        ("GET", format!("/v1/operations/{}", "0".repeat(32))),
        ("POST", format!("/v1/operations/{}/cancel", "0".repeat(32))),
    ] {
        let answer = api.call(&fleet, method, &path, None, None);
        assert_eq!(answer.problem(), problem(404, "not-found"), "{method} {path}");
        assert!(answer.text.contains("no eIM"), "{}", answer.text);
    }
}
