//! Numbers of pools: handed out, given back, retired.
//!
//! A number is a row before anybody uses it. What is in the stock is never given, however it came there. Callers at the same
//! time share a commit ([`super::pool_draws`]).

use std::collections::HashSet;
use std::sync::Arc;

use super::allocations::{Allotted, Subject};
use super::audit;
use super::engine::{Row, Statement, set_statement};
use super::pool_draws::{
    DrawRow, GIVE_BACK, INSERT_NUMBERS, NumberRow, known, next_place, quarantine_run_out, stocked,
};
use super::set::Set;
use super::writer::{Change, Done};
use super::{Constraint, Store, StoreError};
use crate::domain::{
    Action, Actor, AllocationId, AuditSubject, NewAuditEntry, NumberKind, NumberState, Person, Pool, PoolName,
};
use crate::env::Timestamp;

/// Numbers that are counted at most: a count beyond is "more".
pub const COUNTED_MAX: u64 = 100_000;
/// Rows of one statement of a bulk insert.
const BULK_ROWS: usize = 1000;

const PASSED: Statement = Statement::common("SELECT passed FROM pool WHERE name = $1");

/// A reservation that has not run out becomes for good.
const KEEP: Statement = set_statement!(
    [kind bigint, number text, person text, changed_at bigint]
    "UPDATE pool_number SET state = 1, held_until = NULL, person = change.person, changed_at = change.changed_at \
     FROM change WHERE pool_number.kind = change.kind AND pool_number.number = change.number \
     AND (pool_number.state = 1 OR (pool_number.state = 0 AND pool_number.held_until > change.changed_at)) \
     RETURNING pool_number.number, pool_number.kind"
);

/// Numbers that were never given can be put aside too.
const PUT_ASIDE: Statement = set_statement!(
    [kind bigint, number text, pool text, state bigint, held_until bigint, person text, changed_at bigint]
    "INSERT INTO pool_number (kind, number, pool, state, held_until, person, changed_at) \
     SELECT kind, number, pool, state, held_until, person, changed_at FROM change WHERE true \
     ON CONFLICT (kind, number) DO UPDATE SET state = excluded.state, held_until = excluded.held_until, \
     person = excluded.person, changed_at = excluded.changed_at WHERE pool_number.state <> 3 \
     RETURNING number, kind"
);

/// All of an allocation that are still reserved.
const KEEP_ALLOCATION: Statement = Statement::common(
    "UPDATE pool_number SET state = 1, held_until = NULL, changed_at = $2 WHERE allocation_id = $1 AND state = 0",
);

const NUMBER: Statement = Statement::common(
    "SELECT kind, number, pool, state, held_until, allocation_id, person, changed_at FROM pool_number \
     WHERE kind = $1 AND number = $2",
);

/// In the order of numbers, behind one.
const NUMBERS_OF_ALLOCATION: Statement = Statement::common(
    "SELECT kind, number, pool, state, held_until, allocation_id, person, changed_at FROM pool_number \
     WHERE allocation_id = $1 ORDER BY kind, number LIMIT 1001",
);

const COUNT_OF_STATE: Statement = Statement::common(
    "SELECT COUNT(*) AS numbers FROM \
     (SELECT 1 FROM pool_number WHERE pool = $1 AND state = $2 LIMIT 100001) counted",
);

const COUNT_FREE_AGAIN: Statement = Statement::common(
    "SELECT COUNT(*) AS numbers FROM \
     (SELECT 1 FROM pool_number WHERE pool = $1 AND state = 2 AND held_until <= $2 LIMIT 100001) counted",
);

pub(super) const STATEMENTS: &[Statement] = &[
    PASSED,
    KEEP,
    KEEP_ALLOCATION,
    PUT_ASIDE,
    NUMBER,
    NUMBERS_OF_ALLOCATION,
    COUNT_OF_STATE,
    COUNT_FREE_AGAIN,
];

/// What a caller wants of a pool.
#[derive(Clone)]
pub struct Draw {
    /// What makes the call repeatable.
    pub allocation_id: AllocationId,
    /// The pool.
    pub pool: Arc<Pool>,
    /// How many numbers, 1 to [`crate::domain::pool::NUMBERS_MAX`].
    pub count: u32,
    /// Until when they are reserved; `None` for good.
    pub held_until: Option<Timestamp>,
    /// Who asks.
    pub person: Person,
    /// Now.
    pub at: Timestamp,
}

/// What a draw came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// The numbers that are held under the identifier, in their order. `repeated`: they were drawn by an earlier call, and
    /// those given back since are not among them.
    Numbers {
        /// The numbers.
        numbers: Vec<String>,
        /// Whether an earlier call drew them.
        repeated: bool,
    },
    /// Not so many are left; none was taken.
    Exhausted,
    /// Not so many are left among those next in turn, most of which are in use already; none was taken. Fewer at a time
    /// may do.
    Scattered,
    /// The identifier stands for another request.
    OtherRequest,
}

/// A number of a pool that somebody has or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNumber {
    /// What it is.
    pub kind: NumberKind,
    /// Its digits.
    pub number: String,
    /// Its pool.
    pub pool: PoolName,
    /// What became of it.
    pub state: NumberState,
    /// Until when it is reserved or in quarantine.
    pub held_until: Option<Timestamp>,
    /// The call that took it last.
    pub allocation_id: Option<AllocationId>,
    /// Who changed it last.
    pub person: Person,
    /// When.
    pub changed_at: Timestamp,
}

/// How full a pool is. Numbers in a state are counted up to [`COUNTED_MAX`] and one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PoolLevel {
    /// Numbers of the range whose turn has not come; some may be in the stock all the same.
    pub fresh: u64,
    /// Numbers whose quarantine ended.
    pub free_again: u64,
    /// Numbers reserved.
    pub reserved: u64,
    /// Numbers allocated.
    pub allocated: u64,
    /// Numbers in quarantine, also of one that ended.
    pub quarantined: u64,
    /// Numbers retired.
    pub retired: u64,
}

impl PoolLevel {
    /// How many can be drawn.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.fresh.saturating_add(self.free_again)
    }
}

/// What shall become of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberChange {
    /// Reserved becomes allocated.
    Keep,
    /// Given back, into quarantine until then.
    GiveBack(Timestamp),
    /// Put into quarantine until then, whether somebody had them or not.
    Quarantine(Timestamp),
    /// Never to be used again, whether somebody had them or not.
    Retire,
}

/// Why numbers were not changed; none was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NumberError {
    /// In the stock: what becomes of it is a matter of its profile.
    #[error("{0} belongs to a profile of the stock: release or retire that one")]
    InStock(String),
    /// In a state that the change does not start from.
    #[error("{0} is not in a state that allows it")]
    State(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) const fn kind_code(kind: NumberKind) -> i64 {
    match kind {
        NumberKind::Iccid => 0,
        NumberKind::Imsi => 1,
        NumberKind::Msisdn => 2,
    }
}

pub(super) const fn kind_of(code: i64) -> Option<NumberKind> {
    Some(match code {
        0 => NumberKind::Iccid,
        1 => NumberKind::Imsi,
        2 => NumberKind::Msisdn,
        _ => return None,
    })
}

pub(super) const fn state_code(state: NumberState) -> i64 {
    match state {
        NumberState::Reserved => 0,
        NumberState::Allocated => 1,
        NumberState::Quarantined => 2,
        NumberState::Retired => 3,
    }
}

const fn state_of(code: i64) -> Option<NumberState> {
    Some(match code {
        0 => NumberState::Reserved,
        1 => NumberState::Allocated,
        2 => NumberState::Quarantined,
        3 => NumberState::Retired,
        _ => return None,
    })
}

fn pool_number(row: &Row) -> Result<PoolNumber, StoreError> {
    let number = row.text("number")?;
    let corrupt = |column| StoreError::Corrupt { column, key: number.clone() };
    let allocation_id = row.text_or_null("allocation_id")?;
    Ok(PoolNumber {
        kind: kind_of(row.integer("kind")?).ok_or_else(|| corrupt("kind"))?,
        pool: PoolName::parse(&row.text("pool")?).ok_or_else(|| corrupt("pool"))?,
        state: state_of(row.integer("state")?).ok_or_else(|| corrupt("state"))?,
        held_until: row.integer_or_null("held_until")?.map(Timestamp::from_millis),
        allocation_id: match allocation_id {
            Some(text) => Some(AllocationId::parse(&text).ok_or_else(|| corrupt("allocation_id"))?),
            None => None,
        },
        person: Person::parse(&row.text("person")?).ok_or_else(|| corrupt("person"))?,
        changed_at: Timestamp::from_millis(row.integer("changed_at")?),
        number,
    })
}

impl Store {
    /// Draws numbers from a pool, all or none. The same request under the same identifier gets the same numbers again, as
    /// far as they were not given back. Whoever else draws at the same time, no number is given twice, and none that the
    /// stock has.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn draw(&self, draw: &Draw) -> Result<Drawn, StoreError> {
        loop {
            match self.writer.change(Change::Draw(Box::new(DrawRow::new(draw)))).await {
                Ok(Done::Allotted(Allotted::These(numbers))) => {
                    return Ok(Drawn::Numbers { numbers, repeated: false });
                }
                Ok(Done::Allotted(Allotted::Earlier)) => return self.drawn_earlier(draw).await,
                Ok(Done::Allotted(Allotted::Short)) => return Ok(Drawn::Exhausted),
                Ok(Done::Allotted(Allotted::Scattered)) => return Ok(Drawn::Scattered),
                // The pool's row knows how far the search came; or another node was faster with this identifier.
                Ok(Done::Allotted(Allotted::GoOn)) | Err(StoreError::InUse(Constraint::AllocationId)) => {}
                Ok(Done::Number(_) | Done::Taken(_) | Done::NoneLeft | Done::Found(_)) => {
                    return Err(StoreError::Conflict);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn drawn_earlier(&self, draw: &Draw) -> Result<Drawn, StoreError> {
        let allocation = self.allocation(&draw.allocation_id).await?;
        let is_same = allocation.is_some_and(|earlier| {
            earlier.subject == Subject::Numbers
                && earlier.source == draw.pool.name.as_str()
                && earlier.count == draw.count
        });
        if !is_same {
            return Ok(Drawn::OtherRequest);
        }
        let held = self.numbers_of_allocation(&draw.allocation_id).await?.into_iter();
        let held =
            held.filter(|number| matches!(number.state, NumberState::Reserved | NumberState::Allocated));
        Ok(Drawn::Numbers { numbers: held.map(|number| number.number).collect(), repeated: true })
    }

    /// The numbers that were drawn under an identifier and not drawn again since, in their order.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn numbers_of_allocation(&self, id: &AllocationId) -> Result<Vec<PoolNumber>, StoreError> {
        let rows = self.pools.fetch(&NUMBERS_OF_ALLOCATION, [id.as_str().into()]).await?;
        rows.iter().map(pool_number).collect()
    }

    /// What became of a number; `None` if no pool ever gave it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn pool_number(
        &self,
        kind: NumberKind,
        number: &str,
    ) -> Result<Option<PoolNumber>, StoreError> {
        let rows = self.pools.fetch(&NUMBER, [kind_code(kind).into(), number.into()]).await?;
        rows.first().map(pool_number).transpose()
    }

    /// How full a pool is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn pool_level(&self, pool: &Pool, now: Timestamp) -> Result<PoolLevel, StoreError> {
        let name = pool.name.as_str();
        let count = async |state| {
            let rows = self.pools.fetch(&COUNT_OF_STATE, [name.into(), state_code(state).into()]).await?;
            counted(&rows)
        };
        let rows = self.pools.fetch(&PASSED, [name.into()]).await?;
        let passed = rows.first().map_or(Ok(String::new()), Row::key)?;
        let again = self.pools.fetch(&COUNT_FREE_AGAIN, [name.into(), now.as_millis().into()]).await?;
        Ok(PoolLevel {
            fresh: pool.range.size().saturating_sub(next_place(pool, &passed)),
            free_again: counted(&again)?,
            reserved: count(NumberState::Reserved).await?,
            allocated: count(NumberState::Allocated).await?,
            quarantined: count(NumberState::Quarantined).await?,
            retired: count(NumberState::Retired).await?,
        })
    }

    /// Changes what became of numbers of a pool, all or none; at most [`crate::domain::pool::NUMBERS_MAX`] at a time.
    ///
    /// # Errors
    /// [`NumberError`]; nothing was changed then.
    pub async fn change_numbers(
        &self,
        pool: &Pool,
        numbers: &[String],
        change: NumberChange,
        person: &Person,
        now: Timestamp,
    ) -> Result<(), NumberError> {
        let mut writing = self.pools.begin().await?;
        if !matches!(change, NumberChange::Keep) {
            let in_stock = known(&mut writing, stocked(pool.kind), numbers).await?;
            if let Some(number) = numbers.iter().find(|number| in_stock.contains(*number)) {
                return Err(NumberError::InStock(number.clone()));
            }
        }
        let (statement, state, held_until) = match change {
            NumberChange::Keep => (&KEEP, NumberState::Allocated, None),
            NumberChange::GiveBack(until) => (&GIVE_BACK, NumberState::Quarantined, Some(until)),
            NumberChange::Quarantine(until) => (&PUT_ASIDE, NumberState::Quarantined, Some(until)),
            NumberChange::Retire => (&PUT_ASIDE, NumberState::Retired, None),
        };
        let row = |number| NumberRow {
            kind: kind_code(pool.kind),
            number,
            pool: pool.name.as_str(),
            state: state_code(state),
            held_until: held_until.map(Timestamp::as_millis),
            allocation_id: None,
            person: person.as_str(),
            changed_at: now.as_millis(),
        };
        let mut sorted: Vec<&str> = numbers.iter().map(String::as_str).collect();
        // One order for all who write, so that nobody waits for each other; and no number twice in a set.
        sorted.sort_unstable();
        sorted.dedup();
        let rows: Vec<NumberRow<'_>> = sorted.iter().map(|number| row(number)).collect();
        let changed = writing.fetch_set(statement, &Set::of(&rows)).await?;
        let changed: HashSet<String> = changed.iter().map(Row::key).collect::<Result<_, _>>()?;
        if let Some(number) = sorted.iter().find(|number| !changed.contains(**number)) {
            return Err(NumberError::State((*number).to_owned()));
        }
        audit::append(&mut writing, &audit_entries(pool, &sorted, change, person, now)).await?;
        Ok(writing.commit().await?)
    }

    /// Writes numbers as allocated, in one transaction, without a look at anything: what the engine can do at most.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails, and if a number is written already.
    pub async fn insert_numbers_in_bulk(
        &self,
        pool: &Pool,
        numbers: &[String],
        person: &Person,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        for chunk in numbers.chunks(BULK_ROWS) {
            let row = |number| NumberRow {
                kind: kind_code(pool.kind),
                number,
                pool: pool.name.as_str(),
                state: state_code(NumberState::Allocated),
                held_until: None,
                allocation_id: None,
                person: person.as_str(),
                changed_at: now.as_millis(),
            };
            let rows: Vec<NumberRow<'_>> = chunk.iter().map(|number| row(number.as_str())).collect();
            writing.fetch_set(&INSERT_NUMBERS, &Set::of(&rows)).await?;
        }
        writing.commit().await
    }

    /// What is still reserved under an identifier is allocated for good. Repeated, it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn keep_numbers(&self, id: &AllocationId, now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        writing.fetch(&KEEP_ALLOCATION, [id.as_str().into(), now.as_millis().into()]).await?;
        writing.commit().await
    }

    /// Reservations of numbers that ran out at `now` go into quarantine, `limit` at most. Returns how many: where it is the
    /// limit, there are more. Run twice, it finds nothing more to do.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn end_reservations_of_numbers(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let ended = quarantine_run_out(&mut writing, now.as_millis(), i64::from(limit)).await?;
        writing.commit().await?;
        Ok(ended)
    }
}

/// What the audit tells of numbers that changed: each apart, but for telephone numbers, which are values of persons.
fn audit_entries(
    pool: &Pool,
    numbers: &[&str],
    change: NumberChange,
    person: &Person,
    now: Timestamp,
) -> Vec<NewAuditEntry> {
    let (action, detail) = match change {
        NumberChange::Keep => (Action::POOL_ALLOCATE, "kept".to_owned()),
        NumberChange::GiveBack(until) => (Action::POOL_RELEASE, format!("quarantine until {until}")),
        NumberChange::Quarantine(until) => {
            (Action::POOL_RELEASE, format!("put into quarantine until {until}"))
        }
        NumberChange::Retire => (Action::POOL_RETIRE, "retired".to_owned()),
    };
    let entry = |subject| {
        let detail = format!("pool {}: {detail}", pool.name);
        NewAuditEntry::new(now, Actor::of_person(person), action, subject).detail(detail)
    };
    if pool.kind == NumberKind::Msisdn {
        let numbers = format!("{} numbers", numbers.len());
        let of_pool = entry(AuditSubject::new("pool", pool.name.as_str()));
        let detail = format!("{numbers}, {}", of_pool.detail);
        return vec![of_pool.detail(detail)];
    }
    numbers.iter().map(|number| entry(AuditSubject::new(pool.kind.name(), number))).collect()
}

fn counted(rows: &[Row]) -> Result<u64, StoreError> {
    let numbers = rows.first().map_or(Ok(0), |row| row.integer("numbers"))?;
    Ok(u64::try_from(numbers).unwrap_or_default())
}
