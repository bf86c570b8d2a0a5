//! The text of `simyard.toml`: its tables, and how they become settings.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use simyard_asn1::Oid;
use toml::Spanned;

use super::admin_api::AdminApiTable;
use super::audit::AuditTable;
use super::callbacks::{CallbackMembers, CallbacksTable, PointsTable};
use super::eim::{EimListenerTable, EimTable};
use super::export::ExportLayoutTable;
use super::ingest::{IngestTable, ManufacturerTable};
use super::pool::PoolTable;
use super::profile_type::{Known, ProfileTypeTable};
use super::sub_class::SubClassTable;
use super::webhooks::WebhooksTable;
use super::{
    CallerKey, Config, ConfigError, CredentialSetting, FileSetting, ListenSetting, OperatorSetting, Place,
};
use crate::domain::{Limits, Mode, Operator};
use crate::ident::ServerAddress;
use crate::smdp::guesses::GuessLimits;
use crate::smdp::initiate_authentication::Version3Euiccs;
use crate::smdp::sessions::SessionLimits;

/// The largest file that is read.
const MAX_FILE_OCTETS: u64 = 1024 * 1024;

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |cause| ConfigError::Read { path: path.to_owned(), cause };
        Self::parse(&read_text(path).map_err(read)?, path)
    }

    /// Reads a text that stands, or would stand, in the file `path`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: ConfigFile =
            toml::from_str(text).map_err(|cause| ConfigError::Form { path: path.to_owned(), cause })?;
        Reader::new(text, path).config(file)
    }
}

/// The text of a file of settings.
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > MAX_FILE_OCTETS {
        return Err(std::io::Error::other("the file is larger than 1 MiB"));
    }
    std::fs::read_to_string(path)
}

pub(super) type Text = Option<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    #[serde(default)]
    mode: Mode,
    store: Text,
    sealing_key: Text,
    signing_key: Text,
    addresses: Option<Vec<Spanned<String>>>,
    ci: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    crl: Vec<Spanned<String>>,
    #[serde(default)]
    version3_euiccs: Version3Euiccs,
    #[serde(default)]
    identity: Vec<IdentityTable>,
    #[serde(default)]
    es9plus: ListenTable,
    #[serde(default)]
    es9plus_listener: Vec<ListenTable>,
    #[serde(default)]
    es2plus: ListenTable,
    admin_api: Option<AdminApiTable>,
    ingest: Option<IngestTable>,
    eim: Option<EimTable>,
    #[serde(default)]
    eim_listener: Vec<EimListenerTable>,
    #[serde(default)]
    manufacturer: Vec<ManufacturerTable>,
    #[serde(default)]
    admin: AdminTable,
    #[serde(default)]
    operator: Vec<OperatorTable>,
    #[serde(default)]
    profile_type: Vec<ProfileTypeTable>,
    #[serde(default)]
    pool: Vec<PoolTable>,
    #[serde(default)]
    sub_class: Vec<SubClassTable>,
    #[serde(default)]
    export_layout: Vec<ExportLayoutTable>,
    export_key: Text,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    callbacks: CallbacksTable,
    #[serde(default)]
    webhooks: WebhooksTable,
    #[serde(default)]
    audit: AuditTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityTable {
    dp_auth_certificate: Text,
    dp_auth_key: Text,
    dp_pb_certificate: Text,
    dp_pb_key: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenTable {
    pub(super) listen: Text,
    pub(super) certificate: Text,
    pub(super) key: Text,
    pub(super) client_ca: Option<Vec<Spanned<String>>>,
    pub(super) ci: Option<Vec<Spanned<String>>>,
    pub(super) max_connections: Option<Spanned<usize>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminTable {
    listen: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorTable {
    name: Spanned<String>,
    oid: Text,
    certificate_sha256: Text,
    es2plus_address: Text,
    es2plus_ca: Option<Vec<Spanned<String>>>,
    notification_points: Option<Spanned<PointsTable>>,
}

impl OperatorTable {
    fn callback(&self) -> CallbackMembers {
        CallbackMembers {
            es2plus_address: self.es2plus_address.clone(),
            es2plus_ca: self.es2plus_ca.clone(),
            notification_points: self.notification_points.clone(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    download_attempts: Option<Spanned<u32>>,
    confirmation_attempts: Option<Spanned<u32>>,
    order_lifetime_days: Option<Spanned<u32>>,
    sessions: Option<Spanned<usize>>,
    kept_packages_mib: Option<Spanned<usize>>,
    guesses_of_euicc_per_hour: Option<Spanned<NonZeroU32>>,
    guesses_of_peer_per_hour: Option<Spanned<NonZeroU32>>,
}

/// The names of the settings by which a caller is recognised, for errors.
pub(super) struct CallerSettings {
    pub(super) table: &'static str,
    pub(super) oid: &'static str,
    pub(super) certificate_sha256: &'static str,
}

const OPERATOR_SETTINGS: CallerSettings = CallerSettings {
    table: "operator",
    oid: "operator.oid",
    certificate_sha256: "operator.certificate_sha256",
};

/// Turns the file's tables into settings, and knows which line a value stands in.
pub(super) struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    /// Of the text of the file `path`.
    pub(super) const fn new(text: &'a str, path: &'a Path) -> Self {
        Self { text, path }
    }
}

impl Reader<'_> {
    pub(super) fn place(&self, span: Option<Range<usize>>, setting: &'static str) -> Place {
        let line = span.map(|span| {
            1 + self.text.get(..span.start).unwrap_or_default().bytes().filter(|c| *c == b'\n').count()
        });
        Place { path: self.path.to_owned(), line, setting }
    }

    pub(super) fn error(
        &self,
        span: Option<Range<usize>>,
        setting: &'static str,
        message: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Value { place: self.place(span, setting), message: message.into() }
    }

    pub(super) fn file(
        &self,
        value: Option<&Spanned<String>>,
        setting: &'static str,
        default: &str,
    ) -> FileSetting {
        let name = value.map_or(default, |value| value.get_ref().as_str());
        FileSetting {
            path: self.path.parent().unwrap_or(Path::new("")).join(name),
            place: self.place(value.map(Spanned::span), setting),
        }
    }

    pub(super) fn files(
        &self,
        values: Option<Vec<Spanned<String>>>,
        setting: &'static str,
        default: &str,
    ) -> Vec<FileSetting> {
        match values {
            Some(values) => values.iter().map(|value| self.file(Some(value), setting, default)).collect(),
            None => vec![self.file(None, setting, default)],
        }
    }

    fn config(&self, file: ConfigFile) -> Result<Config, ConfigError> {
        let es9plus = self.listen(&file.es9plus, "es9plus", "127.0.0.1:8443")?;
        for table in std::iter::once(&file.es9plus).chain(&file.es9plus_listener) {
            if let Some(values) = &table.client_ca {
                let span = values.first().map(Spanned::span);
                return Err(self.error(span, "es9plus.client_ca", "LPAs have no certificates; remove it"));
            }
        }
        if let Some(values) = &file.es2plus.ci {
            let span = values.first().map(Spanned::span);
            return Err(self.error(span, "es2plus.ci", "eUICCs do not come here; did you mean client_ca?"));
        }
        let default_address = format!("localhost:{}", es9plus.listen.port());
        let addresses = match file.addresses {
            Some(values) => {
                values.iter().map(|value| self.address(value, "addresses")).collect::<Result<_, _>>()?
            }
            None => vec![
                ServerAddress::parse(&default_address)
                    .map_err(|error| self.error(None, "addresses", error.to_string()))?,
            ],
        };
        if addresses.is_empty() {
            return Err(self.error(None, "addresses", "at least one address is needed"));
        }
        let identity_tables =
            if file.identity.is_empty() { vec![IdentityTable::default()] } else { file.identity };
        let client_ca = self.files(file.es2plus.client_ca.clone(), "es2plus.client_ca", "pki/ci.pem");
        let operators = self.operators(&file.operator, &client_ca)?;
        let pools = self.pools(&file.pool, &operators)?;
        let sub_classes = self.sub_classes(file.sub_class, &pools)?;
        let names = Known { operators: &operators, pools: &pools, sub_classes: &sub_classes };
        let profile_types = self.profile_types(&file.profile_type, file.mode, &addresses, &names)?;
        let ci = self.files(file.ci, "ci", "pki/ci.pem");
        let webhooks = self.webhooks(file.webhooks, &ci)?;
        Ok(Config {
            mode: file.mode,
            store: self.store(file.store.as_ref()),
            sealing_key: self.file(file.sealing_key.as_ref(), "sealing_key", "sealing.key"),
            signing_key: self.file(file.signing_key.as_ref(), "signing_key", "signing.key.pem"),
            erase_personal_after: file.audit.erase_personal_after(),
            ci,
            crl: file.crl.iter().map(|value| self.file(Some(value), "crl", "")).collect(),
            identities: identity_tables.iter().map(|table| self.identity(table)).collect(),
            further_es9plus: self.further_es9plus(&file.es9plus_listener)?,
            es2plus: self.listen(&file.es2plus, "es2plus", "127.0.0.1:8444")?,
            es2plus_client_ca: client_ca,
            es9plus,
            admin: self.admin(&file.admin)?,
            admin_api: file.admin_api.map(|table| self.admin_api(table)).transpose()?,
            ingest: file.ingest.map(|table| self.ingest(table)).transpose()?,
            eim: match file.eim {
                Some(table) => Some(self.eim(table, &file.eim_listener)?),
                None => self.no_eim(&file.eim_listener).map(|()| None)?,
            },
            manufacturers: self.manufacturers(&file.manufacturer, &profile_types)?,
            profile_types,
            operators,
            pools,
            sub_classes,
            addresses,
            export_layouts: self.export_layouts(&file.export_layout)?,
            export_key: self.file(file.export_key.as_ref(), "export_key", "export.key.pem"),
            limits: self.limits(&file.limits)?,
            version3_euiccs: file.version3_euiccs,
            callbacks: self.callback_limits(&file.callbacks)?,
            webhooks,
            order_lifetime_s: file
                .limits
                .order_lifetime_days
                .as_ref()
                .map(|days| u64::from(*days.get_ref()) * 24 * 3600),
            session_limits: self.session_limits(&file.limits)?,
            guess_limits: guess_limits(&file.limits),
        })
    }

    /// A path of SQLite is relative to the file, as all paths are.
    fn store(&self, value: Option<&Spanned<String>>) -> String {
        let text = value.map_or("sqlite:simyard.db", |value| value.get_ref().as_str());
        if text.starts_with("postgres") {
            return text.to_owned();
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = self.path.parent().unwrap_or(Path::new("")).join(path);
        format!("sqlite:{}", path.display())
    }

    pub(super) fn address(
        &self,
        value: &Spanned<String>,
        setting: &'static str,
    ) -> Result<ServerAddress, ConfigError> {
        ServerAddress::parse(value.get_ref())
            .map_err(|error| self.error(Some(value.span()), setting, error.to_string()))
    }

    pub(super) fn positive<T>(
        &self,
        value: Option<&Spanned<T>>,
        setting: &'static str,
        default: T,
    ) -> Result<T, ConfigError>
    where
        T: Copy + PartialEq + Default,
    {
        match value {
            Some(value) if *value.get_ref() == T::default() => {
                Err(self.error(Some(value.span()), setting, "must be at least 1"))
            }
            Some(value) => Ok(*value.get_ref()),
            None => Ok(default),
        }
    }

    fn limits(&self, table: &LimitsTable) -> Result<Limits, ConfigError> {
        let default = Limits::default();
        Ok(Limits {
            download_attempts: self.positive(
                table.download_attempts.as_ref(),
                "limits.download_attempts",
                default.download_attempts,
            )?,
            confirmation_attempts: self.positive(
                table.confirmation_attempts.as_ref(),
                "limits.confirmation_attempts",
                default.confirmation_attempts,
            )?,
        })
    }

    fn session_limits(&self, table: &LimitsTable) -> Result<SessionLimits, ConfigError> {
        let default = SessionLimits::default();
        Ok(SessionLimits {
            sessions: self.positive(table.sessions.as_ref(), "limits.sessions", default.sessions)?,
            kept_package_octets: table
                .kept_packages_mib
                .as_ref()
                .map_or(default.kept_package_octets, |mib| mib.get_ref().saturating_mul(1 << 20)),
        })
    }

    pub(super) fn listen(
        &self,
        table: &ListenTable,
        interface: &'static str,
        default: &str,
    ) -> Result<ListenSetting, ConfigError> {
        let text = table.listen.as_ref().map_or(default, |value| value.get_ref().as_str());
        let listen = text.parse().map_err(|_| {
            let message = format!("{text:?} is no IP address with a port, such as 0.0.0.0:443");
            self.error(table.listen.as_ref().map(Spanned::span), interface, message)
        })?;
        Ok(ListenSetting {
            listen,
            tls: CredentialSetting {
                certificate: self.file(table.certificate.as_ref(), "certificate", "pki/dp-tls.pem"),
                key: self.file(table.key.as_ref(), "key", "pki/dp-tls.key.pem"),
            },
            max_connections: self.positive(table.max_connections.as_ref(), "max_connections", 4096)?,
            ci: table
                .ci
                .as_ref()
                .map(|values| values.iter().map(|value| self.file(Some(value), "ci", "")).collect()),
        })
    }

    fn further_es9plus(&self, tables: &[ListenTable]) -> Result<Vec<ListenSetting>, ConfigError> {
        let listen = |table: &ListenTable| {
            if table.listen.is_none() {
                let message = "listen is missing: each further listener has an address of its own";
                return Err(self.error(None, "es9plus_listener", message));
            }
            self.listen(table, "es9plus_listener", "")
        };
        tables.iter().map(listen).collect()
    }

    /// The loopback alone: the interface has neither TLS nor users.
    fn admin(&self, table: &AdminTable) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(value) = &table.listen else { return Ok(None) };
        let error = |message: String| self.error(Some(value.span()), "admin.listen", message);
        let text = value.get_ref();
        let listen: SocketAddr = text
            .parse()
            .map_err(|_| error(format!("{text:?} is no IP address with a port, such as 127.0.0.1:9090")))?;
        if !listen.ip().is_loopback() {
            return Err(error(format!(
                "{} is no address of the loopback: this interface has neither TLS nor users; bring it elsewhere with \
                 a proxy that has both",
                listen.ip()
            )));
        }
        Ok(Some(listen))
    }

    fn identity(&self, table: &IdentityTable) -> (CredentialSetting, CredentialSetting) {
        let dp_auth = CredentialSetting {
            certificate: self.file(
                table.dp_auth_certificate.as_ref(),
                "dp_auth_certificate",
                "pki/dp-auth.pem",
            ),
            key: self.file(table.dp_auth_key.as_ref(), "dp_auth_key", "pki/dp-auth.key.pem"),
        };
        let dp_pb = CredentialSetting {
            certificate: self.file(table.dp_pb_certificate.as_ref(), "dp_pb_certificate", "pki/dp-pb.pem"),
            key: self.file(table.dp_pb_key.as_ref(), "dp_pb_key", "pki/dp-pb.key.pem"),
        };
        (dp_auth, dp_pb)
    }

    /// All operators; no two have one name or one key, or nobody could say whose profiles are whose.
    fn operators(
        &self,
        tables: &[OperatorTable],
        client_ca: &[FileSetting],
    ) -> Result<Vec<OperatorSetting>, ConfigError> {
        let mut operators: Vec<OperatorSetting> = Vec::new();
        for table in tables {
            let operator = self.operator(table, client_ca)?;
            let refused = |message| Err(self.error(Some(table.name.span()), "operator", message));
            if operators.iter().any(|other| other.name == operator.name) {
                return refused("another operator has this name");
            }
            if operators.iter().any(|other| other.key.is_same(&operator.key)) {
                return refused("another operator has the same oid or certificate_sha256");
            }
            operators.push(operator);
        }
        Ok(operators)
    }

    fn operator(
        &self,
        table: &OperatorTable,
        client_ca: &[FileSetting],
    ) -> Result<OperatorSetting, ConfigError> {
        let name = self.operator_name(&table.name, "operator.name")?;
        let key = self.caller_key(&table.name, &table.oid, &table.certificate_sha256, &OPERATOR_SETTINGS)?;
        Ok(OperatorSetting { name, key, callback: self.callback(table.callback(), client_ca)? })
    }

    /// How the certificate of a caller is recognised.
    pub(super) fn caller_key(
        &self,
        name: &Spanned<String>,
        oid: &Text,
        certificate_sha256: &Text,
        settings: &CallerSettings,
    ) -> Result<CallerKey, ConfigError> {
        Ok(match (oid, certificate_sha256) {
            (Some(oid), None) => {
                let place = self.place(Some(oid.span()), settings.oid);
                let message = "expected an object identifier such as 1.3.6.1.4.1.31746";
                let parsed = Oid::parse(oid.get_ref()).ok_or_else(|| place.error(message))?;
                CallerKey::Oid(parsed, place)
            }
            (None, Some(digest)) => hex::decode(digest.get_ref().replace(':', ""))
                .ok()
                .and_then(|octets| octets.try_into().ok())
                .map(CallerKey::Fingerprint)
                .ok_or_else(|| {
                    let message = "expected 64 hexadecimal digits";
                    self.error(Some(digest.span()), settings.certificate_sha256, message)
                })?,
            (None, None) | (Some(_), Some(_)) => {
                let message =
                    "expected either oid or certificate_sha256, to recognise its client certificate";
                return Err(self.error(Some(name.span()), settings.table, message));
            }
        })
    }

    pub(super) fn operator_name(
        &self,
        value: &Spanned<String>,
        setting: &'static str,
    ) -> Result<Operator, ConfigError> {
        let message = "expected 1 to 128 octets of text";
        Operator::parse(value.get_ref()).ok_or_else(|| self.error(Some(value.span()), setting, message))
    }
}

fn guess_limits(table: &LimitsTable) -> GuessLimits {
    let default = GuessLimits::default();
    let or = |value: &Option<Spanned<NonZeroU32>>, default| {
        value.as_ref().map_or(default, |value| *value.get_ref())
    };
    GuessLimits {
        of_euicc: or(&table.guesses_of_euicc_per_hour, default.of_euicc),
        of_peer: or(&table.guesses_of_peer_per_hour, default.of_peer),
    }
}
