//! `simyard profile template`, `extract`, `build` and `personalise`, and `simyard bench profile`.

use std::path::Path;

use serde_json::{Value, json};
use simyard::profile::identity::PackageIdentity;

use crate::binary::Place;

crate::tests!(
    a_package_is_described_changed_and_built,
    bench_measures_packages,
    personalise_makes_a_package_of_each_row_or_names_what_is_wrong,
    personalise_spares_what_is_there_and_writes_nothing_by_halves,
);

/// The columns that the template `test-milenage` needs, and a row of them.
const COLUMNS: &str = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1,kic,kid,kik,spn";

fn row(number: usize) -> String {
    let key = "465b5ce8b199b49faa5f0a2ee238a6bc";
    format!(
        "8988280{number:012},90140{number:010},{key},{key},1234,12345678,5678,87654321,11223344,{key},{key},{key},Acme"
    )
}

/// The names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn a_package_is_described_changed_and_built() {
    let place = Place::new();
    assert!(place.run("profile template").ok().starts_with("consumer "));
    place.run("profile template iot --output iot.toml").ok();
    let text = std::fs::read_to_string(place.path().join("iot.toml")).unwrap();
    assert_eq!(place.run("profile template iot").ok().trim_end(), text.trim_end());
    place.write("mine.toml", &text.replace("name = \"Simyard\"", "name = \"Acme\""));
    place.run("profile build iot --output iot.der").ok();
    place.run("profile diff iot iot.der").ok();
    let built = place.run("profile build mine.toml --output mine.der");
    assert!(built.stderr.starts_with("mine.der: "), "{}", built.stderr);
    built.ok();
    let described = place.run("profile extract mine.der").ok();
    assert!(
        described.contains("name = \"Acme\"") && !described.contains("name = \"Simyard\""),
        "{described}"
    );
    place.run("profile extract mine.der --output again.toml").ok();
    let again = std::fs::read_to_string(place.path().join("again.toml")).unwrap();
    assert_eq!(again.trim_end(), described.trim_end());
    // What is wrong is told with its place, and what was there stays.
    place.write("wrong.toml", &text.replace("\"001010000000000\"", "\"0010100000000000\""));
    place
        .run("profile build wrong.toml -o mine.der")
        .failed("error: wrong.toml: element 6 (usim): file: EF.IMSI: content: EF.IMSI: expected 6 to 15");
    assert_eq!(place.run("profile extract mine.der").ok(), described);
    place.run("profile extract nowhere.der").failed("nowhere.der");
    place.write("text.der", "no package");
    place.run("profile extract text.der").failed("text.der: ");
    place.run("profile template mine").failed("there are consumer, iot, bootstrap");
    // What is no file stays what it is: nobody loses /dev/null to a package.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/stdout", place.path().join("pipe")).unwrap();
        assert_eq!(place.run("profile template iot --output pipe").ok(), text);
        assert!(place.path().join("pipe").is_symlink());
    }
}

fn bench_measures_packages() {
    let place = Place::new();
    let told = place.run("bench profile test-tuak --seconds 1").ok();
    for name in ["package of", "decode", "encode", "lint", "extract", "build", "personalise", "rows", "copy"]
    {
        assert!(told.lines().any(|line| line.starts_with(name)), "{name}: {told}");
    }
    let figures = place.run("bench profile --seconds 1 --json").json();
    assert_eq!(figures["operations"].as_array().unwrap().len(), 8);
    assert!(figures["operations"][2]["per_second"].as_f64().unwrap() > 0.0);
    place.write("bad.der", "\u{1}");
    place.run("bench profile bad.der").failed("the package cannot be read");
}

fn personalise_makes_a_package_of_each_row_or_names_what_is_wrong() {
    let place = Place::new();
    let rows = |rows: &[String]| place.write("data.csv", &format!("{COLUMNS}\n{}\n", rows.join("\n")));
    rows(&[row(1), row(2), row(3)]);
    let told = place.run("profile personalise test-milenage --data data.csv --output out").ok();
    assert_eq!(told, "3 packages in out\n");
    let file = |number: usize| format!("8988280{number:012}.der");
    assert_eq!(names(&place.path().join("out")), [file(1), file(2), file(3)]);
    let package = std::fs::read(place.path().join("out").join(file(2))).unwrap();
    let identity = PackageIdentity::read(&simyard_asn1::saip::Package::from_der(&package).unwrap()).unwrap();
    assert_eq!(identity.imsi.unwrap().as_str(), "901400000000002");

    // A template in DER, and one file for one row.
    rows(&[row(4)]);
    std::fs::rename(place.path().join("out").join(file(1)), place.path().join("template.der")).unwrap();
    let told = place.run("profile personalise template.der --data data.csv -o one.der").ok();
    assert_eq!(told, "1 package: one.der\n");
    rows(&[row(5), row(6)]);
    place
        .run("profile personalise template.der --data data.csv -o two.der")
        .failed("a file holds one package");
    place.run("profile personalise template.der --data data.csv -o one.der").failed("is there already");

    // Rows that are refused, by line and column.
    let bad = [
        row(1),
        row(2).replace("901400000000002", "9014000000000021"),
        row(3).replace("465b5ce8b199b49faa5f0a2ee238a6bc", "465b"),
        row(1),
        row(4).replace("Acme", "A name of more than sixteen"),
    ];
    rows(&bad);
    let run = place.run("profile personalise template.der --data data.csv -o none");
    run.failed("data.csv: line 3, imsi: expected 6 to 15 decimal digits, or the 18 digits of EF.IMSI");
    for says in [
        "line 4, ki: expected 32 hexadecimal digits",
        "line 5, iccid: stands in line 2 already",
        "line 6, spn: expected at most 16 letters",
    ] {
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("465b") && !run.stdout.contains("465b"), "no key is told");
    assert_eq!(run.stdout, "nothing was written: 4 of 5 rows refused\n");
    assert!(!place.path().join("none").exists());

    let run = place.run("profile personalise template.der --data data.csv -o some --partial --json");
    assert_eq!(run.code, Some(1), "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report["rows"], &report["packages"], &report["refused"]), (&json!(5), &json!(1), &json!(4)));
    assert_eq!(report["files"], json!([format!("some/{}", file(1))]));
    let first = json!({ "line": 3, "column": "imsi", "reason": "expected 6 to 15 decimal digits, or the 18 digits of EF.IMSI" });
    assert_eq!(report["faults"][0], first);
    assert_eq!(names(&place.path().join("some")), [file(1)]);
}

fn personalise_spares_what_is_there_and_writes_nothing_by_halves() {
    let place = Place::new();
    place.write("data.csv", &format!("{COLUMNS}\n{}\n{}\n", row(1), row(2)));
    place.run("profile personalise test-milenage --data data.csv -o out").ok();
    let before = std::fs::read(place.path().join("out/8988280000000000001.der")).unwrap();
    let run = place.run("profile personalise test-milenage --data data.csv -o out");
    run.failed("line 2, iccid: out/8988280000000000001.der is there already");
    assert_eq!(std::fs::read(place.path().join("out/8988280000000000001.der")).unwrap(), before);
    assert_eq!(names(&place.path().join("out")).len(), 2, "nothing is left behind");
    // The rest goes to the others.
    place.write("data.csv", &format!("{COLUMNS}\n{}\n{}\n", row(1), row(3)));
    let run = place.run("profile personalise test-milenage --data data.csv -o out --partial");
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), "1 package in out, 1 of 2 rows refused\n"));
    assert_eq!(names(&place.path().join("out")).len(), 3);

    for (text, says) in [
        (String::new(), "the file has no rows"),
        (format!("{COLUMNS}\n"), "no row follows"),
        (COLUMNS.replace("adm1,kic", "adm1,kix"), "line 1: column 10 is none of iccid"),
        (COLUMNS.replace(",kic", ""), "line 1: no column kic1"),
        (COLUMNS.replace("imsi,ki,opc", "imsi,ki"), "line 1: no column opc or op"),
        (format!("{COLUMNS},adm2\n{},11112222\n", row(9)), "line 2, adm2: the data have ADM2"),
        (format!("{COLUMNS},imsi2\n{},901400000000010\n", row(9)), "the data have 2"),
        (format!("{COLUMNS}\n{},x\n", row(9)), "line 2: 14 values, expected 13"),
    ] {
        place.write("data.csv", &text);
        place.run("profile personalise test-milenage --data data.csv -o none").failed(says);
        assert!(!place.path().join("none").exists(), "{says}");
    }
    place.run("profile personalise absent.der --data data.csv -o none").failed("absent.der");
    place.run("profile personalise test-milenage --data absent.csv -o none").failed("absent.csv");
    place.write("template.der", "\u{1}");
    place.run("profile personalise template.der --data data.csv -o none").failed("template.der");
}
