//! Transport, profile management and notifications as LPAs drive them, and the ways to a card: stdio, TCP.

use std::io::{BufReader, Cursor};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use simyard::device::apdu::StatusWord;
use simyard::device::card::{Card, CardError};
use simyard::device::es10_client::{Es10Client, Es10Error, ProfileAction};
use simyard::device::serve::{serve_client, serve_stdio, serve_tcp};
use simyard::device::state::Material;
use simyard::device::transport::{ApduTransport, TcpTransport, read_frame, write_frame};
use simyard::env::{Clock, Rng};
use simyard::ident::Iccid;
use simyard::pki::test_pki::{Fault, Kind};
use simyard_asn1::rsp::info::{EuiccInfo1, EuiccInfo2, rsp_capability};
use simyard_asn1::rsp::metadata::{NotificationConfiguration, StoreMetadataRequest, profile_class};
use simyard_asn1::rsp::notification::{NotificationMetadata, PendingNotification};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode, Encode};

use super::world::{ADDRESS, Device, NOW, PKI, Server, described, material};
use super::{enable, outcome, server, subscription};

crate::tests!(
    a_card_tells_of_itself,
    blocks_must_come_in_order,
    channels_open_and_close,
    long_answers_are_fetched_in_pieces,
    profiles_are_enabled_disabled_and_deleted_by_the_rules,
    policy_rules_of_profiles_hold,
    a_test_profile_gives_the_operational_one_back,
    notifications_rise_and_go_one_by_one,
    names_addresses_and_reset,
    every_step_survives_a_power_cut,
    what_cannot_be_written_is_not_done,
    an_installation_tells_further_recipients,
    keys_and_certificates_must_belong_together,
    lines_of_lpac_are_answered,
    a_line_that_is_too_long_is_passed_over_once,
    frames_over_tcp_are_answered,
    a_silent_client_makes_room_for_the_next,
    garbage_is_refused_without_a_panic,
);

fn install(device: &mut Device, number: u32) -> Iccid {
    let (iccid, server) = server(number);
    assert_eq!(outcome(&server.download(device)), None);
    iccid
}

fn install_as(device: &mut Device, number: u32, class: u32, rules: u64) -> Iccid {
    let (iccid, package) = subscription(number);
    let server = Server::new(described(&iccid.to_bcd(), class, rules), package);
    assert_eq!(outcome(&server.download(device)), None);
    iccid
}

/// Result of EnableProfile (BF31), DisableProfile (BF32) or DeleteProfile (BF33) by ICCID.
fn result(device: &mut Device, tag: u8, iccid: &Iccid) -> u8 {
    let digits = hex::encode(iccid.to_bcd());
    let request = match tag {
        0x33 => format!("BF33 0C 5A0A{digits}"),
        _ => format!("BF{tag:02X}11 A00C 5A0A{digits} 8101FF"),
    };
    let answer = device.call(&request);
    assert_eq!(answer[..5], [0xBF, tag, 0x03, 0x80, 0x01]);
    answer[5]
}

fn a_card_tells_of_itself() {
    let mut device = Device::new();
    assert_eq!(device.hex("80AA00000AA9088100820101830107").status, StatusWord::OK);
    let eid = device.call("BF3E035C015A");
    assert_eq!(hex::encode(&eid), "bf3e125a1089049032000000000000279973200019");
    let octets = device.call("BF2000");
    let info1 = EuiccInfo1::from_der(&octets).unwrap();
    let ci = PKI.ci.certificate.subject_key_identifier().unwrap();
    assert_eq!((info1.ci_pk_ids_for_verification, info1.ci_pk_ids_for_signing), (vec![ci], vec![ci]));
    let octets = device.call("BF2200");
    let info2 = EuiccInfo2::from_der(&octets).unwrap();
    assert!(info2.rsp_capability.has(rsp_capability::TEST_PROFILE_SUPPORT));
    assert!(info2.free_non_volatile_memory().unwrap() > 1_000_000);
    assert_eq!(
        hex::encode(device.call("BF4300")),
        "bf4319a017301580020560a10b30098003eeeeee8100820082020780"
    );
    assert_eq!(device.call("BF3503A00100"), [0xBF, 0x35, 0x03, 0x81, 0x01, 0x7F], "LoadCRL is not supported");
    assert_eq!(device.call("BF2D00"), [0xBF, 0x2D, 0x02, 0xA0, 0x00]);
    assert_eq!(device.call("BF2800"), [0xBF, 0x28, 0x02, 0xA0, 0x00]);
    assert_eq!(device.call("BF2B00"), [0xBF, 0x2B, 0x02, 0xA0, 0x00]);
    assert_ne!(device.call("BF2E00"), device.call("BF2E00"), "a challenge is new each time");
}

fn blocks_must_come_in_order() {
    let mut device = Device::new();
    let refused = StatusWord::WRONG_PARAMETERS;
    // On channel 1: BF2E00 in two blocks.
    assert_eq!(device.hex("81E21100 02 BF2E").status, StatusWord::OK);
    assert_eq!(device.hex("81E29101 01 00").data.len(), 21);
    assert_eq!(device.hex("81E29101 01 00").status, refused, "a chain begins with block 0");
    assert_eq!(device.hex("81E21100 02 BF2E").status, StatusWord::OK);
    assert_eq!(device.hex("81E29102 01 00").status, refused, "block 1 is left out");
    assert_eq!(device.hex("81E29101 01 00").status, refused, "the chain is given up");
    assert_eq!(device.hex("81E21100 02 BF20").status, StatusWord::OK);
    assert_eq!(device.hex("81E29100 03 BF2E00").data.len(), 21, "block 0 begins a new chain");
    assert_eq!(device.hex("81E25100 03 BF2E00").status, refused, "P1 is 11 or 91");
    assert_eq!(device.hex("81E29100 03 BF2E00 00").data.len(), 21, "with Le");
    assert_eq!(device.hex("80E29100 03 BF2E00").status, StatusWord::UNKNOWN_INSTRUCTION, "no ISD-R there");
    assert_eq!(device.hex("81E29100 03 BF7F00").status, StatusWord::WRONG_DATA, "an unknown function");
    assert_eq!(device.hex("81E29100").status, StatusWord::WRONG_DATA, "an empty command");
    // More than any command has.
    let mut block = vec![0x81, 0xE2, 0x11, 0x00, 0xFF];
    block.extend([0xBF; 255]);
    let mut last = StatusWord::OK;
    for number in 0..3000_usize {
        block[3] = number as u8;
        last = device.transmit(&block).status;
        if !last.is_ok() {
            break;
        }
    }
    assert_eq!(last, StatusWord::NOT_ENOUGH_MEMORY);
}

fn channels_open_and_close() {
    let mut device = Device::new();
    assert_eq!(device.hex("00700000 01").data, [2]);
    assert_eq!(device.hex("00700000 01").data, [3]);
    assert_eq!(device.hex("00700000 01").status, StatusWord::FUNCTION_NOT_SUPPORTED);
    assert_eq!(device.hex("00708002").status, StatusWord::OK);
    assert_eq!(device.hex("00708002").status, StatusWord::CHANNEL_NOT_SUPPORTED);
    assert_eq!(device.hex("82E29100 03 BF2E00").status, StatusWord::CHANNEL_NOT_SUPPORTED);
    assert_eq!(device.hex("0070800300").status, StatusWord::OK, "with Le");
    assert_eq!(device.hex("00700000 01").data, [2], "a channel is used again");
    assert_eq!(device.hex("00708000").status, StatusWord::WRONG_PARAMETERS, "the basic channel stays");
    assert_eq!(device.hex("02A40404 05 A000000559").status, StatusWord::OK, "a partial AID");
    assert_eq!(device.hex("02A40404 05 A000000558").status, StatusWord::FILE_NOT_FOUND);
    assert_eq!(device.hex("0CA40404 05 A000000559").status, StatusWord::SECURE_MESSAGING_NOT_SUPPORTED);
    assert_eq!(device.hex("41A40404 05 A000000559").status, StatusWord::CHANNEL_NOT_SUPPORTED);
    assert_eq!(device.hex("F0A40404 05 A000000559").status, StatusWord::UNKNOWN_CLASS);
    assert_eq!(device.hex("00A40004 02 2FE2").status, StatusWord::FILE_NOT_FOUND, "no profile is enabled");
}

fn long_answers_are_fetched_in_pieces() {
    let mut device = Device::new();
    for number in 0..8 {
        install(&mut device, number);
    }
    let first = device.hex("81E29100 03 BF2B00");
    assert_eq!((first.data.len(), first.status), (256, StatusWord(0x6100)));
    let second = device.hex("81C00000 10");
    assert_eq!((second.data.len(), second.status.sw1()), (16, 0x61));
    let whole = device.call("BF2B00");
    assert_eq!(whole[..256], first.data[..]);
    assert_eq!(whole[256..272], second.data[..]);
    // Another command gives up what was waiting.
    device.hex("81E29100 03 BF2B00");
    device.hex("81E29100 03 BF2E00");
    assert_eq!(device.hex("81C00000 00").status, StatusWord::CONDITIONS_NOT_SATISFIED);
}

fn profiles_are_enabled_disabled_and_deleted_by_the_rules() {
    let mut device = Device::new();
    let (one, two) = (install(&mut device, 1), install(&mut device, 2));
    let unknown = Iccid::parse("8988211000099999999").unwrap();
    for tag in [0x31, 0x32, 0x33] {
        assert_eq!(result(&mut device, tag, &unknown), 1, "{tag:02X} of an unknown profile");
    }
    assert_eq!(result(&mut device, 0x32, &one), 2, "disabling what is disabled");
    assert_eq!(result(&mut device, 0x31, &one), 0);
    assert_eq!(result(&mut device, 0x31, &one), 2, "enabling what is enabled");
    assert_eq!(result(&mut device, 0x33, &one), 2, "deleting what is enabled");
    assert_eq!(result(&mut device, 0x31, &two), 0, "the other one is disabled by it");
    let states: Vec<bool> = device.card.state().profiles.iter().map(|profile| profile.enabled).collect();
    assert_eq!(states, [false, true]);
    assert_eq!(result(&mut device, 0x33, &one), 0);
    assert_eq!(result(&mut device, 0x32, &two), 0);
    assert_eq!(device.hex("00A40004 02 2FE2").status, StatusWord::FILE_NOT_FOUND, "nothing is enabled");
    // By the AID of the ISD-P, as lpac does.
    let aid = hex::encode(&device.card.state().profiles[0].isdp_aid);
    assert_eq!(device.call(&format!("BF3117A0124F10{aid}810100"))[5], 0);
    // The list, with the tags that euicc-go asks for, and by search.
    let digits = hex::encode_upper(two.to_bcd());
    let listed = hex::encode_upper(device.call("BF2D0D5C0B5A4F9F7090919293949599"));
    assert!(listed.contains(&format!("5A0A{digits}")) && listed.contains("9F700101"), "{listed}");
    let found = device.call(&format!("BF2D13A00C5A0A{digits}5C035A9F70"));
    assert_eq!(hex::encode_upper(&found), format!("BF2D14A012E3105A0A{digits}9F700101"));
    assert_eq!(device.call("BF2D05A003950100"), [0xBF, 0x2D, 0x02, 0xA0, 0x00], "no test profile");
}

fn policy_rules_of_profiles_hold() {
    const PPR1: u64 = 0b010;
    const PPR2: u64 = 0b100;
    let mut device = Device::new();
    let bound = install_as(&mut device, 1, profile_class::OPERATIONAL, PPR1 | PPR2);
    let other = install(&mut device, 2);
    assert_eq!(result(&mut device, 0x33, &bound), 3, "PPR2: not deleted");
    assert_eq!(result(&mut device, 0x31, &bound), 0);
    assert_eq!(result(&mut device, 0x32, &bound), 3, "PPR1: not disabled");
    assert_eq!(result(&mut device, 0x31, &other), 3, "nor by enabling another one");
}

fn a_test_profile_gives_the_operational_one_back() {
    let mut device = Device::new();
    let (one, two) = (install(&mut device, 1), install(&mut device, 2));
    let test = install_as(&mut device, 3, profile_class::TEST, 0);
    assert_eq!(result(&mut device, 0x31, &one), 0);
    assert_eq!(result(&mut device, 0x31, &test), 0);
    assert_eq!(result(&mut device, 0x31, &two), 4, "another one than the displaced");
    assert_eq!(result(&mut device, 0x32, &test), 0);
    assert_eq!(device.card.state().enabled().unwrap().iccid, one.to_bcd());
    assert_eq!(result(&mut device, 0x31, &two), 0, "the rule has ended with the test profile");
}

fn notifications_rise_and_go_one_by_one() {
    let mut device = Device::new();
    let (one, two) = (install(&mut device, 1), install(&mut device, 2));
    assert_eq!(result(&mut device, 0x31, &one), 0);
    assert_eq!(result(&mut device, 0x31, &two), 0);
    assert_eq!(result(&mut device, 0x33, &one), 0);
    let list = |device: &mut Device| {
        let answer = device.call("BF2B00");
        let outer = simyard_asn1::Reader::new(&answer, "list").read().unwrap();
        let mut entries = outer.members("list").read().unwrap().members("list");
        let mut found = Vec::new();
        while !entries.is_empty() {
            let pending = PendingNotification::from_der(entries.read().unwrap().raw).unwrap();
            let NotificationMetadata { seq_number, operation, address, iccid } = pending.metadata().clone();
            if let PendingNotification::Other(other) = &pending {
                assert_eq!(other.euicc_certificate, PKI.euicc.certificate.der());
                let key = PKI.euicc.certificate.public_key().unwrap();
                key.verify(other.tbs.bytes, other.signature).unwrap();
            }
            assert_eq!(address, ADDRESS);
            found.push((seq_number, operation.0.trailing_zeros(), *iccid.unwrap()));
        }
        found
    };
    let (a, b) = (one.to_bcd(), two.to_bcd());
    let expected = [(1, 0, a), (2, 0, b), (3, 1, a), (4, 2, a), (5, 1, b), (6, 3, a)];
    assert_eq!(list(&mut device), expected);
    assert_eq!(device.call("BF3003800103"), [0xBF, 0x30, 0x03, 0x80, 0x01, 0x00]);
    assert_eq!(device.call("BF3003800103"), [0xBF, 0x30, 0x03, 0x80, 0x01, 0x01], "nothing to delete");
    assert_eq!(list(&mut device).len(), 5);
    assert_eq!(device.call("BF2B05A003800105").len(), device.call("BF2B05A003800104").len());
    let disables = hex::encode(device.call("BF280481020520"));
    assert!(disables.contains("800104") && !disables.contains("800105"), "{disables}");
    // The counter goes on after a reset of the memory, and the lowest are dropped where there is no room.
    assert_eq!(device.call("BF3404 82020780")[5], 0);
    for number in 0..40 {
        let iccid = install(&mut device, 100 + number);
        assert_eq!(result(&mut device, 0x33, &iccid), 0);
    }
    let kept = list_numbers(&mut device);
    assert_eq!(kept.len(), 64);
    assert_eq!(*kept.last().unwrap(), 87);
    assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

fn list_numbers(device: &mut Device) -> Vec<u32> {
    device.card.state().notifications.iter().map(|record| record.seq_number).collect()
}

fn names_addresses_and_reset() {
    let mut device = Device::new();
    let iccid = install(&mut device, 1);
    let digits = hex::encode(iccid.to_bcd());
    assert_eq!(device.call(&format!("BF2911 5A0A{digits} 9003 4D6F6D"))[5], 0);
    assert!(hex::encode(device.call("BF2D00")).contains("90034d6f6d"));
    assert_eq!(device.call("BF2911 5A0A 98000000000000000000 9003 4D6F6D")[5], 1, "an unknown profile");
    assert_eq!(device.call(&format!("BF290E 5A0A{digits} 9000"))[5], 0);
    assert!(!hex::encode(device.call("BF2D00")).contains("9003"), "an empty name is none");
    // The default SM-DP+.
    assert_eq!(device.call("BF3F05 8003 612E62")[5], 0);
    assert!(hex::encode(device.call("BF3C00")).contains("8003612e62"));
    assert_eq!(device.call("BF3F05 8003 2F2F2F")[5], 127, "no address");
    // eUICCMemoryReset: test profiles, then operational ones with the address.
    enable(&mut device, &iccid);
    assert_eq!(device.call("BF3404 82020640")[5], 1, "there is no test profile");
    assert_eq!(device.call("BF3404 820205A0")[5], 0);
    assert!(device.card.state().profiles.is_empty());
    assert!(!hex::encode(device.call("BF3C00")).contains("8003612e62"));
    assert_eq!(device.call("BF3404 820205A0")[5], 1);
}

fn every_step_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create(&path);
    let reopen = |device: Device| {
        let before = device.card.state().clone();
        drop(device);
        let device = Device::open(&path);
        assert_eq!(*device.card.state(), before);
        device
    };
    let one = install(&mut device, 1);
    let two = install(&mut device, 2);
    device = reopen(device);
    for (tag, iccid) in [(0x31, &one), (0x31, &two), (0x32, &two), (0x33, &one), (0x31, &two)] {
        assert_eq!(result(&mut device, tag, iccid), 0);
        device = reopen(device);
    }
    assert_eq!(device.hex("00A4000C 02 2FE2").status, StatusWord::OK);
    assert_eq!(device.hex("00B00000 0A").data, two.to_bcd());
    device.call("BF3003800101");
    device = reopen(device);
    // A cut in the middle of a download leaves the card as it was, and the download can be made again.
    let (three, server) = server(3);
    let parts = server.parts(&mut device);
    for part in &parts[..parts.len() - 1] {
        assert!(device.es10(part).status.is_ok());
    }
    device = reopen(device);
    assert_eq!(device.es10(parts.last().unwrap()).status, StatusWord::CONDITIONS_NOT_SATISFIED);
    assert_eq!(outcome(&server.download(&mut device)), None);
    device = reopen(device);
    assert_eq!(device.card.state().profiles[1].iccid, three.to_bcd());
}

fn what_cannot_be_written_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create(&path);
    let iccid = install(&mut device, 1);
    let before = device.card.state().clone();
    // A folder stands where the new state would be written.
    std::fs::create_dir(path.join("card.json.new")).unwrap();
    let request = format!("BF3111A00C5A0A{}8101FF", hex::encode(iccid.to_bcd()));
    assert_eq!(device.es10(&hex::decode(request).unwrap()).status, StatusWord::MEMORY_PROBLEM);
    let (_, server) = server(2);
    let parts = server.parts(&mut device);
    let last = parts.iter().map(|part| device.es10(part)).last().unwrap();
    assert_eq!((last.status, last.data.len()), (StatusWord::MEMORY_PROBLEM, 0));
    assert_eq!(*device.card.state(), before);
    std::fs::remove_dir(path.join("card.json.new")).unwrap();
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(*device.card.state(), before);
    assert_eq!(outcome(&server.download(&mut device)), None, "what was left behind is no profile");
    assert_eq!(result(&mut device, 0x31, &iccid), 0);
}

fn an_installation_tells_further_recipients() {
    let (iccid, package) = subscription(1);
    let configuration = |address| NotificationConfiguration { events: NamedBits(0b0001), address };
    let usual = described(&iccid.to_bcd(), profile_class::OPERATIONAL, 0);
    let metadata = StoreMetadataRequest {
        notification_configurations: vec![
            configuration("SMDP.example.com"),
            configuration("other.example.com"),
        ],
        ..StoreMetadataRequest::from_der(&usual).unwrap()
    };
    let mut device = Device::new();
    assert_eq!(outcome(&Server::new(metadata.to_der(), package).download(&mut device)), None);
    // The report goes to the SM-DP+ itself, which needs no second message.
    let listed = hex::encode(device.call("BF2800"));
    assert_eq!(list_numbers(&mut device), [1, 2]);
    assert!(listed.contains(&hex::encode("other.example.com")) && !listed.contains(&hex::encode("SMDP")));
    assert_eq!(result(&mut device, 0x31, &iccid), 0);
    assert_eq!(list_numbers(&mut device), [1, 2], "nobody asked to hear of enabling");
}

fn keys_and_certificates_must_belong_together() {
    type Change = fn(&mut Material);
    let create = |change: Change| {
        let mut material = material();
        change(&mut material);
        Card::in_memory(&material, Clock::fixed(NOW), Rng::seeded(1)).err().map(|error| error.to_string())
    };
    assert_eq!(create(|_| {}), None);
    let cases: [(Change, &str); 5] = [
        (
            |material| material.credentials[0].euicc_key = PKI.eum.key.to_pkcs8_der().unwrap(),
            "not for the card's private key",
        ),
        (|material| material.credentials[0].euicc_key = vec![0x30, 0x00].into(), "no private key"),
        (|material| material.credentials[0].eum_certificate = vec![0x30, 0x00], "EUM certificate"),
        (
            |material| material.ci_certificates.push(PKI.dp_pb.certificate.der().to_vec()),
            "may not issue others",
        ),
        (
            |material| {
                material.credentials[0].euicc_certificate = PKI.dp_pb.certificate.der().to_vec();
                material.credentials[0].euicc_key = PKI.dp_pb.key.to_pkcs8_der().unwrap();
            },
            "no EID",
        ),
    ];
    for (change, text) in cases {
        let error = create(change).unwrap();
        assert!(error.contains(text), "{error}");
    }
    // A folder whose certificate was exchanged.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    drop(Device::create(&path));
    let twin = PKI.twin(Kind::Euicc, Fault::OutsideRange).unwrap();
    std::fs::write(path.join("euicc.der"), twin.certificate.der()).unwrap();
    std::fs::write(path.join("euicc.key"), twin.key.to_pkcs8_der().unwrap()).unwrap();
    assert!(matches!(Card::open(&path, Clock::fixed(NOW), Rng::seeded(1)), Err(CardError::OtherEid { .. })));
    std::fs::write(path.join("card.json"), b"{").unwrap();
    let error = Card::open(&path, Clock::fixed(NOW), Rng::seeded(1)).err().unwrap().to_string();
    assert!(error.contains("card.json"), "{error}");
}

fn lines_of_lpac_are_answered() {
    let mut device = Device::new();
    let lines = [
        json!({ "type": "apdu", "payload": { "func": "connect", "param": null } }),
        json!({ "type": "apdu", "payload": { "func": "logic_channel_open", "param": "A0000005591010FFFFFFFF8900000100" } }),
        json!({ "type": "apdu", "payload": { "func": "transmit", "param": "81e2910006bf3e035c015a" } }),
        json!({ "type": "progress", "payload": { "message": "es10c_get_eid" } }),
        json!({ "type": "lpa", "payload": { "code": 0, "message": "success", "data": {} } }),
        json!({ "type": "http", "payload": { "url": "https://a.b/c", "tx": "", "headers": [] } }),
        json!({ "type": "apdu", "payload": { "func": "logic_channel_open", "param": "A000000000" } }),
        json!({ "type": "apdu", "payload": { "func": "logic_channel_close", "param": "01" } }),
        json!({ "type": "apdu", "payload": { "func": "logic_channel_close", "param": "01" } }),
        json!({ "type": "apdu", "payload": { "func": "transmit", "param": "xyz" } }),
        json!({ "type": "apdu", "payload": { "func": "dance", "param": null } }),
        json!({ "type": "apdu", "payload": { "func": "disconnect", "param": null } }),
        json!({ "type": "other" }),
        json!("no object"),
    ];
    let input = lines.iter().map(|line| format!("{line}\n")).collect::<String>() + "\n{\n";
    let mut output = Vec::new();
    serve_stdio(&mut device.card, &mut BufReader::new(Cursor::new(input)), &mut output).unwrap();
    let answers: Vec<Value> =
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let payload = |index: usize, member: &str| answers[index]["payload"][member].clone();
    assert_eq!(answers.len(), 13, "{answers:?}");
    assert_eq!(answers[0], json!({ "type": "apdu", "payload": { "ecode": 0 } }));
    assert_eq!(payload(1, "ecode"), 1);
    assert_eq!(payload(2, "data"), "BF3E125A10890490320000000000002799732000199000");
    assert_eq!((&answers[3]["type"], payload(3, "rcode")), (&json!("http"), json!(501)));
    for refused in [4, 6, 7, 8] {
        assert_eq!(payload(refused, "ecode"), -1, "{}", answers[refused]);
    }
    assert_eq!((payload(5, "ecode"), payload(9, "ecode")), (json!(0), json!(0)));
    for refused in [10, 11, 12] {
        assert_eq!(answers[refused]["type"], "error");
    }
}

fn a_line_that_is_too_long_is_passed_over_once() {
    let mut device = Device::new();
    let long = "x".repeat(200_000);
    let connect = r#"{"type":"apdu","payload":{"func":"connect","param":null}}"#;
    for (line, answers) in [
        (format!(r#"{{"type":"lpa","payload":{{"data":"{long}"}}}}"#), 1),
        (format!(r#"{{ "type": "progress", "payload": "{long}"}}"#), 1),
        (format!(r#"{{"type":"apdu","payload":{{"func":"transmit","param":"{long}"}}}}"#), 2),
        (long.clone(), 2),
    ] {
        let mut output = Vec::new();
        let input = format!("{line}\n{connect}\n");
        serve_stdio(&mut device.card, &mut BufReader::new(Cursor::new(input)), &mut output).unwrap();
        let told: Vec<Value> = String::from_utf8(output)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(told.len(), answers, "{}", &line[..40]);
        assert_eq!(told.last().unwrap()["payload"]["ecode"], 0, "the next line is a line again");
        assert!(answers == 1 || told[0]["type"] == "error");
    }
    // A long line at the end of the input has an end, too.
    let mut output = Vec::new();
    serve_stdio(&mut device.card, &mut BufReader::new(Cursor::new(long)), &mut output).unwrap();
    assert_eq!(String::from_utf8(output).unwrap().lines().count(), 1);
}

fn a_silent_client_makes_room_for_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Never ends; it goes with the process.
    std::thread::spawn(move || {
        serve_tcp(&mut Device::new().card, &listener, std::time::Duration::from_millis(500)).unwrap();
    });
    let silent = TcpStream::connect(address).unwrap();
    let mut client = Es10Client::open(TcpTransport::connect(&address.to_string()).unwrap()).unwrap();
    assert_eq!(client.get_eid().unwrap().as_str(), "89049032000000000000279973200019");
    drop(silent);
}

fn frames_over_tcp_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let mut device = Device::new();
        install(&mut device, 1);
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            device.card.reset();
            serve_client(&mut device.card, &mut stream).unwrap();
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    write_frame(&mut stream, &hex::decode("0070000001").unwrap()).unwrap();
    assert_eq!(read_frame(&mut stream).unwrap().unwrap(), [0x01, 0x90, 0x00]);
    write_frame(&mut stream, &[]).unwrap();
    assert_eq!(read_frame(&mut stream).unwrap().unwrap(), [0x67, 0x00]);
    drop(stream);
    // The typed client over the same socket; the channel of the client before is gone.
    let mut client = Es10Client::open(TcpTransport::connect(&address.to_string()).unwrap()).unwrap();
    assert_eq!(client.get_eid().unwrap().as_str(), "89049032000000000000279973200019");
    let profiles = client.get_profiles_info().unwrap();
    assert_eq!((profiles.len(), profiles[0].enabled), (1, false));
    let iccid = profiles[0].iccid.clone();
    client.manage_profile(ProfileAction::Enable, &iccid).unwrap();
    match client.manage_profile(ProfileAction::Delete, &iccid) {
        Err(Es10Error::Function { code: 2, name: "profileNotInDisabledState", .. }) => {}
        other => panic!("{other:?}"),
    }
    let pending = client.list_notifications().unwrap();
    assert_eq!(pending.iter().map(|entry| entry.event).collect::<Vec<_>>(), [0, 1]);
    assert!(client.retrieve_notification(2).unwrap().is_some());
    assert!(client.retrieve_notification(9).unwrap().is_none());
    client.remove_notification(2).unwrap();
    drop(client.close().unwrap());
    served.join().unwrap();
}

fn garbage_is_refused_without_a_panic() {
    let rng = Rng::seeded(99);
    let mut device = Device::new();
    let iccid = install(&mut device, 1);
    enable(&mut device, &iccid);
    for round in 0..20_000_u32 {
        let octets: [u8; 24] = rng.array();
        let mut apdu = octets[..usize::from(octets[23]) % 24].to_vec();
        // Mostly commands that exist, on channels that are open.
        if apdu.len() > 4 && round % 4 != 0 {
            let known = [0xA4, 0xB0, 0xB2, 0xD6, 0xDC, 0xE2, 0xF2, 0x20, 0x24, 0x2C, 0x88, 0xC0];
            apdu[0] = [0x00, 0x01, 0x80, 0x81][usize::from(octets[22]) % 4];
            apdu[1] = known[usize::from(octets[21]) % known.len()];
            apdu[4] = (apdu.len() - 5) as u8;
        }
        assert!(device.card.transmit(&apdu).unwrap().len() >= 2);
    }
    // Requests of ES10 that are cut or changed anywhere.
    for request in
        ["BF3111A00C5A0A989444999999990929F48101FF", "BF2D05A003950100", "BF3404820205A0", "BF2B05A003800105"]
    {
        let octets = hex::decode(request).unwrap();
        for end in 0..octets.len() {
            device.es10(&octets[..end]);
            let mut changed = octets.clone();
            changed[end] ^= 0x55;
            device.es10(&changed);
        }
    }
}
