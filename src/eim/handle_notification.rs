//! ESipa.HandleNotification (SGP.32 5.14.7): notifications for their receivers, or a package result that needs no answer.
//!
//! The answer is empty whatever came, and says that it is kept: the device forgets it then. Only what could not be kept is
//! asked for again. Repeated, nothing changes.

use simyard_asn1::iot::esipa::HandleNotification;

use super::Eim;
use super::caller::DeviceCaller;
use super::forward::{self, Bringer, Taken};
use super::provide_eim_package_result::{ProvideEimPackageResultError, provide_eim_package_result};
use crate::store::StoreError;

/// Why a notification could not be kept: the device brings it again.
#[derive(Debug, thiserror::Error)]
pub enum HandleNotificationError {
    /// Too many notifications of this eUICC could not be brought to their receivers yet.
    #[error("too many notifications of this eUICC wait for their receivers")]
    Full,
    /// The eUICC changed again and again while it was read.
    #[error("the eUICC is in use")]
    Race,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// Keeps what a device brings.
///
/// # Errors
/// [`HandleNotificationError`] if it could not be kept.
pub async fn handle_notification(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &HandleNotification,
) -> Result<(), HandleNotificationError> {
    match request {
        HandleNotification::PendingNotification(notification) => {
            let bringer = Bringer { caller, signed_for: None };
            let taken = forward::take(eim, &bringer, std::slice::from_ref(notification)).await?;
            match taken.first() {
                Some(Taken::Full) => Err(HandleNotificationError::Full),
                Some(Taken::Kept { .. } | Taken::Refused) | None => Ok(()),
            }
        }
        HandleNotification::ProvideEimPackageResult(result) => {
            match provide_eim_package_result(eim, caller, result).await {
                Ok(_) => Ok(()),
                // Whatever else is wrong with it is recorded, and no better the next time.
                Err(ProvideEimPackageResultError::Store(error)) => Err(error.into()),
                Err(ProvideEimPackageResultError::Race) => Err(HandleNotificationError::Race),
                Err(error) => {
                    tracing::info!(peer = %caller.peer(), %error, "a result that came as a notification is refused");
                    Ok(())
                }
            }
        }
    }
}
