//! The server in this process: its services and routers over a real store, without sockets and TLS. It can be killed at any
//! commit, and started again on what it left.
//!
//! What a listener would say of a caller, its address and its certificate, the world says: a device has an address of its own, an
//! operator the certificate of the test PKI.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tokio::sync::Notify;
use tower::Service as _;

use super::SimulationError;
use super::ground::Ground;
use super::network::{Caller, lock};
use crate::crypto::seal::{Sealer, SealingKey};
use crate::domain::{Mode, NotEligible, Operator};
use crate::env::{Clock, Rng};
use crate::http::caller::Operators;
use crate::http::listener::ClientCertificate;
use crate::http::{es2plus, es9plus};
use crate::inventory::{Delivery, Inventory};
use crate::jobs::end_reservations::end_reservations;
use crate::pki::tls::PeerIdentity;
use crate::smdp::catalogue::{Catalogue, Product};
use crate::smdp::downloads::DownloadCounts;
use crate::smdp::guesses::Guesses;
use crate::smdp::handle_download_progress_info::Callbacks;
use crate::smdp::identity::OfferedCis;
use crate::smdp::initiate_authentication::Version3Euiccs;
use crate::smdp::orders::{OrderSettings, Orders};
use crate::smdp::sessions::Sessions;
use crate::smdp::{Smdp, expiry};
use crate::store::watch::{ChangeKind, CommitPhase, CommitWatch, Verdict};
use crate::store::{Seen, Store, StoreUrl};

/// The largest answer that is carried: more than any that a client reads.
const ANSWER_OCTETS_MAX: usize = 16 << 20;

/// At which commit the server is to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    /// The first from now on is 0.
    pub(super) commit: u64,
    /// Before it, or behind it.
    pub(super) phase: CommitPhase,
}

/// Lets the store's writer die where the driver says so.
#[derive(Default)]
struct Fate {
    sentence: Mutex<Option<Death>>,
    died: Notify,
}

impl CommitWatch for Fate {
    fn at_commit(&self, phase: CommitPhase, _: &[ChangeKind]) -> Verdict {
        let mut sentence = lock(&self.sentence);
        let Some(death) = sentence.as_mut().filter(|death| death.phase == phase) else {
            return Verdict::GoOn;
        };
        if death.commit > 0 {
            death.commit -= 1;
            return Verdict::GoOn;
        }
        *sentence = None;
        self.died.notify_one();
        Verdict::Die
    }
}

/// What the caller of a server hears.
pub(super) enum Heard {
    /// An answer.
    Answer(Response<Vec<u8>>),
    /// Nothing: the server died, or was dead already.
    Nothing,
}

/// A server that lives.
struct Alive {
    smdp: Arc<Smdp>,
    es9plus: Router,
    es2plus: Router,
}

/// The server, alive or dead, and what outlives it.
pub(super) struct World<'g> {
    ground: &'g Ground,
    url: StoreUrl,
    sealing_key: SealingKey,
    clock: Clock,
    rng: Rng,
    fate: Arc<Fate>,
    alive: Option<Alive>,
    commits: u64,
}

/// Whoever shows the certificate of the test PKI's operator is the owner of all profiles.
struct OneOperator(Operator);

impl Operators for OneOperator {
    fn operator(&self, _: &PeerIdentity) -> Option<Operator> {
        Some(self.0.clone())
    }
}

impl<'g> World<'g> {
    /// A world whose server was never started; its store will lie in `folder`.
    pub(super) fn new(ground: &'g Ground, folder: &Path, clock: Clock, rng: Rng) -> Self {
        Self {
            ground,
            url: StoreUrl::Sqlite(folder.join("simyard.db")),
            sealing_key: SealingKey::generate(&rng),
            clock,
            rng,
            fate: Arc::default(),
            alive: None,
            commits: 0,
        }
    }

    /// Starts the server on what the one before has left.
    pub(super) async fn start(&mut self) -> Result<(), SimulationError> {
        self.kill();
        self.fate = Arc::default();
        let store = Store::open_watched(&self.url, Arc::clone(&self.fate) as _).await?;
        let (clock, rng) = (self.clock.clone(), self.rng.clone());
        let orders = Orders {
            store: store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            settings: OrderSettings {
                smdp_address: Some(self.ground.address.clone()),
                ..OrderSettings::default()
            },
        };
        let smdp = Arc::new(Smdp {
            store,
            sealer: Sealer::new(&self.sealing_key, rng.clone())?,
            sessions: Sessions::new(clock.clone(), Default::default()),
            guesses: Guesses::new(clock.clone(), Default::default()),
            downloads: DownloadCounts::default(),
            seen: Seen::default(),
            clock,
            rng,
            anchors: Arc::clone(&self.ground.anchors),
            identities: vec![Arc::clone(&self.ground.identity)],
            addresses: vec![self.ground.address.clone()],
            catalogue: self.catalogue(),
            limits: Default::default(),
            version3_euiccs: Version3Euiccs::default(),
            callbacks: Callbacks::default(),
        });
        let operators = Arc::new(OneOperator(self.ground.owner.clone()));
        self.alive = Some(Alive {
            es9plus: es9plus::router(Arc::clone(&smdp), OfferedCis::all()),
            es2plus: es2plus::router(Arc::new(orders), operators),
            smdp,
        });
        Ok(())
    }

    fn catalogue(&self) -> Catalogue {
        let mut catalogue = Catalogue::new(Mode::Test);
        let product = Product {
            metadata: self.ground.metadata(),
            key_mode: Default::default(),
            needs: None,
            template: Some(self.ground.template.clone()),
            demands: Default::default(),
            not_eligible: NotEligible::default(),
        };
        catalogue.add(self.ground.profile_type.clone(), product);
        catalogue
    }

    /// Ends the server as a killed process ends: what it knew is gone but for its store.
    pub(super) fn kill(&mut self) {
        if let Some(alive) = self.alive.take() {
            self.commits += alive.smdp.store.commits();
        }
    }

    /// Whether the server runs.
    pub(super) const fn is_alive(&self) -> bool {
        self.alive.is_some()
    }

    /// The store of the server that runs; `None` while none does.
    pub(super) fn store(&self) -> Option<&Store> {
        self.alive.as_ref().map(|alive| &alive.smdp.store)
    }

    /// How many commits there were, of all servers together.
    pub(super) fn commits(&self) -> u64 {
        self.commits + self.store().map_or(0, Store::commits)
    }

    /// Takes a manufacturer's file into the stock.
    pub(super) async fn ingest(&self, file: Vec<u8>) -> Result<(), SimulationError> {
        let Some(alive) = &self.alive else { return Ok(()) };
        let Smdp { store, sealer, clock, rng, .. } = &*alive.smdp;
        let inventory = Inventory {
            store: store.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            mode: Mode::Test,
        };
        let (owner, profile_type) = (self.ground.owner.clone(), self.ground.profile_type.clone());
        let delivery = Delivery::local(owner, profile_type, Some(self.ground.template.clone()));
        inventory.ingest_csv(std::io::Cursor::new(file), &delivery).await?;
        Ok(())
    }

    /// Lets the server answer a request, or die over it where it is sentenced to.
    pub(super) async fn call(
        &mut self,
        caller: Caller,
        request: Request<Vec<u8>>,
        death: Option<Death>,
    ) -> Heard {
        let Some(alive) = &self.alive else { return Heard::Nothing };
        let mut request = request.map(Body::from);
        let mut router = match caller {
            Caller::Operator => {
                let certificate = self.ground.pki.operator.certificate.der();
                request.extensions_mut().insert(ClientCertificate::of(certificate));
                alive.es2plus.clone()
            }
            Caller::Device(peer) => {
                request.extensions_mut().insert(peer);
                alive.es9plus.clone()
            }
        };
        *lock(&self.fate.sentence) = death;
        let answered = async {
            let Ok(response) = router.call(request).await;
            let (parts, body) = response.into_parts();
            // Bodies of our own handlers do not fail.
            let body = axum::body::to_bytes(body, ANSWER_OCTETS_MAX).await.unwrap_or_default();
            Response::from_parts(parts, body.to_vec())
        };
        self.unless_dead(answered).await.map_or(Heard::Nothing, Heard::Answer)
    }

    /// One turn of each job of the server; the store may die before the first commit.
    pub(super) async fn turn(&mut self, death: Option<Death>) -> Result<(), SimulationError> {
        let Some(alive) = &self.alive else { return Ok(()) };
        let smdp = Arc::clone(&alive.smdp);
        *lock(&self.fate.sentence) = death;
        let turned = async {
            expiry::end_expired(&smdp).await?;
            smdp.seen.note(&smdp.store).await?;
            end_reservations(&smdp.store, &smdp.clock).await
        };
        self.unless_dead(turned).await.transpose()?;
        Ok(())
    }

    /// What comes of the server's work; nothing if it dies.
    async fn unless_dead<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let fate = Arc::clone(&self.fate);
        let done = tokio::select! {
            biased;
            () = fate.died.notified() => None,
            done = work => Some(done),
        };
        *lock(&fate.sentence) = None;
        if done.is_none() {
            self.kill();
        }
        done
    }

    /// Ends the server in order.
    pub(super) async fn end(&mut self) {
        if let Some(store) = self.store().cloned() {
            store.close().await;
        }
        self.kill();
    }
}
