//! Profile packages: octets survive, and no view of an element, nor template or card, panics.

#![no_main]

use simyard::profile::identity::PackageIdentity;
use simyard::profile::image::ProfileImage;
use simyard::profile::plan::Template;
use simyard::profile::shipped;
use simyard_asn1::saip::Package;

/// The published packages and our own, whole and each element alone.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = simyard_fuzz::seeds::files("ts48");
    seeds.extend(shipped::ALL.iter().flat_map(|shipped| shipped.build()));
    let parts: Vec<Vec<u8>> = seeds
        .iter()
        .filter_map(|package| Package::from_der(package).ok())
        .flat_map(|package| {
            package.elements().iter().map(|element| element.tlv.raw.to_vec()).collect::<Vec<_>>()
        })
        .collect();
    seeds.extend(parts);
    // End alone.
    seeds.push(vec![0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x01]);
    seeds.sort();
    seeds.dedup();
    seeds
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let Ok(package) = Package::from_der(input) else { return };
    assert_eq!(package.to_der(), input);
    for element in package.elements() {
        let _ = element.body();
        let _ = element.profile_header();
        let _ = element.pin_codes();
        let _ = element.puk_codes();
        let _ = element.aka_parameter();
        let _ = element.application_identity();
        let _ = element.file_system();
        let _ = element.generic_file_management();
    }
    let _ = PackageIdentity::read(&package);
    let _ = Template::compile(&package);
    if let Ok(image) = ProfileImage::build(&package) {
        let _ = image.statuses();
        assert!(image.nodes().all(|(id, _)| image.node(image.target(id)).is_some()), "a link to nowhere");
    }
});
