//! Webhooks in the store: who is told, messages taken and held, settled by who holds them, and what is bounded.

use std::time::Duration;

use simyard::domain::operation_event::{Event, EventKind};
use simyard::domain::webhook::{Selected, WebhookMessage, WebhookName, WebhookUrl};
use simyard::domain::{Action, Actor, AuditSubject, Deadlines, NewAuditEntry};
use simyard::env::Timestamp;
use simyard::store::{
    Association, Constraint, DownloadWay, EimChange, MessageOutcome, NewWebhook, Store, StoreError,
    TakenMessage, TargetOutcome, WEBHOOKS_MAX, Webhook,
};

use super::{eid, now, on_both};

crate::tests!(
    a_message_is_written_for_whom_it_concerns,
    what_is_told_of_an_euicc_goes_with_its_change_or_not_at_all,
    a_message_is_held_for_a_lease_and_settled_by_who_holds_it,
    webhooks_are_called_when_they_may_and_something_is_due,
    there_are_so_many_webhooks_and_no_more,
    what_goes_takes_its_messages_with_it,
);

const LEASE: Duration = Duration::from_secs(60);

fn name(text: &str) -> WebhookName {
    WebhookName::parse(text).unwrap()
}

fn entry(text: &str) -> NewAuditEntry {
    NewAuditEntry::new(now(), Actor::Server, Action::WEBHOOK_ADD, AuditSubject::new("webhook", text))
}

fn webhook(text: &str, selected: &[&str]) -> NewWebhook {
    NewWebhook {
        name: name(text),
        url: WebhookUrl::parse("https://example.com/hook").unwrap(),
        selected: selected.iter().map(|text| Selected::parse(text).unwrap()).collect(),
        sealed: vec![1, 2, 3],
        created_by: "anna".to_owned(),
        at: now(),
    }
}

async fn add(store: &Store, text: &str, selected: &[&str]) {
    assert!(store.add_webhook(&webhook(text, selected), entry(text)).await.unwrap());
}

fn message(kind: EventKind, number: u8) -> WebhookMessage {
    WebhookMessage::of(&Event::of_device(kind, eid(), now()), [number; 16])
}

async fn look(store: &Store, text: &str) -> Webhook {
    let all = store.webhooks("", 100).await.unwrap();
    all.into_iter().find(|webhook| webhook.name == name(text)).unwrap()
}

async fn take(store: &Store, text: &str, at: Timestamp, most: usize) -> Vec<TakenMessage> {
    store.take_webhook_messages(&name(text), at, at.plus(LEASE), most).await.unwrap()
}

async fn settle(store: &Store, message: &TakenMessage, outcome: MessageOutcome, at: Timestamp) {
    store.settle_webhooks(&[(message.clone(), outcome)], &[], at, now()).await.unwrap();
}

/// The names of those that may be called and have something due.
async fn due(store: &Store, at: Timestamp) -> Vec<String> {
    store.due_webhooks(at).await.unwrap().into_iter().map(|target| target.name.to_string()).collect()
}

fn a_message_is_written_for_whom_it_concerns() {
    on_both(|store, _| async move {
        add(&store, "all", &["*"]).await;
        add(&store, "done", &["operation.done", "operation.*", "*"]).await;
        add(&store, "device", &["device.*"]).await;
        add(&store, "campaign", &["campaign.done"]).await;
        let messages = [message(EventKind::OperationDone, 1), message(EventKind::CampaignPaused, 2)];
        store.tell(messages.to_vec()).await.unwrap();
        // The change that tells of them may run twice.
        store.tell(messages.to_vec()).await.unwrap();
        store.tell(Vec::new()).await.unwrap();
        for (webhook, waiting) in [("all", 2), ("done", 2), ("device", 0), ("campaign", 0)] {
            assert_eq!(look(&store, webhook).await.waiting, waiting, "{webhook}");
        }
        let taken = take(&store, "all", now(), 10).await;
        let mut told: Vec<_> = taken.iter().map(|taken| (&taken.message_id, &taken.body, taken.at)).collect();
        told.sort();
        let mut expected: Vec<_> =
            messages.iter().map(|message| (&message.message_id, &message.body, message.at)).collect();
        expected.sort();
        assert_eq!(told, expected, "octet by octet");
    });
}

fn what_is_told_of_an_euicc_goes_with_its_change_or_not_at_all() {
    on_both(|store, _| async move {
        add(&store, "crm", &["operation.*"]).await;
        let association =
            Association { eid: eid(), counter: 0, association_token: None, download: DownloadWay::Direct };
        store.associate(&[association], now()).await.unwrap();
        let version = store.eim_euicc(&eid()).await.unwrap().unwrap().version;
        let event = |kind| Event::of_device(kind, eid(), now());
        // The same twice in one change are two messages.
        let kinds = [EventKind::OperationStep, EventKind::OperationStep, EventKind::DevicePollWanted];
        let change = EimChange { events: kinds.map(event).to_vec(), ..EimChange::new(eid(), version, now()) };
        let deadlines = Deadlines::default();
        store.change_eim_euicc(change.clone(), &deadlines).await.unwrap();
        assert_eq!(look(&store, "crm").await.waiting, 2);
        let lost = store.change_eim_euicc(change, &deadlines).await;
        assert!(matches!(lost, Err(StoreError::Conflict)), "{lost:?}");
        assert_eq!(look(&store, "crm").await.waiting, 2);
        let taken = take(&store, "crm", now(), 10).await;
        assert_ne!(taken[0].message_id, taken[1].message_id);
        let change = EimChange {
            events: vec![event(EventKind::OperationStep)],
            ..EimChange::new(eid(), version + 1, now())
        };
        store.change_eim_euicc(change, &deadlines).await.unwrap();
        assert_eq!(look(&store, "crm").await.waiting, 3);
    });
}

fn a_message_is_held_for_a_lease_and_settled_by_who_holds_it() {
    on_both(|store, _| async move {
        add(&store, "crm", &["*"]).await;
        let messages: Vec<_> = (0..3).map(|number| message(EventKind::OperationStep, number)).collect();
        store.tell(messages).await.unwrap();
        let first = take(&store, "crm", now(), 2).await;
        let rest = take(&store, "crm", now(), 10).await;
        assert_eq!((first.len(), rest.len()), (2, 1), "what is held is not taken");
        assert_eq!(due(&store, now()).await, Vec::<String>::new());
        // Behind its lease another takes it; what the first says then counts no more.
        let late = now().plus(LEASE);
        let again = take(&store, "crm", late, 10).await;
        assert_eq!(again.len(), 3);
        assert!(again.iter().all(|taken| taken.attempts == 2));
        settle(&store, &first[0], MessageOutcome::Delivered, late).await;
        assert_eq!(look(&store, "crm").await.waiting, 3);
        settle(&store, &again[0], MessageOutcome::Delivered, late).await;
        let due_at = late.plus(LEASE);
        let answer = "HTTP 422".to_owned();
        settle(&store, &again[1], MessageOutcome::Again { due_at, answer: answer.clone() }, late).await;
        settle(&store, &again[2], MessageOutcome::GivenUp { answer }, late).await;
        let webhook = look(&store, "crm").await;
        assert_eq!((webhook.waiting, webhook.given_up), (1, 1));
        assert_eq!(take(&store, "crm", late, 10).await, []);
        let third = take(&store, "crm", due_at, 10).await;
        assert_eq!((third.len(), third[0].number, third[0].attempts), (1, again[1].number, 3));
    });
}

fn webhooks_are_called_when_they_may_and_something_is_due() {
    on_both(|store, _| async move {
        add(&store, "a", &["*"]).await;
        add(&store, "b", &["*"]).await;
        store.tell(vec![message(EventKind::OperationStep, 1)]).await.unwrap();
        assert_eq!(due(&store, now()).await, ["a", "b"]);
        let taken = take(&store, "a", now(), 1).await.remove(0);
        let resume_at = now().plus(LEASE);
        let failed = |failures, disable_from| TargetOutcome::Failed {
            failures,
            resume_at,
            disable_from,
            answer: "HTTP 500".to_owned(),
        };
        let again = || MessageOutcome::Again { due_at: now(), answer: "HTTP 500".to_owned() };
        let long_ago = Timestamp::from_millis(now().as_millis() - 1);
        let settled = [(taken, again())];
        let one = [(name("a"), failed(1, long_ago))];
        assert_eq!(store.settle_webhooks(&settled, &one, now(), now()).await.unwrap(), []);
        assert_eq!(due(&store, now()).await, ["b"], "it is left alone");
        let target = store.due_webhooks(resume_at).await.unwrap().remove(0);
        assert_eq!((target.name, target.failures, target.sealed), (name("a"), 1, vec![1, 2, 3]));
        let failing = look(&store, "a").await;
        assert_eq!((failing.failing_since, failing.last_answer.as_deref()), (Some(now()), Some("HTTP 500")));
        // Failing for as long as it may.
        let taken = take(&store, "a", resume_at, 1).await.remove(0);
        let settled = [(taken, again())];
        let one = [(name("a"), failed(2, now()))];
        let disabled = store.settle_webhooks(&settled, &one, resume_at, now()).await.unwrap();
        assert_eq!(disabled, [name("a")]);
        assert_eq!(due(&store, resume_at.plus(LEASE)).await, ["b"]);
        store.tell(vec![message(EventKind::OperationDone, 2)]).await.unwrap();
        assert_eq!((look(&store, "a").await.waiting, look(&store, "b").await.waiting), (1, 2));
        assert_eq!(store.retry_webhook(&name("a"), resume_at, entry("a")).await.unwrap(), Some(1));
        assert_eq!(due(&store, resume_at).await, ["a", "b"]);
        let taken = take(&store, "a", resume_at, 1).await.remove(0);
        let settled = [(taken, MessageOutcome::Delivered)];
        let reached = [(name("a"), TargetOutcome::Reached)];
        store.settle_webhooks(&settled, &reached, resume_at, now()).await.unwrap();
        let well = look(&store, "a").await;
        assert_eq!((well.delivered_at, well.failing_since, well.waiting), (Some(resume_at), None, 0));
    });
}

fn there_are_so_many_webhooks_and_no_more() {
    on_both(|store, _| async move {
        for number in 0..WEBHOOKS_MAX {
            add(&store, &format!("webhook-{number:03}"), &["*"]).await;
        }
        assert!(!store.add_webhook(&webhook("more", &["*"]), entry("more")).await.unwrap());
        let page = store.webhooks("webhook-097", 10).await.unwrap();
        assert_eq!(
            page.iter().map(|webhook| webhook.name.as_str()).collect::<Vec<_>>(),
            ["webhook-098", "webhook-099"]
        );
        assert!(store.remove_webhook(&name("webhook-000"), entry("webhook-000")).await.unwrap());
        let twice = store.add_webhook(&webhook("webhook-001", &["*"]), entry("webhook-001")).await;
        assert!(matches!(twice, Err(StoreError::InUse(Constraint::Webhook))), "{twice:?}");
        add(&store, "more", &["operation.done"]).await;
        let more = look(&store, "more").await;
        assert_eq!(more.selected, [Selected::parse("operation.done").unwrap()]);
    });
}

fn what_goes_takes_its_messages_with_it() {
    on_both(|store, _| async move {
        add(&store, "crm", &["*"]).await;
        store.tell(vec![message(EventKind::OperationStep, 1)]).await.unwrap();
        let taken = take(&store, "crm", now(), 1).await.remove(0);
        assert!(store.remove_webhook(&name("crm"), entry("crm")).await.unwrap());
        assert!(!store.remove_webhook(&name("crm"), entry("crm")).await.unwrap());
        assert!(store.webhook_target(&name("crm")).await.unwrap().is_none());
        add(&store, "crm", &["device.*"]).await;
        let webhook = look(&store, "crm").await;
        assert_eq!((webhook.waiting, webhook.selected.len()), (0, 1), "another one of the same name");
        let again = MessageOutcome::Again { due_at: now(), answer: String::new() };
        settle(&store, &taken, again, now()).await;
        assert_eq!(look(&store, "crm").await.waiting, 0);
        // What was given up long ago is forgotten.
        store
            .tell(vec![message(EventKind::DevicePollWanted, 2), message(EventKind::DevicePollWanted, 3)])
            .await
            .unwrap();
        let taken = take(&store, "crm", now(), 2).await;
        settle(&store, &taken[0], MessageOutcome::GivenUp { answer: String::new() }, now()).await;
        let later = now().plus(LEASE);
        let failed = TargetOutcome::Failed {
            failures: 1,
            resume_at: later,
            disable_from: now(),
            answer: String::new(),
        };
        let again = MessageOutcome::Again { due_at: later, answer: String::new() };
        store
            .settle_webhooks(&[(taken[1].clone(), again)], &[(name("crm"), failed)], later, now())
            .await
            .unwrap();
        assert_eq!(look(&store, "crm").await.given_up, 0);
    });
}
