//! What a run came to.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::checkers::Violation;

/// What happened in the story of a seed. The same seed, devices and faults give the same figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Things that happened, one after the other.
    pub events: u64,
    /// Seconds that passed in the simulated world.
    pub simulated_s: u64,
    /// Requests that set out.
    pub calls: u64,
    /// Messages that were lost.
    pub dropped: u64,
    /// Requests that were doubled.
    pub doubled: u64,
    /// Messages that were late.
    pub delayed: u64,
    /// Requests that found no server.
    pub unreachable: u64,
    /// How often the server died.
    pub deaths: u64,
    /// How often a device lost power.
    pub power_cuts: u64,
    /// Devices that fell silent for good.
    pub silent: u64,
    /// Requests that came with another octet in them.
    pub forged: u64,
    /// Requests that came once more later.
    pub replayed: u64,
    /// Errors that cards answered with, by function and code.
    pub card_errors: BTreeMap<String, u64>,
    /// Commits of the store.
    pub commits: u64,
    /// Changes in them, each of some rows.
    pub changes: u64,
    /// Rows that were inserted, changed or deleted by them.
    pub rows: u64,
    /// Commits behind the factory: those of the switches, and of everything beside them.
    pub commits_of_switches: u64,
    /// Changes in those.
    pub changes_of_switches: u64,
    /// Rows in those.
    pub rows_of_switches: u64,
    /// How long switches took in the simulated world that ended, from the moment in which they were asked for.
    pub switch_times: Times,
    /// How long campaigns took, from the moment in which they were made until they were over.
    pub campaign_times: Times,
    /// Campaigns by the state in which they ended.
    pub campaigns: BTreeMap<String, u64>,
    /// How often one of them stopped by itself, and a person let it go on.
    pub resumed: u64,
    /// Their targets by state.
    pub targets: BTreeMap<String, u64>,
    /// Profiles that were installed and enabled.
    pub enabled: u64,
    /// Profiles that were not, by what the device was told last.
    pub not_enabled: BTreeMap<String, u64>,
    /// Switches by the state in which they ended.
    pub switches: BTreeMap<String, u64>,
    /// Profiles that a silent device was about to get.
    pub open: u64,
}

impl Figures {
    /// Adds those of another seed.
    pub fn add(&mut self, other: &Self) {
        for (sum, one) in [
            (&mut self.events, other.events),
            (&mut self.simulated_s, other.simulated_s),
            (&mut self.calls, other.calls),
            (&mut self.dropped, other.dropped),
            (&mut self.doubled, other.doubled),
            (&mut self.delayed, other.delayed),
            (&mut self.unreachable, other.unreachable),
            (&mut self.deaths, other.deaths),
            (&mut self.power_cuts, other.power_cuts),
            (&mut self.silent, other.silent),
            (&mut self.forged, other.forged),
            (&mut self.replayed, other.replayed),
            (&mut self.commits, other.commits),
            (&mut self.changes, other.changes),
            (&mut self.rows, other.rows),
            (&mut self.rows_of_switches, other.rows_of_switches),
            (&mut self.resumed, other.resumed),
            (&mut self.commits_of_switches, other.commits_of_switches),
            (&mut self.changes_of_switches, other.changes_of_switches),
            (&mut self.enabled, other.enabled),
            (&mut self.open, other.open),
        ] {
            *sum += one;
        }
        self.switch_times.0.extend(&other.switch_times.0);
        self.campaign_times.0.extend(&other.campaign_times.0);
        for (sums, others) in [
            (&mut self.not_enabled, &other.not_enabled),
            (&mut self.switches, &other.switches),
            (&mut self.campaigns, &other.campaigns),
            (&mut self.targets, &other.targets),
            (&mut self.card_errors, &other.card_errors),
        ] {
            for (what, count) in others {
                *sums.entry(what.clone()).or_default() += count;
            }
        }
    }
}

/// Times, in seconds; their percentiles are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<u64>);

impl Times {
    /// One more.
    pub fn note(&mut self, seconds: u64) {
        self.0.push(seconds);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The least time that so many of a hundred do not exceed; `None` if there is none at all.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = sorted.len().saturating_mul(percent).div_ceil(100);
        sorted.get(place.saturating_sub(1)).copied()
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let percentiles = [("p50_s", 50), ("p99_s", 99), ("most_s", 100)];
        serializer.collect_map(percentiles.map(|(name, percent)| (name, self.percentile(percent))))
    }
}

/// What the story of a seed came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// What happened.
    pub figures: Figures,
    /// What does not hold.
    #[serde(serialize_with = "as_texts")]
    pub violations: Vec<Violation>,
}

fn as_texts<S: Serializer>(violations: &[Violation], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(violations.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times = Times::default();
        assert_eq!((times.percentile(50), times.count()), (None, 0));
        (1..=200).rev().for_each(|seconds| times.note(seconds));
        assert_eq!([50, 99, 100].map(|percent| times.percentile(percent)), [Some(100), Some(198), Some(200)]);
        assert_eq!(
            serde_json::to_value(&times).unwrap(),
            serde_json::json!({ "p50_s": 100, "p99_s": 198, "most_s": 200 })
        );
    }
}
