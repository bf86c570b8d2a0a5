//! Profiles set aside by type and count, and the shelf that they come back to, on both engines.

use std::sync::Arc;
use std::time::Duration;

use simyard::domain::{
    AllocationId, ManualCommand, NotBack, NumberKind, NumberRange, NumberState, Person, Pool, PoolName, Shelf,
};
use simyard::env::{Clock, Rng};
use simyard::inventory::allocation::{AllocationError, Allocator, Outcome, TypeRules};
use simyard::inventory::pools::{Fate, Pools};
use simyard::jobs::end_reservations::end_reservations;
use simyard::smdp::manual_order::{self, Hand};
use simyard::store::watch::{ChangeKind, CommitPhase};
use simyard::store::{Content, NewManualChange, Store};
use tokio::task::JoinSet;

use super::*;
use crate::server::Deaths;

crate::tests!(
    a_profile_is_set_aside_or_ordered_once_whoever_asks,
    an_allocation_is_repeated_and_all_or_none,
    what_is_set_aside_is_ordered_by_its_number_alone,
    those_that_came_back_are_taken_once_none_is_left_behind_them,
    a_profile_given_back_is_in_quarantine_and_then_in_stock,
    a_reservation_that_runs_out_ends_by_itself,
    a_reservation_of_an_ordered_profile_ends_with_its_order,
    what_is_retired_has_no_keys_and_no_numbers_left,
    a_profile_that_was_on_an_euicc_comes_back_if_its_type_is_reusable_and_it_is_deleted,
    a_lost_euicc_gives_its_profile_back_or_takes_it_along,
    a_change_of_the_shelf_that_comes_late_is_a_conflict,
    allocations_survive_a_death_before_and_behind_the_commit,
);

const QUARANTINE: Duration = Duration::from_secs(100);

fn rules() -> TypeRules {
    TypeRules { owner: operator(), profile_type: profile_type(), reusable: false, quarantine: QUARANTINE }
}

fn reusable() -> TypeRules {
    TypeRules { reusable: true, ..rules() }
}

fn person() -> Person {
    Person::parse("tester").unwrap()
}

fn id(text: &str) -> AllocationId {
    AllocationId::parse(text).unwrap()
}

fn allocator(store: &Store) -> Allocator {
    Allocator { store: store.clone(), clock: Clock::fixed(now()), rng: Rng::seeded(1) }
}

async fn aside(allocator: &Allocator, count: u32, call: &str) -> Vec<Iccid> {
    allocator.set_aside(&rules(), count, Some(id(call)), None, &person()).await.unwrap().iccids
}

async fn shelf(store: &Store, number: u32) -> Shelf {
    store.shelved(&iccid(number)).await.unwrap().unwrap().shelf
}

async fn take(store: &Store, call: &str) -> Option<Iccid> {
    let window = Duration::from_secs(60);
    store.take_by_type(&operator(), &profile_type(), &by_type(call), now(), window, None).await.unwrap()
}

fn a_profile_is_set_aside_or_ordered_once_whoever_asks() {
    on_both(|store, url| async move {
        const TASKS: usize = 8;
        const EACH: usize = 8;
        stock(&store, (TASKS * EACH * 3) as u32 + 50).await;
        let second = Store::open(&url).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let store = if task % 2 == 0 { store.clone() } else { second.clone() };
            tasks.spawn(async move {
                let allocator = allocator(&store);
                let mut taken = Vec::new();
                for call in 0..EACH {
                    if (task + call) % 4 == 0 {
                        taken.extend(take(&store, &format!("{task}-{call}")).await);
                    } else {
                        let name = format!("{task}-{call}");
                        let iccids = aside(&allocator, 1 + call as u32 % 3, &name).await;
                        assert_eq!(iccids.len(), 1 + call % 3);
                        taken.extend(iccids);
                    }
                }
                taken
            });
        }
        let mut all = Vec::new();
        while let Some(taken) = tasks.join_next().await {
            all.extend(taken.unwrap());
        }
        assert!(all.len() > TASKS * EACH);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a profile was given twice");
    });
}

fn an_allocation_is_repeated_and_all_or_none() {
    on_both(|store, _| async move {
        stock(&store, 5).await;
        let allocator = allocator(&store);
        let hold = Some(Duration::from_secs(60));
        let first = allocator.set_aside(&rules(), 2, Some(id("a")), hold, &person()).await.unwrap();
        assert_eq!(first.iccids, [iccid(0), iccid(1)]);
        let again = allocator.set_aside(&rules(), 2, Some(id("a")), None, &person()).await.unwrap();
        assert!(again.repeated && !first.repeated);
        assert_eq!((again.iccids, again.held_until), (first.iccids, first.held_until));
        let other = allocator.set_aside(&rules(), 3, Some(id("a")), None, &person()).await;
        assert!(matches!(other, Err(AllocationError::OtherRequest(_))), "{other:?}");
        let many = allocator.set_aside(&rules(), 4, Some(id("b")), None, &person()).await;
        assert!(matches!(many, Err(AllocationError::Exhausted { count: 4, .. })), "{many:?}");
        assert_eq!(store.allocation(&id("b")).await.unwrap(), None);
        let none = allocator.set_aside(&rules(), 0, None, None, &person()).await;
        assert!(matches!(none, Err(AllocationError::Count(0))), "{none:?}");
        assert_eq!(aside(&allocator, 3, "b").await, [iccid(2), iccid(3), iccid(4)]);
        let mut at_once = JoinSet::new();
        for _ in 0..8 {
            let allocator = allocator.clone();
            at_once.spawn(async move { aside(&allocator, 3, "b").await });
        }
        while let Some(iccids) = at_once.join_next().await {
            assert_eq!(iccids.unwrap().len(), 3);
        }
    });
}

fn what_is_set_aside_is_ordered_by_its_number_alone() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        assert_eq!(aside(&allocator(&store), 1, "a").await, [iccid(0)]);
        assert_eq!(take(&store, "1").await, Some(iccid(1)));
        assert_eq!(take(&store, "2").await, None);
        assert_eq!(store.next_available(&operator(), &profile_type()).await.unwrap(), None);
        let order = read(&store, 0).await.reserve(reservation(), None).unwrap();
        assert_eq!(store.save(order).await.unwrap().state_name(), StateName::Allocated);
        let ordered = allocator(&store).release(&iccid(0), &rules(), &person()).await;
        let expected = NotBack::Ordered(StateName::Allocated);
        assert!(matches!(ordered, Err(AllocationError::NotBack(found)) if found == expected), "{ordered:?}");
        let ordered = allocator(&store).retire(&iccid(0), &person()).await;
        assert!(matches!(ordered, Err(AllocationError::Order(_))), "{ordered:?}");
    });
}

fn those_that_came_back_are_taken_once_none_is_left_behind_them() {
    on_both(|store, url| async move {
        stock(&store, 5).await;
        let allocator = allocator(&store);
        assert_eq!(aside(&allocator, 3, "a").await, [iccid(0), iccid(1), iccid(2)]);
        for number in 0..2 {
            allocator.release(&iccid(number), &rules(), &person()).await.unwrap();
        }
        allocator.clock.advance(QUARANTINE);
        store.end_reservations_of_profiles(allocator.clock.now(), 10).await.unwrap();
        assert_eq!(
            aside(&allocator, 1, "b").await,
            [iccid(3)],
            "whoever takes goes on where the last was taken"
        );
        let other = Store::open(&url).await.unwrap();
        assert_eq!(take(&other, "1").await, Some(iccid(0)), "another server has not taken any yet");
        let all = allocator.set_aside(&rules(), 3, None, None, &person()).await;
        assert!(matches!(all, Err(AllocationError::Exhausted { .. })), "{all:?}");
        assert_eq!(aside(&allocator, 2, "c").await, [iccid(1), iccid(4)]);
        assert_eq!(take(&store, "2").await, None);
    });
}

fn a_profile_given_back_is_in_quarantine_and_then_in_stock() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let allocator = allocator(&store);
        let early = allocator.release(&iccid(0), &rules(), &person()).await;
        assert!(matches!(early, Err(AllocationError::Shelf(_))), "nobody has it: {early:?}");
        aside(&allocator, 1, "a").await;
        let until = now().plus(QUARANTINE);
        let back = allocator.release(&iccid(0), &rules(), &person()).await.unwrap();
        assert_eq!(back, Outcome::Quarantined { until });
        assert_eq!(shelf(&store, 0).await, Shelf::Quarantined { until });
        assert!(store.profiles_of_allocation(&id("a")).await.unwrap().is_empty());
        assert_eq!(read(&store, 0).await.state_name(), StateName::Unavailable, "nobody orders it");
        assert!(allocator.release(&iccid(0), &rules(), &person()).await.is_err());
        assert_eq!(take(&store, "1").await, None);
        assert!(allocator.set_aside(&rules(), 1, None, None, &person()).await.is_err());
        allocator.clock.advance(QUARANTINE);
        // Whoever asks for it finds it, whether the job has come round or not.
        assert_eq!(aside(&allocator, 1, "b").await, [iccid(0)]);
        assert!(store.package(&iccid(0)).await.unwrap().is_some(), "its keys came back with it");
        let changes = store.manual_changes(&iccid(0)).await.unwrap();
        let changes: Vec<_> = changes.iter().map(|change| (change.command, change.person.clone())).collect();
        assert_eq!(changes, [(ManualCommand::GiveBack, person())]);
    });
}

fn a_reservation_that_runs_out_ends_by_itself() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let allocator = allocator(&store);
        let hold = Duration::from_secs(10);
        let held = allocator.set_aside(&rules(), 2, Some(id("a")), Some(hold), &person()).await.unwrap();
        assert_eq!(held.held_until, Some(now().plus(hold)));
        allocator.clock.advance(hold);
        let until = now().plus(hold + QUARANTINE);
        for _ in 0..2 {
            end_reservations(&store, &allocator.clock).await.unwrap();
            assert_eq!(shelf(&store, 0).await, Shelf::Quarantined { until });
            assert_eq!(shelf(&store, 2).await, Shelf::Stock);
        }
        assert_eq!(take(&store, "1").await, Some(iccid(2)));
        assert_eq!(take(&store, "2").await, None);
        allocator.clock.advance(QUARANTINE);
        for _ in 0..2 {
            end_reservations(&store, &allocator.clock).await.unwrap();
            assert_eq!(shelf(&store, 0).await, Shelf::Stock);
        }
        assert_eq!(take(&store, "2").await, Some(iccid(0)));
    });
}

fn a_reservation_of_an_ordered_profile_ends_with_its_order() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let allocator = allocator(&store);
        let hold = Duration::from_secs(10);
        allocator.set_aside(&rules(), 1, None, Some(hold), &person()).await.unwrap();
        let order = store.save(read(&store, 0).await.reserve(reservation(), None).unwrap()).await.unwrap();
        allocator.clock.advance(hold * 2);
        end_reservations(&store, &allocator.clock).await.unwrap();
        assert_eq!(shelf(&store, 0).await, Shelf::Reserved { until: None });
        // The order goes on as if nothing had been.
        let confirmed = order.confirm(|reservation, eid| confirmation("M-1", reservation, eid)).unwrap();
        let released = store.save(confirmed).await.unwrap();
        assert_eq!(released.state_name(), StateName::Released);
        // Cancelled, it is given back as if the reservation had run out then.
        let at = allocator.clock.now();
        let hand = Hand { person: person(), at };
        manual_order::cancel(&store, &hand, released, FinalStatus::Available).await.unwrap();
        assert_eq!(shelf(&store, 0).await, Shelf::Quarantined { until: at.plus(QUARANTINE) });
        assert_eq!(take(&store, "1").await, None);
        allocator.clock.advance(QUARANTINE);
        end_reservations(&store, &allocator.clock).await.unwrap();
        assert_eq!(take(&store, "2").await, Some(iccid(0)));
    });
}

fn pool(name: &str, kind: NumberKind, first: &str, last: &str) -> Arc<Pool> {
    Arc::new(Pool {
        name: PoolName::parse(name).unwrap(),
        kind,
        operator: operator(),
        mcc_mnc: None,
        purpose: None,
        range: NumberRange::new(kind, first, last, false).unwrap(),
        low_water: 0,
        quarantine: QUARANTINE,
    })
}

fn what_is_retired_has_no_keys_and_no_numbers_left() {
    on_both(|store, _| async move {
        let cards = pool("cards", NumberKind::Iccid, "8988211000000000000", "8988211000000000001");
        let imsis = pool("imsis", NumberKind::Imsi, "901400000000000", "901400000000001");
        let desk = Pools {
            store: store.clone(),
            pools: vec![cards.clone(), imsis.clone()],
            clock: Clock::fixed(now()),
            rng: Rng::seeded(1),
        };
        for pool in &desk.pools {
            desk.draw(pool, 2, None, None, &person()).await.unwrap();
        }
        stock(&store, 2).await;
        let allocator = allocator(&store);
        assert_eq!(allocator.retire(&iccid(0), &person()).await.unwrap(), Outcome::Retired);
        assert_eq!(shelf(&store, 0).await, Shelf::Retired);
        assert_eq!(read(&store, 0).await.state_name(), StateName::Unavailable);
        assert!(store.package(&iccid(0)).await.unwrap().is_none());
        assert!(store.package(&iccid(1)).await.unwrap().is_some());
        for (kind, number, state) in [
            (NumberKind::Iccid, "8988211000000000000", NumberState::Retired),
            (NumberKind::Imsi, "901400000000000", NumberState::Retired),
            (NumberKind::Imsi, "901400000000001", NumberState::Allocated),
        ] {
            let found = store.pool_number(kind, number).await.unwrap().unwrap();
            assert_eq!(found.state, state, "{number}");
        }
        assert!(
            desk.change(&cards, &["8988211000000000000".to_owned()], Fate::GiveBack, &person())
                .await
                .is_err()
        );
        let twice = allocator.retire(&iccid(0), &person()).await;
        assert!(matches!(twice, Err(AllocationError::Shelf(_))), "{twice:?}");
        let absent = allocator.retire(&iccid(9), &person()).await;
        assert!(matches!(absent, Err(AllocationError::Unknown(_))), "{absent:?}");
        assert_eq!(take(&store, "1").await, Some(iccid(1)));
        assert_eq!(take(&store, "2").await, None);
    });
}

/// A profile that was downloaded, and whose keys of the binding are still there.
async fn downloaded(store: &Store, number: u32) -> Order {
    let order = released(store, number, &format!("M-{number}")).await;
    let version = store.bind(&order, &binding(number as u8)).await.unwrap();
    let order = read(store, number).await;
    assert_eq!((order.state_name(), order.version), (StateName::Downloaded, version));
    order
}

async fn installed(store: &Store, number: u32) -> Order {
    let order = downloaded(store, number).await;
    store.save(order.install(now()).unwrap()).await.unwrap()
}

fn a_profile_that_was_on_an_euicc_comes_back_if_its_type_is_reusable_and_it_is_deleted() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let allocator = allocator(&store);
        for number in [0, 1] {
            installed(&store, number).await;
            let early = allocator.release(&iccid(number), &reusable(), &person()).await;
            assert!(matches!(early, Err(AllocationError::NotBack(NotBack::OnEuicc(_)))), "{early:?}");
            let deleted = notification(5 + i64::from(number), ProfileEvent::Delete);
            let deleted = NewNotification { iccid: iccid(number), ..deleted };
            store.record_notification(&deleted, ResultChange::None).await.unwrap();
        }
        let back = allocator.release(&iccid(0), &reusable(), &person()).await.unwrap();
        assert_eq!(back, Outcome::Quarantined { until: now().plus(QUARANTINE) });
        assert!(store.package(&iccid(0)).await.unwrap().is_some());
        let gone = allocator.release(&iccid(1), &rules(), &person()).await.unwrap();
        assert_eq!(gone, Outcome::Retired, "its type is not reusable");
        assert!(store.package(&iccid(1)).await.unwrap().is_none());
        allocator.clock.advance(QUARANTINE);
        end_reservations(&store, &allocator.clock).await.unwrap();
        let order = read(&store, 0).await;
        assert_eq!((order.state_name(), order.eid(), order.number), (StateName::Available, None, 1));
        assert_eq!(take(&store, "1").await, Some(iccid(0)), "a new order, for any eUICC");
        assert_eq!(read(&store, 0).await.number, 2);
    });
}

fn a_lost_euicc_gives_its_profile_back_or_takes_it_along() {
    on_both(|store, _| async move {
        stock(&store, 4).await;
        let allocator = allocator(&store);
        let nowhere = allocator.declare_lost(&iccid(3), &reusable(), &person()).await;
        assert!(matches!(nowhere, Err(AllocationError::NotOnEuicc)), "{nowhere:?}");
        downloaded(&store, 0).await;
        installed(&store, 1).await;
        installed(&store, 2).await;
        for number in [0, 1] {
            let back = allocator.declare_lost(&iccid(number), &reusable(), &person()).await.unwrap();
            assert_eq!(back, Outcome::Quarantined { until: now().plus(QUARANTINE) });
        }
        let material = store.material(&iccid(0)).await.unwrap().unwrap();
        assert!(material.binding.unwrap().sealed_session_keys.is_none(), "no retry is answered any more");
        let gone = allocator.declare_lost(&iccid(2), &rules(), &person()).await.unwrap();
        assert_eq!(gone, Outcome::Retired);
        let changes = store.manual_changes(&iccid(1)).await.unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].command, changes[0].from), (ManualCommand::Lost, StateName::Installed));
    });
}

fn a_change_of_the_shelf_that_comes_late_is_a_conflict() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let order = read(&store, 0).await;
        aside(&allocator(&store), 1, "a").await;
        let change = NewManualChange {
            person: person(),
            command: ManualCommand::Retire,
            detail: String::new(),
            from: order.state_name(),
            at: now(),
        };
        let late =
            store.shelve(order.clone().withdraw().unwrap(), Shelf::Retired, Content::Wiped, &change).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
        assert!(store.package(&iccid(0)).await.unwrap().is_some());
        let late = store.save(order.reserve(reservation(), None).unwrap()).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "ordered as it was before: {late:?}");
        assert!(store.manual_changes(&iccid(0)).await.unwrap().is_empty());
    });
}

fn allocations_survive_a_death_before_and_behind_the_commit() {
    let on_one = |url: StoreUrl, phase, kind| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let deaths = Arc::new(Deaths::default());
        runtime.block_on(async {
            let store = Store::open_watched(&url, deaths.clone()).await.unwrap();
            stock(&store, 10).await;
            let allocator = allocator(&store);
            aside(&allocator, 1, "before").await;
            deaths.arm(phase, kind);
            let call = async {
                aside(&allocator, 3, "a").await;
                allocator.retire(&iccid(0), &person()).await
            };
            tokio::select! {
                answer = call => panic!("a dead server answered {answer:?}"),
                () = deaths.died() => {}
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
        on(&url, &|store, _| async move {
            let is_made = store.allocation(&id("a")).await.unwrap().is_some();
            assert_eq!(is_made, phase == CommitPhase::After || kind == ChangeKind::Shelve);
            let is_retired = phase == CommitPhase::After && kind == ChangeKind::Shelve;
            assert_eq!(shelf(&store, 0).await == Shelf::Retired, is_retired);
            assert_eq!(store.package(&iccid(0)).await.unwrap().is_none(), is_retired);
            assert_eq!(aside(&allocator(&store), 3, "a").await, [iccid(1), iccid(2), iccid(3)]);
            assert_eq!(aside(&allocator(&store), 6, "rest").await.len(), 6, "none is lost");
        });
    };
    for phase in [CommitPhase::Before, CommitPhase::After] {
        for kind in [ChangeKind::SetAside, ChangeKind::Shelve] {
            let folder = tempfile::tempdir().unwrap();
            on_one(sqlite(folder.path()), phase, kind);
            if let Some(database) = postgres::database() {
                on_one(database.url(), phase, kind);
            }
        }
    }
}
