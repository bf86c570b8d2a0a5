//! Tells operators of downloads: ES2+.HandleDownloadProgressInfo (SGP.22 5.3.5), called by the SM-DP+ over mutual TLS.
//!
//! What is told stands in [`crate::smdp::handle_download_progress_info`]; here it is brought, at least once. A callback is
//! taken with a lease, posted, and deleted when the operator has it (HTTP 204, or 200 with a header that says success);
//! anything else is tried again after a time that doubles, until what it tells of is too old. Killed between the answer
//! and the deletion, the next one who takes it tells it again, under the same functionCallIdentifier.
//!
//! A profile's callbacks go one after the other, in the order in which things happened. Each operator has a task of its
//! own with so many calls at a time: one that does not answer holds up nobody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::attempt::{kept, pause};
use crate::binding::es2plus::HandleDownloadProgressInfoRequest;
use crate::binding::{RequestHeader, StatusCodeData};
use crate::client::TIMEOUT;
use crate::client::es2plus::Es2PlusClient;
use crate::domain::Operator;
use crate::env::{Clock, Rng};
use crate::store::{Attempt, Callback, Store, StoreError};

/// How long a callback is held by who took it: longer than any call takes.
const LEASE: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());
/// How often the store is looked at for what other processes wrote, and for what is due again.
const POLL: Duration = Duration::from_secs(1);

/// How hard operators are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackLimits {
    /// The age of what is told from which on a failed attempt is the last.
    pub give_up_after: Duration,
    /// Calls at a time to one operator, at least 1.
    pub concurrency: usize,
}

impl Default for CallbackLimits {
    fn default() -> Self {
        Self { give_up_after: Duration::from_secs(7 * 24 * 3600), concurrency: 8 }
    }
}

/// The job.
pub struct DeliverCallbacks {
    /// Where callbacks wait.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Spreads attempts that failed together.
    pub rng: Rng,
    /// functionRequesterIdentifier: our OID.
    pub requester: String,
    /// How hard operators are tried.
    pub limits: CallbackLimits,
    /// The operators that are told, and how each is called.
    pub operators: Vec<(Operator, Es2PlusClient)>,
}

impl DeliverCallbacks {
    /// Tells what there is to tell until `end` turns true. What is under way then is given back.
    pub async fn run(mut self, end: watch::Receiver<bool>) {
        let operators = std::mem::take(&mut self.operators);
        let desk = Arc::new(self);
        let mut couriers = JoinSet::new();
        for (operator, client) in operators {
            let courier = Courier { desk: Arc::clone(&desk), operator, client: Arc::new(client) };
            couriers.spawn(courier.run(end.clone()));
        }
        couriers.join_all().await;
    }

    /// What came of an attempt that failed with this answer.
    fn after_failure(&self, callback: &Callback, answer: &str) -> Attempt {
        let now = self.clock.now();
        let answer = kept(answer);
        let (operator, iccid, point) = (&callback.operator, &callback.iccid, callback.told.point.id());
        if callback.told.at.plus(self.limits.give_up_after) <= now {
            tracing::warn!(%operator, %iccid, point, answer, "the operator was not told, and will not be");
            return Attempt::GivenUp { answer };
        }
        let due_at = now.plus(pause(callback.attempts, &self.rng));
        tracing::warn!(%operator, %iccid, point, answer, %due_at, "the operator was not told yet");
        Attempt::Again { due_at, answer }
    }
}

/// Tells one operator.
struct Courier {
    desk: Arc<DeliverCallbacks>,
    operator: Operator,
    client: Arc<Es2PlusClient>,
}

/// The calls that wait for their answers, and what they tell, by its number.
#[derive(Default)]
struct UnderWay {
    calls: JoinSet<(i64, Attempt)>,
    callbacks: HashMap<i64, Callback>,
}

impl Courier {
    async fn run(self, mut end: watch::Receiver<bool>) {
        let mut written = self.desk.store.callbacks_written();
        let mut under_way = UnderWay::default();
        loop {
            self.log(self.take(&mut under_way).await);
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
            self.log(self.settle(&mut under_way, done).await);
        }
        self.log(self.give_back(under_way).await);
    }

    fn log(&self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            tracing::warn!(operator = %self.operator, %error, "callbacks wait for the store");
        }
    }

    /// Calls with what is due, so much at a time. A look comes first: to take is to write.
    async fn take(&self, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let (store, now) = (&self.desk.store, self.desk.clock.now());
        let free = self.desk.limits.concurrency.saturating_sub(under_way.calls.len());
        let is_due = store.next_callback_due(&self.operator).await?.is_some_and(|due_at| due_at <= now);
        if free == 0 || !is_due {
            return Ok(());
        }
        for callback in store.take_due_callbacks(&self.operator, now, now.plus(LEASE), free).await? {
            let (desk, client) = (Arc::clone(&self.desk), Arc::clone(&self.client));
            under_way.calls.spawn(attempt(desk, client, callback.clone()));
            under_way.callbacks.insert(callback.callback_id, callback);
        }
        Ok(())
    }

    /// Writes down what came of calls. One that panicked is forgotten with its lease.
    async fn settle(
        &self,
        under_way: &mut UnderWay,
        done: Vec<Result<(i64, Attempt), JoinError>>,
    ) -> Result<(), StoreError> {
        let settled: Vec<_> = done
            .into_iter()
            .flatten()
            .filter_map(|(callback_id, attempt)| Some((under_way.callbacks.remove(&callback_id)?, attempt)))
            .collect();
        self.desk.store.settle_callbacks(&settled, self.desk.clock.now()).await
    }

    /// Lets others have what is under way when this server ends; the operator may have got it.
    async fn give_back(&self, mut under_way: UnderWay) -> Result<(), StoreError> {
        under_way.calls.shutdown().await;
        let now = self.desk.clock.now();
        let again =
            || Attempt::Again { due_at: now, answer: "the server ended before the answer".to_owned() };
        let given_back: Vec<_> =
            under_way.callbacks.into_values().map(|callback| (callback, again())).collect();
        self.desk.store.settle_callbacks(&given_back, now).await
    }
}

/// One call.
async fn attempt(
    desk: Arc<DeliverCallbacks>,
    client: Arc<Es2PlusClient>,
    callback: Callback,
) -> (i64, Attempt) {
    let told = &callback.told;
    let request = HandleDownloadProgressInfoRequest {
        header: RequestHeader {
            function_requester_identifier: desk.requester.clone(),
            function_call_identifier: told.call_identifier.clone(),
        },
        eid: told.eid.clone(),
        iccid: callback.iccid.clone(),
        profile_type: callback.profile_type.clone(),
        timestamp: told.at,
        notification_point_id: told.point.id(),
        notification_point_status: told.outcome.clone().map_err(|failure| StatusCodeData {
            subject_code: failure.subject_code,
            reason_code: failure.reason_code,
            subject_identifier: None,
            message: Some(failure.message),
        }),
        result_data: told.result_data.clone(),
    };
    let attempt = match client.handle_download_progress_info(&request).await {
        Ok(()) => Attempt::Delivered,
        Err(error) => desk.after_failure(&callback, &error.to_string()),
    };
    (callback.callback_id, attempt)
}
