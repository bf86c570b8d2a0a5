//! OP of operators, sealed: from it and K follows OPc of each subscription that is made here.

use super::audit;
use super::engine::{Argument, Row, Statement};
use super::{Store, StoreError};
use crate::domain::{Action, Actor, AuditSubject, NewAuditEntry, Operator, Person};
use crate::env::Timestamp;

/// `algorithm` of OP for Milenage.
const MILENAGE: i64 = 1;

/// A key is never written over: profiles were made with it.
const KEEP: Statement = Statement::common(
    "INSERT INTO operator_key (operator, algorithm, sealed, person, imported_at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (operator, algorithm) DO NOTHING RETURNING operator",
);

const FIND: Statement = Statement::common(
    "SELECT operator, sealed, person, imported_at FROM operator_key WHERE operator = $1 AND algorithm = $2",
);

const LIST: Statement = Statement::common(
    "SELECT operator, sealed, person, imported_at FROM operator_key ORDER BY operator, algorithm LIMIT 1000",
);

pub(super) const STATEMENTS: &[Statement] = &[KEEP, FIND, LIST];

/// OP of an operator.
#[derive(Clone)]
pub struct OperatorKey {
    /// Whose.
    pub operator: Operator,
    /// The sealed octets.
    pub sealed: Vec<u8>,
    /// Who brought it.
    pub person: Person,
    /// When.
    pub imported_at: Timestamp,
}

impl OperatorKey {
    /// The place for which it is sealed: moved to another operator, it cannot be opened.
    #[must_use]
    pub fn place(operator: &Operator) -> String {
        format!("operator_key.sealed/milenage/{operator}")
    }
}

fn operator_key(row: &Row) -> Result<OperatorKey, StoreError> {
    let text = row.text("operator")?;
    let corrupt = |column| StoreError::Corrupt { column, key: text.clone() };
    Ok(OperatorKey {
        operator: Operator::parse(&text).ok_or_else(|| corrupt("operator"))?,
        sealed: row.octets("sealed")?,
        person: Person::parse(&row.text("person")?).ok_or_else(|| corrupt("person"))?,
        imported_at: Timestamp::from_millis(row.integer("imported_at")?),
    })
}

impl Store {
    /// Keeps OP of an operator. Returns whether it was kept: one that is there is never written over.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn keep_operator_key(&self, key: &OperatorKey) -> Result<bool, StoreError> {
        let mut writing = self.pools.begin().await?;
        let arguments = [
            key.operator.as_str().into(),
            MILENAGE.into(),
            Argument::Octets(key.sealed.clone()),
            key.person.as_str().into(),
            key.imported_at.as_millis().into(),
        ];
        let kept = !writing.fetch(&KEEP, arguments).await?.is_empty();
        if kept {
            let subject = AuditSubject::new("operator", key.operator.as_str());
            let actor = Actor::Person(key.person.clone());
            let entry = NewAuditEntry::new(key.imported_at, actor, Action::OPERATOR_KEY_IMPORT, subject);
            audit::append(&mut writing, &[entry]).await?;
        }
        writing.commit().await?;
        Ok(kept)
    }

    /// OP of an operator; `None` if nobody brought it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operator_key(&self, operator: &Operator) -> Result<Option<OperatorKey>, StoreError> {
        let rows = self.pools.fetch(&FIND, [operator.as_str().into(), MILENAGE.into()]).await?;
        rows.first().map(operator_key).transpose()
    }

    /// All of them, by operator, a thousand at most.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn operator_keys(&self) -> Result<Vec<OperatorKey>, StoreError> {
        let rows = self.pools.fetch(&LIST, []).await?;
        rows.iter().map(operator_key).collect()
    }
}
