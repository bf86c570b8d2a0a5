//! The two engines: pools, statements in both dialects, rows, transactions.
//!
//! A statement that both engines understand stands once, with `$1` placeholders and integers, text and octets only. A
//! *set statement* takes many rows ([`super::set`]) and sees them as the table `change`; [`set_statement!`] writes the head
//! for each engine, the rest stands once. No two rows of a set are about the same thing, so that it is all one whether the
//! statement sees all of them, as one JSON array, or one after the other.
//!
//! A *change statement* ([`change_statement!`]) is a set statement of which only the question remains, for each row, whether it
//! did something. In SQLite `change` is then no table at all, but placeholders, and nothing is returned: each would be a
//! temporary table, which costs more than the change.
//!
//! A set statement goes to PostgreSQL once, and so does its commit apart: each turn to it costs a way over the network.
//! SQLite runs it once for each row, from a prepared statement: nothing is nearer.

use std::collections::HashMap;

use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Executor as _, Postgres, Row as _, SqlSafeStr as _, Transaction};

use super::StoreError;
use super::set::Set;
use super::sqlite::{Sqlite, SqliteRow, SqliteWriting};
use super::watch::{Beside, CommitPhase, Verdict};

/// One statement in both dialects.
#[derive(Clone, Copy)]
pub(super) struct Statement {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl Statement {
    /// A statement that both engines understand.
    pub(super) const fn common(sql: &'static str) -> Self {
        Self { sqlite: sql, postgres: sql }
    }
}

/// How one column of `change` is made, for each engine.
macro_rules! change_column {
    (sqlite $name:ident $type:ident) => {
        concat!(":", stringify!($name), " AS ", stringify!($name))
    };
    (postgres $name:ident octets) => {
        concat!("decode(", stringify!($name), ", 'hex') AS ", stringify!($name))
    };
    (postgres $name:ident $type:ident) => {
        stringify!($name)
    };
    (declare $name:ident octets) => {
        concat!(stringify!($name), " text")
    };
    (declare $name:ident $type:ident) => {
        concat!(stringify!($name), " ", stringify!($type))
    };
}

/// A set statement: the columns of `change` with their types (`text`, `bigint`, `octets`), then what is done with it.
macro_rules! set_statement {
    ([$first:ident $first_type:ident $(, $name:ident $type:ident)* $(,)?] $($sql:expr),+) => {
        $crate::store::engine::Statement {
            sqlite: concat!(
                "WITH change AS (SELECT ",
                $crate::store::engine::change_column!(sqlite $first $first_type),
                $(", ", $crate::store::engine::change_column!(sqlite $name $type),)*
                ") ",
                $($sql),+
            ),
            postgres: concat!(
                "WITH change AS (SELECT ",
                $crate::store::engine::change_column!(postgres $first $first_type),
                $(", ", $crate::store::engine::change_column!(postgres $name $type),)*
                " FROM json_to_recordset($1::json) AS element(",
                $crate::store::engine::change_column!(declare $first $first_type),
                $(", ", $crate::store::engine::change_column!(declare $name $type),)*
                ")) ",
                $($sql),+
            ),
        }
    };
}

/// A change statement: as [`set_statement!`], and behind it the column in which PostgreSQL says which rows did something: the
/// set's first one. Every column of `change` is named with its table, and `FROM change` stands before `WHERE`, or before a
/// comma and another table.
macro_rules! change_statement {
    ([$($columns:tt)+] $($sql:expr),+; returning $key:literal) => {
        $crate::store::engine::Statement {
            sqlite: {
                const SQL: &str = concat!($($sql),+);
                const TEXT: $crate::store::engine::RowText<{ SQL.len() }> = $crate::store::engine::RowText::of(SQL);
                TEXT.as_str()
            },
            postgres: $crate::store::engine::set_statement!([$($columns)+] $($sql),+, " RETURNING ", $key).postgres,
        }
    };
}

pub(super) use {change_column, change_statement, set_statement};

/// The text of a change statement for SQLite, made by the compiler.
pub(super) struct RowText<const N: usize> {
    octets: [u8; N],
    length: usize,
}

impl<const N: usize> RowText<N> {
    /// Placeholders stand for the columns of `change`, which is left out.
    pub(super) const fn of(sql: &str) -> Self {
        let mut text = Self { octets: [b' '; N], length: 0 };
        let mut rest = sql.as_bytes();
        while let [first, behind @ ..] = rest {
            if let Some(column) = behind_prefix(rest, b"change.") {
                text.push(b':');
                rest = column;
            } else if let Some(tables) = behind_prefix(rest, b"FROM change, ") {
                text.extend(b"FROM ");
                rest = tables;
            } else if let Some(condition) = behind_prefix(rest, b"FROM change WHERE") {
                text.extend(b"WHERE");
                rest = condition;
            } else {
                text.push(*first);
                rest = behind;
            }
        }
        text
    }

    /// The text.
    pub(super) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.octets.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }

    const fn extend(&mut self, mut octets: &[u8]) {
        while let [first, behind @ ..] = octets {
            self.push(*first);
            octets = behind;
        }
    }

    #[expect(clippy::indexing_slicing, reason = "done by the compiler; no text gets longer")]
    const fn push(&mut self, octet: u8) {
        self.octets[self.length] = octet;
        self.length += 1;
    }
}

/// What stands behind `prefix` in a text that begins with it.
const fn behind_prefix<'a>(mut text: &'a [u8], mut prefix: &[u8]) -> Option<&'a [u8]> {
    while let [first, others @ ..] = prefix {
        match text {
            [same, rest @ ..] if *same == *first => text = rest,
            _ => return None,
        }
        prefix = others;
    }
    Some(text)
}

/// What a placeholder stands for.
pub(super) enum Argument {
    Text(String),
    Integer(i64),
    Octets(Vec<u8>),
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Argument {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&[u8]> for Argument {
    fn from(octets: &[u8]) -> Self {
        Self::Octets(octets.to_vec())
    }
}

macro_rules! query {
    ($sql:expr, $arguments:expr) => {{
        let mut query = sqlx::query($sql);
        for argument in $arguments {
            query = match argument {
                Argument::Text(text) => query.bind(text),
                Argument::Integer(value) => query.bind(value),
                Argument::Octets(octets) => query.bind(octets),
            };
        }
        query
    }};
}

/// A row of either engine.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! getter {
    ($name:ident, $type:ty) => {
        pub(super) fn $name(&self, column: &str) -> Result<$type, StoreError> {
            Ok(match self {
                Self::Sqlite(row) => row.get(column)?,
                Self::Postgres(row) => row.try_get(column)?,
            })
        }
    };
}

impl Row {
    getter!(integer, i64);
    getter!(integer_or_null, Option<i64>);
    getter!(text, String);
    getter!(text_or_null, Option<String>);
    getter!(octets, Vec<u8>);
    getter!(octets_or_null, Option<Vec<u8>>);

    /// The first column.
    pub(super) fn key(&self) -> Result<String, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.at(0)?,
            Self::Postgres(row) => row.try_get(0)?,
        })
    }

    /// The first two columns, both of them text.
    pub(super) fn key_and_text(&self) -> Result<(String, String), StoreError> {
        Ok(match self {
            Self::Sqlite(row) => (row.at(0)?, row.at(1)?),
            Self::Postgres(row) => (row.try_get(0)?, row.try_get(1)?),
        })
    }

    /// The first two columns: what a set statement returns for every row it touched; 1 if there is no second.
    pub(super) fn key_and_number(&self) -> Result<(String, i64), StoreError> {
        Ok(match self {
            Self::Sqlite(row) => (row.at(0)?, row.number()?),
            Self::Postgres(row) => (row.try_get(0)?, if row.len() > 1 { row.try_get(1)? } else { 1 }),
        })
    }
}

/// The connections of a store.
#[derive(Clone)]
pub(super) enum Pools {
    Sqlite(Sqlite, Beside),
    Postgres(PgPool, Beside),
}

impl Pools {
    /// Runs a statement that reads.
    pub(super) async fn fetch<const N: usize>(
        &self,
        statement: &Statement,
        arguments: [Argument; N],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite, _) => {
                let rows = sqlite.read(|reader| reader.fetch(statement, &arguments))?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool, _) => {
                let rows = query!(statement.postgres, arguments).fetch_all(pool).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Starts a transaction that may write, beside the writer.
    pub(super) async fn begin(&self) -> Result<Writing, StoreError> {
        let (Self::Sqlite(_, beside) | Self::Postgres(_, beside)) = self;
        Ok(Writing { beside: beside.clone(), ..self.begin_of_writer().await? })
    }

    /// Starts a transaction of the writer, which tells of its commits itself.
    pub(super) async fn begin_of_writer(&self) -> Result<Writing, StoreError> {
        let open = match self {
            Self::Sqlite(sqlite, _) => Open::Sqlite(SqliteWriting::new(sqlite).await?),
            Self::Postgres(pool, _) => Open::Postgres(pool.begin().await?),
        };
        Ok(Writing { open, beside: Beside::default() })
    }

    /// Prepares a statement without running it.
    pub(super) async fn prepare(&self, statement: &Statement) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite, _) => sqlite.read(|reader| reader.prepare(statement))?,
            Self::Postgres(pool, _) => {
                drop(pool.acquire().await?.prepare(statement.postgres.into_sql_str()).await?)
            }
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite, _) => sqlite.close().await,
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}

/// What a statement said of each row of a set: `None` if it did nothing for it; otherwise the number in the second column
/// that it returned, or 1 if it returned none.
pub(super) type Said = Vec<Option<i64>>;

/// A statement of [`Writing::change_each`]: a set or change statement and the place of its rows.
pub(super) struct Part {
    pub(super) statement: &'static Statement,
    pub(super) set: usize,
}

/// A transaction that writes; dropped without [`Writing::commit`], it never was.
pub(super) struct Writing {
    open: Open,
    /// Who hears of its commit.
    beside: Beside,
}

enum Open {
    Sqlite(SqliteWriting),
    Postgres(Transaction<'static, Postgres>),
}

impl Writing {
    /// Runs a statement.
    pub(super) async fn fetch<const N: usize>(
        &mut self,
        statement: &Statement,
        arguments: [Argument; N],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match &mut self.open {
            Open::Sqlite(writing) => {
                let rows = writing.begun()?.fetch(statement, &arguments)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Open::Postgres(transaction) => {
                let rows = query!(statement.postgres, arguments).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a set statement over a set.
    pub(super) async fn fetch_set(
        &mut self,
        statement: &Statement,
        set: &Set<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match &mut self.open {
            Open::Sqlite(writing) => {
                let rows = writing.begun()?.fetch_set(statement, set)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Open::Postgres(transaction) => fetch_set(transaction, statement.postgres, set).await?,
        })
    }

    /// Runs a set statement that only an engine with other writers needs; `set` makes its rows.
    pub(super) async fn lock<'a>(
        &mut self,
        postgres: &'static str,
        set: impl FnOnce() -> Set<'a>,
    ) -> Result<(), StoreError> {
        match &mut self.open {
            // The one transaction that writes has the file for itself.
            Open::Sqlite(_) => Ok(()),
            Open::Postgres(transaction) => fetch_set(transaction, postgres, &set()).await.map(drop),
        }
    }

    /// Runs statements one after the other, each over one of `sets`, and tells what each said.
    pub(super) async fn change_each(
        &mut self,
        parts: &[Part],
        sets: &[Set<'_>],
    ) -> Result<Vec<Said>, StoreError> {
        let mut answers = Vec::with_capacity(parts.len());
        for part in parts {
            answers.push(match (sets.get(part.set), &mut self.open) {
                (None, _) => Vec::new(),
                (Some(set), Open::Sqlite(writing)) => writing.begun()?.change_set(part.statement, set)?,
                (Some(set), Open::Postgres(transaction)) => {
                    change_set(transaction, part.statement.postgres, set).await?
                }
            });
        }
        Ok(answers)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let Self { open, beside } = self;
        let beside = match &open {
            // Nobody can tell such a commit from none.
            Open::Sqlite(writing) if writing.is_empty() => Beside::default(),
            Open::Sqlite(_) | Open::Postgres(_) => beside,
        };
        if beside.stand(CommitPhase::Before) == Verdict::Die {
            drop(open);
            return std::future::pending().await;
        }
        match open {
            Open::Sqlite(writing) => writing.commit()?,
            Open::Postgres(transaction) => transaction.commit().await?,
        }
        match beside.stand(CommitPhase::After) {
            Verdict::GoOn => Ok(()),
            Verdict::Die => std::future::pending().await,
        }
    }
}

async fn fetch_set(
    transaction: &mut Transaction<'static, Postgres>,
    postgres: &'static str,
    set: &Set<'_>,
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(postgres).bind(set.to_json()?).fetch_all(&mut **transaction).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Runs a statement that returns the keys of rows, and finds the rows by them.
async fn change_set(
    transaction: &mut Transaction<'static, Postgres>,
    postgres: &'static str,
    set: &Set<'_>,
) -> Result<Said, StoreError> {
    let rows = fetch_set(transaction, postgres, set).await?;
    let said = rows.iter().map(Row::key_and_number).collect::<Result<HashMap<_, _>, _>>()?;
    Ok(set.keys().map(|key| said.get(key?).copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_statement_is_one_about_placeholders_in_sqlite() {
        const UPDATE: Statement = change_statement!(
            [iccid text, count bigint]
            "UPDATE profile SET exchange = change.count FROM change WHERE profile.iccid = ", "change.iccid";
            returning "profile.iccid"
        );
        const INSERT: Statement = change_statement!(
            [iccid text, raw octets]
            "INSERT INTO x (a) SELECT change.raw FROM change, profile WHERE profile.iccid = change.iccid \
             ON CONFLICT (a) DO NOTHING";
            returning "a"
        );
        assert_eq!(UPDATE.sqlite, "UPDATE profile SET exchange = :count WHERE profile.iccid = :iccid");
        assert_eq!(
            INSERT.sqlite,
            "INSERT INTO x (a) SELECT :raw FROM profile WHERE profile.iccid = :iccid ON CONFLICT (a) DO NOTHING"
        );
        assert!(INSERT.postgres.ends_with(
            "SELECT change.raw FROM change, profile WHERE profile.iccid = change.iccid \
             ON CONFLICT (a) DO NOTHING RETURNING a"
        ));
    }
}
