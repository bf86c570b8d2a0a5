//! What must hold of campaigns: targets agree with their operations, and waves, pace and failure budget were kept, as the times of
//! the operations tell.
//!
//! A campaign is judged by what it left, not by what it says of itself: when an operation was made, and when and how it ended.

use std::time::Duration;

use super::Violation;
use crate::domain::campaign::{BATCH_MAX, SETTLED_SHARE};
use crate::domain::{Campaign, CampaignId, CampaignState, Operation, OperationStateName, TargetState};
use crate::env::Timestamp;
use crate::ident::Eid;
use crate::store::{KeptTarget, Store, StoreError};

/// Targets of one look.
const PAGE: u32 = 1000;
const HOUR_MS: u32 = 3_600_000;

/// A campaign that a person made, and what was permitted to it.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Made {
    pub(in crate::sim) campaign_id: CampaignId,
    /// The failure budgets, in per mille, with the times from which on each was permitted.
    budgets: Vec<(Timestamp, u16)>,
}

impl Made {
    /// One that was made with this failure budget.
    pub(in crate::sim) fn new(campaign_id: CampaignId, at: Timestamp, budget: u16) -> Self {
        Self { campaign_id, budgets: vec![(at, budget)] }
    }

    /// It goes on with another one from now on.
    pub(in crate::sim) fn permit(&mut self, at: Timestamp, budget: u16) {
        if self.budgets.last().is_none_or(|(_, last)| *last != budget) {
            self.budgets.push((at, budget));
        }
    }

    /// How often it had stopped, and went on.
    pub(in crate::sim) fn resumed(&self) -> usize {
        self.budgets.len().saturating_sub(1)
    }

    /// What was permitted at a time.
    fn budget_at(&self, at: Timestamp) -> u64 {
        let permitted = self.budgets.iter().rev().find(|(since, _)| *since <= at).or(self.budgets.first());
        permitted.map_or(0, |(_, budget)| u64::from(*budget))
    }
}

/// What is wrong with a campaign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CampaignViolation {
    /// A target says something else than its operation.
    #[error("target {place}, eUICC {eid}, is {target}, and its operation is {operation}")]
    Target {
        /// Its place.
        place: u32,
        /// Its eUICC.
        eid: Eid,
        /// Where it stands.
        target: TargetState,
        /// Where the operation stands.
        operation: String,
    },
    /// It has its end, and a target has none.
    #[error("it is {state}, and {count} targets have no end")]
    Open {
        /// Where it stands.
        state: CampaignState,
        /// How many.
        count: usize,
    },
    /// A target was begun beyond the failure budget.
    #[error("target {place} was begun when {failed} of {targets} targets of wave {wave} had failed")]
    Budget {
        /// Its place.
        place: u32,
        /// Its wave.
        wave: u32,
        /// How many had.
        failed: usize,
        /// Of how many.
        targets: usize,
    },
    /// A target was begun before its wave.
    #[error("target {place} of wave {wave} was begun before wave {} had settled for the soak time", wave.saturating_sub(1))]
    Wave {
        /// Its place.
        place: u32,
        /// Its wave.
        wave: u32,
    },
    /// Targets were begun faster than the pace permits.
    #[error("target {place} was begun faster than {per_hour} an hour")]
    Rate {
        /// Its place.
        place: u32,
        /// The rate.
        per_hour: u32,
    },
    /// More were under way than may be.
    #[error("{count} targets were under way when target {place} was begun, more than {at_most}")]
    AtMost {
        /// Its place.
        place: u32,
        /// How many.
        count: usize,
        /// How many may be.
        at_most: u32,
    },
}

/// An operation of a target, as its times tell of it.
#[derive(Clone, Debug)]
struct Asked {
    begun: Timestamp,
    ended: Option<Timestamp>,
    state: OperationStateName,
}

impl Asked {
    fn of(operation: &Operation) -> Self {
        let is_end = operation.state.is_end();
        Self {
            begun: operation.created_at,
            ended: is_end.then_some(operation.changed_at),
            state: operation.state.name(),
        }
    }

    fn has_failed(&self) -> bool {
        matches!(
            TargetState::of(self.state),
            TargetState::Failed | TargetState::RolledBack | TargetState::Expired
        )
    }
}

/// A target with its operation.
struct Target {
    place: u32,
    wave: u32,
    eid: Eid,
    state: TargetState,
    asked: Option<Asked>,
}

/// A campaign with all its targets, in their order.
struct Course<'a> {
    made: &'a Made,
    campaign: Campaign,
    targets: Vec<Target>,
}

/// Targets of a campaign: those that stand there, or all.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub(in crate::sim) async fn targets_of(
    store: &Store,
    campaign_id: &CampaignId,
    state: Option<TargetState>,
) -> Result<Vec<KeptTarget>, StoreError> {
    let mut targets: Vec<KeptTarget> = Vec::new();
    loop {
        let after = targets.last().map_or(0, |target| target.place);
        let page = store.campaign_targets(campaign_id, state, after, PAGE).await?;
        if page.is_empty() {
            return Ok(targets);
        }
        targets.extend(page);
    }
}

/// Looks at a campaign.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub(super) async fn of_campaign(store: &Store, made: &Made) -> Result<Vec<Violation>, StoreError> {
    let Some(kept) = store.campaign(&made.campaign_id).await? else { return Ok(Vec::new()) };
    let mut targets = Vec::new();
    for target in targets_of(store, &made.campaign_id, None).await? {
        let asked = match &target.operation_id {
            Some(operation_id) => store.operation(operation_id).await?,
            None => None,
        };
        targets.push(Target {
            place: target.place,
            wave: target.target.wave,
            eid: target.target.eid,
            state: target.state,
            asked: asked.map(|kept| Asked::of(&kept.operation)),
        });
    }
    let name = kept.campaign.name.clone();
    let course = Course { made, campaign: kept.campaign, targets };
    Ok(course.violations().into_iter().map(|what| Violation::Campaign { name: name.clone(), what }).collect())
}

impl Course<'_> {
    fn violations(&self) -> Vec<CampaignViolation> {
        let mut violations = self.contradictions();
        violations.extend(self.open());
        violations.extend(self.beyond_budget());
        violations.extend(self.before_its_wave());
        violations.extend(self.too_fast());
        violations.extend(self.too_many());
        violations
    }

    /// The targets that were begun, in the order in which they were.
    fn begun(&self) -> Vec<(&Target, &Asked)> {
        let mut begun: Vec<_> =
            self.targets.iter().filter_map(|target| Some((target, target.asked.as_ref()?))).collect();
        begun.sort_by_key(|(target, asked)| (asked.begun, target.place));
        begun
    }

    fn wave(&self, wave: u32) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(move |target| target.wave == wave)
    }

    /// Each target stands where its operation does; one without an operation was not asked.
    fn contradictions(&self) -> Vec<CampaignViolation> {
        let contradicted = |target: &&Target| match &target.asked {
            Some(asked) => TargetState::of(asked.state) != target.state,
            None => target.state.has_operation(),
        };
        let told = |target: &Target| CampaignViolation::Target {
            place: target.place,
            eid: target.eid.clone(),
            target: target.state,
            operation: target.asked.as_ref().map_or("not there".to_owned(), |asked| asked.state.to_string()),
        };
        self.targets.iter().filter(contradicted).map(told).collect()
    }

    fn open(&self) -> Option<CampaignViolation> {
        let state = self.campaign.state;
        let open = |target: &&Target| matches!(target.state, TargetState::Pending | TargetState::UnderWay);
        let count = self.targets.iter().filter(open).count();
        let is_end = matches!(state, CampaignState::Done | CampaignState::Cancelled);
        (is_end && count > 0).then_some(CampaignViolation::Open { state, count })
    }

    /// A target that is begun finds the failures of its wave within the budget that was permitted then. Targets that were
    /// refused count as asked here: nothing tells when they were.
    fn beyond_budget(&self) -> Vec<CampaignViolation> {
        let mut violations = Vec::new();
        for wave in 1..=self.campaign.waves {
            let targets = self.wave(wave).count();
            let failed = |target: &Target| target.asked.as_ref().filter(|one| one.has_failed())?.ended;
            let mut failures: Vec<Timestamp> = self.wave(wave).filter_map(failed).collect();
            failures.sort_unstable();
            for target in self.wave(wave) {
                let Some(asked) = &target.asked else { continue };
                let failed = failures.partition_point(|at| *at < asked.begun);
                let permitted = self.made.budget_at(asked.begun).saturating_mul(as_count(targets));
                if as_count(failed).saturating_mul(1000) > permitted {
                    violations.push(CampaignViolation::Budget { place: target.place, wave, failed, targets });
                }
            }
        }
        violations
    }

    /// A wave begins when all of the wave before were begun, and nearly all of them ended before the soak time.
    fn before_its_wave(&self) -> Vec<CampaignViolation> {
        let mut violations = Vec::new();
        for wave in 2..=self.campaign.waves {
            let first = self.wave(wave).filter_map(|target| Some((target, target.asked.as_ref()?)));
            let Some((target, asked)) = first.min_by_key(|(_, asked)| asked.begun) else { continue };
            let soaked = asked.begun.minus(self.campaign.pace.soak);
            let is_begun = |one: &Target| match &one.asked {
                Some(before) => before.begun <= soaked,
                None => one.state == TargetState::Refused,
            };
            let is_over = |one: &&Target| match &one.asked {
                Some(before) => before.ended.is_some_and(|ended| ended <= soaked),
                None => one.state == TargetState::Refused,
            };
            let before = wave.saturating_sub(1);
            let (all, over) = (self.wave(before).count(), self.wave(before).filter(is_over).count());
            let settled = as_count(over).saturating_mul(1000) >= SETTLED_SHARE.saturating_mul(as_count(all));
            if !settled || !self.wave(before).all(is_begun) {
                violations.push(CampaignViolation::Wave { place: target.place, wave });
            }
        }
        violations
    }

    /// What was not used of the rate is kept for one step alone, and that leaves as much again for the next.
    fn too_fast(&self) -> Option<CampaignViolation> {
        let per_hour = self.campaign.pace.per_hour;
        let interval =
            Duration::from_millis(u64::from(HOUR_MS.checked_div(per_hour).unwrap_or(HOUR_MS).max(1)));
        let kept = interval.saturating_mul(BATCH_MAX).saturating_mul(2);
        // The moment from which on the next one may be begun: one interval later with each.
        let mut next: Option<Timestamp> = None;
        for (target, asked) in self.begun() {
            let earliest = asked.begun.minus(kept);
            if next.is_some_and(|next| next > asked.begun) {
                return Some(CampaignViolation::Rate { place: target.place, per_hour });
            }
            next = Some(next.unwrap_or(earliest).max(earliest).plus(interval));
        }
        None
    }

    fn too_many(&self) -> Option<CampaignViolation> {
        let at_most = self.campaign.pace.at_most;
        let begun = self.begun();
        let mut ends: Vec<Timestamp> = begun.iter().filter_map(|(_, asked)| asked.ended).collect();
        ends.sort_unstable();
        for (before, (target, asked)) in begun.iter().enumerate() {
            let ended = ends.partition_point(|at| *at <= asked.begun);
            let count = before.saturating_add(1).saturating_sub(ended);
            if as_count(count) > u64::from(at_most) {
                return Some(CampaignViolation::AtMost { place: target.place, count, at_most });
            }
        }
        None
    }
}

fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CampaignName, CampaignTask, OldProfile, OperationKind, Pace, Rollback};

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
    const MINUTE: u64 = 60;

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn campaign() -> Campaign {
        Campaign {
            campaign_id: CampaignId::parse(&"0a".repeat(16)).unwrap(),
            name: CampaignName::parse("round 1").unwrap(),
            task: CampaignTask {
                kind: OperationKind::Switch,
                rollback: Rollback::Granted,
                old: OldProfile::Keep,
                profile_type: None,
            },
            pace: Pace {
                shares: vec![500, 1000],
                per_hour: 3600,
                at_most: 3,
                failure_budget: 250,
                soak: Duration::from_secs(10 * MINUTE),
                validity: None,
            },
            creator: "person:operator".to_owned(),
            created_at: NOW,
            version: 1,
            state: CampaignState::Done,
            reason: None,
            changed_at: NOW,
            wave: 2,
            waves: 2,
            targets: 8,
            settled_at: None,
            next_at: NOW,
            held_until: None,
        }
    }

    /// Four targets in each of two waves, each begun a second behind the other and done in a minute.
    fn targets() -> Vec<Target> {
        let target = |number: u32| {
            let wave = 1 + number / 4;
            let begun = u64::from(wave - 1) * 20 * MINUTE + u64::from(number % 4) * MINUTE;
            Target {
                place: number + 1,
                wave,
                eid: Eid::with_check_digits(&format!("89049032{number:022}")).unwrap(),
                state: TargetState::Done,
                asked: Some(Asked {
                    begun: at(begun),
                    ended: Some(at(begun + 50)),
                    state: OperationStateName::Done,
                }),
            }
        };
        (0..8).map(target).collect()
    }

    /// What is found once something is changed.
    fn found(change: impl FnOnce(&mut Campaign, &mut [Target], &mut Made)) -> Vec<CampaignViolation> {
        let (mut campaign, mut targets) = (campaign(), targets());
        let mut made = Made::new(campaign.campaign_id, NOW, 250);
        change(&mut campaign, &mut targets, &mut made);
        Course { made: &made, campaign, targets }.violations()
    }

    fn ends(target: &mut Target, state: OperationStateName) {
        target.state = TargetState::of(state);
        target.asked.as_mut().unwrap().state = state;
    }

    fn begins(target: &mut Target, seconds: u64) {
        let asked = target.asked.as_mut().unwrap();
        (asked.begun, asked.ended) = (at(seconds), Some(at(seconds + 50)));
    }

    #[test]
    fn a_campaign_that_went_as_it_should_is_not_found_fault_with() {
        assert_eq!(found(|_, _, _| {}), []);
        // One of four may fail, and targets that nothing was asked of have no times.
        assert_eq!(found(|_, targets, _| ends(&mut targets[0], OperationStateName::RolledBack)), []);
        let refused = |_: &mut Campaign, targets: &mut [Target], _: &mut Made| {
            (targets[3].state, targets[3].asked) = (TargetState::Refused, None);
        };
        assert_eq!(found(refused), []);
    }

    #[test]
    fn a_target_that_its_operation_contradicts_is_seen() {
        let contradicted = |target, operation: &str| CampaignViolation::Target {
            place: 8,
            eid: targets()[7].eid.clone(),
            target,
            operation: operation.to_owned(),
        };
        let failed = found(|_, targets, _| targets[7].state = TargetState::Failed);
        assert_eq!(failed, [contradicted(TargetState::Failed, "done")]);
        let absent = found(|_, targets, _| targets[7].asked = None);
        assert_eq!(absent, [contradicted(TargetState::Done, "not there")]);
    }

    #[test]
    fn an_end_that_leaves_a_target_open_is_seen() {
        let open = |state| CampaignViolation::Open { state, count: 1 };
        let change = |state| {
            found(|campaign, targets, _| {
                campaign.state = state;
                (targets[7].state, targets[7].asked) = (TargetState::Pending, None);
            })
        };
        assert_eq!(change(CampaignState::Done), [open(CampaignState::Done)]);
        assert_eq!(change(CampaignState::Stopped), []);
    }

    #[test]
    fn what_is_begun_beyond_the_failure_budget_is_seen_unless_a_person_permits_it() {
        let two_fail = |targets: &mut [Target]| {
            targets[..2].iter_mut().for_each(|target| ends(target, OperationStateName::Failed));
        };
        let budget = |place| CampaignViolation::Budget { place, wave: 1, failed: 2, targets: 4 };
        assert_eq!(found(|_, targets, _| two_fail(targets)), [budget(3), budget(4)]);
        let permitted = found(|_, targets, made| {
            two_fail(targets);
            made.permit(at(3 * MINUTE), 1000);
            assert_eq!(made.resumed(), 1);
        });
        assert_eq!(permitted, [budget(3)]);
    }

    #[test]
    fn a_wave_that_begins_before_the_one_before_has_settled_is_seen() {
        let early = CampaignViolation::Wave { place: 5, wave: 2 };
        let seen = found(|_, targets, _| begins(&mut targets[4], 13 * MINUTE));
        assert_eq!(seen, std::slice::from_ref(&early));
        let open = found(|campaign, targets, _| {
            campaign.state = CampaignState::Running;
            ends(&mut targets[3], OperationStateName::Checking);
            targets[3].asked.as_mut().unwrap().ended = None;
        });
        assert_eq!(open, [early]);
    }

    #[test]
    fn what_is_begun_too_fast_or_beside_too_many_is_seen() {
        let fast = found(|campaign, targets, _| {
            campaign.pace.per_hour = 1;
            campaign.pace.soak = Duration::ZERO;
            targets.iter_mut().for_each(|target| target.wave = 1);
        });
        assert_eq!(fast, [], "a step is kept");
        let mut many: Vec<Target> = Vec::new();
        for number in 0..66 {
            let mut target = targets().remove(0);
            target.place = number + 1;
            begins(&mut target, 0);
            many.push(target);
        }
        let made = Made::new(campaign().campaign_id, NOW, 250);
        let mut course = Course { made: &made, campaign: campaign(), targets: many };
        course.campaign.pace.at_most = 100;
        let rate = CampaignViolation::Rate { place: 66, per_hour: 3600 };
        assert_eq!(course.violations(), [rate]);
        course.targets.truncate(4);
        course.campaign.pace.at_most = 3;
        assert_eq!(course.violations(), [CampaignViolation::AtMost { place: 4, count: 4, at_most: 3 }]);
    }
}
