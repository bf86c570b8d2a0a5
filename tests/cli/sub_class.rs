//! `simyard sub-class`: the kinds of SIMs.

use crate::binary::{Place, SETTINGS};

crate::tests!(sub_classes_are_listed_and_shown);

fn sub_classes_are_listed_and_shown() {
    let place = Place::new();
    let own = "[[sub_class]]\nname = \"Own\"\nform_factors = [\"MFF2\"]\neuicc = true\n\
               architecture = \"sgp22\"\nswitchable = true\n\
               eid_range = [{ first = \"89049032000000000000000000000000\", \
               last = \"89049032999999999999999999999999\", architecture = \"sgp32\" }]\n\
               imsi_slot = [{ role = \"home\", pool = \"global\" }, \
               { role = \"far\", pool = \"global\", count = 2, rotation_days = 30 }]\n\
               applet = { leaves_without_service = true, return_hours = 24, first_slot_in_mcc = [\"724\"] }\n\
               [[pool]]\nname = \"global\"\nkind = \"imsi\"\noperator = \"acme\"\nmcc_mnc = \"90140\"\n\
               first = \"901405100000000\"\nlast = \"901405100000099\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{own}"));
    let list = place.run("sub-class list").ok();
    assert_eq!(list.lines().count(), 9, "{list}");
    assert!(list.contains("Card Business Brazil") && list.contains("no eUICC"), "{list}");
    let all = place.run("sub-class list --config simyard.toml --json").json();
    assert_eq!(all.as_array().unwrap().len(), 9);
    assert_eq!(all[1]["name"], "Card Industrial");
    assert_eq!(
        (&all[1]["architecture"], &all[1]["freedom_to_switch"]),
        (&"sgp02".into(), &"inactive".into())
    );
    assert_eq!(all[5]["form_factors"], serde_json::json!(["2FF/3FF", "4FF"]));
    let shown = place.run("sub-class show Own").ok();
    for text in [
        "Own: MFF2",
        "eUICC of sgp22",
        "  sgp32 for EIDs 89049032000000000000000000000000 to 89049032999999999999999999999999",
        "switchable, Freedom to Switch absent",
        "slot 1, home: 1 from pool global",
        "slot 2, far: 2 from pool global, the next one every 30 days",
        "applet: back at slot 1 after 24 h",
        "applet: always slot 1 in MCC 724",
    ] {
        assert!(shown.lines().any(|line| line == text), "{text}: {shown}");
    }
    let slot = &place.run("sub-class show Own --config simyard.toml --json").json()["imsi_slots"][1];
    assert_eq!((&slot["pool"], &slot["count"]), (&"global".into(), &2.into()));
    place.run("sub-class show absent").failed("no sub-class is named");
}
