-- Notifications that the eIM took from devices and brings to the SM-DP+ that each names; digest is of EID, address and
-- what was signed. Once brought, a row holds no octets any more, and is known for a while yet.
CREATE TABLE forwarded_notification (
    number       BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT forwarded_notification_key PRIMARY KEY,
    digest       TEXT    NOT NULL,
    eid          TEXT    NOT NULL,
    seq_number   BIGINT  NOT NULL,
    address      TEXT    NOT NULL,
    event        BIGINT  NOT NULL,
    iccid        TEXT,
    raw          BYTEA   NOT NULL,
    received_at  BIGINT  NOT NULL,
    repetitions  BIGINT  NOT NULL,
    attempts     BIGINT  NOT NULL,
    due_at       BIGINT  NOT NULL,
    leased_until BIGINT,
    given_up_at  BIGINT,
    forwarded_at BIGINT,
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
    euicc_public_key   BYTEA,
    relayed_at         BIGINT  NOT NULL
);

CREATE INDEX relayed_download_age ON relayed_download (relayed_at);
