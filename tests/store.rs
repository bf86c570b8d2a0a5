//! The store, one suite for both engines: a SQLite file, and a database on a PostgreSQL server of our own.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use simyard::domain::{
    CallIdentity, CodeHash, Confirmation, DownloadOrderParameters, ErrorReason, FinalStatus,
    MatchingIdOrigin, NamedBy, Operator, Order, ProfileEvent, ProfileType, ReleaseTime, Reservation,
    RunTimeState, State, StateName, Terms,
};
use simyard::env::Timestamp;
use simyard::ident::{Eid, Iccid, Imsi, MatchingId, TransactionId};
use simyard::store::{
    Batch, Constraint, NewBinding, NewImsi, NewNotification, NewProfile, Package, PackageKind, Recorded,
    ResultChange, Store, StoreError, StoreUrl,
};

use crate::harness::block_on;
use crate::postgres;

pub mod allocations;
pub mod audit;
pub mod batches;
pub mod callbacks;
pub mod device_certificates;
pub mod forwarded;
pub mod labels;
pub mod operations;
pub mod orders;
pub mod pools;
pub mod stock;
pub mod webhooks;

crate::tests!(
    every_statement_is_prepared_on_both_engines,
    both_engines_have_the_same_tables_and_columns,
    an_order_is_written_and_read_in_every_state,
    a_lost_race_is_a_conflict_and_changes_nothing,
    concurrent_callers_never_take_the_same_number,
    a_repeated_order_by_type_gets_the_same_number,
    one_guilty_change_fails_alone,
    a_matching_identifier_belongs_to_one_order,
    attempts_are_counted_up_to_the_limit,
    a_binding_is_found_by_any_of_its_transactions_and_its_keys_are_wiped_at_the_end,
    notifications_are_kept_once_and_the_highest_number_says_how_things_stand,
    what_was_answered_is_there_after_a_restart,
    waiting_changes_share_a_commit,
    a_guilty_change_costs_its_group_few_commits,
    addresses_of_stores_are_read_or_refused,
    a_database_that_is_not_there_is_told,
);

const EID: &str = "89049032000000000000279973200019";
const OTHER_EID: &str = "89049032000000000000279973200020";

/// Runs the test on a fresh store of each engine.
fn on_both<T: Future<Output = ()>>(test: impl Fn(Store, StoreUrl) -> T) {
    let folder = tempfile::tempdir().unwrap();
    on(&sqlite(folder.path()), &test);
    if let Some(database) = postgres::database() {
        on(&database.url(), &test);
    }
}

fn on<T: Future<Output = ()>>(url: &StoreUrl, test: &impl Fn(Store, StoreUrl) -> T) {
    block_on(async {
        let store = Store::open(url).await.unwrap();
        test(store, url.clone()).await;
    });
}

fn sqlite(folder: &Path) -> StoreUrl {
    StoreUrl::Sqlite(folder.join("simyard.db"))
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_795_000_000)
}

fn operator() -> Operator {
    Operator::parse("operator").unwrap()
}

fn profile_type() -> ProfileType {
    ProfileType::parse("P1").unwrap()
}

fn eid() -> Eid {
    Eid::parse(EID).unwrap()
}

fn iccid(number: u32) -> Iccid {
    Iccid::parse(&format!("8988211{number:012}")).unwrap()
}

fn profile(number: u32) -> NewProfile {
    NewProfile {
        iccid: iccid(number),
        imsis: vec![NewImsi {
            imsi: Imsi::parse(&format!("90140{number:010}")).unwrap(),
            role: "home".to_owned(),
            msisdn: Some(format!("+88{number:010}")),
        }],
        package: Package { kind: PackageKind::PersonalData, sealed: vec![number as u8; 40], needs: None },
    }
}

fn batch(batch_id: &str) -> Batch {
    Batch::local(batch_id, operator(), profile_type(), now())
}

async fn stock(store: &Store, count: u32) {
    let profiles: Vec<NewProfile> = (0..count).map(profile).collect();
    store.insert_batch(&batch("first"), &profiles, [7; 32]).await.unwrap();
}

fn reservation() -> Reservation {
    let call = CallIdentity::new("1.2.3", "call-1");
    Reservation { call, named_by: NamedBy::Iccid, at: now(), terms: Terms::default() }
}

fn confirmation(matching_id: &str, reservation: Reservation, ordered_eid: Option<Eid>) -> Confirmation {
    Confirmation {
        reservation,
        ordered_eid,
        confirmed_eid: None,
        matching_id: MatchingId::parse(matching_id).unwrap(),
        matching_id_origin: MatchingIdOrigin::Operator,
        code_hash: Some(CodeHash::from_octets([9; 32])),
        release_time: ReleaseTime::AtOnce,
        at: now(),
        expires_at: Some(now().plus(Duration::from_secs(3600))),
    }
}

async fn released(store: &Store, number: u32, matching_id: &str) -> Order {
    let order = store.order(&iccid(number)).await.unwrap().unwrap();
    let order = store.save(order.reserve(reservation(), None).unwrap()).await.unwrap();
    store
        .save(order.confirm(|reservation, eid| confirmation(matching_id, reservation, eid)).unwrap())
        .await
        .unwrap()
}

fn binding(transaction: u8) -> NewBinding {
    NewBinding {
        transaction_id: TransactionId::from_octets(&[transaction; 16]).unwrap(),
        eid: eid(),
        euicc_public_key: [4; 65],
        euicc_otpk: [transaction; 65],
        smdp_otpk: [6; 65],
        sealed_session_keys: vec![8; 80],
        content_digest: [transaction; 32],
        at: now(),
        callback: None,
    }
}

fn notification(seq_number: i64, event: ProfileEvent) -> NewNotification {
    NewNotification {
        eid: eid(),
        seq_number,
        iccid: iccid(0),
        event,
        signed: format!("{seq_number} {event:?}").into_bytes(),
        raw: format!("notification {seq_number} {event:?}").into_bytes(),
        at: now(),
        callback: None,
    }
}

async fn read(store: &Store, number: u32) -> Order {
    store.order(&iccid(number)).await.unwrap().unwrap()
}

fn every_statement_is_prepared_on_both_engines() {
    on_both(|store, _| async move { assert!(store.check_statements().await.unwrap() > 20) });
}

fn both_engines_have_the_same_tables_and_columns() {
    let folder = tempfile::tempdir().unwrap();
    let Some(database) = postgres::database() else { return };
    let schema =
        |url: StoreUrl| block_on(async move { Store::open(&url).await.unwrap().schema().await.unwrap() });
    let on_sqlite = schema(sqlite(folder.path()));
    assert!(on_sqlite.len() > 40, "{on_sqlite:?}");
    assert_eq!(on_sqlite, schema(database.url()));
}

fn an_order_is_written_and_read_in_every_state() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let mut order = read(&store, 0).await;
        assert_eq!(order.state, State::Available);
        let mut seen = BTreeSet::from([order.state_name()]);
        let linked =
            store.save(read(&store, 1).await.reserve(reservation(), Some(eid())).unwrap()).await.unwrap();
        assert_eq!(linked, read(&store, 1).await);
        let steps: Vec<Box<dyn FnOnce(Order) -> Order>> = vec![
            Box::new(|order| order.reserve(reservation(), None).unwrap()),
            Box::new(|order| {
                let later = |reservation, eid| Confirmation {
                    release_time: ReleaseTime::Later,
                    confirmed_eid: Some(self::eid()),
                    ..confirmation("M-0", reservation, eid)
                };
                order.confirm(later).unwrap()
            }),
            Box::new(|order| order.release(now().plus(Duration::from_secs(5))).unwrap()),
            Box::new(|order| order.bind(eid(), now()).unwrap()),
            Box::new(|order| order.fail(ErrorReason::Cancelled(16), now()).unwrap()),
            Box::new(|order| order.install(now()).unwrap()),
        ];
        for step in steps {
            order = store.save(step(order)).await.unwrap();
            assert_eq!(order, read(&store, 0).await);
            seen.insert(order.state_name());
        }
        let gone = store.save(linked.cancel(FinalStatus::Unavailable).unwrap()).await.unwrap();
        assert_eq!(gone, read(&store, 1).await);
        assert_eq!((gone.state_name(), gone.eid(), gone.number), (StateName::Unavailable, None, 1));
        assert_eq!(seen.len(), 7, "{seen:?}");
        let counts = store.counts().await.unwrap();
        let counts: Vec<_> = counts.iter().map(|count| (count.state, count.profiles)).collect();
        assert_eq!(
            counts,
            [(StateName::Available, 1), (StateName::Installed, 1), (StateName::Unavailable, 1)]
        );
        let page = store.orders_after(Some(&iccid(0)), 10).await.unwrap();
        assert_eq!(page.iter().map(|order| order.iccid.clone()).collect::<Vec<_>>(), [iccid(1), iccid(2)]);
        assert_eq!(store.owners_of_type(&profile_type()).await.unwrap(), [operator()]);
        assert!(store.owners_of_type(&ProfileType::parse("P2").unwrap()).await.unwrap().is_empty());
        assert!(store.order(&iccid(9)).await.unwrap().is_none());
    });
}

fn a_lost_race_is_a_conflict_and_changes_nothing() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let order = read(&store, 0).await;
        store.save(order.clone().reserve(reservation(), None).unwrap()).await.unwrap();
        let late = store.save(order.reserve(reservation(), Some(eid())).unwrap()).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
        assert_eq!(read(&store, 0).await.state_name(), StateName::Allocated);
    });
}

fn by_type(call: &str) -> DownloadOrderParameters {
    DownloadOrderParameters { call: CallIdentity::new("1.2.3", call), named_by: NamedBy::Type, eid: None }
}

fn concurrent_callers_never_take_the_same_number() {
    on_both(|store, url| async move {
        const TASKS: usize = 16;
        const EACH: usize = 12;
        stock(&store, (TASKS * EACH) as u32).await;
        // A second store on the same data stands for a second node.
        let second = Store::open(&url).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            let store = if task % 2 == 0 { store.clone() } else { second.clone() };
            tasks.spawn(async move {
                let mut taken = Vec::new();
                for call in 0..EACH {
                    // Half of the calls have no identifier: they repeat nothing.
                    let call = if call % 2 == 0 { format!("{task}-{call}") } else { String::new() };
                    loop {
                        let window = Duration::from_secs(60);
                        let number = store
                            .take_by_type(&operator(), &profile_type(), &by_type(&call), now(), window, None)
                            .await;
                        match number {
                            Ok(Some(number)) => break taken.push(number),
                            Err(StoreError::Conflict) => {}
                            // PostgreSQL passes over rows that the other node is taking.
                            Ok(None) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                taken
            });
        }
        let mut all = Vec::new();
        while let Some(taken) = tasks.join_next().await {
            all.extend(taken.unwrap());
        }
        assert_eq!(all.len(), TASKS * EACH);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), TASKS * EACH, "a number was given twice");
        let window = Duration::from_secs(60);
        let none =
            store.take_by_type(&operator(), &profile_type(), &by_type("last"), now(), window, None).await;
        assert_eq!(none.unwrap(), None);
    });
}

fn a_repeated_order_by_type_gets_the_same_number() {
    on_both(|store, _| async move {
        stock(&store, 5).await;
        let window = Duration::from_secs(60);
        let take = |parameters: DownloadOrderParameters, at: Timestamp| {
            let store = store.clone();
            async move {
                store.take_by_type(&operator(), &profile_type(), &parameters, at, window, None).await.unwrap()
            }
        };
        let first = take(by_type("a"), now()).await;
        assert_eq!(first, Some(iccid(0)));
        assert_eq!(take(by_type("a"), now().plus(Duration::from_secs(59))).await, first);
        assert_eq!(take(by_type("b"), now()).await, Some(iccid(1)));
        let linked = DownloadOrderParameters { eid: Some(eid()), ..by_type("a") };
        assert_eq!(take(linked.clone(), now()).await, Some(iccid(2)));
        assert_eq!(take(linked, now()).await, Some(iccid(2)));
        assert_eq!(take(by_type("a"), now().plus(Duration::from_secs(60))).await, Some(iccid(3)));
        let mut at_once = tokio::task::JoinSet::new();
        for _ in 0..8 {
            at_once.spawn(take(by_type("c"), now()));
        }
        while let Some(taken) = at_once.join_next().await {
            assert_eq!(taken.unwrap(), Some(iccid(4)));
        }
        assert_eq!(take(by_type("d"), now()).await, None);
    });
}

fn one_guilty_change_fails_alone() {
    on_both(|store, _| async move {
        stock(&store, 20).await;
        released(&store, 0, "TAKEN").await;
        let mut orders = Vec::new();
        for number in 1..20 {
            orders.push(
                store.save(read(&store, number).await.reserve(reservation(), None).unwrap()).await.unwrap(),
            );
        }
        let mut saves = tokio::task::JoinSet::new();
        for (at, order) in orders.into_iter().enumerate() {
            let matching_id = if at == 7 { "TAKEN".to_owned() } else { format!("M-{at}") };
            let order =
                order.confirm(|reservation, eid| confirmation(&matching_id, reservation, eid)).unwrap();
            let store = store.clone();
            saves.spawn(async move { (at, store.save(order).await) });
        }
        while let Some(saved) = saves.join_next().await {
            match saved.unwrap() {
                (7, outcome) => {
                    assert!(matches!(outcome, Err(StoreError::InUse(Constraint::MatchingId))), "{outcome:?}");
                }
                (at, outcome) => assert_eq!(outcome.unwrap().state_name(), StateName::Released, "{at}"),
            }
        }
        assert_eq!(read(&store, 8).await.state_name(), StateName::Allocated);
    });
}

fn a_matching_identifier_belongs_to_one_order() {
    on_both(|store, _| async move {
        stock(&store, 4).await;
        released(&store, 0, "M-0").await;
        released(&store, 1, "").await;
        released(&store, 2, "").await;
        let order = read(&store, 3).await.reserve(reservation(), Some(eid())).unwrap();
        let order = store.save(order).await.unwrap();
        let taken = order.clone().confirm(|reservation, eid| confirmation("M-0", reservation, eid)).unwrap();
        let refused = store.save(taken).await;
        assert!(matches!(refused, Err(StoreError::InUse(Constraint::MatchingId))), "{refused:?}");
        let free = order.confirm(|reservation, eid| confirmation("", reservation, eid)).unwrap();
        store.save(free).await.unwrap();
        let candidates = |id: Option<&str>| {
            let (store, id) = (store.clone(), id.map(|id| MatchingId::parse(id).unwrap()));
            async move {
                let orders = store.orders_for(id.as_ref(), &eid()).await.unwrap();
                orders.into_iter().map(|order| order.iccid).collect::<Vec<_>>()
            }
        };
        assert_eq!(candidates(Some("M-0")).await, [iccid(0)]);
        assert_eq!(candidates(Some("M-9")).await, []);
        assert_eq!(candidates(Some("")).await, [iccid(3)]);
        assert_eq!(candidates(None).await, [iccid(3)]);
    });
}

fn attempts_are_counted_up_to_the_limit() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let order = released(&store, 0, "M-0").await;
        for expected in 1..=3 {
            store.count_download_attempt(&order, 3, None).await.unwrap();
            assert_eq!(read(&store, 0).await.attempts().download, expected);
        }
        let over = store.count_download_attempt(&order, 3, None).await;
        assert!(matches!(over, Err(StoreError::Conflict)), "{over:?}");
        assert_eq!(store.count_confirmation_attempt(&order, 1, None).await.unwrap(), 1);
        let attempts = read(&store, 0).await.attempts();
        assert_eq!((attempts.download, attempts.confirmation), (3, 1));
        let available = store.count_download_attempt(&read(&store, 1).await, 3, None).await;
        assert!(matches!(available, Err(StoreError::Conflict)), "{available:?}");
        // Back in stock and ordered again, the profile starts from nothing.
        let back = store.save(read(&store, 0).await.cancel(FinalStatus::Available).unwrap()).await.unwrap();
        assert_eq!(back.state, State::Available);
        let again = released(&store, 0, "M-0").await;
        assert_eq!((again.attempts().download, again.number), (0, 2));
        let stale = store.bind(&order, &binding(1)).await;
        assert!(matches!(stale, Err(StoreError::Conflict)), "an old session binds no new order: {stale:?}");
    });
}

fn a_binding_is_found_by_any_of_its_transactions_and_its_keys_are_wiped_at_the_end() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let order = released(&store, 0, "M-0").await;
        assert!(store.material(&iccid(0)).await.unwrap().unwrap().binding.is_none());
        store.bind(&order, &binding(1)).await.unwrap();
        let stale = store.bind(&order, &binding(3)).await;
        assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
        let order = read(&store, 0).await;
        assert_eq!((order.state_name(), order.eid()), (StateName::Downloaded, Some(&eid())));
        let other = NewBinding { eid: Eid::parse(OTHER_EID).unwrap(), ..binding(3) };
        let stolen = store.bind(&order, &other).await;
        assert!(matches!(stolen, Err(StoreError::Conflict)), "{stolen:?}");
        store.bind(&order, &binding(2)).await.unwrap();
        for transaction in [1, 2] {
            let id = TransactionId::from_octets(&[transaction; 16]).unwrap();
            let (order, kept) = store.download_by_transaction(&id).await.unwrap().unwrap();
            assert_eq!((order.iccid, kept.euicc_otpk), (iccid(0), vec![2; 65]));
            assert_eq!((kept.sealed_session_keys, kept.content_digest), (Some(vec![8; 80]), vec![2; 32]));
        }
        let unknown = TransactionId::from_octets(&[3; 16]).unwrap();
        assert!(store.download_by_transaction(&unknown).await.unwrap().is_none());

        let order = read(&store, 0).await;
        let installed = ResultChange::Order(Box::new(order.clone().install(now()).unwrap()));
        let result = notification(1, ProfileEvent::Install);
        assert_eq!(store.record_notification(&result, installed.clone()).await.unwrap(), Recorded::New);
        let late = store.record_notification(&result, installed).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
        let material = store.material(&iccid(0)).await.unwrap().unwrap();
        assert_eq!(material.order.state_name(), StateName::Installed);
        assert_eq!(material.package.sealed, vec![0; 40]);
        let kept = material.binding.unwrap();
        assert_eq!((kept.sealed_session_keys, kept.euicc_public_key), (None, vec![4; 65]));
        assert_eq!(store.notifications(&iccid(0)).await.unwrap().len(), 1);
    });
}

fn notifications_are_kept_once_and_the_highest_number_says_how_things_stand() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let order = released(&store, 0, "M-0").await;
        store.bind(&order, &binding(1)).await.unwrap();
        let run_time = || async {
            match read(&store, 0).await.state {
                State::Installed(installation) => installation.run_time,
                other => panic!("{other:?}"),
            }
        };
        // The enabling overtakes the installation result.
        let enabled = notification(2, ProfileEvent::Enable);
        assert_eq!(store.record_notification(&enabled, ResultChange::None).await.unwrap(), Recorded::New);
        let installed = read(&store, 0).await.install(now()).unwrap();
        let result = notification(1, ProfileEvent::Install);
        store.record_notification(&result, ResultChange::Order(Box::new(installed))).await.unwrap();
        assert_eq!(run_time().await, Some(RunTimeState::Enabled));
        for (seq_number, event, expected) in [
            (4, ProfileEvent::Enable, RunTimeState::Enabled),
            (3, ProfileEvent::Disable, RunTimeState::Enabled),
            (5, ProfileEvent::Delete, RunTimeState::Deleted),
        ] {
            store.record_notification(&notification(seq_number, event), ResultChange::None).await.unwrap();
            assert_eq!(run_time().await, Some(expected), "{seq_number}");
        }
        let repeated = store.record_notification(&enabled, ResultChange::None).await.unwrap();
        assert_eq!(repeated, Recorded::Repeated);
        // What is around the signed octets does not make it another one; what is in them does.
        let wrapped = NewNotification { raw: b"other signature".to_vec(), ..enabled.clone() };
        let repeated = store.record_notification(&wrapped, ResultChange::None).await.unwrap();
        assert_eq!(repeated, Recorded::Repeated);
        let other = NewNotification { signed: b"other".to_vec(), ..enabled };
        assert_eq!(store.record_notification(&other, ResultChange::None).await.unwrap(), Recorded::New);
        // The profile is not another eUICC's to report about.
        let wrong =
            NewNotification { eid: Eid::parse(OTHER_EID).unwrap(), ..notification(9, ProfileEvent::Enable) };
        assert_eq!(store.record_notification(&wrong, ResultChange::None).await.unwrap(), Recorded::New);
        assert_eq!(run_time().await, Some(RunTimeState::Deleted));
        assert_eq!(store.notifications(&iccid(0)).await.unwrap().len(), 7);
    });
}

fn what_was_answered_is_there_after_a_restart() {
    on_both(|store, url| async move {
        stock(&store, 2).await;
        released(&store, 0, "M-0").await;
        store.close().await;
        let closed = store.save(read_available(1)).await;
        assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
        let store = Store::open(&url).await.unwrap();
        assert_eq!(read(&store, 0).await.state_name(), StateName::Released);
        let durability = store.durability().await.unwrap().to_string();
        match url {
            StoreUrl::Sqlite(_) => {
                assert!(durability.ends_with("journal_mode=wal, synchronous=FULL"), "{durability}")
            }
            StoreUrl::Postgres(_) => {
                assert!(durability.ends_with("synchronous_commit=on, fsync=off"), "{durability}")
            }
        }
    });
}

fn read_available(number: u32) -> Order {
    Order {
        iccid: iccid(number),
        imsi: None,
        owner: operator(),
        profile_type: profile_type(),
        created_at: now(),
        number: 0,
        version: 0,
        state: State::Available,
    }
}

fn waiting_changes_share_a_commit() {
    on_both(|store, _| async move {
        const CHANGES: u32 = 200;
        stock(&store, CHANGES).await;
        let mut orders = Vec::new();
        for number in 0..CHANGES {
            orders.push(read(&store, number).await.reserve(reservation(), None).unwrap());
        }
        let before = store.commits();
        let mut saves = tokio::task::JoinSet::new();
        for order in orders {
            let store = store.clone();
            saves.spawn(async move { store.save(order).await.map(drop) });
        }
        while let Some(saved) = saves.join_next().await {
            saved.unwrap().unwrap();
        }
        let commits = store.commits() - before;
        assert!((1..u64::from(CHANGES) / 2).contains(&commits), "{commits} commits for {CHANGES} changes");
    });
}

fn a_guilty_change_costs_its_group_few_commits() {
    on_both(|store, _| async move {
        const CHANGES: u32 = 200;
        stock(&store, CHANGES + 1).await;
        released(&store, CHANGES, "TAKEN").await;
        let mut orders = Vec::new();
        for number in 0..CHANGES {
            let order = read(&store, number).await.reserve(reservation(), None).unwrap();
            orders.push(store.save(order).await.unwrap());
        }
        let before = store.commits();
        let mut saves = tokio::task::JoinSet::new();
        for (at, order) in orders.into_iter().enumerate() {
            let matching_id = if at == 100 { "TAKEN".to_owned() } else { format!("M-{at}") };
            let order =
                order.confirm(|reservation, eid| confirmation(&matching_id, reservation, eid)).unwrap();
            let store = store.clone();
            saves.spawn(async move { (at, store.save(order).await) });
        }
        while let Some(saved) = saves.join_next().await {
            let (at, outcome) = saved.unwrap();
            assert_eq!(outcome.is_err(), at == 100, "{at}: {outcome:?}");
        }
        let commits = store.commits() - before;
        assert!(
            commits <= u64::from(CHANGES) / 4,
            "{commits} commits for {CHANGES} changes, one of them guilty"
        );
    });
}

fn a_database_that_is_not_there_is_told() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let url = StoreUrl::parse(&format!("postgres://simyard:secret@127.0.0.1:{port}/simyard")).unwrap();
    let opened = tokio::runtime::Runtime::new().unwrap().block_on(Store::open(&url));
    let Err(error) = opened else { panic!("opened") };
    let told = format!("{:#}", anyhow::Error::from(error));
    assert!(told.contains("refused") && !told.contains("secret"), "{told}");
}

fn addresses_of_stores_are_read_or_refused() {
    let path = |text: &str| StoreUrl::Sqlite(PathBuf::from(text));
    assert_eq!(StoreUrl::parse("sqlite:data/simyard.db").unwrap(), path("data/simyard.db"));
    assert_eq!(StoreUrl::parse("sqlite:///data/simyard.db").unwrap(), path("/data/simyard.db"));
    assert_eq!(StoreUrl::parse("simyard.db").unwrap(), path("simyard.db"));
    assert!(matches!(StoreUrl::parse("postgres://simyard@db/simyard").unwrap(), StoreUrl::Postgres(_)));
    let with_password = StoreUrl::parse("postgres://simyard:secret@db/simyard").unwrap();
    assert_eq!(format!("{with_password:?}"), "Postgres(..)");
    for text in ["", "sqlite:", "mysql://root:secret@db/simyard", "postgres://user:secret@host:port/x"] {
        let error = StoreUrl::parse(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
