-- Profiles that one statement moves are counted together, not one by one: most are moved by some at a time, between the same rows of
-- stock_count.
DROP TRIGGER profile_counted ON profile;
DROP FUNCTION profile_counted();

CREATE FUNCTION profiles_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock_count AS kept (owner, profile_type, sub_class, shelf, state, writer, profiles)
    SELECT owner, profile_type, sub_class, shelf, state, pg_backend_pid(), SUM(more)::BIGINT
    FROM (
        SELECT owner, profile_type, COALESCE(sub_class, '') AS sub_class, shelf, state, -1 AS more FROM before
        UNION ALL
        SELECT owner, profile_type, COALESCE(sub_class, ''), shelf, state, 1 FROM behind
    ) moved
    GROUP BY owner, profile_type, sub_class, shelf, state HAVING SUM(more) <> 0
    ON CONFLICT ON CONSTRAINT stock_count_key DO UPDATE SET profiles = kept.profiles + excluded.profiles;
    RETURN NULL;
END
$$;

CREATE TRIGGER profiles_counted AFTER UPDATE ON profile REFERENCING OLD TABLE AS before NEW TABLE AS behind
FOR EACH STATEMENT EXECUTE FUNCTION profiles_counted();
