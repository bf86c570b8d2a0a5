//! Inputs to start from: our own samples, and the published vectors where they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use simyard_asn1::Reader;

use crate::samples;

/// The deepest TLV that becomes a seed.
const MAX_DEPTH: usize = 12;

/// Writes seeds into the corpus: the first folder among the arguments. Without a folder (a single input is run again)
/// nothing is written.
pub fn write(seeds: impl IntoIterator<Item = Vec<u8>>) {
    let folder = std::env::args_os().skip(1).map(PathBuf::from).find(|argument| argument.is_dir());
    let Some(folder) = folder else { return };
    for (number, seed) in seeds.into_iter().enumerate() {
        let file = folder.join(format!("seed-{number:04}"));
        fs::write(&file, seed).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// All values, at any depth of all samples and all published messages and certificates, that `fits` accepts.
pub fn values(fits: impl Fn(&[u8]) -> bool) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let inputs = samples::messages().into_iter().chain(published_messages());
    for input in inputs.chain(files("rsp-session")).chain(files("sgp26")) {
        walk(Reader::new(&input, "seed"), 0, &mut |der| {
            if fits(der) {
                found.insert(der.to_vec());
            }
        });
    }
    found
}

fn walk(mut reader: Reader<'_>, depth: usize, visit: &mut impl FnMut(&[u8])) {
    while let Ok(tlv) = reader.read() {
        visit(tlv.raw);
        if tlv.tag.is_constructed() && depth < MAX_DEPTH {
            walk(tlv.members("seed"), depth + 1, visit);
        }
    }
}

/// The DER files in a folder of the published vectors.
pub fn files(folder: &str) -> Vec<Vec<u8>> {
    let Some(vectors) = vectors() else { return Vec::new() };
    let Ok(entries) = fs::read_dir(vectors.join(folder)) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "der"))
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn published_messages() -> Vec<Vec<u8>> {
    let Some(vectors) = vectors() else { return Vec::new() };
    let Ok(text) = fs::read(vectors.join("rsp-asn1/rsp_vectors.json")) else { return Vec::new() };
    let messages: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&text).expect("the published messages are a JSON object");
    messages.values().filter_map(|text| hex::decode(text.as_str()?).ok()).collect()
}

/// `SIMYARD_VECTORS`, or `../shared/vectors` beside the project.
fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("SIMYARD_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    folder.is_dir().then_some(folder)
}
