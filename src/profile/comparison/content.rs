//! Differences of values, secrets, contents and access rules.

use std::collections::HashMap;

use toml::Value;

use super::{Change, Fact};
use crate::profile::overview::{Access, Said, Secret, without_length};

/// Deeper members are compared as a whole.
const MAX_DEPTH: usize = 8;

/// Compares what two packages say about the same thing.
pub(super) fn compare(
    member: &str,
    first: Option<&Fact<'_>>,
    second: Option<&Fact<'_>>,
    tell: &mut impl FnMut(&str, Change),
) {
    match (first, second) {
        (Some(Fact::Words(first)), Some(Fact::Words(second))) => {
            values(member, first, second, MAX_DEPTH, tell)
        }
        (Some(Fact::Secret(first)), Some(Fact::Secret(second))) => {
            if first != second {
                secret(member, Some(first), Some(second), tell);
            }
        }
        (Some(Fact::Said(first)), Some(Fact::Said(second))) => contents(member, first, second, tell),
        (Some(Fact::Access(first)), Some(Fact::Access(second))) => {
            if !same_rules(first, second) {
                let (first, second) = (Some(access(first)), Some(access(second)));
                tell(member, Change::Changed { first, second });
            }
        }
        (Some(Fact::Secret(first)), _) => secret(member, Some(first), None, tell),
        (_, Some(Fact::Secret(second))) => secret(member, None, Some(second), tell),
        // A record that one package has more: that there are more of them is told by their number.
        (first, second) => {
            let (first, second) = (first.and_then(words), second.and_then(words));
            if first != second {
                tell(member, Change::Changed { first, second });
            }
        }
    }
}

fn secret(
    member: &str,
    first: Option<&Secret>,
    second: Option<&Secret>,
    tell: &mut impl FnMut(&str, Change),
) {
    tell(member, Change::Secret { first: first.cloned(), second: second.cloned() });
}

/// A fact that the other package has nothing to compare with; an empty record is none.
fn words(fact: &Fact<'_>) -> Option<Value> {
    match fact {
        Fact::Words(value) => Some(value.clone()),
        Fact::Said(said) if is_empty(said) => None,
        Fact::Said(said) => said_words(said),
        Fact::Access(rules) => Some(access(rules)),
        Fact::Secret(_) => None,
    }
}

fn is_empty(said: &Said) -> bool {
    said.octets().is_some_and(|octets| octets.iter().all(|octet| *octet == 0xFF))
}

/// What a content says, or its octets.
fn said_words(said: &Said) -> Option<Value> {
    let octets = said.octets()?;
    if is_empty(said) {
        return Some(Value::String("empty".to_owned()));
    }
    Some(said.value().map_or_else(|| Value::String(hex::encode_upper(octets)), without_length))
}

fn contents(member: &str, first: &Said, second: &Said, tell: &mut impl FnMut(&str, Change)) {
    if first == second {
        return;
    }
    let (Some(one), Some(other)) = (first.octets(), second.octets()) else {
        let change = Change::Secret { first: first.as_secret(), second: second.as_secret() };
        return tell(member, change);
    };
    // Filler at the end is a matter of the size.
    if one.len() != other.len() && without_filler(one) == without_filler(other) {
        return;
    }
    let (Some(one), Some(other)) = (said_words(first), said_words(second)) else { return };
    if one == other && first.length() == second.length() {
        // Two codings of the same words.
        let digits = |said: &Said| said.octets().map(|octets| Value::String(hex::encode_upper(octets)));
        return tell(member, Change::Changed { first: digits(first), second: digits(second) });
    }
    values(member, &one, &other, MAX_DEPTH, tell);
}

fn without_filler(octets: &[u8]) -> &[u8] {
    let end = octets.iter().rposition(|octet| *octet != 0xFF).map_or(0, |last| last + 1);
    octets.get(..end).unwrap_or_default()
}

/// Compares values: lists by their entries, tables member by member.
fn values(member: &str, first: &Value, second: &Value, depth: usize, tell: &mut impl FnMut(&str, Change)) {
    if first == second {
        return;
    }
    match (first, second, depth.checked_sub(1)) {
        (Value::Array(first), Value::Array(second), _) => lists(member, first, second, tell),
        (Value::Table(first), Value::Table(second), Some(depth)) => {
            let name = |inner: &str| format!("{member}.{inner}");
            for (inner, one) in first {
                match second.get(inner) {
                    Some(other) => values(&name(inner), one, other, depth, tell),
                    None => tell(&name(inner), Change::Changed { first: Some(one.clone()), second: None }),
                }
            }
            for (inner, other) in second.iter().filter(|(inner, _)| !first.contains_key(*inner)) {
                tell(&name(inner), Change::Changed { first: None, second: Some(other.clone()) });
            }
        }
        _ => tell(member, Change::Changed { first: Some(first.clone()), second: Some(second.clone()) }),
    }
}

fn lists(member: &str, first: &[Value], second: &[Value], tell: &mut impl FnMut(&str, Change)) {
    // Entries that occur several times are counted: each takes one of the other list. Values have no order of their
    // own; how they are written says all that they say.
    let without = |list: &[Value], other: &[Value]| -> Vec<Value> {
        let mut rest: HashMap<String, usize> = HashMap::new();
        for entry in other {
            *rest.entry(entry.to_string()).or_default() += 1;
        }
        let is_missing = |entry: &&Value| match rest.get_mut(&entry.to_string()).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                false
            }
            None => true,
        };
        list.iter().filter(is_missing).cloned().collect()
    };
    let (removed, added) = (without(first, second), without(second, first));
    if removed.is_empty() && added.is_empty() {
        tell(member, Change::Order { first: first.to_vec(), second: second.to_vec() });
    } else {
        tell(member, Change::Entries { removed, added });
    }
}

/// Whether two files are under the same rules. Two references to one record are: what it says is a matter of EF.ARR.
fn same_rules(first: &Access, second: &Access) -> bool {
    let reference = |access: &Access| (access.file.clone(), access.record);
    reference(first) == reference(second) || (first.same_rules(second))
}

fn access(access: &Access) -> Value {
    let reference = format!("record {} of {}", access.record, access.file);
    Value::String(match &access.rules {
        Some(rules) if !rules.is_empty() => {
            let rules: Vec<String> =
                rules.iter().map(|rule| format!("{} {}", rule.access.join(", "), rule.condition)).collect();
            format!("{} ({reference})", rules.join("; "))
        }
        _ => reference,
    })
}
