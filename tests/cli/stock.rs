//! `simyard stock` and `simyard export`.

use serde_json::Value;
use simyard::crypto::transport::{Algorithm, Chaining, CheckMethod, InitialBlock, Scheme, TransportCipher};

use crate::binary::{ICCIDS, Place, SETTINGS};

crate::tests!(
    the_stock_is_shown_with_what_runs_low,
    a_profile_is_found_and_tells_where_it_has_been,
    files_for_other_systems_are_written_and_orders_wait_for_them,
    the_stock_leaves_for_another_platform_and_comes_back,
    keys_leave_under_the_transport_keys_of_a_platform,
    keys_leave_in_the_clear_in_test_mode_alone,
    look_ups_are_measured_in_a_small_stock_and_a_large_one,
);

fn place(settings: &str) -> Place {
    let place = Place::furnished();
    place.write("simyard.toml", &format!("{SETTINGS}{settings}"));
    place.run("ingest batch.csv --profile-type iot").ok();
    place
}

fn the_stock_is_shown_with_what_runs_low() {
    let place =
        place("low_water = 3\n[[profile_type]]\nname = \"other\"\nowner = \"acme\"\nlow_water = 10\n");
    place.run(&format!("order create --iccid {}", ICCIDS[0])).ok();
    let run = place.run("stock");
    let text = run.ok();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["owner", "profile", "type", "sub-class", "profiles", "available", "ordered"]);
    assert_eq!(lines[1], ["acme", "iot", "-", "3", "2", "1"]);
    assert!(run.stderr.contains("iot of acme: 2 available, fewer than 3"), "{}", run.stderr);
    assert!(run.stderr.contains("other of acme: 0 available, fewer than 10"), "{}", run.stderr);
    let json = place.run("stock --config simyard.toml --profile-type iot --json").json();
    assert_eq!(json["stock"][0]["standing"], serde_json::json!({ "available": 2, "ordered": 1 }));
    assert_eq!((&json["low"][0]["low_water"], json["low"].as_array().unwrap().len()), (&3.into(), 1));
    let doctor = place.run("doctor");
    assert!(doctor.stdout.contains("iot: 2 of 3 profiles can be ordered"), "{}", doctor.stdout);
}

fn a_profile_is_found_and_tells_where_it_has_been() {
    let place = place("");
    place.run(&format!("order create --iccid {} --matching-id MINE --by ada", ICCIDS[1])).ok();
    for number in [ICCIDS[1], "8988288201 000000 0220", &ICCIDS[1][..19], "901405100000002", "MINE"] {
        let run = place.command("stock search").arg(number).output().unwrap();
        let text = String::from_utf8(run.stdout).unwrap();
        if number.contains(' ') {
            assert_eq!(run.status.code(), Some(1), "another number: {text}");
        } else {
            assert!(text.starts_with(ICCIDS[1]) && text.contains("ordered (Released)"), "{number}: {text}");
        }
    }
    let found = place.run("stock search 901405100000002 --json --config simyard.toml").json();
    let found = &found["found"][0];
    assert_eq!(
        (&found["by"], &found["iccid"], &found["matching_id"]),
        (&"imsi".into(), &ICCIDS[1].into(), &"MINE".into())
    );
    place.run("stock search 901405100000009").failed("is not in the stock");
    place.run("stock search ?").failed("can be no ICCID");

    let text = place.run(&format!("stock history {}", ICCIDS[1])).ok();
    assert!(text.starts_with(&format!("{}  Released", ICCIDS[1])), "{text}");
    for told in ["stocked", "of 3 profiles of type iot from local", "create", "by ada", "released"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let history = place.run(&format!("stock history {} --json --config simyard.toml", ICCIDS[1])).json();
    let events: Vec<&str> =
        history["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["stocked", "create", "ordered", "confirmed", "released"]);
    place.run("stock history 89882801000000000099").failed("is not in the stock");
}

fn files_for_other_systems_are_written_and_orders_wait_for_them() {
    let place = place(
        "requires_delivery = [\"auc\"]\n[[export_layout]]\nname = \"vendor\"\nfor = \"crm\"\n\
         columns = [\"iccid\", \"puk1\"]\ndelimiter = \";\"\nheader = false\niccid = \"padded\"\n",
    );
    place.run("order create --profile-type iot").failed("was not delivered to the AuC yet");
    place.run(&format!("order create --iccid {} --hold", ICCIDS[0])).ok();
    place.run(&format!("order release {}", ICCIDS[0])).failed("simyard export --for auc");
    place.write("two.txt", &format!("# two of them\n{}\n\n{}\n", ICCIDS[0], ICCIDS[1]));
    let report = place
        .run("export --for auc --iccids two.txt --clear-keys -o auc-1.csv --by ada --json --config simyard.toml")
        .json();
    assert_eq!((&report["subscriptions"], &report["system"]), (&2.into(), &"auc".into()));
    place.run(&format!("order release {}", ICCIDS[0])).ok();
    let run = place.run("export --for auc --profile-type iot --clear-keys --output auc-2.csv").ok();
    assert!(
        run.contains("1 line of 1 subscription") && run.contains("2 subscriptions were delivered already"),
        "{run}"
    );
    place.run("export --for auc --profile-type iot --clear-keys -o auc-3.csv").failed("nothing to export");
    place.run("export --for auc --profile-type iot --clear-keys --again -o auc-3.csv").ok();
    place
        .run("export --for auc --profile-type iot --clear-keys --again -o auc-3.csv")
        .failed("is there already");
    place.run("export --for auc --profile-type iot -o auc-4.csv").failed("name the --platform");
    place
        .run("export --for auc --profile-type iot --clear-keys --layout vendor -o auc-4.csv")
        .failed("there are auc");
    let batches = place.run(&format!("stock search {} --json", ICCIDS[0])).json();
    let batch = batches["found"][0]["batch_id"].as_str().unwrap();
    let told = place.run(&format!("export --for crm --batch {batch} --layout vendor -o crm.csv")).ok();
    assert!(told.starts_with("crm.csv: 3 lines of 3 subscriptions"), "{told}");
    let text = std::fs::read_to_string(place.path().join("crm.csv")).unwrap();
    assert_eq!(text.lines().next().unwrap(), format!("{};12345678", ICCIDS[0]));
    place.run("export --for ota --profile-type iot --clear-keys -o ota.csv").ok();
    let history = place.run(&format!("stock history {}", ICCIDS[0])).ok();
    assert!(history.contains("for the AuC by ada: auc-1.csv, layout auc, SHA-256"), "{history}");
    place.write("none.txt", "# nobody\n");
    place.run("export --for crm --iccids none.txt -o x.csv").failed("names no profile");
    place.write("wrong.txt", "123\n");
    place.run("export --for crm --iccids wrong.txt -o x.csv").failed("wrong.txt:1");
}

fn the_stock_leaves_for_another_platform_and_comes_back() {
    let place = place("");
    let report = place
        .run("stock export --clear-keys --profile-type iot -o out --by ada --json --config simyard.toml")
        .json();
    let key = report["signed_by"].as_str().unwrap();
    assert_eq!(report["files"][1]["name"], "subscriptions-1.csv");
    let told = place.run("stock verify out").ok();
    assert!(told.contains("4 files with 10 rows are as ada signed them"), "{told}");
    assert_eq!(place.run("stock verify out --json --config simyard.toml").json()["keys"], "clear");

    // Another platform knows the key's fingerprint, and takes the file.
    let other = Place::furnished();
    let folder = place.path().join("out");
    let run = other.command("stock verify --key").arg(key).arg(&folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let run = other.command("stock verify").arg(&folder).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "whose key it is somebody has to say");
    let run =
        other.command("ingest --profile-type iot").arg(folder.join("subscriptions-1.csv")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let back: Value = other.run("stock export --clear-keys --output back --json").json();
    for file in 0..2 {
        assert_eq!(back["files"][file]["sha256"], report["files"][file]["sha256"], "{back}");
    }

    // What was changed on the way is told.
    let csv = folder.join("subscriptions-1.csv");
    let text = std::fs::read_to_string(&csv).unwrap();
    std::fs::write(&csv, text.replacen("1234", "4321", 1)).unwrap();
    place.run("stock verify out").failed("subscriptions-1.csv is not what the manifest says");
    place.run("stock export --without-keys -o out").failed("is not empty");
    let told = place.run("stock export --without-keys -o bare").ok();
    assert!(told.contains("3 profiles in bare: 3 subscriptions, 0 ready-made packages"), "{told}");
    let bare = std::fs::read_to_string(place.path().join("bare/subscriptions-1.csv")).unwrap();
    assert!(!bare.lines().next().unwrap().contains("ki") && bare.contains("12345678"), "{bare}");
    place.run("stock export --without-keys --batch none -o none").failed("no batch none");
}

/// A key of 16 octets, as a file, and its check value.
fn key_file(place: &Place, name: &str, octet: u8) -> String {
    place.write(name, &hex::encode([octet; 16]));
    let scheme = Scheme { algorithm: Algorithm::Aes128, chaining: Chaining::Cbc(InitialBlock::Zero) };
    hex::encode(TransportCipher::new(scheme, &[octet; 16]).unwrap().check_value(CheckMethod::Ones))
}

/// Brings a key in and approves it.
fn import(place: &Place, partner: &str, index: u32, purpose: &str, octet: u8) {
    let name = format!("{purpose}-{index}.key");
    let check_value = key_file(place, &name, octet);
    let line = format!(
        "transport-key import {partner} --index {index} --purpose {purpose} --check-value {check_value} --key-file {name} \
         --by ada --json"
    );
    let key = place.run(&line).json();
    let key = key["key_id"].as_str().unwrap_or_else(|| panic!("{key}")).to_owned();
    place.run(&format!("transport-key approve {key} --by bob")).ok();
}

fn keys_leave_under_the_transport_keys_of_a_platform() {
    const KI: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
    let place = place("");
    let export = "export --for auc --profile-type iot --platform hlr";
    place.run(&format!("{export} -o auc.csv")).failed("no approved transport key");
    import(&place, "--platform hlr", 1, "ki", 1);
    import(&place, "--platform hlr", 2, "ki", 2);
    import(&place, "--platform hlr", 7, "ota", 3);
    place
        .run(&format!("{export} --transport-key 9 -o auc.csv"))
        .failed("transport key 9 for ki is not there");
    let report = place.run(&format!("{export} -o auc.csv --json")).json();
    assert_eq!(report["transport_key"], "2", "the latest");
    let text = std::fs::read_to_string(place.path().join("auc.csv")).unwrap();
    assert!(!text.to_ascii_lowercase().contains(KI), "{text}");
    place.run(&format!("{export} --transport-key 1 --again -o auc-1.csv")).ok();
    place.run("export --for ota --profile-type iot --platform hlr --transport-key 7 -o ota.csv").ok();
    place
        .run("export --for ota --profile-type iot --platform hlr --transport-key 1 --again -o x.csv")
        .failed("for ota is not there");
    place.run("stock export --platform hlr --transport-key 1 --ota-transport-key 7 -o out").ok();
    let manifest = place.run("stock verify out --json").json();
    assert_eq!(
        (&manifest["keys"], &manifest["transport_keys"][1]["index"]),
        (&"enciphered".into(), &7.into())
    );
    let csv = std::fs::read_to_string(place.path().join("out/subscriptions-1.csv")).unwrap();
    assert!(
        !csv.to_ascii_lowercase().contains(KI) && csv.contains(",eki,") && csv.contains(",ekic1,"),
        "{csv}"
    );

    // The other platform has the keys as those of a manufacturer, takes the file, and has what was here.
    let other = Place::furnished();
    import(&other, "--manufacturer yard", 1, "ki", 1);
    import(&other, "--manufacturer yard", 7, "ota", 3);
    for file in ["out/subscriptions-1.csv", "out/subscriptions-1.jsonl"] {
        let file = place.path().join(file);
        let take = "ingest --profile-type iot --manufacturer yard --transport-key 1 --ota-transport-key 7";
        let dry = other.command(&format!("{take} --dry-run")).arg(&file).output().unwrap();
        assert!(dry.status.success(), "{}", String::from_utf8_lossy(&dry.stderr));
    }
    let take = "ingest --profile-type iot --manufacturer yard --transport-key 1 --ota-transport-key 7";
    let run = other.command(take).arg(place.path().join("out/subscriptions-1.csv")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let (one, two) = (
        place.run("stock export --clear-keys -o clear --json").json(),
        other.run("stock export --clear-keys -o clear --json").json(),
    );
    assert_eq!(one["files"][0]["sha256"], two["files"][0]["sha256"]);
    assert_eq!(one["files"][1]["sha256"], two["files"][1]["sha256"]);
}

fn keys_leave_in_the_clear_in_test_mode_alone() {
    let place = place("");
    let settings = SETTINGS.replacen("mode = \"test\"", "mode = \"production\"", 1);
    place.write("simyard.toml", &settings);
    place.run("stock export --clear-keys -o out").failed("for a server with mode = \"test\"");
    place
        .run("export --for auc --profile-type iot --clear-keys -o auc.csv")
        .failed("for a server with mode = \"test\"");
    assert!(!place.path().join("out").exists() && !place.path().join("auc.csv").exists());
}

fn look_ups_are_measured_in_a_small_stock_and_a_large_one() {
    let place = Place::new();
    let figures =
        place.run("bench look-up --profiles 1200 --small 300 --look-ups 20 --json --dir figures").json();
    assert_eq!((&figures["small"]["profiles"], &figures["large"]["profiles"]), (&300.into(), &1200.into()));
    for by in ["iccid", "imsi", "msisdn", "search"] {
        assert!(figures["ratios"][by].as_f64().unwrap() > 0.0, "{figures}");
    }
    assert!(place.path().join("figures/simyard.db").exists());
    place.run("bench look-up --store figures/simyard.db").failed("the store is not empty");
    let told = place.run("bench look-up --profiles 20 --small 10 --look-ups 5").ok();
    assert!(told.contains("20 profiles, counted in") && told.contains("iccid: "), "{told}");
}
