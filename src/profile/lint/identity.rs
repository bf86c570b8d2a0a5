//! Who the profile is: ICCID, IMSI, and what must agree with them.

use simyard_asn1::saip::{ElementKind, Package};

use super::{Lint, Rule, raw};
use crate::profile::content::plmn;
use crate::profile::image::ApplicationKind;
use crate::profile::tree::{Body, Content, FileId, Tree};

/// Country code of test networks (TS 23.003 2.2; ITU-T E.212).
const TEST_COUNTRY: &str = "001";
/// Digits of an ICCID that are the issuer's: what follows is a template's if it is zero.
const ISSUER_DIGITS: usize = 7;
/// Digits of an IMSI that are the network's at most, where its code has two: the same.
const NETWORK_DIGITS: usize = 5;
/// Octets of EF.MSISDN behind the name.
const DIALLING_NUMBER: usize = 14;
/// Modes of operation of EF.AD: normal, with specific facilities, maintenance, cell test; 80 and 81 for type approval.
const MODES: [u8; 6] = [0x00, 0x01, 0x02, 0x04, 0x80, 0x81];
/// Access class bits: 0 to 9 of subscribers; bit 10 says something of cells, not of subscribers.
const SUBSCRIBER_CLASSES: u16 = 0x03FF;
const NO_CLASS: u16 = 0x0400;

/// An application's directory and the digits of its IMSI, if it has one.
struct Subscription {
    directory: FileId,
    imsi: Option<String>,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let iccid = header_iccid(lint.package);
    check_iccid(lint, iccid.as_deref());
    let mut imsis: Vec<String> = Vec::new();
    for application in lint.tree.applications() {
        if application.kind != ApplicationKind::Usim {
            continue;
        }
        let subscription = imsi(lint, application.directory);
        if let Some(imsi) = &subscription.imsi {
            if imsis.contains(imsi)
                && let Some(file) = lint.tree.child_by_name(application.directory, "EF.IMSI")
            {
                lint.file(Rule::IdentityImsiTwice, file, imsi.clone());
            }
            imsis.push(imsi.clone());
        }
        access_class(lint, &subscription);
        let network_digits = administrative_data(lint, &subscription);
        home_network(lint, &subscription, network_digits);
        msisdn(lint, application.directory);
        provider_name(lint, application.directory);
    }
    for application in lint.tree.applications() {
        if application.kind == ApplicationKind::Isim {
            isim(lint, application.directory, &imsis);
        }
    }
    directory_of_applications(lint);
}

/// The digits of octets, the high nibble first where `swapped` is false, up to the first that is none.
fn nibbles(octets: &[u8], swapped: bool) -> impl Iterator<Item = u8> {
    octets.iter().flat_map(move |octet| {
        let (high, low) = (octet >> 4, octet & 0x0F);
        if swapped { [low, high] } else { [high, low] }
    })
}

fn digits(octets: &[u8], swapped: bool) -> String {
    nibbles(octets, swapped)
        .take_while(|nibble| *nibble <= 9)
        .map(|nibble| char::from(b'0' + nibble))
        .collect()
}

/// The digits of the header's ICCID.
pub(super) fn header_iccid(package: &Package<'_>) -> Option<String> {
    let header = package.first(ElementKind::Header)?;
    Some(digits(raw::member(&header.tlv, 0x83)?.value, false))
}

/// Whether everything behind the issuer's and the network's digits is zero.
pub(super) fn is_template(package: &Package<'_>, tree: &Tree<'_>) -> bool {
    let is_zero = |digits: &str, from: usize| {
        digits.len() > from && digits.bytes().skip(from).all(|digit| digit == b'0')
    };
    header_iccid(package).is_some_and(|iccid| is_zero(&iccid, ISSUER_DIGITS))
        && tree.applications().iter().all(|application| {
            application.kind != ApplicationKind::Usim
                || imsi_of(tree, application.directory).is_some_and(|imsi| is_zero(&imsi, NETWORK_DIGITS))
        })
}

/// Whether the package is for a test network.
pub(super) fn is_test(tree: &Tree<'_>) -> bool {
    tree.applications().iter().any(|application| {
        imsi_of(tree, application.directory).is_some_and(|imsi| imsi.starts_with(TEST_COUNTRY))
    })
}

/// The IMSI in a USIM's directory, if EF.IMSI holds one.
pub(super) fn imsi_of(tree: &Tree<'_>, directory: FileId) -> Option<String> {
    parse_imsi(&content(tree, directory, "EF.IMSI")?.1.octets).ok()
}

fn content<'t>(tree: &'t Tree<'_>, directory: FileId, name: &str) -> Option<(FileId, &'t Content<'t>)> {
    let id = tree.child_by_name(directory, name)?;
    match &tree.file(id)?.body {
        Body::Content(content) => Some((id, content)),
        Body::Directory(_) | Body::Link { .. } => None,
    }
}

fn check_iccid(lint: &mut Lint<'_, '_>, iccid: Option<&str>) {
    let Some(iccid) = iccid else { return };
    let Some(header) = lint.all(ElementKind::Header).next() else { return };
    if let Some((id, file)) = content(lint.tree, FileId::MF, "EF.ICCID") {
        let found = digits(&file.octets, true);
        if found != iccid || file.octets.len() != 10 {
            let message = format!(
                "EF.ICCID is \"{found}\" in {}, the header \"{iccid}\"",
                raw::octets(file.octets.len())
            );
            lint.content(Rule::IdentityIccid, id, 0, message);
        }
    } else if lint.is_complete() && lint.all(ElementKind::Mf).next().is_some() {
        lint.element(Rule::IdentityIccid, header, "there is no EF.ICCID in the MF");
    }
    let of_number = raw::element(lint.package, header).and_then(|it| raw::member(&it.tlv, 0x83));
    let offset = of_number.map_or(0, |number| number.offset);
    if !iccid.starts_with("89") {
        lint.at(Rule::IdentityIccidPrefix, header, offset, format!("ICCID {iccid}"));
    }
    if !lint.is_template && !passes_luhn(iccid) {
        let message = format!("ICCID {iccid}: the digits do not pass Luhn's check");
        lint.at(Rule::IdentityIccidCheckDigit, header, offset, message);
    }
}

/// Whether the last digit is the check digit of the others (ISO/IEC 7812-1 annex B).
fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled @ 0..=9) => doubled,
                (_, doubled) => doubled - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The digits of EF.IMSI, or what is wrong with it.
fn parse_imsi(octets: &[u8]) -> Result<String, String> {
    let Some((length, rest)) = octets.split_first().filter(|_| octets.len() == 9) else {
        return Err(format!("{}, expected 9", raw::octets(octets.len())));
    };
    let used = rest.get(..usize::from(*length)).filter(|used| !used.is_empty());
    let Some(used) = used else {
        return Err(format!("a length of {}, expected 1 to 8", raw::octets(length)));
    };
    let mut nibbles = nibbles(used, true);
    let parity = nibbles.next().unwrap_or_default();
    let imsi: String = nibbles.take_while(|nibble| *nibble <= 9).map(|it| char::from(b'0' + it)).collect();
    // Bit 4 of the first nibble says that the number of digits is odd.
    let expected = if imsi.len() % 2 == 1 { 9 } else { 1 };
    let filler = 2 * used.len() - 1 - imsi.len();
    if parity != expected {
        return Err(format!("{} digits behind the parity {parity:X}, expected {expected}", imsi.len()));
    }
    if !(6..=15).contains(&imsi.len()) || filler > 1 {
        return Err(format!("{} digits in {}", imsi.len(), raw::octets(length)));
    }
    Ok(imsi)
}

fn imsi(lint: &mut Lint<'_, '_>, directory: FileId) -> Subscription {
    let mut subscription = Subscription { directory, imsi: None };
    let Some((id, file)) = content(lint.tree, directory, "EF.IMSI") else { return subscription };
    match parse_imsi(&file.octets) {
        Ok(imsi) => {
            if imsi.len() != 15 {
                lint.content(Rule::IdentityImsiLength, id, 0, format!("{} digits", imsi.len()));
            }
            subscription.imsi = Some(imsi);
        }
        Err(message) => lint.content(Rule::IdentityImsi, id, 0, message),
    }
    subscription
}

fn access_class(lint: &mut Lint<'_, '_>, subscription: &Subscription) {
    let Some((id, file)) = content(lint.tree, subscription.directory, "EF.ACC") else { return };
    let [high, low] = *file.octets else { return };
    let classes = u16::from_be_bytes([high, low]);
    let of_subscribers = classes & SUBSCRIBER_CLASSES;
    if of_subscribers.count_ones() != 1 || classes & NO_CLASS != 0 {
        let message = format!("{classes:04X} has {} of the classes 0 to 9", of_subscribers.count_ones());
        lint.content(Rule::IdentityAccessClass, id, 0, message);
        return;
    }
    let class = of_subscribers.trailing_zeros();
    let last = subscription.imsi.as_ref().and_then(|imsi| imsi.chars().last()).and_then(|it| it.to_digit(10));
    if let Some(last) = last.filter(|last| *last != class) {
        let message = format!("access class {class}, the IMSI ends with {last}");
        lint.content(Rule::IdentityAccessClassImsi, id, 0, message);
    }
}

/// Checks EF.AD and returns the number of digits of the network code.
fn administrative_data(lint: &mut Lint<'_, '_>, subscription: &Subscription) -> Option<usize> {
    let (id, file) = content(lint.tree, subscription.directory, "EF.AD")?;
    let octets: &[u8] = &file.octets;
    let mode = *octets.first()?;
    if !MODES.contains(&mode) {
        lint.content(Rule::IdentityAd, id, 0, format!("mode {mode:02X}"));
    } else if !matches!(mode, 0x00 | 0x01) {
        let is_test = subscription.imsi.as_ref().is_none_or(|imsi| imsi.starts_with(TEST_COUNTRY));
        if !is_test {
            lint.content(Rule::IdentityTestMode, id, 0, format!("mode {mode:02X}"));
        }
    }
    match octets.get(3).map(|octet| octet & 0x0F) {
        Some(digits @ (2 | 3)) => Some(usize::from(digits)),
        Some(other) => {
            let message = format!("a network code of {other} digits, expected 2 or 3");
            lint.content(Rule::IdentityAd, id, 3, message);
            None
        }
        None => {
            let message = format!("{}, expected 4", raw::octets(octets.len()));
            lint.content(Rule::IdentityAd, id, 0, message);
            None
        }
    }
}

fn home_network(lint: &mut Lint<'_, '_>, subscription: &Subscription, network_digits: Option<usize>) {
    let home = subscription.imsi.as_ref().zip(network_digits);
    let Some(home) = home.and_then(|(imsi, digits)| plmn(imsi.get(..3)?, imsi.get(3..3 + digits)?).ok())
    else {
        return;
    };
    let Some((id, file)) = content(lint.tree, subscription.directory, "EF.HPLMNwAcT") else { return };
    let mut entries = file.octets.chunks_exact(5).map(|entry| entry.get(..3).unwrap_or_default());
    let mut given = entries.clone().filter(|entry| *entry != [0xFF; 3]).peekable();
    if given.peek().is_some() && !entries.any(|entry| entry == home) {
        let message = format!("{} is not listed", raw::hex(&home));
        lint.content(Rule::IdentityHomePlmn, id, 0, message);
    }
}

fn msisdn(lint: &mut Lint<'_, '_>, directory: FileId) {
    let Some((id, file)) = content(lint.tree, directory, "EF.MSISDN") else { return };
    let Some(length) = file.record_length().filter(|length| *length >= DIALLING_NUMBER) else { return };
    for (number, record) in file.records().enumerate() {
        let start = length - DIALLING_NUMBER;
        let Some([octets, kind, dialled @ ..]) = record.get(start..) else { continue };
        if *octets == 0xFF {
            continue;
        }
        let used = usize::from(*octets).checked_sub(1).and_then(|used| dialled.get(..used));
        let is_number = used.is_some_and(|used| used.len() <= 10 && is_dialled(used)) && kind & 0x80 != 0;
        if !is_number {
            let message = format!("record {}: length {octets}, type of number {kind:02X}", number + 1);
            lint.content(Rule::IdentityMsisdn, id, number * length + start, message);
        }
    }
}

/// Whether octets are dialled digits, * and # included, filled up with F (TS 24.008 10.5.4.7).
fn is_dialled(octets: &[u8]) -> bool {
    let mut nibbles = nibbles(octets, true).skip_while(|nibble| *nibble != 0x0F);
    !octets.is_empty() && nibbles.all(|nibble| nibble == 0x0F)
}

fn provider_name(lint: &mut Lint<'_, '_>, directory: FileId) {
    let Some((id, file)) = content(lint.tree, directory, "EF.SPN") else { return };
    let Some((_, name)) = file.octets.split_first() else { return };
    let letters = name.iter().take_while(|octet| **octet != 0xFF).count();
    let (text, filler) = name.split_at_checked(letters).unwrap_or((name, &[]));
    let is_gsm = text.iter().all(|octet| *octet < 0x80) && filler.iter().all(|octet| *octet == 0xFF);
    let is_ucs2 = matches!(name.first(), Some(0x80..=0x82));
    if !is_gsm && !is_ucs2 {
        lint.content(Rule::IdentitySpn, id, 1, "neither GSM letters nor UCS2");
    }
}

/// The name in a data object 80.
fn name(octets: &[u8]) -> Option<&str> {
    let objects = {
        let mut reader = simyard_asn1::Reader::with_rules(octets, "name", simyard_asn1::Rules::Ber);
        reader.expect(simyard_asn1::Tag(0x80)).ok()?
    };
    std::str::from_utf8(objects.value).ok()
}

fn isim(lint: &mut Lint<'_, '_>, directory: FileId, imsis: &[String]) {
    for file_name in ["EF.IMPI", "EF.IMPU", "EF.Domain"] {
        let Some((id, file)) = content(lint.tree, directory, file_name) else { continue };
        let length = file.record_length().unwrap_or(file.octets.len());
        for (number, record) in file.octets.chunks(length.max(1)).enumerate() {
            // Records behind the first may be free.
            if number > 0 && record.iter().all(|octet| *octet == 0xFF) {
                continue;
            }
            match name(record) {
                None => {
                    let message = "no data object 80 with text";
                    lint.content(Rule::IdentityImpi, id, number * length, message);
                }
                Some(name) if file_name == "EF.IMPI" => private_identity(lint, id, name, imsis),
                Some(_) => {}
            }
        }
    }
}

/// A private identity that begins with an IMSI begins with that of the USIM.
fn private_identity(lint: &mut Lint<'_, '_>, id: FileId, name: &str, imsis: &[String]) {
    let Some((user, _)) = name.split_once('@') else {
        lint.content(Rule::IdentityImpi, id, 0, "a private identity without @");
        return;
    };
    let is_imsi = user.len() == 15 && user.bytes().all(|digit| digit.is_ascii_digit());
    if is_imsi && !imsis.is_empty() && !imsis.iter().any(|imsi| imsi == user) {
        lint.content(Rule::IdentityImpiImsi, id, 0, format!("{user} is no IMSI of the package"));
    }
}

/// The AIDs of the instances that the package makes: EF.DIR may list them too.
fn instances<'a>(lint: &Lint<'_, 'a>) -> Vec<&'a [u8]> {
    let elements = lint.all(ElementKind::Application).filter_map(|place| raw::element(lint.package, place));
    let lists = elements.filter_map(|element| raw::member(&element.tlv, 0xA2));
    let own = |instance: simyard_asn1::Tlv<'a>| {
        raw::members(&instance).filter(|member| member.tag.0 == 0x4F).nth(2).map(|aid| aid.value)
    };
    lists.flat_map(|list| raw::members(&list)).filter_map(own).collect()
}

/// EF.DIR lists the applications of the package and no others.
fn directory_of_applications(lint: &mut Lint<'_, '_>) {
    let tree = lint.tree;
    let Some((id, file)) = content(tree, FileId::MF, "EF.DIR") else { return };
    let length = file.record_length().unwrap_or_default();
    let instances = instances(lint);
    let mut listed: Vec<&[u8]> = Vec::new();
    for (number, record) in file.records().enumerate() {
        if record.iter().all(|octet| *octet == 0xFF) {
            continue;
        }
        let mut reader = simyard_asn1::Reader::with_rules(record, "EF.DIR", simyard_asn1::Rules::Ber);
        let aid = reader
            .expect(simyard_asn1::Tag(0x61))
            .ok()
            .and_then(|entry| raw::member(&entry, 0x4F))
            .map(|aid| aid.value);
        match aid {
            None => {
                let message = format!("record {} is no application template", number + 1);
                lint.content(Rule::IdentityDirectory, id, number * length, message);
            }
            Some(aid) => {
                let is_there = instances.contains(&aid)
                    || tree.applications().iter().any(|application| application.aid == Some(aid));
                if !is_there {
                    let message = format!("record {}: no application has AID {}", number + 1, raw::hex(aid));
                    lint.content(Rule::IdentityDirectory, id, number * length, message);
                }
                listed.push(aid);
            }
        }
    }
    for application in tree.applications() {
        if let Some(aid) = application.aid.filter(|aid| !listed.contains(aid)) {
            lint.file(Rule::IdentityDirectory, id, format!("{} is not listed", raw::hex(aid)));
        }
    }
}
