//! Numbers of pools on both engines: given once whoever asks, given back, retired, across nodes and killed servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use simyard::domain::pool::NUMBERS_MAX;
use simyard::domain::{AllocationId, NumberKind, NumberRange, NumberState, Person, Pool, PoolName};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::inventory::pools::{Fate, PoolError, Pools};
use simyard::jobs::end_reservations::end_reservations;
use simyard::store::watch::{ChangeKind, CommitPhase};
use simyard::store::{NumberError, Store};
use tokio::task::JoinSet;

use super::*;
use crate::server::Deaths;

crate::tests!(
    a_number_is_given_once_whoever_asks,
    an_identifier_gets_the_same_numbers_again_and_stands_for_one_request,
    what_the_stock_has_is_never_given,
    a_long_stretch_in_use_is_passed_over,
    all_numbers_of_a_call_are_given_or_none,
    a_number_given_back_waits_in_quarantine,
    a_reservation_that_runs_out_comes_back_by_itself,
    a_number_that_came_into_the_stock_stays_there,
    what_is_retired_is_never_given,
    a_range_that_changes_gives_nothing_twice,
    draws_survive_a_death_before_and_behind_the_commit,
    whatever_happens_a_number_has_one_owner,
);

const QUARANTINE: Duration = Duration::from_secs(100);

fn pool_of(name: &str, kind: NumberKind, first: &str, last: &str) -> Arc<Pool> {
    Arc::new(Pool {
        name: PoolName::parse(name).unwrap(),
        kind,
        operator: operator(),
        mcc_mnc: None,
        purpose: None,
        range: NumberRange::new(kind, first, last, false).unwrap(),
        low_water: 5,
        quarantine: QUARANTINE,
    })
}

/// `count` IMSIs that the stock of these tests does not have.
fn imsis(count: u32) -> Arc<Pool> {
    pool_of(
        "global",
        NumberKind::Imsi,
        "901409900000000",
        &format!("90140{:010}", 9_900_000_000 + u64::from(count) - 1),
    )
}

fn person() -> Person {
    Person::parse("tester").unwrap()
}

fn id(text: &str) -> AllocationId {
    AllocationId::parse(text).unwrap()
}

fn desk(store: &Store, pools: &[&Arc<Pool>]) -> Pools {
    Pools {
        store: store.clone(),
        pools: pools.iter().map(|pool| Arc::clone(pool)).collect(),
        clock: Clock::fixed(now()),
        rng: Rng::seeded(1),
    }
}

async fn drawn(desk: &Pools, pool: &Arc<Pool>, count: u32, call: &str) -> Vec<String> {
    desk.draw(pool, count, Some(id(call)), None, &person()).await.unwrap().numbers
}

async fn state(store: &Store, kind: NumberKind, number: &str) -> Option<NumberState> {
    store.pool_number(kind, number).await.unwrap().map(|number| number.state)
}

fn a_number_is_given_once_whoever_asks() {
    on_both(|store, url| async move {
        const TASKS: usize = 16;
        const EACH: usize = 12;
        let pool = imsis(TASKS as u32 * EACH as u32 * 2);
        // A second store on the same data stands for a second node.
        let second = Store::open(&url).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let desk = desk(if task % 2 == 0 { &store } else { &second }, &[&pool]);
            let pool = Arc::clone(&pool);
            tasks.spawn(async move {
                let mut taken = Vec::new();
                for call in 0..EACH {
                    let numbers = drawn(&desk, &pool, 1 + call as u32 % 3, &format!("{task}-{call}")).await;
                    assert_eq!(numbers.len(), 1 + call % 3);
                    taken.extend(numbers);
                }
                taken
            });
        }
        let mut all = Vec::new();
        while let Some(taken) = tasks.join_next().await {
            all.extend(taken.unwrap());
        }
        assert_eq!(all.len(), TASKS * EACH * 2);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a number was given twice");
        let level = store.pool_level(&pool, now()).await.unwrap();
        assert_eq!((level.fresh, level.allocated, level.left()), (0, all.len() as u64, 0));
        assert!(second.commits() > 0);
    });
}

fn an_identifier_gets_the_same_numbers_again_and_stands_for_one_request() {
    on_both(|store, url| async move {
        let (pool, other) =
            (imsis(50), pool_of("msisdn", NumberKind::Msisdn, "882285000000", "882285000099"));
        let desk = desk(&store, &[&pool, &other]);
        let first = desk.draw(&pool, 3, Some(id("a")), Some(QUARANTINE), &person()).await.unwrap();
        assert_eq!(first.numbers, ["901409900000000", "901409900000001", "901409900000002"]);
        assert!(!first.repeated && first.held_until == Some(now().plus(QUARANTINE)));
        let again = desk.draw(&pool, 3, Some(id("a")), None, &person()).await.unwrap();
        assert!(again.repeated && again.held_until == first.held_until);
        assert_eq!(again.numbers, first.numbers);
        for (pool, count) in [(&pool, 4), (&other, 3)] {
            let refused = desk.draw(pool, count, Some(id("a")), None, &person()).await;
            assert!(matches!(refused, Err(PoolError::OtherRequest(_))), "{refused:?}");
        }
        let second = Store::open(&url).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let desk =
                Pools { store: if task % 2 == 0 { store.clone() } else { second.clone() }, ..desk.clone() };
            let pool = Arc::clone(&pool);
            tasks.spawn(async move { drawn(&desk, &pool, 2, "b").await });
        }
        while let Some(numbers) = tasks.join_next().await {
            assert_eq!(numbers.unwrap(), ["901409900000003", "901409900000004"]);
        }
        desk.change(&pool, &first.numbers[..1], Fate::GiveBack, &person()).await.unwrap();
        assert_eq!(drawn(&desk, &pool, 3, "a").await, first.numbers[1..], "what was given back is not held");
        assert_eq!(store.allocation(&id("a")).await.unwrap().unwrap().person, person());
    });
}

fn what_the_stock_has_is_never_given() {
    on_both(|store, _| async move {
        stock(&store, 40).await;
        let desk = desk(&store, &[]);
        for (name, kind, first, last, next) in [
            ("cards", NumberKind::Iccid, "8988211000000000000", "8988211000000000099", "8988211000000000040"),
            ("imsis", NumberKind::Imsi, "901400000000000", "901400000000099", "901400000000040"),
            ("numbers", NumberKind::Msisdn, "880000000000", "880000000099", "880000000040"),
        ] {
            let pool = pool_of(name, kind, first, last);
            assert_eq!(drawn(&desk, &pool, 1, name).await, [next], "{name}");
            let used = vec![first.to_owned()];
            for fate in [Fate::GiveBack, Fate::Quarantine, Fate::Retire] {
                let refused = desk.change(&pool, &used, fate, &person()).await;
                assert!(
                    matches!(refused, Err(PoolError::Number(NumberError::InStock(_)))),
                    "{name} {refused:?}"
                );
            }
        }
    });
}

fn a_long_stretch_in_use_is_passed_over() {
    on_both(|store, _| async move {
        let pool = imsis(15_000);
        let desk = desk(&store, &[&pool]);
        for first in (0..12_000_u64).step_by(1000) {
            let numbers: Vec<String> =
                (first..first + 1000).map(|place| pool.range.number(place).unwrap()).collect();
            desk.change(&pool, &numbers, Fate::Quarantine, &person()).await.unwrap();
        }
        assert_eq!(drawn(&desk, &pool, 2, "a").await, ["901409900012000", "901409900012001"]);
        assert_eq!(drawn(&desk, &pool, 1, "b").await, ["901409900012002"]);
    });
}

fn all_numbers_of_a_call_are_given_or_none() {
    on_both(|store, _| async move {
        let pool = imsis(5);
        let desk = desk(&store, &[&pool]);
        drawn(&desk, &pool, 2, "a").await;
        let refused = desk.draw(&pool, 4, Some(id("b")), None, &person()).await;
        assert!(matches!(refused, Err(PoolError::Exhausted { left: 3, count: 4, .. })), "{refused:?}");
        assert_eq!(store.allocation(&id("b")).await.unwrap(), None);
        assert_eq!(drawn(&desk, &pool, 3, "b").await.len(), 3, "the identifier is still free");
        for count in [0, NUMBERS_MAX + 1] {
            let refused = desk.draw(&pool, count, None, None, &person()).await;
            assert!(matches!(refused, Err(PoolError::Count(_))), "{refused:?}");
        }
        let strange = desk.change(&pool, &["901409900000009".to_owned()], Fate::Retire, &person()).await;
        assert!(matches!(strange, Err(PoolError::NotOfPool { .. })), "{strange:?}");
    });
}

fn a_number_given_back_waits_in_quarantine() {
    on_both(|store, _| async move {
        let pool = imsis(4);
        let desk = desk(&store, &[&pool]);
        let numbers = drawn(&desk, &pool, 4, "a").await;
        desk.change(&pool, &numbers[2..3], Fate::GiveBack, &person()).await.unwrap();
        desk.clock.advance(QUARANTINE / 2);
        desk.change(&pool, &numbers[..2], Fate::GiveBack, &person()).await.unwrap();
        let twice = desk.change(&pool, &numbers[1..], Fate::GiveBack, &person()).await;
        assert!(matches!(twice, Err(PoolError::Number(NumberError::State(_)))), "{twice:?}");
        assert_eq!(
            state(&store, NumberKind::Imsi, &numbers[3]).await,
            Some(NumberState::Allocated),
            "all or none"
        );
        assert!(desk.draw(&pool, 1, None, None, &person()).await.is_err(), "in quarantine");
        desk.clock.advance(QUARANTINE / 2);
        assert_eq!(desk.levels().await.unwrap()[0].1.free_again, 1);
        assert_eq!(drawn(&desk, &pool, 1, "b").await, numbers[2..3]);
        desk.clock.advance(QUARANTINE);
        assert_eq!(drawn(&desk, &pool, 2, "c").await, numbers[..2]);
        let again = store.pool_number(NumberKind::Imsi, &numbers[0]).await.unwrap().unwrap();
        assert_eq!((again.state, again.allocation_id), (NumberState::Allocated, Some(id("c"))));
    });
}

fn a_reservation_that_runs_out_comes_back_by_itself() {
    on_both(|store, _| async move {
        let pool = imsis(3);
        let desk = desk(&store, &[&pool]);
        let hold = Duration::from_secs(10);
        let held = desk.draw(&pool, 3, Some(id("a")), Some(hold), &person()).await.unwrap().numbers;
        desk.change(&pool, &held[..1], Fate::Keep, &person()).await.unwrap();
        desk.clock.advance(hold);
        let late = desk.change(&pool, &held[1..2], Fate::Keep, &person()).await;
        assert!(matches!(late, Err(PoolError::Number(NumberError::State(_)))), "{late:?}");
        for _ in 0..2 {
            end_reservations(&store, &desk.clock).await.unwrap();
            assert_eq!(state(&store, NumberKind::Imsi, &held[0]).await, Some(NumberState::Allocated));
            let ended = store.pool_number(NumberKind::Imsi, &held[1]).await.unwrap().unwrap();
            assert_eq!(ended.state, NumberState::Quarantined);
            assert_eq!(ended.held_until, Some(now().plus(hold + QUARANTINE)));
        }
        // Without the job too: whoever draws ends what ran out.
        desk.clock.advance(QUARANTINE);
        let second = desk.draw(&pool, 2, Some(id("b")), Some(hold), &person()).await.unwrap().numbers;
        assert_eq!(second, held[1..]);
        desk.clock.advance(hold + QUARANTINE);
        assert_eq!(drawn(&desk, &pool, 2, "c").await, held[1..]);
    });
}

fn a_number_that_came_into_the_stock_stays_there() {
    on_both(|store, _| async move {
        let pool = pool_of("imsis", NumberKind::Imsi, "901400000000000", "901400000000003");
        let desk = desk(&store, &[&pool]);
        let hold = Duration::from_secs(10);
        desk.draw(&pool, 2, Some(id("a")), Some(hold), &person()).await.unwrap();
        let given = drawn(&desk, &pool, 2, "b").await;
        desk.change(&pool, &given, Fate::GiveBack, &person()).await.unwrap();
        // The first of what is reserved, and the first of what was given back.
        let profiles = [profile(0), profile(2)];
        store.insert_batch(&batch("first"), &profiles, [7; 32]).await.unwrap();
        desk.clock.advance(hold + QUARANTINE);
        assert_eq!(drawn(&desk, &pool, 2, "c").await, ["901400000000003", "901400000000001"]);
        for number in ["901400000000000", "901400000000002"] {
            assert_eq!(
                state(&store, NumberKind::Imsi, number).await,
                Some(NumberState::Allocated),
                "{number}"
            );
        }
        assert!(desk.draw(&pool, 1, None, None, &person()).await.is_err());
    });
}

fn what_is_retired_is_never_given() {
    on_both(|store, _| async move {
        let pool = imsis(4);
        let desk = desk(&store, &[&pool]);
        let numbers = drawn(&desk, &pool, 1, "a").await;
        let fresh = pool.range.number(2).unwrap();
        let both = vec![numbers[0].clone(), fresh.clone()];
        desk.change(&pool, &both, Fate::Retire, &person()).await.unwrap();
        assert!(desk.change(&pool, &both, Fate::Quarantine, &person()).await.is_err());
        assert!(desk.change(&pool, &both, Fate::GiveBack, &person()).await.is_err());
        desk.clock.advance(QUARANTINE * 2);
        let rest = drawn(&desk, &pool, 2, "b").await;
        assert_eq!(rest, [pool.range.number(1).unwrap(), pool.range.number(3).unwrap()]);
        assert!(desk.draw(&pool, 1, None, None, &person()).await.is_err());
        let level = desk.levels().await.unwrap()[0].1;
        assert_eq!((level.retired, level.allocated, level.left()), (2, 2, 0));
    });
}

fn a_range_that_changes_gives_nothing_twice() {
    on_both(|store, _| async move {
        let desk = desk(&store, &[]);
        let first = drawn(&desk, &imsis(10), 10, "a").await;
        // Longer at the end; then from an earlier number on, under the same name and under another.
        assert_eq!(drawn(&desk, &imsis(12), 2, "b").await, ["901409900000010", "901409900000011"]);
        let earlier = pool_of("global", NumberKind::Imsi, "901409899999998", "901409900000012");
        assert_eq!(drawn(&desk, &earlier, 1, "c").await, ["901409900000012"]);
        let other = pool_of("other", NumberKind::Imsi, "901409900000000", "901409900000013");
        let next = drawn(&desk, &other, 1, "d").await;
        assert_eq!(next, ["901409900000013"]);
        assert!(!first.contains(&next[0]));
    });
}

fn draws_survive_a_death_before_and_behind_the_commit() {
    let on_one = |url: StoreUrl, phase| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let deaths = Arc::new(Deaths::default());
        let pool = imsis(10);
        runtime.block_on(async {
            let store = Store::open_watched(&url, deaths.clone()).await.unwrap();
            let desk = desk(&store, &[&pool]);
            drawn(&desk, &pool, 1, "before").await;
            deaths.arm(phase, ChangeKind::Draw);
            let call = {
                let pool = Arc::clone(&pool);
                async move { drawn(&desk, &pool, 3, "a").await }
            };
            tokio::select! {
                numbers = call => panic!("a dead server answered {numbers:?}"),
                () = deaths.died() => {}
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
        on(&url, &|store, _| {
            let pool = Arc::clone(&pool);
            async move {
                let is_made = store.allocation(&id("a")).await.unwrap().is_some();
                assert_eq!(is_made, phase == CommitPhase::After);
                let desk = desk(&store, &[&pool]);
                let again = desk.draw(&pool, 3, Some(id("a")), None, &person()).await.unwrap();
                assert_eq!(again.repeated, is_made);
                assert_eq!(again.numbers, ["901409900000001", "901409900000002", "901409900000003"]);
                assert_eq!(store.pool_level(&pool, now()).await.unwrap().allocated, 4, "none is lost");
            }
        });
    };
    for phase in [CommitPhase::Before, CommitPhase::After] {
        let folder = tempfile::tempdir().unwrap();
        on_one(sqlite(folder.path()), phase);
        if let Some(database) = postgres::database() {
            on_one(database.url(), phase);
        }
    }
}

/// Seeded: draws, keeps, returns, retirements and time in any order, beside a model of who has what.
fn whatever_happens_a_number_has_one_owner() {
    on_both(|store, _| async move {
        for seed in 0..6 {
            one_history(&store, seed).await;
        }
    });
}

/// When a number that somebody gave back is free again; `None` for one that is retired.
type FreeAt = Option<Timestamp>;

async fn one_history(store: &Store, seed: u64) {
    let first = format!("9014098{:08}", seed * 15);
    let last = format!("9014098{:08}", seed * 15 + 25);
    let pool = pool_of(&format!("pool-{seed}"), NumberKind::Imsi, &first, &last);
    // The ranges of neighbouring seeds overlap: what one pool gave, the other passes over.
    let rng = Rng::seeded(seed);
    let choose = |of: usize| usize::from(rng.array::<1>()[0]) % of;
    let clock = Clock::fixed(now().plus(Duration::from_secs(seed * 1_000_000)));
    let mut held: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
    let mut back: BTreeMap<String, FreeAt> = BTreeMap::new();
    for step in 0..60 {
        let at = clock.now();
        let desk = Pools { clock: clock.clone(), ..desk(store, &[&pool]) };
        // What ran out is given back, by itself.
        let ended: Vec<_> =
            held.iter().filter_map(|(number, until)| Some((number.clone(), (*until)?))).collect();
        for (number, until) in ended.into_iter().filter(|(_, until)| *until <= at) {
            held.remove(&number);
            back.insert(number, Some(until.plus(QUARANTINE)));
        }
        let some: Vec<String> = held.keys().take(1 + choose(3)).cloned().collect();
        match choose(8) {
            0..=3 => {
                let count = 1 + choose(4) as u32;
                let hold = (choose(2) == 0).then_some(Duration::from_secs(30));
                let call = id(&format!("{seed}-{step}"));
                let Ok(drawn) = desk.draw(&pool, count, Some(call), hold, &person()).await else { continue };
                assert_eq!(drawn.numbers.len(), count as usize);
                for number in drawn.numbers {
                    let free = back.remove(&number);
                    assert!(
                        free.is_none_or(|free| free.is_some_and(|free| free <= at)),
                        "{seed}/{step}: {number}"
                    );
                    assert!(
                        held.insert(number, hold.map(|hold| at.plus(hold))).is_none(),
                        "{seed}/{step}: twice"
                    );
                }
            }
            4 if !some.is_empty() => {
                desk.change(&pool, &some, Fate::GiveBack, &person()).await.unwrap();
                for number in some {
                    held.remove(&number);
                    back.insert(number, Some(at.plus(QUARANTINE)));
                }
            }
            5 if !some.is_empty() && choose(3) == 0 => {
                desk.change(&pool, &some, Fate::Retire, &person()).await.unwrap();
                for number in some {
                    held.remove(&number);
                    back.insert(number, None);
                }
            }
            6 => {
                end_reservations(store, &clock).await.unwrap();
            }
            _ => clock.advance(Duration::from_secs(choose(60) as u64)),
        }
    }
    for number in held.keys() {
        let found = state(store, NumberKind::Imsi, number).await;
        assert!(matches!(found, Some(NumberState::Reserved | NumberState::Allocated)), "{number}: {found:?}");
    }
    assert!(back.len() + held.len() > 10, "the history was long enough");
}
