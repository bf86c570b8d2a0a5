//! Access rules: the records of EF.ARR, and who refers to them.

use std::collections::{BTreeMap, BTreeSet};

use simyard_asn1::Tlv;

use super::{Lint, Rule, raw};
use crate::profile::tree::{Body, File, FileId, PinSet, Tree};

/// The rules that templates refer to by number (TCA Profile Package 9.9).
pub(super) const TEMPLATE_RULES: [&str; 14] = [
    "8001019000800102A406830101950108800158A40683010A950108",
    "800101A40683010195010880015AA40683010A950108",
    "80015BA40683010A950108",
    "800101900080011A9700800140A40683010A950108",
    "800103A406830101950108800158A40683010A950108",
    "800111A40683010195010880014AA40683010A950108",
    "800103A406830101950108800158A40683010A950108840132A406830101950108",
    "800101A406830101950108800102A406830181950108800158A40683010A950108",
    "800101900080011AA406830101950108800140A40683010A950108",
    "800101900080015AA40683010A950108",
    "8001019000800118A40683010A9501088001429700",
    "800101A40683010195010880015A9700",
    "800113A406830101950108800148A40683010A950108",
    "80015EA40683010A950108",
];
/// Security conditions: always, never, one of the bits, user authentication, OR, NOT, AND, secure messaging
/// (ISO/IEC 7816-4 9.3.3).
const CONDITIONS: [u32; 10] = [0x90, 0x97, 0x9E, 0xA0, 0xA4, 0xA7, 0xAF, 0xB4, 0xB6, 0xB8];
/// How deep conditions are nested at most: OR of AND of authentications.
const MAX_NESTING: usize = 4;

/// One access mode with its conditions, as octets.
type Entry<'a> = (u32, &'a [u8], Vec<&'a [u8]>);

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let tree = lint.tree;
    let mut missing: BTreeMap<(u16, u8, Option<FileId>), Vec<FileId>> = BTreeMap::new();
    let mut other_rule: BTreeMap<(FileId, u8), Vec<FileId>> = BTreeMap::new();
    let mut unknown_key: BTreeMap<(u8, Option<FileId>), Vec<FileId>> = BTreeMap::new();
    let references = codes(tree);
    for (id, file) in tree.files() {
        if file.name == "EF.ARR" {
            records(lint, id);
        }
        let directory = if file.kind.is_directory() { Some(id) } else { file.parent };
        for key in pin_status(file) {
            if !knows(tree, &references, id, *key) {
                unknown_key.entry((*key, Some(id))).or_default().push(id);
            }
        }
        let Some(reference) = file.security else { continue };
        let rule = tree.access_rule(id).map(|(arr, record)| (arr, trim(record)));
        let Some((arr, rule)) = rule.filter(|(_, rule)| !rule.is_empty()) else {
            missing.entry((reference.file, reference.record, directory)).or_default().push(id);
            continue;
        };
        let entries = entries(rule).unwrap_or_default();
        for key in keys(&entries) {
            if directory.is_some_and(|directory| !knows(tree, &references, directory, key)) {
                unknown_key.entry((key, directory)).or_default().push(id);
            }
        }
        let keeps = file.fcp.as_ref().is_none_or(|fcp| fcp.security_attributes.is_none());
        let number = file.row.and_then(|row| row.arr).filter(|_| keeps);
        if number.is_some_and(|number| !is_template_rule(number, &entries)) {
            other_rule.entry((arr, reference.record)).or_default().push(id);
        }
    }
    for ((arr, record, _), files) in missing {
        let message = format!("record {record} of {arr:04X} is missing or empty");
        told_once(lint, Rule::AccessRecord, &files, message);
    }
    for ((arr, record), files) in other_rule {
        let message = format!("record {record} of {} is not rule {record} of 9.9", tree.path(arr));
        told_once(lint, Rule::AccessTemplateRule, &files, message);
    }
    for ((key, _), files) in unknown_key {
        told_once(lint, Rule::AccessKey, &files, format!("no PIN has key reference {key:02X} here"));
    }
}

/// Reports what several files share at the first one of them.
fn told_once(lint: &mut Lint<'_, '_>, rule: Rule, files: &[FileId], mut message: String) {
    let Some(first) = files.first() else { return };
    if let Some(others) = files.len().checked_sub(1).filter(|others| *others > 0) {
        message.push_str(&format!("; and {others} more files of this directory or rule"));
    }
    lint.file(rule, *first, message);
}

/// The records of an EF.ARR.
fn records(lint: &mut Lint<'_, '_>, arr: FileId) {
    let Some(content) = lint.tree.file(arr).and_then(|file| match &file.body {
        Body::Content(content) => Some(content),
        Body::Directory(_) | Body::Link { .. } => None,
    }) else {
        return;
    };
    let length = content.record_length().unwrap_or_default();
    for (number, record) in content.records().enumerate() {
        let rule = trim(record);
        if !rule.is_empty() && entries(rule).is_none() {
            lint.content(Rule::AccessRule, arr, number * length, format!("record {}", number + 1));
        }
    }
}

/// A record without its filler.
fn trim(record: &[u8]) -> &[u8] {
    let filler = record.iter().rev().take_while(|octet| **octet == 0xFF).count();
    record.get(..record.len() - filler).unwrap_or_default()
}

/// The access modes of a rule, each with its conditions; none for what is no rule.
fn entries(rule: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for object in raw::objects(rule)? {
        match object.tag.0 {
            0x80..=0x8F => entries.push((object.tag.0, object.value, Vec::new())),
            _ if is_condition(&object, 0) => entries.last_mut()?.2.push(object.raw),
            _ => return None,
        }
    }
    entries.iter().all(|(.., conditions)| !conditions.is_empty()).then_some(entries)
}

fn is_condition(object: &Tlv<'_>, depth: usize) -> bool {
    CONDITIONS.contains(&object.tag.0)
        && match object.tag.0 {
            0x90 | 0x97 => object.value.is_empty(),
            0x9E => object.value.len() == 1,
            0xA0 | 0xA7 | 0xAF => {
                let members = raw::objects(object.value);
                depth < MAX_NESTING
                    && members.is_some_and(|members| {
                        !members.is_empty() && members.iter().all(|member| is_condition(member, depth + 1))
                    })
            }
            0xA4 => raw::member(object, 0x83).is_some_and(|key| key.value.len() == 1),
            _ => true,
        }
}

/// The key references that the conditions of a rule ask for.
fn keys(entries: &[Entry<'_>]) -> BTreeSet<u8> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Tlv<'_>> =
        entries.iter().flat_map(|entry| &entry.2).filter_map(|raw| raw::objects(raw)).flatten().collect();
    // Conditions were found to be nested no deeper than MAX_NESTING, and get smaller with each step.
    while let Some(condition) = open.pop() {
        match condition.tag.0 {
            0xA4 => {
                found.extend(raw::member(&condition, 0x83).and_then(|key| raw::octet(&key)));
            }
            0xA0 | 0xA7 | 0xAF => open.extend(raw::members(&condition)),
            _ => {}
        }
    }
    found
}

/// Whether a record says the same as a rule of 9.9, in whatever order.
fn is_template_rule(number: u8, entries: &[Entry<'_>]) -> bool {
    let Some(text) = TEMPLATE_RULES.get(usize::from(number).wrapping_sub(1)) else { return true };
    let Ok(expected) = hex::decode(text) else { return true };
    let Some(mut expected) = self::entries(&expected).map(|entries| sorted(&entries)) else { return true };
    let mut found = sorted(entries);
    expected.dedup();
    found.dedup();
    expected == found
}

/// Modes bit by bit, so that 03 is the same as 01 and 02.
fn sorted(entries: &[Entry<'_>]) -> Vec<(u32, Vec<u8>, Vec<Vec<u8>>)> {
    let mut all = Vec::new();
    for (tag, value, conditions) in entries {
        let mut conditions: Vec<Vec<u8>> = conditions.iter().map(|it| it.to_vec()).collect();
        conditions.sort();
        match (tag, value) {
            (0x80, [mode]) => {
                let bits = (0..8).map(|bit| 1_u8 << bit).filter(|bit| mode & bit != 0);
                all.extend(bits.map(|bit| (0x80, vec![bit], conditions.clone())));
            }
            _ => all.push((*tag, value.to_vec(), conditions)),
        }
    }
    all.sort();
    all
}

/// The key references of a directory's PIN status template.
fn pin_status<'f>(file: &'f File<'_>) -> &'f [u8] {
    match &file.body {
        Body::Directory(directory) => directory.pin_status.unwrap_or_default(),
        Body::Content(_) | Body::Link { .. } => &[],
    }
}

/// The key references that the PINs of each directory have, those of the directory it shares with included.
fn codes(tree: &Tree<'_>) -> BTreeMap<FileId, BTreeSet<u8>> {
    let own = |id: FileId| match tree.directory(id).map(|directory| &directory.pins) {
        Some(PinSet::Own(pins)) => pins.iter().map(|pin| pin.configuration.key_reference).collect(),
        _ => BTreeSet::new(),
    };
    let mut all = BTreeMap::new();
    for (id, file) in tree.files() {
        let Body::Directory(directory) = &file.body else { continue };
        let codes = match &directory.pins {
            PinSet::None => continue,
            PinSet::Own(_) => own(id),
            PinSet::Shared { target, .. } => target.map(own).unwrap_or_default(),
        };
        all.insert(id, codes);
    }
    all
}

/// Whether a code with this reference exists for files of a directory: its own, or those of a directory above it.
fn knows(tree: &Tree<'_>, codes: &BTreeMap<FileId, BTreeSet<u8>>, directory: FileId, key: u8) -> bool {
    let has = |id: FileId| codes.get(&id).is_some_and(|codes| codes.contains(&key));
    tree.ancestors(directory).any(has) || has(FileId::MF)
}
