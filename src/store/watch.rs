//! Watching commits: the seam at which tests let a server die.
//!
//! A process can be killed before a commit or behind it, when the change is durable and nobody was told. A watch
//! stands at both places, says whether the writer goes on, and lets a test see there what a caller sees of a killed
//! server: no answer, ever. Without a watch a commit asks nothing.
//!
//! Most changes go through the writer. What is written beside it ([`ChangeKind::Beside`]) passes the same two places.
//!
//! And hearing of commits: jobs that wait for work look at the store when there may be some.

use std::sync::Arc;

use tokio::sync::watch;

use super::writer::Change;

/// Where the writer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPhase {
    /// Nothing is durable; statements that go to the engine together with the commit are not even sent.
    Before,
    /// The changes are durable, no caller was told.
    After,
}

/// What the writer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    GoOn,
    /// It stops for good, as if the process had been killed: what is not committed is lost, and no caller gets an
    /// answer. Behind a commit beside the writer that is its caller alone: whoever plays the killed server ends the others.
    Die,
}

/// The kinds of changes that a commit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// An order went to its next state.
    Save,
    /// A number of a profile type was taken.
    Take,
    /// A download attempt was counted.
    CountDownload,
    /// A wrong confirmation code was counted.
    CountConfirmation,
    /// A package was bound.
    Bind,
    /// A notification was kept.
    Record,
    /// A notification that was refused was kept.
    Refuse,
    /// The latest failure of an order was kept.
    Fail,
    /// Rows of a batch went in, or out again.
    Chunk,
    /// Entries were appended to the audit.
    Audit,
    /// Numbers were drawn from a pool.
    Draw,
    /// Profiles were set aside.
    SetAside,
    /// A profile changed its place on the shelf.
    Shelve,
    /// An eUICC of our eIM changed: its operations, packages or profiles.
    Eim,
    /// A notification was kept that is to be brought to its receiver.
    Forward,
    /// A package was kept that is handed to a device.
    Relay,
    /// Something was written beside the writer: by a job, for a campaign, or of what comes rarely.
    Beside,
}

impl ChangeKind {
    pub(super) const fn of(change: &Change) -> Self {
        match change {
            Change::Save(_) => Self::Save,
            Change::Take(_) => Self::Take,
            Change::CountDownload(_) => Self::CountDownload,
            Change::CountConfirmation(_) => Self::CountConfirmation,
            Change::Bind(_) => Self::Bind,
            Change::Record(_) => Self::Record,
            Change::Refuse(_) => Self::Refuse,
            Change::Fail(_) => Self::Fail,
            Change::Chunk(_) => Self::Chunk,
            Change::Audit(_) => Self::Audit,
            Change::Draw(_) => Self::Draw,
            Change::SetAside(_) => Self::SetAside,
            Change::Shelve(_) => Self::Shelve,
            Change::Eim(_) => Self::Eim,
            Change::Forward(_) => Self::Forward,
            Change::Relay(_) => Self::Relay,
        }
    }
}

/// Hears of every commit; see [`super::Store::open_watched`].
pub trait CommitWatch: Send + Sync {
    /// A commit of these changes comes next, or was made.
    fn at_commit(&self, phase: CommitPhase, changes: &[ChangeKind]) -> Verdict;
}

/// Whoever hears of commits that are made beside the writer, if anybody does.
#[derive(Clone, Default)]
pub(super) struct Beside(pub(super) Option<Arc<dyn CommitWatch>>);

impl Beside {
    /// What comes next, before or behind such a commit.
    pub(super) fn stand(&self, phase: CommitPhase) -> Verdict {
        self.0.as_ref().map_or(Verdict::GoOn, |watch| watch.at_commit(phase, &[ChangeKind::Beside]))
    }
}

/// Changes with every commit here that left work for a job; what other processes left shows when one looks.
#[derive(Clone)]
pub(super) struct Written {
    callbacks: watch::Sender<u64>,
    forwarded: watch::Sender<u64>,
}

impl Default for Written {
    fn default() -> Self {
        Self { callbacks: watch::Sender::new(0), forwarded: watch::Sender::new(0) }
    }
}

impl Written {
    /// Changes are durable.
    pub(super) fn note(&self, changes: &[&Change]) {
        let tell = |told: &watch::Sender<u64>, of: fn(&Change) -> bool| {
            if changes.iter().any(|change| of(change)) {
                told.send_modify(|written| *written += 1);
            }
        };
        tell(&self.callbacks, Change::has_callback);
        tell(&self.forwarded, |change| matches!(change, Change::Forward(_)));
    }

    /// Commits that wrote callbacks.
    pub(super) fn callbacks(&self) -> watch::Receiver<u64> {
        self.callbacks.subscribe()
    }

    /// Commits that kept notifications that are to be brought.
    pub(super) fn forwarded(&self) -> watch::Receiver<u64> {
        self.forwarded.subscribe()
    }
}
