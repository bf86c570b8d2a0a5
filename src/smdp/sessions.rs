//! RSP sessions: what the SM-DP+ keeps between the calls of one download (SGP.22 3.0).
//!
//! Only the transaction itself lives here, in memory: after a restart its identifier is unknown (8.10.1/3.9) and the
//! LPA starts a new one. What must survive stands in the store. Sessions hang on the transaction identifier alone,
//! never on a connection.
//!
//! A function takes its session out and puts it back: while it works, nobody else has it, and a second call with the
//! same identifier finds none. A call that is dropped half way puts it back as it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::identity::Identity;
use crate::domain::Order;
use crate::env::{Clock, Timestamp};
use crate::ident::TransactionId;
use crate::pki::VerifiedEuicc;
use crate::store::Material;

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
    pub material: Option<Material>,
    /// SHA-256 of the request that was answered.
    pub request_hash: [u8; 32],
    /// profileMetadata that was announced: the package carries the same octets.
    pub profile_metadata: Vec<u8>,
    /// smdpSigned2 that was sent.
    pub smdp_signed2: Vec<u8>,
    /// smdpSignature2 that was sent, as TLV.
    pub smdp_signature2: Vec<u8>,
    /// The bound package and the hash of the request it answered, once it was made.
    pub delivered: Option<Delivered>,
}

/// A package that was handed over in this session.
#[derive(Clone)]
pub struct Delivered {
    /// SHA-256 of the request that was answered.
    pub request_hash: [u8; 32],
    /// The answer.
    pub bound_profile_package: Arc<Vec<u8>>,
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
    const fn lifetime(&self) -> Duration {
        match self {
            Self::Initiated(_) => INITIATED_FOR,
            Self::ClientAuthenticated(_) => AUTHENTICATED_FOR,
        }
    }
}

/// No room for one more session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sessions are open")]
pub struct TooManySessions;

/// All open sessions of one server.
pub struct Sessions {
    inner: Mutex<Inner>,
    clock: Clock,
    limit: usize,
}

#[derive(Default)]
struct Inner {
    /// `None` while a function has the session.
    open: HashMap<TransactionId, (Timestamp, Option<Session>)>,
    ends: BTreeSet<(Timestamp, TransactionId)>,
}

impl Inner {
    fn remove(&mut self, id: &TransactionId) -> Option<Session> {
        let (end, session) = self.open.remove(id)?;
        self.ends.remove(&(end, id.clone()));
        session
    }

    fn insert(&mut self, id: TransactionId, end: Timestamp, session: Session) {
        self.ends.insert((end, id.clone()));
        self.open.insert(id, (end, Some(session)));
    }

    fn purge(&mut self, now: Timestamp) {
        while let Some((end, id)) = self.ends.first().cloned() {
            if end > now {
                break;
            }
            self.remove(&id);
        }
    }
}

impl Sessions {
    /// Room for `limit` sessions.
    #[must_use]
    pub fn new(clock: Clock, limit: usize) -> Self {
        Self { inner: Mutex::default(), clock, limit }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`TooManySessions`] when there is no room left.
    pub fn open(&self, id: TransactionId, session: Session) -> Result<(), TooManySessions> {
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.purge(now);
        if inner.open.len() >= self.limit {
            return Err(TooManySessions);
        }
        let end = now.plus(session.lifetime());
        inner.insert(id, end, session);
        Ok(())
    }

    /// Takes a session out to work on it; `None` if there is none, it expired, or another call has it.
    #[must_use]
    pub fn take(&self, id: &TransactionId) -> Option<SessionGuard<'_>> {
        let mut inner = self.lock();
        inner.purge(self.clock.now());
        let session = inner.open.get_mut(id)?.1.take()?;
        Some(SessionGuard { sessions: self, id: id.clone(), session: Some(session) })
    }

    /// How many sessions are open.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut inner = self.lock();
        inner.purge(self.clock.now());
        inner.open.len()
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
    session: Option<Session>,
}

impl SessionGuard<'_> {
    /// The session.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
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

    /// Goes on to the next state, with a life of its own.
    pub fn advance(mut self, next: Session) {
        self.session = None;
        let end = self.sessions.clock.now().plus(next.lifetime());
        let mut inner = self.sessions.lock();
        inner.remove(&self.id);
        inner.insert(self.id.clone(), end, next);
    }

    /// Ends the session.
    pub fn end(mut self) {
        self.session = None;
        self.sessions.lock().remove(&self.id);
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Some((_, slot)) = self.sessions.lock().open.get_mut(&self.id)
        {
            *slot = Some(session);
        }
    }
}
