//! The bound: what the public-key operations of one download cost on this machine with the library that the server
//! uses, one thread, nothing around them.
//!
//! The server's part of a download (SGP.22 3.1) is three signatures (serverSigned1, smdpSigned2,
//! InitialiseSecureChannel), five verifications (the certificates of EUM and eUICC, euiccSignature1, euiccSignature2,
//! the installation result), one key generation and one agreement. It is a yardstick: a server that remembers a
//! verified EUM certificate is measured against five all the same.

use std::time::Duration;

use serde::Serialize;

use super::BenchError;
use crate::crypto::ecdsa::{Curve, SigningKey};
use crate::crypto::ecka::EphemeralKey;
use crate::env::{Clock, Rng};

/// Operations of one download.
const SIGNATURES: u32 = 3;
const VERIFICATIONS: u32 = 5;
/// Octets that are signed: about what serverSigned1 has.
const MESSAGE_OCTETS: usize = 200;
/// Rounds, of which the fastest counts: the others had company on the machine.
const ROUNDS: usize = 20;
/// Operations in a round.
const OPERATIONS: u32 = 50;

/// Microseconds for each operation, on P-256.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bound {
    /// A signature.
    pub sign_us: f64,
    /// A verification.
    pub verify_us: f64,
    /// The generation of a one-time key.
    pub generate_us: f64,
    /// An agreement.
    pub agree_us: f64,
}

impl Bound {
    /// Measures each operation.
    ///
    /// # Errors
    /// [`BenchError`] if the library fails.
    pub fn measure(clock: &Clock, rng: &Rng) -> Result<Self, BenchError> {
        let message: [u8; MESSAGE_OCTETS] = rng.array();
        let key = SigningKey::from_scalar(Curve::P256, &[0x11; 32])?;
        let signature = key.sign(&message)?;
        let peer = *EphemeralKey::generate(rng, Curve::P256)?.public_key();
        let generate = || EphemeralKey::generate(rng, Curve::P256);
        Ok(Self {
            sign_us: best(clock, || Ok(()), |()| key.sign(&message).map(drop))?,
            verify_us: best(clock, || Ok(()), |()| key.public_key().verify(&message, &signature))?,
            generate_us: best(clock, || Ok(()), |()| generate().map(drop))?,
            agree_us: best(clock, generate, |key| key.agree(&peer).map(drop))?,
        })
    }

    /// Milliseconds for all operations of one download.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        let signatures = self.sign_us * f64::from(SIGNATURES);
        let verifications = self.verify_us * f64::from(VERIFICATIONS);
        (signatures + verifications + self.generate_us + self.agree_us) / 1000.0
    }
}

/// Microseconds for one `operation` in the fastest round; `prepare` is not counted.
fn best<T, E>(
    clock: &Clock,
    prepare: impl Fn() -> Result<T, E>,
    operation: impl Fn(T) -> Result<(), E>,
) -> Result<f64, BenchError>
where
    BenchError: From<E>,
{
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let prepared = (0..OPERATIONS).map(|_| prepare()).collect::<Result<Vec<_>, _>>()?;
        let start = clock.monotonic();
        for one in prepared {
            operation(one)?;
        }
        best = best.min(clock.monotonic().saturating_sub(start));
    }
    Ok(best.as_secs_f64() * 1e6 / f64::from(OPERATIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_three_signatures_five_verifications_one_key_and_one_agreement() {
        let bound =
            Bound { sign_us: 1000.0, verify_us: 10_000.0, generate_us: 100_000.0, agree_us: 1_000_000.0 };
        assert!((bound.total_ms() - 1153.0).abs() < 1e-6);
    }

    #[test]
    fn every_operation_takes_time() {
        let bound = Bound::measure(&Clock::system(), &Rng::system()).unwrap();
        for time in [bound.sign_us, bound.verify_us, bound.generate_us, bound.agree_us] {
            assert!(time > 0.0);
        }
    }
}
