//! The two engines: pools, statements in both dialects, rows, transactions.
//!
//! A statement that both engines understand stands once, with `$1` placeholders and integers, text and octets only. A
//! *set statement* takes many rows as one JSON array in `$1` (octets in hexadecimal) and sees them as the table
//! `change`; [`set_statement!`] writes the head that unpacks the array for each engine, the rest stands once.
//!
//! The SQLite driver has a thread for each connection, and every turn to it costs more than most statements. So SQLite
//! has no pool, which asks each connection for its health when it is given back, but [`Readers`] and one connection
//! that writes; and statements that need not wait for each other go to it in one turn ([`Writing::fetch_each_and_commit`]).

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Connection as _, Either, Executor as _, Postgres, Row as _, SqlSafeStr as _, Transaction,
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore, SemaphorePermit};

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

/// Connections that read a SQLite file: so many at a time, each opened when it is first needed.
pub(super) struct Readers {
    options: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    places: Semaphore,
    count: u32,
}

/// A connection of [`Readers`]; dropped, it goes back.
struct Reader<'a> {
    /// `None` once it is not to be used again.
    connection: Option<SqliteConnection>,
    readers: &'a Readers,
    _place: SemaphorePermit<'a>,
}

impl Readers {
    /// `count` connections at most, opened with `options`.
    pub(super) fn new(options: SqliteConnectOptions, count: u32) -> Self {
        let places = Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX));
        Self { options, idle: Mutex::default(), places, count }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acquire(&self) -> Result<Reader<'_>, StoreError> {
        let place = self.places.acquire().await.map_err(|_| StoreError::Closed)?;
        // The one that was used last: its cache is warm.
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Reader { connection: Some(connection), readers: self, _place: place })
    }

    /// Waits until nobody reads and closes all connections.
    async fn close(&self) {
        let all = self.places.acquire_many(self.count).await;
        self.places.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            let _ = connection.close().await;
        }
    }
}

impl Reader<'_> {
    /// Runs a query. After an error the connection is not used again.
    async fn run<T>(
        mut self,
        query: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let Some(connection) = &mut self.connection else { return Err(StoreError::Closed) };
        let result = query(connection).await;
        if result.is_err() {
            self.connection = None;
        }
        Ok(result?)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle().push(connection);
        }
    }
}

/// The connections of a store.
#[derive(Clone)]
pub(super) enum Pools {
    Sqlite {
        /// `None` once the store is closed.
        write: Arc<AsyncMutex<Option<SqliteConnection>>>,
        read: Arc<Readers>,
    },
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
                let query = query!(statement.sqlite, arguments);
                let rows = read.acquire().await?.run(async |reader| query.fetch_all(reader).await).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let rows = query!(statement.postgres, arguments).fetch_all(pool).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Starts a transaction that may write.
    pub(super) async fn begin(&self) -> Result<Writing, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Writing::Sqlite(SqliteWriting::new(write).await?),
            Self::Postgres(pool) => Writing::Postgres(pool.begin().await?),
        })
    }

    /// Prepares a statement without running it.
    pub(super) async fn prepare(&self, statement: &Statement) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { read, .. } => {
                let prepare = async |reader: &mut SqliteConnection| {
                    reader.prepare(statement.sqlite.into_sql_str()).await.map(drop)
                };
                read.acquire().await?.run(prepare).await?;
            }
            Self::Postgres(pool) => {
                drop(pool.acquire().await?.prepare(statement.postgres.into_sql_str()).await?)
            }
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                let connection = write.lock().await.take();
                if let Some(connection) = connection {
                    let _ = connection.close().await;
                }
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction of the one SQLite connection that writes; it begins with the first statement, and dropped without a
/// commit, it is rolled back.
pub(super) struct SqliteWriting {
    /// `None` once it was given away to be rolled back.
    connection: Option<WriteConnection>,
    begun: bool,
}

/// The connection that writes, for as long as it is held; empty inside once the store is closed.
type WriteConnection = OwnedMutexGuard<Option<SqliteConnection>>;

/// Takes the write lock at once: a lock taken later could not be waited for.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";

impl SqliteWriting {
    async fn new(write: &Arc<AsyncMutex<Option<SqliteConnection>>>) -> Result<Self, StoreError> {
        let connection = Arc::clone(write).lock_owned().await;
        if connection.is_none() {
            return Err(StoreError::Closed);
        }
        Ok(Self { connection: Some(connection), begun: false })
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().and_then(|held| held.as_mut()).ok_or(StoreError::Closed)
    }

    async fn begun(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if !self.begun {
            // A caller that goes away while the engine begins must leave no transaction behind.
            self.begun = true;
            sqlx::query(BEGIN).execute(self.connection()?).await?;
        }
        self.connection()
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        if self.begun {
            sqlx::query(COMMIT).execute(self.begun().await?).await?;
            self.begun = false;
        }
        Ok(())
    }

    /// Runs set statements and commits, all of it in one turn.
    async fn fetch_each_and_commit(
        mut self,
        parts: &[Part],
        sets: Vec<String>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let mut all = if self.begun { String::new() } else { format!("{BEGIN};") };
        let before = usize::from(!self.begun);
        for part in parts {
            // Constants of this crate, each with its set as its one parameter.
            all.push_str(&part.statement.sqlite.replace("$1", &format!("${}", part.set + 1)));
            all.push(';');
        }
        all.push_str(COMMIT);
        self.begun = true;
        let connection = self.connection().map_err(Failure::Transaction)?;
        let mut query = sqlx::query(AssertSqlSafe(all));
        for set in sets {
            query = query.bind(set);
        }
        let mut answers = Vec::with_capacity(parts.len() + 2);
        let mut rows = Vec::new();
        #[expect(deprecated, reason = "our own text of several statements, whose parameters are numbered")]
        let mut stream = query.fetch_many(connection);
        while let Some(next) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
            match next {
                Ok(Either::Right(row)) => rows.push(Row::Sqlite(row)),
                Ok(Either::Left(_)) => answers.push(std::mem::take(&mut rows)),
                Err(error) if (before..before + parts.len()).contains(&answers.len()) => {
                    return Err(Failure::Statement(error.into()));
                }
                Err(error) => return Err(Failure::Transaction(error.into())),
            }
        }
        drop(stream);
        self.begun = false;
        answers.drain(..before);
        Ok(answers)
    }
}

impl Drop for SqliteWriting {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take().filter(|_| self.begun) else { return };
        let unfinished = Unfinished { connection, settled: false };
        // The next transaction waits for the connection, which is held until this is done.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(unfinished.roll_back());
        }
    }
}

/// A connection with a transaction that nobody will end. Where it cannot be rolled back, because the runtime ends, the
/// connection goes, and the transaction with it: its lock must not outlive it.
struct Unfinished {
    connection: WriteConnection,
    settled: bool,
}

impl Unfinished {
    async fn roll_back(mut self) {
        if let Some(connection) = self.connection.as_mut() {
            // Refused where the transaction did not begin, or has ended with the error.
            let _ = sqlx::query("ROLLBACK").execute(connection).await;
        }
        self.settled = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.settled {
            *self.connection = None;
        }
    }
}

/// Where [`Writing::fetch_each_and_commit`] failed.
pub(super) enum Failure {
    /// A statement was not executed; nothing is written.
    Statement(StoreError),
    /// The transaction did not begin, or nobody knows whether it was committed.
    Transaction(StoreError),
}

/// A statement of [`Writing::fetch_each_and_commit`]: a set statement and the place of its rows.
pub(super) struct Part {
    pub(super) statement: &'static Statement,
    pub(super) set: usize,
}

/// A transaction that writes; dropped without [`Writing::commit`], it never was.
pub(super) enum Writing {
    Sqlite(SqliteWriting),
    Postgres(Transaction<'static, Postgres>),
}

impl Writing {
    pub(super) async fn fetch<const N: usize>(
        &mut self,
        statement: &Statement,
        arguments: [Argument; N],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(writing) => {
                let rows = query!(statement.sqlite, arguments).fetch_all(writing.begun().await?).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(transaction) => {
                let rows = query!(statement.postgres, arguments).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a statement that only an engine with other writers needs; `set` makes its rows.
    pub(super) async fn lock(
        &mut self,
        postgres: &'static str,
        set: impl FnOnce() -> Result<String, StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            // The one transaction that writes has the file for itself.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(transaction) => {
                sqlx::query(postgres).bind(set()?).fetch_all(&mut **transaction).await?;
                Ok(())
            }
        }
    }

    /// Runs set statements one after the other, each over one of `sets`, commits, and returns the rows of each. SQLite
    /// gets all of it in one turn.
    pub(super) async fn fetch_each_and_commit(
        self,
        parts: &[Part],
        sets: Vec<String>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        match self {
            Self::Sqlite(writing) => writing.fetch_each_and_commit(parts, sets).await,
            Self::Postgres(mut transaction) => {
                let mut answers = Vec::with_capacity(parts.len());
                for part in parts {
                    let set = sets.get(part.set).map(String::as_str).unwrap_or_default();
                    let query = sqlx::query(part.statement.postgres).bind(set);
                    let rows = query.fetch_all(&mut *transaction).await;
                    let rows = rows.map_err(|error| Failure::Statement(error.into()))?;
                    answers.push(rows.into_iter().map(Row::Postgres).collect());
                }
                transaction.commit().await.map_err(|error| Failure::Transaction(error.into()))?;
                Ok(answers)
            }
        }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(writing) => writing.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}
