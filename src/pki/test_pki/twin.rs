//! Wrong twins: an original with one fault, and a key of its own.

use simyard_asn1::Oid;

use super::{DAY, EID_PREFIX_LEN, Fault, Issued, Kind};
use crate::crypto::ecdsa::Curve;
use crate::env::{Rng, Timestamp};
use crate::ident::Eid;
use crate::pki::issue::{
    Content, Criticality, ExtensionId, IssueError, Issuer, PrivateKey, TlsSide, Validity, issue_self_signed,
    with_bad_signature,
};
use crate::pki::role::Role;

/// The content with one fault, issued; `issuers` are the right one and the one of the other PKI, or for a device the CI.
pub(super) fn twin(
    kind: Kind,
    fault: Fault,
    right: &Content,
    issuers: [&Issuer; 2],
    curve: Curve,
    rng: &Rng,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let [issuer, other_issuer] = issuers;
    let key = PrivateKey::draw(rng, curve);
    let signing = key.signing_key()?;
    let subject = signing.public_key();
    let mut content = right.clone();
    let certificate = match fault {
        Fault::Expired => {
            let ago = |days: u64| Timestamp::from_secs(now.as_secs().saturating_sub_unsigned(days * DAY));
            content.validity = Validity { not_before: ago(30), not_after: ago(1) };
            issuer.issue(&content, subject, rng)
        }
        Fault::WrongRole => {
            let content = content.role(wrong_role(kind), Criticality::Critical);
            issuer.issue(&content, subject, rng)
        }
        Fault::OutsideRange => {
            content.subject.serial_number = content.subject.serial_number.as_deref().map(outside_range);
            issuer.issue(&content, subject, rng)
        }
        Fault::OtherOid => {
            let content = content.names(&[], Oid::parse("2.999.11").as_ref());
            issuer.issue(&content, subject, rng)
        }
        Fault::WrongHost => {
            let content = content.names(&["wrong.example".to_owned()], Oid::parse("2.999.10").as_ref());
            issuer.issue(&content, subject, rng)
        }
        Fault::NoAuthorityKeyIdentifier => {
            issuer.issue(&content.without(ExtensionId::AuthorityKeyIdentifier), subject, rng)
        }
        Fault::UnknownCi => other_issuer.issue(&content, subject, rng),
        Fault::SelfSigned => issue_self_signed(&content, &signing, rng),
        Fault::BadSignature => with_bad_signature(&issuer.issue(&content, subject, rng)?),
        Fault::GsmaCi => other_issuer.issue(&content, subject, rng),
        Fault::NoEid => {
            content.subject.serial_number = None;
            issuer.issue(&content, subject, rng)
        }
        Fault::OtherEid => {
            content.subject.serial_number = content.subject.serial_number.as_deref().map(outside_range);
            issuer.issue(&content, subject, rng)
        }
        Fault::NoClientAuth => issuer.issue(&content.tls(TlsSide::Server), subject, rng),
    }?;
    Ok(Issued { kind, fault: Some(fault), certificate, key })
}

/// A role that a certificate of this kind must not have.
const fn wrong_role(kind: Kind) -> Role {
    match kind {
        Kind::Ci | Kind::Eum | Kind::Euicc => Role::DpAuth,
        Kind::DpAuth => Role::DpPb,
        Kind::DpPb => Role::DpAuth,
        Kind::DpTls => Role::DsTls,
        Kind::Operator
        | Kind::Manufacturer
        | Kind::EimCa
        | Kind::EimSign
        | Kind::EimTls
        | Kind::DeviceCa
        | Kind::Device => Role::Euicc,
    }
}

/// The EID with its first digits moved on, and its check digits made right again.
fn outside_range(eid: &str) -> String {
    let mut digits = eid.to_owned();
    let last_of_prefix = EID_PREFIX_LEN - 1;
    let moved = if digits.get(last_of_prefix..EID_PREFIX_LEN) == Some("9") { "8" } else { "9" };
    digits.replace_range(last_of_prefix..EID_PREFIX_LEN, moved);
    let body = digits.get(..30).unwrap_or_default();
    Eid::with_check_digits(body).map_or(digits.clone(), |eid| eid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_outside_the_range_differs_in_the_range_alone() {
        for eid in ["89049032000000000000279973200019", "89049039000000000000279973200019"] {
            let moved = Eid::parse(&outside_range(eid)).unwrap();
            assert!(moved.has_valid_check_digits());
            assert_ne!(moved.as_str()[..8], eid[..8]);
            assert_eq!(moved.as_str()[8..30], eid[8..30]);
        }
    }
}
