//! ESipa in the JSON binding (SGP.32 6.4), both directions, from and to the messages of the ASN.1 binding
//! ([`simyard_asn1::iot::esipa`]): services see one form.
//!
//! ASN.1 objects are base64 of their TLV. Signatures, key identifiers and hashCc are whole TLVs too; their bare values are
//! read beside them, as some send them. Requests have no header; a response has one, and GetEimPackage tells its error
//! twice: as a pair in the header and as `eimPackageError`.

mod code;
mod transfer;

pub use code::EsipaCode;
pub use transfer::{read_transfer_request, read_transfer_response, transfer_request, transfer_response};

use serde_json::Value;
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::esipa::{
    AuthenticateClientOkDp, AuthenticateClientOkDs, AuthenticateClientRequest, AuthenticateClientResponse,
    CancelSessionRequest, CancelSessionResponse, EimAcknowledgements, EimPackage, EimPackageError,
    EimPackageResult, EsipaRequest, EsipaResponse, Function, GetBoundProfilePackageOk,
    GetBoundProfilePackageRequest, GetBoundProfilePackageResponse, GetEimPackageRequest,
    GetEimPackageResponse, HandleNotification, InitiateAuthenticationOk, InitiateAuthenticationRequest,
    InitiateAuthenticationResponse, ProvideEimPackageResultRequest, ProvideEimPackageResultResponse,
    StateChangeCause,
};
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::{Decode, Encode as _, Reader, Tag, Writer};

use super::{Member, MemberError, Members, Object, StatusCodeData, failed_with, members, success, to_base64};
use crate::ident::TransactionId;

const HEX: &str = "2 to 32 hexadecimal digits";
const OBJECT: &str = "the base64 of its TLV";

/// The path of a function, below `/gsma/rsp2/`.
#[must_use]
pub const fn path(function: Function) -> &'static str {
    match function {
        Function::InitiateAuthentication => "esipa/initiateAuthentication",
        Function::GetBoundProfilePackage => "esipa/getBoundProfilePackage",
        Function::AuthenticateClient => "esipa/authenticateClient",
        Function::HandleNotification => "esipa/handleNotification",
        Function::CancelSession => "esipa/cancelSession",
        Function::TransferEimPackage => "esipa/transferEimPackage",
        Function::GetEimPackage => "esipa/getEimPackage",
        Function::ProvideEimPackageResult => "esipa/provideEimPackageResult",
    }
}

/// A request as a body.
#[must_use]
pub fn request(request: &EsipaRequest) -> Vec<u8> {
    let body = match request {
        EsipaRequest::InitiateAuthentication(request) => members! {
            "euiccChallenge": to_base64(&request.euicc_challenge),
            "euiccInfo1": request.euicc_info1.as_deref().map(to_base64),
            "smdpAddress": request.smdp_address.as_deref().map(Member::Text),
            "eimTransactionId": request.eim_transaction_id.map(|id| Value::from(id.to_string())),
        },
        EsipaRequest::AuthenticateClient(request) => members! {
            "transactionId": hex(&request.transaction_id),
            "authenticateServerResponse": to_base64(&request.authenticate_server_response),
        },
        EsipaRequest::GetBoundProfilePackage(request) => members! {
            "transactionId": hex(&request.transaction_id),
            "prepareDownloadResponse": to_base64(&request.prepare_download_response),
        },
        EsipaRequest::CancelSession(request) => members! {
            "transactionId": hex(&request.transaction_id),
            "cancelSessionResponse": to_base64(&request.cancel_session_response),
        },
        EsipaRequest::HandleNotification(HandleNotification::PendingNotification(notification)) => {
            members! { "pendingNotification": to_base64(notification) }
        }
        EsipaRequest::HandleNotification(HandleNotification::ProvideEimPackageResult(result)) => {
            members! { "provideEimPackageResult": encoded(&result.to_der()) }
        }
        EsipaRequest::GetEimPackage(request) => members! {
            "eidValue": Value::from(hex::encode(request.eid_value)),
            "notifyStateChange": request.notify_state_change.then_some(Value::from(true)),
            "stateChangeCause": request.state_change_cause.map(|cause| Value::from(cause.code())),
            "rPlmn": request.r_plmn.as_ref().map(|plmn| to_base64(plmn)),
        },
        EsipaRequest::ProvideEimPackageResult(request) => members! {
            "eidValue": request.eid_value.map(|eid| Value::from(hex::encode(eid))),
            "eimPackageResult": encoded(&request.eim_package_result.to_der()),
        },
    };
    body.to_json()
}

/// Reads the body of a request. No IPA calls TransferEimPackage.
///
/// # Errors
/// [`MemberError`] naming the first member that cannot be used.
pub fn read_request(function: Function, body: &[u8]) -> Result<EsipaRequest, MemberError> {
    let members = Members::read(body)?;
    Ok(match function {
        Function::InitiateAuthentication => {
            EsipaRequest::InitiateAuthentication(read_initiate_authentication(&members)?)
        }
        Function::AuthenticateClient => EsipaRequest::AuthenticateClient(AuthenticateClientRequest {
            transaction_id: transaction_id(&members)?,
            authenticate_server_response: object(&members, "authenticateServerResponse", Tag(0xBF38))?,
        }),
        Function::GetBoundProfilePackage => {
            EsipaRequest::GetBoundProfilePackage(GetBoundProfilePackageRequest {
                transaction_id: transaction_id(&members)?,
                prepare_download_response: object(&members, "prepareDownloadResponse", Tag(0xBF21))?,
            })
        }
        Function::CancelSession => EsipaRequest::CancelSession(CancelSessionRequest {
            transaction_id: transaction_id(&members)?,
            cancel_session_response: object(&members, "cancelSessionResponse", Tag(0xBF41))?,
        }),
        Function::HandleNotification => EsipaRequest::HandleNotification(read_notification(&members)?),
        Function::GetEimPackage => EsipaRequest::GetEimPackage(read_poll(&members)?),
        Function::ProvideEimPackageResult => {
            EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResultRequest {
                eid_value: optional_eid(&members)?,
                eim_package_result: read_result(&members)?,
            })
        }
        Function::TransferEimPackage => return Err(MemberError::NoObject),
    })
}

fn read_initiate_authentication(members: &Members) -> Result<InitiateAuthenticationRequest, MemberError> {
    let invalid = MemberError::Invalid { member: "euiccChallenge", expected: "16 octets in base64" };
    let id = members.optional_parsed::<TransactionId>("eimTransactionId", HEX)?;
    Ok(InitiateAuthenticationRequest {
        euicc_challenge: members.base64("euiccChallenge")?.try_into().map_err(|_| invalid)?,
        smdp_address: members.optional_text("smdpAddress")?.map(str::to_owned),
        euicc_info1: optional_object(members, "euiccInfo1", Tag(0xBF20))?,
        // An identifier has as many octets as the wire type takes.
        eim_transaction_id: id.and_then(|id| EimTransactionId::from_octets(id.as_octets())),
    })
}

fn read_notification(members: &Members) -> Result<HandleNotification, MemberError> {
    if let Some(der) = members.optional_base64("provideEimPackageResult")? {
        let result = decoded("provideEimPackageResult", &der)?;
        return Ok(HandleNotification::ProvideEimPackageResult(result));
    }
    let notification = members.base64("pendingNotification")?;
    // As a member of the message, which says what a notification may be.
    let mut message = Writer::new();
    message.nested(Function::HandleNotification.tag(), |choice| {
        choice.tlv(Tag(0xA0), &notification);
    });
    decoded("pendingNotification", &message.finish())
}

fn read_poll(members: &Members) -> Result<GetEimPackageRequest, MemberError> {
    let r_plmn = match members.optional_base64("rPlmn")? {
        Some(octets) => Some(
            octets
                .try_into()
                .map_err(|_| MemberError::Invalid { member: "rPlmn", expected: "three octets in base64" })?,
        ),
        None => None,
    };
    let cause = members.optional_number("stateChangeCause")?;
    Ok(GetEimPackageRequest {
        eid_value: optional_eid(members)?.ok_or(MemberError::Missing(EID_VALUE))?,
        notify_state_change: members.optional_boolean("notifyStateChange")?.unwrap_or_default(),
        state_change_cause: cause.map(|cause| StateChangeCause::from_code(i64::from(cause))),
        r_plmn,
    })
}

/// The CHOICE as it is, or, as one eIM reads it, within the message that it stands in.
fn read_result(members: &Members) -> Result<EimPackageResult, MemberError> {
    const NAME: &str = "eimPackageResult";
    let der = members.base64(NAME)?;
    match ProvideEimPackageResultRequest::from_der(&der) {
        Ok(request) => Ok(request.eim_package_result),
        Err(_) => decoded(NAME, &der),
    }
}

/// A response as a body; `message` is a sentence for people about an error.
#[must_use]
pub fn response(response: &EsipaResponse, message: Option<&str>) -> Vec<u8> {
    if let Some(code) = EsipaCode::of_response(response) {
        return failure(code, code.status(), message);
    }
    success(match response {
        EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Ok(ok)) => members! {
            "transactionId": ok.transaction_id.as_deref().map(hex),
            "serverSigned1": to_base64(&ok.server_signed1),
            "serverSignature1": to_base64(&ok.server_signature1),
            "euiccCiPKIdentifierToBeUsed": to_base64(&ok.euicc_ci_pk_identifier_to_be_used),
            "serverCertificate": to_base64(&ok.server_certificate),
            "matchingId": ok.matching_id.as_deref().map(Member::Text),
            "ctxParams1": ok.ctx_params1.as_deref().map(to_base64),
        },
        EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDp(ok)) => members! {
            "transactionId": ok.transaction_id.as_deref().map(hex),
            "profileMetadata": ok.profile_metadata.as_deref().map(to_base64),
            "smdpSigned2": to_base64(&ok.smdp_signed2),
            "smdpSignature2": to_base64(&ok.smdp_signature2),
            "smdpCertificate": to_base64(&ok.smdp_certificate),
            "hashCc": ok.hash_cc.as_deref().map(to_base64),
        },
        EsipaResponse::AuthenticateClient(AuthenticateClientResponse::OkDs(ok)) => members! {
            "transactionId": hex(&ok.transaction_id),
            "profileDownloadTriggerRequest": ok.profile_download_trigger.as_deref().map(to_base64),
        },
        EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Ok(ok)) => members! {
            "transactionId": ok.transaction_id.as_deref().map(hex),
            "boundProfilePackage": to_base64(&ok.bound_profile_package),
        },
        EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(package)) => package_members(package),
        EsipaResponse::ProvideEimPackageResult(ProvideEimPackageResultResponse::Acknowledgements(
            acknowledged,
        )) => {
            members! { "eimAcknowledgements": encoded(&acknowledged.to_der()) }
        }
        // What says more by no member: a cancelled session, a result that needs no acknowledgement. Errors are above.
        EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Error(_))
        | EsipaResponse::AuthenticateClient(AuthenticateClientResponse::Error(_))
        | EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Error(_))
        | EsipaResponse::CancelSession(_)
        | EsipaResponse::GetEimPackage(GetEimPackageResponse::Error(_))
        | EsipaResponse::ProvideEimPackageResult(_) => Object::default(),
    })
}

/// The body of a function that failed, with another pair than that of its code where the request itself is at fault.
#[must_use]
pub fn failure(
    code: EsipaCode,
    (subject, reason): (super::status::Subject, super::status::Reason),
    message: Option<&str>,
) -> Vec<u8> {
    let data = StatusCodeData {
        subject_code: subject.code().to_owned(),
        reason_code: reason.code().to_owned(),
        subject_identifier: None,
        message: message.map(str::to_owned),
    };
    let body = match code {
        EsipaCode::GetEimPackage(code) => members! { "eimPackageError": Value::from(code.code()) },
        _ => Object::default(),
    };
    failed_with(&data, body)
}

/// Reads the body of a response. HandleNotification has none.
///
/// # Errors
/// [`MemberError`] naming the first member that cannot be used.
pub fn read_response(function: Function, body: &[u8]) -> Result<EsipaResponse, MemberError> {
    let members = Members::read(body)?;
    if function == Function::GetEimPackage {
        return read_poll_response(&members).map(EsipaResponse::GetEimPackage);
    }
    if let Err(data) = super::read_outcome(&members)? {
        let code = EsipaCode::of_status(function, &data).ok_or(MemberError::NoObject)?;
        return Ok(code.to_response());
    }
    let members = &members;
    Ok(match function {
        Function::InitiateAuthentication => {
            let ok = Box::new(read_initiated(members)?);
            EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Ok(ok))
        }
        Function::AuthenticateClient => EsipaResponse::AuthenticateClient(read_authenticated(members)?),
        Function::GetBoundProfilePackage => EsipaResponse::GetBoundProfilePackage(
            GetBoundProfilePackageResponse::Ok(GetBoundProfilePackageOk {
                transaction_id: optional_transaction_id(members)?,
                bound_profile_package: object(members, "boundProfilePackage", Tag(0xBF36))?,
            }),
        ),
        Function::CancelSession => EsipaResponse::CancelSession(CancelSessionResponse::Ok),
        Function::ProvideEimPackageResult => {
            let response = match members.optional_base64("eimAcknowledgements")? {
                Some(der) => ProvideEimPackageResultResponse::Acknowledgements(
                    decoded::<EimAcknowledgements>("eimAcknowledgements", &der)?,
                ),
                None => ProvideEimPackageResultResponse::Empty,
            };
            EsipaResponse::ProvideEimPackageResult(response)
        }
        Function::GetEimPackage | Function::HandleNotification | Function::TransferEimPackage => {
            return Err(MemberError::NoObject);
        }
    })
}

fn read_initiated(members: &Members) -> Result<InitiateAuthenticationOk, MemberError> {
    Ok(InitiateAuthenticationOk {
        transaction_id: optional_transaction_id(members)?,
        server_signed1: object(members, "serverSigned1", Tag::SEQUENCE)?,
        server_signature1: object_or_bare(members, "serverSignature1", SIGNATURE)?,
        euicc_ci_pk_identifier_to_be_used: object_or_bare(
            members,
            "euiccCiPKIdentifierToBeUsed",
            Tag::OCTET_STRING,
        )?,
        server_certificate: object(members, "serverCertificate", Tag::SEQUENCE)?,
        matching_id: members.optional_text("matchingId")?.map(str::to_owned),
        ctx_params1: optional_object(members, "ctxParams1", Tag(0xA0))?,
    })
}

fn read_authenticated(members: &Members) -> Result<AuthenticateClientResponse, MemberError> {
    if let Some(trigger) = optional_object(members, "profileDownloadTriggerRequest", Tag(0xBF54))? {
        return Ok(AuthenticateClientResponse::OkDs(AuthenticateClientOkDs {
            transaction_id: transaction_id(members)?,
            profile_download_trigger: Some(trigger),
        }));
    }
    let hash_cc = match members.optional_text("hashCc")? {
        Some(_) => Some(object_or_bare(members, "hashCc", Tag::OCTET_STRING)?),
        None => None,
    };
    Ok(AuthenticateClientResponse::OkDp(Box::new(AuthenticateClientOkDp {
        transaction_id: optional_transaction_id(members)?,
        profile_metadata: optional_object(members, "profileMetadata", Tag(0xBF25))?,
        smdp_signed2: object(members, "smdpSigned2", Tag::SEQUENCE)?,
        smdp_signature2: object_or_bare(members, "smdpSignature2", SIGNATURE)?,
        smdp_certificate: object(members, "smdpCertificate", Tag::SEQUENCE)?,
        hash_cc,
    })))
}

/// The error stands in the header, as a member, or in both; one eIM sends 0 where there is none.
fn read_poll_response(members: &Members) -> Result<GetEimPackageResponse, MemberError> {
    if let Some(code) = members.optional_number("eimPackageError")?.filter(|code| *code != 0) {
        return Ok(GetEimPackageResponse::Error(EimPackageError::from_code(i64::from(code))));
    }
    if let Err(data) = super::read_outcome(members)?
        && let Some(EsipaCode::GetEimPackage(code)) = EsipaCode::of_status(Function::GetEimPackage, &data)
    {
        return Ok(GetEimPackageResponse::Error(code));
    }
    read_package(members)?
        .map(GetEimPackageResponse::Package)
        .ok_or(MemberError::Missing("euiccPackageRequest"))
}

/// The one member that an eIM package is.
fn package_members(package: &EimPackage) -> Object<'_> {
    match package {
        EimPackage::EuiccPackageRequest(der) => members! { "euiccPackageRequest": to_base64(der) },
        EimPackage::IpaEuiccDataRequest(der) => members! { "ipaEuiccDataRequest": to_base64(der) },
        EimPackage::ProfileDownloadTriggerRequest(der) => {
            members! { "profileDownloadTriggerRequest": to_base64(der) }
        }
    }
}

fn read_package(members: &Members) -> Result<Option<EimPackage>, MemberError> {
    if let Some(der) = optional_object(members, "euiccPackageRequest", Tag(0xBF51))? {
        return Ok(Some(EimPackage::EuiccPackageRequest(der)));
    }
    if let Some(der) = optional_object(members, "ipaEuiccDataRequest", Tag(0xBF52))? {
        return Ok(Some(EimPackage::IpaEuiccDataRequest(der)));
    }
    let trigger = optional_object(members, "profileDownloadTriggerRequest", Tag(0xBF54))?;
    Ok(trigger.map(EimPackage::ProfileDownloadTriggerRequest))
}

/// The member that names a device; errors about it have codes of their own.
pub const EID_VALUE: &str = "eidValue";

fn optional_eid(members: &Members) -> Result<Option<[u8; 16]>, MemberError> {
    let Some(text) = members.optional_text(EID_VALUE)? else { return Ok(None) };
    let eid = crate::ident::Eid::parse(text)
        .map_err(|_| MemberError::Invalid { member: EID_VALUE, expected: "32 decimal digits" })?;
    Ok(Some(eid.to_bcd()))
}

/// Upper-case hexadecimal digits.
fn hex(octets: &[u8]) -> Value {
    Value::from(hex::encode_upper(octets))
}

/// Base64 of octets that nobody keeps.
fn encoded(octets: &[u8]) -> Value {
    use base64::Engine as _;
    Value::from(base64::engine::general_purpose::STANDARD.encode(octets))
}

fn transaction_id(members: &Members) -> Result<Vec<u8>, MemberError> {
    optional_transaction_id(members)?.ok_or(MemberError::Missing("transactionId"))
}

fn optional_transaction_id(members: &Members) -> Result<Option<Vec<u8>>, MemberError> {
    let id = members.optional_parsed::<TransactionId>("transactionId", HEX)?;
    Ok(id.map(|id| id.as_octets().to_vec()))
}

/// A message that a member holds.
fn decoded<'a, T: Decode<'a>>(member: &'static str, der: &'a [u8]) -> Result<T, MemberError> {
    T::from_der(der).map_err(|_| MemberError::Invalid { member, expected: OBJECT })
}

/// Whether octets are one TLV with this tag.
fn is_object(octets: &[u8], tag: Tag) -> bool {
    let mut reader = Reader::new(octets, "object");
    reader.expect(tag).is_ok() && reader.is_empty()
}

fn optional_object(
    members: &Members,
    member: &'static str,
    tag: Tag,
) -> Result<Option<Vec<u8>>, MemberError> {
    match members.optional_base64(member)? {
        Some(der) if is_object(&der, tag) => Ok(Some(der)),
        Some(_) => Err(MemberError::Invalid { member, expected: OBJECT }),
        None => Ok(None),
    }
}

fn object(members: &Members, member: &'static str, tag: Tag) -> Result<Vec<u8>, MemberError> {
    optional_object(members, member, tag)?.ok_or(MemberError::Missing(member))
}

/// A value that some send without its tag and length.
fn object_or_bare(members: &Members, member: &'static str, tag: Tag) -> Result<Vec<u8>, MemberError> {
    /// The longest of them: a signature, with room for other curves.
    const MAX_BARE_OCTETS: usize = 160;
    let octets = members.base64(member)?;
    if is_object(&octets, tag) {
        return Ok(octets);
    }
    if octets.is_empty() || octets.len() > MAX_BARE_OCTETS {
        return Err(MemberError::Invalid { member, expected: OBJECT });
    }
    let mut whole = Writer::new();
    whole.tlv(tag, &octets);
    Ok(whole.finish())
}

#[cfg(test)]
mod tests;
