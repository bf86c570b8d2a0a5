//! Counts that drain steadily: so many of something in an hour for each key, in bounded memory.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

/// What the limits are about.
pub const HOUR: Duration = Duration::from_secs(3600);
/// How many keys are remembered; those that are nearest to having drained are forgotten first.
const MAX_REMEMBERED: usize = 65_536;

/// Counts that drain: of `n` an hour, one comes back every `1/n` hour. Of each key the time is kept at which nothing of its
/// count is left; each one counted moves it on by one interval, and it may be at most an hour ahead. Time is passed in.
pub struct DrainingCounts<K> {
    interval: Duration,
    empty_at: HashMap<K, Duration>,
    order: BTreeSet<(Duration, K)>,
}

impl<K: Clone + Ord + Hash> DrainingCounts<K> {
    /// So many in an hour for each key.
    #[must_use]
    pub fn new(limit: NonZeroU32) -> Self {
        Self { interval: HOUR / limit.get(), empty_at: HashMap::new(), order: BTreeSet::new() }
    }

    /// Whether there is room for one more.
    ///
    /// # Errors
    /// The time to wait if there is none.
    pub fn check(&self, key: &K, now: Duration) -> Result<(), Duration> {
        let Some(empty_at) = self.empty_at.get(key) else { return Ok(()) };
        let wait = empty_at.saturating_add(self.interval).saturating_sub(now.saturating_add(HOUR));
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Counts one.
    pub fn count(&mut self, key: &K, now: Duration) {
        let old = self.empty_at.get(key).copied();
        if let Some(old) = old {
            self.order.remove(&(old, key.clone()));
        } else if self.empty_at.len() >= MAX_REMEMBERED
            && let Some((_, forgotten)) = self.order.pop_first()
        {
            self.empty_at.remove(&forgotten);
        }
        let empty_at = old.map_or(now, |old| old.max(now)).saturating_add(self.interval);
        self.empty_at.insert(key.clone(), empty_at);
        self.order.insert((empty_at, key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_counted_least_is_forgotten_when_there_is_no_room() {
        let now = Duration::from_secs(1000);
        let mut counts = DrainingCounts::new(NonZeroU32::new(2).unwrap());
        counts.count(&0, now);
        counts.count(&0, now);
        for key in 1..=MAX_REMEMBERED {
            counts.count(&key, now);
        }
        assert_eq!((counts.empty_at.len(), counts.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        counts.check(&0, now).unwrap_err();
        assert!(!counts.empty_at.contains_key(&1));
    }
}
