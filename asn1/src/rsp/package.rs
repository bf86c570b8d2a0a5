//! The Bound Profile Package and the commands inside it (SGP.22 2.5.4, 5.5).
//!
//! The MAC of a segment covers its tag and length octets, so segments are kept and written as whole TLVs.

use super::{ONE_TIME_KEY, SIGNATURE, signature, transaction_id};
use crate::oid::Oid;
use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

/// remoteOpId installBoundProfilePackage.
pub const INSTALL_BOUND_PROFILE_PACKAGE: u32 = 1;
/// Key type AES of a control reference template.
pub const KEY_TYPE_AES: u8 = 0x88;
/// Key length of a control reference template: 16 octets.
pub const KEY_LEN_AES_128: u8 = 0x10;
/// Octets of MAC at the end of a segment.
const MAC_LEN: usize = 8;

/// ControlRefTemplate, `A6`: which keys the agreement yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRefTemplate<'a> {
    /// `80` keyType: 88 is AES.
    pub key_type: &'a [u8],
    /// `81` keyLen.
    pub key_len: &'a [u8],
    /// `84` hostId, 1 to 16 octets of the server's choice.
    pub host_id: &'a [u8],
}

/// InitialiseSecureChannelRequest, `BF23`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialiseSecureChannelRequest<'a> {
    /// `82` remoteOpId.
    pub remote_op_id: u32,
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `A6` controlRefTemplate.
    pub control_ref_template: ControlRefTemplate<'a>,
    /// `5F49` smdpOtpk.
    pub smdp_otpk: &'a [u8],
    /// `5F37` smdpSign.
    pub smdp_sign: &'a [u8; 64],
}

impl InitialiseSecureChannelRequest<'_> {
    /// The tag of the command.
    pub const TAG: Tag = Tag(0xBF23);

    fn write_signed_members(&self, writer: &mut Writer) {
        let template = &self.control_ref_template;
        writer
            .integer(Tag(0x82), i64::from(self.remote_op_id))
            .tlv(Tag(0x80), self.transaction_id)
            .nested(Tag(0xA6), |members| {
                members
                    .tlv(Tag(0x80), template.key_type)
                    .tlv(Tag(0x81), template.key_len)
                    .tlv(Tag(0x84), template.host_id);
            })
            .tlv(ONE_TIME_KEY, self.smdp_otpk);
    }

    /// What smdpSign covers: the members before it and then the eUICC's one-time key, each as a TLV, without an
    /// outer tag (SGP.22 5.5.1).
    #[must_use]
    pub fn signed_octets(&self, euicc_otpk: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write_signed_members(&mut writer);
        writer.tlv(ONE_TIME_KEY, euicc_otpk);
        writer.finish()
    }
}

impl<'a> Decode<'a> for InitialiseSecureChannelRequest<'a> {
    const NAME: &'static str = "InitialiseSecureChannelRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(InitialiseSecureChannelRequest::TAG)?.members(Self::NAME);
        let remote_op_id = members.expect(Tag(0x82))?.unsigned("remoteOpId")?;
        let transaction_id = transaction_id(&mut members)?;
        let mut template = members.expect(Tag(0xA6))?.members("ControlRefTemplate");
        let control_ref_template = ControlRefTemplate {
            key_type: template.expect(Tag(0x80))?.value,
            key_len: template.expect(Tag(0x81))?.value,
            host_id: template.expect(Tag(0x84))?.sized(1..=16, "hostId")?,
        };
        template.extensions()?;
        let request = Self {
            remote_op_id,
            transaction_id,
            control_ref_template,
            smdp_otpk: members.expect(ONE_TIME_KEY)?.value,
            smdp_sign: signature(&mut members)?,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for InitialiseSecureChannelRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            self.write_signed_members(members);
            members.tlv(SIGNATURE, self.smdp_sign);
        });
    }
}

/// ConfigureISDPRequest, `BF24`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigureIsdpRequest<'a> {
    /// `B8` dpProprietaryData as received, with its tag; at most 128 octets.
    pub dp_proprietary_data: Option<&'a [u8]>,
}

impl ConfigureIsdpRequest<'_> {
    /// The tag of the command.
    pub const TAG: Tag = Tag(0xBF24);
}

impl<'a> Decode<'a> for ConfigureIsdpRequest<'a> {
    const NAME: &'static str = "ConfigureISDPRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ConfigureIsdpRequest::TAG)?.members(Self::NAME);
        let data = members.optional(Tag(0xB8))?;
        if let Some(tlv) = data {
            if tlv.raw.len() > 128 {
                return Err(tlv.error(ErrorKind::Value, "dpProprietaryData"));
            }
            let mut proprietary = tlv.members("DpProprietaryData");
            let oid = proprietary.expect(Tag(0x80))?;
            Oid::from_content(oid.value).ok_or(oid.error(ErrorKind::Value, "dpOid"))?;
        }
        members.extensions()?;
        Ok(Self { dp_proprietary_data: data.map(|tlv| tlv.raw) })
    }
}

impl Encode for ConfigureIsdpRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.raw(self.dp_proprietary_data.unwrap_or_default());
        });
    }
}

/// ReplaceSessionKeysRequest, `BF26`. Its members are keys: it has no `Debug`.
pub struct ReplaceSessionKeysRequest<'a> {
    /// `80` initialMacChainingValue.
    pub initial_mac_chaining_value: &'a [u8; 16],
    /// `81` ppkEnc.
    pub ppk_enc: &'a [u8; 16],
    /// `82` ppkCmac.
    pub ppk_cmac: &'a [u8; 16],
}

impl ReplaceSessionKeysRequest<'_> {
    /// The tag of the command.
    pub const TAG: Tag = Tag(0xBF26);
}

impl<'a> Decode<'a> for ReplaceSessionKeysRequest<'a> {
    const NAME: &'static str = "ReplaceSessionKeysRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ReplaceSessionKeysRequest::TAG)?.members(Self::NAME);
        let request = Self {
            initial_mac_chaining_value: members.expect(Tag(0x80))?.array("initialMacChainingValue")?,
            ppk_enc: members.expect(Tag(0x81))?.array("ppkEnc")?,
            ppk_cmac: members.expect(Tag(0x82))?.array("ppkCmac")?,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for ReplaceSessionKeysRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .tlv(Tag(0x80), self.initial_mac_chaining_value)
                .tlv(Tag(0x81), self.ppk_enc)
                .tlv(Tag(0x82), self.ppk_cmac);
        });
    }
}

/// BoundProfilePackage, `BF36`: its parts as received. Segments are whole TLVs, concatenated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundProfilePackage<'a> {
    /// `BF23` initialiseSecureChannelRequest, with its tag.
    pub initialise_secure_channel: &'a [u8],
    /// `A0` firstSequenceOf87: ConfigureISDP.
    pub first_sequence_of_87: &'a [u8],
    /// `A1` sequenceOf88: StoreMetadata.
    pub sequence_of_88: &'a [u8],
    /// `A2` secondSequenceOf87: ReplaceSessionKeys.
    pub second_sequence_of_87: Option<&'a [u8]>,
    /// `A3` sequenceOf86: the protected profile package.
    pub sequence_of_86: &'a [u8],
}

impl BoundProfilePackage<'_> {
    /// The tag of the package.
    pub const TAG: Tag = Tag(0xBF36);

    /// The TLVs of a sequence of segments.
    ///
    /// # Errors
    /// [`Error`] if `sequence` is no sequence of TLVs with this tag.
    pub fn segments(sequence: &[u8], tag: Tag) -> Result<Vec<&[u8]>, Error> {
        let mut reader = Reader::new(sequence, "segment");
        let mut segments = Vec::new();
        while !reader.is_empty() {
            segments.push(reader.expect(tag)?.raw);
        }
        Ok(segments)
    }

    /// The metadata that the package stores: what the `88` segments hold, which a MAC protects and no cipher hides.
    ///
    /// # Errors
    /// [`Error`] if `sequence_of_88` is no sequence of segments, or one is shorter than its MAC.
    pub fn metadata(&self) -> Result<Vec<u8>, Error> {
        let mut metadata = Vec::with_capacity(self.sequence_of_88.len());
        let mut reader = Reader::new(self.sequence_of_88, "sequenceOf88");
        while !reader.is_empty() {
            let segment = reader.expect(Tag(0x88))?;
            let content = segment.value.split_last_chunk::<MAC_LEN>();
            let (content, _) = content.ok_or_else(|| segment.error(ErrorKind::Value, "sequenceOf88"))?;
            metadata.extend_from_slice(content);
        }
        Ok(metadata)
    }
}

impl<'a> Decode<'a> for BoundProfilePackage<'a> {
    const NAME: &'static str = "BoundProfilePackage";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(BoundProfilePackage::TAG)?.members(Self::NAME);
        let package = Self {
            initialise_secure_channel: members.expect(InitialiseSecureChannelRequest::TAG)?.raw,
            first_sequence_of_87: members.expect(Tag(0xA0))?.value,
            sequence_of_88: members.expect(Tag(0xA1))?.value,
            second_sequence_of_87: members.optional(Tag(0xA2))?.map(|tlv| tlv.value),
            sequence_of_86: members.expect(Tag(0xA3))?.value,
        };
        members.finish()?;
        Ok(package)
    }
}

impl Encode for BoundProfilePackage<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .raw(self.initialise_secure_channel)
                .tlv(Tag(0xA0), self.first_sequence_of_87)
                .tlv(Tag(0xA1), self.sequence_of_88)
                .optional(Tag(0xA2), self.second_sequence_of_87)
                .tlv(Tag(0xA3), self.sequence_of_86);
        });
    }
}
