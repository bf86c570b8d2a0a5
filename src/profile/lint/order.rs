//! The order of the elements, and what can be said of an element without reading its content.
//!
//! A USIM, ISIM or CSIM begins a group that lasts to the next one: keys and files of the application that follow belong
//! to it. A package may have several USIMs, each with elements of its own.

use std::collections::BTreeMap;

use simyard_asn1::saip::ElementKind;

use super::{Lint, Rule, raw};

/// The AID of the MNO-SD (TCA Profile Package, PE-SecurityDomain).
pub(super) const MNO_SD_AID: [u8; 8] = [0xA0, 0, 0, 1, 0x51, 0, 0, 0];
/// The identifier of the MF.
const MF: [u8; 2] = [0x3F, 0x00];
/// Before this version it was not settled whose PINs follow PE-TELECOM.
const PINS_SETTLED: (u8, u8) = (2, 2);

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    ends(lint);
    master_file(lint);
    groups(lint);
    pins_after_telecom(lint);
    security_domains(lint);
    identifications(lint);
    odd_elements(lint);
}

/// The header in front, End behind.
fn ends(lint: &mut Lint<'_, '_>) {
    let elements = lint.package.elements();
    let Some((first, last)) = elements.first().zip(elements.len().checked_sub(1)) else { return };
    if first.kind != ElementKind::Header && lint.unread.first().is_none_or(|it| it.offset > first.tlv.offset)
    {
        lint.element(Rule::OrderHeaderFirst, 0, format!("the first element is {}", first.kind.name()));
    }
    for second in lint.all(ElementKind::Header).skip(1) {
        lint.element(Rule::OrderHeaderOnce, second, "one header is in front of it already");
    }
    match lint.all(ElementKind::End).next() {
        None if lint.is_complete() => {
            let offset = lint.package.octets().len();
            lint.at(Rule::OrderEndMissing, last, offset, "the package ends without End");
        }
        Some(end) if end < last => {
            let follow = last - end;
            lint.element(Rule::OrderEndLast, end + 1, format!("{follow} elements follow End"));
        }
        _ => {}
    }
}

fn master_file(lint: &mut Lint<'_, '_>) {
    let is_mf = |kind| matches!(kind, ElementKind::Mf | ElementKind::Iot);
    let elements = lint.package.elements();
    let mut places = elements.iter().enumerate().filter(|(_, it)| is_mf(it.kind)).map(|(place, _)| place);
    let first = places.next();
    let others: Vec<usize> = places.collect();
    for other in others {
        lint.element(Rule::OrderMfOnce, other, "one MF is in front of it already");
    }
    // What could not be read may have been the MF.
    if first == Some(1) || !lint.is_complete() {
        return;
    }
    match elements.get(1) {
        Some(second) if creates_mf(&second.tlv) => {
            lint.element(Rule::OrderMfByManagement, 1, "file 3F00 is created by a command");
        }
        Some(second) => {
            let message = format!("the second element is {}, expected mf or iot", second.kind.name());
            lint.element(Rule::OrderMfSecond, 1, message);
        }
        None => {
            let offset = lint.package.octets().len();
            lint.at(Rule::OrderMfSecond, 0, offset, "nothing follows the first element");
        }
    }
}

/// Whether the first file that a GenericFileManagement element creates is the MF.
fn creates_mf(tlv: &simyard_asn1::Tlv<'_>) -> bool {
    let is_management = ElementKind::from_tag(tlv.tag) == ElementKind::GenericFileManagement;
    let created = raw::at(tlv, &[0xA1, 0x30, 0x62, 0x83]);
    is_management && created.is_some_and(|id| id.value == MF)
}

/// Elements that stand once in the package, or once in the group of an application.
fn groups(lint: &mut Lint<'_, '_>) {
    use ElementKind::{
        AkaParameter, Cd, CdmaParameter, Csim, Df5gProse, Df5gs, DfSaip, DfSnpn, Eap, GsmAccess, Iot, Isim,
        OptCsim, OptIot, OptIsim, OptUsim, Phonebook, Telecom, Usim,
    };
    let package = lint.package;
    let mut group: Option<ElementKind> = None;
    let mut since = 0;
    let mut in_group: Vec<ElementKind> = Vec::new();
    let mut in_package: Vec<ElementKind> = Vec::new();
    for (place, element) in package.elements().iter().enumerate() {
        let kind = element.kind;
        // An application that could not be read may have stood in between.
        let unsure = lint.unread.iter().any(|error| (since..element.tlv.offset).contains(&error.offset));
        let wanted: &[ElementKind] = match kind {
            Usim | Isim | Csim | Iot => {
                (group, since) = (Some(kind), element.tlv.offset);
                in_group.clear();
                continue;
            }
            Cd | Telecom => {
                if in_package.contains(&kind) {
                    twice(lint, place, "the package");
                }
                in_package.push(kind);
                continue;
            }
            OptUsim | Phonebook | GsmAccess | Df5gs | DfSaip | DfSnpn | Df5gProse => &[Usim, Iot],
            OptIot => &[Iot],
            OptIsim => &[Isim],
            OptCsim | CdmaParameter => &[Csim],
            Eap | AkaParameter => &[Usim, Isim, Csim, Iot],
            _ => continue,
        };
        if group.is_some_and(|group| wanted.contains(&group)) {
            let once = if kind == AkaParameter { Rule::OrderAkaTwice } else { Rule::OrderElementTwice };
            if kind != Eap && in_group.contains(&kind) {
                if once == Rule::OrderAkaTwice {
                    lint.element(once, place, "the application before it has its keys already");
                } else {
                    twice(lint, place, "the application before it");
                }
            }
            in_group.push(kind);
        } else if !unsure {
            let before = group.map_or("no application", ElementKind::name);
            let rule = match kind {
                AkaParameter => Rule::OrderAkaPlace,
                CdmaParameter => Rule::OrderCdmaPlace,
                _ => Rule::OrderApplicationBefore,
            };
            let names: Vec<&str> = wanted.iter().map(|kind| kind.name()).collect();
            lint.element(rule, place, format!("{before} stands before it, expected {}", names.join(" or ")));
        }
    }
}

fn twice(lint: &mut Lint<'_, '_>, place: usize, whole: &str) {
    let name = raw::element(lint.package, place).map_or("", |element| element.kind.name());
    lint.element(Rule::OrderElementTwice, place, format!("{whole} has {name} already"));
}

fn pins_after_telecom(lint: &mut Lint<'_, '_>) {
    let elements = lint.package.elements();
    let Some(header) = lint.tree.header() else { return };
    if (header.major_version, header.minor_version) >= PINS_SETTLED {
        return;
    }
    for (place, pair) in elements.windows(2).enumerate() {
        if let [telecom, pins] = pair
            && telecom.kind == ElementKind::Telecom
            && pins.kind == ElementKind::PinCodes
        {
            let version = format!("{}.{}", header.major_version, header.minor_version);
            lint.element(
                Rule::OrderPinsAfterTelecom,
                place + 1,
                format!("DF.TELECOM is not selected, version {version}"),
            );
        }
    }
}

fn security_domains(lint: &mut Lint<'_, '_>) {
    let package = lint.package;
    let domains: Vec<usize> = lint.all(ElementKind::SecurityDomain).collect();
    let Some(first) = domains.first() else {
        if lint.is_complete() && !package.elements().is_empty() {
            let offset = package.elements().last().map_or(0, |element| element.tlv.offset);
            lint.at(Rule::DomainMissing, package.elements().len() - 1, offset, "no securityDomain element");
        }
        return;
    };
    for (place, element) in package.elements().iter().enumerate().take(*first) {
        if matches!(element.kind, ElementKind::Rfm | ElementKind::Application) {
            let message = format!("{} stands before the first securityDomain", element.kind.name());
            lint.element(Rule::OrderSecurityDomainBefore, place, message);
        }
    }
    for place in domains.iter().skip(1) {
        let is_mno = raw::element(package, *place).is_some_and(|domain| {
            let instance = raw::member(&domain.tlv, 0xA1);
            let aids = instance
                .iter()
                .flat_map(raw::members)
                .filter(|member| member.tag.0 == 0x4F)
                .map(|aid| aid.value == MNO_SD_AID)
                .nth(2);
            aids == Some(true)
        });
        if is_mno {
            lint.element(Rule::OrderMnoSecurityDomain, *place, "A000000151000000 comes after another domain");
        }
    }
}

fn identifications(lint: &mut Lint<'_, '_>) {
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    for (place, element) in lint.package.elements().iter().enumerate() {
        let Some(identification) = element.identification() else { continue };
        if let Some(first) = seen.get(&identification) {
            let other = raw::element(lint.package, *first).map_or("", |first| first.kind.name());
            let message = format!("identification {identification} belongs to {other} already");
            lint.element(Rule::ElementIdentificationTwice, place, message);
        } else {
            seen.insert(identification, place);
        }
    }
}

fn odd_elements(lint: &mut Lint<'_, '_>) {
    for (place, element) in lint.package.elements().iter().enumerate() {
        match element.kind {
            ElementKind::Unknown(tag) => {
                lint.element(Rule::ElementUnknown, place, format!("tag {tag} is none of the format"));
            }
            ElementKind::NonStandard if element.is_mandated() => {
                let issuer = raw::member(&element.tlv, 0x81);
                let issuer = issuer.and_then(|issuer| simyard_asn1::Oid::from_content(issuer.value));
                let issuer = issuer.map_or_else(|| "unknown".to_owned(), |issuer| issuer.to_string());
                lint.element(Rule::ElementNonStandard, place, format!("issuer {issuer}"));
            }
            ElementKind::End => {
                if let Some(member) = raw::members(&element.tlv).nth(1) {
                    let message = format!("member {} behind the header", member.tag);
                    lint.at(Rule::ElementEndContent, place, member.offset, message);
                }
            }
            _ => {}
        }
    }
}
