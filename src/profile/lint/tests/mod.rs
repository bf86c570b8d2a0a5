//! For every rule a package that breaks it and one that nearly does; the rest of what a linter promises.

mod edit;
mod files;
mod keys;
mod multi_imsi;
mod numbers;
mod structure;

use std::collections::BTreeSet;

use edit::Edit;

use super::*;

/// A rule with packages that break it, and packages that nearly do. Rules about sets of packages take several.
struct Case {
    rule: Rule,
    wrong: Vec<Vec<u8>>,
    near: Vec<Vec<u8>>,
}

/// A case made from the package that is in order.
fn case(rule: Rule, wrong: impl FnOnce(&mut Edit), near: impl FnOnce(&mut Edit)) -> Case {
    let of = |change: &mut dyn FnMut(&mut Edit)| {
        let mut edit = Edit::rich();
        change(&mut edit);
        edit.octets()
    };
    let (mut wrong, mut near) = (Some(wrong), Some(near));
    let wrong = of(&mut |edit| wrong.take().unwrap()(edit));
    let near = of(&mut |edit| near.take().unwrap()(edit));
    octets(rule, wrong, near)
}

fn octets(rule: Rule, wrong: Vec<u8>, near: Vec<u8>) -> Case {
    Case { rule, wrong: vec![wrong], near: vec![near] }
}

fn cases() -> Vec<Case> {
    [structure::cases(), files::cases(), keys::cases(), numbers::cases(), multi_imsi::cases()]
        .into_iter()
        .flatten()
        .collect()
}

fn rules(packages: &[Vec<u8>]) -> BTreeSet<Rule> {
    let packages: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    lint_together(&packages).into_iter().flat_map(|report| report.findings).map(|it| it.rule).collect()
}

fn lines(report: &Report) -> Vec<String> {
    let line = |finding: &Finding| {
        let file = finding.file.as_deref().unwrap_or_default();
        format!("{} {} {file} {}", finding.offset, finding.rule.id(), finding.message)
    };
    report.findings.iter().map(line).collect()
}

#[test]
fn every_rule_has_a_package_that_breaks_it_and_one_that_nearly_does() {
    let cases = cases();
    let mut failures = Vec::new();
    for rule in Rule::ALL {
        let mut own = cases.iter().filter(|case| case.rule == *rule).peekable();
        if own.peek().is_none() {
            failures.push(format!("{} has no case", rule.id()));
        }
        for case in own {
            if !rules(&case.wrong).contains(rule) {
                failures.push(format!("{} is not found: {:?}", rule.id(), rules(&case.wrong)));
            }
            if rules(&case.near).contains(rule) {
                failures.push(format!("{} is found in its near miss", rule.id()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn packages_in_order_have_no_findings() {
    let mut packages = vec![("rich", Edit::rich().octets()), ("plain", Edit::plain().octets())];
    packages.extend(crate::profile::shipped::ALL.iter().map(|it| (it.name, it.build().unwrap())));
    let found: Vec<String> = packages
        .iter()
        .flat_map(|(name, octets)| {
            lines(&lint(octets)).into_iter().map(move |line| format!("{name}: {line}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_finding_names_the_octet_that_is_wrong() {
    let mut edit = Edit::rich();
    edit.content("usim", "EF.ACC", "0400");
    let octets = edit.octets();
    let report = lint(&octets);
    let [finding] = report.findings.as_slice() else { panic!("{:?}", lines(&report)) };
    assert_eq!(finding.file.as_deref(), Some("ADF.USIM/EF.ACC"));
    assert_eq!(octets[finding.offset - 2..][..4], [0x83, 0x02, 0x04, 0x00]);
    let element = finding.element.unwrap();
    assert_eq!((element.number, element.kind, element.identification), (5, "usim", Some(5)));
    assert_eq!(element.to_string(), "element 5 (usim, identification 5)");
}

#[test]
fn reading_goes_on_behind_an_element_that_cannot_be_read() {
    let mut edit = Edit::rich();
    // The PUKs have no header; the PINs behind them are blocked.
    edit.element("pukCodes").members.remove(0);
    edit.element("pinCodes").at(&[0xA1, 0xA0, 0x30]).put(0x84, "30");
    let report = lint(&edit.octets());
    let found: Vec<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    assert!(found.contains(&Rule::EncodingElement) && found.contains(&Rule::PinBlocked), "{found:?}");
    let blocked = report.findings.iter().find(|finding| finding.rule == Rule::PinBlocked).unwrap();
    assert_eq!(blocked.element.unwrap().number, 2);
}

#[test]
fn findings_of_one_rule_are_bounded() {
    let mut edit = Edit::rich();
    for _ in 0..MAX_FINDINGS_OF_A_RULE + 50 {
        edit.service(28);
    }
    let report = lint(&edit.octets());
    assert_eq!(report.findings.len(), MAX_FINDINGS_OF_A_RULE);
    assert_eq!(report.left_out, 49);
}

#[test]
fn rules_that_are_allowed_are_silent() {
    let mut edit = Edit::rich();
    edit.content("usim", "EF.ACC", "0400");
    let mut report = lint(&edit.octets());
    assert_eq!((report.worst(), report.count(Severity::Warning)), (Some(Severity::Warning), 1));
    report.allow(&[Rule::IdentityAccessClass]);
    assert_eq!((report.worst(), report.findings.len()), (None, 0));
}

#[test]
fn messages_hold_no_keys_and_no_codes() {
    let octets = Edit::rich().octets();
    let secrets = ["A1B2C3D4E5F60718", "31333937FFFFFFFF", "1397", "51937460"];
    for case in cases() {
        for package in &case.wrong {
            for finding in lint(package).findings {
                for secret in secrets {
                    assert!(!finding.message.contains(secret), "{}: {}", finding.rule.id(), finding.message);
                }
            }
        }
    }
    let keys = super::keys::keys(&Package::from_der(&octets).unwrap())
        .into_iter()
        .map(|key| hex::encode_upper(key.value))
        .collect::<Vec<_>>();
    for finding in cases().iter().flat_map(|case| &case.wrong).flat_map(|package| lint(package).findings) {
        assert!(!keys.iter().any(|key| finding.message.contains(&key[..16])), "{}", finding.rule.id());
    }
}

#[test]
fn no_octet_that_is_changed_or_missing_makes_it_panic() {
    let octets = Edit::rich().octets();
    for end in (0..octets.len()).step_by(97) {
        let _ = lint(&octets[..end]);
    }
    for at in (0..octets.len()).step_by(13) {
        let mut changed = octets.clone();
        changed[at] = [octets[at] ^ 0x01, octets[at] ^ 0x80, 0x00, 0xFF][at / 13 % 4];
        let _ = lint(&changed);
    }
}
