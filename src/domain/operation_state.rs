//! The states of an operation and what belongs to each; how one follows another is told by [`super::operation`].

use std::fmt;

use super::operation_event::EventKind;
use crate::env::Timestamp;
use crate::ident::Iccid;

/// The longest sentence of a reason, in octets.
pub const REASON_MAX: usize = 300;

/// Why an operation ended otherwise than it was meant to, in one word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// The profile is not on the eUICC.
    NotInstalled,
    /// The eUICC refused the command.
    Refused,
    /// The eUICC was busy every time.
    Busy,
    /// The download ended without a profile.
    DownloadFailed,
    /// The eUICC took no such package.
    NotAccepted,
    /// The eUICC knows another key, token or eIM.
    NotUnderstood,
    /// The counter is used up.
    CounterUsedUp,
    /// The package was executed, and how it ended is lost.
    ResultLost,
    /// A profile is enabled that nobody asked for.
    OtherProfileEnabled,
    /// The same step failed too often.
    TooManyAttempts,
    /// The old profile is the fallback profile.
    Fallback,
    /// Somebody cancelled what was left to do.
    Cancelled,
}

impl ReasonCode {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::NotInstalled,
        Self::Refused,
        Self::Busy,
        Self::DownloadFailed,
        Self::NotAccepted,
        Self::NotUnderstood,
        Self::CounterUsedUp,
        Self::ResultLost,
        Self::OtherProfileEnabled,
        Self::TooManyAttempts,
        Self::Fallback,
        Self::Cancelled,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotInstalled => "not_installed",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::DownloadFailed => "download_failed",
            Self::NotAccepted => "not_accepted",
            Self::NotUnderstood => "not_understood",
            Self::CounterUsedUp => "counter_used_up",
            Self::ResultLost => "result_lost",
            Self::OtherProfileEnabled => "other_profile_enabled",
            Self::TooManyAttempts => "too_many_attempts",
            Self::Fallback => "fallback",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == text)
    }
}

/// Why an operation ended otherwise than it was meant to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people: one line without secrets, at most [`REASON_MAX`] octets.
    pub detail: String,
}

impl Reason {
    /// A reason; the sentence is cut, and control characters in it become blanks.
    #[must_use]
    pub fn new(code: ReasonCode, detail: String) -> Self {
        let mut detail: String = detail.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        detail.truncate(detail.floor_char_boundary(REASON_MAX));
        Self { code, detail }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Where an operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// Others of the same eUICC come first.
    Waiting,
    /// The eUICC is asked what is on it.
    Checking,
    /// The device is to download a profile.
    Downloading {
        /// The profile that was enabled before.
        from: Option<Iccid>,
    },
    /// The eUICC told that it installed a profile; its list decides.
    Downloaded {
        /// Which one it told.
        iccid: Option<Iccid>,
        /// The profile that was enabled before.
        from: Option<Iccid>,
    },
    /// The package that enables the profile waits for a poll.
    Enabling {
        /// The new profile.
        to: Iccid,
        /// The profile that was enabled before.
        from: Option<Iccid>,
    },
    /// The package left: the device may be on either profile.
    Switching {
        /// The new profile.
        to: Iccid,
        /// The profile that was enabled before.
        from: Option<Iccid>,
    },
    /// The eUICC enabled the profile; its list confirms that the device stayed there.
    Confirming {
        /// The new profile.
        to: Iccid,
        /// The profile that was enabled before.
        from: Option<Iccid>,
    },
    /// The switch is confirmed; the old profile is the way back for a while.
    HoldingOld {
        /// The new profile.
        to: Iccid,
        /// The old one.
        from: Iccid,
        /// How long.
        until: Timestamp,
    },
    /// The old profile is deleted.
    DeletingOld {
        /// The new profile.
        to: Iccid,
        /// The old one.
        from: Iccid,
    },
    /// The only command of the operation is under way.
    Acting,
    /// It was done.
    Done {
        /// The profile that was downloaded or enabled.
        iccid: Option<Iccid>,
    },
    /// The switch was done, and the old profile is still there.
    DoneWithRemnant {
        /// The new profile.
        to: Iccid,
        /// The old one.
        remnant: Iccid,
        /// Why it is still there.
        reason: Reason,
    },
    /// The device is back on the profile before.
    RolledBack {
        /// The profile that it did not stay on.
        to: Iccid,
        /// The one that it is back on.
        from: Option<Iccid>,
    },
    /// It was not done.
    Failed(Reason),
    /// Somebody ended it before anything was changed.
    Cancelled,
    /// Its validity ended before anything was changed.
    Expired,
}

impl OperationState {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> OperationStateName {
        match self {
            Self::Waiting => OperationStateName::Waiting,
            Self::Checking => OperationStateName::Checking,
            Self::Downloading { .. } => OperationStateName::Downloading,
            Self::Downloaded { .. } => OperationStateName::Downloaded,
            Self::Enabling { .. } => OperationStateName::Enabling,
            Self::Switching { .. } => OperationStateName::Switching,
            Self::Confirming { .. } => OperationStateName::Confirming,
            Self::HoldingOld { .. } => OperationStateName::HoldingOld,
            Self::DeletingOld { .. } => OperationStateName::DeletingOld,
            Self::Acting => OperationStateName::Acting,
            Self::Done { .. } => OperationStateName::Done,
            Self::DoneWithRemnant { .. } => OperationStateName::DoneWithRemnant,
            Self::RolledBack { .. } => OperationStateName::RolledBack,
            Self::Failed(_) => OperationStateName::Failed,
            Self::Cancelled => OperationStateName::Cancelled,
            Self::Expired => OperationStateName::Expired,
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        self.name().is_end()
    }

    /// Whether the new profile was asked to be enabled, and the device may still go back by itself.
    #[must_use]
    pub const fn may_roll_back(&self) -> bool {
        matches!(self, Self::Enabling { .. } | Self::Switching { .. } | Self::Confirming { .. })
    }

    /// Why it ended otherwise than it was meant to.
    #[must_use]
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Failed(reason) | Self::DoneWithRemnant { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The profile that is downloaded or enabled, once it is known.
    #[must_use]
    pub const fn to(&self) -> Option<&Iccid> {
        match self {
            Self::Downloaded { iccid, .. } | Self::Done { iccid } => iccid.as_ref(),
            Self::Enabling { to, .. }
            | Self::Switching { to, .. }
            | Self::Confirming { to, .. }
            | Self::HoldingOld { to, .. }
            | Self::DeletingOld { to, .. }
            | Self::DoneWithRemnant { to, .. }
            | Self::RolledBack { to, .. } => Some(to),
            Self::Waiting
            | Self::Checking
            | Self::Downloading { .. }
            | Self::Acting
            | Self::Failed(_)
            | Self::Cancelled
            | Self::Expired => None,
        }
    }

    /// The profile that was enabled before, once it is known.
    #[must_use]
    pub const fn from(&self) -> Option<&Iccid> {
        match self {
            Self::Downloading { from }
            | Self::Downloaded { from, .. }
            | Self::Enabling { from, .. }
            | Self::Switching { from, .. }
            | Self::Confirming { from, .. }
            | Self::RolledBack { from, .. } => from.as_ref(),
            Self::HoldingOld { from, .. } | Self::DeletingOld { from, .. } => Some(from),
            Self::DoneWithRemnant { remnant, .. } => Some(remnant),
            Self::Waiting
            | Self::Checking
            | Self::Acting
            | Self::Done { .. }
            | Self::Failed(_)
            | Self::Cancelled
            | Self::Expired => None,
        }
    }
}

/// The names of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationStateName {
    /// [`OperationState::Waiting`].
    Waiting,
    /// [`OperationState::Checking`].
    Checking,
    /// [`OperationState::Downloading`].
    Downloading,
    /// [`OperationState::Downloaded`].
    Downloaded,
    /// [`OperationState::Enabling`].
    Enabling,
    /// [`OperationState::Switching`].
    Switching,
    /// [`OperationState::Confirming`].
    Confirming,
    /// [`OperationState::HoldingOld`].
    HoldingOld,
    /// [`OperationState::DeletingOld`].
    DeletingOld,
    /// [`OperationState::Acting`].
    Acting,
    /// [`OperationState::Done`].
    Done,
    /// [`OperationState::DoneWithRemnant`].
    DoneWithRemnant,
    /// [`OperationState::RolledBack`].
    RolledBack,
    /// [`OperationState::Failed`].
    Failed,
    /// [`OperationState::Cancelled`].
    Cancelled,
    /// [`OperationState::Expired`].
    Expired,
}

impl OperationStateName {
    /// All of them, in the order of an operation's life.
    pub const ALL: [Self; 16] = [
        Self::Waiting,
        Self::Checking,
        Self::Downloading,
        Self::Downloaded,
        Self::Enabling,
        Self::Switching,
        Self::Confirming,
        Self::HoldingOld,
        Self::DeletingOld,
        Self::Acting,
        Self::Done,
        Self::DoneWithRemnant,
        Self::RolledBack,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Its name in APIs and at terminals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Checking => "checking",
            Self::Downloading => "downloading",
            Self::Downloaded => "downloaded",
            Self::Enabling => "enabling",
            Self::Switching => "switching",
            Self::Confirming => "confirming",
            Self::HoldingOld => "holding_old",
            Self::DeletingOld => "deleting_old",
            Self::Acting => "acting",
            Self::Done => "done",
            Self::DoneWithRemnant => "done_with_remnant",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Waiting
            | Self::Checking
            | Self::Downloading
            | Self::Downloaded
            | Self::Enabling
            | Self::Switching
            | Self::Confirming
            | Self::HoldingOld
            | Self::DeletingOld
            | Self::Acting => false,
            Self::Done
            | Self::DoneWithRemnant
            | Self::RolledBack
            | Self::Failed
            | Self::Cancelled
            | Self::Expired => true,
        }
    }

    /// What is told when an operation comes here.
    #[must_use]
    pub const fn event(self) -> EventKind {
        match self {
            Self::Done | Self::DoneWithRemnant => EventKind::OperationDone,
            Self::RolledBack => EventKind::OperationRolledBack,
            Self::Failed => EventKind::OperationFailed,
            Self::Cancelled => EventKind::OperationCancelled,
            Self::Expired => EventKind::OperationExpired,
            Self::Waiting
            | Self::Checking
            | Self::Downloading
            | Self::Downloaded
            | Self::Enabling
            | Self::Switching
            | Self::Confirming
            | Self::HoldingOld
            | Self::DeletingOld
            | Self::Acting => EventKind::OperationStep,
        }
    }
}

impl fmt::Display for OperationStateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
