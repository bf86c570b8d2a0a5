//! The server's view: what is there, in which state, and what happened to it.

use super::engine::Statement;
use super::order_row::{order, order_columns, state_name};
use super::{Store, StoreError};
use crate::domain::{Order, StateName};
use crate::ident::Iccid;

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;

const ORDERS_AFTER: Statement = Statement::common(concat!(
    "SELECT ",
    order_columns!(),
    " FROM profile WHERE profile.iccid > $1 ORDER BY profile.iccid LIMIT $2"
));

const COUNTS: Statement = Statement::common(
    "SELECT owner, profile_type, state, COUNT(*) AS profiles FROM profile \
     GROUP BY owner, profile_type, state ORDER BY owner, profile_type, state",
);

pub(super) const STATEMENTS: &[Statement] = &[ORDERS_AFTER, COUNTS];

/// How many profiles of one owner and type are in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The owner.
    pub owner: String,
    /// The profile type.
    pub profile_type: String,
    /// The state.
    pub state: StateName,
    /// The number of profiles.
    pub profiles: u64,
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

    /// The number of profiles by owner, type and state.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let rows = self.pools.fetch(&COUNTS, []).await?;
        let count = |row: &super::engine::Row| {
            let owner = row.text("owner")?;
            let state = state_name(row.integer("state")?);
            Ok(Count {
                profile_type: row.text("profile_type")?,
                state: state.ok_or_else(|| StoreError::Corrupt { column: "state", key: owner.clone() })?,
                profiles: u64::try_from(row.integer("profiles")?).unwrap_or(0),
                owner,
            })
        };
        rows.iter().map(count).collect()
    }
}
