//! Who calls on ESipa, and for which EID it may speak.
//!
//! SGP.32 leaves open how an eIM knows a device (digest of 5.7): the EID in a message is a claim. Here a client certificate
//! proves it. It is issued by a CA of devices, which is no GSMA CI, and names the EID in a field of its own; one that names
//! none may stand for an EID by a list that people bring ([`super::device_certificates`]). A device fetches and reports for
//! that EID alone.
//!
//! A listener may take callers without a certificate, for devices that cannot have one ([`ClientAuth::Optional`]). Such a caller
//! has proven nothing: [`DeviceCaller::proven`] says so, and services give it what harms nobody in wrong hands. How often it
//! asks for one EID is limited; a device with a certificate is not kept waiting by those who claim its EID without one.
//!
//! Whatever is refused here is recorded and counted by the caller itself ([`super::refusals`]).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::refusals::{RefusalReason, Refusals, Refused};
use crate::domain::draining::DrainingCounts;
use crate::env::Clock;
use crate::ident::{Eid, Peer};
use crate::pki::tls::PeerIdentity;
use crate::store::{Store, StoreError};

/// Whether a listener of ESipa takes callers without a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// It does not.
    #[default]
    Required,
    /// It does; one that is presented must still be right.
    Optional,
}

impl ClientAuth {
    /// The word of the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

/// Where a device's certificate names its EID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EidField {
    /// serialNumber of the subject, as in certificates of eUICCs.
    #[default]
    SerialNumber,
    /// commonName of the subject.
    CommonName,
    /// The first label of the one dNSName of subjectAltName.
    DnsName,
    /// Nowhere: the list alone says whose it is.
    None,
}

impl EidField {
    /// The EID that a certificate names; `None` if there are no 32 digits in the field.
    #[must_use]
    pub fn eid(self, identity: &PeerIdentity) -> Option<Eid> {
        let text = match (self, identity.dns_names.as_slice()) {
            (Self::SerialNumber, _) => identity.serial_number.as_deref(),
            (Self::CommonName, _) => identity.common_name.as_deref(),
            (Self::DnsName, [one]) => one.split('.').next(),
            (Self::DnsName, _) | (Self::None, _) => None,
        };
        Eid::parse(text?).ok()
    }
}

/// Polls of one EID in an hour that are answered without a certificate, unless the settings say otherwise.
pub const POLLS_PER_HOUR: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Why a caller is not heard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The listener asks for a certificate, and none was shown.
    #[error("a client certificate is needed")]
    NoCertificate,
    /// The certificate stands for nobody.
    #[error("the client certificate names no EID, and is not in the list of devices' certificates")]
    NoEid,
    /// The certificate stands for another EID.
    #[error("the client certificate stands for another EID")]
    OtherEid,
    /// Without a certificate, this EID was asked for too often.
    #[error("too many polls for this EID without a client certificate; the next one is heard in {} s", .0.as_secs().saturating_add(1))]
    TooManyPolls(Duration),
}

impl Refusal {
    /// Under which word it is counted and kept.
    #[must_use]
    pub const fn reason(&self) -> RefusalReason {
        match self {
            Self::NoCertificate => RefusalReason::NoCertificate,
            Self::NoEid => RefusalReason::NoEid,
            Self::OtherEid => RefusalReason::OtherEid,
            Self::TooManyPolls(_) => RefusalReason::TooManyPolls,
        }
    }
}

/// Why a caller could not be recognised.
#[derive(Debug, thiserror::Error)]
pub enum Unrecognised {
    /// It is nobody that is heard here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The list could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the callers of an eIM have in common.
pub struct Devices {
    store: Store,
    eid_field: EidField,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    refusals: Arc<Refusals>,
    polls: Mutex<DrainingCounts<Eid>>,
}

impl Devices {
    /// Devices whose certificates name the EID there, or stand in the list of `store`; without a certificate an EID may be
    /// asked for so often in an hour.
    #[must_use]
    pub fn new(
        store: Store,
        eid_field: EidField,
        polls_per_hour: NonZeroU32,
        refusals: Arc<Refusals>,
        clock: Clock,
    ) -> Self {
        let polls = Mutex::new(DrainingCounts::new(polls_per_hour));
        Self { store, eid_field, shared: Arc::new(Shared { clock, refusals, polls }) }
    }

    /// What was refused.
    #[must_use]
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.shared.refusals
    }

    /// The caller on a connection to a listener that asks for certificates as `client_auth` says. The handshake has
    /// verified the certificate, if there is one.
    ///
    /// # Errors
    /// [`Unrecognised`]; what is refused is recorded.
    pub async fn recognise(
        &self,
        client_auth: ClientAuth,
        peer: Peer,
        certificate: Option<&PeerIdentity>,
    ) -> Result<DeviceCaller, Unrecognised> {
        let shared = Arc::clone(&self.shared);
        let Some(identity) = certificate else {
            let caller = DeviceCaller { peer, fingerprint: None, proven: None, shared };
            return match client_auth {
                ClientAuth::Optional => Ok(caller),
                ClientAuth::Required => Err(caller.refuse(Refusal::NoCertificate, None).into()),
            };
        };
        // What the certificate says itself comes first: the list is for those that say nothing.
        let proven = match self.eid_field.eid(identity) {
            Some(named) => Some(named),
            None => self.store.eid_of_certificate(&identity.fingerprint).await?,
        };
        let caller = DeviceCaller { peer, fingerprint: Some(identity.fingerprint), proven, shared };
        if caller.proven.is_none() {
            return Err(caller.refuse(Refusal::NoEid, None).into());
        }
        Ok(caller)
    }

    /// Which certificates stand for this EID.
    ///
    /// # Errors
    /// [`StoreError`] if the list cannot be read.
    pub async fn certificates_of(&self, eid: &Eid) -> Result<CertificatesOf, StoreError> {
        let listed = self.store.device_certificates(Some(eid), "", LISTED_MAX).await?;
        let fingerprints = listed.iter().map(|listed| listed.pin.fingerprint).collect();
        Ok(CertificatesOf { eid: eid.clone(), eid_field: self.eid_field, fingerprints })
    }

    /// The device of this EID, which we called there, and which proved in the handshake who it is
    /// ([`CertificatesOf::has`]).
    #[must_use]
    pub fn reached(&self, eid: &Eid, peer: Peer) -> DeviceCaller {
        DeviceCaller { peer, fingerprint: None, proven: Some(eid.clone()), shared: Arc::clone(&self.shared) }
    }
}

/// Certificates of the list that one EID may have, where its device is called.
const LISTED_MAX: u32 = 100;

/// Which certificates stand for an EID.
#[derive(Clone, Debug)]
pub struct CertificatesOf {
    eid: Eid,
    eid_field: EidField,
    fingerprints: Vec<[u8; 32]>,
}

impl CertificatesOf {
    /// Whether this certificate is one of them: what it says itself comes first, as for callers.
    #[must_use]
    pub fn has(&self, identity: &PeerIdentity) -> bool {
        match self.eid_field.eid(identity) {
            Some(named) => named == self.eid,
            None => self.fingerprints.contains(&identity.fingerprint),
        }
    }
}

/// Somebody who calls on ESipa.
#[derive(Clone)]
pub struct DeviceCaller {
    peer: Peer,
    fingerprint: Option<[u8; 32]>,
    proven: Option<Eid>,
    shared: Arc<Shared>,
}

impl fmt::Debug for DeviceCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCaller").field("peer", &self.peer).field("proven", &self.proven).finish()
    }
}

impl DeviceCaller {
    /// Where it calls from.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// The EID that its certificate stands for; `None` for a caller that has proven nothing: nothing unsigned that it says
    /// may change anything, and what it gets may get into any hands.
    #[must_use]
    pub const fn proven(&self) -> Option<&Eid> {
        self.proven.as_ref()
    }

    /// Whether it may fetch and report for this EID.
    ///
    /// # Errors
    /// [`Refusal::OtherEid`], which is recorded.
    pub fn may_speak_for(&self, eid: &Eid) -> Result<(), Refusal> {
        match &self.proven {
            Some(proven) if proven != eid => Err(self.refuse(Refusal::OtherEid, Some(eid))),
            Some(_) | None => Ok(()),
        }
    }

    /// As [`DeviceCaller::may_speak_for`], and one more poll of a caller that has proven nothing is counted.
    ///
    /// # Errors
    /// [`Refusal::OtherEid`] and [`Refusal::TooManyPolls`], which are recorded.
    pub fn may_poll_for(&self, eid: &Eid) -> Result<(), Refusal> {
        self.may_speak_for(eid)?;
        if self.proven.is_some() {
            return Ok(());
        }
        let now = self.shared.clock.monotonic();
        let checked = {
            let mut polls = self.shared.polls.lock().unwrap_or_else(PoisonError::into_inner);
            polls.check(eid, now).inspect(|()| polls.count(eid, now))
        };
        checked.map_err(|wait| self.refuse(Refusal::TooManyPolls(wait), Some(eid)))
    }

    /// Records something else that was refused to this caller, about the EID that it claimed.
    pub fn refused(&self, reason: RefusalReason, eid: Option<&Eid>, detail: impl fmt::Display) {
        self.shared.refusals.record(Refused {
            reason,
            eid: eid.cloned(),
            caller_eid: self.proven.clone(),
            certificate: self.fingerprint,
            peer: self.peer,
            detail: detail.to_string(),
        });
    }

    fn refuse(&self, refusal: Refusal, eid: Option<&Eid>) -> Refusal {
        self.refused(refusal.reason(), eid, &refusal);
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EID: &str = "89049032000000000000279973200019";

    fn identity(serial_number: Option<&str>, common_name: Option<&str>, dns_names: &[&str]) -> PeerIdentity {
        PeerIdentity {
            oid: None,
            fingerprint: [1; 32],
            common_name: common_name.map(str::to_owned),
            serial_number: serial_number.map(str::to_owned),
            dns_names: dns_names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn an_eid_stands_in_its_field_alone() {
        let host = format!("{EID}.devices.example.com");
        let both = [host.as_str(), "other.example.com"];
        for (field, identity, named) in [
            (EidField::SerialNumber, identity(Some(EID), None, &[]), true),
            (EidField::SerialNumber, identity(None, Some(EID), &[&host]), false),
            (EidField::SerialNumber, identity(Some("8904903200000000000027997320001"), None, &[]), false),
            (EidField::SerialNumber, identity(Some("8904903200000000000027997320001F"), None, &[]), false),
            (EidField::CommonName, identity(None, Some(EID), &[]), true),
            (EidField::CommonName, identity(Some(EID), Some("device"), &[]), false),
            (EidField::DnsName, identity(None, None, &[&host]), true),
            (EidField::DnsName, identity(None, None, &both), false),
            (EidField::DnsName, identity(Some(EID), Some(EID), &[]), false),
            (EidField::None, identity(Some(EID), Some(EID), &[&host]), false),
        ] {
            let found = field.eid(&identity).map(|eid| eid.to_string());
            assert_eq!(found.as_deref(), named.then_some(EID), "{field:?} of {identity:?}");
        }
    }

    #[test]
    fn a_certificate_stands_for_what_it_says_or_else_by_the_list() {
        let eid = Eid::parse(EID).unwrap();
        let of = |fingerprints: Vec<[u8; 32]>| CertificatesOf {
            eid: eid.clone(),
            eid_field: EidField::SerialNumber,
            fingerprints,
        };
        let other = "89049032000000000000700000004105";
        assert!(of(vec![]).has(&identity(Some(EID), None, &[])));
        assert!(!of(vec![[1; 32]]).has(&identity(Some(other), None, &[])), "it says itself whose it is");
        assert!(of(vec![[2; 32], [1; 32]]).has(&identity(None, None, &[])));
        assert!(!of(vec![[2; 32]]).has(&identity(None, None, &[])));
    }
}
