//! The test PKI as files: PEM, keys readable for their owner alone, twins in `wrong/`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::description::Description;
use super::{CurveSet, Issued, TestPki};
use crate::pki::issue::IssueError;

/// What to do with a folder that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    Refuse,
    /// Replace files of the same names.
    Replace,
}

/// Files that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What it is for, or what is wrong with it.
    pub purpose: String,
}

/// Why the PKI could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something is in the folder.
    #[error(
        "{0} is not empty: name an empty or new folder, or say --force to replace the certificates and keys in it"
    )]
    NotEmpty(PathBuf),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key or description could not be turned into text.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl TestPki {
    /// Writes all certificates and keys as PEM into `folder`, twins into `wrong/` below it; keys are readable for
    /// their owner alone. Returns what was written, with the purpose of each.
    ///
    /// # Errors
    /// [`WriteError`]; a folder with something in it is refused unless `existing` says otherwise.
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<Vec<Written>, WriteError> {
        if existing == Existing::Refuse && !is_empty(folder)? {
            return Err(WriteError::NotEmpty(folder.to_owned()));
        }
        write_set(folder, &self.certificates(), &self.other_ci, &self.twins)
    }
}

impl CurveSet {
    /// Writes the set beside the PKI that stands in `folder`, as [`TestPki::write_to`] does. Files of the same names
    /// are replaced.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write_beside(&self, folder: &Path) -> Result<Vec<Written>, WriteError> {
        write_set(folder, &self.certificates(), &self.other_ci, &self.twins)
    }
}

fn write_set(
    folder: &Path,
    certificates: &[&Issued],
    other_ci: &Issued,
    twins: &[Issued],
) -> Result<Vec<Written>, WriteError> {
    let description = Description::read()?;
    let wrong = folder.join("wrong");
    fs::create_dir_all(&wrong).map_err(|source| WriteError::Io { path: wrong.clone(), source })?;
    let mut written = Vec::new();
    for issued in certificates {
        let purpose = description.entry(issued.kind).purpose.clone();
        written.push(write_pair(folder, &issued.name(), issued, purpose)?);
    }
    let purpose = "A CI that nobody trusts.".to_owned();
    written.push(write_pair(&wrong, &format!("other-{}", other_ci.name()), other_ci, purpose)?);
    for twin in twins {
        let purpose = twin.fault.map_or("", |fault| description.fault(fault)).to_owned();
        written.push(write_pair(&wrong, &twin.name(), twin, purpose)?);
    }
    Ok(written)
}

/// A folder that does not exist counts as empty.
fn is_empty(folder: &Path) -> Result<bool, WriteError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(WriteError::Io { path: folder.to_owned(), source }),
    }
}

fn write_pair(folder: &Path, name: &str, issued: &Issued, purpose: String) -> Result<Written, WriteError> {
    let certificate = folder.join(format!("{name}.pem"));
    let key = folder.join(format!("{name}.key.pem"));
    let pem: Zeroizing<String> = issued.key.to_pkcs8_pem().map_err(IssueError::from)?;
    write_file(&certificate, issued.certificate_pem().as_bytes(), Readers::Everybody)?;
    write_file(&key, pem.as_bytes(), Readers::Owner)?;
    Ok(Written { certificate, key, purpose })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Everybody,
    Owner,
}

/// Writes a new file: an old one is removed first, as it would keep its mode.
fn write_file(path: &Path, octets: &[u8], readers: Readers) -> Result<(), WriteError> {
    let failed = |source| WriteError::Io { path: path.to_owned(), source };
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed(source)),
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if readers == Readers::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path).and_then(|mut file| file.write_all(octets)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, options};
    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::env::Rng;

    #[test]
    fn a_folder_with_something_in_it_is_kept_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let pki = TestPki::generate(&Rng::seeded(1), NOW, &options()).unwrap();
        let target = folder.path().join("pki");
        let written = pki.write_to(&target, Existing::Refuse).unwrap();
        assert_eq!(written.len(), 13 + 1 + pki.twins.len());
        assert!(matches!(pki.write_to(&target, Existing::Refuse), Err(WriteError::NotEmpty(_))));
        let other = TestPki::generate(&Rng::seeded(2), NOW, &options()).unwrap();
        other.write_to(&target, Existing::Replace).unwrap();
        let pem = fs::read_to_string(target.join("ci.pem")).unwrap();
        assert_eq!(pem, other.ci.certificate_pem());
        let second = CurveSet::generate(&Rng::seeded(3), NOW, &options(), Curve::BrainpoolP256r1).unwrap();
        second.write_beside(&target).unwrap();
        assert_eq!(fs::read_to_string(target.join("ci.pem")).unwrap(), pem);
        assert_eq!(
            fs::read_to_string(target.join("wrong/other-ci-brp.pem")).unwrap(),
            second.other_ci.certificate_pem()
        );
        assert!(target.join("wrong/eum-brp-expired.key.pem").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name: &str| fs::metadata(target.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode("ci.key.pem"), 0o600);
            assert_eq!(mode("wrong/eum-expired.key.pem"), 0o600);
        }
    }
}
