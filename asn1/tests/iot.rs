//! SGP.32: one published value of each message between eIM, eUICC and IPA, and compact forms made whole.
//!
//! Every value decodes, encodes to the same octets and fails at every truncation. The example values are eimId `eim1`,
//! counter 1, eimTransactionId 0102030405060708 and a signature shortened to AAAAAAAA.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail loudly")]

use simyard_asn1::iot::card::{
    EuiccMemoryResetRequest, EuiccMemoryResetResponse, GetCertsRequest, GetCertsResponse,
    GetConnectivityParametersResponse, ImmediateEnableResult, IpaeActivationRequest, ProfileRollbackResponse,
    ResetResult, RetrieveNotificationsListResponse, RollbackCode, memory_reset, read_refresh_request,
    refresh_request, tag,
};
use simyard_asn1::iot::compact::{
    CompactAuthenticateResponse, CompactCancelSessionResponse, CompactEuiccSigned1, CompactFinalResult,
    CompactOtherSignedNotification, CompactPrepareDownloadResponse, CompactProfileInstallationResult,
    Incomplete, KnownOfDownload, KnownOfEuicc, SIMA_RESPONSE_OK,
};
use simyard_asn1::iot::configuration::{
    AddEimCode, AddInitialEimRequest, AddInitialEimResponse, EimConfigurationData, EimIdType, EimPublicKey,
    GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, REQUEST_TOKEN, supported_protocol,
};
use simyard_asn1::iot::package::{
    ConfigureImmediateEnable, Eco, EuiccPackage, EuiccPackageRequest, EuiccPackageSigned, Psmo,
};
use simyard_asn1::iot::result::{
    AddEimResult, DeleteEimResult, DeleteProfileResult, DisableProfileResult, EimIdInfo, EnableProfileResult,
    EuiccPackageErrorCode, EuiccPackageErrorUnsigned, EuiccPackageResult, EuiccResultData,
    ProcessingTerminated, ProfileInfoListError, RollbackProfileResult, SetFallbackAttributeResult,
    UnsetFallbackAttributeResult,
};
use simyard_asn1::iot::{EimTransactionId, Implicit, signed_bytes};
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::authentication::{
    AuthenticateResponseOk, AuthenticateServerResponse, CtxParams1, DeviceInfo, EuiccSigned1, ServerSigned1,
};
use simyard_asn1::rsp::card::{
    NotificationFilter, ProfileInfoListRequest, RetrieveNotificationsListRequest, empty_request, read_result,
    result_response,
};
use simyard_asn1::rsp::download::{
    CancelSessionResponse, EuiccCancelSessionSigned, EuiccSigned2, PrepareDownloadResponse,
};
use simyard_asn1::rsp::info::EuiccInfo2;
use simyard_asn1::rsp::metadata::ProfileInfo;
use simyard_asn1::rsp::notification::{
    FinalResult, NotificationMetadata, OtherSignedNotification, ProfileInstallationResult,
    ProfileInstallationResultData,
};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode, Encode, Oid, Raw};

const ICCID: &[u8; 10] = &[0x98, 0x00, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x14];
const SIGNATURE: &[u8] = &[0xAA; 4];

fn octets(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn transaction() -> Option<EimTransactionId> {
    EimTransactionId::from_octets(&[1, 2, 3, 4, 5, 6, 7, 8])
}

/// The published octets are this value, in both directions, and no octet of them is too much.
#[track_caller]
fn published<'a, T: Decode<'a> + Encode + PartialEq + std::fmt::Debug>(der: &'a [u8], value: &T) {
    assert_eq!(T::from_der(der).unwrap(), *value);
    assert_eq!(value.to_der(), der, "{der:02X?}");
    for length in 0..der.len() {
        assert!(T::from_der(&der[..length]).is_err(), "cut to {length} octets");
    }
}

#[test]
fn operations_on_profiles() {
    let immediate =
        ConfigureImmediateEnable { flag: true, default_smdp_oid: None, default_smdp_address: Some("a.b") };
    for (text, operation) in [
        ("A30E5A0A980010325476981032140500", Psmo::Enable { iccid: ICCID, rollback: true }),
        ("A30C5A0A98001032547698103214", Psmo::Enable { iccid: ICCID, rollback: false }),
        ("A40C5A0A98001032547698103214", Psmo::Disable { iccid: ICCID }),
        ("A50C5A0A98001032547698103214", Psmo::Delete { iccid: ICCID }),
        ("A600", Psmo::GetRat),
        ("BF2D00", Psmo::ListProfileInfo(ProfileInfoListRequest::default())),
        ("A70780008203612E62", Psmo::ConfigureImmediateEnable(immediate)),
        ("A80C5A0A98001032547698103214", Psmo::SetFallbackAttribute { iccid: ICCID }),
        ("A900", Psmo::UnsetFallbackAttribute),
        ("BF65058003612E62", Psmo::SetDefaultDpAddress { address: "a.b" }),
    ] {
        published(&octets(text), &operation);
    }
}

/// The configuration data of the published addEim.
fn eim<'a>(spki: &'a [u8]) -> EimConfigurationData<'a> {
    EimConfigurationData {
        eim_id: "eim1",
        eim_fqdn: Some("e.x"),
        eim_id_type: Some(EimIdType::Proprietary),
        counter_value: Some(0),
        association_token: Some(REQUEST_TOKEN),
        eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(spki).unwrap())),
        trusted_public_key_data_tls: Some(EimPublicKey::Spki(Implicit::from_der(spki).unwrap())),
        eim_supported_protocol: Some(NamedBits::bit(supported_protocol::RETRIEVE_HTTPS)),
        euicc_ci_pk_id: Some(&[0x81, 0x37]),
        indirect_profile_download: true,
        extensions: &[],
    }
}

#[test]
fn operations_on_eims() {
    let spki = octets("30020400");
    let update =
        EimConfigurationData { eim_id: "eim1", counter_value: Some(5), ..EimConfigurationData::default() };
    for (text, operation) in [
        (
            "A82A800465696D318103652E788201038301008401FFA504A0020400A604A102040087020780880281378900",
            Eco::AddEim(Box::new(EimConfigurationData {
                trusted_public_key_data_tls: Some(EimPublicKey::Certificate(
                    Implicit::from_der(&spki).unwrap(),
                )),
                ..eim(&spki)
            })),
        ),
        ("A906800465696D31", Eco::DeleteEim { eim_id: "eim1" }),
        ("AA09800465696D31830105", Eco::UpdateEim(Box::new(update))),
        ("AB00", Eco::ListEim),
    ] {
        published(&octets(text), &operation);
    }
}

#[test]
fn a_package_and_what_its_signature_covers() {
    let der = octets(
        "BF51403037800465696D315A108904903200000000000027997320001981010182080102030405060708A010A30E5A0A98\
         00103254769810321405005F3704AAAAAAAA"
            .replace(' ', "")
            .as_str(),
    );
    let signed = EuiccPackageSigned {
        eim_id: "eim1",
        eid: &[0x89, 0x04, 0x90, 0x32, 0, 0, 0, 0, 0, 0, 0x27, 0x99, 0x73, 0x20, 0x00, 0x19],
        counter_value: 1,
        eim_transaction_id: transaction(),
        operations: EuiccPackage::Psmo(vec![Psmo::Enable { iccid: ICCID, rollback: true }]),
    };
    let bytes = signed.to_der();
    let request = EuiccPackageRequest {
        euicc_package_signed: Raw { bytes: &bytes, value: signed },
        eim_signature: SIGNATURE,
    };
    published(&der, &request);
    let covered = signed_bytes(request.euicc_package_signed.bytes, None);
    assert_eq!(covered, [&der[3..der.len() - 7], &[0x84, 0x01, 0x00]].concat());
    assert_eq!((covered[0], covered[1]), (0x30, 0x37));
}

#[test]
fn adding_and_reading_eims() {
    published(&octets("BF5705A003840101"), &AddInitialEimResponse::Ok(vec![Some(1)]));
    published(&octets("BF5704A0020500"), &AddInitialEimResponse::Ok(vec![None]));
    published(&octets("BF5703810102"), &AddInitialEimResponse::Error(AddEimCode::AssociatedEimAlreadyExists));
    published(&octets("BF5500"), &GetEimConfigurationDataRequest { eim_id: None });
    published(&octets("BF5508A006800465696D31"), &GetEimConfigurationDataRequest { eim_id: Some("eim1") });
    let spki = octets("30020400");
    let list = vec![eim(&spki), EimConfigurationData { eim_id: "eim2", ..EimConfigurationData::default() }];
    let request = AddInitialEimRequest { eims: list.clone() };
    published(&request.to_der(), &request);
    let response = GetEimConfigurationDataResponse { eims: list };
    published(&response.to_der(), &response);
}

#[test]
fn results_of_operations() {
    let profile = ProfileInfo { iccid: Some(ICCID), profile_state: Some(1), ..ProfileInfo::default() };
    let listed = EimIdInfo { eim_id: "eim1", eim_id_type: Some(EimIdType::Fqdn) };
    for (text, result) in [
        ("830100", EuiccResultData::Enable(EnableProfileResult::Ok)),
        ("840100", EuiccResultData::Disable(DisableProfileResult::Ok)),
        ("850100", EuiccResultData::Delete(DeleteProfileResult::Ok)),
        ("A803840102", EuiccResultData::AddEim(AddEimResult::AssociationToken(2))),
        ("A803020100", EuiccResultData::AddEim(AddEimResult::Code(AddEimCode::Ok))),
        ("890102", EuiccResultData::DeleteEim(DeleteEimResult::LastEimDeleted)),
        ("AB0DA00B3009800465696D31820102", EuiccResultData::ListEim(Ok(vec![listed]))),
        ("8C0100", EuiccResultData::Rollback(RollbackProfileResult::Ok)),
        ("8D0100", EuiccResultData::SetFallbackAttribute(SetFallbackAttributeResult::Ok)),
        ("8E0100", EuiccResultData::UnsetFallbackAttribute(UnsetFallbackAttributeResult::Ok)),
        ("020102", EuiccResultData::ProcessingTerminated(ProcessingTerminated::UnknownOrDamagedCommand)),
        (
            "BF2D14A012E3105A0A980010325476981032149F700101",
            EuiccResultData::ListProfileInfo(Ok(vec![profile])),
        ),
        ("BF2D0381010B", EuiccResultData::ListProfileInfo(Err(ProfileInfoListError::ProfileChangeOngoing))),
    ] {
        published(&octets(text), &result);
    }
}

#[test]
fn results_of_packages() {
    let signed = octets("BF5126A024301B800465696D318101018208010203040506070883010730038301005F3704AAAAAAAA");
    let EuiccPackageResult::Signed { data, signature } = EuiccPackageResult::from_der(&signed).unwrap()
    else {
        panic!("no signed result")
    };
    assert_eq!((data.bytes, signature), (&signed[5..34], SIGNATURE));
    assert_eq!(data.value.to_der(), data.bytes);
    assert_eq!((data.value.counter_value, data.value.seq_number), (1, 7));
    assert_eq!(data.value.eim_transaction_id, transaction());
    assert_eq!(data.value.results, [EuiccResultData::Enable(EnableProfileResult::Ok)]);
    published(&signed, &EuiccPackageResult::Signed { data, signature });

    let error = octets("BF5117A115300C800465696D318101010201045F3704AAAAAAAA");
    let read = EuiccPackageResult::from_der(&error).unwrap();
    let EuiccPackageResult::ErrorSigned { data, .. } = &read else { panic!("no signed error") };
    assert_eq!(data.value.code, EuiccPackageErrorCode::ReplayError);
    assert_eq!(data.value.to_der(), data.bytes);
    assert_eq!((read.eim_id(), read.eim_transaction_id()), ("eim1", None));
    published(&error, &read);

    let unsigned = EuiccPackageErrorUnsigned {
        eim_id: "eim1",
        eim_transaction_id: None,
        association_token: Some(1),
        code: None,
    };
    published(&octets("BF510BA209800465696D31840101"), &EuiccPackageResult::ErrorUnsigned(unsigned));
    // With the code of v1.3, and with the empty eimId that some eUICCs send.
    for text in ["BF510BA209800465696D318F010F", "BF5104A2028000"] {
        let der = octets(text);
        published(&der, &EuiccPackageResult::from_der(&der).unwrap());
    }
}

#[test]
fn functions_of_the_card() {
    assert_eq!(refresh_request(tag::PROFILE_ROLLBACK, true), octets("BF58038001FF"));
    assert_eq!(refresh_request(tag::IMMEDIATE_ENABLE, false), octets("BF5A03800100"));
    for (tag, text, refresh) in [
        (tag::PROFILE_ROLLBACK, "BF58038001FF", true),
        (tag::IMMEDIATE_ENABLE, "BF5A03800100", false),
        (tag::EXECUTE_FALLBACK_MECHANISM, "BF5D038001FF", true),
    ] {
        let der = octets(text);
        assert_eq!(read_refresh_request(tag, &der), Ok(refresh));
        for length in 0..der.len() {
            assert!(read_refresh_request(tag, &der[..length]).is_err(), "{text} cut to {length}");
        }
    }
    for (tag, text, code) in [
        (tag::IMMEDIATE_ENABLE, "BF5A03800100", 0),
        (tag::EXECUTE_FALLBACK_MECHANISM, "BF5D03800106", 6),
        (tag::IPAE_ACTIVATION, "BF4203800100", 0),
        (tag::SET_DEFAULT_DP_ADDRESS, "BF650380017F", 127),
    ] {
        assert_eq!(read_result(tag, &octets(text)), Ok(code));
        assert_eq!(result_response(tag, code), octets(text));
    }
    assert_eq!(ImmediateEnableResult::from_code(4).name(), Some("noSessionContext"));
    published(
        &octets("BF5803020100"),
        &ProfileRollbackResponse { code: RollbackCode::Ok, euicc_package_result: None },
    );
    published(&octets("BF5600"), &GetCertsRequest { euicc_ci_pk_id: None });
    published(&octets("BF420480020780"), &IpaeActivationRequest { ipae_option: NamedBits::bit(0) });
    assert_eq!(empty_request(tag::GET_CONNECTIVITY_PARAMETERS), octets("BF5F00"));
    for text in ["BF5F05A003810141", "BF5F02A000", "BF5F03810101"] {
        let der = octets(text);
        published(&der, &GetConnectivityParametersResponse::from_der(&der).unwrap());
    }
    published(
        &octets("BF2B04A0028200"),
        &RetrieveNotificationsListRequest { filter: NotificationFilter::EuiccPackageResults },
    );
    let results = octets(
        "BF2B2BA229BF5126A024301B800465696D318101018208010203040506070883010730038301005F3704AAAAAAAA",
    );
    published(&results, &RetrieveNotificationsListResponse::EuiccPackageResults(vec![&results[5..]]));
    let options = 1 << memory_reset::OPERATIONAL_PROFILES | 1 << memory_reset::EIM_CONFIGURATION_DATA;
    published(&octets("BF640482020284"), &EuiccMemoryResetRequest { reset_options: NamedBits(options) });
    published(
        &octets("BF6406800101810100"),
        &EuiccMemoryResetResponse {
            reset: Some(ResetResult::NothingToDelete),
            reset_eim: Some(ResetResult::Ok),
            reset_immediate_enable_configuration: None,
        },
    );
    let certificate = octets("3006300030000300");
    let response = GetCertsResponse::Ok {
        eum_certificate: Implicit::from_der(&certificate).unwrap(),
        euicc_certificate: Implicit::from_der(&certificate).unwrap(),
    };
    published(&octets("BF5612A010A506300030000300A606300030000300"), &response);
    let with_headers = octets("BF5616A014A5083006300030000300A6083006300030000300");
    assert_eq!(GetCertsResponse::from_der(&with_headers), Ok(response));
}

/// A value next to its octets.
fn raw<T>(der: &[u8], value: T) -> Raw<'_, T> {
    Raw { bytes: der, value }
}

#[test]
fn a_compact_authentication_is_made_whole() {
    let signature = [7; 64];
    let certificate = octets("3006300030000300");
    let server = ServerSigned1 {
        transaction_id: &[1; 16],
        euicc_challenge: &[2; 16],
        server_address: "smdp.example.com",
        server_challenge: &[3; 16],
    };
    let params = CtxParams1 {
        matching_id: Some("M"),
        device_info: DeviceInfo { tac: &[1, 2, 3, 4], device_capabilities: &[], imei: None, extensions: &[] },
    };
    let info = |resource| EuiccInfo2 {
        svn: Some(Version([2, 2, 2])),
        ext_card_resource: resource,
        others: vec![&[0xAC, 0x02, 0x80, 0x00]],
        ..EuiccInfo2::default()
    };
    // What the eUICC signed, with the memory that is free now; what the eIM knows is from before.
    let now = &[0x81, 0x01, 0x02][..];
    let (params_der, info_der) = (params.to_der(), info(now).to_der());
    let signed = EuiccSigned1 {
        transaction_id: &[1; 16],
        server_address: "smdp.example.com",
        server_challenge: &[3; 16],
        euicc_info2: raw(&info_der, info(now)),
        ctx_params1: raw(&params_der, params.clone()),
    };
    let signed_der = signed.to_der();
    let whole = AuthenticateServerResponse::Ok(Box::new(AuthenticateResponseOk {
        euicc_signed1: raw(&signed_der, signed),
        euicc_signature1: &signature,
        euicc_certificate: &certificate,
        eum_certificate: &certificate,
    }))
    .to_der();

    let before = info(&[0x81, 0x01, 0x01, 0x82, 0x02, 0x10, 0x00]).to_der();
    let all = KnownOfEuicc {
        euicc_info2: Some(&before),
        ctx_params1: Some(&params_der),
        euicc_certificate: Some(&certificate),
        eum_certificate: Some(&certificate),
    };
    let least = CompactAuthenticateResponse {
        euicc_signed1: CompactEuiccSigned1::Compact { ext_card_resource: now, ctx_params1: None },
        euicc_signature1: &signature,
        euicc_certificate: None,
        eum_certificate: None,
    };
    published(&least.to_der(), &least);
    assert_eq!(least.whole(&server, &all).unwrap(), whole);
    for (known, what) in [
        (KnownOfEuicc { euicc_info2: None, ..all }, "euiccInfo2"),
        (KnownOfEuicc { ctx_params1: None, ..all }, "ctxParams1"),
        (KnownOfEuicc { euicc_certificate: None, ..all }, "euiccCertificate"),
        (KnownOfEuicc { eum_certificate: None, ..all }, "eumCertificate"),
    ] {
        assert_eq!(least.whole(&server, &known), Err(Incomplete { what }));
    }

    let members = Implicit::from_der(&certificate).unwrap();
    let most = CompactAuthenticateResponse {
        euicc_signed1: CompactEuiccSigned1::Compact {
            ext_card_resource: now,
            ctx_params1: Some(raw(&params_der, params)),
        },
        euicc_signature1: &signature,
        euicc_certificate: Some(members),
        eum_certificate: Some(members),
    };
    published(&most.to_der(), &most);
    let known = KnownOfEuicc { euicc_info2: Some(&before), ..KnownOfEuicc::default() };
    assert_eq!(most.whole(&server, &known).unwrap(), whole);
    let signed = Box::new(Raw::<EuiccSigned1<'_>>::from_der(&signed_der).unwrap());
    let unchanged = CompactAuthenticateResponse { euicc_signed1: CompactEuiccSigned1::Whole(signed), ..most };
    published(&unchanged.to_der(), &unchanged);
    assert_eq!(unchanged.whole(&server, &KnownOfEuicc::default()).unwrap(), whole);
}

#[test]
fn a_compact_preparation_is_made_whole() {
    let (key, hash, signature) = ([4; 65], [5; 32], [7; 64]);
    let signed = EuiccSigned2 { transaction_id: &[1; 16], euicc_otpk: &key, hash_cc: Some(&hash) };
    let der = signed.to_der();
    let whole =
        PrepareDownloadResponse::Ok { euicc_signed2: raw(&der, signed), euicc_signature2: &signature }
            .to_der();
    let compact = |euicc_otpk| CompactPrepareDownloadResponse {
        euicc_otpk,
        hash_cc: Some(&hash),
        euicc_signature2: &signature,
    };
    published(&compact(None).to_der(), &compact(None));
    assert_eq!(compact(Some(&key)).whole(&[1; 16], None).unwrap(), whole);
    assert_eq!(compact(None).whole(&[1; 16], Some(&key)).unwrap(), whole);
    assert_eq!(compact(None).whole(&[1; 16], None), Err(Incomplete { what: "euiccOtpk" }));
}

#[test]
fn a_compact_installation_result_is_made_whole() {
    let signature = [7; 64];
    let oid = Oid::parse("2.999.10").unwrap();
    let aid = octets("A0000005591010FFFFFFFF8900001200");
    for (final_result, compact_result, iccid) in [
        (
            FinalResult::Success { aid: &aid, sima_response: &SIMA_RESPONSE_OK },
            CompactFinalResult::Success { aid: &[0x00, 0x12], sima_response: None },
            Some(ICCID),
        ),
        (
            FinalResult::Success { aid: &aid, sima_response: &[0x30, 0x00] },
            CompactFinalResult::Success { aid: &[0x00, 0x12], sima_response: Some(&[0x30, 0x00]) },
            Some(ICCID),
        ),
        (
            FinalResult::Error { bpp_command_id: 0, error_reason: 2, sima_response: None },
            CompactFinalResult::Error(&[0xA1, 0x06, 0x80, 0x01, 0x00, 0x81, 0x01, 0x02]),
            None,
        ),
    ] {
        let data = ProfileInstallationResultData {
            transaction_id: &[1; 16],
            notification_metadata: NotificationMetadata {
                seq_number: 300,
                operation: NamedBits::bit(0),
                address: "smdp.example.com",
                iccid,
            },
            smdp_oid: Some(oid.clone()),
            final_result,
        };
        let der = data.to_der();
        let whole = ProfileInstallationResult { data: raw(&der, data), signature: &signature }.to_der();
        let compact = CompactProfileInstallationResult {
            transaction_id: &[1; 16],
            seq_number: 300,
            iccid_present: iccid.is_some(),
            final_result: compact_result,
            signature: &signature,
        };
        published(&compact.to_der(), &compact);
        let known = KnownOfDownload { notification_address: "smdp.example.com", smdp_oid: Some(&oid), iccid };
        assert_eq!(compact.whole(&known).unwrap(), whole);
        if iccid.is_some() {
            let unknown = KnownOfDownload { iccid: None, ..known };
            assert_eq!(compact.whole(&unknown), Err(Incomplete { what: "iccid" }));
        }
    }
}

#[test]
fn a_compact_notification_is_made_whole() {
    let signature = [7; 64];
    let certificate = octets("3006300030000300");
    let metadata = NotificationMetadata {
        seq_number: 5,
        operation: NamedBits::bit(1),
        address: "smdp.example.com",
        iccid: Some(ICCID),
    };
    let tbs = metadata.to_der();
    let whole = OtherSignedNotification {
        tbs: raw(&tbs, metadata.clone()),
        signature: &signature,
        euicc_certificate: &certificate,
        eum_certificate: &certificate,
    };
    for (eid, key) in [(None, None), (Some(&[0x89; 16]), Some(&[3; 20][..]))] {
        let compact = CompactOtherSignedNotification {
            eid,
            tbs: raw(&tbs, metadata.clone()),
            signature: &signature,
            euicc_ci_pk_id_to_be_used: key,
        };
        published(&compact.to_der(), &compact);
        assert_eq!(compact.whole(&certificate, &certificate), whole.to_der());
    }
}

#[test]
fn a_compact_cancellation_is_made_whole() {
    // Inside `BF41`, as the eUICC answers the IPA.
    let compact = CompactCancelSessionResponse { reason: Some(2), signature: SIGNATURE };
    published(&octets("BF410EA20C30038001025F3704AAAAAAAA")[3..], &compact);
    published(
        &octets("BF410BA20930005F3704AAAAAAAA")[3..],
        &CompactCancelSessionResponse { reason: None, signature: SIGNATURE },
    );
    let (oid, signature) = (Oid::parse("2.999.10").unwrap(), [7; 64]);
    let signed = EuiccCancelSessionSigned { transaction_id: &[1; 16], smdp_oid: oid.clone(), reason: 3 };
    let der = signed.to_der();
    let whole = CancelSessionResponse::Ok { signed: raw(&der, signed), signature: &signature }.to_der();
    let said = CompactCancelSessionResponse { reason: Some(3), signature: &signature };
    let unsaid = CompactCancelSessionResponse { reason: None, signature: &signature };
    assert_eq!(said.whole(&[1; 16], &oid, None).unwrap(), whole);
    assert_eq!(unsaid.whole(&[1; 16], &oid, Some(3)).unwrap(), whole);
    assert_eq!(unsaid.whole(&[1; 16], &oid, None), Err(Incomplete { what: "reason" }));
}
