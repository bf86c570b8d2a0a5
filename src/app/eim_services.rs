//! The eIM's services, for the server and for commands on its store: its signing key, and what it knows of eUICCs.

use std::collections::HashMap;
use std::sync::Arc;

use super::config::{Config, EimSetting};
use super::credentials::{cis, credential};
use super::relay::relay;
use super::{AppError, Stock, needs_of_template, template_of};
use crate::domain::Switching;
use crate::eim::Eim;
use crate::eim::introductions::Introductions;
use crate::eim::keys::EimKeys;
use crate::env::{Clock, Rng};
use crate::smdp::manual_order::Expiry;
use crate::smdp::order_for_euicc::OrdersForEuiccs;
use crate::store::{Seen, SeenBy, Store};

/// The eIM of the settings; `None` if they have no `[eim]`.
///
/// # Errors
/// [`AppError`] for a key or certificates that cannot be used.
pub fn open_eim(config: &Config, stock: &Stock, clock: &Clock, rng: &Rng) -> Result<Option<Eim>, AppError> {
    let Some(setting) = &config.eim else { return Ok(None) };
    let anchors = Arc::new(cis(&config.ci)?);
    let switching = |switchable| if switchable { Switching::Possible } else { Switching::Impossible };
    Ok(Some(Eim {
        store: stock.store.clone(),
        sealer: stock.sealer.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        eim_id: setting.id.clone(),
        keys: signing_keys(setting)?,
        relay: relay(setting, &anchors, clock)?,
        anchors,
        download: setting.download,
        deadlines: setting.waits.deadlines,
        poll_wanted_after: setting.waits.poll_wanted_after,
        laboratory: setting.laboratory,
        sub_classes: config
            .sub_classes
            .iter()
            .map(|sub_class| (sub_class.name.clone(), switching(sub_class.switchable)))
            .collect(),
        contacts: Seen::new(SeenBy::Eim),
        introductions: Introductions::default(),
    }))
}

/// The keys that sign packages.
///
/// # Errors
/// [`AppError`] for one that cannot be used.
pub fn signing_keys(setting: &EimSetting) -> Result<EimKeys, AppError> {
    let mut further = Vec::new();
    for one in &setting.keys {
        further.push(Arc::new(credential(one)?.key));
    }
    Ok(EimKeys::new(Arc::new(credential(&setting.signing)?.key), further))
}

/// What orders profiles of our own stock for eUICCs of the eIM; `None` if the settings name no address of ours.
///
/// # Errors
/// [`AppError`] for a template that cannot be read.
pub fn orders_for_euiccs(
    config: &Config,
    store: &Store,
    clock: &Clock,
    rng: &Rng,
) -> Result<Option<OrdersForEuiccs>, AppError> {
    let Some(address) = config.addresses.first() else { return Ok(None) };
    let expiry = config
        .order_lifetime_s
        .map_or(Expiry::Never, |seconds| Expiry::After(std::time::Duration::from_secs(seconds)));
    let mut memory = HashMap::new();
    for setting in &config.profile_types {
        if let Some(needs) = template_of(setting)?.as_ref().and_then(needs_of_template) {
            memory.insert(setting.name.clone(), needs.non_volatile_octets);
        }
    }
    Ok(Some(OrdersForEuiccs {
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        address: address.clone(),
        expiry,
        needed: config.needed_deliveries(),
        memory,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_pki;
    use super::*;
    use crate::domain::ProfileType;

    #[tokio::test]
    async fn the_memory_of_a_profile_is_known_by_its_template() {
        let folder = tempfile::tempdir().unwrap();
        let type_of = |name: &str, template: &str| {
            format!("[[profile_type]]\nname = \"{name}\"\nowner = \"acme\"\ntemplate = \"{template}\"\n")
        };
        let settings = format!(
            "addresses = [\"smdp.example.com\"]\n[[operator]]\nname = \"acme\"\noid = \"2.999.20\"\n{}{}",
            type_of("iot", "iot"),
            type_of("ready", "none"),
        );
        let config = with_pki(folder.path(), &settings);
        let (clock, rng) = (Clock::fixed(crate::env::Timestamp::from_secs(1)), Rng::seeded(2));
        let stock = Stock::open(&config, &rng).await.unwrap();
        let orders = orders_for_euiccs(&config, &stock.store, &clock, &rng).unwrap().unwrap();
        let memory = |name| orders.memory_of_type(&ProfileType::parse(name).unwrap());
        assert!(memory("iot").is_some_and(|octets| octets > 2000), "{:?}", memory("iot"));
        assert_eq!(memory("ready"), None, "each package has needs of its own");
        stock.store.close().await;
    }
}
