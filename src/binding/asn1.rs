//! ES9+ in the ASN.1 binding (SGP.22 6.6): the bodies of [`super::es9plus`] as DER, both directions.
//!
//! One path takes all functions; the envelope says which one is called. Errors are integers, fewer than the pairs of
//! the JSON binding. HandleNotification has no answer.

use std::fmt;

use simyard_asn1::rsp::es9plus::{self as wire, Envelope, Function, Response, error};
use simyard_asn1::{Decode as _, Encode as _, Error, Tag, Writer};

use super::es9plus::{
    AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest, CancelSessionResponse,
    GetBoundProfilePackageRequest, GetBoundProfilePackageResponse, HandleNotificationRequest,
    InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use crate::ident::TransactionId;

/// The one path of all functions, below `/gsma/rsp2/`.
pub const PATH: &str = "asn1";
/// The content type of every body.
pub const CONTENT_TYPE: &str = "application/x-gsma-rsp-asn1";

/// The tag that CancelSessionResponse has where it stands alone.
const CANCEL_SESSION_RESPONSE: Tag = simyard_asn1::rsp::download::CancelSessionRequest::TAG;

/// A request in the ASN.1 binding.
pub trait Asn1Request: Sized {
    /// The function that it calls.
    const FUNCTION: Function;

    /// Its message, without the envelope.
    fn to_message(&self) -> Vec<u8>;

    /// Reads the message of an envelope.
    ///
    /// # Errors
    /// [`Error`] at the first octet that does not fit.
    fn from_message(message: &[u8]) -> Result<Self, Error>;
}

/// The answer of a function that was executed, in the ASN.1 binding.
pub trait Asn1Answer: Sized {
    /// The function that gives it.
    const FUNCTION: Function;

    /// Its message, without the envelope.
    fn to_message(&self) -> Vec<u8>;

    /// Reads the message of an envelope: the answer, or the integer that the function failed with.
    ///
    /// # Errors
    /// [`Error`] at the first octet that does not fit.
    fn from_message(message: &[u8]) -> Result<Result<Self, u32>, Error>;
}

/// A function that failed: its error as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The function.
    pub function: Function,
    /// One of [`error`], or a value of a later version.
    pub code: u32,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", error_name(self.function, self.code), self.code)
    }
}

/// A message in its envelope: a body.
#[must_use]
pub fn body(function: Function, message: &[u8]) -> Vec<u8> {
    Envelope { function, message }.to_der()
}

/// The body of a function that failed. HandleNotification has no answer, so it has none either.
#[must_use]
pub fn failed(failure: Failure) -> Vec<u8> {
    let mut message = Writer::new();
    message.nested(failure.function.tag(), |choice| {
        choice.integer(Tag(0x81), i64::from(failure.code));
    });
    body(failure.function, &message.finish())
}

/// The name of an error (annex H); values of later versions have none.
#[must_use]
pub const fn error_name(function: Function, code: u32) -> &'static str {
    use error::authenticate_client as authenticate;
    use error::cancel_session as cancel;
    use error::get_bound_profile_package as package;
    use error::initiate_authentication as initiate;

    match (function, code) {
        (_, error::UNDEFINED) => "undefinedError",
        (Function::InitiateAuthentication, code) => match code {
            initiate::INVALID_DP_ADDRESS => "invalidDpAddress",
            initiate::EUICC_VERSION_NOT_SUPPORTED_BY_DP => "euiccVersionNotSupportedByDp",
            initiate::CI_PK_NOT_SUPPORTED => "ciPKNotSupported",
            _ => "an unknown error",
        },
        (Function::AuthenticateClient, code) => match code {
            authenticate::EUM_CERTIFICATE_INVALID => "eumCertificateInvalid",
            authenticate::EUM_CERTIFICATE_EXPIRED => "eumCertificateExpired",
            authenticate::EUICC_CERTIFICATE_INVALID => "euiccCertificateInvalid",
            authenticate::EUICC_CERTIFICATE_EXPIRED => "euiccCertificateExpired",
            authenticate::EUICC_SIGNATURE_INVALID => "euiccSignatureInvalid",
            authenticate::MATCHING_ID_REFUSED => "matchingIdRefused",
            authenticate::EID_MISMATCH => "eidMismatch",
            authenticate::NO_ELIGIBLE_PROFILE => "noEligibleProfile",
            authenticate::CI_PK_UNKNOWN => "ciPKUnknown",
            authenticate::INVALID_TRANSACTION_ID => "invalidTransactionId",
            authenticate::INSUFFICIENT_MEMORY => "insufficientMemory",
            _ => "an unknown error",
        },
        (Function::GetBoundProfilePackage, code) => match code {
            package::EUICC_SIGNATURE_INVALID => "euiccSignatureInvalid",
            package::CONFIRMATION_CODE_MISSING => "confirmationCodeMissing",
            package::CONFIRMATION_CODE_REFUSED => "confirmationCodeRefused",
            package::CONFIRMATION_CODE_RETRIES_EXCEEDED => "confirmationCodeRetriesExceeded",
            package::BPP_REBINDING_REFUSED => "bppRebindingRefused",
            package::DOWNLOAD_ORDER_EXPIRED => "downloadOrderExpired",
            package::INVALID_TRANSACTION_ID => "invalidTransactionId",
            _ => "an unknown error",
        },
        (Function::CancelSession, code) => match code {
            cancel::INVALID_TRANSACTION_ID => "invalidTransactionId",
            cancel::EUICC_SIGNATURE_INVALID => "euiccSignatureInvalid",
            _ => "an unknown error",
        },
        (Function::HandleNotification, _) => "an unknown error",
    }
}

/// The octets of tag `80`. The wire type takes 1 to 16 of them, which is what an identifier has.
fn transaction_id(octets: &[u8]) -> Result<TransactionId, Error> {
    const WHAT: &str = "transactionId";
    TransactionId::from_octets(octets).ok_or(Error {
        kind: simyard_asn1::ErrorKind::Value,
        what: WHAT,
        offset: 0,
    })
}

impl Asn1Request for InitiateAuthenticationRequest {
    const FUNCTION: Function = Function::InitiateAuthentication;

    fn to_message(&self) -> Vec<u8> {
        wire::InitiateAuthenticationRequest {
            euicc_challenge: &self.euicc_challenge,
            smdp_address: &self.smdp_address,
            euicc_info1: &self.euicc_info1,
        }
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Self, Error> {
        let request = wire::InitiateAuthenticationRequest::from_der(message)?;
        Ok(Self {
            euicc_challenge: *request.euicc_challenge,
            euicc_info1: request.euicc_info1.to_vec(),
            smdp_address: request.smdp_address.to_owned(),
        })
    }
}

impl Asn1Answer for InitiateAuthenticationResponse {
    const FUNCTION: Function = Function::InitiateAuthentication;

    fn to_message(&self) -> Vec<u8> {
        Response::Ok(wire::InitiateAuthenticationOk {
            transaction_id: self.transaction_id.as_octets(),
            server_signed1: &self.server_signed1,
            server_signature1: &self.server_signature1,
            euicc_ci_pk_id_to_be_used: &self.euicc_ci_pk_id_to_be_used,
            server_certificate: &self.server_certificate,
        })
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Result<Self, u32>, Error> {
        let ok = match Response::<wire::InitiateAuthenticationOk<'_>>::from_der(message)? {
            Response::Ok(ok) => ok,
            Response::Error(code) => return Ok(Err(code)),
        };
        Ok(Ok(Self {
            transaction_id: transaction_id(ok.transaction_id)?,
            server_signed1: ok.server_signed1.to_vec(),
            server_signature1: ok.server_signature1.to_vec(),
            euicc_ci_pk_id_to_be_used: ok.euicc_ci_pk_id_to_be_used.to_vec(),
            server_certificate: ok.server_certificate.to_vec(),
        }))
    }
}

impl Asn1Request for AuthenticateClientRequest {
    const FUNCTION: Function = Function::AuthenticateClient;

    fn to_message(&self) -> Vec<u8> {
        wire::AuthenticateClientRequest {
            transaction_id: self.transaction_id.as_octets(),
            authenticate_server_response: &self.authenticate_server_response,
        }
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Self, Error> {
        let request = wire::AuthenticateClientRequest::from_der(message)?;
        Ok(Self {
            transaction_id: transaction_id(request.transaction_id)?,
            authenticate_server_response: request.authenticate_server_response.to_vec(),
        })
    }
}

impl Asn1Answer for AuthenticateClientResponse {
    const FUNCTION: Function = Function::AuthenticateClient;

    fn to_message(&self) -> Vec<u8> {
        Response::Ok(wire::AuthenticateClientOk {
            transaction_id: self.transaction_id.as_octets(),
            profile_metadata: &self.profile_metadata,
            smdp_signed2: &self.smdp_signed2,
            smdp_signature2: &self.smdp_signature2,
            smdp_certificate: &self.smdp_certificate,
        })
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Result<Self, u32>, Error> {
        let ok = match Response::<wire::AuthenticateClientOk<'_>>::from_der(message)? {
            Response::Ok(ok) => ok,
            Response::Error(code) => return Ok(Err(code)),
        };
        Ok(Ok(Self {
            transaction_id: transaction_id(ok.transaction_id)?,
            profile_metadata: ok.profile_metadata.to_vec(),
            smdp_signed2: ok.smdp_signed2.to_vec(),
            smdp_signature2: ok.smdp_signature2.to_vec(),
            smdp_certificate: ok.smdp_certificate.to_vec(),
        }))
    }
}

impl Asn1Request for GetBoundProfilePackageRequest {
    const FUNCTION: Function = Function::GetBoundProfilePackage;

    fn to_message(&self) -> Vec<u8> {
        wire::GetBoundProfilePackageRequest {
            transaction_id: self.transaction_id.as_octets(),
            prepare_download_response: &self.prepare_download_response,
        }
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Self, Error> {
        let request = wire::GetBoundProfilePackageRequest::from_der(message)?;
        Ok(Self {
            transaction_id: transaction_id(request.transaction_id)?,
            prepare_download_response: request.prepare_download_response.to_vec(),
        })
    }
}

impl Asn1Answer for GetBoundProfilePackageResponse {
    const FUNCTION: Function = Function::GetBoundProfilePackage;

    fn to_message(&self) -> Vec<u8> {
        Response::Ok(wire::GetBoundProfilePackageOk {
            transaction_id: self.transaction_id.as_octets(),
            bound_profile_package: &self.bound_profile_package,
        })
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Result<Self, u32>, Error> {
        let ok = match Response::<wire::GetBoundProfilePackageOk<'_>>::from_der(message)? {
            Response::Ok(ok) => ok,
            Response::Error(code) => return Ok(Err(code)),
        };
        Ok(Ok(Self {
            transaction_id: transaction_id(ok.transaction_id)?,
            bound_profile_package: ok.bound_profile_package.to_vec(),
        }))
    }
}

impl Asn1Request for CancelSessionRequest {
    const FUNCTION: Function = Function::CancelSession;

    fn to_message(&self) -> Vec<u8> {
        // The tag of the response alone is replaced by that of the member.
        let alone = self.cancel_session_response.as_slice();
        let mut reader = simyard_asn1::Reader::new(alone, "CancelSessionResponse");
        let alternative = reader.expect(CANCEL_SESSION_RESPONSE).map_or(alone, |tlv| tlv.value);
        wire::CancelSessionRequest {
            transaction_id: self.transaction_id.as_octets(),
            cancel_session_response: alternative,
        }
        .to_der()
    }

    fn from_message(message: &[u8]) -> Result<Self, Error> {
        let request = wire::CancelSessionRequest::from_der(message)?;
        let mut alone = Writer::new();
        alone.tlv(CANCEL_SESSION_RESPONSE, request.cancel_session_response);
        Ok(Self {
            transaction_id: transaction_id(request.transaction_id)?,
            cancel_session_response: alone.finish(),
        })
    }
}

impl Asn1Answer for CancelSessionResponse {
    const FUNCTION: Function = Function::CancelSession;

    fn to_message(&self) -> Vec<u8> {
        Response::Ok(wire::CancelSessionOk).to_der()
    }

    fn from_message(message: &[u8]) -> Result<Result<Self, u32>, Error> {
        Ok(match Response::<wire::CancelSessionOk>::from_der(message)? {
            Response::Ok(wire::CancelSessionOk) => Ok(Self),
            Response::Error(code) => Err(code),
        })
    }
}

impl Asn1Request for HandleNotificationRequest {
    const FUNCTION: Function = Function::HandleNotification;

    fn to_message(&self) -> Vec<u8> {
        wire::HandleNotification { pending_notification: &self.pending_notification }.to_der()
    }

    fn from_message(message: &[u8]) -> Result<Self, Error> {
        let request = wire::HandleNotification::from_der(message)?;
        Ok(Self { pending_notification: request.pending_notification.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One TLV with this tag and any content.
    fn tlv(tag: u32) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(move |content| {
            let mut writer = Writer::new();
            writer.tlv(Tag(tag), &content);
            writer.finish()
        })
    }

    fn id() -> impl Strategy<Value = TransactionId> {
        proptest::collection::vec(any::<u8>(), 1..=16)
            .prop_map(|octets| TransactionId::from_octets(&octets).unwrap())
    }

    fn request_both_ways<Q: Asn1Request + PartialEq + fmt::Debug>(request: &Q) {
        let body = body(Q::FUNCTION, &request.to_message());
        let envelope = Envelope::from_der(&body).unwrap();
        assert_eq!(envelope.function, Q::FUNCTION);
        assert_eq!(&Q::from_message(envelope.message).unwrap(), request);
    }

    fn answer_both_ways<A: Asn1Answer + PartialEq + fmt::Debug>(answer: &A) {
        let body = body(A::FUNCTION, &answer.to_message());
        let envelope = Envelope::from_der(&body).unwrap();
        assert_eq!(envelope.function, A::FUNCTION);
        assert_eq!(A::from_message(envelope.message).unwrap().as_ref(), Ok(answer));
        let body = failed(Failure { function: A::FUNCTION, code: 95 });
        let envelope = Envelope::from_der(&body).unwrap();
        assert_eq!(envelope.function, A::FUNCTION);
        assert_eq!(A::from_message(envelope.message), Ok(Err(95)));
    }

    proptest! {
        #[test]
        fn requests_go_both_ways(
            (euicc_challenge, smdp_address) in (any::<[u8; 16]>(), "[a-z.]{0,40}"),
            transaction_id in id(),
            (euicc_info1, authenticate_server_response) in (tlv(0xBF20), tlv(0xBF38)),
            (prepare_download_response, pending_notification) in (tlv(0xBF21), tlv(0xBF37)),
            alternative in prop_oneof![tlv(0xA0), tlv(0x81)],
        ) {
            request_both_ways(&InitiateAuthenticationRequest { euicc_challenge, euicc_info1, smdp_address });
            request_both_ways(&AuthenticateClientRequest {
                transaction_id: transaction_id.clone(),
                authenticate_server_response,
            });
            request_both_ways(&GetBoundProfilePackageRequest {
                transaction_id: transaction_id.clone(),
                prepare_download_response,
            });
            let mut response = Writer::new();
            response.tlv(CANCEL_SESSION_RESPONSE, &alternative);
            let cancel_session_response = response.finish();
            request_both_ways(&CancelSessionRequest { transaction_id, cancel_session_response });
            request_both_ways(&HandleNotificationRequest { pending_notification });
        }

        #[test]
        fn answers_go_both_ways(
            transaction_id in id(),
            (signed, certificate) in (tlv(0x30), tlv(0x30)),
            (signature, key) in (tlv(0x5F37), tlv(0x04)),
            (metadata, package) in (tlv(0xBF25), tlv(0xBF36)),
        ) {
            answer_both_ways(&InitiateAuthenticationResponse {
                transaction_id: transaction_id.clone(),
                server_signed1: signed.clone(),
                server_signature1: signature.clone(),
                euicc_ci_pk_id_to_be_used: key,
                server_certificate: certificate.clone(),
            });
            answer_both_ways(&AuthenticateClientResponse {
                transaction_id: transaction_id.clone(),
                profile_metadata: metadata,
                smdp_signed2: signed,
                smdp_signature2: signature,
                smdp_certificate: certificate,
            });
            answer_both_ways(&GetBoundProfilePackageResponse { transaction_id, bound_profile_package: package });
            answer_both_ways(&CancelSessionResponse);
        }
    }

    #[test]
    fn a_failure_is_named_for_people() {
        let name = |function, code| Failure { function, code }.to_string();
        assert_eq!(name(Function::AuthenticateClient, 6), "matchingIdRefused (6)");
        assert_eq!(name(Function::GetBoundProfilePackage, 95), "invalidTransactionId (95)");
        assert_eq!(name(Function::InitiateAuthentication, 127), "undefinedError (127)");
        assert_eq!(name(Function::CancelSession, 95), "an unknown error (95)");
    }
}
