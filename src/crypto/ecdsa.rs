//! ECDSA with SHA-256 in plain form: r‖s, 64 octets, as every signature of SGP.22 (2.6.7.2; BSI TR-03111).
//!
//! Certificates carry their signatures in DER instead: [`PublicKey::verify_der`].

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
    KeyPair as _, UnparsedPublicKey,
};
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::DecodePrivateKey as _;
use zeroize::Zeroizing;

/// Octets of a signature of a 256-bit curve.
pub const SIGNATURE_LEN: usize = 64;
/// Octets of an uncompressed point of a 256-bit curve.
pub const POINT_LEN: usize = 65;

/// The curves of SGP.22 2.6.7 that are supported. brainpoolP256r1 becomes a second variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256, secp256r1.
    P256,
}

/// What a key or signature can be that makes it unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EcdsaError {
    /// The octets are no private key of a supported curve.
    #[error("no private key of a supported curve (P-256)")]
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
        let Curve::P256 = curve;
        let point: [u8; POINT_LEN] = point.try_into().map_err(|_| EcdsaError::Point)?;
        p256::PublicKey::from_sec1_bytes(&point).map_err(|_| EcdsaError::Point)?;
        Ok(Self { curve, point })
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
        let Curve::P256 = self.curve;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
            .verify(message, signature)
            .map_err(|_| EcdsaError::Signature)
    }

    /// Verifies a signature in DER, the form of certificates.
    ///
    /// # Errors
    /// [`EcdsaError::Signature`] if it does not verify.
    pub fn verify_der(&self, message: &[u8], signature: &[u8]) -> Result<(), EcdsaError> {
        let Curve::P256 = self.curve;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(message, signature)
            .map_err(|_| EcdsaError::Signature)
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
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

impl SigningKey {
    /// Reads a private key in PKCS#8 DER, or in the SEC1 DER of RFC 5915.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] for anything but a P-256 key.
    pub fn from_der(der: &[u8]) -> Result<Self, EcdsaError> {
        let secret = p256::SecretKey::from_pkcs8_der(der)
            .or_else(|_| p256::SecretKey::from_sec1_der(der))
            .map_err(|_| EcdsaError::PrivateKey)?;
        Self::from_secret(&secret)
    }

    /// Takes the 32 octets of a private scalar.
    ///
    /// # Errors
    /// [`EcdsaError::PrivateKey`] for zero and for numbers beyond the order of the curve.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, EcdsaError> {
        let secret = p256::SecretKey::from_slice(scalar).map_err(|_| EcdsaError::PrivateKey)?;
        Self::from_secret(&secret)
    }

    fn from_secret(secret: &p256::SecretKey) -> Result<Self, EcdsaError> {
        use p256::elliptic_curve::sec1::ToSec1Point as _;
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

    /// Reads a private key as [`SigningKey::from_der`]; its signatures are those of RFC 6979, the same for the same
    /// message. Slower: for tests that compare octets.
    ///
    /// # Errors
    /// As [`SigningKey::from_der`].
    pub fn deterministic_from_der(der: &[u8]) -> Result<Self, EcdsaError> {
        let secret = p256::SecretKey::from_pkcs8_der(der)
            .or_else(|_| p256::SecretKey::from_sec1_der(der))
            .map_err(|_| EcdsaError::PrivateKey)?;
        let public = Self::from_secret(&secret)?.public;
        Ok(Self { public, scheme: Scheme::Deterministic(secret.into()) })
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_signers_make_signatures_that_verify() {
        let fast = SigningKey::from_scalar(&[0x11; 32]).unwrap();
        let signature = fast.sign(b"message").unwrap();
        fast.public_key().verify(b"message", &signature).unwrap();
        assert_eq!(fast.public_key().verify(b"messagf", &signature), Err(EcdsaError::Signature));
        let mut changed = signature;
        changed[63] ^= 1;
        assert_eq!(fast.public_key().verify(b"message", &changed), Err(EcdsaError::Signature));
    }

    #[test]
    fn a_point_must_lie_on_the_curve() {
        let good = *SigningKey::from_scalar(&[0x22; 32]).unwrap().public_key();
        let mut point = *good.as_point();
        assert_eq!(PublicKey::from_point(Curve::P256, &point), Ok(good));
        point[64] ^= 1;
        assert_eq!(PublicKey::from_point(Curve::P256, &point), Err(EcdsaError::Point));
        assert_eq!(PublicKey::from_point(Curve::P256, &point[..64]), Err(EcdsaError::Point));
        assert!(SigningKey::from_scalar(&[0; 32]).is_err());
        assert!(SigningKey::from_scalar(&[0xFF; 32]).is_err());
    }
}
