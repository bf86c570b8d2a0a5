//! `[ingest]` and `[[manufacturer]]`: where deliveries come in, and who may deliver what.

use serde::Deserialize;
use toml::Spanned;

use super::file::{CallerSettings, ListenTable, Reader, Text};
use super::{CallerKey, ConfigError, FileSetting, ListenSetting, ProfileTypeSetting};
use crate::domain::{Manufacturer, ProfileType};

/// Deliveries at a time: each remembers the numbers of its rows.
const DELIVERIES: usize = 4;

const MANUFACTURER_SETTINGS: CallerSettings = CallerSettings {
    table: "manufacturer",
    oid: "manufacturer.oid",
    certificate_sha256: "manufacturer.certificate_sha256",
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IngestTable {
    listen: Text,
    certificate: Text,
    key: Text,
    client_ca: Option<Vec<Spanned<String>>>,
    max_connections: Option<Spanned<usize>>,
    deliveries: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManufacturerTable {
    name: Spanned<String>,
    oid: Text,
    certificate_sha256: Text,
    profile_types: Option<Vec<Spanned<String>>>,
}

/// The ingestion API.
#[derive(Clone, Debug)]
pub struct IngestSetting {
    /// Where it listens, and its TLS certificate.
    pub listener: ListenSetting,
    /// Certificates of the CAs of manufacturers' client certificates.
    pub client_ca: Vec<FileSetting>,
    /// Deliveries at a time.
    pub deliveries: usize,
}

/// A manufacturer.
#[derive(Clone, Debug)]
pub struct ManufacturerSetting {
    /// Its name.
    pub name: Manufacturer,
    /// How its certificate is recognised.
    pub key: CallerKey,
    /// The profile types that it may deliver.
    pub profile_types: Vec<ProfileType>,
}

impl Reader<'_> {
    pub(super) fn ingest(&self, table: IngestTable) -> Result<IngestSetting, ConfigError> {
        let IngestTable { listen, certificate, key, client_ca, max_connections, deliveries } = table;
        let listen = ListenTable { listen, certificate, key, max_connections, client_ca: None, ci: None };
        Ok(IngestSetting {
            listener: self.listen(&listen, "ingest", "127.0.0.1:8445")?,
            client_ca: self.files(client_ca, "ingest.client_ca", "pki/ci.pem"),
            deliveries: self.positive(deliveries.as_ref(), "ingest.deliveries", DELIVERIES)?,
        })
    }

    /// All manufacturers; no two have one name or one key.
    pub(super) fn manufacturers(
        &self,
        tables: &[ManufacturerTable],
        profile_types: &[ProfileTypeSetting],
    ) -> Result<Vec<ManufacturerSetting>, ConfigError> {
        let mut manufacturers: Vec<ManufacturerSetting> = Vec::new();
        for table in tables {
            let refused = |message: &str| self.error(Some(table.name.span()), "manufacturer", message);
            let name = Manufacturer::parse(table.name.get_ref())
                .filter(|name| *name != Manufacturer::local())
                .ok_or_else(|| refused("expected 1 to 128 octets of text, and not local"))?;
            let key =
                self.caller_key(&table.name, &table.oid, &table.certificate_sha256, &MANUFACTURER_SETTINGS)?;
            if manufacturers.iter().any(|other| other.name == name) {
                return Err(refused("another manufacturer has this name"));
            }
            if manufacturers.iter().any(|other| other.key.is_same(&key)) {
                return Err(refused("another manufacturer has the same oid or certificate_sha256"));
            }
            let profile_types = self.delivered_types(table.profile_types.as_deref(), profile_types)?;
            manufacturers.push(ManufacturerSetting { name, key, profile_types });
        }
        Ok(manufacturers)
    }

    /// Those that are named, or none: what nobody said, nobody delivers.
    fn delivered_types(
        &self,
        names: Option<&[Spanned<String>]>,
        known: &[ProfileTypeSetting],
    ) -> Result<Vec<ProfileType>, ConfigError> {
        let find = |name: &Spanned<String>| {
            let found = known.iter().find(|known| known.name.as_str() == name.get_ref());
            let message = "no [[profile_type]] has this name";
            found
                .map(|known| known.name.clone())
                .ok_or_else(|| self.error(Some(name.span()), "manufacturer.profile_types", message))
        };
        names.unwrap_or_default().iter().map(find).collect()
    }
}
