//! A server that is killed while deliveries come in and profiles are set aside, again and again on one store: what its
//! successor finds is whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::domain::{AllocationId, DeliveryId, Mode, Operator, Person, ProfileType};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::Iccid;
use simyard::inventory::{Delivery, Inventory};
use simyard::jobs::end_reservations::end_reservations;
use simyard::store::watch::{ChangeKind, CommitPhase, CommitWatch, Verdict};
use simyard::store::{Aside, SetAside, Store, StoreUrl};

use super::{cursor, file, row};
use crate::postgres;

crate::tests!(
    a_hundred_deaths_leave_no_number_twice_no_batch_half_in_and_no_reservation_for_ever,
    deaths_on_postgres_leave_as_little_behind,
);

/// Rows of a delivery: more than two chunks.
const ROWS: usize = 1100;
/// Who sets profiles aside at a time, and how many each.
const CALLERS: usize = 3;
const ASIDE: u32 = 4;

/// Lets the writer die at the n-th commit from now on.
struct DeathAt {
    commits_left: AtomicU32,
    phase: CommitPhase,
    died: tokio::sync::Notify,
}

impl CommitWatch for DeathAt {
    fn at_commit(&self, phase: CommitPhase, _: &[ChangeKind]) -> Verdict {
        if phase == self.phase && self.commits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.died.notify_one();
            return Verdict::Die;
        }
        Verdict::GoOn
    }
}

fn owner() -> Operator {
    Operator::parse("operator").unwrap()
}

fn profile_type() -> ProfileType {
    ProfileType::parse("P1").unwrap()
}

/// What outlives a server.
struct Yard {
    url: StoreUrl,
    sealing_key: SealingKey,
    clock: Clock,
    rng: Rng,
}

impl Yard {
    fn new(url: StoreUrl) -> Self {
        let rng = Rng::seeded(17);
        let clock = Clock::fixed(Timestamp::from_secs(1_795_329_780));
        Self { url, sealing_key: SealingKey::generate(&rng), clock, rng }
    }

    fn inventory(&self, store: Store) -> Inventory {
        let sealer = Sealer::new(&self.sealing_key, self.rng.clone()).unwrap();
        Inventory { store, sealer, clock: self.clock.clone(), rng: self.rng.clone(), mode: Mode::Test }
    }

    /// Takes the delivery of a round; whether it had been taken before.
    async fn deliver(&self, store: &Store, round: usize) -> bool {
        let delivery = Delivery {
            delivery_id: DeliveryId::parse(&format!("round-{round}")),
            ..Delivery::local(owner(), profile_type(), None)
        };
        let text = file((round * ROWS..(round + 1) * ROWS).map(row));
        let receipt = self.inventory(store.clone()).ingest_csv(cursor(text.as_bytes()), &delivery).await;
        receipt.unwrap().repeated
    }

    /// Sets profiles aside for a minute, under the identifier of a round and a caller.
    async fn set_aside(&self, store: &Store, round: usize, caller: usize) -> Option<Vec<Iccid>> {
        let wanted = SetAside {
            allocation_id: AllocationId::parse(&format!("round-{round}-{caller}")).unwrap(),
            owner: owner(),
            profile_type: profile_type(),
            count: ASIDE,
            held_until: Some(self.clock.now().plus(Duration::from_secs(60))),
            quarantine: Duration::ZERO,
            person: Person::unknown(),
            at: self.clock.now(),
        };
        match store.set_aside(&wanted).await.unwrap() {
            Aside::Profiles { iccids, .. } => Some(iccids),
            Aside::Exhausted => None,
            Aside::OtherRequest => panic!("the identifier stands for this request"),
        }
    }

    /// A server is killed at its n-th commit, or has done all by then.
    fn live_and_die(&self, round: usize, commits: u32, phase: CommitPhase) -> bool {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let death = Arc::new(DeathAt {
            commits_left: AtomicU32::new(commits),
            phase,
            died: tokio::sync::Notify::new(),
        });
        let died = runtime.block_on(async {
            let store = Store::open_watched(&self.url, death.clone()).await.unwrap();
            let callers = async {
                let asides = (0..CALLERS).map(|caller| self.set_aside(&store, round, caller));
                for aside in asides {
                    aside.await;
                }
            };
            let done = async { tokio::join!(self.deliver(&store, round), callers) };
            let died = tokio::select! {
                _ = done => false,
                () = death.died.notified() => true,
            };
            if !died {
                store.close().await;
            }
            died
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
        died
    }

    /// Its successor does again whatever nobody heard the end of.
    async fn succeed(&self, round: usize) {
        let store = Store::open(&self.url).await.unwrap();
        // The lease of a receiver that died has run out.
        self.clock.advance(Duration::from_secs(31));
        let inventory = self.inventory(store.clone());
        inventory.remove_given_up().await.unwrap();
        assert!(inventory.store.given_up_batches(self.clock.now()).await.unwrap().is_empty());
        let whole = |rounds: usize| u64::try_from(rounds * ROWS).unwrap();
        let there = profiles(&store).await;
        assert!([whole(round), whole(round + 1)].contains(&there), "half a batch: {there} in round {round}");
        let repeated = self.deliver(&store, round).await;
        assert_eq!(repeated, there == whole(round + 1));
        assert_eq!(profiles(&store).await, whole(round + 1));

        let mut given = BTreeSet::new();
        for caller in 0..CALLERS {
            let iccids = self.set_aside(&store, round, caller).await.expect("there is enough");
            assert_eq!(iccids.len(), usize::try_from(ASIDE).unwrap());
            for iccid in iccids {
                assert!(given.insert(iccid.clone()), "{iccid} was given twice");
            }
            let again = self.set_aside(&store, round, caller).await.unwrap();
            assert!(again.iter().all(|iccid| given.contains(iccid)), "a repetition gets the same");
        }
        // No reservation lasts for ever: all of them are stock again in the end.
        self.clock.advance(Duration::from_secs(61));
        for _ in 0..2 {
            end_reservations(&store, &self.clock).await.unwrap();
            self.clock.advance(Duration::from_secs(1));
        }
        let available: u64 = store
            .counts()
            .await
            .unwrap()
            .iter()
            .filter(|count| count.standing == simyard::domain::Standing::Available)
            .map(|count| count.profiles)
            .sum();
        assert_eq!(available, whole(round + 1));
        store.close().await;
    }
}

/// How many profiles anybody sees.
async fn profiles(store: &Store) -> u64 {
    store.counts().await.unwrap().iter().map(|count| count.profiles).sum()
}

fn die(yard: &Yard, deaths: usize, seed: u64) {
    let rng = Rng::seeded(seed);
    let mut died = 0;
    for round in 0..deaths {
        let [commits, phase] = rng.array::<2>();
        let phase = if phase.is_multiple_of(2) { CommitPhase::Before } else { CommitPhase::After };
        // A round has six commits or more, fewer where several share one.
        died += usize::from(yard.live_and_die(round, u32::from(commits % 6) + 1, phase));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(yard.succeed(round));
    }
    assert!(died * 2 > deaths, "{died} of {deaths} died: the test looks at the wrong commits");
}

fn a_hundred_deaths_leave_no_number_twice_no_batch_half_in_and_no_reservation_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    die(&Yard::new(StoreUrl::Sqlite(folder.path().join("simyard.db"))), 100, 5);
}

fn deaths_on_postgres_leave_as_little_behind() {
    if let Some(database) = postgres::database() {
        die(&Yard::new(database.url()), 15, 6);
    }
}
