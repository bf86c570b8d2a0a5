//! What people did to orders at the server itself: who, when, and from which state to which.
//!
//! Such a change is written in the commit that changes the order, or not at all, and so is what the audit tells of it. A
//! profile keeps its latest [`MANUAL_CHANGES_MAX`] here, the audit all of them. What ES2+ and ES9+ do to orders is not listed here.

use super::engine::{Row, Statement, set_statement};
use super::order_row::{OrderRow, state_code, state_name};
use super::set::set_row;
use super::writer::{Change, Done};
use super::{Store, StoreError};
use crate::domain::{Action, Actor, AuditSubject, ManualCommand, NewAuditEntry, Order, Person, StateName};
use crate::env::Timestamp;
use crate::ident::Iccid;

/// Changes by hand that are kept of one profile.
pub const MANUAL_CHANGES_MAX: usize = 100;
/// The longest description of one, in octets.
pub const DETAIL_MAX: usize = 512;

/// Behind the statement that saves the orders: each has the version that the change left.
pub(super) const KEEP_MANUAL_CHANGE: Statement = set_statement!(
    [iccid text, version bigint, number bigint, command bigint, person text, from_state bigint, to_state bigint,
     detail text, made_at bigint]
    "INSERT INTO manual_change (iccid, version, number, command, person, from_state, to_state, detail, made_at) \
     SELECT iccid, version, number, command, person, from_state, to_state, detail, made_at FROM change WHERE true \
     ON CONFLICT (iccid, version) DO NOTHING RETURNING iccid, version"
);

/// Leaves the latest hundred of each profile.
pub(super) const FORGET_MANUAL_CHANGES: Statement = set_statement!(
    [iccid text]
    "DELETE FROM manual_change WHERE iccid IN (SELECT iccid FROM change) AND version <= \
     (SELECT later.version FROM manual_change later WHERE later.iccid = manual_change.iccid \
     ORDER BY later.version DESC LIMIT 1 OFFSET 100) RETURNING iccid, version"
);

const MANUAL_CHANGES: Statement = Statement::common(
    "SELECT number, command, person, from_state, to_state, detail, made_at FROM manual_change \
     WHERE iccid = $1 ORDER BY version LIMIT 100",
);

pub(super) const STATEMENTS: &[Statement] = &[KEEP_MANUAL_CHANGE, FORGET_MANUAL_CHANGES, MANUAL_CHANGES];

/// A change by hand that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewManualChange {
    /// Who.
    pub person: Person,
    /// How.
    pub command: ManualCommand,
    /// What it did beside the states, without secrets; cut to [`DETAIL_MAX`] octets.
    pub detail: String,
    /// The state that it found.
    pub from: StateName,
    /// Now.
    pub at: Timestamp,
}

impl NewManualChange {
    /// What the audit tells of it.
    pub(super) fn audit_entry(&self, order: &Order) -> NewAuditEntry {
        let action = match self.command {
            ManualCommand::Create => Action::ORDER_CREATE,
            ManualCommand::Release => Action::ORDER_RELEASE,
            ManualCommand::Cancel => Action::ORDER_CANCEL,
            ManualCommand::Reset => Action::ORDER_RESET,
            ManualCommand::GiveBack => Action::STOCK_RELEASE,
            ManualCommand::Retire => Action::STOCK_RETIRE,
            ManualCommand::Lost => Action::EUICC_LOST,
        };
        let states = format!("{} to {}", self.from, order.state_name());
        let detail = if self.detail.is_empty() { states } else { format!("{states}: {}", self.detail) };
        let actor = Actor::of_person(&self.person);
        NewAuditEntry::new(self.at, actor, action, AuditSubject::profile(&order.iccid)).detail(detail)
    }
}

/// A change by hand in the history of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualChange {
    /// [`Order::number`] of the order that it left.
    pub number: i64,
    /// Who.
    pub person: Person,
    /// How.
    pub command: ManualCommand,
    /// What it did beside the states.
    pub detail: String,
    /// The state that it found.
    pub from: StateName,
    /// The state that it left.
    pub to: StateName,
    /// When.
    pub at: Timestamp,
}

set_row! {
    /// The row of a change by hand; `version` is the one that its order will have.
    pub(super) struct ManualChangeRow {
        pub(super) iccid: String,
        version: i64,
        number: i64,
        command: i64,
        person: String,
        from_state: i64,
        to_state: i64,
        detail: String,
        made_at: i64,
    }
}

impl ManualChangeRow {
    /// Of the change that leaves `order`, whose version is the one before.
    pub(super) fn new(order: &Order, change: &NewManualChange) -> Self {
        let detail = change.detail.get(..change.detail.floor_char_boundary(DETAIL_MAX));
        Self {
            iccid: order.iccid.as_str().to_owned(),
            version: order.version.saturating_add(1),
            number: order.number,
            command: command_code(change.command),
            person: change.person.as_str().to_owned(),
            from_state: state_code(change.from),
            to_state: state_code(order.state_name()),
            detail: detail.unwrap_or_default().to_owned(),
            made_at: change.at.as_millis(),
        }
    }
}

const fn command_code(command: ManualCommand) -> i64 {
    match command {
        ManualCommand::Create => 0,
        ManualCommand::Release => 1,
        ManualCommand::Cancel => 2,
        ManualCommand::Reset => 3,
        ManualCommand::GiveBack => 4,
        ManualCommand::Retire => 5,
        ManualCommand::Lost => 6,
    }
}

const fn command_of(code: i64) -> Option<ManualCommand> {
    Some(match code {
        0 => ManualCommand::Create,
        1 => ManualCommand::Release,
        2 => ManualCommand::Cancel,
        3 => ManualCommand::Reset,
        4 => ManualCommand::GiveBack,
        5 => ManualCommand::Retire,
        6 => ManualCommand::Lost,
        _ => return None,
    })
}

impl Store {
    /// As [`Store::save`], and writes the attempts that `order` has (those counted since it was read are forgotten) and
    /// who did it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn save_by_hand(&self, order: Order, change: &NewManualChange) -> Result<Order, StoreError> {
        let row = ManualChangeRow::new(&order, change);
        let row = OrderRow::by_hand(&order, row, change.audit_entry(&order));
        match self.writer.change(Change::Save(Box::new(row))).await? {
            Done::Number(version) => Ok(Order { version, ..order }),
            Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_) => Err(StoreError::Conflict),
        }
    }

    /// What people did to the orders of a profile, the latest [`MANUAL_CHANGES_MAX`] in the order they came.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn manual_changes(&self, iccid: &Iccid) -> Result<Vec<ManualChange>, StoreError> {
        let rows = self.pools.fetch(&MANUAL_CHANGES, [iccid.as_str().into()]).await?;
        let change = |row: &Row| {
            let corrupt = |column| StoreError::Corrupt { column, key: iccid.as_str().to_owned() };
            let state = |column| state_name(row.integer(column)?).ok_or_else(|| corrupt(column));
            Ok(ManualChange {
                number: row.integer("number")?,
                person: Person::parse(&row.text("person")?).ok_or_else(|| corrupt("person"))?,
                command: command_of(row.integer("command")?).ok_or_else(|| corrupt("command"))?,
                detail: row.text("detail")?,
                from: state("from_state")?,
                to: state("to_state")?,
                at: Timestamp::from_millis(row.integer("made_at")?),
            })
        };
        rows.iter().map(change).collect()
    }
}
