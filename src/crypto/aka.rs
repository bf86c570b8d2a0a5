//! The AKA functions of a subscription (TS 33.102 6.3) by one interface, whatever the algorithm.
//!
//! Sequence numbers, AUTN and AUTS are the business of who authenticates: a card checks and counts, a home
//! network draws. TUAK (TS 35.231) is not supported.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::milenage::Milenage;
use super::xor_test::XorTest;

/// RAND: the challenge.
pub type Rand = [u8; 16];
/// SQN: the sequence number.
pub type Sqn = [u8; 6];
/// AMF: the authentication management field.
pub type Amf = [u8; 2];

/// What f2 to f5 make of a challenge. Wiped when dropped; no `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AkaResponse {
    /// RES of f2: 4 to 16 octets.
    pub res: Vec<u8>,
    /// Cipher key CK of f3.
    pub ck: [u8; 16],
    /// Integrity key IK of f4.
    pub ik: [u8; 16],
    /// Anonymity key AK of f5, which conceals the SQN in AUTN.
    pub ak: [u8; 6],
}

/// An algorithm with the keys of one subscription. No `Debug`.
pub enum AkaAlgorithm {
    /// Milenage (TS 35.206).
    Milenage(Box<Milenage>),
    /// The algorithm of test USIMs (TS 34.108 8.1.2).
    XorTest(XorTest),
}

impl From<Milenage> for AkaAlgorithm {
    fn from(milenage: Milenage) -> Self {
        Self::Milenage(Box::new(milenage))
    }
}

impl From<XorTest> for AkaAlgorithm {
    fn from(xor: XorTest) -> Self {
        Self::XorTest(xor)
    }
}

impl AkaAlgorithm {
    /// AUTN as the network makes it: SQN ⊕ AK, AMF, MAC-A (TS 33.102 6.3.2).
    #[must_use]
    pub fn autn(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 16] {
        let ak = self.generate(rand).ak;
        let mut autn = [0; 16];
        let concealed = sqn.iter().zip(ak).map(|(sqn, ak)| sqn ^ ak);
        let octets = concealed.chain(*amf).chain(self.mac_a(rand, sqn, amf));
        autn.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        autn
    }

    /// f2, f3, f4 and f5.
    #[must_use]
    pub fn generate(&self, rand: &Rand) -> AkaResponse {
        match self {
            Self::Milenage(milenage) => milenage.f2345(rand),
            Self::XorTest(xor) => xor.f2345(rand),
        }
    }

    /// f1: MAC-A, by which a network proves itself.
    #[must_use]
    pub fn mac_a(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 8] {
        match self {
            Self::Milenage(milenage) => milenage.f1(rand, sqn, amf),
            Self::XorTest(xor) => xor.f1(rand, sqn, amf),
        }
    }

    /// f1*: MAC-S, by which a card asks for a new sequence. There `amf` is 0000 (TS 33.102 6.3.3).
    #[must_use]
    pub fn mac_s(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 8] {
        match self {
            Self::Milenage(milenage) => milenage.f1_star(rand, sqn, amf),
            Self::XorTest(xor) => xor.f1_star(rand, sqn, amf),
        }
    }

    /// f5*: the anonymity key that conceals the SQN in AUTS.
    #[must_use]
    pub fn ak_star(&self, rand: &Rand) -> [u8; 6] {
        match self {
            Self::Milenage(milenage) => milenage.f5_star(rand),
            Self::XorTest(xor) => xor.f5_star(rand),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::xor_test::ResLength;
    use super::*;

    #[test]
    fn each_function_reaches_its_algorithm() {
        let (key, rand, sqn, amf) = ([0x11; 16], [0x22; 16], [0x33; 6], [0x44; 2]);
        let milenage = || Milenage::new(&key, &[0x55; 16]);
        let xor = || XorTest::new(&key, ResLength::Bits128);
        let wrapped = AkaAlgorithm::from(milenage());
        assert!(wrapped.generate(&rand) == milenage().f2345(&rand));
        assert_eq!(wrapped.mac_a(&rand, &sqn, &amf), milenage().f1(&rand, &sqn, &amf));
        assert_eq!(wrapped.mac_s(&rand, &sqn, &amf), milenage().f1_star(&rand, &sqn, &amf));
        assert_eq!(wrapped.ak_star(&rand), milenage().f5_star(&rand));
        assert_ne!(wrapped.ak_star(&rand), wrapped.generate(&rand).ak);
        let wrapped = AkaAlgorithm::from(xor());
        assert!(wrapped.generate(&rand) == xor().f2345(&rand));
        assert_eq!(wrapped.mac_a(&rand, &sqn, &amf), xor().f1(&rand, &sqn, &amf));
        assert_eq!(wrapped.mac_s(&rand, &sqn, &amf), xor().f1_star(&rand, &sqn, &amf));
        assert_eq!(wrapped.ak_star(&rand), xor().f5_star(&rand));
    }
}
