//! Lint: no octets make it panic, and every finding lies in them.

#![no_main]

use simyard::profile::lint::{lint, lint_together, sarif};
use simyard::profile::shipped;

/// The published packages and our own.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = simyard_fuzz::seeds::files("ts48");
    seeds.extend(shipped::ALL.iter().filter_map(|shipped| shipped.build().ok()));
    seeds
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let report = lint(input);
    assert!(report.findings.iter().all(|finding| finding.offset <= input.len()), "an offset behind the end");
    assert!(report.findings.is_sorted_by_key(|finding| finding.offset), "findings in no order");
    let both = lint_together(&[input, input]);
    assert_eq!(both[0], report);
    let _ = sarif::to_sarif(&[("input", &report)]);
});
