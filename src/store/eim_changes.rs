//! The one change of what belongs to an eUICC of our eIM: its operations, its packages, its profiles, and what is told of it,
//! all together or nothing, if the eUICC is still the one that was read.

use super::eim_euiccs::{
    EuiccCertificates, FORGET_PROFILES, HOLD, HoldRow, INSERT_PROFILES, Introduction, ProfileRow,
};
use super::eim_packages::{
    END_PACKAGES, EndRow, HAND_OVER, HandOverRow, INSERT_PACKAGES, KEEP_RESULTS, NewPackage, PackageOutcome,
    PackageRow, PackageSignature, ResultRow,
};
use super::engine::{Part, Statement, Writing};
use super::euiccs::KEEP_EUM_CERTIFICATES;
use super::forwarded::{END_HOLDING, EndHoldingRow, VOID_HELD, VoidHeldRow};
use super::operation_events::{EventRow, INSERT_EVENTS};
use super::operations::{INSERT_OPERATIONS, NewOperation, NewOperationRow, OperationRow, UPDATE_OPERATIONS};
use super::set::{Columns, Set, set_row};
use super::webhooks::{TELL, TellRow};
use super::writer::{Change, Done, Outcome, set};
use super::{Store, StoreError};
use crate::crypto::hash::sha256;
use crate::domain::{Deadlines, Event, ListedProfile, NewAuditEntry, Operation};
use crate::env::Timestamp;
use crate::ident::{Eid, TransactionId};

/// What is written about an eUICC, if its version is still the one given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EimChange {
    /// The eUICC.
    pub eid: Eid,
    /// Its version as read.
    pub version: i64,
    /// Now.
    pub at: Timestamp,
    /// The last counterValue that is used from now on.
    pub counter: Option<i64>,
    /// Whether its profiles may be others than the last list says.
    pub staleness: Staleness,
    /// The network that its device registered with.
    pub rplmn: Option<String>,
    /// Its certificates, verified.
    pub certificates: Option<EuiccCertificates>,
    /// What it and its IPA said of themselves; what is `None` stays.
    pub introduction: Introduction,
    /// Whether it was asked for that in vain once more.
    pub not_introduced: bool,
    /// SHA-256 of the key of our eIM that it knows from now on.
    pub signing_key: Option<String>,
    /// Whether it deleted our eIM.
    pub left: bool,
    /// Its profiles.
    pub profiles: Option<Vec<ListedProfile>>,
    /// Operations that go on, and where they stand now.
    pub operations: Vec<Operation>,
    /// Operations that are new.
    pub new_operations: Vec<NewOperation>,
    /// What becomes of notifications that are held.
    pub held: HeldNotifications,
    /// The package that was outstanding, and how it ended.
    pub ended: Option<(TransactionId, PackageOutcome)>,
    /// What an eUICC answered to a package.
    pub result: Option<PackageAnswer>,
    /// The package that is outstanding from now on.
    pub package: Option<NewPackage>,
    /// The outstanding package leaves for the first time.
    pub handed_over: Option<(TransactionId, Option<PackageSignature>)>,
    /// What is told.
    pub events: Vec<Event>,
    /// What the audit tells of it.
    pub audit: Vec<NewAuditEntry>,
}

/// What a change does to the time since which the list of profiles may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// Nothing.
    AsItWas,
    /// The device told that something changed.
    Since(Timestamp),
    /// The eUICC has just listed its profiles, now.
    Listed,
}

/// What a change does to notifications of a switch, which are held as long as it may be rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldNotifications {
    /// Nothing.
    AsTheyWere,
    /// They are brought to their receivers.
    Due,
    /// Those that came since then are void: the eUICC took back what they tell of.
    Void {
        /// When the package of the switch left.
        since: Timestamp,
    },
}

/// What an eUICC answered to a package, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageAnswer {
    /// The package.
    pub transaction_id: TransactionId,
    /// Its first result.
    pub result: Option<Vec<u8>>,
    /// What came in its place after a rollback.
    pub rollback_result: Option<Vec<u8>>,
    /// Whether it did not verify: in builds for laboratories alone.
    pub unverified: bool,
}

impl EimChange {
    /// A change that does nothing yet.
    #[must_use]
    pub fn new(eid: Eid, version: i64, at: Timestamp) -> Self {
        Self {
            eid,
            version,
            at,
            counter: None,
            staleness: Staleness::AsItWas,
            rplmn: None,
            certificates: None,
            introduction: Introduction::default(),
            not_introduced: false,
            signing_key: None,
            left: false,
            profiles: None,
            operations: Vec::new(),
            new_operations: Vec::new(),
            held: HeldNotifications::AsTheyWere,
            ended: None,
            result: None,
            package: None,
            handed_over: None,
            events: Vec::new(),
            audit: Vec::new(),
        }
    }
}

set_row! {
    struct EumCertificateRow {
        digest: String,
        der: Vec<u8>,
    }
}

set_row! {
    struct EidRow {
        eid: String,
    }
}

/// The rows of a change.
pub(super) struct EimRow {
    pub(super) eid: String,
    hold: HoldRow,
    issuer: Option<EumCertificateRow>,
    forget: Option<EidRow>,
    profiles: Vec<ProfileRow>,
    /// Operations that end make room for those that begin.
    ended_operations: Vec<OperationRow>,
    operations: Vec<OperationRow>,
    new_operations: Vec<NewOperationRow>,
    void_held: Option<VoidHeldRow>,
    end_holding: Option<EndHoldingRow>,
    ended: Option<EndRow>,
    result: Option<ResultRow>,
    package: Option<PackageRow>,
    handed_over: Option<HandOverRow>,
    events: Vec<EventRow>,
    messages: Vec<TellRow>,
    pub(super) audit: Vec<NewAuditEntry>,
}

impl EimRow {
    fn new(change: EimChange, deadlines: &Deadlines) -> Self {
        let at = change.at.as_millis();
        let (stale, stale_since, listed_at) = match change.staleness {
            Staleness::AsItWas => (0, None, None),
            Staleness::Since(since) => (1, Some(since.as_millis()), None),
            Staleness::Listed => (1, None, Some(at)),
        };
        let issuer = change.certificates.as_ref().map(|certificates| EumCertificateRow {
            digest: hex::encode(sha256(&certificates.eum)),
            der: certificates.eum.clone(),
        });
        let (ended_operations, operations): (Vec<_>, Vec<_>) =
            change.operations.iter().partition(|operation| operation.state.is_end());
        let rows = |operations: Vec<&Operation>| {
            operations
                .into_iter()
                .map(|operation| OperationRow::new(operation, deadlines, change.at))
                .collect()
        };
        Self {
            eid: change.eid.as_str().to_owned(),
            hold: HoldRow {
                eid: change.eid.as_str().to_owned(),
                version: change.version,
                counter: change.counter,
                stale,
                stale_since,
                listed_at,
                digest: issuer.as_ref().map(|issuer| issuer.digest.clone()),
                certificate: change.certificates.map(|certificates| certificates.own),
                euicc_info1: change.introduction.euicc_info1,
                euicc_info2: change.introduction.euicc_info2,
                ipa_capabilities: change.introduction.ipa_capabilities,
                device_info: change.introduction.device_info,
                rules_authorisation_table: change.introduction.rules_authorisation_table,
                introductions: i64::from(change.not_introduced),
                rplmn: change.rplmn,
                signing_key: change.signing_key,
                left_at: change.left.then_some(at),
            },
            issuer,
            forget: change.profiles.is_some().then(|| EidRow { eid: change.eid.as_str().to_owned() }),
            profiles: change
                .profiles
                .into_iter()
                .flatten()
                .map(|profile| ProfileRow::new(&change.eid, profile))
                .collect(),
            ended_operations: rows(ended_operations),
            operations: rows(operations),
            new_operations: change
                .new_operations
                .into_iter()
                .map(|new| NewOperationRow::new(new, deadlines, change.at))
                .collect(),
            void_held: match change.held {
                HeldNotifications::Void { since } => Some(VoidHeldRow::new(&change.eid, since, change.at)),
                HeldNotifications::AsTheyWere | HeldNotifications::Due => None,
            },
            end_holding: (change.held != HeldNotifications::AsTheyWere)
                .then(|| EndHoldingRow::new(&change.eid, change.at)),
            ended: change.ended.map(|(transaction_id, outcome)| EndRow {
                transaction_id: transaction_id.to_string(),
                ended_at: at,
                outcome: outcome.code(),
            }),
            result: change.result.map(|answer| ResultRow {
                transaction_id: answer.transaction_id.to_string(),
                result: answer.result,
                rollback_result: answer.rollback_result,
                result_at: at,
                unverified: i64::from(answer.unverified),
            }),
            package: change.package.map(|package| PackageRow::new(&change.eid, package)),
            handed_over: change.handed_over.map(|(transaction_id, signed)| {
                let (association_token, signature) = match signed {
                    Some(signed) => (signed.association_token, Some(signed.signature)),
                    None => (None, None),
                };
                HandOverRow {
                    transaction_id: transaction_id.to_string(),
                    handed_over_at: at,
                    association_token,
                    signature,
                }
            }),
            events: change.events.iter().map(EventRow::new).collect(),
            messages: (0..)
                .zip(&change.events)
                .map(|(place, event)| {
                    // A change is written once for a version of its eUICC.
                    TellRow::of(event, &format!("eim_euicc/{}/{}/{place}", change.eid, change.version))
                })
                .collect::<Vec<_>>(),
            audit: change.audit,
        }
    }
}

/// Statements with their rows, in the order in which they run.
#[derive(Default)]
struct Statements<'a> {
    parts: Vec<Part>,
    sets: Vec<Set<'a>>,
}

impl<'a> Statements<'a> {
    fn add<R: Columns + 'a>(&mut self, statement: &'static Statement, rows: impl Iterator<Item = &'a R>) {
        let set = Set::of(rows.collect::<Vec<_>>());
        if set.rows().next().is_some() {
            self.parts.push(Part { statement, set: self.sets.len() });
            self.sets.push(set);
        }
    }
}

/// Writes changes of eUICCs none of which occurs twice; one whose eUICC changed since it was read writes nothing.
pub(super) async fn change_eim_euiccs(
    writing: &mut Writing,
    round: &[(usize, &EimRow)],
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let held = set(writing, &HOLD, &Set::of(round.iter().map(|(_, row)| &row.hold))).await?;
    for (place, row) in round {
        if let (Some(version), Some(outcome)) = (held.get(&row.eid), outcomes.get_mut(*place)) {
            *outcome = Ok(Done::Number(*version));
        }
    }
    let rows: Vec<&EimRow> =
        round.iter().map(|(_, row)| *row).filter(|row| held.contains_key(&row.eid)).collect();
    let mut statements = Statements::default();
    let mut issuers: Vec<&EumCertificateRow> = rows.iter().filter_map(|row| row.issuer.as_ref()).collect();
    issuers.sort_by(|one, other| one.digest.cmp(&other.digest));
    issuers.dedup_by(|one, other| one.digest == other.digest);
    statements.add(&KEEP_EUM_CERTIFICATES, issuers.into_iter());
    statements.add(&FORGET_PROFILES, rows.iter().filter_map(|row| row.forget.as_ref()));
    statements.add(&INSERT_PROFILES, rows.iter().flat_map(|row| &row.profiles));
    statements.add(&UPDATE_OPERATIONS, rows.iter().flat_map(|row| &row.ended_operations));
    statements.add(&UPDATE_OPERATIONS, rows.iter().flat_map(|row| &row.operations));
    statements.add(&INSERT_OPERATIONS, rows.iter().flat_map(|row| &row.new_operations));
    statements.add(&VOID_HELD, rows.iter().filter_map(|row| row.void_held.as_ref()));
    statements.add(&END_HOLDING, rows.iter().filter_map(|row| row.end_holding.as_ref()));
    statements.add(&HAND_OVER, rows.iter().filter_map(|row| row.handed_over.as_ref()));
    statements.add(&KEEP_RESULTS, rows.iter().filter_map(|row| row.result.as_ref()));
    statements.add(&END_PACKAGES, rows.iter().filter_map(|row| row.ended.as_ref()));
    statements.add(&INSERT_PACKAGES, rows.iter().filter_map(|row| row.package.as_ref()));
    statements.add(&INSERT_EVENTS, rows.iter().flat_map(|row| &row.events));
    statements.add(&TELL, rows.iter().flat_map(|row| &row.messages));
    writing.change_each(&statements.parts, &statements.sets).await.map(drop)
}

impl Store {
    /// Writes a change of an eUICC of our eIM. When it returns, all of it is durable. Returns the eUICC's new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the eUICC changed since it was read; [`StoreError::InUse`] if the creator of an operation
    /// uses its key for another one; others if the engine fails.
    pub async fn change_eim_euicc(
        &self,
        change: EimChange,
        deadlines: &Deadlines,
    ) -> Result<i64, StoreError> {
        let row = EimRow::new(change, deadlines);
        match self.writer.change(Change::Eim(Box::new(row))).await? {
            Done::Number(version) => Ok(version),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }
}
