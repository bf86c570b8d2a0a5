//! Notifications of devices that their receivers have not got yet (SGP.32 5.14.7).

use super::Report;
use crate::eim::forward::untold;
use crate::env::Timestamp;
use crate::store::Store;

const GROUP: &str = "forwarded";
/// One that waits longer is worth a look: a receiver that is away is tried once an hour at least.
const WARN_MS: i64 = 3 * 3600 * 1000;

/// Those that wait, and those that nobody tries any more.
pub(super) async fn check(store: &Store, now: Timestamp, report: &mut Report) {
    let counts = match untold(store).await {
        Ok(counts) => counts,
        Err(error) => return report.bad(GROUP, error.to_string(), "look at the database's log"),
    };
    if counts.is_empty() {
        report.good(GROUP, "no notification waits");
    }
    for count in counts {
        let is_late = now.as_millis().saturating_sub(count.oldest.as_millis()) > WARN_MS;
        let text = format!("{} for {}, the oldest of {}", count.notifications, count.address, count.oldest);
        let name = &count.address;
        if count.given_up {
            let text = format!("{text}: not tried any more");
            let advice = format!("call {name}; simyard eim forwarded retries or drops them");
            report.warning(GROUP, text, advice);
        } else if is_late {
            report.warning(
                GROUP,
                text,
                format!("see whether it answers: simyard eim forwarded list --address {name}"),
            );
        } else {
            report.good(GROUP, text);
        }
    }
}
