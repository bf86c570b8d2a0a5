//! The named test PKI of the shape of SGP.26, and its wrong twins.
//!
//! `certs/test-pki.toml` is the single source of names, validity and twins; this file knows what each kind of
//! certificate must contain (SGP.22 4.5.2). A twin is its original with one fault, and a key of its own.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use simyard_asn1::Oid;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::issue::{
    Content, Criticality, ExtensionId, IssueError, Issuer, PrivateKey, Subject, TlsSide, Validity,
    issue_root, issue_self_signed, with_bad_signature,
};
use super::role::Role;
use crate::env::{Rng, Timestamp};
use crate::ident::{Eid, ServerAddress};

/// The descriptions that the PKI is issued from.
const DESCRIPTION: &str = include_str!("../../certs/test-pki.toml");
/// How many digits of the EID the test EUM may issue: the IIN of SGP.02, as in SGP.26.
const EID_PREFIX_LEN: usize = 8;
const DAY: u64 = 86_400;

/// The certificates of the test PKI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The CI.
    Ci,
    /// The eUICC manufacturer.
    Eum,
    /// The eUICC.
    Euicc,
    /// The SM-DP+ towards the eUICC.
    DpAuth,
    /// The SM-DP+ binding profiles.
    DpPb,
    /// TLS of the SM-DP+.
    DpTls,
    /// An operator's client certificate.
    Operator,
    /// A device's client certificate.
    Device,
}

impl Kind {
    /// The name in the description and of the files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Eum => "eum",
            Self::Euicc => "euicc",
            Self::DpAuth => "dp-auth",
            Self::DpPb => "dp-pb",
            Self::DpTls => "dp-tls",
            Self::Operator => "operator",
            Self::Device => "device",
        }
    }
}

/// The one thing that is wrong with a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// notAfter lies in the past.
    Expired,
    /// Issued under another CI.
    UnknownCi,
    /// certificatePolicies names another role.
    WrongRole,
    /// The EID is none that the EUM may issue.
    OutsideRange,
    /// The OID is another than that of DPauth.
    OtherOid,
    /// The dNSName is another host.
    WrongHost,
    /// No issuer is named.
    NoAuthorityKeyIdentifier,
    /// Issued by itself.
    SelfSigned,
    /// The signature does not verify.
    BadSignature,
}

impl Fault {
    /// The name in the description and of the files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::UnknownCi => "unknown-ci",
            Self::WrongRole => "wrong-role",
            Self::OutsideRange => "outside-range",
            Self::OtherOid => "other-oid",
            Self::WrongHost => "wrong-host",
            Self::NoAuthorityKeyIdentifier => "no-authority-key-identifier",
            Self::SelfSigned => "self-signed",
            Self::BadSignature => "bad-signature",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
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
    device: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    purpose: String,
    days: u32,
    country: Option<String>,
    organization: Option<String>,
    common_name: Option<String>,
    oid: Option<String>,
    #[serde(default)]
    twins: Vec<Fault>,
}

impl Description {
    fn read() -> Result<Self, IssueError> {
        toml::from_str(DESCRIPTION).map_err(|error| IssueError::Description(error.to_string()))
    }

    const fn entry(&self, kind: Kind) -> &Entry {
        match kind {
            Kind::Ci => &self.certificate.ci,
            Kind::Eum => &self.certificate.eum,
            Kind::Euicc => &self.certificate.euicc,
            Kind::DpAuth => &self.certificate.dp_auth,
            Kind::DpPb => &self.certificate.dp_pb,
            Kind::DpTls => &self.certificate.dp_tls,
            Kind::Operator => &self.certificate.operator,
            Kind::Device => &self.certificate.device,
        }
    }

    fn fault(&self, fault: Fault) -> &str {
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
        }
    }

    /// What every certificate of this kind says. Still missing are the range of an EUM, the EID of an eUICC and the
    /// hosts of a TLS certificate.
    fn content(&self, kind: Kind, now: Timestamp) -> Result<Content, IssueError> {
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
            Kind::Operator | Kind::Device => content.signs_messages().tls(TlsSide::Client),
        })
    }

    fn eum(&self, eid: &Eid, now: Timestamp) -> Result<Content, IssueError> {
        let content = self.content(Kind::Eum, now)?;
        let organization = content.subject.organization.clone().unwrap_or_default();
        let eid_prefix: String = eid.as_str().chars().take(EID_PREFIX_LEN).collect();
        content.range(&[(&organization, &eid_prefix)])
    }

    fn euicc(&self, eid: &Eid, now: Timestamp) -> Result<Content, IssueError> {
        let mut content = self.content(Kind::Euicc, now)?;
        content.subject.serial_number = Some(eid.to_string());
        Ok(content)
    }

    fn dp_tls(&self, host_names: &[String], oid: &Oid, now: Timestamp) -> Result<Content, IssueError> {
        let is_host =
            |name: &&String| ServerAddress::parse(name).is_ok_and(|address| address.host() == **name);
        if let Some(name) = host_names.iter().find(|name| !is_host(name)) {
            return Err(IssueError::HostName(name.clone()));
        }
        let mut content = self.content(Kind::DpTls, now)?.names(host_names, Some(oid));
        content.subject.common_name = host_names.first().cloned();
        Ok(content)
    }
}

impl Entry {
    fn oid(&self) -> Result<Option<Oid>, IssueError> {
        let read = |text: &String| {
            Oid::parse(text).ok_or_else(|| IssueError::Description(format!("{text:?} is no OID")))
        };
        self.oid.as_ref().map(read).transpose()
    }
}

/// Valid from yesterday on, so that a peer whose clock is behind accepts it too.
fn validity(now: Timestamp, days: u32) -> Validity {
    Validity {
        not_before: Timestamp::from_secs(now.as_secs().saturating_sub_unsigned(DAY)),
        not_after: now.plus(Duration::from_secs(u64::from(days) * DAY)),
    }
}

/// What a test PKI is made for.
#[derive(Clone, Debug)]
pub struct TestPkiOptions {
    /// The dNSNames of the SM-DP+; the first is its commonName.
    pub host_names: Vec<String>,
    /// The EID of the virtual eUICC; its first eight digits are the range of the EUM.
    pub eid: Eid,
}

/// A certificate that was issued, with its private key.
#[derive(Clone)]
pub struct Issued {
    /// Which one it is.
    pub kind: Kind,
    /// What is wrong with it, if it is a twin.
    pub fault: Option<Fault>,
    /// The certificate.
    pub certificate: Certificate,
    /// Its private key.
    pub key: PrivateKey,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({})", self.name())
    }
}

impl Issued {
    /// The name of its files, without extension: `eum`, `eum-expired`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.fault {
            Some(fault) => format!("{}-{}", self.kind.as_str(), fault.as_str()),
            None => self.kind.as_str().to_owned(),
        }
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, self.certificate.der())
            .unwrap_or_default()
    }

    fn issuer(&self) -> Result<Issuer, IssueError> {
        Issuer::new(self.certificate.clone(), self.key.signing_key()?)
    }
}

impl Issuer {
    /// Issues an eUICC certificate: the organisation is the EUM's. The range of the EUM is not looked at.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_euicc(&self, eid: &Eid, rng: &Rng, now: Timestamp) -> Result<Issued, IssueError> {
        let mut content = Description::read()?.euicc(eid, now)?;
        content.subject.organization = self.certificate().organization().map(str::to_owned);
        self.issue_right(Kind::Euicc, &content, rng)
    }

    /// Issues a TLS certificate of the SM-DP+ with this OID for these hosts.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_tls(
        &self,
        host_names: &[String],
        oid: &Oid,
        rng: &Rng,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let content = Description::read()?.dp_tls(host_names, oid, now)?;
        self.issue_right(Kind::DpTls, &content, rng)
    }

    /// Issues an operator's client certificate for ES2+.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_operator(
        &self,
        name: &str,
        oid: &Oid,
        rng: &Rng,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let mut content = Description::read()?.content(Kind::Operator, now)?.names(&[], Some(oid));
        content.subject.organization = Some(name.to_owned());
        content.subject.common_name = Some(name.to_owned());
        self.issue_right(Kind::Operator, &content, rng)
    }

    fn issue_right(&self, kind: Kind, content: &Content, rng: &Rng) -> Result<Issued, IssueError> {
        let key = PrivateKey::draw(rng);
        let certificate = self.issue(content, key.signing_key()?.public_key(), rng)?;
        Ok(Issued { kind, fault: None, certificate, key })
    }
}

/// The whole test PKI. Private keys are wiped when it is dropped.
#[derive(Debug)]
pub struct TestPki {
    /// The CI: trust anchor of everybody.
    pub ci: Issued,
    /// The eUICC manufacturer.
    pub eum: Issued,
    /// The eUICC of the virtual device.
    pub euicc: Issued,
    /// The SM-DP+ towards the eUICC.
    pub dp_auth: Issued,
    /// The SM-DP+ binding profiles.
    pub dp_pb: Issued,
    /// TLS of the SM-DP+.
    pub dp_tls: Issued,
    /// An operator's client certificate.
    pub operator: Issued,
    /// A device's client certificate.
    pub device: Issued,
    /// A CI that nobody trusts: the twins with [`Fault::UnknownCi`] lie under it.
    pub other_ci: Issued,
    /// The wrong twins of the others.
    pub twins: Vec<Issued>,
}

impl TestPki {
    /// Draws all keys and issues all certificates.
    ///
    /// # Errors
    /// [`IssueError`] for host names and dates that do not fit into certificates.
    pub fn generate(rng: &Rng, now: Timestamp, options: &TestPkiOptions) -> Result<Self, IssueError> {
        let description = Description::read()?;
        let root = |rng: &Rng| {
            let key = PrivateKey::draw(rng);
            let content = description.content(Kind::Ci, now)?;
            let certificate = issue_root(&content, &key.signing_key()?, rng)?;
            Ok::<_, IssueError>(Issued { kind: Kind::Ci, fault: None, certificate, key })
        };
        let (ci, other_ci) = (root(rng)?, root(rng)?);
        let (issuer, other_issuer) = (ci.issuer()?, other_ci.issuer()?);
        let dp_oid = description.entry(Kind::DpTls).oid()?;
        let dp_oid = dp_oid.ok_or_else(|| IssueError::Description("dp-tls has no oid".to_owned()))?;

        let mut batch = Batch { description: &description, rng, now, twins: Vec::new() };
        let ci_issuers = [&issuer, &other_issuer];
        let eum = batch.issue(Kind::Eum, &description.eum(&options.eid, now)?, ci_issuers)?;
        let other_eum = batch.twins.iter().find(|twin| twin.fault == Some(Fault::UnknownCi));
        let other_eum = other_eum
            .ok_or_else(|| IssueError::Description("eum has no twin unknown-ci".to_owned()))?
            .issuer()?;
        let eum_issuers = [&eum.issuer()?, &other_eum];
        let euicc = batch.issue(Kind::Euicc, &description.euicc(&options.eid, now)?, eum_issuers)?;
        let dp_tls = description.dp_tls(&options.host_names, &dp_oid, now)?;
        let mut below_ci = |kind| batch.issue(kind, &description.content(kind, now)?, ci_issuers);
        Ok(Self {
            dp_auth: below_ci(Kind::DpAuth)?,
            dp_pb: below_ci(Kind::DpPb)?,
            operator: below_ci(Kind::Operator)?,
            device: below_ci(Kind::Device)?,
            dp_tls: batch.issue(Kind::DpTls, &dp_tls, ci_issuers)?,
            euicc,
            ci,
            eum,
            other_ci,
            twins: batch.twins,
        })
    }

    /// The right certificates, each once.
    #[must_use]
    pub const fn certificates(&self) -> [&Issued; 8] {
        [
            &self.ci,
            &self.eum,
            &self.euicc,
            &self.dp_auth,
            &self.dp_pb,
            &self.dp_tls,
            &self.operator,
            &self.device,
        ]
    }

    /// The twin of a certificate with this fault, where the description asks for one.
    #[must_use]
    pub fn twin(&self, kind: Kind, fault: Fault) -> Option<&Issued> {
        self.twins.iter().find(|twin| twin.kind == kind && twin.fault == Some(fault))
    }

    /// The CI as an issuer of further certificates.
    ///
    /// # Errors
    /// [`IssueError`] never in practice: certificate and key were issued together.
    pub fn ci_issuer(&self) -> Result<Issuer, IssueError> {
        self.ci.issuer()
    }

    /// The EUM as an issuer of further eUICC certificates.
    ///
    /// # Errors
    /// [`IssueError`] never in practice: certificate and key were issued together.
    pub fn eum_issuer(&self) -> Result<Issuer, IssueError> {
        self.eum.issuer()
    }

    /// Writes all certificates and keys as PEM into `folder`, twins into `wrong/` below it; keys are readable for
    /// their owner alone. Returns what was written, with the purpose of each.
    ///
    /// # Errors
    /// [`WriteError`]; a folder with something in it is refused unless `existing` says otherwise.
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<Vec<Written>, WriteError> {
        let description = Description::read()?;
        let wrong = folder.join("wrong");
        if existing == Existing::Refuse && !is_empty(folder)? {
            return Err(WriteError::NotEmpty(folder.to_owned()));
        }
        fs::create_dir_all(&wrong).map_err(|source| WriteError::Io { path: wrong.clone(), source })?;
        let mut written = Vec::new();
        for issued in self.certificates() {
            let purpose = description.entry(issued.kind).purpose.clone();
            written.push(write_pair(folder, &issued.name(), issued, purpose)?);
        }
        let purpose = "A CI that nobody trusts.".to_owned();
        written.push(write_pair(&wrong, "other-ci", &self.other_ci, purpose)?);
        for twin in &self.twins {
            let purpose = twin.fault.map_or("", |fault| description.fault(fault)).to_owned();
            written.push(write_pair(&wrong, &twin.name(), twin, purpose)?);
        }
        Ok(written)
    }
}

/// Issues certificates, and collects the twins that the description asks for.
struct Batch<'a> {
    description: &'a Description,
    rng: &'a Rng,
    now: Timestamp,
    twins: Vec<Issued>,
}

impl Batch<'_> {
    /// Issues the right certificate; `issuers` are its issuer and the same of the other PKI.
    fn issue(&mut self, kind: Kind, content: &Content, issuers: [&Issuer; 2]) -> Result<Issued, IssueError> {
        for fault in &self.description.entry(kind).twins {
            self.twins.push(twin(kind, *fault, content, issuers, self.rng, self.now)?);
        }
        let [issuer, _other] = issuers;
        issuer.issue_right(kind, content, self.rng)
    }
}

/// The content with one fault, issued; `issuers` are the right one and the one of the other PKI.
fn twin(
    kind: Kind,
    fault: Fault,
    right: &Content,
    issuers: [&Issuer; 2],
    rng: &Rng,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let [issuer, other_issuer] = issuers;
    let key = PrivateKey::draw(rng);
    let signing = key.signing_key()?;
    let subject = signing.public_key();
    let mut content = right.clone();
    let certificate = match fault {
        Fault::Expired => {
            let ago = |days: u64| Timestamp::from_secs(now.as_secs().saturating_sub_unsigned(days * DAY));
            content.validity = Validity { not_before: ago(30), not_after: ago(1) };
            issuer.issue(&content, subject, rng)
        }
        Fault::WrongRole => {
            let content = content.role(wrong_role(kind), Criticality::Critical);
            issuer.issue(&content, subject, rng)
        }
        Fault::OutsideRange => {
            content.subject.serial_number = content.subject.serial_number.as_deref().map(outside_range);
            issuer.issue(&content, subject, rng)
        }
        Fault::OtherOid => {
            let content = content.names(&[], Oid::parse("2.999.11").as_ref());
            issuer.issue(&content, subject, rng)
        }
        Fault::WrongHost => {
            let content = content.names(&["wrong.example".to_owned()], Oid::parse("2.999.10").as_ref());
            issuer.issue(&content, subject, rng)
        }
        Fault::NoAuthorityKeyIdentifier => {
            issuer.issue(&content.without(ExtensionId::AuthorityKeyIdentifier), subject, rng)
        }
        Fault::UnknownCi => other_issuer.issue(&content, subject, rng),
        Fault::SelfSigned => issue_self_signed(&content, &signing, rng),
        Fault::BadSignature => with_bad_signature(&issuer.issue(&content, subject, rng)?),
    }?;
    Ok(Issued { kind, fault: Some(fault), certificate, key })
}

/// A role that a certificate of this kind must not have.
const fn wrong_role(kind: Kind) -> Role {
    match kind {
        Kind::Ci | Kind::Eum | Kind::Euicc => Role::DpAuth,
        Kind::DpAuth => Role::DpPb,
        Kind::DpPb => Role::DpAuth,
        Kind::DpTls => Role::DsTls,
        Kind::Operator | Kind::Device => Role::Euicc,
    }
}

/// The EID with its first digits moved on, and its check digits made right again.
fn outside_range(eid: &str) -> String {
    let mut digits = eid.to_owned();
    let last_of_prefix = EID_PREFIX_LEN - 1;
    let moved = if digits.get(last_of_prefix..EID_PREFIX_LEN) == Some("9") { "8" } else { "9" };
    digits.replace_range(last_of_prefix..EID_PREFIX_LEN, moved);
    let body = digits.get(..30).unwrap_or_default();
    Eid::with_check_digits(body).map_or(digits.clone(), |eid| eid.to_string())
}

/// What to do with a folder that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    Refuse,
    /// Replace files of the same names.
    Replace,
}

/// Files that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What it is for, or what is wrong with it.
    pub purpose: String,
}

/// Why the PKI could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something is in the folder.
    #[error(
        "{0} is not empty: name an empty or new folder, or say --force to replace the certificates and keys in it"
    )]
    NotEmpty(PathBuf),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key or description could not be turned into text.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// A folder that does not exist counts as empty.
fn is_empty(folder: &Path) -> Result<bool, WriteError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(WriteError::Io { path: folder.to_owned(), source }),
    }
}

fn write_pair(folder: &Path, name: &str, issued: &Issued, purpose: String) -> Result<Written, WriteError> {
    let certificate = folder.join(format!("{name}.pem"));
    let key = folder.join(format!("{name}.key.pem"));
    let pem: Zeroizing<String> = issued.key.to_pkcs8_pem().map_err(IssueError::from)?;
    write_file(&certificate, issued.certificate_pem().as_bytes(), Readers::Everybody)?;
    write_file(&key, pem.as_bytes(), Readers::Owner)?;
    Ok(Written { certificate, key, purpose })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Everybody,
    Owner,
}

/// Writes a new file: an old one is removed first, as it would keep its mode.
fn write_file(path: &Path, octets: &[u8], readers: Readers) -> Result<(), WriteError> {
    let failed = |source| WriteError::Io { path: path.to_owned(), source };
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed(source)),
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if readers == Readers::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path).and_then(|mut file| file.write_all(octets)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

    fn options() -> TestPkiOptions {
        TestPkiOptions {
            host_names: vec!["localhost".to_owned(), "smdp.example".to_owned()],
            eid: Eid::parse("89049032000000000000279973200019").unwrap(),
        }
    }

    #[test]
    fn the_description_names_every_fault_as_its_files() {
        let description = Description::read().unwrap();
        for kind in [Kind::Ci, Kind::Eum, Kind::Euicc, Kind::DpAuth, Kind::DpPb, Kind::DpTls] {
            let line = format!("[certificate.{}]", kind.as_str());
            assert!(DESCRIPTION.contains(&line), "{line}");
            for fault in &description.entry(kind).twins {
                assert!(DESCRIPTION.contains(&format!("\n{} = ", fault.as_str())), "{fault:?}");
                assert!(!description.fault(*fault).is_empty());
            }
        }
    }

    #[test]
    fn a_seed_repeats_the_keys_and_the_names_of_files_are_unique() {
        let pki = TestPki::generate(&Rng::seeded(1), NOW, &options()).unwrap();
        let again = TestPki::generate(&Rng::seeded(1), NOW, &options()).unwrap();
        assert_eq!(pki.eum.certificate.public_key(), again.eum.certificate.public_key());
        let mut names: Vec<String> = pki.twins.iter().map(Issued::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!((names.len(), count), (count, 39));
        for issued in pki.certificates().into_iter().chain(&pki.twins) {
            assert!(issued.certificate.is_of(&issued.key.signing_key().unwrap()), "{issued:?}");
        }
    }

    #[test]
    fn the_twin_outside_the_range_differs_in_the_range_alone() {
        for eid in ["89049032000000000000279973200019", "89049039000000000000279973200019"] {
            let moved = Eid::parse(&outside_range(eid)).unwrap();
            assert!(moved.has_valid_check_digits());
            assert_ne!(moved.as_str()[..8], eid[..8]);
            assert_eq!(moved.as_str()[8..30], eid[8..30]);
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_kept_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let pki = TestPki::generate(&Rng::seeded(1), NOW, &options()).unwrap();
        let target = folder.path().join("pki");
        let written = pki.write_to(&target, Existing::Refuse).unwrap();
        assert_eq!(written.len(), 8 + 1 + pki.twins.len());
        assert!(matches!(pki.write_to(&target, Existing::Refuse), Err(WriteError::NotEmpty(_))));
        let other = TestPki::generate(&Rng::seeded(2), NOW, &options()).unwrap();
        other.write_to(&target, Existing::Replace).unwrap();
        let pem = fs::read_to_string(target.join("ci.pem")).unwrap();
        assert_eq!(pem, other.ci.certificate_pem());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name: &str| fs::metadata(target.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode("ci.key.pem"), 0o600);
            assert_eq!(mode("wrong/eum-expired.key.pem"), 0o600);
        }
    }
}
