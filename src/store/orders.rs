//! Orders: how they are read, and what ES2+ changes about them (SGP.22 5.3).

use std::collections::HashMap;
use std::time::Duration;

use super::available::{Next, Places};
use super::callbacks::{CallbackRow, NewCallback, keep_callback};
use super::engine::{Row, Statement, Writing, set_statement};
use super::order_row::{OrderRow, is_published, named_by_code, order, order_columns, state_code};
use super::set::{Beside, Set, set_row};
use super::writer::{Change, Done, Outcome, Taken, set};
use super::{Store, StoreError};
use crate::domain::{DownloadOrderParameters, NewAuditEntry, Operator, Order, ProfileType, StateName};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, MatchingId};

const ORDER: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    " FROM profile WHERE profile.iccid = $1 AND ",
    is_published!()
));

const ORDER_BY_MATCHING_ID: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    " FROM profile WHERE profile.matching_id = $1 AND profile.matching_id <> ''"
));

/// Only orders that an eUICC can ask for or be told about, those nearest to a download first: 64 are more than any
/// eUICC waits for.
const ORDERS_BY_EID: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    " FROM profile WHERE profile.eid = $1 AND profile.state IN (3, 4, 5, 7) \
     ORDER BY CASE profile.state WHEN 5 THEN 0 WHEN 4 THEN 1 ELSE 2 END, profile.ordered_at LIMIT 64"
));

/// Orders that can expire, those first that expired first.
const EXPIRED: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    " FROM profile WHERE profile.state IN (4, 5) AND profile.expires_at IS NOT NULL AND profile.expires_at <= $1 \
     ORDER BY profile.expires_at LIMIT $2"
));

const OWNERS_OF_TYPE: Statement = Statement::common(
    "SELECT DISTINCT owner FROM batch WHERE profile_type = $1 AND state = 1 ORDER BY owner LIMIT 1000",
);

/// What [`SAVE`] demands of an order.
macro_rules! may_be_saved {
    () => {
        "profile.iccid = change.iccid AND profile.version = change.version"
    };
}

/// Writes the order as it shall be. Attempts and run-time state belong to a released order: before that they are
/// cleared, after that they are left to those who count, unless the change says how many there are.
pub(super) const SAVE: Statement = set_statement!(
    [iccid text, version bigint, number bigint, state bigint, eid text, requester text, call_identifier text,
     named_by bigint, ordered_eid text, ordered_at bigint, confirmed_eid text, matching_id text,
     matching_id_origin bigint, code_hash octets, release_time bigint, confirmed_at bigint, expires_at bigint,
     key_mode bigint, metadata octets, released_at bigint, bound_at bigint, ended_at bigint, error_reason text, download_attempts bigint, confirmation_attempts bigint]
    "UPDATE profile SET version = profile.version + 1, number = change.number, state = change.state, \
     eid = change.eid, requester = change.requester, call_identifier = change.call_identifier, \
     named_by = change.named_by, ordered_eid = change.ordered_eid, ordered_at = change.ordered_at, \
     confirmed_eid = change.confirmed_eid, matching_id = change.matching_id, \
     matching_id_origin = change.matching_id_origin, code_hash = change.code_hash, \
     release_time = change.release_time, confirmed_at = change.confirmed_at, expires_at = change.expires_at, \
     key_mode = change.key_mode, metadata = change.metadata, released_at = change.released_at, \
     bound_at = change.bound_at, ended_at = change.ended_at, error_reason = change.error_reason, \
     download_attempts = CASE WHEN change.state < 4 THEN 0 ELSE \
     COALESCE(change.download_attempts, profile.download_attempts) END, \
     confirmation_attempts = CASE WHEN change.state < 4 THEN 0 ELSE \
     COALESCE(change.confirmation_attempts, profile.confirmation_attempts) END, \
     run_time_state = CASE WHEN change.state < 4 THEN NULL ELSE profile.run_time_state END, \
     run_time_number = CASE WHEN change.state < 4 THEN NULL ELSE profile.run_time_number END \
     FROM change WHERE ", may_be_saved!(), " RETURNING profile.iccid, profile.version"
);

/// Before [`SAVE`].
pub(super) const TELL_OF_SAVED: Statement = keep_callback!([iccid text, version bigint] may_be_saved!());

/// Orders that an earlier call of the same identity and parameters took.
pub(super) const FIND_REPETITION: Statement = set_statement!(
    [place text, owner text, profile_type text, requester text, call_identifier text, named_by bigint,
     ordered_eid text, not_before bigint]
    "SELECT change.place AS place, MIN(profile.iccid) AS iccid FROM change \
     JOIN profile ON profile.call_identifier = change.call_identifier \
     WHERE profile.requester = change.requester AND profile.owner = change.owner \
     AND profile.profile_type = change.profile_type AND profile.named_by = change.named_by \
     AND COALESCE(profile.ordered_eid, '') = COALESCE(change.ordered_eid, '') \
     AND profile.ordered_at > change.not_before AND profile.state IN (1, 2) \
     GROUP BY change.place"
);

pub(super) const STATEMENTS: &[Statement] = &[
    ORDER,
    ORDER_BY_MATCHING_ID,
    ORDERS_BY_EID,
    EXPIRED,
    OWNERS_OF_TYPE,
    SAVE,
    TELL_OF_SAVED,
    FIND_REPETITION,
];

set_row! {
    /// A DownloadOrder by type.
    pub(super) struct TakeRow {
        pub(super) place: String,
        pub(super) owner: String,
        pub(super) profile_type: String,
        requester: String,
        pub(super) call_identifier: String,
        named_by: i64,
        ordered_eid: Option<String>,
        ordered_at: i64,
        not_before: i64,
        /// What the audit tells of it; its subject is the number that is taken.
        pub(super) audit: Beside<Option<NewAuditEntry>>,
    }
}

impl TakeRow {
    /// Two calls of one identity and parameters are looked at one after the other; calls without identifier have none.
    pub(super) fn round_key(waiting: usize, row: &Self) -> String {
        if row.call_identifier.is_empty() { waiting.to_string() } else { row.place.clone() }
    }

    /// What the row of a number that this call takes becomes.
    pub(super) fn reserve(&self, next: &Next) -> OrderRow {
        let state = if self.ordered_eid.is_some() { StateName::Linked } else { StateName::Allocated };
        OrderRow {
            iccid: next.iccid.clone(),
            version: next.version,
            number: next.number.saturating_add(1),
            state: state_code(state),
            eid: self.ordered_eid.clone(),
            requester: Some(self.requester.clone()),
            call_identifier: Some(self.call_identifier.clone()),
            named_by: Some(self.named_by),
            ordered_eid: self.ordered_eid.clone(),
            ordered_at: Some(self.ordered_at),
            confirmed_eid: None,
            matching_id: None,
            matching_id_origin: None,
            code_hash: None,
            release_time: None,
            confirmed_at: None,
            expires_at: None,
            key_mode: None,
            metadata: None,
            released_at: None,
            bound_at: None,
            ended_at: None,
            error_reason: None,
            download_attempts: None,
            confirmation_attempts: None,
            callback: None,
            manual_change: Beside(None),
            audit: Beside(None),
        }
    }
}

/// Takes numbers of a type: a repetition gets the number of the first call, the others the next available ones.
pub(super) async fn take(
    writing: &mut Writing,
    round: &[(usize, &TakeRow)],
    places: &mut Places,
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let named = round.iter().map(|(_, row)| *row).filter(|row| !row.call_identifier.is_empty());
    let mut repeated = HashMap::new();
    for row in writing.fetch_set(&FIND_REPETITION, &Set::of(named)).await? {
        repeated.insert(row.text("place")?, row.text("iccid")?);
    }
    let mut wanted: HashMap<(&str, &str), Vec<(usize, &TakeRow)>> = HashMap::new();
    for (place, row) in round {
        match (repeated.get(&row.place), outcomes.get_mut(*place)) {
            (Some(iccid), Some(outcome)) => {
                *outcome = Ok(Done::Taken(Taken { iccid: iccid.clone(), is_new: false }));
            }
            _ => wanted.entry((&row.owner, &row.profile_type)).or_default().push((*place, row)),
        }
    }
    for ((owner, profile_type), takers) in wanted {
        let count = i64::try_from(takers.len()).unwrap_or(i64::MAX);
        let numbers = places.take(writing, owner, profile_type, count).await?;
        let mut taken = Vec::with_capacity(numbers.len());
        for ((place, taker), number) in takers.iter().zip(&numbers) {
            taken.push((*place, taker.reserve(number)));
        }
        let saved = set(writing, &SAVE, &Set::of(taken.iter().map(|(_, row)| row))).await?;
        for (place, row) in &taken {
            if let (true, Some(outcome)) = (saved.contains_key(&row.iccid), outcomes.get_mut(*place)) {
                *outcome = Ok(Done::Taken(Taken { iccid: row.iccid.clone(), is_new: true }));
            }
        }
        for (place, _) in takers.iter().skip(numbers.len()) {
            if let Some(outcome) = outcomes.get_mut(*place) {
                *outcome = Ok(Done::NoneLeft);
            }
        }
    }
    Ok(())
}

impl Store {
    /// The order of a profile; `None` if the ICCID is not in the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn order(&self, iccid: &Iccid) -> Result<Option<Order>, StoreError> {
        let rows = self.pools.fetch(&ORDER, [iccid.as_str().into()]).await?;
        rows.first().map(order).transpose()
    }

    /// The order that has this matching identifier; `None` if none has, and for the empty one.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn order_by_matching_id(&self, matching_id: &MatchingId) -> Result<Option<Order>, StoreError> {
        let rows = self.pools.fetch(&ORDER_BY_MATCHING_ID, [matching_id.as_str().into()]).await?;
        rows.first().map(order).transpose()
    }

    /// The candidates of [`crate::domain::select_order`]: the order with this matching identifier if one is given and
    /// not empty, otherwise the orders of this EID, at most 64.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn orders_for(
        &self,
        matching_id: Option<&MatchingId>,
        eid: &Eid,
    ) -> Result<Vec<Order>, StoreError> {
        let rows = match matching_id.filter(|id| !id.is_empty()) {
            Some(id) => self.pools.fetch(&ORDER_BY_MATCHING_ID, [id.as_str().into()]).await?,
            None => self.pools.fetch(&ORDERS_BY_EID, [eid.as_str().into()]).await?,
        };
        rows.iter().map(order).collect()
    }

    /// Orders, Released or Downloaded, that have expired at `now`, those first that expired first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn expired_orders(&self, now: Timestamp, limit: u32) -> Result<Vec<Order>, StoreError> {
        let rows = self.pools.fetch(&EXPIRED, [now.as_millis().into(), i64::from(limit).into()]).await?;
        rows.iter().map(order).collect()
    }

    /// The operators that own profiles of a type, used up or not; none if the type is unknown.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn owners_of_type(&self, profile_type: &ProfileType) -> Result<Vec<Operator>, StoreError> {
        let rows = self.pools.fetch(&OWNERS_OF_TYPE, [profile_type.as_str().into()]).await?;
        let owner = |row: &Row| {
            let text = row.text("owner")?;
            Operator::parse(&text).ok_or(StoreError::Corrupt { column: "owner", key: text })
        };
        rows.iter().map(owner).collect()
    }

    /// Writes `order`, a transition of one that was read from here: its `version` says which. The keys of its binding
    /// are wiped if it ended. Returns the order with its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the order changed since it was read; [`StoreError::InUse`] if another order has its
    /// matching identifier; others if the engine fails.
    pub async fn save(&self, order: Order) -> Result<Order, StoreError> {
        self.save_row(OrderRow::new(&order), order).await
    }

    /// As [`Store::save`], and keeps in the same change what the operator is to be told of it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn save_and_tell(
        &self,
        order: Order,
        callback: Option<NewCallback>,
    ) -> Result<Order, StoreError> {
        let callback = callback.map(CallbackRow::new);
        self.save_row(OrderRow { callback, ..OrderRow::new(&order) }, order).await
    }

    /// As [`Store::save`], and appends `entry` to the audit in the same change.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn save_audited(&self, order: Order, entry: NewAuditEntry) -> Result<Order, StoreError> {
        self.save_row(OrderRow { audit: Beside(Some(entry)), ..OrderRow::new(&order) }, order).await
    }

    /// As [`Store::save_and_tell`], and writes the attempts that `order` has: those counted since it was read are
    /// forgotten.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn save_with_attempts_and_tell(
        &self,
        order: Order,
        callback: Option<NewCallback>,
    ) -> Result<Order, StoreError> {
        let callback = callback.map(CallbackRow::new);
        self.save_row(OrderRow { callback, ..OrderRow::with_attempts(&order) }, order).await
    }

    async fn save_row(&self, row: OrderRow, order: Order) -> Result<Order, StoreError> {
        match self.writer.change(Change::Save(Box::new(row))).await? {
            Done::Number(version) => Ok(Order { version, ..order }),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// DownloadOrder by type (5.3.1): takes the next available profile of this owner and type, in the order of ICCIDs,
    /// and reserves it. The same call within `repetition_window` gets the same ICCID while that order is not
    /// confirmed. `None` if none is available. No number is given twice, whoever else takes at the same time. `audit` is
    /// appended where a number is taken, about that number.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn take_by_type(
        &self,
        owner: &Operator,
        profile_type: &ProfileType,
        parameters: &DownloadOrderParameters,
        now: Timestamp,
        repetition_window: Duration,
        audit: Option<NewAuditEntry>,
    ) -> Result<Option<Iccid>, StoreError> {
        let window = i64::try_from(repetition_window.as_millis()).unwrap_or(i64::MAX);
        let ordered_eid = parameters.eid.as_ref().map(|eid| eid.as_str().to_owned());
        let call = &parameters.call;
        let identity = [
            owner.as_str(),
            profile_type.as_str(),
            &call.requester,
            &call.call_identifier,
            ordered_eid.as_deref().unwrap_or_default(),
        ];
        let row = TakeRow {
            place: identity.join("\u{1F}"),
            owner: owner.as_str().to_owned(),
            profile_type: profile_type.as_str().to_owned(),
            requester: call.requester.clone(),
            call_identifier: call.call_identifier.clone(),
            named_by: named_by_code(parameters.named_by),
            ordered_eid,
            ordered_at: now.as_millis(),
            not_before: now.as_millis().saturating_sub(window),
            audit: Beside(audit),
        };
        match self.writer.change(Change::Take(Box::new(row))).await? {
            Done::Taken(taken) => {
                let iccid = Iccid::parse(&taken.iccid);
                iccid.map(Some).map_err(|_| StoreError::Corrupt { column: "iccid", key: taken.iccid })
            }
            Done::NoneLeft => Ok(None),
            Done::Number(_) | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }
}
