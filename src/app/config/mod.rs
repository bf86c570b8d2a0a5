//! `simyard.toml`: the server's settings.
//!
//! Every setting has a default; with all of them, the server runs on a folder that `simyard pki init pki` has filled.
//! Relative paths are relative to the file. An error names the file and the line.
//!
//! What the settings are stands here; [`file`] reads them from the text, [`profile_type`] the tables of profile types,
//! [`pool`] and [`sub_class`] those of the stock, [`callbacks`] what is said of calls back to operators, [`metadata`] what
//! they tell of profiles, [`ingest`] who delivers and where, [`eim`] what the eIM is and who its devices are, [`audit`] how long the audit keeps what, [`export`] the
//! layouts of files for other systems, [`webhooks`] whom webhooks may reach.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use simyard_asn1::Oid;

use crate::domain::{
    Delivered, Demands, KeyMode, Limits, Mode, NotEligible, Operator, Pool, PoolName, ProfileType,
    SubClassName,
};
use crate::ident::ServerAddress;
use crate::inventory::allocation::TypeRules;
use crate::inventory::export::layout::Layout;
use crate::inventory::stock::LowWater;
use crate::inventory::sub_class::SubClass;
use crate::jobs::deliver_callbacks::CallbackLimits;
use crate::pki::tls::PeerIdentity;
use crate::profile::metadata::ProfileMetadata;
use crate::profile::shipped::Shipped;
use crate::smdp::guesses::GuessLimits;
use crate::smdp::handle_download_progress_info::RunTimePoints;
use crate::smdp::initiate_authentication::Version3Euiccs;
use crate::smdp::sessions::SessionLimits;

mod admin_api;
mod audit;
mod callbacks;
mod eim;
mod export;
mod file;
mod ingest;
mod metadata;
mod place;
mod pool;
mod profile_type;
mod relay;
mod sub_class;
mod waits;
mod webhooks;

pub use admin_api::AdminApiSetting;
pub use eim::{EimListenSetting, EimSetting};
pub use ingest::{IngestSetting, ManufacturerSetting};
pub use metadata::order_metadata;
pub use place::{ConfigError, FileSetting, Place};
pub use relay::RelaySetting;
pub use waits::WaitSetting;
pub use webhooks::WebhooksSetting;

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
    /// Of ES9+: the CIs that are offered here; `None` for all that are trusted.
    pub ci: Option<Vec<FileSetting>>,
}

/// How an operator or a manufacturer is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerKey {
    /// registeredID of its client certificate, and where the setting stands.
    Oid(Oid, Place),
    /// SHA-256 of its client certificate.
    Fingerprint([u8; 32]),
}

impl CallerKey {
    /// Whether it recognises this certificate.
    #[must_use]
    pub fn recognises(&self, identity: &PeerIdentity) -> bool {
        match self {
            Self::Oid(oid, _) => identity.oid.as_ref() == Some(oid),
            Self::Fingerprint(fingerprint) => identity.fingerprint == *fingerprint,
        }
    }

    /// Where the OID stands, if it is one.
    #[must_use]
    pub const fn place_of_oid(&self) -> Option<&Place> {
        match self {
            Self::Oid(_, place) => Some(place),
            Self::Fingerprint(_) => None,
        }
    }

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
    pub key: CallerKey,
    /// How it is told of downloads; `None` if it is not.
    pub callback: Option<CallbackSetting>,
}

/// How an operator is called back over ES2+.HandleDownloadProgressInfo.
#[derive(Clone, Debug)]
pub struct CallbackSetting {
    /// Its ES2+ server.
    pub address: ServerAddress,
    /// Certificates of the CAs under which that server's certificate lies.
    pub ca: Vec<FileSetting>,
    /// What it is told of the life of installed profiles.
    pub points: RunTimePoints,
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
    /// The keys of its profiles' segments.
    pub key_mode: KeyMode,
    /// The template that personal data is put into; `None` for ready-made packages.
    pub template: Option<TemplateSetting>,
    /// What is demanded of eUICCs and devices beside what a package needs.
    pub demands: Demands,
    /// What becomes of an order whose profile does not fit.
    pub not_eligible: NotEligible,
    /// What its SIMs are; `None` where nobody says.
    pub sub_class: Option<SubClassName>,
    /// Where numbers of generated profiles come from.
    pub pools: ProfilePools,
    /// Whether a profile may be offered again after it was on an eUICC.
    pub reusable: bool,
    /// How long a profile that was given back is not offered.
    pub quarantine: Duration,
    /// With fewer profiles available, the type runs low.
    pub low_water: Option<u64>,
    /// The systems that must have what belongs to a profile before its order is released.
    pub requires_delivery: Delivered,
}

/// The pools of a profile type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfilePools {
    /// ICCIDs.
    pub iccid: Option<PoolName>,
    /// Telephone numbers.
    pub msisdn: Option<PoolName>,
    /// IMSIs by role, where another pool than that of the sub-class's slot is to be used.
    pub imsi: Vec<(String, PoolName)>,
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
    /// Whether test profiles come in and go out.
    pub mode: Mode,
    /// `sqlite:PATH` or `postgres://…`, with the path made absolute.
    pub store: String,
    /// The file that holds the key for sealing; it is made if absent and nothing was sealed yet.
    pub sealing_key: FileSetting,
    /// The file that holds the key which signs what is taken out; it is made when it is first needed.
    pub signing_key: FileSetting,
    /// The age at which values of persons are erased from the audit; `None` for never.
    pub erase_personal_after: Option<Duration>,
    /// The server's addresses as LPAs know them.
    pub addresses: Vec<ServerAddress>,
    /// Certificates of the CIs that are trusted.
    pub ci: Vec<FileSetting>,
    /// Revocation lists of the CIs.
    pub crl: Vec<FileSetting>,
    /// CERT.DPauth and CERT.DPpb, one pair for each CI.
    pub identities: Vec<(CredentialSetting, CredentialSetting)>,
    /// ES9+.
    pub es9plus: ListenSetting,
    /// Further listeners of ES9+.
    pub further_es9plus: Vec<ListenSetting>,
    /// ES2+.
    pub es2plus: ListenSetting,
    /// The admin API; `None` for none.
    pub admin_api: Option<AdminApiSetting>,
    /// The eIM; `None` for none.
    pub eim: Option<EimSetting>,
    /// The ingestion API; `None` for none.
    pub ingest: Option<IngestSetting>,
    /// The manufacturers that deliver over it.
    pub manufacturers: Vec<ManufacturerSetting>,
    /// Where the interface for metrics and health listens, on the loopback; `None` for nowhere.
    pub admin: Option<SocketAddr>,
    /// Certificates of the CAs of operators' client certificates.
    pub es2plus_client_ca: Vec<FileSetting>,
    /// The operators.
    pub operators: Vec<OperatorSetting>,
    /// The profile types.
    pub profile_types: Vec<ProfileTypeSetting>,
    /// The pools of numbers.
    pub pools: Vec<Pool>,
    /// The SIM sub-classes: those that are shipped, as the file changes them, and the file's own.
    pub sub_classes: Vec<SubClass>,
    /// How often an order may be tried.
    pub limits: Limits,
    /// The layouts of files for other systems: one that each system is given by default, and those of the settings.
    pub export_layouts: Vec<Layout>,
    /// The file that holds the key which exports are signed with; it is made if absent.
    pub export_key: FileSetting,
    /// How hard operators are tried with calls back.
    pub callbacks: CallbackLimits,
    /// How webhooks are called.
    pub webhooks: WebhooksSetting,
    /// How long an order lasts after ConfirmOrder, in seconds; `None` for ever.
    pub order_lifetime_s: Option<u64>,
    /// What becomes of eUICCs of version 3.
    pub version3_euiccs: Version3Euiccs,
    /// What open sessions may take.
    pub session_limits: SessionLimits,
    /// How often callers may guess.
    pub guess_limits: GuessLimits,
}

impl Config {
    /// What is said of each profile type for those who take of the stock.
    #[must_use]
    pub fn type_rules(&self) -> Vec<TypeRules> {
        let rules = |setting: &ProfileTypeSetting| TypeRules {
            owner: setting.owner.clone(),
            profile_type: setting.name.clone(),
            reusable: setting.reusable,
            quarantine: setting.quarantine,
        };
        self.profile_types.iter().map(rules).collect()
    }

    /// The systems that must have what belongs to a profile before it is released, of the types that say so.
    #[must_use]
    pub fn needed_deliveries(&self) -> HashMap<ProfileType, Delivered> {
        let needed =
            self.profile_types.iter().map(|setting| (setting.name.clone(), setting.requires_delivery));
        needed.filter(|(_, needed)| *needed != Delivered::default()).collect()
    }

    /// When each profile type runs low, where the settings say so.
    #[must_use]
    pub fn low_water_marks(&self) -> Vec<LowWater> {
        let mark = |setting: &ProfileTypeSetting| {
            let (owner, profile_type) = (setting.owner.clone(), setting.name.clone());
            setting.low_water.map(|low_water| LowWater { owner, profile_type, low_water })
        };
        self.profile_types.iter().filter_map(mark).collect()
    }
}

/// The address of the store may hold a password: it is not shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use simyard_asn1::rsp::Version;

    use super::*;
    use crate::client::reachable::Reach;
    use crate::domain::RadioAccess;
    use crate::jobs::deliver_webhooks::WebhookLimits;
    use crate::profile::metadata::{NotificationEvent, PolicyRule};

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
                "simyard.toml:4: mcc_mnc: expected 5 or 6 digits",
            ),
            ("[admin]\nlisten = \"9090\"", "simyard.toml:2: admin.listen: \"9090\" is no IP address"),
            (
                "[admin]\nlisten = \"0.0.0.0:9090\"",
                "simyard.toml:2: admin.listen: 0.0.0.0 is no address of the loopback",
            ),
            ("[limits]\nguesses_of_peer_per_hour = 0", "simyard.toml"),
            (
                "[[operator]]\nname = \"b\"\noid = \"2.1\"\n[[profile_type]]\nname = \"a\"\nowner = \"b\"\n\
                 class = \"test\"",
                "simyard.toml:7: profile_type.class: test profiles are for",
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
                "[[operator]]\nname = \"x\"\noid = \"2.1\"\nes2plus_address = \"https://x\"",
                "simyard.toml:4: operator.es2plus_address",
            ),
            (
                "[[operator]]\nname = \"x\"\noid = \"2.1\"\nes2plus_ca = [\"x.pem\"]",
                "simyard.toml:4: operator: es2plus_address is missing",
            ),
            (
                "[[operator]]\nname = \"x\"\noid = \"2.1\"\nes2plus_address = \"x\"\n\
                 notification_points = { enable = 4 }",
                "simyard.toml:5: operator.notification_points: 4 is a point of the standard's own",
            ),
            ("[webhooks]\nconcurrency = 0", "simyard.toml:2: webhooks.concurrency: must be at least 1"),
            ("[webhooks]\nca = []", "simyard.toml:2: webhooks.ca: at least one"),
            ("[webhooks]\nprivate_addresses = true", "line 2"),
            ("[callbacks]\nconcurrency = 0", "simyard.toml:2: callbacks.concurrency: must be at least 1"),
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
    fn an_operator_is_called_back_where_it_says() {
        let operator = "[[operator]]\nname = \"x\"\noid = \"2.1\"\n";
        assert!(parse(operator).unwrap().operators[0].callback.is_none());
        let text = format!("{operator}es2plus_address = \"es2.example.com:8445\"\n");
        let config = parse(&text).unwrap();
        let callback = config.operators[0].callback.as_ref().unwrap();
        assert_eq!(callback.address.as_str(), "es2.example.com:8445");
        assert_eq!(callback.ca[0].path, Path::new("/etc/simyard/pki/ci.pem"), "as its client certificate");
        assert_eq!(callback.points, RunTimePoints::default());
        assert_eq!(config.callbacks, CallbackLimits::default());
        let text = format!(
            "{text}es2plus_ca = [\"x.pem\"]\nnotification_points = {{ enable = 6, delete = 5 }}\n\
             [callbacks]\ngive_up_after_days = 2\nconcurrency = 3"
        );
        let config = parse(&text).unwrap();
        let callback = config.operators[0].callback.as_ref().unwrap();
        assert_eq!(callback.ca[0].path, Path::new("/etc/simyard/x.pem"));
        let points = [callback.points.enable, callback.points.disable, callback.points.delete];
        assert_eq!(points.map(|point| point.map(|point| point.id())), [Some(6), None, Some(5)]);
        assert_eq!(config.callbacks.give_up_after.as_secs(), 2 * 24 * 3600);
        assert_eq!(config.callbacks.concurrency, 3);
    }

    #[test]
    fn webhooks_trust_the_cis_and_stay_on_the_internet_unless_told_otherwise() {
        let webhooks = parse("ci = [\"a.pem\", \"b.pem\"]").unwrap().webhooks;
        assert_eq!(webhooks.ca.iter().map(|file| &file.path).collect::<Vec<_>>().len(), 2);
        assert_eq!(webhooks.ca[1].path, Path::new("/etc/simyard/b.pem"));
        assert_eq!((webhooks.reach, webhooks.limits), (Reach::Public, WebhookLimits::default()));
        let text = "[webhooks]\nca = [\"web.pem\"]\nprivate_addresses = \"permit\"\ngive_up_after_days = 2\nconcurrency = 3";
        let webhooks = parse(text).unwrap().webhooks;
        assert_eq!(webhooks.ca[0].path, Path::new("/etc/simyard/web.pem"));
        let limits = WebhookLimits { give_up_after: Duration::from_secs(2 * 24 * 3600), concurrency: 3 };
        assert_eq!((webhooks.reach, webhooks.limits), (Reach::Anywhere, limits));
    }

    #[test]
    fn what_an_operator_demands_of_devices_is_read() {
        let with = |line: &str| {
            parse(&format!(
                "[[operator]]\nname = \"b\"\noid = \"2.1\"\n[[profile_type]]\nname = \"a\"\nowner = \"b\"\n{line}"
            ))
        };
        let setting = with("").unwrap().profile_types.remove(0);
        assert_eq!((setting.demands, setting.not_eligible), (Demands::default(), NotEligible::Error));
        let config = with(
            "not_eligible = \"keep_released\"\nradio = [\"eutran-epc\", \"nr-5gc\"]\n\
             denied_tacs = [\"35290611\"]\ndenied_pp_versions = [\"255.255.255\"]",
        );
        let setting = config.unwrap().profile_types.remove(0);
        assert_eq!(setting.not_eligible, NotEligible::KeepReleased);
        assert_eq!(setting.demands.radio, [RadioAccess::EutranEpc, RadioAccess::Nr5gc]);
        assert_eq!(setting.demands.denied_tacs, [[0x35, 0x29, 0x06, 0x11]]);
        assert_eq!(setting.demands.denied_pp_versions, [Version([255; 3])]);
        for (line, expected) in [
            ("denied_tacs = [\"3529061\"]", "simyard.toml:7: profile_type.denied_tacs: expected the eight"),
            ("denied_tacs = [\"3529061A\"]", "profile_type.denied_tacs: expected the eight"),
            ("denied_pp_versions = [\"1.2\"]", "profile_type.denied_pp_versions: expected three"),
            ("denied_pp_versions = [\"1.2.256\"]", "profile_type.denied_pp_versions: expected three"),
            ("radio = [\"wimax\"]", "unknown variant"),
            ("not_eligible = \"other\"", "unknown variant"),
        ] {
            let error = with(line).unwrap_err().to_string();
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
    fn a_profile_type_says_keys_and_metadata() {
        let with = |members: &str| {
            parse(&format!(
                "[[operator]]\nname = \"b\"\noid = \"2.1\"\n[[profile_type]]\nname = \"a\"\nowner = \"b\"\n{members}"
            ))
        };
        let plain = with("").unwrap().profile_types.remove(0);
        assert_eq!((plain.key_mode, plain.metadata.recipients.len()), (KeyMode::SessionKeys, 1));
        let config = with(
            "key_mode = \"random-keys\"\nmcc_mnc = \"26201\"\ngid2 = \"0B\"\npolicy_rules = [\"ppr2\"]\n\
             notification = [{ address = \"two.example.com\", events = [\"install\"] }]",
        );
        let setting = config.unwrap().profile_types.remove(0);
        assert_eq!(setting.key_mode, KeyMode::RandomKeys);
        assert_eq!(setting.metadata.profile_policy_rules, PolicyRule::Ppr2.bit());
        assert_eq!(setting.metadata.recipients[0].events, [NotificationEvent::Install]);
        assert_eq!(setting.metadata.profile_owner.unwrap().gid2, Some(vec![0x0B]));
        let none = with("notification_addresses = []").unwrap().profile_types.remove(0);
        assert_eq!(none.metadata.recipients, []);
        for (members, expected) in [
            ("policy_rules = [\"ppr1\"]", "simyard.toml:7: policy_rules: policy rules need an owner"),
            ("policy_rules = [\"ppr3\"]", "unknown variant `ppr3`"),
            ("key_mode = \"none\"", "unknown variant `none`"),
            ("icon = \"absent.png\"", "simyard.toml:7: icon"),
            ("mcc_mnc = \"26201\"\ngid1 = \"0\"", "simyard.toml:8: gid1"),
        ] {
            let error = with(members).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
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
        for (code, coded) in [("310260", [0x13, 0x00, 0x62]), ("26201", [0x62, 0xF2, 0x10])] {
            let owner = with(code).profile_types[0].metadata.profile_owner.clone().unwrap();
            assert_eq!(owner.mcc_mnc, coded);
        }
    }
}
