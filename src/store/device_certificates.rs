//! Which client certificates of devices stand for which EID, where the certificate itself does not say it: a list that
//! people bring, with an audit entry for each line.

use super::audit;
use super::engine::{Row, Statement, Writing, set_statement};
use super::set::Set;
use super::{Store, StoreError};
use crate::domain::{Action, Actor, AuditSubject, NewAuditEntry, Person};
use crate::env::Timestamp;
use crate::ident::Eid;

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;
/// Rows of one statement.
const CHUNK: usize = 500;

const ADD: Statement = set_statement!(
    [fingerprint text, eid text, person text, imported_at bigint]
    "INSERT INTO device_certificate (fingerprint, eid, person, imported_at) \
     SELECT fingerprint, eid, person, imported_at FROM change WHERE true \
     ON CONFLICT (fingerprint) DO NOTHING RETURNING fingerprint, 0"
);

const REPLACE: Statement = set_statement!(
    [fingerprint text, eid text, person text, imported_at bigint]
    "INSERT INTO device_certificate (fingerprint, eid, person, imported_at) \
     SELECT fingerprint, eid, person, imported_at FROM change WHERE true \
     ON CONFLICT (fingerprint) DO UPDATE SET eid = excluded.eid, person = excluded.person, \
     imported_at = excluded.imported_at WHERE device_certificate.eid <> excluded.eid RETURNING fingerprint, 0"
);

const HELD: Statement = set_statement!(
    [fingerprint text]
    "SELECT device_certificate.fingerprint, device_certificate.eid FROM change \
     JOIN device_certificate ON device_certificate.fingerprint = change.fingerprint"
);

const FIND: Statement = Statement::common("SELECT eid FROM device_certificate WHERE fingerprint = $1");

const REMOVE: Statement =
    Statement::common("DELETE FROM device_certificate WHERE fingerprint = $1 RETURNING eid");

const LIST: Statement = Statement::common(
    "SELECT fingerprint, eid, person, imported_at FROM device_certificate \
     WHERE fingerprint > $1 ORDER BY fingerprint LIMIT $2",
);

const LIST_OF_EID: Statement = Statement::common(
    "SELECT fingerprint, eid, person, imported_at FROM device_certificate \
     WHERE eid = $1 AND fingerprint > $2 ORDER BY fingerprint LIMIT $3",
);

pub(super) const STATEMENTS: &[Statement] = &[ADD, REPLACE, HELD, FIND, REMOVE, LIST, LIST_OF_EID];

/// A line of a list: a certificate, and the EID that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePin {
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// The EID.
    pub eid: Eid,
}

/// What the store has of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// The certificate, and the EID that it stands for.
    pub pin: DevicePin,
    /// Who brought it.
    pub person: Person,
    /// When.
    pub imported_at: Timestamp,
}

/// What becomes of a certificate that stands for another EID already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherPins {
    /// It stays, and nothing at all is taken.
    Keep,
    /// It stands for the new one from now on.
    Replace,
}

/// What an import came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinImport {
    /// So many lines were new or replaced another; the others said what was there already.
    Done(usize),
    /// Nothing was taken: these certificates stand for another EID, the given one.
    Held(Vec<DevicePin>),
}

fn certificate(row: &Row) -> Result<DeviceCertificate, StoreError> {
    let key = row.text("fingerprint")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    Ok(DeviceCertificate {
        pin: pin(&key, &row.text("eid")?)?,
        person: Person::parse(&row.text("person")?).ok_or_else(|| corrupt("device_certificate.person"))?,
        imported_at: Timestamp::from_millis(row.integer("imported_at")?),
    })
}

fn pin(key: &str, eid: &str) -> Result<DevicePin, StoreError> {
    let corrupt = |column| StoreError::Corrupt { column, key: key.to_owned() };
    let mut fingerprint = [0; 32];
    hex::decode_to_slice(key, &mut fingerprint).map_err(|_| corrupt("device_certificate.fingerprint"))?;
    Ok(DevicePin { fingerprint, eid: Eid::parse(eid).map_err(|_| corrupt("device_certificate.eid"))? })
}

fn entry(action: Action, fingerprint: &str, eid: &Eid, person: &Person, at: Timestamp) -> NewAuditEntry {
    let (actor, subject) = (Actor::Person(person.clone()), AuditSubject::new("eid", eid.as_str()));
    NewAuditEntry::new(at, actor, action, subject).detail(format!("certificate {fingerprint}"))
}

/// A chunk of pins as a person brings them at a time.
struct Chunk<'a> {
    fingerprints: Vec<String>,
    pins: &'a [DevicePin],
    person: &'a Person,
    at: Timestamp,
}

impl Chunk<'_> {
    fn set(&self) -> Set<'_> {
        let rows = self.fingerprints.iter().zip(self.pins).map(|(fingerprint, pin)| {
            [
                fingerprint.as_str().into(),
                pin.eid.as_str().into(),
                self.person.as_str().into(),
                self.at.as_millis().into(),
            ]
        });
        Set::rows_of(["fingerprint", "eid", "person", "imported_at"], rows)
    }

    /// Those that stand for another EID.
    async fn held(&self, writing: &mut Writing) -> Result<Vec<DevicePin>, StoreError> {
        let asked = Set::column("fingerprint", self.fingerprints.iter().map(String::as_str));
        let mut held = Vec::new();
        for row in &writing.fetch_set(&HELD, &asked).await? {
            let there = pin(&row.text("fingerprint")?, &row.text("eid")?)?;
            let is_other = |pin: &&DevicePin| pin.fingerprint == there.fingerprint && pin.eid != there.eid;
            if self.pins.iter().any(|pin| is_other(&pin)) {
                held.push(there);
            }
        }
        Ok(held)
    }

    /// Writes the rows; the audit tells of those that changed something.
    async fn write(&self, writing: &mut Writing, statement: &Statement) -> Result<usize, StoreError> {
        let mut changed = Vec::new();
        for row in writing.fetch_set(statement, &self.set()).await? {
            changed.push(row.key()?);
        }
        let entries: Vec<NewAuditEntry> = self
            .fingerprints
            .iter()
            .zip(self.pins)
            .filter(|(fingerprint, _)| changed.contains(fingerprint))
            .map(|(fingerprint, pin)| {
                entry(Action::DEVICE_CERTIFICATE_IMPORT, fingerprint, &pin.eid, self.person, self.at)
            })
            .collect();
        audit::append(writing, &entries).await?;
        Ok(changed.len())
    }
}

impl Store {
    /// Takes a list, whole or not at all; no certificate stands in it twice.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn import_device_certificates(
        &self,
        pins: &[DevicePin],
        others: OtherPins,
        person: &Person,
        at: Timestamp,
    ) -> Result<PinImport, StoreError> {
        let statement = match others {
            OtherPins::Keep => &ADD,
            OtherPins::Replace => &REPLACE,
        };
        let mut writing = self.pools.begin().await?;
        let (mut changed, mut held) = (0_usize, Vec::new());
        for pins in pins.chunks(CHUNK) {
            let fingerprints = pins.iter().map(|pin| hex::encode(pin.fingerprint)).collect();
            let chunk = Chunk { fingerprints, pins, person, at };
            changed = changed.saturating_add(chunk.write(&mut writing, statement).await?);
            if others == OtherPins::Keep {
                held.extend(chunk.held(&mut writing).await?);
            }
        }
        if !held.is_empty() {
            return Ok(PinImport::Held(held));
        }
        writing.commit().await?;
        Ok(PinImport::Done(changed))
    }

    /// The EID that a certificate stands for; `None` if nobody said it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn eid_of_certificate(&self, fingerprint: &[u8; 32]) -> Result<Option<Eid>, StoreError> {
        let key = hex::encode(fingerprint);
        let rows = self.pools.fetch(&FIND, [key.as_str().into()]).await?;
        rows.first().map(|row| pin(&key, &row.text("eid")?).map(|pin| pin.eid)).transpose()
    }

    /// Takes a certificate off the list. Returns the EID that it stood for, if it was there.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn remove_device_certificate(
        &self,
        fingerprint: &[u8; 32],
        person: &Person,
        at: Timestamp,
    ) -> Result<Option<Eid>, StoreError> {
        let key = hex::encode(fingerprint);
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&REMOVE, [key.as_str().into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let eid = pin(&key, &row.text("eid")?)?.eid;
        let entry = entry(Action::DEVICE_CERTIFICATE_REMOVE, &key, &eid, person, at);
        audit::append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(Some(eid))
    }

    /// A page of certificates by rising fingerprint, beginning behind `after`, of all EIDs or of one, at most `limit` (and
    /// 1001: the last one says that another page follows).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn device_certificates(
        &self,
        eid: Option<&Eid>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<DeviceCertificate>, StoreError> {
        let limit = i64::from(limit.min(PAGE_MAX + 1)).into();
        let rows = match eid {
            Some(eid) => self.pools.fetch(&LIST_OF_EID, [eid.as_str().into(), after.into(), limit]).await?,
            None => self.pools.fetch(&LIST, [after.into(), limit]).await?,
        };
        rows.iter().map(certificate).collect()
    }
}
