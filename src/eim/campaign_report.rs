//! What a report claims of a campaign, and whether it hangs together.
//!
//! The evidence is that of the operations ([`super::report`]). Here is what is claimed of them as a whole: who the targets
//! were and in which order, what became of each, and the counts. [`contradictions`] lets every claim follow from the operations
//! of the same report: no target twice, none without an end that its last operation has, no operation that belongs to nobody,
//! no count that is another. Whether a target was left out before the report was made shows against the list that whoever
//! asked for the campaign has: give it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::Eim;
use super::campaigns::operations_of_target;
use super::report::{OPERATIONS_MAX, Report, ReportedOperation};
use crate::domain::{CampaignId, OperationStateName, TargetState};
use crate::ident::Eid;
use crate::store::{KeptCampaign, KeptTarget, StoreError};

/// Contradictions that are told at most; the rest are counted.
pub const TOLD_MAX: usize = 100;
/// Targets of one look.
const PAGE: u32 = 1000;

/// A campaign: what is claimed of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedCampaign {
    /// Its number.
    pub campaign_id: String,
    /// What people call it.
    pub name: String,
    /// What was asked of each target: the name of a kind of operations.
    pub kind: String,
    /// Where it stands, or how it ended.
    pub state: String,
    /// Who asked for it.
    pub created_by: String,
    /// When: RFC 3339.
    pub created_at: String,
    /// How many targets each wave has, in the order of the waves.
    pub waves: Vec<u32>,
    /// How many targets came to what.
    pub counts: BTreeMap<String, u32>,
    /// The targets, in their order.
    pub targets: Vec<ReportedTarget>,
}

/// A target of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedTarget {
    /// The eUICC.
    pub eid: String,
    /// The wave that it belongs to, from 1.
    pub wave: u32,
    /// [`TargetState::as_str`].
    pub outcome: String,
    /// Why it came to that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The numbers of its operations, in the order in which they were made: the last one counts.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub operations: Vec<String>,
}

/// What is claimed of a campaign, as the store has it; `None` if there is none of this number.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn report_campaign(
    eim: &Eim,
    campaign_id: &CampaignId,
) -> Result<Option<ReportedCampaign>, StoreError> {
    let Some(KeptCampaign { campaign, .. }) = eim.store.campaign(campaign_id).await? else {
        return Ok(None);
    };
    let (mut targets, mut after) = (Vec::new(), 0);
    loop {
        let page = eim.store.campaign_targets(campaign_id, None, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.place;
        for kept in &page {
            targets.push(reported_target(eim, campaign_id, kept).await?);
        }
    }
    let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
    for target in &targets {
        let size = sizes.entry(target.wave).or_default();
        *size = size.saturating_add(1);
    }
    Ok(Some(ReportedCampaign {
        campaign_id: campaign_id.to_string(),
        name: campaign.name.to_string(),
        kind: campaign.task.kind.name().to_owned(),
        state: campaign.state.as_str().to_owned(),
        created_by: campaign.creator,
        created_at: campaign.created_at.to_string(),
        // A wave whose targets are all asked once more, in another one, has none.
        waves: (1..=campaign.waves).map(|wave| sizes.get(&wave).copied().unwrap_or_default()).collect(),
        counts: counts(targets.iter().map(|target| target.outcome.as_str())),
        targets,
    }))
}

/// What stands behind a target is its operation: where that ended and nobody noted it yet, it counts all the same.
async fn reported_target(
    eim: &Eim,
    campaign_id: &CampaignId,
    kept: &KeptTarget,
) -> Result<ReportedTarget, StoreError> {
    let (mut state, mut reason) = (kept.state, kept.reason.clone());
    if let Some(operation_id) = kept.operation_id.as_ref().filter(|_| state.has_operation())
        && let Some(found) = eim.store.operation(operation_id).await?
    {
        state = TargetState::of(found.operation.state.name());
        reason = found.operation.state.reason().map(|reason| reason.code.name().to_owned());
    }
    let operations = operations_of_target(eim, campaign_id, kept).await?;
    Ok(ReportedTarget {
        eid: kept.target.eid.to_string(),
        wave: kept.target.wave,
        outcome: state.as_str().to_owned(),
        reason,
        operations: operations.iter().map(ToString::to_string).collect(),
    })
}

/// How many targets came to what; what is absent is none.
#[must_use]
pub fn counts<'a>(outcomes: impl Iterator<Item = &'a str>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        let count: &mut u32 = counts.entry(outcome.to_owned()).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

/// What in a report of a campaign does not hang together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// More targets than a report has operations.
    #[error("the report has {0} targets, more than {OPERATIONS_MAX}")]
    TooMany(usize),
    /// A target stands in it twice.
    #[error("eUICC {0} is a target twice")]
    TargetTwice(String),
    /// A word that no version wrote.
    #[error("eUICC {eid}: the outcome {outcome:?} is unknown")]
    UnknownOutcome {
        /// The eUICC.
        eid: String,
        /// What stands there.
        outcome: String,
    },
    /// An operation of a target is not in the report.
    #[error("eUICC {eid}: its operation {operation_id} is not in the report")]
    OperationMissing {
        /// The eUICC.
        eid: String,
        /// Its number.
        operation_id: String,
    },
    /// An operation is one of another eUICC, or asks something else.
    #[error("eUICC {eid}: operation {operation_id} is a {kind} of eUICC {of}")]
    OtherOperation {
        /// The eUICC.
        eid: String,
        /// Its number.
        operation_id: String,
        /// What it asks.
        kind: String,
        /// Of whom.
        of: String,
    },
    /// An operation is claimed twice, or stands in the report twice.
    #[error("operation {0} is counted twice")]
    OperationTwice(String),
    /// An operation belongs to no target.
    #[error("operation {0} belongs to no target")]
    OperationOfNobody(String),
    /// The outcome does not follow from the last operation.
    #[error("eUICC {eid}: \"{outcome}\" is claimed, and from its operations follows \"{follows}\"")]
    OtherOutcome {
        /// The eUICC.
        eid: String,
        /// What is claimed.
        outcome: String,
        /// What follows.
        follows: String,
    },
    /// A count does not follow from the targets.
    #[error("{claimed} targets are claimed to be \"{outcome}\", and there are {found}")]
    OtherCount {
        /// Of which outcome.
        outcome: String,
        /// What is claimed.
        claimed: u32,
        /// What there is.
        found: u32,
    },
    /// A wave has another size.
    #[error("wave {wave} is claimed to have {claimed} targets, and has {found}")]
    OtherWave {
        /// Its number.
        wave: u32,
        /// What is claimed.
        claimed: u32,
        /// What there is.
        found: u32,
    },
    /// A target that was asked for is missing.
    #[error("eUICC {0} was to be a target, and is none")]
    TargetMissing(String),
    /// A target that nobody asked for.
    #[error("eUICC {0} is a target, and was not to be one")]
    TargetMore(String),
}

/// Everything in the report of a campaign that does not hang together; with `wanted`, against the targets that it was to
/// have too. Nothing for a report without a campaign.
#[must_use]
pub fn contradictions(report: &Report, wanted: Option<&[Eid]>) -> Vec<Contradiction> {
    let Some(campaign) = &report.campaign else { return Vec::new() };
    if campaign.targets.len() > OPERATIONS_MAX {
        return vec![Contradiction::TooMany(campaign.targets.len())];
    }
    let mut found = Vec::new();
    let operations = by_number(report, &mut found);
    let mut claimed = BTreeSet::new();
    for target in &campaign.targets {
        let of_target = Claims { campaign, target, operations: &operations };
        of_target.check(&mut claimed, &mut found);
    }
    let of_nobody = operations.keys().filter(|number| !claimed.contains(**number));
    let mut of_nobody: Vec<String> = of_nobody.map(|number| (*number).to_owned()).collect();
    of_nobody.sort_unstable();
    found.extend(of_nobody.into_iter().map(Contradiction::OperationOfNobody));
    check_targets(campaign, wanted, &mut found);
    check_counts(campaign, &mut found);
    check_waves(campaign, &mut found);
    found
}

fn by_number<'a>(
    report: &'a Report,
    found: &mut Vec<Contradiction>,
) -> HashMap<&'a str, &'a ReportedOperation> {
    let mut operations = HashMap::with_capacity(report.operations.len());
    for operation in &report.operations {
        if operations.insert(operation.operation_id.as_str(), operation).is_some() {
            found.push(Contradiction::OperationTwice(operation.operation_id.clone()));
        }
    }
    operations
}

/// What is claimed of one target.
struct Claims<'a> {
    campaign: &'a ReportedCampaign,
    target: &'a ReportedTarget,
    operations: &'a HashMap<&'a str, &'a ReportedOperation>,
}

impl<'a> Claims<'a> {
    fn check(&self, claimed: &mut BTreeSet<&'a str>, found: &mut Vec<Contradiction>) {
        let ReportedTarget { eid, outcome, .. } = self.target;
        let mut follows = None;
        for number in &self.target.operations {
            let operation_id = number.clone();
            if !claimed.insert(number) {
                found.push(Contradiction::OperationTwice(operation_id.clone()));
            }
            let Some(operation) = self.operations.get(number.as_str()) else {
                found.push(Contradiction::OperationMissing { eid: eid.clone(), operation_id });
                continue;
            };
            if operation.eid != *eid || operation.kind != self.campaign.kind {
                let (kind, of) = (operation.kind.clone(), operation.eid.clone());
                found.push(Contradiction::OtherOperation { eid: eid.clone(), operation_id, kind, of });
            }
            follows = OperationStateName::parse(&operation.state).map(TargetState::of);
        }
        let Some(named) = TargetState::parse(outcome) else {
            found.push(Contradiction::UnknownOutcome { eid: eid.clone(), outcome: outcome.clone() });
            return;
        };
        // A target whose repetition was refused, or waits, has the operations of its attempts before.
        let is_before = !named.has_operation();
        if !is_before && follows != Some(named) {
            let follows = follows.map_or("nothing", TargetState::as_str).to_owned();
            found.push(Contradiction::OtherOutcome { eid: eid.clone(), outcome: outcome.clone(), follows });
        }
        if is_before && matches!(follows, Some(TargetState::UnderWay | TargetState::Done)) {
            let follows = follows.map_or("nothing", TargetState::as_str).to_owned();
            found.push(Contradiction::OtherOutcome { eid: eid.clone(), outcome: outcome.clone(), follows });
        }
    }
}

fn check_targets(campaign: &ReportedCampaign, wanted: Option<&[Eid]>, found: &mut Vec<Contradiction>) {
    let mut targets = BTreeSet::new();
    for target in &campaign.targets {
        if !targets.insert(target.eid.as_str()) {
            found.push(Contradiction::TargetTwice(target.eid.clone()));
        }
    }
    let Some(wanted) = wanted else { return };
    let wanted: BTreeSet<&str> = wanted.iter().map(Eid::as_str).collect();
    let text = |eid: &&str| (*eid).to_owned();
    found.extend(wanted.difference(&targets).map(text).map(Contradiction::TargetMissing));
    found.extend(targets.difference(&wanted).map(text).map(Contradiction::TargetMore));
}

fn check_counts(campaign: &ReportedCampaign, found: &mut Vec<Contradiction>) {
    let counted = counts(campaign.targets.iter().map(|target| target.outcome.as_str()));
    let outcomes: BTreeSet<&String> = counted.keys().chain(campaign.counts.keys()).collect();
    for outcome in outcomes {
        let of = |counts: &BTreeMap<String, u32>| counts.get(outcome).copied().unwrap_or_default();
        let (claimed, there) = (of(&campaign.counts), of(&counted));
        if claimed != there {
            found.push(Contradiction::OtherCount { outcome: outcome.clone(), claimed, found: there });
        }
    }
}

fn check_waves(campaign: &ReportedCampaign, found: &mut Vec<Contradiction>) {
    let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
    for target in &campaign.targets {
        let size = sizes.entry(target.wave).or_default();
        *size = size.saturating_add(1);
    }
    let claimed: BTreeMap<u32, u32> = (1..).zip(campaign.waves.iter().copied()).collect();
    let waves: BTreeSet<&u32> = sizes.keys().chain(claimed.keys()).collect();
    for wave in waves {
        let of = |sizes: &BTreeMap<u32, u32>| sizes.get(wave).copied().unwrap_or_default();
        let (claimed, there) = (of(&claimed), of(&sizes));
        if claimed != there {
            found.push(Contradiction::OtherWave { wave: *wave, claimed, found: there });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eim::report::VERSION;

    fn eid(number: u32) -> String {
        format!("8904903200000000000027997320{number:04}")
    }

    fn operation(number: u32, state: &str) -> ReportedOperation {
        ReportedOperation {
            operation_id: format!("{number:032x}"),
            eid: eid(number % 100),
            kind: "audit".to_owned(),
            state: state.to_owned(),
            reason: None,
            to: None,
            from: None,
            eum_certificate: None,
            euicc_certificate: None,
            packages: Vec::new(),
            installations: Vec::new(),
        }
    }

    fn target(number: u32, outcome: &str, operations: &[u32]) -> ReportedTarget {
        ReportedTarget {
            eid: eid(number),
            wave: 1 + number / 3,
            outcome: outcome.to_owned(),
            reason: None,
            operations: operations.iter().map(|number| format!("{number:032x}")).collect(),
        }
    }

    /// Five targets: done, failed and then done, refused, under way, pending.
    fn report() -> Report {
        let targets = vec![
            target(1, "done", &[1]),
            target(2, "done", &[2, 102]),
            target(3, "refused", &[]),
            target(4, "under_way", &[4]),
            target(5, "pending", &[]),
        ];
        let words = counts(targets.iter().map(|target| target.outcome.as_str()));
        Report {
            simyard_report: VERSION,
            made_at: String::new(),
            eim_id: "eim.example.com".to_owned(),
            eim_keys: Vec::new(),
            campaign: Some(ReportedCampaign {
                campaign_id: "0".repeat(32),
                name: "north".to_owned(),
                kind: "audit".to_owned(),
                state: "running".to_owned(),
                created_by: "person:anna".to_owned(),
                created_at: String::new(),
                waves: vec![2, 3],
                counts: words,
                targets,
            }),
            operations: vec![
                operation(1, "done"),
                operation(2, "failed"),
                operation(102, "done"),
                operation(4, "waiting"),
            ],
        }
    }

    fn told(change: impl Fn(&mut Report, &mut ReportedCampaign)) -> Vec<String> {
        let mut report = report();
        let mut campaign = report.campaign.take().unwrap();
        change(&mut report, &mut campaign);
        report.campaign = Some(campaign);
        contradictions(&report, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_report_that_hangs_together_has_no_contradiction() {
        assert_eq!(told(|_, _| {}), [""; 0]);
        let eids: Vec<Eid> = (1..=5).map(|number| Eid::parse(&eid(number)).unwrap()).collect();
        assert_eq!(contradictions(&report(), Some(&eids)), []);
        let without = Report { campaign: None, ..report() };
        assert_eq!(contradictions(&without, Some(&eids)), []);
    }

    #[test]
    fn every_claim_that_was_changed_is_a_contradiction() {
        type Change = fn(&mut Report, &mut ReportedCampaign);
        let changes: [(Change, &str); 12] = [
            (|_, it| *it.counts.get_mut("done").unwrap() += 1, "3 targets are claimed to be \"done\""),
            (
                |_, it| {
                    it.counts.insert("failed".to_owned(), 1);
                },
                "1 targets are claimed to be \"failed\"",
            ),
            (|_, it| drop(it.targets.remove(0)), "belongs to no target"),
            (|_, it| it.targets.push(it.targets[0].clone()), "is a target twice"),
            (|it, _| drop(it.operations.remove(0)), "is not in the report"),
            (|it, _| it.operations.push(it.operations[0].clone()), "is counted twice"),
            (|it, _| it.operations[0].state = "failed".to_owned(), "follows \"failed\""),
            (|_, it| it.targets[2].outcome = "splendid".to_owned(), "is unknown"),
            (|_, it| it.targets[0].outcome = "refused".to_owned(), "follows \"done\""),
            (|_, it| it.targets[1].operations.truncate(1), "follows \"failed\""),
            (|it, _| it.operations[0].kind = "delete".to_owned(), "is a delete of eUICC"),
            (|_, it| it.waves = vec![1, 4], "wave 1 is claimed to have 1 targets, and has 2"),
        ];
        for (change, says) in changes {
            let told = told(change);
            assert!(told.iter().any(|one| one.contains(says)), "{says}: {told:?}");
        }
    }

    #[test]
    fn a_target_that_was_left_out_shows_against_the_list() {
        let mut eids: Vec<Eid> = (1..=5).map(|number| Eid::parse(&eid(number)).unwrap()).collect();
        let last = eids.pop().unwrap();
        let other = Eid::parse(&eid(6)).unwrap();
        eids.push(other.clone());
        let expected =
            [Contradiction::TargetMissing(other.to_string()), Contradiction::TargetMore(last.to_string())];
        assert_eq!(contradictions(&report(), Some(&eids)), expected);
    }
}
