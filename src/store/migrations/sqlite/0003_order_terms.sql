-- What an order asks of its package, NULL where it is as its profile type says: the keys of its segments, and the whole
-- StoreMetadataRequest. released_at is NULL for orders that were released before there was this column.
ALTER TABLE profile ADD COLUMN key_mode INTEGER;
ALTER TABLE profile ADD COLUMN metadata BLOB;
ALTER TABLE profile ADD COLUMN released_at INTEGER;

CREATE INDEX profile_by_owner ON profile (owner, iccid);

-- What people did to orders at the server itself. version is that of the order which the change left, number tells the
-- order from a later one for the same profile.
CREATE TABLE manual_change (
    iccid      TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    command    INTEGER NOT NULL,
    person     TEXT    NOT NULL,
    from_state INTEGER NOT NULL,
    to_state   INTEGER NOT NULL,
    detail     TEXT    NOT NULL,
    made_at    INTEGER NOT NULL,
    CONSTRAINT manual_change_key PRIMARY KEY (iccid, version)
) WITHOUT ROWID;
