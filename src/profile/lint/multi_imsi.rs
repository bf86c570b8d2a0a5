//! The table of a multi-IMSI applet and its key sets ([`crate::profile::multi_imsi`]).

use simyard_asn1::saip::ElementKind;

use super::{Lint, Rule, identity};
use crate::profile::image::ApplicationKind;
use crate::profile::multi_imsi::{Entry, Found, Object, Place, find};

/// All entries and key sets of a package, each with its object.
#[derive(Default)]
struct Parts<'a> {
    /// Where the entry's IMSI stands, and the entry.
    entries: Vec<(usize, usize, Entry)>,
    /// Where the key set stands, and its reference.
    sets: Vec<(usize, usize, u8)>,
    /// Where a table stands, and the index of its first entry.
    firsts: Vec<(usize, usize, u8)>,
    objects: Vec<Found<'a>>,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let mut parts = Parts { objects: find(lint.package), ..Parts::default() };
    for found in &parts.objects {
        match found.read() {
            Ok(Object::Table(table)) => {
                parts.firsts.push((found.element, found.offset, table.first));
                let entries = table.entries.into_iter();
                parts
                    .entries
                    .extend(entries.map(|entry| (found.element, found.offset + entry.imsi_offset, entry)));
            }
            Ok(Object::Keys(sets)) => {
                parts.sets.extend(sets.iter().map(|set| (found.element, found.offset, set.reference)));
            }
            Err(error) => {
                let message = format!("{} in {}", error.kind, error.what);
                lint.at(Rule::MultiImsiObject, found.element, error.offset, message);
            }
        }
    }
    places(lint, &parts);
    keys(lint, &parts);
    entries(lint, &parts);
}

/// Keys are for the applet's eyes, and a table for an applet.
fn places(lint: &mut Lint<'_, '_>, parts: &Parts<'_>) {
    for found in &parts.objects {
        if found.place == Place::File && matches!(found.read(), Ok(Object::Keys(_))) {
            let message = "key sets in the content of a file";
            lint.at(Rule::MultiImsiKeysInFile, found.element, found.offset, message);
        }
    }
    let has_applet = lint.all(ElementKind::Application).next().is_some();
    let has_library = lint
        .package
        .first(ElementKind::Header)
        .and_then(|header| header.profile_header().ok())
        .is_some_and(|header| !header.mandatory_aids.is_empty());
    if let Some((element, offset, _)) = parts.firsts.first()
        && !has_applet
        && !has_library
    {
        let message = "no applet in the package, and none that the eUICC must have";
        lint.at(Rule::MultiImsiApplet, *element, *offset, message);
    }
}

/// Every entry has its keys, every key set its entry.
fn keys(lint: &mut Lint<'_, '_>, parts: &Parts<'_>) {
    for (element, offset, entry) in &parts.entries {
        let sets = parts.sets.iter().filter(|(_, _, reference)| *reference == entry.key).count();
        if sets != usize::from(entry.key != 0) {
            let message =
                format!("entry {} refers to key set {}, of which there are {sets}", entry.index, entry.key);
            lint.at(Rule::MultiImsiKeySet, *element, *offset, message);
        }
    }
    for (element, offset, reference) in &parts.sets {
        if !parts.entries.iter().any(|(_, _, entry)| entry.key == *reference) {
            let message = format!("no entry refers to key set {reference}");
            lint.at(Rule::MultiImsiKeySet, *element, *offset, message);
        }
    }
}

/// Indices and IMSIs are unique, and the first one is that of the USIM.
fn entries(lint: &mut Lint<'_, '_>, parts: &Parts<'_>) {
    for (place, (element, offset, entry)) in parts.entries.iter().enumerate() {
        let before = || parts.entries.iter().take(place).map(|(_, _, other)| other);
        if before().any(|other| other.index == entry.index) {
            lint.at(Rule::MultiImsiTwice, *element, *offset, format!("two entries {}", entry.index));
        }
        // In a template they are placeholders.
        if !lint.is_template && before().any(|other| other.imsi == entry.imsi) {
            let message = format!("entry {} has the IMSI of an earlier one", entry.index);
            lint.at(Rule::MultiImsiTwice, *element, *offset, message);
        }
    }
    for (element, offset, first) in &parts.firsts {
        let Some((_, _, entry)) = parts.entries.iter().find(|(_, _, entry)| entry.index == *first) else {
            lint.at(Rule::MultiImsiFirst, *element, *offset, format!("there is no entry {first}"));
            continue;
        };
        let usims = lint.tree.applications().iter().filter(|it| it.kind == ApplicationKind::Usim);
        let mut imsis = usims.filter_map(|usim| identity::imsi_of(lint.tree, usim.directory));
        if !lint.is_template && !imsis.any(|imsi| imsi == entry.imsi.as_str()) {
            let message = format!("entry {first} is {}, which is no IMSI of the package", entry.imsi);
            lint.at(Rule::MultiImsiFirst, *element, *offset, message);
        }
    }
}
