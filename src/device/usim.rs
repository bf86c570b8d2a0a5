//! AUTHENTICATE on the USIM and the ISIM: 3G context with Milenage or the test algorithm (TS 31.102 7.1, TS 33.102 6.3).
//!
//! Sequence numbers are kept in an array by index (TS 33.102 annex C.2): SQN is SEQ and five bits of IND. A number is
//! taken if it is greater than the last one of its index, not too far ahead (sqnDelta) and not too old
//! (sqnAgeLimit); the limits do not hold where they are zero. TUAK and the GSM context are not supported; sqnOptions
//! and mappingOptions of PE-AKAParameter are kept and not evaluated: an application that is mapped to the keys of
//! another uses its sequence numbers, too.

use subtle::ConstantTimeEq as _;

use super::apdu::{Command, StatusWord};
use super::uicc::{Position, Uicc};
use crate::crypto::aka::{Amf, Rand, Sqn};
use crate::profile::image::Aka;

/// P2: application specific reference, 3G context.
const CONTEXT_3G: u8 = 0x81;
/// The PIN of the application.
const PIN1: u8 = 0x01;
/// Bits of IND in a sequence number.
const IND_BITS: u32 = 5;

fn number(octets: &Sqn) -> u64 {
    octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}

fn octets(number: u64) -> Sqn {
    let [_, _, sqn @ ..] = number.to_be_bytes();
    sqn
}

fn xor(left: &Sqn, right: &[u8; 6]) -> Sqn {
    let mut out = *left;
    out.iter_mut().zip(right).for_each(|(to, from)| *to ^= from);
    out
}

/// The highest accepted number with its index: SQN_MS of AUTS.
fn highest(aka: &Aka) -> (u64, u64) {
    let indexed = (0_u64..).zip(&aka.sqn);
    indexed.map(|(index, sequence)| (*sequence, index)).max().unwrap_or_default()
}

/// Whether a sequence number is fresh; then it is taken.
fn take(aka: &mut Aka, sqn: u64) -> bool {
    let (sequence, index) = (sqn >> IND_BITS, sqn & ((1 << IND_BITS) - 1));
    let (top, _) = highest(aka);
    let (delta, age) = (aka.sqn_delta, aka.sqn_age_limit);
    let too_far = delta != 0 && sequence > top.saturating_add(delta);
    let too_old = age != 0 && top.saturating_sub(sequence) >= age;
    let last = usize::try_from(index).ok().and_then(|index| aka.sqn.get_mut(index));
    match last {
        Some(last) if sequence > *last && !too_far && !too_old => {
            *last = sequence;
            true
        }
        Some(_) | None => false,
    }
}

/// RAND and AUTN of the command data, each behind its length.
fn challenge(data: &[u8]) -> Option<(&Rand, &[u8; 16])> {
    let (first, rest) = data.split_first()?;
    let (rand, rest) = rest.split_first_chunk::<16>()?;
    let (second, rest) = rest.split_first()?;
    let (autn, rest) = rest.split_first_chunk::<16>()?;
    (*first == 16 && *second == 16 && rest.is_empty()).then_some((rand, autn))
}

impl Uicc {
    /// AUTHENTICATE: `DB` with RES, CK and IK, or `DC` with AUTS.
    pub(super) fn authenticate(
        &mut self,
        position: &Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        if (command.p1, command.p2) != (0x00, CONTEXT_3G) {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        let (rand, autn) = challenge(command.data).ok_or(StatusWord::WRONG_DATA)?;
        let application =
            self.image.application_of(position.directory).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if !self.is_authenticated(position, PIN1) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let aka = self.image.aka_mut(application).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let algorithm = aka.to_algorithm().ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
        if aka.counter_max == Some(0) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let response = algorithm.generate(rand);
        let [s0, s1, s2, s3, s4, s5, a0, a1, mac @ ..] = *autn;
        let sqn = xor(&[s0, s1, s2, s3, s4, s5], &response.ak);
        let amf: Amf = [a0, a1];
        if !bool::from(algorithm.mac_a(rand, &sqn, &amf).ct_eq(&mac)) {
            return Err(StatusWord::INCORRECT_MAC);
        }
        if !take(aka, number(&sqn)) {
            let (sequence, index) = highest(aka);
            let own = octets(sequence << IND_BITS | index);
            // AMF is zero in a request for synchronisation (TS 33.102 6.3.3).
            let mac_s = algorithm.mac_s(rand, &own, &[0, 0]);
            let mut answer = vec![0xDC, 14];
            answer.extend(xor(&own, &algorithm.ak_star(rand)));
            answer.extend(mac_s);
            return Ok(answer);
        }
        aka.counter_max = aka.counter_max.map(|left| left - 1);
        self.changed = true;
        let mut answer = vec![0xDB];
        for part in [&response.res[..], &response.ck, &response.ik] {
            answer.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            answer.extend_from_slice(part);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aka(sqn: &[u64]) -> Aka {
        Aka {
            algorithm: 1,
            options: 0,
            key: Default::default(),
            opc: Default::default(),
            rotation: Default::default(),
            xoring: Default::default(),
            keccak: 1,
            counter_max: None,
            sqn_options: 2,
            sqn_delta: 1 << 28,
            sqn_age_limit: 1 << 28,
            sqn: sqn.to_vec(),
        }
    }

    #[test]
    fn each_index_counts_by_itself() {
        let mut aka = aka(&[0; 32]);
        assert!(take(&mut aka, 5 << IND_BITS | 3));
        assert!(!take(&mut aka, 5 << IND_BITS | 3), "a number is taken once");
        assert!(take(&mut aka, 4 << IND_BITS | 4), "an older number of another index is fresh");
        assert!(!take(&mut aka, 0), "zero was never fresh");
        assert_eq!(highest(&aka), (5, 3));
    }

    #[test]
    fn numbers_too_far_ahead_or_too_old_are_refused() {
        let mut near = aka(&[0; 32]);
        assert!(take(&mut near, (1 << 28) << IND_BITS));
        assert!(!take(&mut near, ((1 << 29) + 1) << IND_BITS | 1));
        assert!(!take(&mut aka(&[(1 << 28) + 7, 0]), 7 << IND_BITS | 1), "too old");
        assert!(take(&mut aka(&[(1 << 28) + 7, 0]), 8 << IND_BITS | 1));
    }

    #[test]
    fn octets_and_numbers_agree() {
        assert_eq!(number(&[0, 0, 0, 0, 1, 2]), 0x102);
        assert_eq!(octets(0x0102_0304_0506), [1, 2, 3, 4, 5, 6]);
        assert!(challenge(&[16; 34]).is_some() && challenge(&[16; 33]).is_none());
    }
}
