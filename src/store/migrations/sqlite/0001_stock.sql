-- The stock, its orders, and what the eUICCs reported.

CREATE TABLE batch (
    batch_id     TEXT    NOT NULL CONSTRAINT batch_key PRIMARY KEY,
    owner        TEXT    NOT NULL,
    profile_type TEXT    NOT NULL,
    profiles     INTEGER NOT NULL,
    digest       TEXT    NOT NULL,
    received_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX batch_by_profile_type ON batch (profile_type, owner);

CREATE TABLE profile (
    iccid                 TEXT    NOT NULL CONSTRAINT profile_key PRIMARY KEY,
    imsi                  TEXT,
    msisdn                TEXT,
    owner                 TEXT    NOT NULL,
    profile_type          TEXT    NOT NULL,
    batch_id              TEXT    NOT NULL,
    created_at            INTEGER NOT NULL,
    number                INTEGER NOT NULL,
    version               INTEGER NOT NULL,
    state                 INTEGER NOT NULL CONSTRAINT profile_state CHECK (state BETWEEN 0 AND 8),
    eid                   TEXT,
    requester             TEXT,
    call_identifier       TEXT,
    named_by              INTEGER,
    ordered_eid           TEXT,
    ordered_at            INTEGER,
    confirmed_eid         TEXT,
    matching_id           TEXT,
    matching_id_origin    INTEGER,
    code_hash             BLOB,
    release_time          INTEGER,
    confirmed_at          INTEGER,
    expires_at            INTEGER,
    download_attempts     INTEGER NOT NULL,
    confirmation_attempts INTEGER NOT NULL,
    bound_at              INTEGER,
    ended_at              INTEGER,
    error_reason          TEXT,
    run_time_state        INTEGER,
    run_time_number       INTEGER
) WITHOUT ROWID;

CREATE UNIQUE INDEX profile_imsi ON profile (imsi) WHERE imsi IS NOT NULL;
CREATE UNIQUE INDEX profile_matching_id ON profile (matching_id) WHERE matching_id <> '';
CREATE INDEX profile_by_eid ON profile (eid) WHERE eid IS NOT NULL;
CREATE INDEX profile_available ON profile (owner, profile_type, iccid) WHERE state = 0;
CREATE INDEX profile_by_call ON profile (call_identifier, ordered_at) WHERE state IN (1, 2);

-- Sealed octets: personal data for a template, or a whole package.
CREATE TABLE package (
    iccid  TEXT    NOT NULL CONSTRAINT package_key PRIMARY KEY,
    kind   INTEGER NOT NULL,
    sealed BLOB    NOT NULL
);

-- The latest binding of a profile; session_keys are sealed, and gone once they are of no use. content_digest is of the
-- metadata and the package.
CREATE TABLE binding (
    iccid            TEXT    NOT NULL CONSTRAINT binding_key PRIMARY KEY,
    eid              TEXT    NOT NULL,
    euicc_public_key BLOB    NOT NULL,
    euicc_otpk       BLOB    NOT NULL,
    smdp_otpk        BLOB    NOT NULL,
    content_digest   BLOB    NOT NULL,
    session_keys     BLOB,
    bound_at         INTEGER NOT NULL
) WITHOUT ROWID;

-- Every transaction in which a package was bound: results may arrive late.
CREATE TABLE binding_transaction (
    transaction_id BLOB NOT NULL CONSTRAINT binding_transaction_key PRIMARY KEY,
    iccid          TEXT NOT NULL
) WITHOUT ROWID;

-- What eUICCs signed about profiles bound to them; digest is of the signed octets.
CREATE TABLE notification (
    eid         TEXT    NOT NULL,
    seq_number  INTEGER NOT NULL,
    digest      TEXT    NOT NULL,
    iccid       TEXT    NOT NULL,
    event       INTEGER NOT NULL,
    raw         BLOB    NOT NULL,
    received_at INTEGER NOT NULL,
    CONSTRAINT notification_key PRIMARY KEY (eid, seq_number, digest)
);

CREATE INDEX notification_by_iccid ON notification (iccid, received_at);
