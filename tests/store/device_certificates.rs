//! Certificates of devices that stand for an EID by a list, and what was refused on ESipa, in the store.

use std::time::Duration;

use simyard::domain::Person;
use simyard::ident::Eid;
use simyard::store::{DevicePin, EsipaRefusal, OtherPins, PinImport, Store};

use super::{EID, OTHER_EID, now, on_both};

crate::tests!(
    a_list_is_taken_whole_or_not_at_all,
    certificates_are_listed_by_pages_and_removed,
    refusals_that_are_alike_are_counted_and_all_are_bounded,
);

fn pin(number: u8, eid: &str) -> DevicePin {
    DevicePin { fingerprint: [number; 32], eid: Eid::parse(eid).unwrap() }
}

fn person() -> Person {
    Person::parse("anna").unwrap()
}

async fn import(store: &Store, pins: &[DevicePin], others: OtherPins) -> PinImport {
    store.import_device_certificates(pins, others, &person(), now()).await.unwrap()
}

async fn eid_of(store: &Store, number: u8) -> Option<String> {
    store.eid_of_certificate(&[number; 32]).await.unwrap().map(|eid| eid.to_string())
}

async fn audit_entries(store: &Store, after: i64) -> Vec<(String, String)> {
    let entries = store.audit_entries(&simyard::store::AuditSelection::default(), after, 1000).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.subject)).collect()
}

fn a_list_is_taken_whole_or_not_at_all() {
    on_both(|store, _| async move {
        let first = [pin(1, EID), pin(2, EID)];
        assert_eq!(import(&store, &first, OtherPins::Keep).await, PinImport::Done(2));
        assert_eq!(import(&store, &first, OtherPins::Keep).await, PinImport::Done(0), "it is there already");
        let second = [pin(3, EID), pin(2, OTHER_EID)];
        let held = import(&store, &second, OtherPins::Keep).await;
        assert_eq!(held, PinImport::Held(vec![pin(2, EID)]));
        assert_eq!((eid_of(&store, 2).await.as_deref(), eid_of(&store, 3).await), (Some(EID), None));
        assert_eq!(import(&store, &second, OtherPins::Replace).await, PinImport::Done(2));
        assert_eq!(eid_of(&store, 2).await.as_deref(), Some(OTHER_EID));
        assert_eq!(import(&store, &second, OtherPins::Replace).await, PinImport::Done(0));
        assert_eq!(eid_of(&store, 4).await, None);
        let action = || "device_certificate.import".to_owned();
        let entry = |eid: &str| (action(), eid.to_owned());
        let expected = [entry(EID), entry(EID), entry(EID), entry(OTHER_EID)];
        assert_eq!(audit_entries(&store, 0).await, expected, "what changed, and nothing else");
    });
}

fn certificates_are_listed_by_pages_and_removed() {
    on_both(|store, _| async move {
        // More than one statement takes.
        let many: Vec<DevicePin> = (0..1200_u16)
            .map(|number| {
                let mut fingerprint = [0; 32];
                fingerprint[..2].copy_from_slice(&number.to_be_bytes());
                let eid = Eid::parse(if number == 7 { OTHER_EID } else { EID }).unwrap();
                DevicePin { fingerprint, eid }
            })
            .collect();
        assert_eq!(import(&store, &many, OtherPins::Keep).await, PinImport::Done(1200));
        let page = store.device_certificates(None, "", 3).await.unwrap();
        assert_eq!(page.iter().map(|one| &one.pin).collect::<Vec<_>>(), many[..3].iter().collect::<Vec<_>>());
        assert_eq!((&page[0].person, page[0].imported_at), (&person(), now()));
        let after = hex::encode(many[1197].fingerprint);
        assert_eq!(store.device_certificates(None, &after, 1000).await.unwrap().len(), 2);
        let other = Eid::parse(OTHER_EID).unwrap();
        let of_other = store.device_certificates(Some(&other), "", 10).await.unwrap();
        assert_eq!(of_other.iter().map(|one| &one.pin).collect::<Vec<_>>(), [&many[7]]);
        let removed =
            async || store.remove_device_certificate(&many[7].fingerprint, &person(), now()).await.unwrap();
        assert_eq!(removed().await, Some(other));
        assert_eq!(removed().await, None);
        let removal = ("device_certificate.remove".to_owned(), OTHER_EID.to_owned());
        assert_eq!(audit_entries(&store, 1200).await, [removal]);
        assert_eq!(store.eid_of_certificate(&many[7].fingerprint).await.unwrap(), None);
    });
}

fn refusal(peer: &str, detail: &str) -> EsipaRefusal {
    EsipaRefusal {
        reason: "other_eid".to_owned(),
        eid: Some(Eid::parse(OTHER_EID).unwrap()),
        caller_eid: Some(Eid::parse(EID).unwrap()),
        certificate: Some(hex::encode([1; 32])),
        peer: peer.to_owned(),
        detail: detail.to_owned(),
        first_at: now(),
        last_at: now(),
        times: 3,
    }
}

fn refusals_that_are_alike_are_counted_and_all_are_bounded() {
    on_both(|store, _| async move {
        let later = now().plus(Duration::from_secs(60));
        store.keep_esipa_refusals(&[refusal("192.0.2.1", &"x".repeat(5000))]).await.unwrap();
        let again = EsipaRefusal { first_at: later, last_at: later, ..refusal("192.0.2.1", "again") };
        store.keep_esipa_refusals(&[again]).await.unwrap();
        let kept = store.esipa_refusals(None, 0, 10).await.unwrap();
        let counted = EsipaRefusal { last_at: later, times: 6, ..refusal("192.0.2.1", "again") };
        assert_eq!(kept.iter().map(|record| &record.refusal).collect::<Vec<_>>(), [&counted]);

        let nameless = |number: usize| EsipaRefusal {
            eid: None,
            caller_eid: None,
            certificate: Some(format!("{number:064x}")),
            ..refusal("192.0.2.2", "flood")
        };
        let flood: Vec<EsipaRefusal> = (0..300).map(nameless).collect();
        for part in flood.chunks(100) {
            store.keep_esipa_refusals(part).await.unwrap();
        }
        let kept = store.esipa_refusals(None, 0, 1000).await.unwrap();
        assert_eq!(kept.len(), 1 + 100, "the newest of a peer, and that of another one");
        assert_eq!(kept[0].refusal.certificate, Some(format!("{:064x}", 299)));
        let below = store.esipa_refusals(None, kept[50].number, 1000).await.unwrap();
        assert_eq!(below.len(), 50);
        for eid in [EID, OTHER_EID] {
            let of_eid = store.esipa_refusals(Some(&Eid::parse(eid).unwrap()), 0, 10).await.unwrap();
            assert_eq!(of_eid.len(), 1, "claimed or calling");
        }
        let eid = Eid::parse(&format!("{}21", &EID[..30])).unwrap();
        assert_eq!(store.esipa_refusals(Some(&eid), 0, 10).await.unwrap(), []);
    });
}
