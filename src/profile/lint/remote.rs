//! Remote file management and applications: who they are, who may reach them, by what security.

use std::collections::BTreeSet;

use simyard_asn1::saip::ElementKind;
use simyard_asn1::{Tag, Tlv};

use super::{Lint, Rule, domains, raw};

/// AIDs in these elements.
const AID: u32 = 0x4F;
/// The lowest two bits of a security level: 2 is a cryptographic checksum, 3 a digital signature (TS 102 225 5.1.1).
const CHECKSUM: u8 = 0x02;
/// The bit of a security level that lets the counter be checked: only a message with a higher one is accepted.
const COUNTER: u8 = 0x10;
/// Access domains: full access, the rights that follow, none.
const FULL_ACCESS: u8 = 0x00;
const RIGHTS: u8 = 0x02;
const NO_ACCESS: u8 = 0xFF;
/// What a CAP file's Header component begins with, behind tag and size (Java Card VM Specification 6.4).
const CAP_MAGIC: [u8; 4] = [0xDE, 0xCA, 0xFF, 0xED];
const HEADER_COMPONENT: u8 = 1;
/// The last tag of a CAP file's components.
const LAST_COMPONENT: u8 = 15;

/// What was met on the way through the package.
#[derive(Default)]
struct Seen<'a> {
    /// Instances with their AIDs.
    instances: BTreeSet<&'a [u8]>,
    /// Security domains with their AIDs.
    domains: BTreeSet<&'a [u8]>,
    /// Toolkit application references.
    tars: BTreeSet<&'a [u8]>,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let mut seen = Seen::default();
    let loads = loads(lint);
    for (place, element) in lint.package.elements().iter().enumerate() {
        match element.kind {
            ElementKind::SecurityDomain => {
                let Some(instance) = raw::member(&element.tlv, 0xA1) else { continue };
                if let Some(aid) = self::instance(lint, place, &instance, &mut seen) {
                    seen.domains.insert(aid);
                }
            }
            ElementKind::Rfm => rfm(lint, place, &element.tlv, &mut seen),
            ElementKind::Application => application(lint, place, &element.tlv, &loads, &mut seen),
            ElementKind::Usim | ElementKind::Isim | ElementKind::Csim | ElementKind::Iot => {
                let directory = raw::members(&element.tlv)
                    .find_map(|field| raw::at(&field, &[0xA1]).and_then(|fcp| raw::member(&fcp, 0x84)));
                if let Some(aid) = directory {
                    claim(lint, place, &aid, &mut seen);
                }
            }
            _ => {}
        }
    }
}

/// The packages that the package loads: element and AID.
fn loads<'a>(lint: &Lint<'_, 'a>) -> Vec<(usize, &'a [u8])> {
    let elements = lint.all(ElementKind::Application);
    elements
        .filter_map(|place| {
            let block = raw::member(&raw::element(lint.package, place)?.tlv, 0xA1)?;
            Some((place, raw::member(&block, AID)?.value))
        })
        .collect()
}

/// Takes an AID for an instance.
fn claim<'a>(lint: &mut Lint<'_, '_>, place: usize, aid: &Tlv<'a>, seen: &mut Seen<'a>) {
    if !(5..=16).contains(&aid.value.len()) {
        let message = raw::octets(aid.value.len());
        lint.at(Rule::ApplicationAid, place, aid.offset, message);
    } else if seen.instances.contains(aid.value) {
        lint.at(Rule::ApplicationAidTwice, place, aid.offset, raw::hex(aid.value));
    }
    seen.instances.insert(aid.value);
}

/// An instance of a security domain or application: AIDs of package, class and instance, then perhaps the domain to
/// extradite it to.
fn instance<'a>(
    lint: &mut Lint<'_, '_>,
    place: usize,
    tlv: &Tlv<'a>,
    seen: &mut Seen<'a>,
) -> Option<&'a [u8]> {
    let aids: Vec<Tlv<'a>> = raw::members(tlv).filter(|member| member.tag == Tag(AID)).collect();
    for aid in aids.iter().take(2).filter(|aid| !(5..=16).contains(&aid.value.len())) {
        lint.at(Rule::ApplicationAid, place, aid.offset, raw::octets(aid.value.len()));
    }
    let own = aids.get(2)?;
    claim(lint, place, own, seen);
    if let Some(domain) = aids.get(3) {
        domain_before(lint, place, domain, seen);
    }
    if let Some(toolkit) = raw::at(tlv, &[0xEA, 0x80]) {
        toolkit_parameters(lint, place, &toolkit, seen);
    }
    Some(own.value)
}

fn domain_before(lint: &mut Lint<'_, '_>, place: usize, domain: &Tlv<'_>, seen: &Seen<'_>) {
    if !seen.domains.contains(domain.value) {
        lint.at(Rule::RemoteDomain, place, domain.offset, raw::hex(domain.value));
    }
}

/// Toolkit application specific parameters (TS 102 226 8.2.1.3.2.2): priority, timers, length of texts, menu entries of
/// two octets each, channels, then security level and references, each behind its length.
fn toolkit_parameters<'a>(lint: &mut Lint<'_, '_>, place: usize, tlv: &Tlv<'a>, seen: &mut Seen<'a>) {
    let value = tlv.value;
    let Some(entries) = value.get(3) else { return };
    let mut at = 5 + 2 * usize::from(*entries);
    let mut field = || {
        let length = usize::from(*value.get(at)?);
        let field = value.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        Some((at - length, field))
    };
    if let Some((offset, [_, level, ..])) = field() {
        minimum_security(lint, place, raw::value_offset(tlv) + offset + 1, *level);
    }
    if let Some((offset, references)) = field() {
        let offset = raw::value_offset(tlv) + offset;
        if references.len() % 3 != 0 {
            let message = format!("{} of references", raw::octets(references.len()));
            lint.at(Rule::RemoteTar, place, offset, message);
        }
        for (number, reference) in references.chunks_exact(3).enumerate() {
            tar(lint, place, offset + 3 * number, reference, seen);
        }
    }
}

fn minimum_security(lint: &mut Lint<'_, '_>, place: usize, offset: usize, level: u8) {
    if level & CHECKSUM == 0 {
        let message = format!("minimum security level {level:02X}");
        lint.at(Rule::RemoteMinimumSecurity, place, offset, message);
    }
}

fn tar<'a>(lint: &mut Lint<'_, '_>, place: usize, offset: usize, reference: &'a [u8], seen: &mut Seen<'a>) {
    if reference.len() != 3 {
        lint.at(Rule::RemoteTar, place, offset, raw::octets(reference.len()));
    } else if seen.tars.contains(reference) {
        lint.at(Rule::RemoteTarTwice, place, offset, raw::hex(reference));
    }
    seen.tars.insert(reference);
}

fn rfm<'a>(lint: &mut Lint<'_, '_>, place: usize, element: &Tlv<'a>, seen: &mut Seen<'a>) {
    // The header has the tag of the references: they are the second member that has it.
    let members: Vec<Tlv<'a>> = raw::members(element).skip(1).collect();
    let of = |tag: u32| members.iter().filter(move |member| member.tag == Tag(tag));
    let mut aids = of(AID);
    if let Some(own) = aids.next() {
        claim(lint, place, own, seen);
    }
    if let Some(domain) = aids.next() {
        domain_before(lint, place, domain, seen);
    }
    for reference in of(0xA0).flat_map(raw::members) {
        tar(lint, place, reference.offset, reference.value, seen);
    }
    let mut can_be_repeated = false;
    for level in of(0x81) {
        if let Some(octet) = raw::octet(level) {
            minimum_security(lint, place, level.offset, octet);
            can_be_repeated = octet & COUNTER == 0;
        }
    }
    let mut domains: Vec<Tlv<'a>> = of(0x04).copied().collect();
    for access in of(0x30) {
        domains.extend(raw::members(access).filter(|member| matches!(member.tag.0, 0x81 | 0x82)));
        let Some(aid) = raw::member(access, 0x80) else { continue };
        let is_before = lint
            .tree
            .applications()
            .iter()
            .any(|application| application.aid == Some(aid.value) && application.element < place);
        if !is_before {
            lint.at(Rule::RemoteApplication, place, aid.offset, raw::hex(aid.value));
        }
    }
    let mut full = 0;
    for access in &domains {
        match access.value {
            [FULL_ACCESS] => full += 1,
            [NO_ACCESS] | [RIGHTS, _, ..] => {}
            other => {
                lint.at(Rule::RemoteAccessDomain, place, access.offset, format!("\"{}\"", raw::hex(other)))
            }
        }
    }
    if full > 0 && can_be_repeated {
        let message = format!("{full} of {} access domains are 00, and no counter is checked", domains.len());
        lint.element(Rule::RemoteFullAccess, place, message);
    }
}

fn application<'a>(
    lint: &mut Lint<'_, '_>,
    place: usize,
    element: &Tlv<'a>,
    loads: &[(usize, &'a [u8])],
    seen: &mut Seen<'a>,
) {
    let block = raw::member(element, 0xA1);
    let list = raw::member(element, 0xA2);
    let instances: Vec<Tlv<'a>> = list.iter().flat_map(raw::members).collect();
    if block.is_none() && instances.is_empty() {
        lint.element(Rule::ApplicationEmpty, place, "no loadBlock and no instanceList");
    }
    if let Some(block) = &block {
        let mut aids = raw::members(block).filter(|member| member.tag == Tag(AID));
        if let Some(aid) = aids.next().filter(|aid| !(5..=16).contains(&aid.value.len())) {
            lint.at(Rule::ApplicationAid, place, aid.offset, raw::octets(aid.value.len()));
        }
        if let Some(domain) = aids.next() {
            domain_before(lint, place, &domain, seen);
        }
        if let Some(code) = raw::member(block, 0xC4).filter(|code| !is_cap_file(code.value)) {
            let message = format!("{} that are no components", raw::octets(code.value.len()));
            lint.at(Rule::ApplicationLoadBlock, place, code.offset, message);
        }
    }
    for instance in &instances {
        self::instance(lint, place, instance, seen);
        domains::parameters(lint, place, instance);
        life_cycle(lint, place, instance);
        if let Some(package) = raw::member(instance, AID) {
            load_package(lint, place, &package, loads);
        }
    }
}

fn life_cycle(lint: &mut Lint<'_, '_>, place: usize, instance: &Tlv<'_>) {
    let Some(state) = raw::member(instance, 0x83) else { return };
    // 03 installed; from 07 on the low three bits are set, the others are the application's own.
    if !matches!(state.value, [0x03]) && !matches!(state.value, [state] if state & 0x07 == 0x07) {
        lint.at(Rule::DomainLifeCycle, place, state.offset, raw::hex(state.value));
    }
}

/// The package that an instance is made from: loaded before, or on the eUICC by the header's word.
fn load_package(lint: &mut Lint<'_, '_>, place: usize, package: &Tlv<'_>, loads: &[(usize, &[u8])]) {
    let loaded = loads.iter().filter(|(_, aid)| *aid == package.value).map(|(element, _)| *element).min();
    let text = raw::hex(package.value);
    match loaded {
        Some(element) if element > place => {
            lint.at(Rule::ApplicationPackageLater, place, package.offset, text);
        }
        Some(_) => {}
        // Every eUICC has GlobalPlatform's package of security domains.
        None if package.value == domains::LOAD_PACKAGE => {}
        None => {
            let header = lint.tree.header();
            if !header.is_some_and(|header| header.mandatory_aids.contains(&package.value)) {
                lint.at(Rule::ApplicationPackage, place, package.offset, text);
            }
        }
    }
}

/// Whether octets are the components of a CAP file, each a tag, two octets of length, and content; Header first.
fn is_cap_file(octets: &[u8]) -> bool {
    let mut rest = octets;
    let mut is_first = true;
    while let [tag, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((content, next)) = after.split_at_checked(length) else { return false };
        let fits = if is_first {
            *tag == HEADER_COMPONENT && content.starts_with(&CAP_MAGIC)
        } else {
            (2..=LAST_COMPONENT).contains(tag)
        };
        if !fits {
            return false;
        }
        is_first = false;
        rest = next;
    }
    rest.is_empty() && !is_first
}
