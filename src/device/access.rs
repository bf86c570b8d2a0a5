//! Access rules of files: the records of EF.ARR in expanded format (TS 102 221 9.2.7, 9.7; ISO 7816-4 5.4.3.2).
//!
//! Understood: access mode octets (`80`), the conditions always, never and user authentication by a PIN or ADM key, and
//! OR and AND of them. Rules by instruction (`84`) concern commands that the card does not have. Any other condition is
//! never. A file without a reference can be read and not updated.

use simyard_asn1::tlv::{Reader, Tag};

use super::apdu::StatusWord;
use super::uicc::{Position, Uicc};
use crate::profile::image::NodeId;

/// What a command does to a file: its bit in the access mode octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read = 0x01,
    Update = 0x02,
}

/// Nested conditions at most.
const MAX_DEPTH: usize = 4;

impl Uicc {
    /// Whether a command may do this to a file, as seen from where the channel stands.
    pub(super) fn check_access(
        &self,
        position: &Position,
        file: NodeId,
        access: Access,
    ) -> Result<(), StatusWord> {
        let target = self.image.target(file);
        let special = self.image.file(target).map_or(0, |file| file.special_information);
        if self.image.node(target).is_some_and(|node| node.lcsi == 0x04) && special & 0x40 == 0 {
            return Err(StatusWord::INVALIDATED);
        }
        let has_reference = self.image.node(target).is_some_and(|node| node.security.is_some());
        let allowed = match self.image.access_rule(target) {
            Some(rule) => self.satisfies(position, rule, access),
            None => !has_reference && access == Access::Read,
        };
        if allowed { Ok(()) } else { Err(StatusWord::SECURITY_NOT_SATISFIED) }
    }

    /// Finds the access mode in a rule and evaluates the conditions behind it.
    fn satisfies(&self, position: &Position, rule: &[u8], access: Access) -> bool {
        let mut reader = Reader::new(rule, "EF.ARR");
        let mut applies = false;
        // What follows the rule in its record is filled with FF, which is no TLV.
        while let Ok(tlv) = reader.read() {
            match tlv.tag.0 {
                // The next access mode, and no condition of this one held.
                0x80..=0x8F if applies => return false,
                0x80 => applies = tlv.value.first().is_some_and(|mode| mode & access as u8 != 0),
                _ if applies => return self.condition(position, tlv.tag, tlv.value, MAX_DEPTH),
                _ => {}
            }
        }
        false
    }

    fn condition(&self, position: &Position, tag: Tag, value: &[u8], depth: usize) -> bool {
        let Some(deeper) = depth.checked_sub(1) else { return false };
        let mut members = Reader::new(value, "SC");
        let mut each = std::iter::from_fn(|| members.read().ok());
        match tag.0 {
            0x90 => true,
            0xA4 => each
                .find(|tlv| tlv.tag == Tag(0x83))
                .and_then(|tlv| tlv.value.first().copied())
                .is_some_and(|reference| self.is_authenticated(position, reference)),
            0xA0 => each.any(|tlv| self.condition(position, tlv.tag, tlv.value, deeper)),
            0xAF => {
                let mut any = false;
                let all = each.all(|tlv| {
                    any = true;
                    self.condition(position, tlv.tag, tlv.value, deeper)
                });
                any && all
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::Package;

    use super::*;
    use crate::profile::image::ProfileImage;
    use crate::profile::shipped::generic;

    #[test]
    fn rules_are_evaluated_by_mode_and_condition() {
        let package = generic();
        let image = ProfileImage::build(&Package::from_der(&package).unwrap()).unwrap();
        let mut without = Uicc::new(image.clone());
        let mut with = Uicc::new(image);
        let position = Position::default();
        // PIN1 of our profile is off, which would satisfy its condition.
        for uicc in [&mut without, &mut with] {
            uicc.image.pin_mut(NodeId::MF, 1).unwrap().attributes |= 1;
        }
        with.verified.insert((NodeId::MF, 1));
        let pin1 = "A406830101950108";
        let adm1 = "A40683010A950108";
        for (rule, access, expected) in [
            ("8001019000".to_owned(), Access::Read, (true, true)),
            ("8001019700".to_owned(), Access::Read, (false, false)),
            ("8001019000".to_owned(), Access::Update, (false, false)),
            (format!("800102{pin1}8001019000"), Access::Read, (true, true)),
            (format!("800102{pin1}8001019000"), Access::Update, (false, true)),
            (format!("800103{pin1}FFFFFFFF"), Access::Read, (false, true)),
            (format!("800101{adm1}"), Access::Read, (false, false)),
            (format!("800101A010{pin1}{adm1}"), Access::Read, (false, true)),
            (format!("800101AF10{pin1}{adm1}"), Access::Read, (false, false)),
            (format!("800101AF0A{pin1}9000"), Access::Read, (false, true)),
            ("800101AF00".to_owned(), Access::Read, (false, false)),
            ("800101A000".to_owned(), Access::Read, (false, false)),
            ("8001019E0110".to_owned(), Access::Read, (false, false)),
            (format!("840132{pin1}"), Access::Update, (false, false)),
            ("800101".to_owned(), Access::Read, (false, false)),
            ("8001018001029000".to_owned(), Access::Read, (false, false)),
            ("FFFFFFFF".to_owned(), Access::Read, (false, false)),
        ] {
            let octets = hex::decode(&rule).unwrap();
            let outcome =
                (without.satisfies(&position, &octets, access), with.satisfies(&position, &octets, access));
            assert_eq!(outcome, expected, "{rule} {access:?}");
        }
    }

    #[test]
    fn conditions_nest_to_a_limit() {
        let package = generic();
        let uicc = Uicc::new(ProfileImage::build(&Package::from_der(&package).unwrap()).unwrap());
        let mut rule = vec![0x90, 0x00];
        for depth in 0..=MAX_DEPTH {
            let nested = [&[0x80, 0x01, 0x01], &rule[..]].concat();
            assert_eq!(uicc.satisfies(&Position::default(), &nested, Access::Read), depth < MAX_DEPTH);
            rule = [&[0xA0, u8::try_from(rule.len()).unwrap()], &rule[..]].concat();
        }
    }
}
