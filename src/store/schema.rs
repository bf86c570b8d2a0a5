//! How far the schema of a store is, without touching it.

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::sqlite::Connection;
use super::{POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS, Store, StoreError, StoreUrl};

/// How far the schema of a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// There is no such file.
    Absent,
    /// The numbers of its migrations.
    Present {
        /// Those that were made.
        applied: Vec<i64>,
        /// Those that this version would make.
        pending: Vec<i64>,
        /// Those that were made and that this version does not know: a newer one wrote the store.
        unknown: Vec<i64>,
    },
}

const APPLIED: &str = "SELECT version FROM _sqlx_migrations ORDER BY version";

impl Store {
    /// Looks at the schema of a store without making or changing anything.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    pub async fn inspect(url: &StoreUrl) -> Result<Schema, StoreError> {
        let (applied, migrations) = match url {
            StoreUrl::Sqlite(path) => {
                if !path.exists() {
                    return Ok(Schema::Absent);
                }
                let migrated = Connection::reading(path)?.migrated()?;
                let numbers = SQLITE_MIGRATIONS.iter().map(|(number, ..)| *number);
                let mut applied: Vec<i64> = numbers.filter(|number| *number <= migrated).collect();
                // One that a newer version made is known by its number alone.
                if migrated > applied.last().copied().unwrap_or_default() {
                    applied.push(migrated);
                }
                (applied, SQLITE_MIGRATIONS)
            }
            StoreUrl::Postgres(address) => {
                let mut connection = PgConnectOptions::from_str(address)?.connect().await?;
                let tables = "SELECT COUNT(*) FROM information_schema.tables \
                              WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'";
                let known: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await?;
                let applied: Vec<i64> = if known == 0 {
                    Vec::new()
                } else {
                    sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await?
                };
                connection.close().await?;
                (applied, POSTGRES_MIGRATIONS)
            }
        };
        let numbers: Vec<i64> = migrations.iter().map(|(number, ..)| *number).collect();
        let pending = numbers.iter().filter(|number| !applied.contains(number)).copied().collect();
        let unknown = applied.iter().filter(|number| !numbers.contains(number)).copied().collect();
        Ok(Schema::Present { applied, pending, unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_is_looked_at_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("simyard.db");
        let url = StoreUrl::Sqlite(path.clone());
        assert_eq!(Store::inspect(&url).await.unwrap(), Schema::Absent);
        assert!(!path.exists());
        std::fs::write(&path, []).unwrap();
        let numbers: Vec<i64> = SQLITE_MIGRATIONS.iter().map(|(number, ..)| *number).collect();
        let nothing = Schema::Present { applied: vec![], pending: numbers.clone(), unknown: vec![] };
        assert_eq!(Store::inspect(&url).await.unwrap(), nothing);
        let store = Store::open(&url).await.unwrap();
        let all = Schema::Present { applied: numbers, pending: vec![], unknown: vec![] };
        assert_eq!(Store::inspect(&url).await.unwrap(), all, "while a server has it open");
        store.close().await;
        assert_eq!(Store::inspect(&url).await.unwrap(), all);
        std::fs::write(&path, [7; 4096]).unwrap();
        assert!(Store::inspect(&url).await.is_err());
    }
}
