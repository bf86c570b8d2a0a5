//! The functions of SGP.32 beside packages, over APDUs and by typed calls: rollback, fallback, emergency profile,
//! immediate enabling, eIM configuration, reset, and what the card says of itself.

use simyard::device::apdu::StatusWord;
use simyard::device::es10_client::{Es10Client, Es10Error, StoredResult};
use simyard::device::iot_state::MAX_RESULTS;
use simyard_asn1::iot::card::memory_reset;
use simyard_asn1::iot::configuration::{
    AddInitialEimRequest, EimConfigurationData, GetEimConfigurationDataResponse, REQUEST_TOKEN,
};
use simyard_asn1::iot::package::{ConfigureImmediateEnable, EuiccPackage, Psmo};
use simyard_asn1::iot::result::{EuiccPackageResult, EuiccResultData, RollbackProfileResult};
use simyard_asn1::iot::signed_bytes;
use simyard_asn1::rsp::authentication::AuthenticateServerResponse;
use simyard_asn1::rsp::info::EuiccInfo2;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode, Encode, Reader, Writer};

use super::eim::Eim;
use super::iot_packages::{ECALL, FALLBACK_ALLOWED, enabled, install, iot};
use super::world::{ADDRESS, Device, PKI, Server, challenge, metadata};
use super::{enable, outcome, server, subscription};

crate::tests!(
    a_switch_is_rolled_back_once,
    a_rollback_needs_a_grant_that_still_stands,
    what_a_rollback_needs_is_not_deleted,
    a_grant_survives_a_power_cut,
    a_device_falls_back_and_returns,
    an_emergency_profile_stops_all_else,
    a_profile_is_enabled_at_once_where_it_may_be,
    the_first_eim_comes_unsigned,
    a_reset_removes_what_it_names,
    a_card_of_sgp32_says_so,
    connectivity_parameters_are_those_of_the_enabled_profile,
    typed_calls_reach_every_function,
    old_results_make_room,
);

/// A card with two profiles, the first enabled, and an eIM.
fn switching() -> (Device, Eim, [[u8; 10]; 2]) {
    let mut device = Device::iot();
    let profiles = [1, 2].map(|number| install(&mut device, number, FALLBACK_ALLOWED).to_bcd());
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    assert_eq!(eim.psmo(&mut device, &[Psmo::Enable { iccid: &profiles[0], rollback: false }]), "830100");
    for number in 1..device.card.state().next_seq_number {
        device.call(&format!("BF30038001{number:02X}"));
    }
    (device, eim, profiles)
}

fn numbers(device: &Device) -> (Vec<u32>, Vec<u32>) {
    let results = iot(device).results.iter().map(|record| record.seq_number).collect();
    (results, device.card.state().notifications.iter().map(|record| record.seq_number).collect())
}

fn a_switch_is_rolled_back_once() {
    let (mut device, mut eim, [one, two]) = switching();
    let third = install(&mut device, 3, &[]).to_bcd();
    let other = device.card.state().next_seq_number - 1;
    let operations = [Psmo::Enable { iccid: &two, rollback: true }, Psmo::Delete { iccid: &third }];
    assert_eq!(eim.psmo(&mut device, &operations), "830100850100");
    assert_eq!(enabled(&device), Some(two.to_vec()));
    let first = other + 1;
    assert_eq!(numbers(&device), (vec![first], vec![other, first + 1, first + 2, first + 3]));

    let answer = device.call("BF58038001FF");
    assert_eq!(enabled(&device), Some(one.to_vec()));
    assert_eq!(device.hex("00A4000C 02 2FE2").status, StatusWord::OK);
    assert_eq!(device.hex("00B00000 0A").data, one, "its profile has started");
    // The deletion stays, and is told of; the switch is not.
    assert_eq!(numbers(&device), (vec![first + 4], vec![other, first + 3]));
    assert_eq!(answer[3..6], [0x02, 0x01, 0x00]);
    let EuiccPackageResult::Signed { data, signature } = EuiccPackageResult::from_der(&answer[6..]).unwrap()
    else {
        panic!("no result: {}", hex::encode_upper(&answer));
    };
    let euicc = PKI.euicc.certificate.public_key().unwrap();
    euicc.verify(&signed_bytes(data.bytes, eim.token), signature.try_into().unwrap()).unwrap();
    assert_eq!(data.value.results, [EuiccResultData::Rollback(RollbackProfileResult::Ok)]);
    assert_eq!((data.value.eim_id, data.value.counter_value), ("eim1", eim.counter));
    assert_eq!(data.value.seq_number, first + 4);
    assert_eq!(iot(&device).results[0].der, answer[6..]);
    assert_eq!(hex::encode_upper(device.call("BF58038001FF")), "BF5803020101", "once");
}

fn a_rollback_needs_a_grant_that_still_stands() {
    let (mut device, mut eim, [one, two]) = switching();
    let refused = |device: &mut Device| {
        let before = device.card.state().clone();
        assert_eq!(hex::encode_upper(device.call("BF580380 0100")), "BF5803020101");
        assert_eq!(*device.card.state(), before);
    };
    refused(&mut device);
    assert_eq!(hex::encode_upper(device.call("BF5800")), "BF5803020107", "without refreshFlag");
    let enable = |iccid, rollback| [Psmo::Enable { iccid, rollback }];
    // An enable without the flag.
    assert_eq!(eim.psmo(&mut device, &enable(&two, false)), "830100");
    refused(&mut device);
    // The eIM has the result.
    assert_eq!(eim.psmo(&mut device, &enable(&one, true)), "830100");
    let number = iot(&device).results.last().unwrap().seq_number;
    device.call(&format!("BF30038001{number:02X}"));
    refused(&mut device);
    // Another enable takes the grant; one that fails does not.
    assert_eq!(eim.psmo(&mut device, &enable(&two, true)), "830100");
    assert_eq!(eim.psmo(&mut device, &enable(&two, false)), "830102");
    assert!(iot(&device).rollback.is_some());
    assert_eq!(eim.psmo(&mut device, &enable(&one, false)), "830100");
    refused(&mut device);
    // So do the fallback mechanism, and an emergency profile with refresh.
    assert_eq!(eim.psmo(&mut device, &[Psmo::SetFallbackAttribute { iccid: &two }]), "8D0100");
    let third = install(&mut device, 3, ECALL).to_bcd();
    for (request, kept) in [("BF5D0380 0100", false), ("BF5B038001FF", false), ("BF5B03800100", true)] {
        let now = enabled(&device);
        let target = if now.as_deref() == Some(&one[..]) { &third } else { &one };
        let target = if request.starts_with("BF5B") && target == &third { &two } else { target };
        assert_eq!(eim.psmo(&mut device, &enable(target, true)), "830100", "{request}");
        assert_eq!(device.call(request)[5], 0, "{request}");
        assert_eq!(iot(&device).rollback.is_some(), kept, "{request}");
        device.call("BF5C03800100");
        device.call("BF5E03800100");
    }
    // While it lasts, nobody rolls back.
    device.call("BF5B03800100");
    assert_eq!(hex::encode_upper(device.call("BF58038001FF")), "BF580302017F");
}

fn what_a_rollback_needs_is_not_deleted() {
    let (mut device, mut eim, [one, two]) = switching();
    // To a profile that the package itself disabled, the way stays open.
    let switch = [
        Psmo::Disable { iccid: &one },
        Psmo::Enable { iccid: &two, rollback: true },
        Psmo::Delete { iccid: &one },
    ];
    assert_eq!(eim.psmo(&mut device, &switch), "840100830100850114");
    assert_eq!(eim.psmo(&mut device, &[Psmo::Delete { iccid: &one }]), "850114");
    assert_eq!(device.call("BF58038001FF")[3..6], [0x02, 0x01, 0x00]);
    assert_eq!(enabled(&device), Some(one.to_vec()));
    // To one that it deleted, there is none.
    let delete = [
        Psmo::Disable { iccid: &one },
        Psmo::Delete { iccid: &one },
        Psmo::Enable { iccid: &two, rollback: true },
    ];
    assert_eq!(eim.psmo(&mut device, &delete), "840100850100830114");
    assert_eq!(enabled(&device), None);
    // With the result delivered, the old profile may go.
    let three = install(&mut device, 3, &[]).to_bcd();
    let enable = |iccid, rollback| [Psmo::Enable { iccid, rollback }];
    assert_eq!(eim.psmo(&mut device, &enable(&two, false)), "830100");
    assert_eq!(eim.psmo(&mut device, &enable(&three, true)), "830100");
    let number = iot(&device).results.last().unwrap().seq_number;
    assert_eq!(eim.psmo(&mut device, &[Psmo::Delete { iccid: &two }]), "850114");
    device.call(&format!("BF30038001{number:02X}"));
    assert_eq!(eim.psmo(&mut device, &[Psmo::Delete { iccid: &two }]), "850100");
}

fn a_grant_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create_iot(&path);
    let [one, two] = [1, 2].map(|number| install(&mut device, number, &[]).to_bcd());
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let enable = |iccid, rollback| [Psmo::Enable { iccid, rollback }];
    assert_eq!(eim.psmo(&mut device, &enable(&one, false)), "830100");
    assert_eq!(eim.psmo(&mut device, &enable(&two, true)), "830100");
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(enabled(&device), Some(two.to_vec()));
    assert_eq!(device.call("BF58038001FF")[3..6], [0x02, 0x01, 0x00]);
    let before = device.card.state().clone();
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(*device.card.state(), before);
    assert_eq!(device.hex("00A4000C 02 2FE2").status, StatusWord::OK);
    assert_eq!(device.hex("00B00000 0A").data, one);
}

fn a_device_falls_back_and_returns() {
    let (mut device, mut eim, [one, two]) = switching();
    let call = |device: &mut Device, request: &str| hex::encode_upper(device.call(request));
    assert_eq!(call(&mut device, "BF5D038001FF"), "BF5D03800106", "no fallback profile");
    assert_eq!(call(&mut device, "BF5E038001FF"), "BF5E03800106", "nowhere to return to");
    assert_eq!(call(&mut device, "BF5D00"), "BF5D03800107");
    assert_eq!(call(&mut device, "BF5E00"), "BF5E03800107");
    assert_eq!(eim.psmo(&mut device, &[Psmo::SetFallbackAttribute { iccid: &two }]), "8D0100");
    let told = device.card.state().notifications.len();
    assert_eq!(call(&mut device, "BF5D038001FF"), "BF5D03800100");
    assert_eq!(enabled(&device), Some(two.to_vec()));
    assert_eq!(device.card.state().notifications.len(), told + 2, "both are told of");
    assert_eq!(call(&mut device, "BF5D038001FF"), "BF5D03800102", "it is enabled");
    assert_eq!(eim.psmo(&mut device, &[Psmo::Delete { iccid: &one }]), "850115", "the way back");
    assert_eq!(call(&mut device, "BF5E038001FF"), "BF5E03800100");
    assert_eq!(enabled(&device), Some(one.to_vec()));
    assert_eq!(call(&mut device, "BF5E038001FF"), "BF5E03800106");
    // A switch by the eIM ends the fallback.
    assert_eq!(call(&mut device, "BF5D03800100"), "BF5D03800100");
    assert_eq!(eim.psmo(&mut device, &[Psmo::Disable { iccid: &two }]), "840100");
    assert_eq!(call(&mut device, "BF5E038001FF"), "BF5E03800106");
    // Nothing was enabled before: there is nothing to return to.
    assert_eq!(call(&mut device, "BF5D038001FF"), "BF5D03800100");
    assert_eq!(call(&mut device, "BF5E038001FF"), "BF5E03800106");
}

fn an_emergency_profile_stops_all_else() {
    let (mut device, mut eim, [one, two]) = switching();
    let call = |device: &mut Device, request: &str| hex::encode_upper(device.call(request));
    assert_eq!(call(&mut device, "BF5B038001FF"), "BF5B03800108", "no profile for it");
    assert_eq!(call(&mut device, "BF5C038001FF"), "BF5C03800102", "it is not enabled");
    assert_eq!(call(&mut device, "BF5B00"), "BF5B0380017F");
    assert_eq!(call(&mut device, "BF5C00"), "BF5C0380017F");
    let ecall = install(&mut device, 3, ECALL).to_bcd();
    assert_eq!(eim.psmo(&mut device, &[Psmo::SetFallbackAttribute { iccid: &two }]), "8D0100");
    let told = device.card.state().notifications.len();
    assert_eq!(call(&mut device, "BF5B038001FF"), "BF5B03800100");
    assert_eq!(enabled(&device), Some(ecall.to_vec()));
    assert_eq!(call(&mut device, "BF5B038001FF"), "BF5B03800102");
    let package = eim.package(&eim.signed(EuiccPackage::Psmo(vec![Psmo::GetRat])));
    assert_eq!(eim.refused(&mut device, &package), "ecallActive (104)");
    assert_eq!(call(&mut device, "BF5D038001FF"), "BF5D03800168");
    assert_eq!(call(&mut device, "BF5E038001FF"), "BF5E0380017F");
    assert_eq!(call(&mut device, "BF6404820202FE"), "BF6403800168");
    let (_, server) = server(4);
    let open = challenge(&mut device);
    let answer = device.es10(&server.authenticate(&open)).data;
    let AuthenticateServerResponse::Error(error) = AuthenticateServerResponse::from_der(&answer).unwrap()
    else {
        panic!("a download began")
    };
    assert_eq!(error.code, 104);
    assert_eq!(call(&mut device, "BF5C038001FF"), "BF5C03800100");
    assert_eq!(enabled(&device), Some(one.to_vec()));
    assert_eq!(device.card.state().notifications.len(), told, "nobody is told");
    // A download that was agreed before is not begun while it lasts.
    let open = challenge(&mut device);
    let prepare = server.prepare(&device.es10(&server.authenticate(&open)).data);
    assert_eq!(call(&mut device, "BF5B03800100"), "BF5B03800100");
    let refused = hex::encode_upper(device.es10(&prepare).data);
    assert!(refused.ends_with("020168"), "{refused}");
    // One that an eIM has enabled is no emergency, and is enabled.
    assert_eq!(call(&mut device, "BF5C03800100"), "BF5C03800100");
    assert_eq!(eim.psmo(&mut device, &[Psmo::Enable { iccid: &ecall, rollback: false }]), "830100");
    assert_eq!(call(&mut device, "BF5B038001FF"), "BF5B03800102");
    assert_eq!(call(&mut device, "BF5C038001FF"), "BF5C03800102");
}

fn a_profile_is_enabled_at_once_where_it_may_be() {
    let mut device = Device::iot();
    let call = |device: &mut Device, request: &str| hex::encode_upper(device.call(request));
    let address = hex::encode(ADDRESS);
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800101", "not configured");
    assert_eq!(call(&mut device, &format!("BF591480008210{address}")), "BF5903800100");
    assert_eq!(call(&mut device, "BF590580008201 20"), "BF590380017F", "no address");
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800104", "nothing was installed");
    let one = install(&mut device, 1, &[]);
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800100");
    assert_eq!(enabled(&device), Some(one.to_bcd().to_vec()));
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800104", "once");
    // Another SM-DP+ than the one that is configured, by its OID or its address.
    let two = install(&mut device, 2, &[]);
    assert_eq!(call(&mut device, "BF590A800082066F742E746C64"), "BF5903800100");
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800101");
    assert_eq!(call(&mut device, "BF5906800081022A03"), "BF5903800100");
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800101");
    // A profile that may not be disabled stays enabled: undefinedError. Any SM-DP+ will do now.
    assert_eq!(call(&mut device, "BF59028000"), "BF5903800100");
    enable(&mut device, &two);
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A0380017F", "it is enabled already");
    // The session ends with the next one, and with the power.
    install(&mut device, 3, &[]);
    challenge(&mut device);
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800104");
    install(&mut device, 4, &[]);
    device.card.reset();
    device.select_isd_r();
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800104");
    // Switched off; and once there is an eIM, it alone decides.
    assert_eq!(call(&mut device, "BF5900"), "BF5903800100");
    install(&mut device, 5, &[]);
    assert_eq!(call(&mut device, "BF5A038001FF"), "BF5A03800101");
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    assert_eq!(call(&mut device, "BF59028000"), "BF5903800102");
}

fn the_first_eim_comes_unsigned() {
    let mut device = Device::iot();
    let (eim, other) = (Eim::new("eim1"), Eim::new("second"));
    let ask = |eims: Vec<EimConfigurationData<'_>>| AddInitialEimRequest { eims }.to_der();
    let with_token = EimConfigurationData { association_token: Some(REQUEST_TOKEN), ..other.configuration() };
    let before = device.card.state().clone();
    for (request, answer) in [
        (ask(Vec::new()), "BF5703810107"),
        (vec![0xBF, 0x57, 0x00], "BF5703810107"),
        (ask(vec![eim.configuration(), eim.configuration()]), "BF5703810102"),
        (
            ask(vec![
                eim.configuration(),
                EimConfigurationData { euicc_ci_pk_id: Some(&[1]), ..other.configuration() },
            ]),
            "BF5703810103",
        ),
    ] {
        assert_eq!(hex::encode_upper(device.es10(&request).data), answer);
        assert_eq!(*device.card.state(), before, "all of them or none");
    }
    let both = ask(vec![eim.configuration(), with_token]);
    assert_eq!(hex::encode_upper(device.es10(&both).data), "BF5707A0050500840101");
    assert_eq!(hex::encode_upper(device.es10(&both).data), "BF5703810102");
    let second = hex::encode_upper(device.call("BF550AA0088006 7365636F6E64"));
    assert!(second.contains("8006 7365636F6E64".replace(' ', "").as_str()) && second.contains("840101"));
    assert!(!second.contains(&hex::encode_upper("eim1")));
    assert_eq!(hex::encode_upper(device.call("BF5506A0048002 7878")), "BF5502A000", "an unknown one");
}

fn a_reset_removes_what_it_names() {
    let (mut device, mut eim, [one, two]) = switching();
    let bits = |bits: &[u32]| {
        let bits = NamedBits(bits.iter().fold(0, |all, bit| all | 1 << bit)).to_content();
        format!("BF64{:02X}82{:02X}{}", bits.len() + 2, bits.len(), hex::encode(bits))
    };
    let reset = |device: &mut Device, named: &[u32]| hex::encode_upper(device.call(&bits(named)));
    assert_eq!(reset(&mut device, &[]), "BF6403800101", "nothing is named");
    let none = [memory_reset::FIELD_LOADED_TEST_PROFILES, memory_reset::PROVISIONING_PROFILES];
    assert_eq!(reset(&mut device, &none), "BF6403800101", "nothing to delete");
    assert_eq!(eim.psmo(&mut device, &[Psmo::SetDefaultDpAddress { address: "a.example" }]), "BF6503800100");
    assert_eq!(reset(&mut device, &[memory_reset::DEFAULT_SMDP_ADDRESS]), "BF6403800100");
    assert_eq!(device.card.state().default_dp_address, None);
    let operations =
        [Psmo::SetFallbackAttribute { iccid: &one }, Psmo::Enable { iccid: &two, rollback: true }];
    assert_eq!(eim.psmo(&mut device, &operations), "8D0100830100");
    let all = [memory_reset::OPERATIONAL_PROFILES, memory_reset::IMMEDIATE_ENABLE_CONFIGURATION];
    assert_eq!(reset(&mut device, &all), "BF6406800100820100");
    assert_eq!(device.hex("00A40004 02 2FE2").status, StatusWord::FILE_NOT_FOUND, "no profile is enabled");
    let state = iot(&device);
    assert_eq!((&state.rollback, &state.fallback_profile), (&None, &Vec::new()));
    assert_eq!(device.card.state().profiles, []);
    assert_eq!(reset(&mut device, &[memory_reset::EIM_CONFIGURATION_DATA]), "BF6403810100");
    assert_eq!(reset(&mut device, &[memory_reset::EIM_CONFIGURATION_DATA]), "BF6403810101");
    eim.counter = 0;
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    assert_eq!(eim.token, Some(2), "tokens are never given again");
}

fn a_card_of_sgp32_says_so() {
    let mut device = Device::iot();
    let octets = device.call("BF2200");
    let info = EuiccInfo2::from_der(&octets).unwrap();
    assert_eq!(info.ipa_mode, Some(0));
    let iot = info.iot_specific_info.unwrap();
    assert_eq!(iot.iot_version.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.2.0"]);
    assert!(iot.ecall_supported && iot.fallback_supported);
    let select = "01A40404 10 A0000005591010FFFFFFFF8900000100";
    assert!(hex::encode_upper(device.hex(select).data).ends_with("E103800100"), "no profile is enabled");
    let one = install(&mut device, 1, &[]);
    enable(&mut device, &one);
    assert!(hex::encode_upper(device.hex(select).data).ends_with("E10480020640"));
    assert_eq!(hex::encode_upper(device.call("BF5F00")), "BF5F03810101", "no connectivity parameters");
    assert_eq!(hex::encode_upper(device.call("BF420480020780")), "BF4203800101", "no IPA in the eUICC");
    assert_eq!(device.es10(&[0xBF, 0x42, 0x00]).status, StatusWord::WRONG_DATA);

    let mut consumer = Device::new();
    assert_eq!(EuiccInfo2::from_der(&consumer.call("BF2200")).unwrap().iot_specific_info, None);
    assert!(!hex::encode_upper(consumer.hex(select).data).contains("E1"));
    for tag in [0x42, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x5B, 0x5C, 0x5D, 0x5E, 0x5F, 0x64, 0x65] {
        assert_eq!(consumer.es10(&[0xBF, tag, 0x00]).status, StatusWord::WRONG_DATA, "BF{tag:02X}");
    }
    assert_eq!(hex::encode_upper(consumer.call("BF2B04A0028200")), "BF2B02A000");
}

fn connectivity_parameters_are_those_of_the_enabled_profile() {
    let parameters = [0xA1, 0x03, 0x35, 0x01, 0x02];
    let (iccid, package) = subscription(1);
    // At the end of the header, where ours has nothing behind it.
    let header = Reader::new(&package, "header").read().unwrap();
    let member = [&[0x87, parameters.len() as u8][..], &parameters].concat();
    let mut changed = Writer::new();
    changed.tlv(header.tag, &[header.value, &member].concat()).raw(&package[header.raw.len()..]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create_iot(&path);
    let server = Server::new(metadata(&iccid.to_bcd()), changed.finish());
    assert_eq!(outcome(&server.download(&mut device)), None);
    assert_eq!(hex::encode_upper(device.call("BF5F00")), "BF5F03810101", "it is not enabled");
    enable(&mut device, &iccid);
    assert_eq!(hex::encode_upper(device.call("BF5F00")), "BF5F09A0078105A103350102");
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(hex::encode_upper(device.call("BF5F00")), "BF5F09A0078105A103350102");
    let mut client = Es10Client::open(device.card).unwrap();
    assert_eq!(client.get_connectivity_parameters().unwrap(), Some(parameters.to_vec()));
}

fn typed_calls_reach_every_function() {
    let mut device = Device::iot();
    let mut eim = Eim::new("eim1");
    let one = install(&mut device, 1, &[]).to_bcd();
    let package = eim.package(&eim.signed(EuiccPackage::Psmo(vec![Psmo::GetRat])));
    // The session that has installed the profile is over.
    device.card.reset();
    let mut client = Es10Client::open(device.card).unwrap();
    let code = |result: Result<(), Es10Error>| match result {
        Err(Es10Error::Function { function, code, name }) => (function, code, name),
        other => panic!("no code: {other:?}"),
    };
    assert_eq!(code(client.activate_ipae()), ("IPAe activation", 1, "notSupported"));
    let immediate = ConfigureImmediateEnable { flag: true, ..ConfigureImmediateEnable::default() };
    client.configure_immediate_profile_enabling(&immediate).unwrap();
    assert_eq!(code(client.immediate_enable()), ("ImmediateEnable", 4, "noSessionContext"));
    let fall_back = client.execute_fallback_mechanism();
    assert_eq!(code(fall_back), ("ExecuteFallbackMechanism", 6, "fallbackNotAvailable"));
    assert_eq!(code(client.return_from_fallback()), ("ReturnFromFallback", 6, "fallbackNotAvailable"));
    let emergency = client.enable_emergency_profile();
    assert_eq!(code(emergency), ("EnableEmergencyProfile", 8, "ecallNotAvailable"));
    let emergency = client.disable_emergency_profile();
    assert_eq!(code(emergency), ("DisableEmergencyProfile", 2, "profileNotInEnabledState"));
    assert_eq!(
        code(client.set_default_dp_address("no address")),
        ("SetDefaultDpAddress", 127, "undefinedError")
    );
    client.set_default_dp_address("smdp.example.com").unwrap();
    assert_eq!(client.get_configured_addresses().unwrap().0.as_deref(), Some("smdp.example.com"));
    let initial = AddInitialEimRequest { eims: vec![eim.configuration()] }.to_der();
    assert_eq!(client.add_initial_eim(&initial).unwrap(), [None]);
    let again = client.add_initial_eim(&initial).map(|_| ());
    assert_eq!(code(again), ("AddInitialEim", 2, "associatedEimAlreadyExists"));
    let again = client.configure_immediate_profile_enabling(&immediate);
    assert_eq!(code(again), ("ConfigureImmediateProfileEnabling", 2, "associatedEimAlreadyExists"));
    let data = client.get_eim_configuration_data(Some("eim1")).unwrap();
    assert_eq!(GetEimConfigurationDataResponse::from_der(&data).unwrap().eims, [eim.configuration()]);
    let data = client.get_eim_configuration_data(Some("eim2")).unwrap();
    assert_eq!(GetEimConfigurationDataResponse::from_der(&data).unwrap().eims, []);
    let certificates = client.get_certs(None).unwrap();
    assert_eq!(certificates.euicc, PKI.euicc.certificate.der());
    assert_eq!(certificates.eum, PKI.eum.certificate.der());
    let ci = PKI.ci.certificate.subject_key_identifier();
    assert_eq!(client.get_certs(ci).unwrap(), certificates);
    assert_eq!(code(client.get_certs(Some(&[1; 20])).map(|_| ())), ("GetCerts", 1, "invalidCiPKId"));
    let rollback = client.profile_rollback().map(|_| ());
    assert_eq!(code(rollback), ("ProfileRollback", 1, "rollbackNotAllowed"));
    let result = client.load_euicc_package(&package).unwrap();
    let results = client.retrieve_euicc_package_results().unwrap();
    assert_eq!(results, [StoredResult { seq_number: 2, der: result }]);
    assert_eq!(client.retrieve_notifications().unwrap().len(), 1);
    let parameters = client.get_connectivity_parameters().map(|_| ());
    assert_eq!(code(parameters), ("GetConnectivityParameters", 1, "parametersNotAvailable"));
    let reset = client.euicc_memory_reset(NamedBits::bit(memory_reset::OPERATIONAL_PROFILES)).unwrap();
    assert_eq!(reset.reset.unwrap().name(), Some("ok"));
    assert_eq!(client.get_profiles_info().unwrap(), []);
    let card = client.close().unwrap();
    assert!(card.state().profile(&one).is_none());
    eim.counter += 1;
}

fn old_results_make_room() {
    let (mut device, mut eim, [_, two]) = switching();
    assert_eq!(eim.psmo(&mut device, &[Psmo::Enable { iccid: &two, rollback: true }]), "830100");
    for _ in 1..MAX_RESULTS {
        assert_eq!(eim.psmo(&mut device, &[]), "");
    }
    assert!(iot(&device).rollback.is_some());
    assert_eq!(eim.psmo(&mut device, &[]), "");
    assert_eq!(iot(&device).results.len(), MAX_RESULTS);
    assert_eq!(iot(&device).rollback, None, "the grant goes with its result");
}
