-- One thing asked of many eUICCs. kind and rollback are those of operations; state: 0 running, 1 paused, 2 stopped, 3 cancelling,
-- 4 done, 5 cancelled. shares are per mille with blanks between; settled_at is since when enough of the wave has ended, next_at when
-- the pace lets the next target begin, held_until until when whoever begins targets holds it.
CREATE TABLE campaign (
    number         BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT campaign_number_key PRIMARY KEY,
    campaign_id    TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    rollback       BIGINT NOT NULL,
    delete_old_ms  BIGINT,
    profile_type   TEXT,
    creator        TEXT    NOT NULL,
    created_at     BIGINT NOT NULL,
    shares         TEXT    NOT NULL,
    per_hour       BIGINT NOT NULL,
    at_most        BIGINT NOT NULL,
    failure_budget BIGINT NOT NULL,
    soak_ms        BIGINT NOT NULL,
    validity_ms    BIGINT,
    targets        BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    state          BIGINT NOT NULL,
    reason         TEXT,
    changed_at     BIGINT NOT NULL,
    wave           BIGINT NOT NULL,
    waves          BIGINT NOT NULL,
    settled_at     BIGINT,
    next_at        BIGINT NOT NULL,
    held_until     BIGINT
);

CREATE UNIQUE INDEX campaign_key ON campaign (campaign_id);
CREATE INDEX campaign_active ON campaign (number) WHERE state IN (0, 1, 2, 3);

-- Whom it is asked of, in this order. Codes are sealed, and gone when nobody needs them any more; state: 0 pending, 1 under way,
-- 2 done, 3 rolled back, 4 failed, 5 expired, 6 cancelled, 7 refused, 8 left out.
CREATE TABLE campaign_target (
    campaign_id       TEXT    NOT NULL,
    place             BIGINT NOT NULL,
    eid               TEXT    NOT NULL,
    iccid             TEXT,
    activation_code   BYTEA,
    confirmation_code BYTEA,
    wave              BIGINT NOT NULL,
    state             BIGINT NOT NULL,
    operation_id      TEXT,
    reason            TEXT,
    CONSTRAINT campaign_target_key PRIMARY KEY (campaign_id, place)
);

CREATE UNIQUE INDEX campaign_target_eid ON campaign_target (campaign_id, eid);
CREATE INDEX campaign_target_state ON campaign_target (campaign_id, state, wave, place);
CREATE INDEX operation_of_campaign ON operation (campaign_id, state) WHERE campaign_id IS NOT NULL;
