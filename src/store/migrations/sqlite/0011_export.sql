-- How many profiles of published batches stand where, kept by the changes themselves: counting the rows would take as long as there
-- are rows. sub_class is empty where a profile has none; writer is 0 here, and the connection on an engine with several writers,
-- so that no two of them change one row.
CREATE TABLE stock_count (
    owner        TEXT    NOT NULL,
    profile_type TEXT    NOT NULL,
    sub_class    TEXT    NOT NULL,
    shelf        INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    writer       INTEGER NOT NULL,
    profiles     INTEGER NOT NULL,
    CONSTRAINT stock_count_key PRIMARY KEY (owner, profile_type, sub_class, shelf, state, writer)
) WITHOUT ROWID;

INSERT INTO stock_count (owner, profile_type, sub_class, shelf, state, writer, profiles)
SELECT profile.owner, profile.profile_type, COALESCE(profile.sub_class, ''), profile.shelf, profile.state, 0, COUNT(*)
FROM profile JOIN batch ON batch.batch_id = profile.batch_id AND batch.state = 1
GROUP BY 1, 2, 3, 4, 5;

CREATE TRIGGER profile_counted AFTER UPDATE OF state, shelf ON profile
WHEN NEW.state <> OLD.state OR NEW.shelf <> OLD.shelf
BEGIN
    INSERT INTO stock_count (owner, profile_type, sub_class, shelf, state, writer, profiles)
    VALUES (OLD.owner, OLD.profile_type, COALESCE(OLD.sub_class, ''), OLD.shelf, OLD.state, 0, -1)
    ON CONFLICT (owner, profile_type, sub_class, shelf, state, writer) DO UPDATE SET profiles = profiles - 1;
    INSERT INTO stock_count (owner, profile_type, sub_class, shelf, state, writer, profiles)
    VALUES (NEW.owner, NEW.profile_type, COALESCE(NEW.sub_class, ''), NEW.shelf, NEW.state, 0, 1)
    ON CONFLICT (owner, profile_type, sub_class, shelf, state, writer) DO UPDATE SET profiles = profiles + 1;
END;

-- All rows of a batch that is published are in stock and on no shelf but the first.
CREATE TRIGGER batch_counted AFTER INSERT ON batch WHEN NEW.state = 1 AND NEW.kind = 0
BEGIN
    INSERT INTO stock_count (owner, profile_type, sub_class, shelf, state, writer, profiles)
    VALUES (NEW.owner, NEW.profile_type, COALESCE(NEW.sub_class, ''), 0, 0, 0, NEW.profiles)
    ON CONFLICT (owner, profile_type, sub_class, shelf, state, writer) DO UPDATE SET profiles = profiles + excluded.profiles;
END;

CREATE TRIGGER batch_published AFTER UPDATE OF state ON batch WHEN OLD.state <> 1 AND NEW.state = 1 AND NEW.kind = 0
BEGIN
    INSERT INTO stock_count (owner, profile_type, sub_class, shelf, state, writer, profiles)
    VALUES (NEW.owner, NEW.profile_type, COALESCE(NEW.sub_class, ''), 0, 0, 0, NEW.profiles)
    ON CONFLICT (owner, profile_type, sub_class, shelf, state, writer) DO UPDATE SET profiles = profiles + excluded.profiles;
END;

-- The way through a batch, whatever became of its profiles.
CREATE INDEX profile_by_batch ON profile (batch_id, iccid);

-- Files for other systems. system: 1 AuC, 2 OTA, 4 CRM, as in profile.delivered; digest is of the file.
CREATE TABLE delivery (
    delivery_id   TEXT    NOT NULL CONSTRAINT delivery_key PRIMARY KEY,
    system        INTEGER NOT NULL,
    layout        TEXT    NOT NULL,
    file          TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    key_name      TEXT,
    subscriptions INTEGER NOT NULL,
    lines         INTEGER NOT NULL,
    person        TEXT    NOT NULL,
    made_at       INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE delivered_profile (
    iccid       TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    CONSTRAINT delivered_profile_key PRIMARY KEY (iccid, delivery_id)
) WITHOUT ROWID;
