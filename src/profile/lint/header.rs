//! The profile header: version, names, lists.

use std::collections::BTreeSet;

use simyard_asn1::saip::{ElementKind, Service};
use simyard_asn1::{Oid, Tag, Tlv};

use super::{Lint, Rule, raw};
use crate::profile::templates::Template;

/// The published versions of the format: major, and the last minor of it.
const PUBLISHED: [(u32, u32); 2] = [(2, 3), (3, 3)];
/// A version that no template needs yet.
type Version = (u32, u32);

/// The version that brought a template: element, version of the template, version of the format (chapter 0 of the
/// lists of changes).
const TEMPLATES_SINCE: &[(ElementKind, u8, Version)] = &[
    (ElementKind::Eap, 1, (2, 2)),
    (ElementKind::Df5gs, 1, (2, 3)),
    (ElementKind::DfSaip, 1, (2, 3)),
    (ElementKind::Telecom, 2, (3, 1)),
    (ElementKind::Usim, 2, (3, 1)),
    (ElementKind::OptUsim, 2, (3, 1)),
    (ElementKind::OptIsim, 2, (3, 1)),
    (ElementKind::Csim, 2, (3, 1)),
    (ElementKind::OptCsim, 2, (3, 1)),
    (ElementKind::Df5gs, 2, (3, 1)),
    (ElementKind::Df5gs, 3, (3, 1)),
    (ElementKind::OptUsim, 3, (3, 3)),
    (ElementKind::Df5gs, 4, (3, 3)),
    (ElementKind::DfSnpn, 1, (3, 3)),
    (ElementKind::Df5gProse, 1, (3, 3)),
    (ElementKind::Iot, 1, (3, 3)),
    (ElementKind::OptIot, 1, (3, 3)),
];
/// The version that brought openPersoData and catTpParameters of security domains.
const OPEN_PERSO_DATA: Version = (2, 2);
/// The version that brought iotOptions.
const IOT_OPTIONS: Version = (3, 3);

/// The header's raw octets: it is looked at before anybody asks whether all of it is in order.
struct Header<'a> {
    place: usize,
    tlv: Tlv<'a>,
    version: Option<Version>,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let Some(place) = lint.all(ElementKind::Header).next() else { return };
    let Some(element) = raw::element(lint.package, place) else { return };
    let number = |tag| raw::member(&element.tlv, tag).and_then(|tlv| raw::number(&tlv));
    let version = number(0x80).zip(number(0x81));
    let header = Header { place, tlv: element.tlv, version };
    check_version(lint, &header);
    version_of_content(lint, &header);
    names(lint, &header);
    templates(lint, &header);
    libraries(lint, &header);
    iot_options(lint, &header);
}

fn check_version(lint: &mut Lint<'_, '_>, header: &Header<'_>) {
    let Some((major, minor)) = header.version else { return };
    let offset = raw::member(&header.tlv, 0x80).map_or(header.tlv.offset, |tlv| tlv.offset);
    match PUBLISHED.iter().find(|(published, _)| *published == major) {
        None => {
            lint.at(Rule::HeaderVersion, header.place, offset, format!("version {major}.{minor}"));
        }
        Some((_, last)) if minor > *last => {
            let message = format!("version {major}.{minor}, the last one known is {major}.{last}");
            lint.at(Rule::HeaderVersionUnpublished, header.place, offset, message);
        }
        Some(_) => {}
    }
}

/// What stands in the package and came with a later version.
fn version_of_content(lint: &mut Lint<'_, '_>, header: &Header<'_>) {
    let Some(version) = header.version else { return };
    let too_new = |since: &Version| *since > version;
    let text = |since: Version| {
        let (major, minor) = version;
        format!("came with version {}.{}, the header says {major}.{minor}", since.0, since.1)
    };
    let tree = lint.tree;
    for (place, element) in tree.elements().iter().enumerate() {
        let kind = element.element.kind;
        if let Some(template) = &element.template {
            let since = TEMPLATES_SINCE.iter().find(|it| it.0 == kind && it.1 == template.version);
            if let Some((.., since)) = since.filter(|(.., since)| too_new(since)) {
                let message = format!("version {} of the template {}", template.version, text(*since));
                lint.element(Rule::HeaderVersionContent, place, message);
            }
        }
        if kind == ElementKind::SecurityDomain && too_new(&OPEN_PERSO_DATA) {
            for (tag, name) in [(0xA4, "openPersoData"), (0xA5, "catTpParameters")] {
                if let Some(member) = raw::member(&element.element.tlv, tag) {
                    let message = format!("{name} {}", text(OPEN_PERSO_DATA));
                    lint.at(Rule::HeaderVersionContent, place, member.offset, message);
                }
            }
        }
    }
    if let Some(options) = raw::member(&header.tlv, 0xA9).filter(|_| too_new(&IOT_OPTIONS)) {
        let message = format!("iotOptions {}", text(IOT_OPTIONS));
        lint.at(Rule::HeaderVersionContent, header.place, options.offset, message);
    }
}

fn names(lint: &mut Lint<'_, '_>, header: &Header<'_>) {
    if let Some(name) = raw::member(&header.tlv, 0x82) {
        let length = std::str::from_utf8(name.value).map(|text| text.chars().count());
        let message = match length {
            Ok(1..=100) => None,
            Ok(length) => Some(format!("{length} characters, expected 1 to 100")),
            Err(_) => Some("no UTF-8 text".to_owned()),
        };
        if let Some(message) = message {
            lint.at(Rule::HeaderProfileType, header.place, name.offset, message);
        }
    }
    let Some(iccid) = raw::member(&header.tlv, 0x83) else { return };
    if let Err(message) = digits(iccid.value) {
        lint.at(Rule::HeaderIccid, header.place, iccid.offset, message);
    }
}

/// Whether ten octets are 18 to 20 digits in reading order, filled up with F.
fn digits(octets: &[u8]) -> Result<(), String> {
    if octets.len() != 10 {
        return Err(format!("{}, expected 10", raw::octets(octets.len())));
    }
    let nibbles: Vec<u8> = octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]).collect();
    let count = nibbles.iter().take_while(|nibble| **nibble <= 9).count();
    if count < 18 || nibbles.iter().skip(count).any(|nibble| *nibble != 0x0F) {
        return Err(format!("{count} digits in front of {:X}", nibbles.get(count).copied().unwrap_or(0x0F)));
    }
    Ok(())
}

fn templates(lint: &mut Lint<'_, '_>, header: &Header<'_>) {
    let Some(list) = raw::member(&header.tlv, 0xA6) else { return };
    let mut listed: BTreeSet<&[u8]> = BTreeSet::new();
    let used: BTreeSet<&[u8]> = lint.package.elements().iter().filter_map(template_of).collect();
    for entry in raw::members(&list) {
        let name = Oid::from_content(entry.value);
        let text = name.as_ref().map_or_else(|| "no identifier".to_owned(), ToString::to_string);
        if name.as_ref().and_then(Template::find).is_none() {
            lint.at(Rule::HeaderTemplateUnknown, header.place, entry.offset, text);
        } else if listed.contains(entry.value) {
            lint.at(Rule::HeaderTemplateTwice, header.place, entry.offset, text);
        } else if !used.contains(entry.value) {
            lint.at(Rule::HeaderTemplateUnused, header.place, entry.offset, text);
        }
        listed.insert(entry.value);
    }
    let mut told: Vec<&[u8]> = Vec::new();
    for (place, element) in lint.package.elements().iter().enumerate() {
        let Some(template) = template_of(element).filter(|_| element.is_mandated()) else { continue };
        if !listed.contains(template) && !told.contains(&template) {
            told.push(template);
            let name = Oid::from_content(template).map(|oid| oid.to_string()).unwrap_or_default();
            lint.element(Rule::HeaderTemplateUnlisted, place, format!("template {name}"));
        }
    }
}

/// The identifier of an element's template.
fn template_of<'a>(element: &simyard_asn1::saip::ProfileElement<'a>) -> Option<&'a [u8]> {
    if !element.kind.is_file_system() {
        return None;
    }
    raw::member(&element.tlv, 0x81).map(|template| template.value)
}

fn libraries(lint: &mut Lint<'_, '_>, header: &Header<'_>) {
    let Some(list) = raw::member(&header.tlv, 0xA8) else { return };
    for entry in raw::members(&list) {
        let length = |tag| raw::member(&entry, tag).map_or(0, |member| member.value.len());
        let (aid, version) = (length(0x80), length(0x81));
        if entry.tag != Tag::SEQUENCE || !(5..=16).contains(&aid) || version != 2 {
            let message = format!("AID of {}, version of {version}", raw::octets(aid));
            lint.at(Rule::HeaderAids, header.place, entry.offset, message);
        }
    }
}

fn iot_options(lint: &mut Lint<'_, '_>, header: &Header<'_>) {
    let is_iot = lint.all(ElementKind::Iot).next().is_some();
    match raw::member(&header.tlv, 0xA9) {
        Some(options) => {
            let pix = raw::member(&options, 0x80).map_or(0, |pix| pix.value.len());
            if !(7..=11).contains(&pix) {
                let message = format!("a PIX of {}", raw::octets(pix));
                lint.at(Rule::HeaderIotOptions, header.place, options.offset, message);
            }
        }
        None if is_iot => {
            lint.element(Rule::HeaderIotOptions, header.place, "no iotOptions, and the package has PE-IoT");
        }
        None => {}
    }
}

/// The services of the header and where each stands, known or not.
pub(super) fn services<'a>(lint: &Lint<'_, 'a>) -> Option<(usize, Vec<(Service, Tlv<'a>)>)> {
    let place = lint.all(ElementKind::Header).next()?;
    let list = raw::member(&raw::element(lint.package, place)?.tlv, 0xA5)?;
    Some((
        place,
        raw::members(&list).map(|entry| (Service::from_number(entry.tag.number()), entry)).collect(),
    ))
}
