//! `simyard switch` and `simyard operation`: asked for, watched and ended on the store of a settings file; no device polls here.

use serde_json::{Value, json};

use crate::binary::{Place, SETTINGS};

crate::tests!(
    a_switch_is_planned_started_watched_and_cancelled,
    operations_are_asked_for_listed_and_cancelled,
    what_cannot_be_asked_is_told,
    a_report_is_made_and_checked,
);

/// Delivered with Freedom to Switch, and one more of the same kind.
const EID: &str = "89049032000000000000700000004105";
const OTHER: &str = "89049032000000000000700000004202";
/// One that follows SGP.22.
const CONSUMER: &str = "89049032000000000000700000004396";

/// With an eIM and three eUICCs in the register.
fn place() -> Place {
    let place = Place::furnished();
    let more = "[eim]\nid = \"eim.test\"\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n\
                [[sub_class]]\nname = \"Card Industrial\"\narchitecture = \"sgp32\"\n\
                [[profile_type]]\nname = \"industrial\"\nowner = \"acme\"\nsub_class = \"Card Industrial\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{more}"));
    place.run("ingest batch.csv --profile-type iot").ok();
    let euiccs = format!(
        "eid,architecture,eim_id,counter\n{EID},SGP.32,eim.test,0\n{OTHER},SGP.32,eim.test,0\n{CONSUMER},sgp22,,\n"
    );
    place.write("euiccs.csv", &euiccs);
    place.run("ingest euiccs.csv --profile-type industrial").ok();
    place
}

fn names(plan: &Value) -> Vec<&str> {
    plan["obstacles"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

fn a_switch_is_planned_started_watched_and_cancelled() {
    let place = place();
    // Everything that stands in its way is said at once.
    let plan = place.run(&format!("switch plan {CONSUMER} --profile-type iot --json"));
    assert_eq!(plan.code, Some(1), "{plan:?}");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(names(&plan), ["architecture", "freedom_to_switch_inactive", "not_associated"]);
    let code = "--activation-code LPA:1$smdp.example.com$A-1 --confirmation-code 1234";
    let plan = place.run(&format!("switch plan {EID} {code}"));
    assert_eq!((plan.code, plan.stdout.lines().count()), (Some(1), 1), "{plan:?}");
    assert!(plan.stdout.contains("not activated"), "{plan:?}");
    let start =
        format!("switch start {EID} --profile-type iot --delete-old-after 30d --valid-for 7d --by anna");
    place.run(&start).failed("Freedom to Switch is not activated for this SIM");
    // The profile that was ordered for it is available again.
    assert_eq!(place.run("order list --state Released --json").json()["orders"], json!([]));

    place.run(&format!("switch activate {EID} {OTHER} --by anna")).ok();
    assert!(place.run(&format!("switch plan {EID} --profile-type iot")).ok().contains("is possible"));
    assert!(
        place
            .run(&format!("switch plan {EID} --profile-type iot --no-rollback"))
            .ok()
            .contains("is possible")
    );
    let started = place.run(&start);
    let id = started.ok().trim().to_owned();
    assert_eq!(id.len(), 32, "{started:?}");
    assert!(started.stderr.contains("is ordered for 8904"), "{started:?}");
    let order = &place.run("order list --state Released --json").json()["orders"][0];
    assert_eq!(order["eid"], EID);

    let shown = place.run(&format!("switch status {id} --json --config simyard.toml")).json();
    assert_eq!(
        (&shown["kind"], &shown["eid"], &shown["ended"]),
        (&json!("switch"), &json!(EID), &json!(false))
    );
    assert_eq!(shown["created_by"], "person:anna");
    assert!(shown["valid_until"].is_string() && shown["overdue_since"].is_null(), "{shown}");
    assert_eq!(shown["events"][0]["type"], "operation.created");
    assert!(!shown.to_string().contains("LPA:"), "codes are not shown: {shown}");
    let list = place.run(&format!("switch status {EID}")).ok();
    assert!(list.starts_with(&id) && list.contains("switch"), "{list}");
    assert!(
        place.run(&format!("switch plan {EID} --profile-type iot")).stdout.contains(&id),
        "one at a time"
    );
    place
        .run(&format!("switch start {EID} {code} --no-rollback"))
        .failed("another switch of this eUICC is under way");

    assert!(place.run(&format!("switch cancel {id} --by anna")).ok().contains("is cancelled"));
    let text = place.run(&format!("switch status {id}")).ok();
    assert!(text.contains("state        cancelled") && text.contains("operation.cancelled"), "{text}");
    place.run(&format!("switch cancel {id}")).failed("ended already");
    // The order waits for the next switch of this eUICC, which takes no other profile of the stock.
    let again = place.run(&start).ok().trim().to_owned();
    assert_ne!(again, id);
    assert_eq!(place.run("order list --state Released --json").json()["orders"].as_array().unwrap().len(), 1);
    place.run(&format!("switch deactivate {EID}")).ok();

    let audit = place.run("audit list --by anna --json").json();
    let told: Vec<&str> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["euicc.freedom_to_switch", "operation.create", "operation.cancel"] {
        assert!(told.contains(&action), "{action}: {told:?}");
    }
}

fn operations_are_asked_for_listed_and_cancelled() {
    let place = place();
    let asked = |line: &str| place.run(line).ok().trim().to_owned();
    let code = "--activation-code LPA:1$smdp.example.com$A-1 --confirmation-code 1234";
    let download = asked(&format!("operation create {OTHER} download {code} --valid-for 1h"));
    let audit = asked(&format!("operation create {OTHER} audit --by anna"));
    let enable = asked(&format!("operation create {OTHER} enable --iccid 89882807000000000414 --rollback"));
    let list = place.run(&format!("operation list --eid {OTHER} --json")).json();
    let ids: Vec<&Value> =
        list["operations"].as_array().unwrap().iter().map(|one| &one["operation_id"]).collect();
    assert_eq!(ids, [&json!(enable), &json!(audit), &json!(download)], "the newest first");
    assert_eq!(list["operations"][0]["to_iccid"], "89882807000000000414");
    let page = place.run("operation list --limit 2 --config simyard.toml");
    assert_eq!(page.ok().lines().count(), 2);
    let next = page.stderr.split("--after ").nth(1).unwrap().trim().to_owned();
    assert!(place.run(&format!("operation list --after {next}")).ok().starts_with(&download));
    assert_eq!(place.run("operation list --state waiting").ok().lines().count(), 2, "one has its turn");
    let ordered = place.run(&format!("operation create {EID} download --profile-type iot --json")).json();
    assert_eq!((&ordered["kind"], &ordered["eid"]), (&json!("download"), &json!(EID)));
    let cancelled = place.run(&format!("operation cancel {audit} --json --by anna")).json();
    assert_eq!((&cancelled["state"], &cancelled["ended"]), (&json!("cancelled"), &json!(true)));
    assert!(place.run(&format!("operation show {audit}")).ok().contains("kind         audit"));
    assert_eq!(place.run(&format!("operation show {enable} --json")).json()["operation_id"], enable);
}

fn what_cannot_be_asked_is_told() {
    let place = place();
    let none = "0".repeat(32);
    for (line, says) in [
        (format!("operation create {EID} enable"), "--iccid"),
        (format!("operation create {EID} audit --iccid 89882807000000000414"), "takes no --iccid"),
        (
            format!("operation create {EID} delete --iccid 89882807000000000414 --rollback"),
            "goes with enable",
        ),
        (format!("operation create {EID} download"), "takes one of"),
        (format!("operation create {EID} audit --profile-type iot"), "takes none of"),
        (format!("operation create {EID} download --profile-type none"), "no profile of type none"),
        (format!("operation create {CONSUMER} audit"), "not associated"),
        (format!("operation show {none}"), "there is no operation"),
        (format!("operation cancel {none}"), "there is no operation"),
        (format!("switch activate {}", "89049032000000000000279973200019"), "the register has no eUICC"),
    ] {
        place.run(&line).failed(says);
    }
    for line in [
        format!("operation create {EID} download --activation-code nonsense"),
        format!("operation create {EID} fly"),
        format!("operation list --state flying --eid {EID}"),
        format!("switch start {EID}"),
        format!("switch plan {EID} --iccid 89882807000000000414 --profile-type iot"),
        "switch status x".to_owned(),
    ] {
        let run = place.run(&line);
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        assert!(!run.stderr.contains("nonsense") || !run.stderr.contains("LPA:1$smdp"), "{run:?}");
    }
    place.write("simyard.toml", SETTINGS);
    place.run("operation list").failed("there is no eIM");
}

fn a_report_is_made_and_checked() {
    let place = place();
    let audit = place.run(&format!("operation create {OTHER} audit")).ok().trim().to_owned();
    place.run(&format!("operation cancel {audit}")).ok();
    let report = place.run(&format!("switch report {audit}"));
    place.write("report.json", &report.ok());
    let report = report.json();
    assert_eq!(
        (&report["eim_id"], &report["operations"][0]["state"]),
        (&json!("eim.test"), &json!("cancelled"))
    );
    let verified = place.run("switch verify report.json --ci pki/ci.pem");
    assert!(verified.ok().contains("cancelled: nothing to prove"), "{verified:?}");
    assert!(verified.stdout.contains("signatures were not checked"), "{verified:?}");
    // Two keys that the eIM has at once: a reader who has the certificate of the other one alone is told.
    let other = "--eim-certificate pki/wrong/eim-sign-expired.pem";
    let verified = place.run(&format!("switch verify report.json --ci pki/ci.pem {other}")).ok();
    assert!(verified.contains("no --eim-certificate is of it"), "{verified}");
    let both = format!("{other} --eim-certificate pki/eim-sign.pem");
    let verified = place.run(&format!("switch verify report.json --ci pki/ci.pem {both}")).ok();
    assert!(!verified.contains("--eim-certificate"), "{verified}");
    // What is claimed beyond what was signed is not proven.
    let claimed = report.to_string().replace("cancelled", "done");
    place.write("claimed.json", &claimed);
    let with = "--ci pki/ci.pem --eim-certificate pki/eim-sign.pem --at 2026-12-01T00:00:00Z --json";
    let refused = place.run(&format!("switch verify claimed.json {with}"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let told: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(told["operations"][0]["verdict"], "not_proven");
    assert_eq!(told["eim_signatures_checked"], true);
    place.write("nonsense.json", "{}");
    place.run("switch verify nonsense.json --ci pki/ci.pem").failed("this is no report");
    place.run(&format!("switch report {}", "0".repeat(32))).failed("there is no operation");
}
