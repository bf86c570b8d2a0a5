//! What the card tells of its profiles: GetProfilesInfo (SGP.22 5.7.15, SGP.32 5.9.14), listProfileInfo of an eIM.

use simyard_asn1::Encode as _;
use simyard_asn1::rsp::card::{ProfileCriterion, ProfileIdentifier, ProfileInfoListRequest, tag};
use simyard_asn1::rsp::metadata::{ECALL_INDICATION, FALLBACK_ALLOWED, FALLBACK_ATTRIBUTE, ProfileInfo};
use simyard_asn1::rsp::{AID, NUMBER};
use simyard_asn1::tlv::{Decode, Tag, Writer};

use super::apdu::StatusWord;
use super::card::Card;
use super::es10::malformed;
use super::iot_state::IotState;
use super::state::{CardState, ProfileRecord};

/// What is told without a tag list (SGP.22 5.7.15).
const DEFAULT_TAGS: [Tag; 9] =
    [NUMBER, AID, ProfileInfo::STATE, Tag(0x90), Tag(0x91), Tag(0x92), Tag(0x93), Tag(0x94), Tag(0x95)];

/// The same of a card of SGP.32 (SGP.32 5.9.14).
const DEFAULT_TAGS_IOT: [Tag; 9] = [
    NUMBER,
    AID,
    ProfileInfo::STATE,
    Tag(0x91),
    Tag(0x92),
    Tag(0x95),
    ECALL_INDICATION,
    FALLBACK_ATTRIBUTE,
    FALLBACK_ALLOWED,
];

impl Card {
    pub(super) fn get_profiles_info(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = ProfileInfoListRequest::from_der(request).map_err(|error| malformed(&error))?;
        let mut writer = Writer::new();
        writer.nested(tag::GET_PROFILES_INFO, |choice| {
            choice.nested(Tag(0xA0), |list| {
                for info in told(&self.state, &request) {
                    info.encode(list);
                }
            });
        });
        Ok(writer.finish())
    }
}

/// The profiles that are asked for, each with what is asked of it.
pub(super) fn told<'a>(state: &'a CardState, request: &ProfileInfoListRequest<'_>) -> Vec<ProfileInfo<'a>> {
    let default = if state.iot.is_some() { DEFAULT_TAGS_IOT } else { DEFAULT_TAGS };
    let tags = request.tags().unwrap_or_else(|| default.to_vec());
    let chosen = state.profiles.iter().filter(|profile| fits(profile, request.criterion));
    chosen.filter_map(|profile| profile_info(profile, &tags, state.iot.as_ref())).collect()
}

fn fits(profile: &ProfileRecord, criterion: Option<ProfileCriterion<'_>>) -> bool {
    match criterion {
        None => true,
        Some(ProfileCriterion::Identifier(ProfileIdentifier::Iccid(iccid))) => profile.iccid == iccid,
        Some(ProfileCriterion::Identifier(ProfileIdentifier::IsdpAid(aid))) => profile.isdp_aid == aid,
        Some(ProfileCriterion::Class(class)) => profile.class() == class,
    }
}

fn profile_info<'a>(
    profile: &'a ProfileRecord,
    tags: &[Tag],
    iot: Option<&IotState>,
) -> Option<ProfileInfo<'a>> {
    let facts = profile.facts()?;
    let flag = |tag, value| (iot.is_some() && tags.contains(&tag)).then_some(value);
    let is_fallback = iot.is_some_and(|iot| iot.fallback_profile == profile.iccid);
    let (ecall_indication, fallback_allowed) = (facts.ecall_indication(), facts.fallback_allowed());
    let wanted = |tag: u32| tags.contains(&Tag(tag));
    Some(ProfileInfo {
        iccid: if wanted(NUMBER.0) { profile.iccid.as_slice().try_into().ok() } else { None },
        isdp_aid: wanted(AID.0).then_some(profile.isdp_aid.as_slice()),
        profile_state: wanted(ProfileInfo::STATE.0).then_some(u32::from(profile.enabled)),
        nickname: if wanted(0x90) { profile.nickname.as_deref() } else { None },
        service_provider_name: wanted(0x91).then_some(facts.service_provider_name),
        profile_name: wanted(0x92).then_some(facts.profile_name),
        icon: if wanted(0x94) { facts.icon } else { None },
        profile_class: wanted(0x95).then_some(facts.profile_class),
        notification_configurations: if wanted(0xB6) {
            facts.notification_configurations
        } else {
            Vec::new()
        },
        profile_owner: if wanted(0xB7) { facts.profile_owner } else { None },
        profile_policy_rules: (wanted(0x99) && facts.profile_policy_rules.0 != 0)
            .then_some(facts.profile_policy_rules),
        ecall_indication: flag(ECALL_INDICATION, ecall_indication),
        fallback_attribute: flag(FALLBACK_ATTRIBUTE, is_fallback),
        fallback_allowed: flag(FALLBACK_ALLOWED, fallback_allowed),
    })
}
