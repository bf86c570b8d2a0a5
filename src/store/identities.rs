//! Who may call the admin API: named identities, and the hashes of the tokens and certificates that they show.
//!
//! A token has 256 random bits: its SHA-256 says nothing about it, and is the key that it is found by. Each change goes with
//! its entry in the audit.

use super::audit::append;
use super::engine::{Argument, Row, Statement};
use super::{Store, StoreError};
use crate::domain::{Identity, IdentityName, NewAuditEntry, Right};
use crate::env::Timestamp;

/// Credentials of one identity that are told at most.
const CREDENTIALS_MAX: u32 = 100;
/// Identities of one page at most.
const PAGE_MAX: u32 = 1000;

const ADD: Statement =
    Statement::common("INSERT INTO identity (name, granted, created_at, created_by) VALUES ($1, $2, $3, $4)");

const ADD_CREDENTIAL: Statement = Statement::common(
    "INSERT INTO identity_credential (digest, kind, name, created_at) VALUES ($1, $2, $3, $4)",
);

/// Those that nothing replaced yet.
const END_CREDENTIALS: Statement = Statement::common(
    "UPDATE identity_credential SET ends_at = $1 WHERE name = $2 AND (ends_at IS NULL OR ends_at > $1) \
     RETURNING digest",
);

const FORGET_ENDED: Statement = Statement::common(
    "DELETE FROM identity_credential WHERE name = $1 AND ends_at IS NOT NULL AND ends_at <= $2 RETURNING digest",
);

const REMOVE: Statement = Statement::common("DELETE FROM identity WHERE name = $1 RETURNING name");

const REMOVE_CREDENTIALS: Statement =
    Statement::common("DELETE FROM identity_credential WHERE name = $1 RETURNING name");

/// Where others change the identity too, they wait here.
const HOLD: Statement = Statement {
    sqlite: "SELECT name FROM identity WHERE name = $1",
    postgres: "SELECT name FROM identity WHERE name = $1 FOR UPDATE",
};

const IDENTITY: Statement =
    Statement::common("SELECT name, granted, created_at, created_by FROM identity WHERE name = $1");

const IDENTITIES: Statement = Statement::common(
    "SELECT name, granted, created_at, created_by FROM identity WHERE name > $1 ORDER BY name LIMIT $2",
);

const CREDENTIALS: Statement = Statement::common(
    "SELECT digest, kind, created_at, ends_at, last_used_at FROM identity_credential WHERE name = $1 \
     ORDER BY created_at, digest LIMIT $2",
);

const FIND: Statement = Statement::common(
    "SELECT identity.name, identity.granted, identity_credential.last_used_at FROM identity_credential \
     JOIN identity ON identity.name = identity_credential.name \
     WHERE identity_credential.digest = $1 AND identity_credential.kind = $2 \
     AND (identity_credential.ends_at IS NULL OR identity_credential.ends_at > $3)",
);

const USED: Statement =
    Statement::common("UPDATE identity_credential SET last_used_at = $1 WHERE digest = $2 RETURNING digest");

pub(super) const STATEMENTS: &[Statement] = &[
    ADD,
    ADD_CREDENTIAL,
    END_CREDENTIALS,
    FORGET_ENDED,
    REMOVE,
    REMOVE_CREDENTIALS,
    HOLD,
    IDENTITY,
    IDENTITIES,
    CREDENTIALS,
    FIND,
    USED,
];

/// What an identity shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token, in the header Authorization.
    Token,
    /// A client certificate.
    Certificate,
}

/// What an identity is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Token or certificate.
    pub kind: CredentialKind,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

/// An identity that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIdentity {
    /// Name and right.
    pub identity: Identity,
    /// What it is known by.
    pub credential: Credential,
    /// Who makes it.
    pub created_by: String,
    /// Now.
    pub at: Timestamp,
}

/// What the store has of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    /// Token or certificate, and its SHA-256.
    pub credential: Credential,
    /// When it was added.
    pub created_at: Timestamp,
    /// From when on it is not taken any more, where another one replaced it.
    pub ends_at: Option<Timestamp>,
    /// When it was taken last, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

/// What the store has of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRecord {
    /// Name and right.
    pub identity: Identity,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// What it is known by, the oldest first.
    pub credentials: Vec<CredentialRecord>,
}

/// The identity that a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name and right.
    pub identity: Identity,
    /// When the credential was taken last.
    pub last_used_at: Option<Timestamp>,
}

const fn right_code(right: Right) -> i64 {
    match right {
        Right::Admin => 0,
        Right::Provisioning => 1,
        Right::Auditor => 2,
        Right::Fleet => 3,
    }
}

const fn kind_code(kind: CredentialKind) -> i64 {
    match kind {
        CredentialKind::Token => 0,
        CredentialKind::Certificate => 1,
    }
}

fn identity(row: &Row) -> Result<Identity, StoreError> {
    let text = row.text("name")?;
    let corrupt = |column| StoreError::Corrupt { column, key: text.clone() };
    let granted = row.integer("granted")?;
    let right = Right::ALL.into_iter().find(|right| right_code(*right) == granted);
    Ok(Identity {
        name: IdentityName::parse(&text).ok_or_else(|| corrupt("identity.name"))?,
        right: right.ok_or_else(|| corrupt("identity.granted"))?,
    })
}

fn credential(row: &Row) -> Result<CredentialRecord, StoreError> {
    let key = row.text("digest")?;
    let mut digest = [0; 32];
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    hex::decode_to_slice(&key, &mut digest).map_err(|_| corrupt("identity_credential.digest"))?;
    let kind = match row.integer("kind")? {
        0 => CredentialKind::Token,
        1 => CredentialKind::Certificate,
        _ => return Err(corrupt("identity_credential.kind")),
    };
    Ok(CredentialRecord {
        credential: Credential { kind, digest },
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        ends_at: row.integer_or_null("ends_at")?.map(Timestamp::from_millis),
        last_used_at: row.integer_or_null("last_used_at")?.map(Timestamp::from_millis),
    })
}

fn digest(credential: &Credential) -> Argument {
    Argument::Text(hex::encode(credential.digest))
}

impl Store {
    /// Makes an identity.
    ///
    /// # Errors
    /// [`StoreError::InUse`] for a name or a credential that is; others if the engine fails.
    pub async fn add_identity(&self, new: &NewIdentity, entry: NewAuditEntry) -> Result<(), StoreError> {
        let Identity { name, right } = &new.identity;
        let mut writing = self.pools.begin().await?;
        let at = || new.at.as_millis().into();
        let identity =
            [name.as_str().into(), right_code(*right).into(), at(), new.created_by.as_str().into()];
        writing.fetch(&ADD, identity).await?;
        let kind = kind_code(new.credential.kind).into();
        writing.fetch(&ADD_CREDENTIAL, [digest(&new.credential), kind, name.as_str().into(), at()]).await?;
        append(&mut writing, &[entry]).await?;
        writing.commit().await
    }

    /// Gives an identity another credential; those that it has are taken until `old_until` at most. Whether there is such
    /// an identity.
    ///
    /// # Errors
    /// [`StoreError::InUse`] for a credential that is; others if the engine fails.
    pub async fn rotate_credential(
        &self,
        name: &IdentityName,
        new: &Credential,
        now: Timestamp,
        old_until: Timestamp,
        entry: NewAuditEntry,
    ) -> Result<bool, StoreError> {
        let mut writing = self.pools.begin().await?;
        if writing.fetch(&HOLD, [name.as_str().into()]).await?.is_empty() {
            return Ok(false);
        }
        writing.fetch(&END_CREDENTIALS, [old_until.as_millis().into(), name.as_str().into()]).await?;
        writing.fetch(&FORGET_ENDED, [name.as_str().into(), now.as_millis().into()]).await?;
        let credential =
            [digest(new), kind_code(new.kind).into(), name.as_str().into(), now.as_millis().into()];
        writing.fetch(&ADD_CREDENTIAL, credential).await?;
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// Removes an identity with its credentials. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn remove_identity(
        &self,
        name: &IdentityName,
        entry: NewAuditEntry,
    ) -> Result<bool, StoreError> {
        let mut writing = self.pools.begin().await?;
        if writing.fetch(&REMOVE, [name.as_str().into()]).await?.is_empty() {
            return Ok(false);
        }
        writing.fetch(&REMOVE_CREDENTIALS, [name.as_str().into()]).await?;
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// The identity that a credential belongs to, if it is taken at `now`.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn identity_by_credential(
        &self,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let arguments = [digest(credential), kind_code(credential.kind).into(), now.as_millis().into()];
        let rows = self.pools.fetch(&FIND, arguments).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let last_used_at = row.integer_or_null("last_used_at")?.map(Timestamp::from_millis);
        Ok(Some(Found { identity: identity(row)?, last_used_at }))
    }

    /// Writes down that a credential was taken.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn credential_used(&self, credential: &Credential, at: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.pools.begin().await?;
        writing.fetch(&USED, [at.as_millis().into(), digest(credential)]).await?;
        writing.commit().await
    }

    /// An identity; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn identity(&self, name: &IdentityName) -> Result<Option<IdentityRecord>, StoreError> {
        let rows = self.pools.fetch(&IDENTITY, [name.as_str().into()]).await?;
        match rows.first() {
            Some(row) => self.identity_record(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// A page of identities by rising name, beginning behind `after`, at most `limit` (and 1001: the last
    /// one says that another page follows).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn identities(&self, after: &str, limit: u32) -> Result<Vec<IdentityRecord>, StoreError> {
        let limit = i64::from(limit.min(PAGE_MAX + 1)).into();
        let mut identities = Vec::new();
        for row in &self.pools.fetch(&IDENTITIES, [after.into(), limit]).await? {
            identities.push(self.identity_record(row).await?);
        }
        Ok(identities)
    }

    async fn identity_record(&self, row: &Row) -> Result<IdentityRecord, StoreError> {
        let identity = identity(row)?;
        let arguments = [identity.name.as_str().into(), i64::from(CREDENTIALS_MAX).into()];
        let credentials = self.pools.fetch(&CREDENTIALS, arguments).await?;
        Ok(IdentityRecord {
            identity,
            created_at: Timestamp::from_millis(row.integer("created_at")?),
            created_by: row.text("created_by")?,
            credentials: credentials.iter().map(credential).collect::<Result<_, _>>()?,
        })
    }
}
