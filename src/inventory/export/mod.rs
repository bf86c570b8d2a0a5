//! Out of the stock: files for the systems without which no SIM attaches, and all of it for whoever moves elsewhere.
//!
//! | file | what |
//! |---|---|
//! | [`layout`] | which columns a file has, and how they are written |
//! | [`split`] | files for AuC, OTA platform and CRM, and what was delivered |
//! | [`row`] | one line of such a file |
//! | [`folder`] | the whole stock as CSV and JSON lines |
//! | [`manifest`] | which files such a folder has, signed |
//! | [`file`] | files of their owner's alone, whole or absent |
//!
//! Keys leave under a transport key, or, of a server in test mode alone, in the clear where that was asked for. However
//! many profiles there are, a thousand are held at a time; a file for another system remembers ten octets of each until
//! all of them are marked as delivered.

use super::transport_keys::{KeyRefusal, KeyRing, KeyUse};
use crate::crypto::seal::SealError;
use crate::crypto::transport::TransportCipher;
use crate::env::Rng;
use crate::ident::Iccid;
use crate::profile::personal_data::InvalidPersonalData;
use crate::store::StoreError;

pub use split::Exporter;

pub mod file;
pub mod folder;
pub mod layout;
pub mod manifest;
pub mod row;
pub mod split;

/// Profiles that are read at a time.
const PAGE: u32 = 1000;
/// Profiles of one export at most.
pub const PROFILES_MAX: usize = 20_000_000;

/// A transport key of the platform that gets the file.
pub struct Under<'a> {
    /// The number by which both sides know it.
    pub index: u32,
    /// Its check value, in hexadecimal digits.
    pub check_value: String,
    /// What enciphers.
    pub cipher: &'a TransportCipher,
}

/// How keys leave.
pub enum Keys<'a> {
    /// Under transport keys: one for K and OPc, one for keys for remote management.
    Under {
        /// For K and OPc; `None` in a file that has none of them.
        subscription: Option<Under<'a>>,
        /// For keys for remote management; `None` in a file that has none of them.
        ota: Option<Under<'a>>,
    },
    /// As they are: for test data.
    Clear,
    /// Not at all.
    LeftOut,
}

impl<'a> Keys<'a> {
    /// Under the transport keys of a platform: the ones with these numbers, or its latest ones. Those that are not wanted
    /// need not be there.
    ///
    /// # Errors
    /// [`NoTransportKey`].
    pub fn of_ring(
        ring: &'a KeyRing,
        wanted: &[KeyUse],
        indexes: [Option<u32>; 2],
    ) -> Result<Self, NoTransportKey> {
        let of = |use_: KeyUse, index: Option<u32>| {
            if !wanted.contains(&use_) {
                return Ok(None);
            }
            let (key, cipher) = match index {
                Some(index) => ring.record(index, use_)?,
                None => ring.latest(use_).ok_or(NoTransportKey::None)?,
            };
            let check_value = hex::encode_upper(key.check_value);
            Ok::<_, NoTransportKey>(Some(Under { index: key.index, check_value, cipher }))
        };
        let [subscription, ota] = indexes;
        Ok(Self::Under { subscription: of(KeyUse::Subscription, subscription)?, ota: of(KeyUse::Ota, ota)? })
    }

    /// The transport key for one use.
    #[must_use]
    pub const fn under(&self, use_: KeyUse) -> Option<&Under<'a>> {
        match (self, use_) {
            (Self::Under { subscription, .. }, KeyUse::Subscription) => subscription.as_ref(),
            (Self::Under { ota, .. }, KeyUse::Ota) => ota.as_ref(),
            (Self::Clear | Self::LeftOut, _) => None,
        }
    }

    /// A key as it leaves, in hexadecimal digits; empty where keys are left out. `None` where it is no whole number of
    /// blocks, or there is no transport key for it.
    fn text(&self, use_: KeyUse, clear: &[u8], rng: &Rng) -> Option<zeroize::Zeroizing<String>> {
        let text = match self {
            Self::Under { .. } => hex::encode_upper(self.under(use_)?.cipher.encipher(clear, rng).ok()?),
            Self::Clear => hex::encode_upper(clear),
            Self::LeftOut => String::new(),
        };
        Some(text.into())
    }
}

/// Why keys cannot leave under a transport key of a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTransportKey {
    /// The one that was named cannot be used.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// None was named, and there is none that is approved.
    #[error(
        "the platform has no approved transport key for these keys: simyard transport-key import --platform"
    )]
    None,
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Profiles read, of how many.
    Read(u64, u64),
    /// Profiles marked, of how many.
    Marked(u64, u64),
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] file::FileError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The content of a profile could not be opened.
    #[error("the content of profile {iccid} could not be opened: {cause}")]
    Seal {
        /// The profile.
        iccid: Iccid,
        /// Why.
        cause: SealError,
    },
    /// The opened content is no personal data.
    #[error("the content of profile {iccid} is no personal data: {cause}")]
    Data {
        /// The profile.
        iccid: Iccid,
        /// Why.
        cause: InvalidPersonalData,
    },
    /// A key does not fit the cipher of the transport key.
    #[error(
        "{column} of profile {iccid} has {octets} octets, no whole number of blocks of the transport key's cipher: take \
         a transport key for triple DES, or leave the column out"
    )]
    Encipher {
        /// The profile.
        iccid: Iccid,
        /// The column.
        column: &'static str,
        /// How long the key is.
        octets: usize,
    },
    /// No such batch is published.
    #[error("no batch {0} is in the stock")]
    UnknownBatch(String),
    /// A profile that was named is not there.
    #[error("profile {0} is not in the stock")]
    UnknownIccid(Iccid),
    /// Nothing to write.
    #[error("nothing to export: {0}")]
    Nothing(String),
    /// Too many.
    #[error("more than {PROFILES_MAX} profiles: export them by batch")]
    TooMany,
    /// A manifest could not be made or signed.
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
}
