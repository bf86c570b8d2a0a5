//! ES2+.CancelOrder (SGP.22 5.3.3): the operator takes its order back.
//!
//! The order's data is erased. A session that is open for it finds another order, or none, at its next call. Repeated,
//! there is no order any more: 8.2.1/3.3, which tells the caller that its first call was heard.

use super::RACES;
use super::orders::{Caller, NotYours, Orders};
use super::status::{FunctionError, Reason, Subject};
use crate::binding::es2plus::{CancelOrderRequest, FinalProfileStatus};
use crate::domain::{Action, AuditSubject, FinalStatus, StateName};
use crate::ident::Iccid;
use crate::store::StoreError;

/// Why an order is not cancelled; one variant for each rule of 5.3.3.
#[derive(Debug, thiserror::Error)]
pub enum CancelOrderError {
    /// finalProfileStatusIndicator is not given: whether the profile goes back to the stock is not guessed.
    #[error("finalProfileStatusIndicator is needed")]
    StatusMissing,
    /// No such profile.
    #[error("profile {0} is unknown")]
    UnknownIccid(Iccid),
    /// The profile belongs to another operator.
    #[error("profile {0} is not the caller's")]
    NotAllowed(Iccid),
    /// There is no order, or the profile is downloaded; or it was, and cannot go back to the stock.
    #[error("the order of profile {iccid}, which is {state}, cannot be cancelled")]
    NotCancellable {
        /// The profile.
        iccid: Iccid,
        /// Its state.
        state: StateName,
    },
    /// matchingId is not the order's.
    #[error("matchingId is not the one of the order of profile {0}")]
    OtherMatchingId(Iccid),
    /// eid is not the one that the order is linked to.
    #[error("eid is not the one of the order of profile {0}")]
    OtherEid(Iccid),
    /// The order changed again and again under this call.
    #[error("the order of profile {0} changes too fast")]
    Race(Iccid),
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[from] StoreError),
}

impl FunctionError for CancelOrderError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::StatusMissing => (Subject::ProfileIccid, Reason::MandatoryElementMissing),
            Self::UnknownIccid(_) => (Subject::ProfileIccid, Reason::Unknown),
            Self::NotAllowed(_) => (Subject::ProfileIccid, Reason::NotAllowed),
            Self::NotCancellable { .. } => (Subject::ProfileIccid, Reason::AlreadyInUse),
            Self::OtherMatchingId(_) => (Subject::MatchingId, Reason::InvalidAssociation),
            Self::OtherEid(_) => (Subject::Eid, Reason::InvalidAssociation),
            Self::Race(_) | Self::Store(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Store(cause) = self { Some(cause) } else { None }
    }
}

/// Cancels an order of the caller's.
///
/// # Errors
/// [`CancelOrderError`]; the order stays as it was then.
pub async fn cancel_order(
    orders: &Orders,
    caller: &Caller,
    request: &CancelOrderRequest,
) -> Result<(), CancelOrderError> {
    let iccid = &request.iccid;

    // 1. What becomes of the profile is said.
    let status = match request.final_profile_status_indicator {
        Some(FinalProfileStatus::Available) => FinalStatus::Available,
        Some(FinalProfileStatus::Unavailable) => FinalStatus::Unavailable,
        None => return Err(CancelOrderError::StatusMissing),
    };
    for _ in 0..RACES {
        // 2., 3. The profile exists and is the caller's.
        let order = orders.order_of(caller, iccid).await.map_err(|error| match error {
            NotYours::Unknown => CancelOrderError::UnknownIccid(iccid.clone()),
            NotYours::OtherOwner => CancelOrderError::NotAllowed(iccid.clone()),
            NotYours::Store(cause) => CancelOrderError::Store(cause),
        })?;

        // 4. There is an order, and no eUICC has it.
        let linked = order.linked_eid().cloned();
        let matching_id = order.matching_id().filter(|id| !id.is_empty()).cloned();
        let cancelled = order.cancel(status).map_err(|refused| CancelOrderError::NotCancellable {
            iccid: iccid.clone(),
            state: refused.from,
        })?;

        // 5. Where the order has a matching identifier, it is given; an empty one is none.
        if matching_id.is_some() && request.matching_id != matching_id {
            return Err(CancelOrderError::OtherMatchingId(iccid.clone()));
        }

        // 6. So is the EID.
        if linked.is_some() && request.eid != linked {
            return Err(CancelOrderError::OtherEid(iccid.clone()));
        }

        // 7. to 9. The order is erased.
        let entry =
            orders.audit_entry(caller, Action::ORDER_CANCEL, AuditSubject::profile(iccid), &request.header);
        match orders.store.save_audited(cancelled, entry).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict) => {}
            Err(cause) => return Err(CancelOrderError::Store(cause)),
        }
    }
    Err(CancelOrderError::Race(iccid.clone()))
}
