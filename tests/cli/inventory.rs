//! `simyard transport-key`, `simyard batch`, and `simyard ingest` of files whose keys are enciphered.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::binary::{Place, Run, SETTINGS};

crate::tests!(
    a_delivery_under_transport_keys_goes_from_the_request_to_the_stock,
    a_transport_key_is_asked_for_and_listed,
    what_is_asked_of_a_manufacturer_can_be_made,
);

/// The transport keys of the files in `tests/formats`.
const KEYS: [&str; 2] = ["8f1d0c35 a7e94b62 d0537c1e 9ab24f68", "3e15a8c97b04d2f16ab8407d92ce5f13"];

fn place() -> Place {
    let place = Place::furnished();
    place.write("simyard.toml", &SETTINGS.replace("mode = \"test\"", "mode = \"production\""));
    for (name, key) in ["auc.key", "ota.key"].into_iter().zip(KEYS) {
        place.write(name, key);
    }
    for name in ["classic.txt", "header_line.txt", "subscriptions.csv", "subscriptions.jsonl"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(name);
        place.write_octets(name, &std::fs::read(path).unwrap());
    }
    place
}

fn a_delivery_under_transport_keys_goes_from_the_request_to_the_stock() {
    let place = place();
    let ingest = "ingest --manufacturer cards --profile-type iot";
    place.run(&format!("{ingest} classic.txt")).failed("transport key 2 for ki is not there");
    let import = "transport-key import --manufacturer cards --json";
    let key = place
        .run(&format!("{import} --index 2 --purpose ki --check-value 27C76B --key-file auc.key --by alice"))
        .json();
    assert_eq!((&key["state"], &key["manufacturer"]), (&json!("waiting"), &json!("cards")));
    let auc = key["key_id"].as_str().unwrap().to_owned();
    let key = place
        .run(&format!(
            "{import} --index 3 --purpose ota --algorithm 3des --mode ecb --check-value 410EBF --key-file ota.key \
             --by alice"
        ))
        .json();
    let ota = key["key_id"].as_str().unwrap().to_owned();
    place.run(&format!("{ingest} classic.txt")).failed("waits for the approval of another person");
    place.run(&format!("transport-key approve {auc} --by alice")).failed("alice imported the key");
    place
        .run(&format!("transport-key approve {auc} --by bob --check-value 000000"))
        .failed("the check value is not that of the key");
    let approved =
        place.run(&format!("transport-key approve {auc} --by bob --check-value 27C76B --json")).json();
    assert_eq!((&approved["state"], &approved["approved_by"]), (&json!("approved"), &json!("bob")));
    place.run(&format!("transport-key approve {ota} --by bob")).ok();

    place.run(&format!("{ingest} classic.txt --dry-run --format classic")).ok();
    // The template of the type has no ISIM.
    let enciphered = "--transport-key 2 --ota-transport-key 3 --pass-over impu";
    let receipts = place.run(&format!("{ingest} classic.txt subscriptions.jsonl {enciphered} --json"));
    assert_eq!(receipts.ok().matches("\"profiles\"").count(), 2);
    place.run(&format!("{ingest} header_line.txt")).failed("the row names an eUICC");
    let without = format!("{ingest} header_line.txt --pass-over eid");
    place.run(&without).failed("the template is for 1 subscriptions");
    let named = "--pass-over box,imsi_2,role_2 --batch-id 703";
    place.run(&format!("{ingest} subscriptions.csv --transport-key 2 {named}")).ok();
    let again = place.run(&format!("{ingest} subscriptions.jsonl {enciphered} --format json-lines"));
    assert!(again.ok().starts_with("taken before"), "{again:?}");
    place.run(&format!("{ingest} classic.txt --transport-key 4")).failed("names transport key 2, and the");
    place.run(&format!("{ingest} a b --batch-id 1")).failed("are for one file");
    place
        .run(&format!("{ingest} header_line.txt --columns iccid,imsi,ki --batch-id 00702"))
        .failed("the columns: no column");
    // In production nothing comes in in the clear.
    place.run("ingest batch.csv --profile-type iot").failed("a key in the clear");
    place.run("ingest batch.csv --expect list.csv").failed("list.csv");
    let retired = place.run(&format!("transport-key retire {auc} --by carol --json")).json();
    assert_eq!((&retired["state"], &retired["retired_by"]), (&json!("retired"), &json!("carol")));
    place.run(&format!("transport-key retire {auc} --by carol")).failed("the key is retired already");
    place.run("transport-key approve 00 --by bob").failed("no transport key has this identifier");
}

fn a_transport_key_is_asked_for_and_listed() {
    let place = place();
    let asked = |line: &str, text: &str| -> Run {
        let mut child = place
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    let import =
        "transport-key import --platform auc --index 1 --check-method zeros --check-value 2F4CF3 --by alice";
    let parts = format!("{}\n\n70e2f3ca5816b49d2fac83e1654db097\n", "ff".repeat(16));
    asked(import, "8f1d\n").failed("a key for aes-128 has 16 octets, and this one has 2");
    let wrong = asked(import, "no key\n");
    wrong.failed("expected a key of 16, 24 or 32 octets");
    let run = asked(&format!("{import} --iv prefixed"), &parts);
    let told = run.ok();
    assert!(told.contains("platform auc, index 1 for both: aes-128, cbc with the initial block"), "{told}");
    assert!(!told.contains("8f1d0c35") && !run.stderr.contains("8f1d0c35"));
    asked(&format!("{import} --iv 00112233445566778899aabbccddeeff"), &parts)
        .failed("of this index for this");
    asked(&format!("{import} --iv 0011"), &parts).failed("32 hexadecimal digits");
    asked(&format!("{import} --mode ecb --iv zero"), &parts).failed("ECB begins with nothing");
    let all = place.run("transport-key list --json").json();
    assert_eq!((all.as_array().unwrap().len(), &all[0]["check_value"]), (1, &json!("2F4CF3")));
    let page = place.run("transport-key list --platform auc --limit 1");
    assert!(page.ok().contains("waits for approval") && page.stderr.contains("--after"), "{page:?}");
    let after = all[0]["key_id"].as_str().unwrap();
    assert_eq!(place.run(&format!("transport-key list --after {after}")).ok(), "");
    assert_eq!(place.run("transport-key list --manufacturer auc --config simyard.toml").ok(), "");
    // What was sealed needs its key, although there is no profile yet.
    std::fs::rename(place.path().join("sealing.key"), place.path().join("elsewhere")).unwrap();
    place.run("transport-key list").failed("sealing.key is absent");
}

fn what_is_asked_of_a_manufacturer_can_be_made() {
    let place = place();
    let request =
        "batch request --customer Acme --profile-type iot --batch-id 00701 --first-imsi 901405700000001";
    let first = "--first-iccid 89882807000000000018";
    let run = place.run(&format!("{request} {first} --count 3 --transport-key 2 -o input.txt"));
    assert!(run.stderr.contains("ICCIDs 89882807000000000018 to 89882807000000000034"), "{run:?}");
    let text = std::fs::read_to_string(place.path().join("input.txt")).unwrap();
    assert!(text.contains("Batch No : 00701\nQuantity : 3\nTransport_key : 2\n"), "{text}");
    place.run(&format!("{request} {first} --count 3 --output input.txt")).failed("input.txt");
    let line = "--count 5 --no-check-digit --euicc --ota-transport-key 3 --format header-line";
    let text = place.run(&format!("{request} {first} --first-imsi 724680000000001 {line}")).ok();
    assert!(
        text.contains(" 5 iot 2 0 3 3 1\n89882807000000000018 901405700000001 724680000000001"),
        "{text}"
    );
    place
        .run(&format!("{request} --first-iccid 89882807000000000019 --count 3"))
        .failed("is not its check digit");
    place.run(&format!("{request} {first} --count 0")).failed("expected 1 to 2000000 SIMs");
}
