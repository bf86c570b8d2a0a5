//! Every command of README.md, run as a user runs it: the real binary, files, loopback.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::binary::{ICCIDS, Running, Yard, command, read_all, simyard};
use crate::harness;

crate::tests!(
    demo_shows_a_whole_download,
    demo_takes_every_published_test_profile,
    demo_tells_what_is_wrong_with_its_arguments,
    demo_keeps_its_server_until_it_is_told_to_end,
    demo_orders_no_second_profile_where_there_is_one,
    logs_that_are_redirected_have_no_colours,
    one_subscription_goes_the_way_of_the_readme,
    a_confirmation_code_is_asked_for,
    orders_are_held_released_and_cancelled,
    a_card_is_served_over_tcp_and_stdio,
    names_that_dns_does_not_know_are_reached,
    settings_are_refused_with_their_line,
    a_batch_with_faults_is_refused_whole,
    a_ready_made_package_is_ingested,
    pki_init_does_not_overwrite,
    every_subcommand_has_help_and_a_test,
);

fn demo_shows_a_whole_download() {
    let folder = tempfile::tempdir().unwrap();
    let told = simyard(folder.path(), &["demo", "--dir", "here"]).ok();
    for step in [
        "ES2+.DownloadOrder",
        "ES2+.ConfirmOrder",
        "LPA:1$localhost:",
        "ES9+.InitiateAuthentication",
        "ES9+.AuthenticateClient",
        "ES9+.GetBoundProfilePackage",
        "ES9+.HandleNotification",
        "ES10c.EnableProfile",
        "order Installed, profile Enabled on EID 89049032000000000000279973200019",
        "EF.ICCID by APDU",
        "EF.IMSI by APDU",
        "EF.SPN by APDU",
        "AUTHENTICATE: RES",
    ] {
        assert!(told.contains(step), "no {step} in:\n{told}");
    }
    assert!(told.lines().any(|line| line.contains('█')), "a QR code");
    assert!(told.lines().last().unwrap().contains("6 checks held"), "{told}");
    let keys = std::fs::read_to_string(folder.path().join("here/batch.csv")).unwrap();
    let key = keys.lines().nth(1).unwrap().split(',').nth(2).unwrap();
    assert!(!told.contains(key), "a key was printed");
    assert!(folder.path().join("here/simyard.db").exists());
    #[cfg(unix)]
    for (name, mode) in [("here", 0o700), ("here/batch.csv", 0o600)] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name} has mode {found:o}");
    }
}

fn demo_takes_every_published_test_profile() {
    let Some(vectors) = harness::vectors("test profiles of TS.48") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(vectors.join("ts48")).unwrap() {
        let file = entry.unwrap().path();
        let told = simyard(folder.path(), &["demo", "--profile", file.to_str().unwrap()]).ok();
        assert!(told.lines().last().unwrap().contains("5 checks held"), "{}: {told}", file.display());
        assert!(told.contains("8900012345678901234") || told.contains("8900012345678901235"), "{told}");
        count += 1;
    }
    assert_eq!(count, 8);
}

fn demo_tells_what_is_wrong_with_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text"), "no package").unwrap();
    let run = simyard(folder.path(), &["demo", "--profile", "text"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.lines().last().unwrap().starts_with('✗'), "{}", run.stderr);
    assert!(!run.stdout.contains('✗'), "{}", run.stdout);
    let told = simyard(folder.path(), &["demo", "--dir", "."]).fails(1);
    assert!(told.contains("not empty"), "{told}");
    simyard(folder.path(), &["demo", "--nonsense"]).fails(2);
}

fn demo_keeps_its_server_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(folder.path(), &["demo", "--keep", "--dir", "kept"]);
    let told = demo.wait_for("The server runs on");
    demo.wait_for("Ctrl-C ends it");
    let es2plus = told.split("ES2+ ").nth(1).unwrap().split('.').next().unwrap();
    let kept = folder.path().join("kept");
    let order = ["es2plus", "--server", es2plus, "--json", "download-order", "--profile-type", "iot"];
    assert_eq!(simyard(&kept, &order).json()["iccid"], json!("89882801000000000022"));
    assert_eq!(demo.terminate(), Some(0));
    assert!(kept.join("pki/ci.pem").exists());
}

fn demo_orders_no_second_profile_where_there_is_one() {
    let Some(vectors) = harness::vectors("a test profile of TS.48") else { return };
    let file = vectors.join("ts48/TS48v1_A.der");
    let folder = tempfile::tempdir().unwrap();
    for (arguments, orders) in [(&["demo", "--keep"][..], true), (&["demo", "--keep", "--profile"], false)] {
        let mut arguments = arguments.to_vec();
        if !orders {
            arguments.push(file.to_str().unwrap());
        }
        let kept = format!("kept-{orders}");
        arguments.extend(["--dir", &kept]);
        let mut demo = Running::start(folder.path(), &arguments);
        demo.wait_for("The server runs on");
        // The first command that is offered.
        let first = demo.wait_for("&& simyard");
        assert_eq!(first.contains("download-order"), orders, "{first}");
        assert_eq!(first.contains("lpa --card card list"), !orders, "{first}");
        demo.wait_for("Ctrl-C ends it");
        assert_eq!(demo.terminate(), Some(0));
    }
}

fn logs_that_are_redirected_have_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["demo"]).env("RUST_LOG", "info").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("INFO"), "nothing was logged: {log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

fn one_subscription_goes_the_way_of_the_readme() {
    let yard = Yard::new();
    let receipt = yard.run(&["ingest", "batch.csv", "--profile-type", "iot", "--json"]).json();
    assert_eq!(receipt["profiles"], json!(3));
    let server = yard.serve();
    assert_eq!(
        yard.es2plus(&["download-order", "--profile-type", "iot"]).json()["iccid"],
        json!(ICCIDS[0]),
        "the first in the order of the digits"
    );
    let code = yard.order(ICCIDS[1]);
    let told = yard.run(&["card", "new", "card", "--pki", "pki"]).ok();
    assert!(told.contains("89049032000000000000279973200019"), "{told}");
    let lpa = |arguments: &[&str]| {
        let mut all = vec!["lpa", "--card", "card"];
        all.extend(arguments);
        yard.run(&all)
    };
    assert!(lpa(&["info"]).ok().contains("89049032000000000000279973200019"));
    let report = lpa(&["download", &code, "--imei", "356938035643809", "--json"]).json();
    assert_eq!(report["iccid"], json!(ICCIDS[1]));
    let list = lpa(&["list", "--json"]).json();
    assert_eq!(list[0]["iccid"], json!(ICCIDS[1]), "{list}");
    assert!(lpa(&["list"]).ok().contains("disabled"));
    lpa(&["enable", ICCIDS[1]]).ok();
    let told = lpa(&["enable", ICCIDS[1]]).fails(1);
    assert!(told.starts_with("error: ") && told.contains("profileNotInDisabledState"), "{told}");
    assert!(lpa(&["notifications"]).ok().contains("enable"));
    lpa(&["notifications", "list", "--json"]).json();
    lpa(&["notifications", "send"]).ok();
    lpa(&["disable", ICCIDS[1]]).ok();
    lpa(&["delete", ICCIDS[1]]).ok();
    lpa(&["notifications", "send", "--json"]).json();
    assert_eq!(lpa(&["list", "--json"]).json(), json!([]));
    assert!(lpa(&["download", &code]).fails(1).contains("8.2.6/3.8"), "the code was used");
    let shown = yard.run(&["card", "show", "card", "--json"]).json();
    assert_eq!(shown["eid"], json!("89049032000000000000279973200019"), "{shown}");
    assert!(yard.run(&["card", "show", "card"]).ok().contains("EID"));
    assert_eq!(server.terminate(), Some(0));
}

fn a_confirmation_code_is_asked_for() {
    let yard = Yard::new();
    yard.run(&["ingest", "batch.csv"]).ok();
    let _server = yard.serve();
    yard.es2plus(&["download-order", "--iccid", ICCIDS[0]]).ok();
    let answer = yard.es2plus(&["confirm-order", "--iccid", ICCIDS[0], "--confirmation-code", "4711"]).json();
    let code = answer["activationCode"].as_str().unwrap();
    assert!(code.ends_with("$$1"), "{code}");
    yard.run(&["card", "new", "card", "--pki", "pki"]).ok();
    let download = |more: &[&str]| {
        let mut all = vec!["lpa", "--card", "card", "download", code];
        all.extend(more);
        yard.run(&all)
    };
    assert!(download(&[]).fails(1).contains("--confirmation-code"));
    assert!(download(&["--confirmation-code", "0815"]).fails(1).contains("8.2.7/3.8"));
    download(&["--confirmation-code", "4711"]).ok();
}

fn orders_are_held_released_and_cancelled() {
    let yard = Yard::new();
    yard.run(&["ingest", "batch.csv"]).ok();
    let _server = yard.serve();
    let eid = "89049032000000000000279973200019";
    yard.run(&["card", "new", "card", "--pki", "pki"]).ok();
    let address = format!("localhost:{}", yard.es9plus);
    yard.es2plus(&["download-order", "--iccid", ICCIDS[0], "--eid", eid]).ok();
    let confirm = ["confirm-order", "--iccid", ICCIDS[0], "--eid", eid, "--matching-id", "", "--hold"];
    assert_eq!(yard.es2plus(&confirm).json()["matchingId"], json!(""));
    let download = ["lpa", "--card", "card", "download", "--address", &address];
    assert!(yard.run(&download).fails(1).contains("8.2/1.2"), "not released");
    yard.es2plus(&["release-profile", "--iccid", ICCIDS[0]]).ok();
    assert!(yard.es2plus(&["cancel-order", "--iccid", ICCIDS[0]]).fails(1).contains("8.1.1/3.10"));
    yard.run(&download).ok();

    yard.es2plus(&["download-order", "--iccid", ICCIDS[1]]).ok();
    yard.es2plus(&["confirm-order", "--iccid", ICCIDS[1], "--matching-id", "TOKEN-1"]).ok();
    let cancel =
        ["cancel-order", "--iccid", ICCIDS[1], "--matching-id", "TOKEN-1", "--final-status", "Unavailable"];
    yard.es2plus(&cancel).ok();
    let refused = ["lpa", "--card", "card", "download", "--address", &address, "--matching-id", "TOKEN-1"];
    assert!(yard.run(&refused).fails(1).contains("8.2.6/3.8"));
    let smds = ["confirm-order", "--iccid", ICCIDS[1], "--smds-address", "smds.example.com"];
    assert!(yard.es2plus(&smds).fails(1).contains('/'));
    let other = [
        "es2plus",
        "--server",
        &address,
        "--cert",
        "pki/device.pem",
        "--key",
        "pki/device.key.pem",
        "download-order",
        "--iccid",
        ICCIDS[2],
    ];
    yard.run(&other).fails(1);
}

fn a_card_is_served_over_tcp_and_stdio() {
    let yard = Yard::new();
    yard.run(&["card", "new", "card", "--pki", "pki"]).ok();
    let mut served = Running::start(yard.path(), &["card", "serve", "card", "--tcp", "0"]);
    let told = served.wait_for("127.0.0.1:");
    let address =
        told.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap().trim_end_matches('.');
    assert!(yard.run(&["lpa", "--tcp", address, "info"]).ok().contains("89049032"));
    assert!(yard.run(&["card", "show", "card"]).fails(1).contains("card"), "in use by another process");
    drop(served);

    let mut stdio = command(yard.path(), &["card", "serve", "card", "--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = stdio.stdin.take().unwrap();
    for line in [
        json!({"type": "apdu", "payload": {"func": "connect", "param": null}}),
        json!({"type": "progress", "payload": {"code": 0}}),
        json!({"type": "apdu", "payload": {"func": "logic_channel_open", "param": "A0000005591010FFFFFFFF8900000100"}}),
        json!({"type": "apdu", "payload": {"func": "transmit", "param": "81E2910006BF3E035C015A"}}),
        json!({"type": "http", "payload": {"url": "https://smdp.example.com", "tx": "", "headers": []}}),
        json!({"type": "apdu", "payload": {"func": "disconnect", "param": null}}),
    ] {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let answers: Vec<Value> = read_all(stdio.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(stdio.wait().unwrap().success());
    assert_eq!(answers.len(), 5, "progress gets no answer: {answers:?}");
    assert_eq!(answers[1]["payload"]["ecode"], json!(1));
    let data = answers[2]["payload"]["data"].as_str().unwrap().to_uppercase();
    assert!(data.starts_with("BF3E125A1089049032"), "{data}");
    assert_ne!(answers[3]["payload"]["rcode"], json!(200), "http lines are refused");
}

fn names_that_dns_does_not_know_are_reached() {
    let yard = Yard::new();
    let settings = std::fs::read_to_string(yard.file("simyard.toml")).unwrap();
    let named = settings.replace(
        &format!("addresses = [\"localhost:{}\"]", yard.es9plus),
        "addresses = [\"smdp.example.com\"]",
    );
    std::fs::write(yard.file("simyard.toml"), named).unwrap();
    yard.run(&["pki", "init", "pki", "--force", "--host", "smdp.example.com", "--host", "localhost"]).ok();
    yard.run(&["ingest", "batch.csv"]).ok();
    let _server = yard.serve();
    let code = yard.order(ICCIDS[0]);
    assert!(code.starts_with("LPA:1$smdp.example.com$"), "{code}");
    yard.run(&["card", "new", "card", "--pki", "pki"]).ok();
    let connect_to = format!("smdp.example.com=127.0.0.1:{}", yard.es9plus);
    yard.run(&["lpa", "--card", "card", "--connect-to", &connect_to, "download", &code]).ok();
    let es2plus = format!("other.example.com=127.0.0.1:{}", yard.es2plus);
    let told = yard
        .run(&[
            "es2plus",
            "--server",
            "other.example.com",
            "--connect-to",
            &es2plus,
            "release-profile",
            "--iccid",
            ICCIDS[1],
        ])
        .fails(1);
    assert!(told.contains("other.example.com"), "the certificate is for another name: {told}");
}

fn settings_are_refused_with_their_line() {
    let yard = Yard::new();
    std::fs::write(yard.file("simyard.toml"), "store = \"x.db\"\n\nci = [\"nothing.pem\"]\n").unwrap();
    let told = yard.run(&["serve", "--config", "simyard.toml"]).fails(1);
    assert!(told.contains("simyard.toml:3: ci") && told.contains("nothing.pem"), "{told}");
    std::fs::write(yard.file("simyard.toml"), "stroe = \"x.db\"\n").unwrap();
    let told = yard.run(&["serve"]).fails(1);
    assert!(told.contains("line 1") && told.contains("stroe"), "{told}");
    assert!(yard.run(&["serve", "--config", "none.toml"]).fails(1).contains("none.toml"));
    std::fs::copy(yard.file("pki/dp-pb.key.pem"), yard.file("pki/dp-auth.key.pem")).unwrap();
    std::fs::remove_file(yard.file("simyard.toml")).unwrap();
    assert!(yard.run(&["serve"]).fails(1).contains("CERT.DPauth"));
}

fn a_batch_with_faults_is_refused_whole() {
    let yard = Yard::new();
    let batch = std::fs::read_to_string(yard.file("batch.csv")).unwrap();
    let faulty = batch.replace("901405100000001", "90140510000000X").replace(",1234,", ",12,");
    std::fs::write(yard.file("faulty.csv"), faulty).unwrap();
    let told = yard.run(&["ingest", "faulty.csv"]).fails(1);
    assert!(told.contains("line 2") && told.contains("pin1") && told.contains("nothing was taken"), "{told}");
    assert!(!told.contains("465b5ce8"), "a key was told");
    yard.run(&["ingest", "batch.csv"]).ok();
    let told = yard.run(&["ingest", "batch.csv"]).fails(1);
    assert!(told.contains("stock"), "a second time: {told}");
    assert!(yard.run(&["ingest", "absent.csv"]).fails(1).contains("absent.csv"));
    assert!(yard.run(&["ingest", "batch.csv", "--profile-type", "other"]).fails(1).contains("iot"));
}

fn a_ready_made_package_is_ingested() {
    let Some(vectors) = harness::vectors("a test profile of TS.48") else { return };
    let yard = Yard::new();
    let package = vectors.join("ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der");
    let receipt = yard.run(&["ingest", package.to_str().unwrap(), "--json"]).json();
    assert_eq!(receipt["first_iccid"], json!("89000123456789012341"));
}

fn pki_init_does_not_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let eid = "89044045930000000000002153893210";
    simyard(folder.path(), &["pki", "init", "pki", "--host", "smdp.example.com", "--eid", eid]).ok();
    let before = std::fs::read(folder.path().join("pki/ci.pem")).unwrap();
    assert!(simyard(folder.path(), &["pki", "init", "pki"]).fails(1).contains("--force"));
    assert_eq!(std::fs::read(folder.path().join("pki/ci.pem")).unwrap(), before);
    let told = simyard(folder.path(), &["card", "new", "card", "--pki", "pki"]).ok();
    assert!(told.contains(eid), "{told}");
    let other = "89044045930000000000002153893307";
    let told = simyard(folder.path(), &["card", "new", "card2", "--pki", "pki", "--eid", other]);
    assert!(told.code == Some(0) && told.stdout.contains(other), "{}", told.stderr);
}

/// The subcommands that the tests of this crate run; a new one must be run and added.
const RUN: &[&str] = &[
    "bench",
    "bench download",
    "card",
    "card new",
    "card serve",
    "card show",
    "demo",
    "es2plus",
    "es2plus cancel-order",
    "es2plus confirm-order",
    "es2plus download-order",
    "es2plus release-profile",
    "ingest",
    "lpa",
    "lpa delete",
    "lpa disable",
    "lpa download",
    "lpa enable",
    "lpa info",
    "lpa list",
    "lpa notifications",
    "lpa notifications list",
    "lpa notifications send",
    "pki",
    "pki init",
    "serve",
];

fn every_subcommand_has_help_and_a_test() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = BTreeSet::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = simyard(folder.path(), &arguments).ok();
        let commands = help.split("Commands:\n").nth(1).map_or("", |rest| rest.split("\n\n").next().unwrap());
        for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                let mut below = path.clone();
                below.push(name.to_owned());
                found.insert(below.join(" "));
                open.push(below);
            }
        }
    }
    let run: BTreeSet<String> = RUN.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, run);
    let readme = include_str!("../README.md");
    for name in &found {
        let last = name.split(' ').next_back().unwrap();
        assert!(readme.contains(last), "{name} is not in README.md");
    }
}
