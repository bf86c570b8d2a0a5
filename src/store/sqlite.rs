//! SQLite: connections and their statements, used on the thread that asks.
//!
//! SQLite is a library that reads pages of a file, and a row that is found by its key takes it some microseconds: less
//! than to wake another thread and to be woken by it. So reads happen where the caller stands, also on a thread of the
//! runtime, each on a connection of its own; in the log mode (WAL) no reader waits for a writer. Changes go through one
//! connection, on the thread of [`super::writer`].
//!
//! `rusqlite` and not the driver of `sqlx`, which PostgreSQL is reached with: that one gives every connection a thread
//! and every statement a turn to it and back, which cost more than the statements.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{Null, Value};
use rusqlite::{OpenFlags, TransactionBehavior};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::StoreError;
use super::engine::{Argument, Said, Statement};
use super::set::{Set, Value as Field};

/// How long a writer waits for another process that writes the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared: more than this crate has.
const PREPARED_MAX: usize = 128;
/// What the connection that writes remembers of the file at most; a negative number counts KiB. It alone changes the file,
/// as a rule, so that its pages stay true, while every commit takes from the readers what they remember.
const CACHE_KIB: i64 = -32_768;
/// Where `sqlx` kept the numbers of migrations, in files from before it was left.
const EARLIER_MIGRATIONS: &str = "_sqlx_migrations";
/// Takes the write lock at once: a lock taken later could not be waited for.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// The places of a statement's columns by their names.
type Columns = HashMap<String, usize>;

/// What a connection knows of a statement.
struct Known {
    columns: Arc<Columns>,
    /// The names of the placeholders, without what begins them, by their places.
    placeholders: Vec<String>,
}

impl Known {
    fn of(prepared: &rusqlite::Statement<'_>) -> Self {
        let names = prepared.column_names();
        let columns = names.into_iter().enumerate().map(|(place, name)| (name.to_owned(), place)).collect();
        let placeholder = |place| prepared.parameter_name(place).and_then(|name| name.get(1..)).unwrap_or("");
        let placeholders = (1..=prepared.parameter_count()).map(|place| placeholder(place).to_owned());
        Self { columns: Arc::new(columns), placeholders: placeholders.collect() }
    }

    /// Where the value for each placeholder stands in a row of the set.
    fn places_in(&self, set: &Set<'_>) -> Result<Vec<usize>, rusqlite::Error> {
        let place_in_row = |name: &String| {
            let place = set.names().iter().position(|column| column == name);
            place.ok_or_else(|| rusqlite::Error::InvalidParameterName(name.clone()))
        };
        self.placeholders.iter().map(place_in_row).collect()
    }
}

/// A row, taken out of the statement that found it.
pub(super) struct SqliteRow {
    columns: Arc<Columns>,
    values: Vec<Value>,
}

impl SqliteRow {
    /// The value in a column, by its name.
    pub(super) fn get<T: rusqlite::types::FromSql>(&self, column: &str) -> Result<T, StoreError> {
        let place = self.columns.get(column).copied();
        self.at(place.ok_or_else(|| rusqlite::Error::InvalidColumnName(column.to_owned()))?)
    }

    /// The value in the second column; 1 if there is none.
    pub(super) fn number(&self) -> Result<i64, StoreError> {
        if self.values.len() > 1 { self.at(1) } else { Ok(1) }
    }

    /// The value in a column, by its place.
    pub(super) fn at<T: rusqlite::types::FromSql>(&self, place: usize) -> Result<T, StoreError> {
        let value = self.values.get(place).ok_or(rusqlite::Error::InvalidColumnIndex(place))?;
        T::column_result(value.into()).map_err(|cause| {
            rusqlite::Error::FromSqlConversionFailure(place, value.data_type(), Box::new(cause)).into()
        })
    }
}

/// A connection, and what it knows of its statements.
pub(super) struct Connection {
    connection: rusqlite::Connection,
    /// By the text of the statement.
    known: HashMap<&'static str, Known>,
}

impl Connection {
    /// The one that writes; the file is made if it is absent.
    pub(super) fn writing(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Self::open(path, flags)?;
        connection.connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.connection.pragma_update(None, "synchronous", "FULL")?;
        connection.connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        Ok(connection)
    }

    /// One that reads a file that is there.
    pub(super) fn reading(path: &Path) -> Result<Self, StoreError> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        // One thread at a time has a connection: it needs no lock of its own.
        let connection =
            rusqlite::Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
        Ok(Self { connection, known: HashMap::new() })
    }

    /// Brings the schema up to date, all or nothing; `user_version` is the number of the last migration.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a file of a later version; [`StoreError::Sqlite`] if the engine refuses.
    pub(super) fn migrate(&mut self, migrations: &[(i64, &str, &str)]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = migrated(&transaction)?;
        let known = migrations.last().map_or(0, |(number, ..)| *number);
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
        for (number, _, sql) in migrations.iter().filter(|(number, ..)| *number > found) {
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
        Ok(transaction.commit()?)
    }

    /// The number of the last migration that was made; 0 if none was.
    pub(super) fn migrated(&self) -> Result<i64, StoreError> {
        Ok(migrated(&self.connection)?)
    }

    /// The value of a setting.
    pub(super) fn setting<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<T, StoreError> {
        Ok(self.connection.pragma_query_value(None, name, |row| row.get(0))?)
    }

    /// Prepares a statement without running it.
    pub(super) fn prepare(&self, statement: &Statement) -> Result<(), StoreError> {
        Ok(self.connection.prepare(statement.sqlite).map(drop)?)
    }

    /// How SQLite would go about a statement, step by step.
    #[cfg(test)]
    pub(super) fn plan(&self, statement: &Statement) -> Result<Vec<String>, StoreError> {
        let mut explain = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sqlite))?;
        let mut steps = explain.raw_query();
        let mut told = Vec::new();
        while let Some(step) = steps.next()? {
            told.push(step.get("detail")?);
        }
        Ok(told)
    }

    /// Runs a statement whose placeholders are `$1` and so on.
    pub(super) fn fetch(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.sqlite)?;
        let known = self.known.entry(statement.sqlite).or_insert_with(|| Known::of(&prepared));
        for (place, name) in known.placeholders.iter().enumerate() {
            let place = place + 1;
            let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let argument = number.and_then(|number| arguments.get(number));
            match argument.ok_or_else(|| rusqlite::Error::InvalidParameterName(name.clone()))? {
                Argument::Text(text) => prepared.raw_bind_parameter(place, text)?,
                Argument::Integer(value) => prepared.raw_bind_parameter(place, value)?,
                Argument::Octets(octets) => prepared.raw_bind_parameter(place, octets)?,
            }
        }
        let mut rows = Vec::new();
        collect(&mut prepared, &known.columns, &mut rows)?;
        Ok(rows)
    }

    /// Runs a set statement, once for each row of the set.
    pub(super) fn fetch_set(
        &mut self,
        statement: &Statement,
        set: &Set<'_>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.sqlite)?;
        let known = self.known.entry(statement.sqlite).or_insert_with(|| Known::of(&prepared));
        let places = known.places_in(set)?;
        let mut rows = Vec::new();
        for row in set.rows() {
            bind(&mut prepared, &places, row)?;
            collect(&mut prepared, &known.columns, &mut rows)?;
        }
        Ok(rows)
    }

    /// Runs a set or change statement, once for each row of the set, and tells what it said of each.
    pub(super) fn change_set(&mut self, statement: &Statement, set: &Set<'_>) -> Result<Said, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.sqlite)?;
        let known = self.known.entry(statement.sqlite).or_insert_with(|| Known::of(&prepared));
        let places = known.places_in(set)?;
        let returns = prepared.column_count();
        set.rows()
            .map(|row| {
                bind(&mut prepared, &places, row)?;
                if returns == 0 {
                    return Ok((prepared.raw_execute()? > 0).then_some(1));
                }
                let mut found = prepared.raw_query();
                let mut said = None;
                while let Some(row) = found.next()? {
                    said = Some(if returns > 1 { row.get(1)? } else { 1 });
                }
                Ok(said)
            })
            .collect()
    }

    fn run(&self, sql: &'static str) -> Result<(), StoreError> {
        Ok(self.connection.prepare_cached(sql)?.raw_execute().map(drop)?)
    }
}

/// The number of the last migration, in `user_version` or where it was kept earlier.
fn migrated(connection: &rusqlite::Connection) -> Result<i64, rusqlite::Error> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == 0 && connection.table_exists(None, EARLIER_MIGRATIONS)? {
        let last = format!("SELECT MAX(version) FROM {EARLIER_MIGRATIONS}");
        return connection.query_row(&last, [], |row| row.get(0));
    }
    Ok(found)
}

/// Gives every placeholder its value in a row of a set.
fn bind(
    prepared: &mut rusqlite::Statement<'_>,
    places: &[usize],
    row: &[Field<'_>],
) -> Result<(), rusqlite::Error> {
    for (number, place) in (1..).zip(places) {
        match row.get(*place) {
            Some(Field::Integer(value)) => prepared.raw_bind_parameter(number, value)?,
            Some(Field::Text(text)) => prepared.raw_bind_parameter(number, text)?,
            Some(Field::Octets(octets)) => prepared.raw_bind_parameter(number, octets)?,
            Some(Field::Null) | None => prepared.raw_bind_parameter(number, Null)?,
        }
    }
    Ok(())
}

/// Runs a prepared statement and adds the rows that it finds.
fn collect(
    prepared: &mut rusqlite::Statement<'_>,
    columns: &Arc<Columns>,
    rows: &mut Vec<SqliteRow>,
) -> Result<(), rusqlite::Error> {
    let count = prepared.column_count();
    let mut found = prepared.raw_query();
    while let Some(row) = found.next()? {
        let values = (0..count).map(|place| row.get(place)).collect::<Result<_, _>>()?;
        rows.push(SqliteRow { columns: Arc::clone(columns), values });
    }
    Ok(())
}

/// The connections of one file: one that writes, and as many that read as callers read at a time.
#[derive(Clone)]
pub(super) struct Sqlite {
    path: Arc<Path>,
    /// `None` once the store is closed.
    write: Arc<AsyncMutex<Option<Connection>>>,
    /// Those that nobody uses; `None` once the store is closed.
    read: Arc<Mutex<Option<Vec<Connection>>>>,
    /// Rows that were inserted, changed or deleted by what was committed.
    rows: Arc<AtomicU64>,
}

impl Sqlite {
    /// The file at `path`, which `write` is a connection to.
    pub(super) fn new(path: &Path, write: Connection) -> Self {
        Self {
            path: path.into(),
            write: Arc::new(AsyncMutex::new(Some(write))),
            read: Arc::new(Mutex::new(Some(Vec::new()))),
            rows: Arc::default(),
        }
    }

    /// Rows that were inserted, changed or deleted by what was committed since the store was opened.
    pub(super) fn rows_written(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads on this thread. After an error the connection is not used again.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // The one that was used last: its cache is warm.
        let idle = self.idle().as_mut().ok_or(StoreError::Closed)?.pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::reading(&self.path)?,
        };
        let found = read(&mut connection)?;
        if let Some(idle) = self.idle().as_mut() {
            idle.push(connection);
        }
        Ok(found)
    }

    /// The connection that writes, once nobody has it.
    pub(super) async fn write(&self) -> OwnedMutexGuard<Option<Connection>> {
        Arc::clone(&self.write).lock_owned().await
    }

    /// Closes all connections that nobody uses, and the others when they come back.
    pub(super) async fn close(&self) {
        drop(self.idle().take());
        drop(self.write().await.take());
    }
}

/// A transaction of the one connection that writes; it begins with the first statement, and dropped without a commit,
/// it is rolled back.
pub(super) struct SqliteWriting {
    connection: OwnedMutexGuard<Option<Connection>>,
    begun: bool,
    /// Rows that the connection changed before it began.
    rows_before: u64,
    /// Of all that were committed.
    written: Arc<AtomicU64>,
}

impl SqliteWriting {
    pub(super) async fn new(sqlite: &Sqlite) -> Result<Self, StoreError> {
        let connection = sqlite.write().await;
        if connection.is_none() {
            return Err(StoreError::Closed);
        }
        Ok(Self { connection, begun: false, rows_before: 0, written: Arc::clone(&sqlite.rows) })
    }

    /// Whether no statement changed a row: a commit makes nothing durable.
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Rows that were changed since it began.
    fn rows(&self) -> u64 {
        let connection = self.connection.as_ref().filter(|_| self.begun);
        connection
            .map_or(0, |connection| connection.connection.total_changes().saturating_sub(self.rows_before))
    }

    /// The connection, in the transaction.
    pub(super) fn begun(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = self.connection.as_mut().ok_or(StoreError::Closed)?;
        if !self.begun {
            connection.run(BEGIN)?;
            self.begun = true;
            self.rows_before = connection.connection.total_changes();
        }
        Ok(connection)
    }

    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        if self.begun {
            self.begun()?.run(COMMIT)?;
            self.written.fetch_add(self.rows(), Ordering::Relaxed);
            self.begun = false;
        }
        Ok(())
    }
}

impl Drop for SqliteWriting {
    fn drop(&mut self) {
        if let (true, Some(connection)) = (self.begun, self.connection.as_ref())
            && connection.run(ROLLBACK).is_err()
            && !connection.connection.is_autocommit()
        {
            // A transaction that cannot be ended goes with its connection: its lock must not outlive it.
            *self.connection = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATIONS: &[(i64, &str, &str)] =
        &[(1, "one", "CREATE TABLE one (x INTEGER)"), (3, "three", "CREATE TABLE three (x INTEGER)")];

    fn open(folder: &tempfile::TempDir) -> Connection {
        Connection::writing(&folder.path().join("x.db")).unwrap()
    }

    fn tables(connection: &Connection) -> Vec<bool> {
        let exists = |table| connection.connection.table_exists(None, table).unwrap();
        ["one", "three"].into_iter().map(exists).collect()
    }

    #[test]
    fn migrations_run_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).migrate(&MIGRATIONS[..1]).unwrap();
        let mut connection = open(&folder);
        assert_eq!(tables(&connection), [true, false]);
        connection.migrate(MIGRATIONS).unwrap();
        connection.migrate(MIGRATIONS).unwrap();
        assert_eq!(tables(&connection), [true, true]);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder);
        let broken = [MIGRATIONS[0], (2, "two", "CREATE TABLE one (y INTEGER)")];
        assert!(matches!(connection.migrate(&broken), Err(StoreError::Sqlite(_))));
        assert_eq!(tables(&connection), [false, false]);
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).migrate(MIGRATIONS).unwrap();
        let refused = open(&folder).migrate(&MIGRATIONS[..1]);
        assert!(matches!(refused, Err(StoreError::Newer { found: 3, known: 1 })));
    }

    #[test]
    fn a_file_from_before_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder);
        let earlier = "CREATE TABLE one (x INTEGER); CREATE TABLE _sqlx_migrations (version BIGINT); \
                       INSERT INTO _sqlx_migrations VALUES (1)";
        connection.connection.execute_batch(earlier).unwrap();
        connection.migrate(MIGRATIONS).unwrap();
        assert_eq!(tables(&connection), [true, true]);
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_never_was_and_holds_nobody_up() {
        const INSERT: Statement = Statement::common("INSERT INTO one (x) VALUES ($1)");
        const COUNT: Statement = Statement::common("SELECT COUNT(*) AS n FROM one");
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder);
        connection.migrate(MIGRATIONS).unwrap();
        let sqlite = Sqlite::new(&folder.path().join("x.db"), connection);
        let count = || sqlite.read(|reader| reader.fetch(&COUNT, &[])?[0].get::<i64>("n")).unwrap();
        let mut dropped = SqliteWriting::new(&sqlite).await.unwrap();
        dropped.begun().unwrap().fetch(&INSERT, &[Argument::Integer(1)]).unwrap();
        drop(dropped);
        assert_eq!(count(), 0);
        let mut kept = SqliteWriting::new(&sqlite).await.unwrap();
        kept.begun().unwrap().fetch(&INSERT, &[Argument::Integer(2)]).unwrap();
        kept.commit().unwrap();
        assert_eq!(count(), 1);
        sqlite.close().await;
        assert!(matches!(SqliteWriting::new(&sqlite).await, Err(StoreError::Closed)));
        assert!(matches!(sqlite.read(|_| Ok(())), Err(StoreError::Closed)));
    }
}
