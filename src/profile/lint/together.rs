//! Packages that go onto one eUICC: each has numbers and keys of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use simyard_asn1::saip::Package;

use super::identity::{header_iccid, imsi_of, is_template};
use super::keys::{is_known, keys};
use super::{ElementName, Finding, Report, Rule, lint};
use crate::profile::image::ApplicationKind;
use crate::profile::tree::Tree;

/// Something that must not be twice: the rule, its octets, how it is named, where it stands.
struct Claim<'a> {
    rule: Rule,
    value: Cow<'a, [u8]>,
    name: String,
    element: usize,
    offset: usize,
}

/// Lints packages that go onto one eUICC: one report each, with what they share at the later ones.
#[must_use]
pub fn lint_together(packages: &[&[u8]]) -> Vec<Report> {
    let mut reports: Vec<Report> = packages.iter().map(|octets| lint(octets)).collect();
    let mut earlier: BTreeMap<(Rule, Cow<'_, [u8]>), usize> = BTreeMap::new();
    for (number, (octets, report)) in packages.iter().zip(&mut reports).enumerate() {
        let package = Package::read_what_can_be(octets).package;
        for claim in claims(&package) {
            let other = *earlier.entry((claim.rule, claim.value)).or_insert(number);
            if other == number {
                continue;
            }
            let element = package.elements().get(claim.element).map(|element| ElementName {
                number: claim.element,
                kind: element.kind.name(),
                identification: element.identification(),
            });
            let message = format!("{} is that of package {}", claim.name, other + 1);
            report.findings.push(Finding {
                rule: claim.rule,
                element,
                file: None,
                offset: claim.offset,
                message,
            });
        }
        report.findings.sort_by_key(|finding| (finding.offset, finding.rule));
    }
    reports
}

fn claims<'a>(package: &Package<'a>) -> Vec<Claim<'a>> {
    let tree = Tree::of(package);
    let mut claims = Vec::new();
    // What is to be personalised is nobody's.
    if is_template(package, &tree) {
        return claims;
    }
    if let Some(iccid) = header_iccid(package) {
        claims.push(Claim {
            rule: Rule::SetIccidTwice,
            name: format!("ICCID {iccid}"),
            value: Cow::Owned(iccid.into_bytes()),
            element: 0,
            offset: 0,
        });
    }
    let usims = tree.applications().iter().filter(|application| application.kind == ApplicationKind::Usim);
    for usim in usims {
        if let Some(imsi) = imsi_of(&tree, usim.directory) {
            let file = tree.child_by_name(usim.directory, "EF.IMSI").and_then(|id| tree.file(id));
            claims.push(Claim {
                rule: Rule::SetImsiTwice,
                name: format!("IMSI {imsi}"),
                value: Cow::Owned(imsi.into_bytes()),
                element: file.map_or(usim.element, |file| file.element),
                offset: file.map_or(0, |file| file.offset),
            });
        }
    }
    // Keys that everybody knows are told for each package.
    for key in keys(package).into_iter().filter(|key| !is_known(key.value)) {
        claims.push(Claim {
            rule: Rule::SetKeyShared,
            name: key.name,
            value: Cow::Borrowed(key.value),
            element: key.element,
            offset: key.offset,
        });
    }
    claims
}
