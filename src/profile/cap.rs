//! Load files of Java Card applets: a CAP file becomes the load file data block of loadBlockObject.
//!
//! A CAP file is a ZIP archive of components; an eUICC takes the components one behind the other in the order in which
//! they can be linked (Java Card Virtual Machine Specification, chapter 6). Debug information and descriptors stay
//! behind. Archives are read by `zip`, which is widely used and kept well; what comes out of it is bounded here.

use std::io::{Cursor, Read as _};

use simyard_asn1::saip::MAX_PACKAGE;
use zip::ZipArchive;

/// The components in their order; those without a mark may be missing.
const COMPONENTS: [(&str, Component); 10] = [
    ("Header.cap", Component::Mandatory),
    ("Directory.cap", Component::Mandatory),
    ("Import.cap", Component::Mandatory),
    ("Applet.cap", Component::Optional),
    ("Class.cap", Component::Mandatory),
    ("Method.cap", Component::Mandatory),
    ("StaticField.cap", Component::Mandatory),
    ("Export.cap", Component::Optional),
    ("ConstantPool.cap", Component::Mandatory),
    ("RefLocation.cap", Component::Mandatory),
];

/// How a ZIP archive begins.
const ZIP: &[u8] = b"PK\x03\x04";
/// The largest number of files in an archive.
const MAX_FILES: usize = 1024;

/// Whether a CAP file must have a component.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    Mandatory,
    Optional,
}

/// Why a file is no load file.
#[derive(Debug, thiserror::Error)]
pub enum CapError {
    /// The file begins like an archive and is none.
    #[error("the file begins like a CAP file and is no ZIP archive: {0}")]
    Archive(#[from] zip::result::ZipError),
    /// A component cannot be unpacked.
    #[error("the component {0} cannot be unpacked")]
    Damaged(&'static str),
    /// A component is missing.
    #[error("the CAP file has no component {0}")]
    Missing(&'static str),
    /// The archive has more than one package.
    #[error("the CAP file has several packages with a component {0}")]
    Several(&'static str),
    /// The components or their number are too large.
    #[error("the CAP file has more than {MAX_FILES} files or {MAX_PACKAGE} octets")]
    TooLong,
}

/// The load file data block of a file: the components of a CAP file, or the file as it is.
///
/// # Errors
/// [`CapError`] for a CAP file without its components.
pub fn load_file(octets: Vec<u8>) -> Result<Vec<u8>, CapError> {
    if !octets.starts_with(ZIP) {
        return Ok(octets);
    }
    let mut archive = ZipArchive::new(Cursor::new(octets))?;
    if archive.len() > MAX_FILES {
        return Err(CapError::TooLong);
    }
    let names = archive.file_names().map(|name| name.map(std::borrow::Cow::into_owned));
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    let mut block = Vec::new();
    for (component, wanted) in COMPONENTS {
        let is_it = |name: &&String| name.rsplit('/').next() == Some(component);
        let mut found = names.iter().filter(is_it);
        let name = match (found.next(), found.next()) {
            (Some(name), None) => name,
            (Some(_), Some(_)) => return Err(CapError::Several(component)),
            (None, _) if wanted == Component::Optional => continue,
            (None, _) => return Err(CapError::Missing(component)),
        };
        let room = MAX_PACKAGE.saturating_sub(block.len());
        let limit = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
        let file = archive.by_name(name)?;
        let read = file.take(limit).read_to_end(&mut block).map_err(|_| CapError::Damaged(component))?;
        if read > room {
            return Err(CapError::TooLong);
        }
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// An archive of these files; each holds its own name.
    fn archive(names: &[String]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            writer.start_file(name, options).unwrap();
            writer.write_all(name.rsplit('/').next().unwrap().as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn names(folder: &str) -> Vec<String> {
        COMPONENTS.iter().rev().map(|(name, _)| format!("{folder}/javacard/{name}")).collect()
    }

    #[test]
    fn components_come_in_the_order_of_linking() {
        let mut all = names("com/example");
        all.extend(["META-INF/MANIFEST.MF", "com/example/javacard/Descriptor.cap"].map(str::to_owned));
        let expected: String = COMPONENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(load_file(archive(&all)).unwrap(), expected.as_bytes());
        // Without exports there is no Export component.
        let without: Vec<String> = all.iter().filter(|name| !name.ends_with("Export.cap")).cloned().collect();
        assert_eq!(load_file(archive(&without)).unwrap(), expected.replace("Export.cap", "").as_bytes());
    }

    #[test]
    fn what_is_no_archive_is_taken_as_it_is() {
        assert_eq!(load_file(vec![1, 2, 3]).unwrap(), [1, 2, 3]);
        assert!(matches!(load_file(b"PK\x03\x04 no archive".to_vec()), Err(CapError::Archive(_))));
    }

    #[test]
    fn a_damaged_archive_is_refused() {
        let mut all = names("a");
        all.retain(|name| !name.ends_with("Method.cap"));
        assert!(matches!(load_file(archive(&all)), Err(CapError::Missing("Method.cap"))));
        let mut all = names("a");
        all.extend(names("b"));
        assert!(matches!(load_file(archive(&all)), Err(CapError::Several("Header.cap"))));
        let whole = archive(&names("a"));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            // It may still be one; it must not panic.
            let _ = load_file(changed);
            assert!(load_file(whole[..at].to_vec()).is_err() || !whole[..at].starts_with(ZIP), "{at}");
        }
    }
}
