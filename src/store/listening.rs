//! Where devices listen that our eIM brings packages to.

use super::audit;
use super::engine::{Row, Statement, set_statement};
use super::set::Set;
use super::{Store, StoreError};
use crate::domain::NewAuditEntry;
use crate::env::Timestamp;
use crate::ident::{Eid, ServerAddress};

const SAY: Statement = set_statement!(
    [eid text, address text]
    "UPDATE eim_euicc SET inject_address = change.address FROM change \
     WHERE eim_euicc.eid = change.eid AND eim_euicc.left_at IS NULL RETURNING eim_euicc.eid, 0"
);

const FIND: Statement = Statement::common("SELECT eid, inject_address FROM eim_euicc WHERE eid = $1");

/// By the index of those that listen.
const WAITING: Statement = Statement::common(
    "SELECT eim_euicc.eid, eim_euicc.inject_address FROM eim_euicc \
     JOIN eim_package ON eim_package.eid = eim_euicc.eid AND eim_package.ended_at IS NULL \
     WHERE eim_euicc.inject_address IS NOT NULL AND eim_euicc.eid > $1 AND eim_euicc.left_at IS NULL \
     AND eim_package.due_at <= $2 ORDER BY eim_euicc.eid LIMIT $3",
);

const COUNT: Statement = Statement::common(
    "SELECT COUNT(*) AS devices FROM eim_euicc WHERE inject_address IS NOT NULL AND left_at IS NULL",
);

pub(super) const STATEMENTS: &[Statement] = &[SAY, FIND, WAITING, COUNT];

/// An eUICC, and where its device listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The eUICC.
    pub eid: Eid,
    /// Where; `None`: it polls.
    pub address: Option<ServerAddress>,
}

fn listening(row: &Row) -> Result<Listening, StoreError> {
    let key = row.text("eid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let address = row.text_or_null("inject_address")?;
    let address = address.map(|text| ServerAddress::parse(&text)).transpose();
    Ok(Listening {
        eid: Eid::parse(&key).map_err(|_| corrupt("eid"))?,
        address: address.map_err(|_| corrupt("inject_address"))?,
    })
}

impl Store {
    /// Writes down where devices listen, with what the audit tells of it: all of them, or none. Returns the eUICCs that are
    /// not associated; if there is one, nothing is written.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails; then nothing is written.
    pub async fn say_where_devices_listen(
        &self,
        devices: &[Listening],
        entries: &[NewAuditEntry],
    ) -> Result<Vec<Eid>, StoreError> {
        let rows = devices.iter().map(|device| {
            [device.eid.as_str().into(), device.address.as_ref().map(ServerAddress::as_str).into()]
        });
        let mut writing = self.pools.begin().await?;
        let written = writing.fetch_set(&SAY, &Set::rows_of(["eid", "address"], rows)).await?;
        let written: Result<std::collections::HashSet<String>, _> =
            written.iter().map(|row| row.text("eid")).collect();
        let written = written?;
        let strange = devices.iter().filter(|device| !written.contains(device.eid.as_str()));
        let strange: Vec<Eid> = strange.map(|device| device.eid.clone()).collect();
        if strange.is_empty() {
            audit::append(&mut writing, entries).await?;
            writing.commit().await?;
        }
        Ok(strange)
    }

    /// Where the device of an eUICC listens; `None` if the eUICC is not associated, or its device polls.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn listens_at(&self, eid: &Eid) -> Result<Option<ServerAddress>, StoreError> {
        let rows = self.pools.fetch(&FIND, [eid.as_str().into()]).await?;
        let found = rows.first().map(listening).transpose()?;
        Ok(found.and_then(|listening| listening.address))
    }

    /// Devices that listen and for whose eUICC a package waits at this time, behind `after` in the order of EIDs, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn devices_to_bring_to(
        &self,
        after: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Listening>, StoreError> {
        let arguments = [after.into(), now.as_millis().into(), i64::from(limit).into()];
        self.pools.fetch(&WAITING, arguments).await?.iter().map(listening).collect()
    }

    /// How many devices listen.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn count_devices_that_listen(&self) -> Result<i64, StoreError> {
        let rows = self.pools.fetch(&COUNT, []).await?;
        rows.first().map_or(Ok(0), |row| row.integer("devices"))
    }
}
