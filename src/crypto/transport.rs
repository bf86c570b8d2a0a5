//! Keys that travel: Ki, OPc and keys for remote management between a manufacturer, this platform and an operator's
//! systems are enciphered under a transport key, with AES, or with triple DES where a vendor knows nothing newer.
//!
//! | part | how |
//! |---|---|
//! | block ciphers | AES with 128, 192 and 256 bits (FIPS 197); DES in EDE with two or three keys (SP 800-67) |
//! | modes | ECB, and CBC with an initial block of zeros, a fixed one, or one that stands before each value (SP 800-38A) |
//! | check value | the first three octets of a block of zeros, or of a block of 01, enciphered (GlobalPlatform B.6) |
//!
//! Values are whole blocks: there is no padding, so a key of 24 octets travels under triple DES alone. `des` is of the
//! family that `aes` and `cbc` come from. Which key is used for what, and who vouches for it, is not known here.

use std::fmt;

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, InnerIvInit as _, KeyInit as _};
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _};
use aes::{Aes128, Aes192, Aes256};
use des::{TdesEde2, TdesEde3};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::env::Rng;

/// Octets of a check value.
pub const CHECK_VALUE_LEN: usize = 3;
/// Octets of the largest block, which is that of AES.
const MAX_BLOCK: usize = 16;

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES with a key of 16 octets.
    Aes128,
    /// AES with a key of 24 octets.
    Aes192,
    /// AES with a key of 32 octets.
    Aes256,
    /// DES in EDE, with a key of 16 or 24 octets; their parity is not looked at.
    TripleDes,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aes128, Self::Aes192, Self::Aes256, Self::TripleDes];

    /// Its name in commands and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "aes-128",
            Self::Aes192 => "aes-192",
            Self::Aes256 => "aes-256",
            Self::TripleDes => "3des",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text)
    }

    /// Octets of a block.
    #[must_use]
    pub const fn block(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => MAX_BLOCK,
            Self::TripleDes => 8,
        }
    }
}

/// How the blocks of a value hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaining {
    /// ECB: not at all.
    Ecb,
    /// CBC.
    Cbc(InitialBlock),
}

/// Where CBC begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialBlock {
    /// With zeros.
    Zero,
    /// With these octets, of which triple DES takes the first eight.
    Fixed([u8; MAX_BLOCK]),
    /// With the block that stands before each value.
    Prefixed,
}

/// Which block is enciphered for the check value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckMethod {
    /// Zeros, as it is usual for DES.
    Zeros,
    /// Octets 01, as GlobalPlatform has it for AES (Card Specification B.6).
    Ones,
}

impl CheckMethod {
    /// Its name in commands and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Ones => "ones",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Zeros, Self::Ones].into_iter().find(|method| method.name() == text)
    }
}

/// What a key is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// The block cipher.
    pub algorithm: Algorithm,
    /// The mode.
    pub chaining: Chaining,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.chaining {
            Chaining::Ecb => "ecb",
            Chaining::Cbc(InitialBlock::Zero) => "cbc",
            Chaining::Cbc(InitialBlock::Fixed(_)) => "cbc with a fixed initial block",
            Chaining::Cbc(InitialBlock::Prefixed) => "cbc with the initial block before each value",
        };
        write!(f, "{}, {mode}", self.algorithm.name())
    }
}

/// Why octets are no transport key, or no value under one. Neither is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Another length than the cipher's keys have.
    #[error("a key for {} has {} octets, and this one has {found}", .algorithm.name(), match .algorithm {
        Algorithm::Aes128 => "16",
        Algorithm::Aes192 => "24",
        Algorithm::Aes256 => "32",
        Algorithm::TripleDes => "16 or 24",
    })]
    KeyLength {
        /// The cipher.
        algorithm: Algorithm,
        /// Octets that came.
        found: usize,
    },
    /// Parts of a triple DES key that are equal make it a key of DES, which anybody can find.
    #[error("two parts of the key are equal: it is no more than a key of single DES")]
    SingleDes,
    /// A value that is no whole number of blocks, or none at all.
    #[error("expected whole blocks of {block} octets")]
    ValueLength {
        /// Octets of a block.
        block: usize,
    },
}

enum Cipher {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
    TwoKeys(TdesEde2),
    ThreeKeys(TdesEde3),
}

#[derive(Clone, Copy)]
enum Direction {
    Encipher,
    Decipher,
}

/// A transport key, ready for use. Wiped when dropped; no `Debug` of the key.
pub struct TransportCipher {
    scheme: Scheme,
    cipher: Cipher,
}

impl fmt::Debug for TransportCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportCipher({})", self.scheme)
    }
}

impl TransportCipher {
    /// Takes a key.
    ///
    /// # Errors
    /// [`TransportError::KeyLength`], and [`TransportError::SingleDes`] for a triple DES key that is none.
    pub fn new(scheme: Scheme, key: &[u8]) -> Result<Self, TransportError> {
        let algorithm = scheme.algorithm;
        let length = TransportError::KeyLength { algorithm, found: key.len() };
        let cipher = match (algorithm, key.len()) {
            (Algorithm::Aes128, _) => Aes128::new_from_slice(key).map(Cipher::Aes128),
            (Algorithm::Aes192, _) => Aes192::new_from_slice(key).map(Cipher::Aes192),
            (Algorithm::Aes256, _) => Aes256::new_from_slice(key).map(Cipher::Aes256),
            (Algorithm::TripleDes, 16) => TdesEde2::new_from_slice(key).map(Cipher::TwoKeys),
            (Algorithm::TripleDes, _) => TdesEde3::new_from_slice(key).map(Cipher::ThreeKeys),
        };
        let cipher = cipher.map_err(|_| length)?;
        if algorithm == Algorithm::TripleDes && is_single_des(key) {
            return Err(TransportError::SingleDes);
        }
        Ok(Self { scheme, cipher })
    }

    /// What it is used with.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The check value, by which two parties see that they have the same key.
    #[must_use]
    pub fn check_value(&self, method: CheckMethod) -> [u8; CHECK_VALUE_LEN] {
        let mut block = [match method {
            CheckMethod::Zeros => 0,
            CheckMethod::Ones => 1,
        }; MAX_BLOCK];
        let used = block.get_mut(..self.scheme.algorithm.block()).unwrap_or_default();
        self.run(Direction::Encipher, None, used);
        let [first, second, third, ..] = block;
        [first, second, third]
    }

    /// Whether a check value is the key's.
    #[must_use]
    pub fn has_check_value(&self, method: CheckMethod, expected: [u8; CHECK_VALUE_LEN]) -> bool {
        self.check_value(method).ct_eq(&expected).into()
    }

    /// How many octets a value of so many has when it is enciphered; `None` where it is no whole number of blocks.
    #[must_use]
    pub fn enciphered_len(&self, plain: usize) -> Option<usize> {
        let block = self.scheme.algorithm.block();
        (plain > 0 && plain.is_multiple_of(block)).then(|| plain.saturating_add(self.prefix()))
    }

    /// How many octets the value has that so many enciphered ones hold; `None` where they hold none.
    #[must_use]
    pub fn plain_len(&self, enciphered: usize) -> Option<usize> {
        let plain = enciphered.checked_sub(self.prefix())?;
        (plain > 0 && plain.is_multiple_of(self.scheme.algorithm.block())).then_some(plain)
    }

    /// Enciphers a value; `rng` draws the initial block where it stands before the value.
    ///
    /// # Errors
    /// [`TransportError::ValueLength`].
    pub fn encipher(&self, plain: &[u8], rng: &Rng) -> Result<Vec<u8>, TransportError> {
        let block = self.scheme.algorithm.block();
        let length = self.enciphered_len(plain.len()).ok_or(TransportError::ValueLength { block })?;
        let mut octets = vec![0; length];
        let (initial, value) = octets.split_at_mut(self.prefix());
        rng.fill(initial);
        value.copy_from_slice(plain);
        self.run(Direction::Encipher, self.initial(initial).as_ref(), value);
        Ok(octets)
    }

    /// Deciphers a value where it stands, and gives the part of `octets` that is the plain one.
    ///
    /// # Errors
    /// [`TransportError::ValueLength`].
    pub fn decipher<'a>(&self, octets: &'a mut [u8]) -> Result<&'a [u8], TransportError> {
        let block = self.scheme.algorithm.block();
        let wrong = TransportError::ValueLength { block };
        self.plain_len(octets.len()).ok_or(wrong)?;
        let (initial, value) = octets.split_at_mut_checked(self.prefix()).ok_or(wrong)?;
        self.run(Direction::Decipher, self.initial(initial).as_ref(), value);
        Ok(value)
    }

    /// Octets that stand before an enciphered value.
    const fn prefix(&self) -> usize {
        match self.scheme.chaining {
            Chaining::Cbc(InitialBlock::Prefixed) => self.scheme.algorithm.block(),
            Chaining::Ecb | Chaining::Cbc(_) => 0,
        }
    }

    /// The initial block; `None` for ECB, which has none.
    fn initial(&self, prefix: &[u8]) -> Option<[u8; MAX_BLOCK]> {
        match self.scheme.chaining {
            Chaining::Ecb => None,
            Chaining::Cbc(InitialBlock::Zero) => Some([0; MAX_BLOCK]),
            Chaining::Cbc(InitialBlock::Fixed(block)) => Some(block),
            Chaining::Cbc(InitialBlock::Prefixed) => {
                let mut block = [0; MAX_BLOCK];
                block.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
                Some(block)
            }
        }
    }

    fn run(&self, direction: Direction, initial: Option<&[u8; MAX_BLOCK]>, octets: &mut [u8]) {
        match &self.cipher {
            Cipher::Aes128(cipher) => run(cipher, direction, initial, octets),
            Cipher::Aes192(cipher) => run(cipher, direction, initial, octets),
            Cipher::Aes256(cipher) => run(cipher, direction, initial, octets),
            Cipher::TwoKeys(cipher) => run(cipher, direction, initial, octets),
            Cipher::ThreeKeys(cipher) => run(cipher, direction, initial, octets),
        }
    }
}

/// Runs a cipher over whole blocks.
fn run<C: BlockCipherEncrypt + BlockCipherDecrypt>(
    cipher: &C,
    direction: Direction,
    initial: Option<&[u8; MAX_BLOCK]>,
    octets: &mut [u8],
) {
    let (blocks, _rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(octets);
    let Some(initial) = initial else {
        return match direction {
            Direction::Encipher => cipher.encrypt_blocks(blocks),
            Direction::Decipher => cipher.decrypt_blocks(blocks),
        };
    };
    let initial = Array::<u8, C::BlockSize>::from_fn(|at| initial.get(at).copied().unwrap_or_default());
    match direction {
        Direction::Encipher => cbc::Encryptor::inner_iv_init(cipher, &initial).encrypt_blocks(blocks),
        Direction::Decipher => cbc::Decryptor::inner_iv_init(cipher, &initial).decrypt_blocks(blocks),
    }
}

/// Whether neighbouring parts of a triple DES key are equal, parity bits aside: two of the three steps then undo each
/// other.
fn is_single_des(key: &[u8]) -> bool {
    let parts: Vec<Zeroizing<Vec<u8>>> =
        key.chunks(8).map(|part| Zeroizing::new(part.iter().map(|octet| octet & 0xFE).collect())).collect();
    parts.windows(2).any(|pair| matches!(pair, [one, next] if one == next))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    const ZERO: Chaining = Chaining::Cbc(InitialBlock::Zero);

    fn cipher(algorithm: Algorithm, chaining: Chaining, key: &str) -> TransportCipher {
        TransportCipher::new(Scheme { algorithm, chaining }, &hex::decode(key).unwrap()).unwrap()
    }

    fn enciphered(cipher: &TransportCipher, plain: &str) -> String {
        hex::encode(cipher.encipher(&hex::decode(plain).unwrap(), &Rng::seeded(1)).unwrap())
    }

    #[test]
    fn the_ciphers_are_those_of_the_standards() {
        // SP 800-38A F.1 and F.2: the first block; SP 800-67 B.1.
        const BLOCK: &str = "6bc1bee22e409f96e93d7e117393172a";
        let counting = InitialBlock::Fixed(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        for (algorithm, key, ecb, cbc) in [
            (
                Algorithm::Aes128,
                "2b7e151628aed2a6abf7158809cf4f3c",
                "3ad77bb40d7a3660a89ecaf32466ef97",
                "7649abac8119b246cee98e9b12e9197d",
            ),
            (
                Algorithm::Aes192,
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "bd334f1d6e45f25ff712a214571fa5cc",
                "4f021db243bc633d7178183a9fa071e8",
            ),
            (
                Algorithm::Aes256,
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f3eed1bdb5d2a03c064b5a7e3db181f8",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
            ),
        ] {
            assert_eq!(enciphered(&cipher(algorithm, Chaining::Ecb, key), BLOCK), ecb);
            assert_eq!(enciphered(&cipher(algorithm, Chaining::Cbc(counting), key), BLOCK), cbc);
            // One block after an initial block of zeros is one block of ECB.
            assert_eq!(enciphered(&cipher(algorithm, ZERO, key), BLOCK), ecb);
        }
        let triple =
            cipher(Algorithm::TripleDes, Chaining::Ecb, "0123456789abcdef23456789abcdef01456789abcdef0123");
        assert_eq!(
            enciphered(
                &triple,
                "5468652071756663 6b2062726f776e20 666f78206a756d70".replace(' ', "").as_str()
            ),
            "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900"
        );
    }

    #[test]
    fn check_values_are_those_that_others_compute() {
        // As OpenSSL enciphers a block of zeros and a block of 01 with these keys.
        for (algorithm, key, zeros, ones) in [
            (Algorithm::Aes128, "2b7e151628aed2a6abf7158809cf4f3c", "7df76b", "2cf6a4"),
            (Algorithm::TripleDes, "0123456789abcdeffedcba9876543210", "08d7b4", "2531a1"),
        ] {
            let cipher = cipher(algorithm, ZERO, key);
            assert_eq!(hex::encode(cipher.check_value(CheckMethod::Zeros)), zeros, "{algorithm:?}");
            assert_eq!(hex::encode(cipher.check_value(CheckMethod::Ones)), ones, "{algorithm:?}");
            let value = cipher.check_value(CheckMethod::Ones);
            assert!(cipher.has_check_value(CheckMethod::Ones, value));
            assert!(!cipher.has_check_value(CheckMethod::Zeros, value));
        }
    }

    #[test]
    fn what_is_no_key_or_no_value_is_refused() {
        let scheme = |algorithm| Scheme { algorithm, chaining: ZERO };
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
            for length in [0, 8, 15, 17, 64] {
                let refused = TransportCipher::new(scheme(algorithm), &vec![7; length]).err();
                assert_eq!(refused, Some(TransportError::KeyLength { algorithm, found: length }));
            }
        }
        let mut equal = [1; 24];
        equal[..8].copy_from_slice(&[0xA2; 8]);
        for key in [&[1; 16][..], &equal] {
            let refused = TransportCipher::new(scheme(Algorithm::TripleDes), key).err();
            assert_eq!(refused, Some(TransportError::SingleDes));
        }
        // Parity alone makes no other key.
        let mut parity = [0x10; 16];
        parity[8..].copy_from_slice(&[0x11; 8]);
        let refused = TransportCipher::new(scheme(Algorithm::TripleDes), &parity).err();
        assert_eq!(refused, Some(TransportError::SingleDes));
        let prefixed = Chaining::Cbc(InitialBlock::Prefixed);
        let cipher = cipher(Algorithm::Aes128, prefixed, "2b7e151628aed2a6abf7158809cf4f3c");
        for length in [0, 15, 16, 17, 47] {
            let refused = cipher.decipher(&mut vec![0; length]).map(<[u8]>::len);
            assert_eq!(refused, Err(TransportError::ValueLength { block: 16 }), "{length}");
        }
        assert_eq!(
            cipher.encipher(&[0; 24], &Rng::seeded(1)),
            Err(TransportError::ValueLength { block: 16 })
        );
    }

    proptest! {
        #[test]
        fn what_is_enciphered_is_deciphered(
            key in any::<[u8; 32]>(),
            fixed in any::<[u8; 16]>(),
            plain in prop::collection::vec(any::<[u8; 16]>(), 1..4),
            seed in any::<u64>(),
        ) {
            let plain = plain.concat();
            let modes = [
                Chaining::Ecb,
                ZERO,
                Chaining::Cbc(InitialBlock::Fixed(fixed)),
                Chaining::Cbc(InitialBlock::Prefixed),
            ];
            for (algorithm, length) in Algorithm::ALL.into_iter().zip([16, 24, 32, 24]) {
                for chaining in modes {
                    let Ok(cipher) = TransportCipher::new(Scheme { algorithm, chaining }, &key[..length]) else {
                        continue;
                    };
                    let mut octets = cipher.encipher(&plain, &Rng::seeded(seed)).unwrap();
                    prop_assert_eq!(Some(octets.len()), cipher.enciphered_len(plain.len()));
                    prop_assert_eq!(cipher.plain_len(octets.len()), Some(plain.len()));
                    prop_assert_eq!(cipher.decipher(&mut octets).unwrap(), &plain[..]);
                }
            }
        }
    }
}
