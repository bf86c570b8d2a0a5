//! Batches in the store: they come in piece by piece, are seen whole, and leave nothing behind where they were given up.

use std::sync::Arc;
use std::time::Duration;

use simyard::domain::{CallIdentity, DeliveryId, DownloadOrderParameters, NamedBy, Person, State};
use simyard::env::{Clock, Rng};
use simyard::inventory::allocation::Allocator;
use simyard::store::{
    Batch, BatchState, Begun, Constraint, Held, HeldNumber, Holder, Lease, NewProfile, PackageKind,
    StoreError, Totals,
};

use super::{batch, iccid, now, on_both, operator, profile, profile_type, stock};

crate::tests!(
    nobody_sees_a_batch_before_it_is_published,
    a_batch_whose_receiver_died_is_removed_whole,
    a_chunk_goes_in_whole_or_not_at_all,
    a_telephone_number_is_of_one_profile_at_a_time,
    older_stock_goes_first_and_what_is_not_published_is_passed_over,
);

fn lease_of(receiver: &str, until_s: u64) -> Lease {
    Lease { receiver: receiver.to_owned(), until: now().plus(Duration::from_secs(until_s)) }
}

fn nobody_sees_a_batch_before_it_is_published() {
    on_both(|store, _| async move {
        let (batch, lease) = (super::batch("01"), lease_of("r", 60));
        assert_eq!(store.begin_batch(&batch, &lease).await.unwrap(), Begun::New);
        let profiles: Vec<NewProfile> = (0..700).map(profile).collect();
        store.add_to_batch(&batch, &lease, &some(&profiles[..500])).await.unwrap();
        store.add_to_batch(&batch, &lease, &some(&profiles[500..])).await.unwrap();
        assert!(store.order(&iccid(0)).await.unwrap().is_none());
        assert!(store.counts().await.unwrap().is_empty());
        assert!(store.next_available(&operator(), &profile_type()).await.unwrap().is_none());
        assert!(store.owners_of_type(&profile_type()).await.unwrap().is_empty());
        assert!(store.batches("", None, 10).await.unwrap().is_empty());
        assert_eq!(store.latest_batch_at().await.unwrap(), None);

        // Its numbers are taken all the same.
        let twice = NewProfile { iccid: iccid(999), ..profile(17) };
        let refused = store.insert_batch(&super::batch("02"), std::slice::from_ref(&twice), [0; 32]).await;
        assert!(matches!(refused, Err(StoreError::InUse(Constraint::Imsi))), "{refused:?}");
        let other = super::batch("03");
        let other_lease = lease_of("s", 60);
        store.begin_batch(&other, &other_lease).await.unwrap();
        let held = store.held_numbers(&other, &other_lease, &some(&[profile(999), twice])).await.unwrap();
        let by = Holder::Unpublished("01".to_owned());
        assert_eq!(held, [Held { place: 1, number: HeldNumber::Imsi(0), by }]);

        let totals = totals_of(700);
        store.publish_batch(&batch, &lease, &totals, Some(b"[]"), None).await.unwrap();
        assert_eq!(store.order(&iccid(699)).await.unwrap().unwrap().state, State::Available);
        let next = store.next_available(&operator(), &profile_type()).await.unwrap().unwrap();
        assert_eq!(next.iccid, iccid(0));
        let held = store.held_numbers(&other, &other_lease, &some(&[profile(5)])).await.unwrap();
        let of = |number| Held { place: 0, number, by: Holder::Stock };
        assert_eq!(held, [of(HeldNumber::Iccid), of(HeldNumber::Imsi(0))]);
        let listed = store.batches("", None, 10).await.unwrap();
        assert_eq!((listed.len(), &listed[0].state), (1, &BatchState::Published(totals)));
        assert_eq!(store.refusals("01").await.unwrap().unwrap(), b"[]");
        let again = store.publish_batch(&batch, &lease, &totals_of(1), None, None).await;
        assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    });
}

fn some(profiles: &[NewProfile]) -> Arc<Vec<NewProfile>> {
    Arc::new(profiles.to_vec())
}

fn totals_of(taken: u64) -> Totals {
    Totals { rows: taken, taken, refused: 0, digest: [7; 32], first_iccid: Some(iccid(0)), last_iccid: None }
}

fn a_batch_whose_receiver_died_is_removed_whole() {
    on_both(|store, _| async move {
        let (batch, lease) = (super::batch("01"), lease_of("r", 60));
        store.begin_batch(&batch, &lease).await.unwrap();
        let profiles: Vec<NewProfile> = (0..1100).map(profile).collect();
        for chunk in profiles.chunks(500) {
            store.add_to_batch(&batch, &lease, &some(chunk)).await.unwrap();
        }
        assert!(store.given_up_batches(now()).await.unwrap().is_empty(), "its lease has not run out");
        store.remove_batch("01", "another", now()).await.unwrap();
        store.add_to_batch(&batch, &lease, &some(&[profile(2000)])).await.unwrap();
        let later = now().plus(Duration::from_secs(61));
        assert_eq!(store.given_up_batches(later).await.unwrap(), ["01"]);
        store.remove_batch("01", "another", later).await.unwrap();
        assert!(store.given_up_batches(later).await.unwrap().is_empty());
        let late = store.add_to_batch(&batch, &lease, &some(&[profile(3000)])).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
        let late = store.publish_batch(&batch, &lease, &totals_of(1), None, None).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
        // Nothing of it is left: every number can come in again.
        store.insert_batch(&super::batch("02"), &profiles, [0; 32]).await.unwrap();
        store.insert_batch(&super::batch("03"), &[profile(2000), profile(3000)], [0; 32]).await.unwrap();
        assert_eq!(store.counts().await.unwrap()[0].profiles, 1102);
        store.remove_batch("02", "02", later).await.unwrap();
        assert_eq!(store.counts().await.unwrap()[0].profiles, 1102, "what is published stays");
    });
}

fn a_telephone_number_is_of_one_profile_at_a_time() {
    on_both(|store, _| async move {
        let with = |number: u32, msisdns: &[&str]| {
            let mut profile = profile(number);
            profile.imsis.extend(profile_of_further(number).imsis);
            for (one, msisdn) in profile.imsis.iter_mut().zip(msisdns.iter().map(Some).chain([None, None])) {
                one.msisdn = msisdn.map(|msisdn| (*msisdn).to_owned());
            }
            profile
        };
        let refused = async |name: &str, profile: NewProfile| {
            let refused = store.insert_batch(&super::batch(name), &[profile], [0; 32]).await;
            assert!(matches!(refused, Err(StoreError::InUse(Constraint::Msisdn))), "{name}: {refused:?}");
        };
        // Two subscriptions of one profile may share a number.
        let first = [with(1, &["+4917", "4917"]), with(2, &["+4918", "+4919"]), with(3, &[]), with(4, &[])];
        store.insert_batch(&super::batch("01"), &first, [0; 32]).await.unwrap();
        refused("02", with(5, &["4917"])).await;
        refused("03", with(5, &["+4920", "4919"])).await;
        let (other, lease) = (super::batch("04"), lease_of("s", 60));
        store.begin_batch(&other, &lease).await.unwrap();
        let looked = some(&[with(5, &["4917"]), with(6, &["+4920", "+4919"]), with(7, &["4920"])]);
        let held = store.held_numbers(&other, &lease, &looked).await.unwrap();
        let of = |place, number| Held { place, number, by: Holder::Stock };
        assert_eq!(held, [of(0, HeldNumber::Msisdn(0)), of(1, HeldNumber::Msisdn(1))]);
        // One that does not come in whole leaves none, and neither does a batch that is given up.
        store.add_to_batch(&other, &lease, &some(&[with(5, &["+4920", "+4921"])])).await.unwrap();
        refused("05", with(6, &["4921"])).await;
        store.remove_batch("04", "s", now()).await.unwrap();
        store.insert_batch(&super::batch("06"), &[with(6, &["4921", "4920"])], [0; 32]).await.unwrap();
        // Who is retired leaves its numbers to others.
        let (clock, rng) = (Clock::fixed(now()), Rng::seeded(1));
        let allocator = Allocator { store: store.clone(), clock, rng };
        allocator.retire(&iccid(2), &Person::parse("ada").unwrap()).await.unwrap();
        store.insert_batch(&super::batch("07"), &[with(7, &["4918", "4919"])], [0; 32]).await.unwrap();
        refused("08", with(8, &["+4919"])).await;
    });
}

/// The second subscription of a profile.
fn profile_of_further(number: u32) -> NewProfile {
    profile(number + 100_000)
}

fn a_chunk_goes_in_whole_or_not_at_all() {
    on_both(|store, _| async move {
        stock(&store, 3).await;
        let (batch, lease) = (super::batch("second"), lease_of("r", 60));
        store.begin_batch(&batch, &lease).await.unwrap();
        let with_two = |number: u32, further: u32| {
            let mut two = profile(number);
            two.imsis.extend(profile(further).imsis);
            two
        };
        for refused in [vec![profile(7), profile(2)], vec![with_two(8, 1)], vec![with_two(8, 9), profile(9)]]
        {
            let outcome = store.add_to_batch(&batch, &lease, &some(&refused)).await;
            assert!(matches!(outcome, Err(StoreError::InUse(_))), "{outcome:?}");
        }
        let good = [profile(7), with_two(8, 9)];
        assert_eq!(store.held_numbers(&batch, &lease, &some(&good)).await.unwrap(), []);
        store.add_to_batch(&batch, &lease, &some(&good)).await.unwrap();
        store.publish_batch(&batch, &lease, &totals_of(2), None, None).await.unwrap();
        let same = store.insert_batch(&batch, &[profile(3000)], [0; 32]).await;
        assert!(matches!(same, Err(StoreError::InUse(Constraint::BatchId))), "{same:?}");
        let named = |batch_id| Batch { delivery_id: DeliveryId::parse("567"), ..super::batch(batch_id) };
        store.insert_batch(&named("third"), &[profile(3000)], [0; 32]).await.unwrap();
        let same = store.insert_batch(&named("fourth"), &[profile(3001)], [0; 32]).await;
        assert!(matches!(same, Err(StoreError::InUse(Constraint::Delivery))), "{same:?}");
        assert_eq!(store.package(&iccid(3000)).await.unwrap().unwrap().kind, PackageKind::PersonalData);
    });
}

fn older_stock_goes_first_and_what_is_not_published_is_passed_over() {
    on_both(|store, _| async move {
        store.insert_batch(&batch("03"), &[profile(1)], [0; 32]).await.unwrap();
        let lease = lease_of("r", 60);
        store.begin_batch(&batch("02"), &lease).await.unwrap();
        store.add_to_batch(&batch("02"), &lease, &some(&[profile(2)])).await.unwrap();
        store.insert_batch(&batch("01"), &[profile(8), profile(9)], [0; 32]).await.unwrap();
        let take = async |call: &str| {
            let call = CallIdentity::new("1.2.3", call);
            let parameters = DownloadOrderParameters { call, named_by: NamedBy::Type, eid: None };
            let window = Duration::from_secs(60);
            store.take_by_type(&operator(), &profile_type(), &parameters, now(), window, None).await.unwrap()
        };
        for (call, expected) in [("1", Some(8)), ("2", Some(9)), ("3", Some(1)), ("4", None)] {
            assert_eq!(take(call).await, expected.map(iccid));
        }
    });
}
