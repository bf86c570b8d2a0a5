//! Whether there are profiles to order, and numbers to give.

use super::Report;
use crate::app::config::Config;
use crate::domain::Standing;
use crate::env::Clock;
use crate::ident::counted;
use crate::inventory::pools::is_low;
use crate::store::{Count, Store};

const GROUP: &str = "stock";
/// A type without a mark is low when fewer than one in so many of its profiles are left.
const LOW: u64 = 20;

/// Every pool of the settings.
pub(super) async fn pools(config: &Config, store: &Store, clock: &Clock, report: &mut Report) {
    for pool in &config.pools {
        let level = match store.pool_level(pool, clock.now()).await {
            Ok(level) => level,
            Err(error) => return report.bad(GROUP, error.to_string(), "look at the database's log"),
        };
        let text = format!("pool {}: {} left", pool.name, counted(level.left(), "number"));
        if level.left() == 0 || is_low(pool, &level) {
            report.warning(GROUP, text, "give it a longer range");
        } else {
            report.good(GROUP, text);
        }
    }
}

/// Every profile type of the settings, and what is in stock without one.
pub(super) async fn check(config: &Config, store: &Store, report: &mut Report) {
    let counts = match store.counts().await {
        Ok(counts) => counts,
        Err(error) => return report.bad(GROUP, error.to_string(), "look at the database's log"),
    };
    for setting in &config.profile_types {
        let name = setting.name.as_str();
        let is_its = |count: &&Count| count.profile_type == name && count.owner == setting.owner.as_str();
        let sum = |standing: Option<Standing>| -> u64 {
            let counts = counts.iter().filter(is_its);
            let counts = counts.filter(|count| standing.is_none_or(|standing| count.standing == standing));
            counts.map(|count| count.profiles).sum()
        };
        let (all, available, failed) =
            (sum(None), sum(Some(Standing::Available)), sum(Some(Standing::Failed)));
        let text = format!("{name}: {available} of {} can be ordered", counted(all, "profile"));
        let is_low = setting.low_water.map_or(available.saturating_mul(LOW) < all, |mark| available < mark);
        if available == 0 || is_low {
            report.warning(GROUP, text, "ingest another batch");
        } else {
            report.good(GROUP, text);
        }
        if failed > 0 {
            let text = format!("{name}: {} in state Error", counted(failed, "order"));
            report.warning(GROUP, text, "simyard order list --state Error says why");
        }
    }
    let is_known = |count: &Count| {
        let known = &config.profile_types;
        known.iter().any(|setting| {
            (setting.name.as_str(), setting.owner.as_str())
                == (count.profile_type.as_str(), count.owner.as_str())
        })
    };
    let mut unknown: Vec<String> = counts
        .iter()
        .filter(|count| !is_known(count))
        .map(|count| format!("{} of {}", count.profile_type, count.owner))
        .collect();
    unknown.dedup();
    for name in unknown {
        let text = format!("profiles of type {name} are in stock, and no [[profile_type]] is theirs");
        report.bad(GROUP, text, "name it again: their downloads fail with 1.6/4.2");
    }
}
