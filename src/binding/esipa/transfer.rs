//! TransferEimPackage in the JSON binding: the eIM calls the IPA.

use serde_json::Value;
use simyard_asn1::Tag;
use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackageResult, TransferEimPackageError, TransferEimPackageRequest,
    TransferEimPackageResponse,
};
use simyard_asn1::{Encode as _, Writer};

use super::{decoded, encoded, object, optional_object, package_members, read_package};
use crate::binding::{Member, MemberError, Members, members, success, to_base64};

/// A request as a body.
#[must_use]
pub fn transfer_request(request: &TransferEimPackageRequest) -> Vec<u8> {
    match request {
        TransferEimPackageRequest::Package(package) => package_members(package),
        TransferEimPackageRequest::Acknowledgements(acknowledgements) => {
            members! { "eimAcknowledgements": encoded(&acknowledgements.to_der()) }
        }
    }
    .to_json()
}

/// Reads the body of a request.
///
/// # Errors
/// [`MemberError`] naming the first member that cannot be used.
pub fn read_transfer_request(body: &[u8]) -> Result<TransferEimPackageRequest, MemberError> {
    let members = Members::read(body)?;
    if let Some(der) = members.optional_base64("eimAcknowledgements")? {
        let acknowledgements = decoded::<EimAcknowledgements>("eimAcknowledgements", &der)?;
        return Ok(TransferEimPackageRequest::Acknowledgements(acknowledgements));
    }
    let package = read_package(&members)?.ok_or(MemberError::Missing("euiccPackageRequest"))?;
    Ok(TransferEimPackageRequest::Package(package))
}

/// A response as a body. The JSON binding has no correlation of v1.3: the response then says the same without it.
#[must_use]
pub fn transfer_response(response: &TransferEimPackageResponse) -> Vec<u8> {
    match response {
        TransferEimPackageResponse::EuiccPackageResult(der) => {
            success(members! { "euiccPackageResult": to_base64(der) })
        }
        TransferEimPackageResponse::EprAndNotifications { euicc_package_result, notifications } => {
            let mut list = Writer::new();
            list.tlv(Tag::SEQUENCE, &notifications.concat());
            let list = list.finish();
            let both = members! {
                "euiccPackageResult": to_base64(euicc_package_result),
                "notificationList": to_base64(&list),
            };
            success(members! { "ePRAndNotifications": Member::Object(both) })
        }
        TransferEimPackageResponse::IpaEuiccDataResponse(der) => {
            success(members! { "ipaEuiccDataResponse": to_base64(der) })
        }
        TransferEimPackageResponse::Received | TransferEimPackageResponse::ReceivedWithCid(_) => {
            success(members! { "eimPackageReceived": Value::from(true) })
        }
        TransferEimPackageResponse::Error(code) | TransferEimPackageResponse::ErrorWithCid { code, .. } => {
            success(members! { "eimPackageError": Value::from(code.code()) })
        }
    }
}

/// Reads the body of a response.
///
/// # Errors
/// [`MemberError`] naming the first member that cannot be used.
pub fn read_transfer_response(body: &[u8]) -> Result<TransferEimPackageResponse, MemberError> {
    const RESULT: &str = "euiccPackageResult";
    let members = Members::read(body)?;
    if let Some(code) = members.optional_number("eimPackageError")?.filter(|code| *code != 0) {
        let code = TransferEimPackageError::from_code(i64::from(code));
        return Ok(TransferEimPackageResponse::Error(code));
    }
    if let Some(der) = optional_object(&members, RESULT, Tag(0xBF51))? {
        return Ok(TransferEimPackageResponse::EuiccPackageResult(der));
    }
    if let Some(both) = members.optional_object("ePRAndNotifications")? {
        let result = object(&both, RESULT, Tag(0xBF51))?;
        let list = object(&both, "notificationList", Tag::SEQUENCE)?;
        return read_both(&result, &list);
    }
    if let Some(der) = optional_object(&members, "ipaEuiccDataResponse", Tag(0xBF52))? {
        return Ok(TransferEimPackageResponse::IpaEuiccDataResponse(der));
    }
    // Whatever its value: the member alone says it.
    match members.optional_boolean("eimPackageReceived")? {
        Some(_) => Ok(TransferEimPackageResponse::Received),
        None => Err(MemberError::Missing(RESULT)),
    }
}

/// A result and a SEQUENCE OF notifications, by way of the message that has both.
fn read_both(result: &[u8], list: &[u8]) -> Result<TransferEimPackageResponse, MemberError> {
    const NAME: &str = "ePRAndNotifications";
    let mut reader = simyard_asn1::Reader::new(list, NAME);
    let invalid = |_| MemberError::Invalid { member: "notificationList", expected: super::OBJECT };
    let notifications = reader.expect(Tag::SEQUENCE).map_err(invalid)?.value;
    let mut both = Writer::new();
    both.nested(Tag::SEQUENCE, |members| {
        members.raw(result).tlv(Tag(0xA0), notifications);
    });
    match decoded::<EimPackageResult>(NAME, &both.finish())? {
        EimPackageResult::EprAndNotifications { euicc_package_result, notifications } => {
            Ok(TransferEimPackageResponse::EprAndNotifications { euicc_package_result, notifications })
        }
        _ => Err(MemberError::Invalid { member: NAME, expected: super::OBJECT }),
    }
}
