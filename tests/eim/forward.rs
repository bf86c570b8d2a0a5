//! The job that brings notifications to their receivers: in order, again where they were not taken, never for ever, and
//! without waiting for one receiver at the cost of another.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use serde_json::Value;
use simyard::client::ClientError;
use simyard::client::es9plus::Es9PlusClient;
use simyard::client::exchange::{Exchange, Exchanging, Limits};
use simyard::domain::ProfileEvent;
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::{Eid, ServerAddress};
use simyard::jobs::forward_notifications::{ForwardLimits, ForwardNotifications};
use simyard::store::{Forwarded, ForwardedSelection, Forwarding, NewForwarded, Store, StoreUrl};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::block_on;
use crate::server::euicc::{eid, from_base64};

crate::tests!(
    a_receiver_gets_what_it_must_have_in_order,
    what_is_not_taken_comes_again_and_is_given_up_in_the_end,
    a_receiver_that_never_answers_holds_up_no_other,
    a_receiver_that_cannot_be_reached_is_left_alone_for_a_while,
    what_is_under_way_at_the_end_is_given_back,
    what_was_brought_is_forgotten_when_it_is_old,
);

const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status(u16),
    /// Nothing, ever.
    Nothing,
    /// There is no way to it.
    NoWay,
}

/// SM-DP+ servers that take notifications: 204, unless they are bidden otherwise.
#[derive(Debug, Default)]
struct Receivers {
    heard: Mutex<Vec<(String, u8)>>,
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
}

impl Receivers {
    /// What the next calls to a receiver are answered; the last answer stays.
    fn answer(&self, host: &str, answers: &[Answer]) {
        self.answers.lock().unwrap().insert(host.to_owned(), answers.iter().copied().collect());
    }

    /// The calls until now: to whom, and the octet by which a notification is known here.
    fn heard(&self) -> Vec<(String, u8)> {
        self.heard.lock().unwrap().clone()
    }

    fn heard_by(&self, host: &str) -> Vec<u8> {
        self.heard().into_iter().filter(|(to, _)| to == host).map(|(_, octet)| octet).collect()
    }
}

impl Exchange for Receivers {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        let host = request.uri().authority().unwrap().as_str().to_owned();
        assert_eq!(request.uri().path(), "/gsma/rsp2/es9plus/handleNotification");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let notification = from_base64(&body["pendingNotification"]);
        self.heard.lock().unwrap().push((host.clone(), notification[2]));
        let answer = match self.answers.lock().unwrap().get_mut(&host) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers.front().copied().unwrap_or(Answer::Status(204)),
            None => Answer::Status(204),
        };
        Box::pin(async move {
            match answer {
                Answer::Status(status) => Ok(Response::builder().status(status).body(Vec::new()).unwrap()),
                Answer::Nothing => std::future::pending().await,
                Answer::NoWay => Err(ClientError::Transport { address: host, cause: "no route".to_owned() }),
            }
        })
    }
}

/// A store, the job on it, and the receivers.
struct World {
    store: Store,
    clock: Clock,
    receivers: Arc<Receivers>,
    end: watch::Sender<bool>,
    job: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(ForwardLimits::default()).await
    }

    async fn with(limits: ForwardLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let (clock, receivers) = (Clock::fixed(NOW), Arc::new(Receivers::default()));
        let (end, ended) = watch::channel(false);
        let job = ForwardNotifications {
            store: store.clone(),
            clock: clock.clone(),
            rng: Rng::seeded(3),
            servers: Es9PlusClient::over(Arc::clone(&receivers) as Arc<dyn Exchange>),
            limits,
        };
        let job = Some(tokio::spawn(job.run(ended)));
        Self { store, clock, receivers, end, job, _folder: folder }
    }

    async fn keep(&self, euicc: u32, seq_number: u8, host: &str) {
        let new = NewForwarded {
            eid: eid(euicc),
            seq_number: u32::from(seq_number),
            address: ServerAddress::parse(host).unwrap(),
            event: ProfileEvent::Enable,
            iccid: None,
            signed: vec![seq_number],
            raw: vec![0x30, 0x01, seq_number],
            at: self.clock.now(),
            due_at: self.clock.now(),
        };
        assert_eq!(self.store.forward_notification(new).await.unwrap(), Forwarding::New);
    }

    async fn all(&self) -> Vec<Forwarded> {
        self.store.forwarded_notifications(&ForwardedSelection::default(), 0, 1000, true).await.unwrap()
    }

    /// Waits until it is so.
    async fn until(&self, what: &str, done: impl Fn(&[Forwarded], &Receivers) -> bool) -> Vec<Forwarded> {
        let waited = async {
            loop {
                let all = self.all().await;
                if done(&all, &self.receivers) {
                    return all;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), waited).await {
            Ok(all) => all,
            Err(_) => panic!("it never came to {what}: {:?} {:#?}", self.receivers.heard(), self.all().await),
        }
    }

    async fn until_brought(&self, count: usize) -> Vec<Forwarded> {
        self.until("that many brought", |all, _| {
            all.iter().filter(|one| one.forwarded_at.is_some()).count() == count
        })
        .await
    }

    async fn end(&mut self) {
        self.end.send(true).unwrap();
        self.job.take().unwrap().await.unwrap();
    }
}

fn a_receiver_gets_what_it_must_have_in_order() {
    block_on(async {
        let world = World::new().await;
        world.receivers.answer("a.example", &[Answer::Nothing]);
        world.keep(0, 1, "a.example").await;
        world.until("a call", |_, receivers| receivers.heard().len() == 1).await;
        // While the first is on its way, those behind it come, in another order than their numbers'.
        for seq_number in [4, 2, 3] {
            world.keep(0, seq_number, "a.example").await;
        }
        world.keep(1, 9, "b.example:8443").await;
        let all = world.until_brought(1).await;
        assert_eq!(world.receivers.heard(), [("a.example".to_owned(), 1), ("b.example:8443".to_owned(), 9)]);
        let held: Vec<_> = all.iter().filter(|one| one.leased_until.is_some()).collect();
        assert_eq!(held.len(), 1, "the others of its eUICC wait for it");
        // Who holds it is forgotten with its lease.
        world.receivers.answer("a.example", &[Answer::Status(204)]);
        world.clock.advance(HOUR);
        world.until_brought(5).await;
        assert_eq!(world.receivers.heard_by("a.example"), [1, 1, 2, 3, 4]);
    });
}

fn what_is_not_taken_comes_again_and_is_given_up_in_the_end() {
    block_on(async {
        let world = World::new().await;
        world.receivers.answer("a.example", &[Answer::Status(500), Answer::Status(200), Answer::Status(503)]);
        world.keep(0, 1, "a.example").await;
        world.keep(0, 2, "a.example").await;
        for attempts in 1..=3 {
            let all = world
                .until("an attempt", |all, _| all[0].attempts == attempts && all[0].leased_until.is_none())
                .await;
            let due = all[0].due_at.as_millis() - world.clock.now().as_millis();
            assert!((5_000..=40_000).contains(&due), "{attempts}: {due}");
            assert_eq!((all[1].attempts, all[1].due_at), (0, all[0].due_at), "it waits for the first");
            world.clock.advance(HOUR);
        }
        let all =
            world.until("an answer", |all, _| all[0].attempts == 4 && all[0].leased_until.is_none()).await;
        assert_eq!(all[0].last_answer.as_deref(), Some("a.example answered HTTP 503"));
        world.clock.advance(7 * DAY);
        let all = world.until("the last attempt", |all, _| all[1].given_up_at.is_some()).await;
        assert_eq!(all[0].given_up_at, Some(world.clock.now()));
        assert_eq!(
            world.receivers.heard_by("a.example"),
            [1, 1, 1, 1, 1, 2],
            "the next one then had its turn"
        );
        // By hand they are tried once more.
        world.receivers.answer("a.example", &[Answer::Status(204)]);
        let selection = ForwardedSelection::default();
        assert_eq!(world.store.retry_forwarded(&selection, world.clock.now()).await.unwrap(), 2);
        let all = world.until_brought(2).await;
        assert!(all.iter().all(|one| one.given_up_at.is_none() && one.last_answer.is_none()), "{all:?}");
        assert_eq!(world.receivers.heard_by("a.example")[6..], [1, 2]);
    });
}

fn a_receiver_that_never_answers_holds_up_no_other() {
    block_on(async {
        let limits = ForwardLimits { concurrency: 6, of_receiver: 4, ..ForwardLimits::default() };
        let world = World::with(limits).await;
        world.receivers.answer("dead.example", &[Answer::Nothing]);
        for euicc in 0..8 {
            world.keep(euicc, 1, "dead.example").await;
        }
        world.until("four calls", |_, receivers| receivers.heard_by("dead.example").len() == 4).await;
        for euicc in 0..8 {
            world.keep(euicc, 2, "a.example").await;
        }
        world.until_brought(8).await;
        assert_eq!(world.receivers.heard_by("dead.example").len(), 4, "so many at a time and no more");
    });
}

fn a_receiver_that_cannot_be_reached_is_left_alone_for_a_while() {
    block_on(async {
        let limits = ForwardLimits { of_receiver: 1, ..ForwardLimits::default() };
        let world = World::with(limits).await;
        world.receivers.answer("gone.example", &[Answer::NoWay]);
        for euicc in 0..3 {
            world.keep(euicc, 1, "gone.example").await;
        }
        world.until("one attempt", |all, _| all.iter().any(|one| one.last_answer.is_some())).await;
        // Nothing else is tried there while others get theirs.
        world.keep(5, 7, "a.example").await;
        world.until_brought(1).await;
        assert_eq!(world.receivers.heard_by("gone.example").len(), 1);
        // Back again, it gets all of it.
        world.receivers.answer("gone.example", &[Answer::Status(204)]);
        world.clock.advance(HOUR);
        let all = world.until_brought(4).await;
        assert_eq!(world.receivers.heard_by("gone.example").len(), 4);
        let eids: Vec<&Eid> = all.iter().map(|one| &one.eid).collect();
        assert_eq!(eids.len(), 4);
    });
}

fn what_is_under_way_at_the_end_is_given_back() {
    block_on(async {
        let mut world = World::new().await;
        world.receivers.answer("a.example", &[Answer::Nothing]);
        world.keep(0, 1, "a.example").await;
        world.until("a call", |_, receivers| receivers.heard().len() == 1).await;
        world.end().await;
        let [kept] = world.all().await.try_into().unwrap();
        assert_eq!((kept.leased_until, kept.due_at, kept.attempts), (None, NOW, 1));
        assert_eq!(kept.last_answer.as_deref(), Some("the server ended before the answer"));
    });
}

fn what_was_brought_is_forgotten_when_it_is_old() {
    block_on(async {
        let world = World::new().await;
        world.keep(0, 1, "a.example").await;
        world.until_brought(1).await;
        world.receivers.answer("b.example", &[Answer::Status(500)]);
        world.keep(0, 2, "b.example").await;
        world.clock.advance(31 * DAY);
        let all = world.until("forgotten", |all, _| all.len() == 1).await;
        assert_eq!(all[0].seq_number, 2, "what was not brought stays, given up or not");
    });
}
