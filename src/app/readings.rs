//! What `GET /metrics` reads from the services when somebody asks: nothing of it costs a call anything.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::config::{Config, ConfigError};
use super::credentials::not_after;
use super::eim::certificate_ends;
use crate::env::Timestamp;
use crate::smdp::Smdp;
use crate::smdp::downloads::DownloadResult;
use crate::smdp::guesses::Guesser;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// When one of our certificates ends.
struct CertificateEnd {
    /// What it is for: `dp_auth`, `dp_pb`, `es9plus`, `es2plus`, `eim_signing`, `eim`.
    role: &'static str,
    /// The number of its pair in the settings, from 0.
    number: usize,
    /// Its notAfter.
    not_after: Timestamp,
}

/// The services and certificates of a server.
pub(super) struct Readings {
    smdp: Arc<Smdp>,
    certificates: Vec<CertificateEnd>,
}

impl fmt::Debug for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readings").finish_non_exhaustive()
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: usize) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sessions = &self.smdp.sessions;
        gauge(&mut encoder, "sessions_open", "RSP sessions that are open", sessions.len())?;
        counter(
            &mut encoder,
            "sessions_displaced",
            "RSP sessions that made room for others before an eUICC authenticated in them",
            sessions.displaced(),
        )?;
        gauge(
            &mut encoder,
            "kept_packages_bytes",
            "Packages kept in memory for a repeated GetBoundProfilePackage",
            sessions.kept_package_octets(),
        )?;
        counter(
            &mut encoder,
            "store_commits",
            "Transactions that the store committed",
            self.smdp.store.commits(),
        )?;
        self.encode_guesses(&mut encoder)?;
        self.encode_downloads(&mut encoder)?;
        self.encode_certificates(&mut encoder)
    }
}

impl Readings {
    /// Of these services, and of the TLS certificates that the settings name.
    ///
    /// # Errors
    /// [`ConfigError`] if one of them cannot be read.
    pub(super) fn new(config: &Config, smdp: Arc<Smdp>) -> Result<Self, ConfigError> {
        let mut certificates = Vec::new();
        for (number, identity) in smdp.identities.iter().enumerate() {
            for (role, credential) in [("dp_auth", identity.dp_auth()), ("dp_pb", identity.dp_pb())] {
                let not_after = credential.certificate.not_after();
                certificates.push(CertificateEnd { role, number, not_after });
            }
        }
        for (number, listener) in std::iter::once(&config.es9plus).chain(&config.further_es9plus).enumerate()
        {
            let not_after = not_after(&listener.tls)?;
            certificates.push(CertificateEnd { role: "es9plus", number, not_after });
        }
        let not_after = not_after(&config.es2plus.tls)?;
        certificates.push(CertificateEnd { role: "es2plus", number: 0, not_after });
        for (role, number, not_after) in certificate_ends(config)? {
            certificates.push(CertificateEnd { role, number, not_after });
        }
        Ok(Self { smdp, certificates })
    }

    fn encode_guesses(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help =
            "Matching identifiers and confirmation codes not looked at, since too many were wrong before";
        let mut family = encoder.encode_descriptor("guesses_limited", help, None, MetricType::Counter)?;
        for (name, guesser) in [("euicc", Guesser::Euicc), ("peer", Guesser::Peer)] {
            let count = ConstCounter::new(self.smdp.guesses.limited(guesser));
            count.encode(family.encode_family(&[("guesser", name)])?)?;
        }
        Ok(())
    }

    fn encode_downloads(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Downloads by how far they came or how they ended";
        let mut family = encoder.encode_descriptor("downloads", help, None, MetricType::Counter)?;
        for result in DownloadResult::ALL {
            let count = ConstCounter::new(self.smdp.downloads.of(result));
            count.encode(family.encode_family(&[("result", result.name())])?)?;
        }
        Ok(())
    }

    fn encode_certificates(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whole days until one of the server's own certificates expires, negative afterwards";
        let mut family = encoder.encode_descriptor("certificate_days_left", help, None, MetricType::Gauge)?;
        let now = self.smdp.clock.now().as_millis();
        for certificate in &self.certificates {
            let days = certificate.not_after.as_millis().saturating_sub(now).div_euclid(DAY_MS);
            let number = certificate.number.to_string();
            let labels = [("certificate", certificate.role), ("number", number.as_str())];
            ConstGauge::new(days).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
