//! Files that grow while they are written, and are there whole or not at all ([`crate::crypto::private_file`]).

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::crypto::private_file::{beside, give_name};

/// Octets that are held back and written together.
const BUFFER: usize = 256 * 1024;

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says no.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another file has the name.
    #[error("{} is there already: name another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// How long it is.
    pub octets: u64,
}

/// A file that is being written; dropped unfinished, it never was.
pub struct PrivateFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
    digest: Sha256,
    octets: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl PrivateFile {
    /// Begins a file at `path`, where nothing may be.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let failed = |cause| FileError::Io { path: path.to_owned(), cause };
        if path.try_exists().map_err(failed)? {
            return Err(FileError::Exists { path: path.to_owned() });
        }
        let (temporary, file) = beside(path).map_err(failed)?;
        // It never grows: a buffer that did would leave copies of keys behind.
        let buffer = Zeroizing::new(Vec::with_capacity(BUFFER));
        let (path, file) = (path.to_owned(), Some(file));
        Ok(Self { path, temporary, file, digest: Sha256::new(), octets: 0, buffer })
    }

    fn failed(&self, cause: io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), cause }
    }

    /// Adds octets.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn write(&mut self, octets: &[u8]) -> Result<(), FileError> {
        if self.buffer.len() + octets.len() > BUFFER {
            self.flush()?;
        }
        if octets.len() <= BUFFER {
            self.buffer.extend_from_slice(octets);
            return Ok(());
        }
        self.put(octets)
    }

    fn flush(&mut self) -> Result<(), FileError> {
        let mut held = std::mem::take(&mut self.buffer);
        let put = self.put(&held);
        held.as_mut_slice().zeroize();
        held.clear();
        self.buffer = held;
        put
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), FileError> {
        self.digest.update(octets);
        self.octets += octets.len() as u64;
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(octets));
        written.map_err(|cause| self.failed(cause))
    }

    /// Gives the file its name, once all of it is on the disk.
    ///
    /// # Errors
    /// [`FileError`]; there is no such file then.
    pub fn finish(mut self) -> Result<Written, FileError> {
        self.flush()?;
        let Some(file) = self.file.take() else { return Err(self.failed(io::ErrorKind::NotFound.into())) };
        file.sync_all().map_err(|cause| self.failed(cause))?;
        drop(file);
        match give_name(&self.temporary, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists { path: self.path.clone() });
            }
            named => named.map_err(|cause| self.failed(cause))?,
        }
        Ok(Written { sha256: self.digest.clone().finalize().into(), octets: self.octets })
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        drop(self.file.take());
        // Behind a renaming there is nothing to remove.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::sha256;

    #[test]
    fn a_file_is_there_whole_or_not_at_all_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let mut dropped = PrivateFile::create(&path).unwrap();
        dropped.write(b"half").unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut file = PrivateFile::create(&path).unwrap();
        let content = vec![7; BUFFER + 3];
        for part in [&content[..5], &content[5..BUFFER], &content[BUFFER..], &content] {
            file.write(part).unwrap();
        }
        assert!(!path.exists(), "not before it is whole");
        let written = file.finish().unwrap();
        let read = std::fs::read(&path).unwrap();
        assert_eq!(read, [content.as_slice(), &content].concat());
        assert_eq!((written.sha256, written.octets), (sha256(&read), read.len() as u64));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(matches!(PrivateFile::create(&path), Err(FileError::Exists { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let late = folder.path().join("late");
        let raced = PrivateFile::create(&late).unwrap();
        std::fs::write(&late, "another").unwrap();
        assert!(matches!(raced.finish(), Err(FileError::Exists { .. })));
        assert_eq!(std::fs::read(&late).unwrap(), b"another");
        assert!(PrivateFile::create(&folder.path().join("absent/x")).is_err());
    }
}
