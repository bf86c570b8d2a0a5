//! Compact forms of signed objects: what decodes, encodes to the same value, and is made whole without a panic.

#![no_main]

use simyard_asn1::iot::compact::{
    CompactAuthenticateResponse, CompactCancelSessionResponse, CompactOtherSignedNotification,
    CompactPrepareDownloadResponse, CompactProfileInstallationResult, KnownOfDownload, KnownOfEuicc,
};
use simyard_asn1::rsp::authentication::ServerSigned1;
use simyard_asn1::rsp::info::EuiccInfo2;
use simyard_asn1::{Decode, Encode, Oid, Reader};

/// The value, if the input is one, after it went both ways.
macro_rules! value {
    ($message:ty, $input:ident) => {{
        let value = <$message>::from_der($input).ok();
        if let Some(value) = &value {
            let der = value.to_der();
            let again = <$message>::from_der(&der).expect("what was encoded decodes");
            assert!(*value == again, "another value after encoding");
            assert_eq!(again.to_der(), der, "other octets after decoding");
        }
        value
    }};
}

fn is_compact(der: &[u8]) -> bool {
    CompactAuthenticateResponse::from_der(der).is_ok()
        || CompactPrepareDownloadResponse::from_der(der).is_ok()
        || CompactProfileInstallationResult::from_der(der).is_ok()
        || CompactOtherSignedNotification::from_der(der).is_ok()
        || CompactCancelSessionResponse::from_der(der).is_ok()
}

simyard_fuzz::target!(seeds: simyard_fuzz::seeds::values(is_compact), |input| {
    let oid = Oid::parse("2.999.10").expect("an identifier");
    let server = ServerSigned1 {
        transaction_id: &[1; 16],
        euicc_challenge: &[2; 16],
        server_address: "smdp.example.com",
        server_challenge: &[3; 16],
    };
    let info = EuiccInfo2::default().to_der();
    let certificate = &[0x30, 0x00][..];
    let euicc = KnownOfEuicc {
        euicc_info2: Some(&info),
        ctx_params1: Some(&[0xA0, 0x00]),
        euicc_certificate: Some(certificate),
        eum_certificate: Some(certificate),
    };
    let download = KnownOfDownload {
        notification_address: "smdp.example.com",
        smdp_oid: Some(&oid),
        iccid: Some(&[0x98; 10]),
    };
    let wholes = [
        value!(CompactAuthenticateResponse<'_>, input).map(|compact| compact.whole(&server, &euicc)),
        value!(CompactPrepareDownloadResponse<'_>, input)
            .map(|compact| compact.whole(&[1; 16], Some(&[4; 65]))),
        value!(CompactProfileInstallationResult<'_>, input).map(|compact| compact.whole(&download)),
        value!(CompactOtherSignedNotification<'_>, input)
            .map(|compact| Ok(compact.whole(certificate, certificate))),
        value!(CompactCancelSessionResponse<'_>, input)
            .map(|compact| compact.whole(&[1; 16], &oid, Some(3))),
    ];
    for whole in wholes.into_iter().flatten() {
        let whole = whole.expect("everything is known");
        assert!(Reader::new(&whole, "whole").read().is_ok_and(|tlv| tlv.raw == whole), "no single TLV");
    }
});
