//! Named identities of the admin API: made, given other credentials, removed, and recognised when they call.
//!
//! Nobody is told whether a token that is refused was nearly right, belonged to somebody once, or never was one. Callers of one
//! address that show wrong credentials again and again are not heard for a while; the right ones of the same address
//! are not either then, which is why the limit is far above what people mistype.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::token::{self, Token};
use crate::domain::draining::DrainingCounts;
use crate::domain::{Action, Actor, AuditSubject, Identity, IdentityName, NewAuditEntry};
use crate::env::{Clock, Rng, Timestamp};
use crate::ident::Peer;
use crate::store::{Constraint, Credential, NewIdentity, Store, StoreError};
pub use crate::store::{CredentialKind, CredentialRecord, IdentityRecord};

/// Wrong credentials of one address in an hour.
pub const FAILURES_PER_HOUR: NonZeroU32 = NonZeroU32::new(300).unwrap();
/// Calls of one identity in an hour that its right does not permit and that the audit tells of; there may be more.
pub const REFUSALS_PER_HOUR: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// How long the time at which a credential was taken last may lag behind.
const USED_LAG: Duration = Duration::from_secs(60);
/// Credentials whose last use is remembered; more are written down each time.
const REMEMBERED_MAX: usize = 10_000;

/// Who changes identities, and where from.
#[derive(Clone, Debug)]
pub struct Changer {
    /// Who.
    pub actor: Actor,
    /// The other end of the connection; `None` at the server itself.
    pub peer: Option<Peer>,
}

/// What an identity is to be known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewCredential {
    /// A token that is drawn.
    Token,
    /// A client certificate with this SHA-256.
    Certificate([u8; 32]),
}

/// Why an identity was not changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is one of this name.
    #[error("there is an identity {0} already: rotate its token, or remove it first")]
    NameInUse(IdentityName),
    /// There is none of this name.
    #[error("there is no identity {0}")]
    Unknown(IdentityName),
    /// Another identity has the certificate.
    #[error("an identity has this certificate already")]
    CredentialInUse,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Why a caller is not recognised.
#[derive(Debug, thiserror::Error)]
pub enum Unrecognised {
    /// Nothing was shown.
    #[error("a client certificate or a token is needed")]
    NothingShown,
    /// What was shown is not taken.
    #[error("the token or client certificate is not taken")]
    Refused,
    /// Too many wrong ones came from there.
    #[error("too many tokens or certificates of this address were wrong; the next one is heard in {} s", .0.as_secs().saturating_add(1))]
    TooMany(Duration),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// The identities of a store.
pub struct Identities {
    store: Store,
    clock: Clock,
    rng: Rng,
    failures: Mutex<DrainingCounts<Peer>>,
    refusals: Mutex<DrainingCounts<IdentityName>>,
    used: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl Identities {
    /// Those of `store`.
    #[must_use]
    pub fn new(store: Store, clock: Clock, rng: Rng) -> Self {
        let failures = Mutex::new(DrainingCounts::new(FAILURES_PER_HOUR));
        let refusals = Mutex::new(DrainingCounts::new(REFUSALS_PER_HOUR));
        Self { store, clock, rng, failures, refusals, used: Mutex::default() }
    }

    /// Makes an identity. Returns its token, if it has one: nobody can be told it again.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing was made then.
    pub async fn add(
        &self,
        changer: &Changer,
        identity: &Identity,
        new: NewCredential,
    ) -> Result<Option<Token>, IdentityError> {
        let (token, credential) = self.credential(new);
        let at = self.clock.now();
        let new = NewIdentity {
            identity: identity.clone(),
            credential,
            created_by: changer.actor.name().to_owned(),
            at,
        };
        let detail = format!("right {}, {}", identity.right, words(&credential));
        let entry = self.entry(changer, Action::IDENTITY_ADD, &identity.name, at).detail(detail);
        match self.store.add_identity(&new, entry).await {
            Ok(()) => Ok(token),
            Err(StoreError::InUse(Constraint::Identity)) => {
                Err(IdentityError::NameInUse(identity.name.clone()))
            }
            Err(StoreError::InUse(Constraint::Credential)) => Err(IdentityError::CredentialInUse),
            Err(cause) => Err(IdentityError::Store(cause)),
        }
    }

    /// Gives an identity another credential. Those that it has are taken for `keep_old` more. Returns the token, if it
    /// gets one.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing was changed then.
    pub async fn rotate(
        &self,
        changer: &Changer,
        name: &IdentityName,
        new: NewCredential,
        keep_old: Duration,
    ) -> Result<Option<Token>, IdentityError> {
        let (token, credential) = self.credential(new);
        let now = self.clock.now();
        let until = now.plus(keep_old);
        let detail = format!("{}, the earlier ones until {until}", words(&credential));
        let entry = self.entry(changer, Action::IDENTITY_ROTATE, name, now).detail(detail);
        match self.store.rotate_credential(name, &credential, now, until, entry).await {
            Ok(true) => Ok(token),
            Ok(false) => Err(IdentityError::Unknown(name.clone())),
            Err(StoreError::InUse(Constraint::Credential)) => Err(IdentityError::CredentialInUse),
            Err(cause) => Err(IdentityError::Store(cause)),
        }
    }

    /// Removes an identity: from now on it is nobody.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing was changed then.
    pub async fn remove(&self, changer: &Changer, name: &IdentityName) -> Result<(), IdentityError> {
        let entry = self.entry(changer, Action::IDENTITY_REMOVE, name, self.clock.now());
        match self.store.remove_identity(name, entry).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(IdentityError::Unknown(name.clone())),
            Err(cause) => Err(IdentityError::Store(cause)),
        }
    }

    /// An identity.
    ///
    /// # Errors
    /// [`IdentityError::Unknown`] or [`IdentityError::Store`].
    pub async fn one(&self, name: &IdentityName) -> Result<IdentityRecord, IdentityError> {
        let found = self.store.identity(name).await.map_err(IdentityError::Store)?;
        found.ok_or_else(|| IdentityError::Unknown(name.clone()))
    }

    /// A page of identities by rising name, behind `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, after: &str, limit: u32) -> Result<Vec<IdentityRecord>, StoreError> {
        self.store.identities(after, limit).await
    }

    /// Who shows this token, or, without one, this client certificate (its SHA-256), and calls from there?
    ///
    /// # Errors
    /// [`Unrecognised`].
    pub async fn recognise(
        &self,
        token: Option<&str>,
        certificate: Option<[u8; 32]>,
        peer: Peer,
    ) -> Result<Identity, Unrecognised> {
        let now = self.clock.monotonic();
        let shown = match (token, certificate) {
            (Some(token), _) => Some(token::credential(token)),
            (None, Some(digest)) => Some(Some(Credential { kind: CredentialKind::Certificate, digest })),
            (None, None) => None,
        };
        let Some(shown) = shown else { return Err(Unrecognised::NothingShown) };
        self.failures().check(&peer, now).map_err(Unrecognised::TooMany)?;
        let at = self.clock.now();
        let found = match &shown {
            Some(credential) => {
                self.store.identity_by_credential(credential, at).await.map_err(Unrecognised::Store)?
            }
            None => None,
        };
        let (Some(credential), Some(found)) = (shown, found) else {
            self.failures().count(&peer, now);
            return Err(Unrecognised::Refused);
        };
        if self.is_news(&credential, found.last_used_at, at)
            && let Err(error) = self.store.credential_used(&credential, at).await
        {
            tracing::warn!(%error, "the time of a credential's last use could not be written");
        }
        Ok(found.identity)
    }

    /// Writes into the audit that an identity called what its right does not permit: so often in an hour at most, since it may
    /// call on and on. It is refused all the same if that fails.
    pub async fn tell_refused(&self, name: &IdentityName, peer: Peer, why: &str, call: &str) {
        let now = self.clock.monotonic();
        {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if refusals.check(name, now).is_err() {
                return;
            }
            refusals.count(name, now);
        }
        let subject = AuditSubject::new("identity", name.as_str());
        let actor = Actor::Identity(name.clone());
        let entry = NewAuditEntry::new(self.clock.now(), actor, Action::API_CALL, subject);
        let entry = entry.from_peer(peer, &self.rng).refused(format!("{why}: {call}"));
        if let Err(error) = self.store.record(vec![entry]).await {
            tracing::warn!(%error, "that a call was refused could not be written into the audit");
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, DrainingCounts<Peer>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its last use is to be written down once more.
    fn is_news(&self, credential: &Credential, written: Option<Timestamp>, at: Timestamp) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let last = used.get(&credential.digest).copied().max(written);
        if last.is_some_and(|last| at < last.plus(USED_LAG)) {
            return false;
        }
        if used.len() >= REMEMBERED_MAX {
            used.clear();
        }
        used.insert(credential.digest, at);
        true
    }

    fn credential(&self, new: NewCredential) -> (Option<Token>, Credential) {
        match new {
            NewCredential::Token => {
                let token = Token::draw(&self.rng);
                let credential = token.credential();
                (Some(token), credential)
            }
            NewCredential::Certificate(digest) => {
                (None, Credential { kind: CredentialKind::Certificate, digest })
            }
        }
    }

    fn entry(&self, changer: &Changer, action: Action, name: &IdentityName, at: Timestamp) -> NewAuditEntry {
        let subject = AuditSubject::new("identity", name.as_str());
        let entry = NewAuditEntry::new(at, changer.actor.clone(), action, subject);
        match changer.peer {
            Some(peer) => entry.from_peer(peer, &self.rng),
            None => entry,
        }
    }
}

/// What the audit says of a credential: of a token, nothing.
fn words(credential: &Credential) -> String {
    match credential.kind {
        CredentialKind::Token => "a token".to_owned(),
        CredentialKind::Certificate => format!("certificate {}", hex::encode(credential.digest)),
    }
}
