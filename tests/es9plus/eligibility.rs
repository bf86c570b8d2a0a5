//! The eligibility check of AuthenticateClient (SGP.22 3.1.3, annex F; SGP.23 4.3.14 error #15): each rule by what the
//! eUICC and the LPA send, the pair that is answered, and what becomes of the order.

use simyard::domain::Mode;
use simyard::ident::Iccid;
use simyard::inventory::IngestError;
use simyard_asn1::Tag;
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::info::EuiccInfo2;
use simyard_asn1::tlv::NamedBits;

use crate::harness::vectors;
use crate::server::euicc::{Signed1, info2_with, otpk, tlv};
use crate::server::{Euicc, OrderOptions, Ordered, TestServer};

crate::tests!(
    each_rule_has_its_pair_and_ends_the_order,
    an_order_may_be_kept_for_an_euicc_that_fits,
    what_an_operator_demands_is_asked_of_euicc_and_device,
    a_retry_is_judged_too,
    a_ready_made_package_is_judged_by_what_it_needs_itself,
    outside_test_mode_no_test_profile_comes_in_or_leaves,
);

const KEPT: &str = r#"
[[profile_type]]
name = "kept"
owner = "acme"
not_eligible = "keep_released"
[[profile_type]]
name = "demanding"
owner = "acme"
radio = ["eutran-epc", "nr-5gc"]
denied_tacs = ["11111111"]
denied_pp_versions = ["255.255.255"]
[[profile_type]]
name = "ready-made"
owner = "acme"
template = "none"
"#;

/// AuthenticateClient with this EUICCInfo2 and these DeviceCapabilities.
fn attempt(server: &TestServer, euicc: &Euicc, order: &Ordered, change: impl FnOnce(&mut Signed1)) -> String {
    let initiated = server.initiate(euicc);
    let mut signed1 = euicc.signed1(&initiated, Some(&order.matching_id));
    change(&mut signed1);
    let response = euicc.authentication(&signed1).to_der();
    match server.authenticate_with(&initiated.transaction_id, &response) {
        Ok(_) => "accepted".to_owned(),
        Err(pair) => pair,
    }
}

fn order(server: &TestServer, profile_type: &str) -> Ordered {
    server.order(OrderOptions { profile_type: Some(profile_type), ..OrderOptions::default() })
}

fn attempts(server: &TestServer, iccid: &Iccid) -> u32 {
    server.stored(iccid).attempts().download
}

/// What an eUICC says that cannot have the generic profile, or the test profile.
type Info = fn(&mut EuiccInfo2<'_>);

/// Error #15 and its siblings. The rule that the profile itself sets a policy rule for is told by the unit tests of the
/// rules: no setting makes such a profile.
fn each_rule_has_its_pair_and_ends_the_order() {
    let server = TestServer::start();
    server.ingest("acme", "test", 1);
    let euicc = Euicc::new(0);
    let rules: [(&str, &str, Info, &str, &str); 7] = [
        ("svn", "iot", |info| info.svn = Some(Version([3, 0, 0])), "8.2.5/4.3", "Svn"),
        (
            "profileVersion",
            "iot",
            |info| info.profile_version = Some(Version([2, 0, 0])),
            "8.2.5/4.3",
            "PackageVersion",
        ),
        (
            "uiccCapability",
            "iot",
            |info| info.uicc_capability = NamedBits(1 << 1),
            "8.2.5/4.3",
            "UiccCapability",
        ),
        ("testProfileSupport", "test", |info| info.rsp_capability = NamedBits(1), "8.2.5/4.3", "TestProfile"),
        (
            "additionalProfile",
            "iot",
            |info| info.rsp_capability = NamedBits(1 << 3),
            "8.1/4.8",
            "AdditionalProfile",
        ),
        (
            "extCardResource",
            "iot",
            |info| info.ext_card_resource = &[0x81, 1, 3, 0x82, 2, 0x01, 0x00, 0x83, 1, 0],
            "8.1/4.8",
            "Memory",
        ),
        ("no memory at all", "iot", |info| info.ext_card_resource = &[0x82, 1, 0], "8.1/4.8", "Memory"),
    ];
    for (what, profile_type, change, pair, rule) in rules {
        let order = order(&server, profile_type);
        let refused = attempt(&server, &euicc, &order, |signed1| signed1.info2 = info2_with(change));
        assert_eq!(refused, pair, "{what}");
        assert_eq!(server.state(&order.iccid), format!("Error NotEligible({rule})"), "{what}");
        assert_eq!(attempts(&server, &order.iccid), 1, "{what}: the attempt counts");
        // The order is over, for an eUICC that fits too.
        assert_eq!(attempt(&server, &euicc, &order, |_| {}), "8.2.6/3.8", "{what}");
    }
    // What says nothing, or cannot be read, refuses nobody.
    let silent: [(&str, Info); 4] = [
        ("extCardResource that is none", |info| info.ext_card_resource = &[1, 2, 3]),
        ("no uiccCapability", |info| info.uicc_capability = NamedBits(0)),
        ("no rspCapability", |info| info.rsp_capability = NamedBits(0)),
        ("an odd profileVersion", |info| info.profile_version = Some(Version([0, 0, 1]))),
    ];
    server.ingest("acme", "iot", 4);
    for (what, change) in silent {
        let order = order(&server, "iot");
        let answer = attempt(&server, &euicc, &order, |signed1| signed1.info2 = info2_with(change));
        assert_eq!(answer, "accepted", "{what}");
    }
}

fn an_order_may_be_kept_for_an_euicc_that_fits() {
    let server = TestServer::with(&format!("{KEPT}[limits]\ndownload_attempts = 3\n"), None);
    server.ingest("acme", "kept", 1);
    let euicc = Euicc::new(0);
    let order = order(&server, "kept");
    let full = |signed1: &mut Signed1| {
        signed1.info2 = info2_with(|info| info.ext_card_resource = &[0x82, 1, 9]);
    };
    for attempt_number in 1..=2 {
        assert_eq!(attempt(&server, &euicc, &order, full), "8.1/4.8");
        assert_eq!(server.state(&order.iccid), "Released");
        assert_eq!(attempts(&server, &order.iccid), attempt_number);
    }
    assert_eq!(attempt(&server, &Euicc::new(1), &order, |_| {}), "accepted");
    // The attempts that nobody could use count as any other.
    assert_eq!(attempt(&server, &euicc, &order, full), "8.8.5/6.4");
    assert_eq!(server.state(&order.iccid), "Error DownloadAttempts");
}

fn what_an_operator_demands_is_asked_of_euicc_and_device() {
    let server = TestServer::with(KEPT, None);
    server.ingest("acme", "demanding", 5);
    let euicc = Euicc::new(0);
    let lte = tlv(Tag(0x85), &[12, 0, 0]);
    let able = |signed1: &mut Signed1| signed1.device_capabilities.clone_from(&lte);
    let first = order(&server, "demanding");
    assert_eq!(attempt(&server, &euicc, &first, able), "accepted");
    type Change<'a> = &'a dyn Fn(&mut Signed1);
    let changes: [(&str, Change<'_>, &str); 4] = [
        ("no radio access at all", &|signed1| signed1.device_capabilities.clear(), "Radio"),
        ("only others", &|signed1| signed1.device_capabilities = tlv(Tag(0x80), &[9, 0, 0]), "Radio"),
        ("a denied TAC", &|signed1| signed1.tac = vec![0x11; 4], "Device"),
        (
            "a denied ppVersion",
            &|signed1| signed1.info2 = info2_with(|info| info.pp_version = Some(Version([255; 3]))),
            "PpVersion",
        ),
    ];
    for (what, change, rule) in changes {
        let order = order(&server, "demanding");
        let refused = attempt(&server, &euicc, &order, |signed1| {
            able(signed1);
            change(signed1);
        });
        assert_eq!(refused, "8.2.5/4.3", "{what}");
        assert_eq!(server.state(&order.iccid), format!("Error NotEligible({rule})"), "{what}");
    }
}

fn a_retry_is_judged_too() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = order(&server, "iot");
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    let full = |signed1: &mut Signed1| {
        signed1.info2 = info2_with(|info| info.ext_card_resource = &[0x82, 1, 9]);
    };
    assert_eq!(attempt(&server, &euicc, &order, full), "8.1/4.8");
    assert_eq!(server.state(&order.iccid), "Error NotEligible(Memory)");
    let binding = server.smdp().store.clone();
    let (_, binding) = server.wait(binding.latest_download(&order.iccid)).unwrap().unwrap();
    assert!(binding.sealed_session_keys.is_none(), "its keys are of no more use");
    // The eUICC has the last word: it installed the profile all the same.
    let id = crate::server::euicc::octets(&offer.transaction_id);
    assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 1, None)), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
}

fn a_ready_made_package_is_judged_by_what_it_needs_itself() {
    let Some(folder) = vectors("eligibility for ready-made packages") else { return };
    let server = TestServer::with(KEPT, None);
    let package = std::fs::read(folder.join("ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der")).unwrap();
    let receipt = server.ingest_package(&package, "acme", "ready-made").unwrap();
    let order = server.order(OrderOptions { iccid: receipt.first_iccid.as_ref(), ..OrderOptions::default() });
    let euicc = Euicc::new(0);
    let stored = server.smdp().store.clone();
    let needs = server.wait(stored.package(&order.iccid)).unwrap().unwrap().needs.unwrap();
    assert_eq!(needs.version, (2, 3));
    assert!((5_000..100_000).contains(&needs.non_volatile_octets), "{needs:?}");
    // ber-tlv: bit 19.
    let without = |signed1: &mut Signed1| {
        signed1.info2 = info2_with(|info| info.uicc_capability.0 &= !(1 << 19));
    };
    assert_eq!(attempt(&server, &euicc, &order, without), "8.2.5/4.3");
    assert_eq!(server.state(&order.iccid), "Error NotEligible(UiccCapability)");
}

/// 2.4.5.3: known by the test algorithm or a published K, not by the ICCID; what came in before is kept from leaving.
fn outside_test_mode_no_test_profile_comes_in_or_leaves() {
    const HEAD: &str = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n";
    const CODES: &str = "1234,12345678,5678,87654321,11223344\n";
    // Test set 1 of TS 35.208.
    const KEYS: &str = "465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf";
    let mut server = TestServer::with(KEPT, None);
    let file = |number: u32| {
        format!("{HEAD}{},90140599{number:07},{KEYS},{CODES}", crate::server::iccid(900 + number))
    };
    let published = server.ingest_file(file(1).as_bytes(), "acme", "iot").unwrap().first_iccid.unwrap();
    let package = vectors("test profiles of TS.48 in production")
        .map(|folder| std::fs::read(folder.join("ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der")).unwrap());
    let ready_made = package
        .as_ref()
        .map(|package| server.ingest_package(package, "acme", "ready-made").unwrap().first_iccid.unwrap());

    server.restart_in(Mode::Production);
    let refused = server.ingest_file(file(2).as_bytes(), "acme", "iot").unwrap_err();
    assert!(matches!(refused, IngestError::Refused(_)), "{refused}");
    if let Some(package) = &package {
        let refused = server.ingest_package(package, "acme", "ready-made").unwrap_err();
        let IngestError::Refused(receipt) = refused else { panic!("{refused}") };
        assert!(receipt.refusals[0].reason.contains("a test profile"), "{receipt:?}");
    }
    let euicc = Euicc::new(0);
    for iccid in [Some(published), ready_made].into_iter().flatten() {
        let order = server.order(OrderOptions { iccid: Some(&iccid), ..OrderOptions::default() });
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "1.6/4.2");
        assert_eq!(server.state(&iccid), "Released");
        let store = server.smdp().store.clone();
        let told = server.wait(store.failures(&iccid, &iccid)).unwrap().pop().unwrap();
        assert!(told.detail.contains("it is a test profile"), "{}", told.detail);
        assert_eq!(server.errors().len(), 1, "a fault of ours is logged");
    }
    // All others leave.
    let order = order(&server, "iot");
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
}
