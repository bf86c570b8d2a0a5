//! How often may somebody guess? Matching identifiers and confirmation codes that were refused are counted for the
//! eUICC that sent them and for the peer that it called from.
//!
//! Only refusals count, and only of what could be right by chance: a download that succeeds, and an eUICC that asks
//! without a matching identifier, leave no trace. Nothing is guessed before the eUICC has proved who it is; so its own
//! count comes first, and what it is refused for that does not count against those who share its address. The count of a
//! peer bounds what many eUICCs of one place may guess, as when the key of an EUM is in wrong hands.
//!
//! Wrong confirmation codes are counted for their order too, for good: see [`crate::domain::Limits`].
//!
//! The counts are in memory, bounded, and drain steadily ([`crate::domain::draining`]).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::draining::DrainingCounts;
use crate::env::Clock;
use crate::ident::{Eid, Peer};

/// How many guesses may be refused in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessLimits {
    /// To one eUICC.
    pub of_euicc: NonZeroU32,
    /// To one peer, behind which may stand a whole fleet.
    pub of_peer: NonZeroU32,
}

impl Default for GuessLimits {
    /// Far above what a user mistypes or a fleet with stale codes asks for, and nothing against 125 random bits.
    fn default() -> Self {
        let count = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self { of_euicc: count(100), of_peer: count(10_000) }
    }
}

/// Whose guesses are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guesser {
    /// An eUICC's.
    Euicc,
    /// A peer's.
    Peer,
}

impl fmt::Display for Guesser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Euicc => "this eUICC",
            Self::Peer => "the address that it calls from",
        })
    }
}

/// Nothing more is looked up or compared for this caller now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many guesses of {guesser} were wrong; the next one is heard in {} s", .wait.as_secs().saturating_add(1))]
pub struct TooManyGuesses {
    /// Whose.
    pub guesser: Guesser,
    /// Until when.
    pub wait: Duration,
}

/// The refused guesses of all callers.
pub struct Guesses {
    clock: Clock,
    counts: Mutex<(DrainingCounts<Eid>, DrainingCounts<Peer>)>,
    limited: Limited,
}

/// How often each limit was met.
#[derive(Default)]
struct Limited {
    euicc: AtomicU64,
    peer: AtomicU64,
}

impl Limited {
    const fn by(&self, guesser: Guesser) -> &AtomicU64 {
        match guesser {
            Guesser::Euicc => &self.euicc,
            Guesser::Peer => &self.peer,
        }
    }
}

impl Guesses {
    /// Nobody has guessed yet.
    #[must_use]
    pub fn new(clock: Clock, limits: GuessLimits) -> Self {
        let counts = (DrainingCounts::new(limits.of_euicc), DrainingCounts::new(limits.of_peer));
        Self { clock, counts: Mutex::new(counts), limited: Limited::default() }
    }

    /// Whether this eUICC, calling from there, may guess once more.
    ///
    /// # Errors
    /// [`TooManyGuesses`]; the caller is not told whether it would have been right.
    pub fn check(&self, peer: Peer, eid: &Eid) -> Result<(), TooManyGuesses> {
        let now = self.clock.monotonic();
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |guesser| {
            move |wait| {
                self.limited.by(guesser).fetch_add(1, Ordering::Relaxed);
                TooManyGuesses { guesser, wait }
            }
        };
        counts.0.check(eid, now).map_err(refused(Guesser::Euicc))?;
        counts.1.check(&peer, now).map_err(refused(Guesser::Peer))
    }

    /// How many guesses were not heard since the start.
    #[must_use]
    pub fn limited(&self, guesser: Guesser) -> u64 {
        self.limited.by(guesser).load(Ordering::Relaxed)
    }

    /// Counts a guess that was refused.
    pub fn count(&self, peer: Peer, eid: &Eid) {
        let now = self.clock.monotonic();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0.count(eid, now);
        counts.1.count(&peer, now);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::domain::draining::HOUR;
    use crate::env::Timestamp;

    fn peer(number: u8) -> Peer {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)).into()
    }

    fn eid(number: u32) -> Eid {
        Eid::with_check_digits(&format!("89049032000000000000{number:010}")).unwrap()
    }

    fn guesses(of_euicc: u32, of_peer: u32) -> (Clock, Guesses) {
        let clock = Clock::fixed(Timestamp::from_secs(1_795_329_780));
        let count = |count| NonZeroU32::new(count).unwrap();
        let limits = GuessLimits { of_euicc: count(of_euicc), of_peer: count(of_peer) };
        (clock.clone(), Guesses::new(clock, limits))
    }

    #[test]
    fn so_many_guesses_in_an_hour_and_one_comes_back_each_time() {
        let (clock, guesses) = guesses(4, 1000);
        for _ in 0..4 {
            guesses.check(peer(1), &eid(1)).unwrap();
            guesses.count(peer(1), &eid(1));
        }
        let refused = guesses.check(peer(1), &eid(1)).unwrap_err();
        assert_eq!((refused.guesser, refused.wait), (Guesser::Euicc, HOUR / 4));
        assert!(refused.to_string().contains("this eUICC"), "{refused}");
        guesses.check(peer(2), &eid(1)).unwrap_err();
        guesses.check(peer(1), &eid(2)).unwrap();
        clock.advance(HOUR / 4);
        guesses.check(peer(1), &eid(1)).unwrap();
        guesses.count(peer(1), &eid(1));
        guesses.check(peer(1), &eid(1)).unwrap_err();
        clock.advance(2 * HOUR);
        for _ in 0..4 {
            guesses.check(peer(1), &eid(1)).unwrap();
            guesses.count(peer(1), &eid(1));
        }
        guesses.check(peer(1), &eid(1)).unwrap_err();
    }

    #[test]
    fn many_euiccs_of_one_peer_share_its_count() {
        let (_, guesses) = guesses(4, 10);
        for number in 0..10 {
            guesses.check(peer(1), &eid(number)).unwrap();
            guesses.count(peer(1), &eid(number));
        }
        assert_eq!(guesses.check(peer(1), &eid(11)).unwrap_err().guesser, Guesser::Peer);
        guesses.check(peer(2), &eid(11)).unwrap();
        assert_eq!((guesses.limited(Guesser::Euicc), guesses.limited(Guesser::Peer)), (0, 1));
    }
}
