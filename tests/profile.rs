//! Profile packages: the published ones of GSMA TS.48 and our own.

use std::path::PathBuf;
use std::sync::LazyLock;

use simyard::env::Rng;
use simyard::ident::{Iccid, Imsi};
use simyard::profile::identity::PackageIdentity;
use simyard::profile::image::{ApplicationKind, Body, NodeId, ProfileImage, Reason};
use simyard::profile::personal_data::{
    Algorithm, Code, CodeName, Codes, KeySet, OtaKeySet, PersonalData, Subscription,
};
use simyard::profile::plan::{Datum, Template, read};
use simyard::profile::{shipped, templates};
use simyard_asn1::saip::{
    AkaConfiguration, ApplicationIdentity, ElementKind, Package, PinCodes, Service, status,
};

use crate::harness;

pub mod description;
pub mod diff;
pub mod large;
pub mod lint;
pub mod multi_imsi;
pub mod show;
pub mod tree;

crate::tests!(
    every_published_package_round_trips,
    every_truncation_of_a_published_package_is_refused,
    every_published_package_says_who_it_is,
    every_published_header_lists_what_the_specification_says,
    every_published_package_has_the_codes_and_keys_of_the_specification,
    every_published_package_installs_with_the_files_of_the_specification,
    every_published_file_has_the_identifier_that_its_template_gives,
    every_link_of_a_published_package_leads_to_content,
    every_published_image_is_stored_and_read,
    applications_of_a_published_package_are_named,
    a_published_package_with_one_element_removed_or_doubled_never_panics,
    a_published_package_with_changed_octets_never_panics,
    our_template_makes_a_package_with_exactly_the_data,
    data_that_the_first_release_stored_fit_our_template,
    a_broken_order_gives_the_status_of_the_standard,
);

/// The template that settings mean by default.
pub fn generic() -> Vec<u8> {
    static BUILT: LazyLock<Vec<u8>> =
        LazyLock::new(|| shipped::find(shipped::DEFAULT).unwrap().build().unwrap());
    BUILT.clone()
}

/// The same, compiled.
pub fn ours() -> Template {
    static COMPILED: LazyLock<Template> = LazyLock::new(|| {
        Template::compile(&Package::from_der(&generic()).unwrap()).unwrap_or_else(|error| panic!("{error}"))
    });
    COMPILED.clone()
}

/// The packages of TS.48, by file name.
pub fn published() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = harness::vectors("the profile packages of TS.48") else { return Vec::new() };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("ts48"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "der"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 8, "the published packages");
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

/// Whether the package is one of SAIP 2.3, which has the 5G elements.
fn is_5g(name: &str) -> bool {
    name.contains("SAIP2.3")
}

fn image(name: &str, octets: &[u8]) -> ProfileImage {
    let package = Package::from_der(octets).unwrap_or_else(|error| panic!("{name}: {error}"));
    ProfileImage::build(&package).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn every_published_package_round_trips() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(package.to_der(), octets, "{name}");
        let last = package.elements().last().unwrap();
        assert_eq!(last.kind, ElementKind::End, "{name}");
        assert!(package.elements()[1..].iter().all(|element| element.is_mandated()), "{name}");
    }
}

fn every_truncation_of_a_published_package_is_refused() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap();
        for (number, element) in package.elements().iter().enumerate() {
            // What comes before the element is whole: the element alone is cut, at every octet.
            let (start, end) = (element.tlv.offset, element.tlv.offset + element.tlv.raw.len());
            for cut in start + 1..end {
                assert!(
                    Package::from_der(&octets[start..cut]).is_err(),
                    "{name} element {number} cut at {cut}"
                );
            }
            if start > 0 {
                let shorter = Package::from_der(&octets[..start]).unwrap();
                let error = ProfileImage::build(&shorter).err().unwrap_or_else(|| panic!("{name} {start}"));
                let expected = if number == 1 { Reason::MfPlace } else { Reason::MissingEnd };
                assert_eq!(error.reason, expected, "{name} cut at {start}");
                assert_eq!(error.status(), status::INVALID_REQUEST_FORMAT);
            }
            // And the whole package, cut in the middle of the element.
            assert!(Package::from_der(&octets[..start.midpoint(end)]).is_err(), "{name} {number}");
        }
    }
}

fn every_published_package_says_who_it_is() {
    for (name, octets) in published() {
        let identity = PackageIdentity::read(&Package::from_der(&octets).unwrap()).unwrap();
        assert_eq!(identity.iccid.as_str(), "89000123456789012341", "{name}");
        assert_eq!(identity.imsi.unwrap().as_str(), "001010123456063", "{name}");
        assert_eq!(identity.version, (2, if is_5g(&name) { 3 } else { 1 }), "{name}");
        assert_eq!(identity.profile_type.as_deref(), Some("GSMA Generic eUICC Test Profile"), "{name}");
        assert_eq!(identity.size, octets.len(), "{name}");
    }
}

fn every_published_header_lists_what_the_specification_says() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap();
        let header = package.elements()[0].profile_header().unwrap();
        let mut services = vec![Service::Usim, Service::Isim, Service::Csim];
        if name.contains("v1") {
            services.push(Service::Javacard);
        }
        services.push(Service::UsimTestAlgorithm);
        if name.contains("_BERTLV") {
            services.push(Service::BerTlv);
        }
        if is_5g(&name) {
            services.extend([Service::GetIdentity, Service::ProfileAX25519, Service::ProfileBP256]);
        }
        assert_eq!(header.mandatory_services, services, "{name}");

        let mut arcs = vec![1, 3, 4, 5, 7, 8, 9, 10, 11];
        if is_5g(&name) {
            arcs.extend([13, 14]);
        }
        let expected: Vec<String> = arcs.iter().map(|arc| format!("2.23.143.1.2.{arc}")).collect();
        let listed: Vec<String> = header.mandatory_templates.iter().map(ToString::to_string).collect();
        assert_eq!(listed, expected, "{name}");

        let of_kind = |kind| package.elements().iter().filter(|element| element.kind == kind).count();
        let management = if name.contains("2.1B") { 4 } else { 3 };
        assert_eq!(of_kind(ElementKind::GenericFileManagement), management, "{name}");
        assert_eq!(of_kind(ElementKind::Df5gs), usize::from(is_5g(&name)), "{name}");
    }
}

fn every_published_package_has_the_codes_and_keys_of_the_specification() {
    for (name, octets) in published() {
        let image = image(&name, &octets);
        let kinds: Vec<ApplicationKind> = image.applications.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [ApplicationKind::Usim, ApplicationKind::Csim, ApplicationKind::Isim], "{name}");
        let aids =
            ["A0000000871002FF49FF0589", "A0000003431002F310FFFF89020000FF", "A0000000871004FF49FF0589"];
        for (application, aid) in image.applications.iter().zip(aids) {
            assert_eq!(hex::encode_upper(&*application.aid), aid, "{name}");
            assert_eq!(image.directory_by_aid(&application.aid[..7]), Some(application.directory), "{name}");
        }

        let usim = image.applications[0].directory;
        let telecom = image.path(&[0x7F10]).unwrap();
        let pin2 = if name.contains("v1") { 7 } else { 3 };
        for (directory, reference, value, attributes, attempts) in [
            (NodeId::MF, 0x01, b"0000\xFF\xFF\xFF\xFF", 6, 3),
            (NodeId::MF, 0x0A, b"55555555", 3, 10),
            (NodeId::MF, 0x0B, b"66666666", 3, 10),
            (usim, 0x01, b"0000\xFF\xFF\xFF\xFF", 6, 3),
            (usim, 0x81, b"9999\xFF\xFF\xFF\xFF", pin2, 3),
            (telecom, 0x81, b"9999\xFF\xFF\xFF\xFF", pin2, 3),
            (image.applications[1].directory, 0x81, b"9999\xFF\xFF\xFF\xFF", pin2, 3),
            (image.applications[2].directory, 0x81, b"9999\xFF\xFF\xFF\xFF", pin2, 3),
        ] {
            let pin =
                image.pin(directory, reference).unwrap_or_else(|| panic!("{name}: PIN {reference:02X}"));
            assert_eq!(*pin.value, value[..], "{name} {reference:02X}");
            assert_eq!((pin.attributes, pin.attempts), (attributes, attempts), "{name} {reference:02X}");
            assert_eq!(pin.left, pin.attempts, "{name}");
        }
        assert!(image.pin(NodeId::MF, 0x81).is_none(), "{name}: PIN2 is local");
        let puks: Vec<_> =
            image.puks.iter().map(|puk| (puk.reference, puk.value.to_vec(), puk.left)).collect();
        assert_eq!(puks, [(0x01, b"11111111".to_vec(), 10), (0x81, b"22222222".to_vec(), 10)], "{name}");

        for application in [0, 2] {
            let aka = image.aka(application).unwrap();
            assert_eq!((aka.algorithm, aka.options, aka.sqn_options), (3, 2, 2), "{name}");
            assert_eq!(hex::encode(&*aka.key), "000102030405060708090a0b0c0d0e0f", "{name}");
            assert_eq!(*aka.opc, [0; 16], "{name}");
            assert_eq!((aka.sqn_delta, aka.sqn_age_limit), (0x1000_0000, 0x1000_0000), "{name}");
            assert_eq!(aka.sqn, [0; 32], "{name}");
        }
        assert!(image.aka(1).is_none(), "{name}: the CSIM has CDMA keys");
    }
}

fn every_published_package_installs_with_the_files_of_the_specification() {
    let hex = |text: &str| hex::decode(text).unwrap();
    for (name, octets) in published() {
        let image = image(&name, &octets);
        assert!(image.skipped.is_empty(), "{name}");
        let ist = if name.contains("v5_SAIP2.3_BERTLV") { "01001000000000" } else { "01000000000000" };
        let mut spn = b"\x01GSMA\x11TEST".to_vec();
        spn.resize(17, 0xFF);
        let impi = [&hex("801D")[..], b"001010123456789@test.3gpp.com", &[0xFF]].concat();
        let impu = [&hex("8035")[..], b"sip:001010123456789@ims.mnc001.mcc001.3gppnetwork.org"].concat();
        for (path, content) in [
            (&[0x2FE2][..], hex("98001032547698103214")),
            (&[0x2F08], hex("3C3C000000")),
            (&[0x7FD0, 0x6F07], hex("080910101032540636")),
            (&[0x7FD0, 0x6F46], spn),
            (&[0x7FD0, 0x6F78], hex("0001")),
            (&[0x7FD0, 0x6FAD], hex("80000002")),
            (&[0x7FD0, 0x6F7E], hex("FFFFFFFF42F618FFFEFF01")),
            (&[0x7FD0, 0x6F73], hex("FFFFFFFFFFFFFF42F618FFFEFF01")),
            (&[0x7FB0, 0x6F02], impi),
            (&[0x7FB0, 0x6F07], hex(ist)),
        ] {
            let file = image.path(path).and_then(|id| image.file(id));
            assert_eq!(file.map(|file| file.content.to_vec()), Some(content), "{name} {path:04X?}");
        }
        let record = |path: &[u16], number| image.record(image.path(path).unwrap(), number).unwrap();
        assert!(record(&[0x7FB0, 0x6F04], 1).starts_with(&impu), "{name}");
        let entry = hex("61144F0CA0000000871002FF49FF058950045553494D");
        assert!(record(&[0x2F00], 1).starts_with(&entry), "{name}");
        assert!(!is_5g(&name) || image.path(&[0x7FD0, 0x5FC0, 0x4F0A]).is_some(), "{name}");
        // TS.48 gives the access rule of every file.
        for (id, node) in image.nodes() {
            assert!(image.access_rule(id).is_some(), "{name} {:?} {:04X?}", node.name, node.fid);
        }
    }
}

/// The tables and the packages were written by different people: they must agree on the identifiers of files.
fn every_published_file_has_the_identifier_that_its_template_gives() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap();
        let mut compared = 0;
        for element in package.elements().iter().filter(|element| element.kind.is_file_system()) {
            let files = element.file_system().unwrap();
            let template = templates::Template::find(&files.template).unwrap();
            for field in &files.fields {
                let row = template.row(field.number).unwrap();
                let given = field.descriptor().and_then(|fcp| fcp.file_id);
                if let (Some(given), Some(fid)) = (given, row.fid) {
                    assert_eq!(given, fid, "{name}: {}", row.name);
                    compared += 1;
                }
                if let (Some(given), Some((first, last))) = (given, row.fid_range) {
                    assert!((first..=last).contains(&given), "{name}: {} {given:04X}", row.name);
                }
            }
        }
        assert!(compared > 90, "{name}: {compared}");
    }
}

fn every_link_of_a_published_package_leads_to_content() {
    for (name, octets) in published() {
        let image = image(&name, &octets);
        let links: Vec<NodeId> =
            image.nodes().filter(|(_, node)| matches!(node.body, Body::Link(_))).map(|(id, _)| id).collect();
        assert!(links.len() >= 25, "{name}: {}", links.len());
        for link in links {
            assert_ne!(image.target(link), link, "{name}");
            assert!(image.file(link).is_some_and(|file| file.size > 0), "{name}");
        }
        let msisdn = image.path(&[0x7F10, 0x6F40]).unwrap();
        assert_eq!(image.target(msisdn), image.path(&[0x7FD0, 0x6F40]).unwrap(), "{name}");
    }
}

fn every_published_image_is_stored_and_read() {
    for (name, octets) in published() {
        let stored = serde_json::to_string(&image(&name, &octets)).unwrap();
        let back: ProfileImage = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), stored, "{name}");
    }
}

fn applications_of_a_published_package_are_named() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap();
        let found: Vec<ApplicationIdentity<'_>> = package
            .elements()
            .iter()
            .filter_map(|element| element.application_identity().unwrap_or_else(|e| panic!("{name}: {e}")))
            .collect();
        let Some((ApplicationIdentity::SecurityDomain(domain), rest)) = found.split_first() else {
            panic!("{name}: the security domain comes first")
        };
        assert_eq!(hex::encode_upper(domain), "A000000151000000", "{name}");
        let tars: Vec<String> = rest
            .iter()
            .map(|identity| match identity {
                ApplicationIdentity::Rfm { tars, .. } => hex::encode_upper(tars[0]),
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        assert_eq!(tars, ["B00120", "B00140", "B00141", "B00142"], "{name}");
        let domain = package.first(ElementKind::SecurityDomain).unwrap();
        let keys = domain.security_domain_keys().ok().unwrap();
        let ids: Vec<(u8, u8)> = keys.iter().map(|key| (key.version, key.identifier)).collect();
        assert_eq!(ids, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)], "{name}");
    }
}

fn a_published_package_with_one_element_removed_or_doubled_never_panics() {
    for (name, octets) in published().into_iter().rev().take(1) {
        let package = Package::from_der(&octets).unwrap();
        let elements: Vec<&[u8]> = package.elements().iter().map(|element| element.tlv.raw).collect();
        for at in 0..elements.len() {
            let mut fewer = elements.clone();
            fewer.remove(at);
            let _ = ProfileImage::build(&Package::from_der(&fewer.concat()).unwrap());
            let mut doubled = elements.clone();
            doubled.insert(at, elements[at]);
            let built = ProfileImage::build(&Package::from_der(&doubled.concat()).unwrap());
            assert!(built.is_err(), "{name}: element {at} twice");
        }
    }
}

fn a_published_package_with_changed_octets_never_panics() {
    let rng = Rng::seeded(48);
    for (name, octets) in published() {
        let (mut read, mut installed) = (0, 0);
        for _ in 0..100 {
            let mut changed = octets.clone();
            let [high, low, octet] = rng.array();
            let at = usize::from(u16::from_be_bytes([high, low])) % changed.len();
            changed[at] = octet;
            let Ok(package) = Package::from_der(&changed) else { continue };
            read += 1;
            assert_eq!(package.to_der(), changed, "{name} {at}");
            installed += usize::from(ProfileImage::build(&package).is_ok());
        }
        // Some changes hit contents, some break the form: both ways were walked.
        assert!(installed > 0 && installed < read && read < 100, "{name}: {read} {installed}");
    }
}

fn data() -> PersonalData {
    let rng = Rng::seeded(2);
    let [pin1, pin2] = ["0000", "99999999"].map(|digits| Code::pin(digits).unwrap());
    let [puk1, puk2] = ["12345678", "87654321"].map(|digits| Code::puk(digits).unwrap());
    PersonalData {
        iccid: Iccid::parse("89882800000000000013").unwrap(),
        home: Subscription::new(Imsi::parse("901405100000003").unwrap()),
        keys: KeySet::random(&rng, Algorithm::Milenage),
        further: Vec::new(),
        codes: Codes::of(pin1, puk1, pin2, puk2, Code::adm("A1B2C3D4E5F60718").unwrap()),
        ota: vec![OtaKeySet::random(&rng)],
    }
}

/// Members 1 to 11 of format 1: ICCID, IMSI, K, OPc, five codes, ACC, three keys without version.
fn data_that_the_first_release_stored_fit_our_template() {
    let mut stored = hex::decode("01810A8988280000000000001F8209089910040000000010").unwrap();
    for (number, length) in [(3, 16), (4, 16), (5, 8), (6, 8), (7, 8), (8, 8), (9, 8), (10, 2), (11, 48)] {
        stored.extend([0x80 | number, length]);
        stored.extend(vec![b'0' + number % 10; usize::from(length)]);
    }
    let data = PersonalData::from_octets(&stored).unwrap_or_else(|error| panic!("{error}"));
    let package = ours().personalise(&data).unwrap_or_else(|error| panic!("{error}"));
    let image = ProfileImage::build_for_any_card(&Package::from_der(&package).unwrap()).unwrap();
    assert_eq!((image.iccid.as_str(), &*image.aka(0).unwrap().key), ("8988280000000000001", &[b'3'; 16][..]));
}

fn our_template_makes_a_package_with_exactly_the_data() {
    let template = ours();
    let data = PersonalData::from_octets(&data().to_octets()).ok().unwrap();
    let octets = template.personalise(&data).unwrap();
    let package = Package::from_der(&octets).unwrap();
    let identity = PackageIdentity::read(&package).unwrap();
    assert_eq!((identity.iccid, identity.imsi), (data.iccid.clone(), Some(data.home.imsi.clone())));

    let image = ProfileImage::build(&package).unwrap_or_else(|error| panic!("{error}"));
    let expected: [(Datum, &[u8]); 10] = [
        (Datum::EfIccid, &data.iccid.to_bcd()),
        (Datum::Imsi(0), &data.home.imsi.to_ef()),
        (Datum::Acc(0), &[0x00, 0x08]),
        (Datum::Key(0), data.keys.key()),
        (Datum::Opc(0), data.keys.opc()),
        (Datum::Code(CodeName::PIN1), b"0000\xFF\xFF\xFF\xFF"),
        (Datum::Code(CodeName::PIN2), b"99999999"),
        (Datum::Code(CodeName::PUK1), b"12345678"),
        (Datum::Code(CodeName::PUK2), b"87654321"),
        (Datum::Code(CodeName::ADM1), &[0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x18]),
    ];
    for (datum, value) in expected {
        assert_eq!(read::occurrences(&image, &package, datum), [value], "{datum:?}");
    }

    // Once more by the views of the elements, without the image.
    let aka = package.first(ElementKind::AkaParameter).unwrap().aka_parameter().ok().unwrap();
    let AkaConfiguration::Algorithm(algorithm) = aka.configuration else { panic!("keys of its own") };
    assert_eq!((algorithm.algorithm_id, algorithm.key), (1, data.keys.key()));
    let PinCodes::Pins(pins) = package.first(ElementKind::PinCodes).unwrap().pin_codes().ok().unwrap() else {
        panic!("PINs of its own")
    };
    assert_eq!(pins[1].value, data.codes.get(CodeName::ADM1).unwrap().as_octets());
    let domain = package.first(ElementKind::SecurityDomain).unwrap();
    let keys = domain.security_domain_keys().ok().unwrap();
    for key in keys {
        assert_eq!(key.data, data.ota[0].get(key.identifier).unwrap().as_octets());
    }
}

fn a_broken_order_gives_the_status_of_the_standard() {
    let octets = ours().personalise(&data()).unwrap();
    let package = Package::from_der(&octets).unwrap();
    let elements: Vec<&[u8]> = package.elements().iter().map(|element| element.tlv.raw).collect();
    let fail = |elements: &[&[u8]]| {
        let octets = elements.concat();
        let error = ProfileImage::build(&Package::from_der(&octets).unwrap()).err().unwrap();
        (error.reason.clone(), error.status(), error.identification)
    };
    let swapped = |a: usize, b: usize| {
        let mut swapped = elements.clone();
        swapped.swap(a, b);
        fail(&swapped)
    };
    let format = status::INVALID_REQUEST_FORMAT;
    assert_eq!(swapped(0, 1), (Reason::HeaderPlace, format, Some(1)));
    assert_eq!(swapped(1, 2), (Reason::MfPlace, format, Some(2)));
    assert_eq!(swapped(2, 3), (Reason::NoPuk { pin: 1, puk: 1 }, status::PIN_CODE_MISSING, Some(3)));
    assert_eq!(swapped(5, 6), (Reason::ApplicationPlace("USIM"), format, Some(6)));
    let last = elements.len() - 1;
    assert_eq!(swapped(last - 1, last).0, Reason::AfterEnd);
    assert_eq!(fail(&elements[..last]), (Reason::MissingEnd, format, Some(12)));

    // The header's ICCID differs from EF.ICCID by one digit.
    let mut other = octets.to_vec();
    let place = package.elements()[0].profile_header().unwrap().iccid_offset;
    other[place + 9] ^= 0x01;
    assert_eq!(fail(&[&other]), (Reason::IccidMismatch, status::BAD_VALUES, Some(1)));
}
