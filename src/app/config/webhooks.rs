//! `[webhooks]`: whom webhooks may reach, whose certificates they trust, and how hard it is tried.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::file::Reader;
use super::{ConfigError, FileSetting};
use crate::client::reachable::Reach;
use crate::jobs::deliver_webhooks::WebhookLimits;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksTable {
    ca: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    private_addresses: PrivateAddresses,
    give_up_after_days: Option<Spanned<u32>>,
    concurrency: Option<Spanned<usize>>,
}

/// Whether servers that somebody else names may stand outside the public Internet.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PrivateAddresses {
    /// They are not called.
    #[default]
    Refuse,
    /// They are called as others are.
    Permit,
}

impl From<PrivateAddresses> for Reach {
    fn from(addresses: PrivateAddresses) -> Self {
        match addresses {
            PrivateAddresses::Refuse => Self::Public,
            PrivateAddresses::Permit => Self::Anywhere,
        }
    }
}

/// How webhooks are called.
#[derive(Clone, Debug)]
pub struct WebhooksSetting {
    /// Certificates of the authorities of receivers.
    pub ca: Vec<FileSetting>,
    /// Whom they may reach.
    pub reach: Reach,
    /// How hard it is tried.
    pub limits: WebhookLimits,
}

impl Reader<'_> {
    /// Receivers are trusted under the trusted CIs unless the table names others.
    pub(super) fn webhooks(
        &self,
        table: WebhooksTable,
        ci: &[FileSetting],
    ) -> Result<WebhooksSetting, ConfigError> {
        if let Some(ca) = table.ca.as_ref().filter(|ca| ca.get_ref().is_empty()) {
            return Err(self.error(Some(ca.span()), "webhooks.ca", "at least one file is needed"));
        }
        let default = WebhookLimits::default();
        let days = self.positive(table.give_up_after_days.as_ref(), "webhooks.give_up_after_days", 7)?;
        let concurrency =
            self.positive(table.concurrency.as_ref(), "webhooks.concurrency", default.concurrency)?;
        Ok(WebhooksSetting {
            ca: match table.ca {
                Some(ca) => self.files(Some(ca.into_inner()), "webhooks.ca", ""),
                None => ci.to_vec(),
            },
            reach: table.private_addresses.into(),
            limits: WebhookLimits {
                give_up_after: Duration::from_secs(u64::from(days) * 24 * 3600),
                concurrency,
            },
        })
    }
}
