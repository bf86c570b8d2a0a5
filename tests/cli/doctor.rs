//! `simyard doctor`: what it finds, what it advises, and that it changes nothing.

use std::time::Duration;

use serde_json::Value;
use simyard::crypto::keyfile::{load_certificates, load_signing_key};
use simyard::env::{Clock, Timestamp};
use simyard::pki::Certificate;
use simyard::pki::issue::{Issuer, ListContent};

use crate::binary::{Place, SETTINGS};

crate::tests!(
    a_server_that_lacks_nothing_is_good,
    each_fault_is_found_with_its_advice,
    what_everybody_can_have_is_told_in_production,
    a_certificate_that_ran_out_is_told,
    revocation_lists_and_further_listeners_are_looked_at,
    how_long_the_eim_waits_is_told,
);

/// The findings as "group: verdict: text: advice".
fn findings(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let words = ["group", "verdict", "text", "advice"].map(|name| text(&finding[name]));
            words.join(": ")
        })
        .collect()
}

fn a_server_that_lacks_nothing_is_good() {
    let place = Place::furnished();
    let before = place.run("doctor --config simyard.toml --json").json();
    assert!(!place.path().join("simyard.db").exists(), "nothing is made");
    assert!(findings(&before).iter().any(|line| line.contains("is absent: the first ingest")), "{before}");
    place.run("ingest batch.csv --profile-type iot").ok();
    let report = place.run("doctor --json").json();
    assert_eq!((&report["version"], &report["good"]), (&1.into(), &true.into()));
    let found = findings(&report);
    for expected in [
        "settings: good: read: smdp.example.com, 1 operators, 1 profile types",
        "settings: warning: mode test",
        "certificates: good: CERT.DPauth and CERT.DPpb of 2.999.10 fit",
        "certificates: good: the TLS certificate of es9plus has every address",
        "store: good: SQLite",
        "store: good: journal_mode=wal, synchronous=FULL",
        "sealing key: good: ",
        "stock: good: iot: 3 of 3 profiles can be ordered",
        "callbacks: good: none waits",
    ] {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}: {found:#?}");
    }
    assert!(found.iter().all(|line| !line.contains(": bad: ")), "{found:#?}");
    let run = place.run("doctor");
    let text = run.ok();
    assert_eq!(text.lines().count(), found.len() + 1, "one line each, and the sum: {text}");
    assert!(text.ends_with("1 to be watched, 0 to be mended\n"), "{text}");
    // No secret, whatever was looked at.
    let key = std::fs::read_to_string(place.path().join("sealing.key")).unwrap();
    let digits = key.split_whitespace().last().unwrap();
    assert!(!text.contains(digits) && !text.contains("465b5c"), "{text}");
}

fn each_fault_is_found_with_its_advice() {
    let place = Place::furnished();
    place.run("ingest batch.csv --profile-type iot").ok();
    let key = std::fs::read(place.path().join("sealing.key")).unwrap();
    let bad = |line: &str, says: &str| {
        let run = place.run(&format!("{line} --json"));
        assert_eq!(run.code, Some(1), "{run:?}");
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["good"], false);
        let found = findings(&report);
        assert!(
            found.iter().any(|line| line.contains(": bad: ") && line.contains(says)),
            "{says}: {found:#?}"
        );
    };
    let with = |more: &str| place.write("simyard.toml", &format!("{SETTINGS}{more}"));

    place.write("simyard.toml", "nonsense = 1\n");
    bad("doctor", "mend the line");
    place.write("simyard.toml", &SETTINGS.replace("[\"smdp.example.com\"]", "[\"other.example.com\"]"));
    bad("doctor", "other.example.com is no dNSName");
    with("[[identity]]\ndp_auth_key = \"pki/dp-pb.key.pem\"\n");
    bad("doctor", "does not belong to the certificate");
    with("[[identity]]\ndp_auth_certificate = \"pki/absent.pem\"\n");
    bad("doctor", "pki/absent.pem");
    place.write("simyard.toml", &SETTINGS.replace("[es2plus]\n", "[es2plus]\nkey = \"pki/dp-pb.key.pem\"\n"));
    bad("doctor", "es2plus: the key does not belong");
    place.write("simyard.toml", &format!("ci = [\"absent.pem\"]\n{SETTINGS}"));
    bad("doctor", "name readable CI certificates");
    place.write("simyard.toml", &SETTINGS.replace("name = \"iot\"", "name = \"another\""));
    bad("doctor", "profiles of type iot of acme are in stock");
    place.write(
        "simyard.toml",
        &format!("store = \"postgres://simyard:hidden@127.0.0.1:1/none\"\n{SETTINGS}"),
    );
    bad("doctor", "PostgreSQL: ");
    assert!(!place.run("doctor").stdout.contains("hidden"));

    place.write("simyard.toml", SETTINGS);
    std::fs::remove_file(place.path().join("sealing.key")).unwrap();
    bad("doctor", "put it back from a backup");
    // The key of another store.
    let other = Place::furnished();
    other.run("ingest batch.csv --profile-type iot").ok();
    let wrong = std::fs::read_to_string(other.path().join("sealing.key")).unwrap();
    place.write("sealing.key", &wrong);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = place.path().join("sealing.key");
        bad("doctor", "readable by its owner alone");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    bad("doctor", "does not open profile");
    std::fs::write(place.path().join("sealing.key"), key).unwrap();
    place.run("doctor").ok();
    std::fs::write(place.path().join("simyard.db"), [7; 4096]).unwrap();
    bad("doctor", "check its path or address");
}

fn what_everybody_can_have_is_told_in_production() {
    let place = Place::furnished();
    place.write("simyard.toml", &SETTINGS.replace("mode = \"test\"\n", ""));
    let found = findings(&place.run("doctor --json").json());
    assert!(found.iter().any(|line| line.contains("is one for tests: name the GSMA CIs")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("mode production")), "{found:#?}");
    // The batch of the walkthrough has its keys in the clear.
    place.run("ingest batch.csv").failed("line 2, ki (32 characters): a key in the clear");
}

fn a_certificate_that_ran_out_is_told() {
    let place = Place::furnished();
    place.write(
        "simyard.toml",
        &format!("{SETTINGS}[[identity]]\ndp_auth_certificate = \"pki/wrong/dp-auth.expired.pem\"\n"),
    );
    let run = place.run("doctor");
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("expired"), "{}", run.stdout);
}

fn revocation_lists_and_further_listeners_are_looked_at() {
    let place = Place::furnished();
    let pki = place.path().join("pki");
    let certificate =
        |name: &str| Certificate::from_der(&load_certificates(&pki.join(name)).unwrap()[0]).unwrap();
    let ci = Issuer::new(certificate("ci.pem"), load_signing_key(&pki.join("ci.key.pem")).unwrap()).unwrap();
    let now = Clock::system().now();
    let write = |name: &str, next_update: Timestamp, revoked: Vec<Vec<u8>>| {
        let this_update = Timestamp::from_secs(1_700_000_000);
        let content =
            ListContent { this_update, next_update: Some(next_update), revoked, extensions: Vec::new() };
        std::fs::write(place.path().join(name), ci.issue_list(&content).unwrap()).unwrap();
    };
    write("late.crl", Timestamp::from_secs(1_700_000_060), Vec::new());
    let serial = certificate("dp-pb.pem").serial().to_vec();
    write("new.crl", now.plus(Duration::from_secs(3600)), vec![serial]);
    let listener = "[[es9plus_listener]]\nlisten = \"127.0.0.1:0\"\nkey = \"pki/dp-pb.key.pem\"\n";
    let found = |crl: &str, more: &str| {
        place.write("simyard.toml", &format!("crl = [{crl}]\n{SETTINGS}{more}"));
        let run = place.run("doctor --json");
        assert_eq!(run.code, Some(1), "{run:?}");
        findings(&serde_json::from_str(&run.stdout).unwrap())
    };
    for (crl, more, expected) in [
        ("\"late.crl\"", listener, "certificates: warning: the revocation list "),
        ("\"late.crl\"", listener, "certificates: bad: es9plus_listener 1: the key does not belong"),
        ("\"new.crl\"", "", "certificates: good: the revocation list "),
        ("\"new.crl\"", "", "CERT.DPpb cannot be used: the certificate is revoked"),
        ("\"batch.csv\"", "", "name lists that one of these CAs signed"),
    ] {
        let found = found(crl, more);
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:#?}");
    }
}

fn how_long_the_eim_waits_is_told() {
    let place = Place::furnished();
    let told = |members: &str| {
        let eim = format!("[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n{members}");
        place.write("eim.toml", &format!("{SETTINGS}{eim}"));
        findings(&serde_json::from_str(&place.run("doctor --json --config eim.toml").stdout).unwrap())
    };
    let has = |found: &[String], text: &str| {
        assert!(
            found.iter().any(|line| line.starts_with(&format!("eim: good: {text}"))),
            "{text}: {found:#?}"
        );
    };
    let found = told("");
    has(
        &found,
        "overdue: an answer after 24 h, a download after 24 h, a switch after 1 h, its confirmation after 24 h",
    );
    has(
        &found,
        "downloads direct; a poll is wanted of devices not expected within 15 min; 60 polls of an EID",
    );
    let found = told(
        "download = \"indirect\"\nswitch_within_minutes = 90\nanswer_within_hours = 2\npolls_of_euicc_per_hour = 5\n",
    );
    has(&found, "overdue: an answer after 2 h, a download after 24 h, a switch after 90 min");
    has(
        &found,
        "downloads indirect; a poll is wanted of devices not expected within 15 min; 5 polls of an EID",
    );
}
