//! Orders that expired end by themselves (SGP.22 3.1.5): nobody has to ask for them before the keys of their bindings are
//! wiped and they are seen in state Error.
//!
//! Some at a time, each by the transition that AuthenticateClient makes too: whoever else ends, changes or installs one
//! meanwhile wins, so several servers on one store do not disturb each other.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Smdp;
use super::authenticate_client::end_order;
use crate::domain::{ErrorReason, NotificationPoint};
use crate::store::StoreError;

/// Where the operator is told of it: where AuthenticateClient would have told it too.
const POINT: NotificationPoint = NotificationPoint::EligibilityAndRetryLimitCheck;

/// The most orders that end in one turn.
pub const TURN_MAX: u32 = 500;

/// Ends orders that expired, those that expired first before the others, at most [`TURN_MAX`]. Returns how many ended.
///
/// # Errors
/// [`StoreError`] if the store fails; what ended until then has ended.
pub async fn end_expired(smdp: &Arc<Smdp>) -> Result<usize, StoreError> {
    let mut ends = JoinSet::new();
    for order in smdp.store.expired_orders(smdp.clock.now(), TURN_MAX).await? {
        let smdp = Arc::clone(smdp);
        // Side by side: they share commits.
        ends.spawn(async move { end_order(&smdp, &order, None, POINT, ErrorReason::Expired).await });
    }
    let mut ended = 0;
    while let Some(end) = ends.join_next().await {
        match end {
            Ok(Ok(())) => ended += 1,
            // It changed meanwhile: the next turn sees what it is by then.
            Ok(Err(StoreError::Conflict)) => {}
            Ok(Err(error)) => return Err(error),
            Err(error) => tracing::error!(%error, "an order could not be ended"),
        }
    }
    Ok(ended)
}
