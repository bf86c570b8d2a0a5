//! Callbacks in the store: taken in order, held for a lease, settled by who holds them; and what was refused, bounded.

use std::time::Duration;

use simyard::domain::{NotificationPoint, Operator, ProfileEvent};
use simyard::env::Timestamp;
use simyard::ident::Peer;
use simyard::store::{
    Attempt, Callback, CallbackCount, CallbackFailure, CallbackSelection, NewCallback, NewNotification,
    Recorded, ResultChange, Store, StoreError,
};

use super::{binding, eid, iccid, notification, now, on_both, operator, read, released, stock};

crate::tests!(
    a_callback_is_written_with_its_change_or_not_at_all,
    callbacks_of_a_profile_are_taken_one_after_the_other,
    a_callback_is_held_for_a_lease_and_settled_by_who_holds_it,
    callbacks_are_selected_retried_dropped_and_counted,
    notifications_of_a_profile_are_bounded,
    refused_notifications_are_counted_and_bounded,
);

const LEASE: Duration = Duration::from_secs(60);

fn told(call_identifier: &str) -> NewCallback {
    NewCallback {
        eid: Some(eid()),
        point: NotificationPoint::EligibilityAndRetryLimitCheck,
        outcome: Err(CallbackFailure {
            subject_code: "8.2.5".to_owned(),
            reason_code: "4.3".to_owned(),
            message: "it does not fit".to_owned(),
        }),
        result_data: Some(vec![0xBF, 0x27, 0]),
        call_identifier: call_identifier.to_owned(),
        at: now(),
    }
}

async fn all(store: &Store) -> Vec<Callback> {
    store.callbacks(&CallbackSelection::default(), 0, 1000).await.unwrap()
}

async fn calls(store: &Store) -> Vec<String> {
    all(store).await.into_iter().map(|callback| callback.told.call_identifier).collect()
}

async fn take(store: &Store, at: Timestamp, most: usize) -> Vec<Callback> {
    store.take_due_callbacks(&operator(), at, at.plus(LEASE), most).await.unwrap()
}

fn names(callbacks: &[Callback]) -> Vec<&str> {
    callbacks.iter().map(|callback| callback.told.call_identifier.as_str()).collect()
}

fn a_callback_is_written_with_its_change_or_not_at_all() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let order = released(&store, 0, "A").await;
        let mut written = store.callbacks_written();
        store.count_download_attempt(&order, 1, Some(told("counted"))).await.unwrap();
        assert!(written.has_changed().unwrap());
        written.mark_unchanged();
        let callback = all(&store).await.remove(0);
        assert_eq!(callback.told, told("counted"), "as it was written");
        assert_eq!((callback.operator, callback.profile_type.as_str()), (operator(), "P1"));
        assert_eq!((callback.attempts, callback.due_at, callback.given_up_at), (0, now(), None));

        // What is refused tells nothing.
        let over = store.count_download_attempt(&order, 1, Some(told("over"))).await;
        assert!(matches!(over, Err(StoreError::Conflict)));
        let stale = simyard::domain::Order { version: order.version - 1, ..order.clone() };
        let stale_count = store.count_confirmation_attempt(&stale, 9, Some(told("stale"))).await;
        assert!(matches!(stale_count, Err(StoreError::Conflict)));
        let stale_save = store.save_and_tell(stale.clone(), Some(told("stale"))).await;
        assert!(matches!(stale_save, Err(StoreError::Conflict)));
        let bound = |call| simyard::store::NewBinding { callback: Some(told(call)), ..binding(1) };
        assert!(matches!(store.bind(&stale, &bound("stale")).await, Err(StoreError::Conflict)));
        assert_eq!(calls(&store).await, ["counted"]);

        store.count_confirmation_attempt(&order, 9, Some(told("code"))).await.unwrap();
        store.bind(&order, &bound("bound")).await.unwrap();
        let order = read(&store, 0).await;
        let kept =
            NewNotification { callback: Some(told("result")), ..notification(1, ProfileEvent::Install) };
        let installed = order.clone().install(now()).unwrap();
        let change = ResultChange::Order(Box::new(installed));
        assert_eq!(store.record_notification(&kept, change.clone()).await.unwrap(), Recorded::New);
        assert!(matches!(store.record_notification(&kept, change).await, Err(StoreError::Conflict)));
        for _ in 0..2 {
            store.record_notification(&kept, ResultChange::None).await.unwrap();
        }
        let other = released(&store, 1, "B").await;
        let failed = other.fail(simyard::domain::ErrorReason::Expired, now()).unwrap();
        store.save_and_tell(failed, Some(told("failed"))).await.unwrap();
        assert_eq!(calls(&store).await, ["counted", "code", "bound", "result", "failed"]);

        // And without one, nothing is written.
        let writes = *written.borrow_and_update();
        let quiet = NewNotification { callback: None, ..notification(2, ProfileEvent::Enable) };
        store.record_notification(&quiet, ResultChange::None).await.unwrap();
        assert_eq!((all(&store).await.len(), *written.borrow()), (5, writes));
    });
}

/// Callbacks of two profiles: 1, 2, 3 of the one and 4 of the other.
async fn four(store: &Store) {
    stock(store, 2).await;
    let (one, other) = (released(store, 0, "A").await, released(store, 1, "B").await);
    for call in ["1", "2", "3"] {
        store.count_download_attempt(&one, 9, Some(told(call))).await.unwrap();
    }
    store.count_download_attempt(&other, 9, Some(told("4"))).await.unwrap();
}

fn callbacks_of_a_profile_are_taken_one_after_the_other() {
    on_both(|store, _| async move {
        four(&store).await;
        let early = Timestamp::from_millis(now().as_millis() - 1);
        assert_eq!(take(&store, early, 9).await, []);
        assert_eq!(store.next_callback_due(&operator()).await.unwrap(), Some(now()));
        let other = Operator::parse("other").unwrap();
        assert_eq!(store.take_due_callbacks(&other, now(), now(), 9).await.unwrap(), []);
        assert_eq!(store.next_callback_due(&other).await.unwrap(), None);

        let first = take(&store, now(), 9).await;
        assert_eq!(names(&first), ["1", "4"]);
        assert!(first.iter().all(|callback| callback.attempts == 1));
        assert_eq!(take(&store, now(), 9).await, [], "held");
        let settle = async |callback: &Callback, attempt: Attempt| {
            store.settle_callbacks(&[(callback.clone(), attempt)], now()).await.unwrap();
        };
        // Delivered: the next one of the profile is due at once. Failed: all that is behind waits as long.
        settle(&first[0], Attempt::Delivered).await;
        let second = take(&store, now(), 9).await;
        assert_eq!(names(&second), ["2"]);
        let later = now().plus(Duration::from_secs(5));
        settle(&second[0], Attempt::Again { due_at: later, answer: "HTTP 500".to_owned() }).await;
        settle(&first[1], Attempt::GivenUp { answer: "too old".to_owned() }).await;
        assert_eq!(take(&store, now(), 9).await, []);
        assert_eq!(store.next_callback_due(&operator()).await.unwrap(), Some(later));
        let order = read(&store, 0).await;
        store.count_download_attempt(&order, 9, Some(told("5"))).await.unwrap();
        assert_eq!(store.next_callback_due(&operator()).await.unwrap(), Some(later), "behind the others");
        let second = take(&store, later, 9).await;
        assert_eq!((names(&second), second[0].attempts), (vec!["2"], 2));
        assert_eq!(second[0].last_answer.as_deref(), Some("HTTP 500"));
        settle(&second[0], Attempt::Delivered).await;
        for call in ["3", "5"] {
            let next = take(&store, now(), 1).await;
            assert_eq!(names(&next), [call]);
            settle(&next[0], Attempt::Delivered).await;
        }
        let rest = all(&store).await;
        assert_eq!(names(&rest), ["4"]);
        assert_eq!((rest[0].given_up_at, rest[0].last_answer.as_deref()), (Some(now()), Some("too old")));
    });
}

fn a_callback_is_held_for_a_lease_and_settled_by_who_holds_it() {
    on_both(|store, _| async move {
        four(&store).await;
        let dead = take(&store, now(), 1).await.remove(0);
        let end = now().plus(LEASE);
        assert_eq!(dead.leased_until, Some(end));
        let before = Timestamp::from_millis(end.as_millis() - 1);
        assert_eq!(names(&take(&store, before, 9).await), ["4"]);
        let again = take(&store, end, 1).await.remove(0);
        assert_eq!((again.callback_id, again.attempts), (dead.callback_id, 2));
        // Who was taken for dead comes back: what it says counts no more, whatever it is.
        for attempt in [
            Attempt::Delivered,
            Attempt::GivenUp { answer: String::new() },
            Attempt::Again { due_at: now(), answer: String::new() },
        ] {
            store.settle_callbacks(&[(dead.clone(), attempt)], now()).await.unwrap();
            assert_eq!(all(&store).await[0], again);
        }
        store.settle_callbacks(&[(again.clone(), Attempt::Delivered)], end).await.unwrap();
        assert_eq!(calls(&store).await, ["2", "3", "4"]);
        // Nothing to settle, and one that is gone.
        store.settle_callbacks(&[], end).await.unwrap();
        store.settle_callbacks(&[(again, Attempt::Delivered)], end).await.unwrap();
        assert_eq!(calls(&store).await, ["2", "3", "4"]);
    });
}

fn callbacks_are_selected_retried_dropped_and_counted() {
    on_both(|store, _| async move {
        assert_eq!(store.callback_counts().await.unwrap(), []);
        four(&store).await;
        let of = |number| CallbackSelection { iccid: Some(iccid(number)), operator: None };
        let nobodys = CallbackSelection { operator: Operator::parse("other"), iccid: None };
        let own = CallbackSelection { operator: Some(operator()), iccid: Some(iccid(1)) };
        for (selection, expected) in
            [(of(0), 3), (of(1), 1), (nobodys.clone(), 0), (own, 1), (CallbackSelection::default(), 4)]
        {
            assert_eq!(store.callbacks(&selection, 0, 1000).await.unwrap().len(), expected);
        }
        let page = store.callbacks(&CallbackSelection::default(), 0, 2).await.unwrap();
        let rest = store.callbacks(&CallbackSelection::default(), page[1].callback_id, 9).await.unwrap();
        assert_eq!((names(&page), names(&rest)), (vec!["1", "2"], vec!["3", "4"]));

        let four = store.take_due_callbacks(&operator(), now(), now(), 9).await.unwrap().remove(1);
        let gone = Attempt::GivenUp { answer: "x".to_owned() };
        store.settle_callbacks(&[(four, gone)], now()).await.unwrap();
        let count = |given_up, callbacks| CallbackCount {
            operator: "operator".to_owned(),
            given_up,
            callbacks,
            oldest: now(),
        };
        assert_eq!(store.callback_counts().await.unwrap(), [count(false, 3), count(true, 1)]);
        let later = now().plus(Duration::from_secs(9));
        assert_eq!(store.retry_callbacks(&nobodys, later).await.unwrap(), 0);
        assert_eq!(store.retry_callbacks(&of(1), later).await.unwrap(), 1);
        assert_eq!(store.callback_counts().await.unwrap(), [count(false, 4)]);
        assert_eq!(store.drop_callbacks(&nobodys).await.unwrap(), 0);
        assert_eq!(store.drop_callbacks(&of(0)).await.unwrap(), 3);
        assert_eq!(calls(&store).await, ["4"]);
        assert_eq!(all(&store).await[0].due_at, later);
        assert_eq!(store.drop_callbacks(&CallbackSelection::default()).await.unwrap(), 1);
    });
}

fn notifications_of_a_profile_are_bounded() {
    on_both(|store, _| async move {
        stock(&store, 1).await;
        let order = released(&store, 0, "A").await;
        store.bind(&order, &binding(1)).await.unwrap();
        let sent = (1..=503).map(|seq_number| {
            let store = store.clone();
            let at = now().plus(Duration::from_millis(seq_number / 7));
            let number = i64::try_from(seq_number).unwrap();
            let kept = NewNotification { at, ..notification(number, ProfileEvent::Enable) };
            tokio::spawn(async move {
                assert_eq!(
                    store.record_notification(&kept, ResultChange::None).await.unwrap(),
                    Recorded::New
                );
            })
        });
        for task in sent.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let kept = store.notifications(&iccid(0)).await.unwrap();
        let numbers: Vec<i64> = kept.iter().map(|notification| notification.seq_number).collect();
        assert_eq!(numbers, (4..=503).collect::<Vec<_>>(), "the oldest go");
    });
}

fn refused_notifications_are_counted_and_bounded() {
    on_both(|store, _| async move {
        let peer = |number: u8| Peer::from(std::net::IpAddr::from([192, 0, 2, number]));
        let later = now().plus(Duration::from_secs(1));
        let long = vec![7; 5000];
        store.keep_refused_notification(peer(1), &long, &"ä".repeat(600), now()).await.unwrap();
        for _ in 0..2 {
            store.keep_refused_notification(peer(2), &long, "again", later).await.unwrap();
        }
        let refused = store.refused_notifications(0, 9).await.unwrap();
        assert_eq!(refused.len(), 1, "the same octets are the same notification");
        let refused = &refused[0];
        assert_eq!((refused.peer.as_str(), refused.octets, refused.raw.len()), ("192.0.2.1", 5000, 2048));
        assert_eq!(refused.reason.chars().count(), 512);
        assert_eq!((refused.received_at, refused.repeated_at), (now(), Some(later)));
        assert_eq!(refused.repetitions, 2);

        let octets = |number: u32| number.to_be_bytes();
        let flood = (0..300).map(|number| {
            let store = store.clone();
            let peer = peer(u8::try_from(3 + number % 2).unwrap());
            tokio::spawn(async move {
                store.keep_refused_notification(peer, &octets(number), "flood", now()).await.unwrap();
            })
        });
        for task in flood.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let kept = store.refused_notifications(0, 1000).await.unwrap();
        let of = |peer: &str| kept.iter().filter(|refused| refused.peer == peer).count();
        assert_eq!([of("192.0.2.1"), of("192.0.2.3"), of("192.0.2.4")], [1, 100, 100]);
        let page = store.refused_notifications(kept[9].number, 5).await.unwrap();
        assert_eq!(page, kept[10..15], "the newest first");
    });
}
