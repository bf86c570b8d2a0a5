//! Sealing of secrets at rest: AES-256-GCM with a context, so that a sealed value opens in its own row alone.
//!
//! A sealed value is: version 01, key identifier, nonce of twelve random octets, ciphertext, tag of sixteen
//! octets. Version, key identifier and context are authenticated. Nonces are random, so one key may seal 2³²
//! values (NIST SP 800-38D 8.3), far more than a store of profiles ever asks for. Where the key file comes from,
//! changing the key of a store, and keys in hardware, are not known here.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::private_file::write_once;
use crate::env::Rng;

const VERSION: u8 = 1;
const HEADER_LEN: usize = 2;
const TAG_LEN: usize = 16;
const KEY_LEN: usize = 32;
/// Octets that sealing adds.
pub const OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;

/// The first word of a key file; key identifier and key follow as hexadecimal digits.
const FILE_MAGIC: &str = "simyard-sealing-key-1";
const MAX_FILE: u64 = 256;

/// Why a value cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too short, or of a version that this program does not know.
    #[error("no sealed value of version {VERSION}")]
    Form,
    /// Sealed with a key that was not loaded.
    #[error("sealed with key {key_id}, which is not the one given: put its key file back")]
    UnknownKey {
        /// The identifier in the value.
        key_id: u8,
    },
    /// Changed, moved to another place, or sealed with another key of the same identifier.
    #[error("the sealed value is not authentic: changed, moved, or sealed with another key")]
    NotAuthentic,
    /// The library could not seal.
    #[error("sealing failed")]
    Failed,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// Reading or writing failed.
    #[error("sealing key {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may use the file.
    #[error("sealing key {} has mode {mode:03o}: only its owner may access it, run chmod 600", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is empty: no key was ever in it, or it was lost.
    #[error(
        "sealing key {} is empty: if nothing was sealed yet, remove the file and a new key is made; otherwise put \
         the key back from its backup, as nothing opens without it",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The content is no sealing key.
    #[error(
        "sealing key {}: one line '{FILE_MAGIC} <2 digits> <64 digits>' in hexadecimal is expected",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// A key of 256 bits with its identifier. Wiped when dropped; no `Debug` of the key.
#[derive(Clone)]
pub struct SealingKey {
    key_id: u8,
    key: Zeroizing<[u8; KEY_LEN]>,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.key_id)
    }
}

impl SealingKey {
    /// Draws a key; its identifier is one.
    #[must_use]
    pub fn generate(rng: &Rng) -> Self {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        rng.fill(key.as_mut_slice());
        Self { key_id: 1, key }
    }

    /// The identifier that sealed values carry.
    #[must_use]
    pub const fn key_id(&self) -> u8 {
        self.key_id
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`SealingKeyError`]: unreadable, open to others than its owner (on Unix), or no key.
    pub fn load(path: &Path) -> Result<Self, SealingKeyError> {
        let failed = |source| SealingKeyError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        check_mode(path, &file)?;
        let content = || SealingKeyError::Content { path: path.to_owned() };
        // Room for all that is read: a string that grows would leave copies of the key behind.
        let mut text = Zeroizing::new(String::with_capacity(512));
        let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
        read.map_err(
            |error| if error.kind() == io::ErrorKind::InvalidData { content() } else { failed(error) },
        )?;
        if text.is_empty() {
            return Err(SealingKeyError::Empty { path: path.to_owned() });
        }
        Self::parse(&text).ok_or_else(content)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (magic, key_id, digits) = (words.next()?, words.next()?, words.next()?);
        if magic != FILE_MAGIC || words.next().is_some() || text.len() as u64 > MAX_FILE {
            return None;
        }
        let mut id = [0];
        hex::decode_to_slice(key_id, &mut id).ok()?;
        let mut key = Zeroizing::new([0; KEY_LEN]);
        hex::decode_to_slice(digits, key.as_mut_slice()).ok()?;
        Some(Self { key_id: id[0], key })
    }

    /// Writes a new key file that only its owner may access (mode 0600 on Unix). An existing file is never
    /// overwritten: what its key sealed would be lost. The key is written beside its place, flushed to disk, and
    /// only then given its name, so the file holds the whole key or is absent; when this returns, it outlasts a
    /// failure of power.
    ///
    /// # Errors
    /// [`SealingKeyError::File`], also if the file exists.
    pub fn save(&self, path: &Path) -> Result<(), SealingKeyError> {
        let digits = Zeroizing::new(hex::encode(self.key.as_slice()));
        let line = Zeroizing::new(format!("{FILE_MAGIC} {:02x} {}\n", self.key_id, digits.as_str()));
        write_once(path, line.as_bytes())
            .map_err(|source| SealingKeyError::File { path: path.to_owned(), source })
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), SealingKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        file.metadata().map_err(|source| SealingKeyError::File { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SealingKeyError::Mode { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), SealingKeyError> {
    Ok(())
}

/// Seals and opens. Clones share the keys. No `Debug` of the keys.
#[derive(Clone)]
pub struct Sealer(Arc<Keys>);

struct Keys {
    key_id: u8,
    key: LessSafeKey,
    rng: Rng,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.0.key_id)
    }
}

impl Sealer {
    /// Seals and opens with one key.
    ///
    /// # Errors
    /// [`SealError::Failed`] if the library refuses the key.
    pub fn new(key: &SealingKey, rng: Rng) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key.key.as_slice()).map_err(|_| SealError::Failed)?;
        Ok(Self(Arc::new(Keys { key_id: key.key_id, key: LessSafeKey::new(unbound), rng })))
    }

    /// Seals `plain` for the place that `context` names: table, column and primary key.
    ///
    /// # Errors
    /// [`SealError::Failed`] if the library fails.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let Keys { key_id, key, rng } = &*self.0;
        let header = [VERSION, *key_id];
        let nonce: [u8; NONCE_LEN] = rng.array();
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.extend_from_slice(&header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(HEADER_LEN + NONCE_LEN..).unwrap_or_default();
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), bound_to(header, context), body)
            .map_err(|_| SealError::Failed)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for the same `context`.
    ///
    /// # Errors
    /// [`SealError::Form`], [`SealError::UnknownKey`], [`SealError::NotAuthentic`].
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (header, rest) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(SealError::Form)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Form)?;
        let [version, key_id] = *header;
        if version != VERSION || body.len() < TAG_LEN {
            return Err(SealError::Form);
        }
        if key_id != self.0.key_id {
            return Err(SealError::UnknownKey { key_id });
        }
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .0
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound_to(*header, context), &mut plain)
            .map_err(|_| SealError::NotAuthentic)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// What the tag covers beside the ciphertext. The header has a fixed length, so the two cannot be confused.
fn bound_to(header: [u8; HEADER_LEN], context: &str) -> Aad<Vec<u8>> {
    Aad::from([header.as_slice(), context.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(seed: u64) -> Sealer {
        Sealer::new(&SealingKey::generate(&Rng::seeded(seed)), Rng::seeded(seed + 1)).unwrap()
    }

    #[test]
    fn a_value_opens_in_its_place_alone() {
        let sealer = sealer(1);
        for plain in [&b""[..], b"k", &[7; 1000]] {
            let sealed = sealer.seal("subscription.ki:1", plain).unwrap();
            assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            assert_eq!(sealer.clone().open("subscription.ki:1", &sealed).unwrap().as_slice(), plain);
            for context in ["subscription.ki:2", "subscription.ki:", "subscription.opc:1", ""] {
                assert_eq!(sealer.open(context, &sealed).err(), Some(SealError::NotAuthentic));
            }
        }
    }

    #[test]
    fn equal_values_look_different() {
        let sealer = sealer(2);
        let (first, second) = (sealer.seal("c", b"same").unwrap(), sealer.seal("c", b"same").unwrap());
        assert_ne!(first[2..14], second[2..14]);
        assert_ne!(first[14..], second[14..]);
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let sealer = sealer(3);
        let sealed = sealer.seal("c", b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0 => SealError::Form,
                1 => SealError::UnknownKey { key_id: changed[1] },
                _ => SealError::NotAuthentic,
            };
            assert_eq!(sealer.open("c", &changed).err(), Some(expected), "bit {bit}");
        }
        for length in 0..sealed.len() {
            let expected = if length < OVERHEAD { SealError::Form } else { SealError::NotAuthentic };
            assert_eq!(sealer.open("c", &sealed[..length]).err(), Some(expected), "{length} octets");
        }
    }

    #[test]
    fn another_key_opens_nothing() {
        let rng = Rng::seeded(4);
        let sealed = Sealer::new(&SealingKey::generate(&rng), rng.clone()).unwrap().seal("c", b"x").unwrap();
        let second = SealingKey { key_id: 2, ..SealingKey::generate(&rng) };
        let second = Sealer::new(&second, rng.clone()).unwrap();
        assert_eq!(second.open("c", &sealed).err(), Some(SealError::UnknownKey { key_id: 1 }));
        let stranger = Sealer::new(&SealingKey::generate(&rng), rng).unwrap();
        assert_eq!(stranger.open("c", &sealed).err(), Some(SealError::NotAuthentic));
    }

    #[test]
    fn a_key_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        let key = SealingKey::generate(&Rng::seeded(5));
        key.save(&path).unwrap();
        let loaded = SealingKey::load(&path).unwrap();
        assert_eq!((loaded.key_id, *loaded.key), (key.key_id, *key.key));
        assert!(matches!(key.save(&path), Err(SealingKeyError::File { .. })), "never overwritten");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            for mode in [0o640, 0o604, 0o660] {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
                let error = SealingKey::load(&path).unwrap_err().to_string();
                assert!(error.contains(&format!("mode {mode:o}")) && error.contains("chmod 600"), "{error}");
            }
        }
    }

    #[test]
    fn a_key_file_is_written_as_a_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let path = folder.path().join("key");
        let (first, second) = (SealingKey::generate(&Rng::seeded(6)), SealingKey::generate(&Rng::seeded(7)));
        // What an interrupted run left is neither taken for the key nor in the way.
        std::fs::write(folder.path().join("key.new0"), "half").unwrap();
        first.save(&path).unwrap();
        assert_eq!(names(), ["key", "key.new0"]);
        let error = second.save(&path).unwrap_err();
        assert!(
            matches!(error, SealingKeyError::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(*SealingKey::load(&path).unwrap().key, *first.key);
        assert_eq!(names(), ["key", "key.new0"]);
        // Of several at once exactly one wins, and its key is in the file.
        let path = folder.path().join("race");
        let keys: Vec<_> = (10..18).map(|seed| SealingKey::generate(&Rng::seeded(seed))).collect();
        let saved: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = keys.iter().map(|key| scope.spawn(|| key.save(&path).is_ok())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(saved.iter().filter(|saved| **saved).count(), 1);
        let winner = saved.iter().position(|saved| *saved).unwrap();
        assert_eq!(*SealingKey::load(&path).unwrap().key, *keys[winner].key);
        assert_eq!(names(), ["key", "key.new0", "race"]);
    }

    #[test]
    fn an_empty_key_file_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        SealingKey::generate(&Rng::seeded(8)).save(&path).unwrap();
        File::create(&path).unwrap();
        let error = SealingKey::load(&path).unwrap_err();
        assert!(matches!(error, SealingKeyError::Empty { .. }));
        assert!(
            error.to_string().contains("remove the file") && error.to_string().contains("backup"),
            "{error}"
        );
    }

    #[test]
    fn other_contents_are_no_key() {
        let digits = "ab".repeat(32);
        assert!(SealingKey::parse(&format!("{FILE_MAGIC} 01 {digits}\n")).is_some());
        for text in [
            String::new(),
            digits.clone(),
            format!("{FILE_MAGIC} 01 {digits}ab"),
            format!("{FILE_MAGIC} 01 {}", &digits[2..]),
            format!("{FILE_MAGIC} 1 {digits}"),
            format!("{FILE_MAGIC} 01 {digits} more"),
            format!("simyard-sealing-key-2 01 {digits}"),
            format!("{FILE_MAGIC} 01 {digits}{}", " ".repeat(300)),
        ] {
            assert!(SealingKey::parse(&text).is_none(), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let error = SealingKey::load(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(error, SealingKeyError::File { .. }));
    }
}
