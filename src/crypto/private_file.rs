//! Files of their owner's alone that are there whole or not at all: written beside their place, flushed to disk, and only
//! then given their name. What an interrupted run left beside them is passed over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes a file that must not exist, as a whole or not at all, for its owner alone (mode 0600 on Unix). When this returns,
/// it outlasts a failure of power.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if it exists; others if it cannot be written.
pub fn write_once(path: &Path, content: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = beside(path)?;
    let written =
        file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| give_name(&temporary, path));
    // After a renaming there is nothing to remove.
    let _ = std::fs::remove_file(&temporary);
    written
}

/// A new file of its owner's alone in the same folder.
///
/// # Errors
/// If it cannot be made.
pub fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut number = 0_u8;
    loop {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".new{number}"));
        let temporary = path.with_file_name(name);
        match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u8::MAX => number += 1,
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

/// Gives a file that is on the disk its name, which must be free, and brings the name there too. The temporary name may
/// still be there afterwards.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if it is not free; others if the system refuses.
pub fn give_name(temporary: &Path, path: &Path) -> io::Result<()> {
    // A link, unlike a renaming, fails where there is a file of this name.
    match std::fs::hard_link(temporary, path) {
        // File systems without links: all but the race with another process is excluded.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.try_exists()? => {
            std::fs::rename(temporary, path)
        }
        linked => linked,
    }?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) { File::open(folder.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}
