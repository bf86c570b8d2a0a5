//! Keys under which keys travel: sealed, with who brought them in and who approved them.

use super::audit;
use super::engine::{Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError};
use crate::crypto::transport::{Algorithm, CHECK_VALUE_LEN, Chaining, CheckMethod, InitialBlock, Scheme};
use crate::domain::{
    Action, Actor, AuditSubject, Deed, KeyPartner, KeyPurpose, KeyState, Manufacturer, NewAuditEntry, Person,
    Platform,
};
use crate::env::Timestamp;

/// Transport keys of one page at most.
pub const TRANSPORT_KEYS_MAX: u32 = 1000;

const INSERT_TRANSPORT_KEY: Statement = set_statement!(
    [key_id text, partner_kind bigint, partner text, key_index bigint, purpose bigint, algorithm bigint,
     chaining bigint, initial_block octets, check_method bigint, check_value octets, sealed octets, imported_by text,
     imported_at bigint]
    "INSERT INTO transport_key (key_id, partner_kind, partner, key_index, purpose, algorithm, chaining, \
     initial_block, check_method, check_value, sealed, state, imported_by, imported_at) \
     SELECT key_id, partner_kind, partner, key_index, purpose, algorithm, chaining, initial_block, check_method, \
     check_value, sealed, 0, imported_by, imported_at FROM change WHERE true"
);

/// Nobody else may have changed its state meanwhile.
const CHANGE_TRANSPORT_KEY: Statement = set_statement!(
    [key_id text, from_state bigint, state bigint, approved_by text, approved_at bigint, retired_by text,
     retired_at bigint]
    "UPDATE transport_key SET state = change.state, approved_by = change.approved_by, \
     approved_at = change.approved_at, retired_by = change.retired_by, retired_at = change.retired_at FROM change \
     WHERE transport_key.key_id = change.key_id AND transport_key.state = change.from_state \
     RETURNING transport_key.key_id, 0"
);

/// The columns that [`transport_key`] reads.
macro_rules! columns {
    () => {
        "key_id, partner_kind, partner, key_index, purpose, algorithm, chaining, initial_block, check_method, \
         check_value, sealed, state, imported_by, imported_at, approved_by, approved_at, retired_by, retired_at"
    };
}

const TRANSPORT_KEY: Statement =
    Statement::common(concat!("SELECT ", columns!(), " FROM transport_key WHERE key_id = $1"));

const TRANSPORT_KEYS: Statement = Statement::common(concat!(
    "SELECT ",
    columns!(),
    " FROM transport_key WHERE key_id > $1 ORDER BY key_id LIMIT $2"
));

const KEYS_OF_PARTNER: Statement = Statement::common(concat!(
    "SELECT ",
    columns!(),
    " FROM transport_key WHERE partner_kind = $1 AND partner = $2 AND key_id > $3 ORDER BY key_id LIMIT $4"
));

pub(super) const STATEMENTS: &[Statement] =
    &[INSERT_TRANSPORT_KEY, CHANGE_TRANSPORT_KEY, TRANSPORT_KEY, TRANSPORT_KEYS, KEYS_OF_PARTNER];

/// A transport key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportKey {
    /// Its identifier; later keys have greater ones.
    pub key_id: String,
    /// With whom it is shared.
    pub partner: KeyPartner,
    /// The number by which files name it, from 1.
    pub index: u32,
    /// What travels under it.
    pub purpose: KeyPurpose,
    /// How it enciphers.
    pub scheme: Scheme,
    /// How its check value is made.
    pub check_method: CheckMethod,
    /// Its check value.
    pub check_value: [u8; CHECK_VALUE_LEN],
    /// The key, sealed for [`TransportKey::place`].
    pub sealed: Vec<u8>,
    /// Who brought it in.
    pub imported: Deed,
    /// Its life.
    pub state: KeyState,
}

impl TransportKey {
    /// The place for which the key is sealed: with another partner, index, purpose or scheme it cannot be opened.
    #[must_use]
    pub fn place(&self) -> String {
        let Self { key_id, partner, index, purpose, scheme, .. } = self;
        let codes = SchemeCodes::of(*scheme);
        let (algorithm, chaining) = (codes.algorithm, codes.chaining);
        let initial = hex::encode(codes.initial_block);
        format!("transport_key.sealed/{key_id}/{index}/{purpose}/{algorithm}/{chaining}/{initial}/{partner}")
    }
}

set_row! {
    struct NewRow<'a> {
        key_id: &'a str,
        partner_kind: i64,
        partner: &'a str,
        key_index: i64,
        purpose: i64,
        algorithm: i64,
        chaining: i64,
        initial_block: [u8; 16],
        check_method: i64,
        check_value: [u8; CHECK_VALUE_LEN],
        sealed: &'a [u8],
        imported_by: &'a str,
        imported_at: i64,
    }
}

set_row! {
    struct ChangeRow<'a> {
        key_id: &'a str,
        from_state: i64,
        state: i64,
        approved_by: Option<&'a str>,
        approved_at: Option<i64>,
        retired_by: Option<&'a str>,
        retired_at: Option<i64>,
    }
}

/// A scheme in numbers.
struct SchemeCodes {
    algorithm: i64,
    chaining: i64,
    initial_block: [u8; 16],
}

impl SchemeCodes {
    const fn of(scheme: Scheme) -> Self {
        let algorithm = match scheme.algorithm {
            Algorithm::Aes128 => 0,
            Algorithm::Aes192 => 1,
            Algorithm::Aes256 => 2,
            Algorithm::TripleDes => 3,
        };
        let (chaining, initial_block) = match scheme.chaining {
            Chaining::Ecb => (0, [0; 16]),
            Chaining::Cbc(InitialBlock::Zero) => (1, [0; 16]),
            Chaining::Cbc(InitialBlock::Fixed(block)) => (2, block),
            Chaining::Cbc(InitialBlock::Prefixed) => (3, [0; 16]),
        };
        Self { algorithm, chaining, initial_block }
    }

    fn scheme(&self) -> Option<Scheme> {
        let algorithm = match self.algorithm {
            0 => Algorithm::Aes128,
            1 => Algorithm::Aes192,
            2 => Algorithm::Aes256,
            3 => Algorithm::TripleDes,
            _ => return None,
        };
        let chaining = match self.chaining {
            0 => Chaining::Ecb,
            1 => Chaining::Cbc(InitialBlock::Zero),
            2 => Chaining::Cbc(InitialBlock::Fixed(self.initial_block)),
            3 => Chaining::Cbc(InitialBlock::Prefixed),
            _ => return None,
        };
        Some(Scheme { algorithm, chaining })
    }
}

const fn purpose_code(purpose: KeyPurpose) -> i64 {
    match purpose {
        KeyPurpose::Subscription => 1,
        KeyPurpose::Ota => 2,
        KeyPurpose::Both => 3,
    }
}

const fn check_code(method: CheckMethod) -> i64 {
    match method {
        CheckMethod::Zeros => 0,
        CheckMethod::Ones => 1,
    }
}

const fn state_code(state: &KeyState) -> i64 {
    match state {
        KeyState::Waiting => 0,
        KeyState::Approved(_) => 1,
        KeyState::Retired { .. } => 2,
    }
}

fn partner_code(partner: &KeyPartner) -> (i64, &str) {
    match partner {
        KeyPartner::Manufacturer(name) => (0, name.as_str()),
        KeyPartner::Platform(name) => (1, name.as_str()),
    }
}

/// What the audit tells of a key: which it is, and its check value.
fn audit_entry(key: &TransportKey, action: Action, deed: &Deed) -> NewAuditEntry {
    let TransportKey { key_id, partner, index, purpose, check_value, .. } = key;
    let detail =
        format!("index {index} for {purpose} of {partner}, check value {}", hex::encode_upper(check_value));
    let (actor, subject) = (Actor::Person(deed.by.clone()), AuditSubject::new("transport_key", key_id));
    NewAuditEntry::new(deed.at, actor, action, subject).detail(detail)
}

impl Store {
    /// Keeps a key that waits for approval.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if the partner has a key of this index and purpose that is not retired.
    pub async fn insert_transport_key(&self, key: &TransportKey) -> Result<(), StoreError> {
        let (partner_kind, partner) = partner_code(&key.partner);
        let codes = SchemeCodes::of(key.scheme);
        let row = NewRow {
            key_id: &key.key_id,
            partner_kind,
            partner,
            key_index: key.index.into(),
            purpose: purpose_code(key.purpose),
            algorithm: codes.algorithm,
            chaining: codes.chaining,
            initial_block: codes.initial_block,
            check_method: check_code(key.check_method),
            check_value: key.check_value,
            sealed: &key.sealed,
            imported_by: key.imported.by.as_str(),
            imported_at: key.imported.at.as_millis(),
        };
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&INSERT_TRANSPORT_KEY, &Set::of([&row])).await?;
        audit::append(&mut writing, &[audit_entry(key, Action::TRANSPORT_KEY_IMPORT, &key.imported)]).await?;
        writing.commit().await
    }

    /// Gives a key that has the state of `from` another one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else changed its state meanwhile.
    pub async fn change_transport_key(&self, from: &TransportKey, to: &KeyState) -> Result<(), StoreError> {
        let (approved, retired) = match to {
            KeyState::Waiting => (None, None),
            KeyState::Approved(deed) => (Some(deed), None),
            KeyState::Retired { approved, retired } => (approved.as_ref(), Some(retired)),
        };
        let row = ChangeRow {
            key_id: &from.key_id,
            from_state: state_code(&from.state),
            state: state_code(to),
            approved_by: approved.map(|deed| deed.by.as_str()),
            approved_at: approved.map(|deed| deed.at.as_millis()),
            retired_by: retired.map(|deed| deed.by.as_str()),
            retired_at: retired.map(|deed| deed.at.as_millis()),
        };
        let mut writing = self.pools.begin().await?;
        let changed = writing.fetch_set(&CHANGE_TRANSPORT_KEY, &Set::of([&row])).await?;
        if changed.is_empty() {
            return Err(StoreError::Conflict);
        }
        let entry = match to {
            KeyState::Waiting => None,
            KeyState::Approved(deed) => Some(audit_entry(from, Action::TRANSPORT_KEY_APPROVE, deed)),
            KeyState::Retired { retired, .. } => {
                Some(audit_entry(from, Action::TRANSPORT_KEY_RETIRE, retired))
            }
        };
        audit::append(&mut writing, entry.as_slice()).await?;
        writing.commit().await
    }

    /// A key; `None` if there is none of this identifier.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn transport_key(&self, key_id: &str) -> Result<Option<TransportKey>, StoreError> {
        let rows = self.pools.fetch(&TRANSPORT_KEY, [key_id.into()]).await?;
        rows.first().map(transport_key).transpose()
    }

    /// A page of keys behind the identifier `after` (empty: from the first), of one partner or of all, at most `limit`
    /// (and [`TRANSPORT_KEYS_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn transport_keys(
        &self,
        partner: Option<&KeyPartner>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<TransportKey>, StoreError> {
        let limit = i64::from(limit.min(TRANSPORT_KEYS_MAX));
        let rows = match partner.map(partner_code) {
            Some((kind, name)) => {
                let arguments = [kind.into(), name.into(), after.into(), limit.into()];
                self.pools.fetch(&KEYS_OF_PARTNER, arguments).await?
            }
            None => self.pools.fetch(&TRANSPORT_KEYS, [after.into(), limit.into()]).await?,
        };
        rows.iter().map(transport_key).collect()
    }
}

/// The key of a row.
fn transport_key(row: &Row) -> Result<TransportKey, StoreError> {
    let key_id = row.text("key_id")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key_id.clone() };
    let name = row.text("partner")?;
    let partner = match row.integer("partner_kind")? {
        0 => Manufacturer::parse(&name).map(KeyPartner::Manufacturer),
        1 => Platform::parse(&name).map(KeyPartner::Platform),
        _ => None,
    };
    let purpose = match row.integer("purpose")? {
        1 => KeyPurpose::Subscription,
        2 => KeyPurpose::Ota,
        3 => KeyPurpose::Both,
        _ => return Err(corrupt("purpose")),
    };
    let initial_block = row.octets("initial_block")?.try_into().map_err(|_| corrupt("initial_block"))?;
    let codes = SchemeCodes {
        algorithm: row.integer("algorithm")?,
        chaining: row.integer("chaining")?,
        initial_block,
    };
    let check_method = match row.integer("check_method")? {
        0 => CheckMethod::Zeros,
        1 => CheckMethod::Ones,
        _ => return Err(corrupt("check_method")),
    };
    let deed = |by: &'static str, at: &'static str| -> Result<Option<Deed>, StoreError> {
        let Some(name) = row.text_or_null(by)? else { return Ok(None) };
        let at = row.integer_or_null(at)?.ok_or_else(|| corrupt(at))?;
        let by = Person::parse(&name).ok_or_else(|| corrupt(by))?;
        Ok(Some(Deed { by, at: Timestamp::from_millis(at) }))
    };
    let imported = deed("imported_by", "imported_at")?.ok_or_else(|| corrupt("imported_by"))?;
    let (approved, retired) = (deed("approved_by", "approved_at")?, deed("retired_by", "retired_at")?);
    let state = match (row.integer("state")?, approved, retired) {
        (0, None, None) => KeyState::Waiting,
        (1, Some(approved), None) => KeyState::Approved(approved),
        (2, approved, Some(retired)) => KeyState::Retired { approved, retired },
        _ => return Err(corrupt("state")),
    };
    Ok(TransportKey {
        partner: partner.ok_or_else(|| corrupt("partner"))?,
        index: u32::try_from(row.integer("key_index")?).map_err(|_| corrupt("key_index"))?,
        purpose,
        scheme: codes.scheme().ok_or_else(|| corrupt("algorithm"))?,
        check_method,
        check_value: row.octets("check_value")?.try_into().map_err(|_| corrupt("check_value"))?,
        sealed: row.octets("sealed")?,
        imported,
        state,
        key_id,
    })
}
