-- eUICCs that are associated with our eIM. version is raised by every change of what belongs to an eUICC: its operations, packages
-- and profiles; association by every new association, after which counters may begin anew. counter is the last counterValue that
-- was used. What the eUICC and its IPA said of themselves is kept as it came.
CREATE TABLE eim_euicc (
    eid                       TEXT    NOT NULL CONSTRAINT eim_euicc_key PRIMARY KEY,
    version                   BIGINT  NOT NULL,
    association               BIGINT  NOT NULL,
    associated_at             BIGINT  NOT NULL,
    counter                   BIGINT  NOT NULL,
    association_token         BIGINT,
    indirect_download         BIGINT  NOT NULL,
    eum_certificate           TEXT,
    certificate               BYTEA,
    euicc_info1               BYTEA,
    euicc_info2               BYTEA,
    ipa_capabilities          BYTEA,
    device_info               BYTEA,
    rules_authorisation_table BYTEA,
    introductions             BIGINT  NOT NULL DEFAULT 0,
    stale_since               BIGINT,
    listed_at                 BIGINT,
    rplmn                     TEXT,
    last_contact_at           BIGINT,
    previous_contact_at       BIGINT
);

CREATE INDEX eim_euicc_by_contact ON eim_euicc (last_contact_at);

-- What is asked of an eUICC. kind: 0 download, 1 enable, 2 disable, 3 delete, 4 audit, 5 switch, 6 configure; urgency: 0 audits that
-- a device made necessary, 1 what somebody asked for; state: 0 waiting, 1 to 9 under way, 10 to 15 ended. Codes are sealed.
CREATE TABLE operation (
    number            BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT operation_number_key PRIMARY KEY,
    operation_id      TEXT    NOT NULL,
    eid               TEXT    NOT NULL,
    kind              BIGINT  NOT NULL,
    urgency           BIGINT  NOT NULL,
    creator           TEXT    NOT NULL,
    call_key          TEXT,
    digest            TEXT    NOT NULL,
    campaign_id       TEXT,
    iccid             TEXT,
    rollback          BIGINT  NOT NULL,
    delete_old_ms     BIGINT,
    commands          BYTEA,
    activation_code   BYTEA,
    confirmation_code BYTEA,
    code_is_linked    BIGINT  NOT NULL,
    created_at        BIGINT  NOT NULL,
    valid_until       BIGINT,
    state             BIGINT  NOT NULL,
    to_iccid          TEXT,
    from_iccid        TEXT,
    hold_until        BIGINT,
    reason            TEXT,
    reason_detail     TEXT,
    attempts          BIGINT  NOT NULL,
    changed_at        BIGINT  NOT NULL,
    overdue_since     BIGINT,
    due_at            BIGINT
);

CREATE UNIQUE INDEX operation_key ON operation (operation_id);
CREATE UNIQUE INDEX operation_call ON operation (creator, call_key) WHERE call_key IS NOT NULL;
CREATE UNIQUE INDEX operation_active ON operation (eid) WHERE state BETWEEN 1 AND 9;
CREATE INDEX operation_waiting ON operation (eid, urgency, number) WHERE state = 0;
CREATE INDEX operation_of_euicc ON operation (eid, number);
CREATE INDEX operation_by_state ON operation (state, number);
CREATE INDEX operation_due ON operation (due_at) WHERE due_at IS NOT NULL;

-- eIM packages. command says what stands in one; counter, content and signature are those of eUICC packages, and the counter is
-- written before anything is signed. result is what the eUICC signed, rollback_result what replaced it; both as they came.
-- outcome: 0 answered, 1 withdrawn.
CREATE TABLE eim_package (
    number            BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT eim_package_key PRIMARY KEY,
    eid               TEXT    NOT NULL,
    operation_id      TEXT    NOT NULL,
    command           BIGINT  NOT NULL,
    transaction_id    TEXT    NOT NULL,
    association       BIGINT  NOT NULL,
    counter           BIGINT,
    content           BYTEA,
    created_at        BIGINT  NOT NULL,
    due_at            BIGINT  NOT NULL,
    association_token BIGINT,
    signature         BYTEA,
    handed_over_at    BIGINT,
    ended_at          BIGINT,
    outcome           BIGINT,
    result            BYTEA,
    result_at         BIGINT,
    rollback_result   BYTEA
);

CREATE UNIQUE INDEX eim_package_outstanding ON eim_package (eid) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX eim_package_counter ON eim_package (eid, association, counter) WHERE counter IS NOT NULL;
CREATE UNIQUE INDEX eim_package_transaction ON eim_package (transaction_id);
CREATE INDEX eim_package_of_operation ON eim_package (operation_id, number);

-- What the last list of an eUICC said, and what signed results changed since.
CREATE TABLE euicc_profile_state (
    eid      TEXT    NOT NULL,
    iccid    TEXT    NOT NULL,
    enabled  BIGINT  NOT NULL,
    fallback BIGINT  NOT NULL,
    name     TEXT,
    CONSTRAINT euicc_profile_state_key PRIMARY KEY (eid, iccid)
);

-- What is told of operations, devices and campaigns; data is a JSON object.
CREATE TABLE operation_event (
    number       BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT operation_event_key PRIMARY KEY,
    kind         TEXT    NOT NULL,
    happened_at  BIGINT  NOT NULL,
    eid          TEXT,
    operation_id TEXT,
    campaign_id  TEXT,
    data         TEXT    NOT NULL
);

CREATE INDEX operation_event_of_operation ON operation_event (operation_id, number) WHERE operation_id IS NOT NULL;
CREATE INDEX operation_event_by_time ON operation_event (happened_at);
