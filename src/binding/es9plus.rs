//! ES9+ (SGP.22 6.5.2.6 to 6.5.2.10): one request and one answer for each function. [`super::asn1`] writes the same ones
//! as DER.
//!
//! Signatures are whole TLVs (`5F37 40 …`), `euiccCiPKIdToBeUsed` is the TLV of an OCTET STRING, and the objects that
//! are signed start with their own tag.

use serde_json::Value;

use super::{Body, MemberError, Members, Object, members, to_base64};
use crate::ident::TransactionId;

const HEX: &str = "2 to 32 hexadecimal digits";

fn transaction_id(members: &Members) -> Result<TransactionId, MemberError> {
    members.parsed("transactionId", HEX)
}

fn id(id: &TransactionId) -> Value {
    Value::String(id.to_string())
}

/// Request of InitiateAuthentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateAuthenticationRequest {
    /// euiccChallenge.
    pub euicc_challenge: [u8; 16],
    /// euiccInfo1: DER, `BF20`.
    pub euicc_info1: Vec<u8>,
    /// smdpAddress: the address that the LPA contacted, as it spells it. A text that is no address is none of ours.
    pub smdp_address: String,
}

impl Body for InitiateAuthenticationRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "euiccChallenge": to_base64(&self.euicc_challenge),
            "euiccInfo1": to_base64(&self.euicc_info1),
            "smdpAddress": Value::from(self.smdp_address.as_str()),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        let invalid = MemberError::Invalid { member: "euiccChallenge", expected: "16 octets in base64" };
        Ok(Self {
            euicc_challenge: members.base64("euiccChallenge")?.try_into().map_err(|_| invalid)?,
            euicc_info1: members.base64("euiccInfo1")?,
            smdp_address: members.text("smdpAddress")?.to_owned(),
        })
    }
}

/// Answer of InitiateAuthentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateAuthenticationResponse {
    /// transactionId.
    pub transaction_id: TransactionId,
    /// serverSigned1: DER, `30`.
    pub server_signed1: Vec<u8>,
    /// serverSignature1: TLV, `5F37`.
    pub server_signature1: Vec<u8>,
    /// euiccCiPKIdToBeUsed: TLV, `04`.
    pub euicc_ci_pk_id_to_be_used: Vec<u8>,
    /// serverCertificate: CERT.DPauth.
    pub server_certificate: Vec<u8>,
}

impl Body for InitiateAuthenticationResponse {
    fn to_members(&self) -> Object<'_> {
        members! {
            "transactionId": id(&self.transaction_id),
            "serverSigned1": to_base64(&self.server_signed1),
            "serverSignature1": to_base64(&self.server_signature1),
            "euiccCiPKIdToBeUsed": to_base64(&self.euicc_ci_pk_id_to_be_used),
            "serverCertificate": to_base64(&self.server_certificate),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            server_signed1: members.base64("serverSigned1")?,
            server_signature1: members.base64("serverSignature1")?,
            euicc_ci_pk_id_to_be_used: members.base64("euiccCiPKIdToBeUsed")?,
            server_certificate: members.base64("serverCertificate")?,
        })
    }
}

/// Request of AuthenticateClient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientRequest {
    /// transactionId.
    pub transaction_id: TransactionId,
    /// authenticateServerResponse: DER, `BF38`.
    pub authenticate_server_response: Vec<u8>,
}

impl Body for AuthenticateClientRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "transactionId": id(&self.transaction_id),
            "authenticateServerResponse": to_base64(&self.authenticate_server_response),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            authenticate_server_response: members.base64("authenticateServerResponse")?,
        })
    }
}

/// Answer of AuthenticateClient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientResponse {
    /// transactionId.
    pub transaction_id: TransactionId,
    /// profileMetadata: DER, `BF25`.
    pub profile_metadata: Vec<u8>,
    /// smdpSigned2: DER, `30`.
    pub smdp_signed2: Vec<u8>,
    /// smdpSignature2: TLV, `5F37`.
    pub smdp_signature2: Vec<u8>,
    /// smdpCertificate: CERT.DPpb.
    pub smdp_certificate: Vec<u8>,
}

impl Body for AuthenticateClientResponse {
    fn to_members(&self) -> Object<'_> {
        members! {
            "transactionId": id(&self.transaction_id),
            "profileMetadata": to_base64(&self.profile_metadata),
            "smdpSigned2": to_base64(&self.smdp_signed2),
            "smdpSignature2": to_base64(&self.smdp_signature2),
            "smdpCertificate": to_base64(&self.smdp_certificate),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            profile_metadata: members.base64("profileMetadata")?,
            smdp_signed2: members.base64("smdpSigned2")?,
            smdp_signature2: members.base64("smdpSignature2")?,
            smdp_certificate: members.base64("smdpCertificate")?,
        })
    }
}

/// Request of GetBoundProfilePackage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBoundProfilePackageRequest {
    /// transactionId.
    pub transaction_id: TransactionId,
    /// prepareDownloadResponse: DER, `BF21`.
    pub prepare_download_response: Vec<u8>,
}

impl Body for GetBoundProfilePackageRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "transactionId": id(&self.transaction_id),
            "prepareDownloadResponse": to_base64(&self.prepare_download_response),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            prepare_download_response: members.base64("prepareDownloadResponse")?,
        })
    }
}

/// Answer of GetBoundProfilePackage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBoundProfilePackageResponse {
    /// transactionId.
    pub transaction_id: TransactionId,
    /// boundProfilePackage: DER, `BF36`.
    pub bound_profile_package: Vec<u8>,
}

impl Body for GetBoundProfilePackageResponse {
    fn to_members(&self) -> Object<'_> {
        members! {
            "transactionId": id(&self.transaction_id),
            "boundProfilePackage": to_base64(&self.bound_profile_package),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            bound_profile_package: members.base64("boundProfilePackage")?,
        })
    }
}

/// Request of HandleNotification. Its answer has no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleNotificationRequest {
    /// pendingNotification: DER, `BF37` or `30`.
    pub pending_notification: Vec<u8>,
}

impl Body for HandleNotificationRequest {
    fn to_members(&self) -> Object<'_> {
        members! { "pendingNotification": to_base64(&self.pending_notification) }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self { pending_notification: members.base64("pendingNotification")? })
    }
}

/// Request of CancelSession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelSessionRequest {
    /// transactionId.
    pub transaction_id: TransactionId,
    /// cancelSessionResponse: DER, `BF41`.
    pub cancel_session_response: Vec<u8>,
}

impl Body for CancelSessionRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "transactionId": id(&self.transaction_id),
            "cancelSessionResponse": to_base64(&self.cancel_session_response),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            cancel_session_response: members.base64("cancelSessionResponse")?,
        })
    }
}

/// Answer of CancelSession: no members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelSessionResponse;

impl Body for CancelSessionResponse {
    fn to_members(&self) -> Object<'_> {
        Object::default()
    }

    fn from_members(_: &Members) -> Result<Self, MemberError> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_standard() {
        let request = InitiateAuthenticationRequest {
            euicc_challenge: [7; 16],
            euicc_info1: vec![0xBF, 0x20, 0x00],
            smdp_address: "smdp.example.com:8443".to_owned(),
        };
        let body = String::from_utf8(request.to_members().to_json()).unwrap();
        assert_eq!(
            body,
            r#"{"euiccChallenge":"BwcHBwcHBwcHBwcHBwcHBw==","euiccInfo1":"vyAA","smdpAddress":"smdp.example.com:8443"}"#
        );
        let members = Members::read(body.as_bytes()).unwrap();
        assert_eq!(InitiateAuthenticationRequest::from_members(&members).unwrap(), request);
    }

    #[test]
    fn a_transaction_identifier_is_read_in_both_cases() {
        for text in ["0A0B", "0a0b"] {
            let body = format!(r#"{{"transactionId":"{text}","cancelSessionResponse":"v0EA"}}"#);
            let members = Members::read(body.as_bytes()).unwrap();
            let request = CancelSessionRequest::from_members(&members).unwrap();
            assert_eq!(request.transaction_id.to_string(), "0A0B");
        }
    }

    #[test]
    fn a_challenge_has_sixteen_octets() {
        let members =
            Members::read(br#"{"euiccChallenge":"BwcH","euiccInfo1":"vyAA","smdpAddress":"a.b"}"#).unwrap();
        assert!(InitiateAuthenticationRequest::from_members(&members).is_err());
    }
}
