//! `simyard audit`: what is written down of orders by hand and over ES2+, and what shows afterwards.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::ways;
use crate::binary::{HOST, ICCIDS, Place, Running};

crate::tests!(
    what_is_done_to_orders_is_listed_shown_and_verified,
    a_checkpoint_shows_that_the_audit_was_cut,
    addresses_are_erased_by_command_and_by_age,
    identifiers_are_masked_in_the_log,
);

/// One order by hand and one over ES2+.
fn place() -> (Place, Running) {
    let place = Place::furnished();
    place.run("ingest batch.csv --profile-type iot").ok();
    place.run(&format!("order create --iccid {} --by anna", ICCIDS[0])).ok();
    place.run(&format!("order cancel {} --by bert", ICCIDS[0])).ok();
    let server = place.serve();
    let (operator, _) = ways(&server);
    let es2plus = |line: &str| place.run(&format!("es2plus {operator} {line}")).ok();
    es2plus(&format!("download-order --iccid {}", ICCIDS[1]));
    es2plus(&format!("confirm-order --iccid {}", ICCIDS[1]));
    place.run(&format!("es2plus {operator} download-order --iccid {}", ICCIDS[1])).failed("8.2.1/3.3");
    (place, server)
}

fn entries(list: &Value) -> &Vec<Value> {
    list["entries"].as_array().unwrap()
}

fn of<'a>(entries: &'a [Value], subject: &str) -> Vec<[&'a str; 3]> {
    let entries = entries.iter().filter(|entry| entry["subject"] == subject);
    entries.map(|entry| ["actor_kind", "actor", "action"].map(|name| entry[name].as_str().unwrap())).collect()
}

fn what_is_done_to_orders_is_listed_shown_and_verified() {
    let (place, server) = place();
    let list = place.run("audit list --config simyard.toml --json").json();
    let all = entries(&list);
    assert_eq!(of(all, ICCIDS[0]), [["person", "anna", "order.create"], ["person", "bert", "order.cancel"]]);
    assert_eq!(
        of(all, ICCIDS[1]),
        [["operator", "acme", "order.create"], ["operator", "acme", "order.confirm"]],
        "what was refused changed nothing"
    );
    let by_acme = place.run("audit list --by acme --json").json();
    let personal = &entries(&by_acme)[0]["personal"][0];
    assert_eq!((&personal["kind"], &personal["value"]), (&"address".into(), &"127.0.0.1".into()));
    assert!(list["next"].is_null());

    let run = place.run(&format!("audit list --subject {} --limit 1", ICCIDS[0]));
    assert!(run.ok().contains("person anna  order.create  iccid 8988"), "{run:?}");
    let next = run.stderr.split("--after ").nth(1).unwrap().trim().to_owned();
    let rest = place.run(&format!("audit list --subject {} --after {next}", ICCIDS[0])).ok();
    assert!(rest.contains("person bert  order.cancel") && rest.lines().count() == 1, "{rest}");
    let last = place.run("audit list --last 1").ok();
    assert!(last.contains("order.confirm") && last.contains("address 127.0.0.1"), "{last}");
    assert_eq!(place.run("audit list --since 2999-01-01T00:00:00Z").ok(), "");
    let since = place.run("audit list --since 2020-01-01T00:00:00Z").ok();
    assert_eq!(since.lines().count(), all.len());

    let number = all.iter().position(|entry| entry["action"] == "order.cancel").unwrap() + 1;
    let shown = place.run(&format!("audit show {number}")).ok();
    for words in ["bert", "order.cancel", ICCIDS[0], "SHA-256", "Released to Available"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(place.run(&format!("audit show {number} --json")).json(), all[number - 1]);
    place.run("audit show 999").failed("the audit has no entry 999");

    let verified = place.run("audit verify --json").json();
    assert_eq!((&verified["whole"], &verified["entries"]), (&true.into(), &all.len().into()));
    assert_eq!(verified["digest"], all.last().unwrap()["sha256"]);
    assert_eq!(server.terminate(), Some(0));
    let told = place.run("audit verify").ok();
    assert_eq!(told.trim(), format!("the audit is whole: {} entries", all.len()));
    // Somebody who has the file changes an entry.
    let file = rusqlite::Connection::open(place.path().join("simyard.db")).unwrap();
    file.execute_batch(
        "DROP TRIGGER audit_never_changes; UPDATE audit SET actor = 'carl' WHERE actor = 'bert'",
    )
    .unwrap();
    place.run("audit verify").failed(&format!("entry {number}"));
    let verdict = place.run("audit verify --json");
    verdict.failed("is not what was written");
    assert!(verdict.stdout.contains("\"whole\": false"), "{verdict:?}");
}

fn a_checkpoint_shows_that_the_audit_was_cut() {
    let (place, server) = place();
    assert_eq!(server.terminate(), Some(0));
    let entries = place.run("audit verify --json").json()["entries"].as_i64().unwrap();
    let told = place.run("audit checkpoint --output first.json --config simyard.toml").ok();
    assert_eq!(told.trim(), format!("first.json: {entries} entries"));
    let printed = place.run("audit checkpoint").json();
    assert_eq!(printed["entries"], entries);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.path().join("signing.key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    place.run(&format!("order create --iccid {}", ICCIDS[2])).ok();
    let told = place.run("audit verify --checkpoint first.json").ok();
    assert!(told.contains(&format!("holds: {entries} entries")), "{told}");
    let text = std::fs::read_to_string(place.path().join("first.json")).unwrap();
    place.write("other.json", &text.replace(&format!("\"entries\": {entries}"), "\"entries\": 1"));
    place.run("audit verify --checkpoint other.json").failed("does not verify");
    place.run("audit verify --checkpoint batch.csv").failed("no checkpoint");
    place.run("audit verify --checkpoint absent.json").failed("absent.json");
    // Somebody who has the file cuts the tail, and moves the end of the chain back.
    let file = rusqlite::Connection::open(place.path().join("simyard.db")).unwrap();
    file.execute_batch(
        "DROP TRIGGER audit_never_shrinks; DELETE FROM audit WHERE number > 2; \
         UPDATE audit_head SET number = 2, digest = (SELECT digest FROM audit WHERE number = 2)",
    )
    .unwrap();
    place.run("audit verify").ok();
    place.run("audit verify --checkpoint first.json").failed("was cut");
    // Under another key it is another server's.
    place.write("other.toml", "store = \"simyard.db\"\nsigning_key = \"other.key.pem\"\n");
    place.run("audit verify --config other.toml --checkpoint first.json").failed("another key");
    place.write("other.toml", "store = \"simyard.db\"\nsigning_key = \"batch.csv\"\n");
    place.run("audit checkpoint --config other.toml").failed("other.toml:2: signing_key");
}

fn addresses_are_erased_by_command_and_by_age() {
    let (place, server) = place();
    assert_eq!(server.terminate(), Some(0));
    let addresses = || {
        let list = place.run("audit list --by acme --json").json();
        entries(&list).iter().filter(|entry| !entry["personal"][0]["value"].is_null()).count()
    };
    assert_eq!(addresses(), 2);
    let list = place.run("audit list --by acme --json").json();
    let number = &entries(&list)[0]["number"];
    assert_eq!(place.run(&format!("audit erase --entry {number} --by anna --json")).json()["erased"], 1);
    assert_eq!(addresses(), 1);
    assert!(place.run(&format!("audit show {number}")).ok().contains("address   erased"));
    let none = place.run("audit erase --before 2020-01-01T00:00:00Z --config simyard.toml").ok();
    assert!(none.starts_with("0 values"), "{none}");
    place.run("audit erase --value 127.0.0.1").ok();
    assert_eq!(addresses(), 0);
    place.run("audit verify").ok();
    let told = place.run("audit list --by anna").ok();
    assert!(told.contains("audit.erase") && told.contains("values erased: 1"), "{told}");
    assert!(!place.run("audit list").ok().contains("127.0.0.1"));
    // By age, once a server runs with the setting: a day has not passed.
    let settings = std::fs::read_to_string(place.path().join("simyard.toml")).unwrap();
    place.write("simyard.toml", &format!("{settings}[audit]\nerase_personal_after_days = 0\n"));
    place.run("audit list").failed("erase_personal_after_days");
    place.write("simyard.toml", &format!("{settings}[audit]\nerase_personal_after_days = 1\n"));
    place.run("serve --end-with-stdin").ok();
    place.run("audit verify").ok();
}

fn identifiers_are_masked_in_the_log() {
    let place = Place::furnished();
    place.run("ingest batch.csv --profile-type iot").ok();
    let log = place.path().join("log");
    let mut serve = place.command("serve --end-with-stdin -v");
    serve.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
    let mut server = serve.spawn().unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.into_iter().find_map(|line| Some(line.strip_prefix("ES2+ on ")?.to_owned())).unwrap();
    let unknown = ICCIDS[0].replace("8988", "8977");
    let operator = format!("--server {HOST} --connect-to {HOST}={address}");
    place.run(&format!("es2plus {operator} download-order --iccid {unknown}")).failed("8.2.1/3.9");
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("profile 89772…0014 is unknown"), "{log}");
    assert!(!log.contains(&unknown), "{log}");
}
