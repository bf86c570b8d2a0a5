//! The profile elements as data: the members of every type in the order of the module, their tags, and how a
//! description spells their values (TCA Profile Package, chapters 8 and 9; module PEDefinitions).
//!
//! Files come with the file system templates ([`crate::profile::templates`]); here are only their attributes.

use simyard_asn1::saip::ElementKind;

/// How a value is spelt. Any leaf can also be `{ hex = "…" }`, and any value `{ der = "…" }`, its whole TLV.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// NULL: `true`.
    Null,
    /// INTEGER: a number.
    Integer,
    /// INTEGER with names for values: the name, or the number.
    Named(&'static [(i64, &'static str)]),
    /// Octets: hexadecimal digits.
    Octets,
    /// UTF-8: text.
    Text,
    /// OBJECT IDENTIFIER: dotted decimals.
    Oid,
    /// The identifier of a file system template: `usim`, `usim/2`; dotted decimals for one that is not known.
    Template,
    /// The ICCID of the header: its digits.
    Iccid,
    /// PIN or PUK: its digits; hexadecimal digits after `0x` for any other value.
    Code,
    /// Attempts of a PIN or PUK: `3/3`, in all and left.
    Attempts,
    /// A path of file identifiers: `7F10/5F3A`; empty for the MF.
    Path,
    /// File descriptor: `transparent`, `linear-fixed/33` …
    Descriptor,
    /// Rules of access: a record number, or `2F06/3` with the file.
    Access,
    /// A size in octets, as few octets as it needs.
    Size,
    /// Short file identifier: a number, or `none`.
    ShortFileId,
    /// Special file information: a list of names.
    Special,
    /// Key references of a directory: a list of names.
    PinStatus,
    /// A pattern that fills the file: its content, where that can be read, or hexadecimal digits.
    Pattern,
    /// Toolkit parameters of an application (TS 102 226 8.2.1.3.2.2): a table.
    Toolkit,
    /// A list of NULLs by their tags: the names of services.
    Services,
    /// A load file: hexadecimal digits, or `{ file = "…" }`.
    LoadFile,
    /// One APDU for an applet: hexadecimal digits, or `{ multi_imsi = … }`.
    Command,
    /// SEQUENCE: a table.
    Record(&'static [Member]),
    /// SEQUENCE OF: an array.
    List(&'static Member),
    /// CHOICE, explicitly tagged: a table with one member.
    Choice(&'static [Member]),
    /// The files of a template: an array of tables.
    Files,
    /// The commands of GenericFileManagement: an array of arrays of tables.
    Commands,
}

/// A member of a type.
pub(super) struct Member {
    /// Its name in the module.
    pub name: &'static str,
    /// Its tag.
    pub tag: u32,
    /// How its value is spelt.
    pub form: Form,
}

const fn member(name: &'static str, tag: u32, form: Form) -> Member {
    Member { name, tag, form }
}

/// The name of an element of a list, which has none.
const fn item(tag: u32, form: Form) -> Member {
    member("", tag, form)
}

/// Key references of PINs (6.1): PINKeyReferenceValue and PUKKeyReferenceValue.
pub(super) static KEY_REFERENCES: &[(i64, &str)] = &[
    (1, "pinAppl1"),
    (2, "pinAppl2"),
    (3, "pinAppl3"),
    (4, "pinAppl4"),
    (5, "pinAppl5"),
    (6, "pinAppl6"),
    (7, "pinAppl7"),
    (8, "pinAppl8"),
    (10, "adm1"),
    (11, "adm2"),
    (12, "adm3"),
    (13, "adm4"),
    (14, "adm5"),
    (129, "secondPINAppl1"),
    (130, "secondPINAppl2"),
    (131, "secondPINAppl3"),
    (132, "secondPINAppl4"),
    (133, "secondPINAppl5"),
    (134, "secondPINAppl6"),
    (135, "secondPINAppl7"),
    (136, "secondPINAppl8"),
    (138, "adm6"),
    (139, "adm7"),
    (140, "adm8"),
    (141, "adm9"),
    (142, "adm10"),
];

static PUK_REFERENCES: &[(i64, &str)] = &[
    (1, "pukAppl1"),
    (2, "pukAppl2"),
    (3, "pukAppl3"),
    (4, "pukAppl4"),
    (5, "pukAppl5"),
    (6, "pukAppl6"),
    (7, "pukAppl7"),
    (8, "pukAppl8"),
    (129, "secondPUKAppl1"),
    (130, "secondPUKAppl2"),
    (131, "secondPUKAppl3"),
    (132, "secondPUKAppl4"),
    (133, "secondPUKAppl5"),
    (134, "secondPUKAppl6"),
    (135, "secondPUKAppl7"),
    (136, "secondPUKAppl8"),
];

/// The algorithms of authentication (6.2).
pub(super) static ALGORITHMS: &[(i64, &str)] = &[(1, "milenage"), (2, "tuak"), (3, "usim-test-algorithm")];

/// PEHeader.
const HEADER: Member = member(
    "header",
    0xA0,
    Form::Record(&[member("mandated", 0x80, Form::Null), member("identification", 0x81, Form::Integer)]),
);

/// Fcp (5.2).
pub(super) static FCP: &[Member] = &[
    member("descriptor", 0x82, Form::Descriptor),
    member("fileID", 0x83, Form::Octets),
    member("dfName", 0x84, Form::Octets),
    member("lcsi", 0x8A, Form::Octets),
    member("access", 0x8B, Form::Access),
    member("size", 0x80, Form::Size),
    member("pinStatus", 0xC6, Form::PinStatus),
    member("shortEFID", 0x88, Form::ShortFileId),
    member(
        "proprietary",
        0xA5,
        Form::Record(&[
            member("special", 0xC0, Form::Special),
            member("fillPattern", 0xC1, Form::Pattern),
            member("repeatPattern", 0xC2, Form::Pattern),
            member("maximumSize", 0x86, Form::Size),
            member("details", 0x84, Form::Octets),
        ]),
    ),
    member("link", 0xC7, Form::Path),
];

static PROFILE_HEADER: &[Member] = &[
    member("major-version", 0x80, Form::Integer),
    member("minor-version", 0x81, Form::Integer),
    member("profileType", 0x82, Form::Text),
    member("iccid", 0x83, Form::Iccid),
    member("pol", 0x84, Form::Octets),
    member("eUICC-Mandatory-services", 0xA5, Form::Services),
    member("eUICC-Mandatory-GFSTEList", 0xA6, Form::List(&item(0x06, Form::Template))),
    member("connectivityParameters", 0x87, Form::Octets),
    member(
        "eUICC-Mandatory-AIDs",
        0xA8,
        Form::List(&item(
            0x30,
            Form::Record(&[member("aid", 0x80, Form::Octets), member("version", 0x81, Form::Octets)]),
        )),
    ),
    member("iotOptions", 0xA9, Form::Record(&[member("pix", 0x80, Form::Octets)])),
];

static GENERIC_FILE_MANAGEMENT: &[Member] = &[HEADER, member("fileManagementCMD", 0xA1, Form::Commands)];

static PIN_CODES: &[Member] = &[
    HEADER,
    member(
        "pinCodes",
        0xA1,
        Form::Choice(&[
            member(
                "pinconfig",
                0xA0,
                Form::List(&item(
                    0x30,
                    Form::Record(&[
                        member("keyReference", 0x80, Form::Named(KEY_REFERENCES)),
                        member("pinValue", 0x81, Form::Code),
                        member("unblockingPINReference", 0x82, Form::Named(PUK_REFERENCES)),
                        member("pinAttributes", 0x83, Form::Integer),
                        member("maxNumOfAttemps-retryNumLeft", 0x84, Form::Attempts),
                    ]),
                )),
            ),
            member("filePath", 0x81, Form::Path),
        ]),
    ),
];

static PUK_CODES: &[Member] = &[
    HEADER,
    member(
        "pukCodes",
        0xA1,
        Form::List(&item(
            0x30,
            Form::Record(&[
                member("keyReference", 0x80, Form::Named(PUK_REFERENCES)),
                member("pukValue", 0x81, Form::Code),
                member("maxNumOfAttemps-retryNumLeft", 0x82, Form::Attempts),
            ]),
        )),
    ),
];

static AKA_PARAMETER: &[Member] = &[
    HEADER,
    member(
        "algoConfiguration",
        0xA1,
        Form::Choice(&[
            member(
                "mappingParameter",
                0xA0,
                Form::Record(&[
                    member("mappingOptions", 0x80, Form::Octets),
                    member("mappingSource", 0x81, Form::Octets),
                ]),
            ),
            member(
                "algoParameter",
                0xA1,
                Form::Record(&[
                    member("algorithmID", 0x80, Form::Named(ALGORITHMS)),
                    member("algorithmOptions", 0x81, Form::Octets),
                    member("key", 0x82, Form::Octets),
                    member("opc", 0x83, Form::Octets),
                    member("rotationConstants", 0x84, Form::Octets),
                    member("xoringConstants", 0x85, Form::Octets),
                    member("authCounterMax", 0x86, Form::Octets),
                    member("numberOfKeccak", 0x87, Form::Integer),
                ]),
            ),
        ]),
    ),
    member("sqnOptions", 0x82, Form::Octets),
    member("sqnDelta", 0x83, Form::Octets),
    member("sqnAgeLimit", 0x84, Form::Octets),
    member("sqnInit", 0xA5, Form::List(&item(0x04, Form::Octets))),
];

static CDMA_PARAMETER: &[Member] = &[
    HEADER,
    member("authenticationKey", 0x81, Form::Octets),
    member("ssd", 0x82, Form::Octets),
    member("hrpdAccessAuthenticationData", 0x83, Form::Octets),
    member("simpleIPAuthenticationData", 0x84, Form::Octets),
    member("mobileIPAuthenticationData", 0x85, Form::Octets),
];

/// ApplicationInstance (6.4, 6.6).
static INSTANCE: &[Member] = &[
    member("applicationLoadPackageAID", 0x4F, Form::Octets),
    member("classAID", 0x4F, Form::Octets),
    member("instanceAID", 0x4F, Form::Octets),
    member("extraditeSecurityDomainAID", 0x4F, Form::Octets),
    member("applicationPrivileges", 0x82, Form::Octets),
    member("lifeCycleState", 0x83, Form::Octets),
    member("applicationSpecificParametersC9", 0xC9, Form::Octets),
    member(
        "systemSpecificParameters",
        0xEF,
        Form::Record(&[
            member("volatileMemoryQuotaC7", 0xC7, Form::Octets),
            member("nonVolatileMemoryQuotaC8", 0xC8, Form::Octets),
            member("globalServiceParameters", 0xCB, Form::Octets),
            member("implicitSelectionParameter", 0xCF, Form::Octets),
        ]),
    ),
    member(
        "applicationParameters",
        0xEA,
        Form::Record(&[
            member("uiccToolkitApplicationSpecificParametersField", 0x80, Form::Toolkit),
            member("uiccAccessApplicationSpecificParametersField", 0x81, Form::Octets),
            member("uiccAdministrativeAccessApplicationSpecificParametersField", 0x82, Form::Octets),
        ]),
    ),
    member("processData", 0x30, Form::List(&item(0x04, Form::Command))),
    member("controlReferenceTemplate", 0xB0, Form::Octets),
];

static SECURITY_DOMAIN: &[Member] = &[
    HEADER,
    member("instance", 0xA1, Form::Record(INSTANCE)),
    member(
        "keyList",
        0xA2,
        Form::List(&item(
            0x30,
            Form::Record(&[
                member("keyUsageQualifier", 0x95, Form::Octets),
                member("keyAccess", 0x96, Form::Octets),
                member("keyIdentifier", 0x82, Form::Octets),
                member("keyVersionNumber", 0x83, Form::Octets),
                member("keyCounterValue", 0x85, Form::Octets),
                member(
                    "keyComponents",
                    0x30,
                    Form::List(&item(
                        0x30,
                        Form::Record(&[
                            member("keyType", 0x80, Form::Octets),
                            member("keyData", 0x86, Form::Octets),
                            member("macLength", 0x87, Form::Integer),
                        ]),
                    )),
                ),
            ]),
        )),
    ),
    member("sdPersoData", 0xA3, Form::List(&item(0x04, Form::Command))),
    member(
        "openPersoData",
        0xA4,
        Form::Record(&[
            member("restrictParameter", 0xD9, Form::Octets),
            member("contactlessProtocolParameters", 0x04, Form::Octets),
        ]),
    ),
    member(
        "catTpParameters",
        0xA5,
        Form::Record(&[
            member("catTpMaxSduSize", 0x80, Form::Integer),
            member("catTpMaxPduSize", 0x81, Form::Integer),
        ]),
    ),
];

static RFM: &[Member] = &[
    HEADER,
    member("instanceAID", 0x4F, Form::Octets),
    member("securityDomainAID", 0x4F, Form::Octets),
    member("tarList", 0xA0, Form::List(&item(0x04, Form::Octets))),
    member("minimumSecurityLevel", 0x81, Form::Octets),
    member("uiccAccessDomain", 0x04, Form::Octets),
    member("uiccAdminAccessDomain", 0x04, Form::Octets),
    member(
        "adfRFMAccess",
        0x30,
        Form::Record(&[
            member("adfAID", 0x80, Form::Octets),
            member("adfAccessDomain", 0x81, Form::Octets),
            member("adfAdminAccessDomain", 0x82, Form::Octets),
        ]),
    ),
];

static APPLICATION: &[Member] = &[
    HEADER,
    member(
        "loadBlock",
        0xA1,
        Form::Record(&[
            member("loadPackageAID", 0x4F, Form::Octets),
            member("securityDomainAID", 0x4F, Form::Octets),
            member("nonVolatileCodeLimitC6", 0xC6, Form::Octets),
            member("volatileDataLimitC7", 0xC7, Form::Octets),
            member("nonVolatileDataLimitC8", 0xC8, Form::Octets),
            member("hashValue", 0xC1, Form::Octets),
            member("loadBlockObject", 0xC4, Form::LoadFile),
        ]),
    ),
    member("instanceList", 0xA2, Form::List(&item(0x30, Form::Record(INSTANCE)))),
];

static NON_STANDARD: &[Member] =
    &[HEADER, member("issuerID", 0x81, Form::Oid), member("content", 0x82, Form::Octets)];

static END: &[Member] = &[HEADER];

/// The template of a file system element.
pub(super) const TEMPLATE: Member = member("templateID", 0x81, Form::Template);

/// All file system elements: the tags of their files come from the template.
static FILE_SYSTEM: &[Member] = &[HEADER, TEMPLATE, member("file", 0, Form::Files)];

/// The members of an element; `None` for one that this version does not know.
pub(super) const fn members(kind: ElementKind) -> Option<&'static [Member]> {
    Some(match kind {
        ElementKind::Header => PROFILE_HEADER,
        ElementKind::GenericFileManagement => GENERIC_FILE_MANAGEMENT,
        ElementKind::PinCodes => PIN_CODES,
        ElementKind::PukCodes => PUK_CODES,
        ElementKind::AkaParameter => AKA_PARAMETER,
        ElementKind::CdmaParameter => CDMA_PARAMETER,
        ElementKind::SecurityDomain => SECURITY_DOMAIN,
        ElementKind::Rfm => RFM,
        ElementKind::Application => APPLICATION,
        ElementKind::NonStandard => NON_STANDARD,
        ElementKind::End => END,
        ElementKind::Unknown(_) => return None,
        _ => FILE_SYSTEM,
    })
}
