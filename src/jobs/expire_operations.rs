//! Operations whose validity, deadline or hold time is over: they expire, are overdue, or delete the old profile.
//!
//! A deadline that passed invents no outcome ([`crate::domain::operation`]). Safe to run twice, and on several servers: an
//! eUICC changes under its version alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::eim::Eim;
use crate::eim::engine::TurnError;
use crate::eim::operations::end_what_is_due;

/// How often they are looked for.
const EVERY: Duration = Duration::from_secs(5);
/// Operations of one look.
const ROWS_MAX: u32 = 500;

/// Lets what is over be over, look by look until nothing is left.
///
/// # Errors
/// [`TurnError`] if the store fails; what was done before stays so.
pub async fn expire_operations(eim: &Eim) -> Result<(), TurnError> {
    while end_what_is_due(eim, ROWS_MAX).await? {}
    Ok(())
}

/// Does so until `end` turns true, and notes when devices polled: once a minute, those who never did before at once.
pub async fn run(eim: Arc<Eim>, mut end: watch::Receiver<bool>) {
    let mut turns = 0_u32;
    while !*end.borrow() {
        if let Err(error) = expire_operations(&eim).await {
            tracing::warn!(%error, "operations that are due wait for the store");
        }
        turns = turns.wrapping_add(1);
        if (turns.is_multiple_of(12) || eim.contacts.has_first())
            && let Err(error) = eim.contacts.note(&eim.store).await
        {
            tracing::warn!(%error, "when devices polled could not be noted");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = end.changed() => if changed.is_err() { break },
        }
    }
    if let Err(error) = eim.contacts.note(&eim.store).await {
        tracing::warn!(%error, "when devices polled could not be noted");
    }
}
