//! SHA-256, and the hash that proves a confirmation code (SGP.22 4.7, 3.1.3).

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ident::TransactionId;

/// SHA-256 of `octets`.
#[must_use]
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

/// SHA-256 of a confirmation code: what the server keeps instead of the code. Codes are short, so the hash
/// can be searched through: it is a secret, is wiped when dropped and has no `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ConfirmationCodeHash([u8; 32]);

impl ConfirmationCodeHash {
    /// Hashes a code: the characters as the user types them, not decoded from hexadecimal.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        Self(sha256(code.as_bytes()))
    }

    /// Takes a stored hash.
    #[must_use]
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The hash, for sealed storage.
    #[must_use]
    pub const fn as_octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// hashCc of a session: SHA-256(SHA-256(code) ‖ transactionId).
    #[must_use]
    pub fn hash_cc(&self, transaction_id: &TransactionId) -> [u8; 32] {
        Sha256::new().chain_update(self.0).chain_update(transaction_id.as_octets()).finalize().into()
    }

    /// Whether `hash_cc`, as the eUICC signed it, proves the code. Takes the same time for every wrong value.
    #[must_use]
    pub fn matches(&self, transaction_id: &TransactionId, hash_cc: &[u8]) -> bool {
        self.hash_cc(transaction_id).as_slice().ct_eq(hash_cc).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_proved_in_its_session_alone() {
        let session = TransactionId::parse("000102030405060708090A0B0C0D0E0F").unwrap();
        let other = TransactionId::parse("000102030405060708090A0B0C0D0E10").unwrap();
        let stored = ConfirmationCodeHash::of_code("1234");
        let proof = stored.hash_cc(&session);
        assert_eq!(
            hex::encode_upper(proof),
            "E62ED88864CCF99EBCC7C57C5A37641A99315C87F6151C3F4B77C920332E1177"
        );
        assert!(ConfirmationCodeHash::from_octets(*stored.as_octets()).matches(&session, &proof));
        assert!(!stored.matches(&other, &proof));
        assert!(!stored.matches(&session, &proof[..31]));
        assert!(!stored.matches(&session, &[]));
        assert!(!ConfirmationCodeHash::of_code("1235").matches(&session, &proof));
    }
}
