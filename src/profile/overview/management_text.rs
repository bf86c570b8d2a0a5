//! Security domains, remote file management, applets and elements of issuers as text.

use super::plain::value;
use super::text::{Page, or_none};
use super::{Command, Instance, Overview, SecurityDomain};

impl Page {
    pub(super) fn management(&mut self, overview: &Overview) {
        if !overview.security_domains.is_empty() {
            self.title("Security domains");
        }
        for domain in &overview.security_domains {
            self.security_domain(domain);
        }
        if !overview.remote_file_management.is_empty() {
            self.title("Remote file management");
        }
        for management in &overview.remote_file_management {
            self.line(&format!("  {}", management.aid));
            if let Some(domain) = &management.security_domain {
                self.member(4, "security domain", domain);
            }
            self.member(4, "TARs", &or_none(&management.tars));
            self.member(4, "security level", &format!("at least {}", management.minimum_security_level));
            let access = format!(
                "{}, administrative {}",
                management.access_domain, management.administrative_access_domain
            );
            self.member(4, "files of the UICC", &access);
            if let Some(adf) = &management.adf {
                let with_aid = |it: &&super::Application| it.aid.as_deref() == Some(&adf.aid);
                let name = overview.applications.iter().find(with_aid).map_or(&adf.aid, |it| &it.path);
                let text =
                    format!("{}, administrative {}", adf.access_domain, adf.administrative_access_domain);
                self.member(4, &format!("files of {name}"), &text);
            }
        }
        if !overview.applets.is_empty() {
            self.title("Applets");
        }
        for applet in &overview.applets {
            if let Some(package) = &applet.load_package {
                self.line(&format!("  load package {}", package.aid));
                self.member(4, "code", &format!("{} octets, SHA-256 {}", package.octets, package.sha256));
                if let Some(domain) = &package.security_domain {
                    self.member(4, "security domain", domain);
                }
            }
            for instance in &applet.instances {
                self.line(&format!("  {}", instance.aid));
                self.member(4, "class", &format!("{} of {}", instance.class, instance.load_package));
                self.instance(instance);
            }
        }
    }

    fn security_domain(&mut self, domain: &SecurityDomain) {
        self.line(&format!("  {}", domain.instance.aid));
        self.instance(&domain.instance);
        if !domain.protocols.is_empty() {
            self.member(4, "protocols", &domain.protocols.join(", "));
        }
        for key in &domain.keys {
            let name = format!("key {:02X}/{:02X}", key.version, key.identifier);
            let what: Vec<&str> = key.protocol.into_iter().chain(key.purpose).collect();
            let words = [what.join(" "), key.key_type.clone(), key.value.text()];
            let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
            self.member(4, &name, &words.join(", "));
        }
        if !domain.personalisation.is_empty() {
            let blocks: Vec<String> = domain.personalisation.iter().map(super::Secret::text).collect();
            self.member(4, "STORE DATA", &blocks.join(", "));
        }
        if let Some(open) = &domain.open_personalisation {
            self.member(4, "openPersoData", &open.text());
        }
        if let Some(cat_tp) = &domain.cat_tp {
            self.member(4, "CAT_TP", cat_tp);
        }
    }

    fn instance(&mut self, instance: &Instance) {
        if let Some(domain) = &instance.security_domain {
            self.member(4, "security domain", domain);
        }
        self.member(4, "privileges", &or_none(&instance.privileges));
        self.member(4, "life cycle", &instance.life_cycle);
        if let Some(toolkit) = &instance.toolkit {
            match &toolkit.minimum_security_level {
                Some(level) => {
                    self.member(4, "TARs", &format!("{}, security level {level}", or_none(&toolkit.tars)))
                }
                None if !toolkit.tars.is_empty() => self.member(4, "TARs", &toolkit.tars.join(", ")),
                None => self.member(4, "toolkit", &toolkit.octets),
            }
        }
        if let Some(parameters) = &instance.applet_parameters {
            self.member(4, "parameters", &parameters.text());
        }
        for command in &instance.process_data {
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        if let Some(table) = &command.multi_imsi {
            self.member(4, "multi-IMSI table", &value(table));
        }
        for set in command.multi_imsi_keys.iter().flatten() {
            let text = format!("{}, K {}, OPc {}", set.algorithm, set.key.text(), set.opc.text());
            self.member(4, &format!("key set {}", set.reference), &text);
        }
        if let Some(data) = &command.data {
            self.member(4, "command", &data.text());
        }
    }

    pub(super) fn others(&mut self, overview: &Overview) {
        if overview.non_standard.is_empty() && overview.unknown.is_empty() {
            return;
        }
        self.title("Elements that are not standard");
        for other in &overview.non_standard {
            self.line(&format!("  of issuer {}: {}", other.issuer, other.content.text()));
        }
        for other in &overview.unknown {
            self.line(&format!("  with tag {}: {}", other.tag, other.content.text()));
        }
    }
}
