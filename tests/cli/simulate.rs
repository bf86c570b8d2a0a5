//! `simyard simulate`: a few seeds, and what is said of them.

use crate::binary::Place;

crate::tests!(
    seeds_are_simulated_and_told_of,
    a_campaign_is_simulated_and_told_of,
    a_fault_that_nobody_knows_is_wrong_usage,
);

fn seeds_are_simulated_and_told_of() {
    let place = Place::new();
    let told = place
        .run("simulate --fleet consumer --devices 2 --profiles 1 --seed 7 --faults none,drop=100 --threads 1")
        .ok();
    assert!(told.starts_with("seed 7: holds, "), "{told}");
    assert!(told.contains("1 seeds of 2 devices in ") && told.ends_with("everything holds\n"), "{told}");
    let run = place.run("simulate --devices 1 --seeds 1..3 --dir stores --json");
    let figures = run.json();
    assert_eq!(run.stderr, "");
    assert_eq!((&figures["seeds"], &figures["failed"]), (&2.into(), &0.into()));
    assert_eq!(figures["told"][1]["seed"], 2);
    assert_eq!(figures["told"][1]["violations"], serde_json::json!([]));
    assert!(figures["figures"]["calls"].as_u64().unwrap() > 10, "{figures}");
    assert!(place.path().join("stores/seed-2/simyard.db").exists(), "a folder that was named stays");
    place.run("simulate --devices 1 --seeds 1..3 --dir stores").failed("is not empty");
}

fn a_campaign_is_simulated_and_told_of() {
    let place = Place::new();
    let pace = "--campaign --waves 30%,100% --rate 60/m --failure-budget 50% --soak 5m";
    let told = place.run(&format!("simulate --devices 3 {pace} --seed 3 --faults none")).ok();
    for line in [
        "campaigns that ended as done: 1\n",
        "targets that are done: 3\n",
        "switches that ended as done: 3\n",
    ] {
        assert!(told.contains(line), "{line} {told}");
    }
    assert!(told.contains(" rows written, ") && told.ends_with("everything holds\n"), "{told}");
    place.run("simulate --fleet consumer --campaign").failed("--campaign goes with --fleet iot");
    place.run("simulate --campaign --waves 50%").failed("rising shares");
}

fn a_fault_that_nobody_knows_is_wrong_usage() {
    for wrong in [
        "--fleet m2m",
        "--faults rain=1",
        "--faults drop=1001",
        "--seeds 3..3",
        "--devices 0",
        "--seed 1 --seeds 1..2",
        "--rate 1/h",
    ] {
        let command = format!("simulate {wrong}");
        assert_eq!(Place::new().run(&command).code, Some(2), "{wrong}");
    }
}
