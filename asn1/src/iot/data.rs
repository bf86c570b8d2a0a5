//! What an eIM asks of an IPA about the device and its eUICC: IpaEuiccDataRequest and its response (SGP.32 2.11.2, digest
//! chapter 6). Nothing of it is signed as a whole; the lists hold objects that are.

use super::{EimTransactionId, Implicit, MAX_ENTRIES, choice, entries};
use crate::rsp::MAX_ADDRESS_CHARS;
use crate::rsp::authentication::DeviceInfo;
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Tlv, Writer};

/// The most tags that a tag list names: each object once, and room for those of later versions.
pub const MAX_TAGS: usize = 32;

/// The objects that can be asked for, by their tags in a tag list.
pub mod requested {
    use crate::tlv::Tag;

    /// notificationsList.
    pub const NOTIFICATIONS_LIST: Tag = Tag(0xA0);
    /// defaultSmdpAddress.
    pub const DEFAULT_SMDP_ADDRESS: Tag = Tag(0x81);
    /// euiccPackageResultList.
    pub const EUICC_PACKAGE_RESULT_LIST: Tag = Tag(0xA2);
    /// euiccInfo1.
    pub const EUICC_INFO1: Tag = Tag(0xBF20);
    /// euiccInfo2.
    pub const EUICC_INFO2: Tag = Tag(0xBF22);
    /// rootSmdsAddress.
    pub const ROOT_SMDS_ADDRESS: Tag = Tag(0x83);
    /// associationToken.
    pub const ASSOCIATION_TOKEN: Tag = Tag(0x84);
    /// eumCertificate.
    pub const EUM_CERTIFICATE: Tag = Tag(0xA5);
    /// euiccCertificate.
    pub const EUICC_CERTIFICATE: Tag = Tag(0xA6);
    /// ipaCapabilities.
    pub const IPA_CAPABILITIES: Tag = Tag(0xA8);
    /// deviceInfo.
    pub const DEVICE_INFO: Tag = Tag(0xA9);

    /// All of them, in the order of the response.
    pub const ALL: [Tag; 11] = [
        NOTIFICATIONS_LIST,
        DEFAULT_SMDP_ADDRESS,
        EUICC_PACKAGE_RESULT_LIST,
        EUICC_INFO1,
        EUICC_INFO2,
        ROOT_SMDS_ADDRESS,
        ASSOCIATION_TOKEN,
        EUM_CERTIFICATE,
        EUICC_CERTIFICATE,
        IPA_CAPABILITIES,
        DEVICE_INFO,
    ];
}

/// Which notifications are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationCriteria {
    /// `80` the one with this seqNumber.
    SeqNumber(u32),
    /// `81` those of these events.
    Events(NamedBits),
}

/// IpaEuiccDataRequest, `BF52`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpaEuiccDataRequest<'a> {
    /// `5C` tagList: what is asked for, one of [`requested`] or a tag of a later version each.
    pub tag_list: Vec<Tag>,
    /// `04` euiccCiPKIdentifierToBeUsed: which certificates are wanted.
    pub ci_pk_id_to_be_used: Option<&'a [u8]>,
    /// `A1` searchCriteriaNotification.
    pub notification_criteria: Option<NotificationCriteria>,
    /// `A2` searchCriteriaEuiccPackageResult: the result with this seqNumber.
    pub euicc_package_result_seq_number: Option<u32>,
    /// `83` eimTransactionId.
    pub eim_transaction_id: Option<EimTransactionId>,
}

impl IpaEuiccDataRequest<'_> {
    /// The tag of the message, and of its response.
    pub const TAG: Tag = Tag(0xBF52);
}

const TAG_LIST: Tag = Tag(0x5C);

/// Splits the value of a tag list.
fn tags(list: &Tlv<'_>) -> Result<Vec<Tag>, Error> {
    const WHAT: &str = "tagList";
    let mut found = Vec::new();
    let mut octets = list.value.iter();
    while let Some(lead) = octets.next() {
        let mut tag = u32::from(*lead);
        if lead & 0x1F == 0x1F {
            // The number follows; its last octet has no high bit. Four octets are the longest tag.
            loop {
                let next = octets.next().ok_or(list.error(ErrorKind::Value, WHAT))?;
                if tag > 0xFF_FFFF {
                    return Err(list.error(ErrorKind::Value, WHAT));
                }
                tag = tag << 8 | u32::from(*next);
                if next & 0x80 == 0 {
                    break;
                }
            }
        }
        if found.len() == MAX_TAGS {
            return Err(list.error(ErrorKind::Value, WHAT));
        }
        found.push(Tag(tag));
    }
    Ok(found)
}

impl<'a> Decode<'a> for IpaEuiccDataRequest<'a> {
    const NAME: &'static str = "IpaEuiccDataRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(IpaEuiccDataRequest::TAG)?.members(Self::NAME);
        let tag_list = tags(&members.expect(TAG_LIST)?)?;
        let ci_pk_id_to_be_used = members.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value);
        let notification_criteria = match members.optional(Tag(0xA1))? {
            Some(criteria) => {
                let tlv = choice(criteria.members("searchCriteriaNotification"))?;
                Some(match tlv.tag.0 {
                    0x80 => NotificationCriteria::SeqNumber(tlv.unsigned("seqNumber")?),
                    0x81 => NotificationCriteria::Events(tlv.named_bits("profileManagementOperation")?),
                    _ => return Err(tlv.error(ErrorKind::Choice { found: tlv.tag }, Self::NAME)),
                })
            }
            None => None,
        };
        let euicc_package_result_seq_number = match members.optional(Tag(0xA2))? {
            Some(criteria) => {
                let mut members = criteria.members("searchCriteriaEuiccPackageResult");
                let seq_number = members.expect(Tag(0x80))?.unsigned("seqNumber")?;
                members.finish()?;
                Some(seq_number)
            }
            None => None,
        };
        let eim_transaction_id = EimTransactionId::optional(&mut members, Tag(0x83))?;
        members.extensions_without(&[Tag::OCTET_STRING, Tag(0xA1), Tag(0xA2), Tag(0x83)])?;
        Ok(Self {
            tag_list,
            ci_pk_id_to_be_used,
            notification_criteria,
            euicc_package_result_seq_number,
            eim_transaction_id,
        })
    }
}

impl Encode for IpaEuiccDataRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            let octets: Vec<u8> = self
                .tag_list
                .iter()
                .flat_map(|tag| {
                    let octets = tag.0.to_be_bytes();
                    let skip = octets.iter().take_while(|octet| **octet == 0).count().min(3);
                    octets.into_iter().skip(skip)
                })
                .collect();
            members.tlv(TAG_LIST, &octets).optional(Tag::OCTET_STRING, self.ci_pk_id_to_be_used);
            if let Some(criteria) = &self.notification_criteria {
                members.nested(Tag(0xA1), |choice| {
                    match criteria {
                        NotificationCriteria::SeqNumber(number) => {
                            choice.integer(Tag(0x80), i64::from(*number))
                        }
                        NotificationCriteria::Events(events) => choice.named_bits(Tag(0x81), *events),
                    };
                });
            }
            if let Some(number) = self.euicc_package_result_seq_number {
                members.nested(Tag(0xA2), |choice| {
                    choice.integer(Tag(0x80), i64::from(number));
                });
            }
            members.optional(Tag(0x83), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
        });
    }
}

/// Bits of `ipaFeatures`.
pub mod ipa_feature {
    /// directRspServerCommunication: the IPA goes to SM-DP+ servers itself.
    pub const DIRECT_RSP_SERVER_COMMUNICATION: u32 = 0;
    /// indirectRspServerCommunication: it can go through the eIM.
    pub const INDIRECT_RSP_SERVER_COMMUNICATION: u32 = 1;
    /// eimDownloadDataHandling: the eIM may keep the activation code; a trigger may be empty.
    pub const EIM_DOWNLOAD_DATA_HANDLING: u32 = 2;
    /// eimCtxParams1Generation: the eIM may make ctxParams1.
    pub const EIM_CTX_PARAMS1_GENERATION: u32 = 3;
    /// eimProfileMetadataVerification: the eIM may check the metadata.
    pub const EIM_PROFILE_METADATA_VERIFICATION: u32 = 4;
    /// minimizeEsipaBytes: compact forms.
    pub const MINIMIZE_ESIPA_BYTES: u32 = 5;
}

/// Bits of `ipaSupportedProtocols`.
pub mod ipa_protocol {
    /// ipaRetrieveHttps.
    pub const RETRIEVE_HTTPS: u32 = 0;
    /// ipaRetrieveCoaps.
    pub const RETRIEVE_COAPS: u32 = 1;
    /// ipaInjectHttps.
    pub const INJECT_HTTPS: u32 = 2;
    /// ipaInjectCoaps.
    pub const INJECT_COAPS: u32 = 3;
    /// ipaProprietary.
    pub const PROPRIETARY: u32 = 4;
}

/// IpaCapabilities, `A8` in [`IpaEuiccData`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpaCapabilities<'a> {
    /// `80` ipaFeatures: bits of [`ipa_feature`].
    pub ipa_features: NamedBits,
    /// `81` ipaSupportedProtocols: bits of [`ipa_protocol`].
    pub ipa_supported_protocols: Option<NamedBits>,
    /// Members of later versions, as received (v1.3: eSipaProprietaryProtocolInformation).
    pub extensions: &'a [u8],
}

impl<'a> IpaCapabilities<'a> {
    fn read(mut members: Reader<'a>) -> Result<Self, Error> {
        let ipa_features = members.expect(Tag(0x80))?.named_bits("ipaFeatures")?;
        let ipa_supported_protocols = match members.optional(Tag(0x81))? {
            Some(tlv) => Some(tlv.named_bits("ipaSupportedProtocols")?),
            None => None,
        };
        let extensions = members.extensions_without(&[Tag(0x81)])?;
        Ok(Self { ipa_features, ipa_supported_protocols, extensions })
    }

    /// The members alone, for who keeps them.
    #[must_use]
    pub fn to_members(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    fn write(&self, members: &mut Writer) {
        members.named_bits(Tag(0x80), self.ipa_features);
        if let Some(protocols) = self.ipa_supported_protocols {
            members.named_bits(Tag(0x81), protocols);
        }
        members.raw(self.extensions);
    }
}

/// IpaEuiccData. Members may come in any order; they are written in that of the standard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpaEuiccData<'a> {
    /// `A0` notificationsList: PendingNotifications, as received.
    pub notifications: Option<Vec<&'a [u8]>>,
    /// `81` defaultSmdpAddress.
    pub default_smdp_address: Option<&'a str>,
    /// `A2` euiccPackageResultList: EuiccPackageResults (`BF51`), as received.
    pub euicc_package_results: Option<Vec<&'a [u8]>>,
    /// `BF20` euiccInfo1, as received.
    pub euicc_info1: Option<&'a [u8]>,
    /// `BF22` euiccInfo2, as received.
    pub euicc_info2: Option<&'a [u8]>,
    /// `83` rootSmdsAddress.
    pub root_smds_address: Option<&'a str>,
    /// `84` associationToken.
    pub association_token: Option<i64>,
    /// `A5` eumCertificate.
    pub eum_certificate: Option<Implicit<'a>>,
    /// `A6` euiccCertificate.
    pub euicc_certificate: Option<Implicit<'a>>,
    /// `87` eimTransactionId.
    pub eim_transaction_id: Option<EimTransactionId>,
    /// `A8` ipaCapabilities.
    pub ipa_capabilities: Option<IpaCapabilities<'a>>,
    /// `A9` deviceInfo.
    pub device_info: Option<DeviceInfo<'a>>,
    /// Members of later versions, as received.
    pub others: Vec<&'a [u8]>,
}

/// The TLVs of a list, as received.
fn list<'a>(
    members: Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<Tlv<'a>, Error>,
) -> Result<Vec<&'a [u8]>, Error> {
    entries(members, MAX_ENTRIES, |list| Ok(read(list)?.raw))
}

/// Sets a member that may stand once.
fn once<T>(place: &mut Option<T>, tlv: &Tlv<'_>, value: T) -> Result<(), Error> {
    if place.is_some() {
        return Err(tlv.error(ErrorKind::Trailing, "IpaEuiccData"));
    }
    *place = Some(value);
    Ok(())
}

impl<'a> IpaEuiccData<'a> {
    fn read(mut members: Reader<'a>) -> Result<Self, Error> {
        let mut data = Self::default();
        while !members.is_empty() {
            let tlv = members.read()?;
            match tlv.tag.0 {
                0xA0 => once(
                    &mut data.notifications,
                    &tlv,
                    list(tlv.members("notificationsList"), Reader::read)?,
                )?,
                0x81 => {
                    let address = tlv.text(MAX_ADDRESS_CHARS, "defaultSmdpAddress")?;
                    once(&mut data.default_smdp_address, &tlv, address)?;
                }
                0xA2 => {
                    let results =
                        list(tlv.members("euiccPackageResultList"), |list| list.expect(Tag(0xBF51)))?;
                    once(&mut data.euicc_package_results, &tlv, results)?;
                }
                0xBF20 => once(&mut data.euicc_info1, &tlv, tlv.raw)?,
                0xBF22 => once(&mut data.euicc_info2, &tlv, tlv.raw)?,
                0x83 => {
                    let address = tlv.text(MAX_ADDRESS_CHARS, "rootSmdsAddress")?;
                    once(&mut data.root_smds_address, &tlv, address)?;
                }
                0x84 => once(&mut data.association_token, &tlv, tlv.integer("associationToken")?)?,
                0xA5 => once(&mut data.eum_certificate, &tlv, Implicit::read(&tlv, "eumCertificate")?)?,
                0xA6 => once(&mut data.euicc_certificate, &tlv, Implicit::read(&tlv, "euiccCertificate")?)?,
                0x87 => once(&mut data.eim_transaction_id, &tlv, EimTransactionId::read(&tlv)?)?,
                0xA8 => {
                    let capabilities = IpaCapabilities::read(tlv.members("ipaCapabilities"))?;
                    once(&mut data.ipa_capabilities, &tlv, capabilities)?;
                }
                0xA9 => {
                    let info = DeviceInfo::read_members(tlv.members("deviceInfo"))?;
                    once(&mut data.device_info, &tlv, info)?;
                }
                _ if data.others.len() < MAX_TAGS => {
                    // Unknown ones are kept if they are well formed all the way down.
                    Reader::new(tlv.raw, "IpaEuiccData").extensions()?;
                    data.others.push(tlv.raw);
                }
                _ => return Err(tlv.error(ErrorKind::Value, "IpaEuiccData")),
            }
        }
        Ok(data)
    }

    fn write(&self, members: &mut Writer) {
        let list = |members: &mut Writer, tag, entries: &Option<Vec<&[u8]>>| {
            if let Some(entries) = entries {
                members.tlv(tag, &entries.concat());
            }
        };
        list(members, Tag(0xA0), &self.notifications);
        members.optional(Tag(0x81), self.default_smdp_address.map(str::as_bytes));
        list(members, Tag(0xA2), &self.euicc_package_results);
        members.raw(self.euicc_info1.unwrap_or_default()).raw(self.euicc_info2.unwrap_or_default());
        members.optional(Tag(0x83), self.root_smds_address.map(str::as_bytes));
        if let Some(token) = self.association_token {
            members.integer(Tag(0x84), token);
        }
        members.optional(Tag(0xA5), self.eum_certificate.map(Implicit::members));
        members.optional(Tag(0xA6), self.euicc_certificate.map(Implicit::members));
        members.optional(Tag(0x87), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
        if let Some(capabilities) = &self.ipa_capabilities {
            members.nested(Tag(0xA8), |members| capabilities.write(members));
        }
        if let Some(info) = &self.device_info {
            members.nested(Tag(0xA9), |members| info.write_members(members));
        }
        for other in &self.others {
            members.raw(other);
        }
    }
}

codes! {
    /// ipaEuiccDataErrorCode.
    IpaEuiccDataErrorCode {
        IncorrectTagList = 1 "incorrectTagList",
        EuiccCiPkIdNotFound = 5 "euiccCiPKIdNotFound",
        EcallActive = 104 "ecallActive",
        UndefinedError = 127 "undefinedError",
    }
}

/// IpaEuiccDataResponse, `BF52`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpaEuiccDataResponse<'a> {
    /// `A0` ipaEuiccData; a bare `30` is read too, as some send it.
    Data(Box<IpaEuiccData<'a>>),
    /// `A1` ipaEuiccDataResponseError.
    Error {
        /// `80` eimTransactionId.
        eim_transaction_id: Option<EimTransactionId>,
        /// `02` ipaEuiccDataErrorCode.
        code: IpaEuiccDataErrorCode,
    },
}

impl IpaEuiccDataResponse<'_> {
    /// The tag of the message.
    pub const TAG: Tag = IpaEuiccDataRequest::TAG;
}

impl<'a> Decode<'a> for IpaEuiccDataResponse<'a> {
    const NAME: &'static str = "IpaEuiccDataResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(IpaEuiccDataResponse::TAG)?.members(Self::NAME))?;
        match alternative.tag.0 {
            0xA0 | 0x30 => Ok(Self::Data(Box::new(IpaEuiccData::read(alternative.members("IpaEuiccData"))?))),
            0xA1 => {
                let mut members = alternative.members(Self::NAME);
                let eim_transaction_id = EimTransactionId::optional(&mut members, Tag(0x80))?;
                let code = members.expect(Tag::INTEGER)?.integer("ipaEuiccDataErrorCode")?;
                let code = IpaEuiccDataErrorCode::from_code(code);
                members.extensions()?;
                Ok(Self::Error { eim_transaction_id, code })
            }
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for IpaEuiccDataResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |choice| {
            match self {
                Self::Data(data) => choice.nested(Tag(0xA0), |members| data.write(members)),
                Self::Error { eim_transaction_id, code } => choice.nested(Tag(0xA1), |members| {
                    members.optional(Tag(0x80), eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
                    members.integer(Tag::INTEGER, code.code());
                }),
            };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{both_ways, der, refused};
    use super::*;

    const ID: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];

    fn id() -> Option<EimTransactionId> {
        EimTransactionId::from_octets(ID)
    }

    #[test]
    fn requests_are_read_and_written() {
        let octets = der("BF52145C08BF20BF2284A5A6A883080102030405060708");
        let request: IpaEuiccDataRequest<'_> = both_ways(&octets);
        let expected = [
            requested::EUICC_INFO1,
            requested::EUICC_INFO2,
            requested::ASSOCIATION_TOKEN,
            requested::EUM_CERTIFICATE,
            requested::EUICC_CERTIFICATE,
            requested::IPA_CAPABILITIES,
        ];
        assert_eq!((request.tag_list.as_slice(), request.eim_transaction_id), (&expected[..], id()));
        let octets = der("BF52 17 5C02A0A2 0402AABB A103800107 A20380020081 83020102");
        assert!(IpaEuiccDataRequest::from_der(&octets).is_err(), "a seqNumber fills its criteria");
        let octets = der("BF52 17 5C02A0A2 0402AABB A103800107 A20480020081 83020102");
        let request: IpaEuiccDataRequest<'_> = both_ways(&octets);
        assert_eq!(request.notification_criteria, Some(NotificationCriteria::SeqNumber(7)));
        assert_eq!(request.euicc_package_result_seq_number, Some(0x81));
        assert_eq!(request.ci_pk_id_to_be_used, Some(&[0xAA, 0xBB][..]));
        let octets = der("BF52 09 5C01A0 A104 81020780");
        let request: IpaEuiccDataRequest<'_> = both_ways(&octets);
        assert_eq!(request.notification_criteria, Some(NotificationCriteria::Events(NamedBits(1))));
        both_ways::<IpaEuiccDataRequest<'_>>(&der("BF52 05 5C03 BF8101"));
    }

    #[test]
    fn a_damaged_request_is_refused() {
        refused!(
            IpaEuiccDataRequest<'_>,
            [
                "BF52 00",
                "BF52 03 5C01BF",
                "BF52 07 5C05 BF81818101",
                "BF52 24 5C22 A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0",
                "BF52 08 5C01A0 A103820107",
                "BF52 0A 5C01A0 A1058001078000",
                "BF52 05 5C01A0 A200",
                "BF52 05 5C01A0 8300",
            ]
        );
    }

    #[test]
    fn responses_are_read_and_written() {
        let octets = der("BF5219A01784010187080102030405060708A808800206C081020780");
        let IpaEuiccDataResponse::Data(data) = both_ways(&octets) else { panic!("an error") };
        assert_eq!((data.association_token, data.eim_transaction_id), (Some(1), id()));
        let capabilities = data.ipa_capabilities.unwrap();
        assert!(capabilities.ipa_features.has(ipa_feature::DIRECT_RSP_SERVER_COMMUNICATION));
        assert!(capabilities.ipa_features.has(ipa_feature::INDIRECT_RSP_SERVER_COMMUNICATION));
        assert!(!capabilities.ipa_features.has(ipa_feature::EIM_DOWNLOAD_DATA_HANDLING));
        assert_eq!(capabilities.ipa_supported_protocols, Some(NamedBits::bit(ipa_protocol::RETRIEVE_HTTPS)));
        let octets = der("BF520FA10D80080102030405060708020101");
        let response: IpaEuiccDataResponse<'_> = both_ways(&octets);
        let code = IpaEuiccDataErrorCode::IncorrectTagList;
        assert_eq!(response, IpaEuiccDataResponse::Error { eim_transaction_id: id(), code });
    }

    #[test]
    fn stored_results_keep_their_own_tag() {
        let result = "BF5126A024301B800465696D318101018208010203040506070883010730038301005F3704AAAAAAAA";
        let octets = der(&format!("BF522DA02BA229{result}"));
        let IpaEuiccDataResponse::Data(data) = both_ways(&octets) else { panic!("an error") };
        assert_eq!(data.euicc_package_results, Some(vec![&der(result)[..]]));
        refused!(IpaEuiccDataResponse<'_>, ["BF52 06 A0 04 A2 02 3000"]);
    }

    #[test]
    fn every_member_goes_both_ways() {
        let text = "BF52 53 A0 51 A0 05 BF3700 3000 81 03 612E62 A2 03 BF5100 BF2000 BF2200 83 03 642E78 84 01 05 \
                    A5 06 3000 3000 0300 A6 06 3000 3000 0300 87 02 0102 A8 06 8002 06C0 A2 00 \
                    A9 12 80 04 35290611 A1 00 82 08 5315010203040506 8A 00";
        let octets = der(text);
        let IpaEuiccDataResponse::Data(data) = both_ways(&octets) else { panic!("an error") };
        assert_eq!(data.notifications.unwrap().len(), 2);
        assert_eq!((data.default_smdp_address, data.root_smds_address), (Some("a.b"), Some("d.x")));
        assert_eq!(data.device_info.unwrap().tac, [0x35, 0x29, 0x06, 0x11]);
        assert_eq!(data.ipa_capabilities.unwrap().extensions, [0xA2, 0x00]);
        assert_eq!(data.others, [&[0x8A, 0x00][..]]);
    }

    #[test]
    fn both_forms_of_a_certificate_are_read_and_one_is_written() {
        let whole = der("3006300030000300");
        let siblings = der("BF520AA008A606300030000300");
        let wrapped = der("BF520CA00AA6083006300030000300");
        for octets in [&siblings, &wrapped] {
            let response = IpaEuiccDataResponse::from_der(octets).unwrap();
            let IpaEuiccDataResponse::Data(data) = &response else { panic!("an error") };
            assert_eq!(data.euicc_certificate.map(Implicit::to_der).as_ref(), Some(&whole));
            assert_eq!(response.to_der(), siblings);
        }
        refused!(IpaEuiccDataResponse<'_>, ["BF52 06 A0 04 A6 02 3001", "BF52 05 A0 03 A6 01 30",]);
    }

    #[test]
    fn any_order_and_a_bare_sequence_are_read_but_no_member_twice() {
        let swapped = IpaEuiccDataResponse::from_der(&der("BF5209300787020102840101")).unwrap().to_der();
        assert_eq!(swapped, der("BF5209A00784010187020102"));
        refused!(
            IpaEuiccDataResponse<'_>,
            [
                "BF52 08 A0 06 840101 840102",
                "BF52 0C A0 0A A6 00 A6 06 3000 3000 0300",
                "BF52 04 A0 00 A000",
                "BF52 02 A200",
                "BF52 02 A100",
                "BF52 06 A0 04 8A 02 00",
            ]
        );
    }
}
