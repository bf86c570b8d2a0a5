//! `[[profile_type]]`: what profiles are called, whose they are, and what is told of them.

use serde::Deserialize;
use simyard_asn1::tlv::NamedBits;
use toml::Spanned;

use super::file::{Reader, Text};
use super::{ConfigError, OperatorSetting, ProfileTypeSetting, TemplateSetting};
use crate::domain::ProfileType;
use crate::ident::ServerAddress;
use crate::profile::metadata::{ProfileClass, ProfileMetadata};
use crate::profile::shipped;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileTypeTable {
    pub(super) name: Spanned<String>,
    owner: Spanned<String>,
    template: Text,
    service_provider_name: Text,
    profile_name: Text,
    #[serde(default)]
    class: ProfileClass,
    mcc_mnc: Text,
    notification_addresses: Option<Vec<Spanned<String>>>,
}

impl Reader<'_> {
    /// All profile types; no two have one name, and each has an owner that is known.
    pub(super) fn profile_types(
        &self,
        tables: &[ProfileTypeTable],
        addresses: &[ServerAddress],
        operators: &[OperatorSetting],
    ) -> Result<Vec<ProfileTypeSetting>, ConfigError> {
        let mut profile_types: Vec<ProfileTypeSetting> = Vec::new();
        for table in tables {
            let profile_type = self.profile_type(table, addresses)?;
            if profile_types.iter().any(|other| other.name == profile_type.name) {
                let message = "another profile type has this name";
                return Err(self.error(Some(table.name.span()), "profile_type.name", message));
            }
            if !operators.iter().any(|operator| operator.name == profile_type.owner) {
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
    ) -> Result<ProfileTypeSetting, ConfigError> {
        let name = ProfileType::parse(table.name.get_ref()).ok_or_else(|| {
            self.error(Some(table.name.span()), "profile_type.name", "expected 1 to 128 octets of text")
        })?;
        let text = |value: &Text, setting, most: usize, default: &str| match value {
            None => Ok(default.to_owned()),
            Some(value) if value.get_ref().chars().count() <= most => Ok(value.get_ref().clone()),
            Some(value) => {
                Err(self.error(Some(value.span()), setting, format!("at most {most} characters are allowed")))
            }
        };
        let metadata = ProfileMetadata {
            service_provider_name: text(
                &table.service_provider_name,
                "profile_type.service_provider_name",
                32,
                "Simyard",
            )?,
            profile_name: text(&table.profile_name, "profile_type.profile_name", 64, "Simyard profile")?,
            profile_class: table.class,
            mcc_mnc: table.mcc_mnc.as_ref().map(|value| self.mcc_mnc(value)).transpose()?,
            notification_addresses: match &table.notification_addresses {
                Some(values) => values
                    .iter()
                    .map(|value| self.address(value, "profile_type.notification_addresses"))
                    .collect::<Result<_, _>>()?,
                None => addresses.first().cloned().into_iter().collect(),
            },
            profile_policy_rules: NamedBits::default(),
        };
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
            template,
        })
    }

    /// MCC and MNC as digits, `00101` or `310260`, in the coding of TS 24.008.
    fn mcc_mnc(&self, value: &Spanned<String>) -> Result<[u8; 3], ConfigError> {
        let digits: Option<Vec<u8>> =
            value.get_ref().chars().map(|c| c.to_digit(10).and_then(|d| u8::try_from(d).ok())).collect();
        match digits.as_deref() {
            Some([mcc1, mcc2, mcc3, mnc1, mnc2]) => Ok([mcc2 << 4 | mcc1, 0xF0 | mcc3, mnc2 << 4 | mnc1]),
            Some([mcc1, mcc2, mcc3, mnc1, mnc2, mnc3]) => {
                Ok([mcc2 << 4 | mcc1, mnc3 << 4 | mcc3, mnc2 << 4 | mnc1])
            }
            _ => Err(self.error(
                Some(value.span()),
                "profile_type.mcc_mnc",
                "expected 5 or 6 digits, such as \"90140\"",
            )),
        }
    }
}
