//! Campaigns: one thing asked of many eUICCs, in waves, at a pace, and with an end by itself when too much of it fails.
//!
//! A campaign has its targets in an order, divided into waves. [`Campaign::step`] says what is to be done next, from how the
//! targets of its wave stand: begin some more, go to the next wave, stop. A wave is over for the next one when all of its
//! targets have begun, [`SETTLED_SHARE`] of them ended, and the soak time has passed since: devices that are silent do not
//! hold up a fleet. The campaign itself is done when every target has an end.
//!
//! What failed, was rolled back or expired counts against the failure budget: a share of the targets of the wave that were
//! asked at all. Beyond it the campaign stops by itself until a person lets it go on. An operation that is overdue is none
//! of these: nobody knows its outcome. A target whose operation could not even be made is *refused*, and counts as nothing;
//! but a wave of which every target is refused stops the campaign, unless all of it may fail.

use std::fmt;
use std::time::Duration;

use super::name::ProfileType;
use super::operation::{OldProfile, OperationKind, Rollback, SwitchTarget, Task};
use super::operation_state::OperationStateName;
use super::random_number::random_number;
use crate::env::Timestamp;
use crate::ident::Iccid;

/// Targets of a campaign at most.
pub const TARGETS_MAX: usize = 200_000;
/// Waves of a campaign at most, those of repetitions included.
pub const WAVES_MAX: usize = 100;
/// Targets that are begun in one step at most: they share commits.
pub const BATCH_MAX: u32 = 32;
/// The share of a wave, in per mille, that must have ended before the soak time begins.
pub const SETTLED_SHARE: u64 = 950;
/// The longest name, in octets.
const NAME_MAX: usize = 64;
const HOUR_MS: i64 = 3_600_000;

random_number! {
    /// The number of a campaign: 128 random bits.
    CampaignId
}

/// What people call a campaign: 1 to 64 octets without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignName(String);

impl CampaignName {
    /// Reads a name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CampaignName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Names, codes of the store, and both directions, for an enum without data.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$about:meta])* $variant:ident = $code:literal $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$about])* $variant),+ }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name, which does not change.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Its code in the store.
            #[must_use]
            pub const fn code(self) -> i64 {
                match self { $(Self::$variant => $code),+ }
            }

            /// Reads a name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }

            /// Reads a code of the store.
            #[must_use]
            pub fn of_code(code: i64) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

named! {
    /// Where a campaign stands.
    CampaignState {
        /// Targets are begun, or awaited.
        Running = 0 "running",
        /// A person stopped it for a while: what is under way goes on, nothing begins.
        Paused = 1 "paused",
        /// It stopped by itself, and waits for a person.
        Stopped = 2 "stopped",
        /// A person ended it; what is under way ends by itself.
        Cancelling = 3 "cancelling",
        /// Every target has an end.
        Done = 4 "done",
        /// A person ended it, and nothing is under way any more.
        Cancelled = 5 "cancelled",
    }
}

named! {
    /// Where a target of a campaign stands.
    TargetState {
        /// Nothing was asked of it yet.
        Pending = 0 "pending",
        /// Its operation is under way.
        UnderWay = 1 "under_way",
        /// Its operation is done, with or without a remnant.
        Done = 2 "done",
        /// The device went back to the profile before.
        RolledBack = 3 "rolled_back",
        /// Its operation failed.
        Failed = 4 "failed",
        /// Its operation ended before it began.
        Expired = 5 "expired",
        /// Its operation was cancelled.
        Cancelled = 6 "cancelled",
        /// Its operation was not made: something stood in the way.
        Refused = 7 "refused",
        /// Nothing was asked of it, and nothing will be: the campaign was cancelled before.
        LeftOut = 8 "left_out",
    }
}

impl TargetState {
    /// What an operation in this state makes of its target.
    #[must_use]
    pub const fn of(state: OperationStateName) -> Self {
        match state {
            OperationStateName::Done | OperationStateName::DoneWithRemnant => Self::Done,
            OperationStateName::RolledBack => Self::RolledBack,
            OperationStateName::Failed => Self::Failed,
            OperationStateName::Expired => Self::Expired,
            OperationStateName::Cancelled => Self::Cancelled,
            OperationStateName::Waiting
            | OperationStateName::Checking
            | OperationStateName::Downloading
            | OperationStateName::Downloaded
            | OperationStateName::Enabling
            | OperationStateName::Switching
            | OperationStateName::Confirming
            | OperationStateName::HoldingOld
            | OperationStateName::DeletingOld
            | OperationStateName::Acting => Self::UnderWay,
        }
    }

    /// Whether it ended in a way in which it may be asked once more: anything but what was wanted, or left out.
    #[must_use]
    pub const fn may_be_retried(self) -> bool {
        matches!(self, Self::RolledBack | Self::Failed | Self::Expired | Self::Cancelled | Self::Refused)
    }

    /// Whether an operation stands behind it.
    #[must_use]
    pub const fn has_operation(self) -> bool {
        !matches!(self, Self::Pending | Self::LeftOut | Self::Refused)
    }
}

/// What is asked of each target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignTask {
    /// What.
    pub kind: OperationKind,
    /// Of enable and switch: whether the device may go back by itself.
    pub rollback: Rollback,
    /// Of switch: what becomes of the profile before.
    pub old: OldProfile,
    /// Of what downloads: the type of our own profiles, of which each target gets one; without it each brings its own code.
    pub profile_type: Option<ProfileType>,
}

impl CampaignTask {
    /// What is asked of a target that names this profile.
    ///
    /// # Errors
    /// What is missing, or too much.
    pub fn of_target(&self, iccid: Option<&Iccid>) -> Result<Task, &'static str> {
        let needed = || iccid.cloned().ok_or("it names no profile: iccid is missing");
        let task = match self.kind {
            OperationKind::Download => Task::Download,
            OperationKind::Audit => Task::Audit,
            OperationKind::Enable => Task::Enable { iccid: needed()?, rollback: self.rollback },
            OperationKind::Disable => Task::Disable { iccid: needed()? },
            OperationKind::Delete => Task::Delete { iccid: needed()? },
            OperationKind::Switch => Task::Switch {
                to: iccid.cloned().map_or(SwitchTarget::Downloaded, SwitchTarget::Installed),
                rollback: self.rollback,
                old: self.old,
            },
            OperationKind::Configure
            | OperationKind::Laboratory
            | OperationKind::Move
            | OperationKind::RotateKey => {
                return Err("a campaign does not ask this");
            }
        };
        if matches!(self.kind, OperationKind::Download | OperationKind::Audit) && iccid.is_some() {
            return Err("it names a profile, and nothing is asked of one");
        }
        Ok(task)
    }
}

/// How fast a campaign goes, and when it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How much of the targets the waves up to each comprise, in per mille: rising, the last one is 1000.
    pub shares: Vec<u16>,
    /// Targets begun in an hour at most.
    pub per_hour: u32,
    /// Targets under way at a time at most.
    pub at_most: u32,
    /// The share of a wave's targets that may fail, in per mille.
    pub failure_budget: u16,
    /// How long a wave that settled is watched before the next one begins.
    pub soak: Duration,
    /// How long an operation may wait to begin; without it, as long as it takes.
    pub validity: Option<Duration>,
}

impl Default for Pace {
    /// What a campaign has where nobody says otherwise.
    fn default() -> Self {
        Self {
            shares: vec![10, 100, 1000],
            per_hour: 600,
            at_most: 500,
            failure_budget: 20,
            soak: Duration::from_secs(3600),
            validity: Some(Duration::from_secs(7 * 24 * 3600)),
        }
    }
}

/// Reads a share of the whole, such as `2.5%`: 0 to 100 with one digit behind the point at most. Returns it per mille; `None`
/// for any other text.
#[must_use]
pub fn parse_share(text: &str) -> Option<u16> {
    let number = text.strip_suffix('%')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    if !is_digits(whole) || !is_digits(tenth) || tenth.len() != 1 || whole.len() > 3 {
        return None;
    }
    format!("{whole}{tenth}").parse().ok().filter(|per_mille| *per_mille <= 1000)
}

/// A share per mille as [`parse_share`] reads it.
#[must_use]
pub fn share_text(per_mille: u16) -> String {
    match (per_mille / 10, per_mille % 10) {
        (whole, 0) => format!("{whole}%"),
        (whole, tenth) => format!("{whole}.{tenth}%"),
    }
}

/// Why a pace cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// Shares that do not rise to the whole.
    #[error("waves: expected 1 to 20 rising shares of which the last one is 100%, such as 1%,10%,100%")]
    Shares,
    /// No rate.
    #[error("rate: expected 1 to 1,000,000 an hour")]
    Rate,
    /// Nothing under way.
    #[error("at most: expected 1 to 10,000 under way")]
    AtMost,
    /// A share beyond the whole.
    #[error("failure budget: expected 0% to 100%")]
    Budget,
    /// Times beyond all measure.
    #[error("soak and validity: expected ten years at most, and a validity of a second at least")]
    Time,
}

/// The longest times of a pace: ten years.
const TIME_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl Pace {
    /// # Errors
    /// [`PaceError`] of a pace that cannot be.
    pub fn check(&self) -> Result<(), PaceError> {
        let rises = self.shares.iter().zip(self.shares.iter().skip(1)).all(|(one, next)| one < next);
        let is_first_something = self.shares.first().is_some_and(|share| *share > 0);
        if !rises || !is_first_something || self.shares.last() != Some(&1000) || self.shares.len() > 20 {
            return Err(PaceError::Shares);
        }
        if !(1..=1_000_000).contains(&self.per_hour) {
            return Err(PaceError::Rate);
        }
        if !(1..=10_000).contains(&self.at_most) {
            return Err(PaceError::AtMost);
        }
        if self.failure_budget > 1000 {
            return Err(PaceError::Budget);
        }
        let is_short = self.validity.is_some_and(|validity| validity < Duration::from_secs(1));
        if is_short || self.soak > TIME_MAX || self.validity.is_some_and(|validity| validity > TIME_MAX) {
            return Err(PaceError::Time);
        }
        Ok(())
    }

    /// How many of `targets` each wave has: one at least, as long as there are any.
    #[must_use]
    pub fn waves(&self, targets: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut begun = 0_usize;
        for share in &self.shares {
            let upto =
                targets.saturating_mul(usize::from(*share)).div_ceil(1000).max(begun.saturating_add(1));
            let upto = upto.min(targets);
            if upto > begun {
                sizes.push(upto.saturating_sub(begun));
                begun = upto;
            }
        }
        sizes
    }

    /// The time between two targets, in milliseconds.
    fn interval_ms(&self) -> i64 {
        HOUR_MS.checked_div(i64::from(self.per_hour)).unwrap_or(HOUR_MS).max(1)
    }
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its number.
    pub campaign_id: CampaignId,
    /// What people call it.
    pub name: CampaignName,
    /// What is asked of each target.
    pub task: CampaignTask,
    /// How fast it goes.
    pub pace: Pace,
    /// Who asked for it: kind, colon, name.
    pub creator: String,
    /// When.
    pub created_at: Timestamp,
    /// Its version as read.
    pub version: i64,
    /// Where it stands.
    pub state: CampaignState,
    /// Why it stopped.
    pub reason: Option<String>,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// The wave that is under way, from 1.
    pub wave: u32,
    /// How many there are.
    pub waves: u32,
    /// How many targets.
    pub targets: u32,
    /// Since when enough of the wave has ended.
    pub settled_at: Option<Timestamp>,
    /// When the pace lets the next target begin.
    pub next_at: Timestamp,
    /// Until when whoever began targets holds it.
    pub held_until: Option<Timestamp>,
}

/// How many targets of a wave stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaveCounts([u32; 9]);

impl WaveCounts {
    /// How many stand there.
    #[must_use]
    pub fn of(&self, state: TargetState) -> u32 {
        usize::try_from(state.code()).ok().and_then(|place| self.0.get(place)).copied().unwrap_or_default()
    }

    /// Counts some more.
    pub fn add(&mut self, state: TargetState, count: u32) {
        let place = usize::try_from(state.code()).ok().and_then(|place| self.0.get_mut(place));
        if let Some(there) = place {
            *there = there.saturating_add(count);
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Those that count against the failure budget.
    #[must_use]
    pub fn failures(&self) -> u32 {
        [TargetState::Failed, TargetState::RolledBack, TargetState::Expired]
            .into_iter()
            .fold(0, |sum, state| sum.saturating_add(self.of(state)))
    }

    /// Those that have an end.
    #[must_use]
    pub fn ended(&self) -> u32 {
        self.all()
            .saturating_sub(self.of(TargetState::Pending))
            .saturating_sub(self.of(TargetState::UnderWay))
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, for now.
    Wait,
    /// So many targets of the wave begin.
    Begin(u32),
    /// Enough of the wave ended: the soak time begins.
    Settle,
    /// The next wave begins.
    NextWave,
    /// It stops by itself, for this reason.
    Stop(String),
    /// Every target has an end.
    End,
    /// Nothing is under way any more, of a campaign that a person ended.
    EndCancelled,
}

impl Campaign {
    /// What is to be done next: `wave` is how the targets of the wave stand, `under_way` how many of all waves are under way.
    #[must_use]
    pub fn step(&self, wave: &WaveCounts, under_way: u32, now: Timestamp) -> Step {
        match self.state {
            CampaignState::Running => {}
            CampaignState::Cancelling if under_way == 0 => return Step::EndCancelled,
            CampaignState::Cancelling
            | CampaignState::Paused
            | CampaignState::Stopped
            | CampaignState::Done
            | CampaignState::Cancelled => return Step::Wait,
        }
        if let Some(reason) = self.stops(wave) {
            return Step::Stop(reason);
        }
        let pending = wave.of(TargetState::Pending);
        if pending > 0 {
            return match self.may_begin(pending, under_way, now) {
                0 => Step::Wait,
                count => Step::Begin(count),
            };
        }
        if self.wave >= self.waves {
            return if under_way == 0 { Step::End } else { Step::Wait };
        }
        let is_settled = u64::from(wave.ended()) * 1000 >= SETTLED_SHARE * u64::from(wave.all());
        match self.settled_at {
            _ if !is_settled => Step::Wait,
            None if self.pace.soak.is_zero() => Step::NextWave,
            None => Step::Settle,
            Some(at) if at.plus(self.pace.soak) <= now => Step::NextWave,
            Some(_) => Step::Wait,
        }
    }

    fn stops(&self, wave: &WaveCounts) -> Option<String> {
        let refused = wave.of(TargetState::Refused);
        if refused > 0 && refused == wave.all() && self.pace.failure_budget < 1000 {
            return Some(format!("all {refused} targets of wave {} were refused", self.wave));
        }
        let asked = wave.all().saturating_sub(refused).saturating_sub(wave.of(TargetState::LeftOut));
        let failures = wave.failures();
        let is_over = u64::from(failures) * 1000 > u64::from(self.pace.failure_budget) * u64::from(asked);
        is_over.then(|| {
            let budget = f64::from(self.pace.failure_budget) / 10.0;
            format!("{failures} of {asked} targets of wave {} failed, more than {budget}%", self.wave)
        })
    }

    /// How many may begin: as many as pace, bound and step permit.
    fn may_begin(&self, pending: u32, under_way: u32, now: Timestamp) -> u32 {
        let since = now.as_millis().saturating_sub(self.next_at.as_millis());
        if since < 0 {
            return 0;
        }
        let due = since.checked_div(self.pace.interval_ms()).unwrap_or_default().saturating_add(1);
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        due.min(BATCH_MAX).min(pending).min(self.pace.at_most.saturating_sub(under_way))
    }

    /// When the next target may begin, now that `count` begin: what was not used before is kept for one step alone.
    #[must_use]
    pub fn next_at_after(&self, count: u32, now: Timestamp) -> Timestamp {
        let interval = self.pace.interval_ms();
        let paced = self.next_at.as_millis().saturating_add(interval.saturating_mul(i64::from(count)));
        let kept = interval.saturating_mul(i64::from(BATCH_MAX.saturating_sub(1)));
        Timestamp::from_millis(paced.max(now.as_millis().saturating_sub(kept)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn pace() -> Pace {
        Pace {
            shares: vec![10, 100, 1000],
            per_hour: 3600,
            at_most: 10,
            failure_budget: 100,
            soak: Duration::from_secs(60),
            validity: None,
        }
    }

    fn campaign() -> Campaign {
        Campaign {
            campaign_id: CampaignId::parse(&"0a".repeat(16)).unwrap(),
            name: CampaignName::parse("north").unwrap(),
            task: CampaignTask {
                kind: OperationKind::Audit,
                rollback: Rollback::NotGranted,
                old: OldProfile::Keep,
                profile_type: None,
            },
            pace: pace(),
            creator: "person:anna".to_owned(),
            created_at: NOW,
            version: 1,
            state: CampaignState::Running,
            reason: None,
            changed_at: NOW,
            wave: 1,
            waves: 2,
            targets: 100,
            settled_at: None,
            next_at: NOW,
            held_until: None,
        }
    }

    fn counts(all: &[(TargetState, u32)]) -> WaveCounts {
        let mut counts = WaveCounts::default();
        for (state, count) in all {
            counts.add(*state, *count);
        }
        counts
    }

    #[test]
    fn waves_comprise_all_targets_and_one_at_least_each() {
        for (targets, sizes) in
            [(1000, vec![10, 90, 900]), (5, vec![1, 1, 3]), (2, vec![1, 1]), (1, vec![1]), (0, vec![])]
        {
            assert_eq!(pace().waves(targets), sizes, "{targets}");
        }
        for shares in [vec![], vec![0, 1000], vec![100], vec![100, 100, 1000], vec![1000, 100]] {
            assert_eq!(Pace { shares, ..pace() }.check(), Err(PaceError::Shares));
        }
        assert_eq!(pace().check(), Ok(()));
        for (pace, error) in [
            (Pace { per_hour: 0, ..pace() }, PaceError::Rate),
            (Pace { at_most: 0, ..pace() }, PaceError::AtMost),
            (Pace { failure_budget: 1001, ..pace() }, PaceError::Budget),
            (Pace { validity: Some(Duration::ZERO), ..pace() }, PaceError::Time),
            (Pace { soak: Duration::MAX, ..pace() }, PaceError::Time),
        ] {
            assert_eq!(pace.check(), Err(error));
        }
    }

    #[test]
    fn shares_have_a_sign_behind_them() {
        for (text, per_mille) in [("0%", 0), ("1%", 10), ("2.5%", 25), ("100%", 1000), ("0.1%", 1)] {
            assert_eq!((parse_share(text), share_text(per_mille).as_str()), (Some(per_mille), text));
        }
        for text in ["", "1", "%", "101%", "1.25%", "-1%", "1.%", ".5%", "1000%"] {
            assert_eq!(parse_share(text), None, "{text}");
        }
        assert_eq!(Pace::default().check(), Ok(()));
    }

    #[test]
    fn a_running_campaign_goes_step_by_step() {
        use TargetState::{Done, Expired, Failed, Pending, Refused, UnderWay};
        let later = |secs| NOW.plus(Duration::from_secs(secs));
        let settled = Campaign { settled_at: Some(NOW), ..campaign() };
        let last = Campaign { wave: 2, ..campaign() };
        let at_once = Campaign { pace: Pace { soak: Duration::ZERO, ..pace() }, ..campaign() };
        for (campaign, all, under_way, now, step) in [
            (campaign(), vec![(Pending, 50)], 0, NOW, Step::Begin(1)),
            (campaign(), vec![(Pending, 50)], 0, later(4), Step::Begin(5)),
            (campaign(), vec![(Pending, 50)], 8, later(100), Step::Begin(2)),
            (campaign(), vec![(Pending, 50)], 10, later(100), Step::Wait),
            (Campaign { next_at: later(1), ..campaign() }, vec![(Pending, 50)], 0, NOW, Step::Wait),
            (campaign(), vec![(Pending, 1), (Done, 9)], 0, later(100), Step::Begin(1)),
            (campaign(), vec![(UnderWay, 2), (Done, 18)], 2, NOW, Step::Wait),
            (campaign(), vec![(UnderWay, 1), (Done, 19)], 1, NOW, Step::Settle),
            (at_once, vec![(Done, 20)], 0, NOW, Step::NextWave),
            (settled.clone(), vec![(Done, 20)], 0, later(59), Step::Wait),
            (settled, vec![(UnderWay, 1), (Done, 19)], 1, later(60), Step::NextWave),
            (last.clone(), vec![(UnderWay, 1), (Done, 99)], 1, later(600), Step::Wait),
            (last.clone(), vec![(Done, 100)], 1, later(600), Step::Wait),
            (last, vec![(Done, 95), (Refused, 5)], 0, NOW, Step::End),
            (campaign(), vec![(Done, 9), (Failed, 1)], 0, NOW, Step::Settle),
        ] {
            assert_eq!(campaign.step(&counts(&all), under_way, now), step, "{all:?} {under_way}");
        }
        let stops = |all: &[(TargetState, u32)]| match campaign().step(&counts(all), 0, NOW) {
            Step::Stop(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            stops(&[(Pending, 8), (Failed, 1), (Expired, 1), (Refused, 2)]),
            "2 of 10 targets of wave 1 failed, more than 10%"
        );
        assert_eq!(stops(&[(Refused, 3)]), "all 3 targets of wave 1 were refused");
        let all_may_fail = Campaign { pace: Pace { failure_budget: 1000, ..pace() }, ..campaign() };
        assert_eq!(all_may_fail.step(&counts(&[(Refused, 3)]), 0, NOW), Step::Settle);
    }

    #[test]
    fn what_does_not_run_begins_nothing() {
        let all = counts(&[(TargetState::Pending, 10), (TargetState::Failed, 10)]);
        for state in CampaignState::ALL {
            let campaign = Campaign { state: *state, ..campaign() };
            let steps = (campaign.step(&all, 3, NOW), campaign.step(&all, 0, NOW));
            match state {
                CampaignState::Running => assert!(matches!(steps, (Step::Stop(_), Step::Stop(_)))),
                CampaignState::Cancelling => assert_eq!(steps, (Step::Wait, Step::EndCancelled)),
                _ => assert_eq!(steps, (Step::Wait, Step::Wait), "{state}"),
            }
            assert_eq!(CampaignState::parse(state.as_str()), Some(*state));
            assert_eq!(CampaignState::of_code(state.code()), Some(*state));
        }
    }

    #[test]
    fn the_rate_holds_over_time_and_a_pause_is_not_made_up_for() {
        let campaign = campaign();
        assert_eq!(campaign.next_at_after(5, NOW), NOW.plus(Duration::from_secs(5)));
        let after_a_day = NOW.plus(Duration::from_secs(86_400));
        let next = campaign.next_at_after(1, after_a_day);
        assert_eq!(next, after_a_day.minus(Duration::from_secs(31)), "one step of it, and no more");
    }

    #[test]
    fn a_target_says_what_is_asked_of_it() {
        let iccid = Iccid::parse("898821100000000000").unwrap();
        let of = |kind| CampaignTask { kind, ..campaign().task };
        for (kind, with, without) in [
            (OperationKind::Enable, true, false),
            (OperationKind::Disable, true, false),
            (OperationKind::Delete, true, false),
            (OperationKind::Switch, true, true),
            (OperationKind::Download, false, true),
            (OperationKind::Audit, false, true),
            (OperationKind::Configure, false, false),
        ] {
            assert_eq!(of(kind).of_target(Some(&iccid)).is_ok(), with, "{kind}");
            assert_eq!(of(kind).of_target(None).is_ok(), without, "{kind}");
        }
    }
}
