//! Descriptions: no text makes the builder panic, and every package that can be read is built from its description.

#![no_main]

use simyard::profile::description::{build, extract};
use simyard::profile::shipped;
use simyard_asn1::saip::Package;

/// Texts and packages: our own, and the published ones.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = simyard_fuzz::seeds::files("ts48");
    for shipped in shipped::ALL {
        seeds.push(shipped.description.as_bytes().to_vec());
        seeds.extend(shipped.build());
    }
    seeds
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let none = |_: &str| Err("no file".to_owned());
    if let Ok(package) = Package::from_ber(input) {
        let text = extract(&package);
        let back = build(&text, &none).expect("a description is built");
        assert_eq!(back, input, "{}", *text);
    }
    if let Ok(text) = core::str::from_utf8(input)
        && let Ok(octets) = build(text, &none)
    {
        Package::from_ber(&octets).expect("what is built is a package");
    }
});
