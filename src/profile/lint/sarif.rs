//! Findings as JSON: in a form of our own, and as SARIF 2.1.0, which code scanners and their dashboards read.
//!
//! Our own form, in snake_case as all JSON of this program, and stable: members may be added, none is removed or changes its meaning.
//!
//! ```text
//! { "files": [ { "file": "a.der", "left_out": 0, "findings": [ {
//!       "rule": "identity/iccid", "severity": "error", "clause": "...", "title": "...", "message": "...", "help": "...",
//!       "offset": 252, "path": "MF/EF.ICCID",
//!       "element": { "number": 1, "kind": "mf", "identification": 4 } } ] } ],
//!   "summary": { "error": 1, "warning": 0, "info": 0 } }
//! ```
//!
//! The `number` of an element counts from 0, as in `simyard profile show`. `element`, its `identification` and `path` are null where there is none. `offset` counts octets from the start of the
//! file. `left_out` is how many findings of the same rules there were beyond the first
//! [`MAX_FINDINGS_OF_A_RULE`](super::MAX_FINDINGS_OF_A_RULE) of each.

use serde_json::{Value, json};

use super::{Finding, Report, Rule, Severity};

/// The version of SARIF and where its schema is.
const VERSION: &str = "2.1.0";
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A file that was linted: what it is called, and its report.
pub type Linted<'r> = (&'r str, &'r Report);

/// Reports in our own form.
#[must_use]
pub fn to_json(files: &[Linted<'_>]) -> Value {
    let count = |severity| files.iter().map(|(_, report)| report.count(severity)).sum::<usize>();
    json!({
        "files": files.iter().map(|(name, report)| json!({
            "file": name,
            "left_out": report.left_out,
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "summary": {
            "error": count(Severity::Error),
            "warning": count(Severity::Warning),
            "info": count(Severity::Info),
        },
    })
}

fn finding(finding: &Finding) -> Value {
    let element = finding.element.map(|element| {
        json!({
            "number": element.number,
            "kind": element.kind,
            "identification": element.identification,
        })
    });
    json!({
        "rule": finding.rule.id(),
        "severity": finding.rule.severity().name(),
        "clause": finding.rule.clause(),
        "title": finding.rule.title(),
        "message": finding.message,
        "help": finding.rule.help(),
        "offset": finding.offset,
        "path": finding.file,
        "element": element,
    })
}

/// The catalogue of rules.
#[must_use]
pub fn rules_to_json() -> Value {
    let rule = |rule: &Rule| {
        json!({
            "rule": rule.id(),
            "severity": rule.severity().name(),
            "clause": rule.clause(),
            "title": rule.title(),
            "help": rule.help(),
        })
    };
    Value::Array(Rule::ALL.iter().map(rule).collect())
}

/// Reports as one run of SARIF.
#[must_use]
pub fn to_sarif(files: &[Linted<'_>]) -> Value {
    let results: Vec<Value> = files
        .iter()
        .flat_map(|(name, report)| report.findings.iter().map(|finding| result(name, finding)))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [{
            "tool": { "driver": {
                "name": "simyard profile lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.iter().map(|rule| descriptor(*rule)).collect::<Vec<_>>(),
            } },
            "artifacts": files.iter().map(|(name, _)| json!({ "location": { "uri": uri(name) } })).collect::<Vec<_>>(),
            "results": results,
        }],
    })
}

/// SARIF's word for a severity (3.27.10).
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn descriptor(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": { "text": rule.title() },
        "fullDescription": { "text": format!("{} ({})", rule.title(), rule.clause()) },
        "help": { "text": rule.help() },
        "defaultConfiguration": { "level": level(rule.severity()) },
    })
}

fn result(name: &str, finding: &Finding) -> Value {
    let element = finding.element.map(|element| element.to_string());
    let place: Vec<String> = element.into_iter().chain(finding.file.clone()).collect();
    let logical: Vec<Value> =
        place.iter().map(|name| json!({ "fullyQualifiedName": name, "kind": "object" })).collect();
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.rule.severity()),
        "message": { "text": format!("{}: {}", finding.rule.title(), finding.message) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(name) },
                "region": { "byteOffset": finding.offset, "byteLength": 0 },
            },
            "logicalLocations": logical,
        }],
    })
}

/// A file name as a relative URI reference (RFC 3986 4.2): everything but unreserved characters and slashes escaped.
fn uri(name: &str) -> String {
    let mut uri = String::new();
    for octet in name.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(octet));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_uris() {
        assert_eq!(uri("dir/a b.der"), "dir/a%20b.der");
        assert_eq!(uri("ü:1"), "%C3%BC%3A1");
    }
}
