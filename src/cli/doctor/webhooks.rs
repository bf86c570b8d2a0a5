//! How webhooks fare.

use super::Report;
use crate::store::{Store, WEBHOOKS_MAX};

const GROUP: &str = "webhooks";

/// Those that take nothing, and those that nobody calls any more.
pub(super) async fn check(store: &Store, report: &mut Report) {
    let webhooks = match store.webhooks("", WEBHOOKS_MAX).await {
        Ok(webhooks) => webhooks,
        Err(error) => return report.bad(GROUP, error.to_string(), "look at the database's log"),
    };
    for webhook in webhooks {
        let name = &webhook.name;
        let answer = webhook.last_answer.map(|answer| format!(" ({answer})")).unwrap_or_default();
        if let Some(at) = webhook.disabled_at {
            let text = format!("{name} is disabled since {at}{answer}: it is not told of what happens");
            report.warning(GROUP, text, format!("simyard webhook retry {name}, or remove it"));
        } else if let Some(since) = webhook.failing_since {
            let text =
                format!("{name} takes nothing since {since}{answer}, {} messages wait", webhook.waiting);
            report.warning(GROUP, text, format!("see whether it answers: simyard webhook test {name}"));
        } else if webhook.given_up > 0 {
            let text = format!("{name} refused {} messages, which are not tried any more", webhook.given_up);
            report.warning(GROUP, text, format!("simyard webhook retry {name}"));
        } else {
            report.good(GROUP, format!("{name}, {} messages wait", webhook.waiting));
        }
    }
}
