//! Transport keys: brought in by one person under a check value, approved by another, sealed at rest; and the keys of one
//! manufacturer or platform, ready for use.
//!
//! A file names a key by its index alone. Which key that is, depends on the partner and on what travels under it, so that one
//! index may stand for two keys: one for K and OPc, one for keys for remote management.

use zeroize::Zeroizing;

use super::Inventory;
use crate::crypto::seal::SealError;
use crate::crypto::transport::{CHECK_VALUE_LEN, CheckMethod, Scheme, TransportCipher, TransportError};
use crate::domain::{Deed, KeyPartner, KeyPurpose, KeyRefused, KeyState, Mode, Person};
use crate::profile::personal_data::Key;
use crate::profile::published;
use crate::store::{Batch, Constraint, StoreError, TRANSPORT_KEYS_MAX, TransportKey};

/// The most parts that a key comes in.
pub const MAX_COMPONENTS: usize = 4;

/// What a transport key is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// K, OPc and their kin.
    Subscription,
    /// Keys for remote management.
    Ota,
}

impl KeyUse {
    const fn purpose(self) -> KeyPurpose {
        match self {
            Self::Subscription => KeyPurpose::Subscription,
            Self::Ota => KeyPurpose::Ota,
        }
    }
}

/// A key that is brought in. No `Debug`: it holds the key.
pub struct NewTransportKey {
    /// With whom it is shared.
    pub partner: KeyPartner,
    /// The number by which files name it, from 1: 0 means that nothing is enciphered.
    pub index: u32,
    /// What travels under it.
    pub purpose: KeyPurpose,
    /// How it enciphers.
    pub scheme: Scheme,
    /// The key.
    pub key: Key,
    /// How the check value was made.
    pub check_method: CheckMethod,
    /// The check value that came with the key.
    pub check_value: [u8; CHECK_VALUE_LEN],
}

/// Why a transport key is not taken, changed or opened.
#[derive(Debug, thiserror::Error)]
pub enum TransportKeyError {
    /// Index 0 means that nothing is enciphered.
    #[error("index 0 means that nothing is enciphered: transport keys are numbered from 1")]
    IndexZero,
    /// The octets are no key of this kind.
    #[error(transparent)]
    Key(#[from] TransportError),
    /// Parts of a key that do not fit together.
    #[error("a key comes in 1 to {MAX_COMPONENTS} parts of one length")]
    Components,
    /// The check value is another key's.
    #[error("the check value is not that of the key: is it the right key, are all parts there, was it made from {}?", .0.name())]
    CheckValue(CheckMethod),
    /// The key is one that everybody can know.
    #[error("the key is no secret: {0}; only mode = \"test\" takes it")]
    NoSecret(String),
    /// Index and purpose are taken.
    #[error("there is a transport key of this index for this purpose already: retire it first")]
    InUse,
    /// There is none of this identifier.
    #[error("no transport key has this identifier")]
    Unknown,
    /// Its life does not allow it.
    #[error(transparent)]
    Refused(#[from] KeyRefused),
    /// It could not be sealed or opened.
    #[error("the transport key could not be sealed or opened: {0}")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key that a file names cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is none.
    #[error("transport key {index} for {purpose} is not there: simyard transport-key import")]
    Unknown {
        /// Its index.
        index: u32,
        /// What for.
        purpose: KeyPurpose,
    },
    /// Nobody approved it yet.
    #[error(
        "transport key {index} for {purpose} waits for the approval of another person: simyard transport-key approve"
    )]
    Waiting {
        /// Its index.
        index: u32,
        /// What for.
        purpose: KeyPurpose,
    },
    /// It is out of use.
    #[error("transport key {index} for {purpose} is retired")]
    Retired {
        /// Its index.
        index: u32,
        /// What for.
        purpose: KeyPurpose,
    },
}

/// The transport keys of one partner, the approved ones ready for use. No `Debug` of keys.
#[derive(Debug, Default)]
pub struct KeyRing(Vec<RingKey>);

#[derive(Debug)]
struct RingKey {
    key: TransportKey,
    /// If it may be used.
    cipher: Option<TransportCipher>,
}

impl KeyRing {
    /// The key that an index stands for.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    pub fn find(&self, index: u32, use_: KeyUse) -> Result<&TransportCipher, KeyRefusal> {
        self.record(index, use_).map(|(_, cipher)| cipher)
    }

    /// The key that an index stands for, and what is known of it.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    pub fn record(&self, index: u32, use_: KeyUse) -> Result<(&TransportKey, &TransportCipher), KeyRefusal> {
        let purpose = use_.purpose();
        let fits = |ring: &&RingKey| ring.key.index == index && ring.key.purpose.covers(purpose);
        if let Some(found) =
            self.0.iter().filter(fits).find_map(|ring| Some((&ring.key, ring.cipher.as_ref()?)))
        {
            return Ok(found);
        }
        let mut is_retired = false;
        for ring in self.0.iter().filter(fits) {
            match ring.key.state {
                KeyState::Waiting => return Err(KeyRefusal::Waiting { index, purpose }),
                KeyState::Approved(_) | KeyState::Retired { .. } => is_retired = true,
            }
        }
        Err(if is_retired {
            KeyRefusal::Retired { index, purpose }
        } else {
            KeyRefusal::Unknown { index, purpose }
        })
    }

    /// The key of greatest identifier for a purpose: the one to encipher with where nobody names one.
    #[must_use]
    pub fn latest(&self, use_: KeyUse) -> Option<(&TransportKey, &TransportCipher)> {
        let fits = self.0.iter().filter(|ring| ring.key.purpose.covers(use_.purpose()));
        fits.filter_map(|ring| Some((&ring.key, ring.cipher.as_ref()?))).next_back()
    }
}

/// Puts a key together from its parts, which are added bit by bit: no single one says anything of it.
///
/// # Errors
/// [`TransportKeyError::Components`].
pub fn combine(parts: &[Key]) -> Result<Key, TransportKeyError> {
    let [first, rest @ ..] = parts else { return Err(TransportKeyError::Components) };
    let mut octets = Zeroizing::new([0; crate::profile::personal_data::secret::MAX_KEY]);
    let length = first.as_octets().len();
    let whole = octets.get_mut(..length).ok_or(TransportKeyError::Components)?;
    whole.copy_from_slice(first.as_octets());
    if parts.len() > MAX_COMPONENTS || rest.iter().any(|part| part.as_octets().len() != length) {
        return Err(TransportKeyError::Components);
    }
    for part in rest {
        whole.iter_mut().zip(part.as_octets()).for_each(|(to, from)| *to ^= from);
    }
    Key::from_slice(whole).ok_or(TransportKeyError::Components)
}

impl Inventory {
    /// Brings a key in. It waits for another person's approval.
    ///
    /// # Errors
    /// [`TransportKeyError`]; nothing was kept then.
    pub async fn import_transport_key(
        &self,
        new: NewTransportKey,
        by: Person,
    ) -> Result<TransportKey, TransportKeyError> {
        if new.index == 0 {
            return Err(TransportKeyError::IndexZero);
        }
        if by == Person::unknown() {
            return Err(KeyRefused::Nobody.into());
        }
        let octets = new.key.as_octets();
        let cipher = TransportCipher::new(new.scheme, octets)?;
        if !cipher.has_check_value(new.check_method, new.check_value) {
            return Err(TransportKeyError::CheckValue(new.check_method));
        }
        if self.mode == Mode::Production {
            let published = published::find(octets).map(|source| format!("it is published ({source})"));
            let known = published.or_else(|| published::pattern(octets).map(str::to_owned));
            if let Some(reason) = known {
                return Err(TransportKeyError::NoSecret(reason));
            }
        }
        let now = self.clock.now();
        let mut key = TransportKey {
            key_id: Batch::new_id(now, &self.rng),
            partner: new.partner,
            index: new.index,
            purpose: new.purpose,
            scheme: new.scheme,
            check_method: new.check_method,
            check_value: new.check_value,
            sealed: Vec::new(),
            imported: Deed { by, at: now },
            state: KeyState::Waiting,
        };
        key.sealed = self.sealer.seal(&key.place(), octets)?;
        self.store.insert_transport_key(&key).await.map_err(|error| match error {
            StoreError::InUse(Constraint::TransportKey) => TransportKeyError::InUse,
            error => error.into(),
        })?;
        Ok(key)
    }

    /// Another person approves a key, of which the check value may be said once more.
    ///
    /// # Errors
    /// [`TransportKeyError`]; nothing was changed then.
    pub async fn approve_transport_key(
        &self,
        key_id: &str,
        check_value: Option<[u8; CHECK_VALUE_LEN]>,
        by: Person,
    ) -> Result<TransportKey, TransportKeyError> {
        let key = self.store.transport_key(key_id).await?.ok_or(TransportKeyError::Unknown)?;
        let cipher = self.open_transport_key(&key)?;
        let expected = [Some(key.check_value), check_value];
        if !expected.into_iter().flatten().all(|value| cipher.has_check_value(key.check_method, value)) {
            return Err(TransportKeyError::CheckValue(key.check_method));
        }
        let deed = Deed { by, at: self.clock.now() };
        let state = key.state.clone().approve(&key.imported, deed)?;
        self.store.change_transport_key(&key, &state).await?;
        Ok(TransportKey { state, ..key })
    }

    /// Takes a key out of use.
    ///
    /// # Errors
    /// [`TransportKeyError`]; nothing was changed then.
    pub async fn retire_transport_key(
        &self,
        key_id: &str,
        by: Person,
    ) -> Result<TransportKey, TransportKeyError> {
        let key = self.store.transport_key(key_id).await?.ok_or(TransportKeyError::Unknown)?;
        let state = key.state.clone().retire(Deed { by, at: self.clock.now() })?;
        self.store.change_transport_key(&key, &state).await?;
        Ok(TransportKey { state, ..key })
    }

    /// The keys of a partner, ready for use.
    ///
    /// # Errors
    /// [`TransportKeyError::Seal`] if one cannot be opened; [`TransportKeyError::Store`].
    pub async fn key_ring(&self, partner: &KeyPartner) -> Result<KeyRing, TransportKeyError> {
        let mut ring = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.store.transport_keys(Some(partner), &after, TRANSPORT_KEYS_MAX).await?;
            let Some(last) = page.last() else { return Ok(KeyRing(ring)) };
            after.clone_from(&last.key_id);
            for key in page {
                let is_usable = matches!(key.state, KeyState::Approved(_));
                let cipher = is_usable.then(|| self.open_transport_key(&key)).transpose()?;
                ring.push(RingKey { key, cipher });
            }
        }
    }

    fn open_transport_key(&self, key: &TransportKey) -> Result<TransportCipher, TransportKeyError> {
        let octets = self.sealer.open(&key.place(), &key.sealed)?;
        Ok(TransportCipher::new(key.scheme, &octets)?)
    }
}
