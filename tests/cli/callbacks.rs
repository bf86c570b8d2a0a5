//! `simyard callbacks` and `simyard notifications`: what operators have not got yet, and what nobody could believe.

use super::ways;
use crate::binary::{ICCIDS, Place, SETTINGS, free_port};

crate::tests!(
    callbacks_that_wait_are_listed_retried_and_dropped,
    refused_notifications_are_listed,
    what_is_to_be_retried_or_dropped_is_named,
);

/// Where no operator listens.
fn place() -> Place {
    let place = Place::furnished();
    let operator = format!("name = \"acme\"\nes2plus_address = \"localhost:{}\"\n", free_port());
    place.write("simyard.toml", &SETTINGS.replacen("name = \"acme\"\n", &operator, 1));
    place.run("ingest batch.csv --profile-type iot").ok();
    place
}

fn callbacks_that_wait_are_listed_retried_and_dropped() {
    let place = place();
    assert_eq!(place.run("callbacks list").ok(), "");
    place.run("card new card --pki pki").ok();
    let server = place.serve();
    let (_, device) = ways(&server);
    let order = place.run("order create --profile-type iot --json").json();
    let code = order["activationCode"].as_str().unwrap();
    place.run(&format!("lpa --card card {device} download {code}")).ok();
    assert_eq!(server.terminate(), Some(0));

    let list = place.run("callbacks list --config simyard.toml --json").json();
    let callbacks = list["callbacks"].as_array().unwrap();
    let points: Vec<_> = callbacks.iter().map(|callback| &callback["notificationPointId"]).collect();
    assert_eq!(points, [1, 3, 4]);
    for callback in callbacks {
        assert_eq!((&callback["operator"], &callback["iccid"]), (&"acme".into(), &ICCIDS[0].into()));
        assert_eq!(callback["state"], "waiting", "{callback}");
        assert!(callback["ageSeconds"].as_u64().is_some() && callback["subjectCode"].is_null());
    }
    assert!(callbacks[0]["attempts"].as_u64().unwrap() > 0, "{list}");
    assert!(callbacks[0]["lastAnswer"].as_str().unwrap().contains("cannot reach localhost"), "{list}");
    let result = callbacks[2]["resultData"].as_str().unwrap();
    assert!(result.starts_with("BF27") && callbacks[0]["resultData"].is_null(), "{list}");
    let count = &list["counts"][0];
    assert_eq!((&count["operator"], &count["callbacks"]), (&"acme".into(), &3.into()));

    let run = place.run("callbacks list --operator acme --limit 2");
    let text = run.ok();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("point 1 passed  waiting"), "{text}");
    assert!(run.stderr.contains("acme: 3 waiting, the oldest for"), "{}", run.stderr);
    let next = run.stderr.split("--after ").nth(1).unwrap().trim().to_owned();
    let rest = place.run(&format!("callbacks list --after {next} --iccid {}", ICCIDS[0])).ok();
    assert_eq!(rest.lines().count(), 1, "{rest}");
    assert_eq!(place.run("callbacks list --operator beta").ok(), "");

    assert_eq!(place.run("callbacks retry --all --json").json()["retried"], 3);
    let told = place.run(&format!("callbacks retry --iccid {} --operator acme", ICCIDS[0])).ok();
    assert_eq!(told.trim(), "3 callbacks are due at once");
    let told = place.run("callbacks drop --operator acme").ok();
    assert!(told.contains("3 callbacks would be dropped"), "{told}");
    assert_eq!(place.run(&format!("callbacks drop --iccid {} --json", ICCIDS[1])).json()["wouldDrop"], 0);
    assert_eq!(place.run("callbacks drop --operator acme --yes --json").json()["dropped"], 3);
    assert_eq!(place.run("callbacks list").ok(), "");
}

fn refused_notifications_are_listed() {
    let place = place();
    assert_eq!(place.run("notifications refused").ok(), "");
    assert!(place.run("notifications refused --json --config simyard.toml").json()["refused"].is_array());
    // A card that reports to another server than the one that knows its profile.
    place.run("card new card --pki pki").ok();
    let server = place.serve();
    let (_, device) = ways(&server);
    let order = place.run("order create --profile-type iot --json").json();
    let code = order["activationCode"].as_str().unwrap();
    place.run(&format!("lpa --card card {device} download {code}")).ok();
    assert_eq!(server.terminate(), Some(0));
    place.write("simyard.toml", &format!("store = \"other.db\"\nsealing_key = \"other.key\"\n{SETTINGS}"));
    let server = place.serve();
    let (_, device) = ways(&server);
    place.run(&format!("lpa --card card {device} enable {}", ICCIDS[0])).ok();
    place.run(&format!("lpa --card card {device} disable {}", ICCIDS[0])).ok();
    place.run(&format!("lpa --card card {device} notifications send")).ok();
    assert_eq!(server.terminate(), Some(0));
    let list = place.run("notifications refused --json").json();
    let refused = list["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 2, "{list}");
    for refused in refused {
        assert!(refused["reason"].as_str().unwrap().contains("nothing was ever bound"), "{list}");
        assert!(refused["notification"].as_str().unwrap().starts_with("30"), "{list}");
        assert_eq!((&refused["peer"], &refused["repetitions"]), (&"127.0.0.1".into(), &0.into()));
    }
    let run = place.run("notifications refused --limit 1");
    assert_eq!(run.ok().lines().count(), 1);
    let next = run.stderr.split("--before ").nth(1).unwrap().trim().to_owned();
    assert_eq!(place.run(&format!("notifications refused --before {next}")).ok().lines().count(), 1);
}

fn what_is_to_be_retried_or_dropped_is_named() {
    let place = Place::new();
    for line in [
        "callbacks",
        "callbacks retry",
        "callbacks retry --all --operator acme",
        "callbacks drop",
        "callbacks drop --yes",
        "callbacks drop --all",
        "callbacks list --limit 0",
        "callbacks list --iccid 1",
        "notifications",
        "notifications refused --limit 1000",
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line:?}: {run:?}");
    }
}
