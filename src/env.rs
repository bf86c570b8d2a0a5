//! Clock and randomness, passed in so that a test can fix both.
//!
//! Nothing else in the crate reads the time or draws random octets; `clippy.toml` bans the ambient ones. ECDSA nonces
//! are the exception: they belong to the signing library.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Certificates reach beyond the year 7000, so it is signed
/// and wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads RFC 3339, with any offset; what is finer than a millisecond is cut. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let format = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(text, format).ok()?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }

    /// This time moved by `duration` into the future.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time moved by `duration` into the past.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// The W3C profile of ISO 8601 in UTC, to the second: `2026-11-22T06:43:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match time::OffsetDateTime::from_unix_timestamp(self.as_secs()) {
            Ok(at) => write!(
                f,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            Err(_) => write!(f, "{}s", self.as_secs()),
        }
    }
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now() })
    }

    /// A clock that stands still until it is told to [`Clock::advance`].
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(at.as_millis()))))
    }

    /// The time of day.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Timestamp(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
            }
            Source::Fixed(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        }
    }

    /// Time passed since some fixed point, for measuring: it never goes back.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { start } => start.elapsed(),
            Source::Fixed(millis) => {
                Duration::from_millis(u64::try_from(millis.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// Moves a fixed clock; the machine's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed(millis) = &self.0 {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// Where random octets come from: challenges, identifiers, one-time scalars.
#[derive(Clone, Debug)]
pub struct Rng(Generator);

#[derive(Clone, Debug)]
enum Generator {
    System(aws_lc_rs::rand::SystemRandom),
    Seeded { seed: u64, counter: Arc<AtomicU64> },
}

impl Rng {
    /// The operating system's generator.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that takes the system's randomness")]
    pub fn system() -> Self {
        Self(Generator::System(aws_lc_rs::rand::SystemRandom::new()))
    }

    /// A generator for tests and simulations: the same seed gives the same octets. Its clones share one sequence.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Generator::Seeded { seed, counter: Arc::default() })
    }

    /// Fills `out`.
    ///
    /// # Panics
    /// If the operating system has no randomness: nothing that Simyard does is safe then.
    #[expect(clippy::panic, reason = "no safe way to go on without randomness")]
    pub fn fill(&self, out: &mut [u8]) {
        match &self.0 {
            Generator::System(system) => {
                if aws_lc_rs::rand::SecureRandom::fill(system, out).is_err() {
                    panic!("the operating system gives no random octets");
                }
            }
            Generator::Seeded { seed, counter } => {
                for chunk in out.chunks_mut(32) {
                    let block = counter.fetch_add(1, Ordering::SeqCst);
                    let digest =
                        Sha256::new().chain_update(seed.to_be_bytes()).chain_update(block.to_be_bytes());
                    for (to, from) in chunk.iter_mut().zip(digest.finalize()) {
                        *to = from;
                    }
                }
            }
        }
    }

    /// `N` random octets.
    #[must_use]
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(Timestamp::from_secs(1_000));
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_secs(1_005));
        assert_eq!(Timestamp::from_secs(1_795_329_780).to_string(), "2026-11-22T06:43:00Z");
    }

    #[test]
    fn times_are_read_with_their_offset() {
        for (text, millis) in [
            ("2026-11-22T06:43:00Z", 1_795_329_780_000),
            ("2026-11-22T07:43:00.25+01:00", 1_795_329_780_250),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_millis(millis)), "{text}");
        }
        for text in ["", "2026-11-22", "2026-11-22T06:43:00", "2026-02-30T00:00:00Z", "tomorrow"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_seed_repeats_its_sequence() {
        assert_eq!(Rng::seeded(7).array::<40>(), Rng::seeded(7).array::<40>());
        assert_ne!(Rng::seeded(7).array::<40>(), Rng::seeded(8).array::<40>());
        let rng = Rng::seeded(7);
        assert_ne!(rng.array::<16>(), rng.clone().array::<16>());
    }
}
