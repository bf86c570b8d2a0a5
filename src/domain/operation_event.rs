//! What is told of operations, devices and campaigns: the history that people read, and what webhooks bring to other systems.
//! An event is written in the change that it tells of.

use std::fmt;

use serde_json::{Map, Value};

use super::operation::{OperationId, OperationKind};
use super::operation_state::{OperationStateName, Reason};
use crate::env::Timestamp;
use crate::ident::Eid;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// An operation was asked for.
    OperationCreated,
    /// It went to its next step.
    OperationStep,
    /// The deadline of its step passed, and its outcome is not known.
    OperationOverdue,
    /// It was done; the state says whether a profile was left behind.
    OperationDone,
    /// It was not done.
    OperationFailed,
    /// The device is back on the profile before.
    OperationRolledBack,
    /// Somebody ended it before anything was changed.
    OperationCancelled,
    /// Its validity ended before anything was changed.
    OperationExpired,
    /// A package waits for a device that is not expected soon: an SMS can wake it.
    DevicePollWanted,
    /// A device told that its profiles changed without our doing.
    DeviceStateChanged,
    /// A campaign began its first wave, or went on after a pause.
    CampaignRunning,
    /// A wave of a campaign ended, and the next one began.
    CampaignWave,
    /// Somebody stopped a campaign for a while.
    CampaignPaused,
    /// A campaign stopped by itself: too many of its operations failed.
    CampaignStopped,
    /// All operations of a campaign ended.
    CampaignDone,
    /// Somebody ended a campaign.
    CampaignCancelled,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::OperationCreated,
        Self::OperationStep,
        Self::OperationOverdue,
        Self::OperationDone,
        Self::OperationFailed,
        Self::OperationRolledBack,
        Self::OperationCancelled,
        Self::OperationExpired,
        Self::DevicePollWanted,
        Self::DeviceStateChanged,
        Self::CampaignRunning,
        Self::CampaignWave,
        Self::CampaignPaused,
        Self::CampaignStopped,
        Self::CampaignDone,
        Self::CampaignCancelled,
    ];

    /// Its name: the `type` of a webhook.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OperationCreated => "operation.created",
            Self::OperationStep => "operation.step",
            Self::OperationOverdue => "operation.overdue",
            Self::OperationDone => "operation.done",
            Self::OperationFailed => "operation.failed",
            Self::OperationRolledBack => "operation.rolled_back",
            Self::OperationCancelled => "operation.cancelled",
            Self::OperationExpired => "operation.expired",
            Self::DevicePollWanted => "device.poll_wanted",
            Self::DeviceStateChanged => "device.state_changed",
            Self::CampaignRunning => "campaign.running",
            Self::CampaignWave => "campaign.wave",
            Self::CampaignPaused => "campaign.paused",
            Self::CampaignStopped => "campaign.stopped",
            Self::CampaignDone => "campaign.done",
            Self::CampaignCancelled => "campaign.cancelled",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an operation stood when something was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationPart {
    /// Its number.
    pub operation_id: OperationId,
    /// What is asked.
    pub kind: OperationKind,
    /// Where it stands, now that it happened.
    pub state: OperationStateName,
    /// Why it ended otherwise than it was meant to.
    pub reason: Option<Reason>,
}

/// Something that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// The eUICC; `None` for campaigns.
    pub eid: Option<Eid>,
    /// The operation.
    pub operation: Option<OperationPart>,
    /// The campaign that it is about, or that the operation belongs to.
    pub campaign_id: Option<String>,
    /// stateChangeCause, with [`EventKind::DeviceStateChanged`].
    pub cause: Option<i64>,
    /// When the device is expected, with [`EventKind::DevicePollWanted`]; `None`: nobody knows.
    pub expected_at: Option<Timestamp>,
    /// More of it, for people; without secrets.
    pub detail: Option<String>,
}

impl Event {
    /// Something that happened to an eUICC.
    #[must_use]
    pub const fn of_device(kind: EventKind, eid: Eid, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            eid: Some(eid),
            operation: None,
            campaign_id: None,
            cause: None,
            expected_at: None,
            detail: None,
        }
    }

    /// The members of the `data` object of a webhook: those that are known.
    #[must_use]
    pub fn data(&self) -> Map<String, Value> {
        let mut data = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                data.insert(name.to_owned(), Value::String(value));
            }
        };
        put("eid", self.eid.as_ref().map(ToString::to_string));
        if let Some(operation) = &self.operation {
            put("operation_id", Some(operation.operation_id.to_string()));
            put("kind", Some(operation.kind.name().to_owned()));
            put("state", Some(operation.state.as_str().to_owned()));
            put("reason", operation.reason.as_ref().map(|reason| reason.code.name().to_owned()));
            put("reason_detail", operation.reason.as_ref().map(|reason| reason.detail.clone()));
        }
        put("campaign_id", self.campaign_id.clone());
        put("expected_at", self.expected_at.map(|at| at.to_string()));
        put("detail", self.detail.clone());
        if let Some(cause) = self.cause {
            data.insert("state_change_cause".to_owned(), cause.into());
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation_state::ReasonCode;
    use super::*;

    #[test]
    fn names_are_read_again() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(kind));
        }
        assert_eq!(EventKind::parse("operation.unknown"), None);
    }

    #[test]
    fn an_event_says_what_is_known() {
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        let at = Timestamp::from_secs(1_795_329_780);
        let operation = OperationPart {
            operation_id: OperationId::parse(&"0a".repeat(16)).unwrap(),
            kind: OperationKind::Switch,
            state: OperationStateName::Failed,
            reason: Some(Reason::new(ReasonCode::Refused, "disallowedByPolicy (3)".to_owned())),
        };
        let failed = Event {
            operation: Some(operation),
            ..Event::of_device(EventKind::OperationFailed, eid.clone(), at)
        };
        assert_eq!(
            Value::Object(failed.data()).to_string(),
            r#"{"eid":"89049032000000000000279973200019","kind":"switch","operation_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","reason":"refused","reason_detail":"disallowedByPolicy (3)","state":"failed"}"#
        );
        let changed = Event { cause: Some(1), ..Event::of_device(EventKind::DeviceStateChanged, eid, at) };
        assert_eq!(
            Value::Object(changed.data()).to_string(),
            r#"{"eid":"89049032000000000000279973200019","state_change_cause":1}"#
        );
    }
}
