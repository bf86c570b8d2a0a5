//! What must hold when all has come to rest: every card is held against every row of the store.
//!
//! A device that fell silent for good may have done things that nobody was told of: of it the server may know less, never more and
//! never something else. Of all others it knows everything.

use std::collections::{BTreeMap, BTreeSet};

use simyard_asn1::Decode as _;
use simyard_asn1::iot::esipa::{EimPackage, EsipaResponse, Function, GetEimPackageResponse};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::rsp::notification::PendingNotification;

use super::SimulationError;
use super::device::{Device, Errand, Outcome};
use super::world::World;
use crate::admin::audit;
use crate::binding::esipa;
use crate::device::card::Card;
use crate::domain::{
    CampaignName, Limits, Operation, OperationId, OperationStateName, Order, RunTimeState, State, Task,
};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};
use crate::store::{OperationSelection, Store};

pub mod campaigns;

use campaigns::{CampaignViolation, Made, of_campaign};

/// Where packages leave the eIM: in the ASN.1 binding, and in the JSON binding.
const PATH_ASN1: &str = "/gsma/rsp2/asn1";
const PATH_POLL: &str = "/gsma/rsp2/esipa/getEimPackage";
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
    /// An IPA that has no reason to fail did.
    #[error("the IPA of eUICC {eid} failed: {why}")]
    Trouble {
        /// The card.
        eid: Eid,
        /// What it said.
        why: String,
    },
    /// A switch ended in a state that the card contradicts.
    #[error("the switch of eUICC {eid} to profile {iccid} ended as {state}, and {enabled} is enabled")]
    Switched {
        /// The card.
        eid: Eid,
        /// The profile that it was to switch to.
        iccid: Iccid,
        /// How the eIM says that it ended.
        state: String,
        /// What is enabled.
        enabled: String,
    },
    /// What the last list says is not what the card holds, and the eIM does not say that it may have changed.
    #[error("the eIM believes that eUICC {eid} holds {believed}, and it holds {held}")]
    Listed {
        /// The card.
        eid: Eid,
        /// The eIM's belief.
        believed: String,
        /// The truth.
        held: String,
    },
    /// Two packages were signed under one counter.
    #[error("two packages for eUICC {eid} have the counter {counter}")]
    CounterTwice {
        /// The card, in hexadecimal digits.
        eid: String,
        /// The counter.
        counter: i64,
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
    /// Two switches of one eUICC were under way at a time.
    #[error("of eUICC {eid} two switches were under way at a time, {first} and {second}")]
    TwoSwitches {
        /// The card.
        eid: Eid,
        /// The first one.
        first: OperationId,
        /// The one that began before that ended.
        second: OperationId,
    },
    /// A campaign is not what it was to be.
    #[error("campaign {name}: {what}")]
    Campaign {
        /// What people call it.
        name: CampaignName,
        /// What is wrong.
        what: CampaignViolation,
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
    campaigns: &[Made],
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
    for device in devices.iter().filter(|device| device.is_iot()) {
        of_eim(store, device, &mut violations).await?;
        violations.extend(two_switches(&switches_of(store, &device.eid).await?));
    }
    for made in campaigns {
        violations.extend(of_campaign(store, made).await?);
    }
    Ok(violations)
}

/// The switches of an eUICC, in the order in which they were made.
async fn switches_of(store: &Store, eid: &Eid) -> Result<Vec<Operation>, SimulationError> {
    let selection = OperationSelection { eid: Some(eid.clone()), state: None };
    let (mut switches, mut before) = (Vec::new(), None);
    loop {
        let page = store.operations(&selection, before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        let operations = page.into_iter().map(|kept| kept.operation);
        switches.extend(operations.filter(|operation| matches!(operation.task, Task::Switch { .. })));
    }
    switches.reverse();
    Ok(switches)
}

/// The next switch begins when the one before has its end.
fn two_switches(switches: &[Operation]) -> Vec<Violation> {
    let pairs = switches.iter().zip(switches.iter().skip(1));
    let overlap =
        pairs.filter(|(first, second)| !first.state.is_end() || first.changed_at > second.created_at);
    let told = |(first, second): (&Operation, &Operation)| Violation::TwoSwitches {
        eid: first.eid.clone(),
        first: first.operation_id,
        second: second.operation_id,
    };
    overlap.map(told).collect()
}

/// Holds what the eIM believes of a device against its card.
async fn of_eim(
    store: &Store,
    device: &Device,
    violations: &mut Vec<Violation>,
) -> Result<(), SimulationError> {
    let eid = &device.eid;
    if let Some(why) = device.memory.trouble() {
        violations.push(Violation::Trouble { eid: eid.clone(), why });
    }
    let holding = device.slot.look(|card| Holding::of(card, device.silent));
    let enabled = holding.profiles.iter().find(|(_, held)| **held == Held::Enabled).map(|(iccid, _)| iccid);
    let switches: Vec<Errand> =
        device.notebook.errands().into_iter().filter(|errand| errand.operation_id.is_some()).collect();
    // The last one decides which profile is enabled; what a silent device did since nobody knows.
    let last = switches.last().filter(|_| !device.silent);
    if let Some((errand, Outcome::Ended(state, _))) =
        last.and_then(|errand| Some((errand, errand.outcome.as_ref()?)))
    {
        let is_on_it = enabled == Some(&errand.iccid);
        let fits = match state {
            OperationStateName::Done | OperationStateName::DoneWithRemnant => is_on_it,
            OperationStateName::RolledBack => !is_on_it && enabled.is_some(),
            _ => true,
        };
        if !fits {
            violations.push(Violation::Switched {
                eid: eid.clone(),
                iccid: errand.iccid.clone(),
                state: state.to_string(),
                enabled: enabled.map_or("nothing".to_owned(), ToString::to_string),
            });
        }
    }
    let Some(known) = store.eim_euicc(eid).await? else { return Ok(()) };
    if device.silent || known.stale_since.is_some() || known.listed_at.is_none() {
        return Ok(());
    }
    let held = |(iccid, enabled): (&Iccid, bool)| {
        format!("{iccid} ({})", if enabled { "enabled" } else { "disabled" })
    };
    let listed = store.profiles_of_euicc(eid).await?;
    let believed: BTreeSet<String> =
        listed.iter().map(|profile| held((&profile.iccid, profile.enabled))).collect();
    let held: BTreeSet<String> =
        holding.profiles.iter().map(|(iccid, is)| held((iccid, *is == Held::Enabled))).collect();
    if believed != held {
        let join = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(", ");
        violations.push(Violation::Listed { eid: eid.clone(), believed: join(believed), held: join(held) });
    }
    Ok(())
}

/// The packages that left the eIM, in either binding: the first that was seen of each eUICC and counter.
#[derive(Default)]
pub(super) struct Packages {
    seen: BTreeMap<(String, i64), Vec<u8>>,
    twice: BTreeSet<(String, i64)>,
}

impl Packages {
    /// Looks at an answer; most are none with a package.
    pub(super) fn look_at(&mut self, path: &str, answer: &[u8]) {
        let response = match path {
            PATH_ASN1 => EsipaResponse::from_der(answer).ok(),
            PATH_POLL => esipa::read_response(Function::GetEimPackage, answer).ok(),
            _ => None,
        };
        let Some(EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(
            EimPackage::EuiccPackageRequest(package),
        ))) = response
        else {
            return;
        };
        let Ok(request) = EuiccPackageRequest::from_der(&package) else { return };
        let signed = &request.euicc_package_signed.value;
        let key = (hex::encode_upper(signed.eid), signed.counter_value);
        match self.seen.get(&key) {
            Some(seen) if *seen != package => {
                self.twice.insert(key);
            }
            Some(_) => {}
            None => {
                self.seen.insert(key, package.clone());
            }
        }
    }

    /// Counters that were used twice.
    pub(super) fn violations(&self) -> impl Iterator<Item = Violation> {
        self.twice
            .iter()
            .map(|(eid, counter)| Violation::CounterTwice { eid: eid.clone(), counter: *counter })
    }
}

/// What holds of a device by itself.
fn of_device(device: &Device, violations: &mut Vec<Violation>) {
    let eid = &device.eid;
    let errands = device.notebook.errands();
    let was_enabled = errands.iter().any(|errand| errand.outcome == Some(Outcome::Enabled));
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

    #[test]
    fn a_counter_that_is_used_twice_is_seen_in_either_binding() {
        use simyard_asn1::Encode as _;
        use simyard_asn1::Raw;
        use simyard_asn1::iot::package::{EuiccPackage, EuiccPackageSigned, Psmo};
        let package = |counter_value, signature| {
            let eid = eid(1).to_bcd();
            let value = EuiccPackageSigned {
                eim_id: "eim.example.com",
                eid: &eid,
                counter_value,
                eim_transaction_id: None,
                operations: EuiccPackage::Psmo(vec![Psmo::GetRat]),
            };
            let bytes = value.to_der();
            let euicc_package_signed = Raw { bytes: &bytes, value };
            let package = EuiccPackageRequest { euicc_package_signed, eim_signature: &[signature; 64] };
            EsipaResponse::GetEimPackage(GetEimPackageResponse::Package(EimPackage::EuiccPackageRequest(
                package.to_der(),
            )))
        };
        for path in [PATH_ASN1, PATH_POLL] {
            let mut packages = Packages::default();
            let mut look_at = |package: &EsipaResponse| {
                let body = if path == PATH_ASN1 { package.to_der() } else { esipa::response(package, None) };
                packages.look_at(path, &body);
                packages.violations().collect::<Vec<_>>()
            };
            let expected = Violation::CounterTwice { eid: eid(1).to_string(), counter: 5 };
            assert_eq!(look_at(&package(5, 1)), []);
            assert_eq!(look_at(&package(6, 2)), []);
            assert_eq!(look_at(&package(5, 1)), [], "the same package comes again");
            assert_eq!(look_at(&package(5, 3)), [expected], "{path}");
        }
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
