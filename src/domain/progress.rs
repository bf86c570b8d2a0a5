//! What an operator is told of a download (SGP.22 5.3.5): the notification points.

/// A point of a download at which the operator is told how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotificationPoint {
    /// 1: AuthenticateClient checked eligibility and the limit of retries.
    EligibilityAndRetryLimitCheck,
    /// 2: GetBoundProfilePackage refused a confirmation code.
    ConfirmationFailure,
    /// 3: the bound profile package is handed over.
    BppDownload,
    /// 4: the eUICC reported its result, or the session was cancelled for good.
    BppInstallation,
    /// Any other: what stands behind these numbers, operators agree upon with their SM-DP+.
    Other(u32),
}

impl NotificationPoint {
    /// The point of a notificationPointId.
    #[must_use]
    pub const fn from_id(id: u32) -> Self {
        match id {
            1 => Self::EligibilityAndRetryLimitCheck,
            2 => Self::ConfirmationFailure,
            3 => Self::BppDownload,
            4 => Self::BppInstallation,
            other => Self::Other(other),
        }
    }

    /// notificationPointId.
    #[must_use]
    pub const fn id(self) -> u32 {
        match self {
            Self::EligibilityAndRetryLimitCheck => 1,
            Self::ConfirmationFailure => 2,
            Self::BppDownload => 3,
            Self::BppInstallation => 4,
            Self::Other(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_one_point() {
        for id in (0..=10).chain([101, u32::MAX]) {
            assert_eq!(NotificationPoint::from_id(id).id(), id);
        }
        assert_eq!(NotificationPoint::from_id(4), NotificationPoint::BppInstallation);
        assert_eq!(NotificationPoint::from_id(0), NotificationPoint::Other(0));
    }
}
