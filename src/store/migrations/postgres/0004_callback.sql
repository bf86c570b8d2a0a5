-- What operators are to be told over ES2+.HandleDownloadProgressInfo. A row goes when the operator has it; callback_id
-- is the order in which things happened to a profile.

CREATE TABLE callback (
    callback_id     BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT callback_key PRIMARY KEY,
    owner           TEXT    NOT NULL,
    iccid           TEXT    NOT NULL,
    eid             TEXT,
    profile_type    TEXT    NOT NULL,
    point           BIGINT  NOT NULL,
    subject_code    TEXT,
    reason_code     TEXT,
    message         TEXT,
    result_data     BYTEA,
    call_identifier TEXT    NOT NULL,
    happened_at     BIGINT  NOT NULL,
    attempts        BIGINT  NOT NULL,
    due_at          BIGINT  NOT NULL,
    leased_until    BIGINT,
    given_up_at     BIGINT,
    last_answer     TEXT
);

CREATE INDEX callback_due ON callback (owner, due_at) WHERE given_up_at IS NULL;
CREATE INDEX callback_waiting ON callback (iccid, callback_id) WHERE given_up_at IS NULL;
CREATE INDEX callback_age ON callback (owner, given_up_at, happened_at);

-- Notifications that nobody could believe; digest is of all octets, raw may be cut.
CREATE TABLE refused_notification (
    number      BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT refused_notification_key PRIMARY KEY,
    digest      TEXT    NOT NULL,
    peer        TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    raw         BYTEA   NOT NULL,
    octets      BIGINT  NOT NULL,
    received_at BIGINT  NOT NULL,
    repeated_at BIGINT,
    repetitions BIGINT  NOT NULL
);

CREATE UNIQUE INDEX refused_notification_digest ON refused_notification (digest);
CREATE INDEX refused_notification_by_peer ON refused_notification (peer, number);
