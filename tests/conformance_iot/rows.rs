//! The rows of the table: what the digest of SGP.32 names, and every code of its results.

use simyard::binding::esipa::EsipaCode;
use simyard_asn1::iot::configuration::AddEimCode;
use simyard_asn1::iot::data::IpaEuiccDataErrorCode;
use simyard_asn1::iot::esipa::{
    AuthenticateClientErrorEsipa, EimPackageResultErrorCode, StateChangeCause, TransferEimPackageError,
};
use simyard_asn1::iot::result::{
    ConfigureImmediateEnableResult, DeleteEimResult, DeleteProfileResult, DisableProfileResult,
    EnableProfileResult, EuiccPackageErrorCode, EuiccPackageUnsignedErrorCode, ListEimError,
    ProcessingTerminated, ProfileInfoListError, RollbackProfileResult, SetDefaultDpAddressResult,
    SetFallbackAttributeResult, UnsetFallbackAttributeResult, UpdateEimResult,
};
use simyard_asn1::iot::trigger::ProfileDownloadErrorReason;
use simyard_asn1::rsp::download::cancel_session_reason;
use simyard_asn1::rsp::notification::error_reason;

use super::{Group, Row};

const NO_SM_DS: &str = "there is no SM-DS yet";
const LOCAL_FUNCTION: &str = "a code of ES10b.ConfigureImmediateProfileEnabling alone";

const OTHER_KEY: &str = "the eIM knows the eUICC's key under one CI: such a result is not believed";

/// Why no function answers with an error.
pub fn never_answered(code: EsipaCode) -> Option<&'static str> {
    match code {
        EsipaCode::AuthenticateClient(AuthenticateClientErrorEsipa::EventIdUnknown) => Some(NO_SM_DS),
        EsipaCode::AuthenticateClient(_)
        | EsipaCode::InitiateAuthentication(_)
        | EsipaCode::GetBoundProfilePackage(_)
        | EsipaCode::CancelSession(_)
        | EsipaCode::GetEimPackage(_)
        | EsipaCode::ProvideEimPackageResult(_) => None,
    }
}

fn row(id: &str, title: &str) -> Row {
    Row { id: id.to_owned(), title: title.to_owned(), absent: None }
}

fn rows(named: &[(&str, &str)]) -> Vec<Row> {
    named.iter().map(|(id, title)| row(id, title)).collect()
}

fn absent(named: &[(&str, &str, &'static str)]) -> Vec<Row> {
    named.iter().map(|(id, title, why)| Row { absent: Some(why), ..row(id, title) }).collect()
}

/// A row for each code of an enumeration.
macro_rules! codes {
    ($prefix:literal: $codes:ty) => {
        <$codes>::NAMED
            .iter()
            .map(|code| row(&format!("{}_{}", $prefix, code.code()), code.name().unwrap()))
            .collect::<Vec<Row>>()
    };
}

/// errorReasons of an installation that the eUICC signs.
pub const INSTALLATION_ERRORS: std::ops::RangeInclusive<u32> =
    error_reason::INCORRECT_INPUT_VALUES..=error_reason::PPR_NOT_ALLOWED;

fn installation_errors() -> Vec<Row> {
    let all = INSTALLATION_ERRORS.chain([error_reason::UNKNOWN]);
    all.map(|code| row(&format!("Installation_{code}"), error_reason::name(code).unwrap())).collect()
}

/// All sections.
pub fn groups() -> Vec<Group> {
    let mut groups = vec![polls(), brought(), packages()];
    groups.extend(commands());
    groups.extend([errors(), results(), data(), triggers(), relayed(), notifications(), bad_input()]);
    groups.push(Group {
        title: "From the operation to the card",
        rows: rows(&[
            ("EndToEnd_Direct", "an IPA downloads from our SM-DP+ itself"),
            ("EndToEnd_Indirect", "an IPA downloads from our SM-DP+ through the eIM"),
            (
                "EndToEnd_ForeignSwitch",
                "a switch to a profile of another operator's SM-DP+, under another PKI",
            ),
        ]),
    });
    groups.push(Group {
        title: "Not there",
        rows: absent(&[
            ("SM-DS", "ES11', contactSmds (3.2.3.1, 7.6)", NO_SM_DS),
            ("ES12", "events at an SM-DS", NO_SM_DS),
            ("CoAP", "ESipa over CoAP and DTLS", "HTTPS is the only transport"),
            ("ForeignDirect", "a direct download under a CI for which the eUICC has another key", OTHER_KEY),
        ]),
    });
    groups
}

fn brought() -> Group {
    let mut all = rows(&[
        ("Transfer_Package", "an eUICC package, its result, and EimAcknowledgements for that"),
        ("Transfer_Nobody", "a device that is not reached is handed nothing"),
        (
            "Transfer_Lost",
            "the answer is lost: the same octets for a poll, and the result by ProvideEimPackageResult",
        ),
        ("Transfer_Trigger", "eimPackageReceived, and the result by ProvideEimPackageResult"),
        ("Transfer_DataRequest", "an eUICC that nobody introduced is asked who it is"),
    ]);
    all.extend(codes!("Transfer": TransferEimPackageError));
    Group {
        title: "TransferEimPackage (5.14.4): the eIM calls a device, here by the messages alone, without TLS",
        rows: all,
    }
}

fn polls() -> Group {
    let mut all = rows(&[
        ("Poll_Nothing", "nothing waits: noEimPackageAvailable (1), and nothing is written"),
        ("Poll_Package", "an eUICC package leaves, and the same octets again until its answer came"),
        ("Poll_DataRequest", "an eUICC that nobody introduced is asked who it is"),
        ("Poll_Trigger", "a download trigger leaves with activation code and eimTransactionId"),
        ("Poll_OneAtATime", "two operations of an eUICC: one package, then the other"),
        ("Poll_Network", "another network than before: a list is asked for"),
    ]);
    all.extend(codes!("Poll_Cause": StateChangeCause));
    Group { title: "GetEimPackage (5.14.5)", rows: all }
}

fn packages() -> Group {
    Group {
        title: "eUICC packages (ESep, 2.11.1.1)",
        rows: rows(&[
            ("Package_Token", "the association token stands behind what is signed, with its sign octet"),
            ("Package_NoToken", "without a token the signature covers 84 01 00"),
            ("Package_Counter", "each package has the next counter, which is recorded before it leaves"),
            ("Package_CounterEnd", "behind 8388607 nothing is signed: the operation ends"),
            (
                "Package_Replay",
                "replayError (4) for our own counter: the eUICC is asked for its stored results",
            ),
            ("Package_ReplayLost", "the same, and it has none: its list decides"),
        ]),
    }
}

fn commands() -> Vec<Group> {
    let immediate = codes!("ConfigureImmediateEnable": ConfigureImmediateEnableResult).into_iter();
    let immediate = immediate.map(|row| match row.id.as_str() {
        "ConfigureImmediateEnable_2" => Row { absent: Some(LOCAL_FUNCTION), ..row },
        _ => row,
    });
    let mut psmos = rows(&[("ListProfileInfo", "the list is kept"), ("GetRAT", "the table is kept")]);
    psmos.extend(codes!("ListProfileInfo": ProfileInfoListError));
    psmos.extend(codes!("Enable": EnableProfileResult));
    psmos.extend(codes!("Disable": DisableProfileResult));
    psmos.extend(codes!("Delete": DeleteProfileResult));
    psmos.extend(immediate);
    psmos.extend(codes!("SetFallbackAttribute": SetFallbackAttributeResult));
    psmos.extend(codes!("UnsetFallbackAttribute": UnsetFallbackAttributeResult));
    psmos.extend(codes!("SetDefaultDpAddress": SetDefaultDpAddressResult));
    let mut ecos =
        rows(&[("AddEim_Token", "the eUICC draws a token"), ("ListEim", "the associations of the eUICC")]);
    ecos.extend(codes!("AddEim": AddEimCode));
    ecos.extend(codes!("DeleteEim": DeleteEimResult));
    ecos.extend(codes!("UpdateEim": UpdateEimResult));
    ecos.extend(codes!("ListEim": ListEimError));
    ecos.extend(rows(&[
        ("Rotation_Refused", "the eUICC takes no other key of this eIM: packages go on under the one that it knows"),
        ("Rotation", "another key of this eIM is told under the old one, and signs once the eUICC signed that it has it"),
        ("Move_Refused", "the eUICC adds no other eIM: this one is not deleted"),
        ("Move", "another eIM is added, and this one deleted once the eUICC signed that it has the other"),
    ]));
    let mut ends = rows(&[("Rollback", "the new profile has no network: the device goes back by itself")]);
    ends.extend(codes!("RollbackResult": RollbackProfileResult));
    ends.extend(codes!("ProcessingTerminated": ProcessingTerminated));
    vec![
        Group { title: "PSMOs and their results (2.11.1.1, 3.4)", rows: psmos },
        Group { title: "eCOs and their results (2.11.1.1, 3.5)", rows: ecos },
        Group { title: "Rollback, and packages that were cut short (3.4.1, 2.11.2.1)", rows: ends },
    ]
}

fn errors() -> Group {
    let mut all = codes!("PackageError": EuiccPackageErrorCode);
    all.push(row("PackageErrorUnsigned", "without a code, as version 1.2 has it"));
    all.extend(codes!("PackageErrorUnsigned": EuiccPackageUnsignedErrorCode));
    all.extend(codes!("ResponseError": EimPackageResultErrorCode));
    Group { title: "Errors in place of results (2.11.2.1, 5.14.6)", rows: all }
}

fn results() -> Group {
    Group {
        title: "ProvideEimPackageResult (5.14.6)",
        rows: rows(&[
            ("Result_Acknowledged", "its seqNumber and no other is acknowledged"),
            ("Result_Repeated", "acknowledged again, processed once"),
            ("Result_WithNotifications", "ePRAndNotifications: those that are kept are acknowledged too"),
            ("Result_WithoutEid", "eidValue is left out: the certificate, or the package, says whose it is"),
            ("Result_SignatureInDer", "the eUICC's signature in DER"),
            ("Result_WithoutAlternative", "BF51 without A0, as simulators write it"),
            ("Result_Unsigned", "of an unproven caller: what the eUICC signed counts, nothing else does"),
        ]),
    }
}

fn data() -> Group {
    let mut all = rows(&[
        ("Data_Introduction", "certificates, EUICCInfo, capabilities: kept, packages go on"),
        ("Data_StoredResults", "results that the eUICC kept are processed and acknowledged"),
        ("Data_OtherCertificate", "certificates of another eUICC are refused"),
    ]);
    all.extend(codes!("DataError": IpaEuiccDataErrorCode));
    Group { title: "IpaEuiccDataRequest (2.11.2, 5.14.6)", rows: all }
}

fn triggers() -> Group {
    let mut all = rows(&[("Trigger_Installed", "the IPA reports the installation; the list decides")]);
    all.extend(codes!("Trigger": ProfileDownloadErrorReason));
    all.extend(installation_errors());
    Group { title: "Direct downloads (3.2.3.1)", rows: all }
}

fn relayed() -> Group {
    let mut all = rows(&[
        ("Indirect", "through the eIM to the bound profile package, and the result to the SM-DP+"),
        (
            "Indirect_ConfirmationCode",
            "the eIM proves the code that it holds; the device one that it does not",
        ),
        ("Indirect_LeftOut", "no euiccInfo1, no smdpAddress: the eIM knows them, and gives ctxParams1"),
        ("Indirect_Compact", "compact forms are made whole"),
        ("Indirect_Repeated", "the same answer, without another call of the SM-DP+"),
        ("Indirect_RefusedInitiate", "each refusal of ES9+'.InitiateAuthentication becomes its code"),
        ("Indirect_RefusedAuthenticate", "each refusal of ES9+'.AuthenticateClient becomes its code"),
        ("Indirect_RefusedPackage", "each refusal of ES9+'.GetBoundProfilePackage becomes its code"),
        ("Indirect_OtherAddress", "the device asks for another SM-DP+: smdpAddressMismatch (50)"),
        ("Indirect_OtherOid", "the SM-DP+ is another one: smdpOidMismatch (51)"),
        ("Indirect_UnknownTrigger", "no such trigger: invalidEimTransactionId (52)"),
        ("Indirect_OtherEuicc", "another eUICC signs: eidMismatch (7)"),
        ("Indirect_Forged", "what does not verify goes no further than the eIM"),
        ("Indirect_OtherMetadata", "the package stores other metadata: metadataMismatch (50)"),
        ("Indirect_PolicyRule", "a rule that the eUICC does not allow: pprNotAllowed (50)"),
    ]);
    let reasons = (0..=5).chain([cancel_session_reason::UNDEFINED]);
    all.extend(
        reasons.map(|code| row(&format!("Cancel_{code}"), cancel_session_reason::name(code).unwrap())),
    );
    all.extend(rows(&[
        ("Cancel_Compact", "the compact form is made whole"),
        ("Cancel_Refused", "signed by another eUICC; the SM-DP+ is silent; it has the session no more"),
    ]));
    Group { title: "Indirect downloads (3.2.3.2), cancelled ones (3.2.3.3)", rows: all }
}

fn notifications() -> Group {
    Group {
        title: "HandleNotification (5.14.7)",
        rows: rows(&[
            ("Notification_Installed", "a ProfileInstallationResult: kept, and the download goes on"),
            ("Notification_Other", "enabled, disabled, deleted: kept for their receiver"),
            ("Notification_Compact", "without certificates: made whole"),
            ("Notification_Repeated", "kept once"),
            ("Notification_Result", "a provideEimPackageResult in place of a notification is processed"),
            ("Notification_Forged", "answered 204, kept among the refused"),
            ("Notification_OtherDevice", "of another eUICC: answered 204, kept among the refused"),
            ("Notification_Unreadable", "answered 204: it would come for ever"),
        ]),
    }
}

fn bad_input() -> Group {
    Group {
        title: "Bad input",
        rows: rows(&[
            ("Bad_OtherEid", "a device asks and reports for another eUICC: eidNotFound (2), recorded"),
            ("Bad_UnknownEuicc", "an eUICC that is not associated: eidNotFound (2)"),
            ("Bad_InvalidEid", "octets that are no EID: invalidEid (3)"),
            ("Bad_MissingEid", "no EID: missingEid (4)"),
            ("Bad_UnknownEim", "the eUICC answers for another eIM: not believed, recorded"),
            ("Bad_ForgedResult", "a changed signature: not believed, recorded"),
            ("Bad_OtherToken", "signed with another association token: not believed"),
            ("Bad_SkippedCounter", "a counter that was never used: not believed"),
            (
                "Bad_ReplayedResult",
                "the answer to an earlier package in place of this one's: changes nothing",
            ),
            ("Bad_UnknownPackage", "a package that nobody made: not believed"),
            ("Bad_NotHandedOver", "the answer to a package that has not left: not believed"),
            (
                "Bad_EndedOperation",
                "an answer whose operation ended: kept, acknowledged, the operation stays",
            ),
            (
                "Bad_UnknownProfile",
                "a profile that nobody ordered is installed, or reported: no operation moves",
            ),
            ("Bad_Oversized", "HTTP 413"),
            ("Bad_NoMessage", "no function begins so: HTTP 400"),
            ("Bad_Unreadable", "a message of a function that cannot be read: undefinedError (127)"),
            ("Bad_OtherVersion", "a version of the protocol that is not served: undefinedError (127)"),
            ("Bad_NoCertificate", "no client certificate: no connection, recorded"),
            ("Bad_OtherCa", "a certificate of another CA: no connection, recorded"),
            ("Bad_TooManyPolls", "without a certificate, too often for one EID: HTTP 429"),
            ("Bad_TriggerOfAnybody", "an unlinked trigger is not handed to a device without a certificate"),
        ]),
    }
}
