-- Who is told of what happens. secret and previous_secret are sealed; both sign until previous_until. No message is taken
-- before resume_at, and none while disabled_at is set; failures counts since the latest success.
CREATE TABLE webhook (
    name            TEXT    NOT NULL CONSTRAINT webhook_key PRIMARY KEY,
    url             TEXT    NOT NULL,
    secret          BYTEA   NOT NULL,
    previous_secret BYTEA,
    previous_until  BIGINT,
    created_at      BIGINT  NOT NULL,
    created_by      TEXT    NOT NULL,
    delivered_at    BIGINT,
    failures        BIGINT  NOT NULL,
    failing_since   BIGINT,
    resume_at       BIGINT,
    disabled_at     BIGINT,
    last_answer     TEXT
);

-- What each is told of: a type of event, a family ('operation.*'), or '*'.
CREATE TABLE webhook_selection (
    name     TEXT NOT NULL,
    selected TEXT NOT NULL,
    CONSTRAINT webhook_selection_key PRIMARY KEY (name, selected)
);

-- What is to be told, a row for each who is told. A row goes when the receiver has it.
CREATE TABLE webhook_message (
    number       BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT webhook_message_key PRIMARY KEY,
    name         TEXT    NOT NULL,
    message_id   TEXT    NOT NULL,
    event_type   TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    happened_at  BIGINT  NOT NULL,
    attempts     BIGINT  NOT NULL,
    due_at       BIGINT  NOT NULL,
    leased_until BIGINT,
    given_up_at  BIGINT,
    last_answer  TEXT
);

CREATE UNIQUE INDEX webhook_message_once ON webhook_message (name, message_id);
CREATE INDEX webhook_message_due ON webhook_message (name, due_at) WHERE given_up_at IS NULL;
CREATE INDEX webhook_message_age ON webhook_message (name, given_up_at, happened_at);
