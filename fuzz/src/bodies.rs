//! Bodies of both bindings: the property that each has, and one sample of each.

use simyard::binding::asn1::{self, Asn1Answer, Asn1Request, Failure};
use simyard::binding::es9plus::{
    AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest, CancelSessionResponse,
    GetBoundProfilePackageRequest, GetBoundProfilePackageResponse, HandleNotificationRequest,
    InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use simyard::binding::{Body, Members};
use simyard_asn1::rsp::es9plus::Function;

/// No body makes the reader panic, and what is read, is written to JSON that reads as the same value.
pub fn round_trip<B: Body + PartialEq>(members: &Members) {
    let Ok(value) = B::from_members(members) else { return };
    let text = value.to_members().to_json();
    let again = Members::read(&text).and_then(|members| B::from_members(&members));
    assert!(again.is_ok_and(|again| again == value), "another value after writing");
}

/// No message makes the reader panic, and what is read, is written to a message that reads as the same value.
pub fn request_round_trip<Q: Asn1Request + PartialEq>(message: &[u8]) {
    let Ok(value) = Q::from_message(message) else { return };
    let again = Q::from_message(&value.to_message());
    assert!(again.is_ok_and(|again| again == value), "another value after writing");
}

/// As [`request_round_trip`], for answers that are no error.
pub fn answer_round_trip<A: Asn1Answer + PartialEq>(message: &[u8]) {
    let Ok(Ok(value)) = A::from_message(message) else { return };
    let again = A::from_message(&value.to_message());
    assert!(matches!(again, Ok(Ok(again)) if again == value), "another value after writing");
}

/// One body for each function of ES2+, and answers.
pub fn es2plus() -> Vec<Vec<u8>> {
    let header = r#""header":{"functionRequesterIdentifier":"1.2.3","functionCallIdentifier":"call-1"}"#;
    let iccid = r#""iccid":"89000123456789012341""#;
    let eid = r#""eid":"89049032123451234512345678901235""#;
    [
        format!(r#"{{{header},{eid},{iccid},"profileType":"consumer"}}"#),
        format!(
            r#"{{{header},{iccid},{eid},"matchingId":"AB-12","confirmationCode":"1234","smdsAddress":"ds.example.com","releaseFlag":true}}"#
        ),
        format!(r#"{{{header},{iccid},{eid},"matchingId":"AB-12","finalProfileStatusIndicator":"Unavailable"}}"#),
        format!(r#"{{{header},{iccid}}}"#),
        format!(
            r#"{{{header},{iccid},{eid},"profileType":"iot","timestamp":"2026-11-22T06:43:00Z","notificationPointId":4,"notificationPointStatus":{{"status":"Failed","statusCodeData":{{"subjectCode":"8.2.10","reasonCode":"4.2"}}}},"resultData":"vycA"}}"#
        ),
        format!(r#"{{{eid},"matchingId":"AB-12","smdpAddress":"smdp.example.com:8443"}}"#),
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain(answers())
    .collect()
}

/// One body for each function of ES9+, and answers.
pub fn es9plus() -> Vec<Vec<u8>> {
    let id = r#""transactionId":"0102030405060708090A0B0C0D0E0F10""#;
    [
        r#"{"euiccChallenge":"AAECAwQFBgcICQoLDA0ODw==","euiccInfo1":"vyAA","smdpAddress":"smdp.example.com"}"#.to_owned(),
        format!(
            r#"{{{id},"serverSigned1":"MAA=","serverSignature1":"XzcA","euiccCiPKIdToBeUsed":"BAA=","serverCertificate":"MAA="}}"#
        ),
        format!(r#"{{{id},"authenticateServerResponse":"vzgA"}}"#),
        format!(
            r#"{{{id},"profileMetadata":"vyUA","smdpSigned2":"MAA=","smdpSignature2":"XzcA","smdpCertificate":"MAA="}}"#
        ),
        format!(r#"{{{id},"prepareDownloadResponse":"vyEA"}}"#),
        format!(r#"{{{id},"boundProfilePackage":"vzYA"}}"#),
        r#"{"pendingNotification":"vzcA"}"#.to_owned(),
        format!(r#"{{{id},"cancelSessionResponse":"v0EDgQEF"}}"#),
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain(answers())
    .collect()
}

/// One request and one answer for each function of ES9+ in the ASN.1 binding.
pub fn es9plus_asn1() -> Vec<Vec<u8>> {
    fn request<Q: Asn1Request + Body>(json: &str) -> Vec<u8> {
        let members = Members::read(json.as_bytes()).expect("a sample is JSON");
        let request = Q::from_members(&members).ok().expect("a sample can be read");
        asn1::body(Q::FUNCTION, &request.to_message())
    }
    fn answer<A: Asn1Answer + Body>(json: &str) -> Vec<u8> {
        let members = Members::read(json.as_bytes()).expect("a sample is JSON");
        let answer = A::from_members(&members).ok().expect("a sample can be read");
        asn1::body(A::FUNCTION, &answer.to_message())
    }
    let json = es9plus();
    let json: Vec<&str> = json.iter().filter_map(|body| std::str::from_utf8(body).ok()).collect();
    let [initiate, initiated, authenticate, authenticated, get, got, notify, cancel, ..] = json[..] else {
        unreachable!("a sample of each")
    };
    vec![
        request::<InitiateAuthenticationRequest>(initiate),
        answer::<InitiateAuthenticationResponse>(initiated),
        request::<AuthenticateClientRequest>(authenticate),
        answer::<AuthenticateClientResponse>(authenticated),
        request::<GetBoundProfilePackageRequest>(get),
        answer::<GetBoundProfilePackageResponse>(got),
        request::<HandleNotificationRequest>(notify),
        request::<CancelSessionRequest>(cancel),
        answer::<CancelSessionResponse>("{}"),
        asn1::failed(Failure { function: Function::AuthenticateClient, code: 6 }),
    ]
}

fn answers() -> [Vec<u8>; 2] {
    [
        br#"{"header":{"functionExecutionStatus":{"status":"Executed-Success"}}}"#.to_vec(),
        br#"{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.1","reasonCode":"6.1","subjectIdentifier":"x","message":"why"}}}}"#.to_vec(),
    ]
}
