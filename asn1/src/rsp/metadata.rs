//! What is told of a profile: StoreMetadataRequest (SGP.22 5.5.3) and ProfileInfo (5.7.15).

use super::{AID, NUMBER};
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Tlv, Writer};

/// ProfileClass values.
pub mod profile_class {
    /// test.
    pub const TEST: u32 = 0;
    /// provisioning.
    pub const PROVISIONING: u32 = 1;
    /// operational: the default, not encoded.
    pub const OPERATIONAL: u32 = 2;
}

/// Bits of NotificationEvent.
pub mod notification_event {
    /// notificationInstall.
    pub const INSTALL: u32 = 0;
    /// notificationEnable.
    pub const ENABLE: u32 = 1;
    /// notificationDisable.
    pub const DISABLE: u32 = 2;
    /// notificationDelete.
    pub const DELETE: u32 = 3;
}

/// Bits of PprIds.
pub mod profile_policy_rule {
    /// pprUpdateControl.
    pub const UPDATE_CONTROL: u32 = 0;
    /// ppr1: disabling is not allowed.
    pub const PPR1: u32 = 1;
    /// ppr2: deletion is not allowed.
    pub const PPR2: u32 = 2;
}

/// NotificationConfigurationInformation: who is told of which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationConfiguration<'a> {
    /// `80` profileManagementOperation: bits of [`notification_event`].
    pub events: NamedBits,
    /// `81` notificationAddress.
    pub address: &'a str,
}

/// More recipients than any profile names.
const MAX_NOTIFICATION_ADDRESSES: usize = 32;

fn notification_configurations<'a>(
    members: &mut Reader<'a>,
) -> Result<Vec<NotificationConfiguration<'a>>, Error> {
    let Some(list) = members.optional(Tag(0xB6))? else { return Ok(Vec::new()) };
    let mut items = list.members("notificationConfigurationInfo");
    let mut configurations = Vec::new();
    while !items.is_empty() {
        let mut item = items.expect(Tag::SEQUENCE)?.members("NotificationConfigurationInformation");
        configurations.push(NotificationConfiguration {
            events: item.expect(Tag(0x80))?.named_bits("profileManagementOperation")?,
            address: item.expect(Tag(0x81))?.text(super::MAX_ADDRESS_CHARS, "notificationAddress")?,
        });
        item.extensions()?;
        if configurations.len() > MAX_NOTIFICATION_ADDRESSES {
            return Err(list.error(crate::ErrorKind::Value, "notificationConfigurationInfo"));
        }
    }
    Ok(configurations)
}

fn write_notification_configurations(writer: &mut Writer, items: &[NotificationConfiguration<'_>]) {
    if items.is_empty() {
        return;
    }
    writer.nested(Tag(0xB6), |list| {
        for item in items {
            list.nested(Tag::SEQUENCE, |members| {
                members.named_bits(Tag(0x80), item.events).tlv(Tag(0x81), item.address.as_bytes());
            });
        }
    });
}

/// OperatorId: `B7` as profileOwner, `30` in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorId<'a> {
    /// `80` mccMnc in the coding of TS 24.008.
    pub mcc_mnc: &'a [u8; 3],
    /// `81` gid1.
    pub gid1: Option<&'a [u8]>,
    /// `82` gid2.
    pub gid2: Option<&'a [u8]>,
}

impl<'a> OperatorId<'a> {
    /// Reads the members, whatever tag they stand in.
    pub(super) fn read(tlv: &Tlv<'a>) -> Result<Self, Error> {
        let mut members = tlv.members("OperatorId");
        let id = Self {
            mcc_mnc: members.expect(Tag(0x80))?.array("mccMnc")?,
            gid1: members.optional(Tag(0x81))?.map(|tlv| tlv.value),
            gid2: members.optional(Tag(0x82))?.map(|tlv| tlv.value),
        };
        members.extensions()?;
        Ok(id)
    }

    pub(super) fn write(&self, writer: &mut Writer, tag: Tag) {
        writer.nested(tag, |members| {
            members
                .tlv(Tag(0x80), self.mcc_mnc)
                .optional(Tag(0x81), self.gid1)
                .optional(Tag(0x82), self.gid2);
        });
    }
}

fn profile_owner<'a>(members: &mut Reader<'a>) -> Result<Option<OperatorId<'a>>, Error> {
    members.optional(Tag(0xB7))?.map(|owner| OperatorId::read(&owner)).transpose()
}

fn write_profile_owner(writer: &mut Writer, owner: Option<&OperatorId<'_>>) {
    if let Some(owner) = owner {
        owner.write(writer, Tag(0xB7));
    }
}

/// An icon of 64 × 64 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icon<'a> {
    /// `93` iconType: 0 jpg, 1 png.
    pub kind: u32,
    /// `94` icon, at most 1024 octets.
    pub image: &'a [u8],
}

fn icon<'a>(members: &mut Reader<'a>) -> Result<Option<Icon<'a>>, Error> {
    let kind = members.optional(Tag(0x93))?;
    let image = members.optional(Tag(0x94))?;
    match (kind, image) {
        (Some(kind), Some(image)) => {
            Ok(Some(Icon { kind: kind.unsigned("iconType")?, image: image.sized(..=1024, "icon")? }))
        }
        (None, None) => Ok(None),
        (Some(kind), None) => Err(kind.error(ErrorKind::Missing { expected: Tag(0x94) }, "icon")),
        (None, Some(image)) => Err(image.error(ErrorKind::Missing { expected: Tag(0x93) }, "iconType")),
    }
}

fn write_icon(writer: &mut Writer, icon: Option<&Icon<'_>>) {
    if let Some(icon) = icon {
        writer.integer(Tag(0x93), i64::from(icon.kind)).tlv(Tag(0x94), icon.image);
    }
}

/// StoreMetadataRequest, `BF25`: the metadata of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreMetadataRequest<'a> {
    /// `5A` iccid, nibbles swapped.
    pub iccid: &'a [u8; 10],
    /// `91` serviceProviderName, at most 32 characters.
    pub service_provider_name: &'a str,
    /// `92` profileName, at most 64 characters.
    pub profile_name: &'a str,
    /// `93`, `94` icon.
    pub icon: Option<Icon<'a>>,
    /// `95` profileClass: one of [`profile_class`].
    pub profile_class: u32,
    /// `B6` notificationConfigurationInfo.
    pub notification_configurations: Vec<NotificationConfiguration<'a>>,
    /// `B7` profileOwner.
    pub profile_owner: Option<OperatorId<'a>>,
    /// `99` profilePolicyRules; left out when there are none.
    pub profile_policy_rules: NamedBits,
    /// Service specific data and members of later versions, as received.
    pub extensions: &'a [u8],
}

impl StoreMetadataRequest<'_> {
    /// The tag of the message.
    pub const TAG: Tag = Tag(0xBF25);

    /// fallbackAllowed (SGP.32): whether the profile may be the fallback profile.
    #[must_use]
    pub fn fallback_allowed(&self) -> bool {
        self.flag(FALLBACK_ALLOWED)
    }

    /// ecallIndication (SGP.32): whether the profile is for emergency calls.
    #[must_use]
    pub fn ecall_indication(&self) -> bool {
        self.flag(ECALL_INDICATION)
    }

    /// A BOOLEAN of a later version: false where it is absent or is none.
    fn flag(&self, tag: Tag) -> bool {
        let mut members = Reader::new(self.extensions, Self::NAME);
        while let Ok(member) = members.read() {
            if member.tag == tag {
                return member.boolean(Self::NAME).unwrap_or_default();
            }
        }
        false
    }

    /// The tags of the members, which no extension has.
    const MEMBERS: [Tag; 9] =
        [NUMBER, Tag(0x91), Tag(0x92), Tag(0x93), Tag(0x94), Tag(0x95), Tag(0xB6), Tag(0xB7), Tag(0x99)];
}

impl<'a> Decode<'a> for StoreMetadataRequest<'a> {
    const NAME: &'static str = "StoreMetadataRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(StoreMetadataRequest::TAG)?.members(Self::NAME);
        Ok(Self {
            iccid: members.expect(NUMBER)?.array("iccid")?,
            service_provider_name: members.expect(Tag(0x91))?.text(32, "serviceProviderName")?,
            profile_name: members.expect(Tag(0x92))?.text(64, "profileName")?,
            icon: icon(&mut members)?,
            profile_class: match members.optional(Tag(0x95))? {
                Some(tlv) => tlv.unsigned("profileClass")?,
                None => profile_class::OPERATIONAL,
            },
            notification_configurations: notification_configurations(&mut members)?,
            profile_owner: profile_owner(&mut members)?,
            profile_policy_rules: match members.optional(Tag(0x99))? {
                Some(tlv) => tlv.named_bits("profilePolicyRules")?,
                None => NamedBits::default(),
            },
            extensions: members.extensions_without(&StoreMetadataRequest::MEMBERS)?,
        })
    }
}

impl Encode for StoreMetadataRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .tlv(NUMBER, self.iccid)
                .tlv(Tag(0x91), self.service_provider_name.as_bytes())
                .tlv(Tag(0x92), self.profile_name.as_bytes());
            write_icon(members, self.icon.as_ref());
            if self.profile_class != profile_class::OPERATIONAL {
                members.integer(Tag(0x95), i64::from(self.profile_class));
            }
            write_notification_configurations(members, &self.notification_configurations);
            write_profile_owner(members, self.profile_owner.as_ref());
            if self.profile_policy_rules != NamedBits::default() {
                members.named_bits(Tag(0x99), self.profile_policy_rules);
            }
            members.raw(self.extensions);
        });
    }
}

/// ProfileInfo, `E3`: an entry of the answer to GetProfilesInfo. A member that was not asked for is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileInfo<'a> {
    /// `5A` iccid.
    pub iccid: Option<&'a [u8; 10]>,
    /// `4F` isdpAid.
    pub isdp_aid: Option<&'a [u8]>,
    /// `9F70` profileState: 0 disabled, 1 enabled.
    pub profile_state: Option<u32>,
    /// `90` profileNickname.
    pub nickname: Option<&'a str>,
    /// `91` serviceProviderName.
    pub service_provider_name: Option<&'a str>,
    /// `92` profileName.
    pub profile_name: Option<&'a str>,
    /// `93`, `94` icon.
    pub icon: Option<Icon<'a>>,
    /// `95` profileClass.
    pub profile_class: Option<u32>,
    /// `B6` notificationConfigurationInfo.
    pub notification_configurations: Vec<NotificationConfiguration<'a>>,
    /// `B7` profileOwner.
    pub profile_owner: Option<OperatorId<'a>>,
    /// `99` profilePolicyRules.
    pub profile_policy_rules: Option<NamedBits>,
    /// `9F7B` ecallIndication (SGP.32).
    pub ecall_indication: Option<bool>,
    /// `9F26` fallbackAttribute (SGP.32): whether it is the fallback profile.
    pub fallback_attribute: Option<bool>,
    /// `9F67` fallbackAllowed (SGP.32).
    pub fallback_allowed: Option<bool>,
}

impl ProfileInfo<'_> {
    /// The tag of an entry.
    pub const TAG: Tag = Tag(0xE3);
    /// `9F70`, the tag of profileState.
    pub const STATE: Tag = Tag(0x9F70);
}

/// `9F7B`, the tag of ecallIndication (SGP.32): the profile is for emergency calls.
pub const ECALL_INDICATION: Tag = Tag(0x9F7B);
/// `9F26`, the tag of fallbackAttribute (SGP.32).
pub const FALLBACK_ATTRIBUTE: Tag = Tag(0x9F26);
/// `9F67`, the tag of fallbackAllowed (SGP.32): the owner lets the profile be the fallback profile.
pub const FALLBACK_ALLOWED: Tag = Tag(0x9F67);

impl<'a> Decode<'a> for ProfileInfo<'a> {
    const NAME: &'static str = "ProfileInfo";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ProfileInfo::TAG)?.members(Self::NAME);
        let mut info = Self::default();
        if let Some(tlv) = members.optional(NUMBER)? {
            info.iccid = Some(tlv.array("iccid")?);
        }
        info.isdp_aid = members.optional(AID)?.map(|tlv| tlv.value);
        if let Some(tlv) = members.optional(ProfileInfo::STATE)? {
            info.profile_state = Some(tlv.unsigned("profileState")?);
        }
        if let Some(tlv) = members.optional(Tag(0x90))? {
            info.nickname = Some(tlv.text(64, "profileNickname")?);
        }
        if let Some(tlv) = members.optional(Tag(0x91))? {
            info.service_provider_name = Some(tlv.text(32, "serviceProviderName")?);
        }
        if let Some(tlv) = members.optional(Tag(0x92))? {
            info.profile_name = Some(tlv.text(64, "profileName")?);
        }
        info.icon = icon(&mut members)?;
        if let Some(tlv) = members.optional(Tag(0x95))? {
            info.profile_class = Some(tlv.unsigned("profileClass")?);
        }
        info.notification_configurations = notification_configurations(&mut members)?;
        info.profile_owner = profile_owner(&mut members)?;
        members.optional(Tag(0xB8))?;
        if let Some(tlv) = members.optional(Tag(0x99))? {
            info.profile_policy_rules = Some(tlv.named_bits("profilePolicyRules")?);
        }
        // Where those of SGP.32 stand among what follows is not fixed.
        members.clone().extensions()?;
        while !members.is_empty() {
            let tlv = members.read()?;
            // eUICCs write any octet but 00 for true.
            let flag = |what| Ok(Some(tlv.sized(1..=1, what)? != [0x00]));
            match tlv.tag {
                ECALL_INDICATION => info.ecall_indication = flag("ecallIndication")?,
                FALLBACK_ATTRIBUTE => info.fallback_attribute = flag("fallbackAttribute")?,
                FALLBACK_ALLOWED => info.fallback_allowed = flag("fallbackAllowed")?,
                _ => {}
            }
        }
        Ok(info)
    }
}

impl Encode for ProfileInfo<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.optional(NUMBER, self.iccid.map(|iccid| &iccid[..])).optional(AID, self.isdp_aid);
            if let Some(state) = self.profile_state {
                members.integer(Self::STATE, i64::from(state));
            }
            members
                .optional(Tag(0x90), self.nickname.map(str::as_bytes))
                .optional(Tag(0x91), self.service_provider_name.map(str::as_bytes))
                .optional(Tag(0x92), self.profile_name.map(str::as_bytes));
            write_icon(members, self.icon.as_ref());
            if let Some(class) = self.profile_class {
                members.integer(Tag(0x95), i64::from(class));
            }
            write_notification_configurations(members, &self.notification_configurations);
            write_profile_owner(members, self.profile_owner.as_ref());
            if let Some(rules) = self.profile_policy_rules {
                members.named_bits(Tag(0x99), rules);
            }
            for (tag, value) in [
                (ECALL_INDICATION, self.ecall_indication),
                (FALLBACK_ATTRIBUTE, self.fallback_attribute),
                (FALLBACK_ALLOWED, self.fallback_allowed),
            ] {
                if let Some(value) = value {
                    members.boolean(tag, value);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(behind_the_names: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(StoreMetadataRequest::TAG, |members| {
            members.tlv(NUMBER, &[0x98; 10]).tlv(Tag(0x91), b"Operator").tlv(Tag(0x92), b"Profile");
            members.raw(behind_the_names);
        });
        writer.finish()
    }

    #[test]
    fn unknown_members_are_kept_behind_the_known_ones() {
        let der = message(&[0x99, 0x02, 0x06, 0x40, 0xBF, 0x22, 0x02, 0x80, 0x00]);
        let request = StoreMetadataRequest::from_der(&der).unwrap();
        assert_eq!(request.profile_policy_rules, NamedBits::bit(1));
        assert_eq!(request.extensions, [0xBF, 0x22, 0x02, 0x80, 0x00]);
        assert_eq!(request.to_der(), der);
    }

    #[test]
    fn flags_of_sgp32_are_read_where_they_stand() {
        let flags = |members: &[u8]| {
            let der = message(members);
            let request = StoreMetadataRequest::from_der(&der).unwrap();
            (request.ecall_indication(), request.fallback_allowed())
        };
        let ecall = &[0x9F, 0x7B, 0x01, 0xFF][..];
        let fallback = &[0x9F, 0x67, 0x01, 0xFF][..];
        assert_eq!(flags(&[]), (false, false));
        assert_eq!(flags(ecall), (true, false));
        assert_eq!(flags(&[&[0x99, 0x02, 0x06, 0x40], fallback].concat()), (false, true));
        assert_eq!(flags(&[fallback, ecall].concat()), (true, true));
        assert_eq!(flags(&[0x9F, 0x67, 0x01, 0x00]), (false, false));

        let info = ProfileInfo {
            profile_state: Some(1),
            ecall_indication: Some(false),
            fallback_attribute: Some(true),
            fallback_allowed: Some(true),
            ..ProfileInfo::default()
        };
        let der = info.to_der();
        assert_eq!(hex(&der), "E3109F7001019F7B01009F2601FF9F6701FF");
        assert_eq!(ProfileInfo::from_der(&der).unwrap(), info);
    }

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02X}")).collect()
    }

    #[test]
    fn an_icon_has_type_and_image_or_there_is_none() {
        let (kind, image) = (&[0x93, 0x01, 0x01][..], &[0x94, 0x02, 0xAA, 0xBB][..]);
        let read = |members: &[u8]| {
            let der = message(members);
            let request = StoreMetadataRequest::from_der(&der)?;
            Ok(request.icon.map(|icon| (icon.kind, icon.image.to_vec())))
        };
        assert_eq!(read(&[kind, image].concat()), Ok(Some((1, vec![0xAA, 0xBB]))));
        assert_eq!(read(&[]), Ok(None));
        for (members, expected) in [(kind, Tag(0x94)), (image, Tag(0x93))] {
            let error: Error = read(members).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Missing { expected });
        }
    }

    #[test]
    fn a_member_in_a_wrong_place_or_given_twice_is_no_extension() {
        for (members, offset) in [
            // The default class is not written, so the second one would become the class.
            (&[0x95, 0x01, 0x02, 0x95, 0x01, 0x00][..], 37),
            // As would rules behind an empty set of rules.
            (&[0x99, 0x01, 0x00, 0x99, 0x02, 0x06, 0x40], 37),
            // Rules before the owner: the owner would be lost.
            (&[0x99, 0x02, 0x06, 0x40, 0xB7, 0x05, 0x80, 0x03, 0x00, 0xF1, 0x10], 38),
        ] {
            let error = StoreMetadataRequest::from_der(&message(members)).unwrap_err();
            assert_eq!((error.kind, error.offset), (crate::ErrorKind::Trailing, offset), "{members:02X?}");
        }
    }
}
