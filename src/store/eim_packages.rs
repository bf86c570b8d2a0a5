//! eIM packages (SGP.32 3): what an eUICC is to be handed, what was handed over, and what it answered.
//!
//! A package is written before it is signed, with its counter; the signature is written before the package leaves. Whoever
//! asks again gets the same octets.

use super::engine::{Row, Statement, change_statement, set_statement};
use super::set::set_row;
use super::{Store, StoreError};
use crate::domain::OperationId;
use crate::env::Timestamp;
use crate::ident::{Eid, TransactionId};

/// Packages of one operation that are read at most.
const PACKAGES_MAX: u32 = 1000;

macro_rules! package_columns {
    () => {
        "eim_package.number, eim_package.eid, eim_package.operation_id, eim_package.command, \
         eim_package.transaction_id, eim_package.counter, eim_package.content, eim_package.created_at, \
         eim_package.due_at, eim_package.association_token, eim_package.signature, eim_package.handed_over_at, \
         eim_package.ended_at, eim_package.outcome, eim_package.result, eim_package.result_at, \
         eim_package.rollback_result, eim_package.unverified"
    };
}
pub(super) use package_columns;

macro_rules! select_package {
    ($rest:literal) => {
        concat!("SELECT ", $crate::store::eim_packages::package_columns!(), " FROM eim_package ", $rest)
    };
}

pub(super) const INSERT_PACKAGES: Statement = set_statement!(
    [transaction_id text, eid text, operation_id text, command bigint, counter bigint, content octets,
     created_at bigint, due_at bigint]
    "INSERT INTO eim_package (eid, operation_id, command, transaction_id, association, counter, content, created_at, due_at) \
     SELECT change.eid, change.operation_id, change.command, change.transaction_id, eim_euicc.association, \
     change.counter, change.content, change.created_at, change.due_at FROM change \
     JOIN eim_euicc ON eim_euicc.eid = change.eid WHERE true RETURNING transaction_id, number"
);

/// As of [`super::allocations`]: nothing that the index of outstanding packages is of stands by itself, here and below.
pub(super) const HAND_OVER: Statement = change_statement!(
    [transaction_id text, handed_over_at bigint, association_token bigint, signature octets]
    "UPDATE eim_package SET handed_over_at = change.handed_over_at, association_token = change.association_token, \
     signature = change.signature FROM change WHERE eim_package.transaction_id = change.transaction_id \
     AND COALESCE(eim_package.ended_at, eim_package.handed_over_at, 0) = 0";
    returning "eim_package.transaction_id"
);

pub(super) const END_PACKAGES: Statement = change_statement!(
    [transaction_id text, ended_at bigint, outcome bigint]
    "UPDATE eim_package SET ended_at = change.ended_at, outcome = change.outcome \
     FROM change WHERE eim_package.transaction_id = change.transaction_id \
     AND COALESCE(eim_package.ended_at, 0) = 0";
    returning "eim_package.transaction_id"
);

/// The first result stays; what comes in its place is a rollback.
pub(super) const KEEP_RESULTS: Statement = change_statement!(
    [transaction_id text, result octets, rollback_result octets, result_at bigint, unverified bigint]
    "UPDATE eim_package SET result = COALESCE(eim_package.result, change.result), \
     rollback_result = COALESCE(eim_package.rollback_result, change.rollback_result), \
     result_at = change.result_at, \
     unverified = CASE WHEN change.unverified = 1 THEN 1 ELSE eim_package.unverified END FROM change WHERE eim_package.transaction_id = change.transaction_id";
    returning "eim_package.transaction_id"
);

const BY_TRANSACTION: Statement = Statement::common(select_package!("WHERE transaction_id = $1"));

const BY_COUNTER: Statement =
    Statement::common(select_package!("WHERE eid = $1 AND counter = $2 ORDER BY association DESC LIMIT 1"));

const OF_OPERATION: Statement =
    Statement::common(select_package!("WHERE operation_id = $1 ORDER BY number LIMIT $2"));

const OUTSTANDING: Statement = Statement::common(select_package!("WHERE eid = $1 AND ended_at IS NULL"));

pub(super) const STATEMENTS: &[Statement] = &[
    INSERT_PACKAGES,
    HAND_OVER,
    END_PACKAGES,
    KEEP_RESULTS,
    BY_TRANSACTION,
    BY_COUNTER,
    OF_OPERATION,
    OUTSTANDING,
];

/// What stands in a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageCommand {
    /// listProfileInfo.
    ListProfileInfo,
    /// ProfileDownloadTriggerRequest.
    Trigger,
    /// enable.
    Enable,
    /// disable.
    Disable,
    /// delete.
    Delete,
    /// Other PSMOs, or eCOs.
    Configure,
    /// IpaEuiccDataRequest for results that the eUICC still keeps.
    StoredResults,
    /// Whatever a laboratory wants: the content is the whole package, and no counter of ours is in use for it.
    Laboratory,
}

impl PackageCommand {
    const ALL: [Self; 8] = [
        Self::ListProfileInfo,
        Self::Trigger,
        Self::Enable,
        Self::Disable,
        Self::Delete,
        Self::Configure,
        Self::StoredResults,
        Self::Laboratory,
    ];

    const fn code(self) -> i64 {
        match self {
            Self::ListProfileInfo => 0,
            Self::Trigger => 1,
            Self::Enable => 2,
            Self::Disable => 3,
            Self::Delete => 4,
            Self::Configure => 5,
            Self::StoredResults => 6,
            Self::Laboratory => 7,
        }
    }
}

/// How a package ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageOutcome {
    /// It was answered.
    Answered,
    /// Nobody waits for its answer any more.
    Withdrawn,
}

impl PackageOutcome {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Answered => 0,
            Self::Withdrawn => 1,
        }
    }
}

/// A package that is to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPackage {
    /// The operation that it belongs to.
    pub operation_id: OperationId,
    /// What stands in it.
    pub command: PackageCommand,
    /// eimTransactionId.
    pub transaction_id: TransactionId,
    /// counterValue, of eUICC packages.
    pub counter: Option<i64>,
    /// euiccPackageSigned, or the whole IpaEuiccDataRequest, in DER; a trigger is made anew each time, since its activation
    /// code is sealed. Of a laboratory, the whole package.
    pub content: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It is not handed over before.
    pub due_at: Timestamp,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EimPackage {
    /// Rises with every package.
    pub number: i64,
    /// The eUICC.
    pub eid: Eid,
    /// What it is.
    pub package: NewPackage,
    /// What was appended to what is signed, and the signature; `None` before it left.
    pub signed: Option<PackageSignature>,
    /// When it was handed over for the first time.
    pub handed_over_at: Option<Timestamp>,
    /// When and how it ended.
    pub ended: Option<(Timestamp, PackageOutcome)>,
    /// What the eUICC answered, as it came, and when the latest of it came.
    pub result: Option<Vec<u8>>,
    /// What it answered in its place after a rollback.
    pub rollback_result: Option<Vec<u8>>,
    /// When the latest answer came.
    pub result_at: Option<Timestamp>,
    /// Whether an answer was believed that did not verify: in builds for laboratories alone.
    pub unverified: bool,
}

/// The signature of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSignature {
    /// associationToken as it was when the package was signed.
    pub association_token: Option<i64>,
    /// eimSignature, r‖s.
    pub signature: Vec<u8>,
}

set_row! {
    pub(super) struct PackageRow {
        transaction_id: String,
        eid: String,
        operation_id: String,
        command: i64,
        counter: Option<i64>,
        content: Option<Vec<u8>>,
        created_at: i64,
        due_at: i64,
    }
}

impl PackageRow {
    pub(super) fn new(eid: &Eid, package: NewPackage) -> Self {
        Self {
            transaction_id: package.transaction_id.to_string(),
            eid: eid.as_str().to_owned(),
            operation_id: package.operation_id.to_string(),
            command: package.command.code(),
            counter: package.counter,
            content: package.content,
            created_at: package.created_at.as_millis(),
            due_at: package.due_at.as_millis(),
        }
    }
}

set_row! {
    pub(super) struct HandOverRow {
        pub(super) transaction_id: String,
        pub(super) handed_over_at: i64,
        pub(super) association_token: Option<i64>,
        pub(super) signature: Option<Vec<u8>>,
    }
}

set_row! {
    pub(super) struct EndRow {
        pub(super) transaction_id: String,
        pub(super) ended_at: i64,
        pub(super) outcome: i64,
    }
}

set_row! {
    pub(super) struct ResultRow {
        pub(super) transaction_id: String,
        pub(super) result: Option<Vec<u8>>,
        pub(super) rollback_result: Option<Vec<u8>>,
        pub(super) result_at: i64,
        pub(super) unverified: i64,
    }
}

/// Reads the columns of [`package_columns!`].
pub(super) fn package(row: &Row) -> Result<EimPackage, StoreError> {
    let number = row.integer("number")?;
    let corrupt = |column| StoreError::Corrupt { column, key: number.to_string() };
    let time = |column| Ok::<_, StoreError>(row.integer_or_null(column)?.map(Timestamp::from_millis));
    let command = row.integer("command")?;
    let ended = match (time("ended_at")?, row.integer_or_null("outcome")?) {
        (None, _) => None,
        (Some(at), Some(0)) => Some((at, PackageOutcome::Answered)),
        (Some(at), Some(1)) => Some((at, PackageOutcome::Withdrawn)),
        _ => return Err(corrupt("outcome")),
    };
    let transaction_id = TransactionId::parse(&row.text("transaction_id")?);
    let association_token = row.integer_or_null("association_token")?;
    Ok(EimPackage {
        number,
        eid: Eid::parse(&row.text("eid")?).map_err(|_| corrupt("eid"))?,
        package: NewPackage {
            operation_id: OperationId::parse(&row.text("operation_id")?)
                .ok_or_else(|| corrupt("operation_id"))?,
            command: PackageCommand::ALL
                .into_iter()
                .find(|known| known.code() == command)
                .ok_or_else(|| corrupt("command"))?,
            transaction_id: transaction_id.map_err(|_| corrupt("transaction_id"))?,
            counter: row.integer_or_null("counter")?,
            content: row.octets_or_null("content")?,
            created_at: Timestamp::from_millis(row.integer("created_at")?),
            due_at: Timestamp::from_millis(row.integer("due_at")?),
        },
        signed: row
            .octets_or_null("signature")?
            .map(|signature| PackageSignature { association_token, signature }),
        handed_over_at: time("handed_over_at")?,
        ended,
        result: row.octets_or_null("result")?,
        rollback_result: row.octets_or_null("rollback_result")?,
        result_at: time("result_at")?,
        unverified: row.integer("unverified")? == 1,
    })
}

impl Store {
    /// The package of this eimTransactionId.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn eim_package(&self, id: &TransactionId) -> Result<Option<EimPackage>, StoreError> {
        let rows = self.pools.fetch(&BY_TRANSACTION, [id.to_string().as_str().into()]).await?;
        rows.first().map(package).transpose()
    }

    /// The package with this counterValue, of the latest association of the eUICC that has one.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn eim_package_of_counter(
        &self,
        eid: &Eid,
        counter: i64,
    ) -> Result<Option<EimPackage>, StoreError> {
        let rows = self.pools.fetch(&BY_COUNTER, [eid.as_str().into(), counter.into()]).await?;
        rows.first().map(package).transpose()
    }

    /// The package that is outstanding for this eUICC.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn outstanding_package(&self, eid: &Eid) -> Result<Option<EimPackage>, StoreError> {
        let rows = self.pools.fetch(&OUTSTANDING, [eid.as_str().into()]).await?;
        rows.first().map(package).transpose()
    }

    /// The packages of an operation in the order in which they were made, a thousand at most: its evidence.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn packages_of_operation(
        &self,
        operation_id: &OperationId,
    ) -> Result<Vec<EimPackage>, StoreError> {
        let arguments = [operation_id.to_string().as_str().into(), i64::from(PACKAGES_MAX).into()];
        let rows = self.pools.fetch(&OF_OPERATION, arguments).await?;
        rows.iter().map(package).collect()
    }
}
