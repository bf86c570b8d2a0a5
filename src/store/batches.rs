//! What manufacturers deliver: batches of profiles with their sealed content.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::engine::{Argument, Row, Set, Statement, Writing, set_statement};
use super::{Store, StoreError};
use crate::domain::{Operator, PackageNeeds, ProfileType};
use crate::env::Timestamp;
use crate::ident::{Iccid, Imsi};

/// Rows of one set statement.
const CHUNK: usize = 1000;
/// The most duplicates that are told one by one.
pub const PLACES_MAX: usize = 100;

const INSERT_BATCH: Statement = Statement::common(
    "INSERT INTO batch (batch_id, owner, profile_type, profiles, digest, received_at) \
     VALUES ($1, $2, $3, $4, $5, $6)",
);

const FIND_ICCIDS: Statement = set_statement!(
    [iccid text]
    "SELECT profile.iccid, 0 FROM change JOIN profile ON profile.iccid = change.iccid"
);

const FIND_IMSIS: Statement = set_statement!(
    [imsi text]
    "SELECT profile.imsi, 0 FROM change JOIN profile ON profile.imsi = change.imsi WHERE profile.imsi IS NOT NULL"
);

const INSERT_PROFILES: Statement = set_statement!(
    [iccid text, imsi text, msisdn text, owner text, profile_type text, batch_id text, created_at bigint]
    "INSERT INTO profile (iccid, imsi, msisdn, owner, profile_type, batch_id, created_at, number, version, state, \
     download_attempts, confirmation_attempts) \
     SELECT iccid, imsi, msisdn, owner, profile_type, batch_id, created_at, 0, 0, 0, 0, 0 FROM change WHERE true"
);

const INSERT_PACKAGES: Statement = set_statement!(
    [iccid text, kind bigint, sealed octets, needs_version bigint, needs_capabilities bigint, needs_octets bigint]
    "INSERT INTO package (iccid, kind, sealed, needs_version, needs_capabilities, needs_octets) \
     SELECT iccid, kind, sealed, needs_version, needs_capabilities, needs_octets FROM change WHERE true"
);

/// The columns that [`package`] reads.
macro_rules! package_columns {
    () => {
        "package.kind, package.sealed, package.needs_version, package.needs_capabilities, package.needs_octets"
    };
}
pub(super) use package_columns;

const PACKAGE: Statement =
    Statement::common(concat!("SELECT ", package_columns!(), " FROM package WHERE iccid = $1"));

const ANY_PACKAGE: Statement = Statement::common(concat!(
    "SELECT package.iccid, ",
    package_columns!(),
    " FROM package WHERE iccid > '' LIMIT 1"
));

const LATEST_BATCH: Statement = Statement::common("SELECT MAX(received_at) AS received_at FROM batch");

pub(super) const STATEMENTS: &[Statement] = &[
    INSERT_BATCH,
    FIND_ICCIDS,
    FIND_IMSIS,
    INSERT_PROFILES,
    INSERT_PACKAGES,
    PACKAGE,
    ANY_PACKAGE,
    LATEST_BATCH,
];

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its identifier, new to the store.
    pub batch_id: String,
    /// Whose profiles they are.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// The SHA-256 of the file.
    pub digest: [u8; 32],
    /// When it came.
    pub received_at: Timestamp,
}

/// What a profile is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageKind {
    /// Personal data, to be put into the template of the profile type.
    PersonalData,
    /// A whole unprotected profile package.
    ReadyMade,
}

/// The content of a profile.
#[derive(Clone)]
pub struct Package {
    /// Data or package.
    pub kind: PackageKind,
    /// The sealed octets.
    pub sealed: Vec<u8>,
    /// What a ready-made package needs of an eUICC; `None` for personal data, which needs what its template needs, and
    /// where nobody has computed it.
    pub needs: Option<PackageNeeds>,
}

impl Package {
    /// The place for which the content of this profile is sealed: moved to another row, it cannot be opened.
    #[must_use]
    pub fn place(iccid: &Iccid) -> String {
        format!("package.sealed/{iccid}")
    }
}

/// A profile of a batch.
#[derive(Clone)]
pub struct NewProfile {
    /// Its number.
    pub iccid: Iccid,
    /// Its subscription.
    pub imsi: Option<Imsi>,
    /// Its telephone number, kept as delivered.
    pub msisdn: Option<String>,
    /// Its content.
    pub package: Package,
}

/// A profile of a batch whose number is in the stock already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Its place in the batch, from 0.
    pub place: usize,
    /// Which number.
    pub of: DuplicateOf,
}

/// A number that must be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateOf {
    /// The ICCID.
    Iccid,
    /// The IMSI.
    Imsi,
}

/// Why a batch was not taken; nothing of it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BatchError {
    /// Numbers that are in the stock already: the first [`PLACES_MAX`] of them, by place.
    #[error("{} or more numbers of the batch are in the stock already", .0.len())]
    Duplicates(Vec<Duplicate>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize)]
struct ProfileRow<'a> {
    iccid: &'a str,
    imsi: Option<&'a str>,
    msisdn: Option<&'a str>,
    owner: &'a str,
    profile_type: &'a str,
    batch_id: &'a str,
    created_at: i64,
}

#[derive(Serialize)]
struct PackageRow<'a> {
    iccid: &'a str,
    kind: i64,
    sealed: String,
    needs_version: Option<i64>,
    needs_capabilities: Option<i64>,
    needs_octets: Option<i64>,
}

const fn kind_code(kind: PackageKind) -> i64 {
    match kind {
        PackageKind::PersonalData => 0,
        PackageKind::ReadyMade => 1,
    }
}

/// The package of a row that has its columns.
pub(super) fn package(row: &Row) -> Result<Package, StoreError> {
    let kind = match row.integer("kind")? {
        0 => PackageKind::PersonalData,
        1 => PackageKind::ReadyMade,
        other => return Err(StoreError::Corrupt { column: "kind", key: other.to_string() }),
    };
    Ok(Package { kind, sealed: row.octets("sealed")?, needs: needs(row)? })
}

fn needs(row: &Row) -> Result<Option<PackageNeeds>, StoreError> {
    let Some(version) = row.integer_or_null("needs_version")? else { return Ok(None) };
    let corrupt = |column| StoreError::Corrupt { column, key: version.to_string() };
    let number = |value: i64| u8::try_from(value).map_err(|_| corrupt("needs_version"));
    let size = |column| -> Result<u64, StoreError> {
        let value = row.integer_or_null(column)?.and_then(|value| u64::try_from(value).ok());
        value.ok_or_else(|| corrupt(column))
    };
    Ok(Some(PackageNeeds {
        version: (number(version >> 8)?, number(version & 0xFF)?),
        capabilities: size("needs_capabilities")?,
        non_volatile_octets: size("needs_octets")?,
    }))
}

impl Store {
    /// Whether the store holds anything sealed: all of it hangs on a package.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn holds_packages(&self) -> Result<bool, StoreError> {
        Ok(self.any_package().await?.is_some())
    }

    /// The content of any one profile; `None` for an empty stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn any_package(&self) -> Result<Option<(Iccid, Package)>, StoreError> {
        let rows = self.pools.fetch(&ANY_PACKAGE, []).await?;
        let with_iccid = |row: &Row| {
            let key = row.text("iccid")?;
            let iccid = Iccid::parse(&key).map_err(|_| StoreError::Corrupt { column: "iccid", key })?;
            Ok((iccid, package(row)?))
        };
        rows.first().map(with_iccid).transpose()
    }

    /// When the latest batch came in; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn latest_batch_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.pools.fetch(&LATEST_BATCH, []).await?;
        let at = rows.first().map(|row| row.integer_or_null("received_at")).transpose()?.flatten();
        Ok(at.map(Timestamp::from_millis))
    }

    /// The content of a profile; `None` if the ICCID is not in the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn package(&self, iccid: &Iccid) -> Result<Option<Package>, StoreError> {
        let rows = self.pools.fetch(&PACKAGE, [iccid.as_str().into()]).await?;
        rows.first().map(package).transpose()
    }

    /// Takes a batch whole, in one transaction, or nothing of it. `progress` hears how many profiles went in.
    ///
    /// # Errors
    /// [`BatchError::Duplicates`] if a number is in the stock already; [`StoreError::InUse`] for a batch identifier
    /// that is, for a number that stands twice in the batch, or for one that another node took meanwhile.
    pub async fn insert_batch(
        &self,
        batch: &Batch,
        profiles: &[NewProfile],
        mut progress: impl FnMut(usize),
    ) -> Result<(), BatchError> {
        let mut writing = self.pools.begin().await?;
        let count = i64::try_from(profiles.len()).unwrap_or(i64::MAX);
        let arguments = [
            batch.batch_id.as_str().into(),
            batch.owner.as_str().into(),
            batch.profile_type.as_str().into(),
            count.into(),
            Argument::Text(hex::encode(batch.digest)),
            batch.received_at.as_millis().into(),
        ];
        writing.fetch(&INSERT_BATCH, arguments).await?;
        let mut duplicates = Vec::new();
        let mut done = 0;
        for chunk in profiles.chunks(CHUNK) {
            find_duplicates(&mut writing, chunk, done, &mut duplicates).await?;
            done += chunk.len();
            if duplicates.len() >= PLACES_MAX {
                break;
            }
            // After the first duplicate nothing is written any more; the rest is only looked at.
            if duplicates.is_empty() {
                insert_chunk(&mut writing, batch, chunk).await?;
                progress(done);
            }
        }
        if !duplicates.is_empty() {
            duplicates.truncate(PLACES_MAX);
            return Err(BatchError::Duplicates(duplicates));
        }
        Ok(writing.commit().await?)
    }
}

async fn find_duplicates(
    writing: &mut Writing,
    chunk: &[NewProfile],
    first: usize,
    duplicates: &mut Vec<Duplicate>,
) -> Result<(), StoreError> {
    let iccids: Vec<_> =
        chunk.iter().map(|profile| HashMap::from([("iccid", profile.iccid.as_str())])).collect();
    let imsis: Vec<_> = chunk
        .iter()
        .filter_map(|profile| profile.imsi.as_ref())
        .map(|imsi| HashMap::from([("imsi", imsi.as_str())]))
        .collect();
    let known_iccids = known(writing, &FIND_ICCIDS, &Set::of(&iccids)?).await?;
    let known_imsis = known(writing, &FIND_IMSIS, &Set::of(&imsis)?).await?;
    for (place, profile) in chunk.iter().enumerate() {
        let place = first + place;
        if known_iccids.contains(profile.iccid.as_str()) {
            duplicates.push(Duplicate { place, of: DuplicateOf::Iccid });
        }
        if profile.imsi.as_ref().is_some_and(|imsi| known_imsis.contains(imsi.as_str())) {
            duplicates.push(Duplicate { place, of: DuplicateOf::Imsi });
        }
    }
    Ok(())
}

async fn known(
    writing: &mut Writing,
    statement: &Statement,
    set: &Set,
) -> Result<HashSet<String>, StoreError> {
    let rows = writing.fetch_set(statement, set).await?;
    rows.iter().map(|row| row.key()).collect()
}

async fn insert_chunk(writing: &mut Writing, batch: &Batch, chunk: &[NewProfile]) -> Result<(), StoreError> {
    let profiles: Vec<ProfileRow<'_>> = chunk
        .iter()
        .map(|profile| ProfileRow {
            iccid: profile.iccid.as_str(),
            imsi: profile.imsi.as_ref().map(Imsi::as_str),
            msisdn: profile.msisdn.as_deref(),
            owner: batch.owner.as_str(),
            profile_type: batch.profile_type.as_str(),
            batch_id: &batch.batch_id,
            created_at: batch.received_at.as_millis(),
        })
        .collect();
    writing.fetch_set(&INSERT_PROFILES, &Set::of(&profiles)?).await?;
    let packages: Vec<PackageRow<'_>> = chunk
        .iter()
        .map(|profile| PackageRow {
            iccid: profile.iccid.as_str(),
            kind: kind_code(profile.package.kind),
            sealed: hex::encode(&profile.package.sealed),
            needs_version: profile.package.needs.map(|needs| {
                let (major, minor) = needs.version;
                i64::from(major) << 8 | i64::from(minor)
            }),
            needs_capabilities: profile.package.needs.map(|needs| clamped(needs.capabilities)),
            needs_octets: profile.package.needs.map(|needs| clamped(needs.non_volatile_octets)),
        })
        .collect();
    writing.fetch_set(&INSERT_PACKAGES, &Set::of(&packages)?).await?;
    Ok(())
}

/// A number that no package reaches the end of.
fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
