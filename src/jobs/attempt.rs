//! What jobs share that bring something to servers of others: how long they wait before they try again, and how much of
//! an answer they keep.

use std::time::Duration;

use crate::env::Rng;

/// The pause after the first failed attempt, about; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Characters of an answer that are kept.
const ANSWER_CHARS_MAX: usize = 256;

/// As much of an answer as is kept. What another server says is shown on terminals: nothing in it moves the cursor.
pub(super) fn kept(answer: &str) -> String {
    let shown = |character: char| if character.is_control() { ' ' } else { character };
    answer.chars().take(ANSWER_CHARS_MAX).map(shown).collect()
}

/// The time until the next attempt: doubles from attempt to attempt up to an hour, and between half and all of it is
/// waited.
pub(super) fn pause(attempts: u32, rng: &Rng) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let most = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let drawn = u32::from(u16::from_be_bytes(rng.array()));
    most / 2 + most / 2 * drawn / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_in_part_and_without_control_characters() {
        assert_eq!(kept("HTTP 500: \u{1b}[2Jgone\r\n"), "HTTP 500:  [2Jgone  ");
        assert_eq!(kept(&"é".repeat(ANSWER_CHARS_MAX + 1)), "é".repeat(ANSWER_CHARS_MAX));
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_are_spread() {
        let rng = Rng::seeded(1);
        for (attempts, most_s) in
            [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (200, 3600), (u32::MAX, 3600)]
        {
            let drawn: Vec<Duration> = (0..20).map(|_| pause(attempts, &rng)).collect();
            for pause in &drawn {
                assert!((most_s * 500..=most_s * 1000).contains(&pause.as_millis()), "{attempts}: {pause:?}");
            }
            assert!(drawn.iter().any(|pause| *pause != drawn[0]), "{attempts}: all alike");
        }
    }
}
