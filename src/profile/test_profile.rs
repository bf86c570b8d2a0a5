//! Test profiles (SGP.22 2.4.5.3): those whose K everybody can read, or that authenticate by the test algorithm of
//! TS 34.108. Neither the ICCID nor what the metadata say makes a profile one.
//!
//! A card with such a key can be copied by anybody. OPc, keys for remote management and keys made from a pattern are not
//! judged here; `simyard profile lint` tells them.

use simyard_asn1::saip::{AkaConfiguration, Package};

use super::personal_data::{Algorithm, PersonalData};
use super::{multi_imsi, published};

/// algorithmID of an AKAParameter: the test algorithm (TS 34.108 8.1.2).
const TEST_ALGORITHM: u8 = 3;

/// What makes a profile a test profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TestProfile {
    /// It authenticates by the test algorithm.
    #[error("it has the test algorithm (algorithmID 3)")]
    Algorithm,
    /// Its K is published.
    #[error("its K is published: {0}")]
    PublishedKey(String),
}

/// What makes a package one of a test profile; `None` if nothing does, and for elements that cannot be read.
#[must_use]
pub fn of_package(package: &Package<'_>) -> Option<TestProfile> {
    for element in package.elements() {
        let Ok(parameter) = element.aka_parameter() else { continue };
        let AkaConfiguration::Algorithm(algorithm) = &parameter.configuration else { continue };
        if algorithm.algorithm_id == TEST_ALGORITHM {
            return Some(TestProfile::Algorithm);
        }
        if let Some(found) = of_key(algorithm.key) {
            return Some(found);
        }
    }
    let tables = multi_imsi::find(package);
    let sets = tables.iter().filter_map(|table| multi_imsi::key_sets(table.octets).ok()).flatten();
    sets.into_iter().find_map(|set| of_key(set.key))
}

/// What makes personal data those of a test profile.
#[must_use]
pub fn of_data(data: &PersonalData) -> Option<TestProfile> {
    (0..data.subscriptions()).filter_map(|place| data.subscription(place)).find_map(|(_, keys)| {
        match keys.algorithm() {
            Algorithm::XorTest => Some(TestProfile::Algorithm),
            Algorithm::Milenage | Algorithm::Tuak128 | Algorithm::Tuak256 => of_key(keys.key()),
        }
    })
}

fn of_key(key: &[u8]) -> Option<TestProfile> {
    published::find(key).map(TestProfile::PublishedKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Rng;
    use crate::profile::personal_data::KeySet;
    use crate::profile::shipped;

    #[test]
    fn test_profiles_are_known_by_their_algorithm_and_by_their_key() {
        let of = |name: &str| {
            let octets = shipped::find(name).unwrap().build().unwrap();
            of_package(&Package::from_der(&octets).unwrap())
        };
        // The keys of templates are zeros, which nobody publishes as a key.
        assert_eq!(of("iot"), None);
        let octets = shipped::find("iot").unwrap().build().unwrap();
        let package = Package::from_der(&octets).unwrap();
        let aka = package.elements().iter().find_map(|element| {
            let parameter = element.aka_parameter().ok()?;
            match parameter.configuration {
                AkaConfiguration::Algorithm(algorithm) => Some((element.tlv.offset, algorithm)),
                AkaConfiguration::Mapping { .. } => None,
            }
        });
        let (element, algorithm) = aka.unwrap();
        let mut with_key = octets.clone();
        let key = hex::decode("465b5ce8b199b49faa5f0a2ee238a6bc").unwrap();
        with_key[algorithm.key_offset..][..16].copy_from_slice(&key);
        let found = of_package(&Package::from_der(&with_key).unwrap()).unwrap();
        assert_eq!(found.to_string(), "its K is published: TS 35.208, test set 1");
        // algorithmID stands in front of the keys of its element.
        let mut with_algorithm = octets.clone();
        let before = &octets[element..algorithm.key_offset];
        let id = before.windows(3).rposition(|tlv| tlv == [0x80, 1, 1]).unwrap();
        with_algorithm[element + id + 2] = 3;
        let found = of_package(&Package::from_der(&with_algorithm).unwrap());
        assert_eq!(found, Some(TestProfile::Algorithm));
    }

    #[test]
    fn drawn_keys_are_nobodys() {
        let rng = Rng::seeded(1);
        for algorithm in [Algorithm::Milenage, Algorithm::Tuak128, Algorithm::Tuak256] {
            assert_eq!(of_key(KeySet::random(&rng, algorithm).key()), None);
        }
        assert_eq!(of_key(&[]), None);
    }
}
