//! Counting the stock, finding what is in it, and what other systems were given.

use std::collections::BTreeMap;
use std::sync::Arc;

use simyard::domain::{
    Action, Actor, AuditSubject, Delivered, DownloadOrderParameters, ErrorReason, FinalStatus, NewAuditEntry,
    Person, Standing, StateName, SubClassName, System,
};
use simyard::store::{Batch, Begun, Identifier, Lease, NewDelivery, StockSelection, Totals};

use super::*;

crate::tests!(
    counts_follow_every_change,
    nobody_counts_or_finds_a_batch_that_is_not_published,
    a_profile_is_found_by_each_of_its_numbers,
    pages_go_through_a_batch_whatever_became_of_its_profiles,
    what_was_delivered_is_marked_once_and_told,
);

/// The counts as a look at every profile has them.
async fn looked_at(store: &Store) -> BTreeMap<StateName, u64> {
    let mut counts = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.orders_after(after.as_ref(), 1000).await.unwrap();
        let Some(last) = page.last() else { return counts };
        after = Some(last.iccid.clone());
        for order in page {
            *counts.entry(order.state_name()).or_default() += 1;
        }
    }
}

async fn counted(store: &Store) -> BTreeMap<StateName, u64> {
    let counts = store.counts().await.unwrap();
    counts.iter().fold(BTreeMap::new(), |mut all, count| {
        *all.entry(count.state).or_default() += count.profiles;
        all
    })
}

fn counts_follow_every_change() {
    on_both(|store, url| async move {
        stock(&store, 200).await;
        assert_eq!(counted(&store).await, BTreeMap::from([(StateName::Available, 200)]));
        // Several writers at a time, each with connections of its own.
        let other = Store::open(&url).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..60 {
            let store = if number % 2 == 0 { store.clone() } else { other.clone() };
            tasks.spawn(async move {
                let order = released(&store, number, &format!("M-{number}")).await;
                match number % 4 {
                    0 => {}
                    1 => drop(store.save(order.fail(ErrorReason::Expired, now()).unwrap()).await.unwrap()),
                    2 => drop(store.save(order.cancel(FinalStatus::Unavailable).unwrap()).await.unwrap()),
                    _ => drop(store.save(order.bind(eid(), now()).unwrap()).await.unwrap()),
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let parameters = |number: u32| DownloadOrderParameters {
            call: CallIdentity::new("1.2.3", &format!("take-{number}")),
            named_by: NamedBy::Type,
            eid: None,
        };
        for number in 0..5 {
            let window = Duration::from_secs(1);
            store
                .take_by_type(&operator(), &profile_type(), &parameters(number), now(), window, None)
                .await
                .unwrap();
        }
        let expected = looked_at(&store).await;
        assert_eq!(expected.len(), 6, "{expected:?}");
        assert_eq!(counted(&store).await, expected);
        store.add_up_counts().await.unwrap();
        assert_eq!(counted(&store).await, expected, "added up");
        let number = 70;
        released(&other, number, "LAST").await;
        assert_eq!(counted(&other).await, looked_at(&other).await, "and on from there");
        let standing: u64 = store
            .counts()
            .await
            .unwrap()
            .iter()
            .filter(|count| count.standing == Standing::Ordered)
            .map(|count| count.profiles)
            .sum();
        assert_eq!(standing, 15 + 5 + 1);
        other.close().await;
    });
}

fn totals(taken: u64) -> Totals {
    Totals { rows: taken, taken, refused: 0, digest: [1; 32], first_iccid: None, last_iccid: None }
}

fn nobody_counts_or_finds_a_batch_that_is_not_published() {
    on_both(|store, _| async move {
        let batch = Batch { sub_class: SubClassName::parse("Card Business"), ..batch("coming-in") };
        let lease = Lease { receiver: "r".to_owned(), until: now().plus(Duration::from_secs(60)) };
        assert_eq!(store.begin_batch(&batch, &lease).await.unwrap(), Begun::New);
        let profiles: Vec<NewProfile> = (0..3).map(profile).collect();
        store.add_to_batch(&batch, &lease, &Arc::new(profiles)).await.unwrap();
        assert!(store.counts().await.unwrap().is_empty());
        assert!(store.stock_item(&iccid(1)).await.unwrap().is_none());
        let imsi = Imsi::parse("901400000000001").unwrap();
        assert!(store.stock_items_of(&Identifier::Imsi(imsi.clone())).await.unwrap().is_empty());
        assert!(store.stock_batches(&StockSelection::All, "", 10).await.unwrap().is_empty());

        store.publish_batch(&batch, &lease, &totals(3), None, None).await.unwrap();
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.len(), counts[0].profiles), (1, 3), "{counts:?}");
        assert_eq!(counts[0].sub_class.as_deref(), Some("Card Business"));
        assert_eq!(store.stock_items_of(&Identifier::Imsi(imsi)).await.unwrap().len(), 1);
        released(&store, 1, "M-1").await;
        let counts = store.counts().await.unwrap();
        let found: Vec<_> =
            counts.iter().map(|count| (count.sub_class.as_deref(), count.standing, count.profiles)).collect();
        let class = Some("Card Business");
        assert_eq!(found, [(class, Standing::Available, 2), (class, Standing::Ordered, 1)]);
    });
}

fn a_profile_is_found_by_each_of_its_numbers() {
    on_both(|store, _| async move {
        let mut several = profile(7);
        several.imsis.push(NewImsi {
            imsi: Imsi::parse("724680000000007").unwrap(),
            role: "brazil".to_owned(),
            msisdn: Some("+5511".to_owned()),
        });
        store.insert_batch(&batch("first"), &[profile(6), several], [7; 32]).await.unwrap();
        let order = released(&store, 7, "M-7").await;
        store.save(order.bind(eid(), now()).unwrap()).await.unwrap();
        let numbers = [
            Identifier::Iccid(iccid(7)),
            Identifier::Imsi(Imsi::parse("901400000000007").unwrap()),
            Identifier::Imsi(Imsi::parse("724680000000007").unwrap()),
            Identifier::Msisdn("+880000000007".to_owned()),
            Identifier::Msisdn("+5511".to_owned()),
            Identifier::Eid(eid()),
            Identifier::MatchingId(MatchingId::parse("M-7").unwrap()),
        ];
        for number in numbers {
            let found = store.stock_items_of(&number).await.unwrap();
            assert_eq!(
                found.iter().map(|item| item.iccid.clone()).collect::<Vec<_>>(),
                [iccid(7)],
                "{number:?}"
            );
            assert_eq!((found[0].state, found[0].standing), (StateName::Downloaded, Standing::Downloaded));
        }
        for number in [
            Identifier::Iccid(iccid(8)),
            Identifier::Msisdn("880000000007".to_owned()),
            Identifier::MatchingId(MatchingId::parse("").unwrap()),
            Identifier::Eid(Eid::parse(OTHER_EID).unwrap()),
        ] {
            assert!(store.stock_items_of(&number).await.unwrap().is_empty(), "{number:?}");
        }
    });
}

fn pages_go_through_a_batch_whatever_became_of_its_profiles() {
    on_both(|store, _| async move {
        for (name, numbers) in [("one", 0..5), ("two", 5..7)] {
            let profiles: Vec<NewProfile> = numbers.map(profile).collect();
            store.insert_batch(&batch(name), &profiles, [7; 32]).await.unwrap();
        }
        released(&store, 1, "M-1").await;
        let batches =
            store.stock_batches(&StockSelection::ProfileType(profile_type()), "", 10).await.unwrap();
        assert_eq!(
            batches.iter().map(|batch| (batch.batch_id.as_str(), batch.profiles)).collect::<Vec<_>>(),
            [("one", 5), ("two", 2)]
        );
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.stock_contents(&batches[0], after.as_ref(), 2).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.iccid.clone());
            seen.extend(page.into_iter().map(|(item, package)| (item.iccid, package.unwrap().sealed[0])));
        }
        let expected: Vec<_> = (0..5).map(|number| (iccid(number), number as u8)).collect();
        assert_eq!(seen, expected);
        for (selection, expected) in [
            (StockSelection::Batch("two".to_owned()), vec!["two"]),
            (StockSelection::Batch("three".to_owned()), vec![]),
            (StockSelection::ProfileType(ProfileType::parse("P2").unwrap()), vec![]),
        ] {
            let found = store.stock_batches(&selection, "", 10).await.unwrap();
            assert_eq!(found.iter().map(|batch| batch.batch_id.as_str()).collect::<Vec<_>>(), expected);
        }
        assert_eq!(store.stock_batches(&StockSelection::All, "one", 10).await.unwrap().len(), 1);
    });
}

fn entry() -> NewAuditEntry {
    let (actor, subject) = (Actor::Server, AuditSubject::new("delivery", "D"));
    NewAuditEntry::new(now(), actor, Action::STOCK_EXPORT, subject)
}

fn what_was_delivered_is_marked_once_and_told() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let delivery = |delivery_id: &str, system| NewDelivery {
            delivery_id: delivery_id.to_owned(),
            system,
            layout: "auc".to_owned(),
            file: "auc.csv".to_owned(),
            digest: [3; 32],
            key_name: Some("K1".to_owned()),
            subscriptions: 2,
            lines: 2,
            person: Person::parse("ada").unwrap(),
            at: now(),
        };
        let first = delivery("D1", System::Auc);
        store.begin_delivery(&first, entry()).await.unwrap();
        for _ in 0..2 {
            store.mark_delivered(&first, &[iccid(0), iccid(1)]).await.unwrap();
        }
        let second = NewDelivery {
            key_name: None,
            at: now().plus(Duration::from_secs(1)),
            ..delivery("D2", System::Crm)
        };
        store.begin_delivery(&second, entry()).await.unwrap();
        store.mark_delivered(&second, &[iccid(1)]).await.unwrap();
        let of = |systems: &[System]| systems.iter().copied().collect::<Delivered>();
        assert_eq!(store.delivered(&iccid(0)).await.unwrap(), of(&[System::Auc]));
        assert_eq!(store.delivered(&iccid(1)).await.unwrap(), of(&[System::Auc, System::Crm]));
        assert_eq!(store.delivered(&iccid(2)).await.unwrap(), of(&[]));
        assert_eq!(store.delivered(&iccid(9)).await.unwrap(), of(&[]));
        let told = store.deliveries(&iccid(1)).await.unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|told| (told.delivery_id.as_str(), told.system, told.key_name.as_deref()))
            .collect();
        assert_eq!(told, [("D2", System::Crm, None), ("D1", System::Auc, Some("K1"))]);
        // An order goes on: marking is no change of it.
        let order = released(&store, 2, "M-2").await;
        store.mark_delivered(&first, &[iccid(2)]).await.unwrap();
        store.save(order.bind(eid(), now()).unwrap()).await.unwrap();
        assert!(store.delivered(&iccid(2)).await.unwrap().has(System::Auc));
    });
}
