//! The other commands of ES10a, ES10b and ES10c (SGP.22 5.7): what an LPA asks of an eUICC.
//!
//! Requests without members (GetEuiccChallenge, GetEuiccInfo …) are an empty TLV of their tag.

use super::{AID, CHALLENGE_LEN, NUMBER};
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Writer};

/// The tags of the commands, request and response alike.
pub mod tag {
    use crate::tlv::Tag;

    /// ES10b.GetEUICCInfo for EUICCInfo1.
    pub const GET_EUICC_INFO1: Tag = Tag(0xBF20);
    /// ES10b.GetEUICCInfo for EUICCInfo2.
    pub const GET_EUICC_INFO2: Tag = Tag(0xBF22);
    /// ES10b.ListNotification.
    pub const LIST_NOTIFICATION: Tag = Tag(0xBF28);
    /// ES10c.SetNickname.
    pub const SET_NICKNAME: Tag = Tag(0xBF29);
    /// ES10b.RetrieveNotificationsList.
    pub const RETRIEVE_NOTIFICATIONS_LIST: Tag = Tag(0xBF2B);
    /// ES10c.GetProfilesInfo.
    pub const GET_PROFILES_INFO: Tag = Tag(0xBF2D);
    /// ES10b.GetEUICCChallenge.
    pub const GET_EUICC_CHALLENGE: Tag = Tag(0xBF2E);
    /// ES10b.RemoveNotificationFromList.
    pub const REMOVE_NOTIFICATION_FROM_LIST: Tag = Tag(0xBF30);
    /// ES10c.EnableProfile.
    pub const ENABLE_PROFILE: Tag = Tag(0xBF31);
    /// ES10c.DisableProfile.
    pub const DISABLE_PROFILE: Tag = Tag(0xBF32);
    /// ES10c.DeleteProfile.
    pub const DELETE_PROFILE: Tag = Tag(0xBF33);
    /// ES10c.eUICCMemoryReset.
    pub const EUICC_MEMORY_RESET: Tag = Tag(0xBF34);
    /// ES10b.LoadCRL.
    pub const LOAD_CRL: Tag = Tag(0xBF35);
    /// ES10a.GetEuiccConfiguredAddresses.
    pub const GET_EUICC_CONFIGURED_ADDRESSES: Tag = Tag(0xBF3C);
    /// ES10c.GetEID.
    pub const GET_EID: Tag = Tag(0xBF3E);
    /// ES10a.SetDefaultDpAddress.
    pub const SET_DEFAULT_DP_ADDRESS: Tag = Tag(0xBF3F);
    /// ES10b.GetRAT.
    pub const GET_RAT: Tag = Tag(0xBF43);
}

/// GetEuiccChallengeResponse, `BF2E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetEuiccChallengeResponse<'a> {
    /// `80` euiccChallenge.
    pub euicc_challenge: &'a [u8; CHALLENGE_LEN],
}

impl<'a> Decode<'a> for GetEuiccChallengeResponse<'a> {
    const NAME: &'static str = "GetEuiccChallengeResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::GET_EUICC_CHALLENGE)?.members(Self::NAME);
        let response = Self { euicc_challenge: members.expect(Tag(0x80))?.array("euiccChallenge")? };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for GetEuiccChallengeResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_EUICC_CHALLENGE, |members| {
            members.tlv(Tag(0x80), self.euicc_challenge);
        });
    }
}

/// GetEuiccDataResponse, `BF3E`: the EID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetEuiccDataResponse<'a> {
    /// `5A` eidValue.
    pub eid: &'a [u8; 16],
}

impl<'a> Decode<'a> for GetEuiccDataResponse<'a> {
    const NAME: &'static str = "GetEuiccDataResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::GET_EID)?.members(Self::NAME);
        let response = Self { eid: members.expect(NUMBER)?.array("eidValue")? };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for GetEuiccDataResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_EID, |members| {
            members.tlv(NUMBER, self.eid);
        });
    }
}

/// EuiccConfiguredAddressesResponse, `BF3C`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccConfiguredAddressesResponse<'a> {
    /// `80` defaultDpAddress.
    pub default_dp_address: Option<&'a str>,
    /// `81` rootDsAddress.
    pub root_ds_address: &'a str,
}

impl<'a> Decode<'a> for EuiccConfiguredAddressesResponse<'a> {
    const NAME: &'static str = "EuiccConfiguredAddressesResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::GET_EUICC_CONFIGURED_ADDRESSES)?.members(Self::NAME);
        let default_dp_address = match members.optional(Tag(0x80))? {
            Some(tlv) => Some(tlv.text(super::MAX_ADDRESS_CHARS, "defaultDpAddress")?),
            None => None,
        };
        let response = Self {
            default_dp_address,
            root_ds_address: members.expect(Tag(0x81))?.text(super::MAX_ADDRESS_CHARS, "rootDsAddress")?,
        };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for EuiccConfiguredAddressesResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_EUICC_CONFIGURED_ADDRESSES, |members| {
            members
                .optional(Tag(0x80), self.default_dp_address.map(str::as_bytes))
                .tlv(Tag(0x81), self.root_ds_address.as_bytes());
        });
    }
}

/// How a command names a profile: by ICCID or by the AID of its ISD-P.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileIdentifier<'a> {
    /// `5A` iccid.
    Iccid(&'a [u8; 10]),
    /// `4F` isdpAid.
    IsdpAid(&'a [u8]),
}

impl<'a> Decode<'a> for ProfileIdentifier<'a> {
    const NAME: &'static str = "profileIdentifier";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let tlv = reader.read()?;
        match tlv.tag {
            NUMBER => Ok(Self::Iccid(tlv.array("iccid")?)),
            AID => Ok(Self::IsdpAid(tlv.sized(5..=16, "isdpAid")?)),
            found => Err(tlv.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for ProfileIdentifier<'_> {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Iccid(iccid) => writer.tlv(NUMBER, *iccid),
            Self::IsdpAid(aid) => writer.tlv(AID, aid),
        };
    }
}

/// EnableProfileRequest `BF31` and DisableProfileRequest `BF32`: they differ in their tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchProfileRequest<'a> {
    /// `A0` profileIdentifier.
    pub profile: ProfileIdentifier<'a>,
    /// `81` refreshFlag: the eUICC asks the device for a REFRESH.
    pub refresh: bool,
}

impl<'a> SwitchProfileRequest<'a> {
    /// Reads the request under `tag`.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    pub fn from_der(tag: Tag, input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(input, "EnableProfileRequest");
        let mut members = reader.expect(tag)?.members("EnableProfileRequest");
        reader.finish()?;
        let request = Self {
            profile: ProfileIdentifier::decode(&mut members.expect(Tag(0xA0))?.members("profileIdentifier"))?,
            // LPAs send any octet but 00 for true here.
            refresh: members.expect(Tag(0x81))?.value != [0x00],
        };
        members.extensions()?;
        Ok(request)
    }

    /// The request's DER under `tag`.
    #[must_use]
    pub fn to_der(&self, tag: Tag) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(tag, |members| {
            members.nested(Tag(0xA0), |choice| self.profile.encode(choice)).boolean(Tag(0x81), self.refresh);
        });
        writer.finish()
    }
}

/// Which profiles ProfileInfoListRequest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileCriterion<'a> {
    /// `5A` iccid or `4F` isdpAid.
    Identifier(ProfileIdentifier<'a>),
    /// `95` profileClass.
    Class(u32),
}

/// ProfileInfoListRequest, `BF2D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProfileInfoListRequest<'a> {
    /// `A0` searchCriteria; all profiles without it.
    pub criterion: Option<ProfileCriterion<'a>>,
    /// `5C` tagList: the tags of what is to be told, one after the other; the default of the function without it.
    pub tag_list: Option<&'a [u8]>,
}

impl ProfileInfoListRequest<'_> {
    /// Whether the list ends with a whole tag, or there is none.
    #[must_use]
    pub fn has_whole_tags(&self) -> bool {
        let mut half = false;
        for octet in self.tag_list.unwrap_or_default() {
            half = !half && octet & 0x1F == 0x1F;
        }
        !half
    }

    /// The tags of the list; `None` without one. Tags have one or two octets; half a tag at the end is left out.
    #[must_use]
    pub fn tags(&self) -> Option<Vec<Tag>> {
        let mut octets = self.tag_list?.iter();
        let mut tags = Vec::new();
        while let Some(first) = octets.next() {
            if first & 0x1F == 0x1F {
                tags.extend(octets.next().map(|second| Tag(u32::from(*first) << 8 | u32::from(*second))));
            } else {
                tags.push(Tag(u32::from(*first)));
            }
        }
        Some(tags)
    }
}

impl<'a> Decode<'a> for ProfileInfoListRequest<'a> {
    const NAME: &'static str = "ProfileInfoListRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::GET_PROFILES_INFO)?.members(Self::NAME);
        let criterion = match members.optional(Tag(0xA0))? {
            None => None,
            Some(criteria) => {
                let mut criteria = criteria.members("searchCriteria");
                Some(match criteria.optional(Tag(0x95))? {
                    Some(class) => ProfileCriterion::Class(class.unsigned("profileClass")?),
                    None => ProfileCriterion::Identifier(ProfileIdentifier::decode(&mut criteria)?),
                })
            }
        };
        let tag_list = members.optional(Tag(0x5C))?.map(|tlv| tlv.value);
        members.extensions()?;
        Ok(Self { criterion, tag_list })
    }
}

impl Encode for ProfileInfoListRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_PROFILES_INFO, |members| {
            if let Some(criterion) = self.criterion {
                members.nested(Tag(0xA0), |criteria| {
                    match criterion {
                        ProfileCriterion::Identifier(profile) => criteria.value(&profile),
                        ProfileCriterion::Class(class) => criteria.integer(Tag(0x95), i64::from(class)),
                    };
                });
            }
            members.optional(Tag(0x5C), self.tag_list);
        });
    }
}

/// Results of EnableProfile, DisableProfile and DeleteProfile.
pub mod profile_result {
    /// ok.
    pub const OK: u32 = 0;
    /// iccidOrAidNotFound.
    pub const NOT_FOUND: u32 = 1;
    /// profileNotInDisabledState, or profileNotInEnabledState.
    pub const WRONG_STATE: u32 = 2;
    /// disallowedByPolicy.
    pub const DISALLOWED_BY_POLICY: u32 = 3;
    /// wrongProfileReenabling.
    pub const WRONG_PROFILE_REENABLING: u32 = 4;
    /// catBusy.
    pub const CAT_BUSY: u32 = 5;
    /// undefinedError.
    pub const UNDEFINED: u32 = 127;
}

/// Results of RemoveNotificationFromList and eUICCMemoryReset.
pub mod removal_result {
    /// ok.
    pub const OK: u32 = 0;
    /// nothingToDelete.
    pub const NOTHING_TO_DELETE: u32 = 1;
    /// undefinedError.
    pub const UNDEFINED: u32 = 127;
}

/// DER of a response that consists of `80` result alone.
#[must_use]
pub fn result_response(tag: Tag, result: u32) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(tag, |members| {
        members.integer(Tag(0x80), i64::from(result));
    });
    writer.finish()
}

/// Reads a response that consists of `80` result alone.
///
/// # Errors
/// [`Error`] if `input` is no such response under `tag`.
pub fn read_result(tag: Tag, input: &[u8]) -> Result<u32, Error> {
    let mut reader = Reader::new(input, "result");
    let mut members = reader.expect(tag)?.members("result");
    let result = members.expect(Tag(0x80))?.unsigned("result")?;
    members.extensions()?;
    reader.finish()?;
    Ok(result)
}

/// A request that is nothing but its tag.
#[must_use]
pub fn empty_request(tag: Tag) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(tag, &[]);
    writer.finish()
}

/// Which notifications are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationFilter {
    /// All.
    All,
    /// `80` the one with this seqNumber.
    SeqNumber(u32),
    /// `81` those of these events.
    Events(NamedBits),
    /// `82` euiccPackageResults (SGP.32 5.9.11): the results of eUICC packages instead of notifications.
    EuiccPackageResults,
}

/// RetrieveNotificationsListRequest, `BF2B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrieveNotificationsListRequest {
    /// `A0` searchCriteria.
    pub filter: NotificationFilter,
}

impl<'a> Decode<'a> for RetrieveNotificationsListRequest {
    const NAME: &'static str = "RetrieveNotificationsListRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::RETRIEVE_NOTIFICATIONS_LIST)?.members(Self::NAME);
        let filter = match members.optional(Tag(0xA0))? {
            None => NotificationFilter::All,
            Some(criteria) => {
                let tlv = criteria.members("searchCriteria").read()?;
                match tlv.tag.0 {
                    0x80 => NotificationFilter::SeqNumber(tlv.unsigned("seqNumber")?),
                    0x81 => NotificationFilter::Events(tlv.named_bits("profileManagementOperation")?),
                    0x82 => NotificationFilter::EuiccPackageResults,
                    _ => return Err(tlv.error(ErrorKind::Choice { found: tlv.tag }, "searchCriteria")),
                }
            }
        };
        members.extensions()?;
        Ok(Self { filter })
    }
}

impl Encode for RetrieveNotificationsListRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::RETRIEVE_NOTIFICATIONS_LIST, |members| match self.filter {
            NotificationFilter::All => {}
            NotificationFilter::SeqNumber(number) => {
                members.nested(Tag(0xA0), |criteria| {
                    criteria.integer(Tag(0x80), i64::from(number));
                });
            }
            NotificationFilter::Events(events) => {
                members.nested(Tag(0xA0), |criteria| {
                    criteria.named_bits(Tag(0x81), events);
                });
            }
            NotificationFilter::EuiccPackageResults => {
                members.nested(Tag(0xA0), |criteria| {
                    criteria.tlv(Tag(0x82), &[]);
                });
            }
        });
    }
}
