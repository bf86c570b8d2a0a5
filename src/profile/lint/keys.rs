//! Keys that are no secrets: published, made from a pattern, or used twice.

use std::collections::BTreeMap;

use simyard_asn1::Tlv;
use simyard_asn1::saip::{ElementKind, Package};

use super::{Lint, Rule, domains, raw};
use crate::profile::multi_imsi::{find, key_sets};
use crate::profile::published;

const TEST_ALGORITHM: u32 = 3;

/// A key and where it stands. It has no Debug: it is a secret.
pub(super) struct Key<'a> {
    /// The element.
    pub(super) element: usize,
    /// "K", "OPc" or the like.
    pub(super) name: String,
    /// The key.
    pub(super) value: &'a [u8],
    /// Where it starts in the package.
    pub(super) offset: usize,
}

/// The keys of a package: of applications and of security domains.
pub(super) fn keys<'a>(package: &Package<'a>) -> Vec<Key<'a>> {
    let mut keys = Vec::new();
    for (place, element) in package.elements().iter().enumerate() {
        let mut add = |name: String, tlv: &Tlv<'a>| {
            let offset = raw::value_offset(tlv);
            keys.push(Key { element: place, name, value: tlv.value, offset });
        };
        match element.kind {
            ElementKind::AkaParameter => {
                let Some(algorithm) = raw::at(&element.tlv, &[0xA1, 0xA1]) else { continue };
                let id = raw::member(&algorithm, 0x80).and_then(|id| raw::number(&id));
                if let Some(key) = raw::member(&algorithm, 0x82) {
                    add("K".to_owned(), &key);
                }
                // The test algorithm ignores it.
                if let Some(opc) = raw::member(&algorithm, 0x83).filter(|_| id != Some(TEST_ALGORITHM)) {
                    add(if opc.value.len() == 32 { "TOPc" } else { "OPc" }.to_owned(), &opc);
                }
            }
            ElementKind::CdmaParameter => {
                if let Some(key) = raw::member(&element.tlv, 0x81) {
                    add("authenticationKey".to_owned(), &key);
                }
            }
            ElementKind::SecurityDomain => {
                for key in domains::keys(&element.tlv) {
                    add(format!("key {} of version {:02X}", key.identifier, key.version), &key.data);
                }
            }
            _ => {}
        }
    }
    keys.extend(of_applets(package));
    keys
}

/// The key sets of a multi-IMSI applet.
fn of_applets<'a>(package: &Package<'a>) -> Vec<Key<'a>> {
    let mut keys = Vec::new();
    for found in find(package) {
        let Ok(sets) = key_sets(found.octets) else { continue };
        for set in sets {
            for (name, value, offset) in [("K", set.key, set.key_offset), ("OPc", set.opc, set.opc_offset)] {
                let name = format!("{name} of key set {}", set.reference);
                keys.push(Key { element: found.element, name, value, offset: found.offset + offset });
            }
        }
    }
    keys
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let keys = keys(lint.package);
    for key in &keys {
        let is_zero = key.value.iter().all(|octet| *octet == 0);
        if key.value.is_empty() || (lint.is_template && is_zero) {
            continue;
        }
        if let Some(source) = published::find(key.value) {
            let message = format!("{} is published: {source}", key.name);
            lint.at(Rule::KeyPublished, key.element, key.offset, message);
        } else if let Some(pattern) = published::pattern(key.value) {
            lint.at(Rule::KeyPattern, key.element, key.offset, format!("{}: {pattern}", key.name));
        }
    }
    for pair in keys.windows(2) {
        if let [k, opc] = pair
            && k.element == opc.element
            && k.name == "K"
            && opc.name == "OPc"
            && k.value == opc.value
            && !(lint.is_template && k.value.iter().all(|octet| *octet == 0))
        {
            lint.at(Rule::KeyOpcIsK, opc.element, opc.offset, "OPc has the octets of K");
        }
    }
    let mut others: BTreeMap<&[u8], usize> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.name == "K") {
        if !is_usims(lint, key.element) {
            continue;
        }
        if let Some(other) = others.get(key.value) {
            let message = format!("K is that of element {other}");
            lint.at(Rule::KeySharedInPackage, key.element, key.offset, message);
        } else {
            others.insert(key.value, key.element);
        }
    }
}

/// Whether a key is published or has a pattern.
pub(super) fn is_known(key: &[u8]) -> bool {
    published::find(key).is_some() || published::pattern(key).is_some()
}

/// Whether an element's keys are those of a USIM: an ISIM often has those of the USIM beside it.
fn is_usims(lint: &Lint<'_, '_>, element: usize) -> bool {
    let application = lint.tree.elements().get(element).and_then(|element| element.application);
    let application = application.and_then(|place| lint.tree.applications().get(place));
    application.is_some_and(|application| application.kind == crate::profile::image::ApplicationKind::Usim)
}
