-- How many profiles of published batches stand where, kept by the changes themselves: counting the rows would take as long as there
-- are rows. sub_class is empty where a profile has none; writer is the connection, so that no two of them change one row, and 0
-- where those of connections that are gone were added up.
CREATE TABLE stock_count (
    owner        TEXT   NOT NULL,
    profile_type TEXT   NOT NULL,
    sub_class    TEXT   NOT NULL,
    shelf        BIGINT NOT NULL,
    state        BIGINT NOT NULL,
    writer       BIGINT NOT NULL,
    profiles     BIGINT NOT NULL,
    CONSTRAINT stock_count_key PRIMARY KEY (owner, profile_type, sub_class, shelf, state, writer)
);

INSERT INTO stock_count (owner, profile_type, sub_class, shelf, state, writer, profiles)
SELECT profile.owner, profile.profile_type, COALESCE(profile.sub_class, ''), profile.shelf, profile.state, 0, COUNT(*)
FROM profile JOIN batch ON batch.batch_id = profile.batch_id AND batch.state = 1
GROUP BY 1, 2, 3, 4, 5;

CREATE FUNCTION count_stock(
    of_owner TEXT, of_type TEXT, of_sub_class TEXT, of_shelf BIGINT, of_state BIGINT, more BIGINT
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO stock_count AS kept (owner, profile_type, sub_class, shelf, state, writer, profiles)
    VALUES (of_owner, of_type, COALESCE(of_sub_class, ''), of_shelf, of_state, pg_backend_pid(), more)
    ON CONFLICT ON CONSTRAINT stock_count_key DO UPDATE SET profiles = kept.profiles + excluded.profiles
$$;

CREATE FUNCTION profile_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_stock(OLD.owner, OLD.profile_type, OLD.sub_class, OLD.shelf, OLD.state, -1);
    PERFORM count_stock(NEW.owner, NEW.profile_type, NEW.sub_class, NEW.shelf, NEW.state, 1);
    RETURN NULL;
END
$$;

CREATE TRIGGER profile_counted AFTER UPDATE OF state, shelf ON profile FOR EACH ROW
WHEN (NEW.state <> OLD.state OR NEW.shelf <> OLD.shelf) EXECUTE FUNCTION profile_counted();

-- All rows of a batch that is published are in stock and on no shelf but the first.
CREATE FUNCTION batch_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_stock(NEW.owner, NEW.profile_type, NEW.sub_class, 0, 0, NEW.profiles);
    RETURN NULL;
END
$$;

CREATE TRIGGER batch_counted AFTER INSERT ON batch FOR EACH ROW
WHEN (NEW.state = 1 AND NEW.kind = 0) EXECUTE FUNCTION batch_counted();

CREATE TRIGGER batch_published AFTER UPDATE OF state ON batch FOR EACH ROW
WHEN (OLD.state <> 1 AND NEW.state = 1 AND NEW.kind = 0) EXECUTE FUNCTION batch_counted();

-- The way through a batch, whatever became of its profiles.
CREATE INDEX profile_by_batch ON profile (batch_id, iccid);

-- Files for other systems. system: 1 AuC, 2 OTA, 4 CRM, as in profile.delivered; digest is of the file.
CREATE TABLE delivery (
    delivery_id   TEXT   NOT NULL CONSTRAINT delivery_key PRIMARY KEY,
    system        BIGINT NOT NULL,
    layout        TEXT   NOT NULL,
    file          TEXT   NOT NULL,
    digest        TEXT   NOT NULL,
    key_name      TEXT,
    subscriptions BIGINT NOT NULL,
    lines         BIGINT NOT NULL,
    person        TEXT   NOT NULL,
    made_at       BIGINT NOT NULL
);

CREATE TABLE delivered_profile (
    iccid       TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    CONSTRAINT delivered_profile_key PRIMARY KEY (iccid, delivery_id)
);
