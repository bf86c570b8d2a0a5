//! PINs, PUKs and the keys of applications.

use simyard_asn1::saip::{AkaConfiguration, AkaParameter, AlgoParameter, PinCodes, PukConfiguration};

use super::error::Reason;
use super::{Aka, AkaSource, Body, NodeId, Octets, Pin, PinSet, ProfileImage, Puk};

/// Attempts in all and attempts left, from their octet.
fn attempts(reference: u8, octet: u8) -> Result<(u8, u8), Reason> {
    let (all, left) = (octet >> 4, octet & 0x0F);
    if left <= all { Ok((all, left)) } else { Err(Reason::Attempts(reference)) }
}

/// Six octets as a number.
fn sqn(octets: &[u8; 6]) -> u64 {
    octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}

impl ProfileImage {
    /// Takes PUKs in.
    pub(super) fn add_puks(&mut self, puks: &[PukConfiguration<'_>]) -> Result<(), Reason> {
        for puk in puks {
            if self.puks.iter().any(|other| other.reference == puk.key_reference) {
                return Err(Reason::SecondKeyReference(puk.key_reference));
            }
            let (attempts, left) = attempts(puk.key_reference, puk.attempts)?;
            let value = Octets::from(&puk.value[..]);
            self.puks.push(Puk { reference: puk.key_reference, value, attempts, left });
        }
        Ok(())
    }

    /// Gives a directory its PINs.
    pub(super) fn add_pins(&mut self, directory: NodeId, codes: &PinCodes<'_>) -> Result<(), Reason> {
        let pins = match codes {
            PinCodes::Pins(pins) => {
                let mut own: Vec<Pin> = match self.directory(directory).map(|directory| &directory.pins) {
                    Some(PinSet::Own(pins)) => pins.clone(),
                    _ => Vec::new(),
                };
                for pin in pins {
                    let reference = pin.key_reference;
                    let is_local = (129..=136).contains(&reference);
                    let is_global = (1..=14).contains(&reference);
                    let misplaced = if directory == NodeId::MF { is_local } else { is_global };
                    if misplaced {
                        return Err(Reason::PinPlace(reference));
                    }
                    if own.iter().any(|other| other.reference == reference) {
                        return Err(Reason::SecondKeyReference(reference));
                    }
                    let puk = |wanted| self.puks.iter().any(|puk| puk.reference == wanted);
                    if let Some(puk) = pin.unblocking_reference.filter(|wanted| !puk(*wanted)) {
                        return Err(Reason::NoPuk { pin: reference, puk });
                    }
                    let (attempts, left) = attempts(reference, pin.attempts)?;
                    own.push(Pin {
                        reference,
                        value: Octets::from(&pin.value[..]),
                        unblocking: pin.unblocking_reference,
                        attributes: pin.attributes,
                        attempts,
                        left,
                    });
                }
                PinSet::Own(own)
            }
            PinCodes::SharedWith(path) => {
                let fids: Vec<u16> = path
                    .chunks_exact(2)
                    .map(|pair| pair.iter().fold(0, |f, o| f << 8 | u16::from(*o)))
                    .collect();
                let other = self.path(&fids).map(|id| self.target(id));
                let other = other.ok_or_else(|| Reason::NoFile(hex::encode_upper(path)))?;
                let has_pins = matches!(self.directory(other).map(|d| &d.pins), Some(PinSet::Own(_)));
                if !has_pins || other == directory {
                    return Err(Reason::NoPinsToShare);
                }
                PinSet::SharedWith(other)
            }
        };
        if let Some(Body::Directory(directory)) = self.node_mut(directory).map(|node| &mut node.body) {
            directory.pins = pins;
        }
        Ok(())
    }

    /// Gives an application its keys.
    pub(super) fn add_aka(&mut self, application: usize, aka: &AkaParameter<'_>) -> Result<(), Reason> {
        let source = match &aka.configuration {
            AkaConfiguration::Algorithm(algorithm) => {
                check_lengths(algorithm)?;
                AkaSource::Own(Box::new(keys(aka, algorithm)))
            }
            AkaConfiguration::Mapping { options, source } => {
                let other = self.applications.iter().position(|other| *other.aid == **source);
                let other = other.filter(|other| *other < application && self.has_own_keys(*other));
                AkaSource::Mapped { application: other.ok_or(Reason::Mapping)?, options: *options }
            }
        };
        match self.applications.get_mut(application) {
            Some(target) if matches!(target.aka, AkaSource::None) => target.aka = source,
            _ => return Err(Reason::SecondAka),
        }
        Ok(())
    }

    fn has_own_keys(&self, application: usize) -> bool {
        self.applications.get(application).is_some_and(|other| matches!(other.aka, AkaSource::Own(_)))
    }
}

/// Milenage and the test algorithm take K and OPc of 16 octets, TUAK a TOPc of 32 and K of 16 or 32.
fn check_lengths(algorithm: &AlgoParameter<'_>) -> Result<(), Reason> {
    let fits = match algorithm.algorithm_id {
        1 | 3 => algorithm.key.len() == 16 && algorithm.opc.len() == 16,
        2 => algorithm.opc.len() == 32,
        other => return Err(Reason::Algorithm(other)),
    };
    if fits { Ok(()) } else { Err(Reason::KeyLength(algorithm.algorithm_id)) }
}

fn keys(aka: &AkaParameter<'_>, algorithm: &AlgoParameter<'_>) -> Aka {
    Aka {
        algorithm: algorithm.algorithm_id,
        options: algorithm.options,
        key: algorithm.key.into(),
        opc: algorithm.opc.into(),
        rotation: algorithm.rotation_constants[..].into(),
        xoring: algorithm.xoring_constants[..].into(),
        keccak: algorithm.number_of_keccak,
        counter_max: algorithm
            .auth_counter_max
            .map(|octets| octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))),
        sqn_options: aka.sqn_options,
        sqn_delta: sqn(&aka.sqn_delta),
        sqn_age_limit: sqn(&aka.sqn_age_limit),
        sqn: aka.sqn_init.as_ref().map_or_else(
            || vec![0; simyard_asn1::saip::aka::SQN_ENTRIES],
            |numbers| numbers.iter().map(sqn).collect(),
        ),
    }
}
