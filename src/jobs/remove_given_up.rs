//! Batches whose receivers died are removed, so that their numbers can come in again.

use std::time::Duration;

use tokio::sync::watch;

use crate::inventory::Inventory;

/// How often they are looked for: their leases last half a minute.
const EVERY: Duration = Duration::from_secs(15);

/// Removes them until `end` turns true; first at once, for what an earlier run of this server left.
pub async fn remove_given_up(inventory: Inventory, mut end: watch::Receiver<bool>) {
    while !*end.borrow() {
        match inventory.remove_given_up().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "batches that were given up are removed"),
            Err(error) => {
                tracing::warn!(%error, "batches that were given up could not be removed; the next turn tries again")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = end.changed() => if changed.is_err() { return },
        }
    }
}
