-- Which client certificates of devices stand for which EID, where the certificate itself does not say it. fingerprint is the
-- SHA-256 of the certificate.
CREATE TABLE device_certificate (
    fingerprint TEXT    NOT NULL CONSTRAINT device_certificate_key PRIMARY KEY,
    eid         TEXT    NOT NULL,
    person      TEXT    NOT NULL,
    imported_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX device_certificate_by_eid ON device_certificate (eid, fingerprint);

-- What was refused on ESipa. eid is the one that was claimed, caller_eid the one that the certificate stands for. digest is of
-- all that makes two refusals the same.
CREATE TABLE esipa_refusal (
    number      INTEGER NOT NULL CONSTRAINT esipa_refusal_key PRIMARY KEY AUTOINCREMENT,
    digest      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    eid         TEXT,
    caller_eid  TEXT,
    certificate TEXT,
    peer        TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    times       INTEGER NOT NULL
);

CREATE UNIQUE INDEX esipa_refusal_digest ON esipa_refusal (digest);
CREATE INDEX esipa_refusal_by_peer ON esipa_refusal (peer, number);
