-- Notifications that the eIM took from devices and brings to the SM-DP+ that each names; digest is of EID, address and
-- what was signed. Once brought, a row holds no octets any more, and is known for a while yet.
CREATE TABLE forwarded_notification (
    number       INTEGER NOT NULL CONSTRAINT forwarded_notification_key PRIMARY KEY AUTOINCREMENT,
    digest       TEXT    NOT NULL,
    eid          TEXT    NOT NULL,
    seq_number   INTEGER NOT NULL,
    address      TEXT    NOT NULL,
    event        INTEGER NOT NULL,
    iccid        TEXT,
    raw          BLOB    NOT NULL,
    received_at  INTEGER NOT NULL,
    repetitions  INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    leased_until INTEGER,
    given_up_at  INTEGER,
    forwarded_at INTEGER,
    last_answer  TEXT
);

CREATE UNIQUE INDEX forwarded_notification_digest ON forwarded_notification (digest);
CREATE INDEX forwarded_notification_due ON forwarded_notification (address, due_at)
    WHERE given_up_at IS NULL AND forwarded_at IS NULL;
CREATE INDEX forwarded_notification_of_euicc ON forwarded_notification (eid, address, seq_number)
    WHERE forwarded_at IS NULL;
CREATE INDEX forwarded_notification_past ON forwarded_notification (forwarded_at) WHERE forwarded_at IS NOT NULL;

-- Packages that the eIM handed from an SM-DP+ to a device: what belongs to the result that comes back.
CREATE TABLE relayed_download (
    transaction_id     TEXT    NOT NULL CONSTRAINT relayed_download_key PRIMARY KEY,
    eid                TEXT    NOT NULL,
    eim_transaction_id TEXT    NOT NULL,
    address            TEXT    NOT NULL,
    smdp_oid           TEXT    NOT NULL,
    iccid              TEXT    NOT NULL,
    euicc_public_key   BLOB,
    relayed_at         INTEGER NOT NULL
);

CREATE INDEX relayed_download_age ON relayed_download (relayed_at);
