//! The file system and the USIM of the enabled profile, by APDU.

use simyard::crypto::aka::AkaAlgorithm;
use simyard::crypto::milenage::Milenage;
use simyard::crypto::xor_test::{ResLength, XorTest};
use simyard::device::apdu::StatusWord;
use simyard::ident::{Iccid, Imsi};
use simyard::profile::identity::PackageIdentity;
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::metadata::profile_class;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult, bpp_command, error_reason};
use simyard_asn1::saip::{AkaConfiguration, ElementKind, EuiccResponse, Package, status};

use super::world::{Device, Server, described};
use super::{KI, OPC, enable, outcome, server, subscription};
use crate::harness::vectors;

crate::tests!(
    our_own_profile_is_read_and_authenticates_with_milenage,
    every_test_profile_of_ts48_is_installed_read_and_authenticates,
    sequence_numbers_are_accepted_once,
    a_false_network_is_told,
    access_rules_and_pins_hold,
    a_blocked_pin_is_unblocked,
    what_the_device_changed_survives,
    a_disk_that_takes_no_writes_gives_no_free_guess,
    templates_tell_what_is_selected,
    binary_and_record_limits,
    tuak_is_refused_by_its_own_reason,
);

const RAND: [u8; 16] = [0x23; 16];

/// AUTN of a network with these keys.
pub fn autn(algorithm: &AkaAlgorithm, sqn: u64) -> [u8; 16] {
    let sqn: [u8; 6] = sqn.to_be_bytes()[2..].try_into().unwrap();
    let amf = [0x80, 0x00];
    let mac = algorithm.mac_a(&RAND, &sqn, &amf);
    let ak = algorithm.generate(&RAND).ak;
    let concealed: Vec<u8> = sqn.iter().zip(ak).map(|(sqn, ak)| sqn ^ ak).collect();
    [&concealed[..], &amf, &mac].concat().try_into().unwrap()
}

fn authenticate(device: &mut Device, autn: &[u8; 16]) -> (Vec<u8>, StatusWord) {
    let mut apdu = vec![0x00, 0x88, 0x00, 0x81, 34, 16];
    apdu.extend(RAND);
    apdu.push(16);
    apdu.extend(autn);
    apdu.push(0);
    let response = device.transmit(&apdu);
    (response.data, response.status)
}

fn with_own_profile() -> (Device, Iccid) {
    let mut device = Device::new();
    let (iccid, server) = server(1);
    assert_eq!(outcome(&server.download(&mut device)), None);
    enable(&mut device, &iccid);
    (device, iccid)
}

/// The same with PIN1 switched on and not verified: our profile leaves it off.
fn with_pin() -> (Device, Iccid) {
    let (mut device, iccid) = with_own_profile();
    assert_eq!(device.hex("00280001 08 31323334FFFFFFFF").status, StatusWord::OK);
    device.card.reset();
    (device, iccid)
}

fn select_usim(device: &mut Device) {
    assert_eq!(device.hex("00A40404 07 A0000000871002 00").status, StatusWord::OK);
}

fn milenage() -> AkaAlgorithm {
    Milenage::new(&KI, &OPC).into()
}

fn our_own_profile_is_read_and_authenticates_with_milenage() {
    let (mut device, iccid) = with_pin();
    assert_eq!(device.hex("00A4000C 02 2FE2").status, StatusWord::OK);
    assert_eq!(device.hex("00B00000 0A").data, iccid.to_bcd());
    select_usim(&mut device);
    assert_eq!(device.hex("00A4000C 02 6F07").status, StatusWord::OK);
    assert_eq!(device.hex("00B00000 09").status, StatusWord::SECURITY_NOT_SATISFIED);
    assert_eq!(device.hex("00200001 08 31323334FFFFFFFF").status, StatusWord::OK);
    let imsi: [u8; 9] = device.hex("00B00000 09").data.try_into().unwrap();
    assert_eq!(Imsi::from_ef(&imsi).unwrap().as_str(), "001010000000001");
    let (answer, status) = authenticate(&mut device, &autn(&milenage(), 0x20));
    assert_eq!(status, StatusWord::OK);
    let expected = milenage().generate(&RAND);
    let parts = [&[0xDB, 8][..], &expected.res, &[16], &expected.ck, &[16], &expected.ik].concat();
    assert_eq!(answer, parts);
}

fn every_test_profile_of_ts48_is_installed_read_and_authenticates() {
    let Some(folder) = vectors("the profiles of TS.48") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join("ts48")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        let package = std::fs::read(&path).unwrap();
        let parsed = Package::from_der(&package).unwrap();
        let identity = PackageIdentity::read(&parsed).unwrap();
        let aka = parsed.first(ElementKind::AkaParameter).unwrap().aka_parameter().unwrap();
        let AkaConfiguration::Algorithm(parameters) = aka.configuration else { panic!("{name}") };
        assert_eq!(parameters.algorithm_id, 3, "{name}");
        let xor: AkaAlgorithm = XorTest::new(
            parameters.key.try_into().unwrap(),
            ResLength::from_algorithm_options(parameters.options),
        )
        .into();

        let mut device = Device::new();
        let metadata = described(&identity.iccid.to_bcd(), profile_class::TEST, 0);
        assert_eq!(outcome(&Server::new(metadata, package.clone()).download(&mut device)), None, "{name}");
        enable(&mut device, &identity.iccid);
        assert_eq!(device.hex("00A4080C 02 2FE2").status, StatusWord::OK, "{name}");
        assert_eq!(device.hex("00B00000 0A").data, identity.iccid.to_bcd(), "{name}");
        select_usim(&mut device);
        assert_eq!(device.hex("00A4000C 02 6F07").status, StatusWord::OK, "{name}");
        let imsi: [u8; 9] = device.hex("00B00000 09").data.try_into().unwrap();
        assert_eq!(Imsi::from_ef(&imsi).ok(), identity.imsi, "{name}");
        let (answer, status) = authenticate(&mut device, &autn(&xor, 0x20));
        assert_eq!(status, StatusWord::OK, "{name}");
        let expected = xor.generate(&RAND);
        assert_eq!(answer[0], 0xDB, "{name}");
        assert_eq!(answer[2..2 + expected.res.len()], expected.res[..], "{name}");
        count += 1;
    }
    assert!(count >= 8, "{count} packages");
}

fn sequence_numbers_are_accepted_once() {
    let (mut device, _) = with_pin();
    select_usim(&mut device);
    device.hex("00200001 08 31323334FFFFFFFF");
    let token = autn(&milenage(), 7 << 5 | 2);
    assert_eq!(authenticate(&mut device, &token).0[0], 0xDB);
    let (answer, status) = authenticate(&mut device, &token);
    assert_eq!((answer[0], answer[1], answer.len(), status), (0xDC, 14, 16, StatusWord::OK));
    // AUTS says which number the card has: (7, 2), concealed by f5* and proved by f1*.
    let ak = milenage().ak_star(&RAND);
    let sqn: Vec<u8> = answer[2..8].iter().zip(ak).map(|(octet, ak)| octet ^ ak).collect();
    assert_eq!(sqn, [0, 0, 0, 0, 0, 7 << 5 | 2]);
    let sqn: [u8; 6] = sqn.try_into().unwrap();
    assert_eq!(answer[8..], milenage().mac_s(&RAND, &sqn, &[0, 0]));
    assert_eq!(authenticate(&mut device, &autn(&milenage(), 8 << 5 | 2)).0[0], 0xDB);
}

fn a_false_network_is_told() {
    let (mut device, _) = with_pin();
    select_usim(&mut device);
    assert_eq!(authenticate(&mut device, &[0; 16]).1, StatusWord::SECURITY_NOT_SATISFIED, "PIN1 comes first");
    device.hex("00200001 08 31323334FFFFFFFF");
    let mut token = autn(&milenage(), 0x40);
    token[15] ^= 1;
    assert_eq!(authenticate(&mut device, &token).1, StatusWord::INCORRECT_MAC);
    assert_eq!(authenticate(&mut device, &autn(&milenage(), 0x40)).0[0], 0xDB, "the number was not used up");
    assert_eq!(
        device.hex("00880080 11 10 23232323232323232323232323232323").status,
        StatusWord::WRONG_PARAMETERS
    );
    assert_eq!(device.hex("00880081 01 10").status, StatusWord::WRONG_DATA);
    device.hex("00A40004 02 3F00");
    assert_eq!(authenticate(&mut device, &token).1, StatusWord::CONDITIONS_NOT_SATISFIED, "not in the MF");
}

fn access_rules_and_pins_hold() {
    let (mut device, _) = with_pin();
    device.hex("00A4000C 02 2FE2");
    assert_eq!(device.hex("00D60000 01 00").status, StatusWord::SECURITY_NOT_SATISFIED, "never updated");
    select_usim(&mut device);
    assert_eq!(device.hex("00200001").status, StatusWord(0x63C3));
    assert_eq!(device.hex("00200001 08 39393939FFFFFFFF").status, StatusWord(0x63C2));
    assert_eq!(device.hex("00200001 08 31323334FFFFFFFF").status, StatusWord::OK);
    assert_eq!(device.hex("00200001").status, StatusWord(0x63C3), "a right value gives the attempts back");
    // EF.IMSI is read by PIN1 and updated by ADM1.
    device.hex("00A4000C 02 6F07");
    assert_eq!(device.hex("00D60000 01 08").status, StatusWord::SECURITY_NOT_SATISFIED);
    assert_eq!(device.hex("0020000A 08 3131313132323232").status, StatusWord::OK);
    assert_eq!(device.hex("00D60000 01 08").status, StatusWord::OK);
    assert_eq!(device.hex("00200055 08 3131313132323232").status, StatusWord::REFERENCE_NOT_FOUND);
    assert_eq!(device.hex("00200001 04 31323334").status, StatusWord::WRONG_LENGTH);
    // CHANGE, DISABLE, ENABLE.
    assert_eq!(device.hex("00240001 10 31323334FFFFFFFF 3131FFFFFFFFFFFF").status, StatusWord::WRONG_DATA);
    assert_eq!(device.hex("00240001 10 31323334FFFFFFFF 34333231FFFFFFFF").status, StatusWord::OK);
    assert_eq!(device.hex("00200001 08 31323334FFFFFFFF").status, StatusWord(0x63C2));
    assert_eq!(device.hex("00260001 08 34333231FFFFFFFF").status, StatusWord::OK);
    assert_eq!(device.hex("00200001 08 34333231FFFFFFFF").status, StatusWord::INVALIDATED, "disabled");
    assert_eq!(device.hex("00B00000 09").status, StatusWord::OK, "a disabled PIN protects nothing");
    assert_eq!(device.hex("00280001 08 34333231FFFFFFFF").status, StatusWord::OK);
    assert_eq!(device.hex("00280001 08 34333231FFFFFFFF").status, StatusWord::CONDITIONS_NOT_SATISFIED);
}

fn a_blocked_pin_is_unblocked() {
    let (mut device, _) = with_pin();
    for status in [StatusWord(0x63C2), StatusWord(0x63C1), StatusWord::BLOCKED, StatusWord::BLOCKED] {
        assert_eq!(device.hex("00200001 08 39393939FFFFFFFF").status, status);
    }
    assert_eq!(device.hex("00200001 08 31323334FFFFFFFF").status, StatusWord::BLOCKED);
    assert_eq!(device.hex("002C0001").status, StatusWord(0x63CA));
    let wrong = "002C0001 10 3030303030303030 34343434FFFFFFFF";
    assert_eq!(device.hex(wrong).status, StatusWord(0x63C9));
    assert_eq!(device.hex("002C0001 10 3132333435363738 34343434FFFFFFFF").status, StatusWord::OK);
    assert_eq!(device.hex("00200001 08 34343434FFFFFFFF").status, StatusWord::OK);
}

fn what_the_device_changed_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create(&path);
    let (iccid, server) = server(1);
    assert_eq!(outcome(&server.download(&mut device)), None);
    enable(&mut device, &iccid);
    assert_eq!(device.hex("00280001 08 31323334FFFFFFFF").status, StatusWord::OK);
    device.hex("00200001 08 39393939FFFFFFFF");
    drop(device);
    let mut device = Device::open(&path);
    select_usim(&mut device);
    assert_eq!(device.hex("00200001").status, StatusWord(0x63C2), "the attempt is still lost");
    device.hex("00200001 08 31323334FFFFFFFF");
    let token = autn(&milenage(), 0x20);
    assert_eq!(authenticate(&mut device, &token).0[0], 0xDB);
    drop(device);
    let mut device = Device::open(&path);
    select_usim(&mut device);
    assert_eq!(authenticate(&mut device, &token).1, StatusWord::SECURITY_NOT_SATISFIED, "PINs are not");
    device.hex("00200001 08 31323334FFFFFFFF");
    assert_eq!(authenticate(&mut device, &token).0[0], 0xDC, "the number stays used");
}

fn a_disk_that_takes_no_writes_gives_no_free_guess() {
    const RIGHT: &str = "00200001 08 31323334FFFFFFFF";
    const WRONG: &str = "00200001 08 39393939FFFFFFFF";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create(&path);
    let (iccid, server) = server(1);
    assert_eq!(outcome(&server.download(&mut device)), None);
    enable(&mut device, &iccid);
    assert_eq!(device.hex("00280001 08 31323334FFFFFFFF").status, StatusWord::OK);
    device.card.reset();
    let (profiles, away) = (path.join("profiles"), path.join("away"));
    // The right value is not told from a wrong one, and what follows is not even compared.
    std::fs::rename(&profiles, &away).unwrap();
    assert_eq!(device.hex(RIGHT).status, StatusWord::MEMORY_PROBLEM);
    std::fs::rename(&away, &profiles).unwrap();
    device.card.reset();
    std::fs::rename(&profiles, &away).unwrap();
    for guess in [WRONG, WRONG, WRONG, RIGHT, "00200001"] {
        assert_eq!(device.hex(guess).status, StatusWord::MEMORY_PROBLEM);
    }
    // As soon as the disk takes it, the one attempt is written.
    std::fs::rename(&away, &profiles).unwrap();
    assert_eq!(device.hex("00200001").status, StatusWord(0x63C2));
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(device.hex("00200001").status, StatusWord(0x63C2));
    assert_eq!(device.hex(RIGHT).status, StatusWord::OK);
}

fn templates_tell_what_is_selected() {
    let (mut device, _) = with_own_profile();
    let mf = device.hex("00A40004 02 3F00").data;
    assert_eq!(mf[0], 0x62);
    assert_eq!(mf[2..8], [0x82, 0x02, 0x78, 0x21, 0x83, 0x02]);
    let iccid = hex::encode_upper(device.hex("00A40004 02 2FE2").data);
    assert!(
        iccid.contains("82024121") && iccid.contains("83022FE2") && iccid.contains("8002000A"),
        "{iccid}"
    );
    let usim = hex::encode_upper(device.hex("00A40404 07 A0000000871002 00").data);
    assert!(usim.contains("8410A0000000871002"), "{usim}");
    assert_eq!(device.hex("80F20001 00").data[..2], [0x84, 0x10]);
    assert_eq!(hex::encode_upper(device.hex("80F20000 00").data), usim);
    // By path, over the application that is selected, and up again.
    assert_eq!(device.hex("00A40804 04 7FFF6F07").status, StatusWord::OK);
    assert_eq!(device.hex("00A40904 02 6F07").status, StatusWord::OK);
    assert_eq!(device.hex("00A40304").status, StatusWord::OK);
    assert_eq!(device.hex("00A40804 02 6FFF").status, StatusWord::FILE_NOT_FOUND);
    assert_eq!(device.hex("00A40004 03 6F0700").status, StatusWord::WRONG_LENGTH);
    assert_eq!(device.hex("00A40404 07 A0000000871004").status, StatusWord::FILE_NOT_FOUND);
    assert_eq!(device.hex("00A40804 02 7FD0").status, StatusWord::FILE_NOT_FOUND, "reached by AID alone");
}

fn binary_and_record_limits() {
    let (mut device, _) = with_own_profile();
    assert_eq!(device.hex("00B00000 0A").status, StatusWord::NO_EF);
    select_usim(&mut device);
    assert_eq!(device.hex("00B08700 09").data.len(), 9, "EF.IMSI by its short identifier");
    device.hex("00A4080C 02 2FE2");
    assert_eq!(device.hex("00B00000 00").data.len(), 10);
    assert_eq!(device.hex("00B00008 00").data.len(), 2);
    assert_eq!(device.hex("00B00000 0B").status, StatusWord(0x6C0A));
    assert_eq!(device.hex("00B0000A 01").status, StatusWord::WRONG_OFFSET);
    assert_eq!(device.hex("00B20104 00").status, StatusWord::INCOMPATIBLE_FILE);
    // EF.ARR has records.
    device.hex("00A4000C 02 2F06");
    assert_eq!(device.hex("00B00000 00").status, StatusWord::INCOMPATIBLE_FILE);
    let first = device.hex("00B20104 00");
    assert_eq!((first.status, first.data[0]), (StatusWord::OK, 0x80));
    assert_eq!(device.hex("00B20002 00").data, first.data, "the next of none is the first");
    assert_ne!(device.hex("00B20002 00").data, first.data);
    assert_eq!(device.hex("00B2FF04 00").status, StatusWord::RECORD_NOT_FOUND);
}

fn tuak_is_refused_by_its_own_reason() {
    let (iccid, package) = subscription(1);
    // Our profile with algorithmID 2 and a TOPc of 32 octets, so one element and its members grow by 16.
    let place = package.windows(16).position(|window| window == OPC).unwrap();
    let mut changed = package.clone();
    let algorithm = changed[..place].windows(3).rposition(|window| window == [0x80, 0x01, 0x01]).unwrap();
    changed[algorithm + 2] = 2;
    changed.splice(place..place, OPC);
    changed[place - 1] += 16;
    // The headers in front: A4, A1 and A1 of the element, innermost first.
    for (tag, inner) in [(0xA1, algorithm), (0xA1, algorithm - 2)] {
        assert_eq!(changed[inner - 2], tag);
        changed[inner - 1] += 16;
    }
    let element = changed[..algorithm - 4].iter().rposition(|octet| *octet == 0xA4).unwrap();
    changed[element + 1] += 16;
    let mut device = Device::new();
    let server = Server::new(described(&iccid.to_bcd(), profile_class::OPERATIONAL, 0), changed);
    let report = server.download(&mut device);
    let refused = (bpp_command::LOAD_PROFILE_ELEMENTS, error_reason::PE_PROCESSING_ERROR);
    assert_eq!(outcome(&report), Some(refused));
    let report = ProfileInstallationResult::from_der(&report).unwrap().data.value;
    let FinalResult::Error { sima_response: Some(response), .. } = report.final_result else {
        panic!("no reason")
    };
    assert_eq!(EuiccResponse::from_der(response).unwrap().statuses[0].status, status::FEATURE_NOT_SUPPORTED);
}
