-- Who may call the admin API. granted: 0 admin, 1 provisioning, 2 auditor.
CREATE TABLE identity (
    name       TEXT    NOT NULL CONSTRAINT identity_key PRIMARY KEY,
    granted    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL
) WITHOUT ROWID;

-- digest is the SHA-256 of a token or certificate; kind: 0 token, 1 certificate. ends_at is NULL while nothing replaced it.
CREATE TABLE identity_credential (
    digest       TEXT    NOT NULL CONSTRAINT identity_credential_key PRIMARY KEY,
    kind         INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    ends_at      INTEGER,
    last_used_at INTEGER
) WITHOUT ROWID;

CREATE INDEX identity_credential_by_name ON identity_credential (name, created_at);

-- What was answered to calls under an idempotency key; status is NULL until the answer is there. digest is of the request,
-- answer is sealed.
CREATE TABLE idempotency (
    name       TEXT    NOT NULL,
    call_key   TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    status     INTEGER,
    answer     BLOB,
    created_at INTEGER NOT NULL,
    CONSTRAINT idempotency_key PRIMARY KEY (name, call_key)
) WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
