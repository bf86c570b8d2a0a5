//! Every rule of an installation, broken once; and packages that nobody made on purpose.

use std::collections::BTreeSet;

use proptest::prelude::*;
use simyard_asn1::saip::{ElementKind, EuiccResponse, Package, status};
use simyard_asn1::{Decode as _, Encode as _, ErrorKind, Oid, Tag, Writer};

use super::*;
use crate::profile::shipped::generic;

use ElementKind as Kind;

/// The elements of our own profile, one by one, to be changed.
#[derive(Clone)]
struct Elements(Vec<Vec<u8>>);

impl Elements {
    fn ours() -> Self {
        let octets = generic();
        let package = Package::from_der(&octets).unwrap();
        Self(package.elements().iter().map(|element| element.tlv.raw.to_vec()).collect())
    }

    fn position(&self, kind: Kind) -> usize {
        let is_kind = |octets: &Vec<u8>| Package::from_der(octets).unwrap().elements()[0].kind == kind;
        self.0.iter().position(is_kind).unwrap()
    }

    fn without(mut self, kind: Kind) -> Self {
        self.0.remove(self.position(kind));
        self
    }

    fn after(mut self, kind: Kind, element: Vec<u8>) -> Self {
        self.0.insert(self.position(kind) + 1, element);
        self
    }

    fn replacing(mut self, kind: Kind, element: Vec<u8>) -> Self {
        let at = self.position(kind);
        self.0[at] = element;
        self
    }

    /// Replaces octets inside one element; they must occur.
    fn patched(mut self, kind: Kind, from: &[u8], to: &[u8]) -> Self {
        let at = self.position(kind);
        let element = &mut self.0[at];
        let start = element.windows(from.len()).position(|window| window == from).unwrap();
        element[start..start + to.len()].copy_from_slice(to);
        self
    }

    fn build(&self) -> Result<ProfileImage, InstallError> {
        ProfileImage::build(&Package::from_der(&self.0.concat()).unwrap())
    }
}

fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(Tag(tag), value);
    writer.finish()
}

/// A mandated element with identification 99.
fn element(kind: Kind, members: &[u8]) -> Vec<u8> {
    let header = tlv(0xA0, &[0x80, 0, 0x81, 1, 99]);
    tlv(kind.tag().0, &[&header, members].concat())
}

/// The same element, not mandated.
fn optional(kind: Kind, members: &[u8]) -> Vec<u8> {
    tlv(kind.tag().0, &[&tlv(0xA0, &[0x81, 1, 99]), members].concat())
}

fn template(arcs: &str) -> Vec<u8> {
    tlv(0x81, Oid::parse(&format!("2.23.143.1.2.{arcs}")).unwrap().as_content())
}

fn files(kind: Kind, arcs: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    element(kind, &[template(arcs), fields.concat()].concat())
}

/// A file: its field number, the members of its Fcp, its content.
fn file(number: u32, fcp: &[&[u8]], content: &[u8]) -> Vec<u8> {
    let content = if content.is_empty() { Vec::new() } else { tlv(0x83, content) };
    tlv(Tag::context_constructed(number).0, &[tlv(0xA1, &fcp.concat()), content].concat())
}

/// A GenericFileManagement element.
fn management(commands: &[Vec<u8>]) -> Vec<u8> {
    element(Kind::GenericFileManagement, &tlv(0xA1, &tlv(0x30, &commands.concat())))
}

fn path(path: &[u8]) -> Vec<u8> {
    tlv(0x80, path)
}

/// createFCP of a file in the MF or below it: descriptor, identifier, further members.
fn create(descriptor: &[u8], fid: u16, more: &[&[u8]]) -> Vec<u8> {
    let members = [tlv(0x82, descriptor), tlv(0x83, &fid.to_be_bytes()), more.concat()];
    tlv(0x62, &members.concat())
}

fn pins(configurations: &[Vec<u8>]) -> Vec<u8> {
    element(Kind::PinCodes, &tlv(0xA1, &tlv(0xA0, &configurations.concat())))
}

fn pin(reference: &[u8], more: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(0x80, reference), &tlv(0x81, b"12345678"), more].concat())
}

fn puks(configurations: &[Vec<u8>]) -> Vec<u8> {
    element(Kind::PukCodes, &tlv(0xA1, &configurations.concat()))
}

/// Keys of an algorithm.
fn algorithm(id: u8, key: &[u8], opc: &[u8]) -> Vec<u8> {
    let members = [tlv(0x80, &[id]), tlv(0x81, &[0]), tlv(0x82, key), tlv(0x83, opc)];
    element(Kind::AkaParameter, &tlv(0xA1, &tlv(0xA1, &members.concat())))
}

fn mapping(source: &[u8]) -> Vec<u8> {
    let members = [tlv(0x80, &[6]), tlv(0x81, source)].concat();
    element(Kind::AkaParameter, &tlv(0xA1, &tlv(0xA0, &members)))
}

const USIM_AID: [u8; 16] = [0xA0, 0, 0, 0, 0x87, 0x10, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 7, 9, 0, 0];
const ISIM_AID: [u8; 7] = [0xA0, 0, 0, 0, 0x87, 0x10, 0x04];
/// Members of an Fcp that often recur: PIN status, size 8, linear records of 8 octets.
const STATUS: &[u8] = &[0xC6, 1, 1];
const SIZE: &[u8] = &[0x80, 1, 8];
const RECORDS: &[u8] = &[0x82, 4, 0x42, 0x21, 0, 8];

/// An ISIM with its mandatory files.
fn isim(adf: &[&[u8]]) -> Vec<u8> {
    let fields = [
        file(2, adf, &[]),
        file(3, &[SIZE], &[0x80]),
        file(4, &[RECORDS], &[0x80]),
        file(5, &[SIZE], &[0x80]),
        file(6, &[], &[1]),
        file(8, &[RECORDS, SIZE], &[0x80]),
    ];
    files(Kind::Isim, "8", &fields)
}

fn whole_isim() -> Vec<u8> {
    isim(&[&[0x83, 2, 0x7F, 0xB0], &tlv(0x84, &ISIM_AID), STATUS])
}

/// Broken order, header, templates.
fn broken_packages() -> Vec<(Elements, Reason)> {
    let ours = Elements::ours();
    let with = |kind, element| Elements::ours().after(kind, element);
    let patched = |kind, from: &[u8], to: &[u8]| Elements::ours().patched(kind, from, to);
    let oid = |arcs: &str| format!("2.23.143.1.2.{arcs}");
    let application = Reason::ApplicationPlace;
    vec![
        (ours.clone().without(Kind::Header), Reason::HeaderPlace),
        (with(Kind::Mf, ours.0[0].clone()), Reason::HeaderPlace),
        (ours.clone().without(Kind::Mf), Reason::MfPlace),
        (with(Kind::Header, ours.0[ours.position(Kind::PukCodes)].clone()), Reason::MfPlace),
        (with(Kind::Usim, files(Kind::Mf, "1", &[])), Reason::MfPlace),
        (Elements(ours.0[..1].to_vec()), Reason::MfPlace),
        (ours.clone().without(Kind::End), Reason::MissingEnd),
        (with(Kind::End, element(Kind::End, &[])), Reason::AfterEnd),
        (with(Kind::Usim, ours.0[1].clone()), Reason::SecondIdentification(1)),
        (with(Kind::Mf, files(Kind::OptUsim, "5", &[])), application("USIM")),
        (with(Kind::Usim, files(Kind::OptIsim, "9", &[])), application("ISIM")),
        (with(Kind::Usim, files(Kind::OptCsim, "11", &[])), application("CSIM")),
        (with(Kind::Usim, element(Kind::CdmaParameter, &[])), application("CSIM")),
        (with(Kind::Mf, files(Kind::Eap, "12", &[])), application("application")),
        (with(Kind::Mf, mapping(&USIM_AID)), application("application")),
        (with(Kind::AkaParameter, algorithm(1, &[0; 16], &[0; 16])), Reason::SecondAka),
        (patched(Kind::Header, &[0x80, 1, 2], &[0x80, 1, 4]), Reason::Version(4, 3)),
        (
            patched(Kind::Header, &[0x81, 0, 0x84, 0], &[0x81, 0, 0x9E, 0]),
            Reason::Service(Service::Unknown(30)),
        ),
        (ours.clone().replacing(Kind::Header, header_with_library()), Reason::Libraries(1)),
        (patched(Kind::Header, &[1, 2, 3], &[1, 2, 99]), Reason::Template(oid("99"))),
        (with(Kind::Usim, files(Kind::OptUsim, "5.9", &[])), Reason::Template(oid("5.9"))),
        (with(Kind::Usim, files(Kind::OptUsim, "7", &[])), Reason::TemplateOfAnother(oid("7"))),
        (with(Kind::Usim, element(Kind::Unknown(Tag(0xBF50)), &[])), Reason::Unsupported),
        (with(Kind::Usim, element(Kind::NonStandard, &[])), Reason::Unsupported),
        (with(Kind::Usim, tlv(0xBF50, &[])), Reason::Unsupported),
        (patched(Kind::Header, &[0x83, 10, 0x89], &[0x83, 10, 0xFF]), Reason::HeaderIccid),
        (patched(Kind::Header, &[0x83, 10, 0x89, 0], &[0x83, 10, 0x89, 1]), Reason::IccidMismatch),
        (patched(Kind::Mf, &[0x83, 10, 0x98], &[0x83, 10, 0x97]), Reason::IccidMismatch),
        (ours.clone().replacing(Kind::Mf, short_iccid()), Reason::NoEfIccid),
    ]
}

/// Our header with one entry of eUICC-Mandatory-AIDs.
fn header_with_library() -> Vec<u8> {
    let package = Elements::ours().0[0].clone();
    let package = Package::from_der(&package).unwrap();
    let library = tlv(0x30, &[tlv(0x80, &ISIM_AID), tlv(0x81, &[1, 0])].concat());
    tlv(Kind::Header.tag().0, &[package.elements()[0].tlv.value, &tlv(0xA8, &library)].concat())
}

#[test]
fn a_mandatory_service_is_installed_exactly_if_the_card_supports_it() {
    for service in Service::KNOWN {
        let number = u8::try_from(service.number()).unwrap();
        let octets =
            Elements::ours().patched(Kind::Header, &[0x81, 0, 0x84, 0], &[0x81, 0, 0x80 | number, 0]);
        let supported = SUPPORTED.iter().any(|(known, _)| known == service);
        let expected = if supported { None } else { Some(Reason::Service(*service)) };
        assert_eq!(octets.build().err().map(|error| error.reason), expected, "{}", service.name());
        let octets = octets.0.concat();
        let package = Package::from_der(&octets).unwrap();
        assert!(ProfileImage::build_for_any_card(&package).is_ok(), "{}", service.name());
    }
    let bits: BTreeSet<u32> = SUPPORTED.iter().map(|(_, bit)| *bit).collect();
    assert_eq!(bits.len(), SUPPORTED.len(), "one bit each");
    assert!(!SUPPORTED.iter().any(|(service, _)| matches!(service, Service::Tuak128 | Service::GbaUsim)));
}

#[test]
fn keys_for_tuak_are_checked_for_other_cards_and_left_out_where_they_are_not_mandated() {
    let tuak = |topc: &[u8]| Elements::ours().replacing(Kind::AkaParameter, algorithm(2, &[0; 16], topc));
    let any = |elements: &Elements| {
        let octets = elements.0.concat();
        ProfileImage::build_for_any_card(&Package::from_der(&octets).unwrap()).err().map(|error| error.reason)
    };
    assert_eq!(any(&tuak(&[0; 32])), None);
    assert_eq!(any(&tuak(&[0; 16])), Some(Reason::KeyLength(2)));
    assert_eq!(tuak(&[0; 32]).build().err().unwrap().status(), status::FEATURE_NOT_SUPPORTED);
    // The same element without `80`, mandated.
    let keys = algorithm(2, &[0; 16], &[0; 32]);
    let package = Package::from_der(&keys).unwrap();
    let body = &package.elements()[0].tlv.value[7..];
    let elements = Elements::ours().replacing(Kind::AkaParameter, optional(Kind::AkaParameter, body));
    assert_eq!(elements.build().ok().unwrap().skipped, [(Some(99), status::FEATURE_NOT_SUPPORTED)]);
}

/// An MF whose EF.ICCID has another size.
fn short_iccid() -> Vec<u8> {
    let fields = [
        file(2, &[STATUS], &[]),
        file(4, &[SIZE], &[0x98]),
        file(5, &[RECORDS, SIZE], &[0x61]),
        file(6, &[RECORDS, SIZE], &[0x80]),
    ];
    files(Kind::Mf, "1", &fields)
}

/// Broken files.
fn broken_files() -> Vec<(Elements, Reason)> {
    let with = |element| Elements::ours().after(Kind::AkaParameter, element);
    let manage = |commands: &[Vec<u8>]| with(management(commands));
    let opt = |field| with(files(Kind::OptUsim, "5", &[field]));
    let book = |field| with(files(Kind::Phonebook, "6", &[file(2, &[STATUS], &[]), field]));
    let missing = |file, what| Reason::MissingParameter { file, what };
    let transparent: &[u8] = &[0x41, 0x21];
    let df: &[u8] = &[0x78, 0x21];
    let usim = || path(&[0x7F, 0xD0]);
    vec![
        (manage(&[usim(), create(transparent, 0x6F07, &[SIZE])]), Reason::SecondFile(0x6F07)),
        (with(isim(&[&[0x83, 2, 0x7F, 0xB0], &tlv(0x84, &USIM_AID), STATUS])), Reason::SecondAid),
        (with(isim(&[&[0x83, 2, 0x7F, 0xB0], STATUS])), missing("ADF.ISIM", "an AID")),
        (with(isim(&[&tlv(0x84, &ISIM_AID), STATUS])), missing("ADF.ISIM", "a file identifier")),
        (
            with(isim(&[&[0x83, 2, 0x7F, 0xB0], &tlv(0x84, &ISIM_AID)])),
            missing("ADF.ISIM", "a PIN status template"),
        ),
        (with(files(Kind::Isim, "8", &[])), missing("ADF.ISIM", "a file identifier")),
        (with(files(Kind::GsmAccess, "7", &[file(3, &[SIZE], &[])])), Reason::NoDirectory("EF.Kc")),
        (manage(&[path(&[0x7F, 0x99])]), Reason::NoFile("7F99".to_owned())),
        (
            manage(&[create(transparent, 0x2F99, &[SIZE]), tlv(2, &[7]), tlv(0x81, &[1, 2])]),
            Reason::ContentTooLong { end: 9, size: 8 },
        ),
        (opt(file(5, &[&[0x80, 1, 2]], &[1, 2, 3])), Reason::ContentTooLong { end: 3, size: 2 }),
        (opt(file(11, &[RECORDS, &[0x80, 1, 9]], &[])), Reason::RecordSize { size: 9, record: 8 }),
        (opt(file(64, &[], &[])), missing("EF.PNNI", "a record length")),
        (opt(file(63, &[], &[])), missing("EF.SPNI", "a size")),
        (manage(&[tlv(0x62, &[0x83, 2, 0x2F, 0x99])]), missing("the file", "a file descriptor")),
        // Files of a phonebook choose their identifiers.
        (
            book(file(10, &[RECORDS, &[0x83, 2, 0x4F, 0x4F], SIZE, &[0x88, 1, 8]], &[])),
            missing("EF.IAP", "a file identifier of its range"),
        ),
        (
            book(file(10, &[RECORDS, &[0x83, 2, 0x4F, 0x50], SIZE], &[])),
            missing("EF.IAP", "a short file identifier"),
        ),
        (opt(file(5, &[RECORDS], &[])), Reason::Descriptor(0x42)),
        (manage(&[create(&[0x11, 0x21], 0x2F99, &[SIZE])]), Reason::Descriptor(0x11)),
        (opt(file(81, &[SIZE], &[1])), Reason::UnknownField(81)),
        (opt(tlv(0xA5, &[0x80, 0])), Reason::DoNotCreate),
        // A link with a size; to nothing; to a directory; from a directory to the one above it; filled.
        (opt(file(5, &[&[0xC7, 2, 0x2F, 0x05], SIZE], &[])), Reason::Link),
        (opt(file(5, &[&[0xC7, 2, 0x2F, 0x99]], &[])), Reason::NoFile("2F99".to_owned())),
        (opt(file(5, &[&[0xC7, 2, 0x7F, 0x10]], &[])), Reason::Link),
        (manage(&[usim(), create(df, 0x5F99, &[STATUS, &[0xC7, 2, 0x7F, 0xD0]])]), Reason::Link),
        (manage(&[create(transparent, 0x2F99, &[&[0xC7, 2, 0x2F, 0x05]]), tlv(0x81, &[1])]), Reason::Link),
        (manage(&[tlv(0x81, &[1])]), Reason::NothingToFill),
        (manage(&[create(df, 0x5F99, &[STATUS]), tlv(0x81, &[1])]), Reason::NothingToFill),
        (manage(&[create(transparent, 0x2F99, &[&[0x80, 4, 0x7F, 0xFF, 0xFF, 0xFF]])]), Reason::Memory),
        (
            manage(&[
                create(transparent, 0x2F98, &[&[0x80, 3, 0x0F, 0xFF, 0xFF]]),
                create(transparent, 0x2F99, &[&[0x80, 3, 0x0F, 0xFF, 0xFF]]),
            ]),
            Reason::Memory,
        ),
    ]
}

/// Broken codes and keys.
fn broken_codes() -> Vec<(Elements, Reason)> {
    let local = |pin| Elements::ours().after(Kind::Df5gs, pins(&[pin]));
    let global = |pin| Elements::ours().after(Kind::Mf, pins(&[pin]));
    let with = |element| Elements::ours().after(Kind::Df5gs, element);
    let keys = |aka| Elements::ours().after(Kind::Df5gs, whole_isim()).after(Kind::Isim, aka);
    let puk = |reference: &[u8], more: &[u8]| pin(reference, more);
    let share = |path: &[u8]| element(Kind::PinCodes, &tlv(0xA1, &tlv(0x81, path)));
    let renumbered = |mut octets: Vec<u8>| {
        let at = octets.windows(3).position(|window| window == [0x81, 1, 99]).unwrap();
        octets[at + 2] = 98;
        octets
    };
    vec![
        (local(pin(&[2], &[])), Reason::PinPlace(2)),
        (global(pin(&[0, 0x81], &[])), Reason::PinPlace(0x81)),
        (local(pin(&[0, 0x81], &[])), Reason::SecondKeyReference(0x81)),
        (with(puks(&[puk(&[1], &[])])), Reason::SecondKeyReference(1)),
        (local(pin(&[0, 0x82], &[0x84, 1, 0x34])), Reason::Attempts(0x82)),
        (with(puks(&[puk(&[2], &[0x82, 1, 0x12])])), Reason::Attempts(2)),
        (with(share(&[0x7F, 0x10])), Reason::NoPinsToShare),
        (with(share(&[0x7F, 0xD0])), Reason::NoPinsToShare),
        (with(share(&[0x7F, 0x99])), Reason::NoFile("7F99".to_owned())),
        (local(pin(&[0, 0x82], &[0x82, 1, 5])), Reason::NoPuk { pin: 0x82, puk: 5 }),
        // PINs that stand before the PUKs they name.
        (global(pin(&[1], &[0x82, 1, 1])), Reason::NoPuk { pin: 1, puk: 1 }),
        (keys(renumbered(algorithm(1, &[0; 32], &[0; 16]))), Reason::KeyLength(1)),
        (keys(renumbered(algorithm(2, &[0; 16], &[0; 32]))), Reason::Tuak),
        (keys(renumbered(algorithm(4, &[0; 16], &[0; 16]))), Reason::Algorithm(4)),
        (keys(renumbered(mapping(&[0xA0, 0, 0, 0, 1]))), Reason::Mapping),
        (keys(renumbered(mapping(&ISIM_AID))), Reason::Mapping),
    ]
}

#[test]
fn each_broken_rule_gives_its_reason_and_the_response_names_the_element() {
    let mut seen = BTreeSet::new();
    for (elements, expected) in [broken_packages(), broken_files(), broken_codes()].into_iter().flatten() {
        let error = elements.build().err().unwrap_or_else(|| panic!("installed: {expected}"));
        assert_eq!(error.reason, expected, "{error}");
        seen.insert(format!("{expected:?}").split([' ', '(', '{']).next().unwrap().to_owned());

        let octets = elements.0.concat();
        assert!(error.offset <= octets.len() && error.element_offset <= error.offset, "{error:?}");
        let response = error.response();
        assert_eq!(response.statuses[0].status, expected.status());
        assert_eq!(response.statuses[0].identification, error.identification);
        assert!(response.aborted);
        assert_eq!(EuiccResponse::from_der(&response.to_der()), Ok(response));
    }
    // Form has a test of its own; all other reasons must have occurred.
    let names = include_str!("error.rs").split("Self::").skip(1);
    let unseen: BTreeSet<&str> = names
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap())
        .filter(|name| *name != "Form" && !seen.contains(*name))
        .collect();
    assert!(unseen.is_empty(), "no package breaks {unseen:?}");
}

#[test]
fn what_cannot_be_read_names_its_octet() {
    let elements = Elements::ours().after(Kind::Mf, element(Kind::PukCodes, &tlv(0xA1, &tlv(0x30, &[]))));
    let error = elements.build().err().unwrap();
    let Reason::Form(form) = &error.reason else { panic!("{error}") };
    assert_eq!(form.kind, ErrorKind::Missing { expected: Tag(0x80) });
    let start: usize = elements.0[..2].iter().map(Vec::len).sum();
    assert_eq!((error.offset, error.element_offset), (form.offset, start));
    assert_eq!(error.status(), status::INVALID_REQUEST_FORMAT);
    assert_eq!(error.response().statuses[0].offset, Some(13));
}

#[test]
fn an_element_that_is_not_mandated_is_left_out_and_reported() {
    for (element, status) in [
        (optional(Kind::Unknown(Tag(0xBF50)), &[]), status::PE_NOT_SUPPORTED),
        (optional(Kind::NonStandard, &[]), status::PE_NOT_SUPPORTED),
        (optional(Kind::OptUsim, &template("5.9")), status::TEMPLATE_NOT_SUPPORTED),
    ] {
        let image = Elements::ours().after(Kind::OptUsim, element).build().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(image.skipped, [(Some(99), status)]);
        assert_eq!(image.statuses()[0].identification, Some(99));
    }
    assert_eq!(Elements::ours().build().ok().unwrap().statuses(), [PeStatus::default()]);
}

#[test]
fn an_isim_may_use_the_keys_of_the_usim_and_share_its_pins() {
    let mut keys = mapping(&USIM_AID);
    let mut shared = element(Kind::PinCodes, &tlv(0xA1, &tlv(0x81, &[0x7F, 0xD0])));
    for (octets, number) in [(&mut keys, 97), (&mut shared, 98)] {
        let at = octets.windows(3).position(|window| window == [0x81, 1, 99]).unwrap();
        octets[at + 2] = number;
    }
    let elements = Elements::ours().after(Kind::Df5gs, whole_isim()).after(Kind::Isim, keys);
    let elements = elements.after(Kind::Isim, shared);
    let mut image = elements.build().unwrap_or_else(|error| panic!("{error}"));
    let (usim, isim) = (image.applications[0].directory, image.applications[1].directory);
    assert_eq!(image.applications[1].kind, ApplicationKind::Isim);
    assert_eq!(image.application_of(image.path(&[0x7FB0, 0x6F02]).unwrap()), Some(1));

    image.pin_mut(isim, 0x81).unwrap().left = 1;
    assert_eq!(image.pin(usim, 0x81).unwrap().left, 1);
    assert_eq!(image.pin(isim, 0x01).unwrap().reference, 1, "global PINs are seen from everywhere");
    image.aka_mut(1).unwrap().sqn[3] = 77;
    assert_eq!(image.aka(0).unwrap().sqn[3], 77);
}

#[test]
fn files_known_by_name_alone_are_kept_and_cannot_be_selected() {
    let iccid = tlv(0x83, &[0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let fields = [
        file(2, &[STATUS], &[]),
        tlv(0xA4, &iccid),
        file(8, &[&[0x83, 2, 0x7F, 0xD0], &tlv(0x84, &USIM_AID), STATUS], &[]),
        file(9, &[&[0x83, 2, 0x6F, 0x07]], &[8, 0x99, 0x10, 0x10, 0, 0, 0, 0, 0]),
        file(18, &[], &[0, 1]),
    ];
    let ours = Elements::ours();
    let numbered = |octets: Vec<u8>, number: u8| {
        let at = octets.windows(3).position(|window| window == [0x81, 1, 99]).unwrap();
        [&octets[..at + 2], &[number], &octets[at + 3..]].concat()
    };
    let elements = Elements(vec![
        ours.0[0].clone(),
        files(Kind::Iot, "17", &fields),
        numbered(pins(&[pin(&[1], &[])]), 2),
        numbered(algorithm(1, &[1; 16], &[2; 16]), 3),
        numbered(element(Kind::End, &[]), 4),
    ]);
    let image = elements.build().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(image.applications[0].kind, ApplicationKind::Usim);
    assert!(image.file(image.path(&[0x7FD0, 0x6F07]).unwrap()).is_some(), "the package gives its identifier");
    let usim = image.applications[0].directory;
    let acc = image.child_by_name(usim, "EF.ACC").unwrap();
    assert_eq!((image.node(acc).unwrap().fid, &*image.file(acc).unwrap().content), (None, &[0, 1][..]));
    assert!(image.pin(usim, 1).is_some());
    assert_eq!(image.nodes().count(), 5, "files that are not listed have no known defaults");
}

#[test]
fn file_management_creates_links_and_changes_files() {
    let commands = [
        path(&[0x7F, 0x10]),
        create(&[0x78, 0x21], 0x5F99, &[STATUS]),
        path(&[0x7F, 0x10, 0x5F, 0x99]),
        create(&[0x42, 0x21, 0, 3], 0x4F01, &[&[0x80, 1, 9], &[0xA5, 4, 0xC1, 2, 1, 2]]),
        tlv(2, &[4]),
        tlv(0x81, &[0xAA]),
        tlv(2, &[1]),
        tlv(0x81, &[0xBB]),
        create(&[0x79, 0x21], 0x4F02, &[SIZE, &[0x88, 0]]),
        tlv(0x81, &[0x80, 1, 5]),
        path(&[]),
        create(&[0x78, 0x21], 0x7F98, &[STATUS, &[0xC7, 4, 0x7F, 0x10, 0x5F, 0x99]]),
        path(&[0x2F, 0x05]),
        tlv(0x81, b"de"),
    ];
    let elements = Elements::ours().after(Kind::AkaParameter, management(&commands));
    let mut image = elements.build().unwrap_or_else(|error| panic!("{error}"));
    let file = image.path(&[0x7F10, 0x5F99, 0x4F01]).unwrap();
    assert_eq!(*image.file(file).unwrap().content, [1, 2, 2, 1, 0xAA, 2, 0xBB, 2, 2]);
    assert_eq!(image.record(file, 2), Some(&[1, 0xAA, 2][..]));
    assert_eq!((image.record(file, 0), image.record(file, 4)), (None, None));
    assert_eq!(image.node(file).unwrap().sfi, Some(1), "from the identifier");

    let objects = image.file(image.path(&[0x7F98, 0x4F02]).unwrap()).unwrap();
    assert_eq!((&*objects.content, objects.size), (&[0x80, 1, 5][..], 8));
    assert_eq!(image.path(&[0x7F98, 0x4F01]), Some(file), "through the linked directory");
    image.file_mut(file).unwrap().content[0] = 9;
    assert_eq!(image.record(image.path(&[0x7F98, 0x4F01]).unwrap(), 1), Some(&[9, 2, 2][..]));
    assert_eq!(*image.file(image.path(&[0x2F05]).unwrap()).unwrap().content, *b"de");
}

#[test]
fn a_stored_image_is_the_same_image() {
    let image = Elements::ours().build().ok().unwrap();
    let stored = serde_json::to_string(&image).unwrap();
    let back: ProfileImage = serde_json::from_str(&stored).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), stored);
    assert_eq!(back.nodes().count(), image.nodes().count());
    assert!(serde_json::from_str::<Octets>("\"0G\"").is_err_and(|error| !error.to_string().contains("0G")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_package_with_changed_octets_never_panics(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut octets = generic();
        for (index, octet) in changes {
            let at = index.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(package) = Package::from_der(&octets) {
            prop_assert_eq!(package.to_der(), octets.clone());
            if let Ok(image) = ProfileImage::build(&package) {
                for (id, _) in image.nodes() {
                    let _ = (image.access_rule(id), image.record(id, 1), image.pin(id, 0x81));
                }
            }
        }
    }

    #[test]
    fn elements_in_any_order_never_panic(order in proptest::collection::vec(0_usize..12, 1..20)) {
        let ours = Elements::ours();
        let elements = order.iter().map(|at| ours.0[at % ours.0.len()].clone()).collect();
        let _ = Elements(elements).build();
    }
}
