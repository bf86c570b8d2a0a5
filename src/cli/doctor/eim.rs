//! The eIM: how devices prove who they are, and that nobody else could.

use std::time::Duration;

use super::Report;
use super::certificates::{check_anchors, lifetime, names, tls};
use crate::app::config::{Config, CredentialSetting, EimSetting};
use crate::app::credentials::{cis, credential, device_cas};
use crate::app::signing_keys;
use crate::eim::caller::{ClientAuth, EidField};
use crate::eim::keys::{KeyCount, KeyPlace, known_keys};
use crate::eim::laboratory::Laboratory;
use crate::env::Timestamp;
use crate::ident::counted;
use crate::store::Store;

const GROUP: &str = "eim";

/// Everything that the settings say of it; nothing if there is none.
pub(super) fn check(config: &Config, now: Timestamp, report: &mut Report) {
    let Some(setting) = &config.eim else { return };
    report.good(GROUP, format!("{} at {}", setting.id, setting.fqdn));
    for (number, listener) in setting.listeners.iter().enumerate() {
        let name = if number == 0 { "eim".to_owned() } else { format!("eim_listener {number}") };
        let text = format!("{name}: client_auth {}", listener.client_auth.as_str());
        match listener.client_auth {
            ClientAuth::Required => report.good(GROUP, text),
            ClientAuth::Optional => report.warning(
                GROUP,
                format!("{text}: whoever calls without a certificate may claim any EID"),
                "keep this listener for devices that cannot have a certificate, and give it a network of its own",
            ),
        }
        tls(&name, &listener.listener.tls, now, report);
        names(&name, &listener.listener.tls, std::slice::from_ref(&setting.fqdn), report);
    }
    waits(setting, report);
    if setting.laboratory == Laboratory::Open {
        report.warning(
            GROUP,
            "laboratory: counters, tokens and packages can be set by hand (simyard eim operation)",
            "take the line out of the settings where real devices are",
        );
    }
    signing(setting, now, report);
    devices(config, setting, now, report);
}

/// What operations are measured by, and whom the eIM has woken.
fn waits(setting: &EimSetting, report: &mut Report) {
    let deadlines = &setting.waits.deadlines;
    let (answer, download) = (time(deadlines.answer), time(deadlines.download));
    let (switch, confirm) = (time(deadlines.switch), time(deadlines.confirm));
    let text = format!(
        "overdue: an answer after {answer}, a download after {download}, a switch after {switch}, its confirmation after {confirm}"
    );
    report.good(GROUP, text);
    let wanted = time(setting.waits.poll_wanted_after);
    let way = setting.download.name();
    let polls = setting.polls_of_euicc_per_hour;
    let text = format!(
        "downloads {way}; a poll is wanted of devices not expected within {wanted}; {polls} polls of an EID an hour without certificate"
    );
    report.good(GROUP, text);
}

/// Whole hours, or minutes.
fn time(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds => format!("{} min", seconds / 60),
    }
}

fn signing(setting: &EimSetting, now: Timestamp, report: &mut Report) {
    pair(&setting.signing, "eim.signing", now, report);
    for one in &setting.keys {
        pair(one, "eim.keys.", now, report);
    }
}

/// A certificate and its key; the names of their settings begin so.
fn pair(setting: &CredentialSetting, name: &str, now: Timestamp, report: &mut Report) {
    let separator = if name.ends_with('.') { "" } else { "_" };
    match credential(setting) {
        Ok(credential) if credential.certificate.is_of(&credential.key) => {
            lifetime(&format!("{name}{separator}certificate"), &credential.certificate, now, report);
        }
        Ok(_) => {
            let text = format!("{name}{separator}key does not belong to {name}{separator}certificate");
            report.bad(GROUP, text, "name the key that the certificate was made for");
        }
        Err(error) => report.bad(GROUP, error.to_string(), "name a readable certificate and its key"),
    }
}

/// Which keys eUICCs know; what the settings do not have can reach none of them.
pub(super) async fn keys(config: &Config, store: &Store, report: &mut Report) {
    let Some(setting) = &config.eim else { return };
    // Keys that cannot be read have been told already.
    let Ok(keys) = signing_keys(setting) else { return };
    let counts = match store.count_signing_keys().await {
        Ok(counts) => counts,
        Err(error) => return report.bad(GROUP, error.to_string(), "mend the store"),
    };
    let all = known_keys(&keys, &counts);
    if setting.keys.is_empty() && all.iter().all(|one| one.place == KeyPlace::First) {
        return;
    }
    for KeyCount { digest, euiccs, place } in &all {
        let key = format!("key {}", short(digest));
        match place {
            KeyPlace::First => {
                report.good(GROUP, format!("{key}, eim.signing_key: {}", counted(*euiccs, "eUICC")))
            }
            KeyPlace::Further if *euiccs == 0 => report.good(GROUP, format!("{key}: no eUICCs")),
            KeyPlace::Further => report.warning(
                GROUP,
                format!("{euiccs} eUICCs know {key}, not eim.signing_key"),
                "keep it in [[eim.keys]] until simyard eim rotate has brought them over",
            ),
            KeyPlace::Missing => report.bad(
                GROUP,
                format!("{euiccs} eUICCs know {key}, which the settings do not have"),
                "name it in [[eim.keys]]: nothing else is taken by them",
            ),
        }
    }
}

/// Devices that listen see the eIM's certificate as a client's.
pub(super) async fn listening(config: &Config, store: &Store, report: &mut Report) {
    let Some(setting) = &config.eim else { return };
    let devices = match store.count_devices_that_listen().await {
        Ok(0) => return,
        Ok(devices) => devices,
        Err(error) => return report.bad(GROUP, error.to_string(), "mend the store"),
    };
    let text = format!("devices that listen, and are brought what waits: {devices}");
    // A certificate that cannot be read has been told already.
    let shown = setting.listeners.first().and_then(|first| credential(&first.listener.tls).ok());
    let is_client = shown.is_none_or(|shown| shown.certificate.is_for_clients());
    if is_client {
        report.good(GROUP, text);
    } else {
        let text = format!("{text}; extKeyUsage of eim.certificate lacks clientAuth");
        report.bad(GROUP, text, "name a certificate that is for clients of TLS too: devices refuse this one");
    }
}

/// Enough of a digest to recognise it.
fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

fn devices(config: &Config, setting: &EimSetting, now: Timestamp, report: &mut Report) {
    if setting.eid_field == EidField::None {
        let text = "eid_field none: certificates stand for an EID by the list alone";
        report.good(GROUP, format!("{text} (simyard eim devices list)"));
    }
    // CIs that cannot be read have been told already.
    let Ok(cis) = cis(&config.ci) else { return };
    let anchors = check_anchors("eim.device_ca", device_cas(&setting.device_ca, &cis), now, report);
    if let Some(anchors) = anchors {
        super::certificates::check_lists("eim.device_crl", &setting.device_crl, &anchors, now, report);
    }
}
