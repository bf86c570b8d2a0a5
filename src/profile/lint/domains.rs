//! Security domains: identity, parameters, key sets.

use std::collections::BTreeMap;

use simyard_asn1::Tlv;
use simyard_asn1::saip::ElementKind;

use super::{Lint, Rule, raw};
use crate::profile::overview::words;

/// Package and class of GlobalPlatform's security domains.
pub(super) const LOAD_PACKAGE: [u8; 7] = [0xA0, 0, 0, 1, 0x51, 0x53, 0x50];
const CLASS: [u8; 8] = [0xA0, 0, 0, 1, 0x51, 0x53, 0x50, 0x41];
/// Life cycle states of a security domain: selectable, personalised.
const STATES: [u8; 2] = [0x07, 0x0F];
/// Key types.
const DES: u8 = 0x80;
const PSK: u8 = 0x85;
const AES: u8 = 0x88;

/// A secure channel protocol: its number in installation parameters, name, whether it has one key for integrity under
/// identifier 2, the last identifier.
struct Protocol {
    number: u8,
    name: &'static str,
    has_mac: bool,
    last_identifier: u8,
}

const PROTOCOLS: [Protocol; 4] = [
    Protocol { number: 0x80, name: "SCP80", has_mac: true, last_identifier: 3 },
    Protocol { number: 0x02, name: "SCP02", has_mac: true, last_identifier: 3 },
    Protocol { number: 0x03, name: "SCP03", has_mac: true, last_identifier: 3 },
    Protocol { number: 0x81, name: "SCP81", has_mac: false, last_identifier: 2 },
];

/// Versions of keys that belong to no secure channel: data authentication patterns, tokens, receipts; and FF, the keys
/// that are replaced first.
const fn is_other_version(version: u8) -> bool {
    matches!(version, 0x11 | 0x70..=0x7F | 0xFF)
}

fn protocol(version: u8) -> Option<&'static Protocol> {
    let name = words::key_set(version)?;
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}

/// One component of a key.
pub(super) struct Key<'a> {
    /// The version of its set.
    pub(super) version: u8,
    /// Its number in the set.
    pub(super) identifier: u8,
    key_type: u8,
    /// Its value, a secret.
    pub(super) data: Tlv<'a>,
    object: Tlv<'a>,
}

/// The keys of a security domain, as far as they can be read.
pub(super) fn keys<'a>(element: &Tlv<'a>) -> Vec<Key<'a>> {
    let mut keys = Vec::new();
    let list = raw::member(element, 0xA2);
    for object in list.iter().flat_map(raw::members) {
        let octet = |tlv: &Tlv<'_>, tag| raw::member(tlv, tag).and_then(|it| raw::octet(&it)).unwrap_or(0);
        let (identifier, version) = (octet(&object, 0x82), octet(&object, 0x83));
        let components = raw::member(&object, 0x30);
        for component in components.iter().flat_map(raw::members) {
            let Some(data) = raw::member(&component, 0x86) else { continue };
            keys.push(Key { version, identifier, key_type: octet(&component, 0x80), data, object });
        }
    }
    keys
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    for place in lint.all(ElementKind::SecurityDomain) {
        let Some(element) = raw::element(lint.package, place).map(|element| element.tlv) else { continue };
        let Some(instance) = raw::member(&element, 0xA1) else { continue };
        identity(lint, place, &instance);
        let keys = keys(&element);
        if keys.is_empty() {
            lint.element(Rule::DomainWithoutKeys, place, "no keyList, or none that can be read");
        }
        key_values(lint, place, &keys);
        key_sets(lint, place, &keys);
        secure_channels(lint, place, &instance, &keys);
    }
}

fn identity(lint: &mut Lint<'_, '_>, place: usize, instance: &Tlv<'_>) {
    let aids: Vec<Tlv<'_>> = raw::members(instance).filter(|member| member.tag.0 == 0x4F).collect();
    for (aid, expected) in aids.iter().zip([&LOAD_PACKAGE[..], &CLASS]) {
        if aid.value != expected {
            let message = format!("{}, expected {}", raw::hex(aid.value), raw::hex(expected));
            lint.at(Rule::DomainAids, place, aid.offset, message);
        }
    }
    if let Some(privileges) = raw::member(instance, 0x82) {
        let is_domain = privileges.value.first().is_some_and(|first| first & 0x80 != 0);
        if !is_domain || !matches!(privileges.value.len(), 1 | 3) {
            lint.at(Rule::DomainPrivileges, place, privileges.offset, raw::hex(privileges.value));
        }
    }
    if let Some(state) = raw::member(instance, 0x83)
        && !matches!(state.value, [state] if STATES.contains(state))
    {
        lint.at(Rule::DomainLifeCycle, place, state.offset, raw::hex(state.value));
    }
    parameters(lint, place, instance);
}

/// Installation parameters of a domain or application: data objects, whatever they say.
pub(super) fn parameters(lint: &mut Lint<'_, '_>, place: usize, instance: &Tlv<'_>) {
    let Some(parameters) = raw::member(instance, 0xC9) else { return };
    if raw::objects(parameters.value).is_none() {
        let message = format!("{} that are no TLVs", raw::octets(parameters.value.len()));
        lint.at(Rule::DomainParameters, place, parameters.offset, message);
    }
}

/// Version, identifier, type and length of each key.
fn key_values(lint: &mut Lint<'_, '_>, place: usize, keys: &[Key<'_>]) {
    let mut seen: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    for key in keys {
        let name = format!("key {} of version {:02X}", key.identifier, key.version);
        let offset = key.object.offset;
        let protocol = protocol(key.version);
        if matches!(key.version, 0x00 | 0x80..=0xFE) {
            lint.at(Rule::DomainKeyVersion, place, offset, name.clone());
        } else if protocol.is_none() && !is_other_version(key.version) {
            lint.at(Rule::DomainKeyVersionRange, place, offset, name.clone());
        }
        if protocol.is_some_and(|it| !(1..=it.last_identifier).contains(&key.identifier)) {
            lint.at(Rule::DomainKeyIdentifier, place, offset, name.clone());
        }
        let octets = key.data.value.len();
        let fits = match key.key_type {
            DES => matches!(octets, 16 | 24),
            AES => matches!(octets, 16 | 24 | 32),
            PSK => octets >= 16,
            other => {
                if protocol.is_some() {
                    let message = format!("{name}: type {other:02X}");
                    lint.at(Rule::DomainKeyType, place, offset, message);
                }
                true
            }
        };
        if !fits {
            let message = format!("{name}: {} of type {:02X}", raw::octets(octets), key.key_type);
            lint.at(Rule::DomainKeyLength, place, key.data.offset, message);
        }
        // The components of one key stand in one object.
        let first = seen.entry((key.version, key.identifier)).or_insert(offset);
        if *first != offset {
            lint.at(Rule::DomainKeyTwice, place, offset, name);
        }
    }
}

fn key_sets(lint: &mut Lint<'_, '_>, place: usize, keys: &[Key<'_>]) {
    let mut sets: BTreeMap<u8, Vec<&Key<'_>>> = BTreeMap::new();
    for key in keys {
        sets.entry(key.version).or_default().push(key);
    }
    for (version, set) in sets {
        let Some(first) = set.first() else { continue };
        if protocol(version).is_some_and(|it| it.has_mac) && !set.iter().any(|key| key.identifier == 2) {
            let message = format!("version {version:02X} has no key 2");
            lint.at(Rule::DomainWithoutMac, place, first.object.offset, message);
        }
        let mut seen: BTreeMap<&[u8], u8> = BTreeMap::new();
        let equal = set.iter().find_map(|key| {
            let other = *seen.entry(key.data.value).or_insert(key.identifier);
            (other != key.identifier).then_some((other, key.identifier, key.object.offset))
        });
        let is_placeholder =
            lint.is_template && set.iter().all(|key| key.data.value.iter().all(|octet| *octet == 0));
        if let Some((one, other, offset)) = equal.filter(|_| !is_placeholder) {
            let message = format!("keys {one} and {other} of version {version:02X}");
            lint.at(Rule::DomainKeysEqual, place, offset, message);
        }
    }
}

/// Whether the protocols of the keys are among those that the installation parameters announce, if they do at all.
fn secure_channels(lint: &mut Lint<'_, '_>, place: usize, instance: &Tlv<'_>, keys: &[Key<'_>]) {
    let Some(parameters) = raw::member(instance, 0xC9) else { return };
    let objects = raw::objects(parameters.value).unwrap_or_default();
    let announced: Vec<u8> = objects
        .iter()
        .filter(|object| object.tag.0 == 0x81)
        .filter_map(|object| object.value.first().copied())
        .collect();
    if announced.is_empty() {
        return;
    }
    for protocol in &PROTOCOLS {
        let mut of_protocol = keys.iter().filter(|key| words::key_set(key.version) == Some(protocol.name));
        if let Some(key) = of_protocol.next().filter(|_| !announced.contains(&protocol.number)) {
            let message = format!("keys of version {:02X} are for {}", key.version, protocol.name);
            lint.at(Rule::DomainSecureChannel, place, parameters.offset, message);
        }
    }
}
