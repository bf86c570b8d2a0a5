//! What an SM-DP+ that refuses means to the IPA: the status of ES9+' (SGP.22 5.6, annex H) as a code of ESipa (SGP.32 5.14).
//!
//! The functions of both have the same pairs, but for few, and the same integers. A status that has no code is undefinedError;
//! so is one that the eIM alone may say of itself, such as smdpAddressMismatch.

use std::fmt;

use simyard_asn1::iot::esipa::{
    AuthenticateClientErrorEsipa as AuthenticateClient, Function,
    GetBoundProfilePackageErrorEsipa as GetBoundProfilePackage,
    InitiateAuthenticationErrorEsipa as InitiateAuthentication,
};

use super::super::status::EsipaCode;
use crate::binding::StatusCodeData;
use crate::binding::asn1::Failure;
use crate::binding::status::{Reason, Subject};
use crate::client::ClientError;

/// Why an SM-DP+ did not do what it was asked to.
#[derive(Debug)]
pub enum SmdpRefusal {
    /// It executed the function and refused: a status of the JSON binding.
    Status(StatusCodeData),
    /// The same, as an integer of the ASN.1 binding.
    Code(Failure),
    /// It could not be reached, or its answer is none.
    NoAnswer(ClientError),
}

impl From<ClientError> for SmdpRefusal {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Function(status) => Self::Status(status),
            ClientError::FunctionCode(failure) => Self::Code(failure),
            other => Self::NoAnswer(other),
        }
    }
}

impl fmt::Display for SmdpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the SM-DP+ refused with {status}"),
            Self::Code(failure) => write!(f, "the SM-DP+ refused with {failure}"),
            Self::NoAnswer(error) => write!(f, "no answer of the SM-DP+: {error}"),
        }
    }
}

impl std::error::Error for SmdpRefusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Status(_) | Self::Code(_) => None,
            Self::NoAnswer(error) => Some(error),
        }
    }
}

/// A pair of ES9+ for which ESipa has another one.
struct OtherPair {
    function: Function,
    subject: Subject,
    reason: Reason,
    of_esipa: (Subject, Reason),
}

/// All of them.
const OTHER_PAIRS: [OtherPair; 2] = [
    // Its certificates are the ones that the eUICC cannot verify.
    OtherPair {
        function: Function::InitiateAuthentication,
        subject: Subject::SmdpCertificate,
        reason: Reason::Unavailable,
        of_esipa: (Subject::SecurityConfiguration, Reason::Unsupported),
    },
    // The package cannot be bound anew.
    OtherPair {
        function: Function::GetBoundProfilePackage,
        subject: Subject::Profile,
        reason: Reason::Unavailable,
        of_esipa: (Subject::BoundProfilePackage, Reason::InvalidAssociation),
    },
];

/// The codes of those that the eIM alone gives.
const fn is_of_eim(code: EsipaCode) -> bool {
    matches!(
        code,
        EsipaCode::InitiateAuthentication(
            InitiateAuthentication::SmdpAddressMismatch
                | InitiateAuthentication::SmdpOidMismatch
                | InitiateAuthentication::InvalidEimTransactionId
        ) | EsipaCode::AuthenticateClient(
            AuthenticateClient::PprNotAllowed | AuthenticateClient::EventIdUnknown
        ) | EsipaCode::GetBoundProfilePackage(GetBoundProfilePackage::MetadataMismatch)
    )
}

impl SmdpRefusal {
    /// The code of ESipa, of the function whose undefinedError is given.
    #[must_use]
    pub fn code(&self, undefined: EsipaCode) -> EsipaCode {
        let function = undefined.function();
        let code = match self {
            Self::Status(status) => EsipaCode::of_status(function, &pair_of_esipa(function, status)),
            Self::Code(failure) => {
                let code = i64::from(failure.code);
                EsipaCode::all(function).into_iter().find(|named| named.code() == code)
            }
            Self::NoAnswer(_) => None,
        };
        code.filter(|code| !is_of_eim(*code)).unwrap_or(undefined)
    }

    /// Whether the SM-DP+ may do it another time: it was not reached, did not answer as the standard has it, or says itself
    /// that the fault is its own.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => matches!(
                (status.subject_code.as_str(), status.reason_code.as_str()),
                ("1.2", "3.7" | "5.1") | ("1.6", "4.2")
            ),
            Self::Code(_) => false,
            Self::NoAnswer(ClientError::NotPublic(_)) => false,
            Self::NoAnswer(_) => true,
        }
    }
}

/// The pair that ESipa has for one of ES9+.
fn pair_of_esipa(function: Function, status: &StatusCodeData) -> StatusCodeData {
    let other = OTHER_PAIRS.iter().find(|other| {
        other.function == function
            && other.subject.code() == status.subject_code
            && other.reason.code() == status.reason_code
    });
    match other {
        Some(OtherPair { of_esipa: (subject, reason), .. }) => StatusCodeData {
            subject_code: subject.code().to_owned(),
            reason_code: reason.code().to_owned(),
            ..status.clone()
        },
        None => status.clone(),
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::iot::esipa::CancelSessionErrorEsipa as CancelSession;
    use simyard_asn1::rsp::es9plus::Function as Es9PlusFunction;

    use super::*;

    const INITIATE: EsipaCode = EsipaCode::InitiateAuthentication(InitiateAuthentication::UndefinedError);
    const AUTHENTICATE: EsipaCode = EsipaCode::AuthenticateClient(AuthenticateClient::UndefinedError);
    const PACKAGE: EsipaCode = EsipaCode::GetBoundProfilePackage(GetBoundProfilePackage::UndefinedError);
    const CANCEL: EsipaCode = EsipaCode::CancelSession(CancelSession::UndefinedError);

    fn status(subject: &str, reason: &str) -> SmdpRefusal {
        SmdpRefusal::Status(StatusCodeData {
            subject_code: subject.to_owned(),
            reason_code: reason.to_owned(),
            subject_identifier: None,
            message: None,
        })
    }

    const fn integer(function: Es9PlusFunction, code: u32) -> SmdpRefusal {
        SmdpRefusal::Code(Failure { function, code })
    }

    #[test]
    fn every_pair_of_es9plus_has_its_code() {
        let rows = [
            (INITIATE, "8.8.1", "3.8", 1),
            (INITIATE, "8.8.3", "3.1", 2),
            (INITIATE, "8.8.2", "3.1", 3),
            (INITIATE, "8.8.4", "3.7", 3),
            (INITIATE, "8.8.3", "3.10", 127),
            (AUTHENTICATE, "8.1.2", "6.1", 1),
            (AUTHENTICATE, "8.1.2", "6.3", 2),
            (AUTHENTICATE, "8.1.3", "6.1", 3),
            (AUTHENTICATE, "8.1.3", "6.3", 4),
            (AUTHENTICATE, "8.1", "6.1", 5),
            (AUTHENTICATE, "8.2.6", "3.8", 6),
            (AUTHENTICATE, "8.1.1", "3.8", 7),
            (AUTHENTICATE, "8.2.5", "4.3", 8),
            (AUTHENTICATE, "8.11.1", "3.9", 9),
            (AUTHENTICATE, "8.10.1", "3.9", 10),
            (AUTHENTICATE, "8.1", "4.8", 11),
            (AUTHENTICATE, "8.8.5", "4.10", 18),
            (AUTHENTICATE, "8.2", "1.2", 127),
            (AUTHENTICATE, "8.8.5", "6.4", 127),
            (PACKAGE, "8.1", "6.1", 1),
            (PACKAGE, "8.2.7", "2.2", 2),
            (PACKAGE, "8.2.7", "3.8", 3),
            (PACKAGE, "8.2.7", "6.4", 4),
            (PACKAGE, "8.2", "3.7", 5),
            (PACKAGE, "8.8.5", "4.10", 6),
            (PACKAGE, "8.10.1", "3.9", 95),
            (CANCEL, "8.10.1", "3.9", 1),
            (CANCEL, "8.1", "6.1", 2),
            (CANCEL, "8.8", "3.10", 127),
        ];
        for (undefined, subject, reason, expected) in rows {
            assert_eq!(status(subject, reason).code(undefined).code(), expected, "{subject}/{reason}");
        }
        // Every code that a server can give is in the table.
        for undefined in [INITIATE, AUTHENTICATE, PACKAGE, CANCEL] {
            for code in EsipaCode::all(undefined.function()) {
                let is_reached = rows
                    .iter()
                    .any(|(of, _, _, number)| of.function() == code.function() && *number == code.code());
                assert!(is_reached || is_of_eim(code) || code == undefined, "{code}");
            }
        }
    }

    #[test]
    fn what_the_eim_alone_says_no_server_says() {
        for (undefined, subject, reason, code) in [
            (INITIATE, "8.8.1", "3.10", 50),
            (INITIATE, "8.8", "3.10", 51),
            (INITIATE, "8.31.2", "3.10", 52),
            (AUTHENTICATE, "8.2.8", "1.2", 50),
            (PACKAGE, "8.2.9", "3.11", 50),
        ] {
            assert_eq!(status(subject, reason).code(undefined), undefined);
            let function = Es9PlusFunction::AuthenticateClient;
            assert_eq!(integer(function, code).code(undefined), undefined);
        }
    }

    #[test]
    fn integers_of_the_asn1_binding_are_those_of_esipa() {
        let refused = |number| integer(Es9PlusFunction::AuthenticateClient, number).code(AUTHENTICATE).code();
        assert_eq!([refused(6), refused(11), refused(99), refused(127)], [6, 11, 127, 127]);
        let refused = |number| integer(Es9PlusFunction::GetBoundProfilePackage, number).code(PACKAGE).code();
        assert_eq!([refused(3), refused(95)], [3, 95]);
    }

    #[test]
    fn what_may_pass_is_told_apart_from_what_will_not() {
        let silent = SmdpRefusal::from(ClientError::Http { address: "a.b".to_owned(), status: 503 });
        assert!(silent.is_passing() && status("1.6", "4.2").is_passing());
        let refused = integer(Es9PlusFunction::AuthenticateClient, 6);
        assert!(!status("8.2.6", "3.8").is_passing() && !refused.is_passing());
        assert_eq!(silent.code(AUTHENTICATE), AUTHENTICATE);
        assert_eq!(silent.to_string(), "no answer of the SM-DP+: a.b answered HTTP 503");
    }
}
