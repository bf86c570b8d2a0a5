//! The rules authorisation table: which owners may set which profile policy rules (SGP.22 2.9.2).

use super::metadata::OperatorId;
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Tlv, Writer};

/// More rules than any table has, and more owners than any rule names.
const MAX_ENTRIES: usize = 64;

/// Bit of `pprFlags`: the user has to agree.
pub const CONSENT_REQUIRED: u32 = 0;

/// ProfilePolicyAuthorisationRule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePolicyAuthorisationRule<'a> {
    /// `80` pprIds: bits of [`super::metadata::profile_policy_rule`].
    pub ppr_ids: NamedBits,
    /// `A1` allowedOperators: an `E` in mccMnc stands for any digit.
    pub allowed_operators: Vec<OperatorId<'a>>,
    /// `82` pprFlags.
    pub ppr_flags: NamedBits,
}

impl<'a> Decode<'a> for ProfilePolicyAuthorisationRule<'a> {
    const NAME: &'static str = "ProfilePolicyAuthorisationRule";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let ppr_ids = members.expect(Tag(0x80))?.named_bits("pprIds")?;
        let mut operators = members.expect(Tag(0xA1))?.members("allowedOperators");
        let mut allowed_operators = Vec::new();
        while !operators.is_empty() {
            if allowed_operators.len() == MAX_ENTRIES {
                return Err(operators.error(ErrorKind::Value));
            }
            allowed_operators.push(OperatorId::read(&operators.expect(Tag::SEQUENCE)?)?);
        }
        let ppr_flags = members.expect(Tag(0x82))?.named_bits("pprFlags")?;
        members.extensions()?;
        Ok(Self { ppr_ids, allowed_operators, ppr_flags })
    }
}

impl Encode for ProfilePolicyAuthorisationRule<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .named_bits(Tag(0x80), self.ppr_ids)
                .nested(Tag(0xA1), |operators| {
                    for operator in &self.allowed_operators {
                        operator.write(operators, Tag::SEQUENCE);
                    }
                })
                .named_bits(Tag(0x82), self.ppr_flags);
        });
    }
}

/// RulesAuthorisationTable: `A0` in the answer to GetRAT, `A6` in the result of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesAuthorisationTable<'a> {
    /// The rules; the first that fits counts.
    pub rules: Vec<ProfilePolicyAuthorisationRule<'a>>,
}

impl<'a> RulesAuthorisationTable<'a> {
    /// Reads the rules, whatever tag they stand in.
    ///
    /// # Errors
    /// [`Error`] at the first rule that does not fit.
    pub fn read(tlv: &Tlv<'a>) -> Result<Self, Error> {
        let mut members = tlv.members("RulesAuthorisationTable");
        let mut rules = Vec::new();
        while !members.is_empty() {
            if rules.len() == MAX_ENTRIES {
                return Err(members.error(ErrorKind::Value));
            }
            rules.push(ProfilePolicyAuthorisationRule::decode(&mut members)?);
        }
        Ok(Self { rules })
    }

    /// Writes the table under `tag`.
    pub fn write(&self, writer: &mut Writer, tag: Tag) {
        writer.nested(tag, |members| {
            for rule in &self.rules {
                members.value(rule);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_both_ways() {
        let any = OperatorId { mcc_mnc: &[0xEE; 3], gid1: Some(&[]), gid2: Some(&[]) };
        let rule = ProfilePolicyAuthorisationRule {
            ppr_ids: NamedBits(0b110),
            allowed_operators: vec![any],
            ppr_flags: NamedBits::bit(CONSENT_REQUIRED),
        };
        let table = RulesAuthorisationTable { rules: vec![rule.clone(), rule] };
        let mut writer = Writer::new();
        table.write(&mut writer, Tag(0xA6));
        let der = writer.finish();
        let tlv = Reader::new(&der, "table").read().unwrap();
        assert_eq!(RulesAuthorisationTable::read(&tlv), Ok(table));
        for length in 0..der.len() {
            assert!(Reader::new(&der[..length], "table").read().is_err());
        }
    }
}
