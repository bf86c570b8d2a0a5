-- The notifications about a profile lie together in one tree, the octets behind all that they are sorted by.

ALTER TABLE notification RENAME TO notification_before;
ALTER TABLE notification_before DROP CONSTRAINT notification_key;

CREATE TABLE notification (
    iccid       TEXT    NOT NULL,
    eid         TEXT    NOT NULL,
    seq_number  BIGINT  NOT NULL,
    digest      BYTEA   NOT NULL,
    event       BIGINT  NOT NULL,
    received_at BIGINT  NOT NULL,
    raw         BYTEA   NOT NULL,
    CONSTRAINT notification_key PRIMARY KEY (iccid, eid, seq_number, digest)
);

INSERT INTO notification (iccid, eid, seq_number, digest, event, received_at, raw)
SELECT iccid, eid, seq_number, decode(digest, 'hex'), event, received_at, raw FROM notification_before;

DROP TABLE notification_before;
