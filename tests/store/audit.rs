//! The audit, on both engines: entries go with their changes, in one chain, and only values of persons can be erased.

use simyard::admin::audit::{Checkpoint, Verdict, erase_older, verify};
use simyard::domain::{
    Action, Actor, AuditEntry, AuditSubject, ManualCommand, NewAuditEntry, Person, StateName,
};
use simyard::env::{Clock, Rng};
use simyard::ident::Peer;
use simyard::store::{AuditSelection, ERASED_MAX, Erasure, NewManualChange};

use super::*;

crate::tests!(
    a_change_and_its_entry_are_written_together_or_not_at_all,
    a_repeated_order_by_type_is_told_once,
    many_writers_make_one_chain,
    a_selection_of_entries_is_read_page_by_page,
    a_value_that_is_erased_leaves_the_chain_whole,
    what_is_older_than_wanted_is_erased_in_several_commits,
    what_is_changed_behind_the_back_of_the_store_shows,
    a_cut_tail_shows_against_a_checkpoint,
);

fn person() -> Person {
    Person::parse("tester").unwrap()
}

fn peer() -> Peer {
    Peer::from("192.0.2.1".parse::<std::net::IpAddr>().unwrap())
}

fn entry(subject: &str) -> NewAuditEntry {
    let subject = AuditSubject::new("batch", subject);
    NewAuditEntry::new(now(), Actor::Person(person()), Action::BATCH_PUBLISH, subject)
}

async fn all(store: &Store) -> Vec<AuditEntry> {
    store.audit_entries(&AuditSelection::default(), 0, 1000).await.unwrap()
}

async fn verdict(store: &Store) -> Verdict {
    verify(store, &[], |_, _| {}).await.unwrap()
}

fn whole(entries: i64) -> Verdict {
    Verdict::Whole { entries }
}

/// The entries' places and what they are about.
fn subjects(entries: &[AuditEntry]) -> Vec<(i64, &str)> {
    entries.iter().map(|entry| (entry.number, entry.subject.as_str())).collect()
}

fn a_change_and_its_entry_are_written_together_or_not_at_all() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let order = read(&store, 0).await;
        let reserved = order.clone().reserve(reservation(), None).unwrap();
        let change = NewManualChange {
            person: person(),
            command: ManualCommand::Create,
            detail: "by a test".to_owned(),
            from: StateName::Available,
            at: now(),
        };
        store.save_by_hand(reserved.clone(), &change).await.unwrap();
        assert!(matches!(store.save_by_hand(reserved, &change).await, Err(StoreError::Conflict)));
        let late = order.reserve(reservation(), None).unwrap();
        assert!(matches!(store.save_audited(late, entry("late")).await, Err(StoreError::Conflict)));
        let entries = all(&store).await;
        assert_eq!(subjects(&entries), [(1, iccid(0).as_str())]);
        let AuditEntry { actor_kind, actor, action, subject_kind, outcome, detail, .. } = &entries[0];
        assert_eq!(
            [actor_kind, actor, action, subject_kind, outcome],
            ["person", "tester", "order.create", "iccid", "done"]
        );
        assert_eq!(detail, "Available to Allocated: by a test");
        assert_eq!(verdict(&store).await, whole(1));
    });
}

fn a_repeated_order_by_type_is_told_once() {
    on_both(|store, _| async move {
        stock(&store, 2).await;
        let call = CallIdentity::new("1.2.3", "call-1");
        let parameters = DownloadOrderParameters { call, named_by: NamedBy::Type, eid: None };
        let window = Duration::from_secs(60);
        for _ in 0..2 {
            let (owner, entry) = (operator(), entry("a type"));
            let taken =
                store.take_by_type(&owner, &profile_type(), &parameters, now(), window, Some(entry)).await;
            assert_eq!(taken.unwrap(), Some(iccid(0)));
        }
        let entries = all(&store).await;
        assert_eq!(subjects(&entries), [(1, iccid(0).as_str())], "about the number that was taken");
        assert_eq!(entries[0].subject_kind, "iccid");
    });
}

fn many_writers_make_one_chain() {
    on_both(|store, url| async move {
        let other = Store::open(&url).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..40 {
            let store = if number % 2 == 0 { store.clone() } else { other.clone() };
            writers.spawn(async move {
                let entries = (0..3).map(|place| entry(&format!("{number}.{place}"))).collect();
                store.record(entries).await.unwrap();
            });
        }
        while let Some(written) = writers.join_next().await {
            written.unwrap();
        }
        let entries = all(&store).await;
        assert_eq!(entries.len(), 120);
        for three in entries.chunks(3) {
            let stem = three[0].subject.split('.').next().unwrap();
            let expected = [0, 1, 2].map(|place| format!("{stem}.{place}"));
            assert_eq!(three.iter().map(|entry| entry.subject.clone()).collect::<Vec<_>>(), expected);
        }
        assert_eq!(verdict(&store).await, whole(120));
        other.close().await;
    });
}

fn a_selection_of_entries_is_read_page_by_page() {
    on_both(|store, _| async move {
        let mut entries = Vec::new();
        for number in 0..10 {
            let late = now().plus(Duration::from_secs(number));
            entries.push(NewAuditEntry { at: late, ..entry(&format!("B{}", number % 2)) });
        }
        entries[4].actor = Actor::Server;
        store.record(entries).await.unwrap();
        let odd = AuditSelection { subject: Some("B1".to_owned()), actor: None };
        let page = store.audit_entries(&odd, 0, 3).await.unwrap();
        assert_eq!(subjects(&page), [(2, "B1"), (4, "B1"), (6, "B1")]);
        let page = store.audit_entries(&odd, 6, 3).await.unwrap();
        assert_eq!(subjects(&page), [(8, "B1"), (10, "B1")]);
        let tester = AuditSelection { subject: None, actor: Some("tester".to_owned()) };
        assert_eq!(store.audit_entries(&tester, 3, 2).await.unwrap().len(), 2);
        let both = AuditSelection { subject: Some("B0".to_owned()), ..tester };
        let page = store.audit_entries(&both, 0, 100).await.unwrap();
        assert_eq!(subjects(&page), [(1, "B0"), (3, "B0"), (7, "B0"), (9, "B0")]);
        let since = |seconds| now().plus(Duration::from_secs(seconds));
        assert_eq!(store.audit_since(since(4)).await.unwrap(), Some(5));
        assert_eq!(store.audit_since(since(10)).await.unwrap(), None);
    });
}

fn a_value_that_is_erased_leaves_the_chain_whole() {
    on_both(|store, _| async move {
        let rng = Rng::seeded(1);
        let old = entry("old").from_peer(peer(), &rng).msisdn("+88200", &rng);
        let young = NewAuditEntry { at: now().plus(Duration::from_secs(60)), ..entry("young") };
        store
            .record(vec![old, young.from_peer(peer(), &rng), entry("third").from_peer(peer(), &rng)])
            .await
            .unwrap();
        let values = async |number: usize| -> Vec<Option<String>> {
            let entries = all(&store).await;
            entries[number].personal.iter().map(|one| Some(one.opened.as_ref()?.value.clone())).collect()
        };
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(values(0).await, [value("192.0.2.1"), value("+88200")]);
        let erase = |text: &str| entry(text).detail(text);
        let by_value = Erasure::Value("+88200".to_owned());
        assert_eq!(store.erase_personal(&by_value, erase("a value")).await.unwrap(), 1);
        assert_eq!(store.erase_personal(&by_value, erase("a value")).await.unwrap(), 0);
        assert_eq!(values(0).await, [value("192.0.2.1"), None]);
        assert_eq!(store.erase_personal(&Erasure::Entry(3), erase("an entry")).await.unwrap(), 1);
        let before = Erasure::Before(now().plus(Duration::from_secs(1)));
        assert_eq!(store.erase_personal(&before, erase("by age")).await.unwrap(), 1);
        assert_eq!((values(0).await, values(1).await), (vec![None, None], vec![value("192.0.2.1")]));
        assert_eq!(values(2).await, [None]);
        let entries = all(&store).await;
        assert_eq!(entries.len(), 6, "what erased nothing is not told");
        assert_eq!(entries[5].detail, "by age; values erased: 1");
        assert_eq!(verdict(&store).await, whole(6));
    });
}

fn what_is_older_than_wanted_is_erased_in_several_commits() {
    on_both(|store, _| async move {
        let (rng, clock) = (Rng::seeded(3), Clock::fixed(now()));
        let old = usize::try_from(ERASED_MAX).unwrap() + 1;
        let entries = (0..old).map(|number| entry(&number.to_string()).from_peer(peer(), &rng));
        store.record(entries.collect()).await.unwrap();
        let day = Duration::from_secs(24 * 3600);
        clock.advance(day);
        assert_eq!(erase_older(&store, &clock, day).await.unwrap(), 0, "not older yet");
        clock.advance(Duration::from_secs(1));
        store
            .record(vec![NewAuditEntry { at: clock.now(), ..entry("young") }.from_peer(peer(), &rng)])
            .await
            .unwrap();
        assert_eq!(erase_older(&store, &clock, day).await.unwrap(), old);
        let after = i64::try_from(old).unwrap();
        let rest = store.audit_entries(&AuditSelection::default(), after, 10).await.unwrap();
        let told: Vec<&str> = rest.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(told, ["batch.publish", "audit.erase", "audit.erase"]);
        assert!(rest[0].personal[0].opened.is_some(), "the young one stays");
        assert_eq!(verdict(&store).await, whole(after + 3));
    });
}

/// Runs statements past the store, as somebody could who has the file or the database.
async fn behind_its_back(url: &StoreUrl, sql: &'static str) -> Result<(), String> {
    match url {
        StoreUrl::Sqlite(path) => {
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).map_err(|error| error.to_string())
        }
        StoreUrl::Postgres(address) => {
            use sqlx::{Connection as _, Executor as _};
            let mut connection = sqlx::PgConnection::connect(address).await.unwrap();
            let done = connection.execute(sqlx::raw_sql(sql)).await;
            connection.close().await.unwrap();
            done.map(drop).map_err(|error| error.to_string())
        }
    }
}

async fn unguarded(url: &StoreUrl) {
    let drop_triggers = match url {
        StoreUrl::Sqlite(_) => "DROP TRIGGER audit_never_changes; DROP TRIGGER audit_never_shrinks",
        StoreUrl::Postgres(_) => "DROP TRIGGER audit_never_changes ON audit",
    };
    behind_its_back(url, drop_triggers).await.unwrap();
}

fn what_is_changed_behind_the_back_of_the_store_shows() {
    on_both(|store, url| async move {
        let rng = Rng::seeded(2);
        store
            .record((0..5).map(|number| entry(&number.to_string()).from_peer(peer(), &rng)).collect())
            .await
            .unwrap();
        for sql in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit WHERE number = 5"] {
            let refused = behind_its_back(&url, sql).await.unwrap_err();
            assert!(refused.contains("the audit is never"), "{refused}");
        }
        assert_eq!(verdict(&store).await, whole(5));
        unguarded(&url).await;
        let broken = async |there: &'static str, back: &'static str| {
            behind_its_back(&url, there).await.unwrap();
            let verdict = verdict(&store).await;
            behind_its_back(&url, back).await.unwrap();
            verdict
        };
        assert_eq!(
            broken(
                "UPDATE audit SET actor = 'nobody' WHERE number = 3",
                "UPDATE audit SET actor = 'tester' WHERE number = 3"
            )
            .await,
            Verdict::Changed { number: 3 }
        );
        assert_eq!(
            broken(
                "UPDATE audit_personal SET value = '192.0.2.9' WHERE number = 2",
                "UPDATE audit_personal SET value = '192.0.2.1' WHERE number = 2"
            )
            .await,
            Verdict::PersonalChanged { number: 2, kind: "address".to_owned() }
        );
        assert_eq!(
            broken(
                "UPDATE audit SET number = 9 WHERE number = 4",
                "UPDATE audit SET number = 4 WHERE number = 9"
            )
            .await,
            Verdict::Missing { number: 4 }
        );
        assert_eq!(
            broken("UPDATE audit_head SET number = 6", "UPDATE audit_head SET number = 5").await,
            Verdict::Missing { number: 6 }
        );
        assert_eq!(
            broken("UPDATE audit_head SET number = 4", "UPDATE audit_head SET number = 5").await,
            Verdict::HeadChanged { number: 4 }
        );
        assert_eq!(verdict(&store).await, whole(5));
    });
}

fn a_cut_tail_shows_against_a_checkpoint() {
    on_both(|store, url| async move {
        store.record(vec![entry("1"), entry("2")]).await.unwrap();
        let early = store.audit_head().await.unwrap();
        store.record(vec![entry("3")]).await.unwrap();
        let late = store.audit_head().await.unwrap();
        let points = [early, late].map(|head| Checkpoint { head, at: now() });
        assert_eq!(verify(&store, &points, |_, _| {}).await.unwrap(), whole(3));
        // Somebody cuts the last entry and moves the end of the chain back, and later another entry comes.
        unguarded(&url).await;
        behind_its_back(&url, "DELETE FROM audit WHERE number = 3").await.unwrap();
        let back = format!("UPDATE audit_head SET number = 2, digest = '{}'", hex::encode(early.digest));
        behind_its_back(&url, String::leak(back)).await.unwrap();
        assert_eq!(verdict(&store).await, whole(2), "alone it looks whole");
        assert_eq!(
            verify(&store, &points, |_, _| {}).await.unwrap(),
            Verdict::CheckpointMissing { number: 3 }
        );
        store.record(vec![entry("another")]).await.unwrap();
        assert_eq!(
            verify(&store, &points, |_, _| {}).await.unwrap(),
            Verdict::CheckpointDiffers { number: 3 }
        );
    });
}
