//! Showing and comparing: no package makes the tree, its words or a comparison panic, and masked secrets stay masked.

#![no_main]

use simyard::profile::comparison::{compare, text as differences};
use simyard::profile::overview::{Overview, Reveal, text};
use simyard::profile::shipped;
use simyard::profile::tree::Tree;
use simyard_asn1::saip::Package;

/// Packages: our own, and the published ones.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = simyard_fuzz::seeds::files("ts48");
    seeds.extend(shipped::ALL.iter().filter_map(|shipped| shipped.build().ok()));
    seeds
}

fn overview(octets: &[u8], reveal: Reveal) -> Overview {
    let reading = Package::read_what_can_be(octets);
    let mut overview = Overview::of(&Tree::of(&reading.package), reveal);
    overview.add_unreadable(&reading.problems);
    overview
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let masked = overview(input, Reveal::Nothing);
    assert!(!text::render(&masked, 80).is_empty());
    serde_json::to_string(&masked).expect("a model is JSON");
    let revealed = overview(input, Reveal::Secrets);
    assert!(!text::render(&revealed, 80).is_empty());
    // The same package means the same, shown or not.
    assert!(compare(&revealed, &revealed).differences.is_empty());
    // With the same package without its last octets: something to compare.
    let shorter = overview(&input[..input.len() - input.len() / 8], Reveal::Nothing);
    let page = differences::render(&compare(&masked, &shorter), 80);
    assert!(page.is_empty() == compare(&shorter, &masked).differences.is_empty());
});
