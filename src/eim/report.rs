//! Reports: what was done to eUICCs, with everything that was signed, so that a third party can check it without the store
//! and without believing the eIM.
//!
//! A report is JSON. For each operation it has what is claimed (what was asked, how it ended) and the evidence: the packages
//! with the eIM's signatures, the answers with the eUICC's, and the eUICC's certificates. [`verify`] believes the CIs that it
//! is given, and nothing of the report: the certificates must lie under them, the answers must be signed by the eUICC and
//! echo the packages, and the end that is claimed must follow from what was signed. The eIM's keys are not taken from the
//! report either: without one from elsewhere, signatures of packages are not looked at, and that is said. While eUICCs are told
//! of another key there are packages under both, so that a report names the keys that the eIM has, and several can be believed.

use std::io::Write;

use serde::{Deserialize, Serialize};
use simyard_asn1::Decode as _;
use simyard_asn1::iot::package::EuiccPackageSigned;
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::iot::signed_bytes;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult, error_reason};

use super::Eim;
use super::campaign_report::ReportedCampaign;
use super::keys::{EimKeys, key_digest};
use super::verify::{Unbelieved, verify_certificates, verify_result, verify_signature};
use crate::crypto::ecdsa::PublicKey;
use crate::domain::{Occurrence, OperationId, OperationKind, OperationStateName};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, TransactionId};
use crate::pki::{Anchors, VerifiedEuicc};
use crate::store::{
    EimPackage, EuiccCertificates, KeptOperation, NewPackage, PackageCommand, PackageSignature, StoreError,
};

/// The form of reports that this version writes and reads.
pub const VERSION: u32 = 1;
/// Operations of one report at most.
pub const OPERATIONS_MAX: usize = 100_000;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`VERSION`].
    pub simyard_report: u32,
    /// When it was made: RFC 3339.
    pub made_at: String,
    /// eimId.
    pub eim_id: String,
    /// [`key_digest`] of the keys that the eIM has, the one that eUICCs are given first: a claim, by which a reader knows which
    /// certificates to ask for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub eim_keys: Vec<String>,
    /// The campaign whose operations these are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub campaign: Option<ReportedCampaign>,
    /// The operations.
    pub operations: Vec<ReportedOperation>,
}

/// An operation: what is claimed of it, and its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedOperation {
    /// Its number.
    pub operation_id: String,
    /// The eUICC.
    pub eid: String,
    /// What was asked.
    pub kind: String,
    /// Where it stands, or how it ended.
    pub state: String,
    /// Why it ended otherwise than it was meant to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The profile that was downloaded or enabled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<String>,
    /// The profile that was enabled before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
    /// CERT.EUM.ECDSA, in hexadecimal digits of its DER.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub eum_certificate: Option<String>,
    /// CERT.EUICC.ECDSA, in hexadecimal digits of its DER.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub euicc_certificate: Option<String>,
    /// The packages that were signed, in the order in which they were made.
    pub packages: Vec<ReportedPackage>,
    /// ProfileInstallationResults, `BF37`, of its downloads: octets in hexadecimal digits.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub installations: Vec<String>,
}

/// A package with its answers, all octets in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedPackage {
    /// euiccPackageSigned.
    pub content: String,
    /// eimSignature.
    pub signature: String,
    /// The associationToken behind both signatures.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub association_token: Option<i64>,
    /// EuiccPackageResult.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<String>,
    /// What came in its place after a rollback.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rollback_result: Option<String>,
    /// When the latest of them came: a claim.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result_at: Option<String>,
}

/// Makes a report of operations; those that there are none of are left out.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn report(eim: &Eim, operations: &[OperationId]) -> Result<Report, StoreError> {
    let mut reported = Vec::new();
    for operation_id in operations.iter().take(OPERATIONS_MAX) {
        if let Some(kept) = eim.store.operation(operation_id).await? {
            reported.push(reported_operation(eim, &kept).await?);
        }
    }
    Ok(Report {
        simyard_report: VERSION,
        made_at: eim.clock.now().to_string(),
        eim_id: eim.eim_id.clone(),
        eim_keys: digests(&eim.keys),
        campaign: None,
        operations: reported,
    })
}

fn digests(keys: &EimKeys) -> Vec<String> {
    keys.all().map(|one| one.digest.clone()).collect()
}

/// Why a report is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteReportError {
    /// There is no such operation.
    #[error("there is no operation {0}")]
    Unknown(OperationId),
    /// It cannot be written.
    #[error("the report cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// Writes the report of a campaign, an operation after the other: its memory does not grow with them. Returns how many
/// operations it has.
///
/// # Errors
/// [`WriteReportError`]; what was written is no report then.
pub async fn write_report(
    eim: &Eim,
    campaign: &ReportedCampaign,
    out: &mut (dyn Write + Send),
) -> Result<usize, WriteReportError> {
    let head = Report {
        simyard_report: VERSION,
        made_at: eim.clock.now().to_string(),
        eim_id: eim.eim_id.clone(),
        eim_keys: digests(&eim.keys),
        campaign: Some(campaign.clone()),
        operations: Vec::new(),
    };
    let head = serde_json::to_string(&head).map_err(std::io::Error::from)?;
    // The operations are its last member, and there are none yet.
    out.write_all(head.strip_suffix("]}").unwrap_or(&head).as_bytes())?;
    let mut written = 0_usize;
    for number in campaign.targets.iter().flat_map(|target| &target.operations) {
        let Some(operation_id) = OperationId::parse(number) else { continue };
        let kept = eim.store.operation(&operation_id).await?;
        let kept = kept.ok_or(WriteReportError::Unknown(operation_id))?;
        let reported = serde_json::to_string(&reported_operation(eim, &kept).await?);
        let separator = if written == 0 { "\n" } else { ",\n" };
        out.write_all(separator.as_bytes())?;
        out.write_all(reported.map_err(std::io::Error::from)?.as_bytes())?;
        written = written.saturating_add(1);
    }
    out.write_all(b"\n]}\n")?;
    out.flush()?;
    Ok(written)
}

async fn reported_operation(eim: &Eim, kept: &KeptOperation) -> Result<ReportedOperation, StoreError> {
    let operation = &kept.operation;
    let certificates = eim.store.eim_euicc(&operation.eid).await?.and_then(|euicc| euicc.certificates);
    let packages = eim.store.packages_of_operation(&operation.operation_id).await?;
    let text = |iccid: &Iccid| iccid.as_str().to_owned();
    let is_trigger = |package: &&EimPackage| package.package.command == PackageCommand::Trigger;
    let installations = packages.iter().filter(is_trigger).filter_map(|trigger| trigger.result.as_ref());
    let installations = installations.map(hex::encode).collect();
    Ok(ReportedOperation {
        operation_id: operation.operation_id.to_string(),
        eid: operation.eid.to_string(),
        kind: operation.task.kind().name().to_owned(),
        state: operation.state.name().as_str().to_owned(),
        reason: operation.state.reason().map(ToString::to_string),
        to: operation.state.to().map(text),
        from: operation.state.from().map(text),
        eum_certificate: certificates.as_ref().map(|certificates| hex::encode(&certificates.eum)),
        euicc_certificate: certificates.as_ref().map(|certificates| hex::encode(&certificates.own)),
        packages: packages.into_iter().filter_map(reported_package).collect(),
        installations,
    })
}

/// What a laboratory made is evidence of nothing, and what did not verify is not, either.
fn reported_package(package: EimPackage) -> Option<ReportedPackage> {
    if package.package.command == PackageCommand::Laboratory || package.unverified {
        return None;
    }
    let (content, signed) = (package.package.content?, package.signed?);
    Some(ReportedPackage {
        content: hex::encode(content),
        signature: hex::encode(signed.signature),
        association_token: signed.association_token,
        result: package.result.map(hex::encode),
        rollback_result: package.rollback_result.map(hex::encode),
        result_at: package.result_at.map(|at| at.to_string()),
    })
}

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is no report.
    #[error("this is no report: {0}")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error("the report has form {0}, and this version reads form {VERSION}")]
    Version(u32),
    /// It has too many operations.
    #[error("the report has {0} operations, more than {OPERATIONS_MAX}")]
    TooMany(usize),
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn read(json: &[u8]) -> Result<Self, ReportError> {
        let report: Self = serde_json::from_slice(json)?;
        if report.simyard_report != VERSION {
            return Err(ReportError::Version(report.simyard_report));
        }
        if report.operations.len() > OPERATIONS_MAX {
            return Err(ReportError::TooMany(report.operations.len()));
        }
        Ok(report)
    }
}

/// What became of the check of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its number.
    pub operation_id: String,
    /// The eUICC.
    pub eid: String,
    /// The end that is claimed.
    pub state: String,
    /// What follows from the evidence.
    pub verdict: Verdict,
    /// What the eUICC signed, in order, for people.
    pub signed: Vec<String>,
    /// [`key_digest`] of the believed keys under which its packages verify, each once, in the order of the packages.
    pub eim_keys: Vec<String>,
}

/// What follows from the evidence of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The eUICC signed what is claimed.
    Proven,
    /// Everything that was signed is right, and the claim is none that an eUICC signs: an operation under way, one that was
    /// cancelled, one that failed.
    Consistent,
    /// The claim does not follow from what was signed.
    NotProven(String),
    /// Something in the evidence is not right.
    Refused(String),
}

/// Why the evidence of an operation is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0} cannot be read")]
    Member(&'static str),
    #[error("a package is for another eUICC, or from another eIM")]
    OtherPackage,
    #[error("the signature of package {0} is not the eIM's, by the keys that are believed")]
    EimSignature(i64),
    #[error("counter {0} is used twice, or not in order")]
    Counter(i64),
    #[error("the answer to package {counter} is not believed: {why}")]
    Answer { counter: i64, why: Unbelieved },
    #[error("a ProfileInstallationResult is not believed: {0}")]
    Installation(Unbelieved),
    #[error("the eUICC's certificates are not in the report")]
    NoCertificates,
    #[error(transparent)]
    Certificates(Unbelieved),
}

/// Checks a report at `now` under these CIs; with keys, the eIM's signatures too: each must verify under one of them.
#[must_use]
pub fn verify(report: &Report, anchors: &Anchors, eim_keys: &[PublicKey], now: Timestamp) -> Vec<Verified> {
    let check = |operation: &ReportedOperation| {
        let mut said = Said::default();
        let context = Context { eim_id: &report.eim_id, anchors, eim_keys, now };
        let verdict = match context.evidence(operation, &mut said) {
            Err(refused) => Verdict::Refused(refused.to_string()),
            Ok(evidence) => evidence.verdict(operation),
        };
        Verified {
            operation_id: operation.operation_id.clone(),
            eid: operation.eid.clone(),
            state: operation.state.clone(),
            verdict,
            signed: said.lines,
            eim_keys: said.eim_keys.iter().map(key_digest).collect(),
        }
    };
    report.operations.iter().map(check).collect()
}

struct Context<'a> {
    eim_id: &'a str,
    anchors: &'a Anchors,
    eim_keys: &'a [PublicKey],
    now: Timestamp,
}

/// What is told of the evidence, also where it is refused later on.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    eim_keys: Vec<PublicKey>,
}

/// What an eUICC signed, as far as claims follow from it.
#[derive(Default)]
struct Evidence {
    /// Whether the last command was executed.
    executed: bool,
    rolled_back: bool,
    /// The profiles whose installation it tells of.
    installed: Vec<Iccid>,
    /// The profiles of the last list, and whether each is enabled.
    listed: Option<Vec<(Iccid, bool)>>,
}

impl Context<'_> {
    fn evidence(&self, operation: &ReportedOperation, said: &mut Said) -> Result<Evidence, Refused> {
        let eid = Eid::parse(&operation.eid).map_err(|_| Refused::Member("eid"))?;
        let mut evidence = Evidence::default();
        let mut last = None;
        for package in &operation.packages {
            let (kept, key) = self.package(&eid, package)?;
            said.eim_keys.extend(key.filter(|key| !said.eim_keys.contains(key)));
            let counter = kept.package.counter.unwrap_or_default();
            if last.is_some_and(|last| counter <= last) {
                return Err(Refused::Counter(counter));
            }
            last = Some(counter);
            for (octets, what) in [(&package.result, "result"), (&package.rollback_result, "rollback_result")]
            {
                let Some(octets) = octets else { continue };
                let octets = hex::decode(octets).map_err(|_| Refused::Member(what))?;
                let occurrence = self.answer(&eid, operation, &kept, &octets)?;
                said.lines.push(told(counter, &occurrence));
                evidence.take(occurrence);
            }
        }
        for octets in &operation.installations {
            let octets = hex::decode(octets).map_err(|_| Refused::Member("installations"))?;
            let (iccid, text) = self.installation(&eid, operation, &octets)?;
            said.lines.push(text);
            evidence.installed.extend(iccid);
        }
        Ok(evidence)
    }

    /// What a ProfileInstallationResult says: the profile that it tells was installed, and a text for people.
    fn installation(
        &self,
        eid: &Eid,
        operation: &ReportedOperation,
        octets: &[u8],
    ) -> Result<(Option<Iccid>, String), Refused> {
        let result = ProfileInstallationResult::from_der(octets)
            .map_err(|error| Refused::Installation(Unbelieved::from(error)))?;
        let euicc = self.euicc(eid, operation)?;
        let verified = euicc.public_key().verify(result.data.bytes, result.signature);
        verified.map_err(|_| Refused::Installation(Unbelieved::Signature))?;
        let data = result.data.value;
        let iccid = data.notification_metadata.iccid.and_then(|iccid| Iccid::from_bcd(iccid).ok());
        let name = iccid.as_ref().map_or("a profile", Iccid::as_str).to_owned();
        Ok(match data.final_result {
            FinalResult::Success { .. } => (iccid, format!("download: {name} was installed")),
            FinalResult::Error { error_reason, .. } => {
                let why = error_reason::name(error_reason).unwrap_or("a reason of a later version");
                (None, format!("download: {name} was not installed: {why} ({error_reason})"))
            }
        })
    }

    /// The eUICC, by the certificates of the report, which lie under the CIs.
    fn euicc(&self, eid: &Eid, operation: &ReportedOperation) -> Result<VerifiedEuicc, Refused> {
        let certificate = |text: &Option<String>| {
            let text = text.as_ref().ok_or(Refused::NoCertificates)?;
            hex::decode(text).map_err(|_| Refused::Member("certificate"))
        };
        let certificates = EuiccCertificates {
            eum: certificate(&operation.eum_certificate)?,
            own: certificate(&operation.euicc_certificate)?,
        };
        verify_certificates(self.anchors, eid, &certificates, self.now).map_err(Refused::Certificates)
    }

    /// A package, and the key under which it verifies, if any is believed.
    fn package(
        &self,
        eid: &Eid,
        package: &ReportedPackage,
    ) -> Result<(EimPackage, Option<PublicKey>), Refused> {
        let content = hex::decode(&package.content).map_err(|_| Refused::Member("content"))?;
        let signature = hex::decode(&package.signature).map_err(|_| Refused::Member("signature"))?;
        let read = EuiccPackageSigned::from_der(&content).map_err(|_| Refused::Member("content"))?;
        if read.eim_id != self.eim_id || read.eid != &eid.to_bcd() {
            return Err(Refused::OtherPackage);
        }
        let counter = read.counter_value;
        let message = signed_bytes(&content, package.association_token);
        let is_its = |key: &&PublicKey| verify_signature(key, &message, &signature).is_ok();
        let key = self.eim_keys.iter().find(is_its).copied();
        if key.is_none() && !self.eim_keys.is_empty() {
            return Err(Refused::EimSignature(counter));
        }
        let transaction_id =
            read.eim_transaction_id.and_then(|id| TransactionId::from_octets(id.as_octets()));
        let command = command_of(&read);
        let transaction_id = transaction_id.ok_or(Refused::Member("content"))?;
        let package = EimPackage {
            number: 0,
            eid: eid.clone(),
            package: NewPackage {
                operation_id: OperationId::parse(&"0".repeat(32)).ok_or(Refused::Member("operation_id"))?,
                command,
                transaction_id,
                counter: Some(counter),
                content: Some(content.clone()),
                created_at: self.now,
                due_at: self.now,
            },
            signed: Some(PackageSignature { association_token: package.association_token, signature }),
            handed_over_at: None,
            ended: None,
            result: None,
            rollback_result: None,
            result_at: None,
            unverified: false,
        };
        Ok((package, key))
    }

    fn answer(
        &self,
        eid: &Eid,
        operation: &ReportedOperation,
        package: &EimPackage,
        octets: &[u8],
    ) -> Result<Occurrence, Refused> {
        let counter = package.package.counter.unwrap_or_default();
        let refused = |why| Refused::Answer { counter, why };
        let euicc = self.euicc(eid, operation)?;
        let result = EuiccPackageResult::from_der(octets).map_err(|error| refused(error.into()))?;
        if result.eim_transaction_id().is_some_and(|id| {
            TransactionId::from_octets(id.as_octets()).as_ref() != Some(&package.package.transaction_id)
        }) {
            return Err(refused(Unbelieved::UnknownPackage));
        }
        let verified = verify_result(&result, self.eim_id, package, euicc.public_key()).map_err(refused)?;
        Ok(verified.occurrence(package.package.command, None))
    }
}

impl Evidence {
    fn take(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Executed => self.executed = true,
            Occurrence::RolledBack => self.rolled_back = true,
            Occurrence::Listed(listing) => {
                let profiles = listing.profiles.into_iter();
                self.listed = Some(profiles.map(|profile| (profile.iccid, profile.enabled)).collect());
            }
            _ => self.executed = false,
        }
    }

    fn is_enabled(&self, iccid: Option<&String>) -> bool {
        self.listed
            .iter()
            .flatten()
            .any(|(listed, enabled)| *enabled && iccid.is_some_and(|iccid| iccid == listed.as_str()))
    }

    /// Whether the end that is claimed follows.
    fn verdict(&self, operation: &ReportedOperation) -> Verdict {
        let state = OperationStateName::parse(&operation.state);
        let kind = OperationKind::parse(&operation.kind);
        let (Some(state), Some(kind)) = (state, kind) else {
            return Verdict::Refused("state or kind is unknown".to_owned());
        };
        let proven = match (state, kind) {
            (
                OperationStateName::Done | OperationStateName::DoneWithRemnant,
                OperationKind::Switch | OperationKind::Enable,
            ) => self.is_enabled(operation.to.as_ref()) && !self.rolled_back,
            (OperationStateName::Done, OperationKind::Download) => {
                let is_it = |iccid: &Iccid| operation.to.as_ref().is_some_and(|to| to == iccid.as_str());
                self.listed.iter().flatten().any(|(listed, _)| is_it(listed))
                    || self.installed.iter().any(is_it)
            }
            (OperationStateName::Done, OperationKind::Audit) => self.listed.is_some(),
            (OperationStateName::Done, OperationKind::Disable | OperationKind::Delete) => {
                self.executed || self.listed.is_some()
            }
            (
                OperationStateName::Done,
                OperationKind::Configure | OperationKind::Move | OperationKind::RotateKey,
            ) => self.executed,
            (OperationStateName::RolledBack, _) => {
                self.rolled_back || self.is_enabled(operation.from.as_ref())
            }
            _ => return Verdict::Consistent,
        };
        if proven {
            Verdict::Proven
        } else {
            Verdict::NotProven(format!("the eUICC signed nothing from which \"{state}\" follows"))
        }
    }
}

/// What a signed answer says, for people.
fn told(counter: i64, occurrence: &Occurrence) -> String {
    match occurrence {
        Occurrence::Listed(listing) => {
            let enabled = listing.enabled().map_or("none", |profile| profile.iccid.as_str());
            format!("package {counter}: {} profiles, enabled: {enabled}", listing.profiles.len())
        }
        Occurrence::Executed => format!("package {counter}: executed"),
        Occurrence::RolledBack => format!("package {counter}: rolled back"),
        Occurrence::Busy => format!("package {counter}: busy"),
        Occurrence::Refused { why } | Occurrence::NotAccepted { why } => format!("package {counter}: {why}"),
        Occurrence::EcallActive => format!("package {counter}: emergency call"),
        _ => format!("package {counter}: answered"),
    }
}

/// What stands in a package, by its first operation.
fn command_of(package: &EuiccPackageSigned<'_>) -> PackageCommand {
    use simyard_asn1::iot::package::{EuiccPackage, Psmo};
    match &package.operations {
        EuiccPackage::Psmo(operations) => match operations.as_slice() {
            [Psmo::ListProfileInfo(_)] => PackageCommand::ListProfileInfo,
            [Psmo::Enable { .. }] => PackageCommand::Enable,
            [Psmo::Disable { .. }] => PackageCommand::Disable,
            [Psmo::Delete { .. }] => PackageCommand::Delete,
            _ => PackageCommand::Configure,
        },
        EuiccPackage::Eco(_) => PackageCommand::Configure,
    }
}
