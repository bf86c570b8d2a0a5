//! What operators have not been told yet (SGP.22 5.3.5).

use super::Report;
use crate::env::Timestamp;
use crate::store::Store;

const GROUP: &str = "callbacks";
/// A callback that waits longer is worth a look.
const WARN_MS: i64 = 3600 * 1000;

/// Those that wait, and those that nobody tries any more.
pub(super) async fn check(store: &Store, now: Timestamp, report: &mut Report) {
    let counts = match store.callback_counts().await {
        Ok(counts) => counts,
        Err(error) => return report.bad(GROUP, error.to_string(), "look at the database's log"),
    };
    if counts.is_empty() {
        report.good(GROUP, "none waits");
    }
    for count in counts {
        let is_late = now.as_millis().saturating_sub(count.oldest.as_millis()) > WARN_MS;
        let text = format!("{} for {}, the oldest of {}", count.callbacks, count.operator, count.oldest);
        if count.given_up {
            let text = format!("{text}: not tried any more");
            report.warning(GROUP, text, "call the operator; simyard callbacks retries or drops them");
        } else if is_late {
            report.warning(GROUP, text, "see whether the operator's server answers");
        } else {
            report.good(GROUP, text);
        }
    }
}
