//! Which CIs are test CIs: nothing but test equipment may trust them, as their private keys are published (SGP.26) or
//! lie in a folder (`simyard pki init`).

use super::certificate::Certificate;

/// The content octets above all identifiers for examples, 2.999 (X.660 A.9): no CI in the field is registered there.
const EXAMPLE_ARC: &[u8] = &[0x88, 0x37];

/// subjectKeyIdentifiers of the CIs of SGP.26, NIST P-256 and brainpoolP256r1.
const SGP26: [[u8; 20]; 2] = [
    [
        0xF5, 0x41, 0x72, 0xBD, 0xF9, 0x8A, 0x95, 0xD6, 0x5C, 0xBE, 0xB8, 0x8A, 0x38, 0xA1, 0xC1, 0x1D, 0x80,
        0x0A, 0x85, 0xC3,
    ],
    [
        0xC0, 0xBC, 0x70, 0xBA, 0x36, 0x92, 0x9D, 0x43, 0xB4, 0x67, 0xFF, 0x57, 0x57, 0x05, 0x30, 0xE5, 0x7A,
        0xB8, 0xFC, 0xD8,
    ],
];

/// Whether this is a CI for tests: of SGP.26 by its key identifier, or registered under 2.999 as all that
/// `simyard pki init` makes.
#[must_use]
pub fn is_test_ci(ci: &Certificate) -> bool {
    ci.subject_key_identifier().is_some_and(|identifier| SGP26.iter().any(|known| known == identifier))
        || ci.registered_id().is_some_and(|oid| oid.as_content().starts_with(EXAMPLE_ARC))
}
