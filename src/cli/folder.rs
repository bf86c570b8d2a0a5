//! The folder in which a command builds a world of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::env::Rng;

/// What becomes of the folder when the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It stays if the user named it.
    IfNamed,
    /// It stays.
    Always,
}

/// The folder of one run; a temporary one is removed behind it.
pub(super) struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// Makes the folder `dir`, which must be empty or absent, or a temporary one with `purpose` in its name.
    pub(super) fn new(purpose: &str, dir: Option<&Path>, keep: Keep) -> anyhow::Result<Self> {
        let temporary = dir.is_none() && keep == Keep::IfNamed;
        let path = dir.map_or_else(|| std::env::temp_dir().join(drawn_name(purpose)), Path::to_owned);
        Self::make(path, temporary)
    }

    /// Makes a temporary folder, in memory where the system has a place for that: for what need not survive anything.
    pub(super) fn in_memory(purpose: &str) -> anyhow::Result<Self> {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self::make(base.join(drawn_name(purpose)), true)
    }

    fn make(path: PathBuf, temporary: bool) -> anyhow::Result<Self> {
        // The owner's alone: keys come into it. One that is there keeps its mode; the files are private themselves.
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        if std::fs::read_dir(&path)?.next().is_some() {
            bail!("{} is not empty; name another folder with --dir", path.display());
        }
        Ok(Self { path: path.canonicalize()?, temporary })
    }

    /// Where it is, without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A name that no other run has.
fn drawn_name(purpose: &str) -> String {
    format!("simyard-{purpose}-{}", hex::encode(Rng::system().array::<6>()))
}

/// Writes a new file that only its owner may access.
pub(super) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(content).with_context(|| format!("cannot write {}", path.display()))
}

/// Replaces a file by one that only its owner may access: written aside and renamed, so that nobody sees half of it.
/// What is there and no file, /dev/null or a pipe, is written to and stays what it is.
pub(super) fn replace_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let written =
            std::fs::OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(content));
        return written.with_context(|| format!("cannot write {}", path.display()));
    }
    // A link stays, and leads to the new file.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let aside = path.with_file_name(format!(
        ".{}.{}",
        name.to_string_lossy(),
        hex::encode(Rng::system().array::<6>())
    ));
    let written = write_private(&aside, content).and_then(|()| {
        std::fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    written
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
