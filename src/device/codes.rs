//! The names of the codes that a card answers with, for people.

/// The name of an AuthenticateErrorCode (SGP.22 5.7.13).
#[must_use]
pub const fn authenticate_error_name(code: u32) -> &'static str {
    match code {
        1 => "invalidCertificate",
        2 => "invalidSignature",
        3 => "unsupportedCurve",
        4 => "noSessionContext",
        5 => "invalidOid",
        6 => "euiccChallengeMismatch",
        7 => "ciPKUnknown",
        104 => "ecallActive",
        _ => "undefinedError",
    }
}

/// The name of a DownloadErrorCode (SGP.22 5.7.5).
#[must_use]
pub const fn download_error_name(code: u32) -> &'static str {
    match code {
        1 => "invalidCertificate",
        2 => "invalidSignature",
        3 => "unsupportedCurve",
        4 => "noSessionContext",
        5 => "invalidTransactionId",
        104 => "ecallActive",
        _ => "undefinedError",
    }
}

/// The name of a bppCommandId.
#[must_use]
pub const fn command_name(command: u32) -> &'static str {
    match command {
        0 => "initialiseSecureChannel",
        1 => "configureISDP",
        2 => "storeMetadata",
        3 => "storeMetadata2",
        4 => "replaceSessionKeys",
        5 => "loadProfileElements",
        _ => "an unknown command",
    }
}

/// The name of an errorReason of an installation.
#[must_use]
pub const fn reason_name(reason: u32) -> &'static str {
    match reason {
        1 => "incorrectInputValues",
        2 => "invalidSignature",
        3 => "invalidTransactionId",
        4 => "unsupportedCrtValues",
        5 => "unsupportedRemoteOperationType",
        6 => "unsupportedProfileClass",
        7 => "scp03tStructureError",
        8 => "scp03tSecurityError",
        9 => "installFailedDueToIccidAlreadyExistsOnEuicc",
        10 => "installFailedDueToInsufficientMemoryForProfile",
        11 => "installFailedDueToInterruption",
        12 => "installFailedDueToPEProcessingError",
        13 => "installFailedDueToDataMismatch",
        14 => "testProfileInstallFailedDueToInvalidNaaKey",
        15 => "pprNotAllowed",
        _ => "installFailedDueToUnknownError",
    }
}
