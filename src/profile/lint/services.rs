//! eUICC-Mandatory-services against the content of the package.
//!
//! A service is listed for content that is mandated: an eUICC without it refuses the profile at once. For content that
//! is not mandated it must not be listed, or the eUICC could not skip it. Some services nobody can derive from a
//! package (contactless, GBA, MBMS, CAT-TP …): whether those are listed is the operator's matter.

use simyard_asn1::saip::{ElementKind, Service};
use simyard_asn1::{Tag, Tlv};

use super::{Lint, Rule, header, raw};
use crate::profile::templates::FileKind;
use crate::profile::tree::{Body, Tree};

/// Services that need one of others: EF.UST knows no GBA without USIM.
const NEEDS: &[(Service, &[Service])] = &[
    (Service::GbaUsim, &[Service::Usim]),
    (Service::GbaIsim, &[Service::Isim]),
    (Service::MultipleUsim, &[Service::Usim]),
    (Service::MultipleIsim, &[Service::Isim]),
    (Service::MultipleCsim, &[Service::Csim]),
    (Service::GetIdentity, &[Service::Usim, Service::Isim]),
    (Service::ProfileAX25519, &[Service::Usim, Service::Isim]),
    (Service::ProfileBP256, &[Service::Usim, Service::Isim]),
];

/// Services that show in the content of a package.
const DERIVED: &[Service] = &[
    Service::Usim,
    Service::Isim,
    Service::Csim,
    Service::Milenage,
    Service::Tuak128,
    Service::Tuak256,
    Service::UsimTestAlgorithm,
    Service::Cave,
    Service::Eap,
    Service::Javacard,
    Service::MultipleUsim,
    Service::MultipleIsim,
    Service::MultipleCsim,
    Service::BerTlv,
    Service::DfLink,
];

/// Something in the package that needs a service.
struct Use {
    service: Service,
    element: usize,
    offset: usize,
    mandated: bool,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let Some((place, listed)) = header::services(lint) else { return };
    entries(lint, place, &listed);
    let uses = uses(lint);
    let has = |service: Service| listed.iter().any(|(it, _)| *it == service);
    let mut told: Vec<Service> = Vec::new();
    for needed in uses.iter().filter(|needed| needed.mandated && !has(needed.service)) {
        // Java Card and MULTOS are two ways to run an application.
        let by_multos = needed.service == Service::Javacard && has(Service::Multos);
        if !told.contains(&needed.service) && !by_multos {
            told.push(needed.service);
            let message = format!("{} is needed here and not listed", needed.service.name());
            lint.at(Rule::ServiceMissing, needed.element, needed.offset, message);
        }
    }
    if !lint.is_complete() {
        return;
    }
    for (service, entry) in &listed {
        if !DERIVED.contains(service) {
            continue;
        }
        let mut users = uses.iter().filter(|it| it.service == *service).peekable();
        if users.peek().is_none() {
            let message = format!("{} is listed", service.name());
            lint.at(Rule::ServiceWithoutContent, place, entry.offset, message);
        } else if users.all(|user| !user.mandated) {
            let message = format!("{} is listed, and no element that needs it is mandated", service.name());
            lint.at(Rule::ServiceNotMandated, place, entry.offset, message);
        }
    }
}

/// The list itself.
fn entries(lint: &mut Lint<'_, '_>, place: usize, listed: &[(Service, Tlv<'_>)]) {
    let mut present: Vec<Service> = Vec::new();
    for (service, _) in listed.iter().filter(|(service, _)| !matches!(service, Service::Unknown(_))) {
        if !present.contains(service) {
            present.push(*service);
        }
    }
    let mut seen: Vec<Service> = Vec::new();
    for (service, entry) in listed {
        let is_null = entry.tag == Tag::context(entry.tag.number()) && entry.value.is_empty();
        if !is_null || matches!(service, Service::Unknown(_)) {
            let message = format!("entry {} of {}", entry.tag, raw::octets(entry.value.len()));
            lint.at(Rule::ServiceUnknown, place, entry.offset, message);
        } else if seen.contains(service) {
            lint.at(Rule::ServiceTwice, place, entry.offset, service.name());
        } else {
            seen.push(*service);
        }
        let needs = NEEDS.iter().find(|(it, _)| it == service).map(|(_, needs)| *needs);
        if let Some(needs) = needs.filter(|needs| !needs.iter().any(|needed| present.contains(needed))) {
            let names: Vec<&str> = needs.iter().map(|service| service.name()).collect();
            let message = format!("{} without {}", service.name(), names.join(" or "));
            lint.at(Rule::ServiceDependency, place, entry.offset, message);
        }
    }
}

/// What in the package needs which service.
fn uses(lint: &Lint<'_, '_>) -> Vec<Use> {
    let mut uses = Vec::new();
    let mut seen: Vec<ElementKind> = Vec::new();
    for (place, element) in lint.package.elements().iter().enumerate() {
        let mut add = |service| {
            let (offset, mandated) = (element.tlv.offset, element.is_mandated());
            uses.push(Use { service, element: place, offset, mandated });
        };
        let (one, several) = match element.kind {
            ElementKind::Usim => (Service::Usim, Some(Service::MultipleUsim)),
            ElementKind::Isim => (Service::Isim, Some(Service::MultipleIsim)),
            ElementKind::Csim => (Service::Csim, Some(Service::MultipleCsim)),
            ElementKind::CdmaParameter => (Service::Cave, None),
            ElementKind::Eap => (Service::Eap, None),
            ElementKind::Application => (Service::Javacard, None),
            ElementKind::AkaParameter => match algorithm(&element.tlv) {
                Some(service) => (service, None),
                None => continue,
            },
            _ => continue,
        };
        add(one);
        if let Some(several) = several.filter(|_| seen.contains(&element.kind)) {
            add(several);
        }
        seen.push(element.kind);
    }
    files(lint, &mut uses);
    uses
}

/// The service of the algorithm in an AKAParameter element.
fn algorithm(tlv: &Tlv<'_>) -> Option<Service> {
    let algorithm = raw::at(tlv, &[0xA1, 0xA1])?;
    let key = raw::member(&algorithm, 0x82).map_or(0, |key| key.value.len());
    match raw::number(&raw::member(&algorithm, 0x80)?)? {
        1 => Some(Service::Milenage),
        2 if key == 32 => Some(Service::Tuak256),
        2 => Some(Service::Tuak128),
        3 => Some(Service::UsimTestAlgorithm),
        _ => None,
    }
}

fn files(lint: &Lint<'_, '_>, uses: &mut Vec<Use>) {
    let tree = lint.tree;
    for (_, file) in tree.files() {
        let mandated = raw::element(lint.package, file.element).is_some_and(|element| element.is_mandated());
        let mut add = |service| {
            uses.push(Use { service, element: file.element, offset: file.offset, mandated });
        };
        if file.kind == FileKind::BerTlv && matches!(file.body, Body::Content(_)) {
            add(Service::BerTlv);
        }
        if matches!(file.body, Body::Link { .. }) && file.kind.is_directory() {
            add(Service::DfLink);
        }
        if file.table == ElementKind::DfSaip && file.name == "EF.SUCICalcInfo" {
            for service in suci(tree, file) {
                add(service);
            }
        }
    }
}

/// What the card must be able to do for the SUCI that it calculates itself: the schemes of EF.SUCI_Calc_Info in
/// DF.SAIP (TS 31.102 4.4.11.8, TS 33.501 annex C).
fn suci(tree: &Tree<'_>, file: &crate::profile::tree::File<'_>) -> Vec<Service> {
    let Body::Content(content) = &file.body else { return Vec::new() };
    let application = file.parent.and_then(|parent| tree.application_of(parent));
    let announced = application.is_some_and(|place| super::announced::has_service(tree, place, SUCI_BY_USIM));
    if !announced {
        return Vec::new();
    }
    let schemes = super::contents::suci_schemes(&content.octets);
    let mut services = vec![Service::GetIdentity];
    if schemes.contains(&1) {
        services.push(Service::ProfileAX25519);
    }
    if schemes.contains(&2) {
        services.push(Service::ProfileBP256);
    }
    services
}

/// Service 125 of EF.UST: the USIM calculates the SUCI.
const SUCI_BY_USIM: u16 = 125;
