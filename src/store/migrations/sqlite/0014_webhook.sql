-- Who is told of what happens. secret and previous_secret are sealed; both sign until previous_until. No message is taken
-- before resume_at, and none while disabled_at is set; failures counts since the latest success.
CREATE TABLE webhook (
    name            TEXT    NOT NULL CONSTRAINT webhook_key PRIMARY KEY,
    url             TEXT    NOT NULL,
    secret          BLOB    NOT NULL,
    previous_secret BLOB,
    previous_until  INTEGER,
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    delivered_at    INTEGER,
    failures        INTEGER NOT NULL,
    failing_since   INTEGER,
    resume_at       INTEGER,
    disabled_at     INTEGER,
    last_answer     TEXT
) WITHOUT ROWID;

-- What each is told of: a type of event, a family ('operation.*'), or '*'.
CREATE TABLE webhook_selection (
    name     TEXT NOT NULL,
    selected TEXT NOT NULL,
    CONSTRAINT webhook_selection_key PRIMARY KEY (name, selected)
) WITHOUT ROWID;

-- What is to be told, a row for each who is told. A row goes when the receiver has it.
CREATE TABLE webhook_message (
    number       INTEGER NOT NULL CONSTRAINT webhook_message_key PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL,
    message_id   TEXT    NOT NULL,
    event_type   TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    happened_at  INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    leased_until INTEGER,
    given_up_at  INTEGER,
    last_answer  TEXT
);

CREATE UNIQUE INDEX webhook_message_once ON webhook_message (name, message_id);
CREATE INDEX webhook_message_due ON webhook_message (name, due_at) WHERE given_up_at IS NULL;
CREATE INDEX webhook_message_age ON webhook_message (name, given_up_at, happened_at);
