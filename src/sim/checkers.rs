//! What must hold when all has come to rest: every card is held against every row of the store.
//!
//! A device that fell silent for good may have done things that nobody was told of: of it the server may know less, never more and
//! never something else. Of all others it knows everything.

use std::collections::{BTreeMap, BTreeSet};

use simyard_asn1::Decode as _;
use simyard_asn1::rsp::notification::PendingNotification;

use super::SimulationError;
use super::device::Device;
use super::world::World;
use crate::admin::audit;
use crate::device::card::Card;
use crate::domain::{Limits, Order, RunTimeState, State};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};
use crate::store::Store;

/// Orders that are read at a time.
const PAGE: u32 = 500;

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The server answered with an error of its own.
    #[error("{path} was answered with HTTP {status}")]
    ServerError {
        /// Which function.
        path: String,
        /// The status.
        status: u16,
    },
    /// The server was not started again.
    #[error("no server runs at the end")]
    NoServer,
    /// One profile is on two cards.
    #[error("profile {iccid} is on two eUICCs, {first} and {second}")]
    OnTwoEuiccs {
        /// The profile.
        iccid: Iccid,
        /// One.
        first: Eid,
        /// The other.
        second: Eid,
    },
    /// A card holds a profile of an order that says that nobody can.
    #[error("profile {iccid} is on eUICC {eid}, and its order is in state {state}, {bound}")]
    NotBound {
        /// The profile.
        iccid: Iccid,
        /// The card.
        eid: Eid,
        /// What the server believes.
        state: String,
        /// Of whom it believes it.
        bound: String,
    },
    /// A card holds a profile that is in no stock.
    #[error("profile {iccid} is on eUICC {eid} and in no stock")]
    Unknown {
        /// The profile.
        iccid: Iccid,
        /// The card.
        eid: Eid,
    },
    /// The server believes something else than the card holds, and nothing is under way that would tell it.
    #[error("of profile {iccid} the server believes that it is {believed}, on eUICC {eid} it is {held}")]
    Believed {
        /// The profile.
        iccid: Iccid,
        /// The card that the order is bound to.
        eid: Eid,
        /// The server's belief.
        believed: &'static str,
        /// The truth.
        held: &'static str,
    },
    /// A device that can speak has something to tell.
    #[error("eUICC {eid} has {count} notifications that nobody took")]
    NotTold {
        /// The card.
        eid: Eid,
        /// How many.
        count: usize,
    },
    /// A device that can speak has not ended what it began.
    #[error("what eUICC {eid} was to do with profile {iccid} has no outcome")]
    NoOutcome {
        /// The card.
        eid: Eid,
        /// The profile.
        iccid: Iccid,
    },
    /// A device had an enabled profile and has none.
    #[error("eUICC {eid} had an enabled profile and has none")]
    NoneEnabled {
        /// The card.
        eid: Eid,
    },
    /// A seqNumber stands for two notifications.
    #[error("eUICC {eid} used the seqNumber {seq_number} twice")]
    SeqNumberTwice {
        /// The card.
        eid: Eid,
        /// The number.
        seq_number: i64,
    },
    /// More attempts were counted than are allowed.
    #[error("{attempts} download attempts were counted for profile {iccid}")]
    TooManyAttempts {
        /// The profile.
        iccid: Iccid,
        /// How many.
        attempts: u32,
    },
    /// The audit is not whole.
    #[error("{0}")]
    Audit(String),
    /// A job has left something.
    #[error("{count} {what} are left")]
    Unfinished {
        /// What.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

/// What a card has of a profile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Disabled,
    Enabled,
}

impl Held {
    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "not there",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
        }
    }
}

/// What a card holds, and of which profiles it still has to tell.
struct Holding {
    profiles: BTreeMap<Iccid, Held>,
    untold: BTreeSet<Iccid>,
    silent: bool,
}

impl Holding {
    fn of(card: &Card, silent: bool) -> Self {
        let profiles = card
            .overview()
            .profiles
            .into_iter()
            .map(|profile| (profile.iccid, if profile.enabled { Held::Enabled } else { Held::Disabled }));
        let untold = card.state().notifications.iter().filter_map(|record| {
            let pending = PendingNotification::from_der(&record.der).ok()?;
            Iccid::from_bcd(pending.metadata().iccid?).ok()
        });
        Self { profiles: profiles.collect(), untold: untold.collect(), silent }
    }
}

/// Looks at everything.
///
/// # Errors
/// [`SimulationError`] if the store fails.
pub(super) async fn check(
    world: &World<'_>,
    devices: &[Device],
    now: Timestamp,
) -> Result<Vec<Violation>, SimulationError> {
    let Some(store) = world.store() else { return Ok(vec![Violation::NoServer]) };
    let holdings: BTreeMap<Eid, Holding> = devices
        .iter()
        .map(|device| (device.eid.clone(), device.slot.look(|card| Holding::of(card, device.silent))))
        .collect();
    let mut violations = Vec::new();
    devices.iter().for_each(|device| of_device(device, &mut violations));
    let holders = holders(&holdings, &mut violations);
    let mut unknown: BTreeSet<&Iccid> = holders.keys().copied().collect();
    let mut seq_numbers = BTreeSet::new();
    let mut after = None;
    loop {
        let orders = store.orders_after(after.as_ref(), PAGE).await?;
        let Some(last) = orders.last() else { break };
        after = Some(last.iccid.clone());
        for order in &orders {
            unknown.remove(&order.iccid);
            violations.extend(of_order(order, holders.get(&order.iccid).copied(), &holdings));
            for notification in store.notifications(&order.iccid).await? {
                let (eid, seq_number) = (notification.eid, notification.seq_number);
                if !seq_numbers.insert((eid.clone(), seq_number)) {
                    violations.push(Violation::SeqNumberTwice { eid, seq_number });
                }
            }
        }
    }
    violations.extend(unknown.into_iter().filter_map(|iccid| {
        let eid = (*holders.get(iccid)?).clone();
        Some(Violation::Unknown { iccid: iccid.clone(), eid })
    }));
    of_server(store, now, &mut violations).await?;
    Ok(violations)
}

/// What holds of a device by itself.
fn of_device(device: &Device, violations: &mut Vec<Violation>) {
    let eid = &device.eid;
    let errands = device.notebook.errands();
    let was_enabled = errands.iter().any(|errand| errand.outcome == Some(super::device::Outcome::Enabled));
    let (is_enabled, untold) =
        device.slot.look(|card| (card.state().enabled().is_some(), card.state().notifications.len()));
    if was_enabled && !is_enabled {
        violations.push(Violation::NoneEnabled { eid: eid.clone() });
    }
    if device.silent {
        return;
    }
    if untold > 0 {
        violations.push(Violation::NotTold { eid: eid.clone(), count: untold });
    }
    for errand in errands.into_iter().filter(|errand| errand.outcome.is_none()) {
        violations.push(Violation::NoOutcome { eid: eid.clone(), iccid: errand.iccid });
    }
}

/// Which card holds which profile.
fn holders<'a>(
    holdings: &'a BTreeMap<Eid, Holding>,
    violations: &mut Vec<Violation>,
) -> BTreeMap<&'a Iccid, &'a Eid> {
    let mut holders = BTreeMap::new();
    for (eid, holding) in holdings {
        for iccid in holding.profiles.keys() {
            if let Some(first) = holders.insert(iccid, eid) {
                let (first, second) = (Eid::clone(first), eid.clone());
                violations.push(Violation::OnTwoEuiccs { iccid: iccid.clone(), first, second });
            }
        }
    }
    holders
}

/// Holds an order against the card that has its profile, and the one that it is bound to.
fn of_order(order: &Order, holder: Option<&Eid>, holdings: &BTreeMap<Eid, Holding>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let bound = order.bound().map(|bound| &bound.eid);
    if let Some(eid) = holder.filter(|eid| bound != Some(*eid)) {
        violations.push(Violation::NotBound {
            iccid: order.iccid.clone(),
            eid: eid.clone(),
            state: order.state_name().to_string(),
            bound: bound.map_or("bound to none".to_owned(), |eid| format!("bound to {eid}")),
        });
    }
    if let Some(release) = order.released() {
        let attempts = release.attempts.download;
        if attempts > Limits::default().download_attempts {
            violations.push(Violation::TooManyAttempts { iccid: order.iccid.clone(), attempts });
        }
    }
    let Some((eid, holding)) = bound.and_then(|eid| holdings.get_key_value(eid)) else { return violations };
    let held = holding.profiles.get(&order.iccid).copied().unwrap_or(Held::Nothing);
    // What the card will tell, or would if it could, the server cannot know.
    let may_differ = holding.silent || holding.untold.contains(&order.iccid);
    if !may_differ && !agree(&order.state, held) {
        let (iccid, eid) = (order.iccid.clone(), eid.clone());
        violations.push(Violation::Believed {
            iccid,
            eid,
            believed: believed(&order.state),
            held: held.name(),
        });
    }
    violations
}

/// Whether the server's belief about the card that an order is bound to is what the card holds. A package that was
/// handed over and never reported may not have arrived.
fn agree(state: &State, held: Held) -> bool {
    match state {
        State::Installed(installation) => match installation.run_time {
            None | Some(RunTimeState::Disabled) => held == Held::Disabled,
            Some(RunTimeState::Enabled) => held == Held::Enabled,
            Some(RunTimeState::Deleted) => held == Held::Nothing,
        },
        State::Available
        | State::Allocated(_)
        | State::Linked { .. }
        | State::Confirmed(_)
        | State::Released(_)
        | State::Downloaded(_)
        | State::Error(_)
        | State::Unavailable => held == Held::Nothing,
    }
}

/// The server's belief in a few words.
fn believed(state: &State) -> &'static str {
    match state {
        State::Installed(installation) => match installation.run_time {
            None => "installed",
            Some(RunTimeState::Disabled) => "disabled",
            Some(RunTimeState::Enabled) => "enabled",
            Some(RunTimeState::Deleted) => "deleted",
        },
        State::Downloaded(_) => "downloaded, with no report yet",
        State::Error(_) => "failed",
        State::Available
        | State::Allocated(_)
        | State::Linked { .. }
        | State::Confirmed(_)
        | State::Released(_)
        | State::Unavailable => "handed to nobody",
    }
}

/// What holds of the server by itself.
async fn of_server(
    store: &Store,
    now: Timestamp,
    violations: &mut Vec<Violation>,
) -> Result<(), SimulationError> {
    let verdict = audit::verify(store, &[], |_, _| {}).await?;
    if !verdict.is_whole() {
        violations.push(Violation::Audit(verdict.to_string()));
    }
    for (what, count) in [
        ("orders that expired", store.expired_orders(now, PAGE).await?.len()),
        ("batches that were given up", store.given_up_batches(now).await?.len()),
        ("callbacks", store.callback_counts().await?.len()),
    ] {
        if count > 0 {
            violations.push(Violation::Unfinished { what, count });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Rng;
    use crate::sim::ground::{Ground, delivery, iccid};
    use crate::store::StoreUrl;

    fn eid(number: u8) -> Eid {
        Eid::with_check_digits(&format!("89049032{number:022}")).unwrap()
    }

    fn holding(profiles: &[(usize, Held)]) -> Holding {
        let profiles = profiles.iter().map(|(number, held)| (iccid(*number).unwrap(), *held)).collect();
        Holding { profiles, untold: BTreeSet::new(), silent: false }
    }

    #[test]
    fn a_profile_on_two_cards_is_seen() {
        let holdings: BTreeMap<Eid, Holding> = [
            (eid(1), holding(&[(0, Held::Enabled), (1, Held::Disabled)])),
            (eid(2), holding(&[(2, Held::Enabled), (1, Held::Enabled)])),
        ]
        .into();
        let mut violations = Vec::new();
        assert_eq!(holders(&holdings, &mut violations).len(), 3);
        let expected = Violation::OnTwoEuiccs { iccid: iccid(1).unwrap(), first: eid(1), second: eid(2) };
        assert_eq!(violations, [expected]);
    }

    #[tokio::test]
    async fn a_profile_that_nobody_was_handed_is_seen_on_a_card() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        let clock = crate::env::Clock::fixed(crate::sim::ground::BEGIN);
        let mut world = World::new(&ground, folder.path(), clock, Rng::seeded(1));
        world.start().await.unwrap();
        world.ingest(delivery(1, &Rng::seeded(1)).unwrap()).await.unwrap();
        world.end().await;
        let url = StoreUrl::Sqlite(folder.path().join("simyard.db"));
        let order = Store::open(&url).await.unwrap().order(&iccid(0).unwrap()).await.unwrap().unwrap();
        let holdings: BTreeMap<Eid, Holding> = [(eid(1), holding(&[(0, Held::Enabled)]))].into();
        let expected = Violation::NotBound {
            iccid: iccid(0).unwrap(),
            eid: eid(1),
            state: "Available".to_owned(),
            bound: "bound to none".to_owned(),
        };
        assert_eq!(of_order(&order, Some(&eid(1)), &holdings), [expected]);
        assert_eq!(of_order(&order, None, &holdings), []);
        assert!(agree(&order.state, Held::Nothing) && !agree(&order.state, Held::Disabled));
    }
}
