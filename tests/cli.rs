//! The command `simyard` as a user runs it: every command and every option, exit codes, and what is said where.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::binary::{HOST, ICCIDS, Place, Running, SETTINGS, batch, command};
use crate::harness::{left_out, vectors};

pub mod admin;
pub mod audit;
pub mod callbacks;
pub mod campaign;
pub mod card;
pub mod card_eim;
pub mod doctor;
pub mod eim;
pub mod inventory;
pub mod ipa;
pub mod label;
pub mod order;
pub mod personalise;
pub mod pools;
pub mod profile;
pub mod simulate;
pub mod stock;
pub mod sub_class;
pub mod switch;
pub mod webhook;

crate::tests!(
    every_command_teaches_and_is_run_by_a_test,
    wrong_usage_has_exit_code_2,
    demo_holds_every_check_and_cleans_up,
    demo_keeps_its_folder_and_its_server_until_it_is_told_to_end,
    demo_takes_each_published_profile_package,
    demo_orders_no_second_profile_where_there_is_one,
    logs_that_are_redirected_have_no_colours,
    pki_init_writes_a_pki_and_spares_what_is_there,
    serve_names_the_line_of_a_wrong_setting,
    ingest_takes_a_file_whole_or_names_what_is_wrong,
    one_subscription_goes_the_way_of_the_readme,
    every_option_of_an_order_reaches_the_server,
    a_card_is_served_over_tcp_and_stdio,
    bench_measures_a_few_downloads,
);

const EID: &str = "89049032000000000000279973200019";

/// The commands below a help text, with the options of each.
fn commands(path: &[String], found: &mut Vec<(Vec<String>, BTreeSet<String>)>) {
    let output = command(Path::new("."), &[]).args(path).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{path:?} --help");
    assert!(text.contains("Usage: simyard"), "{path:?}: {text}");
    assert!(text.lines().next().is_some_and(|line| line.len() > 10), "{path:?} says what it does: {text}");
    let mut below = Vec::new();
    let mut section = "";
    let mut options = BTreeSet::new();
    for line in text.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            section = line;
        }
        let word = line.split_whitespace().next().unwrap_or_default();
        if section == "Commands:" && line.starts_with("  ") && !line.starts_with("   ") && word != "help" {
            below.push(word.to_owned());
        }
        if section == "Options:" {
            let long = line.split_whitespace().find(|word| word.starts_with("--"));
            let is_entry = line.trim_start().starts_with('-');
            options.extend(long.filter(|_| is_entry).map(|word| word.trim_end_matches('.').to_owned()));
        }
    }
    if below.is_empty() {
        found.push((path.to_vec(), options));
    }
    for name in below {
        commands(&[path, &[name]].concat(), found);
    }
}

/// The command lines of a file of tests: its string literals, as words; a name in braces is whatever a variable of this name
/// holds.
fn command_lines(source: &str) -> Vec<Vec<&str>> {
    let pieces: Vec<&str> = source.split('"').collect();
    let literals: Vec<Vec<&str>> = pieces.iter().map(|text| text.split_whitespace().collect()).collect();
    let mut variables: BTreeMap<String, Vec<&Vec<&str>>> = BTreeMap::new();
    for (before, literal) in pieces.iter().zip(literals.iter().skip(1)) {
        let words: Vec<&str> = before.split_whitespace().collect();
        if let [.., "let", name, "="] | [.., "let", name, "=", "format!("] = words.as_slice() {
            variables.entry(format!("{{{name}}}")).or_default().push(literal);
        }
    }
    let mut lines = Vec::new();
    for literal in &literals {
        let held = literal.first().and_then(|first| variables.get(*first));
        for beginning in held.into_iter().flatten() {
            lines.push(beginning.iter().chain(literal.iter().skip(1)).copied().collect());
        }
        let expand = |word: &&'_ str| variables.get(*word).and_then(|held| held.first()).copied();
        lines.push(
            literal.iter().flat_map(|word| expand(word).map_or_else(|| vec![*word], Clone::clone)).collect(),
        );
    }
    lines
}

/// Whoever adds a command or an option adds a run of it to this file.
fn every_command_teaches_and_is_run_by_a_test() {
    let mut all = Vec::new();
    commands(&[], &mut all);
    assert!(all.len() > 15, "{all:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()));
    let sources: Vec<String> = files.map(Result::unwrap).chain([include_str!("cli.rs").to_owned()]).collect();
    let lines: Vec<Vec<&str>> = sources.iter().flat_map(|source| command_lines(source)).collect();
    let is_run = |path: &[String], option: Option<&str>| {
        lines.iter().any(|words| {
            // Whole, or behind what a test puts in front of all its commands.
            let whole = words.first() == path.first().map(String::as_str).as_ref()
                && path.iter().all(|word| words.contains(&word.as_str()));
            let named =
                whole || (path.len() > 1 && words.first() == path.last().map(String::as_str).as_ref());
            named && option.is_none_or(|option| words.contains(&option))
        })
    };
    let mut missing = Vec::new();
    for (path, options) in &all {
        if !is_run(path, None) {
            missing.push(path.join(" "));
        }
        for option in options {
            let everywhere = ["--help", "--version", "--verbose"].contains(&option.as_str());
            if !everywhere && !is_run(path, Some(option)) && !is_run(&path[..1], Some(option)) {
                missing.push(format!("{} {option}", path.join(" ")));
            }
        }
    }
    assert!(missing.is_empty(), "no test of this file runs: {missing:#?}");
    let version = Place::new().run("--version");
    assert_eq!(version.ok().trim(), format!("simyard {}", env!("CARGO_PKG_VERSION")));
    assert!(Place::new().run("help es2plus").ok().contains("confirm-order"));
}

fn wrong_usage_has_exit_code_2() {
    let place = Place::new();
    for line in [
        "",
        "fly",
        "demo --profile",
        "serve --listen 1",
        "ingest",
        "es2plus",
        "es2plus download-order",
        "es2plus confirm-order --iccid 12",
        "es2plus --connect-to nowhere release-profile --iccid 89882801000000000014",
        "es2plus cancel-order --iccid 89882801000000000014 --final-status Gone",
        "pki init",
        "pki init x --eid 123",
        "card new",
        "card new x",
        "card new x --pki pki --euicc-cert y",
        "card serve x",
        "card serve x --tcp 1 --stdio",
        "lpa list",
        "lpa --card x download nonsense",
        "lpa --card x --tcp y list",
        "lpa --card x --binding xml list",
        "lpa --card x enable 1",
        "profile lint",
        "profile lint x --allow order/none",
        "profile lint x --rules",
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line:?}: {run:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{line:?}: {run:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "and nothing is left behind");
}

fn demo_holds_every_check_and_cleans_up() {
    let place = Place::new();
    let temporary = place.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let output = place.command("demo").env("TMPDIR", &temporary).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for step in [
        "test PKI",
        "ingest",
        "ES2+.DownloadOrder",
        "ES2+.ConfirmOrder",
        "LPA:1$localhost:",
        "ES9+.InitiateAuthentication",
        "ES9+.AuthenticateClient",
        "ES9+.GetBoundProfilePackage",
        "ES9+.HandleNotification",
        "EnableProfile",
        "server's view",
        "EF.ICCID",
        "EF.IMSI",
        "EF.SPN",
        "AUTHENTICATE",
    ] {
        assert!(text.contains(step), "{step} is not told: {text}");
    }
    assert!(text.lines().last().unwrap().contains("checks held"), "{text}");
    assert!(text.contains('█') || text.contains('▀'), "the code is drawn: {text}");
    assert!(!text.contains('\u{1B}'), "colours are for terminals");
    assert!(
        text.contains("order Installed, profile Enabled on EID 89049032000000000000279973200019"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "its folder is removed");

    // In a folder of the user's, which must be empty.
    let told = place.run("demo --dir yard").ok();
    for name in ["simyard.toml", "simyard.db", "batch.csv", "pki/ci.pem", "card/card.json"] {
        assert!(place.path().join("yard").join(name).exists(), "{name}");
    }
    #[cfg(unix)]
    for (name, mode) in [("yard", 0o700), ("yard/batch.csv", 0o600)] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name} has mode {found:o}");
    }
    let rows = std::fs::read_to_string(place.path().join("yard/batch.csv")).unwrap();
    let key = rows.lines().nth(1).unwrap().split(',').nth(2).unwrap();
    assert!(!told.contains(key), "a key was printed");
    place.run("demo --dir yard").failed("not empty");
    // What is no package is refused with its name.
    place.write("none.der", "no package");
    let run = place.run("demo --profile none.der");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.lines().last().unwrap().starts_with('✗') && !run.stdout.contains('✗'), "{run:?}");
    let run = place.run("demo --profile absent.der");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("absent.der"), "{run:?}");
}

fn demo_keeps_its_folder_and_its_server_until_it_is_told_to_end() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let running = place.start("demo --keep --dir yard", "Ctrl-C");
        let text = running.printed.join("\n");
        // The commands that it prints work while it runs.
        let order = text.lines().find(|line| line.contains("download-order")).unwrap();
        let words = order.split_once("simyard ").unwrap().1;
        let words: Vec<&str> = words.split_whitespace().collect();
        let run = command(&place.path().join("yard"), &words).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        assert_eq!(running.end(signal), Some(0), "{signal}");
        assert!(place.path().join("yard/simyard.db").exists());
        place.write("after", "");
    }
}

fn demo_orders_no_second_profile_where_there_is_one() {
    let Some(folder) = vectors("a test profile of TS.48") else { return };
    let package = folder.join("ts48/TS48v1_A.der");
    for (profile, orders) in [(String::new(), true), (format!(" --profile {}", package.display()), false)] {
        let place = Place::new();
        let running = place.start(&format!("demo --keep --dir yard{profile}"), "Ctrl-C");
        let first = running.printed.iter().find(|line| line.contains("&& simyard")).unwrap();
        assert_eq!(first.contains("download-order"), orders, "{first}");
        assert_eq!(first.contains("lpa --card card list"), !orders, "{first}");
        assert_eq!(running.terminate(), Some(0));
    }
}

fn logs_that_are_redirected_have_no_colours() {
    let place = Place::new();
    let output = place.command("demo").env("RUST_LOG", "info").env_remove("NO_COLOR").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("INFO"), "nothing was logged: {log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

fn demo_takes_each_published_profile_package() {
    let Some(folder) = vectors("the published profile packages") else { return };
    let place = Place::new();
    let mut packages: Vec<PathBuf> =
        std::fs::read_dir(folder.join("ts48")).unwrap().map(|entry| entry.unwrap().path()).collect();
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "der"));
    assert!(packages.len() >= 8, "{packages:?}");
    for package in packages {
        let run = place.run(&format!("demo --profile {}", package.display()));
        assert!(run.ok().lines().last().unwrap().contains("checks held"), "{}: {run:?}", package.display());
    }
}

fn pki_init_writes_a_pki_and_spares_what_is_there() {
    let place = Place::new();
    place.run(&format!("pki init pki --host a.example.com --host b.example.com --eid {EID}")).ok();
    let names = ["ci", "eum", "euicc", "dp-auth", "dp-pb", "dp-tls", "operator", "manufacturer", "device"];
    let names = names.into_iter().chain(["eim-ca", "eim-sign", "eim-tls", "device-ca"]);
    for name in names {
        for file in [format!("pki/{name}.pem"), format!("pki/{name}.key.pem")] {
            assert!(place.path().join(&file).exists() || file == "pki/ci.key.pem", "{file}");
        }
    }
    assert!(std::fs::read_dir(place.path().join("pki/wrong")).unwrap().count() > 40);
    let ci = || std::fs::read(place.path().join("pki/ci.pem")).unwrap();
    let before = ci();
    place.run("pki init pki").failed("pki");
    assert_eq!(ci(), before);
    place.run("pki init pki --force").ok();
    assert_ne!(ci(), before);
    place.run("pki init other --host https://x").failed("https://x");
}

fn serve_names_the_line_of_a_wrong_setting() {
    let place = Place::furnished();
    let settings = SETTINGS.split_once('\n').unwrap().1;
    let with = |line: usize, text: &str| {
        let mut lines: Vec<&str> = settings.lines().collect();
        lines[line - 1] = text;
        lines.join("\n")
    };
    for (text, says) in [
        (with(1, "addresses = [\"a b\"]"), "simyard.toml:1: addresses"),
        (with(1, "addresses = []"), "simyard.toml: addresses"),
        (with(3, "listen = \"8443\""), "simyard.toml:3: es9plus"),
        (with(3, "client_ca = [\"pki/ci.pem\"]"), "simyard.toml:3: es9plus.client_ca"),
        (with(3, "certificate = \"pki/none.pem\""), "simyard.toml:3: certificate"),
        (with(3, "key = \"pki/operator.key.pem\""), "simyard.toml"),
        (with(3, "max_connections = 0"), "simyard.toml:3: max_connections"),
        (with(8, "oid = \"2.999.x\""), "simyard.toml:8: operator.oid"),
        (with(8, "certificate_sha256 = \"00\""), "simyard.toml:8: operator.certificate_sha256"),
        (with(8, ""), "simyard.toml:7: operator"),
        (with(13, "template = \"none.der\""), "simyard.toml:13"),
        (with(13, "nonsense = 1"), "line 13"),
        (with(13, "class = \"golden\""), "line 13"),
        (with(9, "[[profile_type]"), "line 9"),
        (format!("{settings}[limits]\ndownload_attempts = 0\n"), "simyard.toml:15: limits.download_attempts"),
        (
            format!("ci = [\"pki/eum.pem\"]\n{settings}"),
            "simyard.toml:1: ci: the certificate \"Simyard TEST EUM\"",
        ),
        (format!("crl = [\"pki/ci.pem\"]\n{settings}"), "simyard.toml:1: crl: "),
        (format!("crl = [\"none.crl\"]\n{settings}"), "none.crl"),
        (format!("ci = [\"pki/ci-brp.pem\"]\n{settings}"), "is not trusted"),
        (
            format!("{settings}[[identity]]\ndp_auth_certificate = \"pki/dp-pb.pem\"\n"),
            "simyard.toml:15: dp_auth_certificate",
        ),
        (format!("{settings}[[identity]]\ndp_auth_key = \"pki/dp-pb.key.pem\"\n"), "private key"),
        (format!("store = \"mysql://x\"\n{settings}"), "mysql"),
        (format!("store = \"sqlite:no/such/folder.db\"\n{settings}"), "no/such/folder.db"),
        (format!("sealing_key = \"batch.csv\"\n{settings}"), "simyard.toml:1: sealing_key"),
    ] {
        place.write("simyard.toml", &text);
        place.run("serve --config simyard.toml").failed(says);
        assert!(!place.path().join("simyard.db").exists() || says != "simyard.toml:1: addresses");
    }
    place.run("serve --config absent.toml").failed("absent.toml");
    // A port that is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    place.write("simyard.toml", &with(3, &format!("listen = \"127.0.0.1:{port}\"")));
    place.run("serve --config simyard.toml").failed(&format!("127.0.0.1:{port}"));
    // And right ones: it runs, and ends with its caller, who is gone already.
    place.write("simyard.toml", SETTINGS);
    let told = place.run("serve --config simyard.toml --end-with-stdin -v").ok();
    assert!(told.contains("ES9+ on 127.0.0.1:") && told.contains("ES2+ on "), "{told}");
}

fn ingest_takes_a_file_whole_or_names_what_is_wrong() {
    let place = Place::furnished();
    let header = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n";
    let good = batch();
    for (file, says) in [
        (String::new(), "bad.csv"),
        ("a,b,c\n1,2,3\n".to_owned(), "iccid"),
        (good.replace("901405100000002", "9014x"), "line 3, imsi"),
        (good.replace("465b5ce8b199b49faa5f0a2ee238a6bc", "465b"), "line 2, ki"),
        (good.replace(ICCIDS[2], ICCIDS[1]), "line 4, iccid 8988280…022: stands in line 3 already"),
        (format!("{header}{}\n", ["x"; 9].join(",")), "line 2"),
    ] {
        place.write("bad.csv", &file);
        let run = place.run("ingest bad.csv --profile-type iot");
        run.failed(says);
        assert!(!run.stderr.contains("465b5ce8"), "no key is told: {}", run.stderr);
    }
    place.run("ingest absent.csv --profile-type iot").failed("absent.csv");
    place.run("ingest batch.csv --profile-type none").failed("iot");
    // Nothing of it is in the stock: the whole batch goes in, once.
    let receipt =
        place.run("ingest batch.csv --config simyard.toml --profile-type iot --by anna --json").json();
    let told = place.run("audit list --last 1").ok();
    assert!(told.contains("person anna  batch.publish  batch "), "{told}");
    assert!(told.contains("3 profiles of type iot, 0 rows refused"), "{told}");
    assert_eq!((&receipt["profiles"], &receipt["profile_type"]), (&json!(3), &json!("iot")));
    assert_eq!(receipt["first_iccid"], ICCIDS[0]);
    // The same delivery again changes nothing; its rows in another file are refused, one by one.
    assert!(place.run("ingest batch.csv").ok().starts_with("taken before, nothing was changed: batch "));
    let (head, last) = (good.lines().next().unwrap(), good.lines().last().unwrap());
    let fresh = last.replace(ICCIDS[2], "89882801000000000923").replace("901405100000003", "901405100000923");
    assert_ne!(fresh, last);
    place.write("mixed.csv", &format!("{head}\n{fresh}\n{last}\n"));
    place
        .run("ingest mixed.csv --refusals refused.csv")
        .failed("line 3, iccid 8988280…030: is in the stock already");
    let refused = std::fs::read_to_string(place.path().join("refused.csv")).unwrap();
    assert!(
        refused.starts_with("line,field,value,reason\r\n3,iccid,8988280…030,is in the stock already\r\n")
    );
    place.run("ingest mixed.csv --dry-run").failed("1 of 2 rows would be refused");
    let batch = "ingest mixed.csv --manufacturer sims --batch-id 567";
    let receipt = place.run(&format!("{batch} --partial --json")).json();
    assert_eq!((&receipt["profiles"], &receipt["refused"]), (&json!(1), &json!(1)), "{receipt}");
    assert_eq!((&receipt["manufacturer"], &receipt["delivery_id"]), (&json!("sims"), &json!("567")));
    assert!(place.run(batch).ok().starts_with("taken before"));
    place.run("ingest batch.csv --manufacturer sims --batch-id 567").failed("another file");
    // Ready-made packages.
    let Some(folder) = vectors("a ready-made package is ingested") else { return };
    place.write("simyard.toml", &format!("{SETTINGS}[[profile_type]]\nname = \"ready\"\nowner = \"acme\"\ntemplate = \"none\"\nclass = \"test\"\n"));
    let package = folder.join("ts48/TS48v4_SAIP2.3_BERTLV.der");
    let package = package.display();
    let run = place.run(&format!("ingest {package} --profile-type ready"));
    assert!(run.ok().contains("batch"), "{run:?}");
    place.run(&format!("ingest {package} --profile-type ready --batch-id 2")).failed("in the stock already");
    let mut cut = std::fs::read(folder.join("ts48/TS48v4_SAIP2.3_BERTLV.der")).unwrap();
    cut.truncate(cut.len() / 2);
    std::fs::write(place.path().join("cut.der"), cut).unwrap();
    place.run("ingest cut.der --profile-type ready").failed("cut.der");
}

/// Options of `es2plus` and `lpa` that lead to a running server.
fn ways(server: &Running) -> (String, String) {
    let es2plus = format!("--server {HOST} --connect-to {HOST}={}", server.address("ES2+ on "));
    let lpa = format!("--connect-to {HOST}={}", server.address("ES9+ on "));
    (es2plus, lpa)
}

fn one_subscription_goes_the_way_of_the_readme() {
    let place = Place::furnished();
    place.run("ingest batch.csv --profile-type iot").ok();
    let server = place.serve();
    let (operator, device) = ways(&server);
    let order = place.run(&format!("es2plus {operator} --json download-order --profile-type iot")).json();
    let iccid = order["iccid"].as_str().unwrap().to_owned();
    let answer = place.run(&format!("es2plus {operator} --json confirm-order --iccid {iccid}")).json();
    let code = answer["activationCode"].as_str().unwrap();
    assert!(code.starts_with("LPA:1$smdp.example.com$"), "{code}");
    place.run("card new card --pki pki").ok();
    place.run("card new card --pki pki").failed("card");
    let card = place.run("card show card --json").json();
    assert_eq!((&card["eid"], card["profiles"].as_array().unwrap().len()), (&json!(EID), 0));
    assert!(place.run("card show card").ok().contains(EID));
    place.run("card show absent").failed("absent");
    let info = place.run("lpa --card card info --json").json();
    assert_eq!(info["eid"], EID);
    assert!(place.run("lpa info --card card").ok().contains(EID));

    let report =
        place.run(&format!("lpa --card card {device} --ca pki/ci.pem --json download {code}")).json();
    assert_eq!(report["iccid"], iccid, "{report}");
    let again = place.run(&format!("lpa --card card {device} download {code}"));
    again.failed("8.2.6/3.8");
    let list = |state: &str| {
        let list = place.run("lpa --card card list --json").json();
        let profiles =
            list.as_array().cloned().unwrap_or_else(|| list["profiles"].as_array().unwrap().clone());
        assert_eq!(profiles.len(), 1, "{list}");
        assert_eq!((&profiles[0]["iccid"], &profiles[0]["state"]), (&json!(iccid), &json!(state)), "{list}");
    };
    list("disabled");
    assert!(place.run("lpa --card card list").ok().contains(&iccid));
    place.run(&format!("lpa --card card enable {iccid}")).ok();
    list("enabled");
    place.run(&format!("lpa --card card delete {iccid}")).failed("profileNotInDisabledState");
    place.run(&format!("lpa --card card enable {iccid} --json")).failed("profileNotInDisabledState");
    place.run(&format!("lpa --card card disable {iccid} --json")).json();
    place.run(&format!("lpa --card card delete {iccid} --json")).json();
    place.run(&format!("lpa --card card disable {iccid}")).failed("iccidOrAidNotFound");
    let waiting = place.run("lpa --card card notifications --json").json();
    let waiting =
        waiting.as_array().cloned().unwrap_or_else(|| waiting["notifications"].as_array().unwrap().clone());
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    assert!(!place.run("lpa --card card notifications list").ok().is_empty());
    place
        .run(&format!("lpa --card card --connect-to {HOST}=127.0.0.1:1 notifications send"))
        .failed("wait on");
    place.run(&format!("lpa --card card {device} notifications send --json")).json();
    assert_eq!(place.run("card show card --json").json()["notifications"].as_array().map_or(0, Vec::len), 0);

    assert_eq!(server.terminate(), Some(0), "an orderly end");
    place.run(&format!("es2plus {operator} download-order --profile-type iot")).failed("cannot reach");
}

fn every_option_of_an_order_reaches_the_server() {
    let place = Place::furnished();
    place.run("ingest batch.csv").ok();
    let server = place.serve();
    let (operator, device) = ways(&server);
    let files = "--ca pki/ci.pem --cert pki/operator.pem --key pki/operator.key.pem";
    let (one, two) = (ICCIDS[0], ICCIDS[1]);
    let es2plus =
        |line: &str| place.run(&format!("es2plus --requester acme --call-id 1 {operator} {files} {line}"));
    es2plus(&format!("download-order --iccid {one} --eid {EID} --profile-type iot")).ok();
    es2plus(&format!("confirm-order --iccid {one} --smds-address ds.example.com")).failed("8.9/5.1");
    es2plus(&format!("release-profile --iccid {one}")).failed("8.2.1/3.5");
    let text = es2plus(&format!(
        "confirm-order --iccid {one} --eid {EID} --matching-id MINE --confirmation-code 0815 --hold"
    ));
    assert!(text.ok().contains("LPA:1$smdp.example.com$MINE$$1"), "{text:?}");
    es2plus(&format!("release-profile --iccid {one} --json")).json();
    place.run("card new card --pki pki").ok();
    let lpa = |line: &str| place.run(&format!("lpa --card card {device} {line}"));
    lpa("download LPA:1$smdp.example.com$MINE$$1").failed("confirmation code");
    lpa("download LPA:1$smdp.example.com$MINE --confirmation-code 1111").failed("8.2.7/3.8");
    lpa("--binding asn1 download LPA:1$smdp.example.com$YOURS").failed("matchingIdRefused (6)");
    let by_parts = "download --binding asn1 --address smdp.example.com --matching-id MINE \
                    --confirmation-code 0815 --accept-policy-rules --imei 352906111111116";
    assert!(lpa(by_parts).ok().contains(one));
    es2plus(&format!("download-order --iccid {two} --eid {EID}")).ok();
    es2plus(&format!("cancel-order --iccid {two}")).failed("8.1.1/3.10");
    es2plus(&format!("cancel-order --iccid {two} --eid {EID} --final-status Available --json")).json();
    es2plus(&format!("download-order --iccid {two}")).ok();
    es2plus(&format!("confirm-order --iccid {two} --matching-id YOURS")).ok();
    es2plus(&format!("cancel-order --iccid {two} --matching-id YOURS --final-status Unavailable")).ok();
    es2plus(&format!("download-order --iccid {two}")).failed("8.2.1/3.3");
    place
        .run(&format!("es2plus {operator} --cert pki/wrong/operator-expired.pem --key pki/wrong/operator-expired.key.pem release-profile --iccid {one}"))
        .failed(HOST);
    place
        .run(&format!("es2plus {operator} --ca pki/absent.pem release-profile --iccid {one}"))
        .failed("absent.pem");
    place
        .run("es2plus --server localhost:1 release-profile --iccid 89882801000000000014")
        .failed("cannot reach localhost:1");
    // A card of another eUICC of the same PKI, and one without anything to ask.
    let eid = simyard::ident::Eid::with_check_digits("890490320000000000002799732001").unwrap();
    place.run(&format!("card new second --pki pki --eid {eid}")).ok();
    assert_eq!(place.run("card show second --json").json()["eid"], eid.as_str());
    place.run("lpa --card second download").failed("default SM-DP+");
    // From single files instead of a test PKI.
    let files = "card new third --euicc-cert pki/euicc.pem --euicc-key pki/euicc.key.pem --eum-cert pki/eum.pem --ci pki/ci.pem";
    assert!(place.run(files).ok().contains(EID));
    let other_key = files.replace("third", "fourth").replace("euicc.key", "operator.key");
    place.run(&other_key).failed("not for the card's private key");
}

fn a_card_is_served_over_tcp_and_stdio() {
    let place = Place::furnished();
    place.run("card new card --pki pki").ok();
    let running = place.start("card serve card --tcp 0", "card ");
    let address = running.printed[0].split_whitespace().last().unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(place.run(&format!("lpa --tcp {address} info --json")).json()["eid"], EID);
    }
    place.run("card show card").failed("in use");
    drop(running);
    place.run(&format!("lpa --tcp {address} list")).failed(&address);

    let mut child = place
        .command("card serve card --stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in [
        json!({ "type": "apdu", "payload": { "func": "connect", "param": null } }),
        json!({ "type": "lpa", "payload": {} }),
        json!({ "type": "apdu", "payload": { "func": "logic_channel_open", "param": "A0000005591010FFFFFFFF8900000100" } }),
        json!({ "type": "apdu", "payload": { "func": "transmit", "param": "81E2910006BF3E035C015A" } }),
        json!({ "type": "http", "payload": { "url": "https://x/" } }),
    ] {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 4, "a line of progress has no answer: {text}");
    assert_eq!(answers[1]["payload"]["ecode"], 1, "the channel: {text}");
    assert!(answers[2]["payload"]["data"].as_str().unwrap().to_uppercase().contains(EID), "{text}");
    assert_eq!(answers[3]["payload"]["rcode"], 501, "{text}");
}

fn bench_measures_a_few_downloads() {
    // On a disk: what is measured in memory is refused.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    let place = Place::new();
    let run = place.run(&format!(
        "bench download --downloads 10 --concurrency 2 --orders 50 --store sqlite:bench.db --dir {} --json",
        folder.display()
    ));
    let _ = std::fs::remove_dir_all(&folder);
    if run.code == Some(1) && run.stderr.contains("tmpfs") {
        left_out("the benchmark", "the target folder lies on tmpfs");
        return;
    }
    let figures = run.json();
    assert!(figures.is_object() && figures.to_string().contains("ratio"), "{figures}");
    place.run("bench download --downloads 1 --profile absent.der").failed("absent.der");
    let run = place
        .run(&format!("bench inventory --rows 500 --allocations 5 --callers 2 --dir {}", folder.display()));
    let _ = std::fs::remove_dir_all(&folder);
    let told = run.ok();
    assert!(
        told.contains("delivery: 500 rows in") && told.contains("subscriptions, 2 callers: 5 in"),
        "{told}"
    );
}
