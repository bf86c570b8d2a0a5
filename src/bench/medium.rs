//! What kind of file system a folder lies on, as Linux tells it in `/proc/mounts`.

use std::path::{Path, PathBuf};

/// The file systems that a commit does not survive.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];

/// The name of the file system that holds `path`, which exists; `None` where the system does not tell.
#[must_use]
pub fn file_system(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    find(&mounts, &path.canonicalize().ok()?)
}

/// Whether data on this file system is gone when the machine is switched off.
#[must_use]
pub fn is_volatile(file_system: &str) -> bool {
    VOLATILE.contains(&file_system)
}

/// The longest mount point that `path` lies below; of two mounts at one place the later one covers the other.
fn find(mounts: &str, path: &Path) -> Option<String> {
    let mut found: Option<(PathBuf, &str)> = None;
    for mount in mounts.lines() {
        let mut fields = mount.split(' ');
        let (Some(_), Some(point), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let point = PathBuf::from(point.replace("\\040", " "));
        let covers = found.as_ref().is_none_or(|(before, _)| point.starts_with(before));
        if path.starts_with(&point) && covers {
            found = Some((point, kind));
        }
    }
    found.map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_and_last_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n/dev/b /da xfs rw 0 0\n\
                      /dev/c /data\\040x btrfs rw 0 0\nnone /da tmpfs rw 0 0\n";
        let kind = |path: &str| find(mounts, Path::new(path)).unwrap();
        assert_eq!(kind("/home"), "ext4");
        assert_eq!(kind("/dev/shm/x"), "tmpfs");
        assert_eq!(kind("/dev/shmx"), "ext4");
        assert_eq!(kind("/da/x"), "tmpfs");
        assert_eq!(kind("/data x/y"), "btrfs");
        assert_eq!(kind("/data"), "ext4");
        assert_eq!(find("", Path::new("/")), None);
    }

    #[test]
    fn memory_is_volatile_and_disks_are_not() {
        assert!(is_volatile("tmpfs") && is_volatile("ramfs"));
        assert!(!is_volatile("ext4") && !is_volatile("btrfs"));
    }
}
