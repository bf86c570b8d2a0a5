//! The states of a profile at the SM-DP+ and what belongs to each (SGP.22 3.1.6).
//!
//! A state owns its data: an order that is not confirmed has no matching identifier, one that is not bound no eUICC.
//! How one state follows another is told by [`super::order`].

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::eligibility::EligibilityRule;
use super::name::NAME_MAX;
use crate::env::Timestamp;
use crate::ident::{Eid, MatchingId};

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

/// Which keys protect the profile's own segments (2.5.3, 5.5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMode {
    /// Those of the session.
    #[default]
    SessionKeys,
    /// Random ones for each binding (PPK), which ReplaceSessionKeys hands to the eUICC.
    RandomKeys,
}

/// What people do to orders at the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManualCommand {
    /// `simyard order create`.
    Create,
    /// `simyard order release`.
    Release,
    /// `simyard order cancel`.
    Cancel,
    /// `simyard order reset`.
    Reset,
    /// `simyard stock release`: back to the stock, behind its quarantine.
    GiveBack,
    /// `simyard stock retire`.
    Retire,
    /// `simyard stock lost`: its eUICC is declared lost.
    Lost,
}

impl fmt::Display for ManualCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Reset => "reset",
            Self::GiveBack => "give back",
            Self::Retire => "retire",
            Self::Lost => "declare lost",
        })
    }
}

/// What an order asks of its package instead of what its profile type says. ES2+ has no words for it; it is erased with
/// the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The keys of the profile's segments; `None`: as its type says at the first binding.
    pub key_mode: Option<KeyMode>,
    /// The whole StoreMetadataRequest, `BF25`: a later change of the type's settings does not reach it. `None`: as the
    /// type says whenever the profile is announced.
    pub metadata: Option<Vec<u8>>,
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
    /// What it asks of its package.
    pub terms: Terms,
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
    /// When: by ConfirmOrder, or later by ReleaseProfile.
    pub at: Timestamp,
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
    /// The eUICC or the device is not eligible (5.6.3), by this rule.
    NotEligible(EligibilityRule),
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

impl StateName {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 9] = [
        Self::Available,
        Self::Allocated,
        Self::Linked,
        Self::Confirmed,
        Self::Released,
        Self::Downloaded,
        Self::Installed,
        Self::Error,
        Self::Unavailable,
    ];
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_a_code_is_not_shown() {
        let hash = CodeHash::from_octets([0xAB; 32]);
        assert!(!format!("{hash:?}").to_lowercase().contains("ab"), "{hash:?}");
        assert_ne!(hash, CodeHash::from_octets([0xAC; 32]));
    }

    #[test]
    fn identities_are_cut() {
        let call = CallIdentity::new(&"ä".repeat(100), "x");
        assert_eq!(call.requester.len(), NAME_MAX);
    }
}
