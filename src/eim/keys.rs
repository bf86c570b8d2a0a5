//! The keys that sign eUICC packages: the first one, which eUICCs are given from now on, and others, which eUICCs know that have
//! not been told of the first, or that are told of the next one (SGP.32 2.11.1.1.1, updateEim).
//!
//! Which key an eUICC knows is written at the eUICC. A new key is announced under the one that it knows, and counts from the
//! change on in which the eUICC's signed result is taken: until then everything is signed under the old one. An eUICC that has
//! the new key already and is handed the package once more answers with an unsigned error; then its stored results are asked
//! for, and the one of updateEim among them says it.

use std::sync::Arc;

use super::Eim;
use super::ecos::update_key;
use super::operations::{CreateOperationError, OperationRequest, associated, create_operation};
use crate::crypto::ecdsa::{PublicKey, SigningKey};
use crate::crypto::hash::sha256;
use crate::domain::{Action, Actor, AuditSubject, NewAuditEntry, OperationId, Task};
use crate::ident::Eid;
use crate::pki::public_key::to_subject_public_key_info;
use crate::store::StoreError;

/// SHA-256 of a key as SubjectPublicKeyInfo, in hexadecimal digits.
#[must_use]
pub fn key_digest(key: &PublicKey) -> String {
    hex::encode(sha256(&to_subject_public_key_info(key)))
}

/// A key with its digest. No `Debug`: it signs.
#[derive(Clone)]
pub struct EimKey {
    /// [`key_digest`].
    pub digest: String,
    /// SK.EIM.ECDSA.
    pub key: Arc<SigningKey>,
}

/// The keys of an eIM.
#[derive(Clone)]
pub struct EimKeys {
    first: EimKey,
    others: Vec<EimKey>,
}

impl EimKeys {
    /// The first key, and others.
    #[must_use]
    pub fn new(first: Arc<SigningKey>, others: impl IntoIterator<Item = Arc<SigningKey>>) -> Self {
        let named = |key: Arc<SigningKey>| EimKey { digest: key_digest(key.public_key()), key };
        Self { first: named(first), others: others.into_iter().map(named).collect() }
    }

    /// The key that eUICCs are given.
    #[must_use]
    pub const fn first(&self) -> &EimKey {
        &self.first
    }

    /// All of them, the first one first.
    pub fn all(&self) -> impl Iterator<Item = &EimKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The key that an eUICC knows by what is written of it; `None` if the settings do not have it.
    #[must_use]
    pub fn known(&self, digest: Option<&str>) -> Option<&SigningKey> {
        let Some(digest) = digest else { return Some(&self.first.key) };
        self.all().find(|one| one.digest == digest).map(|one| &*one.key)
    }
}

/// A key, and how many eUICCs know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// [`key_digest`].
    pub digest: String,
    /// How many eUICCs.
    pub euiccs: i64,
    /// What the settings have it as.
    pub place: KeyPlace,
}

/// What the settings have a key as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// eUICCs are given it.
    First,
    /// A further one.
    Further,
    /// They do not have it.
    Missing,
}

impl KeyPlace {
    /// Its name, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Further => "further",
            Self::Missing => "missing",
        }
    }
}

/// The keys of the settings, the first one first, and those that eUICCs know beside them; `counts` is what the store counts.
#[must_use]
pub fn known_keys(keys: &EimKeys, counts: &[(Option<String>, i64)]) -> Vec<KeyCount> {
    let first = &keys.first().digest;
    let count = |digest: &str| {
        let is_of = |known: &Option<String>| known.as_ref().unwrap_or(first) == digest;
        counts.iter().filter(|(known, _)| is_of(known)).map(|(_, count)| count).sum()
    };
    let ours = keys.all().map(|one| KeyCount {
        digest: one.digest.clone(),
        euiccs: count(&one.digest),
        place: if one.digest == *first { KeyPlace::First } else { KeyPlace::Further },
    });
    let missing = counts.iter().filter_map(|(known, count)| {
        let known = known.as_ref().filter(|known| keys.known(Some(known)).is_none())?;
        Some(KeyCount { digest: known.clone(), euiccs: *count, place: KeyPlace::Missing })
    });
    ours.chain(missing).collect()
}

/// What became of the wish to tell an eUICC of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It is asked for.
    Asked(OperationId),
    /// It knows the key already.
    Known,
    /// This operation tells it of a key already.
    UnderWay(OperationId),
}

/// Why an eUICC is not told of a key.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The settings do not have the key.
    #[error(
        "the settings do not name the new key: add its certificate and key as [[eim.keys]], and start the server anew"
    )]
    UnknownKey,
    /// The key cannot be told.
    #[error("the key cannot be told: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The operation is not made.
    #[error(transparent)]
    Operation(#[from] CreateOperationError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// Tells an eUICC of another key, under the one that it knows. Before that, eUICCs of which nobody said otherwise are written
/// down as those of the first key: so the settings can change their first key when all is done.
///
/// # Errors
/// [`RotateError`]; nothing was asked for then.
pub async fn rotate(eim: &Eim, eid: &Eid, new: &str, actor: &Actor) -> Result<Rotated, RotateError> {
    let new = eim.keys.all().find(|one| one.digest == new).ok_or(RotateError::UnknownKey)?;
    let euicc = associated(eim, eid).await?;
    let euicc = euicc.ok_or_else(|| CreateOperationError::NotAssociated(eid.clone()))?;
    if euicc.signing_key.is_none() {
        pin(eim, actor).await?;
    }
    if euicc.signing_key.as_ref().unwrap_or(&eim.keys.first().digest) == &new.digest {
        return Ok(Rotated::Known);
    }
    let under_way = eim.store.operations_under_way(eid).await?;
    let rotating = under_way.iter().find(|kept| matches!(kept.operation.task, Task::RotateKey { .. }));
    if let Some(kept) = rotating {
        return Ok(Rotated::UnderWay(kept.operation.operation_id));
    }
    let commands = update_key(&eim.eim_id, &to_subject_public_key_info(new.key.public_key()))?;
    let request = OperationRequest::new(Task::RotateKey { commands });
    Ok(Rotated::Asked(create_operation(eim, eid, &request, actor).await?.operation_id))
}

/// Writes down that eUICCs of which nobody said otherwise know the first key; returns how many there were.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn pin(eim: &Eim, actor: &Actor) -> Result<usize, StoreError> {
    let digest = &eim.keys.first().digest;
    let subject = AuditSubject::new("key", digest);
    let entry = NewAuditEntry::new(eim.clock.now(), actor.clone(), Action::EIM_PIN_KEY, subject);
    eim.store.pin_signing_key(digest, entry).await
}
