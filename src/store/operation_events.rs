//! What is told of operations, devices and campaigns: written in the change that it tells of, in the order in which things
//! happened, and read by people and by whoever brings it to other systems.

use super::engine::{Row, Statement, set_statement};
use super::set::set_row;
use super::{Store, StoreError};
use crate::domain::{Event, EventKind, OperationId};
use crate::env::Timestamp;

/// Events of one look at most.
const PAGE_MAX: u32 = 1000;

pub(super) const INSERT_EVENTS: Statement = set_statement!(
    [kind text, happened_at bigint, event_eid text, operation_id text, campaign_id text, data text]
    "INSERT INTO operation_event (kind, happened_at, eid, operation_id, campaign_id, data) \
     SELECT kind, happened_at, event_eid, operation_id, campaign_id, data FROM change WHERE true \
     RETURNING kind, number"
);

const OF_OPERATION: Statement = Statement::common(
    "SELECT number, kind, happened_at, data FROM operation_event WHERE operation_id = $1 AND number > $2 \
     ORDER BY number LIMIT $3",
);

pub(super) const STATEMENTS: &[Statement] = &[INSERT_EVENTS, OF_OPERATION];

set_row! {
    pub(super) struct EventRow {
        kind: &'static str,
        happened_at: i64,
        event_eid: Option<String>,
        operation_id: Option<String>,
        campaign_id: Option<String>,
        data: String,
    }
}

impl EventRow {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            kind: event.kind.name(),
            happened_at: event.at.as_millis(),
            event_eid: event.eid.as_ref().map(|eid| eid.as_str().to_owned()),
            operation_id: event.operation.as_ref().map(|operation| operation.operation_id.to_string()),
            campaign_id: event.campaign_id.clone(),
            data: serde_json::Value::Object(event.data()).to_string(),
        }
    }
}

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldEvent {
    /// Rises with what happens.
    pub number: i64,
    /// What happened; `None` for a kind that a later version tells.
    pub kind: Option<EventKind>,
    /// When.
    pub at: Timestamp,
    /// The JSON object of [`Event::data`].
    pub data: String,
}

impl Store {
    /// What was told of an operation behind the event `after` (0: from the first), at most `limit` (and 1000).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn events_of_operation(
        &self,
        operation_id: &OperationId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ToldEvent>, StoreError> {
        let arguments =
            [operation_id.to_string().as_str().into(), after.into(), i64::from(limit.min(PAGE_MAX)).into()];
        let rows = self.pools.fetch(&OF_OPERATION, arguments).await?;
        let told = |row: &Row| {
            Ok(ToldEvent {
                number: row.integer("number")?,
                kind: EventKind::parse(&row.text("kind")?),
                at: Timestamp::from_millis(row.integer("happened_at")?),
                data: row.text("data")?,
            })
        };
        rows.iter().map(told).collect()
    }
}
