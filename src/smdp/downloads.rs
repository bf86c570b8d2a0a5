//! What became of downloads since the server started: counts, no more. What became of each stands with its order.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far a download came, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadResult {
    /// A package was bound and handed over (5.6.2), retries included.
    Bound,
    /// The eUICC installed the profile (5.6.4).
    Installed,
    /// The eUICC could not install it (5.6.4).
    Failed,
    /// The session was cancelled for good (5.6.5).
    Rejected,
    /// The session was cancelled, and may be begun again (5.6.5).
    Postponed,
}

impl DownloadResult {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bound, Self::Installed, Self::Failed, Self::Rejected, Self::Postponed];

    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Postponed => "postponed",
        }
    }
}

/// A count for each result.
#[derive(Debug, Default)]
pub struct DownloadCounts {
    bound: AtomicU64,
    installed: AtomicU64,
    failed: AtomicU64,
    rejected: AtomicU64,
    postponed: AtomicU64,
}

impl DownloadCounts {
    const fn count_of(&self, result: DownloadResult) -> &AtomicU64 {
        match result {
            DownloadResult::Bound => &self.bound,
            DownloadResult::Installed => &self.installed,
            DownloadResult::Failed => &self.failed,
            DownloadResult::Rejected => &self.rejected,
            DownloadResult::Postponed => &self.postponed,
        }
    }

    /// One more.
    pub fn add(&self, result: DownloadResult) {
        self.count_of(result).fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn of(&self, result: DownloadResult) -> u64 {
        self.count_of(result).load(Ordering::Relaxed)
    }
}
