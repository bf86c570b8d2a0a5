//! Operations: their rows, and how they are found.

use super::engine::{Row, Statement, change_statement, set_statement};
use super::set::set_row;
use super::{Store, StoreError};
use crate::domain::{
    Deadlines, OldProfile, Operation, OperationId, OperationKind, OperationState, OperationStateName, Reason,
    ReasonCode, Rollback, SwitchTarget, Task,
};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};

/// Operations of one look at most: a page, and one more that says that another page follows.
pub const OPERATIONS_MAX: u32 = 1001;

macro_rules! select_operation {
    ($rest:literal) => {
        concat!(
            "SELECT number, operation_id, eid, kind, urgency, creator, digest, campaign_id, iccid, rollback, \
             delete_old_ms, commands, activation_code, confirmation_code, code_is_linked, created_at, valid_until, state, \
             to_iccid, from_iccid, hold_until, reason, reason_detail, attempts, changed_at, overdue_since FROM operation ",
            $rest
        )
    };
}

pub(super) const INSERT_OPERATIONS: Statement = set_statement!(
    [operation_id text, eid text, kind bigint, urgency bigint, creator text, call_key text, digest text,
     campaign_id text, iccid text, rollback bigint, delete_old_ms bigint, commands octets, activation_code octets,
     confirmation_code octets, code_is_linked bigint, created_at bigint, valid_until bigint, state bigint, to_iccid text, from_iccid text,
     hold_until bigint, reason text, reason_detail text, attempts bigint, changed_at bigint, overdue_since bigint,
     due_at bigint]
    "INSERT INTO operation (operation_id, eid, kind, urgency, creator, call_key, digest, campaign_id, iccid, rollback, \
     delete_old_ms, commands, activation_code, confirmation_code, code_is_linked, created_at, valid_until, state, to_iccid, \
     from_iccid, hold_until, reason, reason_detail, attempts, changed_at, overdue_since, due_at) \
     SELECT operation_id, eid, kind, urgency, creator, call_key, digest, campaign_id, iccid, rollback, delete_old_ms, \
     commands, activation_code, confirmation_code, code_is_linked, created_at, valid_until, state, to_iccid, from_iccid, hold_until, \
     reason, reason_detail, attempts, changed_at, overdue_since, due_at FROM change WHERE true \
     RETURNING operation_id, number"
);

/// The codes of a download are of no more use once the operation ended.
pub(super) const UPDATE_OPERATIONS: Statement = change_statement!(
    [operation_id text, state bigint, to_iccid text, from_iccid text, hold_until bigint, reason text,
     reason_detail text, attempts bigint, changed_at bigint, overdue_since bigint, due_at bigint]
    "UPDATE operation SET state = change.state, to_iccid = change.to_iccid, from_iccid = change.from_iccid, \
     hold_until = change.hold_until, reason = change.reason, reason_detail = change.reason_detail, \
     attempts = change.attempts, changed_at = change.changed_at, overdue_since = change.overdue_since, \
     due_at = change.due_at, \
     activation_code = CASE WHEN change.state > 9 THEN NULL ELSE operation.activation_code END, \
     confirmation_code = CASE WHEN change.state > 9 THEN NULL ELSE operation.confirmation_code END \
     FROM change WHERE operation.operation_id = change.operation_id";
    returning "operation.operation_id"
);

const OPERATION: Statement = Statement::common(select_operation!("WHERE operation_id = $1"));

const OF_CALL: Statement = Statement::common(select_operation!("WHERE creator = $1 AND call_key = $2"));

const ACTIVE: Statement = Statement::common(select_operation!("WHERE eid = $1 AND state BETWEEN 1 AND 9"));

const NEXT_WAITING: Statement =
    Statement::common(select_operation!("WHERE eid = $1 AND state = 0 ORDER BY urgency, number LIMIT 1"));

const UNDER_WAY: Statement =
    Statement::common(select_operation!("WHERE eid = $1 AND state < 10 ORDER BY number LIMIT 1000"));

/// -1 stands for every state.
const OF_EUICC: Statement = Statement::common(select_operation!(
    "WHERE eid = $1 AND number < $2 AND (state = $3 OR $3 = -1) ORDER BY number DESC LIMIT $4"
));

const OF_STATE: Statement =
    Statement::common(select_operation!("WHERE state = $1 AND number < $2 ORDER BY number DESC LIMIT $3"));

const ALL: Statement =
    Statement::common(select_operation!("WHERE number < $1 ORDER BY number DESC LIMIT $2"));

const DUE: Statement = Statement::common(
    "SELECT operation_id, eid FROM operation WHERE due_at <= $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT $2",
);

pub(super) const STATEMENTS: &[Statement] = &[
    INSERT_OPERATIONS,
    UPDATE_OPERATIONS,
    OPERATION,
    OF_CALL,
    ACTIVE,
    NEXT_WAITING,
    UNDER_WAY,
    OF_EUICC,
    OF_STATE,
    ALL,
    DUE,
];

/// An operation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOperation {
    /// The order of creation.
    pub number: i64,
    /// What it is and where it stands.
    pub operation: Operation,
    /// Who asked for it.
    pub creator: String,
    /// SHA-256 of what was asked for, in hexadecimal digits.
    pub digest: String,
    /// The campaign that it belongs to.
    pub campaign_id: Option<String>,
    /// Whether a device made it necessary.
    pub urgency: Urgency,
    /// Who can use the activation code.
    pub code_scope: CodeScope,
    /// The activation code, sealed; gone when the operation ended.
    pub sealed_activation_code: Option<Vec<u8>>,
    /// The confirmation code, sealed; gone when the operation ended.
    pub sealed_confirmation_code: Option<Vec<u8>>,
}

/// Which operations of an eUICC come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Audits that a device made necessary: nothing is decided before they are done.
    First,
    /// What somebody asked for, in the order of creation.
    Usual,
}

/// Who can use an activation code: a trigger is not signed, and who polls without a certificate may be anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeScope {
    /// Whoever has it, as far as is known.
    AnyEuicc,
    /// The eUICC of the operation alone: the order is linked to its EID.
    ThisEuicc,
}

/// An operation that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOperation {
    /// What it is; it may have begun.
    pub operation: Operation,
    /// Who asks for it.
    pub creator: String,
    /// The caller's own name of it, by which a repetition is recognised.
    pub call_key: Option<String>,
    /// SHA-256 of what is asked for, in hexadecimal digits.
    pub digest: String,
    /// The campaign that it belongs to.
    pub campaign_id: Option<String>,
    /// Whether a device made it necessary.
    pub urgency: Urgency,
    /// Who can use the activation code.
    pub code_scope: CodeScope,
    /// The activation code, sealed.
    pub sealed_activation_code: Option<Vec<u8>>,
    /// The confirmation code, sealed.
    pub sealed_confirmation_code: Option<Vec<u8>>,
}

set_row! {
    /// Where an operation stands.
    pub(super) struct OperationRow {
        pub(super) operation_id: String,
        state: i64,
        to_iccid: Option<String>,
        from_iccid: Option<String>,
        hold_until: Option<i64>,
        reason: Option<&'static str>,
        reason_detail: Option<String>,
        attempts: i64,
        changed_at: i64,
        overdue_since: Option<i64>,
        due_at: Option<i64>,
    }
}

set_row! {
    pub(super) struct NewOperationRow {
        eid: String,
        kind: i64,
        urgency: i64,
        creator: String,
        call_key: Option<String>,
        digest: String,
        campaign_id: Option<String>,
        iccid: Option<String>,
        rollback: i64,
        delete_old_ms: Option<i64>,
        commands: Option<Vec<u8>>,
        activation_code: Option<Vec<u8>>,
        confirmation_code: Option<Vec<u8>>,
        code_is_linked: i64,
        created_at: i64,
        valid_until: Option<i64>,
        standing: OperationRow,
    }
}

impl OperationRow {
    pub(super) fn new(operation: &Operation, deadlines: &Deadlines, now: Timestamp) -> Self {
        let state = &operation.state;
        let text = |iccid: &Iccid| iccid.as_str().to_owned();
        Self {
            operation_id: operation.operation_id.to_string(),
            state: state_code(state.name()),
            to_iccid: state.to().map(text),
            from_iccid: state.from().map(text),
            hold_until: match state {
                OperationState::HoldingOld { until, .. } => Some(until.as_millis()),
                _ => None,
            },
            reason: state.reason().map(|reason| reason.code.name()),
            reason_detail: state.reason().map(|reason| reason.detail.clone()),
            attempts: i64::from(operation.attempts),
            changed_at: operation.changed_at.as_millis(),
            overdue_since: operation.overdue_since.map(Timestamp::as_millis),
            due_at: operation.due(deadlines, now).map(Timestamp::as_millis),
        }
    }
}

impl NewOperationRow {
    pub(super) fn new(new: NewOperation, deadlines: &Deadlines, now: Timestamp) -> Self {
        let operation = &new.operation;
        let (mut iccid, mut delete_old_ms, mut commands) = (None, None, None);
        let mut granted = Rollback::NotGranted;
        match &operation.task {
            Task::Download | Task::Audit => {}
            Task::Enable { iccid: enabled, rollback } => {
                (iccid, granted) = (Some(enabled), *rollback);
            }
            Task::Disable { iccid: named } | Task::Delete { iccid: named } => iccid = Some(named),
            Task::Switch { to, rollback, old } => {
                granted = *rollback;
                if let SwitchTarget::Installed(installed) = to {
                    iccid = Some(installed);
                }
                if let OldProfile::DeleteAfter(hold) = old {
                    delete_old_ms = Some(i64::try_from(hold.as_millis()).unwrap_or(i64::MAX));
                }
            }
            Task::Configure { commands: all }
            | Task::Move { commands: all }
            | Task::RotateKey { commands: all }
            | Task::Laboratory { package: all } => commands = Some(all.clone()),
        }
        Self {
            eid: operation.eid.as_str().to_owned(),
            kind: kind_code(operation.task.kind()),
            urgency: match new.urgency {
                Urgency::First => 0,
                Urgency::Usual => 1,
            },
            creator: new.creator,
            call_key: new.call_key,
            digest: new.digest,
            campaign_id: new.campaign_id,
            iccid: iccid.map(|iccid| iccid.as_str().to_owned()),
            rollback: i64::from(granted == Rollback::Granted),
            delete_old_ms,
            commands,
            activation_code: new.sealed_activation_code,
            confirmation_code: new.sealed_confirmation_code,
            code_is_linked: i64::from(new.code_scope == CodeScope::ThisEuicc),
            created_at: operation.created_at.as_millis(),
            valid_until: operation.valid_until.map(Timestamp::as_millis),
            standing: OperationRow::new(operation, deadlines, now),
        }
    }
}

const fn kind_code(kind: OperationKind) -> i64 {
    match kind {
        OperationKind::Download => 0,
        OperationKind::Enable => 1,
        OperationKind::Disable => 2,
        OperationKind::Delete => 3,
        OperationKind::Audit => 4,
        OperationKind::Switch => 5,
        OperationKind::Configure => 6,
        OperationKind::Laboratory => 7,
        OperationKind::Move => 8,
        OperationKind::RotateKey => 9,
    }
}

const fn state_code(state: OperationStateName) -> i64 {
    match state {
        OperationStateName::Waiting => 0,
        OperationStateName::Checking => 1,
        OperationStateName::Downloading => 2,
        OperationStateName::Downloaded => 3,
        OperationStateName::Enabling => 4,
        OperationStateName::Switching => 5,
        OperationStateName::Confirming => 6,
        OperationStateName::HoldingOld => 7,
        OperationStateName::DeletingOld => 8,
        OperationStateName::Acting => 9,
        OperationStateName::Done => 10,
        OperationStateName::DoneWithRemnant => 11,
        OperationStateName::RolledBack => 12,
        OperationStateName::Failed => 13,
        OperationStateName::Cancelled => 14,
        OperationStateName::Expired => 15,
    }
}

/// The state of this code; `None` for one of a later version.
pub(super) fn state_of_code(code: i64) -> Option<OperationStateName> {
    OperationStateName::ALL.into_iter().find(|state| state_code(*state) == code)
}

fn kept_operation(row: &Row) -> Result<KeptOperation, StoreError> {
    let key = row.text("operation_id")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let time = |column| Ok::<_, StoreError>(row.integer_or_null(column)?.map(Timestamp::from_millis));
    let operation = Operation {
        operation_id: OperationId::parse(&key).ok_or_else(|| corrupt("operation_id"))?,
        eid: Eid::parse(&row.text("eid")?).map_err(|_| corrupt("eid"))?,
        task: task(row, &corrupt)?,
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        valid_until: time("valid_until")?,
        state: state(row, &corrupt)?,
        changed_at: Timestamp::from_millis(row.integer("changed_at")?),
        attempts: u32::try_from(row.integer("attempts")?).map_err(|_| corrupt("attempts"))?,
        overdue_since: time("overdue_since")?,
    };
    Ok(KeptOperation {
        number: row.integer("number")?,
        operation,
        creator: row.text("creator")?,
        digest: row.text("digest")?,
        campaign_id: row.text_or_null("campaign_id")?,
        urgency: match row.integer("urgency")? {
            0 => Urgency::First,
            1 => Urgency::Usual,
            _ => return Err(corrupt("urgency")),
        },
        code_scope: match row.integer("code_is_linked")? {
            0 => CodeScope::AnyEuicc,
            1 => CodeScope::ThisEuicc,
            _ => return Err(corrupt("code_is_linked")),
        },
        sealed_activation_code: row.octets_or_null("activation_code")?,
        sealed_confirmation_code: row.octets_or_null("confirmation_code")?,
    })
}

fn iccid(
    row: &Row,
    column: &'static str,
    corrupt: &impl Fn(&'static str) -> StoreError,
) -> Result<Option<Iccid>, StoreError> {
    let text = row.text_or_null(column)?;
    text.map(|text| Iccid::parse(&text).map_err(|_| corrupt(column))).transpose()
}

fn task(row: &Row, corrupt: &impl Fn(&'static str) -> StoreError) -> Result<Task, StoreError> {
    let named = iccid(row, "iccid", corrupt)?;
    let needed = || named.clone().ok_or_else(|| corrupt("iccid"));
    let octets = || row.octets_or_null("commands")?.ok_or_else(|| corrupt("commands"));
    let rollback = || match row.integer("rollback")? {
        0 => Ok(Rollback::NotGranted),
        1 => Ok(Rollback::Granted),
        _ => Err(corrupt("rollback")),
    };
    Ok(match row.integer("kind")? {
        0 => Task::Download,
        1 => Task::Enable { iccid: needed()?, rollback: rollback()? },
        2 => Task::Disable { iccid: needed()? },
        3 => Task::Delete { iccid: needed()? },
        4 => Task::Audit,
        5 => Task::Switch {
            to: named.map_or(SwitchTarget::Downloaded, SwitchTarget::Installed),
            rollback: rollback()?,
            old: match row.integer_or_null("delete_old_ms")? {
                None => OldProfile::Keep,
                Some(millis) => OldProfile::DeleteAfter(std::time::Duration::from_millis(
                    u64::try_from(millis).map_err(|_| corrupt("delete_old_ms"))?,
                )),
            },
        },
        6 => Task::Configure { commands: octets()? },
        7 => Task::Laboratory { package: octets()? },
        8 => Task::Move { commands: octets()? },
        9 => Task::RotateKey { commands: octets()? },
        _ => return Err(corrupt("kind")),
    })
}

fn state(row: &Row, corrupt: &impl Fn(&'static str) -> StoreError) -> Result<OperationState, StoreError> {
    use OperationState as State;
    let (to, from) = (iccid(row, "to_iccid", corrupt)?, iccid(row, "from_iccid", corrupt)?);
    let needed_to = || to.clone().ok_or_else(|| corrupt("to_iccid"));
    let needed_from = || from.clone().ok_or_else(|| corrupt("from_iccid"));
    let reason = || {
        let code = row.text_or_null("reason")?.and_then(|code| ReasonCode::parse(&code));
        let detail = row.text_or_null("reason_detail")?.unwrap_or_default();
        Ok::<_, StoreError>(Reason::new(code.ok_or_else(|| corrupt("reason"))?, detail))
    };
    let code = row.integer("state")?;
    let name = OperationStateName::ALL.into_iter().find(|name| state_code(*name) == code);
    Ok(match name.ok_or_else(|| corrupt("state"))? {
        OperationStateName::Waiting => State::Waiting,
        OperationStateName::Checking => State::Checking,
        OperationStateName::Downloading => State::Downloading { from },
        OperationStateName::Downloaded => State::Downloaded { iccid: to, from },
        OperationStateName::Enabling => State::Enabling { to: needed_to()?, from },
        OperationStateName::Switching => State::Switching { to: needed_to()?, from },
        OperationStateName::Confirming => State::Confirming { to: needed_to()?, from },
        OperationStateName::HoldingOld => State::HoldingOld {
            to: needed_to()?,
            from: needed_from()?,
            until: Timestamp::from_millis(
                row.integer_or_null("hold_until")?.ok_or_else(|| corrupt("hold_until"))?,
            ),
        },
        OperationStateName::DeletingOld => State::DeletingOld { to: needed_to()?, from: needed_from()? },
        OperationStateName::Acting => State::Acting,
        OperationStateName::Done => State::Done { iccid: to },
        OperationStateName::DoneWithRemnant => {
            State::DoneWithRemnant { to: needed_to()?, remnant: needed_from()?, reason: reason()? }
        }
        OperationStateName::RolledBack => State::RolledBack { to: needed_to()?, from },
        OperationStateName::Failed => State::Failed(reason()?),
        OperationStateName::Cancelled => State::Cancelled,
        OperationStateName::Expired => State::Expired,
    })
}

/// Which operations a listing holds; the newest come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationSelection {
    /// Those of this eUICC.
    pub eid: Option<Eid>,
    /// Those in this state.
    pub state: Option<OperationStateName>,
}

impl Store {
    /// The operation of this number.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operation(&self, operation_id: &OperationId) -> Result<Option<KeptOperation>, StoreError> {
        let rows = self.pools.fetch(&OPERATION, [operation_id.to_string().as_str().into()]).await?;
        rows.first().map(kept_operation).transpose()
    }

    /// The operation that `creator` asked for under this key.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operation_of_call(
        &self,
        creator: &str,
        call_key: &str,
    ) -> Result<Option<KeptOperation>, StoreError> {
        let rows = self.pools.fetch(&OF_CALL, [creator.into(), call_key.into()]).await?;
        rows.first().map(kept_operation).transpose()
    }

    /// The operation of this eUICC whose turn it is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn active_operation(&self, eid: &Eid) -> Result<Option<KeptOperation>, StoreError> {
        let rows = self.pools.fetch(&ACTIVE, [eid.as_str().into()]).await?;
        rows.first().map(kept_operation).transpose()
    }

    /// The operation of this eUICC that comes next.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn next_operation(&self, eid: &Eid) -> Result<Option<KeptOperation>, StoreError> {
        let rows = self.pools.fetch(&NEXT_WAITING, [eid.as_str().into()]).await?;
        rows.first().map(kept_operation).transpose()
    }

    /// The operations of this eUICC that have no end yet, the first of a thousand.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operations_under_way(&self, eid: &Eid) -> Result<Vec<KeptOperation>, StoreError> {
        let rows = self.pools.fetch(&UNDER_WAY, [eid.as_str().into()]).await?;
        rows.iter().map(kept_operation).collect()
    }

    /// A page of operations, the newest first, beginning below the number `before` (`None`: with the newest), at most
    /// `limit` (and [`OPERATIONS_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operations(
        &self,
        selection: &OperationSelection,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<KeptOperation>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let page = i64::from(limit.min(OPERATIONS_MAX));
        let rows = match (&selection.eid, selection.state) {
            (Some(eid), state) => {
                let state = state.map_or(-1, state_code);
                let arguments = [eid.as_str().into(), before.into(), state.into(), page.into()];
                self.pools.fetch(&OF_EUICC, arguments).await?
            }
            (None, Some(state)) => {
                let arguments = [state_code(state).into(), before.into(), page.into()];
                self.pools.fetch(&OF_STATE, arguments).await?
            }
            (None, None) => self.pools.fetch(&ALL, [before.into(), page.into()]).await?,
        };
        rows.iter().map(kept_operation).collect()
    }

    /// Operations whose validity, deadline or hold time is over, with their eUICCs, at most `limit` (and
    /// [`OPERATIONS_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operations_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(OperationId, Eid)>, StoreError> {
        let arguments = [now.as_millis().into(), i64::from(limit.min(OPERATIONS_MAX)).into()];
        let rows = self.pools.fetch(&DUE, arguments).await?;
        let due = |row: &Row| {
            let key = row.text("operation_id")?;
            let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
            Ok((
                OperationId::parse(&key).ok_or_else(|| corrupt("operation_id"))?,
                Eid::parse(&row.text("eid")?).map_err(|_| corrupt("eid"))?,
            ))
        };
        rows.iter().map(due).collect()
    }
}
