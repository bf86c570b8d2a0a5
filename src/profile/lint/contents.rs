//! What single files hold, where a wrong size or code makes a phone misread them.

use simyard_asn1::saip::ElementKind;

use super::{Lint, Rule, raw};
use crate::profile::content::plmn_text;
use crate::profile::tree::{Body, Content, File, FileId};

/// What sizes a file may have.
#[derive(Clone, Copy)]
enum Size {
    /// Octets of the file.
    Exactly(usize),
    /// Octets of the file, at least.
    AtLeast(usize),
    /// The file is a list of entries of this length.
    Entries(usize),
    /// Octets of a record.
    Record(usize),
    /// Octets of a record, at least.
    RecordAtLeast(usize),
}

use ElementKind::{Df5gs, GsmAccess, Isim, OptIsim, OptUsim, Usim};

/// Sizes of TS 31.102 4.2 and 4.4, TS 31.103 4.2: element whose tables name the file, file, size.
const SIZES: &[(ElementKind, &str, Size)] = &[
    (Usim, "EF.IMSI", Size::Exactly(9)),
    (Usim, "EF.Keys", Size::Exactly(33)),
    (Usim, "EF.KeysPS", Size::Exactly(33)),
    (Usim, "EF.HPPLMN", Size::Exactly(1)),
    (Usim, "EF.FDN", Size::RecordAtLeast(14)),
    (Usim, "EF.SMS", Size::Record(176)),
    (Usim, "EF.SMSP", Size::RecordAtLeast(28)),
    (Usim, "EF.SMSS", Size::AtLeast(2)),
    (Usim, "EF.SPN", Size::Exactly(17)),
    (Usim, "EF.START-HFN", Size::Exactly(6)),
    (Usim, "EF.THRESHOLD", Size::Exactly(3)),
    (Usim, "EF.PSLOCI", Size::Exactly(14)),
    (Usim, "EF.ACC", Size::Exactly(2)),
    (Usim, "EF.FPLMN", Size::Entries(3)),
    (Usim, "EF.LOCI", Size::Exactly(11)),
    (Usim, "EF.AD", Size::AtLeast(4)),
    (Usim, "EF.ECC", Size::RecordAtLeast(4)),
    (Usim, "EF.EPSLOCI", Size::Exactly(18)),
    (Usim, "EF.EPSNSC", Size::RecordAtLeast(54)),
    (OptUsim, "EF.MSISDN", Size::RecordAtLeast(14)),
    (OptUsim, "EF.SDN", Size::RecordAtLeast(14)),
    (OptUsim, "EF.BDN", Size::RecordAtLeast(15)),
    (OptUsim, "EF.MBDN", Size::RecordAtLeast(14)),
    (OptUsim, "EF.EXT2", Size::Record(13)),
    (OptUsim, "EF.EXT3", Size::Record(13)),
    (OptUsim, "EF.EXT5", Size::Record(13)),
    (OptUsim, "EF.EXT6", Size::Record(13)),
    (OptUsim, "EF.EXT7", Size::Record(13)),
    (OptUsim, "EF.PLMNwAcT", Size::Entries(5)),
    (OptUsim, "EF.OPLMNwAcT", Size::Entries(5)),
    (OptUsim, "EF.HPLMNwAcT", Size::Entries(5)),
    (OptUsim, "EF.EHPLMN", Size::Entries(3)),
    (OptUsim, "EF.OPL", Size::Record(8)),
    (OptUsim, "EF.SMSR", Size::Record(30)),
    (OptUsim, "EF.ACM", Size::Record(3)),
    (OptUsim, "EF.PUCT", Size::Exactly(5)),
    (GsmAccess, "EF.Kc", Size::Exactly(9)),
    (GsmAccess, "EF.KcGPRS", Size::Exactly(9)),
    (Df5gs, "EF.5GS3GPPLOCI", Size::Exactly(20)),
    (Df5gs, "EF.5GSN3GPPLOCI", Size::Exactly(20)),
    (Df5gs, "EF.UAC_AIC", Size::Exactly(4)),
    (Df5gs, "EF.OPL5G", Size::Record(10)),
    (Df5gs, "EF.Routing_Indicator", Size::Exactly(4)),
    (Isim, "EF.AD", Size::AtLeast(3)),
    (OptIsim, "EF.SMS", Size::Record(176)),
    (OptIsim, "EF.SMSP", Size::RecordAtLeast(28)),
];

/// Lists of networks: file, octets of an entry.
const NETWORKS: [(&str, usize); 5] =
    [("EF.PLMNwAcT", 5), ("EF.OPLMNwAcT", 5), ("EF.HPLMNwAcT", 5), ("EF.EHPLMN", 3), ("EF.FPLMN", 3)];

/// Octets of EF.SMSP behind the name: indicators, TP-DA, service centre, PID, DCS, validity.
const SMS_PARAMETERS: usize = 28;
/// Parameters of EF.SMSP that are addresses: bit of the indicators, octet behind them, largest length (TP-DA counts
/// digits, the other octets), name.
const SMS_ADDRESSES: [(u8, usize, u8, &str); 2] =
    [(0x01, 1, 20, "TP-DA"), (0x02, 13, 11, "the service centre")];

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let tree = lint.tree;
    for (id, file) in tree.files() {
        let Body::Content(content) = &file.body else { continue };
        size(lint, id, file, content);
        if let Some((_, entry)) = NETWORKS.iter().find(|(name, _)| *name == file.name) {
            networks(lint, id, content, *entry);
        }
        match (file.table, file.name.as_str()) {
            (Usim | OptIsim, "EF.SMSP") => sms_parameters(lint, id, content),
            (OptUsim, "EF.OPL") => operator_list(lint, id, file, content),
            (Df5gs, "EF.SUCI_Calc_Info") | (ElementKind::DfSaip, "EF.SUCICalcInfo") => {
                suci(lint, id, content);
            }
            (Df5gs, "EF.Routing_Indicator") => routing_indicator(lint, id, content),
            _ => {}
        }
    }
}

fn size(lint: &mut Lint<'_, '_>, id: FileId, file: &File<'_>, content: &Content<'_>) {
    let Some((.., size)) = SIZES.iter().find(|it| it.0 == file.table && it.1 == file.name) else { return };
    let record = content.record_length().unwrap_or_default();
    let (fits, message) = match *size {
        Size::Exactly(octets) => {
            (content.size == octets, format!("{}, expected {octets}", raw::octets(content.size)))
        }
        Size::AtLeast(octets) => {
            (content.size >= octets, format!("{}, expected {octets} or more", raw::octets(content.size)))
        }
        Size::Entries(octets) => (
            content.size.is_multiple_of(octets),
            format!("{}, expected a multiple of {octets}", raw::octets(content.size)),
        ),
        Size::Record(octets) => {
            (record == octets, format!("records of {}, expected {octets}", raw::octets(record)))
        }
        Size::RecordAtLeast(octets) => {
            (record >= octets, format!("records of {}, expected {octets} or more", raw::octets(record)))
        }
    };
    // Without a size that is known there is another finding.
    if !fits && content.size > 0 {
        lint.file(Rule::ContentSize, id, message);
    }
}

/// Whether three octets are a network: a country alone is none, a digit that matches all may be in it.
fn is_network(code: &[u8]) -> bool {
    code.try_into().ok().and_then(plmn_text).is_some_and(|text| text.contains('-'))
}

fn networks(lint: &mut Lint<'_, '_>, id: FileId, content: &Content<'_>, entry: usize) {
    for (number, octets) in content.octets.chunks_exact(entry).enumerate() {
        let code = octets.get(..3).unwrap_or_default();
        if code != [0xFF; 3] && !is_network(code) {
            let message = format!("entry {}: {}", number + 1, raw::hex(code));
            lint.content(Rule::ContentPlmn, id, number * entry, message);
        }
    }
}

/// Indicators of EF.SMSP: a bit is clear for a parameter that is there.
fn sms_parameters(lint: &mut Lint<'_, '_>, id: FileId, content: &Content<'_>) {
    let Some(length) = content.record_length().filter(|length| *length >= SMS_PARAMETERS) else { return };
    for (number, record) in content.records().enumerate() {
        let start = length - SMS_PARAMETERS;
        let Some(parameters) = record.get(start..) else { continue };
        let Some(indicators) = parameters.first().filter(|_| !record.iter().all(|it| *it == 0xFF)) else {
            continue;
        };
        for (bit, at, most, name) in SMS_ADDRESSES {
            let is_present = indicators & bit == 0;
            let octets = parameters.get(at).copied().unwrap_or(0xFF);
            let has_value = (1..=most).contains(&octets);
            if is_present != has_value {
                let message = format!(
                    "record {}: indicators {indicators:02X}, {name} of length {octets:02X}",
                    number + 1
                );
                lint.content(Rule::ContentSmsp, id, number * length + start + at, message);
            }
        }
    }
}

/// The last octet of each record of EF.OPL is the number of a record of EF.PNN; 0 says that the name is found otherwise.
fn operator_list(lint: &mut Lint<'_, '_>, id: FileId, file: &File<'_>, content: &Content<'_>) {
    let tree = lint.tree;
    let names = file.parent.and_then(|parent| tree.child_by_name(parent, "EF.PNN"));
    let names = names.and_then(|names| tree.content(names));
    for (number, record) in content.records().enumerate() {
        let Some(name) = record.last().filter(|_| !record.iter().all(|octet| *octet == 0xFF)) else {
            continue;
        };
        let is_named = names.is_some_and(|names| {
            let entry = names.record(usize::from(*name));
            entry.is_some_and(|entry| entry.iter().any(|octet| *octet != 0xFF))
        });
        if *name != 0 && !is_named {
            let length = content.record_length().unwrap_or_default();
            let message = format!("record {} names record {name} of EF.PNN", number + 1);
            lint.content(Rule::ContentOperatorList, id, number * length, message);
        }
    }
}

/// The schemes of SUCI calculation information and the numbers of their keys.
fn schemes(octets: &[u8]) -> Option<Vec<(u8, u8)>> {
    let mut reader = simyard_asn1::Reader::with_rules(octets, "SUCI", simyard_asn1::Rules::Ber);
    let list = reader.expect(simyard_asn1::Tag(0xA0)).ok()?;
    let pairs = list.value.chunks(2);
    pairs.map(|pair| if let [scheme, key] = pair { Some((*scheme, *key)) } else { None }).collect()
}

/// The protection schemes of EF.SUCI_Calc_Info: 0 null, 1 profile A, 2 profile B (TS 33.501 annex C).
pub(super) fn suci_schemes(octets: &[u8]) -> Vec<u8> {
    schemes(octets).unwrap_or_default().into_iter().map(|(scheme, _)| scheme).collect()
}

/// The keys of SUCI calculation information: number and octets.
fn suci_keys(octets: &[u8]) -> Option<Vec<(u8, usize)>> {
    let mut reader = simyard_asn1::Reader::with_rules(octets, "SUCI", simyard_asn1::Rules::Ber);
    reader.expect(simyard_asn1::Tag(0xA0)).ok()?;
    let Ok(list) = reader.expect(simyard_asn1::Tag(0xA1)) else { return Some(Vec::new()) };
    let mut keys = Vec::new();
    let mut number = None;
    for member in raw::members(&list) {
        match member.tag.0 {
            0x80 => number = raw::octet(&member),
            0x81 => keys.push((number?, member.value.len())),
            _ => {}
        }
    }
    Some(keys)
}

fn suci(lint: &mut Lint<'_, '_>, id: FileId, content: &Content<'_>) {
    let octets: &[u8] = &content.octets;
    if octets.iter().all(|octet| *octet == 0xFF) {
        return;
    }
    let (Some(schemes), Some(keys)) = (schemes(octets), suci_keys(octets)) else {
        lint.content(Rule::ContentSuci, id, 0, "no list of schemes A0, or one that is no pairs");
        return;
    };
    for (scheme, number) in schemes {
        // The number of a key counts from 1 in the order of the list; the null scheme has none.
        let key = usize::from(number).checked_sub(1).and_then(|place| keys.get(place));
        let message = match (scheme, key.map(|(_, octets)| *octets)) {
            (0, _) | (1, Some(32)) | (2, Some(33 | 65)) => continue,
            (1 | 2, Some(octets)) => format!("scheme {scheme}: key {number} has {}", raw::octets(octets)),
            (1 | 2, None) => format!("scheme {scheme}: there is no key {number}"),
            _ => format!("scheme {scheme} is none"),
        };
        lint.content(Rule::ContentSuci, id, 0, message);
    }
}

fn routing_indicator(lint: &mut Lint<'_, '_>, id: FileId, content: &Content<'_>) {
    let Some([first, second]) = content.octets.get(..2) else { return };
    let digits = [first & 15, first >> 4, second & 15, second >> 4];
    let count = digits.iter().take_while(|digit| **digit <= 9).count();
    if count == 0 || digits.iter().skip(count).any(|digit| *digit != 0x0F) {
        let message = format!("{first:02X}{second:02X}");
        lint.content(Rule::ContentRoutingIndicator, id, 0, message);
    }
}
