//! Brings messages to webhooks ([`crate::client::webhook`]), at least once.
//!
//! A message is taken with a lease, posted, and deleted when the receiver answers with a status of success. A receiver that
//! cannot be reached, or says of itself that it cannot, is left alone for a time that doubles, and then tried with one message
//! alone; one that refuses a message as such keeps getting the others, and that message again after a time that doubles. A
//! message is given up when it is too old, and a receiver that took nothing for as long is disabled, at once if it says that
//! it is gone (410). Killed between the answer and the deletion, the next one who takes the message brings it again, under the
//! same number.
//!
//! Messages of a webhook go several at a time and in no order that is promised. No webhook waits for another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::attempt::{kept, pause};
use crate::admin::webhooks::valid_secrets;
use crate::client::webhook::{NotTaken, TIMEOUT, WebhookClient};
use crate::crypto::seal::Sealer;
use crate::domain::webhook::WebhookName;
use crate::env::{Clock, Rng, Timestamp};
use crate::store::{MessageOutcome, Store, StoreError, TakenMessage, Target, TargetOutcome};

/// How long a message is held by who took it: longer than any call takes.
const LEASE: Duration = Duration::from_secs(3 * TIMEOUT.as_secs());
/// How often the store is looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long messages that were given up are kept for whoever wants to try them once more.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How hard webhooks are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookLimits {
    /// The age from which on a message is tried no more, and the time without success after which a webhook is disabled.
    pub give_up_after: Duration,
    /// Calls at a time to one webhook, at least 1.
    pub concurrency: usize,
}

impl Default for WebhookLimits {
    fn default() -> Self {
        Self { give_up_after: Duration::from_secs(7 * 24 * 3600), concurrency: 8 }
    }
}

/// The job.
pub struct DeliverWebhooks {
    /// Where messages wait.
    pub store: Store,
    /// Opens secrets.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Spreads attempts that failed together.
    pub rng: Rng,
    /// How hard webhooks are tried.
    pub limits: WebhookLimits,
    /// How they are called.
    pub client: WebhookClient,
}

/// What a call came to.
struct Done {
    number: i64,
    result: Result<(), NotTaken>,
}

/// Calls that wait for their answers, and by its number what each of them brings.
#[derive(Default)]
struct UnderWay {
    calls: JoinSet<Done>,
    messages: HashMap<i64, (TakenMessage, Arc<Target>)>,
    /// Webhooks whose secrets do not open, which is said once.
    unopened: HashSet<WebhookName>,
}

impl UnderWay {
    fn of(&self, name: &WebhookName) -> usize {
        self.messages.values().filter(|(message, _)| message.name == *name).count()
    }
}

impl DeliverWebhooks {
    /// Brings what there is to bring until `end` turns true. What is under way then is given back.
    pub async fn run(self, mut end: watch::Receiver<bool>) {
        let mut under_way = UnderWay::default();
        loop {
            log(self.take(&mut under_way).await);
            let done = tokio::select! {
                Some(done) = under_way.calls.join_next() => done,
                // The guard that `wait_for` returns must not live across an await.
                () = async { drop(end.wait_for(|end| *end).await) } => break,
                () = tokio::time::sleep(POLL) => continue,
            };
            let others = std::iter::from_fn(|| under_way.calls.try_join_next());
            let done: Vec<_> = std::iter::once(done).chain(others).collect();
            log(self.settle(&mut under_way, done).await);
        }
        log(self.give_back(under_way).await);
    }

    /// Calls with what is due, so much at a time; a webhook that failed, with one message alone.
    async fn take(&self, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let now = self.clock.now();
        for target in self.store.due_webhooks(now).await? {
            let most = if target.failures > 0 { 1 } else { self.limits.concurrency };
            let free = most.saturating_sub(under_way.of(&target.name));
            if free == 0 {
                continue;
            }
            let secrets = match valid_secrets(&self.sealer, &target, now) {
                Ok(secrets) => {
                    under_way.unopened.remove(&target.name);
                    Arc::new(secrets)
                }
                Err(error) => {
                    if under_way.unopened.insert(target.name.clone()) {
                        let webhook = &target.name;
                        tracing::warn!(%webhook, %error, "the secret of a webhook does not open: rotate it");
                    }
                    continue;
                }
            };
            let target = Arc::new(target);
            let leased_until = now.plus(LEASE);
            for message in self.store.take_webhook_messages(&target.name, now, leased_until, free).await? {
                let (client, target_of, secrets) =
                    (self.client.clone(), Arc::clone(&target), Arc::clone(&secrets));
                under_way.messages.insert(message.number, (message.clone(), Arc::clone(&target)));
                under_way.calls.spawn(async move {
                    let TakenMessage { number, message_id, body, .. } = message;
                    let result = client.bring(&target_of.url, &message_id, &body, &secrets, now).await;
                    Done { number, result }
                });
            }
        }
        Ok(())
    }

    /// Writes down what came of calls. One that panicked is forgotten with its lease.
    async fn settle(
        &self,
        under_way: &mut UnderWay,
        done: Vec<Result<Done, JoinError>>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut messages = Vec::new();
        let mut targets: HashMap<WebhookName, TargetOutcome> = HashMap::new();
        for Done { number, result } in done.into_iter().flatten() {
            let Some((message, target)) = under_way.messages.remove(&number) else { continue };
            let (outcome, of_target) = self.judge(&message, &target, result, now);
            match (targets.get(&target.name), of_target) {
                // Who took one message can be reached.
                (_, Some(TargetOutcome::Reached)) => {
                    targets.insert(target.name.clone(), TargetOutcome::Reached);
                }
                (None, Some(failed)) => {
                    targets.insert(target.name.clone(), failed);
                }
                (Some(_), Some(TargetOutcome::Failed { .. })) | (_, None) => {}
            }
            messages.push((message, outcome));
        }
        let targets: Vec<_> = targets.into_iter().collect();
        for name in self.store.settle_webhooks(&messages, &targets, now, before(now, KEPT)).await? {
            tracing::warn!(webhook = %name, "the webhook is disabled: it took nothing for too long, or said that it is gone");
        }
        Ok(())
    }

    /// What a call says of the message and of the webhook.
    fn judge(
        &self,
        message: &TakenMessage,
        target: &Target,
        result: Result<(), NotTaken>,
        now: Timestamp,
    ) -> (MessageOutcome, Option<TargetOutcome>) {
        let error = match result {
            Ok(()) => return (MessageOutcome::Delivered, Some(TargetOutcome::Reached)),
            Err(error) => error,
        };
        let answer = kept(&error.to_string());
        let (webhook, message_id) = (&message.name, &message.message_id);
        tracing::warn!(%webhook, message_id, answer, "the webhook did not take a message");
        let (due_at, of_target) = if error.is_of_message() {
            (now.plus(pause(message.attempts, &self.rng)), None)
        } else {
            let failures = target.failures.saturating_add(1);
            let wanted = error.retry_after().unwrap_or_default();
            let resume_at = now.plus(pause(failures, &self.rng).max(wanted));
            let without_success = if error.is_gone() { Duration::ZERO } else { self.limits.give_up_after };
            let disable_from = before(now, without_success);
            let answer = answer.clone();
            (resume_at, Some(TargetOutcome::Failed { failures, resume_at, disable_from, answer }))
        };
        let outcome = if message.at.plus(self.limits.give_up_after) <= now {
            tracing::warn!(%webhook, message_id, "the message is given up");
            MessageOutcome::GivenUp { answer }
        } else {
            MessageOutcome::Again { due_at, answer }
        };
        (outcome, of_target)
    }

    /// Lets others have what is under way when this server ends; the receiver may have got it.
    async fn give_back(&self, mut under_way: UnderWay) -> Result<(), StoreError> {
        under_way.calls.shutdown().await;
        let now = self.clock.now();
        let again =
            || MessageOutcome::Again { due_at: now, answer: "the server ended before the answer".to_owned() };
        let given_back: Vec<_> =
            under_way.messages.into_values().map(|(message, _)| (message, again())).collect();
        self.store.settle_webhooks(&given_back, &[], now, before(now, KEPT)).await.map(drop)
    }
}

/// So long before `now`.
fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

fn log(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "webhooks wait for the store");
    }
}
