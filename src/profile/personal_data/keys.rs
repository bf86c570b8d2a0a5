//! The keys of a subscription (TS 33.102) and those of a security domain for remote management (TS 102 225).

use super::secret::{Key, Secret};
use crate::env::Rng;

/// The algorithm of authentication and key agreement, with the length of its key: a package announces each apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// TS 35.206.
    Milenage,
    /// TS 35.231 with K of 128 bits.
    Tuak128,
    /// TS 35.231 with K of 256 bits.
    Tuak256,
    /// The test algorithm of TS 34.108: XOR.
    XorTest,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Milenage, Self::Tuak128, Self::Tuak256, Self::XorTest];

    /// The algorithm of an AKAParameter, by algorithmID and octets of K.
    #[must_use]
    pub const fn of(algorithm_id: u8, key_length: usize) -> Option<Self> {
        match (algorithm_id, key_length) {
            (1, 16) => Some(Self::Milenage),
            (2, 16) => Some(Self::Tuak128),
            (2, 32) => Some(Self::Tuak256),
            (3, 16) => Some(Self::XorTest),
            _ => None,
        }
    }

    /// Its name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milenage => "milenage",
            Self::Tuak128 => "tuak128",
            Self::Tuak256 => "tuak256",
            Self::XorTest => "xor",
        }
    }

    /// Reads a name; `test` and `usim-test` stand for the test algorithm too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).or(match text.as_str() {
            "test" | "usim-test" => Some(Self::XorTest),
            _ => None,
        })
    }

    /// Octets of K.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Tuak256 => 32,
            Self::Milenage | Self::Tuak128 | Self::XorTest => 16,
        }
    }

    /// Octets of OPc or TOPc; the test algorithm has none.
    #[must_use]
    pub const fn opc_length(self) -> usize {
        match self {
            Self::Milenage => 16,
            Self::Tuak128 | Self::Tuak256 => 32,
            Self::XorTest => 0,
        }
    }
}

/// K and what belongs to it.
#[derive(Clone)]
pub struct KeySet {
    algorithm: Algorithm,
    key: Key,
    opc: Key,
}

impl KeySet {
    /// K and OPc or TOPc, never OP; `None` where a length is not the algorithm's. The test algorithm has no OPc.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &[u8], opc: &[u8]) -> Option<Self> {
        if key.len() != algorithm.key_length() || opc.len() != algorithm.opc_length() {
            return None;
        }
        Some(Self { algorithm, key: Key::from_slice(key)?, opc: Key::from_slice(opc)? })
    }

    /// Milenage with K and OPc.
    #[must_use]
    pub fn milenage(key: &Secret<16>, opc: &Secret<16>) -> Self {
        let copy = |secret: &Secret<16>| {
            let mut octets = zeroize::Zeroizing::new([0; super::secret::MAX_KEY]);
            octets.iter_mut().zip(secret.as_octets()).for_each(|(to, from)| *to = *from);
            Key::from_array(&octets, 16)
        };
        Self { algorithm: Algorithm::Milenage, key: copy(key), opc: copy(opc) }
    }

    /// Fresh random keys.
    #[must_use]
    pub fn random(rng: &Rng, algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            key: Key::random(rng, algorithm.key_length()),
            opc: Key::random(rng, algorithm.opc_length()),
        }
    }

    /// Which algorithm they are for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// K.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.as_octets()
    }

    /// OPc or TOPc; empty for the test algorithm.
    #[must_use]
    pub fn opc(&self) -> &[u8] {
        self.opc.as_octets()
    }
}

/// The type of a security domain's key (GlobalPlatform Card Specification 11.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 80: DES with two or three keys.
    Des,
    /// 88: AES.
    Aes,
}

impl KeyType {
    /// From the octet of a key component.
    #[must_use]
    pub const fn of(octet: u8) -> Option<Self> {
        match octet {
            0x80 => Some(Self::Des),
            0x88 => Some(Self::Aes),
            _ => None,
        }
    }

    /// The octet of a key component.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Des => 0x80,
            Self::Aes => 0x88,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Des => "DES",
            Self::Aes => "AES",
        }
    }

    /// Whether a key may have so many octets.
    #[must_use]
    pub const fn fits(self, length: usize) -> bool {
        match self {
            Self::Des => matches!(length, 16 | 24),
            Self::Aes => matches!(length, 16 | 24 | 32),
        }
    }
}

/// KIC, the enciphering key: its identifier.
pub const KIC: u8 = 1;
/// KID, the integrity key.
pub const KID: u8 = 2;
/// KIK, which enciphers other keys.
pub const KIK: u8 = 3;

/// The most keys of one set.
pub const MAX_KEYS: usize = 8;

/// One set of keys of the MNO-SD.
#[derive(Clone)]
pub struct OtaKeySet {
    /// The version of the set in the package, 1 to 127. `None` is for a package that has one set only: its version.
    pub version: Option<u8>,
    /// The type of its keys; `None` for the one that the package gives them.
    pub key_type: Option<KeyType>,
    keys: Vec<(u8, Key)>,
}

impl OtaKeySet {
    /// A set without keys.
    #[must_use]
    pub const fn new(version: Option<u8>, key_type: Option<KeyType>) -> Self {
        Self { version, key_type, keys: Vec::new() }
    }

    /// Fresh AES keys of 128 bits, for subscriptions that come without.
    #[must_use]
    pub fn random(rng: &Rng) -> Self {
        let mut set = Self::new(None, None);
        for identifier in [KIC, KID, KIK] {
            set.set(identifier, Key::random(rng, 16));
        }
        set
    }

    /// Fresh keys of 128 bits with these versions and identifiers; one set without version where none are named.
    #[must_use]
    pub fn drawn(rng: &Rng, keys: &[(u8, u8)]) -> Vec<Self> {
        let mut sets: Vec<Self> = Vec::new();
        for (version, identifier) in keys {
            let key = Key::random(rng, 16);
            match sets.iter_mut().find(|set| set.version == Some(*version)) {
                Some(set) => set.set(*identifier, key),
                None => {
                    let mut set = Self::new(Some(*version), None);
                    set.set(*identifier, key);
                    sets.push(set);
                }
            }
        }
        if sets.is_empty() { vec![Self::random(rng)] } else { sets }
    }

    /// A key by its identifier: [`KIC`], [`KID`], [`KIK`].
    #[must_use]
    pub fn get(&self, identifier: u8) -> Option<&Key> {
        self.keys.iter().find(|(other, _)| *other == identifier).map(|(_, key)| key)
    }

    /// Puts a key in, or another in its place.
    pub fn set(&mut self, identifier: u8, key: Key) {
        match self.keys.iter_mut().find(|(other, _)| *other == identifier) {
            Some(place) => place.1 = key,
            None => self.keys.push((identifier, key)),
        }
    }

    /// All keys with their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Key)> {
        self.keys.iter().map(|(identifier, key)| (*identifier, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_takes_keys_of_its_lengths_alone() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(&algorithm.name().to_uppercase()), Some(algorithm));
            for (key, opc) in [(16, 0), (16, 16), (16, 32), (32, 16), (32, 32), (24, 16)] {
                let set = KeySet::new(algorithm, &[1; 32][..key], &[2; 32][..opc]);
                let fits = (key, opc) == (algorithm.key_length(), algorithm.opc_length());
                assert_eq!(set.is_some(), fits, "{algorithm:?} {key} {opc}");
            }
            let keys = KeySet::random(&Rng::seeded(1), algorithm);
            assert_eq!(
                (keys.key().len(), keys.opc().len()),
                (algorithm.key_length(), algorithm.opc_length())
            );
        }
        assert_eq!(Algorithm::parse("comp128"), None);
        let keys = KeySet::milenage(&Secret::new([1; 16]), &Secret::new([2; 16]));
        assert_eq!((keys.key(), keys.opc()), (&[1; 16][..], &[2; 16][..]));
    }

    #[test]
    fn a_key_is_found_by_its_identifier() {
        let mut set = OtaKeySet::random(&Rng::seeded(1));
        set.set(KID, Key::from_slice(&[7; 24]).unwrap());
        assert_eq!(set.get(KID).unwrap().as_octets(), [7; 24]);
        assert_eq!(set.iter().map(|(identifier, _)| identifier).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(set.get(4).is_none() && Key::from_slice(&[0; 33]).is_none());
    }
}
