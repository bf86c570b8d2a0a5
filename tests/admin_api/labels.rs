//! Labels of eUICCs over the admin API.

use serde_json::json;
use simyard::domain::Right;

use super::stock::ingest_euiccs_of;
use super::{Api, problem};

crate::tests!(euiccs_are_labelled_and_found_by_their_labels,);

const EID: &str = "89049032000000000000700000004105";
const OTHER_EID: &str = "89049032000000000000700000004396";

fn euiccs_are_labelled_and_found_by_their_labels() {
    let api = Api::start();
    ingest_euiccs_of(&api, format!("eid,architecture\n{EID},SGP.32\n{OTHER_EID},sgp22\n"), None);
    let fleet = api.token("fleet", Right::Fleet);
    let path = |eid: &str| format!("/v1/euiccs/{eid}/labels");
    let patch = |eid: &str, body| api.call(&fleet, "PATCH", &path(eid), Some(&body), None);
    let made = patch(EID, json!({ "region": "north", "site": "7" }));
    assert_eq!(made.ok(), json!({ "eid": EID, "labels": { "region": "north", "site": "7" } }));
    let changed = patch(EID, json!({ "site": null, "region": "south" }));
    assert_eq!(changed.ok()["labels"], json!({ "region": "south" }));
    patch(OTHER_EID, json!({ "region": "south", "site": "8" })).ok();
    let auditor = api.token("carl", Right::Auditor);
    assert_eq!(api.get(&auditor, &path(EID)).ok(), changed.ok());
    assert_eq!(api.get(&auditor, &format!("/v1/euiccs/{EID}")).ok()["labels"], json!({ "region": "south" }));
    let found = |labels: &str| {
        let page = api.get(&auditor, &format!("/v1/euiccs?label={labels}")).ok();
        let eids = page["items"].as_array().unwrap().iter();
        eids.map(|euicc| euicc["eid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("region=south"), [EID, OTHER_EID]);
    assert_eq!(found("region=south,site=8"), [OTHER_EID]);
    assert_eq!(found("region=north"), [""; 0]);
    let page = api.get(&auditor, "/v1/euiccs?label=region=south&limit=1");
    let next = format!("</v1/euiccs?label=region=south&limit=1&after={EID}>; rel=\"next\"");
    assert_eq!(page.headers["link"], next.as_str());

    for body in [json!({ "Region": "x" }), json!({ "region": "a,b" }), json!({ "region": 1 }), json!([])] {
        assert_eq!(patch(EID, body.clone()).problem(), problem(400, "invalid-parameter"), "{body}");
    }
    let many: serde_json::Map<String, serde_json::Value> =
        (0..40).map(|number| (format!("l{number}"), json!("1"))).collect();
    assert_eq!(patch(EID, many.into()).problem(), problem(409, "not-possible"));
    let unknown = "89049032999999999999999999999999";
    assert_eq!(patch(unknown, json!({ "a": "1" })).problem(), problem(404, "not-found"));
    assert_eq!(api.get(&auditor, &path(unknown)).problem(), problem(404, "not-found"));
    for label in ["region", "a=1,a=2", "a=1,b=1,c=1,d=1,e=1"] {
        let answer = api.get(&auditor, &format!("/v1/euiccs?label={label}"));
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{label}");
    }
    assert_eq!(api.get(&fleet, &path(EID)).ok()["labels"], json!({ "region": "south" }));
    let admin = api.token("anna", Right::Admin);
    let audit = api.get(&admin, "/v1/audit?actor=fleet").ok();
    let told: Vec<(&str, &str)> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["detail"].as_str().unwrap()))
        .collect();
    assert_eq!(told.len(), 6, "{audit}");
    assert!(told.contains(&("label.remove", "site")) && told.contains(&("label.set", "region=north")));
}
