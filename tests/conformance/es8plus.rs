//! SGP.23 4.3.7 to 4.3.11: ES8+, the commands inside the package that GetBoundProfilePackage hands over.

use simyard::domain::KeyMode;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::package::{
    BoundProfilePackage, ConfigureIsdpRequest, InitialiseSecureChannelRequest, ReplaceSessionKeysRequest,
};
use simyard_asn1::saip::Package;
use simyard_asn1::{Decode as _, Encode as _};

use super::get_bound_profile_package::{open, ordered};
use super::sequence;
use crate::server::euicc::{from_base64, octets, otpk};
use crate::server::{Euicc, OrderOptions, TestServer};

crate::tests!(each_command_is_what_the_euicc_expects,);

fn each_command_is_what_the_euicc_expects() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let package = server.package(&euicc, &offer, &otpk(9), None).unwrap();
    let opened = open(&package, &euicc, 9);
    sequence("InitialiseSecureChannel", || {
        let bound = BoundProfilePackage::from_der(&package).unwrap();
        let request = InitialiseSecureChannelRequest::from_der(bound.initialise_secure_channel).unwrap();
        assert_eq!(request.to_der(), bound.initialise_secure_channel, "nothing else stands in it");
        assert_eq!(request.remote_op_id, 1, "installBoundProfilePackage");
        assert_eq!(request.transaction_id, octets(&offer.transaction_id));
        let template = request.control_ref_template;
        assert_eq!((template.key_type, template.key_len), (&[0x88][..], &[0x10][..]), "AES of 128 bits");
        assert!((1..=16).contains(&template.host_id.len()));
        // The signature over it and the eUICC's one-time key was verified when the package was opened.
        assert_eq!(opened.transaction_id, request.transaction_id);
    });
    sequence("ConfigureISDP", || {
        let request = ConfigureIsdpRequest::from_der(&opened.configure_isdp).unwrap();
        assert_eq!(request.to_der(), opened.configure_isdp);
    });
    sequence("StoreMetadata", || {
        assert_eq!(opened.metadata, from_base64(&offer.answer["profileMetadata"]));
        let metadata = StoreMetadataRequest::from_der(&opened.metadata).unwrap();
        assert_eq!(metadata.iccid, &order.iccid.to_bcd());
    });
    sequence("ReplaceSessionKeys", || {
        let order = ordered(&server, KeyMode::RandomKeys, None, None);
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let package = server.package(&euicc, &offer, &otpk(9), None).unwrap();
        // What follows it was opened with the keys that it hands over.
        let command = open(&package, &euicc, 9).replace_session_keys.unwrap();
        let request = ReplaceSessionKeysRequest::from_der(&command).unwrap();
        let values = [request.initial_mac_chaining_value, request.ppk_enc, request.ppk_cmac];
        assert!(values[0] != values[1] && values[1] != values[2] && values[0] != values[2]);
        assert_eq!(request.to_der(), command, "three values of 16 octets and nothing else");
        assert_eq!(server.state(&order.iccid), "Downloaded");
    });
    sequence("LoadProfileElements", || {
        assert!(opened.profile_segments.iter().all(|octets| *octets <= 1020));
        let (last, full) = opened.profile_segments.split_last().unwrap();
        assert!(full.iter().all(|octets| octets >= last), "only the last one is shorter");
        Package::from_der(&opened.profile).unwrap();
    });
    assert_eq!(server.state(&order.iccid), "Downloaded");
}
