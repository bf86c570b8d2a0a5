-- What a ready-made package needs of an eUICC (one put together from personal data needs what its template needs), the
-- latest failure of each order, and the way to orders that expired.

ALTER TABLE package ADD COLUMN needs_version INTEGER;
ALTER TABLE package ADD COLUMN needs_capabilities INTEGER;
ALTER TABLE package ADD COLUMN needs_octets INTEGER;

-- number tells the order from a later one for the same profile.
CREATE TABLE last_failure (
    iccid     TEXT    NOT NULL CONSTRAINT last_failure_key PRIMARY KEY,
    number    INTEGER NOT NULL,
    function  TEXT    NOT NULL,
    status    TEXT,
    detail    TEXT    NOT NULL,
    failed_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX profile_by_expiry ON profile (expires_at) WHERE state IN (4, 5) AND expires_at IS NOT NULL;
