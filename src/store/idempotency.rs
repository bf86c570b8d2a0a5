//! What was answered to calls under an idempotency key, so that a call that is repeated is not done twice.
//!
//! The key is written down before the call is done. An answer that could not be written down, because the server died in
//! between, is not there for the call that repeats it either: nobody knows then whether the call was done.

use std::time::Duration;

use super::engine::{Argument, Statement};
use super::{Store, StoreError};
use crate::domain::IdentityName;
use crate::env::Timestamp;

/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// The largest answer that is kept, in octets, as it is sealed.
pub const ANSWER_MAX: usize = 256 * 1024;
/// Old answers that are forgotten with each new one.
const FORGOTTEN: u32 = 100;

const BEGIN: Statement = Statement::common(
    "INSERT INTO idempotency (name, call_key, digest, created_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (name, call_key) DO NOTHING RETURNING name",
);

const FORGET_OLD: Statement = Statement::common(
    "DELETE FROM idempotency WHERE (name, call_key) IN (SELECT name, call_key FROM idempotency \
     WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
);

const FIND: Statement =
    Statement::common("SELECT digest, status, answer FROM idempotency WHERE name = $1 AND call_key = $2");

const END: Statement = Statement::common(
    "UPDATE idempotency SET status = $1, answer = $2 WHERE name = $3 AND call_key = $4 AND status IS NULL",
);

const FORGET: Statement =
    Statement::common("DELETE FROM idempotency WHERE name = $1 AND call_key = $2 AND status IS NULL");

pub(super) const STATEMENTS: &[Statement] = &[BEGIN, FORGET_OLD, FIND, END, FORGET];

/// What there is of a call under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Nothing: it is to be done, and [`Store::end_call`] or [`Store::forget_call`] told.
    New,
    /// Another call came under this key.
    OtherCall,
    /// It was begun, and has no answer.
    Unanswered,
    /// It was done, and this was answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The answer, sealed.
        sealed: Vec<u8>,
    },
}

impl Store {
    /// Begins a call of `name` under `key`, whose request has this digest.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn begin_call(
        &self,
        name: &IdentityName,
        key: &str,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Begin, StoreError> {
        let digest = hex::encode(digest);
        let kept = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
        let mut writing = self.pools.begin().await?;
        let old = now.as_millis().saturating_sub(kept);
        writing.fetch(&FORGET_OLD, [old.into(), i64::from(FORGOTTEN).into()]).await?;
        let row = [name.as_str().into(), key.into(), digest.as_str().into(), now.as_millis().into()];
        let begun = writing.fetch(&BEGIN, row).await?;
        writing.commit().await?;
        if !begun.is_empty() {
            return Ok(Begin::New);
        }
        let rows = self.pools.fetch(&FIND, [name.as_str().into(), key.into()]).await?;
        // One that was forgotten since is as good as one without an answer: the next call begins anew.
        let Some(row) = rows.first() else { return Ok(Begin::Unanswered) };
        if row.text("digest")? != digest {
            return Ok(Begin::OtherCall);
        }
        match (row.integer_or_null("status")?, row.octets_or_null("answer")?) {
            (Some(status), Some(sealed)) => {
                let corrupt = || StoreError::Corrupt { column: "idempotency.status", key: key.to_owned() };
                Ok(Begin::Answered { status: u16::try_from(status).map_err(|_| corrupt())?, sealed })
            }
            _ => Ok(Begin::Unanswered),
        }
    }

    /// Keeps the answer to a call that was begun.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn end_call(
        &self,
        name: &IdentityName,
        key: &str,
        status: u16,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        let answer = Argument::Octets(sealed.to_vec());
        writing.fetch(&END, [i64::from(status).into(), answer, name.as_str().into(), key.into()]).await?;
        writing.commit().await
    }

    /// Forgets a call that was begun and did nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forget_call(&self, name: &IdentityName, key: &str) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        writing.fetch(&FORGET, [name.as_str().into(), key.into()]).await?;
        writing.commit().await
    }
}
