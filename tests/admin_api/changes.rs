//! Orders and subscriptions that are changed over the admin API, and allocations listed.

use serde_json::{Value, json};
use simyard::domain::{Attempts, Delivered, Person, Right};
use simyard::ident::Iccid;
use simyard::smdp::manual_order::{self, Expiry, Goal, Hand, NewOrder, Wanted};

use super::{Api, problem};

crate::tests!(
    an_order_is_released_cancelled_and_put_back,
    an_order_that_cannot_be_changed_says_why,
    a_subscription_comes_back_or_is_retired,
    allocations_are_listed_by_pages,
);

const SETTINGS: &str = r#"
[admin_api]
listen = "127.0.0.1:0"
[[profile_type]]
name = "cards"
owner = "acme"
quarantine_days = 1
[[pool]]
name = "home"
kind = "imsi"
operator = "acme"
mcc_mnc = "72468"
first = "724680000000000"
last = "724680000000004"
"#;

/// The ICCIDs of profiles that came just now.
fn ingested(api: &Api, token: &str, count: u32) -> Vec<Iccid> {
    api.server.ingest("acme", "cards", count);
    let found = api.get(token, "/v1/orders?profile_type=cards&state=Available&limit=1000").ok();
    let iccids = found["items"].as_array().unwrap().iter().map(|order| order["iccid"].as_str().unwrap());
    iccids.map(|iccid| Iccid::parse(iccid).unwrap()).collect()
}

/// An order by hand.
fn order(api: &Api, iccid: &Iccid, goal: Goal, expiry: Expiry) {
    let hand = Hand { person: Person::parse("ada").unwrap(), at: api.server.clock.now() };
    let new = NewOrder {
        eid: None,
        matching_id: None,
        code_hash: None,
        goal,
        expiry,
        attempts: Attempts::default(),
        key_mode: None,
        metadata: None,
        needed: Delivered::default(),
    };
    let (store, rng) = (api.server.smdp().store.clone(), api.server.rng.clone());
    let wanted = Wanted::Iccid(iccid.clone());
    api.server
        .wait(async move { manual_order::place_order(&store, &rng, &hand, &wanted, &new).await })
        .unwrap();
}

fn an_order_is_released_cancelled_and_put_back() {
    let api = Api::with(SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    let iccids = ingested(&api, &token, 2);
    let path = |number: usize, what: &str| format!("/v1/orders/{}/{what}", iccids[number]);
    let call = |number, what, body: Value, key| api.post(&token, &path(number, what), &body, key);
    order(&api, &iccids[0], Goal::Confirmed, Expiry::Never);
    let released = call(0, "release", json!({}), Some("key-1")).ok();
    assert_eq!((&released["state"], &released["iccid"]), (&json!("Released"), &json!(iccids[0])));
    assert!(released["released_at"].is_string() && released["matching_id"].is_string(), "{released}");
    assert_eq!(call(0, "release", json!({}), Some("key-1")).ok(), released, "the first answer again");
    assert_eq!(call(0, "release", json!({}), None).problem(), problem(409, "not-possible"));
    let back = call(0, "cancel", json!({}), None).ok();
    assert_eq!((&back["state"], &back["matching_id"]), (&json!("Available"), &Value::Null), "{back}");

    let lifetime = std::time::Duration::from_secs(60);
    order(&api, &iccids[1], Goal::Released, Expiry::After(lifetime));
    api.server.clock.advance(lifetime * 2);
    assert_eq!(call(1, "reset", json!({}), None).problem(), problem(400, "invalid-parameter"));
    let reset = call(1, "reset", json!({ "valid_s": 100 }), None).ok();
    let until = api.server.clock.now().plus(std::time::Duration::from_secs(100)).to_string();
    assert_eq!((&reset["state"], &reset["expires_at"]), (&json!("Released"), &json!(until)), "{reset}");
    let gone = call(1, "cancel", json!({ "final_status": "Unavailable" }), None).ok();
    assert_eq!(gone["state"], "Unavailable", "{gone}");

    let auditor = api.token("carl", Right::Auditor);
    let told = api.get(&auditor, &format!("/v1/audit?subject={}&actor=erp", iccids[0])).ok();
    let actions: Vec<_> = told["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["order.release", "order.cancel"], "{told}");
    let history = api.get(&token, &path(0, "history")).ok();
    let by: Vec<_> =
        history["events"].as_array().unwrap().iter().filter(|event| event["event"] == "cancel").collect();
    assert_eq!((by.len(), &by[0]["person"]), (1, &json!("identity:erp")), "{history}");
}

fn an_order_that_cannot_be_changed_says_why() {
    let api = Api::with(SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    let iccids = ingested(&api, &token, 1);
    let available = iccids[0].as_str();
    for (iccid, what, body, expected) in [
        ("12", "release", json!({}), problem(400, "invalid-parameter")),
        ("89882119999999999991", "release", json!({}), problem(404, "not-found")),
        ("89882119999999999991", "cancel", json!({}), problem(404, "not-found")),
        ("89882119999999999991", "reset", json!({}), problem(404, "not-found")),
        (available, "release", json!({}), problem(409, "not-possible")),
        (available, "cancel", json!({}), problem(409, "not-possible")),
        (available, "reset", json!({}), problem(409, "not-possible")),
        (available, "release", json!({ "more": 1 }), problem(400, "invalid-parameter")),
        (available, "cancel", json!({ "final_status": "Lost" }), problem(400, "invalid-parameter")),
        (available, "reset", json!({ "valid_s": 0 }), problem(400, "invalid-parameter")),
        (available, "reset", json!({ "valid_s": 1_000_000_000_000_u64 }), problem(400, "invalid-parameter")),
    ] {
        let answer = api.post(&token, &format!("/v1/orders/{iccid}/{what}"), &body, None);
        assert_eq!(answer.problem(), expected, "{what} {iccid} {body}: {}", answer.text);
    }
}

fn a_subscription_comes_back_or_is_retired() {
    let api = Api::with(SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    let iccids = ingested(&api, &token, 3);
    let wanted = json!({ "profile_type": "cards", "count": 1 });
    let held = api.post(&token, "/v1/allocations", &wanted, None).ok()["held"][0].clone();
    let path = |iccid: &str, what: &str| format!("/v1/subscriptions/{iccid}/{what}");
    let call = |iccid: &str, what: &str| api.post(&token, &path(iccid, what), &json!({}), None);
    let held = held.as_str().unwrap();
    let back = call(held, "release").ok();
    assert_eq!((&back["iccid"], &back["standing"]), (&json!(held), &json!("quarantined")));
    assert_eq!(back["in_stock_at"], api.get(&token, &format!("/v1/subscriptions/{held}")).ok()["held_until"]);
    assert_eq!(call(held, "release").problem(), problem(409, "not-possible"), "it came back already");

    let other = iccids.iter().map(Iccid::as_str).find(|iccid| *iccid != held).unwrap();
    assert_eq!(call(other, "lost").problem(), problem(409, "not-possible"), "it is on no eUICC");
    let retired = call(other, "retire").ok();
    assert_eq!((&retired["standing"], &retired["in_stock_at"]), (&json!("retired"), &Value::Null));
    let shown = api.get(&token, &format!("/v1/subscriptions/{other}")).ok();
    assert_eq!(shown["standing"], "retired", "{shown}");
    assert_eq!(call(other, "retire").problem(), problem(409, "not-possible"));
    for what in ["release", "retire", "lost"] {
        assert_eq!(call("89882119999999999991", what).problem(), problem(404, "not-found"), "{what}");
        assert_eq!(call("12", what).problem(), problem(400, "invalid-parameter"), "{what}");
        let more = api.post(&token, &path(held, what), &json!({ "more": 1 }), None);
        assert_eq!(more.problem(), problem(400, "invalid-parameter"), "{what}");
    }
    // A type that the settings do not name says nothing of its quarantine.
    let options = crate::server::OrderOptions { profile_type: Some("iot"), ..Default::default() };
    let ordered = api.server.order(options);
    assert_eq!(
        call(ordered.iccid.as_str(), "retire").problem(),
        problem(409, "not-possible"),
        "it is ordered"
    );
}

fn allocations_are_listed_by_pages() {
    let api = Api::with(SETTINGS);
    let token = api.token("erp", Right::Provisioning);
    assert_eq!(api.get(&token, "/v1/allocations").ok(), json!({ "items": [], "next": null }));
    ingested(&api, &token, 2);
    for (id, wanted) in [
        ("job/1", json!({ "profile_type": "cards", "count": 2, "allocation_id": "job/1", "reserve_s": 60 })),
        ("job&2", json!({ "pool": "home", "count": 1, "allocation_id": "job&2" })),
        ("job 3", json!({ "pool": "home", "count": 2, "allocation_id": "job-3" })),
    ] {
        assert_eq!(api.post(&token, "/v1/allocations", &wanted, None).status, 201, "{id}");
    }
    let mut path = "/v1/allocations?limit=1".to_owned();
    let mut listed = Vec::new();
    loop {
        let page = api.get(&token, &path);
        listed.extend(page.ok()["items"].as_array().unwrap().clone());
        let Some(link) = page.headers.get("link") else { break };
        path = link.to_str().unwrap().strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
    }
    let ids: Vec<_> = listed.iter().map(|one| one["allocation_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["job&2", "job-3", "job/1"]);
    assert_eq!((&listed[0]["pool"], &listed[0]["profile_type"]), (&json!("home"), &Value::Null));
    assert_eq!((&listed[2]["profile_type"], &listed[2]["count"]), (&json!("cards"), &json!(2)));
    assert!(listed[2]["held_until"].is_string() && listed[2].get("held").is_none(), "{listed:?}");
    for wrong in ["after=x", "after=00", "limit=0", "owner=acme"] {
        let answer = api.get(&token, &format!("/v1/allocations?{wrong}"));
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{wrong}");
    }
}
