//! Brings notifications that the eIM took from devices to the SM-DP+ that each names (SGP.32 3.7, ES9+'.HandleNotification).
//!
//! What a receiver gets from one eUICC comes by rising seqNumber, at least once. A notification is taken with a lease and
//! brought; HTTP 204 says that the receiver has it, anything else is tried again after a time that doubles, until the
//! notification is too old.
//!
//! So many calls are under way at a time, and so many to one receiver. One that cannot be reached is left alone for a
//! while, and one that failed gets one call at a time until it takes something: nobody else waits for it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::attempt::{kept, pause};
use crate::client::es9plus::Es9PlusClient;
use crate::client::{ClientError, TIMEOUT};
use crate::env::{Clock, Rng, Timestamp};
use crate::ident::ServerAddress;
use crate::store::{Bringing, Forwarded, Store, StoreError};

/// How long a notification is held by who took it: longer than any call takes.
const LEASE: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());
/// How often the store is looked at for what other processes wrote, and for what is due again.
const POLL: Duration = Duration::from_secs(1);
/// How often what is past is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// For so long a notification that was brought is known, so that it is not brought again.
const BROUGHT_KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// For so long the result of a relayed package is waited for.
const RELAYED_KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// How hard receivers are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardLimits {
    /// The age of a notification from which on a failed attempt is the last.
    pub give_up_after: Duration,
    /// Calls at a time, at least 1.
    pub concurrency: usize,
    /// Calls at a time to one receiver, at least 1.
    pub of_receiver: usize,
}

impl Default for ForwardLimits {
    fn default() -> Self {
        Self { give_up_after: Duration::from_secs(7 * 24 * 3600), concurrency: 32, of_receiver: 4 }
    }
}

/// The job.
pub struct ForwardNotifications {
    /// Where notifications wait.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Spreads attempts that failed together.
    pub rng: Rng,
    /// The way to receivers.
    pub servers: Es9PlusClient,
    /// How hard they are tried.
    pub limits: ForwardLimits,
}

/// A receiver that is called, or failed lately.
#[derive(Default)]
struct Receiver {
    calls: usize,
    /// Failed attempts since the last one that went well.
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Receiver {
    /// How many more calls it may get.
    fn room(&self, limits: &ForwardLimits, now: Timestamp) -> usize {
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return 0;
        }
        let most = if self.failures == 0 { limits.of_receiver.max(1) } else { 1 };
        most.saturating_sub(self.calls)
    }
}

/// What a call came to.
enum Called {
    Brought,
    /// The receiver was reached, and did not take it.
    NotTaken(String),
    /// It could not be reached.
    NotReached(String),
}

/// The calls that wait for their answers, what they bring by its number, and to whom.
#[derive(Default)]
struct UnderWay {
    calls: JoinSet<(i64, Called)>,
    notifications: HashMap<i64, Forwarded>,
    receivers: HashMap<String, Receiver>,
}

impl UnderWay {
    fn receiver(&mut self, address: &ServerAddress) -> &mut Receiver {
        self.receivers.entry(address.to_string()).or_default()
    }
}

impl ForwardNotifications {
    /// Brings what there is to bring until `end` turns true. What is under way then is given back.
    pub async fn run(self, mut end: watch::Receiver<bool>) {
        let mut written = self.store.forwarded_written();
        let mut under_way = UnderWay::default();
        let mut forgotten_at: Option<Duration> = None;
        loop {
            let now = self.clock.monotonic();
            if forgotten_at.is_none_or(|at| now.saturating_sub(at) >= FORGET_EVERY) {
                forgotten_at = Some(now);
                log(self.forget().await);
            }
            log(self.take(&mut under_way).await);
            let done = tokio::select! {
                Some(done) = under_way.calls.join_next() => done,
                // The guard that `wait_for` returns must not live across an await.
                () = async { drop(end.wait_for(|end| *end).await) } => break,
                // The store may be closed, and its signal with it: then the pause is waited.
                Ok(()) = written.changed() => continue,
                () = tokio::time::sleep(POLL) => continue,
            };
            let others = std::iter::from_fn(|| under_way.calls.try_join_next());
            let done: Vec<_> = std::iter::once(done).chain(others).collect();
            log(self.settle(&mut under_way, done).await);
        }
        log(self.give_back(under_way).await);
    }

    /// Brings what is due, and what becomes due by that, until no more can be taken. What others hold stays with them.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; what was brought before may be brought again.
    pub async fn turn(&self) -> Result<(), StoreError> {
        let mut under_way = UnderWay::default();
        loop {
            self.take(&mut under_way).await?;
            let Some(done) = under_way.calls.join_next().await else { return Ok(()) };
            self.settle(&mut under_way, vec![done]).await?;
        }
    }

    /// Calls with what is due, so much at a time. A look comes first: to take is to write.
    async fn take(&self, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let now = self.clock.now();
        let receivers = self.store.forwarded_receivers().await?;
        // Who has nothing to wait for is not remembered.
        under_way.receivers.retain(|address, receiver| {
            receiver.calls > 0 || receivers.iter().any(|(waiting, _)| waiting.as_str() == address)
        });
        for (address, due_at) in receivers {
            let free = self.limits.concurrency.max(1).saturating_sub(under_way.calls.len());
            let most = free.min(under_way.receiver(&address).room(&self.limits, now));
            if most == 0 || due_at > now {
                continue;
            }
            let taken = self.store.take_due_forwarded(&address, now, now.plus(LEASE), most).await?;
            for notification in taken {
                under_way.receiver(&address).calls += 1;
                under_way.calls.spawn(bring(self.servers.clone(), notification.clone()));
                under_way.notifications.insert(notification.number, notification);
            }
        }
        Ok(())
    }

    /// Writes down what came of calls. One that panicked is forgotten with its lease.
    async fn settle(
        &self,
        under_way: &mut UnderWay,
        done: Vec<Result<(i64, Called), JoinError>>,
    ) -> Result<(), StoreError> {
        let mut settled = Vec::new();
        for (number, called) in done.into_iter().flatten() {
            let Some(notification) = under_way.notifications.remove(&number) else { continue };
            let receiver = under_way.receiver(&notification.address);
            receiver.calls = receiver.calls.saturating_sub(1);
            let bringing = match called {
                Called::Brought => {
                    receiver.failures = 0;
                    receiver.not_before = None;
                    Bringing::Brought
                }
                Called::NotTaken(answer) => {
                    receiver.failures = receiver.failures.saturating_add(1);
                    self.after_failure(&notification, &answer)
                }
                Called::NotReached(answer) => {
                    receiver.failures = receiver.failures.saturating_add(1);
                    receiver.not_before = Some(self.clock.now().plus(pause(receiver.failures, &self.rng)));
                    self.after_failure(&notification, &answer)
                }
            };
            settled.push((notification, bringing));
        }
        self.store.settle_forwarded(&settled, self.clock.now()).await
    }

    /// What comes of an attempt that failed with this answer.
    fn after_failure(&self, notification: &Forwarded, answer: &str) -> Bringing {
        let now = self.clock.now();
        let answer = kept(answer);
        let Forwarded { eid, seq_number, address, .. } = notification;
        if notification.received_at.plus(self.limits.give_up_after) <= now {
            tracing::warn!(%eid, seq_number, %address, answer, "the notification was not brought, and will not be");
            return Bringing::GivenUp { answer };
        }
        let due_at = now.plus(pause(notification.attempts, &self.rng));
        tracing::warn!(%eid, seq_number, %address, answer, %due_at, "the notification was not brought yet");
        Bringing::Again { due_at, answer }
    }

    /// Lets others have what is under way when this server ends; the receiver may have got it.
    async fn give_back(&self, mut under_way: UnderWay) -> Result<(), StoreError> {
        under_way.calls.shutdown().await;
        let now = self.clock.now();
        let again =
            || Bringing::Again { due_at: now, answer: "the server ended before the answer".to_owned() };
        let given_back: Vec<_> =
            under_way.notifications.into_values().map(|notification| (notification, again())).collect();
        self.store.settle_forwarded(&given_back, now).await
    }

    /// Forgets what is past, some at a time.
    async fn forget(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        while self.store.forget_forwarded(now.minus(BROUGHT_KNOWN_FOR)).await? > 0 {}
        while self.store.forget_relayed_downloads(now.minus(RELAYED_KNOWN_FOR)).await? > 0 {}
        Ok(())
    }
}

fn log(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "notifications wait for the store");
    }
}

/// One call.
async fn bring(servers: Es9PlusClient, notification: Forwarded) -> (i64, Called) {
    let called = match servers.handle_notification(&notification.address, &notification.raw).await {
        Ok(()) => Called::Brought,
        Err(error @ ClientError::Transport { .. }) => Called::NotReached(error.to_string()),
        Err(error) => Called::NotTaken(error.to_string()),
    };
    (notification.number, called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_failed_gets_one_call_at_a_time_and_one_that_is_gone_none_for_a_while() {
        let limits = ForwardLimits { of_receiver: 4, ..ForwardLimits::default() };
        let now = Timestamp::from_secs(100);
        let mut receiver = Receiver::default();
        assert_eq!(receiver.room(&limits, now), 4);
        receiver.calls = 3;
        assert_eq!(receiver.room(&limits, now), 1);
        receiver.failures = 1;
        assert_eq!(receiver.room(&limits, now), 0, "three are under way yet");
        receiver.calls = 0;
        assert_eq!(receiver.room(&limits, now), 1);
        receiver.not_before = Some(Timestamp::from_secs(101));
        assert_eq!(receiver.room(&limits, now), 0);
        assert_eq!(receiver.room(&limits, Timestamp::from_secs(101)), 1);
        let none = ForwardLimits { of_receiver: 0, ..limits };
        assert_eq!(Receiver::default().room(&none, now), 1, "a limit of none would bring nothing ever");
    }
}
