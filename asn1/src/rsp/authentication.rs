//! Common mutual authentication (SGP.22 3.0.1): ES10b.AuthenticateServer and what ES9+ carries of it.

use super::info::EuiccInfo2;
use super::{CHALLENGE_LEN, MAX_ADDRESS_CHARS, Version, certificate, signature, transaction_id};
use crate::tlv::{Decode, Encode, Error, ErrorKind, Raw, Reader, Tag, Writer};

/// ServerSigned1: what `serverSignature1` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSigned1<'a> {
    /// `80` transactionId, 1 to 16 octets.
    pub transaction_id: &'a [u8],
    /// `81` euiccChallenge.
    pub euicc_challenge: &'a [u8; CHALLENGE_LEN],
    /// `83` serverAddress.
    pub server_address: &'a str,
    /// `84` serverChallenge.
    pub server_challenge: &'a [u8; CHALLENGE_LEN],
}

impl<'a> Decode<'a> for ServerSigned1<'a> {
    const NAME: &'static str = "ServerSigned1";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let signed = Self {
            transaction_id: transaction_id(&mut members)?,
            euicc_challenge: members.expect(Tag(0x81))?.array("euiccChallenge")?,
            server_address: members.expect(Tag(0x83))?.text(MAX_ADDRESS_CHARS, "serverAddress")?,
            server_challenge: members.expect(Tag(0x84))?.array("serverChallenge")?,
        };
        members.extensions()?;
        Ok(signed)
    }
}

impl Encode for ServerSigned1<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.transaction_id)
                .tlv(Tag(0x81), self.euicc_challenge)
                .tlv(Tag(0x83), self.server_address.as_bytes())
                .tlv(Tag(0x84), self.server_challenge);
        });
    }
}

/// DeviceInfo: what the LPA says of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo<'a> {
    /// `80` tac: the first eight digits of the IMEI, four octets; other lengths occur and are kept.
    pub tac: &'a [u8],
    /// `A1` deviceCapabilities: its members as received.
    pub device_capabilities: &'a [u8],
    /// `82` imei.
    pub imei: Option<[u8; 8]>,
    /// Members of later versions, as received.
    pub extensions: &'a [u8],
}

impl DeviceInfo<'_> {
    /// A capability by its context tag, such as `85` eutranEpcSupportedRelease.
    #[must_use]
    pub fn capability(&self, tag: Tag) -> Option<Version> {
        let mut members = Reader::new(self.device_capabilities, "DeviceCapabilities");
        while let Ok(tlv) = members.read() {
            if tlv.tag == tag {
                return tlv.array("VersionType").ok().map(|octets| Version(*octets));
            }
        }
        None
    }
}

impl DeviceInfo<'_> {
    const TAG: Tag = Tag(0xA1);
}

impl<'a> DeviceInfo<'a> {
    /// Reads the members under whatever tag they stand.
    pub(crate) fn read_members(mut members: Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            tac: members.expect(Tag(0x80))?.sized(..=16, "tac")?,
            device_capabilities: members.expect(Tag(0xA1))?.members("DeviceCapabilities").extensions()?,
            imei: match members.optional(Tag(0x82))? {
                Some(tlv) => Some(*tlv.array("imei")?),
                None => None,
            },
            extensions: members.extensions()?,
        })
    }

    /// Writes the members without a tag around them.
    pub(crate) fn write_members(&self, members: &mut Writer) {
        members
            .tlv(Tag(0x80), self.tac)
            .tlv(Tag(0xA1), self.device_capabilities)
            .optional(Tag(0x82), self.imei.as_ref().map(|imei| &imei[..]))
            .raw(self.extensions);
    }
}

impl<'a> Decode<'a> for DeviceInfo<'a> {
    const NAME: &'static str = "DeviceInfo";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::read_members(reader.expect(DeviceInfo::TAG)?.members(Self::NAME))
    }
}

impl Encode for DeviceInfo<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| self.write_members(members));
    }
}

/// CtxParams1, alternative `A0` ctxParamsForCommonAuthentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtxParams1<'a> {
    /// `80` matchingId; absent or empty in the default SM-DP+ address use case.
    pub matching_id: Option<&'a str>,
    /// `A1` deviceInfo.
    pub device_info: DeviceInfo<'a>,
}

impl CtxParams1<'_> {
    /// The tag of the alternative.
    pub const TAG: Tag = Tag(0xA0);
}

impl<'a> Decode<'a> for CtxParams1<'a> {
    const NAME: &'static str = "CtxParams1";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CtxParams1::TAG)?.members(Self::NAME);
        let matching_id = match members.optional(Tag(0x80))? {
            Some(tlv) => Some(tlv.text(255, "matchingId")?),
            None => None,
        };
        let params = Self { matching_id, device_info: DeviceInfo::decode(&mut members)? };
        members.extensions()?;
        Ok(params)
    }
}

impl Encode for CtxParams1<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.optional(Tag(0x80), self.matching_id.map(str::as_bytes)).value(&self.device_info);
        });
    }
}

/// AuthenticateServerRequest, `BF38`, as the LPA hands it to the eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateServerRequest<'a> {
    /// serverSigned1, signed over as received.
    pub server_signed1: Raw<'a, ServerSigned1<'a>>,
    /// `5F37` serverSignature1.
    pub server_signature1: &'a [u8; 64],
    /// euiccCiPKIdToBeUsed.
    pub ci_pk_id_to_be_used: &'a [u8],
    /// serverCertificate: CERT.DPauth.
    pub server_certificate: &'a [u8],
    /// ctxParams1, copied into euiccSigned1 as received.
    pub ctx_params1: Raw<'a, CtxParams1<'a>>,
}

impl AuthenticateServerRequest<'_> {
    /// The tag of request and response.
    pub const TAG: Tag = Tag(0xBF38);
}

impl<'a> Decode<'a> for AuthenticateServerRequest<'a> {
    const NAME: &'static str = "AuthenticateServerRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(AuthenticateServerRequest::TAG)?.members(Self::NAME);
        let request = Self {
            server_signed1: Raw::decode(&mut members)?,
            server_signature1: signature(&mut members)?,
            ci_pk_id_to_be_used: members.expect(Tag::OCTET_STRING)?.value,
            server_certificate: certificate(&mut members)?,
            ctx_params1: Raw::decode(&mut members)?,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for AuthenticateServerRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .value(&self.server_signed1)
                .tlv(super::SIGNATURE, self.server_signature1)
                .tlv(Tag::OCTET_STRING, self.ci_pk_id_to_be_used)
                .raw(self.server_certificate)
                .value(&self.ctx_params1);
        });
    }
}

/// EuiccSigned1: what `euiccSignature1` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccSigned1<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `83` serverAddress, as the eUICC received it.
    pub server_address: &'a str,
    /// `84` serverChallenge.
    pub server_challenge: &'a [u8; CHALLENGE_LEN],
    /// `BF22` euiccInfo2.
    pub euicc_info2: Raw<'a, EuiccInfo2<'a>>,
    /// `A0` ctxParams1.
    pub ctx_params1: Raw<'a, CtxParams1<'a>>,
}

impl<'a> Decode<'a> for EuiccSigned1<'a> {
    const NAME: &'static str = "EuiccSigned1";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let signed = Self {
            transaction_id: transaction_id(&mut members)?,
            server_address: members.expect(Tag(0x83))?.text(MAX_ADDRESS_CHARS, "serverAddress")?,
            server_challenge: members.expect(Tag(0x84))?.array("serverChallenge")?,
            euicc_info2: Raw::decode(&mut members)?,
            ctx_params1: Raw::decode(&mut members)?,
        };
        members.extensions()?;
        Ok(signed)
    }
}

impl Encode for EuiccSigned1<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.transaction_id)
                .tlv(Tag(0x83), self.server_address.as_bytes())
                .tlv(Tag(0x84), self.server_challenge)
                .value(&self.euicc_info2)
                .value(&self.ctx_params1);
        });
    }
}

/// AuthenticateServerResponse, `BF38`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticateServerResponse<'a> {
    /// `A0` authenticateResponseOk.
    Ok(Box<AuthenticateResponseOk<'a>>),
    /// `A1` authenticateResponseError.
    Error(AuthenticateResponseError<'a>),
}

/// AuthenticateResponseOk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateResponseOk<'a> {
    /// euiccSigned1, signed over as received.
    pub euicc_signed1: Raw<'a, EuiccSigned1<'a>>,
    /// `5F37` euiccSignature1.
    pub euicc_signature1: &'a [u8; 64],
    /// euiccCertificate.
    pub euicc_certificate: &'a [u8],
    /// eumCertificate (v3: nextCertInChain).
    pub eum_certificate: &'a [u8],
}

/// AuthenticateResponseError.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateResponseError<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// authenticateErrorCode.
    pub code: u32,
}

/// AuthenticateErrorCode (SGP.22 5.7.13).
pub mod authenticate_error {
    /// invalidCertificate.
    pub const INVALID_CERTIFICATE: u32 = 1;
    /// invalidSignature.
    pub const INVALID_SIGNATURE: u32 = 2;
    /// unsupportedCurve.
    pub const UNSUPPORTED_CURVE: u32 = 3;
    /// noSessionContext.
    pub const NO_SESSION_CONTEXT: u32 = 4;
    /// invalidOid.
    pub const INVALID_OID: u32 = 5;
    /// euiccChallengeMismatch.
    pub const EUICC_CHALLENGE_MISMATCH: u32 = 6;
    /// ciPKUnknown.
    pub const CI_PK_UNKNOWN: u32 = 7;
    /// ecallActive (SGP.32): an emergency profile is enabled.
    pub const ECALL_ACTIVE: u32 = 104;
    /// undefinedError.
    pub const UNDEFINED: u32 = 127;
}

impl<'a> Decode<'a> for AuthenticateServerResponse<'a> {
    const NAME: &'static str = "AuthenticateServerResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut choice = reader.expect(AuthenticateServerRequest::TAG)?.members(Self::NAME);
        let alternative = choice.read()?;
        choice.finish()?;
        let mut members = alternative.members(Self::NAME);
        let response = match alternative.tag.0 {
            0xA0 => Self::Ok(Box::new(AuthenticateResponseOk {
                euicc_signed1: Raw::decode(&mut members)?,
                euicc_signature1: signature(&mut members)?,
                euicc_certificate: certificate(&mut members)?,
                eum_certificate: certificate(&mut members)?,
            })),
            0xA1 => Self::Error(AuthenticateResponseError {
                transaction_id: transaction_id(&mut members)?,
                code: members.expect(Tag::INTEGER)?.unsigned("authenticateErrorCode")?,
            }),
            _ => return Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for AuthenticateServerResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(AuthenticateServerRequest::TAG, |choice| match self {
            Self::Ok(ok) => {
                choice.nested(Tag(0xA0), |members| {
                    members
                        .value(&ok.euicc_signed1)
                        .tlv(super::SIGNATURE, ok.euicc_signature1)
                        .raw(ok.euicc_certificate)
                        .raw(ok.eum_certificate);
                });
            }
            Self::Error(error) => {
                choice.nested(Tag(0xA1), |members| {
                    members.tlv(Tag(0x80), error.transaction_id).integer(Tag::INTEGER, i64::from(error.code));
                });
            }
        });
    }
}
