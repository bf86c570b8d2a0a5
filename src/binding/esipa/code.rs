//! The errors of ESipa: an integer in the ASN.1 binding, a subject and a reason in the JSON binding (SGP.32 6.4).
//!
//! Functions that an eIM relays answer with the pairs of ES9+ (SGP.22 5.6); those of an eIM alone are in SGP.32.

use simyard_asn1::iot::esipa::{
    AuthenticateClientErrorEsipa, AuthenticateClientResponse, CancelSessionErrorEsipa, CancelSessionResponse,
    EimPackageError, EsipaResponse, Function, GetBoundProfilePackageErrorEsipa,
    GetBoundProfilePackageResponse, GetEimPackageResponse, InitiateAuthenticationErrorEsipa,
    InitiateAuthenticationResponse, ProvideEimPackageResultError, ProvideEimPackageResultResponse,
};

use crate::binding::StatusCodeData;
use crate::binding::status::{Reason, Subject};

/// An error of a function of ESipa. HandleNotification has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EsipaCode {
    /// Of InitiateAuthentication.
    InitiateAuthentication(InitiateAuthenticationErrorEsipa),
    /// Of AuthenticateClient.
    AuthenticateClient(AuthenticateClientErrorEsipa),
    /// Of GetBoundProfilePackage.
    GetBoundProfilePackage(GetBoundProfilePackageErrorEsipa),
    /// Of CancelSession.
    CancelSession(CancelSessionErrorEsipa),
    /// Of GetEimPackage.
    GetEimPackage(EimPackageError),
    /// Of ProvideEimPackageResult.
    ProvideEimPackageResult(ProvideEimPackageResultError),
}

/// What is said of a function where the standard has nothing more fitting.
const UNDEFINED: (Subject, Reason) = (Subject::Function, Reason::ExecutionError);

impl EsipaCode {
    /// The function.
    #[must_use]
    pub const fn function(self) -> Function {
        match self {
            Self::InitiateAuthentication(_) => Function::InitiateAuthentication,
            Self::AuthenticateClient(_) => Function::AuthenticateClient,
            Self::GetBoundProfilePackage(_) => Function::GetBoundProfilePackage,
            Self::CancelSession(_) => Function::CancelSession,
            Self::GetEimPackage(_) => Function::GetEimPackage,
            Self::ProvideEimPackageResult(_) => Function::ProvideEimPackageResult,
        }
    }

    /// undefinedError of a function; `None` for functions that answer no error.
    #[must_use]
    pub const fn undefined(function: Function) -> Option<Self> {
        Some(match function {
            Function::InitiateAuthentication => {
                Self::InitiateAuthentication(InitiateAuthenticationErrorEsipa::UndefinedError)
            }
            Function::AuthenticateClient => {
                Self::AuthenticateClient(AuthenticateClientErrorEsipa::UndefinedError)
            }
            Function::GetBoundProfilePackage => {
                Self::GetBoundProfilePackage(GetBoundProfilePackageErrorEsipa::UndefinedError)
            }
            Function::CancelSession => Self::CancelSession(CancelSessionErrorEsipa::UndefinedError),
            Function::GetEimPackage => Self::GetEimPackage(EimPackageError::UndefinedError),
            Function::ProvideEimPackageResult => {
                Self::ProvideEimPackageResult(ProvideEimPackageResultError::UndefinedError)
            }
            Function::HandleNotification | Function::TransferEimPackage => return None,
        })
    }

    /// Every error of a function that has a name, in the order of its integers.
    #[must_use]
    pub fn all(function: Function) -> Vec<Self> {
        fn named<T: Copy>(codes: &[T], of: fn(T) -> EsipaCode) -> Vec<EsipaCode> {
            codes.iter().map(|code| of(*code)).collect()
        }
        match function {
            Function::InitiateAuthentication => {
                named(InitiateAuthenticationErrorEsipa::NAMED, Self::InitiateAuthentication)
            }
            Function::AuthenticateClient => {
                named(AuthenticateClientErrorEsipa::NAMED, Self::AuthenticateClient)
            }
            Function::GetBoundProfilePackage => {
                named(GetBoundProfilePackageErrorEsipa::NAMED, Self::GetBoundProfilePackage)
            }
            Function::CancelSession => named(CancelSessionErrorEsipa::NAMED, Self::CancelSession),
            Function::GetEimPackage => named(EimPackageError::NAMED, Self::GetEimPackage),
            Function::ProvideEimPackageResult => {
                named(ProvideEimPackageResultError::NAMED, Self::ProvideEimPackageResult)
            }
            Function::HandleNotification | Function::TransferEimPackage => Vec::new(),
        }
    }

    /// The integer of the ASN.1 binding.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::InitiateAuthentication(code) => code.code(),
            Self::AuthenticateClient(code) => code.code(),
            Self::GetBoundProfilePackage(code) => code.code(),
            Self::CancelSession(code) => code.code(),
            Self::GetEimPackage(code) => code.code(),
            Self::ProvideEimPackageResult(code) => code.code(),
        }
    }

    /// The name in the standard; `None` for a code of a later version.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::InitiateAuthentication(code) => code.name(),
            Self::AuthenticateClient(code) => code.name(),
            Self::GetBoundProfilePackage(code) => code.name(),
            Self::CancelSession(code) => code.name(),
            Self::GetEimPackage(code) => code.name(),
            Self::ProvideEimPackageResult(code) => code.name(),
        }
    }

    /// The pair of the JSON binding.
    #[must_use]
    pub const fn status(self) -> (Subject, Reason) {
        match self {
            Self::InitiateAuthentication(code) => initiate_authentication(code),
            Self::AuthenticateClient(code) => authenticate_client(code),
            Self::GetBoundProfilePackage(code) => get_bound_profile_package(code),
            Self::CancelSession(code) => cancel_session(code),
            Self::GetEimPackage(code) => match code {
                EimPackageError::NoEimPackageAvailable => (Subject::Eid, Reason::Unavailable),
                EimPackageError::EidNotFound => (Subject::Eid, Reason::Unknown),
                EimPackageError::InvalidEid => (Subject::Eid, Reason::Invalid),
                EimPackageError::MissingEid => (Subject::Eid, Reason::MandatoryElementMissing),
                EimPackageError::UndefinedError | EimPackageError::Other(_) => UNDEFINED,
            },
            Self::ProvideEimPackageResult(code) => match code {
                ProvideEimPackageResultError::EidNotFound => (Subject::Eid, Reason::Unknown),
                ProvideEimPackageResultError::InvalidEid => (Subject::Eid, Reason::Invalid),
                ProvideEimPackageResultError::MissingEid => (Subject::Eid, Reason::MandatoryElementMissing),
                ProvideEimPackageResultError::UndefinedError | ProvideEimPackageResultError::Other(_) => {
                    UNDEFINED
                }
            },
        }
    }

    /// The error that a pair stands for: undefinedError for pairs that the function has not.
    #[must_use]
    pub fn of_status(function: Function, data: &StatusCodeData) -> Option<Self> {
        let is = |code: &Self| {
            let (subject, reason) = code.status();
            subject.code() == data.subject_code && reason.code() == data.reason_code
        };
        Self::all(function).into_iter().find(is).or_else(|| Self::undefined(function))
    }

    /// The error that a response is.
    #[must_use]
    pub const fn of_response(response: &EsipaResponse) -> Option<Self> {
        Some(match response {
            EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Error(code)) => {
                Self::InitiateAuthentication(*code)
            }
            EsipaResponse::AuthenticateClient(AuthenticateClientResponse::Error(code)) => {
                Self::AuthenticateClient(*code)
            }
            EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Error(code)) => {
                Self::GetBoundProfilePackage(*code)
            }
            EsipaResponse::CancelSession(CancelSessionResponse::Error(code)) => Self::CancelSession(*code),
            EsipaResponse::GetEimPackage(GetEimPackageResponse::Error(code)) => Self::GetEimPackage(*code),
            EsipaResponse::ProvideEimPackageResult(ProvideEimPackageResultResponse::Error(code)) => {
                Self::ProvideEimPackageResult(*code)
            }
            _ => return None,
        })
    }

    /// The response that tells this error.
    #[must_use]
    pub const fn to_response(self) -> EsipaResponse {
        match self {
            Self::InitiateAuthentication(code) => {
                EsipaResponse::InitiateAuthentication(InitiateAuthenticationResponse::Error(code))
            }
            Self::AuthenticateClient(code) => {
                EsipaResponse::AuthenticateClient(AuthenticateClientResponse::Error(code))
            }
            Self::GetBoundProfilePackage(code) => {
                EsipaResponse::GetBoundProfilePackage(GetBoundProfilePackageResponse::Error(code))
            }
            Self::CancelSession(code) => EsipaResponse::CancelSession(CancelSessionResponse::Error(code)),
            Self::GetEimPackage(code) => EsipaResponse::GetEimPackage(GetEimPackageResponse::Error(code)),
            Self::ProvideEimPackageResult(code) => {
                EsipaResponse::ProvideEimPackageResult(ProvideEimPackageResultResponse::Error(code))
            }
        }
    }
}

impl std::fmt::Display for EsipaCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.code()),
            None => write!(f, "code {}", self.code()),
        }
    }
}

const fn initiate_authentication(code: InitiateAuthenticationErrorEsipa) -> (Subject, Reason) {
    use InitiateAuthenticationErrorEsipa as Code;
    match code {
        Code::InvalidDpAddress => (Subject::SmdpAddress, Reason::Refused),
        Code::EuiccVersionNotSupportedByDp => (Subject::SpecificationVersion, Reason::Unsupported),
        Code::CiPkIdNotSupported => (Subject::SecurityConfiguration, Reason::Unsupported),
        Code::SmdpAddressMismatch => (Subject::SmdpAddress, Reason::InvalidAssociation),
        Code::SmdpOidMismatch => (Subject::SmdpPlus, Reason::InvalidAssociation),
        Code::InvalidEimTransactionId => (Subject::EimTransactionId, Reason::InvalidAssociation),
        Code::UndefinedError | Code::Other(_) => UNDEFINED,
    }
}

const fn authenticate_client(code: AuthenticateClientErrorEsipa) -> (Subject, Reason) {
    use AuthenticateClientErrorEsipa as Code;
    match code {
        Code::EumCertificateInvalid => (Subject::EumCertificate, Reason::VerificationFailed),
        Code::EumCertificateExpired => (Subject::EumCertificate, Reason::Expired),
        Code::EuiccCertificateInvalid => (Subject::EuiccCertificate, Reason::VerificationFailed),
        Code::EuiccCertificateExpired => (Subject::EuiccCertificate, Reason::Expired),
        Code::EuiccSignatureInvalid => (Subject::Euicc, Reason::VerificationFailed),
        Code::MatchingIdRefused => (Subject::MatchingId, Reason::Refused),
        Code::EidMismatch => (Subject::Eid, Reason::Refused),
        Code::NoEligibleProfile => (Subject::ProfileType, Reason::StoppedOnWarning),
        Code::CiPkUnknown => (Subject::CiPublicKey, Reason::Unknown),
        Code::InvalidTransactionId => (Subject::TransactionId, Reason::Unknown),
        Code::InsufficientMemory => (Subject::Euicc, Reason::InsufficientMemory),
        Code::DownloadOrderExpired => (Subject::DownloadOrder, Reason::TimeToLiveExpired),
        Code::PprNotAllowed => (Subject::ProfilePolicyRules, Reason::NotAllowed),
        Code::EventIdUnknown => (Subject::EventRecord, Reason::Unknown),
        Code::UndefinedError | Code::Other(_) => UNDEFINED,
    }
}

const fn get_bound_profile_package(code: GetBoundProfilePackageErrorEsipa) -> (Subject, Reason) {
    use GetBoundProfilePackageErrorEsipa as Code;
    match code {
        Code::EuiccSignatureInvalid => (Subject::Euicc, Reason::VerificationFailed),
        Code::ConfirmationCodeMissing => (Subject::ConfirmationCode, Reason::MandatoryElementMissing),
        Code::ConfirmationCodeRefused => (Subject::ConfirmationCode, Reason::Refused),
        Code::ConfirmationCodeRetriesExceeded => (Subject::ConfirmationCode, Reason::MaximumAttemptsExceeded),
        Code::BppRebindingRefused => (Subject::BoundProfilePackage, Reason::InvalidAssociation),
        Code::DownloadOrderExpired => (Subject::DownloadOrder, Reason::TimeToLiveExpired),
        Code::MetadataMismatch => (Subject::ProfileMetadata, Reason::ValueHasChanged),
        Code::InvalidTransactionId => (Subject::TransactionId, Reason::Unknown),
        Code::UndefinedError | Code::Other(_) => UNDEFINED,
    }
}

const fn cancel_session(code: CancelSessionErrorEsipa) -> (Subject, Reason) {
    match code {
        CancelSessionErrorEsipa::InvalidTransactionId => (Subject::TransactionId, Reason::Unknown),
        CancelSessionErrorEsipa::EuiccSignatureInvalid => (Subject::Euicc, Reason::VerificationFailed),
        CancelSessionErrorEsipa::UndefinedError | CancelSessionErrorEsipa::Other(_) => UNDEFINED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use simyard_asn1::{Decode as _, Encode as _};

    fn data(subject: &str, reason: &str) -> StatusCodeData {
        StatusCodeData {
            subject_code: subject.to_owned(),
            reason_code: reason.to_owned(),
            subject_identifier: None,
            message: None,
        }
    }

    #[test]
    fn every_error_goes_over_both_bindings() {
        let mut count = 0;
        for function in Function::ALL {
            for code in EsipaCode::all(function) {
                assert_eq!(code.function(), function);
                let (subject, reason) = code.status();
                assert_eq!(EsipaCode::of_status(function, &data(subject.code(), reason.code())), Some(code));
                let response = EsipaResponse::from_der(&code.to_response().to_der()).unwrap();
                assert_eq!(EsipaCode::of_response(&response), Some(code));
                count += 1;
            }
            assert_eq!(EsipaCode::undefined(function).is_none(), EsipaCode::all(function).is_empty());
        }
        assert_eq!(count, 7 + 15 + 9 + 3 + 5 + 4);
    }

    #[test]
    fn pairs_of_no_error_are_undefined() {
        let code = EsipaCode::of_status(Function::CancelSession, &data("8.8.5", "4.10"));
        assert_eq!(code, EsipaCode::undefined(Function::CancelSession));
        assert_eq!(EsipaCode::of_status(Function::HandleNotification, &data("8.1", "6.1")), None);
    }

    #[test]
    fn pairs_are_those_of_the_standard() {
        let pair = |code: EsipaCode| {
            let (subject, reason) = code.status();
            format!("{}/{}", subject.code(), reason.code())
        };
        use InitiateAuthenticationErrorEsipa as Initiate;
        for (code, expected) in [
            (EsipaCode::InitiateAuthentication(Initiate::InvalidEimTransactionId), "8.31.2/3.10"),
            (EsipaCode::InitiateAuthentication(Initiate::SmdpAddressMismatch), "8.8.1/3.10"),
            (EsipaCode::InitiateAuthentication(Initiate::SmdpOidMismatch), "8.8/3.10"),
            (EsipaCode::AuthenticateClient(AuthenticateClientErrorEsipa::PprNotAllowed), "8.2.8/1.2"),
            (
                EsipaCode::GetBoundProfilePackage(GetBoundProfilePackageErrorEsipa::MetadataMismatch),
                "8.2.9/3.11",
            ),
            (EsipaCode::GetEimPackage(EimPackageError::NoEimPackageAvailable), "8.1.1/3.7"),
            (EsipaCode::GetEimPackage(EimPackageError::EidNotFound), "8.1.1/3.9"),
            (EsipaCode::ProvideEimPackageResult(ProvideEimPackageResultError::InvalidEid), "8.1.1/2.1"),
            (EsipaCode::ProvideEimPackageResult(ProvideEimPackageResultError::MissingEid), "8.1.1/2.2"),
        ] {
            assert_eq!(pair(code), expected, "{code}");
        }
    }
}
