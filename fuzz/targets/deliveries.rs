//! A manufacturer's delivery in any form: no octets make a reader panic, and refusals tell no key.

#![no_main]

use std::path::Path;

use simyard::domain::Mode;
use simyard::env::Rng;
use simyard::inventory::formats::{Deliveries, Format, Options};

/// The examples of the tests: one of each form.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/formats");
    let files = std::fs::read_dir(folder).expect("the examples").flatten();
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let paths = files.map(|file| file.path()).filter(|path| !is_source(path));
    paths.map(|path| std::fs::read(path).expect("an example")).collect()
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    for format in Format::ALL.map(Some).into_iter().chain([None]) {
        let options = Options { format, ..Options::new(None, Rng::seeded(1), Mode::Test) };
        let Ok(mut deliveries) = Deliveries::open(input, &options, None) else { continue };
        while let Some(row) = deliveries.next_row().expect("memory is read") {
            for error in row.outcome.err().unwrap_or_default() {
                assert!(!error.to_string().contains("465B5CE8"), "a secret in an error");
            }
        }
    }
});
