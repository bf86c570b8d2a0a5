//! eUICC certificates: verified under their EUM, within its range (SGP.22 4.5.2.1, 4.5.2.2).

use super::{VerifiedEum, check_extensions, check_leaf, check_role, check_signature, check_validity};
use crate::crypto::ecdsa::PublicKey;
use crate::env::Timestamp;
use crate::ident::Eid;
use crate::pki::certificate::Certificate;
use crate::pki::error::{EuiccError, PathError};
use crate::pki::role::Role;

/// Proof that an eUICC certificate lies under a verified EUM, within its range.
#[derive(Clone, Debug)]
pub struct VerifiedEuicc {
    certificate: Certificate,
    key: PublicKey,
    eid: Eid,
    eum: VerifiedEum,
}

impl VerifiedEuicc {
    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The key that signs what the eUICC says.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Who the eUICC is.
    #[must_use]
    pub const fn eid(&self) -> &Eid {
        &self.eid
    }

    /// The manufacturer that vouches for it.
    #[must_use]
    pub const fn eum(&self) -> &VerifiedEum {
        &self.eum
    }
}

/// Verifies an eUICC certificate under its manufacturer's.
///
/// The check digits of the EID are not looked at: published test certificates carry wrong ones.
///
/// # Errors
/// [`EuiccError`] with the first rule in the order of this module.
pub fn verify_euicc(
    eum: &VerifiedEum,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<VerifiedEuicc, EuiccError> {
    let issuer = eum.certificate();
    let named = certificate.authority_key_identifier().ok_or(PathError::AuthorityKeyIdentifierMissing)?;
    if issuer.subject_key_identifier() != Some(named) {
        return Err(PathError::UnknownIssuer(named.to_vec()).into());
    }
    check_signature(certificate, eum.key())?;
    // The manufacturer's own validity was checked when its proof was made for this call.
    check_validity(certificate, now)?;
    check_leaf(certificate)?;
    check_role(certificate, Role::Euicc)?;
    let organization = certificate.organization().ok_or(EuiccError::Organization)?;
    let eid = certificate.serial_number().and_then(|number| Eid::parse(number).ok());
    let eid = eid.ok_or(EuiccError::Eid)?;
    if !permits(issuer, organization, &eid) {
        return Err(EuiccError::OutsideRange { eid: eid.to_string(), organization: organization.to_owned() });
    }
    check_extensions(certificate)?;
    let key = *certificate.public_key().map_err(PathError::Key)?;
    Ok(VerifiedEuicc { certificate: certificate.clone(), key, eid, eum: eum.clone() })
}

/// Whether the manufacturer may issue for this organisation and EID. The rule of RFC 5280 would want equal attributes
/// where SGP.22 4.5.2.1 means the first digits; organisation and digits must stand in the same subtree. Version 3
/// lists the digits in permittedEins. A manufacturer without a range may not issue at all; with both, both hold.
fn permits(eum: &Certificate, organization: &str, eid: &Eid) -> bool {
    let by_subtrees = eum.name_constraints.as_ref().map(|constraints| {
        constraints.as_ref().is_ok_and(|subtrees| {
            subtrees.iter().any(|subtree| {
                subtree.organization == organization && eid.as_str().starts_with(&subtree.eid_prefix)
            })
        })
    });
    let by_eins = eum.permitted_eins.as_ref().map(|eins| {
        eum.organization() == Some(organization) && eins.iter().any(|ein| eid.as_str().starts_with(ein))
    });
    match (by_subtrees, by_eins) {
        (None, None) => false,
        (by_subtrees, by_eins) => by_subtrees.unwrap_or(true) && by_eins.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::Oid;

    use super::super::fixture::{EID, Fixture, NOW, euicc_content, key, late, unknown_extension};
    use super::*;
    use crate::pki::Refusal;
    use crate::pki::issue::{Content, Criticality, ExtensionId, Subject, with_bad_signature};

    #[test]
    fn an_euicc_certificate_breaks_one_rule_at_a_time() {
        let fixture = Fixture::new();
        let (eum, issuer) = fixture.eum(&Fixture::eum_content());
        let right = || euicc_content("EUM", EID);
        let verified = verify_euicc(&eum, &fixture.euicc(&issuer, &right()), NOW).unwrap();
        assert_eq!(verified.eid().as_str(), EID);
        let key_usage = PathError::KeyUsage { expected: "digitalSignature without keyCertSign" };
        let outside = |organization: &str, eid: &str| EuiccError::OutsideRange {
            eid: eid.to_owned(),
            organization: organization.to_owned(),
        };
        let named = |subject: Subject| {
            let mut content = right();
            content.subject = subject;
            content
        };
        let other_eid = "89049033123451234512345678901235";
        let both_usages = right().with(ExtensionId::KeyUsage, Criticality::Critical, vec![3, 2, 2, 0x84]);
        let table: Vec<(Content, EuiccError)> = vec![
            (
                right().without(ExtensionId::AuthorityKeyIdentifier),
                PathError::AuthorityKeyIdentifierMissing.into(),
            ),
            (
                late(right()),
                PathError::Expired { not_after: late(right()).validity.not_after, now: NOW }.into(),
            ),
            (right().without(ExtensionId::KeyUsage), key_usage.clone().into()),
            (right().signs_certificates(), key_usage.clone().into()),
            (both_usages, key_usage.into()),
            (right().authority(None), PathError::BasicConstraints { expected: "no CA is expected" }.into()),
            (
                right().role(Role::Eum, Criticality::Critical),
                PathError::Role {
                    expected: Role::Euicc,
                    found: vec![Oid::parse("2.23.146.1.2.1.2").unwrap()],
                }
                .into(),
            ),
            (named(Subject { organization: None, ..right().subject }), EuiccError::Organization),
            (named(Subject { serial_number: None, ..right().subject }), EuiccError::Eid),
            (euicc_content("EUM", &EID[..31]), EuiccError::Eid),
            (euicc_content("EUM", other_eid), outside("EUM", other_eid)),
            (euicc_content("eum", EID), outside("eum", EID)),
            (
                unknown_extension(right()),
                PathError::UnknownCriticalExtension(Oid::parse("2.999.99").unwrap()).into(),
            ),
        ];
        for (content, expected) in table {
            let certificate = fixture.euicc(&issuer, &content);
            assert_eq!(verify_euicc(&eum, &certificate, NOW).unwrap_err(), expected);
        }
        let (_, stranger) = fixture.eum(&Fixture::eum_content());
        let error = verify_euicc(&eum, &fixture.euicc(&stranger, &right()), NOW).unwrap_err();
        assert!(matches!(error, EuiccError::Path(PathError::UnknownIssuer(_))));
        assert_eq!(error.kind(), Refusal::Verification);
        let changed = with_bad_signature(&fixture.euicc(&issuer, &right())).unwrap();
        assert_eq!(verify_euicc(&eum, &changed, NOW).unwrap_err(), PathError::Signature.into());
    }

    #[test]
    fn organisation_and_digits_must_stand_in_the_same_subtree() {
        let fixture = Fixture::new();
        let two = [("A", "89049032"), ("B", "8904")];
        let (eum, issuer) = fixture.eum(&Fixture::eum_content().range(&two).unwrap());
        let passes = |organization: &str, eid: &str| {
            verify_euicc(&eum, &fixture.euicc(&issuer, &euicc_content(organization, eid)), NOW).is_ok()
        };
        let elsewhere = "89041111123451234512345678901235";
        assert!(passes("A", EID) && passes("B", EID) && passes("B", elsewhere));
        assert!(!passes("A", elsewhere) && !passes("EUM", EID));
    }

    #[test]
    fn permitted_eins_are_a_range_of_the_eums_own_organisation() {
        let fixture = Fixture::new();
        let eins = |eins: &[&str]| {
            let list: Vec<u8> = eins
                .iter()
                .flat_map(|ein| [&[0x13, u8::try_from(ein.len()).unwrap()][..], ein.as_bytes()].concat())
                .collect();
            [&[0x30, u8::try_from(list.len()).unwrap()][..], &list].concat()
        };
        let with_eins = |value: Vec<u8>| {
            Fixture::eum_content().without(ExtensionId::NameConstraints).with(
                ExtensionId::PermittedEins,
                Criticality::Critical,
                value,
            )
        };
        let (eum, issuer) = fixture.eum(&with_eins(eins(&["1", "890490321"])));
        let passes = |organization: &str, eid: &str| {
            verify_euicc(&eum, &fixture.euicc(&issuer, &euicc_content(organization, eid)), NOW).is_ok()
        };
        assert!(passes("EUM", EID));
        assert!(!passes("Other", EID) && !passes("EUM", "89049032223451234512345678901235"));
        let (eum, issuer) = fixture.eum(&Fixture::eum_content().without(ExtensionId::NameConstraints));
        let nobody = fixture.euicc(&issuer, &euicc_content("EUM", EID));
        assert!(matches!(verify_euicc(&eum, &nobody, NOW), Err(EuiccError::OutsideRange { .. })));
        let empty = with_eins(eins(&[""]));
        assert!(fixture.ci.issue(&empty, key(&fixture.rng).public_key(), &fixture.rng).is_err());
    }
}
