//! Numbers drawn from pools: what the writer does in one commit.
//!
//! Fresh numbers are given first, in the order of their range; when none is left, those whose quarantine ended, the oldest
//! first. The row of the pool stands still from the first statement to the commit, so that several nodes take turns.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use super::StoreError;
use super::allocations::{AllocationRow, Allotted, INSERT_ALLOCATIONS, Subject, actor, earlier, millis, put};
use super::engine::{Argument, Row, Statement, Writing, set_statement};
use super::pools::{Draw, kind_code, kind_of, state_code};
use super::set::{Set, set_row};
use super::writer::Outcome;
use crate::domain::{Action, AuditSubject, NewAuditEntry, NumberKind, NumberState, Pool};
use crate::env::Timestamp;

/// Numbers of a range that are looked at with one statement at most.
const WINDOW_MAX: u64 = 4096;
/// Statements in a row that may find nothing but numbers that are in use, before others get their turn.
const WINDOWS_MAX: usize = 8;
/// Statements in a row that may look for more where some were found.
const SCATTERED_WINDOWS_MAX: usize = 64;

/// Reservations that are ended on the way, before given numbers are given again.
const RUN_OUT_MAX: i64 = 1000;
/// Who ends reservations that ran out.
const EXPIRY: &str = "expiry";

/// Where others draw too, the pool's row stands still from here on.
const LOCK_POOL: Statement = Statement {
    sqlite: "SELECT passed FROM pool WHERE name = $1",
    postgres: "SELECT passed FROM pool WHERE name = $1 FOR UPDATE",
};

const MAKE_POOL: Statement =
    Statement::common("INSERT INTO pool (name, passed) VALUES ($1, '') ON CONFLICT (name) DO NOTHING");

const PASS: Statement = Statement::common("UPDATE pool SET passed = $2 WHERE name = $1");

/// The numbers of a set that some table knows, each looked for by itself: a join would leave it to PostgreSQL to go through the
/// table and look for its rows in the set, which it does as long as it takes the table for a small one.
macro_rules! among {
    ($($table:literal where $condition:literal),+) => {
        set_statement!(
            [number text]
            "SELECT change.number, 0 FROM change WHERE COALESCE(",
            $("(SELECT 1 FROM ", $table, " WHERE ", $condition, " LIMIT 1), "),+,
            "0) = 1"
        )
    };
}

/// Of ICCIDs, those that somebody has or had.
const TAKEN_ICCIDS: Statement = among!(
    "pool_number" where "pool_number.kind = 0 AND pool_number.number = change.number",
    "profile" where "profile.iccid = change.number"
);

const TAKEN_IMSIS: Statement = among!(
    "pool_number" where "pool_number.kind = 1 AND pool_number.number = change.number",
    "subscription_imsi" where "subscription_imsi.imsi = change.number"
);

const TAKEN_MSISDNS: Statement = among!(
    "pool_number" where "pool_number.kind = 2 AND pool_number.number = change.number",
    "profile" where "profile.msisdn IN (change.number, '+' || change.number)",
    "subscription_imsi" where "subscription_imsi.msisdn IN (change.number, '+' || change.number)"
);

/// Of ICCIDs, those that are in the stock.
const STOCKED_ICCIDS: Statement = among!("profile" where "profile.iccid = change.number");

const STOCKED_IMSIS: Statement = among!("subscription_imsi" where "subscription_imsi.imsi = change.number");

const STOCKED_MSISDNS: Statement = among!(
    "profile" where "profile.msisdn IN (change.number, '+' || change.number)",
    "subscription_imsi" where "subscription_imsi.msisdn IN (change.number, '+' || change.number)"
);

pub(super) const INSERT_NUMBERS: Statement = set_statement!(
    [kind bigint, number text, pool text, state bigint, held_until bigint, allocation_id text, person text,
     changed_at bigint]
    "INSERT INTO pool_number (kind, number, pool, state, held_until, allocation_id, person, changed_at) \
     SELECT kind, number, pool, state, held_until, allocation_id, person, changed_at FROM change WHERE true"
);

/// The numbers whose quarantine ended first.
const FREE_AGAIN: Statement = Statement {
    sqlite: "SELECT number FROM pool_number WHERE pool = $1 AND state = 2 AND held_until <= $2 \
             ORDER BY held_until, number LIMIT $3",
    postgres: "SELECT number FROM pool_number WHERE pool = $1 AND state = 2 AND held_until <= $2 \
               ORDER BY held_until, number LIMIT $3 FOR UPDATE SKIP LOCKED",
};

const GIVE_AGAIN: Statement = set_statement!(
    [kind bigint, number text, pool text, state bigint, held_until bigint, allocation_id text, person text,
     changed_at bigint]
    "UPDATE pool_number SET pool = change.pool, state = change.state, held_until = change.held_until, \
     allocation_id = change.allocation_id, person = change.person, changed_at = change.changed_at \
     FROM change WHERE pool_number.kind = change.kind AND pool_number.number = change.number \
     AND pool_number.state = 2 RETURNING pool_number.number, pool_number.kind"
);

/// What came into the stock while it was in nobody's hands belongs to that profile now.
const SETTLE: Statement = set_statement!(
    [kind bigint, number text, changed_at bigint]
    "UPDATE pool_number SET state = 1, held_until = NULL, changed_at = change.changed_at FROM change \
     WHERE pool_number.kind = change.kind AND pool_number.number = change.number \
     AND pool_number.state IN (0, 2) RETURNING pool_number.number, pool_number.kind"
);

/// Reservations that ran out, the oldest first.
const RUN_OUT: Statement = Statement {
    sqlite: "SELECT pool_number.kind, pool_number.number, pool_number.held_until, \
             COALESCE(allocation.quarantine_ms, 0) AS quarantine_ms FROM pool_number \
             LEFT JOIN allocation ON allocation.allocation_id = pool_number.allocation_id \
             WHERE pool_number.state = 0 AND pool_number.held_until <= $1 ORDER BY pool_number.held_until LIMIT $2",
    postgres: "SELECT pool_number.kind, pool_number.number, pool_number.held_until, \
               COALESCE(allocation.quarantine_ms, 0) AS quarantine_ms FROM pool_number \
               LEFT JOIN allocation ON allocation.allocation_id = pool_number.allocation_id \
               WHERE pool_number.state = 0 AND pool_number.held_until <= $1 ORDER BY pool_number.held_until LIMIT $2 \
               FOR UPDATE OF pool_number SKIP LOCKED",
};

pub(super) const GIVE_BACK: Statement = set_statement!(
    [kind bigint, number text, held_until bigint, person text, changed_at bigint]
    "UPDATE pool_number SET state = 2, held_until = change.held_until, person = change.person, \
     changed_at = change.changed_at FROM change WHERE pool_number.kind = change.kind \
     AND pool_number.number = change.number AND pool_number.state IN (0, 1) \
     RETURNING pool_number.number, pool_number.kind"
);

pub(super) const STATEMENTS: &[Statement] = &[
    LOCK_POOL,
    MAKE_POOL,
    PASS,
    TAKEN_ICCIDS,
    TAKEN_IMSIS,
    TAKEN_MSISDNS,
    STOCKED_ICCIDS,
    STOCKED_IMSIS,
    STOCKED_MSISDNS,
    INSERT_NUMBERS,
    FREE_AGAIN,
    GIVE_AGAIN,
    SETTLE,
    RUN_OUT,
    GIVE_BACK,
];

/// A draw that waits for its commit.
pub(super) struct DrawRow {
    pub(super) allocation_id: String,
    pool: Arc<Pool>,
    count: u32,
    held_until: Option<i64>,
    person: String,
    at: i64,
}

set_row! {
    pub(super) struct NumberRow<'a> {
        pub(super) kind: i64,
        pub(super) number: &'a str,
        pub(super) pool: &'a str,
        pub(super) state: i64,
        pub(super) held_until: Option<i64>,
        pub(super) allocation_id: Option<&'a str>,
        pub(super) person: &'a str,
        pub(super) changed_at: i64,
    }
}

const fn taken(kind: NumberKind) -> &'static Statement {
    match kind {
        NumberKind::Iccid => &TAKEN_ICCIDS,
        NumberKind::Imsi => &TAKEN_IMSIS,
        NumberKind::Msisdn => &TAKEN_MSISDNS,
    }
}

pub(super) const fn stocked(kind: NumberKind) -> &'static Statement {
    match kind {
        NumberKind::Iccid => &STOCKED_ICCIDS,
        NumberKind::Imsi => &STOCKED_IMSIS,
        NumberKind::Msisdn => &STOCKED_MSISDNS,
    }
}

/// Which of some numbers a statement knows.
pub(super) async fn known(
    writing: &mut Writing,
    statement: &Statement,
    numbers: &[String],
) -> Result<HashSet<String>, StoreError> {
    if numbers.is_empty() {
        return Ok(HashSet::new());
    }
    let set = Set::column("number", numbers.iter().map(String::as_str));
    writing.fetch_set(statement, &set).await?.iter().map(Row::key).collect()
}

/// Draws of one commit: those of one pool together, each whole or not at all.
pub(super) async fn draw(
    writing: &mut Writing,
    round: &[(usize, &DrawRow)],
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let repeated = earlier(writing, round.iter().map(|(_, row)| row.allocation_id.as_str())).await?;
    let mut wanted: BTreeMap<&str, Vec<(usize, &DrawRow)>> = BTreeMap::new();
    for (place, row) in round {
        if repeated.contains(&row.allocation_id) {
            put(outcomes, *place, Allotted::Earlier);
        } else {
            wanted.entry(row.pool.name.as_str()).or_default().push((*place, row));
        }
    }
    for takers in wanted.values() {
        draw_from_one(writing, takers, outcomes).await?;
    }
    Ok(())
}

/// Numbers that can be given in this commit.
struct Supply {
    /// Fresh ones, with their places in the range.
    fresh: VecDeque<(u64, String)>,
    /// Those whose quarantine ended.
    again: VecDeque<String>,
    /// The place behind the last that was looked at.
    next: u64,
    /// How the search ended, for those who get nothing.
    short: Allotted,
}

async fn draw_from_one(
    writing: &mut Writing,
    takers: &[(usize, &DrawRow)],
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let Some((_, last)) = takers.last() else { return Ok(()) };
    let pool = &last.pool;
    let now = takers.iter().map(|(_, row)| row.at).max().unwrap_or_default();
    let want = takers.iter().map(|(_, row)| u64::from(row.count)).sum();
    let passed = lock(writing, pool).await?;
    let start = next_place(pool, &passed);
    let mut supply = fresh(writing, pool, start, want).await?;
    let short = want.saturating_sub(u64::try_from(supply.fresh.len()).unwrap_or(u64::MAX));
    if short > 0 && supply.next >= pool.range.size() {
        supply.again = free_again(writing, pool, now, short).await?;
    }
    let (mut new, mut again, mut allocations) = (Vec::new(), Vec::new(), Vec::new());
    for (place, row) in takers {
        let count = usize::try_from(row.count).unwrap_or(usize::MAX);
        if supply.fresh.len() + supply.again.len() < count {
            put(outcomes, *place, supply.short.clone());
            continue;
        }
        let from_fresh = supply.fresh.len().min(count);
        let fresh: Vec<String> = supply.fresh.drain(..from_fresh).map(|(_, number)| number).collect();
        let second: Vec<String> = supply.again.drain(..count - from_fresh).collect();
        new.extend(fresh.iter().cloned().map(|number| (*row, number)));
        again.extend(second.iter().cloned().map(|number| (*row, number)));
        put(outcomes, *place, Allotted::These(fresh.into_iter().chain(second).collect()));
        allocations.push(row.allocation());
    }
    write_numbers(writing, &INSERT_NUMBERS, &new).await?;
    write_numbers(writing, &GIVE_AGAIN, &again).await?;
    if !allocations.is_empty() {
        writing.fetch_set(&INSERT_ALLOCATIONS, &Set::of(&allocations)).await?;
    }
    // What was found and not given has its turn later.
    let next = supply.fresh.front().map_or(supply.next, |(place, _)| *place);
    if next > start
        && let Some(number) = pool.range.number(next - 1)
    {
        writing.fetch(&PASS, [pool.name.as_str().into(), Argument::Text(number)]).await?;
    }
    Ok(())
}

impl DrawRow {
    pub(super) fn new(draw: &Draw) -> Self {
        Self {
            allocation_id: draw.allocation_id.as_str().to_owned(),
            pool: Arc::clone(&draw.pool),
            count: draw.count,
            held_until: draw.held_until.map(Timestamp::as_millis),
            person: draw.person.as_str().to_owned(),
            at: draw.at.as_millis(),
        }
    }

    /// What the audit tells of it.
    pub(super) fn audit_entry(&self) -> NewAuditEntry {
        let subject = AuditSubject::new("allocation", &self.allocation_id);
        let numbers = if self.count == 1 { "number" } else { "numbers" };
        let detail = format!("{} {numbers} of pool {}", self.count, self.pool.name);
        let at = Timestamp::from_millis(self.at);
        NewAuditEntry::new(at, actor(&self.person), Action::POOL_ALLOCATE, subject).detail(detail)
    }

    fn allocation(&self) -> AllocationRow<'_> {
        AllocationRow {
            allocation_id: &self.allocation_id,
            subject: Subject::Numbers.code(),
            owner: self.pool.operator.as_str(),
            source: self.pool.name.as_str(),
            count: i64::from(self.count),
            quarantine_ms: millis(self.pool.quarantine),
            held_until: self.held_until,
            person: &self.person,
            made_at: self.at,
        }
    }

    fn number<'a>(&'a self, number: &'a str) -> NumberRow<'a> {
        let state = if self.held_until.is_some() { NumberState::Reserved } else { NumberState::Allocated };
        NumberRow {
            kind: kind_code(self.pool.kind),
            number,
            pool: self.pool.name.as_str(),
            state: state_code(state),
            held_until: self.held_until,
            allocation_id: Some(&self.allocation_id),
            person: &self.person,
            changed_at: self.at,
        }
    }
}

async fn write_numbers(
    writing: &mut Writing,
    statement: &Statement,
    numbers: &[(&DrawRow, String)],
) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let rows: Vec<NumberRow<'_>> = numbers.iter().map(|(row, number)| row.number(number)).collect();
    writing.fetch_set(statement, &Set::of(&rows)).await.map(drop)
}

/// The last number that was looked at, behind which nobody else looks now.
async fn lock(writing: &mut Writing, pool: &Pool) -> Result<String, StoreError> {
    let name = pool.name.as_str();
    let rows = writing.fetch(&LOCK_POOL, [name.into()]).await?;
    if let Some(row) = rows.first() {
        return row.key();
    }
    writing.fetch(&MAKE_POOL, [name.into()]).await?;
    let rows = writing.fetch(&LOCK_POOL, [name.into()]).await?;
    rows.first().map_or(Ok(String::new()), Row::key)
}

/// Where to go on. A range that was changed begins anew where it does not have that number: what is in use is passed over.
pub(super) fn next_place(pool: &Pool, passed: &str) -> u64 {
    pool.range.place(passed).map_or(0, |place| place + 1)
}

/// The next `want` numbers of the range that nobody has, or fewer.
async fn fresh(writing: &mut Writing, pool: &Pool, start: u64, want: u64) -> Result<Supply, StoreError> {
    let size = pool.range.size();
    let mut supply =
        Supply { fresh: VecDeque::new(), again: VecDeque::new(), next: start, short: Allotted::Short };
    let (mut windows, mut window) = (0, want);
    loop {
        let found = u64::try_from(supply.fresh.len()).unwrap_or(u64::MAX);
        if found >= want || supply.next >= size {
            return Ok(supply);
        }
        if supply.fresh.is_empty() && windows >= WINDOWS_MAX {
            supply.short = Allotted::GoOn;
            return Ok(supply);
        }
        if windows >= SCATTERED_WINDOWS_MAX {
            supply.short = Allotted::Scattered;
            return Ok(supply);
        }
        let end = supply.next.saturating_add(window.min(WINDOW_MAX)).min(size);
        let places: Vec<u64> = (supply.next..end).collect();
        let numbers: Vec<String> = places.iter().filter_map(|place| pool.range.number(*place)).collect();
        let taken = known(writing, taken(pool.kind), &numbers).await?;
        for (place, number) in places.into_iter().zip(numbers) {
            if u64::try_from(supply.fresh.len()).unwrap_or(u64::MAX) >= want {
                break;
            }
            supply.next = place + 1;
            if !taken.contains(&number) {
                supply.fresh.push_back((place, number));
            }
        }
        windows += 1;
        // Where many are in use, more are looked at in one turn.
        window = window.saturating_mul(4);
    }
}

/// Numbers whose quarantine ended, the oldest first. Those that came into the stock meanwhile are settled there.
async fn free_again(
    writing: &mut Writing,
    pool: &Pool,
    now: i64,
    want: u64,
) -> Result<VecDeque<String>, StoreError> {
    quarantine_run_out(writing, now, RUN_OUT_MAX).await?;
    let mut free = VecDeque::new();
    for _ in 0..WINDOWS_MAX {
        let limit = i64::try_from(want).unwrap_or(i64::MAX);
        let rows = writing.fetch(&FREE_AGAIN, [pool.name.as_str().into(), now.into(), limit.into()]).await?;
        let numbers: Vec<String> = rows.iter().map(Row::key).collect::<Result<_, _>>()?;
        let stocked = known(writing, stocked(pool.kind), &numbers).await?;
        settle(writing, pool.kind, stocked.iter().map(String::as_str), now).await?;
        let is_all = stocked.is_empty();
        free = numbers.into_iter().filter(|number| !stocked.contains(number)).collect();
        if is_all {
            break;
        }
    }
    Ok(free)
}

set_row! {
    struct SettledRow<'a> {
        kind: i64,
        number: &'a str,
        changed_at: i64,
    }
}

/// Numbers that the stock has are allocated for good.
async fn settle(
    writing: &mut Writing,
    kind: NumberKind,
    numbers: impl Iterator<Item = &str>,
    now: i64,
) -> Result<(), StoreError> {
    let kind = kind_code(kind);
    let rows: Vec<SettledRow<'_>> =
        numbers.map(|number| SettledRow { kind, number, changed_at: now }).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writing.fetch_set(&SETTLE, &Set::of(&rows)).await.map(drop)
}

set_row! {
    struct BackRow<'a> {
        kind: i64,
        number: &'a str,
        held_until: i64,
        person: &'a str,
        changed_at: i64,
    }
}

/// Reservations that ran out go into quarantine, or where they belong if they are in the stock. Returns how many.
pub(super) async fn quarantine_run_out(
    writing: &mut Writing,
    now: i64,
    limit: i64,
) -> Result<usize, StoreError> {
    let rows = writing.fetch(&RUN_OUT, [now.into(), limit.into()]).await?;
    let mut numbers: BTreeMap<i64, Vec<(String, i64)>> = BTreeMap::new();
    for row in &rows {
        let until = row.integer("held_until")?.saturating_add(row.integer("quarantine_ms")?);
        numbers.entry(row.integer("kind")?).or_default().push((row.text("number")?, until));
    }
    for (code, numbers) in numbers {
        let kind = kind_of(code).ok_or(StoreError::Corrupt { column: "kind", key: code.to_string() })?;
        let all: Vec<String> = numbers.iter().map(|(number, _)| number.clone()).collect();
        let in_stock = known(writing, stocked(kind), &all).await?;
        settle(writing, kind, in_stock.iter().map(String::as_str), now).await?;
        let back: Vec<BackRow<'_>> = numbers
            .iter()
            .filter(|(number, _)| !in_stock.contains(number))
            .map(|(number, until)| BackRow {
                kind: code,
                number,
                held_until: *until,
                person: EXPIRY,
                changed_at: now,
            })
            .collect();
        if !back.is_empty() {
            writing.fetch_set(&GIVE_BACK, &Set::of(&back)).await?;
        }
    }
    Ok(rows.len())
}
