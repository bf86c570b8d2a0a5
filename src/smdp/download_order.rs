//! ES2+.DownloadOrder (SGP.22 5.3.1): an operator reserves a profile, by ICCID or by type.
//!
//! Repeated with the same parameters, a call that names an ICCID gets the same answer as long as the order is not
//! confirmed; one that names only a type gets the same ICCID if it comes under the same call identifier within the
//! repetition window, and otherwise a new one. With other parameters the ICCID is in use.

use super::RACES;
use super::orders::{Caller, NotYours, Orders, call_identity};
use super::status::{FunctionError, Reason, Subject};
use crate::binding::es2plus::{DownloadOrderRequest, DownloadOrderResponse};
use crate::domain::{
    Action, AuditSubject, DownloadOrderParameters, NamedBy, ProfileType, Reservation, Terms,
};
use crate::ident::Iccid;
use crate::store::StoreError;

/// Why no profile is reserved; one variant for each rule of 5.3.1.
#[derive(Debug, thiserror::Error)]
pub enum DownloadOrderError {
    /// Neither iccid nor profileType is given.
    #[error("iccid or profileType is needed")]
    NothingNamed,
    /// No such profile.
    #[error("profile {0} is unknown")]
    UnknownIccid(Iccid),
    /// The profile belongs to another operator.
    #[error("profile {0} is not the caller's")]
    NotAllowed(Iccid),
    /// The profile is reserved, or was used.
    #[error("profile {0} is not available")]
    NotAvailable(Iccid),
    /// The profile is of another type than the one given.
    #[error("profile {iccid} is not of type {profile_type}")]
    OtherType {
        /// The profile.
        iccid: Iccid,
        /// The type given.
        profile_type: String,
    },
    /// No such type.
    #[error("profile type {0:?} is unknown")]
    UnknownType(String),
    /// The caller owns no profile of this type.
    #[error("profile type {0} is not the caller's")]
    TypeNotAllowed(ProfileType),
    /// The stock of this type is used up.
    #[error("no profile of type {0} is available")]
    NoneLeft(ProfileType),
    /// The order changed again and again under this call.
    #[error("the order of profile {0} changes too fast")]
    Race(Iccid),
    /// The store failed.
    #[error("the order could not be read or written")]
    Store(#[from] StoreError),
}

impl FunctionError for DownloadOrderError {
    fn status(&self) -> (Subject, Reason) {
        match self {
            Self::NothingNamed => (Subject::Function, Reason::ConditionalElementMissing),
            Self::UnknownIccid(_) => (Subject::ProfileIccid, Reason::Unknown),
            Self::NotAllowed(_) => (Subject::ProfileIccid, Reason::NotAllowed),
            Self::NotAvailable(_) => (Subject::ProfileIccid, Reason::AlreadyInUse),
            Self::OtherType { .. } => (Subject::ProfileType, Reason::Refused),
            Self::UnknownType(_) => (Subject::ProfileType, Reason::Unknown),
            Self::TypeNotAllowed(_) => (Subject::ProfileType, Reason::NotAllowed),
            Self::NoneLeft(_) => (Subject::ProfileType, Reason::Unavailable),
            Self::Race(_) | Self::Store(_) => (Subject::Function, Reason::ExecutionError),
        }
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Store(cause) = self { Some(cause) } else { None }
    }
}

/// Reserves a profile of the caller's.
///
/// # Errors
/// [`DownloadOrderError`]; nothing is reserved then.
pub async fn download_order(
    orders: &Orders,
    caller: &Caller,
    request: &DownloadOrderRequest,
) -> Result<DownloadOrderResponse, DownloadOrderError> {
    let iccid = match (&request.iccid, &request.profile_type) {
        (Some(iccid), _) => by_iccid(orders, caller, iccid, request).await?,
        (None, Some(profile_type)) => by_type(orders, caller, profile_type, request).await?,
        (None, None) => return Err(DownloadOrderError::NothingNamed),
    };
    Ok(DownloadOrderResponse { iccid })
}

async fn by_iccid(
    orders: &Orders,
    caller: &Caller,
    iccid: &Iccid,
    request: &DownloadOrderRequest,
) -> Result<Iccid, DownloadOrderError> {
    let named_by = if request.profile_type.is_some() { NamedBy::IccidAndType } else { NamedBy::Iccid };
    let call = call_identity(&request.header);
    let parameters = DownloadOrderParameters { call, named_by, eid: request.eid.clone() };
    for _ in 0..RACES {
        // 1., 2. The profile exists and is the caller's.
        let order = orders.order_of(caller, iccid).await.map_err(|error| match error {
            NotYours::Unknown => DownloadOrderError::UnknownIccid(iccid.clone()),
            NotYours::OtherOwner => DownloadOrderError::NotAllowed(iccid.clone()),
            NotYours::Store(cause) => DownloadOrderError::Store(cause),
        })?;

        // 3. It is available, or this call reserved it before. 8. The order is linked if an EID is given.
        let other_type = request.profile_type.as_ref().filter(|given| *given != order.profile_type.as_str());
        let repeated = other_type.is_none() && order.is_repeated_download_order(&parameters);
        let reservation = Reservation {
            call: parameters.call.clone(),
            named_by,
            at: orders.clock.now(),
            terms: Terms::default(),
        };
        let reserved = order.reserve(reservation, request.eid.clone());
        if !repeated && reserved.is_err() {
            return Err(DownloadOrderError::NotAvailable(iccid.clone()));
        }

        // 4. A type given beside the ICCID is the profile's.
        if let Some(profile_type) = other_type {
            let (iccid, profile_type) = (iccid.clone(), profile_type.clone());
            return Err(DownloadOrderError::OtherType { iccid, profile_type });
        }

        // 9. The answer, once the reservation is durable.
        let Ok(reserved) = reserved else { return Ok(iccid.clone()) };
        let entry =
            orders.audit_entry(caller, Action::ORDER_CREATE, AuditSubject::profile(iccid), &request.header);
        match orders.store.save_audited(reserved, entry).await {
            Ok(order) => return Ok(order.iccid),
            Err(StoreError::Conflict) => {}
            Err(cause) => return Err(DownloadOrderError::Store(cause)),
        }
    }
    Err(DownloadOrderError::Race(iccid.clone()))
}

async fn by_type(
    orders: &Orders,
    caller: &Caller,
    profile_type: &str,
    request: &DownloadOrderRequest,
) -> Result<Iccid, DownloadOrderError> {
    // 5. The type is known.
    let unknown = || DownloadOrderError::UnknownType(profile_type.chars().take(64).collect());
    let profile_type = ProfileType::parse(profile_type).ok_or_else(unknown)?;
    let owners = orders.store.owners_of_type(&profile_type).await?;
    if owners.is_empty() {
        return Err(unknown());
    }

    // 6. The caller may use it.
    if !owners.contains(&caller.operator) {
        return Err(DownloadOrderError::TypeNotAllowed(profile_type));
    }

    // 7. to 9. The next available profile is taken, or the one that this call took before.
    let call = call_identity(&request.header);
    let parameters = DownloadOrderParameters { call, named_by: NamedBy::Type, eid: request.eid.clone() };
    let window = orders.settings.repetition_window;
    let subject = AuditSubject::new("profile_type", profile_type.as_str());
    let entry = orders.audit_entry(caller, Action::ORDER_CREATE, subject, &request.header);
    let (owner, now) = (&caller.operator, orders.clock.now());
    let taken = orders.store.take_by_type(owner, &profile_type, &parameters, now, window, Some(entry));
    taken.await?.ok_or(DownloadOrderError::NoneLeft(profile_type))
}
