//! The slow way back: what a card that installed a package finds as each datum. It knows nothing of plans; plans are
//! held against it.

use simyard_asn1::saip::{ElementKind, Package, ProfileElement};

use super::Datum;
use super::compile::{AD_MNC, ADDRESS_LENGTH, NUMBER_LENGTH, SMSP_LEAD, SMSP_LENGTH, subscription_of};
use crate::profile::image::{AkaSource, ApplicationKind, NetworkApplication, NodeId, PinSet, ProfileImage};
use crate::profile::multi_imsi::{Object, Place, find};
use crate::profile::personal_data::CodeName;

/// The octets of a datum at every place where a card looks for it, in the order of the package; of a file or record as
/// far as the datum goes. Empty where the package has it nowhere.
#[must_use]
pub fn occurrences(image: &ProfileImage, package: &Package<'_>, datum: Datum) -> Vec<Vec<u8>> {
    match datum {
        Datum::HeaderIccid => vec![image.iccid.to_header().to_vec()],
        Datum::EfIccid => content(image, NodeId::MF, "EF.ICCID").into_iter().collect(),
        Datum::Code(CodeName::Puk(reference)) => {
            let puks = image.puks.iter().filter(|puk| puk.reference == reference);
            puks.map(|puk| puk.value.to_vec()).collect()
        }
        Datum::Code(CodeName::Pin(reference)) => pins(image, reference),
        Datum::OtaKey { version, identifier } => {
            let domain = package.first(ElementKind::SecurityDomain);
            let keys =
                domain.map(ProfileElement::security_domain_keys).and_then(Result::ok).unwrap_or_default();
            let wanted = keys.iter().filter(|key| (key.version, key.identifier) == (version, identifier));
            wanted.map(|key| key.data.to_vec()).collect()
        }
        Datum::Key(place) | Datum::Opc(place) => {
            let own = applications(image, place).filter_map(|application| match &application.aka {
                AkaSource::Own(aka) if matches!(datum, Datum::Key(_)) => Some(aka.key.to_vec()),
                AkaSource::Own(aka) => Some(aka.opc.to_vec()),
                AkaSource::None | AkaSource::Mapped { .. } => None,
            });
            let of_applet = in_table(image, package, place).map(|(_, keys)| match (keys, datum) {
                (Some((key, _)), Datum::Key(_)) => key,
                (Some((_, opc)), _) => opc,
                (None, _) => Vec::new(),
            });
            own.chain(of_applet.filter(|secret| !secret.is_empty())).collect()
        }
        Datum::Imsi(place) => applications(image, place)
            .filter_map(|application| in_application(image, application, datum))
            .chain(in_table(image, package, place).map(|(imsi, _)| imsi))
            .collect(),
        _ => applications(image, datum.subscription().unwrap_or(0))
            .filter_map(|application| in_application(image, application, datum))
            .collect(),
    }
}

/// K and OPc of a key set.
type Secrets = (Vec<u8>, Vec<u8>);

/// The IMSI of an entry of the multi-IMSI table, and its keys if they are its own.
fn in_table(
    image: &ProfileImage,
    package: &Package<'_>,
    place: usize,
) -> impl Iterator<Item = (Vec<u8>, Option<Secrets>)> + use<> {
    let (mut entries, mut sets) = (Vec::new(), Vec::new());
    for found in find(package) {
        // What a file holds when the card is new counts, not what an element wrote.
        let is_there = found.place == Place::Command
            || image
                .nodes()
                .any(|(id, _)| image.file(id).is_some_and(|file| file.content.starts_with(found.octets)));
        match found.read() {
            Ok(Object::Table(table)) if is_there => entries.extend(table.entries),
            Ok(Object::Keys(keys)) if is_there => {
                sets.extend(keys.iter().map(|set| (set.reference, (set.key.to_vec(), set.opc.to_vec()))));
            }
            _ => {}
        }
    }
    let entry = entries.into_iter().nth(place);
    entry.into_iter().map(move |entry| {
        let keys = sets.iter().find(|(reference, _)| *reference == entry.key);
        (entry.imsi.to_ef().to_vec(), keys.map(|(_, secrets)| secrets.clone()))
    })
}

/// The applications of one subscription.
fn applications(image: &ProfileImage, subscription: usize) -> impl Iterator<Item = &NetworkApplication> {
    let places = image.applications.iter().enumerate();
    places
        .filter(move |(place, _)| subscription_of(image, *place) == Some(subscription))
        .map(|(_, application)| application)
}

/// The file that a datum stands in.
fn in_application(image: &ProfileImage, application: &NetworkApplication, datum: Datum) -> Option<Vec<u8>> {
    let directory = application.directory;
    let part =
        |octets: Vec<u8>, from: usize, length: usize| octets.get(from..from + length).map(<[u8]>::to_vec);
    match (application.kind, datum) {
        (ApplicationKind::Usim, Datum::Imsi(_)) => content(image, directory, "EF.IMSI"),
        (ApplicationKind::Usim, Datum::Acc(_)) => content(image, directory, "EF.ACC"),
        (ApplicationKind::Usim, Datum::MncLength(_)) => part(content(image, directory, "EF.AD")?, AD_MNC, 1),
        (ApplicationKind::Usim, Datum::ServiceProviderName(_)) => content(image, directory, "EF.SPN"),
        (ApplicationKind::Usim, Datum::Msisdn(_)) => {
            let record = record(image, directory, "EF.MSISDN", 0)?;
            let alpha = record.len().checked_sub(NUMBER_LENGTH)?;
            part(record, alpha, NUMBER_LENGTH)
        }
        (ApplicationKind::Usim | ApplicationKind::Isim, Datum::ServiceCentre(_)) => {
            let record = record(image, directory, "EF.SMSP", 0)?;
            let alpha = record.len().checked_sub(SMSP_LENGTH)?;
            part(record, alpha, SMSP_LEAD + ADDRESS_LENGTH)
        }
        (ApplicationKind::Isim, Datum::PrivateIdentity(_)) => content(image, directory, "EF.IMPI"),
        (ApplicationKind::Isim, Datum::HomeDomain(_)) => content(image, directory, "EF.Domain"),
        (ApplicationKind::Isim, Datum::PublicIdentity(_, place)) => {
            record(image, directory, "EF.IMPU", place)
        }
        _ => None,
    }
}

/// The PINs with a key reference, of every directory that brings its own.
fn pins(image: &ProfileImage, reference: u8) -> Vec<Vec<u8>> {
    let directories =
        image.nodes().filter_map(|(id, _)| image.directory(id).filter(|_| image.target(id) == id));
    let own = directories.filter_map(|directory| match &directory.pins {
        PinSet::Own(pins) => pins.iter().find(|pin| pin.reference == reference),
        PinSet::None | PinSet::SharedWith(_) => None,
    });
    own.map(|pin| pin.value.to_vec()).collect()
}

fn content(image: &ProfileImage, directory: NodeId, name: &str) -> Option<Vec<u8>> {
    let id = image.child_by_name(directory, name).filter(|id| image.target(*id) == *id)?;
    image.file(id).map(|file| file.content.to_vec())
}

/// A record by its place from 0.
fn record(image: &ProfileImage, directory: NodeId, name: &str, place: usize) -> Option<Vec<u8>> {
    let id = image.child_by_name(directory, name).filter(|id| image.target(*id) == *id)?;
    let file = image.file(id)?;
    let mut records = file.content.chunks_exact(file.record_length()?);
    records.nth(place).map(<[u8]>::to_vec)
}
