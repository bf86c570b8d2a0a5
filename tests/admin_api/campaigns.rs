//! Campaigns over the admin API: planned, made, watched, stopped, ended.

use serde_json::{Value, json};
use simyard::domain::Right;

use super::stock::ingest_euiccs_of;
use super::{Api, problem};

crate::tests!(a_campaign_is_planned_made_and_ended, what_cannot_be_asked_of_a_fleet_is_a_problem,);

const SETTINGS: &str = r#"
[admin_api]
listen = "127.0.0.1:0"
[eim]
id = "eim.test"
fqdn = "smdp.example.com"
listen = "127.0.0.1:0"
"#;
const EID: &str = "89049032000000000000700000004105";
const OTHER_EID: &str = "89049032000000000000700000004396";
const CODE: &str = "LPA:1$smdp.example.com$A-1";

/// With two eUICCs, of which one is not ours to manage.
fn api() -> Api {
    let api = Api::with(SETTINGS);
    let file = format!("eid,architecture,eim_id,counter\n{EID},SGP.32,eim.test,0\n{OTHER_EID},sgp22,,\n");
    ingest_euiccs_of(&api, file, None);
    api
}

fn a_campaign_is_planned_made_and_ended() {
    let api = api();
    let (fleet, auditor) = (api.token("fleet", Right::Fleet), api.token("carl", Right::Auditor));
    let wanted = json!({
        "name": "look", "kind": "audit", "targets": [{ "eid": EID }, { "eid": OTHER_EID }], "waves": ["50%", "100%"],
        "per_hour": 60, "at_most": 7, "failure_budget": "2.5%", "soak_s": 1800, "validity_s": 3600,
    });
    let refused = json!([{ "eid": OTHER_EID, "reason": "not_associated" }]);
    let planned = api.post(&auditor, "/v1/campaigns/plan", &wanted, None).ok();
    assert_eq!(planned, json!({ "waves": [1, 1], "refused": refused }));
    assert_eq!(api.get(&auditor, "/v1/campaigns").ok()["items"], json!([]), "a plan makes nothing");
    assert_eq!(api.post(&auditor, "/v1/campaigns", &wanted, None).problem(), problem(403, "forbidden"));

    let made = api.post(&fleet, "/v1/campaigns", &wanted, Some("k1"));
    assert_eq!(made.status, 201, "{}", made.text);
    let campaign = made.ok();
    let path = format!("/v1/campaigns/{}", campaign["campaign_id"].as_str().unwrap());
    assert_eq!(made.headers["location"], path.as_str());
    assert_eq!(api.post(&fleet, "/v1/campaigns", &wanted, Some("k1")).ok(), campaign, "made once");
    for (member, expected) in [
        ("state", json!("running")),
        ("waves", json!(2)),
        ("failure_budget", json!("2.5%")),
        ("soak_s", json!(1800)),
        ("created_by", json!("identity:fleet")),
    ] {
        assert_eq!(campaign[member], expected, "{member}");
    }
    assert_eq!(campaign["wave_counts"][1]["pending"], 1);
    let targets = api.get(&auditor, &format!("{path}/targets?limit=1"));
    assert_eq!((&targets.ok()["items"][0]["eid"], &targets.ok()["next"]), (&json!(EID), &json!("1")));
    let rest = api.get(&auditor, &format!("{path}/targets?after=1")).ok();
    assert_eq!((&rest["items"][0]["eid"], &rest["items"][0]["attempt"]), (&json!(OTHER_EID), &json!(1)));

    let change = |what: &str, body: Option<Value>| {
        api.call(&fleet, "POST", &format!("{path}/{what}"), body.as_ref(), None)
    };
    assert_eq!(change("pause", None).ok()["state"], "paused");
    assert_eq!(change("pause", None).problem(), problem(409, "not-possible"));
    let resumed = change("resume", Some(json!({ "failure_budget": "5%" }))).ok();
    assert_eq!((&resumed["state"], &resumed["failure_budget"]), (&json!("running"), &json!("5%")));
    assert_eq!(change("retry", None).problem(), problem(409, "not-possible"), "nobody failed");
    let stranger =
        json!({ "states": ["failed"], "targets": [{ "eid": "89049032999999999999999999999999" }] });
    assert_eq!(change("retry", Some(stranger)).problem(), problem(400, "invalid-parameter"));
    let ended = change("cancel", None).ok();
    assert!(["cancelling", "cancelled"].contains(&ended["state"].as_str().unwrap()), "{ended}");
    let listed = api.get(&auditor, "/v1/campaigns?limit=1").ok();
    assert_eq!(listed["items"][0]["campaign_id"], campaign["campaign_id"]);
    let admin = api.token("anna", Right::Admin);
    let audit = api.get(&admin, "/v1/audit?actor=fleet").ok();
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["campaign.create", "campaign.pause", "campaign.resume", "campaign.cancel"] {
        assert_eq!(actions.iter().filter(|told| **told == action).count(), 1, "{action}: {audit}");
    }
    let labelled = json!({ "name": "north", "kind": "audit", "labels": { "region": "north" } });
    assert_eq!(
        api.post(&fleet, "/v1/campaigns", &labelled, None).problem(),
        problem(400, "invalid-parameter")
    );
    let label = json!({ "region": "north" });
    api.call(&fleet, "PATCH", &format!("/v1/euiccs/{EID}/labels"), Some(&label), None).ok();
    assert_eq!(api.post(&fleet, "/v1/campaigns", &labelled, None).ok()["targets"], 1);
}

fn what_cannot_be_asked_of_a_fleet_is_a_problem() {
    let api = api();
    let fleet = api.token("fleet", Right::Fleet);
    let with = |members: Value| {
        let mut wanted = json!({ "name": "x", "kind": "audit", "targets": [{ "eid": EID }] });
        let given = members.as_object().unwrap();
        given.iter().for_each(|(name, value)| wanted[name] = value.clone());
        wanted
    };
    for members in [
        json!({ "name": "" }),
        json!({ "kind": "fly" }),
        json!({ "kind": "configure" }),
        json!({ "targets": [] }),
        json!({ "targets": [{ "eid": "1" }] }),
        json!({ "targets": [{ "eid": EID }, { "eid": EID }] }),
        json!({ "targets": [{ "eid": EID, "iccid": "1" }] }),
        json!({ "targets": [{ "eid": EID, "activation_code": "LPA:2$x$y" }] }),
        json!({ "targets": [{ "eid": EID, "activation_code": CODE }] }),
        json!({ "targets": [{ "eid": EID, "confirmation_code": "1" }] }),
        json!({ "targets": null }),
        json!({ "labels": { "region": "north" } }),
        json!({ "targets": null, "labels": { "Region": "x" } }),
        json!({ "rollback": true }),
        json!({ "delete_old_after_s": 1 }),
        json!({ "profile_type": "iot" }),
        json!({ "kind": "download" }),
        json!({ "waves": ["10%"] }),
        json!({ "waves": ["1"] }),
        json!({ "failure_budget": "101%" }),
        json!({ "per_hour": 0 }),
        json!({ "at_most": 0 }),
        json!({ "validity_s": 0 }),
        json!({ "urgent": true }),
    ] {
        for path in ["/v1/campaigns", "/v1/campaigns/plan"] {
            let answer = api.post(&fleet, path, &with(members.clone()), None);
            assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{members}: {}", answer.text);
            assert!(!answer.text.contains("LPA:2"), "codes are not repeated: {}", answer.text);
        }
    }
    let none = format!("/v1/campaigns/{}", "0".repeat(32));
    assert_eq!(api.get(&fleet, &none).problem(), problem(404, "not-found"));
    assert_eq!(api.get(&fleet, &format!("{none}/targets")).problem(), problem(404, "not-found"));
    assert_eq!(
        api.get(&fleet, &format!("{none}/targets?state=x")).problem(),
        problem(400, "invalid-parameter")
    );
    assert_eq!(api.get(&fleet, "/v1/campaigns/1").problem(), problem(400, "invalid-parameter"));
    for what in ["pause", "resume", "retry", "cancel"] {
        let answer = api.call(&fleet, "POST", &format!("{none}/{what}"), None, None);
        assert_eq!(answer.problem(), problem(404, "not-found"), "{what}");
    }
    let states = json!({ "states": ["done"] });
    let answer = api.call(&fleet, "POST", &format!("{none}/retry"), Some(&states), None);
    assert_eq!(answer.problem(), problem(400, "invalid-parameter"));
    let without = Api::start();
    let fleet = without.token("fleet", Right::Fleet);
    let answer = without.get(&fleet, "/v1/campaigns");
    assert!(
        answer.problem() == problem(404, "not-found") && answer.text.contains("no eIM"),
        "{}",
        answer.text
    );
}
