//! ES2+.HandleDownloadProgressInfo (SGP.22 5.3.5): what an operator is told of a download, and with which status.
//!
//! | point | told when | status |
//! |---|---|---|
//! | 1 | AuthenticateClient counted an attempt, or found the order at its end | passed; 8.2.5/4.3, 8.1/4.8, 8.8.5/6.4, 8.8.5/4.10 |
//! | 2 | GetBoundProfilePackage refused a confirmation code | 8.2.7/3.8, 8.2.7/6.4 |
//! | 3 | a bound profile package was handed over, or its order found expired | passed; 8.8.5/4.10 |
//! | 4 | a result of the eUICC came, or the session was cancelled for good | passed; 8.2.10/4.2, the pair of the reason |
//! | above 4 | the eUICC enabled, disabled or deleted the profile; numbers are the operator's | passed |
//!
//! Nothing is called from here: the row is written in the change that it tells of, [`crate::store`] keeps it, and a job
//! tells it. An operator without an address is told nothing, and nothing is written for it. Told are changes of an
//! order and each new result: a call that the LPA repeats tells nothing more, nor does a refusal that finds no order, one
//! of another eUICC, or one that is not released.

use std::collections::HashMap;

use super::Smdp;
use super::status::{Reason, Subject};
use crate::domain::{
    EligibilityRule, ErrorReason, Ineligible, NotificationPoint, Operator, Order, RunTimeState,
};
use crate::ident::Eid;
use crate::store::{CallbackFailure, NewCallback};

/// Which operators are told.
#[derive(Clone, Debug, Default)]
pub struct Callbacks(HashMap<Operator, RunTimePoints>);

/// The points at which an operator is told of the life of an installed profile; `None`: it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTimePoints {
    /// It was enabled.
    pub enable: Option<NotificationPoint>,
    /// It was disabled.
    pub disable: Option<NotificationPoint>,
    /// It was deleted.
    pub delete: Option<NotificationPoint>,
}

impl RunTimePoints {
    const fn of(self, state: RunTimeState) -> Option<NotificationPoint> {
        match state {
            RunTimeState::Enabled => self.enable,
            RunTimeState::Disabled => self.disable,
            RunTimeState::Deleted => self.delete,
        }
    }
}

impl Callbacks {
    /// Tells an operator from now on.
    pub fn add(&mut self, operator: Operator, points: RunTimePoints) {
        self.0.insert(operator, points);
    }
}

/// What happened in a download.
#[derive(Clone, Copy, Debug)]
pub(super) enum Progress<'a> {
    /// AuthenticateClient counted an attempt, and the profile fits the eUICC.
    Eligible,
    /// It was counted, and the profile does not fit: why.
    NotEligible(&'a Ineligible),
    /// The order failed at this point.
    Failed(NotificationPoint, ErrorReason),
    /// A wrong confirmation code was counted.
    CodeRefused,
    /// A package is handed over.
    Bound,
    /// ProfileInstallationResultData in DER, of a success.
    Installed(&'a [u8]),
    /// ProfileInstallationResultData in DER, with its errorReason.
    NotInstalled(&'a [u8], u32),
    /// What the eUICC did with the profile later.
    RunTime(RunTimeState),
}

type Status = Result<(), (Subject, Reason, String)>;

impl Smdp {
    /// What the owner of `order` is to be told; `None` if it wants to hear nothing of it.
    pub(super) fn callback(
        &self,
        order: &Order,
        eid: Option<&Eid>,
        progress: Progress<'_>,
    ) -> Option<NewCallback> {
        let points = self.callbacks.0.get(&order.owner)?;
        let point = match progress {
            Progress::Eligible | Progress::NotEligible(_) => NotificationPoint::EligibilityAndRetryLimitCheck,
            Progress::Failed(point, _) => point,
            Progress::CodeRefused => NotificationPoint::ConfirmationFailure,
            Progress::Bound => NotificationPoint::BppDownload,
            Progress::Installed(_) | Progress::NotInstalled(..) => NotificationPoint::BppInstallation,
            Progress::RunTime(state) => points.of(state)?,
        };
        let result_data = match progress {
            Progress::Installed(data) | Progress::NotInstalled(data, _) => Some(data.to_vec()),
            Progress::Eligible
            | Progress::NotEligible(_)
            | Progress::Failed(..)
            | Progress::CodeRefused
            | Progress::Bound
            | Progress::RunTime(_) => None,
        };
        let outcome = status(progress).map_err(|(subject, reason, message)| CallbackFailure {
            subject_code: subject.code().to_owned(),
            reason_code: reason.code().to_owned(),
            message,
        });
        Some(NewCallback {
            eid: eid.or_else(|| order.eid()).cloned(),
            point,
            outcome,
            result_data,
            call_identifier: hex::encode_upper(self.rng.array::<16>()),
            at: self.clock.now(),
        })
    }
}

fn status(progress: Progress<'_>) -> Status {
    match progress {
        Progress::Eligible | Progress::Bound | Progress::Installed(_) | Progress::RunTime(_) => Ok(()),
        Progress::NotEligible(why) => {
            let (subject, reason) = not_eligible(why.rule());
            Err((subject, reason, format!("the profile does not fit the eUICC: {why}")))
        }
        Progress::Failed(_, reason) => Err(failure(reason)),
        Progress::CodeRefused => {
            Err((Subject::ConfirmationCode, Reason::Refused, "the confirmation code is wrong".to_owned()))
        }
        Progress::NotInstalled(_, reason) => Err(not_installed(i64::from(reason))),
    }
}

/// The pair of AuthenticateClient (5.6.3).
const fn not_eligible(rule: EligibilityRule) -> (Subject, Reason) {
    if rule.is_memory() {
        (Subject::Euicc, Reason::InsufficientMemory)
    } else {
        (Subject::ProfileType, Reason::StoppedOnWarning)
    }
}

fn not_installed(reason: i64) -> (Subject, Reason, String) {
    let message = format!("the eUICC did not install the profile: errorReason {reason}");
    (Subject::BoundProfilePackage, Reason::ExecutionError, message)
}

fn failure(reason: ErrorReason) -> (Subject, Reason, String) {
    let told = |subject, reason, message: &str| (subject, reason, message.to_owned());
    match reason {
        ErrorReason::DownloadAttempts => {
            told(Subject::DownloadOrder, Reason::MaximumAttemptsExceeded, "the download attempts are used up")
        }
        ErrorReason::ConfirmationAttempts => told(
            Subject::ConfirmationCode,
            Reason::MaximumAttemptsExceeded,
            "the confirmation code attempts are used up",
        ),
        ErrorReason::Expired => told(Subject::DownloadOrder, Reason::TimeToLiveExpired, "the order expired"),
        ErrorReason::NotEligible(rule) => {
            let (subject, reason) = not_eligible(rule);
            told(subject, reason, "the profile does not fit the eUICC")
        }
        ErrorReason::Cancelled(reason) => {
            let (subject, code) = cancelled(reason);
            (subject, code, format!("the session was cancelled with reason {reason}"))
        }
        ErrorReason::Installation(reason) => not_installed(reason),
    }
}

/// The pair of each terminal reason of CancelSession, those of version 3 too; a number that nobody knows is as
/// undefinedReason.
const fn cancelled(reason: i64) -> (Subject, Reason) {
    match reason {
        0 => (Subject::DownloadOrder, Reason::Refused),
        3 => (Subject::ProfilePolicyRules, Reason::NotAllowed),
        4 => (Subject::ProfileMetadata, Reason::ValueHasChanged),
        5 => (Subject::BoundProfilePackage, Reason::ExecutionError),
        17 => (Subject::EnterpriseConfiguration, Reason::Unsupported),
        18 => (Subject::EnterpriseConfiguration, Reason::NotAllowed),
        19 | 21 | 22 => (Subject::EnterpriseConfiguration, Reason::Refused),
        20 => (Subject::EnterpriseConfiguration, Reason::InvalidMatch),
        23 => (Subject::LpaProxy, Reason::Unsupported),
        24 | 27 => (Subject::RpmOrder, Reason::Refused),
        25 => (Subject::ProfileMetadata, Reason::Refused),
        28 => (Subject::RpmOrder, Reason::Invalid),
        29 => (Subject::RpmOrder, Reason::ExecutionError),
        30 => (Subject::DeviceChange, Reason::StoppedOnWarning),
        _ => (Subject::RemoteProvisioning, Reason::ExecutionError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(progress: Progress<'_>) -> String {
        match status(progress) {
            Ok(()) => "passed".to_owned(),
            Err((subject, reason, message)) => {
                assert!(!message.is_empty());
                format!("{}/{}", subject.code(), reason.code())
            }
        }
    }

    #[test]
    fn each_event_has_the_pair_of_the_standard() {
        let failed = |reason| Progress::Failed(NotificationPoint::BppInstallation, reason);
        for (progress, expected) in [
            (Progress::Eligible, "passed"),
            (Progress::NotEligible(&Ineligible::TestProfile), "8.2.5/4.3"),
            (Progress::NotEligible(&Ineligible::AdditionalProfile), "8.1/4.8"),
            (Progress::CodeRefused, "8.2.7/3.8"),
            (Progress::Bound, "passed"),
            (Progress::Installed(&[]), "passed"),
            (Progress::NotInstalled(&[], 10), "8.2.10/4.2"),
            (Progress::RunTime(RunTimeState::Deleted), "passed"),
            (failed(ErrorReason::DownloadAttempts), "8.8.5/6.4"),
            (failed(ErrorReason::ConfirmationAttempts), "8.2.7/6.4"),
            (failed(ErrorReason::Expired), "8.8.5/4.10"),
            (failed(ErrorReason::NotEligible(EligibilityRule::Svn)), "8.2.5/4.3"),
            (failed(ErrorReason::NotEligible(EligibilityRule::Memory)), "8.1/4.8"),
            (failed(ErrorReason::Installation(12)), "8.2.10/4.2"),
        ] {
            assert_eq!(pair(progress), expected, "{progress:?}");
        }
    }

    #[test]
    fn each_reason_of_a_cancelled_session_has_its_pair() {
        for (reason, expected) in [
            (0, "8.8.5/3.8"),
            (3, "8.2.8/1.2"),
            (4, "8.2.9/3.11"),
            (5, "8.2.10/4.2"),
            (17, "8.2.13/3.1"),
            (18, "8.2.13/1.2"),
            (19, "8.2.13/3.8"),
            (20, "8.2.13/3.12"),
            (21, "8.2.13/3.8"),
            (22, "8.2.13/3.8"),
            (23, "8.2.14/3.1"),
            (24, "8.8.6/3.8"),
            (25, "8.2.9/3.8"),
            (27, "8.8.6/3.8"),
            (28, "8.8.6/2.1"),
            (29, "8.8.6/4.2"),
            (30, "8.10.3/4.3"),
            (127, "8/4.2"),
            (99, "8/4.2"),
            (-1, "8/4.2"),
        ] {
            let cancelled = ErrorReason::Cancelled(reason);
            assert_eq!(pair(Progress::Failed(NotificationPoint::BppInstallation, cancelled)), expected);
        }
    }
}
