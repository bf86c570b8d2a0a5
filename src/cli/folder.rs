//! The folder in which a command builds a world of its own.

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
        let path = match dir {
            Some(dir) => dir.to_owned(),
            None => {
                let name = format!("simyard-{purpose}-{}", hex::encode(Rng::system().array::<6>()));
                std::env::temp_dir().join(name)
            }
        };
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        if std::fs::read_dir(&path)?.next().is_some() {
            bail!("{} is not empty; name another folder with --dir", path.display());
        }
        Ok(Self { path: path.canonicalize()?, temporary: dir.is_none() && keep == Keep::IfNamed })
    }

    /// Where it is, without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
