//! The eIM of a server: its keys, the CAs of its devices, and who calls it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::AppError;
use super::config::{Config, ConfigError, EimListenSetting, EimSetting};
use super::credentials::{credential, device_cas, not_after, tls, tls_identity, uncovered};
use super::revocation::RevocationFiles;
use crate::eim::Eim;
use crate::eim::caller::{ClientAuth, Devices};
use crate::eim::refusals::{RefusalReason, Refusals, Refused};
use crate::env::{Clock, Timestamp};
use crate::http::esipa;
use crate::http::listener::{DoorWatch, Listener, ListenerLimits};
use crate::http::meter::Meter;
use crate::ident::Peer;
use crate::jobs::bring_packages::BringPackages;
use crate::pki::Anchors;
use crate::pki::tls::{CertificateRefusal, ClientVerifier};
use crate::store::Store;

/// How often refusals are written.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Who calls the eIM.
pub(super) struct EimDoor {
    devices: Arc<Devices>,
    anchors: Arc<Anchors>,
    revocation: RevocationFiles,
    clock: Clock,
}

impl EimDoor {
    /// Loads and checks what the settings name; `cis` are the CIs that are trusted, none of which is a CA of devices.
    pub(super) fn open(
        setting: &EimSetting,
        cis: &Anchors,
        store: Store,
        clock: Clock,
    ) -> Result<Self, AppError> {
        check_signing(setting)?;
        let anchors = Arc::new(device_cas(&setting.device_ca, cis)?);
        let lists =
            RevocationFiles::new(&setting.device_crl, Arc::clone(&anchors), Vec::new(), clock.clone());
        lists.load()?;
        let refusals = Arc::new(Refusals::new(clock.clone()));
        let (field, polls) = (setting.eid_field, setting.polls_of_euicc_per_hour);
        let devices = Devices::new(store, field, polls, refusals, clock.clone());
        Ok(Self { devices: Arc::new(devices), anchors, revocation: lists, clock })
    }

    /// What `GET /metrics` tells of it.
    pub(super) fn readings(&self) -> Box<dyn Collector> {
        Box::new(RefusalReadings(Arc::clone(self.devices.refusals())))
    }

    /// Its listeners, in the order of the settings.
    pub(super) fn listeners(
        &self,
        setting: &EimSetting,
        eim: &Arc<Eim>,
        sockets: Vec<TcpListener>,
        meter: &Arc<Meter>,
    ) -> Result<Vec<Listener>, AppError> {
        let mut listeners = Vec::new();
        for (setting, socket) in setting.listeners.iter().zip(sockets) {
            listeners.push(Listener {
                name: "esipa",
                socket,
                tls: Some(tls(&setting.listener.tls, Some(self.verifier(setting)))?),
                router: esipa::router(Arc::clone(eim), Arc::clone(&self.devices), setting.client_auth),
                limits: ListenerLimits::new(setting.listener.max_connections),
                meter: Arc::clone(meter),
            });
        }
        for address in names_missing(setting)? {
            tracing::warn!(%address, "no dNSName of the TLS certificate of eim: devices will refuse the server");
        }
        Ok(listeners)
    }

    fn verifier(&self, setting: &EimListenSetting) -> Arc<ClientVerifier> {
        let verifier = ClientVerifier::new(Arc::clone(&self.anchors), self.clock.clone());
        Arc::new(match setting.client_auth {
            ClientAuth::Required => verifier,
            ClientAuth::Optional => {
                let listen = setting.listener.listen;
                tracing::warn!(%listen, "eim takes callers without a client certificate here: what they say is a claim");
                verifier.optional()
            }
        })
    }

    /// Hears of devices that are turned away in the handshake.
    pub(super) fn watch(&self) -> Arc<dyn DoorWatch> {
        Arc::new(AtTheDoor(Arc::clone(self.devices.refusals())))
    }

    /// The job that brings packages to devices that listen; the eIM shows the certificate of its first listener.
    pub(super) fn bring_packages(
        &self,
        setting: &EimSetting,
        eim: &Arc<Eim>,
    ) -> Result<Option<BringPackages>, AppError> {
        let Some(listener) = setting.listeners.first() else { return Ok(None) };
        Ok(Some(BringPackages {
            eim: Arc::clone(eim),
            devices: Arc::clone(&self.devices),
            anchors: Arc::clone(&self.anchors),
            identity: tls_identity(&listener.listener.tls)?,
        }))
    }

    /// What was refused.
    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(self.devices.refusals())
    }

    /// Reads revocation lists again from time to time, until `end` turns true.
    pub(super) async fn watch_revocation(self, end: watch::Receiver<bool>) {
        self.revocation.watch(end).await;
    }
}

/// Writes down what was refused, for as long as the server runs.
pub(super) async fn keep_refusals(refusals: Arc<Refusals>, store: Store) {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        keep(&refusals, &store).await;
    }
}

/// Writes down what was refused since the last time.
pub(super) async fn keep(refusals: &Refusals, store: &Store) {
    if let Err(error) = refusals.keep(store).await {
        tracing::warn!(%error, "refusals on ESipa could not be written down");
    }
}

/// The keys that sign eUICC packages belong to their certificates.
fn check_signing(setting: &EimSetting) -> Result<(), ConfigError> {
    let first = std::iter::once((&setting.signing, "eim.signing_certificate"));
    let further = setting.keys.iter().map(|pair| (pair, "its certificate in eim.keys"));
    for (pair, name) in first.chain(further) {
        let signing = credential(pair)?;
        if !signing.certificate.is_of(&signing.key) {
            let message = format!("the key does not belong to {name}: check that both files are of one pair");
            return Err(pair.key.error(&message));
        }
    }
    Ok(())
}

/// The eIM's name, where no listener has it among the dNSNames of its certificate.
fn names_missing(setting: &EimSetting) -> Result<Vec<String>, ConfigError> {
    let fqdn = std::slice::from_ref(&setting.fqdn);
    for listener in &setting.listeners {
        if uncovered(&listener.listener.tls, fqdn)?.is_empty() {
            return Ok(Vec::new());
        }
    }
    Ok(vec![setting.fqdn.to_string()])
}

/// When the eIM's own certificates end, with the names of the metric.
pub(super) fn certificate_ends(
    config: &Config,
) -> Result<Vec<(&'static str, usize, Timestamp)>, ConfigError> {
    let Some(setting) = &config.eim else { return Ok(Vec::new()) };
    let mut ends = vec![("eim_signing", 0, not_after(&setting.signing)?)];
    for (number, listener) in setting.listeners.iter().enumerate() {
        ends.push(("eim", number, not_after(&listener.listener.tls)?));
    }
    Ok(ends)
}

struct AtTheDoor(Arc<Refusals>);

impl DoorWatch for AtTheDoor {
    fn certificate_refused(&self, peer: Peer, refusal: CertificateRefusal) {
        self.0.record(Refused {
            reason: RefusalReason::Handshake,
            eid: None,
            caller_eid: None,
            certificate: refusal.fingerprint,
            peer,
            detail: refusal.cause,
        });
    }
}

/// What was refused, by reason.
struct RefusalReadings(Arc<Refusals>);

impl fmt::Debug for RefusalReadings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusalReadings").finish_non_exhaustive()
    }
}

impl Collector for RefusalReadings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What was refused on ESipa, by reason";
        let mut family = encoder.encode_descriptor("esipa_refusals", help, None, MetricType::Counter)?;
        for reason in RefusalReason::ALL {
            let count = ConstCounter::new(self.0.count(reason));
            count.encode(family.encode_family(&[("reason", reason.as_str())])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refusal, with_pki};

    #[tokio::test]
    async fn what_is_said_of_an_eim_is_held_against_its_files() {
        for (settings, expected) in [
            ("", "none"),
            ("device_ca = [\"pki/device-ca.pem\", \"pki/eim-ca.pem\"]", "none"),
            (
                "device_ca = [\"pki/ci.pem\"]",
                "simyard.toml:3: eim.device_ca: the certificate \"Simyard TEST CI\" is",
            ),
            ("device_ca = [\"pki/wrong/other-ci.pem\"]", "is a GSMA CI"),
            ("device_ca = [\"pki/device.pem\"]", "may not issue others"),
            ("device_ca = [\"pki/absent.pem\"]", "absent.pem"),
            (
                "signing_key = \"pki/eim-tls.key.pem\"",
                "simyard.toml:3: eim.signing_key: the key does not belong",
            ),
            (
                "signing_certificate = \"pki/eim-tls.pem\"",
                "the key does not belong to eim.signing_certificate",
            ),
            ("key = \"pki/eim-sign.key.pem\"", "does not belong to the certificate"),
            ("device_crl = [\"pki/ci.pem\"]", "simyard.toml:3: eim.device_crl"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let settings = format!(
                "addresses = [\"smdp.example.com\"]\n[eim]\n{settings}\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\""
            );
            let refused = refusal(&with_pki(folder.path(), &settings)).await;
            assert!(refused.contains(expected), "{settings}: {refused}");
        }
    }
}
