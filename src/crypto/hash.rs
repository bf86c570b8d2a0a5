//! SHA-256, and the hash that proves a confirmation code (SGP.22 4.7, 3.1.3).

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::ident::TransactionId;

/// SHA-256 of `octets`.
#[must_use]
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

/// SHA-256 of what is written to it.
#[derive(Clone, Default)]
pub struct Sha256Stream(Sha256);

impl Sha256Stream {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest of all of it.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl std::io::Write for Sha256Stream {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.update(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// SHA-256 of a confirmation code: what the server keeps instead of the code. The characters are hashed as the user
/// types them, not decoded from hexadecimal. Codes are short, so the hash can be searched through: it is a secret too.
#[must_use]
pub fn code_hash(code: &str) -> [u8; 32] {
    sha256(code.as_bytes())
}

/// hashCc of a session: SHA-256(SHA-256(code) ‖ transactionId).
#[must_use]
pub fn hash_cc(code_hash: &[u8; 32], transaction_id: &TransactionId) -> [u8; 32] {
    Sha256::new().chain_update(code_hash).chain_update(transaction_id.as_octets()).finalize().into()
}

/// Whether `hash_cc`, as the eUICC signed it, proves the code. Takes the same time for every wrong value.
#[must_use]
pub fn proves_code(proof: &[u8], code_hash: &[u8; 32], transaction_id: &TransactionId) -> bool {
    hash_cc(code_hash, transaction_id).as_slice().ct_eq(proof).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_proved_in_its_session_alone() {
        let session = TransactionId::parse("000102030405060708090A0B0C0D0E0F").unwrap();
        let other = TransactionId::parse("000102030405060708090A0B0C0D0E10").unwrap();
        let stored = code_hash("1234");
        let proof = hash_cc(&stored, &session);
        assert_eq!(
            hex::encode_upper(proof),
            "E62ED88864CCF99EBCC7C57C5A37641A99315C87F6151C3F4B77C920332E1177"
        );
        assert!(proves_code(&proof, &stored, &session));
        assert!(!proves_code(&proof, &stored, &other));
        assert!(!proves_code(&proof[..31], &stored, &session));
        assert!(!proves_code(&[], &stored, &session));
        assert!(!proves_code(&proof, &code_hash("1235"), &session));
    }
}
