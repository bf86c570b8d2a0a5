//! Profile packages: the published ones of GSMA TS.48 and our own.

use std::path::PathBuf;

use simyard::profile::identity::PackageIdentity;
use simyard::profile::image::ProfileImage;
use simyard_asn1::saip::Package;

use crate::harness;

crate::tests!(
    every_published_package_round_trips,
    every_published_package_says_who_it_is,
    every_published_package_installs
);

/// The packages of TS.48, by file name.
pub fn published() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = harness::vectors("the profile packages of TS.48") else { return Vec::new() };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("ts48"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "der"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 8, "the published packages");
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

fn every_published_package_round_trips() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(package.to_der(), octets, "{name}");
    }
}

fn every_published_package_says_who_it_is() {
    for (name, octets) in published() {
        let identity = PackageIdentity::read(&Package::from_der(&octets).unwrap()).unwrap();
        assert_eq!(identity.iccid.as_str(), "89000123456789012341", "{name}");
        assert_eq!(identity.imsi.unwrap().as_str(), "001010123456063", "{name}");
        let minor = if name.contains("v1") || name.contains("SAIP2.1") { 1 } else { 3 };
        assert_eq!(identity.version, (2, minor), "{name}");
        assert_eq!(identity.profile_type.as_deref(), Some("GSMA Generic eUICC Test Profile"), "{name}");
        assert_eq!(identity.size, octets.len(), "{name}");
    }
}

fn every_published_package_installs() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap();
        let image = ProfileImage::build(&package).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (path, content) in [
            (&[0x2FE2][..], &hex::decode("98001032547698103214").unwrap()[..]),
            (&[0x7FD0, 0x6F07], &hex::decode("080910101032540636").unwrap()),
            (&[0x7FD0, 0x6F46], b"\x01GSMA\x11TEST\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
            (&[0x7FD0, 0x6F78], &[0x00, 0x01]),
            (&[0x7FD0, 0x6FAD], &[0x80, 0x00, 0x00, 0x02]),
            (&[0x2F08], &[0x3C, 0x3C, 0x00, 0x00, 0x00]),
        ] {
            let file = image.path(path).and_then(|id| image.file(id));
            assert_eq!(file.map(|file| &*file.content), Some(content), "{name} {path:04X?}");
        }
    }
}
