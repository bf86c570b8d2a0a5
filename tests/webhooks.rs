//! Webhooks: what is told to whom, how it is signed, and what becomes of it when nobody takes it.

mod receiver;

use std::time::Duration;

use serde_json::json;
use simyard::admin::identities::Changer;
use simyard::admin::webhooks::{Webhook, WebhookError, Webhooks};
use simyard::client::reachable::Reach;
use simyard::client::webhook::{Secret, WebhookClient};
use simyard::domain::operation_event::{Event, EventKind};
use simyard::domain::webhook::{Selected, WebhookMessage, WebhookName, WebhookUrl};
use simyard::domain::{Actor, Person};
use simyard::ident::Eid;
use simyard::jobs::deliver_webhooks::{DeliverWebhooks, WebhookLimits};
use simyard::store::{AuditSelection, Store};

pub use receiver::{Answer, Heard, Receiver};

use crate::postgres;
use crate::server::{NOW, TestServer};

crate::tests!(
    messages_are_signed_and_told_to_those_who_selected_them,
    a_test_message_is_told_to_one_webhook_alone,
    both_secrets_sign_while_one_takes_the_place_of_the_other,
    a_receiver_that_fails_is_left_alone_and_then_tried_with_one_message,
    a_receiver_says_how_long_it_wants_to_be_left_alone,
    a_message_that_is_refused_holds_up_no_other,
    a_receiver_that_is_gone_is_disabled_until_somebody_enables_it,
    a_receiver_that_fails_for_long_is_disabled_and_its_messages_are_given_up,
    answers_are_not_followed_and_bounded,
    a_receiver_that_does_not_answer_holds_up_no_other,
    a_server_killed_before_it_heard_the_answer_tells_it_again_under_the_same_number,
    two_servers_on_postgresql_bring_each_message_once,
    a_receiver_inside_our_own_network_is_called_only_where_that_is_permitted,
    what_is_changed_is_in_the_audit_and_secrets_are_not,
);

const PERMIT: &str = "[webhooks]\nprivate_addresses = \"permit\"\n";
const EID: &str = "89049032000000000000279973200019";
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

fn server() -> TestServer {
    TestServer::with(PERMIT, None)
}

fn webhooks(server: &TestServer) -> Webhooks {
    let smdp = server.smdp();
    Webhooks {
        store: smdp.store.clone(),
        sealer: smdp.sealer.clone(),
        clock: server.clock.clone(),
        rng: server.rng.clone(),
    }
}

fn person() -> Changer {
    Changer { actor: Actor::Person(Person::parse("anna").unwrap()), peer: None }
}

fn name(text: &str) -> WebhookName {
    WebhookName::parse(text).unwrap()
}

/// Makes a webhook at a receiver; without a selection it is told of everything.
fn add(server: &TestServer, text: &str, receiver: &Receiver, selected: &[&str]) -> Secret {
    let url = WebhookUrl::parse(&receiver.url()).unwrap();
    let selected: Vec<Selected> = selected.iter().map(|text| Selected::parse(text).unwrap()).collect();
    let webhooks = webhooks(server);
    server.wait(async { webhooks.add(&person(), &name(text), &url, &selected).await.unwrap() })
}

/// Something happens to an eUICC. Returns the number of its message.
fn happens(server: &TestServer, kind: EventKind) -> String {
    let event = Event::of_device(kind, Eid::parse(EID).unwrap(), server.clock.now());
    let message = WebhookMessage::of(&event, server.rng.array());
    let message_id = message.message_id.clone();
    let store = server.smdp().store.clone();
    server.wait(async { store.tell(vec![message]).await.unwrap() });
    message_id
}

/// How a webhook stands.
fn look(server: &TestServer, text: &str) -> Webhook {
    let webhooks = webhooks(server);
    let all = server.wait(async { webhooks.list("", 100).await.unwrap() });
    all.into_iter().find(|webhook| webhook.name == name(text)).unwrap()
}

/// Waits until a webhook stands so.
fn until(server: &TestServer, text: &str, done: impl Fn(&Webhook) -> bool) -> Webhook {
    let webhooks = webhooks(server);
    let waited = async {
        loop {
            let all = webhooks.list("", 100).await.unwrap();
            let webhook = all.into_iter().find(|webhook| webhook.name == name(text)).unwrap();
            if done(&webhook) {
                return webhook;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = server.wait(async { tokio::time::timeout(Duration::from_secs(30), waited).await });
    waited.unwrap_or_else(|_| panic!("it never came to that: {:?}", look(server, text)))
}

fn all_taken(webhook: &Webhook) -> bool {
    webhook.waiting == 0
}

fn messages_are_signed_and_told_to_those_who_selected_them() {
    let (server, crm, gateway, idle) = (server(), Receiver::start(), Receiver::start(), Receiver::start());
    let secret = add(&server, "crm", &crm, &["operation.*", "operation.done"]);
    let other = add(&server, "gateway", &gateway, &["device.poll_wanted"]);
    add(&server, "idle", &idle, &["campaign.*"]);
    let done = happens(&server, EventKind::OperationDone);
    let wanted = happens(&server, EventKind::DevicePollWanted);
    happens(&server, EventKind::DeviceStateChanged);
    let heard = crm.heard();
    assert_eq!(heard.id, done, "once, though two selections hit");
    assert_eq!(heard.timestamp, NOW.as_secs().to_string());
    assert!(heard.is_signed_with(&[&secret]) && !heard.is_signed_with(&[&other]), "{heard:?}");
    assert_eq!(
        heard.body(),
        json!({ "type": "operation.done", "timestamp": "2026-11-22T06:43:00Z", "data": { "eid": EID } })
    );
    let heard = gateway.heard();
    assert_eq!((&heard.id, heard.event_type().as_str()), (&wanted, "device.poll_wanted"));
    assert!(heard.is_signed_with(&[&other]));
    for one in ["crm", "gateway"] {
        until(&server, one, |webhook| all_taken(webhook) && webhook.delivered_at.is_some());
    }
    assert_eq!(until(&server, "idle", all_taken).delivered_at, None);
    for receiver in [&crm, &gateway, &idle] {
        receiver.heard_nothing_more();
    }
}

fn a_test_message_is_told_to_one_webhook_alone() {
    let (server, crm, other) = (server(), Receiver::start(), Receiver::start());
    let secret = add(&server, "crm", &crm, &["campaign.*"]);
    add(&server, "other", &other, &[]);
    let webhooks = webhooks(&server);
    let message_id = server.wait(webhooks.tell_test(&name("crm"))).unwrap();
    let heard = crm.heard();
    assert_eq!((&heard.id, heard.event_type().as_str()), (&message_id, "webhook.test"));
    assert!(heard.is_signed_with(&[&secret]), "{heard:?}");
    until(&server, "crm", all_taken);
    assert!(all_taken(&look(&server, "other")) && look(&server, "other").delivered_at.is_none());
    let nobody = server.wait(webhooks.tell_test(&name("nobody")));
    assert!(matches!(nobody, Err(WebhookError::Unknown(_))), "{nobody:?}");
}

fn both_secrets_sign_while_one_takes_the_place_of_the_other() {
    let (server, crm) = (server(), Receiver::start());
    let first = add(&server, "crm", &crm, &[]);
    let webhooks = webhooks(&server);
    let second = server.wait(async { webhooks.rotate(&person(), &name("crm"), HOUR).await.unwrap() });
    happens(&server, EventKind::OperationDone);
    assert!(crm.heard().is_signed_with(&[&second, &first]));
    server.clock.advance(HOUR);
    happens(&server, EventKind::OperationDone);
    assert!(crm.heard().is_signed_with(&[&second]));
    let third =
        server.wait(async { webhooks.rotate(&person(), &name("crm"), Duration::ZERO).await.unwrap() });
    happens(&server, EventKind::OperationDone);
    assert!(crm.heard().is_signed_with(&[&third]));
    until(&server, "crm", all_taken);
}

fn a_receiver_that_fails_is_left_alone_and_then_tried_with_one_message() {
    let (server, crm) = (server(), Receiver::start());
    add(&server, "crm", &crm, &[]);
    crm.answers(&[Answer::Status(500), Answer::Status(500)]);
    let first = happens(&server, EventKind::OperationCreated);
    assert_eq!(crm.heard().id, first);
    let failing = until(&server, "crm", |webhook| webhook.failing_since.is_some());
    assert_eq!((failing.failing_since, failing.last_answer.as_deref()), (Some(NOW), Some("HTTP 500")));
    let resume_at = failing.resume_at.unwrap();
    let pause = resume_at.as_millis() - NOW.as_millis();
    assert!((5_000..=10_000).contains(&pause), "{pause}");
    // What happens meanwhile waits with it.
    let second = happens(&server, EventKind::OperationStep);
    server.clock.advance(Duration::from_secs(10));
    let again = crm.heard();
    let failing = until(&server, "crm", |webhook| webhook.resume_at.is_some_and(|at| at > resume_at));
    assert_eq!((failing.failing_since, failing.waiting), (Some(NOW), 2));
    crm.heard_nothing_more();
    server.clock.advance(Duration::from_secs(20));
    let mut heard = [crm.heard().id, crm.heard().id];
    let mut expected = [first, second];
    heard.sort();
    expected.sort();
    assert_eq!(heard, expected);
    assert!(expected.contains(&again.id), "the same number at each attempt");
    let well = until(&server, "crm", |webhook| all_taken(webhook) && webhook.failing_since.is_none());
    assert_eq!((well.resume_at, well.last_answer), (None, None));
}

fn a_receiver_says_how_long_it_wants_to_be_left_alone() {
    let (server, crm) = (server(), Receiver::start());
    add(&server, "crm", &crm, &[]);
    crm.answers(&[Answer::RetryAfter(600), Answer::RetryAfter(u64::MAX)]);
    happens(&server, EventKind::OperationCreated);
    crm.heard();
    let failing = until(&server, "crm", |webhook| webhook.resume_at.is_some());
    assert_eq!(failing.resume_at, Some(NOW.plus(Duration::from_secs(600))));
    server.clock.advance(Duration::from_secs(600));
    crm.heard();
    let failing = until(&server, "crm", |webhook| webhook.resume_at != failing.resume_at);
    assert_eq!(failing.resume_at, Some(server.clock.now().plus(HOUR)), "an hour at most");
}

fn a_message_that_is_refused_holds_up_no_other() {
    let (server, crm) = (server(), Receiver::start());
    add(&server, "crm", &crm, &[]);
    crm.answers(&[Answer::Status(422)]);
    let refused = happens(&server, EventKind::OperationCreated);
    assert_eq!(crm.heard().id, refused);
    let other = happens(&server, EventKind::OperationDone);
    assert_eq!(crm.heard().id, other);
    let webhook = until(&server, "crm", |webhook| webhook.delivered_at.is_some());
    assert_eq!((webhook.failing_since, webhook.waiting), (None, 1));
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(crm.heard().id, refused);
    until(&server, "crm", all_taken);
}

fn a_receiver_that_is_gone_is_disabled_until_somebody_enables_it() {
    let (server, crm) = (server(), Receiver::start());
    add(&server, "crm", &crm, &[]);
    crm.answers(&[Answer::Status(410)]);
    let first = happens(&server, EventKind::OperationCreated);
    assert_eq!(crm.heard().id, first);
    let gone = until(&server, "crm", |webhook| webhook.disabled_at.is_some());
    assert_eq!((gone.disabled_at, gone.waiting), (Some(NOW), 1));
    happens(&server, EventKind::OperationDone);
    assert_eq!(look(&server, "crm").waiting, 1, "who is disabled is not told");
    let refused = server.wait(webhooks(&server).tell_test(&name("crm")));
    assert!(matches!(refused, Err(WebhookError::Disabled(_))), "{refused:?}");
    server.clock.advance(HOUR);
    let webhooks = webhooks(&server);
    assert_eq!(server.wait(async { webhooks.retry(&person(), &name("crm")).await.unwrap() }), 1);
    assert_eq!(crm.heard().id, first);
    let well = until(&server, "crm", |webhook| all_taken(webhook) && webhook.failing_since.is_none());
    assert_eq!(well.disabled_at, None);
    crm.heard_nothing_more();
}

fn a_receiver_that_fails_for_long_is_disabled_and_its_messages_are_given_up() {
    let server = TestServer::with(&format!("{PERMIT}give_up_after_days = 2\n"), None);
    let crm = Receiver::start();
    add(&server, "crm", &crm, &[]);
    crm.answers(&[Answer::Status(503), Answer::Status(503), Answer::Status(503)]);
    let first = happens(&server, EventKind::OperationCreated);
    crm.heard();
    until(&server, "crm", |webhook| webhook.failing_since.is_some());
    server.clock.advance(DAY);
    crm.heard();
    let failing = until(&server, "crm", |webhook| webhook.resume_at.is_some_and(|at| at > NOW.plus(DAY)));
    assert_eq!((failing.disabled_at, failing.given_up), (None, 0));
    server.clock.advance(DAY);
    crm.heard();
    let disabled = until(&server, "crm", |webhook| webhook.disabled_at.is_some());
    assert_eq!((disabled.waiting, disabled.given_up), (0, 1));
    let webhooks = webhooks(&server);
    assert_eq!(server.wait(async { webhooks.retry(&person(), &name("crm")).await.unwrap() }), 1);
    assert_eq!(crm.heard().id, first);
    let well = until(&server, "crm", all_taken);
    assert_eq!((well.given_up, well.disabled_at), (0, None));
}

fn answers_are_not_followed_and_bounded() {
    for (answer, expected) in [(Answer::Endless, "is too large"), (Answer::Moved, "HTTP 307")] {
        let (server, crm) = (server(), Receiver::start());
        add(&server, "crm", &crm, &[]);
        crm.answers(&[answer]);
        happens(&server, EventKind::OperationCreated);
        crm.heard();
        let failing = until(&server, "crm", |webhook| webhook.failing_since.is_some());
        assert!(failing.last_answer.unwrap().contains(expected), "{expected}");
        crm.heard_nothing_more();
    }
}

fn a_receiver_that_does_not_answer_holds_up_no_other() {
    let (server, silent, crm) = (server(), Receiver::start(), Receiver::start());
    add(&server, "silent", &silent, &[]);
    add(&server, "crm", &crm, &[]);
    silent.answers(&[Answer::Nothing; 8]);
    for _ in 0..8 {
        happens(&server, EventKind::OperationStep);
    }
    for _ in 0..8 {
        silent.heard();
    }
    for _ in 0..8 {
        crm.heard();
    }
    until(&server, "crm", all_taken);
    assert_eq!(look(&server, "silent").waiting, 8);
    // One that ends in order gives back what is under way, and may be told that it was told.
    server.end();
    server.restart();
    let heard: Vec<Heard> = (0..8).map(|_| silent.heard()).collect();
    assert_eq!(heard.len(), 8);
    until(&server, "silent", all_taken);
}

fn a_server_killed_before_it_heard_the_answer_tells_it_again_under_the_same_number() {
    let (server, crm) = (server(), Receiver::start());
    add(&server, "crm", &crm, &[]);
    crm.answers(&[Answer::Nothing]);
    let id = happens(&server, EventKind::OperationDone);
    assert_eq!(crm.heard().id, id);
    server.restart();
    // As long as the dead one holds it, nobody takes it.
    let other = happens(&server, EventKind::OperationStep);
    assert_eq!(crm.heard().id, other);
    server.clock.advance(Duration::from_secs(60));
    let again = crm.heard();
    assert_eq!((again.id, again.timestamp), (id, server.clock.now().as_secs().to_string()));
    until(&server, "crm", all_taken);
}

fn two_servers_on_postgresql_bring_each_message_once() {
    let Some(database) = postgres::database() else { return };
    let one = TestServer::with(PERMIT, Some(database.url()));
    let crm = Receiver::start();
    add(&one, "crm", &crm, &[]);
    // The second process: its own connections and its own job.
    let (end, ended) = tokio::sync::watch::channel(false);
    let store = one.callers.block_on(Store::open(&database.url())).unwrap();
    let job = DeliverWebhooks {
        store: store.clone(),
        sealer: one.smdp().sealer.clone(),
        clock: one.clock.clone(),
        rng: one.rng.clone(),
        limits: WebhookLimits { concurrency: 2, ..WebhookLimits::default() },
        client: WebhookClient::new(Reach::Anywhere, one.callback_tls(), &[]).unwrap(),
    };
    let job = one.callers.spawn(job.run(ended));
    let mut told: Vec<String> = (0..40).map(|_| happens(&one, EventKind::OperationStep)).collect();
    let mut heard: Vec<String> = (0..40).map(|_| crm.heard().id).collect();
    told.sort();
    heard.sort();
    assert_eq!(heard, told);
    until(&one, "crm", all_taken);
    crm.heard_nothing_more();
    end.send(true).unwrap();
    one.callers.block_on(async {
        job.await.unwrap();
        store.close().await;
    });
}

fn a_receiver_inside_our_own_network_is_called_only_where_that_is_permitted() {
    let (server, crm) = (TestServer::start(), Receiver::start());
    add(&server, "crm", &crm, &[]);
    happens(&server, EventKind::OperationDone);
    let failing = until(&server, "crm", |webhook| webhook.failing_since.is_some());
    let answer = failing.last_answer.unwrap();
    assert!(answer.contains("no address of the public Internet"), "{answer}");
    crm.heard_nothing_more();
}

fn what_is_changed_is_in_the_audit_and_secrets_are_not() {
    let (server, crm) = (server(), Receiver::start());
    let secret = add(&server, "crm", &crm, &["operation.*"]);
    let webhooks = webhooks(&server);
    let crm = name("crm");
    let (store, entries) = server.wait(async {
        let again = webhooks.add(&person(), &crm, &WebhookUrl::parse("https://x/").unwrap(), &[]).await;
        assert!(matches!(again, Err(WebhookError::NameInUse(_))));
        webhooks.rotate(&person(), &crm, HOUR).await.unwrap();
        webhooks.retry(&person(), &crm).await.unwrap();
        webhooks.remove(&person(), &crm).await.unwrap();
        for gone in [
            webhooks.remove(&person(), &crm).await,
            webhooks.retry(&person(), &crm).await.map(drop),
            webhooks.rotate(&person(), &crm, HOUR).await.map(drop),
        ] {
            assert!(matches!(gone, Err(WebhookError::Unknown(_))), "{gone:?}");
        }
        let store = server.smdp().store.clone();
        let entries = store.audit_entries(&AuditSelection::default(), 0, 100).await.unwrap();
        (store, entries)
    });
    drop(store);
    let told: Vec<(&str, &str, &str)> = entries
        .iter()
        .filter(|entry| entry.subject_kind == "webhook")
        .map(|entry| (entry.action.as_str(), entry.actor.as_str(), entry.subject.as_str()))
        .collect();
    let expected = ["webhook.add", "webhook.rotate", "webhook.retry", "webhook.remove"];
    assert_eq!(told, expected.map(|action| (action, "anna", "crm")));
    assert!(entries.iter().all(|entry| !entry.detail.contains(secret.text().trim_start_matches("whsec_"))));
}
