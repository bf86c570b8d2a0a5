-- What operators are to be told over ES2+.HandleDownloadProgressInfo. A row goes when the operator has it; callback_id
-- is the order in which things happened to a profile.

CREATE TABLE callback (
    callback_id     INTEGER NOT NULL CONSTRAINT callback_key PRIMARY KEY AUTOINCREMENT,
    owner           TEXT    NOT NULL,
    iccid           TEXT    NOT NULL,
    eid             TEXT,
    profile_type    TEXT    NOT NULL,
    point           INTEGER NOT NULL,
    subject_code    TEXT,
    reason_code     TEXT,
    message         TEXT,
    result_data     BLOB,
    call_identifier TEXT    NOT NULL,
    happened_at     INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    leased_until    INTEGER,
    given_up_at     INTEGER,
    last_answer     TEXT
);

CREATE INDEX callback_due ON callback (owner, due_at) WHERE given_up_at IS NULL;
CREATE INDEX callback_waiting ON callback (iccid, callback_id) WHERE given_up_at IS NULL;
CREATE INDEX callback_age ON callback (owner, given_up_at, happened_at);

-- Notifications that nobody could believe; digest is of all octets, raw may be cut.
CREATE TABLE refused_notification (
    number      INTEGER NOT NULL CONSTRAINT refused_notification_key PRIMARY KEY AUTOINCREMENT,
    digest      TEXT    NOT NULL,
    peer        TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    raw         BLOB    NOT NULL,
    octets      INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    repeated_at INTEGER,
    repetitions INTEGER NOT NULL
);

CREATE UNIQUE INDEX refused_notification_digest ON refused_notification (digest);
CREATE INDEX refused_notification_by_peer ON refused_notification (peer, number);
