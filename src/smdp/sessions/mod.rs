//! RSP sessions: what the SM-DP+ keeps between the calls of one download (SGP.22 3.0).
//!
//! Only the transaction itself lives here, in memory: after a restart its identifier is unknown (8.10.1/3.9) and the
//! LPA starts a new one. What must survive stands in the store. Sessions hang on the transaction identifier alone,
//! never on a connection.
//!
//! A function has its session for itself while it works; a second call with the same identifier waits, since it may be
//! the repetition of one whose answer was cut off. A call that is dropped half way leaves the session as it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use self::strangers::Strangers;
use super::identity::Identity;
use crate::domain::{KeptPackages, Order};
use crate::env::Clock;
use crate::ident::{Peer, TransactionId};
use crate::pki::VerifiedEuicc;
use crate::store::Material;

mod strangers;

/// How long a client may take to authenticate.
const INITIATED_FOR: Duration = Duration::from_secs(300);
/// How long a user may take to consent and to type a confirmation code.
const AUTHENTICATED_FOR: Duration = Duration::from_secs(3600);

/// InitiateAuthentication is done.
pub struct Initiated {
    /// serverChallenge that the eUICC must sign.
    pub server_challenge: [u8; 16],
    /// The certificates and keys chosen for this eUICC.
    pub identity: Arc<Identity>,
}

/// AuthenticateClient is done.
pub struct ClientAuthenticated {
    /// The certificates and keys chosen for this eUICC.
    pub identity: Arc<Identity>,
    /// Who it is.
    pub euicc: VerifiedEuicc,
    /// The order as it was when the attempt was counted.
    pub order: Order,
    /// What was read with the order, if it is small: sessions are many, and ready-made packages large.
    pub material: Option<Arc<Material>>,
    /// SHA-256 of the request that was answered.
    pub request_hash: [u8; 32],
    /// profileMetadata that was announced: the package carries the same octets.
    pub profile_metadata: Vec<u8>,
    /// smdpSigned2 that was sent.
    pub smdp_signed2: Vec<u8>,
    /// smdpSignature2 that was sent, as TLV.
    pub smdp_signature2: Vec<u8>,
    /// SHA-256 of the latest request whose confirmation code was wrong: repeated, it is no further guess.
    pub refused_code: Option<[u8; 32]>,
    /// What was handed over, once it was; the package itself is [`SessionGuard::kept_package`].
    pub delivered: Option<Delivered>,
}

/// A package that was handed over in this session.
#[derive(Clone)]
pub struct Delivered {
    /// SHA-256 of the request that was answered.
    pub request_hash: [u8; 32],
    /// The order as the binding left it.
    pub order: Order,
}

/// How far a session is.
pub enum Session {
    /// InitiateAuthentication is done.
    Initiated(Initiated),
    /// AuthenticateClient is done; perhaps GetBoundProfilePackage too.
    ClientAuthenticated(Box<ClientAuthenticated>),
}

impl Session {
    const fn stage(&self) -> Stage {
        match self {
            Self::Initiated(_) => Stage::Initiated,
            Self::ClientAuthenticated(_) => Stage::ClientAuthenticated,
        }
    }
}

/// The name of a [`Session`]'s variant.
#[derive(Clone, Copy)]
enum Stage {
    Initiated,
    ClientAuthenticated,
}

impl Stage {
    const fn lifetime(self) -> Duration {
        match self {
            Self::Initiated => INITIATED_FOR,
            Self::ClientAuthenticated => AUTHENTICATED_FOR,
        }
    }
}

/// No room for one more session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sessions are open")]
pub struct TooManySessions;

/// What open sessions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// How many may be open.
    pub sessions: usize,
    /// Octets of all packages that are kept for a repetition.
    pub kept_package_octets: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { sessions: 100_000, kept_package_octets: 256 << 20 }
    }
}

/// All open sessions of one server.
pub struct Sessions {
    inner: Mutex<Inner>,
    clock: Clock,
    limit: usize,
}

struct Inner {
    open: HashMap<TransactionId, Entry>,
    /// When sessions end, those that anybody may open apart from those of an authenticated eUICC.
    initiated: BTreeSet<(Duration, TransactionId)>,
    strangers: Strangers,
    authenticated: BTreeSet<(Duration, TransactionId)>,
    packages: KeptPackages,
    /// How many sessions had to make room.
    displaced: u64,
}

struct Entry {
    end: Duration,
    peer: Peer,
    stage: Stage,
    session: SharedSession,
}

/// Locked while a function has the session; `None` once it has ended, for those that waited for it.
type SharedSession = Arc<tokio::sync::Mutex<Option<Session>>>;

impl Inner {
    const fn ends(&mut self, stage: Stage) -> &mut BTreeSet<(Duration, TransactionId)> {
        match stage {
            Stage::Initiated => &mut self.initiated,
            Stage::ClientAuthenticated => &mut self.authenticated,
        }
    }

    fn remove(&mut self, id: &TransactionId) {
        if let Some(Entry { end, peer, stage, .. }) = self.open.remove(id) {
            self.ends(stage).remove(&(end, id.clone()));
            self.packages.forget(id);
            match stage {
                Stage::Initiated => self.strangers.remove(peer, end, id),
                Stage::ClientAuthenticated => {}
            }
        }
    }

    fn insert(&mut self, id: TransactionId, peer: Peer, now: Duration, stage: Stage, session: SharedSession) {
        let end = now.saturating_add(stage.lifetime());
        self.ends(stage).insert((end, id.clone()));
        match stage {
            Stage::Initiated => self.strangers.add(peer, end, id.clone()),
            Stage::ClientAuthenticated => {}
        }
        self.open.insert(id, Entry { end, peer, stage, session });
    }

    fn purge(&mut self, now: Duration) {
        for stage in [Stage::Initiated, Stage::ClientAuthenticated] {
            while let Some((end, id)) = self.ends(stage).first()
                && *end <= now
            {
                let id = id.clone();
                self.remove(&id);
            }
        }
    }
}

impl Sessions {
    /// None is open yet.
    #[must_use]
    pub fn new(clock: Clock, limits: SessionLimits) -> Self {
        let inner = Inner {
            open: HashMap::new(),
            initiated: BTreeSet::new(),
            strangers: Strangers::default(),
            authenticated: BTreeSet::new(),
            packages: KeptPackages::new(limits.kept_package_octets),
            displaced: 0,
        };
        Self { inner: Mutex::new(inner), clock, limit: limits.sessions }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session for a caller at `peer`. When there is no room left, one that is merely initiated goes: it holds a
    /// challenge, and no eUICC has proved anything in it. It is the oldest of the peer that holds most of them.
    ///
    /// # Errors
    /// [`TooManySessions`] when authenticated eUICCs hold all places.
    pub fn open(&self, id: TransactionId, peer: Peer, session: Session) -> Result<(), TooManySessions> {
        let now = self.clock.monotonic();
        let mut inner = self.lock();
        inner.purge(now);
        if inner.open.len() >= self.limit {
            let displaced = inner.strangers.displaced().ok_or(TooManySessions)?;
            inner.remove(&displaced);
            inner.displaced += 1;
        }
        inner.insert(id, peer, now, session.stage(), Arc::new(tokio::sync::Mutex::new(Some(session))));
        Ok(())
    }

    /// Takes a session to work on it, once no other call has it; `None` if there is none, or it ended.
    pub async fn take(&self, id: &TransactionId) -> Option<SessionGuard<'_>> {
        let (peer, session) = {
            let mut inner = self.lock();
            inner.purge(self.clock.monotonic());
            let entry = inner.open.get(id)?;
            (entry.peer, Arc::clone(&entry.session))
        };
        let session = session.lock_owned().await;
        session.is_some().then(|| SessionGuard { sessions: self, id: id.clone(), peer, session })
    }

    /// How many sessions are open.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut inner = self.lock();
        inner.purge(self.clock.monotonic());
        inner.open.len()
    }

    /// How many had to make room for others since the start.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.lock().displaced
    }

    /// Octets of the packages that are kept for a repetition.
    #[must_use]
    pub fn kept_package_octets(&self) -> usize {
        self.lock().packages.octets()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A session while a function works on it.
pub struct SessionGuard<'a> {
    sessions: &'a Sessions,
    id: TransactionId,
    peer: Peer,
    session: OwnedMutexGuard<Option<Session>>,
}

impl SessionGuard<'_> {
    /// The session.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The session after AuthenticateClient; `None` before.
    #[must_use]
    pub fn client_authenticated(&mut self) -> Option<&mut ClientAuthenticated> {
        match self.session.as_mut() {
            Some(Session::ClientAuthenticated(session)) => Some(session),
            Some(Session::Initiated(_)) | None => None,
        }
    }

    /// The package that was handed over in this session, if there was room to keep it.
    #[must_use]
    pub fn kept_package(&self) -> Option<Arc<Vec<u8>>> {
        self.sessions.lock().packages.get(&self.id)
    }

    /// Keeps a package for a repetition, as long as the session is open.
    pub fn keep_package(&self, package: Arc<Vec<u8>>) {
        let mut inner = self.sessions.lock();
        if inner.open.contains_key(&self.id) {
            inner.packages.keep(&self.id, package);
        }
    }

    /// Goes on to the next state, with a life of its own.
    pub fn advance(mut self, next: Session) {
        let stage = next.stage();
        *self.session = Some(next);
        let now = self.sessions.clock.monotonic();
        let session = Arc::clone(OwnedMutexGuard::mutex(&self.session));
        let mut inner = self.sessions.lock();
        inner.remove(&self.id);
        inner.insert(self.id, self.peer, now, stage, session);
    }

    /// Ends the session.
    pub fn end(mut self) {
        *self.session = None;
        self.sessions.lock().remove(&self.id);
    }
}
