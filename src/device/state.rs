//! What a card remembers: its state as data, and the folder that keeps it.
//!
//! A folder holds `card.json` (this state), `euicc.key`, `euicc.der`, `eum.der` (`euicc-1.key` … for a second CI), a
//! `ci-N.der` for each CI that is trusted, and below `profiles/` for each profile what was built from its package (`ICCID.json`): files, PINs, keys. A
//! profile exists when `card.json` names it: its content is written before, and what is left of an interrupted
//! installation is passed over. Every file is written beside its place, flushed to disk and renamed, so a
//! reader finds the old or the new one. Keys and packages are readable by their owner alone.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::iot_state::{IotSettings, IotState};
use crate::ident::Eid;
use crate::profile::image::ProfileImage;

/// Profiles on one card at most.
pub const MAX_PROFILES: usize = 16;
/// Notifications kept at most; the lowest sequence numbers are dropped first (SGP.22 3.5).
pub const MAX_NOTIFICATIONS: usize = 64;
/// Octets for profile packages.
pub const NON_VOLATILE_MEMORY: usize = 2 << 20;
/// The largest state file that is read.
const MAX_STATE_FILE: u64 = 16 << 20;

/// The version of the folder's layout.
const LAYOUT: u32 = 1;

/// Octets as hexadecimal digits in JSON.
pub(super) mod hex_octets {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in super::super) fn serialize<S: Serializer>(
        octets: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode_upper(octets))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An installed profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// ICCID, ten octets, nibbles swapped.
    #[serde(with = "hex_octets")]
    pub iccid: Vec<u8>,
    /// AID of its ISD-P.
    #[serde(with = "hex_octets")]
    pub isdp_aid: Vec<u8>,
    /// StoreMetadataRequest as received.
    #[serde(with = "hex_octets")]
    pub metadata: Vec<u8>,
    /// The nickname that the user gave it.
    pub nickname: Option<String>,
    /// Whether it is the enabled one.
    pub enabled: bool,
    /// Octets of its package.
    pub size: usize,
    /// subjectKeyIdentifier of the CI under which the card signed when it was loaded: its notifications are signed under
    /// it too. Empty in folders that older versions made: the preferred one.
    #[serde(with = "hex_octets", default)]
    pub ci_key_identifier: Vec<u8>,
}

/// A notification that no server has received yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRecord {
    /// seqNumber.
    pub seq_number: u32,
    /// The bit of its event.
    pub event: u32,
    /// PendingNotification as DER.
    #[serde(with = "hex_octets")]
    pub der: Vec<u8>,
}

/// All that a card remembers beside its keys and its profiles' content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardState {
    /// The version of the layout.
    pub layout: u32,
    /// The card's EID.
    pub eid: Eid,
    /// The seqNumber of the next notification: never reset (SGP.22 3.5).
    pub next_seq_number: u32,
    /// defaultDpAddress.
    pub default_dp_address: Option<String>,
    /// rootDsAddress.
    pub root_ds_address: String,
    /// The profiles in the order of their installation.
    pub profiles: Vec<ProfileRecord>,
    /// ICCID of the operational profile that the enabled test profile displaced; empty without.
    #[serde(with = "hex_octets")]
    pub displaced: Vec<u8>,
    /// The notifications in rising order.
    pub notifications: Vec<NotificationRecord>,
    /// What only a card of SGP.32 remembers; absent for other cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot: Option<IotState>,
}

impl CardState {
    /// A card that was never used.
    #[must_use]
    pub fn new(eid: Eid) -> Self {
        Self {
            layout: LAYOUT,
            eid,
            next_seq_number: 1,
            default_dp_address: None,
            root_ds_address: "testrootsmds.example.com".to_owned(),
            profiles: Vec::new(),
            displaced: Vec::new(),
            notifications: Vec::new(),
            iot: None,
        }
    }

    /// A card of SGP.32 that was never used.
    #[must_use]
    pub fn new_iot(eid: Eid, settings: IotSettings) -> Self {
        Self { iot: Some(IotState::new(settings)), ..Self::new(eid) }
    }

    /// The enabled profile.
    #[must_use]
    pub fn enabled(&self) -> Option<&ProfileRecord> {
        self.profiles.iter().find(|profile| profile.enabled)
    }

    /// The profile with this ICCID.
    #[must_use]
    pub fn profile(&self, iccid: &[u8]) -> Option<&ProfileRecord> {
        self.profiles.iter().find(|profile| profile.iccid == iccid)
    }

    /// Octets left for packages.
    #[must_use]
    pub fn free_memory(&self) -> usize {
        NON_VOLATILE_MEMORY.saturating_sub(self.profiles.iter().map(|profile| profile.size).sum())
    }
}

/// Why a card's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system could not read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a card already.
    #[error("{} holds a card already; name another folder", .0.display())]
    Exists(PathBuf),
    /// There is no card.
    #[error("{} holds no card; 'simyard card new' makes one", .0.display())]
    Missing(PathBuf),
    /// Another process uses the card.
    #[error("the card in {} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// The state file is none.
    #[error("{}: {why}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What a card signs with under one CI, as files keep it.
pub struct CredentialMaterial {
    /// The private key of the eUICC: PKCS#8 or SEC1 DER.
    pub euicc_key: Zeroizing<Vec<u8>>,
    /// CERT.EUICC as DER.
    pub euicc_certificate: Vec<u8>,
    /// CERT.EUM as DER.
    pub eum_certificate: Vec<u8>,
}

/// The keys and certificates of a card, as files keep them.
pub struct Material {
    /// Keys and certificates of the eUICC, one set for each CI, preferred first.
    pub credentials: Vec<CredentialMaterial>,
    /// The trusted CERT.CI as DER, preferred first.
    pub ci_certificates: Vec<Vec<u8>>,
}

/// Where a card keeps its state. No `Debug`: profiles hold keys.
pub enum Storage {
    /// In memory: it is gone with the card. For tests and benchmarks. Profiles by ICCID.
    Memory(BTreeMap<Vec<u8>, ProfileImage>),
    /// In a folder that no other process uses.
    Folder(Folder),
}

/// A card's folder, locked for this process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: Lock,
}

const STATE_FILE: &str = "card.json";
const PROFILES: &str = "profiles";

impl Folder {
    /// Makes the folder of a new card: its material and an empty state.
    ///
    /// # Errors
    /// [`FolderError::Exists`] if the folder holds a card already; [`FolderError::Io`].
    pub fn create(path: &Path, state: &CardState, material: &Material) -> Result<Self, FolderError> {
        make_folder(path)?;
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        if path.join(STATE_FILE).exists() {
            return Err(FolderError::Exists(path.to_owned()));
        }
        make_folder(&path.join(PROFILES))?;
        for (number, credential) in material.credentials.iter().enumerate() {
            let [key, euicc, eum] = credential_names(number);
            folder.write(&key, &credential.euicc_key)?;
            folder.write(&euicc, &credential.euicc_certificate)?;
            folder.write(&eum, &credential.eum_certificate)?;
        }
        for (number, certificate) in material.ci_certificates.iter().enumerate() {
            folder.write(&format!("ci-{number}.der"), certificate)?;
        }
        // Last: a folder without a state is no card.
        folder.save_state(state)?;
        Ok(folder)
    }

    /// Opens the folder of a card.
    ///
    /// # Errors
    /// [`FolderError`], one variant per reason.
    pub fn open(path: &Path) -> Result<(Self, CardState, Material), FolderError> {
        let state_path = path.join(STATE_FILE);
        if !state_path.is_file() {
            return Err(FolderError::Missing(path.to_owned()));
        }
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        let wrong = |why: String| FolderError::State { path: state_path.clone(), why };
        let state: CardState =
            serde_json::from_slice(&folder.read(STATE_FILE)?).map_err(|error| wrong(error.to_string()))?;
        if state.layout != LAYOUT {
            return Err(wrong(format!("layout {LAYOUT} is expected, found {}", state.layout)));
        }
        let mut ci_certificates = Vec::new();
        while path.join(format!("ci-{}.der", ci_certificates.len())).is_file() {
            ci_certificates.push(folder.read(&format!("ci-{}.der", ci_certificates.len()))?.to_vec());
        }
        let mut credentials = Vec::new();
        loop {
            let [key, euicc, eum] = credential_names(credentials.len());
            // The first must be there; what is wrong with it is told by reading it.
            if !credentials.is_empty() && !path.join(&key).is_file() {
                break;
            }
            credentials.push(CredentialMaterial {
                euicc_key: folder.read(&key)?,
                euicc_certificate: folder.read(&euicc)?.to_vec(),
                eum_certificate: folder.read(&eum)?.to_vec(),
            });
        }
        let material = Material { credentials, ci_certificates };
        Ok((folder, state, material))
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, FolderError> {
        let path = self.path.join(name);
        let failed = |source| FolderError::Io { path: path.clone(), source };
        if fs::metadata(&path).map_err(failed)?.len() > MAX_STATE_FILE {
            return Err(FolderError::State { path, why: "far larger than any card writes".to_owned() });
        }
        fs::read(&path).map(Zeroizing::new).map_err(failed)
    }

    /// Writes a file beside its place, flushes it and renames it.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let written = (|| {
            let mut file = private_file(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&temporary, &path)?;
            sync_folder(path.parent().unwrap_or(&self.path))
        })();
        written.map_err(|source| FolderError::Io { path, source })
    }

    fn save_state(&self, state: &CardState) -> Result<(), FolderError> {
        let json = serde_json::to_vec_pretty(state)
            .map_err(|error| FolderError::State { path: self.path.clone(), why: error.to_string() })?;
        self.write(STATE_FILE, &json)
    }

    fn remove(&self, name: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(FolderError::Io { path, source }),
        }
    }
}

impl Storage {
    /// Keeps the state.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn save_state(&mut self, state: &CardState) -> Result<(), FolderError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Folder(folder) => folder.save_state(state),
        }
    }

    /// Keeps a profile: a new one before the state names it.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn save_profile(&mut self, iccid: &[u8], image: &ProfileImage) -> Result<(), FolderError> {
        match self {
            Self::Memory(profiles) => {
                profiles.insert(iccid.to_vec(), image.clone());
                Ok(())
            }
            Self::Folder(folder) => {
                let name = profile_name(iccid);
                let json = to_json(image).map_err(|error| FolderError::State {
                    path: folder.path.join(&name),
                    why: error.to_string(),
                })?;
                folder.write(&name, &json)
            }
        }
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// [`FolderError::Io`], [`FolderError::Missing`] for an ICCID that is not kept.
    pub fn load_profile(&self, iccid: &[u8]) -> Result<ProfileImage, FolderError> {
        match self {
            Self::Memory(profiles) => {
                let missing = || FolderError::Missing(PathBuf::from(hex::encode_upper(iccid)));
                profiles.get(iccid).cloned().ok_or_else(missing)
            }
            Self::Folder(folder) => {
                let name = profile_name(iccid);
                serde_json::from_slice(&folder.read(&name)?).map_err(|error| FolderError::State {
                    path: folder.path.join(&name),
                    why: error.to_string(),
                })
            }
        }
    }

    /// Removes a profile, after the state has ceased to name it.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remove_profile(&mut self, iccid: &[u8]) -> Result<(), FolderError> {
        match self {
            Self::Memory(profiles) => {
                profiles.remove(iccid);
                Ok(())
            }
            Self::Folder(folder) => folder.remove(&profile_name(iccid)),
        }
    }
}

/// A profile as JSON. Its length is found first: a buffer that grows would leave copies of its keys behind.
fn to_json(image: &ProfileImage) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    struct Counter(usize);

    impl io::Write for Counter {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(octets.len());
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, image)?;
    let mut json = Zeroizing::new(Vec::with_capacity(counter.0));
    serde_json::to_writer(&mut *json, image)?;
    Ok(json)
}

/// The files of a card's key, CERT.EUICC and CERT.EUM: those of the preferred CI have no number.
fn credential_names(number: usize) -> [String; 3] {
    let suffix = if number == 0 { String::new() } else { format!("-{number}") };
    [format!("euicc{suffix}.key"), format!("euicc{suffix}.der"), format!("eum{suffix}.der")]
}

fn profile_name(iccid: &[u8]) -> String {
    format!("{PROFILES}/{}.json", hex::encode_upper(iccid))
}

fn make_folder(path: &Path) -> Result<(), FolderError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| FolderError::Io { path: path.to_owned(), source })
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The lock of a folder.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Closing the file is not enough: a process that is being started has a copy of it until it runs its program, and
    /// the lock would last as long.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(path: &Path) -> Result<Lock, FolderError> {
    let file = path.join("lock");
    let failed = |source| FolderError::Io { path: file.clone(), source };
    let handle = private_file(&file).map_err(failed)?;
    match handle.try_lock() {
        Ok(()) => Ok(Lock(handle)),
        Err(fs::TryLockError::WouldBlock) => Err(FolderError::Busy(path.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material() -> Material {
        let credential = |octet| CredentialMaterial {
            euicc_key: Zeroizing::new(vec![octet]),
            euicc_certificate: vec![octet + 1],
            eum_certificate: vec![octet + 2],
        };
        Material { credentials: vec![credential(1), credential(11)], ci_certificates: vec![vec![4], vec![5]] }
    }

    #[test]
    fn a_folder_gives_back_what_was_put_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let mut state = CardState::new(Eid::parse("89049032000000000000279973200019").unwrap());
        state.notifications.push(NotificationRecord { seq_number: 1, event: 0, der: vec![0x30, 0x00] });
        assert!(matches!(Folder::open(&path), Err(FolderError::Missing(_))));
        let created = Folder::create(&path, &state, &material()).unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::Busy(_))), "two processes at one card");
        drop(created);
        assert!(matches!(Folder::create(&path, &state, &material()), Err(FolderError::Exists(_))));
        let (folder, read, material) = Folder::open(&path).unwrap();
        assert_eq!(read, state);
        assert_eq!(material.ci_certificates, [vec![4], vec![5]]);
        let keys: Vec<u8> = material.credentials.iter().map(|credential| credential.euicc_key[0]).collect();
        assert_eq!(keys, [1, 11]);
        assert_eq!(material.credentials[1].eum_certificate, [13]);
        let mut storage = Storage::Folder(folder);
        assert!(storage.load_profile(&[0x98; 10]).is_err());
        storage.remove_profile(&[0x98; 10]).unwrap();
    }

    #[test]
    fn a_profile_is_written_into_a_buffer_that_never_grows() {
        let package = crate::profile::shipped::generic();
        let package = simyard_asn1::saip::Package::from_der(&package).unwrap();
        let image = ProfileImage::build(&package).unwrap();
        let json = to_json(&image).unwrap();
        assert_eq!(*json, serde_json::to_vec(&image).unwrap());
        assert_eq!(json.capacity(), json.len());
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let state = CardState::new(Eid::parse("89049032000000000000279973200019").unwrap());
        Folder::create(&path, &state, &material()).unwrap();
        let mode = fs::metadata(path.join("euicc.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
