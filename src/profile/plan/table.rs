//! The table of a multi-IMSI applet and its key sets as places of data: the n-th entry is for the n-th subscription.
//!
//! The first entry that refers to a key set gets its keys from its subscription; an entry that refers to key set 0
//! is used with the keys of the home subscription, so its subscription brings none.

use std::ops::Range;

use simyard_asn1::saip::Package;

use super::TemplateError;
use crate::profile::multi_imsi::{Object, find};
use crate::profile::personal_data::{Algorithm, Role};

/// The octets of a secret, and which algorithm they are for.
pub(super) struct KeyPlaces {
    pub(super) reference: u8,
    pub(super) algorithm: Algorithm,
    pub(super) key: Range<usize>,
    pub(super) opc: Range<usize>,
}

/// One entry.
pub(super) struct EntryPlace {
    pub(super) imsi: Range<usize>,
    pub(super) key: u8,
    pub(super) role: String,
}

/// All entries and key sets of a package in their order.
#[derive(Default)]
pub(super) struct TablePlaces {
    pub(super) entries: Vec<EntryPlace>,
    pub(super) keys: Vec<KeyPlaces>,
}

/// Finds them.
pub(super) fn places(package: &Package<'_>) -> Result<TablePlaces, TemplateError> {
    let mut places = TablePlaces::default();
    for found in find(package) {
        match found.read()? {
            Object::Table(table) => places.entries.extend(table.entries.into_iter().map(|entry| {
                let start = found.offset + entry.imsi_offset;
                EntryPlace { imsi: start..start + entry.imsi.to_ef().len(), key: entry.key, role: entry.role }
            })),
            Object::Keys(sets) => {
                for set in sets {
                    let at = |offset: usize, octets: &[u8]| {
                        found.offset + offset..found.offset + offset + octets.len()
                    };
                    let key = at(set.key_offset, set.key);
                    let algorithm = Algorithm::of(set.algorithm, set.key.len());
                    let algorithm = algorithm.filter(|algorithm| algorithm.opc_length() == set.opc.len());
                    places.keys.push(KeyPlaces {
                        reference: set.reference,
                        algorithm: algorithm.ok_or(TemplateError::Algorithm(key.start))?,
                        key,
                        opc: at(set.opc_offset, set.opc),
                    });
                }
            }
        }
    }
    places.check()?;
    Ok(places)
}

impl TablePlaces {
    /// Every entry has its keys, every key set one entry, every further subscription a role.
    fn check(&self) -> Result<(), TemplateError> {
        for (number, entry) in self.entries.iter().enumerate() {
            let sets = self.keys.iter().filter(|set| set.reference == entry.key).count();
            if sets != usize::from(entry.key != 0) {
                return Err(TemplateError::KeySet(entry.key));
            }
            if number > 0 && Role::parse(&entry.role).is_none() {
                return Err(TemplateError::Role(number + 1));
            }
        }
        for set in &self.keys {
            if self.entries.iter().filter(|entry| entry.key == set.reference).count() != 1 {
                return Err(TemplateError::KeySet(set.reference));
            }
        }
        Ok(())
    }

    /// The key set of an entry.
    pub(super) fn keys_of(&self, number: usize) -> Option<&KeyPlaces> {
        let reference = self.entries.get(number)?.key;
        self.keys.iter().find(|set| set.reference == reference)
    }
}
