//! The store, the key that opens what is sealed in it, and the clock beside what the store remembers.

use super::Report;
use crate::app::config::Config;
use crate::app::open_store;
use crate::crypto::seal::{Sealer, SealingKey};
use crate::env::{Clock, Rng, Timestamp};
use crate::store::{Package, Schema, Store, StoreUrl};

const GROUP: &str = "store";
const CLOCK: &str = "clock";

/// No clock that is right says less: 2026-01-01T00:00:00Z.
const NOT_BEFORE: Timestamp = Timestamp::from_secs(1_767_225_600);

/// The store, if it can be worked with as it is.
pub(super) async fn check(config: &Config, clock: &Clock, report: &mut Report) -> Option<Store> {
    let now = clock.now();
    if now < NOT_BEFORE {
        let advice = "set it: certificates, expiry and notifications are judged by it";
        report.bad(CLOCK, format!("the machine's clock says {now}"), advice);
    } else {
        report.good(CLOCK, now.to_string());
    }
    let store = open(config, report).await?;
    sealing(config, &store, report).await;
    newest(&store, now, report).await;
    Some(store)
}

async fn open(config: &Config, report: &mut Report) -> Option<Store> {
    let url = match StoreUrl::parse(&config.store) {
        Ok(url) => url,
        Err(error) => {
            report.bad(GROUP, error.to_string(), "set store to sqlite:PATH or postgres://USER@HOST/DATABASE");
            return None;
        }
    };
    let name = match &url {
        StoreUrl::Sqlite(path) => format!("SQLite {}", path.display()),
        StoreUrl::Postgres(_) => "PostgreSQL".to_owned(),
    };
    match Store::inspect(&url).await {
        Err(error) => {
            report.bad(GROUP, format!("{name}: {error}"), "check its path or address, and who may open it");
            return None;
        }
        Ok(Schema::Absent) => {
            report.warning(GROUP, format!("{name} is absent"), "the first ingest or serve makes it");
            return None;
        }
        Ok(Schema::Present { unknown, .. }) if !unknown.is_empty() => {
            let text = format!("{name}: a newer Simyard wrote it (migrations {unknown:?})");
            report.bad(GROUP, text, "use that version, or a copy of the store from before");
            return None;
        }
        Ok(Schema::Present { pending, .. }) if !pending.is_empty() => {
            let text = format!("{name}: {} migrations are to come", pending.len());
            report.warning(GROUP, text, "make a copy; serve brings the schema up to date");
            return None;
        }
        Ok(Schema::Present { applied, .. }) => {
            report.good(GROUP, format!("{name}: schema up to date, {} migrations", applied.len()));
        }
    }
    let store = match open_store(config).await {
        Ok(store) => store,
        Err(error) => {
            report.bad(GROUP, error.to_string(), "check who may write it");
            return None;
        }
    };
    match store.durability().await {
        Ok(durability) if durability.full => report.good(GROUP, durability.settings),
        Ok(durability) => {
            let advice = "set it to full durability: what was answered could be lost with the power";
            report.bad(GROUP, durability.settings, advice);
        }
        Err(error) => report.bad(GROUP, error.to_string(), "look at the database's log"),
    }
    Some(store)
}

/// The key is there, its owner's alone, and opens what is in the store.
async fn sealing(config: &Config, store: &Store, report: &mut Report) {
    const GROUP: &str = "sealing key";
    let path = &config.sealing_key.path;
    let sealed = match store.any_package().await {
        Ok(sealed) => sealed,
        Err(error) => return report.bad(GROUP, error.to_string(), "look at the database's log"),
    };
    if !path.exists() {
        let text = format!("{} is absent", path.display());
        return match sealed {
            Some(_) => report.bad(GROUP, text, "put it back from a backup: nothing else opens the store"),
            None => report.warning(GROUP, text, "the first ingest or serve makes it; keep a copy then"),
        };
    }
    let sealer = SealingKey::load(path)
        .map_err(|error| error.to_string())
        .and_then(|key| Sealer::new(&key, Rng::system()).map_err(|error| error.to_string()));
    let sealer = match sealer {
        Ok(sealer) => sealer,
        Err(error) => {
            return report.bad(GROUP, error, "put the right file back, readable by its owner alone");
        }
    };
    match sealed {
        None => report.good(GROUP, format!("{} can be read; nothing is sealed yet", path.display())),
        Some((iccid, package)) => match sealer.open(&Package::place(&iccid), &package.sealed) {
            Ok(_) => report.good(GROUP, format!("{} opens what is in the store", path.display())),
            Err(_) => {
                let text = format!("{} does not open profile {iccid}", path.display());
                report.bad(GROUP, text, "put back the key that sealed this store");
            }
        },
    }
}

/// What the store remembers cannot lie in the future.
async fn newest(store: &Store, now: Timestamp, report: &mut Report) {
    match store.latest_batch_at().await {
        Ok(Some(at)) if at > now => {
            let text = format!("{now}, but a batch came in at {at}");
            report.warning(CLOCK, text, "one of the machines that use this store has a wrong clock");
        }
        Ok(_) => {}
        Err(error) => report.bad(GROUP, error.to_string(), "look at the database's log"),
    }
}
