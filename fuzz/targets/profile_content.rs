//! Contents of files: what is said in words is the same octets again, and the words of one file panic in no other.
//!
//! The first two octets of an input choose the file, the next two another one; the rest is the content.

#![no_main]

use simyard::profile::content::{decode, decode_sized, encode, encode_sized};
use simyard::profile::shipped;
use simyard::profile::templates::Template;
use simyard::profile::tree::{Body, Tree};
use simyard_asn1::saip::{ElementKind, Package};

/// Every file of the templates that has content.
fn files() -> Vec<(ElementKind, &'static str)> {
    let rows = Template::latest().flat_map(|template| template.rows().map(move |row| (template.kind, row)));
    rows.filter(|(_, row)| !row.kind.is_directory()).map(|(kind, row)| (kind, row.name)).collect()
}

/// The contents of the published packages and our own, each for its own file.
fn seeds() -> Vec<Vec<u8>> {
    let files = files();
    let mut packages = simyard_fuzz::seeds::files("ts48");
    packages.extend(shipped::ALL.iter().flat_map(|shipped| shipped.build()));
    let mut seeds = Vec::new();
    for octets in packages {
        let Ok(package) = Package::from_der(&octets) else { continue };
        for (_, file) in Tree::of(&package).files() {
            let Body::Content(content) = &file.body else { continue };
            let place = files.iter().position(|(kind, name)| *kind == file.table && **name == *file.name);
            let Some(place) = place.and_then(|place| u16::try_from(place).ok()) else { continue };
            for record in content.octets.chunks(content.record_length().unwrap_or(usize::MAX)) {
                seeds.push([&place.to_be_bytes()[..], &[0, 0], record].concat());
            }
        }
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let [a, b, c, d, octets @ ..] = input else { return };
    let files = files();
    let choose = |number: [u8; 2]| files[usize::from(u16::from_be_bytes(number)) % files.len()];
    let (kind, name) = choose([*a, *b]);
    if let Some(value) = decode(kind, name, octets) {
        assert_eq!(encode(kind, name, &value).as_deref(), Ok(octets), "{name}: {value}");
        let (kind, name) = choose([*c, *d]);
        let _ = encode(kind, name, &value);
    }
    if let Some(value) = decode_sized(kind, name, octets) {
        let again = encode_sized(kind, name, &value, octets.len());
        assert_eq!(again.as_deref(), Ok(octets), "{name}: {value}");
    }
});
