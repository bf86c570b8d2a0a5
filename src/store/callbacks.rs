//! What operators are to be told over ES2+.HandleDownloadProgressInfo (SGP.22 5.3.5): rows written in the change that
//! they tell of, and taken by a job that may run twice.
//!
//! # In order
//!
//! `callback_id` rises with what happens to a profile. A row is taken only if no earlier one of its profile waits. On
//! PostgreSQL the profile's row is locked before a callback gets its number, so numbers rise as commits do.
//!
//! # Once taken
//!
//! Who takes a row holds it for a lease, and says in the end what came of it, naming the attempt it made: after the lease
//! another may have made the next one, and then nothing is written. A taker that dies is forgotten with its lease; the
//! operator may have heard it already, and hears it again.

use super::engine::{Argument, Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError};
use crate::domain::{NotificationPoint, Operator};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;

/// What [`keep_callback!`] reads from the rows of the change that the callback goes with, before its own columns.
macro_rules! keep_callback {
    ([$($column:tt)*] $($condition:expr),+) => {
        set_statement!(
            [$($column)*, callback_point bigint, callback_eid text, callback_subject text, callback_reason text,
             callback_message text, callback_result octets, callback_call text, callback_at bigint]
            "INSERT INTO callback (owner, iccid, eid, profile_type, point, subject_code, reason_code, message, \
             result_data, call_identifier, happened_at, attempts, due_at) \
             SELECT profile.owner, profile.iccid, change.callback_eid, profile.profile_type, change.callback_point, \
             change.callback_subject, change.callback_reason, change.callback_message, change.callback_result, \
             change.callback_call, change.callback_at, 0, \
             COALESCE((SELECT MAX(waiting.due_at) FROM callback waiting WHERE waiting.iccid = change.iccid \
             AND waiting.given_up_at IS NULL), change.callback_at) \
             FROM change JOIN profile ON ", $($condition),+, " WHERE change.callback_point IS NOT NULL \
             RETURNING iccid, callback_id"
        )
    };
}
pub(super) use keep_callback;

macro_rules! callback_columns {
    () => {
        "callback.callback_id, callback.owner, callback.iccid, callback.eid, callback.profile_type, callback.point, \
         callback.subject_code, callback.reason_code, callback.message, callback.result_data, \
         callback.call_identifier, callback.happened_at, callback.attempts, callback.due_at, \
         callback.leased_until, callback.given_up_at, callback.last_answer"
    };
}

macro_rules! take_due {
    ($lock:literal) => {
        concat!(
            "UPDATE callback SET attempts = attempts + 1, leased_until = $2 WHERE callback_id IN (\
             SELECT head.callback_id FROM callback head WHERE head.owner = $3 AND head.given_up_at IS NULL \
             AND head.due_at <= $1 AND (head.leased_until IS NULL OR head.leased_until <= $1) \
             AND NOT EXISTS (SELECT 1 FROM callback earlier WHERE earlier.iccid = head.iccid \
             AND earlier.given_up_at IS NULL AND earlier.callback_id < head.callback_id) \
             ORDER BY head.due_at LIMIT $4",
            $lock,
            ") RETURNING ",
            callback_columns!()
        )
    };
}

/// PostgreSQL passes over those that another node is just taking.
const TAKE_DUE: Statement =
    Statement { sqlite: take_due!(""), postgres: take_due!(" FOR UPDATE OF head SKIP LOCKED") };

const NEXT_DUE: Statement =
    Statement::common("SELECT MIN(due_at) AS due_at FROM callback WHERE owner = $1 AND given_up_at IS NULL");

const DELIVERED: Statement = set_statement!(
    [callback_id bigint, attempts bigint, delivered bigint]
    "DELETE FROM callback WHERE callback_id IN (SELECT change.callback_id FROM change WHERE change.delivered = 1) \
     AND attempts = (SELECT change.attempts FROM change WHERE change.callback_id = callback.callback_id) \
     RETURNING iccid, callback_id"
);

const NOT_DELIVERED: Statement = set_statement!(
    [callback_id bigint, attempts bigint, delivered bigint, due_at bigint, given_up_at bigint, last_answer text]
    "UPDATE callback SET due_at = change.due_at, leased_until = NULL, given_up_at = change.given_up_at, \
     last_answer = change.last_answer FROM change WHERE callback.callback_id = change.callback_id \
     AND callback.attempts = change.attempts AND change.delivered = 0 RETURNING callback.iccid, callback.callback_id"
);

/// Those behind are due when the first is: so nobody looks at rows that must wait for it.
const FOLLOW: Statement = set_statement!(
    [iccid text, due_at bigint]
    "UPDATE callback SET due_at = change.due_at FROM change WHERE callback.iccid = change.iccid \
     AND callback.given_up_at IS NULL AND callback.due_at <> change.due_at \
     RETURNING callback.iccid, callback.callback_id"
);

/// What a command is about; an empty text stands for every operator and every profile.
macro_rules! selected {
    () => {
        "(callback.owner = $1 OR $1 = '') AND (callback.iccid = $2 OR $2 = '')"
    };
}

const LIST: Statement = Statement::common(concat!(
    "SELECT ",
    callback_columns!(),
    " FROM callback WHERE callback.callback_id > $3 AND ",
    selected!(),
    " ORDER BY callback.callback_id LIMIT $4"
));

const RETRY: Statement = Statement::common(concat!(
    "UPDATE callback SET due_at = $3, given_up_at = NULL WHERE ",
    selected!(),
    " RETURNING callback_id"
));

const DROP: Statement =
    Statement::common(concat!("DELETE FROM callback WHERE ", selected!(), " RETURNING callback_id"));

const COUNT: Statement = Statement::common(
    "SELECT owner, CAST(CASE WHEN given_up_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS given_up, COUNT(*) AS callbacks, \
     MIN(happened_at) AS oldest FROM callback GROUP BY 1, 2 ORDER BY 1, 2",
);

pub(super) const STATEMENTS: &[Statement] =
    &[TAKE_DUE, NEXT_DUE, DELIVERED, NOT_DELIVERED, FOLLOW, LIST, RETRY, DROP, COUNT];

/// What an operator is to be told, in the same change as what happened. Owner and profile type are the order's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCallback {
    /// The eUICC.
    pub eid: Option<Eid>,
    /// Where in the download.
    pub point: NotificationPoint,
    /// Passed, or why not.
    pub outcome: Result<(), CallbackFailure>,
    /// ProfileInstallationResultData in DER.
    pub result_data: Option<Vec<u8>>,
    /// functionCallIdentifier of the call, the same for every attempt.
    pub call_identifier: String,
    /// When it happened.
    pub at: Timestamp,
}

/// Why a point was not passed: the pair of codes on the wire, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackFailure {
    /// subjectCode.
    pub subject_code: String,
    /// reasonCode.
    pub reason_code: String,
    /// message.
    pub message: String,
}

/// A callback that an operator has not got yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Its number: rises with what happens to a profile.
    pub callback_id: i64,
    /// Who is to be told.
    pub operator: Operator,
    /// The profile.
    pub iccid: Iccid,
    /// Its type.
    pub profile_type: String,
    /// What is to be told.
    pub told: NewCallback,
    /// How often it was tried, the attempt of who holds it included.
    pub attempts: u32,
    /// When it is tried next, if nobody holds it and no earlier one of its profile waits.
    pub due_at: Timestamp,
    /// Until when somebody holds it; a time that is past says that nobody does.
    pub leased_until: Option<Timestamp>,
    /// Since when it is not tried any more.
    pub given_up_at: Option<Timestamp>,
    /// What the latest attempt came to.
    pub last_answer: Option<String>,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The operator has it.
    Delivered,
    /// It is to be tried again.
    Again {
        /// Not before then.
        due_at: Timestamp,
        /// What came.
        answer: String,
    },
    /// It is too old for another attempt.
    GivenUp {
        /// What came.
        answer: String,
    },
}

/// Which callbacks a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallbackSelection {
    /// Those of this operator.
    pub operator: Option<Operator>,
    /// Those of this profile.
    pub iccid: Option<Iccid>,
}

impl CallbackSelection {
    fn arguments(&self) -> [Argument; 2] {
        [
            self.operator.as_ref().map(Operator::as_str).unwrap_or_default().into(),
            self.iccid.as_ref().map(Iccid::as_str).unwrap_or_default().into(),
        ]
    }
}

/// How many callbacks an operator has not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackCount {
    /// The operator.
    pub operator: String,
    /// Whether these are not tried any more.
    pub given_up: bool,
    /// How many.
    pub callbacks: u64,
    /// When what the oldest tells of happened.
    pub oldest: Timestamp,
}

set_row! {
    /// The columns that a change has for its callback.
    pub(super) struct CallbackRow {
        callback_point: i64,
        callback_eid: Option<String>,
        callback_subject: Option<String>,
        callback_reason: Option<String>,
        callback_message: Option<String>,
        callback_result: Option<Vec<u8>>,
        callback_call: String,
        callback_at: i64,
    }
}

impl CallbackRow {
    pub(super) fn new(callback: NewCallback) -> Self {
        let failure = callback.outcome.err();
        let (subject, reason, message) = match failure {
            Some(failure) => (Some(failure.subject_code), Some(failure.reason_code), Some(failure.message)),
            None => (None, None, None),
        };
        Self {
            callback_point: i64::from(callback.point.id()),
            callback_eid: callback.eid.map(|eid| eid.as_str().to_owned()),
            callback_subject: subject,
            callback_reason: reason,
            callback_message: message,
            callback_result: callback.result_data,
            callback_call: callback.call_identifier,
            callback_at: callback.at.as_millis(),
        }
    }
}

set_row! {
    struct AttemptRow<'a> {
        callback_id: i64,
        iccid: &'a str,
        attempts: i64,
        delivered: i64,
        due_at: i64,
        given_up_at: Option<i64>,
        last_answer: Option<&'a str>,
    }
}

impl<'a> AttemptRow<'a> {
    fn new(callback: &'a Callback, attempt: &'a Attempt, now: Timestamp) -> Self {
        let row = Self {
            callback_id: callback.callback_id,
            iccid: callback.iccid.as_str(),
            attempts: i64::from(callback.attempts),
            delivered: 0,
            due_at: now.as_millis(),
            given_up_at: None,
            last_answer: None,
        };
        match attempt {
            Attempt::Delivered => Self { delivered: 1, ..row },
            Attempt::Again { due_at, answer } => {
                Self { due_at: due_at.as_millis(), last_answer: Some(answer), ..row }
            }
            Attempt::GivenUp { answer } => {
                Self { given_up_at: Some(now.as_millis()), last_answer: Some(answer), ..row }
            }
        }
    }
}

fn callback(row: &Row) -> Result<Callback, StoreError> {
    let key = row.text("iccid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let time = |column| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.integer_or_null(column)?.map(Timestamp::from_millis))
    };
    let outcome = match row.text_or_null("subject_code")? {
        None => Ok(()),
        Some(subject_code) => Err(CallbackFailure {
            subject_code,
            reason_code: row.text_or_null("reason_code")?.unwrap_or_default(),
            message: row.text_or_null("message")?.unwrap_or_default(),
        }),
    };
    let point = u32::try_from(row.integer("point")?).map_err(|_| corrupt("point"))?;
    let eid = row.text_or_null("eid")?.map(|text| Eid::parse(&text)).transpose();
    Ok(Callback {
        callback_id: row.integer("callback_id")?,
        operator: Operator::parse(&row.text("owner")?).ok_or_else(|| corrupt("owner"))?,
        iccid: Iccid::parse(&key).map_err(|_| corrupt("iccid"))?,
        profile_type: row.text("profile_type")?,
        told: NewCallback {
            eid: eid.map_err(|_| corrupt("eid"))?,
            point: NotificationPoint::from_id(point),
            outcome,
            result_data: row.octets_or_null("result_data")?,
            call_identifier: row.text("call_identifier")?,
            at: Timestamp::from_millis(row.integer("happened_at")?),
        },
        attempts: u32::try_from(row.integer("attempts")?).unwrap_or(u32::MAX),
        due_at: Timestamp::from_millis(row.integer("due_at")?),
        leased_until: time("leased_until")?,
        given_up_at: time("given_up_at")?,
        last_answer: row.text_or_null("last_answer")?,
    })
}

impl Store {
    /// Hears of commits that wrote callbacks here; those of other processes show when one looks.
    #[must_use]
    pub fn callbacks_written(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.written().callbacks()
    }

    /// Takes callbacks of an operator that are due at `now`, the first of each profile, at most `most`, and holds them
    /// until `leased_until`. Sorted as they happened.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn take_due_callbacks(
        &self,
        operator: &Operator,
        now: Timestamp,
        leased_until: Timestamp,
        most: usize,
    ) -> Result<Vec<Callback>, StoreError> {
        let mut writing = self.pools.begin().await?;
        let arguments = [
            now.as_millis().into(),
            leased_until.as_millis().into(),
            operator.as_str().into(),
            i64::try_from(most).unwrap_or(i64::MAX).into(),
        ];
        let rows = writing.fetch(&TAKE_DUE, arguments).await?;
        writing.commit().await?;
        let mut taken = rows.iter().map(callback).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|callback| callback.callback_id);
        Ok(taken)
    }

    /// From when on it is worth while to look for callbacks of an operator; `None` if none waits. Some that are due may
    /// be held by others, or wait for earlier ones of their profiles.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn next_callback_due(&self, operator: &Operator) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.pools.fetch(&NEXT_DUE, [operator.as_str().into()]).await?;
        let due = rows.first().map(|row| row.integer_or_null("due_at")).transpose()?.flatten();
        Ok(due.map(Timestamp::from_millis))
    }

    /// Writes down what attempts came to, all in one commit. One whose callback somebody else took since, or dropped,
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn settle_callbacks(
        &self,
        attempts: &[(Callback, Attempt)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if attempts.is_empty() {
            return Ok(());
        }
        let rows: Vec<AttemptRow<'_>> =
            attempts.iter().map(|(callback, attempt)| AttemptRow::new(callback, attempt, now)).collect();
        let set = Set::of(&rows);
        let mut writing = self.pools.begin().await?;
        for statement in [&DELIVERED, &NOT_DELIVERED, &FOLLOW] {
            writing.fetch_set(statement, &set).await?;
        }
        writing.commit().await
    }

    /// A page of callbacks as they happened, beginning behind the number `after`, at most `limit` (and 1000).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn callbacks(
        &self,
        selection: &CallbackSelection,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Callback>, StoreError> {
        let [operator, iccid] = selection.arguments();
        let limit = i64::from(limit.min(PAGE_MAX));
        let rows = self.pools.fetch(&LIST, [operator, iccid, after.into(), limit.into()]).await?;
        rows.iter().map(callback).collect()
    }

    /// Makes callbacks due at `now`, those that were given up too; returns how many. Who holds one goes on with it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn retry_callbacks(
        &self,
        selection: &CallbackSelection,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let [operator, iccid] = selection.arguments();
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&RETRY, [operator, iccid, now.as_millis().into()]).await?;
        writing.commit().await?;
        Ok(rows.len())
    }

    /// Forgets callbacks, untold; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn drop_callbacks(&self, selection: &CallbackSelection) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&DROP, selection.arguments()).await?;
        writing.commit().await?;
        Ok(rows.len())
    }

    /// How many callbacks wait and how many were given up, for each operator, with the age of the oldest: one walk
    /// along an index.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn callback_counts(&self) -> Result<Vec<CallbackCount>, StoreError> {
        let rows = self.pools.fetch(&COUNT, []).await?;
        let count = |row: &Row| {
            Ok(CallbackCount {
                operator: row.text("owner")?,
                given_up: row.integer("given_up")? == 1,
                callbacks: u64::try_from(row.integer("callbacks")?).unwrap_or(0),
                oldest: Timestamp::from_millis(row.integer("oldest")?),
            })
        };
        rows.iter().map(count).collect()
    }
}
