//! `simyard campaign`: made, planned, looked at, paused, resumed, ended and reported.

use serde_json::json;

use crate::binary::{Place, SETTINGS};

crate::tests!(a_campaign_is_planned_made_and_ended, what_cannot_be_asked_of_a_fleet_is_told);

const EID: &str = "89049032000000000000279973200019";
const OTHER_EID: &str = "89049032000000000000000000000051";

fn place() -> Place {
    let place = Place::furnished();
    let eim = "[eim]\nid = \"eim.example.com\"\nfqdn = \"smdp.example.com\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{eim}"));
    place.run(&format!("eim associate {EID}")).ok();
    place.write("eids.csv", &format!("eid\n{EID}\n{OTHER_EID}\n"));
    place
}

fn a_campaign_is_planned_made_and_ended() {
    let place = place();
    let line = "campaign create audit --name look --eids eids.csv --waves 50%,100% --rate 10/m --at-most 7 \
                --failure-budget 2.5% --soak 30m --validity 2d --by anna --config simyard.toml";
    let planned = place.run(&format!("{line} --plan --json")).json();
    let expected = json!({
        "targets": 2, "waves": [1, 1], "refused": [{ "eid": OTHER_EID, "reason": "not_associated" }],
    });
    assert_eq!(planned, expected);
    let told = place.run(&format!("{line} --plan")).ok();
    assert!(told.contains("1 of them would be refused") && told.contains("in waves of 1, 1"), "{told}");
    assert_eq!(place.run("campaign list --json").json()["campaigns"], json!([]), "a plan makes nothing");
    let id = place.run(line).ok().trim().to_owned();
    place.run(&format!("eim label set {EID} region=north")).ok();
    let second = place.run("campaign create audit --name second --label region=north --json").json();
    assert_eq!(second["targets"], 1);

    let shown = place.run(&format!("campaign show {id} --config simyard.toml --json")).json();
    assert_eq!(
        (&shown["state"], &shown["kind"], &shown["waves"]),
        (&json!("running"), &json!("audit"), &json!(2))
    );
    assert_eq!((&shown["per_hour"], &shown["failure_budget"]), (&json!(600), &json!("2.5%")));
    assert_eq!((&shown["soak_s"], &shown["validity_s"]), (&json!(1800), &json!(172_800)));
    assert_eq!(
        (&shown["created_by"], &shown["wave_counts"][1]["pending"]),
        (&json!("person:anna"), &json!(1))
    );
    let told = place.run(&format!("campaign show {id}")).ok();
    assert!(told.contains("asks         audit of 2 eUICCs") && told.contains("wave 1"), "{told}");
    let run = place.run("campaign list --limit 1 --config simyard.toml");
    assert!(run.ok().contains("second") && run.stderr.contains("--after 2"), "{run:?}");
    assert!(place.run("campaign list --after 2").ok().starts_with(&id));

    let run = place.run(&format!("campaign targets {id} --limit 1 --config simyard.toml"));
    assert!(run.ok().contains(EID) && run.stderr.contains("--after 1"), "{run:?}");
    let rest = place.run(&format!("campaign targets {id} --after 1 --state pending --json")).json();
    assert_eq!((&rest["targets"][0]["eid"], &rest["targets"][0]["wave"]), (&json!(OTHER_EID), &json!(2)));

    place.run(&format!("campaign pause {id} --by bob --config simyard.toml")).ok();
    place.run(&format!("campaign pause {id} --json")).failed("only a running one is paused");
    let line = format!("campaign resume {id} --failure-budget 5% --by bob --config simyard.toml --json");
    assert_eq!(place.run(&line).json()["failure_budget"], "5%");
    let retry = format!(
        "campaign retry {id} --state failed,expired --eids eids.csv --by bob --config simyard.toml --json"
    );
    place.run(&retry).failed("nobody is asked once more");
    let cancelled = place.run(&format!("campaign cancel {id} --by bob --config simyard.toml --json")).json();
    assert_eq!(cancelled["state"], "cancelling");
    let told = place.run(&format!("campaign report {id} --out report.json --config simyard.toml")).ok();
    assert!(told.contains("2 targets, 0 operations"), "{told}");
    place.run(&format!("campaign report {id} --out report.json")).failed("report.json");
    let verify = "switch verify report.json --ci pki/ci.pem";
    let verified = place.run(&format!("{verify} --targets eids.csv --json")).json();
    assert_eq!(verified["campaign"]["contradictions"], json!([]));
    place.write("more.csv", &format!("eid\n{EID}\n{OTHER_EID}\n{}9\n", &EID[..31].replace("2799", "2798")));
    let run = place.run(&format!("{verify} --targets more.csv"));
    run.failed("contradicts itself or the list");
    assert!(run.stdout.contains("was to be a target, and is none"), "{run:?}");
    assert!(place.run(verify).ok().contains("--targets names the list"));
    let audit = place.run(&format!("audit list --subject {id} --json")).json();
    let entries = audit["entries"].as_array().unwrap().iter();
    let actions: Vec<&str> = entries.map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["campaign.create", "campaign.pause", "campaign.resume", "campaign.cancel"]);
}

fn what_cannot_be_asked_of_a_fleet_is_told() {
    let place = place();
    let none = "0".repeat(32);
    for (line, says) in [
        ("campaign create audit --name x --label region=south".to_owned(), "no eUICC has region=south"),
        ("campaign create audit --name x --label a=1 --label a=2".to_owned(), "named twice"),
        ("campaign create audit --name x --eids absent.csv".to_owned(), "absent.csv"),
        ("campaign create enable --name x --eids eids.csv --rollback".to_owned(), "iccid is missing"),
        (
            "campaign create audit --name x --eids eids.csv --rollback".to_owned(),
            "--rollback goes with enable",
        ),
        ("campaign create audit --name x --eids eids.csv --no-rollback".to_owned(), "go with switch"),
        ("campaign create audit --name x --eids eids.csv --delete-old-after 1d".to_owned(), "go with switch"),
        ("campaign create audit --name x --eids eids.csv --waves 10%".to_owned(), "the last one is 100%"),
        (
            "campaign create audit --name x --eids eids.csv --profile-type iot".to_owned(),
            "a profile type goes",
        ),
        (format!("campaign show {none}"), "there is no campaign"),
        (format!("campaign targets {none}"), "there is no campaign"),
        (format!("campaign cancel {none}"), "there is no campaign"),
        (format!("campaign retry {none}"), "there is no campaign"),
        (format!("campaign report {none} -o x.json"), "there is no campaign"),
    ] {
        place.run(&line).failed(says);
    }
    for line in [
        "campaign create audit --name x",
        "campaign create audit --eids eids.csv",
        "campaign create audit --name x --eids eids.csv --rate 5",
        "campaign show 1",
        "campaign targets 1 --state flying",
        "campaign retry 00000000000000000000000000000000 --state done",
    ] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
}
