//! Key derivation of ANSI X9.63 with SHA-256 (SGP.22 Annex G; SEC 1 3.6.1).

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

const DIGEST_LEN: usize = 32;

/// `length` octets of H(Z ‖ 1 ‖ info) ‖ H(Z ‖ 2 ‖ info) ‖ …, the counters as four octets.
///
/// `length` is far below the limit of the standard, so nothing can fail.
#[must_use]
pub fn x963(shared_secret: &[u8], shared_info: &[u8], length: u16) -> Zeroizing<Vec<u8>> {
    let length = usize::from(length);
    // Room for whole digests: a vector that grows would leave a copy behind.
    let mut keys = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(DIGEST_LEN)));
    for counter in 1_u32.. {
        if keys.len() >= length {
            break;
        }
        let digest = Sha256::new()
            .chain_update(shared_secret)
            .chain_update(counter.to_be_bytes())
            .chain_update(shared_info);
        let mut digest = digest.finalize();
        keys.extend_from_slice(&digest);
        digest.as_mut_slice().zeroize();
    }
    keys.truncate(length);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_key_is_the_start_of_a_longer_one() {
        let long = x963(b"secret", b"info", 100);
        assert_eq!(long.len(), 100);
        for length in [0_u16, 1, 31, 32, 33, 48, 64, 65] {
            let short = x963(b"secret", b"info", length);
            assert_eq!(short.as_slice(), &long[..usize::from(length)]);
        }
        assert_ne!(x963(b"secret", b"infp", 16), x963(b"secret", b"info", 16));
    }

    #[test]
    fn one_block_is_one_digest() {
        let digest = Sha256::digest(b"secret\x00\x00\x00\x01info");
        assert_eq!(x963(b"secret", b"info", 32).as_slice(), digest.as_slice());
    }
}
