//! One value of each message, as the peers of a download send it. Nothing in it is signed by anyone.

mod esipa;

use simyard_asn1::iot::compact::{
    CompactAuthenticateResponse, CompactCancelSessionResponse, CompactEuiccSigned1, CompactFinalResult,
    CompactPrepareDownloadResponse, CompactProfileInstallationResult,
};
use simyard_asn1::iot::configuration::{EimConfigurationData, EimPublicKey};
use simyard_asn1::iot::package::{Eco, EuiccPackage, EuiccPackageRequest, EuiccPackageSigned, Psmo};
use simyard_asn1::iot::result::{
    AddEimResult, EimIdInfo, EnableProfileResult, EuiccPackageErrorCode, EuiccPackageErrorDataSigned,
    EuiccPackageErrorUnsigned, EuiccPackageResult, EuiccPackageResultDataSigned, EuiccResultData,
};
use simyard_asn1::iot::{EimTransactionId, Implicit};
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::authentication::{
    AuthenticateResponseError, AuthenticateResponseOk, AuthenticateServerRequest, AuthenticateServerResponse,
    CtxParams1, DeviceInfo, EuiccSigned1, ServerSigned1,
};
use simyard_asn1::rsp::card::{
    EuiccConfiguredAddressesResponse, GetEuiccChallengeResponse, GetEuiccDataResponse, NotificationFilter,
    ProfileIdentifier, ProfileInfoListRequest, RetrieveNotificationsListRequest,
};
use simyard_asn1::rsp::download::{
    CancelSessionRequest, CancelSessionResponse, EuiccCancelSessionSigned, EuiccSigned2,
    PrepareDownloadRequest, PrepareDownloadResponse, SmdpSigned2,
};
use simyard_asn1::rsp::info::{EuiccInfo1, EuiccInfo2, IotSpecificInfo};
use simyard_asn1::rsp::metadata::{
    Icon, NotificationConfiguration, OperatorId, ProfileInfo, StoreMetadataRequest,
};
use simyard_asn1::rsp::notification::{
    FinalResult, NotificationMetadata, OtherSignedNotification, PendingNotification,
    ProfileInstallationResult, ProfileInstallationResultData,
};
use simyard_asn1::rsp::package::{
    BoundProfilePackage, ConfigureIsdpRequest, ControlRefTemplate, InitialiseSecureChannelRequest,
    ReplaceSessionKeysRequest,
};
use simyard_asn1::saip::EuiccResponse;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode, Encode, Oid, Raw};

const ID: &[u8] = &[1; 16];
const ICCID: &[u8; 10] = &[0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0xF6];
const AID: &[u8] = &[0xA0, 0, 0, 5, 0x59, 0x10, 0x10];
const SIGNATURE: &[u8; 64] = &[2; 64];
const POINT: &[u8] = &[4; 65];
const KEY_IDENTIFIER: &[u8] = &[3; 20];
const HASH: &[u8] = &[5; 32];
const CERTIFICATE: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];
const ADDRESS: &str = "smdp.example.com";

/// The DER of all samples. Values inside others are found there.
pub fn messages() -> Vec<Vec<u8>> {
    [authentication(), download(), card(), metadata(), package(), notifications(), iot(), esipa::messages()]
        .concat()
}

/// The messages of SGP.32.
fn iot() -> Vec<Vec<u8>> {
    let id = EimTransactionId::from_octets(ID);
    let key = Implicit::from_der(CERTIFICATE).map(EimPublicKey::Certificate).ok();
    let eim = EimConfigurationData {
        eim_id: "eim",
        eim_fqdn: Some(ADDRESS),
        counter_value: Some(300),
        association_token: Some(-1),
        eim_public_key_data: key,
        indirect_profile_download: true,
        ..EimConfigurationData::default()
    };
    let psmos = vec![
        Psmo::Enable { iccid: ICCID, rollback: true },
        Psmo::ListProfileInfo(ProfileInfoListRequest::default()),
        Psmo::SetDefaultDpAddress { address: ADDRESS },
        Psmo::GetRat,
    ];
    let ecos = vec![
        Eco::AddEim(Box::new(eim.clone())),
        Eco::DeleteEim { eim_id: "eim" },
        Eco::UpdateEim(Box::new(eim)),
        Eco::ListEim,
    ];
    let requests = [EuiccPackage::Psmo(psmos), EuiccPackage::Eco(ecos)].map(|operations| {
        let signed = EuiccPackageSigned {
            eim_id: "eim",
            eid: &[0x89; 16],
            counter_value: 1,
            eim_transaction_id: id,
            operations,
        };
        let der = signed.to_der();
        EuiccPackageRequest { euicc_package_signed: raw(&der, signed), eim_signature: SIGNATURE }.to_der()
    });
    let listed = ProfileInfo { iccid: Some(ICCID), profile_state: Some(1), ..ProfileInfo::default() };
    let data = EuiccPackageResultDataSigned {
        eim_id: "eim",
        counter_value: 1,
        eim_transaction_id: id,
        seq_number: 7,
        results: vec![
            EuiccResultData::Enable(EnableProfileResult::Ok),
            EuiccResultData::ListProfileInfo(Ok(vec![listed])),
            EuiccResultData::AddEim(AddEimResult::AssociationToken(1)),
            EuiccResultData::ListEim(Ok(vec![EimIdInfo { eim_id: "eim", eim_id_type: None }])),
        ],
    };
    let error = EuiccPackageErrorDataSigned {
        eim_id: "eim",
        counter_value: 1,
        eim_transaction_id: id,
        code: EuiccPackageErrorCode::ReplayError,
    };
    let (data_der, error_der) = (data.to_der(), error.to_der());
    let unsigned = EuiccPackageErrorUnsigned {
        eim_id: "eim",
        eim_transaction_id: id,
        association_token: Some(1),
        code: None,
    };
    let results = [
        EuiccPackageResult::Signed { data: raw(&data_der, data), signature: SIGNATURE },
        EuiccPackageResult::ErrorSigned { data: raw(&error_der, error), signature: SIGNATURE },
        EuiccPackageResult::ErrorUnsigned(unsigned),
    ];
    let compact = [
        CompactCancelSessionResponse { reason: Some(2), signature: SIGNATURE }.to_der(),
        CompactPrepareDownloadResponse {
            euicc_otpk: Some(POINT),
            hash_cc: Some(HASH),
            euicc_signature2: SIGNATURE,
        }
        .to_der(),
        CompactAuthenticateResponse {
            euicc_signed1: CompactEuiccSigned1::Compact { ext_card_resource: &[0x81, 0], ctx_params1: None },
            euicc_signature1: SIGNATURE,
            euicc_certificate: None,
            eum_certificate: None,
        }
        .to_der(),
        CompactProfileInstallationResult {
            transaction_id: ID,
            seq_number: 5,
            iccid_present: true,
            final_result: CompactFinalResult::Success { aid: &[0, 0x10], sima_response: None },
            signature: SIGNATURE,
        }
        .to_der(),
    ];
    requests.into_iter().chain(results.map(|result| result.to_der())).chain(compact).collect()
}

fn oid() -> Oid {
    Oid::parse("2.999.10").expect("an identifier")
}

/// A value next to its octets, as if it had been received.
fn raw<T>(der: &[u8], value: T) -> Raw<'_, T> {
    Raw { bytes: der, value }
}

fn authentication() -> Vec<Vec<u8>> {
    let version = Some(Version([2, 5, 0]));
    let info1 = EuiccInfo1 {
        svn: Version([2, 5, 0]),
        ci_pk_ids_for_verification: vec![KEY_IDENTIFIER],
        ci_pk_ids_for_signing: vec![KEY_IDENTIFIER],
        extensions: &[],
    };
    let info2 = EuiccInfo2 {
        profile_version: version,
        svn: version,
        firmware_version: version,
        ext_card_resource: &[0x81, 0x01, 0x00, 0x82, 0x03, 0x01, 0x00, 0x00],
        uicc_capability: NamedBits(0x1F2),
        ts102241_version: version,
        globalplatform_version: version,
        rsp_capability: NamedBits(0b1001),
        ci_pk_ids_for_verification: vec![KEY_IDENTIFIER],
        ci_pk_ids_for_signing: vec![KEY_IDENTIFIER],
        category: Some(2),
        forbidden_profile_policy_rules: NamedBits(2),
        pp_version: version,
        sas_accreditation_number: "XX-YY-UP-0000",
        ipa_mode: Some(0),
        iot_specific_info: Some(IotSpecificInfo {
            iot_version: vec![Version([1, 2, 0])],
            ecall_supported: true,
            fallback_supported: true,
        }),
        others: vec![&[0xAC, 0x02, 0x80, 0x00]],
    };
    let ctx = CtxParams1 {
        matching_id: Some("AB-12"),
        device_info: DeviceInfo {
            tac: &[0x35, 0x29, 0x06, 0x11],
            device_capabilities: &[0x85, 0x03, 0x0F, 0, 0],
            imei: Some([0x53; 8]),
            extensions: &[],
        },
    };
    let server = ServerSigned1 {
        transaction_id: ID,
        euicc_challenge: &[6; 16],
        server_address: ADDRESS,
        server_challenge: &[7; 16],
    };
    let (ctx_der, server_der, info_der) = (ctx.to_der(), server.to_der(), info2.to_der());
    let request = AuthenticateServerRequest {
        server_signed1: raw(&server_der, server),
        server_signature1: SIGNATURE,
        ci_pk_id_to_be_used: KEY_IDENTIFIER,
        server_certificate: CERTIFICATE,
        ctx_params1: raw(&ctx_der, ctx.clone()),
    };
    let signed = EuiccSigned1 {
        transaction_id: ID,
        server_address: ADDRESS,
        server_challenge: &[7; 16],
        euicc_info2: raw(&info_der, info2),
        ctx_params1: raw(&ctx_der, ctx),
    };
    let signed_der = signed.to_der();
    let ok = AuthenticateServerResponse::Ok(Box::new(AuthenticateResponseOk {
        euicc_signed1: raw(&signed_der, signed),
        euicc_signature1: SIGNATURE,
        euicc_certificate: CERTIFICATE,
        eum_certificate: CERTIFICATE,
    }));
    let error = AuthenticateServerResponse::Error(AuthenticateResponseError { transaction_id: ID, code: 7 });
    vec![info1.to_der(), request.to_der(), ok.to_der(), error.to_der()]
}

fn download() -> Vec<Vec<u8>> {
    let smdp_signed2 =
        SmdpSigned2 { transaction_id: ID, cc_required_flag: true, bpp_euicc_otpk: Some(POINT) };
    let smdp_der = smdp_signed2.to_der();
    let euicc_signed2 = EuiccSigned2 { transaction_id: ID, euicc_otpk: POINT, hash_cc: Some(HASH) };
    let euicc_der = euicc_signed2.to_der();
    let cancelled = EuiccCancelSessionSigned { transaction_id: ID, smdp_oid: oid(), reason: 1 };
    let cancelled_der = cancelled.to_der();
    vec![
        PrepareDownloadRequest {
            smdp_signed2: raw(&smdp_der, smdp_signed2),
            smdp_signature2: SIGNATURE,
            hash_cc: Some(HASH),
            smdp_certificate: CERTIFICATE,
        }
        .to_der(),
        PrepareDownloadResponse::Ok {
            euicc_signed2: raw(&euicc_der, euicc_signed2),
            euicc_signature2: SIGNATURE,
        }
        .to_der(),
        PrepareDownloadResponse::Error { transaction_id: ID, code: 127 }.to_der(),
        CancelSessionRequest { transaction_id: ID, reason: 0 }.to_der(),
        CancelSessionResponse::Ok { signed: raw(&cancelled_der, cancelled), signature: SIGNATURE }.to_der(),
        CancelSessionResponse::Error(5).to_der(),
    ]
}

fn card() -> Vec<Vec<u8>> {
    let filters = [
        NotificationFilter::All,
        NotificationFilter::SeqNumber(300),
        NotificationFilter::Events(NamedBits(9)),
        NotificationFilter::EuiccPackageResults,
    ];
    let mut messages = vec![
        GetEuiccChallengeResponse { euicc_challenge: &[6; 16] }.to_der(),
        GetEuiccDataResponse { eid: &[0x89; 16] }.to_der(),
        EuiccConfiguredAddressesResponse { default_dp_address: Some(ADDRESS), root_ds_address: ADDRESS }
            .to_der(),
        ProfileIdentifier::Iccid(ICCID).to_der(),
        ProfileIdentifier::IsdpAid(AID).to_der(),
    ];
    messages.extend(filters.map(|filter| RetrieveNotificationsListRequest { filter }.to_der()));
    messages
}

fn metadata() -> Vec<Vec<u8>> {
    let icon = Some(Icon { kind: 1, image: &[0x89, 0x50, 0x4E, 0x47] });
    let notification_configurations =
        vec![NotificationConfiguration { events: NamedBits(0b1111), address: ADDRESS }];
    let profile_owner = Some(OperatorId { mcc_mnc: &[0x00, 0xF1, 0x10], gid1: Some(&[1]), gid2: Some(&[2]) });
    vec![
        StoreMetadataRequest {
            iccid: ICCID,
            service_provider_name: "Operator",
            profile_name: "Profile",
            icon,
            profile_class: 0,
            notification_configurations: notification_configurations.clone(),
            profile_owner,
            profile_policy_rules: NamedBits(2),
            extensions: &[0xBF, 0x22, 0x02, 0x80, 0x00],
        }
        .to_der(),
        ProfileInfo {
            iccid: Some(ICCID),
            isdp_aid: Some(AID),
            profile_state: Some(1),
            nickname: Some("mine"),
            service_provider_name: Some("Operator"),
            profile_name: Some("Profile"),
            icon,
            profile_class: Some(2),
            notification_configurations,
            profile_owner,
            profile_policy_rules: Some(NamedBits(0)),
            ecall_indication: Some(false),
            fallback_attribute: Some(true),
            fallback_allowed: Some(true),
        }
        .to_der(),
        ProfileInfo::default().to_der(),
    ]
}

fn package() -> Vec<Vec<u8>> {
    let channel = InitialiseSecureChannelRequest {
        remote_op_id: 1,
        transaction_id: ID,
        control_ref_template: ControlRefTemplate { key_type: &[0x88], key_len: &[0x10], host_id: &[8; 16] },
        smdp_otpk: POINT,
        smdp_sign: SIGNATURE,
    }
    .to_der();
    vec![
        BoundProfilePackage {
            initialise_secure_channel: &channel,
            first_sequence_of_87: &[0x87, 0x02, 0x00, 0x00],
            sequence_of_88: &[0x88, 0x02, 0x00, 0x00],
            second_sequence_of_87: Some(&[0x87, 0x02, 0x00, 0x00]),
            sequence_of_86: &[0x86, 0x02, 0x00, 0x00, 0x86, 0x00],
        }
        .to_der(),
        ConfigureIsdpRequest { dp_proprietary_data: None }.to_der(),
        ConfigureIsdpRequest { dp_proprietary_data: Some(&[0xB8, 0x05, 0x80, 0x03, 0x88, 0x37, 0x0A]) }
            .to_der(),
        ReplaceSessionKeysRequest {
            initial_mac_chaining_value: &[9; 16],
            ppk_enc: &[10; 16],
            ppk_cmac: &[11; 16],
        }
        .to_der(),
    ]
}

fn notifications() -> Vec<Vec<u8>> {
    let metadata = NotificationMetadata {
        seq_number: 300,
        operation: NamedBits(1),
        address: ADDRESS,
        iccid: Some(ICCID),
    };
    let metadata_der = metadata.to_der();
    let response = EuiccResponse::success().to_der();
    let results = [
        FinalResult::Success { aid: AID, sima_response: &response },
        FinalResult::Error { bpp_command_id: 5, error_reason: 12, sima_response: Some(&response) },
    ];
    let mut messages = vec![
        response.clone(),
        PendingNotification::Other(Box::new(OtherSignedNotification {
            tbs: raw(&metadata_der, metadata.clone()),
            signature: SIGNATURE,
            euicc_certificate: CERTIFICATE,
            eum_certificate: CERTIFICATE,
        }))
        .to_der(),
    ];
    messages.extend(results.map(|final_result| {
        let data = ProfileInstallationResultData {
            transaction_id: ID,
            notification_metadata: metadata.clone(),
            smdp_oid: Some(oid()),
            final_result,
        }
        .to_der();
        let value = ProfileInstallationResultData::from_der(&data).expect("a sample decodes");
        ProfileInstallationResult { data: raw(&data, value), signature: SIGNATURE }.to_der()
    }));
    messages
}
