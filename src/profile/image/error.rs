//! Why an installation fails, and how the eUICC says so (PEStatus and EUICCResponse of the TCA Profile Package).

use simyard_asn1::saip::{EuiccResponse, PeStatus, ProfileElement, Service, status};

/// The first error of an installation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element} (element {}) at octet {offset}: {reason}", identification.map_or("without number".to_owned(), |id| id.to_string()))]
pub struct InstallError {
    /// The rule that is broken.
    pub reason: Reason,
    /// The name of the element.
    pub element: &'static str,
    /// The element's identification; the profile header has none.
    pub identification: Option<u16>,
    /// Octets from the start of the package.
    pub offset: usize,
    /// Octets from the start of the package to the element.
    pub element_offset: usize,
}

/// The rules that an installation can break. Each doc comment ends with the status that it gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A member is missing or coded in a way that the module does not allow. invalid-request-format.
    #[error("{0}")]
    Form(simyard_asn1::Error),
    /// The first element is no header, or there is a second one. invalid-request-format.
    #[error("the profile header must be the first element, and the only one of its kind")]
    HeaderPlace,
    /// The second element is no MF, or there is a second one. invalid-request-format.
    #[error("the MF must be the second element, and the only one of its kind")]
    MfPlace,
    /// The package ends without End. invalid-request-format.
    #[error("the last element must be End")]
    MissingEnd,
    /// Elements follow End. invalid-request-format.
    #[error("no element may follow End")]
    AfterEnd,
    /// The element belongs to an application that does not stand before it. invalid-request-format.
    #[error("the element must follow the {0} that it belongs to")]
    ApplicationPlace(&'static str),
    /// The application has AKA parameters already. invalid-request-format.
    #[error("the application before the element has its keys already")]
    SecondAka,
    /// Two elements have the same identification. invalid-request-format.
    #[error("identification {0} is used twice")]
    SecondIdentification(u16),
    /// The header's version is neither 2.x nor 3.x. unsupported-profile-version.
    #[error("version {0}.{1} of the package format is not supported: 2.x and 3.x are")]
    Version(u8, u8),
    /// The header demands a service that is not among [`super::SUPPORTED`]. feature-not-supported.
    #[error("mandatory service {} [{}] is not supported", .0.name(), .0.number())]
    Service(Service),
    /// The header demands libraries or packages; the card has none. lib-not-supported.
    #[error("{0} mandatory libraries are not on the card, which has none")]
    Libraries(usize),
    /// The header demands a template, or a mandated element names one, that is not known. template-not-supported.
    #[error("template {0} is not supported")]
    Template(String),
    /// The element names the template of another element. template-not-supported.
    #[error("template {0} belongs to another element")]
    TemplateOfAnother(String),
    /// A mandated element is not supported. pe-not-supported.
    #[error("the element is mandated and not supported")]
    Unsupported,
    /// The header's ICCID is no number. bad-values.
    #[error("the ICCID of the header is no number of 18 to 20 digits")]
    HeaderIccid,
    /// Header and EF.ICCID differ. bad-values.
    #[error("the ICCID of the header and EF.ICCID must be the same number")]
    IccidMismatch,
    /// There is no EF.ICCID. bad-values.
    #[error("the MF must hold EF.ICCID with ten octets")]
    NoEfIccid,
    /// Two files of a directory have one identifier. bad-values.
    #[error("file {0:04X} is already in its directory")]
    SecondFile(u16),
    /// Two applications have one AID. bad-values.
    #[error("the AID is used by another application already")]
    SecondAid,
    /// The file's directory does not exist. bad-values.
    #[error("the directory of {0} does not exist")]
    NoDirectory(&'static str),
    /// A path leads nowhere. bad-values.
    #[error("no file has the path {0}")]
    NoFile(String),
    /// The content is longer than the file. bad-values.
    #[error("the content ends at octet {end}, the file has {size}")]
    ContentTooLong {
        /// Where the content would end.
        end: usize,
        /// The size of the file.
        size: usize,
    },
    /// The size is no multiple of the record length. bad-values.
    #[error("a size of {size} octets holds no whole number of records of {record}")]
    RecordSize {
        /// The size of the file.
        size: usize,
        /// The length of a record.
        record: usize,
    },
    /// A value that the template leaves to the package is missing. invalid-parameter.
    #[error("{file} needs {what}, which its template leaves to the package")]
    MissingParameter {
        /// The name of the file.
        file: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// The descriptor names another kind of file than the template. invalid-parameter.
    #[error("the file descriptor byte {0:02X} is none, or none for this file")]
    Descriptor(u8),
    /// The number of a field is not in this version of the template. invalid-parameter.
    #[error("the template has no file [{0}] in this version")]
    UnknownField(u32),
    /// doNotCreate for a file that is not created by default. invalid-parameter.
    #[error("doNotCreate is for templates that are created by default")]
    DoNotCreate,
    /// A link with size, content or AID of its own, or to a file of another kind. invalid-parameter.
    #[error("a link names a file of its own kind, not above it, and has neither size nor content")]
    Link,
    /// A command of file management needs a file and none is selected. invalid-parameter.
    #[error("no file is selected that could be filled")]
    NothingToFill,
    /// A PIN stands in a directory that may not have it. invalid-parameter.
    #[error(
        "key reference {0} is not allowed here: global ones belong to the MF, local ones to other directories"
    )]
    PinPlace(u8),
    /// A key reference is given twice. invalid-parameter.
    #[error("key reference {0} is given twice")]
    SecondKeyReference(u8),
    /// The attempts that are left are more than the maximum. invalid-parameter.
    #[error("key reference {0} has more attempts left than it has in all")]
    Attempts(u8),
    /// The file whose PINs are shared is no directory with PINs. pin-code-missing.
    #[error("the directory to share PINs with has none of its own")]
    NoPinsToShare,
    /// A PIN names a PUK that is not there. pin-code-missing.
    #[error("key reference {pin} is unblocked by {puk}, which no PUKCodes element before it gives")]
    NoPuk {
        /// The reference of the PIN.
        pin: u8,
        /// The reference of the PUK.
        puk: u8,
    },
    /// The key has another length than the algorithm wants. invalid-parameter.
    #[error("algorithm {0} does not work with keys of this length")]
    KeyLength(u8),
    /// The algorithm is not known. feature-not-supported.
    #[error("algorithm {0} is not supported")]
    Algorithm(u8),
    /// The keys are for TUAK (TS 35.231), which the card does not run. feature-not-supported.
    #[error("TUAK (algorithm 2) is not supported: Milenage (1) and the test algorithm (3) are")]
    Tuak,
    /// The mapping names an application that does not stand before it or has no keys of its own. bad-values.
    #[error("the application whose keys are used must stand before the element and have keys of its own")]
    Mapping,
    /// Too many files, or files too large. not-enough-memory.
    #[error(
        "the profile needs more than the {} files, {} octets or {} directories in one another that there is room for",
        super::MAX_FILES,
        super::MAX_MEMORY,
        super::MAX_NESTING
    )]
    Memory,
}

impl Reason {
    /// The status that the eUICC reports.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Form(_)
            | Self::HeaderPlace
            | Self::MfPlace
            | Self::MissingEnd
            | Self::AfterEnd
            | Self::ApplicationPlace(_)
            | Self::SecondAka
            | Self::SecondIdentification(_) => status::INVALID_REQUEST_FORMAT,
            Self::Version(..) => status::UNSUPPORTED_PROFILE_VERSION,
            Self::Service(_) | Self::Algorithm(_) | Self::Tuak => status::FEATURE_NOT_SUPPORTED,
            Self::Libraries(_) => status::LIB_NOT_SUPPORTED,
            Self::Template(_) | Self::TemplateOfAnother(_) => status::TEMPLATE_NOT_SUPPORTED,
            Self::Unsupported => status::PE_NOT_SUPPORTED,
            Self::HeaderIccid
            | Self::IccidMismatch
            | Self::NoEfIccid
            | Self::SecondFile(_)
            | Self::SecondAid
            | Self::NoDirectory(_)
            | Self::NoFile(_)
            | Self::ContentTooLong { .. }
            | Self::RecordSize { .. }
            | Self::Mapping => status::BAD_VALUES,
            Self::MissingParameter { .. }
            | Self::Descriptor(_)
            | Self::UnknownField(_)
            | Self::DoNotCreate
            | Self::Link
            | Self::NothingToFill
            | Self::PinPlace(_)
            | Self::SecondKeyReference(_)
            | Self::Attempts(_)
            | Self::KeyLength(_) => status::INVALID_PARAMETER,
            Self::NoPinsToShare | Self::NoPuk { .. } => status::PIN_CODE_MISSING,
            Self::Memory => status::NOT_ENOUGH_MEMORY,
        }
    }

    /// The error of this reason at an octet of an element.
    pub(super) fn at(self, element: &ProfileElement<'_>, offset: usize) -> InstallError {
        let offset = if let Self::Form(form) = &self { form.offset } else { offset };
        InstallError {
            reason: self,
            element: element.kind.name(),
            identification: element.identification(),
            offset,
            element_offset: element.tlv.offset,
        }
    }
}

impl InstallError {
    /// The status that the eUICC reports.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.reason.status()
    }

    /// The eUICC's answer: the status of the element, the installation given up.
    #[must_use]
    pub fn response(&self) -> EuiccResponse {
        let offset = self.offset.saturating_sub(self.element_offset);
        let status = PeStatus {
            status: self.status(),
            identification: self.identification,
            additional_information: None,
            offset: u32::try_from(offset).ok(),
        };
        let message: String = self.reason.to_string().chars().take(64).collect();
        EuiccResponse { statuses: vec![status], aborted: true, message: Some(message) }
    }
}
