//! Certificates of SGP.22 chapter 4.5: reading them, checking chains per role, TLS over them, issuing a test PKI.
//!
//! | module | what | clause |
//! |---|---|---|
//! | [`certificate`] | one certificate and the few facts that the rules ask for | SGP.22 4.5.2, RFC 5280 |
//! | [`public_key`] | SubjectPublicKeyInfo | RFC 5480 2 |
//! | [`role`] | the roles by their policy identifiers | SGP.22 2.4a, 4.5.2 |
//! | [`chain`] | trust anchors and the checks per role, which return proofs | SGP.22 4.5.2.2 |
//! | [`revocation`] | revocation lists of CIs | SGP.22 4.6, RFC 5280 5 |
//! | [`test_ci`] | which CIs are for tests | SGP.26 |
//! | [`error`] | why a certificate is refused, and the three kinds that status codes tell apart | SGP.22 5.6 |
//! | [`tls`] | server and client configurations, verifiers of both sides | SGP.22 2.6.6 |
//! | [`request`] | requests for certificates | RFC 2986 |
//! | [`issue`] | writing certificates | SGP.22 4.5.2 |
//! | [`web`] | TLS servers of operators | SGP.22 2.6.6 |
//! | [`smdp`] | TLS servers of SM-DP+, as an eIM calls them | SGP.22 2.6.6 |
//! | [`test_pki`] | the named test PKI and its wrong twins, from `certs/test-pki.toml` | SGP.26 |
//!
//! Reading is not verifying: a [`Certificate`] proves nothing, a [`VerifiedEum`] does. Time is an argument. Not here:
//! the sub-CA chains of the variants A, B and C.
//!
//! `openssl verify` refuses eUICC certificates below a name constraint, those of SGP.26 too: it wants the
//! serialNumber equal where SGP.22 means its first digits.

pub mod certificate;
pub mod chain;
pub mod error;
pub mod issue;
pub mod pinned;
pub mod public_key;
pub mod request;
pub mod revocation;
pub mod role;
pub mod smdp;
pub mod test_ci;
pub mod test_pki;
pub mod tls;
pub mod web;

pub use certificate::{Certificate, CertificateError, UnusableKey};
pub use chain::{Anchors, VerifiedDpAuth, VerifiedDpPb, VerifiedEuicc, VerifiedEum, verify_euicc};
pub use error::{AnchorError, EuiccError, EumError, PathError, Refusal, ServerCertificateError};
pub use revocation::{RevocationList, RevocationListError};
pub use role::Role;
pub use test_ci::is_test_ci;
