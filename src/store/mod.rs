//! All SQL: the stock, its orders, bindings and notifications, on SQLite or PostgreSQL.
//!
//! | file | what |
//! |---|---|
//! | `engine` | statements in both dialects, rows, transactions |
//! | `sqlite` | connections to a SQLite file |
//! | `writer` | the task that gathers waiting changes into one commit |
//! | `order_row` | the row of an order and the order itself |
//! | `orders` | orders read; ES2+ changes |
//! | `manual_changes` | who changed orders by hand |
//! | `order_runs` | which orders a run of `simyard order create` made |
//! | `downloads` | ES9+ changes and what they leave: attempts, bindings, notifications |
//! | `download_batch` | the statements of those that share a commit, and what each came to |
//! | `callbacks` | what operators are to be told, and who tells it |
//! | `transport_keys` | keys under which keys travel |
//! | `forwarded` | notifications that the eIM brings to their receivers |
//! | `relayed` | packages that the eIM handed to devices |
//! | `refused_notifications` | notifications that nobody could believe |
//! | `failures` | what went wrong with each order last |
//! | `batches` | what manufacturers deliver: begun, published, removed |
//! | `campaigns` | one thing asked of many eUICCs, and how it goes |
//! | `chunks` | the rows of a batch, some hundred at a time |
//! | `msisdns` | whose telephone numbers are |
//! | `device_certificates` | which certificates of devices stand for which EID |
//! | `esipa_refusals` | what was refused on ESipa |
//! | `euiccs` | the register of eUICCs |
//! | `labels` | what the owners of fleets call eUICCs by |
//! | `listening` | where devices listen that packages are brought to |
//! | `packages` | what profiles are made of |
//! | `seen` | when eUICCs were heard of, noted together |
//! | `eim_euiccs` | eUICCs of our eIM, and their profiles |
//! | `operations`, `eim_packages` | what is asked of them, and the packages that carry it |
//! | `operation_events` | what is told of it |
//! | `eim_changes` | the one change of all that belongs to such an eUICC |
//! | `allocations` | profiles set aside by type and count; where a profile stands on the shelf |
//! | `operator_keys` | OP of operators |
//! | `pools`, `pool_draws` | numbers of pools: handed out, given back, retired |
//! | `schema` | how far the schema is |
//! | `audit` | who did what to which identifier, as a chain |
//! | `available` | the next available profiles of a type, from where the last ones were taken |
//! | `identities` | who may call the admin API |
//! | `idempotency` | what was answered to calls that may be repeated |
//! | `overview` | listings of orders |
//! | `stock` | how many profiles stand where, and where each one is |
//! | `deliveries` | what other systems were given |
//! | `webhooks` | who is told of what happens, and what is to be told |
//! | [`watch`] | where tests let a server die |
//!
//! # Changes
//!
//! A change names what it expects: the `version` of the order as read, for most. Whoever read an older version loses the race and gets
//! [`StoreError::Conflict`]; nothing was written then, and the caller reads again and decides again. A change is
//! durable before its caller hears of it. Changes that wait at the same time share one commit, and those of one kind
//! share one statement; one that fails takes no other with it.
//!
//! # What lies open
//!
//! Key material is sealed before it comes here and opened by others: the store sees octets. The hash of a confirmation
//! code and public keys lie as they are.

mod allocations;
mod audit;
mod available;
mod batches;
mod callbacks;
mod campaigns;
mod chunks;
mod deliveries;
mod device_certificates;
mod download_batch;
mod downloads;
mod eim_changes;
mod eim_euiccs;
mod eim_packages;
mod engine;
mod esipa_refusals;
mod euiccs;
mod failures;
mod forwarded;
mod idempotency;
mod identities;
mod labels;
mod listening;
mod manual_changes;
mod msisdns;
mod operation_events;
mod operations;
mod operator_keys;
mod order_row;
mod order_runs;
mod orders;
mod overview;
mod packages;
mod pool_draws;
mod pools;
mod refused_notifications;
mod relayed;
mod schema;
mod seen;
mod set;
mod sqlite;
mod stock;
mod transport_keys;
pub mod watch;
mod webhooks;
mod writer;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};

pub use allocations::{Allocation, Aside, Content, SetAside, Shelved, Subject};
pub use audit::{AUDIT_PAGE_MAX, AuditHead, AuditSelection, ERASED_MAX, Erasure};
pub use batches::{BATCHES_MAX, Batch, BatchKind, BatchRecord, BatchState, Begun, Lease, Totals};
pub use callbacks::{Attempt, Callback, CallbackCount, CallbackFailure, CallbackSelection, NewCallback};
pub use campaigns::{
    CAMPAIGNS_MAX, CampaignChange, KeptCampaign, KeptTarget, NewTarget, RetriedTarget, TargetChange,
};
pub use chunks::{Held, HeldNumber, Holder, NewImsi, NewProfile, ROWS_MAX};
pub use deliveries::{Delivery, NewDelivery};
pub use device_certificates::{DeviceCertificate, DevicePin, OtherPins, PinImport};
pub use downloads::{Binding, Material, NewBinding, NewNotification, Notification, Recorded, ResultChange};
pub use eim_changes::{EimChange, HeldNotifications, PackageAnswer, Staleness};
pub use eim_euiccs::{
    Association, DownloadWay, EIM_EUICCS_MAX, EimEuicc, EuiccCertificates, Introduction, Poll,
};
pub use eim_packages::{EimPackage, NewPackage, PackageCommand, PackageOutcome, PackageSignature};
pub use esipa_refusals::{EsipaRefusal, EsipaRefusalRecord};
pub use euiccs::{EUICCS_MAX, EimAssociation, Euicc, EuiccFacts, EumCertificate, NewEuicc};
pub use forwarded::{
    Bringing, FORWARDED_OF_EUICC_MAX, Forwarded, ForwardedCount, ForwardedSelection, Forwarding, NewForwarded,
};
pub use idempotency::{ANSWER_MAX, Begin, KEPT_FOR};
pub use identities::{Credential, CredentialKind, CredentialRecord, Found, IdentityRecord, NewIdentity};
pub use labels::{LABELLED_MAX, LabelChange, Labelled};
pub use listening::Listening;
pub use manual_changes::{DETAIL_MAX, MANUAL_CHANGES_MAX, ManualChange, NewManualChange};
pub use operation_events::ToldEvent;
pub use operations::{CodeScope, KeptOperation, NewOperation, OPERATIONS_MAX, OperationSelection, Urgency};
pub use operator_keys::OperatorKey;
pub use order_runs::{OrderRun, RunPlace};
pub use overview::Selection;
pub use packages::{Package, PackageKind};
pub use pools::{COUNTED_MAX, Draw, Drawn, NumberChange, NumberError, PoolLevel, PoolNumber};
pub use refused_notifications::{REFUSED_OCTETS_MAX, RefusedNotification};
pub use relayed::RelayedDownload;
pub use schema::Schema;
pub use seen::{Heard, SEEN_MAX, Seen, SeenBy};
pub use stock::{Count, FOUND_MAX, Identifier, StockBatch, StockItem, StockSelection};
pub use transport_keys::{TRANSPORT_KEYS_MAX, TransportKey};
pub use webhooks::{
    MessageOutcome, NewWebhook, TakenMessage, Target, TargetOutcome, WEBHOOKS_MAX, Webhook, secret_place,
};

use engine::{Pools, Statement};
use sqlite::{Connection, Sqlite};
use watch::{Beside, CommitWatch};
use writer::Writer;

/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// How PostgreSQL's planner is kept to the indexes, which every statement has for what it asks. Its figures of a table are
/// those of the last ANALYZE, and a plan is kept: made while a table was small, it would read all of it for ever after.
const PLANNER: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
];

const SQLITE_MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "stock", include_str!("migrations/sqlite/0001_stock.sql")),
    (2, "order_run", include_str!("migrations/sqlite/0002_order_run.sql")),
    (3, "order_terms", include_str!("migrations/sqlite/0003_order_terms.sql")),
    (4, "callback", include_str!("migrations/sqlite/0004_callback.sql")),
    (5, "eligibility", include_str!("migrations/sqlite/0005_eligibility.sql")),
    (6, "inventory", include_str!("migrations/sqlite/0006_inventory.sql")),
    (7, "transport_key", include_str!("migrations/sqlite/0007_transport_key.sql")),
    (8, "pool", include_str!("migrations/sqlite/0008_pool.sql")),
    (9, "audit", include_str!("migrations/sqlite/0009_audit.sql")),
    (10, "identities", include_str!("migrations/sqlite/0010_identities.sql")),
    (11, "export", include_str!("migrations/sqlite/0011_export.sql")),
    (12, "notification_of_profile", include_str!("migrations/sqlite/0012_notification_of_profile.sql")),
    (13, "eim", include_str!("migrations/sqlite/0013_eim.sql")),
    (14, "webhook", include_str!("migrations/sqlite/0014_webhook.sql")),
    (15, "forwarded", include_str!("migrations/sqlite/0015_forwarded.sql")),
    (16, "device_certificate", include_str!("migrations/sqlite/0016_device_certificate.sql")),
    (17, "stock_count_of_statement", include_str!("migrations/sqlite/0017_stock_count_of_statement.sql")),
    (18, "label", include_str!("migrations/sqlite/0018_label.sql")),
    (19, "eim_key", include_str!("migrations/sqlite/0019_eim_key.sql")),
    (20, "unverified", include_str!("migrations/sqlite/0020_unverified.sql")),
    (21, "msisdn", include_str!("migrations/sqlite/0021_msisdn.sql")),
    (22, "campaign", include_str!("migrations/sqlite/0022_campaign.sql")),
    (23, "campaign_retry", include_str!("migrations/sqlite/0023_campaign_retry.sql")),
    (24, "listening", include_str!("migrations/sqlite/0024_listening.sql")),
];
const POSTGRES_MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "stock", include_str!("migrations/postgres/0001_stock.sql")),
    (2, "order_run", include_str!("migrations/postgres/0002_order_run.sql")),
    (3, "order_terms", include_str!("migrations/postgres/0003_order_terms.sql")),
    (4, "callback", include_str!("migrations/postgres/0004_callback.sql")),
    (5, "eligibility", include_str!("migrations/postgres/0005_eligibility.sql")),
    (6, "inventory", include_str!("migrations/postgres/0006_inventory.sql")),
    (7, "transport_key", include_str!("migrations/postgres/0007_transport_key.sql")),
    (8, "pool", include_str!("migrations/postgres/0008_pool.sql")),
    (9, "audit", include_str!("migrations/postgres/0009_audit.sql")),
    (10, "identities", include_str!("migrations/postgres/0010_identities.sql")),
    (11, "export", include_str!("migrations/postgres/0011_export.sql")),
    (12, "notification_of_profile", include_str!("migrations/postgres/0012_notification_of_profile.sql")),
    (13, "eim", include_str!("migrations/postgres/0013_eim.sql")),
    (14, "webhook", include_str!("migrations/postgres/0014_webhook.sql")),
    (15, "forwarded", include_str!("migrations/postgres/0015_forwarded.sql")),
    (16, "device_certificate", include_str!("migrations/postgres/0016_device_certificate.sql")),
    (17, "stock_count_of_statement", include_str!("migrations/postgres/0017_stock_count_of_statement.sql")),
    (18, "label", include_str!("migrations/postgres/0018_label.sql")),
    (19, "eim_key", include_str!("migrations/postgres/0019_eim_key.sql")),
    (20, "unverified", include_str!("migrations/postgres/0020_unverified.sql")),
    (21, "msisdn", include_str!("migrations/postgres/0021_msisdn.sql")),
    (22, "campaign", include_str!("migrations/postgres/0022_campaign.sql")),
    (23, "campaign_retry", include_str!("migrations/postgres/0023_campaign_retry.sql")),
    (24, "listening", include_str!("migrations/postgres/0024_listening.sql")),
];

/// Where the data lies.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file: `sqlite:PATH`, or a path alone. It is made if it is absent; its folder is not.
    Sqlite(PathBuf),
    /// A PostgreSQL database: `postgres://…` or `postgresql://…`, with `?host=FOLDER` for a Unix socket.
    Postgres(String),
}

/// The address of a database may hold a password: it is not shown.
impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

impl StoreUrl {
    /// Reads either form.
    ///
    /// # Errors
    /// [`StoreError::Url`] for an empty text, another scheme, or a PostgreSQL address that does not parse.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let invalid = || StoreError::Url { text: text.chars().take_while(|c| *c != ':').take(32).collect() };
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            PgConnectOptions::from_str(text).map_err(|_| invalid())?;
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains("://") {
            Err(invalid())
        } else {
            Ok(Self::Sqlite(PathBuf::from(path)))
        }
    }
}

/// What a commit survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// SQLite or PostgreSQL.
    pub engine: &'static str,
    /// The file, or the server's folder.
    pub place: PathBuf,
    /// The engine's settings that decide.
    pub settings: String,
    /// Whether a commit that was answered is on the disk.
    pub full: bool,
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, {}", self.engine, self.place.display(), self.settings)
    }
}

/// The store. Clones share pools and writer.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    writer: Writer,
    url: StoreUrl,
}

impl Store {
    /// Opens the store, brings its schema up to date and starts its writer on the running tokio runtime.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be reached, written, or was made by a newer Simyard.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        Self::start(url, None).await
    }

    /// As [`Store::open`], with a watch that hears of every commit and may let the writer die there: for tests of what
    /// survives a killed server.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_watched(url: &StoreUrl, watch: Arc<dyn CommitWatch>) -> Result<Self, StoreError> {
        Self::start(url, Some(watch)).await
    }

    async fn start(url: &StoreUrl, watch: Option<Arc<dyn CommitWatch>>) -> Result<Self, StoreError> {
        let beside = Beside(watch.clone());
        let pools = match url {
            StoreUrl::Sqlite(path) => {
                keep_private(path).map_err(sqlx::Error::Io)?;
                let mut write = Connection::writing(path)?;
                write.migrate(SQLITE_MIGRATIONS)?;
                Pools::Sqlite(Sqlite::new(path, write), beside)
            }
            StoreUrl::Postgres(address) => {
                let options = PgConnectOptions::from_str(address)?.options(PLANNER);
                // A connection alone says at once what is wrong; a pool would go on trying, and then say that it did.
                let mut first = options.connect().await?;
                migrator(POSTGRES_MIGRATIONS).run(&mut first).await?;
                first.close().await?;
                let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS);
                Pools::Postgres(pool.connect_lazy_with(options), beside)
            }
        };
        Ok(Self { writer: Writer::start(pools.clone(), watch)?, pools, url: url.clone() })
    }

    /// Lets waiting changes end and closes all connections. Changes that come later get [`StoreError::Closed`].
    pub async fn close(&self) {
        self.writer.close().await;
        self.pools.close().await;
    }

    /// How many commits the writer made since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// How many rows were inserted, changed or deleted by what was committed since the store was opened, whoever wrote it;
    /// `None` where the engine does not count them.
    #[must_use]
    pub fn rows_written(&self) -> Option<u64> {
        match &self.pools {
            Pools::Sqlite(sqlite, _) => Some(sqlite.rows_written()),
            Pools::Postgres(..) => None,
        }
    }

    /// What a commit survives: where the data lies and how it is flushed, as the engine itself says.
    ///
    /// # Errors
    /// [`StoreError`] if the engine does not answer.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        match (&self.pools, &self.url) {
            (Pools::Sqlite(sqlite, _), url) => {
                let write = sqlite.write().await;
                let write = write.as_ref().ok_or(StoreError::Closed)?;
                let journal: String = write.setting("journal_mode")?;
                let synchronous: i64 = write.setting("synchronous")?;
                let place = match url {
                    StoreUrl::Sqlite(path) => path.clone(),
                    StoreUrl::Postgres(_) => PathBuf::new(),
                };
                let (synchronous, full) = match synchronous {
                    0 => ("OFF", false),
                    1 => ("NORMAL", false),
                    2 => ("FULL", true),
                    _ => ("EXTRA", true),
                };
                let settings = format!("journal_mode={journal}, synchronous={synchronous}");
                Ok(Durability { engine: "SQLite", place, settings, full })
            }
            (Pools::Postgres(pool, _), _) => {
                let setting = |name| sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(name);
                let folder = setting("data_directory").fetch_one(pool).await?;
                let commit = setting("synchronous_commit").fetch_one(pool).await?;
                let flush = setting("fsync").fetch_one(pool).await?;
                let full = commit != "off" && flush == "on";
                let settings = format!("synchronous_commit={commit}, fsync={flush}");
                Ok(Durability { engine: "PostgreSQL", place: folder.into(), settings, full })
            }
        }
    }

    /// Prepares every statement of this module, so that a spelling mistake or a missing column shows.
    ///
    /// # Errors
    /// [`StoreError::Database`] of the first statement that the engine refuses.
    pub async fn check_statements(&self) -> Result<usize, StoreError> {
        let mut checked = 0;
        for statement in Self::statements() {
            self.pools.prepare(statement).await?;
            checked += 1;
        }
        Ok(checked)
    }

    fn statements() -> impl Iterator<Item = &'static Statement> {
        [
            available::STATEMENTS,
            orders::STATEMENTS,
            downloads::STATEMENTS,
            callbacks::STATEMENTS,
            refused_notifications::STATEMENTS,
            forwarded::STATEMENTS,
            relayed::STATEMENTS,
            batches::STATEMENTS,
            chunks::STATEMENTS,
            msisdns::STATEMENTS,
            euiccs::STATEMENTS,
            eim_euiccs::STATEMENTS,
            eim_packages::STATEMENTS,
            operations::STATEMENTS,
            operation_events::STATEMENTS,
            device_certificates::STATEMENTS,
            labels::STATEMENTS,
            listening::STATEMENTS,
            campaigns::STATEMENTS,
            esipa_refusals::STATEMENTS,
            packages::STATEMENTS,
            failures::STATEMENTS,
            manual_changes::STATEMENTS,
            order_runs::STATEMENTS,
            overview::STATEMENTS,
            audit::STATEMENTS,
            identities::STATEMENTS,
            idempotency::STATEMENTS,
            transport_keys::STATEMENTS,
            stock::STATEMENTS,
            deliveries::STATEMENTS,
            webhooks::STATEMENTS,
            writer::STATEMENTS,
            allocations::STATEMENTS,
            operator_keys::STATEMENTS,
            pools::STATEMENTS,
            pool_draws::STATEMENTS,
        ]
        .into_iter()
        .flatten()
    }

    /// The tables and columns, in order; both engines have the same ones.
    ///
    /// # Errors
    /// [`StoreError`] if the engine does not answer.
    pub async fn schema(&self) -> Result<Vec<(String, String)>, StoreError> {
        const SCHEMA: Statement = Statement {
            sqlite: "SELECT m.name AS table_name, c.name AS column_name FROM sqlite_schema m, pragma_table_info(m.name) c \
                     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
                     ORDER BY m.name, c.cid",
            postgres: "SELECT table_name::text, column_name::text FROM information_schema.columns \
                       WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%' \
                       ORDER BY table_name COLLATE \"C\", ordinal_position",
        };
        let rows = self.pools.fetch(&SCHEMA, []).await?;
        rows.iter().map(|row| Ok((row.text("table_name")?, row.text("column_name")?))).collect()
    }
}

/// Makes the SQLite file so that its owner alone may read it, if it is absent. What SQLite puts beside it has the same
/// permissions.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = migrations.iter().map(|(number, name, sql)| {
        Migration::new(*number, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// A constraint that a change may violate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The ICCID is in the stock already.
    Iccid,
    /// The IMSI is in the stock already.
    Imsi,
    /// A subscription has the telephone number already.
    Msisdn,
    /// Another order has the matching identifier.
    MatchingId,
    /// The EID is in the register already.
    Eid,
    /// The profile is on another eUICC already.
    Preloaded,
    /// A batch of this identifier was received already.
    BatchId,
    /// The manufacturer has a delivery of this name already.
    Delivery,
    /// There is an identity of this name already.
    Identity,
    /// An identity has this token or certificate already.
    Credential,
    /// An allocation has this identifier already.
    AllocationId,
    /// The partner has a transport key of this index for the same purpose.
    TransportKey,
    /// The creator of an operation used its key for another one.
    OperationCall,
    /// There is a webhook of this name already.
    Webhook,
}

/// The names of the constraints, in PostgreSQL's answer and in SQLite's (which names columns).
const CONSTRAINTS: &[(Constraint, &str, &str)] = &[
    (Constraint::Iccid, "profile_key", "profile.iccid"),
    (Constraint::Imsi, "subscription_imsi_key", "subscription_imsi.imsi"),
    (Constraint::Msisdn, "subscription_msisdn_key", "subscription_msisdn.number"),
    (Constraint::MatchingId, "profile_matching_id", "profile.matching_id"),
    (Constraint::Eid, "euicc_key", "euicc.eid"),
    (Constraint::Preloaded, "euicc_profile_key", "euicc_profile.iccid"),
    (Constraint::BatchId, "batch_key", "batch.batch_id"),
    (Constraint::Delivery, "batch_delivery", "batch.manufacturer, batch.delivery_id"),
    (Constraint::Identity, "identity_key", "identity.name"),
    (Constraint::Credential, "identity_credential_key", "identity_credential.digest"),
    (Constraint::AllocationId, "allocation_key", "allocation.allocation_id"),
    (Constraint::OperationCall, "operation_call", "operation.creator, operation.call_key"),
    (Constraint::TransportKey, "transport_key_subscription", TRANSPORT_KEY_COLUMNS),
    (Constraint::TransportKey, "transport_key_ota", TRANSPORT_KEY_COLUMNS),
    (Constraint::Webhook, "webhook_key", "webhook.name"),
];

/// What SQLite calls the two constraints of a transport key.
const TRANSPORT_KEY_COLUMNS: &str =
    "transport_key.partner_kind, transport_key.partner, transport_key.key_index";

/// Why the store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The order is no longer what the change expected; nothing was written. Read it again and decide again.
    #[error("the order changed since it was read: read it again")]
    Conflict,
    /// What was to be unique is not.
    #[error("{0:?} is in use already")]
    InUse(Constraint),
    /// The store's address is of no known form. The text is cut at the first colon: passwords stand behind it.
    #[error("{text:?}… is no store: expected sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Url {
        /// How the address begins.
        text: String,
    },
    /// A row holds what no Simyard of this version writes.
    #[error("column {column} of {key} holds an unknown value: was the store written by a newer version?")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// The row's key.
        key: String,
    },
    /// The schema could not be brought up to date.
    #[error("the store's schema could not be brought up to date: {0}")]
    Migration(#[source] Arc<sqlx::migrate::MigrateError>),
    /// The store was made by a newer version.
    #[error("the store has schema {found}, and this version knows {known} at most: use a newer Simyard")]
    Newer {
        /// The schema's number.
        found: i64,
        /// The last one that is known.
        known: i64,
    },
    /// The thread that writes could not be started.
    #[error("the thread that writes could not be started: {0}")]
    Thread(#[source] Arc<std::io::Error>),
    /// SQLite failed. A commit that failed may have happened or not: read again.
    #[error("the database failed: {0}")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    /// The engine failed. A commit that failed may have happened or not: read again.
    #[error("the database failed: {0}")]
    Database(#[source] Arc<sqlx::Error>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether PostgreSQL chose this transaction to give way to another: it may be tried again.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        match self {
            Self::Database(cause) => match &**cause {
                sqlx::Error::Database(refusal) => {
                    refusal.code().is_some_and(|code| matches!(&*code, "40P01" | "40001"))
                }
                _ => false,
            },
            _ => false,
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(cause: sqlx::migrate::MigrateError) -> Self {
        Self::Migration(Arc::new(cause))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(cause: rusqlite::Error) -> Self {
        if let rusqlite::Error::SqliteFailure(failure, Some(message)) = &cause
            && failure.code == rusqlite::ErrorCode::ConstraintViolation
            && let Some((_, columns)) = message.rsplit_once(": ")
            && let Some((constraint, ..)) = CONSTRAINTS.iter().find(|(_, _, column)| columns == *column)
        {
            return Self::InUse(*constraint);
        }
        Self::Sqlite(Arc::new(cause))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        if let sqlx::Error::Database(refusal) = &cause
            && refusal.is_unique_violation()
        {
            let violated = CONSTRAINTS.iter().find(|(_, name, _)| refusal.constraint() == Some(name));
            if let Some((constraint, ..)) = violated {
                return Self::InUse(*constraint);
            }
        }
        match cause {
            sqlx::Error::PoolClosed => Self::Closed,
            other => Self::Database(Arc::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_stand_in_the_order_of_their_numbers() {
        let numbers = |migrations: &[(i64, &str, &str)]| {
            migrations.iter().map(|(number, name, _)| (*number, (*name).to_owned())).collect::<Vec<_>>()
        };
        let sqlite = numbers(SQLITE_MIGRATIONS);
        // SQLite remembers the number of the last one alone.
        assert!(sqlite.is_sorted_by(|one, next| one.0 < next.0), "{sqlite:?}");
        assert_eq!(sqlite, numbers(POSTGRES_MIGRATIONS));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_new_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let _store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let mut files = 0;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
            files += 1;
        }
        assert!(files >= 2, "the file and its log");
        let nowhere = Store::open(&StoreUrl::Sqlite(folder.path().join("absent/simyard.db"))).await;
        assert!(matches!(nowhere, Err(StoreError::Database(_))));
    }

    #[tokio::test]
    async fn no_statement_reads_a_table_from_end_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let (mut scans, mut by_call) = (Vec::new(), String::new());
        let Pools::Sqlite(sqlite, _) = &store.pools else { panic!("SQLite") };
        for statement in Store::statements() {
            for step in sqlite.read(|reader| reader.plan(statement)).unwrap() {
                if step.contains("profile_by_call") {
                    by_call = step.clone();
                }
                let tables = [
                    "profile",
                    "package",
                    "binding",
                    "notification",
                    "manual_change",
                    "last_failure",
                    "audit",
                    "relayed_download",
                ];
                if tables.iter().any(|table| step.starts_with(&format!("SCAN {table}"))) {
                    scans.push(statement.sqlite);
                }
            }
        }
        // The index of calls holds orders that are not confirmed yet, and is read from the moment asked for on.
        assert!(by_call.contains("(call_identifier=? AND ordered_at>?)"), "{by_call:?}");
        assert!(scans.is_empty(), "{scans:#?}");
    }
}
