//! One-time key agreement: ECKA-EG of SGP.22 Annex G (BSI TR-03111).
//!
//! Both sides make a key pair for one download; the shared secret is the x coordinate of the product. What is
//! derived from it is [`super::bsp::SessionKeys`]. Static keys do not agree here.

use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use bp256::BrainpoolP256r1;
use p256::elliptic_curve::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use zeroize::Zeroizing;

use super::ecdsa::{Curve, PublicKey};
use crate::env::Rng;

/// Octets of a shared secret of a 256-bit curve.
pub const SECRET_LEN: usize = 32;

/// Draws of a scalar before the generator is held to be broken. One draw fails once in 2³² on P-256 and once in three on
/// brainpoolP256r1, whose order is that much smaller than 2²⁵⁶: all of these fail once in 2¹⁰⁰.
const MAX_DRAWS: usize = 64;

/// Why a key agreement is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EckaError {
    /// Zero, or not below the order of the curve.
    #[error("the scalar is no private key of the curve: 1 to its order less one is expected")]
    Scalar,
    /// The generator of random octets repeats what no sound generator does.
    #[error("{MAX_DRAWS} draws gave no private key: check the source of randomness")]
    Randomness,
    /// The other side's point lies on another curve, or agreement with it fails.
    #[error("no agreement with the other side's public key")]
    Peer,
}

/// Z: the x coordinate of the agreed point, 32 octets with its leading zeros. Wiped when dropped; no `Debug`.
pub struct SharedSecret(Zeroizing<[u8; SECRET_LEN]>);

impl SharedSecret {
    /// Takes the octets of Z.
    #[must_use]
    pub fn from_octets(octets: [u8; SECRET_LEN]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets of Z.
    #[must_use]
    pub fn as_octets(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

/// A key pair that agrees once: otSK and otPK of SGP.22. No `Debug`; the libraries wipe the scalar.
pub struct EphemeralKey {
    private: Private,
    public: PublicKey,
}

enum Private {
    P256(PrivateKey),
    Brainpool(p256::elliptic_curve::SecretKey<BrainpoolP256r1>),
}

impl EphemeralKey {
    /// Draws a key pair.
    ///
    /// # Errors
    /// [`EckaError::Randomness`] if no draw is a private key.
    pub fn generate(rng: &Rng, curve: Curve) -> Result<Self, EckaError> {
        Self::generate_with_scalar(rng, curve).map(|(key, _scalar)| key)
    }

    /// Draws a key pair, and gives its scalar too: an eUICC makes the same key again for a retry.
    ///
    /// # Errors
    /// [`EckaError::Randomness`] if no draw is a private key.
    pub fn generate_with_scalar(rng: &Rng, curve: Curve) -> Result<(Self, Zeroizing<[u8; 32]>), EckaError> {
        for _ in 0..MAX_DRAWS {
            let mut scalar = Zeroizing::new([0; 32]);
            rng.fill(scalar.as_mut_slice());
            if let Ok(key) = Self::from_scalar(curve, &scalar) {
                return Ok((key, scalar));
            }
        }
        Err(EckaError::Randomness)
    }

    /// Takes the 32 octets of a private scalar. The caller wipes them.
    ///
    /// # Errors
    /// [`EckaError::Scalar`] for zero and for numbers beyond the order of the curve.
    pub fn from_scalar(curve: Curve, scalar: &[u8; 32]) -> Result<Self, EckaError> {
        let (private, public) = match curve {
            Curve::P256 => {
                let private =
                    PrivateKey::from_private_key(&ECDH_P256, scalar).map_err(|_| EckaError::Scalar)?;
                let point = private.compute_public_key().map_err(|_| EckaError::Scalar)?;
                (Private::P256(private), PublicKey::from_point(curve, point.as_ref()))
            }
            Curve::BrainpoolP256r1 => {
                let private =
                    p256::elliptic_curve::SecretKey::from_slice(scalar).map_err(|_| EckaError::Scalar)?;
                let point = private.public_key().to_sec1_point(false);
                (Private::Brainpool(private), PublicKey::from_point(curve, point.as_bytes()))
            }
        };
        Ok(Self { private, public: public.map_err(|_| EckaError::Scalar)? })
    }

    /// The public half: otPK.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Agrees with the other side, and is used up.
    ///
    /// # Errors
    /// [`EckaError::Peer`] for a key of another curve, and if the library refuses the point.
    pub fn agree(self, peer: &PublicKey) -> Result<SharedSecret, EckaError> {
        if peer.curve() != self.public.curve() {
            return Err(EckaError::Peer);
        }
        // Copied once, into memory that is wiped.
        let mut octets = Zeroizing::new([0; SECRET_LEN]);
        match &self.private {
            Private::P256(private) => {
                let point = UnparsedPublicKey::new(&ECDH_P256, peer.as_point().as_slice());
                agreement::agree(private, point, EckaError::Peer, |secret| {
                    if secret.len() != SECRET_LEN {
                        return Err(EckaError::Peer);
                    }
                    octets.copy_from_slice(secret);
                    Ok(())
                })?;
            }
            Private::Brainpool(private) => {
                let peer =
                    p256::elliptic_curve::PublicKey::<BrainpoolP256r1>::from_sec1_bytes(peer.as_point())
                        .map_err(|_| EckaError::Peer)?;
                let scalar = Zeroizing::new(private.to_nonzero_scalar());
                let secret = diffie_hellman(*scalar, peer.as_affine());
                octets.copy_from_slice(secret.raw_secret_bytes());
            }
        }
        Ok(SharedSecret(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> EphemeralKey {
        EphemeralKey::from_scalar(Curve::P256, &[octet; 32]).unwrap()
    }

    #[test]
    fn both_sides_agree() {
        let (server, card) = (key(0x11), key(0x22));
        let (server_point, card_point) = (*server.public_key(), *card.public_key());
        let secret = server.agree(&card_point).unwrap();
        assert_eq!(secret.as_octets(), card.agree(&server_point).unwrap().as_octets());
        assert_eq!(
            hex::encode_upper(secret.as_octets()),
            "CCFC261F58193C98CA4AD4A53BBAC6F0EE29BC4D48438090446908622CA79AF6"
        );
    }

    #[test]
    fn brainpool_keys_agree_as_published() {
        // RFC 7027 A.1.
        let octets = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
        let key = |scalar| EphemeralKey::from_scalar(Curve::BrainpoolP256r1, &octets(scalar)).unwrap();
        let first = key("81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D");
        let second = key("55E40BC41E37E3E2AD25C3C6654511FFA8474A91A0032087593852D3E7D76BD3");
        let (first_point, second_point) = (*first.public_key(), *second.public_key());
        assert_eq!(
            hex::encode_upper(first_point.as_point()),
            "0444106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE5\
             8AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC"
        );
        assert_eq!(
            hex::encode_upper(second_point.as_point()),
            "048D2D688C6CF93E1160AD04CC4429117DC2C41825E1E9FCA0ADDD34E6F1B39F7B\
             990C57520812BE512641E47034832106BC7D3E8DD0E4C7F1136D7006547CEC6A"
        );
        let shared = octets("89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B");
        assert_eq!(first.agree(&second_point).unwrap().as_octets(), &shared);
        assert_eq!(second.agree(&first_point).unwrap().as_octets(), &shared);
    }

    #[test]
    fn keys_of_two_curves_do_not_agree() {
        let brainpool = || EphemeralKey::from_scalar(Curve::BrainpoolP256r1, &[0x33; 32]).unwrap();
        assert_eq!(key(0x11).agree(brainpool().public_key()).err(), Some(EckaError::Peer));
        assert_eq!(brainpool().agree(key(0x11).public_key()).err(), Some(EckaError::Peer));
    }

    #[test]
    fn a_secret_keeps_its_leading_zeros() {
        // Scalars tried in order until the x coordinate starts with zero: its length must not shrink.
        let peer = *key(0x22).public_key();
        let secret = (1_u32..5000)
            .map(|number| {
                let mut scalar = [0; 32];
                scalar[28..].copy_from_slice(&number.to_be_bytes());
                EphemeralKey::from_scalar(Curve::P256, &scalar).unwrap().agree(&peer).unwrap()
            })
            .find(|secret| secret.as_octets()[0] == 0)
            .unwrap();
        assert_eq!(secret.as_octets().len(), 32);
    }

    #[test]
    fn scalars_outside_the_group_are_refused() {
        for (curve, order) in [
            (Curve::P256, "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
            (Curve::BrainpoolP256r1, "A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7"),
        ] {
            let mut order: [u8; 32] = hex::decode(order).unwrap().try_into().unwrap();
            for scalar in [[0; 32], [0xFF; 32], order] {
                assert_eq!(EphemeralKey::from_scalar(curve, &scalar).err(), Some(EckaError::Scalar));
            }
            order[31] -= 1;
            assert!(EphemeralKey::from_scalar(curve, &order).is_ok());
        }
    }

    #[test]
    fn a_seed_gives_one_key_after_the_other() {
        for curve in Curve::ALL {
            let rng = Rng::seeded(1);
            let draw = |rng: &Rng| *EphemeralKey::generate(rng, curve).unwrap().public_key();
            let first = draw(&rng);
            assert_ne!(first, draw(&rng));
            assert_eq!(first, draw(&Rng::seeded(1)));
        }
    }
}
