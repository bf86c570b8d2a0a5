//! `simyard profile`: show, diff and lint.

use serde_json::{Value, json};
use simyard_asn1::saip::Package;

use crate::binary::{Place, command};

crate::tests!(
    show_tells_what_a_package_means_and_keeps_its_secrets,
    diff_tells_what_differs_by_its_exit_code_and_in_words,
    lint_tells_what_is_wrong_and_fails_by_severity,
);

fn show_tells_what_a_package_means_and_keeps_its_secrets() {
    let place = Place::new();
    let package = shipped("consumer");
    std::fs::write(place.path().join("package.der"), &package).unwrap();
    let page = place.run("profile show package.der").ok();
    for words in ["Header", "Elements", "ADF.USIM", "EF.IMSI", "├─ ", "Security domains", "••••"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let shown = place.run("profile show package.der --json").json();
    assert_eq!((&shown["version"], &shown["octets"]), (&json!(1), &json!(package.len())));
    let key = &shown["applications"][0]["aka"]["algorithm"]["key"];
    assert_eq!(*key, json!({ "secret": true, "length": 16 }));

    // What is revealed is revealed on purpose, and said.
    let run = place.run("profile show package.der --reveal --json");
    let digits =
        run.json()["applications"][0]["aka"]["algorithm"]["key"]["value"].as_str().unwrap().to_owned();
    assert_eq!((digits.len(), run.stderr.as_str()), (32, "secrets are shown in clear\n"));
    assert!(!page.contains(&digits));

    let page = place.run("profile show package.der --file ADF.USIM/EF.IMSI").ok();
    assert!(page.contains("EF.IMSI") && !page.contains("Header"), "{page}");
    place.run("profile show package.der --file EF.NONE").failed("no file is named EF.NONE");
    let page = place.run("profile show package.der --element 1").ok();
    assert!(page.contains("EF.ICCID") && !page.contains("EF.IMSI"), "{page}");
    place.run("profile show package.der --element 99").failed("there is no element 99");
    let both = place.run("profile show package.der --element 1 --file EF.IMSI");
    assert_eq!(both.code, Some(2), "{}", both.stderr);

    // From standard input, a shipped template by its name, and one that is broken.
    let input = std::fs::File::open(place.path().join("package.der")).unwrap();
    let output = command(place.path(), &["profile", "show", "-"]).stdin(input).output().unwrap();
    assert_eq!(output.stdout, place.run("profile show consumer").ok().into_bytes());
    std::fs::write(place.path().join("short.der"), &package[..package.len() - 4]).unwrap();
    let page = place.run("profile show short.der").ok();
    assert!(page.contains("What could not be read"), "{page}");
    std::fs::write(place.path().join("none.der"), [0x00, 0x01]).unwrap();
    place.run("profile show none.der").failed("none.der is no profile package");
    place.run("profile show absent.der").failed("absent.der");
}

fn diff_tells_what_differs_by_its_exit_code_and_in_words() {
    let place = Place::new();
    for name in ["iot", "consumer"] {
        std::fs::write(place.path().join(format!("{name}.der")), shipped(name)).unwrap();
    }
    assert_eq!(place.run("profile diff iot.der iot").ok(), "");
    let run = place.run("profile diff iot.der consumer.der");
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""));
    assert!(run.stdout.contains("Files\n") && run.stdout.contains("+ ADF.ISIM"), "{}", run.stdout);
    let run = place.run("profile diff iot.der consumer.der --json --reveal");
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), "secrets are shown in clear\n"));
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(value["differences"].as_array().unwrap().len() > 3, "{value}");
    let same = place.run("profile diff iot.der iot.der --json").json();
    assert_eq!(same, json!({ "version": 1, "differences": [] }));
    for (line, says) in [
        ("profile diff iot.der absent.der", "absent.der"),
        ("profile diff - -", "only one of the packages"),
        ("profile diff iot.der", "Usage"),
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line}: {}", run.stdout);
        assert!(run.stderr.contains(says), "{line}: {}", run.stderr);
    }
    // What of a package cannot be read is said, and the rest is compared.
    let package = shipped("iot");
    std::fs::write(place.path().join("short.der"), &package[..package.len() - 4]).unwrap();
    let run = place.run("profile diff iot.der short.der");
    assert!(run.stderr.contains("short.der: 1 place could not be read"), "{}", run.stderr);
}

/// A template that Simyard brings, as a package.
fn shipped(name: &str) -> Vec<u8> {
    simyard::profile::shipped::find(name).unwrap().build().unwrap().to_vec()
}

fn lint_tells_what_is_wrong_and_fails_by_severity() {
    let place = Place::new();
    assert_eq!(
        place.run("profile lint consumer iot").ok(),
        "2 packages: 0 errors, 0 warnings, 0 for information\n"
    );
    // An IMSI of fourteen digits is allowed, and rare.
    let text = place.run("profile template iot").ok();
    place.write("info.toml", &text.replace("\"001010000000000\"", "\"00101000000000\""));
    let told = place.run("profile lint info.toml --deny warning").ok();
    assert!(told.contains(": info[identity/imsi-length]: "), "{told}");
    assert_eq!(place.run("profile lint info.toml --deny info").code, Some(1));
    place.run("profile lint info.toml --deny info --allow identity/imsi-length").ok();

    place.run("profile template iot --output iot.toml").ok();
    place.run("profile build iot.toml --output iot.der").ok();
    let package = std::fs::read(place.path().join("iot.der")).unwrap();
    let offset = Package::from_der(&package).unwrap().elements().last().unwrap().tlv.offset;
    std::fs::write(place.path().join("cut.der"), &package[..offset]).unwrap();
    let run = place.run("profile lint iot.der cut.der");
    assert_eq!(run.code, Some(1), "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let [finding, place_of_it, help, summary] = lines.as_slice() else { panic!("{run:?}") };
    assert!(finding.starts_with(&format!("cut.der:{offset}: error[order/end-missing]: ")), "{finding}");
    assert!(place_of_it.contains("element ") && help.contains("append End"), "{run:?}");
    assert_eq!(*summary, "2 packages: 1 error, 0 warnings, 0 for information");

    let run = place.run("profile lint cut.der --json");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["files"][0]["findings"][0]["rule"], "order/end-missing");
    let sarif: Value =
        serde_json::from_str(&place.run("profile lint cut.der --format sarif").stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "order/end-missing");

    let rules = place.run("profile lint --rules").ok();
    assert!(rules.lines().any(|line| line.starts_with("order/end-missing ") && line.contains("error")));
    let listed = place.run("profile lint --rules --json").json();
    assert_eq!(listed.as_array().unwrap().len(), rules.lines().count());

    // Numbers that two packages share are seen when they are compared.
    let ours = text.replace("89000000000000000000", "89882800000000000015");
    place.write("one.toml", &ours);
    place.write("two.toml", &ours);
    let apart = place.run("profile lint one.toml two.toml");
    assert!(!apart.stdout.contains("set/"), "{apart:?}");
    let together = place.run("profile lint --together one.toml two.toml");
    assert!(together.stdout.contains("two.toml:0: error[set/iccid-twice]"), "{together:?}");

    place.run("profile lint nowhere.der").failed("nowhere.der");
    place.write("text.der", "no package");
    assert!(place.run("profile lint text.der").stdout.contains("text.der:0: error[encoding/framing]"));
}
