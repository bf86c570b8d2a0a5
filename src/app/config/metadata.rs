//! What is told of a profile (SGP.22 5.5.3), as the table of a profile type says it, and as a file of its own says it for
//! one order: there, what is not said is as the type says.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use simyard_asn1::Oid;
use simyard_asn1::tlv::NamedBits;
use toml::Spanned;

use super::ConfigError;
use super::file::{Reader, Text, read_text};
use crate::profile::icon::{ICON_MAX, Icon};
use crate::profile::metadata::{
    InvalidMetadata, NotificationEvent, PolicyRule, ProfileClass, ProfileMetadata, ProfileOwner, Recipient,
    ServiceSpecificItem,
};

/// Stands for no icon and for no owner where the profile type has one.
const NONE: &str = "none";

/// The members. Those that are absent are as they were.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetadataTable {
    pub(super) service_provider_name: Text,
    pub(super) profile_name: Text,
    pub(super) icon: Text,
    pub(super) class: Option<ProfileClass>,
    pub(super) mcc_mnc: Text,
    pub(super) gid1: Text,
    pub(super) gid2: Text,
    pub(super) policy_rules: Option<Spanned<Vec<PolicyRule>>>,
    pub(super) notification_addresses: Option<Vec<Spanned<String>>>,
    pub(super) notification: Option<Vec<RecipientTable>>,
    pub(super) service_specific_data: Option<Vec<ServiceSpecificTable>>,
    pub(super) ecall_indication: Option<bool>,
    pub(super) fallback_allowed: Option<bool>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientTable {
    address: Spanned<String>,
    events: Spanned<Vec<NotificationEvent>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceSpecificTable {
    vendor: Spanned<String>,
    data: Spanned<String>,
    #[serde(default)]
    stored: bool,
}

/// The metadata of an order: that of its profile type, with what the file `path` says over it.
///
/// # Errors
/// [`ConfigError`] if the file cannot be read or says what no eUICC can be told.
pub fn order_metadata(path: &Path, of_type: ProfileMetadata) -> Result<ProfileMetadata, ConfigError> {
    let read = |cause| ConfigError::Metadata { path: path.to_owned(), cause };
    let text = read_text(path).map_err(read)?;
    let table: MetadataTable =
        toml::from_str(&text).map_err(|cause| ConfigError::Form { path: path.to_owned(), cause })?;
    let reader = Reader::new(&text, path);
    let metadata = reader.metadata(&table, of_type)?;
    reader.check_metadata(&table, &metadata)?;
    Ok(metadata)
}

impl Reader<'_> {
    /// What the table says over `base`; only each member by itself is checked.
    pub(super) fn metadata(
        &self,
        table: &MetadataTable,
        base: ProfileMetadata,
    ) -> Result<ProfileMetadata, ConfigError> {
        let text = |value: &Text, kept: String| value.as_ref().map_or(kept, |text| text.get_ref().clone());
        let icon = match &table.icon {
            None => base.icon,
            Some(name) if name.get_ref() == NONE => None,
            Some(name) => Some(self.icon(name)?),
        };
        let policy_rules = table
            .policy_rules
            .as_ref()
            .map(|rules| NamedBits(rules.get_ref().iter().fold(0, |bits, rule| bits | rule.bit().0)));
        let items = table
            .service_specific_data
            .as_ref()
            .map(|items| items.iter().map(|item| self.service_specific_item(item)).collect::<Result<_, _>>());
        Ok(ProfileMetadata {
            service_provider_name: text(&table.service_provider_name, base.service_provider_name),
            profile_name: text(&table.profile_name, base.profile_name),
            icon,
            profile_class: table.class.unwrap_or(base.profile_class),
            recipients: self.recipients(table)?.unwrap_or(base.recipients),
            profile_owner: self.profile_owner(table, base.profile_owner)?,
            profile_policy_rules: policy_rules.unwrap_or(base.profile_policy_rules),
            service_specific_data: items.transpose()?.unwrap_or(base.service_specific_data),
            ecall_indication: table.ecall_indication.unwrap_or(base.ecall_indication),
            fallback_allowed: table.fallback_allowed.unwrap_or(base.fallback_allowed),
        })
    }

    fn icon(&self, name: &Spanned<String>) -> Result<Icon, ConfigError> {
        let file = self.file(Some(name), "icon", "");
        let mut image = Vec::new();
        // One octet more says that it is too long.
        let most = u64::try_from(ICON_MAX).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(&file.path)
            .and_then(|opened| opened.take(most).read_to_end(&mut image))
            .map_err(|error| file.error(&error))?;
        Icon::new(image).map_err(|error| file.error(&error))
    }

    fn profile_owner(
        &self,
        table: &MetadataTable,
        base: Option<ProfileOwner>,
    ) -> Result<Option<ProfileOwner>, ConfigError> {
        let base = match &table.mcc_mnc {
            None => base,
            Some(value) if value.get_ref() == NONE => None,
            Some(value) => {
                let mcc_mnc = self.mcc_mnc(value)?;
                let (gid1, gid2) = base.map_or((None, None), |owner| (owner.gid1, owner.gid2));
                Some(ProfileOwner { mcc_mnc, gid1, gid2 })
            }
        };
        let Some(owner) = base else {
            let Some(gid) = table.gid1.as_ref().or(table.gid2.as_ref()) else { return Ok(None) };
            return Err(self.error(Some(gid.span()), "gid1, gid2", "a group needs its operator: mcc_mnc"));
        };
        Ok(Some(ProfileOwner {
            gid1: self.octets(table.gid1.as_ref(), "gid1")?.or(owner.gid1),
            gid2: self.octets(table.gid2.as_ref(), "gid2")?.or(owner.gid2),
            ..owner
        }))
    }

    fn octets(
        &self,
        value: Option<&Spanned<String>>,
        setting: &'static str,
    ) -> Result<Option<Vec<u8>>, ConfigError> {
        let octets = |value: &Spanned<String>| {
            let message = "expected hexadecimal digits, two for each octet";
            hex::decode(value.get_ref()).map_err(|_| self.error(Some(value.span()), setting, message))
        };
        value.map(octets).transpose()
    }

    fn recipients(&self, table: &MetadataTable) -> Result<Option<Vec<Recipient>>, ConfigError> {
        if table.notification_addresses.is_none() && table.notification.is_none() {
            return Ok(None);
        }
        let mut recipients = Vec::new();
        for address in table.notification_addresses.iter().flatten() {
            let address = self.address(address, "notification_addresses")?;
            recipients.push(Recipient { address, events: NotificationEvent::DEFAULT.to_vec() });
        }
        for recipient in table.notification.iter().flatten() {
            let events = recipient.events.get_ref().clone();
            if events.is_empty() {
                let span = recipient.events.span();
                return Err(self.error(Some(span), "notification.events", "expected at least one event"));
            }
            recipients.push(Recipient {
                address: self.address(&recipient.address, "notification.address")?,
                events,
            });
        }
        Ok(Some(recipients))
    }

    fn service_specific_item(
        &self,
        table: &ServiceSpecificTable,
    ) -> Result<ServiceSpecificItem, ConfigError> {
        const SETTING: &str = "service_specific_data";
        let message = "expected an object identifier such as 1.3.6.1.4.1.31746";
        let vendor = Oid::parse(table.vendor.get_ref())
            .ok_or_else(|| self.error(Some(table.vendor.span()), SETTING, message))?;
        let data = self.octets(Some(&table.data), SETTING)?.unwrap_or_default();
        let item = ServiceSpecificItem { vendor, data, stored: table.stored };
        let alone =
            ProfileMetadata { service_specific_data: vec![item.clone()], ..ProfileMetadata::default() };
        let check =
            alone.check().map_err(|error| self.error(Some(table.data.span()), SETTING, error.to_string()));
        check.map(|()| item)
    }

    /// The setting in which a rule about the whole is broken.
    pub(super) fn check_metadata(
        &self,
        table: &MetadataTable,
        metadata: &ProfileMetadata,
    ) -> Result<(), ConfigError> {
        let Err(error) = metadata.check() else { return Ok(()) };
        let (setting, text) = match &error {
            InvalidMetadata::Name { member, .. } if *member == "profile_name" => {
                ("profile_name", table.profile_name.as_ref())
            }
            InvalidMetadata::Name { .. } => ("service_provider_name", table.service_provider_name.as_ref()),
            InvalidMetadata::Gid => ("gid1, gid2", table.gid1.as_ref().or(table.gid2.as_ref())),
            InvalidMetadata::RulesWithoutOwner => {
                let span = table.policy_rules.as_ref().map(Spanned::span);
                return Err(self.error(span, "policy_rules", error.to_string()));
            }
            InvalidMetadata::Recipients => ("notification_addresses", None),
            InvalidMetadata::ServiceSpecificData | InvalidMetadata::Form(_) => {
                ("service_specific_data", None)
            }
        };
        Err(self.error(text.map(Spanned::span), setting, error.to_string()))
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
            _ => Err(self.error(Some(value.span()), "mcc_mnc", "expected 5 or 6 digits, such as \"90140\"")),
        }
    }
}
