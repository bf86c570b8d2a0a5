//! Freedom to Switch: what customers call it that operator profiles of an eUICC can be added, switched and deleted.

use serde::{Deserialize, Serialize};

/// Whether other operators' profiles can be added and switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FreedomToSwitch {
    /// Not there.
    Absent,
    /// There, and not in use.
    Inactive,
    /// In use.
    Active,
}

impl FreedomToSwitch {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Inactive => "inactive",
            Self::Active => "active",
        }
    }
}
