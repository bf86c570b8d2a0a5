//! CIs and their revocation lists, the server's own certificates with their keys, and the names of its TLS certificates.

use super::Report;
use crate::app::config::{Config, CredentialSetting, FileSetting};
use crate::app::credentials::{cis, client_cas, credential, identity, uncovered};
use crate::app::{AppError, revocation_lists};
use crate::domain::Mode;
use crate::env::Timestamp;
use crate::ident::ServerAddress;
use crate::pki::{Anchors, Certificate, is_test_ci};

const GROUP: &str = "certificates";
/// From how many days before its end on a certificate is to be renewed.
const WARN_DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Everything that the settings name.
pub(super) fn check(config: &Config, now: Timestamp, report: &mut Report) {
    let ci = check_anchors("ci", cis(&config.ci), now, report);
    if let Some(anchors) = &ci {
        test_ci(config, anchors, report);
        check_lists("crl", &config.crl, anchors, now, report);
        for (dp_auth, dp_pb) in &config.identities {
            match identity(dp_auth, dp_pb, anchors, now) {
                Ok(identity) => {
                    let oid = identity.oid();
                    lifetime("dp_auth_certificate", &identity.dp_auth().certificate, now, report);
                    lifetime("dp_pb_certificate", &identity.dp_pb().certificate, now, report);
                    report.good(GROUP, format!("CERT.DPauth and CERT.DPpb of {oid} fit their CI and keys"));
                }
                Err(error) => {
                    let advice = "name a valid pair of one SM-DP+ under one of the CIs, and its keys";
                    report.bad(GROUP, error.to_string(), advice);
                }
            }
        }
    }
    tls("es9plus", &config.es9plus.tls, now, report);
    names("es9plus", &config.es9plus.tls, &config.addresses, report);
    for (number, listener) in config.further_es9plus.iter().enumerate() {
        let name = format!("es9plus_listener {}", number + 1);
        tls(&name, &listener.tls, now, report);
        names(&name, &listener.tls, &config.addresses, report);
    }
    tls("es2plus", &config.es2plus.tls, now, report);
    check_anchors("es2plus.client_ca", client_cas(&config.es2plus_client_ca), now, report);
    if let Some(ingest) = &config.ingest {
        tls("ingest", &ingest.listener.tls, now, report);
        check_anchors("ingest.client_ca", client_cas(&ingest.client_ca), now, report);
    }
}

pub(super) fn check_anchors(
    setting: &'static str,
    loaded: Result<Anchors, AppError>,
    now: Timestamp,
    report: &mut Report,
) -> Option<Anchors> {
    match loaded {
        Ok(anchors) => {
            for certificate in anchors.certificates() {
                lifetime(setting, certificate, now, report);
            }
            Some(anchors)
        }
        Err(error) => {
            report.bad(GROUP, error.to_string(), "name readable CI certificates, PEM or DER");
            None
        }
    }
}

/// The lists of a setting; those that can be used are heeded by what is checked behind them.
pub(super) fn check_lists(
    setting: &str,
    files: &[FileSetting],
    anchors: &Anchors,
    now: Timestamp,
    report: &mut Report,
) {
    let mut lists = Vec::new();
    for file in files {
        match revocation_lists(std::slice::from_ref(file), anchors) {
            Ok(of_file) => lists.extend(of_file),
            Err(error) => {
                report.bad(GROUP, error.to_string(), "name lists that one of these CAs signed, PEM or DER");
            }
        }
    }
    for (file, list) in &lists {
        let path = file.path.display();
        match list.next_update() {
            Some(at) if list.is_late(now) => {
                let text = format!("the revocation list {path} should have been replaced on {at}");
                report.warning(GROUP, text, "put the latest list of the CI in its place");
            }
            Some(at) => report.good(GROUP, format!("the revocation list {path} is to be replaced by {at}")),
            None => report.good(GROUP, format!("the revocation list {path} names no end")),
        }
    }
    let lists = lists.into_iter().map(|(_, list)| list).collect();
    if let Err(error) = anchors.replace_revocation_lists(lists) {
        report.bad(GROUP, format!("{setting}: {error}"), "name each list once");
    }
}

/// A CI whose keys everybody has vouches for nobody.
fn test_ci(config: &Config, anchors: &Anchors, report: &mut Report) {
    for certificate in anchors.certificates() {
        let id = certificate.subject_key_identifier().map(hex::encode).unwrap_or_default();
        if is_test_ci(certificate) {
            let text = format!("CI {id} is one for tests");
            match config.mode {
                Mode::Test => report.good(GROUP, text),
                Mode::Production => {
                    report.warning(
                        GROUP,
                        text,
                        "name the GSMA CIs; anybody can make an eUICC under this one",
                    );
                }
            }
        }
    }
}

/// A TLS certificate and its key.
pub(super) fn tls(interface: &str, setting: &CredentialSetting, now: Timestamp, report: &mut Report) {
    match credential(setting) {
        Ok(credential) => {
            if credential.certificate.is_of(&credential.key) {
                lifetime(&format!("{interface}.certificate"), &credential.certificate, now, report);
            } else {
                let text = format!("{interface}: the key does not belong to the certificate");
                report.bad(GROUP, text, "name the key that the certificate was made for");
            }
        }
        Err(error) => report.bad(GROUP, error.to_string(), "name a readable certificate and its key"),
    }
}

/// LPAs and devices refuse a server whose certificate has another name.
pub(super) fn names(
    interface: &str,
    setting: &CredentialSetting,
    addresses: &[ServerAddress],
    report: &mut Report,
) {
    // A certificate that cannot be read has been told already.
    let Ok(uncovered) = uncovered(setting, addresses) else { return };
    if uncovered.is_empty() {
        report.good(GROUP, format!("the TLS certificate of {interface} has every address of the server"));
    }
    for address in uncovered {
        let text = format!("{address} is no dNSName of the TLS certificate of {interface}");
        report.bad(
            GROUP,
            text,
            "it will be refused by those who call it so: get a certificate with this name, or another address",
        );
    }
}

/// How long a certificate is still valid.
pub(super) fn lifetime(setting: &str, certificate: &Certificate, now: Timestamp, report: &mut Report) {
    let (from, to) = (certificate.not_before(), certificate.not_after());
    let name = certificate.common_name().or(certificate.organization()).unwrap_or("without a name");
    let left = to.as_millis().saturating_sub(now.as_millis()).div_euclid(DAY_MS);
    if now < from {
        let text = format!("{setting}, {name}: not valid before {from}");
        report.bad(GROUP, text, "wait, or check the clock");
    } else if now > to {
        report.bad(GROUP, format!("{setting}, {name}: expired on {to}"), "renew it");
    } else if left < WARN_DAYS {
        let text = format!("{setting}, {name}: {left} days left, until {to}");
        report.warning(GROUP, text, "renew it");
    } else {
        report.good(GROUP, format!("{setting}, {name}: {left} days left"));
    }
}
