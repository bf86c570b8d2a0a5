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
