//! ECDSA with SHA-256 in plain form: r‖s, 64 octets, as every signature of SGP.22 (2.6.7.2; BSI TR-03111).
//!
//! Certificates carry their signatures in DER instead: [`PublicKey::verify_der`].
//!
//! Both curves of SGP.22 2.6.7 are behind the same types. On P-256 `aws-lc-rs` works, and draws the number of each
//! signature itself. No fast library has brainpoolP256r1: there `bp256` works, in constant time, and takes that number
//! from key and message (RFC 6979).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
    KeyPair as _, UnparsedPublicKey,
};
use bp256::BrainpoolP256r1;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::DecodePrivateKey as _;
use zeroize::Zeroizing;

/// Octets of a signature of a 256-bit curve.
pub const SIGNATURE_LEN: usize = 64;
/// Octets of an uncompressed point of a 256-bit curve.
pub const POINT_LEN: usize = 65;

/// The curves of SGP.22 2.6.7 that are supported. FRP256v1 is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256, secp256r1.
    P256,
    /// brainpoolP256r1 of RFC 5639.
    BrainpoolP256r1,
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 2] = [Self::P256, Self::BrainpoolP256r1];

    /// The usual name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key or signature can be that makes it unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EcdsaError {
    /// The octets are no private key of a supported curve.
    #[error("no private key of a supported curve (P-256, brainpoolP256r1)")]
    PrivateKey,
    /// The octets are no point of the curve.
    #[error("no point of the curve")]
    Point,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The library could not sign.
    #[error("signing failed")]
    Signing,
}

/// A signature: r‖s, each padded to the length of the field.
pub type Signature = [u8; SIGNATURE_LEN];

/// The types of `bp256` for brainpoolP256r1.
mod brainpool {
    use super::BrainpoolP256r1;

    pub(super) type PublicKey = p256::elliptic_curve::PublicKey<BrainpoolP256r1>;
    pub(super) type SecretKey = p256::elliptic_curve::SecretKey<BrainpoolP256r1>;
    pub(super) type Signature = ecdsa::Signature<BrainpoolP256r1>;
    pub(super) type SigningKey = ecdsa::SigningKey<BrainpoolP256r1>;
    pub(super) type VerifyingKey = ecdsa::VerifyingKey<BrainpoolP256r1>;
}

/// A public key: an uncompressed point on its curve.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    curve: Curve,
    point: [u8; POINT_LEN],
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.curve, hex::encode_upper(self.point))
    }
}

impl PublicKey {
    /// Takes an uncompressed point and checks that it lies on the curve.
    ///
    /// # Errors
    /// [`EcdsaError::Point`] for anything else.
    pub fn from_point(curve: Curve, point: &[u8]) -> Result<Self, EcdsaError> {
        let point: [u8; POINT_LEN] = point.try_into().map_err(|_| EcdsaError::Point)?;
        let lies_on_curve = match curve {
            Curve::P256 => p256::PublicKey::from_sec1_bytes(&point).is_ok(),
            Curve::BrainpoolP256r1 => brainpool::PublicKey::from_sec1_bytes(&point).is_ok(),
        };
        if lies_on_curve { Ok(Self { curve, point }) } else { Err(EcdsaError::Point) }
    }

    /// Takes an uncompressed point from where its curve is not said: it lies on one of them, and none on both is known.
    ///
    /// # Errors
    /// [`EcdsaError::Point`] for a point of no supported curve.
    pub fn from_point_of_any_curve(point: &[u8]) -> Result<Self, EcdsaError> {
        let on_curve = |curve| Self::from_point(curve, point).ok();
        Curve::ALL.into_iter().find_map(on_curve).ok_or(EcdsaError::Point)
    }

    /// The curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed point: 04, x, y.
    #[must_use]
    pub const fn as_point(&self) -> &[u8; POINT_LEN] {
        &self.point
    }

    /// Verifies a plain signature over `message`.
    ///
    /// # Errors
    /// [`EcdsaError::Signature`] if it does not verify.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), EcdsaError> {
        let verified = match self.curve {
            Curve::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
                .verify(message, signature)
                .is_ok(),
            Curve::BrainpoolP256r1 => brainpool::Signature::from_slice(signature)
                .is_ok_and(|signature| self.verifies_brainpool(message, &signature)),
        };
        if verified { Ok(()) } else { Err(EcdsaError::Signature) }
    }

    /// Verifies a signature in DER, the form of certificates.
    ///
    /// # Errors
    /// [`EcdsaError::Signature`] if it does not verify.
    pub fn verify_der(&self, message: &[u8], signature: &[u8]) -> Result<(), EcdsaError> {
        let verified = match self.curve {
            Curve::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
                .verify(message, signature)
                .is_ok(),
            Curve::BrainpoolP256r1 => brainpool::Signature::from_der(signature)
                .is_ok_and(|signature| self.verifies_brainpool(message, &signature)),
        };
        if verified { Ok(()) } else { Err(EcdsaError::Signature) }
    }

    fn verifies_brainpool(&self, message: &[u8], signature: &brainpool::Signature) -> bool {
        brainpool::VerifyingKey::from_sec1_bytes(&self.point)
            .is_ok_and(|key| key.verify(message, signature).is_ok())
    }
}

/// A private key that signs. It has no `Debug` that shows more than its public half.
pub struct SigningKey {
    public: PublicKey,
    scheme: Scheme,
}

enum Scheme {
    Fast(EcdsaKeyPair),
    Deterministic(p256::ecdsa::SigningKey),
    // Wiped when dropped, as the one above.
    Brainpool(brainpool::SigningKey),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

impl SigningKey {
    /// Reads a private key in PKCS#8 DER, or in the SEC1 DER of RFC 5915. SEC1 without a curve is a key on P-256.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] for anything but a key on a supported curve.
    pub fn from_der(der: &[u8]) -> Result<Self, EcdsaError> {
        match p256_secret(der) {
            Some(secret) => Self::on_p256(&secret),
            None => Self::on_brainpool(&brainpool_secret(der).ok_or(EcdsaError::PrivateKey)?),
        }
    }

    /// Takes the 32 octets of a private scalar.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] for zero and for numbers beyond the order of the curve.
    pub fn from_scalar(curve: Curve, scalar: &[u8; 32]) -> Result<Self, EcdsaError> {
        match curve {
            Curve::P256 => {
                Self::on_p256(&p256::SecretKey::from_slice(scalar).map_err(|_| EcdsaError::PrivateKey)?)
            }
            Curve::BrainpoolP256r1 => Self::on_brainpool(
                &brainpool::SecretKey::from_slice(scalar).map_err(|_| EcdsaError::PrivateKey)?,
            ),
        }
    }

    fn on_p256(secret: &p256::SecretKey) -> Result<Self, EcdsaError> {
        let point = secret.public_key().to_sec1_point(false);
        let scalar = Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()));
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            scalar.as_slice(),
            point.as_bytes(),
        )
        .map_err(|_| EcdsaError::PrivateKey)?;
        let public = PublicKey::from_point(Curve::P256, pair.public_key().as_ref())?;
        Ok(Self { public, scheme: Scheme::Fast(pair) })
    }

    fn on_brainpool(secret: &brainpool::SecretKey) -> Result<Self, EcdsaError> {
        let key = brainpool::SigningKey::from(secret);
        let point = key.verifying_key().to_sec1_point(false);
        let public = PublicKey::from_point(Curve::BrainpoolP256r1, point.as_bytes())?;
        Ok(Self { public, scheme: Scheme::Brainpool(key) })
    }

    /// Reads a private key as [`SigningKey::from_der`]; its signatures are those of RFC 6979, the same for the same
    /// message. On P-256 slower: for tests that compare octets.
    ///
    /// # Errors
    /// As [`SigningKey::from_der`].
    pub fn deterministic_from_der(der: &[u8]) -> Result<Self, EcdsaError> {
        let key = Self::from_der(der)?;
        Ok(match p256_secret(der) {
            Some(secret) => Self { public: key.public, scheme: Scheme::Deterministic(secret.into()) },
            None => key,
        })
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`EcdsaError::Signing`] if the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, EcdsaError> {
        match &self.scheme {
            Scheme::Fast(pair) => {
                #[expect(clippy::disallowed_methods, reason = "ECDSA nonces are the library's own")]
                let rng = aws_lc_rs::rand::SystemRandom::new();
                let signature = pair.sign(&rng, message).map_err(|_| EcdsaError::Signing)?;
                signature.as_ref().try_into().map_err(|_| EcdsaError::Signing)
            }
            Scheme::Deterministic(key) => {
                let signature: p256::ecdsa::Signature =
                    key.try_sign(message).map_err(|_| EcdsaError::Signing)?;
                signature.to_bytes().as_slice().try_into().map_err(|_| EcdsaError::Signing)
            }
            Scheme::Brainpool(key) => {
                let signature: brainpool::Signature =
                    key.try_sign(message).map_err(|_| EcdsaError::Signing)?;
                signature.to_bytes().as_slice().try_into().map_err(|_| EcdsaError::Signing)
            }
        }
    }
}

fn p256_secret(der: &[u8]) -> Option<p256::SecretKey> {
    p256::SecretKey::from_pkcs8_der(der).ok().or_else(|| p256::SecretKey::from_sec1_der(der).ok())
}

fn brainpool_secret(der: &[u8]) -> Option<brainpool::SecretKey> {
    brainpool::SecretKey::from_pkcs8_der(der).ok().or_else(|| brainpool::SecretKey::from_sec1_der(der).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(curve: Curve, octet: u8) -> SigningKey {
        SigningKey::from_scalar(curve, &[octet; 32]).unwrap()
    }

    #[test]
    fn signatures_of_each_curve_verify_and_no_changed_one_does() {
        for curve in Curve::ALL {
            let signer = key(curve, 0x11);
            let signature = signer.sign(b"message").unwrap();
            let public = signer.public_key();
            assert_eq!(public.curve(), curve);
            public.verify(b"message", &signature).unwrap();
            assert_eq!(public.verify(b"messagf", &signature), Err(EcdsaError::Signature));
            assert_eq!(
                key(curve, 0x22).public_key().verify(b"message", &signature),
                Err(EcdsaError::Signature)
            );
            for at in [0, 31, 32, 63] {
                let mut changed = signature;
                changed[at] ^= 1;
                assert_eq!(public.verify(b"message", &changed), Err(EcdsaError::Signature));
            }
            assert_eq!(public.verify(b"message", &[0; 64]), Err(EcdsaError::Signature));
            assert_eq!(public.verify(b"message", &[0xFF; 64]), Err(EcdsaError::Signature));
            for broken in [&[][..], &[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]] {
                assert_eq!(public.verify_der(b"message", broken), Err(EcdsaError::Signature));
            }
        }
    }

    #[test]
    fn a_point_must_lie_on_its_curve() {
        let [p256, brainpool] = Curve::ALL.map(|curve| *key(curve, 0x22).public_key());
        for (good, other) in [(p256, brainpool), (brainpool, p256)] {
            let mut point = *good.as_point();
            assert_eq!(PublicKey::from_point(good.curve(), &point), Ok(good));
            assert_eq!(PublicKey::from_point(other.curve(), &point), Err(EcdsaError::Point));
            assert_eq!(PublicKey::from_point_of_any_curve(&point), Ok(good));
            assert_eq!(PublicKey::from_point(good.curve(), &point[..64]), Err(EcdsaError::Point));
            // The sign of a compressed point and of the hybrid form.
            for form in [0x00, 0x02, 0x06] {
                point[0] = form;
                assert_eq!(PublicKey::from_point(good.curve(), &point), Err(EcdsaError::Point), "{form}");
            }
            point[0] = 0x04;
            point[64] ^= 1;
            assert_eq!(PublicKey::from_point(good.curve(), &point), Err(EcdsaError::Point));
            assert_eq!(PublicKey::from_point_of_any_curve(&point), Err(EcdsaError::Point));
        }
    }

    #[test]
    fn scalars_outside_the_group_are_no_keys() {
        for curve in Curve::ALL {
            assert!(SigningKey::from_scalar(curve, &[0; 32]).is_err());
            assert!(SigningKey::from_scalar(curve, &[0xFF; 32]).is_err());
        }
    }
}
