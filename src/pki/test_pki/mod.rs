//! The named test PKI of the shape of SGP.26, and its wrong twins.
//!
//! `certs/test-pki.toml` is the single source of names, validity and twins; [`description`] knows what each kind of
//! certificate must contain (SGP.22 4.5.2). A twin is its original with one fault, and a key of its own.

use std::ops::Deref;

use crate::crypto::ecdsa::Curve;
use crate::env::{Rng, Timestamp};
use crate::ident::Eid;
use crate::pki::issue::{Content, IssueError, Issuer, PrivateKey, issue_root};

mod description;
mod folder;
mod issued;
mod kind;
mod twin;

pub use folder::{Existing, WriteError, Written};
pub use issued::{Issued, pem};
pub use kind::{Fault, Kind};

use description::Description;

/// How many digits of the EID the test EUM may issue: the IIN of SGP.02, as in SGP.26.
const EID_PREFIX_LEN: usize = 8;
const DAY: u64 = 86_400;

/// What a test PKI is made for.
#[derive(Clone, Debug)]
pub struct TestPkiOptions {
    /// The dNSNames of the SM-DP+ and of the eIM; the first is the commonName.
    pub host_names: Vec<String>,
    /// The EID of the virtual eUICC and of the device that it is in; its first eight digits are the range of the EUM.
    pub eid: Eid,
}

/// What eUICCs look at, on one curve under one CI. Private keys are wiped when it is dropped.
#[derive(Debug)]
pub struct CurveSet {
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
    /// A CI that nobody trusts: the twins with [`Fault::UnknownCi`] lie under it.
    pub other_ci: Issued,
    /// The wrong twins of the others.
    pub twins: Vec<Issued>,
}

impl CurveSet {
    /// Draws all keys on `curve` and issues all certificates. The eUICC has the same EID on each curve.
    ///
    /// # Errors
    /// [`IssueError`] for dates that do not fit into certificates.
    pub fn generate(
        rng: &Rng,
        now: Timestamp,
        options: &TestPkiOptions,
        curve: Curve,
    ) -> Result<Self, IssueError> {
        let description = Description::read()?;
        let ci = description.root(Kind::Ci, curve, rng, now)?;
        let other_ci = description.root(Kind::Ci, curve, rng, now)?;
        let ci_issuers = [&ci.issuer()?, &other_ci.issuer()?];
        let mut batch = Batch { description: &description, curve, rng, now, twins: Vec::new() };
        let eum = batch.issue(Kind::Eum, &description.eum(&options.eid, now)?, ci_issuers)?;
        let other_eum = batch.twins.iter().find(|twin| twin.fault == Some(Fault::UnknownCi));
        let other_eum = other_eum
            .ok_or_else(|| IssueError::Description("eum has no twin unknown-ci".to_owned()))?
            .issuer()?;
        let eum_issuers = [&eum.issuer()?, &other_eum];
        let euicc = batch.issue(Kind::Euicc, &description.euicc(&options.eid, now)?, eum_issuers)?;
        let mut below_ci = |kind| batch.issue(kind, &description.content(kind, now)?, ci_issuers);
        let (dp_auth, dp_pb) = (below_ci(Kind::DpAuth)?, below_ci(Kind::DpPb)?);
        Ok(Self { dp_auth, dp_pb, euicc, eum, twins: batch.twins, ci, other_ci })
    }

    /// The right certificates, each once.
    #[must_use]
    pub const fn certificates(&self) -> [&Issued; 5] {
        [&self.ci, &self.eum, &self.euicc, &self.dp_auth, &self.dp_pb]
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
}

/// The test PKI on P-256, with what TLS and the eIM need beside the [`CurveSet`]. Private keys are wiped when it is
/// dropped.
#[derive(Debug)]
pub struct TestPki {
    set: CurveSet,
    /// TLS of the SM-DP+.
    pub dp_tls: Issued,
    /// An operator's client certificate.
    pub operator: Issued,
    /// A SIM manufacturer's client certificate.
    pub manufacturer: Issued,
    /// Root of the eIM's certificates, which is no GSMA CI.
    pub eim_ca: Issued,
    /// The eIM towards eUICCs.
    pub eim_sign: Issued,
    /// TLS of the eIM.
    pub eim_tls: Issued,
    /// Root of devices' client certificates, which is no GSMA CI.
    pub device_ca: Issued,
    /// A device's client certificate; it names the EID of the options.
    pub device: Issued,
}

/// All that a set has, a PKI has.
impl Deref for TestPki {
    type Target = CurveSet;

    fn deref(&self) -> &CurveSet {
        &self.set
    }
}

impl TestPki {
    /// Draws all keys and issues all certificates.
    ///
    /// # Errors
    /// [`IssueError`] for host names and dates that do not fit into certificates.
    pub fn generate(rng: &Rng, now: Timestamp, options: &TestPkiOptions) -> Result<Self, IssueError> {
        let curve = Curve::P256;
        let mut set = CurveSet::generate(rng, now, options, curve)?;
        let description = Description::read()?;
        let dp_oid = description.entry(Kind::DpTls).oid()?;
        let dp_oid = dp_oid.ok_or_else(|| IssueError::Description("dp-tls has no oid".to_owned()))?;
        let ci_issuers = [&set.ci.issuer()?, &set.other_ci.issuer()?];
        let twins = std::mem::take(&mut set.twins);
        let mut batch = Batch { description: &description, curve, rng, now, twins };
        let operator = description.content(Kind::Operator, now)?;
        let operator = batch.issue(Kind::Operator, &operator, ci_issuers)?;
        let dp_tls = description.dp_tls(&options.host_names, &dp_oid, now)?;
        let dp_tls = batch.issue(Kind::DpTls, &dp_tls, ci_issuers)?;
        let manufacturer = description.content(Kind::Manufacturer, now)?;
        let manufacturer = batch.issue(Kind::Manufacturer, &manufacturer, ci_issuers)?;
        let [ci, other_ci] = ci_issuers;
        let eim_ca = description.root(Kind::EimCa, curve, rng, now)?;
        let eim_issuers = [&eim_ca.issuer()?, other_ci];
        let eim_sign = description.content(Kind::EimSign, now)?;
        let eim_sign = batch.issue(Kind::EimSign, &eim_sign, eim_issuers)?;
        let eim_tls = description.eim_tls(&options.host_names, now)?;
        let eim_tls = batch.issue(Kind::EimTls, &eim_tls, eim_issuers)?;
        let device_ca = description.root(Kind::DeviceCa, curve, rng, now)?;
        let device = description.device(&options.eid, now)?;
        let device = batch.issue(Kind::Device, &device, [&device_ca.issuer()?, ci])?;
        set.twins = batch.twins;
        Ok(Self { set, dp_tls, operator, manufacturer, eim_ca, eim_sign, eim_tls, device_ca, device })
    }

    /// The right certificates, each once.
    #[must_use]
    pub const fn certificates(&self) -> [&Issued; 13] {
        let [ci, eum, euicc, dp_auth, dp_pb] = self.set.certificates();
        let Self { dp_tls, operator, manufacturer, eim_ca, eim_sign, eim_tls, device_ca, device, .. } = self;
        [
            ci,
            eum,
            euicc,
            dp_auth,
            dp_pb,
            dp_tls,
            operator,
            manufacturer,
            eim_ca,
            eim_sign,
            eim_tls,
            device_ca,
            device,
        ]
    }

    /// The CA of devices as an issuer of further certificates.
    ///
    /// # Errors
    /// [`IssueError`] never in practice: certificate and key were issued together.
    pub fn device_issuer(&self) -> Result<Issuer, IssueError> {
        self.device_ca.issuer()
    }
}

impl Description {
    /// A root with a key of its own.
    fn root(&self, kind: Kind, curve: Curve, rng: &Rng, now: Timestamp) -> Result<Issued, IssueError> {
        let key = PrivateKey::draw(rng, curve);
        let certificate = issue_root(&self.content(kind, now)?, &key.signing_key()?, rng)?;
        Ok(Issued { kind, fault: None, certificate, key })
    }
}

/// Issues certificates, and collects the twins that the description asks for.
struct Batch<'a> {
    description: &'a Description,
    curve: Curve,
    rng: &'a Rng,
    now: Timestamp,
    twins: Vec<Issued>,
}

impl Batch<'_> {
    /// Issues the right certificate; `issuers` are its issuer and the same of the other PKI.
    fn issue(&mut self, kind: Kind, content: &Content, issuers: [&Issuer; 2]) -> Result<Issued, IssueError> {
        for fault in &self.description.entry(kind).twins {
            self.twins.push(twin::twin(kind, *fault, content, issuers, self.curve, self.rng, self.now)?);
        }
        let [issuer, _other] = issuers;
        issuer.issue_right(kind, content, self.curve, self.rng)
    }
}

#[cfg(test)]
mod tests {
    use super::description::DESCRIPTION;
    use super::*;

    pub(super) const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

    pub(super) fn options() -> TestPkiOptions {
        TestPkiOptions {
            host_names: vec!["localhost".to_owned(), "smdp.example".to_owned()],
            eid: Eid::parse("89049032000000000000279973200019").unwrap(),
        }
    }

    #[test]
    fn the_description_names_every_fault_as_its_files() {
        let description = Description::read().unwrap();
        for kind in [
            Kind::Ci,
            Kind::Eum,
            Kind::Euicc,
            Kind::DpAuth,
            Kind::DpPb,
            Kind::DpTls,
            Kind::EimCa,
            Kind::EimSign,
            Kind::EimTls,
            Kind::DeviceCa,
            Kind::Device,
        ] {
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
        assert_eq!((names.len(), count), (count, 53));
        for issued in pki.certificates().into_iter().chain(&pki.twins) {
            assert!(issued.certificate.is_of(&issued.key.signing_key().unwrap()), "{issued:?}");
        }
    }
}
