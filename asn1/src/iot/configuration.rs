//! What an eUICC knows of an eIM: EimConfigurationData (2.11.1.1.1), and the functions by which an IPA writes the first
//! and reads all of them: ES10b.AddInitialEim (5.9.4), ES10b.GetEimConfigurationData (5.9.18).

use super::{Implicit, MAX_EIM_ID_CHARS, MAX_EIMS, choice, eim_id, entries};
use crate::rsp::MAX_ADDRESS_CHARS;
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Tlv, Writer};

codes! {
    /// eimIdType: what kind of name an eimId is.
    EimIdType { Oid = 1 "eimIdTypeOid", Fqdn = 2 "eimIdTypeFqdn", Proprietary = 3 "eimIdTypeProprietary" }
}

codes! {
    /// Why an eIM is not added: the error of AddInitialEim and of the eCO addEim. `Ok` is the answer of the eCO where
    /// no token was asked for.
    AddEimCode {
        Ok = 0 "ok",
        InsufficientMemory = 1 "insufficientMemory",
        AssociatedEimAlreadyExists = 2 "associatedEimAlreadyExists",
        CiPkUnknown = 3 "ciPKUnknown",
        InvalidAssociationToken = 5 "invalidAssociationToken",
        CounterValueOutOfRange = 6 "counterValueOutOfRange",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

/// Bits of eimSupportedProtocol, of an eIM's configuration data.
pub mod supported_protocol {
    /// eimRetrieveHttps: the IPA polls over HTTPS.
    pub const RETRIEVE_HTTPS: u32 = 0;
    /// eimRetrieveCoaps.
    pub const RETRIEVE_COAPS: u32 = 1;
    /// eimInjectHttps: the eIM connects to the device.
    pub const INJECT_HTTPS: u32 = 2;
    /// eimInjectCoaps.
    pub const INJECT_COAPS: u32 = 3;
    /// eimProprietary.
    pub const PROPRIETARY: u32 = 4;
}

/// The value of associationToken that asks the eUICC for a token.
pub const REQUEST_TOKEN: i64 = -1;

/// A key of an eIM as its configuration data carry it: eimPublicKeyData `A5`, trustedPublicKeyDataTls `A6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EimPublicKey<'a> {
    /// `A0`: a SubjectPublicKeyInfo.
    Spki(Implicit<'a>),
    /// `A1`: a certificate.
    Certificate(Implicit<'a>),
}

impl<'a> EimPublicKey<'a> {
    /// Reads the CHOICE inside its tag. A SEQUENCE without the tag of an alternative is read as well: one of three
    /// members is a certificate.
    fn read(tlv: &Tlv<'a>) -> Result<Self, Error> {
        const WHAT: &str = "eimPublicKeyData";
        let alternative = choice(tlv.members(WHAT))?;
        match alternative.tag {
            Tag(0xA0) => Ok(Self::Spki(Implicit::read(&alternative, WHAT)?)),
            Tag(0xA1) => Ok(Self::Certificate(Implicit::read(&alternative, WHAT)?)),
            Tag::SEQUENCE => {
                let count = entries(alternative.members(WHAT), 3, Reader::read)?.len();
                let members = Implicit::from_der(alternative.raw)?;
                Ok(if count == 3 { Self::Certificate(members) } else { Self::Spki(members) })
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, WHAT)),
        }
    }

    fn write(self, writer: &mut Writer, tag: Tag) {
        writer.nested(tag, |choice| match self {
            Self::Spki(key) => {
                choice.tlv(Tag(0xA0), key.members());
            }
            Self::Certificate(certificate) => {
                choice.tlv(Tag(0xA1), certificate.members());
            }
        });
    }
}

/// EimConfigurationData: `30` in lists, `A8` in addEim, `AA` in updateEim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EimConfigurationData<'a> {
    /// `80` eimId.
    pub eim_id: &'a str,
    /// `81` eimFqdn.
    pub eim_fqdn: Option<&'a str>,
    /// `82` eimIdType.
    pub eim_id_type: Option<EimIdType>,
    /// `83` counterValue: the eUICC accepts packages with a higher one.
    pub counter_value: Option<i64>,
    /// `84` associationToken: [`REQUEST_TOKEN`] in a request.
    pub association_token: Option<i64>,
    /// `A5` eimPublicKeyData: verifies the eIM's packages.
    pub eim_public_key_data: Option<EimPublicKey<'a>>,
    /// `A6` trustedPublicKeyDataTls: verifies the eIM's TLS.
    pub trusted_public_key_data_tls: Option<EimPublicKey<'a>>,
    /// `87` eimSupportedProtocol: bits of [`supported_protocol`].
    pub eim_supported_protocol: Option<NamedBits>,
    /// `88` euiccCiPKId: the CI under which the eUICC signs for this eIM.
    pub euicc_ci_pk_id: Option<&'a [u8]>,
    /// `89` indirectProfileDownload: the IPA downloads through the eIM.
    pub indirect_profile_download: bool,
    /// `AA` eSipaProprietaryProtocolInformation (v1.3) and members of later versions, as received.
    pub extensions: &'a [u8],
}

impl<'a> EimConfigurationData<'a> {
    const MEMBERS: [Tag; 10] = [
        Tag(0x80),
        Tag(0x81),
        Tag(0x82),
        Tag(0x83),
        Tag(0x84),
        Tag(0xA5),
        Tag(0xA6),
        Tag(0x87),
        Tag(0x88),
        Tag(0x89),
    ];

    /// Reads the members, whatever tag they stand in.
    ///
    /// # Errors
    /// [`Error`] at the first member that does not fit.
    pub fn read(tlv: &Tlv<'a>) -> Result<Self, Error> {
        let mut members = tlv.members(Self::NAME);
        let eim_id = eim_id(&mut members)?;
        let eim_fqdn = match members.optional(Tag(0x81))? {
            Some(tlv) => Some(tlv.text(MAX_ADDRESS_CHARS, "eimFqdn")?),
            None => None,
        };
        let integer = |tlv: Option<Tlv<'a>>, what| tlv.map(|tlv| tlv.integer(what)).transpose();
        Ok(Self {
            eim_id,
            eim_fqdn,
            eim_id_type: integer(members.optional(Tag(0x82))?, "eimIdType")?.map(EimIdType::from_code),
            counter_value: integer(members.optional(Tag(0x83))?, "counterValue")?,
            association_token: integer(members.optional(Tag(0x84))?, "associationToken")?,
            eim_public_key_data: members
                .optional(Tag(0xA5))?
                .map(|tlv| EimPublicKey::read(&tlv))
                .transpose()?,
            trusted_public_key_data_tls: members
                .optional(Tag(0xA6))?
                .map(|tlv| EimPublicKey::read(&tlv))
                .transpose()?,
            eim_supported_protocol: members
                .optional(Tag(0x87))?
                .map(|tlv| tlv.named_bits("eimSupportedProtocol"))
                .transpose()?,
            euicc_ci_pk_id: members.optional(Tag(0x88))?.map(|tlv| tlv.value),
            indirect_profile_download: members.optional(Tag(0x89))?.is_some(),
            extensions: members.extensions_without(&Self::MEMBERS)?,
        })
    }

    /// Writes the value under `tag`.
    pub fn write(&self, writer: &mut Writer, tag: Tag) {
        writer.nested(tag, |members| {
            members.tlv(Tag(0x80), self.eim_id.as_bytes());
            members.optional(Tag(0x81), self.eim_fqdn.map(str::as_bytes));
            if let Some(kind) = self.eim_id_type {
                members.integer(Tag(0x82), kind.code());
            }
            if let Some(counter) = self.counter_value {
                members.integer(Tag(0x83), counter);
            }
            if let Some(token) = self.association_token {
                members.integer(Tag(0x84), token);
            }
            if let Some(key) = self.eim_public_key_data {
                key.write(members, Tag(0xA5));
            }
            if let Some(key) = self.trusted_public_key_data_tls {
                key.write(members, Tag(0xA6));
            }
            if let Some(bits) = self.eim_supported_protocol {
                members.named_bits(Tag(0x87), bits);
            }
            members.optional(Tag(0x88), self.euicc_ci_pk_id);
            if self.indirect_profile_download {
                members.tlv(Tag(0x89), &[]);
            }
            members.raw(self.extensions);
        });
    }
}

impl<'a> Decode<'a> for EimConfigurationData<'a> {
    const NAME: &'static str = "EimConfigurationData";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::read(&reader.expect(Tag::SEQUENCE)?)
    }
}

impl Encode for EimConfigurationData<'_> {
    fn encode(&self, writer: &mut Writer) {
        self.write(writer, Tag::SEQUENCE);
    }
}

/// A list of EimConfigurationData under `A0`.
fn list<'a>(alternative: &Tlv<'a>) -> Result<Vec<EimConfigurationData<'a>>, Error> {
    entries(alternative.members("eimConfigurationDataList"), MAX_EIMS, EimConfigurationData::decode)
}

fn write_list(writer: &mut Writer, eims: &[EimConfigurationData<'_>]) {
    writer.nested(Tag(0xA0), |list| {
        for eim in eims {
            list.value(eim);
        }
    });
}

/// AddInitialEimRequest, `BF57`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddInitialEimRequest<'a> {
    /// `A0` eimConfigurationDataList.
    pub eims: Vec<EimConfigurationData<'a>>,
}

impl AddInitialEimRequest<'_> {
    /// The tag of request and response.
    pub const TAG: Tag = Tag(0xBF57);
}

impl<'a> Decode<'a> for AddInitialEimRequest<'a> {
    const NAME: &'static str = "AddInitialEimRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(AddInitialEimRequest::TAG)?.members(Self::NAME);
        let request = Self { eims: list(&members.expect(Tag(0xA0))?)? };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for AddInitialEimRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| write_list(members, &self.eims));
    }
}

/// AddInitialEimResponse, `BF57`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddInitialEimResponse {
    /// `A0` addInitialEimOk: for each eIM its associationToken `84`, or `05` where none was asked for.
    Ok(Vec<Option<i64>>),
    /// `81` addInitialEimError.
    Error(AddEimCode),
}

impl<'a> Decode<'a> for AddInitialEimResponse {
    const NAME: &'static str = "AddInitialEimResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(AddInitialEimRequest::TAG)?.members(Self::NAME))?;
        match alternative.tag {
            Tag(0xA0) => Ok(Self::Ok(entries(alternative.members(Self::NAME), MAX_EIMS, |list| {
                let tlv = list.read()?;
                match tlv.tag {
                    Tag(0x84) => Ok(Some(tlv.integer("associationToken")?)),
                    Tag::NULL => Ok(None),
                    found => Err(tlv.error(ErrorKind::Choice { found }, Self::NAME)),
                }
            })?)),
            Tag(0x81) => Ok(Self::Error(AddEimCode::from_code(alternative.integer(Self::NAME)?))),
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for AddInitialEimResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(AddInitialEimRequest::TAG, |choice| match self {
            Self::Ok(tokens) => {
                choice.nested(Tag(0xA0), |list| {
                    for token in tokens {
                        match token {
                            Some(token) => list.integer(Tag(0x84), *token),
                            None => list.tlv(Tag::NULL, &[]),
                        };
                    }
                });
            }
            Self::Error(code) => {
                choice.integer(Tag(0x81), code.code());
            }
        });
    }
}

/// GetEimConfigurationDataRequest, `BF55`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetEimConfigurationDataRequest<'a> {
    /// `A0` searchCriteria: the eIM with this `80` eimId; all without it.
    pub eim_id: Option<&'a str>,
}

impl GetEimConfigurationDataRequest<'_> {
    /// The tag of request and response.
    pub const TAG: Tag = Tag(0xBF55);
}

impl<'a> Decode<'a> for GetEimConfigurationDataRequest<'a> {
    const NAME: &'static str = "GetEimConfigurationDataRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(GetEimConfigurationDataRequest::TAG)?.members(Self::NAME);
        let eim_id = match members.optional(Tag(0xA0))? {
            Some(criteria) => {
                let criterion = choice(criteria.members("searchCriteria"))?;
                match criterion.tag {
                    Tag(0x80) => Some(criterion.text(MAX_EIM_ID_CHARS, "eimId")?),
                    found => return Err(criterion.error(ErrorKind::Choice { found }, "searchCriteria")),
                }
            }
            None => None,
        };
        members.extensions()?;
        Ok(Self { eim_id })
    }
}

impl Encode for GetEimConfigurationDataRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            if let Some(eim_id) = self.eim_id {
                members.nested(Tag(0xA0), |criteria| {
                    criteria.tlv(Tag(0x80), eim_id.as_bytes());
                });
            }
        });
    }
}

/// GetEimConfigurationDataResponse, `BF55`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetEimConfigurationDataResponse<'a> {
    /// `A0` eimConfigurationDataList.
    pub eims: Vec<EimConfigurationData<'a>>,
}

impl<'a> Decode<'a> for GetEimConfigurationDataResponse<'a> {
    const NAME: &'static str = "GetEimConfigurationDataResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(GetEimConfigurationDataRequest::TAG)?.members(Self::NAME);
        let response = Self { eims: list(&members.expect(Tag(0xA0))?)? };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for GetEimConfigurationDataResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(GetEimConfigurationDataRequest::TAG, |members| write_list(members, &self.eims));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_key(key: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |members| {
            members.tlv(Tag(0x80), b"eim1").tlv(Tag(0xA5), key);
        });
        writer.finish()
    }

    #[test]
    fn keys_are_read_in_every_form_and_written_in_the_one_of_the_standard() {
        let spki = [0x30, 0x00, 0x03, 0x01, 0x00];
        let certificate = [0x30, 0x00, 0x30, 0x00, 0x03, 0x01, 0x00];
        let wrap = |tag: u8, octets: &[u8]| [&[tag, u8::try_from(octets.len()).unwrap()], octets].concat();
        for (key, written) in [
            (wrap(0xA0, &spki), wrap(0xA0, &spki)),
            (wrap(0xA0, &wrap(0x30, &spki)), wrap(0xA0, &spki)),
            (wrap(0x30, &spki), wrap(0xA0, &spki)),
            (wrap(0xA1, &certificate), wrap(0xA1, &certificate)),
            (wrap(0xA1, &wrap(0x30, &certificate)), wrap(0xA1, &certificate)),
            (wrap(0x30, &certificate), wrap(0xA1, &certificate)),
        ] {
            let der = with_key(&key);
            let data = EimConfigurationData::from_der(&der).unwrap();
            assert_eq!(data.to_der(), with_key(&written), "{key:02X?}");
        }
        let error = EimConfigurationData::from_der(&with_key(&[0xA2, 0x00])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Choice { found: Tag(0xA2) });
    }

    #[test]
    fn what_a_later_version_adds_is_kept() {
        let der = [0x30, 0x0A, 0x80, 0x01, b'e', 0x89, 0x00, 0xAA, 0x03, 0x80, 0x01, 0x2A];
        let data = EimConfigurationData::from_der(&der).unwrap();
        assert!(data.indirect_profile_download);
        assert_eq!(data.extensions, [0xAA, 0x03, 0x80, 0x01, 0x2A]);
        assert_eq!(data.to_der(), der);
        let twice = [0x30, 0x06, 0x80, 0x01, b'e', 0x80, 0x01, b'f'];
        assert_eq!(EimConfigurationData::from_der(&twice).unwrap_err().kind, ErrorKind::Trailing);
    }
}
