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
    /// Commits of the store.
    pub commits: u64,
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
            (&mut self.commits, other.commits),
            (&mut self.enabled, other.enabled),
            (&mut self.open, other.open),
        ] {
            *sum += one;
        }
        for (sums, others) in
            [(&mut self.not_enabled, &other.not_enabled), (&mut self.switches, &other.switches)]
        {
            for (what, count) in others {
                *sums.entry(what.clone()).or_default() += count;
            }
        }
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
