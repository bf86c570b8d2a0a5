//! `[admin_api]`: where programs administer.

use serde::Deserialize;
use toml::Spanned;

use super::file::{ListenTable, Reader, Text};
use super::{ConfigError, FileSetting, ListenSetting};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminApiTable {
    listen: Text,
    certificate: Text,
    key: Text,
    client_ca: Option<Vec<Spanned<String>>>,
    max_connections: Option<Spanned<usize>>,
}

/// The admin API.
#[derive(Clone, Debug)]
pub struct AdminApiSetting {
    /// Where it listens, and its TLS certificate.
    pub listener: ListenSetting,
    /// Certificates of the CAs of callers' client certificates; none where all callers have tokens.
    pub client_ca: Vec<FileSetting>,
}

impl Reader<'_> {
    pub(super) fn admin_api(&self, table: AdminApiTable) -> Result<AdminApiSetting, ConfigError> {
        let AdminApiTable { listen, certificate, key, client_ca, max_connections } = table;
        let listen = ListenTable { listen, certificate, key, max_connections, client_ca: None, ci: None };
        let client_ca = client_ca.unwrap_or_default();
        Ok(AdminApiSetting {
            listener: self.listen(&listen, "admin_api", "127.0.0.1:8446")?,
            client_ca: client_ca
                .iter()
                .map(|value| self.file(Some(value), "admin_api.client_ca", ""))
                .collect(),
        })
    }
}
