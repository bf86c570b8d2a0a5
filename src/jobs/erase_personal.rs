//! Values of persons in the audit that are older than the settings want them: erased, a turn each hour.
//!
//! Erasing is one commit with the entry that tells of it, so that several servers on one store do not disturb each other.

use std::time::Duration;

use tokio::sync::watch;

use crate::admin::audit::erase_older;
use crate::env::Clock;
use crate::store::Store;

/// How often it is looked for them.
const EVERY: Duration = Duration::from_secs(3600);

/// Erases what is older than `age`, until `end` turns true.
pub async fn run(store: Store, clock: Clock, age: Duration, mut end: watch::Receiver<bool>) {
    loop {
        match erase_older(&store, &clock, age).await {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "values of persons were erased from the audit"),
            Err(error) => {
                tracing::warn!(%error, "values of persons could not be erased; the next turn tries again")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            // The sender gone is an end too.
            _ = end.wait_for(|end| *end) => return,
        }
    }
}
