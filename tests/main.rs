//! The integration tests: one binary, its files named after what they test.
//!
//! Each file lists its tests in [`tests!`]; a test that is written but not listed is dead code, which the lints deny.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod harness;

mod arrows;

fn main() -> std::process::ExitCode {
    harness::run(&[arrows::TESTS])
}
