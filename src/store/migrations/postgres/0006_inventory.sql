-- Batches that come in piece by piece: nobody sees a row of one before it is published. state: 0 coming in, 1 published, 2 being
-- removed; kind: 0 subscriptions, 1 eUICCs. delivery_id is the manufacturer's own; receiver is who takes the batch in, as long as
-- its lease lasts.
ALTER TABLE batch ADD COLUMN manufacturer TEXT NOT NULL DEFAULT 'local';
ALTER TABLE batch ADD COLUMN delivery_id TEXT;
ALTER TABLE batch ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN state BIGINT NOT NULL DEFAULT 1;
ALTER TABLE batch ADD COLUMN receiver TEXT;
ALTER TABLE batch ADD COLUMN lease_until BIGINT;
ALTER TABLE batch ADD COLUMN sub_class TEXT;
ALTER TABLE batch ADD COLUMN rows_read BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN refused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN first_iccid TEXT;
ALTER TABLE batch ADD COLUMN last_iccid TEXT;
ALTER TABLE batch ADD COLUMN refusals BYTEA;

CREATE UNIQUE INDEX batch_delivery ON batch (manufacturer, delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX batch_by_manufacturer ON batch (manufacturer, batch_id);
CREATE INDEX batch_unfinished ON batch (lease_until) WHERE state <> 1;

-- What belongs to the stock and not to an order. shelf: 0 in stock, 1 reserved, 2 quarantined, 3 retired; delivered: bits of the
-- systems that have the keys, 1 AuC, 2 OTA, 4 CRM.
ALTER TABLE profile ADD COLUMN sub_class TEXT;
ALTER TABLE profile ADD COLUMN shelf BIGINT NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN shelf_until BIGINT;
ALTER TABLE profile ADD COLUMN allocation_id TEXT;
ALTER TABLE profile ADD COLUMN delivered BIGINT NOT NULL DEFAULT 0;

DROP INDEX profile_available;
CREATE INDEX profile_available ON profile (owner, profile_type, batch_id, iccid) WHERE state = 0 AND shelf = 0;
CREATE INDEX profile_set_aside ON profile (shelf_until) WHERE shelf IN (1, 2);
CREATE INDEX profile_by_allocation ON profile (allocation_id, iccid) WHERE allocation_id IS NOT NULL;
CREATE INDEX profile_by_msisdn ON profile (msisdn) WHERE msisdn IS NOT NULL;

-- Every IMSI of every subscription, once in the whole store; place is that in the personal data, 0 for the home subscription,
-- whose MSISDN stands in profile.
CREATE TABLE subscription_imsi (
    imsi   TEXT    NOT NULL CONSTRAINT subscription_imsi_key PRIMARY KEY,
    iccid  TEXT    NOT NULL,
    place  BIGINT  NOT NULL,
    role   TEXT    NOT NULL,
    msisdn TEXT
);

CREATE INDEX subscription_imsi_further ON subscription_imsi (iccid, place) WHERE place > 0;
CREATE INDEX subscription_imsi_by_msisdn ON subscription_imsi (msisdn) WHERE msisdn IS NOT NULL;

INSERT INTO subscription_imsi (imsi, iccid, place, role) SELECT imsi, iccid, 0, 'home' FROM profile WHERE imsi IS NOT NULL;
DROP INDEX profile_imsi;

-- eUICCs as their manufacturers deliver them. architecture: 2 SGP.02, 22 SGP.22, 32 SGP.32; freedom_to_switch: 0 absent, 1
-- inactive, 2 active.
CREATE TABLE euicc (
    eid                  TEXT    NOT NULL CONSTRAINT euicc_key PRIMARY KEY,
    manufacturer         TEXT    NOT NULL,
    batch_id             TEXT    NOT NULL,
    owner                TEXT    NOT NULL,
    sub_class            TEXT,
    architecture         BIGINT  NOT NULL,
    euicc_type           TEXT,
    form_factor          TEXT,
    package_version      BIGINT,
    non_volatile_octets  BIGINT,
    capabilities         BIGINT,
    ci_keys              TEXT,
    eum_certificate      TEXT,
    certificate          BYTEA,
    eim_id               TEXT,
    eim_counter          BIGINT,
    association_token    BIGINT,
    freedom_to_switch    BIGINT  NOT NULL,
    enabled_iccid        TEXT,
    created_at           BIGINT  NOT NULL,
    last_seen_at         BIGINT
);

CREATE INDEX euicc_of_batch ON euicc (batch_id, eid);
CREATE INDEX euicc_by_owner ON euicc (owner, eid);

-- EUM certificates, once for all eUICCs under them; digest is SHA-256 in hexadecimal digits.
CREATE TABLE eum_certificate (
    digest TEXT NOT NULL CONSTRAINT eum_certificate_key PRIMARY KEY,
    der    BYTEA NOT NULL
);

-- Profiles that were on an eUICC when it came.
CREATE TABLE euicc_profile (
    iccid TEXT NOT NULL CONSTRAINT euicc_profile_key PRIMARY KEY,
    eid   TEXT NOT NULL
);

CREATE INDEX euicc_profile_by_eid ON euicc_profile (eid, iccid);
