//! HMAC-SHA-256 (RFC 2104, FIPS 198-1).

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};

/// The code of octets that are given in parts.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    let mut code = [0; 32];
    // The library's type is as long as its longest hash; of SHA-256 these are all octets.
    for (place, octet) in code.iter_mut().zip(context.sign().as_ref()) {
        *place = *octet;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_4231() {
        let code = hmac_sha256(&[0x0B; 20], &[b"Hi ", b"There"]);
        assert_eq!(hex::encode(code), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let code = hmac_sha256(b"Jefe", &[b"what do ya want for nothing?"]);
        assert_eq!(hex::encode(code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
