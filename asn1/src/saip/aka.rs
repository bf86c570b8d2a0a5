//! AKAParameter: keys and algorithm of the network access application before it.

use super::{ElementKind, ProfileElement, value_offset};
use crate::tlv::{Error, ErrorKind, Tag, Tlv};

/// Rotation constants r1 to r5 of Milenage where none are given (TS 35.206 4.1).
pub static DEFAULT_ROTATION: [u8; 5] = [0x40, 0x00, 0x20, 0x40, 0x60];
/// The options of the sequence number check where none are given.
pub const DEFAULT_SQN_OPTIONS: u8 = 0x02;
/// sqnDelta and sqnAgeLimit where none are given.
pub static DEFAULT_SQN_LIMIT: [u8; 6] = [0, 0, 0x10, 0, 0, 0];
/// Entries of the array of sequence numbers.
pub const SQN_ENTRIES: usize = 32;

/// Additive constants c1 to c5 of Milenage where none are given (TS 35.206 4.1): 0, 1, 2, 4, 8 in 128 bits each.
pub static DEFAULT_XORING: [u8; 80] = {
    let mut octets = [0; 80];
    octets[31] = 1;
    octets[47] = 2;
    octets[63] = 4;
    octets[79] = 8;
    octets
};

/// The algorithm with its keys. It has no Debug: it holds secrets.
#[derive(Clone, Copy)]
pub struct AlgoParameter<'a> {
    /// 1 Milenage, 2 TUAK, 3 test algorithm of TS 34.108; others are kept.
    pub algorithm_id: u8,
    /// One octet whose meaning depends on the algorithm.
    pub options: u8,
    /// K: 16 octets, 32 for TUAK with 256 bits.
    pub key: &'a [u8],
    /// Where the key starts in the package.
    pub key_offset: usize,
    /// OPc (16 octets) or TOPc (32).
    pub opc: &'a [u8],
    /// Where OPc starts in the package.
    pub opc_offset: usize,
    /// r1 to r5 of Milenage.
    pub rotation_constants: &'a [u8; 5],
    /// c1 to c5 of Milenage.
    pub xoring_constants: &'a [u8; 80],
    /// How many authentications are allowed at all.
    pub auth_counter_max: Option<[u8; 3]>,
    /// Iterations of Keccak, TUAK only.
    pub number_of_keccak: u8,
}

/// Where the keys come from.
#[derive(Clone, Copy)]
pub enum AkaConfiguration<'a> {
    /// The keys of another application before it.
    Mapping {
        /// Which of its parameters are used.
        options: u8,
        /// The AID of the other application.
        source: &'a [u8],
    },
    /// Keys of its own.
    Algorithm(AlgoParameter<'a>),
}

/// What an AKAParameter element says, defaults filled in.
pub struct AkaParameter<'a> {
    /// Keys of its own or of another application.
    pub configuration: AkaConfiguration<'a>,
    /// Options of the sequence number check.
    pub sqn_options: u8,
    /// The largest step of the sequence number.
    pub sqn_delta: [u8; 6],
    /// The age of the oldest accepted sequence number.
    pub sqn_age_limit: [u8; 6],
    /// The array of sequence numbers, without IND; `None` stands for zeros.
    pub sqn_init: Option<Box<[[u8; 6]; SQN_ENTRIES]>>,
}

fn octet(tlv: &Tlv<'_>, what: &'static str) -> Result<u8, Error> {
    tlv.array::<1>(what).map(|[octet]| *octet)
}

fn number(tlv: &Tlv<'_>, what: &'static str) -> Result<u8, Error> {
    u8::try_from(tlv.unsigned(what)?).map_err(|_| tlv.error(ErrorKind::Value, what))
}

fn algorithm<'a>(tlv: &Tlv<'a>) -> Result<AlgoParameter<'a>, Error> {
    const WHAT: &str = "AlgoParameter";
    let mut members = tlv.members(WHAT);
    let algorithm_id = number(&members.expect(Tag::context(0))?, WHAT)?;
    let options = octet(&members.expect(Tag::context(1))?, WHAT)?;
    let key = members.expect(Tag::context(2))?;
    let opc = members.expect(Tag::context(3))?;
    for secret in [&key, &opc] {
        if !matches!(secret.value.len(), 16 | 32) {
            return Err(secret.error(ErrorKind::Value, WHAT));
        }
    }
    let rotation_constants = members.optional(Tag::context(4))?.map(|tlv| tlv.array(WHAT)).transpose()?;
    let xoring_constants = members.optional(Tag::context(5))?.map(|tlv| tlv.array(WHAT)).transpose()?;
    let auth_counter_max = members.optional(Tag::context(6))?.map(|tlv| tlv.array(WHAT)).transpose()?;
    let number_of_keccak =
        members.optional(Tag::context(7))?.map(|tlv| number(&tlv, WHAT)).transpose()?.unwrap_or(1);
    members.extensions()?;
    Ok(AlgoParameter {
        algorithm_id,
        options,
        key: key.value,
        key_offset: value_offset(&key),
        opc: opc.value,
        opc_offset: value_offset(&opc),
        rotation_constants: rotation_constants.unwrap_or(&DEFAULT_ROTATION),
        xoring_constants: xoring_constants.unwrap_or(&DEFAULT_XORING),
        auth_counter_max: auth_counter_max.copied(),
        number_of_keccak,
    })
}

fn configuration<'a>(tlv: &Tlv<'a>) -> Result<AkaConfiguration<'a>, Error> {
    const WHAT: &str = "AlgoConfiguration";
    let mut choice = tlv.members(WHAT);
    let chosen = choice.read()?;
    choice.finish()?;
    if chosen.tag == Tag::context_constructed(1) {
        return algorithm(&chosen).map(AkaConfiguration::Algorithm);
    }
    if chosen.tag != Tag::context_constructed(0) {
        return Err(chosen.error(ErrorKind::Choice { found: chosen.tag }, WHAT));
    }
    let mut members = chosen.members("MappingParameter");
    let options = octet(&members.expect(Tag::context(0))?, WHAT)?;
    let source = members.expect(Tag::context(1))?.sized(5..=16, WHAT)?;
    members.extensions()?;
    Ok(AkaConfiguration::Mapping { options, source })
}

fn sequence_numbers(tlv: &Tlv<'_>) -> Result<Box<[[u8; 6]; SQN_ENTRIES]>, Error> {
    const WHAT: &str = "sqnInit";
    let mut members = tlv.members(WHAT);
    let mut numbers = Box::new([[0; 6]; SQN_ENTRIES]);
    for number in numbers.iter_mut() {
        *number = *members.expect(Tag::OCTET_STRING)?.array(WHAT)?;
    }
    members.finish()?;
    Ok(numbers)
}

impl<'a> ProfileElement<'a> {
    /// The element as AKAParameter.
    ///
    /// # Errors
    /// [`Error`] for another element, members that are missing, keys of a length that no algorithm has.
    pub fn aka_parameter(&self) -> Result<AkaParameter<'a>, Error> {
        const WHAT: &str = "AKAParameter";
        self.must_be(ElementKind::AkaParameter)?;
        let mut body = self.body()?;
        let configuration = configuration(&body.expect(Tag::context_constructed(1))?)?;
        let sqn_options = body.optional(Tag::context(2))?.map(|tlv| octet(&tlv, WHAT)).transpose()?;
        let sqn_delta = body.optional(Tag::context(3))?.map(|tlv| tlv.array(WHAT)).transpose()?;
        let sqn_age_limit = body.optional(Tag::context(4))?.map(|tlv| tlv.array(WHAT)).transpose()?;
        let sqn_init =
            body.optional(Tag::context_constructed(5))?.map(|tlv| sequence_numbers(&tlv)).transpose()?;
        body.extensions()?;
        Ok(AkaParameter {
            configuration,
            sqn_options: sqn_options.unwrap_or(DEFAULT_SQN_OPTIONS),
            sqn_delta: *sqn_delta.unwrap_or(&DEFAULT_SQN_LIMIT),
            sqn_age_limit: *sqn_age_limit.unwrap_or(&DEFAULT_SQN_LIMIT),
            sqn_init,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saip::Package;
    use crate::tlv::Writer;

    fn element(configuration: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag(0xA4), |w| {
            w.nested(Tag(0xA0), |w| {
                w.integer(Tag(0x81), 5);
            });
            w.nested(Tag(0xA1), configuration);
        });
        writer.finish()
    }

    #[test]
    fn milenage_is_read_with_its_defaults() {
        let octets = element(|w| {
            w.nested(Tag(0xA1), |w| {
                w.integer(Tag(0x80), 1).tlv(Tag(0x81), &[1]);
                w.tlv(Tag(0x82), &[0x11; 16]).tlv(Tag(0x83), &[0x22; 16]);
            });
        });
        let package = Package::from_der(&octets).unwrap();
        let aka = package.elements()[0].aka_parameter().ok().unwrap();
        let AkaConfiguration::Algorithm(algorithm) = aka.configuration else { panic!("an algorithm") };
        assert_eq!((algorithm.algorithm_id, algorithm.options, algorithm.number_of_keccak), (1, 1, 1));
        assert_eq!((algorithm.key, algorithm.opc), (&[0x11; 16][..], &[0x22; 16][..]));
        assert_eq!(octets[algorithm.opc_offset - 2..][..3], [0x83, 0x10, 0x22]);
        assert_eq!(algorithm.rotation_constants, &[64, 0, 32, 64, 96]);
        assert_eq!(algorithm.xoring_constants.iter().filter(|octet| **octet != 0).count(), 4);
        assert_eq!((aka.sqn_options, aka.sqn_delta), (2, [0, 0, 16, 0, 0, 0]));
        assert!(aka.sqn_init.is_none());
    }

    #[test]
    fn a_mapping_names_its_source() {
        let octets = element(|w| {
            w.nested(Tag(0xA0), |w| {
                w.tlv(Tag(0x80), &[6]).tlv(Tag(0x81), &[0xA0, 0, 0, 0, 0x87]);
            });
        });
        let package = Package::from_der(&octets).unwrap();
        let aka = package.elements()[0].aka_parameter().ok().unwrap();
        assert!(matches!(
            aka.configuration,
            AkaConfiguration::Mapping { options: 6, source: [0xA0, 0, 0, 0, 0x87] }
        ));
    }

    #[test]
    fn a_key_that_no_algorithm_has_is_refused() {
        for length in [0, 15, 17, 33] {
            let octets = element(|w| {
                w.nested(Tag(0xA1), |w| {
                    w.integer(Tag(0x80), 1).tlv(Tag(0x81), &[1]);
                    w.tlv(Tag(0x82), &vec![0; length]).tlv(Tag(0x83), &[0; 16]);
                });
            });
            assert!(Package::from_der(&octets).unwrap().elements()[0].aka_parameter().is_err(), "{length}");
        }
    }
}
