//! Status codes: a subject and a reason (SGP.22 5.2.6.1, 5.2.6.2; SGP.32 6.4 for those of an eIM).
//!
//! The only place where code literals stand. Codes are text: 3.1 and 3.10 are two codes.

/// Whom or what a status is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// 1.1 Function requester.
    FunctionRequester,
    /// 1.2 Function provider.
    FunctionProvider,
    /// 1.3.1 Protocol format.
    ProtocolFormat,
    /// 1.3.2 Protocol version.
    ProtocolVersion,
    /// 1.6 Function.
    Function,
    /// 8 eUICC remote provisioning.
    RemoteProvisioning,
    /// 8.1 eUICC.
    Euicc,
    /// 8.1.1 EID.
    Eid,
    /// 8.1.2 EUM certificate.
    EumCertificate,
    /// 8.1.3 eUICC certificate.
    EuiccCertificate,
    /// 8.2 Profile.
    Profile,
    /// 8.2.1 Profile ICCID.
    ProfileIccid,
    /// 8.2.5 Profile type.
    ProfileType,
    /// 8.2.6 Matching ID.
    MatchingId,
    /// 8.2.7 Confirmation code.
    ConfirmationCode,
    /// 8.2.8 Profile policy rules.
    ProfilePolicyRules,
    /// 8.2.9 Profile metadata.
    ProfileMetadata,
    /// 8.2.10 Bound profile package.
    BoundProfilePackage,
    /// 8.2.13 Enterprise configuration.
    EnterpriseConfiguration,
    /// 8.2.14 LPA proxy.
    LpaProxy,
    /// 8.8 SM-DP+.
    SmdpPlus,
    /// 8.8.1 SM-DP+ address.
    SmdpAddress,
    /// 8.8.2 Security configuration.
    SecurityConfiguration,
    /// 8.8.3 Specification version number.
    SpecificationVersion,
    /// 8.8.4 SM-DP+ certificate.
    SmdpCertificate,
    /// 8.8.5 Download order.
    DownloadOrder,
    /// 8.8.6 RPM order.
    RpmOrder,
    /// 8.9 SM-DS.
    SmDs,
    /// 8.9.5 Event record.
    EventRecord,
    /// 8.10.1 TransactionId.
    TransactionId,
    /// 8.10.3 Device change.
    DeviceChange,
    /// 8.11.1 Public key of the CI.
    CiPublicKey,
    /// 8.31.2 eimTransactionId (SGP.32).
    EimTransactionId,
}

impl Subject {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FunctionRequester => "1.1",
            Self::FunctionProvider => "1.2",
            Self::ProtocolFormat => "1.3.1",
            Self::ProtocolVersion => "1.3.2",
            Self::Function => "1.6",
            Self::RemoteProvisioning => "8",
            Self::Euicc => "8.1",
            Self::Eid => "8.1.1",
            Self::EumCertificate => "8.1.2",
            Self::EuiccCertificate => "8.1.3",
            Self::Profile => "8.2",
            Self::ProfileIccid => "8.2.1",
            Self::ProfileType => "8.2.5",
            Self::MatchingId => "8.2.6",
            Self::ConfirmationCode => "8.2.7",
            Self::ProfilePolicyRules => "8.2.8",
            Self::ProfileMetadata => "8.2.9",
            Self::BoundProfilePackage => "8.2.10",
            Self::EnterpriseConfiguration => "8.2.13",
            Self::LpaProxy => "8.2.14",
            Self::SmdpPlus => "8.8",
            Self::SmdpAddress => "8.8.1",
            Self::SecurityConfiguration => "8.8.2",
            Self::SpecificationVersion => "8.8.3",
            Self::SmdpCertificate => "8.8.4",
            Self::DownloadOrder => "8.8.5",
            Self::RpmOrder => "8.8.6",
            Self::SmDs => "8.9",
            Self::EventRecord => "8.9.5",
            Self::TransactionId => "8.10.1",
            Self::DeviceChange => "8.10.3",
            Self::CiPublicKey => "8.11.1",
            Self::EimTransactionId => "8.31.2",
        }
    }
}

/// What is the matter with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// 1.1 Unknown.
    UnknownIdentification,
    /// 1.2 Not allowed.
    NotAllowed,
    /// 2.1 Invalid.
    Invalid,
    /// 2.2 Mandatory element missing.
    MandatoryElementMissing,
    /// 2.3 Conditional element missing.
    ConditionalElementMissing,
    /// 3.1 Unsupported.
    Unsupported,
    /// 3.3 Already in use.
    AlreadyInUse,
    /// 3.5 Invalid transition.
    InvalidTransition,
    /// 3.7 Unavailable.
    Unavailable,
    /// 3.8 Refused.
    Refused,
    /// 3.9 Unknown.
    Unknown,
    /// 3.10 Invalid association.
    InvalidAssociation,
    /// 3.11 Value has changed.
    ValueHasChanged,
    /// 3.12 Invalid match.
    InvalidMatch,
    /// 4.2 Execution error.
    ExecutionError,
    /// 4.3 Stopped on warning.
    StoppedOnWarning,
    /// 4.8 Insufficient memory.
    InsufficientMemory,
    /// 4.10 Time to live expired.
    TimeToLiveExpired,
    /// 5.1 Inaccessible.
    Inaccessible,
    /// 6.1 Verification failed.
    VerificationFailed,
    /// 6.3 Expired.
    Expired,
    /// 6.4 Maximum number of attempts exceeded.
    MaximumAttemptsExceeded,
}

impl Reason {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownIdentification => "1.1",
            Self::NotAllowed => "1.2",
            Self::Invalid => "2.1",
            Self::MandatoryElementMissing => "2.2",
            Self::ConditionalElementMissing => "2.3",
            Self::Unsupported => "3.1",
            Self::AlreadyInUse => "3.3",
            Self::InvalidTransition => "3.5",
            Self::Unavailable => "3.7",
            Self::Refused => "3.8",
            Self::Unknown => "3.9",
            Self::InvalidAssociation => "3.10",
            Self::ValueHasChanged => "3.11",
            Self::InvalidMatch => "3.12",
            Self::ExecutionError => "4.2",
            Self::StoppedOnWarning => "4.3",
            Self::InsufficientMemory => "4.8",
            Self::TimeToLiveExpired => "4.10",
            Self::Inaccessible => "5.1",
            Self::VerificationFailed => "6.1",
            Self::Expired => "6.3",
            Self::MaximumAttemptsExceeded => "6.4",
        }
    }
}
