//! One-time key agreement: ECKA-EG of SGP.22 Annex G (BSI TR-03111).
//!
//! Both sides make a key pair for one download; the shared secret is the x coordinate of the product. What is
//! derived from it is [`super::bsp::SessionKeys`]. Static keys do not agree here.

use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::ecdsa::{Curve, PublicKey};
use crate::env::Rng;

/// Octets of a shared secret of a 256-bit curve.
pub const SECRET_LEN: usize = 32;

/// Draws of a scalar before the generator is held to be broken: one draw fails once in 2³².
const MAX_DRAWS: usize = 8;

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

/// A key pair that agrees once: otSK and otPK of SGP.22. No `Debug`; the library wipes the scalar.
pub struct EphemeralKey {
    private: PrivateKey,
    public: PublicKey,
}

impl EphemeralKey {
    /// Draws a key pair.
    ///
    /// # Errors
    /// [`EckaError::Randomness`] if no draw is a private key.
    pub fn generate(rng: &Rng, curve: Curve) -> Result<Self, EckaError> {
        for _ in 0..MAX_DRAWS {
            let mut scalar = Zeroizing::new([0; 32]);
            rng.fill(scalar.as_mut_slice());
            if let Ok(key) = Self::from_scalar(curve, &scalar) {
                return Ok(key);
            }
        }
        Err(EckaError::Randomness)
    }

    /// Takes the 32 octets of a private scalar. The caller wipes them.
    ///
    /// # Errors
    /// [`EckaError::Scalar`] for zero and for numbers beyond the order of the curve.
    pub fn from_scalar(curve: Curve, scalar: &[u8; 32]) -> Result<Self, EckaError> {
        let Curve::P256 = curve;
        let private = PrivateKey::from_private_key(&ECDH_P256, scalar).map_err(|_| EckaError::Scalar)?;
        let point = private.compute_public_key().map_err(|_| EckaError::Scalar)?;
        let public = PublicKey::from_point(curve, point.as_ref()).map_err(|_| EckaError::Scalar)?;
        Ok(Self { private, public })
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
        let point = UnparsedPublicKey::new(&ECDH_P256, peer.as_point().as_slice());
        agreement::agree(&self.private, point, EckaError::Peer, |secret| {
            // Copied once, into memory that is wiped.
            let mut octets = Zeroizing::new([0; SECRET_LEN]);
            if secret.len() != SECRET_LEN {
                return Err(EckaError::Peer);
            }
            octets.copy_from_slice(secret);
            Ok(SharedSecret(octets))
        })
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
        let order = hex::decode("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551").unwrap();
        let mut order: [u8; 32] = order.try_into().unwrap();
        for scalar in [[0; 32], [0xFF; 32], order] {
            assert_eq!(EphemeralKey::from_scalar(Curve::P256, &scalar).err(), Some(EckaError::Scalar));
        }
        order[31] -= 1;
        assert!(EphemeralKey::from_scalar(Curve::P256, &order).is_ok());
    }

    #[test]
    fn a_seed_gives_one_key_after_the_other() {
        let rng = Rng::seeded(1);
        let first = *EphemeralKey::generate(&rng, Curve::P256).unwrap().public_key();
        assert_ne!(first, *EphemeralKey::generate(&rng, Curve::P256).unwrap().public_key());
        assert_eq!(first, *EphemeralKey::generate(&Rng::seeded(1), Curve::P256).unwrap().public_key());
    }
}
