//! Notifications that the eIM brings to their receivers, and packages that it handed over: kept once, taken in order, held
//! for a lease, settled by who holds them, forgotten in the end.

use std::time::Duration;

use simyard::domain::ProfileEvent;
use simyard::env::Timestamp;
use simyard::ident::{Eid, ServerAddress, TransactionId};
use simyard::store::{
    Bringing, FORWARDED_OF_EUICC_MAX, Forwarded, ForwardedCount, ForwardedSelection, Forwarding,
    NewForwarded, RelayedDownload, Store, StoreError,
};
use simyard_asn1::Oid;

use super::{EID, OTHER_EID, iccid, now, on_both};

crate::tests!(
    a_notification_is_kept_once,
    a_receiver_gets_one_after_the_other_of_an_euicc,
    a_notification_is_held_for_a_lease_and_settled_by_who_holds_it,
    those_behind_wait_with_the_first_and_one_given_up_holds_up_nobody,
    an_euicc_has_so_many_and_no_more,
    notifications_are_selected_retried_dropped_counted_and_forgotten,
    what_belongs_to_a_relayed_package_is_found_and_forgotten,
);

const LEASE: Duration = Duration::from_secs(60);

fn address(text: &str) -> ServerAddress {
    ServerAddress::parse(text).unwrap()
}

fn new(eid: &str, seq_number: u32, receiver: &str) -> NewForwarded {
    NewForwarded {
        eid: Eid::parse(eid).unwrap(),
        seq_number,
        address: address(receiver),
        event: ProfileEvent::Enable,
        iccid: Some(iccid(1)),
        signed: seq_number.to_be_bytes().to_vec(),
        raw: vec![0x30, 0x01, seq_number.to_be_bytes()[3]],
        at: now(),
        due_at: now(),
    }
}

async fn keep(store: &Store, new: NewForwarded) -> Forwarding {
    store.forward_notification(new).await.unwrap()
}

async fn all(store: &Store) -> Vec<Forwarded> {
    store.forwarded_notifications(&ForwardedSelection::default(), 0, 1000, true).await.unwrap()
}

async fn take(store: &Store, receiver: &str, at: Timestamp) -> Vec<Forwarded> {
    store.take_due_forwarded(&address(receiver), at, at.plus(LEASE), 10).await.unwrap()
}

fn numbers(forwarded: &[Forwarded]) -> Vec<(&str, u32)> {
    forwarded.iter().map(|one| (one.eid.as_str(), one.seq_number)).collect()
}

fn again(due_at: Timestamp) -> Bringing {
    Bringing::Again { due_at, answer: "HTTP 500".to_owned() }
}

fn a_notification_is_kept_once() {
    on_both(|store, _| async move {
        let written = store.forwarded_written();
        let first = new(EID, 7, "SMDP.example.com:443");
        assert_eq!(keep(&store, first.clone()).await, Forwarding::New);
        assert!(written.has_changed().unwrap());
        // The signature, the spelling of the address and the time are nothing new.
        let later = now().plus(LEASE);
        let repeated =
            NewForwarded { raw: vec![1], at: later, address: address("smdp.EXAMPLE.com"), ..first.clone() };
        assert_eq!(keep(&store, repeated.clone()).await, Forwarding::Repeated);
        assert_eq!(keep(&store, repeated).await, Forwarding::Repeated);
        let [kept] = all(&store).await.try_into().unwrap();
        assert_eq!((kept.seq_number, kept.address.as_str()), (7, "smdp.example.com"));
        assert_eq!((&kept.raw, &kept.iccid, kept.event), (&first.raw, &first.iccid, first.event));
        assert_eq!((kept.received_at, kept.due_at, kept.repetitions), (now(), now(), 2));
        assert_eq!((kept.attempts, kept.given_up_at, kept.forwarded_at), (0, None, None));

        // Another receiver, another eUICC, other words under the same number: each is another one.
        for other in [
            new(EID, 7, "smdp.example.com:8443"),
            new(OTHER_EID, 7, "smdp.example.com"),
            NewForwarded { signed: vec![9], ..first.clone() },
        ] {
            assert_eq!(keep(&store, other).await, Forwarding::New);
        }
        // Brought, it is still known.
        let mut taken = take(&store, "smdp.example.com", now()).await;
        let brought = taken.pop().unwrap();
        store.settle_forwarded(&[(brought.clone(), Bringing::Brought)], later).await.unwrap();
        let kept = all(&store).await.into_iter().find(|one| one.number == brought.number).unwrap();
        assert_eq!((kept.raw.len(), kept.forwarded_at), (0, Some(later)), "its octets are gone");
    });
}

fn a_receiver_gets_one_after_the_other_of_an_euicc() {
    on_both(|store, _| async move {
        for (eid, seq_number, receiver) in
            [(EID, 3, "a.example"), (EID, 2, "a.example"), (EID, 1, "b.example"), (OTHER_EID, 9, "a.example")]
        {
            keep(&store, new(eid, seq_number, receiver)).await;
        }
        let receivers = store.forwarded_receivers().await.unwrap();
        let receivers: Vec<_> = receivers.iter().map(|(address, due)| (address.as_str(), *due)).collect();
        assert_eq!(receivers, [("a.example", now()), ("b.example", now())]);
        let early = Timestamp::from_millis(now().as_millis() - 1);
        assert!(take(&store, "a.example", early).await.is_empty());
        let taken = take(&store, "a.example", now()).await;
        assert_eq!(numbers(&taken), [(EID, 2), (OTHER_EID, 9)], "the lower number first, whenever it came");
        assert_eq!(numbers(&take(&store, "b.example", now()).await), [(EID, 1)]);
        assert!(take(&store, "a.example", now()).await.is_empty(), "all are held, or wait");
        let brought: Vec<_> = taken.into_iter().map(|one| (one, Bringing::Brought)).collect();
        store.settle_forwarded(&brought, now()).await.unwrap();
        assert_eq!(numbers(&take(&store, "a.example", now()).await), [(EID, 3)]);
    });
}

fn a_notification_is_held_for_a_lease_and_settled_by_who_holds_it() {
    on_both(|store, _| async move {
        keep(&store, new(EID, 1, "a.example")).await;
        let [first] = take(&store, "a.example", now()).await.try_into().unwrap();
        assert_eq!((first.attempts, first.leased_until), (1, Some(now().plus(LEASE))));
        let late = now().plus(LEASE);
        let [second] = take(&store, "a.example", late).await.try_into().unwrap();
        assert_eq!(second.attempts, 2);
        // Who lost it says nothing any more.
        store.settle_forwarded(&[(first.clone(), again(late))], late).await.unwrap();
        store.settle_forwarded(&[(first, Bringing::Brought)], late).await.unwrap();
        let [kept] = all(&store).await.try_into().unwrap();
        assert_eq!(
            (kept.leased_until, kept.last_answer, kept.forwarded_at),
            (second.leased_until, None, None)
        );
        let due_at = late.plus(LEASE);
        store.settle_forwarded(&[(second.clone(), again(due_at))], late).await.unwrap();
        let [kept] = all(&store).await.try_into().unwrap();
        assert_eq!((kept.leased_until, kept.due_at), (None, due_at));
        assert_eq!(kept.last_answer.as_deref(), Some("HTTP 500"));
        assert!(take(&store, "a.example", late).await.is_empty());
        let [third] = take(&store, "a.example", due_at).await.try_into().unwrap();
        store.settle_forwarded(&[(third, Bringing::Brought)], due_at).await.unwrap();
        // What was brought stays so, whoever says what.
        store.settle_forwarded(&[(second, again(due_at))], due_at).await.unwrap();
        assert!(all(&store).await.iter().all(|one| one.forwarded_at == Some(due_at)));
        assert_eq!(store.forwarded_receivers().await.unwrap(), []);
    });
}

fn those_behind_wait_with_the_first_and_one_given_up_holds_up_nobody() {
    on_both(|store, _| async move {
        for seq_number in [1, 2] {
            keep(&store, new(EID, seq_number, "a.example")).await;
        }
        let [first] = take(&store, "a.example", now()).await.try_into().unwrap();
        let due_at = now().plus(LEASE);
        store.settle_forwarded(&[(first, again(due_at))], now()).await.unwrap();
        keep(&store, new(EID, 3, "a.example")).await;
        let dues: Vec<_> = all(&store).await.iter().map(|one| one.due_at).collect();
        assert_eq!(dues, [due_at; 3], "so that nobody looks at those that must wait");
        let [first] = take(&store, "a.example", due_at).await.try_into().unwrap();
        let given_up = Bringing::GivenUp { answer: "HTTP 404".to_owned() };
        store.settle_forwarded(&[(first, given_up)], due_at).await.unwrap();
        let [second] = take(&store, "a.example", due_at).await.try_into().unwrap();
        assert_eq!(second.seq_number, 2);
        assert_eq!(all(&store).await[0].given_up_at, Some(due_at));
    });
}

fn an_euicc_has_so_many_and_no_more() {
    on_both(|store, _| async move {
        let most = u32::try_from(FORWARDED_OF_EUICC_MAX).unwrap();
        for seq_number in 0..most {
            assert_eq!(keep(&store, new(EID, seq_number, "a.example")).await, Forwarding::New);
        }
        assert_eq!(keep(&store, new(EID, most, "b.example")).await, Forwarding::Full);
        assert_eq!(keep(&store, new(EID, 0, "a.example")).await, Forwarding::Repeated, "that one is there");
        assert_eq!(keep(&store, new(OTHER_EID, 0, "a.example")).await, Forwarding::New);
        let [first, _] = take(&store, "a.example", now()).await.try_into().unwrap();
        store.settle_forwarded(&[(first, Bringing::Brought)], now()).await.unwrap();
        assert_eq!(keep(&store, new(EID, most, "b.example")).await, Forwarding::New);
    });
}

fn notifications_are_selected_retried_dropped_counted_and_forgotten() {
    on_both(|store, _| async move {
        for (eid, receiver) in [(EID, "a.example"), (OTHER_EID, "a.example"), (EID, "b.example")] {
            keep(&store, new(eid, 1, receiver)).await;
        }
        let later = now().plus(LEASE);
        let given_up = Bringing::GivenUp { answer: "no".to_owned() };
        let [one, other] = take(&store, "a.example", now()).await.try_into().unwrap();
        let settled = [(one, given_up), (other, Bringing::Brought)];
        store.settle_forwarded(&settled, later).await.unwrap();

        let of = |eid: Option<&str>, receiver: Option<&str>| ForwardedSelection {
            eid: eid.map(|eid| Eid::parse(eid).unwrap()),
            address: receiver.map(address),
        };
        for (selection, brought, expected) in [
            (of(None, None), false, 2),
            (of(None, None), true, 3),
            (of(Some(EID), None), true, 2),
            (of(Some(EID), Some("B.example:443")), true, 1),
            (of(Some(OTHER_EID), None), false, 0),
        ] {
            let found = store.forwarded_notifications(&selection, 0, 1000, brought).await.unwrap();
            assert_eq!(found.len(), expected, "{selection:?}");
        }
        let page = store.forwarded_notifications(&of(None, None), 0, 1, false).await.unwrap();
        let rest = store.forwarded_notifications(&of(None, None), page[0].number, 9, false).await.unwrap();
        assert_eq!((page.len(), rest.len()), (1, 1));
        let count = |address: &str, given_up| ForwardedCount {
            address: address.to_owned(),
            given_up,
            notifications: 1,
            oldest: now(),
        };
        let counts = store.forwarded_counts().await.unwrap();
        assert_eq!(counts, [count("a.example", true), count("b.example", false)]);

        assert_eq!(store.retry_forwarded(&of(Some(EID), Some("a.example")), later).await.unwrap(), 1);
        assert_eq!(numbers(&take(&store, "a.example", later).await), [(EID, 1)]);
        assert_eq!(
            store.drop_forwarded(&of(None, Some("a.example"))).await.unwrap(),
            1,
            "not what was brought"
        );
        assert_eq!(store.forget_forwarded(later).await.unwrap(), 0);
        let after = later.plus(Duration::from_millis(1));
        assert_eq!(store.forget_forwarded(after).await.unwrap(), 1);
        assert_eq!(numbers(&all(&store).await), [(EID, 1)], "what waits is never forgotten");
    });
}

fn what_belongs_to_a_relayed_package_is_found_and_forgotten() {
    on_both(|store, _| async move {
        let id = |text| TransactionId::parse(text).unwrap();
        let relayed = RelayedDownload {
            transaction_id: id("0A0B"),
            eid: Eid::parse(EID).unwrap(),
            eim_transaction_id: id("01"),
            address: address("Smdp.example.com:8443"),
            smdp_oid: Oid::parse("2.999.10").unwrap(),
            iccid: iccid(1),
            euicc_public_key: Some(vec![4; 65]),
            relayed_at: now(),
        };
        store.keep_relayed_download(&relayed).await.unwrap();
        assert_eq!(store.relayed_download(&id("0a0b")).await.unwrap(), Some(relayed.clone()));
        assert_eq!(store.relayed_download(&id("0A")).await.unwrap(), None);
        // Handed over again, it is known for longer.
        let later = now().plus(LEASE);
        let again = RelayedDownload { relayed_at: later, ..relayed.clone() };
        store.keep_relayed_download(&again).await.unwrap();
        assert_eq!(store.relayed_download(&id("0A0B")).await.unwrap(), Some(again.clone()));
        // Nobody takes the transaction of another.
        for stranger in [
            RelayedDownload { eid: Eid::parse(OTHER_EID).unwrap(), ..relayed.clone() },
            RelayedDownload { address: address("other.example.com"), ..relayed.clone() },
        ] {
            let taken = store.keep_relayed_download(&stranger).await;
            assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
        }
        let without_key =
            RelayedDownload { transaction_id: id("0C"), euicc_public_key: None, ..relayed.clone() };
        store.keep_relayed_download(&without_key).await.unwrap();
        assert_eq!(store.relayed_download(&id("0C")).await.unwrap(), Some(without_key));
        assert_eq!(store.forget_relayed_downloads(later).await.unwrap(), 1);
        assert_eq!(store.relayed_download(&id("0A0B")).await.unwrap(), Some(again));
    });
}
