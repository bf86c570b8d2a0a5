//! What profiles are made of: sealed octets, which the store sees and nobody opens here.

use super::engine::{Row, Statement, set_statement};
use super::set::Value;
use super::{Store, StoreError};
use crate::domain::PackageNeeds;
use crate::ident::Iccid;

pub(super) const INSERT_PACKAGES: Statement = set_statement!(
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

pub(super) const STATEMENTS: &[Statement] = &[INSERT_PACKAGES, PACKAGE, ANY_PACKAGE];

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

/// The names of [`package_values`].
pub(super) const PACKAGE_COLUMNS: [&str; 6] =
    ["iccid", "kind", "sealed", "needs_version", "needs_capabilities", "needs_octets"];

/// The row of a package.
pub(super) fn package_values<'a>(iccid: &'a Iccid, package: &'a Package) -> [Value<'a>; 6] {
    let version = |needs: &PackageNeeds| i64::from(needs.version.0) << 8 | i64::from(needs.version.1);
    let needs = package.needs.as_ref();
    [
        iccid.as_str().into(),
        kind_code(package.kind).into(),
        package.sealed.as_slice().into(),
        needs.map(version).into(),
        needs.map(|needs| clamped(needs.capabilities)).into(),
        needs.map(|needs| clamped(needs.non_volatile_octets)).into(),
    ]
}

/// A number that no package reaches the end of.
fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
    /// Whether the store holds anything sealed: all of it hangs on a package, or is a transport key.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn holds_sealed(&self) -> Result<bool, StoreError> {
        Ok(self.any_package().await?.is_some() || !self.transport_keys(None, "", 1).await?.is_empty())
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

    /// The content of a profile; `None` if the ICCID is not in the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn package(&self, iccid: &Iccid) -> Result<Option<Package>, StoreError> {
        let rows = self.pools.fetch(&PACKAGE, [iccid.as_str().into()]).await?;
        rows.first().map(package).transpose()
    }
}
