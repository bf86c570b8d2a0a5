//! What `simyard order` asks of the store, on both engines: selections, attempts as wanted, runs of many orders.

use std::sync::Arc;
use std::time::Duration;

use simyard::domain::{
    Attempts, Delivered, ErrorReason, FinalStatus, KeyMode, ManualCommand, Person, ProfileType, StateName,
};
use simyard::env::{Clock, Rng};
use simyard::ident::EidPrefix;
use simyard::profile::metadata::ProfileMetadata;
use simyard::smdp::manual_order::{
    Expiry, Goal, Hand, ManualOrderError, NewOrder, Wanted, cancel, owner_of_type, place_order, release,
    reset,
};
use simyard::smdp::order_run::{NewRun, OrderRunError, RunOrder, run_orders};
use simyard::store::watch::{ChangeKind, CommitPhase, CommitWatch};
use simyard::store::{
    DETAIL_MAX, MANUAL_CHANGES_MAX, NewManualChange, OrderRun, RunPlace, Selection, Store, StoreError,
};

use super::*;
use crate::es9plus::new_order;
use crate::server::Deaths;

crate::tests!(
    attempts_are_written_where_they_are_said_and_left_alone_elsewhere,
    a_selection_is_read_page_by_page,
    a_selection_is_by_owner_eid_and_matching_identifier,
    an_order_keeps_its_terms_until_it_is_erased,
    what_is_done_by_hand_is_written_down_with_the_order_or_not_at_all,
    a_run_of_reserved_orders_says_its_terms_once,
    an_order_by_hand_is_made_in_one_change_or_not_at_all,
    what_the_state_does_not_allow_is_refused_by_hand_too,
    a_run_is_written_down_once,
    a_run_that_is_repeated_makes_no_order_twice,
    a_run_that_was_killed_goes_on_where_it_was,
    a_run_may_be_killed_at_any_commit,
    a_run_with_other_options_or_without_stock_orders_nothing,
);

fn person() -> Person {
    Person::parse("tester").unwrap()
}

fn hand() -> Hand {
    Hand { person: person(), at: now() }
}

fn new_run(count: u64) -> NewRun {
    NewRun {
        run_id: "run-1".to_owned(),
        person: person(),
        owner: operator(),
        profile_type: profile_type(),
        count,
        eids: Vec::new(),
        order: new_order(),
    }
}

async fn run(store: &Store, new: &NewRun) -> Result<Vec<RunOrder>, OrderRunError> {
    run_orders(store, &Clock::fixed(now()), &Rng::system(), new, |_| {}).await
}

fn attempts_are_written_where_they_are_said_and_left_alone_elsewhere() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let order = released(&store, 0, "M-0").await;
        store.count_download_attempt(&order, 9, None).await.unwrap();
        store.count_confirmation_attempt(&order, 9, None).await.unwrap();
        // A transition as ES2+ and ES9+ make it leaves what was counted since it was read.
        let failed = store.save(order.fail(ErrorReason::Expired, now()).unwrap()).await.unwrap();
        let failed_as_read = read(&store, 0).await;
        assert_eq!(failed_as_read.attempts(), Attempts { download: 1, confirmation: 1 });
        assert_eq!(failed.version, failed_as_read.version);
        let order = reset(&store, &hand(), &failed_as_read, None).await.unwrap();
        assert_eq!(order, read(&store, 0).await);
        assert_eq!((order.state_name(), order.attempts()), (StateName::Released, Attempts::default()));
        assert_eq!(order.expires_at(), None);
        let used_up = Attempts { download: 7, confirmation: 3 };
        let change = NewManualChange {
            person: person(),
            command: ManualCommand::Reset,
            detail: String::new(),
            from: StateName::Released,
            at: now(),
        };
        let order = store.save_by_hand(order.recount(used_up).unwrap(), &change).await.unwrap();
        assert_eq!(read(&store, 0).await.attempts(), used_up);
        // Whoever read an older version resets nothing.
        let late = reset(&store, &hand(), &failed_as_read, None).await;
        assert!(matches!(late, Err(ManualOrderError::Race)), "{late:?}");
        // One that was bound is bound still, and its attempts go on from where they are put.
        let order = Order { version: store.bind(&order, &binding(1)).await.unwrap(), ..order };
        assert_eq!(order.version, read(&store, 0).await.version);
        let bound = reset(&store, &hand(), &read(&store, 0).await, None).await.unwrap();
        assert_eq!(bound, read(&store, 0).await);
        assert_eq!((bound.state_name(), bound.eid()), (StateName::Downloaded, Some(&eid())));
        store.count_download_attempt(&bound, 9, None).await.unwrap();
    });
}

fn a_selection_is_read_page_by_page() {
    on_both(|store, _| async move {
        stock(&store, 8).await;
        for number in [1, 3, 5] {
            released(&store, number, &format!("M-{number}")).await;
        }
        let linked = read(&store, 6).await.reserve(reservation(), Some(eid())).unwrap();
        store.save(linked).await.unwrap();
        let select = |selection: Selection, after: Option<u32>, limit| {
            let store = store.clone();
            async move {
                let after = after.map(iccid);
                let orders = store.selected_orders(&selection, after.as_ref(), limit).await.unwrap();
                orders.into_iter().map(|order| order.iccid).collect::<Vec<_>>()
            }
        };
        let all = Selection::default();
        assert_eq!(select(all.clone(), None, 10).await, [1, 3, 5, 6].map(iccid), "what somebody ordered");
        assert_eq!(select(all.clone(), None, 3).await, [1, 3, 5].map(iccid));
        assert_eq!(select(all.clone(), Some(5), 3).await, [iccid(6)]);
        let state = |state| Selection { state: Some(state), ..Selection::default() };
        assert_eq!(select(state(StateName::Released), Some(1), 10).await, [3, 5].map(iccid));
        assert_eq!(select(state(StateName::Available), None, 2).await, [0, 2].map(iccid));
        let of_eid = Selection { eid: Some(beginning("89049032")), ..Selection::default() };
        assert_eq!(select(of_eid.clone(), None, 10).await, [iccid(6)]);
        assert_eq!(select(of_eid.clone(), Some(6), 10).await, []);
        let both = Selection { state: Some(StateName::Released), ..of_eid };
        assert_eq!(select(both, None, 10).await, []);
        for (name, found) in [("P1", 4), ("P2", 0)] {
            let profile_type = Some(ProfileType::parse(name).unwrap());
            let selection = Selection { profile_type, ..Selection::default() };
            assert_eq!(select(selection, None, 10).await.len(), found, "{name}");
        }
    });
}

fn beginning(digits: &str) -> EidPrefix {
    EidPrefix::parse(digits).unwrap()
}

fn a_selection_is_by_owner_eid_and_matching_identifier() {
    on_both(|store, _| async move {
        stock(&store, 4).await;
        let others = Batch { owner: Operator::parse("other").unwrap(), ..batch("second") };
        store.insert_batch(&others, &[profile(8), profile(9)], [8; 32]).await.unwrap();
        for (number, eid) in [(0, Some(EID)), (1, Some(OTHER_EID)), (2, None), (8, Some(EID)), (9, None)] {
            let new = NewOrder {
                eid: eid.map(|eid| Eid::parse(eid).unwrap()),
                matching_id: Some(MatchingId::parse(&format!("M-{number}")).unwrap()),
                ..new_order()
            };
            let wanted = Wanted::Iccid(iccid(number));
            place_order(&store, &Rng::seeded(3), &hand(), &wanted, &new).await.unwrap();
        }
        let whole = || Selection::default();
        let owner = Operator::parse("other");
        let id = |text: &str| Some(MatchingId::parse(text).unwrap());
        for (selection, expected) in [
            (Selection { owner: owner.clone(), ..whole() }, vec![8, 9]),
            (Selection { owner: Operator::parse("stranger"), ..whole() }, vec![]),
            (Selection { eid: Some(beginning(EID)), ..whole() }, vec![0, 8]),
            (Selection { eid: Some(beginning("8904903")), ..whole() }, vec![0, 1, 8]),
            (Selection { eid: Some(beginning("7")), ..whole() }, vec![]),
            (Selection { owner: owner.clone(), eid: Some(beginning("89")), ..whole() }, vec![8]),
            (Selection { matching_id: id("M-2"), ..whole() }, vec![2]),
            (Selection { matching_id: id(""), ..whole() }, vec![]),
            (Selection { matching_id: id("M-2"), owner, ..whole() }, vec![]),
            (Selection { matching_id: id("M-2"), eid: Some(beginning("8")), ..whole() }, vec![]),
            (Selection { matching_id: id("M-1"), eid: Some(beginning(OTHER_EID)), ..whole() }, vec![1]),
        ] {
            let orders = store.selected_orders(&selection, None, 10).await.unwrap();
            let found: Vec<Iccid> = orders.into_iter().map(|order| order.iccid).collect();
            assert_eq!(found, expected.into_iter().map(iccid).collect::<Vec<_>>(), "{selection:?}");
        }
        let eids = Selection { eid: Some(beginning("89")), ..whole() };
        let page = store.selected_orders(&eids, Some(&iccid(0)), 1).await.unwrap();
        assert_eq!(page[0].iccid, iccid(1), "the next page");
    });
}

fn an_order_keeps_its_terms_until_it_is_erased() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let metadata = ProfileMetadata { profile_name: "of its own".into(), ..ProfileMetadata::default() };
        let new = NewOrder {
            goal: Goal::Confirmed,
            key_mode: Some(KeyMode::RandomKeys),
            metadata: Some(metadata.clone()),
            ..new_order()
        };
        let wanted = Wanted::Iccid(iccid(0));
        let order = place_order(&store, &Rng::seeded(4), &hand(), &wanted, &new).await.unwrap();
        let terms = order.terms().unwrap().clone();
        let own = ProfileMetadata::from_store_metadata(terms.metadata.as_ref().unwrap(), &iccid(0));
        assert_eq!((terms.key_mode, own), (Some(KeyMode::RandomKeys), Ok(metadata)));
        let order = release(
            &store,
            &Hand { at: now().plus(Duration::from_secs(9)), ..hand() },
            order,
            Delivered::default(),
        )
        .await;
        let order = order.unwrap();
        assert_eq!(order.released().unwrap().at, now().plus(Duration::from_secs(9)));
        store.count_download_attempt(&order, 9, None).await.unwrap();
        store.bind(&order, &binding(1)).await.unwrap();
        let bound = read(&store, 0).await;
        let failed = store.save(bound.fail(ErrorReason::Expired, now()).unwrap()).await.unwrap();
        assert_eq!(failed, read(&store, 0).await);
        assert_eq!(failed.terms(), Some(&terms));
        let gone = store.save(failed.cancel(FinalStatus::Unavailable).unwrap()).await.unwrap();
        assert_eq!((gone.terms(), read(&store, 0).await.terms()), (None, None));
        let plain = released(&store, 1, "M-1").await;
        assert_eq!(plain.terms(), Some(&simyard::domain::Terms::default()));
    });
}

fn what_is_done_by_hand_is_written_down_with_the_order_or_not_at_all() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let new = NewOrder { goal: Goal::Failed(ErrorReason::Expired), eid: Some(eid()), ..new_order() };
        let wanted = Wanted::Iccid(iccid(0));
        let commits = store.commits();
        let order = place_order(&store, &Rng::seeded(5), &hand(), &wanted, &new).await.unwrap();
        assert_eq!(store.commits() - commits, 1, "both in one");
        let other = Hand { person: Person::parse("somebody else").unwrap(), ..hand() };
        let back = reset(&store, &other, &order, Some(now())).await.unwrap();
        let late = cancel(&store, &hand(), order, FinalStatus::Available).await;
        assert!(matches!(late, Err(ManualOrderError::Race)), "{late:?}");
        cancel(&store, &hand(), back, FinalStatus::Available).await.unwrap();
        let changes = store.manual_changes(&iccid(0)).await.unwrap();
        let told: Vec<_> = changes
            .iter()
            .map(|change| format!("{} {}: {} to {}", change.person, change.command, change.from, change.to))
            .collect();
        assert_eq!(
            told,
            [
                "tester create: Available to Error",
                "somebody else reset: Error to Released",
                "tester cancel: Released to Available",
            ]
        );
        assert!(changes[0].detail.contains(EID), "{changes:?}");
        assert!(changes[1].detail.contains("Expired") && changes[1].detail.contains("never"), "{changes:?}");
        assert_eq!(store.manual_changes(&iccid(1)).await.unwrap(), []);

        // The oldest are forgotten, and long words are cut.
        let mut order = read(&store, 1).await.reserve(reservation(), None).unwrap();
        for number in 0..MANUAL_CHANGES_MAX + 3 {
            let change = NewManualChange {
                person: person(),
                command: ManualCommand::Reset,
                detail: format!("{number} {}", "ä".repeat(DETAIL_MAX)),
                from: StateName::Available,
                at: now(),
            };
            order = store.save_by_hand(order, &change).await.unwrap();
        }
        let changes = store.manual_changes(&iccid(1)).await.unwrap();
        assert_eq!(changes.len(), MANUAL_CHANGES_MAX);
        assert!(changes[0].detail.starts_with("3 ") && changes[99].detail.starts_with("102 "));
        assert!(changes.iter().all(|change| change.detail.len() <= DETAIL_MAX));
        assert_eq!(store.manual_changes(&iccid(0)).await.unwrap().len(), 3, "those of others stay");
    });
}

fn a_run_of_reserved_orders_says_its_terms_once() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let order = NewOrder {
            goal: Goal::Reserved,
            metadata: Some(ProfileMetadata::default()),
            key_mode: Some(KeyMode::RandomKeys),
            ..new_order()
        };
        let new = NewRun { order, ..new_run(2) };
        for _ in 0..2 {
            for made in run(&store, &new).await.unwrap() {
                let order = made.order.unwrap();
                assert_eq!((order.state_name(), order.version), (StateName::Allocated, 2));
                assert!(order.terms().unwrap().metadata.is_some());
                assert_eq!(store.manual_changes(&made.iccid).await.unwrap().len(), 1);
            }
        }
        let other = NewRun { order: NewOrder { key_mode: None, ..new.order.clone() }, ..new };
        let refused = run(&store, &other).await;
        assert!(matches!(refused, Err(OrderRunError::OtherRun(_))), "{refused:?}");
    });
}

fn an_order_by_hand_is_made_in_one_change_or_not_at_all() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let rng = Rng::seeded(1);
        let by_type = Wanted::Type(operator(), profile_type());
        let place = async |wanted: &Wanted, new: &NewOrder| {
            let commits = store.commits();
            let placed = place_order(&store, &rng, &hand(), wanted, new).await;
            (placed, store.commits() - commits)
        };
        let given = NewOrder { matching_id: Some(MatchingId::parse("MINE").unwrap()), ..new_order() };
        let (order, commits) = place(&by_type, &given).await;
        let order = order.unwrap();
        assert_eq!((order.state_name(), commits), (StateName::Released, 1));
        assert_eq!(order, read(&store, 0).await);
        let found = store.order_by_matching_id(order.matching_id().unwrap()).await.unwrap();
        assert_eq!(found.as_ref(), Some(&order));
        let empty = MatchingId::parse("").unwrap();
        assert_eq!(store.order_by_matching_id(&empty).await.unwrap(), None);

        // A refusal leaves the next profile where it was.
        let (taken, _) = place(&by_type, &given).await;
        assert!(matches!(taken, Err(ManualOrderError::MatchingIdInUse(_))), "{taken:?}");
        let by_eid = NewOrder { matching_id: Some(empty), ..new_order() };
        let (unfit, _) = place(&by_type, &by_eid).await;
        assert!(matches!(unfit, Err(ManualOrderError::EidMissing)), "{unfit:?}");
        let attempts = Attempts { download: 1, confirmation: 0 };
        let held = NewOrder { goal: Goal::Confirmed, attempts, ..new_order() };
        let (unfit, _) = place(&by_type, &held).await;
        assert!(matches!(unfit, Err(ManualOrderError::AttemptsBeforeRelease)), "{unfit:?}");
        assert_eq!(read(&store, 1).await.state, State::Available);

        let (linked, commits) = place(
            &Wanted::Iccid(iccid(2)),
            &NewOrder { eid: Some(eid()), expiry: Expiry::After(Duration::from_secs(60)), ..by_eid },
        )
        .await;
        let linked = linked.unwrap();
        assert_eq!((linked.linked_eid(), commits), (Some(&eid()), 1));
        assert_eq!(linked.expires_at(), Some(now().plus(Duration::from_secs(60))));
        assert_eq!(store.orders_for(None, &eid()).await.unwrap(), [linked]);
        let reserved = NewOrder { goal: Goal::Reserved, ..new_order() };
        assert_eq!(place(&by_type, &reserved).await.0.unwrap().state_name(), StateName::Allocated);
        let (none, _) = place(&by_type, &new_order()).await;
        assert!(matches!(none, Err(ManualOrderError::NoneLeft(_))), "{none:?}");
        let (none, _) = place(&Wanted::Iccid(iccid(9)), &new_order()).await;
        assert!(matches!(none, Err(ManualOrderError::UnknownIccid(_))), "{none:?}");
        assert_eq!(owner_of_type(&store, &profile_type(), None).await.unwrap(), operator());
        let other = ProfileType::parse("P2").unwrap();
        let unknown = owner_of_type(&store, &other, None).await;
        assert!(matches!(unknown, Err(ManualOrderError::UnknownType(_))), "{unknown:?}");
        let stranger = owner_of_type(&store, &profile_type(), Operator::parse("stranger")).await;
        assert!(matches!(stranger, Err(ManualOrderError::SeveralOwners { .. })), "{stranger:?}");
    });
}

fn what_the_state_does_not_allow_is_refused_by_hand_too() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let available = read(&store, 0).await;
        for outcome in [
            release(&store, &hand(), available.clone(), Delivered::default()).await,
            cancel(&store, &hand(), available.clone(), FinalStatus::Available).await,
            reset(&store, &hand(), &available, None).await,
        ] {
            assert!(matches!(outcome, Err(ManualOrderError::State { .. })), "{outcome:?}");
        }
        assert_eq!(read(&store, 0).await, available);
        let held = NewOrder { goal: Goal::Confirmed, ..new_order() };
        let order = place_order(&store, &Rng::seeded(2), &hand(), &Wanted::Iccid(iccid(0)), &held).await;
        let order = order.unwrap();
        assert_eq!(order.state_name(), StateName::Confirmed);
        let order = release(&store, &hand(), order, Delivered::default()).await.unwrap();
        assert_eq!(order, read(&store, 0).await);
        let stale =
            cancel(&store, &hand(), Order { version: 0, ..order.clone() }, FinalStatus::Available).await;
        assert!(matches!(stale, Err(ManualOrderError::Race)), "{stale:?}");
        let gone = cancel(&store, &hand(), order, FinalStatus::Unavailable).await.unwrap();
        assert_eq!(gone, read(&store, 0).await);
        let again = place_order(&store, &Rng::seeded(2), &hand(), &Wanted::Iccid(iccid(0)), &held).await;
        assert!(matches!(again, Err(ManualOrderError::State { .. })), "{again:?}");
    });
}

fn a_run_is_written_down_once() {
    on_both(|store, _| async move {
        let run = OrderRun { run_id: "run".to_owned(), digest: [1; 32], profiles: 3, created_at: now() };
        assert_eq!(store.order_run("run").await.unwrap(), None);
        assert_eq!(store.begin_order_run(&run).await.unwrap(), run);
        let other = OrderRun { digest: [2; 32], ..run.clone() };
        assert_eq!(store.begin_order_run(&other).await.unwrap(), run, "the first one stands");
        let place = |place, number: u32| RunPlace { place, iccid: iccid(number), number: 1 };
        store.keep_order_run_places("run", &[place(0, 5), place(1, 6)]).await.unwrap();
        store.keep_order_run_places("run", &[place(1, 7), place(2, 8)]).await.unwrap();
        store.keep_order_run_places("other", &[place(1, 9)]).await.unwrap();
        let places = store.order_run_places("run", 1, 2).await.unwrap();
        assert_eq!(places.len(), 2);
        assert_eq!((&places[&1], &places[&2]), (&place(1, 6), &place(2, 8)));
    });
}

fn iccids(orders: &[RunOrder]) -> Vec<Iccid> {
    orders.iter().map(|order| order.iccid.clone()).collect()
}

fn a_run_that_is_repeated_makes_no_order_twice() {
    on_both(|store, _| async move {
        stock(&store, 24).await;
        let eids: Vec<Eid> = vec![eid(), Eid::parse(OTHER_EID).unwrap(), eid()];
        let new = NewRun { eids: eids.clone(), ..new_run(3) };
        let made = run(&store, &new).await.unwrap();
        let mut found: Vec<_> =
            made.iter().map(|order| order.order.as_ref().unwrap().linked_eid().cloned().unwrap()).collect();
        assert_eq!(found, eids, "each its own EID, in the order of the file");
        assert_eq!(iccids(&made).iter().collect::<BTreeSet<_>>().len(), 3);
        let again = run(&store, &new).await.unwrap();
        assert_eq!(format!("{made:?}"), format!("{again:?}"));
        // One is cancelled, and its profile ordered by somebody else: the run says so and takes no other.
        let cancelled = made[1].order.clone().unwrap();
        let back = cancel(&store, &hand(), cancelled, FinalStatus::Available).await.unwrap();
        store.save(back.reserve(reservation(), None).unwrap()).await.unwrap();
        let again = run(&store, &new).await.unwrap();
        assert_eq!(iccids(&again), iccids(&made));
        found = again.iter().filter_map(|order| order.order.as_ref()?.linked_eid().cloned()).collect();
        assert_eq!(found, [eid(), eid()]);
        assert!(again[1].order.is_none());
        // Two at the same time make the orders of one; what was reserved for a place that is taken goes back.
        let twice = NewRun { run_id: "run-2".to_owned(), ..new_run(8) };
        let (one, two) = tokio::join!(run(&store, &twice), run(&store, &twice));
        assert_eq!(iccids(&one.unwrap()), iccids(&two.unwrap()));
        let counts = store.counts().await.unwrap();
        let counts: Vec<_> = counts.iter().map(|count| (count.state, count.profiles)).collect();
        let expected = [(StateName::Available, 13), (StateName::Allocated, 1), (StateName::Released, 10)];
        assert_eq!(counts, expected);
    });
}

fn a_run_that_was_killed_goes_on_where_it_was() {
    on_both(|store, _| async move {
        stock(&store, 300).await;
        // Killed in the first orders: one is reserved and not written down, one written down and not confirmed.
        let new = new_run(280);
        let parameters = |place: u64| DownloadOrderParameters {
            call: CallIdentity::new("simyard order create", &format!("run-1/{place}")),
            named_by: NamedBy::Type,
            eid: None,
        };
        let mut taken = Vec::new();
        for place in [1, 0] {
            let window = Duration::from_secs(1);
            let number = store
                .take_by_type(&operator(), &profile_type(), &parameters(place), now(), window, None)
                .await;
            taken.push(number.unwrap().unwrap());
        }
        let place = RunPlace { place: 0, iccid: taken[1].clone(), number: 1 };
        store.keep_order_run_places("run-1", &[place]).await.unwrap();
        let made = run(&store, &new).await.unwrap();
        assert_eq!((&made[0].iccid, &made[1].iccid), (&taken[1], &taken[0]));
        assert_eq!(iccids(&made).iter().collect::<BTreeSet<_>>().len(), 280);
        for order in &made {
            assert_eq!(order.order.as_ref().unwrap().state_name(), StateName::Released);
        }
        let counts = store.counts().await.unwrap();
        let counts: Vec<_> = counts.iter().map(|count| (count.state, count.profiles)).collect();
        assert_eq!(counts, [(StateName::Available, 20), (StateName::Released, 280)]);
    });
}

fn a_run_may_be_killed_at_any_commit() {
    for phase in [CommitPhase::Before, CommitPhase::After] {
        for kind in [ChangeKind::Take, ChangeKind::Save] {
            let folder = tempfile::tempdir().unwrap();
            let url = sqlite(folder.path());
            let deaths = Arc::new(Deaths::default());
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let watch: Arc<dyn CommitWatch> = deaths.clone();
                let store = Store::open_watched(&url, watch).await.unwrap();
                stock(&store, 20).await;
                deaths.arm(phase, kind);
                let new = new_run(10);
                tokio::select! {
                    made = run(&store, &new) => panic!("it ended: {made:?}"),
                    () = deaths.died() => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(10));
            on(&url, &|store, _| async move {
                let made = run(&store, &new_run(10)).await.unwrap();
                assert!(made.iter().all(|order| order.order.is_some()), "{phase:?} {kind:?}: {made:?}");
                let counts = store.counts().await.unwrap();
                let counts: Vec<_> = counts.iter().map(|count| (count.state, count.profiles)).collect();
                let expected = [(StateName::Available, 10), (StateName::Released, 10)];
                assert_eq!(counts, expected, "{phase:?} {kind:?}");
            });
        }
    }
}

fn a_run_with_other_options_or_without_stock_orders_nothing() {
    on_both(|store, _| async move {
        stock(&store, 5).await;
        let refused = run(&store, &new_run(6)).await;
        assert!(matches!(refused, Err(OrderRunError::Stock { wanted: 6, available: 5, .. })), "{refused:?}");
        assert_eq!(store.order_run("run-1").await.unwrap(), None);
        run(&store, &new_run(2)).await.unwrap();
        let code_hash = Some(CodeHash::from_octets([1; 32]));
        for other in [
            new_run(3),
            NewRun { eids: vec![eid(), eid()], ..new_run(2) },
            NewRun { order: NewOrder { goal: Goal::Confirmed, ..new_order() }, ..new_run(2) },
            NewRun { order: NewOrder { code_hash, ..new_order() }, ..new_run(2) },
            NewRun { order: NewOrder { expiry: Expiry::At(now()), ..new_order() }, ..new_run(2) },
        ] {
            let refused = run(&store, &other).await;
            assert!(matches!(refused, Err(OrderRunError::OtherRun(_))), "{other:?}: {refused:?}");
        }
        for (run_id, count) in [("", 1), ("a/b", 1), (&*"x".repeat(65), 1)] {
            let refused = run(&store, &NewRun { run_id: run_id.to_owned(), ..new_run(count) }).await;
            assert!(matches!(refused, Err(OrderRunError::RunId)), "{run_id}: {refused:?}");
        }
        for (count, eids) in [(0, vec![]), (100_001, vec![]), (2, vec![eid()])] {
            let refused = run(&store, &NewRun { eids, run_id: "x".to_owned(), ..new_run(count) }).await;
            assert!(matches!(refused, Err(OrderRunError::Count)), "{count}: {refused:?}");
        }
        let empty = NewOrder { matching_id: MatchingId::parse("").ok(), ..new_order() };
        let refused = run(&store, &NewRun { order: empty, run_id: "x".to_owned(), ..new_run(1) }).await;
        assert!(matches!(refused, Err(OrderRunError::Order { place: 1, .. })), "{refused:?}");
        assert_eq!(
            store.selected_orders(&Selection::default(), None, 10).await.unwrap().len(),
            2,
            "no refusal ordered anything"
        );
        store.close().await;
        let closed = run(&store, &new_run(2)).await;
        assert!(matches!(closed, Err(OrderRunError::Store(StoreError::Closed))), "{closed:?}");
    });
}
