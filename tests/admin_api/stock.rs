//! Stock, subscriptions, pools, allocations and eUICCs over the admin API.

use std::sync::Arc;

use serde_json::{Value, json};
use simyard::domain::{Mode, Operator, ProfileType, Right};
use simyard::ident::{Eid, Iccid};
use simyard::inventory::formats::{AnyForm, Format, Options};
use simyard::inventory::sub_class::shipped;
use simyard::inventory::{Delivery, Intent, Inventory};

use super::{Api, problem};
use crate::server::{OrderOptions, PROFILE_TYPE};

crate::tests!(
    the_stock_is_counted_and_held_against_its_marks,
    subscriptions_are_found_by_every_number,
    pools_are_listed_with_what_is_left,
    euiccs_are_listed_by_pages,
    behind_the_largest_page_more_is_found,
    subscriptions_are_taken_once_and_given_back,
    what_cannot_be_given_back_is_told,
    numbers_of_a_pool_are_taken_and_given_back,
    an_allocation_says_what_is_wrong_with_it,
);

/// With two pools, and a profile type that runs low.
const STOCK_SETTINGS: &str = r#"
[admin_api]
listen = "127.0.0.1:0"
[[pool]]
name = "numbers"
kind = "msisdn"
operator = "acme"
first = "882285000000"
last = "882285009999"
low_water = 10000
[[pool]]
name = "home"
kind = "imsi"
operator = "acme"
mcc_mnc = "72468"
first = "724680000000000"
last = "724680000000004"
[[profile_type]]
name = "cards"
owner = "acme"
low_water = 3
"#;

/// Takes a manufacturer's batch of eUICCs into the register.
fn ingest_euiccs(api: &Api, file: String) {
    ingest_euiccs_of(api, file, None);
}

/// The same, of a shipped kind of SIM.
pub(super) fn ingest_euiccs_of(api: &Api, file: String, kind: Option<&str>) {
    let smdp = api.server.smdp();
    let (store, sealer) = (smdp.store.clone(), smdp.sealer.clone());
    let (clock, rng) = (api.server.clock.clone(), api.server.rng.clone());
    let inventory = Inventory { store, sealer, clock, rng, mode: Mode::Test };
    let (owner, named) = (Operator::parse("acme").unwrap(), ProfileType::parse(PROFILE_TYPE).unwrap());
    let mut delivery = Delivery::local(owner, named, None);
    let shipped = |name: &str| shipped().into_iter().find(|one| one.name.as_str() == name).unwrap();
    delivery.sub_class = kind.map(|name| Arc::new(shipped(name)));
    let options = Options { format: Some(Format::Euiccs), ..inventory.options(&delivery) };
    let source = Box::new(AnyForm { options, accompanying: None });
    let input = std::io::Cursor::new(file.into_bytes());
    api.server.wait(inventory.ingest(input, source, &delivery, Intent::TakeWhole, |_| {})).unwrap();
}

fn the_stock_is_counted_and_held_against_its_marks() {
    let api = Api::with(STOCK_SETTINGS);
    let token = api.token("carl", Right::Auditor);
    api.server.ingest("acme", "cards", 2);
    api.server.order(OrderOptions { profile_type: Some("cards"), ..OrderOptions::default() });
    let stock = api.get(&token, "/v1/stock?profile_type=cards").ok();
    assert_eq!(
        stock,
        json!({
            "stock": [{
                "owner": "acme", "profile_type": "cards", "sub_class": null, "profiles": 2,
                "standing": { "available": 1, "ordered": 1 },
            }],
            "marks": [{ "owner": "acme", "profile_type": "cards", "low_water": 3 }],
            "low": [{ "owner": "acme", "profile_type": "cards", "available": 1, "low_water": 3 }],
        })
    );
    api.server.ingest("acme", "cards", 2);
    let all = api.get(&token, "/v1/stock").ok();
    assert_eq!((&all["low"], all["stock"].as_array().unwrap().len()), (&json!([]), 2), "{all}");
    let none = api.get(&token, "/v1/stock?owner=beta").ok();
    assert_eq!(none, json!({ "stock": [], "marks": [], "low": [] }));
    assert_eq!(api.get(&token, "/v1/stock?limit=1").problem(), problem(400, "invalid-parameter"));
}

fn subscriptions_are_found_by_every_number() {
    let api = Api::start();
    let token = api.token("bert", Right::Provisioning);
    let options = OrderOptions { profile_type: Some(PROFILE_TYPE), ..OrderOptions::default() };
    let ordered = api.server.order(options);
    let path = format!("/v1/subscriptions/{}", ordered.iccid);
    let one = api.get(&token, &path).ok();
    assert_eq!((&one["iccid"], &one["standing"]), (&json!(ordered.iccid), &json!("ordered")));
    assert_eq!((&one["state"], &one["owner"]), (&json!("Released"), &json!("acme")));
    assert!(one["held_until"].is_null() && one["allocation_id"].is_null(), "{one}");
    for (number, by) in [
        (ordered.iccid.as_str(), "iccid"),
        (one["imsi"].as_str().unwrap(), "imsi"),
        (&ordered.matching_id, "matching_id"),
    ] {
        let found = api.get(&token, &format!("/v1/subscriptions?number={number}")).ok();
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{number}: {found}");
        assert_eq!((&items[0]["by"], &items[0]["number"]), (&json!(by), &json!(number)));
        assert_eq!(items[0]["iccid"], one["iccid"]);
    }
    let none = api.get(&token, "/v1/subscriptions?number=901405999999999").ok();
    assert_eq!(none, json!({ "items": [] }));
    let history = api.get(&token, &format!("{path}/history")).ok();
    let events: Vec<_> = history["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(events[0], "stocked", "{history}");
    for expected in ["ordered", "order.create", "confirmed", "order.confirm", "released"] {
        assert_eq!(events.iter().filter(|event| **event == expected).count(), 1, "{expected}: {history}");
    }
    assert_eq!(events.iter().filter(|event| **event == "stocked").count(), 1, "{history}");
    for path in ["/v1/subscriptions/89882119999999999991", "/v1/subscriptions/89882119999999999991/history"] {
        assert_eq!(api.get(&token, path).problem(), problem(404, "not-found"), "{path}");
    }
    for path in [
        "/v1/subscriptions",
        "/v1/subscriptions?number=",
        "/v1/subscriptions?number=%3F",
        "/v1/subscriptions/12",
        "/v1/subscriptions/12/history",
    ] {
        assert_eq!(api.get(&token, path).problem(), problem(400, "invalid-parameter"), "{path}");
    }
    // Keys and PINs stand in no answer.
    let told = one.to_string() + &history.to_string();
    assert!(!told.contains("12345678") && !told.contains("\"ki\""), "{told}");
}

fn pools_are_listed_with_what_is_left() {
    let api = Api::with(STOCK_SETTINGS);
    let token = api.token("carl", Right::Auditor);
    let first = api.get(&token, "/v1/pools?limit=1");
    assert_eq!((&first.ok()["items"][0]["name"], &first.ok()["next"]), (&json!("home"), &json!("home")));
    assert_eq!(first.headers["link"], "</v1/pools?limit=1&after=home>; rel=\"next\"");
    let second = api.get(&token, "/v1/pools?limit=1&after=home").ok();
    assert_eq!((&second["items"][0]["name"], &second["next"]), (&json!("numbers"), &Value::Null));
    let pool = api.get(&token, "/v1/pools/home").ok();
    assert_eq!(pool, first.ok()["items"][0]);
    assert_eq!((&pool["first"], &pool["last"]), (&json!("724680000000000"), &json!("724680000000004")));
    assert_eq!((&pool["left"], &pool["is_low"], &pool["allocated"]), (&json!(5), &json!(false), &json!(0)));
    assert_eq!(api.get(&token, "/v1/pools/absent").problem(), problem(404, "not-found"));
    for path in ["/v1/pools/A", "/v1/pools?after=A", "/v1/pools?limit=0"] {
        assert_eq!(api.get(&token, path).problem(), problem(400, "invalid-parameter"), "{path}");
    }
}

fn euiccs_are_listed_by_pages() {
    let api = Api::start();
    let token = api.token("carl", Right::Auditor);
    assert_eq!(api.get(&token, "/v1/euiccs").ok(), json!({ "items": [], "next": null }));
    let eids = ["89049032000000000000700000004105", "89049032000000000000700000004202"];
    let file = format!(
        "eid,architecture,type,iccids,enabled\n\
         {},sgp22,Chip 5,89882807000000000018,89882807000000000018\n{},sgp22,Chip 5,,\n",
        eids[0], eids[1]
    );
    ingest_euiccs(&api, file);
    let first = api.get(&token, "/v1/euiccs?limit=1");
    assert_eq!((&first.ok()["items"][0]["eid"], &first.ok()["next"]), (&json!(eids[0]), &json!(eids[0])));
    let link = first.headers["link"].to_str().unwrap();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    let second = api.get(&token, next).ok();
    assert_eq!((&second["items"][0]["eid"], &second["next"]), (&json!(eids[1]), &Value::Null));
    let euicc = api.get(&token, &format!("/v1/euiccs/{}", eids[0])).ok();
    assert_eq!((&euicc["architecture"], &euicc["euicc_type"]), (&json!("sgp22"), &json!("Chip 5")));
    assert_eq!((&euicc["owner"], &euicc["freedom_to_switch"]), (&json!("acme"), &json!("absent")));
    assert_eq!(euicc["preloaded"], json!(["89882807000000000018"]));
    assert_eq!(euicc["enabled_iccid"], "89882807000000000018");
    assert!(euicc["registered_at"].is_string() && euicc["last_seen_at"].is_null(), "{euicc}");
    let absent = api.get(&token, "/v1/euiccs/89049032999999999999999999999999");
    assert_eq!(absent.problem(), problem(404, "not-found"));
    for path in ["/v1/euiccs/1", "/v1/euiccs?after=1", "/v1/euiccs?limit=1001"] {
        assert_eq!(api.get(&token, path).problem(), problem(400, "invalid-parameter"), "{path}");
    }
}

fn behind_the_largest_page_more_is_found() {
    let api = Api::with(&STOCK_SETTINGS.replace("724680000000004", "724680000009999"));
    let token = api.token("anna", Right::Admin);
    api.server.ingest("acme", "cards", 1001);
    let eid = |number| Eid::with_check_digits(&format!("890490320000000000002799{number:06}")).unwrap();
    let rows = (0..1001).map(|number| format!("{},sgp22\n", eid(number)));
    let file = rows.fold("eid,architecture\n".to_owned(), |file, row| file + &row);
    ingest_euiccs(&api, file);
    // Each number that is given back has an entry of its own.
    let wanted = json!({ "pool": "home", "count": 1000, "allocation_id": "all" });
    assert_eq!(api.post(&token, "/v1/allocations", &wanted, None).status, 201);
    assert_eq!(api.delete(&token, "/v1/allocations/all").status, 204);
    for path in ["/v1/orders?profile_type=cards&state=Available", "/v1/euiccs", "/v1/audit?actor=anna"] {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = api.get(&token, &format!("{path}{sign}limit=1000"));
        assert_eq!(page.ok()["items"].as_array().unwrap().len(), 1000, "{path}");
        let link = page.headers["link"].to_str().unwrap();
        let rest = api.get(&token, link.strip_prefix('<').unwrap().split('>').next().unwrap()).ok();
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null), "{path}");
    }
}

fn subscriptions_are_taken_once_and_given_back() {
    let api = Api::with(STOCK_SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    api.server.ingest("acme", "cards", 5);
    let wanted = json!({ "profile_type": "cards", "count": 3, "allocation_id": "job/1", "reserve_s": 60 });
    let first = api.post(&token, "/v1/allocations", &wanted, None);
    assert_eq!((first.status, &first.ok()["repeated"]), (201, &json!(false)), "{}", first.text);
    assert!(first.ok()["held_until"].is_string(), "{}", first.text);
    let again = api.post(&token, "/v1/allocations", &wanted, None);
    assert_eq!((again.status, &again.ok()["repeated"]), (200, &json!(true)));
    assert_eq!(
        (&again.ok()["held"], &again.ok()["held_until"]),
        (&first.ok()["held"], &first.ok()["held_until"])
    );
    let other = json!({ "profile_type": "cards", "count": 2, "allocation_id": "job/1" });
    assert_eq!(api.post(&token, "/v1/allocations", &other, None).problem(), problem(409, "in-use"));
    let more = json!({ "profile_type": "cards", "count": 3 });
    assert_eq!(api.post(&token, "/v1/allocations", &more, None).problem(), problem(409, "exhausted"));
    // Without an identifier, the key makes it repeatable.
    let rest = json!({ "profile_type": "cards", "count": 2 });
    let kept = api.post(&token, "/v1/allocations", &rest, Some("key-1"));
    assert_eq!((kept.status, kept.ok()["held"].as_array().unwrap().len()), (201, 2));
    assert_eq!(api.post(&token, "/v1/allocations", &rest, Some("key-1")).text, kept.text);
    assert_eq!(api.get(&token, "/v1/stock").ok()["stock"][0]["standing"], json!({ "reserved": 5 }));

    let path = "/v1/allocations/job%2F1";
    let shown = api.get(&token, path).ok();
    assert_eq!((&shown["profile_type"], &shown["pool"]), (&json!("cards"), &Value::Null), "{shown}");
    assert_eq!((&shown["made_by"], &shown["held"]), (&json!("identity:erp"), &first.ok()["held"]));
    let iccid = shown["held"][0].as_str().unwrap();
    let one = api.get(&token, &format!("/v1/subscriptions/{iccid}")).ok();
    assert_eq!((&one["standing"], &one["allocation_id"]), (&json!("reserved"), &json!("job/1")), "{one}");
    assert_eq!(one["held_until"], shown["held_until"]);
    assert_eq!(api.delete(&token, path).status, 204);
    assert_eq!(api.delete(&token, path).status, 204, "nothing is left to give back");
    assert_eq!(api.get(&token, path).ok()["held"], json!([]));
    let standing = api.get(&token, "/v1/stock").ok()["stock"][0]["standing"].clone();
    assert_eq!(standing, json!({ "quarantined": 3, "reserved": 2 }));
    // The audit says which identity it was, and the history tells of it once.
    let auditor = api.token("carl", Right::Auditor);
    for (subject, action) in [("job/1", "stock.reserve"), (iccid, "stock.release")] {
        let items = api.get(&auditor, &format!("/v1/audit?subject={subject}")).ok()["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
        let entry = &items[0];
        assert_eq!((&entry["action"], &entry["actor_kind"]), (&json!(action), &json!("identity")));
        assert_eq!(entry["actor"], "erp", "{entry}");
    }
    let history = api.get(&token, &format!("/v1/subscriptions/{iccid}/history")).ok();
    let events = history["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[1]["person"]), (2, &json!("identity:erp")), "{history}");
    assert_eq!(api.delete(&token, "/v1/allocations/none").problem(), problem(404, "not-found"));
}

fn what_cannot_be_given_back_is_told() {
    let api = Api::with(STOCK_SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    api.server.ingest("acme", "cards", 2);
    let wanted = json!({ "profile_type": "cards", "count": 2, "allocation_id": "job-2" });
    let held = api.post(&token, "/v1/allocations", &wanted, None).ok()["held"].clone();
    let iccid = Iccid::parse(held[0].as_str().unwrap()).unwrap();
    api.server.order(OrderOptions { iccid: Some(&iccid), ..OrderOptions::default() });
    let refused = api.delete(&token, "/v1/allocations/job-2");
    assert_eq!(refused.problem(), problem(409, "not-possible"));
    let document: Value = serde_json::from_str(&refused.text).unwrap();
    assert_eq!(document["refused"].as_array().unwrap().len(), 1, "{document}");
    assert_eq!(document["refused"][0]["iccid"], held[0], "{document}");
    assert!(document["refused"][0]["reason"].as_str().unwrap().contains("cancel"), "{document}");
    // The other one came back.
    assert_eq!(api.get(&token, "/v1/allocations/job-2").ok()["held"], json!([held[0]]));
}

fn numbers_of_a_pool_are_taken_and_given_back() {
    let api = Api::with(STOCK_SETTINGS);
    let token = api.token("anna", Right::Admin);
    let wanted = json!({ "pool": "home", "count": 2, "allocation_id": "job-3" });
    let taken = api.post(&token, "/v1/allocations", &wanted, None);
    assert_eq!(taken.status, 201, "{}", taken.text);
    assert_eq!(taken.ok()["held"], json!(["724680000000000", "724680000000001"]));
    assert!(taken.ok()["held_until"].is_null());
    assert_eq!(api.post(&token, "/v1/allocations", &wanted, None).ok()["repeated"], true);
    let pool = api.get(&token, "/v1/pools/home").ok();
    assert_eq!((&pool["left"], &pool["allocated"]), (&json!(3), &json!(2)), "{pool}");
    let more = json!({ "pool": "home", "count": 4 });
    assert_eq!(api.post(&token, "/v1/allocations", &more, None).problem(), problem(409, "exhausted"));
    let shown = api.get(&token, "/v1/allocations/job-3").ok();
    assert_eq!((&shown["pool"], &shown["profile_type"]), (&json!("home"), &Value::Null));
    assert_eq!((&shown["held"], &shown["count"]), (&taken.ok()["held"], &json!(2)));
    assert_eq!(api.delete(&token, "/v1/allocations/job-3").status, 204);
    assert_eq!(api.delete(&token, "/v1/allocations/job-3").status, 204);
    let pool = api.get(&token, "/v1/pools/home").ok();
    assert_eq!((&pool["quarantined"], &pool["allocated"]), (&json!(2), &json!(0)), "{pool}");
    let audit = api.get(&token, "/v1/audit?actor=anna").ok();
    let told: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(told, ["pool.allocate", "pool.release", "pool.release"], "{audit}");
}

fn an_allocation_says_what_is_wrong_with_it() {
    let api = Api::with(STOCK_SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    api.server.ingest("acme", "cards", 1);
    for body in [
        json!({}),
        json!({ "count": 1 }),
        json!({ "profile_type": "cards" }),
        json!({ "profile_type": "cards", "pool": "home", "count": 1 }),
        json!({ "profile_type": "absent", "count": 1 }),
        json!({ "pool": "absent", "count": 1 }),
        json!({ "profile_type": "cards", "count": 0 }),
        json!({ "profile_type": "cards", "count": 1001 }),
        json!({ "pool": "home", "count": 1001 }),
        json!({ "profile_type": "cards", "count": -1 }),
        json!({ "profile_type": "cards", "count": 1, "allocation_id": "a b" }),
        json!({ "profile_type": "cards", "count": 1, "reserve_s": 0 }),
        json!({ "profile_type": "cards", "count": 1, "reserve_s": 366 * 24 * 3600 + 1 }),
        json!({ "profile_type": "cards", "count": 1, "more": 1 }),
    ] {
        let answer = api.post(&token, "/v1/allocations", &body, None);
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{body}");
    }
    for method in ["GET", "DELETE"] {
        let answer = api.call(&token, method, "/v1/allocations/a%20b", None, None);
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{method}");
    }
    assert_eq!(api.get(&token, "/v1/stock").ok()["stock"][0]["standing"], json!({ "available": 1 }));
}
