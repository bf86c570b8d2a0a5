//! Reservations that ran out go into quarantine, and profiles whose quarantine ended into the stock.
//!
//! Who allocates does the same on the way before it says that nothing is left; this job does it for those who order. It is
//! safe to run twice, and on several servers.

use crate::env::Clock;
use crate::store::{Store, StoreError};

/// Rows of one commit at most: some ten milliseconds of the one who writes.
const ROWS_MAX: u32 = 500;

/// Ends what ran out at the clock's time, turn by turn until nothing is left. Returns how many turns it took.
///
/// # Errors
/// [`StoreError`] if the engine fails; what was ended before stays so.
pub async fn end_reservations(store: &Store, clock: &Clock) -> Result<usize, StoreError> {
    let now = clock.now();
    let limit = usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
    let mut turns = 1;
    while store.end_reservations_of_profiles(now, ROWS_MAX).await? >= limit {
        turns += 1;
    }
    while store.end_reservations_of_numbers(now, ROWS_MAX).await? >= limit {
        turns += 1;
    }
    Ok(turns)
}
