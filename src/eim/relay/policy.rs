//! Whether an eUICC takes a profile's policy rules: its rules authorisation table decides (SGP.22 2.9.2), and the eIM asks
//! it before the device does (SGP.32 5.14.3, pprNotAllowed).
//!
//! A rule of the table that wants the user's consent allows nothing: a device without a screen has no user who could agree.

use simyard_asn1::rsp::metadata::{OperatorId, StoreMetadataRequest, profile_policy_rule};
use simyard_asn1::rsp::rules::{CONSENT_REQUIRED, ProfilePolicyAuthorisationRule, RulesAuthorisationTable};
use simyard_asn1::tlv::NamedBits;

/// The rules of a profile that are asked for, each by its bit and its name.
const RULES: [(u32, &str); 2] = [(profile_policy_rule::PPR1, "PPR1"), (profile_policy_rule::PPR2, "PPR2")];

/// The first policy rule of the profile that the eUICC does not allow its owner, by its name.
#[must_use]
pub fn forbidden_rule(
    metadata: &StoreMetadataRequest<'_>,
    table: &RulesAuthorisationTable<'_>,
) -> Option<&'static str> {
    let asked: NamedBits = metadata.profile_policy_rules;
    let owner = metadata.profile_owner.as_ref();
    RULES.iter().find(|(bit, _)| asked.has(*bit) && !allows(table, *bit, owner)).map(|(_, name)| *name)
}

/// The first rule of the table that names the policy rule and the owner counts.
fn allows(table: &RulesAuthorisationTable<'_>, bit: u32, owner: Option<&OperatorId<'_>>) -> bool {
    let fits = |rule: &&ProfilePolicyAuthorisationRule<'_>| {
        rule.ppr_ids.has(bit) && rule.allowed_operators.iter().any(|allowed| is_owner(allowed, owner))
    };
    table.rules.iter().find(fits).is_some_and(|rule| !rule.ppr_flags.has(CONSENT_REQUIRED))
}

/// Whether an entry names the owner. An `E` in mccMnc stands for any digit; an entry of nothing but these names everybody,
/// also a profile without an owner. Group identifiers are compared octet for octet; an empty one stands for any.
fn is_owner(allowed: &OperatorId<'_>, owner: Option<&OperatorId<'_>>) -> bool {
    if *allowed.mcc_mnc == [0xEE; 3] {
        return true;
    }
    let Some(owner) = owner else { return false };
    let digit = |allowed: u8, own: u8| allowed == 0xE || allowed == own;
    let digits = allowed.mcc_mnc.iter().zip(owner.mcc_mnc);
    let group = |allowed: Option<&[u8]>, own: Option<&[u8]>| match allowed {
        Some([]) => true,
        Some(allowed) => own == Some(allowed),
        None => own.is_none_or(<[u8]>::is_empty),
    };
    digits.into_iter().all(|(allowed, own)| digit(allowed >> 4, own >> 4) && digit(allowed & 0xF, own & 0xF))
        && group(allowed.gid1, owner.gid1)
        && group(allowed.gid2, owner.gid2)
}

#[cfg(test)]
mod tests {
    use simyard_asn1::rsp::metadata::profile_class;

    use super::*;

    const OWNER: OperatorId<'static> = OperatorId { mcc_mnc: &[0x62, 0xF2, 0x10], gid1: None, gid2: None };

    fn metadata(rules: &[u32], owner: Option<OperatorId<'static>>) -> StoreMetadataRequest<'static> {
        StoreMetadataRequest {
            iccid: &[0x98; 10],
            service_provider_name: "Operator",
            profile_name: "Profile",
            icon: None,
            profile_class: profile_class::OPERATIONAL,
            notification_configurations: Vec::new(),
            profile_owner: owner,
            profile_policy_rules: rules
                .iter()
                .fold(NamedBits::default(), |all, bit| NamedBits(all.0 | NamedBits::bit(*bit).0)),
            extensions: &[],
        }
    }

    fn rule(
        bits: u64,
        allowed: OperatorId<'static>,
        consent: bool,
    ) -> ProfilePolicyAuthorisationRule<'static> {
        ProfilePolicyAuthorisationRule {
            ppr_ids: NamedBits(bits),
            allowed_operators: vec![allowed],
            ppr_flags: if consent { NamedBits::bit(CONSENT_REQUIRED) } else { NamedBits::default() },
        }
    }

    fn forbidden(
        rules: &[u32],
        owner: Option<OperatorId<'static>>,
        table: Vec<ProfilePolicyAuthorisationRule<'static>>,
    ) -> Option<&'static str> {
        forbidden_rule(&metadata(rules, owner), &RulesAuthorisationTable { rules: table })
    }

    #[test]
    fn a_profile_without_rules_is_always_allowed() {
        assert_eq!(forbidden(&[], None, Vec::new()), None);
        assert_eq!(forbidden(&[profile_policy_rule::UPDATE_CONTROL], None, Vec::new()), None);
    }

    #[test]
    fn the_first_rule_that_names_policy_rule_and_owner_counts() {
        let (ppr1, ppr2) = (profile_policy_rule::PPR1, profile_policy_rule::PPR2);
        assert_eq!(forbidden(&[ppr1], Some(OWNER), Vec::new()), Some("PPR1"));
        assert_eq!(forbidden(&[ppr1], Some(OWNER), vec![rule(0b010, OWNER, false)]), None);
        assert_eq!(forbidden(&[ppr1, ppr2], Some(OWNER), vec![rule(0b010, OWNER, false)]), Some("PPR2"));
        assert_eq!(forbidden(&[ppr1, ppr2], Some(OWNER), vec![rule(0b110, OWNER, false)]), None);
        let consent_first = vec![rule(0b110, OWNER, true), rule(0b110, OWNER, false)];
        assert_eq!(forbidden(&[ppr1], Some(OWNER), consent_first), Some("PPR1"), "nobody can agree");
        let other = OperatorId { mcc_mnc: &[0x62, 0xF2, 0x20], ..OWNER };
        assert_eq!(
            forbidden(&[ppr2], Some(other), vec![rule(0b110, OWNER, true), rule(0b110, other, false)]),
            None
        );
        assert_eq!(
            forbidden(&[ppr1], None, vec![rule(0b010, OWNER, false)]),
            Some("PPR1"),
            "nobody's profile"
        );
    }

    #[test]
    fn wildcards_stand_for_digits_and_for_groups() {
        let ppr1 = profile_policy_rule::PPR1;
        let allowed = |allowed: OperatorId<'static>, owner: Option<OperatorId<'static>>| {
            forbidden(&[ppr1], owner, vec![rule(0b010, allowed, false)]).is_none()
        };
        let any = OperatorId { mcc_mnc: &[0xEE; 3], gid1: None, gid2: None };
        let group = OperatorId { gid1: Some(&[1]), ..OWNER };
        assert!(allowed(any, None) && allowed(any, Some(OWNER)) && allowed(any, Some(group)));
        let of_country = OperatorId { mcc_mnc: &[0x62, 0xE2, 0xEE], ..OWNER };
        assert!(allowed(of_country, Some(OWNER)));
        let abroad = OperatorId { mcc_mnc: &[0x02, 0xF8, 0x01], ..OWNER };
        assert!(!allowed(of_country, Some(abroad)));
        let any_group = OperatorId { gid1: Some(&[]), ..OWNER };
        assert!(allowed(any_group, Some(group)) && allowed(any_group, Some(OWNER)));
        assert!(!allowed(OWNER, Some(group)) && !allowed(group, Some(OWNER)) && allowed(group, Some(group)));
        let other_group = OperatorId { gid1: Some(&[2]), ..OWNER };
        assert!(!allowed(group, Some(other_group)));
    }
}
