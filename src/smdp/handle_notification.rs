//! ES9+.HandleNotification (SGP.22 5.6.4, 3.5): what the eUICC did with the profile.
//!
//! The answer is HTTP 204 whatever the notification says, since the LPA then deletes it and would otherwise send it for
//! ever; only one that could not be kept because the store failed is asked for again. Repeated, nothing changes.
//!
//! A notification is kept only if it is about a profile that is bound to the eUICC that signed it, and the newest of a
//! profile stay; one that came before is known by what was signed. Any other is refused: it changes nothing, and its first
//! octets are kept with the reason, so many of a peer and in all, since anybody may send them.

use simyard_asn1::rsp::notification::{
    FinalResult, NotificationMetadata, OtherSignedNotification, PendingNotification,
    ProfileInstallationResult, error_reason,
};
use simyard_asn1::{Decode as _, Encode as _};

use super::downloads::DownloadResult;
use super::failures;
use super::handle_download_progress_info::Progress;
use super::sessions::{ClientAuthenticated, SessionGuard};
use super::{RACES, Smdp};
use crate::binding::es9plus::HandleNotificationRequest;
use crate::crypto::ecdsa::PublicKey;
use crate::domain::{ErrorReason, Order, ProfileEvent, State};
use crate::ident::{Eid, Iccid, Peer, TransactionId};
use crate::pki::{Certificate, verify_euicc};
use crate::store::{NewNotification, Recorded, ResultChange, StoreError};

/// Why a notification could not be kept: the LPA sends it again.
#[derive(Debug, thiserror::Error)]
pub enum HandleNotificationError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// The order changed again and again while it was read.
    #[error("the order is in use")]
    Race,
}

/// The longest notification that is kept whole: certificates and metadata take a tenth of it.
const NOTIFICATION_OCTETS_MAX: usize = 16 * 1024;

/// Why a notification is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it has {0} octets, more than the {NOTIFICATION_OCTETS_MAX} that are kept")]
    TooLong(usize),
    #[error("it cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    #[error("no package was bound in transaction {0}")]
    UnknownTransaction(String),
    #[error("nothing was ever bound for the profile that it names")]
    UnknownProfile,
    #[error("eUICC {0} has no part in the order of that profile")]
    OtherEuicc(Eid),
    #[error("its signature does not verify")]
    Signature,
    #[error("it names another SM-DP+: {0}")]
    OtherSmdp(simyard_asn1::Oid),
    #[error("its certificates are refused: {0}")]
    Certificate(String),
}

/// Keeps a notification that came from `peer` and does what it says, or keeps it with the reason for which it does not.
///
/// # Errors
/// [`HandleNotificationError`] if it could not be kept.
pub async fn handle_notification(
    smdp: &Smdp,
    peer: Peer,
    request: &HandleNotificationRequest,
) -> Result<(), HandleNotificationError> {
    let octets = &request.pending_notification;
    let handled = match PendingNotification::from_der(octets) {
        Ok(_) if octets.len() > NOTIFICATION_OCTETS_MAX => Err(Refused::TooLong(octets.len())),
        Ok(PendingNotification::InstallationResult(result)) => {
            let handled = installation_result(smdp, &result).await?;
            if matches!(handled, Ok(Recorded::New)) {
                smdp.downloads.add(match result.data.value.final_result {
                    FinalResult::Success { .. } => DownloadResult::Installed,
                    FinalResult::Error { .. } => DownloadResult::Failed,
                });
            }
            handled
        }
        Ok(PendingNotification::Other(other)) => other_notification(smdp, &other).await?,
        Err(error) => Err(error.into()),
    };
    match handled {
        Ok(recorded) => tracing::debug!(?recorded, "notification"),
        Err(reason) => {
            tracing::warn!(%peer, %reason, "notification refused");
            let (reason, now) = (reason.to_string(), smdp.clock.now());
            smdp.store.keep_refused_notification(peer, octets, &reason, now).await?;
        }
    }
    Ok(())
}

/// What a result is judged by.
struct Download {
    order: Order,
    eid: Eid,
    key: PublicKey,
}

impl Download {
    fn of_session(session: &mut ClientAuthenticated) -> Option<Self> {
        let order = session.delivered.as_ref()?.order.clone();
        Some(Self { order, eid: session.euicc.eid().clone(), key: *session.euicc.public_key() })
    }
}

/// A ProfileInstallationResult: verified with the key of the eUICC that the package was bound to, however long ago.
async fn installation_result(
    smdp: &Smdp,
    result: &ProfileInstallationResult<'_>,
) -> Result<Result<Recorded, Refused>, HandleNotificationError> {
    let data = &result.data.value;
    let unknown = || Refused::UnknownTransaction(hex::encode_upper(data.transaction_id));
    let Some(id) = TransactionId::from_octets(data.transaction_id) else { return Ok(Err(unknown())) };
    let mut session = smdp.sessions.take(&id).await;
    // The session remembers what it bound; a change since then shows when the result is recorded.
    let mut remembered =
        session.as_mut().and_then(SessionGuard::client_authenticated).and_then(Download::of_session);
    for _ in 0..RACES {
        let download = match remembered.take() {
            Some(download) => download,
            None => match smdp.store.download_by_transaction(&id).await? {
                Some((order, binding)) => {
                    let Ok(key) = PublicKey::from_point_of_any_curve(&binding.euicc_public_key) else {
                        return Ok(Err(Refused::Signature));
                    };
                    Download { order, eid: binding.eid, key }
                }
                None => return Ok(Err(unknown())),
            },
        };
        let Download { order, eid, key } = download;
        if key.verify(result.data.bytes, result.signature).is_err() {
            return Ok(Err(Refused::Signature));
        }
        if let Some(oid) = &data.smdp_oid
            && !smdp.identities.iter().any(|identity| identity.oid() == oid)
        {
            return Ok(Err(Refused::OtherSmdp(oid.clone())));
        }
        let progress = match &data.final_result {
            FinalResult::Success { .. } => Progress::Installed(result.data.bytes),
            FinalResult::Error { error_reason, .. } => {
                Progress::NotInstalled(result.data.bytes, *error_reason)
            }
        };
        let notification = NewNotification {
            callback: smdp.callback(&order, Some(&eid), progress),
            eid,
            iccid: order.iccid.clone(),
            seq_number: i64::from(data.notification_metadata.seq_number),
            event: event(&data.notification_metadata),
            signed: result.data.bytes.to_vec(),
            raw: result.to_der(),
            at: smdp.clock.now(),
        };
        let told = FinalResultError::of(&data.final_result).map(|error| (order.clone(), error));
        let change = next_state(smdp, order, &data.final_result);
        // An error that is told again says nothing new: an order that was reset by hand since stays as it is.
        if matches!((&change, &data.final_result), (ResultChange::Order(_), FinalResult::Error { .. }))
            && smdp.store.has_notification(&notification).await?
        {
            return Ok(Ok(Recorded::Repeated));
        }
        match smdp.store.record_notification(&notification, change).await {
            Ok(recorded) => {
                if let (Some((order, error)), Recorded::New) = (&told, recorded) {
                    failures::keep_told(smdp, order, "HandleNotification", None, &error.to_string()).await;
                }
                // Nothing more can come in this session.
                if let Some(session) = session {
                    session.end();
                }
                return Ok(Ok(recorded));
            }
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(HandleNotificationError::Race)
}

/// What an errorResult tells people.
#[derive(Debug, thiserror::Error)]
#[error("the eUICC did not install the profile: {} ({code}) at command {command}", self.name())]
struct FinalResultError {
    code: u32,
    command: u32,
}

impl FinalResultError {
    const fn of(result: &FinalResult<'_>) -> Option<Self> {
        match result {
            FinalResult::Success { .. } => None,
            FinalResult::Error { bpp_command_id: command, error_reason: code, .. } => {
                Some(Self { code: *code, command: *command })
            }
        }
    }

    fn name(&self) -> &'static str {
        error_reason::name(self.code).unwrap_or("a reason of a later version")
    }
}

/// Installed, Error, or as it was: temporary errors leave the order downloadable (3.1.5), and a result that comes again
/// or after the order's end changes nothing.
fn next_state(smdp: &Smdp, order: Order, result: &FinalResult<'_>) -> ResultChange {
    let now = smdp.clock.now();
    let next = match result {
        FinalResult::Success { .. } => order.install(now),
        FinalResult::Error { error_reason: reason, .. } => match *reason {
            error_reason::INSUFFICIENT_MEMORY | error_reason::INTERRUPTION => return ResultChange::None,
            permanent => match &order.state {
                State::Downloaded(_) => order.fail(ErrorReason::Installation(i64::from(permanent)), now),
                _ => return ResultChange::None,
            },
        },
    };
    next.map_or(ResultChange::None, |order| ResultChange::Order(Box::new(order)))
}

/// Enabled, disabled, deleted, about a profile that is bound to the sender.
async fn other_notification(
    smdp: &Smdp,
    other: &OtherSignedNotification<'_>,
) -> Result<Result<Recorded, Refused>, HandleNotificationError> {
    let metadata = &other.tbs.value;
    let Some(iccid) = metadata.iccid.and_then(|iccid| Iccid::from_bcd(iccid).ok()) else {
        return Ok(Err(Refused::UnknownProfile));
    };
    let Some((order, binding)) = smdp.store.latest_download(&iccid).await? else {
        return Ok(Err(Refused::UnknownProfile));
    };
    // The key that the package was bound to vouches for its eUICC even when the certificates ran out since.
    let known = PublicKey::from_point_of_any_curve(&binding.euicc_public_key)
        .is_ok_and(|key| key.verify(other.tbs.bytes, other.signature).is_ok());
    let sender = if known { Ok(binding.eid) } else { certified_sender(smdp, other) };
    let eid = match sender {
        Ok(eid) if order.eid() == Some(&eid) => eid,
        Ok(eid) => return Ok(Err(Refused::OtherEuicc(eid))),
        Err(refused) => return Ok(Err(refused)),
    };
    let event = event(metadata);
    let callback =
        event.run_time_state().and_then(|state| smdp.callback(&order, Some(&eid), Progress::RunTime(state)));
    let notification = NewNotification {
        callback,
        eid,
        iccid,
        seq_number: i64::from(metadata.seq_number),
        event,
        signed: other.tbs.bytes.to_vec(),
        raw: other.to_der(),
        at: smdp.clock.now(),
    };
    Ok(Ok(smdp.store.record_notification(&notification, ResultChange::None).await?))
}

/// Who signed, by the certificates that the notification brings: the eUICC may have another key for another CI.
fn certified_sender(smdp: &Smdp, other: &OtherSignedNotification<'_>) -> Result<Eid, Refused> {
    let now = smdp.clock.now();
    let refused = |error: &dyn std::fmt::Display| Refused::Certificate(error.to_string());
    let eum = Certificate::from_der(other.eum_certificate).map_err(|error| refused(&error))?;
    let eum = smdp.anchors.verify_eum(&eum, now).map_err(|error| refused(&error))?;
    let certificate = Certificate::from_der(other.euicc_certificate).map_err(|error| refused(&error))?;
    let euicc = verify_euicc(&eum, &certificate, now).map_err(|error| refused(&error))?;
    euicc.public_key().verify(other.tbs.bytes, other.signature).map_err(|_| Refused::Signature)?;
    Ok(euicc.eid().clone())
}

/// One bit is set; the lowest one counts if a card sets several.
fn event(metadata: &NotificationMetadata<'_>) -> ProfileEvent {
    ProfileEvent::from_bit(u8::try_from(metadata.operation.0.trailing_zeros()).unwrap_or(u8::MAX))
}
