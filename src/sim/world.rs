//! The server in this process: its services and routers over a real store, without sockets and TLS. It can be killed at any
//! commit, and started again on what it left.
//!
//! What a listener would say of a caller, its address and its certificate, the world says. Hosts are told apart by the name in
//! the request's URL, as DNS would: that of the SM-DP+ and that of the eIM.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tokio::sync::Notify;
use tower::Service as _;

use super::SimulationError;
use super::ground::Ground;
use super::ground::{EIM, FIRST_COUNTER, is_indirect};
use super::network::{Caller, lock};
use crate::client::ClientError;
use crate::client::es9plus::Es9PlusClient;
use crate::client::exchange::{Exchange, Exchanging, Limits};
use crate::crypto::seal::{Sealer, SealingKey};
use crate::domain::{
    Actor, Architecture, Deadlines, FreedomToSwitch, Mode, NotEligible, OldProfile, OperationId, Operator,
    Rollback, SwitchTarget, Switching, Task,
};
use crate::eim::caller::{ClientAuth, Devices, EidField, POLLS_PER_HOUR};
use crate::eim::introductions::Introductions;
use crate::eim::keys::EimKeys;
use crate::eim::laboratory::Laboratory;
use crate::eim::operations::{CreateOperationError, OperationRequest, create_operation};
use crate::eim::refusals::Refusals;
use crate::eim::relay::Relay;
use crate::eim::relay::sessions::{RelayLimits, RelaySessions};
use crate::eim::{Eim, POLL_WANTED_AFTER};
use crate::env::{Clock, Rng};
use crate::http::caller::Operators;
use crate::http::{es2plus, es9plus, esipa};
use crate::ident::{ActivationCode, Eid, Iccid, Peer};
use crate::inventory::formats::{AnyForm, Format, Options};
use crate::inventory::sub_class::SubClass;
use crate::inventory::{Delivery, Intent, Inventory};
use crate::jobs::end_reservations::end_reservations;
use crate::jobs::expire_operations::expire_operations;
use crate::jobs::forward_notifications::{ForwardLimits, ForwardNotifications};
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
use crate::store::{Association, DownloadWay, Seen, SeenBy, Store, StoreUrl};

/// The largest answer that is carried: more than any that a client reads.
const ANSWER_OCTETS_MAX: usize = 16 << 20;

mod campaigns;

pub(super) use campaigns::Hand;

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
    /// What was written, by all servers together.
    written: Arc<WrittenByAll>,
}

/// What all servers wrote together.
#[derive(Default)]
struct WrittenByAll {
    commits: AtomicU64,
    changes: AtomicU64,
}

impl CommitWatch for Fate {
    fn at_commit(&self, phase: CommitPhase, changes: &[ChangeKind]) -> Verdict {
        if phase == CommitPhase::After {
            let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
            self.written.commits.fetch_add(1, Ordering::Relaxed);
            self.written.changes.fetch_add(count, Ordering::Relaxed);
        }
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
    eim: Arc<Eim>,
    es9plus: Router,
    es2plus: Router,
    esipa: Router,
}

impl Alive {
    /// The interface that a path of a host belongs to.
    fn router(&self, request: &Request<Vec<u8>>) -> Router {
        match request.uri().host() {
            Some(EIM) => self.esipa.clone(),
            _ if request.uri().path().contains("/es2plus/") => self.es2plus.clone(),
            _ => self.es9plus.clone(),
        }
    }
}

/// The way from our eIM to our SM-DP+: in the same process, and so without faults of a network.
struct Inside {
    es9plus: Router,
    peer: Peer,
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inside")
    }
}

impl Exchange for Inside {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(self.peer);
        let router = self.es9plus.clone();
        Box::pin(async move { Ok::<_, ClientError>(answer(router, request).await) })
    }
}

/// What a router answers.
async fn answer(mut router: Router, request: Request<Body>) -> Response<Vec<u8>> {
    let Ok(response) = router.call(request).await;
    let (parts, body) = response.into_parts();
    // Bodies of our own handlers do not fail.
    let body = axum::body::to_bytes(body, ANSWER_OCTETS_MAX).await.unwrap_or_default();
    Response::from_parts(parts, body.to_vec())
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
    /// Rows that servers wrote which do not live any more.
    rows: u64,
}

/// What was written into the store.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Commits.
    pub(super) commits: u64,
    /// Changes in them; what is written beside the writer is one.
    pub(super) changes: u64,
    /// Rows that were inserted, changed or deleted.
    pub(super) rows: u64,
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
            rows: 0,
        }
    }

    /// Starts the server on what the one before has left.
    pub(super) async fn start(&mut self) -> Result<(), SimulationError> {
        self.kill();
        self.fate = Arc::new(Fate { written: Arc::clone(&self.fate.written), ..Fate::default() });
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
        let es9plus = es9plus::router(Arc::clone(&smdp), OfferedCis::all());
        let eim = Arc::new(self.eim(&smdp, es9plus.clone())?);
        let refusals = Arc::new(Refusals::new(self.clock.clone()));
        let (store, clock) = (smdp.store.clone(), self.clock.clone());
        let devices = Devices::new(store, EidField::SerialNumber, POLLS_PER_HOUR, refusals, clock);
        self.alive = Some(Alive {
            esipa: esipa::router(Arc::clone(&eim), Arc::new(devices), ClientAuth::Required),
            es9plus,
            es2plus: es2plus::router(Arc::new(orders), operators),
            smdp,
            eim,
        });
        Ok(())
    }

    fn eim(&self, smdp: &Smdp, es9plus: Router) -> Result<Eim, SimulationError> {
        let peer = Peer::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let servers = Es9PlusClient::over(Arc::new(Inside { es9plus, peer }));
        Ok(Eim {
            store: smdp.store.clone(),
            sealer: Sealer::new(&self.sealing_key, self.rng.clone())?,
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            eim_id: EIM.to_owned(),
            keys: EimKeys::new(Arc::clone(&self.ground.eim_key), []),
            anchors: Arc::clone(&self.ground.anchors),
            download: DownloadWay::Direct,
            deadlines: Deadlines::default(),
            poll_wanted_after: POLL_WANTED_AFTER,
            laboratory: Laboratory::Closed,
            sub_classes: [(self.ground.sub_class.clone(), Switching::Possible)].into(),
            contacts: Seen::new(SeenBy::Eim),
            introductions: Introductions::default(),
            relay: Relay {
                servers,
                sessions: RelaySessions::new(self.clock.clone(), RelayLimits::default()),
            },
        })
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
            self.rows += alive.smdp.store.rows_written().unwrap_or(0);
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

    /// What was written by all servers together.
    pub(super) fn written(&self) -> Written {
        Written {
            commits: self.fate.written.commits.load(Ordering::Relaxed),
            changes: self.fate.written.changes.load(Ordering::Relaxed),
            rows: self.rows + self.store().and_then(Store::rows_written).unwrap_or(0),
        }
    }

    /// Takes a manufacturer's file into the stock.
    pub(super) async fn ingest(&self, file: Vec<u8>) -> Result<(), SimulationError> {
        let Some(inventory) = self.inventory() else { return Ok(()) };
        let (owner, profile_type) = (self.ground.owner.clone(), self.ground.profile_type.clone());
        let delivery = Delivery::local(owner, profile_type, Some(self.ground.template.clone()));
        inventory.ingest_csv(std::io::Cursor::new(file), &delivery).await?;
        Ok(())
    }

    /// Takes the eUICCs of all devices into the register, with Freedom to Switch in use, and associates them with the eIM.
    pub(super) async fn ingest_euiccs(&self) -> Result<(), SimulationError> {
        let (Some(inventory), Some(store)) = (self.inventory(), self.store()) else { return Ok(()) };
        let sub_class = SubClass {
            euicc: true,
            architecture: Some(Architecture::Sgp32),
            freedom_to_switch: FreedomToSwitch::Active,
            switchable: true,
            ..SubClass::new(self.ground.sub_class.clone())
        };
        let (owner, profile_type) = (self.ground.owner.clone(), self.ground.profile_type.clone());
        let delivery = Delivery {
            sub_class: Some(Arc::new(sub_class)),
            trust: Some(Arc::clone(&self.ground.anchors)),
            ..Delivery::local(owner, profile_type, None)
        };
        let options = Options { format: Some(Format::Euiccs), ..inventory.options(&delivery) };
        let source = Box::new(AnyForm { options, accompanying: None });
        let file = std::io::Cursor::new(self.ground.euiccs()?);
        inventory.ingest(file, source, &delivery, Intent::TakeWhole, |_| {}).await?;
        let association = |(number, eid): (usize, Eid)| Association {
            eid,
            counter: FIRST_COUNTER,
            association_token: None,
            download: if is_indirect(number) { DownloadWay::Indirect } else { DownloadWay::Direct },
        };
        let eids = self.ground.eids()?;
        let associations: Vec<_> = eids.into_iter().enumerate().map(association).collect();
        store.associate(&associations, self.clock.now()).await?;
        Ok(())
    }

    fn inventory(&self) -> Option<Inventory> {
        let Smdp { store, sealer, clock, rng, .. } = &*self.alive.as_ref()?.smdp;
        Some(Inventory {
            store: store.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            mode: Mode::Test,
        })
    }

    /// Asks the eIM to switch a device to a profile that it is to download; `None` if the server died over it. The same
    /// profile is the same operation.
    pub(super) async fn switch(
        &mut self,
        eid: &Eid,
        iccid: &Iccid,
        code: ActivationCode,
        old: OldProfile,
        death: Option<Death>,
    ) -> Option<Result<OperationId, CreateOperationError>> {
        let eim = Arc::clone(&self.alive.as_ref()?.eim);
        let task = Task::Switch { to: SwitchTarget::Downloaded, rollback: Rollback::Granted, old };
        let request = OperationRequest {
            activation_code: Some(code),
            key: Some(iccid.to_string()),
            ..OperationRequest::new(task)
        };
        *lock(&self.fate.sentence) = death;
        let made = async { create_operation(&eim, eid, &request, &Actor::Server).await };
        self.unless_dead(made).await.map(|made| made.map(|created| created.operation_id))
    }

    /// Lets the server answer a request, or die over it where it is sentenced to.
    pub(super) async fn call(
        &mut self,
        caller: Caller,
        request: Request<Vec<u8>>,
        death: Option<Death>,
    ) -> Heard {
        let Some(alive) = &self.alive else { return Heard::Nothing };
        let router = alive.router(&request);
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(caller.peer);
        if let Some(certificate) = caller.certificate {
            request.extensions_mut().insert(certificate);
        }
        *lock(&self.fate.sentence) = death;
        self.unless_dead(answer(router, request)).await.map_or(Heard::Nothing, Heard::Answer)
    }

    /// One turn of each job of the server but that of campaigns, unless it dies over one of them.
    pub(super) async fn turn(&mut self, death: Option<Death>) -> Result<(), SimulationError> {
        let Some(alive) = &self.alive else { return Ok(()) };
        let (smdp, eim) = (Arc::clone(&alive.smdp), Arc::clone(&alive.eim));
        *lock(&self.fate.sentence) = death;
        let turned = async {
            expiry::end_expired(&smdp).await?;
            smdp.seen.note(&smdp.store).await?;
            end_reservations(&smdp.store, &smdp.clock).await?;
            expire_operations(&eim).await?;
            eim.contacts.note(&eim.store).await?;
            forward_notifications(&eim).turn().await?;
            Ok::<_, SimulationError>(())
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

/// The job that brings notifications to their receivers.
fn forward_notifications(eim: &Eim) -> ForwardNotifications {
    ForwardNotifications {
        store: eim.store.clone(),
        clock: eim.clock.clone(),
        rng: eim.rng.clone(),
        servers: eim.relay.servers.clone(),
        // One call at a time: which of several ended first would be up to the threads of the store.
        limits: ForwardLimits { concurrency: 1, of_receiver: 1, ..ForwardLimits::default() },
    }
}
