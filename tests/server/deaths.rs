//! A writer that dies as a killed process does, at a commit of the test's choice.

use std::sync::Mutex;
use std::time::Duration;

use simyard::store::watch::{ChangeKind, CommitPhase, CommitWatch, Verdict};

/// Lets the writer die at a chosen commit, and keeps what was committed.
#[derive(Default)]
pub struct Deaths {
    armed: Mutex<Option<(CommitPhase, ChangeKind)>>,
    died: tokio::sync::Notify,
    seen: Mutex<Vec<ChangeKind>>,
}

impl Deaths {
    /// The next commit with such a change is the last.
    pub fn arm(&self, phase: CommitPhase, kind: ChangeKind) {
        *self.armed.lock().unwrap() = Some((phase, kind));
    }

    /// Waits until it happened.
    pub async fn died(&self) {
        let died = tokio::time::timeout(Duration::from_secs(30), self.died.notified()).await;
        assert!(died.is_ok(), "no such commit came");
    }

    /// What was committed since the last call.
    pub fn committed(&self) -> Vec<ChangeKind> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl CommitWatch for Deaths {
    fn at_commit(&self, phase: CommitPhase, changes: &[ChangeKind]) -> Verdict {
        if phase == CommitPhase::After {
            self.seen.lock().unwrap().extend_from_slice(changes);
        }
        let mut armed = self.armed.lock().unwrap();
        match *armed {
            Some((at, kind)) if at == phase && changes.contains(&kind) => {
                *armed = None;
                self.died.notify_one();
                Verdict::Die
            }
            _ => Verdict::GoOn,
        }
    }
}
