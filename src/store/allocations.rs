//! Subscriptions set aside by type and count, and what becomes of a profile on the shelf.
//!
//! An allocation has an identifier and is written in the commit that makes it: who asks again under the same identifier gets
//! the same answer. Numbers of pools are drawn under such identifiers too ([`super::pools`]).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use super::available::{Next, Places};
use super::engine::{Row, Statement, Writing, set_statement};
use super::manual_changes::{ManualChangeRow, NewManualChange};
use super::msisdns::{LEAVE_FURTHER_MSISDNS, LEAVE_HOME_MSISDNS};
use super::order_row::OrderRow;
use super::pools::kind_code;
use super::set::{Set, set_row};
use super::writer::{Change, Done, Outcome, save, wipe};
use super::{Constraint, Store, StoreError};
use crate::domain::{
    Action, Actor, AllocationId, AuditSubject, NewAuditEntry, NumberKind, Operator, Order, Person,
    ProfileType, Shelf,
};
use crate::env::Timestamp;
use crate::ident::{Iccid, counted};

/// Profiles whose quarantine ended, and that are put back on the way, before somebody is told that none is left.
const PUT_BACK_MAX: i64 = 1000;

/// What was asked for earlier under these identifiers.
const FIND_ALLOCATIONS: Statement = set_statement!(
    [allocation_id text]
    "SELECT allocation.allocation_id, allocation.count FROM change \
     JOIN allocation ON allocation.allocation_id = change.allocation_id"
);

pub(super) const INSERT_ALLOCATIONS: Statement = set_statement!(
    [allocation_id text, subject bigint, owner text, source text, count bigint, quarantine_ms bigint,
     held_until bigint, person text, made_at bigint]
    "INSERT INTO allocation (allocation_id, subject, owner, source, count, quarantine_ms, held_until, person, made_at) \
     SELECT allocation_id, subject, owner, source, count, quarantine_ms, held_until, person, made_at FROM change \
     WHERE true"
);

const ALLOCATION: Statement = Statement::common(
    "SELECT allocation_id, subject, owner, source, count, quarantine_ms, held_until, person, made_at \
     FROM allocation WHERE allocation_id = $1",
);

const ALLOCATIONS: Statement = Statement::common(
    "SELECT allocation_id, subject, owner, source, count, quarantine_ms, held_until, person, made_at \
     FROM allocation WHERE allocation_id > $1 ORDER BY allocation_id LIMIT $2",
);

/// Behind [`Places::take`], which found these rows as they are. State and shelf stand in a sum, here and below: by themselves they
/// are what a partial index is of, and PostgreSQL, before it has counted a new table, would read all of that index instead of
/// looking for the rows that are named.
const SET_ASIDE: Statement = set_statement!(
    [iccid text, version bigint, shelf_until bigint, allocation_id text]
    "UPDATE profile SET shelf = 1, shelf_until = change.shelf_until, allocation_id = change.allocation_id, \
     version = profile.version + 1 FROM change WHERE profile.iccid = change.iccid \
     AND profile.version = change.version AND profile.state + profile.shelf = 0 \
     RETURNING profile.iccid, profile.version"
);

/// Behind the statement that saves the order.
const SHELVE: Statement = set_statement!(
    [iccid text, shelf bigint, shelf_until bigint]
    "UPDATE profile SET shelf = change.shelf, shelf_until = change.shelf_until FROM change \
     WHERE profile.iccid = change.iccid RETURNING profile.iccid, profile.version"
);

/// What a retired profile is made of, its keys among it, is gone.
const WIPE_PACKAGE: Statement = set_statement!(
    [iccid text]
    "DELETE FROM package WHERE iccid IN (SELECT iccid FROM change) RETURNING iccid, kind"
);

/// The numbers of a retired profile are nobody's for ever, where a pool gave them.
const RETIRE_ICCIDS: Statement = set_statement!(
    [iccid text, iccid_kind bigint, changed_at bigint]
    "UPDATE pool_number SET state = 3, held_until = NULL, changed_at = change.changed_at FROM change \
     WHERE pool_number.kind = change.iccid_kind AND pool_number.number = change.iccid \
     RETURNING pool_number.number, pool_number.kind"
);

const RETIRE_HOME_IMSIS: Statement = set_statement!(
    [iccid text, imsi_kind bigint, changed_at bigint]
    "UPDATE pool_number SET state = 3, held_until = NULL, changed_at = change.changed_at FROM change \
     JOIN profile ON profile.iccid = change.iccid \
     WHERE pool_number.kind = change.imsi_kind AND pool_number.number = profile.imsi \
     RETURNING pool_number.number, pool_number.kind"
);

const RETIRE_FURTHER_IMSIS: Statement = set_statement!(
    [iccid text, imsi_kind bigint, changed_at bigint]
    "UPDATE pool_number SET state = 3, held_until = NULL, changed_at = change.changed_at FROM change \
     JOIN subscription_imsi ON subscription_imsi.iccid = change.iccid AND subscription_imsi.place > 0 \
     WHERE pool_number.kind = change.imsi_kind AND pool_number.number = subscription_imsi.imsi \
     RETURNING pool_number.number, pool_number.kind"
);

/// A reservation of a profile that was ordered meanwhile ends with the order, not before ([`QUARANTINE_CANCELLED`]): until then
/// nobody looks for its end.
const RELIEVE: Statement = Statement {
    sqlite: "UPDATE profile SET shelf = CASE shelf WHEN 1 THEN 1 ELSE 0 END, shelf_until = NULL WHERE iccid IN (SELECT iccid FROM profile \
             WHERE shelf IN (1, 2) AND shelf_until <= $1 AND state <> 0 ORDER BY shelf_until LIMIT $2) \
             RETURNING iccid, version",
    postgres: "UPDATE profile SET shelf = CASE shelf WHEN 1 THEN 1 ELSE 0 END, shelf_until = NULL WHERE iccid IN (SELECT iccid FROM profile \
               WHERE shelf IN (1, 2) AND shelf_until <= $1 AND state <> 0 ORDER BY shelf_until LIMIT $2 \
               FOR UPDATE SKIP LOCKED) RETURNING iccid, version",
};

/// Behind the statement that saves orders: of those that were cancelled, the profiles whose reservation ran out meanwhile are given
/// back by that.
pub(super) const QUARANTINE_CANCELLED: Statement = set_statement!(
    [iccid text, cancelled_at bigint]
    "UPDATE profile SET shelf = 2, shelf_until = change.cancelled_at + allocation.quarantine_ms \
     FROM change, allocation WHERE profile.iccid = change.iccid AND profile.state + 0 = 0 AND profile.shelf + 0 = 1 \
     AND allocation.allocation_id = profile.allocation_id AND allocation.held_until <= change.cancelled_at \
     RETURNING profile.iccid, profile.version"
);

/// Reservations that ran out: given back.
const RUN_OUT: Statement = Statement {
    sqlite: "UPDATE profile SET shelf = 2, version = version + 1, shelf_until = shelf_until + COALESCE(\
             (SELECT allocation.quarantine_ms FROM allocation \
             WHERE allocation.allocation_id = profile.allocation_id), 0) \
             WHERE iccid IN (SELECT iccid FROM profile WHERE shelf = 1 AND shelf IN (1, 2) AND shelf_until <= $1 \
             AND state = 0 ORDER BY shelf_until LIMIT $2) RETURNING iccid, version",
    postgres: "UPDATE profile SET shelf = 2, version = version + 1, shelf_until = shelf_until + COALESCE(\
               (SELECT allocation.quarantine_ms FROM allocation \
               WHERE allocation.allocation_id = profile.allocation_id), 0) \
               WHERE iccid IN (SELECT iccid FROM profile WHERE shelf = 1 AND shelf IN (1, 2) AND shelf_until <= $1 \
               AND state = 0 ORDER BY shelf_until LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING iccid, version",
};

/// Quarantines that ended: in stock.
const PUT_BACK: Statement = Statement {
    sqlite: "UPDATE profile SET shelf = 0, shelf_until = NULL, allocation_id = NULL, version = version + 1 \
             WHERE iccid IN (SELECT iccid FROM profile WHERE shelf = 2 AND shelf IN (1, 2) AND shelf_until <= $1 \
             AND state = 0 ORDER BY shelf_until LIMIT $2) RETURNING iccid, version",
    postgres: "UPDATE profile SET shelf = 0, shelf_until = NULL, allocation_id = NULL, version = version + 1 \
               WHERE iccid IN (SELECT iccid FROM profile WHERE shelf = 2 AND shelf IN (1, 2) AND shelf_until <= $1 \
               AND state = 0 ORDER BY shelf_until LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING iccid, version",
};

/// Those that somebody has, in the order of ICCIDs.
const OF_ALLOCATION: Statement = Statement::common(
    "SELECT iccid FROM profile WHERE allocation_id = $1 AND shelf < 2 ORDER BY iccid LIMIT 1001",
);

const SHELF: Statement =
    Statement::common("SELECT iccid, shelf, shelf_until, allocation_id FROM profile WHERE iccid = $1");

pub(super) const STATEMENTS: &[Statement] = &[
    FIND_ALLOCATIONS,
    INSERT_ALLOCATIONS,
    ALLOCATION,
    ALLOCATIONS,
    SET_ASIDE,
    SHELVE,
    WIPE_PACKAGE,
    RETIRE_ICCIDS,
    RETIRE_HOME_IMSIS,
    RETIRE_FURTHER_IMSIS,
    RELIEVE,
    QUARANTINE_CANCELLED,
    RUN_OUT,
    PUT_BACK,
    OF_ALLOCATION,
    SHELF,
];

/// What an allocation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Numbers of a pool.
    Numbers,
    /// Subscriptions of a profile type.
    Subscriptions,
}

impl Subject {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Numbers => 0,
            Self::Subscriptions => 1,
        }
    }
}

/// What was asked for under an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The identifier.
    pub allocation_id: AllocationId,
    /// Of what.
    pub subject: Subject,
    /// Whose numbers or profiles.
    pub owner: Operator,
    /// The pool, or the profile type.
    pub source: String,
    /// How many.
    pub count: u32,
    /// Until when they were reserved; `None` for good.
    pub held_until: Option<Timestamp>,
    /// Who asked.
    pub person: Person,
    /// When.
    pub made_at: Timestamp,
}

/// What a caller wants of the stock.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// What makes the call repeatable.
    pub allocation_id: AllocationId,
    /// The owner of the profiles.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// How many, 1 to [`crate::domain::pool::NUMBERS_MAX`].
    pub count: u32,
    /// Until when; `None` for good.
    pub held_until: Option<Timestamp>,
    /// How long they are not offered when they come back.
    pub quarantine: Duration,
    /// Who asks.
    pub person: Person,
    /// Now.
    pub at: Timestamp,
}

/// What setting aside came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// The profiles that are held under the identifier. `repeated`: an earlier call took them, and those given back since
    /// are not among them.
    Profiles {
        /// Their numbers.
        iccids: Vec<Iccid>,
        /// Whether an earlier call took them.
        repeated: bool,
    },
    /// Not so many are in stock; none was taken.
    Exhausted,
    /// The identifier stands for another request.
    OtherRequest,
}

/// Where a profile stands on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// Where.
    pub shelf: Shelf,
    /// The allocation that took it last.
    pub allocation_id: Option<AllocationId>,
}

/// What becomes of the content of a profile that changes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// It stays.
    Kept,
    /// It is gone, and the profile's numbers are nobody's for ever.
    Wiped,
}

/// What an allocation came to in its commit.
#[derive(Clone, Debug)]
pub(super) enum Allotted {
    /// These are taken.
    These(Vec<String>),
    /// The identifier stands for an earlier request.
    Earlier,
    /// There are not so many.
    Short,
    /// There may be more, far between those that are in use.
    Scattered,
    /// Nothing was found yet, and the search was long: again.
    GoOn,
}

set_row! {
    pub(super) struct AllocationRow<'a> {
        pub(super) allocation_id: &'a str,
        pub(super) subject: i64,
        pub(super) owner: &'a str,
        pub(super) source: &'a str,
        pub(super) count: i64,
        pub(super) quarantine_ms: i64,
        pub(super) held_until: Option<i64>,
        pub(super) person: &'a str,
        pub(super) made_at: i64,
    }
}

set_row! {
    /// Profiles that wait to be set aside.
    pub(super) struct SetAsideRow {
        pub(super) allocation_id: String,
        subject: i64,
        owner: String,
        source: String,
        count: i64,
        quarantine_ms: i64,
        held_until: Option<i64>,
        person: String,
        made_at: i64,
    }
}

impl SetAsideRow {
    /// What the audit tells of it.
    pub(super) fn audit_entry(&self) -> NewAuditEntry {
        let action = if self.held_until.is_some() { Action::STOCK_RESERVE } else { Action::STOCK_ALLOCATE };
        let subject = AuditSubject::new("allocation", &self.allocation_id);
        let detail = format!("{} of type {} of {}", counted(self.count, "profile"), self.source, self.owner);
        NewAuditEntry::new(Timestamp::from_millis(self.made_at), actor(&self.person), action, subject)
            .detail(detail)
    }
}

/// Who it was, as the row has it.
pub(super) fn actor(person: &str) -> Actor {
    Actor::of_person(&Person::parse(person).unwrap_or_else(Person::unknown))
}

/// A profile that changes its place, with its order.
pub(super) struct ShelveRow {
    pub(super) order: OrderRow,
    shelf: i64,
    shelf_until: Option<i64>,
    content: Content,
    at: i64,
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn put(outcomes: &mut [Outcome], place: usize, allotted: Allotted) {
    if let Some(outcome) = outcomes.get_mut(place) {
        *outcome = Ok(Done::Allotted(allotted));
    }
}

/// Which of some identifiers stand for an earlier request.
pub(super) async fn earlier<'a>(
    writing: &mut Writing,
    ids: impl Iterator<Item = &'a str>,
) -> Result<HashSet<String>, StoreError> {
    writing
        .fetch_set(&FIND_ALLOCATIONS, &Set::column("allocation_id", ids))
        .await?
        .iter()
        .map(Row::key)
        .collect()
}

/// Sets profiles aside: those of one owner and type together, each call whole or not at all.
pub(super) async fn set_aside(
    writing: &mut Writing,
    round: &[(usize, &SetAsideRow)],
    places: &mut Places,
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let repeated = earlier(writing, round.iter().map(|(_, row)| row.allocation_id.as_str())).await?;
    let mut wanted: BTreeMap<(&str, &str), Vec<(usize, &SetAsideRow)>> = BTreeMap::new();
    for (place, row) in round {
        if repeated.contains(&row.allocation_id) {
            put(outcomes, *place, Allotted::Earlier);
        } else {
            wanted.entry((&row.owner, &row.source)).or_default().push((*place, row));
        }
    }
    for takers in wanted.values() {
        set_aside_of_one(writing, takers, places, outcomes).await?;
    }
    Ok(())
}

set_row! {
    struct AsideRow<'a> {
        iccid: String,
        version: i64,
        shelf_until: Option<i64>,
        allocation_id: &'a str,
    }
}

async fn set_aside_of_one(
    writing: &mut Writing,
    takers: &[(usize, &SetAsideRow)],
    places: &mut Places,
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let want: i64 = takers.iter().map(|(_, row)| row.count).sum();
    let now = takers.iter().map(|(_, row)| row.made_at).max().unwrap_or_default();
    let Some((_, first)) = takers.first() else { return Ok(()) };
    let (owner, profile_type) = (first.owner.as_str(), first.source.as_str());
    let mut found = places.take(writing, owner, profile_type, want).await?;
    if i64::try_from(found.len()).unwrap_or(i64::MAX) < want {
        end_in(writing, now, PUT_BACK_MAX).await?;
        found = places.take(writing, owner, profile_type, want).await?;
    }
    let mut found = VecDeque::from(found);
    let (mut rows, mut allocations) = (Vec::new(), Vec::new());
    for (place, taker) in takers {
        let count = usize::try_from(taker.count).unwrap_or(usize::MAX);
        if found.len() < count {
            put(outcomes, *place, Allotted::Short);
            continue;
        }
        let mut iccids = Vec::with_capacity(count);
        for Next { iccid, version, .. } in found.drain(..count) {
            iccids.push(iccid.clone());
            let (shelf_until, allocation_id) = (taker.held_until, taker.allocation_id.as_str());
            rows.push(AsideRow { iccid, version, shelf_until, allocation_id });
        }
        put(outcomes, *place, Allotted::These(iccids));
        allocations.push(*taker);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let taken = writing.fetch_set(&SET_ASIDE, &Set::of(&rows)).await?;
    if taken.len() != rows.len() {
        // The rows stood still since they were found; nothing of this commit counts if they did not.
        return Err(StoreError::Conflict);
    }
    writing.fetch_set(&INSERT_ALLOCATIONS, &Set::of(allocations)).await.map(drop)
}

/// Reservations that ran out and quarantines that ended, `limit` of each at most. Returns the most of one kind.
async fn end_in(writing: &mut Writing, now: i64, limit: i64) -> Result<usize, StoreError> {
    let mut most = 0;
    for statement in [&RELIEVE, &RUN_OUT, &PUT_BACK] {
        most = most.max(writing.fetch(statement, [now.into(), limit.into()]).await?.len());
    }
    Ok(most)
}

set_row! {
    /// The kinds of numbers go along with the rows: where a statement named them, PostgreSQL could go through all numbers of one.
    struct PlaceRow<'a> {
        iccid: &'a str,
        iccid_kind: i64,
        imsi_kind: i64,
        shelf: i64,
        shelf_until: Option<i64>,
        changed_at: i64,
    }
}

impl<'a> PlaceRow<'a> {
    fn new(row: &'a ShelveRow) -> Self {
        Self {
            iccid: &row.order.iccid,
            iccid_kind: kind_code(NumberKind::Iccid),
            imsi_kind: kind_code(NumberKind::Imsi),
            shelf: row.shelf,
            shelf_until: row.shelf_until,
            changed_at: row.at,
        }
    }
}

/// Profiles that change their place, with their orders; keys of bindings go with the orders, all that is secret with those
/// that are wiped.
pub(super) async fn shelve(
    writing: &mut Writing,
    round: &[(usize, &ShelveRow)],
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let orders: Vec<(usize, &OrderRow)> = round.iter().map(|(place, row)| (*place, &row.order)).collect();
    save(writing, &orders, outcomes).await?;
    let is_saved = |place: usize| matches!(outcomes.get(place), Some(Ok(Done::Number(_))));
    let saved = round.iter().filter(|(place, _)| is_saved(*place));
    let saved: Vec<&ShelveRow> = saved.map(|(_, row)| *row).collect();
    wipe(writing, saved.iter().map(|row| row.order.iccid.as_str())).await?;
    if saved.is_empty() {
        return Ok(());
    }
    let places: Vec<PlaceRow<'_>> = saved.iter().copied().map(PlaceRow::new).collect();
    writing.fetch_set(&SHELVE, &Set::of(&places)).await?;
    let wiped: Vec<PlaceRow<'_>> =
        saved.iter().copied().filter(|row| row.content == Content::Wiped).map(PlaceRow::new).collect();
    if wiped.is_empty() {
        return Ok(());
    }
    let wiped = Set::of(&wiped);
    let numbers = [&RETIRE_ICCIDS, &RETIRE_HOME_IMSIS, &RETIRE_FURTHER_IMSIS];
    let left = [&LEAVE_HOME_MSISDNS, &LEAVE_FURTHER_MSISDNS];
    for statement in [&WIPE_PACKAGE].into_iter().chain(numbers).chain(left) {
        writing.fetch_set(statement, &wiped).await?;
    }
    Ok(())
}

const fn shelf_code(shelf: Shelf) -> (i64, Option<i64>) {
    match shelf {
        Shelf::Stock => (0, None),
        Shelf::Reserved { until: None } => (1, None),
        Shelf::Reserved { until: Some(until) } => (1, Some(until.as_millis())),
        Shelf::Quarantined { until } => (2, Some(until.as_millis())),
        Shelf::Retired => (3, None),
    }
}

fn shelf_of(code: i64, until: Option<i64>) -> Option<Shelf> {
    let until = until.map(Timestamp::from_millis);
    Some(match (code, until) {
        (0, _) => Shelf::Stock,
        (1, until) => Shelf::Reserved { until },
        (2, Some(until)) => Shelf::Quarantined { until },
        (3, _) => Shelf::Retired,
        _ => return None,
    })
}

impl Store {
    /// Sets profiles of an owner and a type aside, all that are asked for or none, in the order of the stock. The same
    /// request under the same identifier gets the same profiles again, as far as they were not given back. Whoever else
    /// asks or orders at the same time, no profile is given twice.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn set_aside(&self, wanted: &SetAside) -> Result<Aside, StoreError> {
        let row = || SetAsideRow {
            allocation_id: wanted.allocation_id.as_str().to_owned(),
            subject: Subject::Subscriptions.code(),
            owner: wanted.owner.as_str().to_owned(),
            source: wanted.profile_type.as_str().to_owned(),
            count: i64::from(wanted.count),
            quarantine_ms: millis(wanted.quarantine),
            held_until: wanted.held_until.map(Timestamp::as_millis),
            person: wanted.person.as_str().to_owned(),
            made_at: wanted.at.as_millis(),
        };
        loop {
            match self.writer.change(Change::SetAside(Box::new(row()))).await {
                Ok(Done::Allotted(Allotted::These(iccids))) => {
                    let iccids = iccids.iter().map(|text| iccid(text)).collect::<Result<_, _>>()?;
                    return Ok(Aside::Profiles { iccids, repeated: false });
                }
                Ok(Done::Allotted(Allotted::Earlier)) => return self.aside_earlier(wanted).await,
                Ok(Done::Allotted(Allotted::Short)) => return Ok(Aside::Exhausted),
                // Another node was faster with this identifier: it stands now.
                Err(StoreError::InUse(Constraint::AllocationId)) => {}
                Ok(_) => return Err(StoreError::Conflict),
                Err(error) => return Err(error),
            }
        }
    }

    async fn aside_earlier(&self, wanted: &SetAside) -> Result<Aside, StoreError> {
        let allocation = self.allocation(&wanted.allocation_id).await?;
        let is_same = allocation.is_some_and(|earlier| {
            earlier.subject == Subject::Subscriptions
                && earlier.owner == wanted.owner
                && earlier.source == wanted.profile_type.as_str()
                && earlier.count == wanted.count
        });
        if !is_same {
            return Ok(Aside::OtherRequest);
        }
        let iccids = self.profiles_of_allocation(&wanted.allocation_id).await?;
        Ok(Aside::Profiles { iccids, repeated: true })
    }

    /// What was asked for under an identifier; `None` if nothing was.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn allocation(&self, id: &AllocationId) -> Result<Option<Allocation>, StoreError> {
        let rows = self.pools.fetch(&ALLOCATION, [id.as_str().into()]).await?;
        rows.first().map(allocation).transpose()
    }

    /// `limit` allocations behind the identifier `after`, in the order of identifiers.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn allocations_after(
        &self,
        after: Option<&AllocationId>,
        limit: u32,
    ) -> Result<Vec<Allocation>, StoreError> {
        let after = after.map_or("", AllocationId::as_str);
        let rows = self.pools.fetch(&ALLOCATIONS, [after.into(), i64::from(limit).into()]).await?;
        rows.iter().map(allocation).collect()
    }

    /// The profiles that an allocation holds, in the order of their ICCIDs.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn profiles_of_allocation(&self, id: &AllocationId) -> Result<Vec<Iccid>, StoreError> {
        let rows = self.pools.fetch(&OF_ALLOCATION, [id.as_str().into()]).await?;
        rows.iter().map(|row| iccid(&row.key()?)).collect()
    }

    /// Where a profile stands, as it was written; [`Shelf::at`] says how that is to be read. `None` if the ICCID is not in
    /// the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn shelved(&self, iccid: &Iccid) -> Result<Option<Shelved>, StoreError> {
        let rows = self.pools.fetch(&SHELF, [iccid.as_str().into()]).await?;
        let read = |row: &Row| {
            let corrupt = |column| StoreError::Corrupt { column, key: iccid.as_str().to_owned() };
            let shelf = shelf_of(row.integer("shelf")?, row.integer_or_null("shelf_until")?);
            let allocation_id = row.text_or_null("allocation_id")?;
            let allocation_id = allocation_id.map(|text| AllocationId::parse(&text));
            Ok(Shelved {
                shelf: shelf.ok_or_else(|| corrupt("shelf"))?,
                allocation_id: match allocation_id {
                    None => None,
                    Some(id) => Some(id.ok_or_else(|| corrupt("allocation_id"))?),
                },
            })
        };
        rows.first().map(read).transpose()
    }

    /// Moves a profile to another place of the shelf, with its order, and writes who did it. `order` is a transition of one
    /// that was read from here. Wiped content is gone with this commit.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the order changed since it was read; others if the engine fails.
    pub async fn shelve(
        &self,
        order: Order,
        shelf: Shelf,
        content: Content,
        change: &NewManualChange,
    ) -> Result<Order, StoreError> {
        let (shelf, shelf_until) = shelf_code(shelf);
        let row = ShelveRow {
            order: OrderRow::by_hand(
                &order,
                ManualChangeRow::new(&order, change),
                change.audit_entry(&order),
            ),
            shelf,
            shelf_until,
            content,
            at: change.at.as_millis(),
        };
        match self.writer.change(Change::Shelve(Box::new(row))).await? {
            Done::Number(version) => Ok(Order { version, ..order }),
            _ => Err(StoreError::Conflict),
        }
    }

    /// Reservations of profiles that ran out at `now` go into quarantine, and profiles whose quarantine ended into the
    /// stock, `limit` of each at most. Returns how many of one kind there were: where it is the limit, there are more. Run
    /// twice, it finds nothing more to do.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn end_reservations_of_profiles(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let most = end_in(&mut writing, now.as_millis(), i64::from(limit)).await?;
        writing.commit().await?;
        Ok(most)
    }
}

fn iccid(text: &str) -> Result<Iccid, StoreError> {
    Iccid::parse(text).map_err(|_| StoreError::Corrupt { column: "iccid", key: text.to_owned() })
}

fn allocation(row: &Row) -> Result<Allocation, StoreError> {
    let key = row.text("allocation_id")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    Ok(Allocation {
        allocation_id: AllocationId::parse(&key).ok_or_else(|| corrupt("allocation_id"))?,
        subject: match row.integer("subject")? {
            0 => Subject::Numbers,
            1 => Subject::Subscriptions,
            _ => return Err(corrupt("subject")),
        },
        owner: Operator::parse(&row.text("owner")?).ok_or_else(|| corrupt("owner"))?,
        source: row.text("source")?,
        count: u32::try_from(row.integer("count")?).map_err(|_| corrupt("count"))?,
        held_until: row.integer_or_null("held_until")?.map(Timestamp::from_millis),
        person: Person::parse(&row.text("person")?).ok_or_else(|| corrupt("person"))?,
        made_at: Timestamp::from_millis(row.integer("made_at")?),
    })
}
