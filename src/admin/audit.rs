//! The audit looked after: whether its chain is whole, checkpoints that show a cut tail, and what is erased by age.
//!
//! The chain shows every entry that is changed, left out or put between. What it cannot show is that its last entries are
//! gone, or that somebody who can write the store wrote all of it anew: a [`Checkpoint`] that is kept elsewhere does. It
//! says how many entries there were and the digest of the last one, signed by this server.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crypto::ecdsa::{Curve, EcdsaError, PublicKey, SigningKey};
use crate::crypto::hash::sha256;
use crate::domain::{Action, Actor, AuditEntry, AuditSubject, NewAuditEntry};
use crate::env::{Clock, Timestamp};
use crate::store::{AUDIT_PAGE_MAX, AuditHead, AuditSelection, ERASED_MAX, Erasure, Store, StoreError};

/// Begins what is signed of a checkpoint.
const CHECKPOINT_LABEL: &[u8] = b"simyard audit checkpoint 1";
/// The form of a checkpoint's file.
const CHECKPOINT_FORM: u32 = 1;

/// What became of a look at the whole chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every entry is what it was when it was written, and none is missing.
    Whole {
        /// How many there are.
        entries: i64,
    },
    /// The entry, or one before it, is not what was written.
    Changed {
        /// The first that does not fit.
        number: i64,
    },
    /// An entry is not there.
    Missing {
        /// The first that is missing.
        number: i64,
    },
    /// A value of a person is not the one that the entry was written with.
    PersonalChanged {
        /// The entry.
        number: i64,
        /// Which value.
        kind: String,
    },
    /// The end of the chain is not what is written down of it.
    HeadChanged {
        /// The entry that should be the last.
        number: i64,
    },
    /// A checkpoint tells of an entry that is not there: the chain was cut, or it is another store's.
    CheckpointMissing {
        /// The entry that the checkpoint tells of.
        number: i64,
    },
    /// A checkpoint tells of another entry: the chain was written anew, or it is another store's.
    CheckpointDiffers {
        /// The entry that the checkpoint tells of.
        number: i64,
    },
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole { .. })
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole { entries } => write!(f, "the audit is whole: {entries} entries"),
            Self::Changed { number } => {
                write!(f, "entry {number}, or the order of the entries before it, is not what was written")
            }
            Self::Missing { number } => write!(f, "entry {number} is missing"),
            Self::PersonalChanged { number, kind } => {
                write!(f, "the {kind} of entry {number} is not the one that it was written with")
            }
            Self::HeadChanged { number } => {
                write!(f, "entry {number} is not the end of the chain that the store has written down")
            }
            Self::CheckpointMissing { number } => write!(
                f,
                "the checkpoint tells of entry {number}, which is not there: the audit was cut, or is another store's"
            ),
            Self::CheckpointDiffers { number } => write!(
                f,
                "the checkpoint tells of another entry {number}: the audit was written anew, or is another store's"
            ),
        }
    }
}

/// Looks at the whole chain, a page at a time, and holds it against `checkpoints`, whose signatures were verified.
/// `progress` hears how many entries were looked at, of how many. What is appended meanwhile is left for the next look.
///
/// # Errors
/// [`StoreError`] if the store fails, or holds what cannot be read as an entry.
pub async fn verify(
    store: &Store,
    checkpoints: &[Checkpoint],
    mut progress: impl FnMut(i64, i64),
) -> Result<Verdict, StoreError> {
    let head = store.audit_head().await?;
    let mut last = AuditHead { number: 0, digest: [0; 32] };
    while last.number < head.number {
        let page = store.audit_entries(&AuditSelection::default(), last.number, AUDIT_PAGE_MAX).await?;
        if page.is_empty() {
            return Ok(Verdict::Missing { number: last.number.saturating_add(1) });
        }
        for entry in page.iter().take_while(|entry| entry.number <= head.number) {
            if let Some(fault) = fault(entry, &last, checkpoints) {
                return Ok(fault);
            }
            last = AuditHead { number: entry.number, digest: entry.digest };
        }
        if page.iter().all(|entry| entry.number > head.number) {
            return Ok(Verdict::Missing { number: last.number.saturating_add(1) });
        }
        progress(last.number, head.number);
    }
    if last.digest != head.digest {
        return Ok(Verdict::HeadChanged { number: head.number });
    }
    let beyond = checkpoints.iter().find(|checkpoint| checkpoint.head.number > head.number);
    Ok(match beyond {
        Some(checkpoint) => Verdict::CheckpointMissing { number: checkpoint.head.number },
        None => Verdict::Whole { entries: head.number },
    })
}

/// What is wrong with an entry that comes behind `before`.
fn fault(entry: &AuditEntry, before: &AuditHead, checkpoints: &[Checkpoint]) -> Option<Verdict> {
    let number = before.number.saturating_add(1);
    if entry.number != number {
        return Some(Verdict::Missing { number });
    }
    if sha256(&entry.sealed_octets(&before.digest)) != entry.digest {
        return Some(Verdict::Changed { number });
    }
    let opened = entry.personal.iter().filter_map(|one| Some((one, one.opened.as_ref()?)));
    for (commitment, personal) in opened {
        if sha256(&personal.sealed_octets()) != commitment.digest {
            return Some(Verdict::PersonalChanged { number, kind: commitment.kind.clone() });
        }
    }
    let mut of_this = checkpoints.iter().filter(|checkpoint| checkpoint.head.number == number);
    of_this.any(|one| one.head.digest != entry.digest).then_some(Verdict::CheckpointDiffers { number })
}

/// How far the audit was at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the chain ended.
    pub head: AuditHead,
    /// When.
    pub at: Timestamp,
}

/// A checkpoint as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointFile {
    audit_checkpoint: u32,
    entries: i64,
    digest: String,
    at_ms: i64,
    at: String,
    public_key: String,
    signature: String,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The text is no checkpoint.
    #[error("this is no checkpoint of an audit: {0}")]
    Form(String),
    /// Another server signed it.
    #[error("the checkpoint was signed by another key, {0}: expected this server's own")]
    OtherKey(String),
    /// The signature is not of this text.
    #[error("the checkpoint's signature does not verify: the file was changed")]
    Signature,
    /// The key does not sign.
    #[error("the checkpoint cannot be signed: {0}")]
    Signing(EcdsaError),
}

impl Checkpoint {
    /// The checkpoint of the audit as it is now.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn now(store: &Store, clock: &Clock) -> Result<Self, StoreError> {
        Ok(Self { head: store.audit_head().await?, at: clock.now() })
    }

    fn signed_octets(&self) -> Vec<u8> {
        let mut octets = CHECKPOINT_LABEL.to_vec();
        octets.extend(self.head.number.to_be_bytes());
        octets.extend(self.head.digest);
        octets.extend(self.at.as_millis().to_be_bytes());
        octets
    }

    /// The text of its file: JSON with an ECDSA signature (P-256, SHA-256, r and s) of its content.
    ///
    /// # Errors
    /// [`CheckpointError::Signing`].
    pub fn to_text(&self, key: &SigningKey) -> Result<String, CheckpointError> {
        let signature = key.sign(&self.signed_octets()).map_err(CheckpointError::Signing)?;
        let file = CheckpointFile {
            audit_checkpoint: CHECKPOINT_FORM,
            entries: self.head.number,
            digest: hex::encode(self.head.digest),
            at_ms: self.at.as_millis(),
            at: self.at.to_string(),
            public_key: hex::encode(key.public_key().as_point()),
            signature: hex::encode(signature),
        };
        serde_json::to_string_pretty(&file).map_err(|error| CheckpointError::Form(error.to_string()))
    }

    /// Reads the text of a file that the holder of `key` signed.
    ///
    /// # Errors
    /// [`CheckpointError`] for any other text.
    pub fn from_text(text: &str, key: &PublicKey) -> Result<Self, CheckpointError> {
        let form = |error: &str| CheckpointError::Form(error.to_owned());
        let file: CheckpointFile = serde_json::from_str(text).map_err(|error| form(&error.to_string()))?;
        if file.audit_checkpoint != CHECKPOINT_FORM {
            return Err(form("its form is of another version"));
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(&file.digest, &mut digest).map_err(|_| form("digest: expected 64 digits"))?;
        let mut signature = [0; 64];
        hex::decode_to_slice(&file.signature, &mut signature)
            .map_err(|_| form("signature: expected 128 digits"))?;
        let point = hex::decode(&file.public_key).unwrap_or_default();
        let signer = PublicKey::from_point(Curve::P256, &point)
            .map_err(|_| form("public_key: expected an uncompressed point of P-256"))?;
        if signer != *key {
            return Err(CheckpointError::OtherKey(file.public_key));
        }
        let head = AuditHead { number: file.entries, digest };
        let checkpoint = Self { head, at: Timestamp::from_millis(file.at_ms) };
        let is_signed = key.verify(&checkpoint.signed_octets(), &signature).is_ok();
        // The time for people is not signed: it says what the signed one says.
        if is_signed && file.at == checkpoint.at.to_string() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Signature)
        }
    }
}

/// Erases values of persons, in as many commits as it takes, each of which tells the audit so. Returns how many were
/// erased.
///
/// # Errors
/// [`StoreError`] if the store fails; what was erased until then is erased.
pub async fn erase(
    store: &Store,
    actor: &Actor,
    erasure: &Erasure,
    now: Timestamp,
) -> Result<usize, StoreError> {
    // The value itself is what must not stand in the audit any longer.
    let detail = match erasure {
        Erasure::Before(at) => format!("of entries before {at}"),
        Erasure::Value(_) => "one value wherever it stood".to_owned(),
        Erasure::Entry(number) => format!("of entry {number}"),
    };
    let mut all: usize = 0;
    loop {
        let subject = AuditSubject::new("audit", "");
        let entry = NewAuditEntry::new(now, actor.clone(), Action::AUDIT_ERASE, subject).detail(&*detail);
        let erased = store.erase_personal(erasure, entry).await?;
        all = all.saturating_add(erased);
        if erased < usize::try_from(ERASED_MAX).unwrap_or(usize::MAX) {
            return Ok(all);
        }
    }
}

/// Erases the values of entries that are older than `age`, as the settings want it.
///
/// # Errors
/// As [`erase`].
pub async fn erase_older(store: &Store, clock: &Clock, age: Duration) -> Result<usize, StoreError> {
    let now = clock.now();
    let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::from_millis(now.as_millis().saturating_sub(age_ms));
    erase(store, &Actor::Server, &Erasure::Before(before), now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> SigningKey {
        SigningKey::from_scalar(Curve::P256, &[octet; 32]).unwrap()
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed_or_not_at_all() {
        let head = AuditHead { number: 7, digest: [9; 32] };
        let checkpoint = Checkpoint { head, at: Timestamp::from_millis(1_795_329_780_123) };
        let text = checkpoint.to_text(&key(1)).unwrap();
        let read = |text: &str| Checkpoint::from_text(text, key(1).public_key());
        assert_eq!(read(&text).unwrap(), checkpoint);
        assert!(text.contains("\"at\": \"2026-11-22T06:43:00Z\""), "{text}");
        for (from, to) in [("\"entries\": 7", "\"entries\": 6"), ("0909", "0908"), ("06:43", "06:44")] {
            let changed = text.replace(from, to);
            assert!(matches!(read(&changed), Err(CheckpointError::Signature)), "{changed}");
        }
        for other in
            ["", "{}", &text.replace("checkpoint\": 1", "checkpoint\": 2"), &text.replace("0909", "x")]
        {
            assert!(matches!(read(other), Err(CheckpointError::Form(_))), "{other}");
        }
        let other = Checkpoint::from_text(&text, key(2).public_key());
        assert!(matches!(other, Err(CheckpointError::OtherKey(_))));
    }
}
