//! Public keys as SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 5480 2): read and written, in certificates and outside.

use simyard_asn1::{Oid, Tag, Writer};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::certificate::UnusableKey;
use crate::crypto::ecdsa::{Curve, PublicKey};

/// id-ecPublicKey (RFC 5480 2.1.1).
pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// secp256r1 (RFC 5480 2.1.1.1).
pub(super) const SECP256R1: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// brainpoolP256r1 (RFC 5639 4.1).
pub(super) const BRAINPOOL_P256R1: &[u8] = &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07];

/// Reads a SubjectPublicKeyInfo that fills `der`.
///
/// # Errors
/// [`UnusableKey`] for anything but a point on a supported curve.
pub fn from_subject_public_key_info(der: &[u8]) -> Result<PublicKey, UnusableKey> {
    match SubjectPublicKeyInfo::from_der(der) {
        Ok(([], info)) => point(&info),
        Ok(_) | Err(_) => Err(UnusableKey::Algorithm),
    }
}

/// The SubjectPublicKeyInfo of a key as DER.
#[must_use]
pub fn to_subject_public_key_info(key: &PublicKey) -> Vec<u8> {
    let curve = match key.curve() {
        Curve::P256 => SECP256R1,
        Curve::BrainpoolP256r1 => BRAINPOOL_P256R1,
    };
    let mut writer = Writer::new();
    writer.nested(Tag::SEQUENCE, |info| {
        info.nested(Tag::SEQUENCE, |algorithm| {
            algorithm.tlv(Tag::OID, EC_PUBLIC_KEY).tlv(Tag::OID, curve);
        });
        // The first octet says that no bit of the last one is unused.
        info.tlv(Tag::BIT_STRING, &[&[0], &key.as_point()[..]].concat());
    });
    writer.finish()
}

/// The key of a SubjectPublicKeyInfo.
pub(super) fn point(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, UnusableKey> {
    let curve = info.algorithm.parameters.as_ref().and_then(|value| value.as_oid().ok());
    let curve = curve.as_ref().and_then(|curve| Oid::from_content(curve.as_bytes()));
    let (true, Some(curve)) = (info.algorithm.algorithm.as_bytes() == EC_PUBLIC_KEY, curve) else {
        return Err(UnusableKey::Algorithm);
    };
    let curve = match curve.as_content() {
        SECP256R1 => Curve::P256,
        BRAINPOOL_P256R1 => Curve::BrainpoolP256r1,
        _ => return Err(UnusableKey::UnsupportedCurve(curve)),
    };
    if info.subject_public_key.unused_bits != 0 {
        return Err(UnusableKey::Point);
    }
    PublicKey::from_point(curve, &info.subject_public_key.data).map_err(|_| UnusableKey::Point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ecdsa::SigningKey;

    #[test]
    fn keys_go_both_ways_on_each_curve() {
        for curve in Curve::ALL {
            let key = *SigningKey::from_scalar(curve, &[7; 32]).unwrap().public_key();
            let der = to_subject_public_key_info(&key);
            assert_eq!(from_subject_public_key_info(&der), Ok(key));
            assert_eq!(from_subject_public_key_info(&[&der[..], &[0]].concat()), Err(UnusableKey::Algorithm));
            for length in 0..der.len() {
                assert!(from_subject_public_key_info(&der[..length]).is_err());
            }
            let mut off_curve = der.clone();
            *off_curve.last_mut().unwrap() ^= 1;
            assert_eq!(from_subject_public_key_info(&off_curve), Err(UnusableKey::Point));
        }
    }
}
