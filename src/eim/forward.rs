//! Notifications that devices bring to the eIM instead of to their receivers (SGP.32 3.7, 5.14.7): made whole, verified,
//! and kept before the device is answered, since it then forgets them. [`crate::jobs::forward_notifications`] brings them.
//!
//! # Whose it is
//!
//! Nobody uses the eIM to send what he likes to whom he likes. A notification is taken if its eUICC signed it, by a key
//! under a CI that the eIM trusts, or by the key that the SM-DP+ of a relayed download took; where the eIM has no such key,
//! it is taken from the device itself, which a certificate or a signed result proved to be that one. A signature that does
//! not verify is never taken. An installation result that verifies tells the operation of the download how it ended; one
//! that does not changes nothing here.
//!
//! # What becomes of the rest
//!
//! What is refused changes nothing and is kept with the reason among the refused notifications; the device hears nothing of
//! it, since it would send it for ever. Where an eUICC has too many that could not be brought, its device keeps the next.

use simyard_asn1::iot::compact::{
    CompactOtherSignedNotification, CompactProfileInstallationResult, Incomplete, KnownOfDownload,
};
use simyard_asn1::rsp::notification::{
    NotificationMetadata, OtherSignedNotification, PendingNotification, ProfileInstallationResult,
};
use simyard_asn1::tlv::Reader;
use simyard_asn1::{Decode as _, Error};

use super::Eim;
use super::caller::DeviceCaller;
use super::downloads;
use super::engine::TurnError;
use crate::crypto::ecdsa::PublicKey;
use crate::domain::ProfileEvent;
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, InvalidIdentifier, ServerAddress, TransactionId};
use crate::pki::{Certificate, verify_euicc};
pub use crate::store::ForwardedCount;
use crate::store::{Forwarding, NewForwarded, RelayedDownload, Store, StoreError};

/// The longest notification that is taken: certificates and metadata take a tenth of it.
const NOTIFICATION_OCTETS_MAX: usize = 16 * 1024;

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept and will be brought, or was before; the device may forget it.
    Kept {
        /// Its seqNumber.
        seq_number: u32,
    },
    /// It is refused, for good.
    Refused,
    /// Too many of this eUICC wait: the device is to bring it another time.
    Full,
}

/// Why a notification is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it has {0} octets, more than the {NOTIFICATION_OCTETS_MAX} that are kept")]
    TooLong(usize),
    #[error("it cannot be read: {0}")]
    Form(#[from] Error),
    #[error("it cannot be made whole: {0}")]
    Incomplete(#[from] Incomplete),
    #[error("a compact one, and its eUICC is not known")]
    Nobody,
    #[error("a compact one of eUICC {0}, whose certificates are not known")]
    NoCertificates(Eid),
    #[error("its receiver is no server: {0}")]
    Address(InvalidIdentifier),
    #[error("its signature does not verify")]
    Signature,
    #[error("nothing proves whose it is: its eUICC's key is not known, and the device showed no certificate")]
    Unproven,
    #[error("it is of eUICC {found}, brought by the device of {by}")]
    OtherDevice { found: Eid, by: Eid },
    #[error("its certificate names no EID")]
    NoEid,
}

/// Who brings a notification: the EID that a client certificate or a signed result proved, if any.
pub struct Bringer<'a> {
    /// The caller.
    pub caller: &'a DeviceCaller,
    /// The EID that a result proved which came with the notification.
    pub signed_for: Option<&'a Eid>,
}

impl Bringer<'_> {
    fn proven(&self) -> Option<&Eid> {
        self.caller.proven().or(self.signed_for)
    }
}

/// A whole notification and whose it is.
struct Whole {
    eid: Eid,
    raw: Vec<u8>,
    /// Whether a key that can be believed verifies its signature.
    is_verified: bool,
}

/// Takes notifications that a device brings, in the order in which they come; says of each what became of it.
///
/// # Errors
/// [`StoreError`] if one could not be kept; those before it are.
pub async fn take(
    eim: &Eim,
    bringer: &Bringer<'_>,
    notifications: &[Vec<u8>],
) -> Result<Vec<Taken>, StoreError> {
    let mut taken = Vec::with_capacity(notifications.len());
    for notification in notifications {
        taken.push(take_one(eim, bringer, notification).await?);
    }
    Ok(taken)
}

async fn take_one(eim: &Eim, bringer: &Bringer<'_>, notification: &[u8]) -> Result<Taken, StoreError> {
    let judged = match whole(eim, bringer, notification).await? {
        Ok(whole) => read(&whole, eim.clock.now()).map(|new| (whole, new)),
        Err(refused) => Err(refused),
    };
    let (whole, mut new) = match judged {
        Ok(judged) => judged,
        Err(reason) => {
            let peer = bringer.caller.peer();
            tracing::warn!(%peer, %reason, "notification refused");
            let (reason, now) = (reason.to_string(), eim.clock.now());
            eim.store.keep_refused_notification(peer, notification, &reason, now).await?;
            return Ok(Taken::Refused);
        }
    };
    hold(eim, &mut new).await?;
    let seq_number = new.seq_number;
    match eim.store.forward_notification(new).await? {
        Forwarding::Full => return Ok(Taken::Full),
        Forwarding::New | Forwarding::Repeated => {}
    }
    // A repetition too: the process may have ended between the two.
    if whole.is_verified
        && let Ok(PendingNotification::InstallationResult(result)) = PendingNotification::from_der(&whole.raw)
    {
        match downloads::believed(eim, &whole.eid, &whole.raw, &result.data.value).await {
            // No operation of ours: the notification goes its way all the same.
            Ok(()) | Err(TurnError::NotAssociated) => {}
            Err(TurnError::Race) => return Err(StoreError::Conflict),
            Err(TurnError::Store(error)) => return Err(error),
        }
    }
    Ok(Taken::Kept { seq_number })
}

/// How many notifications wait and how many were given up, for each receiver, with the age of the oldest.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn untold(store: &Store) -> Result<Vec<ForwardedCount>, StoreError> {
    store.forwarded_counts().await
}

/// An eUICC that rolls back drops the notifications of what it took back. Where an acknowledgement was lost, the eIM has them all
/// the same: so they are held until the switch has an end (SGP.32 5.9.16).
async fn hold(eim: &Eim, new: &mut NewForwarded) -> Result<(), StoreError> {
    if !matches!(new.event, ProfileEvent::Enable | ProfileEvent::Disable) {
        return Ok(());
    }
    let active = eim.store.active_operation(&new.eid).await?;
    if active.is_some_and(|kept| kept.operation.state.may_roll_back()) {
        new.due_at = new.at.plus(eim.deadlines.confirm);
    }
    Ok(())
}

/// What a whole notification says of itself.
fn read(whole: &Whole, at: Timestamp) -> Result<NewForwarded, Refused> {
    let notification = PendingNotification::from_der(&whole.raw)?;
    let signed = match &notification {
        PendingNotification::InstallationResult(result) => result.data.bytes,
        PendingNotification::Other(other) => other.tbs.bytes,
    };
    let metadata = notification.metadata();
    Ok(NewForwarded {
        eid: whole.eid.clone(),
        seq_number: metadata.seq_number,
        address: ServerAddress::parse(metadata.address).map_err(Refused::Address)?,
        event: event(metadata),
        iccid: metadata.iccid.and_then(|iccid| Iccid::from_bcd(iccid).ok()),
        signed: signed.to_vec(),
        raw: whole.raw.clone(),
        at,
        due_at: at,
    })
}

/// One bit is set; the lowest one counts if a card sets several.
fn event(metadata: &NotificationMetadata<'_>) -> ProfileEvent {
    ProfileEvent::from_bit(u8::try_from(metadata.operation.0.trailing_zeros()).unwrap_or(u8::MAX))
}

/// Makes a notification whole and finds out whose it is.
async fn whole(
    eim: &Eim,
    bringer: &Bringer<'_>,
    notification: &[u8],
) -> Result<Result<Whole, Refused>, StoreError> {
    if notification.len() > NOTIFICATION_OCTETS_MAX {
        return Ok(Err(Refused::TooLong(notification.len())));
    }
    let whole = match Reader::new(notification, "PendingNotification").peek() {
        Some(CompactProfileInstallationResult::TAG) => {
            match CompactProfileInstallationResult::from_der(notification) {
                Ok(compact) => compact_result(eim, bringer, &compact).await?,
                Err(error) => Err(error.into()),
            }
        }
        Some(CompactOtherSignedNotification::TAG) => {
            match CompactOtherSignedNotification::from_der(notification) {
                Ok(compact) => compact_other(eim, bringer, &compact).await?,
                Err(error) => Err(error.into()),
            }
        }
        Some(ProfileInstallationResult::TAG) => match ProfileInstallationResult::from_der(notification) {
            Ok(result) => installation_result(eim, bringer, &result, notification).await?,
            Err(error) => Err(error.into()),
        },
        _ => OtherSignedNotification::from_der(notification)
            .map_err(Refused::from)
            .and_then(|other| other_notification(eim, &other, notification)),
    };
    Ok(whole.and_then(|whole| belongs(bringer, whole)))
}

/// The bringer is its device, or its signature speaks for it.
fn belongs(bringer: &Bringer<'_>, whole: Whole) -> Result<Whole, Refused> {
    match bringer.proven() {
        Some(by) if *by != whole.eid => Err(Refused::OtherDevice { found: whole.eid, by: by.clone() }),
        None if !whole.is_verified => Err(Refused::Unproven),
        Some(_) | None => Ok(whole),
    }
}

/// The download of a transaction, if a package was relayed in it.
async fn relayed(eim: &Eim, transaction_id: &[u8]) -> Result<Option<RelayedDownload>, StoreError> {
    match TransactionId::from_octets(transaction_id) {
        Some(id) => eim.store.relayed_download(&id).await,
        None => Ok(None),
    }
}

/// The key of an eUICC by which what it signs can be believed: the one that the SM-DP+ of a relayed download took, or that of the
/// certificates that are known, if they lie under a CI that is trusted.
async fn believed_key(
    eim: &Eim,
    eid: &Eid,
    relayed: Option<&RelayedDownload>,
) -> Result<Option<PublicKey>, StoreError> {
    let bound =
        relayed.filter(|relayed| relayed.eid == *eid).and_then(|relayed| relayed.euicc_public_key.as_ref());
    if let Some(key) = bound.and_then(|point| PublicKey::from_point_of_any_curve(point).ok()) {
        return Ok(Some(key));
    }
    let known = eim.known_of(eid).await?;
    let (Some(own), Some(eum)) = (&known.euicc_certificate, &known.eum_certificate) else { return Ok(None) };
    Ok(certified(eim, own, eum).filter(|(found, _)| found == eid).map(|(_, key)| key))
}

/// Who a pair of certificates is of, and the key, if they lie under a CI that is trusted.
fn certified(eim: &Eim, own: &[u8], eum: &[u8]) -> Option<(Eid, PublicKey)> {
    let now = eim.clock.now();
    let eum = Certificate::from_der(eum).ok()?;
    let eum = eim.anchors.verify_eum(&eum, now).ok()?;
    let euicc = verify_euicc(&eum, &Certificate::from_der(own).ok()?, now).ok()?;
    Some((euicc.eid().clone(), *euicc.public_key()))
}

/// A ProfileInstallationResult as the eUICC made it. It does not say of which eUICC it is: the transaction does, or the
/// device that brings it.
async fn installation_result(
    eim: &Eim,
    bringer: &Bringer<'_>,
    result: &ProfileInstallationResult<'_>,
    raw: &[u8],
) -> Result<Result<Whole, Refused>, StoreError> {
    let relayed = relayed(eim, result.data.value.transaction_id).await?;
    let eid = relayed.as_ref().map(|relayed| &relayed.eid).or(bringer.proven()).cloned();
    let Some(eid) = eid else { return Ok(Err(Refused::Unproven)) };
    let is_verified = match believed_key(eim, &eid, relayed.as_ref()).await? {
        Some(key) if key.verify(result.data.bytes, result.signature).is_err() => {
            return Ok(Err(Refused::Signature));
        }
        key => key.is_some(),
    };
    Ok(Ok(Whole { eid, raw: raw.to_vec(), is_verified }))
}

/// A compact ProfileInstallationResult: what it leaves out belongs to the download that the eIM relayed. Some eUICCs leave
/// smdpOid out of the whole one, which shows in the signature.
async fn compact_result(
    eim: &Eim,
    bringer: &Bringer<'_>,
    compact: &CompactProfileInstallationResult<'_>,
) -> Result<Result<Whole, Refused>, StoreError> {
    let Some(relayed) = relayed(eim, compact.transaction_id).await? else { return Ok(Err(Refused::Nobody)) };
    let key = believed_key(eim, &relayed.eid, Some(&relayed)).await?;
    let iccid = relayed.iccid.to_bcd();
    let mut guessed = Err(Refused::Signature);
    for smdp_oid in [Some(&relayed.smdp_oid), None] {
        let download =
            KnownOfDownload { notification_address: relayed.address.as_str(), smdp_oid, iccid: Some(&iccid) };
        let raw = match compact.whole(&download) {
            Ok(raw) => raw,
            Err(incomplete) => return Ok(Err(incomplete.into())),
        };
        guessed = match ProfileInstallationResult::from_der(&raw) {
            Ok(result) => installation_result(eim, bringer, &result, &raw).await?,
            Err(error) => Err(error.into()),
        };
        if guessed.is_ok() || key.is_none() {
            break;
        }
    }
    Ok(guessed)
}

/// A compact notification of another kind: its certificates are those that are known of its eUICC.
async fn compact_other(
    eim: &Eim,
    bringer: &Bringer<'_>,
    compact: &CompactOtherSignedNotification<'_>,
) -> Result<Result<Whole, Refused>, StoreError> {
    let named = compact.eid.and_then(|eid| Eid::from_bcd(eid).ok());
    let Some(eid) = named.or_else(|| bringer.proven().cloned()) else { return Ok(Err(Refused::Nobody)) };
    let known = eim.known_of(&eid).await?;
    let (Some(own), Some(eum)) = (&known.euicc_certificate, &known.eum_certificate) else {
        return Ok(Err(Refused::NoCertificates(eid)));
    };
    let raw = compact.whole(own, eum);
    Ok(OtherSignedNotification::from_der(&raw)
        .map_err(Refused::from)
        .and_then(|other| other_notification(eim, &other, &raw)))
}

/// Enabled, disabled, deleted: it brings its certificates.
fn other_notification(eim: &Eim, other: &OtherSignedNotification<'_>, raw: &[u8]) -> Result<Whole, Refused> {
    if let Some((eid, key)) = certified(eim, other.euicc_certificate, other.eum_certificate) {
        key.verify(other.tbs.bytes, other.signature).map_err(|_| Refused::Signature)?;
        return Ok(Whole { eid, raw: raw.to_vec(), is_verified: true });
    }
    // Under another CI: its own word is all there is, and that must hold at least.
    let certificate = Certificate::from_der(other.euicc_certificate).map_err(|_| Refused::NoEid)?;
    let eid = certificate.serial_number().and_then(|number| Eid::parse(number).ok()).ok_or(Refused::NoEid)?;
    let key = certificate.public_key().map_err(|_| Refused::Signature)?;
    key.verify(other.tbs.bytes, other.signature).map_err(|_| Refused::Signature)?;
    Ok(Whole { eid, raw: raw.to_vec(), is_verified: false })
}
