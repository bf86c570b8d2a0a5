//! When eUICCs were heard of last: kept in memory, and noted once a minute in one statement, by the SM-DP+ in the register and
//! by the eIM among its own. A crash may lose that minute, nothing else. Of whom nothing was heard before, it is noted within
//! seconds: whoever looks into the store must not read for a minute that it never came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Store, StoreError};
use crate::env::Timestamp;
use crate::ident::Eid;

/// eUICCs that are remembered between two notes; those beyond are heard of another time.
pub const SEEN_MAX: usize = 100_000;
/// eUICCs of one commit at most: some ten milliseconds of the one who writes.
const ROWS_MAX: usize = 500;

/// Where it is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeenBy {
    /// In the register of eUICCs.
    #[default]
    Smdp,
    /// Among the eUICCs of our eIM.
    Eim,
}

/// Whether an eUICC was heard of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was not: the store has no time yet.
    First,
    /// It was.
    Again,
}

/// eUICCs that were heard of since the last note.
#[derive(Debug, Default)]
pub struct Seen {
    by: SeenBy,
    /// Whether one of them was heard of for the first time.
    has_first: AtomicBool,
    times: Mutex<HashMap<Eid, Timestamp>>,
}

impl Seen {
    /// Nothing heard yet.
    #[must_use]
    pub fn new(by: SeenBy) -> Self {
        Self { by, ..Self::default() }
    }

    /// An eUICC was heard of, as before.
    pub fn hear(&self, eid: &Eid, at: Timestamp) {
        self.hear_of(eid, at, Heard::Again);
    }

    /// An eUICC was heard of, perhaps for the first time.
    pub fn hear_of(&self, eid: &Eid, at: Timestamp, heard: Heard) {
        let mut seen = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get_mut(eid) {
            *known = at;
        } else if seen.len() < SEEN_MAX {
            seen.insert(eid.clone(), at);
        }
        drop(seen);
        if heard == Heard::First {
            self.has_first.store(true, Ordering::Release);
        }
    }

    /// Whether somebody was heard of for the first time since the last note: it should not wait.
    #[must_use]
    pub fn has_first(&self) -> bool {
        self.has_first.load(Ordering::Acquire)
    }

    /// Notes all of them. What cannot be noted is forgotten: the eUICC will be heard of again.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn note(&self, store: &Store) -> Result<(), StoreError> {
        self.has_first.store(false, Ordering::Release);
        let seen = std::mem::take(&mut *self.times.lock().unwrap_or_else(PoisonError::into_inner));
        let seen: Vec<(Eid, Timestamp)> = seen.into_iter().collect();
        for chunk in seen.chunks(ROWS_MAX) {
            match self.by {
                SeenBy::Smdp => store.euiccs_seen(chunk).await?,
                SeenBy::Eim => store.eim_contacts(chunk).await?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_counts() {
        let seen = Seen::default();
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        seen.hear(&eid, Timestamp::from_secs(1));
        seen.hear(&eid, Timestamp::from_secs(2));
        assert_eq!(seen.times.lock().unwrap().get(&eid), Some(&Timestamp::from_secs(2)));
        assert!(!seen.has_first(), "it can wait for the next minute");
        seen.hear_of(&eid, Timestamp::from_secs(3), Heard::First);
        assert!(seen.has_first());
    }
}
