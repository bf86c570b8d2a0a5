//! The authentication algorithm of test USIMs (TS 34.108 8.1.2), as in the test profiles of GSMA TS.48: all
//! functions are parts of K ⊕ RAND. It protects nothing and belongs in test networks alone.

use zeroize::Zeroizing;

use super::aka::{AkaResponse, Amf, Rand, Sqn};

/// How much of XDOUT is RES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResLength {
    /// 8 octets, as Milenage's.
    Bits64,
    /// 16 octets, as in the profiles of TS.48.
    Bits128,
}

impl ResLength {
    /// By algorithmOptions of a profile. TS.48 explains 02 as 128 bits; what other values mean for this
    /// algorithm is not settled, and they give 64 bits.
    #[must_use]
    pub const fn from_algorithm_options(options: u8) -> Self {
        if options == 0x02 { Self::Bits128 } else { Self::Bits64 }
    }

    const fn octets(self) -> usize {
        match self {
            Self::Bits64 => 8,
            Self::Bits128 => 16,
        }
    }
}

/// The algorithm with K of one subscription, wiped when dropped. No `Debug`.
pub struct XorTest {
    key: Zeroizing<u128>,
    res_length: ResLength,
}

impl XorTest {
    /// Takes K.
    #[must_use]
    pub fn new(key: &[u8; 16], res_length: ResLength) -> Self {
        Self { key: Zeroizing::new(u128::from_be_bytes(*key)), res_length }
    }

    /// XDOUT = K ⊕ RAND.
    fn xdout(&self, rand: &Rand) -> u128 {
        *self.key ^ u128::from_be_bytes(*rand)
    }

    /// f1: the first half of XDOUT ⊕ (SQN ‖ AMF).
    #[must_use]
    pub fn f1(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 8] {
        let mut mac = [0; 8];
        let cdout = sqn.iter().chain(amf);
        for ((to, xdout), cdout) in mac.iter_mut().zip(self.xdout(rand).to_be_bytes()).zip(cdout) {
            *to = xdout ^ cdout;
        }
        mac
    }

    /// f1*: the same function as f1.
    #[must_use]
    pub fn f1_star(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 8] {
        self.f1(rand, sqn, amf)
    }

    /// f2: XDOUT from its start; f3 and f4: XDOUT rotated by 8 and by 16 bits; f5: bits 24 to 71.
    #[must_use]
    pub fn f2345(&self, rand: &Rand) -> AkaResponse {
        let xdout = self.xdout(rand);
        AkaResponse {
            res: xdout.to_be_bytes().iter().take(self.res_length.octets()).copied().collect(),
            ck: xdout.rotate_left(8).to_be_bytes(),
            ik: xdout.rotate_left(16).to_be_bytes(),
            ak: self.f5_star(rand),
        }
    }

    /// f5*: the same function as f5.
    #[must_use]
    pub fn f5_star(&self, rand: &Rand) -> [u8; 6] {
        let mut ak = [0; 6];
        for (to, from) in ak.iter_mut().zip(self.xdout(rand).to_be_bytes().into_iter().skip(3)) {
            *to = from;
        }
        ak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_its_part_of_xdout() {
        let key = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let xor = XorTest::new(&key, ResLength::from_algorithm_options(0x02));
        // With RAND zero XDOUT is the key.
        let response = xor.f2345(&[0; 16]);
        assert_eq!(response.res, key);
        assert_eq!(hex::encode(response.ck), "0102030405060708090a0b0c0d0e0f00");
        assert_eq!(hex::encode(response.ik), "02030405060708090a0b0c0d0e0f0001");
        assert_eq!(response.ak, [3, 4, 5, 6, 7, 8]);
        assert_eq!(xor.f5_star(&[0; 16]), response.ak);
        let mac = xor.f1(&[0; 16], &[0x10, 0x20, 0x30, 0x40, 0x50, 0x60], &[0x70, 0x80]);
        assert_eq!(mac, [0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87]);
        assert_eq!(xor.f1_star(&[0; 16], &[0; 6], &[0; 2]), key[..8]);
        assert_eq!(xor.f2345(&[0xFF; 16]).res[0], 0xFF);
    }

    #[test]
    fn res_is_cut_as_the_profile_says() {
        for (options, length) in [(0x00, 8), (0x01, 8), (0x02, 16), (0xFF, 8)] {
            let xor = XorTest::new(&[1; 16], ResLength::from_algorithm_options(options));
            assert_eq!(xor.f2345(&[0; 16]).res, vec![1; length]);
        }
    }
}
