//! The manifest of an exported folder: which files it has, how many rows, their digests, signed.
//!
//! `manifest.json` is signed as it stands with ECDSA on P-256 and SHA-256; `manifest.sig` is one line: the word
//! `ecdsa-p256-sha256`, the public key as an uncompressed point, and the signature r‖s, both in hexadecimal digits. Whose
//! key it is the folder cannot say: who checks it knows the key's fingerprint from elsewhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::file::{FileError, PrivateFile};
use crate::crypto::ecdsa::{Curve, EcdsaError, PublicKey, Signature, SigningKey};
use crate::crypto::hash::sha256;

/// The version of the manifest that is written and read.
pub const MANIFEST_VERSION: u32 = 1;
/// The largest manifest, in octets.
pub const MANIFEST_OCTETS_MAX: u64 = 4 * 1024 * 1024;

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const SCHEME: &str = "ecdsa-p256-sha256";

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Subscriptions, packages, profiles or batches in it; the line that names columns is none.
    pub rows: u64,
    /// Its length.
    pub octets: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Whose profiles they are, if of one owner.
    pub owner: Option<String>,
    /// Of which type, if of one.
    pub profile_type: Option<String>,
}

/// A transport key of the folder's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestKey {
    /// What is enciphered under it: `subscription` (K and OPc) or `ota` (keys for remote management).
    pub purpose: String,
    /// The number by which both sides know it.
    pub index: u32,
    /// Its check value, in hexadecimal digits.
    pub check_value: String,
}

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// When, as ISO 8601.
    pub made_at: String,
    /// By whom.
    pub made_by: String,
    /// How keys left: `enciphered`, `clear` or `left_out`.
    pub keys: String,
    /// The transport keys of enciphered keys.
    pub transport_keys: Vec<ManifestKey>,
    /// Ready-made packages that were left out.
    pub packages_left_out: u64,
    /// The files.
    pub files: Vec<FileEntry>,
}

/// Why a folder is not what its manifest says, or has none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The manifest is none.
    #[error("manifest.json is no manifest of version {MANIFEST_VERSION}: {0}")]
    Form(String),
    /// The signature is none.
    #[error("manifest.sig is not a line of '{SCHEME} PUBLIC-KEY SIGNATURE'")]
    SignatureForm,
    /// The signature is not over this manifest.
    #[error("the signature is not that of manifest.json: one of them was changed")]
    Signature,
    /// The manifest was signed with another key.
    #[error("the manifest was signed with key {found}, and {expected} was expected")]
    OtherKey {
        /// The fingerprint of the key.
        found: String,
        /// The one that was asked for.
        expected: String,
    },
    /// A file is not what the manifest says.
    #[error("{name} is not what the manifest says: {what}")]
    Changed {
        /// The file.
        name: String,
        /// What differs.
        what: &'static str,
    },
    /// A file that the manifest does not name.
    #[error("{0} is not in the manifest")]
    Unknown(String),
    /// The library does not sign.
    #[error(transparent)]
    Signing(#[from] EcdsaError),
}

/// SHA-256 of the uncompressed point, in hexadecimal digits.
#[must_use]
pub fn fingerprint(key: &PublicKey) -> String {
    hex::encode(sha256(key.as_point()))
}

impl Manifest {
    /// Writes the manifest and its signature into a folder; returns the fingerprint of the key.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn write(&self, folder: &Path, signer: &SigningKey) -> Result<String, ManifestError> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|cause| ManifestError::Form(cause.to_string()))?;
        text.push('\n');
        let signature = signer.sign(text.as_bytes())?;
        let point = hex::encode(signer.public_key().as_point());
        for (name, content) in
            [(MANIFEST, text.clone()), (SIGNATURE, format!("{SCHEME} {point} {}\n", hex::encode(signature)))]
        {
            let mut file = PrivateFile::create(&folder.join(name))?;
            file.write(content.as_bytes())?;
            file.finish()?;
        }
        Ok(fingerprint(signer.public_key()))
    }

    /// Checks a folder: the signature with the key of this fingerprint, and every file. `progress` hears how many octets
    /// were read, of how many.
    ///
    /// # Errors
    /// [`ManifestError`], for the first thing that is not as it should be.
    pub fn verify(
        folder: &Path,
        expected: &str,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Self, ManifestError> {
        // 1. The signature, by the key that was asked for.
        let text = read(&folder.join(MANIFEST))?;
        let (key, signature) =
            signature_of(&read(&folder.join(SIGNATURE))?).ok_or(ManifestError::SignatureForm)?;
        key.verify(&text, &signature).map_err(|_| ManifestError::Signature)?;
        let found = fingerprint(&key);
        if !found.eq_ignore_ascii_case(expected) {
            return Err(ManifestError::OtherKey { found, expected: expected.to_owned() });
        }

        // 2. What it says.
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|cause| ManifestError::Form(cause.to_string()))?;
        if manifest.version != MANIFEST_VERSION {
            return Err(ManifestError::Form(format!("its version is {}", manifest.version)));
        }

        // 3. Each file, and no other.
        let mut names = BTreeSet::from([MANIFEST, SIGNATURE]);
        let total = manifest.files.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.octets));
        let mut done = 0;
        for entry in &manifest.files {
            let is_plain = Path::new(&entry.name).file_name().is_some_and(|name| name == entry.name.as_str());
            if !is_plain || !names.insert(&entry.name) {
                return Err(ManifestError::Form(format!("it names {:?}", entry.name)));
            }
            check(folder, entry, &mut |octets| {
                done += octets;
                progress(done, total);
            })?;
        }
        let failed = |cause| ManifestError::Read { path: folder.to_owned(), cause };
        for found in std::fs::read_dir(folder).map_err(failed)? {
            let name = found.map_err(failed)?.file_name();
            if !name.to_str().is_some_and(|name| names.contains(name)) {
                return Err(ManifestError::Unknown(name.to_string_lossy().into_owned()));
            }
        }
        Ok(manifest)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    let failed = |cause| ManifestError::Read { path: path.to_owned(), cause };
    let mut octets = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MANIFEST_OCTETS_MAX + 1).read_to_end(&mut octets).map_err(failed)?;
    if octets.len() as u64 > MANIFEST_OCTETS_MAX {
        return Err(failed(io::Error::other(format!("longer than {MANIFEST_OCTETS_MAX} octets"))));
    }
    Ok(octets)
}

fn signature_of(line: &[u8]) -> Option<(PublicKey, Signature)> {
    let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (scheme, point, signature) = (words.next()?, words.next()?, words.next()?);
    if scheme != SCHEME || words.next().is_some() {
        return None;
    }
    let key = PublicKey::from_point(Curve::P256, &hex::decode(point).ok()?).ok()?;
    Some((key, hex::decode(signature).ok()?.try_into().ok()?))
}

fn check(folder: &Path, entry: &FileEntry, progress: &mut dyn FnMut(u64)) -> Result<(), ManifestError> {
    let path = folder.join(&entry.name);
    let failed = |cause| ManifestError::Read { path: path.clone(), cause };
    let changed = |what| ManifestError::Changed { name: entry.name.clone(), what };
    let mut file = File::open(&path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() != entry.octets {
        return Err(changed("its length"));
    }
    let mut digest = Sha256::new();
    let mut part = vec![0; 256 * 1024];
    loop {
        let octets = file.read(&mut part).map_err(failed)?;
        if octets == 0 {
            break;
        }
        digest.update(part.get(..octets).unwrap_or_default());
        progress(octets as u64);
    }
    if hex::encode(digest.finalize()) == entry.sha256 { Ok(()) } else { Err(changed("its SHA-256")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, SigningKey, Manifest) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "iccid\n1\n").unwrap();
        let key = SigningKey::from_scalar(Curve::P256, &[7; 32]).unwrap();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            made_at: String::new(),
            made_by: "ada".to_owned(),
            keys: "clear".to_owned(),
            transport_keys: Vec::new(),
            packages_left_out: 0,
            files: vec![FileEntry {
                name: "a.csv".to_owned(),
                rows: 1,
                octets: 8,
                sha256: hex::encode(sha256(b"iccid\n1\n")),
                owner: None,
                profile_type: None,
            }],
        };
        manifest.write(folder.path(), &key).unwrap();
        (folder, key, manifest)
    }

    fn verify(folder: &tempfile::TempDir, key: &SigningKey) -> Result<Manifest, String> {
        let verified = Manifest::verify(folder.path(), &fingerprint(key.public_key()), |_, _| {});
        verified.map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_is_what_its_manifest_says() {
        let (folder, key, manifest) = folder();
        assert_eq!(verify(&folder, &key), Ok(manifest));
        let other = SigningKey::from_scalar(Curve::P256, &[8; 32]).unwrap();
        assert!(verify(&folder, &other).unwrap_err().contains("was signed with key"));
    }

    #[test]
    fn every_change_is_told() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 7] = [
            ("a.csv is not what", |folder| std::fs::write(folder.join("a.csv"), "iccid\n2\n").unwrap()),
            ("its length", |folder| std::fs::write(folder.join("a.csv"), "iccid\n").unwrap()),
            ("a.csv: ", |folder| std::fs::remove_file(folder.join("a.csv")).unwrap()),
            ("b.csv is not in the manifest", |folder| std::fs::write(folder.join("b.csv"), "").unwrap()),
            ("not that of manifest.json", |folder| {
                let text = std::fs::read_to_string(folder.join(MANIFEST)).unwrap();
                std::fs::write(folder.join(MANIFEST), text.replace("ada", "eve")).unwrap();
            }),
            ("manifest.sig is not", |folder| std::fs::write(folder.join(SIGNATURE), "x").unwrap()),
            ("manifest.json: ", |folder| std::fs::remove_file(folder.join(MANIFEST)).unwrap()),
        ];
        for (expected, change) in changes {
            let (folder, key, _) = folder();
            change(folder.path());
            let told = verify(&folder, &key).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_manifest_names_files_of_its_folder_alone() {
        for name in ["../a.csv", "/etc/passwd", "x/a.csv", ".."] {
            let (folder, key, mut manifest) = folder();
            for file in [MANIFEST, SIGNATURE] {
                std::fs::remove_file(folder.path().join(file)).unwrap();
            }
            manifest.files[0].name = name.to_owned();
            manifest.write(folder.path(), &key).unwrap();
            assert!(verify(&folder, &key).unwrap_err().contains("it names"), "{name}");
        }
    }
}
