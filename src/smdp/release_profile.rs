//! ES2+.ReleaseProfile (SGP.22 5.3.4): the operator lets a confirmed order be downloaded.
//!
//! Repeated before the download, it succeeds again. Before ConfirmOrder, or where ConfirmOrder released the order
//! itself, it is an invalid transition.

use super::RACES;
use super::orders::{Caller, NotYours, Orders};
use super::status::{FunctionError, Reason, Subject};
use crate::binding::es2plus::ReleaseProfileRequest;
use crate::domain::{Action, AuditSubject, StateName, System};
use crate::ident::Iccid;
use crate::store::StoreError;

/// Why a profile is not released; one variant for each rule of 5.3.4.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseProfileError {
    /// No such profile.
    #[error("profile {0} is unknown")]
    UnknownIccid(Iccid),
    /// The profile belongs to another operator.
    #[error("profile {0} is not the caller's")]
    NotAllowed(Iccid),
    /// The order is not confirmed, or is past its release.
    #[error("profile {iccid} is {state}, not Confirmed")]
    NotConfirmed {
        /// The profile.
        iccid: Iccid,
        /// Its state.
        state: StateName,
    },
    /// A system without which the SIM does not work has nothing of the profile, and the type demands that it has.
    #[error("profile {iccid} was not delivered to the {system} yet, and is not released before")]
    NotDelivered {
        /// The profile.
        iccid: Iccid,
        /// The system.
        system: System,
    },
    /// The order changed again and again under this call.
    #[error("the order of profile {0} changes too fast")]
    Race(Iccid),
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[from] StoreError),
}

impl FunctionError for ReleaseProfileError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::UnknownIccid(_) => (Subject::ProfileIccid, Reason::Unknown),
            Self::NotAllowed(_) => (Subject::ProfileIccid, Reason::NotAllowed),
            Self::NotConfirmed { .. } | Self::NotDelivered { .. } => {
                (Subject::ProfileIccid, Reason::InvalidTransition)
            }
            Self::Race(_) | Self::Store(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Store(cause) = self { Some(cause) } else { None }
    }
}

/// Releases a confirmed order of the caller's.
///
/// # Errors
/// [`ReleaseProfileError`]; the order stays as it was then.
pub async fn release_profile(
    orders: &Orders,
    caller: &Caller,
    request: &ReleaseProfileRequest,
) -> Result<(), ReleaseProfileError> {
    let iccid = &request.iccid;
    for _ in 0..RACES {
        // 1., 2. The profile exists and is the caller's.
        let order = orders.order_of(caller, iccid).await.map_err(|error| match error {
            NotYours::Unknown => ReleaseProfileError::UnknownIccid(iccid.clone()),
            NotYours::OtherOwner => ReleaseProfileError::NotAllowed(iccid.clone()),
            NotYours::Store(cause) => ReleaseProfileError::Store(cause),
        })?;

        // 3. Its order is Confirmed, or an earlier call released it.
        if order.is_repeated_release_profile() {
            return Ok(());
        }
        let released = order.release(orders.clock.now()).map_err(|refused| {
            ReleaseProfileError::NotConfirmed { iccid: iccid.clone(), state: refused.from }
        })?;

        // Other systems have what they need.
        if let Some(system) = orders.not_delivered(&released).await? {
            return Err(ReleaseProfileError::NotDelivered { iccid: iccid.clone(), system });
        }

        // 4. It is Released.
        let entry =
            orders.audit_entry(caller, Action::ORDER_RELEASE, AuditSubject::profile(iccid), &request.header);
        match orders.store.save_audited(released, entry).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict) => {}
            Err(cause) => return Err(ReleaseProfileError::Store(cause)),
        }
    }
    Err(ReleaseProfileError::Race(iccid.clone()))
}
