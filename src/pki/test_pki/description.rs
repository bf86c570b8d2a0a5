//! `certs/test-pki.toml`, and what each kind of certificate must contain (SGP.22 4.5.2).

use std::time::Duration;

use serde::Deserialize;
use simyard_asn1::Oid;

use super::{DAY, EID_PREFIX_LEN, Fault, Kind};
use crate::env::Timestamp;
use crate::ident::{Eid, ServerAddress};
use crate::pki::issue::{Content, Criticality, IssueError, MAX_ATTRIBUTE_CHARS, Subject, TlsSide, Validity};
use crate::pki::role::Role;

/// The descriptions that the PKI is issued from.
pub(super) const DESCRIPTION: &str = include_str!("../../../certs/test-pki.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    authority: Authority,
    fault: Faults,
    certificate: Entries,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authority {
    crl: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Faults {
    expired: String,
    unknown_ci: String,
    wrong_role: String,
    outside_range: String,
    other_oid: String,
    wrong_host: String,
    no_authority_key_identifier: String,
    self_signed: String,
    bad_signature: String,
    gsma_ci: String,
    no_eid: String,
    other_eid: String,
    no_client_auth: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entries {
    ci: Entry,
    eum: Entry,
    euicc: Entry,
    dp_auth: Entry,
    dp_pb: Entry,
    dp_tls: Entry,
    operator: Entry,
    manufacturer: Entry,
    eim_ca: Entry,
    eim_sign: Entry,
    eim_tls: Entry,
    device_ca: Entry,
    device: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) purpose: String,
    days: u32,
    country: Option<String>,
    organization: Option<String>,
    common_name: Option<String>,
    oid: Option<String>,
    #[serde(default)]
    pub(super) twins: Vec<Fault>,
}

impl Description {
    pub(super) fn read() -> Result<Self, IssueError> {
        toml::from_str(DESCRIPTION).map_err(|error| IssueError::Description(error.to_string()))
    }

    pub(super) const fn entry(&self, kind: Kind) -> &Entry {
        match kind {
            Kind::Ci => &self.certificate.ci,
            Kind::Eum => &self.certificate.eum,
            Kind::Euicc => &self.certificate.euicc,
            Kind::DpAuth => &self.certificate.dp_auth,
            Kind::DpPb => &self.certificate.dp_pb,
            Kind::DpTls => &self.certificate.dp_tls,
            Kind::Operator => &self.certificate.operator,
            Kind::Manufacturer => &self.certificate.manufacturer,
            Kind::EimCa => &self.certificate.eim_ca,
            Kind::EimSign => &self.certificate.eim_sign,
            Kind::EimTls => &self.certificate.eim_tls,
            Kind::DeviceCa => &self.certificate.device_ca,
            Kind::Device => &self.certificate.device,
        }
    }

    pub(super) fn fault(&self, fault: Fault) -> &str {
        match fault {
            Fault::Expired => &self.fault.expired,
            Fault::UnknownCi => &self.fault.unknown_ci,
            Fault::WrongRole => &self.fault.wrong_role,
            Fault::OutsideRange => &self.fault.outside_range,
            Fault::OtherOid => &self.fault.other_oid,
            Fault::WrongHost => &self.fault.wrong_host,
            Fault::NoAuthorityKeyIdentifier => &self.fault.no_authority_key_identifier,
            Fault::SelfSigned => &self.fault.self_signed,
            Fault::BadSignature => &self.fault.bad_signature,
            Fault::GsmaCi => &self.fault.gsma_ci,
            Fault::NoEid => &self.fault.no_eid,
            Fault::OtherEid => &self.fault.other_eid,
            Fault::NoClientAuth => &self.fault.no_client_auth,
        }
    }

    /// What every certificate of this kind says. Still missing are the range of an EUM, the EID of an eUICC or a device
    /// and the hosts of a TLS certificate.
    pub(super) fn content(&self, kind: Kind, now: Timestamp) -> Result<Content, IssueError> {
        let entry = self.entry(kind);
        let critical = Criticality::Critical;
        let subject = Subject {
            country: entry.country.clone(),
            organization: entry.organization.clone(),
            serial_number: None,
            common_name: entry.common_name.clone(),
        };
        let content = Content::new(subject, validity(now, entry.days)).names(&[], entry.oid()?.as_ref());
        let lists = self.authority.crl.as_slice();
        Ok(match kind {
            Kind::Ci => content
                .signs_certificates_and_lists()
                .role(Role::Ci, critical)
                .authority(None)
                .revocation_lists(lists),
            Kind::Eum => content
                .signs_certificates()
                .role(Role::Eum, critical)
                .authority(Some(0))
                .revocation_lists(lists.get(..1).unwrap_or_default()),
            Kind::Euicc => content.signs_messages().role(Role::Euicc, critical),
            Kind::DpAuth => content.signs_messages().role(Role::DpAuth, critical).revocation_lists(lists),
            Kind::DpPb => content.signs_messages().role(Role::DpPb, critical).revocation_lists(lists),
            Kind::DpTls => content
                .signs_messages()
                .tls(TlsSide::ServerAndClient)
                .role(Role::DpTls, Criticality::NonCritical)
                .revocation_lists(lists),
            Kind::Operator | Kind::Manufacturer | Kind::Device => {
                content.signs_messages().tls(TlsSide::Client)
            }
            Kind::EimCa | Kind::DeviceCa => content.signs_certificates_and_lists().authority(Some(0)),
            Kind::EimSign => content.signs_messages(),
            Kind::EimTls => content.signs_messages().tls(TlsSide::ServerAndClient),
        })
    }

    pub(super) fn eum(&self, eid: &Eid, now: Timestamp) -> Result<Content, IssueError> {
        let content = self.content(Kind::Eum, now)?;
        let organization = content.subject.organization.clone().unwrap_or_default();
        let eid_prefix: String = eid.as_str().chars().take(EID_PREFIX_LEN).collect();
        content.range(&[(&organization, &eid_prefix)])
    }

    pub(super) fn euicc(&self, eid: &Eid, now: Timestamp) -> Result<Content, IssueError> {
        let mut content = self.content(Kind::Euicc, now)?;
        content.subject.serial_number = Some(eid.to_string());
        Ok(content)
    }

    pub(super) fn dp_tls(
        &self,
        host_names: &[String],
        oid: &Oid,
        now: Timestamp,
    ) -> Result<Content, IssueError> {
        check_hosts(host_names)?;
        let mut content = self.content(Kind::DpTls, now)?.names(host_names, Some(oid));
        content.subject.common_name = host_names.first().cloned();
        Ok(content)
    }

    pub(super) fn eim_tls(&self, host_names: &[String], now: Timestamp) -> Result<Content, IssueError> {
        check_hosts(host_names)?;
        let mut content = self.content(Kind::EimTls, now)?.names(host_names, None);
        // A host name may be longer than a commonName: then dNSName alone has it.
        content.subject.common_name =
            host_names.iter().find(|name| name.len() <= MAX_ATTRIBUTE_CHARS).cloned();
        Ok(content)
    }

    pub(super) fn device(&self, eid: &Eid, now: Timestamp) -> Result<Content, IssueError> {
        let mut content = self.content(Kind::Device, now)?;
        content.subject.serial_number = Some(eid.to_string());
        Ok(content)
    }
}

fn check_hosts(host_names: &[String]) -> Result<(), IssueError> {
    let is_host = |name: &&String| ServerAddress::parse(name).is_ok_and(|address| address.host() == **name);
    match host_names.iter().find(|name| !is_host(name)) {
        Some(name) => Err(IssueError::HostName(name.clone())),
        None => Ok(()),
    }
}

impl Entry {
    pub(super) fn oid(&self) -> Result<Option<Oid>, IssueError> {
        let read = |text: &String| {
            Oid::parse(text).ok_or_else(|| IssueError::Description(format!("{text:?} is no OID")))
        };
        self.oid.as_ref().map(read).transpose()
    }
}

/// Valid from yesterday on, so that a peer whose clock is behind accepts it too.
pub(super) fn validity(now: Timestamp, days: u32) -> Validity {
    Validity {
        not_before: Timestamp::from_secs(now.as_secs().saturating_sub_unsigned(DAY)),
        not_after: now.plus(Duration::from_secs(u64::from(days) * DAY)),
    }
}
