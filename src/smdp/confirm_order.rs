//! ES2+.ConfirmOrder (SGP.22 5.3.2): the operator finishes its order, and may release it.
//!
//! Repeated with the same parameters, it gets the same answer as long as the order is in the state that the first call
//! left; with other parameters the profile is in use. An order is not announced to an SM-DS yet: a call that names one
//! is refused as if it could not be reached, and the order stays as it was.

use super::RACES;
use super::orders::{Caller, NotYours, Orders};
use super::status::{FunctionError, Reason, Subject};
use crate::binding::es2plus::{ConfirmOrderRequest, ConfirmOrderResponse};
use crate::crypto::hash::code_hash;
use crate::domain::{
    Action, AuditSubject, CodeHash, ConfirmOrderParameters, Confirmation, InvalidTransition,
    MatchingIdOrigin, Order, ReleaseTime, StateName, System,
};
use crate::ident::{Eid, Iccid, MatchingId, ServerAddress};
use crate::store::{Constraint, StoreError};

/// Why an order is not confirmed; one variant for each rule of 5.3.2.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmOrderError {
    /// No such profile.
    #[error("profile {0} is unknown")]
    UnknownIccid(Iccid),
    /// The profile belongs to another operator.
    #[error("profile {0} is not the caller's")]
    NotAllowed(Iccid),
    /// The profile is not reserved, or its order is confirmed already.
    #[error("profile {iccid} is {state}, not reserved")]
    NotReserved {
        /// The profile.
        iccid: Iccid,
        /// Its state.
        state: StateName,
    },
    /// The order is linked to another EID.
    #[error("the order of profile {iccid} is for another EID than {given}")]
    OtherEid {
        /// The profile.
        iccid: Iccid,
        /// The EID given.
        given: Eid,
    },
    /// An SM-DS or the empty matching identifier leads to the order by its EID alone, and it has none.
    #[error("the order of profile {0} needs an EID")]
    EidMissing(Iccid),
    /// Another order has this matching identifier.
    #[error("matching identifier {0} is in use")]
    MatchingIdInUse(MatchingId),
    /// A system without which the SIM does not work has nothing of the profile, and the type demands that it has.
    #[error("profile {iccid} was not delivered to the {system} yet, and is not released before")]
    NotDelivered {
        /// The profile.
        iccid: Iccid,
        /// The system.
        system: System,
    },
    /// Orders cannot be announced to an SM-DS.
    #[error("SM-DS {0} cannot be reached: this server announces no orders")]
    SmdsInaccessible(ServerAddress),
    /// The order changed again and again under this call.
    #[error("the order of profile {0} changes too fast")]
    Race(Iccid),
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[from] StoreError),
}

impl FunctionError for ConfirmOrderError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::UnknownIccid(_) => (Subject::ProfileIccid, Reason::Unknown),
            Self::NotAllowed(_) => (Subject::ProfileIccid, Reason::NotAllowed),
            Self::NotReserved { .. } => (Subject::ProfileIccid, Reason::AlreadyInUse),
            Self::OtherEid { .. } => (Subject::Eid, Reason::InvalidAssociation),
            Self::EidMissing(_) => (Subject::Eid, Reason::MandatoryElementMissing),
            Self::MatchingIdInUse(_) => (Subject::MatchingId, Reason::AlreadyInUse),
            Self::NotDelivered { .. } => (Subject::ProfileIccid, Reason::InvalidTransition),
            Self::SmdsInaccessible(_) => (Subject::SmDs, Reason::Inaccessible),
            Self::Race(_) | Self::Store(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Store(cause) = self { Some(cause) } else { None }
    }
}

/// Confirms an order of the caller's. An empty confirmation code is none.
///
/// # Errors
/// [`ConfirmOrderError`]; the order stays as it was then.
pub async fn confirm_order(
    orders: &Orders,
    caller: &Caller,
    request: &ConfirmOrderRequest,
) -> Result<ConfirmOrderResponse, ConfirmOrderError> {
    let iccid = &request.iccid;
    let parameters = parameters(request);
    for _ in 0..RACES {
        // 1., 2. The profile exists and is the caller's.
        let order = orders.order_of(caller, iccid).await.map_err(|error| match error {
            NotYours::Unknown => ConfirmOrderError::UnknownIccid(iccid.clone()),
            NotYours::OtherOwner => ConfirmOrderError::NotAllowed(iccid.clone()),
            NotYours::Store(cause) => ConfirmOrderError::Store(cause),
        })?;

        // 3. It is reserved, or this call confirmed it before.
        if request.smds_address.is_none() && order.is_repeated_confirm_order(&parameters) {
            return answer(orders, &order);
        }
        let linked = order.linked_eid().cloned();
        let confirmed = confirm(orders, order, &parameters).map_err(|refused| {
            ConfirmOrderError::NotReserved { iccid: iccid.clone(), state: refused.from }
        })?;

        // 4. An EID given here and one given before are the same.
        if let (Some(given), Some(linked)) = (&request.eid, &linked)
            && given != linked
        {
            return Err(ConfirmOrderError::OtherEid { iccid: iccid.clone(), given: given.clone() });
        }

        // 5. What leads to the order by its EID needs one.
        let by_eid =
            request.smds_address.is_some() || request.matching_id.as_ref().is_some_and(MatchingId::is_empty);
        if by_eid && request.eid.is_none() && linked.is_none() {
            return Err(ConfirmOrderError::EidMissing(iccid.clone()));
        }

        // 9. The event at the SM-DS.
        if let Some(address) = &request.smds_address {
            return Err(ConfirmOrderError::SmdsInaccessible(address.clone()));
        }

        // 10. Before it is Released, other systems have what they need.
        if request.release_flag
            && let Some(system) = orders.not_delivered(&confirmed).await?
        {
            return Err(ConfirmOrderError::NotDelivered { iccid: iccid.clone(), system });
        }

        // 6. to 11. The matching identifier is unique; the answer, once all is durable.
        let entry =
            orders.audit_entry(caller, Action::ORDER_CONFIRM, AuditSubject::profile(iccid), &request.header);
        match orders.store.save_audited(confirmed, entry).await {
            Ok(order) => return answer(orders, &order),
            Err(StoreError::InUse(Constraint::MatchingId)) => {
                // A drawn identifier that is in use is drawn again.
                if let Some(given) = &request.matching_id {
                    return Err(ConfirmOrderError::MatchingIdInUse(given.clone()));
                }
            }
            Err(StoreError::Conflict) => {}
            Err(cause) => return Err(ConfirmOrderError::Store(cause)),
        }
    }
    Err(ConfirmOrderError::Race(iccid.clone()))
}

fn parameters(request: &ConfirmOrderRequest) -> ConfirmOrderParameters {
    let code = request.confirmation_code.as_ref().filter(|code| !code.is_empty());
    ConfirmOrderParameters {
        eid: request.eid.clone(),
        matching_id: request.matching_id.clone(),
        code_hash: code.map(|code| CodeHash::from_octets(code_hash(code))),
        release_time: if request.release_flag { ReleaseTime::AtOnce } else { ReleaseTime::Later },
    }
}

fn confirm(
    orders: &Orders,
    order: Order,
    parameters: &ConfirmOrderParameters,
) -> Result<Order, InvalidTransition> {
    let now = orders.clock.now();
    order.confirm(|reservation, ordered_eid| Confirmation {
        reservation,
        ordered_eid,
        confirmed_eid: parameters.eid.clone(),
        // 7. Without a matching identifier of the operator's, the server draws one.
        matching_id: parameters.matching_id.clone().unwrap_or_else(|| MatchingId::generate(&orders.rng)),
        matching_id_origin: match parameters.matching_id {
            Some(_) => MatchingIdOrigin::Operator,
            None => MatchingIdOrigin::Generated,
        },
        code_hash: parameters.code_hash.clone(),
        release_time: parameters.release_time,
        at: now,
        expires_at: orders.settings.validity.map(|validity| now.plus(validity)),
    })
}

fn answer(orders: &Orders, order: &Order) -> Result<ConfirmOrderResponse, ConfirmOrderError> {
    let not_reserved =
        || ConfirmOrderError::NotReserved { iccid: order.iccid.clone(), state: order.state_name() };
    Ok(ConfirmOrderResponse {
        eid: order.linked_eid().cloned(),
        matching_id: order.matching_id().cloned().ok_or_else(not_reserved)?,
        smdp_address: orders.settings.smdp_address.clone(),
    })
}
