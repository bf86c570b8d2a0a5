//! The metadata of a profile as the SM-DP+ keeps it (SGP.22 2.4a.1, 5.5.3).
//!
//! It is what the settings say of a profile type, or what an order says instead; an order keeps it as the
//! StoreMetadataRequest that the eUICC will get. Members of v3 are not made.

use simyard_asn1::rsp::metadata::{
    ECALL_INDICATION, FALLBACK_ALLOWED, Icon as WireIcon, NotificationConfiguration, OperatorId,
    StoreMetadataRequest, notification_event, profile_class, profile_policy_rule,
};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode as _, Encode as _, Oid, Reader, Tag, Writer};

use super::icon::Icon;
use crate::ident::{Iccid, ServerAddress};

/// Characters of serviceProviderName at most.
pub const SERVICE_PROVIDER_NAME_MAX: usize = 32;
/// Characters of profileName at most.
pub const PROFILE_NAME_MAX: usize = 64;
/// Recipients of notifications at most.
pub const RECIPIENTS_MAX: usize = 32;
/// Octets of gid1 and of gid2 at most: the files that they are compared with are no longer on any card we know.
pub const GID_MAX: usize = 32;
/// Octets of all service specific data at most.
pub const SERVICE_SPECIFIC_DATA_MAX: usize = 1024;

/// serviceSpecificDataStoredInEuicc and serviceSpecificDataNotStoredInEuicc.
const SERVICE_SPECIFIC_DATA: [Tag; 2] = [Tag(0xBF22), Tag(0xBF23)];

/// profileClass of the metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileClass {
    /// A test profile (2.4.5.3): installed only where the eUICC supports test profiles.
    Test,
    /// A provisioning profile (2.4.5.2).
    Provisioning,
    /// An operational profile.
    #[default]
    Operational,
}

impl ProfileClass {
    const fn code(self) -> u32 {
        match self {
            Self::Test => profile_class::TEST,
            Self::Provisioning => profile_class::PROVISIONING,
            Self::Operational => profile_class::OPERATIONAL,
        }
    }

    const fn of(code: u32) -> Option<Self> {
        match code {
            profile_class::TEST => Some(Self::Test),
            profile_class::PROVISIONING => Some(Self::Provisioning),
            profile_class::OPERATIONAL => Some(Self::Operational),
            _ => None,
        }
    }
}

/// One bit of profilePolicyRules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyRule {
    /// The operator may change the rules over ES6.
    PprUpdateControl,
    /// Disabling the profile is not allowed.
    Ppr1,
    /// Deleting the profile is not allowed.
    Ppr2,
}

impl PolicyRule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PprUpdateControl, Self::Ppr1, Self::Ppr2];

    /// Its bit.
    #[must_use]
    pub const fn bit(self) -> NamedBits {
        NamedBits::bit(match self {
            Self::PprUpdateControl => profile_policy_rule::UPDATE_CONTROL,
            Self::Ppr1 => profile_policy_rule::PPR1,
            Self::Ppr2 => profile_policy_rule::PPR2,
        })
    }

    /// The rules of a set.
    #[must_use]
    pub fn of(bits: NamedBits) -> Vec<Self> {
        Self::ALL.into_iter().filter(|rule| bits.0 & rule.bit().0 != 0).collect()
    }
}

/// One bit of profileManagementOperation, as a recipient asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationEvent {
    /// The profile was installed, or not.
    Install,
    /// It was enabled.
    Enable,
    /// It was disabled.
    Disable,
    /// It was deleted.
    Delete,
}

impl NotificationEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Install, Self::Enable, Self::Disable, Self::Delete];
    /// What a recipient is told of unless it is said otherwise. The result of the installation comes to the SM-DP+ that
    /// delivered the package anyway (2.5.6).
    pub const DEFAULT: [Self; 3] = [Self::Enable, Self::Disable, Self::Delete];

    const fn bit(self) -> NamedBits {
        NamedBits::bit(match self {
            Self::Install => notification_event::INSTALL,
            Self::Enable => notification_event::ENABLE,
            Self::Disable => notification_event::DISABLE,
            Self::Delete => notification_event::DELETE,
        })
    }
}

/// An entry of notificationConfigurationInfo: who is told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where.
    pub address: ServerAddress,
    /// Of what.
    pub events: Vec<NotificationEvent>,
}

/// profileOwner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileOwner {
    /// mccMnc in the coding of TS 24.008.
    pub mcc_mnc: [u8; 3],
    /// gid1, at most [`GID_MAX`] octets.
    pub gid1: Option<Vec<u8>>,
    /// gid2, as long.
    pub gid2: Option<Vec<u8>>,
}

/// An item of the service specific data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpecificItem {
    /// Whose data it is.
    pub vendor: Oid,
    /// The data: whole TLVs.
    pub data: Vec<u8>,
    /// Whether the eUICC keeps it; otherwise only the LPA sees it.
    pub stored: bool,
}

/// What is told of a profile, but for its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileMetadata {
    /// serviceProviderName, at most [`SERVICE_PROVIDER_NAME_MAX`] characters.
    pub service_provider_name: String,
    /// profileName, at most [`PROFILE_NAME_MAX`] characters.
    pub profile_name: String,
    /// iconType and icon.
    pub icon: Option<Icon>,
    /// profileClass.
    pub profile_class: ProfileClass,
    /// notificationConfigurationInfo.
    pub recipients: Vec<Recipient>,
    /// profileOwner.
    pub profile_owner: Option<ProfileOwner>,
    /// profilePolicyRules: only with an owner.
    pub profile_policy_rules: NamedBits,
    /// serviceSpecificDataStoredInEuicc and serviceSpecificDataNotStoredInEuicc: for eUICCs that support it.
    pub service_specific_data: Vec<ServiceSpecificItem>,
    /// ecallIndication: the profile is for emergency calls. For eUICCs of SGP.32.
    pub ecall_indication: bool,
    /// fallbackAllowed: the profile may be the fallback profile. For eUICCs of SGP.32.
    pub fallback_allowed: bool,
}

/// What an eUICC can be told beside what every eUICC can: what it does not know would spoil the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Understands {
    /// Service specific data, as its rspCapability says.
    pub service_specific_data: bool,
    /// What SGP.32 adds, as its iotSpecificInfo says.
    pub iot: bool,
}

/// What metadata cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// A name is too long.
    #[error("{member} may have {most} characters, and has {found}")]
    Name {
        /// Which.
        member: &'static str,
        /// Characters allowed.
        most: usize,
        /// Characters there are.
        found: usize,
    },
    /// A rule without owner: the eUICC could not say whether its owner may set it (2.9.2.1).
    #[error("policy rules need an owner: mcc_mnc")]
    RulesWithoutOwner,
    /// A group identifier that is too long.
    #[error("gid1 and gid2 may have {GID_MAX} octets each")]
    Gid,
    /// Too many recipients.
    #[error("at most {RECIPIENTS_MAX} recipients of notifications are allowed")]
    Recipients,
    /// Data that is no sequence of TLVs, or too long.
    #[error(
        "service specific data is one or more whole TLVs, at most {SERVICE_SPECIFIC_DATA_MAX} octets in all"
    )]
    ServiceSpecificData,
    /// No StoreMetadataRequest that this version makes.
    #[error("the metadata of the order cannot be read: {0}")]
    Form(String),
}

impl ProfileMetadata {
    /// Whether an eUICC can be told this (5.5.3, 2.9.2.1).
    ///
    /// # Errors
    /// [`InvalidMetadata`].
    pub fn check(&self) -> Result<(), InvalidMetadata> {
        for (member, name, most) in [
            ("service_provider_name", &self.service_provider_name, SERVICE_PROVIDER_NAME_MAX),
            ("profile_name", &self.profile_name, PROFILE_NAME_MAX),
        ] {
            let found = name.chars().count();
            if found > most {
                return Err(InvalidMetadata::Name { member, most, found });
            }
        }
        let owner = self.profile_owner.as_ref();
        if owner.is_none() && self.profile_policy_rules != NamedBits::default() {
            return Err(InvalidMetadata::RulesWithoutOwner);
        }
        let is_long = |gid: &Option<Vec<u8>>| gid.as_ref().is_some_and(|gid| gid.len() > GID_MAX);
        if owner.is_some_and(|owner| is_long(&owner.gid1) || is_long(&owner.gid2)) {
            return Err(InvalidMetadata::Gid);
        }
        if self.recipients.len() > RECIPIENTS_MAX {
            return Err(InvalidMetadata::Recipients);
        }
        let octets: usize = self.service_specific_data.iter().map(|item| item.data.len()).sum();
        if octets > SERVICE_SPECIFIC_DATA_MAX
            || !self.service_specific_data.iter().all(|item| is_tlvs(&item.data))
        {
            return Err(InvalidMetadata::ServiceSpecificData);
        }
        Ok(())
    }

    /// Whether it is a test profile.
    #[must_use]
    pub const fn is_test(&self) -> bool {
        matches!(self.profile_class, ProfileClass::Test)
    }

    /// Digits of the operator's MNC: 2 or 3; 2 where the operator is not named.
    #[must_use]
    pub fn mnc_length(&self) -> u8 {
        match self.profile_owner.as_ref().map(|owner| owner.mcc_mnc) {
            // The third digit stands in the upper half of the second octet; F is none.
            Some([_, second, _]) if second >> 4 != 0xF => 3,
            Some(_) | None => 2,
        }
    }

    /// The StoreMetadataRequest of the profile with this ICCID: DER, `BF25`.
    #[must_use]
    pub fn to_store_metadata(&self, iccid: &Iccid) -> Vec<u8> {
        self.to_store_metadata_for(iccid, Understands { service_specific_data: true, iot: true })
    }

    /// As [`ProfileMetadata::to_store_metadata`], without what this eUICC does not understand.
    #[must_use]
    pub fn to_store_metadata_for(&self, iccid: &Iccid, euicc: Understands) -> Vec<u8> {
        let mut extensions = Vec::new();
        if euicc.service_specific_data {
            extensions.extend(self.service_specific_octets());
        }
        if euicc.iot {
            extensions.extend(self.iot_octets());
        }
        self.encode(iccid, &extensions)
    }

    /// The members of SGP.32; false is the default, and not said.
    fn iot_octets(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        for (tag, flag) in
            [(ECALL_INDICATION, self.ecall_indication), (FALLBACK_ALLOWED, self.fallback_allowed)]
        {
            if flag {
                writer.boolean(tag, true);
            }
        }
        writer.finish()
    }

    fn encode(&self, iccid: &Iccid, extensions: &[u8]) -> Vec<u8> {
        let iccid = iccid.to_bcd();
        let events = |recipient: &Recipient| {
            NamedBits(recipient.events.iter().fold(0, |bits, event| bits | event.bit().0))
        };
        let configuration = |recipient| NotificationConfiguration {
            events: events(recipient),
            address: recipient.address.as_str(),
        };
        let request = StoreMetadataRequest {
            iccid: &iccid,
            service_provider_name: &self.service_provider_name,
            profile_name: &self.profile_name,
            icon: self.icon.as_ref().map(|icon| WireIcon { kind: icon.kind().code(), image: icon.image() }),
            profile_class: self.profile_class.code(),
            notification_configurations: self.recipients.iter().map(configuration).collect(),
            profile_owner: self.profile_owner.as_ref().map(|owner| OperatorId {
                mcc_mnc: &owner.mcc_mnc,
                gid1: owner.gid1.as_deref(),
                gid2: owner.gid2.as_deref(),
            }),
            profile_policy_rules: self.profile_policy_rules,
            extensions,
        };
        request.to_der()
    }

    fn service_specific_octets(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        for (tag, stored) in SERVICE_SPECIFIC_DATA.into_iter().zip([true, false]) {
            let mut items = self.service_specific_data.iter().filter(|item| item.stored == stored).peekable();
            if items.peek().is_none() {
                continue;
            }
            writer.nested(tag, |list| {
                for item in items {
                    list.nested(Tag::SEQUENCE, |members| {
                        members.tlv(Tag(0x80), item.vendor.as_content()).tlv(Tag(0xA1), &item.data);
                    });
                }
            });
        }
        writer.finish()
    }

    /// Reads what [`ProfileMetadata::to_store_metadata`] made for this ICCID.
    ///
    /// # Errors
    /// [`InvalidMetadata`] for what it does not make.
    pub fn from_store_metadata(der: &[u8], iccid: &Iccid) -> Result<Self, InvalidMetadata> {
        let form = |error: simyard_asn1::Error| InvalidMetadata::Form(error.to_string());
        let unknown = |what: &str| InvalidMetadata::Form(format!("{what} is not one of ours"));
        let request = StoreMetadataRequest::from_der(der).map_err(form)?;
        if *request.iccid != iccid.to_bcd() {
            return Err(unknown("its ICCID"));
        }
        let icon = request.icon.map(|icon| {
            let known = Icon::new(icon.image.to_vec()).ok().filter(|known| known.kind().code() == icon.kind);
            known.ok_or_else(|| unknown("its icon"))
        });
        let recipient = |item: &NotificationConfiguration<'_>| {
            let events =
                NotificationEvent::ALL.into_iter().filter(|event| item.events.0 & event.bit().0 != 0);
            let address = ServerAddress::parse(item.address).map_err(|_| unknown("a recipient"))?;
            Ok(Recipient { address, events: events.collect() })
        };
        let metadata = Self {
            service_provider_name: request.service_provider_name.to_owned(),
            profile_name: request.profile_name.to_owned(),
            icon: icon.transpose()?,
            profile_class: ProfileClass::of(request.profile_class).ok_or_else(|| unknown("its class"))?,
            recipients: request
                .notification_configurations
                .iter()
                .map(recipient)
                .collect::<Result<_, InvalidMetadata>>()?,
            profile_owner: request.profile_owner.map(|owner| ProfileOwner {
                mcc_mnc: *owner.mcc_mnc,
                gid1: owner.gid1.map(<[u8]>::to_vec),
                gid2: owner.gid2.map(<[u8]>::to_vec),
            }),
            profile_policy_rules: request.profile_policy_rules,
            service_specific_data: service_specific_items(request.extensions)
                .map_err(|_| unknown("a member"))?,
            ecall_indication: request.ecall_indication(),
            fallback_allowed: request.fallback_allowed(),
        };
        metadata.check()?;
        Ok(metadata)
    }
}

fn is_tlvs(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets, "service specific data");
    while !reader.is_empty() {
        if reader.read().is_err() {
            return false;
        }
    }
    !octets.is_empty()
}

fn service_specific_items(octets: &[u8]) -> Result<Vec<ServiceSpecificItem>, simyard_asn1::Error> {
    let mut members = Reader::new(octets, "StoreMetadataRequest");
    let mut items = Vec::new();
    for (tag, stored) in SERVICE_SPECIFIC_DATA.into_iter().zip([true, false]) {
        let Some(list) = members.optional(tag)? else { continue };
        let mut list = list.members("service specific data");
        while !list.is_empty() {
            let mut item = list.expect(Tag::SEQUENCE)?.members("service specific item");
            let vendor = item.expect(Tag(0x80))?;
            let invalid = || vendor.error(simyard_asn1::ErrorKind::Value, "vendorOid");
            items.push(ServiceSpecificItem {
                vendor: Oid::from_content(vendor.value).ok_or_else(invalid)?,
                data: item.expect(Tag(0xA1))?.value.to_vec(),
                stored,
            });
            item.finish()?;
        }
    }
    // The members of SGP.32 are read by their names.
    for tag in [ECALL_INDICATION, FALLBACK_ALLOWED] {
        members.optional(tag)?;
    }
    members.finish()?;
    Ok(items)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An image of so many octets that passes for an icon.
    pub(crate) fn icon(octets: usize) -> Icon {
        let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40".to_vec();
        image.resize(octets - 12, 7);
        image.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
        Icon::new(image).unwrap()
    }

    fn iccid() -> Iccid {
        Iccid::parse("89000123456789012341").unwrap()
    }

    fn whole() -> ProfileMetadata {
        let item = |stored, data: &[u8]| ServiceSpecificItem {
            vendor: Oid::parse("2.999.7").unwrap(),
            data: data.to_vec(),
            stored,
        };
        ProfileMetadata {
            service_provider_name: "Simyard".into(),
            profile_name: "IoT".into(),
            icon: Some(icon(1024)),
            profile_class: ProfileClass::Test,
            recipients: vec![
                Recipient {
                    address: "smdp.example.com".parse().unwrap(),
                    events: NotificationEvent::DEFAULT.to_vec(),
                },
                Recipient {
                    address: "two.example.com:8443".parse().unwrap(),
                    events: vec![NotificationEvent::Install],
                },
            ],
            profile_owner: Some(ProfileOwner {
                mcc_mnc: [0x09, 0xF1, 0x10],
                gid1: Some(vec![1]),
                gid2: Some(vec![2, 3]),
            }),
            profile_policy_rules: PolicyRule::Ppr2.bit(),
            service_specific_data: vec![item(true, b"\x80\x01\x07"), item(false, b"\x81\x00")],
            ecall_indication: true,
            fallback_allowed: true,
        }
    }

    #[test]
    fn what_is_told_is_what_the_type_says() {
        let metadata = whole();
        let der = metadata.to_store_metadata(&iccid());
        let read = StoreMetadataRequest::from_der(&der).unwrap();
        assert_eq!(read.iccid, &iccid().to_bcd());
        assert_eq!(read.profile_class, profile_class::TEST);
        assert_eq!(read.icon.unwrap().kind, 1);
        let events: Vec<_> = read.notification_configurations.iter().map(|item| item.events.0).collect();
        assert_eq!(events, [0b1110, 1]);
        let owner = read.profile_owner.unwrap();
        assert_eq!(
            (owner.mcc_mnc, owner.gid1, owner.gid2),
            (&[0x09, 0xF1, 0x10], Some(&[1][..]), Some(&[2, 3][..]))
        );
        assert_eq!(read.profile_policy_rules, NamedBits(0b100));
        assert_eq!(
            hex::encode(read.extensions),
            "bf220c300a8003883707a103800107bf230b30098003883707a10281009f7b01ff9f6701ff"
        );
        assert_eq!(ProfileMetadata::from_store_metadata(&der, &iccid()), Ok(metadata.clone()));
        for (service_specific_data, iot, expected) in [
            (false, false, String::new()),
            (false, true, "9f7b01ff9f6701ff".to_owned()),
            (true, false, hex::encode(read.extensions).replace("9f7b01ff9f6701ff", "")),
        ] {
            let told = metadata.to_store_metadata_for(&iccid(), Understands { service_specific_data, iot });
            let told = StoreMetadataRequest::from_der(&told).unwrap();
            assert_eq!(hex::encode(told.extensions), expected);
        }
        let bare = ProfileMetadata::default();
        assert_eq!(
            ProfileMetadata::from_store_metadata(&bare.to_store_metadata(&iccid()), &iccid()),
            Ok(bare)
        );
    }

    #[test]
    fn the_mnc_has_the_digits_of_its_coding() {
        for (mcc_mnc, length) in [(Some([0x09, 0xF1, 0x10]), 2), (Some([0x13, 0x00, 0x62]), 3), (None, 2)] {
            let profile_owner = mcc_mnc.map(|mcc_mnc| ProfileOwner { mcc_mnc, gid1: None, gid2: None });
            let metadata = ProfileMetadata { profile_owner, ..whole() };
            assert_eq!(metadata.mnc_length(), length, "{mcc_mnc:?}");
        }
    }

    #[test]
    fn what_an_euicc_cannot_be_told_is_named() {
        let recipient = whole().recipients[0].clone();
        let owner = whole().profile_owner.unwrap();
        let item = whole().service_specific_data[0].clone();
        for (metadata, expected) in [
            (ProfileMetadata { service_provider_name: "ä".repeat(33), ..whole() }, "has 33"),
            (ProfileMetadata { profile_name: "x".repeat(65), ..whole() }, "profile_name may have 64"),
            (ProfileMetadata { profile_owner: None, ..whole() }, "rules need an owner"),
            (
                ProfileMetadata {
                    profile_owner: Some(ProfileOwner { gid2: Some(vec![0; 33]), ..owner }),
                    ..whole()
                },
                "gid1 and gid2",
            ),
            (ProfileMetadata { recipients: vec![recipient; 33], ..whole() }, "at most 32 recipients"),
            (
                ProfileMetadata {
                    service_specific_data: vec![ServiceSpecificItem { data: vec![0x80, 2, 0], ..item }],
                    ..whole()
                },
                "whole TLVs",
            ),
        ] {
            let error = metadata.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        whole().check().unwrap();
        let longest = ProfileMetadata { service_provider_name: "ä".repeat(32), ..whole() };
        longest.check().unwrap();
    }

    #[test]
    fn what_this_version_does_not_make_is_not_read() {
        let other = Iccid::parse("89000123456789012358").unwrap();
        let der = whole().to_store_metadata(&iccid());
        assert!(ProfileMetadata::from_store_metadata(&der, &other).is_err());
        for length in 0..der.len() {
            assert!(ProfileMetadata::from_store_metadata(&der[..length], &iccid()).is_err(), "{length}");
        }
    }
}
