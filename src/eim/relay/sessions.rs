//! Relayed sessions: what the eIM keeps between the calls of one indirect download (SGP.32 3.2.3.2).
//!
//! They live in memory alone: after a restart the transaction is unknown, and the IPA begins anew with its trigger. An eUICC
//! has one session; another one takes its place. A call has its session for itself while it works, as long as the SM-DP+
//! needs; a second call of the same session waits, since it may be the repetition of one whose answer was lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use simyard_asn1::Oid;
use simyard_asn1::iot::esipa::AuthenticateClientOkDp;
use tokio::sync::OwnedMutexGuard;

use crate::crypto::ecdsa::PublicKey;
use crate::domain::KeptPackages;
use crate::env::Clock;
use crate::ident::{Eid, Iccid, ServerAddress, TransactionId};

/// For so long after its latest step a session is open: devices that sleep are slow.
const OPEN_FOR: Duration = Duration::from_secs(3600);

/// What open sessions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// How many may be open.
    pub sessions: usize,
    /// Octets of all packages that are kept for a repetition.
    pub kept_package_octets: usize,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self { sessions: 20_000, kept_package_octets: 128 << 20 }
    }
}

/// A session that an SM-DP+ opened. No `Debug`: the matching identifier is worth a profile.
pub struct RelaySession {
    /// Whose it is.
    pub eid: Eid,
    /// The trigger that the device answers.
    pub eim_transaction_id: TransactionId,
    /// The SM-DP+.
    pub address: ServerAddress,
    /// The same as it spells it itself: so the eUICC's result names it.
    pub notification_address: ServerAddress,
    /// The OID in its certificate.
    pub smdp_oid: Oid,
    /// serverSigned1, as the SM-DP+ signed it.
    pub server_signed1: Vec<u8>,
    /// ctxParams1 that the eIM made for the IPA.
    pub ctx_params1: Option<Vec<u8>>,
    /// SHA-256 of the confirmation code that the eIM holds.
    pub code_hash: Option<[u8; 32]>,
    /// AuthenticateClient is done.
    pub authenticated: Option<Box<Authenticated>>,
}

/// What AuthenticateClient left.
pub struct Authenticated {
    /// SHA-256 of the request that was answered.
    pub request_hash: [u8; 32],
    /// The answer.
    pub answer: AuthenticateClientOkDp,
    /// profileMetadata that the SM-DP+ announced: the package stores the same octets.
    pub profile_metadata: Vec<u8>,
    /// The profile that they are about.
    pub iccid: Iccid,
    /// The key in the eUICC's certificate, which the SM-DP+ took; `None` if it is on a curve that is not known here.
    pub euicc_key: Option<PublicKey>,
    /// The policy rule for which the eIM refused the profile: then the session is there to be cancelled.
    pub forbidden_rule: Option<&'static str>,
    /// SHA-256 of the request that was answered with a package.
    pub delivered: Option<[u8; 32]>,
}

/// The SM-DP+ chose the transactionId of a session of another eUICC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its transactionId is that of another eUICC's session")]
pub struct TakenTransaction;

/// All relayed sessions of an eIM.
pub struct RelaySessions {
    inner: Mutex<Inner>,
    clock: Clock,
    limit: usize,
}

struct Inner {
    open: HashMap<TransactionId, Entry>,
    of_euicc: HashMap<Eid, TransactionId>,
    /// When sessions end.
    ends: BTreeSet<(Duration, TransactionId)>,
    packages: KeptPackages,
}

struct Entry {
    end: Duration,
    eid: Eid,
    session: SharedSession,
}

/// Locked while a call has the session; `None` once it has ended, for those that waited for it.
type SharedSession = Arc<tokio::sync::Mutex<Option<RelaySession>>>;

impl Inner {
    fn remove(&mut self, id: &TransactionId) {
        if let Some(Entry { end, eid, .. }) = self.open.remove(id) {
            self.ends.remove(&(end, id.clone()));
            self.packages.forget(id);
            if self.of_euicc.get(&eid) == Some(id) {
                self.of_euicc.remove(&eid);
            }
        }
    }

    fn purge(&mut self, now: Duration) {
        while let Some((end, id)) = self.ends.first()
            && *end <= now
        {
            let id = id.clone();
            self.remove(&id);
        }
    }

    fn renew(&mut self, id: &TransactionId, now: Duration) {
        if let Some(entry) = self.open.get_mut(id) {
            self.ends.remove(&(entry.end, id.clone()));
            entry.end = now.saturating_add(OPEN_FOR);
            self.ends.insert((entry.end, id.clone()));
        }
    }
}

impl RelaySessions {
    /// None is open yet.
    #[must_use]
    pub fn new(clock: Clock, limits: RelayLimits) -> Self {
        let inner = Inner {
            open: HashMap::new(),
            of_euicc: HashMap::new(),
            ends: BTreeSet::new(),
            packages: KeptPackages::new(limits.kept_package_octets),
        };
        Self { inner: Mutex::new(inner), clock, limit: limits.sessions.max(1) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session in place of an earlier one of the same eUICC. When there is no room left, the one that nothing was
    /// heard of for the longest time goes.
    ///
    /// # Errors
    /// [`TakenTransaction`].
    pub fn open(&self, id: TransactionId, session: RelaySession) -> Result<(), TakenTransaction> {
        let now = self.clock.monotonic();
        let mut inner = self.lock();
        inner.purge(now);
        if inner.open.get(&id).is_some_and(|entry| entry.eid != session.eid) {
            return Err(TakenTransaction);
        }
        inner.remove(&id);
        if let Some(earlier) = inner.of_euicc.get(&session.eid).cloned() {
            inner.remove(&earlier);
        }
        if inner.open.len() >= self.limit
            && let Some((_, oldest)) = inner.ends.first().cloned()
        {
            inner.remove(&oldest);
        }
        let end = now.saturating_add(OPEN_FOR);
        let eid = session.eid.clone();
        inner.ends.insert((end, id.clone()));
        inner.of_euicc.insert(eid.clone(), id.clone());
        let session = Arc::new(tokio::sync::Mutex::new(Some(session)));
        inner.open.insert(id, Entry { end, eid, session });
        Ok(())
    }

    /// Whose session this is; `None` if there is none.
    #[must_use]
    pub fn eid(&self, id: &TransactionId) -> Option<Eid> {
        let mut inner = self.lock();
        inner.purge(self.clock.monotonic());
        inner.open.get(id).map(|entry| entry.eid.clone())
    }

    /// Takes a session to work on it, once no other call has it; `None` if there is none, or it ended.
    pub async fn take(&self, id: &TransactionId) -> Option<RelayGuard<'_>> {
        let session = {
            let mut inner = self.lock();
            inner.purge(self.clock.monotonic());
            Arc::clone(&inner.open.get(id)?.session)
        };
        let session = session.lock_owned().await;
        session.is_some().then(|| RelayGuard { sessions: self, id: id.clone(), session })
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut inner = self.lock();
        inner.purge(self.clock.monotonic());
        inner.open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A session while a call works on it.
pub struct RelayGuard<'a> {
    sessions: &'a RelaySessions,
    id: TransactionId,
    session: OwnedMutexGuard<Option<RelaySession>>,
}

impl RelayGuard<'_> {
    /// The session.
    #[must_use]
    pub fn session(&mut self) -> Option<&mut RelaySession> {
        self.session.as_mut()
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

    /// A step was done: the session is open for a while from now on.
    pub fn renew(&self) {
        self.sessions.lock().renew(&self.id, self.sessions.clock.monotonic());
    }

    /// Ends the session.
    pub fn end(mut self) {
        *self.session = None;
        let mut inner = self.sessions.lock();
        let is_this = |entry: &Entry| Arc::ptr_eq(&entry.session, OwnedMutexGuard::mutex(&self.session));
        // Another one may have taken its place meanwhile.
        if inner.open.get(&self.id).is_some_and(is_this) {
            inner.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Timestamp;

    fn id(number: u8) -> TransactionId {
        TransactionId::from_octets(&[number]).unwrap()
    }

    fn eid(number: u8) -> Eid {
        Eid::parse(&format!("8904903200000000000000000000{number:04}")).unwrap()
    }

    fn session(eid: &Eid) -> RelaySession {
        RelaySession {
            eid: eid.clone(),
            eim_transaction_id: id(7),
            address: ServerAddress::parse("smdp.example").unwrap(),
            notification_address: ServerAddress::parse("SMDP.example").unwrap(),
            smdp_oid: Oid::parse("2.999.10").unwrap(),
            server_signed1: Vec::new(),
            ctx_params1: None,
            code_hash: None,
            authenticated: None,
        }
    }

    fn sessions(limit: usize) -> (RelaySessions, Clock) {
        let clock = Clock::fixed(Timestamp::from_secs(1000));
        let limits = RelayLimits { sessions: limit, kept_package_octets: 100 };
        (RelaySessions::new(clock.clone(), limits), clock)
    }

    #[tokio::test]
    async fn an_euicc_has_one_session_and_another_one_takes_its_place() {
        let (sessions, _) = sessions(10);
        sessions.open(id(1), session(&eid(1))).unwrap();
        let guard = sessions.take(&id(1)).await.unwrap();
        guard.keep_package(Arc::new(vec![1; 10]));
        sessions.open(id(2), session(&eid(1))).unwrap();
        assert_eq!((sessions.len(), sessions.eid(&id(1)), sessions.eid(&id(2))), (1, None, Some(eid(1))));
        assert!(guard.kept_package().is_none(), "it went with its session");
        guard.keep_package(Arc::new(vec![1; 10]));
        assert_eq!(sessions.lock().packages.octets(), 0, "nothing is kept for one that is gone");
        // A call that still works on the earlier one does not end the later one.
        sessions.open(id(1), session(&eid(1))).unwrap();
        guard.end();
        assert_eq!((sessions.len(), sessions.eid(&id(1))), (1, Some(eid(1))));
        sessions.take(&id(1)).await.unwrap().end();
        assert!(
            sessions.is_empty() && sessions.lock().of_euicc.is_empty() && sessions.lock().ends.is_empty()
        );
    }

    #[tokio::test]
    async fn no_server_takes_the_session_of_another_euicc() {
        let (sessions, _) = sessions(10);
        sessions.open(id(1), session(&eid(1))).unwrap();
        assert_eq!(sessions.open(id(1), session(&eid(2))), Err(TakenTransaction));
        assert_eq!(sessions.eid(&id(1)), Some(eid(1)));
        assert!(sessions.open(id(1), session(&eid(1))).is_ok());
        assert_eq!(sessions.len(), 1);
    }

    #[tokio::test]
    async fn sessions_end_with_time_and_steps_renew_them() {
        let (sessions, clock) = sessions(10);
        sessions.open(id(1), session(&eid(1))).unwrap();
        sessions.open(id(2), session(&eid(2))).unwrap();
        clock.advance(OPEN_FOR / 2);
        sessions.take(&id(1)).await.unwrap().renew();
        clock.advance(OPEN_FOR / 2);
        assert_eq!((sessions.eid(&id(1)), sessions.eid(&id(2))), (Some(eid(1)), None));
        assert!(sessions.take(&id(2)).await.is_none());
        clock.advance(OPEN_FOR / 2);
        assert!(sessions.is_empty());
    }

    #[tokio::test]
    async fn the_quietest_gives_way_when_all_places_are_taken() {
        let (sessions, clock) = sessions(2);
        for number in 1..=2 {
            sessions.open(id(number), session(&eid(number))).unwrap();
            clock.advance(Duration::from_secs(1));
        }
        sessions.take(&id(1)).await.unwrap().renew();
        sessions.open(id(3), session(&eid(3))).unwrap();
        assert_eq!((sessions.len(), sessions.eid(&id(2))), (2, None));
        assert_eq!((sessions.eid(&id(1)), sessions.eid(&id(3))), (Some(eid(1)), Some(eid(3))));
    }

    #[tokio::test]
    async fn who_waited_for_a_session_that_ended_finds_none() {
        let (sessions, _) = sessions(2);
        sessions.open(id(1), session(&eid(1))).unwrap();
        let first = sessions.take(&id(1)).await.unwrap();
        let first_id = id(1);
        let mut second = Box::pin(sessions.take(&first_id));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        first.end();
        assert!(second.await.is_none());
    }
}
