//! The short forms of what an eUICC signs (minimizeEsipaBytes, chapter 6), and how they are made whole again.
//!
//! An IPA with little to send leaves out what the eIM knows. The signature stays the one over the whole object, so the
//! eIM rebuilds that octet for octet before it verifies it or hands it on: `whole` of each type takes what is known and
//! gives the message of SGP.22. A wrong guess makes a wrong signature and nothing else.

use super::{Implicit, signature};
use crate::oid::Oid;
use crate::rsp::authentication::{AuthenticateServerRequest, CtxParams1, EuiccSigned1, ServerSigned1};
use crate::rsp::download::{
    CancelSessionRequest, EuiccCancelSessionSigned, EuiccSigned2, PrepareDownloadRequest,
};
use crate::rsp::info::EuiccInfo2;
use crate::rsp::metadata::notification_event;
use crate::rsp::notification::{
    NotificationMetadata, ProfileInstallationResult, ProfileInstallationResultData,
};
use crate::rsp::{AID, NUMBER, ONE_TIME_KEY, SIGNATURE};
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Raw, Reader, Tag, Writer};

/// What the eIM has to know to make an object whole, and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} was left out, and is not known from before")]
pub struct Incomplete {
    /// What is missing.
    pub what: &'static str,
}

fn known<T>(value: Option<T>, what: &'static str) -> Result<T, Incomplete> {
    value.ok_or(Incomplete { what })
}

/// Compact euiccSigned1: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactEuiccSigned1<'a> {
    /// `30`: nothing was left out.
    Whole(Box<Raw<'a, EuiccSigned1<'a>>>),
    /// `A0`: what the eIM cannot know.
    Compact {
        /// `84` extCardResource of euiccInfo2.
        ext_card_resource: &'a [u8],
        /// `A2` ctxParams1, a tagged CHOICE inside; absent where the eIM made them.
        ctx_params1: Option<Raw<'a, CtxParams1<'a>>>,
    },
}

/// Compact AuthenticateResponseOk, `A2` in place of `A0` in `BF38`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactAuthenticateResponse<'a> {
    /// compactEuiccSigned1.
    pub euicc_signed1: CompactEuiccSigned1<'a>,
    /// `5F37` euiccSignature1, over the whole euiccSigned1.
    pub euicc_signature1: &'a [u8],
    /// `A1` euiccCertificate.
    pub euicc_certificate: Option<Implicit<'a>>,
    /// `A2` eumCertificate.
    pub eum_certificate: Option<Implicit<'a>>,
}

/// What an eIM knows of a device that authenticates: certificates and values as DER.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownOfEuicc<'a> {
    /// EUICCInfo2, `BF22`, as the eUICC gave it before.
    pub euicc_info2: Option<&'a [u8]>,
    /// ctxParams1, `A0`, that the eIM made for this session.
    pub ctx_params1: Option<&'a [u8]>,
    /// CERT.EUICC.
    pub euicc_certificate: Option<&'a [u8]>,
    /// CERT.EUM.
    pub eum_certificate: Option<&'a [u8]>,
}

impl CompactAuthenticateResponse<'_> {
    /// The tag of the alternative.
    pub const TAG: Tag = Tag(0xA2);

    /// AuthenticateServerResponse, `BF38`, as the eUICC gave it to the IPA in the session that `server_signed1` opened.
    ///
    /// # Errors
    /// [`Incomplete`] for what neither the response nor `of_euicc` has.
    pub fn whole(
        &self,
        server_signed1: &ServerSigned1<'_>,
        of_euicc: &KnownOfEuicc<'_>,
    ) -> Result<Vec<u8>, Incomplete> {
        let signed = match &self.euicc_signed1 {
            CompactEuiccSigned1::Whole(signed) => signed.bytes.to_vec(),
            CompactEuiccSigned1::Compact { ext_card_resource, ctx_params1 } => {
                let given = ctx_params1.as_ref().map(|params| params.bytes);
                let params = known(given.or(of_euicc.ctx_params1), "ctxParams1")?;
                let info = known(of_euicc.euicc_info2, "euiccInfo2")?;
                let mut writer = Writer::new();
                writer.nested(Tag::SEQUENCE, |members| {
                    members
                        .tlv(Tag(0x80), server_signed1.transaction_id)
                        .tlv(Tag(0x83), server_signed1.server_address.as_bytes())
                        .tlv(Tag(0x84), server_signed1.server_challenge)
                        .raw(&with_card_resource(info, ext_card_resource))
                        .raw(params);
                });
                writer.finish()
            }
        };
        let certificate = |sent: Option<Implicit<'_>>, stored: Option<&[u8]>, what| {
            known(sent.map(Implicit::to_der).or_else(|| stored.map(<[u8]>::to_vec)), what)
        };
        let euicc = certificate(self.euicc_certificate, of_euicc.euicc_certificate, "euiccCertificate")?;
        let eum = certificate(self.eum_certificate, of_euicc.eum_certificate, "eumCertificate")?;
        let mut writer = Writer::new();
        writer.nested(AuthenticateServerRequest::TAG, |choice| {
            choice.nested(Tag(0xA0), |members| {
                members.raw(&signed).tlv(SIGNATURE, self.euicc_signature1).raw(&euicc).raw(&eum);
            });
        });
        Ok(writer.finish())
    }
}

/// EUICCInfo2 with another extCardResource, all other members as they were.
fn with_card_resource(info: &[u8], ext_card_resource: &[u8]) -> Vec<u8> {
    let members = Reader::new(info, EuiccInfo2::NAME).read().map_or(&[][..], |tlv| tlv.value);
    let mut members = Reader::new(members, EuiccInfo2::NAME);
    let mut writer = Writer::new();
    writer.nested(EuiccInfo2::TAG, |info| {
        while let Ok(member) = members.read() {
            match member.tag {
                Tag(0x84) => info.tlv(Tag(0x84), ext_card_resource),
                _ => info.raw(member.raw),
            };
        }
    });
    writer.finish()
}

impl<'a> Decode<'a> for CompactAuthenticateResponse<'a> {
    const NAME: &'static str = "CompactAuthenticateResponseOk";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CompactAuthenticateResponse::TAG)?.members(Self::NAME);
        let euicc_signed1 = if members.peek() == Some(Tag(0xA0)) {
            let mut compact = members.expect(Tag(0xA0))?.members("CompactEuiccSigned1");
            let ext_card_resource = compact.expect(Tag(0x84))?.value;
            let ctx_params1 = match compact.optional(Tag(0xA2))? {
                Some(choice) => {
                    let mut choice = choice.members("ctxParams1");
                    let params = Raw::decode(&mut choice)?;
                    choice.finish()?;
                    Some(params)
                }
                None => None,
            };
            compact.extensions()?;
            CompactEuiccSigned1::Compact { ext_card_resource, ctx_params1 }
        } else {
            CompactEuiccSigned1::Whole(Box::new(Raw::decode(&mut members)?))
        };
        let euicc_signature1 = signature(&mut members)?;
        let mut certificate = |tag, what| match members.optional(tag)? {
            Some(tlv) => Implicit::read(&tlv, what).map(Some),
            None => Ok(None),
        };
        let response = Self {
            euicc_signed1,
            euicc_signature1,
            euicc_certificate: certificate(Tag(0xA1), "euiccCertificate")?,
            eum_certificate: certificate(Tag(0xA2), "eumCertificate")?,
        };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for CompactAuthenticateResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            match &self.euicc_signed1 {
                CompactEuiccSigned1::Whole(signed) => members.raw(signed.bytes),
                CompactEuiccSigned1::Compact { ext_card_resource, ctx_params1 } => {
                    members.nested(Tag(0xA0), |compact| {
                        compact
                            .tlv(Tag(0x84), ext_card_resource)
                            .optional(Tag(0xA2), ctx_params1.as_ref().map(|params| params.bytes));
                    })
                }
            };
            members
                .tlv(SIGNATURE, self.euicc_signature1)
                .optional(Tag(0xA1), self.euicc_certificate.map(Implicit::members))
                .optional(Tag(0xA2), self.eum_certificate.map(Implicit::members));
        });
    }
}

/// Compact PrepareDownloadResponseOk, `A2` in place of `A0` in `BF21`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactPrepareDownloadResponse<'a> {
    /// `5F49` euiccOtpk; absent where the eUICC took the one that the SM-DP+ offered again.
    pub euicc_otpk: Option<&'a [u8]>,
    /// hashCc.
    pub hash_cc: Option<&'a [u8]>,
    /// `5F37` euiccSignature2, over the whole euiccSigned2 and smdpSignature2.
    pub euicc_signature2: &'a [u8],
}

impl CompactPrepareDownloadResponse<'_> {
    /// The tag of the alternative.
    pub const TAG: Tag = Tag(0xA2);

    /// PrepareDownloadResponse, `BF21`, of the session; `bpp_euicc_otpk` is what smdpSigned2 offered.
    ///
    /// # Errors
    /// [`Incomplete`] if neither has a one-time key.
    pub fn whole(&self, transaction_id: &[u8], bpp_euicc_otpk: Option<&[u8]>) -> Result<Vec<u8>, Incomplete> {
        let signed = EuiccSigned2 {
            transaction_id,
            euicc_otpk: known(self.euicc_otpk.or(bpp_euicc_otpk), "euiccOtpk")?,
            hash_cc: self.hash_cc,
        };
        let mut writer = Writer::new();
        writer.nested(PrepareDownloadRequest::TAG, |choice| {
            choice.nested(Tag(0xA0), |members| {
                members.value(&signed).tlv(SIGNATURE, self.euicc_signature2);
            });
        });
        Ok(writer.finish())
    }
}

impl<'a> Decode<'a> for CompactPrepareDownloadResponse<'a> {
    const NAME: &'static str = "CompactPrepareDownloadResponseOk";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CompactPrepareDownloadResponse::TAG)?.members(Self::NAME);
        let mut signed = members.expect(Tag::SEQUENCE)?.members("CompactEuiccSigned2");
        let euicc_otpk = signed.optional(ONE_TIME_KEY)?.map(|tlv| tlv.value);
        let hash_cc = signed.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value);
        signed.extensions()?;
        let response = Self { euicc_otpk, hash_cc, euicc_signature2: signature(&mut members)? };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for CompactPrepareDownloadResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .nested(Tag::SEQUENCE, |signed| {
                    signed.optional(ONE_TIME_KEY, self.euicc_otpk).optional(Tag::OCTET_STRING, self.hash_cc);
                })
                .tlv(SIGNATURE, self.euicc_signature2);
        });
    }
}

/// simaResponse of an installation that succeeded, which the compact form leaves out.
pub const SIMA_RESPONSE_OK: [u8; 9] = [0x30, 0x07, 0xA0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00];

/// Octets of an ISD-P's AID before and behind the two that differ (SGP.02 2.2.3).
const ISD_P_AID: ([u8; 13], u8) = ([0xA0, 0, 0, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0], 0);

/// finalResult of a compact installation result, `A2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactFinalResult<'a> {
    /// `A0` compactSuccessResult.
    Success {
        /// `4F`: the two octets in which the AIDs of ISD-Ps differ.
        aid: &'a [u8; 2],
        /// simaResponse; absent is [`SIMA_RESPONSE_OK`].
        sima_response: Option<&'a [u8]>,
    },
    /// `A1` errorResult, as in the whole form: the `A1` as received.
    Error(&'a [u8]),
}

/// Compact ProfileInstallationResult, `A0` in place of `BF37`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactProfileInstallationResult<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// seqNumber.
    pub seq_number: u32,
    /// iccidPresent: whether the whole form names the ICCID.
    pub iccid_present: bool,
    /// `A2` compactFinalResult.
    pub final_result: CompactFinalResult<'a>,
    /// `5F37` euiccSignPIR, over the whole profileInstallationResultData.
    pub signature: &'a [u8],
}

/// What an eIM knows of a download that it relays.
#[derive(Clone, Copy, Debug)]
pub struct KnownOfDownload<'a> {
    /// notificationAddress: the SM-DP+.
    pub notification_address: &'a str,
    /// smdpOid: of CERT.DPpb.
    pub smdp_oid: Option<&'a Oid>,
    /// The ICCID of the profile's metadata.
    pub iccid: Option<&'a [u8; 10]>,
}

impl CompactProfileInstallationResult<'_> {
    /// The tag of the alternative.
    pub const TAG: Tag = Tag(0xA0);

    /// ProfileInstallationResult, `BF37`.
    ///
    /// # Errors
    /// [`Incomplete`] if the whole form names an ICCID that is not known.
    pub fn whole(&self, download: &KnownOfDownload<'_>) -> Result<Vec<u8>, Incomplete> {
        let iccid = if self.iccid_present { Some(known(download.iccid, "iccid")?) } else { None };
        let metadata = NotificationMetadata {
            seq_number: self.seq_number,
            operation: NamedBits::bit(notification_event::INSTALL),
            address: download.notification_address,
            iccid,
        };
        let mut writer = Writer::new();
        writer.nested(ProfileInstallationResult::TAG, |members| {
            members
                .nested(ProfileInstallationResultData::TAG, |data| {
                    data.tlv(Tag(0x80), self.transaction_id)
                        .value(&metadata)
                        .optional(Tag::OID, download.smdp_oid.map(Oid::as_content))
                        .nested(Tag(0xA2), |result| self.final_result.write_whole(result));
                })
                .tlv(SIGNATURE, self.signature);
        });
        Ok(writer.finish())
    }
}

impl CompactFinalResult<'_> {
    fn write_whole(&self, writer: &mut Writer) {
        match self {
            Self::Success { aid, sima_response } => {
                let aid = [&ISD_P_AID.0[..], &aid[..], &[ISD_P_AID.1]].concat();
                let sima_response = sima_response.unwrap_or(&SIMA_RESPONSE_OK);
                writer.nested(Tag(0xA0), |members| {
                    members.tlv(AID, &aid).tlv(Tag::OCTET_STRING, sima_response);
                })
            }
            Self::Error(octets) => writer.raw(octets),
        };
    }
}

impl<'a> CompactFinalResult<'a> {
    fn read(mut choice: Reader<'a>) -> Result<Self, Error> {
        let alternative = choice.read()?;
        choice.finish()?;
        let mut members = alternative.members("compactFinalResult");
        let result = match alternative.tag {
            Tag(0xA0) => Self::Success {
                aid: members.expect(AID)?.array("compactAid")?,
                sima_response: members.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value),
            },
            Tag(0xA1) => Self::Error(alternative.raw),
            found => return Err(alternative.error(ErrorKind::Choice { found }, "compactFinalResult")),
        };
        members.extensions()?;
        Ok(result)
    }
}

impl<'a> Decode<'a> for CompactProfileInstallationResult<'a> {
    const NAME: &'static str = "CompactProfileInstallationResult";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CompactProfileInstallationResult::TAG)?.members(Self::NAME);
        let mut data = members.expect(Tag(0xA0))?.members("CompactProfileInstallationResultData");
        let transaction_id = crate::rsp::transaction_id(&mut data)?;
        let seq_number = data.expect(Tag::INTEGER)?.unsigned("seqNumber")?;
        let iccid_present = match data.optional(Tag::BOOLEAN)? {
            Some(tlv) => tlv.boolean("iccidPresent")?,
            None => true,
        };
        let final_result = CompactFinalResult::read(data.expect(Tag(0xA2))?.members("compactFinalResult"))?;
        data.extensions()?;
        let signature = signature(&mut members)?;
        members.extensions()?;
        Ok(Self { transaction_id, seq_number, iccid_present, final_result, signature })
    }
}

impl Encode for CompactProfileInstallationResult<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .nested(Tag(0xA0), |data| {
                    data.tlv(Tag(0x80), self.transaction_id)
                        .integer(Tag::INTEGER, i64::from(self.seq_number));
                    if !self.iccid_present {
                        data.boolean(Tag::BOOLEAN, false);
                    }
                    data.nested(Tag(0xA2), |result| match &self.final_result {
                        CompactFinalResult::Success { aid, sima_response } => {
                            result.nested(Tag(0xA0), |members| {
                                members.tlv(AID, *aid).optional(Tag::OCTET_STRING, *sima_response);
                            });
                        }
                        CompactFinalResult::Error(octets) => {
                            result.raw(octets);
                        }
                    });
                })
                .tlv(SIGNATURE, self.signature);
        });
    }
}

/// Compact OtherSignedNotification, `A1` in place of `30`: without the certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactOtherSignedNotification<'a> {
    /// `5A` eidValue.
    pub eid: Option<&'a [u8; 16]>,
    /// tbsOtherNotification, signed over as received.
    pub tbs: Raw<'a, NotificationMetadata<'a>>,
    /// `5F37` euiccNotificationSignature.
    pub signature: &'a [u8],
    /// euiccCiPKIdentifierToBeUsed (v1.3): the CI under which the eUICC signed.
    pub euicc_ci_pk_id_to_be_used: Option<&'a [u8]>,
}

impl CompactOtherSignedNotification<'_> {
    /// The tag of the alternative.
    pub const TAG: Tag = Tag(0xA1);

    /// OtherSignedNotification, `30`, with the eUICC's certificates as DER.
    #[must_use]
    pub fn whole(&self, euicc_certificate: &[u8], eum_certificate: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .value(&self.tbs)
                .tlv(SIGNATURE, self.signature)
                .raw(euicc_certificate)
                .raw(eum_certificate);
        });
        writer.finish()
    }
}

impl<'a> Decode<'a> for CompactOtherSignedNotification<'a> {
    const NAME: &'static str = "CompactOtherSignedNotification";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CompactOtherSignedNotification::TAG)?.members(Self::NAME);
        let eid = match members.optional(NUMBER)? {
            Some(tlv) => Some(tlv.array("eidValue")?),
            None => None,
        };
        let notification = Self {
            eid,
            tbs: Raw::decode(&mut members)?,
            signature: signature(&mut members)?,
            euicc_ci_pk_id_to_be_used: members.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value),
        };
        members.extensions()?;
        Ok(notification)
    }
}

impl Encode for CompactOtherSignedNotification<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .optional(NUMBER, self.eid.map(|eid| &eid[..]))
                .value(&self.tbs)
                .tlv(SIGNATURE, self.signature)
                .optional(Tag::OCTET_STRING, self.euicc_ci_pk_id_to_be_used);
        });
    }
}

/// Compact CancelSessionResponseOk, `A2` in place of `A0` in `BF41`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactCancelSessionResponse<'a> {
    /// `80` reason; absent where the eIM knows it.
    pub reason: Option<u32>,
    /// `5F37` euiccCancelSessionSignature, over the whole euiccCancelSessionSigned.
    pub signature: &'a [u8],
}

impl CompactCancelSessionResponse<'_> {
    /// The tag of the alternative.
    pub const TAG: Tag = Tag(0xA2);

    /// CancelSessionResponse, `BF41`, of the session with the SM-DP+ of this OID.
    ///
    /// # Errors
    /// [`Incomplete`] if neither the response nor the caller has a reason.
    pub fn whole(
        &self,
        transaction_id: &[u8],
        smdp_oid: &Oid,
        reason: Option<u32>,
    ) -> Result<Vec<u8>, Incomplete> {
        let signed = EuiccCancelSessionSigned {
            transaction_id,
            smdp_oid: smdp_oid.clone(),
            reason: known(self.reason.or(reason), "reason")?,
        };
        let mut writer = Writer::new();
        writer.nested(CancelSessionRequest::TAG, |choice| {
            choice.nested(Tag(0xA0), |members| {
                members.value(&signed).tlv(SIGNATURE, self.signature);
            });
        });
        Ok(writer.finish())
    }
}

impl<'a> Decode<'a> for CompactCancelSessionResponse<'a> {
    const NAME: &'static str = "CompactCancelSessionResponseOk";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CompactCancelSessionResponse::TAG)?.members(Self::NAME);
        let mut signed = members.expect(Tag::SEQUENCE)?.members("CompactEuiccCancelSessionSigned");
        let reason = signed.optional(Tag(0x80))?.map(|tlv| tlv.unsigned("reason")).transpose()?;
        signed.extensions()?;
        let response = Self { reason, signature: signature(&mut members)? };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for CompactCancelSessionResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .nested(Tag::SEQUENCE, |signed| {
                    if let Some(reason) = self.reason {
                        signed.integer(Tag(0x80), i64::from(reason));
                    }
                })
                .tlv(SIGNATURE, self.signature);
        });
    }
}
