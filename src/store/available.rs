//! The profiles of an owner and a type that are available, batch by batch, the oldest first, each in the order of ICCIDs.
//!
//! Whoever takes some takes those behind the ones that were taken last, and begins anew where there are not so many: PostgreSQL
//! leaves what is taken in its index until the next VACUUM, so that who always began at the beginning would pass over all of
//! it each time. [`Places`] is what this server remembers and no more than that: what it forgets, or passes over because
//! another server holds it, is found when somebody begins anew.

use std::collections::HashMap;

use super::engine::{Argument, Row, Statement, Writing};
use super::order_row::{order, order_columns};
use super::{Store, StoreError};
use crate::domain::{Operator, Order, ProfileType};

/// Owners and types whose places are remembered at most; with one more, all begin anew.
const PLACES_MAX: usize = 1024;

/// The batches that have available profiles of an owner ($1) and type ($2) behind a place: one step along the index of available
/// profiles for each.
macro_rules! stocked {
    ($first:expr, $next:expr) => {
        concat!(
            "WITH RECURSIVE stocked (batch_id) AS (SELECT (",
            $first,
            ") UNION ALL SELECT (",
            $next,
            ") FROM stocked WHERE stocked.batch_id IS NOT NULL) "
        )
    };
}

macro_rules! stocked_in_sqlite {
    () => {
        stocked!(first_batch!(">= $3"), first_batch!("> stocked.batch_id"))
    };
}

macro_rules! first_batch {
    ($behind:literal) => {
        concat!(
            "SELECT MIN(profile.batch_id) FROM profile WHERE profile.state = 0 AND profile.shelf = 0 \
             AND profile.owner = $1 AND profile.profile_type = $2 AND profile.batch_id ",
            $behind
        )
    };
}

/// Those of them that are published and behind the place: batch $3, ICCID $4.
macro_rules! along_stocked_in_sqlite {
    () => {
        " FROM stocked CROSS JOIN batch ON batch.batch_id = stocked.batch_id AND batch.state = 1 \
         CROSS JOIN profile ON profile.batch_id = stocked.batch_id AND profile.state = 0 AND profile.shelf = 0 \
         AND profile.owner = $1 AND profile.profile_type = $2 \
         AND profile.iccid > CASE WHEN stocked.batch_id = $3 THEN $4 ELSE '' END"
    };
}

/// For PostgreSQL, rows are compared as a whole and put in the order of the whole, which no other index has: where the owner and
/// the type were given by themselves, the index of batches would do too, and it passes over all that was ever ordered from a
/// batch.
macro_rules! stocked_in_postgres {
    () => {
        stocked!(next_batch!(", profile.iccid", "$3, $4"), next_batch!("", "stocked.batch_id"))
    };
}

macro_rules! next_batch {
    ($column:literal, $behind:literal) => {
        concat!(
            "SELECT next.batch_id FROM (SELECT profile.owner, profile.profile_type, profile.batch_id FROM profile \
             WHERE profile.state = 0 AND profile.shelf = 0 AND (profile.owner, profile.profile_type, profile.batch_id",
            $column,
            ") > ($1, $2, ",
            $behind,
            ") ORDER BY profile.owner, profile.profile_type, profile.batch_id, profile.iccid LIMIT 1) next \
             WHERE next.owner = $1 AND next.profile_type = $2"
        )
    };
}

macro_rules! along_stocked_in_postgres {
    ($columns:expr, $limit:literal, $lock:literal) => {
        concat!(
            "SELECT profile.* FROM stocked CROSS JOIN LATERAL (SELECT ",
            $columns,
            " FROM profile WHERE profile.state = 0 AND profile.shelf = 0 \
             AND (profile.owner, profile.profile_type, profile.batch_id, profile.iccid) \
             > ($1, $2, stocked.batch_id, CASE WHEN stocked.batch_id = $3 THEN $4 ELSE '' END) \
             AND (profile.owner, profile.profile_type, profile.batch_id) <= ($1, $2, stocked.batch_id) \
             AND (SELECT batch.state FROM batch WHERE batch.batch_id = stocked.batch_id) = 1 \
             ORDER BY profile.owner, profile.profile_type, profile.batch_id, profile.iccid LIMIT ",
            $limit,
            $lock,
            ") profile LIMIT ",
            $limit
        )
    };
}

/// What [`TAKE`] would take first; whoever saves an order for it may find that another one was faster.
const NEXT_AVAILABLE: Statement = Statement {
    sqlite: concat!(
        stocked_in_sqlite!(),
        "SELECT ",
        order_columns!(),
        along_stocked_in_sqlite!(),
        " LIMIT 1"
    ),
    postgres: concat!(stocked_in_postgres!(), along_stocked_in_postgres!(order_columns!(), "1", "")),
};

/// $5 of them, which nobody else takes before the commit: another server passes over them. Fewer where there are not so many, and
/// on PostgreSQL also where others are taking too many at the same time: [`TAKE_ALL`] tells these apart.
///
/// PostgreSQL does not see the end of a batch in its index (a comparison of rows ends a scan by its first column alone), and would
/// go on through everything that the owner has in stock. So a limit ends the scan, and what is of another batch is dropped.
const TAKE: Statement = Statement {
    sqlite: TAKE_ALL.sqlite,
    postgres: concat!(
        stocked_in_postgres!(),
        "SELECT profile.iccid, profile.version, profile.number, profile.batch_id \
         FROM stocked CROSS JOIN LATERAL (SELECT profile.iccid, profile.owner, profile.profile_type, profile.batch_id \
         FROM profile WHERE profile.state = 0 AND profile.shelf = 0 \
         AND (profile.owner, profile.profile_type, profile.batch_id, profile.iccid) \
         > ($1, $2, stocked.batch_id, CASE WHEN stocked.batch_id = $3 THEN $4 ELSE '' END) \
         AND (SELECT batch.state FROM batch WHERE batch.batch_id = stocked.batch_id) = 1 \
         ORDER BY profile.owner, profile.profile_type, profile.batch_id, profile.iccid LIMIT 4 * $5 + 64) next \
         JOIN profile ON profile.iccid = next.iccid AND profile.state + profile.shelf = 0 \
         WHERE next.owner = $1 AND next.profile_type = $2 AND next.batch_id = stocked.batch_id \
         LIMIT $5 FOR UPDATE OF profile SKIP LOCKED"
    ),
};

/// As many as there are, up to $5.
const TAKE_ALL: Statement = Statement {
    sqlite: concat!(
        stocked_in_sqlite!(),
        "SELECT profile.iccid, profile.version, profile.number, profile.batch_id",
        along_stocked_in_sqlite!(),
        " LIMIT $5"
    ),
    postgres: concat!(
        stocked_in_postgres!(),
        along_stocked_in_postgres!(
            "profile.iccid, profile.version, profile.number, profile.batch_id",
            "$5",
            " FOR UPDATE SKIP LOCKED"
        )
    ),
};

pub(super) const STATEMENTS: &[Statement] = &[NEXT_AVAILABLE, TAKE, TAKE_ALL];

/// A profile that is available, and whose row stands still until the commit.
pub(super) struct Next {
    pub(super) iccid: String,
    pub(super) version: i64,
    /// How often it was ordered.
    pub(super) number: i64,
}

/// Where a search goes on.
#[derive(Clone, Default, PartialEq, Eq)]
struct Place {
    batch_id: String,
    iccid: String,
}

/// Up to which profiles some were taken, of each owner and type.
#[derive(Default)]
pub(super) struct Places {
    last: HashMap<(String, String), Place>,
}

impl Places {
    /// The next `count` profiles of an owner and a type, or as many as there are.
    pub(super) async fn take(
        &mut self,
        writing: &mut Writing,
        owner: &str,
        profile_type: &str,
        count: i64,
    ) -> Result<Vec<Next>, StoreError> {
        let key = (owner.to_owned(), profile_type.to_owned());
        let place = self.last.get(&key).cloned().unwrap_or_default();
        let (mut taken, mut end) = take_behind(writing, &TAKE, &key, &place, count).await?;
        if i64::try_from(taken.len()).unwrap_or(i64::MAX) < count {
            (taken, end) = take_behind(writing, &TAKE_ALL, &key, &Place::default(), count).await?;
        }
        if self.last.len() >= PLACES_MAX {
            self.last.clear();
        }
        match end {
            Some(end) => drop(self.last.insert(key, end)),
            None => drop(self.last.remove(&key)),
        }
        Ok(taken)
    }
}

/// The profiles behind a place, and the place of the last.
async fn take_behind(
    writing: &mut Writing,
    statement: &Statement,
    (owner, profile_type): &(String, String),
    place: &Place,
    count: i64,
) -> Result<(Vec<Next>, Option<Place>), StoreError> {
    let arguments: [Argument; 5] = [
        owner.as_str().into(),
        profile_type.as_str().into(),
        place.batch_id.as_str().into(),
        place.iccid.as_str().into(),
        count.into(),
    ];
    let rows = writing.fetch(statement, arguments).await?;
    let next = |row: &Row| {
        Ok::<_, StoreError>(Next {
            iccid: row.text("iccid")?,
            version: row.integer("version")?,
            number: row.integer("number")?,
        })
    };
    let end =
        |row: &Row| Ok::<_, StoreError>(Place { batch_id: row.text("batch_id")?, iccid: row.text("iccid")? });
    Ok((rows.iter().map(next).collect::<Result<_, _>>()?, rows.last().map(end).transpose()?))
}

impl Store {
    /// The next available profile of this owner and type, in the order of ICCIDs; it is not reserved by that. `None` if
    /// none is available.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn next_available(
        &self,
        owner: &Operator,
        profile_type: &ProfileType,
    ) -> Result<Option<Order>, StoreError> {
        let arguments = [owner.as_str().into(), profile_type.as_str().into(), "".into(), "".into()];
        let rows = self.pools.fetch(&NEXT_AVAILABLE, arguments).await?;
        rows.first().map(order).transpose()
    }
}
