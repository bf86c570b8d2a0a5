//! The rules of the stock and of orders, without I/O (SGP.22 3.1.1, 3.1.5, 3.1.6, 5.3).
//!
//! | module | what |
//! |---|---|
//! | [`state`] | the states of a profile at the SM-DP+ and the data that each state owns |
//! | [`audit`] | who did what to which identifier |
//! | [`identity`] | who may call the admin API, and what each may do |
//! | [`draining`] | so many of something in an hour |
//! | [`kept_packages`] | packages kept for a repetition, so many octets at most |
//! | [`campaign`] | one thing asked of many eUICCs, in waves and at a pace |
//! | [`label`] | what the owner of a fleet calls eUICCs by |
//! | [`last_failure`] | what went wrong with an order last |
//! | [`mode`] | for tests or for people |
//! | [`name`] | names of operators, manufacturers, profile types, people |
//! | [`order`] | one profile and the order for it: the transitions |
//! | [`architecture`] | SGP.02, SGP.22 or SGP.32 |
//! | [`operation`], [`operation_state`], [`operation_transition`] | what is asked of an eUICC through its eIM, where it stands, and how it goes on |
//! | [`operation_event`] | what is told of operations, devices and campaigns |
//! | [`switch_eligibility`] | whether a device may be switched to another profile, and everything that stands in the way |
//! | `random_number` | numbers of operations and campaigns: 128 random bits, and how they are written |
//! | [`pool`] | ranges of numbers that are handed out |
//! | [`freedom_to_switch`] | whether an eUICC's profiles can be switched |
//! | [`standing`] | where a profile stands, in one word |
//! | [`delivered`] | which other systems have its keys and numbers |
//! | [`eligibility`] | whether a profile fits an eUICC and its device |
//! | [`selection`] | which order a pair of matching identifier and EID may download, and why not |
//! | [`shelf`] | where a profile stands in the stock, and what becomes of one that comes back |
//! | [`progress`] | the points of a download at which the operator is told |
//! | [`webhook`] | who is told of what happens over HTTPS, and in which words |
//! | [`transport_key`] | who approved the keys under which keys travel |
//! | [`repetition`] | whether an ES2+ call repeats an earlier one |
//!
//! Nothing here reads a clock, draws random octets or talks to a database: everything comes as an argument.

pub mod architecture;
pub mod audit;
pub mod campaign;
pub mod delivered;
pub mod draining;
pub mod eligibility;
pub mod freedom_to_switch;
pub mod identity;
pub mod kept_packages;
pub mod label;
pub mod last_failure;
pub mod mode;
pub mod name;
pub mod operation;
pub mod operation_event;
pub mod operation_state;
pub mod operation_transition;
pub mod order;
pub mod pool;
pub mod progress;
mod random_number;
pub mod repetition;
pub mod selection;
pub mod shelf;
pub mod standing;
pub mod state;
pub mod switch_eligibility;
pub mod transport_key;
pub mod webhook;

pub use architecture::Architecture;
pub use audit::{
    AUDIT_DETAIL_MAX, Action, Actor, AuditEntry, AuditOutcome, AuditSubject, Commitment, NewAuditEntry,
    Personal, SALT_OCTETS,
};
pub use campaign::{
    Campaign, CampaignId, CampaignName, CampaignState, CampaignTask, Pace, PaceError, Step, TargetState,
    WaveCounts,
};
pub use delivered::{Delivered, System};
pub use eligibility::{
    Abilities, Demands, EligibilityRule, Ineligible, NotEligible, PackageNeeds, RadioAccess,
};
pub use freedom_to_switch::FreedomToSwitch;
pub use identity::{Identity, IdentityName, Permission, Right};
pub use kept_packages::KeptPackages;
pub use label::{
    LABEL_TEXT_MAX, LABELS_MAX, Label, LabelError, LabelName, LabelSelection, LabelValue, SELECTED_MAX,
};
pub use last_failure::LastFailure;
pub use mode::Mode;
pub use name::{DeliveryId, Manufacturer, Operator, Person, Platform, ProfileType, SubClassName};
pub use operation::{
    Command, Deadlines, Effect, Fetch, ListedProfile, Listing, OldProfile, Operation, OperationId,
    OperationKind, Rollback, SwitchTarget, Task,
};
pub use operation_event::{Event, EventKind, OperationPart};
pub use operation_state::{OperationState, OperationStateName, Reason, ReasonCode};
pub use operation_transition::{InvalidOccurrence, Occurrence};
pub use order::{InvalidTransition, Order, Transition};
pub use pool::{AllocationId, NumberKind, NumberRange, NumberState, Pool, PoolName};
pub use progress::NotificationPoint;
pub use repetition::{ConfirmOrderParameters, DownloadOrderParameters};
pub use selection::{Accepted, AcceptedAs, Limits, Refusal, select_order};
pub use shelf::{Euicc, Fate, InvalidShelf, NotBack, Shelf, ShelfEvent};
pub use standing::Standing;
pub use state::{
    Attempts, Bound, CallIdentity, CodeHash, Confirmation, Download, ErrorReason, Failure, FinalStatus,
    Installation, KeyMode, ManualCommand, MatchingIdOrigin, NamedBy, ProfileEvent, Release, ReleaseTime,
    Reservation, RunTimeState, State, StateName, Terms,
};
pub use switch_eligibility::{Registered, SwitchFacts, SwitchObstacle, Switching, WayBack, switch_obstacles};
pub use transport_key::{Deed, KeyPartner, KeyPurpose, KeyRefused, KeyState};
