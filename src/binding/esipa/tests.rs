//! Every message over JSON and back, what is accepted beside the standard's form, and every member of a wrong kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use simyard_asn1::iot::esipa::{
    EimPackageResultErrorCode, ProvideEimPackageResultError, TransferEimPackageError,
    TransferEimPackageRequest, TransferEimPackageResponse,
};
use simyard_asn1::{Decode as _, Encode as _};

use super::*;

const EID: &str = "89049032000000000000279973200019";

/// One TLV with this tag and any content.
fn tlv(tag: u32) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..80).prop_map(move |content| {
        let mut writer = Writer::new();
        writer.tlv(Tag(tag), &content);
        writer.finish()
    })
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..=16)
}

fn eim_id() -> impl Strategy<Value = Option<EimTransactionId>> {
    proptest::option::of(octets().prop_map(|octets| EimTransactionId::from_octets(&octets).unwrap()))
}

fn eid() -> [u8; 16] {
    hex::decode(EID).unwrap().try_into().unwrap()
}

fn results() -> impl Strategy<Value = EimPackageResult> {
    let notifications =
        proptest::collection::vec(prop_oneof![tlv(0xBF37), tlv(0x30), tlv(0xA0), tlv(0xA1)], 0..3);
    prop_oneof![
        tlv(0xBF51).prop_map(EimPackageResult::EuiccPackageResult),
        (tlv(0xBF51), notifications).prop_map(|(euicc_package_result, notifications)| {
            EimPackageResult::EprAndNotifications { euicc_package_result, notifications }
        }),
        tlv(0xBF52).prop_map(EimPackageResult::IpaEuiccDataResponse),
        tlv(0xBF54).prop_map(EimPackageResult::ProfileDownloadTriggerResult),
        (eim_id(), 0_i64..200).prop_map(|(eim_transaction_id, code)| EimPackageResult::ResponseError {
            eim_transaction_id,
            code: EimPackageResultErrorCode::from_code(code),
        }),
    ]
}

fn packages() -> impl Strategy<Value = EimPackage> {
    prop_oneof![
        tlv(0xBF51).prop_map(EimPackage::EuiccPackageRequest),
        tlv(0xBF52).prop_map(EimPackage::IpaEuiccDataRequest),
        tlv(0xBF54).prop_map(EimPackage::ProfileDownloadTriggerRequest),
    ]
}

fn requests() -> impl Strategy<Value = EsipaRequest> {
    let initiate = (
        any::<[u8; 16]>(),
        proptest::option::of("[a-z.]{1,40}"),
        proptest::option::of(tlv(0xBF20)),
        eim_id(),
    );
    let poll = (any::<bool>(), proptest::option::of(0_i64..200), proptest::option::of(any::<[u8; 3]>()));
    let provide = || {
        (any::<bool>(), results()).prop_map(|(named, eim_package_result)| ProvideEimPackageResultRequest {
            eid_value: named.then(eid),
            eim_package_result,
        })
    };
    let notification = prop_oneof![
        prop_oneof![tlv(0xBF37), tlv(0x30), tlv(0xA0), tlv(0xA1)]
            .prop_map(HandleNotification::PendingNotification),
        provide().prop_map(HandleNotification::ProvideEimPackageResult),
    ];
    let cancel = prop_oneof![tlv(0xA0), tlv(0xA2), Just(vec![0x81, 0x01, 0x05])].prop_map(|alternative| {
        let mut writer = Writer::new();
        writer.tlv(Tag(0xBF41), &alternative);
        writer.finish()
    });
    prop_oneof![
        initiate.prop_map(|(euicc_challenge, smdp_address, euicc_info1, eim_transaction_id)| {
            EsipaRequest::InitiateAuthentication(InitiateAuthenticationRequest {
                euicc_challenge,
                smdp_address,
                euicc_info1,
                eim_transaction_id,
            })
        }),
        (octets(), tlv(0xBF38)).prop_map(|(transaction_id, authenticate_server_response)| {
            EsipaRequest::AuthenticateClient(AuthenticateClientRequest {
                transaction_id,
                authenticate_server_response,
            })
        }),
        (octets(), tlv(0xBF21)).prop_map(|(transaction_id, prepare_download_response)| {
            EsipaRequest::GetBoundProfilePackage(GetBoundProfilePackageRequest {
                transaction_id,
                prepare_download_response,
            })
        }),
        (octets(), cancel).prop_map(|(transaction_id, cancel_session_response)| {
            EsipaRequest::CancelSession(CancelSessionRequest { transaction_id, cancel_session_response })
        }),
        notification.prop_map(EsipaRequest::HandleNotification),
        poll.prop_map(|(notify_state_change, cause, r_plmn)| {
            EsipaRequest::GetEimPackage(GetEimPackageRequest {
                eid_value: eid(),
                notify_state_change,
                state_change_cause: cause.map(StateChangeCause::from_code),
                r_plmn,
            })
        }),
        provide().prop_map(EsipaRequest::ProvideEimPackageResult),
    ]
}

fn responses() -> impl Strategy<Value = EsipaResponse> {
    let codes: Vec<EsipaCode> = Function::ALL.into_iter().flat_map(EsipaCode::all).collect();
    let initiated = (
        proptest::option::of(octets()),
        (tlv(0x30), tlv(0x5F37), tlv(0x04), tlv(0x30)),
        proptest::option::of("[A-Z0-9-]{0,20}"),
        proptest::option::of(tlv(0xA0)),
    );
    let authenticated = (
        proptest::option::of(octets()),
        proptest::option::of(tlv(0xBF25)),
        (tlv(0x30), tlv(0x5F37), tlv(0x30)),
        proptest::option::of(tlv(0x04)),
    );
    prop_oneof![
        proptest::sample::select(codes).prop_map(EsipaCode::to_response),
        initiated.prop_map(
            |(transaction_id, (signed, signature, key, certificate), matching_id, ctx_params1)| {
                let ok = InitiateAuthenticationOk {
                    transaction_id,
                    server_signed1: signed,
                    server_signature1: signature,
                    euicc_ci_pk_identifier_to_be_used: key,
                    server_certificate: certificate,
                    matching_id,
                    ctx_params1,
                };
                EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Ok(Box::new(ok)))
            }
        ),
        authenticated.prop_map(
            |(transaction_id, profile_metadata, (signed, signature, certificate), hash_cc)| {
                let ok = AuthenticateClientOkDp {
                    transaction_id,
                    profile_metadata,
                    smdp_signed2: signed,
                    smdp_signature2: signature,
                    smdp_certificate: certificate,
                    hash_cc,
                };
                EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDp(Box::new(ok)))
            }
        ),
        (octets(), tlv(0xBF54)).prop_map(|(transaction_id, trigger)| {
            let ok = AuthenticateClientOkDs { transaction_id, profile_download_trigger: Some(trigger) };
            EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDs(ok))
        }),
        (proptest::option::of(octets()), tlv(0xBF36)).prop_map(|(transaction_id, bound_profile_package)| {
            let ok = GetBoundProfilePackageOk { transaction_id, bound_profile_package };
            EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Ok(ok))
        }),
        Just(EsipaResponse::CancelSession(CancelSessionResponse::Ok)),
        packages().prop_map(|package| EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(package))),
        Just(EsipaResponse::ProvideEimPackageResult(ProvideEimPackageResultResponse::Empty)),
        proptest::collection::vec(any::<u32>(), 0..5).prop_map(|numbers| {
            let acknowledged = EimAcknowledgements(numbers);
            let response = ProvideEimPackageResultResponse::Acknowledgements(acknowledged);
            EsipaResponse::ProvideEimPackageResult(response)
        }),
    ]
}

fn function(response: &EsipaResponse) -> Function {
    match response {
        EsipaResponse::InitiateAuthentication(_) => Function::InitiateAuthentication,
        EsipaResponse::AuthenticateClient(_) => Function::AuthenticateClient,
        EsipaResponse::GetBoundProfilePackage(_) => Function::GetBoundProfilePackage,
        EsipaResponse::CancelSession(_) => Function::CancelSession,
        EsipaResponse::GetEimPackage(_) => Function::GetEimPackage,
        EsipaResponse::ProvideEimPackageResult(_) => Function::ProvideEimPackageResult,
    }
}

proptest! {
    #[test]
    fn requests_go_both_ways(sent in requests()) {
        let body = request(&sent);
        prop_assert_eq!(&read_request(sent.function(), &body).unwrap(), &sent);
        // And over the other binding.
        prop_assert_eq!(EsipaRequest::from_der(&sent.to_der()).unwrap(), sent);
    }

    #[test]
    fn responses_go_both_ways(sent in responses()) {
        let body = response(&sent, Some("why"));
        prop_assert_eq!(&read_response(function(&sent), &body).unwrap(), &sent);
        prop_assert_eq!(EsipaResponse::from_der(&sent.to_der()).unwrap(), sent);
    }

    #[test]
    fn transfers_go_both_ways(package in packages(), result in results()) {
        let sent = TransferEimPackageRequest::Package(package);
        prop_assert_eq!(&read_transfer_request(&transfer_request(&sent)).unwrap(), &sent);
        let sent = match result {
            EimPackageResult::EuiccPackageResult(der) => TransferEimPackageResponse::EuiccPackageResult(der),
            EimPackageResult::EprAndNotifications { euicc_package_result, notifications } => {
                TransferEimPackageResponse::EprAndNotifications { euicc_package_result, notifications }
            }
            EimPackageResult::IpaEuiccDataResponse(der) => TransferEimPackageResponse::IpaEuiccDataResponse(der),
            EimPackageResult::ProfileDownloadTriggerResult(_) => TransferEimPackageResponse::Received,
            EimPackageResult::ResponseError { .. } => {
                TransferEimPackageResponse::Error(TransferEimPackageError::UnknownPackage)
            }
        };
        prop_assert_eq!(&read_transfer_response(&transfer_response(&sent)).unwrap(), &sent);
    }
}

fn body(json: &Value) -> Vec<u8> {
    serde_json::to_vec(json).unwrap()
}

fn base64(text: &str) -> String {
    STANDARD.encode(hex::decode(text.replace(' ', "")).unwrap())
}

fn header(status: &str, subject: &str, reason: &str) -> Value {
    let data = json!({ "subjectCode": subject, "reasonCode": reason });
    json!({ "functionExecutionStatus": { "status": status, "statusCodeData": data } })
}

#[test]
fn names_are_those_of_the_standard() {
    let poll = GetEimPackageRequest {
        notify_state_change: true,
        state_change_cause: Some(StateChangeCause::Fallback),
        r_plmn: Some([0x62, 0xF2, 0x10]),
        ..GetEimPackageRequest::new(eid())
    };
    let text = String::from_utf8(request(&EsipaRequest::GetEimPackage(poll))).unwrap();
    let expected =
        format!(r#"{{"eidValue":"{EID}","notifyStateChange":true,"stateChangeCause":1,"rPlmn":"YvIQ"}}"#);
    assert_eq!(text, expected);
    let none = EsipaCode::GetEimPackage(EimPackageError::NoEimPackageAvailable).to_response();
    let text = String::from_utf8(response(&none, Some("nothing for it"))).unwrap();
    assert_eq!(
        text,
        r#"{"eimPackageError":1,"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.1.1","reasonCode":"3.7","message":"nothing for it"}}}}"#
    );
    assert_eq!(path(Function::ProvideEimPackageResult), "esipa/provideEimPackageResult");
    for function in Function::ALL {
        assert_eq!(path(function), format!("esipa/{}", function.name()));
    }
}

#[test]
fn an_error_of_a_poll_is_told_by_either_place() {
    let read = |json: Value| read_response(Function::GetEimPackage, &body(&json)).unwrap();
    let error = |code| EsipaCode::GetEimPackage(code).to_response();
    assert_eq!(read(json!({ "eimPackageError": 2 })), error(EimPackageError::EidNotFound));
    let failed = header("Failed", "8.1.1", "3.9");
    assert_eq!(read(json!({ "header": failed })), error(EimPackageError::EidNotFound));
    let other = header("Failed", "8.8", "3.9");
    assert_eq!(read(json!({ "header": other })), error(EimPackageError::UndefinedError));
    assert_eq!(read(json!({ "eimPackageError": 99 })), error(EimPackageError::Other(99)));
    // One eIM says 0 where there is no error.
    let success = header("Executed-Success", "", "");
    let package = json!({ "header": success, "eimPackageError": 0, "euiccPackageRequest": base64("BF5100") });
    let expected = GetEimPackageResponse::Package(EimPackage::EuiccPackageRequest(vec![0xBF, 0x51, 0]));
    assert_eq!(read(package), EsipaResponse::GetEimPackage(expected));
    let nothing = body(&json!({ "header": success }));
    let missing = MemberError::Missing("euiccPackageRequest");
    assert_eq!(read_response(Function::GetEimPackage, &nothing), Err(missing));
}

#[test]
fn bare_values_are_read_beside_whole_ones() {
    let whole = |signature: &str, key: &str| {
        body(&json!({
            "header": header("Executed-Success", "", ""),
            "serverSigned1": base64("3000"),
            "serverSignature1": base64(signature),
            "euiccCiPKIdentifierToBeUsed": base64(key),
            "serverCertificate": base64("3000"),
        }))
    };
    let signature = "AA".repeat(64);
    let with_tags = whole(&format!("5F3740{signature}"), &format!("0414{}", "BB".repeat(20)));
    let bare = whole(&signature, &"BB".repeat(20));
    let function = Function::InitiateAuthentication;
    assert_eq!(read_response(function, &bare).unwrap(), read_response(function, &with_tags).unwrap());
    assert!(read_response(function, &whole("", "0400")).is_err());
    assert!(read_response(function, &whole(&"AA".repeat(161), "0400")).is_err());
}

#[test]
fn a_result_is_read_within_its_message_too() {
    let alone = json!({ "eidValue": EID, "eimPackageResult": base64("BF5202A10000") });
    assert!(
        read_request(Function::ProvideEimPackageResult, &body(&alone)).is_err(),
        "BF52 and one octet more"
    );
    let alone = json!({ "eidValue": EID, "eimPackageResult": base64("BF5202A100") });
    let within = json!({ "eidValue": EID, "eimPackageResult": base64("BF5005BF5202A100") });
    let read = |json: &Value| read_request(Function::ProvideEimPackageResult, &body(json)).unwrap();
    assert_eq!(read(&alone), read(&within));
    let EsipaRequest::ProvideEimPackageResult(result) = read(&alone) else { panic!("another function") };
    assert_eq!(result.eid_value, Some(eid()));
}

#[test]
fn identifiers_are_read_in_both_cases() {
    for id in ["0a0B", "0A0b"] {
        let json = json!({ "transactionId": id, "cancelSessionResponse": base64("BF4103810105") });
        let EsipaRequest::CancelSession(cancel) =
            read_request(Function::CancelSession, &body(&json)).unwrap()
        else {
            panic!("another function")
        };
        assert_eq!(cancel.transaction_id, [0x0A, 0x0B]);
    }
}

/// One good body of each function that an IPA calls.
fn good(function: Function) -> Value {
    match function {
        Function::InitiateAuthentication => json!({
            "euiccChallenge": base64(&"07".repeat(16)),
            "euiccInfo1": base64("BF2000"),
            "smdpAddress": "smdp.example.com",
            "eimTransactionId": "0102",
        }),
        Function::AuthenticateClient => {
            json!({ "transactionId": "0102", "authenticateServerResponse": base64("BF3800") })
        }
        Function::GetBoundProfilePackage => {
            json!({ "transactionId": "0102", "prepareDownloadResponse": base64("BF2100") })
        }
        Function::CancelSession => {
            json!({ "transactionId": "0102", "cancelSessionResponse": base64("BF4103810105") })
        }
        Function::HandleNotification => json!({ "pendingNotification": base64("BF3700") }),
        Function::GetEimPackage => {
            json!({ "eidValue": EID, "notifyStateChange": true, "stateChangeCause": 4, "rPlmn": "YvIQ" })
        }
        Function::ProvideEimPackageResult => json!({ "eidValue": EID, "eimPackageResult": base64("BF5100") }),
        Function::TransferEimPackage => json!({ "euiccPackageRequest": base64("BF5100") }),
    }
}

#[test]
fn a_member_of_a_wrong_kind_is_named() {
    let mut tried = 0;
    for function in Function::ALL {
        let read = |json: &Value| match function {
            Function::TransferEimPackage => read_transfer_request(&body(json)).map(|_| ()),
            _ => read_request(function, &body(json)).map(|_| ()),
        };
        let good = good(function);
        assert_eq!(read(&good), Ok(()), "{function:?}");
        for member in good.as_object().unwrap().keys() {
            for wrong in
                [json!([]), json!({}), json!(-1), json!(1.5), json!("\u{e9}"), json!("AA"), json!(false)]
            {
                // What is right in itself for this member.
                let fits = match member.as_str() {
                    "notifyStateChange" => wrong.is_boolean(),
                    "smdpAddress" => wrong.is_string(),
                    "eimTransactionId" | "transactionId" => wrong == json!("AA"),
                    _ => false,
                };
                let mut changed = good.clone();
                changed[member] = wrong.clone();
                match read(&changed) {
                    Ok(()) => assert!(fits, "{function:?} {member} {wrong}"),
                    Err(MemberError::Invalid { member: named, .. }) => {
                        assert_eq!((named, fits), (member.as_str(), false), "{wrong}");
                    }
                    Err(error) => panic!("{function:?} {member} {wrong}: {error}"),
                }
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 18 * 7);
}

#[test]
fn what_is_no_object_is_refused() {
    for function in Function::ALL {
        for text in ["", "[]", "1", "{", "\"x\"", "null"] {
            assert_eq!(read_request(function, text.as_bytes()), Err(MemberError::NoObject), "{text}");
            assert_eq!(read_response(function, text.as_bytes()), Err(MemberError::NoObject), "{text}");
        }
    }
    let missing = MemberError::Missing("eidValue");
    assert_eq!(read_request(Function::GetEimPackage, b"{}"), Err(missing));
    let missing = MemberError::Missing("pendingNotification");
    assert_eq!(read_request(Function::HandleNotification, b"{}"), Err(missing));
}

#[test]
fn a_failed_function_is_read_as_its_code() {
    let failed = body(&json!({ "header": header("Failed", "8.1.1", "2.1") }));
    let expected = EsipaCode::ProvideEimPackageResult(ProvideEimPackageResultError::InvalidEid);
    assert_eq!(read_response(Function::ProvideEimPackageResult, &failed), Ok(expected.to_response()));
    assert_eq!(read_response(Function::HandleNotification, &failed), Err(MemberError::NoObject));
    assert_eq!(read_response(Function::CancelSession, b"{}"), Err(MemberError::Missing("header")));
}
