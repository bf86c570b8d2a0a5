//! Contents of files in words: what the published packages of TS.48 hold.

use std::collections::{BTreeMap, BTreeSet};

use simyard::profile::content;
use simyard::profile::tree::{Body, File, FileId, Tree};
use simyard_asn1::saip::{ElementKind, Package};

use crate::profile::published;

crate::tests!(
    contents_of_the_published_packages_have_words,
    the_numbers_of_a_published_phonebook_can_be_read
);

/// Files of the published packages that hold something without words. Those of CSIM are data of 3GPP2, EF.MLPL and EF.MSPL of
/// OMA, 7F66 is no directory of a standard that we know. Some numbers of the phonebooks of the first two versions have
/// a length that is none.
const WITHOUT_WORDS: [&str; 7] = [
    "ADF.CSIM",
    "MF/7F66/5F40/4F40",
    "MF/7F66/5F40/4F41",
    "MF/7F66/5F40/4F44",
    "MF/DF.TELECOM/DF.MMSS/EF.MLPL",
    "MF/DF.TELECOM/DF.MMSS/EF.MSPL",
    "MF/DF.TELECOM/DF.PHONEBOOK/EF.ADN",
];

/// Runs over every content of a package: a whole file, or one record.
fn contents(tree: &Tree<'_>, mut each: impl FnMut(FileId, &File<'_>, &[u8])) {
    for (id, file) in tree.files() {
        let Body::Content(content) = &file.body else { continue };
        let length = content.record_length().unwrap_or(usize::MAX);
        content.octets.chunks(length).for_each(|octets| each(id, file, octets));
    }
}

fn contents_of_the_published_packages_have_words() {
    let mut missing: BTreeSet<String> = BTreeSet::new();
    let (mut said, mut all) = (0, 0);
    for (_, package) in published() {
        let package = Package::from_der(&package).unwrap();
        let tree = Tree::of(&package);
        contents(&tree, |id, file, octets| {
            let path = tree.path(id);
            all += octets.len();
            for (words, sized) in [
                (content::decode(file.table, &file.name, octets), false),
                (content::decode_sized(file.table, &file.name, octets), true),
            ] {
                let Some(words) = words else {
                    let csim = path.starts_with("ADF.CSIM/").then_some("ADF.CSIM");
                    missing.insert(csim.map_or_else(|| path.clone(), str::to_owned));
                    continue;
                };
                let again = if sized {
                    said += octets.len();
                    content::encode_sized(file.table, &file.name, &words, octets.len())
                } else {
                    content::encode(file.table, &file.name, &words)
                };
                assert_eq!(again.as_deref(), Ok(octets), "{path}: {words}");
            }
        });
    }
    if all == 0 {
        return;
    }
    assert_eq!(missing, WITHOUT_WORDS.map(str::to_owned).into());
    assert!(said * 100 >= all * 94, "{said} of {all} octets have words");
}

fn the_numbers_of_a_published_phonebook_can_be_read() {
    for (name, package) in published() {
        let package = Package::from_der(&package).unwrap();
        let tree = Tree::of(&package);
        let mut files: BTreeMap<u16, &str> = BTreeMap::new();
        contents(&tree, |_, file, octets| {
            if file.name == "EF.PBR" {
                files.extend(content::phonebook_files(octets));
            }
        });
        let (mut numbers, mut broken) = (Vec::new(), Vec::new());
        contents(&tree, |id, file, octets| {
            let named = file.fid.and_then(|fid| files.get(&fid));
            if tree.path(id).contains("DF.PHONEBOOK/")
                && let Some(named) = named
            {
                let words = content::decode_sized(ElementKind::Telecom, named, octets);
                match words {
                    Some(words) => {
                        let number = words.get("number").map(ToString::to_string);
                        numbers.extend(number.map(|number| (*named, number)));
                    }
                    None => broken.push(*named),
                }
            }
        });
        // In the first versions the entries are four octets shorter than their records: the numbers are misplaced.
        if name.starts_with("TS48v1") || name.starts_with("TS48v2") {
            assert_eq!((broken, numbers), (vec!["EF.ADN"; 2], Vec::new()), "{name}");
        } else {
            let expected =
                ["\"+498912341\"", "\"+498912342\""].map(|number| ("EF.ADN", number.to_owned())).to_vec();
            assert_eq!((broken, numbers), (Vec::new(), expected), "{name}");
        }
    }
}
