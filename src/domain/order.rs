//! A profile at the SM-DP+ and the order for it (SGP.22 3.1.6).
//!
//! One [`Order`] stands for one ICCID from the day it enters the stock: the profile is the order's subject, and a
//! profile nobody ordered is an order in state Available. A transition takes the order and returns the next one, or
//! says which state refused which event. The store writes what comes out; it decides nothing.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, Imsi, MatchingId};

/// The longest name of an operator, a profile type, or a caller's identifier, in octets.
pub const NAME_MAX: usize = 128;

/// Texts agreed with the operator: compared by exact text, 1 to [`NAME_MAX`] octets without control characters.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Takes the text; `None` if it is empty, longer than [`NAME_MAX`] octets or has control characters.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let fits = (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
                fits.then(|| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An operator: the owner of profiles, known on ES2+ by its certificate.
    Operator
);
name!(
    /// A kind of profile agreed with the operator, such as `P9054-2` (`profileType` of ES2+).
    ProfileType
);

/// How an ES2+ caller marked its call (6.5.1.3). Neither text is a proof of anything: they only recognise repetitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallIdentity {
    /// `functionRequesterIdentifier`, cut to [`NAME_MAX`] octets.
    pub requester: String,
    /// `functionCallIdentifier`, cut to [`NAME_MAX`] octets; clients repeat themselves here.
    pub call_identifier: String,
}

impl CallIdentity {
    /// Takes both texts, each cut at a character boundary to at most [`NAME_MAX`] octets.
    #[must_use]
    pub fn new(requester: &str, call_identifier: &str) -> Self {
        let cut = |text: &str| text.get(..text.floor_char_boundary(NAME_MAX)).unwrap_or_default().to_owned();
        Self { requester: cut(requester), call_identifier: cut(call_identifier) }
    }
}

/// The SHA-256 of a confirmation code (4.7). Codes are short, so the hash is treated like the code: no `Debug` of it.
#[derive(Clone)]
pub struct CodeHash([u8; 32]);

impl CodeHash {
    /// Takes the 32 octets.
    #[must_use]
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets.
    #[must_use]
    pub const fn as_octets(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for CodeHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CodeHash {}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash(..)")
    }
}

/// How DownloadOrder named the profile (5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// By ICCID alone.
    Iccid,
    /// By ICCID, with the profile type beside it.
    IccidAndType,
    /// By profile type: the server chose the ICCID.
    Type,
}

/// What DownloadOrder left (5.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Who called, and under which call identifier.
    pub call: CallIdentity,
    /// How the profile was named.
    pub named_by: NamedBy,
    /// When.
    pub at: Timestamp,
}

/// Whose matching identifier it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchingIdOrigin {
    /// ConfirmOrder gave it; empty in the default SM-DP+ address use case.
    Operator,
    /// ConfirmOrder gave none: the server drew it.
    Generated,
}

/// The `releaseFlag` of ConfirmOrder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseTime {
    /// The flag was true: the order is released at once.
    AtOnce,
    /// The flag was false: ReleaseProfile will follow.
    Later,
}

/// What ConfirmOrder left (5.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// What DownloadOrder left.
    pub reservation: Reservation,
    /// The EID that DownloadOrder gave.
    pub ordered_eid: Option<Eid>,
    /// The EID that ConfirmOrder gave.
    pub confirmed_eid: Option<Eid>,
    /// The matching identifier, unique among orders unless empty.
    pub matching_id: MatchingId,
    /// Who chose it.
    pub matching_id_origin: MatchingIdOrigin,
    /// The hash of the confirmation code, if one is asked for.
    pub code_hash: Option<CodeHash>,
    /// The `releaseFlag`.
    pub release_time: ReleaseTime,
    /// When ConfirmOrder came.
    pub at: Timestamp,
    /// From when on the order is refused with 8.8.5/4.10.
    pub expires_at: Option<Timestamp>,
}

impl Confirmation {
    /// The EID the order is linked to: both calls give the same one, or only one of them gives one.
    #[must_use]
    pub fn linked_eid(&self) -> Option<&Eid> {
        self.ordered_eid.as_ref().or(self.confirmed_eid.as_ref())
    }
}

/// What is counted over the life of a released order (3.1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// AuthenticateClient calls that reached the order.
    pub download: u32,
    /// Wrong confirmation codes.
    pub confirmation: u32,
}

/// An order ready for download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What ConfirmOrder left.
    pub confirmation: Confirmation,
    /// What was counted since.
    pub attempts: Attempts,
}

/// An order whose bound profile package was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The order as it was released.
    pub release: Release,
    /// The eUICC it is bound to, for good.
    pub bound: Bound,
}

/// The eUICC that got a package, and when it got the latest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The eUICC.
    pub eid: Eid,
    /// When the latest package was bound.
    pub at: Timestamp,
}

/// An order that reached its end: the eUICC holds the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The download that led here.
    pub download: Download,
    /// When the result came.
    pub at: Timestamp,
    /// What later notifications said, `None` before the first.
    pub run_time: Option<RunTimeState>,
}

/// An order that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The order as it was released.
    pub release: Release,
    /// The eUICC that got a package, if one did: such a profile never returns to the stock.
    pub bound: Option<Bound>,
    /// Why it failed.
    pub reason: ErrorReason,
    /// When.
    pub at: Timestamp,
}

/// Why an order is in state Error (3.1.5, 3.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorReason {
    /// The download attempts are used up.
    DownloadAttempts,
    /// The confirmation code attempts are used up.
    ConfirmationAttempts,
    /// The order expired.
    Expired,
    /// The eUICC or the device is not eligible (5.6.3).
    NotEligible,
    /// CancelSession with a terminal reason: the integer of `CancelSessionReason`.
    Cancelled(i64),
    /// A permanent installation error: the integer of `ErrorReason` in the ProfileInstallationResult.
    Installation(i64),
}

/// What HandleNotification said about an installed profile (3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTimeState {
    /// Enabled.
    Enabled,
    /// Disabled.
    Disabled,
    /// Deleted from the eUICC.
    Deleted,
}

/// The event of a notification: one bit of `profileManagementOperation` (3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileEvent {
    /// Bit 0: a ProfileInstallationResult, of either outcome.
    Install,
    /// Bit 1.
    Enable,
    /// Bit 2.
    Disable,
    /// Bit 3.
    Delete,
    /// A bit that this version of the standard does not give to profiles.
    Other(u8),
}

impl ProfileEvent {
    /// The event of a bit number.
    #[must_use]
    pub const fn from_bit(bit: u8) -> Self {
        match bit {
            0 => Self::Install,
            1 => Self::Enable,
            2 => Self::Disable,
            3 => Self::Delete,
            other => Self::Other(other),
        }
    }

    /// The bit number of this event.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Install => 0,
            Self::Enable => 1,
            Self::Disable => 2,
            Self::Delete => 3,
            Self::Other(bit) => bit,
        }
    }

    /// The run-time state that follows; an installation result says nothing about it.
    #[must_use]
    pub const fn run_time_state(self) -> Option<RunTimeState> {
        match self {
            Self::Enable => Some(RunTimeState::Enabled),
            Self::Disable => Some(RunTimeState::Disabled),
            Self::Delete => Some(RunTimeState::Deleted),
            Self::Install | Self::Other(_) => None,
        }
    }
}

/// `finalProfileStatusIndicator` of CancelOrder (5.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalStatus {
    /// Back to the stock.
    Available,
    /// Never to be used again.
    Unavailable,
}

/// The state of a profile at the SM-DP+ and what belongs to it (3.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// In stock, not reserved.
    Available,
    /// Reserved, for no particular eUICC.
    Allocated(Reservation),
    /// Reserved for an eUICC.
    Linked {
        /// What DownloadOrder left.
        reservation: Reservation,
        /// The eUICC.
        eid: Eid,
    },
    /// A matching identifier is assigned; not released.
    Confirmed(Confirmation),
    /// Ready for download.
    Released(Release),
    /// A bound profile package was handed over.
    Downloaded(Download),
    /// The eUICC reported success.
    Installed(Installation),
    /// Failed for good.
    Error(Failure),
    /// Cannot be used again.
    Unavailable,
}

/// The names of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// [`State::Available`].
    Available,
    /// [`State::Allocated`].
    Allocated,
    /// [`State::Linked`].
    Linked,
    /// [`State::Confirmed`].
    Confirmed,
    /// [`State::Released`].
    Released,
    /// [`State::Downloaded`].
    Downloaded,
    /// [`State::Installed`].
    Installed,
    /// [`State::Error`].
    Error,
    /// [`State::Unavailable`].
    Unavailable,
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What may happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// [`Order::reserve`].
    Reserve,
    /// [`Order::confirm`].
    Confirm,
    /// [`Order::release`].
    Release,
    /// [`Order::cancel`].
    Cancel(FinalStatus),
    /// [`Order::bind`].
    Bind,
    /// [`Order::install`].
    Install,
    /// [`Order::fail`].
    Fail,
}

/// A state refused an event; the order stays what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a profile in state {from} takes no {transition:?}")]
pub struct InvalidTransition {
    /// The state.
    pub from: StateName,
    /// The event.
    pub transition: Transition,
}

/// A profile at the SM-DP+ and the order for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The profile's number.
    pub iccid: Iccid,
    /// The subscription's number; a ready-made package may have none.
    pub imsi: Option<Imsi>,
    /// Whose profile it is.
    pub owner: Operator,
    /// Its kind.
    pub profile_type: ProfileType,
    /// When it entered the stock.
    pub created_at: Timestamp,
    /// How many orders this profile has seen: a session that outlives a cancelled order recognises it by this number.
    pub number: i64,
    /// The row's version as read; a change is made only while it holds. Attempts are counted without changing it.
    pub version: i64,
    /// Where it stands.
    pub state: State,
}

impl Order {
    /// The name of the state.
    #[must_use]
    pub const fn state_name(&self) -> StateName {
        match &self.state {
            State::Available => StateName::Available,
            State::Allocated(_) => StateName::Allocated,
            State::Linked { .. } => StateName::Linked,
            State::Confirmed(_) => StateName::Confirmed,
            State::Released(_) => StateName::Released,
            State::Downloaded(_) => StateName::Downloaded,
            State::Installed(_) => StateName::Installed,
            State::Error(_) => StateName::Error,
            State::Unavailable => StateName::Unavailable,
        }
    }

    /// What DownloadOrder left, in every state that follows it.
    #[must_use]
    pub fn reservation(&self) -> Option<&Reservation> {
        match &self.state {
            State::Allocated(reservation) | State::Linked { reservation, .. } => Some(reservation),
            State::Available
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => self.confirmation().map(|confirmation| &confirmation.reservation),
        }
    }

    /// What ConfirmOrder left, in every state that follows it.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        match &self.state {
            State::Confirmed(confirmation) => Some(confirmation),
            State::Available | State::Allocated(_) | State::Linked { .. } | State::Unavailable => None,
            State::Released(_) | State::Downloaded(_) | State::Installed(_) | State::Error(_) => {
                self.released().map(|release| &release.confirmation)
            }
        }
    }

    /// The release, in every state that follows it.
    #[must_use]
    pub const fn released(&self) -> Option<&Release> {
        match &self.state {
            State::Released(release) => Some(release),
            State::Downloaded(download) => Some(&download.release),
            State::Installed(installation) => Some(&installation.download.release),
            State::Error(failure) => Some(&failure.release),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Unavailable => None,
        }
    }

    /// The eUICC that the order is bound or linked to.
    #[must_use]
    pub fn eid(&self) -> Option<&Eid> {
        let own = match &self.state {
            State::Linked { eid, .. } => Some(eid),
            State::Downloaded(download) => Some(&download.bound.eid),
            State::Installed(installation) => Some(&installation.download.bound.eid),
            State::Error(failure) => failure.bound.as_ref().map(|bound| &bound.eid),
            State::Available
            | State::Allocated(_)
            | State::Confirmed(_)
            | State::Released(_)
            | State::Unavailable => None,
        };
        own.or_else(|| self.confirmation().and_then(Confirmation::linked_eid))
    }

    /// The eUICC that the operator linked the order to, whichever eUICC it is bound to.
    #[must_use]
    pub fn linked_eid(&self) -> Option<&Eid> {
        match &self.state {
            State::Linked { eid, .. } => Some(eid),
            State::Available
            | State::Allocated(_)
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => self.confirmation().and_then(Confirmation::linked_eid),
        }
    }

    /// The matching identifier, once assigned.
    #[must_use]
    pub fn matching_id(&self) -> Option<&MatchingId> {
        self.confirmation().map(|confirmation| &confirmation.matching_id)
    }

    /// The hash of the confirmation code, if one is asked for: then `ccRequiredFlag` is true.
    #[must_use]
    pub fn code_hash(&self) -> Option<&CodeHash> {
        self.confirmation().and_then(|confirmation| confirmation.code_hash.as_ref())
    }

    /// From when on the order is refused.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.confirmation().and_then(|confirmation| confirmation.expires_at)
    }

    /// What was counted since the release.
    #[must_use]
    pub fn attempts(&self) -> Attempts {
        self.released().map(|release| release.attempts).unwrap_or_default()
    }

    /// DownloadOrder: Available to Allocated, or to Linked if an EID is given.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn reserve(self, reservation: Reservation, eid: Option<Eid>) -> Result<Self, InvalidTransition> {
        let State::Available = self.state else { return Err(self.refuses(Transition::Reserve)) };
        let number = self.number.saturating_add(1);
        let state = match eid {
            Some(eid) => State::Linked { reservation, eid },
            None => State::Allocated(reservation),
        };
        Ok(Self { number, state, ..self })
    }

    /// ConfirmOrder: Allocated or Linked to Confirmed or Released, as the release flag says. `confirmation` makes the
    /// new state's data of the reservation and the EID that came with it.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn confirm(
        self,
        confirmation: impl FnOnce(Reservation, Option<Eid>) -> Confirmation,
    ) -> Result<Self, InvalidTransition> {
        let confirmation = match self.state {
            State::Allocated(reservation) => confirmation(reservation, None),
            State::Linked { reservation, eid } => confirmation(reservation, Some(eid)),
            State::Available
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Confirm)),
        };
        let state = match confirmation.release_time {
            ReleaseTime::AtOnce => State::Released(Release { confirmation, attempts: Attempts::default() }),
            ReleaseTime::Later => State::Confirmed(confirmation),
        };
        Ok(Self { state, ..self })
    }

    /// ReleaseProfile: Confirmed to Released.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn release(self) -> Result<Self, InvalidTransition> {
        let State::Confirmed(confirmation) = self.state else {
            return Err(self.refuses(Transition::Release));
        };
        let state = State::Released(Release { confirmation, attempts: Attempts::default() });
        Ok(Self { state, ..self })
    }

    /// CancelOrder: an order that reached no eUICC goes back to the stock or out of it, and its data is erased. A
    /// profile whose package was handed over before it failed can only leave the stock: its keys have been outside.
    ///
    /// # Errors
    /// [`InvalidTransition`] where there is no order, or the profile is downloaded or installed.
    pub fn cancel(self, status: FinalStatus) -> Result<Self, InvalidTransition> {
        let allowed = match &self.state {
            State::Allocated(_) | State::Linked { .. } | State::Confirmed(_) | State::Released(_) => true,
            State::Error(failure) => failure.bound.is_none() || status == FinalStatus::Unavailable,
            State::Available | State::Downloaded(_) | State::Installed(_) | State::Unavailable => false,
        };
        if !allowed {
            return Err(self.refuses(Transition::Cancel(status)));
        }
        let state = match status {
            FinalStatus::Available => State::Available,
            FinalStatus::Unavailable => State::Unavailable,
        };
        Ok(Self { state, ..self })
    }

    /// GetBoundProfilePackage: Released to Downloaded, or Downloaded again for the same eUICC (3.1.3.1).
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state, or for another eUICC than the one linked or bound.
    pub fn bind(self, eid: Eid, at: Timestamp) -> Result<Self, InvalidTransition> {
        if self.eid().is_some_and(|own| *own != eid) {
            return Err(self.refuses(Transition::Bind));
        }
        let release = match self.state {
            State::Released(release) => release,
            State::Downloaded(download) => download.release,
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Bind)),
        };
        Ok(Self { state: State::Downloaded(Download { release, bound: Bound { eid, at } }), ..self })
    }

    /// A verified result reports success: Downloaded to Installed. From Error too, if the profile was bound before it
    /// failed: the eUICC says that it holds it, whatever was decided here while its report was on the way.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn install(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        let download = match self.state {
            State::Downloaded(download) => download,
            State::Error(Failure { release, bound: Some(bound), .. }) => Download { release, bound },
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Released(_)
            | State::Installed(_)
            | State::Error(Failure { bound: None, .. })
            | State::Unavailable => return Err(self.refuses(Transition::Install)),
        };
        Ok(Self { state: State::Installed(Installation { download, at, run_time: None }), ..self })
    }

    /// Released or Downloaded to Error: attempts used up, expired, not eligible, cancelled by the user, permanent
    /// installation error.
    ///
    /// # Errors
    /// [`InvalidTransition`] from any other state.
    pub fn fail(self, reason: ErrorReason, at: Timestamp) -> Result<Self, InvalidTransition> {
        let (release, bound) = match self.state {
            State::Released(release) => (release, None),
            State::Downloaded(download) => (download.release, Some(download.bound)),
            State::Available
            | State::Allocated(_)
            | State::Linked { .. }
            | State::Confirmed(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => return Err(self.refuses(Transition::Fail)),
        };
        Ok(Self { state: State::Error(Failure { release, bound, reason, at }), ..self })
    }

    fn refuses(&self, transition: Transition) -> InvalidTransition {
        InvalidTransition { from: self.state_name(), transition }
    }
}
