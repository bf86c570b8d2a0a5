//! What goes wrong, and how often; and the dice that decide it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::env::Rng;

/// How often each fault comes, of a thousand chances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// A message never arrives, on its way to the server or back.
    pub drop: u32,
    /// A request arrives twice.
    pub double: u32,
    /// A message takes up to two minutes, which is longer than anybody waits.
    pub delay: u32,
    /// The server dies at a request: before it, or before or behind one of its commits.
    pub death: u32,
    /// A device loses power some time after it sent a message, and gets it back later.
    pub power_cut: u32,
    /// A device falls silent for good behind a message.
    pub silence: u32,
    /// A device reaches nothing with the profile that it is to switch to.
    pub coverage: u32,
    /// A card answers a function with an error that it has no reason for.
    pub card_error: u32,
    /// Before a request of a device comes another one, in which one octet is changed.
    pub forge: u32,
    /// An earlier request of a device comes once more.
    pub replay: u32,
    /// A switch deletes the old profile in the end.
    pub delete_old: u32,
}

/// A member of [`Faults`].
type Member = fn(&mut Faults) -> &mut u32;

/// All of them by the names of the command line.
const MEMBERS: [(&str, Member); 11] = [
    ("drop", |faults| &mut faults.drop),
    ("double", |faults| &mut faults.double),
    ("delay", |faults| &mut faults.delay),
    ("death", |faults| &mut faults.death),
    ("power-cut", |faults| &mut faults.power_cut),
    ("silence", |faults| &mut faults.silence),
    ("coverage", |faults| &mut faults.coverage),
    ("card-error", |faults| &mut faults.card_error),
    ("forge", |faults| &mut faults.forge),
    ("replay", |faults| &mut faults.replay),
    ("delete-old", |faults| &mut faults.delete_old),
];

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        drop: 0,
        double: 0,
        delay: 0,
        death: 0,
        power_cut: 0,
        silence: 0,
        coverage: 0,
        card_error: 0,
        forge: 0,
        replay: 0,
        delete_old: 0,
    };
}

impl Default for Faults {
    /// A bad day: most downloads meet some fault, and most come to their end.
    fn default() -> Self {
        Self {
            drop: 40,
            double: 20,
            delay: 20,
            death: 15,
            power_cut: 20,
            silence: 2,
            coverage: 200,
            card_error: 10,
            forge: 10,
            replay: 20,
            delete_old: 300,
        }
    }
}

/// Why a text is no list of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no fault: expected none, or NAME=COUNT with a count of 0 to 1000 and one of the names {names}"
)]
pub struct InvalidFaults {
    found: String,
    names: String,
}

impl FromStr for Faults {
    type Err = InvalidFaults;

    /// `drop=40,death=0`: what is not named is as by default; `none` sets all that it follows to 0.
    fn from_str(text: &str) -> Result<Self, InvalidFaults> {
        let mut faults = Self::default();
        for entry in text.split(',') {
            if entry == "none" {
                faults = Self::NONE;
                continue;
            }
            let named = entry.split_once('=').and_then(|(name, count)| {
                let (_, member) = MEMBERS.iter().find(|(known, _)| *known == name)?;
                let count = count.parse::<u32>().ok().filter(|count| *count <= 1000)?;
                Some((member, count))
            });
            let Some((member, count)) = named else {
                let names: Vec<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
                return Err(InvalidFaults { found: entry.to_owned(), names: names.join(", ") });
            };
            *member(&mut faults) = count;
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    /// As it is read; reading it gives the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut own = *self;
        f.write_str("none")?;
        for (name, member) in MEMBERS {
            match *member(&mut own) {
                0 => {}
                count => write!(f, ",{name}={count}")?,
            }
        }
        Ok(())
    }
}

/// Decides by a seed. Each part of the world has dice of its own, so that one more throw in one part leaves the others
/// as they were.
#[derive(Clone, Debug)]
pub struct Dice(Rng);

impl Dice {
    /// The dice of a part.
    #[must_use]
    pub fn new(seed: u64, part: u64) -> Self {
        Self(Rng::seeded(mixed(seed, part)))
    }

    /// Whether something happens that happens so often in a thousand times.
    pub fn happens(&self, per_mille: u32) -> bool {
        // A fault that never comes is not thrown for.
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    /// A number below `end`, which is not 0; each nearly as likely as any other.
    pub fn below(&self, end: u64) -> u64 {
        u64::from_be_bytes(self.0.array()) % end.max(1)
    }

    /// A time from `least` to less than `most`.
    pub fn time(&self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        least.saturating_add(Duration::from_millis(self.below(span)))
    }
}

/// One number from two: neighbours are far apart.
#[must_use]
pub const fn mixed(seed: u64, part: u64) -> u64 {
    let mixed =
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part.wrapping_mul(0xBF58_476D_1CE4_E5B9));
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_shown() {
        for text in ["none", "none,drop=1", "drop=0,power-cut=1000", "silence=7"] {
            let faults: Faults = text.parse().unwrap();
            assert_eq!(faults.to_string().parse(), Ok(faults), "{text}");
        }
        assert_eq!("none".parse(), Ok(Faults::NONE));
        assert_eq!("death=3".parse(), Ok(Faults { death: 3, ..Faults::default() }));
        assert_eq!("death=3,none".parse(), Ok(Faults::NONE));
        for text in ["", "drop", "drop=", "drop=-1", "drop=1001", "rain=1", "drop=1,,"] {
            let error = text.parse::<Faults>().unwrap_err().to_string();
            assert!(error.contains("power-cut"), "{error}");
        }
    }

    #[test]
    fn every_fault_has_a_name() {
        let all = serde_json::to_value(Faults::NONE).unwrap();
        let names: Vec<String> = all.as_object().unwrap().keys().map(|name| name.replace('_', "-")).collect();
        assert!(MEMBERS.iter().all(|(name, _)| names.iter().any(|known| known == name)));
        assert_eq!(names.len(), MEMBERS.len());
    }

    #[test]
    fn dice_of_a_seed_fall_the_same_and_those_of_parts_differ() {
        let throws = |dice: Dice| (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>();
        assert_eq!(throws(Dice::new(1, 2)), throws(Dice::new(1, 2)));
        assert_ne!(throws(Dice::new(1, 2)), throws(Dice::new(1, 3)));
        assert_ne!(throws(Dice::new(1, 2)), throws(Dice::new(2, 2)));
        let dice = Dice::new(1, 1);
        assert!((0..100).all(|_| dice.happens(1000) && !dice.happens(0)));
        let (least, most) = (Duration::from_millis(20), Duration::from_millis(30));
        assert!((0..100).all(|_| (least..most).contains(&dice.time(least, most))));
        assert_eq!(dice.time(least, least), least);
    }
}
