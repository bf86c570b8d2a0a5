//! Indirect downloads (SGP.32 3.2.3.2): what the functions that relay to an SM-DP+ work with.
//!
//! The SM-DP+ may be anybody's: the one of an activation code that an operator gave. It is called over ES9+' with its
//! certificate verified ([`crate::pki::smdp`]), with limits to the time and the size of its answers, never through a
//! redirection, and not at addresses of this machine or this network unless a setting says so. What it answers is
//! compared with what was asked; what the eUICC has to judge is left to the eUICC.
//!
//! A device speaks for itself alone: a session is its own, and so is the trigger that it begins with. A caller without a
//! certificate gets no further than the identifier of a trigger brings it, which only who polled for that EID has; what it
//! fails to do changes no operation unless the eUICC signed it.

use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::tlv::{Reader, Tlv};
use simyard_asn1::{Error, Tag};

use self::sessions::{RelayGuard, RelaySession, RelaySessions};
use super::Eim;
use super::caller::{DeviceCaller, Refusal};
use super::downloads::{self, OpenDownload, OpenDownloadError, open_download, open_download_of};
use crate::client::es9plus::Es9PlusClient;
use crate::ident::{Eid, TransactionId};
use crate::store::StoreError;

pub mod policy;
pub mod refusal;
pub mod sessions;

/// What an eIM relays with.
pub struct Relay {
    /// The way to SM-DP+ servers.
    pub servers: Es9PlusClient,
    /// The open sessions.
    pub sessions: RelaySessions,
}

/// Why there is no trigger that the device could answer.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// It names none, and has not proven who it is.
    #[error("the device names no eimTransactionId, and shows no certificate")]
    Nameless,
    /// No download waits under this identifier, or for this device.
    #[error("no download waits for this device under this eimTransactionId")]
    Unknown,
    /// It is another device's.
    #[error("the eimTransactionId is another device's: {0}")]
    OtherDevice(#[from] Refusal),
    /// The download could not be read.
    #[error(transparent)]
    Download(#[from] OpenDownloadError),
}

/// What the eIM knows of a device and its eUICC from before; what it does not know is absent.
#[derive(Clone, Debug, Default)]
pub struct KnownOfDevice {
    /// EUICCInfo1, `BF20`.
    pub euicc_info1: Option<Vec<u8>>,
    /// EUICCInfo2, `BF22`.
    pub euicc_info2: Option<Vec<u8>>,
    /// CERT.EUICC.
    pub euicc_certificate: Option<Vec<u8>>,
    /// CERT.EUM.
    pub eum_certificate: Option<Vec<u8>>,
    /// The members of DeviceInfo.
    pub device_info: Option<Vec<u8>>,
    /// ipaFeatures.
    pub ipa_features: NamedBits,
    /// RulesAuthorisationTable, as getRATResult has it: `A6`.
    pub rules_authorisation_table: Option<Vec<u8>>,
}

/// The alternative of a CHOICE that has a tag of its own, and nothing beside it.
///
/// # Errors
/// [`Error`] for octets that are no such value.
pub fn alternative(der: &[u8], tag: Tag) -> Result<Tlv<'_>, Error> {
    let mut reader = Reader::new(der, "CHOICE");
    let mut members = reader.expect(tag)?.members("CHOICE");
    reader.finish()?;
    let alternative = members.read()?;
    members.finish()?;
    Ok(alternative)
}

impl Eim {
    /// The download that a device goes on with: the one of the trigger that it names, or its own.
    pub(super) async fn trigger_of(
        &self,
        caller: &DeviceCaller,
        id: Option<&EimTransactionId>,
    ) -> Result<OpenDownload, TriggerError> {
        let found = match (id.and_then(|id| TransactionId::from_octets(id.as_octets())), caller.proven()) {
            (Some(id), _) => open_download(self, &id).await?,
            (None, Some(eid)) => open_download_of(self, eid).await?,
            (None, None) => return Err(TriggerError::Nameless),
        };
        let found = found.ok_or(TriggerError::Unknown)?;
        caller.may_speak_for(&found.eid)?;
        Ok(found)
    }

    /// A session that the caller may go on with, and its identifier; `None` if there is none of his.
    pub(super) async fn session_of(
        &self,
        caller: &DeviceCaller,
        transaction_id: &[u8],
    ) -> Option<(TransactionId, RelayGuard<'_>)> {
        let id = TransactionId::from_octets(transaction_id)?;
        let eid = self.relay.sessions.eid(&id)?;
        caller.may_speak_for(&eid).ok()?;
        let mut guard = self.relay.sessions.take(&id).await?;
        // Another session may have taken its place meanwhile.
        let is_same = guard.session().is_some_and(|session| session.eid == eid);
        is_same.then_some((id, guard))
    }

    /// What is known of a device from before; nothing of one that is not associated.
    pub(super) async fn known_of(&self, eid: &Eid) -> Result<KnownOfDevice, StoreError> {
        let Some(euicc) = self.store.eim_euicc(eid).await? else { return Ok(KnownOfDevice::default()) };
        let told = euicc.introduction;
        let (own, eum) = euicc.certificates.map(|certificates| (certificates.own, certificates.eum)).unzip();
        let ipa_features = told.ipa_capabilities.as_deref().map_or_else(NamedBits::default, ipa_features);
        Ok(KnownOfDevice {
            euicc_info1: told.euicc_info1,
            euicc_info2: told.euicc_info2,
            euicc_certificate: own,
            eum_certificate: eum,
            device_info: told.device_info,
            ipa_features,
            rules_authorisation_table: told.rules_authorisation_table,
        })
    }

    /// A relayed download came to its end: its operation hears of it, if the device proved who it is, or its eUICC did to the
    /// SM-DP+. A fault of the store costs the news alone: the device tells of the failure too.
    pub(super) async fn download_failed(
        &self,
        caller: &DeviceCaller,
        session: Option<&mut RelaySession>,
        why: &(dyn std::error::Error + Sync),
        again: bool,
    ) {
        let Some(session) = session else { return };
        if caller.proven().is_none() && session.authenticated.is_none() {
            return;
        }
        self.tell_failed(&session.eid, &session.eim_transaction_id, why, again).await;
    }

    /// A relayed download did not even begin: its operation hears of it, if the device proved who it is.
    pub(super) async fn download_refused(
        &self,
        caller: &DeviceCaller,
        trigger: &OpenDownload,
        why: &(dyn std::error::Error + Sync),
    ) {
        if caller.proven().is_some() {
            self.tell_failed(&trigger.eid, &trigger.transaction_id, why, false).await;
        }
    }

    async fn tell_failed(
        &self,
        eid: &Eid,
        id: &TransactionId,
        why: &(dyn std::error::Error + Sync),
        again: bool,
    ) {
        tracing::info!(%eid, eim_transaction_id = %id, %why, "a relayed download failed");
        if let Err(error) = downloads::failed(self, eid, id, &why.to_string(), again).await {
            tracing::warn!(%eid, %error, "the operation did not hear of it");
        }
    }
}

/// ipaFeatures of the members of IpaCapabilities.
fn ipa_features(ipa_capabilities: &[u8]) -> NamedBits {
    let mut members = Reader::new(ipa_capabilities, "IpaCapabilities");
    members.expect(Tag(0x80)).and_then(|tlv| tlv.named_bits("ipaFeatures")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_the_members_of_capabilities() {
        assert_eq!(ipa_features(&[0x80, 0x02, 0x06, 0xC0]), NamedBits(0b11));
        assert_eq!(ipa_features(&[0x81, 0x02, 0x07, 0x80]), NamedBits::default());
        assert_eq!(ipa_features(&[]), NamedBits::default());
    }

    #[test]
    fn an_alternative_stands_alone_in_its_tag() {
        let found = alternative(&[0xBF, 0x21, 0x02, 0xA2, 0x00], Tag(0xBF21)).unwrap();
        assert_eq!((found.tag, found.raw), (Tag(0xA2), &[0xA2, 0x00][..]));
        for der in [
            &[0xBF, 0x21, 0x00][..],
            &[0xBF, 0x38, 0x02, 0xA2, 0x00],
            &[0xBF, 0x21, 0x04, 0xA2, 0x00, 0xA2, 0x00],
            &[0xBF, 0x21, 0x02, 0xA2, 0x00, 0x00],
            &[],
        ] {
            assert!(alternative(der, Tag(0xBF21)).is_err(), "{der:02X?}");
        }
    }
}
