//! `simyard eim` and `simyard pki device`: devices' certificates, and what was refused to them.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};
use simyard::crypto::keyfile::{load_certificates, load_signing_key};
use simyard::domain::ProfileEvent;
use simyard::eim::association::read_configuration;
use simyard::env::{Clock, Timestamp};
use simyard::ident::{Eid, ServerAddress};
use simyard::pki::{Anchors, Certificate};
use simyard::store::{EsipaRefusal, NewForwarded, Store, StoreUrl};
use simyard_asn1::iot::configuration::EimPublicKey;

use crate::binary::{Place, SETTINGS};
use crate::harness::{block_on, left_out};

crate::tests!(
    a_certificate_for_a_device_is_issued,
    a_request_is_certified_for_the_eid_that_is_named,
    the_list_of_devices_certificates_is_brought_shown_and_cut,
    a_server_says_where_devices_call,
    what_was_refused_is_listed,
    notifications_that_wait_are_listed_retried_and_dropped,
    euiccs_are_told_of_the_eim,
    euiccs_are_associated_and_shown,
    a_laboratory_prepares_situations,
    euiccs_go_over_to_another_eim,
    euiccs_are_told_of_a_new_key,
    doctor_looks_after_the_eim,
    idle_polls_are_measured,
);

const EID: &str = "89049032000000000000279973200019";
const OTHER_EID: &str = "89049032000000000000000000000051";

fn certificate(place: &Place, file: &str) -> Certificate {
    let certificates = load_certificates(&place.path().join(file)).unwrap();
    Certificate::from_der(&certificates[0]).unwrap()
}

fn a_certificate_for_a_device_is_issued() {
    let place = Place::furnished();
    std::fs::create_dir(place.path().join("out")).unwrap();
    let told = place.run(&format!("pki device {OTHER_EID} --ca pki --out out --days 30")).ok();
    let file = format!("out/device-{OTHER_EID}.pem");
    let issued = certificate(&place, &file);
    assert!(told.contains(&file) && told.contains(&hex::encode(issued.fingerprint())), "{told}");
    assert_eq!(issued.serial_number(), Some(OTHER_EID));
    let key = place.path().join(format!("out/device-{OTHER_EID}.key.pem"));
    assert!(issued.is_of(&load_signing_key(&key).unwrap()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let devices = Anchors::new(vec![certificate(&place, "pki/device-ca.pem")]).unwrap();
    devices.verify_client(&issued, Clock::system().now()).unwrap();
    let before = std::fs::read(&key).unwrap();
    place.run(&format!("pki device {OTHER_EID} --out out")).failed("is there already");
    assert_eq!(std::fs::read(&key).unwrap(), before);
    place.run(&format!("pki device {EID} --ca absent")).failed("the CA of devices is missing");
    std::fs::copy(place.path().join("pki/ci.key.pem"), place.path().join("pki/device-ca.key.pem")).unwrap();
    place.run(&format!("pki device {EID}")).failed("does not belong to the issuer's certificate");
    assert_eq!(place.run("pki device 123").code, Some(2));
}

fn a_request_is_certified_for_the_eid_that_is_named() {
    let place = Place::furnished();
    place.write("none.pem", "no request");
    place.run(&format!("pki device {EID} --csr none.pem")).failed("octets that are no certification request");
    place.run(&format!("pki device {EID} --csr pki/ci.pem")).failed("PEM without a certification request");
    if Command::new("openssl").arg("version").output().is_err() {
        left_out("certification requests of openssl", "no openssl on this machine to make them");
        return;
    }
    let request = |curve: &str, more: &[&str]| {
        let run = Command::new("openssl")
            .current_dir(place.path())
            .args([
                "req",
                "-new",
                "-newkey",
                "ec",
                "-pkeyopt",
                &format!("ec_paramgen_curve:{curve}"),
                "-nodes",
            ])
            // What it asks for is its own affair.
            .args(["-subj", &format!("/O=Mine/serialNumber={EID}"), "-keyout", "own.key", "-out", "own.csr"])
            .args(more)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
    };
    request("prime256v1", &["-outform", "DER"]);
    let line = format!("pki device {OTHER_EID} --csr own.csr");
    place.run(&line).ok();
    let file = format!("device-{OTHER_EID}.pem");
    let issued = certificate(&place, &file);
    assert!(issued.is_of(&load_signing_key(&place.path().join("own.key")).unwrap()));
    assert_eq!(issued.serial_number(), Some(OTHER_EID));
    assert_eq!(issued.organization(), Some("Simyard TEST Device Maker"), "the subject is the CA's word");
    assert!(!place.path().join(format!("device-{OTHER_EID}.key.pem")).exists(), "its key stays where it is");
    std::fs::remove_file(place.path().join(&file)).unwrap();
    for (curve, more, says) in [
        ("prime256v1", &["-sha384"][..], "not signed with ecdsa-with-SHA256"),
        ("brainpoolP256r1", &[], "its key is on brainpoolP256r1; TLS needs one on P-256"),
        ("secp384r1", &[], "curve 1.3.132.0.34 is not supported"),
    ] {
        request(curve, more);
        place.run(&line).failed(says);
        assert!(!place.path().join(&file).exists());
    }
    request("prime256v1", &["-outform", "DER"]);
    let mut octets = std::fs::read(place.path().join("own.csr")).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    place.write_octets("own.csr", &octets);
    place.run(&line).failed("is not signed with the key that it asks a certificate for");
}

fn the_list_of_devices_certificates_is_brought_shown_and_cut() {
    let place = Place::furnished();
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    place.write("list.csv", &format!("certificate_sha256,eid\n{one},{EID}\n{two},{OTHER_EID}\n"));
    let told = place.run("eim devices import list.csv --by anna --config simyard.toml").ok();
    assert!(told.contains("2 certificates taken, 0 there already"), "{told}");
    place.write("next.csv", &format!("eid,certificate_sha256\n{OTHER_EID},{one}\n"));
    place.run("eim devices import next.csv").failed("--replace takes the list all the same");
    let told = place.run("eim devices import next.csv --replace --by bob").ok();
    assert!(told.contains("1 certificate taken"), "{told}");
    place.write("wrong.csv", &format!("certificate_sha256,eid\n{one},1\n"));
    place.run("eim devices import wrong.csv").failed("line 2: ");
    place.run("eim devices import absent.csv").failed("absent.csv");

    let list = place.run("eim devices list --json --config simyard.toml").json();
    let certificates = list["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 2, "{list}");
    assert_eq!(certificates[0]["certificate_sha256"], one.as_str());
    assert_eq!((&certificates[0]["eid"], &certificates[0]["by"]), (&json!(OTHER_EID), &json!("bob")));
    let run = place.run("eim devices list --limit 1");
    assert!(run.ok().contains(&one) && run.stderr.contains(&format!("--after {one}")), "{run:?}");
    assert!(place.run(&format!("eim devices list --after {one}")).ok().starts_with(&two));
    assert_eq!(place.run(&format!("eim devices list --eid {EID}")).ok(), "");
    let told = place.run(&format!("eim devices remove {one} --by anna --config simyard.toml")).ok();
    assert!(told.contains(&format!("stands for {OTHER_EID} no more")), "{told}");
    place.run(&format!("eim devices remove {one}")).failed("is not in the list");
    assert_eq!(place.run("eim devices remove 01").code, Some(2));
    let audit = place.run("audit list --json").json();
    let told: Vec<(&str, &str)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["subject"].as_str().unwrap()))
        .collect();
    let expected = [
        ("device_certificate.import", EID),
        ("device_certificate.import", OTHER_EID),
        ("device_certificate.import", OTHER_EID),
        ("device_certificate.remove", OTHER_EID),
    ];
    assert_eq!(told, expected);
}

fn a_server_says_where_devices_call() {
    let place = Place::furnished();
    let eim = "[eim]\nlisten = \"127.0.0.1:0\"\nfqdn = \"smdp.example.com\"\n\
               [[eim_listener]]\nlisten = \"127.0.0.1:0\"\nclient_auth = \"optional\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{eim}"));
    let told = place.run("serve --end-with-stdin").ok();
    assert!(told.contains("ESipa on 127.0.0.1:") && told.contains("client certificate required"), "{told}");
    assert!(told.contains("client certificate optional"), "{told}");
    for (line, says) in [
        ("device_ca = [\"pki/ci.pem\"]", "is a GSMA CI"),
        ("device_ca = [\"absent.pem\"]", "absent.pem"),
        ("client_auth = \"never\"", "unknown variant `never`"),
    ] {
        place.write("simyard.toml", &format!("{SETTINGS}[eim]\n{line}\n"));
        place.run("serve --end-with-stdin").failed(says);
    }
}

fn what_was_refused_is_listed() {
    let place = Place::furnished();
    let refusal = |reason: &str, peer: &str, times| EsipaRefusal {
        reason: reason.to_owned(),
        eid: Some(Eid::parse(OTHER_EID).unwrap()),
        caller_eid: Some(Eid::parse(EID).unwrap()),
        certificate: None,
        peer: peer.to_owned(),
        detail: "the client certificate stands for another EID".to_owned(),
        first_at: Timestamp::from_secs(1_795_000_000),
        last_at: Timestamp::from_secs(1_795_000_060),
        times,
    };
    block_on(async {
        let store = Store::open(&StoreUrl::Sqlite(place.path().join("simyard.db"))).await.unwrap();
        let refusals = [refusal("other_eid", "192.0.2.1", 3), refusal("no_eid", "192.0.2.2", 1)];
        store.keep_esipa_refusals(&refusals).await.unwrap();
        store.close().await;
    });
    let list = place.run("eim refused --json --config simyard.toml").json();
    let refused = list["refused"].as_array().unwrap();
    assert_eq!((refused.len(), &refused[0]["reason"], &list["next"]), (2, &json!("no_eid"), &Value::Null));
    assert_eq!((&refused[1]["times"], &refused[1]["eid"]), (&json!(3), &json!(OTHER_EID)));
    assert_eq!(place.run(&format!("eim refused --eid {EID}")).ok().lines().count(), 2);
    let run = place.run("eim refused --limit 1");
    assert!(run.ok().contains("192.0.2.2") && run.stderr.contains("--before 2"), "{run:?}");
    let text = place.run("eim refused --before 2").ok();
    assert!(text.contains(&format!("other_eid for {OTHER_EID} by {EID}, 3 times: the client")), "{text}");
}

fn notifications_that_wait_are_listed_retried_and_dropped() {
    let place = Place::furnished();
    assert_eq!(place.run("eim forwarded list").ok(), "");
    let new = |eid: &str, seq_number, address: &str| NewForwarded {
        eid: Eid::parse(eid).unwrap(),
        seq_number,
        address: ServerAddress::parse(address).unwrap(),
        event: ProfileEvent::Enable,
        iccid: None,
        signed: seq_number.to_be_bytes().to_vec(),
        raw: vec![0x30, 0x00],
        at: Timestamp::from_secs(1_795_000_000),
        due_at: Timestamp::from_secs(1_795_000_000),
    };
    block_on(async {
        let store = Store::open(&StoreUrl::Sqlite(place.path().join("simyard.db"))).await.unwrap();
        for new in [
            new(EID, 7, "smdp.example.com"),
            new(EID, 8, "smdp.example.com"),
            new(OTHER_EID, 9, "b.example:8443"),
        ] {
            store.forward_notification(new).await.unwrap();
        }
        store.close().await;
    });
    let list = place.run("eim forwarded list --config simyard.toml --brought --json").json();
    let all = list["notifications"].as_array().unwrap();
    assert_eq!((all.len(), &list["next"]), (3, &Value::Null));
    assert_eq!(
        (&all[0]["eid"], &all[0]["seq_number"], &all[0]["event"]),
        (&json!(EID), &json!(7), &json!("enable"))
    );
    assert_eq!((&all[0]["state"], &all[0]["notification"]), (&json!("waiting"), &json!("3000")));
    assert_eq!(list["counts"][0]["address"], "b.example:8443");
    // They came years ago, as the clock of the command has it.
    let eim = "[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n";
    place.write("eim.toml", &format!("{SETTINGS}{eim}"));
    let doctor = place.run("doctor --json --config eim.toml").json();
    let forwarded: Vec<&Value> =
        doctor["findings"].as_array().unwrap().iter().filter(|found| found["group"] == "forwarded").collect();
    assert_eq!(forwarded.len(), 2, "{doctor}");
    assert!(
        forwarded[1]["text"].as_str().unwrap().starts_with("2 for smdp.example.com, the oldest of"),
        "{doctor}"
    );
    let run = place.run("eim forwarded list --address SMDP.example.com:443 --limit 1");
    assert_eq!(run.ok().lines().count(), 1, "{run:?}");
    assert!(run.ok().contains("7 enable -  smdp.example.com  waiting, came 2026-11-18"), "{run:?}");
    assert!(run.stderr.contains("smdp.example.com: 2 waiting, the oldest since"), "{run:?}");
    let next = run.stderr.split("--after ").nth(1).unwrap().trim().to_owned();
    assert_eq!(place.run(&format!("eim forwarded list --after {next} --eid {EID}")).ok().lines().count(), 1);

    assert_eq!(place.run("eim forwarded retry --all --json").json()["retried"], 3);
    assert_eq!(
        place.run(&format!("eim forwarded retry --eid {EID}")).ok().trim(),
        "2 notifications due at once"
    );
    let asked = place.run(&format!("eim forwarded drop --eid {EID}")).ok();
    assert!(asked.contains("2 notifications would be dropped") && asked.contains("--yes"), "{asked}");
    assert_eq!(place.run(&format!("eim forwarded drop --eid {EID} --json --yes")).json()["dropped"], 2);
    assert_eq!(place.run("eim forwarded list").ok().lines().count(), 1);
    for nobody in
        ["eim forwarded retry", "eim forwarded drop --yes", "eim forwarded retry --all --address a.example"]
    {
        assert_eq!(place.run(nobody).code, Some(2), "{nobody}");
    }
}

fn euiccs_are_told_of_the_eim() {
    let place = Place::furnished();
    place.run("eim configuration").failed("the settings have no [eim]");
    let eim = "[eim]\nid = \"2.999.40\"\nfqdn = \"smdp.example.com\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{eim}"));
    let told = place.run("eim configuration --token --indirect --config simyard.toml").json();
    assert_eq!((&told["eim_id"], &told["eim_id_type"]), (&json!("2.999.40"), &json!(1)));
    assert_eq!((&told["eim_fqdn"], &told["counter"]), (&json!("smdp.example.com"), &json!(0)));
    assert_eq!((&told["asks_token"], &told["indirect"]), (&json!(true), &json!(true)));
    let signing = certificate(&place, "pki/eim-sign.pem");
    let base64 = place
        .run("eim configuration --format base64 --as add-initial-eim --counter 9 --tls-trust pki/eim-ca.pem --euicc-ci 0102 --with-certificate")
        .ok();
    let der = base64::engine::general_purpose::STANDARD.decode(base64.trim()).unwrap();
    assert_eq!(der[..2], [0xBF, 0x57]);
    let data = read_configuration(&der).unwrap();
    assert_eq!((data.counter_value, data.euicc_ci_pk_id), (Some(9), Some(&[1, 2][..])));
    let Some(EimPublicKey::Certificate(key)) = data.eim_public_key_data else { panic!("its certificate") };
    assert_eq!(key.to_der(), signing.der());
    assert!(data.trusted_public_key_data_tls.is_some());
    for (name, tag) in [("plain", 0x30), ("add-eim", 0xA1), ("update-eim", 0xA1)] {
        place.run(&format!("eim configuration --format der --as {name} --out made.der")).ok();
        assert_eq!(std::fs::read(place.path().join("made.der")).unwrap()[0], tag, "{name}");
    }
    place.run("eim configuration --format json --out made.json").ok();
    let made = std::fs::read(place.path().join("made.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&made).unwrap()["eim_id"], "2.999.40");
    place.run("eim configuration --tls-trust absent.pem").failed("absent.pem");
    place.run(&format!("eim configuration --eid {EID}")).failed("is not associated with this eIM");
    place.run(&format!("eim associate {EID} --counter 41")).ok();
    assert_eq!(place.run(&format!("eim configuration --eid {EID}")).json()["counter"], 41);
    for line in ["eim configuration --counter 8388608", "eim configuration --euicc-ci x"] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
}

fn euiccs_are_associated_and_shown() {
    let place = Place::furnished();
    let told = place.run(&format!(
        "eim associate {EID} --counter 7 --token 1 --indirect --by anna --config simyard.toml"
    ));
    assert!(told.ok().contains("1 eUICC associated"), "{told:?}");
    let shown = place.run(&format!("eim show {EID} --json --config simyard.toml")).json();
    assert_eq!((&shown["counter"], &shown["association_token"]), (&json!(7), &json!(1)));
    assert_eq!((&shown["download"], &shown["certificates_known"]), (&json!("indirect"), &json!(false)));
    assert_eq!((&shown["profiles"], &shown["operations"]), (&json!([]), &json!([])));
    // What the settings say of downloads holds where nobody says otherwise.
    let eim = "[eim]\nfqdn = \"smdp.example.com\"\ndownload = \"indirect\"\n";
    place.write("indirect.toml", &format!("{SETTINGS}{eim}"));
    for (asked, configuration, expected) in [
        (format!("eim associate {EID} --config indirect.toml"), "eim configuration", "indirect"),
        (
            format!("eim associate {EID} --direct --config indirect.toml"),
            "eim configuration --direct",
            "direct",
        ),
    ] {
        place.run(&asked).ok();
        let shown = place.run(&format!("eim show {EID} --json --config indirect.toml")).json();
        assert_eq!(shown["download"], expected, "{asked}");
        let told = place.run(&format!("{configuration} --config indirect.toml")).json();
        assert_eq!(told["indirect"], expected == "indirect", "{configuration}");
    }
    let both = format!("eim associate {EID} --direct --indirect");
    assert_eq!(place.run(&both).code, Some(2));
    place.write("list.csv", &format!("eid,counter,token\n{EID},0,\n{OTHER_EID},5,2\n"));
    assert!(place.run("eim associate --file list.csv --by bob").ok().contains("2 eUICCs"), "anew");
    let text = place.run(&format!("eim show {EID}")).ok();
    for says in [
        "counter 0, no token, downloads direct",
        "no poll with a certificate of its device is written down yet",
        "its profiles are not known",
        "packages under the first key of the settings",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    place.write("list.csv", &format!("eid,counter,token\n{EID},-1,\n"));
    place.run("eim associate --file list.csv").failed("line 2: ");
    place.run(&format!("eim show {}", EID.replace("19", "20"))).failed("is not associated with this eIM");
    for line in ["eim associate", "eim associate 1", "eim associate --file list.csv --counter 1"] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
    let audit = place.run("audit list --by anna --json").json();
    let [one] = audit["entries"].as_array().unwrap().as_slice() else { panic!("{audit}") };
    assert_eq!((&one["action"], &one["detail"]), (&json!("eim.associate"), &json!("counter 7, token 1")));
}

fn a_laboratory_prepares_situations() {
    let place = Place::furnished();
    let eim = "[eim]\nfqdn = \"smdp.example.com\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{eim}"));
    place.run(&format!("eim associate {EID} --counter 7 --token 1")).ok();
    place.run(&format!("eim operation set {EID} --counter 7")).failed("this eIM is no laboratory's");
    place.write("simyard.toml", &format!("{SETTINGS}{eim}laboratory = true\n"));
    place.run(&format!("eim operation set {OTHER_EID} --no-token")).failed("is not associated with this eIM");
    let set = place.run(&format!(
        "eim operation set {EID} --counter 41 --no-token --by anna --config simyard.toml --json"
    ));
    assert_eq!((&set.json()["counter"], &set.json()["association_token"]), (&json!(40), &Value::Null));
    assert!(place.run(&format!("eim operation set {EID} --token 3")).ok().contains("eim show"));
    place.write_octets("signed.der", &[0x30, 0x03, 0x80, 0x01, 0x78]);
    let id = |run: &str| place.run(run).ok().trim().to_owned();
    let send = format!("eim operation send {EID}");
    let first = id(&format!(
        "{send} --psmo-list A600 --eim-id x --eid-value {OTHER_EID} --counter 99 --transaction-id 01FF --by anna"
    ));
    let shown = place.run(&format!("operation show {first} --json")).json();
    assert_eq!((&shown["kind"], &shown["state"]), (&json!("laboratory"), &json!("acting")));
    let package = shown["packages"][0]["euicc_package_signed"].as_str().unwrap();
    assert!(package.contains("8001785A10") && package.contains("810163820201FF"), "{package}");
    assert!(package.contains("A002A600"), "{package}");
    let run = place
        .run(&format!("{send} --eco-list AB00 --token 5 --break-signature --json --config simyard.toml"));
    assert_eq!(run.json()["state"], "waiting");
    assert_eq!(place.run(&format!("eim show {EID} --json")).json()["counter"], 100, "used by hand is used");
    id(&format!("{send} --signed @signed.der"));
    id(&format!("{send} --data-tags 5A,BF20"));
    id(&format!("{send} --package BF5404A0028100"));
    place.run(&format!("{send} --repeat 0102")).failed("no eUICC package with eimTransactionId 0102");
    place
        .run(&format!("{send} --package 3000"))
        .failed("the content is no eIM package (BF51, BF52 or BF54): tag 30");
    place.run(&format!("{send} --signed @absent.der")).failed("absent.der");
    place.run(&format!("{send} --data-tags 5A --counter 1")).failed("go with --psmo-list");
    place.run(&format!("{send} --signed 3000 --transaction-id 01")).failed("goes with --psmo-list");
    place.run(&format!("{send} --data-tags 5A --token 1")).failed("go with --psmo-list");
    for wrong in ["", " --psmo-list A6 --eco-list AB00", " --psmo-list x", " --data-tags 5", " --repeat x"] {
        assert_eq!(place.run(&format!("{send}{wrong}")).code, Some(2), "{wrong}");
    }
    let audit = place.run("audit list --by anna --json").json();
    let actions: Vec<&Value> =
        audit["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["eim.laboratory", "eim.laboratory"]);
    let run = place.run("doctor --json");
    let found = findings(&serde_json::from_str(&run.stdout).unwrap());
    assert!(found.iter().any(|line| line.starts_with("eim: warning: laboratory: ")), "{found:#?}");
}

fn euiccs_go_over_to_another_eim() {
    let place = Place::furnished();
    place.write(
        "simyard.toml",
        &format!("{SETTINGS}[eim]\nid = \"other.example.com\"\nfqdn = \"smdp.example.com\"\n"),
    );
    for (format, file) in [("json", "other.json"), ("der", "other.der"), ("base64", "other.txt")] {
        place.run(&format!("eim configuration --token --counter 4 --format {format} --out {file}")).ok();
    }
    place
        .write("simyard.toml", &format!("{SETTINGS}[eim]\nid = \"eim.test\"\nfqdn = \"smdp.example.com\"\n"));
    place.write("list.csv", &format!("eid,counter,token\n{EID},0,\n{OTHER_EID},5,2\n"));
    place.run("eim associate --file list.csv").ok();
    let asked = |line: &str| place.run(line).ok().trim().to_owned();
    for line in [
        format!("eim add {EID} --eim other.json --by anna --config simyard.toml"),
        format!("eim update {EID} --eim other.txt"),
        format!("eim remove {EID} --eim-id other.example.com"),
        format!("eim list-eims {EID}"),
    ] {
        let id = asked(&line);
        assert_eq!(place.run(&format!("operation show {id} --json")).json()["kind"], "configure", "{line}");
    }
    assert_eq!(place.run(&format!("eim list-eims {EID} --json")).json()["state"], "waiting");
    place.run(&format!("eim remove {EID} --eim-id eim.test")).failed("they delete this eIM itself");
    place.run(&format!("eim add {EID} --eim simyard.toml")).failed("no EimConfigurationData");
    place.write("eids.txt", &format!("{OTHER_EID}\n\n"));
    let told = place.run(&format!("eim move {EID} --file eids.txt --to other.der")).ok();
    assert!(told.contains(&format!("{EID}  ")) && told.contains(&format!("{OTHER_EID}  ")), "{told}");
    let moved = place.run(&format!("eim move {EID} --added --json")).json();
    let id = moved["operations"][0]["operation_id"].as_str().unwrap();
    assert_eq!(place.run(&format!("operation show {id} --json")).json()["kind"], "move");
    place.run(&format!("eim move {} --added", EID.replace("19", "20"))).failed("not moved: 1 of 1 eUICC");
    place.run(&format!("eim move {EID} --to simyard.toml")).failed("simyard.toml");
    assert_eq!(place.run("eim moved --config simyard.toml").ok(), "eid,counter,token\n");
    assert_eq!(place.run("eim moved --json").json()["moved"], json!([]));
    for line in [format!("eim move {EID}"), "eim move --added".to_owned(), format!("eim add {EID}")] {
        assert_eq!(place.run(&line).code, Some(2), "{line}");
    }
}

fn euiccs_are_told_of_a_new_key() {
    let place = Place::furnished();
    let eim = "[eim]\nid = \"eim.test\"\nfqdn = \"smdp.example.com\"\n";
    let next = "[[eim.keys]]\ncertificate = \"pki/wrong/eim-sign-expired.pem\"\nkey = \"pki/wrong/eim-sign-expired.key.pem\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}{eim}"));
    place.write("list.csv", &format!("eid,counter,token\n{EID},0,\n{OTHER_EID},5,2\n"));
    place.run("eim associate --file list.csv").ok();
    let rotate = "eim rotate --new-key pki/wrong/eim-sign-expired.pem";
    place.run(&format!("{rotate} {EID}")).failed("not told of the key: 1 eUICC");
    place.write("simyard.toml", &format!("{SETTINGS}{eim}{next}"));
    let first = place.run(&format!("{rotate} {EID} --by anna --config simyard.toml --json")).json();
    assert_eq!((&first["asked"], &first["refused"]), (&json!(1), &json!(0)));
    let told = place.run(&format!("{rotate} --all")).ok();
    assert!(told.contains("1 eUICCs are told") && told.contains("1 are being told, 0 know it"), "{told}");
    // Whose keys nobody said are written down as those of the first one, before it changes.
    let shown = place.run(&format!("eim show {EID} --json")).json();
    let digest = shown["key_sha256"].as_str().unwrap();
    let text = place.run(&format!("eim show {EID}")).ok();
    assert!(text.contains(&format!("packages under key {digest}\n")), "{text}");
    let known = place.run("eim rotate --all --new-key pki/eim-sign.pem --json").json();
    assert_eq!(known["known"], 2);
    let keys = place.run("eim keys --json --config simyard.toml").json();
    assert_eq!((&keys["keys"][0]["euiccs"], &keys["keys"][1]["euiccs"]), (&json!(2), &json!(0)));
    assert_eq!(keys["keys"][0]["key_sha256"], digest);
    let text = place.run("eim keys").ok();
    assert!(
        text.contains("2 eUICCs  eUICCs are given it") && text.contains("0 eUICCs  a further key"),
        "{text}"
    );
    // The first key is changed before all know it: doctor knows how many do not.
    let finds = |settings: &str, says: &str| {
        place.write("simyard.toml", &format!("{SETTINGS}{settings}"));
        let run = place.run("doctor --json");
        let found = findings(&serde_json::from_str(&run.stdout).unwrap());
        assert!(found.iter().any(|line| line.contains(says)), "{says}: {found:#?}");
    };
    let changed = "signing_certificate = \"pki/wrong/eim-sign-expired.pem\"\nsigning_key = \"pki/wrong/eim-sign-expired.key.pem\"\n";
    let old = "[[eim.keys]]\ncertificate = \"pki/eim-sign.pem\"\nkey = \"pki/eim-sign.key.pem\"\n";
    finds(&format!("{eim}{changed}{old}"), "eim: warning: 2 eUICCs know key");
    finds(&format!("{eim}{changed}"), "eim: bad: 2 eUICCs know key");
    finds(&format!("{eim}{}", next.replace("key.pem", "pem")), "eim.keys.");
    let swapped = "[[eim.keys]]\ncertificate = \"pki/eim-sign.pem\"\nkey = \"pki/eim-tls.key.pem\"\n";
    finds(&format!("{eim}{swapped}"), "eim.keys.key does not belong to eim.keys.certificate");
    place.run("serve --end-with-stdin").failed("the key does not belong to its certificate in eim.keys");
    for line in ["eim rotate --all", rotate] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
}

fn findings(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| ["group", "verdict", "text", "advice"].map(|name| text(&finding[name])).join(": "))
        .collect()
}

fn doctor_looks_after_the_eim() {
    let place = Place::furnished();
    let eim = "[eim]\nfqdn = \"smdp.example.com\"\n";
    let with = |more: &str| place.write("simyard.toml", &format!("{SETTINGS}{eim}{more}"));
    let finds = |verdict: &str, says: &str| {
        let run = place.run("doctor --json");
        let found = findings(&serde_json::from_str(&run.stdout).unwrap());
        let is_said = |line: &String| line.contains(&format!(": {verdict}: ")) && line.contains(says);
        assert!(found.iter().any(is_said), "{says}: {found:#?}");
    };
    with("");
    finds("good", "eim: client_auth required");
    finds("good", "eim.device_ca, Simyard TEST Device CA: 1");
    finds("good", "eim.signing_certificate, Simyard TEST eIM: 36");
    finds("good", "the TLS certificate of eim has every address");
    with("eid_field = \"none\"\n[[eim_listener]]\nlisten = \"127.0.0.1:1\"\nclient_auth = \"optional\"\n");
    finds("warning", "eim_listener 1: client_auth optional");
    finds("good", "eid_field none");
    with("device_ca = [\"pki/ci.pem\"]\n");
    finds("bad", "is a GSMA CI");
    with(
        "signing_certificate = \"pki/wrong/eim-sign-expired.pem\"\nsigning_key = \"pki/wrong/eim-sign-expired.key.pem\"\n",
    );
    finds("bad", "eim.signing_certificate, Simyard TEST eIM: expired on");
    with("signing_key = \"pki/eim-tls.key.pem\"\n");
    finds("bad", "eim.signing_key does not belong");
    with("certificate = \"pki/wrong/eim-tls-expired.pem\"\nkey = \"pki/wrong/eim-tls-expired.key.pem\"\n");
    finds("bad", "expired on");
    place.write("simyard.toml", &format!("{SETTINGS}[eim]\nfqdn = \"other.example.com\"\n"));
    finds("bad", "other.example.com is no dNSName of the TLS certificate of eim");
    with("device_crl = [\"pki/ci.pem\"]\n");
    finds("bad", "name lists that one of these CAs signed");
}

fn idle_polls_are_measured() {
    // On a disk: what is measured in memory is refused.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-poll-{}", std::process::id()));
    let place = Place::new();
    let polls = format!("--polls 40 --devices 2 --store sqlite:bench.db --dir {}", folder.display());
    let run = place.run(&format!("bench poll {polls} --json"));
    let _ = std::fs::remove_dir_all(&folder);
    if run.code == Some(1) && run.stderr.contains("in memory") {
        left_out("the benchmark of polls", "the target folder lies in memory");
        return;
    }
    let figures = run.json();
    assert_eq!((&figures["devices"], &figures["kept"]["count"]), (&json!(2), &json!(40)), "{figures}");
    let told = place.run(&format!("bench poll {polls}"));
    let _ = std::fs::remove_dir_all(&folder);
    assert!(told.ok().contains("idle polls, a handshake each: 4 in"), "{told:?}");
    assert_eq!(place.run("bench poll --devices 0").code, Some(2));
}
