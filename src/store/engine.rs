//! The two engines: pools, statements in both dialects, rows, transactions.
//!
//! A statement that both engines understand stands once, with `$1` placeholders and integers, text and octets only. A
//! *set statement* takes many rows as one JSON array in `$1` (octets in hexadecimal) and sees them as the table
//! `change`; [`set_statement!`] writes the head that unpacks the array for each engine, the rest stands once.

use std::sync::Arc;

use serde::Serialize;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Executor as _, Postgres, Row as _, Sqlite, Transaction};

use super::StoreError;

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

/// How one column of `change` is taken out of the array's element, for each engine.
macro_rules! change_column {
    (sqlite $name:ident octets) => {
        concat!("unhex(value->>'", stringify!($name), "') AS ", stringify!($name))
    };
    (sqlite $name:ident $type:ident) => {
        concat!("value->>'", stringify!($name), "' AS ", stringify!($name))
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
                " FROM json_each($1)) ",
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

pub(super) use {change_column, set_statement};

/// The rows of a set statement as its parameter.
pub(super) fn to_set<R: Serialize>(rows: &[R]) -> Result<String, StoreError> {
    serde_json::to_string(rows)
        .map_err(|cause| StoreError::Database(Arc::new(sqlx::Error::Encode(cause.into()))))
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
                Self::Sqlite(row) => row.try_get(column)?,
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
            Self::Sqlite(row) => row.try_get(0)?,
            Self::Postgres(row) => row.try_get(0)?,
        })
    }

    /// The first two columns: what a set statement returns for every row it touched.
    pub(super) fn key_and_number(&self) -> Result<(String, i64), StoreError> {
        Ok(match self {
            Self::Sqlite(row) => (row.try_get(0)?, row.try_get(1)?),
            Self::Postgres(row) => (row.try_get(0)?, row.try_get(1)?),
        })
    }
}

/// The connections of a store.
#[derive(Clone)]
pub(super) enum Pools {
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

impl Pools {
    pub(super) async fn fetch<const N: usize>(
        &self,
        statement: &Statement,
        arguments: [Argument; N],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite { read, .. } => {
                let rows = query!(statement.sqlite, arguments).fetch_all(read).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let rows = query!(statement.postgres, arguments).fetch_all(pool).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Starts a transaction that may write. SQLite takes the write lock at once: a lock taken later could not be
    /// waited for.
    pub(super) async fn begin(&self) -> Result<Writing, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Writing::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Writing::Postgres(pool.begin().await?),
        })
    }

    /// Prepares a statement without running it.
    pub(super) async fn prepare(&self, statement: &Statement) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { read, .. } => {
                drop(read.acquire().await?.prepare(sqlx::SqlSafeStr::into_sql_str(statement.sqlite)).await?)
            }
            Self::Postgres(pool) => {
                drop(pool.acquire().await?.prepare(sqlx::SqlSafeStr::into_sql_str(statement.postgres)).await?)
            }
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction that writes; dropped without [`Writing::commit`], it never was.
pub(super) enum Writing {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Writing {
    pub(super) async fn fetch<const N: usize>(
        &mut self,
        statement: &Statement,
        arguments: [Argument; N],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(transaction) => {
                let rows = query!(statement.sqlite, arguments).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(transaction) => {
                let rows = query!(statement.postgres, arguments).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}
