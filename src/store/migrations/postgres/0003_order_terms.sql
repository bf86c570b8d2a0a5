-- What an order asks of its package, NULL where it is as its profile type says: the keys of its segments, and the whole
-- StoreMetadataRequest. released_at is NULL for orders that were released before there was this column.
ALTER TABLE profile ADD COLUMN key_mode BIGINT;
ALTER TABLE profile ADD COLUMN metadata BYTEA;
ALTER TABLE profile ADD COLUMN released_at BIGINT;

CREATE INDEX profile_by_owner ON profile (owner, iccid);

-- What people did to orders at the server itself. version is that of the order which the change left, number tells the
-- order from a later one for the same profile.
CREATE TABLE manual_change (
    iccid      TEXT    NOT NULL,
    version    BIGINT  NOT NULL,
    number     BIGINT  NOT NULL,
    command    BIGINT  NOT NULL,
    person     TEXT    NOT NULL,
    from_state BIGINT  NOT NULL,
    to_state   BIGINT  NOT NULL,
    detail     TEXT    NOT NULL,
    made_at    BIGINT  NOT NULL,
    CONSTRAINT manual_change_key PRIMARY KEY (iccid, version)
);
