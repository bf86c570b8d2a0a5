//! What is asked of an eUICC through its eIM, and how it goes (SGP.32 3.3, 3.4; a switch is ours).
//!
//! An [`Operation`] is asked for once and lives until it has an end that somebody can read: [`OperationState`] owns what each
//! step needs, [`Operation::transition`] takes what occurred and returns the next state with its effects. Operations of one
//! eUICC go one after the other, and the one whose turn it is has one eIM package outstanding at most.
//!
//! A switch goes through all steps; the others use a part of them:
//!
//! | step | waits for | goes on when |
//! |---|---|---|
//! | Waiting | its turn | operations before it ended |
//! | Checking | the list of profiles | the list is signed by the eUICC |
//! | Downloading | a ProfileInstallationResult | it tells of success |
//! | Downloaded | the list again | the list shows the new profile |
//! | Enabling | a poll that fetches the package | the package left |
//! | Switching | the result of enable | it is signed by the eUICC |
//! | Confirming | the list again | the list shows the new profile enabled |
//! | HoldingOld | the end of the hold time | it passed |
//! | DeletingOld | the result of delete | it is signed by the eUICC |
//! | Acting | the result of a command without further steps | it is signed by the eUICC |
//!
//! *A deadline never invents an outcome*: when one passes, the operation is overdue and stays where it is, since the device
//! may have done everything and be silent. RolledBack is said by the eUICC alone: by a rollbackResult, or by a list in which
//! the old profile is enabled.

use std::fmt;
use std::time::Duration;

use super::operation_event::EventKind;
use super::operation_state::OperationState;
use super::operation_transition::Occurrence;
use super::random_number::random_number;
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};

/// How often the package of one step is made anew, when the eUICC is busy or a download fails, before the operation fails.
pub const ATTEMPTS_MAX: u32 = 5;

random_number! {
    /// The number of an operation: 128 random bits.
    OperationId
}

/// Whether the IPA may go back to the profile before by itself (rollbackFlag of enable).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// It may, as long as the eIM has not acknowledged the result.
    Granted,
    /// It may not.
    NotGranted,
}

/// Where the profile to switch to comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchTarget {
    /// It is downloaded first, with the activation code of the operation.
    Downloaded,
    /// It is on the eUICC.
    Installed(Iccid),
}

/// What becomes of the profile that was enabled before a switch. It is the way back; so it is kept unless somebody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldProfile {
    /// It stays, disabled.
    Keep,
    /// It is deleted so long after the switch was confirmed.
    DeleteAfter(Duration),
}

/// What is asked of the eUICC. The activation code of a download is not here: it is kept sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// A profile is downloaded, and stays disabled.
    Download,
    /// A profile that is on the eUICC is enabled.
    Enable {
        /// The profile.
        iccid: Iccid,
        /// Whether the IPA may go back.
        rollback: Rollback,
    },
    /// The enabled profile is disabled.
    Disable {
        /// The profile.
        iccid: Iccid,
    },
    /// A disabled profile is deleted.
    Delete {
        /// The profile.
        iccid: Iccid,
    },
    /// The eUICC lists its profiles.
    Audit,
    /// The device changes to another profile.
    Switch {
        /// To which one.
        to: SwitchTarget,
        /// Whether the IPA may go back.
        rollback: Rollback,
        /// What becomes of the one before.
        old: OldProfile,
    },
    /// Other PSMOs, or eCOs.
    Configure {
        /// `A0` psmoList or `A1` ecoList, in DER.
        commands: Vec<u8>,
    },
    /// The eUICC goes over to another eIM: that one is added, or looked for, and ours is deleted by an operation of its own once
    /// the eUICC signed that it has the other.
    Move {
        /// `A1` ecoList with addEim of the other, or with listEim, in DER.
        commands: Vec<u8>,
    },
    /// The eUICC is told of another key of our eIM.
    RotateKey {
        /// `A1` ecoList with updateEim of ours, in DER.
        commands: Vec<u8>,
    },
    /// A laboratory hands the eUICC, or its IPA, whatever it wants, and looks at the answer; what it means is the laboratory's.
    Laboratory {
        /// The eIM package as it leaves: `BF51`, `BF52` or `BF54`.
        package: Vec<u8>,
    },
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// [`Task::Download`].
    Download,
    /// [`Task::Enable`].
    Enable,
    /// [`Task::Disable`].
    Disable,
    /// [`Task::Delete`].
    Delete,
    /// [`Task::Audit`].
    Audit,
    /// [`Task::Switch`].
    Switch,
    /// [`Task::Configure`].
    Configure,
    /// [`Task::Laboratory`].
    Laboratory,
    /// [`Task::Move`].
    Move,
    /// [`Task::RotateKey`].
    RotateKey,
}

impl OperationKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Download,
        Self::Enable,
        Self::Disable,
        Self::Delete,
        Self::Audit,
        Self::Switch,
        Self::Configure,
        Self::Laboratory,
        Self::Move,
        Self::RotateKey,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Audit => "audit",
            Self::Switch => "switch",
            Self::Configure => "configure",
            Self::Laboratory => "laboratory",
            Self::Move => "move",
            Self::RotateKey => "rotate_key",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Task {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Download => OperationKind::Download,
            Self::Enable { .. } => OperationKind::Enable,
            Self::Disable { .. } => OperationKind::Disable,
            Self::Delete { .. } => OperationKind::Delete,
            Self::Audit => OperationKind::Audit,
            Self::Switch { .. } => OperationKind::Switch,
            Self::Configure { .. } => OperationKind::Configure,
            Self::Laboratory { .. } => OperationKind::Laboratory,
            Self::Move { .. } => OperationKind::Move,
            Self::RotateKey { .. } => OperationKind::RotateKey,
        }
    }

    /// The PSMOs or eCOs that it consists of.
    #[must_use]
    pub const fn commands(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Configure { commands } | Self::Move { commands } | Self::RotateKey { commands } => {
                Some(commands)
            }
            Self::Download
            | Self::Enable { .. }
            | Self::Disable { .. }
            | Self::Delete { .. }
            | Self::Audit
            | Self::Switch { .. }
            | Self::Laboratory { .. } => None,
        }
    }

    /// Whether it goes with an activation code.
    #[must_use]
    pub const fn downloads(&self) -> bool {
        matches!(self, Self::Download | Self::Switch { to: SwitchTarget::Downloaded, .. })
    }

    /// Whether the IPA may go back by itself.
    #[must_use]
    pub const fn rollback(&self) -> Rollback {
        match self {
            Self::Enable { rollback, .. } | Self::Switch { rollback, .. } => *rollback,
            Self::Download
            | Self::Disable { .. }
            | Self::Delete { .. }
            | Self::Audit
            | Self::Configure { .. }
            | Self::Laboratory { .. }
            | Self::Move { .. }
            | Self::RotateKey { .. } => Rollback::NotGranted,
        }
    }
}

/// One profile in the list that an eUICC signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedProfile {
    /// Its number.
    pub iccid: Iccid,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it has the fallback attribute: such a profile is never deleted.
    pub fallback: bool,
    /// Its name and its provider's, as the metadata have them.
    pub name: Option<String>,
}

/// The list that an eUICC signed, and what is in it that was in none before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// All profiles.
    pub profiles: Vec<ListedProfile>,
    /// Those that the last list before this one did not show; empty if there was none.
    pub appeared: Vec<Iccid>,
}

impl Listing {
    pub(super) fn find(&self, iccid: &Iccid) -> Option<&ListedProfile> {
        self.profiles.iter().find(|profile| profile.iccid == *iccid)
    }

    /// The enabled profile.
    #[must_use]
    pub fn enabled(&self) -> Option<&ListedProfile> {
        self.profiles.iter().find(|profile| profile.enabled)
    }

    /// The profile of which a download told, or the only one that is new where it did not tell which.
    pub(super) fn downloaded(&self, told: Option<&Iccid>) -> Option<&ListedProfile> {
        match (told, self.appeared.as_slice()) {
            (Some(iccid), _) | (None, [iccid]) => self.find(iccid),
            (None, _) => None,
        }
    }
}

/// What stands in a package, or in a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// listProfileInfo.
    ListProfileInfo,
    /// ProfileDownloadTriggerRequest with the activation code of the operation.
    Trigger,
    /// enable.
    Enable {
        /// The profile.
        iccid: Iccid,
        /// rollbackFlag.
        rollback: Rollback,
    },
    /// disable.
    Disable {
        /// The profile.
        iccid: Iccid,
    },
    /// delete.
    Delete {
        /// The profile.
        iccid: Iccid,
    },
    /// The commands of the task.
    Configure,
    /// The package of [`Task::Laboratory`].
    Laboratory,
    /// IpaEuiccDataRequest for results that the eUICC still keeps.
    StoredResults,
}

/// What a transition wants done, in the same change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// This package is the outstanding one from now on; one that was before is withdrawn.
    Queue(Command),
    /// The same, but not handed over before the eUICC had time to end its emergency call.
    QueueLater(Command),
    /// This is told.
    Tell(EventKind),
    /// An operation of its own has the eUICC delete our eIM: it has another one.
    Leave,
}

/// How far the outstanding package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// There is none, or no IPA has it.
    NotFetched,
    /// An IPA has it.
    Fetched,
}

/// How long each step may take before the operation is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until the device fetches a package and answers it: a few polls.
    pub answer: Duration,
    /// A download.
    pub download: Duration,
    /// From the fetched enable until the device is back: some scans for a network, and a poll.
    pub switch: Duration,
    /// Until the list confirms the switch.
    pub confirm: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(24 * 3600),
            download: Duration::from_secs(24 * 3600),
            switch: Duration::from_secs(3600),
            confirm: Duration::from_secs(24 * 3600),
        }
    }
}

/// Something asked of an eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub operation_id: OperationId,
    /// The eUICC.
    pub eid: Eid,
    /// What is asked.
    pub task: Task,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it may begin to change the eUICC.
    pub valid_until: Option<Timestamp>,
    /// Where it stands.
    pub state: OperationState,
    /// Since when it stands there.
    pub changed_at: Timestamp,
    /// How often the package of this step was made.
    pub attempts: u32,
    /// Since when its deadline is over and its outcome not known.
    pub overdue_since: Option<Timestamp>,
}

impl Operation {
    /// Something that is asked for now.
    #[must_use]
    pub const fn new(
        operation_id: OperationId,
        eid: Eid,
        task: Task,
        created_at: Timestamp,
        valid_until: Option<Timestamp>,
    ) -> Self {
        Self {
            operation_id,
            eid,
            task,
            created_at,
            valid_until,
            state: OperationState::Waiting,
            changed_at: created_at,
            attempts: 0,
            overdue_since: None,
        }
    }

    /// The package that belongs to the state.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        match (&self.state, &self.task) {
            (
                OperationState::Checking
                | OperationState::Downloaded { .. }
                | OperationState::Confirming { .. },
                _,
            ) => Some(Command::ListProfileInfo),
            (OperationState::Downloading { .. }, _) => Some(Command::Trigger),
            (OperationState::Enabling { to, .. } | OperationState::Switching { to, .. }, task) => {
                Some(Command::Enable { iccid: to.clone(), rollback: task.rollback() })
            }
            (OperationState::DeletingOld { from, .. }, _) => Some(Command::Delete { iccid: from.clone() }),
            (OperationState::Acting, Task::Disable { iccid }) => {
                Some(Command::Disable { iccid: iccid.clone() })
            }
            (OperationState::Acting, Task::Delete { iccid }) => {
                Some(Command::Delete { iccid: iccid.clone() })
            }
            (OperationState::Acting, task) if task.commands().is_some() => Some(Command::Configure),
            (OperationState::Acting, Task::Laboratory { .. }) => Some(Command::Laboratory),
            _ => None,
        }
    }

    /// What occurs by itself, and when: the first of validity, deadline and hold time that is not past at `now`.
    #[must_use]
    pub fn due(&self, deadlines: &Deadlines, now: Timestamp) -> Option<Timestamp> {
        if self.state.is_end() {
            return None;
        }
        let within = |duration| Some(self.changed_at.plus(duration));
        let own = match &self.state {
            OperationState::HoldingOld { until, .. } => Some(*until),
            _ if self.overdue_since.is_some() => None,
            OperationState::Downloading { .. } => within(deadlines.download),
            OperationState::Switching { .. } => within(deadlines.switch),
            OperationState::Confirming { .. } => within(deadlines.confirm),
            OperationState::Checking
            | OperationState::Downloaded { .. }
            | OperationState::Enabling { .. }
            | OperationState::DeletingOld { .. }
            | OperationState::Acting => within(deadlines.answer),
            _ => None,
        };
        [own, self.valid_until].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// What occurred by itself, now that [`Operation::due`] passed.
    #[must_use]
    pub fn occurrence_due(&self, now: Timestamp, fetch: Fetch) -> Option<Occurrence> {
        if self.state.is_end() {
            return None;
        }
        if self.valid_until.is_some_and(|until| until <= now) && self.may_end(fetch) {
            return Some(Occurrence::Expire(fetch));
        }
        match &self.state {
            OperationState::HoldingOld { until, .. } => (*until <= now).then_some(Occurrence::HoldEnded),
            OperationState::Waiting => None,
            _ => self.overdue_since.is_none().then_some(Occurrence::Deadline),
        }
    }

    /// Whether it can end without anybody asking what the eUICC did: nothing that changes it has left, or a laboratory knows
    /// best that no answer will come.
    #[must_use]
    pub const fn may_end(&self, fetch: Fetch) -> bool {
        match &self.state {
            OperationState::Waiting | OperationState::Checking => true,
            OperationState::Acting if matches!(self.task, Task::Laboratory { .. }) => true,
            OperationState::Downloading { .. } | OperationState::Enabling { .. } | OperationState::Acting => {
                matches!(fetch, Fetch::NotFetched)
            }
            _ => false,
        }
    }
}
