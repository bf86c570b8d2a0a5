-- The notifications about a profile lie together in one tree, the octets behind all that they are sorted by.

ALTER TABLE notification RENAME TO notification_before;

CREATE TABLE notification (
    iccid       TEXT    NOT NULL,
    eid         TEXT    NOT NULL,
    seq_number  INTEGER NOT NULL,
    digest      BLOB    NOT NULL,
    event       INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    raw         BLOB    NOT NULL,
    CONSTRAINT notification_key PRIMARY KEY (iccid, eid, seq_number, digest)
) WITHOUT ROWID;

INSERT INTO notification (iccid, eid, seq_number, digest, event, received_at, raw)
SELECT iccid, eid, seq_number, unhex(digest), event, received_at, raw FROM notification_before;

DROP TABLE notification_before;
