//! `[eim]` and `[[eim_listener]]`: the eIM's name and keys, where devices call, and how they prove who they are.

use std::num::NonZeroU32;

use serde::Deserialize;
use simyard_asn1::Oid;
use simyard_asn1::iot::configuration::EimIdType;
use toml::Spanned;

use super::file::{ListenTable, Reader, Text};
use super::relay::{RelayMembers, RelaySetting};
use super::waits::{WaitMembers, WaitSetting};
use super::webhooks::PrivateAddresses;
use super::{ConfigError, CredentialSetting, FileSetting, ListenSetting};
use crate::eim::caller::{ClientAuth, EidField, POLLS_PER_HOUR};
use crate::eim::laboratory::Laboratory;
use crate::ident::ServerAddress;
use crate::store::DownloadWay;

/// The longest eimId, in octets (SGP.32 2.11.1.1).
const EIM_ID_MAX: usize = 128;
const LISTEN: &str = "127.0.0.1:8447";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EimTable {
    id: Text,
    fqdn: Text,
    listen: Text,
    certificate: Text,
    key: Text,
    max_connections: Option<Spanned<usize>>,
    client_auth: Option<ClientAuthWord>,
    eid_field: Option<EidFieldWord>,
    device_ca: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    device_crl: Vec<Spanned<String>>,
    signing_certificate: Text,
    signing_key: Text,
    polls_of_euicc_per_hour: Option<NonZeroU32>,
    #[serde(default)]
    smdp_ca: Vec<Spanned<String>>,
    #[serde(default)]
    smdp_connect_to: Vec<Spanned<String>>,
    #[serde(default)]
    private_addresses: PrivateAddresses,
    forward_give_up_after_days: Option<Spanned<u32>>,
    download: Option<DownloadWord>,
    answer_within_hours: Option<Spanned<u32>>,
    download_within_hours: Option<Spanned<u32>>,
    switch_within_minutes: Option<Spanned<u32>>,
    confirm_within_hours: Option<Spanned<u32>>,
    poll_wanted_after_minutes: Option<Spanned<u32>>,
    #[serde(default)]
    laboratory: bool,
    #[serde(default)]
    keys: Vec<EimKeyTable>,
}

/// A further key that signs eUICC packages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EimKeyTable {
    certificate: Spanned<String>,
    key: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EimListenerTable {
    listen: Spanned<String>,
    certificate: Text,
    key: Text,
    max_connections: Option<Spanned<usize>>,
    client_auth: Option<ClientAuthWord>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ClientAuthWord {
    Required,
    Optional,
}

impl From<ClientAuthWord> for ClientAuth {
    fn from(word: ClientAuthWord) -> Self {
        match word {
            ClientAuthWord::Required => Self::Required,
            ClientAuthWord::Optional => Self::Optional,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DownloadWord {
    Direct,
    Indirect,
}

impl From<DownloadWord> for DownloadWay {
    fn from(word: DownloadWord) -> Self {
        match word {
            DownloadWord::Direct => Self::Direct,
            DownloadWord::Indirect => Self::Indirect,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
enum EidFieldWord {
    #[serde(rename = "serialNumber")]
    SerialNumber,
    #[serde(rename = "commonName")]
    CommonName,
    #[serde(rename = "dNSName")]
    DnsName,
    #[serde(rename = "none")]
    None,
}

impl From<EidFieldWord> for EidField {
    fn from(word: EidFieldWord) -> Self {
        match word {
            EidFieldWord::SerialNumber => Self::SerialNumber,
            EidFieldWord::CommonName => Self::CommonName,
            EidFieldWord::DnsName => Self::DnsName,
            EidFieldWord::None => Self::None,
        }
    }
}

/// The eIM.
#[derive(Clone, Debug)]
pub struct EimSetting {
    /// eimId.
    pub id: String,
    /// What kind of name that is.
    pub id_type: EimIdType,
    /// eimFqdn: the name that devices call it by, with a port off 443.
    pub fqdn: ServerAddress,
    /// Where it listens; one at least, the first is that of `[eim]`.
    pub listeners: Vec<EimListenSetting>,
    /// Where devices' certificates name the EID.
    pub eid_field: EidField,
    /// Certificates of the CAs of devices.
    pub device_ca: Vec<FileSetting>,
    /// Revocation lists of these CAs.
    pub device_crl: Vec<FileSetting>,
    /// The key that signs eUICC packages, and its certificate.
    pub signing: CredentialSetting,
    /// Further keys, which eUICCs know, or are told of.
    pub keys: Vec<CredentialSetting>,
    /// Polls of one EID in an hour that are answered without a certificate.
    pub polls_of_euicc_per_hour: NonZeroU32,
    /// How SM-DP+ servers are called for devices.
    pub relay: RelaySetting,
    /// How devices get profiles that nobody said otherwise of.
    pub download: DownloadWay,
    /// How long it waits for devices.
    pub waits: WaitSetting,
    /// Whether a laboratory may lay hands on it.
    pub laboratory: Laboratory,
}

/// A listener of ESipa.
#[derive(Clone, Debug)]
pub struct EimListenSetting {
    /// Where it listens, and its TLS certificate.
    pub listener: ListenSetting,
    /// Whether it takes callers without a certificate.
    pub client_auth: ClientAuth,
}

impl Reader<'_> {
    pub(super) fn eim(
        &self,
        table: EimTable,
        further: &[EimListenerTable],
    ) -> Result<EimSetting, ConfigError> {
        let first = self.eim_listener(
            table.listen,
            (table.certificate, table.key),
            table.max_connections,
            table.client_auth,
        )?;
        let default = format!("localhost:{}", first.listener.listen.port());
        let fqdn = match &table.fqdn {
            Some(value) => self.address(value, "eim.fqdn")?,
            None => ServerAddress::parse(&default)
                .map_err(|error| self.error(None, "eim.fqdn", error.to_string()))?,
        };
        let id = table.id.as_ref().map_or(fqdn.as_str(), |id| id.get_ref()).to_owned();
        if !(1..=EIM_ID_MAX).contains(&id.len()) || id.chars().any(char::is_control) {
            let message = format!("expected 1 to {EIM_ID_MAX} octets without control characters");
            return Err(self.error(table.id.as_ref().map(Spanned::span), "eim.id", message));
        }
        let id_type = if id.eq_ignore_ascii_case(fqdn.as_str()) || id.eq_ignore_ascii_case(fqdn.host()) {
            EimIdType::Fqdn
        } else if Oid::parse(&id).is_some() {
            EimIdType::Oid
        } else {
            EimIdType::Proprietary
        };
        let mut listeners = vec![first];
        for table in further {
            let credential = (table.certificate.clone(), table.key.clone());
            let (listen, connections) = (Some(table.listen.clone()), table.max_connections.clone());
            listeners.push(self.eim_listener(listen, credential, connections, table.client_auth)?);
        }
        Ok(EimSetting {
            id,
            id_type,
            fqdn,
            listeners,
            eid_field: table.eid_field.map(EidField::from).unwrap_or_default(),
            device_ca: self.files(table.device_ca, "eim.device_ca", "pki/device-ca.pem"),
            device_crl: table
                .device_crl
                .iter()
                .map(|value| self.file(Some(value), "eim.device_crl", ""))
                .collect(),
            signing: CredentialSetting {
                certificate: self.file(
                    table.signing_certificate.as_ref(),
                    "eim.signing_certificate",
                    "pki/eim-sign.pem",
                ),
                key: self.file(table.signing_key.as_ref(), "eim.signing_key", "pki/eim-sign.key.pem"),
            },
            keys: table
                .keys
                .iter()
                .map(|pair| CredentialSetting {
                    certificate: self.file(Some(&pair.certificate), "eim.keys.certificate", ""),
                    key: self.file(Some(&pair.key), "eim.keys.key", ""),
                })
                .collect(),
            polls_of_euicc_per_hour: table.polls_of_euicc_per_hour.unwrap_or(POLLS_PER_HOUR),
            laboratory: if table.laboratory { Laboratory::Open } else { Laboratory::Closed },
            relay: self.relay(&RelayMembers {
                smdp_ca: table.smdp_ca,
                smdp_connect_to: table.smdp_connect_to,
                private_addresses: table.private_addresses,
                forward_give_up_after_days: table.forward_give_up_after_days,
            })?,
            download: table.download.map_or(DownloadWay::Direct, DownloadWay::from),
            waits: self.waits(&WaitMembers {
                answer_within_hours: table.answer_within_hours,
                download_within_hours: table.download_within_hours,
                switch_within_minutes: table.switch_within_minutes,
                confirm_within_hours: table.confirm_within_hours,
                poll_wanted_after_minutes: table.poll_wanted_after_minutes,
            })?,
        })
    }

    /// Listeners without an eIM have nobody to serve.
    pub(super) fn no_eim(&self, further: &[EimListenerTable]) -> Result<(), ConfigError> {
        match further.first() {
            Some(table) => {
                let message = "[eim] is missing: a further listener is one of the eIM";
                Err(self.error(Some(table.listen.span()), "eim_listener", message))
            }
            None => Ok(()),
        }
    }

    fn eim_listener(
        &self,
        listen: Text,
        (certificate, key): (Text, Text),
        max_connections: Option<Spanned<usize>>,
        client_auth: Option<ClientAuthWord>,
    ) -> Result<EimListenSetting, ConfigError> {
        let tls = CredentialSetting {
            certificate: self.file(certificate.as_ref(), "certificate", "pki/eim-tls.pem"),
            key: self.file(key.as_ref(), "key", "pki/eim-tls.key.pem"),
        };
        let table = ListenTable { listen, certificate, key, max_connections, client_ca: None, ci: None };
        let listener = ListenSetting { tls, ..self.listen(&table, "eim", LISTEN)? };
        Ok(EimListenSetting { listener, client_auth: client_auth.map(ClientAuth::from).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/simyard/simyard.toml"))
    }

    #[test]
    fn an_empty_table_is_a_whole_eim() {
        assert!(parse("").unwrap().eim.is_none());
        let eim = parse("[eim]").unwrap().eim.unwrap();
        assert_eq!((eim.id.as_str(), eim.fqdn.as_str()), ("localhost:8447", "localhost:8447"));
        assert_eq!((eim.id_type, eim.eid_field), (EimIdType::Fqdn, EidField::SerialNumber));
        assert_eq!(eim.device_ca[0].path, Path::new("/etc/simyard/pki/device-ca.pem"));
        assert_eq!(eim.signing.key.path, Path::new("/etc/simyard/pki/eim-sign.key.pem"));
        assert_eq!(eim.listeners.len(), 1);
        let first = &eim.listeners[0];
        assert_eq!(first.client_auth, ClientAuth::Required, "mutual TLS unless somebody says otherwise");
        assert_eq!(first.listener.tls.certificate.path, Path::new("/etc/simyard/pki/eim-tls.pem"));
        assert_eq!((eim.polls_of_euicc_per_hour, eim.download), (POLLS_PER_HOUR, DownloadWay::Direct));
        assert_eq!(eim.laboratory, Laboratory::Closed, "nobody plays with an eIM by accident");
        let laboratory = parse("[eim]\nlaboratory = true").unwrap().eim.unwrap().laboratory;
        assert_eq!(laboratory, Laboratory::Open);
    }

    #[test]
    fn what_is_said_of_an_eim_is_read() {
        let text = "[eim]\nid = \"2.999.40\"\nfqdn = \"eim.example.com\"\nlisten = \"0.0.0.0:443\"\n\
                    eid_field = \"dNSName\"\ndevice_ca = [\"a.pem\", \"b.pem\"]\ndevice_crl = [\"a.crl\"]\n\
                    polls_of_euicc_per_hour = 5\ndownload = \"indirect\"\n[[eim_listener]]\nlisten = \"0.0.0.0:8448\"\nclient_auth = \"optional\"\n";
        let eim = parse(text).unwrap().eim.unwrap();
        assert_eq!((eim.id.as_str(), eim.id_type), ("2.999.40", EimIdType::Oid));
        assert_eq!((eim.eid_field, eim.device_ca.len(), eim.device_crl.len()), (EidField::DnsName, 2, 1));
        assert_eq!(eim.download, DownloadWay::Indirect);
        let auth: Vec<ClientAuth> = eim.listeners.iter().map(|listener| listener.client_auth).collect();
        assert_eq!(auth, [ClientAuth::Required, ClientAuth::Optional]);
        assert_eq!(eim.listeners[1].listener.listen.port(), 8448);
        for (id, kind) in [("eim.example.com", EimIdType::Fqdn), ("Acme eIM", EimIdType::Proprietary)] {
            let eim = parse(&text.replace("2.999.40", id)).unwrap().eim.unwrap();
            assert_eq!(eim.id_type, kind, "{id}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let long = format!("[eim]\nid = \"{}\"", "x".repeat(129));
        for (text, expected) in [
            ("[eim]\nid = \"\"", "simyard.toml:2: eim.id: expected 1 to 128 octets"),
            (long.as_str(), "simyard.toml:2: eim.id: expected 1 to 128 octets"),
            ("[eim]\nfqdn = \"a b\"", "simyard.toml:2: eim.fqdn"),
            ("[eim]\nlisten = \"8447\"", "simyard.toml:2: eim: \"8447\" is no IP address"),
            ("[eim]\nmax_connections = 0", "simyard.toml:2: max_connections: must be at least 1"),
            ("[eim]\nclient_auth = \"none\"", "unknown variant `none`"),
            ("[eim]\neid_field = \"serial\"", "unknown variant `serial`"),
            ("[eim]\npolls_of_euicc_per_hour = 0", "line 2"),
            ("[eim]\ndownload = \"relayed\"", "unknown variant `relayed`, expected `direct` or `indirect`"),
            ("[[eim_listener]]\nlisten = \"127.0.0.1:1\"", "simyard.toml:2: eim_listener: [eim] is missing"),
            ("[eim]\n[[eim_listener]]\nclient_auth = \"optional\"", "missing field `listen`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
