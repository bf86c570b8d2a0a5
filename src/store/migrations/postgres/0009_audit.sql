-- Who did what to which identifier. digest is of the entry and of the digest before it; commitments are the salted hashes
-- of values of persons, as kind=hash, divided by commas.

CREATE TABLE audit (
    number       BIGINT  NOT NULL CONSTRAINT audit_key PRIMARY KEY,
    happened_at  BIGINT  NOT NULL,
    actor_kind   TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject_kind TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    commitments  TEXT    NOT NULL,
    digest       TEXT    NOT NULL
);

CREATE INDEX audit_by_subject ON audit (subject, number);
CREATE INDEX audit_by_actor ON audit (actor, number);
CREATE INDEX audit_by_time ON audit (happened_at, number);

CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is never changed or cut';
END
$$;

CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

-- Where the chain ends: one row, which whoever writes an entry locks.
CREATE TABLE audit_head (
    chain  BIGINT  NOT NULL CONSTRAINT audit_head_key PRIMARY KEY,
    number BIGINT  NOT NULL,
    digest TEXT    NOT NULL
);

INSERT INTO audit_head (chain, number, digest)
VALUES (0, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- Values of persons with their salts; a row goes when its value is erased.
CREATE TABLE audit_personal (
    number      BIGINT  NOT NULL,
    kind        TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    salt        TEXT    NOT NULL,
    happened_at BIGINT  NOT NULL,
    CONSTRAINT audit_personal_key PRIMARY KEY (number, kind)
);

CREATE INDEX audit_personal_by_value ON audit_personal (value);
CREATE INDEX audit_personal_by_time ON audit_personal (happened_at);
