//! The wire types against messages that an independent implementation encoded (`vectors/rsp-asn1`).

use std::collections::BTreeMap;

use simyard_asn1::rsp::authentication::AuthenticateServerResponse;
use simyard_asn1::rsp::card::GetEuiccChallengeResponse;
use simyard_asn1::rsp::download::{CancelSessionRequest, PrepareDownloadResponse};
use simyard_asn1::rsp::es9plus::InitiateAuthenticationRequest;
use simyard_asn1::rsp::info::{EuiccInfo1, EuiccInfo2};
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::notification::{
    PendingNotification, ProfileInstallationResult, ProfileInstallationResultData,
};
use simyard_asn1::rsp::package::{BoundProfilePackage, InitialiseSecureChannelRequest};
use simyard_asn1::{Decode, Encode};

use crate::harness;

crate::tests!(
    independent_messages_decode_and_encode_to_the_same_octets,
    signed_contents_encode_to_the_octets_received,
    every_truncation_of_every_message_is_an_error,
    an_unknown_trailing_member_is_accepted,
);

type RoundTrip = fn(&[u8]) -> Option<Vec<u8>>;

fn round_trip<'a, T: Decode<'a> + Encode>(der: &'a [u8]) -> Option<Vec<u8>> {
    T::from_der(der).ok().map(|value| value.to_der())
}

/// How each named message is read and written.
const TYPES: &[(&str, RoundTrip)] = &[
    ("EUICCInfo1", |der| round_trip::<EuiccInfo1<'_>>(der)),
    ("AuthenticateServerResponse", |der| round_trip::<AuthenticateServerResponse<'_>>(der)),
    ("AuthenticateServerResponseErr", |der| round_trip::<AuthenticateServerResponse<'_>>(der)),
    ("PrepareDownloadResponse", |der| round_trip::<PrepareDownloadResponse<'_>>(der)),
    ("BoundProfilePackage", |der| round_trip::<BoundProfilePackage<'_>>(der)),
    ("StoreMetadataRequest", |der| round_trip::<StoreMetadataRequest<'_>>(der)),
    ("ProfileInstallationResult", |der| round_trip::<ProfileInstallationResult<'_>>(der)),
    ("ProfileInstallationResultErr", |der| round_trip::<ProfileInstallationResult<'_>>(der)),
    ("InitiateAuthenticationRequest", |der| round_trip::<InitiateAuthenticationRequest<'_>>(der)),
    ("CancelSessionRequest", |der| round_trip::<CancelSessionRequest<'_>>(der)),
    ("GetEuiccChallengeResponse", |der| round_trip::<GetEuiccChallengeResponse<'_>>(der)),
    ("PendingNotificationPIR", |der| round_trip::<PendingNotification<'_>>(der)),
];

fn messages() -> Option<BTreeMap<String, Vec<u8>>> {
    let file = harness::vectors("independent messages")?.join("rsp-asn1/rsp_vectors.json");
    let texts: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    Some(texts.into_iter().map(|(name, text)| (name, hex::decode(text).unwrap())).collect())
}

fn independent_messages_decode_and_encode_to_the_same_octets() {
    let Some(messages) = messages() else { return };
    for (name, read) in TYPES {
        let der = &messages[*name];
        let encoded = read(der).unwrap_or_else(|| panic!("{name} does not decode"));
        if *name == "StoreMetadataRequest" {
            // Encoded with a DEFAULT value and with trailing zero bits, which DER leaves out: same value, other octets.
            assert_eq!(
                StoreMetadataRequest::from_der(&encoded).unwrap(),
                StoreMetadataRequest::from_der(der).unwrap()
            );
            assert_eq!(read(&encoded).unwrap(), encoded);
        } else {
            assert_eq!(encoded, *der, "{name}");
        }
    }
    assert_eq!(messages.len(), TYPES.len(), "a message without a type: {:?}", messages.keys());
}

fn signed_contents_encode_to_the_octets_received() {
    let Some(messages) = messages() else { return };
    let der = &messages["AuthenticateServerResponse"];
    let AuthenticateServerResponse::Ok(ok) = AuthenticateServerResponse::from_der(der).unwrap() else {
        panic!("an error response")
    };
    assert_eq!(ok.euicc_signed1.value.to_der(), ok.euicc_signed1.bytes);
    // Its bit strings have trailing zero bits: same value, other octets.
    let info = &ok.euicc_signed1.value.euicc_info2;
    assert_eq!(EuiccInfo2::from_der(&info.value.to_der()).unwrap(), info.value);
    assert_eq!(ok.euicc_signed1.value.ctx_params1.value.to_der(), ok.euicc_signed1.value.ctx_params1.bytes);

    let der = &messages["PrepareDownloadResponse"];
    let PrepareDownloadResponse::Ok { euicc_signed2, .. } = PrepareDownloadResponse::from_der(der).unwrap()
    else {
        panic!("an error response")
    };
    assert_eq!(euicc_signed2.value.to_der(), euicc_signed2.bytes);

    for name in ["ProfileInstallationResult", "ProfileInstallationResultErr"] {
        let result = ProfileInstallationResult::from_der(&messages[name]).unwrap();
        let encoded = result.data.value.to_der();
        assert_eq!(ProfileInstallationResultData::from_der(&encoded).unwrap(), result.data.value);
    }

    let package = BoundProfilePackage::from_der(&messages["BoundProfilePackage"]).unwrap();
    let request = InitialiseSecureChannelRequest::from_der(package.initialise_secure_channel).unwrap();
    assert_eq!(request.to_der(), package.initialise_secure_channel);
}

fn every_truncation_of_every_message_is_an_error() {
    let Some(messages) = messages() else { return };
    for (name, read) in TYPES {
        let der = &messages[*name];
        for length in 0..der.len() {
            assert!(read(&der[..length]).is_none(), "{name} cut to {length} octets");
        }
    }
}

fn an_unknown_trailing_member_is_accepted() {
    let Some(messages) = messages() else { return };
    for (name, read) in TYPES {
        // A CHOICE holds one alternative, and a package its exact parts: they are extended further inside.
        let fixed = ["BoundProfilePackage", "AuthenticateServerResponse", "PrepareDownloadResponse"];
        if fixed.iter().any(|fixed| name.starts_with(fixed)) {
            continue;
        }
        let der = &messages[*name];
        let outer = simyard_asn1::Reader::new(der, "message").read().unwrap();
        let mut writer = simyard_asn1::Writer::new();
        let extended: Vec<u8> = [outer.value, &[0x9F, 0x7E, 0x01, 0x2A]].concat();
        writer.tlv(outer.tag, &extended);
        assert!(read(&writer.finish()).is_some(), "{name}");
    }
}
