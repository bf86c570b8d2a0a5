//! PINs, PUKs and administrative codes.

use std::collections::{BTreeMap, BTreeSet};

use simyard_asn1::Tlv;
use simyard_asn1::saip::ElementKind;
use simyard_asn1::saip::codes::{DEFAULT_PIN_ATTEMPTS, DEFAULT_PUK_ATTEMPTS, MAX_PINS};

use super::{Lint, Rule, raw};
use crate::profile::overview::words;
use crate::profile::tree::{Body, FileId, PinSet};

/// The first PUK with its reference, and where it stands.
struct Puk {
    element: usize,
    offset: usize,
    is_used: bool,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let mut puks = puks(lint);
    let mut seen: BTreeSet<(Option<FileId>, usize, u32)> = BTreeSet::new();
    for place in lint.all(ElementKind::PinCodes) {
        pins(lint, place, &mut puks, &mut seen);
    }
    for (reference, puk) in puks.iter().filter(|(_, puk)| !puk.is_used) {
        lint.at(Rule::PinUnusedPuk, puk.element, puk.offset, puk_name(*reference));
    }
    shared(lint);
}

/// The PUKs of the package by their references.
fn puks(lint: &mut Lint<'_, '_>) -> BTreeMap<u32, Puk> {
    let mut puks: BTreeMap<u32, Puk> = BTreeMap::new();
    for place in lint.all(ElementKind::PukCodes) {
        let list = raw::element(lint.package, place).and_then(|it| raw::member(&it.tlv, 0xA1));
        for entry in list.iter().flat_map(raw::members) {
            let reference = raw::member(&entry, 0x80).and_then(|it| raw::number(&it)).unwrap_or(0);
            if !matches!(reference, 1..=8 | 129..=136) {
                lint.at(Rule::PinReference, place, entry.offset, puk_name(reference));
            }
            if puks.contains_key(&reference) {
                lint.at(Rule::PinReferenceTwice, place, entry.offset, puk_name(reference));
            }
            let name = puk_name(reference);
            let value = raw::member(&entry, 0x81);
            if let Some(value) = value {
                let is_code = value.value.len() == 8 && value.value.iter().all(u8::is_ascii_digit);
                if !is_code {
                    let octets = value.value.len();
                    let message = format!("{name}: {} that are not 8 digits", raw::octets(octets));
                    lint.at(Rule::PinValue, place, value.offset, message);
                } else if is_guessed(value.value) && !lint.is_template {
                    lint.at(Rule::PinWeakCode, place, value.offset, name.clone());
                }
            }
            attempts(lint, place, &entry, 0x82, DEFAULT_PUK_ATTEMPTS, &name);
            puks.entry(reference).or_insert(Puk { element: place, offset: entry.offset, is_used: false });
        }
    }
    puks
}

fn pins(
    lint: &mut Lint<'_, '_>,
    place: usize,
    puks: &mut BTreeMap<u32, Puk>,
    seen: &mut BTreeSet<(Option<FileId>, usize, u32)>,
) {
    let Some(element) = raw::element(lint.package, place) else { return };
    let Some(list) = raw::at(&element.tlv, &[0xA1, 0xA0]) else { return };
    let directory = lint.tree.elements().get(place).and_then(|element| element.directory);
    let count = raw::members(&list).count();
    if count == 0 || count > MAX_PINS {
        lint.at(Rule::PinCount, place, list.offset, format!("{count} PINs"));
    }
    for entry in raw::members(&list) {
        let reference = raw::member(&entry, 0x80).and_then(|it| raw::number(&it)).unwrap_or(0);
        let name = name(reference);
        if !matches!(reference, 1..=8 | 10..=14 | 129..=136 | 138..=142) {
            lint.at(Rule::PinReference, place, entry.offset, name.clone());
        }
        // Without a directory, those of one element are compared with each other.
        let scope = if directory.is_some() { 0 } else { place + 1 };
        if !seen.insert((directory, scope, reference)) {
            lint.at(Rule::PinReferenceTwice, place, entry.offset, name.clone());
        }
        let misplaced = match directory {
            Some(FileId::MF) => matches!(reference, 129..=136),
            Some(_) => matches!(reference, 1..=14),
            None => false,
        };
        if misplaced {
            let path = directory.map(|id| lint.tree.path(id)).unwrap_or_default();
            lint.at(Rule::PinPlace, place, entry.offset, format!("{name} in {path}"));
        }
        value(lint, place, &entry, reference, &name);
        attempts(lint, place, &entry, 0x84, DEFAULT_PIN_ATTEMPTS, &name);
        unblocking(lint, place, &entry, reference, puks);
    }
}

/// What a code is called.
fn name(reference: u32) -> String {
    u8::try_from(reference).map_or_else(|_| format!("key reference {reference}"), words::pin)
}

/// What a PUK is called.
fn puk_name(reference: u32) -> String {
    u8::try_from(reference).map_or_else(|_| format!("PUK of key reference {reference}"), words::puk)
}

/// Whether a reference is a user's PIN: an administrative code may be any eight octets.
const fn is_users(reference: u32) -> bool {
    matches!(reference, 1..=8 | 129..=136)
}

fn value(lint: &mut Lint<'_, '_>, place: usize, entry: &Tlv<'_>, reference: u32, name: &str) {
    let Some(value) = raw::member(entry, 0x81) else { return };
    let digits = value.value.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let rest = value.value.get(digits..).unwrap_or_default();
    let is_pin = (4..=8).contains(&digits) && rest.iter().all(|octet| *octet == 0xFF);
    if value.value.len() != 8 || (is_users(reference) && !is_pin) {
        let message = format!("{name}: {}, {digits} digits in front", raw::octets(value.value.len()));
        lint.at(Rule::PinValue, place, value.offset, message);
        return;
    }
    let code = value.value.get(..digits).filter(|_| is_pin).unwrap_or(value.value);
    if is_guessed(code) && !lint.is_template {
        let rule = if is_users(reference) { Rule::PinDefault } else { Rule::PinWeakCode };
        lint.at(rule, place, value.offset, name.to_owned());
    }
}

/// Whether a code is among those that are tried first: one digit over and over, or counting.
fn is_guessed(code: &[u8]) -> bool {
    let step = |by: u8| code.windows(2).all(|pair| matches!(pair, [a, b] if b.wrapping_sub(*a) == by));
    step(0) || step(1) || step(0xFF)
}

fn attempts(lint: &mut Lint<'_, '_>, place: usize, entry: &Tlv<'_>, tag: u32, default: u8, name: &str) {
    let given = raw::member(entry, tag);
    let octet = given.map_or(Some(u32::from(default)), |given| raw::number(&given));
    let Some(octet) = octet.filter(|octet| *octet <= 0xFF) else { return };
    let offset = given.map_or(entry.offset, |given| given.offset);
    let (maximum, left) = (octet >> 4, octet & 0x0F);
    if maximum == 0 || left > maximum {
        let message = format!("{name}: {left} of {maximum} attempts left");
        lint.at(Rule::PinAttempts, place, offset, message);
    } else if left == 0 {
        lint.at(Rule::PinBlocked, place, offset, format!("{name}: no attempt left"));
    }
}

fn unblocking(
    lint: &mut Lint<'_, '_>,
    place: usize,
    entry: &Tlv<'_>,
    reference: u32,
    puks: &mut BTreeMap<u32, Puk>,
) {
    let Some(member) = raw::member(entry, 0x82) else {
        if is_users(reference) {
            lint.at(Rule::PinWithoutPuk, place, entry.offset, name(reference));
        }
        return;
    };
    let Some(wanted) = raw::number(&member) else { return };
    match puks.get_mut(&wanted) {
        None => {
            let message = format!("{}: there is no {}", name(reference), puk_name(wanted));
            lint.at(Rule::PinPuk, place, member.offset, message);
        }
        Some(puk) => {
            puk.is_used = true;
            if puk.element > place {
                let message = format!("{}: {} stands in a later element", name(reference), puk_name(wanted));
                lint.at(Rule::OrderPukBeforePin, place, member.offset, message);
            }
        }
    }
}

/// PINs shared with another directory, which must have some of its own before.
fn shared(lint: &mut Lint<'_, '_>) {
    let tree = lint.tree;
    for (id, file) in tree.files() {
        let Body::Directory(directory) = &file.body else { continue };
        let PinSet::Shared { element, path, target } = &directory.pins else { continue };
        let own = target.and_then(|target| match &tree.directory(target)?.pins {
            PinSet::Own(pins) if target != id => pins.first().map(|pin| pin.element),
            _ => None,
        });
        if own.is_none_or(|own| own > *element) {
            let path: String = path.iter().map(|fid| format!("{fid:04X}")).collect();
            let path = if path.is_empty() { "the MF".to_owned() } else { path };
            lint.element(Rule::PinShare, *element, format!("{path} has no PINs of its own before"));
        }
    }
}
