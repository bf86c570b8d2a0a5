//! Download and cancellation (SGP.22 3.1.3, 3.0.2): ES10b.PrepareDownload, ES10b.CancelSession.

use super::{ONE_TIME_KEY, SIGNATURE, certificate, signature, transaction_id};
use crate::oid::Oid;
use crate::tlv::{Decode, Encode, Error, ErrorKind, Raw, Reader, Tag, Writer};

/// SmdpSigned2: what `smdpSignature2` covers, followed by euiccSignature1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmdpSigned2<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// ccRequiredFlag.
    pub cc_required_flag: bool,
    /// `5F49` bppEuiccOtpk: the one-time key of an earlier binding that the eUICC may use again.
    pub bpp_euicc_otpk: Option<&'a [u8]>,
}

impl<'a> Decode<'a> for SmdpSigned2<'a> {
    const NAME: &'static str = "SmdpSigned2";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let signed = Self {
            transaction_id: transaction_id(&mut members)?,
            cc_required_flag: members.expect(Tag::BOOLEAN)?.boolean("ccRequiredFlag")?,
            bpp_euicc_otpk: members.optional(ONE_TIME_KEY)?.map(|tlv| tlv.value),
        };
        members.extensions()?;
        Ok(signed)
    }
}

impl Encode for SmdpSigned2<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.transaction_id)
                .boolean(Tag::BOOLEAN, self.cc_required_flag)
                .optional(ONE_TIME_KEY, self.bpp_euicc_otpk);
        });
    }
}

/// PrepareDownloadRequest, `BF21`, as the LPA hands it to the eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrepareDownloadRequest<'a> {
    /// smdpSigned2, signed over as received.
    pub smdp_signed2: Raw<'a, SmdpSigned2<'a>>,
    /// `5F37` smdpSignature2.
    pub smdp_signature2: &'a [u8; 64],
    /// hashCc, computed by the LPA.
    pub hash_cc: Option<&'a [u8]>,
    /// smdpCertificate: CERT.DPpb.
    pub smdp_certificate: &'a [u8],
}

impl PrepareDownloadRequest<'_> {
    /// The tag of request and response.
    pub const TAG: Tag = Tag(0xBF21);
}

impl<'a> Decode<'a> for PrepareDownloadRequest<'a> {
    const NAME: &'static str = "PrepareDownloadRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(PrepareDownloadRequest::TAG)?.members(Self::NAME);
        let request = Self {
            smdp_signed2: Raw::decode(&mut members)?,
            smdp_signature2: signature(&mut members)?,
            hash_cc: members.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value),
            smdp_certificate: certificate(&mut members)?,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for PrepareDownloadRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .value(&self.smdp_signed2)
                .tlv(SIGNATURE, self.smdp_signature2)
                .optional(Tag::OCTET_STRING, self.hash_cc)
                .raw(self.smdp_certificate);
        });
    }
}

/// EUICCSigned2: what `euiccSignature2` covers, followed by smdpSignature2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccSigned2<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `5F49` euiccOtpk.
    pub euicc_otpk: &'a [u8],
    /// hashCc.
    pub hash_cc: Option<&'a [u8]>,
}

impl<'a> Decode<'a> for EuiccSigned2<'a> {
    const NAME: &'static str = "EUICCSigned2";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let signed = Self {
            transaction_id: transaction_id(&mut members)?,
            euicc_otpk: members.expect(ONE_TIME_KEY)?.value,
            hash_cc: members.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value),
        };
        members.extensions()?;
        Ok(signed)
    }
}

impl Encode for EuiccSigned2<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.transaction_id)
                .tlv(ONE_TIME_KEY, self.euicc_otpk)
                .optional(Tag::OCTET_STRING, self.hash_cc);
        });
    }
}

/// PrepareDownloadResponse, `BF21`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrepareDownloadResponse<'a> {
    /// `A0` downloadResponseOk.
    Ok {
        /// euiccSigned2, signed over as received.
        euicc_signed2: Raw<'a, EuiccSigned2<'a>>,
        /// `5F37` euiccSignature2.
        euicc_signature2: &'a [u8; 64],
    },
    /// `A1` downloadResponseError.
    Error {
        /// `80` transactionId.
        transaction_id: &'a [u8],
        /// downloadErrorCode.
        code: u32,
    },
}

/// DownloadErrorCode (SGP.22 5.7.5).
pub mod download_error {
    /// invalidCertificate.
    pub const INVALID_CERTIFICATE: u32 = 1;
    /// invalidSignature.
    pub const INVALID_SIGNATURE: u32 = 2;
    /// unsupportedCurve.
    pub const UNSUPPORTED_CURVE: u32 = 3;
    /// noSessionContext.
    pub const NO_SESSION_CONTEXT: u32 = 4;
    /// invalidTransactionId.
    pub const INVALID_TRANSACTION_ID: u32 = 5;
    /// ecallActive (SGP.32): an emergency profile is enabled.
    pub const ECALL_ACTIVE: u32 = 104;
    /// undefinedError.
    pub const UNDEFINED: u32 = 127;
}

impl<'a> Decode<'a> for PrepareDownloadResponse<'a> {
    const NAME: &'static str = "PrepareDownloadResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut choice = reader.expect(PrepareDownloadRequest::TAG)?.members(Self::NAME);
        let alternative = choice.read()?;
        choice.finish()?;
        let mut members = alternative.members(Self::NAME);
        let response = match alternative.tag.0 {
            0xA0 => Self::Ok {
                euicc_signed2: Raw::decode(&mut members)?,
                euicc_signature2: signature(&mut members)?,
            },
            0xA1 => Self::Error {
                transaction_id: transaction_id(&mut members)?,
                code: members.expect(Tag::INTEGER)?.unsigned("downloadErrorCode")?,
            },
            _ => return Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for PrepareDownloadResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(PrepareDownloadRequest::TAG, |choice| match self {
            Self::Ok { euicc_signed2, euicc_signature2 } => {
                choice.nested(Tag(0xA0), |members| {
                    members.value(euicc_signed2).tlv(SIGNATURE, *euicc_signature2);
                });
            }
            Self::Error { transaction_id, code } => {
                choice.nested(Tag(0xA1), |members| {
                    members.tlv(Tag(0x80), transaction_id).integer(Tag::INTEGER, i64::from(*code));
                });
            }
        });
    }
}

/// CancelSessionReason (SGP.22 5.7.14), v2 values.
pub mod cancel_session_reason {
    /// endUserRejection.
    pub const END_USER_REJECTION: u32 = 0;
    /// postponed.
    pub const POSTPONED: u32 = 1;
    /// timeout.
    pub const TIMEOUT: u32 = 2;
    /// pprNotAllowed.
    pub const PPR_NOT_ALLOWED: u32 = 3;
    /// metadataMismatch.
    pub const METADATA_MISMATCH: u32 = 4;
    /// loadBppExecutionError.
    pub const LOAD_BPP_EXECUTION_ERROR: u32 = 5;
    /// undefinedReason.
    pub const UNDEFINED: u32 = 127;

    /// The name of a code; `None` for one of a later version.
    #[must_use]
    pub const fn name(code: u32) -> Option<&'static str> {
        Some(match code {
            END_USER_REJECTION => "endUserRejection",
            POSTPONED => "postponed",
            TIMEOUT => "timeout",
            PPR_NOT_ALLOWED => "pprNotAllowed",
            METADATA_MISMATCH => "metadataMismatch",
            LOAD_BPP_EXECUTION_ERROR => "loadBppExecutionError",
            UNDEFINED => "undefinedReason",
            _ => return None,
        })
    }
}

/// CancelSessionRequest, `BF41`, as the LPA hands it to the eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelSessionRequest<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `81` reason: one of [`cancel_session_reason`].
    pub reason: u32,
}

impl CancelSessionRequest<'_> {
    /// The tag of request and response.
    pub const TAG: Tag = Tag(0xBF41);
}

impl<'a> Decode<'a> for CancelSessionRequest<'a> {
    const NAME: &'static str = "CancelSessionRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CancelSessionRequest::TAG)?.members(Self::NAME);
        let request = Self {
            transaction_id: transaction_id(&mut members)?,
            reason: members.expect(Tag(0x81))?.unsigned("reason")?,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for CancelSessionRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.tlv(Tag(0x80), self.transaction_id).integer(Tag(0x81), i64::from(self.reason));
        });
    }
}

/// EuiccCancelSessionSigned: what `euiccCancelSessionSignature` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccCancelSessionSigned<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `81` smdpOid: the registeredID of CERT.DPauth.
    pub smdp_oid: Oid,
    /// `82` reason.
    pub reason: u32,
}

impl<'a> Decode<'a> for EuiccCancelSessionSigned<'a> {
    const NAME: &'static str = "EuiccCancelSessionSigned";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let transaction_id = transaction_id(&mut members)?;
        let oid = members.expect(Tag(0x81))?;
        let signed = Self {
            transaction_id,
            smdp_oid: Oid::from_content(oid.value).ok_or(oid.error(ErrorKind::Value, "smdpOid"))?,
            reason: members.expect(Tag(0x82))?.unsigned("reason")?,
        };
        members.extensions()?;
        Ok(signed)
    }
}

impl Encode for EuiccCancelSessionSigned<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.transaction_id)
                .tlv(Tag(0x81), self.smdp_oid.as_content())
                .integer(Tag(0x82), i64::from(self.reason));
        });
    }
}

/// CancelSessionResponse, `BF41`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelSessionResponse<'a> {
    /// `A0` cancelSessionResponseOk.
    Ok {
        /// euiccCancelSessionSigned, signed over as received.
        signed: Raw<'a, EuiccCancelSessionSigned<'a>>,
        /// `5F37` euiccCancelSessionSignature.
        signature: &'a [u8; 64],
    },
    /// `81` cancelSessionResponseError: 5 invalidTransactionId, 127 undefinedError.
    Error(u32),
}

impl<'a> Decode<'a> for CancelSessionResponse<'a> {
    const NAME: &'static str = "CancelSessionResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut choice = reader.expect(CancelSessionRequest::TAG)?.members(Self::NAME);
        let alternative = choice.read()?;
        choice.finish()?;
        match alternative.tag.0 {
            0xA0 => {
                let mut members = alternative.members(Self::NAME);
                let response =
                    Self::Ok { signed: Raw::decode(&mut members)?, signature: signature(&mut members)? };
                members.extensions()?;
                Ok(response)
            }
            0x81 => Ok(Self::Error(alternative.unsigned("cancelSessionResponseError")?)),
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for CancelSessionResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(CancelSessionRequest::TAG, |choice| match self {
            Self::Ok { signed, signature } => {
                choice.nested(Tag(0xA0), |members| {
                    members.value(signed).tlv(SIGNATURE, *signature);
                });
            }
            Self::Error(code) => {
                choice.integer(Tag(0x81), i64::from(*code));
            }
        });
    }
}
