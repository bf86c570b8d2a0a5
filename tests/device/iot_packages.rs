//! eUICC packages over APDUs: the checks in their order, every operation with every code that the card gives, what is
//! kept, and what a replay gets.

use simyard::device::apdu::StatusWord;
use simyard::device::faults::{Fault, Faults};
use simyard::device::iot_state::{COUNTER_LIMIT, IotState, MAX_ASSOCIATED_EIMS, MAX_OPERATIONS_RUN};
use simyard::ident::Iccid;
use simyard_asn1::Encode;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::card::RollbackCode;
use simyard_asn1::iot::configuration::{EimConfigurationData, EimIdType, EimPublicKey, REQUEST_TOKEN};
use simyard_asn1::iot::package::{
    ConfigureImmediateEnable, Eco, EuiccPackage, EuiccPackageRequest, EuiccPackageSigned, Psmo,
};
use simyard_asn1::iot::result::{
    DeleteEimResult, EnableProfileResult, EuiccPackageErrorCode, EuiccResultData, ProcessingTerminated,
};
use simyard_asn1::rsp::card::{ProfileCriterion, ProfileIdentifier, ProfileInfoListRequest};
use simyard_asn1::rsp::metadata::{StoreMetadataRequest, profile_class};
use simyard_asn1::{Decode, Raw};

use super::eim::{EID, Eim};
use super::world::{Device, Server, described};
use super::{outcome, subscription};

crate::tests!(
    a_package_is_run_and_its_result_kept,
    packages_are_checked_in_the_order_of_the_standard,
    what_cannot_be_read_is_answered_as_far_as_it_can_be,
    signatures_are_taken_in_both_forms,
    profiles_are_switched_and_deleted_by_packages,
    a_package_holds_to_the_rules_of_composition,
    the_first_failure_ends_a_package,
    results_have_a_limit,
    the_card_is_asked_and_configured_by_packages,
    the_fallback_attribute_moves_by_the_rules,
    eims_are_added_by_the_rules,
    eims_are_updated_listed_and_deleted,
    an_old_package_is_no_use_after_a_new_association,
    a_package_is_run_whole_or_not_at_all,
    results_and_associations_survive_a_power_cut,
    a_card_with_faults_answers_as_it_is_told,
);

/// Installs the n-th profile with these members of SGP.32 in its metadata.
pub fn install(device: &mut Device, number: u32, extensions: &[u8]) -> Iccid {
    install_as(device, number, 0, extensions)
}

fn install_as(device: &mut Device, number: u32, rules: u64, extensions: &[u8]) -> Iccid {
    let (iccid, package) = subscription(number);
    let usual = described(&iccid.to_bcd(), profile_class::OPERATIONAL, rules);
    let metadata = StoreMetadataRequest { extensions, ..StoreMetadataRequest::from_der(&usual).unwrap() };
    assert_eq!(outcome(&Server::new(metadata.to_der(), package).download(device)), None);
    iccid
}

/// fallbackAllowed and ecallIndication of metadata.
pub const FALLBACK_ALLOWED: &[u8] = &[0x9F, 0x67, 0x01, 0xFF];
pub const ECALL: &[u8] = &[0x9F, 0x7B, 0x01, 0xFF];

pub fn enabled(device: &Device) -> Option<Vec<u8>> {
    device.card.state().enabled().map(|profile| profile.iccid.clone())
}

pub fn iot(device: &Device) -> &IotState {
    device.card.state().iot.as_ref().unwrap()
}

fn sequence_numbers(device: &Device) -> (Vec<u32>, Vec<u32>) {
    let results = iot(device).results.iter().map(|record| record.seq_number).collect();
    (results, device.card.state().notifications.iter().map(|record| record.seq_number).collect())
}

fn a_package_is_run_and_its_result_kept() {
    let mut device = Device::iot();
    let one = install(&mut device, 1, &[]).to_bcd();
    device.call("BF3003800101");
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    assert_eq!(eim.token, Some(1));
    assert_eq!(eim.psmo(&mut device, &[Psmo::Enable { iccid: &one, rollback: false }]), "830100");
    assert_eq!(enabled(&device), Some(one.to_vec()));
    assert_eq!(device.hex("00A4000C 02 2FE2").status, StatusWord::OK, "the profile has started");
    // The result comes before the notification of the switch, in the numbers that both share.
    assert_eq!(sequence_numbers(&device), (vec![2], vec![3]));
    let kept = device.call("BF2B04A0028200");
    assert_eq!(kept, [&[0xBF, 0x2B, 0x61, 0xA2, 0x5F][..], &iot(&device).results[0].der].concat());
    assert_eq!(device.call("BF2B00")[..2], [0xBF, 0x2B], "notifications are listed by themselves");
    assert_eq!(hex::encode_upper(device.call("BF2B05A003800102")), "BF2B02A000", "2 is no notification");
    assert_eq!(device.call("BF3003800102"), [0xBF, 0x30, 0x03, 0x80, 0x01, 0x00]);
    assert_eq!(device.call("BF3003800102"), [0xBF, 0x30, 0x03, 0x80, 0x01, 0x01], "it is gone");
    assert_eq!(sequence_numbers(&device), (vec![], vec![3]));
    assert_eq!(hex::encode_upper(device.call("BF2B04A0028200")), "BF2B02A200");
    assert_eq!(eim.psmo(&mut device, &[]), "", "nothing to do is done");
}

fn packages_are_checked_in_the_order_of_the_standard() {
    let mut device = Device::iot();
    install(&mut device, 1, ECALL);
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    eim.psmo(&mut device, &[Psmo::GetRat]);
    let right = eim.signed(EuiccPackage::Psmo(vec![Psmo::GetRat]));
    let many = EuiccPackage::Psmo(vec![Psmo::GetRat; MAX_OPERATIONS_RUN + 1]);
    let other_eid = [0x89; 16];
    let replayed = || EuiccPackageSigned { counter_value: eim.counter, ..right.clone() };
    let beyond = EuiccPackageSigned { counter_value: COUNTER_LIMIT + 1, ..right.clone() };

    // 2 and 3: nothing that the card would have to sign for.
    let stranger = Eim { id: "eim2".to_owned(), ..Eim::new("eim1") };
    let unknown = stranger.package(&EuiccPackageSigned { eim_id: "eim2", ..right.clone() });
    assert_eq!(eim.refused(&mut device, &unknown), "BF510CA20A800465696D3282025A01");
    let forged = Eim { id: "eim1".to_owned(), ..Eim::new("another") };
    let wrong_key = forged.package(&EuiccPackageSigned { eid: &other_eid, ..right.clone() });
    assert_eq!(eim.refused(&mut device, &wrong_key), "BF510FA20D800465696D3182025A01840101");
    let wrong_token = Eim { token: None, ..Eim::new("eim1") }.package(&right);
    assert_eq!(eim.refused(&mut device, &wrong_token), "BF510FA20D800465696D3182025A01840101");
    let bare = EuiccPackageSigned { eim_transaction_id: None, ..right.clone() };
    assert_eq!(eim.refused(&mut device, &forged.package(&bare)), "BF510BA209800465696D31840101");

    // 4 before 5 and 6.
    for counter_value in [1, COUNTER_LIMIT + 1, 2] {
        let wrong_eid = EuiccPackageSigned { eid: &other_eid, counter_value, ..right.clone() };
        assert_eq!(eim.refused(&mut device, &eim.package(&wrong_eid)), "invalidEid (3)");
    }
    assert_eq!(eim.refused(&mut device, &eim.package(&beyond)), "counterValueOutOfRange (6)");
    for counter_value in [1, 0, -1] {
        let replayed = EuiccPackageSigned { counter_value, ..right.clone() };
        assert_eq!(eim.refused(&mut device, &eim.package(&replayed)), "replayError (4)");
    }
    // 7 after them.
    device.call("BF5B038001FF");
    assert_eq!(eim.refused(&mut device, &eim.package(&replayed())), "replayError (4)");
    assert_eq!(eim.refused(&mut device, &eim.package(&right)), "ecallActive (104)");
    let long = EuiccPackageSigned { operations: many, ..right.clone() };
    assert_eq!(eim.refused(&mut device, &eim.package(&long)), "ecallActive (104)");
    device.call("BF5C038001FF");
    assert_eq!(eim.refused(&mut device, &eim.package(&long)), "sizeOverflow (15)");

    // A counter may skip numbers, up to the highest.
    eim.counter = COUNTER_LIMIT - 1;
    assert_eq!(eim.psmo(&mut device, &[]), "");
    assert_eq!(eim.signed(EuiccPackage::Psmo(Vec::new())).eid, &EID);
    assert_eq!(iot(&device).eims[0].counter_value, COUNTER_LIMIT);
}

fn what_cannot_be_read_is_answered_as_far_as_it_can_be() {
    let mut device = Device::iot();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    for (request, answer) in [
        // An EID of 15 octets, with and without an eimTransactionId behind it; no operations; no signature.
        (
            "BF511D301B800465696D315A0F0000000000000000000000000000008202AABB",
            "BF510CA20A800465696D318202AABB",
        ),
        ("BF5108300680046569 6D31", "BF5108A206800465696D31"),
        ("BF5104 3002 8000", "BF5104A2028000"),
    ] {
        let request = hex::decode(request.replace(' ', "")).unwrap();
        assert_eq!(eim.refused(&mut device, &request), answer);
    }
    for request in ["BF5100", "BF51023000", "BF5103300181", "BF5104A0028000"] {
        let response = device.es10(&hex::decode(request).unwrap());
        let expected = if request == "BF5104A0028000" { StatusWord::OK } else { StatusWord::WRONG_DATA };
        assert_eq!(response.status, expected, "{request}");
    }
    let mut consumer = Device::new();
    let package = eim.package(&eim.signed(EuiccPackage::Eco(vec![Eco::ListEim])));
    assert_eq!(consumer.es10(&package).status, StatusWord::WRONG_DATA, "not a card of SGP.32");
}

fn signatures_are_taken_in_both_forms() {
    let mut device = Device::iot();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let signed = eim.signed(EuiccPackage::Eco(vec![Eco::ListEim]));
    let package = eim.package(&signed);
    let plain = EuiccPackageRequest::from_der(&package).unwrap().eim_signature;
    let integer = |octets: &[u8]| {
        let octets = &octets[octets.iter().position(|octet| *octet != 0).unwrap()..];
        let sign = if octets[0] & 0x80 == 0 { &[][..] } else { &[0] };
        [&[0x02, (sign.len() + octets.len()) as u8], sign, octets].concat()
    };
    let integers = [integer(&plain[..32]), integer(&plain[32..])].concat();
    let der = [&[0x30, integers.len() as u8], &integers[..]].concat();
    let bytes = signed.to_der();
    let euicc_package_signed = Raw { bytes: &bytes, value: signed };
    let request = EuiccPackageRequest { euicc_package_signed, eim_signature: &der }.to_der();
    assert_eq!(device.es10(&request).data[..2], [0xBF, 0x51]);
    assert_eq!(iot(&device).results.len(), 1);
}

fn profiles_are_switched_and_deleted_by_packages() {
    const PPR1: u64 = 0b010;
    const PPR2: u64 = 0b100;
    let mut device = Device::iot();
    let bound = install_as(&mut device, 1, PPR1 | PPR2, &[]).to_bcd();
    let [two, three] = [2, 3].map(|number| install(&mut device, number, &[]).to_bcd());
    let unknown = [0x98; 10];
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let enable = |iccid| Psmo::Enable { iccid, rollback: false };
    for (operation, result, now) in [
        (enable(&unknown), "830101", None),
        (Psmo::Disable { iccid: &unknown }, "840101", None),
        (Psmo::Delete { iccid: &unknown }, "850101", None),
        (Psmo::Disable { iccid: &two }, "840102", None),
        (Psmo::Enable { iccid: &two, rollback: true }, "830114", None),
        (enable(&two), "830100", Some(two)),
        (enable(&two), "830102", Some(two)),
        (Psmo::Delete { iccid: &two }, "850102", Some(two)),
        (enable(&three), "830100", Some(three)),
        (Psmo::Delete { iccid: &two }, "850100", Some(three)),
        (Psmo::Delete { iccid: &two }, "850101", Some(three)),
        (Psmo::Delete { iccid: &bound }, "850103", Some(three)),
        (Psmo::Disable { iccid: &three }, "840100", None),
        (enable(&bound), "830100", Some(bound)),
        (enable(&three), "830103", Some(bound)),
        (Psmo::Disable { iccid: &bound }, "840103", Some(bound)),
    ] {
        assert_eq!(eim.psmo(&mut device, std::slice::from_ref(&operation)), result, "{operation:?}");
        assert_eq!(enabled(&device), now.map(|iccid| iccid.to_vec()), "{operation:?}");
    }
    // The user has no say any more.
    for request in ["BF3111A00C5A0A{}8101FF", "BF3211A00C5A0A{}8101FF", "BF330C5A0A{}", "BF290F5A0A{}900141"]
    {
        let request = request.replace("{}", &hex::encode(three));
        let response = device.es10(&hex::decode(request).unwrap());
        assert_eq!(response.status, StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    assert_eq!(device.es10(&[0xBF, 0x34, 0x04, 0x82, 0x02, 0x05, 0xE0]).status, StatusWord(0x6985));
    // A test profile gives only the displaced one back: a code that SGP.32 does not have.
    let mut device = Device::iot();
    let one = install(&mut device, 1, &[]).to_bcd();
    let two = install(&mut device, 2, &[]).to_bcd();
    let (test, package) = subscription(3);
    let metadata = described(&test.to_bcd(), profile_class::TEST, 0);
    assert_eq!(outcome(&Server::new(metadata, package).download(&mut device)), None);
    eim.counter = 0;
    eim.associate(&mut device, None);
    let test = test.to_bcd();
    assert_eq!(eim.psmo(&mut device, &[enable(&one)]), "830100");
    assert_eq!(eim.psmo(&mut device, &[enable(&test)]), "830100");
    assert_eq!(eim.psmo(&mut device, &[enable(&two)]), "83017F");
    assert_eq!(enabled(&device), Some(test.to_vec()));
}

fn a_package_holds_to_the_rules_of_composition() {
    let mut device = Device::iot();
    let [one, two] = [1, 2].map(|number| install(&mut device, number, &[]).to_bcd());
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let enable = |iccid| Psmo::Enable { iccid, rollback: false };
    let disable = |iccid| Psmo::Disable { iccid };
    let delete = |iccid| Psmo::Delete { iccid };
    let list = || Psmo::ListProfileInfo(ProfileInfoListRequest { criterion: None, tag_list: Some(&[0x5A]) });
    let listed = |iccids: &[[u8; 10]]| {
        let entries: String =
            iccids.iter().map(|iccid| format!("E30C5A0A{}", hex::encode_upper(iccid))).collect();
        format!("BF2D{:02X}A0{:02X}{entries}", entries.len() / 2 + 2, entries.len() / 2)
    };
    for (operations, results) in [
        (vec![enable(&one), enable(&two)], "83010083017F".to_owned()),
        (vec![disable(&one), enable(&two)], "840100830100".to_owned()),
        (vec![enable(&one), disable(&one)], "83010084017F".to_owned()),
        (vec![disable(&one), disable(&one)], "84010084017F".to_owned()),
        (vec![enable(&one), list()], "830100BF2D0381010B".to_owned()),
        (vec![disable(&one), list()], "840100BF2D0381010B".to_owned()),
        (vec![list(), enable(&one), delete(&two)], format!("{}830100850100", listed(&[one, two]))),
        (vec![disable(&one), delete(&one), list()], "840100850100BF2D0381010B".to_owned()),
        (vec![list()], "BF2D02A000".to_owned()),
    ] {
        assert_eq!(eim.psmo(&mut device, &operations), results, "{operations:?}");
    }
}

fn the_first_failure_ends_a_package() {
    let mut device = Device::iot();
    let one = install(&mut device, 1, &[]).to_bcd();
    let unknown = [0x98; 10];
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let enable = |iccid| Psmo::Enable { iccid, rollback: false };
    let rest = [Psmo::SetDefaultDpAddress { address: "never.example.com" }];
    let with = |first: &[Psmo<'static>]| [first, &rest].concat();
    assert_eq!(eim.psmo(&mut device, &[enable(&unknown), rest[0].clone()]), "830101");
    // What has no code of its own: a tag that is unknown, an operation without its ICCID, an integer.
    for unknown in [&[0xAC, 0x00][..], &[0xA3, 0x00], &[0x02, 0x01, 0x00]] {
        assert_eq!(eim.psmo(&mut device, &with(&[Psmo::Unknown(unknown)])), "020102");
        assert_eq!(eim.eco(&mut device, &[Eco::Unknown(unknown), Eco::ListEim]), "020102");
    }
    assert_eq!(eim.psmo(&mut device, &[enable(&one), Psmo::Unknown(&[0xAC, 0x00])]), "830100020102");
    assert_eq!(enabled(&device), Some(one.to_vec()), "what came before has happened");
    assert_eq!(device.card.state().default_dp_address, None, "what came behind has not");
    assert_eq!(eim.eco(&mut device, &[Eco::DeleteEim { eim_id: "eim9" }, Eco::ListEim]), "890101");
}

fn results_have_a_limit() {
    let mut device = Device::iot();
    for number in 1..=6 {
        install(&mut device, number, &[]);
    }
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let list = Psmo::ListProfileInfo(ProfileInfoListRequest::default());
    let one = eim.psmo(&mut device, std::slice::from_ref(&list)).len() / 2;
    let results = eim.psmo(&mut device, &vec![list; MAX_OPERATIONS_RUN]);
    assert!(results.ends_with("020101"), "{results}");
    let fitted = (results.len() / 2 - 3) / one;
    assert_eq!(results.len() / 2, fitted * one + 3);
    assert!(fitted < MAX_OPERATIONS_RUN && fitted * one <= 4096 && (fitted + 1) * one > 4096);
}

fn the_card_is_asked_and_configured_by_packages() {
    let mut device = Device::iot();
    let one = install(&mut device, 1, FALLBACK_ALLOWED).to_bcd();
    install(&mut device, 2, ECALL);
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let list = |criterion, tag_list| Psmo::ListProfileInfo(ProfileInfoListRequest { criterion, tag_list });
    let of_one = Some(ProfileCriterion::Identifier(ProfileIdentifier::Iccid(&one)));
    let iccid = hex::encode_upper(one);
    let aid = "A0000005591010FFFFFFFF8900001000";
    assert_eq!(
        eim.psmo(&mut device, &[list(of_one, None)]),
        format!(
            "BF2D48A046E3445A0A{iccid}4F10{aid}9F70010091084F70657261746F72920750726F66696C65950102\
             9F7B01009F2601009F6701FF"
        )
        .replace(' ', "")
    );
    let ecalls = list(None, Some(&[0x9F, 0x7B]));
    assert_eq!(eim.psmo(&mut device, &[ecalls]), "BF2D0EA00CE3049F7B0100E3049F7B01FF");
    assert_eq!(eim.psmo(&mut device, &[list(Some(ProfileCriterion::Class(0)), None)]), "BF2D02A000");
    assert_eq!(eim.psmo(&mut device, &[list(None, Some(&[0x5A, 0x9F]))]), "BF2D03810101", "half a tag");
    assert_eq!(eim.psmo(&mut device, &[Psmo::GetRat]), "A617301580020560A10B30098003EEEEEE8100820082020780");
    for (address, result, now) in [
        ("smdp.example.org", "BF6503800100", Some("smdp.example.org")),
        ("not an address", "BF650380017F", Some("smdp.example.org")),
        ("", "BF6503800100", None),
    ] {
        assert_eq!(eim.psmo(&mut device, &[Psmo::SetDefaultDpAddress { address }]), result);
        assert_eq!(device.card.state().default_dp_address.as_deref(), now);
    }
    let configure = |flag, default_smdp_address| {
        Psmo::ConfigureImmediateEnable(ConfigureImmediateEnable {
            flag,
            default_smdp_oid: None,
            default_smdp_address,
        })
    };
    for (operation, result, on) in [
        (configure(true, Some("smdp.example.org")), "870100", true),
        (configure(true, Some("not an address")), "870107", true),
        (configure(false, None), "870100", false),
    ] {
        assert_eq!(eim.psmo(&mut device, &[operation]), result);
        assert_eq!(iot(&device).immediate_enable.is_some(), on);
    }
}

fn the_fallback_attribute_moves_by_the_rules() {
    let mut device = Device::iot();
    let [one, two] = [1, 2].map(|number| install(&mut device, number, FALLBACK_ALLOWED).to_bcd());
    let three = install(&mut device, 3, &[]).to_bcd();
    let unknown = [0x98; 10];
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let enable = |iccid| Psmo::Enable { iccid, rollback: false };
    let set = |iccid| Psmo::SetFallbackAttribute { iccid };
    for (operation, result) in [
        (Psmo::UnsetFallbackAttribute, "8E0102"),
        (set(&unknown), "8D0101"),
        (set(&three), "8D0102"),
        (set(&one), "8D0100"),
        (set(&two), "8D0100"),
        (Psmo::Delete { iccid: &two }, "850103"),
        (enable(&two), "830100"),
        (Psmo::UnsetFallbackAttribute, "8E0103"),
        (set(&one), "8D0103"),
        (enable(&three), "830100"),
        (Psmo::UnsetFallbackAttribute, "8E0100"),
        (Psmo::Delete { iccid: &two }, "850100"),
    ] {
        assert_eq!(eim.psmo(&mut device, std::slice::from_ref(&operation)), result, "{operation:?}");
    }
}

fn eims_are_added_by_the_rules() {
    let mut device = Device::iot();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let other = Eim::new("other");
    let usual = other.configuration();
    let add = |eim: EimConfigurationData<'static>| Eco::AddEim(Box::new(eim));
    let own = |eim: &EimConfigurationData<'_>| {
        // The operations of a table outlive what they are made from.
        add(EimConfigurationData::from_der(Box::leak(eim.to_der().into_boxed_slice())).unwrap())
    };
    let bad_key = [0x30, 0x03, 0x02, 0x01, 0x00];
    let no_key = EimPublicKey::Spki(Implicit::from_der(&bad_key).unwrap());
    for (changed, result) in [
        (EimConfigurationData { counter_value: None, ..usual.clone() }, "A803020107"),
        (EimConfigurationData { eim_public_key_data: None, ..usual.clone() }, "A803020107"),
        (EimConfigurationData { eim_public_key_data: Some(no_key), ..usual.clone() }, "A803020107"),
        (EimConfigurationData { eim_id: "", ..usual.clone() }, "A803020107"),
        (EimConfigurationData { eim_id: "eim1", ..usual.clone() }, "A803020102"),
        (EimConfigurationData { euicc_ci_pk_id: Some(&[1; 20]), ..usual.clone() }, "A803020103"),
        (EimConfigurationData { association_token: Some(1), ..usual.clone() }, "A803020105"),
        (EimConfigurationData { counter_value: Some(COUNTER_LIMIT + 1), ..usual.clone() }, "A803020106"),
        (EimConfigurationData { counter_value: Some(-1), ..usual.clone() }, "A803020106"),
        (EimConfigurationData { association_token: Some(REQUEST_TOKEN), ..usual.clone() }, "A803840101"),
        (EimConfigurationData { eim_id: "third", ..usual.clone() }, "A803020100"),
    ] {
        assert_eq!(eim.eco(&mut device, &[own(&changed)]), result, "{changed:?}");
    }
    for number in iot(&device).eims.len()..MAX_ASSOCIATED_EIMS {
        let id = format!("more-{number}");
        assert_eq!(
            eim.eco(&mut device, &[own(&EimConfigurationData { eim_id: &id, ..usual.clone() })]),
            "A803020100"
        );
    }
    let full = EimConfigurationData { eim_id: "last", ..usual.clone() };
    assert_eq!(eim.eco(&mut device, &[own(&full)]), "A803020101");
    // The added one can speak for itself, under its token.
    let mut other = Eim { token: Some(1), ..other };
    assert_eq!(other.psmo(&mut device, &[]), "");
}

fn eims_are_updated_listed_and_deleted() {
    let mut device = Device::iot();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let next = Eim::new("the next key");
    let key = Some(EimPublicKey::Spki(Implicit::from_der(&next.spki).unwrap()));
    let nothing = || EimConfigurationData { eim_id: "eim1", ..EimConfigurationData::default() };
    let update = |eim| Eco::UpdateEim(Box::new(eim));
    for (changed, result) in [
        (EimConfigurationData { eim_id: "eim2", ..nothing() }, "8A0101"),
        (EimConfigurationData { euicc_ci_pk_id: Some(&[1; 20]), ..nothing() }, "8A0103"),
        (EimConfigurationData { counter_value: Some(COUNTER_LIMIT + 1), ..nothing() }, "8A0106"),
        (EimConfigurationData { association_token: Some(REQUEST_TOKEN), ..nothing() }, "8A0107"),
        (EimConfigurationData { eim_id_type: Some(EimIdType::Fqdn), ..nothing() }, "8A0100"),
        (EimConfigurationData { eim_fqdn: Some("eim.example.com"), ..nothing() }, "8A0100"),
    ] {
        assert_eq!(eim.eco(&mut device, &[update(changed.clone())]), result, "{changed:?}");
    }
    assert_eq!(eim.eco(&mut device, &[Eco::ListEim]), "AB0DA00B3009800465696D31820102");
    // A new key with a counter of its own: the result of the package still answers the old one.
    let rotate = EimConfigurationData { eim_public_key_data: key, counter_value: Some(100), ..nothing() };
    let old = eim.package(&eim.signed(EuiccPackage::Eco(vec![Eco::ListEim])));
    assert_eq!(eim.eco(&mut device, &[update(rotate)]), "8A0100");
    assert_eq!(eim.refused(&mut device, &old), "BF510CA20A800465696D3182025A01", "the old key is gone");
    let mut rotated = Eim { id: "eim1".to_owned(), counter: 100, ..next };
    assert_eq!(rotated.eco(&mut device, &[Eco::ListEim]), "AB0DA00B3009800465696D31820102");
    let told = hex::encode_upper(device.call("BF5500"));
    assert!(told.contains(&hex::encode_upper("eim.example.com")) && told.contains("830165"), "{told}");

    let second = Eim::new("second");
    let add = || Eco::AddEim(Box::new(second.configuration()));
    assert_eq!(rotated.eco(&mut device, &[add(), Eco::DeleteEim { eim_id: "second" }]), "A803020100890100");
    assert_eq!(rotated.eco(&mut device, &[Eco::DeleteEim { eim_id: "second" }]), "890101");
    // The last one may go and another come in one package; by itself it leaves the card to the next.
    assert_eq!(rotated.eco(&mut device, &[Eco::DeleteEim { eim_id: "eim1" }]), "890102");
    assert_eq!(hex::encode_upper(device.call("BF5500")), "BF5502A000");
    assert_eq!(iot(&device).results.len(), 12, "its results wait all the same");
}

fn an_old_package_is_no_use_after_a_new_association() {
    let mut device = Device::iot();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    let old = eim.package(&EuiccPackageSigned {
        counter_value: 5,
        ..eim.signed(EuiccPackage::Eco(vec![Eco::ListEim]))
    });
    assert_eq!(eim.eco(&mut device, &[Eco::DeleteEim { eim_id: "eim1" }]), "890102");
    eim.counter = 0;
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    assert_eq!(eim.token, Some(2), "tokens rise");
    assert_eq!(eim.refused(&mut device, &old), "BF510FA20D800465696D3182025A01840102");
    assert_eq!(eim.eco(&mut device, &[Eco::ListEim]), "AB0AA0083006800465696D31");
}

fn a_package_is_run_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create_iot(&path);
    let [one, two] = [1, 2].map(|number| install(&mut device, number, &[]).to_bcd());
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let operations = [Psmo::Enable { iccid: &one, rollback: false }, Psmo::Delete { iccid: &two }];
    let before = device.card.state().clone();
    // A folder stands where the new state would be written.
    std::fs::create_dir(path.join("card.json.new")).unwrap();
    let package = eim.package(&eim.signed(EuiccPackage::Psmo(operations.to_vec())));
    assert_eq!(device.es10(&package).status, StatusWord::MEMORY_PROBLEM);
    assert_eq!(*device.card.state(), before);
    std::fs::remove_dir(path.join("card.json.new")).unwrap();
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(*device.card.state(), before);
    assert_eq!(eim.psmo(&mut device, &operations), "830100850100", "the same package may come again");
    assert_eq!(eim.refused(&mut device, &package), "replayError (4)");
    assert!(!path.join(format!("profiles/{}.json", hex::encode_upper(two))).exists());
}

fn results_and_associations_survive_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    let mut device = Device::create_iot(&path);
    let one = install(&mut device, 1, FALLBACK_ALLOWED).to_bcd();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, Some(REQUEST_TOKEN));
    let immediate = ConfigureImmediateEnable { flag: true, ..ConfigureImmediateEnable::default() };
    let operations = [
        Psmo::Enable { iccid: &one, rollback: false },
        Psmo::SetFallbackAttribute { iccid: &one },
        Psmo::ConfigureImmediateEnable(immediate),
    ];
    assert_eq!(eim.psmo(&mut device, &operations), "8301008D0100870100");
    let before = device.card.state().clone();
    let results = device.call("BF2B04A0028200");
    drop(device);
    let mut device = Device::open(&path);
    assert_eq!(*device.card.state(), before);
    assert_eq!(device.call("BF2B04A0028200"), results);
    assert_eq!(device.hex("00A4000C 02 2FE2").status, StatusWord::OK);
    let again = eim.package(&EuiccPackageSigned {
        counter_value: eim.counter,
        ..eim.signed(EuiccPackage::Psmo(operations.to_vec()))
    });
    assert_eq!(eim.refused(&mut device, &again), "replayError (4)");
    // A folder of before SGP.32 is one of SGP.22.
    let state = std::fs::read_to_string(path.join("card.json")).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    state.as_object_mut().unwrap().remove("iot");
    drop(device);
    std::fs::write(path.join("card.json"), state.to_string()).unwrap();
    assert_eq!(Device::open(&path).card.state().iot, None);
}

fn a_card_with_faults_answers_as_it_is_told() {
    let mut device = Device::iot();
    let one = install(&mut device, 1, &[]).to_bcd();
    let two = install(&mut device, 2, &[]).to_bcd();
    let mut eim = Eim::new("eim1");
    eim.associate(&mut device, None);
    let faults = Faults::default();
    device.card = device.card.with_faults(faults.clone());
    let enable = |iccid, rollback| Psmo::Enable { iccid, rollback };
    let list = Psmo::ListProfileInfo(ProfileInfoListRequest::default());
    faults.add(Fault::Operation(EuiccResultData::Enable(EnableProfileResult::CatBusy)));
    faults.add(Fault::Operation(EuiccResultData::DeleteEim(DeleteEimResult::CommandError)));
    faults.add(Fault::Package(EuiccPackageErrorCode::UndefinedError));
    faults.add(Fault::Rollback(RollbackCode::CatBusy));
    // Each waits for what it answers; what is answered so is not done.
    let package = eim.package(&eim.signed(EuiccPackage::Psmo(vec![enable(&one, false)])));
    assert_eq!(eim.refused(&mut device, &package), "undefinedError (127)");
    assert_eq!(eim.psmo(&mut device, &[Psmo::GetRat, enable(&one, false), list.clone()])[50..], *"830105");
    assert_eq!(enabled(&device), None);
    assert_eq!(eim.eco(&mut device, &[Eco::DeleteEim { eim_id: "eim1" }]), "890107");
    assert_eq!(eim.psmo(&mut device, &[enable(&one, false)]), "830100");
    assert_eq!(eim.psmo(&mut device, &[enable(&two, true)]), "830100");
    assert_eq!(hex::encode_upper(device.call("BF58038001FF")), "BF5803020105");
    assert!(faults.is_empty());
    assert_eq!(device.call("BF58038001FF")[3..6], [0x02, 0x01, 0x00], "the grant stands");
    // What ends a package fits every operation.
    let interrupted = EuiccResultData::ProcessingTerminated(ProcessingTerminated::Interruption);
    faults.add(Fault::Operation(interrupted));
    assert_eq!(eim.psmo(&mut device, &[list, enable(&two, false)]), "020103");
    assert_eq!((enabled(&device), faults.len()), (Some(one.to_vec()), 0));
}
