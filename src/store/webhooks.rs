//! Webhooks: who is told of what happens, and what is to be told, as rows written in the change that they tell of and taken
//! by a job that may run twice.
//!
//! # Who is told
//!
//! A message becomes a row for each webhook that has selected its type and is not disabled, in one set statement
//! ([`TELL`]) of the change that causes the event; where nobody is told, it is none. No order is kept among the messages of a
//! webhook.
//!
//! # Once taken
//!
//! As with callbacks, who takes a row holds it for a lease and names its attempt when it says what came of it. A taker that
//! dies is forgotten with its lease; the receiver may have the message already, and gets it again under the same number.

use super::audit::append;
use super::engine::{Argument, Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError};
use crate::crypto::hash::sha256;
use crate::domain::webhook::{Selected, WebhookMessage, WebhookName, WebhookUrl};
use crate::domain::{Event, NewAuditEntry};
use crate::env::Timestamp;

/// Webhooks at most: each message is written once for every one that is told.
pub const WEBHOOKS_MAX: u32 = 100;

/// Nobody is told while disabled: what happened meanwhile is lost for that webhook.
pub(super) const TELL: Statement = set_statement!(
    [message_id text, event_type text, family text, body text, happened_at bigint]
    "INSERT INTO webhook_message (name, message_id, event_type, body, happened_at, attempts, due_at) \
     SELECT webhook.name, change.message_id, change.event_type, change.body, change.happened_at, 0, \
     change.happened_at FROM change JOIN webhook ON webhook.disabled_at IS NULL \
     WHERE EXISTS (SELECT 1 FROM webhook_selection WHERE webhook_selection.name = webhook.name \
     AND webhook_selection.selected IN (change.event_type, change.family, '*')) \
     ON CONFLICT (name, message_id) DO NOTHING RETURNING name, number"
);

/// What one webhook alone is told, whatever it selected.
const TELL_ONE: Statement = Statement::common(
    "INSERT INTO webhook_message (name, message_id, event_type, body, happened_at, attempts, due_at) \
     SELECT webhook.name, $2, $3, $4, CAST($5 AS BIGINT), 0, CAST($5 AS BIGINT) FROM webhook \
     WHERE webhook.name = $1 AND webhook.disabled_at IS NULL \
     ON CONFLICT (name, message_id) DO NOTHING RETURNING name",
);

/// A webhook more, as long as there are not too many.
const ADD: Statement = Statement::common(
    "INSERT INTO webhook (name, url, secret, created_at, created_by, failures) \
     SELECT $1, $2, $3, CAST($4 AS BIGINT), $5, 0 WHERE (SELECT COUNT(*) FROM webhook) < CAST($6 AS BIGINT) \
     RETURNING name",
);

const SELECT: Statement = set_statement!(
    [name text, selected text]
    "INSERT INTO webhook_selection (name, selected) SELECT change.name, change.selected FROM change WHERE 1 = 1 \
     ON CONFLICT (name, selected) DO NOTHING RETURNING name, 1"
);

const ROTATE: Statement = Statement::common(
    "UPDATE webhook SET previous_secret = secret, previous_until = $1, secret = $2 WHERE name = $3 RETURNING name",
);

const REMOVE: Statement = Statement::common("DELETE FROM webhook WHERE name = $1 RETURNING name");
const REMOVE_SELECTION: Statement = Statement::common("DELETE FROM webhook_selection WHERE name = $1");
const REMOVE_MESSAGES: Statement = Statement::common("DELETE FROM webhook_message WHERE name = $1");

const ENABLE: Statement = Statement::common(
    "UPDATE webhook SET disabled_at = NULL, failures = 0, failing_since = NULL, resume_at = NULL WHERE name = $1 \
     RETURNING name",
);

const RETRY: Statement = Statement::common(
    "UPDATE webhook_message SET due_at = $2, given_up_at = NULL WHERE name = $1 RETURNING number",
);

/// All of a webhook in one look, so that what is told of it goes together.
const LIST: Statement = Statement::common(
    "SELECT name, url, created_at, created_by, delivered_at, failing_since, resume_at, disabled_at, last_answer, \
     COALESCE((SELECT string_agg(selection.selected, ' ') FROM webhook_selection selection \
     WHERE selection.name = webhook.name), '') AS selected, \
     (SELECT COUNT(*) FROM webhook_message waiting WHERE waiting.name = webhook.name \
     AND waiting.given_up_at IS NULL) AS waiting, \
     (SELECT COUNT(*) FROM webhook_message past WHERE past.name = webhook.name \
     AND past.given_up_at IS NOT NULL) AS given_up \
     FROM webhook WHERE name > $1 ORDER BY name LIMIT $2",
);

const FIND: Statement = Statement::common(
    "SELECT name, url, secret, previous_secret, previous_until, failures FROM webhook WHERE name = $1",
);

/// What a message must be to be taken at `$1`.
macro_rules! due {
    ($name:literal) => {
        concat!(
            "waiting.name = ",
            $name,
            " AND waiting.given_up_at IS NULL AND waiting.due_at <= $1 \
             AND (waiting.leased_until IS NULL OR waiting.leased_until <= $1)"
        )
    };
}

const DUE: Statement = Statement::common(concat!(
    "SELECT name, url, secret, previous_secret, previous_until, failures FROM webhook \
     WHERE disabled_at IS NULL AND (resume_at IS NULL OR resume_at <= $1) \
     AND EXISTS (SELECT 1 FROM webhook_message waiting WHERE ",
    due!("webhook.name"),
    ") ORDER BY name"
));

macro_rules! take {
    ($lock:literal) => {
        concat!(
            "UPDATE webhook_message SET attempts = attempts + 1, leased_until = $2 WHERE number IN (\
             SELECT waiting.number FROM webhook_message waiting WHERE ",
            due!("$3"),
            " ORDER BY waiting.due_at LIMIT $4",
            $lock,
            ") RETURNING number, name, message_id, body, happened_at, attempts"
        )
    };
}

/// PostgreSQL passes over those that another node is just taking.
const TAKE: Statement =
    Statement { sqlite: take!(""), postgres: take!(" FOR UPDATE OF waiting SKIP LOCKED") };

const DELIVERED: Statement = set_statement!(
    [number bigint, attempts bigint, delivered bigint]
    "DELETE FROM webhook_message WHERE number IN (SELECT change.number FROM change WHERE change.delivered = 1) \
     AND attempts = (SELECT change.attempts FROM change WHERE change.number = webhook_message.number) \
     RETURNING name, number"
);

const NOT_DELIVERED: Statement = set_statement!(
    [number bigint, attempts bigint, delivered bigint, due_at bigint, given_up_at bigint, last_answer text]
    "UPDATE webhook_message SET due_at = change.due_at, leased_until = NULL, given_up_at = change.given_up_at, \
     last_answer = change.last_answer FROM change WHERE webhook_message.number = change.number \
     AND webhook_message.attempts = change.attempts AND change.delivered = 0 \
     RETURNING webhook_message.name, webhook_message.number"
);

const FORGET_GIVEN_UP: Statement =
    Statement::common("DELETE FROM webhook_message WHERE name = $1 AND given_up_at <= $2");

const REACHED: Statement = Statement::common(
    "UPDATE webhook SET delivered_at = $2, failures = 0, failing_since = NULL, resume_at = NULL, last_answer = NULL \
     WHERE name = $1",
);

/// The latest failure counts from the first one behind the latest success.
const FAILED: Statement = Statement::common(
    "UPDATE webhook SET failures = $2, failing_since = COALESCE(failing_since, $3), resume_at = $4, last_answer = $5 \
     WHERE name = $1",
);

const DISABLE: Statement = Statement::common(
    "UPDATE webhook SET disabled_at = $2 WHERE name = $1 AND disabled_at IS NULL AND failing_since <= $3 RETURNING name",
);

pub(super) const STATEMENTS: &[Statement] = &[
    TELL_ONE,
    TELL,
    ADD,
    SELECT,
    ROTATE,
    REMOVE,
    REMOVE_SELECTION,
    REMOVE_MESSAGES,
    ENABLE,
    RETRY,
    LIST,
    FIND,
    DUE,
    TAKE,
    DELIVERED,
    NOT_DELIVERED,
    FORGET_GIVEN_UP,
    REACHED,
    FAILED,
    DISABLE,
];

/// A webhook that is to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Its name.
    pub name: WebhookName,
    /// Where it is.
    pub url: WebhookUrl,
    /// What it is told of; one at least.
    pub selected: Vec<Selected>,
    /// The secret, sealed for [`secret_place`].
    pub sealed: Vec<u8>,
    /// Who makes it.
    pub created_by: String,
    /// Now.
    pub at: Timestamp,
}

/// A webhook as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: WebhookName,
    /// Where it is.
    pub url: WebhookUrl,
    /// What it is told of.
    pub selected: Vec<Selected>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it took a message last.
    pub delivered_at: Option<Timestamp>,
    /// Since when it takes none.
    pub failing_since: Option<Timestamp>,
    /// Until when it is not called.
    pub resume_at: Option<Timestamp>,
    /// Since when it is not called any more, and not told of what happens.
    pub disabled_at: Option<Timestamp>,
    /// What came instead of success, if that was the latest.
    pub last_answer: Option<String>,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that are not tried any more.
    pub given_up: u64,
}

/// What a call to a webhook needs.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: WebhookName,
    /// Where it is.
    pub url: WebhookUrl,
    /// The secret, sealed for [`secret_place`].
    pub sealed: Vec<u8>,
    /// The one before and until when it signs too.
    pub previous: Option<(Vec<u8>, Timestamp)>,
    /// Failed calls in a row that made it wait.
    pub failures: u32,
}

/// The place for which the secrets of a webhook are sealed.
#[must_use]
pub fn secret_place(name: &WebhookName) -> String {
    format!("webhook.secret/{name}")
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenMessage {
    /// Its row.
    pub number: i64,
    /// Whom it is for.
    pub name: WebhookName,
    /// By what the receiver knows it again.
    pub message_id: String,
    /// The JSON.
    pub body: String,
    /// When what it tells of happened.
    pub at: Timestamp,
    /// How often it was tried, this attempt included.
    pub attempts: u32,
}

/// What became of a message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// The receiver has it.
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

/// What calls say of the webhook itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetOutcome {
    /// It took a message.
    Reached,
    /// It took none: it is left alone for a while, and disabled if it has been failing for long.
    Failed {
        /// Failed calls in a row.
        failures: u32,
        /// No call before then.
        resume_at: Timestamp,
        /// Failing since then or longer, it is disabled.
        disable_from: Timestamp,
        /// What came.
        answer: String,
    },
}

set_row! {
    /// A message, for all that are told of it.
    pub(super) struct TellRow {
        message_id: String,
        event_type: &'static str,
        family: String,
        body: String,
        happened_at: i64,
    }
}

impl TellRow {
    /// What is told of an event. `origin` names the change that it belongs to, and its place in it: a change that is written
    /// once more tells the same message.
    pub(super) fn of(event: &Event, origin: &str) -> Self {
        let mut number = [0; 16];
        for (place, octet) in number.iter_mut().zip(sha256(origin.as_bytes())) {
            *place = octet;
        }
        Self::new(WebhookMessage::of(event, number))
    }

    fn new(message: WebhookMessage) -> Self {
        Self {
            family: message.family(),
            message_id: message.message_id,
            event_type: message.event_type,
            body: message.body,
            happened_at: message.at.as_millis(),
        }
    }
}

set_row! {
    struct SelectRow<'a> {
        name: &'a str,
        selected: &'a str,
    }
}

set_row! {
    struct OutcomeRow<'a> {
        number: i64,
        attempts: i64,
        delivered: i64,
        due_at: i64,
        given_up_at: Option<i64>,
        last_answer: Option<&'a str>,
    }
}

impl<'a> OutcomeRow<'a> {
    fn new(message: &TakenMessage, outcome: &'a MessageOutcome, now: Timestamp) -> Self {
        let row = Self {
            number: message.number,
            attempts: i64::from(message.attempts),
            delivered: 0,
            due_at: now.as_millis(),
            given_up_at: None,
            last_answer: None,
        };
        match outcome {
            MessageOutcome::Delivered => Self { delivered: 1, ..row },
            MessageOutcome::Again { due_at, answer } => {
                Self { due_at: due_at.as_millis(), last_answer: Some(answer), ..row }
            }
            MessageOutcome::GivenUp { answer } => {
                Self { given_up_at: Some(now.as_millis()), last_answer: Some(answer), ..row }
            }
        }
    }
}

fn name(row: &Row) -> Result<WebhookName, StoreError> {
    let text = row.text("name")?;
    WebhookName::parse(&text).ok_or(StoreError::Corrupt { column: "webhook.name", key: text })
}

fn url(row: &Row) -> Result<WebhookUrl, StoreError> {
    let corrupt = |key| StoreError::Corrupt { column: "webhook.url", key };
    WebhookUrl::parse(&row.text("url")?).map_err(|_| row.text("name").map_or_else(|error| error, corrupt))
}

fn time(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.integer_or_null(column)?.map(Timestamp::from_millis))
}

fn target(row: &Row) -> Result<Target, StoreError> {
    let previous = row.octets_or_null("previous_secret")?;
    let until = time(row, "previous_until")?;
    Ok(Target {
        name: name(row)?,
        url: url(row)?,
        sealed: row.octets("secret")?,
        previous: previous.zip(until),
        failures: u32::try_from(row.integer("failures")?).unwrap_or(u32::MAX),
    })
}

fn taken(row: &Row) -> Result<TakenMessage, StoreError> {
    Ok(TakenMessage {
        number: row.integer("number")?,
        name: name(row)?,
        message_id: row.text("message_id")?,
        body: row.text("body")?,
        at: Timestamp::from_millis(row.integer("happened_at")?),
        attempts: u32::try_from(row.integer("attempts")?).unwrap_or(u32::MAX),
    })
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    let selected = row.text("selected")?;
    let mut selected: Vec<&str> = selected.split_whitespace().collect();
    selected.sort_unstable();
    let count = |column| Ok::<u64, StoreError>(u64::try_from(row.integer(column)?).unwrap_or(0));
    Ok(Webhook {
        name: name(row)?,
        url: url(row)?,
        // One of a kind of event that this version does not know selects nothing here.
        selected: selected.into_iter().filter_map(Selected::parse).collect(),
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        created_by: row.text("created_by")?,
        delivered_at: time(row, "delivered_at")?,
        failing_since: time(row, "failing_since")?,
        resume_at: time(row, "resume_at")?,
        disabled_at: time(row, "disabled_at")?,
        last_answer: row.text_or_null("last_answer")?,
        waiting: count("waiting")?,
        given_up: count("given_up")?,
    })
}

impl Store {
    /// Writes a message down for one webhook alone; `false` if there is none of this name that is not disabled.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn tell_one(&self, name: &WebhookName, message: &WebhookMessage) -> Result<bool, StoreError> {
        let WebhookMessage { message_id, event_type, body, at } = message;
        let arguments = [
            name.as_str().into(),
            message_id.as_str().into(),
            (*event_type).into(),
            body.as_str().into(),
            at.as_millis().into(),
        ];
        let mut writing = self.pools.begin().await?;
        let is_told = !writing.fetch(&TELL_ONE, arguments).await?.is_empty();
        writing.commit().await?;
        Ok(is_told)
    }

    /// Writes messages down that go with no other change.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn tell(&self, messages: Vec<WebhookMessage>) -> Result<(), StoreError> {
        let rows: Vec<TellRow> = messages.into_iter().map(TellRow::new).collect();
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&TELL, &Set::of(&rows)).await?;
        writing.commit().await
    }

    /// Makes a webhook. Whether there was room for it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] for a name that is; others if the engine fails.
    pub async fn add_webhook(&self, new: &NewWebhook, entry: NewAuditEntry) -> Result<bool, StoreError> {
        let mut writing = self.pools.begin().await?;
        let row = [
            new.name.as_str().into(),
            new.url.as_str().into(),
            Argument::Octets(new.sealed.clone()),
            new.at.as_millis().into(),
            new.created_by.as_str().into(),
            i64::from(WEBHOOKS_MAX).into(),
        ];
        if writing.fetch(&ADD, row).await?.is_empty() {
            return Ok(false);
        }
        let rows: Vec<SelectRow<'_>> = new
            .selected
            .iter()
            .map(|selected| SelectRow { name: new.name.as_str(), selected: selected.as_str() })
            .collect();
        writing.fetch_set(&SELECT, &Set::of(&rows)).await?;
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// Gives a webhook another secret; the one before signs too until `previous_until`. Whether there is such a webhook.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn rotate_webhook(
        &self,
        name: &WebhookName,
        sealed: &[u8],
        previous_until: Timestamp,
        entry: NewAuditEntry,
    ) -> Result<bool, StoreError> {
        let arguments = [previous_until.as_millis().into(), sealed.into(), name.as_str().into()];
        let mut writing = self.pools.begin().await?;
        if writing.fetch(&ROTATE, arguments).await?.is_empty() {
            return Ok(false);
        }
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// Removes a webhook, and what waits for it. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn remove_webhook(&self, name: &WebhookName, entry: NewAuditEntry) -> Result<bool, StoreError> {
        let mut writing = self.pools.begin().await?;
        if writing.fetch(&REMOVE, [name.as_str().into()]).await?.is_empty() {
            return Ok(false);
        }
        for statement in [&REMOVE_SELECTION, &REMOVE_MESSAGES] {
            writing.fetch(statement, [name.as_str().into()]).await?;
        }
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// Makes all that waits for a webhook due, what was given up too, and enables it. How many messages these are; `None` if
    /// there is no such webhook.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn retry_webhook(
        &self,
        name: &WebhookName,
        now: Timestamp,
        entry: NewAuditEntry,
    ) -> Result<Option<usize>, StoreError> {
        let mut writing = self.pools.begin().await?;
        if writing.fetch(&ENABLE, [name.as_str().into()]).await?.is_empty() {
            return Ok(None);
        }
        let retried = writing.fetch(&RETRY, [name.as_str().into(), now.as_millis().into()]).await?;
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(Some(retried.len()))
    }

    /// A page of webhooks by rising name, beginning behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn webhooks(&self, after: &str, limit: u32) -> Result<Vec<Webhook>, StoreError> {
        let limit = i64::from(limit.min(WEBHOOKS_MAX + 1)).into();
        let rows = self.pools.fetch(&LIST, [after.into(), limit]).await?;
        rows.iter().map(webhook).collect()
    }

    /// What a call to a webhook needs, be it disabled or not; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn webhook_target(&self, name: &WebhookName) -> Result<Option<Target>, StoreError> {
        let rows = self.pools.fetch(&FIND, [name.as_str().into()]).await?;
        rows.first().map(target).transpose()
    }

    /// The webhooks that may be called at `now` and have something due.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn due_webhooks(&self, now: Timestamp) -> Result<Vec<Target>, StoreError> {
        self.pools.fetch(&DUE, [now.as_millis().into()]).await?.iter().map(target).collect()
    }

    /// Takes messages of a webhook that are due at `now`, at most `most`, and holds them until `leased_until`.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn take_webhook_messages(
        &self,
        name: &WebhookName,
        now: Timestamp,
        leased_until: Timestamp,
        most: usize,
    ) -> Result<Vec<TakenMessage>, StoreError> {
        let arguments = [
            now.as_millis().into(),
            leased_until.as_millis().into(),
            name.as_str().into(),
            i64::try_from(most).unwrap_or(i64::MAX).into(),
        ];
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&TAKE, arguments).await?;
        writing.commit().await?;
        rows.iter().map(taken).collect()
    }

    /// Writes down what became of messages and what that says of their webhooks, all in one commit; what was given up at
    /// `forget_before` or earlier is forgotten. A message that somebody else took since changes nothing. Returns the
    /// webhooks that are disabled from now on.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn settle_webhooks(
        &self,
        messages: &[(TakenMessage, MessageOutcome)],
        targets: &[(WebhookName, TargetOutcome)],
        now: Timestamp,
        forget_before: Timestamp,
    ) -> Result<Vec<WebhookName>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<OutcomeRow<'_>> =
            messages.iter().map(|(message, outcome)| OutcomeRow::new(message, outcome, now)).collect();
        let set = Set::of(&rows);
        let mut writing = self.pools.begin().await?;
        for statement in [&DELIVERED, &NOT_DELIVERED] {
            writing.fetch_set(statement, &set).await?;
        }
        let mut disabled = Vec::new();
        for (name, outcome) in targets {
            let at = || Argument::Integer(now.as_millis());
            match outcome {
                TargetOutcome::Reached => {
                    writing.fetch(&REACHED, [name.as_str().into(), at()]).await?;
                }
                TargetOutcome::Failed { failures, resume_at, disable_from, answer } => {
                    let resume_at = resume_at.as_millis().into();
                    let failures = i64::from(*failures).into();
                    let row = [name.as_str().into(), failures, at(), resume_at, answer.as_str().into()];
                    writing.fetch(&FAILED, row).await?;
                    let from = disable_from.as_millis().into();
                    if !writing.fetch(&DISABLE, [name.as_str().into(), at(), from]).await?.is_empty() {
                        disabled.push(name.clone());
                    }
                    let before = forget_before.as_millis().into();
                    writing.fetch(&FORGET_GIVEN_UP, [name.as_str().into(), before]).await?;
                }
            }
        }
        writing.commit().await?;
        Ok(disabled)
    }
}
