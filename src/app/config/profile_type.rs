//! `[[profile_type]]`: what profiles are called, whose they are, and what is told of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use simyard_asn1::rsp::Version;
use toml::Spanned;

use super::file::{Reader, Text};
use super::metadata::{MetadataTable, RecipientTable, ServiceSpecificTable};
use super::pool::{QUARANTINE_DAYS, days};
use super::{ConfigError, OperatorSetting, ProfilePools, ProfileTypeSetting, TemplateSetting};
use crate::domain::{
    Demands, KeyMode, Mode, NotEligible, NumberKind, Pool, ProfileType, RadioAccess, SubClassName, System,
};
use crate::ident::ServerAddress;
use crate::inventory::sub_class::SubClass;
use crate::profile::metadata::{NotificationEvent, PolicyRule, ProfileClass, ProfileMetadata, Recipient};
use crate::profile::shipped;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileTypeTable {
    pub(super) name: Spanned<String>,
    owner: Spanned<String>,
    template: Text,
    #[serde(default)]
    key_mode: KeyMode,
    // What is told of its profiles: the members of `MetadataTable`, which would lose their lines if it were flattened.
    service_provider_name: Text,
    profile_name: Text,
    icon: Text,
    class: Option<Spanned<ProfileClass>>,
    mcc_mnc: Text,
    gid1: Text,
    gid2: Text,
    policy_rules: Option<Spanned<Vec<PolicyRule>>>,
    notification_addresses: Option<Vec<Spanned<String>>>,
    notification: Option<Vec<RecipientTable>>,
    service_specific_data: Option<Vec<ServiceSpecificTable>>,
    ecall_indication: Option<bool>,
    fallback_allowed: Option<bool>,
    #[serde(default)]
    not_eligible: NotEligible,
    #[serde(default)]
    radio: Vec<RadioAccess>,
    #[serde(default)]
    denied_tacs: Vec<Spanned<String>>,
    #[serde(default)]
    denied_pp_versions: Vec<Spanned<String>>,
    sub_class: Text,
    #[serde(default)]
    pools: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    reusable: bool,
    quarantine_days: Option<u32>,
    low_water: Option<u64>,
    #[serde(default)]
    requires_delivery: Vec<System>,
}

/// What a profile type may name.
pub(super) struct Known<'a> {
    pub(super) operators: &'a [OperatorSetting],
    pub(super) pools: &'a [Pool],
    pub(super) sub_classes: &'a [SubClass],
}

impl ProfileTypeTable {
    fn metadata(&self) -> MetadataTable {
        MetadataTable {
            service_provider_name: self.service_provider_name.clone(),
            profile_name: self.profile_name.clone(),
            icon: self.icon.clone(),
            class: self.class.as_ref().map(|class| *class.get_ref()),
            mcc_mnc: self.mcc_mnc.clone(),
            gid1: self.gid1.clone(),
            gid2: self.gid2.clone(),
            policy_rules: self.policy_rules.clone(),
            notification_addresses: self.notification_addresses.clone(),
            notification: self.notification.clone(),
            service_specific_data: self.service_specific_data.clone(),
            ecall_indication: self.ecall_indication,
            fallback_allowed: self.fallback_allowed,
        }
    }
}

impl Reader<'_> {
    /// All profile types; no two have one name, and each has an owner that is known.
    pub(super) fn profile_types(
        &self,
        tables: &[ProfileTypeTable],
        mode: Mode,
        addresses: &[ServerAddress],
        known: &Known<'_>,
    ) -> Result<Vec<ProfileTypeSetting>, ConfigError> {
        let mut profile_types: Vec<ProfileTypeSetting> = Vec::new();
        for table in tables {
            let profile_type = self.profile_type(table, addresses, known)?;
            if let (Mode::Production, Some(class)) = (mode, &table.class)
                && *class.get_ref() == ProfileClass::Test
            {
                let message = "test profiles are for a server with mode = \"test\"";
                return Err(self.error(Some(class.span()), "profile_type.class", message));
            }
            if profile_types.iter().any(|other| other.name == profile_type.name) {
                let message = "another profile type has this name";
                return Err(self.error(Some(table.name.span()), "profile_type.name", message));
            }
            if !known.operators.iter().any(|operator| operator.name == profile_type.owner) {
                let message = "no [[operator]] has this name";
                return Err(self.error(Some(table.owner.span()), "profile_type.owner", message));
            }
            profile_types.push(profile_type);
        }
        Ok(profile_types)
    }

    fn profile_type(
        &self,
        table: &ProfileTypeTable,
        addresses: &[ServerAddress],
        known: &Known<'_>,
    ) -> Result<ProfileTypeSetting, ConfigError> {
        let name = ProfileType::parse(table.name.get_ref()).ok_or_else(|| {
            self.error(Some(table.name.span()), "profile_type.name", "expected 1 to 128 octets of text")
        })?;
        let members = table.metadata();
        let base = ProfileMetadata {
            service_provider_name: "Simyard".to_owned(),
            profile_name: "Simyard profile".to_owned(),
            recipients: addresses
                .first()
                .map(|address| Recipient {
                    address: address.clone(),
                    events: NotificationEvent::DEFAULT.to_vec(),
                })
                .into_iter()
                .collect(),
            ..ProfileMetadata::default()
        };
        let metadata = self.metadata(&members, base)?;
        self.check_metadata(&members, &metadata)?;
        let template = match &table.template {
            None => shipped::find(shipped::DEFAULT).map(TemplateSetting::BuiltIn),
            Some(value) => match (value.get_ref().as_str(), shipped::find(value.get_ref())) {
                ("none", _) => None,
                (_, Some(shipped)) => Some(TemplateSetting::BuiltIn(shipped)),
                _ => Some(TemplateSetting::File(self.file(Some(value), "profile_type.template", ""))),
            },
        };
        Ok(ProfileTypeSetting {
            name,
            owner: self.operator_name(&table.owner, "profile_type.owner")?,
            metadata,
            key_mode: table.key_mode,
            template,
            demands: Demands {
                radio: table.radio.clone(),
                denied_tacs: table
                    .denied_tacs
                    .iter()
                    .map(|value| self.tac(value))
                    .collect::<Result<_, _>>()?,
                denied_pp_versions: table
                    .denied_pp_versions
                    .iter()
                    .map(|value| self.version(value))
                    .collect::<Result<_, _>>()?,
            },
            not_eligible: table.not_eligible,
            low_water: table.low_water,
            requires_delivery: table.requires_delivery.iter().copied().collect(),
            pools: self.profile_pools(&table.pools, known)?,
            sub_class: match &table.sub_class {
                Some(value) => Some(self.sub_class_name(value, known)?),
                None => None,
            },
            reusable: table.reusable,
            quarantine: days(table.quarantine_days.unwrap_or(QUARANTINE_DAYS)),
        })
    }

    fn sub_class_name(
        &self,
        value: &Spanned<String>,
        known: &Known<'_>,
    ) -> Result<SubClassName, ConfigError> {
        let mut names = known.sub_classes.iter().map(|sub_class| &sub_class.name);
        names.find(|name| name.as_str() == value.get_ref()).cloned().ok_or_else(|| {
            let message = "no sub-class has this name; `simyard sub-class list` shows them";
            self.error(Some(value.span()), "profile_type.sub_class", message)
        })
    }

    /// `iccid`, `msisdn`, and roles of IMSI slots.
    fn profile_pools(
        &self,
        table: &BTreeMap<String, Spanned<String>>,
        known: &Known<'_>,
    ) -> Result<ProfilePools, ConfigError> {
        let setting = "profile_type.pools";
        let mut pools = ProfilePools::default();
        for (member, value) in table {
            let kind = match member.as_str() {
                "iccid" => NumberKind::Iccid,
                "msisdn" => NumberKind::Msisdn,
                _ => NumberKind::Imsi,
            };
            let name = self.pool_name(value, setting)?;
            if !known.pools.iter().any(|pool| pool.name == name && pool.kind == kind) {
                let message = format!("no [[pool]] of kind {} has this name", kind.name());
                return Err(self.error(Some(value.span()), setting, message));
            }
            match kind {
                NumberKind::Iccid => pools.iccid = Some(name),
                NumberKind::Msisdn => pools.msisdn = Some(name),
                NumberKind::Imsi => pools.imsi.push((member.clone(), name)),
            }
        }
        Ok(pools)
    }

    /// A type allocation code: the first eight digits of an IMEI, as DeviceInfo carries them.
    fn tac(&self, value: &Spanned<String>) -> Result<[u8; 4], ConfigError> {
        let digits = value.get_ref();
        let octets = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| hex::decode(digits).ok());
        octets.flatten().and_then(|octets| octets.try_into().ok()).ok_or_else(|| {
            let message = "expected the eight digits that an IMEI begins with, such as \"35290611\"";
            self.error(Some(value.span()), "profile_type.denied_tacs", message)
        })
    }

    /// Three numbers up to 255.
    fn version(&self, value: &Spanned<String>) -> Result<Version, ConfigError> {
        let numbers: Option<Vec<u8>> = value.get_ref().split('.').map(|number| number.parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).map(Version).ok_or_else(|| {
            let message = "expected three numbers, such as \"255.255.255\"";
            self.error(Some(value.span()), "profile_type.denied_pp_versions", message)
        })
    }
}
