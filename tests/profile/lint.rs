//! Lint: what it finds in the published packages of GSMA TS.48 and in damaged ones, and the forms of its findings.

use std::collections::BTreeMap;

use serde_json::Value;
use simyard::env::Rng;
use simyard::ident::{Iccid, Imsi};
use simyard::profile::lint::{Report, Rule, Severity, lint, lint_together, sarif};
use simyard::profile::personal_data::{Code, CodeName, Subscription};
use simyard::profile::plan::Template;
use simyard::profile::shipped;
use simyard_asn1::saip::Package;
use simyard_asn1::{Reader, Tag, Writer};

use super::published;

crate::tests!(
    findings_of_published_packages_are_those_that_can_be_defended,
    a_published_package_in_longer_lengths_has_no_other_findings,
    published_packages_are_the_same_profile,
    no_truncation_or_change_of_a_published_package_makes_it_panic,
    every_finding_lies_in_the_package,
    findings_as_sarif_have_what_the_standard_requires,
    findings_as_json_are_as_described,
    personalised_packages_of_our_templates_have_no_errors,
);

/// How often each rule is broken.
fn counts(report: &Report) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry(finding.rule.id()).or_default() += 1;
    }
    counts
}

/// What all published packages have in common: keys and codes that are printed in TS.48 (PIN1 0000, PIN2 9999, PUKs
/// 11111111 and 22222222, ADM 55555555 and 66666666; K 000102 to 0F), an IMSI that ends with 3 under access class 0, an
/// IMPI of another IMSI, files of services that EF.UST and EF.IST do not announce, CDMA keys without the service cave,
/// full access for messages without counter.
const COMMON: &[(&str, usize)] = &[
    ("content/file", 2),
    ("identity/access-class-imsi", 1),
    ("identity/impi-imsi", 1),
    ("pin/default", 5),
    ("pin/weak-code", 4),
    ("remote/full-access", 4),
    ("service/missing", 1),
];

/// Besides K twice and a CDMA key, the OTA keys of versions 1 to 3 are other counting octets, in part turned; from
/// version 4 on all are K.
const EARLY_KEYS: &[(&str, usize)] = &[("key/published", 9)];
const LATE_KEYS: &[(&str, usize)] = &[("domain/keys-equal", 2), ("key/published", 9)];

/// What one has besides: version 1 demands javacard and brings no applet; those of SAIP 2.1 have the PINs whose place
/// was not settled, unless they select DF.TELECOM (B); those of SAIP 2.3 leave EF.5GAUTHKEYS without content, version 2
/// one file more; version 5 with SUCI refers to a record of EF.ARR of its ISIM that it does not write.
type Besides = (&'static str, &'static [(&'static str, usize)], &'static [(&'static str, usize)]);
const BESIDES: &[Besides] = &[
    ("TS48v1_A.der", EARLY_KEYS, &[("order/pins-after-telecom", 1), ("service/without-content", 1)]),
    ("TS48v2_SAIP2.1_BERTLV.der", EARLY_KEYS, &[("order/pins-after-telecom", 1)]),
    ("TS48v2_SAIP2.3_NoBERTLV.der", EARLY_KEYS, &[("file/content-missing", 2)]),
    ("TS48v3_SAIP2.3_BERTLV.der", EARLY_KEYS, &[("file/content-missing", 1)]),
    ("TS48v4_SAIP2.1A_NoBERTLV.der", LATE_KEYS, &[("order/pins-after-telecom", 1)]),
    ("TS48v4_SAIP2.3_BERTLV.der", LATE_KEYS, &[("file/content-missing", 1)]),
    ("TS48v5_SAIP2.1B_NoBERTLV.der", LATE_KEYS, &[]),
    ("TS48v5_SAIP2.3_BERTLV_SUCI.der", LATE_KEYS, &[("access/record", 1), ("file/content-missing", 1)]),
];

fn findings_of_published_packages_are_those_that_can_be_defended() {
    for (name, octets) in published() {
        let (_, keys, besides) = BESIDES.iter().find(|(known, ..)| *known == name).unwrap();
        let expected: BTreeMap<&str, usize> = COMMON.iter().chain(*keys).chain(*besides).copied().collect();
        let report = lint(&octets);
        assert_eq!(counts(&report), expected, "{name}");
        assert_eq!(report.left_out, 0, "{name}");
    }
}

/// The same TLVs, with lengths of four octets throughout.
fn lengthened(octets: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(octets, "test");
    let mut out = Vec::new();
    while !reader.is_empty() {
        let tlv = reader.read().unwrap();
        let value = if tlv.tag.is_constructed() { lengthened(tlv.value) } else { tlv.value.to_vec() };
        let mut tag = Writer::new();
        tag.tlv(tlv.tag, &[]);
        let mut tag = tag.finish();
        tag.pop();
        out.extend(tag);
        out.push(0x84);
        out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        out.extend(value);
    }
    out
}

fn a_published_package_in_longer_lengths_has_no_other_findings() {
    for (name, octets) in published() {
        let longer = lengthened(&octets);
        assert!(Package::from_der(&longer).is_err(), "{name}");
        let mut expected = counts(&lint(&octets));
        expected.insert(Rule::EncodingLength.id(), 1);
        assert_eq!(counts(&lint(&longer)), expected, "{name}");
    }
}

fn published_packages_are_the_same_profile() {
    let packages = published();
    let octets: Vec<&[u8]> = packages.iter().map(|(_, octets)| octets.as_slice()).collect();
    for (number, report) in lint_together(&octets).iter().enumerate() {
        let has = |rule| report.findings.iter().any(|finding| finding.rule == rule);
        assert_eq!((has(Rule::SetIccidTwice), has(Rule::SetImsiTwice)), (number > 0, number > 0), "{number}");
        // All keys are published, which is told for each.
        assert!(!has(Rule::SetKeyShared), "{number}");
    }
}

fn no_truncation_or_change_of_a_published_package_makes_it_panic() {
    for (_, octets) in published() {
        for end in (0..octets.len()).step_by(499) {
            let report = lint(&octets[..end]);
            assert!(report.worst() == Some(Severity::Error), "cut off at {end}");
        }
        for at in (0..octets.len()).step_by(151) {
            let mut changed = octets.clone();
            changed[at] ^= [0x01, 0x20, 0x80, 0xFF][at / 151 % 4];
            let _ = lint(&changed);
        }
    }
}

fn every_finding_lies_in_the_package() {
    for (name, octets) in published() {
        for finding in lint(&octets).findings {
            assert!(finding.offset < octets.len(), "{name}: {finding:?}");
            let element = finding.element.unwrap();
            let package = Package::from_der(&octets).unwrap();
            let tlv = package.elements()[element.number].tlv;
            assert!(
                (tlv.offset..tlv.offset + tlv.raw.len()).contains(&finding.offset),
                "{name}: {finding:?}"
            );
            assert_eq!(package.elements()[element.number].identification(), element.identification);
        }
    }
}

/// A package with findings of every severity.
fn damaged() -> Vec<u8> {
    let octets = shipped::find("consumer").unwrap().build().unwrap();
    let mut reader = Reader::new(&octets, "test");
    let mut elements = Vec::new();
    while !reader.is_empty() {
        elements.push(reader.read().unwrap());
    }
    let mut writer = Writer::new();
    for element in &elements[..elements.len() - 1] {
        writer.raw(element.raw);
    }
    // An element that nobody knows, in place of End.
    writer.nested(Tag(0xBF50), |w| {
        w.nested(Tag(0xA0), |w| {
            w.integer(Tag(0x81), 300);
        });
    });
    writer.finish()
}

fn findings_as_sarif_have_what_the_standard_requires() {
    let octets = damaged();
    let report = lint(&octets);
    assert!(report.count(Severity::Error) > 0 && report.count(Severity::Warning) > 0);
    let sarif = sarif::to_sarif(&[("a folder/damaged.der", &report)]);
    // SARIF 2.1.0: 3.13 log, 3.14 run, 3.18 tool, 3.19 driver, 3.49 rules, 3.27 results, 3.30 regions.
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["$schema"].as_str().unwrap().contains("sarif-2.1.0"));
    let [run] = sarif["runs"].as_array().unwrap().as_slice() else { panic!("one run") };
    let driver = &run["tool"]["driver"];
    assert!(!driver["name"].as_str().unwrap().is_empty());
    let rules = driver["rules"].as_array().unwrap();
    assert_eq!(rules.len(), Rule::ALL.len());
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string());
        assert!(rule["help"]["text"].is_string());
        assert!(matches!(
            rule["defaultConfiguration"]["level"].as_str().unwrap(),
            "note" | "warning" | "error"
        ));
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report.findings.len());
    for (result, finding) in results.iter().zip(&report.findings) {
        assert_eq!(result["ruleId"], finding.rule.id());
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let [location] = result["locations"].as_array().unwrap().as_slice() else { panic!("one place") };
        let place = &location["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20folder/damaged.der");
        assert_eq!(place["region"]["byteOffset"], finding.offset);
    }
}

fn findings_as_json_are_as_described() {
    let report = lint(&damaged());
    let json = sarif::to_json(&[("damaged.der", &report), ("nothing.der", &Report::default())]);
    assert_eq!(json["summary"]["error"], report.count(Severity::Error));
    assert_eq!(json["files"][1]["findings"], Value::Array(Vec::new()));
    let findings = json["files"][0]["findings"].as_array().unwrap();
    let unknown = findings.iter().find(|finding| finding["rule"] == "element/unknown").unwrap();
    assert_eq!((&unknown["severity"], &unknown["path"]), (&"warning".into(), &Value::Null));
    assert_eq!(unknown["element"]["identification"], 300);
    for member in ["clause", "title", "message", "help"] {
        assert!(unknown[member].is_string(), "{member}");
    }
    assert_eq!(sarif::rules_to_json().as_array().unwrap().len(), Rule::ALL.len());
}

/// Numbers as an operator gives them, everything else at random.
fn personalised_packages_of_our_templates_have_no_errors() {
    for shipped in shipped::ALL {
        let octets = shipped.build().unwrap();
        let template = Template::compile(&Package::from_der(&octets).unwrap()).unwrap();
        for seed in 0..6 {
            let mut data = crate::personalise::random_data(&template, &Rng::seeded(seed));
            data.iccid = Iccid::parse("89882800000000000015").unwrap();
            let numbers = Subscription::new(Imsi::parse("262021234567890").unwrap());
            (data.home.imsi, data.home.acc) = (numbers.imsi, numbers.acc);
            for name in template.requirements().codes {
                let digits = match name {
                    CodeName::Pin(1..=8 | 0x81..=0x88) => *b"7352\xFF\xFF\xFF\xFF",
                    _ => *b"73528164",
                };
                data.codes.set(name, Code::from_octets(digits));
            }
            let report = lint(&template.personalise(&data).unwrap());
            let errors: Vec<_> =
                report.findings.iter().filter(|finding| finding.rule.severity() == Severity::Error).collect();
            let told: Vec<String> =
                errors.iter().map(|finding| format!("{}: {}", finding.rule.id(), finding.message)).collect();
            assert_eq!(told, [""; 0], "{} {seed}", shipped.name);
        }
    }
}
