//! `[audit]`: how long the audit keeps values of persons.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// The table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditTable {
    erase_personal_after_days: Option<NonZeroU32>,
}

impl AuditTable {
    /// The age at which values of persons are erased; `None` for never.
    pub(super) fn erase_personal_after(&self) -> Option<Duration> {
        let days = self.erase_personal_after_days?;
        Some(Duration::from_secs(u64::from(days.get()) * 24 * 3600))
    }
}
