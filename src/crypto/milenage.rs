//! Milenage (TS 35.206): f1, f1*, f2, f3, f4, f5 and f5* over AES-128, with the constants of the algorithm or
//! an operator's own.

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::aka::{AkaResponse, Amf, Rand, Sqn};

/// Octets of the xoring constants of a profile (TCA interoperable format, PE-AKAParameter): c1 to c5.
pub const XORING_LEN: usize = 80;

/// The constants of f1 to f5: r1 to r5 in bits, c1 to c5 as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constants {
    rotations: [u8; 5],
    xorings: [u128; 5],
}

/// A rotation of more than 127 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rotation constant r{number} is {found}: 0 to 127 bits are expected")]
pub struct InvalidRotation {
    /// 1 to 5.
    pub number: usize,
    /// Bits that came.
    pub found: u8,
}

impl Default for Constants {
    /// The constants of TS 35.206 4.1.
    fn default() -> Self {
        Self { rotations: [64, 0, 32, 64, 96], xorings: [0, 1, 2, 4, 8] }
    }
}

impl Constants {
    /// Takes rotationConstants and xoringConstants of a profile. That their pairs differ, as TS 35.206 asks,
    /// is up to the operator.
    ///
    /// # Errors
    /// [`InvalidRotation`] beyond 127 bits.
    pub fn new(rotations: &[u8; 5], xorings: &[u8; XORING_LEN]) -> Result<Self, InvalidRotation> {
        if let Some((at, found)) = rotations.iter().enumerate().find(|(_, bits)| **bits > 127) {
            return Err(InvalidRotation { number: at + 1, found: *found });
        }
        let mut numbers = [0; 5];
        for (number, octets) in numbers.iter_mut().zip(xorings.chunks_exact(16)) {
            *number = octets.iter().fold(0, |sum, octet| sum << 8 | u128::from(*octet));
        }
        Ok(Self { rotations: *rotations, xorings: numbers })
    }
}

/// OPc of a subscription from the operator's OP: AES_K(OP) ⊕ OP (TS 35.206 4.1). Profiles carry OPc alone.
#[must_use]
pub fn opc_from_op(key: &[u8; 16], op: &[u8; 16]) -> Zeroizing<[u8; 16]> {
    let cipher = Aes128Enc::new(key.into());
    Zeroizing::new((encrypt(&cipher, u128::from_be_bytes(*op)) ^ u128::from_be_bytes(*op)).to_be_bytes())
}

/// Milenage with K and OPc of one subscription; both are wiped when dropped. No `Debug`.
pub struct Milenage {
    cipher: Aes128Enc,
    opc: Zeroizing<u128>,
    constants: Constants,
}

impl Milenage {
    /// With the constants of the standard.
    #[must_use]
    pub fn new(key: &[u8; 16], opc: &[u8; 16]) -> Self {
        Self::with_constants(key, opc, Constants::default())
    }

    /// With an operator's constants.
    #[must_use]
    pub fn with_constants(key: &[u8; 16], opc: &[u8; 16], constants: Constants) -> Self {
        let opc = Zeroizing::new(u128::from_be_bytes(*opc));
        Self { cipher: Aes128Enc::new(key.into()), opc, constants }
    }

    /// f1: MAC-A.
    #[must_use]
    pub fn f1(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 8] {
        first(self.out1(rand, sqn, amf).to_be_bytes())
    }

    /// f1*: MAC-S.
    #[must_use]
    pub fn f1_star(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> [u8; 8] {
        first((self.out1(rand, sqn, amf) << 64).to_be_bytes())
    }

    /// f2 with 64 bits of RES, f3, f4 and f5.
    #[must_use]
    pub fn f2345(&self, rand: &Rand) -> AkaResponse {
        let temp = self.temp(rand);
        let mut out2 = self.out(1, *temp);
        let response = AkaResponse {
            res: out2.to_be_bytes().iter().skip(8).copied().collect(),
            ck: self.out(2, *temp).to_be_bytes(),
            ik: self.out(3, *temp).to_be_bytes(),
            ak: first(out2.to_be_bytes()),
        };
        out2.zeroize();
        response
    }

    /// f5*: AK for a resynchronisation.
    #[must_use]
    pub fn f5_star(&self, rand: &Rand) -> [u8; 6] {
        first(self.out(4, *self.temp(rand)).to_be_bytes())
    }

    fn temp(&self, rand: &Rand) -> Zeroizing<u128> {
        Zeroizing::new(encrypt(&self.cipher, u128::from_be_bytes(*rand) ^ *self.opc))
    }

    fn constants(&self, index: usize) -> (u32, u128) {
        let rotation = self.constants.rotations.get(index).copied().unwrap_or_default();
        (u32::from(rotation), self.constants.xorings.get(index).copied().unwrap_or_default())
    }

    /// OUT1 = E(TEMP ⊕ rot(IN1 ⊕ OPc, r1) ⊕ c1) ⊕ OPc, IN1 being SQN ‖ AMF twice.
    fn out1(&self, rand: &Rand, sqn: &Sqn, amf: &Amf) -> u128 {
        let half = sqn.iter().chain(amf).fold(0, |sum, octet| sum << 8 | u128::from(*octet));
        let (rotation, xoring) = self.constants(0);
        let rotated = ((half << 64 | half) ^ *self.opc).rotate_left(rotation);
        encrypt(&self.cipher, *self.temp(rand) ^ rotated ^ xoring) ^ *self.opc
    }

    /// OUT2 to OUT5, by index 1 to 4: E(rot(TEMP ⊕ OPc, r) ⊕ c) ⊕ OPc.
    fn out(&self, index: usize, temp: u128) -> u128 {
        let (rotation, xoring) = self.constants(index);
        encrypt(&self.cipher, (temp ^ *self.opc).rotate_left(rotation) ^ xoring) ^ *self.opc
    }
}

fn encrypt(cipher: &Aes128Enc, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    cipher.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// The first `N` octets of a block.
fn first<const N: usize>(block: [u8; 16]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(block) {
        *to = from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn test_set_1_of_ts_35_208() {
        let key = octets("465b5ce8b199b49faa5f0a2ee238a6bc");
        let opc = opc_from_op(&key, &octets("cdc202d5123e20f62b6d676ac72cb318"));
        assert_eq!(*opc, octets("cd63cb71954a9f4e48a5994e37a02baf"));
        let rand = octets("23553cbe9637a89d218ae64dae47bf35");
        let milenage = Milenage::new(&key, &opc);
        assert_eq!(milenage.f1(&rand, &octets("ff9bb4d0b607"), &[0xB9; 2]), octets("4a9ffac354dfafb3"));
        assert_eq!(milenage.f2345(&rand).res, octets::<8>("a54211d5e3ba50bf"));
    }

    #[test]
    fn constants_of_a_profile_are_the_standards_by_default() {
        let mut xorings = [0; XORING_LEN];
        for (at, octet) in [(31, 1), (47, 2), (63, 4), (79, 8)] {
            xorings[at] = octet;
        }
        let rotations = [0x40, 0x00, 0x20, 0x40, 0x60];
        assert_eq!(Constants::new(&rotations, &xorings), Ok(Constants::default()));
        let error = Constants::new(&[0, 0, 127, 128, 0], &xorings);
        assert_eq!(error, Err(InvalidRotation { number: 4, found: 128 }));
    }

    #[test]
    fn every_constant_counts() {
        let (rand, sqn, amf) = ([9; 16], [8; 6], [7; 2]);
        let all = |milenage: &Milenage| {
            let response = milenage.f2345(&rand);
            [
                milenage.f1(&rand, &sqn, &amf).to_vec(),
                response.res.clone(),
                response.ck.to_vec(),
                response.ik.to_vec(),
                milenage.f5_star(&rand).to_vec(),
            ]
        };
        let plain = all(&Milenage::new(&[1; 16], &[2; 16]));
        for index in 0..5 {
            for change in [
                |constants: &mut Constants, index: usize| constants.rotations[index] += 3,
                |constants: &mut Constants, index: usize| constants.xorings[index] ^= 1 << 127,
            ] {
                let mut constants = Constants::default();
                change(&mut constants, index);
                let changed = all(&Milenage::with_constants(&[1; 16], &[2; 16], constants));
                for function in 0..5 {
                    assert_eq!(plain[function] == changed[function], function != index, "{index} {function}");
                }
            }
        }
    }
}
