//! Calls that may be repeated and are done once: what is answered under an idempotency key is kept for a day, sealed, since it
//! may hold a token, and answered again to the same call of the same identity.

use zeroize::Zeroizing;

use crate::crypto::hash::sha256;
use crate::crypto::seal::Sealer;
use crate::domain::IdentityName;
use crate::env::Clock;
use crate::store::{ANSWER_MAX, Begin, Store, StoreError};

/// The longest idempotency key, in octets.
pub const KEY_MAX: usize = 255;

/// What becomes of a call under a key.
pub enum Call {
    /// It is to be done.
    New(OpenCall),
    /// It was done: HTTP status and answer.
    Answered(u16, Zeroizing<Vec<u8>>),
}

/// Why a call under a key is not done.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The key is empty, too long, or of other characters.
    #[error("an Idempotency-Key has 1 to {KEY_MAX} visible ASCII characters")]
    Key,
    /// Another call was made under it.
    #[error("another request was made under this Idempotency-Key: give each request its own")]
    OtherCall,
    /// It was begun.
    #[error(
        "a request under this Idempotency-Key is being done, or was interrupted: look whether it was done before you ask \
         under another key"
    )]
    Unanswered,
    /// The answer that was kept cannot be opened.
    #[error("the answer that was kept cannot be opened: was the sealing key replaced?")]
    Sealed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Calls under idempotency keys.
#[derive(Clone)]
pub struct Calls {
    store: Store,
    sealer: Sealer,
    clock: Clock,
}

/// A call that was begun: it is answered or given up, or stays unanswered.
pub struct OpenCall {
    calls: Calls,
    name: IdentityName,
    key: String,
}

fn place(name: &IdentityName, key: &str) -> String {
    format!("idempotency.answer/{name}/{key}")
}

impl Calls {
    /// Those of `store`.
    #[must_use]
    pub const fn new(store: Store, sealer: Sealer, clock: Clock) -> Self {
        Self { store, sealer, clock }
    }

    /// Begins a call of `name` under `key`; `request` is what makes it this call: method, path and body.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn begin(&self, name: &IdentityName, key: &str, request: &[u8]) -> Result<Call, CallError> {
        let fits = (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic());
        if !fits {
            return Err(CallError::Key);
        }
        match self.store.begin_call(name, key, &sha256(request), self.clock.now()).await? {
            Begin::New => {
                Ok(Call::New(OpenCall { calls: self.clone(), name: name.clone(), key: key.to_owned() }))
            }
            Begin::OtherCall => Err(CallError::OtherCall),
            Begin::Unanswered => Err(CallError::Unanswered),
            Begin::Answered { status, sealed } => {
                let opened = self.sealer.open(&place(name, key), &sealed);
                Ok(Call::Answered(status, opened.map_err(|_| CallError::Sealed)?))
            }
        }
    }
}

impl OpenCall {
    /// Keeps the answer. One that is too large or cannot be written down stays unanswered for those who repeat the call.
    pub async fn answer(self, status: u16, answer: &[u8]) {
        let Self { calls, name, key } = self;
        let sealed = match calls.sealer.seal(&place(&name, &key), answer) {
            Ok(sealed) if sealed.len() <= ANSWER_MAX => sealed,
            Ok(_) => return tracing::warn!(identity = %name, "an answer is too large to be kept"),
            Err(error) => return tracing::error!(%error, "an answer could not be sealed"),
        };
        if let Err(error) = calls.store.end_call(&name, &key, status, &sealed).await {
            tracing::error!(%error, "an answer could not be kept");
        }
    }

    /// Forgets the call, which did nothing: it may be made again under its key.
    pub async fn give_up(self) {
        if let Err(error) = self.calls.store.forget_call(&self.name, &self.key).await {
            tracing::error!(%error, "a call that did nothing could not be forgotten");
        }
    }
}
