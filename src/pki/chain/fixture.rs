//! A CI with certificates of every role below it, for the tests of the chain checks.

use std::time::Duration;

use simyard_asn1::Oid;

use super::{Anchors, VerifiedEum};
use crate::crypto::ecdsa::{Curve, SigningKey};
use crate::env::{Rng, Timestamp};
use crate::pki::issue::{
    Content, Criticality, ExtensionId, Issuer, PrivateKey, Subject, Validity, issue_root,
};
use crate::pki::{Certificate, Role};

pub(in crate::pki) const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
pub(in crate::pki) const EID: &str = "89049032123451234512345678901235";

pub(in crate::pki) fn validity() -> Validity {
    Validity {
        not_before: Timestamp::from_secs(NOW.as_secs() - 10),
        not_after: NOW.plus(Duration::from_secs(10)),
    }
}

pub(in crate::pki) fn key(rng: &Rng) -> SigningKey {
    PrivateKey::draw(rng, Curve::P256).signing_key().unwrap()
}

pub(in crate::pki) fn subject(organization: &str) -> Subject {
    Subject { organization: Some(organization.to_owned()), ..Subject::default() }
}

pub(in crate::pki) struct Fixture {
    pub(in crate::pki) rng: Rng,
    pub(in crate::pki) ci: Issuer,
    pub(in crate::pki) anchors: Anchors,
}

impl Fixture {
    pub(in crate::pki) fn new() -> Self {
        let rng = Rng::seeded(5);
        let ci_key = key(&rng);
        let content = Content::new(subject("CI"), validity()).signs_certificates_and_lists().authority(None);
        let ci = issue_root(&content, &ci_key, &rng).unwrap();
        let anchors = Anchors::new(vec![ci.clone()]).unwrap();
        Self { anchors, ci: Issuer::new(ci, ci_key).unwrap(), rng }
    }

    pub(in crate::pki) fn eum_content() -> Content {
        Content::new(subject("EUM"), validity())
            .signs_certificates()
            .role(Role::Eum, Criticality::Critical)
            .authority(Some(0))
            .range(&[("EUM", "89049032")])
            .unwrap()
    }

    pub(in crate::pki) fn below_ci(&self, content: &Content) -> Certificate {
        self.ci.issue(content, key(&self.rng).public_key(), &self.rng).unwrap()
    }

    pub(in crate::pki) fn eum(&self, content: &Content) -> (VerifiedEum, Issuer) {
        let key = key(&self.rng);
        let eum = self.ci.issue(content, key.public_key(), &self.rng).unwrap();
        (self.anchors.verify_eum(&eum, NOW).unwrap(), Issuer::new(eum, key).unwrap())
    }

    pub(in crate::pki) fn euicc(&self, issuer: &Issuer, content: &Content) -> Certificate {
        issuer.issue(content, key(&self.rng).public_key(), &self.rng).unwrap()
    }
}

pub(in crate::pki) fn euicc_content(organization: &str, eid: &str) -> Content {
    let subject = Subject { serial_number: Some(eid.to_owned()), ..subject(organization) };
    Content::new(subject, validity()).signs_messages().role(Role::Euicc, Criticality::Critical)
}

pub(in crate::pki) fn dp_content(role: Role) -> Content {
    Content::new(subject("DP"), validity())
        .signs_messages()
        .role(role, Criticality::Critical)
        .names(&[], Oid::parse("2.999.10").as_ref())
}

pub(in crate::pki) fn early(mut content: Content) -> Content {
    content.validity.not_before = NOW.plus(Duration::from_secs(1));
    content
}

pub(in crate::pki) fn late(mut content: Content) -> Content {
    content.validity.not_after = Timestamp::from_secs(NOW.as_secs() - 1);
    content
}

pub(in crate::pki) fn unknown_extension(content: Content) -> Content {
    content.with(ExtensionId::Unknown, Criticality::Critical, vec![0x05, 0x00])
}
