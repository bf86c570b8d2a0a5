//! JSON bodies: the property that each has, and one sample of each.

use simyard::binding::{Body, Members};

/// No body makes the reader panic, and what is read, is written to JSON that reads as the same value.
pub fn round_trip<B: Body + PartialEq>(members: &Members) {
    let Ok(value) = B::from_members(members) else { return };
    let text = serde_json::to_vec(&value.to_members()).expect("JSON can be written");
    let again = Members::read(&text).and_then(|members| B::from_members(&members));
    assert!(again.is_ok_and(|again| again == value), "another value after writing");
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
        format!(r#"{{{id},"cancelSessionResponse":"v0EA"}}"#),
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain(answers())
    .collect()
}

fn answers() -> [Vec<u8>; 2] {
    [
        br#"{"header":{"functionExecutionStatus":{"status":"Executed-Success"}}}"#.to_vec(),
        br#"{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.1","reasonCode":"6.1","subjectIdentifier":"x","message":"why"}}}}"#.to_vec(),
    ]
}
