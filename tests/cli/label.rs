//! `simyard eim label`: what the owner of a fleet calls eUICCs by.

use serde_json::json;

use crate::binary::Place;

crate::tests!(euiccs_are_labelled_by_hand_and_by_a_list,);

const EID: &str = "89049032000000000000279973200019";
const OTHER_EID: &str = "89049032000000000000000000000051";

fn euiccs_are_labelled_by_hand_and_by_a_list() {
    let place = Place::furnished();
    place.run(&format!("eim associate {EID}")).ok();
    place.run(&format!("eim label set {EID} {OTHER_EID} region=north")).failed("neither in the register nor");
    place.run(&format!("eim associate {OTHER_EID}")).ok();
    let line = format!("eim label set {EID} {OTHER_EID} region=north site=7 --by anna --config simyard.toml");
    assert_eq!(place.run(&line).ok(), "4 labels changed, 0 so already\n");
    place.write("labels.csv", &format!("eid,region,site\n{EID},,8\n{OTHER_EID},north,\n"));
    assert_eq!(place.run("eim label set --file labels.csv").ok(), "1 label changed, 1 so already\n");
    assert_eq!(
        place.run(&format!("eim label list {EID} --config simyard.toml")).ok(),
        "region=north\nsite=8\n"
    );
    let listed = place.run(&format!("eim label list {OTHER_EID} --json")).json();
    assert_eq!(listed, json!({ "eid": OTHER_EID, "labels": { "region": "north", "site": "7" } }));
    let run = place.run("eim label list --label region=north --limit 1");
    assert_eq!(run.ok(), format!("{OTHER_EID}\n"));
    assert!(run.stderr.contains(&format!("--after {OTHER_EID}")), "{run:?}");
    let rest = place.run(&format!("eim label list --label region=north --after {OTHER_EID} --json"));
    assert_eq!(rest.json(), json!({ "eids": [EID], "next": null }));
    assert_eq!(place.run("eim label list --label region=north --label site=8").ok(), format!("{EID}\n"));
    let removed = place.run(&format!("eim label remove {EID} region absent --by anna --config simyard.toml"));
    assert_eq!(removed.ok(), "1 label changed, 1 so already\n");
    assert!(place.run(&format!("eim show {EID}")).ok().contains("labels site=8\n"));
    assert_eq!(place.run(&format!("eim show {EID} --json")).json()["labels"], json!({ "site": "8" }));

    place.write("wrong.csv", &format!("eid,region\n{EID}\n"));
    place.run("eim label set --file wrong.csv").failed("line 2: expected 2 columns");
    place.run(&format!("eim label set {EID}")).failed("labels as NAME=VALUE");
    place.run(&format!("eim label set {EID} a=1 a=2")).failed("is named twice");
    place.run(&format!("eim label remove {EID}")).failed("labels by their names");
    place.run("eim label list --label a=1 --label a=2").failed("named twice");
    place.run("eim label list 89049032999999999999999999999999").failed("neither in the register nor");
    for line in [
        "eim label set",
        "eim label list",
        "eim label set Region=1",
        "eim label remove",
        "eim label remove 12",
    ] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
}
