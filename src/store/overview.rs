//! The server's view of orders: pages of them, whoever's they are.

use super::engine::Statement;
use super::order_row::{is_published, order, order_columns, state_code};
use super::{Store, StoreError};
use crate::domain::{Operator, Order, ProfileType, StateName};
use crate::ident::{EidPrefix, Iccid, MatchingId};

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;

const ORDERS_AFTER: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    " FROM profile WHERE profile.iccid > $1 AND ",
    is_published!(),
    " ORDER BY profile.iccid LIMIT $2"
));

/// What a listing leaves out; -1 stands for every state that an order has, and an empty text for every type and owner.
macro_rules! selected {
    ($table:literal, $condition:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            " FROM ",
            $table,
            " WHERE ",
            $condition,
            " AND profile.iccid > $1 AND (profile.state = $2 OR ($2 = -1 AND profile.state <> 0)) \
             AND (profile.profile_type = $3 OR $3 = '') AND (profile.owner = $4 OR $4 = '') AND ",
            is_published!(),
            " ORDER BY profile.iccid LIMIT $5"
        )
    };
}

/// Along the key: a page costs what it passes over.
const SELECTED_ORDERS: Statement = Statement::common(selected!("profile", "true"));

const SELECTED_ORDERS_OF_OWNER: Statement = Statement::common(selected!("profile", "profile.owner = $4"));

/// SQLite would rather walk along the key, past every profile of the stock.
const SELECTED_ORDERS_OF_EIDS: Statement = Statement {
    sqlite: selected!("profile INDEXED BY profile_by_eid", "profile.eid >= $6 AND profile.eid <= $7"),
    postgres: selected!("profile", "profile.eid >= $6 AND profile.eid <= $7"),
};

const SELECTED_ORDER_OF_MATCHING_ID: Statement = Statement::common(selected!(
    "profile",
    "profile.matching_id = $8 AND profile.matching_id <> '' \
     AND ($6 = '' OR (profile.eid >= $6 AND profile.eid <= $7))"
));

pub(super) const STATEMENTS: &[Statement] = &[
    ORDERS_AFTER,
    SELECTED_ORDERS,
    SELECTED_ORDERS_OF_OWNER,
    SELECTED_ORDERS_OF_EIDS,
    SELECTED_ORDER_OF_MATCHING_ID,
];

/// Which orders a listing holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those in this state; `None`: all but those that nobody ordered, which are Available.
    pub state: Option<StateName>,
    /// Those of this type.
    pub profile_type: Option<ProfileType>,
    /// Those of this operator.
    pub owner: Option<Operator>,
    /// Those linked or bound to an eUICC whose EID begins so.
    pub eid: Option<EidPrefix>,
    /// The one with this matching identifier; none has the empty one.
    pub matching_id: Option<MatchingId>,
}

impl Store {
    /// A page of orders by rising ICCID, beginning after `after`, at most `limit` (and 1000).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn orders_after(&self, after: Option<&Iccid>, limit: u32) -> Result<Vec<Order>, StoreError> {
        let after = after.map(Iccid::as_str).unwrap_or_default();
        let limit = i64::from(limit.min(PAGE_MAX));
        let rows = self.pools.fetch(&ORDERS_AFTER, [after.into(), limit.into()]).await?;
        rows.iter().map(order).collect()
    }

    /// A page of the orders of a selection by rising ICCID, beginning after `after`, at most `limit` (and 1001: the last one
    /// says that another page follows).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn selected_orders(
        &self,
        selection: &Selection,
        after: Option<&Iccid>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let after = after.map(Iccid::as_str).unwrap_or_default().into();
        let state = selection.state.map_or(-1, state_code).into();
        let profile_type =
            selection.profile_type.as_ref().map(ProfileType::as_str).unwrap_or_default().into();
        let owner = selection.owner.as_ref().map(Operator::as_str).unwrap_or_default().into();
        let limit = i64::from(limit.min(PAGE_MAX + 1)).into();
        let eids = selection.eid.as_ref();
        let first = eids.map(EidPrefix::first).unwrap_or_default().as_str().into();
        let last = eids.map(EidPrefix::last).unwrap_or_default().as_str().into();
        let rows = match (&selection.matching_id, eids, &selection.owner) {
            (Some(id), _, _) => {
                let id = id.as_str().into();
                let arguments = [after, state, profile_type, owner, limit, first, last, id];
                self.pools.fetch(&SELECTED_ORDER_OF_MATCHING_ID, arguments).await?
            }
            (None, Some(_), _) => {
                let arguments = [after, state, profile_type, owner, limit, first, last];
                self.pools.fetch(&SELECTED_ORDERS_OF_EIDS, arguments).await?
            }
            (None, None, Some(_)) => {
                let arguments = [after, state, profile_type, owner, limit];
                self.pools.fetch(&SELECTED_ORDERS_OF_OWNER, arguments).await?
            }
            (None, None, None) => {
                let arguments = [after, state, profile_type, owner, limit];
                self.pools.fetch(&SELECTED_ORDERS, arguments).await?
            }
        };
        rows.iter().map(order).collect()
    }
}
