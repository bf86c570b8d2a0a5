//! The virtual eUICC, its LPA and the ways to it: APDUs in, APDUs out.

#[path = "device/eim.rs"]
mod eim;
#[path = "device/iot_functions.rs"]
pub mod iot_functions;
#[path = "device/iot_packages.rs"]
pub mod iot_packages;
#[path = "device/ipa.rs"]
pub mod ipa;
#[path = "device/ipa_alone.rs"]
pub mod ipa_alone;
#[path = "device/ipa_listens.rs"]
pub mod ipa_listens;
#[path = "device/lpa.rs"]
pub mod lpa;
#[path = "device/management.rs"]
pub mod management;
#[path = "device/refusals.rs"]
pub mod refusals;
#[path = "device/usim.rs"]
pub mod usim;
#[path = "device/vpcd.rs"]
pub mod vpcd;
#[path = "device/world.rs"]
mod world;

use simyard::env::Rng;
use simyard::ident::{Iccid, Imsi};
use simyard::profile::personal_data::{Code, Codes, KeySet, OtaKeySet, PersonalData, Secret, Subscription};
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult};

use world::{Device, PKI, Server, metadata};

crate::tests!(a_profile_is_downloaded_and_reported,);

const KI: [u8; 16] = [0x46; 16];
const OPC: [u8; 16] = [0xCD; 16];

/// Our own profile with the n-th number.
fn subscription(number: u32) -> (Iccid, Vec<u8>) {
    let iccid = Iccid::parse(&format!("89882110000{number:08}")).unwrap();
    let imsi = Imsi::parse(&format!("0010100000{number:05}")).unwrap();
    let [pin1, pin2] = ["1234", "5678"].map(|digits| Code::pin(digits).unwrap());
    let [puk1, puk2] = ["12345678", "87654321"].map(|digits| Code::puk(digits).unwrap());
    let data = PersonalData {
        iccid: iccid.clone(),
        home: Subscription::new(imsi),
        keys: KeySet::milenage(&Secret::new(KI), &Secret::new(OPC)),
        further: Vec::new(),
        codes: Codes::of(pin1, puk1, pin2, puk2, Code::adm("11112222").unwrap()),
        ota: vec![OtaKeySet::random(&Rng::seeded(u64::from(number)))],
    };
    (iccid, crate::profile::ours().personalise(&data).unwrap().to_vec())
}

fn server(number: u32) -> (Iccid, Server) {
    let (iccid, package) = subscription(number);
    let metadata = metadata(&iccid.to_bcd());
    (iccid, Server::new(metadata, package))
}

/// bppCommandId and errorReason of a report, or nothing for success. Its signature is verified.
fn outcome(report: &[u8]) -> Option<(u32, u32)> {
    let report = ProfileInstallationResult::from_der(report).unwrap();
    PKI.euicc.certificate.public_key().unwrap().verify(report.data.bytes, report.signature).unwrap();
    match report.data.value.final_result {
        FinalResult::Success { .. } => None,
        FinalResult::Error { bpp_command_id, error_reason, .. } => Some((bpp_command_id, error_reason)),
    }
}

/// Enables a profile over ES10.
fn enable(device: &mut Device, iccid: &Iccid) {
    let request = format!("BF3111 A00C 5A0A{} 8101FF", hex::encode(iccid.to_bcd()));
    assert_eq!(device.call(&request), [0xBF, 0x31, 0x03, 0x80, 0x01, 0x00]);
}

fn a_profile_is_downloaded_and_reported() {
    for block in [120, 254, 255] {
        let mut device = Device::new();
        device.block = block;
        let (iccid, server) = server(1);
        assert_eq!(outcome(&server.download(&mut device)), None);
        let state = device.card.state();
        assert_eq!(state.profiles[0].iccid, iccid.to_bcd());
        assert_eq!(state.notifications.len(), 1);
    }
}
