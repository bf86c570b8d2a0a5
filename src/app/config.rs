//! `simyard.toml`: the server's settings.
//!
//! Every setting has a default; with all of them, the server runs on a folder that `simyard pki init pki` has filled.
//! Relative paths are relative to the file. An error names the file and the line.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use simyard_asn1::Oid;
use simyard_asn1::tlv::NamedBits;
use toml::Spanned;

use crate::domain::{Limits, Operator, ProfileType};
use crate::ident::ServerAddress;
use crate::profile::metadata::{ProfileClass, ProfileMetadata};
use crate::profile::shipped::{self, Shipped};

/// The largest file that is read.
const MAX_FILE_OCTETS: u64 = 1024 * 1024;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {cause}; `simyard serve --config FILE` names another one")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The text is not TOML, a setting is unknown, or a value has another form; the text shows the line.
    #[error("{path}: {cause}")]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        cause: toml::de::Error,
    },
    /// A value that no server can work with.
    #[error("{place}: {message}")]
    Value {
        /// Where it stands.
        place: Place,
        /// What is wrong, and what was expected.
        message: String,
    },
}

/// Where a setting stands: file and line, or the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    line: Option<usize>,
    setting: &'static str,
}

impl Place {
    /// An error about what stands there.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.clone(), message: message.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.setting),
            None => write!(f, "{}: {} (not set in the file)", self.path.display(), self.setting),
        }
    }
}

/// A file that a setting names, and where the setting stands.
#[derive(Clone, Debug)]
pub struct FileSetting {
    /// The file.
    pub path: PathBuf,
    /// The setting.
    pub place: Place,
}

impl FileSetting {
    /// A file that the command line names.
    #[must_use]
    pub fn of_command_line(path: &Path) -> Self {
        let place = Place { path: "command line".into(), line: None, setting: "file" };
        Self { path: path.to_owned(), place }
    }

    /// An error about this file.
    #[must_use]
    pub fn error(&self, cause: &dyn fmt::Display) -> ConfigError {
        ConfigError::Value { place: self.place.clone(), message: cause.to_string() }
    }
}

/// Certificate and key of a server.
#[derive(Clone, Debug)]
pub struct CredentialSetting {
    /// PEM or DER; the first certificate is the server's own.
    pub certificate: FileSetting,
    /// PEM or DER, PKCS#8 or SEC1.
    pub key: FileSetting,
}

/// One interface.
#[derive(Clone, Debug)]
pub struct ListenSetting {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its TLS certificate.
    pub tls: CredentialSetting,
    /// Connections at a time.
    pub max_connections: usize,
}

/// How an operator is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorKey {
    /// registeredID of its client certificate, and where the setting stands.
    Oid(Oid, Place),
    /// SHA-256 of its client certificate.
    Fingerprint([u8; 32]),
}

impl OperatorKey {
    /// Whether one certificate could be recognised by both.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Oid(own, _), Self::Oid(other, _)) => own == other,
            (Self::Fingerprint(own), Self::Fingerprint(other)) => own == other,
            (Self::Oid(..), Self::Fingerprint(_)) | (Self::Fingerprint(_), Self::Oid(..)) => false,
        }
    }
}

/// An operator.
#[derive(Clone, Debug)]
pub struct OperatorSetting {
    /// Its name: the owner of profiles.
    pub name: Operator,
    /// How its certificate is recognised.
    pub key: OperatorKey,
}

impl OperatorSetting {
    /// Where the OID stands that recognises it, if one does.
    #[must_use]
    pub const fn place_of_oid(&self) -> Option<&Place> {
        match &self.key {
            OperatorKey::Oid(_, place) => Some(place),
            OperatorKey::Fingerprint(_) => None,
        }
    }
}

/// A profile type.
#[derive(Clone, Debug)]
pub struct ProfileTypeSetting {
    /// Its name in orders.
    pub name: ProfileType,
    /// The operator that owns its profiles.
    pub owner: Operator,
    /// What is told of its profiles.
    pub metadata: ProfileMetadata,
    /// The template that personal data is put into; `None` for ready-made packages.
    pub template: Option<TemplateSetting>,
}

/// Where a template comes from.
#[derive(Clone, Debug)]
pub enum TemplateSetting {
    /// One that Simyard brings.
    BuiltIn(&'static Shipped),
    /// A profile package with dummy values, or its description.
    File(FileSetting),
}

/// All settings.
#[derive(Clone)]
pub struct Config {
    /// `sqlite:PATH` or `postgres://…`, with the path made absolute.
    pub store: String,
    /// The file that holds the key for sealing; it is made if absent and nothing was sealed yet.
    pub sealing_key: FileSetting,
    /// The server's addresses as LPAs know them.
    pub addresses: Vec<ServerAddress>,
    /// Certificates of the CIs that are trusted.
    pub ci: Vec<FileSetting>,
    /// CERT.DPauth and CERT.DPpb, one pair for each CI.
    pub identities: Vec<(CredentialSetting, CredentialSetting)>,
    /// ES9+.
    pub es9plus: ListenSetting,
    /// ES2+.
    pub es2plus: ListenSetting,
    /// Certificates of the CAs of operators' client certificates.
    pub es2plus_client_ca: Vec<FileSetting>,
    /// The operators.
    pub operators: Vec<OperatorSetting>,
    /// The profile types.
    pub profile_types: Vec<ProfileTypeSetting>,
    /// How often an order may be tried.
    pub limits: Limits,
    /// How long an order lasts after ConfirmOrder, in seconds; `None` for ever.
    pub order_lifetime_s: Option<u64>,
    /// Sessions at a time.
    pub max_sessions: usize,
}

/// The address of the store may hold a password: it is not shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |cause| ConfigError::Read { path: path.to_owned(), cause };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > MAX_FILE_OCTETS {
            return Err(read(std::io::Error::other("the file is larger than 1 MiB")));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(read)?, path)
    }

    /// Reads a text that stands, or would stand, in the file `path`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: ConfigFile =
            toml::from_str(text).map_err(|cause| ConfigError::Form { path: path.to_owned(), cause })?;
        Reader { text, path }.config(file)
    }
}

type Text = Option<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    store: Text,
    sealing_key: Text,
    addresses: Option<Vec<Spanned<String>>>,
    ci: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    identity: Vec<IdentityTable>,
    #[serde(default)]
    es9plus: ListenTable,
    #[serde(default)]
    es2plus: ListenTable,
    #[serde(default)]
    operator: Vec<OperatorTable>,
    #[serde(default)]
    profile_type: Vec<ProfileTypeTable>,
    #[serde(default)]
    limits: LimitsTable,
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
struct ListenTable {
    listen: Text,
    certificate: Text,
    key: Text,
    client_ca: Option<Vec<Spanned<String>>>,
    max_connections: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorTable {
    name: Spanned<String>,
    oid: Text,
    certificate_sha256: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileTypeTable {
    name: Spanned<String>,
    owner: Spanned<String>,
    template: Text,
    service_provider_name: Text,
    profile_name: Text,
    #[serde(default)]
    class: ProfileClass,
    mcc_mnc: Text,
    notification_addresses: Option<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    download_attempts: Option<Spanned<u32>>,
    confirmation_attempts: Option<Spanned<u32>>,
    order_lifetime_days: Option<Spanned<u32>>,
    sessions: Option<Spanned<usize>>,
}

/// Turns the file's tables into settings, and knows which line a value stands in.
struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Reader<'_> {
    fn place(&self, span: Option<Range<usize>>, setting: &'static str) -> Place {
        let line = span.map(|span| {
            1 + self.text.get(..span.start).unwrap_or_default().bytes().filter(|c| *c == b'\n').count()
        });
        Place { path: self.path.to_owned(), line, setting }
    }

    fn error(
        &self,
        span: Option<Range<usize>>,
        setting: &'static str,
        message: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Value { place: self.place(span, setting), message: message.into() }
    }

    fn file(&self, value: Option<&Spanned<String>>, setting: &'static str, default: &str) -> FileSetting {
        let name = value.map_or(default, |value| value.get_ref().as_str());
        FileSetting {
            path: self.path.parent().unwrap_or(Path::new("")).join(name),
            place: self.place(value.map(Spanned::span), setting),
        }
    }

    fn files(
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
        if let Some(values) = &file.es9plus.client_ca {
            let span = values.first().map(Spanned::span);
            return Err(self.error(span, "es9plus.client_ca", "LPAs have no certificates; remove it"));
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
        let operators = self.operators(&file.operator)?;
        Ok(Config {
            store: self.store(file.store.as_ref()),
            sealing_key: self.file(file.sealing_key.as_ref(), "sealing_key", "sealing.key"),
            ci: self.files(file.ci, "ci", "pki/ci.pem"),
            identities: identity_tables.iter().map(|table| self.identity(table)).collect(),
            es2plus: self.listen(&file.es2plus, "es2plus", "127.0.0.1:8444")?,
            es2plus_client_ca: self.files(file.es2plus.client_ca, "es2plus.client_ca", "pki/ci.pem"),
            es9plus,
            profile_types: self.profile_types(&file.profile_type, &addresses, &operators)?,
            operators,
            addresses,
            limits: self.limits(&file.limits)?,
            order_lifetime_s: file
                .limits
                .order_lifetime_days
                .map(|days| u64::from(*days.get_ref()) * 24 * 3600),
            max_sessions: self.positive(file.limits.sessions.as_ref(), "limits.sessions", 100_000)?,
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

    fn address(&self, value: &Spanned<String>, setting: &'static str) -> Result<ServerAddress, ConfigError> {
        ServerAddress::parse(value.get_ref())
            .map_err(|error| self.error(Some(value.span()), setting, error.to_string()))
    }

    fn positive<T>(
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

    fn listen(
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
        })
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
    fn operators(&self, tables: &[OperatorTable]) -> Result<Vec<OperatorSetting>, ConfigError> {
        let mut operators: Vec<OperatorSetting> = Vec::new();
        for table in tables {
            let operator = self.operator(table)?;
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

    /// All profile types; no two have one name, and each has an owner that is known.
    fn profile_types(
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

    fn operator(&self, table: &OperatorTable) -> Result<OperatorSetting, ConfigError> {
        let name = self.operator_name(&table.name, "operator.name")?;
        let key = match (&table.oid, &table.certificate_sha256) {
            (Some(oid), None) => {
                let place = self.place(Some(oid.span()), "operator.oid");
                let message = "expected an object identifier such as 1.3.6.1.4.1.31746";
                let parsed = Oid::parse(oid.get_ref()).ok_or_else(|| place.error(message))?;
                OperatorKey::Oid(parsed, place)
            }
            (None, Some(digest)) => hex::decode(digest.get_ref().replace(':', ""))
                .ok()
                .and_then(|octets| octets.try_into().ok())
                .map(OperatorKey::Fingerprint)
                .ok_or_else(|| {
                    let message = "expected 64 hexadecimal digits";
                    self.error(Some(digest.span()), "operator.certificate_sha256", message)
                })?,
            (None, None) | (Some(_), Some(_)) => {
                let message =
                    "expected either oid or certificate_sha256, to recognise its client certificate";
                return Err(self.error(Some(table.name.span()), "operator", message));
            }
        };
        Ok(OperatorSetting { name, key })
    }

    fn operator_name(&self, value: &Spanned<String>, setting: &'static str) -> Result<Operator, ConfigError> {
        let message = "expected 1 to 128 octets of text";
        Operator::parse(value.get_ref()).ok_or_else(|| self.error(Some(value.span()), setting, message))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/simyard/simyard.toml"))
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let config = parse("").unwrap();
        assert_eq!(config.store, "sqlite:/etc/simyard/simyard.db");
        assert_eq!(config.addresses[0].as_str(), "localhost:8443");
        assert_eq!(config.ci[0].path, Path::new("/etc/simyard/pki/ci.pem"));
        assert_eq!(config.identities.len(), 1);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("\nadresses = []", "line 2"),
            ("addresses = [\"a b\"]", "simyard.toml:1: addresses: \"a b\" is no server address"),
            ("[es9plus]\nlisten = \"8443\"", "simyard.toml:2: es9plus: \"8443\" is no IP address"),
            ("[[operator]]\nname = \"x\"\noid = \"9.9\"", "simyard.toml:3: operator.oid"),
            ("[[operator]]\nname = \"x\"", "simyard.toml:2: operator: expected either"),
            (
                "[limits]\ndownload_attempts = 0",
                "simyard.toml:2: limits.download_attempts: must be at least 1",
            ),
            (
                "[[profile_type]]\nname = \"a\"\nowner = \"b\"\nmcc_mnc = \"1\"",
                "simyard.toml:4: profile_type.mcc_mnc: expected 5 or 6 digits",
            ),
            ("[es9plus]\nclient_ca = [\"x\"]", "simyard.toml:2: es9plus.client_ca"),
            (
                "[[profile_type]]\nname = \"a\"\nowner = \"b\"",
                "simyard.toml:3: profile_type.owner: no [[operator]]",
            ),
            (
                "[[operator]]\nname = \"x\"\noid = \"2.1\"\n[[operator]]\nname = \"x\"\noid = \"2.2\"",
                "simyard.toml:5: operator: another operator has this name",
            ),
            (
                "[[operator]]\nname = \"x\"\noid = \"2.1\"\n[[operator]]\nname = \"y\"\noid = \"2.1\"",
                "simyard.toml:5: operator: another operator has the same oid",
            ),
            (
                "[[operator]]\nname = \"b\"\noid = \"2.1\"\n[[profile_type]]\nname = \"a\"\nowner = \"b\"\n\
                 [[profile_type]]\nname = \"a\"\nowner = \"b\"",
                "simyard.toml:8: profile_type.name: another profile type",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_password_of_a_database_is_not_shown() {
        let config = parse("store = \"postgres://simyard:secret@db/simyard\"").unwrap();
        let text = format!("{config:?}");
        assert!(text.contains("localhost") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn operator_codes_are_those_of_the_network() {
        let with = |code: &str| {
            parse(&format!(
                "[[operator]]\nname = \"b\"\noid = \"2.1\"\n\
                 [[profile_type]]\nname = \"a\"\nowner = \"b\"\nmcc_mnc = \"{code}\""
            ))
            .unwrap()
        };
        let config = with("310260");
        assert_eq!(config.profile_types[0].metadata.mcc_mnc, Some([0x13, 0x00, 0x62]));
        let config = with("26201");
        assert_eq!(config.profile_types[0].metadata.mcc_mnc, Some([0x62, 0xF2, 0x10]));
    }
}
