//! What an IPA does of its own accord: emergency calls, the network that it tells of, and by what it knows its eIM.

use simyard::binding::MessageBinding;
use simyard::device::es10_client::Es10Client;
use simyard::device::ipa::{DownloadWay, Executed, IpaError, Polled, TlsTrust, tls_trust};
use simyard::ident::ServerAddress;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{AddInitialEimRequest, EimConfigurationData, EimPublicKey};
use simyard_asn1::iot::data::{IpaEuiccDataRequest, IpaEuiccDataResponse, requested};
use simyard_asn1::iot::esipa::{EimPackage, EimPackageResult, EsipaRequest, StateChangeCause};
use simyard_asn1::iot::package::Psmo;
use simyard_asn1::iot::result::{EuiccPackageErrorCode, EuiccPackageResult};
use simyard_asn1::iot::trigger::ProfileDownloadData;
use simyard_asn1::{Decode as _, Encode as _};

use super::ipa::{BINDINGS, Yard, failed_trigger_with, id, poll, trigger};
use super::server;
use super::world::{ADDRESS, Device, PKI};

crate::tests!(
    in_an_emergency_call_the_eim_is_put_off,
    the_network_is_told_where_it_changed,
    the_card_says_by_what_the_eim_is_known,
);

fn in_an_emergency_call_the_eim_is_put_off() {
    for binding in BINDINGS {
        let (mut yard, card) = Yard::new();
        yard.settings.download = DownloadWay::Indirect;
        let two = yard.two.to_bcd();
        let mut ipa = yard.ipa(card, binding);
        assert!(matches!(ipa.end_emergency(), Err(IpaError::Card(_))), "there is none");
        ipa.begin_emergency().unwrap();
        let code = format!("1${ADDRESS}$M");
        let activation_code = || trigger(Some(ProfileDownloadData::ActivationCode(&code)));
        let data = || {
            let request = IpaEuiccDataRequest {
                tag_list: vec![requested::EUICC_INFO1],
                ci_pk_id_to_be_used: None,
                notification_criteria: None,
                euicc_package_result_seq_number: None,
                eim_transaction_id: id(),
            };
            EimPackage::IpaEuiccDataRequest(request.to_der())
        };
        yard.queue(activation_code());
        yard.queue(data());
        yard.queue_psmo(&[Psmo::Enable { iccid: &two, rollback: true }]);
        for _ in 0..2 {
            let Polled::Executed(Executed::Failed(_)) = poll(&mut ipa).unwrap() else {
                panic!("it was taken")
            };
        }
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::EuiccPackage));
        {
            let said = yard.said();
            let [download, data, EimPackageResult::EuiccPackageResult(package)] = said.results()[..] else {
                panic!("{:?}", said.results())
            };
            failed_trigger_with(download, 104);
            let EimPackageResult::IpaEuiccDataResponse(data) = data else { panic!("{data:?}") };
            let response = IpaEuiccDataResponse::from_der(data).unwrap();
            assert!(matches!(response, IpaEuiccDataResponse::Error { code, .. } if code.code() == 104));
            let EuiccPackageResult::ErrorSigned { data, .. } = EuiccPackageResult::from_der(package).unwrap()
            else {
                panic!("{}", hex::encode(package))
            };
            assert_eq!(data.value.code, EuiccPackageErrorCode::EcallActive);
            let EsipaRequest::GetEimPackage(first) = &said.heard[0] else { panic!("{:?}", said.functions()) };
            assert_eq!(first.state_change_cause, Some(StateChangeCause::EmergencyProfile));
        }
        // An IPA that knows nothing of the call hears of it from the card.
        let mut ipa = yard.ipa(ipa.into_card().close().unwrap(), binding);
        yard.said().server = Some(server(3).1);
        yard.queue(activation_code());
        let Polled::Executed(Executed::Failed(why)) = poll(&mut ipa).unwrap() else { panic!("installed") };
        assert!(why.contains("ecallActive (104)"), "{why}");
        failed_trigger_with(yard.said().results()[3], 104);
        // When it is over, all goes on.
        ipa.end_emergency().unwrap();
        yard.queue(data());
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Executed(Executed::Data));
        let said = yard.said();
        let mut polls = said.heard.iter().filter_map(|request| match request {
            EsipaRequest::GetEimPackage(poll) => Some(poll.state_change_cause),
            _ => None,
        });
        assert_eq!(polls.next_back(), Some(Some(StateChangeCause::EmergencyProfile)));
    }
}

fn the_network_is_told_where_it_changed() {
    let (mut yard, card) = Yard::new();
    yard.settings.r_plmn = Some([0x62, 0xF2, 0x10]);
    let mut ipa = yard.ipa(card, MessageBinding::Asn1);
    for _ in 0..2 {
        assert_eq!(poll(&mut ipa).unwrap(), Polled::Nothing);
    }
    let said = yard.said();
    let told: Vec<Option<[u8; 3]>> = said
        .heard
        .iter()
        .map(|request| match request {
            EsipaRequest::GetEimPackage(poll) => poll.r_plmn,
            other => panic!("{:?}", other.function()),
        })
        .collect();
    assert_eq!(told, [Some([0x62, 0xF2, 0x10]), None]);
}

fn the_card_says_by_what_the_eim_is_known() {
    let certificate = PKI.eim_ca.certificate.der();
    let trusted = |fqdn| EimConfigurationData {
        eim_id: fqdn,
        eim_fqdn: Some(fqdn),
        counter_value: Some(0),
        eim_public_key_data: Some(EimPublicKey::Certificate(
            Implicit::from_der(PKI.eim_sign.certificate.der()).unwrap(),
        )),
        trusted_public_key_data_tls: (fqdn == "eim.example.com")
            .then(|| EimPublicKey::Certificate(Implicit::from_der(certificate).unwrap())),
        ..EimConfigurationData::default()
    };
    let mut device = Device::iot();
    let eims = vec![trusted("eim.example.com"), trusted("other.example.com")];
    device.call(&hex::encode_upper(AddInitialEimRequest { eims }.to_der()));
    let mut card = Es10Client::open(device.card).unwrap();
    let mut known = |address: &str| tls_trust(&mut card, &ServerAddress::parse(address).unwrap()).unwrap();
    let expected = Some(TlsTrust::Certificate(certificate.to_vec()));
    assert_eq!(known("EIM.example.com"), expected);
    assert_eq!(known("eim.example.com:8447"), expected, "a laboratory's port");
    assert_eq!((known("other.example.com"), known("third.example.com")), (None, None));
}
