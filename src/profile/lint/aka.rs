//! Keys and algorithms of applications: AKAParameter and CDMAParameter.

use simyard_asn1::Tlv;
use simyard_asn1::saip::ElementKind;
use simyard_asn1::saip::aka::{DEFAULT_ROTATION, DEFAULT_XORING};

use super::{Lint, Rule, identity, raw};
use crate::profile::image::ApplicationKind;

const MILENAGE: u32 = 1;
const TUAK: u32 = 2;
const TEST_ALGORITHM: u32 = 3;
/// The largest sequence number without index: 43 bits of 48 (TS 33.102 annex C.3, 5 bits of index).
const MAX_SQN: u64 = 0x07FF_FFFF_FFFF;
/// Fewer authentications than a phone makes in a few years.
const FEW_AUTHENTICATIONS: u32 = 10_000;
/// The members of CDMAParameter and their lengths.
const CDMA: [(u32, &str, usize, usize); 5] = [
    (0x81, "authenticationKey", 8, 8),
    (0x82, "ssd", 16, 16),
    (0x83, "hrpdAccessAuthenticationData", 2, 32),
    (0x84, "simpleIPAuthenticationData", 3, 483),
    (0x85, "mobileIPAuthenticationData", 5, 957),
];

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    for place in lint.all(ElementKind::AkaParameter) {
        let Some(element) = raw::element(lint.package, place) else { continue };
        if let Some(algorithm) = raw::at(&element.tlv, &[0xA1, 0xA1]) {
            algorithm_parameter(lint, place, &algorithm);
        }
        if let Some(mapping) = raw::at(&element.tlv, &[0xA1, 0xA0]) {
            mapping_parameter(lint, place, &mapping);
        }
        sequence_numbers(lint, place, &element.tlv);
    }
    for place in lint.all(ElementKind::CdmaParameter) {
        let Some(element) = raw::element(lint.package, place) else { continue };
        for (tag, name, least, most) in CDMA {
            let Some(member) = raw::member(&element.tlv, tag) else { continue };
            let octets = member.value.len();
            if !(least..=most).contains(&octets) {
                let message = format!("{name} of {}, expected {least} to {most}", raw::octets(octets));
                lint.at(Rule::CdmaLength, place, member.offset, message);
            }
        }
    }
    applications(lint);
}

fn algorithm_parameter(lint: &mut Lint<'_, '_>, place: usize, algorithm: &Tlv<'_>) {
    let Some(id) = raw::member(algorithm, 0x80) else { return };
    let number = raw::number(&id).unwrap_or(0);
    if !matches!(number, MILENAGE | TUAK | TEST_ALGORITHM) {
        lint.at(Rule::AkaAlgorithm, place, id.offset, format!("algorithm {number}"));
        return;
    }
    let keys: &[usize] = if number == TUAK { &[16, 32] } else { &[16] };
    // The test algorithm has no OPc; what stands there is ignored.
    let opcs: &[usize] = match number {
        MILENAGE => &[16],
        TUAK => &[32],
        _ => &[16, 32],
    };
    for (tag, lengths, rule) in [(0x82, keys, Rule::AkaKeyLength), (0x83, opcs, Rule::AkaOpcLength)] {
        if let Some(key) = raw::member(algorithm, tag).filter(|key| !lengths.contains(&key.value.len())) {
            let message = format!("{} for algorithm {number}", raw::octets(key.value.len()));
            lint.at(rule, place, key.offset, message);
        }
    }
    if number == MILENAGE {
        constants(lint, place, algorithm);
    }
    if let Some(keccak) = raw::member(algorithm, 0x87) {
        let iterations = raw::number(&keccak).unwrap_or(0);
        if (number == TUAK && iterations == 0) || (number != TUAK && iterations != 1) {
            let message = format!("{iterations} iterations for algorithm {number}");
            lint.at(Rule::AkaKeccak, place, keccak.offset, message);
        }
    }
    if let Some(counter) = raw::member(algorithm, 0x86) {
        let most = counter.value.iter().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
        if counter.value.len() == 3 && most < FEW_AUTHENTICATIONS {
            lint.at(Rule::AkaCounter, place, counter.offset, format!("{most} authentications"));
        }
    }
    if number == TEST_ALGORITHM && !identity::is_test(lint.tree) {
        lint.at(Rule::AkaTestAlgorithm, place, id.offset, "algorithm 3, and no IMSI of country 001");
    }
}

fn constants(lint: &mut Lint<'_, '_>, place: usize, algorithm: &Tlv<'_>) {
    let rotation = raw::member(algorithm, 0x84);
    let xoring = raw::member(algorithm, 0x85);
    if let Some(rotation) = &rotation
        && (rotation.value.len() != 5 || rotation.value.iter().any(|constant| *constant > 127))
    {
        let message = format!("{}: {}", raw::octets(rotation.value.len()), raw::hex(rotation.value));
        lint.at(Rule::AkaRotation, place, rotation.offset, message);
        return;
    }
    let given = rotation.or(xoring);
    let rotations = rotation.map_or(&DEFAULT_ROTATION[..], |it| it.value);
    let xorings = xoring.map_or(&DEFAULT_XORING[..], |it| it.value);
    let pairs: Vec<(u8, &[u8])> = rotations.iter().copied().zip(xorings.chunks_exact(16)).collect();
    let equal = pairs.iter().enumerate().find_map(|(first, pair)| {
        let second = pairs.iter().skip(first + 1).position(|other| other == pair)?;
        Some((first + 1, first + second + 2))
    });
    if let Some(((first, second), given)) = equal.zip(given) {
        let message = format!("r{first} and c{first} are r{second} and c{second}");
        lint.at(Rule::AkaConstants, place, given.offset, message);
    }
}

fn mapping_parameter(lint: &mut Lint<'_, '_>, place: usize, mapping: &Tlv<'_>) {
    let Some(source) = raw::member(mapping, 0x81) else { return };
    let tree = lint.tree;
    let found = tree.applications().iter().find(|it| it.aid == Some(source.value));
    let own_keys = |element: &usize| {
        raw::element(lint.package, *element).is_some_and(|it| raw::at(&it.tlv, &[0xA1, 0xA1]).is_some())
    };
    let message = match found {
        None => "no application has the AID",
        Some(application) if application.element > place => "the application stands behind the element",
        Some(application) if !application.aka.iter().any(own_keys) => {
            "the application has no keys of its own"
        }
        Some(application) if application.aka.iter().all(|keys| *keys > place) => "its keys stand behind",
        Some(_) => return,
    };
    lint.at(Rule::AkaMapping, place, source.offset, format!("{}: {message}", raw::hex(source.value)));
}

fn sequence_numbers(lint: &mut Lint<'_, '_>, place: usize, tlv: &Tlv<'_>) {
    let too_large = |member: &Tlv<'_>| {
        let number = member.value.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
        member.value.len() == 6 && number > MAX_SQN
    };
    let limits = [(0x83, "sqnDelta"), (0x84, "sqnAgeLimit")];
    for (tag, name) in limits {
        if let Some(limit) = raw::member(tlv, tag).filter(too_large) {
            lint.at(Rule::AkaSequence, place, limit.offset, name);
        }
    }
    let first =
        raw::member(tlv, 0xA5).and_then(|list| raw::members(&list).enumerate().find(|it| too_large(&it.1)));
    if let Some((number, entry)) = first {
        lint.at(Rule::AkaSequence, place, entry.offset, format!("entry {number} of sqnInit"));
    }
}

/// Applications without keys.
fn applications(lint: &mut Lint<'_, '_>) {
    if !lint.is_complete() {
        return;
    }
    let unread: Vec<ElementKind> = lint
        .tree
        .elements()
        .iter()
        .filter(|element| matches!(element.view, crate::profile::tree::View::Unreadable))
        .map(|element| element.element.kind)
        .collect();
    for application in lint.tree.applications() {
        let has = !application.aka.is_empty();
        match application.kind {
            ApplicationKind::Csim => {
                if !has && application.cdma.is_empty() {
                    lint.element(
                        Rule::CdmaMissing,
                        application.element,
                        "neither CDMAParameter nor AKAParameter",
                    );
                }
            }
            // Keys that cannot be read are told as such.
            ApplicationKind::Usim | ApplicationKind::Isim => {
                if !has && !unread.contains(&ElementKind::AkaParameter) {
                    lint.element(Rule::AkaMissing, application.element, "no AKAParameter follows");
                }
            }
        }
    }
}
