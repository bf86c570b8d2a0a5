//! Certificates that were issued, and issuing further ones of the kinds of the test PKI.

use std::fmt;

use simyard_asn1::Oid;

use super::description::{Description, validity};
use super::{Fault, Kind};
use crate::crypto::ecdsa::{Curve, EcdsaError, PublicKey};
use crate::env::{Rng, Timestamp};
use crate::ident::Eid;
use crate::pki::certificate::Certificate;
use crate::pki::issue::{Content, IssueError, Issuer, PrivateKey};

/// A certificate that was issued, with its private key.
#[derive(Clone)]
pub struct Issued {
    /// Which one it is.
    pub kind: Kind,
    /// What is wrong with it, if it is a twin.
    pub fault: Option<Fault>,
    /// The certificate.
    pub certificate: Certificate,
    /// Its private key.
    pub key: PrivateKey,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({})", self.name())
    }
}

impl Issued {
    /// The name of its files, without extension: `eum`, `eum-expired`, on brainpoolP256r1 `eum-brp`,
    /// `eum-brp-expired`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.kind.as_str().to_owned();
        match self.key.curve() {
            Curve::P256 => {}
            Curve::BrainpoolP256r1 => name.push_str("-brp"),
        }
        if let Some(fault) = self.fault {
            name.push('-');
            name.push_str(fault.as_str());
        }
        name
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem(&self.certificate)
    }

    pub(super) fn issuer(&self) -> Result<Issuer, IssueError> {
        Issuer::new(self.certificate.clone(), self.key.signing_key()?)
    }
}

/// A certificate in PEM.
#[must_use]
pub fn pem(certificate: &Certificate) -> String {
    der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, certificate.der()).unwrap_or_default()
}

impl Issuer {
    /// Issues an eUICC certificate on the curve of the EUM: the organisation is the EUM's. The range of the EUM is not
    /// looked at.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_euicc(&self, eid: &Eid, rng: &Rng, now: Timestamp) -> Result<Issued, IssueError> {
        let mut content = Description::read()?.euicc(eid, now)?;
        content.subject.organization = self.certificate().organization().map(str::to_owned);
        self.issue_right(Kind::Euicc, &content, self.curve()?, rng)
    }

    /// Issues a TLS certificate of the SM-DP+, on P-256 under a CI on any curve, with this OID for these hosts.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_tls(
        &self,
        host_names: &[String],
        oid: &Oid,
        rng: &Rng,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let content = Description::read()?.dp_tls(host_names, oid, now)?;
        self.issue_right(Kind::DpTls, &content, Curve::P256, rng)
    }

    /// Issues an operator's client certificate for ES2+.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_operator(
        &self,
        name: &str,
        oid: &Oid,
        rng: &Rng,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let mut content = Description::read()?.content(Kind::Operator, now)?.names(&[], Some(oid));
        content.subject.organization = Some(name.to_owned());
        content.subject.common_name = Some(name.to_owned());
        self.issue_right(Kind::Operator, &content, Curve::P256, rng)
    }

    /// Certifies the key of a device with this EID for ESipa, so many days, but no longer than this CA's own certificate is
    /// valid; the organisation is the CA's.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn certify_device(
        &self,
        eid: &Eid,
        key: &PublicKey,
        days: Option<u32>,
        rng: &Rng,
        now: Timestamp,
    ) -> Result<Certificate, IssueError> {
        self.issue(&self.device_content(eid, days, now)?, key, rng)
    }

    /// Issues a device's client certificate with a key that is drawn here: as [`Issuer::certify_device`].
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_device(
        &self,
        eid: &Eid,
        days: Option<u32>,
        rng: &Rng,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        self.issue_right(Kind::Device, &self.device_content(eid, days, now)?, Curve::P256, rng)
    }

    fn device_content(&self, eid: &Eid, days: Option<u32>, now: Timestamp) -> Result<Content, IssueError> {
        let mut content = Description::read()?.device(eid, now)?;
        content.subject.organization = self.certificate().organization().map(str::to_owned);
        if let Some(days) = days {
            content.validity = validity(now, days);
        }
        let last = self.certificate().not_after();
        content.validity.not_after = content.validity.not_after.min(last);
        Ok(content)
    }

    fn curve(&self) -> Result<Curve, IssueError> {
        self.certificate().public_key().map(PublicKey::curve).map_err(|_| EcdsaError::Point.into())
    }

    pub(super) fn issue_right(
        &self,
        kind: Kind,
        content: &Content,
        curve: Curve,
        rng: &Rng,
    ) -> Result<Issued, IssueError> {
        let key = PrivateKey::draw(rng, curve);
        let certificate = self.issue(content, key.signing_key()?.public_key(), rng)?;
        Ok(Issued { kind, fault: None, certificate, key })
    }
}
