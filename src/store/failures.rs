//! The latest failure of each order, for people. Nothing decides by it; a download that goes well writes nothing here.

use super::engine::{Row, Statement, set_statement};
use super::set::set_row;
use super::writer::{Change, Done};
use super::{Store, StoreError};
use crate::domain::LastFailure;
use crate::env::Timestamp;
use crate::ident::Iccid;

/// A failure of an order that a later one has followed meanwhile says nothing any more.
pub(super) const KEEP_FAILURE: Statement = set_statement!(
    [iccid text, number bigint, function text, status text, detail text, failed_at bigint]
    "INSERT INTO last_failure (iccid, number, function, status, detail, failed_at) \
     SELECT change.iccid, change.number, change.function, change.status, change.detail, change.failed_at \
     FROM change JOIN profile ON profile.iccid = change.iccid AND profile.number = change.number WHERE true \
     ON CONFLICT (iccid) DO UPDATE SET number = excluded.number, function = excluded.function, \
     status = excluded.status, detail = excluded.detail, failed_at = excluded.failed_at \
     RETURNING iccid, failed_at"
);

const FAILURES: Statement = Statement::common(
    "SELECT iccid, number, function, status, detail, failed_at FROM last_failure \
     WHERE iccid >= $1 AND iccid <= $2 ORDER BY iccid LIMIT 1000",
);

pub(super) const STATEMENTS: &[Statement] = &[KEEP_FAILURE, FAILURES];

set_row! {
    pub(super) struct FailureRow {
        pub(super) iccid: String,
        number: i64,
        function: String,
        status: Option<String>,
        detail: String,
        failed_at: i64,
    }
}

impl Store {
    /// Keeps a failure in place of an earlier one of the same profile.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the order is over and another one has begun; others if the engine fails.
    pub async fn keep_failure(&self, failure: &LastFailure) -> Result<(), StoreError> {
        let row = FailureRow {
            iccid: failure.iccid.as_str().to_owned(),
            number: failure.number,
            function: failure.function.clone(),
            status: failure.status.clone(),
            detail: failure.detail.clone(),
            failed_at: failure.at.as_millis(),
        };
        match self.writer.change(Change::Fail(Box::new(row))).await? {
            Done::Number(_) => Ok(()),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// The latest failures of the profiles from `first` to `last`, by rising ICCID, at most 1000. Those of earlier
    /// orders are among them: `number` tells.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn failures(&self, first: &Iccid, last: &Iccid) -> Result<Vec<LastFailure>, StoreError> {
        let rows = self.pools.fetch(&FAILURES, [first.as_str().into(), last.as_str().into()]).await?;
        let failure = |row: &Row| {
            let key = row.text("iccid")?;
            Ok(LastFailure {
                iccid: Iccid::parse(&key).map_err(|_| StoreError::Corrupt { column: "iccid", key })?,
                number: row.integer("number")?,
                function: row.text("function")?,
                status: row.text_or_null("status")?,
                detail: row.text("detail")?,
                at: Timestamp::from_millis(row.integer("failed_at")?),
            })
        };
        rows.iter().map(failure).collect()
    }
}
