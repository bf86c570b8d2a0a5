//! Certification requests (PKCS #10, RFC 2986): a device asks for a certificate for a key that never leaves it.
//!
//! Of a request its public key counts, and that whoever signed it has the private half. The name that it asks for, and its
//! attributes, are the asker's own words: the issuer says what stands in the certificate.

use simyard_asn1::{Reader, Tag};

use super::certificate::{ECDSA_WITH_SHA256, UnusableKey};
use super::public_key::from_subject_public_key_info;
use crate::crypto::ecdsa::PublicKey;

/// The largest request that is read, in octets: as of a certificate.
pub const MAX_REQUEST_LEN: usize = super::certificate::MAX_CERTIFICATE_LEN;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than [`MAX_REQUEST_LEN`].
    #[error("the request has {0} octets, more than the {MAX_REQUEST_LEN} that are read")]
    TooLong(usize),
    /// Not the structure of RFC 2986.
    #[error("no certification request (PKCS #10): {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The key cannot be used.
    #[error("certification request: {0}")]
    Key(#[from] UnusableKey),
    /// Signed with another algorithm.
    #[error("the certification request is not signed with ecdsa-with-SHA256")]
    SignatureAlgorithm,
    /// The signature does not verify under the key that is asked for.
    #[error(
        "the certification request is not signed with the key that it asks a certificate for: make a new one with \
         the device's own key"
    )]
    Signature,
}

/// Proof that somebody who has the private half asks for a certificate for this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRequest {
    key: PublicKey,
}

impl VerifiedRequest {
    /// Reads a request that fills `der`, and verifies its signature (RFC 2986 4.2).
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        const NAME: &str = "CertificationRequest";
        if der.len() > MAX_REQUEST_LEN {
            return Err(RequestError::TooLong(der.len()));
        }
        let mut outer = Reader::new(der, NAME);
        let mut members = outer.expect(Tag::SEQUENCE)?.members(NAME);
        outer.finish()?;
        let info = members.expect(Tag::SEQUENCE)?;
        let algorithm = members.expect(Tag::SEQUENCE)?;
        let signature = members.expect(Tag::BIT_STRING)?;
        members.finish()?;
        let mut asked = info.members("CertificationRequestInfo");
        let _version = asked.expect(Tag::INTEGER)?;
        let _subject = asked.expect(Tag::SEQUENCE)?;
        let key = from_subject_public_key_info(asked.expect(Tag::SEQUENCE)?.raw)?;
        asked.optional(Tag::context_constructed(0))?;
        asked.finish()?;
        if algorithm.raw != ECDSA_WITH_SHA256 {
            return Err(RequestError::SignatureAlgorithm);
        }
        let signature = whole_octets(signature.value).ok_or(RequestError::Signature)?;
        key.verify_der(info.raw, signature).map_err(|_| RequestError::Signature)?;
        Ok(Self { key })
    }

    /// The key that a certificate is asked for.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }
}

/// The octets of a BIT STRING without unused bits.
fn whole_octets(value: &[u8]) -> Option<&[u8]> {
    value.split_first().and_then(|(unused, octets)| (*unused == 0).then_some(octets))
}

#[cfg(test)]
mod tests {
    use simyard_asn1::Writer;

    use super::*;
    use crate::crypto::ecdsa::{Curve, SigningKey};
    use crate::env::Rng;
    use crate::pki::issue::{PrivateKey, signature_to_der};
    use crate::pki::public_key::{BRAINPOOL_P256R1, EC_PUBLIC_KEY, SECP256R1};

    fn key(seed: u64, curve: Curve) -> SigningKey {
        PrivateKey::draw(&Rng::seeded(seed), curve).signing_key().unwrap()
    }

    /// A request for the key `of`, signed with `by`.
    fn request(of: &SigningKey, curve: &[u8], by: &SigningKey) -> Vec<u8> {
        let bits = |octets: &[u8]| [&[0], octets].concat();
        let mut info = Writer::new();
        info.nested(Tag::SEQUENCE, |info| {
            info.integer(Tag::INTEGER, 0).nested(Tag::SEQUENCE, |_| {});
            info.nested(Tag::SEQUENCE, |key| {
                key.nested(Tag::SEQUENCE, |algorithm| {
                    algorithm.tlv(Tag::OID, EC_PUBLIC_KEY).tlv(Tag::OID, curve);
                });
                key.tlv(Tag::BIT_STRING, &bits(of.public_key().as_point()));
            });
            info.nested(Tag::context_constructed(0), |_| {});
        });
        let info = info.finish();
        let signature = signature_to_der(&by.sign(&info).unwrap());
        let mut request = Writer::new();
        request.nested(Tag::SEQUENCE, |request| {
            request.raw(&info).raw(ECDSA_WITH_SHA256).tlv(Tag::BIT_STRING, &bits(&signature));
        });
        request.finish()
    }

    #[test]
    fn whoever_has_the_key_may_ask() {
        for (curve, identifier) in [(Curve::P256, SECP256R1), (Curve::BrainpoolP256r1, BRAINPOOL_P256R1)] {
            let own = key(1, curve);
            let der = request(&own, identifier, &own);
            assert_eq!(VerifiedRequest::from_der(&der).unwrap().public_key(), own.public_key());
        }
    }

    #[test]
    fn nobody_asks_for_the_key_of_another() {
        let (own, other) = (key(1, Curve::P256), key(2, Curve::P256));
        let stolen = request(&other, SECP256R1, &own);
        assert_eq!(VerifiedRequest::from_der(&stolen), Err(RequestError::Signature));
    }

    #[test]
    fn no_changed_and_no_cut_request_is_taken() {
        let own = key(1, Curve::P256);
        let right = request(&own, SECP256R1, &own);
        for at in 0..right.len() {
            assert!(VerifiedRequest::from_der(&right[..at]).is_err(), "cut at {at}");
            let mut changed = right.clone();
            changed[at] ^= 1;
            assert!(VerifiedRequest::from_der(&changed).is_err(), "changed at {at}");
        }
        assert!(VerifiedRequest::from_der(&[&right[..], &[0]].concat()).is_err());
        assert_eq!(VerifiedRequest::from_der(&[0x30; 20_000]), Err(RequestError::TooLong(20_000)));
    }

    #[test]
    fn keys_that_cannot_be_used_are_named() {
        let own = key(1, Curve::P256);
        let p384 = [0x2B, 0x81, 0x04, 0x00, 0x22];
        let refused = VerifiedRequest::from_der(&request(&own, &p384, &own)).unwrap_err().to_string();
        assert!(refused.contains("curve 1.3.132.0.34 is not supported"), "{refused}");
        let other_curve = VerifiedRequest::from_der(&request(&own, BRAINPOOL_P256R1, &own));
        assert_eq!(other_curve, Err(RequestError::Key(UnusableKey::Point)));
    }
}
