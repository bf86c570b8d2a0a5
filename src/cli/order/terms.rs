//! What an order asks of its package, for people and as JSON: keys and metadata, its own or those of its type.

use serde_json::{Value, json};

use super::Desk;
use crate::domain::{KeyMode, Order};
use crate::profile::icon::IconType;
use crate::profile::metadata::{PolicyRule, ProfileMetadata};

/// What the settings and the order say together.
pub(super) struct TermsView {
    key_mode: KeyMode,
    /// Whether the order says so, not its type.
    key_mode_is_own: bool,
    /// `None` where nobody says it: the type is not in the settings.
    metadata: Option<Result<ProfileMetadata, String>>,
    metadata_is_own: bool,
}

impl TermsView {
    pub(super) fn new(desk: &Desk, order: &Order) -> Self {
        let setting = desk.profile_type(&order.profile_type);
        let own_mode = order.terms().and_then(|terms| terms.key_mode);
        let own_metadata = order.terms().and_then(|terms| terms.metadata.as_ref());
        let metadata = match own_metadata {
            Some(own) => {
                let read = ProfileMetadata::from_store_metadata(own, &order.iccid);
                Some(read.map_err(|error| error.to_string()))
            }
            None => setting.map(|setting| Ok(setting.metadata.clone())),
        };
        Self {
            key_mode: own_mode.or(setting.map(|setting| setting.key_mode)).unwrap_or_default(),
            key_mode_is_own: own_mode.is_some(),
            metadata_is_own: own_metadata.is_some(),
            metadata,
        }
    }

    /// Names and values, for a page.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let source = |is_own| if is_own { "" } else { ", as its type says" };
        let mut lines =
            vec![("keys", format!("{}{}", mode_words(self.key_mode), source(self.key_mode_is_own)))];
        let metadata = match &self.metadata {
            None => return lines,
            Some(Err(error)) => {
                lines.push(("metadata", error.clone()));
                return lines;
            }
            Some(Ok(metadata)) => metadata,
        };
        let says = if self.metadata_is_own { "of its own" } else { "as its type says" };
        let gid = |gid: &Option<Vec<u8>>| gid.as_ref().map(hex::encode_upper);
        let owner = metadata.profile_owner.as_ref().map(|owner| {
            let groups = [("gid1", gid(&owner.gid1)), ("gid2", gid(&owner.gid2))].into_iter();
            let groups = groups.filter_map(|(name, gid)| Some(format!(", {name} {}", gid?)));
            format!("{}{}", digits(owner.mcc_mnc), groups.collect::<String>())
        });
        let icon = metadata.icon.as_ref().map(|icon| {
            let kind = icon_words(icon.kind());
            format!("{kind}, {} octets", icon.image().len())
        });
        let rules = rules(metadata);
        let items = metadata.service_specific_data.len();
        lines.extend(
            [
                ("metadata", Some(says.to_owned())),
                ("  provider", Some(metadata.service_provider_name.clone())),
                ("  profile", Some(metadata.profile_name.clone())),
                ("  class", Some(class(metadata))),
                ("  icon", icon),
                ("  owner", owner),
                ("  policy rules", (!rules.is_empty()).then(|| rules.join(", "))),
                ("  service data", (items > 0).then(|| format!("{items} items"))),
                ("  emergency", metadata.ecall_indication.then(|| "for emergency calls".to_owned())),
                ("  fallback", metadata.fallback_allowed.then(|| "may be the fallback profile".to_owned())),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
        );
        lines.extend(metadata.recipients.iter().map(|recipient| {
            let events: Vec<String> = recipient.events.iter().map(words).collect();
            ("  notifies", format!("{} of {}", recipient.address, events.join(", ")))
        }));
        lines
    }

    /// `keyMode` and `metadata`; null where nobody says it.
    pub(super) fn json(&self) -> [(&'static str, Value); 2] {
        let metadata = match &self.metadata {
            None | Some(Err(_)) => Value::Null,
            Some(Ok(metadata)) => json!({
                "isOwn": self.metadata_is_own,
                "serviceProviderName": metadata.service_provider_name,
                "profileName": metadata.profile_name,
                "profileClass": metadata.profile_class,
                "icon": metadata.icon.as_ref().map(|icon| json!({
                    "type": icon_words(icon.kind()),
                    "octets": icon.image().len(),
                })),
                "profileOwner": metadata.profile_owner.as_ref().map(|owner| json!({
                    "mccMnc": digits(owner.mcc_mnc),
                    "gid1": owner.gid1.as_ref().map(hex::encode_upper),
                    "gid2": owner.gid2.as_ref().map(hex::encode_upper),
                })),
                "profilePolicyRules": rules(metadata),
                "notifications": metadata.recipients.iter().map(|recipient| json!({
                    "address": recipient.address.as_str(),
                    "events": recipient.events,
                })).collect::<Vec<_>>(),
                "ecallIndication": metadata.ecall_indication,
                "fallbackAllowed": metadata.fallback_allowed,
                "serviceSpecificData": metadata.service_specific_data.iter().map(|item| json!({
                    "vendor": item.vendor.to_string(),
                    "data": hex::encode_upper(&item.data),
                    "stored": item.stored,
                })).collect::<Vec<_>>(),
            }),
        };
        [("keyMode", json!(self.key_mode)), ("metadata", metadata)]
    }
}

const fn mode_words(mode: KeyMode) -> &'static str {
    match mode {
        KeyMode::SessionKeys => "session keys",
        KeyMode::RandomKeys => "random keys",
    }
}

const fn icon_words(kind: IconType) -> &'static str {
    match kind {
        IconType::Jpg => "jpg",
        IconType::Png => "png",
    }
}

/// The word of a settings file.
fn words(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn class(metadata: &ProfileMetadata) -> String {
    words(&metadata.profile_class)
}

fn rules(metadata: &ProfileMetadata) -> Vec<String> {
    PolicyRule::of(metadata.profile_policy_rules).iter().map(words).collect()
}

/// MCC and MNC as digits, out of the coding of TS 24.008.
fn digits([first, second, third]: [u8; 3]) -> String {
    let nibbles = [first & 15, first >> 4, second & 15, third & 15, third >> 4, second >> 4];
    nibbles.into_iter().filter_map(|nibble| char::from_digit(u32::from(nibble), 10)).collect()
}
