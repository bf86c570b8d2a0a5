-- Numbers that pools hand out. A number nobody got has no row; passed is the last number of the range that was looked at.
CREATE TABLE pool (
    name   TEXT NOT NULL CONSTRAINT pool_key PRIMARY KEY,
    passed TEXT NOT NULL
) WITHOUT ROWID;

-- kind: 0 ICCID, 1 IMSI, 2 MSISDN; state: 0 reserved until held_until, 1 allocated, 2 in quarantine until held_until, 3 retired.
CREATE TABLE pool_number (
    kind          INTEGER NOT NULL,
    number        TEXT    NOT NULL,
    pool          TEXT    NOT NULL,
    state         INTEGER NOT NULL CONSTRAINT pool_number_state CHECK (state BETWEEN 0 AND 3),
    held_until    INTEGER,
    allocation_id TEXT,
    person        TEXT    NOT NULL,
    changed_at    INTEGER NOT NULL,
    CONSTRAINT pool_number_key PRIMARY KEY (kind, number)
) WITHOUT ROWID;

CREATE INDEX pool_number_by_pool ON pool_number (pool, state, held_until, number);
CREATE INDEX pool_number_by_allocation ON pool_number (allocation_id, kind, number) WHERE allocation_id IS NOT NULL;
CREATE INDEX pool_number_reserved ON pool_number (held_until) WHERE state = 0;

-- What was asked for under an identifier: who asks again gets the same. source is the pool, or the profile type of
-- subscriptions; quarantine_ms is for what comes back when a reservation runs out.
CREATE TABLE allocation (
    allocation_id TEXT    NOT NULL CONSTRAINT allocation_key PRIMARY KEY,
    subject       INTEGER NOT NULL,
    owner         TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    count         INTEGER NOT NULL,
    quarantine_ms INTEGER NOT NULL,
    held_until    INTEGER,
    person        TEXT    NOT NULL,
    made_at       INTEGER NOT NULL
) WITHOUT ROWID;

-- OP and TOP of operators, sealed. algorithm: 1 Milenage, 2 TUAK.
CREATE TABLE operator_key (
    operator    TEXT    NOT NULL,
    algorithm   INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,
    person      TEXT    NOT NULL,
    imported_at INTEGER NOT NULL,
    CONSTRAINT operator_key_key PRIMARY KEY (operator, algorithm)
) WITHOUT ROWID;
