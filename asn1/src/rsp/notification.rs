//! Installation results and notifications (SGP.22 2.5.6, 3.5, 5.7.10).

use super::{AID, NUMBER, SIGNATURE, certificate, signature, transaction_id};
use crate::oid::Oid;
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Raw, Reader, Tag, Writer};

/// NotificationMetadata, `BF2F`; as tbsOtherNotification it is what the eUICC signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationMetadata<'a> {
    /// `80` seqNumber.
    pub seq_number: u32,
    /// `81` profileManagementOperation: one bit of [`super::metadata::notification_event`].
    pub operation: NamedBits,
    /// `0C` notificationAddress.
    pub address: &'a str,
    /// `5A` iccid.
    pub iccid: Option<&'a [u8; 10]>,
}

impl NotificationMetadata<'_> {
    /// The tag of the value.
    pub const TAG: Tag = Tag(0xBF2F);
}

impl<'a> Decode<'a> for NotificationMetadata<'a> {
    const NAME: &'static str = "NotificationMetadata";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(NotificationMetadata::TAG)?.members(Self::NAME);
        let metadata = Self {
            seq_number: members.expect(Tag(0x80))?.unsigned("seqNumber")?,
            operation: members.expect(Tag(0x81))?.named_bits("profileManagementOperation")?,
            address: members
                .expect(Tag::UTF8_STRING)?
                .text(super::MAX_ADDRESS_CHARS, "notificationAddress")?,
            iccid: match members.optional(NUMBER)? {
                Some(tlv) => Some(tlv.array("iccid")?),
                None => None,
            },
        };
        members.extensions()?;
        Ok(metadata)
    }
}

impl Encode for NotificationMetadata<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .integer(Tag(0x80), i64::from(self.seq_number))
                .named_bits(Tag(0x81), self.operation)
                .tlv(Tag::UTF8_STRING, self.address.as_bytes())
                .optional(NUMBER, self.iccid.map(|iccid| &iccid[..]));
        });
    }
}

/// BppCommandId: the command of the package that failed.
pub mod bpp_command {
    /// initialiseSecureChannel.
    pub const INITIALISE_SECURE_CHANNEL: u32 = 0;
    /// configureISDP.
    pub const CONFIGURE_ISDP: u32 = 1;
    /// storeMetadata.
    pub const STORE_METADATA: u32 = 2;
    /// storeMetadata2.
    pub const STORE_METADATA_2: u32 = 3;
    /// replaceSessionKeys.
    pub const REPLACE_SESSION_KEYS: u32 = 4;
    /// loadProfileElements.
    pub const LOAD_PROFILE_ELEMENTS: u32 = 5;
}

/// ErrorReason of an installation, v2 values.
pub mod error_reason {
    /// incorrectInputValues.
    pub const INCORRECT_INPUT_VALUES: u32 = 1;
    /// invalidSignature.
    pub const INVALID_SIGNATURE: u32 = 2;
    /// invalidTransactionId.
    pub const INVALID_TRANSACTION_ID: u32 = 3;
    /// unsupportedCrtValues.
    pub const UNSUPPORTED_CRT_VALUES: u32 = 4;
    /// unsupportedRemoteOperationType.
    pub const UNSUPPORTED_REMOTE_OPERATION_TYPE: u32 = 5;
    /// unsupportedProfileClass.
    pub const UNSUPPORTED_PROFILE_CLASS: u32 = 6;
    /// scp03tStructureError.
    pub const SCP03T_STRUCTURE_ERROR: u32 = 7;
    /// scp03tSecurityError.
    pub const SCP03T_SECURITY_ERROR: u32 = 8;
    /// installFailedDueToIccidAlreadyExistsOnEuicc.
    pub const ICCID_ALREADY_EXISTS: u32 = 9;
    /// installFailedDueToInsufficientMemoryForProfile: temporary.
    pub const INSUFFICIENT_MEMORY: u32 = 10;
    /// installFailedDueToInterruption: temporary.
    pub const INTERRUPTION: u32 = 11;
    /// installFailedDueToPEProcessingError.
    pub const PE_PROCESSING_ERROR: u32 = 12;
    /// installFailedDueToDataMismatch.
    pub const DATA_MISMATCH: u32 = 13;
    /// testProfileInstallFailedDueToInvalidNaaKey.
    pub const INVALID_NAA_KEY: u32 = 14;
    /// pprNotAllowed.
    pub const PPR_NOT_ALLOWED: u32 = 15;
    /// installFailedDueToUnknownError.
    pub const UNKNOWN: u32 = 127;

    /// The name of a code; `None` for one of a later version.
    #[must_use]
    pub const fn name(code: u32) -> Option<&'static str> {
        Some(match code {
            INCORRECT_INPUT_VALUES => "incorrectInputValues",
            INVALID_SIGNATURE => "invalidSignature",
            INVALID_TRANSACTION_ID => "invalidTransactionId",
            UNSUPPORTED_CRT_VALUES => "unsupportedCrtValues",
            UNSUPPORTED_REMOTE_OPERATION_TYPE => "unsupportedRemoteOperationType",
            UNSUPPORTED_PROFILE_CLASS => "unsupportedProfileClass",
            SCP03T_STRUCTURE_ERROR => "scp03tStructureError",
            SCP03T_SECURITY_ERROR => "scp03tSecurityError",
            ICCID_ALREADY_EXISTS => "installFailedDueToIccidAlreadyExistsOnEuicc",
            INSUFFICIENT_MEMORY => "installFailedDueToInsufficientMemoryForProfile",
            INTERRUPTION => "installFailedDueToInterruption",
            PE_PROCESSING_ERROR => "installFailedDueToPEProcessingError",
            DATA_MISMATCH => "installFailedDueToDataMismatch",
            INVALID_NAA_KEY => "testProfileInstallFailedDueToInvalidNaaKey",
            PPR_NOT_ALLOWED => "pprNotAllowed",
            UNKNOWN => "installFailedDueToUnknownError",
            _ => return None,
        })
    }
}

/// finalResult of an installation, `A2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalResult<'a> {
    /// `A0` successResult.
    Success {
        /// `4F` aid of the ISD-P.
        aid: &'a [u8],
        /// simaResponse: an EUICCResponse of the profile package standard.
        sima_response: &'a [u8],
    },
    /// `A1` errorResult.
    Error {
        /// `80` bppCommandId.
        bpp_command_id: u32,
        /// `81` errorReason: one of [`error_reason`], or a value of a later version.
        error_reason: u32,
        /// `82` simaResponse.
        sima_response: Option<&'a [u8]>,
    },
}

/// ProfileInstallationResultData, `BF27`: what `euiccSignPIR` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileInstallationResultData<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `BF2F` notificationMetadata.
    pub notification_metadata: NotificationMetadata<'a>,
    /// smdpOid; left out by some eUICCs.
    pub smdp_oid: Option<Oid>,
    /// `A2` finalResult.
    pub final_result: FinalResult<'a>,
}

impl ProfileInstallationResultData<'_> {
    /// The tag of the value.
    pub const TAG: Tag = Tag(0xBF27);
}

impl<'a> Decode<'a> for ProfileInstallationResultData<'a> {
    const NAME: &'static str = "ProfileInstallationResultData";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ProfileInstallationResultData::TAG)?.members(Self::NAME);
        let transaction_id = transaction_id(&mut members)?;
        let notification_metadata = NotificationMetadata::decode(&mut members)?;
        let smdp_oid = match members.peek() {
            Some(Tag::OID) => Some(Oid::decode(&mut members)?),
            _ => None,
        };
        let mut choice = members.expect(Tag(0xA2))?.members("finalResult");
        let alternative = choice.read()?;
        let mut result = alternative.members("finalResult");
        let final_result = match alternative.tag.0 {
            0xA0 => FinalResult::Success {
                aid: result.expect(AID)?.sized(5..=16, "aid")?,
                sima_response: result.expect(Tag::OCTET_STRING)?.value,
            },
            0xA1 => FinalResult::Error {
                bpp_command_id: result.expect(Tag(0x80))?.unsigned("bppCommandId")?,
                error_reason: result.expect(Tag(0x81))?.unsigned("errorReason")?,
                sima_response: result.optional(Tag(0x82))?.map(|tlv| tlv.value),
            },
            _ => return Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, "finalResult")),
        };
        result.extensions()?;
        choice.finish()?;
        members.extensions()?;
        Ok(Self { transaction_id, notification_metadata, smdp_oid, final_result })
    }
}

impl Encode for ProfileInstallationResultData<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .tlv(Tag(0x80), self.transaction_id)
                .value(&self.notification_metadata)
                .optional(Tag::OID, self.smdp_oid.as_ref().map(Oid::as_content))
                .nested(Tag(0xA2), |choice| match &self.final_result {
                    FinalResult::Success { aid, sima_response } => {
                        choice.nested(Tag(0xA0), |result| {
                            result.tlv(AID, aid).tlv(Tag::OCTET_STRING, sima_response);
                        });
                    }
                    FinalResult::Error { bpp_command_id, error_reason, sima_response } => {
                        choice.nested(Tag(0xA1), |result| {
                            result
                                .integer(Tag(0x80), i64::from(*bpp_command_id))
                                .integer(Tag(0x81), i64::from(*error_reason))
                                .optional(Tag(0x82), *sima_response);
                        });
                    }
                });
        });
    }
}

/// ProfileInstallationResult, `BF37`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileInstallationResult<'a> {
    /// profileInstallationResultData, signed over as received.
    pub data: Raw<'a, ProfileInstallationResultData<'a>>,
    /// `5F37` euiccSignPIR.
    pub signature: &'a [u8; 64],
}

impl ProfileInstallationResult<'_> {
    /// The tag of the message.
    pub const TAG: Tag = Tag(0xBF37);
}

impl<'a> Decode<'a> for ProfileInstallationResult<'a> {
    const NAME: &'static str = "ProfileInstallationResult";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ProfileInstallationResult::TAG)?.members(Self::NAME);
        let result = Self { data: Raw::decode(&mut members)?, signature: signature(&mut members)? };
        members.extensions()?;
        Ok(result)
    }
}

impl Encode for ProfileInstallationResult<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.value(&self.data).tlv(SIGNATURE, self.signature);
        });
    }
}

/// OtherSignedNotification, `30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSignedNotification<'a> {
    /// tbsOtherNotification, signed over as received.
    pub tbs: Raw<'a, NotificationMetadata<'a>>,
    /// `5F37` euiccNotificationSignature.
    pub signature: &'a [u8; 64],
    /// euiccCertificate.
    pub euicc_certificate: &'a [u8],
    /// eumCertificate.
    pub eum_certificate: &'a [u8],
}

impl<'a> Decode<'a> for OtherSignedNotification<'a> {
    const NAME: &'static str = "OtherSignedNotification";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let notification = Self {
            tbs: Raw::decode(&mut members)?,
            signature: signature(&mut members)?,
            euicc_certificate: certificate(&mut members)?,
            eum_certificate: certificate(&mut members)?,
        };
        members.extensions()?;
        Ok(notification)
    }
}

impl Encode for OtherSignedNotification<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .value(&self.tbs)
                .tlv(SIGNATURE, self.signature)
                .raw(self.euicc_certificate)
                .raw(self.eum_certificate);
        });
    }
}

/// PendingNotification: a CHOICE of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingNotification<'a> {
    /// `BF37` profileInstallationResult.
    InstallationResult(Box<ProfileInstallationResult<'a>>),
    /// `30` otherSignedNotification.
    Other(Box<OtherSignedNotification<'a>>),
}

impl PendingNotification<'_> {
    /// The metadata of either.
    #[must_use]
    pub const fn metadata(&self) -> &NotificationMetadata<'_> {
        match self {
            Self::InstallationResult(result) => &result.data.value.notification_metadata,
            Self::Other(other) => &other.tbs.value,
        }
    }
}

impl<'a> Decode<'a> for PendingNotification<'a> {
    const NAME: &'static str = "PendingNotification";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        match reader.peek() {
            Some(ProfileInstallationResult::TAG) => {
                Ok(Self::InstallationResult(Box::new(ProfileInstallationResult::decode(reader)?)))
            }
            Some(Tag::SEQUENCE) => Ok(Self::Other(Box::new(OtherSignedNotification::decode(reader)?))),
            Some(found) => Err(reader.error(ErrorKind::Choice { found })),
            None => Err(reader.error(ErrorKind::Form)),
        }
    }
}

impl Encode for PendingNotification<'_> {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::InstallationResult(result) => result.encode(writer),
            Self::Other(other) => other.encode(writer),
        }
    }
}
